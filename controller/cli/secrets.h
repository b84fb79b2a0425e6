/* Values of secretArguments, and credentials for backends and images, for a run without a
 * cluster. */
#ifndef CLI_SECRETS_H
#define CLI_SECRETS_H

#include "cli/workspace.h"
#include "compiler/spec.h"
#include "net/dockerconfig.h"

#define SECRET_OPTIONS                                                                 \
	{                                                                              \
		.name = "secret", .type = CLI_LIST, .argument = "NAME/KEY=SOURCE",     \
		.help = "value of a secret argument, or of a secret that the "         \
			"FondantBackend names: env:VARIABLE or file:PATH; else it is " \
			"taken from a Secret among the files"                          \
	}

/* "<Secret>/<key>" -> value of every secretArgument of the spec; to be let go by cli_secrets_wipe.
 * What is missing is said; returns the exit code. */
int cli_secrets(struct cli *cli, const struct cli_args *args, struct workspace *ws,
	const struct frozen_spec *spec, json_t **ret_secrets);
void cli_secrets_wipe(json_t *secrets);
/* What the references in a FondantBackend's settings give (struct runner_settings, credentials), by
 * the same options and files. *ret_credentials is to be let go by cli_secrets_wipe. */
int cli_credentials(struct cli *cli, const struct cli_args *args, struct workspace *ws,
	const char *namespace_, const json_t *settings, json_t **ret_credentials);
/* A file as a text, without its last line end. New reference; NULL: it cannot be read as one. */
json_t *cli_read_text(const char *path);

/* Those of $DOCKER_CONFIG/config.json or ~/.docker/config.json; helpers are passed over, and a file
 * that cannot be read is said. */
void cli_pull_auths(struct cli *cli, struct registry_auth_list *ret_auths);

#endif

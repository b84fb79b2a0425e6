/* Values of secretArguments, and credentials for images, for a run without a cluster. */
#ifndef CLI_SECRETS_H
#define CLI_SECRETS_H

#include "cli/workspace.h"
#include "compiler/spec.h"
#include "net/dockerconfig.h"

#define SECRET_OPTIONS                                                                       \
	{                                                                                    \
		.name = "secret", .type = CLI_LIST, .argument = "NAME/KEY=SOURCE",           \
		.help = "value of a secret argument: env:VARIABLE or file:PATH; else it is " \
			"taken from a Secret among the files"                                \
	}

/* "<Secret>/<key>" -> value of every secretArgument of the spec; to be let go by cli_secrets_wipe.
 * What is missing is said; returns the exit code. */
int cli_secrets(struct cli *cli, const struct cli_args *args, struct workspace *ws,
	const struct frozen_spec *spec, json_t **ret_secrets);
void cli_secrets_wipe(json_t *secrets);

/* Those of $DOCKER_CONFIG/config.json or ~/.docker/config.json; helpers are passed over, and a file
 * that cannot be read is said. */
void cli_pull_auths(struct cli *cli, struct registry_auth_list *ret_auths);

#endif

/*
 * The frozen specs of one call: pipelines of the files, compiled here, and frozen specs among the
 * files as they are. What is wrong is said on stderr.
 */
#ifndef CLI_FROZEN_H
#define CLI_FROZEN_H

#include "cli/workspace.h"
#include "compiler/spec.h"

struct frozen_text {
	char *text; /* canonical JSON of the frozen spec; owned */
	size_t len;
	char hash[DIGEST_HEX_SIZE];
	const char *name;              /* of the pipeline; borrowed from json or the workspace */
	json_t *json;                  /* the same as a tree; owned */
	const struct object *pipeline; /* what it was compiled of; NULL: it came as it is */
	const json_t *settings; /* of the FondantBackend among the files; NULL: there is none */
};

struct frozen_list {
	struct frozen_text *items;
	size_t len;
};

/* --parameter name=value and --digest image=reference, besides WORKSPACE_ and COMPILE_OPTIONS. */
#define FROZEN_OPTIONS                                                                           \
	{.name = "parameter",                                                                    \
		.letter = 'p',                                                                   \
		.type = CLI_LIST,                                                                \
		.argument = "NAME=VALUE",                                                        \
		.help = "value of a parameter for this run, over its default; read by the type " \
			"the pipeline gives it, JSON for lists and dicts"},                      \
	{                                                                                        \
		.name = "digest", .type = CLI_LIST, .argument = "IMAGE=REFERENCE",               \
		.help = "what an image is by digest, repository@sha256:... or sha256:...; here " \
			"no registry is asked"                                                   \
	}

/*
 * Compiles the pipelines of the workspace (only those called `only` when it is not NULL) with the
 * options of args. Returns CLI_OK with at least one, CLI_FINDINGS when one has errors or there is
 * none, CLI_USAGE when an option's value is wrong.
 */
int frozen_load(struct cli *cli, const struct cli_args *args, struct workspace *ws,
	const char *only, struct frozen_list *ret_list);
/* The same once more, now that component folders are built (struct compile_input); what was said
 * the first time is not said again. */
int frozen_load_built(struct cli *cli, const struct cli_args *args, struct workspace *ws,
	const char *only, const json_t *built, struct frozen_list *ret_list);
void frozen_list_clear(struct frozen_list *list);

/*
 * The document of the spec's backend for a run (runner.h, compile); settings: spec.<kind> of its
 * FondantBackend or NULL. CLI_FINDINGS when there is none, or it cannot say all of the spec; what
 * is wrong is said on stderr. *ret_native is a new reference.
 */
int frozen_native(struct cli *cli, const struct frozen_spec *spec, const char *run_id,
	const json_t *settings, json_t **ret_native);

#endif

/*
 * Building of component folders on a Docker engine, before the run: each folder that the pipeline
 * names and that has a Dockerfile, one after the other by name, tagged as its component file calls
 * its image, so that `docker push` publishes what ran. What the builder does is told a line an
 * instruction; the first Ctrl-C ends it.
 */
#ifndef CLI_BUILD_H
#define CLI_BUILD_H

#include "cli/frozen.h"
#include "cli/workspace.h"

#define BUILD_OPTIONS                                                                        \
	{                                                                                    \
		.name = "build-arg", .type = CLI_LIST, .argument = "NAME=VALUE",             \
		.help = "value of an ARG of the Dockerfiles of component folders; no place " \
			"for secrets: the engine keeps it in the history of the image, for " \
			"everybody who has that"                                             \
	}

/* name -> text, of --build-arg; NULL where one is wrong, which is said. New reference. */
json_t *build_args(struct cli *cli, const struct cli_args *args);

/*
 * What the steps of a pipeline need. frozen: of backend docker; credentials: of its FondantBackend,
 * NULL: none. Says what is wrong and returns the exit code; CLI_OK: *ret_built is as in struct
 * compile_input, empty where there is nothing to build.
 */
int build_folders(struct cli *cli, const struct cli_args *args, const struct workspace *ws,
	const struct frozen_text *frozen, const json_t *credentials, json_t **ret_built);

#endif

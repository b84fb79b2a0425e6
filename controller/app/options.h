/*
 * Options of fondant-controller: one table makes the flags, the environment variables, the defaults
 * and --help; the chart's values are tested against it.
 */
#ifndef APP_OPTIONS_H
#define APP_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>
#include "base/err.h"
#include "base/log.h"
#include "base/vec.h"

struct options {
	char *kubeconfig, *context;
	struct strvec namespaces;
	bool implicit_backend;
	bool step_run_as_non_root;
	char *operator_image;
	char *trace_runners; /* NULL: they are not wrapped */
	bool ambient_credentials;
	bool local_endpoints;
	bool resolve_images;
	struct strvec registry_mirrors;    /* "host=endpoint" */
	struct strvec insecure_registries; /* "host[:port]" */
	char *registry_ca;                 /* path */
	enum log_level log_level;
	enum log_format log_format;
	char *compiler_format; /* hidden; for tests of an upgrade */
	bool help, version;
};

/* Environment first, then flags (`--name value`, `--name=value`, `--flag`; lists of the registries
 * grow with each flag). Class user. */
int options_parse(int argc, char *const argv[], struct options *ret_options, struct err *err);
void options_clear(struct options *options);
void options_help(FILE *out);

#endif

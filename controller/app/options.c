#include "app/options.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"

enum option_type {
	OPTION_STRING,
	OPTION_BOOL,
	OPTION_NAMESPACES,
	OPTION_MIRRORS,
	OPTION_HOSTS,
	OPTION_LEVEL,
	OPTION_FORMAT
};

static const struct option_row {
	const char *name;
	enum option_type type;
	const char *env;
	const char *fallback;
	const char *argument;
	const char *help; /* NULL: not shown */
	size_t offset;
} rows[] = {
	{"kubeconfig", OPTION_STRING, NULL, NULL, "FILE",
		"kubeconfig to use; default: $KUBECONFIG, the service account, ~/.kube/config",
		offsetof(struct options, kubeconfig)},
	{"context", OPTION_STRING, NULL, NULL, "NAME", "context of the kubeconfig",
		offsetof(struct options, context)},
	{"watch-namespaces", OPTION_NAMESPACES, "FONDANT_WATCH_NAMESPACES", "", "A,B",
		"namespaces to watch; default: all", offsetof(struct options, namespaces)},
	{"implicit-backend", OPTION_BOOL, "FONDANT_IMPLICIT_BACKEND", "true", "BOOL",
		"run pipelines as Jobs in their own namespace without a FondantBackend",
		offsetof(struct options, implicit_backend)},
	{"step-run-as-non-root", OPTION_BOOL, "FONDANT_STEP_RUN_AS_NON_ROOT", "false", "BOOL",
		"refuse step images that run as root",
		offsetof(struct options, step_run_as_non_root)},
	{"operator-image", OPTION_STRING, "FONDANT_OPERATOR_IMAGE", NULL, "IMAGE",
		"this operator's image, for the init containers of steps that join datasets",
		offsetof(struct options, operator_image)},
	{"ambient-credentials", OPTION_BOOL, "FONDANT_AMBIENT_CREDENTIALS", "false", "BOOL",
		"use the credentials of its own environment: the AWS_* variables to see whether "
		"steps left their data, and its identity for a FondantBackend that names none",
		offsetof(struct options, ambient_credentials)},
	{"allow-local-endpoints", OPTION_BOOL, "FONDANT_ALLOW_LOCAL_ENDPOINTS", "false", "BOOL",
		"let a FondantBackend be a unix socket or an address of this machine, also by "
		"plain http",
		offsetof(struct options, local_endpoints)},
	{"resolve-images", OPTION_BOOL, "FONDANT_RESOLVE_IMAGES", "true", "BOOL",
		"ask registries for the digests of images when a pipeline is frozen",
		offsetof(struct options, resolve_images)},
	{"registry-mirror", OPTION_MIRRORS, "FONDANT_REGISTRY_MIRRORS", NULL, "HOST=ENDPOINT",
		"ask ENDPOINT for the images of registry HOST first; may be repeated",
		offsetof(struct options, registry_mirrors)},
	{"insecure-registry", OPTION_HOSTS, "FONDANT_INSECURE_REGISTRIES", NULL, "HOST[:PORT]",
		"a registry without verified TLS, or by plain HTTP; may be repeated",
		offsetof(struct options, insecure_registries)},
	{"registry-ca", OPTION_STRING, "FONDANT_REGISTRY_CA", NULL, "FILE",
		"certificates that registries are verified by; default: the system's",
		offsetof(struct options, registry_ca)},
	{"trace-runners", OPTION_STRING, "FONDANT_TRACE_RUNNERS", NULL, "RULES",
		"log every call of a backend at level debug, and make some fail, for tests: "
		"CALL:FAULT/N, as submit:lost/2,observe:fail/3; empty: log alone",
		offsetof(struct options, trace_runners)},
	{"log-level", OPTION_LEVEL, "FONDANT_LOG_LEVEL", "info", "LEVEL",
		"error, warn, info or debug", offsetof(struct options, log_level)},
	{"log-format", OPTION_FORMAT, "FONDANT_LOG_FORMAT", "logfmt", "FORMAT", "logfmt or json",
		offsetof(struct options, log_format)},
	{"compiler-format", OPTION_STRING, NULL, NULL, "N", NULL,
		offsetof(struct options, compiler_format)},
	{"version", OPTION_BOOL, NULL, "false", NULL, "print the version and exit",
		offsetof(struct options, version)},
	{"help", OPTION_BOOL, NULL, "false", NULL, "print this and exit",
		offsetof(struct options, help)},
};

static const char *const level_names[] = {
	[LOG_ERROR] = "error", [LOG_WARN] = "warn", [LOG_INFO] = "info", [LOG_DEBUG] = "debug"};
static const char *const format_names[] = {[LOG_LOGFMT] = "logfmt", [LOG_JSON] = "json"};

static int refuse(const struct option_row *row, const char *value, struct err *err)
{
	return err_set(err, ERR_USER, "InvalidOption", "--%s: \"%s\" is not one of: %s", row->name,
		value, row->type == OPTION_BOOL ? "true, false" : row->help);
}

static int name_index(const char *const names[], size_t len, const char *value)
{
	for (size_t i = 0; i < len; i++) {
		if (str_eq(names[i], value))
			return (int)i;
	}
	return -1;
}

static int set_list(struct strvec *list, const char *value, struct err *err)
{
	strvec_clear(list);
	while (*value) {
		size_t len = strcspn(value, ",");
		auto_free char *item = xstrndup(value, len);

		if (len && !str_is_dns_label(item))
			return err_set(err, ERR_USER, "InvalidOption",
				"--watch-namespaces: \"%s\" is not a namespace name", item);
		if (len && !strvec_has(list, item))
			strvec_add(list, item);
		value += len + (value[len] == ',');
	}
	return 0;
}

/* Adds the items of "a,b"; whether each makes sense the registry client says. */
static int add_list(
	struct strvec *list, const struct option_row *row, const char *value, struct err *err)
{
	while (*value) {
		size_t len = strcspn(value, ",");
		auto_free char *item = xstrndup(value, len);
		const char *equals = strchr(item, '=');

		if (len && row->type == OPTION_MIRRORS && (!equals || equals == item || !equals[1]))
			return err_set(err, ERR_USER, "InvalidOption",
				"--%s: \"%s\" is not of the form docker.io=mirror.example",
				row->name, item);
		if (len && !strvec_has(list, item))
			strvec_add(list, item);
		value += len + (value[len] == ',');
	}
	return 0;
}

static int set(
	struct options *options, const struct option_row *row, const char *value, struct err *err)
{
	void *field = (char *)options + row->offset;
	int index;

	switch (row->type) {
	case OPTION_STRING:
		free(*(char **)field);
		*(char **)field = xstrdup(value);
		return 0;
	case OPTION_NAMESPACES:
		return set_list(field, value, err);
	case OPTION_MIRRORS:
	case OPTION_HOSTS:
		return add_list(field, row, value, err);
	case OPTION_BOOL:
		if (!str_eq(value, "true") && !str_eq(value, "false"))
			return refuse(row, value, err);
		*(bool *)field = str_eq(value, "true");
		return 0;
	case OPTION_LEVEL:
		index = name_index(level_names, array_size(level_names), value);
		if (index < 0)
			return refuse(row, value, err);
		*(enum log_level *)field = (enum log_level)index;
		return 0;
	case OPTION_FORMAT:
		index = name_index(format_names, array_size(format_names), value);
		if (index < 0)
			return refuse(row, value, err);
		*(enum log_format *)field = (enum log_format)index;
		return 0;
	}
	return 0;
}

static const struct option_row *find(const char *arg, const char **ret_value)
{
	size_t len = strcspn(arg, "=");

	for (size_t i = 0; i < array_size(rows); i++) {
		if (strlen(rows[i].name) == len && strncmp(rows[i].name, arg, len) == 0) {
			*ret_value = arg[len] ? arg + len + 1 : NULL;
			return &rows[i];
		}
	}
	return NULL;
}

static int defaults(struct options *options, struct err *err)
{
	for (size_t i = 0; i < array_size(rows); i++) {
		const char *env = rows[i].env ? getenv(rows[i].env) : NULL;

		if (rows[i].fallback && set(options, &rows[i], rows[i].fallback, err) < 0)
			return -1;
		if (env && *env && set(options, &rows[i], env, err) < 0)
			return err_wrap(err, "environment variable %s", rows[i].env);
	}
	return 0;
}

int options_parse(int argc, char *const argv[], struct options *ret_options, struct err *err)
{
	*ret_options = (struct options){0};
	if (defaults(ret_options, err) < 0)
		return -1;
	for (int i = 1; i < argc; i++) {
		const char *value = NULL;
		const struct option_row *row =
			str_starts_with(argv[i], "--") ? find(argv[i] + 2, &value) : NULL;

		if (!row)
			return err_set(err, ERR_USER, "InvalidOption",
				"unknown argument \"%s\"; see --help", argv[i]);
		/* a flag stands alone, or is followed by true or false */
		if (!value && row->type == OPTION_BOOL) {
			bool given = row->argument && i + 1 < argc &&
				     (str_eq(argv[i + 1], "true") || str_eq(argv[i + 1], "false"));

			value = given ? argv[++i] : "true";
		} else if (!value && i + 1 < argc) {
			value = argv[++i];
		}
		if (!value)
			return err_set(err, ERR_USER, "InvalidOption", "--%s needs a value: %s",
				row->name, row->argument);
		if (set(ret_options, row, value, err) < 0)
			return -1;
	}
	return 0;
}

void options_clear(struct options *options)
{
	free(options->kubeconfig);
	free(options->context);
	free(options->compiler_format);
	free(options->operator_image);
	free(options->trace_runners);
	free(options->registry_ca);
	strvec_clear(&options->namespaces);
	strvec_clear(&options->registry_mirrors);
	strvec_clear(&options->insecure_registries);
}

void options_help(FILE *out)
{
	fputs("fondant-controller: runs FondantPipelines on Kubernetes.\n\n"
	      "Usage:\n  fondant-controller [options]\n\nOptions:\n",
		out);
	for (size_t i = 0; i < array_size(rows); i++) {
		auto_free char *left = NULL;

		if (!rows[i].help)
			continue;
		left = xasprintf("--%s%s%s", rows[i].name, rows[i].argument ? " " : "",
			rows[i].argument ? rows[i].argument : "");
		fprintf(out, "  %-32s %s", left, rows[i].help);
		if (rows[i].fallback && *rows[i].fallback && rows[i].argument)
			fprintf(out, " (default: %s)", rows[i].fallback);
		if (rows[i].env)
			fprintf(out, " [$%s]", rows[i].env);
		fputc('\n', out);
	}
	fputs("\nExamples:\n"
	      "  fondant-controller                                    in a cluster\n"
	      "  fondant-controller --context dev --log-level debug    from a laptop\n"
	      "  fondant-controller --watch-namespaces data,research\n\n"
	      "SIGTERM finishes what is under way and exits 0; a second one exits at once.\n",
		out);
}

#include "cli/backend.h"

#include <stdlib.h>
#include "base/mem.h"
#include "base/str.h"
#include "base/vec.h"
#include "cli/secrets.h"
#include "doc/path.h"
#include "reconcile/names.h"
#include "runners/remote.h"

char *cli_run_uid(const char *run_name)
{
	char uuid[REMOTE_UUID_SIZE];

	return xstrdup(remote_uuid(run_name, uuid));
}

char *cli_run_id(const char *run_name, const char *uid)
{
	return name_run_id(run_name, uid);
}

int cli_backend_check(struct cli *cli, const char *name)
{
	const struct runner *runner = runner_find(name);

	if (str_eq(name, "kubernetes"))
		return cli_fail(cli, CLI_USAGE,
			"on Kubernetes the operator runs pipelines: kubectl apply -f them, and "
			"watch the FondantRun");
	if (!runner)
		return cli_fail(cli, CLI_USAGE, "there is no backend of the kind %.63s", name);
	return CLI_OK;
}

/* --- what the environment says --- */

static void set_text(json_t *object, const char *name, const char *text)
{
	if (text)
		json_object_set_new(object, name, json_string(text));
}

/* ca.pem, cert.pem and key.pem of $DOCKER_CERT_PATH, as docker(1) reads them. New reference; NULL:
 * no such folder is named. */
static json_t *docker_tls(struct cli *cli)
{
	static const char *const files[][2] = {
		{"ca.pem", "ca.crt"}, {"cert.pem", "tls.crt"}, {"key.pem", "tls.key"}};
	const char *folder = getenv("DOCKER_CERT_PATH");
	json_t *tls = folder && *folder ? json_object() : NULL;

	for (size_t i = 0; tls && i < array_size(files); i++) {
		auto_free char *path = xasprintf("%s/%s", folder, files[i][0]);
		json_t *text = cli_read_text(path);

		if (text)
			json_object_set_new(tls, files[i][1], text);
		else
			fprintf(cli->err, "warning: %s cannot be read\n", path);
	}
	return tls;
}

/* Settings and credentials out of options and the environment, beside those that are given. */
static void complete(struct cli *cli, const struct cli_args *args, const char *name,
	json_t *settings, json_t *credentials)
{
	const char *host = cli_value(args, "host"), *endpoint = cli_value(args, "endpoint");

	if (str_eq(name, "vertex")) {
		set_text(settings, "endpoint", endpoint);
	} else if (str_eq(name, "sagemaker")) {
		set_text(settings, "endpoint", endpoint);
		if (!json_object_get(settings, "region"))
			set_text(settings, "region", getenv("AWS_REGION"));
		if (!json_object_get(settings, "region"))
			set_text(settings, "region", getenv("AWS_DEFAULT_REGION"));
	} else if (str_eq(name, "kubeflow")) {
		if (!endpoint && !json_object_get(settings, "endpoint"))
			endpoint = getenv("KF_PIPELINES_ENDPOINT");
		set_text(settings, "endpoint", endpoint);
	} else if (str_eq(name, "docker")) {
		const char *where;
		json_t *tls = NULL;

		if (!host && !json_object_get(settings, "host"))
			host = getenv("DOCKER_HOST");
		set_text(settings, "host", host);
		where = doc_str_or(settings, "host", "");
		if (!json_object_get(settings, "tls") && str_starts_with(where, "tcp://"))
			tls = docker_tls(cli);
		if (tls)
			json_object_set_new(credentials, "tls", tls);
	}
}

void cli_backend_settings(struct cli *cli, const struct cli_args *args, const char *name,
	const json_t *given, const json_t *credentials, struct cli_backend_settings *ret_settings)
{
	struct cli_backend_settings all = {.spec = given ? json_deep_copy(given) : json_object(),
		.credentials = credentials ? json_deep_copy(credentials) : json_object()};

	complete(cli, args, name, all.spec, all.credentials);
	all.settings = (struct runner_settings){.spec = all.spec,
		.credentials = all.credentials,
		.ambient = true,
		.local_endpoints = true};
	*ret_settings = all;
}

void cli_backend_settings_clear(struct cli_backend_settings *settings)
{
	json_decref(settings->spec);
	cli_secrets_wipe(settings->credentials);
	*settings = (struct cli_backend_settings){0};
}

int cli_backend_open(struct cli *cli, const struct cli_args *args, const char *name,
	const json_t *given, const json_t *credentials,
	void (*wake)(void *arg, const char *namespace_, const char *run), void *arg,
	struct cli_backend *ret_backend)
{
	struct cli_backend backend = {.runner = runner_find(name)};
	struct runner_env env = {.wake = wake, .wake_arg = arg};
	struct cli_backend_settings all;
	auto_err err = ERR_INIT;
	int code = cli_backend_check(cli, name);

	if (code != CLI_OK)
		return code;
	cli_backend_settings(cli, args, name, given, credentials, &all);
	backend.settings = json_incref(all.spec);
	if (loop_new(&backend.loop, &err) < 0 ||
		(env.loop = backend.loop,
			backend.runner->open(&env, &all.settings, &backend.backend, &err) < 0)) {
		code = cli_fail(cli, CLI_USAGE, "%s", err_message(&err));
		cli_backend_close(&backend);
	}
	cli_backend_settings_clear(&all);
	if (code == CLI_OK)
		*ret_backend = backend;
	return code;
}

void cli_backend_close(struct cli_backend *backend)
{
	if (backend->backend)
		backend->runner->close(backend->backend);
	loop_free(backend->loop);
	json_decref(backend->settings);
	*backend = (struct cli_backend){0};
}

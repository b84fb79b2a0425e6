#include "cli/backend.h"

#include <stdlib.h>
#include "base/mem.h"
#include "base/str.h"
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
	if (!runner || !runner->outside)
		return cli_fail(cli, CLI_USAGE,
			"this version writes documents for %s (compile -o native) and does not run "
			"there",
			name);
	return CLI_OK;
}

int cli_backend_open(struct cli *cli, const struct cli_args *args, const char *name,
	const json_t *given, void (*wake)(void *arg, const char *namespace_, const char *run),
	void *arg, struct cli_backend *ret_backend)
{
	struct cli_backend backend = {.runner = runner_find(name)};
	struct runner_env env = {.wake = wake, .wake_arg = arg};
	struct runner_settings settings = {.ambient = true, .local_endpoints = true};
	const char *host = cli_value(args, "host");
	auto_err err = ERR_INIT;
	int code = cli_backend_check(cli, name);

	if (code != CLI_OK)
		return code;
	backend.settings = given ? json_deep_copy(given) : json_object();
	if (host)
		json_object_set_new(backend.settings, "host", json_string(host));
	settings.spec = backend.settings;
	if (loop_new(&backend.loop, &err) < 0 ||
		(env.loop = backend.loop,
			backend.runner->open(&env, &settings, &backend.backend, &err) < 0)) {
		loop_free(backend.loop);
		json_decref(backend.settings);
		return cli_fail(cli, CLI_USAGE, "%s", err_message(&err));
	}
	*ret_backend = backend;
	return CLI_OK;
}

void cli_backend_close(struct cli_backend *backend)
{
	if (backend->backend)
		backend->runner->close(backend->backend);
	loop_free(backend->loop);
	json_decref(backend->settings);
	*backend = (struct cli_backend){0};
}

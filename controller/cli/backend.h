/*
 * The backend of one command without a cluster: by --backend, with the settings of a FondantBackend
 * among the files where there is one, opened on a loop of its own. And the identity of a run: all
 * of it follows from its name, so that another machine finds it by that.
 */
#ifndef CLI_BACKEND_H
#define CLI_BACKEND_H

#include "cli/cmd.h"
#include "runners/runner.h"

#define BACKEND_OPTIONS                                                                  \
	{.name = "host",                                                                 \
		.type = CLI_STRING,                                                      \
		.argument = "URL",                                                       \
		.help = "Docker engine: unix:///path or tcp://host:port (default: "      \
			"$DOCKER_HOST, /var/run/docker.sock); by TLS with the files of " \
			"$DOCKER_CERT_PATH"},                                            \
	{                                                                                \
		.name = "endpoint", .type = CLI_STRING, .argument = "URL",               \
		.help = "address of the API: of Kubeflow Pipelines (default: "           \
			"$KF_PIPELINES_ENDPOINT, with the token of the file "            \
			"$KF_PIPELINES_SA_TOKEN_PATH), or another one of Vertex AI or "  \
			"SageMaker"                                                      \
	}

struct cli_backend {
	struct loop *loop;
	const struct runner *runner;
	json_t *settings;
	void *backend; /* opened */
};

/* CLI_USAGE, which is said, where this program cannot run pipelines on backends of that name. */
int cli_backend_check(struct cli *cli, const char *name);

/* How a backend is reached; owned. */
struct cli_backend_settings {
	json_t *spec, *credentials;
	struct runner_settings settings; /* of both */
};

/* As of cli_backend_open, with what options and the environment say. */
void cli_backend_settings(struct cli *cli, const struct cli_args *args, const char *name,
	const json_t *given, const json_t *credentials, struct cli_backend_settings *ret_settings);
void cli_backend_settings_clear(struct cli_backend_settings *settings);

/*
 * name: "docker"; given: FondantBackend.spec.<name> of the files, NULL: none; credentials as of
 * struct runner_settings, NULL: none. Wakes by `wake`. Says what is wrong and returns the exit
 * code; CLI_OK: opened.
 */
int cli_backend_open(struct cli *cli, const struct cli_args *args, const char *name,
	const json_t *given, const json_t *credentials,
	void (*wake)(void *arg, const char *namespace_, const char *run), void *arg,
	struct cli_backend *ret_backend);
void cli_backend_close(struct cli_backend *backend);

/* A UUID of the run's name; owned. And "<run>-<8 hex of it>" as the operator has it. */
char *cli_run_uid(const char *run_name);
char *cli_run_id(const char *run_name, const char *uid);

#endif

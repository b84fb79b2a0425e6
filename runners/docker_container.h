/*
 * The container of one attempt of one step, and what tells it from others: pure functions of (run,
 * step, attempt, input). It gets the framework's contract as every backend gives it
 * (compiler/argv.h, through runners/kfp_argv.h); no word of it is read by a shell. A local working
 * directory is mounted where it is. Labels make a run a project of Docker Compose
 * (cloud-backends.md 3.3), so that `docker compose ls`, `ps` and `logs` show it.
 */
#ifndef RUNNERS_DOCKER_CONTAINER_H
#define RUNNERS_DOCKER_CONTAINER_H

#include <jansson.h>
#include "runners/runner.h"

#define DOCKER_LABEL_RUN "fondant.ai/run"
#define DOCKER_LABEL_UID "fondant.ai/run-uid"
#define DOCKER_LABEL_NAMESPACE "fondant.ai/namespace"
#define DOCKER_LABEL_PIPELINE "fondant.ai/pipeline"
#define DOCKER_LABEL_STEP "fondant.ai/step"
#define DOCKER_LABEL_ATTEMPT "fondant.ai/attempt"
#define DOCKER_LABEL_PROJECT "com.docker.compose.project"

/* Where the values of secret arguments lie until the program has read them. */
#define DOCKER_SECRETS_FOLDER "/"
#define DOCKER_SECRETS_FILE "fondant-secrets.json"

struct docker_container {
	const struct runner_run *run;
	int step, attempt;
	const char *network;        /* id of the run's network; NULL: by its name */
	const char *input_manifest; /* path; NULL for a step that reads none */
	const json_t *settings;     /* FondantBackend.spec.docker; may be NULL */
};

/* "<run id>-<step>-<attempt>", and the project "<run id>" with its network. Owned. */
char *docker_container_name(const struct runner_run *run, const char *step, int attempt);
char *docker_network_name(const char *run_id);
json_t *docker_network_body(const struct runner_run *run);
/* Id of the run's network in an answer of GET /networks: the oldest, for engines before API 1.44
 * let two have one name when two creates meet. NULL: there is none. Borrowed. */
const char *docker_network_id(const json_t *networks);
/* Body of POST /containers/create; new reference. */
json_t *docker_container_body(const struct docker_container *what);
/* A tar archive with the file of the secret arguments, for PUT /containers/{id}/archive; NULL: the
 * step has none. Owned, to be freed by mem_free_secret; *ret_len bytes. */
char *docker_secrets_archive(const struct docker_container *what, size_t *ret_len);

#endif

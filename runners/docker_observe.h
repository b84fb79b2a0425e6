/*
 * What the engine says of containers, as attempts in the user's words. Pure.
 * Source: cloud-backends.md 3.2 (State of GET /containers/{id}/json); emulators.md section 4.
 */
#ifndef RUNNERS_DOCKER_OBSERVE_H
#define RUNNERS_DOCKER_OBSERVE_H

#include <jansson.h>
#include "runners/dag.h"

#define DOCKER_LOG_MAX 2048 /* bytes of the last log lines in a message */

/* Of an item of GET /containers/json: running ones are known without looking closer. */
bool docker_must_inspect(const json_t *item);
/* The container's run was not started (a crash between the two calls): submit starts it. */
bool docker_is_unstarted(const json_t *inspected);

/*
 * Adds the attempt that the container is; false, with nothing added, when it is none of the run's
 * (an unknown step, an odd label) or was never started. inspected: GET /containers/{id}/json, NULL
 * where docker_must_inspect says no. log: the end of what it printed, for a failure; NULL.
 */
bool docker_observe(const struct runner_run *run, const json_t *item, const json_t *inspected,
	const char *log, struct attempts *attempts);

/* Its label; NULL: it has none. Borrowed. */
const char *docker_label(const json_t *item, const char *name);

#endif

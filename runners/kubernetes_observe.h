/*
 * What a Job and its pods say about an attempt, in the user's words. Pure.
 * Sources: operator-machinery.md section D ("Why it failed"); DESIGN.md "What a container gets".
 *
 * The caches hold projections: only what is read here, without resourceVersion, so that what does
 * not matter is no change.
 */
#ifndef RUNNERS_KUBERNETES_OBSERVE_H
#define RUNNERS_KUBERNETES_OBSERVE_H

#include <jansson.h>
#include "runners/dag.h"

/* kube_cache_options.project and .index; new reference, owned string or NULL. */
json_t *kubernetes_project_job(const json_t *job);
json_t *kubernetes_project_pod(const json_t *pod);
char *kubernetes_index_run(const json_t *projection, const char *namespace_);

/* UID of the owner that controls an object (or its projection); NULL when there is none. Borrowed.
 */
const char *kubernetes_controller_uid(const json_t *object);

/* A Job that has no pod this long gets its events asked for. */
#define KUBERNETES_NO_POD_S 10
/* A failed Job whose pod is not there (any more) is believed after this long: the two are watched
 * apart. */
#define KUBERNETES_SETTLE_S 3
#define KUBERNETES_MAX_ATTEMPT 1000
#define KUBERNETES_LOG_MAX 2048 /* bytes of the last log lines in a message */

/* The pods of one run, parsed; what observing needs beside the Job. */
struct kubernetes_view {
	const struct runner_run *run;
	const json_t *const *pods;
	int pods_len;
	/* Text of the newest FailedCreate event of a Job, NULL when none is known. Borrowed. NULL
	 * function: none. */
	const char *(*no_pod_reason)(void *arg, const char *job_uid);
	void *arg;
};

/*
 * Adds the attempt that this Job is; false, with nothing added, when it is none of this run's (an
 * older run of the same name, unknown step, odd annotation). *look_again_s is set to the Unix time
 * when the same facts will read differently (0: never). *ret_no_pod: it has lacked a pod for
 * KUBERNETES_NO_POD_S.
 */
bool kubernetes_observe_job(const struct kubernetes_view *view, const json_t *job,
	struct attempts *attempts, int64_t *ret_look_again_s, bool *ret_no_pod);

/* "Error creating: pods "x-abc" is forbidden: why" -> "forbidden: why", so that a repeated refusal
 * reads the same. Owned. */
char *kubernetes_failed_create_text(const char *message);

#endif

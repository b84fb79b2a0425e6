/*
 * Stands in for the Job controller, the kubelet and the garbage collector on a fake API server:
 * each Job gets one pod, which waits, runs and ends as the test says; then the Job says so. A
 * deleted Job stays until its pod is gone. What has owners goes when all of them are gone.
 *
 * Everything happens in fake_node_turn, by time_mono_ms().
 */
#ifndef TESTS_FAKE_NODE_H
#define TESTS_FAKE_NODE_H

#include "tests/fake/apiserver.h"

/* What the pod of one Job does. All zero: runs at once and ends well at once. */
struct fake_deed {
	int64_t pending_ms, run_ms;
	int64_t job_lag_ms; /* from the pod's end until the Job says so */
	int exit_code;
	const char *reason;  /* of the end; NULL: Completed or Error */
	const char *message; /* last lines of the log; NULL: none */
	bool evicted;        /* it ends by the node's doing */
	bool hangs;          /* it runs until it is deleted */
};

struct fake_node;

/* deed is asked once for each Job when it appears. */
struct fake_node *fake_node_new(struct fake_api *api,
	void (*deed)(void *user, const json_t *job, struct fake_deed *ret), void *user);
/* Before the API server. NULL is fine. */
void fake_node_free(struct fake_node *node);
void fake_node_turn(struct fake_node *node);
/* Told of every change in the store, after it; must not change the store. */
void fake_node_observe(struct fake_node *node,
	void (*seen)(void *user, const struct fake_event *event), void *user);
/* Pods that have been made and have not ended. */
size_t fake_node_running(const struct fake_node *node);

#endif

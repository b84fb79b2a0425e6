/*
 * A whole controller against the fake API server with a node behind it, on a clock that the test
 * moves: for the tests of reconcile/. It checks at every request and every change in the store
 * what must always hold, and keeps the first breach as text.
 *
 * - one Job at most for each (run UID, step, attempt) while the run is there, and none before its
 *   inputs are;
 * - phases of runs and steps only move forward, what is final stays;
 * - every DELETE carries a UID, every write of a status a resourceVersion.
 */
#ifndef TESTS_FAKE_WORLD_H
#define TESTS_FAKE_WORLD_H

#include "reconcile/controller.h"
#include "tests/fake/apiserver.h"
#include "tests/fake/clock.h"
#include "tests/fake/node.h"

#define WORLD_NS "n"
#define WORLD_RUNS "/apis/fondant.ai/v1alpha1/namespaces/n/fondantruns"
#define WORLD_PIPELINES "/apis/fondant.ai/v1alpha1/namespaces/n/fondantpipelines"
#define WORLD_JOBS "/apis/batch/v1/namespaces/n/jobs"
#define WORLD_PODS "/api/v1/namespaces/n/pods"
#define WORLD_CONFIGMAPS "/api/v1/namespaces/n/configmaps"
#define WORLD_EVENTS "/apis/events.k8s.io/v1/namespaces/n/events"

struct world_counts {
	size_t requests, writes; /* of the controller, those that failed too */
	size_t configmaps, runs, jobs, run_status, pipeline_status, events, deletes;
};

struct world {
	struct loop *loop;
	struct fake_api *api;
	struct fake_node *node;
	struct kube_client *client;    /* NULL while the controller is down */
	struct controller *controller; /* likewise */
	struct controller_options options;
	/* What else goes wrong with a request; may be NULL. */
	bool (*judge)(
		struct world *world, const char *verb, const char *target, struct fake_fault *ret);
	/* What a step's pod does; may be NULL: ends well after pod_ms. */
	void (*deed)(struct world *world, const json_t *job, const char *step, int attempt,
		struct fake_deed *ret);
	int64_t pod_ms; /* how long a pod waits, and then runs */
	uint64_t seed;  /* state of world_dice */
	size_t jobs_made, runs_made, kills;
	char *breach; /* the first one; NULL: none */
	struct world_counts counts;

	/* --- private --- */
	struct map attempts; /* "run UID/step/attempt" */
	struct map data;     /* refs of datasets that are there */
	int idle_turns;
};

/* Starts the clock and the controller. */
void world_open(struct world *world);
void world_close(struct world *world);
/* SIGKILL, and a new process. */
void world_kill(struct world *world);
void world_start(struct world *world);

/* One turn of everything; moves the clock by 1 ms while something is going on, else by 20, and by
 * 250 when nothing has happened for a second. */
void world_turn(struct world *world);
void world_pass(struct world *world, int64_t ms);
/* Fails the test after `ms` of the test's clock. */
void world_until(struct world *world, bool (*reached)(struct world *world), int64_t ms);
/* Writes that the controller makes in that time. */
size_t world_writes_in(struct world *world, int64_t ms);
/* From a generator of its own, so that a seed is a story. */
uint64_t world_dice(struct world *world, uint64_t below);

/* A deed by the argument n: 11: the first attempt is evicted; 12: b's first two fail; 13: it fails
 * with exit code 3 and a line of log; 14: it hangs. */
void world_deed(struct world *world, const json_t *job, const char *step, int attempt,
	struct fake_deed *ret);

/*
 * Pipeline `name`: load; a and b read load; c reads a and comes after b. Arguments n of each; b
 * may be tried three times, a second apart.
 */
struct world_pipeline {
	const char *name; /* NULL: "p" */
	int load, a, b, c;
	const char *rerun_token;
	const char *extra; /* further members of spec, "\"suspend\": true, "; or NULL */
};

/* Creates it or changes its spec. */
void world_apply(struct world *world, const struct world_pipeline *pipeline);
/* The argument n that a Job's container gets; -1: none. */
int world_argument(const json_t *job);

/* Fails the test, with the breach, when there was one. */
void world_expect_no_breach(const struct world *world);
/* Runs of `phase` (NULL: any). */
size_t world_runs(struct world *world, const char *phase);
/* Runs that are final. */
size_t world_finished(struct world *world);
/* New references; a run by the order of creation. */
json_t *world_run(struct world *world, size_t index);
json_t *world_jobs(struct world *world); /* an array */
json_t *world_get_pipeline(struct world *world, const char *name);
/* Every run with its steps, one a line: what must be the same whatever went wrong. Owned. */
char *world_story(struct world *world);
/* Objects of any kind but Events. */
size_t world_objects(struct world *world);

#endif

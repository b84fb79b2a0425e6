/*
 * The decisions of a backend that runs one container at a time: which steps start, hit the cache,
 * are retried, skipped or stopped. Pure: (spec, what the status knows, what the backend shows,
 * now). Level-triggered: nothing is remembered between calls; an attempt that the backend shows
 * counts even when the status does not know it yet, and a final step of the status stays as it is.
 */
#ifndef RUNNERS_DAG_H
#define RUNNERS_DAG_H

#include "runners/runner.h"

enum attempt_phase {
	ATTEMPT_PENDING,
	ATTEMPT_QUEUED,
	ATTEMPT_RUNNING,
	ATTEMPT_SUCCEEDED,
	ATTEMPT_FAILED
};

/* One attempt of one step as the backend shows it. Strings are owned. */
struct attempt {
	int step;   /* index in the spec */
	int number; /* from 1 */
	enum attempt_phase phase;
	bool disrupted; /* failed through no fault of the step: does not count */
	bool stopping;  /* being deleted */
	int exit_code;  /* -1: unknown */
	int64_t submit_s, start_s, end_s;
	char *reason, *message;
	char *external_kind, *external_name;
};

struct attempts {
	struct attempt *items;
	int len, cap;
};

struct attempt *attempts_add(struct attempts *attempts); /* zeroed, exit_code -1 */
void attempts_clear(struct attempts *attempts);

enum dag_action_kind { DAG_START, DAG_STOP };

struct dag_action {
	enum dag_action_kind kind;
	int step;
	int attempt;
};

struct dag_actions {
	struct dag_action *items;
	int len, cap;
};

void dag_actions_clear(struct dag_actions *actions);

#define DAG_MAX_DISRUPTIONS 10 /* API.md "Retry" */

/* Fills *ret_state (initialised) and appends to *ret_actions. */
void dag_decide(const struct runner_run *run, const struct attempts *attempts,
	struct run_state *ret_state, struct dag_actions *ret_actions);

/* Refs of the datasets that a started step reads, "<attempt run id>/<step>" in the order of its
 * `from`, from the decided state; false when one of them is not known. ret_refs has room for
 * from_len of them, borrowed from state. */
bool dag_input_refs(const struct frozen_spec *spec, const struct run_state *state, int step,
	const char **ret_refs);

#endif

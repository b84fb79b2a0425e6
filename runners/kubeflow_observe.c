#include "runners/kubeflow_observe.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "doc/path.h"
#include "runners/kfp_ir.h"

#define MESSAGE_MAX 2048

/* --- the run --- */

static enum remote_phase phase_of(const char *state)
{
	static const struct {
		const char *state;
		enum remote_phase phase;
	} table[] = {{"PENDING", REMOTE_PENDING}, {"RUNNING", REMOTE_RUNNING},
		{"SUCCEEDED", REMOTE_SUCCEEDED}, {"SKIPPED", REMOTE_SUCCEEDED},
		{"FAILED", REMOTE_FAILED}, {"CANCELING", REMOTE_STOPPING},
		{"CANCELED", REMOTE_CANCELLED}, {"PAUSED", REMOTE_RUNNING}};

	for (size_t i = 0; i < array_size(table); i++) {
		if (str_eq(state, table[i].state))
			return table[i].phase;
	}
	return REMOTE_PENDING; /* absent between PENDING and RUNNING */
}

/* --- its tasks --- */

static int64_t time_of(const json_t *row, const char *name)
{
	const char *text = doc_str(row, name);
	int64_t seconds;

	return text && time_parse_rfc3339(text, &seconds) && seconds > 0 ? seconds : 0;
}

static enum step_phase step_phase_of(const char *state)
{
	static const struct {
		const char *state;
		enum step_phase phase;
	} table[] = {{"PENDING", STEP_PENDING}, {"RUNNING", STEP_RUNNING},
		{"SUCCEEDED", STEP_SUCCEEDED}, {"FAILED", STEP_FAILED}, {"SKIPPED", STEP_SKIPPED},
		{"CANCELING", STEP_RUNNING}, {"CANCELED", STEP_CANCELLED},
		{"PAUSED", STEP_PENDING}};

	for (size_t i = 0; i < array_size(table); i++) {
		if (str_eq(state, table[i].state))
			return table[i].phase;
	}
	return STEP_PENDING;
}

static char *failure_of(const json_t *row, const char *where)
{
	const char *words = doc_str(row, "error.message");

	if (words && *words)
		return str_clean_tail(words, strlen(words), MESSAGE_MAX);
	return xasprintf("the server does not say why; look at the step's pod, or at %s", where);
}

static void tell(
	const struct runner_run *run, const json_t *row, const char *where, struct step_state *step)
{
	enum step_phase phase = step_phase_of(doc_str(row, "state"));
	const char *pod =
		doc_str(json_array_get(json_object_get(row, "child_tasks"), 0), "pod_name");

	/* tasks of a run that we terminated end as the run does */
	if (run->cancelling && phase == STEP_FAILED)
		phase = STEP_CANCELLED;
	/* what is settled stays: hits, and ends that were told already */
	if (step_phase_final(step->phase))
		return;
	step->phase = phase;
	step->start_s = time_of(row, "start_time");
	step->end_s = step_phase_final(phase) ? time_of(row, "end_time") : 0;
	if (step_phase_final(phase) && !step->end_s)
		step->end_s = run->now_s;
	free(take_ptr(step->reason));
	free(take_ptr(step->message));
	if (phase == STEP_CANCELLED)
		step->reason = xstrdup("Cancelled");
	if (phase == STEP_FAILED) {
		step->reason = xstrdup("Error");
		step->message = failure_of(row, where);
	}
	if (pod && !step->external_name) {
		step->external_kind = xstrdup("Pod");
		step->external_name = xstrdup(pod);
	}
}

static const json_t *row_of(const json_t *rows, const char *task)
{
	const json_t *row, *found = NULL;
	size_t i;

	json_array_foreach (rows, i, row) {
		if (str_eq(doc_str(row, "display_name"), task))
			found = row; /* a retry's comes last */
	}
	return found;
}

static void tell_steps(const struct runner_run *run, const json_t *rows, struct run_state *state)
{
	const char *where = state->url ? state->url : "the server";

	for (int i = 0; i < state->steps_len; i++) {
		auto_free char *task = kfp_task_name(run->spec->steps[i].name);
		const json_t *row = row_of(rows, task);

		if (row)
			tell(run, row, where, &state->steps[i]);
	}
}

/* Rows that the engine makes for itself. */
static bool is_engines_own(const char *name)
{
	return str_eq(name, "root") || str_eq(name, "executor") || str_ends_with(name, "-driver");
}

/* A run of which only the server knows the steps; without a spec their names may be ours. */
static void tell_unknown(const struct runner_run *run, const json_t *rows, struct run_state *state)
{
	const char *where = state->url ? state->url : "the server";
	const json_t *last[RUN_STATE_NAMES_MAX] = {NULL}; /* of a step: a retry's comes last */
	const json_t *row;
	size_t i;

	json_array_foreach (rows, i, row) {
		const char *name = doc_str(row, "display_name");
		bool ours = !run->spec && name && str_starts_with(name, "fondant-");
		int step;

		if (!name || is_engines_own(name))
			continue;
		step = run_state_named_step(state, ours ? name + strlen("fondant-") : name);
		if (step >= 0)
			last[step] = row;
	}
	for (int k = 0; k < state->steps_len; k++) {
		if (last[k])
			tell(run, last[k], where, &state->steps[k]);
	}
}

void kubeflow_observe(const struct runner_run *run, const json_t *answer, struct run_state *state)
{
	const json_t *rows = doc_get(answer, "run_details.task_details");
	const char *why = doc_str(answer, "error.message");

	if (remote_names_steps(run))
		tell_unknown(run, rows, state);
	else
		tell_steps(run, rows, state);
	remote_conclude(run, phase_of(doc_str(answer, "state")), why, state);
}

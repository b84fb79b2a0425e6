#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "doc/path.h"
#include "runners/kfp_ir.h"
#include "runners/remote.h"
#include "runners/vertex_job.h"

#define STATE_PREFIX "PIPELINE_STATE_"
#define CODE_QUOTA 8 /* google.rpc.Code RESOURCE_EXHAUSTED */

static enum remote_phase phase_of(const char *state)
{
	static const struct {
		const char *state;
		enum remote_phase phase;
	} table[] = {{"QUEUED", REMOTE_PENDING}, {"PENDING", REMOTE_PENDING},
		{"RUNNING", REMOTE_RUNNING}, {"PAUSED", REMOTE_RUNNING},
		{"SUCCEEDED", REMOTE_SUCCEEDED}, {"FAILED", REMOTE_FAILED},
		{"CANCELLING", REMOTE_STOPPING}, {"CANCELLED", REMOTE_CANCELLED}};

	if (state && str_starts_with(state, STATE_PREFIX))
		state += strlen(STATE_PREFIX);
	for (size_t i = 0; i < array_size(table); i++) {
		if (str_eq(state, table[i].state))
			return table[i].phase;
	}
	return REMOTE_PENDING;
}

/* --- tasks --- */

static enum step_phase step_phase_of(const char *state)
{
	static const struct {
		const char *state;
		enum step_phase phase;
	} table[] = {{"PENDING", STEP_PENDING}, {"RUNNING", STEP_RUNNING},
		{"SUCCEEDED", STEP_SUCCEEDED}, {"SKIPPED", STEP_SUCCEEDED},
		{"CANCEL_PENDING", STEP_RUNNING}, {"CANCELLING", STEP_RUNNING},
		{"CANCELLED", STEP_CANCELLED}, {"FAILED", STEP_FAILED},
		{"NOT_TRIGGERED", STEP_SKIPPED}};

	for (size_t i = 0; i < array_size(table); i++) {
		if (str_eq(state, table[i].state))
			return table[i].phase;
	}
	return STEP_PENDING;
}

static int64_t time_of(const json_t *object, const char *name)
{
	const char *text = doc_str(object, name);
	auto_free char *whole = text ? xasprintf("%.19sZ", text) : NULL; /* it may have fractions */
	int64_t seconds;

	return whole && time_parse_rfc3339(whole, &seconds) && seconds > 0 ? seconds : 0;
}

static void tell_failure(const json_t *task, const char *where, struct step_state *step)
{
	const char *words = doc_str(task, "error.message");

	step->reason = xstrdup(
		doc_int_or(task, "error.code", 0) == CODE_QUOTA ? "QuotaExceeded" : "Error");
	step->message = words && *words
				? str_clean_tail(words, strlen(words), 2048)
				: xasprintf("Vertex AI does not say why; look at %s", where);
}

static void tell(const struct runner_run *run, const json_t *task, const char *where,
	struct step_state *step)
{
	const char *job = doc_str(task, "executorDetail.customJobDetail.job");

	if (!job)
		job = doc_str(task, "executorDetail.containerDetail.mainJob");
	if (step_phase_final(step->phase))
		return;
	step->phase = step_phase_of(doc_str(task, "state"));
	step->start_s = time_of(task, "startTime");
	step->end_s = step_phase_final(step->phase) ? time_of(task, "endTime") : 0;
	if (step_phase_final(step->phase) && !step->end_s)
		step->end_s = run->now_s;
	free(take_ptr(step->reason));
	free(take_ptr(step->message));
	if (step->phase == STEP_FAILED)
		tell_failure(task, where, step);
	if (job && !step->external_name) {
		step->external_kind = xstrdup("CustomJob");
		step->external_name = xstrdup(job);
	}
}

/* One is the pipeline itself: the parent of the others, which has none. */
static bool is_task(const json_t *task)
{
	return doc_str(task, "parentTaskId") != NULL;
}

static const json_t *task_of(const json_t *tasks, const char *name)
{
	const json_t *task, *found = NULL;
	size_t i;

	json_array_foreach (tasks, i, task) {
		if (is_task(task) && str_eq(doc_str(task, "taskName"), name))
			found = task;
	}
	return found;
}

static void tell_unknown(const struct runner_run *run, const json_t *tasks, struct run_state *state)
{
	const char *where = state->url ? state->url : "its page";
	const json_t *last[RUN_STATE_NAMES_MAX] = {NULL}; /* of a step: a retry's comes last */
	const json_t *task;
	size_t i;

	json_array_foreach (tasks, i, task) {
		const char *name = doc_str(task, "taskName");
		bool ours = !run->spec && name && str_starts_with(name, "fondant-");
		int step;

		if (!name || !is_task(task))
			continue;
		step = run_state_named_step(state, ours ? name + strlen("fondant-") : name);
		if (step >= 0)
			last[step] = task;
	}
	for (int k = 0; k < state->steps_len; k++) {
		if (last[k])
			tell(run, last[k], where, &state->steps[k]);
	}
}

void vertex_job_observe(const struct runner_run *run, const json_t *job, struct run_state *state)
{
	const json_t *tasks = doc_get(job, "jobDetail.taskDetails");
	const char *where = state->url ? state->url : "its page";

	if (remote_names_steps(run))
		tell_unknown(run, tasks, state);
	for (int i = 0; !remote_names_steps(run) && i < state->steps_len; i++) {
		auto_free char *name = kfp_task_name(run->spec->steps[i].name);
		const json_t *task = task_of(tasks, name);

		if (task)
			tell(run, task, where, &state->steps[i]);
	}
	remote_conclude(run, phase_of(doc_str(job, "state")), doc_str(job, "error.message"), state);
}

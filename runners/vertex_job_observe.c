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
#define WORDS_MAX 1000
#define JOBS "customJobs/"
#define JOB_ERROR "fondantJobError" /* what the job behind a task says, beside the task's own */

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

/* One is the pipeline itself: the parent of the others, which has none. */
static bool is_task(const json_t *task)
{
	return doc_str(task, "parentTaskId") != NULL;
}

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

/* The job behind the task, "projects/../customJobs/123"; borrowed or NULL. */
static const char *job_of(const json_t *task)
{
	const char *job = doc_str(task, "executorDetail.customJobDetail.job");

	return job ? job : doc_str(task, "executorDetail.containerDetail.mainJob");
}

/* The number behind "customJobs/" in a text; owned, NULL: there is none. */
static char *job_id_in(const char *text)
{
	const char *found = text ? strstr(text, JOBS) : NULL;
	size_t len = found ? strspn(found + strlen(JOBS), "0123456789") : 0;

	return len && len < 32 ? xstrndup(found + strlen(JOBS), len) : NULL;
}

/* Vertex AI hides a quota in the text of another code, as it does a container's memory. */
static const char *reason_of(int64_t code, const char *words)
{
	static const struct {
		const char *words, *reason;
	} texts[] = {{"RESOURCE_EXHAUSTED", "QuotaExceeded"},
		{"exceed quota limits", "QuotaExceeded"}, {"out-of-memory", "OOMKilled"},
		{"out of memory", "OOMKilled"}, {"OOMKilled", "OOMKilled"}};
	static const struct {
		int code;
		const char *reason;
	} codes[] = {{3, "InvalidArgument"}, {4, "DeadlineExceeded"}, {5, "NotFound"},
		{7, "PermissionDenied"}, {CODE_QUOTA, "QuotaExceeded"}, {13, "Internal"},
		{14, "Unavailable"}, {16, "Unauthenticated"}};

	for (size_t i = 0; i < array_size(texts); i++) {
		if (strstr(words, texts[i].words))
			return texts[i].reason;
	}
	for (size_t i = 0; i < array_size(codes); i++) {
		if (code == codes[i].code)
			return codes[i].reason;
	}
	return "Error";
}

static int exit_code_in(const char *words)
{
	static const char before[] = "non-zero status of ";
	const char *found = strstr(words, before);
	auto_free char *digits = NULL;
	int64_t code;

	if (!found)
		return -1;
	found += strlen(before);
	digits = xstrndup(found, strspn(found, "0123456789"));
	return str_to_int64(digits, &code) && code > 0 && code < 256 ? (int)code : -1;
}

/* The job that the task's error names, or, where it says nothing, that the task ran. */
static char *named_job(const json_t *task)
{
	const char *words = doc_str_or(task, "error.message", "");

	return job_id_in(*words ? words : job_of(task));
}

/* Of an error; "" where it says nothing. Owned, bounded. */
static char *words_of(const json_t *error)
{
	const char *words = doc_str_or(error, "message", "");

	return str_clean_tail(words, strlen(words), WORDS_MAX);
}

static void tell_failure(const json_t *task, const char *where, struct step_state *step)
{
	const json_t *error = json_object_get(task, "error");
	const json_t *job_error = json_object_get(task, JOB_ERROR);
	auto_free char *words = words_of(error), *job_words = words_of(job_error);
	auto_free char *job = named_job(task);
	bool more = *job_words && !strstr(words, job_words);
	auto_free char *all = xasprintf("%s%s%s%s%s", words, more && *words ? "; " : "",
		more ? JOBS : "", more && job ? job : "", more ? ": " : "");
	auto_free char *whole = xasprintf("%s%s", all, more ? job_words : "");
	int64_t code = doc_int_or(error, "code", 0);

	step->reason =
		xstrdup(reason_of(job_error ? doc_int_or(job_error, "code", code) : code, whole));
	step->exit_code = exit_code_in(whole);
	step->message = *whole ? take_ptr(whole)
			       : xasprintf("Vertex AI does not say why; look at %s", where);
}

/* What the task is tried again for. */
static void tell_retry(const json_t *task, struct step_state *step)
{
	const json_t *history = json_object_get(task, "pipelineTaskStatus"), *last;
	const json_t *error;
	size_t len = json_array_size(history);
	auto_free char *words = NULL;

	last = len ? json_array_get(history, len - 1) : NULL;
	error = json_object_get(last, "error");
	if (!json_is_object(error))
		return;
	words = words_of(error);
	step->reason = xstrdup(reason_of(doc_int_or(error, "code", 0), words));
	step->message = xasprintf("Vertex AI tries again: %s", words);
}

static const struct step_state *known_state(const struct runner_run *run, const char *task)
{
	for (size_t i = 0; run->names && i < run->names->len; i++) {
		if (str_eq(run->names->items[i], task))
			return &run->known[i];
	}
	for (int i = 0; !remote_names_steps(run) && i < run->spec->steps_len; i++) {
		auto_free char *name = kfp_task_name(run->spec->steps[i].name);

		if (str_eq(name, task))
			return &run->known[i];
	}
	return NULL;
}

char *vertex_failed_job(const struct runner_run *run, const json_t *task)
{
	const struct step_state *known = known_state(run, doc_str_or(task, "taskName", ""));

	if (!is_task(task) || !str_eq(doc_str(task, "state"), "FAILED") ||
		(known && step_phase_final(known->phase)))
		return NULL;
	return named_job(task);
}

void vertex_take_job_error(json_t *task, const json_t *job)
{
	const json_t *error = json_object_get(job, "error");

	if (json_is_object(error))
		json_object_set(task, JOB_ERROR, (json_t *)error);
}

static void tell(const struct runner_run *run, const json_t *task, const char *where,
	struct step_state *step)
{
	const char *job = job_of(task);

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
	else if (!step_phase_final(step->phase))
		tell_retry(task, step);
	if (job && !step->external_name) {
		step->external_kind = xstrdup("CustomJob");
		step->external_name = xstrdup(job);
	}
}

static const json_t *task_of(const json_t *job, const char *name)
{
	const json_t *tasks = doc_get(job, "jobDetail.taskDetails");
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

char *vertex_task_job(const json_t *job, const char *step)
{
	auto_free char *name = kfp_task_name(step);
	const json_t *task = task_of(job, name);

	if (!task)
		task = task_of(job, step); /* of another tool's document */
	return job_id_in(job_of(task));
}

void vertex_job_observe(const struct runner_run *run, const json_t *job, struct run_state *state)
{
	const json_t *tasks = doc_get(job, "jobDetail.taskDetails");
	const char *where = state->url ? state->url : "its page";

	if (remote_names_steps(run))
		tell_unknown(run, tasks, state);
	for (int i = 0; !remote_names_steps(run) && i < state->steps_len; i++) {
		auto_free char *name = kfp_task_name(run->spec->steps[i].name);
		const json_t *task = task_of(job, name);

		if (task)
			tell(run, task, where, &state->steps[i]);
	}
	remote_conclude(run, phase_of(doc_str(job, "state")), doc_str(job, "error.message"), state);
}

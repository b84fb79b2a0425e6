#include "runners/sagemaker_observe.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "doc/path.h"

#define MESSAGE_MAX 2048
#define EXIT_CODE "exit code: "

static enum remote_phase phase_of(const char *status)
{
	static const struct {
		const char *status;
		enum remote_phase phase;
	} table[] = {{"Executing", REMOTE_RUNNING}, {"Stopping", REMOTE_STOPPING},
		{"Stopped", REMOTE_CANCELLED}, {"Failed", REMOTE_FAILED},
		{"Succeeded", REMOTE_SUCCEEDED}};

	for (size_t i = 0; i < array_size(table); i++) {
		if (str_eq(status, table[i].status))
			return table[i].phase;
	}
	return REMOTE_PENDING;
}

static enum step_phase step_phase_of(const char *status)
{
	static const struct {
		const char *status;
		enum step_phase phase;
	} table[] = {{"Starting", STEP_PENDING}, {"Executing", STEP_RUNNING},
		{"Stopping", STEP_RUNNING}, {"Stopped", STEP_CANCELLED}, {"Failed", STEP_FAILED},
		{"Succeeded", STEP_SUCCEEDED}};

	for (size_t i = 0; i < array_size(table); i++) {
		if (str_eq(status, table[i].status))
			return table[i].phase;
	}
	return STEP_PENDING;
}

static int64_t time_of(const json_t *step, const char *name)
{
	double seconds = json_number_value(json_object_get(step, name));

	return seconds > 0 && seconds < 1e12 ? (int64_t)seconds : 0;
}

/* "arn:aws:sagemaker:eu-west-1:1:processing-job/name" -> "name"; borrowed, NULL. */
static const char *job_of(const json_t *step)
{
	const char *arn = doc_str(step, "Metadata.ProcessingJob.Arn");
	const char *slash = arn ? strrchr(arn, '/') : NULL;

	return slash && slash[1] ? slash + 1 : NULL;
}

static const struct step_state *known_state(const struct runner_run *run, const char *name)
{
	if (!remote_names_steps(run)) {
		int index = frozen_spec_step(run->spec, name);

		return index < 0 ? NULL : &run->known[index];
	}
	for (size_t i = 0; run->names && i < run->names->len; i++) {
		if (str_eq(run->names->items[i], name))
			return &run->known[i];
	}
	return NULL;
}

char *sagemaker_failed_job(const struct runner_run *run, const json_t *step)
{
	const struct step_state *known = known_state(run, doc_str_or(step, "StepName", ""));

	if (step_phase_of(doc_str(step, "StepStatus")) != STEP_FAILED || !job_of(step) ||
		(known && step_phase_final(known->phase)))
		return NULL;
	return xstrdup(job_of(step));
}

char *sagemaker_step_job(const json_t *steps, const char *name)
{
	const json_t *step;
	const char *job = NULL;
	size_t i;

	json_array_foreach (steps, i, step) {
		if (str_eq(doc_str(step, "StepName"), name) && job_of(step))
			job = job_of(step);
	}
	return job ? xstrdup(job) : NULL;
}

/* --- steps --- */

static int exit_code_of(const char *words)
{
	const char *at = words ? strstr(words, EXIT_CODE) : NULL;
	char *end;
	long code;

	if (!at)
		return -1;
	code = strtol(at + strlen(EXIT_CODE), &end, 10);
	return end > at + strlen(EXIT_CODE) && code >= 0 && code <= 255 ? (int)code : -1;
}

/* What the program said, and what the service says of it. */
static void tell_failure(const json_t *step, struct step_state *state)
{
	const char *why = doc_str(step, "FailureReason"), *said = doc_str(step, "ExitMessage");
	auto_free char *both = NULL;
	bool quota = why && (strstr(why, "CapacityError") || strstr(why, "ResourceLimitExceeded"));

	if (said && *said)
		both = why && *why && !strstr(why, said) ? xasprintf("%s\n%s", why, said)
							 : xstrdup(said);
	else if (why && *why)
		both = xstrdup(why);
	else
		both = xasprintf("SageMaker does not say why; look into the log of the processing "
				 "job %s in CloudWatch, group /aws/sagemaker/ProcessingJobs",
			job_of(step) ? job_of(step) : "");
	state->reason = xstrdup(quota ? "QuotaExceeded" : "Error");
	state->message = str_clean_tail(both, strlen(both), MESSAGE_MAX);
	state->exit_code = exit_code_of(why);
}

static void tell(const struct runner_run *run, const json_t *step, struct step_state *state)
{
	if (step_phase_final(state->phase))
		return;
	state->phase = step_phase_of(doc_str(step, "StepStatus"));
	state->start_s = time_of(step, "StartTime");
	state->end_s = step_phase_final(state->phase) ? time_of(step, "EndTime") : 0;
	if (step_phase_final(state->phase) && !state->end_s)
		state->end_s = run->now_s;
	if (doc_int_or(step, "AttemptCount", 0) > 1)
		state->attempt = (int)doc_int_or(step, "AttemptCount", 0);
	free(take_ptr(state->reason));
	free(take_ptr(state->message));
	if (state->phase == STEP_FAILED)
		tell_failure(step, state);
	else if (state->phase == STEP_CANCELLED)
		state->reason = xstrdup("Cancelled");
	if (job_of(step) && !state->external_name) {
		state->external_kind = xstrdup("ProcessingJob");
		state->external_name = xstrdup(job_of(step));
	}
}

void sagemaker_observe(const struct runner_run *run, const json_t *execution, const json_t *steps,
	struct run_state *state)
{
	const json_t *step;
	size_t i;

	json_array_foreach (steps, i, step) {
		const char *name = doc_str(step, "StepName");
		int index = -1;

		if (name && remote_names_steps(run))
			index = run_state_named_step(state, name);
		else if (name)
			index = frozen_spec_step(run->spec, name);
		if (index >= 0)
			tell(run, step, &state->steps[index]);
	}
	remote_conclude(run, phase_of(doc_str(execution, "PipelineExecutionStatus")),
		doc_str(execution, "FailureReason"), state);
}

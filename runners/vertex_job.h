/*
 * The document for Vertex AI Pipelines: a PipelineJob with the specification inside
 * (cloud-backends.md 2.1, 2.2). Machines are chosen by the limits. What belongs to the backend and
 * not to the pipeline is added by vertex_settings.c. Pure.
 */
#ifndef RUNNERS_VERTEX_JOB_H
#define RUNNERS_VERTEX_JOB_H

#include "runners/runner.h"

/* The label that says whose run a job is. */
#define VERTEX_LABEL_RUN "fondant-run"

void vertex_job_compile(
	const struct native_input *in, json_t **ret_native, struct diag_list *diags);

/* What GET .../pipelineJobs/{id} says, into the state (remote.h). The steps are as remote_begin
 * left them; of a run without a spec they are made. */
void vertex_job_observe(const struct runner_run *run, const json_t *job, struct run_state *state);

/*
 * The number of the custom job whose words are worth asking for: that a failed task's error names,
 * or, where the error says nothing, that the task ran. Owned; NULL: none, or the failure is known
 * already. vertex_take_job_error
 * puts what GET .../customJobs/{id} says about it beside the task's own error, before the job is
 * observed.
 */
char *vertex_failed_job(const struct runner_run *run, const json_t *task);
void vertex_take_job_error(json_t *task, const json_t *custom_job);

/* The number of the custom job that a step ran in last. Owned; NULL: none is known. */
char *vertex_task_job(const json_t *job, const char *step);

#endif

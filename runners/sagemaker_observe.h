/*
 * What SageMaker says of an execution, as a state in the user's words. Pure.
 * Source: cloud-backends.md 1.2: a step that waits is not in the list at all; times are Unix
 * seconds as a real number.
 */
#ifndef RUNNERS_SAGEMAKER_OBSERVE_H
#define RUNNERS_SAGEMAKER_OBSERVE_H

#include <jansson.h>
#include "runners/remote.h"

/*
 * execution: the answer of DescribePipelineExecution. steps: array of what
 * ListPipelineExecutionSteps lists, in any order; "ExitMessage" in one is what its job has said
 * (DescribeProcessingJob). The steps in `state` are as remote_begin left them; others are made with
 * their names.
 */
void sagemaker_observe(const struct runner_run *run, const json_t *execution, const json_t *steps,
	struct run_state *state);

/* The name of the step's processing job, where it failed and the state does not say why yet; NULL.
 * Owned. */
char *sagemaker_failed_job(const struct runner_run *run, const json_t *step);

/* The name of the processing job that a step ran in last, of steps as above; NULL: none is known.
 * Owned. */
char *sagemaker_step_job(const json_t *steps, const char *name);

#endif

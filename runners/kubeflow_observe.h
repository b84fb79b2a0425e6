/*
 * What a Kubeflow Pipelines server says of a run, as a state in the user's words. Pure.
 * Source: kfp-argo.md A.3: tasks are rows named after their keys, beside rows of the engine's own;
 * times it does not have are 1970-01-01T00:00:00Z, and zeros are left out.
 */
#ifndef RUNNERS_KUBEFLOW_OBSERVE_H
#define RUNNERS_KUBEFLOW_OBSERVE_H

#include <jansson.h>
#include "runners/remote.h"

/* `answer`: GET /runs/{id}. The steps in `state` are as remote_begin left them; of a run without a
 * spec they are made, with state->names. */
void kubeflow_observe(const struct runner_run *run, const json_t *answer, struct run_state *state);

#endif

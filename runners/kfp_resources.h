/*
 * Resources of a container as KFP documents have them: the old numeric fields and the new ones with
 * quantities side by side, because each kind of reader knows one of them (kfp-argo.md B.1,
 * cloud-backends.md 2.2). Pure.
 */
#ifndef RUNNERS_KFP_RESOURCES_H
#define RUNNERS_KFP_RESOURCES_H

#include <jansson.h>
#include "runners/kfp_ir.h"

/* A Kubernetes quantity, string or number, as a number; < 0: it is none. */
double kfp_quantity(const json_t *value);

/* Sets container.resources from `resources` (core/v1; may be NULL) and the step's accelerator. */
void kfp_resources_apply(struct kfp_step *at, const json_t *resources, json_t *container);

#endif

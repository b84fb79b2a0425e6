/*
 * Second document of a pipeline for Kubeflow Pipelines, "platforms.kubernetes": node selectors,
 * tolerations, Secrets, volumes, metadata, deadlines (kfp-argo.md B.2). What of a podTemplate has
 * no place in it is an error. Pure.
 */
#ifndef RUNNERS_KFP_PLATFORM_H
#define RUNNERS_KFP_PLATFORM_H

#include <jansson.h>
#include "runners/kfp_ir.h"

/* KubernetesExecutorConfig of the step, maybe empty; and what container `main` of its podTemplates
 * says: env values and resources go into *container. New reference. */
json_t *kfp_platform_step(struct kfp_step *at, json_t *container, json_t **ret_resources);

#endif

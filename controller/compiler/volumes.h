/*
 * Volumes of pods and their mounts. Volumes may stand in the pipeline's podTemplate and in the
 * step's, which become one pod, so they are looked for in both.
 */
#ifndef COMPILER_VOLUMES_H
#define COMPILER_VOLUMES_H

#include <jansson.h>
#include "compiler/check.h"
#include "compiler/model.h"

/* Volume and folder in which a Python step finds its source (runners/kubernetes_python.c). */
#define VOLUMES_OWN_NAME "fondant-spec"
#define VOLUMES_OWN_PATH "/fondant/spec"

/* Names of one podTemplate's volumes; the place of `c` is that of the pod's spec. */
void volumes_check_names(struct check *c, const json_t *pod);
/* Fields of one container's mounts; the place of `c` is that of the container. */
void volumes_check_mounts(struct check *c, const json_t *container);
/* After validate_spec: every mount of every step names a volume (VolumeNotFound). */
void volumes_check_found(struct compiler *m);

#endif

/*
 * A step that reads several datasets: before it, an init container of our own image writes one
 * manifest of theirs (controller/merge/) to "<attempt run id>/<step>.inputs/manifest.json" below
 * the dataset's folder, with the step's mounts, credentials and user. Step names hold no dot, so
 * that nothing else lies there. Pure.
 */
#ifndef RUNNERS_KUBERNETES_JOIN_H
#define RUNNERS_KUBERNETES_JOIN_H

#include <jansson.h>
#include "runners/kubernetes_job.h"

#define KUBERNETES_JOIN_CONTAINER "fondant-merge"

/* Path of the manifest that the step is to read: of its one input, or the merged one, or what it
 * says by fromManifest; NULL for a step that reads none. Owned. */
char *kubernetes_input_manifest(const struct kubernetes_job *what);

/* Adds the init container to the pod when the step reads several datasets; `container` is `main`,
 * complete. */
void kubernetes_join_apply(const struct kubernetes_job *what, json_t *pod, const json_t *container);

#endif

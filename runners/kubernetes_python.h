/*
 * Python steps on Kubernetes. The source travels in the run's frozen ConfigMap, which is mounted
 * into the pod; a small constant program of ours installs the requirements, writes main.py byte for
 * byte and becomes `fondant execute main`. Nothing of the source passes through a shell, an
 * argument or an environment variable.
 */
#ifndef RUNNERS_KUBERNETES_PYTHON_H
#define RUNNERS_KUBERNETES_PYTHON_H

#include <jansson.h>
#include "runners/kubernetes_job.h"

#define KUBERNETES_PYTHON_VOLUME "fondant-spec"
#define KUBERNETES_PYTHON_MOUNT "/fondant/spec"

/* For `python3 -c`, followed by the step's name and the executor's flags. It holds no `$`. */
extern const char kubernetes_python_bootstrap[];

/* Changes the pod and its container `main` when the step is a Python step; else nothing. After all
 * that sets the container's command. */
void kubernetes_python_apply(const struct kubernetes_job *what, json_t *pod, json_t *container);

#endif

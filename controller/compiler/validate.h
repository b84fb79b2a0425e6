/*
 * Everything about a pipeline's spec that can be said without its graph: known fields, types,
 * bounds, names, settings against the backend's features, what this release does not have yet.
 */
#ifndef COMPILER_VALIDATE_H
#define COMPILER_VALIDATE_H

#include "compiler/model.h"

/* Fills steps, by_name, explicit_graph, dataset_name, working_directory, parameters and the
 * components, and of each step what it was given. */
void validate_spec(struct compiler *m);
/* After validate_spec, where steps are pods: what they mount are volumes, and local paths
 * (workingDirectory, fromManifest) are mounted. */
void validate_mounts(struct compiler *m);

/*
 * "scheme://..." or an absolute path, without `..`, without trailing slashes. NULL when it is
 * neither, with what is wrong in *ret_why (a constant). Owned by the caller.
 */
char *validate_normal_directory(const char *directory, const char **ret_why);

#endif

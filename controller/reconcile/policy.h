/*
 * What the policy of a FondantBackend lets those do who write pipelines (API.md "FondantBackend").
 * Judged of the frozen spec, so that it holds for a run whatever made its spec: when a pipeline or
 * a run is frozen, and once more before a run starts. Pure.
 *
 *   serviceAccountNames    which may be named; a pipeline that names none runs as `default`
 *   imagePrefixes          of every image, init containers too, compared with docker.io/ in front
 *                          where no host is written
 *   podTemplate Restricted labels, scheduling, pull secrets, env, and volumes that are claims,
 *                          emptyDir, Secrets or ConfigMaps, with their mounts
 *   maxTimeout             the run must have a `timeout`, and at most this
 *   maxActiveRuns          run.h
 */
#ifndef RECONCILE_POLICY_H
#define RECONCILE_POLICY_H

#include <jansson.h>
#include "compiler/diag.h"

/*
 * `backend`: a FondantBackend, or NULL. `frozen`: the tree of a frozen spec. Appends findings with
 * the reason PolicyDenied at paths of the frozen spec: "podTemplate.spec.hostPID",
 * "steps.<name>.image".
 */
void policy_check(const json_t *backend, const json_t *frozen, struct diag_list *diags);

/* The same of its text, at paths of the FondantPipeline's `spec` (native_fix_paths). */
void policy_check_text(const json_t *backend, const json_t *spec, const char *text, size_t len,
	struct diag_list *diags);

/* policy.maxActiveRuns; 0: no limit. */
int64_t policy_max_active_runs(const json_t *backend);

#endif

/*
 * A compose file that another tool wrote (`native` of format Compose): each service is a step,
 * which begins when those that it depends on have completed, so that dag.c orders them as it orders
 * ours. The file's `name` is not used: a run is a project of its own. Pure. Source:
 * compose-spec.io; cloud-backends.md 3.3 (which fields the framework's files have).
 */
#ifndef RUNNERS_DOCKER_PROJECT_H
#define RUNNERS_DOCKER_PROJECT_H

#include "runners/runner.h"

/* runner.compile of a spec with a native document: the file with the parameters put in, as
 * `docker compose` takes it. Findings below "native.document". */
void docker_project_compile(
	const struct native_input *in, json_t **ret_native, struct diag_list *diags);

/*
 * The steps of such a spec: one without a dataset, in topological order, the json of each being its
 * container (docker_service_body). It keeps what it needs of `spec`; frozen_spec_free frees it.
 * NULL with err (class user, Refused) where the document is not one that compile lets through.
 */
struct frozen_spec *docker_project_steps(const struct frozen_spec *spec, struct err *err);

#endif

/*
 * A frozen spec as a compose file, for `docker compose up`: the same containers as the runner's
 * (runners/docker_container.h), in the order of depends_on, without attempts and cache. Secret
 * arguments are variables FONDANT_SECRET_<n> of whoever runs it. Pure.
 * Sources: compose-spec.io; cloud-backends.md 3.3.
 */
#ifndef RUNNERS_DOCKER_COMPOSE_H
#define RUNNERS_DOCKER_COMPOSE_H

#include "runners/runner.h"

/* runner.compile; findings at "steps.<name>.<field>". */
void docker_compose_compile(
	const struct native_input *in, json_t **ret_native, struct diag_list *diags);

#endif

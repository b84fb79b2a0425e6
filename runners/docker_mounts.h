/*
 * What a service of a compose file mounts: paths of the engine's machine, volumes that are there
 * already, and memory. Pure.
 * Source: compose-spec.io, "volumes"; cloud-backends.md 3.2 (Binds).
 */
#ifndef RUNNERS_DOCKER_MOUNTS_H
#define RUNNERS_DOCKER_MOUNTS_H

#include <jansson.h>
#include "compiler/check.h"

/* Sets Binds and Tmpfs of a HostConfig. list: the service's `volumes`; volumes: the file's. Either
 * may be NULL. */
void docker_mounts_put(struct check *c, const json_t *list, const json_t *volumes, json_t *host);

#endif

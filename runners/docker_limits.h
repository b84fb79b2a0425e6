/*
 * What a service of a compose file may use: CPUs, memory, processes, GPUs. Pure.
 * Source: compose-spec.io, "Deploy", "cpus", "mem_limit", "shm_size", "pids_limit";
 * cloud-backends.md 3.2 (HostConfig).
 */
#ifndef RUNNERS_DOCKER_LIMITS_H
#define RUNNERS_DOCKER_LIMITS_H

#include <jansson.h>
#include "compiler/check.h"

/* Sets NanoCpus, Memory, ShmSize, PidsLimit and DeviceRequests of a HostConfig where the service
 * says so. */
void docker_limits_put(struct check *c, const json_t *service, json_t *host);

#endif

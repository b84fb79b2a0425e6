/*
 * Ports of a compose file's services. Pure.
 * Source: compose-spec.io, "ports"; cloud-backends.md 3.2 (PortBindings).
 */
#ifndef RUNNERS_DOCKER_PORTS_H
#define RUNNERS_DOCKER_PORTS_H

#include <jansson.h>
#include "compiler/check.h"

/* Sets body.ExposedPorts and host.PortBindings from a service's `ports`, which may be NULL. */
void docker_ports_put(struct check *c, const json_t *ports, json_t *body, json_t *host);

/* A port of the engine's machine that both containers want, "8787"; NULL: there is none.
 * Borrowed from a. */
const char *docker_ports_clash(const json_t *a, const json_t *b);

#endif

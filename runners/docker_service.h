/*
 * One service of a compose file that another tool wrote, as a container of the Engine API. What it
 * cannot be is a finding: nothing of a service is dropped. Pure.
 * Source: compose-spec.io, "Services top-level element"; cloud-backends.md 3.2 (create body), 3.3.
 */
#ifndef RUNNERS_DOCKER_SERVICE_H
#define RUNNERS_DOCKER_SERVICE_H

#include <jansson.h>
#include "base/vec.h"
#include "compiler/check.h"

/*
 * The body of POST /containers/create as far as the service says it: no name, network, restart
 * policy and labels of ours. New reference; not to be used where there are findings.
 * service: with its variables replaced. volumes: the file's top-level `volumes`; may be NULL.
 */
json_t *docker_service_body(struct check *c, const json_t *service, const json_t *volumes);

/* Names of the services that must have completed before it begins; appended to ret_names. */
void docker_service_needs(struct check *c, const json_t *service, struct strvec *ret_names);

#endif

/*
 * Credentials for registries as the engine takes them: base64url of JSON in a header. Whoever sends
 * the headers wipes them.
 * Source: cloud-backends.md 3.2; docs.docker.com/engine/api, "Authentication" and "Build an image".
 */
#ifndef RUNNERS_DOCKER_AUTH_H
#define RUNNERS_DOCKER_AUTH_H

#include "base/vec.h"
#include "net/dockerconfig.h"

/* X-Registry-Auth with the first credentials that fit the image; nothing where none do. auths may
 * be NULL. */
void docker_auth_for_image(
	const char *image, const struct registry_auth_list *auths, struct strvec *headers);
/* X-Registry-Config with all of them, by registry: a Dockerfile may build on any image. Nothing
 * where there are none. */
void docker_auth_for_build(const struct registry_auth_list *auths, struct strvec *headers);

#endif

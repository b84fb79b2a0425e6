/*
 * Credentials for image registries as pull secrets hold them: the type
 * kubernetes.io/dockerconfigjson ({"auths": {<registry>: {...}}}) and the older
 * kubernetes.io/dockercfg (the inner map alone). Which one fits an image is
 * decided as the kubelet does (pkg/credentialprovider/keyring.go): same port,
 * same number of host labels, each label by glob (`*`, `?`, `[a-z]`), and the
 * entry's path is a prefix of the image's; most specific first. The entries
 * index.docker.io, registry-1.docker.io and docker.io mean docker.io.
 */
#ifndef NET_DOCKERCONFIG_H
#define NET_DOCKERCONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include "base/err.h"

#define DOCKERCONFIG_MAX ((size_t)1 << 20) /* bytes of one file, as of a Secret */
#define DOCKERCONFIG_ENTRIES_MAX 1024      /* of a whole list */

/* One entry; all strings are owned, none is NULL. */
struct registry_auth {
	char *host; /* "registry.example:5000"; may be a glob */
	char *path; /* "/team", "" for the whole host */
	char *user; /* "" when there is only an identity token */
	char *password;
	char *identity_token; /* OAuth2 refresh token; "" when there is none */
};

/* {0} is an empty list. */
struct registry_auth_list {
	struct registry_auth *items;
	size_t len;
	size_t cap;
};

/*
 * Adds what a file holds to the list; either form is told by its content. Entries without
 * credentials (those of a credential helper) are passed over. < 0 with ERR_USER
 * InvalidPullSecret (not JSON, wrong types, bad base64, too large), the list unchanged; the
 * message names the registry, never a value.
 */
int dockerconfig_parse(
	const char *text, size_t len, struct registry_auth_list *list, struct err *err);
/* Adds one, copied; user, password and identity_token may be NULL. */
void registry_auth_add(struct registry_auth_list *list, const char *host, const char *path,
	const char *user, const char *password, const char *identity_token);
/* Copies of the entries that fit, most specific first, those of one key in the order given. */
void registry_auth_match(const struct registry_auth_list *list, const char *host,
	const char *repository, struct registry_auth_list *ret_matches);
/* Overwrites and frees; the list is empty afterwards. */
void registry_auth_clear(struct registry_auth_list *list);

#define auto_registry_auth_list \
	__attribute__((cleanup(registry_auth_clear))) struct registry_auth_list

#endif

#include "net/dockerconfig.h"

#include <fnmatch.h>
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/base64.h"
#include "base/mem.h"
#include "base/str.h"

#define INVALID ERR_USER, "InvalidPullSecret"
#define DOCKER_HOST "docker.io"

/* --- the list --- */

static void auth_release(struct registry_auth *auth)
{
	free(auth->host);
	free(auth->path);
	mem_free_secret(auth->user);
	mem_free_secret(auth->password);
	mem_free_secret(auth->identity_token);
}

void registry_auth_clear(struct registry_auth_list *list)
{
	for (size_t i = 0; i < list->len; i++)
		auth_release(&list->items[i]);
	free(list->items);
	*list = (struct registry_auth_list){0};
}

static void list_truncate(struct registry_auth_list *list, size_t len)
{
	while (list->len > len)
		auth_release(&list->items[--list->len]);
}

void registry_auth_add(struct registry_auth_list *list, const char *host, const char *path,
	const char *user, const char *password, const char *identity_token)
{
	if (list->len == list->cap) {
		list->cap = list->cap ? list->cap * 2 : 8;
		list->items = xreallocarray(list->items, list->cap, sizeof(*list->items));
	}
	list->items[list->len++] = (struct registry_auth){
		.host = xstrdup(host),
		.path = xstrdup(path),
		.user = xstrdup(user ? user : ""),
		.password = xstrdup(password ? password : ""),
		.identity_token = xstrdup(identity_token ? identity_token : ""),
	};
}

/* --- reading --- */

/* Overwrites every string of the document before it is freed. */
static void wipe(json_t *json)
{
	const char *key;
	json_t *value;
	size_t i;

	if (json_is_string(json))
		explicit_bzero((char *)json_string_value(json), json_string_length(json));
	else if (json_is_object(json))
		json_object_foreach (json, key, value)
			wipe(value);
	else if (json_is_array(json))
		json_array_foreach (json, i, value)
			wipe(value);
}

static void auto_wipe(json_t **json)
{
	wipe(*json);
	json_decref(*json);
}

/* "https://index.docker.io/v1/" -> "docker.io", ""; "registry.example/team/" -> "/team". As the
 * kubelet, which drops a leading /v1/ or /v2/. */
static void split_key(const char *key, char **ret_host, char **ret_path)
{
	const char *path;
	size_t len;
	char *host;

	if (str_starts_with(key, "https://"))
		key += strlen("https://");
	else if (str_starts_with(key, "http://"))
		key += strlen("http://");
	len = strcspn(key, "/");
	host = xstrndup(key, len);
	path = key + len;
	if (str_starts_with(path, "/v1/") || str_starts_with(path, "/v2/"))
		path += 3;
	else if (str_eq(path, "/v1") || str_eq(path, "/v2"))
		path = "";
	if (str_eq(host, "index.docker.io") || str_eq(host, "registry-1.docker.io")) {
		free(host);
		host = xstrdup(DOCKER_HOST);
	}
	*ret_host = host;
	*ret_path = xstrdup(str_eq(path, "/") ? "" : path);
}

/* A member that is absent, null or a string. */
static int read_text(const json_t *entry, const char *registry, const char *member,
	const char **ret_text, struct err *err)
{
	const json_t *value = json_object_get(entry, member);

	*ret_text = "";
	if (!value || json_is_null(value))
		return 0;
	if (!json_is_string(value))
		return err_set(
			err, INVALID, "the entry of %s: %s must be a string", registry, member);
	*ret_text = json_string_value(value);
	return 0;
}

/* "user:password" in base64. */
static int read_auth(const char *registry, const char *auth, char **ret_user, char **ret_password,
	struct err *err)
{
	size_t len;
	char *text = base64_decode(auth, &len);
	char *colon = text ? memchr(text, ':', len) : NULL;

	if (!colon || memchr(text, '\0', len) != NULL) {
		mem_free_secret(text);
		return err_set(err, INVALID,
			"the entry of %s: auth must be user:password in base64", registry);
	}
	*ret_user = xstrndup(text, (size_t)(colon - text));
	*ret_password = xstrdup(colon + 1);
	mem_free_secret(text);
	return 0;
}

static int add_entry(
	const char *key, const json_t *entry, struct registry_auth_list *list, struct err *err)
{
	const char *auth, *plain_user, *plain_password, *token;
	auto_free char *registry = str_clean_tail(key, strlen(key), 128);
	char *user = NULL, *password = NULL, *host = NULL, *path = NULL;

	if (!json_is_object(entry))
		return err_set(err, INVALID, "the entry of %s must be an object", registry);
	if (read_text(entry, registry, "auth", &auth, err) < 0 ||
		read_text(entry, registry, "username", &plain_user, err) < 0 ||
		read_text(entry, registry, "password", &plain_password, err) < 0 ||
		read_text(entry, registry, "identitytoken", &token, err) < 0)
		return -1;
	if (*auth && read_auth(registry, auth, &user, &password, err) < 0)
		return -1;
	split_key(key, &host, &path);
	if (*host && (user || *plain_user || *plain_password || *token))
		registry_auth_add(list, host, path, user ? user : plain_user,
			password ? password : plain_password, token);
	mem_free_secret(user);
	mem_free_secret(password);
	free(host);
	free(path);
	return 0;
}

int dockerconfig_parse(
	const char *text, size_t len, struct registry_auth_list *list, struct err *err)
{
	__attribute__((cleanup(auto_wipe))) json_t *root = NULL;
	const size_t before = list->len;
	json_t *auths, *entry;
	json_error_t error;
	const char *key;

	if (len > DOCKERCONFIG_MAX)
		return err_set(err, INVALID, "it is larger than 1 MiB");
	root = json_loadb(text, len, 0, &error);
	/* The parser's own words may quote the text. */
	if (!root)
		return err_set(err, INVALID, "it is not JSON (line %d, column %d)", error.line,
			error.column);
	if (!json_is_object(root))
		return err_set(err, INVALID, "it must be a JSON object");
	auths = json_object_get(root, "auths");
	if (!auths)
		auths = root;
	if (!json_is_object(auths))
		return json_is_null(auths) ? 0 : err_set(err, INVALID, "auths must be an object");
	if (json_object_size(auths) + list->len > DOCKERCONFIG_ENTRIES_MAX)
		return err_set(err, INVALID, "there are more than %d registries",
			DOCKERCONFIG_ENTRIES_MAX);
	json_object_foreach (auths, key, entry) {
		if (auths == root && !json_is_object(entry) && !strpbrk(key, ".:"))
			continue; /* credsStore and the like: a docker config without auths */
		if (add_entry(key, entry, list, err) < 0) {
			list_truncate(list, before);
			return -1;
		}
	}
	return 0;
}

/* --- matching --- */

/* The port of "host[:port]", "" when there is none; *ret_len is the length of the host. */
static const char *split_port(const char *host, size_t *ret_len)
{
	const char *bracket = strrchr(host, ']');
	const char *colon = strrchr(bracket ? bracket : host, ':');

	*ret_len = colon ? (size_t)(colon - host) : strlen(host);
	return colon ? colon + 1 : "";
}

/* Label by label, so that `*` never spans a '.'. */
static bool labels_match(const char *glob, size_t glob_len, const char *host, size_t host_len)
{
	for (;;) {
		const char *glob_dot = memchr(glob, '.', glob_len);
		const char *host_dot = memchr(host, '.', host_len);
		size_t g = glob_dot ? (size_t)(glob_dot - glob) : glob_len;
		size_t h = host_dot ? (size_t)(host_dot - host) : host_len;
		auto_free char *pattern = xstrndup(glob, g);
		auto_free char *label = xstrndup(host, h);

		if (!glob_dot != !host_dot || fnmatch(pattern, label, 0) != 0)
			return false;
		if (!glob_dot)
			return true;
		glob = glob_dot + 1;
		glob_len -= g + 1;
		host = host_dot + 1;
		host_len -= h + 1;
	}
}

static bool auth_matches(const struct registry_auth *auth, const char *host, const char *path)
{
	size_t glob_len, host_len;
	const char *glob_port = split_port(auth->host, &glob_len);
	const char *host_port = split_port(host, &host_len);

	if (!str_eq(glob_port, host_port) || !str_starts_with(path, auth->path))
		return false;
	if (*host == '[')
		return glob_len == host_len && memcmp(auth->host, host, host_len) == 0;
	return labels_match(auth->host, glob_len, host, host_len);
}

struct match {
	const struct registry_auth *auth;
	char *key;
	size_t order;
};

/* The kubelet's order: keys backwards, so that longer paths and names before globs. */
static int compare(const void *a, const void *b)
{
	const struct match *x = a, *y = b;
	int order = strcmp(y->key, x->key);

	if (order != 0)
		return order;
	return x->order < y->order ? -1 : 1;
}

void registry_auth_match(const struct registry_auth_list *list, const char *host,
	const char *repository, struct registry_auth_list *ret_matches)
{
	auto_free char *path = xasprintf("/%s", repository);
	auto_free struct match *matches = xcalloc(list->len + 1, sizeof(*matches));
	struct registry_auth_list found = {0};
	size_t len = 0;

	for (size_t i = 0; i < list->len; i++) {
		const struct registry_auth *auth = &list->items[i];

		if (auth_matches(auth, host, path)) {
			matches[len] = (struct match){.auth = auth, .order = i};
			matches[len++].key = xasprintf("%s%s", auth->host, auth->path);
		}
	}
	qsort(matches, len, sizeof(*matches), compare);
	for (size_t i = 0; i < len; i++) {
		const struct registry_auth *auth = matches[i].auth;

		registry_auth_add(&found, auth->host, auth->path, auth->user, auth->password,
			auth->identity_token);
		free(matches[i].key);
	}
	*ret_matches = found;
}

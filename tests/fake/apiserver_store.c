#include "tests/fake/apiserver_store.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "base/vec.h"
#include "doc/patch.h"
#include "doc/path.h"

/* --- paths --- */

static char *decode(const char *text, size_t len)
{
	char *out = xmalloc(len + 1);
	size_t o = 0;

	for (size_t i = 0; i < len; i++) {
		if (text[i] == '%' && i + 2 < len) {
			char hex[3] = {text[i + 1], text[i + 2], '\0'};

			out[o++] = (char)strtol(hex, NULL, 16);
			i += 2;
		} else {
			out[o++] = text[i];
		}
	}
	out[o] = '\0';
	return out;
}

static void split_path(const char *path, struct strvec *parts)
{
	while (*path == '/')
		path++;
	while (*path) {
		size_t len = strcspn(path, "/");

		strvec_take(parts, decode(path, len));
		path += len + (path[len] == '/');
	}
}

bool fake_path_parse(const char *path, struct fake_path *ret)
{
	auto_strvec parts = STRVEC_INIT;
	size_t at;

	split_path(path, &parts);
	memset(ret, 0, sizeof(*ret));
	if (parts.len >= 3 && str_eq(parts.items[0], "api")) {
		ret->base = xasprintf("api/%s", parts.items[1]);
		at = 2;
	} else if (parts.len >= 4 && str_eq(parts.items[0], "apis")) {
		ret->base = xasprintf("apis/%s/%s", parts.items[1], parts.items[2]);
		at = 3;
	} else {
		return false;
	}
	if (str_eq(parts.items[at], "namespaces") && parts.len > at + 2) {
		ret->namespace_ = xstrdup(parts.items[at + 1]);
		at += 2;
	} else {
		ret->namespace_ = xstrdup("");
	}
	ret->plural = xstrdup(parts.items[at]);
	ret->name = xstrdup(parts.len > at + 1 ? parts.items[at + 1] : "");
	ret->subresource = xstrdup(parts.len > at + 2 ? parts.items[at + 2] : "");
	return true;
}

void fake_path_clear(struct fake_path *path)
{
	free(path->base);
	free(path->namespace_);
	free(path->plural);
	free(path->name);
	free(path->subresource);
	memset(path, 0, sizeof(*path));
}

static char *collection_of(const struct fake_path *path)
{
	return xasprintf("%s/%s", path->base, path->plural);
}

static char *key_of(const struct fake_path *path)
{
	return xasprintf("%s/%s/%s/%s", path->base, path->plural, path->namespace_, path->name);
}

const char *fake_kind(const char *plural)
{
	static const char *const table[][2] = {{"fondantpipelines", "FondantPipeline"},
		{"fondantruns", "FondantRun"}, {"fondantcomponents", "FondantComponent"},
		{"fondantbackends", "FondantBackend"}, {"jobs", "Job"}, {"pods", "Pod"},
		{"configmaps", "ConfigMap"}, {"events", "Event"}, {"secrets", "Secret"},
		{"leases", "Lease"}, {"namespaces", "Namespace"},
		{"serviceaccounts", "ServiceAccount"}};

	for (size_t i = 0; i < array_size(table); i++) {
		if (str_eq(plural, table[i][0]))
			return table[i][1];
	}
	return "Unknown";
}

static bool has_status_subresource(const struct fake_path *path)
{
	return str_starts_with(path->base, "apis/fondant.ai/") || str_eq(path->plural, "jobs") ||
	       str_eq(path->plural, "pods");
}

/* --- answers --- */

static const char *usual_reason(int status)
{
	static const struct {
		int status;
		const char *reason;
	} table[] = {{400, "BadRequest"}, {401, "Unauthorized"}, {403, "Forbidden"},
		{404, "NotFound"}, {405, "MethodNotAllowed"}, {409, "Conflict"}, {410, "Expired"},
		{413, "RequestEntityTooLarge"}, {415, "UnsupportedMediaType"}, {422, "Invalid"},
		{429, "TooManyRequests"}, {500, "InternalError"}, {503, "ServiceUnavailable"},
		{504, "Timeout"}};

	for (size_t i = 0; i < array_size(table); i++) {
		if (table[i].status == status)
			return table[i].reason;
	}
	return "";
}

struct fake_result fake_failure(int status, const char *reason, const char *message)
{
	json_t *body = json_pack("{s:s, s:s, s:{}, s:s, s:s, s:s, s:i}", "kind", "Status",
		"apiVersion", "v1", "metadata", "status", "Failure", "message", message, "reason",
		reason ? reason : usual_reason(status), "code", status);

	return (struct fake_result){.status = status, .body = body};
}

static struct fake_result ok(int status, const json_t *object)
{
	return (struct fake_result){.status = status, .body = json_incref((json_t *)object)};
}

static struct fake_result not_found(const struct fake_path *path)
{
	auto_free char *message = xasprintf("%s \"%s\" not found", path->plural, path->name);

	return fake_failure(404, NULL, message);
}

/* --- versions and events --- */

static void free_object(void *value)
{
	json_decref(value);
}

void fake_store_init(struct fake_store *store)
{
	memset(store, 0, sizeof(*store));
	store->rv = 98; /* so that lengths differ soon */
	store->objects.free_value = free_object;
	store->orphans = json_array();
}

static void event_clear(struct fake_event *event)
{
	free(event->collection);
	free(event->namespace_);
	json_decref(event->before);
	json_decref(event->after);
}

void fake_store_compact(struct fake_store *store)
{
	for (size_t i = 0; i < store->events_len; i++)
		event_clear(&store->events[i]);
	store->events_len = 0;
	store->compacted = store->rv;
}

void fake_store_release(struct fake_store *store)
{
	fake_store_compact(store);
	free(store->events);
	map_clear(&store->objects);
	json_decref(store->orphans);
}

static void commit(
	struct fake_store *store, const struct fake_path *path, json_t *before, json_t *after)
{
	struct fake_event *event;

	if (store->events_len == store->events_cap) {
		store->events_cap = store->events_cap ? store->events_cap * 2 : 64;
		store->events =
			xreallocarray(store->events, store->events_cap, sizeof(*store->events));
	}
	event = &store->events[store->events_len++];
	*event = (struct fake_event){
		.rv = store->rv,
		.collection = collection_of(path),
		.namespace_ = xstrdup(path->namespace_),
		.before = json_incref(before),
		.after = json_incref(after),
	};
	if (store->committed)
		store->committed(store->user, event);
}

static void stamp(struct fake_store *store, json_t *object)
{
	char rv[32];

	snprintf(rv, sizeof(rv), "%llu", (unsigned long long)++store->rv);
	doc_set_new(object, "metadata.resourceVersion", json_string(rv));
}

static bool same_but_version(const json_t *a, const json_t *b)
{
	json_t *copy = json_deep_copy(b);
	json_t *rv = json_object_get(json_object_get(a, "metadata"), "resourceVersion");
	bool same;

	json_object_set(json_object_get(copy, "metadata"), "resourceVersion", rv);
	same = json_equal(a, copy);
	json_decref(copy);
	return same;
}

/* Removes the object; its last state gets the deletion's version. */
static void drop(struct fake_store *store, const struct fake_path *path, json_t *object)
{
	auto_free char *key = key_of(path);
	json_t *last = json_deep_copy(object);

	stamp(store, last);
	json_array_append(
		store->orphans, json_object_get(json_object_get(object, "metadata"), "uid"));
	commit(store, path, last, NULL);
	map_del(&store->objects, key);
	json_decref(last);
}

static void put(
	struct fake_store *store, const struct fake_path *path, json_t *before, json_t *after)
{
	auto_free char *key = key_of(path);

	json_incref(before); /* the map frees it */
	map_set(&store->objects, key, json_incref(after));
	commit(store, path, before, after);
	json_decref(before);
}

/* --- reading --- */

static json_t *find(const struct fake_store *store, const struct fake_path *path)
{
	auto_free char *key = key_of(path);

	return map_get(&store->objects, key);
}

struct fake_result fake_store_get(const struct fake_store *store, const struct fake_path *path)
{
	json_t *object = find(store, path);

	return object ? ok(200, object) : not_found(path);
}

static bool requirement_matches(const json_t *labels, const char *text)
{
	const char *equals = strstr(text, "!=") ? strstr(text, "!=") : strchr(text, '=');
	bool negative = text[0] == '!' || (equals && equals[0] == '!');
	auto_free char *key = NULL;
	const char *value;

	if (!equals) {
		bool exists = json_object_get(labels, text + (text[0] == '!')) != NULL;

		return exists != negative;
	}
	key = xstrndup(text, (size_t)(equals - text));
	value = equals + strspn(equals, "!=");
	return str_eq(json_string_value(json_object_get(labels, key)), value) != negative;
}

static bool all_match(const json_t *object, const char *selector, bool labels)
{
	const json_t *tree = labels ? doc_get(object, "metadata.labels") : object;

	while (selector && *selector) {
		size_t len = strcspn(selector, ",");
		auto_free char *one = xstrndup(selector, len);
		bool matches;

		if (labels) {
			matches = requirement_matches(tree, one);
		} else {
			char *equals = strchr(one, '=');

			if (!equals)
				return false;
			*equals = '\0';
			matches = str_eq(
				doc_str_or(tree, one, ""), equals + 1 + strspn(equals + 1, "="));
		}
		if (!matches)
			return false;
		selector += len + (selector[len] == ',');
	}
	return true;
}

bool fake_selector_matches(
	const json_t *object, const char *label_selector, const char *field_selector)
{
	return all_match(object, label_selector, true) && all_match(object, field_selector, false);
}

json_t *fake_store_list(const struct fake_store *store, const struct fake_path *path,
	const char *label_selector, const char *field_selector)
{
	auto_free char *prefix =
		path->namespace_[0]
			? xasprintf("%s/%s/%s/", path->base, path->plural, path->namespace_)
			: xasprintf("%s/%s/", path->base, path->plural);
	auto_strvec keys = STRVEC_INIT;
	json_t *items = json_array();
	size_t pos = 0;
	const char *key;
	void *value;

	while (map_next(&store->objects, &pos, &key, &value)) {
		if (str_starts_with(key, prefix) &&
			fake_selector_matches(value, label_selector, field_selector))
			strvec_add(&keys, key);
	}
	strvec_sort(&keys);
	strvec_for_each (&keys, i) {
		json_array_append(items, map_get(&store->objects, keys.items[i]));
	}
	return items;
}

/* --- writing --- */

static void ensure_metadata(json_t *object)
{
	if (!json_is_object(json_object_get(object, "metadata")))
		json_object_set_new(object, "metadata", json_object());
}

static void fill_new(struct fake_store *store, const struct fake_path *path, json_t *object,
	const char *name, bool trusted)
{
	json_t *metadata;
	char now[TIME_RFC3339_SIZE];
	auto_free char *uid =
		xasprintf("00000000-0000-4000-8000-%012llx", (unsigned long long)++store->next_uid);

	ensure_metadata(object);
	metadata = json_object_get(object, "metadata");
	if (!json_object_get(object, "kind"))
		json_object_set_new(object, "kind", json_string(fake_kind(path->plural)));
	if (!json_object_get(object, "apiVersion"))
		json_object_set_new(object, "apiVersion", json_string(strchr(path->base, '/') + 1));
	json_object_set_new(metadata, "name", json_string(name));
	if (path->namespace_[0])
		json_object_set_new(metadata, "namespace", json_string(path->namespace_));
	if (!trusted || !json_object_get(metadata, "uid"))
		json_object_set_new(metadata, "uid", json_string(uid));
	if (!trusted || !json_object_get(metadata, "creationTimestamp"))
		json_object_set_new(metadata, "creationTimestamp",
			json_string(time_format_rfc3339(time_wall_ms() / 1000, now)));
	if (json_object_get(object, "spec"))
		json_object_set_new(metadata, "generation", json_integer(1));
	if (!trusted && has_status_subresource(path))
		json_object_del(object, "status");
}

struct fake_result fake_store_create(
	struct fake_store *store, const struct fake_path *path, const json_t *given, bool trusted)
{
	const char *name = doc_str(given, "metadata.name");
	struct fake_path at = *path;
	json_t *object;
	struct fake_result result;

	if (!json_is_object(given))
		return fake_failure(400, NULL, "the body is no object");
	if (!name || !name[0])
		return fake_failure(422, NULL, "metadata.name: Required value");
	if (doc_str(given, "metadata.resourceVersion") && !trusted)
		return fake_failure(
			400, NULL, "resourceVersion should not be set on objects to be created");
	at.name = (char *)name;
	if (find(store, &at)) {
		auto_free char *message = xasprintf("%s \"%s\" already exists", path->plural, name);

		return fake_failure(409, "AlreadyExists", message);
	}
	object = json_deep_copy(given);
	fill_new(store, &at, object, name, trusted);
	stamp(store, object);
	at.name = (char *)name;
	put(store, &at, NULL, object);
	result = ok(201, object);
	json_decref(object);
	return result;
}

/* metadata.uid and resourceVersion of a write must fit what is stored. */
static bool precondition_fits(const json_t *object, const char *uid, const char *rv)
{
	if (uid && !str_eq(uid, doc_str(object, "metadata.uid")))
		return false;
	return !rv || !rv[0] || str_eq(rv, doc_str(object, "metadata.resourceVersion"));
}

static struct fake_result conflict(const struct fake_path *path)
{
	auto_free char *message =
		xasprintf("Operation cannot be fulfilled on %s \"%s\": the object "
			  "has been modified",
			path->plural, path->name);

	return fake_failure(409, "Conflict", message);
}

/* What the caller may not change is put back; generation moves with the spec. */
static void keep_system_fields(const struct fake_path *path, const json_t *before, json_t *after)
{
	static const char *const kept[] = {
		"name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "generation"};
	json_t *old = json_object_get(before, "metadata");
	json_t *metadata;

	ensure_metadata(after);
	if (str_eq(path->subresource, "status"))
		json_object_set(after, "metadata", old);
	metadata = json_copy(json_object_get(after, "metadata"));
	json_object_set_new(after, "metadata", metadata);
	for (size_t i = 0; i < array_size(kept); i++) {
		json_t *value = json_object_get(old, kept[i]);

		if (value)
			json_object_set(metadata, kept[i], value);
		else
			json_object_del(metadata, kept[i]);
	}
	if (!json_equal(json_object_get(before, "spec"), json_object_get(after, "spec")))
		json_object_set_new(metadata, "generation",
			json_integer(json_integer_value(json_object_get(old, "generation")) + 1));
}

/* The one half of the object that this path may change. */
static json_t *admitted(const struct fake_path *path, const json_t *before, json_t *wanted)
{
	json_t *after;

	if (str_eq(path->subresource, "status")) {
		after = json_copy((json_t *)before);
		if (json_object_get(wanted, "status"))
			json_object_set(after, "status", json_object_get(wanted, "status"));
		else
			json_object_del(after, "status");
	} else {
		after = json_copy(wanted);
		if (has_status_subresource(path)) {
			json_object_del(after, "status");
			if (json_object_get(before, "status"))
				json_object_set(after, "status", json_object_get(before, "status"));
		}
	}
	return after;
}

static bool breaks_immutability(
	const struct fake_path *path, const json_t *before, const json_t *after)
{
	return str_eq(path->plural, "configmaps") && doc_bool_or(before, "immutable", false) &&
	       (!json_equal(json_object_get(before, "data"), json_object_get(after, "data")) ||
		       !doc_bool_or(after, "immutable", false));
}

/* Stores `wanted` in place of `before`; steals wanted. */
static struct fake_result update(struct fake_store *store, const struct fake_path *path,
	json_t *before, json_t *wanted, bool trusted)
{
	json_t *after = trusted ? json_copy(wanted) : admitted(path, before, wanted);
	struct fake_result result;

	json_decref(wanted);
	keep_system_fields(path, before, after);
	if (breaks_immutability(path, before, after)) {
		json_decref(after);
		return fake_failure(422, NULL, "data: Forbidden: field is immutable");
	}
	if (same_but_version(before, after)) {
		json_decref(after);
		return ok(200, before);
	}
	if (doc_str(after, "metadata.deletionTimestamp") &&
		json_array_size(doc_get(after, "metadata.finalizers")) == 0) {
		drop(store, path, after);
		result = ok(200, after);
		json_decref(after);
		return result;
	}
	stamp(store, after);
	put(store, path, before, after);
	result = ok(200, after);
	json_decref(after);
	return result;
}

struct fake_result fake_store_replace(
	struct fake_store *store, const struct fake_path *path, const json_t *object, bool trusted)
{
	json_t *before = find(store, path);

	if (!before)
		return not_found(path);
	if (!trusted && !precondition_fits(before, doc_str(object, "metadata.uid"),
				doc_str(object, "metadata.resourceVersion")))
		return conflict(path);
	return update(store, path, before, json_deep_copy(object), trusted);
}

struct fake_result fake_store_merge_patch(
	struct fake_store *store, const struct fake_path *path, const json_t *patch)
{
	json_t *before = find(store, path);

	if (!before)
		return not_found(path);
	if (!json_is_object(patch))
		return fake_failure(400, NULL, "the patch is no object");
	if (!precondition_fits(before, doc_str(patch, "metadata.uid"),
		    doc_str(patch, "metadata.resourceVersion")))
		return conflict(path);
	return update(store, path, before, doc_merge_apply(before, patch), false);
}

struct fake_result fake_store_json_patch(
	struct fake_store *store, const struct fake_path *path, const json_t *patch)
{
	json_t *before = find(store, path);
	json_t *after;

	if (!before)
		return not_found(path);
	after = fake_json_patch(before, patch);
	if (!after)
		return fake_failure(
			422, NULL, "the server rejected our request: patch test failed");
	return update(store, path, before, after, false);
}

struct fake_result fake_store_delete(
	struct fake_store *store, const struct fake_path *path, const json_t *options)
{
	json_t *object = find(store, path);
	char now[TIME_RFC3339_SIZE];

	if (!object)
		return not_found(path);
	if (!precondition_fits(object, doc_str(options, "preconditions.uid"),
		    doc_str(options, "preconditions.resourceVersion")))
		return conflict(path);
	if (json_array_size(doc_get(object, "metadata.finalizers")) > 0) {
		json_t *after = json_deep_copy(object);
		struct fake_result result;

		if (!doc_str(object, "metadata.deletionTimestamp")) {
			doc_set_new(after, "metadata.deletionTimestamp",
				json_string(time_format_rfc3339(time_wall_ms() / 1000, now)));
			stamp(store, after);
			put(store, path, object, after);
		}
		result = ok(200, after);
		json_decref(after);
		return result;
	}
	drop(store, path, object);
	if (str_eq(doc_str(options, "propagationPolicy"), "Orphan"))
		json_array_remove(store->orphans, json_array_size(store->orphans) - 1);
	return (struct fake_result){.status = 200,
		.body = json_pack("{s:s, s:s, s:{}, s:s}", "kind", "Status", "apiVersion", "v1",
			"metadata", "status", "Success")};
}

/* --- garbage collection --- */

static bool owned_by(const json_t *object, const char *uid)
{
	size_t i;
	json_t *owner;

	json_array_foreach (doc_get(object, "metadata.ownerReferences"), i, owner) {
		if (str_eq(json_string_value(json_object_get(owner, "uid")), uid))
			return true;
	}
	return false;
}

bool fake_store_collect(struct fake_store *store)
{
	auto_strvec keys = STRVEC_INIT;
	json_t *uids = store->orphans;
	size_t pos = 0;
	const char *key;
	void *value;

	store->orphans = json_array();
	while (map_next(&store->objects, &pos, &key, &value)) {
		for (size_t i = 0; i < json_array_size(uids); i++) {
			if (owned_by(value, json_string_value(json_array_get(uids, i)))) {
				strvec_add(&keys, key);
				break;
			}
		}
	}
	json_decref(uids);
	strvec_for_each (&keys, k) {
		const json_t *object = map_get(&store->objects, keys.items[k]);
		const char *namespace_ = doc_str_or(object, "metadata.namespace", "");
		const char *name = doc_str_or(object, "metadata.name", "");
		/* COLLECTION/NAMESPACE/NAME, back into a path */
		size_t tail = strlen(namespace_) + strlen(name) + 2;
		auto_free char *collection = xstrndup(keys.items[k], strlen(keys.items[k]) - tail);
		char *slash = strrchr(collection, '/');
		struct fake_path path = {.base = collection,
			.namespace_ = xstrdup(namespace_),
			.plural = slash + 1,
			.name = xstrdup(name),
			.subresource = ""};
		struct fake_result result;

		*slash = '\0';
		result = fake_store_delete(store, &path, NULL);
		json_decref(result.body);
		free(path.namespace_);
		free(path.name);
	}
	return keys.len > 0;
}

/* --- JSON patch --- */

/* "~1" is a slash, "~0" a tilde. */
static char *pointer_token(const char *text, size_t len)
{
	char *out = xmalloc(len + 1);
	size_t o = 0;

	for (size_t i = 0; i < len; i++) {
		if (text[i] == '~' && i + 1 < len) {
			out[o++] = text[i + 1] == '1' ? '/' : '~';
			i++;
		} else {
			out[o++] = text[i];
		}
	}
	out[o] = '\0';
	return out;
}

static json_t *child(json_t *parent, const char *token)
{
	int64_t index;

	if (json_is_object(parent))
		return json_object_get(parent, token);
	if (json_is_array(parent) && str_to_int64(token, &index) && index >= 0)
		return json_array_get(parent, (size_t)index);
	return NULL;
}

static bool patch_array(json_t *array, const char *token, const char *op, json_t *value)
{
	int64_t index = (int64_t)json_array_size(array);

	if (!str_eq(token, "-") && (!str_to_int64(token, &index) || index < 0))
		return false;
	if (str_eq(op, "add"))
		return json_array_insert(array, (size_t)index, value) == 0;
	if (str_eq(op, "replace"))
		return json_array_set(array, (size_t)index, value) == 0;
	return json_array_remove(array, (size_t)index) == 0;
}

static bool patch_one(json_t *root, const char *op, const char *pointer, json_t *value)
{
	json_t *parent = root;
	auto_free char *token = NULL;

	if (pointer[0] != '/')
		return false;
	for (;;) {
		size_t len = strcspn(++pointer, "/");

		free(token);
		token = pointer_token(pointer, len);
		pointer += len;
		if (!*pointer)
			break;
		parent = child(parent, token);
		if (!parent)
			return false;
	}
	if (str_eq(op, "test"))
		return value && json_equal(child(parent, token), value);
	if (!str_eq(op, "add") && !child(parent, token))
		return false;
	if (!str_eq(op, "remove") && !value)
		return false;
	if (json_is_array(parent))
		return patch_array(parent, token, op, value);
	if (str_eq(op, "remove"))
		return json_object_del(parent, token) == 0;
	return (str_eq(op, "add") || str_eq(op, "replace")) &&
	       json_object_set(parent, token, value) == 0;
}

json_t *fake_json_patch(const json_t *target, const json_t *patch)
{
	json_t *copy = json_deep_copy(target), *step;
	size_t i;

	json_array_foreach (patch, i, step) {
		const char *op = json_string_value(json_object_get(step, "op"));
		const char *pointer = json_string_value(json_object_get(step, "path"));

		if (!op || !pointer ||
			!patch_one(copy, op, pointer, json_object_get(step, "value"))) {
			json_decref(copy);
			return NULL;
		}
	}
	return copy;
}

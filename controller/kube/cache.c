/*
 * What is believed about an object comes from three sides: lists, the stream and our own
 * writes. The rules, all by resourceVersion:
 * - stream: nothing at or below the version that the watch has passed counts any more, and
 *   for a held object of the same uid nothing at or below its own version;
 * - list: wins over what is held unless that is newer (absorbed since the list was made);
 *   at the end, held objects that were not listed go if their version is at or below the list's;
 * - absorb: counts when newer than what is held and than what the watch has passed.
 */
#include "kube/cache.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "doc/json.h"
#include "doc/path.h"

#define LAST_APPLIED "kubectl.kubernetes.io/last-applied-configuration"
#define MAX_ABSORBED 4096
#define MANY 1000

enum origin { FROM_LIST, FROM_STREAM, FROM_OURSELVES };

struct index_list {
	struct list objects;
	size_t len;
};

struct kube_cache {
	struct kube_cache_options options;
	struct kube_watch *watch;
	struct map objects;     /* "namespace/name" -> struct kube_object * */
	struct map index;       /* index key -> struct index_list * */
	char *rv;               /* the watch has passed this */
	struct strvec absorbed; /* versions of our writes beyond rv */
	bool synced, listing, rewound;
};

static char *object_key(const char *namespace_, const char *name)
{
	return xasprintf("%s/%s", namespace_ ? namespace_ : "", name);
}

/* --- the index --- */

static void index_remove(struct kube_cache *cache, struct kube_object *object)
{
	struct index_list *list;

	if (!object->index)
		return;
	list = map_get(&cache->index, object->index);
	list_del(&object->link);
	if (--list->len == 0)
		map_del(&cache->index, object->index);
	free(object->index);
	object->index = NULL;
}

static void index_add(struct kube_cache *cache, struct kube_object *object, char *key)
{
	struct index_list *list;

	if (!key)
		return;
	list = map_get(&cache->index, key);
	if (!list) {
		list = xnew(struct index_list);
		list_init(&list->objects);
		map_set(&cache->index, key, list);
	}
	list_add_tail(&list->objects, &object->link);
	list->len++;
	object->index = key;
}

/* --- objects --- */

static void object_free(struct kube_cache *cache, struct kube_object *object)
{
	index_remove(cache, object);
	if (object->user && cache->options.free_user)
		cache->options.free_user(object->user);
	free(object->namespace_);
	free(object->name);
	free(object->uid);
	free(object->rv);
	free(object->text);
	free(object);
}

static void tell(struct kube_cache *cache, const struct kube_object *object, bool removed)
{
	if (cache->options.changed)
		cache->options.changed(cache->options.owner, object, removed, !cache->synced);
}

static void object_drop(struct kube_cache *cache, struct kube_object *object)
{
	auto_free char *key = object_key(object->namespace_, object->name);

	map_steal(&cache->objects, key);
	tell(cache, object, true);
	object_free(cache, object);
}

static json_t *without_noise(const json_t *object)
{
	json_t *copy = json_copy((json_t *)object);
	json_t *metadata = json_copy(json_object_get(object, "metadata"));
	json_t *annotations = json_object_get(metadata, "annotations");

	json_object_del(metadata, "managedFields");
	if (json_object_get(annotations, LAST_APPLIED)) {
		annotations = json_copy(annotations);
		json_object_del(annotations, LAST_APPLIED);
		json_object_set_new(metadata, "annotations", annotations);
	}
	json_object_set_new(copy, "metadata", metadata);
	return copy;
}

static json_t *project(const struct kube_cache *cache, const json_t *object)
{
	return cache->options.project ? cache->options.project(object) : without_noise(object);
}

static void set_str(char **to, const char *from)
{
	if (!str_eq(*to, from)) {
		free(*to);
		*to = xstrdup(from);
	}
}

/* Fills a new or held object; true when something that owners see has changed. */
static bool object_fill(struct kube_cache *cache, struct kube_object *object, const json_t *json,
	const json_t *projection)
{
	int64_t generation = doc_int_or(json, "metadata.generation", 0);
	bool deleting = doc_str(json, "metadata.deletionTimestamp") != NULL;
	char *text = doc_json_dump(projection);
	char *index =
		cache->options.index ? cache->options.index(projection, object->namespace_) : NULL;
	bool changed = !str_eq(text, object->text) || !str_eq(index, object->index) ||
		       generation != object->generation || deleting != object->deleting;

	set_str(&object->rv, doc_str(json, "metadata.resourceVersion"));
	object->generation = generation;
	object->deleting = deleting;
	free(object->text);
	object->text = text;
	if (str_eq(index, object->index)) {
		free(index);
	} else {
		index_remove(cache, object);
		index_add(cache, object, index);
	}
	return changed;
}

/* --- taking one in --- */

struct identity {
	const char *namespace_, *name, *uid, *rv;
};

/* An object that lacks any of these cannot be kept; that is told, and nothing else happens. */
static bool identify(struct kube_cache *cache, const json_t *object, struct identity *ret)
{
	auto_err err = ERR_INIT;

	ret->namespace_ = doc_str_or(object, "metadata.namespace", "");
	ret->name = doc_str(object, "metadata.name");
	ret->uid = doc_str(object, "metadata.uid");
	ret->rv = doc_str(object, "metadata.resourceVersion");
	if (ret->name && ret->uid && ret->rv)
		return true;
	err_set(&err, ERR_TRANSIENT, "OddObject",
		"an object of %s came without name, uid or resourceVersion and was skipped",
		cache->options.watch.resource->plural);
	if (cache->options.trouble)
		cache->options.trouble(cache->options.owner, &err);
	return false;
}

static bool passed(const struct kube_cache *cache, const char *rv)
{
	return kube_rv_compare(rv, cache->rv) <= 0;
}

/* Does this state of an object that is not held, or is held under another uid, count? */
static bool counts_anew(const struct kube_cache *cache, const struct identity *id,
	const struct kube_object *held, enum origin origin)
{
	if (origin == FROM_LIST)
		return !held || cache->rewound || kube_rv_compare(id->rv, held->rv) > 0;
	return !passed(cache, id->rv) && (!held || kube_rv_compare(id->rv, held->rv) > 0);
}

static void insert(struct kube_cache *cache, const struct identity *id, const char *key,
	const json_t *json, const json_t *projection, enum origin origin)
{
	struct kube_object *object = xnew(struct kube_object);

	object->namespace_ = xstrdup(id->namespace_);
	object->name = xstrdup(id->name);
	object->uid = xstrdup(id->uid);
	list_init(&object->link);
	object_fill(cache, object, json, projection);
	object->seen = origin == FROM_LIST;
	map_set(&cache->objects, key, object);
	tell(cache, object, false);
}

/* True when the state was taken (or was known already, in a list). */
static bool take(struct kube_cache *cache, const json_t *json, enum origin origin)
{
	struct identity id;
	struct kube_object *held;
	auto_free char *key = NULL;
	auto_json *projection = NULL;

	if (!identify(cache, json, &id))
		return false;
	key = object_key(id.namespace_, id.name);
	held = map_get(&cache->objects, key);
	if (held && origin == FROM_LIST)
		held->seen = true;
	if (held && str_eq(held->uid, id.uid)) {
		if (kube_rv_compare(id.rv, held->rv) <= 0 &&
			!(cache->rewound && origin == FROM_LIST))
			return false;
	} else if (!counts_anew(cache, &id, held, origin)) {
		return false;
	}
	projection = project(cache, json);
	if (held && (!projection || !str_eq(held->uid, id.uid))) {
		object_drop(cache, held);
		held = NULL;
	}
	if (!projection)
		return true;
	if (!held)
		insert(cache, &id, key, json, projection, origin);
	else if (object_fill(cache, held, json, projection))
		tell(cache, held, false);
	return true;
}

/* --- what the watch tells --- */

static void on_rewound(void *owner)
{
	struct kube_cache *cache = owner;

	cache->rewound = true;
	free(cache->rv);
	cache->rv = xstrdup("");
	strvec_clear(&cache->absorbed);
}

static void on_list_begin(void *owner)
{
	struct kube_cache *cache = owner;
	size_t pos = 0;
	void *value;

	cache->listing = true;
	while (map_next(&cache->objects, &pos, NULL, &value))
		((struct kube_object *)value)->seen = false;
}

static void on_upsert(void *owner, const json_t *object)
{
	struct kube_cache *cache = owner;

	take(cache, object, cache->listing ? FROM_LIST : FROM_STREAM);
}

/* DELETED carries the deletion's own version. */
static void on_remove(void *owner, const json_t *json)
{
	struct kube_cache *cache = owner;
	struct identity id;
	struct kube_object *held;
	auto_free char *key = NULL;

	if (!identify(cache, json, &id))
		return;
	key = object_key(id.namespace_, id.name);
	held = map_get(&cache->objects, key);
	if (!held || !str_eq(held->uid, id.uid) || kube_rv_compare(id.rv, held->rv) < 0 ||
		passed(cache, id.rv))
		return;
	object_drop(cache, held);
}

static void set_rv(struct kube_cache *cache, const char *rv)
{
	struct strvec left = STRVEC_INIT;

	if (str_eq(cache->rv, rv))
		return;
	free(cache->rv);
	cache->rv = xstrdup(rv);
	strvec_for_each (&cache->absorbed, i) {
		if (!passed(cache, cache->absorbed.items[i]))
			strvec_add(&left, cache->absorbed.items[i]);
	}
	strvec_clear(&cache->absorbed);
	cache->absorbed = left;
	if (cache->options.progress)
		cache->options.progress(cache->options.owner);
}

static void on_list_end(void *owner, const char *rv)
{
	struct kube_cache *cache = owner;
	bool first = !cache->synced;
	size_t pos = 0;
	void *value;

	while (map_next(&cache->objects, &pos, NULL, &value)) {
		struct kube_object *object = value;

		/* Unlisted and newer than the list: we wrote it since. */
		if (!object->seen && (cache->rewound || kube_rv_compare(object->rv, rv) <= 0))
			object_drop(cache, object);
	}
	cache->listing = false;
	cache->rewound = false;
	cache->synced = true;
	set_rv(cache, rv);
	if (cache->objects.len >= MANY)
		malloc_trim(0); /* the pages of a list are many times what is kept of them */
	if (first && cache->options.synced)
		cache->options.synced(cache->options.owner);
}

static void on_progress(void *owner, const char *rv)
{
	set_rv(owner, rv);
}

static void on_trouble(void *owner, const struct err *err)
{
	struct kube_cache *cache = owner;

	if (cache->options.trouble)
		cache->options.trouble(cache->options.owner, err);
}

static const struct kube_watch_ops watch_ops = {
	.rewound = on_rewound,
	.list_begin = on_list_begin,
	.upsert = on_upsert,
	.remove = on_remove,
	.list_end = on_list_end,
	.progress = on_progress,
	.trouble = on_trouble,
};

/* --- for owners --- */

struct kube_cache *kube_cache_new(
	struct kube_client *client, const struct kube_cache_options *options)
{
	struct kube_cache *cache = xnew(struct kube_cache);

	cache->options = *options;
	cache->rv = xstrdup("");
	cache->index.free_value = free;
	cache->watch = kube_watch_new(client, &options->watch, &watch_ops, cache);
	return cache;
}

void kube_cache_free(struct kube_cache *cache)
{
	size_t pos = 0;
	void *value;

	if (!cache)
		return;
	kube_watch_free(cache->watch);
	while (map_next(&cache->objects, &pos, NULL, &value))
		object_free(cache, value);
	map_clear(&cache->objects);
	map_clear(&cache->index);
	strvec_clear(&cache->absorbed);
	free(cache->rv);
	free(cache);
}

bool kube_cache_synced(const struct kube_cache *cache)
{
	return cache->synced;
}

size_t kube_cache_len(const struct kube_cache *cache)
{
	return cache->objects.len;
}

struct kube_object *kube_cache_get(
	const struct kube_cache *cache, const char *namespace_, const char *name)
{
	auto_free char *key = object_key(namespace_, name);

	return map_get(&cache->objects, key);
}

json_t *kube_object_json(const struct kube_object *object)
{
	json_t *json = NULL;

	if (doc_json_parse_lenient(object->text, strlen(object->text), &json, NULL) < 0)
		return json_object(); /* we wrote the text ourselves */
	return json;
}

void kube_cache_each_indexed(const struct kube_cache *cache, const char *index_key,
	void (*each)(void *arg, struct kube_object *object), void *arg)
{
	struct index_list *list = map_get(&cache->index, index_key);

	if (!list)
		return;
	list_for_each (node, &list->objects)
		each(arg, container_of(node, struct kube_object, link));
}

void kube_cache_each(const struct kube_cache *cache,
	void (*each)(void *arg, struct kube_object *object), void *arg)
{
	size_t pos = 0;
	void *value;

	while (map_next(&cache->objects, &pos, NULL, &value))
		each(arg, value);
}

const char *kube_cache_rv(const struct kube_cache *cache)
{
	return cache->rv;
}

bool kube_cache_has_seen(const struct kube_cache *cache, const char *rv)
{
	return passed(cache, rv) || strvec_has(&cache->absorbed, rv);
}

void kube_cache_absorb(struct kube_cache *cache, const json_t *object)
{
	const char *rv = doc_str(object, "metadata.resourceVersion");

	if (!take(cache, object, FROM_OURSELVES) || !rv || passed(cache, rv))
		return;
	if (cache->absorbed.len < MAX_ABSORBED)
		strvec_add(&cache->absorbed, rv);
}

const struct kube_watch_stats *kube_cache_stats(const struct kube_cache *cache)
{
	return kube_watch_stats(cache->watch);
}

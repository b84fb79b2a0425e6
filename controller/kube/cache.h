/*
 * A cache of one collection, fed by a watch. It keeps a compact projection of
 * each object as text (a 5.6 KB Pod is 60 KB as a jansson tree), parsed on demand.
 * managedFields and the last-applied annotation never stay.
 *
 * Objects are found by namespace/name, and by one index (for example the run a Job belongs to).
 */
#ifndef KUBE_CACHE_H
#define KUBE_CACHE_H

#include "base/map.h"
#include "base/list.h"
#include "kube/watch.h"

struct kube_object {
	char *namespace_, *name, *uid, *rv;
	int64_t generation;
	bool deleting;    /* has a deletionTimestamp */
	char *text;       /* compact JSON of the projection */
	char *index;      /* key in the index, NULL when none */
	struct list link; /* on its index list */
	bool seen;        /* during a relist */
	void *user;       /* owner's per-object state; freed by options.free_user */
};

struct kube_cache_options {
	struct kube_watch_options watch;
	/* New reference: what of the object is kept; NULL from it: the object is not kept at all.
	 * Without project: all but managedFields and the last-applied annotation. */
	json_t *(*project)(const json_t *object);
	/* Owned string or NULL: index key of a projected object. namespace_ is "" when
	 * cluster-scoped. */
	char *(*index)(const json_t *projection, const char *namespace_);
	/* After every change, absorbed objects included; not when the projection is as before.
	 * removed: the object's last state. initial: before the first list is complete. It may be
	 * called from inside kube_cache_absorb, so it must only queue keys: no call into the cache
	 * that changes or frees it. */
	void (*changed)(void *owner, const struct kube_object *object, bool removed, bool initial);
	void (*synced)(void *owner);   /* first list complete; may be NULL */
	void (*progress)(void *owner); /* kube_cache_rv has grown; may be NULL */
	void (*trouble)(void *owner, const struct err *err);
	void (*free_user)(void *user);
	void *owner;
};

struct kube_cache;

struct kube_cache *kube_cache_new(
	struct kube_client *client, const struct kube_cache_options *options);
void kube_cache_free(struct kube_cache *cache);

bool kube_cache_synced(const struct kube_cache *cache);
size_t kube_cache_len(const struct kube_cache *cache);
/* Borrowed until the next turn; NULL when absent. */
struct kube_object *kube_cache_get(
	const struct kube_cache *cache, const char *namespace_, const char *name);
/* New reference to the parsed projection. */
json_t *kube_object_json(const struct kube_object *object);
/* The objects under an index key: calls each(); the cache must not change meanwhile. */
void kube_cache_each_indexed(const struct kube_cache *cache, const char *index_key,
	void (*each)(void *arg, struct kube_object *object), void *arg);
void kube_cache_each(const struct kube_cache *cache,
	void (*each)(void *arg, struct kube_object *object), void *arg);
/* Highest version the cache has seen, events and bookmarks; "" before the first list. */
const char *kube_cache_rv(const struct kube_cache *cache);
/* Read-your-writes: true when the watch has passed rv, or when an object was absorbed at just rv.
 */
bool kube_cache_has_seen(const struct kube_cache *cache, const char *rv);
/* Takes an object we just wrote (the answer of a create or patch) into the cache at once when it
 * is newer than what is there, so that the owner reads its own write without waiting. It is ignored
 * when the watch has already passed it: then it was changed or deleted since. Only for objects
 * that the watch's namespace and selector would bring. */
void kube_cache_absorb(struct kube_cache *cache, const json_t *object);
/* Of the watch below. */
const struct kube_watch_stats *kube_cache_stats(const struct kube_cache *cache);

#endif

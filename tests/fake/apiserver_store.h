/*
 * The objects behind the fake API server: every write makes a new tree under the next
 * resourceVersion and an event. Trees are never changed once stored, so lists and events share
 * them. Rules as the real server's: generation counts spec changes, status only changes through
 * its subresource, a write that changes nothing makes no version.
 */
#ifndef TESTS_FAKE_APISERVER_STORE_H
#define TESTS_FAKE_APISERVER_STORE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/map.h"

/* One parsed resource path; parts are owned, "" when absent. */
struct fake_path {
	char *base; /* "api/v1" or "apis/GROUP/VERSION" */
	char *namespace_, *plural, *name, *subresource;
};

bool fake_path_parse(const char *path, struct fake_path *ret);
void fake_path_clear(struct fake_path *path);

struct fake_event {
	uint64_t rv;
	char *collection; /* "api/v1/pods" */
	char *namespace_;
	json_t *before,
		*after; /* NULL: created, deleted; a deletion's before carries its version */
};

struct fake_store {
	uint64_t rv, compacted, next_uid;
	struct map objects; /* "COLLECTION/NAMESPACE/NAME" -> json_t * */
	struct fake_event *events;
	size_t events_len, events_cap;
	json_t *orphans; /* uids of owners that went away, for fake_store_collect */
	void (*committed)(void *user, const struct fake_event *event);
	void *user;
};

struct fake_result {
	int status;
	json_t *body; /* owned by the caller */
};

void fake_store_init(struct fake_store *store);
void fake_store_release(struct fake_store *store);

struct fake_result fake_store_get(const struct fake_store *store, const struct fake_path *path);
/* trusted: status, uid and the like are taken as given (tests that act as a controller). */
struct fake_result fake_store_create(
	struct fake_store *store, const struct fake_path *path, const json_t *object, bool trusted);
struct fake_result fake_store_replace(
	struct fake_store *store, const struct fake_path *path, const json_t *object, bool trusted);
struct fake_result fake_store_merge_patch(
	struct fake_store *store, const struct fake_path *path, const json_t *patch);
struct fake_result fake_store_json_patch(
	struct fake_store *store, const struct fake_path *path, const json_t *patch);
struct fake_result fake_store_delete(
	struct fake_store *store, const struct fake_path *path, const json_t *options);
/* New array of the objects of a collection that match, in key order. */
json_t *fake_store_list(const struct fake_store *store, const struct fake_path *path,
	const char *label_selector, const char *field_selector);
/* What a garbage collector does next; true when it deleted something. */
bool fake_store_collect(struct fake_store *store);
/* Forgets the history up to now: older watches and continue tokens are Expired. */
void fake_store_compact(struct fake_store *store);

bool fake_selector_matches(
	const json_t *object, const char *label_selector, const char *field_selector);
/* RFC 6902 test, add, replace and remove; NULL when it does not apply. */
json_t *fake_json_patch(const json_t *target, const json_t *patch);
/* A metav1.Status of class Failure; reason NULL: the usual one. */
struct fake_result fake_failure(int status, const char *reason, const char *message);
/* Kind of a plural. */
const char *fake_kind(const char *plural);

#endif

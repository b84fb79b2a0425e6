/*
 * List and watch of one collection as an explicit state machine:
 * LISTING -> WATCHING -> (re-watch at N | relist). First list of a process is consistent
 * (resourceVersion unset); relists never go below the last version seen. 410 as a status and as
 * an ERROR event relist; connection refused and 429 re-watch the same N; 70 s without a byte means
 * a dead stream (bookmarks come every 60 s). Back-off 0.8 s x 2 up to 30 s, full jitter, reset
 * after 2 min of peace. Source: operator-machinery.md A2-A6.
 *
 * Tells one owner, in order: for each list `begin`, `upsert`..., `end` (whoever was not
 * upserted between is gone); then single `upsert`, `remove`. Lines are handed over whole.
 */
#ifndef KUBE_WATCH_H
#define KUBE_WATCH_H

#include "kube/client.h"

struct kube_watch_ops {
	/* The server's history went backwards (a restore of etcd): versions remembered so far mean
	 * nothing; a list follows. May be NULL. */
	void (*rewound)(void *owner);
	/* May come again without list_end: the list began anew. */
	void (*list_begin)(void *owner);
	/* borrowed object; its kind may be missing in lists */
	void (*upsert)(void *owner, const json_t *object);
	void (*remove)(void *owner, const json_t *object);
	void (*list_end)(void *owner, const char *resource_version);
	/* the collection has been seen up to this version (events and bookmarks) */
	void (*progress)(void *owner, const char *resource_version);
	/* for logs and readiness: why it is not watching right now */
	void (*trouble)(void *owner, const struct err *err);
};

struct kube_watch_options {
	const struct kube_resource *resource;
	const char *namespace_;     /* NULL: all */
	const char *label_selector; /* NULL: all */
	bool metadata_only;
	int page_size; /* 0: 500 */
	/* tests shorten these; 0 takes the defaults */
	int64_t silence_ms, backoff_min_ms, backoff_max_ms;
};

struct kube_watch;

/* Starts at once; the first callback comes from the loop. options' strings are copied, ops and
 * the resource must outlive the watch. Every callback may call kube_watch_free. */
struct kube_watch *kube_watch_new(struct kube_client *client,
	const struct kube_watch_options *options, const struct kube_watch_ops *ops, void *owner);
/* Stops; no callback afterwards. NULL is fine. */
void kube_watch_free(struct kube_watch *watch);

/* Counters for metrics and tests. */
struct kube_watch_stats {
	unsigned lists, opened, silences, gone, dropped_lines;
};
const struct kube_watch_stats *kube_watch_stats(const struct kube_watch *watch);

/* The watch line splitter, alone for tests and fuzzing: feeds bytes, calls line() for every full
 * line; a line over max bytes is skipped and counted. */
struct line_splitter {
	struct buf pending;
	size_t max; /* bytes of one line; 0: 8 MiB */
	bool skipping;
	unsigned skipped;
};
void line_splitter_feed(struct line_splitter *splitter, const char *data, size_t len,
	void (*line)(void *owner, const char *text, size_t len), void *owner);
void line_splitter_free(struct line_splitter *splitter);

#endif

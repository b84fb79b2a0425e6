/*
 * Work queue of keys, as client-go's: a key is at most once in the queue and never processed twice
 * at a time; what is added while it is processed comes again afterwards. Two priorities: keys from
 * the first lists go behind fresh changes. Failures back off per key (100 ms x 2 up to 60 s, half
 * of it jitter). Source: operator-machinery.md B1.
 */
#ifndef RECONCILE_QUEUE_H
#define RECONCILE_QUEUE_H

#include <stdbool.h>
#include "base/list.h"
#include "base/map.h"
#include "loop/loop.h"

struct queue {
	struct loop *loop;
	struct map items;
	struct list ready[2]; /* high, low */
	void (*wake)(struct queue *queue);
	size_t len; /* keys ready */
};

enum queue_priority { QUEUE_HIGH, QUEUE_LOW };

/* wake is called whenever a key becomes ready; it must only schedule. */
void queue_init(struct queue *queue, struct loop *loop, void (*wake)(struct queue *));
void queue_free(struct queue *queue);

void queue_add(struct queue *queue, const char *key, enum queue_priority priority);
/* The earlier time wins. */
void queue_add_after(struct queue *queue, const char *key, int64_t delay_ms);
/* The next key (owned by the caller), now in processing; NULL when none is ready. */
char *queue_pop(struct queue *queue);
/* Ends processing; failed: comes again after its back-off, or min_delay_ms if that is longer. */
void queue_done(struct queue *queue, const char *key, bool failed, int64_t min_delay_ms);

#endif

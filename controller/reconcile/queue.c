#include "reconcile/queue.h"

#include <stdlib.h>
#include "base/mem.h"
#include "base/rand.h"

#define BACKOFF_MIN_MS 100
#define BACKOFF_MAX_MS 60000

struct queue_item {
	struct queue *queue;
	char *key;
	struct list link; /* on ready[] */
	struct loop_timer timer;
	enum queue_priority priority;
	bool processing;
	bool dirty; /* added while in processing */
	unsigned failures;
};

static void item_free(void *value)
{
	struct queue_item *item = value;

	if (!item)
		return;
	list_del(&item->link);
	loop_timer_del(&item->timer);
	free(item->key);
	free(item);
}

void queue_init(struct queue *queue, struct loop *loop, void (*wake)(struct queue *))
{
	*queue = (struct queue){.loop = loop, .wake = wake, .items = {.free_value = item_free}};
	list_init(&queue->ready[QUEUE_HIGH]);
	list_init(&queue->ready[QUEUE_LOW]);
}

void queue_free(struct queue *queue)
{
	map_clear(&queue->items);
	queue->len = 0;
}

static struct queue_item *item_of(struct queue *queue, const char *key)
{
	struct queue_item *item = map_get(&queue->items, key);

	if (item)
		return item;
	item = xnew(struct queue_item);
	item->queue = queue;
	item->key = xstrdup(key);
	item->priority = QUEUE_LOW;
	list_init(&item->link);
	map_set(&queue->items, key, item);
	return item;
}

static void make_ready(struct queue_item *item, enum queue_priority priority)
{
	struct queue *queue = item->queue;

	loop_timer_del(&item->timer);
	if (item->processing) {
		item->dirty = true;
		if (priority < item->priority)
			item->priority = priority;
		return;
	}
	if (list_linked(&item->link)) {
		if (priority >= item->priority)
			return;
		list_del(&item->link);
		queue->len--;
	}
	item->priority = priority;
	list_add_tail(&queue->ready[priority], &item->link);
	queue->len++;
	queue->wake(queue);
}

static void timer_fired(struct loop_timer *timer)
{
	make_ready(container_of(timer, struct queue_item, timer), QUEUE_HIGH);
}

void queue_add(struct queue *queue, const char *key, enum queue_priority priority)
{
	make_ready(item_of(queue, key), priority);
}

void queue_add_after(struct queue *queue, const char *key, int64_t delay_ms)
{
	struct queue_item *item = item_of(queue, key);

	if (list_linked(&item->link) || item->dirty)
		return;
	if (loop_timer_armed(&item->timer) &&
		item->timer.due_ms <= loop_now_ms(queue->loop) + delay_ms)
		return;
	loop_timer_set(queue->loop, &item->timer, delay_ms, timer_fired);
}

char *queue_pop(struct queue *queue)
{
	struct list *head = &queue->ready[QUEUE_HIGH];
	struct queue_item *item;

	if (list_empty(head))
		head = &queue->ready[QUEUE_LOW];
	if (list_empty(head))
		return NULL;
	item = container_of(head->next, struct queue_item, link);
	list_del(&item->link);
	queue->len--;
	item->processing = true;
	item->dirty = false;
	item->priority = QUEUE_LOW;
	return xstrdup(item->key);
}

static int64_t backoff_ms(unsigned failures)
{
	int64_t delay = BACKOFF_MIN_MS;

	for (unsigned i = 1; i < failures && delay < BACKOFF_MAX_MS; i++)
		delay *= 2;
	if (delay > BACKOFF_MAX_MS)
		delay = BACKOFF_MAX_MS;
	return delay / 2 + (int64_t)rand_below((uint64_t)delay / 2 + 1);
}

void queue_done(struct queue *queue, const char *key, bool failed, int64_t min_delay_ms)
{
	struct queue_item *item = map_get(&queue->items, key);
	int64_t delay;

	if (!item)
		return;
	item->processing = false;
	if (failed) {
		item->failures++;
		delay = backoff_ms(item->failures);
		if (delay < min_delay_ms)
			delay = min_delay_ms;
		item->dirty = false;
		queue_add_after(queue, key, delay);
		return;
	}
	item->failures = 0;
	if (item->dirty) {
		item->dirty = false;
		make_ready(item, item->priority);
	} else if (!loop_timer_armed(&item->timer)) {
		map_del(&queue->items, key);
	}
}

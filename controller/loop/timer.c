/* Timers: a binary heap and the timerfd that stands for its top. */
#include <assert.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include "base/time.h"
#include "loop/private.h"

enum { TIMER_OFF = 0, TIMER_NOW = -1 };

static bool timer_before(const struct loop_timer *a, const struct loop_timer *b)
{
	return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->order < b->order;
}

static void heap_put(struct loop *loop, size_t index, struct loop_timer *timer)
{
	loop->heap[index] = timer;
	timer->heap_index = index;
}

static void heap_up(struct loop *loop, size_t index)
{
	struct loop_timer *timer = loop->heap[index];

	while (index > 0) {
		size_t parent = (index - 1) / 2;

		if (!timer_before(timer, loop->heap[parent]))
			break;
		heap_put(loop, index, loop->heap[parent]);
		index = parent;
	}
	heap_put(loop, index, timer);
}

static void heap_down(struct loop *loop, size_t index)
{
	struct loop_timer *timer = loop->heap[index];

	for (;;) {
		size_t child = 2 * index + 1;

		if (child >= loop->heap_len)
			break;
		if (child + 1 < loop->heap_len &&
			timer_before(loop->heap[child + 1], loop->heap[child]))
			child++;
		if (!timer_before(loop->heap[child], timer))
			break;
		heap_put(loop, index, loop->heap[child]);
		index = child;
	}
	heap_put(loop, index, timer);
}

static void heap_add(struct loop *loop, struct loop_timer *timer)
{
	if (loop->heap_len == loop->heap_cap) {
		loop->heap_cap = loop->heap_cap ? 2 * loop->heap_cap : 16;
		loop->heap = xreallocarray(loop->heap, loop->heap_cap, sizeof(struct loop_timer *));
	}
	heap_put(loop, loop->heap_len++, timer);
	heap_up(loop, timer->heap_index);
}

static void heap_remove(struct loop *loop, struct loop_timer *timer)
{
	size_t index = timer->heap_index;
	struct loop_timer *last = loop->heap[--loop->heap_len];

	if (last == timer)
		return;
	heap_put(loop, index, last);
	heap_down(loop, index);
	heap_up(loop, last->heap_index);
}

void loop_rearm(struct loop *loop)
{
	struct itimerspec spec = {0};
	int64_t want = TIMER_OFF;

	if (loop->in_turn)
		return;
	if (!list_empty(&loop->deferred))
		want = TIMER_NOW;
	else if (loop->heap_len > 0)
		want = loop->heap[0]->due_ms;
	/* An expiry that is in the past stays set: the turn's read has cleared the descriptor. */
	if (want == loop->armed_ms && (want == TIMER_OFF || want > loop->now_ms))
		return;
	if (want > 0) {
		spec.it_value.tv_sec = want / 1000;
		spec.it_value.tv_nsec = want % 1000 * 1000000;
	} else if (want == TIMER_NOW) {
		spec.it_value.tv_nsec = 1;
	}
	if (timerfd_settime(loop->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL) < 0)
		abort(); /* only wrong arguments can fail */
	loop->armed_ms = want;
}

void loop_timer_set(struct loop *loop, struct loop_timer *timer, int64_t delay_ms,
	void (*fire)(struct loop_timer *))
{
	int64_t now = time_mono_ms();

	assert(!timer->loop || timer->loop == loop);
	if (timer->loop)
		heap_remove(loop, timer);
	if (delay_ms < 0)
		delay_ms = 0;
	if (delay_ms > INT64_MAX / 2)
		delay_ms = INT64_MAX / 2;
	/* The clock is cut to whole milliseconds: one more, so that it is never early. */
	timer->due_ms = now + delay_ms + (delay_ms > 0);
	timer->order = loop->next_order++;
	timer->fire = fire;
	timer->loop = loop;
	heap_add(loop, timer);
	loop_rearm(loop);
}

void loop_timer_del(struct loop_timer *timer)
{
	struct loop *loop = timer->loop;

	if (!loop)
		return;
	heap_remove(loop, timer);
	timer->loop = NULL;
	loop_rearm(loop);
}

bool loop_timer_armed(const struct loop_timer *timer)
{
	return timer->loop != NULL;
}

/* What a callback arms now is due no earlier than all that is due already, so it sorts behind. */
void loop_fire_timers(struct loop *loop)
{
	uint64_t end = loop->next_order;

	while (loop->heap_len > 0) {
		struct loop_timer *timer = loop->heap[0];

		if (timer->due_ms > loop->now_ms || timer->order >= end)
			break;
		heap_remove(loop, timer);
		timer->loop = NULL;
		timer->fire(timer);
	}
}

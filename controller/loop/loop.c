/*
 * The event loop: file descriptors, deferred calls, hooks and the turn.
 *
 * Removal inside callbacks: a removed watch is wiped from this turn's ready
 * list, a removed timer from the heap, a removed deferred call or hook from its
 * list; so nothing fires after its removal and the owner may free it at once.
 *
 * Everything that is due without an fd (timers, deferred calls) is expressed by
 * the one timerfd inside the epoll set. That makes loop_fd() readable exactly
 * when a turn would do something, so that a foreign loop can own the wait.
 */
#include "loop/private.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include "base/time.h"

/* --- life --- */

static int loop_open_fds(struct loop *loop, struct err *err)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};

	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0)
		return err_set(
			err, ERR_TRANSIENT, "LoopFailed", "epoll_create1: %s", strerror(errno));
	loop->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (loop->timer_fd < 0)
		return err_set(
			err, ERR_TRANSIENT, "LoopFailed", "timerfd_create: %s", strerror(errno));
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->timer_fd, &event) < 0)
		return err_set(err, ERR_TRANSIENT, "LoopFailed", "epoll_ctl: %s", strerror(errno));
	return 0;
}

int loop_new(struct loop **ret_loop, struct err *err)
{
	struct loop *loop = xnew(struct loop);

	loop->epoll_fd = -1;
	loop->timer_fd = -1;
	list_init(&loop->watches);
	list_init(&loop->deferred);
	list_init(&loop->hooks);
	loop->now_ms = time_mono_ms();
	if (loop_open_fds(loop, err) < 0) {
		loop_free(loop);
		return -1;
	}
	*ret_loop = loop;
	return 0;
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	assert(!loop->in_turn);
	assert(list_empty(&loop->watches));
	assert(list_empty(&loop->deferred));
	assert(list_empty(&loop->hooks));
	assert(loop->heap_len == 0);
	if (loop->timer_fd >= 0)
		close(loop->timer_fd);
	if (loop->epoll_fd >= 0)
		close(loop->epoll_fd);
	free(loop->heap);
	free(loop);
}

/* --- file descriptors --- */

static int loop_watch_ctl(
	struct loop *loop, int op, struct loop_watch *watch, int fd, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = watch};

	return epoll_ctl(loop->epoll_fd, op, fd, &event);
}

int loop_watch_add(struct loop *loop, struct loop_watch *watch, int fd, uint32_t events,
	void (*ready)(struct loop_watch *, uint32_t), struct err *err)
{
	assert(!watch->loop);
	if (loop_watch_ctl(loop, EPOLL_CTL_ADD, watch, fd, events) < 0)
		return err_set(err, ERR_TRANSIENT, "LoopFailed", "cannot watch descriptor %d: %s",
			fd, strerror(errno));
	watch->fd = fd;
	watch->events = events;
	watch->ready = ready;
	watch->loop = loop;
	list_add_tail(&loop->watches, &watch->link);
	return 0;
}

int loop_watch_modify(struct loop_watch *watch, uint32_t events, struct err *err)
{
	assert(watch->loop);
	if (watch->events == events)
		return 0;
	if (loop_watch_ctl(watch->loop, EPOLL_CTL_MOD, watch, watch->fd, events) < 0)
		return err_set(err, ERR_TRANSIENT, "LoopFailed", "cannot watch descriptor %d: %s",
			watch->fd, strerror(errno));
	watch->events = events;
	return 0;
}

void loop_watch_del(struct loop_watch *watch)
{
	struct loop *loop = watch->loop;

	if (!loop)
		return;
	/* An owner that closed the fd first has taken it out of the set already. */
	(void)loop_watch_ctl(loop, EPOLL_CTL_DEL, watch, watch->fd, 0);
	for (int i = 0; i < loop->ready_len; i++) {
		if (loop->ready[i].data.ptr == watch)
			loop->ready[i].data.ptr = NULL;
	}
	list_del(&watch->link);
	watch->loop = NULL;
}

/* --- deferred calls --- */

void loop_defer_add(struct loop *loop, struct loop_defer *defer, void (*call)(struct loop_defer *))
{
	if (defer->loop)
		return;
	defer->loop = loop;
	defer->call = call;
	list_add_tail(&loop->deferred, &defer->link);
	loop_rearm(loop);
}

void loop_defer_del(struct loop_defer *defer)
{
	struct loop *loop = defer->loop;

	if (!loop)
		return;
	list_del(&defer->link);
	defer->loop = NULL;
	loop_rearm(loop);
}

/* Runs what is queued now; what those calls queue waits for the next turn. */
static void loop_run_deferred(struct loop *loop)
{
	struct list marker;

	list_add_tail(&loop->deferred, &marker);
	while (loop->deferred.next != &marker) {
		struct loop_defer *defer =
			container_of(loop->deferred.next, struct loop_defer, link);

		list_del(&defer->link);
		defer->loop = NULL;
		defer->call(defer);
	}
	list_del(&marker);
}

/* --- hooks --- */

void loop_before_sleep_add(
	struct loop *loop, struct loop_hook *hook, void (*call)(struct loop_hook *))
{
	assert(!hook->loop);
	hook->loop = loop;
	hook->call = call;
	list_add_tail(&loop->hooks, &hook->link);
}

void loop_before_sleep_del(struct loop_hook *hook)
{
	struct loop *loop = hook->loop;

	if (!loop)
		return;
	if (loop->next_hook == &hook->link)
		loop->next_hook = hook->link.next;
	list_del(&hook->link);
	hook->loop = NULL;
}

static void loop_run_hooks(struct loop *loop)
{
	for (struct list *pos = loop->hooks.next; pos != &loop->hooks; pos = loop->next_hook) {
		struct loop_hook *hook = container_of(pos, struct loop_hook, link);

		loop->next_hook = pos->next;
		hook->call(hook);
	}
	loop->next_hook = NULL;
}

/* --- the turn --- */

static void loop_clear_timerfd(struct loop *loop)
{
	uint64_t expirations;

	/* The value does not matter and "not expired" is fine: the heap knows what is due. */
	if (read(loop->timer_fd, &expirations, sizeof(expirations)) < 0)
		return;
}

static void loop_wait(struct loop *loop, int timeout_ms)
{
	int count;

	do {
		count = epoll_wait(loop->epoll_fd, loop->ready, LOOP_MAX_READY, timeout_ms);
	} while (count < 0 && errno == EINTR && timeout_ms < 0 && !loop->stopping);
	assert(count >= 0 || errno == EINTR);
	loop->ready_len = count > 0 ? count : 0;
	loop->now_ms = time_mono_ms();
}

static void loop_dispatch_ready(struct loop *loop)
{
	bool timer = false;

	/* NULL is the timerfd now; from here on it is a watch that was removed. */
	for (int i = 0; i < loop->ready_len; i++)
		timer |= !loop->ready[i].data.ptr;
	if (timer)
		loop_clear_timerfd(loop);

	for (int i = 0; i < loop->ready_len; i++) {
		struct loop_watch *watch = loop->ready[i].data.ptr;
		uint32_t events = loop->ready[i].events;

		if (!watch)
			continue;
		/* An earlier callback may have narrowed what this one waits for. */
		events &= watch->events | EPOLLERR | EPOLLHUP;
		if (events)
			watch->ready(watch, events);
	}
	loop->ready_len = 0;
}

void loop_turn(struct loop *loop, int timeout_ms)
{
	assert(!loop->in_turn);
	loop_wait(loop, timeout_ms);
	loop->in_turn = true;
	loop_dispatch_ready(loop);
	loop_fire_timers(loop);
	loop_run_deferred(loop);
	loop_run_hooks(loop);
	loop->in_turn = false;
	loop_rearm(loop);
}

void loop_run(struct loop *loop)
{
	while (!loop->stopping)
		loop_turn(loop, -1);
	loop->stopping = false;
}

void loop_stop(struct loop *loop)
{
	loop->stopping = true;
}

bool loop_stopping(const struct loop *loop)
{
	return loop->stopping;
}

int loop_fd(const struct loop *loop)
{
	return loop->epoll_fd;
}

int64_t loop_now_ms(const struct loop *loop)
{
	return loop->now_ms;
}

/*
 * One thread, one epoll set. Everything that waits is a struct embedded in its
 * owner; callbacks find the owner with container_of. No callback re-enters
 * loop_turn(). Whatever is removed inside a callback does not fire any more in
 * the same turn.
 *
 * Order of one turn: ready fds, due timers, deferred calls (those deferred
 * before the turn's deferred phase began), before_sleep hooks.
 */
#ifndef LOOP_LOOP_H
#define LOOP_LOOP_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/types.h>
#include "base/err.h"
#include "base/list.h"

struct loop;

int loop_new(struct loop **ret_loop, struct err *err);
/* The loop must outlive everything that is registered with it. NULL is fine. */
void loop_free(struct loop *loop);

/* Runs turns until loop_stop(), none when it was called before; then it may be run again. */
void loop_run(struct loop *loop);
/* One turn; waits at most timeout_ms (-1: until something happens, 0: not at all). */
void loop_turn(struct loop *loop, int timeout_ms);
void loop_stop(struct loop *loop);
bool loop_stopping(const struct loop *loop);
/* The epoll fd, itself pollable: readable when a turn has something to do (fds, timers, deferred).
 */
int loop_fd(const struct loop *loop);
/* Monotonic milliseconds, read once per turn. */
int64_t loop_now_ms(const struct loop *loop);

/* --- file descriptors; the fd stays the owner's --- */
struct loop_watch {
	int fd;
	uint32_t events;
	void (*ready)(struct loop_watch *watch, uint32_t events);
	struct loop *loop; /* set while registered */
	struct list link;
};

int loop_watch_add(struct loop *loop, struct loop_watch *watch, int fd, uint32_t events,
	void (*ready)(struct loop_watch *, uint32_t), struct err *err);
int loop_watch_modify(struct loop_watch *watch, uint32_t events, struct err *err);
/* Harmless when it is not registered. */
void loop_watch_del(struct loop_watch *watch);

/* --- timers, one-shot --- */
struct loop_timer {
	int64_t due_ms;
	void (*fire)(struct loop_timer *timer);
	struct loop *loop; /* set while armed */
	size_t heap_index;
	uint64_t order; /* breaks ties: timers due at the same time fire as they were armed */
};

/* (Re)arms: fires once, at the earliest delay_ms from now, never in the turn that armed it. */
void loop_timer_set(struct loop *loop, struct loop_timer *timer, int64_t delay_ms,
	void (*fire)(struct loop_timer *));
/* Harmless when not armed. */
void loop_timer_del(struct loop_timer *timer);
bool loop_timer_armed(const struct loop_timer *timer);

/* --- deferred calls: run once, later in this turn or in the next --- */
struct loop_defer {
	void (*call)(struct loop_defer *defer);
	struct loop *loop; /* set while queued */
	struct list link;
};

/* Queueing what is queued already changes nothing. */
void loop_defer_add(struct loop *loop, struct loop_defer *defer, void (*call)(struct loop_defer *));
void loop_defer_del(struct loop_defer *defer);

/* --- called at the end of every turn, in the order of registration --- */
struct loop_hook {
	void (*call)(struct loop_hook *hook);
	struct loop *loop;
	struct list link;
};

void loop_before_sleep_add(
	struct loop *loop, struct loop_hook *hook, void (*call)(struct loop_hook *));
void loop_before_sleep_del(struct loop_hook *hook);

/* --- signals by signalfd; blocks them for the process (they stay blocked after removal) --- */
struct loop_signal {
	struct loop_watch watch;
	void (*arrived)(struct loop_signal *sig, int signo);
};

int loop_signal_add(struct loop *loop, struct loop_signal *sig, const sigset_t *set,
	void (*arrived)(struct loop_signal *, int), struct err *err);
void loop_signal_del(struct loop_signal *sig);

#endif

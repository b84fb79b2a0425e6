/* What loop.c, timer.c and signal.c share; nobody else includes this. */
#ifndef LOOP_PRIVATE_H
#define LOOP_PRIVATE_H

#include <stddef.h>
#include "loop/loop.h"

#define LOOP_MAX_READY 128

struct loop {
	int epoll_fd;
	int timer_fd;     /* one timerfd for all timers and for pending deferred calls */
	int64_t armed_ms; /* what timer_fd is set to: TIMER_OFF, TIMER_NOW or a due_ms */
	int64_t now_ms;
	bool in_turn;
	bool stopping;

	struct list watches;
	struct epoll_event ready[LOOP_MAX_READY];
	int ready_len; /* entries of this turn; those of removed watches become NULL */

	struct loop_timer **heap; /* by due_ms, then by order */
	size_t heap_len;
	size_t heap_cap;
	uint64_t next_order;

	struct list deferred;
	struct list hooks;
	struct list *next_hook; /* while the hooks run: the one that follows */
};

/* Sets the timerfd to the next thing to do, unless a turn runs (its end does it then). */
void loop_rearm(struct loop *loop);
/* Fires the timers that are due and were armed before this call. */
void loop_fire_timers(struct loop *loop);

#endif

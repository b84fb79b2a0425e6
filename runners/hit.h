/*
 * Which steps need not run, since an earlier success left what they would (API.md "Cache"). Pure,
 * but for what run->cache and run->data answer.
 */
#ifndef RUNNERS_HIT_H
#define RUNNERS_HIT_H

#include "runners/runner.h"

/* Of what a step left, or would take; a sink owes nothing. */
enum data_seen hit_look_at_data(const struct runner_run *run, int step, const char *ref);

/*
 * The ref that the step hits, given the refs of what it reads in `state`; NULL when there is none,
 * or while it is not known yet whether its data is there (*ret_asked is set then, and never
 * cleared). Borrowed from the cache.
 */
const char *hit_find(
	const struct runner_run *run, const struct run_state *state, int step, bool *ret_asked);
/* The step is Cached now. */
void hit_take(const struct runner_run *run, struct step_state *step, const char *ref);

#endif

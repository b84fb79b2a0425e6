/*
 * The index of earlier successes (API.md "Cache"). One ConfigMap per scope = (namespace, dataset,
 * working directory, volume behind it), owned by the pipelines that use it, so that it outlives
 * runs and goes with the last pipeline. Data: cache key -> {"at": "<attempt run id>/<step>",
 * "inputs": [refs], "time": Unix seconds}; the newest success of a key wins. A step hits when its
 * key is there *and* the recorded inputs are the ones this run would give it.
 *
 * Bounded: STEP_CACHE_MAX entries and STEP_CACHE_BYTES of keys and values, the oldest go first.
 */
#ifndef RECONCILE_STEP_CACHE_H
#define RECONCILE_STEP_CACHE_H

#include "compiler/spec.h"
#include "reconcile/plan.h"
#include "runners/runner.h"

#define STEP_CACHE_MAX 3000
#define STEP_CACHE_BYTES ((size_t)900 << 10) /* a ConfigMap holds 1 MiB */

/* "fondant-cache-<12 hex of the scope>". Owned. */
char *step_cache_name(const struct frozen_spec *spec);

/* Lookups against one index ConfigMap (projection with `data`; NULL: empty). Borrowed. */
struct step_cache_view {
	struct step_cache cache; /* pass &view->cache to a runner */
	const json_t *data;
	json_t *parsed; /* keeps the borrowed answers alive */
	int64_t now_s;
	bool scheduled;
};

/* scheduled: what a step without inputs loads may have changed, so that it hits only within its
 * maxAge, and without one never. */
void step_cache_view_init(
	struct step_cache_view *view, const json_t *index, int64_t now_s, bool scheduled);
void step_cache_view_clear(struct step_cache_view *view);

/*
 * Adds the write that records what a finished run's steps left: create when index is NULL, else a
 * merge patch. A pipeline that has used the index becomes one of its owners. Nothing when there is
 * nothing new; the write is optional (plan.h), since without it a step only runs again. owner:
 * ownerReference of the pipeline or NULL.
 */
void step_cache_record(struct plan *plan, const char *namespace_, const struct frozen_spec *spec,
	const struct run_state *state, const json_t *index, const json_t *owner);

#endif

/*
 * What becomes of what a run has started when the run goes, as pure functions: a finalizer holds it
 * back until that is stopped, or, by deletionPolicy: Orphan, let go of. The policy is the
 * pipeline's; each of its runs carries it as an annotation, since the pipeline may go first.
 */
#ifndef RECONCILE_RUN_DELETION_H
#define RECONCILE_RUN_DELETION_H

#include "reconcile/plan.h"
#include "reconcile/run.h"

/* What the run has started goes on without it: deletionPolicy is Orphan. */
bool run_is_orphan(const struct run_view *view);

/* Puts the finalizer on. */
void run_hold(const struct run_view *view, struct plan *plan);
/* Takes it away, so that a deleted run goes. */
void run_let_go(const struct run_view *view, struct plan *plan);

/* Of a run that is to start and may be orphaned: the finalizer, and the run as an owner of its
 * frozen spec, which is else lost with the pipeline. True: it was not so yet; look again. */
bool run_prepare_orphan(const struct run_view *view, struct plan *plan);
/* Its Jobs (arrays of projections, as their pods) that have not ended are not the run's any more:
 * no garbage collector takes them. */
void run_leave_jobs(
	const struct run_view *view, const json_t *jobs, const json_t *pods, struct plan *plan);

/* The run becomes an owner of a ConfigMap that is there (its metadata is enough). False: it is one.
 */
bool run_own_spec(const json_t *run, const json_t *map, struct plan *plan);

/* The pipeline's policy, on those of its runs that have not ended. */
void run_tell_policy(const json_t *pipeline, const json_t *runs, struct plan *plan);
/* The annotations of a new run; NULL: it needs none. New reference. */
json_t *run_policy_annotations(const json_t *pipeline);

#endif

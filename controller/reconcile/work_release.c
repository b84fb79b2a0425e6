/*
 * A pass over a deleted run that is held back by its finalizer: what it started outside the cluster
 * is stopped, or, by deletionPolicy: Orphan, what it started anywhere is left; then the run is let
 * go.
 */
#include "reconcile/internal.h"

#include "base/mem.h"
#include "base/str.h"
#include "doc/json.h"
#include "doc/path.h"
#include "reconcile/names.h"
#include "reconcile/run_deletion.h"
#include "runners/kubernetes_job.h"

/* How long it is held back while what it started cannot be stopped (API.md "FondantRun"). */
#define RELEASE_S 600
#define RELEASE_AGAIN_MS 2000

static void let_go(struct work *work)
{
	run_let_go(&work->view, &work->plan);
	map_del(&work->controller->lives, work->key);
	work_execute(work);
}

/* Not for ever: what cannot be stopped is left where it is. */
static void release_failed(struct work *work, const struct err *err)
{
	int64_t since = run_deleted_s(work->object);

	if (since && work->view.now_s - since >= RELEASE_S) {
		plan_event(&work->plan, true, "CancelFailed", "Cancel",
			"what runs at the backend could not be stopped for %d minutes, and is left "
			"there: %.500s",
			RELEASE_S / 60, err_message(err));
		let_go(work);
		return;
	}
	work_fail(work, err, "stop what runs at the backend");
	work_end(work);
}

static void release_seen(struct runner_op *op)
{
	struct work *work = container_of(op, struct work, runner_op);

	work->runner_busy = false;
	if (op->result < 0) {
		release_failed(work, &op->err);
	} else if (run_phase_final(work->state.phase) || work->state.needs_submit) {
		let_go(work);
	} else {
		queue_add_after(&work->controller->queue, work->key, RELEASE_AGAIN_MS);
		work_end(work);
	}
}

static void release_stopped(struct runner_op *op)
{
	struct work *work = container_of(op, struct work, runner_op);

	work->runner_busy = false;
	if (op->result < 0) {
		release_failed(work, &op->err);
		return;
	}
	run_state_init(&work->state, 0);
	work_runner_call(work, release_seen);
	work->backend->runner->observe(
		work->backend->cookie, &work->run, &work->state, &work->runner_op);
}

/* By what the backend itself knows of the run: its frozen spec may be gone. */
static void release_stop(struct work *work)
{
	work->run_id = name_run_id(work->name, doc_str_or(work->object, "metadata.uid", ""));
	work->run = (struct runner_run){.namespace_ = work->namespace_,
		.pipeline = doc_str_or(work->view.pipeline, "metadata.name", ""),
		.name = work->name,
		.uid = doc_str_or(work->object, "metadata.uid", ""),
		.run_id = work->run_id,
		.backend_run_id = doc_str(work->object, "status.backendRunID"),
		.cancelling = true,
		.discard = true,
		.now_s = work->view.now_s};
	work_runner_call(work, release_stopped);
	work->backend->runner->cancel(work->backend->cookie, &work->run, &work->runner_op);
}

/* Steps that come later are not started: only the backends of whole pipelines do that. */
static void leave(struct work *work)
{
	auto_free char *label = kubernetes_run_label(work->name);
	auto_json *jobs = scope_indexed(work->scope, CACHED_JOBS, work->namespace_, label);
	auto_json *pods = scope_indexed(work->scope, CACHED_PODS, work->namespace_, label);

	run_leave_jobs(&work->view, jobs, pods, &work->plan);
	plan_event(&work->plan, false, "Orphaned", "Leave",
		"what it has started goes on without it, by deletionPolicy: Orphan");
	let_go(work);
}

void work_release(struct work *work)
{
	const struct runner *runner = NULL;
	const json_t *settings = NULL;

	if (run_is_orphan(&work->view) && !run_is_final(work->object))
		leave(work);
	else if (!backend_pinned(work->object, &runner, &settings) || !runner->outside)
		let_go(work); /* nothing was started, or its Jobs go with it */
	else
		work_open_backend(work, runner, settings, release_stop, release_failed);
}

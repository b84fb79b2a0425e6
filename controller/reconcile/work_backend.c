/*
 * Passes over FondantBackends: open, probe, say how it stands, and look again. And what a pass over
 * a run needs of its backend: an opened one.
 */
#include "reconcile/internal.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/rand.h"
#include "base/str.h"
#include "base/time.h"
#include "doc/json.h"
#include "doc/path.h"

#define PROBE_MS 60000      /* between two looks at a backend; a fifth more or less */
#define PROBE_SOON_MS 10000 /* after a failure that may pass */
#define GOING_MS 5000       /* one that is deleted and in use */

/* --- an opened backend --- */

static void backend_opened(struct backend_wait *wait)
{
	struct work *work = container_of(wait, struct work, backend_wait);

	work->backend = wait->backend;
	if (work->backend) {
		work->opened(work);
		return;
	}
	if (work->refused) {
		work->refused(work, &wait->err);
		return;
	}
	work_fail(work, &wait->err, "open the backend");
	work_end(work);
}

void work_open_backend(struct work *work, const struct runner *runner, const json_t *settings,
	void (*then)(struct work *work), void (*refused)(struct work *work, const struct err *err))
{
	work->opened = then;
	work->refused = refused;
	work->backend_wait.done = backend_opened;
	work->backend = backend_pool_get(
		work->scope->backends, runner, work->namespace_, settings, &work->backend_wait);
	if (work->backend)
		then(work);
}

void work_runner_call(struct work *work, void (*done)(struct runner_op *op))
{
	err_clear(&work->runner_op.err);
	work->runner_op = (struct runner_op){.done = done, .step = -1};
	work->runner_busy = true;
}

void work_backend_release(struct work *work)
{
	if (work->runner_busy)
		work->backend->runner->op_cancel(work->backend->cookie, &work->runner_op);
	err_clear(&work->runner_op.err);
	backend_wait_cancel(&work->backend_wait);
	open_backend_unref(work->backend);
	free(work->probe.version);
}

/* --- passes --- */

struct search {
	const char *namespace_, *uid;
	int found;
};

static void find_user(void *arg, struct kube_object *object)
{
	struct search *search = arg;
	auto_json *run = NULL;

	if (!str_eq(object->namespace_, search->namespace_) || !strstr(object->text, search->uid))
		return;
	run = kube_object_json(object);
	search->found +=
		str_eq(doc_str(run, "status.backend.uid"), search->uid) && !run_is_final(run);
}

int work_backend_runs(const struct work *work, const json_t *backend)
{
	struct search search = {work->namespace_, doc_str_or(backend, "metadata.uid", "none"), 0};

	kube_cache_each(work->scope->caches[CACHED_RUNS], find_user, &search);
	return search.found;
}

static struct backend_view view_of(const struct work *work)
{
	return (struct backend_view){.backend = work->object,
		.in_use = work_backend_runs(work, work->object) > 0,
		.now_s = time_wall_ms() / 1000};
}

static void conclude(struct work *work, const struct err *err)
{
	struct backend_view view = view_of(work);
	struct backend_probe probe = {.done = true, .version = work->probe.version, .err = err};
	bool passes = err && err->class == ERR_TRANSIENT;
	int64_t ms = passes ? PROBE_SOON_MS : PROBE_MS;

	backend_status(&view, &probe, &work->plan);
	plan_requeue(&work->plan, ms - ms / 5 + (int64_t)rand_below((uint64_t)ms * 2 / 5));
	work_execute(work);
}

static void probed(struct runner_op *op)
{
	struct work *work = container_of(op, struct work, runner_op);

	work->runner_busy = false;
	if (op->result < 0 && op->err.class == ERR_USER)
		open_backend_stale(work->backend);
	conclude(work, op->result < 0 ? &op->err : NULL);
}

static void probe(struct work *work)
{
	if (!work->backend->runner->probe) {
		conclude(work, NULL);
		return;
	}
	work_runner_call(work, probed);
	work->backend->runner->probe(work->backend->cookie, &work->probe, &work->runner_op);
}

void work_backend(struct work *work)
{
	struct backend_view view = view_of(work);
	const json_t *settings = NULL;
	const struct runner *runner = backend_runner(work->object, &settings);

	backend_protect(&view, &work->plan);
	if (doc_get(work->object, "metadata.deletionTimestamp")) {
		if (view.in_use)
			plan_requeue(&work->plan, GOING_MS);
		work_execute(work);
		return;
	}
	if (work->plan.len > 0) {
		work_execute(work); /* its answer is the change that comes back here */
		return;
	}
	if (!runner) {
		conclude(work, NULL);
		return;
	}
	work_open_backend(work, runner, settings, probe, conclude);
}

void work_backend_use(struct work *work)
{
	struct backend_view view = view_of(work);

	backend_protect(&view, &work->plan);
	work_execute(work);
}

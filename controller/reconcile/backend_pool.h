/*
 * Opened backends, shared by the runs that use them: one for each namespace, runner and settings.
 * What their references give is read before the first use, again after a minute, when a token
 * nears its end, and after open_backend_stale; when it has changed the backend is opened anew, and
 * the old one closed when nobody uses it any more. So a rotated Secret reaches runs under way,
 * while an edited FondantBackend is another entry and reaches only those pinned to it. What has not
 * been used for ten minutes is closed.
 */
#ifndef RECONCILE_BACKEND_POOL_H
#define RECONCILE_BACKEND_POOL_H

#include "base/list.h"
#include "runners/runner.h"
#include "runners/trace.h"

struct backend_pool;

/* In use until open_backend_unref. */
struct open_backend {
	const struct runner *runner;
	void *cookie; /* for the runner's calls */

	/* --- private --- */
	struct backend_entry *entry;
	int users; /* the pool itself is one while this is the current one */
};

/* Who waits for a backend. Zeroed before. */
struct backend_wait {
	void (*done)(struct backend_wait *wait);
	struct open_backend *backend; /* in use by the waiter; NULL: err says why */
	struct err err;

	/* --- private --- */
	struct list link;
	bool waiting;
};

/* env is copied; what it points to is borrowed. ambient and local_endpoints as in runner_settings.
 * trace: every backend is wrapped with these rules, which are borrowed; NULL: none is. */
struct backend_pool *backend_pool_new(const struct runner_env *env, bool ambient,
	bool local_endpoints, struct trace_rules *trace);
/* Nobody may use or wait for one of its backends any more. NULL is fine. */
void backend_pool_free(struct backend_pool *pool);

/*
 * The backend, in use by the caller: at once, as the result, or NULL and wait->done will run, from
 * the loop, with it or an err (that of open, of the credentials). settings NULL: the implicit one.
 */
struct open_backend *backend_pool_get(struct backend_pool *pool, const struct runner *runner,
	const char *namespace_, const json_t *settings, struct backend_wait *wait);
/* done will not run. Harmless when nobody waits. */
void backend_wait_cancel(struct backend_wait *wait);
/* NULL is fine. */
void open_backend_unref(struct open_backend *backend);
/* Its credentials were refused: they are read again before the next use. */
void open_backend_stale(struct open_backend *backend);

#endif

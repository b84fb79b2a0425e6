/* Shared by controller.c, work.c, work_pipeline.c and work_run.c: not for other folders. */
#ifndef RECONCILE_INTERNAL_H
#define RECONCILE_INTERNAL_H

#include "base/map.h"
#include "kube/cache.h"
#include "kube/event.h"
#include "reconcile/backend.h"
#include "reconcile/backend_pool.h"
#include "reconcile/credentials.h"
#include "reconcile/gather.h"
#include "reconcile/controller.h"
#include "reconcile/data_check.h"
#include "reconcile/pipeline.h"
#include "reconcile/plan.h"
#include "reconcile/queue.h"
#include "reconcile/run.h"
#include "reconcile/step_cache.h"
#include "runners/runner.h"

enum cached_kind {
	CACHED_PIPELINES,
	CACHED_RUNS,
	CACHED_COMPONENTS,
	CACHED_BACKENDS,
	CACHED_FROZEN,
	CACHED_INDEXES,
	CACHED_JOBS,
	CACHED_PODS,
	CACHED_KINDS,
};

/* What is watched in one namespace (or in all), and the opened backends of its runs. */
struct scope {
	struct controller *controller;
	char *namespace_; /* NULL: all */
	struct kube_cache *caches[CACHED_KINDS];
	struct cache_owner {
		struct scope *scope;
		enum cached_kind kind;
	} owners[CACHED_KINDS];
	struct backend_pool *backends;
};

/* What a run needs between passes, while it is not finished. */
struct run_live {
	char *uid;
	struct frozen_spec *spec;
	char *spec_name, *spec_uid, *spec_hash; /* hash with "sha256:" */
	int64_t last_write_ms;                  /* monotonic; 0: none by this process */
	struct controller *controller;
	char *key;                 /* of the queue */
	struct data_probes probes; /* of its data, where that is visible */
	bool visible;
	struct map refused; /* name of a step -> why the backend refused it, owned */
};

/* What was gathered for a freeze: not asked for again until the next one, or, where something was
 * missing, until its time has come. */
struct gathered {
	char *what; /* of which spec and components */
	json_t *sources, *digests;
	int tries;
	int64_t again_ms; /* monotonic; 0: everything is there */
	size_t bytes;     /* of the sources */
	size_t *total;    /* of all that are kept; NULL: it is not kept */
};

struct controller {
	struct loop *loop;
	struct kube_client *client;
	struct pipeline_settings settings;
	int max_workers;
	struct scope *scopes;
	int scopes_len;
	int unsynced; /* caches without their first list */
	struct queue queue;
	struct loop_defer pump;
	struct list works; /* struct work under way */
	int works_len;
	struct map lives;        /* run key -> struct run_live */
	struct map status_times; /* pipeline key -> int64_t: last status write, monotonic ms */
	struct map freezes;      /* pipeline key -> struct gathered */
	size_t sources_kept;     /* bytes of sources in freezes */
	struct registry_client *registry; /* borrowed; NULL: images are not resolved */
	struct s3_client *s3;             /* borrowed; NULL: data is not visible */
	struct map troubles;              /* collection -> last reported trouble */
	struct event_recorder *events;
	bool stopping;
	void (*stopped)(void *arg);
	void *stopped_arg;
	int64_t drain_until_ms; /* monotonic: the end of waiting for what is under way */
	struct loop_timer drain;
};

/* One pass over one key. */
struct work {
	struct controller *controller;
	struct scope *scope;
	struct list link;
	char *key;
	char *namespace_, *name;
	json_t *object; /* the pipeline or run the pass is about */
	struct plan plan;
	int next_write;
	struct kube_op op;
	void (*then)(struct work *work); /* after the plan's writes; NULL: end */
	void (*opened)(struct work *work);
	void (*refused)(struct work *work, const struct err *err);
	bool failed;
	int64_t retry_after_ms;

	/* pipelines only */
	struct gather gather;
	json_t *components;
	char *what;
	struct gathered *unkept; /* gathered for this pass only */

	/* runs and backends */
	struct backend_wait backend_wait;
	struct open_backend *backend; /* in use; NULL: not yet */
	struct runner_op runner_op;
	bool runner_busy;

	/* backends only */
	struct runner_probe probe;

	/* runs only */
	struct run_view view;
	struct run_live *live;
	struct step_state *known; /* known_len of them */
	int known_len;
	struct strvec names; /* of steps that only the backend knows */
	struct step_cache_view cache;
	json_t *index; /* of the step cache */
	char *spec_name, *pinned_hash, *run_id;
	json_t *owner;
	struct runner_run run;
	struct run_state state;
	struct credentials secrets; /* of secretArguments, and what pulls the images */
	struct pullsecrets pull;
	json_t *secret_refs;
};

#define QUEUE_KEY_PIPELINE 'P'
#define QUEUE_KEY_RUN 'R'
#define QUEUE_KEY_BACKEND 'B'
#define QUEUE_KEY_BACKEND_USE 'U' /* whether runs use it, without a probe */

/* "P/namespace/name", "R/namespace/name" or "B/namespace/name". Owned. */
char *work_key(char kind, const char *namespace_, const char *name);

/* While stopping: looks whether everything has ended. */
void controller_drain(struct controller *controller);
struct scope *controller_scope(struct controller *controller, const char *namespace_);
/* New reference; NULL when the cache does not have it. */
json_t *scope_object(
	struct scope *scope, enum cached_kind kind, const char *namespace_, const char *name);
/* New reference to an array of the objects under "<namespace>/<index>". */
json_t *scope_indexed(
	struct scope *scope, enum cached_kind kind, const char *namespace_, const char *index);

/* name -> FondantBackend: the one of that name (NULL: none) and the default one; new reference. */
json_t *scope_backends(struct scope *scope, const char *namespace_, const char *name);

/* "<namespace>/<pipeline>" that a run belongs to, from its label or spec. Owned or NULL. */
char *run_pipeline_name(const json_t *run);

void work_start(struct controller *controller, char *key);
/* Makes the plan's writes in order, then work->then or the end. */
void work_execute(struct work *work);
void work_end(struct work *work);
void work_fail(struct work *work, const struct err *err, const char *doing);
void work_free(struct work *work);

/* Gets work->backend and calls `then`; else fails the pass, after `refused` (NULL: nothing) said
 * what is wrong. */
void work_open_backend(struct work *work, const struct runner *runner, const json_t *settings,
	void (*then)(struct work *work), void (*refused)(struct work *work, const struct err *err));
/* Before a call of work->backend's runner. */
void work_runner_call(struct work *work, void (*done)(struct runner_op *op));
void work_backend_release(struct work *work);

void work_pipeline(struct work *work);
void work_backend(struct work *work);
void work_backend_use(struct work *work);
/* Runs of its namespace that are pinned to the FondantBackend and not final. */
int work_backend_runs(const struct work *work, const json_t *backend);
void work_run(struct work *work);
void work_run_release(struct work *work);
void work_release(struct work *work);
void run_live_free(void *live);
void gathered_free(void *gathered);

#endif

#include "reconcile/internal.h"

#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "doc/json.h"
#include "doc/path.h"
#include "reconcile/names.h"
#include "runners/kubernetes_observe.h"

#define DRAIN_MS 30000
#define DRAIN_POLL_MS 50

char *work_key(char kind, const char *namespace_, const char *name)
{
	return xasprintf("%c/%s/%s", kind, namespace_, name);
}

struct scope *controller_scope(struct controller *controller, const char *namespace_)
{
	for (int i = 0; i < controller->scopes_len; i++) {
		struct scope *scope = &controller->scopes[i];

		if (!scope->namespace_ || str_eq(scope->namespace_, namespace_))
			return scope;
	}
	return NULL;
}

json_t *scope_object(
	struct scope *scope, enum cached_kind kind, const char *namespace_, const char *name)
{
	struct kube_object *object = kube_cache_get(scope->caches[kind], namespace_, name);

	return object ? kube_object_json(object) : NULL;
}

static void collect(void *arg, struct kube_object *object)
{
	json_array_append_new(arg, kube_object_json(object));
}

json_t *scope_indexed(
	struct scope *scope, enum cached_kind kind, const char *namespace_, const char *index)
{
	json_t *list = json_array();
	auto_free char *key = xasprintf("%s/%s", namespace_, index);

	kube_cache_each_indexed(scope->caches[kind], key, collect, list);
	return list;
}

static void add_backend(
	struct scope *scope, const char *namespace_, const char *name, json_t *backends)
{
	json_t *backend = scope_object(scope, CACHED_BACKENDS, namespace_, name);

	if (backend)
		json_object_set_new(backends, name, backend);
}

json_t *scope_backends(struct scope *scope, const char *namespace_, const char *name)
{
	json_t *backends = json_object();

	add_backend(scope, namespace_, BACKEND_DEFAULT, backends);
	if (name)
		add_backend(scope, namespace_, name, backends);
	return backends;
}

/* --- projections and indexes --- */

static json_t *slim_metadata(const json_t *object)
{
	static const char *const kept[] = {"name", "namespace", "uid", "resourceVersion",
		"generation", "creationTimestamp", "deletionTimestamp", "labels", "ownerReferences",
		"finalizers"};
	const json_t *metadata = json_object_get(object, "metadata");
	json_t *slim = json_object();

	for (size_t i = 0; i < array_size(kept); i++) {
		json_t *value = json_object_get(metadata, kept[i]);

		if (value)
			json_object_set(slim, kept[i], value);
	}
	return slim;
}

static json_t *project_keys(const json_t *object, const char *const keys[])
{
	json_t *slim = json_object();

	json_object_set_new(slim, "metadata", slim_metadata(object));
	for (int i = 0; keys[i]; i++) {
		json_t *value = json_object_get(object, keys[i]);

		if (value)
			json_object_set(slim, keys[i], value);
	}
	return slim;
}

static json_t *project_resource(const json_t *object)
{
	return project_keys(object, (const char *const[]){"spec", "status", NULL});
}

/* With the one annotation that is ours: others are no change. */
static json_t *project_run(const json_t *object)
{
	json_t *slim = project_resource(object);
	json_t *mark =
		json_object_get(doc_get(object, "metadata.annotations"), ANNOTATION_DELETION);

	if (mark)
		json_object_set_new(json_object_get(slim, "metadata"), "annotations",
			json_pack("{s:O}", ANNOTATION_DELETION, mark));
	return slim;
}

static json_t *project_index(const json_t *object)
{
	return project_keys(object, (const char *const[]){"data", NULL});
}

static json_t *project_frozen(const json_t *object)
{
	json_t *slim = project_keys(object, (const char *const[]){NULL});
	json_t *annotations = doc_get(object, "metadata.annotations");

	if (annotations)
		json_object_set(json_object_get(slim, "metadata"), "annotations", annotations);
	return slim;
}

static char *index_label(const json_t *projection, const char *namespace_)
{
	const char *pipeline = json_string_value(
		json_object_get(doc_get(projection, "metadata.labels"), LABEL_PIPELINE));

	return pipeline ? xasprintf("%s/%s", namespace_, pipeline) : NULL;
}

char *run_pipeline_name(const json_t *run)
{
	const char *label =
		json_string_value(json_object_get(doc_get(run, "metadata.labels"), LABEL_PIPELINE));
	const char *frozen = doc_str(run, "spec.frozenSpecRef.name");
	const char *named = doc_str(run, "spec.pipelineRef.name");

	if (named)
		return xstrdup(named);
	if (frozen) {
		const char *dash = strrchr(frozen, '-');

		return dash ? xstrndup(frozen, (size_t)(dash - frozen)) : xstrdup(frozen);
	}
	return label ? xstrdup(label) : NULL;
}

static char *index_run(const json_t *projection, const char *namespace_)
{
	auto_free char *pipeline = run_pipeline_name(projection);

	return pipeline ? xasprintf("%s/%s", namespace_, pipeline) : NULL;
}

/* --- what a change means for the queue; these only queue --- */

static void queue_key(
	struct controller *c, char kind, const char *namespace_, const char *name, bool initial)
{
	auto_free char *key = work_key(kind, namespace_, name);

	queue_add(&c->queue, key, initial ? QUEUE_LOW : QUEUE_HIGH);
}

static void queue_run_object(void *arg, struct kube_object *object)
{
	queue_key(arg, QUEUE_KEY_RUN, object->namespace_, object->name, false);
}

static void queue_runs_of(struct scope *scope, const char *index)
{
	kube_cache_each_indexed(
		scope->caches[CACHED_RUNS], index, queue_run_object, scope->controller);
}

/* A run that has no frozen spec yet waits for its pipeline. */
static void queue_unpinned_run(void *arg, struct kube_object *object)
{
	if (!strstr(object->text, "\"frozenSpec\""))
		queue_run_object(arg, object);
}

/* "<namespace>/<pipeline>" -> that pipeline's key. */
static void queue_indexed_pipeline(
	struct controller *c, const struct kube_object *object, bool initial)
{
	const char *slash = object->index ? strchr(object->index, '/') : NULL;

	if (slash)
		queue_key(c, QUEUE_KEY_PIPELINE, object->namespace_, slash + 1, initial);
}

struct component_change {
	struct controller *controller;
	const struct kube_object *component;
	char *needle; /* "\"<name>\"" */
};

static void queue_if_refers(void *arg, struct kube_object *pipeline)
{
	struct component_change *change = arg;

	if (str_eq(pipeline->namespace_, change->component->namespace_) &&
		strstr(pipeline->text, change->needle))
		queue_key(change->controller, QUEUE_KEY_PIPELINE, pipeline->namespace_,
			pipeline->name, false);
}

static void component_changed(struct scope *scope, const struct kube_object *object)
{
	struct component_change change = {.controller = scope->controller,
		.component = object,
		.needle = xasprintf("\"%s\"", object->name)};

	kube_cache_each(scope->caches[CACHED_PIPELINES], queue_if_refers, &change);
	free(change.needle);
}

struct backend_change {
	struct controller *controller;
	const struct kube_object *backend; /* or a run of it: something of the namespace */
};

static void queue_pipeline_of(void *arg, struct kube_object *pipeline)
{
	const struct backend_change *change = arg;

	if (str_eq(pipeline->namespace_, change->backend->namespace_))
		queue_key(change->controller, QUEUE_KEY_PIPELINE, pipeline->namespace_,
			pipeline->name, false);
}

static void queue_unstarted_of(void *arg, struct kube_object *run)
{
	const struct backend_change *change = arg;

	if (str_eq(run->namespace_, change->backend->namespace_) &&
		!strstr(run->text, "\"startTime\""))
		queue_run_object(change->controller, run);
}

/* Pipelines and runs that wait for it look again; pipelines show when they are outdated. */
static void backend_changed(struct scope *scope, const struct kube_object *object, bool initial)
{
	struct backend_change change = {scope->controller, object};

	queue_key(change.controller, QUEUE_KEY_BACKEND, object->namespace_, object->name, initial);
	if (initial)
		return;
	kube_cache_each(scope->caches[CACHED_PIPELINES], queue_pipeline_of, &change);
	kube_cache_each(scope->caches[CACHED_RUNS], queue_unstarted_of, &change);
}

/* The backend that a run is pinned to: it is protected from then on, and no more after its last; a
 * run that has ended makes room for one that waits. */
static void queue_backend_of(struct scope *scope, const struct kube_object *run, bool initial)
{
	auto_json *json = strstr(run->text, "\"backend\"") ? kube_object_json(run) : NULL;
	const char *name = doc_str(json, "status.backend.name");
	struct backend_change change = {scope->controller, run};

	if (!name)
		return;
	queue_key(scope->controller, QUEUE_KEY_BACKEND_USE, run->namespace_, name, initial);
	if (!initial && run_is_final(json))
		kube_cache_each(scope->caches[CACHED_RUNS], queue_unstarted_of, &change);
}

static void run_changed(struct scope *scope, const struct kube_object *object, bool initial)
{
	struct controller *c = scope->controller;

	queue_key(c, QUEUE_KEY_RUN, object->namespace_, object->name, initial);
	queue_indexed_pipeline(c, object, initial);
	queue_backend_of(scope, object, initial);
	/* whoever waits for its turn looks again */
	if (!initial && object->index)
		queue_runs_of(scope, object->index);
}

static void pipeline_changed(
	struct scope *scope, const struct kube_object *object, bool removed, bool initial)
{
	auto_free char *index = xasprintf("%s/%s", object->namespace_, object->name);

	queue_key(scope->controller, QUEUE_KEY_PIPELINE, object->namespace_, object->name, initial);
	if (removed || object->deleting)
		queue_runs_of(scope, index);
	else if (!initial)
		kube_cache_each_indexed(
			scope->caches[CACHED_RUNS], index, queue_unpinned_run, scope->controller);
}

static void changed(void *owner, const struct kube_object *object, bool removed, bool initial)
{
	struct cache_owner *cache = owner;
	struct controller *c = cache->scope->controller;
	const char *slash = object->index ? strchr(object->index, '/') : NULL;

	switch (cache->kind) {
	case CACHED_PIPELINES:
		pipeline_changed(cache->scope, object, removed, initial);
		break;
	case CACHED_RUNS:
		run_changed(cache->scope, object, initial);
		break;
	case CACHED_COMPONENTS:
		if (!initial)
			component_changed(cache->scope, object);
		break;
	case CACHED_BACKENDS:
		backend_changed(cache->scope, object, initial);
		break;
	case CACHED_FROZEN:
		if (removed || !initial)
			queue_indexed_pipeline(c, object, initial);
		break;
	case CACHED_JOBS:
	case CACHED_PODS:
		if (slash && !initial)
			queue_key(c, QUEUE_KEY_RUN, object->namespace_, slash + 1, false);
		break;
	case CACHED_INDEXES:
	case CACHED_KINDS:
		break;
	}
}

static const struct {
	const char *what;
	const struct kube_resource *resource;
	const char *label_selector;
	bool metadata_only;
	json_t *(*project)(const json_t *object);
	char *(*index)(const json_t *projection, const char *namespace_);
} collections[CACHED_KINDS] = {
	[CACHED_PIPELINES] = {"pipelines", &kube_pipelines, NULL, false, project_resource, NULL},
	[CACHED_RUNS] = {"runs", &kube_runs, NULL, false, project_run, index_run},
	[CACHED_COMPONENTS] = {"components", &kube_components, NULL, false, project_resource, NULL},
	[CACHED_BACKENDS] = {"backends", &kube_backends, NULL, false, project_resource, NULL},
	/* and the native documents beside them */
	[CACHED_FROZEN] = {"frozen specs", &kube_configmaps, LABEL_FROZEN, true, project_frozen,
		index_label},
	[CACHED_INDEXES] = {"cache indexes", &kube_configmaps, LABEL_CACHE "=true", false,
		project_index, NULL},
	[CACHED_JOBS] = {"jobs", &kube_jobs, LABEL_RUN, false, kubernetes_project_job,
		kubernetes_index_run},
	[CACHED_PODS] = {"pods", &kube_pods, LABEL_RUN, false, kubernetes_project_pod,
		kubernetes_index_run},
};

static void synced(void *owner)
{
	struct cache_owner *cache = owner;
	struct controller *c = cache->scope->controller;

	map_del(&c->troubles, collections[cache->kind].what);
	if (--c->unsynced > 0)
		return;
	log_info("ready: every collection is listed");
	loop_defer_add(c->loop, &c->pump, c->pump.call);
}

/* Says why a collection cannot be watched, once per text. */
static void trouble(void *owner, const struct err *err)
{
	struct cache_owner *cache = owner;
	struct controller *c = cache->scope->controller;
	const char *what = collections[cache->kind].what;

	if (str_eq(map_get(&c->troubles, what), err_message(err)))
		return;
	map_set(&c->troubles, what, xstrdup(err_message(err)));
	log_warn("watch interrupted", "collection", what, "err.reason", err->reason, "err",
		err_message(err));
}

/* --- the pump --- */

static void pump(struct loop_defer *defer)
{
	struct controller *c = container_of(defer, struct controller, pump);
	char *key;

	if (c->unsynced > 0 || c->stopping)
		return;
	while (c->works_len < c->max_workers && (key = queue_pop(&c->queue)))
		work_start(c, key);
}

static void wake(struct queue *queue)
{
	struct controller *c = container_of(queue, struct controller, queue);

	loop_defer_add(c->loop, &c->pump, pump);
}

/* --- life --- */

static void scope_watch(struct scope *scope, enum cached_kind kind)
{
	struct kube_cache_options options = {
		.watch = {.resource = collections[kind].resource,
			.namespace_ = scope->namespace_,
			.label_selector = collections[kind].label_selector,
			.metadata_only = collections[kind].metadata_only},
		.project = collections[kind].project,
		.index = collections[kind].index,
		.changed = changed,
		.synced = synced,
		.trouble = trouble,
		.owner = &scope->owners[kind]};

	scope->owners[kind] = (struct cache_owner){scope, kind};
	scope->caches[kind] = kube_cache_new(scope->controller->client, &options);
	scope->controller->unsynced++;
}

static void backend_wakes(void *arg, const char *namespace_, const char *run_name)
{
	queue_key(arg, QUEUE_KEY_RUN, namespace_, run_name, false);
}

static void scope_init(struct controller *c, struct scope *scope, const char *namespace_,
	const struct controller_options *options)
{
	struct runner_env env = {.loop = c->loop,
		.kube = c->client,
		.step_run_as_non_root = options->step_run_as_non_root,
		.operator_image = options->operator_image,
		.wake = backend_wakes,
		.wake_arg = c};

	scope->controller = c;
	scope->namespace_ = namespace_ ? xstrdup(namespace_) : NULL;
	for (int kind = 0; kind < CACHED_KINDS; kind++)
		scope_watch(scope, (enum cached_kind)kind);
	env.jobs = scope->caches[CACHED_JOBS];
	env.pods = scope->caches[CACHED_PODS];
	scope->backends = backend_pool_new(
		&env, options->ambient_credentials, options->local_endpoints, options->trace);
}

struct controller *controller_new(
	struct loop *loop, struct kube_client *client, const struct controller_options *options)
{
	const struct strvec *namespaces = options->namespaces;
	struct controller *c = xnew(struct controller);
	int n = namespaces ? (int)namespaces->len : 0;

	c->loop = loop;
	c->client = client;
	c->settings = (struct pipeline_settings){.implicit_backend = options->implicit_backend,
		.compiler_format = options->compiler_format};
	c->registry = options->registry;
	c->s3 = options->s3;
	c->freezes.free_value = gathered_free;
	c->max_workers = options->max_workers ? options->max_workers : 32;
	c->lives.free_value = run_live_free;
	c->status_times.free_value = free;
	c->troubles.free_value = free;
	c->pump.call = pump;
	list_init(&c->works);
	queue_init(&c->queue, loop, wake);
	c->events = event_recorder_new(client, "fondant.ai/fondant-controller", options->instance);
	c->scopes_len = n ? n : 1;
	c->scopes = xcalloc((size_t)c->scopes_len, sizeof(*c->scopes));
	for (int i = 0; i < c->scopes_len; i++)
		scope_init(c, &c->scopes[i], n ? namespaces->items[i] : NULL, options);
	return c;
}

bool controller_synced(const struct controller *controller)
{
	return controller->unsynced == 0;
}

bool controller_idle(const struct controller *controller)
{
	return controller->queue.len == 0 && controller->works_len == 0;
}

static void drain_fired(struct loop_timer *timer)
{
	controller_drain(container_of(timer, struct controller, drain));
}

void controller_drain(struct controller *controller)
{
	bool busy = controller->works_len > 0 || event_recorder_pending(controller->events) > 0;
	int64_t left = controller->drain_until_ms - loop_now_ms(controller->loop);

	if (busy && left > 0) {
		loop_timer_set(controller->loop, &controller->drain,
			left < DRAIN_POLL_MS ? left : DRAIN_POLL_MS, drain_fired);
		return;
	}
	if (controller->stopped)
		controller->stopped(controller->stopped_arg);
	controller->stopped = NULL;
}

void controller_stop(struct controller *controller, void (*stopped)(void *arg), void *arg)
{
	controller->stopping = true;
	controller->stopped = stopped;
	controller->stopped_arg = arg;
	controller->drain_until_ms = loop_now_ms(controller->loop) + DRAIN_MS;
	loop_timer_set(controller->loop, &controller->drain, 0, drain_fired);
}

void controller_free(struct controller *c)
{
	if (!c)
		return;
	loop_timer_del(&c->drain);
	loop_defer_del(&c->pump);
	list_for_each (node, &c->works)
		work_free(container_of(node, struct work, link));
	for (int i = 0; i < c->scopes_len; i++) {
		struct scope *scope = &c->scopes[i];

		backend_pool_free(scope->backends);
		for (int kind = 0; kind < CACHED_KINDS; kind++)
			kube_cache_free(scope->caches[kind]);
		free(scope->namespace_);
	}
	free(c->scopes);
	event_recorder_free(c->events);
	queue_free(&c->queue);
	map_clear(&c->lives);
	map_clear(&c->status_times);
	map_clear(&c->freezes);
	map_clear(&c->troubles);
	free(c);
}

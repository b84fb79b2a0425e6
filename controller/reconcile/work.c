/*
 * One pass over one key: gather from the caches, decide (pipeline.c, run.c), write. Passes over
 * different keys go on side by side; the queue keeps two passes over one key apart.
 */
#include "reconcile/internal.h"

#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "doc/json.h"
#include "doc/path.h"
#include "reconcile/names.h"

#define FORBIDDEN_RETRY_MS 60000

static const struct {
	const struct kube_resource *resource;
	enum cached_kind kind;
} kinds[] = {
	{&kube_pipelines, CACHED_PIPELINES},
	{&kube_runs, CACHED_RUNS},
	{&kube_jobs, CACHED_JOBS},
	{&kube_backends, CACHED_BACKENDS},
};

/* What a key's first letter stands for. */
static const struct key_kind {
	char letter;
	const struct kube_resource *resource;
	enum cached_kind cache;
	void (*start)(struct work *work);
} key_kinds[] = {
	{QUEUE_KEY_PIPELINE, &kube_pipelines, CACHED_PIPELINES, work_pipeline},
	{QUEUE_KEY_RUN, &kube_runs, CACHED_RUNS, work_run},
	{QUEUE_KEY_BACKEND, &kube_backends, CACHED_BACKENDS, work_backend},
	{QUEUE_KEY_BACKEND_USE, &kube_backends, CACHED_BACKENDS, work_backend_use},
};

static const struct key_kind *kind_of(char letter)
{
	size_t i = 0;

	while (key_kinds[i].letter != letter)
		i++;
	return &key_kinds[i];
}

static void absorb(struct work *work, const struct kube_resource *resource, const json_t *object)
{
	const json_t *labels = doc_get(object, "metadata.labels");

	if (!doc_str(object, "metadata.uid"))
		return;
	if (resource == &kube_configmaps) {
		enum cached_kind kind =
			json_object_get(labels, LABEL_CACHE) ? CACHED_INDEXES : CACHED_FROZEN;

		kube_cache_absorb(work->scope->caches[kind], object);
		return;
	}
	for (size_t i = 0; i < array_size(kinds); i++) {
		if (kinds[i].resource == resource)
			kube_cache_absorb(work->scope->caches[kinds[i].kind], object);
	}
}

void work_fail(struct work *work, const struct err *err, const char *doing)
{
	bool quiet = str_eq(err->reason, "NamespaceTerminating");

	work->failed = true;
	if (err->retry_after_ms > work->retry_after_ms)
		work->retry_after_ms = err->retry_after_ms;
	if (quiet)
		return;
	log_warn("will try again", "key", work->key, "doing", doing, "err.reason", err->reason,
		"err", err_message(err));
}

static void emit(
	struct work *work, bool warning, const char *reason, const char *action, const char *note)
{
	const char *kind = kind_of(work->key[0])->resource->kind;
	auto_json *regarding = name_reference(work->object, kind);

	event_emit(
		work->controller->events, regarding, warning, reason, action, note, time_wall_ms());
}

static void next_write(struct work *work);

/* A frozen spec that several runs own. Whoever uses it rehashes its text. */
static bool same_frozen(const json_t *found, const json_t *body)
{
	const char *hash = json_string_value(
		json_object_get(doc_get(body, "metadata.annotations"), ANNOTATION_HASH));

	return json_object_get(doc_get(found, "metadata.labels"), LABEL_FROZEN) &&
	       str_eq(hash, json_string_value(json_object_get(
				    doc_get(found, "metadata.annotations"), ANNOTATION_HASH)));
}

/* By its controller; the cache's index has none and is known by its label. */
static bool is_ours(const json_t *found, const json_t *body)
{
	const char *controller = name_controller_uid(body);

	if (controller)
		return str_eq(name_controller_uid(found), controller);
	if (json_object_get(doc_get(body, "metadata.labels"), LABEL_FROZEN))
		return same_frozen(found, body);
	return json_object_get(doc_get(found, "metadata.labels"), LABEL_CACHE) != NULL;
}

static void name_conflict(struct work *work, const struct plan_write *write)
{
	auto_err err = ERR_INIT;

	err_set(&err, ERR_USER, "NameConflict",
		"%s \"%s\" exists and belongs to somebody else: delete or rename it",
		write->resource->kind, doc_str_or(write->body, "metadata.name", ""));
	emit(work, true, "NameConflict", "Create", err_message(&err));
	if (write->optional) {
		work->next_write++;
		next_write(work);
		return;
	}
	work_fail(work, &err, "adopt");
	work_end(work);
}

/* What somebody made under our name: adopted into the cache when it is ours. */
static void got_existing(struct kube_op *op)
{
	struct work *work = container_of(op, struct work, op);
	const struct plan_write *write = &work->plan.writes[work->next_write];

	if (op->outcome != KUBE_OK) {
		work->failed = true;
		work_end(work);
	} else if (is_ours(op->result, write->body)) {
		absorb(work, write->resource, op->result);
		queue_add(&work->controller->queue, work->key, QUEUE_HIGH);
		work_end(work);
	} else {
		name_conflict(work, write);
	}
}

static void get_existing(struct work *work, const struct plan_write *write)
{
	kube_op_free(&work->op);
	work->op = (struct kube_op){.verb = KUBE_GET,
		.resource = write->resource,
		.namespace_ = write->namespace_,
		.name = doc_str_or(write->body, "metadata.name", ""),
		.done = got_existing};
	kube_send(work->controller->client, &work->op);
}

static void note_status_write(struct work *work, const struct plan_write *write)
{
	int64_t *when;

	if (!write->subresource)
		return;
	if (work->live)
		work->live->last_write_ms = loop_now_ms(work->controller->loop);
	if (write->resource == &kube_pipelines) {
		when = xnew(int64_t);
		*when = loop_now_ms(work->controller->loop);
		map_set(&work->controller->status_times, work->key, when);
	}
}

static bool passed_over(const struct plan_write *write, const struct kube_op *op)
{
	if (!write->optional || (op->outcome != KUBE_INVALID && op->outcome != KUBE_FORBIDDEN))
		return false;
	log_warn("does without", "kind", write->resource->kind, "err.reason", op->err.reason, "err",
		err_message(&op->err));
	return true;
}

static void write_done(struct kube_op *op)
{
	struct work *work = container_of(op, struct work, op);
	const struct plan_write *write = &work->plan.writes[work->next_write];

	if (passed_over(write, op)) {
		work->next_write++;
		next_write(work);
		return;
	}
	switch (op->outcome) {
	case KUBE_OK:
		if (write->verb != KUBE_DELETE)
			absorb(work, write->resource, op->result);
		note_status_write(work, write);
		break;
	case KUBE_NOT_FOUND: /* gone: the watch tells the rest */
		break;
	case KUBE_EXISTS:
		get_existing(work, write);
		return;
	case KUBE_CONFLICT: /* the cache is behind: look again when it has caught up */
		work->failed = true;
		work_end(work);
		return;
	case KUBE_FORBIDDEN:
		if (work->retry_after_ms < FORBIDDEN_RETRY_MS)
			work->retry_after_ms = FORBIDDEN_RETRY_MS;
		work_fail(work, &op->err, "write");
		work_end(work);
		return;
	default:
		work_fail(work, &op->err, "write");
		work_end(work);
		return;
	}
	work->next_write++;
	next_write(work);
}

static void emit_events(struct work *work)
{
	for (int i = 0; i < work->plan.events_len; i++) {
		const struct plan_event *e = &work->plan.events[i];

		emit(work, e->warning, e->reason, e->action, e->note);
		log_info(e->note, "key", work->key, "event", e->reason);
	}
}

static void next_write(struct work *work)
{
	const struct plan_write *write;

	if (work->next_write == work->plan.len) {
		emit_events(work);
		if (work->plan.requeue_ms)
			queue_add_after(&work->controller->queue, work->key, work->plan.requeue_ms);
		if (work->then)
			work->then(work);
		else
			work_end(work);
		return;
	}
	write = &work->plan.writes[work->next_write];
	kube_op_free(&work->op);
	work->op = (struct kube_op){.verb = write->verb,
		.resource = write->resource,
		.namespace_ = write->namespace_,
		.name = write->name,
		.subresource = write->subresource,
		.body = write->body,
		.done = write_done};
	log_debug("write", "key", work->key, "kind", write->resource->kind, "name",
		write->name ? write->name : doc_str_or(write->body, "metadata.name", ""));
	kube_send(work->controller->client, &work->op);
}

void work_execute(struct work *work)
{
	work->next_write = 0;
	next_write(work);
}

void work_free(struct work *work)
{
	kube_op_free(&work->op);
	gather_clear(&work->gather);
	work_run_release(work);
	work_backend_release(work);
	list_del(&work->link);
	plan_clear(&work->plan);
	json_decref(work->object);
	json_decref(work->components);
	free(work->what);
	gathered_free(work->unkept);
	free(work->key);
	free(work->namespace_);
	free(work->name);
	free(work);
}

void work_end(struct work *work)
{
	struct controller *c = work->controller;

	queue_done(&c->queue, work->key, work->failed, work->retry_after_ms);
	c->works_len--;
	work_free(work);
	if (c->stopping)
		controller_drain(c);
	else
		loop_defer_add(c->loop, &c->pump, c->pump.call);
}

void work_start(struct controller *controller, char *key)
{
	struct work *work = xnew(struct work);
	const char *slash = strchr(key + 2, '/');
	const struct key_kind *kind = kind_of(key[0]);

	work->controller = controller;
	work->key = key;
	work->namespace_ = xstrndup(key + 2, (size_t)(slash - key - 2));
	work->name = xstrdup(slash + 1);
	work->scope = controller_scope(controller, work->namespace_);
	list_add_tail(&controller->works, &work->link);
	controller->works_len++;
	if (work->scope)
		work->object = scope_object(work->scope, kind->cache, work->namespace_, work->name);
	if (!work->object) {
		map_del(&controller->lives, key);
		map_del(&controller->status_times, key);
		map_del(&controller->freezes, key);
		work_end(work);
		return;
	}
	kind->start(work);
}

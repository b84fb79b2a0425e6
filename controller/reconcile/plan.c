#include "reconcile/plan.h"

#include <stdarg.h>
#include <stdlib.h>
#include "base/mem.h"
#include "doc/json.h"
#include "doc/patch.h"
#include "doc/path.h"

static struct plan_write *write_add(struct plan *plan, enum kube_verb verb,
	const struct kube_resource *resource, const char *namespace_)
{
	struct plan_write *w;

	if (plan->len == plan->cap) {
		plan->cap = plan->cap ? 2 * plan->cap : 4;
		plan->writes =
			xreallocarray(plan->writes, (size_t)plan->cap, sizeof(*plan->writes));
	}
	w = &plan->writes[plan->len++];
	*w = (struct plan_write){
		.verb = verb, .resource = resource, .namespace_ = xstrdup(namespace_)};
	return w;
}

void plan_create(struct plan *plan, const struct kube_resource *resource, const char *namespace_,
	json_t *body)
{
	write_add(plan, KUBE_CREATE, resource, namespace_)->body = body;
}

void plan_patch(struct plan *plan, const struct kube_resource *resource, const char *namespace_,
	const char *name, const char *subresource, json_t *body)
{
	struct plan_write *w = write_add(plan, KUBE_MERGE_PATCH, resource, namespace_);

	w->name = xstrdup(name);
	w->subresource = subresource;
	w->body = body;
}

void plan_optional(struct plan *plan)
{
	plan->writes[plan->len - 1].optional = true;
}

void plan_delete(struct plan *plan, const struct kube_resource *resource, const char *namespace_,
	const char *name, const char *uid)
{
	struct plan_write *w = write_add(plan, KUBE_DELETE, resource, namespace_);

	w->name = xstrdup(name);
	w->body = json_pack("{s:s, s:s, s:s, s:{s:s}}", "apiVersion", "v1", "kind", "DeleteOptions",
		"propagationPolicy", "Background", "preconditions", "uid", uid);
}

void plan_event(struct plan *plan, bool warning, const char *reason, const char *action,
	const char *fmt, ...)
{
	va_list ap;

	if (plan->events_len == plan->events_cap) {
		plan->events_cap = plan->events_cap ? 2 * plan->events_cap : 4;
		plan->events = xreallocarray(
			plan->events, (size_t)plan->events_cap, sizeof(*plan->events));
	}
	va_start(ap, fmt);
	plan->events[plan->events_len++] = (struct plan_event){.warning = warning,
		.reason = reason,
		.action = action,
		.note = xvasprintf(fmt, ap)};
	va_end(ap);
}

void plan_requeue(struct plan *plan, int64_t after_ms)
{
	if (after_ms < 1)
		after_ms = 1;
	if (!plan->requeue_ms || after_ms < plan->requeue_ms)
		plan->requeue_ms = after_ms;
}

void plan_clear(struct plan *plan)
{
	for (int i = 0; i < plan->len; i++) {
		free(plan->writes[i].namespace_);
		free(plan->writes[i].name);
		json_decref(plan->writes[i].body);
	}
	for (int i = 0; i < plan->events_len; i++)
		free(plan->events[i].note);
	free(plan->writes);
	free(plan->events);
	*plan = (struct plan)PLAN_INIT;
}

bool plan_status(struct plan *plan, const struct kube_resource *resource, const json_t *object,
	json_t *status)
{
	auto_json *none = json_object();
	const json_t *old = json_object_get(object, "status");
	auto_json *diff = doc_merge_diff(json_is_object(old) ? old : none, status);

	json_decref(status);
	if (json_object_size(diff) == 0)
		return false;
	plan_patch(plan, resource, doc_str_or(object, "metadata.namespace", ""),
		doc_str_or(object, "metadata.name", ""), "status",
		json_pack("{s:{s:s}, s:O}", "metadata", "resourceVersion",
			doc_str_or(object, "metadata.resourceVersion", ""), "status", diff));
	return true;
}

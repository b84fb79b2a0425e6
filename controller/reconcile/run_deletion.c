#include "reconcile/run_deletion.h"

#include "base/str.h"
#include "doc/path.h"
#include "kube/conditions.h"
#include "reconcile/names.h"
#include "runners/kubernetes_observe.h"

#define ORPHAN "Orphan"

static const char *name_of(const json_t *object)
{
	return doc_str_or(object, "metadata.name", "");
}

static const char *namespace_of(const json_t *object)
{
	return doc_str_or(object, "metadata.namespace", "");
}

/* --- the policy --- */

static bool says_orphan(const json_t *pipeline)
{
	return str_eq(doc_str(pipeline, "spec.deletionPolicy"), ORPHAN);
}

static bool is_marked(const json_t *run)
{
	const json_t *annotations = doc_get(run, "metadata.annotations");

	return str_eq(json_string_value(json_object_get(annotations, ANNOTATION_DELETION)), ORPHAN);
}

/* Not one of the same name that came later. */
static bool is_its_pipeline(const json_t *run, const json_t *pipeline)
{
	const char *owner = name_controller_uid(run);

	return pipeline && (!owner || str_eq(owner, doc_str(pipeline, "metadata.uid")));
}

bool run_is_orphan(const struct run_view *view)
{
	return is_its_pipeline(view->run, view->pipeline) ? says_orphan(view->pipeline)
							  : is_marked(view->run);
}

json_t *run_policy_annotations(const json_t *pipeline)
{
	return says_orphan(pipeline) ? json_pack("{s:s}", ANNOTATION_DELETION, ORPHAN) : NULL;
}

void run_tell_policy(const json_t *pipeline, const json_t *runs, struct plan *plan)
{
	bool orphan = says_orphan(pipeline);
	const json_t *run;
	size_t i;

	json_array_foreach (runs, i, run) {
		if (run_is_final(run) || is_marked(run) == orphan ||
			!is_its_pipeline(run, pipeline) ||
			doc_get(run, "metadata.deletionTimestamp"))
			continue;
		plan_patch(plan, &kube_runs, namespace_of(run), name_of(run), NULL,
			json_pack("{s:{s:{s:o}}}", "metadata", "annotations", ANNOTATION_DELETION,
				orphan ? json_string(ORPHAN) : json_null()));
	}
}

/* --- the finalizer --- */

/* Those of the run but ours. New reference. */
static json_t *other_finalizers(const json_t *run)
{
	json_t *finalizers = json_array();
	const json_t *item;
	size_t i;

	json_array_foreach (doc_get(run, "metadata.finalizers"), i, item) {
		if (!str_eq(json_string_value(item), FINALIZER_RUN))
			json_array_append(finalizers, (json_t *)item);
	}
	return finalizers;
}

/* finalizers is stolen. */
static void write_finalizers(const json_t *run, json_t *finalizers, struct plan *plan)
{
	plan_patch(plan, &kube_runs, namespace_of(run), name_of(run), NULL,
		json_pack("{s:{s:s, s:o}}", "metadata", "resourceVersion",
			doc_str_or(run, "metadata.resourceVersion", ""), "finalizers", finalizers));
}

void run_hold(const struct run_view *view, struct plan *plan)
{
	json_t *finalizers = other_finalizers(view->run);

	json_array_append_new(finalizers, json_string(FINALIZER_RUN));
	write_finalizers(view->run, finalizers, plan);
}

void run_let_go(const struct run_view *view, struct plan *plan)
{
	write_finalizers(view->run, other_finalizers(view->run), plan);
}

/* --- owners --- */

bool run_own_spec(const json_t *run, const json_t *map, struct plan *plan)
{
	json_t *owners = json_deep_copy(doc_get(map, "metadata.ownerReferences"));

	if (!json_is_array(owners)) {
		json_decref(owners);
		owners = json_array();
	}
	if (doc_find(owners, "uid", doc_str_or(run, "metadata.uid", ""))) {
		json_decref(owners);
		return false;
	}
	json_array_append_new(owners, name_owner(run, "FondantRun", 0));
	plan_patch(plan, &kube_configmaps, namespace_of(run), name_of(map), NULL,
		json_pack("{s:{s:s, s:o}}", "metadata", "resourceVersion",
			doc_str_or(map, "metadata.resourceVersion", ""), "ownerReferences",
			owners));
	return true;
}

bool run_prepare_orphan(const struct run_view *view, struct plan *plan)
{
	const char *spec = doc_str(view->run, "status.frozenSpec.name");
	const json_t *map;
	bool wrote;

	if (!run_is_orphan(view))
		return false;
	if (!spec)
		spec = doc_str_or(view->run, "spec.frozenSpecRef.name", "");
	map = doc_find(view->frozen, "metadata.name", spec);
	wrote = map && run_own_spec(view->run, map, plan);
	if (!name_has_finalizer(view->run, FINALIZER_RUN)) {
		run_hold(view, plan);
		return true;
	}
	if (wrote) /* the ConfigMap's change is none of the run */
		plan_requeue(plan, 1);
	return wrote;
}

/* Its pod tells first: the Job says so when its controller has seen that. */
static bool has_ended(const json_t *job, const json_t *pods)
{
	const json_t *conditions = doc_get(job, "status.conditions"), *pod;
	const char *uid = doc_str(job, "metadata.uid");
	size_t i;

	json_array_foreach (pods, i, pod) {
		const char *phase = doc_str_or(pod, "status.phase", "");

		if (str_eq(kubernetes_controller_uid(pod), uid) &&
			(str_eq(phase, "Succeeded") || str_eq(phase, "Failed")))
			return true;
	}
	return str_eq(condition_status(conditions, "Complete"), "True") ||
	       str_eq(condition_status(conditions, "Failed"), "True");
}

void run_leave_jobs(
	const struct run_view *view, const json_t *jobs, const json_t *pods, struct plan *plan)
{
	const char *uid = doc_str(view->run, "metadata.uid");
	const json_t *job;
	size_t i;

	json_array_foreach (jobs, i, job) {
		if (has_ended(job, pods) || doc_get(job, "metadata.deletionTimestamp") ||
			!str_eq(kubernetes_controller_uid(job), uid))
			continue;
		/* the UID is a precondition; a Job of ours has one owner */
		plan_patch(plan, &kube_jobs, namespace_of(view->run), name_of(job), NULL,
			json_pack("{s:{s:s, s:n}}", "metadata", "uid",
				doc_str_or(job, "metadata.uid", ""), "ownerReferences"));
	}
}

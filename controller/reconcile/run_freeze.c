#include "reconcile/run_freeze.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "doc/json.h"
#include "doc/path.h"
#include "kube/conditions.h"
#include "reconcile/names.h"
#include "reconcile/run_status.h"

static json_t *map_body(
	const struct run_freeze *freeze, const struct compile_output *out, const char *name)
{
	const struct run_view *view = freeze->view;
	const json_t *model = doc_find(freeze->frozen, "metadata.name", freeze->pinned_name);
	const char *format = freeze->settings->compiler_format ? freeze->settings->compiler_format
							       : COMPILER_FORMAT;
	const json_t *notes = doc_get(model, "metadata.annotations");
	const char *components = json_string_value(json_object_get(notes, ANNOTATION_COMPONENTS));
	auto_free char *hash = xasprintf("sha256:%s", out->hash);

	return json_pack("{s:s, s:s, s:{s:s, s:s, s:{s:s, s:s}, s:{s:s, s:s, s:s}, s:[o]}, s:b, "
			 "s:{s:s}}",
		"apiVersion", "v1", "kind", "ConfigMap", "metadata", "name", name, "namespace",
		doc_str_or(view->run, "metadata.namespace", ""), "labels", LABEL_FROZEN, "true",
		LABEL_PIPELINE, doc_str_or(view->pipeline, "metadata.name", ""), "annotations",
		ANNOTATION_HASH, hash, ANNOTATION_COMPILER, format, ANNOTATION_COMPONENTS,
		components ? components : "", "ownerReferences",
		name_owner(view->run, "FondantRun", 0), "immutable", 1, "data", "spec.json",
		out->text);
}

/* The run becomes an owner of a ConfigMap that is there. */
static void join_owners(const struct run_freeze *freeze, const json_t *map, struct plan *plan)
{
	const json_t *run = freeze->view->run;
	auto_json *owners = json_deep_copy(doc_get(map, "metadata.ownerReferences"));
	const json_t *owner;
	size_t i;

	if (!json_is_array(owners)) {
		json_decref(owners);
		owners = json_array();
	}
	json_array_foreach (owners, i, owner) {
		if (str_eq(doc_str(owner, "uid"), doc_str_or(run, "metadata.uid", "")))
			return;
	}
	json_array_append_new(owners, name_owner(run, "FondantRun", 0));
	plan_patch(plan, &kube_configmaps, doc_str_or(run, "metadata.namespace", ""),
		doc_str_or(map, "metadata.name", ""), NULL,
		json_pack("{s:{s:s, s:O}}", "metadata", "resourceVersion",
			doc_str_or(map, "metadata.resourceVersion", ""), "ownerReferences",
			owners));
}

static void keep(
	const struct run_freeze *freeze, const struct compile_output *out, struct plan *plan)
{
	const struct run_view *view = freeze->view;
	auto_free char *hash = xasprintf("sha256:%s", out->hash);
	auto_free char *name =
		name_frozen(doc_str_or(view->pipeline, "metadata.name", ""), out->hash);
	const json_t *map = doc_find(freeze->frozen, "metadata.name", name);

	if (map)
		join_owners(freeze, map, plan);
	else
		plan_create(plan, &kube_configmaps, doc_str_or(view->run, "metadata.namespace", ""),
			map_body(freeze, out, name));
	run_status_pin(view, name, hash, plan);
}

static void refuse(const struct run_view *view, const struct diag_list *diags, struct plan *plan)
{
	auto_buf message = BUF_INIT_MAX(CONDITION_MESSAGE_MAX);
	const char *reason = "InvalidParameters";

	diag_format(diags, &message, CONDITION_MESSAGE_MAX - 64);
	if (diag_errors(diags) == 0) {
		run_status_waiting(view, RUN_PENDING, diags->len ? diags->items[0].reason : reason,
			buf_str(&message), plan);
		return;
	}
	for (size_t i = 0; diag_errors(diags) == 1 && i < diags->len; i++) {
		if (!diags->items[i].waits && !diags->items[i].warning)
			reason = diags->items[i].reason;
	}
	run_fail(view, reason, buf_str(&message), plan);
}

void run_freeze(const struct run_freeze *freeze, struct plan *plan)
{
	const struct run_view *view = freeze->view;
	const struct pipeline_settings *settings = freeze->settings;
	struct compile_input input = {.namespace_ = doc_str_or(view->run, "metadata.namespace", ""),
		.pipeline = doc_str_or(view->pipeline, "metadata.name", ""),
		.spec = json_object_get(view->pipeline, "spec"),
		.backend = settings->backend,
		.features = settings->features,
		.parameters = doc_get(view->run, "spec.parameters"),
		.pinned = freeze->pinned,
		.compiler_format = settings->compiler_format,
		.text_only = true};
	struct compile_output out;

	if (compile_pipeline(&input, &out) == 0)
		keep(freeze, &out, plan);
	else
		refuse(view, &out.diags, plan);
	compile_output_clear(&out);
}

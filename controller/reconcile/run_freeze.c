#include "reconcile/run_freeze.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "doc/json.h"
#include "doc/path.h"
#include "kube/conditions.h"
#include "reconcile/names.h"
#include "reconcile/native.h"
#include "reconcile/policy.h"
#include "reconcile/run_deletion.h"
#include "reconcile/run_status.h"

static json_t *map_body(const struct run_freeze *freeze, const struct backend_choice *backend,
	const struct compile_output *out, const char *name)
{
	const struct run_view *view = freeze->view;
	const json_t *model = doc_find(freeze->frozen, "metadata.name", freeze->pinned_name);
	const char *format = freeze->settings->compiler_format ? freeze->settings->compiler_format
							       : COMPILER_FORMAT;
	const json_t *notes = doc_get(model, "metadata.annotations");
	const char *components = json_string_value(json_object_get(notes, ANNOTATION_COMPONENTS));
	auto_free char *hash = xasprintf("sha256:%s", out->hash);
	json_t *map = json_pack(
		"{s:s, s:s, s:{s:s, s:s, s:{s:s, s:s}, s:{s:s, s:s, s:s}, s:[o]}, s:b, "
		"s:{s:s}}",
		"apiVersion", "v1", "kind", "ConfigMap", "metadata", "name", name, "namespace",
		doc_str_or(view->run, "metadata.namespace", ""), "labels", LABEL_FROZEN, "true",
		LABEL_PIPELINE, doc_str_or(view->pipeline, "metadata.name", ""), "annotations",
		ANNOTATION_HASH, hash, ANNOTATION_COMPILER, format, ANNOTATION_COMPONENTS,
		components ? components : "", "ownerReferences",
		name_owner(view->run, "FondantRun", 0), "immutable", 1, "data", "spec.json",
		out->text);

	backend_annotate(backend, doc_get(map, "metadata.annotations"));
	return map;
}

/* The native document first, as for a pipeline. */
static void create_maps(const struct run_freeze *freeze, const struct backend_choice *backend,
	const struct compile_output *out, const json_t *native, const char *name, struct plan *plan)
{
	const struct run_view *view = freeze->view;
	const char *ns = doc_str_or(view->run, "metadata.namespace", "");

	if (native)
		plan_create(plan, &kube_configmaps, ns,
			native_map(backend, native, name, ns,
				doc_str_or(view->pipeline, "metadata.name", ""),
				name_owner(view->run, "FondantRun", 0)));
	plan_create(plan, &kube_configmaps, ns, map_body(freeze, backend, out, name));
}

static void keep(const struct run_freeze *freeze, const struct backend_choice *backend,
	const struct compile_output *out, const json_t *native, struct plan *plan)
{
	const struct run_view *view = freeze->view;
	auto_free char *hash = xasprintf("sha256:%s", out->hash);
	auto_free char *name =
		name_frozen(doc_str_or(view->pipeline, "metadata.name", ""), out->hash);
	const json_t *map = doc_find(freeze->frozen, "metadata.name", name);

	if (map)
		run_own_spec(view->run, map, plan);
	else
		create_maps(freeze, backend, out, native, name, plan);
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

/* What the backend itself cannot do is among the findings. */
static void compile(const struct run_freeze *freeze, const struct backend_choice *backend,
	struct compile_output *out, json_t **ret_native)
{
	const struct run_view *view = freeze->view;
	const char *pipeline = doc_str_or(view->pipeline, "metadata.name", "");
	struct compile_input input = {.namespace_ = doc_str_or(view->run, "metadata.namespace", ""),
		.pipeline = pipeline,
		.spec = json_object_get(view->pipeline, "spec"),
		.backend = backend->runner->name,
		.features = backend->runner->features,
		.working_directory = backend->working_directory,
		.parameters = doc_get(view->run, "spec.parameters"),
		.pinned = freeze->pinned,
		.compiler_format = freeze->settings->compiler_format,
		.text_only = true};
	auto_free char *name = NULL;

	*ret_native = NULL;
	if (compile_pipeline(&input, out) != 0)
		return;
	policy_check_text(backend->object, input.spec, out->text, out->text_len, &out->diags);
	name = name_frozen(pipeline, out->hash);
	*ret_native =
		native_document(backend, input.spec, out->text, out->text_len, name, &out->diags);
	diag_sort(&out->diags);
}

void run_freeze(const struct run_freeze *freeze, struct plan *plan)
{
	const struct run_view *view = freeze->view;
	const char *own = doc_str(view->run, "spec.backendRef.name");
	struct backend_source source = {
		.backends = freeze->backends, .implicit = freeze->settings->implicit_backend};
	struct backend_choice backend;
	struct compile_output out = {0};
	auto_diags diags = DIAG_LIST_INIT;
	json_t *native;

	if (!backend_choose(&source, own ? own : doc_str(view->pipeline, "spec.backendRef.name"),
		    own ? "FondantRun: spec.backendRef" : "spec.backendRef", &backend, &diags)) {
		refuse(view, &diags, plan);
		return;
	}
	compile(freeze, &backend, &out, &native);
	if (diag_errors(&out.diags) || diag_waits(&out.diags))
		refuse(view, &out.diags, plan);
	else
		keep(freeze, &backend, &out, native, plan);
	json_decref(native);
	compile_output_clear(&out);
}

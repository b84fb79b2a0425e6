#include "reconcile/pipeline.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "base/vec.h"
#include "doc/canon.h"
#include "doc/json.h"
#include "doc/path.h"
#include "kube/conditions.h"
#include "reconcile/backend.h"
#include "reconcile/names.h"
#include "reconcile/native.h"
#include "reconcile/policy.h"
#include "reconcile/pipeline_status.h"
#include "reconcile/run.h"
#include "reconcile/run_deletion.h"
#include "runners/runner.h"

/* One pass over one pipeline: what was read off the view, and what is being decided. */
struct pass {
	const struct pipeline_view *view;
	struct plan *plan;
	const char *ns, *name, *uid, *format;
	int64_t generation;
	const json_t *spec;
	const char *on_change;   /* Spec | SpecAndComponents | Never */
	const char *rerun_token; /* "" when not set */
	char intent[DIGEST_HEX_SIZE];
	char components[DIGEST_HEX_SIZE]; /* hash of the FondantComponents it refers to */
	json_t *memory;                   /* what has been triggered; NULL: nothing. Owned */
	struct strvec missing;            /* parameters without a default */
	struct backend_choice backend;    /* runner NULL: there is none, backend_diags say why */
	struct diag_list backend_diags;
	struct compile_output out;
	json_t *native; /* the backend's own document; NULL: it has none. Owned */
	bool compiled;
	char *frozen_name;        /* of the spec in force; NULL while there is none. Owned */
	char *frozen_hash;        /* hexadecimal. Owned */
	const json_t *frozen_map; /* its ConfigMap, NULL while it is being made */
};

/* Components by name, in the order of the names: what an edit of one changes. */
static void hash_components(struct pass *p)
{
	auto_strvec names = STRVEC_INIT;
	auto_json *used = json_object();
	auto_free char *text = NULL;

	compile_component_refs(p->spec, &names);
	strvec_for_each (&names, i) {
		json_t *spec = json_object_get(p->view->components, names.items[i]);

		json_object_set(used, names.items[i], spec ? spec : json_null());
	}
	text = canon_str(used, CANON_COMPACT);
	digest_sha256_hex(text, strlen(text), p->components);
}

/* The newest of status.triggered and the annotations of this pipeline's ConfigMaps. */
static json_t *recall(const struct pass *p)
{
	json_t *best = json_incref(doc_get(p->view->pipeline, "status.triggered"));
	const json_t *map;
	size_t i;

	json_array_foreach (p->view->frozen, i, map) {
		const char *text = json_string_value(json_object_get(
			doc_get(map, "metadata.annotations"), ANNOTATION_TRIGGERED));
		json_t *memory = NULL;

		if (!text || !str_eq(name_controller_uid(map), p->uid) ||
			doc_json_parse_lenient(text, strlen(text), &memory, NULL) != 0)
			continue;
		if (!best ||
			doc_int_or(memory, "generation", 0) > doc_int_or(best, "generation", 0)) {
			json_decref(best);
			best = json_incref(memory);
		}
		json_decref(memory);
	}
	return best;
}

/* Null means not set. */
static void find_missing(struct pass *p)
{
	const json_t *parameter;
	size_t i;

	json_array_foreach (json_object_get(p->spec, "parameters"), i, parameter) {
		const json_t *value = json_object_get(parameter, "default");
		const char *name = doc_str(parameter, "name");

		if (name && (!value || json_is_null(value)))
			strvec_add(&p->missing, name);
	}
}

static void choose_backend(struct pass *p)
{
	struct backend_source source = {
		.backends = p->view->backends, .implicit = p->view->settings->implicit_backend};

	backend_choose(&source, doc_str(p->spec, "backendRef.name"), "spec.backendRef", &p->backend,
		&p->backend_diags);
}

static void pass_init(struct pass *p, const struct pipeline_view *view, struct plan *plan)
{
	const json_t *pipeline = view->pipeline;
	bool scheduled = doc_get(pipeline, "spec.triggers.schedule") != NULL;

	*p = (struct pass){.view = view,
		.plan = plan,
		.ns = doc_str_or(pipeline, "metadata.namespace", ""),
		.name = doc_str_or(pipeline, "metadata.name", ""),
		.uid = doc_str_or(pipeline, "metadata.uid", ""),
		.format = view->settings->compiler_format ? view->settings->compiler_format
							  : COMPILER_FORMAT,
		.generation = doc_int_or(pipeline, "metadata.generation", 0),
		.spec = json_object_get(pipeline, "spec"),
		.on_change = doc_str_or(
			pipeline, "spec.triggers.onChange", scheduled ? "Never" : "Spec"),
		.rerun_token = doc_str_or(pipeline, "spec.triggers.rerunToken", "")};
	compile_intent_hash(p->spec, p->intent);
	hash_components(p);
	find_missing(p);
	choose_backend(p);
	p->memory = recall(p);
}

static void pass_clear(struct pass *p)
{
	json_decref(p->memory);
	json_decref(p->native);
	if (p->compiled)
		compile_output_clear(&p->out);
	strvec_clear(&p->missing);
	diag_list_clear(&p->backend_diags);
	free(p->frozen_name);
	free(p->frozen_hash);
}

static const char *annotation(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(doc_get(object, "metadata.annotations"), name));
}

static bool map_outdated(const struct pass *p, const json_t *map)
{
	const char *backend = annotation(map, ANNOTATION_BACKEND_HASH);

	return !str_eq(annotation(map, ANNOTATION_COMPILER), p->format) ||
	       !str_eq(annotation(map, ANNOTATION_COMPONENTS), p->components) ||
	       (p->backend.runner && !str_eq(backend ? backend : "", p->backend.hash));
}

/* A pipeline is frozen anew only when its generation changed, or a component with
 * SpecAndComponents; what could not be frozen, or was lost, is tried again. */
static bool must_compile(const struct pass *p)
{
	const json_t *status = json_object_get(p->view->pipeline, "status");
	const json_t *map =
		doc_find(p->view->frozen, "metadata.name", doc_str_or(status, "frozen.name", ""));

	if (doc_int_or(status, "observedGeneration", -1) != p->generation || !map)
		return true;
	if (!str_eq(condition_status(json_object_get(status, "conditions"), "Ready"), "True"))
		return true;
	return str_eq(p->on_change, "SpecAndComponents") && map_outdated(p, map);
}

static void add_backend_diags(struct pass *p)
{
	for (size_t i = 0; i < p->backend_diags.len; i++) {
		const struct diag *d = &p->backend_diags.items[i];

		if (d->waits)
			diag_add_waiting(&p->out.diags, d->path, d->reason, "%s", d->message);
		else
			diag_add(&p->out.diags, d->path, d->reason, "%s", d->message);
	}
}

/* The backend's own document, for the run id <frozen name>; what it cannot say, and what its policy
 * denies, is an error. */
static void make_native(struct pass *p)
{
	auto_free char *name = name_frozen(p->name, p->out.hash);

	policy_check_text(p->backend.object, p->spec, p->out.text, p->out.text_len, &p->out.diags);
	p->native = native_document(
		&p->backend, p->spec, p->out.text, p->out.text_len, name, &p->out.diags);
}

static void compile(struct pass *p)
{
	const struct pipeline_settings *settings = p->view->settings;
	const struct runner *runner = p->backend.runner;
	struct compile_input input = {.namespace_ = p->ns,
		.pipeline = p->name,
		.spec = p->spec,
		.components = p->view->components,
		.backend = runner ? runner->name : runner_kubernetes.name,
		.features = runner ? runner->features : ~0U,
		.working_directory = p->backend.working_directory,
		.sources = p->view->sources,
		.digests = p->view->digests,
		.compiler_format = settings->compiler_format,
		.text_only = true};

	p->compiled = true;
	compile_pipeline(&input, &p->out);
	add_backend_diags(p);
	diag_sort(&p->out.diags);
	if (!diag_errors(&p->out.diags) && !diag_waits(&p->out.diags))
		make_native(p);
}

static json_t *memory_of(const struct pass *p, const char *run)
{
	return json_pack("{s:I, s:s, s:s, s:s, s:s}", "generation", (json_int_t)p->generation,
		"intent", p->intent, "rerunToken", p->rerun_token, "hash", p->frozen_hash, "run",
		run);
}

static json_t *frozen_map_body(const struct pass *p)
{
	auto_free char *hash = xasprintf("sha256:%s", p->out.hash);
	json_t *body = json_pack("{s:s, s:s, s:{s:s, s:s, s:{s:s, s:s}, s:{s:s, s:s, s:s}, s:[o]}, "
				 "s:b, s:{s:s}}",
		"apiVersion", "v1", "kind", "ConfigMap", "metadata", "name", p->frozen_name,
		"namespace", p->ns, "labels", LABEL_FROZEN, "true", LABEL_PIPELINE, p->name,
		"annotations", ANNOTATION_HASH, hash, ANNOTATION_COMPILER, p->format,
		ANNOTATION_COMPONENTS, p->components, "ownerReferences",
		name_owner(p->view->pipeline, "FondantPipeline", 1), "immutable", 1, "data",
		"spec.json", p->out.text);

	if (str_eq(doc_str(p->memory, "hash"), p->frozen_hash)) {
		auto_free char *memory = canon_str(p->memory, CANON_COMPACT);

		json_object_set_new(doc_get(body, "metadata.annotations"), ANNOTATION_TRIGGERED,
			json_string(memory));
	}
	backend_annotate(&p->backend, doc_get(body, "metadata.annotations"));
	return body;
}

/* The native document comes first: once the frozen spec is there, so is it. */
static void create_map(struct pass *p)
{
	if (p->native)
		plan_create(p->plan, &kube_configmaps, p->ns,
			native_map(&p->backend, p->native, p->frozen_name, p->ns, p->name,
				name_owner(p->view->pipeline, "FondantPipeline", 1)));
	plan_create(p->plan, &kube_configmaps, p->ns, frozen_map_body(p));
}

/* A run with parameters made it first: it is the pipeline's now, too. */
static void adopt_map(struct pass *p)
{
	auto_json *owners = json_deep_copy(doc_get(p->frozen_map, "metadata.ownerReferences"));

	if (!json_is_array(owners)) {
		json_decref(owners);
		owners = json_array();
	}
	json_array_append_new(owners, name_owner(p->view->pipeline, "FondantPipeline", 1));
	plan_patch(p->plan, &kube_configmaps, p->ns, p->frozen_name, NULL,
		json_pack("{s:{s:s, s:O}}", "metadata", "resourceVersion",
			doc_str_or(p->frozen_map, "metadata.resourceVersion", ""),
			"ownerReferences", owners));
}

/* The same spec may be frozen for another backend of the same kind, or for an edited one. */
static void mark_backend(struct pass *p)
{
	const char *hash = annotation(p->frozen_map, ANNOTATION_BACKEND_HASH);
	json_t *marks;

	if (str_eq(hash ? hash : "", p->backend.hash))
		return;
	marks = json_pack("{s:n, s:n}", ANNOTATION_BACKEND, ANNOTATION_BACKEND_HASH);
	backend_annotate(&p->backend, marks);
	plan_patch(p->plan, &kube_configmaps, p->ns, p->frozen_name, NULL,
		json_pack("{s:{s:s, s:o}}", "metadata", "resourceVersion",
			doc_str_or(p->frozen_map, "metadata.resourceVersion", ""), "annotations",
			marks));
}

/* Puts the frozen spec in force: the one just compiled, or the one that the status names. */
static void freeze(struct pass *p)
{
	if (!p->compiled) {
		const json_t *status = json_object_get(p->view->pipeline, "status");
		const char *hash = doc_str_or(status, "frozen.hash", "");

		p->frozen_name = xstrdup(doc_str_or(status, "frozen.name", ""));
		p->frozen_hash = xstrdup(str_starts_with(hash, "sha256:") ? hash + 7 : hash);
		p->frozen_map = doc_find(p->view->frozen, "metadata.name", p->frozen_name);
		return;
	}
	if (diag_errors(&p->out.diags) || diag_waits(&p->out.diags))
		return;
	p->frozen_name = name_frozen(p->name, p->out.hash);
	p->frozen_hash = xstrdup(p->out.hash);
	p->frozen_map = doc_find(p->view->frozen, "metadata.name", p->frozen_name);
	if (!p->frozen_map)
		create_map(p);
	else if (!name_controller_uid(p->frozen_map))
		adopt_map(p);
	else if (p->backend.hash[0] || annotation(p->frozen_map, ANNOTATION_BACKEND_HASH))
		mark_backend(p);
}

static bool trigger_due(const struct pass *p)
{
	bool token_is_new =
		*p->rerun_token && !str_eq(doc_str(p->memory, "rerunToken"), p->rerun_token);

	if (!p->frozen_name || doc_bool_or(p->spec, "suspend", false) || p->missing.len > 0)
		return false;
	if (token_is_new)
		return true;
	if (str_eq(p->on_change, "Never"))
		return false;
	if (!str_eq(doc_str(p->memory, "intent"), p->intent))
		return true;
	return str_eq(p->on_change, "SpecAndComponents") &&
	       !str_eq(doc_str(p->memory, "hash"), p->frozen_hash);
}

static const json_t *active_run(const struct pass *p)
{
	const json_t *run;
	size_t i;

	json_array_foreach (p->view->runs, i, run) {
		if (!run_is_final(run) && !doc_get(run, "metadata.deletionTimestamp"))
			return run;
	}
	return NULL;
}

static char *triggered_run_name(const struct pass *p)
{
	bool components = str_eq(p->on_change, "SpecAndComponents");
	auto_free char *token = xasprintf(
		"%s\n%s\n%s", p->intent, p->rerun_token, components ? p->frozen_hash : "");

	return name_run(p->name, p->uid, p->generation, token);
}

static json_t *run_body(const struct pass *p, const char *name)
{
	return json_pack("{s:s, s:s, s:{s:s, s:s, s:{s:s}, s:o*, s:[o]}, s:{s:{s:s}}}",
		"apiVersion", API_VERSION, "kind", "FondantRun", "metadata", "name", name,
		"namespace", p->ns, "labels", LABEL_PIPELINE, p->name, "annotations",
		run_policy_annotations(p->view->pipeline), "ownerReferences",
		name_owner(p->view->pipeline, "FondantPipeline", 1), "spec", "frozenSpecRef",
		"name", p->frozen_name);
}

/* Remembers a trigger in the frozen ConfigMap, with the run as a further owner of it. */
static void remember(struct pass *p, const json_t *run)
{
	const char *run_name = doc_str_or(run, "metadata.name", "");
	json_t *memory = memory_of(p, run_name);
	auto_free char *text = canon_str(memory, CANON_COMPACT);
	json_t *owners, *owner;
	size_t i;

	json_decref(p->memory);
	p->memory = memory;
	if (!p->frozen_map || str_eq(annotation(p->frozen_map, ANNOTATION_TRIGGERED), text))
		return;
	owners = json_deep_copy(doc_get(p->frozen_map, "metadata.ownerReferences"));
	if (!json_is_array(owners)) {
		json_decref(owners);
		owners = json_array();
	}
	/* runs that are gone would only make the list grow */
	for (i = json_array_size(owners); i-- > 0;) {
		owner = json_array_get(owners, i);
		if (str_eq(doc_str(owner, "kind"), "FondantRun") &&
			!doc_find(p->view->runs, "metadata.name", doc_str_or(owner, "name", "")))
			json_array_remove(owners, i);
	}
	json_array_append_new(owners, name_owner(run, "FondantRun", 0));
	plan_patch(p->plan, &kube_configmaps, p->ns, p->frozen_name, NULL,
		json_pack("{s:{s:s, s:{s:s}, s:o}}", "metadata", "resourceVersion",
			doc_str_or(p->frozen_map, "metadata.resourceVersion", ""), "annotations",
			ANNOTATION_TRIGGERED, text, "ownerReferences", owners));
}

/* Returns what the trigger waits for, NULL when nothing waits. */
static const json_t *trigger(struct pass *p)
{
	auto_free char *name = NULL;
	const json_t *run, *active;

	if (!trigger_due(p))
		return NULL;
	name = triggered_run_name(p);
	run = doc_find(p->view->runs, "metadata.name", name);
	if (run) {
		remember(p, run);
		return NULL;
	}
	active = active_run(p);
	if (active)
		return active;
	plan_create(p->plan, &kube_runs, p->ns, run_body(p, name));
	return NULL;
}

/* --- pruning --- */

struct finished {
	const json_t *run;
	const char *time;
};

static int newest_first(const void *a, const void *b)
{
	return strcmp(((const struct finished *)b)->time, ((const struct finished *)a)->time);
}

static void prune_runs(struct pass *p, bool successful, int64_t limit)
{
	size_t total = json_array_size(p->view->runs), len = 0, i;
	struct finished *done = xcalloc(total + 1, sizeof(*done));
	const json_t *run;

	json_array_foreach (p->view->runs, i, run) {
		bool succeeded = str_eq(doc_str(run, "status.phase"), "Succeeded");

		if (run_is_final(run) && succeeded == successful &&
			str_eq(name_controller_uid(run), p->uid) &&
			!doc_get(run, "metadata.deletionTimestamp"))
			done[len++] = (struct finished){
				run, doc_str_or(run, "status.completionTime", "")};
	}
	qsort(done, len, sizeof(*done), newest_first);
	for (i = limit < 0 ? 0 : (size_t)limit; i < len; i++)
		plan_delete(p->plan, &kube_runs, p->ns,
			doc_str_or(done[i].run, "metadata.name", ""),
			doc_str_or(done[i].run, "metadata.uid", ""));
	free(done);
}

/* A run of this pipeline, still there, has made it its own. */
static bool map_has_run(const struct pass *p, const json_t *map)
{
	const json_t *owner;
	size_t i;

	json_array_foreach (doc_get(map, "metadata.ownerReferences"), i, owner) {
		const json_t *run =
			doc_find(p->view->runs, "metadata.name", doc_str_or(owner, "name", ""));

		if (str_eq(doc_str(owner, "kind"), "FondantRun") && run &&
			str_eq(doc_str(run, "metadata.uid"), doc_str_or(owner, "uid", "")))
			return true;
	}
	return false;
}

static bool map_in_use(const struct pass *p, const json_t *map)
{
	auto_free char *name = native_base(doc_str_or(map, "metadata.name", ""));
	const json_t *frozen = doc_find(p->view->frozen, "metadata.name", name);
	const char *hash = annotation(frozen, ANNOTATION_HASH);
	const json_t *run;
	size_t i;

	if (str_eq(name, p->frozen_name) ||
		str_eq(name, doc_str(p->view->pipeline, "status.frozen.name")) ||
		(hash && str_eq(hash + strlen("sha256:"), doc_str(p->memory, "hash"))) ||
		map_has_run(p, frozen))
		return true;
	json_array_foreach (p->view->runs, i, run) {
		if (str_eq(name, doc_str(run, "spec.frozenSpecRef.name")) ||
			str_eq(name, doc_str(run, "status.frozenSpec.name")))
			return true;
	}
	return false;
}

static void prune(struct pass *p)
{
	const json_t *map;
	size_t i;

	prune_runs(p, true, doc_int_or(p->spec, "successfulRunsHistoryLimit", 3));
	prune_runs(p, false, doc_int_or(p->spec, "failedRunsHistoryLimit", 3));
	if (!p->frozen_name)
		return;
	json_array_foreach (p->view->frozen, i, map) {
		if (str_eq(name_controller_uid(map), p->uid) && !map_in_use(p, map))
			plan_delete(p->plan, &kube_configmaps, p->ns,
				doc_str_or(map, "metadata.name", ""),
				doc_str_or(map, "metadata.uid", ""));
	}
}

bool pipeline_freezes(const struct pipeline_view *view)
{
	struct plan plan = PLAN_INIT;
	struct pass p;
	bool freezes;

	if (doc_get(view->pipeline, "metadata.deletionTimestamp"))
		return false;
	pass_init(&p, view, &plan);
	freezes = must_compile(&p);
	pass_clear(&p);
	return freezes;
}

bool pipeline_compiles(const struct pipeline_view *view)
{
	struct plan plan = PLAN_INIT;
	struct pass p;
	bool compiles;

	pass_init(&p, view, &plan);
	compile(&p);
	compiles = !diag_errors(&p.out.diags);
	for (size_t i = 0; i < p.out.diags.len; i++) {
		const struct diag *d = &p.out.diags.items[i];

		compiles &= !d->waits || str_eq(d->reason, "ImageNotResolved");
	}
	pass_clear(&p);
	return compiles;
}

void pipeline_reconcile(const struct pipeline_view *view, struct plan *plan)
{
	struct pass p;
	struct pipeline_findings findings;
	const json_t *waits_for;

	if (doc_get(view->pipeline, "metadata.deletionTimestamp"))
		return;
	pass_init(&p, view, plan);
	if (must_compile(&p))
		compile(&p);
	freeze(&p);
	waits_for = trigger(&p);
	run_tell_policy(view->pipeline, view->runs, plan);
	findings = (struct pipeline_findings){.pipeline = view->pipeline,
		.runs = view->runs,
		.out = p.compiled ? &p.out : NULL,
		.frozen_name = p.frozen_name,
		.frozen_hash = p.frozen_hash,
		.outdated = p.frozen_map && map_outdated(&p, p.frozen_map),
		.digests = view->digests,
		.missing = &p.missing,
		.memory = p.memory,
		.waits_for = doc_str(waits_for, "metadata.name"),
		.now_s = view->now_s};
	/* a status that names a ConfigMap or run comes after these are there */
	if (plan->len == 0 || !p.frozen_name || p.frozen_map)
		pipeline_status(&findings, plan);
	prune(&p);
	pass_clear(&p);
}

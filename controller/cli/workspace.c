#include "cli/workspace.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "cli/folder.h"
#include "compiler/config_key.h"
#include "doc/path.h"
#include "reconcile/native.h"
#include "reconcile/policy.h"
#include "runners/runner.h"

#define GROUP "fondant.ai/"
#define API_VERSION GROUP "v1alpha1"
#define DEFAULT_NAMESPACE "default"

static const struct {
	const char *name;
	enum object_kind kind;
} kinds[] = {
	{"FondantPipeline", OBJECT_PIPELINE},
	{"FondantComponent", OBJECT_COMPONENT},
	{"FondantRun", OBJECT_RUN},
	{"FondantBackend", OBJECT_BACKEND},
	{"FrozenSpec", OBJECT_FROZEN},
};

static enum object_kind classify(const json_t *json)
{
	const char *version = json_string_value(json_object_get(json, "apiVersion"));
	const char *kind = json_string_value(json_object_get(json, "kind"));

	if (!version && !kind)
		return json_is_object(json) && json_object_get(json, "image")
			       ? OBJECT_COMPONENT_FILE
			       : OBJECT_UNKNOWN;
	if (!version || !kind || !*version || !*kind)
		return OBJECT_UNKNOWN;
	if (str_eq(version, "v1") && str_eq(kind, "ConfigMap"))
		return json_string_value(
			       json_object_get(json_object_get(json, "data"), "spec.json"))
			       ? OBJECT_FROZEN
			       : OBJECT_CONFIGMAP;
	if (!str_starts_with(version, GROUP))
		return OBJECT_FOREIGN;
	for (size_t i = 0; str_eq(version, API_VERSION) && i < array_size(kinds); i++) {
		if (str_eq(kind, kinds[i].name))
			return kinds[i].kind;
	}
	return OBJECT_STRANGE;
}

static void add_object(struct workspace *ws, const struct source *source, const struct doc *doc,
	const json_t *json, char *prefix)
{
	struct object *object;

	ws->objects = xreallocarray(ws->objects, ws->objects_len + 1, sizeof(*ws->objects));
	object = &ws->objects[ws->objects_len++];
	*object = (struct object){.kind = classify(json),
		.source = source,
		.doc = doc,
		.json = json,
		.prefix = prefix,
		.kind_name = doc_str_or(json, "kind", ""),
		.name = doc_str_or(json, "metadata.name", ""),
		.namespace_ = doc_str(json, "metadata.namespace")};
	/* One that lacks its image is still a component file, by its name. */
	if (object->kind == OBJECT_UNKNOWN && json_is_object(json) && !*object->kind_name &&
		source_is_component_file(source->name))
		object->kind = OBJECT_COMPONENT_FILE;
	if (object->kind == OBJECT_COMPONENT_FILE) {
		object->kind_name = "component";
		object->name = doc_str_or(json, "name", "");
		object->namespace_ = NULL;
	}
}

static void add_document(struct workspace *ws, const struct source *source, const struct doc *doc)
{
	const char *kind = doc_str(doc->root, "kind");
	json_t *items = json_object_get(doc->root, "items"), *item;
	size_t i;

	if (json_is_null(doc->root))
		return;
	if (!kind || !str_ends_with(kind, "List") || !json_is_array(items)) {
		add_object(ws, source, doc, doc->root, xstrdup(""));
		return;
	}
	json_array_foreach (items, i, item)
		add_object(ws, source, doc, item, xasprintf("items[%zu].", i));
}

/* One that is a folder's answers to the folder's name; two of one name answer to nothing. */
static void add_folder(struct workspace *ws, struct object *object)
{
	const char *at = object->source->name;
	const struct object *other;

	if (object->kind != OBJECT_COMPONENT_FILE || *object->prefix)
		return;
	object->folder = folder_of(at);
	object->ref = object->folder ? folder_ref(object->folder) : NULL;
	if (!object->ref)
		return;
	other = json_object_get(ws->folders, object->ref) ? workspace_folder(ws, object->ref)
							  : NULL;
	if (!json_object_get(ws->folders, object->ref))
		json_object_set(ws->folders, object->ref, (json_t *)object->json);
	else if (other)
		json_object_set_new(ws->folders, object->ref,
			json_pack("{s:o}", "error",
				json_sprintf("the folders %s and %s both answer to `%s`: give one "
					     "of them with -f",
					other->folder, object->folder, object->ref)));
}

/* A bare component file under another name is read again, as the framework will. */
static void reread_component(struct source *source)
{
	if (source->stream.len == 1 &&
		classify(source->stream.docs[0].root) == OBJECT_COMPONENT_FILE)
		source_parse(source, DOC_YAML_PYYAML);
}

static int load_sources(struct workspace *ws, const struct strvec *paths,
	const struct strvec *files, FILE *in, struct err *err)
{
	size_t total = 0;

	ws->sources = xcalloc(files->len + 1, sizeof(*ws->sources));
	strvec_for_each (files, i) {
		struct source *source = &ws->sources[i];

		if (source_open(files->items[i], in, source, err) < 0)
			return -1;
		ws->sources_len++;
		source->found = !strvec_has(paths, files->items[i]);
		total += source->len;
		if (total > WORKSPACE_MAX_TEXT)
			return err_set(err, ERR_USER, "Unreadable",
				"%s: over %zu MiB in all the files together", source->name,
				WORKSPACE_MAX_TEXT >> 20);
		reread_component(source);
		for (size_t j = 0; j < source->stream.len; j++)
			add_document(ws, source, &source->stream.docs[j]);
	}
	for (size_t i = 0; i < ws->objects_len; i++)
		add_folder(ws, &ws->objects[i]);
	return 0;
}

static void free_json(void *json)
{
	json_decref(json);
}

int workspace_load(const struct strvec *paths, bool recursive, FILE *in, struct workspace *ret_ws,
	struct err *err)
{
	struct workspace ws = {.folders = json_object(),
		.components = {.free_value = free_json},
		.configmaps = {.free_value = free_json}};
	auto_strvec files = STRVEC_INIT;

	if (source_list(paths, recursive, &files, err) < 0)
		return -1;
	if (load_sources(&ws, paths, &files, in, err) < 0) {
		workspace_clear(&ws);
		return -1;
	}
	*ret_ws = ws;
	return 0;
}

void workspace_clear(struct workspace *ws)
{
	for (size_t i = 0; i < ws->objects_len; i++) {
		free(ws->objects[i].prefix);
		free(ws->objects[i].folder);
		free(ws->objects[i].ref);
	}
	json_decref(ws->folders);
	for (size_t i = 0; i < ws->sources_len; i++)
		source_clear(&ws->sources[i]);
	free(ws->objects);
	free(ws->sources);
	map_clear(&ws->components);
	map_clear(&ws->configmaps);
	*ws = (struct workspace){.sources = NULL};
}

/* --- what a pipeline finds ------------------------------------------------------------------ */

/* An object that names no namespace goes wherever the others go. */
static bool in_namespace(const struct object *object, const char *namespace_)
{
	return !namespace_ || !object->namespace_ || str_eq(object->namespace_, namespace_);
}

const struct object *workspace_find(
	const struct workspace *ws, enum object_kind kind, const char *namespace_, const char *name)
{
	for (size_t i = 0; i < ws->objects_len; i++) {
		const struct object *object = &ws->objects[i];

		if (object->kind == kind && in_namespace(object, namespace_) &&
			str_eq(object->name, name))
			return object;
	}
	return NULL;
}

const struct object *workspace_folder(const struct workspace *ws, const char *ref)
{
	const json_t *json = json_object_get(ws->folders, ref);

	for (size_t i = 0; json && i < ws->objects_len; i++) {
		if (ws->objects[i].json == json)
			return &ws->objects[i];
	}
	return NULL;
}

/* FondantComponent name -> its spec, of one namespace; borrowed. */
static const json_t *components_of(struct workspace *ws, const char *namespace_)
{
	json_t *all = map_get(&ws->components, namespace_);

	if (all)
		return all;
	all = json_object();
	for (size_t i = 0; i < ws->objects_len; i++) {
		const struct object *object = &ws->objects[i];
		json_t *spec = json_object_get(object->json, "spec");

		if (object->kind == OBJECT_COMPONENT && in_namespace(object, namespace_) && spec)
			json_object_set_nocheck(all, object->name, spec);
	}
	map_set(&ws->components, namespace_, all);
	return all;
}

/* "<ConfigMap>/<key>" -> text, of one namespace; borrowed. */
static const json_t *sources_of(struct workspace *ws, const char *namespace_)
{
	json_t *all = map_get(&ws->configmaps, namespace_), *text;
	const char *key;

	if (all)
		return all;
	all = json_object();
	for (size_t i = 0; i < ws->objects_len; i++) {
		const struct object *object = &ws->objects[i];

		if (object->kind != OBJECT_CONFIGMAP || !in_namespace(object, namespace_))
			continue;
		json_object_foreach (json_object_get(object->json, "data"), key, text) {
			auto_free char *name = xasprintf("%s/%s", object->name, key);

			if (json_is_string(text))
				json_object_set_nocheck(all, name, text);
		}
		json_object_foreach (json_object_get(object->json, "binaryData"), key, text) {
			auto_free char *name = xasprintf("%s/%s", object->name, key);

			if (!json_object_get(all, name))
				json_object_set_new_nocheck(
					all, name, json_pack("{s:s}", "error", CONFIG_KEY_BINARY));
		}
	}
	map_set(&ws->configmaps, namespace_, all);
	return all;
}

const char *const workspace_backends[] = {
	"kubernetes", "docker", "kubeflow", "vertex", "sagemaker", NULL};

/* The one member of spec that says which backend it is; NULL when there is none. */
static const char *backend_kind(const struct object *backend)
{
	for (size_t i = 0; backend && workspace_backends[i]; i++) {
		if (doc_get(json_object_get(backend->json, "spec"), workspace_backends[i]))
			return workspace_backends[i];
	}
	return NULL;
}

static void drop_text(struct compile_output *output)
{
	diag_sort(&output->diags);
	free(output->text);
	output->text = NULL;
	json_decref(output->frozen);
	output->frozen = NULL;
}

static void refuse_backend(const char *backend, struct compile_output *output)
{
	diag_add(&output->diags, "spec.backendRef", "NotYetSupported",
		"this release does not compile for backend `%.63s` yet; choose another with "
		"--backend",
		backend);
	drop_text(output);
}

/* What the backend's own document cannot say, and its policy denies, as the operator finds it. */
static void check_document(const struct runner *runner, const struct object *given,
	const struct compile_input *input, struct compile_output *output)
{
	struct backend_choice choice = {
		.runner = runner, .settings = workspace_settings(given, runner->name)};
	size_t before = diag_errors(&output->diags);
	json_t *document = native_document(&choice, input->spec, output->text, output->text_len,
		input->pipeline, &output->diags);

	if (choice.settings)
		policy_check_text(
			given->json, input->spec, output->text, output->text_len, &output->diags);
	if (diag_errors(&output->diags) > before)
		drop_text(output);
	json_decref(document);
}

const json_t *workspace_settings(const struct object *backend, const char *kind)
{
	return backend ? doc_get(json_object_get(backend->json, "spec"), kind) : NULL;
}

const json_t *workspace_first_settings(const struct workspace *ws, const char *kind)
{
	const json_t *settings = NULL;

	for (size_t i = 0; i < ws->objects_len && !settings; i++) {
		if (ws->objects[i].kind == OBJECT_BACKEND)
			settings = workspace_settings(&ws->objects[i], kind);
	}
	return settings;
}

const struct object *workspace_backend(struct workspace *ws, const struct object *pipeline,
	const struct compile_settings *settings)
{
	const char *ns = pipeline->namespace_ ? pipeline->namespace_ : settings->namespace_;
	const char *name = doc_str_or(pipeline->json, "spec.backendRef.name", "default");

	return workspace_find(ws, OBJECT_BACKEND, ns ? ns : DEFAULT_NAMESPACE,
		settings->backend_ref ? settings->backend_ref : name);
}

int workspace_compile(struct workspace *ws, const struct object *pipeline,
	const struct compile_settings *settings, struct compile_output *ret_output)
{
	const char *ns = pipeline->namespace_ ? pipeline->namespace_ : settings->namespace_;
	const json_t *spec = json_object_get(pipeline->json, "spec");
	const struct object *given = workspace_backend(ws, pipeline, settings);
	const struct runner *runner;
	struct compile_input input;

	if (!ns)
		ns = DEFAULT_NAMESPACE;
	input = (struct compile_input){.namespace_ = ns,
		.pipeline = pipeline->name,
		.spec = spec,
		.components = components_of(ws, ns),
		.folders = ws->folders,
		.built = settings->built,
		.sources = sources_of(ws, ns),
		.digests = settings->digests,
		.parameters = settings->parameters,
		.backend = settings->backend ? settings->backend : backend_kind(given),
		.working_directory = settings->working_directory,
		.text_only = true};
	if (!input.working_directory && given)
		input.working_directory = doc_str(given->json, "spec.workingDirectory");
	if (!input.backend)
		input.backend = "kubernetes";
	runner = runner_find(input.backend);
	/* what such a backend could not honour is not known: nothing is said about it */
	input.features = runner ? runner->features : ~0U;
	compile_pipeline(&input, ret_output);
	if (!runner)
		refuse_backend(input.backend, ret_output);
	else if (ret_output->text)
		check_document(runner, given, &input, ret_output);
	return ret_output->text ? 0 : 1;
}

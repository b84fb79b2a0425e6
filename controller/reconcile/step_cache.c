#include "reconcile/step_cache.h"

#include <stdlib.h>
#include <string.h>
#include "base/digest.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/vec.h"
#include "compiler/settings.h"
#include "doc/canon.h"
#include "doc/json.h"
#include "doc/path.h"
#include "reconcile/names.h"
#include "runners/kubernetes_template.h"

/* The mount that the directory lies on: the longest path above it. */
static const json_t *mount_of(const json_t *pod_spec, const char *directory)
{
	const json_t *best = NULL, *container, *mount;
	size_t best_len = 0, i, j;

	json_array_foreach (json_object_get(pod_spec, "containers"), i, container) {
		json_array_foreach (json_object_get(container, "volumeMounts"), j, mount) {
			const char *path = doc_str_or(mount, "mountPath", "");

			if (strlen(path) < best_len || !settings_lies_below(directory, path))
				continue;
			best = mount;
			best_len = strlen(path);
		}
	}
	return best;
}

/* The volume behind the directory in such a pod, as text; "" when there is none. */
static char *volume_in(const json_t *pod_spec, const char *directory)
{
	const json_t *mount = mount_of(pod_spec, directory), *volume;
	size_t i;

	json_array_foreach (json_object_get(pod_spec, "volumes"), i, volume) {
		if (mount && str_eq(doc_str(volume, "name"), doc_str_or(mount, "name", ""))) {
			auto_json *both =
				json_pack("[O, s]", volume, doc_str_or(mount, "subPath", ""));
			return canon_str(both, CANON_COMPACT);
		}
	}
	return xstrdup("");
}

/* The volume that an absolute working directory lies on in the pods of the steps, as text: one
 * where all have the same, else one after the other; "" for a URI. */
static char *volume_identity(const struct frozen_spec *spec)
{
	const json_t *pipeline = doc_get(spec->json, "podTemplate.spec");
	auto_strvec volumes = STRVEC_INIT;
	auto_free char *common = NULL;

	if (spec->working_directory[0] != '/')
		return xstrdup("");
	common = volume_in(pipeline, spec->working_directory);
	for (int i = 0; i < spec->steps_len; i++) {
		const json_t *own = doc_get(spec->steps[i].json, "podTemplate.spec");
		auto_json *pod = NULL;
		auto_free char *volume = NULL;

		if (!own) {
			strvec_add(&volumes, common);
			continue;
		}
		pod = pipeline ? json_deep_copy(pipeline) : json_object();
		kubernetes_template_merge(pod, own);
		volume = volume_in(pod, spec->working_directory);
		strvec_add(&volumes, volume);
	}
	strvec_sort(&volumes);
	if (volumes.len && str_eq(volumes.items[0], volumes.items[volumes.len - 1]))
		return xstrdup(volumes.items[0]);
	return strvec_join(&volumes, "\n");
}

char *step_cache_name(const struct frozen_spec *spec)
{
	char hex[DIGEST_HEX_SIZE];
	auto_free char *volume = volume_identity(spec);

	digest_sha256_parts(
		hex, spec->dataset_name, spec->working_directory, volume, spec->backend, NULL);
	return xasprintf("fondant-cache-%.12s", hex);
}

static bool same_refs(const json_t *inputs, const char *const *refs, int len)
{
	if (!json_is_array(inputs) || json_array_size(inputs) != (size_t)len)
		return false;
	for (int i = 0; i < len; i++) {
		const char *ref = json_string_value(json_array_get(inputs, (size_t)i));

		if (!ref || !refs[i] || strcmp(ref, refs[i]) != 0)
			return false;
	}
	return true;
}

static json_t *entry_of(const json_t *data, const char *key)
{
	const char *text = json_string_value(json_object_get(data, key));
	json_t *entry = NULL;

	if (text)
		doc_json_parse_lenient(text, strlen(text), &entry, NULL);
	return entry;
}

static bool young_enough(const struct step_cache_view *view, const struct spec_step *step,
	const json_t *entry, int inputs)
{
	int64_t age = view->now_s - doc_int_or(entry, "time", 0);

	if (view->scheduled && inputs == 0 && !step->cache_max_age_s)
		return false;
	return !step->cache_max_age_s || age <= step->cache_max_age_s;
}

static const char *lookup(void *arg, const struct spec_step *step, const char *const *refs, int len)
{
	struct step_cache_view *view = arg;
	json_t *entry = step->cache_key ? entry_of(view->data, step->cache_key) : NULL;
	const char *ref = doc_str(entry, "at");

	if (!ref || !same_refs(doc_get(entry, "inputs"), refs, len) ||
		!young_enough(view, step, entry, len)) {
		json_decref(entry);
		return NULL;
	}
	json_array_append_new(view->parsed, entry);
	return ref;
}

void step_cache_view_init(
	struct step_cache_view *view, const json_t *index, int64_t now_s, bool scheduled)
{
	*view = (struct step_cache_view){.cache = {.lookup = lookup, .arg = view},
		.data = json_object_get(index, "data"),
		.parsed = json_array(),
		.now_s = now_s,
		.scheduled = scheduled};
}

void step_cache_view_clear(struct step_cache_view *view)
{
	json_decref(view->parsed);
	view->parsed = NULL;
}

/* Entries of the steps that really ran and may be found again; new reference. */
static json_t *new_entries(
	const struct frozen_spec *spec, const struct run_state *state, const json_t *data)
{
	json_t *entries = json_object();

	for (int i = 0; i < spec->steps_len; i++) {
		const struct spec_step *step = &spec->steps[i];
		auto_json *inputs = json_array();
		auto_json *entry = NULL;
		auto_free char *text = NULL;
		const char *old;

		if (state->steps[i].phase != STEP_SUCCEEDED || !state->steps[i].ref ||
			!step->cacheable || step->cache == CACHE_NEVER || !step->cache_key)
			continue;
		old = json_string_value(json_object_get(data, step->cache_key));
		for (int j = 0; j < step->from_len; j++)
			json_array_append_new(inputs, json_string(state->steps[step->from[j]].ref));
		entry = json_pack("{s:s, s:O, s:I}", "at", state->steps[i].ref, "inputs", inputs,
			"time", (json_int_t)state->steps[i].end_s);
		text = canon_str(entry, CANON_COMPACT);
		if (!str_eq(old, text))
			json_object_set_new(entries, step->cache_key, json_string(text));
	}
	return entries;
}

struct aged_key {
	const char *key;
	int64_t time;
};

static int by_age(const void *a, const void *b)
{
	const struct aged_key *x = a, *y = b;

	return x->time < y->time ? -1 : x->time > y->time;
}

static size_t weight(const char *key, const json_t *value)
{
	return strlen(key) + json_string_length(value);
}

/* Adds `null` for the oldest entries beyond the bounds to the patch's data. */
static void prune(json_t *patch_data, const json_t *data)
{
	struct aged_key *keys = xcalloc(json_object_size(data) + 1, sizeof(*keys));
	size_t total = json_object_size(patch_data), bytes = 0, len = 0;
	const char *key;
	json_t *value;

	json_object_foreach (patch_data, key, value)
		bytes += weight(key, value);
	json_object_foreach ((json_t *)data, key, value) {
		auto_json *entry = NULL;

		if (json_object_get(patch_data, key))
			continue;
		entry = entry_of(data, key);
		bytes += weight(key, value);
		total++;
		keys[len++] = (struct aged_key){key, doc_int_or(entry, "time", 0)};
	}
	qsort(keys, len, sizeof(*keys), by_age);
	for (size_t i = 0; i < len && (total > STEP_CACHE_MAX || bytes > STEP_CACHE_BYTES); i++) {
		total--;
		bytes -= weight(keys[i].key, json_object_get(data, keys[i].key));
		json_object_set_new(patch_data, keys[i].key, json_null());
	}
	free(keys);
}

static bool has_hits(const struct run_state *state)
{
	for (int i = 0; i < state->steps_len; i++) {
		if (state->steps[i].phase == STEP_CACHED)
			return true;
	}
	return false;
}

static json_t *owners_with(const json_t *index, const json_t *owner)
{
	const json_t *old = doc_get(index, "metadata.ownerReferences");
	json_t *owners = json_is_array(old) ? json_copy((json_t *)old) : json_array();
	json_t *each;
	size_t i;

	json_array_foreach (owners, i, each) {
		if (str_eq(doc_str(each, "uid"), doc_str_or(owner, "uid", "")))
			return owners;
	}
	if (owner)
		json_array_append(owners, (json_t *)owner);
	return owners;
}

static json_t *index_body(
	const char *name, const struct frozen_spec *spec, json_t *owners, json_t *entries)
{
	return json_pack("{s:s, s:s, s:{s:s, s:{s:s}, s:{s:s, s:s}, s:O}, s:O}", "apiVersion", "v1",
		"kind", "ConfigMap", "metadata", "name", name, "labels", LABEL_CACHE, "true",
		"annotations", "fondant.ai/dataset", spec->dataset_name,
		"fondant.ai/working-directory", spec->working_directory, "ownerReferences", owners,
		"data", entries);
}

/* A list of owners is replaced whole: not over what another run has just added to it. */
static json_t *index_patch(const json_t *index, json_t *owners, json_t *entries, bool joins)
{
	json_t *patch = json_pack("{s:O}", "data", entries);

	if (joins)
		json_object_set_new(patch, "metadata",
			json_pack("{s:s, s:O}", "resourceVersion",
				doc_str_or(index, "metadata.resourceVersion", ""),
				"ownerReferences", owners));
	return patch;
}

void step_cache_record(struct plan *plan, const char *namespace_, const struct frozen_spec *spec,
	const struct run_state *state, const json_t *index, const json_t *owner)
{
	const json_t *data = json_object_get(index, "data");
	auto_json *entries = new_entries(spec, state, data);
	auto_json *owners = owners_with(index, owner);
	auto_free char *name = step_cache_name(spec);
	bool joins = json_array_size(owners) >
		     json_array_size(doc_get(index, "metadata.ownerReferences"));

	if (json_object_size(entries) == 0 && !(index && joins && has_hits(state)))
		return;
	prune(entries, data);
	if (index)
		plan_patch(plan, &kube_configmaps, namespace_, name, NULL,
			index_patch(index, owners, entries, joins));
	else
		plan_create(plan, &kube_configmaps, namespace_,
			index_body(name, spec, owners, entries));
	plan_optional(plan);
}

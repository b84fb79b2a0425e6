#include "cli/explain.h"

#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "base/vec.h"
#include "compiler/cachekey.h"
#include "compiler/types.h"
#include "doc/json.h"
#include "doc/path.h"

/* Steps behind steps that one answer goes into; a pipeline has 200. */
#define MAX_INPUT_DEPTH 200

json_t *explain_step(const json_t *frozen, const char *name)
{
	return doc_find(json_object_get(frozen, "steps"), "name", name);
}

const char *explain_key(const json_t *step)
{
	const char *key = doc_str(step, "cacheKey");

	return key ? key : doc_str_or(step, "cacheKeyTemplate", "");
}

static void add(json_t *parts, const char *part, const json_t *value)
{
	json_array_append_new(
		parts, json_pack("{s:s, s:O}", "part", part, "value", (json_t *)value));
}

static void add_text(json_t *parts, const char *part, const char *value)
{
	json_t *text = json_string(value);

	add(parts, part, text);
	json_decref(text);
}

/* One part a member, by name. */
static void add_members(json_t *parts, const char *prefix, const json_t *object)
{
	auto_strvec names = STRVEC_INIT;

	if (!json_is_object(object))
		return;
	doc_sorted_keys(object, &names);
	strvec_for_each (&names, i) {
		auto_free char *part = xasprintf("%s.%s", prefix, names.items[i]);

		add(parts, part, json_object_get(object, names.items[i]));
	}
}

/* What of an argument's declaration counts; of a Python step's secret ones nothing does. */
static void add_args(json_t *parts, const json_t *step)
{
	const json_t *args = doc_get(step, "component.args");
	const json_t *secret = json_object_get(step, "secretArguments");
	auto_strvec names = STRVEC_INIT;

	if (!json_is_object(args))
		return;
	doc_sorted_keys(args, &names);
	strvec_for_each (&names, i) {
		auto_free char *part = xasprintf("component.args.%s", names.items[i]);
		const json_t *arg = json_object_get(args, names.items[i]);
		json_t *counts;

		if (json_object_get(step, "python") && json_object_get(secret, names.items[i]))
			continue;
		counts = json_pack("{s:O?, s:O?}", "type", json_object_get(arg, "type"), "default",
			json_object_get(arg, "default"));
		if (json_is_null(json_object_get(counts, "default")))
			json_object_del(counts, "default");
		add(parts, part, counts);
		json_decref(counts);
	}
}

/* What the executor is told beyond what the component declares. */
static void add_mapping(json_t *parts, const json_t *step, const char *which)
{
	auto_free char *at = xasprintf("operation.%s", which);
	json_t *mapping = doc_get(step, at), *type, *own;
	json_t *fields = json_object_get(json_object_get(step, "component"), which);
	auto_json *declared = json_object();
	const char *name;

	json_object_foreach (fields, name, type) {
		if (json_is_object(type))
			json_object_set_new(declared, name, type_normalize(type));
	}
	own = mapping ? cachekey_mapping(mapping, declared) : NULL;
	add_members(parts, which, own);
	json_decref(own);
}

static void add_env(json_t *parts, const json_t *env)
{
	json_t *item;
	size_t i;

	json_array_foreach (env, i, item) {
		auto_free char *part = xasprintf("env.%s", doc_str_or(item, "name", "?"));
		json_t *value = json_object_get(item, "value");

		add(parts, part, value ? value : item);
	}
}

json_t *explain_parts(const json_t *step)
{
	const char *image = doc_str_or(step, "image", ""), *at = strchr(image, '@');
	const json_t *component = json_object_get(step, "component");
	const json_t *rows = json_object_get(step, "inputPartitionRows");
	const char *index = doc_str(component, "previous_index");
	const char *manifest = doc_str(step, "fromManifest");
	json_t *parts = json_array();

	add_text(parts, "image", at ? at + 1 : image);
	add_args(parts, step);
	add_members(parts, "component.consumes", json_object_get(component, "consumes"));
	add_members(parts, "component.produces", json_object_get(component, "produces"));
	if (index)
		add_text(parts, "component.previous_index", index);
	add_members(parts, "arguments", json_object_get(step, "arguments"));
	add_mapping(parts, step, "consumes");
	add_mapping(parts, step, "produces");
	add_members(parts, "fields.consumes", doc_get(step, "operation.fields.consumes"));
	add_members(parts, "fields.produces", doc_get(step, "operation.fields.produces"));
	add_members(parts, "python", json_object_get(step, "python"));
	add_env(parts, json_object_get(step, "env"));
	if (manifest)
		add_text(parts, "fromManifest", manifest);
	if (rows)
		add(parts, "inputPartitionRows", rows);
	return parts;
}

static const json_t *value_of(const json_t *parts, const char *part)
{
	json_t *item;
	size_t i;

	json_array_foreach (parts, i, item) {
		if (str_eq(doc_str(item, "part"), part))
			return json_object_get(item, "value");
	}
	return NULL;
}

static void add_difference(
	json_t *diff, const char *part, const json_t *before, const json_t *after)
{
	json_t *item = json_pack("{s:s}", "part", part);

	if (before)
		json_object_set(item, "before", (json_t *)before);
	if (after)
		json_object_set(item, "after", (json_t *)after);
	json_array_append_new(diff, item);
}

static void diff_parts(json_t *diff, const json_t *step, const json_t *old_step)
{
	json_t *parts = explain_parts(step), *old = explain_parts(old_step), *item;
	size_t i;

	json_array_foreach (parts, i, item) {
		const char *part = doc_str_or(item, "part", "");
		const json_t *before = value_of(old, part), *after = json_object_get(item, "value");

		if (!before || !json_equal(before, after))
			add_difference(diff, part, before, after);
	}
	json_array_foreach (old, i, item) {
		const char *part = doc_str_or(item, "part", "");

		if (!value_of(parts, part))
			add_difference(diff, part, json_object_get(item, "value"), NULL);
	}
	json_decref(parts);
	json_decref(old);
}

static json_t *diff_steps(const json_t *frozen, const json_t *step, const json_t *old_frozen,
	const json_t *old_step, int depth);

/* The inputs by their place in `from`: the keys count, the names do not. */
static void diff_inputs(json_t *diff, const json_t *frozen, const json_t *step,
	const json_t *old_frozen, const json_t *old_step, int depth)
{
	const json_t *from = json_object_get(step, "from"),
		     *old = json_object_get(old_step, "from");
	size_t n = json_array_size(from), m = json_array_size(old);

	for (size_t i = 0; i < n || i < m; i++) {
		const json_t *name = json_array_get(from, i), *was = json_array_get(old, i);
		const json_t *input = name ? explain_step(frozen, json_string_value(name)) : NULL;
		const json_t *before =
			was ? explain_step(old_frozen, json_string_value(was)) : NULL;
		auto_free char *part = xasprintf("input %s", json_string_value(name ? name : was));

		if (input && before && str_eq(explain_key(input), explain_key(before)))
			continue;
		add_difference(diff, part, was, name);
		if (input && before)
			json_object_set_new(json_array_get(diff, json_array_size(diff) - 1),
				"inputs", diff_steps(frozen, input, old_frozen, before, depth + 1));
	}
}

static json_t *diff_steps(const json_t *frozen, const json_t *step, const json_t *old_frozen,
	const json_t *old_step, int depth)
{
	json_t *diff = json_array();

	if (str_eq(explain_key(step), explain_key(old_step)) || depth > MAX_INPUT_DEPTH)
		return diff;
	diff_parts(diff, step, old_step);
	diff_inputs(diff, frozen, step, old_frozen, old_step, depth);
	return diff;
}

json_t *explain_diff(
	const json_t *frozen, const json_t *step, const json_t *old_frozen, const json_t *old_step)
{
	return diff_steps(frozen, step, old_frozen, old_step, 0);
}

#include "compiler/argv.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "compiler/component.h"
#include "compiler/mapping.h"
#include "compiler/refs.h"
#include "doc/canon.h"
#include "doc/json.h"
#include "doc/path.h"

char *argv_attempt_run_id(const char *run_id, int attempt)
{
	return attempt > 1 ? xasprintf("%s-a%d", run_id, attempt) : xstrdup(run_id);
}

char *argv_manifest_path(
	const struct frozen_spec *spec, const char *step, const char *run_id, int attempt)
{
	auto_free char *id = argv_attempt_run_id(run_id, attempt);

	return xasprintf(
		"%s/%s/%s/%s/manifest.json", spec->working_directory, spec->dataset_name, id, step);
}

json_t *argv_expand(const struct frozen_spec *spec, const json_t *value)
{
	const struct refs_run run = {.name = spec->run_name, .scheduled_s = spec->scheduled_s};

	return refs_expand(value, &run);
}

char *argv_expand_text(const struct frozen_spec *spec, const char *text)
{
	const struct refs_run run = {.name = spec->run_name, .scheduled_s = spec->scheduled_s};

	return refs_expand_text(text, &run);
}

static void add_flag(struct strvec *args, const char *name, const char *value)
{
	strvec_addf(args, "--%s", name);
	strvec_add(args, value);
}

/* The executor's Metadata takes exactly these keys (core/manifest.py). */
static void add_metadata(const struct frozen_spec *spec, const struct spec_step *step,
	const char *id, const char *manifest, struct strvec *args)
{
	auto_json *metadata = json_pack("{s:s, s:s, s:s, s:s, s:s}", "dataset_name",
		spec->dataset_name, "run_id", id, "component_id", step->name, "cache_key",
		step->cache_key ? step->cache_key : step->cache_key_template, "manifest_location",
		manifest);
	auto_free char *text = canon_str(metadata, CANON_PYTHON_ORDERED);

	add_flag(args, "metadata", text);
}

/* What argparse takes for a number rather than for a flag: ^-\d+$|^-\d*\.\d+$ */
static bool is_negative_number(const char *s)
{
	size_t whole, part;

	if (*s != '-')
		return false;
	whole = strspn(s + 1, "0123456789");
	s += 1 + whole;
	if (!*s)
		return whole > 0;
	if (*s != '.')
		return false;
	part = strspn(s + 1, "0123456789");
	return part > 0 && !s[1 + part];
}

/* Owned. Python's bool() takes every text but the empty one for true. */
static char *argument_text(const json_t *value)
{
	char real[CANON_REAL_SIZE];

	switch (json_typeof(value)) {
	case JSON_TRUE:
		return xstrdup("True");
	case JSON_FALSE:
		return xstrdup("");
	case JSON_STRING:
		return xstrdup(json_string_value(value));
	case JSON_INTEGER:
		return xasprintf("%" JSON_INTEGER_FORMAT, json_integer_value(value));
	case JSON_REAL:
		return xstrdup(canon_real(json_real_value(value), real));
	default:
		return canon_str(value, CANON_PYTHON);
	}
}

static void add_argument(
	const struct frozen_spec *spec, const char *name, const json_t *value, struct strvec *args)
{
	auto_json *plain = argv_expand(spec, value);
	auto_free char *text = argument_text(plain);

	/* argparse would take the value for a flag; as one token it cannot. */
	if (*text == '-' && !is_negative_number(text))
		strvec_addf(args, "--%s=%s", name, text);
	else
		add_flag(args, name, text);
}

static void add_arguments(
	const struct frozen_spec *spec, const json_t *arguments, struct strvec *args)
{
	auto_strvec names = STRVEC_INIT;

	doc_sorted_keys(arguments, &names);
	strvec_for_each (&names, i)
		add_argument(
			spec, names.items[i], json_object_get(arguments, names.items[i]), args);
}

/* A copy of the map with the fields that renames need declared in it. */
static void declare_fields(json_t *specification, const char *which, const json_t *fields)
{
	const json_t *extra = json_object_get(fields, which);
	json_t *all;

	if (!extra)
		return;
	all = json_copy(json_object_get(specification, which));
	json_object_update(all, (json_t *)extra);
	json_object_set_new_nocheck(specification, which, all);
}

/* The executor would call tuple() or set() on the JSON text and hand out its characters; as a list
 * the value arrives whole. */
static void sequences_as_lists(json_t *specification)
{
	const json_t *args = json_object_get(specification, "args");
	json_t *out = json_object(), *arg;
	const char *name;

	json_object_foreach ((json_t *)args, name, arg) {
		const char *type = json_string_value(json_object_get(arg, "type"));
		json_t *copy = json_copy(arg);

		if (type && (strcmp(type, "tuple") == 0 || strcmp(type, "set") == 0))
			json_object_set_new_nocheck(copy, "type", json_string_nocheck("list"));
		json_object_set_new_nocheck(out, name, copy);
	}
	if (args)
		json_object_set_nocheck(specification, "args", out);
	json_decref(out);
}

static json_t *ordered_mapping(const json_t *mapping)
{
	auto_strvec keys = STRVEC_INIT;
	json_t *out = json_object();

	mapping_order(mapping, &keys);
	strvec_for_each (&keys, i)
		json_object_set_nocheck(
			out, keys.items[i], json_object_get(mapping, keys.items[i]));
	return out;
}

/* The framework derives the folder of a step from the specification's name. */
static char *operation_spec(const struct spec_step *step)
{
	const json_t *operation = json_object_get(step->json, "operation");
	const json_t *fields = json_object_get(operation, "fields");
	json_t *specification = component_normalize(json_object_get(step->json, "component"));
	auto_json *whole = json_object();

	json_object_set_new_nocheck(specification, "name", json_string_nocheck(step->name));
	declare_fields(specification, "consumes", fields);
	declare_fields(specification, "produces", fields);
	sequences_as_lists(specification);
	json_object_set_new_nocheck(whole, "specification", specification);
	json_object_set_new_nocheck(
		whole, "consumes", ordered_mapping(json_object_get(operation, "consumes")));
	json_object_set_new_nocheck(
		whole, "produces", ordered_mapping(json_object_get(operation, "produces")));
	return canon_str(whole, CANON_PYTHON_ORDERED);
}

void argv_build(const struct frozen_spec *spec, const struct spec_step *step, const char *run_id,
	int attempt, const char *input_manifest, struct strvec *ret_command,
	struct strvec *ret_args)
{
	auto_free char *id = argv_attempt_run_id(run_id, attempt);
	auto_free char *manifest = argv_manifest_path(spec, step->name, run_id, attempt);
	auto_free char *operation = operation_spec(step);
	const json_t *rows = json_object_get(step->json, "inputPartitionRows");

	strvec_add(ret_command, "fondant");
	strvec_add(ret_command, "execute");
	strvec_add(ret_command, "main");
	/* First, and as two tokens: the program's own command line wants one loose word. */
	add_metadata(spec, step, id, manifest, ret_args);
	add_flag(ret_args, "output_manifest_path", manifest);
	add_flag(ret_args, "working_directory", spec->working_directory);
	add_arguments(spec, json_object_get(step->json, "arguments"), ret_args);
	if (rows) {
		auto_free char *text = argument_text(rows);

		add_flag(ret_args, "input_partition_rows", text);
	}
	add_flag(ret_args, "cache", "False");
	add_flag(ret_args, "operation_spec", operation);
	if (input_manifest)
		add_flag(ret_args, "input_manifest_path", input_manifest);
}

#include "runners/sagemaker_native.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "doc/canon.h"
#include "doc/json.h"
#include "doc/path.h"
#include "runners/native_parameters.h"

#define VERSION "2020-12-01"
#define STEP_NAME_MAX 64
#define ROLE "RoleArn"

static const json_t *declared(const json_t *definition, const char *name)
{
	const json_t *parameter;
	size_t i;

	json_array_foreach (json_object_get(definition, "Parameters"), i, parameter) {
		if (str_eq(doc_str(parameter, "Name"), name))
			return parameter;
	}
	return NULL;
}

/* --- steps --- */

static bool is_name(const char *name)
{
	size_t len = strlen(name);

	return len && len <= STEP_NAME_MAX &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") ==
		       len;
}

/* first: name -> place + 1 of the first step of that name. */
static void check_step(
	const json_t *step, size_t i, const struct map *first, struct diag_list *diags)
{
	const char *name = doc_str_or(step, "Name", "");
	auto_free char *path = xasprintf("native.document.Steps[%zu]", i);
	const json_t *before;
	size_t k;

	if (!is_name(name))
		diag_add(diags, path, "InvalidName",
			"a step's Name has 1 to %d letters, digits, - and _", STEP_NAME_MAX);
	else if ((size_t)(uintptr_t)map_get(first, name) != i + 1)
		diag_add(diags, path, "DuplicateName", "there are two steps called `%s`", name);
	if (!doc_str(step, "Type"))
		diag_add(diags, path, "Required", "a step needs a Type, such as Processing");
	json_array_foreach (json_object_get(step, "DependsOn"), k, before) {
		const char *other = json_string_value(before);

		/* a step, or one of its outputs: "step.output" */
		if (other && !strchr(other, '.') && !map_has(first, other))
			diag_add(diags, path, "UnknownStep", "DependsOn: there is no step `%.80s`",
				other);
	}
}

static void check_steps(const json_t *steps, struct diag_list *diags)
{
	auto_map first = MAP_INIT;
	const json_t *step;
	size_t i;

	json_array_foreach (steps, i, step) {
		const char *name = doc_str(step, "Name");

		if (name && !map_has(&first, name))
			map_set(&first, name, (void *)(uintptr_t)(i + 1));
	}
	json_array_foreach (steps, i, step)
		check_step(step, i, &first, diags);
}

/* --- parameters --- */

/* Whether a value can be one of a parameter's Type. */
static bool is_of(const json_t *value, const char *type)
{
	if (str_eq(type, "Integer"))
		return json_is_integer(value);
	if (str_eq(type, "Float"))
		return json_is_number(value);
	if (str_eq(type, "Boolean"))
		return json_is_boolean(value);
	return json_is_string(value);
}

static void check_parameters(const json_t *definition, const json_t *given, struct diag_list *diags)
{
	auto_json *types = json_object();
	const json_t *parameter;
	size_t i;

	json_array_foreach (json_object_get(definition, "Parameters"), i, parameter) {
		const char *name = doc_str_or(parameter, "Name", "");
		/* the role is the backend's to give */
		bool optional = json_object_get(parameter, "DefaultValue") || str_eq(name, ROLE);

		json_object_set_new(types, name,
			json_pack("{s:s, s:b}", "type", doc_str_or(parameter, "Type", "String"),
				"optional", optional));
	}
	native_check_parameters(types, given, is_of, diags);
}

void sagemaker_native_check(
	const json_t *definition, const json_t *parameters, struct diag_list *diags)
{
	const json_t *steps = json_object_get(definition, "Steps");

	if (!str_eq(doc_str(definition, "Version"), VERSION)) {
		diag_add(diags, "native.document.Version", "InvalidDocument",
			"must be %s: this is no pipeline definition of SageMaker", VERSION);
		return;
	}
	if (!json_array_size(steps))
		diag_add(diags, "native.document.Steps", "Required", "a pipeline needs steps");
	check_steps(steps, diags);
	check_parameters(definition, parameters, diags);
}

/* A text as it is, anything else as JSON. New reference. */
static json_t *text_of(const json_t *value)
{
	auto_free char *text = NULL;

	if (json_is_string(value))
		return json_incref((json_t *)value);
	text = canon_str(value, CANON_COMPACT);
	return json_string(text);
}

json_t *sagemaker_native_parameters(
	const json_t *definition, const json_t *parameters, const char *role)
{
	json_t *list = json_array(), *value;
	const char *name;

	json_object_foreach ((json_t *)parameters, name, value)
		json_array_append_new(
			list, json_pack("{s:s, s:o}", "Name", name, "Value", text_of(value)));
	if (role && declared(definition, ROLE) && !json_object_get(parameters, ROLE))
		json_array_append_new(list, json_pack("{s:s, s:s}", "Name", ROLE, "Value", role));
	return list;
}

#include "cli/shape.h"

#include <string.h>
#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "compiler/check.h"
#include "compiler/component.h"
#include "compiler/validate.h"

#define NAME_MAX_BYTES 63
#define MAX_DIRECTORY 1024

static const struct check_field object_fields[] = {
	{.name = "apiVersion", .kind = CHECK_STRING},
	{.name = "kind", .kind = CHECK_STRING},
	{.name = "metadata", .kind = CHECK_OBJECT},
	{.name = "spec", .kind = CHECK_ANY, .required = true},
	{.name = "status", .kind = CHECK_ANY},
};

static const struct check_field name_fields[] = {
	{.name = "name", .kind = CHECK_STRING, .required = true, .min = 1, .max = NAME_MAX_BYTES},
};

static const struct check_field configmap_fields[] = {
	{.name = "name", .kind = CHECK_STRING, .required = true, .min = 1, .max = 253},
};

static const struct check_field resume_fields[] = {
	{.name = "runName", .kind = CHECK_STRING, .required = true, .min = 1, .max = 63},
	{.name = "step", .kind = CHECK_STRING, .required = true, .min = 1, .max = 63},
};

static const struct check_field parameter_fields[] = {
	{.name = "name", .kind = CHECK_STRING, .required = true, .min = 1, .max = 63},
	{.name = "value", .kind = CHECK_ANY},
};

static const char *const ready_words[] = {"Started", "Finished", NULL};
static const char *const state_words[] = {"Running", "Cancelled", NULL};

static const struct check_field run_fields[] = {
	{.name = "pipelineRef", .kind = CHECK_OBJECT},
	{.name = "frozenSpecRef", .kind = CHECK_OBJECT},
	{.name = "resumeFrom", .kind = CHECK_OBJECT},
	{.name = "parameters", .kind = CHECK_ARRAY, .max = 100},
	{.name = "scheduledTime", .kind = CHECK_STRING, .min = 1, .max = 64},
	{.name = "backendRef", .kind = CHECK_OBJECT},
	{.name = "readyWhen", .kind = CHECK_WORD, .words = ready_words},
	{.name = "ttlAfterFinished", .kind = CHECK_DURATION},
	{.name = "desiredState", .kind = CHECK_WORD, .words = state_words},
};

static const struct check_field backend_fields[] = {
	{.name = "workingDirectory", .kind = CHECK_STRING, .min = 1, .max = MAX_DIRECTORY},
	{.name = "policy", .kind = CHECK_OBJECT},
	{.name = "kubernetes", .kind = CHECK_OBJECT},
	{.name = "docker", .kind = CHECK_OBJECT},
	{.name = "kubeflow", .kind = CHECK_OBJECT},
	{.name = "vertex", .kind = CHECK_OBJECT},
	{.name = "sagemaker", .kind = CHECK_OBJECT},
};

static void check_member(struct check *c, const json_t *object, const char *key,
	const struct check_field *fields, size_t count)
{
	const json_t *value = check_get(object, key);
	size_t mark = where_key(&c->w, key);

	if (json_is_object(value))
		check_object(c, value, fields, count);
	where_back(&c->w, mark);
}

/* A list map by name: the API server refuses what is in it twice. */
static void check_parameters(struct check *c, const json_t *spec)
{
	const json_t *list = check_get(spec, "parameters");
	size_t mark = where_key(&c->w, "parameters"), i;
	auto_map seen = MAP_INIT;
	json_t *item;

	if (list && !check_get(spec, "pipelineRef"))
		check_error(c, "InvalidValue",
			"needs pipelineRef: frozenSpecRef and resumeFrom run a spec "
			"whose values are frozen; remove one");
	json_array_foreach (list, i, item) {
		const char *name = json_string_value(check_get(item, "name"));
		size_t inner = where_index(&c->w, i);

		check_object(c, item, parameter_fields, array_size(parameter_fields));
		if (name && map_has(&seen, name))
			check_error_at(c, "name", "DuplicateName", "`%.63s` is given twice", name);
		else if (name)
			map_set(&seen, name, item);
		where_back(&c->w, inner);
	}
	where_back(&c->w, mark);
}

static void check_run(struct check *c, const json_t *spec)
{
	const char *time = json_string_value(check_get(spec, "scheduledTime"));
	int given = !!check_get(spec, "pipelineRef") + !!check_get(spec, "frozenSpecRef") +
		    !!check_get(spec, "resumeFrom");
	int64_t seconds;

	if (!check_object(c, spec, run_fields, array_size(run_fields)) && !json_is_object(spec))
		return;
	if (given != 1)
		check_error(c, "InvalidValue",
			"give exactly one of pipelineRef, frozenSpecRef and resumeFrom");
	check_member(c, spec, "pipelineRef", name_fields, array_size(name_fields));
	check_member(c, spec, "frozenSpecRef", configmap_fields, array_size(configmap_fields));
	check_member(c, spec, "backendRef", name_fields, array_size(name_fields));
	check_member(c, spec, "resumeFrom", resume_fields, array_size(resume_fields));
	if (time && *time && !time_parse_rfc3339(time, &seconds))
		check_error_at(c, "scheduledTime", "InvalidValue",
			"`%.40s` is not a time such as 2026-11-24T03:00:00Z", time);
	check_parameters(c, spec);
}

static void check_directory(struct check *c, const char *directory)
{
	auto_free char *normal = NULL;
	const char *why = NULL;

	if (!directory || !*directory)
		return; /* said by the table */
	normal = validate_normal_directory(directory, &why);
	if (!normal && strlen(directory) <= MAX_DIRECTORY)
		check_error_at(c, "workingDirectory", "InvalidValue", "`%.100s` cannot be used: %s",
			directory, why);
}

static void check_backend(struct check *c, const json_t *spec)
{
	static const char *const kinds[] = {
		"kubernetes", "docker", "kubeflow", "vertex", "sagemaker"};
	int given = 0;

	if (!check_object(c, spec, backend_fields, array_size(backend_fields)) &&
		!json_is_object(spec))
		return;
	for (size_t i = 0; i < array_size(kinds); i++)
		given += check_get(spec, kinds[i]) != NULL;
	check_directory(c, json_string_value(check_get(spec, "workingDirectory")));
	if (given != 1)
		check_error(c, "InvalidValue",
			"give exactly one of kubernetes, docker, kubeflow, vertex and sagemaker");
}

/* Whether a pipeline's name is a good one is said by the compiler, which knows its maximum. */
static void check_name(struct check *c, const struct object *object, const json_t *metadata)
{
	const json_t *name = check_get(metadata, "name");
	bool generated =
		object->kind == OBJECT_RUN && json_is_string(check_get(metadata, "generateName"));

	if (name && !json_is_string(name))
		check_error_at(c, "name", "InvalidType", "must be a string, not %s%s",
			check_kind_of(name),
			json_is_object(name) || json_is_array(name) ? "" : "; quote it");
	else if (!*object->name && !generated)
		check_error_at(c, "name", "Required", "`name` is required");
	else if (object->kind != OBJECT_PIPELINE && !generated && !str_is_dns_label(object->name))
		check_error_at(c, "name", "InvalidName",
			"a name has at most %d lower-case letters, digits and -, beginning and "
			"ending with a letter or digit",
			NAME_MAX_BYTES);
}

static void check_metadata(struct check *c, const struct object *object)
{
	const json_t *metadata = check_get(object->json, "metadata");
	size_t mark = where_key(&c->w, "metadata");

	if (!metadata || json_is_object(metadata)) {
		check_name(c, object, metadata);
		if (object->kind != OBJECT_PIPELINE && object->namespace_ &&
			!str_is_dns_label(object->namespace_))
			check_error_at(c, "namespace", "InvalidName",
				"is not the name of a namespace: those have lower-case letters, "
				"digits and -");
	}
	where_back(&c->w, mark);
}

void shape_check(const struct object *object, struct diag_list *diags)
{
	const json_t *spec = check_get(object->json, "spec");
	struct check c;
	size_t mark;

	if (object->kind == OBJECT_COMPONENT_FILE) {
		component_check(object->json, "", diags);
		return;
	}
	check_init(&c, diags, "");
	check_object(&c, object->json, object_fields, array_size(object_fields));
	check_metadata(&c, object);
	if (!spec)
		return;
	mark = where_key(&c.w, "spec");
	if (object->kind == OBJECT_RUN)
		check_run(&c, spec);
	else if (object->kind == OBJECT_BACKEND)
		check_backend(&c, spec);
	else if (object->kind == OBJECT_COMPONENT)
		component_check(spec, "spec", diags);
	where_back(&c.w, mark);
}

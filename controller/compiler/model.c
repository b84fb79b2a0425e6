#include "compiler/model.h"

#include <stdlib.h>
#include <string.h>

#include "base/image_ref.h"
#include "base/mem.h"
#include "compiler/component.h"
#include "compiler/types.h"

const char *model_string(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

size_t model_at_step(struct compiler *m, const struct step_model *s)
{
	where_init(&m->c.w, "spec.steps");
	return where_index(&m->c.w, (size_t)s->index);
}

/* Nothing in it that a normal form would leave out. */
static bool is_normal(const json_t *component)
{
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)component, key, value) {
		if (json_is_null(value) || (json_is_string(value) && !json_string_length(value)) ||
			(json_is_array(value) && !json_array_size(value)) ||
			(json_is_object(value) && !json_object_size(value)))
			return false;
	}
	return true;
}

static bool is_normal_fields(const json_t *mapping)
{
	const char *name;
	json_t *type;

	json_object_foreach ((json_t *)mapping, name, type) {
		if (!json_is_object(type) || !type_is_normal(type) ||
			strcmp(name, "additionalProperties") == 0)
			return false;
	}
	return true;
}

/* Shares the tree where it is its own normal form, as most are. */
static json_t *normal_fields(const struct compiler *m, const json_t *component, const char *which)
{
	json_t *mapping = json_object_get(component, which), *out, *type;
	const char *name;

	if (!mapping)
		return json_incref(m->empty);
	if (is_normal_fields(mapping))
		return json_incref(mapping);
	out = json_object();
	json_object_foreach (mapping, name, type) {
		if (json_is_object(type) && strcmp(name, "additionalProperties") != 0)
			json_object_set_new_nocheck(out, name, type_normalize(type));
	}
	return out;
}

static bool has_tag(const json_t *component, const char *tag)
{
	json_t *item;
	size_t i;

	json_array_foreach (json_object_get(component, "tags"), i, item) {
		if (strcmp(json_string_value(item), tag) == 0)
			return true;
	}
	return false;
}

static struct component_info *component_info_new(const struct compiler *m, json_t *component)
{
	struct component_info *info = xnew(struct component_info);
	const json_t *consumes, *produces;

	/* The order of its keys does not matter here: the frozen text is sorted. */
	info->normal =
		is_normal(component) ? json_incref(component) : component_normalize(component);
	consumes = json_object_get(info->normal, "consumes");
	produces = json_object_get(info->normal, "produces");
	info->consumes = normal_fields(m, info->normal, "consumes");
	info->produces = normal_fields(m, info->normal, "produces");
	info->generic_in = component_is_generic(consumes);
	info->generic_out = component_is_generic(produces);
	info->loader = !consumes;
	info->writer = info->generic_in && !produces && has_tag(info->normal, "Data writing");
	info->renews = json_object_get(info->normal, "previous_index") != NULL;
	return info;
}

void model_component_free(struct component_info *info)
{
	if (!info)
		return;
	json_decref(info->normal);
	json_decref(info->consumes);
	json_decref(info->produces);
	json_decref(info->key_args);
	free(info->text);
	free(info);
}

struct component_info *model_examine(struct compiler *m, const json_t *component)
{
	size_t before = diag_errors(m->c.diags);
	const char *image = model_string(component, "image");
	const char *why = image && *image ? image_ref_problem(image) : NULL;

	component_check(component, m->c.w.text, m->c.diags);
	if (why)
		check_error_at(&m->c, "image", "InvalidImage",
			"`%.200s` is not the name of an image: %s", image, why);
	if (diag_errors(m->c.diags) > before || m->c.diags->dropped)
		return NULL;
	return component_info_new(m, (json_t *)component);
}

static void free_component(void *info)
{
	model_component_free(info);
}

static void step_clear(struct step_model *s)
{
	if (s->owns_component)
		model_component_free(s->component);
	free(s->from);
	free(s->after);
	json_decref(s->arguments);
	json_decref(s->env);
	json_decref(s->secret_arguments);
	free(s->from_manifest);
	json_decref(s->python);
	free(s->image);
	if (s->owns_input)
		dataset_free(s->input);
	if (s->owns_schema)
		dataset_free(s->schema);
	fields_clear(&s->took);
	fields_clear(&s->made);
	json_decref(s->takes);
	json_decref(s->op_consumes);
	json_decref(s->op_produces);
	json_decref(s->declare_in);
	json_decref(s->declare_out);
	json_decref(s->writes);
}

void model_clear(struct compiler *m)
{
	for (int i = 0; i < m->steps_len; i++)
		step_clear(&m->steps[i]);
	free(m->steps);
	m->by_ref.free_value = free_component;
	map_clear(&m->by_ref);
	m->by_catalog.free_value = free_component;
	map_clear(&m->by_catalog);
	map_clear(&m->by_name);
	map_clear(&m->unresolved);
	free(m->order);
	free(m->working_directory);
	json_decref(m->parameters);
	json_decref(m->native);
	json_decref(m->empty);
	buf_free(&m->scratch);
}

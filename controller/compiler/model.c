#include "compiler/model.h"

#include <stdlib.h>
#include <string.h>

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

static void component_info_free(void *arg)
{
	struct component_info *info = arg;

	if (!info)
		return;
	json_decref(info->normal);
	json_decref(info->consumes);
	json_decref(info->produces);
	free(info->key_part);
	free(info);
}

/* Letters, digits and the punctuation of references; a digest is whole. */
static void check_image(struct compiler *m, const char *image)
{
	const char *at = strchr(image, '@');
	size_t n = strspn(image, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				 "0123456789._-/:@");

	if (image[n] || strspn(image, "._-/:@"))
		check_error_at(&m->c, "image", "InvalidImage",
			"`%.200s` is not an image reference such as registry/name:tag", image);
	else if (at && (strncmp(at, "@sha256:", 8) != 0 || strlen(at + 8) != 64 ||
			       strspn(at + 8, "0123456789abcdef") != 64))
		check_error_at(&m->c, "image", "InvalidImage",
			"a digest is @sha256: and 64 hexadecimal digits");
}

/* NULL when it has errors; they are added below the current place. */
static struct component_info *examine(struct compiler *m, const json_t *component)
{
	size_t before = diag_errors(m->c.diags);

	component_check(component, m->c.w.text, m->c.diags);
	if (model_string(component, "image") && *model_string(component, "image"))
		check_image(m, model_string(component, "image"));
	if (diag_errors(m->c.diags) > before || m->c.diags->dropped)
		return NULL;
	return component_info_new(m, (json_t *)component);
}

static void resolve_ref(struct compiler *m, struct step_model *s, const char *name)
{
	struct where here = m->c.w;
	const json_t *component = json_object_get(m->in->components, name);

	if (!component || json_is_null(component)) {
		diag_add_waiting(m->c.diags, here.text, "ComponentNotFound",
			"there is no FondantComponent `%.63s` in namespace `%.63s` yet", name,
			m->in->namespace_ ? m->in->namespace_ : "");
		return;
	}
	if (!map_has(&m->by_ref, name)) {
		auto_free char *base = xasprintf("FondantComponent/%.63s: spec", name);

		where_init(&m->c.w, base);
		map_set(&m->by_ref, name, examine(m, component));
		m->c.w = here;
	}
	s->component = map_get(&m->by_ref, name);
}

void model_resolve_component(struct compiler *m, struct step_model *s)
{
	static const struct check_field ref_fields[] = {
		{.name = "name", .kind = CHECK_STRING, .required = true, .min = 1, .max = 63},
	};
	const json_t *component = check_get(s->json, "component");
	const json_t *spec = check_get(component, "spec"), *ref = check_get(component, "ref");
	size_t mark = where_key(&m->c.w, "component"), inner;

	if (spec && !ref) {
		inner = where_key(&m->c.w, "spec");
		s->component = examine(m, spec);
		s->owns_component = true;
		where_back(&m->c.w, inner);
	} else if (ref && !spec) {
		inner = where_key(&m->c.w, "ref");
		if (check_object(&m->c, ref, ref_fields, array_size(ref_fields))) {
			where_key(&m->c.w, "name");
			resolve_ref(m, s, model_string(ref, "name"));
		}
		where_back(&m->c.w, inner);
	}
	where_back(&m->c.w, mark);
}

static void step_clear(struct step_model *s)
{
	if (s->owns_component)
		component_info_free(s->component);
	free(s->from);
	free(s->after);
	json_decref(s->schema);
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
	m->by_ref.free_value = component_info_free;
	map_clear(&m->by_ref);
	map_clear(&m->by_name);
	free(m->order);
	free(m->working_directory);
	json_decref(m->empty);
}

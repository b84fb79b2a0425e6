/* What compiling needs from outside: compile_component_refs and its like (compile.h). */
#include "compiler/compile.h"

#include <string.h>

#include "base/map.h"
#include "base/image_ref.h"
#include "base/mem.h"
#include "base/vec.h"
#include "compiler/catalog.h"
#include "compiler/check.h"
#include "compiler/config_key.h"
#include "compiler/model.h"
#include "compiler/python.h"
#include "doc/json.h"

/* Appends the names to ret, sorted, none twice. */
static void give_sorted(struct strvec *names, struct strvec *ret)
{
	strvec_sort(names);
	strvec_for_each (names, i) {
		if (!i || strcmp(names->items[i], names->items[i - 1]) != 0)
			strvec_add(ret, names->items[i]);
	}
}

void compile_component_refs(const json_t *spec, struct strvec *ret_names)
{
	auto_strvec names = STRVEC_INIT;
	json_t *step;
	size_t i;

	json_array_foreach (json_object_get(spec, "steps"), i, step) {
		const json_t *component = json_object_get(step, "component");
		const char *name = model_string(json_object_get(component, "ref"), "name");

		if (name && *name)
			strvec_add(&names, name);
	}
	give_sorted(&names, ret_names);
}

void compile_source_refs(const json_t *spec, struct strvec *ret_refs)
{
	auto_free char *native =
		config_key_ref(check_get(check_get(spec, "native"), "configMapKeyRef"));
	auto_strvec refs = STRVEC_INIT;
	json_t *step;
	size_t i;

	if (native)
		strvec_add(&refs, native);
	json_array_foreach (json_object_get(spec, "steps"), i, step) {
		const json_t *python = check_get(check_get(step, "component"), "python");
		auto_free char *ref = python_source_ref(python);

		if (ref)
			strvec_add(&refs, ref);
	}
	give_sorted(&refs, ret_refs);
}

/* The component file behind a choice; new reference, NULL when it is not known. */
static json_t *component_file(const json_t *choice, const json_t *components)
{
	const char *ref = model_string(check_get(choice, "ref"), "name");
	const json_t *catalog = check_get(choice, "catalog");
	const char *name = model_string(catalog, "name");
	json_t *own = check_get(choice, "spec");

	if (!own)
		own = check_get(choice, "python");
	if (!own && ref)
		own = check_get(components, ref);
	if (own || !name)
		return json_incref(own);
	return catalog_find(name, model_string(catalog, "version"));
}

void compile_image_refs(const json_t *spec, const json_t *components, struct strvec *ret_images)
{
	const char *policy = model_string(spec, "imageDigestPolicy");
	auto_strvec images = STRVEC_INIT;
	json_t *step;
	size_t i;

	if (policy && strcmp(policy, "Ignore") == 0)
		return;
	json_array_foreach (json_object_get(spec, "steps"), i, step) {
		auto_json *file = component_file(check_get(step, "component"), components);
		const char *image = model_string(file, "image");

		if (image && !image_ref_has_digest(image) && !image_ref_problem(image))
			strvec_add(&images, image);
	}
	give_sorted(&images, ret_images);
}

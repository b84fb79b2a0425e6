/* Where a step's component comes from, and which image it runs: model_resolve_component. */
#include "compiler/model.h"

#include <stdlib.h>
#include <string.h>

#include "base/image_ref.h"
#include "base/mem.h"
#include "compiler/cachekey.h"
#include "compiler/catalog.h"
#include "compiler/component.h"
#include "compiler/python.h"
#include "doc/json.h"

static const struct check_field ref_fields[] = {
	{.name = "name", .kind = CHECK_STRING, .required = true, .min = 1, .max = 63},
};

static const struct check_field catalog_fields[] = {
	{.name = "name", .kind = CHECK_STRING, .required = true, .min = 1, .max = 63},
	{.name = "version", .kind = CHECK_STRING, .required = true, .min = 1, .max = 63},
};

/* The step of the same name in the frozen spec that a run keeps to; NULL when there is none, or it
 * was (not) a Python step and this one is (not). */
static const json_t *pinned_step(const struct compiler *m, const struct step_model *s, bool python)
{
	json_t *step;
	size_t i;

	if (!m->in->pinned || !s->name)
		return NULL;
	json_array_foreach (json_object_get(m->in->pinned, "steps"), i, step) {
		const char *name = model_string(step, "name");

		if (name && strcmp(name, s->name) == 0)
			return (json_object_get(step, "python") != NULL) == python ? step : NULL;
	}
	return NULL;
}

static void resolve_own(struct compiler *m, struct step_model *s, const json_t *component)
{
	s->component = model_examine(m, component);
	s->owns_component = true;
}

/* --- ref --- */

static void component_not_found(struct compiler *m, const char *name)
{
	char near[CHECK_HINT_SIZE];

	diag_add_waiting(m->c.diags, m->c.w.text, "ComponentNotFound",
		"there is no FondantComponent `%.63s` in namespace `%.63s` yet (a component folder "
		"must be applied as one, its image pushed)%s",
		name, m->in->namespace_ ? m->in->namespace_ : "",
		check_hint_key(&m->c, m->in->components, name, near));
}

static void folder_not_seen(struct compiler *m, const char *name)
{
	diag_add_waiting(m->c.diags, m->c.w.text, "ComponentNotFound",
		"`%.63s` is a component folder of this machine, which means nothing to backend "
		"%s: build and push its image, and apply its file as the spec of a "
		"FondantComponent; only `kubectl fondant run --backend docker` builds a folder",
		name, m->c.backend);
}

/* One FondantComponent may serve many steps: its findings come once. */
static struct component_info *examine_once(
	struct compiler *m, const char *kind, const char *name, const json_t *component)
{
	auto_free char *base = NULL;
	struct where here = m->c.w;

	if (!map_has(&m->by_ref, name)) {
		base = xasprintf("%s/%.63s: spec", kind, name);
		where_init(&m->c.w, base);
		map_set(&m->by_ref, name, model_examine(m, component));
		m->c.w = here;
	}
	return map_get(&m->by_ref, name);
}

/* Where the backend sees no folders they are still looked at, for what else is wrong. */
static struct component_info *component_of(struct compiler *m, const char *name)
{
	const json_t *folder = check_get(m->in->folders, name);
	const json_t *component = check_get(m->in->components, name);
	const char *unclear = model_string(folder, "error");
	bool seen = m->c.features & BACKEND_FOLDERS;

	if (component && !(folder && seen))
		return examine_once(m, "FondantComponent", name, component);
	if (!folder) {
		component_not_found(m, name);
		return NULL;
	}
	if (unclear) {
		check_error(&m->c, "ComponentNotFound", "%.900s", unclear);
		return NULL;
	}
	if (!seen)
		folder_not_seen(m, name);
	return examine_once(m, "ComponentFolder", name, folder);
}

static void resolve_ref(
	struct compiler *m, struct step_model *s, const json_t *ref, const json_t *pinned)
{
	if (!check_object(&m->c, ref, ref_fields, array_size(ref_fields)))
		return;
	if (pinned) {
		resolve_own(m, s, json_object_get(pinned, "component"));
		return;
	}
	where_key(&m->c.w, "name");
	s->component = component_of(m, model_string(ref, "name"));
}

/* --- catalog --- */

static void unknown_version(struct compiler *m, const char *name, const char *version)
{
	const struct catalog_entry *entries;
	auto_buf all = BUF_INIT;
	size_t len;

	entries = catalog_entries(&len);
	for (size_t i = 0; i < len; i++) {
		if (strcmp(entries[i].name, name) == 0)
			buf_addf(&all, "%s%s", all.len ? ", " : "", entries[i].version);
	}
	check_error_at(&m->c, "version", "UnknownVersion",
		"the catalogue has no version %.63s of `%s`, but %s", version, name, buf_str(&all));
}

static void unknown_component(struct compiler *m, const char *name)
{
	const struct catalog_entry *entries;
	auto_free const char **names = NULL;
	char near[CHECK_HINT_SIZE];
	size_t len;

	entries = catalog_entries(&len);
	names = xcalloc(len + 1, sizeof(*names));
	for (size_t i = 0; i < len; i++)
		names[i] = entries[i].name;
	check_error_at(&m->c, "name", "UnknownComponent",
		"there is no `%.63s` in the catalogue%s (`kubectl fondant components` lists it)",
		name, check_hint_word(&m->c, names, name, near));
}

static void resolve_catalog(
	struct compiler *m, struct step_model *s, const json_t *choice, const json_t *pinned)
{
	const char *name = model_string(choice, "name"), *version = model_string(choice, "version");
	auto_free char *key = NULL;

	if (!check_object(&m->c, choice, catalog_fields, array_size(catalog_fields)))
		return;
	if (pinned) {
		resolve_own(m, s, json_object_get(pinned, "component"));
	} else if (!catalog_entry(name, NULL)) {
		unknown_component(m, name);
	} else if (!catalog_entry(name, version)) {
		unknown_version(m, name, version);
	} else {
		key = xasprintf("%s %s", name, version);
		if (!map_has(&m->by_catalog, key)) {
			json_t *component = catalog_find(name, version);

			map_set(&m->by_catalog, key, model_examine(m, component));
			json_decref(component);
		}
		s->component = map_get(&m->by_catalog, key);
	}
}

/* --- python --- */

/* Some step says from, dependsOn or fromManifest; m->explicit_graph is complete only later. */
static bool says_order(const json_t *step)
{
	static const char *const keys[] = {"from", "dependsOn", "fromManifest"};

	for (size_t i = 0; i < array_size(keys); i++) {
		const json_t *value = check_get(step, keys[i]);

		if (value && (!json_is_array(value) || json_array_size(value)))
			return true;
	}
	return false;
}

static bool reads_nothing(const struct compiler *m, const struct step_model *s)
{
	const json_t *steps = check_get(m->in->spec, "steps");
	const json_t *step;
	size_t i;

	if (json_array_size(s->given[STEP_FROM]) || s->given[STEP_FROM_MANIFEST])
		return false;
	if (!s->index)
		return true;
	json_array_foreach ((json_t *)steps, i, step) {
		if (says_order(step))
			return true;
	}
	return false;
}

/* The arguments that do not come from Secrets, whether declared or inferred: what is given as a
 * secret is not part of a key. New reference. */
static json_t *open_args(const struct step_model *s)
{
	json_t *args = json_object_get(s->component->normal, "args"), *value;
	json_t *open = args ? json_copy(args) : json_object();
	const char *name;

	json_object_foreach (s->given[STEP_SECRET_ARGUMENTS], name, value) {
		if (!json_is_null(value))
			json_object_del(open, name);
	}
	return open;
}

/* The framework says of every class without declared fields that it takes any; a loader takes
 * none, and a writer leaves none. */
static void resolve_python(
	struct compiler *m, struct step_model *s, const json_t *python, const json_t *pinned)
{
	auto_json *component = python_component(m, s, python, json_object_get(pinned, "python"));
	struct python_bases bases;

	if (!component)
		return;
	resolve_own(m, s, component);
	if (!s->component)
		return;
	bases = python_bases(json_object_get(s->python, "source"));
	s->component->key_args = open_args(s);
	s->component->writer = python_is_writer(bases);
	if (s->component->writer)
		s->component->generic_out = false;
	if (!check_get(python, "consumes") && python_is_loader(bases, reads_nothing(m, s))) {
		s->component->loader = true;
		s->component->generic_in = false;
	}
}

/* --- the image --- */

static bool policy_is(const struct compiler *m, const char *word)
{
	const char *policy = model_string(m->in->spec, "imageDigestPolicy");

	return policy && strcmp(policy, word) == 0;
}

/* Where the image is written: in the step itself, or behind its ref or catalog. */
static size_t where_image(struct compiler *m, const struct step_model *s)
{
	static const char *const own[] = {"spec", "python"};
	size_t mark = m->c.w.len;

	for (size_t i = 0; i < array_size(own); i++) {
		if (check_get(s->given[STEP_COMPONENT], own[i])) {
			where_key(&m->c.w, own[i]);
			where_key(&m->c.w, "image");
		}
	}
	return mark;
}

/* Said once of an image, at the first step that runs it. */
static void wait_for_digest(
	struct compiler *m, const struct step_model *s, const char *image, const json_t *answer)
{
	const char *why = model_string(answer, "error");
	size_t mark;

	if (map_has(&m->unresolved, image))
		return;
	map_set(&m->unresolved, image, (void *)s);
	mark = where_image(m, s);
	diag_add_waiting(m->c.diags, m->c.w.text, "ImageNotResolved",
		"the digest of image `%.200s` is not known (%.300s), and imageDigestPolicy is "
		"Required; write the image with its digest (name@sha256:...), give the digest "
		"with --digest where kubectl fondant compiles, or relax the policy",
		image, why ? why : "its registry has not been asked yet");
	where_back(&m->c.w, mark);
}

/* The id of an image that was built of the step's component folder; NULL: none was. */
static const char *built_image(const struct compiler *m, const struct step_model *s)
{
	const char *name = model_string(check_get(s->given[STEP_COMPONENT], "ref"), "name");

	if (!name || !(m->c.features & BACKEND_FOLDERS) || !check_get(m->in->folders, name))
		return NULL;
	return model_string(m->in->built, name);
}

static void resolve_image(struct compiler *m, struct step_model *s, const json_t *pinned)
{
	const char *built = built_image(m, s);
	const char *written = model_string(s->component->normal, "image"), *found = written;
	const char *tag = model_string(pinned, "imageTag"), *kept = model_string(pinned, "image");
	const json_t *answer = json_object_get(m->in->digests, written);

	if (built)
		found = built;
	else if (tag && kept && strcmp(tag, written) == 0)
		found = kept;
	else if (json_is_string(answer) && !policy_is(m, "Ignore"))
		found = json_string_value(answer);
	s->image = xstrdup(found);
	if (!built && !image_ref_has_digest(found) && policy_is(m, "Required"))
		wait_for_digest(m, s, written, answer);
}

void model_resolve_component(struct compiler *m, struct step_model *s)
{
	static const struct {
		const char *kind;
		void (*resolve)(struct compiler *m, struct step_model *s, const json_t *choice,
			const json_t *pinned);
		unsigned feature;
	} kinds[] = {
		{.kind = "ref", .resolve = resolve_ref},
		{.kind = "catalog", .resolve = resolve_catalog},
		{.kind = "python", .resolve = resolve_python, .feature = BACKEND_PYTHON},
	};
	const json_t *component = s->given[STEP_COMPONENT];
	const json_t *spec = check_get(component, "spec"), *pinned;
	size_t mark = where_key(&m->c.w, "component"), given = spec != NULL, inner;

	for (size_t i = 0; i < array_size(kinds) && json_object_size(component) > given; i++)
		given += check_get(component, kinds[i].kind) != NULL;
	pinned = pinned_step(m, s, check_get(component, "python") != NULL);
	if (given == 1 && spec) {
		inner = where_key(&m->c.w, "spec");
		resolve_own(m, s, spec);
		where_back(&m->c.w, inner);
	}
	for (size_t i = 0; given == 1 && !spec && i < array_size(kinds); i++) {
		const json_t *choice = check_get(component, kinds[i].kind);

		if (!json_is_object(choice) || (kinds[i].feature & ~m->c.features))
			continue; /* said by the table */
		inner = where_key(&m->c.w, kinds[i].kind);
		kinds[i].resolve(m, s, choice, pinned);
		where_back(&m->c.w, inner);
	}
	if (s->component)
		resolve_image(m, s, pinned);
	/* Here, where its tree is in the caches of the machine: it is not read again later. */
	if (s->component && !s->component->text)
		cachekey_component(s->component, &m->scratch);
	where_back(&m->c.w, mark);
}

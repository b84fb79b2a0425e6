#include "compiler/volumes.h"

#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "compiler/settings.h"

static void check_name(struct check *c, const char *name, struct map *seen)
{
	if (!str_is_dns_label(name))
		check_error_at(c, "name", "InvalidName",
			"a volume needs a name of lower-case letters, digits and -");
	else if (strcmp(name, VOLUMES_OWN_NAME) == 0)
		check_error_at(c, "name", "ReservedName",
			"the volume `" VOLUMES_OWN_NAME
			"` is the operator's; give this one another name");
	else if (map_has(seen, name))
		check_error_at(c, "name", "Duplicate",
			"there are two volumes called `%s`; rename one", name);
	else
		map_set(seen, name, seen);
}

void volumes_check_names(struct check *c, const json_t *pod)
{
	size_t mark = where_key(&c->w, "volumes"), i;
	auto_map seen = MAP_INIT;
	json_t *volume;

	json_array_foreach (check_get(pod, "volumes"), i, volume) {
		size_t inner = where_index(&c->w, i);

		check_name(c, json_string_value(check_get(volume, "name")), &seen);
		where_back(&c->w, inner);
	}
	where_back(&c->w, mark);
}

void volumes_check_mounts(struct check *c, const json_t *container)
{
	static const struct check_field mount_fields[] = {
		{.name = "name", .kind = CHECK_STRING, .required = true, .min = 1, .max = 63},
		{.name = "mountPath", .kind = CHECK_STRING, .required = true, .min = 1},
		{.name = "readOnly", .kind = CHECK_BOOL},
		{.name = "recursiveReadOnly", .kind = CHECK_STRING},
		{.name = "subPath", .kind = CHECK_STRING},
		{.name = "subPathExpr", .kind = CHECK_STRING},
		{.name = "mountPropagation", .kind = CHECK_STRING},
	};
	size_t mark = where_key(&c->w, "volumeMounts"), i;
	json_t *mount;

	json_array_foreach (check_get(container, "volumeMounts"), i, mount) {
		const char *path = json_string_value(check_get(mount, "mountPath"));
		size_t inner = where_index(&c->w, i);

		check_object(c, mount, mount_fields, array_size(mount_fields));
		if (path && settings_lies_below(path, VOLUMES_OWN_PATH))
			check_error_at(c, "mountPath", "ReservedName",
				VOLUMES_OWN_PATH " is the operator's; mount it elsewhere");
		where_back(&c->w, inner);
	}
	where_back(&c->w, mark);
}

static const json_t *pod_of(const json_t *pod_template)
{
	return check_get(pod_template, "spec");
}

static void add_volumes(struct map *volumes, const json_t *pod)
{
	json_t *volume;
	size_t i;

	json_array_foreach (check_get(pod, "volumes"), i, volume) {
		const char *name = json_string_value(check_get(volume, "name"));

		if (name)
			map_set(volumes, name, volume);
	}
}

/* step: whose pod lacks the volume, where the mounts are those of the pipeline; else NULL. */
static bool find_mounts(
	struct check *c, const json_t *container, const struct map *volumes, const char *step)
{
	size_t mark = where_key(&c->w, "volumeMounts"), i;
	bool all = true;
	json_t *mount;

	json_array_foreach (check_get(container, "volumeMounts"), i, mount) {
		const char *name = json_string_value(check_get(mount, "name"));
		size_t inner = where_index(&c->w, i);

		if (name && *name && !map_has(volumes, name)) {
			check_error_at(c, "name", "VolumeNotFound",
				"there is no volume `%.63s`%s%s%s; add it to "
				"podTemplate.spec.volumes of the pipeline or the step",
				name, step ? " in the pod of step `" : "", step ? step : "",
				step ? "`" : "");
			all = false;
		}
		where_back(&c->w, inner);
	}
	where_back(&c->w, mark);
	return all;
}

/* False with a finding. The place of `c` is that of what holds the podTemplate. */
static bool find_in_template(
	struct check *c, const json_t *pod_template, const struct map *volumes, const char *step)
{
	static const char *const lists[] = {"containers", "initContainers"};
	size_t mark = where_key(&c->w, "podTemplate"), i;
	bool all = true;
	json_t *container;

	where_key(&c->w, "spec");
	for (size_t n = 0; n < array_size(lists); n++) {
		size_t list = where_key(&c->w, lists[n]);

		json_array_foreach (check_get(pod_of(pod_template), lists[n]), i, container) {
			size_t inner = where_index(&c->w, i);

			all = find_mounts(c, container, volumes, step) && all;
			where_back(&c->w, inner);
		}
		where_back(&c->w, list);
	}
	where_back(&c->w, mark);
	return all;
}

void volumes_check_found(struct compiler *m)
{
	const json_t *shared = check_get(m->in->spec, "podTemplate");
	bool shared_fine = true, plain_done = false;

	for (int i = 0; i < m->steps_len; i++) {
		const struct step_model *s = &m->steps[i];
		const json_t *own = s->given[STEP_POD_TEMPLATE];
		auto_map volumes = MAP_INIT;

		/* Steps without a template of their own are all alike. */
		if (!own && (!shared || !shared_fine || plain_done))
			continue;
		plain_done = plain_done || !own;
		map_set(&volumes, VOLUMES_OWN_NAME, m);
		add_volumes(&volumes, pod_of(shared));
		add_volumes(&volumes, pod_of(own));
		where_init(&m->c.w, "spec");
		if (shared && shared_fine) /* one finding for each mount is enough */
			shared_fine =
				find_in_template(&m->c, shared, &volumes, s->name ? s->name : "?");
		model_at_step(m, s);
		if (own)
			find_in_template(&m->c, own, &volumes, NULL);
	}
}

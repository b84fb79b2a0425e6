#include "runners/docker_project.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "compiler/check.h"
#include "doc/json.h"
#include "doc/path.h"
#include "runners/docker_ports.h"
#include "runners/docker_service.h"
#include "runners/docker_variables.h"
#include "runners/native_parameters.h"
#include "runners/remote.h"

#define PATH "native.document"
#define NAME_MAX_LEN 63 /* what a status holds */

static const struct check_field file_fields[] = {
	{.name = "name", .kind = CHECK_STRING},
	{.name = "version", .kind = CHECK_ANY},
	{.name = "services", .kind = CHECK_OBJECT, .required = true, .max = RUN_STATE_NAMES_MAX},
	{.name = "volumes", .kind = CHECK_OBJECT, .max = 64},
	{.name = "networks", .kind = CHECK_OBJECT},
};

static bool is_service_name(const char *name)
{
	size_t len = strlen(name);

	return len && len <= NAME_MAX_LEN &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
		       len;
}

/* --- variables --- */

/* Every parameter is a text for Compose. */
static bool is_text(const json_t *value, const char *type)
{
	(void)type;
	return !json_is_null(value);
}

/* A policy judges images as they stand in the document. */
static void check_images(struct check *c, const json_t *document)
{
	json_t *services = check_get(document, "services"), *service;
	size_t mark = where_key(&c->w, "services"), inner;
	const char *name;

	json_object_foreach (services, name, service) {
		inner = where_key(&c->w, name);
		if (strchr(doc_str_or(service, "image", ""), '$'))
			check_error_at(c, "image", "UnsupportedSetting",
				"must be the image itself, without variables: policies judge it as "
				"it stands");
		where_back(&c->w, inner);
	}
	where_back(&c->w, mark);
}

/* The document with the parameters put in, those that are missing as nothing; NULL with findings
 * where it cannot be read. */
static json_t *resolve(struct check *c, const struct frozen_spec *spec)
{
	const json_t *document = json_object_get(spec->native, "document");
	const json_t *given = json_object_get(spec->json, "parameters");
	auto_json *used = json_object();
	json_t *resolved;

	check_images(c, document);
	resolved = docker_variables_apply(c, document, given, used);
	if (resolved)
		native_check_parameters(used, given, is_text, c->diags);
	return resolved;
}

/* --- steps --- */

static struct spec_step make_step(struct check *c, const json_t *file, const char *name)
{
	const json_t *service = json_object_get(json_object_get(file, "services"), name);
	json_t *container;

	if (!is_service_name(name))
		check_error(c, "InvalidName",
			"a service's name has 1 to %d letters, digits, '.', '_' and '-'",
			NAME_MAX_LEN);
	if (!json_is_object(service)) {
		check_error(c, "InvalidType", "must be a map, not %s", check_kind_of(service));
		return (struct spec_step){.name = name};
	}
	container = docker_service_body(c, service, check_get(file, "volumes"));
	return (struct spec_step){.name = name,
		.image = doc_str(container, "Image"),
		.json = container,
		.loader = true,
		.sink = true,
		.cache = CACHE_NEVER};
}

static void read_needs(
	struct check *c, const json_t *file, const struct strvec *names, struct spec_step *step)
{
	const json_t *service = json_object_get(json_object_get(file, "services"), step->name);
	auto_strvec needs = STRVEC_INIT;

	docker_service_needs(c, service, &needs);
	step->needs = xcalloc(needs.len + 1, sizeof(*step->needs));
	strvec_for_each (&needs, i) {
		size_t at = 0;

		while (at < names->len && !str_eq(names->items[at], needs.items[i]))
			at++;
		if (at == names->len)
			check_error_at(c, "depends_on", "UnknownService",
				"there is no service `%.80s`", needs.items[i]);
		else
			step->needs[step->needs_len++] = (int)at;
	}
}

/* Places of the steps in the order in which they may begin, the first by name first; false with a
 * finding where there is a cycle. */
static bool put_in_order(struct check *c, const struct spec_step *steps, int len, int *ret_order)
{
	auto_free bool *placed = xcalloc((size_t)len + 1, sizeof(*placed));

	for (int n = 0; n < len; n++) {
		int next = -1;

		for (int i = 0; i < len && next < 0; i++) {
			bool ready = !placed[i];

			for (int k = 0; k < steps[i].needs_len; k++)
				ready = ready && placed[steps[i].needs[k]];
			next = ready ? i : -1;
		}
		if (next < 0) {
			check_error_at(c, "services", "Cycle",
				"some services wait for each other, by way of depends_on");
			return false;
		}
		placed[next] = true;
		ret_order[n] = next;
	}
	return true;
}

/* The steps move to their places, and their needs with them. */
static void reorder(struct spec_step *steps, int len, const int *order)
{
	struct spec_step *sorted = xcalloc((size_t)len + 1, sizeof(*sorted));
	auto_free int *place = xcalloc((size_t)len + 1, sizeof(*place));

	for (int i = 0; i < len; i++)
		place[order[i]] = i;
	for (int i = 0; i < len; i++) {
		sorted[i] = steps[order[i]];
		for (int k = 0; k < sorted[i].needs_len; k++)
			sorted[i].needs[k] = place[sorted[i].needs[k]];
	}
	memcpy(steps, sorted, (size_t)len * sizeof(*steps));
	free(sorted);
}

static void check_file(struct check *c, const json_t *file)
{
	json_t *networks = check_get(file, "networks"), *network;
	const char *name;

	check_object(c, file, file_fields, array_size(file_fields));
	json_object_foreach (networks, name, network) {
		if (!str_eq(name, "default") || json_object_size(network))
			check_error_at(c, "networks", "UnsupportedSetting",
				"the services of a run have one network of their own; remove it");
	}
	if (check_get(file, "services") && !json_object_size(check_get(file, "services")))
		check_error_at(c, "services", "Required", "a pipeline needs services");
}

/* --- ports --- */

/* Of two steps that may run side by side, both cannot have one port of the engine's machine. */
static void check_ports(struct check *c, const struct frozen_spec *spec)
{
	size_t len = (size_t)spec->steps_len;
	auto_free bool *before = xcalloc(len * len + 1, sizeof(*before)); /* [k * len + i] */

	for (size_t k = 0; k < len; k++) {
		const struct spec_step *step = &spec->steps[k];

		for (int n = 0; n < step->needs_len; n++) {
			size_t need = (size_t)step->needs[n];

			before[k * len + need] = true;
			for (size_t i = 0; i < need; i++)
				before[k * len + i] |= before[need * len + i];
		}
		for (size_t i = 0; i < k; i++) {
			const char *port =
				before[k * len + i]
					? NULL
					: docker_ports_clash(spec->steps[i].json, step->json);

			if (port)
				check_error_at(c, "services", "PortClash",
					"`%s` and `%s` run side by side and both publish port %s "
					"of the engine's machine: remove it from one, or from both",
					spec->steps[i].name, step->name, port);
		}
	}
}

/* --- the whole --- */

/* Strings borrowed by the steps live in json; the caller gives it what it makes of `spec`. */
static struct frozen_spec *new_spec(const struct frozen_spec *spec, json_t *file)
{
	struct frozen_spec *own = xnew(struct frozen_spec);

	own->json = json_pack("{s:O, s:O, s:[]}", "spec", spec->json, "file", file, "containers");
	own->pipeline = spec->pipeline;
	own->namespace_ = spec->namespace_;
	own->dataset_name = own->working_directory = "";
	own->backend = spec->backend;
	own->compiler = spec->compiler;
	own->native = spec->native;
	own->fail_fast = spec->fail_fast;
	own->timeout_s = spec->timeout_s;
	return own;
}

static void read_steps(struct check *c, const json_t *file, struct frozen_spec *own)
{
	json_t *services = json_object_get(file, "services");
	json_t *containers = json_object_get(own->json, "containers");
	size_t mark = where_key(&c->w, "services"), inner;
	auto_strvec names = STRVEC_INIT;
	auto_free int *order = NULL;

	doc_sorted_keys(services, &names);
	own->steps = xcalloc(names.len + 1, sizeof(*own->steps));
	order = xcalloc(names.len + 1, sizeof(*order));
	strvec_for_each (&names, i) {
		/* the key in the tree, which lives as long as the step */
		const char *name =
			json_object_iter_key(json_object_iter_at(services, names.items[i]));

		inner = where_key(&c->w, name);
		own->steps[own->steps_len++] = make_step(c, file, name);
		if (own->steps[i].json)
			json_array_append_new(containers, own->steps[i].json);
		read_needs(c, file, &names, &own->steps[i]);
		where_back(&c->w, inner);
	}
	where_back(&c->w, mark);
	if (!diag_errors(c->diags) && put_in_order(c, own->steps, own->steps_len, order))
		reorder(own->steps, own->steps_len, order);
}

/* The steps of the document; NULL with findings. ret_file: the document with its variables
 * replaced, a new reference; NULL: not wanted. */
static struct frozen_spec *read_project(
	const struct frozen_spec *spec, struct diag_list *diags, json_t **ret_file)
{
	size_t errors = diag_errors(diags);
	auto_json *file = NULL;
	struct frozen_spec *own;
	struct check c;

	check_init(&c, diags, PATH);
	file = resolve(&c, spec);
	if (!file)
		return NULL;
	check_file(&c, file);
	if (json_object_size(json_object_get(file, "services")) > RUN_STATE_NAMES_MAX)
		return NULL;
	own = new_spec(spec, file);
	read_steps(&c, file, own);
	if (diag_errors(diags) == errors)
		check_ports(&c, own);
	if (diag_errors(diags) > errors) {
		frozen_spec_free(own);
		return NULL;
	}
	if (ret_file)
		*ret_file = json_incref(file);
	return own;
}

struct frozen_spec *docker_project_steps(const struct frozen_spec *spec, struct err *err)
{
	auto_diags diags = DIAG_LIST_INIT;
	struct frozen_spec *own = read_project(spec, &diags, NULL);

	if (!own)
		remote_refused(&diags, err);
	return own;
}

/* Every text as Compose is to read it: what was a variable is none any more. */
static json_t *escaped(const json_t *value)
{
	json_t *copy, *item;
	const char *key;
	size_t i;

	if (json_is_string(value))
		return docker_variables_escape(json_string_value(value));
	if (json_is_array(value)) {
		copy = json_array();
		json_array_foreach (value, i, item)
			json_array_append_new(copy, escaped(item));
		return copy;
	}
	if (!json_is_object(value))
		return json_incref((json_t *)value);
	copy = json_object();
	json_object_foreach ((json_t *)value, key, item)
		json_object_set_new(copy, key, escaped(item));
	return copy;
}

void docker_project_compile(
	const struct native_input *in, json_t **ret_native, struct diag_list *diags)
{
	auto_json *file = NULL;
	struct frozen_spec *own = read_project(in->spec, diags, &file);

	*ret_native = NULL;
	if (!own)
		return;
	frozen_spec_free(own);
	*ret_native = escaped(file);
	json_object_set_new(*ret_native, "name", json_string(in->run_id));
}

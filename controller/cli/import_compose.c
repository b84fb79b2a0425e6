/* The framework's docker-compose file (dataset/compiler.py, DockerCompiler). */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/import_private.h"
#include "compiler/compile.h"
#include "doc/json.h"

static const char *const top_keys[] = {"name", "services", "version", NULL};
static const char *const service_keys[] = {"build", "command", "depends_on", "deploy", "entrypoint",
	"image", "labels", "ports", "volumes", NULL};
static const char *const bind_keys[] = {"type", "source", "target", "read_only", NULL};
static const char *const device_keys[] = {"driver", "count", "capabilities", NULL};

/* Where the framework mounts a person's own credentials (--auth-provider). */
static const char *const credential_targets[] = {
	"/root/.aws", "/root/.config/gcloud", "/root/.azure", NULL};

/* One `--name value` pair after another, or --name=value. */
static void read_command(struct import *im, struct import_step *s, const json_t *command)
{
	size_t n = json_array_size(command);

	for (size_t i = 0; i < n; i++) {
		const char *token = json_string_value(json_array_get(command, i)), *equals;
		json_t *value = json_array_get(command, i + 1);
		size_t mark = where_index(&im->c.w, i);

		if (!token || !str_starts_with(token, "--") || !token[2]) {
			check_error(&im->c, "UnexpectedToken",
				"a flag such as --name is expected here, not %s%.40s",
				token ? "" : check_kind_of(json_array_get(command, i)),
				token ? token : "");
			where_back(&im->c.w, mark);
			return; /* what follows is out of step */
		}
		equals = strchr(token, '=');
		if (equals) {
			auto_free char *name = xstrndup(token + 2, (size_t)(equals - token) - 2);

			import_add_flag(im, s, name, json_string_nocheck(equals + 1), false);
		} else if (!value) {
			check_error(&im->c, "UnexpectedToken", "%.80s has no value", token);
		} else {
			where_back(&im->c.w, mark);
			where_index(&im->c.w, ++i);
			if (json_is_string(value))
				import_add_flag(im, s, token + 2, json_incref(value), false);
			else
				check_error(&im->c, "InvalidType", "must be a string, not %s",
					check_kind_of(value));
		}
		where_back(&im->c.w, mark);
	}
}

static const json_t *string_list(struct import *im, const json_t *service, const char *key)
{
	const json_t *list = check_get(service, key);
	json_t *item;
	size_t i;

	if (!list)
		return NULL;
	if (!json_is_array(list) || !json_array_size(list)) {
		check_error_at(&im->c, key, "InvalidType", "must be a list of strings, not %s",
			json_is_array(list) ? "an empty one" : check_kind_of(list));
		return NULL;
	}
	json_array_foreach (list, i, item) {
		if (!json_is_string(item)) {
			check_error_at(&im->c, key, "InvalidType",
				"must be a list of strings; item "
				"%zu is %s",
				i, check_kind_of(item));
			return NULL;
		}
	}
	return list;
}

static void read_after(struct import *im, struct import_step *s, const json_t *service)
{
	const json_t *after = check_get(service, "depends_on");
	const char *key;
	json_t *value;
	size_t i;

	if (!after)
		return;
	json_object_foreach ((json_t *)after, key, value)
		strvec_add(&s->after, key);
	json_array_foreach (after, i, value) {
		if (json_is_string(value))
			strvec_add(&s->after, json_string_value(value));
	}
	if (json_is_array(after) ? s->after.len != json_array_size(after) : !json_is_object(after))
		check_error_at(
			&im->c, "depends_on", "InvalidType", "must be a map or a list of services");
}

/* The component is built from its folder; where its image will be is what its file says. */
static void read_image(struct import *im, struct import_step *s, const json_t *service)
{
	const json_t *build = check_get(service, "build");
	const char *context = json_string_value(
		json_is_object(build) ? json_object_get(build, "context") : build);

	s->image = json_string_value(check_get(service, "image"));
	if (check_get(service, "image") && !s->image)
		check_error_at(&im->c, "image", "InvalidType", "must be a string");
	if (build) {
		size_t mark = where_key(&im->c.w, "build");

		import_warn(im, "ImageToBuild",
			"the image must be built%s%.200s and pushed before the pipeline runs: here "
			"nothing is built",
			context ? " from " : "", context ? context : "");
		where_back(&im->c.w, mark);
	}
}

static void read_device(struct import *im, struct import_step *s, const json_t *device)
{
	const json_t *count = json_object_get(device, "count");
	const json_t *what = json_object_get(device, "capabilities");
	const char *driver = json_string_value(json_object_get(device, "driver"));
	const char *capability = json_string_value(json_array_get(what, 0));

	if (!json_is_integer(count) || json_integer_value(count) < 1 || !str_eq(driver, "nvidia") ||
		json_array_size(what) != 1 || !str_eq(capability, "gpu")) {
		check_error(&im->c, "Unsupported",
			"only {driver: nvidia, count: <number>, capabilities: [gpu]} is known");
		return;
	}
	import_known_keys(im, device, device_keys);
	json_object_set_new_nocheck(
		s->settings, "accelerator", json_pack("{s:s, s:O}", "type", "GPU", "count", count));
}

static void read_deploy(struct import *im, struct import_step *s, const json_t *service)
{
	static const char *const path[] = {"resources", "reservations", "devices"};
	const json_t *at = import_object(im, service, "deploy");
	size_t mark = where_key(&im->c.w, "deploy");

	for (size_t i = 0; at && i < array_size(path); i++) {
		const char *known[] = {path[i], NULL};

		import_known_keys(im, at, known);
		at = i + 1 < array_size(path) ? import_object(im, at, path[i])
					      : check_get(at, path[i]);
		where_key(&im->c.w, path[i]);
	}
	if (at && json_array_size(at) == 1)
		read_device(im, s, json_array_get(at, 0));
	else if (at)
		check_error(&im->c, "Unsupported", "must be a list of one device");
	where_back(&im->c.w, mark);
}

static void read_labels(struct import *im, const json_t *service)
{
	static const char *const known[] = {"dataset_description", NULL};
	const json_t *labels = import_object(im, service, "labels");
	const char *text = json_string_value(json_object_get(labels, "dataset_description"));
	size_t mark = where_key(&im->c.w, "labels");

	import_known_keys(im, labels, known);
	if (text && *text)
		im->description = text;
	where_back(&im->c.w, mark);
}

/* 8787 is Dask's page of diagnostics; a step here has no port on its host. */
static void read_ports(struct import *im, const json_t *service)
{
	const json_t *ports = check_get(service, "ports");
	size_t mark = where_key(&im->c.w, "ports"), i;
	json_t *port;

	json_array_foreach (ports, i, port) {
		const char *text = json_string_value(port);
		size_t at = where_index(&im->c.w, i);

		if (!text || !str_ends_with(text, "8787"))
			import_warn(im, "PortLeftOut", "a step has no port on its host: left out");
		where_back(&im->c.w, at);
	}
	if (ports && !json_is_array(ports))
		check_error(&im->c, "InvalidType", "must be a list");
	where_back(&im->c.w, mark);
}

/* --- volumes --- */

static bool is_credentials(const char *target)
{
	for (size_t i = 0; credential_targets[i]; i++) {
		if (str_starts_with(target, credential_targets[i]))
			return true;
	}
	return false;
}

static void add_volume(struct import *im, json_t *volumes, json_t *mounts, const char *source,
	const char *target, bool read_only)
{
	auto_free char *name = NULL;
	json_t *mount;

	if (target && is_credentials(target)) {
		import_warn(im, "CredentialsLeftOut",
			"a person's own credentials (%.80s) are not imported: give the pods theirs "
			"by serviceAccountName, or by a Secret in env or podTemplate",
			target);
		return;
	}
	if (!source || !target || source[0] != '/' || target[0] != '/') {
		check_error(&im->c, "UnsupportedVolume",
			"only a folder of the host, by an absolute path, can be imported; add "
			"another kind as a volume of podTemplate by hand");
		return;
	}
	import_warn(im, "HostPath",
		"`%.200s` is a folder of the machine that ran docker; make it a "
		"persistentVolumeClaim in podTemplate unless every node has it",
		source);
	name = xasprintf("host-%zu", json_array_size(volumes) + 1);
	json_array_append_new(
		volumes, json_pack("{s:s, s:{s:s}}", "name", name, "hostPath", "path", source));
	mount = json_pack("{s:s, s:s}", "name", name, "mountPath", target);
	if (read_only)
		json_object_set_new_nocheck(mount, "readOnly", json_true());
	json_array_append_new(mounts, mount);
}

/* source:target[:mode] */
static void add_short(struct import *im, json_t *volumes, json_t *mounts, const char *text)
{
	const char *colon = strchr(text, ':'), *mode = colon ? strchr(colon + 1, ':') : NULL;
	auto_free char *source = colon ? xstrndup(text, (size_t)(colon - text)) : NULL;
	auto_free char *target = !colon ? NULL
				 : mode ? xstrndup(colon + 1, (size_t)(mode - colon) - 1)
					: xstrdup(colon + 1);

	if (mode && strcmp(mode, ":ro") != 0 && strcmp(mode, ":rw") != 0)
		import_warn(
			im, "ModeLeftOut", "`%.40s` has no meaning for a pod: left out", mode + 1);
	add_volume(im, volumes, mounts, source, target, mode && str_starts_with(mode, ":ro"));
}

static void add_long(struct import *im, json_t *volumes, json_t *mounts, const json_t *volume)
{
	const char *type = json_string_value(json_object_get(volume, "type"));

	import_known_keys(im, volume, bind_keys);
	add_volume(im, volumes, mounts,
		str_eq(type, "bind") ? json_string_value(json_object_get(volume, "source")) : NULL,
		json_string_value(json_object_get(volume, "target")),
		json_is_true(json_object_get(volume, "read_only")));
}

/* New reference; NULL: none. */
static json_t *pod_template(struct import *im, const json_t *list)
{
	auto_json *volumes = json_array(), *mounts = json_array();
	json_t *item;
	size_t i;

	if (list && !json_is_array(list))
		check_error(&im->c, "InvalidType", "must be a list, not %s", check_kind_of(list));
	json_array_foreach (list, i, item) {
		size_t mark = where_index(&im->c.w, i);

		if (json_is_string(item))
			add_short(im, volumes, mounts, json_string_value(item));
		else
			add_long(im, volumes, mounts, item);
		where_back(&im->c.w, mark);
	}
	if (!json_array_size(volumes))
		return NULL;
	return json_pack("{s:{s:O, s:[{s:s, s:O}]}}", "spec", "volumes", volumes, "containers",
		"name", "main", "volumeMounts", mounts);
}

/* The same for all, as the framework writes them: of the pipeline; else each step's own. */
static void read_volumes(struct import *im, const json_t *services)
{
	const json_t *first = NULL;
	const char *key;
	json_t *service;
	bool same = true;
	size_t i = 0;

	json_object_foreach ((json_t *)services, key, service) {
		const json_t *volumes = json_object_get(service, "volumes");

		if (i++ == 0)
			first = volumes;
		same = same && (volumes == first || json_equal(volumes, first));
	}
	i = 0;
	json_object_foreach ((json_t *)services, key, service) {
		json_t *pod;

		where_init(&im->c.w, "services");
		where_key(&im->c.w, key);
		where_key(&im->c.w, "volumes");
		pod = pod_template(im, check_get(service, "volumes"));
		if (pod && same)
			im->pod_template = pod;
		else if (pod)
			json_object_set_new_nocheck(im->steps[i].settings, "podTemplate", pod);
		if (same)
			return;
		i++;
	}
}

static void read_service(struct import *im, const char *key, const json_t *service)
{
	struct import_step *s = &im->steps[im->steps_len++];
	const json_t *command;
	size_t mark;

	s->key = key;
	s->place = xstrdup(im->c.w.text);
	s->entrypoint_place = xasprintf("%s.entrypoint", s->place);
	s->settings = json_object();
	map_set(&im->by_key, key, s);
	if (!json_is_object(service)) {
		check_error(&im->c, "InvalidType", "must be a map, not %s", check_kind_of(service));
		return;
	}
	import_known_keys(im, service, service_keys);
	s->entrypoint = string_list(im, service, "entrypoint");
	if (!check_get(service, "entrypoint"))
		check_error(&im->c, "Required", "`entrypoint` is missing: what does it run?");
	command = check_get(service, "command");
	mark = where_key(&im->c.w, "command");
	if (json_is_array(command))
		read_command(im, s, command);
	else
		check_error(&im->c, "InvalidType", "must be a list of strings, not %s",
			command ? check_kind_of(command) : "nothing");
	where_back(&im->c.w, mark);
	read_after(im, s, service);
	read_image(im, s, service);
	read_deploy(im, s, service);
	read_labels(im, service);
	read_ports(im, service);
}

int import_compose(const json_t *doc, const struct import_options *options, json_t **ret_pipeline,
	struct diag_list *diags)
{
	const json_t *services;
	struct import im;
	json_t *service;
	const char *key;
	int outcome;

	services = json_object_get(doc, "services");
	import_init(&im, options, diags, json_object_size(services));
	im.title = json_string_value(check_get(doc, "name"));
	import_known_keys(&im, doc, top_keys);
	where_init(&im.c.w, "services");
	if (!json_object_size(services) || json_object_size(services) > COMPILE_MAX_STEPS) {
		check_error(&im.c, "InvalidValue", "must be a map of 1 to %d services",
			COMPILE_MAX_STEPS);
		import_clear(&im);
		return 1;
	}
	json_object_foreach ((json_t *)services, key, service) {
		where_init(&im.c.w, "services");
		where_key(&im.c.w, key);
		read_service(&im, key, service);
	}
	read_volumes(&im, services);
	outcome = import_write(&im, ret_pipeline);
	import_clear(&im);
	return outcome;
}

#include "runners/docker_compose.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "base/vec.h"
#include "doc/json.h"
#include "doc/path.h"
#include "runners/docker_project.h"
#include "runners/docker_variables.h"
#include "runners/kfp_argv.h"
#include "runners/kfp_resources.h"
#include "runners/remote.h"

/* --- what an engine cannot do --- */

static void refuse(
	struct diag_list *diags, const struct spec_step *step, const char *field, const char *why)
{
	auto_free char *path = xasprintf("steps.%s.%s", step->name, field);

	diag_add(diags, path, "UnsupportedSetting", "%s", why);
}

static void check_resources(const struct spec_step *step, struct diag_list *diags)
{
	const json_t *requests = doc_get(step->json, "resources.requests");
	const json_t *limits = doc_get(step->json, "resources.limits");
	const char *name;
	json_t *value;

	if (json_object_size(requests))
		refuse(diags, step, "resources.requests",
			"a Docker engine reserves nothing; set limits, or leave it out");
	json_object_foreach ((json_t *)limits, name, value) {
		auto_free char *field = xasprintf("resources.limits.%s", name);

		if (!str_eq(name, "cpu") && !str_eq(name, "memory"))
			refuse(diags, step, field,
				"a Docker engine limits cpu and memory; use accelerator for GPUs");
	}
}

static void check_step(const struct spec_step *step, struct diag_list *diags)
{
	const char *accelerator = doc_str(step->json, "accelerator.type");
	const json_t *item;
	size_t i;

	check_resources(step, diags);
	if (accelerator && !str_eq(accelerator, "GPU") && !str_eq(accelerator, "nvidia.com/gpu"))
		refuse(diags, step, "accelerator.type",
			"a Docker engine gives GPUs of NVIDIA: write GPU");
	json_array_foreach (json_object_get(step->json, "env"), i, item) {
		auto_free char *field = xasprintf("env[%zu].valueFrom", i);

		if (json_object_get(item, "valueFrom"))
			refuse(diags, step, field,
				"a Docker engine reads no Secrets and ConfigMaps; give a value, or "
				"use "
				"secretArguments");
	}
}

static void check_pipeline(const struct frozen_spec *spec, struct diag_list *diags)
{
	if (spec->working_directory[0] == '/' && strchr(spec->working_directory, ':'))
		diag_add(diags, "workingDirectory", "UnsupportedSetting",
			"a Docker engine mounts no path with a colon");
	for (int i = 0; i < spec->steps_len; i++)
		check_step(&spec->steps[i], diags);
}

/* --- the document --- */

static json_t *escaped_list(const json_t *words)
{
	json_t *list = json_array();
	const json_t *word;
	size_t i;

	json_array_foreach (words, i, word)
		json_array_append_new(list, docker_variables_escape(json_string_value(word)));
	return list;
}

static json_t *environment(const struct spec_step *step, const json_t *container)
{
	json_t *map = json_pack("{s:s}", "DASK_DIAGNOSTICS_PORT", "");
	const json_t *item;
	size_t i;

	json_array_foreach (json_object_get(container, "env"), i, item)
		json_object_set_new(map, doc_str_or(item, "name", ""),
			docker_variables_escape(doc_str_or(item, "value", "")));
	for (i = 0; i < json_object_size(step->secret_arguments); i++) {
		auto_free char *name = xasprintf(KFP_SECRET_VARIABLE "%zu", i);
		auto_free char *value = xasprintf("${%s:?}", name);

		json_object_set_new(map, name, json_string(value));
	}
	return map;
}

/* "source:target", the form with which an engine makes a folder that is not there. */
static void add_bind(json_t *volumes, const char *source, const char *target, bool read_only)
{
	auto_free char *text = xasprintf("%s:%s%s", source, target, read_only ? ":ro" : "");

	json_array_append_new(volumes, docker_variables_escape(text));
}

static json_t *volumes_of(const struct native_input *in)
{
	const char *directory = in->spec->working_directory;
	json_t *volumes = json_array(), *volume;
	size_t i;

	if (directory[0] == '/')
		add_bind(volumes, directory, directory, false);
	json_array_foreach (json_object_get(in->settings, "extraVolumes"), i, volume)
		add_bind(volumes, doc_str_or(volume, "source", ""),
			doc_str_or(volume, "target", ""), doc_bool_or(volume, "readOnly", false));
	return volumes;
}

static json_t *resources_of(const struct spec_step *step)
{
	const json_t *limits = doc_get(step->json, "resources.limits");
	const json_t *cpu = json_object_get(limits, "cpu"),
		     *memory = json_object_get(limits, "memory");
	const json_t *accelerator = json_object_get(step->json, "accelerator");
	json_t *resources = json_object(), *most = json_object();

	if (cpu)
		json_object_set_new(most, "cpus", json_sprintf("%.9g", kfp_quantity(cpu)));
	if (memory)
		json_object_set_new(most, "memory", json_sprintf("%.0fb", kfp_quantity(memory)));
	if (json_object_size(most))
		json_object_set(resources, "limits", most);
	json_decref(most);
	if (accelerator)
		json_object_set_new(resources, "reservations",
			json_pack("{s:[{s:s, s:I, s:[s]}]}", "devices", "driver", "nvidia", "count",
				(json_int_t)doc_int_or(accelerator, "count", 1), "capabilities",
				"gpu"));
	return resources;
}

static json_t *service_of(const struct native_input *in, int index)
{
	const struct spec_step *step = &in->spec->steps[index];
	auto_free char *input = remote_input_manifest(in, index);
	struct kfp_argv argv = {.spec = in->spec,
		.step = step,
		.run_id = in->run_id,
		.attempt = 1,
		.input_manifest = input,
		.plain = true};
	auto_json *container = json_object();
	json_t *resources = resources_of(step), *needs = json_object(), *service;

	kfp_argv_apply(&argv, container);
	service = json_pack("{s:s, s:o, s:o, s:o, s:o, s:s}", "image", step->image, "entrypoint",
		escaped_list(json_object_get(container, "command")), "command",
		escaped_list(json_object_get(container, "args")), "environment",
		environment(step, container), "volumes", volumes_of(in), "restart", "no");
	for (int i = 0; i < step->needs_len; i++) {
		if (!remote_is_cached(in, step->needs[i]))
			json_object_set_new(needs, in->spec->steps[step->needs[i]].name,
				json_pack("{s:s}", "condition", "service_completed_successfully"));
	}
	if (json_object_size(needs))
		json_object_set(service, "depends_on", needs);
	if (json_object_size(resources))
		json_object_set_new(service, "deploy", json_pack("{s:O}", "resources", resources));
	json_decref(needs);
	json_decref(resources);
	return service;
}

void docker_compose_compile(
	const struct native_input *in, json_t **ret_native, struct diag_list *diags)
{
	json_t *services;

	if (in->spec->native) {
		docker_project_compile(in, ret_native, diags);
		return;
	}
	services = json_object();
	check_pipeline(in->spec, diags);
	for (int i = 0; i < in->spec->steps_len; i++) {
		if (!remote_is_cached(in, i))
			json_object_set_new(services, in->spec->steps[i].name, service_of(in, i));
	}
	*ret_native = json_pack("{s:s, s:o}", "name", in->run_id, "services", services);
}

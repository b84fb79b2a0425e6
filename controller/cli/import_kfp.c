/*
 * KFP's intermediate representation as the framework writes it for Kubeflow and Vertex AI
 * (dataset/compiler.py, KubeFlowCompiler): one task a component, every argument a constant of the
 * task that a placeholder puts into the command line.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/import_private.h"
#include "compiler/compile.h"
#include "doc/json.h"

static const char *const top_keys[] = {"components", "deploymentSpec", "pipelineInfo", "root",
	"schemaVersion", "sdkVersion", "defaultPipelineRoot", NULL};
static const char *const task_keys[] = {"cachingOptions", "componentRef", "dependentTasks",
	"inputs", "taskInfo", "triggerPolicy", "parameterIterator", "artifactIterator",
	"iteratorPolicy", NULL};
/* What would make a run do something else than one container once. */
static const char *const control_keys[] = {
	"triggerPolicy", "parameterIterator", "artifactIterator", "iteratorPolicy", NULL};
static const char *const container_keys[] = {"args", "command", "image", "resources", NULL};
static const char *const resource_keys[] = {"cpuLimit", "cpuRequest", "memoryLimit",
	"memoryRequest", "resourceCpuLimit", "resourceCpuRequest", "resourceMemoryLimit",
	"resourceMemoryRequest", "accelerator", NULL};
static const char *const accelerator_keys[] = {
	"count", "type", "resourceCount", "resourceType", NULL};

/* The name in {{$.inputs.parameters['name']}} when that is all of it; owned, NULL: it is not. */
static char *placeholder(const char *text)
{
	static const char head[] = "{{$.inputs.parameters['", tail[] = "']}}";
	size_t len = strlen(text), n = strlen(head) + strlen(tail);

	if (len <= n || !str_starts_with(text, head) || !str_ends_with(text, tail))
		return NULL;
	return xstrndup(text + strlen(head), len - n);
}

/* The constant that the task gives, or the default of its component; borrowed, NULL with an error
 * unless there is none at all. At the task. */
static json_t *input_value(
	struct import *im, const json_t *task, const json_t *component, const char *name)
{
	const json_t *inputs = check_get(check_get(task, "inputs"), "parameters");
	const json_t *input = check_get(inputs, name), *declared;
	json_t *value = json_object_get(check_get(input, "runtimeValue"), "constant");

	where_key(&im->c.w, "inputs");
	where_key(&im->c.w, "parameters");
	where_key(&im->c.w, name);
	if (input && (!value || json_is_null(value)))
		check_error(&im->c, "Unsupported",
			"only a constant (runtimeValue.constant) can be imported; compile the "
			"pipeline without KFP's own parameters");
	if (input)
		return value;
	declared =
		check_get(check_get(check_get(component, "inputDefinitions"), "parameters"), name);
	value = check_get(declared, "defaultValue");
	if (!value && !json_is_true(json_object_get(declared, "isOptional")))
		check_error(&im->c, "Required", "the task gives no value, and there is no default");
	return value;
}

static void read_argument(struct import *im, struct import_step *s, const json_t *task,
	const json_t *component, const char *flag, json_t *token)
{
	auto_free char *name = placeholder(json_string_value(token));
	struct where here = im->c.w;
	json_t *value;

	if (!name) {
		import_add_flag(im, s, flag, json_incref(token), false);
		return;
	}
	where_init(&im->c.w, s->place);
	value = input_value(im, task, component, name);
	if (value && !json_is_null(value))
		import_add_flag(im, s, flag, json_incref(value), true);
	im->c.w = here;
}

/* At the executor's container. */
static void read_args(struct import *im, struct import_step *s, const json_t *task,
	const json_t *component, const json_t *args)
{
	size_t outer = where_key(&im->c.w, "args"), n = json_array_size(args);

	for (size_t i = 0; i < n; i += 2) {
		const char *flag = json_string_value(json_array_get(args, i));
		json_t *token = json_array_get(args, i + 1);
		size_t mark = where_index(&im->c.w, i);
		bool fine = flag && str_starts_with(flag, "--") && flag[2];

		if (!fine)
			check_error(&im->c, "UnexpectedToken",
				"a flag such as --name is expected here");
		else if (!json_is_string(token))
			check_error(&im->c, "UnexpectedToken", "%.80s has no value", flag);
		else
			read_argument(im, s, task, component, flag + 2, token);
		where_back(&im->c.w, mark);
		if (!fine)
			break;
	}
	if (!json_is_array(args))
		check_error(&im->c, "InvalidType", "must be a list of strings");
	where_back(&im->c.w, outer);
}

/* --- resources --- */

/* "512M", "1Gi": the shortest that is exact. Owned; NULL when it is no sensible size. */
static char *bytes_quantity(double gigabytes)
{
	static const struct {
		double size;
		const char *suffix;
	} units[] = {{1099511627776.0, "Ti"}, {1e12, "T"}, {1073741824.0, "Gi"}, {1e9, "G"},
		{1048576.0, "Mi"}, {1e6, "M"}, {1024.0, "Ki"}, {1e3, "k"}, {1, ""}};
	double bytes = round(gigabytes * 1e9);

	if (!(bytes >= 1) || bytes > 9e15)
		return NULL;
	for (size_t i = 0; i < array_size(units); i++) {
		if (fmod(bytes, units[i].size) == 0)
			return xasprintf("%.0f%s", bytes / units[i].size, units[i].suffix);
	}
	return NULL;
}

static char *cores_quantity(double cores)
{
	double milli = round(cores * 1000);

	if (!(milli >= 1) || milli > 1e9)
		return NULL;
	return fmod(milli, 1000) == 0 ? xasprintf("%.0f", milli / 1000) : xasprintf("%.0fm", milli);
}

/* One amount: the text form of newer versions, or the number. */
static void read_amount(struct import *im, const json_t *resources, const char *number,
	const char *text, const char *what, json_t *out)
{
	const json_t *value = check_get(resources, text);
	size_t mark = where_key(&im->c.w, value ? text : number);
	bool memory = strcmp(what, "memory") == 0;
	auto_free char *quantity = NULL;

	if (json_is_string(value)) {
		quantity = xstrdup(json_string_value(value));
	} else if ((value = check_get(resources, number))) {
		double amount = json_number_value(value);

		/* cpu_request and cpu_limit of the framework end up as a few bytes of memory */
		if (memory && amount > 0 && amount * 1e9 < 4096.5) {
			import_warn(im, "CPUAsMemory",
				"the framework writes a number of CPUs as bytes of memory; "
				"imported "
				"as cpu");
			what = "cpu";
			quantity = cores_quantity(round(amount * 1e9));
		} else {
			quantity = memory ? bytes_quantity(amount) : cores_quantity(amount);
		}
	}
	if (value && !quantity)
		check_error(&im->c, "InvalidValue", "is no amount of %s", what);
	else if (quantity && !json_object_get(out, what))
		json_object_set_new_nocheck(out, what, json_string_nocheck(quantity));
	where_back(&im->c.w, mark);
}

static void read_accelerator(struct import *im, struct import_step *s, const json_t *resources)
{
	const json_t *given = import_object(im, resources, "accelerator");
	const char *type = json_string_value(check_get(given, "resourceType"));
	const json_t *count = check_get(given, "resourceCount");
	size_t mark = where_key(&im->c.w, "accelerator");
	int64_t number = 0;

	type = type ? type : json_string_value(check_get(given, "type"));
	count = count ? count : check_get(given, "count");
	if (json_is_number(count))
		number = json_number_value(count) <= 1e6 ? (int64_t)json_number_value(count) : 0;
	else if (json_is_string(count) && !str_to_int64(json_string_value(count), &number))
		number = 0;
	import_known_keys(im, given, accelerator_keys);
	if (given && (!type || !*type || number < 1))
		check_error(&im->c, "InvalidValue", "must be {type: <name>, count: <number>}");
	else if (given)
		json_object_set_new_nocheck(s->settings, "accelerator",
			json_pack("{s:s, s:I}", "type",
				strcmp(type, "nvidia.com/gpu") == 0 ? "GPU" : type, "count",
				(json_int_t)number));
	where_back(&im->c.w, mark);
}

static void read_resources(struct import *im, struct import_step *s, const json_t *container)
{
	const json_t *resources = import_object(im, container, "resources");
	auto_json *requests = json_object(), *limits = json_object(), *out = json_object();
	size_t mark = where_key(&im->c.w, "resources");

	import_known_keys(im, resources, resource_keys);
	read_amount(im, resources, "cpuRequest", "resourceCpuRequest", "cpu", requests);
	read_amount(im, resources, "memoryRequest", "resourceMemoryRequest", "memory", requests);
	read_amount(im, resources, "cpuLimit", "resourceCpuLimit", "cpu", limits);
	read_amount(im, resources, "memoryLimit", "resourceMemoryLimit", "memory", limits);
	read_accelerator(im, s, resources);
	if (json_object_size(requests))
		json_object_set_nocheck(out, "requests", requests);
	if (json_object_size(limits))
		json_object_set_nocheck(out, "limits", limits);
	if (json_object_size(out))
		json_object_set_nocheck(s->settings, "resources", out);
	where_back(&im->c.w, mark);
}

/* --- tasks --- */

static void read_container(struct import *im, struct import_step *s, const json_t *task,
	const json_t *component, const json_t *container)
{
	const json_t *command = check_get(container, "command");
	const json_t *image = check_get(container, "image");
	json_t *word;
	size_t i;

	import_known_keys(im, container, container_keys);
	free(s->entrypoint_place);
	s->entrypoint_place = xasprintf("%s.command", im->c.w.text);
	s->entrypoint = command;
	if (!json_array_size(command)) {
		check_error_at(&im->c, "command", "InvalidType", "must be a list of strings");
		s->entrypoint = NULL;
	}
	json_array_foreach (command, i, word) {
		if (json_is_string(word))
			continue;
		check_error_at(&im->c, "command", "InvalidType", "must be a list of strings");
		s->entrypoint = NULL;
		break;
	}
	s->image = json_string_value(image);
	if (!s->image)
		check_error_at(&im->c, "image", "InvalidType", "must be a string");
	read_resources(im, s, container);
	read_args(im, s, task, component, check_get(container, "args"));
}

static void read_platform(
	struct import *im, struct import_step *s, const json_t *platform, const char *label)
{
	static const char *const path[] = {
		"platforms", "kubernetes", "deploymentSpec", "executors"};
	static const char *const known[] = {"nodeSelector", NULL};
	static const char *const selector_keys[] = {"labels", NULL};
	const json_t *at = platform, *selector, *labels;

	where_init(&im->c.w, "");
	for (size_t i = 0; i < array_size(path); i++) {
		at = import_object(im, at, path[i]);
		where_key(&im->c.w, path[i]);
	}
	at = import_object(im, at, label);
	where_key(&im->c.w, label);
	import_known_keys(im, at, known);
	selector = import_object(im, at, "nodeSelector");
	where_key(&im->c.w, "nodeSelector");
	import_known_keys(im, selector, selector_keys);
	labels = import_object(im, selector, "labels");
	if (json_object_size(labels))
		json_object_set_new_nocheck(s->settings, "podTemplate",
			json_pack("{s:{s:O}}", "spec", "nodeSelector", labels));
}

static void read_after(struct import *im, struct import_step *s, const json_t *task)
{
	const json_t *after = check_get(task, "dependentTasks");
	json_t *item;
	size_t i;

	json_array_foreach (after, i, item) {
		if (json_is_string(item))
			strvec_add(&s->after, json_string_value(item));
	}
	if (after && (!json_is_array(after) || s->after.len != json_array_size(after)))
		check_error_at(&im->c, "dependentTasks", "InvalidType", "must be a list of tasks");
}

/* The member of the map at `place` (NULL: the current one), or NULL with an error there. */
static const json_t *look_up(
	struct import *im, const json_t *map, const char *place, const char *name)
{
	const json_t *value = name ? check_get(map, name) : NULL;

	if (place)
		where_init(&im->c.w, place);
	if (!json_is_object(value)) {
		check_error(&im->c, "Required", "there is no `%.80s`", name ? name : "");
		return NULL;
	}
	where_key(&im->c.w, name);
	return value;
}

static void read_task(struct import *im, const json_t *doc, const json_t *platform, const char *key,
	const json_t *task)
{
	static const char *const component_keys[] = {"executorLabel", "inputDefinitions", NULL};
	static const char *const executor_keys[] = {"container", NULL};
	struct import_step *s = &im->steps[im->steps_len++];
	const json_t *component, *executor;
	const char *label;

	s->key = key;
	s->place = xstrdup(im->c.w.text);
	s->entrypoint_place = xstrdup(im->c.w.text);
	s->settings = json_object();
	map_set(&im->by_key, key, s);
	for (size_t i = 0; control_keys[i]; i++) {
		if (check_get(task, control_keys[i]))
			check_error_at(&im->c, control_keys[i], "Unsupported",
				"conditions, loops and exit handlers cannot be imported");
	}
	import_known_keys(im, task, task_keys);
	read_after(im, s, task);
	label = json_string_value(check_get(check_get(task, "componentRef"), "name"));
	component = look_up(im, check_get(doc, "components"), "components", label);
	if (!component)
		return;
	import_known_keys(im, component, component_keys);
	label = json_string_value(check_get(component, "executorLabel"));
	executor = look_up(im, check_get(check_get(doc, "deploymentSpec"), "executors"),
		"deploymentSpec.executors", label);
	if (!executor)
		return;
	import_known_keys(im, executor, executor_keys);
	executor = look_up(im, executor, NULL, "container");
	if (executor)
		read_container(im, s, task, component, executor);
	if (platform)
		read_platform(im, s, platform, label);
}

int import_kfp(const json_t *doc, const json_t *platform, const struct import_options *options,
	json_t **ret_pipeline, struct diag_list *diags)
{
	const json_t *dag = check_get(check_get(doc, "root"), "dag");
	const json_t *tasks = check_get(dag, "tasks"), *info = check_get(doc, "pipelineInfo");
	struct import im;
	const char *key;
	json_t *task;
	int outcome;

	import_init(&im, options, diags, json_object_size(tasks));
	im.title = json_string_value(check_get(info, "name"));
	im.description = json_string_value(check_get(info, "description"));
	import_known_keys(&im, doc, top_keys);
	where_init(&im.c.w, "root.dag.tasks");
	if (!json_object_size(tasks) || json_object_size(tasks) > COMPILE_MAX_STEPS) {
		check_error(
			&im.c, "InvalidValue", "must be a map of 1 to %d tasks", COMPILE_MAX_STEPS);
		import_clear(&im);
		return 1;
	}
	json_object_foreach ((json_t *)tasks, key, task) {
		where_init(&im.c.w, "root.dag.tasks");
		where_key(&im.c.w, key);
		if (!json_is_object(task))
			check_error(
				&im.c, "InvalidType", "must be a map, not %s", check_kind_of(task));
		else
			read_task(&im, doc, platform, key, task);
	}
	outcome = import_write(&im, ret_pipeline);
	import_clear(&im);
	return outcome;
}

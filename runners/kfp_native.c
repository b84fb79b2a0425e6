#include "runners/kfp_native.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "compiler/check.h"
#include "compiler/where.h"
#include "doc/json.h"
#include "doc/path.h"
#include "runners/native_parameters.h"

#define NAME_MAX_LEN 128 /* of pipelineInfo.name, as the kfp SDK allows it */

struct ir {
	const json_t *components, *executors;
	struct where w;
	struct diag_list *diags;
};

static void wrong(struct ir *ir, const char *reason, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void wrong(struct ir *ir, const char *reason, const char *fmt, ...)
{
	auto_free char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	diag_add(ir->diags, ir->w.text, reason, "%s", text);
}

/* --- tasks --- */

/* A task that must come before; tasks: those of the same DAG. */
static void check_needed(struct ir *ir, const json_t *tasks, const char *name)
{
	if (!name || !json_object_get(tasks, name))
		wrong(ir, "UnknownTask", "there is no task `%.80s` in this DAG", name ? name : "");
}

/* The task whose output an input is; NULL: of none. Borrowed. */
static const char *producer_of(const json_t *input)
{
	const char *task = doc_str(input, "taskOutputParameter.producerTask");

	return task ? task : doc_str(input, "taskOutputArtifact.producerTask");
}

static void check_inputs(struct ir *ir, const json_t *tasks, const json_t *task, const char *which)
{
	const json_t *inputs = json_object_get(json_object_get(task, "inputs"), which);
	size_t mark = where_key(&ir->w, "inputs"), inner = where_key(&ir->w, which), each;
	const char *name;
	json_t *input;

	json_object_foreach ((json_t *)inputs, name, input) {
		each = where_key(&ir->w, name);
		if (producer_of(input))
			check_needed(ir, tasks, producer_of(input));
		where_back(&ir->w, each);
	}
	where_back(&ir->w, inner);
	where_back(&ir->w, mark);
}

static void check_task(struct ir *ir, const json_t *tasks, const json_t *task)
{
	const char *component = doc_str(task, "componentRef.name");
	const json_t *before = json_object_get(task, "dependentTasks"), *name;
	size_t mark, i;

	if (!component || !json_object_get(ir->components, component)) {
		mark = where_key(&ir->w, "componentRef");
		wrong(ir, "UnknownComponent", "there is no component `%.80s` in the document",
			component ? component : "");
		where_back(&ir->w, mark);
	}
	json_array_foreach (before, i, name) {
		mark = where_key(&ir->w, "dependentTasks");
		check_needed(ir, tasks, json_string_value(name));
		where_back(&ir->w, mark);
	}
	check_inputs(ir, tasks, task, "parameters");
	check_inputs(ir, tasks, task, "artifacts");
}

/* --- cycles --- */

/* Who waits for whom in one DAG, by the tasks' places in it: a list of waiting tasks for each. */
struct waits {
	struct map places; /* name -> place + 1 */
	int *open;         /* of each task: what it still waits for */
	int *first;        /* of each task: the first edge to one that waits for it; -1 */
	int *next, *who;   /* of each edge: the one after it, and the task that waits */
	size_t edges, cap;
};

static void waits_for(struct waits *w, int task, const char *name)
{
	int before = name ? (int)(intptr_t)map_get(&w->places, name) - 1 : -1;

	if (before < 0)
		return; /* not there, which is said where it is named */
	if (w->edges == w->cap) {
		w->cap = w->cap ? w->cap * 2 : 64;
		w->next = xreallocarray(w->next, w->cap, sizeof(*w->next));
		w->who = xreallocarray(w->who, w->cap, sizeof(*w->who));
	}
	w->who[w->edges] = task;
	w->next[w->edges] = w->first[before];
	w->first[before] = (int)w->edges++;
	w->open[task]++;
}

static void read_waits(struct waits *w, int place, const json_t *task)
{
	static const char *const kinds[] = {"parameters", "artifacts"};
	const json_t *name;
	const char *key;
	json_t *input;
	size_t i;

	json_array_foreach (json_object_get(task, "dependentTasks"), i, name)
		waits_for(w, place, json_string_value(name));
	for (size_t k = 0; k < array_size(kinds); k++) {
		const json_t *inputs = json_object_get(json_object_get(task, "inputs"), kinds[k]);

		json_object_foreach ((json_t *)inputs, key, input)
			waits_for(w, place, producer_of(input));
	}
}

/* Takes away, one after the other, the tasks that wait for nothing; those that stay are in a cycle
 * or behind one. */
static void settle(struct waits *w, size_t tasks)
{
	int *ready = xcalloc(tasks + 1, sizeof(*ready));
	size_t len = 0;

	for (size_t i = 0; i < tasks; i++) {
		if (!w->open[i])
			ready[len++] = (int)i;
	}
	for (size_t at = 0; at < len; at++) {
		for (int edge = w->first[ready[at]]; edge >= 0; edge = w->next[edge]) {
			if (--w->open[w->who[edge]] == 0)
				ready[len++] = w->who[edge];
		}
	}
	free(ready);
}

static void check_cycles(struct ir *ir, const json_t *tasks)
{
	size_t len = json_object_size(tasks);
	struct waits w = {.open = xcalloc(len + 1, sizeof(*w.open)),
		.first = xcalloc(len + 1, sizeof(*w.first))};
	int place = 0;
	const char *name;
	json_t *task;

	json_object_foreach ((json_t *)tasks, name, task) {
		w.first[place++] = -1;
		map_set(&w.places, name, (void *)(intptr_t)place);
	}
	place = 0;
	json_object_foreach ((json_t *)tasks, name, task)
		read_waits(&w, place++, task);
	settle(&w, len);
	place = 0;
	json_object_foreach ((json_t *)tasks, name, task) {
		if (!w.open[place++])
			continue;
		wrong(ir, "Cycle", "task `%.80s` waits for itself, by way of those it needs", name);
		break;
	}
	map_clear(&w.places);
	free(w.open);
	free(w.first);
	free(w.next);
	free(w.who);
}

static void check_dag(struct ir *ir, const json_t *dag)
{
	const json_t *tasks = json_object_get(dag, "tasks");
	size_t mark = where_key(&ir->w, "dag"), inner = where_key(&ir->w, "tasks"), each;
	const char *name;
	json_t *task;

	if (!json_object_size(tasks))
		wrong(ir, "Required", "a DAG needs tasks");
	json_object_foreach ((json_t *)tasks, name, task) {
		each = where_key(&ir->w, name);
		check_task(ir, tasks, task);
		where_back(&ir->w, each);
	}
	check_cycles(ir, tasks);
	where_back(&ir->w, inner);
	where_back(&ir->w, mark);
}

/* --- components and executors --- */

static void check_component(struct ir *ir, const json_t *component)
{
	const char *label = doc_str(component, "executorLabel");
	const json_t *dag = json_object_get(component, "dag");

	if (!label == !dag)
		wrong(ir, "InvalidValue", "has exactly one of executorLabel and dag");
	else if (dag)
		check_dag(ir, dag);
	else if (!json_object_get(ir->executors, label))
		wrong(ir, "UnknownExecutor", "there is no executor `%.80s` in deploymentSpec",
			label);
}

static void check_components(struct ir *ir)
{
	size_t mark = where_key(&ir->w, "components"), each;
	const char *name;
	json_t *component;

	json_object_foreach ((json_t *)ir->components, name, component) {
		each = where_key(&ir->w, name);
		check_component(ir, component);
		where_back(&ir->w, each);
	}
	where_back(&ir->w, mark);
}

static void check_executors(struct ir *ir)
{
	size_t mark = where_key(&ir->w, "deploymentSpec"), inner = where_key(&ir->w, "executors");
	const char *name;
	json_t *executor;

	json_object_foreach ((json_t *)ir->executors, name, executor) {
		const json_t *container = json_object_get(executor, "container");
		size_t each = where_key(&ir->w, name);

		if (container && !*doc_str_or(container, "image", ""))
			wrong(ir, "Required", "its container has no image");
		where_back(&ir->w, each);
	}
	where_back(&ir->w, inner);
	where_back(&ir->w, mark);
}

/* --- the head --- */

static bool is_name(const char *name)
{
	size_t len = strlen(name);

	return len && len <= NAME_MAX_LEN && *name != '-' && name[len - 1] != '-' &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

/* False: it is something else altogether. */
static bool check_head(struct ir *ir, const json_t *json)
{
	const char *version = doc_str_or(json, "schemaVersion", "");
	const char *name = doc_str_or(json, "pipelineInfo.name", "");
	size_t mark = where_key(&ir->w, "schemaVersion");

	if (!str_starts_with(version, "2.")) {
		wrong(ir, "InvalidDocument",
			"`%.40s` is not a version 2.x of the pipeline specification: compile the "
			"pipeline with kfp 2",
			version);
		where_back(&ir->w, mark);
		return false;
	}
	where_back(&ir->w, mark);
	mark = where_key(&ir->w, "pipelineInfo");
	if (!is_name(name))
		wrong(ir, "InvalidName",
			"the pipeline's name `%.130s` must be 1 to %d lower-case letters, digits "
			"and -, beginning and ending with a letter or digit",
			name, NAME_MAX_LEN);
	where_back(&ir->w, mark);
	return true;
}

/* --- parameters --- */

/* Whether a value is of a parameterType (pipeline_spec.proto, ParameterType.ParameterTypeEnum). */
static bool is_of(const json_t *value, const char *type)
{
	if (str_eq(type, "STRING"))
		return json_is_string(value);
	if (str_eq(type, "NUMBER_INTEGER"))
		return json_is_integer(value);
	if (str_eq(type, "NUMBER_DOUBLE"))
		return json_is_number(value);
	if (str_eq(type, "BOOLEAN"))
		return json_is_boolean(value);
	if (str_eq(type, "LIST"))
		return json_is_array(value);
	return !str_eq(type, "STRUCT") || json_is_object(value);
}

static void check_parameters(const json_t *json, const json_t *given, struct diag_list *diags)
{
	auto_json *declared = json_object();
	const char *name;
	json_t *own;

	json_object_foreach (doc_get(json, "root.inputDefinitions.parameters"), name, own) {
		bool optional = json_object_get(own, "defaultValue") ||
				json_is_true(json_object_get(own, "isOptional"));

		json_object_set_new(declared, name,
			json_pack("{s:s, s:b}", "type",
				doc_str_or(own, "parameterType", "of any type"), "optional",
				optional));
	}
	native_check_parameters(declared, given, is_of, diags);
}

void kfp_native_check(
	const json_t *json, const char *path, const json_t *parameters, struct diag_list *diags)
{
	struct ir ir = {.components = json_object_get(json, "components"),
		.executors = doc_get(json, "deploymentSpec.executors"),
		.diags = diags};
	size_t mark;

	where_init(&ir.w, path);
	if (!json_is_object(json)) {
		wrong(&ir, "InvalidDocument", "must be a map, not %s",
			json ? check_kind_of(json) : "nothing");
		return;
	}
	if (!check_head(&ir, json))
		return;
	check_components(&ir);
	check_executors(&ir);
	mark = where_key(&ir.w, "root");
	check_dag(&ir, json_object_get(json_object_get(json, "root"), "dag"));
	where_back(&ir.w, mark);
	check_parameters(json, parameters, diags);
}

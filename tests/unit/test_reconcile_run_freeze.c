/* A run with parameters: when it freezes, what is written then, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/mem.h"
#include "base/str.h"
#include "doc/json.h"
#include "doc/path.h"
#include "kube/conditions.h"
#include "reconcile/run_freeze.h"
#include "runners/runner.h"
#include "quoted_json.h"

#define NOW INT64_C(1800000000)

static json_t *run_with(const char *spec)
{
	auto_free char *text = xasprintf(
		"{'metadata': {'name': 'r', 'namespace': 'n', 'uid': 'uid-r', 'resourceVersion': "
		"'7', 'generation': 1, 'creationTimestamp': '2027-01-15T08:00:00Z'}, 'spec': "
		"{'pipelineRef': {'name': 'p'}%s}}",
		spec);

	return quoted_json(text);
}

/* Parameter rows, an argument of its one step. */
static json_t *ready_pipeline(void)
{
	return quoted_json(
		"{'metadata': {'name': 'p', 'namespace': 'n', 'uid': 'uid-p', 'generation': 2},"
		" 'spec': {'workingDirectory': 's3://b/w', 'parameters': [{'name': 'rows', 'type':"
		" 'int', 'default': 7}], 'steps': [{'name': 's', 'component': {'spec': {'name':"
		" 'S', 'description': 'd', 'image': 'x/y:1', 'produces': {'a': {'type':"
		" 'string'}}, 'args': {'n': {'type': 'int'}}}}, 'arguments': {'n':"
		" '$(parameters.rows)'}}]}, 'status': {'observedGeneration': 2, 'frozen': {'name':"
		" 'p-0123456789ab', 'hash': 'sha256:01'}, 'conditions': [{'type': 'Ready',"
		" 'status': 'True', 'message': 'fine'}]}}");
}

static void it_is_admitted_to_freeze_once(void **state)
{
	auto_json *run = run_with(", 'parameters': [{'name': 'rows', 'value': 1}]");
	auto_json *pipeline = ready_pipeline();
	struct run_view view = {.run = run, .pipeline = pipeline, .now_s = NOW};
	struct plan plan = PLAN_INIT;
	char *name = NULL, *hash = NULL;

	(void)state;
	assert_int_equal(run_admit(&view, &plan, &name, &hash), RUN_FREEZE);
	assert_string_equal(name, "p-0123456789ab");
	assert_string_equal(hash, "sha256:01");
	assert_int_equal(plan.len, 0);
	free(take_ptr(name));
	free(take_ptr(hash));
	json_object_set_new(run, "status",
		quoted_json("{'phase': 'Pending', 'frozenSpec': {'name': 'p-own', 'hash': "
			    "'sha256:aa'}}"));
	assert_int_equal(run_admit(&view, &plan, &name, &hash), RUN_GO);
	assert_string_equal(name, "p-own");
	free(name);
	free(hash);
	plan_clear(&plan);
}

static void what_time_it_is_for_a_run(void **state)
{
	auto_json *plain = run_with("");
	auto_json *backfill = run_with(", 'scheduledTime': '2024-02-29T00:00:00Z'");
	auto_json *nothing = quoted_json("{}");

	(void)state;
	assert_int_equal(run_scheduled_s(plain), 1800000000);
	assert_false(run_is_scheduled(plain));
	assert_int_equal(run_scheduled_s(backfill), 1709164800);
	assert_true(run_is_scheduled(backfill));
	assert_int_equal(run_scheduled_s(nothing), 0);
}

struct attempt_to_freeze {
	json_t *run, *pipeline, *pinned;
	struct plan plan;
};

/* rows: the value, JSON. frozen: ConfigMaps that are there already; may be NULL. */
static void freeze(struct attempt_to_freeze *t, const char *rows, const json_t *frozen)
{
	static const struct pipeline_settings settings = {.implicit_backend = true};
	auto_free char *spec = xasprintf(", 'parameters': [{'name': 'rows', 'value': %s}]", rows);
	struct compile_input input = {.namespace_ = "n", .pipeline = "p", .backend = "kubernetes"};
	struct compile_output out;
	struct run_view view;

	t->run = run_with(spec);
	t->pipeline = ready_pipeline();
	input.spec = json_object_get(t->pipeline, "spec");
	assert_int_equal(compile_pipeline(&input, &out), 0);
	t->pinned = json_incref(out.frozen);
	compile_output_clear(&out);
	view = (struct run_view){.run = t->run, .pipeline = t->pipeline, .now_s = NOW};
	t->plan = (struct plan)PLAN_INIT;
	run_freeze(&(struct run_freeze){.view = &view,
			   .pinned = t->pinned,
			   .pinned_name = "p-0123456789ab",
			   .frozen = frozen,
			   .settings = &settings},
		&t->plan);
}

static void clear(struct attempt_to_freeze *t)
{
	json_decref(t->run);
	json_decref(t->pipeline);
	json_decref(t->pinned);
	plan_clear(&t->plan);
}

static void a_new_spec_is_made_then_pinned(void **state)
{
	struct attempt_to_freeze t;
	const json_t *map, *owner;

	(void)state;
	freeze(&t, "1", NULL);
	assert_int_equal(t.plan.len, 2);
	assert_int_equal(t.plan.writes[0].verb, KUBE_CREATE);
	map = t.plan.writes[0].body;
	owner = doc_get(map, "metadata.ownerReferences.0");
	assert_string_equal(doc_str(owner, "uid"), "uid-r");
	assert_null(json_object_get(owner, "controller")); /* other runs may own it, too */
	assert_true(doc_bool_or(map, "immutable", false));
	assert_string_equal(t.plan.writes[1].subresource, "status");
	assert_string_equal(doc_str(t.plan.writes[1].body, "status.frozenSpec.name"),
		doc_str(map, "metadata.name"));
	clear(&t);
}

static void a_spec_that_is_there_gets_another_owner(void **state)
{
	struct attempt_to_freeze t;
	auto_json *frozen = json_array();

	(void)state;
	freeze(&t, "1", NULL);
	json_array_append(frozen, t.plan.writes[0].body);
	clear(&t);
	json_object_set_new(doc_get(json_array_get(frozen, 0), "metadata"), "ownerReferences",
		quoted_json("[{'kind': 'FondantRun', 'uid': 'uid-other'}]"));
	doc_set_new(json_array_get(frozen, 0), "metadata.resourceVersion", json_string("5"));
	freeze(&t, "1", frozen);
	assert_int_equal(t.plan.len, 2);
	assert_int_equal(t.plan.writes[0].verb, KUBE_MERGE_PATCH);
	assert_string_equal(doc_str(t.plan.writes[0].body, "metadata.resourceVersion"), "5");
	assert_string_equal(
		doc_str(t.plan.writes[0].body, "metadata.ownerReferences.0.uid"), "uid-other");
	assert_string_equal(
		doc_str(t.plan.writes[0].body, "metadata.ownerReferences.1.uid"), "uid-r");
	/* which is done once */
	json_object_set(doc_get(json_array_get(frozen, 0), "metadata"), "ownerReferences",
		doc_get(t.plan.writes[0].body, "metadata.ownerReferences"));
	clear(&t);
	freeze(&t, "1", frozen);
	assert_int_equal(t.plan.len, 1);
	clear(&t);
}

static void what_does_not_fit_fails_the_run(void **state)
{
	struct attempt_to_freeze t;
	const json_t *ready;

	(void)state;
	freeze(&t, "'one'", NULL);
	assert_int_equal(t.plan.len, 1);
	ready = condition_find(doc_get(t.plan.writes[0].body, "status.conditions"), "Ready");
	assert_string_equal(doc_str(t.plan.writes[0].body, "status.phase"), "Failed");
	assert_string_equal(doc_str(ready, "reason"), "InvalidParameter");
	assert_non_null(strstr(doc_str(ready, "message"), "spec.parameters[0].value"));
	assert_int_equal(t.plan.events_len, 1);
	clear(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_admitted_to_freeze_once),
		cmocka_unit_test(what_time_it_is_for_a_run),
		cmocka_unit_test(a_new_spec_is_made_then_pinned),
		cmocka_unit_test(a_spec_that_is_there_gets_another_owner),
		cmocka_unit_test(what_does_not_fit_fails_the_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

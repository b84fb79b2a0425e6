/*
 * The decisions about a pipeline, against a small world that carries out their writes: what
 * triggers a run and what never does, with a crash between any two writes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "doc/json.h"
#include "doc/patch.h"
#include "doc/path.h"
#include "kube/conditions.h"
#include "reconcile/names.h"
#include "reconcile/pipeline.h"
#include "runners/runner.h"
#include "quoted_json.h"

struct world {
	json_t *pipeline, *runs, *frozen, *components;
	struct pipeline_settings settings;
	int64_t now_s;
	int versions, runs_made;
	int crash_after; /* writes until the pass is cut off; -1: never */
};

static const char *const pipeline_text =
	"{'metadata': {'name': 'p', 'namespace': 'n', 'uid': 'u-1', 'generation': 1,"
	" 'resourceVersion': '1'}, 'spec': {'workingDirectory': 's3://b/w', 'steps': [{'name': 's',"
	" 'component': {'spec': {'name': 'S', 'description': 'd', 'image': 'x/y:1', 'produces':"
	" {'a': {'type': 'string'}}, 'args': {'n': {'type': 'int'}}}}, 'arguments': {'n': 1}}]}}";

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	w->pipeline = quoted_json(pipeline_text);
	w->runs = json_array();
	w->frozen = json_array();
	w->components = json_object();
	w->settings = (struct pipeline_settings){
		.implicit_backend = true,
	};
	w->now_s = 1800000000;
	w->crash_after = -1;
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	json_decref(w->pipeline);
	json_decref(w->runs);
	json_decref(w->frozen);
	json_decref(w->components);
	free(w);
	return 0;
}

static size_t find(const json_t *list, const char *name)
{
	const json_t *item;
	size_t i;

	json_array_foreach (list, i, item) {
		if (str_eq(doc_str(item, "metadata.name"), name))
			return i;
	}
	return json_array_size(list);
}

static void create(struct world *w, const struct plan_write *write)
{
	bool run = write->resource == &kube_runs;
	json_t *list = run ? w->runs : w->frozen;
	json_t *object = json_deep_copy(write->body);
	const char *name = doc_str_or(object, "metadata.name", "");
	char when[TIME_RFC3339_SIZE];

	assert_int_equal(find(list, name), json_array_size(list)); /* names never clash */
	doc_set_new(object, "metadata.uid", json_sprintf("uid-%d", ++w->versions));
	doc_set_new(object, "metadata.resourceVersion", json_sprintf("%d", w->versions));
	doc_set_new(object, "metadata.creationTimestamp",
		json_string(time_format_rfc3339(w->now_s, when)));
	w->runs_made += run;
	json_array_append_new(list, object);
}

static void patch(struct world *w, const struct plan_write *write)
{
	json_t *list = write->resource == &kube_runs ? w->runs : w->frozen;
	json_t *target, *result;

	if (write->resource == &kube_pipelines) {
		assert_string_equal(write->subresource, "status");
		result = doc_merge_apply(w->pipeline, write->body);
		json_decref(w->pipeline);
		w->pipeline = result;
		return;
	}
	target = json_array_get(list, find(list, write->name));
	assert_non_null(target);
	json_array_set_new(list, find(list, write->name), doc_merge_apply(target, write->body));
}

static void delete_(struct world *w, const struct plan_write *write)
{
	json_t *list = write->resource == &kube_runs ? w->runs : w->frozen;

	json_array_remove(list, find(list, write->name));
}

/* One pass; false when it wrote nothing. */
static bool pass(struct world *w)
{
	struct pipeline_view view = {.pipeline = w->pipeline,
		.runs = w->runs,
		.frozen = w->frozen,
		.components = w->components,
		.settings = &w->settings,
		.now_s = w->now_s};
	struct plan plan = PLAN_INIT;
	bool wrote;

	pipeline_reconcile(&view, &plan);
	wrote = plan.len > 0;
	for (int i = 0; i < plan.len && w->crash_after != 0; i++) {
		if (plan.writes[i].verb == KUBE_CREATE)
			create(w, &plan.writes[i]);
		else if (plan.writes[i].verb == KUBE_MERGE_PATCH)
			patch(w, &plan.writes[i]);
		else
			delete_(w, &plan.writes[i]);
		if (w->crash_after > 0)
			w->crash_after--;
	}
	plan_clear(&plan);
	return wrote;
}

static void settle(struct world *w)
{
	for (int i = 0; i < 20; i++) {
		if (!pass(w))
			return;
		if (w->crash_after == 0)
			w->crash_after = -1; /* restarted */
	}
	fail_msg("it never comes to rest");
}

static void edit(struct world *w, const char *path, json_t *value)
{
	doc_set_new(w->pipeline, path, value);
	doc_set_new(w->pipeline, "metadata.generation",
		json_integer(doc_int_or(w->pipeline, "metadata.generation", 0) + 1));
}

static void set_n(struct world *w, int n)
{
	edit(w, "spec.steps.0.arguments.n", json_integer(n));
}

static void finish_runs(struct world *w, const char *phase)
{
	char when[TIME_RFC3339_SIZE];
	json_t *run;
	size_t i;

	w->now_s += 10;
	json_array_foreach (w->runs, i, run) {
		if (doc_str(run, "status.phase"))
			continue;
		doc_set_new(run, "status.phase", json_string(phase));
		doc_set_new(run, "status.completionTime",
			json_string(time_format_rfc3339(w->now_s, when)));
	}
	settle(w);
}

static const char *condition(struct world *w, const char *type)
{
	return condition_status(doc_get(w->pipeline, "status.conditions"), type);
}

static void test_first_apply_freezes_and_runs_once(void **state)
{
	struct world *w = *state;

	settle(w);
	assert_int_equal(w->runs_made, 1);
	assert_string_equal(condition(w, "Ready"), "True");
	assert_string_equal(condition(w, "Succeeded"), "Unknown");
	assert_string_equal(condition(w, "Finished"), "False");
	assert_null(condition(w, "Stalled"));
	assert_string_equal(doc_str(w->pipeline, "status.latestRun.name"),
		doc_str(json_array_get(w->runs, 0), "metadata.name"));
	finish_runs(w, "Succeeded");
	assert_int_equal(w->runs_made, 1);
	assert_string_equal(condition(w, "Succeeded"), "True");
	assert_string_equal(condition(w, "Finished"), "True");
	/* the run owns the frozen spec, too */
	assert_int_equal(
		json_array_size(doc_get(json_array_get(w->frozen, 0), "metadata.ownerReferences")),
		2);
}

static void test_edit_and_revert_run_again(void **state)
{
	struct world *w = *state;

	settle(w);
	finish_runs(w, "Succeeded");
	set_n(w, 2);
	settle(w);
	assert_int_equal(w->runs_made, 2);
	finish_runs(w, "Succeeded");
	set_n(w, 1);
	settle(w);
	assert_int_equal(w->runs_made, 3);
	finish_runs(w, "Succeeded");
	assert_string_equal(doc_str(json_array_get(w->runs, 0), "spec.frozenSpecRef.name"),
		doc_str(json_array_get(w->runs, 2), "spec.frozenSpecRef.name"));
}

static void test_waits_while_a_run_is_active_and_takes_the_newest(void **state)
{
	struct world *w = *state;

	settle(w);
	set_n(w, 2);
	settle(w);
	set_n(w, 3);
	settle(w);
	assert_int_equal(w->runs_made, 1);
	assert_non_null(
		strstr(doc_str(condition_find(doc_get(w->pipeline, "status.conditions"), "Ready"),
			       "message"),
			"waits for"));
	finish_runs(w, "Failed");
	assert_int_equal(w->runs_made, 2);
	finish_runs(w, "Succeeded");
	assert_int_equal(w->runs_made, 2);
}

static void test_what_never_triggers(void **state)
{
	struct world *w = *state;

	settle(w);
	finish_runs(w, "Succeeded");
	edit(w, "spec.description", json_string("d"));
	settle(w);
	edit(w, "spec.successfulRunsHistoryLimit", json_integer(5));
	settle(w);
	edit(w, "spec.suspend", json_true());
	settle(w);
	edit(w, "spec.suspend", json_false());
	settle(w);
	json_object_del(w->pipeline, "status"); /* lost */
	settle(w);
	json_array_clear(w->runs); /* deleted */
	settle(w);
	json_object_del(w->pipeline, "status"); /* both */
	settle(w);
	w->settings.compiler_format = "999"; /* an upgrade */
	settle(w);
	assert_true(doc_bool_or(w->pipeline, "status.frozen.outdated", false));
	json_object_del(w->pipeline, "status");
	settle(w);
	assert_int_equal(w->runs_made, 1);
	set_n(w, 7); /* and still alive */
	settle(w);
	assert_int_equal(w->runs_made, 2);
}

static void test_suspend_starts_nothing_and_resume_starts_one(void **state)
{
	struct world *w = *state;

	edit(w, "spec.suspend", json_true());
	settle(w);
	assert_int_equal(w->runs_made, 0);
	assert_string_equal(condition(w, "Ready"), "True");
	set_n(w, 2);
	settle(w);
	edit(w, "spec.suspend", json_false());
	settle(w);
	assert_int_equal(w->runs_made, 1);
}

static void test_rerun_token(void **state)
{
	struct world *w = *state;

	edit(w, "spec.triggers", quoted_json("{'onChange': 'Never'}"));
	settle(w);
	assert_int_equal(w->runs_made, 0);
	for (int i = 1; i <= 3; i++) {
		edit(w, "spec.triggers.rerunToken", json_sprintf("t%d", i));
		settle(w);
		finish_runs(w, "Succeeded");
		assert_int_equal(w->runs_made, i);
	}
}

static void test_spec_and_components(void **state)
{
	struct world *w = *state;
	json_t *component = json_incref(doc_get(w->pipeline, "spec.steps.0.component.spec"));

	doc_set_new(w->pipeline, "spec.steps.0.component", quoted_json("{'ref': {'name': 'c'}}"));
	edit(w, "spec.triggers", quoted_json("{'onChange': 'SpecAndComponents'}"));
	settle(w);
	assert_int_equal(w->runs_made, 0);
	assert_string_equal(condition(w, "Reconciling"), "True");
	assert_null(condition(w, "Stalled"));
	json_object_set(w->components, "c", component);
	settle(w);
	assert_int_equal(w->runs_made, 1);
	finish_runs(w, "Succeeded");
	json_object_set_new(component, "image", json_string("x/y:2"));
	settle(w);
	assert_int_equal(w->runs_made, 2);
	json_decref(component);
}

static void test_invalid_stalls_and_recovers(void **state)
{
	struct world *w = *state;

	edit(w, "spec.steps.0.arguments.n", json_string("x"));
	settle(w);
	assert_int_equal(w->runs_made, 0);
	assert_int_equal(json_array_size(w->frozen), 0);
	assert_string_equal(condition(w, "Stalled"), "True");
	assert_string_equal(condition(w, "Ready"), "False");
	set_n(w, 1);
	settle(w);
	assert_null(condition(w, "Stalled"));
	assert_int_equal(w->runs_made, 1);
}

static void test_history_and_frozen_specs_are_pruned(void **state)
{
	struct world *w = *state;

	edit(w, "spec.successfulRunsHistoryLimit", json_integer(2));
	for (int i = 1; i <= 6; i++) {
		set_n(w, i);
		settle(w);
		finish_runs(w, "Succeeded");
	}
	assert_int_equal(json_array_size(w->runs), 2);
	assert_int_equal(json_array_size(w->frozen), 2);
	assert_int_equal(w->runs_made, 6);
	assert_string_equal(doc_str(w->pipeline, "status.lastSuccessfulRun.name"),
		doc_str(json_array_get(w->runs, 1), "metadata.name"));
}

/* A story of edits with a crash after every possible number of writes gives the same runs. */
static void test_crash_between_any_two_writes(void **state)
{
	(void)state;
	for (int crash = 0; crash < 25; crash++) {
		void *inner = NULL;
		struct world *w;

		setup(&inner);
		w = inner;
		w->crash_after = crash;
		for (int i = 1; i <= 3; i++) {
			if (i > 1)
				set_n(w, i == 3 ? 1 : i);
			settle(w);
			finish_runs(w, "Succeeded");
		}
		assert_int_equal(w->runs_made, 3);
		json_object_del(w->pipeline, "status");
		settle(w);
		assert_int_equal(w->runs_made, 3);
		teardown(&inner);
	}
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_first_apply_freezes_and_runs_once),
		T(test_edit_and_revert_run_again),
		T(test_waits_while_a_run_is_active_and_takes_the_newest),
		T(test_what_never_triggers),
		T(test_suspend_starts_nothing_and_resume_starts_one),
		T(test_rerun_token),
		T(test_spec_and_components),
		T(test_invalid_stalls_and_recovers),
		T(test_history_and_frozen_specs_are_pruned),
		T(test_crash_between_any_two_writes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

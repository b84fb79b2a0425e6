/* What becomes of what a run has started when it, or its pipeline, goes. */
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
#include "reconcile/names.h"
#include "reconcile/run_deletion.h"
#include "quoted_json.h"

#define MARKED "'annotations': {'fondant.ai/deletion-policy': 'Orphan'}, "
#define HELD "'finalizers': ['other/one', 'fondant.ai/cancel'], "
#define OWNED "'ownerReferences': [{'uid': 'uid-p', 'controller': true}], "

/* A run of the pipeline p that has started. */
static json_t *run_with(const char *metadata)
{
	auto_free char *text =
		xasprintf("{'metadata': {%s'name': 'r', 'namespace': 'n', 'uid': 'uid-r', "
			  "'resourceVersion': '7'}, 'spec': {'frozenSpecRef': {'name': 'p-01'}}, "
			  "'status': {'phase': 'Running', 'startTime': '2027-01-15T08:00:00Z'}}",
			metadata);

	return quoted_json(text);
}

static json_t *pipeline_with(const char *uid, const char *policy)
{
	return json_pack("{s:{s:s, s:s, s:s}, s:{s:s*}}", "metadata", "name", "p", "namespace", "n",
		"uid", uid, "spec", "deletionPolicy", policy);
}

/* --- who says it --- */

static void the_pipeline_or_what_it_left(void **state)
{
	static const struct {
		const char *metadata, *pipeline, *policy; /* pipeline: its UID; NULL: gone */
		bool orphan;
	} rows[] = {
		{"", NULL, NULL, false},
		{"", "uid-p", NULL, false},
		{"", "uid-p", "Cancel", false},
		{"", "uid-p", "Orphan", true},
		{OWNED, "uid-p", "Orphan", true},
		{OWNED MARKED, "uid-p", "Cancel", false}, /* edited since */
		{OWNED MARKED, NULL, NULL, true},         /* it went first */
		{OWNED MARKED, "uid-q", "Cancel", true},  /* another of the name */
		{OWNED, "uid-q", "Orphan", false},
		{MARKED, NULL, NULL, true},
	};

	(void)state;
	for (size_t i = 0; i < array_size(rows); i++) {
		auto_json *run = run_with(rows[i].metadata);
		auto_json *pipeline =
			rows[i].pipeline ? pipeline_with(rows[i].pipeline, rows[i].policy) : NULL;
		struct run_view view = {.run = run, .pipeline = pipeline};

		if (run_is_orphan(&view) != rows[i].orphan)
			fail_msg("row %zu", i);
	}
}

static void an_orphan_is_not_stopped_for_its_pipeline(void **state)
{
	auto_json *run = run_with(OWNED MARKED);
	struct frozen_spec spec = {.pipeline = "p"};
	struct run_view view = {.run = run};
	const char *reason = NULL;
	auto_free char *message = NULL, *asked = NULL;

	(void)state;
	assert_false(run_should_stop(&view, &spec, &reason, &message));
	doc_set_new(run, "spec.desiredState", json_string("Cancelled"));
	assert_true(run_should_stop(&view, &spec, &reason, &asked));
	assert_string_equal(reason, "Cancelled");
	json_object_del(json_object_get(run, "spec"), "desiredState");
	json_object_del(json_object_get(run, "status"), "startTime");
	assert_true(run_should_stop(&view, &spec, &reason, &message)); /* nothing runs yet */
	assert_string_equal(reason, "PipelineDeleted");
}

/* --- the pipeline tells its runs --- */

static void a_policy_is_told_once(void **state)
{
	auto_json *plain = run_with(OWNED), *marked = run_with(OWNED MARKED);
	auto_json *others = run_with("'ownerReferences': [{'uid': 'uid-q', 'controller': true}], ");
	auto_json *ended = run_with(OWNED);
	auto_json *going = run_with(OWNED "'deletionTimestamp': '2027-01-15T08:00:00Z', ");
	auto_json *orphan = pipeline_with("uid-p", "Orphan");
	auto_json *cancel = pipeline_with("uid-p", NULL);
	auto_json *runs = json_pack("[O, O, O, O, O]", plain, marked, others, ended, going);
	struct plan plan = PLAN_INIT;

	(void)state;
	doc_set_new(ended, "status.phase", json_string("Failed"));
	run_tell_policy(orphan, runs, &plan);
	assert_int_equal(plan.len, 1);
	assert_string_equal(plan.writes[0].name, "r");
	assert_string_equal(
		json_string_value(json_object_get(
			doc_get(plan.writes[0].body, "metadata.annotations"), ANNOTATION_DELETION)),
		"Orphan");
	plan_clear(&plan);
	run_tell_policy(cancel, runs, &plan);
	assert_int_equal(plan.len, 1);
	assert_true(json_is_null(json_object_get(
		doc_get(plan.writes[0].body, "metadata.annotations"), ANNOTATION_DELETION)));
	plan_clear(&plan);
	assert_null(run_policy_annotations(cancel));
}

/* --- before it starts --- */

static void an_orphan_is_held_and_owns_its_spec(void **state)
{
	auto_json *run = run_with(OWNED MARKED);
	auto_json *frozen = quoted_json("[{'metadata': {'name': 'p-01', 'resourceVersion': '3', "
					"'ownerReferences': [{'uid': 'uid-p'}]}}]");
	auto_json *pipeline = pipeline_with("uid-p", "Orphan");
	struct run_view view = {.run = run, .pipeline = pipeline, .frozen = frozen};
	struct plan plan = PLAN_INIT;

	(void)state;
	assert_true(run_prepare_orphan(&view, &plan));
	assert_int_equal(plan.len, 2);
	assert_ptr_equal(plan.writes[0].resource, &kube_configmaps);
	assert_string_equal(
		doc_str(plan.writes[0].body, "metadata.ownerReferences.1.uid"), "uid-r");
	assert_string_equal(doc_str(plan.writes[0].body, "metadata.resourceVersion"), "3");
	assert_string_equal(doc_str(plan.writes[1].body, "metadata.finalizers.0"), FINALIZER_RUN);
	plan_clear(&plan);

	/* once both are so, nothing is written */
	doc_set_new(run, "metadata.finalizers", json_pack("[s]", FINALIZER_RUN));
	json_array_append_new(
		doc_get(frozen, "0.metadata.ownerReferences"), json_pack("{s:s}", "uid", "uid-r"));
	assert_false(run_prepare_orphan(&view, &plan));
	assert_int_equal(plan.len, 0);
}

static void others_are_not_held(void **state)
{
	auto_json *run = run_with(OWNED);
	struct run_view view = {.run = run};
	struct plan plan = PLAN_INIT;

	(void)state;
	assert_false(run_prepare_orphan(&view, &plan));
	assert_int_equal(plan.len, 0);
}

static void letting_go_keeps_the_finalizers_of_others(void **state)
{
	auto_json *run = run_with(HELD);
	struct run_view view = {.run = run};
	struct plan plan = PLAN_INIT;

	(void)state;
	run_let_go(&view, &plan);
	assert_int_equal(json_array_size(doc_get(plan.writes[0].body, "metadata.finalizers")), 1);
	assert_string_equal(doc_str(plan.writes[0].body, "metadata.finalizers.0"), "other/one");
	plan_clear(&plan);
}

/* --- its Jobs --- */

static void only_jobs_that_go_on_are_left(void **state)
{
	auto_json *run = run_with(OWNED MARKED);
	auto_json *jobs = quoted_json(
		"[{'metadata': {'name': 'goes-on', 'uid': 'j1', 'ownerReferences': [{'uid': "
		"'uid-r', 'controller': true}]}},"
		" {'metadata': {'name': 'done', 'uid': 'j2', 'ownerReferences': [{'uid': 'uid-r', "
		"'controller': true}]}, 'status': {'conditions': [{'type': 'Complete', 'status': "
		"'True'}]}},"
		" {'metadata': {'name': 'failed', 'uid': 'j3', 'ownerReferences': [{'uid': "
		"'uid-r', 'controller': true}]}, 'status': {'conditions': [{'type': 'Failed', "
		"'status': 'True'}]}},"
		" {'metadata': {'name': 'stopped', 'uid': 'j4', 'deletionTimestamp': 'now', "
		"'ownerReferences': [{'uid': 'uid-r', 'controller': true}]}},"
		" {'metadata': {'name': 'older', 'uid': 'j5', 'ownerReferences': [{'uid': 'uid-s', "
		"'controller': true}]}},"
		" {'metadata': {'name': 'as-its-pod-says', 'uid': 'j6', 'ownerReferences': "
		"[{'uid': "
		"'uid-r', 'controller': true}]}, 'status': {'active': 1}}]");
	auto_json *pods = quoted_json(
		"[{'metadata': {'ownerReferences': [{'uid': 'j1', 'controller': true}]}, 'status': "
		"{'phase': 'Running'}},"
		" {'metadata': {'ownerReferences': [{'uid': 'j6', 'controller': true}]}, 'status': "
		"{'phase': 'Succeeded'}}]");
	struct run_view view = {.run = run};
	struct plan plan = PLAN_INIT;

	(void)state;
	run_leave_jobs(&view, jobs, pods, &plan);
	assert_int_equal(plan.len, 1);
	assert_string_equal(plan.writes[0].name, "goes-on");
	assert_string_equal(doc_str(plan.writes[0].body, "metadata.uid"), "j1");
	assert_true(json_is_null(doc_get(plan.writes[0].body, "metadata.ownerReferences")));
	plan_clear(&plan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_pipeline_or_what_it_left),
		cmocka_unit_test(an_orphan_is_not_stopped_for_its_pipeline),
		cmocka_unit_test(a_policy_is_told_once),
		cmocka_unit_test(an_orphan_is_held_and_owns_its_spec),
		cmocka_unit_test(others_are_not_held),
		cmocka_unit_test(letting_go_keeps_the_finalizers_of_others),
		cmocka_unit_test(only_jobs_that_go_on_are_left),
	};

	return cmocka_run_group_tests_name("reconcile/run_deletion", tests, NULL, NULL);
}

/* Decisions about FondantBackends: which one, what a run is pinned to, how one stands; and the
 * native document that is kept beside a frozen spec. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "compiler/compile.h"
#include "doc/path.h"
#include "kube/conditions.h"
#include "reconcile/backend.h"
#include "reconcile/names.h"
#include "reconcile/native.h"
#include "reconcile/run.h"
#include "quoted_json.h"

#define NOW INT64_C(1800000000)

static const char *const backend_text =
	"{'metadata': {'name': 'kfp', 'namespace': 'n', 'uid': 'uid-b', 'generation': 3,"
	" 'resourceVersion': '7'}, 'spec': {'workingDirectory': 's3://b/w', '%s': {'endpoint':"
	" 'https://kfp.example'}}}";

/* The text with the word in place of its one %s. Owned. */
static char *filled(const char *text, const char *word)
{
	const char *at = strstr(text, "%s");

	return xasprintf("%.*s%s%s", (int)(at - text), text, word, at + 2);
}

static json_t *backend_of(const char *kind)
{
	auto_free char *text = filled(backend_text, kind);

	return quoted_json(text);
}

/* --- choosing --- */

static void the_named_one_is_chosen(void **state)
{
	auto_json *backends = json_pack("{s:o}", "kfp", backend_of("kubernetes"));
	struct backend_source source = {.backends = backends};
	struct backend_choice choice;
	auto_diags diags = DIAG_LIST_INIT;

	(void)state;
	assert_true(backend_choose(&source, "kfp", "spec.backendRef", &choice, &diags));
	assert_ptr_equal(choice.runner, &runner_kubernetes);
	assert_string_equal(choice.working_directory, "s3://b/w");
	assert_string_equal(doc_str(choice.settings, "endpoint"), "https://kfp.example");
	assert_int_equal(strlen(choice.hash), 64);
}

static void an_edit_changes_the_hash_and_a_status_does_not(void **state)
{
	auto_json *backends = json_pack("{s:o}", "default", backend_of("kubernetes"));
	struct backend_source source = {.backends = backends};
	struct backend_choice before, after;
	auto_diags diags = DIAG_LIST_INIT;

	(void)state;
	assert_true(backend_choose(&source, NULL, "p", &before, &diags));
	doc_set_new(backends, "default.status.version", json_string("1"));
	assert_true(backend_choose(&source, NULL, "p", &after, &diags));
	assert_string_equal(before.hash, after.hash);
	doc_set_new(backends, "default.spec.workingDirectory", json_string("s3://other"));
	assert_true(backend_choose(&source, NULL, "p", &after, &diags));
	assert_string_not_equal(before.hash, after.hash);
}

static void without_one_the_implicit_one_is(void **state)
{
	struct backend_source source = {.implicit = true};
	struct backend_choice choice;
	auto_diags diags = DIAG_LIST_INIT;

	(void)state;
	assert_true(backend_choose(&source, NULL, "p", &choice, &diags));
	assert_ptr_equal(choice.runner, &runner_kubernetes);
	assert_null(choice.name);
	assert_string_equal(choice.hash, "");
}

struct no_choice {
	const char *kind, *name, *reason;
	bool implicit, waits;
};

static void what_cannot_be_chosen(void **state)
{
	static const struct no_choice rows[] = {
		{"kubernetes", "other", "BackendNotFound", true, true},
		{"spark", "kfp", "UnsupportedBackend", true, false},
		{"kubernetes", NULL, "NoBackend", false, false},
	};

	(void)state;
	for (size_t i = 0; i < array_size(rows); i++) {
		auto_json *backends = json_pack("{s:o}", "kfp", backend_of(rows[i].kind));
		struct backend_source source = {.backends = backends, .implicit = rows[i].implicit};
		struct backend_choice choice;
		auto_diags diags = DIAG_LIST_INIT;

		assert_false(
			backend_choose(&source, rows[i].name, "spec.backendRef", &choice, &diags));
		assert_int_equal(diags.len, 1);
		assert_string_equal(diags.items[0].reason, rows[i].reason);
		assert_string_equal(diags.items[0].path, "spec.backendRef");
		assert_int_equal(diags.items[0].waits, rows[i].waits);
	}
}

/* --- pins --- */

/* Where the policy allows no more, a run is not pinned, and says what it waits for. */
static void a_full_backend(void **state)
{
	auto_json *backends = json_pack("{s:o}", "kfp", backend_of("kubernetes"));
	auto_json *run = quoted_json("{'metadata': {'name': 'r', 'namespace': 'n', 'uid': 'u'}, "
				     "'spec': {'frozenSpecRef': {'name': 'p-1'}}}");
	auto_json *frozen = quoted_json("[{'metadata': {'name': 'p-1'}}]");
	struct run_view view = {
		.run = run, .frozen = frozen, .backends = backends, .active_runs = 2, .now_s = NOW};
	struct plan plan = {0};
	auto_free char *name = NULL, *hash = NULL;

	(void)state;
	doc_set_new(json_array_get(frozen, 0), "metadata.annotations",
		json_pack("{s:s}", ANNOTATION_BACKEND, "kfp"));
	doc_set_new(json_object_get(backends, "kfp"), "spec.policy",
		json_pack("{s:i}", "maxActiveRuns", 2));
	assert_int_equal(run_admit(&view, &plan, &name, &hash), RUN_WAIT);
	assert_int_equal(plan.len > 0, 1);
	assert_string_equal(doc_str(plan.writes[0].body, "status.phase"), "Queued");
	assert_null(doc_get(plan.writes[0].body, "status.backend"));
	plan_clear(&plan);
	view.active_runs = 1;
	assert_int_equal(run_admit(&view, &plan, &name, &hash), RUN_WAIT);
	assert_string_equal(doc_str(plan.writes[0].body, "status.backend.name"), "kfp");
	plan_clear(&plan);
}

static void a_pin_outlives_edits(void **state)
{
	auto_json *backends = json_pack("{s:o}", "kfp", backend_of("kubernetes"));
	struct backend_source source = {.backends = backends};
	struct backend_choice choice;
	auto_diags diags = DIAG_LIST_INIT;
	auto_json *run = json_pack("{s:{}}", "status");
	const struct runner *runner = NULL;
	const json_t *settings = NULL;

	(void)state;
	assert_false(backend_pinned(run, &runner, &settings));
	assert_true(backend_choose(&source, "kfp", "p", &choice, &diags));
	doc_set_new(run, "status.backend", backend_pin(&choice));
	doc_set_new(backends, "kfp.spec.kubernetes.endpoint", json_string("https://moved"));
	assert_true(backend_pinned(run, &runner, &settings));
	assert_ptr_equal(runner, &runner_kubernetes);
	assert_string_equal(doc_str(settings, "endpoint"), "https://kfp.example");
	assert_string_equal(doc_str(run, "status.backend.uid"), "uid-b");
	assert_int_equal(doc_int_or(run, "status.backend.generation", 0), 3);
}

/* --- how one stands --- */

static json_t *status_after(json_t *object, const struct backend_probe *probe, struct plan *plan)
{
	struct backend_view view = {.backend = object, .now_s = NOW};

	backend_status(&view, probe, plan);
	if (plan->len == 0)
		return NULL;
	assert_string_equal(plan->writes[0].subresource, "status");
	return json_incref(json_object_get(plan->writes[0].body, "status"));
}

static void ready_with_its_version(void **state)
{
	auto_json *object = backend_of("kubernetes");
	struct backend_probe probe = {.done = true, .version = "2.17.0"};
	struct plan plan = PLAN_INIT;
	auto_json *status = status_after(object, &probe, &plan);

	(void)state;
	assert_string_equal(doc_str(status, "kind"), "kubernetes");
	assert_string_equal(doc_str(status, "version"), "2.17.0");
	assert_string_equal(condition_status(doc_get(status, "conditions"), "Ready"), "True");
	assert_null(condition_find(doc_get(status, "conditions"), "Stalled"));
	assert_int_equal(plan.events_len, 1);
	plan_clear(&plan);
	json_object_set(object, "status", status);
	assert_null(status_after(object, &probe, &plan)); /* nothing is new */
	assert_int_equal(plan.events_len, 0);
}

static void a_failed_probe_says_why(void **state)
{
	static const struct {
		enum err_class class;
		const char *condition;
	} rows[] = {{ERR_USER, "Stalled"}, {ERR_TRANSIENT, "Reconciling"}};

	(void)state;
	for (size_t i = 0; i < array_size(rows); i++) {
		auto_json *object = backend_of("kubernetes");
		auto_err err = ERR_INIT;
		struct backend_probe probe = {.done = true, .err = &err};
		struct plan plan = PLAN_INIT;
		auto_json *status = NULL;

		err_set(&err, rows[i].class, "Unauthorized", "the token is not taken");
		status = status_after(object, &probe, &plan);
		assert_string_equal(
			condition_status(doc_get(status, "conditions"), "Ready"), "False");
		assert_string_equal(
			doc_str(condition_find(doc_get(status, "conditions"), rows[i].condition),
				"message"),
			"the token is not taken");
		assert_true(plan.events[0].warning);
		plan_clear(&plan);
	}
}

static void a_kind_of_another_version_is_said(void **state)
{
	auto_json *object = backend_of("spark");
	struct backend_probe probe = {.done = true};
	struct plan plan = PLAN_INIT;
	auto_json *status = status_after(object, &probe, &plan);

	(void)state;
	assert_string_equal(
		doc_str(condition_find(doc_get(status, "conditions"), "Ready"), "reason"),
		"UnsupportedBackend");
	plan_clear(&plan);
}

static void in_use_it_is_held(void **state)
{
	auto_json *object = backend_of("kubernetes");
	struct backend_view view = {.backend = object, .now_s = NOW};
	struct plan plan = PLAN_INIT;

	(void)state;
	backend_protect(&view, &plan);
	assert_int_equal(plan.len, 0);
	view.in_use = true;
	backend_protect(&view, &plan);
	assert_int_equal(plan.len, 1);
	assert_string_equal(
		doc_str(plan.writes[0].body, "metadata.finalizers.0"), FINALIZER_BACKEND);
	doc_set_new(
		object, "metadata.finalizers", json_pack("[s, s]", "other/one", FINALIZER_BACKEND));
	plan_clear(&plan);
	backend_protect(&view, &plan);
	assert_int_equal(plan.len, 0);
	view.in_use = false;
	backend_protect(&view, &plan);
	assert_int_equal(json_array_size(doc_get(plan.writes[0].body, "metadata.finalizers")), 1);
	assert_string_equal(doc_str(plan.writes[0].body, "metadata.finalizers.0"), "other/one");
	plan_clear(&plan);
	/* one that goes is not held anew */
	doc_set_new(object, "metadata.finalizers", json_array());
	doc_set_new(object, "metadata.deletionTimestamp", json_string("2027-01-15T08:00:00Z"));
	view.in_use = true;
	backend_protect(&view, &plan);
	assert_int_equal(plan.len, 0);
}

/* --- native documents --- */

static const char *const spec_text =
	"{'workingDirectory': 's3://b/w', 'steps': [{'name': 'one', 'component': {'spec': {'name':"
	" 'O', 'description': 'd', 'image': '1.dkr.ecr.eu-west-1.amazonaws.com/o:1', 'produces':"
	" {'a': {'type': 'string'}}}}}, {'name': 'two', 'component': {'spec': {'name': 'T',"
	" 'description': 'd', 'image': '1.dkr.ecr.eu-west-1.amazonaws.com/t:1', 'consumes': {'a':"
	" {'type': 'string'}}}}%s}]}";

static json_t *document_of(const char *more, const struct runner *runner, struct diag_list *diags)
{
	auto_free char *text = filled(spec_text, more);
	auto_json *spec = quoted_json(text);
	struct backend_choice choice = {.name = "b", .runner = runner};
	struct compile_input input = {.namespace_ = "n",
		.pipeline = "p",
		.spec = spec,
		.backend = runner->name,
		.features = runner->features};
	struct compile_output out;
	json_t *document;

	assert_int_equal(compile_pipeline(&input, &out), 0);
	document = native_document(&choice, spec, out.text, out.text_len, "p-0123456789ab", diags);
	compile_output_clear(&out);
	return document;
}

static void a_document_has_its_map(void **state)
{
	auto_diags diags = DIAG_LIST_INIT;
	auto_json *document = document_of("", &runner_kubeflow, &diags);
	struct backend_choice choice = {.name = "kfp", .runner = &runner_kubeflow, .hash = "ab"};
	auto_json *map = native_map(
		&choice, document, "p-0123456789ab", "n", "p", json_pack("{s:s}", "uid", "u"));
	auto_free char *base = native_base(doc_str(map, "metadata.name"));
	auto_free char *same = native_base("p-0123456789ab");
	const char *text =
		json_string_value(json_object_get(json_object_get(map, "data"), "kubeflow.yaml"));

	(void)state;
	assert_string_equal(doc_str(map, "metadata.name"), "p-0123456789ab-native");
	assert_string_equal(base, "p-0123456789ab");
	assert_string_equal(same, "p-0123456789ab");
	assert_true(str_starts_with(text, "{"));
	assert_non_null(strstr(text, "\"schemaVersion\":\"2.1.0\""));
	assert_string_equal(json_string_value(json_object_get(
				    doc_get(map, "metadata.annotations"), ANNOTATION_BACKEND)),
		"kfp");
}

static void what_the_backend_cannot_is_found_at_the_users_path(void **state)
{
	auto_diags diags = DIAG_LIST_INIT;
	auto_json *document =
		document_of(", 'retry': {'limit': 1, 'on': ['Error']}", &runner_kubeflow, &diags);

	(void)state;
	assert_null(document);
	assert_int_equal(diag_errors(&diags), 1);
	assert_string_equal(diags.items[0].path, "spec.steps[1].retry.on");
}

static void jobs_keep_no_document(void **state)
{
	auto_diags diags = DIAG_LIST_INIT;

	(void)state;
	assert_null(document_of("", &runner_kubernetes, &diags));
	assert_int_equal(diags.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_named_one_is_chosen),
		cmocka_unit_test(an_edit_changes_the_hash_and_a_status_does_not),
		cmocka_unit_test(without_one_the_implicit_one_is),
		cmocka_unit_test(what_cannot_be_chosen),
		cmocka_unit_test(a_full_backend),
		cmocka_unit_test(a_pin_outlives_edits),
		cmocka_unit_test(ready_with_its_version),
		cmocka_unit_test(a_failed_probe_says_why),
		cmocka_unit_test(a_kind_of_another_version_is_said),
		cmocka_unit_test(in_use_it_is_held),
		cmocka_unit_test(a_document_has_its_map),
		cmocka_unit_test(what_the_backend_cannot_is_found_at_the_users_path),
		cmocka_unit_test(jobs_keep_no_document),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

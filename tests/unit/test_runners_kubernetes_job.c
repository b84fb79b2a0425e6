#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/mem.h"
#include "base/str.h"
#include "base/vec.h"
#include "compiler/argv.h"
#include "doc/json.h"
#include "doc/path.h"
#include "runners/kubernetes_job.h"
#include "runners/kubernetes_join.h"
#include "runners/kubernetes_template.h"

#define DATA "tests/data/runners/jobs.json"

static json_t *data;
static struct frozen_spec spec;
static struct spec_step steps[2];
static int from_load[] = {0};
static struct runner_run run;

static int load(void **state)
{
	json_error_t error;

	(void)state;
	data = json_load_file(DATA, 0, &error);
	if (!data)
		fail_msg("%s:%d: %s", DATA, error.line, error.text);
	steps[0] = (struct spec_step){
		.name = "load",
		.image = doc_str(data, "spec.steps.0.image"),
		.cache_key = "00",
		.json = doc_get(data, "spec.steps.0"),
		.loader = true,
	};
	steps[1] = (struct spec_step){
		.name = "keep-long",
		.image = doc_str(data, "spec.steps.1.image"),
		.cache_key = "11",
		.json = doc_get(data, "spec.steps.1"),
		.from = from_load,
		.from_len = 1,
		.needs = from_load,
		.needs_len = 1,
	};
	spec = (struct frozen_spec){
		.json = doc_get(data, "spec"),
		.pipeline = "clean-text",
		.namespace_ = "data",
		.dataset_name = "clean-text",
		.working_directory = "s3://lake/fondant",
		.steps = steps,
		.steps_len = 2,
	};
	run = (struct runner_run){
		.spec = &spec,
		.namespace_ = "data",
		.pipeline = "clean-text",
		.name = "clean-text-3-91c0de",
		.uid = "2f6c0b8a-0000-4000-8000-000000000001",
		.run_id = "clean-text-3-91c0de-2f6c0b8a",
		.owner = json_object_get(data, "owner"),
	};
	return 0;
}

static int unload(void **state)
{
	(void)state;
	json_decref(data);
	return 0;
}

static json_t *build(int step, int attempt, const char *input_ref, bool non_root)
{
	struct kubernetes_job what = {
		.run = &run,
		.step = step,
		.attempt = attempt,
		.input_refs = &input_ref,
		.inputs_len = input_ref != NULL,
		.run_as_non_root = non_root,
	};

	return kubernetes_job_build(&what);
}

/* Every `$` is doubled, nothing else differs from what the program is to see. */
static void check_escaped(const json_t *list, const struct strvec *plain)
{
	assert_int_equal(json_array_size(list), plain->len);
	for (size_t i = 0; i < plain->len; i++) {
		const char *got = json_string_value(json_array_get(list, i));

		for (const char *p = plain->items[i]; *p; p++, got++) {
			if (*p == '$')
				assert_int_equal(*got++, '$');
			assert_int_equal(*got, *p);
		}
		assert_int_equal(*got, '\0');
	}
}

static json_t *main_of(const json_t *job)
{
	return doc_get(job, "spec.template.spec.containers.0");
}

/* The golden file leaves out what compiler/argv.h decides. */
static void check_golden(const char *name, int step, int attempt, const char *input_ref)
{
	auto_json *job = build(step, attempt, input_ref, false);
	auto_strvec command = STRVEC_INIT;
	auto_strvec args = STRVEC_INIT;
	auto_free char *input =
		input_ref ? xasprintf("s3://lake/fondant/clean-text/%s/manifest.json", input_ref)
			  : NULL;

	argv_build(&spec, &steps[step], run.run_id, attempt, input, &command, &args);
	check_escaped(json_object_get(main_of(job), "command"), &command);
	check_escaped(json_object_get(main_of(job), "args"), &args);
	json_object_del(main_of(job), "command");
	json_object_del(main_of(job), "args");
	if (!json_equal(job, json_object_get(data, name))) {
		auto_free char *text = json_dumps(job, JSON_INDENT(1));

		fail_msg("%s is not what was built:\n%s", name, text);
	}
}

static void golden_jobs(void **state)
{
	(void)state;
	check_golden("load-1", 0, 1, NULL);
	check_golden("keep-long-2", 1, 2, "clean-text-3-91c0de-2f6c0b8a/load");
}

static void non_root_is_a_default(void **state)
{
	auto_json *job = build(0, 1, NULL, true);

	(void)state;
	assert_true(doc_bool_or(job, "spec.template.spec.securityContext.runAsNonRoot", false));
}

static void the_same_bytes_each_time(void **state)
{
	auto_json *a = build(1, 1, "x/load", false);
	auto_json *b = build(1, 1, "x/load", false);
	auto_free char *a_text = doc_json_dump(a);
	auto_free char *b_text = doc_json_dump(b);

	(void)state;
	assert_string_equal(a_text, b_text);
}

static void dollars_of_env_are_literal(void **state)
{
	auto_json *job = build(1, 1, "x/load", false);
	json_t *item;
	size_t i;
	int seen = 0;

	(void)state;
	json_array_foreach (json_object_get(main_of(job), "env"), i, item) {
		if (str_eq(doc_str(item, "name"), "PRICE")) {
			assert_string_equal(doc_str(item, "value"), "$$5 $$(HOME)");
			seen++;
		}
	}
	assert_int_equal(seen, 1);
}

static void names_are_labels_and_unique(void **state)
{
	char run_name[200];
	auto_free char *plain = kubernetes_job_name("r", "uid", "load", 1);
	auto_free char *second = kubernetes_job_name("r", "uid", "load", 2);
	auto_free char *other = kubernetes_job_name("r", "uid2", "load", 1);
	auto_free char *dots = kubernetes_job_name("My.run_x", "uid", "load", 1);

	(void)state;
	assert_true(str_starts_with(plain, "r-load-"));
	assert_int_equal(strlen(plain), strlen("r-load-") + 8);
	assert_string_not_equal(plain, second);
	assert_string_not_equal(plain, other);
	assert_true(str_starts_with(dots, "my-run-x-load-"));
	for (size_t len = 1; len < sizeof(run_name); len++) {
		auto_free char *name = NULL;

		memset(run_name, len % 3 ? 'a' : '.', len);
		run_name[0] = 'a';
		run_name[len] = '\0';
		name = kubernetes_job_name(run_name, "uid", "some-step-name", 12);
		assert_true(str_is_dns_label(name));
		assert_int_not_equal(name[strlen(name) - 10], '-');
	}
}

static void run_labels_fit(void **state)
{
	char name[254];
	auto_free char *fits = NULL, *cut = NULL;

	(void)state;
	memset(name, 'b', sizeof(name));
	name[63] = '\0';
	fits = kubernetes_run_label(name);
	assert_string_equal(fits, name);
	name[63] = 'b';
	name[253] = '\0';
	cut = kubernetes_run_label(name);
	assert_int_equal(strlen(cut), 63);
	assert_int_equal(strncmp(cut, name, 54), 0);
	assert_int_equal(cut[54], '-');
}

static void templates_merge(void **state)
{
	json_t *one;
	size_t i;

	(void)state;
	json_array_foreach (json_object_get(data, "merges"), i, one) {
		auto_json *base = json_deep_copy(json_object_get(one, "base"));

		kubernetes_template_merge(base, json_object_get(one, "over"));
		if (!json_equal(base, json_object_get(one, "want"))) {
			auto_free char *text = json_dumps(base, JSON_INDENT(1));

			fail_msg("%s: %s", doc_str(one, "name"), text);
		}
	}
	assert_true(i > 5);
}

/* --- joins --- */

static const char *const two[] = {"r-1/load", "r-1$/left"};

/* keep-long as a join of two, with this podTemplate of the step (NULL: none). */
static json_t *build_join(const char *pod_template)
{
	auto_json *step = json_deep_copy(steps[1].json);
	json_t *kept = steps[1].json, *job;
	struct kubernetes_job what = {
		.run = &run,
		.step = 1,
		.attempt = 2,
		.input_refs = two,
		.inputs_len = 2,
		.operator_image = "registry.example/fondant:1",
	};

	if (pod_template)
		json_object_set_new(step, "podTemplate", json_loads(pod_template, 0, NULL));
	steps[1].json = step;
	job = kubernetes_job_build(&what);
	steps[1].json = kept;
	return job;
}

static void join_has_an_init_container(void **state)
{
	static const char pod[] =
		"{\"spec\": {\"volumes\": [{\"name\": \"v\", \"emptyDir\": {}}], "
		"\"containers\": [{\"name\": \"main\", \"volumeMounts\": [{\"name\": \"v\", "
		"\"mountPath\": \"/v\"}], \"env\": [{\"name\": \"AWS_REGION\", \"value\": \"x\"}, "
		"{\"name\": \"FONDANT_SECRET_0\", \"value\": \"s\"}], \"envFrom\": "
		"[{\"secretRef\": "
		"{\"name\": \"aws\"}}]}], \"initContainers\": [{\"name\": \"mine\", \"image\": "
		"\"x\"}]}}";
	static const char args[] =
		"[\"--output\", \"s3://lake/fondant/clean-text/clean-text-3-91c0de-2f6c0b8a-a2/"
		"keep-long.inputs/manifest.json\", \"s3://lake/fondant/clean-text/r-1/load/"
		"manifest.json\", \"s3://lake/fondant/clean-text/r-1$$/left/manifest.json\"]";
	auto_json *job = build_join(pod), *want_args = json_loads(args, 0, NULL);
	const json_t *init = doc_get(job, "spec.template.spec.initContainers.1");
	const json_t *main = main_of(job), *list = json_object_get(main, "args"), *item;
	const char *input = NULL;
	size_t i;

	(void)state;
	assert_int_equal(json_array_size(doc_get(job, "spec.template.spec.initContainers")), 2);
	assert_string_equal(doc_str(init, "name"), "fondant-merge");
	assert_string_equal(doc_str(init, "image"), "registry.example/fondant:1");
	assert_string_equal(doc_str(init, "command.0"), "/fondant-merge");
	assert_true(json_equal(json_object_get(init, "args"), want_args));
	assert_true(json_equal(
		json_object_get(init, "volumeMounts"), json_object_get(main, "volumeMounts")));
	assert_true(json_equal(json_object_get(init, "envFrom"), json_object_get(main, "envFrom")));
	json_array_foreach (json_object_get(init, "env"), i, item)
		assert_string_not_equal(doc_str(item, "name"), "FONDANT_SECRET_0");
	assert_int_equal(json_array_size(json_object_get(init, "env")) + 1,
		json_array_size(json_object_get(main, "env")));
	assert_string_equal(doc_str(init, "securityContext.capabilities.drop.0"), "ALL");
	assert_false(doc_bool_or(init, "securityContext.allowPrivilegeEscalation", true));
	assert_int_equal(doc_int_or(init, "securityContext.runAsUser", -1), 0);
	assert_string_equal(doc_str(init, "terminationMessagePolicy"), "FallbackToLogsOnError");
	assert_string_equal(json_string_value(json_object_get(doc_get(job, "metadata.annotations"),
				    KUBERNETES_ANNOTATION_INPUT)),
		"r-1/load,r-1$/left");
	json_array_foreach (list, i, item) {
		if (strcmp(json_string_value(item), "--input_manifest_path") == 0)
			input = json_string_value(json_array_get(list, i + 1));
	}
	assert_non_null(input);
	assert_string_equal(input, doc_str(init, "args.1"));
}

static void join_runs_as_the_step_does(void **state)
{
	static const struct {
		const char *pod;
		int user, group;
		bool non_root;
	} rows[] = {
		{NULL, 0, -1, false},
		{"{\"spec\": {\"securityContext\": {\"runAsUser\": 7, \"runAsGroup\": 8}}}", 7, 8,
			false},
		{"{\"spec\": {\"securityContext\": {\"runAsUser\": 7}, \"containers\": [{\"name\": "
		 "\"main\", \"securityContext\": {\"runAsUser\": 9}}]}}",
			9, -1, false},
		{"{\"spec\": {\"securityContext\": {\"runAsNonRoot\": true}}}", -1, -1, true},
		{"{\"spec\": {\"containers\": [{\"name\": \"main\", \"securityContext\": "
		 "{\"runAsNonRoot\": true, \"runAsUser\": 5}}]}}",
			5, -1, true},
	};

	(void)state;
	for (size_t i = 0; i < array_size(rows); i++) {
		auto_json *job = build_join(rows[i].pod);
		const json_t *security =
			doc_get(job, "spec.template.spec.initContainers.0.securityContext");

		assert_int_equal(doc_int_or(security, "runAsUser", -1), rows[i].user);
		assert_int_equal(doc_int_or(security, "runAsGroup", -1), rows[i].group);
		assert_int_equal(doc_bool_or(security, "runAsNonRoot", false), rows[i].non_root);
	}
}

/* A step that starts from a manifest reads that one; nothing is merged. */
static void manifest_is_read_as_given(void **state)
{
	struct kubernetes_job what = {.run = &run, .step = 1, .attempt = 1};
	auto_free char *path = NULL;

	(void)state;
	steps[1].from_manifest = "s3://old/run/manifest.json";
	path = kubernetes_input_manifest(&what);
	steps[1].from_manifest = NULL;
	assert_string_equal(path, "s3://old/run/manifest.json");
	assert_null(kubernetes_input_manifest(&what));
}

static void compile_lists_first_attempts(void **state)
{
	auto_json *list = NULL;

	(void)state;
	kubernetes_compile(
		&(struct native_input){.spec = &spec, .run_id = "clean-text-5f2c9ab01d34"}, &list,
		NULL);
	assert_string_equal(doc_str(list, "kind"), "List");
	assert_int_equal(json_array_size(json_object_get(list, "items")), 2);
	assert_string_equal(doc_str(list, "items.0.kind"), "Job");
	assert_string_equal(
		json_string_value(json_object_get(doc_get(list, "items.1.metadata.annotations"),
			KUBERNETES_ANNOTATION_INPUT)),
		"clean-text-5f2c9ab01d34/load");
	assert_null(doc_get(list, "items.0.metadata.ownerReferences"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden_jobs),
		cmocka_unit_test(non_root_is_a_default),
		cmocka_unit_test(the_same_bytes_each_time),
		cmocka_unit_test(dollars_of_env_are_literal),
		cmocka_unit_test(names_are_labels_and_unique),
		cmocka_unit_test(run_labels_fit),
		cmocka_unit_test(templates_merge),
		cmocka_unit_test(join_has_an_init_container),
		cmocka_unit_test(join_runs_as_the_step_does),
		cmocka_unit_test(manifest_is_read_as_given),
		cmocka_unit_test(compile_lists_first_attempts),
	};

	return cmocka_run_group_tests(tests, load, unload);
}

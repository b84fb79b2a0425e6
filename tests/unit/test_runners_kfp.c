/*
 * Documents for Kubeflow Pipelines and Vertex AI. Goldens: tests/data/native/kfp/, of
 * <backend>-settings.yaml beside them or of the peer's pipelines; UPDATE_GOLDEN=1 writes them anew.
 */
#include "test_compiler_fixture.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/str.h"
#include "compiler/spec.h"
#include "doc/path.h"
#include "runners/kfp_argv.h"
#include "runners/kfp_ir.h"
#include "runners/kfp_resources.h"
#include "runners/runner.h"

#define DATA "tests/data/native/kfp/"
#define RUN_ID "nightly-1-2f6c0b8a"
#define DAY 1795392000 /* 2026-11-23T00:00:00Z */

static struct frozen_spec *freeze_tree(const json_t *tree, const struct runner *runner)
{
	struct compile_input in = {.namespace_ = "data",
		.pipeline = "nightly",
		.spec = tree,
		.backend = runner->name,
		.features = runner->features};
	struct frozen_spec *spec = NULL;
	struct compile_output out;

	if (compile_pipeline(&in, &out) != 0) {
		print_diags(&out.diags);
		fail_msg("should compile for %s", runner->name);
	}
	assert_int_equal(frozen_spec_parse(out.text, out.text_len, &spec, NULL), 0);
	frozen_spec_bind(spec, "nightly-1", DAY);
	compile_output_clear(&out);
	return spec;
}

static json_t *native_of(const struct frozen_spec *spec, const struct runner *runner)
{
	auto_diags diags = DIAG_LIST_INIT;
	json_t *native = NULL;

	runner->compile(&(struct native_input){.spec = spec, .run_id = RUN_ID}, &native, &diags);
	if (diag_errors(&diags)) {
		print_diags(&diags);
		fail_msg("should have a document");
	}
	return native;
}

static json_t *native_of_text(const char *text, const struct runner *runner)
{
	auto_json *tree = yaml(text);
	struct frozen_spec *spec = freeze_tree(tree, runner);
	json_t *native = native_of(spec, runner);

	frozen_spec_free(spec);
	return native;
}

/* --- goldens --- */

static json_t *from_peer(const char *name)
{
	auto_free char *file = xasprintf("peer/%s.yaml", name);
	size_t len;
	auto_free char *text = read_data(file, &len);
	json_t *tree = yaml(text);

	json_object_del(tree, "podTemplate");
	json_object_set_new(tree, "workingDirectory", json_string("gs://bucket/artifacts"));
	return tree;
}

static json_t *input_of(const char *name, const struct runner *runner)
{
	auto_free char *file = xasprintf("../native/kfp/%s-settings.yaml", runner->name);
	size_t len;
	auto_free char *text = NULL;

	if (!str_eq(name, "settings"))
		return from_peer(name);
	text = read_data(file, &len);
	return yaml(text);
}

static void check_golden(const char *name, const struct runner *runner)
{
	auto_free char *path = xasprintf(DATA "%s-%s.json", runner->name, name);
	auto_json *tree = input_of(name, runner);
	struct frozen_spec *spec = freeze_tree(tree, runner);
	auto_json *native = native_of(spec, runner), *again = native_of(spec, runner);
	auto_json *want = NULL;
	auto_free char *first = json_dumps(native, 0), *second = json_dumps(again, 0);
	auto_free char *wanted = NULL;
	json_error_t error;

	assert_string_equal(first, second);
	if (getenv("UPDATE_GOLDEN"))
		assert_int_equal(json_dump_file(native, path, JSON_INDENT(1)), 0);
	want = json_load_file(path, 0, &error);
	if (!want)
		fail_msg("%s:%d: %s", path, error.line, error.text);
	wanted = json_dumps(want, 0);
	assert_string_equal(first, wanted); /* order of keys too */
	frozen_spec_free(spec);
}

static void golden(void **state)
{
	check_golden(*state, &runner_kubeflow);
	check_golden(*state, &runner_vertex);
}

/* --- errors --- */

#define LOAD                                                                                    \
	"{name: load, component: {spec: {name: L, description: d, image: \"r/l:1\", produces: " \
	"{x: {type: string}}, args: {text: {type: str, default: \"\"}}}}"
#define WITH(step) "workingDirectory: gs://b/w\nsteps: [" LOAD ", " step "}]\n"

struct refused {
	const struct runner *runner;
	const char *text, *path, *reason;
};

static void refused(void **state)
{
	const struct refused *c = *state;
	auto_json *tree = yaml(c->text), *native = NULL;
	struct frozen_spec *spec = freeze_tree(tree, c->runner);
	auto_diags diags = DIAG_LIST_INIT;

	c->runner->compile(&(struct native_input){.spec = spec, .run_id = RUN_ID}, &native, &diags);
	print_diags(&diags);
	assert_int_equal(diag_errors(&diags), 1);
	assert_string_equal(diags.items[0].path, c->path);
	assert_string_equal(diags.items[0].reason, c->reason);
	frozen_spec_free(spec);
}

static struct refused cases[] = {
	{&runner_kubeflow, WITH("pendingTimeout: 1h"), "steps.load.pendingTimeout",
		"UnsupportedSetting"},
	{&runner_kubeflow, WITH("retry: {limit: 1, on: [OOMKilled]}"), "steps.load.retry.on",
		"UnsupportedSetting"},
	{&runner_kubeflow, WITH("podTemplate: {spec: {hostNetwork: true}}"),
		"steps.load.podTemplate.spec.hostNetwork", "UnsupportedSetting"},
	{&runner_kubeflow, WITH("resources: {limits: {ephemeral-storage: 1Gi}}"),
		"steps.load.resources.limits.ephemeral-storage", "UnsupportedSetting"},
	{&runner_vertex, WITH("resources: {requests: {cpu: 1}}"), "steps.load.resources.requests",
		"UnsupportedSetting"},
	{&runner_vertex, WITH("resources: {limits: {cpu: 97}}"), "steps.load.resources.limits.cpu",
		"ValueTooLarge"},
	{&runner_vertex, WITH("resources: {limits: {memory: 1Ti}}"),
		"steps.load.resources.limits.memory", "ValueTooLarge"},
	{&runner_vertex, WITH("accelerator: {type: GPU}"), "steps.load.accelerator.type",
		"UnsupportedSetting"},
	{&runner_vertex, WITH("podTemplate: {spec: {nodeSelector: {a: b}}}"),
		"steps.load.podTemplate", "UnsupportedSetting"},
	{&runner_vertex, WITH("env: [{name: A, valueFrom: {secretKeyRef: {name: s, key: k}}}]"),
		"steps.load.env[0].valueFrom", "UnsupportedSetting"},
	{&runner_vertex, "maxParallelSteps: 2\n" WITH("env: []"), "maxParallelSteps",
		"UnsupportedSetting"},
	{&runner_vertex, "serviceAccountName: a\n" WITH("env: []"), "serviceAccountName",
		"UnsupportedSetting"},
	{&runner_kubeflow,
		"podTemplate: {spec: {volumes: [{name: d, persistentVolumeClaim: {claimName: "
		"c}}], containers: [{name: main, volumeMounts: [{name: d, mountPath: /d}]}]}}\n"
		"workingDirectory: /d/w\nsteps: [" LOAD ", retry: {limit: 1}}]\n",
		"steps.load.retry.limit", "UnsupportedSetting"},
};

/* What a run of 200 KB does: an error that names the limit, or pieces that the kernel takes. */
static char *large_python(void)
{
	struct buf text = BUF_INIT;

	buf_adds(&text, "workingDirectory: gs://b/w\nsteps: [{name: load, component: {python: "
			"{image: \"r/p:1\", source: \"from fondant.component import "
			"PandasTransformComponent\\nclass A(PandasTransformComponent):\\n  "
			"x = '");
	for (int i = 0; i < 20000; i++)
		buf_adds(&text, "0123456789");
	buf_adds(&text, "'\\n\", consumes: {x: {type: string}}, produces: {x: {type: string}}}}, "
			"fromManifest: \"gs://b/m.json\", consumes: {x: {type: string}}}]\n");
	return buf_take(&text);
}

static void large_sources(void **state)
{
	auto_free char *text = large_python();
	auto_json *tree = yaml(text), *native = NULL;
	auto_json *job = native_of_text(text, &runner_vertex);
	const json_t *args = doc_get(
			     job, "pipelineSpec.deploymentSpec.executors.exec-load.container.args"),
		     *piece;
	struct frozen_spec *spec = freeze_tree(tree, &runner_kubeflow);
	auto_diags diags = DIAG_LIST_INIT;
	size_t i;

	(void)state;
	assert_true(json_array_size(args) >= 3);
	json_array_foreach (args, i, piece)
		assert_true(json_string_length(piece) <= KFP_WORD_MAX);
	runner_kubeflow.compile(
		&(struct native_input){.spec = spec, .run_id = RUN_ID}, &native, &diags);
	assert_int_equal(diag_errors(&diags), 1);
	assert_string_equal(diags.items[0].path, "steps.load.component.python.source");
	assert_string_equal(diags.items[0].reason, "ArgumentTooLong");
	assert_non_null(strstr(diags.items[0].message, "131071"));
	frozen_spec_free(spec);
}

/* What hit the cache is not submitted; what reads it reads what an earlier run left. */
static void cached_steps_are_left_out(void **state)
{
	static const struct runner *const runners[] = {&runner_kubeflow, &runner_vertex};
	auto_json *tree = from_peer("linear3");

	(void)state;
	for (size_t i = 0; i < array_size(runners); i++) {
		struct frozen_spec *spec = freeze_tree(tree, runners[i]);
		struct step_state *steps = xcalloc((size_t)spec->steps_len, sizeof(*steps));
		struct native_input in = {.spec = spec, .run_id = RUN_ID, .steps = steps};
		auto_free char *manifest = NULL, *executor = NULL, *text = NULL;
		auto_diags diags = DIAG_LIST_INIT;
		auto_json *native = NULL;

		assert_int_equal(spec->steps[1].from[0], 0);
		steps[0] =
			(struct step_state){.phase = STEP_CACHED, .ref = (char *)"old-run/first"};
		manifest = xasprintf("%s/%s/old-run/first/manifest.json", spec->working_directory,
			spec->dataset_name);
		runners[i]->compile(&in, &native, &diags);
		assert_int_equal(diag_errors(&diags), 0);
		text = json_dumps(native, JSON_COMPACT);
		assert_non_null(strstr(text, manifest));
		assert_non_null(strstr(text, spec->steps[1].name));
		executor = xasprintf("\"exec-%s\"", spec->steps[0].name);
		assert_null(strstr(text, executor));
		free(steps);
		frozen_spec_free(spec);
	}
}

static void large_documents(void **state)
{
	struct buf text = BUF_INIT;
	auto_json *tree = NULL, *native = NULL;
	struct frozen_spec *spec;
	auto_diags diags = DIAG_LIST_INIT;

	(void)state;
	buf_adds(&text, "workingDirectory: gs://b/w\nsteps:\n");
	for (int i = 0; i < 5; i++) {
		buf_addf(&text,
			"- {name: load-%d, component: {spec: {name: L, description: d, image: "
			"\"r/l:1\", produces: {x: {type: string}}, args: {text: {type: str}}}}, "
			"arguments: {text: \"{{",
			i);
		for (int j = 0; j < 50000 + (i == 3); j++)
			buf_adds(&text, "\u00e9");
		buf_adds(&text, "\"}}\n");
	}
	tree = yaml(buf_str(&text));
	spec = freeze_tree(tree, &runner_vertex);
	runner_vertex.compile(
		&(struct native_input){.spec = spec, .run_id = RUN_ID}, &native, &diags);
	assert_int_equal(diag_errors(&diags), 1);
	assert_string_equal(diags.items[0].reason, "SpecTooLarge");
	assert_non_null(strstr(diags.items[0].message, "step load-3 "));
	frozen_spec_free(spec);
	buf_free(&text);
}

/* By the features. */
static void compiler_refuses(void **state)
{
	static const struct {
		const struct runner *runner;
		const char *text, *reason;
	} rows[] = {
		{&runner_vertex, WITH("secretArguments: {text: {secretKeyRef: {name: s, key: k}}}"),
			"UnsupportedSecretArgument"},
		{&runner_vertex, WITH("timeout: 1h"), "UnsupportedSetting"},
		{&runner_vertex, WITH("instanceType: n1"), "UnsupportedSetting"},
		{&runner_kubeflow, "maxParallelSteps: 2\n" WITH("env: []"), "UnsupportedSetting"},
		{&runner_kubeflow, WITH("accelerator: {type: NVIDIA_L4}"), "InvalidValue"},
	};

	(void)state;
	for (size_t i = 0; i < array_size(rows); i++) {
		auto_json *tree = yaml(rows[i].text);
		struct compile_input in = {.namespace_ = "data",
			.pipeline = "p",
			.spec = tree,
			.backend = rows[i].runner->name,
			.features = rows[i].runner->features};
		struct compile_output out;

		assert_int_equal(compile_pipeline(&in, &out), 1);
		print_diags(&out.diags);
		assert_string_equal(out.diags.items[0].reason, rows[i].reason);
		compile_output_clear(&out);
	}
}

/* --- parts --- */

static void names(void **state)
{
	static const struct {
		const char *step, *task;
	} tasks[] = {{"load", "load"}, {"root", "fondant-root"}, {"executor", "fondant-executor"},
		{"a-driver", "fondant-a-driver"}, {"system-x", "fondant-system-x"},
		{"fondant-root", "fondant-fondant-root"}, {"driver", "driver"}};
	auto_free char *same = kfp_pipeline_name("clean-text"), *digit = kfp_pipeline_name("1a");
	auto_free char *dots = kfp_pipeline_name("a.b"), *dash = kfp_pipeline_name("a-b");

	(void)state;
	for (size_t i = 0; i < array_size(tasks); i++) {
		auto_free char *name = kfp_task_name(tasks[i].step);

		assert_string_equal(name, tasks[i].task);
	}
	assert_string_equal(same, "clean-text");
	assert_true(str_starts_with(digit, "p-1a-"));
	assert_true(str_starts_with(dots, "a-b-"));
	assert_string_equal(dash, "a-b");
}

static void safe_texts(void **state)
{
	(void)state;
	assert_true(kfp_text_is_safe("plain $HOME {x} }} $"));
	assert_true(kfp_text_is_safe("{\"a\": {\"Concat\": 1}}"));
	assert_false(kfp_text_is_safe("a{{b"));
	assert_false(kfp_text_is_safe("$(A)"));
	assert_false(kfp_text_is_safe("$$"));
	assert_false(kfp_text_is_safe(" {\"Concat\": [\"a\"]}"));
	assert_false(kfp_text_is_safe("{\"IfPresent\": {}}"));
	assert_true(kfp_text_is_safe(kfp_bootstrap));
	assert_null(strchr(kfp_bootstrap, '$'));
}

static void quantities(void **state)
{
	static const struct {
		const char *text;
		double value;
	} rows[] = {{"500m", 0.5}, {"2", 2}, {"1.5G", 1.5e9}, {"1Gi", 1073741824}, {"1e3", 1000},
		{"1E3", 1000}, {"12E", 12e18}, {"100k", 1e5}, {"5M", 5e6}};

	(void)state;
	for (size_t i = 0; i < array_size(rows); i++) {
		auto_json *value = json_string(rows[i].text);

		assert_true(kfp_quantity(value) > rows[i].value * 0.999999);
		assert_true(kfp_quantity(value) < rows[i].value * 1.000001);
	}
}

int main(void)
{
	struct CMUnitTest tests[40] = {
		{"golden linear3", golden, NULL, NULL, "linear3"},
		{"golden branches", golden, NULL, NULL, "branches"},
		{"golden docs", golden, NULL, NULL, "docs"},
		{"golden hub_text", golden, NULL, NULL, "hub_text"},
		{"golden mappings", golden, NULL, NULL, "mappings"},
		{"golden settings", golden, NULL, NULL, "settings"},
		cmocka_unit_test(large_sources),
		cmocka_unit_test(cached_steps_are_left_out),
		cmocka_unit_test(large_documents),
		cmocka_unit_test(compiler_refuses),
		cmocka_unit_test(names),
		cmocka_unit_test(safe_texts),
		cmocka_unit_test(quantities),
	};
	size_t len = 12;

	for (size_t i = 0; i < array_size(cases); i++)
		tests[len++] = (struct CMUnitTest){cases[i].path, refused, NULL, NULL, &cases[i]};
	return _cmocka_run_group_tests("kfp", tests, len, NULL, NULL);
}

/*
 * Pipeline definitions for SageMaker. Goldens: tests/data/native/sagemaker/<name>.json, of
 * <name>.yaml beside it or of the peer's pipeline of that name; UPDATE_GOLDEN=1 writes them anew.
 */
#include "test_compiler_fixture.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/str.h"
#include "compiler/argv.h"
#include "compiler/spec.h"
#include "doc/path.h"
#include "runners/runner.h"
#include "runners/sagemaker_check.h"
#include "runners/sagemaker_definition.h"
#include "runners/sagemaker_script.h"

#define DATA "tests/data/native/sagemaker/"
#define ECR "123456789012.dkr.ecr.eu-west-1.amazonaws.com/"
#define RUN_ID "nightly-1-2f6c0b8a"
#define DAY 1795392000 /* 2026-11-23T00:00:00Z */

static struct frozen_spec *freeze_tree(const json_t *tree, const char *pipeline, unsigned features)
{
	struct compile_input in = {.namespace_ = "data",
		.pipeline = pipeline,
		.spec = tree,
		.backend = "sagemaker",
		.features = features};
	struct frozen_spec *spec = NULL;
	struct compile_output out;

	if (compile_pipeline(&in, &out) != 0) {
		print_diags(&out.diags);
		fail_msg("%s should compile", pipeline);
	}
	assert_int_equal(frozen_spec_parse(out.text, out.text_len, &spec, NULL), 0);
	frozen_spec_bind(spec, "nightly-1", DAY);
	compile_output_clear(&out);
	return spec;
}

static struct frozen_spec *freeze(const char *text, unsigned features)
{
	auto_json *tree = yaml(text);

	return freeze_tree(tree, "p", features);
}

static json_t *native_of(const struct frozen_spec *spec)
{
	auto_diags diags = DIAG_LIST_INIT;
	json_t *native = NULL;

	runner_sagemaker.compile(
		&(struct native_input){.spec = spec, .run_id = RUN_ID}, &native, &diags);
	if (diag_errors(&diags)) {
		print_diags(&diags);
		fail_msg("should have a document");
	}
	assert_int_equal(diag_errors(&diags), 0);
	return native;
}

/* --- goldens --- */

/* The peer's pipelines lie on a mounted volume, with images of any registry. */
static json_t *from_peer(const char *name)
{
	auto_free char *file = xasprintf("peer/%s.yaml", name);
	size_t len, i;
	auto_free char *text = read_data(file, &len);
	json_t *tree = yaml(text), *step;

	json_object_del(tree, "podTemplate");
	json_object_set_new(tree, "workingDirectory", json_string("s3://lake/fondant"));
	json_array_foreach (json_object_get(tree, "steps"), i, step) {
		json_t *component = doc_get(step, "component.spec");
		const char *image = doc_str(component, "image");
		auto_free char *own = xasprintf(ECR "%s", strchr(image, '/') + 1);

		json_object_set_new(component, "image", json_string(own));
	}
	return tree;
}

static void golden(void **state)
{
	const char *name = *state;
	auto_free char *path = xasprintf(DATA "%s.json", name);
	size_t len;
	auto_free char *text = str_eq(name, "settings")
				       ? read_data("../native/sagemaker/settings.yaml", &len)
				       : NULL;
	auto_json *tree = text ? yaml(text) : from_peer(name);
	struct frozen_spec *spec = freeze_tree(tree, "nightly", runner_sagemaker.features);
	auto_json *native = native_of(spec), *again = native_of(spec), *want = NULL;
	auto_free char *first = json_dumps(native, 0), *second = json_dumps(again, 0);
	json_error_t error;

	assert_string_equal(first, second);
	if (getenv("UPDATE_GOLDEN"))
		assert_int_equal(json_dump_file(native, path, JSON_INDENT(1)), 0);
	want = json_load_file(path, 0, &error);
	if (!want)
		fail_msg("%s:%d: %s", path, error.line, error.text);
	mem_auto_free(&second);
	second = json_dumps(want, 0);
	assert_string_equal(first, second); /* order of keys too */
	frozen_spec_free(spec);
}

/* --- names, edges, words --- */

/* What hit the cache is not submitted; what reads it reads what an earlier run left. */
static void cached_steps_are_left_out(void **state)
{
	auto_json *tree = from_peer("linear3");
	struct frozen_spec *spec = freeze_tree(tree, "linear3", runner_sagemaker.features);
	struct step_state *steps = xcalloc((size_t)spec->steps_len, sizeof(*steps));
	struct native_input in = {.spec = spec, .run_id = RUN_ID, .steps = steps};
	auto_free char *manifest = xasprintf(
		"%s/%s/old-run/first/manifest.json", spec->working_directory, spec->dataset_name);
	auto_free char *text = NULL;
	auto_diags diags = DIAG_LIST_INIT;
	auto_json *native = NULL;

	(void)state;
	steps[0] = (struct step_state){.phase = STEP_CACHED, .ref = (char *)"old-run/first"};
	runner_sagemaker.compile(&in, &native, &diags);
	assert_int_equal(diag_errors(&diags), 0);
	text = json_dumps(native, JSON_COMPACT);
	assert_int_equal(json_array_size(doc_get(native, "definition.Steps")), spec->steps_len - 1);
	assert_null(doc_get(native, "definition.Steps.0.DependsOn"));
	assert_non_null(strstr(text, manifest));
	free(steps);
	frozen_spec_free(spec);
}

static void names(void **state)
{
	auto_free char *a = sagemaker_pipeline_name("a-b", "c");
	auto_free char *b = sagemaker_pipeline_name("a", "b-c");
	auto_free char *c = sagemaker_pipeline_name("a", "b.c");
	auto_free char *d = sagemaker_pipeline_name("_", ".");
	auto_free char *wide = xasprintf("%0300d", 0);
	auto_free char *e = sagemaker_pipeline_name(wide, "x");

	(void)state;
	assert_true(str_starts_with(a, "a-b-c-") && strlen(a) == 14);
	assert_true(str_starts_with(b, "a-b-c-") && str_starts_with(c, "a-b-c-"));
	assert_string_not_equal(a, b);
	assert_string_not_equal(b, c);
	assert_int_equal(strlen(d), 8);
	assert_int_equal(strlen(e), 209);
}

#define LOADER(name, image)                                                             \
	"- {name: " name ", component: {spec: {name: L, description: d, image: '" image \
	"', produces: {text: {type: string}}, args: {v: {type: str, default: x}}}}"
#define READER(name, from)                                                                  \
	"- {name: " name ", from: [" from "], component: {spec: {name: R, description: d, " \
	"image: '" ECR "r:1', consumes: {text: {type: string}}}}"

/* Real edges only: two branches stand beside each other. */
static void edges(void **state)
{
	struct frozen_spec *spec = freeze(SPEC_HEAD
		"steps:\n" LOADER("a", ECR "l:1") "}\n" READER("b", "a") "}\n" READER(
			"c", "a") ", dependsOn: [b]}\n" READER("d", "a") "}\n",
		runner_sagemaker.features);
	auto_json *native = native_of(spec);

	(void)state;
	assert_null(doc_get(native, "definition.Steps.0.DependsOn"));
	assert_string_equal(doc_str(native, "definition.Steps.1.DependsOn.0"), "a");
	assert_int_equal(json_array_size(doc_get(native, "definition.Steps.1.DependsOn")), 1);
	assert_int_equal(json_array_size(doc_get(native, "definition.Steps.2.DependsOn")), 2);
	assert_string_equal(doc_str(native, "definition.Steps.3.Name"), "d");
	assert_int_equal(json_array_size(doc_get(native, "definition.Steps.3.DependsOn")), 1);
	frozen_spec_free(spec);
}

/* With every word short enough there is no script; the longest one decides. */
static void plain_words(void **state)
{
	static const struct {
		const char *value;
		bool plain;
	} cases[] = {{"it's $HOME", true}, {"", false}, {"a\nb", false}, {"\xc3\xa9", false}};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		struct frozen_spec *spec = freeze("workingDirectory: s3://b\ndatasetName: d\n"
						  "steps:\n" LOADER("a", ECR "l:1") "}\n",
			runner_sagemaker.features);
		auto_json *native = NULL;
		json_t *step = spec->steps[0].json;

		/* Smaller than what any component file makes. */
		json_object_set_new(step, "component",
			json_pack(
				"{s:s, s:s, s:s}", "name", "L", "image", "i", "description", "d"));
		json_object_set_new(
			step, "operation", json_pack("{s:{}, s:{}}", "consumes", "produces"));
		json_object_set_new(step, "arguments", json_pack("{s:s}", "v", cases[i].value));
		spec->steps[0].cache_key = "k";
		native = native_of(spec);
		if (cases[i].plain) {
			const json_t *app =
				doc_get(native, "definition.Steps.0.Arguments.AppSpecification");
			auto_strvec command = STRVEC_INIT, args = STRVEC_INIT;

			assert_int_equal(json_array_size(json_object_get(native, "uploads")), 0);
			assert_null(
				doc_get(native, "definition.Steps.0.Arguments.ProcessingInputs"));
			argv_build(spec, &spec->steps[0], RUN_ID, 1, NULL, &command, &args);
			assert_int_equal(
				json_array_size(json_object_get(app, "ContainerArguments")),
				args.len);
			strvec_for_each (&args, j)
				assert_string_equal(
					json_string_value(json_array_get(
						json_object_get(app, "ContainerArguments"), j)),
					args.items[j]);
			assert_string_equal(doc_str(app, "ContainerEntrypoint.0"), "fondant");
		} else {
			assert_int_equal(json_array_size(json_object_get(native, "uploads")), 1);
		}
		frozen_spec_free(spec);
	}
}

static void script_quotes(void **state)
{
	struct spec_step step = {.name = "s"};
	auto_strvec words = STRVEC_INIT;
	auto_free char *text = NULL;

	(void)state;
	strvec_add(&words, "fondant");
	strvec_add(&words, "it's\n$X `y` \"\\");
	strvec_add(&words, "");
	text = sagemaker_script(&step, &words);
	assert_string_equal(text, "#!/usr/bin/env bash\nset -euo pipefail\nexec 'fondant' \\\n"
				  "\t'it'\\''s\n$X `y` \"\\' \\\n\t''\n");
}

static void lengths(void **state)
{
	(void)state;
	assert_int_equal(sagemaker_length(""), 0);
	assert_int_equal(sagemaker_length("a\xc3\xa9\xe5\xa4\xa7"), 3);
	assert_int_equal(sagemaker_length("\xf0\x9f\x98\x80"), 2);
}

/* --- refusals --- */

/* Compiled as if everything could be honoured: the document says no by itself. */
static void refuse(const char *text, const char *path, const char *reason)
{
	struct frozen_spec *spec = freeze(text, ~0U);
	auto_diags diags = DIAG_LIST_INIT;
	json_t *native = (json_t *)&diags;

	runner_sagemaker.compile(
		&(struct native_input){.spec = spec, .run_id = RUN_ID}, &native, &diags);
	assert_null(native);
	if (!find_diag(&diags, path, reason)) {
		print_diags(&diags);
		fail_msg("%s [%s] is not said of:\n%s", path, reason, text);
	}
	assert_int_equal(diag_errors(&diags), 1);
	frozen_spec_free(spec);
}

#define ONE(setting) SPEC_HEAD "steps:\n" LOADER("a", ECR "l:1") ", " setting "}\n"
#define TOP(setting) SPEC_HEAD setting "\nsteps:\n" LOADER("a", ECR "l:1") "}\n"
#define UNSUPPORTED "UnsupportedSetting"

static void refusals(void **state)
{
	static const struct {
		const char *text, *path, *reason;
	} cases[] = {
		{"workingDirectory: gs://b/w\nsteps:\n" LOADER("a", ECR "l:1") "}\n",
			"workingDirectory", UNSUPPORTED},
		{TOP("serviceAccountName: x"), "serviceAccountName", UNSUPPORTED},
		{TOP("maxParallelSteps: 2"), "maxParallelSteps", UNSUPPORTED},
		{TOP("failurePolicy: FinishBranches"), "failurePolicy", UNSUPPORTED},
		{TOP("timeout: 1h"), "timeout", UNSUPPORTED},
		{TOP("podTemplate: {spec: {nodeSelector: {a: b}}}"), "podTemplate", UNSUPPORTED},
		{ONE("podTemplate: {spec: {nodeSelector: {a: b}}}"), "steps.a.podTemplate",
			UNSUPPORTED},
		{ONE("accelerator: {type: GPU, count: 1}"), "steps.a.accelerator", UNSUPPORTED},
		{ONE("resources: {limits: {memory: 1Gi}}"), "steps.a.resources", UNSUPPORTED},
		{ONE("pendingTimeout: 1h"), "steps.a.pendingTimeout", UNSUPPORTED},
		{ONE("secretArguments: {v: {secretKeyRef: {name: s, key: k}}}"),
			"steps.a.secretArguments", "UnsupportedSecretArgument"},
		{ONE("instanceType: g5.xlarge"), "steps.a.instanceType", UNSUPPORTED},
		{ONE("instanceType: ml.g5"), "steps.a.instanceType", UNSUPPORTED},
		{ONE("timeout: 121h"), "steps.a.timeout", UNSUPPORTED},
		{ONE("retry: {limit: 21}"), "steps.a.retry.limit", UNSUPPORTED},
		{ONE("retry: {limit: 2, on: [Error]}"), "steps.a.retry.on", UNSUPPORTED},
		{ONE("retry: {limit: 2, backoff: {initial: 0s}}"), "steps.a.retry.backoff.initial",
			UNSUPPORTED},
		{ONE("retry: {limit: 4, backoff: {initial: 10s, factor: 2, max: 1m}}"),
			"steps.a.retry.backoff.max", UNSUPPORTED},
		{ONE("env: [{name: A, value: x}, {name: a.b, value: x}]"), "steps.a.env[1]",
			UNSUPPORTED},
		{ONE("env: [{name: A, valueFrom: {secretKeyRef: {name: s, key: k}}}]"),
			"steps.a.env[0]", UNSUPPORTED},
		{SPEC_HEAD "steps:\n" LOADER("a", ECR "l:1") "}\n" READER("b", "a") "}\n" READER(
			 "c", "a, b") "}\n",
			"steps.c.from", "UnsupportedJoin"},
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++)
		refuse(cases[i].text, cases[i].path, cases[i].reason);
}

static void images(void **state)
{
	static const char hex[] =
		"@sha256:"
		"5f2c9ab01d345f2c9ab01d345f2c9ab01d345f2c9ab01d345f2c9ab01d345f2c";
	static const struct {
		const char *image;
		bool fine, digest;
	} cases[] = {
		{ECR "team/app", true, false},
		{ECR "app:1", true, false},
		{ECR "app", true, true},
		{ECR "app:1", true, true},
		{"123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com/app:1", true, false},
		{"123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/app:1", true, false},
		{"123456789012.dkr-ecr.eu-west-1.on.aws/app:1", true, false},
		{"123456789012.dkr.ecr.eu-west-1.amazonaws.com:443/app:1", false, false},
		{"12345678901.dkr.ecr.eu-west-1.amazonaws.com/app:1", false, false},
		{"1234567890123.dkr.ecr.eu-west-1.amazonaws.com/app:1", false, false},
		{"123456789012.dkr.ecr.example/app:1", false, false},
		{"fndnt/load_from_parquet:0.12.1", false, false},
		{"registry.example:5000/team/app:1", false, true},
		{"public.ecr.aws/x/y:1", false, false},
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		auto_free char *image =
			xasprintf("%s%s", cases[i].image, cases[i].digest ? hex : "");
		auto_free char *text =
			xasprintf(SPEC_HEAD "steps:\n" LOADER("a", "%s") "}\n", image);
		auto_free char *uri = xasprintf("%.*s%s",
			cases[i].digest ? (int)strcspn(cases[i].image, ":")
					: (int)strlen(cases[i].image),
			cases[i].image, cases[i].digest ? hex : "");
		struct frozen_spec *spec = NULL;
		auto_json *native = NULL;

		if (!cases[i].fine) {
			refuse(text, "steps.a.component", "UnsupportedImage");
			continue;
		}
		spec = freeze(text, ~0U);
		native = native_of(spec);
		assert_string_equal(
			doc_str(native, "definition.Steps.0.Arguments.AppSpecification.ImageUri"),
			uri);
		frozen_spec_free(spec);
	}
}

/* Values of exactly the limit, and one over it. */
static void long_variables(void **state)
{
	auto_free char *fits = xasprintf(ONE("env: [{name: A, value: '%0256d'}]"), 0);
	auto_free char *over = xasprintf(ONE("env: [{name: A, value: '%0257d'}]"), 0);
	struct frozen_spec *spec = freeze(fits, ~0U);
	auto_json *native = native_of(spec);

	(void)state;
	assert_int_equal(
		strlen(doc_str(native, "definition.Steps.0.Arguments.Environment.A")), 256);
	refuse(over, "steps.a.env[0]", "ArgumentTooLong");
	frozen_spec_free(spec);
}

static void long_words(void **state)
{
	struct spec_step step = {.name = "s"};
	auto_diags diags = DIAG_LIST_INIT;
	auto_strvec words = STRVEC_INIT;

	(void)state;
	strvec_add(&words, "--v");
	for (int i = 0; i < 11; i++)
		strvec_addf(&words, "%0131071d", 0);
	sagemaker_check_words(&step, &words, &diags);
	assert_int_equal(diags.len, 0);
	strvec_add(&words, "--operation_spec");
	strvec_addf(&words, "%0131072d", 0);
	strvec_addf(&words, "--w=%0131072d", 0);
	sagemaker_check_words(&step, &words, &diags);
	assert_non_null(find_diag(&diags, "steps.s.component", "ArgumentTooLong"));
	assert_non_null(find_diag(&diags, "steps.s.arguments.w", "ArgumentTooLong"));
	assert_non_null(find_diag(&diags, "steps.s.arguments", "ArgumentTooLong"));
	assert_int_equal(diags.len, 3);
}

static void long_directory(void **state)
{
	auto_free char *directory = xasprintf("s3://b/%0917d", 0);
	auto_free char *fits =
		xasprintf("workingDirectory: %s\nsteps:\n" LOADER("a", ECR "l:1") "}\n", directory);
	auto_free char *over = xasprintf(
		"workingDirectory: %s0\nsteps:\n" LOADER("a", ECR "l:1") "}\n", directory);
	struct frozen_spec *spec = freeze(fits, ~0U);
	auto_json *native = native_of(spec);

	(void)state;
	assert_true(strlen(doc_str(native, "uploads.0.uri")) <= 1024);
	refuse(over, "workingDirectory", "ArgumentTooLong");
	frozen_spec_free(spec);
}

static void too_large(void **state)
{
	struct buf out = BUF_INIT;
	auto_json *env = json_array(), *native = NULL;
	auto_free char *value = xasprintf("%0256d", 0), *text = NULL;
	auto_diags diags = DIAG_LIST_INIT;
	struct frozen_spec *spec = NULL;

	(void)state;
	buf_adds(&out, SPEC_HEAD "steps:\n");
	for (int i = 0; i < 45; i++)
		buf_addf(&out, LOADER("a%d", ECR "l:1") "}\n", i);
	text = buf_take(&out);
	spec = freeze(text, ~0U);
	for (int i = 0; i < SAGEMAKER_MAX_ENV; i++) {
		auto_free char *name = xasprintf("V%d", i);

		json_array_append_new(env, json_pack("{s:s, s:s}", "name", name, "value", value));
	}
	for (int i = 0; i < spec->steps_len; i++)
		json_object_set(spec->steps[i].json, "env", env);
	runner_sagemaker.compile(
		&(struct native_input){.spec = spec, .run_id = RUN_ID}, &native, &diags);
	assert_non_null(find_diag(&diags, "steps", "SpecTooLarge"));
	assert_int_equal(diags.len, 1);
	json_array_append_new(env, json_pack("{s:s, s:s}", "name", "X", "value", ""));
	runner_sagemaker.compile(
		&(struct native_input){.spec = spec, .run_id = RUN_ID}, &native, &diags);
	assert_non_null(find_diag(&diags, "steps.a0.env", UNSUPPORTED));
	frozen_spec_free(spec);
}

/* The compiler itself lets through what is refused with advice here, and stops the rest. */
static void features(void **state)
{
	(void)state;
	assert_ptr_equal(runner_find("sagemaker"), &runner_sagemaker);
	assert_null(runner_find(NULL));
	assert_int_equal(
		runner_sagemaker.features & (BACKEND_JOINS | BACKEND_SECRET_ARGUMENTS |
						    BACKEND_LOCAL_PATHS | BACKEND_PARALLEL_LIMIT),
		0);
}

static void retry_says_what_it_is(void **state)
{
	struct frozen_spec *spec = freeze(ONE("retry: {limit: 20}"), ~0U);
	auto_diags diags = DIAG_LIST_INIT;
	auto_json *native = NULL;

	(void)state;
	runner_sagemaker.compile(
		&(struct native_input){.spec = spec, .run_id = RUN_ID}, &native, &diags);
	assert_true(find_diag(&diags, "steps.a.retry.limit", UNSUPPORTED)->warning);
	assert_int_equal(json_integer_value(
				 doc_get(native, "definition.Steps.0.RetryPolicies.1.MaxAttempts")),
		20);
	frozen_spec_free(spec);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		{"golden settings", golden, NULL, NULL, (void *)"settings"},
		{"golden linear3", golden, NULL, NULL, (void *)"linear3"},
		{"golden branches", golden, NULL, NULL, (void *)"branches"},
		{"golden docs", golden, NULL, NULL, (void *)"docs"},
		{"golden hub_text", golden, NULL, NULL, (void *)"hub_text"},
		{"golden mappings", golden, NULL, NULL, (void *)"mappings"},
		cmocka_unit_test(cached_steps_are_left_out),
		cmocka_unit_test(names),
		cmocka_unit_test(edges),
		cmocka_unit_test(plain_words),
		cmocka_unit_test(script_quotes),
		cmocka_unit_test(lengths),
		cmocka_unit_test(refusals),
		cmocka_unit_test(images),
		cmocka_unit_test(long_variables),
		cmocka_unit_test(long_words),
		cmocka_unit_test(long_directory),
		cmocka_unit_test(too_large),
		cmocka_unit_test(features),
		cmocka_unit_test(retry_says_what_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

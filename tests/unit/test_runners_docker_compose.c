/* Compose documents of runners/docker_compose.c. */
#include "test_compiler_fixture.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/str.h"
#include "compiler/argv.h"
#include "compiler/spec.h"
#include "doc/path.h"
#include "runners/docker_compose.h"
#include "runners/runner.h"

#define RUN_ID "nightly-1-2f6c0b8a"
#define DAY 1795392000 /* 2026-11-23T00:00:00Z */
#define HEAD "datasetName: ds\nworkingDirectory: /data\n"

#define LOADER(name, rest)                                                               \
	"- {name: " name ", component: {spec: {name: L, description: d, image: 'r/l:1'," \
	" produces: {text: {type: string}}, args: {v: {type: str, default: x}}}}" rest "}\n"
#define READER(name, from, rest)                                            \
	"- {name: " name ", from: [" from "], component: {spec: {name: R, " \
	"description: d, image: 'r/r:1', consumes: {text: {type: string}}}}" rest "}\n"

static struct frozen_spec *freeze_tree(const json_t *tree, unsigned features)
{
	struct compile_input in = {.namespace_ = "data",
		.pipeline = "p",
		.spec = tree,
		.backend = "docker",
		.features = features};
	struct frozen_spec *spec = NULL;
	struct compile_output out;

	if (compile_pipeline(&in, &out) != 0) {
		print_diags(&out.diags);
		fail_msg("should compile");
	}
	assert_int_equal(frozen_spec_parse(out.text, out.text_len, &spec, NULL), 0);
	frozen_spec_bind(spec, "nightly-1", DAY);
	compile_output_clear(&out);
	return spec;
}

static struct frozen_spec *freeze(const char *text, unsigned features)
{
	auto_json *tree = yaml(text);

	return freeze_tree(tree, features);
}

static json_t *native_of(const struct frozen_spec *spec)
{
	auto_diags diags = DIAG_LIST_INIT;
	json_t *native = NULL;

	if (runner_docker.compile(spec, RUN_ID, &native, &diags) != 0) {
		print_diags(&diags);
		fail_msg("should have a document");
	}
	return native;
}

/* As compose reads a value; a lone `$` would be a variable of the host. Owned. */
static char *undo(const char *text)
{
	struct buf out = BUF_INIT;

	for (; *text; text++) {
		if (*text == '$')
			assert_int_equal(*++text, '$');
		buf_addc(&out, *text);
	}
	return buf_take(&out);
}

static void same_words(const json_t *list, const struct strvec *want)
{
	assert_int_equal(json_array_size(list), want->len);
	strvec_for_each (want, i) {
		auto_free char *word = undo(json_string_value(json_array_get(list, i)));

		assert_string_equal(word, want->items[i]);
	}
}

static void words_are_exact(void **state)
{
	struct frozen_spec *spec = freeze(HEAD
		"steps:\n" LOADER("a", ", arguments: {v: \"$HOME ${X} $$ 'q' \\\"d\\\" %s "
				       "\\\\n \\n \xc3\xa9\"}") READER("b", "a", ""),
		runner_docker.features);
	auto_json *native = native_of(spec), *again = native_of(spec);
	const json_t *services = json_object_get(native, "services");

	(void)state;
	assert_true(json_equal(native, again));
	for (int i = 0; i < spec->steps_len; i++) {
		const struct spec_step *step = &spec->steps[i];
		auto_free char *input = i ? argv_manifest_path(spec, "a", RUN_ID, 1) : NULL;
		auto_strvec command = STRVEC_INIT, words = STRVEC_INIT;
		const json_t *service = json_object_get(services, step->name);

		argv_build(spec, step, RUN_ID, 1, input, &command, &words);
		same_words(json_object_get(service, "entrypoint"), &command);
		same_words(json_object_get(service, "command"), &words);
	}
	frozen_spec_free(spec);
}

static void services(void **state)
{
	struct frozen_spec *spec = freeze(HEAD
		"steps:\n" LOADER("a", ", resources: {limits: {cpu: 500m, memory: 1Gi}}, "
				       "accelerator: {type: GPU, count: 2}") READER("b", "a", "")
			READER("c", "a", ", dependsOn: [b]") READER("d", "a", ""),
		runner_docker.features);
	auto_json *native = native_of(spec);
	const json_t *a = doc_get(native, "services.a"), *c = doc_get(native, "services.c");
	const json_t *d = doc_get(native, "services.d");

	(void)state;
	assert_string_equal(doc_str(native, "name"), RUN_ID);
	assert_null(json_object_get(a, "depends_on"));
	assert_null(json_object_get(a, "ports"));
	assert_string_equal(doc_str(a, "environment.DASK_DIAGNOSTICS_PORT"), "");
	assert_string_equal(doc_str(a, "volumes.0.source"), "/data");
	assert_string_equal(doc_str(a, "volumes.0.target"), "/data");
	assert_string_equal(doc_str(a, "deploy.resources.limits.cpus"), "0.5");
	assert_string_equal(doc_str(a, "deploy.resources.limits.memory"), "1073741824");
	assert_int_equal(json_object_size(json_object_get(c, "depends_on")), 2);
	assert_int_equal(json_object_size(json_object_get(d, "depends_on")), 1);
	assert_string_equal(doc_str(d, "depends_on.a.condition"), "service_completed_successfully");
	frozen_spec_free(spec);
}

/* 200 KB of everything that a shell, printf, compose or a cut between bytes would spoil. */
static void source_is_exact(void **state)
{
	auto_json *tree = yaml(HEAD "steps:\n- {name: a, component: {python: {image: 'r/p:1', "
				    "source: x}}}\n");
	auto_buf source = BUF_INIT, joined = BUF_INIT;
	struct frozen_spec *spec;
	auto_json *native = NULL;
	const json_t *env;

	(void)state;
	while (source.len < 200000)
		buf_adds(&source, "x = '$A ${B} $$ %s \\n \"\xe2\x82\xac\xf0\x9f\x90\x8d'\r\n\t");
	json_object_set_new((json_t *)doc_get(tree, "steps.0.component.python"), "source",
		json_string(buf_str(&source)));
	spec = freeze_tree(tree, runner_docker.features);
	native = native_of(spec);
	env = doc_get(native, "services.a.environment");
	for (int i = 0; i < 9; i++) {
		auto_free char *name = xasprintf("FONDANT_SOURCE_%d", i);
		const char *part = json_string_value(json_object_get(env, name));
		auto_free char *plain = part ? undo(part) : NULL;

		if (!plain)
			break;
		assert_true(strlen(plain) <= DOCKER_SOURCE_PART);
		buf_adds(&joined, plain);
	}
	assert_string_equal(buf_str(&joined), buf_str(&source));
	frozen_spec_free(spec);
}

static void refused(const char *text, const char *path, const char *reason)
{
	struct frozen_spec *spec = freeze(text, ~0U & ~(unsigned)BACKEND_ACCELERATOR_MODELS);
	auto_diags diags = DIAG_LIST_INIT;
	json_t *native = NULL;

	assert_int_equal(runner_docker.compile(spec, RUN_ID, &native, &diags), -1);
	assert_null(native);
	if (!find_diag(&diags, path, reason)) {
		print_diags(&diags);
		fail_msg("no %s at %s", reason, path);
	}
	frozen_spec_free(spec);
}

static void refusals(void **state)
{
	(void)state;
	refused(HEAD "steps:\n" LOADER("a", ", retry: {limit: 2}"), "steps.a.retry",
		"UnsupportedSetting");
	refused(HEAD "steps:\n" LOADER("a", ", timeout: 5m"), "steps.a.timeout",
		"UnsupportedSetting");
	refused(HEAD "steps:\n" LOADER("a", ", resources: {requests: {cpu: 1}}"),
		"steps.a.resources.requests", "UnsupportedSetting");
	refused(HEAD "steps:\n" LOADER("a", ", accelerator: {type: TPU, count: 1}"),
		"steps.a.accelerator.type", "UnsupportedSetting");
	refused(HEAD
		"steps:\n" LOADER("a", ", secretArguments: {v: {secretKeyRef: {name: s, key: k}}}"),
		"steps.a.secretArguments", "UnsupportedSecretArgument");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_are_exact),
		cmocka_unit_test(services),
		cmocka_unit_test(source_is_exact),
		cmocka_unit_test(refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

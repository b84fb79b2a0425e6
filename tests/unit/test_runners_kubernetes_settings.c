/*
 * From a pipeline to the Job of one step: secret arguments, accelerator, instance type, what the
 * run fills in. The golden Job is tests/data/runners/settings.json; UPDATE_GOLDEN=1 writes it anew.
 */
#include "test_compiler_fixture.h"

#include <stdlib.h>

#include "base/str.h"
#include "compiler/spec.h"
#include "doc/path.h"
#include "runners/kubernetes_job.h"
#include "quoted_json.h"

#define DATA "tests/data/runners/settings.json"
#define DAY 1795392000 /* 2026-11-23T00:00:00Z */

#define COMPONENT                                                                         \
	"  component: {spec: {name: P, description: d, image: 'r/p:1', consumes: {text: " \
	"{type: string}}, args: {token: {type: str}, apikey: {type: str}, table: {type: " \
	"str}}}}\n  consumes: {text: {type: string}}\n"

static const char text[] = SPEC_HEAD
	"podTemplate: {spec: {nodeSelector: {disk: ssd, node.kubernetes.io/instance-type: small}, "
	"containers: [{name: main, resources: {limits: {memory: 1Gi, nvidia.com/gpu: '8'}, "
	"requests: {nvidia.com/gpu: 8}}}]}}\n"
	"steps:\n- name: publish\n" COMPONENT
	"  fromManifest: s3://lake/$(run.scheduledDate)/manifest.json\n"
	"  arguments: {table: 'docs-$(run.name)-$$(x)-$5'}\n"
	"  secretArguments: {token: {secretKeyRef: {name: warehouse, key: token}}, apikey: "
	"{secretKeyRef: {name: other, key: k}}}\n"
	"  env: [{name: DAY, value: '$(run.scheduledDate) $$(HOME) $5'}, {name: FROM, valueFrom: "
	"{fieldRef: {fieldPath: metadata.name}}}]\n"
	"  accelerator: {type: GPU, count: 2}\n  instanceType: p4d.24xlarge\n"
	"- name: plain\n" COMPONENT "  fromManifest: s3://lake/manifest.json\n"
	"  arguments: {table: t, token: a, apikey: b}\n"
	"  resources: {requests: {cpu: 1}}\n  accelerator: {type: amd.com/gpu}\n";

static struct frozen_spec *spec;
static struct runner_run run = {.namespace_ = "data",
	.pipeline = "clean-text",
	.name = "clean-text-1-abcdef",
	.uid = "2f6c0b8a-0000-4000-8000-000000000001",
	.run_id = "clean-text-1-abcdef-2f6c0b8a"};

static int load(void **state)
{
	struct compile_output out;

	(void)state;
	compile_ok(text, &out);
	assert_int_equal(frozen_spec_parse(out.text, out.text_len, &spec, NULL), 0);
	compile_output_clear(&out);
	frozen_spec_bind(spec, run.name, DAY);
	run.spec = spec;
	return 0;
}

static int unload(void **state)
{
	(void)state;
	frozen_spec_free(spec);
	return 0;
}

static json_t *build(const char *step)
{
	struct kubernetes_job what = {
		.run = &run, .step = frozen_spec_step(spec, step), .attempt = 1};

	return kubernetes_job_build(&what);
}

/* With FondantBackend.spec.kubernetes. */
static json_t *build_with(const char *step, const char *settings)
{
	auto_json *json = quoted_json(settings);
	struct kubernetes_job what = {
		.run = &run, .step = frozen_spec_step(spec, step), .attempt = 1, .settings = json};

	return kubernetes_job_build(&what);
}

static const json_t *main_of(const json_t *job)
{
	return doc_get(job, "spec.template.spec.containers.0");
}

static void test_golden(void **state)
{
	auto_json *job = build("publish"), *want = NULL;
	json_error_t error;

	(void)state;
	if (getenv("UPDATE_GOLDEN"))
		assert_int_equal(json_dump_file(job, DATA, JSON_INDENT(1) | JSON_SORT_KEYS), 0);
	want = json_load_file(DATA, 0, &error);
	if (!want)
		fail_msg("%s:%d: %s", DATA, error.line, error.text);
	if (!json_equal(job, want)) {
		auto_free char *got = json_dumps(job, JSON_INDENT(1) | JSON_SORT_KEYS);

		fail_msg("%s is not what was built:\n%s", DATA, got);
	}
}

static const char *env_of(const json_t *job, const char *name, const char *path)
{
	json_t *item;
	size_t i;

	json_array_foreach (json_object_get(main_of(job), "env"), i, item) {
		if (str_eq(doc_str(item, "name"), name))
			return doc_str(item, path);
	}
	return NULL;
}

static bool has_arg(const json_t *job, const char *token)
{
	json_t *item;
	size_t i;

	json_array_foreach (json_object_get(main_of(job), "args"), i, item) {
		if (str_eq(json_string_value(item), token))
			return true;
	}
	return false;
}

/* Variables in the order of the names; their one `$` is for the kubelet, all others are doubled. */
static void test_secrets(void **state)
{
	auto_json *job = build("publish"), *plain = build("plain");

	(void)state;
	assert_true(has_arg(job, "--apikey=$(FONDANT_SECRET_0)"));
	assert_true(has_arg(job, "--token=$(FONDANT_SECRET_1)"));
	assert_false(has_arg(job, "--token"));
	assert_true(has_arg(job, "docs-clean-text-1-abcdef-$$(x)-$$5"));
	assert_string_equal(
		env_of(job, "FONDANT_SECRET_0", "valueFrom.secretKeyRef.name"), "other");
	assert_string_equal(
		env_of(job, "FONDANT_SECRET_1", "valueFrom.secretKeyRef.name"), "warehouse");
	assert_string_equal(env_of(job, "FONDANT_SECRET_1", "valueFrom.secretKeyRef.key"), "token");
	assert_string_equal(doc_str(main_of(job), "terminationMessagePolicy"), "File");
	assert_string_equal(
		doc_str(main_of(plain), "terminationMessagePolicy"), "FallbackToLogsOnError");
	assert_null(env_of(plain, "FONDANT_SECRET_0", "valueFrom.secretKeyRef.name"));
}

static void test_run_values(void **state)
{
	auto_json *job = build("publish"), *plain = build("plain");

	(void)state;
	assert_string_equal(env_of(job, "DAY", "value"), "2026-11-23 $$(HOME) $$5");
	assert_string_equal(env_of(job, "FROM", "valueFrom.fieldRef.fieldPath"), "metadata.name");
	assert_true(has_arg(job, "s3://lake/2026-11-23/manifest.json"));
	assert_true(has_arg(plain, "s3://lake/manifest.json"));
}

/* The step's own words win over the template's. */
static void test_machines(void **state)
{
	auto_json *job = build("publish"), *plain = build("plain");
	const json_t *limits = doc_get(main_of(job), "resources.limits");
	const json_t *selector = doc_get(job, "spec.template.spec.nodeSelector");

	(void)state;
	assert_string_equal(json_string_value(json_object_get(limits, "nvidia.com/gpu")), "2");
	assert_string_equal(json_string_value(json_object_get(limits, "memory")), "1Gi");
	assert_string_equal(json_string_value(json_object_get(
				    doc_get(main_of(job), "resources.requests"), "nvidia.com/gpu")),
		"2");
	assert_string_equal(
		json_string_value(json_object_get(selector, "node.kubernetes.io/instance-type")),
		"p4d.24xlarge");
	assert_string_equal(json_string_value(json_object_get(selector, "disk")), "ssd");
	limits = doc_get(main_of(plain), "resources.limits");
	selector = doc_get(plain, "spec.template.spec.nodeSelector");
	assert_string_equal(json_string_value(json_object_get(limits, "amd.com/gpu")), "1");
	assert_int_equal(doc_int_or(main_of(plain), "resources.requests.cpu", 0), 1);
	assert_string_equal(
		json_string_value(json_object_get(selector, "node.kubernetes.io/instance-type")),
		"small");
}

static void test_the_platforms_template_wins(void **state)
{
	auto_json *job = build_with("plain",
		"{'podTemplate': {'metadata': {'labels': {'team': 'data'}}, 'spec': "
		"{'restartPolicy':"
		" 'Always', 'priorityClassName': 'low', 'nodeSelector': {'disk': 'hdd'},"
		" 'containers': [{'name': 'main', 'image': 'evil', 'command': ['sh'], 'args': "
		"['x'],"
		" 'resources': {'requests': {'cpu': '2'}}}]}}}");
	const json_t *pod = doc_get(job, "spec.template.spec");

	(void)state;
	assert_string_equal(doc_str(pod, "priorityClassName"), "low");
	assert_string_equal(doc_str(pod, "nodeSelector.disk"), "hdd");
	assert_string_equal(doc_str(main_of(job), "resources.requests.cpu"), "2");
	assert_string_equal(doc_str(job, "spec.template.metadata.labels.team"), "data");
	/* the program stays the step's */
	assert_string_equal(doc_str(main_of(job), "image"), "r/p:1");
	assert_string_equal(doc_str(main_of(job), "command.0"), "fondant");
	assert_string_not_equal(doc_str(main_of(job), "args.0"), "x");
	assert_string_equal(doc_str(pod, "restartPolicy"), "Never");
	assert_null(doc_get(job, "spec.suspend"));
}

static void test_kueue_takes_the_job(void **state)
{
	auto_json *job = build_with(
		"plain", "{'kueue': {'queueName': 'data', 'priorityClassName': 'batch'}}");
	const json_t *labels = doc_get(job, "metadata.labels");

	(void)state;
	assert_string_equal(
		json_string_value(json_object_get(labels, "kueue.x-k8s.io/queue-name")), "data");
	assert_string_equal(
		json_string_value(json_object_get(labels, "kueue.x-k8s.io/priority-class")),
		"batch");
	assert_true(json_is_true(doc_get(job, "spec.suspend")));
	assert_null(json_object_get(
		doc_get(job, "spec.template.metadata.labels"), "kueue.x-k8s.io/queue-name"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),
		cmocka_unit_test(test_secrets),
		cmocka_unit_test(test_run_values),
		cmocka_unit_test(test_machines),
		cmocka_unit_test(test_the_platforms_template_wins),
		cmocka_unit_test(test_kueue_takes_the_job),
	};

	return cmocka_run_group_tests_name("runners/kubernetes_settings", tests, load, unload);
}

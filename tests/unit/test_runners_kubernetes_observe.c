#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/mem.h"
#include "base/str.h"
#include "doc/json.h"
#include "doc/patch.h"
#include "doc/path.h"
#include "runners/kubernetes_observe.h"

#define NOW 1795428300 /* 2026-11-23T10:05:00Z */
#define DATA "tests/data/runners/observe.json"

static const char *const phase_names[] = {
	[ATTEMPT_PENDING] = "Pending",
	[ATTEMPT_QUEUED] = "Queued",
	[ATTEMPT_RUNNING] = "Running",
	[ATTEMPT_SUCCEEDED] = "Succeeded",
	[ATTEMPT_FAILED] = "Failed",
};

static struct spec_step steps[2];
static struct frozen_spec spec = {.steps = steps, .steps_len = 2};
static struct runner_run run = {
	.spec = &spec,
	.namespace_ = "data",
	.name = "clean-text-3-91c0de",
	.uid = "run-uid",
	.now_s = NOW,
};
static json_t *data;

static int load(void **state)
{
	json_error_t error;

	(void)state;
	data = json_load_file(DATA, 0, &error);
	if (!data)
		fail_msg("%s:%d: %s", DATA, error.line, error.text);
	steps[0] = (struct spec_step){.name = "load", .json = json_object()};
	steps[1] = (struct spec_step){
		.name = "secret", .json = json_pack("{s:{s:{}}}", "secretArguments", "token")};
	return 0;
}

static int unload(void **state)
{
	(void)state;
	json_decref(data);
	json_decref(steps[0].json);
	json_decref(steps[1].json);
	return 0;
}

static const char *event_text(void *arg, const char *job_uid)
{
	assert_string_equal(job_uid, "7d1f0c34-5f0e-4f0a-9a51-0d7a3c1b2f10");
	return arg;
}

static void check_int(const json_t *expect, const char *key, int64_t got, int64_t fallback)
{
	int64_t want = doc_int_or(expect, key, fallback);

	if (want != got)
		fail_msg("%s is %lld, not %lld", key, (long long)got, (long long)want);
}

static void check_str(const json_t *expect, const char *key, const char *got, bool optional)
{
	const char *want = doc_str(expect, key);

	if ((want || !optional) && !str_eq(want, got))
		fail_msg("%s is \"%s\", not \"%s\"", key, got ? got : "(null)",
			want ? want : "(null)");
}

static void check(const json_t *expect, const struct attempt *got)
{
	check_str(expect, "phase", phase_names[got->phase], false);
	check_str(expect, "reason", got->reason, false);
	check_str(expect, "message", got->message, true);
	check_int(expect, "number", got->number, 1);
	check_int(expect, "exit_code", got->exit_code, -1);
	check_int(expect, "submit_s", got->submit_s, got->submit_s);
	check_int(expect, "start_s", got->start_s, got->start_s);
	check_int(expect, "end_s", got->end_s, got->end_s);
	assert_int_equal(doc_bool_or(expect, "disrupted", false), got->disrupted);
	assert_int_equal(doc_bool_or(expect, "stopping", false), got->stopping);
	assert_string_equal(got->external_kind, "Job");
	assert_string_equal(got->external_name, "clean-text-3-91c0de-load-0a1b2c3d");
}

static json_t *patched(const char *base, const json_t *patch)
{
	const json_t *object = json_object_get(data, base);

	return patch ? doc_merge_apply(object, patch) : json_deep_copy(object);
}

static void run_case(const json_t *one)
{
	auto_json *full_job = patched("job", json_object_get(one, "job"));
	auto_json *full_pod = patched("pod", json_object_get(one, "pod"));
	auto_json *job = kubernetes_project_job(full_job);
	auto_json *pod = kubernetes_project_pod(full_pod);
	const json_t *pods[] = {pod, pod};
	const json_t *expect = json_object_get(one, "expect");
	struct kubernetes_view view = {
		.run = &run,
		.pods = pods,
		.pods_len = (int)doc_int_or(one, "pods", 1),
		.no_pod_reason = event_text,
		.arg = (void *)doc_str(one, "event"),
	};
	struct attempts attempts = {0};
	int64_t again_s = 0;
	bool no_pod = false;
	bool seen = kubernetes_observe_job(&view, job, &attempts, &again_s, &no_pod);

	assert_int_equal(seen, !json_is_null(expect));
	assert_int_equal(attempts.len, seen);
	if (seen) {
		check(expect, &attempts.items[0]);
		check_int(expect, "look_again_s", again_s, 0);
		assert_int_equal(doc_bool_or(expect, "no_pod", false), no_pod);
	}
	attempts_clear(&attempts);
}

static void every_row_of_the_table(void **state)
{
	json_t *one;
	size_t i;

	(void)state;
	json_array_foreach (json_object_get(data, "cases"), i, one) {
		print_message("  %s\n", doc_str(one, "name"));
		run_case(one);
	}
	assert_true(i > 30);
}

static void projections_are_small(void **state)
{
	auto_json *patch = json_pack("{s:{s:[{s:s,s:s,s:s,s:s,s:s}]}}", "status", "conditions",
		"type", "Complete", "status", "True", "reason", "CompletionsReached", "message",
		"Reached expected number of pods", "lastTransitionTime", "2026-11-23T10:02:00Z");
	auto_json *full_job = patched("job", patch);
	auto_json *full_pod = patched("pod", NULL);
	auto_json *job = kubernetes_project_job(full_job);
	auto_json *pod = kubernetes_project_pod(full_pod);
	auto_free char *job_text = doc_json_dump(job);
	auto_free char *pod_text = doc_json_dump(pod);

	(void)state;
	print_message("  Job %zu bytes, Pod %zu bytes\n", strlen(job_text), strlen(pod_text));
	assert_true(strlen(job_text) <= 700);
	assert_true(strlen(pod_text) <= 700);
	assert_null(strstr(job_text, "managedFields"));
	assert_null(strstr(job_text, "resourceVersion"));
	assert_null(strstr(pod_text, "containerID"));
	assert_null(strstr(job_text, "team"));
}

static void projecting_twice_changes_nothing(void **state)
{
	auto_json *full_job = patched("job", NULL);
	auto_json *job = kubernetes_project_job(full_job);
	auto_json *again = kubernetes_project_job(job);
	auto_json *empty = json_object();
	auto_json *of_empty_job = kubernetes_project_job(empty);
	auto_json *of_empty_pod = kubernetes_project_pod(empty);

	(void)state;
	assert_true(json_equal(job, again));
	assert_non_null(of_empty_job);
	assert_non_null(of_empty_pod);
}

static void indexed_by_namespace_and_run(void **state)
{
	auto_json *full_pod = patched("pod", NULL);
	auto_json *pod = kubernetes_project_pod(full_pod);
	auto_json *other = json_pack("{s:{s:{s:s}}}", "metadata", "labels", "app", "x");
	auto_free char *key = kubernetes_index_run(pod, "data");

	(void)state;
	assert_string_equal(key, "data/clean-text-3-91c0de");
	assert_null(kubernetes_index_run(other, "data"));
}

static void long_messages_are_cut(void **state)
{
	auto_json *full_pod = patched("pod", NULL);
	char text[5001];
	auto_json *pod = NULL;
	json_t *container, *message = NULL;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[5000] = '\0';
	json_object_set_new(json_object_get(full_pod, "status"), "containerStatuses",
		json_pack("[{s:s, s:{s:{s:s, s:s}}}]", "name", "main", "state", "waiting", "reason",
			"ImagePullBackOff", "message", text));
	pod = kubernetes_project_pod(full_pod);
	container = doc_get(pod, "status.containerStatuses.0");
	message = doc_get(container, "waiting.message");
	assert_int_equal(json_string_length(message), 512);
}

static void refusals_read_the_same_each_time(void **state)
{
	auto_free char *a = kubernetes_failed_create_text(
		"Error creating: pods \"load-0a1b2c3d-x7k2p\" is forbidden: exceeded quota: small");
	auto_free char *b = kubernetes_failed_create_text("Error creating: Internal error");
	auto_free char *c = kubernetes_failed_create_text("pods \"unclosed");

	(void)state;
	assert_string_equal(a, "forbidden: exceeded quota: small");
	assert_string_equal(b, "Internal error");
	assert_string_equal(c, "pods \"unclosed");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_of_the_table),
		cmocka_unit_test(projections_are_small),
		cmocka_unit_test(projecting_twice_changes_nothing),
		cmocka_unit_test(indexed_by_namespace_and_run),
		cmocka_unit_test(long_messages_are_cut),
		cmocka_unit_test(refusals_read_the_same_each_time),
	};

	return cmocka_run_group_tests(tests, load, unload);
}

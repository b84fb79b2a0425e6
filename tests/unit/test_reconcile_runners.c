/*
 * The whole controller on the runner `fake`, wrapped by `trace`, which loses and refuses calls: the
 * end is the one that the script says, and no attempt is created twice, whatever fails and however
 * often the controller is killed.
 */
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
#include "runners/fake.h"
#include "runners/trace.h"
#include "tests/fake/world.h"

int clock_gettime(clockid_t id, struct timespec *ts)
{
	return fake_clock_read(id, ts);
}

#define ON_FAKE "\"backendRef\": {\"name\": \"f\"}, "

struct fixture {
	struct world w;
	struct trace_rules *rules;
};

/* script: FondantBackend.spec.fake; rules as of --trace-runners. */
static void begin(struct fixture *f, const char *script, const char *rules)
{
	json_t *settings = NULL;

	fake_forget();
	assert_int_equal(trace_rules_parse(rules, &f->rules, NULL), 0);
	f->w = (struct world){.pod_ms = 200, .options.trace = f->rules};
	world_open(&f->w);
	assert_int_equal(doc_json_parse(script, strlen(script), &settings, NULL), 0);
	fake_api_put(
		f->w.api, json_pack("{s:s, s:s, s:{s:s, s:s}, s:{s:o}}", "apiVersion",
				  "fondant.ai/v1alpha1", "kind", "FondantBackend", "metadata",
				  "namespace", WORLD_NS, "name", "f", "spec", "fake", settings));
	world_apply(&f->w,
		&(struct world_pipeline){.load = 1, .a = 1, .b = 1, .c = 1, .extra = ON_FAKE});
}

static void end(struct fixture *f)
{
	world_expect_no_breach(&f->w);
	world_close(&f->w);
	trace_rules_free(f->rules);
	fake_forget();
}

static bool finished(struct world *w)
{
	return world_finished(w) == 1;
}

static json_t *final_run(struct fixture *f)
{
	world_until(&f->w, finished, 600000);
	world_pass(&f->w, 3000);
	return world_run(&f->w, 0);
}

static void assert_created_once(const json_t *run, const char *step, int attempts)
{
	const char *uid = doc_str(run, "metadata.uid");

	for (int n = 1; n <= attempts; n++)
		assert_int_equal(fake_created(uid, step, n), 1);
	assert_int_equal(fake_created(uid, step, attempts + 1), 0);
}

static void assert_success(const json_t *run)
{
	static const char *const steps[] = {"load", "a", "b", "c"};

	assert_string_equal(doc_str(run, "status.phase"), "Succeeded");
	assert_string_equal(doc_str(run, "status.backend.kind"), "fake");
	for (size_t i = 0; i < array_size(steps); i++)
		assert_created_once(run, steps[i], 1);
	assert_int_equal(fake_attempts(), 4);
}

static void nothing_fails(void **state)
{
	struct fixture f;
	auto_json *run = NULL;

	(void)state;
	begin(&f, "{\"looks\": 2}", "");
	run = final_run(&f);
	assert_success(run);
	end(&f);
}

/* A rule at a time, and several. */
static void calls_fail(void **state)
{
	static const char *const rules[] = {"submit:fail/2", "submit:lost/2", "submit:lost/3",
		"observe:fail/2", "observe:lost/3", "probe:fail/2",
		"submit:lost/2,observe:fail/3,cancel:fail/2,submit:fail/5"};

	(void)state;
	for (size_t i = 0; i < array_size(rules); i++) {
		struct fixture f;
		auto_json *run = NULL;

		begin(&f, "{\"looks\": 2}", rules[i]);
		run = final_run(&f);
		assert_success(run);
		end(&f);
	}
}

static void calls_fail_and_it_is_killed(void **state)
{
	(void)state;
	for (int at = 1; at <= 24; at++) {
		struct fixture f;
		auto_json *run = NULL;

		begin(&f, "{\"looks\": 2}", at % 2 ? "submit:lost/2" : "observe:lost/3");
		for (int i = 0; i < at * 20; i++)
			world_turn(&f.w);
		world_kill(&f.w);
		world_start(&f.w);
		run = final_run(&f);
		assert_success(run);
		end(&f);
	}
}

static void a_step_fails_and_is_tried_again(void **state)
{
	struct fixture f;
	auto_json *run = NULL;

	(void)state;
	begin(&f,
		"{\"steps\": {\"b\": {\"exitCode\": 3, \"attempts\": 2, \"message\": \"no "
		"cheese\"}}}",
		"submit:lost/2");
	run = final_run(&f);
	assert_string_equal(doc_str(run, "status.phase"), "Succeeded");
	assert_created_once(run, "b", 3);
	end(&f);
}

static void a_step_fails_for_good(void **state)
{
	struct fixture f;
	auto_json *run = NULL;

	(void)state;
	begin(&f, "{\"steps\": {\"load\": {\"exitCode\": 3, \"message\": \"no cheese\"}}}",
		"observe:fail/2");
	run = final_run(&f);
	assert_string_equal(doc_str(run, "status.phase"), "Failed");
	assert_string_equal(doc_str(run, "status.steps.0.message"), "exit code 3\nno cheese");
	assert_int_equal(fake_attempts(), 1);
	end(&f);
}

static bool load_runs(struct world *w)
{
	(void)w;
	return fake_running() == 1;
}

/* Its cancel is lost twice, and it is stopped all the same. */
static void cancelled(void **state)
{
	struct fixture f;
	auto_json *run = NULL;
	auto_free char *path = NULL;

	(void)state;
	begin(&f, "{\"steps\": {\"load\": {\"hangs\": true}}}", "cancel:lost/2,cancel:fail/3");
	world_until(&f.w, load_runs, 60000);
	run = world_run(&f.w, 0);
	path = xasprintf(WORLD_RUNS "/%s", doc_str(run, "metadata.name"));
	fake_api_patch(f.w.api, path, json_pack("{s:{s:s}}", "spec", "desiredState", "Cancelled"));
	json_decref(run);
	run = final_run(&f);
	assert_string_equal(doc_str(run, "status.phase"), "Cancelled");
	assert_int_equal(fake_running(), 0);
	end(&f);
}

/* What is refused for ever is not asked again and again. */
static void a_submit_is_refused(void **state)
{
	struct fixture f;
	auto_json *run = NULL;

	(void)state;
	begin(&f, "{}", "submit:refuse");
	run = final_run(&f);
	assert_string_equal(doc_str(run, "status.phase"), "Failed");
	assert_int_equal(fake_attempts(), 0);
	end(&f);
}

static void rules_that_are_none(void **state)
{
	static const char *const bad[] = {"submit", "submit:", "submit:none", "start:fail",
		"submit:fail/0", "submit:fail/x", "submit:fail,", ":fail", "submit:fail/1,x",
		"probe:fail,probe:fail,probe:fail,probe:fail,probe:fail,probe:fail,probe:fail,"
		"probe:fail,probe:fail,probe:fail,probe:fail,probe:fail,probe:fail,probe:fail,"
		"probe:fail,probe:fail,probe:fail"};

	(void)state;
	for (size_t i = 0; i < array_size(bad); i++) {
		struct trace_rules *rules = NULL;
		auto_err err = ERR_INIT;

		if (trace_rules_parse(bad[i], &rules, &err) == 0) {
			trace_rules_free(rules);
			/* a comma at the end ends the last rule */
			assert_true(str_ends_with(bad[i], ","));
			continue;
		}
		assert_string_equal(err.reason, "InvalidRule");
		assert_non_null(strstr(err_message(&err), "CALL:FAULT/N"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_fails),
		cmocka_unit_test(calls_fail),
		cmocka_unit_test(calls_fail_and_it_is_killed),
		cmocka_unit_test(a_step_fails_and_is_tried_again),
		cmocka_unit_test(a_step_fails_for_good),
		cmocka_unit_test(cancelled),
		cmocka_unit_test(a_submit_is_refused),
		cmocka_unit_test(rules_that_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

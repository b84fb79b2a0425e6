/*
 * The whole controller against the fake API server, with a node that runs its Jobs, on the test's
 * clock: what users see, what is written, and that nothing is written when nothing changes.
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
#include "doc/path.h"
#include "kube/conditions.h"
#include "tests/fake/world.h"

int clock_gettime(clockid_t id, struct timespec *ts)
{
	return fake_clock_read(id, ts);
}

static int setup(void **state)
{
	struct world *w = xnew(struct world);

	w->pod_ms = 200;
	w->deed = world_deed;
	world_open(w);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	world_expect_no_breach(w);
	world_close(w);
	free(w);
	return 0;
}

static bool one_finished(struct world *w)
{
	return world_finished(w) == 1;
}

static bool two_finished(struct world *w)
{
	return world_finished(w) == 2;
}

static const char *condition(struct world *w, const char *type)
{
	static char text[16];
	auto_json *p = world_get_pipeline(w, "p");
	const char *status = condition_status(doc_get(p, "status.conditions"), type);

	snprintf(text, sizeof(text), "%s", status ? status : "-");
	return text;
}

static void expect_quiet(struct world *w)
{
	world_pass(w, 5000);
	assert_int_equal(world_writes_in(w, 600000), 0);
}

static void a_pipeline_runs_to_its_end(void **state)
{
	struct world *w = *state;
	auto_json *run = NULL;

	world_apply(w, &(struct world_pipeline){.load = 1, .a = 1, .b = 1, .c = 1});
	world_until(w, one_finished, 60000);
	world_pass(w, 3000);
	run = world_run(w, 0);
	assert_string_equal(doc_str(run, "status.phase"), "Succeeded");
	assert_string_equal(doc_str(run, "status.progress"), "4/4");
	assert_string_equal(condition(w, "Ready"), "True");
	assert_string_equal(condition(w, "Succeeded"), "True");
	assert_string_equal(condition(w, "Finished"), "True");
	assert_int_equal(w->jobs_made, 4);
	print_message("# clean run of 4 steps: %zu writes (%zu run status, %zu pipeline status, "
		      "%zu Jobs, %zu ConfigMaps, %zu Events, %zu runs), %zu requests\n",
		w->counts.writes, w->counts.run_status, w->counts.pipeline_status, w->counts.jobs,
		w->counts.configmaps, w->counts.events, w->counts.runs, w->counts.requests);
	assert_int_equal(kube_client_writes(w->client), w->counts.writes);
	expect_quiet(w);
}

static void a_rerun_hits_the_cache_everywhere(void **state)
{
	struct world *w = *state;
	auto_json *run = NULL;

	world_apply(w, &(struct world_pipeline){.load = 1, .a = 1, .b = 1, .c = 1});
	world_until(w, one_finished, 60000);
	world_apply(
		w, &(struct world_pipeline){.load = 1, .a = 1, .b = 1, .c = 1, .rerun_token = "x"});
	world_until(w, two_finished, 60000);
	run = world_run(w, 1);
	assert_string_equal(doc_str(run, "status.phase"), "Succeeded");
	for (size_t i = 0; i < 4; i++)
		assert_string_equal(
			doc_str(json_array_get(doc_get(run, "status.steps"), i), "phase"),
			"Cached");
	assert_int_equal(w->jobs_made, 4);
	expect_quiet(w);
}

static void a_failure_skips_what_follows(void **state)
{
	struct world *w = *state;
	auto_json *run = NULL;
	const json_t *steps;

	world_apply(w, &(struct world_pipeline){.load = 1, .a = 13, .b = 1, .c = 1});
	world_until(w, one_finished, 60000);
	world_pass(w, 3000);
	run = world_run(w, 0);
	steps = doc_get(run, "status.steps");
	assert_string_equal(doc_str(run, "status.phase"), "Failed");
	assert_string_equal(doc_str(steps, "1.phase"), "Failed");
	assert_int_equal(doc_int_or(steps, "1.exitCode", 0), 3);
	assert_string_equal(doc_str(steps, "1.message"), "exit code 3\nno such column");
	assert_string_equal(doc_str(steps, "3.phase"), "Skipped");
	assert_string_equal(condition(w, "Ready"), "True"); /* a run's failure is not its own */
	assert_string_equal(condition(w, "Succeeded"), "False");
	assert_int_equal(fake_node_running(w->node), 0);
	expect_quiet(w);
}

static void failures_and_disruptions_are_retried(void **state)
{
	struct world *w = *state;
	auto_json *run = NULL;
	const json_t *steps;

	world_apply(w, &(struct world_pipeline){.load = 1, .a = 1, .b = 12, .c = 11});
	world_until(w, one_finished, 60000);
	run = world_run(w, 0);
	steps = doc_get(run, "status.steps");
	assert_string_equal(doc_str(run, "status.phase"), "Succeeded");
	assert_int_equal(doc_int_or(steps, "2.attempts", 1), 3); /* b failed twice */
	assert_int_equal(doc_int_or(steps, "3.attempts", 1), 2); /* c was evicted once */
	assert_int_equal(doc_int_or(steps, "3.disruptions", 0), 1);
	assert_int_equal(w->jobs_made, 7);
	expect_quiet(w);
}

static bool a_is_running(struct world *w)
{
	auto_json *run = world_run(w, 0);

	return fake_node_running(w->node) == 2 &&
	       str_eq(doc_str(run, "status.steps.0.phase"), "Succeeded");
}

static void an_edit_while_it_runs_waits(void **state)
{
	struct world *w = *state;
	auto_json *first = NULL, *second = NULL;

	w->pod_ms = 2000;
	world_apply(w, &(struct world_pipeline){.load = 1, .a = 1, .b = 1, .c = 1});
	world_until(w, a_is_running, 60000);
	world_apply(w, &(struct world_pipeline){.load = 1, .a = 2, .b = 1, .c = 1});
	world_apply(w, &(struct world_pipeline){.load = 1, .a = 3, .b = 1, .c = 1});
	world_until(w, two_finished, 60000);
	world_pass(w, 3000);
	first = world_run(w, 0);
	second = world_run(w, 1);
	assert_int_equal(w->runs_made, 2); /* the newest edit alone */
	assert_string_not_equal(doc_str(first, "status.frozenSpec.hash"),
		doc_str(second, "status.frozenSpec.hash"));
	assert_true(strcmp(doc_str(first, "status.completionTime"),
			    doc_str(second, "status.startTime")) <= 0);
	assert_string_equal(doc_str(second, "status.steps.0.phase"), "Cached");
	assert_string_equal(doc_str(second, "status.steps.1.phase"), "Succeeded");
	assert_string_equal(doc_str(second, "status.steps.2.phase"), "Cached");
	assert_string_equal(doc_str(second, "status.steps.3.phase"), "Succeeded");
	assert_int_equal(w->jobs_made, 6);
	expect_quiet(w);
}

static bool a_pod_runs(struct world *w)
{
	return fake_node_running(w->node) > 0;
}

static bool nothing_left(struct world *w)
{
	return world_objects(w) == 0;
}

static void deleting_leaves_nothing(void **state)
{
	struct world *w = *state;

	world_apply(w, &(struct world_pipeline){.load = 1, .a = 1, .b = 1, .c = 1});
	world_until(w, one_finished, 60000);
	world_apply(w, &(struct world_pipeline){.load = 2, .a = 1, .b = 1, .c = 1});
	world_until(w, a_pod_runs, 10000);
	fake_api_delete(w->api, WORLD_PIPELINES "/p");
	world_until(w, nothing_left, 60000);
	expect_quiet(w);
	assert_int_equal(world_objects(w), 0);
	/* and under the same name no old data is met */
	world_apply(w, &(struct world_pipeline){.load = 1, .a = 1, .b = 1, .c = 1});
	world_until(w, one_finished, 60000);
	assert_int_equal(w->jobs_made, 9);
}

/* New reference; NULL: there is none. */
static json_t *only_job(struct world *w)
{
	auto_json *list = world_jobs(w);

	return json_array_size(list) == 1 ? json_incref(json_array_get(list, 0)) : NULL;
}

static bool no_runs(struct world *w)
{
	return world_runs(w, NULL) == 0;
}

static bool only_a_runs(struct world *w)
{
	auto_json *run = world_run(w, 0);

	return fake_node_running(w->node) == 1 &&
	       str_eq(doc_str(run, "status.steps.1.phase"), "Running") &&
	       str_eq(doc_str(run, "status.steps.2.phase"), "Succeeded");
}

/* The run goes with its pipeline, its running step does not; what had ended goes. */
static void an_orphan_goes_on(void **state)
{
	struct world *w = *state;
	auto_json *run = NULL, *job = NULL;

	world_apply(w, &(struct world_pipeline){.load = 1,
			       .a = 14,
			       .b = 1,
			       .c = 1,
			       .extra = "\"deletionPolicy\": \"Orphan\", "});
	world_until(w, only_a_runs, 60000);
	world_pass(w, 5000);
	run = world_run(w, 0);
	assert_string_equal(json_string_value(json_object_get(doc_get(run, "metadata.annotations"),
				    "fondant.ai/deletion-policy")),
		"Orphan");
	fake_api_delete(w->api, WORLD_PIPELINES "/p");
	world_until(w, no_runs, 60000);
	world_pass(w, 20000);
	assert_int_equal(fake_node_running(w->node), 1);
	job = only_job(w);
	assert_non_null(job);
	assert_null(doc_get(job, "metadata.ownerReferences"));
	expect_quiet(w);
}

/* The policy is the pipeline's at the end, whatever it was at the beginning. */
static void an_edited_policy_holds(void **state)
{
	struct world *w = *state;
	auto_json *run = NULL;
	auto_free char *path = NULL;

	world_apply(w, &(struct world_pipeline){.load = 1, .a = 14, .b = 1, .c = 1});
	world_until(w, only_a_runs, 60000);
	fake_api_patch(w->api, WORLD_PIPELINES "/p",
		json_pack("{s:{s:s}}", "spec", "deletionPolicy", "Orphan"));
	world_pass(w, 5000);
	assert_int_equal(world_runs(w, NULL), 1); /* and no run because of it */
	run = world_run(w, 0);
	path = xasprintf(WORLD_RUNS "/%s", doc_str(run, "metadata.name"));
	fake_api_delete(w->api, path);
	world_until(w, no_runs, 60000);
	world_pass(w, 20000);
	assert_int_equal(fake_node_running(w->node), 1);
}

static bool first_has_ended(struct world *w)
{
	auto_json *run = world_run(w, 0);

	return doc_str(run, "status.completionTime") != NULL;
}

static void a_run_is_cancelled(void **state)
{
	struct world *w = *state;
	auto_json *run = NULL;
	auto_free char *path = NULL;

	world_apply(w, &(struct world_pipeline){.load = 14, .a = 1, .b = 1, .c = 1});
	world_pass(w, 5000);
	assert_int_equal(fake_node_running(w->node), 1);
	run = world_run(w, 0);
	path = xasprintf(WORLD_RUNS "/%s", doc_str(run, "metadata.name"));
	fake_api_patch(w->api, path, json_pack("{s:{s:s}}", "spec", "desiredState", "Cancelled"));
	world_until(w, first_has_ended, 60000);
	json_decref(run);
	run = world_run(w, 0);
	assert_string_equal(doc_str(run, "status.phase"), "Cancelled");
	assert_string_equal(doc_str(run, "status.steps.0.phase"), "Cancelled");
	assert_string_equal(condition_status(doc_get(run, "status.conditions"), "Stalled"), "True");
	assert_int_equal(fake_node_running(w->node), 0);
	expect_quiet(w);
}

/* Nothing but the clock says that spec.timeout is over. */
static void a_run_times_out(void **state)
{
	struct world *w = *state;
	auto_json *run = NULL;

	world_apply(
		w, &(struct world_pipeline){
			   .load = 14, .a = 1, .b = 1, .c = 1, .extra = "\"timeout\": \"1m\", "});
	world_until(w, first_has_ended, 70000);
	run = world_run(w, 0);
	assert_string_equal(doc_str(run, "status.phase"), "Failed");
	assert_string_equal(
		doc_str(condition_find(doc_get(run, "status.conditions"), "Ready"), "reason"),
		"RunTimeout");
	assert_int_equal(fake_node_running(w->node), 0);
	expect_quiet(w);
}

static void a_suspended_pipeline_says_so(void **state)
{
	struct world *w = *state;

	world_apply(w, &(struct world_pipeline){
			       .load = 1, .a = 1, .b = 1, .c = 1, .extra = "\"suspend\": true, "});
	world_pass(w, 3000);
	assert_string_equal(condition(w, "Ready"), "True");
	assert_int_equal(w->runs_made, 0);
	fake_api_patch(w->api, WORLD_PIPELINES "/p", json_pack("{s:{s:b}}", "spec", "suspend", 0));
	world_until(w, one_finished, 60000);
	expect_quiet(w);
}

static json_t *manual_run(const char *name)
{
	return json_pack("{s:s, s:s, s:{s:s, s:s}, s:{s:{s:s}}}", "apiVersion",
		"fondant.ai/v1alpha1", "kind", "FondantRun", "metadata", "namespace", WORLD_NS,
		"name", name, "spec", "pipelineRef", "name", "p");
}

static void a_run_by_hand_waits_its_turn(void **state)
{
	struct world *w = *state;
	auto_json *mine = NULL;

	fake_api_put(w->api, manual_run("mine"));
	world_pass(w, 3000);
	mine = fake_api_get(w->api, WORLD_RUNS "/mine");
	assert_string_equal(doc_str(mine, "status.phase"), "Pending");
	assert_string_equal(
		doc_str(condition_find(doc_get(mine, "status.conditions"), "Ready"), "reason"),
		"PipelineNotFound");
	world_apply(w, &(struct world_pipeline){.load = 1, .a = 1, .b = 1, .c = 1});
	fake_api_put(w->api, manual_run("other"));
	world_until(w, two_finished, 60000);
	world_pass(w, 60000);
	assert_int_equal(world_runs(w, "Succeeded"), 3);
	assert_int_equal(w->jobs_made, 4); /* the others found everything in the cache */
	expect_quiet(w);
}

/* Cancelled in the moment between its first Job and its first status. */
static void cancelling_never_leaves_a_job(void **state)
{
	struct world *w = *state;
	struct fake_fault refused = {.status = 503, .times = -1};
	auto_json *run = NULL;
	auto_free char *path = NULL;

	fake_api_fault(w->api, "PATCH", "/fondantruns/", &refused);
	world_apply(w, &(struct world_pipeline){.load = 14, .a = 1, .b = 1, .c = 1});
	world_pass(w, 3000);
	assert_int_equal(fake_node_running(w->node), 1);
	run = world_run(w, 0);
	assert_null(json_object_get(run, "status"));
	path = xasprintf(WORLD_RUNS "/%s", doc_str(run, "metadata.name"));
	fake_api_patch(w->api, path, json_pack("{s:{s:s}}", "spec", "desiredState", "Cancelled"));
	world_kill(w);
	fake_api_clear_faults(w->api);
	world_start(w);
	world_until(w, first_has_ended, 60000);
	world_pass(w, 5000);
	assert_int_equal(world_runs(w, "Cancelled"), 1);
	assert_int_equal(fake_node_running(w->node), 0);
	expect_quiet(w);
}

/* What cannot be recorded is run again one day: no reason to keep a run from ending. */
static void an_index_that_is_refused_stops_no_run(void **state)
{
	static const int statuses[] = {422, 403};
	struct world *w = *state;

	for (size_t i = 0; i < array_size(statuses); i++) {
		struct fake_fault refused = {.status = statuses[i], .times = -1};

		/* the second ConfigMap is the index */
		world_apply(
			w, &(struct world_pipeline){.load = 1 + (int)i, .a = 1, .b = 1, .c = 1});
		world_until(w, a_pod_runs, 10000);
		fake_api_fault(w->api, "POST", "/configmaps", &refused);
		fake_api_fault(w->api, "PATCH", "/configmaps/fondant-cache", &refused);
		world_until(w, i == 0 ? one_finished : two_finished, 30000);
		fake_api_clear_faults(w->api);
	}
	expect_quiet(w);
}

static size_t events_of(struct world *w, const char *reason)
{
	const struct fake_store *store = fake_api_store(w->api);
	size_t pos = 0, count = 0;
	const char *key;
	void *object;

	while (map_next(&store->objects, &pos, &key, &object))
		count += strstr(key, "/events/") && str_eq(doc_str(object, "reason"), reason);
	return count;
}

static void a_lost_answer_about_the_index_is_no_conflict(void **state)
{
	struct world *w = *state;
	struct fake_fault lost = {.lose_answer = true};

	world_apply(w, &(struct world_pipeline){.load = 1, .a = 1, .b = 1, .c = 1});
	world_until(w, a_pod_runs, 10000);
	fake_api_fault(w->api, "POST", "/configmaps", &lost);
	/* the watch is late */
	fake_api_fault(w->api, "WATCH", "cache-index", &(struct fake_fault){.silent = true});
	fake_api_cut_watches(w->api);
	world_until(w, one_finished, 60000);
	assert_int_equal(events_of(w, "NameConflict"), 0);
	world_pass(w, 100000);
	expect_quiet(w);
}

static void only_finished_runs_over_the_limit_go(void **state)
{
	struct world *w = *state;

	for (int i = 1; i <= 5; i++) {
		struct world_pipeline p = {.load = i, .a = 1, .b = 1, .c = 1};

		p.extra = "\"timeout\": \"1h\", ";
		world_apply(w, &p);
		fake_api_patch(w->api, WORLD_PIPELINES "/p",
			json_pack("{s:{s:i}}", "spec", "successfulRunsHistoryLimit", 2));
		world_pass(w, 30000);
	}
	assert_int_equal(world_runs(w, NULL), 2);
	assert_int_equal(w->runs_made, 5);
	assert_int_equal(fake_api_len(w->api, WORLD_CONFIGMAPS), 3); /* two specs, the index */
	expect_quiet(w);
}

static const char *why(struct world *w, const char *run_name)
{
	static char text[64];
	auto_free char *path = xasprintf(WORLD_RUNS "/%s", run_name);
	auto_json *run = fake_api_get(w->api, path);

	snprintf(text, sizeof(text), "%s",
		doc_str_or(
			condition_find(doc_get(run, "status.conditions"), "Ready"), "reason", "-"));
	return text;
}

static void put_run_of(struct world *w, const char *name, const char *spec_name)
{
	json_t *run = manual_run(name);

	json_object_set_new(
		run, "spec", json_pack("{s:{s:s}}", "frozenSpecRef", "name", spec_name));
	fake_api_put(w->api, run);
}

/* A ConfigMap is what its name says, or nothing. */
static void a_lost_or_forged_spec_fails_its_run(void **state)
{
	struct world *w = *state;
	auto_json *pipeline = NULL;
	const char *good;

	world_apply(w, &(struct world_pipeline){.load = 1, .a = 1, .b = 1, .c = 1});
	world_until(w, one_finished, 60000);
	world_pass(w, 2000);
	fake_api_put_text(w->api,
		"{\"apiVersion\": \"v1\", \"kind\": \"ConfigMap\", \"metadata\": {\"namespace\": "
		"\"n\", \"name\": \"p-0123456789ab\"}, \"data\": {\"spec.json\": \"{}\"}}");
	fake_api_put_text(w->api,
		"{\"apiVersion\": \"v1\", \"kind\": \"ConfigMap\", \"metadata\": {\"namespace\": "
		"\"n\", \"name\": \"p-44136fa355b3\"}, \"data\": {\"spec.json\": \"{}\"}}");
	put_run_of(w, "lost", "p-ffffffffffff");
	world_pass(w, 5000);
	put_run_of(w, "forged", "p-0123456789ab");
	world_pass(w, 5000);
	put_run_of(w, "empty", "p-44136fa355b3"); /* its hash is right */
	world_pass(w, 5000);
	pipeline = world_get_pipeline(w, "p");
	good = doc_str(pipeline, "status.frozen.name");
	put_run_of(w, "good", good);
	world_pass(w, 10000);
	assert_string_equal(why(w, "lost"), "SpecLost");
	assert_string_equal(why(w, "forged"), "SpecLost");
	assert_string_equal(why(w, "empty"), "SpecLost");
	assert_string_equal(why(w, "good"), "Succeeded");
	assert_int_equal(w->jobs_made, 4);
	expect_quiet(w);
}

static void lost_statuses_and_upgrades_run_nothing(void **state)
{
	struct world *w = *state;

	world_apply(w, &(struct world_pipeline){.load = 1, .a = 1, .b = 1, .c = 1});
	world_until(w, one_finished, 60000);
	world_pass(w, 3000);
	fake_api_patch(w->api, WORLD_PIPELINES "/p", json_pack("{s:n}", "status"));
	world_pass(w, 5000);
	assert_string_equal(condition(w, "Succeeded"), "True");
	world_kill(w);
	fake_api_patch(w->api, WORLD_PIPELINES "/p", json_pack("{s:n}", "status"));
	w->options.compiler_format = "999";
	world_start(w);
	world_pass(w, 5000);
	assert_string_equal(condition(w, "Succeeded"), "True");
	assert_int_equal(w->runs_made, 1);
	assert_int_equal(w->jobs_made, 4);
	expect_quiet(w);
}

static void has_stopped(void *arg)
{
	++*(int *)arg;
}

static void stopping_ends_what_is_under_way(void **state)
{
	struct world *w = *state;
	int stopped = 0;
	size_t writes;

	world_apply(w, &(struct world_pipeline){.load = 14, .a = 1, .b = 1, .c = 1});
	world_until(w, a_pod_runs, 10000);
	world_apply(w, &(struct world_pipeline){.load = 2, .a = 1, .b = 1, .c = 1});
	world_turn(w);
	controller_stop(w->controller, has_stopped, &stopped);
	world_pass(w, 31000);
	assert_int_equal(stopped, 1);
	writes = w->counts.writes;
	world_pass(w, 10000);
	assert_int_equal(w->counts.writes, writes);
	assert_int_equal(kube_client_in_flight(w->client), 0);
}

static void a_new_process_writes_nothing(void **state)
{
	struct world *w = *state;
	size_t before;

	world_apply(w, &(struct world_pipeline){.load = 1, .a = 13, .b = 1, .c = 1});
	world_until(w, one_finished, 60000);
	world_pass(w, 5000);
	for (int i = 0; i < 3; i++) {
		before = w->counts.writes;
		world_kill(w);
		world_start(w);
		world_pass(w, 100000);
		assert_true(controller_synced(w->controller) && controller_idle(w->controller));
		assert_int_equal(w->counts.writes, before);
	}
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_pipeline_runs_to_its_end),
		T(a_rerun_hits_the_cache_everywhere),
		T(a_failure_skips_what_follows),
		T(failures_and_disruptions_are_retried),
		T(an_edit_while_it_runs_waits),
		T(deleting_leaves_nothing),
		T(an_orphan_goes_on),
		T(an_edited_policy_holds),
		T(a_run_is_cancelled),
		T(a_run_times_out),
		T(a_suspended_pipeline_says_so),
		T(a_run_by_hand_waits_its_turn),
		T(cancelling_never_leaves_a_job),
		T(an_index_that_is_refused_stops_no_run),
		T(a_lost_answer_about_the_index_is_no_conflict),
		T(only_finished_runs_over_the_limit_go),
		T(a_lost_or_forged_spec_fails_its_run),
		T(lost_statuses_and_upgrades_run_nothing),
		T(stopping_ends_what_is_under_way),
		T(a_new_process_writes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Runs whose data the operator can see: what says that it succeeded must have left its manifest,
 * and what the cache offers must still be there. */
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
#include "net/s3.h"
#include "tests/fake/http_server.h"
#include "tests/fake/world.h"

/* A bucket has a longer name than the one of other stories; the later member counts. */
#define BUCKET "\"workingDirectory\": \"s3://bucket/w\", "

int clock_gettime(clockid_t id, struct timespec *ts)
{
	return fake_clock_read(id, ts);
}

struct story {
	struct world world;
	struct http_server server;
	struct s3_client *s3;
	const char
		*lost;   /* what is in the key of every manifest that is not there; NULL: all are */
	bool lost_first; /* those of load's first attempts */
	int status;      /* of every answer; 0: as the store is */
	size_t heads;
};

static void answer(struct http_server *server, struct http_exchange *ex)
{
	struct story *s = server->user;
	bool lost = s->lost && strstr(ex->path, s->lost);

	lost |= s->lost_first && strstr(ex->path, "/load/") && !strstr(ex->path, "-a2/");
	s->heads++;
	if (!str_eq(ex->method, "HEAD") || !str_starts_with(ex->path, "/bucket/w/p/") ||
		!strstr(ex->path, "/manifest.json"))
		fail_msg("%s %s", ex->method, ex->path);
	http_reply(ex, s->status ? s->status : lost ? 404 : 200, NULL, "", 0);
}

static int setup(void **state)
{
	struct story *s = xnew(struct story);
	struct s3_config config = {.path_style = true};
	struct s3_client_options options = {.config = &config, .tries = 1};
	auto_err err = ERR_INIT;

	s->world.pod_ms = 200;
	s->world.deed = world_deed;
	world_open(&s->world);
	world_kill(&s->world);
	http_server_start(&s->server, s->world.loop, answer, s);
	config.endpoint = s->server.url;
	assert_int_equal(s3_client_new(s->world.loop, &options, &s->s3, &err), 0);
	s->world.options.s3 = s->s3;
	world_start(&s->world);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct story *s = *state;

	world_expect_no_breach(&s->world);
	world_kill(&s->world);
	s3_client_free(s->s3);
	http_server_stop(&s->server);
	world_close(&s->world);
	free(s);
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

static void expect_quiet(struct story *s)
{
	world_pass(&s->world, 5000);
	assert_int_equal(world_writes_in(&s->world, 600000), 0);
}

static void what_left_its_manifest_has_succeeded(void **state)
{
	struct story *s = *state;

	world_apply(&s->world,
		&(struct world_pipeline){.load = 1, .a = 1, .b = 1, .c = 1, .extra = BUCKET});
	world_until(&s->world, one_finished, 60000);
	assert_int_equal(world_runs(&s->world, "Succeeded"), 1);
	assert_int_equal(s->heads, 3); /* c is a sink */
	expect_quiet(s);
	assert_int_equal(s->heads, 3);
}

static void what_left_none_has_failed(void **state)
{
	struct story *s = *state;
	auto_json *run = NULL;

	s->lost = "/a/manifest.json";
	world_apply(&s->world,
		&(struct world_pipeline){.load = 1, .a = 1, .b = 1, .c = 1, .extra = BUCKET});
	world_until(&s->world, one_finished, 60000);
	run = world_run(&s->world, 0);
	assert_string_equal(doc_str(run, "status.phase"), "Failed");
	assert_string_equal(doc_str(run, "status.steps.1.phase"), "Failed");
	assert_string_equal(doc_str(run, "status.steps.1.reason"), "ManifestMissing");
	assert_non_null(strstr(doc_str(run, "status.steps.1.message"), "/a/manifest.json"));
	expect_quiet(s);
}

/* The first attempt of load loses its data, the second does not. */
static void it_is_tried_again_like_any_error(void **state)
{
	struct story *s = *state;
	auto_json *pipeline = NULL;
	auto_json *run = NULL;
	json_t *steps;

	world_apply(&s->world,
		&(struct world_pipeline){.load = 1, .a = 1, .b = 1, .c = 1, .extra = BUCKET});
	pipeline = world_get_pipeline(&s->world, "p");
	steps = json_deep_copy(doc_get(pipeline, "spec.steps"));
	json_object_set_new(json_array_get(steps, 0), "retry",
		json_pack("{s:i, s:[s]}", "limit", 1, "on", "Error"));
	fake_api_patch(
		s->world.api, WORLD_PIPELINES "/p", json_pack("{s:{s:o}}", "spec", "steps", steps));
	s->lost_first = true;
	world_until(&s->world, one_finished, 60000);
	run = world_run(&s->world, 0);
	assert_string_equal(doc_str(run, "status.phase"), "Succeeded");
	assert_int_equal(doc_int_or(run, "status.steps.0.attempts", 1), 2);
	assert_int_equal(doc_int_or(run, "status.steps.0.disruptions", 0), 0);
	assert_int_equal(s->world.jobs_made, 5);
	expect_quiet(s);
}

static void a_hit_whose_data_is_gone_is_none(void **state)
{
	struct story *s = *state;
	auto_json *run = NULL;
	auto_json *first = NULL;

	world_apply(&s->world,
		&(struct world_pipeline){.load = 1, .a = 1, .b = 1, .c = 1, .extra = BUCKET});
	world_until(&s->world, one_finished, 60000);
	first = world_run(&s->world, 0);
	s->lost = doc_str(first, "status.runID");
	world_apply(&s->world,
		&(struct world_pipeline){
			.load = 1, .a = 1, .b = 1, .c = 1, .extra = BUCKET, .rerun_token = "2"});
	world_until(&s->world, two_finished, 60000);
	run = world_run(&s->world, 1);
	assert_string_equal(doc_str(run, "status.phase"), "Succeeded");
	for (size_t i = 0; i < 4; i++)
		assert_string_equal(
			doc_str(json_array_get(doc_get(run, "status.steps"), i), "phase"),
			"Succeeded");
	assert_int_equal(s->world.jobs_made, 8);
	expect_quiet(s);
}

static void a_hit_whose_data_is_there_is_one(void **state)
{
	struct story *s = *state;

	world_apply(&s->world,
		&(struct world_pipeline){.load = 1, .a = 1, .b = 1, .c = 1, .extra = BUCKET});
	world_until(&s->world, one_finished, 60000);
	world_apply(&s->world,
		&(struct world_pipeline){
			.load = 1, .a = 1, .b = 1, .c = 1, .extra = BUCKET, .rerun_token = "2"});
	world_until(&s->world, two_finished, 60000);
	assert_int_equal(s->world.jobs_made, 4);
	assert_int_equal(s->heads, 6); /* three left, three found again */
	expect_quiet(s);
}

/* A store that does not say makes nothing worse than it is without. */
static void what_cannot_be_seen_counts_as_told(void **state)
{
	static const int statuses[] = {403, 500};
	struct story *s = *state;

	for (size_t i = 0; i < array_size(statuses); i++) {
		s->status = statuses[i];
		world_apply(&s->world,
			&(struct world_pipeline){
				.load = 1 + (int)i, .a = 1, .b = 1, .c = 1, .extra = BUCKET});
		world_until(&s->world, i ? two_finished : one_finished, 60000);
	}
	assert_int_equal(world_runs(&s->world, "Succeeded"), 2);
	expect_quiet(s);
}

static void a_killed_controller_asks_again(void **state)
{
	struct story *s = *state;

	s->world.pod_ms = 2000;
	world_apply(&s->world,
		&(struct world_pipeline){.load = 1, .a = 1, .b = 1, .c = 1, .extra = BUCKET});
	for (int i = 0; i < 12; i++) {
		world_pass(&s->world, 700);
		world_kill(&s->world);
		world_start(&s->world);
	}
	world_until(&s->world, one_finished, 60000);
	assert_int_equal(world_runs(&s->world, "Succeeded"), 1);
	assert_int_equal(s->world.jobs_made, 4);
	expect_quiet(s);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(what_left_its_manifest_has_succeeded),
		T(what_left_none_has_failed),
		T(it_is_tried_again_like_any_error),
		T(a_hit_whose_data_is_gone_is_none),
		T(a_hit_whose_data_is_there_is_one),
		T(what_cannot_be_seen_counts_as_told),
		T(a_killed_controller_asks_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * One story, told again and again while everything goes wrong: answers are lost, refused and late,
 * watches end, lag, repeat themselves and fall silent, and the controller dies at any moment. What
 * must always hold is checked by world.c; the end must be the one without faults, and then quiet.
 *
 * A second story stops things: by hand, by time, by deletion.
 *
 * STORM_SEEDS=N tells each N times; STORM_SEED=S once, with that seed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/mem.h"
#include "base/rand.h"
#include "base/str.h"
#include "base/time.h"
#include "doc/json.h"
#include "doc/path.h"
#include "tests/fake/world.h"

#ifdef __SANITIZE_ADDRESS__
#define SEEDS 5
#else
#define SEEDS 24
#endif
#define CHAPTER_MS ((int64_t)30 * 60 * 1000)

int clock_gettime(clockid_t id, struct timespec *ts)
{
	return fake_clock_read(id, ts);
}

/* --- what goes wrong --- */

static bool wrong_watch(struct world *w, struct fake_fault *ret)
{
	uint64_t dice = world_dice(w, 100);

	if (dice < 4)
		ret->gone = true;
	else if (dice < 6)
		ret->silent = true;
	else if (dice < 16)
		ret->duplicate = true;
	else if (dice < 26)
		ret->stale = true;
	else if (dice < 34)
		ret->cut_stream_at = 1 + world_dice(w, 6000);
	else if (dice < 37)
		ret->end_stream = true;
	else if (dice < 40)
		ret->status = 503;
	else if (dice < 42)
		ret->status = 410;
	else
		return false;
	return true;
}

static bool wrong_request(struct world *w, const char *verb, struct fake_fault *ret)
{
	bool write = !str_eq(verb, "GET") && !str_eq(verb, "LIST");
	uint64_t dice = world_dice(w, 100);

	if (dice < 4) {
		ret->status = 503;
	} else if (dice < 6) {
		ret->status = 500;
	} else if (dice < 8) {
		ret->status = 429;
		ret->retry_after_s = 1;
	} else if (dice < 11) {
		ret->cut_before = true;
	} else if (dice < 16) {
		ret->lose_answer = true;
	} else if (dice < 18) {
		ret->truncate_at = 1 + world_dice(w, 200);
	} else if (dice < 28) {
		ret->delay_ms = 1 + (int64_t)world_dice(w, 400);
	} else if (dice < 30 && write && !str_eq(verb, "POST")) {
		ret->status = 409;
	} else if (dice < 31) {
		ret->status = 504;
	} else {
		return false;
	}
	return true;
}

static bool judge(struct world *w, const char *verb, const char *target, struct fake_fault *ret)
{
	(void)target;
	*ret = (struct fake_fault){0};
	return str_eq(verb, "WATCH") ? wrong_watch(w, ret) : wrong_request(w, verb, ret);
}

/* One turn, and what may strike between two. */
static void strike(struct world *w)
{
	uint64_t dice = world_dice(w, 1200);

	if (dice < 3) {
		world_kill(w);
		for (uint64_t turns = world_dice(w, 60); turns > 0; turns--)
			world_turn(w);
		world_start(w);
	} else if (dice < 5) {
		fake_api_cut_watches(w->api);
	} else if (dice < 7) {
		fake_api_compact(w->api);
	} else if (dice < 8) {
		fake_api_compact(w->api);
		fake_api_cut_watches(w->api);
	}
}

/* --- the story --- */

/* A random while for a pod, the same however the story is told: by its step and attempt. */
static void deed(
	struct world *w, const json_t *job, const char *step, int attempt, struct fake_deed *ret)
{
	uint64_t salt = (uint64_t)step[0] * 31 + (uint64_t)attempt;

	ret->pending_ms = (int64_t)(salt * 131 % 700);
	ret->run_ms = (int64_t)(salt * 173 % 2500);
	ret->job_lag_ms = (int64_t)(salt * 37 % 1500);
	world_deed(w, job, step, attempt, ret);
}

static const struct world_pipeline chapters[] = {
	{.load = 1, .a = 1, .b = 12, .c = 11},                     /* retries and a disruption */
	{.load = 1, .a = 1, .b = 12, .c = 11, .rerun_token = "t"}, /* all cached */
	{.load = 1, .a = 2, .b = 12, .c = 11, .rerun_token = "t"}, /* a and c again */
	{.load = 1, .a = 13, .b = 12, .c = 2, .rerun_token = "t"}, /* a fails */
	{.load = 1, .a = 2, .b = 12, .c = 11, .rerun_token = "t"}, /* back: all cached */
};

static void turn_until(struct world *w, size_t finished, uint64_t seed)
{
	int64_t end = time_mono_ms() + CHAPTER_MS;

	while (world_finished(w) < finished) {
		if (time_mono_ms() > end || w->breach) {
			auto_free char *story = world_story(w);

			fail_msg("seed %llu, chapter %zu: %s\n%s", (unsigned long long)seed,
				finished, w->breach ? w->breach : "does not end", story);
		}
		world_turn(w);
		if (seed)
			strike(w);
	}
}

static void tell(struct world *w, uint64_t seed)
{
	for (size_t i = 0; i < array_size(chapters); i++) {
		world_apply(w, &chapters[i]);
		turn_until(w, i + 1, seed);
	}
	/* the last word may still be on its way to the pipeline */
	w->judge = NULL;
	world_pass(w, 180000);
}

static void check_quiet(struct world *w, uint64_t seed)
{
	size_t writes = world_writes_in(w, 600000);

	if (w->breach)
		fail_msg("seed %llu: %s", (unsigned long long)seed, w->breach);
	if (writes)
		fail_msg("seed %llu: %zu writes though nothing changes", (unsigned long long)seed,
			writes);
	assert_int_equal(w->runs_made, array_size(chapters));
	assert_int_equal(fake_node_running(w->node), 0);
}

static void check_pipeline(struct world *w)
{
	auto_json *pipeline = world_get_pipeline(w, "p");
	auto_json *last = world_run(w, array_size(chapters) - 1);

	assert_string_equal(
		doc_str(pipeline, "status.latestRun.name"), doc_str(last, "metadata.name"));
	assert_string_equal(doc_str(pipeline, "status.latestRun.phase"), "Succeeded");
	assert_string_equal(
		doc_str(pipeline, "status.lastSuccessfulRun.name"), doc_str(last, "metadata.name"));
}

static size_t name_conflicts(struct world *w)
{
	const struct fake_store *store = fake_api_store(w->api);
	size_t pos = 0, count = 0;
	const char *key;
	void *object;

	while (map_next(&store->objects, &pos, &key, &object))
		count += str_eq(doc_str(object, "reason"), "NameConflict");
	return count;
}

static char *tell_once(uint64_t seed, size_t *ret_requests, size_t *ret_kills)
{
	struct world w = {.pod_ms = 100, .deed = deed, .seed = seed, .judge = seed ? judge : NULL};
	char *story;

	rand_seed(seed + 1);
	world_open(&w);
	if (seed % 3 == 1)
		fake_api_set_split(w.api, 50 + seed * 37 % 3000);
	tell(&w, seed);
	check_quiet(&w, seed);
	check_pipeline(&w);
	assert_int_equal(name_conflicts(&w), 0);
	story = world_story(&w);
	*ret_requests += w.counts.requests;
	*ret_kills += w.kills;
	fake_api_delete(w.api, WORLD_PIPELINES "/p");
	world_pass(&w, 60000);
	assert_int_equal(world_objects(&w), 0);
	world_close(&w);
	return story;
}

static uint64_t number(const char *name, uint64_t fallback)
{
	int64_t value;

	return str_to_int64(getenv(name), &value) ? (uint64_t)value : fallback;
}

/* --- another story: what is stopped, from four sides --- */

#define SHARED "\"datasetName\": \"shared\", "

/* Turns until reached() holds. */
static void storm_until(
	struct world *w, const char *what, bool (*reached)(struct world *w), uint64_t seed)
{
	int64_t end = time_mono_ms() + CHAPTER_MS;

	while (!reached(w)) {
		if (time_mono_ms() > end || w->breach) {
			auto_free char *story = world_story(w);

			fail_msg("seed %llu, %s: %s\n%s", (unsigned long long)seed, what,
				w->breach ? w->breach : "does not end", story);
		}
		world_turn(w);
		strike(w);
	}
}

static void storm_for(struct world *w, int64_t ms)
{
	int64_t end = time_mono_ms() + ms;

	while (time_mono_ms() < end) {
		world_turn(w);
		strike(w);
	}
}

static bool all_finished(struct world *w)
{
	return world_runs(w, NULL) > 0 && world_finished(w) == world_runs(w, NULL);
}

static bool two_succeeded(struct world *w)
{
	return world_runs(w, "Succeeded") == 2;
}

static bool three_succeeded(struct world *w)
{
	return world_runs(w, "Succeeded") == 3;
}

static bool timed_out(struct world *w)
{
	return world_runs(w, "Failed") == 1;
}

/* The pipeline and all it left is gone; the other's is there. */
static bool p_is_gone(struct world *w)
{
	return fake_api_len(w->api, WORLD_PIPELINES) == 1 && world_runs(w, NULL) == 1;
}

static void cancel_latest(struct world *w)
{
	auto_json *run = world_run(w, world_runs(w, NULL) - 1);
	auto_free char *path = xasprintf(WORLD_RUNS "/%s", doc_str_or(run, "metadata.name", ""));

	fake_api_patch(w->api, path, json_pack("{s:{s:s}}", "spec", "desiredState", "Cancelled"));
}

static bool has_run(struct world *w)
{
	return world_runs(w, NULL) > 0;
}

static size_t indexes(struct world *w)
{
	const struct fake_store *store = fake_api_store(w->api);
	size_t pos = 0, count = 0;
	const char *key;

	while (map_next(&store->objects, &pos, &key, NULL))
		count += strstr(key, "/fondant-cache-") != NULL;
	return count;
}

static void stop_from_four_sides(struct world *w, uint64_t seed)
{
	struct world_pipeline p = {.load = 14, .a = 1, .b = 1, .c = 1, .extra = SHARED};
	struct world_pipeline q = {.name = "q", .load = 1, .a = 2, .b = 1, .c = 1, .extra = SHARED};

	world_apply(w, &p);
	storm_until(w, "first run", has_run, seed);
	storm_for(w, (int64_t)world_dice(w, 8000));
	cancel_latest(w);
	storm_until(w, "cancelling", all_finished, seed);
	assert_int_equal(world_runs(w, "Cancelled"), 1);

	p.load = 1;
	world_apply(w, &p);
	world_apply(w, &q);
	storm_until(w, "two pipelines", two_succeeded, seed);

	p.a = 14;
	p.extra = SHARED "\"timeout\": \"1m\", ";
	world_apply(w, &p);
	storm_until(w, "timeout", timed_out, seed);

	p.a = 3;
	world_apply(w, &p);
	storm_for(w, (int64_t)world_dice(w, 6000));
	fake_api_delete(w->api, WORLD_PIPELINES "/p");
	storm_until(w, "deletion", p_is_gone, seed);
	storm_for(w, 60000);
	assert_int_equal(indexes(w), 1); /* the other pipeline's, too */

	p.extra = SHARED;
	world_apply(w, &p);
	p.a = 4;
	world_apply(w, &p);
	storm_until(w, "again", two_succeeded, seed);
	p.rerun_token = "t";
	world_apply(w, &p);
	storm_until(w, "once more", three_succeeded, seed);
}

static void what_is_stopped_is_gone(void **state)
{
	uint64_t only = number("STORM_SEED", 0);
	uint64_t first = only ? only : 1, last = only ? only : number("STORM_SEEDS", SEEDS / 2);

	(void)state;
	for (uint64_t seed = first; seed <= last; seed++) {
		struct world w = {
			.pod_ms = 700, .deed = world_deed, .seed = seed << 20, .judge = judge};
		size_t writes;

		rand_seed(seed);
		world_open(&w);
		stop_from_four_sides(&w, seed);
		w.judge = NULL;
		world_pass(&w, 180000);
		writes = world_writes_in(&w, 600000);
		if (w.breach || writes || fake_node_running(w.node) || name_conflicts(&w))
			fail_msg("seed %llu: %s, %zu writes, %zu pods, %zu conflicts of names",
				(unsigned long long)seed, w.breach ? w.breach : "no breach", writes,
				fake_node_running(w.node), name_conflicts(&w));
		world_close(&w);
	}
}

static void the_end_is_always_the_same(void **state)
{
	uint64_t only = number("STORM_SEED", 0);
	uint64_t first = only ? only : 1, last = only ? only : number("STORM_SEEDS", SEEDS);
	size_t calm_requests = 0, requests = 0, kills = 0, none = 0;
	auto_free char *calm = tell_once(0, &calm_requests, &none);
	int64_t began = fake_clock_real_ms();

	(void)state;
	for (uint64_t seed = first; seed <= last; seed++) {
		auto_free char *story = tell_once(seed, &requests, &kills);

		if (!str_eq(story, calm))
			fail_msg("seed %llu tells\n%sbut it was\n%s", (unsigned long long)seed,
				story, calm);
	}
	print_message("# %llu storms, %zu kills, %zu requests (a calm story has %zu), %lld ms\n",
		(unsigned long long)(last - first + 1), kills, requests, calm_requests,
		(long long)(fake_clock_real_ms() - began));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_end_is_always_the_same),
		cmocka_unit_test(what_is_stopped_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

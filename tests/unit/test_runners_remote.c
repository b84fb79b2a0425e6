/* What the runners of whole pipelines share: hits, the end of a run, identities, pauses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "runners/remote.h"

#define NOW 1800000000
#define STEPS 4

/* a <- b <- c, and d which reads a. */
struct story {
	struct spec_step steps[STEPS];
	int from[STEPS][1];
	struct frozen_spec spec;
	struct step_state known[STEPS];
	const char *hits[STEPS]; /* ref by step; NULL: none */
	enum data_seen seen;
	struct step_cache cache;
	struct data_check data;
	struct runner_run run;
	struct run_state state;
};

static const char *look_up(
	void *arg, const struct spec_step *step, const char *const *refs, int refs_len)
{
	struct story *s = arg;
	int i = (int)(step - s->steps);

	for (int k = 0; k < refs_len; k++)
		assert_non_null(refs[k]);
	return s->hits[i];
}

static enum data_seen look(void *arg, const char *ref)
{
	struct story *s = arg;

	(void)ref;
	return s->seen;
}

static int setup(void **state)
{
	static const char *const names[STEPS] = {"a", "b", "c", "d"};
	static const int parents[STEPS] = {-1, 0, 1, 0};
	struct story *s = xnew(struct story);

	for (int i = 0; i < STEPS; i++) {
		s->from[i][0] = parents[i];
		s->steps[i] = (struct spec_step){.name = names[i],
			.from = s->from[i],
			.needs = s->from[i],
			.from_len = parents[i] >= 0,
			.needs_len = parents[i] >= 0,
			.cacheable = true};
		s->known[i].exit_code = -1;
	}
	s->seen = DATA_THERE;
	s->spec = (struct frozen_spec){.steps = s->steps, .steps_len = STEPS};
	s->cache = (struct step_cache){.lookup = look_up, .arg = s};
	s->data = (struct data_check){.look = look, .arg = s};
	s->run = (struct runner_run){.spec = &s->spec,
		.run_id = "r-1",
		.uid = "uid",
		.known = s->known,
		.cache = &s->cache,
		.data = &s->data,
		.now_s = NOW};
	run_state_init(&s->state, STEPS);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct story *s = *state;

	run_state_clear(&s->state);
	for (int i = 0; i < STEPS; i++)
		step_state_clear(&s->known[i]);
	free(s);
	return 0;
}

/* One letter a step: W Q P R S C F K(skipped) X(cancelled). */
static void expect(const struct story *s, const char *phases)
{
	static const char letters[] = "WPQRSCFKX";
	char got[STEPS + 1] = "";

	for (int i = 0; i < STEPS; i++)
		got[i] = letters[s->state.steps[i].phase];
	assert_string_equal(got, phases);
}

static void a_step_hits_below_hits_only(void **state)
{
	struct story *s = *state;

	s->hits[0] = "old/a";
	s->hits[2] = "old/c"; /* b does not hit, so c is not even asked for */
	s->hits[3] = "old/d";
	assert_true(remote_begin(&s->run, false, &s->state));
	expect(s, "CWWC");
	assert_string_equal(s->state.steps[3].ref, "old/d");
	assert_int_equal(s->state.steps[3].end_s, NOW);
	assert_false(remote_all_hit(&s->state));
}

static void all_hit(void **state)
{
	struct story *s = *state;

	for (int i = 0; i < STEPS; i++)
		s->hits[i] = "old/x";
	assert_true(remote_begin(&s->run, false, &s->state));
	assert_true(remote_all_hit(&s->state));
	assert_int_equal(s->state.phase, RUN_SUCCEEDED);
}

static void nothing_is_decided_while_data_is_asked_for(void **state)
{
	struct story *s = *state;

	s->hits[0] = "old/a";
	s->seen = DATA_ASKED;
	assert_false(remote_begin(&s->run, false, &s->state));
	s->seen = DATA_ABSENT;
	assert_true(remote_begin(&s->run, false, &s->state));
	expect(s, "WWWW");
}

static void policies_keep_steps_from_hitting(void **state)
{
	struct story *s = *state;

	for (int i = 0; i < STEPS; i++)
		s->hits[i] = "old/x";
	s->steps[1].cache = CACHE_REFRESH;
	s->steps[3].cacheable = false;
	assert_true(remote_begin(&s->run, false, &s->state));
	expect(s, "CWWW");
}

static void what_was_recorded_is_not_decided_again(void **state)
{
	struct story *s = *state;

	for (int i = 0; i < STEPS; i++)
		s->hits[i] = "old/x";
	s->known[0].phase = STEP_CACHED;
	s->known[0].ref = xstrdup("kept/a");
	s->run.backend_run_id = "id";
	assert_false(remote_recorded(&s->run, "other"));
	assert_true(remote_recorded(&s->run, "id"));
	assert_true(remote_begin(&s->run, true, &s->state));
	expect(s, "CWWW");
	assert_string_equal(s->state.steps[0].ref, "kept/a");
}

static void a_success_settles_every_step(void **state)
{
	struct story *s = *state;

	s->state.steps[0].phase = STEP_CACHED;
	s->state.steps[1].phase = STEP_SUCCEEDED;
	s->state.steps[2].phase = STEP_RUNNING;
	remote_conclude(&s->run, REMOTE_SUCCEEDED, NULL, &s->state);
	assert_int_equal(s->state.phase, RUN_SUCCEEDED);
	expect(s, "CSSS");
	assert_null(s->state.steps[0].ref);
	assert_string_equal(s->state.steps[1].ref, "r-1/b");
	assert_string_equal(s->state.steps[2].ref, "r-1/c");
	assert_int_equal(s->state.steps[2].end_s, NOW);
}

static void a_failure_names_its_step(void **state)
{
	struct story *s = *state;

	s->state.steps[0].phase = STEP_SUCCEEDED;
	s->state.steps[1].phase = STEP_FAILED;
	s->state.steps[1].reason = xstrdup("Error");
	s->state.steps[1].message = xstrdup("exit code 3\nlast line");
	s->state.steps[3].phase = STEP_RUNNING;
	remote_conclude(&s->run, REMOTE_FAILED, "pipeline failed", &s->state);
	assert_int_equal(s->state.phase, RUN_FAILED);
	expect(s, "SFKX");
	assert_string_equal(s->state.reason, "StepFailed");
	assert_string_equal(s->state.message, "step \"b\" failed: exit code 3");
}

static void a_failure_without_a_step_has_the_backends_words(void **state)
{
	struct story *s = *state;

	remote_conclude(&s->run, REMOTE_FAILED, "no such image", &s->state);
	assert_string_equal(s->state.reason, "BackendFailed");
	assert_string_equal(s->state.message, "no such image");
	expect(s, "KKKK");
}

static void failed_after_our_cancel_is_cancelled(void **state)
{
	struct story *s = *state;

	s->run.cancelling = true;
	s->state.steps[0].phase = STEP_RUNNING;
	remote_conclude(&s->run, REMOTE_RUNNING, NULL, &s->state);
	assert_int_equal(s->state.phase, RUN_CANCELLING);
	assert_true(s->state.needs_cancel);
	s->state.needs_cancel = false;
	remote_conclude(&s->run, REMOTE_STOPPING, NULL, &s->state);
	assert_false(s->state.needs_cancel);
	remote_conclude(&s->run, REMOTE_FAILED, "deadline", &s->state);
	assert_int_equal(s->state.phase, RUN_CANCELLED);
	expect(s, "XXXX");
}

static void a_lost_run(void **state)
{
	struct story *s = *state;

	s->state.steps[0].phase = STEP_SUCCEEDED;
	remote_lost(&s->run, "the server", &s->state);
	assert_int_equal(s->state.phase, RUN_FAILED);
	assert_string_equal(s->state.reason, "RunLost");
	assert_non_null(strstr(s->state.message, "is not at the server any more"));
	expect(s, "SKKK");
}

static void uuids_are_derived(void **state)
{
	char a[REMOTE_UUID_SIZE], b[REMOTE_UUID_SIZE], c[REMOTE_UUID_SIZE];

	(void)state;
	remote_uuid("one", a);
	remote_uuid("one", b);
	remote_uuid("two", c);
	assert_string_equal(a, b);
	assert_string_not_equal(a, c);
	assert_int_equal(strlen(a), 36);
	assert_int_equal(a[14], '8');
	assert_non_null(strchr("89ab", a[19]));
}

static void pauses_grow_with_the_age(void **state)
{
	(void)state;
	for (int i = 0; i < 200; i++) {
		assert_in_range(remote_poll_ms(0, 2000), 1600, 2400);
		assert_in_range(remote_poll_ms(100, 2000), 8000, 12000);
		assert_in_range(remote_poll_ms(86400, 2000), 48000, 72000);
	}
}

#define STORY(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(a_step_hits_below_hits_only),
		STORY(all_hit),
		STORY(nothing_is_decided_while_data_is_asked_for),
		STORY(policies_keep_steps_from_hitting),
		STORY(what_was_recorded_is_not_decided_again),
		STORY(a_success_settles_every_step),
		STORY(a_failure_names_its_step),
		STORY(a_failure_without_a_step_has_the_backends_words),
		STORY(failed_after_our_cancel_is_cancelled),
		STORY(a_lost_run),
		cmocka_unit_test(uuids_are_derived),
		cmocka_unit_test(pauses_grow_with_the_age),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

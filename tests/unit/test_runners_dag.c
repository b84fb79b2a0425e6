#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/buf.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/rand.h"
#include "base/str.h"
#include "runners/dag.h"

#define NOW 1800000000
#define MAX_STEPS 10

/* A run with everything around it. Steps are written "load; keep<load; out<keep,load". */
struct world {
	struct frozen_spec spec;
	struct spec_step steps[MAX_STEPS];
	int links[MAX_STEPS][MAX_STEPS];
	char *names[MAX_STEPS];
	struct step_state known[MAX_STEPS];
	struct attempts attempts;
	struct map hits; /* "<step>(<ref>,...)" -> ref */
	int lookups;
	struct step_cache cache;
	struct runner_run run;
	struct run_state state;
	struct dag_actions actions;
};

static int index_of(const struct world *w, const char *name)
{
	for (int i = 0; i < w->spec.steps_len; i++) {
		if (str_eq(w->names[i], name))
			return i;
	}
	fail_msg("no step %s", name);
	return -1;
}

static const char *lookup(void *arg, const struct spec_step *step, const char *const *refs, int len)
{
	struct world *w = arg;
	struct buf key = BUF_INIT;
	auto_free char *text = NULL;

	w->lookups++;
	buf_addf(&key, "%s(", step->name);
	for (int i = 0; i < len; i++)
		buf_addf(&key, "%s%s", i ? "," : "", refs[i]);
	buf_addc(&key, ')');
	text = buf_take(&key);
	return map_get(&w->hits, text);
}

static void add_step(struct world *w, const char *text, size_t len)
{
	int at = w->spec.steps_len;
	struct spec_step *step = &w->steps[at];
	auto_free char *copy = xstrndup(text, len);
	char *from = strchr(copy, '<');

	if (from)
		*from++ = '\0';
	w->names[at] = xstrdup(copy);
	*step = (struct spec_step){
		.name = w->names[at],
		.from = w->links[at],
		.needs = w->links[at],
		.cacheable = true,
		.retry = {.on_error = true,
			.on_oom = true,
			.on_timeout = true,
			.initial_s = 10,
			.max_s = 60,
			.factor = 2},
	};
	while (from && *from) {
		size_t n = strcspn(from, ",");
		auto_free char *name = xstrndup(from, n);

		w->links[at][step->from_len++] = index_of(w, name);
		from += n + (from[n] == ',');
	}
	step->needs_len = step->from_len;
	step->loader = step->from_len == 0;
	w->spec.steps_len++;
}

static struct world *world_new(const char *text)
{
	struct world *w = xnew(struct world);

	w->spec.steps = w->steps;
	w->spec.dataset_name = "d";
	w->spec.working_directory = "s3://lake";
	while (*text) {
		size_t n = strcspn(text, ";");

		add_step(w, text, n);
		text += n;
		text += strspn(text, "; ");
	}
	for (int i = 0; i < w->spec.steps_len; i++)
		w->known[i].exit_code = -1;
	w->cache = (struct step_cache){.lookup = lookup, .arg = w};
	w->run = (struct runner_run){
		.spec = &w->spec,
		.namespace_ = "data",
		.pipeline = "p",
		.name = "r",
		.uid = "u",
		.run_id = "r-1",
		.known = w->known,
		.cache = &w->cache,
		.now_s = NOW,
	};
	return w;
}

static void world_free(struct world *w)
{
	for (int i = 0; i < w->spec.steps_len; i++) {
		free(w->names[i]);
		step_state_clear(&w->known[i]);
	}
	attempts_clear(&w->attempts);
	map_clear(&w->hits);
	run_state_clear(&w->state);
	dag_actions_clear(&w->actions);
	free(w);
}

static void decide(struct world *w)
{
	run_state_clear(&w->state);
	run_state_init(&w->state, w->spec.steps_len);
	dag_actions_clear(&w->actions);
	dag_decide(&w->run, &w->attempts, &w->state, &w->actions);
}

/* What was decided becomes what the status says. */
static void remember(struct world *w)
{
	for (int i = 0; i < w->spec.steps_len; i++)
		step_state_copy(&w->known[i], &w->state.steps[i]);
}

static void wipe(struct world *w)
{
	for (int i = 0; i < w->spec.steps_len; i++)
		step_state_clear(&w->known[i]);
}

static struct attempt *put(struct world *w, const char *step, int number, enum attempt_phase phase)
{
	int index = index_of(w, step);
	struct attempt *attempt = NULL;

	for (int i = 0; i < w->attempts.len; i++) {
		if (w->attempts.items[i].step == index && w->attempts.items[i].number == number)
			attempt = &w->attempts.items[i];
	}
	if (!attempt) {
		attempt = attempts_add(&w->attempts);
		attempt->step = index;
		attempt->number = number;
		attempt->submit_s = w->run.now_s;
		attempt->external_kind = xstrdup("Job");
		attempt->external_name = xasprintf("r-%s-%d", step, number);
	}
	attempt->phase = phase;
	if (phase == ATTEMPT_RUNNING && !attempt->start_s)
		attempt->start_s = w->run.now_s;
	if (phase == ATTEMPT_SUCCEEDED || phase == ATTEMPT_FAILED)
		attempt->end_s = w->run.now_s;
	return attempt;
}

static void say(struct attempt *attempt, const char *reason, const char *message)
{
	free(attempt->reason);
	free(attempt->message);
	attempt->reason = reason ? xstrdup(reason) : NULL;
	attempt->message = message ? xstrdup(message) : NULL;
}

static struct attempt *put_failed(struct world *w, const char *step, int number, int code)
{
	struct attempt *attempt = put(w, step, number, ATTEMPT_FAILED);
	auto_free char *message = xasprintf("exit code %d\nlast line", code);

	attempt->exit_code = code;
	say(attempt, "Error", message);
	return attempt;
}

static void drop(struct world *w, const char *step, int number)
{
	int index = index_of(w, step);

	for (int i = 0; i < w->attempts.len; i++) {
		struct attempt *attempt = &w->attempts.items[i];

		if (attempt->step != index || attempt->number != number)
			continue;
		say(attempt, NULL, NULL);
		free(attempt->external_kind);
		free(attempt->external_name);
		*attempt = w->attempts.items[--w->attempts.len];
		return;
	}
	fail_msg("no attempt %d of %s", number, step);
}

static char *summary(const struct world *w)
{
	struct buf text = BUF_INIT;

	buf_adds(&text, run_phase_name(w->state.phase));
	for (int i = 0; i < w->spec.steps_len; i++) {
		const struct step_state *s = &w->state.steps[i];

		buf_addf(&text, " %s=%s", w->names[i], step_phase_name(s->phase));
		if (s->attempt > 0)
			buf_addf(&text, "%d", s->attempt);
		if (s->reason)
			buf_addf(&text, "(%s)", s->reason);
	}
	for (int i = 0; i < w->actions.len; i++) {
		const struct dag_action *a = &w->actions.items[i];

		buf_addf(&text, "%s%s %s%d", i ? ", " : "; ",
			a->kind == DAG_START ? "start" : "stop", w->names[a->step], a->attempt);
	}
	return buf_take(&text);
}

#define expect(w, text)                                \
	do {                                           \
		auto_free char *expect_got = NULL;     \
		decide(w);                             \
		expect_got = summary(w);               \
		assert_string_equal(expect_got, text); \
	} while (0)

/* The refs of what a step reads, by commas; they must be known. */
static void expect_inputs(const struct world *w, int step, const char *want)
{
	const char *refs[8] = {NULL};
	auto_buf got = BUF_INIT;

	assert_true(dag_input_refs(&w->spec, &w->state, step, refs));
	for (int i = 0; i < w->spec.steps[step].from_len; i++)
		buf_addf(&got, "%s%s", i ? "," : "", refs[i]);
	assert_string_equal(buf_str(&got), want);
}

#define step_of(w, name) (&(w)->state.steps[index_of(w, name)])

/* --- progress --- */

static void linear_runs_one_after_the_other(void **unused)
{
	struct world *w = world_new("load; keep<load; out<keep");

	(void)unused;
	expect(w, "Running load=Pending1 keep=Waiting out=Waiting; start load1");
	assert_true(w->state.needs_submit);
	assert_false(w->state.needs_cancel);
	assert_int_equal(step_of(w, "load")->submit_s, NOW);
	assert_null(step_of(w, "load")->external_name);
	expect(w, "Running load=Pending1 keep=Waiting out=Waiting; start load1");
	remember(w);
	expect(w, "Running load=Pending1 keep=Waiting out=Waiting; start load1");
	put(w, "load", 1, ATTEMPT_PENDING);
	expect(w, "Running load=Pending1 keep=Waiting out=Waiting");
	assert_string_equal(step_of(w, "load")->external_name, "r-load-1");
	put(w, "load", 1, ATTEMPT_RUNNING);
	expect(w, "Running load=Running1 keep=Waiting out=Waiting");
	put(w, "load", 1, ATTEMPT_SUCCEEDED);
	expect(w, "Running load=Succeeded1 keep=Pending1 out=Waiting; start keep1");
	assert_string_equal(step_of(w, "load")->ref, "r-1/load");
	expect_inputs(w, 1, "r-1/load");
	expect_inputs(w, 0, "");
	put(w, "keep", 1, ATTEMPT_SUCCEEDED);
	put(w, "out", 1, ATTEMPT_SUCCEEDED);
	expect(w, "Succeeded load=Succeeded1 keep=Succeeded1 out=Succeeded1");
	assert_false(w->state.needs_submit);
	assert_null(w->state.message);
	world_free(w);
}

static void branches_run_side_by_side(void **unused)
{
	struct world *w = world_new("a; b<a; c<a; d<b,c");

	(void)unused;
	put(w, "a", 1, ATTEMPT_SUCCEEDED);
	expect(w, "Running a=Succeeded1 b=Pending1 c=Pending1 d=Waiting; start b1, start c1");
	put(w, "b", 1, ATTEMPT_SUCCEEDED);
	put(w, "c", 1, ATTEMPT_RUNNING);
	expect(w, "Running a=Succeeded1 b=Succeeded1 c=Running1 d=Waiting");
	put(w, "c", 1, ATTEMPT_SUCCEEDED);
	expect(w, "Running a=Succeeded1 b=Succeeded1 c=Succeeded1 d=Pending1; start d1");
	world_free(w);
}

static void no_more_than_max_parallel(void **unused)
{
	struct world *w = world_new("a; b; c");

	(void)unused;
	w->spec.max_parallel = 2;
	expect(w, "Running a=Pending1 b=Pending1 c=Waiting(MaxParallelSteps); start a1, start b1");
	put(w, "c", 1, ATTEMPT_QUEUED);
	expect(w, "Running a=Pending1 b=Waiting(MaxParallelSteps) c=Queued1; start a1");
	put(w, "a", 1, ATTEMPT_SUCCEEDED);
	expect(w, "Running a=Succeeded1 b=Pending1 c=Queued1; start b1");
	world_free(w);
}

static void depends_on_orders_without_data(void **unused)
{
	struct world *w = world_new("a; b<a");

	(void)unused;
	w->steps[1].from_len = 0;
	put(w, "a", 1, ATTEMPT_SUCCEEDED);
	expect(w, "Running a=Succeeded1 b=Pending1; start b1");
	expect_inputs(w, 1, "");
	world_free(w);
}

/* A join waits for all, reads them in its order, and hits only on exactly these. */
static void join_reads_all(void **unused)
{
	struct world *w = world_new("load; a<load; b<load; j<b,a");
	const char *refs[2];

	(void)unused;
	put(w, "load", 1, ATTEMPT_SUCCEEDED);
	put(w, "a", 1, ATTEMPT_SUCCEEDED);
	put(w, "b", 1, ATTEMPT_RUNNING);
	map_set(&w->hits, "j(r-1/a,r-1/b)", (void *)"old/j");
	expect(w, "Running load=Succeeded1 a=Succeeded1 b=Running1 j=Waiting");
	assert_false(dag_input_refs(&w->spec, &w->state, 3, refs));
	w->attempts.items[2].phase = ATTEMPT_SUCCEEDED;
	expect(w, "Running load=Succeeded1 a=Succeeded1 b=Succeeded1 j=Pending1; start j1");
	expect_inputs(w, 3, "r-1/b,r-1/a");
	map_set(&w->hits, "j(r-1/b,r-1/a)", (void *)"old/j");
	expect(w, "Succeeded load=Succeeded1 a=Succeeded1 b=Succeeded1 j=Cached");
	world_free(w);
}

static void empty_spec_succeeds(void **unused)
{
	struct world *w = world_new("");

	(void)unused;
	expect(w, "Succeeded");
	world_free(w);
}

/* --- cache --- */

static void hits_chain_in_one_call(void **unused)
{
	struct world *w = world_new("load; keep<load; out<keep");

	(void)unused;
	map_set(&w->hits, "load()", (void *)"old-1/load");
	map_set(&w->hits, "keep(old-1/load)", (void *)"old-2/keep");
	expect(w, "Running load=Cached keep=Cached out=Pending1; start out1");
	assert_string_equal(step_of(w, "keep")->ref, "old-2/keep");
	assert_int_equal(step_of(w, "keep")->start_s, NOW);
	assert_int_equal(step_of(w, "keep")->end_s, NOW);
	expect_inputs(w, 2, "old-2/keep");
	map_set(&w->hits, "out(old-2/keep)", (void *)"old-3/out");
	expect(w, "Succeeded load=Cached keep=Cached out=Cached");
	world_free(w);
}

static void what_ran_again_runs_again_below(void **unused)
{
	struct world *w = world_new("load; keep<load");

	(void)unused;
	map_set(&w->hits, "keep(old-1/load)", (void *)"old-1/keep");
	put(w, "load", 1, ATTEMPT_SUCCEEDED);
	expect(w, "Running load=Succeeded1 keep=Pending1; start keep1");
	world_free(w);
}

static void policy_and_attempts_rule_hits_out(void **unused)
{
	struct world *w = world_new("a; b; c; d");

	(void)unused;
	map_set(&w->hits, "a()", (void *)"old/a");
	map_set(&w->hits, "b()", (void *)"old/b");
	map_set(&w->hits, "c()", (void *)"old/c");
	map_set(&w->hits, "d()", (void *)"old/d");
	w->steps[0].cache = CACHE_REFRESH;
	w->steps[1].cache = CACHE_NEVER;
	w->steps[2].cacheable = false;
	put(w, "d", 1, ATTEMPT_RUNNING);
	expect(w, "Running a=Pending1 b=Pending1 c=Pending1 d=Running1; start a1, start b1, start "
		  "c1");
	assert_int_equal(w->lookups, 0);
	w->run.cache = NULL;
	w->steps[0].cache = CACHE_USE;
	expect(w, "Running a=Pending1 b=Pending1 c=Pending1 d=Running1; start a1, start b1, start "
		  "c1");
	world_free(w);
}

static void wiped_status_is_read_from_attempts(void **unused)
{
	struct world *w = world_new("load; keep<load; out<keep");

	(void)unused;
	map_set(&w->hits, "load()", (void *)"old/load");
	put(w, "load", 1, ATTEMPT_SUCCEEDED);
	put_failed(w, "keep", 1, 1);
	put(w, "keep", 2, ATTEMPT_SUCCEEDED);
	w->steps[1].retry.limit = 1;
	expect(w, "Running load=Succeeded1 keep=Succeeded2 out=Pending1; start out1");
	assert_int_equal(w->lookups, 1);
	assert_string_equal(step_of(w, "keep")->ref, "r-1-a2/keep");
	world_free(w);
}

static void final_steps_of_the_status_stay(void **unused)
{
	struct world *w = world_new("a; b<a");

	(void)unused;
	put(w, "a", 1, ATTEMPT_SUCCEEDED);
	decide(w);
	remember(w);
	put_failed(w, "a", 1, 3);
	expect(w, "Running a=Succeeded1 b=Pending1; start b1");
	drop(w, "a", 1);
	free(w->known[0].ref);
	w->known[0].ref = NULL;
	expect(w, "Running a=Succeeded1 b=Pending1; start b1");
	assert_string_equal(step_of(w, "a")->ref, "r-1/a");
	world_free(w);
}

/* --- failure, retry, disruption --- */

static void failure_skips_downstream(void **unused)
{
	struct world *w = world_new("a; b<a; c<b; d");

	(void)unused;
	put_failed(w, "a", 1, 1);
	put(w, "d", 1, ATTEMPT_RUNNING);
	expect(w, "Running a=Failed1(Error) b=Skipped(UpstreamFailed) c=Skipped(UpstreamFailed) "
		  "d=Running1");
	assert_string_equal(step_of(w, "c")->message, "step a failed");
	assert_string_equal(step_of(w, "a")->message, "exit code 1\nlast line");
	assert_int_equal(step_of(w, "a")->exit_code, 1);
	put(w, "d", 1, ATTEMPT_SUCCEEDED);
	expect(w, "Failed a=Failed1(Error) b=Skipped(UpstreamFailed) c=Skipped(UpstreamFailed) "
		  "d=Succeeded1");
	assert_string_equal(w->state.reason, "StepFailed");
	assert_string_equal(w->state.message, "step \"a\" failed: exit code 1");
	remember(w);
	expect(w, "Failed a=Failed1(Error) b=Skipped(UpstreamFailed) c=Skipped(UpstreamFailed) "
		  "d=Succeeded1");
	world_free(w);
}

static void two_failures_name_the_first(void **unused)
{
	struct world *w = world_new("a; b");

	(void)unused;
	say(put(w, "a", 1, ATTEMPT_FAILED), "OOMKilled", "exit code 137");
	put_failed(w, "b", 1, 2);
	decide(w);
	assert_string_equal(
		w->state.message, "step \"a\" failed: OOMKilled: exit code 137 (and 1 more)");
	world_free(w);
}

static void fail_fast_stops_the_rest(void **unused)
{
	struct world *w = world_new("a; b; c<b; d<a; e");

	(void)unused;
	w->spec.fail_fast = true;
	w->spec.max_parallel = 2;
	put_failed(w, "a", 1, 1);
	put(w, "b", 1, ATTEMPT_RUNNING);
	expect(w, "Running a=Failed1(Error) b=Cancelled1(FailFast) c=Skipped(FailFast) "
		  "d=Skipped(UpstreamFailed) e=Skipped(FailFast); stop b1");
	assert_true(w->state.needs_cancel);
	remember(w);
	expect(w, "Running a=Failed1(Error) b=Cancelled1(FailFast) c=Skipped(FailFast) "
		  "d=Skipped(UpstreamFailed) e=Skipped(FailFast); stop b1");
	put(w, "b", 1, ATTEMPT_RUNNING)->stopping = true;
	expect(w, "Running a=Failed1(Error) b=Cancelled1(FailFast) c=Skipped(FailFast) "
		  "d=Skipped(UpstreamFailed) e=Skipped(FailFast)");
	drop(w, "b", 1);
	expect(w, "Failed a=Failed1(Error) b=Cancelled1(FailFast) c=Skipped(FailFast) "
		  "d=Skipped(UpstreamFailed) e=Skipped(FailFast)");
	assert_string_equal(w->state.message, "step \"a\" failed: exit code 1");
	world_free(w);
}

static void fail_fast_gives_up_a_retry_elsewhere(void **unused)
{
	struct world *w = world_new("a; b");

	(void)unused;
	w->spec.fail_fast = true;
	w->steps[0].retry.limit = 3;
	put_failed(w, "a", 1, 1);
	put_failed(w, "b", 1, 1);
	expect(w, "Failed a=Cancelled1(FailFast) b=Failed1(Error)");
	world_free(w);
}

static void retries_back_off_and_end(void **unused)
{
	struct world *w = world_new("a");

	(void)unused;
	w->steps[0].retry.limit = 3;
	put_failed(w, "a", 1, 1);
	expect(w, "Running a=Pending2(RetryBackOff)");
	assert_string_equal(step_of(w, "a")->message,
		"attempt 2 of 4 starts at 2027-01-15T08:00:10Z; attempt 1: exit code 1");
	assert_int_equal(step_of(w, "a")->retry_at_s, NOW + 10);
	assert_int_equal(w->state.look_again_ms, 10000);
	remember(w);
	w->run.now_s += 9;
	expect(w, "Running a=Pending2(RetryBackOff)");
	assert_int_equal(w->state.look_again_ms, 1000);
	w->run.now_s += 1;
	expect(w, "Running a=Pending2(Retrying); start a2");
	assert_string_equal(
		step_of(w, "a")->message, "attempt 2 of 4 follows; attempt 1: exit code 1");
	put_failed(w, "a", 2, 2);
	expect(w, "Running a=Pending3(RetryBackOff)");
	assert_int_equal(step_of(w, "a")->retry_at_s, w->run.now_s + 20);
	put_failed(w, "a", 3, 3);
	decide(w);
	assert_int_equal(step_of(w, "a")->retry_at_s, w->run.now_s + 40);
	put_failed(w, "a", 4, 4);
	expect(w, "Failed a=Failed4(Error)");
	assert_int_equal(step_of(w, "a")->exit_code, 4);
	world_free(w);
}

static void back_off_is_capped(void **unused)
{
	struct world *w = world_new("a");

	(void)unused;
	w->steps[0].retry.limit = 100;
	for (int i = 1; i <= 20; i++)
		put_failed(w, "a", i, 1);
	decide(w);
	assert_int_equal(step_of(w, "a")->retry_at_s, NOW + 60);
	world_free(w);
}

static void only_listed_reasons_are_retried(void **unused)
{
	struct world *w = world_new("a");

	(void)unused;
	w->steps[0].retry.limit = 1;
	w->steps[0].retry.on_oom = false;
	say(put(w, "a", 1, ATTEMPT_FAILED), "OOMKilled", "exit code 137");
	expect(w, "Failed a=Failed1(OOMKilled)");
	w->steps[0].retry.on_oom = true;
	w->steps[0].retry.on_error = false;
	expect(w, "Running a=Pending2(RetryBackOff)");
	put_failed(w, "a", 1, 1);
	expect(w, "Failed a=Failed1(Error)");
	world_free(w);
}

static void disruptions_do_not_count(void **unused)
{
	struct world *w = world_new("a");
	struct attempt *attempt = put(w, "a", 1, ATTEMPT_FAILED);

	(void)unused;
	attempt->disrupted = true;
	say(attempt, "Evicted", "node low on memory");
	expect(w, "Running a=Pending2(Evicted); start a2");
	assert_string_equal(step_of(w, "a")->message,
		"attempt 2 follows; attempt 1 was disrupted: Evicted: node low on memory");
	assert_int_equal(step_of(w, "a")->disruptions, 1);
	put(w, "a", 2, ATTEMPT_RUNNING);
	expect(w, "Running a=Running2");
	put_failed(w, "a", 2, 1);
	expect(w, "Failed a=Failed2(Error)");
	for (int i = 2; i <= DAG_MAX_DISRUPTIONS; i++) {
		attempt = put(w, "a", i, ATTEMPT_FAILED);
		attempt->disrupted = true;
		say(attempt, "Evicted", NULL);
	}
	expect(w, "Running a=Pending11(Evicted); start a11");
	put(w, "a", 11, ATTEMPT_FAILED)->disrupted = true;
	expect(w, "Failed a=Failed11(Error)");
	world_free(w);
}

static void a_deleted_job_is_a_disruption(void **unused)
{
	struct world *w = world_new("a");

	(void)unused;
	put(w, "a", 1, ATTEMPT_RUNNING);
	decide(w);
	remember(w);
	put(w, "a", 1, ATTEMPT_RUNNING)->stopping = true;
	expect(w, "Running a=Running1(Stopping)");
	drop(w, "a", 1);
	expect(w, "Running a=Pending2(JobDeleted); start a2");
	remember(w);
	expect(w, "Running a=Pending2(JobDeleted); start a2");
	assert_int_equal(step_of(w, "a")->disruptions, 1);
	remember(w);
	put_failed(w, "a", 2, 1);
	expect(w, "Failed a=Failed2(Error)");
	assert_int_equal(step_of(w, "a")->disruptions, 1);
	world_free(w);
}

static void disruptions_of_deleted_and_shown_attempts_add_up(void **unused)
{
	struct world *w = world_new("a");
	struct attempt *attempt;

	(void)unused;
	put(w, "a", 1, ATTEMPT_RUNNING);
	decide(w);
	remember(w);
	drop(w, "a", 1);
	decide(w);
	remember(w);
	attempt = put(w, "a", 2, ATTEMPT_FAILED);
	attempt->disrupted = true;
	say(attempt, "Evicted", NULL);
	expect(w, "Running a=Pending3(Evicted); start a3");
	assert_int_equal(step_of(w, "a")->disruptions, 2);
	remember(w);
	expect(w, "Running a=Pending3(Evicted); start a3");
	assert_int_equal(step_of(w, "a")->disruptions, 2);
	wipe(w);
	expect(w, "Running a=Pending3(Evicted); start a3");
	assert_int_equal(step_of(w, "a")->disruptions, 2);
	world_free(w);
}

static void a_next_attempt_waits_for_the_former(void **unused)
{
	struct world *w = world_new("a");
	struct attempt *attempt = put_failed(w, "a", 1, 1);

	(void)unused;
	w->steps[0].retry.limit = 1;
	w->run.now_s += 100;
	attempt->stopping = true;
	expect(w, "Running a=Pending2(Retrying)");
	attempt->stopping = false;
	expect(w, "Running a=Pending2(Retrying); start a2");
	world_free(w);
}

/* --- time limits --- */

static void timeout_fails_and_stops(void **unused)
{
	struct world *w = world_new("a; b<a");

	(void)unused;
	w->steps[0].timeout_s = 90;
	put(w, "a", 1, ATTEMPT_RUNNING);
	expect(w, "Running a=Running1 b=Waiting");
	assert_int_equal(w->state.look_again_ms, 90000);
	w->run.now_s += 95;
	expect(w, "Running a=Failed1(Timeout) b=Skipped(UpstreamFailed); stop a1");
	assert_string_equal(step_of(w, "a")->message, "ran longer than its timeout of 1m30s");
	assert_int_equal(step_of(w, "a")->end_s, NOW + 90);
	remember(w);
	drop(w, "a", 1);
	expect(w, "Failed a=Failed1(Timeout) b=Skipped(UpstreamFailed)");
	world_free(w);
}

static void timeout_is_retried_after_the_job_is_gone(void **unused)
{
	struct world *w = world_new("a");

	(void)unused;
	w->steps[0].timeout_s = 60;
	w->steps[0].retry.limit = 1;
	put(w, "a", 1, ATTEMPT_RUNNING);
	w->run.now_s += 60;
	expect(w, "Running a=Pending2(RetryBackOff); stop a1");
	remember(w);
	w->run.now_s += 100;
	expect(w, "Running a=Pending2(Retrying); stop a1");
	put(w, "a", 1, ATTEMPT_RUNNING)->stopping = true;
	expect(w, "Running a=Pending2(Retrying)");
	drop(w, "a", 1);
	expect(w, "Running a=Pending2(RetryBackOff); start a2");
	remember(w);
	put(w, "a", 2, ATTEMPT_RUNNING);
	decide(w);
	remember(w);
	w->run.now_s += 60;
	expect(w, "Running a=Failed2(Timeout); stop a2");
	world_free(w);
}

static void timeout_whose_decision_was_lost(void **unused)
{
	struct world *w = world_new("a");

	(void)unused;
	w->steps[0].timeout_s = 60;
	put(w, "a", 1, ATTEMPT_RUNNING);
	decide(w);
	remember(w);
	w->run.now_s += 70;
	drop(w, "a", 1);
	expect(w, "Failed a=Failed1(Timeout)");
	world_free(w);
}

static void a_lost_retry_time_starts_at_once(void **unused)
{
	struct world *w = world_new("a");

	(void)unused;
	w->steps[0].timeout_s = 60;
	w->steps[0].retry.limit = 1;
	put(w, "a", 1, ATTEMPT_RUNNING);
	w->run.now_s += 60;
	decide(w);
	remember(w);
	drop(w, "a", 1);
	expect(w, "Running a=Pending2(RetryBackOff)");
	assert_int_equal(w->state.look_again_ms, 10000);
	w->known[0].retry_at_s = 0;
	expect(w, "Running a=Pending2(RetryBackOff); start a2");
	world_free(w);
}

static void pending_timeout_says_what_it_waited_for(void **unused)
{
	struct world *w = world_new("a");

	(void)unused;
	w->steps[0].pending_timeout_s = 30;
	w->steps[0].retry.limit = 5;
	say(put(w, "a", 1, ATTEMPT_PENDING), "ImagePullBackOff", "Back-off pulling image \"x\"");
	expect(w, "Running a=Pending1(ImagePullBackOff)");
	assert_int_equal(w->state.look_again_ms, 30000);
	w->run.now_s += 30;
	expect(w, "Running a=Failed1(ImagePullBackOff); stop a1");
	assert_string_equal(step_of(w, "a")->message,
		"Back-off pulling image \"x\" (pendingTimeout 30s exceeded)");
	say(put(w, "a", 1, ATTEMPT_PENDING), NULL, NULL);
	expect(w, "Running a=Failed1(PendingTimeout); stop a1");
	assert_string_equal(step_of(w, "a")->message, "pendingTimeout 30s exceeded");
	remember(w);
	drop(w, "a", 1);
	expect(w, "Failed a=Failed1(PendingTimeout)");
	world_free(w);
}

static void queueing_has_no_time_limit(void **unused)
{
	struct world *w = world_new("a");

	(void)unused;
	w->steps[0].pending_timeout_s = 30;
	w->steps[0].timeout_s = 30;
	put(w, "a", 1, ATTEMPT_QUEUED);
	w->run.now_s += 10000;
	expect(w, "Running a=Queued1");
	assert_int_equal(w->state.look_again_ms, 0);
	world_free(w);
}

static void a_finished_container_does_not_time_out(void **unused)
{
	struct world *w = world_new("a");

	(void)unused;
	w->steps[0].timeout_s = 30;
	put(w, "a", 1, ATTEMPT_RUNNING)->end_s = NOW + 20;
	w->run.now_s += 40;
	expect(w, "Running a=Running1");
	world_free(w);
}

/* --- cancelling --- */

static void cancelling_stops_everything(void **unused)
{
	struct world *w = world_new("a; b<a; c; d");

	(void)unused;
	put(w, "a", 1, ATTEMPT_RUNNING);
	put(w, "c", 1, ATTEMPT_SUCCEEDED);
	put_failed(w, "d", 1, 1);
	w->steps[3].retry.limit = 2;
	w->run.cancelling = true;
	expect(w, "Cancelling a=Cancelled1(Cancelled) b=Cancelled(Cancelled) c=Succeeded1 "
		  "d=Cancelled1(Cancelled); stop a1");
	remember(w);
	expect(w, "Cancelling a=Cancelled1(Cancelled) b=Cancelled(Cancelled) c=Succeeded1 "
		  "d=Cancelled1(Cancelled); stop a1");
	drop(w, "a", 1);
	expect(w, "Cancelled a=Cancelled1(Cancelled) b=Cancelled(Cancelled) c=Succeeded1 "
		  "d=Cancelled1(Cancelled)");
	world_free(w);
}

static void cancelling_before_anything_started(void **unused)
{
	struct world *w = world_new("a; b<a");

	(void)unused;
	map_set(&w->hits, "a()", (void *)"old/a");
	w->run.cancelling = true;
	expect(w, "Cancelled a=Cancelled(Cancelled) b=Cancelled(Cancelled)");
	assert_false(w->state.needs_submit);
	world_free(w);
}

static void a_run_that_was_done_already_succeeded(void **unused)
{
	struct world *w = world_new("a");

	(void)unused;
	put(w, "a", 1, ATTEMPT_SUCCEEDED);
	w->run.cancelling = true;
	expect(w, "Succeeded a=Succeeded1");
	world_free(w);
}

static void a_stray_attempt_is_stopped(void **unused)
{
	struct world *w = world_new("a");

	(void)unused;
	put(w, "a", 1, ATTEMPT_RUNNING);
	put(w, "a", 2, ATTEMPT_RUNNING);
	expect(w, "Running a=Running2; stop a1");
	put(w, "a", 2, ATTEMPT_SUCCEEDED);
	expect(w, "Running a=Succeeded2; stop a1");
	world_free(w);
}

/* --- properties of random runs --- */

static bool chance(int percent)
{
	return rand_below(100) < (uint64_t)percent;
}

static struct world *random_world(void)
{
	struct buf text = BUF_INIT;
	auto_free char *spec = NULL;
	int len = 1 + (int)rand_below(MAX_STEPS - 1);
	struct world *w;

	for (int i = 0; i < len; i++) {
		char sep = '<';

		buf_addf(&text, "%ss%d", i ? "; " : "", i);
		for (int k = 0; k < i; k++) {
			if (chance(30)) {
				buf_addf(&text, "%cs%d", sep, k);
				sep = ',';
			}
		}
	}
	spec = buf_take(&text);
	w = world_new(spec);
	w->spec.fail_fast = chance(50);
	w->spec.max_parallel = (int)rand_below(4);
	for (int i = 0; i < len; i++) {
		w->steps[i].retry.limit = (int)rand_below(3);
		w->steps[i].timeout_s = chance(30) ? 50 : 0;
		w->steps[i].pending_timeout_s = chance(30) ? 40 : 0;
		if (chance(20)) {
			auto_free char *key = xasprintf("s%d()", i);

			map_set(&w->hits, key, (void *)"old/x");
		}
	}
	return w;
}

static int live_steps(const struct world *w)
{
	int live = 0;

	for (int i = 0; i < w->spec.steps_len; i++) {
		for (int k = 0; k < w->attempts.len; k++) {
			const struct attempt *a = &w->attempts.items[k];

			if (a->step == i && a->phase < ATTEMPT_SUCCEEDED) {
				live++;
				break;
			}
		}
	}
	return live;
}

static void check_starts(const struct world *w)
{
	int live = live_steps(w);

	for (int i = 0; i < w->actions.len; i++) {
		const struct dag_action *action = &w->actions.items[i];
		const struct spec_step *step = &w->steps[action->step];

		if (action->kind != DAG_START)
			continue;
		live++;
		for (int k = 0; k < step->needs_len; k++) {
			enum step_phase phase = w->state.steps[step->needs[k]].phase;

			assert_true(phase == STEP_SUCCEEDED || phase == STEP_CACHED);
		}
		for (int k = 0; k < w->attempts.len; k++) {
			const struct attempt *a = &w->attempts.items[k];

			if (a->step != action->step)
				continue;
			assert_true(a->phase >= ATTEMPT_SUCCEEDED && !a->stopping);
			assert_true(a->number < action->attempt);
		}
		assert_true(!w->spec.max_parallel || live <= w->spec.max_parallel);
	}
}

static int rank(const struct step_state *s)
{
	if (step_phase_final(s->phase))
		return 1 << 20;
	return s->attempt * 4 + (s->phase == STEP_WAITING ? 0 : s->phase == STEP_RUNNING ? 2 : 1);
}

static void check_forward(const struct world *w)
{
	for (int i = 0; i < w->spec.steps_len; i++) {
		const struct step_state *before = &w->known[i], *after = &w->state.steps[i];

		assert_true(rank(after) >= rank(before));
		if (step_phase_final(before->phase)) {
			assert_int_equal(after->phase, before->phase);
			assert_int_equal(after->attempt, before->attempt);
		}
	}
}

static void execute(struct world *w)
{
	for (int i = 0; i < w->actions.len; i++) {
		const struct dag_action action = w->actions.items[i];

		if (chance(20)) /* the request was lost */
			continue;
		if (action.kind == DAG_START)
			put(w, w->names[action.step], action.attempt,
				chance(30) ? ATTEMPT_QUEUED : ATTEMPT_PENDING);
		else
			for (int k = 0; k < w->attempts.len; k++) {
				struct attempt *a = &w->attempts.items[k];

				a->stopping |=
					a->step == action.step && a->number == action.attempt;
			}
	}
}

static void live_on(struct world *w)
{
	for (int k = 0; k < w->attempts.len; k++) {
		struct attempt *a = &w->attempts.items[k];

		if (a->stopping) {
			if (chance(50))
				drop(w, w->names[a->step], a->number);
		} else if (a->phase < ATTEMPT_RUNNING && chance(40)) {
			put(w, w->names[a->step], a->number, ATTEMPT_RUNNING);
		} else if (a->phase == ATTEMPT_RUNNING && chance(40)) {
			if (chance(60)) {
				put(w, w->names[a->step], a->number, ATTEMPT_SUCCEEDED);
			} else {
				a = put_failed(w, w->names[a->step], a->number, 1);
				a->disrupted = chance(30);
			}
		} else if (a->phase < ATTEMPT_SUCCEEDED && chance(2)) {
			a->stopping = true;
		}
	}
}

static void check_end(const struct world *w)
{
	int good = 0;

	assert_int_equal(live_steps(w), 0);
	assert_int_equal(w->actions.len, 0);
	for (int i = 0; i < w->spec.steps_len; i++) {
		assert_true(step_phase_final(w->state.steps[i].phase));
		good += w->state.steps[i].phase <= STEP_CACHED;
	}
	assert_int_equal(good == w->spec.steps_len, w->state.phase == RUN_SUCCEEDED);
}

static void random_run(uint64_t seed)
{
	struct world *w;
	bool forgetful;

	rand_seed(seed);
	w = random_world();
	forgetful = chance(30);
	for (int turn = 0; turn < 2000; turn++) {
		if (forgetful && chance(5))
			wipe(w);
		w->run.cancelling |= chance(1) && chance(50);
		decide(w);
		check_starts(w);
		check_forward(w);
		if (chance(80))
			remember(w);
		if (run_phase_final(w->state.phase)) {
			check_end(w);
			world_free(w);
			return;
		}
		execute(w);
		live_on(w);
		w->run.now_s += (int64_t)rand_below(15);
	}
	fail_msg("seed %llu does not end", (unsigned long long)seed);
}

static void random_runs_keep_the_rules(void **unused)
{
	(void)unused;
	for (uint64_t seed = 1; seed <= 3000; seed++)
		random_run(seed);
}

static void names_of_phases(void **unused)
{
	enum step_phase step;
	enum run_phase run;

	(void)unused;
	for (int i = STEP_WAITING; i <= STEP_CANCELLED; i++) {
		assert_true(step_phase_parse(step_phase_name((enum step_phase)i), &step));
		assert_int_equal(step, i);
	}
	for (int i = RUN_PENDING; i <= RUN_CANCELLED; i++) {
		assert_true(run_phase_parse(run_phase_name((enum run_phase)i), &run));
		assert_int_equal(run, i);
	}
	assert_false(step_phase_parse("running", &step));
	assert_false(run_phase_parse(NULL, &run));
	assert_true(step_phase_final(STEP_SKIPPED));
	assert_false(run_phase_final(RUN_CANCELLING));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(linear_runs_one_after_the_other),
		cmocka_unit_test(branches_run_side_by_side),
		cmocka_unit_test(no_more_than_max_parallel),
		cmocka_unit_test(join_reads_all),
		cmocka_unit_test(depends_on_orders_without_data),
		cmocka_unit_test(empty_spec_succeeds),
		cmocka_unit_test(hits_chain_in_one_call),
		cmocka_unit_test(what_ran_again_runs_again_below),
		cmocka_unit_test(policy_and_attempts_rule_hits_out),
		cmocka_unit_test(wiped_status_is_read_from_attempts),
		cmocka_unit_test(final_steps_of_the_status_stay),
		cmocka_unit_test(failure_skips_downstream),
		cmocka_unit_test(two_failures_name_the_first),
		cmocka_unit_test(fail_fast_stops_the_rest),
		cmocka_unit_test(fail_fast_gives_up_a_retry_elsewhere),
		cmocka_unit_test(retries_back_off_and_end),
		cmocka_unit_test(back_off_is_capped),
		cmocka_unit_test(only_listed_reasons_are_retried),
		cmocka_unit_test(disruptions_do_not_count),
		cmocka_unit_test(a_deleted_job_is_a_disruption),
		cmocka_unit_test(disruptions_of_deleted_and_shown_attempts_add_up),
		cmocka_unit_test(a_next_attempt_waits_for_the_former),
		cmocka_unit_test(timeout_fails_and_stops),
		cmocka_unit_test(timeout_is_retried_after_the_job_is_gone),
		cmocka_unit_test(timeout_whose_decision_was_lost),
		cmocka_unit_test(a_lost_retry_time_starts_at_once),
		cmocka_unit_test(pending_timeout_says_what_it_waited_for),
		cmocka_unit_test(queueing_has_no_time_limit),
		cmocka_unit_test(a_finished_container_does_not_time_out),
		cmocka_unit_test(cancelling_stops_everything),
		cmocka_unit_test(cancelling_before_anything_started),
		cmocka_unit_test(a_run_that_was_done_already_succeeded),
		cmocka_unit_test(a_stray_attempt_is_stopped),
		cmocka_unit_test(random_runs_keep_the_rules),
		cmocka_unit_test(names_of_phases),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

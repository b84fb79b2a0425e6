/*
 * The decision in four passes: (1) what each step's attempts say on their own, (2) whether the run
 * is closing (cancelled, or a failure under FailFast), (3) in topological order what is skipped,
 * taken from the cache or started, (4) what must stop and what the run is now.
 *
 * Facts come from the attempts; the status (`known`) settles only what the attempts cannot tell
 * any more: final steps, Jobs that are gone, and the end of a back-off after such a Job.
 */
#include "runners/dag.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "compiler/argv.h"
#include "runners/hit.h"

#define MAX_BACKOFF_S ((int64_t)24 * 3600)

/* What pass 1 found about one step. */
struct plan {
	const struct attempt *last;  /* shown, highest number; NULL: none */
	const struct attempt *good;  /* shown, succeeded */
	const struct attempt *asked; /* likewise; whether its data is there is not known yet */
	bool live;                   /* an attempt is not final */
	bool blocked;                /* an attempt must be gone before another starts */
	int next;                    /* attempt to start; 0: none is due after a failure */
	int origin;                  /* the step that failed, for what lies downstream; -1 */
};

struct dag {
	const struct runner_run *run;
	const struct frozen_spec *spec;
	const struct attempts *attempts;
	struct run_state *state;
	struct dag_actions *actions;
	struct plan *plans;
	int live; /* steps with a live attempt, and those started here */
};

/* --- attempts and actions --- */

static void *grow(void *items, int len, int *cap, size_t size)
{
	if (len < *cap)
		return items;
	*cap = *cap ? *cap * 2 : 8;
	return xreallocarray(items, (size_t)*cap, size);
}

struct attempt *attempts_add(struct attempts *attempts)
{
	struct attempt *attempt;

	attempts->items =
		grow(attempts->items, attempts->len, &attempts->cap, sizeof(*attempts->items));
	attempt = &attempts->items[attempts->len++];
	*attempt = (struct attempt){.exit_code = -1};
	return attempt;
}

void attempts_clear(struct attempts *attempts)
{
	for (int i = 0; i < attempts->len; i++) {
		free(attempts->items[i].reason);
		free(attempts->items[i].message);
		free(attempts->items[i].external_kind);
		free(attempts->items[i].external_name);
	}
	free(attempts->items);
	*attempts = (struct attempts){0};
}

void dag_actions_clear(struct dag_actions *actions)
{
	free(actions->items);
	*actions = (struct dag_actions){0};
}

static void add_action(struct dag *dag, enum dag_action_kind kind, int step, int attempt)
{
	struct dag_actions *actions = dag->actions;

	actions->items = grow(actions->items, actions->len, &actions->cap, sizeof(*actions->items));
	actions->items[actions->len++] = (struct dag_action){
		.kind = kind,
		.step = step,
		.attempt = attempt,
	};
}

static bool attempt_final(const struct attempt *attempt)
{
	return attempt->phase == ATTEMPT_SUCCEEDED || attempt->phase == ATTEMPT_FAILED;
}

/* --- small helpers --- */

static const struct step_state *known_of(const struct dag *dag, int step)
{
	static const struct step_state fresh = {.exit_code = -1};

	return dag->run->known ? &dag->run->known[step] : &fresh;
}

static void set_string(char **to, const char *from)
{
	char *copy = from ? xstrdup(from) : NULL;

	free(*to);
	*to = copy;
}

static void set_reason(struct step_state *state, const char *reason, char *take_message)
{
	set_string(&state->reason, reason);
	free(state->message);
	state->message = take_message;
}

static void look_at(struct dag *dag, int64_t at_s)
{
	int64_t ms = (at_s - dag->run->now_s) * 1000;

	if (ms > 0 && (!dag->state->look_again_ms || ms < dag->state->look_again_ms))
		dag->state->look_again_ms = ms;
}

/* "1h30m", as the user writes durations. Owned. */
static char *duration(int64_t seconds)
{
	int64_t h = seconds / 3600, m = seconds / 60 % 60, s = seconds % 60;
	struct buf text = BUF_INIT;

	if (h)
		buf_addf(&text, "%lldh", (long long)h);
	if (m)
		buf_addf(&text, "%lldm", (long long)m);
	if (s || seconds == 0)
		buf_addf(&text, "%llds", (long long)s);
	return buf_take(&text);
}

/* One line: "exit code 1", "OOMKilled: exit code 137". Owned. */
static char *make_ref(const struct dag *dag, int step, int attempt)
{
	auto_free char *run_id = argv_attempt_run_id(dag->run->run_id, attempt);

	return xasprintf("%s/%s", run_id, dag->spec->steps[step].name);
}

/* --- pass 1: what the attempts say --- */

static const struct attempt *find_attempt(const struct dag *dag, int step, int number)
{
	for (int i = 0; i < dag->attempts->len; i++) {
		const struct attempt *attempt = &dag->attempts->items[i];

		if (attempt->step == step && attempt->number == number)
			return attempt;
	}
	return NULL;
}

/* Of an attempt that says it succeeded. */
static enum data_seen data_of(const struct dag *dag, const struct attempt *attempt)
{
	auto_free char *ref = NULL;

	if (!dag->run->data || step_phase_final(known_of(dag, attempt->step)->phase))
		return DATA_NOT_VISIBLE;
	ref = make_ref(dag, attempt->step, attempt->number);
	return hit_look_at_data(dag->run, attempt->step, ref);
}

static void collect(struct dag *dag)
{
	for (int i = 0; i < dag->attempts->len; i++) {
		const struct attempt *attempt = &dag->attempts->items[i];
		struct plan *plan;

		assert(attempt->step >= 0 && attempt->step < dag->spec->steps_len);
		plan = &dag->plans[attempt->step];
		if (!plan->last || attempt->number > plan->last->number)
			plan->last = attempt;
		if (attempt->phase == ATTEMPT_SUCCEEDED &&
			(!plan->good || attempt->number > plan->good->number)) {
			enum data_seen seen = data_of(dag, attempt);

			if (seen == DATA_ASKED)
				plan->asked = attempt;
			else if (seen != DATA_ABSENT)
				plan->good = attempt;
		}
		if (!attempt_final(attempt)) {
			dag->live += !plan->live;
			plan->live = true;
		}
		plan->blocked |= !attempt_final(attempt) || attempt->stopping;
	}
}

/*
 * Disruptions among the attempts 1..upto->number. The status vouches for those before its own
 * current attempt; a later one that is not shown any more was deleted by somebody.
 */
static int count_disruptions(const struct dag *dag, int step, const struct attempt *upto)
{
	const struct step_state *known = known_of(dag, step);
	int first = known->attempt > 0 ? known->attempt : 1;
	int shown = 0, later = 0;

	for (int i = 0; i < dag->attempts->len; i++) {
		const struct attempt *attempt = &dag->attempts->items[i];

		if (attempt->step == step && attempt->number < first &&
			attempt->number <= upto->number)
			shown += attempt->disrupted;
	}
	for (int n = first; n < upto->number; n++) {
		const struct attempt *attempt = find_attempt(dag, step, n);

		later += !attempt || attempt->disrupted;
	}
	if (upto->number >= first)
		later += upto->disrupted;
	return (known->disruptions > shown ? known->disruptions : shown) + later;
}

static void show_attempt(struct step_state *state, const struct attempt *attempt)
{
	state->attempt = attempt->number;
	state->exit_code = attempt->exit_code;
	state->submit_s = attempt->submit_s;
	state->start_s = attempt->start_s;
	state->end_s = attempt->end_s;
	state->retry_at_s = 0;
	set_string(&state->reason, attempt->reason);
	set_string(&state->message, attempt->message);
	set_string(&state->external_kind, attempt->external_kind);
	set_string(&state->external_name, attempt->external_name);
}

static void show_success(struct dag *dag, int step, const struct attempt *attempt)
{
	struct step_state *state = &dag->state->steps[step];

	state->disruptions = count_disruptions(dag, step, attempt);
	show_attempt(state, attempt);
	set_reason(state, NULL, NULL);
	state->phase = STEP_SUCCEEDED;
	if (!state->end_s)
		state->end_s = dag->run->now_s;
	free(state->ref);
	state->ref = make_ref(dag, step, attempt->number);
}

static void show_failure(struct dag *dag, int step, const struct attempt *attempt)
{
	struct step_state *state = &dag->state->steps[step];

	show_attempt(state, attempt);
	state->phase = STEP_FAILED;
	if (!state->end_s)
		state->end_s = dag->run->now_s;
	if (!state->reason)
		state->reason = xstrdup("Error");
	if (attempt->disrupted) {
		auto_free char *what = step_state_describe(attempt->reason, attempt->message);

		set_reason(state, state->reason,
			xasprintf("%s (disrupted %d times)", what, state->disruptions));
	}
}

static bool may_retry(const struct spec_retry *retry, const char *reason)
{
	if (str_eq(reason, "OOMKilled"))
		return retry->on_oom;
	if (str_eq(reason, "Timeout"))
		return retry->on_timeout;
	return retry->on_error;
}

/* Before the attempt that follows the nth counted failure. */
static int64_t backoff_s(const struct spec_retry *retry, int nth)
{
	double cap = retry->max_s > 0 ? (double)retry->max_s : (double)MAX_BACKOFF_S;
	double wait = (double)retry->initial_s;

	for (int i = 1; i < nth && wait < cap && retry->factor > 1; i++)
		wait *= retry->factor;
	return (int64_t)(wait < cap ? wait : cap);
}

static int64_t retry_time(const struct dag *dag, int step, const struct attempt *failed, int nth)
{
	const struct step_state *known = known_of(dag, step);

	if (!failed->end_s && known->attempt == failed->number + 1 && known->retry_at_s)
		return known->retry_at_s;
	return (failed->end_s ? failed->end_s : dag->run->now_s) +
	       backoff_s(&dag->spec->steps[step].retry, nth);
}

static void plan_next(struct dag *dag, int step, const struct attempt *failed, int64_t at_s)
{
	const struct spec_step *spec = &dag->spec->steps[step];
	struct step_state *state = &dag->state->steps[step];
	auto_free char *what = step_state_describe(failed->reason, failed->message);
	int next = failed->number + 1, total = spec->retry.limit + 1 + state->disruptions;
	char when[TIME_RFC3339_SIZE];

	dag->plans[step].next = next;
	state->phase = STEP_PENDING;
	state->attempt = next;
	state->retry_at_s = at_s > dag->run->now_s ? at_s : 0;
	if (failed->disrupted)
		set_reason(state, failed->reason ? failed->reason : "Disrupted",
			xasprintf("attempt %d follows; attempt %d was disrupted: %s", next,
				failed->number, what));
	else if (state->retry_at_s)
		set_reason(state, "RetryBackOff",
			xasprintf("attempt %d of %d starts at %s; attempt %d: %s", next, total,
				time_format_rfc3339(at_s, when), failed->number, what));
	else
		set_reason(state, "Retrying",
			xasprintf("attempt %d of %d follows; attempt %d: %s", next, total,
				failed->number, what));
}

static void judge_failure(struct dag *dag, int step, const struct attempt *failed, bool retryable)
{
	const struct spec_retry *retry = &dag->spec->steps[step].retry;
	struct step_state *state = &dag->state->steps[step];
	int counted;

	state->disruptions = count_disruptions(dag, step, failed);
	counted = failed->number - state->disruptions;
	if (failed->disrupted && state->disruptions <= DAG_MAX_DISRUPTIONS)
		plan_next(dag, step, failed, 0);
	else if (!failed->disrupted && retryable && counted <= retry->limit &&
		 may_retry(retry, failed->reason))
		plan_next(dag, step, failed, retry_time(dag, step, failed, counted));
	else
		show_failure(dag, step, failed);
}

/* The current attempt is as it was when it ran out of time. reason and message are borrowed. */
static struct attempt timed_out(
	const struct attempt *attempt, int64_t end_s, char *reason, char *message)
{
	struct attempt failed = *attempt;

	failed.phase = ATTEMPT_FAILED;
	failed.disrupted = false;
	failed.exit_code = -1;
	failed.end_s = end_s;
	failed.reason = reason;
	failed.message = message;
	return failed;
}

static char *timeout_message(int64_t timeout_s)
{
	auto_free char *limit = duration(timeout_s);

	return xasprintf("ran longer than its timeout of %s", limit);
}

/* True when the attempt is over for having run, or waited to run, too long. */
static bool judge_time(struct dag *dag, int step, const struct attempt *attempt)
{
	const struct spec_step *spec = &dag->spec->steps[step];
	bool pending = attempt->phase == ATTEMPT_PENDING;
	int64_t limit = pending ? spec->pending_timeout_s : spec->timeout_s;
	int64_t since = pending ? attempt->submit_s : attempt->start_s;
	auto_free char *message = NULL;
	struct attempt failed;

	if (attempt->phase == ATTEMPT_QUEUED || !limit || !since || attempt->end_s)
		return false;
	if (dag->run->now_s < since + limit) {
		look_at(dag, since + limit);
		return false;
	}
	if (pending) {
		auto_free char *text = duration(limit);

		message = xasprintf("%s%spendingTimeout %s exceeded%s",
			attempt->message ? attempt->message : "", attempt->message ? " (" : "",
			text, attempt->message ? ")" : "");
		failed = timed_out(attempt, since + limit,
			attempt->reason ? attempt->reason : (char *)"PendingTimeout", message);
	} else {
		message = timeout_message(limit);
		failed = timed_out(attempt, since + limit, (char *)"Timeout", message);
	}
	judge_failure(dag, step, &failed, !pending);
	return true;
}

static void judge_live(struct dag *dag, int step, const struct attempt *attempt)
{
	static const enum step_phase phases[] = {
		[ATTEMPT_PENDING] = STEP_PENDING,
		[ATTEMPT_QUEUED] = STEP_QUEUED,
		[ATTEMPT_RUNNING] = STEP_RUNNING,
	};
	struct step_state *state = &dag->state->steps[step];

	if (judge_time(dag, step, attempt))
		return;
	state->disruptions = count_disruptions(dag, step, attempt);
	show_attempt(state, attempt);
	state->phase = phases[attempt->phase];
	state->end_s = 0;
	if (attempt->stopping && !state->reason)
		set_reason(state, "Stopping", xstrdup("it is being deleted"));
}

/* The status says that attempt known->attempt was submitted; it is not there any more. */
static void judge_vanished(struct dag *dag, int step)
{
	const struct step_state *known = known_of(dag, step);
	int64_t limit = dag->spec->steps[step].timeout_s;
	bool late = limit && known->start_s && dag->run->now_s >= known->start_s + limit;
	auto_free char *message = late ? timeout_message(limit) : NULL;
	struct attempt gone = {
		.step = step,
		.number = known->attempt,
		.phase = ATTEMPT_FAILED,
		.disrupted = !late,
		.exit_code = -1,
		.submit_s = known->submit_s,
		.start_s = known->start_s,
		.end_s = late ? known->start_s + limit : dag->run->now_s,
		.reason = (char *)(late ? "Timeout" : "JobDeleted"),
		.message = late ? message : (char *)"the Job was deleted",
		.external_kind = known->external_kind,
		.external_name = known->external_name,
	};

	judge_failure(dag, step, &gone, true);
}

static void keep_final(struct dag *dag, int step)
{
	const struct step_state *known = known_of(dag, step);
	struct step_state *state = &dag->state->steps[step];

	step_state_copy(state, known);
	if (state->phase == STEP_SUCCEEDED && !state->ref && state->attempt > 0)
		state->ref = make_ref(dag, step, state->attempt);
}

/* It has ended; that it has succeeded is shown when its data has been seen. */
static void judge_asked(struct dag *dag, int step, const struct attempt *attempt)
{
	struct step_state *state = &dag->state->steps[step];

	state->disruptions = count_disruptions(dag, step, attempt);
	show_attempt(state, attempt);
	state->phase = STEP_RUNNING;
	state->exit_code = -1;
	state->end_s = 0;
	dag->plans[step].blocked = true;
}

/* It ended well, and what it owes is not there. */
static void judge_without_data(struct dag *dag, int step, const struct attempt *attempt)
{
	auto_free char *ref = make_ref(dag, step, attempt->number);
	auto_free char *message = xasprintf("it ended with exit code 0, but there is no "
					    "%s/manifest.json below the dataset's folder",
		ref);
	struct attempt failed = *attempt;

	failed.phase = ATTEMPT_FAILED;
	failed.reason = (char *)"ManifestMissing";
	failed.message = message;
	judge_failure(dag, step, &failed, true);
}

static void examine(struct dag *dag, int step)
{
	const struct step_state *known = known_of(dag, step);
	struct step_state *state = &dag->state->steps[step];
	struct plan *plan = &dag->plans[step];
	int shown = plan->last ? plan->last->number : 0;

	if (step_phase_final(known->phase)) {
		keep_final(dag, step);
	} else if (plan->good) {
		show_success(dag, step, plan->good);
	} else if (plan->asked) {
		judge_asked(dag, step, plan->asked);
	} else if (known->attempt > shown && known->external_name) {
		judge_vanished(dag, step);
	} else if (plan->last && known->attempt <= shown + 1) {
		if (plan->last->phase == ATTEMPT_FAILED)
			judge_failure(dag, step, plan->last, true);
		else if (plan->last->phase == ATTEMPT_SUCCEEDED)
			judge_without_data(dag, step, plan->last);
		else
			judge_live(dag, step, plan->last);
	} else if (known->attempt > 0) {
		/* Decided, never submitted; what it follows is gone. */
		step_state_copy(state, known);
		state->phase = STEP_PENDING;
		if (state->retry_at_s <= dag->run->now_s)
			state->retry_at_s = 0;
		plan->next = known->attempt;
	}
}

/* --- passes 2 and 3: close, skip, hit, start --- */

/* It was submitted at least once. */
static bool was_started(const struct dag *dag, int step)
{
	const struct step_state *known = known_of(dag, step);

	return dag->plans[step].last || known->external_name || known->attempt > 1;
}

static void end_step(
	struct dag *dag, int step, enum step_phase phase, const char *reason, char *take_message)
{
	struct step_state *state = &dag->state->steps[step];

	state->phase = phase;
	state->retry_at_s = 0;
	state->end_s = dag->run->now_s;
	set_reason(state, reason, take_message);
	if (!was_started(dag, step)) {
		state->attempt = 0;
		state->submit_s = 0;
	} else if (dag->plans[step].next > 1) {
		state->attempt = dag->plans[step].next - 1;
	}
	dag->plans[step].next = 0;
}

/* The step upstream that keeps this one from ever being ready, a failed one first; -1 when there
 * is none. */
static int blame(const struct dag *dag, int step)
{
	const struct spec_step *spec = &dag->spec->steps[step];
	int found = -1;

	for (int i = 0; i < spec->needs_len; i++) {
		int origin = dag->plans[spec->needs[i]].origin;

		if (origin < 0)
			continue;
		if (dag->state->steps[origin].phase == STEP_FAILED)
			return origin;
		if (found < 0)
			found = origin;
	}
	return found;
}

static void skip_after(struct dag *dag, int step, int origin)
{
	const char *name = dag->spec->steps[origin].name;

	switch (dag->state->steps[origin].phase) {
	case STEP_CANCELLED:
		end_step(dag, step, STEP_SKIPPED, "UpstreamCancelled",
			xasprintf("step %s was cancelled", name));
		break;
	case STEP_SKIPPED:
		end_step(dag, step, STEP_SKIPPED, "UpstreamSkipped",
			xasprintf("step %s was skipped", name));
		break;
	default:
		end_step(dag, step, STEP_SKIPPED, "UpstreamFailed",
			xasprintf("step %s failed", name));
	}
}

static bool step_ready(const struct dag *dag, int step)
{
	const struct spec_step *spec = &dag->spec->steps[step];

	for (int i = 0; i < spec->needs_len; i++) {
		enum step_phase phase = dag->state->steps[spec->needs[i]].phase;

		if (phase != STEP_SUCCEEDED && phase != STEP_CACHED)
			return false;
	}
	return true;
}

static void start(struct dag *dag, int step, int number)
{
	struct step_state *state = &dag->state->steps[step];

	state->phase = STEP_PENDING;
	state->attempt = number;
	state->exit_code = -1;
	state->submit_s = dag->run->now_s;
	state->start_s = 0;
	state->end_s = 0;
	state->retry_at_s = 0;
	set_string(&state->external_kind, NULL);
	set_string(&state->external_name, NULL);
	dag->live++;
	add_action(dag, DAG_START, step, number);
}

static void start_or_wait(struct dag *dag, int step)
{
	struct step_state *state = &dag->state->steps[step];
	struct plan *plan = &dag->plans[step];
	int limit = dag->spec->max_parallel;

	if (plan->blocked)
		return;
	if (state->retry_at_s > dag->run->now_s) {
		look_at(dag, state->retry_at_s);
		return;
	}
	if (limit > 0 && dag->live >= limit) {
		if (!plan->next)
			set_reason(state, "MaxParallelSteps",
				xasprintf("%d steps run side by side at most", limit));
		return;
	}
	start(dag, step, plan->next ? plan->next : 1);
}

static void advance(struct dag *dag, int step, bool failing)
{
	struct step_state *state = &dag->state->steps[step];
	struct plan *plan = &dag->plans[step];
	bool fail_fast = failing && dag->spec->fail_fast;
	int origin = blame(dag, step);
	bool blamed = origin >= 0 && (!fail_fast || dag->state->steps[origin].phase == STEP_FAILED);
	const char *hit;
	bool asked = false;

	if (step_phase_final(state->phase)) {
		/* nothing to decide */
	} else if (dag->run->cancelling) {
		end_step(dag, step, STEP_CANCELLED, "Cancelled", NULL);
	} else if (blamed && !was_started(dag, step)) {
		skip_after(dag, step, origin);
	} else if (fail_fast && was_started(dag, step)) {
		end_step(dag, step, STEP_CANCELLED, "FailFast",
			xstrdup("stopped because another step failed"));
	} else if (fail_fast) {
		end_step(dag, step, STEP_SKIPPED, "FailFast",
			xstrdup("not started because another step failed"));
	} else if ((!plan->last || plan->next) && step_ready(dag, step)) {
		hit = plan->next ? NULL : hit_find(dag->run, dag->state, step, &asked);
		if (hit)
			hit_take(dag->run, state, hit);
		else if (!asked)
			start_or_wait(dag, step);
	}
	if (state->phase == STEP_FAILED || state->phase == STEP_SKIPPED ||
		state->phase == STEP_CANCELLED)
		plan->origin = state->phase != STEP_FAILED && origin >= 0 ? origin : step;
}

/* --- pass 4: what stops, what the run is --- */

static void stop_attempts(struct dag *dag)
{
	for (int i = 0; i < dag->attempts->len; i++) {
		const struct attempt *attempt = &dag->attempts->items[i];
		const struct step_state *state = &dag->state->steps[attempt->step];

		if (attempt_final(attempt) || attempt->stopping)
			continue;
		if (step_phase_final(state->phase) || attempt->number != state->attempt)
			add_action(dag, DAG_STOP, attempt->step, attempt->number);
	}
}

struct tally {
	int final, failed, cancelled, begun, first_failed;
	bool live;
};

static struct tally take_stock(const struct dag *dag)
{
	struct tally tally = {.first_failed = -1};

	for (int i = 0; i < dag->spec->steps_len; i++) {
		const struct step_state *state = &dag->state->steps[i];

		tally.final += step_phase_final(state->phase);
		tally.cancelled += state->phase == STEP_CANCELLED || state->phase == STEP_SKIPPED;
		tally.begun += dag->plans[i].last || state->attempt > 0;
		tally.live |= dag->plans[i].live;
		if (state->phase == STEP_FAILED && tally.failed++ == 0)
			tally.first_failed = i;
	}
	return tally;
}

static void conclude(struct dag *dag)
{
	struct tally tally = take_stock(dag);
	bool over = tally.final == dag->spec->steps_len && !tally.live;
	struct run_state *state = dag->state;

	if (over && !tally.failed && !tally.cancelled)
		state->phase = RUN_SUCCEEDED;
	else if (dag->run->cancelling)
		state->phase = over ? RUN_CANCELLED : RUN_CANCELLING;
	else if (over)
		state->phase = tally.failed ? RUN_FAILED : RUN_CANCELLED;
	else
		state->phase = tally.begun || tally.final ? RUN_RUNNING : RUN_PENDING;
	if (state->phase == RUN_FAILED)
		run_state_blame_step(
			state, tally.first_failed, dag->spec->steps[tally.first_failed].name);
	for (int i = 0; i < dag->actions->len; i++) {
		state->needs_submit |= dag->actions->items[i].kind == DAG_START;
		state->needs_cancel |= dag->actions->items[i].kind == DAG_STOP;
	}
}

void dag_decide(const struct runner_run *run, const struct attempts *attempts,
	struct run_state *ret_state, struct dag_actions *ret_actions)
{
	int len = run->spec->steps_len;
	auto_free struct plan *plans = xcalloc(len > 0 ? (size_t)len : 1, sizeof(*plans));
	struct dag dag = {
		.run = run,
		.spec = run->spec,
		.attempts = attempts,
		.state = ret_state,
		.actions = ret_actions,
		.plans = plans,
	};
	bool failing = false;

	assert(ret_state->steps_len == len);
	for (int i = 0; i < len; i++)
		plans[i].origin = -1;
	collect(&dag);
	for (int i = 0; i < len; i++) {
		examine(&dag, i);
		failing |= ret_state->steps[i].phase == STEP_FAILED;
	}
	for (int i = 0; i < len; i++)
		advance(&dag, i, failing);
	stop_attempts(&dag);
	conclude(&dag);
}

bool dag_input_refs(const struct frozen_spec *spec, const struct run_state *state, int step,
	const char **ret_refs)
{
	const struct spec_step *reader = &spec->steps[step];
	bool known = true;

	for (int i = 0; i < reader->from_len; i++) {
		ret_refs[i] = state->steps[reader->from[i]].ref;
		known = known && ret_refs[i];
	}
	return known;
}

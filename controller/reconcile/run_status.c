#include "reconcile/run_status.h"

#include <string.h>
#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "doc/json.h"
#include "doc/path.h"
#include "kube/conditions.h"
#include "reconcile/names.h"

#define FULL_MESSAGES 4 /* failed steps that keep their last log lines */
#define SHORT_MESSAGE 256
#define STEP_MESSAGE 2304 /* "exit code N" and 2 KiB of log */
#define STEPS_BYTES 18000 /* of a status of at most 20 KB */
#define EVENT_NOTE_MAX 900

struct draft {
	const struct run_view *view;
	json_t *status, *conditions;
	const json_t *previous; /* old conditions */
	int64_t generation;
};

static void draft_init(struct draft *d, const struct run_view *view)
{
	const json_t *old = json_object_get(view->run, "status");
	auto_free char *run_id = name_run_id(doc_str_or(view->run, "metadata.name", ""),
		doc_str_or(view->run, "metadata.uid", ""));

	*d = (struct draft){.view = view,
		.status = json_is_object(old) ? json_deep_copy(old) : json_object(),
		.previous = doc_get(old, "conditions"),
		.generation = doc_int_or(view->run, "metadata.generation", 1)};
	d->conditions = json_is_array(d->previous) ? json_deep_copy(d->previous) : json_array();
	json_object_set_new(d->status, "conditions", d->conditions);
	json_object_set_new(d->status, "observedGeneration", json_integer(d->generation));
	json_object_set_new(d->status, "runID", json_string(run_id));
}

static void set(struct draft *d, const char *type, const char *status, const char *reason,
	const char *message)
{
	condition_set(d->conditions, d->previous, type, status, reason, message, d->generation,
		d->view->now_s);
}

static void conditions_final(
	struct draft *d, enum run_phase phase, const char *reason, const char *message)
{
	bool good = phase == RUN_SUCCEEDED;

	set(d, "Ready", good ? "True" : "False", reason, message);
	set(d, "Succeeded", good ? "True" : "False", reason, message);
	set(d, "Finished", "True", run_phase_name(phase), message);
	condition_drop(d->conditions, "Reconciling");
	if (good)
		condition_drop(d->conditions, "Stalled");
	else
		set(d, "Stalled", "True", reason, message);
}

static void conditions_open(
	struct draft *d, enum run_phase phase, const char *reason, const char *message)
{
	const char *ready_when = doc_str_or(d->view->run, "spec.readyWhen", "Started");
	bool started = phase == RUN_RUNNING || phase == RUN_CANCELLING;

	if (!started) {
		set(d, "Ready", "False", reason, message);
		set(d, "Reconciling", "True", reason, message);
	} else if (str_eq(ready_when, "Finished")) {
		set(d, "Ready", "Unknown", "Running", message);
		set(d, "Reconciling", "True", "Running", message);
	} else {
		set(d, "Ready", "True", "Started", message);
		condition_drop(d->conditions, "Reconciling");
	}
	set(d, "Succeeded", "Unknown", reason, message);
	set(d, "Finished", "False", reason, message);
}

static void set_phase(struct draft *d, enum run_phase phase)
{
	json_object_set_new(d->status, "phase", json_string(run_phase_name(phase)));
}

static void set_time(json_t *object, const char *key, int64_t seconds)
{
	char text[TIME_RFC3339_SIZE];

	if (seconds)
		json_object_set_new(object, key, json_string(time_format_rfc3339(seconds, text)));
}

static bool write_draft(struct draft *d, struct plan *plan)
{
	return plan_status(plan, &kube_runs, d->view->run, d->status);
}

void run_status_waiting(const struct run_view *view, enum run_phase phase, const char *reason,
	const char *message, struct plan *plan)
{
	struct draft d;

	draft_init(&d, view);
	set_phase(&d, phase);
	conditions_open(&d, phase, reason, message);
	write_draft(&d, plan);
}

void run_status_pin(
	const struct run_view *view, const char *spec_name, const char *hash, struct plan *plan)
{
	struct draft d;

	draft_init(&d, view);
	set_phase(&d, RUN_PENDING);
	json_object_set_new(
		d.status, "frozenSpec", json_pack("{s:s, s:s}", "name", spec_name, "hash", hash));
	conditions_open(&d, RUN_PENDING, "Pinned", "its frozen spec is decided");
	write_draft(&d, plan);
}

void run_status_backend(const struct run_view *view, json_t *pin, struct plan *plan)
{
	struct draft d;

	draft_init(&d, view);
	set_phase(&d, RUN_PENDING);
	json_object_set_new(d.status, "backend", pin);
	conditions_open(&d, RUN_PENDING, "Pinned", "its backend is decided");
	write_draft(&d, plan);
}

void run_status_never_started(const struct run_view *view, struct plan *plan)
{
	struct draft d;

	draft_init(&d, view);
	set_phase(&d, RUN_CANCELLED);
	set_time(d.status, "completionTime", view->now_s);
	conditions_final(&d, RUN_CANCELLED, "Cancelled", "cancelled before anything was started");
	write_draft(&d, plan);
}

void run_fail(
	const struct run_view *view, const char *reason, const char *message, struct plan *plan)
{
	struct draft d;

	draft_init(&d, view);
	set_phase(&d, RUN_FAILED);
	set_time(d.status, "completionTime", view->now_s);
	conditions_final(&d, RUN_FAILED, reason, message);
	if (write_draft(&d, plan))
		plan_event(plan, true, reason, "Run", "%.*s", EVENT_NOTE_MAX, message);
}

/* --- steps --- */

static bool plain(const struct step_state *s)
{
	return s->phase == STEP_SUCCEEDED || s->phase == STEP_CACHED || s->phase == STEP_WAITING;
}

static json_t *step_json(const char *name, const struct step_state *s, size_t message_max)
{
	json_t *json = json_pack("{s:s, s:s}", "name", name, "phase", step_phase_name(s->phase));

	set_time(json, "startTime", s->start_s);
	set_time(json, "completionTime", s->end_s);
	if (s->attempt > 1)
		json_object_set_new(json, "attempts", json_integer(s->attempt));
	if (s->disruptions > 0)
		json_object_set_new(json, "disruptions", json_integer(s->disruptions));
	set_time(json, "retryTime", s->retry_at_s);
	if (s->phase == STEP_CACHED && s->ref)
		json_object_set_new(json, "cachedFrom", json_string(s->ref));
	if (plain(s))
		return json;
	if (s->reason)
		json_object_set_new(json, "reason", json_string(s->reason));
	if (s->message) {
		auto_free char *message =
			str_clean_tail(s->message, strlen(s->message), message_max);

		json_object_set_new(json, "message", json_string(message));
	}
	if (s->phase == STEP_FAILED && s->exit_code >= 0)
		json_object_set_new(json, "exitCode", json_integer(s->exit_code));
	if (s->external_name)
		json_object_set_new(json, "external",
			json_pack("{s:s, s:s}", "kind", s->external_kind ? s->external_kind : "Job",
				"name", s->external_name));
	return json;
}

#define PLAIN (1u << STEP_SUCCEEDED | 1u << STEP_CACHED)
#define NOT_RUN (1u << STEP_SKIPPED | 1u << STEP_CANCELLED)

/* What steps do without where the list is over STEPS_BYTES, one after the other. */
static const struct {
	unsigned phases;
	const char *key;
	int kept; /* the first so many of them keep it */
} dispensable[] = {
	{PLAIN, "startTime", 0},
	{NOT_RUN, "message", 0},
	{PLAIN | NOT_RUN, "completionTime", 0},
	{1u << STEP_FAILED, "message", FULL_MESSAGES},
};

static void shorten(json_t *steps)
{
	for (size_t k = 0; k < array_size(dispensable); k++) {
		int kept = dispensable[k].kept;
		json_t *step;
		size_t i;

		if (json_dumpb(steps, NULL, 0, JSON_COMPACT) <= STEPS_BYTES)
			return;
		json_array_foreach (steps, i, step) {
			enum step_phase phase;

			if (step_phase_parse(doc_str(step, "phase"), &phase) &&
				(dispensable[k].phases & 1u << phase) && kept-- <= 0)
				json_object_del(step, dispensable[k].key);
		}
	}
}

static void set_steps(
	struct draft *d, const struct frozen_spec *spec, const struct run_state *state)
{
	json_t *steps = json_array();
	int failed = 0, done = 0;

	for (int i = 0; i < state->steps_len; i++) {
		const struct step_state *s = &state->steps[i];
		bool full = s->phase == STEP_FAILED && failed++ < FULL_MESSAGES;

		done += s->phase == STEP_SUCCEEDED || s->phase == STEP_CACHED;
		json_array_append_new(steps, step_json(run_state_step_name(state, spec, i), s,
						     full ? STEP_MESSAGE : SHORT_MESSAGE));
	}
	shorten(steps);
	json_object_set_new(d->status, "steps", steps);
	json_object_set_new(d->status, "progress", json_sprintf("%d/%d", done, state->steps_len));
}

/* The status with what may wait taken out of the steps under way: the names of their Jobs, which
 * are worth no write of their own; and then whether they are Pending or Running. */
static json_t *without_lazy(const json_t *status, bool starts)
{
	json_t *copy = json_deep_copy(status);
	json_t *step;
	size_t i;

	json_array_foreach (json_object_get(copy, "steps"), i, step) {
		const char *phase = doc_str_or(step, "phase", "");

		if (!str_eq(phase, "Running") &&
			(!str_eq(phase, "Pending") || json_object_get(step, "reason")))
			continue;
		json_object_del(step, "external");
		if (starts) {
			json_object_set_new(step, "phase", json_string("Running"));
			json_object_del(step, "startTime");
		}
	}
	return copy;
}

static bool alike(const json_t *old, const json_t *status, bool starts)
{
	auto_json *a = without_lazy(old, starts);
	auto_json *b = without_lazy(status, starts);

	return json_equal(a, b) != 0;
}

/* How long after the last write this change may wait; -1: until there is another. */
static int64_t patience_ms(const json_t *old, const json_t *status)
{
	if (alike(old, status, false))
		return -1;
	return alike(old, status, true) ? RUN_STATUS_LAZY_MS : RUN_STATUS_EVERY_MS;
}

/*
 * Whether the write waits, with a requeue for when it may not any more. An end never waits, nor
 * what comes before something is stopped: after a crash only the status says why it is gone.
 */
static bool held_back(const struct run_view *view, const struct run_state *state,
	enum run_phase phase, const json_t *status, int64_t last_write_ms_ago, struct plan *plan)
{
	const json_t *old = json_object_get(view->run, "status");
	int64_t patience;

	if (run_phase_final(phase) || state->needs_cancel || !doc_str(old, "startTime"))
		return false;
	patience = patience_ms(old, status);
	if (patience < 0)
		return true;
	if (last_write_ms_ago >= patience)
		return false;
	plan_requeue(plan, patience - last_write_ms_ago);
	return true;
}

/* Nothing else may happen until the run's own time is over. */
static void look_at_timeout(const struct run_view *view, const struct frozen_spec *spec,
	const json_t *status, struct plan *plan)
{
	int64_t started, left;

	if (!spec->timeout_s || !time_parse_rfc3339(doc_str_or(status, "startTime", ""), &started))
		return;
	left = started + spec->timeout_s - view->now_s;
	if (left > 0)
		plan_requeue(plan, left * 1000);
}

static char *first_line(const char *message)
{
	return xstrndup(message, strcspn(message, "\n"));
}

static void step_events(const struct run_view *view, const struct frozen_spec *spec,
	const struct run_state *state, struct plan *plan)
{
	const json_t *old = doc_get(view->run, "status.steps");

	for (int i = 0; i < state->steps_len; i++) {
		const json_t *before = json_array_get(old, (size_t)i);
		const struct step_state *s = &state->steps[i];
		auto_free char *line = NULL;

		if (s->phase != STEP_FAILED || str_eq(doc_str(before, "phase"), "Failed"))
			continue;
		line = first_line(s->message ? s->message : s->reason ? s->reason : "failed");
		plan_event(plan, true, "StepFailed", "Run", "step %s: %.*s",
			run_state_step_name(state, spec, i), EVENT_NOTE_MAX, line);
	}
}

static enum run_phase final_phase(const struct run_state *state, const char *stop_reason)
{
	if (state->phase == RUN_CANCELLED && str_eq(stop_reason, "RunTimeout"))
		return RUN_FAILED;
	return state->phase;
}

static void set_outcome(struct draft *d, int steps, enum run_phase phase, const char *reason,
	const char *message, struct plan *plan)
{
	auto_free char *progress =
		xasprintf("%s of %d steps done", doc_str_or(d->status, "progress", "0"), steps);

	if (!run_phase_final(phase)) {
		conditions_open(d, phase, reason ? reason : run_phase_name(phase),
			message                ? message
			: phase == RUN_RUNNING ? "the run has started"
					       : progress);
		return;
	}
	set_time(d->status, "completionTime", d->view->now_s);
	if (phase == RUN_SUCCEEDED) {
		auto_free char *all = xasprintf("%d step%s done", steps, steps == 1 ? "" : "s");

		conditions_final(d, phase, "Succeeded", all);
		plan_event(plan, false, "Succeeded", "Run", "%s", all);
		return;
	}
	reason = reason ? reason : run_phase_name(phase);
	message = message ? message : run_phase_name(phase);
	conditions_final(d, phase, reason, message);
	plan_event(plan, true, run_phase_name(phase), "Run", "%.*s", EVENT_NOTE_MAX, message);
}

static void started_event(
	const struct frozen_spec *spec, const struct run_identity *id, struct plan *plan)
{
	if (spec->native)
		plan_event(plan, false, "Started", "Run", "a document of format %s, frozen as %s",
			doc_str_or(spec->native, "format", ""), id->spec_name);
	else
		plan_event(plan, false, "Started", "Run", "%d steps on %s, frozen as %s",
			spec->steps_len, spec->backend, id->spec_name);
}

void run_update(const struct run_view *view, const struct frozen_spec *spec,
	const struct run_identity *id, const struct run_state *state, int64_t last_write_ms_ago,
	struct plan *plan)
{
	const json_t *old = json_object_get(view->run, "status");
	const char *stop_reason = NULL;
	auto_free char *stop_message = NULL;
	enum run_phase phase;
	struct draft d;
	bool stop, started;

	stop = run_should_stop(view, spec, &stop_reason, &stop_message);
	phase = final_phase(state, stop_reason);
	stop = stop &&
	       (phase == RUN_CANCELLING || phase == RUN_CANCELLED ||
		       str_eq(stop_reason, "RunTimeout")) &&
	       phase != RUN_SUCCEEDED && phase != RUN_RUNNING;
	draft_init(&d, view);
	set_phase(&d, phase);
	json_object_set_new(d.status, "frozenSpec",
		json_pack("{s:s, s:s, s:s}", "name", id->spec_name, "uid", id->spec_uid, "hash",
			id->spec_hash));
	started = doc_str(old, "startTime") != NULL;
	if (!started && phase != RUN_PENDING)
		set_time(d.status, "startTime", view->now_s);
	if (state->url)
		json_object_set_new(d.status, "url", json_string(state->url));
	if (state->backend_run_id)
		json_object_set_new(d.status, "backendRunID", json_string(state->backend_run_id));
	set_steps(&d, spec, state);
	if (!run_phase_final(phase))
		look_at_timeout(view, spec, d.status, plan);
	if (held_back(view, state, phase, d.status, last_write_ms_ago, plan)) {
		json_decref(d.status);
		return;
	}
	if (!started && phase != RUN_PENDING)
		started_event(spec, id, plan);
	step_events(view, spec, state, plan);
	set_outcome(&d, state->steps_len, phase, stop ? stop_reason : state->reason,
		stop ? stop_message : state->message, plan);
	write_draft(&d, plan);
}

#include "runners/remote.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/digest.h"
#include "base/mem.h"
#include "base/rand.h"
#include "base/str.h"
#include "compiler/argv.h"
#include "runners/hit.h"

#define DATA_AGAIN_MS 2000 /* while it is not known whether cached data is there */
#define POLL_MAX_MS 60000
#define REFUSED_MAX 2000 /* bytes of findings in an error */
#define POLL_SHARE 10    /* of a run's age: the pause between two looks */

bool remote_recorded(const struct runner_run *run, const char *identity)
{
	return str_eq(run->backend_run_id, identity);
}

bool remote_names_steps(const struct runner_run *run)
{
	return !run->spec || run->spec->native;
}

/* --- hits --- */

static bool needs_hit(const struct runner_run *run, const struct run_state *state, int step)
{
	const struct spec_step *spec = &run->spec->steps[step];

	for (int i = 0; i < spec->needs_len; i++) {
		if (state->steps[spec->needs[i]].phase != STEP_CACHED)
			return false;
	}
	return true;
}

/* The steps that were seen at the backend. */
static void begin_named(const struct runner_run *run, struct run_state *state)
{
	for (size_t i = 0; run->names && i < run->names->len; i++) {
		int step = run_state_named_step(state, run->names->items[i]);

		if (step >= 0)
			step_state_copy(&state->steps[step], &run->known[i]);
	}
}

bool remote_begin(const struct runner_run *run, bool recorded, struct run_state *state)
{
	bool asked = false;

	if (remote_names_steps(run)) {
		begin_named(run, state);
		return true;
	}
	for (int i = 0; i < state->steps_len; i++) {
		const char *hit;

		if (recorded) {
			step_state_copy(&state->steps[i], &run->known[i]);
			continue;
		}
		hit = needs_hit(run, state, i) ? hit_find(run, state, i, &asked) : NULL;
		if (hit)
			hit_take(run, &state->steps[i], hit);
	}
	return !asked;
}

bool remote_all_hit(struct run_state *state)
{
	for (int i = 0; i < state->steps_len; i++) {
		if (state->steps[i].phase != STEP_CACHED)
			return false;
	}
	state->phase = RUN_SUCCEEDED;
	return true;
}

/* --- the end --- */

/* Why a step of a failed run did not come to its own end. */
static void stopped_by_failure(struct step_state *step, bool ran, bool step_failed)
{
	step->phase = ran ? STEP_CANCELLED : STEP_SKIPPED;
	step->reason = xstrdup(step_failed ? "FailFast" : "RunFailed");
	step->message = xasprintf("%s because %s failed", ran ? "stopped" : "not started",
		step_failed ? "another step" : "the run");
}

static void end_unreported(const struct runner_run *run, enum remote_phase phase, bool step_failed,
	struct step_state *step)
{
	bool ran = step->phase == STEP_RUNNING || (step->phase == STEP_PENDING && step->start_s);

	if (step_phase_final(step->phase))
		return;
	step->end_s = run->now_s;
	free(take_ptr(step->message));
	free(take_ptr(step->reason));
	if (phase == REMOTE_SUCCEEDED) {
		step->phase = STEP_SUCCEEDED;
	} else if (phase == REMOTE_CANCELLED) {
		step->phase = STEP_CANCELLED;
		step->reason = xstrdup("Cancelled");
	} else {
		stopped_by_failure(step, ran, step_failed);
	}
}

static int first_failed(const struct run_state *state)
{
	for (int i = 0; i < state->steps_len; i++) {
		if (state->steps[i].phase == STEP_FAILED)
			return i;
	}
	return -1;
}

static void add_ref(const struct runner_run *run, int i, struct step_state *step)
{
	if (step->phase == STEP_SUCCEEDED && !step->ref && !remote_names_steps(run))
		step->ref = xasprintf("%s/%s", run->run_id, run->spec->steps[i].name);
}

static void explain(
	const struct runner_run *run, const char *why, int failed, struct run_state *state)
{
	if (failed >= 0) {
		run_state_blame_step(state, failed, run_state_step_name(state, run->spec, failed));
		return;
	}
	free(state->reason);
	free(state->message);
	state->reason = xstrdup("BackendFailed");
	state->message = xstrdup(why ? why : "the backend does not say why");
}

static enum run_phase phase_of(enum remote_phase phase)
{
	switch (phase) {
	case REMOTE_PENDING:
		return RUN_PENDING;
	case REMOTE_RUNNING:
		return RUN_RUNNING;
	case REMOTE_STOPPING:
		return RUN_CANCELLING;
	case REMOTE_SUCCEEDED:
		return RUN_SUCCEEDED;
	case REMOTE_FAILED:
		return RUN_FAILED;
	case REMOTE_CANCELLED:
		return RUN_CANCELLED;
	}
	return RUN_RUNNING;
}

void remote_conclude(const struct runner_run *run, enum remote_phase phase, const char *why,
	struct run_state *state)
{
	int failed = first_failed(state);

	if (phase == REMOTE_FAILED && run->cancelling)
		phase = REMOTE_CANCELLED;
	state->phase = phase_of(phase);
	if (!run_phase_final(state->phase)) {
		state->needs_cancel = run->cancelling && phase != REMOTE_STOPPING;
		if (run->cancelling)
			state->phase = RUN_CANCELLING;
	}
	for (int i = 0; i < state->steps_len; i++) {
		if (run_phase_final(state->phase))
			end_unreported(run, phase, failed >= 0, &state->steps[i]);
		add_ref(run, i, &state->steps[i]);
	}
	if (state->phase == RUN_FAILED)
		explain(run, why, failed, state);
}

void remote_lost(const struct runner_run *run, const char *where, struct run_state *state)
{
	auto_free char *why = xasprintf("the run is not at %s any more: somebody deleted it there; "
					"start a new run",
		where);

	remote_conclude(run, REMOTE_FAILED, why, state);
	if (state->phase == RUN_FAILED) {
		free(state->reason);
		free(state->message);
		state->reason = xstrdup("RunLost");
		state->message = take_ptr(why);
	}
}

void remote_first_look(const struct runner_run *run, bool settled, struct run_state *state)
{
	if (run->cancelling) {
		remote_conclude(run, REMOTE_CANCELLED, NULL, state);
	} else if (!settled) {
		free(take_ptr(state->backend_run_id));
		state->look_again_ms = DATA_AGAIN_MS;
	} else if (remote_names_steps(run) || !remote_all_hit(state)) {
		state->needs_submit = true;
	}
}

bool remote_open_look(const struct runner_run *run, const char *identity, struct run_state *state)
{
	bool settled;

	run_state_init(state, run->spec ? run->spec->steps_len : 0);
	state->backend_run_id = xstrdup(identity);
	if (!run->spec)
		return true;
	settled = remote_begin(run, remote_recorded(run, identity), state);
	if (remote_recorded(run, identity))
		return true;
	remote_first_look(run, settled, state);
	return false;
}

void remote_hand_over(const struct runner_run *run, int64_t min_ms, struct poll_plan *plan,
	struct run_state *state, struct run_state *ret_state)
{
	remote_pace(run, min_ms, state);
	if (state->look_again_ms)
		state->look_again_ms = poll_plan_take(plan, run->now_s, state->look_again_ms);
	run_state_clear(ret_state);
	*ret_state = *state;
	*state = (struct run_state){0};
}

int remote_refused(const struct diag_list *diags, struct err *err)
{
	auto_buf text = BUF_INIT;

	if (!diag_errors(diags))
		return 0;
	diag_format(diags, &text, REFUSED_MAX);
	return err_set(err, ERR_USER, "Refused", "%s", buf_str(&text));
}

static bool was_there(const struct runner_run *run)
{
	int named = run->names ? (int)run->names->len : 0;
	int len = remote_names_steps(run) ? named : run->spec->steps_len;

	for (int i = 0; i < len; i++) {
		enum step_phase phase = run->known[i].phase;

		if (phase != STEP_WAITING && phase != STEP_CACHED)
			return true;
	}
	return false;
}

int remote_absent(
	const struct runner_run *run, const char *where, struct run_state *state, struct err *err)
{
	if (!run->spec && !run->cancelling)
		return err_set(err, ERR_USER, "RunNotFound", "%s has no run %s (%s)", where,
			run->name, state->backend_run_id ? state->backend_run_id : "");
	if (was_there(run))
		remote_lost(run, where, state);
	else if (run->cancelling)
		remote_conclude(run, REMOTE_CANCELLED, NULL, state);
	else
		state->needs_submit = true;
	return 0;
}

void remote_mark_there(struct run_state *state)
{
	for (int i = 0; i < state->steps_len; i++) {
		if (state->steps[i].phase == STEP_WAITING)
			state->steps[i].phase = STEP_PENDING;
	}
}

void remote_pace(const struct runner_run *run, int64_t min_ms, struct run_state *state)
{
	int64_t since = 0;

	for (int i = 0; i < state->steps_len; i++) {
		int64_t start = state->steps[i].start_s;

		if (start && (!since || start < since))
			since = start;
	}
	if (!run_phase_final(state->phase) && !state->look_again_ms)
		state->look_again_ms = remote_poll_ms(since ? run->now_s - since : 0, min_ms);
}

/* --- documents --- */

bool remote_is_cached(const struct native_input *in, int step)
{
	return in->steps && in->steps[step].phase == STEP_CACHED;
}

char *remote_input_manifest(const struct native_input *in, int step)
{
	const struct frozen_spec *spec = in->spec;
	const struct spec_step *reader = &spec->steps[step];
	int from;

	if (reader->from_manifest)
		return argv_expand_text(spec, reader->from_manifest);
	if (reader->from_len == 0)
		return NULL;
	from = reader->from[0];
	if (remote_is_cached(in, from))
		return xasprintf("%s/%s/%s/manifest.json", spec->working_directory,
			spec->dataset_name, in->steps[from].ref);
	return argv_manifest_path(spec, spec->steps[from].name, in->run_id, 1);
}

/* --- names and times --- */

char *remote_uuid(const char *run_uid, char out[REMOTE_UUID_SIZE])
{
	char hex[DIGEST_HEX_SIZE];

	digest_sha256_parts(hex, "fondant.ai/FondantRun", run_uid, (char *)NULL);
	hex[12] = '8';                 /* the version */
	hex[16] = "89ab"[hex[16] & 3]; /* the variant */
	snprintf(out, REMOTE_UUID_SIZE, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12,
		hex + 16, hex + 20);
	return out;
}

int64_t remote_poll_ms(int64_t age_s, int64_t min_ms)
{
	int64_t ms = age_s * 1000 / POLL_SHARE;

	if (ms > POLL_MAX_MS)
		ms = POLL_MAX_MS;
	if (ms < min_ms)
		ms = min_ms;
	return ms - ms / 5 + (int64_t)rand_below((uint64_t)ms * 2 / 5 + 1);
}

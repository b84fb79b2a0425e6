#include "runners/runner.h"

#include <stdlib.h>
#include <string.h>
#include "base/buf.h"
#include "base/digest.h"
#include "base/mem.h"
#include "base/str.h"

#define NAME_MAX_LEN 63 /* of a step in a status */

static const char *const step_names[] = {
	[STEP_WAITING] = "Waiting",
	[STEP_PENDING] = "Pending",
	[STEP_QUEUED] = "Queued",
	[STEP_RUNNING] = "Running",
	[STEP_SUCCEEDED] = "Succeeded",
	[STEP_CACHED] = "Cached",
	[STEP_FAILED] = "Failed",
	[STEP_SKIPPED] = "Skipped",
	[STEP_CANCELLED] = "Cancelled",
};

static const char *const run_names[] = {
	[RUN_PENDING] = "Pending",
	[RUN_QUEUED] = "Queued",
	[RUN_RUNNING] = "Running",
	[RUN_CANCELLING] = "Cancelling",
	[RUN_SUCCEEDED] = "Succeeded",
	[RUN_FAILED] = "Failed",
	[RUN_CANCELLED] = "Cancelled",
};

static bool find_name(const char *const *names, size_t len, const char *name, size_t *ret_index)
{
	for (size_t i = 0; name && i < len; i++) {
		if (str_eq(names[i], name)) {
			*ret_index = i;
			return true;
		}
	}
	return false;
}

const char *step_phase_name(enum step_phase phase)
{
	return (size_t)phase < array_size(step_names) ? step_names[phase] : "Unknown";
}

bool step_phase_parse(const char *name, enum step_phase *ret_phase)
{
	size_t index;

	if (!find_name(step_names, array_size(step_names), name, &index))
		return false;
	*ret_phase = (enum step_phase)index;
	return true;
}

bool step_phase_final(enum step_phase phase)
{
	return phase >= STEP_SUCCEEDED;
}

const char *run_phase_name(enum run_phase phase)
{
	return (size_t)phase < array_size(run_names) ? run_names[phase] : "Unknown";
}

bool run_phase_parse(const char *name, enum run_phase *ret_phase)
{
	size_t index;

	if (!find_name(run_names, array_size(run_names), name, &index))
		return false;
	*ret_phase = (enum run_phase)index;
	return true;
}

bool run_phase_final(enum run_phase phase)
{
	return phase >= RUN_SUCCEEDED;
}

void step_state_clear(struct step_state *state)
{
	free(state->reason);
	free(state->message);
	free(state->external_kind);
	free(state->external_name);
	free(state->ref);
	*state = (struct step_state){.exit_code = -1};
}

static char *copy_string(const char *s)
{
	return s ? xstrdup(s) : NULL;
}

void step_state_copy(struct step_state *to, const struct step_state *from)
{
	struct step_state copy = *from;

	copy.reason = copy_string(from->reason);
	copy.message = copy_string(from->message);
	copy.external_kind = copy_string(from->external_kind);
	copy.external_name = copy_string(from->external_name);
	copy.ref = copy_string(from->ref);
	step_state_clear(to);
	*to = copy;
}

void run_state_init(struct run_state *state, int steps_len)
{
	*state = (struct run_state){.steps_len = steps_len};
	state->steps = xcalloc(steps_len > 0 ? (size_t)steps_len : 1, sizeof(*state->steps));
	for (int i = 0; i < steps_len; i++)
		state->steps[i].exit_code = -1;
}

void run_state_clear(struct run_state *state)
{
	for (int i = 0; i < state->steps_len; i++)
		step_state_clear(&state->steps[i]);
	free(state->steps);
	strvec_clear(&state->names);
	free(state->reason);
	free(state->message);
	free(state->backend_run_id);
	free(state->url);
	*state = (struct run_state){0};
}

const char *run_state_step_name(
	const struct run_state *state, const struct frozen_spec *spec, int step)
{
	return state->names.len ? state->names.items[step] : spec->steps[step].name;
}

/* At most NAME_MAX_LEN bytes, and UTF-8 where it was. Owned. */
static char *short_name(const char *name)
{
	size_t len = NAME_MAX_LEN - 9;
	char hex[DIGEST_HEX_SIZE];

	if (strlen(name) <= NAME_MAX_LEN)
		return xstrdup(name);
	while (len && (name[len] & 0xc0) == 0x80)
		len--;
	return xasprintf("%.*s-%.8s", (int)len, name, digest_sha256_hex(name, strlen(name), hex));
}

int run_state_named_step(struct run_state *state, const char *name)
{
	auto_free char *own = short_name(name);

	strvec_for_each (&state->names, i) {
		if (str_eq(state->names.items[i], own))
			return (int)i;
	}
	if (state->names.len == RUN_STATE_NAMES_MAX)
		return -1;
	strvec_take(&state->names, take_ptr(own));
	state->steps = xreallocarray(state->steps, state->names.len, sizeof(*state->steps));
	state->steps[state->steps_len] = (struct step_state){.exit_code = -1};
	return state->steps_len++;
}

char *step_state_describe(const char *reason, const char *message)
{
	size_t len = message ? strcspn(message, "\n") : 0;

	if (!len)
		return xstrdup(reason ? reason : "no reason given");
	if (!reason || str_eq(reason, "Error") || str_starts_with(message, reason))
		return xstrndup(message, len);
	return xasprintf("%s: %.*s", reason, (int)len, message);
}

void run_state_blame_step(struct run_state *state, int step, const char *name)
{
	const struct step_state *failed = &state->steps[step];
	auto_free char *what = step_state_describe(failed->reason, failed->message);
	struct buf text = BUF_INIT;
	int count = 0;

	for (int i = 0; i < state->steps_len; i++)
		count += state->steps[i].phase == STEP_FAILED;
	buf_addf(&text, "step \"%s\" failed: %s", name, what);
	if (count > 1)
		buf_addf(&text, " (and %d more)", count - 1);
	free(state->reason);
	free(state->message);
	state->reason = xstrdup("StepFailed");
	state->message = buf_take(&text);
}

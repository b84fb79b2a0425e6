#include "cli/drive.h"

#include <stdlib.h>
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"

#define PAUSE_MIN_MS 1000
#define PAUSE_MAX_MS 30000
#define SOON_MS 200   /* after something was started or stopped */
#define IDLE_MS 30000 /* where only changes matter */

static void look(struct drive *drive);

static void timer_fired(struct loop_timer *timer)
{
	look(container_of(timer, struct drive, timer));
}

static void look_in(struct drive *drive, int64_t ms)
{
	if (drive->woken)
		ms = 0;
	drive->woken = false;
	loop_timer_set(drive->loop, &drive->timer, ms, timer_fired);
}

static void call(struct drive *drive, void (*done)(struct runner_op *op))
{
	err_clear(&drive->op.err);
	drive->op = (struct runner_op){.done = done, .step = -1};
	drive->busy = true;
}

static struct drive *drive_of(struct runner_op *op)
{
	struct drive *drive = container_of(op, struct drive, op);

	drive->busy = false;
	return drive;
}

static void end(struct drive *drive, enum run_phase phase)
{
	drive->over = true;
	drive->phase = phase;
	loop_timer_del(&drive->timer);
	drive->ended(drive);
}

/* --- what does not work --- */

static void again_later(struct drive *drive)
{
	drive->pause_ms = drive->pause_ms ? drive->pause_ms * 2 : PAUSE_MIN_MS;
	if (drive->pause_ms > PAUSE_MAX_MS)
		drive->pause_ms = PAUSE_MAX_MS;
	drive->trouble(drive, &drive->op.err);
	look_in(drive, drive->pause_ms);
}

static void failed(struct drive *drive)
{
	if (drive->op.err.class == ERR_TRANSIENT) {
		again_later(drive);
		return;
	}
	err_move(&drive->err, &drive->op.err);
	end(drive, RUN_FAILED);
}

/* The backend will never take the step. */
static void refuse_step(struct drive *drive)
{
	free(drive->refused[drive->op.step]);
	drive->refused[drive->op.step] = xstrdup(err_message(&drive->op.err));
	look_in(drive, 0);
}

static void apply_refusals(struct drive *drive)
{
	for (int i = 0; i < drive->steps_len; i++) {
		struct step_state *step = &drive->known[i];

		if (!drive->refused[i] || step_phase_final(step->phase))
			continue;
		step_state_clear(step);
		step->phase = STEP_FAILED;
		step->end_s = drive->run.now_s;
		step->reason = xstrdup("Refused");
		step->message = xstrdup(drive->refused[i]);
	}
}

/* --- the cycle --- */

static void acted(struct runner_op *op)
{
	struct drive *drive = drive_of(op);

	if (op->result == 0) {
		drive->pause_ms = 0;
		look_in(drive, SOON_MS);
	} else if (op->err.class == ERR_USER && op->step >= 0) {
		refuse_step(drive);
	} else {
		failed(drive);
	}
}

/* Room for steps that only the backend knows. */
static void grow(struct drive *drive)
{
	int len = drive->state.steps_len;

	if (len <= drive->steps_len)
		return;
	drive->known = xreallocarray(drive->known, (size_t)len, sizeof(*drive->known));
	drive->refused = xreallocarray(drive->refused, (size_t)len, sizeof(*drive->refused));
	for (int i = drive->steps_len; i < len; i++) {
		drive->known[i] = (struct step_state){.exit_code = -1};
		drive->refused[i] = NULL;
	}
	drive->steps_len = len;
}

static void remember(struct drive *drive)
{
	const struct strvec *names = &drive->state.names;

	grow(drive);
	drive->run.known = drive->known;
	for (int i = 0; i < drive->state.steps_len; i++)
		step_state_copy(&drive->known[i], &drive->state.steps[i]);
	for (size_t i = drive->names.len; i < names->len; i++)
		strvec_add(&drive->names, names->items[i]);
}

static void conclude(struct drive *drive)
{
	free(drive->message);
	drive->message = drive->state.message ? xstrdup(drive->state.message) : NULL;
	end(drive, drive->state.phase);
}

static void act(struct drive *drive)
{
	const char *identity = drive->state.backend_run_id;

	if (run_phase_final(drive->state.phase)) {
		conclude(drive);
	} else if (drive->state.needs_cancel) {
		call(drive, acted);
		drive->runner->cancel(drive->backend, &drive->run, &drive->op);
	} else if (!drive->state.needs_submit) {
		look_in(drive, drive->state.look_again_ms ? drive->state.look_again_ms : IDLE_MS);
	} else if (identity && !str_eq(identity, drive->identity)) {
		free(drive->identity);
		drive->identity = xstrdup(identity);
		look_in(drive, 0);
	} else {
		call(drive, acted);
		drive->runner->submit(drive->backend, &drive->run, &drive->op);
	}
}

static void observed(struct runner_op *op)
{
	struct drive *drive = drive_of(op);

	if (op->result < 0) {
		failed(drive);
		return;
	}
	drive->pause_ms = 0;
	remember(drive);
	drive->show(drive, &drive->state);
	act(drive);
}

static void look(struct drive *drive)
{
	if (drive->busy) {
		drive->woken = true;
		return;
	}
	drive->run.now_s = time_wall_ms() / 1000;
	drive->run.backend_run_id = drive->identity;
	drive->run.known = drive->known;
	drive->run.names = drive->run.spec->native ? &drive->names : NULL;
	apply_refusals(drive);
	run_state_clear(&drive->state);
	run_state_init(&drive->state, drive->run.spec->steps_len);
	call(drive, observed);
	drive->runner->observe(drive->backend, &drive->run, &drive->state, &drive->op);
}

void drive_start(struct drive *drive)
{
	size_t steps = (size_t)drive->run.spec->steps_len + 1;

	drive->steps_len = drive->run.spec->steps_len;
	drive->known = xcalloc(steps, sizeof(*drive->known));
	drive->refused = xcalloc(steps, sizeof(*drive->refused));
	for (int i = 0; i < drive->run.spec->steps_len; i++)
		drive->known[i].exit_code = -1;
	look_in(drive, 0);
}

void drive_wake(struct drive *drive)
{
	if (drive->over)
		return;
	drive->woken = true;
	if (!drive->busy)
		look_in(drive, 0);
}

void drive_cancel(struct drive *drive)
{
	drive->run.cancelling = true;
	drive_wake(drive);
}

void drive_release(struct drive *drive)
{
	if (drive->busy)
		drive->runner->op_cancel(drive->backend, &drive->op);
	loop_timer_del(&drive->timer);
	for (int i = 0; drive->known && i < drive->steps_len; i++) {
		step_state_clear(&drive->known[i]);
		free(drive->refused[i]);
	}
	free(drive->known);
	free(drive->refused);
	strvec_clear(&drive->names);
	run_state_clear(&drive->state);
	err_clear(&drive->op.err);
	err_clear(&drive->err);
	free(drive->identity);
	free(drive->message);
	*drive = (struct drive){0};
}

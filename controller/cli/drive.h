/*
 * One run, driven to its end through a runner without a cluster: what reconcile/ does by passes and
 * a status, in memory. The steps' known states are those of the last look; the identity that a
 * whole-pipeline backend says is recorded before anything is submitted.
 *
 *   look -> (record | submit | cancel) -> look ... -> ended
 *
 * What may pass (no connection, an engine that restarts) is told once and tried again, after 1 s,
 * doubled up to 30 s.
 */
#ifndef CLI_DRIVE_H
#define CLI_DRIVE_H

#include "runners/runner.h"

struct drive {
	/* --- set by the owner; borrowed until ended --- */
	struct loop *loop;
	const struct runner *runner;
	void *backend;
	struct runner_run run; /* spec, names, secrets, pull; known and the rest are drive's */
	/* After each look; state is valid in the call. */
	void (*show)(struct drive *drive, const struct run_state *state);
	/* Something did not work and will be tried again. */
	void (*trouble)(struct drive *drive, const struct err *err);
	/* Once, from the loop. */
	void (*ended)(struct drive *drive);

	/* --- results --- */
	struct step_state *known; /* the steps as they were last seen, steps_len of them; owned */
	int steps_len;
	struct strvec names; /* of steps that only the backend knows; else empty: the spec's */
	enum run_phase phase;
	char *message;  /* why it failed; NULL */
	struct err err; /* the backend can do nothing for us: class user */

	/* --- private --- */
	struct run_state state;
	struct runner_op op;
	struct loop_timer timer;
	char *identity;
	char **refused; /* per step */
	int64_t pause_ms;
	bool busy, woken, over;
};

void drive_start(struct drive *drive);
/* Look soon: something has changed. */
void drive_wake(struct drive *drive);
/* Stop what runs; the end comes as ended. */
void drive_cancel(struct drive *drive);
/* Gives up, whatever is under way; ended will not run. */
void drive_release(struct drive *drive);

#endif

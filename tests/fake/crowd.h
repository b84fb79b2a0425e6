/*
 * Many runs on one backend at once, each driven by cli/drive.h with a frozen spec of its own, by a
 * clock that is moved (tests/fake/clock.h).
 */
#ifndef TESTS_FAKE_CROWD_H
#define TESTS_FAKE_CROWD_H

#include <jansson.h>
#include "cli/drive.h"
#include "net/dockerconfig.h"
#include "runners/runner.h"

struct crowd_run {
	struct crowd *crowd;
	struct drive drive;
	struct frozen_spec *spec;
	char *name, *uid, *run_id;
	bool ended;
};

struct crowd {
	struct loop *loop;
	const struct runner *runner;
	void *backend;
	struct registry_auth_list pull;
	struct crowd_run *runs;
	int len, ended, succeeded, troubles;
};

/* Begins `len` runs of the frozen spec, all at the same time. Zeroed before. */
void crowd_start(struct crowd *crowd, struct loop *loop, const struct runner *runner,
	const json_t *settings, const char *spec, size_t spec_len, int len);
/* The loop is turned, and the clock moves on by ms. */
void crowd_turn(struct crowd *crowd, int64_t ms);
void crowd_stop(struct crowd *crowd);

#endif

#include "tests/fake/crowd.h"

#include <stdlib.h>
#include "base/mem.h"
#include "tests/fake/clock.h"

#define TURNS 6 /* from a timer to the end of the request that it began */

static void shown(struct drive *drive, const struct run_state *state)
{
	(void)drive;
	(void)state;
}

static void troubled(struct drive *drive, const struct err *err)
{
	(void)err;
	container_of(drive, struct crowd_run, drive)->crowd->troubles++;
}

static void over(struct drive *drive)
{
	struct crowd_run *run = container_of(drive, struct crowd_run, drive);

	run->ended = true;
	run->crowd->ended++;
	run->crowd->succeeded += drive->phase == RUN_SUCCEEDED;
}

static void start_run(struct crowd *crowd, int i, const char *spec, size_t spec_len)
{
	struct crowd_run *run = &crowd->runs[i];

	run->crowd = crowd;
	run->name = xasprintf("p-%d", i);
	run->uid = xasprintf("11111111-1111-4111-8111-%012d", i);
	run->run_id = xasprintf("%s-11111111", run->name);
	if (frozen_spec_parse(spec, spec_len, &run->spec, NULL) < 0)
		abort(); /* the caller's mistake */
	frozen_spec_bind(run->spec, run->name, FAKE_CLOCK_WALL);
	run->drive = (struct drive){.loop = crowd->loop,
		.runner = crowd->runner,
		.backend = crowd->backend,
		.run = {.spec = run->spec,
			.namespace_ = "data",
			.pipeline = "p",
			.name = run->name,
			.uid = run->uid,
			.run_id = run->run_id,
			.pull = &crowd->pull},
		.show = shown,
		.trouble = troubled,
		.ended = over};
	drive_start(&run->drive);
}

void crowd_start(struct crowd *crowd, struct loop *loop, const struct runner *runner,
	const json_t *settings, const char *spec, size_t spec_len, int len)
{
	struct runner_env env = {.loop = loop};
	struct runner_settings how = {.spec = settings, .local_endpoints = true};

	crowd->loop = loop;
	crowd->runner = runner;
	if (runner->open(&env, &how, &crowd->backend, NULL) < 0)
		abort(); /* likewise */
	crowd->runs = xcalloc((size_t)len, sizeof(*crowd->runs));
	crowd->len = len;
	for (int i = 0; i < len; i++)
		start_run(crowd, i, spec, spec_len);
}

void crowd_turn(struct crowd *crowd, int64_t ms)
{
	for (int i = 0; i < TURNS; i++)
		loop_turn(crowd->loop, 0);
	fake_clock_advance(ms);
}

void crowd_stop(struct crowd *crowd)
{
	for (int i = 0; i < crowd->len; i++) {
		struct crowd_run *run = &crowd->runs[i];

		drive_release(&run->drive);
		frozen_spec_free(run->spec);
		free(run->name);
		free(run->uid);
		free(run->run_id);
	}
	free(crowd->runs);
	crowd->runner->close(crowd->backend);
	*crowd = (struct crowd){0};
}

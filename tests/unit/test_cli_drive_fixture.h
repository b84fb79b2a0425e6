/*
 * One run driven through cli/drive.h on a fake backend, by a clock that the test moves, and the
 * program killed and begun again in between.
 */
#ifndef TEST_CLI_DRIVE_FIXTURE_H
#define TEST_CLI_DRIVE_FIXTURE_H

#include <time.h>
#include "tests/fake/clock.h"

int clock_gettime(clockid_t id, struct timespec *ts);
int clock_gettime(clockid_t id, struct timespec *ts)
{
	return fake_clock_read(id, ts);
}

#include "test_compiler_fixture.h"

#include <stdlib.h>
#include "base/str.h"
#include "cli/drive.h"
#include "compiler/spec.h"
#include "doc/path.h"
#include "net/dockerconfig.h"

#define RUN_UID "11111111-1111-4111-8111-111111111111"
#define RUN_ID "p-1-11111111"
#define TURN_MS 20
#define LONGEST_MS (INT64_C(60) * 60 * 1000)

struct drive_fixture {
	struct loop *loop;
	const struct runner *runner;
	struct frozen_spec *spec;
	json_t *settings, *secrets, *credentials;
	const int *asked; /* requests that the fake has seen */
	bool ambient;
	void *backend;
	struct drive drive;
	struct registry_auth_list pull;
	bool ended;
	int kill_at; /* the request after which the program is killed */
	int troubles;
	char *trouble; /* the last */
};

static struct frozen_spec *freeze(const struct runner *runner, const char *text)
{
	auto_json *tree = yaml(text);
	struct compile_input in = {.namespace_ = "data",
		.pipeline = "p",
		.spec = tree,
		.backend = runner->name,
		.features = runner->features};
	struct frozen_spec *spec = NULL;
	struct compile_output out;

	if (compile_pipeline(&in, &out) != 0) {
		print_diags(&out.diags);
		fail_msg("should compile");
	}
	assert_int_equal(frozen_spec_parse(out.text, out.text_len, &spec, NULL), 0);
	frozen_spec_bind(spec, "p-1", FAKE_CLOCK_WALL);
	compile_output_clear(&out);
	return spec;
}

static void drive_shown(struct drive *drive, const struct run_state *state)
{
	(void)drive;
	(void)state;
}

static void drive_troubled(struct drive *drive, const struct err *err)
{
	struct drive_fixture *f = container_of(drive, struct drive_fixture, drive);

	f->troubles++;
	free(f->trouble);
	f->trouble = xstrdup(err_message(err));
}

static void drive_over(struct drive *drive)
{
	container_of(drive, struct drive_fixture, drive)->ended = true;
}

static void drive_waked(void *arg, const char *namespace_, const char *run)
{
	struct drive_fixture *f = arg;

	assert_string_equal(namespace_, "data");
	if (str_eq(run, "p-1"))
		drive_wake(&f->drive);
}

static void begin(struct drive_fixture *f)
{
	struct runner_env env = {.loop = f->loop, .wake = drive_waked, .wake_arg = f};
	struct runner_settings settings = {.spec = f->settings,
		.credentials = f->credentials,
		.ambient = f->ambient,
		.local_endpoints = true};

	assert_int_equal(f->runner->open(&env, &settings, &f->backend, NULL), 0);
	f->drive = (struct drive){.loop = f->loop,
		.runner = f->runner,
		.backend = f->backend,
		.run = {.spec = f->spec,
			.namespace_ = "data",
			.pipeline = "p",
			.name = "p-1",
			.uid = RUN_UID,
			.run_id = RUN_ID,
			.secrets = f->secrets,
			.pull = &f->pull},
		.show = drive_shown,
		.trouble = drive_troubled,
		.ended = drive_over};
	drive_start(&f->drive);
}

static void end(struct drive_fixture *f)
{
	drive_release(&f->drive);
	if (f->backend)
		f->runner->close(f->backend);
	f->backend = NULL;
}

static void turn(struct drive_fixture *f)
{
	for (int i = 0; i < 4; i++)
		loop_turn(f->loop, 0);
	if (f->kill_at && !f->ended && *f->asked >= f->kill_at) {
		f->kill_at = 0;
		end(f);
		begin(f);
	}
	fake_clock_advance(TURN_MS);
}

static void to_the_end(struct drive_fixture *f)
{
	for (int64_t ms = 0; !f->ended; ms += TURN_MS) {
		if (ms > LONGEST_MS)
			fail_msg("the run does not end; last trouble: %s", f->trouble);
		turn(f);
	}
}

static void assert_step(const struct drive_fixture *f, int step, enum step_phase phase)
{
	assert_string_equal(step_phase_name(f->drive.known[step].phase), step_phase_name(phase));
}

/* Before what the fake needs of it. */
static void drive_fixture_init(
	struct drive_fixture *f, const struct runner *runner, const char *text)
{
	fake_clock_start();
	assert_int_equal(loop_new(&f->loop, NULL), 0);
	f->runner = runner;
	f->spec = freeze(runner, text);
}

/* After end() and the fake's own end. */
static void drive_fixture_clear(struct drive_fixture *f)
{
	frozen_spec_free(f->spec);
	registry_auth_clear(&f->pull);
	json_decref(f->settings);
	json_decref(f->secrets);
	json_decref(f->credentials);
	loop_free(f->loop);
	free(f->trouble);
}

static void take_text(struct runner_logs *logs, const char *text, size_t len)
{
	buf_add(logs->arg, text, len);
}

static void logs_read(struct runner_op *op)
{
	op->done = NULL;
}

/* What `logs` says of a step of the run; op->err is to be cleared where it fails. */
__attribute__((unused)) static void read_logs(struct drive_fixture *f, struct runner_logs logs,
	struct runner_op *op, struct buf *ret_text)
{
	*op = (struct runner_op){.done = logs_read};
	logs.data = take_text;
	logs.arg = ret_text;
	f->runner->logs(f->backend, &f->drive.run, &logs, op);
	while (op->done)
		turn(f);
}

#endif

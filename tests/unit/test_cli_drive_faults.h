/*
 * A run on a fake backend with one fault, at each of its requests in turn. Included by a test that
 * has defined `struct fixture`, with a drive_fixture `d` and a `fake` that has asked, fault,
 * fault_at, hostile and hostile_status; setup and teardown; MIN_REQUESTS and MAX_REQUESTS, of a
 * run; and
 *
 *   static void assert_once(const struct fixture *f);    the run is there, and once
 *   static void assert_no_more(const struct fixture *f); once or not at all
 */
#ifndef TEST_CLI_DRIVE_FAULTS_H
#define TEST_CLI_DRIVE_FAULTS_H

#include "tests/fake/fault.h"

/* One that went well; for teardown. */
static struct fixture *run_that_ended(void **ret_state)
{
	struct fixture *f;

	setup(ret_state);
	f = *ret_state;
	begin(&f->d);
	to_the_end(&f->d);
	return f;
}

static int requests_of_a_run(void)
{
	void *state;
	int asked = run_that_ended(&state)->fake.asked;

	teardown(&state);
	assert_in_range(asked, MIN_REQUESTS, MAX_REQUESTS);
	return asked;
}

struct fault {
	enum fake_fault fault;
	const char *hostile;
	int status;
	bool kill;                          /* the program, after that request */
	void (*prepare)(struct fixture *f); /* NULL: nothing */
};

/* However it went, it ends, and was submitted once. */
static void a_run_with_a_fault(void **state)
{
	const struct fault *fault = *state;
	int requests = requests_of_a_run();

	for (int at = 1; at <= requests; at++) {
		struct fixture *f;
		void *one;

		setup(&one);
		f = one;
		f->fake.fault = fault->fault;
		f->fake.fault_at = fault->fault == FAKE_WELL ? 0 : at;
		f->fake.hostile = fault->hostile;
		f->fake.hostile_status = fault->status;
		f->d.kill_at = fault->kill ? at : 0;
		if (fault->prepare)
			fault->prepare(f);
		begin(&f->d);
		to_the_end(&f->d);
		if (f->d.drive.phase != RUN_SUCCEEDED)
			fail_msg("request %d: %s %s", at, run_phase_name(f->d.drive.phase),
				f->d.drive.message ? f->d.drive.message
						   : err_message(&f->d.drive.err));
		assert_once(f);
		teardown(&one);
	}
}

#define FAULT(title, ...)                                              \
	{                                                              \
		title, a_run_with_a_fault, NULL, NULL, &(struct fault) \
		{                                                      \
			__VA_ARGS__                                    \
		}                                                      \
	}

/* Of every backend. */
/* clang-format off */
#define FAULTS                                                                                   \
	FAULT("lost requests", .fault = FAKE_LOSE_REQUEST),                                      \
	FAULT("lost answers", .fault = FAKE_LOSE_ANSWER),                                        \
	FAULT("killed after any request", .fault = FAKE_WELL, .kill = true),                     \
	FAULT("killed as an answer is lost", .fault = FAKE_LOSE_ANSWER, .kill = true),           \
	FAULT("a proxy's page", .fault = FAKE_BODY, .hostile = "<html><body>down</body></html>"),\
	FAULT("cut JSON", .fault = FAKE_BODY, .hostile = "{\"name\": "),                         \
	FAULT("nothing", .fault = FAKE_BODY, .hostile = ""),                                     \
	FAULT("unavailable", .fault = FAKE_STATUS, .hostile = "upstream", .status = 503)
/* clang-format on */

/* What has the form of an answer and is none: no end of the program, and nothing twice. */
static void with_odd_answers(const char *const *answers, size_t answers_len)
{
	int requests = requests_of_a_run();

	for (size_t i = 0; i < answers_len; i++) {
		for (int at = 1; at <= requests; at++) {
			struct fixture *f;
			void *one;

			setup(&one);
			f = one;
			f->fake.fault = FAKE_BODY;
			f->fake.fault_at = at;
			f->fake.hostile = answers[i];
			begin(&f->d);
			for (int64_t ms = 0; !f->d.ended && ms < LONGEST_MS; ms += TURN_MS)
				turn(&f->d);
			assert_no_more(f);
			teardown(&one);
		}
	}
}

#endif

/* Many runs on one backend: what they ask of it, each second and in all. */
#include <time.h>
#include "tests/fake/clock.h"

int clock_gettime(clockid_t id, struct timespec *ts);
int clock_gettime(clockid_t id, struct timespec *ts)
{
	return fake_clock_read(id, ts);
}

#include "test_compiler_fixture.h"

#include <stdlib.h>

#include "runners/api_gate.h"
#include "runners/poll_plan.h"
#include "tests/fake/crowd.h"
#include "tests/fake/kubeflow.h"

#define RUNS 200
#define TURN_CROWD_MS 50
#define LASTS_S 1800

#define PIPELINE                                                                    \
	"workingDirectory: s3://lake/fondant\n"                                     \
	"steps:\n"                                                                  \
	"- name: load\n"                                                            \
	"  component: {spec: {name: L, description: d, image: 'reg.example/l:1',\n" \
	"    produces: {a: {type: string}}}}\n"

struct fixture {
	struct loop *loop;
	struct fake_kubeflow fake;
	struct crowd crowd;
};

static int setup(void **state)
{
	struct fixture *f = xnew(struct fixture);
	auto_json *settings = NULL;
	auto_json *tree = yaml(PIPELINE);
	struct compile_input in = {.namespace_ = "data",
		.pipeline = "p",
		.spec = tree,
		.backend = "kubeflow",
		.features = runner_kubeflow.features};
	struct compile_output out;

	fake_clock_start();
	assert_int_equal(loop_new(&f->loop, NULL), 0);
	fake_kubeflow_start(&f->fake, f->loop);
	settings = json_pack("{s:s}", "endpoint", f->fake.server.url);
	assert_int_equal(compile_pipeline(&in, &out), 0);
	crowd_start(&f->crowd, f->loop, &runner_kubeflow, settings, out.text, out.text_len, RUNS);
	compile_output_clear(&out);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	crowd_stop(&f->crowd);
	fake_kubeflow_stop(&f->fake);
	loop_free(f->loop);
	free(f);
	return 0;
}

#define WINDOW_S 10
/* What the gate lets through in that time. */
#define WINDOW_MAX (WINDOW_S * 1000 / API_GATE_GAP_MS + API_GATE_BURST)

static void they_do_not_storm_it(void **state)
{
	struct fixture *f = *state;
	int most = 0, before = 0;

	for (int second = 0; f->crowd.ended < RUNS; second += WINDOW_S) {
		assert_in_range(second, 0, 4 * LASTS_S);
		f->fake.hangs = second < LASTS_S;
		for (int ms = 0; ms < WINDOW_S * 1000; ms += TURN_CROWD_MS)
			crowd_turn(&f->crowd, TURN_CROWD_MS);
		if (f->fake.asked - before > most)
			most = f->fake.asked - before;
		before = f->fake.asked;
	}
	assert_int_equal(f->crowd.succeeded, RUNS);
	assert_int_equal(f->fake.posts, RUNS);
	assert_int_equal(f->crowd.troubles, 0);
	assert_in_range(most, 1, WINDOW_MAX);
	/* three to begin with, then its share of the looks while they last and a few to end */
	assert_in_range(f->fake.asked / RUNS, 4, 3 + LASTS_S * POLL_PLAN_LOOKS / RUNS + 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(they_do_not_storm_it, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

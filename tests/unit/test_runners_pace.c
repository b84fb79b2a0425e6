/* What many runs ask of one backend: the rate of calls, and when each run is looked at again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include "base/mem.h"
#include "runners/api_gate.h"
#include "runners/poll_plan.h"

#define NOW_MS INT64_C(100000000)
#define NOW_S INT64_C(1795000000)

static void a_burst_then_a_steady_rate(void **state)
{
	struct api_gate gate = {0};

	(void)state;
	for (int i = 0; i < API_GATE_BURST; i++)
		assert_int_equal(api_gate_take(&gate, NOW_MS), 0);
	for (int i = 1; i <= 1000; i++)
		assert_int_equal(api_gate_take(&gate, NOW_MS), i * API_GATE_GAP_MS);
}

static void it_saves_up_no_more_than_a_burst(void **state)
{
	struct api_gate gate = {0};
	int now = 0;

	(void)state;
	api_gate_take(&gate, NOW_MS);
	while (api_gate_take(&gate, NOW_MS + 3600000) == 0)
		now++;
	assert_int_equal(now, API_GATE_BURST);
}

static void a_hold_is_for_all(void **state)
{
	struct api_gate gate = {0};

	(void)state;
	api_gate_hold(&gate, NOW_MS, 5000);
	assert_int_equal(api_gate_take(&gate, NOW_MS), 5000 + API_GATE_GAP_MS);
	api_gate_hold(&gate, NOW_MS, 1000); /* the longer one counts */
	assert_int_equal(api_gate_take(&gate, NOW_MS), 5000 + 2 * API_GATE_GAP_MS);
	assert_int_equal(api_gate_take(&gate, NOW_MS + 60000), 0);
}

static void few_runs_are_looked_at_when_they_want(void **state)
{
	struct poll_plan plan = {0};

	(void)state;
	for (int i = 0; i < 600; i++)
		assert_int_equal(poll_plan_take(&plan, NOW_S + i, 5250), 5250);
}

/* A thousand runs, each looked at as soon as its time has come. */
static void a_thousand_runs_share_the_seconds(void **state)
{
	struct poll_plan plan = {0};
	static int64_t due_ms[1000];
	static int looks[1000];
	int most = 0, least = 1000;

	(void)state;
	for (int64_t second = 0; second < 3600; second++) {
		int asked = 0;

		for (int i = 0; i < 1000; i++) {
			if (second && due_ms[i] >= (second + 1) * 1000)
				continue;
			asked++;
			looks[i] += second > 0;
			due_ms[i] = second * 1000 + poll_plan_take(&plan, NOW_S + second, 5000);
		}
		if (second)
			assert_in_range(asked, 0, POLL_PLAN_LOOKS);
	}
	for (int i = 0; i < 1000; i++) {
		most = looks[i] > most ? looks[i] : most;
		least = looks[i] < least ? looks[i] : least;
	}
	assert_in_range(least, 3600 * POLL_PLAN_LOOKS / 1000 - 2, 3600);
	assert_in_range(most, least, least + 2);
}

static void a_full_plan_and_odd_clocks(void **state)
{
	struct poll_plan plan = {0};

	(void)state;
	for (int i = 0; i < 100000; i++)
		assert_in_range(poll_plan_take(&plan, NOW_S, 1000), 1000, POLL_PLAN_SECONDS * 1000);
	assert_int_equal(poll_plan_take(&plan, NOW_S - 86400, 1000), 1000); /* set back */
	assert_int_equal(poll_plan_take(&plan, NOW_S + 86400, 1000), 1000); /* suspended */
	assert_int_equal(poll_plan_take(&plan, NOW_S + 86400, INT64_C(86400000)), 86400000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_burst_then_a_steady_rate),
		cmocka_unit_test(it_saves_up_no_more_than_a_burst),
		cmocka_unit_test(a_hold_is_for_all),
		cmocka_unit_test(few_runs_are_looked_at_when_they_want),
		cmocka_unit_test(a_thousand_runs_share_the_seconds),
		cmocka_unit_test(a_full_plan_and_odd_clocks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Many settled pipelines and runs: a new process looks at all of them, writes nothing and rests.
 * SCALE=N changes their number. Figures are comments.
 */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/mem.h"
#include "base/str.h"
#include "tests/fake/world.h"

#ifdef __SANITIZE_ADDRESS__
#define MANY 20
#else
#define MANY 100
#endif

int clock_gettime(clockid_t id, struct timespec *ts)
{
	return fake_clock_read(id, ts);
}

static size_t many;

static bool all_succeeded(struct world *w)
{
	static int turns;

	return ++turns % 500 == 0 && world_runs(w, "Succeeded") == many;
}

static bool at_rest(struct world *w)
{
	return controller_synced(w->controller) && controller_idle(w->controller);
}

static size_t in_use(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

static void apply_one(struct world *w, size_t i)
{
	auto_free char *name = xasprintf("pipeline-%05zu", i);
	struct world_pipeline p = {.name = name, .load = 1, .a = 1, .b = 1, .c = 1};

	world_apply(w, &p);
}

static void thousands_at_rest_cost_nothing(void **state)
{
	struct world w = {.pod_ms = 10};
	int64_t size, began, settled_ms;
	size_t writes, used;

	(void)state;
	many = str_to_int64(getenv("SCALE"), &size) && size > 0 ? (size_t)size : MANY;
	world_open(&w);
	began = fake_clock_real_ms();
	for (size_t i = 0; i < many; i++)
		apply_one(&w, i);
	world_until(&w, all_succeeded, 3600000);
	world_pass(&w, 10000);
	print_message("# %zu pipelines of 4 steps ran in %lld ms: %zu writes\n", many,
		(long long)(fake_clock_real_ms() - began), w.counts.writes);
	assert_null(w.breach);

	world_kill(&w);
	world_pass(&w, 1000);
	writes = w.counts.writes;
	began = fake_clock_real_ms();
	world_start(&w);
	world_until(&w, at_rest, 600000);
	settled_ms = fake_clock_real_ms() - began;
	assert_int_equal(world_writes_in(&w, 600000), 0);
	assert_int_equal(w.counts.writes, writes);
	used = in_use();
	world_kill(&w);
	used -= in_use();
	print_message("# a new process: at rest after %lld ms; it holds %zu bytes for each "
		      "pipeline (with its run, 4 Jobs, 4 pods and 2 ConfigMaps)\n",
		(long long)settled_ms, used / many);
	world_start(&w);
	assert_null(w.breach);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(thousands_at_rest_cost_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

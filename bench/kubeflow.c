/*
 * kubeflow [RUNS] [SECONDS] < FROZEN: so many runs of a frozen spec at once on a stand-in for a
 * Kubeflow Pipelines server, by a clock that is moved; each of them lasts so long. Prints one line
 * of JSON: requests of a run, the most requests of all in ten seconds, bytes of memory of a run
 * while they last (frozen spec, state and connections; the stand-in's own are taken off), and
 * seconds of CPU for all of it.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/str.h"
#include "runners/runner.h"
#include "tests/fake/clock.h"
#include "tests/fake/crowd.h"
#include "tests/fake/kubeflow.h"

int clock_gettime(clockid_t id, struct timespec *ts);
int clock_gettime(clockid_t id, struct timespec *ts)
{
	return fake_clock_read(id, ts);
}

#define TURN_MS 50
#define WINDOW_S 10
#define MAX_TEXT ((size_t)4 << 20)

static size_t in_use(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

/* What the stand-in keeps of the runs, which is not ours. */
static size_t bytes_of_fake(struct fake_kubeflow *fake)
{
	size_t before = in_use();
	json_t *copy = json_deep_copy(fake->runs);
	size_t bytes = in_use() - before;

	json_decref(copy);
	return bytes;
}

static int number(const char *text, int otherwise)
{
	int64_t value;

	return text && str_to_int64(text, &value) && value > 0 && value < 100000 ? (int)value
										 : otherwise;
}

int main(int argc, char **argv)
{
	int runs = number(argc > 1 ? argv[1] : NULL, 500);
	int lasts_s = number(argc > 2 ? argv[2] : NULL, 3600);
	int most = 0, before = 0;
	struct buf text = BUF_INIT_MAX(MAX_TEXT);
	struct fake_kubeflow fake = {.hangs = true};
	struct crowd crowd = {0};
	size_t empty, n, bytes = 0;
	char piece[65536];
	struct loop *loop;
	json_t *settings;
	clock_t begin;

	while ((n = fread(piece, 1, sizeof(piece), stdin)) > 0)
		buf_add(&text, piece, n);
	fake_clock_start();
	if (runs < 1 || loop_new(&loop, NULL) < 0)
		return 1;
	fake_kubeflow_start(&fake, loop);
	settings = json_pack("{s:s}", "endpoint", fake.server.url);
	empty = in_use();
	begin = clock();
	crowd_start(&crowd, loop, &runner_kubeflow, settings, buf_str(&text), text.len, runs);
	for (int second = 0; crowd.ended < runs; second += WINDOW_S) {
		fake.hangs = second < lasts_s;
		for (int ms = 0; ms < WINDOW_S * 1000; ms += TURN_MS)
			crowd_turn(&crowd, TURN_MS);
		most = fake.asked - before > most ? fake.asked - before : most;
		before = fake.asked;
		if (second <= lasts_s / 2 && second + WINDOW_S > lasts_s / 2)
			bytes = in_use() - empty - bytes_of_fake(&fake);
	}
	printf("{\"runs\": %d, \"succeeded\": %d, \"posts\": %d, \"requests\": %.2f, \"most\": %d, "
	       "\"bytes\": %zu, \"cpu_s\": %.3f}\n",
		runs, crowd.succeeded, fake.posts, (double)fake.asked / runs, most,
		bytes / (size_t)runs, (double)(clock() - begin) / CLOCKS_PER_SEC);
	crowd_stop(&crowd);
	fake_kubeflow_stop(&fake);
	json_decref(settings);
	buf_free(&text);
	loop_free(loop);
	return 0;
}

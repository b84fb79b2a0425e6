#include "tests/fake/clock.h"

#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool started;
static int64_t elapsed_ms;      /* since the first start: the monotonic clock never goes back */
static int64_t wall_elapsed_ms; /* since the latest start */
static struct timespec mono_start;

static int real_time(clockid_t id, struct timespec *ts)
{
	return (int)syscall(SYS_clock_gettime, id, ts);
}

int64_t fake_clock_real_ms(void)
{
	struct timespec ts = {0};

	real_time(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void fake_clock_start(void)
{
	if (!started)
		real_time(CLOCK_MONOTONIC, &mono_start);
	started = true;
	wall_elapsed_ms = 0;
}

void fake_clock_advance(int64_t ms)
{
	elapsed_ms += ms;
	wall_elapsed_ms += ms;
}

int fake_clock_read(clockid_t id, struct timespec *ts)
{
	if (!started || id == CLOCK_PROCESS_CPUTIME_ID || id == CLOCK_THREAD_CPUTIME_ID)
		return real_time(id, ts);
	if (id == CLOCK_REALTIME) {
		ts->tv_sec = (time_t)(FAKE_CLOCK_WALL + wall_elapsed_ms / 1000);
		ts->tv_nsec = (long)(wall_elapsed_ms % 1000 * 1000000);
		return 0;
	}
	ts->tv_sec = mono_start.tv_sec + (time_t)(elapsed_ms / 1000);
	ts->tv_nsec = mono_start.tv_nsec + (long)(elapsed_ms % 1000 * 1000000);
	if (ts->tv_nsec >= 1000000000) {
		ts->tv_sec++;
		ts->tv_nsec -= 1000000000;
	}
	return 0;
}

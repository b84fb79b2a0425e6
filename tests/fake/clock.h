/*
 * A clock that tests move. A test program that wants it defines
 *
 *	int clock_gettime(clockid_t id, struct timespec *ts)
 *	{
 *		return fake_clock_read(id, ts);
 *	}
 *
 * so that the program and its libraries (libcurl's time-outs included) all read it. Until
 * fake_clock_start it is the real one. Timers of a loop fire by it when the loop is turned without
 * waiting.
 */
#ifndef TESTS_FAKE_CLOCK_H
#define TESTS_FAKE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define FAKE_CLOCK_WALL INT64_C(1800000000) /* Unix seconds at the start */

/* From now on time stands still but for fake_clock_advance. Again: the wall clock begins anew. */
void fake_clock_start(void);
void fake_clock_advance(int64_t ms);
/* What clock_gettime should answer; clocks of CPU time stay real. */
int fake_clock_read(clockid_t id, struct timespec *ts);
/* The real monotonic clock, for figures. */
int64_t fake_clock_real_ms(void);

#endif

/*
 * When the runs of one backend are looked at again. Each run says when it wants to be; where others
 * have taken that second already, it is a later one, so that a thousand runs are asked for at the
 * rate of fifty and each still has its turn. Pure.
 */
#ifndef RUNNERS_POLL_PLAN_H
#define RUNNERS_POLL_PLAN_H

#include <stdint.h>

#define POLL_PLAN_SECONDS 600
#define POLL_PLAN_LOOKS 4 /* a second */

/* Zeroed, it is empty. */
struct poll_plan {
	int64_t now_s;                    /* of the last call */
	uint8_t looks[POLL_PLAN_SECONDS]; /* taken, by second modulo the length */
};

/* Takes a look, wanted_ms from now or later; returns how many milliseconds from now. Where all is
 * taken it is the last second. now_s: a clock in seconds; one that was set back begins anew. */
int64_t poll_plan_take(struct poll_plan *plan, int64_t now_s, int64_t wanted_ms);

#endif

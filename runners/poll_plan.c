#include "runners/poll_plan.h"

#include <string.h>

/* What has passed is free for the seconds to come. */
static void move_on(struct poll_plan *plan, int64_t now_s)
{
	if (now_s < plan->now_s || now_s - plan->now_s >= POLL_PLAN_SECONDS)
		memset(plan->looks, 0, sizeof(plan->looks));
	else
		for (int64_t s = plan->now_s; s < now_s; s++)
			plan->looks[s % POLL_PLAN_SECONDS] = 0;
	plan->now_s = now_s;
}

int64_t poll_plan_take(struct poll_plan *plan, int64_t now_s, int64_t wanted_ms)
{
	int64_t first = wanted_ms / 1000, second = first;
	uint8_t *looks;

	move_on(plan, now_s);
	if (first >= POLL_PLAN_SECONDS)
		return wanted_ms;
	while (second < POLL_PLAN_SECONDS - 1 &&
		plan->looks[(now_s + second) % POLL_PLAN_SECONDS] >= POLL_PLAN_LOOKS)
		second++;
	looks = &plan->looks[(now_s + second) % POLL_PLAN_SECONDS];
	if (*looks < UINT8_MAX)
		++*looks;
	return wanted_ms + (second - first) * 1000;
}

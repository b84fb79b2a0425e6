/*
 * What keeps many runs from storming one backend: its calls begin at a steady rate, after a burst,
 * and all of them wait while it says that it has too many. A call that waits does so by a timer of
 * its own (api_call.h), so that there is no queue to keep. Pure.
 */
#ifndef RUNNERS_API_GATE_H
#define RUNNERS_API_GATE_H

#include <stdint.h>

/* Zeroed, it is open, at the rate below. Times are of a monotonic clock. */
struct api_gate {
	int64_t next_ms; /* when the next call may begin; in the past: so many are saved up */
};

#define API_GATE_GAP_MS 100 /* ten calls a second */
#define API_GATE_BURST 20

/* Takes the next place: the milliseconds until the call may begin, 0 for now. */
int64_t api_gate_take(struct api_gate *gate, int64_t now_ms);
/* The backend refused a call for being too many: none begins for so long. */
void api_gate_hold(struct api_gate *gate, int64_t now_ms, int64_t pause_ms);

#endif

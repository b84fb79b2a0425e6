/* The status of a FondantRun (API.md "FondantRun", kstatus table of operator-machinery.md B5). */
#ifndef RECONCILE_RUN_STATUS_H
#define RECONCILE_RUN_STATUS_H

#include "reconcile/run.h"

#define RUN_STATUS_LAZY_MS 3000  /* how long a mere Pending -> Running may wait */
#define RUN_STATUS_EVERY_MS 1000 /* at most one write a second, but for terminal states */

/* Waits before its first step: Pending or Queued. */
void run_status_waiting(const struct run_view *view, enum run_phase phase, const char *reason,
	const char *message, struct plan *plan);
/* Pins the frozen spec by name and hash ("sha256:..."). */
void run_status_pin(
	const struct run_view *view, const char *spec_name, const char *hash, struct plan *plan);
/* Pins the backend (status.backend, stolen). */
void run_status_backend(const struct run_view *view, json_t *pin, struct plan *plan);
/* Cancelled before anything was started. */
void run_status_never_started(const struct run_view *view, struct plan *plan);

#endif

/*
 * Decisions about one FondantRun, as pure functions: may it go on, which spec is its own, and how
 * its status follows from what the runner observed. Phases only move forward; a terminal run is
 * never touched again but to be pruned.
 */
#ifndef RECONCILE_RUN_H
#define RECONCILE_RUN_H

#include "compiler/spec.h"
#include "reconcile/plan.h"
#include "runners/runner.h"

struct run_view {
	const json_t *run;
	const json_t *pipeline; /* NULL: gone or not known */
	const json_t *runs;     /* array: all runs of the pipeline, this one too */
	const json_t *frozen;   /* array: frozen ConfigMaps of the pipeline, metadata only */
	const json_t *backends; /* object: name -> FondantBackend that it may be for */
	int active_runs;        /* of the backend that it is not pinned to yet, where that has a
				 * limit: those pinned and not final */
	bool has_jobs;          /* steps were started, whatever the status says */
	int64_t now_s;
};

/* Its status says a terminal phase. */
bool run_is_final(const json_t *run);

enum run_admission {
	RUN_GO,      /* load its spec and drive it */
	RUN_WAIT,    /* status says what for; look again on changes */
	RUN_REFUSED, /* status is terminal now */
	RUN_SETTLED, /* was terminal before */
	RUN_FREEZE,  /* it has parameters or a backend: compile a spec of its own (run_freeze.h) */
	RUN_RELEASE, /* it is deleted: stop what it started, or leave it, then let it go */
};

/* Adds status writes to the plan. For RUN_GO, *ret_spec_name (owned) is its frozen ConfigMap and
 * *ret_hash (owned, may be NULL) the hash it is pinned to; for RUN_FREEZE those of its pipeline. */
enum run_admission run_admit(
	const struct run_view *view, struct plan *plan, char **ret_spec_name, char **ret_hash);

/* The FondantBackend that the run's frozen spec is for; NULL: the implicit one, or not known yet.
 * Borrowed. */
const char *run_backend_name(const struct run_view *view);
/* Since when it is deleted, Unix seconds; 0: it is not. */
int64_t run_deleted_s(const json_t *run);

/* Steps as the status knows them, spec->steps_len of them; owned by the caller. Where only the
 * backend knows the steps, those of the status, and ret_names (else unused) has their names. */
struct step_state *run_known_steps(
	const json_t *run, const struct frozen_spec *spec, struct strvec *ret_names);

/* What $(run.scheduledTime) reads: spec.scheduledTime, else when it was created. Unix seconds. */
int64_t run_scheduled_s(const json_t *run);
/* It stands for a tick of a schedule: its loaders may find something new. */
bool run_is_scheduled(const json_t *run);

/* The user asked for an end, its pipeline is gone (and did not say Orphan), or its time is over:
 * reason and message (owned by the caller) say which. */
bool run_should_stop(const struct run_view *view, const struct frozen_spec *spec,
	const char **ret_reason, char **ret_message);

struct run_identity {
	const char *run_id;
	const char *spec_name, *spec_uid, *spec_hash; /* hash with "sha256:" */
};

/*
 * Status after an observation. Adds the status write (unless only a lazy change happened less than
 * lazy_hold_ms ago: then a requeue) and Events. last_write_ms_ago: since our last status write
 * of this run.
 */
void run_update(const struct run_view *view, const struct frozen_spec *spec,
	const struct run_identity *id, const struct run_state *state, int64_t last_write_ms_ago,
	struct plan *plan);

/* Ends the run with Failed for a reason outside its steps (SpecLost, NotYetSupported, ...). */
void run_fail(
	const struct run_view *view, const char *reason, const char *message, struct plan *plan);

#endif

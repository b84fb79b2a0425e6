/*
 * What the runners share whose backend takes a whole pipeline (kubeflow, vertex, sagemaker). Pure.
 *
 * The life of a run there: observe with nothing recorded decides which steps hit and says the
 * identity; the reconciler writes both to the status; from then on observe looks for that identity
 * at the backend, and submit makes it when it is not there.
 */
#ifndef RUNNERS_REMOTE_H
#define RUNNERS_REMOTE_H

#include "runners/poll_plan.h"
#include "runners/runner.h"

#define REMOTE_UUID_SIZE 37

/* The status has this identity: what hits is settled, and the run may be at the backend. */
bool remote_recorded(const struct runner_run *run, const char *identity);
/* Its steps are those that the backend reports (run_state_named_step): it has no spec, or one with
 * a native document. */
bool remote_names_steps(const struct runner_run *run);

/*
 * The steps before the backend is asked. Nothing recorded: Cached where the cache and all that the
 * step needs say so, else Waiting; false while it is not known yet whether data is there (look
 * again later, record nothing). Recorded: as run->known has them.
 */
bool remote_begin(const struct runner_run *run, bool recorded, struct run_state *state);
/* Nothing is left to run: state->phase is Succeeded then. */
bool remote_all_hit(struct run_state *state);

/* What the backend says the whole run is. */
enum remote_phase {
	REMOTE_PENDING,
	REMOTE_RUNNING,
	REMOTE_STOPPING,
	REMOTE_SUCCEEDED,
	REMOTE_FAILED,
	REMOTE_CANCELLED,
};

/*
 * The run, after the caller has put what the backend reports into state->steps: its phase, the
 * refs of what succeeded, needs_cancel, and, at the end, the steps that the backend said nothing
 * final of (Succeeded after a success; else Cancelled where they ran, Skipped where they did not).
 * Failed after our own cancel is Cancelled. `why`: the backend's words about the run; NULL.
 */
void remote_conclude(const struct runner_run *run, enum remote_phase phase, const char *why,
	struct run_state *state);

/* Of a document: the step hit the cache, so it is not in it. */
bool remote_is_cached(const struct native_input *in, int step);
/* The manifest that the step reads: what fromManifest says, what a cached step left, or what a step
 * of this run will leave. Owned; NULL for a step that reads none. */
char *remote_input_manifest(const struct native_input *in, int step);

/* Before anything is recorded, so that nothing is at the backend; settled: what remote_begin said.
 * It ends here, submits, or is looked at again. */
void remote_first_look(const struct runner_run *run, bool settled, struct run_state *state);
/* How every observe begins: state (zeroed) with the identity and the steps as remote_begin leaves
 * them. True: the backend is to be asked; false: remote_first_look has said all. */
bool remote_open_look(const struct runner_run *run, const char *identity, struct run_state *state);
/* How it ends: what was seen becomes *ret_state, with when to look again (remote_pace), as far as
 * the plan of the backend has room. */
void remote_hand_over(const struct runner_run *run, int64_t min_ms, struct poll_plan *plan,
	struct run_state *state, struct run_state *ret_state);
/* Of a document for submit: < 0 with err, class user, Refused and all findings, where there are
 * errors. */
int remote_refused(const struct diag_list *diags, struct err *err);
/* The backend has no such run: it is submitted, was cancelled before that, or is lost where a step
 * was reported once. < 0 with err, class user, RunNotFound: nobody but the backend knew it. where:
 * "Vertex AI". */
int remote_absent(
	const struct runner_run *run, const char *where, struct run_state *state, struct err *err);
/* Steps that the backend has not begun are with it: they do not wait for us. */
void remote_mark_there(struct run_state *state);
/* When to look again, from min_ms on, by how long its first step has been running. */
void remote_pace(const struct runner_run *run, int64_t min_ms, struct run_state *state);

/* The run was at the backend and is not any more: Failed, reason RunLost. */
void remote_lost(const struct runner_run *run, const char *where, struct run_state *state);

/* A UUID (RFC 9562, version 8: of a SHA-256) that is the same for the same run. Returns out. */
char *remote_uuid(const char *run_uid, char out[REMOTE_UUID_SIZE]);

/* Until the next look at a run that the backend has had for age_s seconds: from min_ms, growing
 * with the age, 60 s at most; a fifth more or less by chance. */
int64_t remote_poll_ms(int64_t age_s, int64_t min_ms);

#endif

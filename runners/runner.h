/*
 * One interface for every backend. Some backends run a whole pipeline (kubeflow, vertex,
 * sagemaker); others run one container, and dag.c implements this interface over them
 * (kubernetes, docker).
 *
 * A runner observes, submits and cancels; it never writes a FondantRun's status and never decides
 * what a run is: reconcile/ does. Every call is level-triggered and safe to repeat after a crash
 * or a lost answer: remote identity is derived from the run's UID, the step and the attempt.
 */
#ifndef RUNNERS_RUNNER_H
#define RUNNERS_RUNNER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "compiler/diag.h"
#include "compiler/spec.h"
#include "loop/loop.h"

enum step_phase {
	STEP_WAITING, /* inputs not there yet */
	STEP_PENDING, /* submitted, not running: reason and message say why when known */
	STEP_QUEUED,  /* a queueing system holds it */
	STEP_RUNNING,
	STEP_SUCCEEDED,
	STEP_CACHED,
	STEP_FAILED,
	STEP_SKIPPED,
	STEP_CANCELLED,
};

enum run_phase {
	RUN_PENDING,
	RUN_QUEUED,
	RUN_RUNNING,
	RUN_CANCELLING,
	RUN_SUCCEEDED,
	RUN_FAILED,
	RUN_CANCELLED,
};

const char *step_phase_name(enum step_phase phase);
bool step_phase_parse(const char *name, enum step_phase *ret_phase);
bool step_phase_final(enum step_phase phase); /* Succeeded .. Cancelled */
const char *run_phase_name(enum run_phase phase);
bool run_phase_parse(const char *name, enum run_phase *ret_phase);
bool run_phase_final(enum run_phase phase);

/* What is known of one step; what the status shows of it. Strings are owned. */
struct step_state {
	enum step_phase phase;
	int attempt;     /* the current or last one, from 1; 0: none yet */
	int disruptions; /* attempts among them that do not count (eviction, node loss) */
	int exit_code;   /* -1: unknown */
	int64_t start_s; /* Unix seconds; 0: unknown */
	int64_t end_s;
	int64_t submit_s;   /* when the current attempt was submitted; 0: unknown */
	int64_t retry_at_s; /* a further attempt starts then; 0: none waits */
	char *reason;       /* CamelCase, NULL on plain success */
	char *message;      /* in the user's words; NULL when there is nothing to say */
	char *external_kind, *external_name; /* "Job", its name */
	char *ref; /* "<attempt run id>/<step>" of the data it left or took from the cache */
};

void step_state_clear(struct step_state *state);
void step_state_copy(struct step_state *to, const struct step_state *from);

/* Neutral state of a run: one snapshot. */
struct run_state {
	enum run_phase phase;
	char *reason, *message; /* of a failure or a wait; NULL otherwise */
	char *backend_run_id, *url;
	struct step_state *steps; /* spec->steps_len of them, same order */
	int steps_len;
	bool needs_submit;     /* call submit: something is to be started */
	bool needs_cancel;     /* call cancel: something runs that should not */
	int64_t look_again_ms; /* a time limit or back-off ends then; 0: only changes matter */
};

void run_state_init(struct run_state *state, int steps_len);
void run_state_clear(struct run_state *state);

/*
 * Where hits come from. Returns the ref ("<attempt run id>/<step>") that an earlier success of
 * this step left, given exactly these input refs; NULL when there is none. Borrowed.
 */
struct step_cache {
	const char *(*lookup)(void *arg, const struct spec_step *step,
		const char *const *input_refs, int inputs_len);
	void *arg;
};

/* Whether the data of a ref is where it should be: whether its manifest.json is. */
enum data_seen {
	DATA_NOT_VISIBLE, /* nobody here can tell */
	DATA_ASKED,       /* not known yet; the run is looked at again when it is */
	DATA_THERE,
	DATA_ABSENT,
};

struct data_check {
	enum data_seen (*look)(void *arg, const char *ref);
	void *arg;
};

/* One run as runners see it. All borrowed for the duration of the call, until op->done. */
struct runner_run {
	const struct frozen_spec *spec;
	const char *namespace_, *pipeline, *name, *uid;
	const char *run_id;    /* "<run>-<8 hex of the run's UID>" */
	const char *spec_name; /* the ConfigMap with the frozen spec; NULL: there is none */
	const json_t *owner;   /* ownerReference object of the FondantRun */
	const struct step_state *known; /* steps as the status has them (final ones stay) */
	const struct step_cache *cache; /* NULL: no hits */
	const struct data_check *data;  /* NULL: data is not visible */
	bool cancelling;
	int64_t now_s; /* wall clock, Unix seconds */
};

struct runner_op {
	void (*done)(struct runner_op *op); /* exactly once, from the loop */
	int result;                         /* 0, or < 0 with err */
	struct err err;
	int step;    /* submit: index of the step that err is about, or -1 */
	void *state; /* the runner's own; freed by it before done */
};

struct kube_client;
struct kube_cache;

/* What a runner may use. Borrowed for the life of the backend. */
struct runner_env {
	struct loop *loop;
	struct kube_client
		*kube;           /* of the cluster the controller watches; NULL without a cluster */
	struct kube_cache *jobs; /* our Jobs, indexed by "<namespace>/<run label>" */
	struct kube_cache *pods; /* their Pods, indexed likewise */
	bool step_run_as_non_root;  /* --step-run-as-non-root */
	const char *operator_image; /* has fondant-merge; NULL: joins cannot start */
};

struct runner {
	const char *name;
	const char *summary;
	unsigned features; /* enum backend_feature (compiler/compile.h) */

	/* Pure: frozen spec -> native document; new reference. NULL where the backend has none. */
	int (*compile)(const struct frozen_spec *spec, const char *run_id, json_t **ret_native,
		struct diag_list *diags);

	/* backend_spec: FondantBackend.spec.<name>, may be NULL for the implicit one. */
	int (*open)(const struct runner_env *env, const json_t *backend_spec, void **ret_backend,
		struct err *err);
	/* Every op is done or cancelled before. */
	void (*close)(void *backend);

	/* One snapshot, no side effects. Fills *ret_state (initialised by the caller with
	 * run_state_init). */
	void (*observe)(void *backend, const struct runner_run *run, struct run_state *ret_state,
		struct runner_op *op);
	/* Starts what observe said needs starting: create or adopt. */
	void (*submit)(void *backend, const struct runner_run *run, struct runner_op *op);
	/* Stops what should not run; already gone is success. With run->cancelling everything. */
	void (*cancel)(void *backend, const struct runner_run *run, struct runner_op *op);
	/* Gives up an op: its done will not run. */
	void (*op_cancel)(void *backend, struct runner_op *op);
};

/* NULL when there is none of that name. */
const struct runner *runner_find(const char *name);
/* NULL-terminated. */
extern const struct runner *const runner_all[];

/* Backends that write their document and do not run it: name, features and compile are set. The
 * controller does not offer them. NULL-terminated. */
extern const struct runner *const runner_documents[];
/* Of runner_all and runner_documents; NULL when there is none of that name. */
const struct runner *runner_document_find(const char *name);

extern const struct runner runner_kubernetes;
extern const struct runner runner_sagemaker;
extern const struct runner runner_kubeflow;
extern const struct runner runner_vertex;

#endif

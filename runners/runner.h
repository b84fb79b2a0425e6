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
#include "base/vec.h"
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
/* One line for messages; owned by the caller. */
char *step_state_describe(const char *reason, const char *message);

/* Neutral state of a run: one snapshot. */
struct run_state {
	enum run_phase phase;
	char *reason, *message; /* of a failure or a wait; NULL otherwise */
	char *backend_run_id, *url;
	struct step_state *steps; /* spec->steps_len of them, same order */
	int steps_len;
	struct strvec names;   /* of the steps, where the spec has none: as the backend has them */
	bool needs_submit;     /* call submit: something is to be started */
	bool needs_cancel;     /* call cancel: something runs that should not */
	int64_t look_again_ms; /* a time limit or back-off ends then; 0: only changes matter */
};

void run_state_init(struct run_state *state, int steps_len);
void run_state_clear(struct run_state *state);
/* As state->names has it, else the spec, which is NULL only where the names are there. Borrowed. */
const char *run_state_step_name(
	const struct run_state *state, const struct frozen_spec *spec, int step);
/*
 * The index of the step of that name among state->names; added, not begun, where it is not there.
 * What is over 63 bytes is cut, with 8 hex of its SHA-256. -1: there are RUN_STATE_NAMES_MAX
 * already.
 */
int run_state_named_step(struct run_state *state, const char *name);
#define RUN_STATE_NAMES_MAX 200 /* what a status holds */
/* The run failed because this step did: its reason StepFailed and the message. */
void run_state_blame_step(struct run_state *state, int step, const char *name);

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

struct registry_auth_list; /* net/dockerconfig.h */

/* What a backend's own document is made of. All borrowed. */
struct native_input {
	const struct frozen_spec *spec; /* bound (frozen_spec_bind) */
	const char *run_id;
	const json_t
		*settings; /* FondantBackend.spec.<runner>; NULL: what it decides is left out */
	/* spec->steps_len of them: Cached ones are not in the document, and what reads them reads
	 * the data at their ref; NULL: none is cached. */
	const struct step_state *steps;
};

/* One run as runners see it. All borrowed for the duration of the call, until op->done. */
struct runner_run {
	/* NULL: a run looked up by its name; submit is never called. */
	const struct frozen_spec *spec;
	const char *namespace_, *pipeline, *name, *uid;
	const char *run_id;    /* "<run>-<8 hex of the run's UID>" */
	const char *spec_name; /* the ConfigMap with the frozen spec; NULL: there is none */
	const json_t *owner;   /* ownerReference object of the FondantRun */
	const struct step_state *known; /* steps as the status has them (final ones stay) */
	/* Of a run whose steps only the backend knows, without a spec or with a native document:
	 * those of `known`; NULL: none yet. Its observe fills ret_state->names. */
	const struct strvec *names;
	const struct step_cache *cache; /* NULL: no hits */
	const struct data_check *data;  /* NULL: data is not visible */
	const char *backend_run_id;     /* as the status has it; NULL: nothing was recorded yet */
	/* Of a runner with secret_values, for submit: "<Secret>/<key>" -> value of every
	 * secretArgument of the spec; NULL: not asked for. */
	const json_t *secrets;
	const struct registry_auth_list *pull; /* for the images of steps; NULL: anonymous */
	bool cancelling;
	bool discard;  /* with cancelling: the run itself goes, and nothing of it need stay */
	int64_t now_s; /* wall clock, Unix seconds */
};

struct runner_op {
	void (*done)(struct runner_op *op); /* exactly once, from the loop */
	int result;                         /* 0, or < 0 with err */
	struct err err;
	int step;    /* submit: index of the step that err is about, or -1 */
	void *state; /* the runner's own; freed by it before done */
};

/* How a backend is reached, and as whom. Borrowed for the call of open. */
struct runner_settings {
	const json_t *spec; /* FondantBackend.spec.<runner>; NULL: the implicit backend */
	/*
	 * What the references in it gave: the path of the reference's parent below `spec` -> value.
	 * {"auth.bearerToken": "eyJ...", "tls": {"ca.crt": "...", "tls.crt": "..."}}: a text for
	 * secretKeyRef and for serviceAccountToken, all keys of the Secret for secretRef. NULL:
	 * there are no references. A change of what they give opens the backend anew.
	 */
	const json_t *credentials;
	bool ambient; /* the environment's own credentials may be used where none are given */
	bool local_endpoints; /* unix sockets, loopback and link-local addresses, and plain http to
			       * them, are allowed */
};

/* What a probe saw. Owned strings. */
struct runner_probe {
	char *version; /* of the server; NULL: it does not tell */
};

/* Asks for what one step printed. Borrowed until op->done. */
struct runner_logs {
	const char *step;
	int attempt;        /* from 1; 0: the last one */
	int64_t tail_lines; /* 0: from the beginning */
	bool follow;        /* to the end of the step */
	/* Pieces as they arrive: text as the container wrote it, both streams together. */
	void (*data)(struct runner_logs *logs, const char *text, size_t len);
	void *arg;
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
	/* Something of a run of this backend has changed: look at it again. A hint, from the loop;
	 * NULL: nobody listens. */
	void (*wake)(void *arg, const char *namespace_, const char *run_name);
	void *wake_arg;
};

struct runner {
	const char *name;
	const char *summary;
	unsigned features; /* enum backend_feature (compiler/compile.h) */

	bool secret_values;   /* submit needs run->secrets */
	const char *document; /* key of its own document in the ConfigMap beside the frozen spec;
			       * NULL: none is kept */
	bool whole;           /* takes a whole pipeline, which goes on without us */
	bool outside; /* what it starts is outside the cluster: a run that goes is stopped first */

	/* Pure: frozen spec -> native document, a new reference; NULL, or not to be used, where
	 * diags holds errors. What is submitted is this function of the spec, the run id, the
	 * settings and the cached steps. */
	void (*compile)(
		const struct native_input *in, json_t **ret_native, struct diag_list *diags);

	/* Makes no request. Fails with class user where settings or credentials cannot be. */
	int (*open)(const struct runner_env *env, const struct runner_settings *settings,
		void **ret_backend, struct err *err);
	/* Every op is done or cancelled before. */
	void (*close)(void *backend);

	/* Whether the endpoint answers and takes the credentials. op fails with class user where
	 * somebody must act (Unauthorized, Forbidden, TLSFailed, InvalidEndpoint), else transient.
	 * NULL: it is always ready. */
	void (*probe)(void *backend, struct runner_probe *ret_probe, struct runner_op *op);

	/*
	 * One snapshot, no side effects. Fills *ret_state (initialised by the caller with
	 * run_state_init; with run_state_init(state, 0) where the run has no spec).
	 *
	 * A runner that submits a whole pipeline derives its remote identity from run->uid and says
	 * it as backend_run_id. While run->backend_run_id is not that, nothing was submitted: it
	 * decides from run->cache which steps hit, and these and the identity are written to the
	 * status before submit is called; from then on run->known says which were hits.
	 */
	void (*observe)(void *backend, const struct runner_run *run, struct run_state *ret_state,
		struct runner_op *op);
	/* Starts what observe said needs starting: create or adopt. */
	void (*submit)(void *backend, const struct runner_run *run, struct runner_op *op);
	/* Stops what should not run; already gone is success. With run->cancelling everything. */
	void (*cancel)(void *backend, const struct runner_run *run, struct runner_op *op);
	/* What a step printed, or, where the backend keeps that elsewhere, how to read it there; op
	 * fails with class user and reason NoLogs where there is nothing to be had. NULL: the
	 * backend cannot tell. */
	void (*logs)(void *backend, const struct runner_run *run, struct runner_logs *logs,
		struct runner_op *op);
	/* Gives up an op: its done will not run. */
	void (*op_cancel)(void *backend, struct runner_op *op);
};

/* NULL when there is none of that name. */
const struct runner *runner_find(const char *name);
/* NULL-terminated. */
extern const struct runner *const runner_all[];

extern const struct runner runner_kubernetes;
extern const struct runner runner_docker;
extern const struct runner runner_sagemaker;
extern const struct runner runner_kubeflow;
extern const struct runner runner_vertex;
extern const struct runner runner_fake; /* runners/fake.h */

#endif

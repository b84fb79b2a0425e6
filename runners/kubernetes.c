/*
 * Runner `kubernetes`: one Job per step and attempt in the run's namespace, through dag.c. What is
 * there is read from the Job and Pod caches; every write is absorbed into them, so that the next
 * look sees it. Nothing is remembered but the answers to "why has this Job no pod", for 30 s.
 */
#include <stdlib.h>
#include <string.h>
#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "compiler/compile.h"
#include "doc/json.h"
#include "doc/path.h"
#include "kube/cache.h"
#include "runners/dag.h"
#include "runners/kubernetes_job.h"
#include "runners/kubernetes_observe.h"

#define EVENTS_AGAIN_MS 30000
#define EVENTS_MAX_KNOWN 1024 /* Jobs whose events are remembered */
#define EVENTS_MAX_AT_ONCE 8  /* lists of one observation */
#define EVENTS_PAGE 100
#define FORBIDDEN_RETRY_MS 60000

struct kubernetes {
	struct runner_env env;
	json_t *settings;  /* FondantBackend.spec.kubernetes; NULL: the implicit backend */
	struct map events; /* Job UID -> struct job_events * */
};

/* What the events of a Job without a pod said, and when. */
struct job_events {
	int64_t asked_ms;
	char *text; /* NULL: nothing of interest */
};

struct call;

/* One request of a call. */
struct request {
	struct kube_op op;
	struct call *call;
	int step;       /* submit, cancel */
	char *name;     /* of the Job */
	char *uid;      /* of the Job, for its events */
	char *selector; /* of events */
};

/* One runner_op under way. */
struct call {
	struct kubernetes *backend;
	const struct runner_run *run;
	struct runner_op *op;
	struct run_state *ret_state; /* observe */
	struct loop_defer defer;
	struct request *requests;
	int len, pending;
	struct err err; /* the one to report */
	int err_step;
};

/* --- life of a backend --- */

static void job_events_free(void *value)
{
	struct job_events *events = value;

	free(events->text);
	free(events);
}

static int kubernetes_open(const struct runner_env *env, const struct runner_settings *settings,
	void **ret_backend, struct err *err)
{
	struct kubernetes *backend;

	if (!env->kube || !env->jobs || !env->pods)
		return err_set(err, ERR_USER, "NoCluster",
			"the kubernetes backend needs a cluster; there is none");
	backend = xnew(struct kubernetes);
	backend->env = *env;
	backend->settings = json_deep_copy(settings->spec);
	backend->events.free_value = job_events_free;
	*ret_backend = backend;
	return 0;
}

static void kubernetes_close(void *cookie)
{
	struct kubernetes *backend = cookie;

	map_clear(&backend->events);
	json_decref(backend->settings);
	free(backend);
}

/* --- what is there --- */

struct sights {
	struct kubernetes *backend;
	const struct runner_run *run;
	json_t **pods;
	size_t pods_len, pods_cap;
	json_t **jobs;
	size_t jobs_len, jobs_cap;
	struct attempts attempts;
	struct run_state state;
	struct dag_actions actions;
	int64_t look_again_s;
	struct strvec unexplained; /* UIDs of Jobs without a pod, whose events are not known */
};

static void sights_clear(struct sights *sights)
{
	for (size_t i = 0; i < sights->pods_len; i++)
		json_decref(sights->pods[i]);
	for (size_t i = 0; i < sights->jobs_len; i++)
		json_decref(sights->jobs[i]);
	free(sights->pods);
	free(sights->jobs);
	attempts_clear(&sights->attempts);
	run_state_clear(&sights->state);
	dag_actions_clear(&sights->actions);
	strvec_clear(&sights->unexplained);
}

#define auto_sights __attribute__((cleanup(sights_clear))) struct sights

static void add_object(json_t ***items, size_t *len, size_t *cap, const struct kube_object *object)
{
	json_t *json = kube_object_json(object);

	if (!json)
		return;
	if (*len == *cap) {
		*cap = *cap ? *cap * 2 : 16;
		*items = xreallocarray(*items, *cap, sizeof(**items));
	}
	(*items)[(*len)++] = json;
}

static void add_pod(void *arg, struct kube_object *object)
{
	struct sights *sights = arg;

	add_object(&sights->pods, &sights->pods_len, &sights->pods_cap, object);
}

static void add_job(void *arg, struct kube_object *object)
{
	struct sights *sights = arg;

	add_object(&sights->jobs, &sights->jobs_len, &sights->jobs_cap, object);
}

static struct job_events *known_events(const struct kubernetes *backend, const char *uid)
{
	struct job_events *events = map_get(&backend->events, uid);
	int64_t now = loop_now_ms(backend->env.loop);

	return events && now - events->asked_ms < EVENTS_AGAIN_MS ? events : NULL;
}

/* The last answer, however old: a fresh one is asked for before it is shown. */
static const char *no_pod_reason(void *arg, const char *job_uid)
{
	const struct kubernetes *backend = arg;
	const struct job_events *events = map_get(&backend->events, job_uid);

	return events ? events->text : NULL;
}

static void soonest(int64_t *at_s, int64_t other_s)
{
	if (other_s && (!*at_s || other_s < *at_s))
		*at_s = other_s;
}

static void look(struct sights *sights, struct kubernetes *backend, const struct runner_run *run)
{
	auto_free char *label = kubernetes_run_label(run->name);
	auto_free char *key = xasprintf("%s/%s", run->namespace_, label);
	struct kubernetes_view view = {
		.run = run,
		.no_pod_reason = no_pod_reason,
		.arg = backend,
	};

	*sights = (struct sights){.backend = backend, .run = run};
	run_state_init(&sights->state, run->spec->steps_len);
	kube_cache_each_indexed(backend->env.pods, key, add_pod, sights);
	kube_cache_each_indexed(backend->env.jobs, key, add_job, sights);
	view.pods = (const json_t *const *)sights->pods;
	view.pods_len = (int)sights->pods_len;
	for (size_t i = 0; i < sights->jobs_len; i++) {
		const char *uid = doc_str_or(sights->jobs[i], "metadata.uid", "");
		int64_t again_s = 0;
		bool no_pod = false;

		kubernetes_observe_job(
			&view, sights->jobs[i], &sights->attempts, &again_s, &no_pod);
		soonest(&sights->look_again_s, again_s);
		if (!no_pod)
			continue;
		soonest(&sights->look_again_s, run->now_s + EVENTS_AGAIN_MS / 1000);
		if (!known_events(backend, uid))
			strvec_add(&sights->unexplained, uid);
	}
	dag_decide(run, &sights->attempts, &sights->state, &sights->actions);
}

/* --- calls --- */

static struct call *call_new(struct kubernetes *backend, const struct runner_run *run,
	struct runner_op *op, int requests)
{
	struct call *call = xnew(struct call);

	call->backend = backend;
	call->run = run;
	call->op = op;
	call->err_step = -1;
	call->requests = xcalloc(requests > 0 ? (size_t)requests : 1, sizeof(*call->requests));
	op->result = 0;
	op->step = -1;
	op->state = call;
	return call;
}

static void call_free(struct call *call)
{
	loop_defer_del(&call->defer);
	for (int i = 0; i < call->len; i++) {
		kube_op_free(&call->requests[i].op);
		free(call->requests[i].name);
		free(call->requests[i].uid);
		free(call->requests[i].selector);
	}
	free(call->requests);
	err_clear(&call->err);
	call->op->state = NULL;
	free(call);
}

static void call_finish(struct call *call)
{
	struct runner_op *op = call->op;

	if (call->err.class != ERR_NONE) {
		op->result = -1;
		op->step = call->err_step;
		err_move(&op->err, &call->err);
	}
	call_free(call);
	op->done(op);
}

static void call_deferred(struct loop_defer *defer)
{
	call_finish(container_of(defer, struct call, defer));
}

static void call_end_soon(struct call *call)
{
	loop_defer_add(call->backend->env.loop, &call->defer, call_deferred);
}

static struct request *call_add(struct call *call, int step, void (*done)(struct kube_op *))
{
	struct request *request = &call->requests[call->len++];

	request->call = call;
	request->step = step;
	request->op.namespace_ = call->run->namespace_;
	request->op.resource = &kube_jobs;
	request->op.done = done;
	call->pending++;
	return request;
}

static void request_end(struct request *request)
{
	if (--request->call->pending == 0)
		call_finish(request->call);
}

static struct request *request_of(struct kube_op *op)
{
	return container_of(op, struct request, op);
}

/* The first one counts, but what waits for the user comes before what cures itself. */
static void request_fail(
	struct request *request, enum err_class class, const char *reason, const char *message)
{
	struct call *call = request->call;
	int retry_after_ms = request->op.err.retry_after_ms;

	if (call->err.class == ERR_USER || (call->err.class != ERR_NONE && class != ERR_USER))
		return;
	err_set(&call->err, class, reason, "%s", message);
	call->err.retry_after_ms = retry_after_ms;
	call->err_step = request->step;
}

static void request_fail_by_op(struct request *request, enum err_class class, const char *reason)
{
	request_fail(request, class, reason, err_message(&request->op.err));
}

/* False, with the call ending, when nothing can be said yet. */
static bool caches_ready(struct call *call)
{
	const struct runner_env *env = &call->backend->env;

	if (kube_cache_synced(env->jobs) && kube_cache_synced(env->pods))
		return true;
	err_set(&call->err, ERR_TRANSIENT, "NotSynced", "Jobs and pods are not listed yet");
	call_end_soon(call);
	return false;
}

/* --- observe --- */

static void observe_fill(struct call *call, struct sights *sights)
{
	int64_t ms = (sights->look_again_s - call->run->now_s) * 1000;

	if (sights->look_again_s && ms <= 0)
		ms = 1000;
	if (ms > 0 && (!sights->state.look_again_ms || ms < sights->state.look_again_ms))
		sights->state.look_again_ms = ms;
	run_state_clear(call->ret_state);
	*call->ret_state = sights->state;
	sights->state = (struct run_state){0};
}

/* The newest event's message; borrowed from the list. */
static const char *newest_message(const json_t *list)
{
	const char *message = NULL, *newest = "";
	json_t *event;
	size_t i;

	json_array_foreach (json_object_get(list, "items"), i, event) {
		const char *at = doc_str(event, "lastTimestamp");

		if (!at)
			at = doc_str_or(event, "metadata.creationTimestamp", "");
		if (doc_str(event, "message") && strcmp(at, newest) >= 0) {
			message = doc_str(event, "message");
			newest = at;
		}
	}
	return message;
}

static void forget_old_events(struct kubernetes *backend)
{
	const char *uid;
	void *value;
	size_t pos = 0;

	if (backend->events.len < EVENTS_MAX_KNOWN)
		return;
	while (map_next(&backend->events, &pos, &uid, &value)) {
		if (!known_events(backend, uid))
			map_del(&backend->events, uid);
	}
	if (backend->events.len >= EVENTS_MAX_KNOWN)
		map_clear(&backend->events);
}

static void events_listed(struct kube_op *op)
{
	struct request *request = request_of(op);
	struct call *call = request->call;
	struct job_events *events = xnew(struct job_events);
	const char *message = op->outcome == KUBE_OK ? newest_message(op->result) : NULL;

	events->asked_ms = loop_now_ms(call->backend->env.loop);
	if (message)
		events->text = kubernetes_failed_create_text(message);
	forget_old_events(call->backend);
	map_set(&call->backend->events, request->uid, events);
	if (call->pending == 1) {
		auto_sights sights;

		look(&sights, call->backend, call->run);
		observe_fill(call, &sights);
	}
	request_end(request);
}

static void ask_events(struct call *call, const char *job_uid)
{
	struct request *request = call_add(call, -1, events_listed);

	request->uid = xstrdup(job_uid);
	request->selector = xasprintf("involvedObject.uid=%s,reason=FailedCreate", job_uid);
	request->op.verb = KUBE_LIST;
	request->op.resource = &kube_core_events;
	request->op.field_selector = request->selector;
	request->op.limit = EVENTS_PAGE;
	request->op.max_attempts = 2;
	kube_send(call->backend->env.kube, &request->op);
}

static void kubernetes_observe(void *cookie, const struct runner_run *run,
	struct run_state *ret_state, struct runner_op *op)
{
	struct kubernetes *backend = cookie;
	struct call *call = call_new(backend, run, op, EVENTS_MAX_AT_ONCE);
	auto_sights sights = {0};

	call->ret_state = ret_state;
	if (!caches_ready(call))
		return;
	look(&sights, backend, run);
	if (sights.unexplained.len == 0) {
		observe_fill(call, &sights);
		call_end_soon(call);
		return;
	}
	for (size_t i = 0; i < sights.unexplained.len && i < EVENTS_MAX_AT_ONCE; i++)
		ask_events(call, sights.unexplained.items[i]);
}

/* --- submit --- */

static void absorb_job(struct request *request)
{
	kube_cache_absorb(request->call->backend->env.jobs, request->op.result);
}

/* A Job of that name is there, or may be: ours when this run controls it. */
static void existing_read(struct kube_op *op)
{
	struct request *request = request_of(op);
	const struct runner_run *run = request->call->run;
	auto_free char *message = NULL;

	if (op->outcome == KUBE_OK && str_eq(kubernetes_controller_uid(op->result), run->uid)) {
		absorb_job(request);
	} else if (op->outcome == KUBE_OK) {
		message =
			xasprintf("Job %s exists and is not this run's; delete it, or delete this "
				  "run and start another",
				request->name);
		request_fail(request, ERR_USER, "NameConflict", message);
	} else if (op->outcome == KUBE_NOT_FOUND) {
		message = xasprintf("Job %s was not created", request->name);
		request_fail(request, ERR_TRANSIENT, "NotCreated", message);
	} else {
		request_fail_by_op(request, ERR_TRANSIENT, "JobUnreadable");
	}
	request_end(request);
}

static void read_existing(struct request *request)
{
	request->op.verb = KUBE_GET;
	request->op.name = request->name;
	request->op.body = NULL;
	request->op.done = existing_read;
	kube_send(request->call->backend->env.kube, &request->op);
}

/* 403 has many authors: a quota or the namespace's end pass, our own missing right is for the
 * administrator, all else is a policy's verdict on the Job. */
static void forbidden(struct request *request)
{
	const char *message = err_message(&request->op.err);
	bool passes = str_eq(request->op.err.reason, "NamespaceTerminating") ||
		      strstr(message, "exceeded quota") || strstr(message, "must specify limits") ||
		      strstr(message, "because it is being terminated");
	bool no_right = strstr(message, "cannot create resource") != NULL;

	if (no_right && !request->op.err.retry_after_ms)
		request->op.err.retry_after_ms = FORBIDDEN_RETRY_MS;
	request_fail_by_op(request, passes || no_right ? ERR_TRANSIENT : ERR_USER,
		*request->op.err.reason ? request->op.err.reason : "Forbidden");
}

static void job_created(struct kube_op *op)
{
	struct request *request = request_of(op);

	switch (op->outcome) {
	case KUBE_EXISTS:
	case KUBE_CONFLICT:
	case KUBE_UNKNOWN:
		read_existing(request);
		return;
	case KUBE_OK:
		absorb_job(request);
		break;
	case KUBE_INVALID:
		request_fail_by_op(request, ERR_USER, "JobInvalid");
		break;
	case KUBE_FORBIDDEN:
		forbidden(request);
		break;
	case KUBE_NOT_FOUND:
	case KUBE_GONE:
	case KUBE_FAILED:
		request_fail_by_op(request, ERR_TRANSIENT, "CreateFailed");
		break;
	}
	request_end(request);
}

/* Nothing of the step is sent: the user, or who runs the operator, has to act. */
static void cannot_create(struct call *call, int step, const char *reason, const char *why)
{
	err_set(&call->err, ERR_USER, reason, "step %s: %s", call->run->spec->steps[step].name,
		why);
	call->err_step = step;
}

static void create_job(
	struct call *call, const struct sights *sights, const struct dag_action *action)
{
	const struct frozen_spec *spec = call->run->spec;
	const struct runner_env *env = &call->backend->env;
	int inputs_len = spec->steps[action->step].from_len;
	auto_free const char **refs = xcalloc((size_t)inputs_len + 1, sizeof(*refs));
	struct kubernetes_job what = {
		.run = call->run,
		.step = action->step,
		.attempt = action->attempt,
		.input_refs = refs,
		.inputs_len = inputs_len,
		.operator_image = env->operator_image,
		.run_as_non_root = env->step_run_as_non_root,
		.settings = call->backend->settings,
	};
	struct request *request;
	auto_json *job = NULL;

	if (!dag_input_refs(spec, &sights->state, action->step, refs)) {
		cannot_create(call, action->step, "InputLost",
			"nothing says where the dataset it reads is any more; start a new run");
		return;
	}
	if (inputs_len > 1 && !env->operator_image) {
		cannot_create(call, action->step, "UnsupportedJoin",
			"it reads several datasets, and the operator was started without "
			"--operator-image, which has what joins them");
		return;
	}
	request = call_add(call, action->step, job_created);
	job = kubernetes_job_build(&what);
	request->name = xstrdup(doc_str_or(job, "metadata.name", ""));
	request->op.verb = KUBE_CREATE;
	request->op.body = job;
	kube_send(call->backend->env.kube, &request->op);
}

/* --- cancel --- */

static void job_deleted(struct kube_op *op)
{
	struct request *request = request_of(op);

	switch (op->outcome) {
	case KUBE_OK:
		/* Still there until its pods are gone: the answer says so. */
		if (str_eq(doc_str(op->result, "kind"), "Job"))
			absorb_job(request);
		break;
	case KUBE_NOT_FOUND:
	case KUBE_GONE:
	case KUBE_CONFLICT: /* another Job has the name: ours is gone */
		break;
	default:
		request_fail_by_op(request, ERR_TRANSIENT, "DeleteFailed");
	}
	request_end(request);
}

static const char *attempt_job(const struct sights *sights, const struct dag_action *action)
{
	for (int i = 0; i < sights->attempts.len; i++) {
		const struct attempt *attempt = &sights->attempts.items[i];

		if (attempt->step == action->step && attempt->number == action->attempt)
			return attempt->external_name;
	}
	return NULL;
}

static void delete_job(
	struct call *call, const struct sights *sights, const struct dag_action *action)
{
	const char *name = attempt_job(sights, action);
	const struct kube_object *object =
		name ? kube_cache_get(call->backend->env.jobs, call->run->namespace_, name) : NULL;
	struct request *request;
	auto_json *options = NULL;

	if (!object)
		return;
	options = json_pack("{s:s, s:s, s:{s:s}, s:s}", "apiVersion", "v1", "kind", "DeleteOptions",
		"preconditions", "uid", object->uid, "propagationPolicy", "Foreground");
	request = call_add(call, action->step, job_deleted);
	request->name = xstrdup(name);
	request->op.verb = KUBE_DELETE;
	request->op.name = request->name;
	request->op.body = options;
	kube_send(call->backend->env.kube, &request->op);
}

static void act(struct kubernetes *backend, const struct runner_run *run, struct runner_op *op,
	enum dag_action_kind kind)
{
	auto_sights sights = {0};
	struct call *call;

	look(&sights, backend, run);
	call = call_new(backend, run, op, sights.actions.len);
	if (!caches_ready(call))
		return;
	for (int i = 0; i < sights.actions.len; i++) {
		const struct dag_action *action = &sights.actions.items[i];

		if (action->kind != kind)
			continue;
		if (kind == DAG_START)
			create_job(call, &sights, action);
		else
			delete_job(call, &sights, action);
	}
	if (call->pending == 0)
		call_end_soon(call);
}

static void kubernetes_submit(void *backend, const struct runner_run *run, struct runner_op *op)
{
	act(backend, run, op, DAG_START);
}

static void kubernetes_cancel(void *backend, const struct runner_run *run, struct runner_op *op)
{
	act(backend, run, op, DAG_STOP);
}

static void kubernetes_op_cancel(void *backend, struct runner_op *op)
{
	(void)backend;
	if (op->state)
		call_free(op->state);
}

const struct runner runner_kubernetes = {
	.name = "kubernetes",
	.summary = "one Job per step in the run's namespace",
	.features = BACKEND_RESOURCES | BACKEND_POD_TEMPLATE | BACKEND_ENV | BACKEND_RETRY |
		    BACKEND_TIMEOUT | BACKEND_LOCAL_PATHS | BACKEND_PARALLEL_LIMIT |
		    BACKEND_ACCELERATOR | BACKEND_INSTANCE_TYPE | BACKEND_SECRET_ARGUMENTS |
		    BACKEND_JOINS | BACKEND_PYTHON,
	.compile = kubernetes_compile,
	.open = kubernetes_open,
	.close = kubernetes_close,
	.observe = kubernetes_observe,
	.submit = kubernetes_submit,
	.cancel = kubernetes_cancel,
	.op_cancel = kubernetes_op_cancel,
};

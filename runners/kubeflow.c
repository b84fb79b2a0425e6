/*
 * Kubeflow Pipelines. The document: an array of one or two, as a file has them behind each other:
 * the pipeline specification, and the platform's where something needs it. serviceAccountName is no
 * part of it: it goes with the request that starts the run.
 *
 * A run's id is chosen here, out of the FondantRun's UID, and recorded before it is submitted. The
 * server starts a second Workflow for a second POST of the same id, so a POST always comes after a
 * GET that does not find it, and not soon after a POST whose answer was lost (kfp-argo.md A.7):
 *
 *   observe: GET the run
 *   submit:  GET the run -> the experiment's id (once) -> POST the run
 *   cancel:  GET the run -> terminate it
 *   logs:    GET the run
 */
#include <stdlib.h>
#include <string.h>
#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "compiler/compile.h"
#include "doc/json.h"
#include "doc/path.h"
#include "runners/kfp_argv.h"
#include "runners/kfp_ir.h"
#include "runners/kfp_native.h"
#include "runners/kubeflow_observe.h"
#include "runners/kubeflow_server.h"
#include "runners/remote.h"

#define POLL_MIN_MS 3000
#define SETTLE_MS 5000   /* from a POST without an answer until the run must be visible */
#define POSTED_MAX 10000 /* posts that are remembered */
#define TITLE "Kubeflow Pipelines"

static const struct kfp_dialect dialect = {
	.title = TITLE,
	.platform = true,
	/* Servers up to 2.17 give it to their driver, a program, as one argument. */
	.container_max = KFP_WORD_MAX,
	.container_limit_why = "Kubeflow Pipelines takes at most 131071 (one argument of a program "
			       "on Linux)",
	.requests = true,
};

/* What another tool compiled is submitted as it is. */
static void check_native(const struct frozen_spec *spec, struct diag_list *diags)
{
	const json_t *document = json_object_get(spec->native, "document");

	kfp_native_check(json_array_get(document, 0), "native.document[0]",
		json_object_get(spec->json, "parameters"), diags);
	if (json_array_size(document) > 1 &&
		!json_is_object(json_object_get(json_array_get(document, 1), "platforms")))
		diag_add(diags, "native.document[1]", "InvalidDocument",
			"the second document is the platform's, which has `platforms`; each "
			"pipeline has a FondantPipeline of its own");
}

static void kubeflow_compile(
	const struct native_input *in, json_t **ret_native, struct diag_list *diags)
{
	json_t *pipeline, *platform;

	if (in->spec->native) {
		check_native(in->spec, diags);
		*ret_native = json_incref(json_object_get(in->spec->native, "document"));
		return;
	}
	kfp_ir_build(in, &dialect, &pipeline, &platform, diags);
	kfp_check_size(in->spec, pipeline, platform, diags);
	*ret_native = json_pack("[o]", pipeline);
	if (platform)
		json_array_append_new(*ret_native, platform);
}

/* --- life of a backend --- */

struct kubeflow {
	struct runner_env env;
	struct kubeflow_server server;
	json_t *settings;
	struct poll_plan plan;
	struct map posted; /* id of a run -> when it was posted without an answer, int64_t ms */
};

/* One runner_op under way. */
struct work {
	struct kubeflow *kubeflow;
	const struct runner_run *run;
	struct runner_op *op;
	struct run_state *ret_state;    /* observe */
	struct runner_probe *ret_probe; /* probe */
	struct runner_logs *logs;       /* logs */
	struct run_state state;
	char id[REMOTE_UUID_SIZE];
	struct kubeflow_call call;
	struct loop_defer defer;
};

static int kubeflow_open(const struct runner_env *env, const struct runner_settings *settings,
	void **ret_backend, struct err *err)
{
	struct kubeflow *kubeflow = xnew(struct kubeflow);

	if (kubeflow_server_init(&kubeflow->server, env->loop, settings, err) < 0) {
		free(kubeflow);
		return -1;
	}
	kubeflow->env = *env;
	kubeflow->settings = json_deep_copy(settings->spec);
	kubeflow->posted.free_value = free;
	*ret_backend = kubeflow;
	return 0;
}

static void kubeflow_close(void *backend)
{
	struct kubeflow *kubeflow = backend;

	map_clear(&kubeflow->posted);
	kubeflow_server_clear(&kubeflow->server);
	json_decref(kubeflow->settings);
	free(kubeflow);
}

/* --- calls --- */

static struct work *work_new(
	struct kubeflow *kubeflow, const struct runner_run *run, struct runner_op *op)
{
	struct work *work = xnew(struct work);

	work->kubeflow = kubeflow;
	work->run = run;
	work->op = op;
	if (run)
		remote_uuid(run->uid, work->id);
	op->result = 0;
	op->step = -1;
	op->state = work;
	return work;
}

static void work_free(struct work *work)
{
	loop_defer_del(&work->defer);
	kubeflow_call_free(&work->call);
	run_state_clear(&work->state);
	work->op->state = NULL;
	free(work);
}

static void finish(struct work *work)
{
	struct runner_op *op = work->op;

	work_free(work);
	op->done(op);
}

static void finish_deferred(struct loop_defer *defer)
{
	finish(container_of(defer, struct work, defer));
}

/* done must not run inside the call that began. */
static void finish_later(struct work *work)
{
	loop_defer_add(work->kubeflow->env.loop, &work->defer, finish_deferred);
}

static void fail_call(struct work *work, const char *what)
{
	work->op->result = -1;
	kubeflow_fail(&work->call, what, &work->op->err);
	finish(work);
}

static struct work *work_of(struct kubeflow_call *call)
{
	return container_of(call, struct work, call);
}

/* A request about the run: "" or ":terminate". */
static void ask(struct work *work, const char *method, const char *verb,
	void (*done)(struct kubeflow_call *call))
{
	auto_free char *path = xasprintf("/runs/%s%s", work->id, verb);

	kubeflow_begin(&work->kubeflow->server, &work->call, method, path);
	kubeflow_send(&work->call, NULL, done);
}

static bool answered(const struct kubeflow_call *call)
{
	return call->api.err.class == ERR_NONE && call->api.status == 200 &&
	       json_is_object(call->api.answer);
}

/* --- observe --- */

static void hand_over(struct work *work)
{
	remote_hand_over(
		work->run, POLL_MIN_MS, &work->kubeflow->plan, &work->state, work->ret_state);
}

static void run_seen(struct kubeflow_call *call)
{
	struct work *work = work_of(call);

	if (call->api.status == 404) {
		work->op->result = remote_absent(work->run, TITLE, &work->state, &work->op->err);
		hand_over(work);
		finish(work);
	} else if (!answered(call)) {
		fail_call(work, "get the run");
	} else {
		map_del(&work->kubeflow->posted, work->id);
		remote_mark_there(&work->state);
		kubeflow_observe(work->run, call->api.answer, &work->state);
		hand_over(work);
		finish(work);
	}
}

static void kubeflow_run_observe(void *backend, const struct runner_run *run,
	struct run_state *ret_state, struct runner_op *op)
{
	struct work *work = work_new(backend, run, op);

	work->ret_state = ret_state;
	if (!remote_open_look(run, work->id, &work->state)) {
		hand_over(work);
		finish_later(work);
		return;
	}
	work->state.url = kubeflow_run_url(&work->kubeflow->server, work->id);
	ask(work, "GET", "", run_seen);
}

/* --- submit --- */

static void posted(struct kubeflow_call *call)
{
	struct work *work = work_of(call);
	int64_t *when;

	/* A second POST of an id that is taken answers 500: it is there (A.7). */
	if (answered(call) || (call->api.status == 500 && kubeflow_words(call) &&
				      strstr(kubeflow_words(call), "Duplicate entry"))) {
		finish(work);
		return;
	}
	/* a 5xx may come of what follows the start of the Workflow */
	if (call->api.maybe_done || call->api.status >= 500) {
		if (work->kubeflow->posted.len >= POSTED_MAX)
			map_clear(&work->kubeflow->posted);
		when = xnew(int64_t);
		*when = time_mono_ms();
		map_set(&work->kubeflow->posted, work->id, when);
	}
	fail_call(work, "start the run");
}

static void add_text(json_t *object, const char *name, const char *text)
{
	if (text)
		json_object_set_new(object, name, json_string(text));
}

/* The body of POST /runs (A.2); NULL with the op's err. New reference. */
static json_t *run_body(struct work *work)
{
	const struct runner_run *run = work->run;
	const struct kubeflow_server *server = &work->kubeflow->server;
	struct native_input in = {.spec = run->spec,
		.run_id = run->run_id,
		.settings = work->kubeflow->settings,
		.steps = run->known};
	auto_diags diags = DIAG_LIST_INIT;
	auto_json *native = NULL;
	json_t *body, *source, *runtime;

	kubeflow_compile(&in, &native, &diags);
	if (remote_refused(&diags, &work->op->err) < 0)
		return NULL;
	source = json_pack("{s:O}", "pipeline_spec", json_array_get(native, 0));
	if (json_array_size(native) > 1)
		json_object_set(source, "platform_spec", json_array_get(native, 1));
	body = json_pack("{s:s, s:s, s:o}", "run_id", work->id, "display_name", run->run_id,
		"pipeline_spec", source);
	add_text(body, "experiment_id", server->experiment_id);
	add_text(body, "service_account", doc_str(run->spec->json, "serviceAccountName"));
	runtime = json_object();
	add_text(runtime, "pipeline_root", server->pipeline_root);
	if (run->spec->native)
		json_object_set(
			runtime, "parameters", json_object_get(run->spec->json, "parameters"));
	if (json_object_size(runtime))
		json_object_set(body, "runtime_config", runtime);
	json_decref(runtime);
	return body;
}

static void post(struct work *work)
{
	json_t *body = run_body(work);

	if (!body) {
		work->op->result = -1;
		finish(work);
		return;
	}
	kubeflow_begin(&work->kubeflow->server, &work->call, "POST", "/runs");
	kubeflow_send(&work->call, body, posted);
}

static void experiment_known(struct work *work, const json_t *experiment)
{
	const char *id = doc_str(experiment, "experiment_id");

	if (!id) {
		work->op->result = err_set(&work->op->err, ERR_TRANSIENT, "BadAnswer",
			"the server does not tell the id of experiment %s",
			work->kubeflow->server.experiment);
		finish(work);
		return;
	}
	free(work->kubeflow->server.experiment_id);
	work->kubeflow->server.experiment_id = xstrdup(id);
	post(work);
}

static void experiments_listed(struct kubeflow_call *call)
{
	struct work *work = work_of(call);

	if (!answered(call))
		fail_call(work, "find the experiment");
	else
		experiment_known(
			work, json_array_get(json_object_get(call->api.answer, "experiments"), 0));
}

/* The name is taken: by an experiment that somebody made before. */
static void find_experiment(struct work *work)
{
	const struct kubeflow_server *server = &work->kubeflow->server;
	auto_json *filter = json_pack("{s:[{s:s, s:s, s:s}]}", "predicates", "key", "display_name",
		"operation", "EQUALS", "string_value", server->experiment);
	auto_free char *text = doc_json_dump(filter);

	kubeflow_begin(&work->kubeflow->server, &work->call, "GET", "/experiments");
	kubeflow_query(&work->call, "filter", text);
	if (server->namespace_)
		kubeflow_query(&work->call, "namespace", server->namespace_);
	kubeflow_send(&work->call, NULL, experiments_listed);
}

static void experiment_made(struct kubeflow_call *call)
{
	struct work *work = work_of(call);

	if (call->api.status == 409)
		find_experiment(work);
	else if (!answered(call))
		fail_call(work, "make the experiment");
	else
		experiment_known(work, call->api.answer);
}

static void make_experiment(struct work *work)
{
	const struct kubeflow_server *server = &work->kubeflow->server;
	json_t *body = json_pack("{s:s}", "display_name", server->experiment);

	add_text(body, "namespace", server->namespace_);
	kubeflow_begin(&work->kubeflow->server, &work->call, "POST", "/experiments");
	kubeflow_send(&work->call, body, experiment_made);
}

static bool posted_lately(const struct work *work)
{
	const int64_t *when = map_get(&work->kubeflow->posted, work->id);

	return when && time_mono_ms() - *when < SETTLE_MS;
}

static void may_submit(struct kubeflow_call *call)
{
	struct work *work = work_of(call);
	const struct kubeflow_server *server = &work->kubeflow->server;

	if (answered(call)) { /* it is there: adopted */
		finish(work);
	} else if (call->api.status != 404) {
		fail_call(work, "look for the run");
	} else if (posted_lately(work)) {
		work->op->result = err_set(&work->op->err, ERR_TRANSIENT, "NotVisibleYet",
			"the run was sent without an answer; the server may still show it");
		finish(work);
	} else if (server->experiment && !server->experiment_id) {
		make_experiment(work);
	} else {
		post(work);
	}
}

static void kubeflow_submit(void *backend, const struct runner_run *run, struct runner_op *op)
{
	ask(work_new(backend, run, op), "GET", "", may_submit);
}

/* --- cancel --- */

static void terminated(struct kubeflow_call *call)
{
	struct work *work = work_of(call);
	int status = call->api.status;

	/* 400 and 409: it is not in a state to be stopped any more; the next look tells */
	if (answered(call) || status == 400 || status == 404 || status == 409)
		finish(work);
	else
		fail_call(work, "terminate the run");
}

static void may_cancel(struct kubeflow_call *call)
{
	struct work *work = work_of(call);
	const char *state = doc_str_or(call->api.answer, "state", "");
	bool over = str_eq(state, "SUCCEEDED") || str_eq(state, "SKIPPED") ||
		    str_eq(state, "FAILED") || str_eq(state, "CANCELED") ||
		    str_eq(state, "CANCELING");

	if (call->api.status == 404 || (answered(call) && over))
		finish(work);
	else if (!answered(call))
		fail_call(work, "get the run");
	else
		ask(work, "POST", ":terminate", terminated);
}

static void kubeflow_cancel(void *backend, const struct runner_run *run, struct runner_op *op)
{
	ask(work_new(backend, run, op), "GET", "", may_cancel);
}

/* --- logs --- */

/*
 * Not what was printed, but where it is to be read. The server hands out the log of a pod that one
 * knows by name, and does not tell which pod is a step's (kfp-argo.md A.3), but its page does; the
 * pods of a run have its id as a label.
 */
static char *logs_text(const struct work *work)
{
	const struct kubeflow_server *server = &work->kubeflow->server;
	const struct runner_logs *logs = work->logs;
	auto_free char *page = kubeflow_run_url(server, work->id);

	return xasprintf(
		"# what step %s printed is on the run's page: %s\n"
		"# or, of every step whose pod is there still:\n"
		"kubectl logs --namespace %s --selector pipeline/runid=%s --container main "
		"--prefix --tail %lld%s\n",
		logs->step, page, server->namespace_ ? server->namespace_ : "kubeflow", work->id,
		logs->tail_lines ? (long long)logs->tail_lines : -1,
		logs->follow ? " --follow --max-log-requests 100" : "");
}

static void run_of_logs_seen(struct kubeflow_call *call)
{
	struct work *work = work_of(call);
	auto_free char *text = NULL;

	if (call->api.status == 404) {
		work->op->result =
			err_set(&work->op->err, ERR_USER, "NoLogs", TITLE " has no such run");
		finish(work);
	} else if (!answered(call)) {
		fail_call(work, "get the run");
	} else {
		text = logs_text(work);
		work->logs->data(work->logs, text, strlen(text));
		finish(work);
	}
}

static void kubeflow_logs(
	void *backend, const struct runner_run *run, struct runner_logs *logs, struct runner_op *op)
{
	struct work *work = work_new(backend, run, op);

	work->logs = logs;
	ask(work, "GET", "", run_of_logs_seen);
}

/* --- probe --- */

static void experiments_seen(struct kubeflow_call *call)
{
	struct work *work = work_of(call);

	if (!answered(call))
		fail_call(work, "list experiments");
	else
		finish(work);
}

/* Who may not list experiments may start nothing. */
static void health_seen(struct kubeflow_call *call)
{
	struct work *work = work_of(call);
	const char *tag = doc_str(call->api.answer, "tag_name");
	const char *namespace_ = work->kubeflow->server.namespace_;

	if (!answered(call)) {
		fail_call(work, "ask the server's health");
		return;
	}
	if (tag && *tag && !str_eq(tag, "unknown"))
		work->ret_probe->version = xstrdup(tag);
	kubeflow_begin(&work->kubeflow->server, call, "GET", "/experiments");
	kubeflow_query(call, "page_size", "1");
	if (namespace_)
		kubeflow_query(call, "namespace", namespace_);
	kubeflow_send(call, NULL, experiments_seen);
}

static void kubeflow_probe(void *backend, struct runner_probe *ret_probe, struct runner_op *op)
{
	struct work *work = work_new(backend, NULL, op);

	work->ret_probe = ret_probe;
	kubeflow_begin(&work->kubeflow->server, &work->call, "GET", "/healthz");
	kubeflow_send(&work->call, NULL, health_seen);
}

static void kubeflow_op_cancel(void *backend, struct runner_op *op)
{
	(void)backend;
	if (op->state)
		work_free(op->state);
}

const struct runner runner_kubeflow = {
	.name = "kubeflow",
	.summary = "Kubeflow Pipelines, IR 2.1.0",
	.features = BACKEND_RESOURCES | BACKEND_POD_TEMPLATE | BACKEND_ENV | BACKEND_RETRY |
		    BACKEND_TIMEOUT | BACKEND_LOCAL_PATHS | BACKEND_ACCELERATOR |
		    BACKEND_INSTANCE_TYPE | BACKEND_SECRET_ARGUMENTS | BACKEND_PYTHON,
	.document = "kubeflow.yaml",
	.whole = true,
	.outside = true,
	.compile = kubeflow_compile,
	.open = kubeflow_open,
	.close = kubeflow_close,
	.probe = kubeflow_probe,
	.observe = kubeflow_run_observe,
	.submit = kubeflow_submit,
	.cancel = kubeflow_cancel,
	.logs = kubeflow_logs,
	.op_cancel = kubeflow_op_cancel,
};

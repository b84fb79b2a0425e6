/*
 * Vertex AI Pipelines. A job's id is made of the run's UID and recorded before it is created; a
 * second creation of it is refused by the server (ALREADY_EXISTS), and adopted where the job's
 * label says that it is this run's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "compiler/compile.h"
#include "doc/path.h"
#include "runners/remote.h"
#include "runners/vertex_job.h"
#include "runners/vertex_logs.h"
#include "runners/vertex_server.h"
#include "runners/vertex_settings.h"

#define POLL_MIN_MS 5000
#define DETAILS_MAX 4 /* jobs that are asked why they failed, in one look */
#define FINDINGS_MAX 2000
#define TITLE "Vertex AI"
#define ID_SIZE (REMOTE_UUID_SIZE + 8)

struct vertex {
	struct runner_env env;
	struct vertex_server server;
	struct poll_plan plan;
	json_t *settings;
};

/* One runner_op under way. */
struct work {
	struct vertex *vertex;
	const struct runner_run *run;
	struct runner_op *op;
	struct run_state *ret_state; /* observe */
	struct runner_logs *logs;    /* logs */
	struct run_state state;
	json_t *job;      /* as it was got; observe */
	size_t task;      /* of its taskDetails: the next that may need its job's words */
	int details;      /* jobs asked about in this look */
	char id[ID_SIZE]; /* "run-<UUID>": it begins with a letter */
	char *label;      /* that says whose run the job is; submit */
	struct vertex_call call;
	struct loop_defer defer;
};

/* --- life of a backend --- */

static int check_settings(const json_t *settings, struct err *err)
{
	auto_diags diags = DIAG_LIST_INIT;
	auto_buf text = BUF_INIT;

	vertex_settings_check(settings, &diags);
	if (!diags.len)
		return 0;
	diag_format(&diags, &text, FINDINGS_MAX);
	return err_set(err, ERR_USER, "InvalidSettings", "%s", buf_str(&text));
}

static int vertex_open(const struct runner_env *env, const struct runner_settings *settings,
	void **ret_backend, struct err *err)
{
	struct vertex *vertex = xnew(struct vertex);

	if (check_settings(settings->spec, err) < 0 ||
		vertex_server_init(&vertex->server, env->loop, settings, err) < 0) {
		free(vertex);
		return -1;
	}
	vertex->env = *env;
	vertex->settings = json_deep_copy(settings->spec);
	*ret_backend = vertex;
	return 0;
}

static void vertex_close(void *backend)
{
	struct vertex *vertex = backend;

	vertex_server_clear(&vertex->server);
	json_decref(vertex->settings);
	free(vertex);
}

/* --- calls --- */

static struct work *work_new(
	struct vertex *vertex, const struct runner_run *run, struct runner_op *op)
{
	struct work *work = xnew(struct work);
	char uuid[REMOTE_UUID_SIZE];

	work->vertex = vertex;
	work->run = run;
	work->op = op;
	if (run)
		snprintf(work->id, sizeof(work->id), "run-%s", remote_uuid(run->uid, uuid));
	op->result = 0;
	op->step = -1;
	op->state = work;
	return work;
}

static void work_free(struct work *work)
{
	loop_defer_del(&work->defer);
	vertex_call_free(&work->call);
	free(work->label);
	json_decref(work->job);
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
	loop_defer_add(work->vertex->env.loop, &work->defer, finish_deferred);
}

static void fail_call(struct work *work, const char *what)
{
	work->op->result = vertex_fail(&work->call, what, &work->op->err);
	finish(work);
}

static struct work *work_of(struct vertex_call *call)
{
	return container_of(call, struct work, call);
}

static bool answered(const struct vertex_call *call)
{
	return call->api.err.class == ERR_NONE && call->api.status == 200 &&
	       json_is_object(call->api.answer);
}

/* A request about the job: "" or ":cancel". */
static void ask(struct work *work, const char *method, const char *verb, json_t *body,
	void (*done)(struct vertex_call *call))
{
	auto_free char *path = xasprintf("/pipelineJobs/%s%s", work->id, verb);

	vertex_send(&work->vertex->server, &work->call, method, path, body, true, done);
}

/* --- observe --- */

static void hand_over(struct work *work)
{
	remote_hand_over(
		work->run, POLL_MIN_MS, &work->vertex->plan, &work->state, work->ret_state);
}

static void ask_details(struct work *work);

/* The job's words are worth having, and no reason to fail. */
static void details_seen(struct vertex_call *call)
{
	struct work *work = work_of(call);
	json_t *tasks = doc_get(work->job, "jobDetail.taskDetails");

	if (answered(call))
		vertex_take_job_error(json_array_get(tasks, work->task), call->api.answer);
	work->task++;
	ask_details(work);
}

static void ask_details(struct work *work)
{
	const json_t *tasks = doc_get(work->job, "jobDetail.taskDetails");

	for (; work->task < json_array_size(tasks); work->task++) {
		auto_free char *job =
			vertex_failed_job(work->run, json_array_get(tasks, work->task));
		auto_free char *path = job ? xasprintf("/customJobs/%s", job) : NULL;

		if (!job || work->details++ >= DETAILS_MAX)
			continue;
		vertex_send(
			&work->vertex->server, &work->call, "GET", path, NULL, true, details_seen);
		return;
	}
	remote_mark_there(&work->state);
	vertex_job_observe(work->run, work->job, &work->state);
	hand_over(work);
	finish(work);
}

static void job_seen(struct vertex_call *call)
{
	struct work *work = work_of(call);

	if (answered(call)) {
		work->job = json_incref(call->api.answer);
		ask_details(work);
		return;
	}
	if (call->api.status != 404) {
		fail_call(work, "get the pipeline job");
		return;
	}
	work->op->result = remote_absent(work->run, TITLE, &work->state, &work->op->err);
	hand_over(work);
	finish(work);
}

static void vertex_observe(void *backend, const struct runner_run *run, struct run_state *ret_state,
	struct runner_op *op)
{
	struct work *work = work_new(backend, run, op);

	work->ret_state = ret_state;
	if (!remote_open_look(run, work->id, &work->state)) {
		hand_over(work);
		finish_later(work);
		return;
	}
	work->state.url = vertex_run_url(&work->vertex->server, work->id);
	ask(work, "GET", "", NULL, job_seen);
}

/* --- submit --- */

static void refuse(struct work *work, const char *reason, const char *why)
{
	work->op->result = err_set(&work->op->err, ERR_USER, reason, "%s", why);
	finish(work);
}

static void taken_seen(struct vertex_call *call)
{
	struct work *work = work_of(call);
	const char *run = json_string_value(
		json_object_get(json_object_get(call->api.answer, "labels"), VERTEX_LABEL_RUN));

	if (!answered(call))
		fail_call(work, "get the pipeline job");
	else if (str_eq(run, work->label))
		finish(work); /* it is ours */
	else
		refuse(work, "NameConflict",
			"a pipeline job of another run has the id of this one; start a new run");
}

/* A quota that is used up: somebody else's run ends, and this one is taken. */
static void wait_for_quota(struct work *work)
{
	auto_err said = ERR_INIT;

	vertex_fail(&work->call, "waits for quota", &said);
	work->op->result =
		err_set(&work->op->err, said.class, "QuotaExceeded", "%s", err_message(&said));
	work->op->err.retry_after_ms = said.retry_after_ms;
	finish(work);
}

static void created(struct vertex_call *call)
{
	struct work *work = work_of(call);
	const char *status = doc_str(call->api.answer, "error.status");

	if (answered(call))
		finish(work);
	else if (call->api.status == 409)
		ask(work, "GET", "", NULL, taken_seen);
	else if (call->api.status == 429 && str_eq(status, "RESOURCE_EXHAUSTED"))
		wait_for_quota(work);
	else
		fail_call(work, "create the pipeline job");
}

/* The PipelineJob with what the backend adds; NULL with the op's err. New reference. */
static json_t *job_body(struct work *work)
{
	struct native_input in = {.spec = work->run->spec,
		.run_id = work->run->run_id,
		.settings = work->vertex->settings,
		.steps = work->run->known};
	auto_diags diags = DIAG_LIST_INIT;
	json_t *job = NULL;

	vertex_job_compile(&in, &job, &diags);
	if (remote_refused(&diags, &work->op->err) < 0) {
		json_decref(job);
		return NULL;
	}
	work->label = xstrdup(json_string_value(
		json_object_get(json_object_get(job, "labels"), VERTEX_LABEL_RUN)));
	return job;
}

static void vertex_submit(void *backend, const struct runner_run *run, struct runner_op *op)
{
	struct work *work = work_new(backend, run, op);
	json_t *body = job_body(work);
	auto_free char *path = xasprintf("/pipelineJobs?pipelineJobId=%s", work->id);

	if (!body) {
		op->result = -1;
		finish_later(work);
		return;
	}
	/* the id makes it harmless to send twice */
	vertex_send(&work->vertex->server, &work->call, "POST", path, body, true, created);
}

/* --- cancel --- */

static void cancelled(struct vertex_call *call)
{
	struct work *work = work_of(call);
	int status = call->api.status;

	/* 400 FAILED_PRECONDITION: it has ended; the next look tells */
	if (answered(call) || status == 400 || status == 404 || status == 409)
		finish(work);
	else
		fail_call(work, "cancel the pipeline job");
}

static void vertex_cancel(void *backend, const struct runner_run *run, struct runner_op *op)
{
	ask(work_new(backend, run, op), "POST", ":cancel", json_object(), cancelled);
}

/* --- logs --- */

static void job_of_logs_seen(struct vertex_call *call)
{
	struct work *work = work_of(call);
	const struct vertex_server *server = &work->vertex->server;
	struct runner_logs *logs = work->logs;
	auto_free char *page = NULL, *job = NULL, *text = NULL;

	if (call->api.status == 404) {
		refuse(work, "NoLogs", "Vertex AI has no such run");
		return;
	}
	if (!answered(call)) {
		fail_call(work, "get the pipeline job");
		return;
	}
	page = vertex_run_url(server, work->id);
	job = vertex_task_job(call->api.answer, logs->step);
	text = vertex_logs_text(logs, server->project, work->id, job, page);
	logs->data(logs, text, strlen(text));
	finish(work);
}

/* Not what was printed, but how to read it. */
static void vertex_logs(
	void *backend, const struct runner_run *run, struct runner_logs *logs, struct runner_op *op)
{
	struct work *work = work_new(backend, run, op);

	work->logs = logs;
	ask(work, "GET", "", NULL, job_of_logs_seen);
}

/* --- probe --- */

static void jobs_seen(struct vertex_call *call)
{
	struct work *work = work_of(call);

	if (answered(call))
		finish(work);
	else
		fail_call(work, "list pipeline jobs");
}

static void vertex_probe(void *backend, struct runner_probe *ret_probe, struct runner_op *op)
{
	struct work *work = work_new(backend, NULL, op);

	(void)ret_probe; /* there is no version to tell */
	vertex_send(&work->vertex->server, &work->call, "GET", "/pipelineJobs?pageSize=1", NULL,
		true, jobs_seen);
}

static void vertex_op_cancel(void *backend, struct runner_op *op)
{
	(void)backend;
	if (op->state)
		work_free(op->state);
}

/* POD_TEMPLATE for the words of our own, PARALLEL_LIMIT for failurePolicy: what else the two would
 * allow is refused by vertex_job.c. */
const struct runner runner_vertex = {
	.name = "vertex",
	.summary = "Vertex AI Pipelines, IR 2.1.0 in a PipelineJob",
	.features = BACKEND_RESOURCES | BACKEND_POD_TEMPLATE | BACKEND_ENV | BACKEND_RETRY |
		    BACKEND_ACCELERATOR | BACKEND_PARALLEL_LIMIT | BACKEND_PYTHON |
		    BACKEND_ACCELERATOR_MODELS,
	.document = "vertex.json",
	.whole = true,
	.outside = true,
	.compile = vertex_job_compile,
	.open = vertex_open,
	.close = vertex_close,
	.probe = vertex_probe,
	.observe = vertex_observe,
	.submit = vertex_submit,
	.cancel = vertex_cancel,
	.logs = vertex_logs,
	.op_cancel = vertex_op_cancel,
};

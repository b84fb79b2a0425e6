/*
 * Amazon SageMaker Pipelines. A run is an execution of the pipeline that its FondantPipeline has
 * there, found by its display name, which is made of the run's UID:
 *
 *   observe: find the execution (ListPipelineExecutions, once) -> DescribePipelineExecution
 *            -> ListPipelineExecutionSteps -> DescribeProcessingJob of what failed
 *   submit:  find it -> put what it reads to S3 -> create or update the pipeline -> start it
 *   cancel:  find it -> StopPipelineExecution
 *   logs:    find it -> ListPipelineExecutionSteps -> the log of the step's job
 *
 * The token of a start is made of the UID too, so that a start whose answer was lost gives the same
 * execution again.
 *
 * The definition has the run's id and leaves out what hit, so each run updates the pipeline, and
 * must be started with its own definition. Runs of one pipeline do this one after the other; an
 * update tells the version that it made, and the start names it. Where there is no version to name
 * (the pipeline was created, or is as it should be), another program may have been faster: what was
 * started is compared, and stopped where it is another one.
 *
 * Whether the pipeline is as it should be says the hash in its description: nothing is found by a
 * prefix of a name.
 */
#include "runners/runner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/digest.h"
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "compiler/compile.h"
#include "doc/canon.h"
#include "doc/json.h"
#include "doc/path.h"
#include "runners/remote.h"
#include "runners/sagemaker_definition.h"
#include "runners/sagemaker_logs.h"
#include "runners/sagemaker_native.h"
#include "runners/sagemaker_observe.h"
#include "runners/sagemaker_server.h"

#define POLL_MIN_MS 15000 /* cloud-backends.md 1.2: no faster than that */
#define TITLE "SageMaker"
#define ID_SIZE (REMOTE_UUID_SIZE + 8)
#define PAGE 100
#define PAGES_MAX 50     /* of executions, of pipelines, of steps */
#define REMEMBERED 10000 /* executions */
#define DETAILS_MAX 4    /* failed steps whose jobs are asked for their last words */

struct sagemaker {
	struct runner_env env;
	struct sagemaker_server server;
	struct poll_plan plan;
	json_t *settings;
	struct map arns;     /* display name of an execution -> its ARN */
	struct map held;     /* name of a pipeline -> the work that changes it */
	struct list waiting; /* works for their turn */
};

/* One runner_op under way. */
struct work {
	struct sagemaker *sagemaker;
	const struct runner_run *run;
	struct runner_op *op;
	struct run_state *ret_state; /* observe */
	struct run_state state;
	char id[ID_SIZE]; /* "run-<UUID>" */
	char *name;       /* of the pipeline; NULL: not known */
	char *arn;        /* of the execution; NULL: there is none */
	void (*found)(struct work *work);
	json_t *pipelines; /* where the name is not known: those still to look through */
	int pages;
	struct sagemaker_call call;
	/* observe */
	json_t *execution, *steps;
	size_t detail;
	int details;
	/* logs */
	struct runner_logs *logs;
	struct sagemaker_logs reading;
	/* submit */
	json_t *document;
	char *definition, *description, *version;
	bool again, holds;
	size_t upload;
	struct s3_client *s3;
	struct s3_op put;
	struct aws_wait keys;
	struct list link;
	struct loop_defer turn, defer;
};

/* --- life of a backend --- */

static int sagemaker_open(const struct runner_env *env, const struct runner_settings *settings,
	void **ret_backend, struct err *err)
{
	struct sagemaker *sagemaker;

	if (!doc_str(settings->spec, "roleArn"))
		return err_set(err, ERR_USER, "InvalidSettings",
			"sagemaker.roleArn: give the role that pipelines and their jobs run as");
	sagemaker = xnew(struct sagemaker);
	if (sagemaker_server_init(&sagemaker->server, env->loop, settings, err) < 0) {
		free(sagemaker);
		return -1;
	}
	sagemaker->env = *env;
	sagemaker->settings = json_deep_copy(settings->spec);
	sagemaker->arns.free_value = free;
	list_init(&sagemaker->waiting);
	*ret_backend = sagemaker;
	return 0;
}

static void sagemaker_close(void *backend)
{
	struct sagemaker *sagemaker = backend;

	map_clear(&sagemaker->arns);
	map_clear(&sagemaker->held);
	sagemaker_server_clear(&sagemaker->server);
	json_decref(sagemaker->settings);
	free(sagemaker);
}

static void remember(struct work *work)
{
	struct map *arns = &work->sagemaker->arns;

	if (arns->len >= REMEMBERED)
		map_clear(arns);
	map_set(arns, work->id, xstrdup(work->arn));
}

/* --- works --- */

static struct work *work_new(
	struct sagemaker *sagemaker, const struct runner_run *run, struct runner_op *op)
{
	struct work *work = xnew(struct work);
	char uuid[REMOTE_UUID_SIZE];

	work->sagemaker = sagemaker;
	work->run = run;
	work->op = op;
	list_init(&work->link);
	if (run)
		snprintf(work->id, sizeof(work->id), "run-%s", remote_uuid(run->uid, uuid));
	if (run && run->namespace_ && run->pipeline && *run->pipeline)
		work->name = sagemaker_pipeline_name(run->namespace_, run->pipeline);
	op->result = 0;
	op->step = -1;
	op->state = work;
	return work;
}

static void begin_turn(struct loop_defer *defer);

/* The next one that waits for the same pipeline has its turn. */
static void release(struct work *work)
{
	struct sagemaker *sagemaker = work->sagemaker;

	list_del(&work->link);
	if (!work->holds)
		return;
	map_del(&sagemaker->held, work->name);
	list_for_each (at, &sagemaker->waiting) {
		struct work *next = container_of(at, struct work, link);

		if (!str_eq(next->name, work->name))
			continue;
		list_del(&next->link);
		next->holds = true;
		map_set(&sagemaker->held, next->name, next);
		loop_defer_add(sagemaker->env.loop, &next->turn, begin_turn);
		return;
	}
}

static void work_free(struct work *work)
{
	release(work);
	loop_defer_del(&work->turn);
	loop_defer_del(&work->defer);
	sagemaker_call_free(&work->call);
	sagemaker_logs_free(&work->reading);
	aws_wait_cancel(&work->keys);
	s3_op_free(&work->put);
	s3_client_free(work->s3);
	run_state_clear(&work->state);
	json_decref(work->pipelines);
	json_decref(work->execution);
	json_decref(work->steps);
	json_decref(work->document);
	free(work->definition);
	free(work->description);
	free(work->version);
	free(work->name);
	free(work->arn);
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
	loop_defer_add(work->sagemaker->env.loop, &work->defer, finish_deferred);
}

static void fail_call(struct work *work, const char *what)
{
	work->op->result = sagemaker_fail(&work->call, what, &work->op->err);
	finish(work);
}

/* err is moved. */
static void fail_with(struct work *work, struct err *err)
{
	work->op->result = -1;
	err_move(&work->op->err, err);
	finish(work);
}

static struct work *work_of(struct sagemaker_call *call)
{
	return container_of(call, struct work, call);
}

static void ask(struct work *work, const char *operation, json_t *body,
	void (*done)(struct sagemaker_call *call))
{
	sagemaker_send(&work->sagemaker->server, &work->call, operation, body, done);
}

/* --- finding the execution --- */

static void list_executions(struct work *work, const char *next);

/* By a run's name alone its pipeline is not known: those that ran are looked through. */
static bool next_pipeline(struct work *work)
{
	const json_t *pipeline;

	if (!json_array_size(work->pipelines))
		return false;
	pipeline = json_array_get(work->pipelines, 0);
	free(work->name);
	work->name = xstrdup(doc_str_or(pipeline, "PipelineName", ""));
	json_array_remove(work->pipelines, 0);
	work->pages = 0;
	return true;
}

static void executions_listed(struct sagemaker_call *call)
{
	struct work *work = work_of(call);
	const json_t *list = json_object_get(call->api.answer, "PipelineExecutionSummaries"), *one;
	auto_free char *next = NULL;
	size_t i;

	if (!sagemaker_answered(call) && !sagemaker_not_found(call)) {
		fail_call(work, "list the pipeline's executions");
		return;
	}
	json_array_foreach (list, i, one) {
		const char *arn = doc_str(one, "PipelineExecutionArn");

		if (!arn || !str_eq(doc_str(one, "PipelineExecutionDisplayName"), work->id))
			continue;
		work->arn = xstrdup(arn);
		remember(work);
		work->found(work);
		return;
	}
	if (doc_str(call->api.answer, "NextToken"))
		next = xstrdup(doc_str(call->api.answer, "NextToken"));
	if (next && ++work->pages < PAGES_MAX)
		list_executions(work, next);
	else if (next_pipeline(work))
		list_executions(work, NULL);
	else
		work->found(work);
}

static void list_executions(struct work *work, const char *next)
{
	json_t *body = json_pack("{s:s, s:s, s:s, s:i}", "PipelineName", work->name, "SortBy",
		"CreationTime", "SortOrder", "Descending", "MaxResults", PAGE);

	if (next)
		json_object_set_new(body, "NextToken", json_string(next));
	ask(work, "ListPipelineExecutions", body, executions_listed);
}

static void pipelines_listed(struct sagemaker_call *call)
{
	struct work *work = work_of(call);

	if (!sagemaker_answered(call)) {
		fail_call(work, "list pipelines");
		return;
	}
	work->pipelines = json_copy(json_object_get(call->api.answer, "PipelineSummaries"));
	if (next_pipeline(work))
		list_executions(work, NULL);
	else
		work->found(work);
}

/* found comes with work->arn, or NULL where there is none; never inside this call. */
static void find(struct work *work, void (*found)(struct work *work))
{
	work->found = found;
	if (work->name)
		list_executions(work, NULL);
	else
		ask(work, "ListPipelines",
			json_pack("{s:s, s:s, s:i}", "SortBy", "CreationTime", "SortOrder",
				"Descending", "MaxResults", PAGE),
			pipelines_listed);
}

static bool known_arn(struct work *work)
{
	const char *arn = map_get(&work->sagemaker->arns, work->id);

	work->arn = arn ? xstrdup(arn) : NULL;
	return arn != NULL;
}

/* --- observe --- */

static void hand_over(struct work *work)
{
	remote_hand_over(
		work->run, POLL_MIN_MS, &work->sagemaker->plan, &work->state, work->ret_state);
	finish(work);
}

static void ask_details(struct work *work);

/* The job's words are worth having, and no reason to fail. */
static void job_seen(struct sagemaker_call *call)
{
	struct work *work = work_of(call);
	json_t *step = json_array_get(work->steps, work->detail++);
	json_t *said = json_object_get(call->api.answer, "ExitMessage");

	if (sagemaker_answered(call) && json_is_string(said))
		json_object_set(step, "ExitMessage", said);
	ask_details(work);
}

static void ask_details(struct work *work)
{
	for (; work->detail < json_array_size(work->steps); work->detail++) {
		auto_free char *job =
			sagemaker_failed_job(work->run, json_array_get(work->steps, work->detail));

		if (!job || work->details++ >= DETAILS_MAX)
			continue;
		ask(work, "DescribeProcessingJob", json_pack("{s:s}", "ProcessingJobName", job),
			job_seen);
		return;
	}
	remote_mark_there(&work->state);
	sagemaker_observe(work->run, work->execution, work->steps, &work->state);
	hand_over(work);
}

static void list_steps(struct work *work, const char *next);
static void read_logs(struct work *work);

static void steps_listed(struct sagemaker_call *call)
{
	struct work *work = work_of(call);
	json_t *list = json_object_get(call->api.answer, "PipelineExecutionSteps");
	auto_free char *next = NULL;

	if (!sagemaker_answered(call)) {
		fail_call(work, "list the execution's steps");
		return;
	}
	if (json_is_array(list))
		json_array_extend(work->steps, list);
	if (doc_str(call->api.answer, "NextToken"))
		next = xstrdup(doc_str(call->api.answer, "NextToken"));
	if (next && ++work->pages < PAGES_MAX)
		list_steps(work, next);
	else if (work->logs)
		read_logs(work);
	else
		ask_details(work);
}

static void list_steps(struct work *work, const char *next)
{
	json_t *body =
		json_pack("{s:s, s:i}", "PipelineExecutionArn", work->arn, "MaxResults", PAGE);

	if (next)
		json_object_set_new(body, "NextToken", json_string(next));
	ask(work, "ListPipelineExecutionSteps", body, steps_listed);
}

static void list_all_steps(struct work *work)
{
	work->steps = json_array();
	work->pages = 0;
	list_steps(work, NULL);
}

static void is_absent(struct work *work)
{
	map_del(&work->sagemaker->arns, work->id);
	work->op->result = remote_absent(work->run, TITLE, &work->state, &work->op->err);
	hand_over(work);
}

static void execution_seen(struct sagemaker_call *call)
{
	struct work *work = work_of(call);

	if (sagemaker_not_found(call)) {
		is_absent(work);
	} else if (!sagemaker_answered(call)) {
		fail_call(work, "describe the execution");
	} else {
		work->execution = json_incref(call->api.answer);
		list_all_steps(work);
	}
}

static void describe(struct work *work)
{
	if (work->arn)
		ask(work, "DescribePipelineExecution",
			json_pack("{s:s}", "PipelineExecutionArn", work->arn), execution_seen);
	else
		is_absent(work);
}

static void sagemaker_run_observe(void *backend, const struct runner_run *run,
	struct run_state *ret_state, struct runner_op *op)
{
	struct work *work = work_new(backend, run, op);

	work->ret_state = ret_state;
	if (!remote_open_look(run, work->id, &work->state)) {
		remote_hand_over(run, POLL_MIN_MS, &work->sagemaker->plan, &work->state, ret_state);
		finish_later(work);
	} else if (known_arn(work)) {
		describe(work);
	} else {
		find(work, describe);
	}
}

/* --- submit: the end --- */

/* Hex SHA-256: 64 of the 32 to 128 characters that a ClientRequestToken has. Returns out. */
static const char *token_of(const struct work *work, const char *what, char out[DIGEST_HEX_SIZE])
{
	digest_sha256_parts(out, "fondant.ai/FondantRun", what, work->run->uid, (char *)NULL);
	return out;
}

static void wrong_one_stopped(struct sagemaker_call *call)
{
	struct work *work = work_of(call);

	work->op->result = err_set(&work->op->err, ERR_USER, "PipelineChanged",
		"another program changed pipeline %s of SageMaker while this run was started; its "
		"execution was stopped: start a new run",
		work->name);
	finish(work);
}

static void definition_seen(struct sagemaker_call *call)
{
	struct work *work = work_of(call);
	const char *text = doc_str(call->api.answer, "PipelineDefinition");
	auto_json *started = NULL;
	char token[DIGEST_HEX_SIZE];

	/* where it cannot be read there is nothing to say against it */
	if (!sagemaker_answered(call) || !text ||
		doc_json_parse_lenient(text, strlen(text), &started, NULL) < 0 ||
		json_equal(started, json_object_get(work->document, "definition"))) {
		finish(work);
		return;
	}
	ask(work, "StopPipelineExecution",
		json_pack("{s:s, s:s}", "PipelineExecutionArn", work->arn, "ClientRequestToken",
			token_of(work, "stop", token)),
		wrong_one_stopped);
}

static void started(struct sagemaker_call *call)
{
	struct work *work = work_of(call);
	const char *arn = doc_str(call->api.answer, "PipelineExecutionArn");

	if (!sagemaker_answered(call)) {
		fail_call(work, "start the pipeline");
		return;
	}
	if (!arn) {
		work->op->result = err_set(&work->op->err, ERR_TRANSIENT, "BadAnswer",
			"start the pipeline: the answer names no execution");
		finish(work);
		return;
	}
	work->arn = xstrdup(arn);
	remember(work);
	if (work->version)
		finish(work);
	else
		ask(work, "DescribePipelineDefinitionForExecution",
			json_pack("{s:s}", "PipelineExecutionArn", arn), definition_seen);
}

static void start(struct work *work)
{
	const struct frozen_spec *spec = work->run->spec;
	const char *role = doc_str_or(work->sagemaker->settings, "roleArn", "");
	const json_t *definition = json_object_get(work->document, "definition");
	json_t *parameters = sagemaker_native_parameters(
		definition, spec->native ? json_object_get(spec->json, "parameters") : NULL, role);
	char token[DIGEST_HEX_SIZE];
	json_t *body = json_pack("{s:s, s:s, s:s, s:o}", "PipelineName", work->name,
		"PipelineExecutionDisplayName", work->id, "ClientRequestToken",
		token_of(work, "start", token), "PipelineParameters", parameters);

	if (work->version)
		json_object_set_new(body, "PipelineVersionId", json_string(work->version));
	ask(work, "StartPipelineExecution", body, started);
}

/* --- submit: the pipeline --- */

static void describe_pipeline(struct work *work);

static json_t *pipeline_body(const struct work *work)
{
	return json_pack("{s:s, s:s, s:s, s:s}", "PipelineName", work->name, "PipelineDefinition",
		work->definition, "PipelineDescription", work->description, "RoleArn",
		doc_str_or(work->sagemaker->settings, "roleArn", ""));
}

static void updated(struct sagemaker_call *call)
{
	struct work *work = work_of(call);
	const json_t *version = json_object_get(call->api.answer, "PipelineVersionId");

	if (!sagemaker_answered(call)) {
		fail_call(work, "update the pipeline");
		return;
	}
	if (json_is_string(version))
		work->version = xstrdup(json_string_value(version));
	else if (json_is_integer(version))
		work->version = xasprintf("%lld", (long long)json_integer_value(version));
	start(work);
}

/* Somebody was faster. There is no error of its own for that (cloud-backends.md 1.2). */
static bool exists_already(const struct sagemaker_call *call)
{
	const char *words = sagemaker_words(call);

	return str_eq(call->error, "ValidationException") && words &&
	       strstr(words, "already exists");
}

static void created(struct sagemaker_call *call)
{
	struct work *work = work_of(call);

	if (sagemaker_answered(call)) {
		start(work);
	} else if (exists_already(call) && !work->again) {
		work->again = true;
		describe_pipeline(work);
	} else {
		fail_call(work, "create the pipeline");
	}
}

static void pipeline_seen(struct sagemaker_call *call)
{
	struct work *work = work_of(call);
	char hex[DIGEST_HEX_SIZE];
	json_t *body;

	if (sagemaker_not_found(call)) {
		body = pipeline_body(work);
		digest_sha256_parts(hex, "fondant.ai/pipeline", work->name, work->description,
			work->run->uid, (char *)NULL);
		json_object_set_new(body, "ClientRequestToken", json_string(hex));
		ask(work, "CreatePipeline", body, created);
	} else if (!sagemaker_answered(call)) {
		fail_call(work, "describe the pipeline");
	} else if (str_eq(doc_str(call->api.answer, "PipelineDescription"), work->description)) {
		start(work);
	} else {
		ask(work, "UpdatePipeline", pipeline_body(work), updated);
	}
}

static void describe_pipeline(struct work *work)
{
	ask(work, "DescribePipeline", json_pack("{s:s}", "PipelineName", work->name),
		pipeline_seen);
}

/* --- submit: what it reads --- */

static void put_next(struct work *work);

static void was_put(struct s3_op *put)
{
	struct work *work = container_of(put, struct work, put);

	if (put->outcome != S3_OK) {
		work->op->result = -1;
		err_move(&work->op->err, &put->err);
		err_wrap(&work->op->err, "put a step's program to S3");
		finish(work);
		return;
	}
	work->upload++;
	put_next(work);
}

/* Their names are hashes of what they hold: one that is there is put again as it is. */
static void put_next(struct work *work)
{
	const json_t *uploads = json_object_get(work->document, "uploads");
	const json_t *one = json_array_get(uploads, work->upload);
	const char *text = doc_str_or(one, "text", "");
	auto_free char *bucket = NULL, *key = NULL;

	if (!one) {
		describe_pipeline(work);
		return;
	}
	if (!s3_parse_uri(doc_str_or(one, "uri", ""), &bucket, &key)) {
		work->op->result = err_set(&work->op->err, ERR_USER, "Refused",
			"%.200s: SageMaker reads programs of steps from s3://",
			doc_str_or(one, "uri", ""));
		finish(work);
		return;
	}
	work->put.done = was_put;
	s3_put(work->s3, &work->put, bucket, key, text, strlen(text), NULL);
}

static void keys_there(struct aws_wait *wait)
{
	struct work *work = container_of(wait, struct work, keys);

	if (wait->err.class != ERR_NONE) {
		fail_with(work, &wait->err);
	} else if (sagemaker_server_s3(&work->sagemaker->server, &work->s3, &work->op->err) < 0) {
		work->op->result = -1;
		finish(work);
	} else {
		put_next(work);
	}
}

static void begin_turn(struct loop_defer *defer)
{
	struct work *work = container_of(defer, struct work, turn);

	if (json_array_size(json_object_get(work->document, "uploads")))
		aws_auth_get(&work->sagemaker->server.auth, &work->keys, keys_there);
	else
		describe_pipeline(work);
}

/* --- submit: the beginning --- */

/* The document as texts; < 0 with the op's err. */
static int make_document(struct work *work)
{
	struct native_input in = {.spec = work->run->spec,
		.run_id = work->run->run_id,
		.settings = work->sagemaker->settings,
		.steps = work->run->known};
	const char *role = doc_str_or(work->sagemaker->settings, "roleArn", "");
	auto_diags diags = DIAG_LIST_INIT;
	char hex[DIGEST_HEX_SIZE];

	sagemaker_compile(&in, &work->document, &diags);
	if (remote_refused(&diags, &work->op->err) < 0)
		return -1;
	work->definition =
		canon_str(json_object_get(work->document, "definition"), CANON_COMPACT_ORDERED);
	digest_sha256_parts(hex, work->definition, role, (char *)NULL);
	work->description = xasprintf("Made by the Fondant operator, sha256:%s", hex);
	return 0;
}

static void take_turn(struct work *work)
{
	struct sagemaker *sagemaker = work->sagemaker;

	if (map_has(&sagemaker->held, work->name)) {
		list_add_tail(&sagemaker->waiting, &work->link);
		return;
	}
	work->holds = true;
	map_set(&sagemaker->held, work->name, work);
	loop_defer_add(sagemaker->env.loop, &work->turn, begin_turn);
}

static void may_submit(struct work *work)
{
	if (work->arn) { /* it is there: adopted */
		finish(work);
	} else if (make_document(work) < 0) {
		work->op->result = -1;
		finish(work);
	} else {
		take_turn(work);
	}
}

static void sagemaker_submit(void *backend, const struct runner_run *run, struct runner_op *op)
{
	find(work_new(backend, run, op), may_submit);
}

/* --- cancel --- */

static void stopped(struct sagemaker_call *call)
{
	struct work *work = work_of(call);

	/* ValidationException: it is not in a state to be stopped any more; the next look tells */
	if (sagemaker_answered(call) || sagemaker_not_found(call) ||
		str_eq(call->error, "ValidationException"))
		finish(work);
	else
		fail_call(work, "stop the execution");
}

static void stop(struct work *work)
{
	char token[DIGEST_HEX_SIZE];

	if (!work->arn) {
		finish(work);
		return;
	}
	ask(work, "StopPipelineExecution",
		json_pack("{s:s, s:s}", "PipelineExecutionArn", work->arn, "ClientRequestToken",
			token_of(work, "stop", token)),
		stopped);
}

static void sagemaker_cancel(void *backend, const struct runner_run *run, struct runner_op *op)
{
	struct work *work = work_new(backend, run, op);

	if (known_arn(work))
		stop(work);
	else
		find(work, stop);
}

/* --- logs --- */

static void logs_read(struct sagemaker_logs *reading)
{
	struct work *work = container_of(reading, struct work, reading);

	if (reading->err.class != ERR_NONE)
		fail_with(work, &reading->err);
	else
		finish(work);
}

static void read_logs(struct work *work)
{
	auto_free char *job = sagemaker_step_job(work->steps, work->logs->step);

	if (!job) {
		work->op->result = err_set(&work->op->err, ERR_USER, "NoLogs",
			"step %s of run %s has no processing job", work->logs->step,
			work->run->name);
		finish(work);
		return;
	}
	work->reading = (struct sagemaker_logs){
		.server = &work->sagemaker->server, .logs = work->logs, .done = logs_read};
	sagemaker_logs_read(&work->reading, job);
}

static void find_step(struct work *work)
{
	if (work->arn) {
		list_all_steps(work);
		return;
	}
	work->op->result = err_set(&work->op->err, ERR_USER, "NoLogs", TITLE " has no such run");
	finish(work);
}

static void sagemaker_read_logs(
	void *backend, const struct runner_run *run, struct runner_logs *logs, struct runner_op *op)
{
	struct work *work = work_new(backend, run, op);

	work->logs = logs;
	if (known_arn(work))
		find_step(work);
	else
		find(work, find_step);
}

/* --- probe --- */

static void probed(struct sagemaker_call *call)
{
	struct work *work = work_of(call);

	if (sagemaker_answered(call))
		finish(work);
	else
		fail_call(work, "list pipelines");
}

static void sagemaker_probe(void *backend, struct runner_probe *ret_probe, struct runner_op *op)
{
	struct work *work = work_new(backend, NULL, op);

	(void)ret_probe; /* there is no version to tell */
	ask(work, "ListPipelines", json_pack("{s:i}", "MaxResults", 1), probed);
}

static void sagemaker_op_cancel(void *backend, struct runner_op *op)
{
	(void)backend;
	if (op->state)
		work_free(op->state);
}

/*
 * podTemplate, accelerator and what stands with them in the feature bits pass the compiler only to
 * be refused by sagemaker_check with advice of this backend's own.
 */
const struct runner runner_sagemaker = {
	.name = "sagemaker",
	.summary = "one processing job per step of an Amazon SageMaker pipeline",
	.features = BACKEND_POD_TEMPLATE | BACKEND_ENV | BACKEND_RETRY | BACKEND_TIMEOUT |
		    BACKEND_ACCELERATOR | BACKEND_INSTANCE_TYPE | BACKEND_PYTHON |
		    BACKEND_RESOURCES,
	.document = "sagemaker.json",
	.whole = true,
	.outside = true,
	.compile = sagemaker_compile,
	.open = sagemaker_open,
	.close = sagemaker_close,
	.probe = sagemaker_probe,
	.observe = sagemaker_run_observe,
	.submit = sagemaker_submit,
	.cancel = sagemaker_cancel,
	.logs = sagemaker_read_logs,
	.op_cancel = sagemaker_op_cancel,
};

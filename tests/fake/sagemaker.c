#include "tests/fake/sagemaker.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "doc/json.h"
#include "doc/path.h"

#define PREFIX "arn:aws:sagemaker:eu-west-1:123456789012:"
#define THEN 1800000000.25

struct reply {
	int status;
	json_t *json; /* owned */
};

static void refuse(struct reply *reply, const char *type, const char *message)
{
	auto_free char *whole = xasprintf("com.amazonaws.sagemaker#%s", type);

	reply->status = 400;
	reply->json = json_pack("{s:s, s:s}", "__type", whole, "message", message);
}

/* --- pipelines --- */

static json_t *pipeline_of(
	const struct fake_sagemaker *fake, const json_t *body, struct reply *reply)
{
	json_t *pipeline = json_object_get(fake->pipelines, doc_str_or(body, "PipelineName", ""));

	if (!pipeline)
		refuse(reply, "ResourceNotFound", "Pipeline does not exist.");
	return pipeline;
}

static void create_pipeline(struct fake_sagemaker *fake, const json_t *body, struct reply *reply)
{
	const char *name = doc_str_or(body, "PipelineName", "");

	if (json_object_get(fake->pipelines, name)) {
		refuse(reply, "ValidationException",
			"Pipeline names must be unique within an AWS "
			"account and region. It already exists.");
		return;
	}
	fake->created++;
	json_object_set_new(fake->pipelines, name, json_copy((json_t *)body));
	reply->json = json_pack("{s:s}", "PipelineArn", PREFIX "pipeline/p");
}

static void update_pipeline(struct fake_sagemaker *fake, const json_t *body, struct reply *reply)
{
	json_t *pipeline = pipeline_of(fake, body, reply);

	if (!pipeline)
		return;
	fake->updated++;
	json_object_update(pipeline, (json_t *)body);
	reply->json = json_pack("{s:s}", "PipelineArn", PREFIX "pipeline/p");
	if (!fake->no_versions)
		json_object_set_new(
			reply->json, "PipelineVersionId", json_sprintf("%d", fake->updated + 1));
}

static void list_pipelines(const struct fake_sagemaker *fake, struct reply *reply)
{
	json_t *list = json_array(), *pipeline;
	const char *name;

	json_object_foreach (fake->pipelines, name, pipeline)
		json_array_append_new(list, json_pack("{s:s}", "PipelineName", name));
	reply->json = json_pack("{s:o}", "PipelineSummaries", list);
}

/* --- executions --- */

static const char *status_of(const struct fake_sagemaker *fake, const json_t *execution)
{
	int64_t age = doc_int_or(execution, "age", 0),
		stopped = doc_int_or(execution, "stopped", 0);

	if (stopped)
		return age > stopped + 1 ? "Stopped" : "Stopping";
	if (age < 4 || fake->hangs)
		return "Executing";
	return fake->fails ? "Failed" : "Succeeded";
}

static json_t *execution_of(
	const struct fake_sagemaker *fake, const json_t *body, struct reply *reply)
{
	json_t *execution =
		json_object_get(fake->executions, doc_str_or(body, "PipelineExecutionArn", ""));

	if (!execution)
		refuse(reply, "ResourceNotFound", "Pipeline execution does not exist.");
	return execution;
}

static const char *started_before(const struct fake_sagemaker *fake, const char *token)
{
	const char *arn;
	json_t *execution;

	json_object_foreach (fake->executions, arn, execution) {
		if (str_eq(doc_str(execution, "body.ClientRequestToken"), token))
			return arn;
	}
	return NULL;
}

static void start(struct fake_sagemaker *fake, const json_t *body, struct reply *reply)
{
	json_t *pipeline = pipeline_of(fake, body, reply);
	const char *token = doc_str_or(body, "ClientRequestToken", "");
	const char *before = started_before(fake, token), *definition;
	auto_free char *arn = NULL;

	if (!pipeline)
		return;
	if (strlen(token) < 32 || strlen(token) > 128) {
		refuse(reply, "ValidationException", "the token is none");
		return;
	}
	if (!before) {
		fake->starts++;
		definition = doc_str_or(pipeline, "PipelineDefinition", "");
		if (fake->meddle && !json_object_get(body, "PipelineVersionId"))
			definition = fake->meddle;
		arn = xasprintf(PREFIX "pipeline/p/execution/%012d", fake->starts);
		json_object_set_new(fake->executions, arn,
			json_pack("{s:O, s:s, s:i}", "body", body, "definition", definition, "age",
				0));
		before = arn;
	}
	reply->json = json_pack("{s:s}", "PipelineExecutionArn", before);
}

static void list_executions(
	const struct fake_sagemaker *fake, const json_t *body, struct reply *reply)
{
	json_t *list = json_array(), *execution;
	const char *arn;

	json_object_foreach (fake->executions, arn, execution) {
		if (str_eq(doc_str(execution, "body.PipelineName"), doc_str(body, "PipelineName")))
			json_array_append_new(
				list, json_pack("{s:s, s:s}", "PipelineExecutionArn", arn,
					      "PipelineExecutionDisplayName",
					      doc_str_or(execution,
						      "body.PipelineExecutionDisplayName", "")));
	}
	reply->json = json_pack("{s:o}", "PipelineExecutionSummaries", list);
}

static void describe_execution(
	const struct fake_sagemaker *fake, json_t *execution, struct reply *reply)
{
	json_object_set_new(execution, "age", json_integer(doc_int_or(execution, "age", 0) + 1));
	reply->json = json_pack("{s:s}", "PipelineExecutionStatus", status_of(fake, execution));
	if (str_eq(status_of(fake, execution), "Failed"))
		json_object_set_new(reply->json, "FailureReason",
			json_string("Step failure: One or multiple steps failed."));
}

static json_t *step_answer(const struct fake_sagemaker *fake, const json_t *step, bool second,
	const char *whole, int64_t age)
{
	const char *name = doc_str_or(step, "Name", "");
	bool failed = str_eq(name, fake->fails) && age >= 3;
	bool over = failed || (!fake->hangs && (second ? str_eq(whole, "Succeeded") : age >= 3));
	json_t *out = json_pack(
		"{s:s, s:f, s:i}", "StepName", name, "StartTime", THEN, "AttemptCount", 1);
	auto_free char *arn = xasprintf(PREFIX "processing-job/pipelines-abc-%s-XyZ", name);

	json_object_set_new(out, "StepStatus",
		json_string(failed                      ? "Failed"
			    : over                      ? "Succeeded"
			    : str_eq(whole, "Stopping") ? "Stopping"
			    : str_eq(whole, "Stopped")  ? "Stopped"
							: "Executing"));
	json_object_set_new(out, "Metadata", json_pack("{s:{s:s}}", "ProcessingJob", "Arn", arn));
	if (failed && fake->why)
		json_object_set_new(out, "FailureReason", json_string(fake->why));
	if (over)
		json_object_set_new(out, "EndTime", json_real(THEN + 9));
	return out;
}

static void list_steps(
	const struct fake_sagemaker *fake, const json_t *execution, struct reply *reply)
{
	const char *text = doc_str_or(execution, "definition", "{}");
	const char *whole = status_of(fake, execution);
	int64_t age = doc_int_or(execution, "age", 0);
	auto_json *definition = NULL;
	json_t *list = json_array(), *step;
	size_t i;

	doc_json_parse(text, strlen(text), &definition, NULL);
	json_array_foreach (json_object_get(definition, "Steps"), i, step) {
		bool second = json_array_size(json_object_get(step, "DependsOn")) > 0;

		if (second && (age < 3 || fake->fails || fake->hangs))
			continue;
		json_array_append_new(list, step_answer(fake, step, second, whole, age));
	}
	reply->json = json_pack("{s:o}", "PipelineExecutionSteps", list);
}

static void of_execution(
	struct fake_sagemaker *fake, const char *operation, const json_t *body, struct reply *reply)
{
	json_t *execution = execution_of(fake, body, reply);
	const char *status = execution ? status_of(fake, execution) : "";

	if (!execution)
		return;
	if (str_eq(operation, "DescribePipelineExecution")) {
		describe_execution(fake, execution, reply);
	} else if (str_eq(operation, "ListPipelineExecutionSteps")) {
		list_steps(fake, execution, reply);
	} else if (str_eq(operation, "DescribePipelineDefinitionForExecution")) {
		reply->json = json_pack(
			"{s:s}", "PipelineDefinition", doc_str_or(execution, "definition", ""));
	} else if (!str_eq(status, "Executing")) {
		refuse(reply, "ValidationException", "Only executing pipelines can be stopped.");
	} else {
		fake->stops++;
		json_object_set_new(
			execution, "stopped", json_integer(doc_int_or(execution, "age", 0) + 1));
		reply->json = json_object();
	}
}

/* --- logs --- */

#define EVENTS 5 /* of a log, before its job is described */

static void describe_job(struct fake_sagemaker *fake, struct reply *reply)
{
	fake->jobs_seen++;
	reply->json = json_pack(
		"{s:s}", "ProcessingJobStatus", fake->jobs_seen < 3 ? "InProgress" : "Completed");
	if (fake->said)
		json_object_set_new(reply->json, "ExitMessage", json_string(fake->said));
}

/* Of one machine; a job's name has the step's in it. */
static void list_streams(const struct fake_sagemaker *fake, const json_t *body, struct reply *reply)
{
	auto_free char *name =
		xasprintf("%salgo-1-1800000000", doc_str_or(body, "logStreamNamePrefix", ""));

	if (fake->quiet && !fake->jobs_seen)
		refuse(reply, "ResourceNotFoundException",
			"The specified log group does not exist.");
	else
		reply->json = json_pack("{s:[{s:s}]}", "logStreams", "logStreamName", name);
}

/* The token is the number of events that were told. */
static void read_stream(const struct fake_sagemaker *fake, const json_t *body, struct reply *reply)
{
	const char *token = doc_str(body, "nextToken");
	int64_t all = EVENTS + fake->jobs_seen, at = 0, end;
	json_t *events = json_array();
	bool from_head = json_is_true(json_object_get(body, "startFromHead"));

	if (token)
		at = strtoll(token + 2, NULL, 10);
	else if (!from_head)
		at = all - doc_int_or(body, "limit", all);
	at = at < 0 ? 0 : at;
	end = at + 2 < all && from_head ? at + 2 : all;
	if (fake->restless || (!token && from_head)) /* a page without anything */
		end = at;
	for (int64_t i = at; i < end; i++)
		json_array_append_new(
			events, json_pack("{s:o, s:i}", "message",
					json_sprintf("line %d", (int)i + 1), "timestamp", 1));
	reply->json = json_pack("{s:o, s:o}", "events", events, "nextForwardToken",
		json_sprintf("f/%d", (int)end + fake->restless * fake->asked));
}

/* --- requests --- */

static void operate(
	struct fake_sagemaker *fake, const char *operation, const json_t *body, struct reply *reply)
{
	json_t *pipeline;

	if (str_eq(operation, fake->error) && fake->error_times) {
		fake->error_times -= fake->error_times > 0;
		refuse(reply, fake->error_type, fake->error_words ? fake->error_words : "");
	} else if (str_eq(operation, "CreatePipeline")) {
		create_pipeline(fake, body, reply);
	} else if (str_eq(operation, "UpdatePipeline")) {
		update_pipeline(fake, body, reply);
	} else if (str_eq(operation, "DescribePipeline")) {
		pipeline = pipeline_of(fake, body, reply);
		if (pipeline)
			reply->json = json_copy(pipeline);
	} else if (str_eq(operation, "ListPipelines")) {
		list_pipelines(fake, reply);
	} else if (str_eq(operation, "StartPipelineExecution")) {
		start(fake, body, reply);
	} else if (str_eq(operation, "ListPipelineExecutions")) {
		list_executions(fake, body, reply);
	} else if (str_eq(operation, "DescribeProcessingJob")) {
		describe_job(fake, reply);
	} else if (str_eq(operation, "DescribeLogStreams")) {
		list_streams(fake, body, reply);
	} else if (str_eq(operation, "GetLogEvents")) {
		read_stream(fake, body, reply);
	} else {
		of_execution(fake, operation, body, reply);
	}
}

static bool is_known(const struct fake_sagemaker *fake, const struct http_exchange *ex)
{
	const char *given = http_header(ex, "authorization");
	auto_free char *want =
		xasprintf("AWS4-HMAC-SHA256 Credential=%s", fake->key_id ? fake->key_id : "");

	return given && str_starts_with(given, want);
}

/* The operation that a request names, of the service that it is signed for; NULL: neither. */
static const char *operation_of(const struct http_exchange *ex)
{
	static const struct {
		const char *target, *scope;
	} services[] = {{"SageMaker.", "/sagemaker/aws4_request"},
		{"Logs_20140328.", "/logs/aws4_request"}};
	const char *target = http_header(ex, "x-amz-target");

	for (size_t i = 0; target && i < array_size(services); i++) {
		if (str_starts_with(target, services[i].target) &&
			strstr(http_header(ex, "authorization"), services[i].scope))
			return target + strlen(services[i].target);
	}
	return NULL;
}

static void act(struct fake_sagemaker *fake, struct http_exchange *ex, struct reply *reply)
{
	const char *operation = operation_of(ex);
	auto_json *body = NULL;

	if (!is_known(fake, ex)) {
		refuse(reply, "UnrecognizedClientException",
			"The security token included in the request is invalid.");
	} else if (str_eq(ex->method, "PUT")) {
		json_object_set_new(fake->objects, ex->path, json_string(buf_str(&ex->body)));
		reply->json = json_object();
	} else if (!operation ||
		   !str_eq(http_header(ex, "content-type"), "application/x-amz-json-1.1") ||
		   doc_json_parse(buf_str(&ex->body), ex->body.len, &body, NULL) < 0) {
		refuse(reply, "UnknownOperationException", "");
	} else {
		operate(fake, operation, body, reply);
	}
}

static void on_request(struct http_server *server, struct http_exchange *ex)
{
	struct fake_sagemaker *fake = server->user;
	struct reply reply = {.status = 200};
	enum fake_fault fault = ++fake->asked == fake->fault_at ? fake->fault : FAKE_WELL;
	auto_free char *text = NULL;

	if (fault == FAKE_WELL || fault == FAKE_LOSE_ANSWER)
		act(fake, ex, &reply);
	if (fault == FAKE_BODY || fault == FAKE_STATUS) {
		http_reply(ex, fault == FAKE_BODY ? 200 : fake->hostile_status,
			"application/x-amz-json-1.1", fake->hostile, strlen(fake->hostile));
	} else if (fault != FAKE_WELL) {
		http_cut(ex);
	} else {
		text = doc_json_dump(reply.json);
		http_reply(ex, reply.status, "application/x-amz-json-1.1", text, strlen(text));
	}
	json_decref(reply.json);
}

json_t *fake_sagemaker_execution(const struct fake_sagemaker *fake)
{
	void *iterator = json_object_iter(fake->executions);

	return iterator ? json_object_iter_value(iterator) : NULL;
}

void fake_sagemaker_start(struct fake_sagemaker *fake, struct loop *loop)
{
	fake->pipelines = json_object();
	fake->executions = json_object();
	fake->objects = json_object();
	http_server_start(&fake->server, loop, on_request, fake);
}

void fake_sagemaker_stop(struct fake_sagemaker *fake)
{
	http_server_stop(&fake->server);
	json_decref(fake->pipelines);
	json_decref(fake->executions);
	json_decref(fake->objects);
}

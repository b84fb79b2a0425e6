#include "tests/fake/vertex.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "doc/json.h"
#include "doc/path.h"

#define PARENT "/v1/projects/my-project/locations/europe-west1"
#define METADATA "/computeMetadata/v1/instance/service-accounts/default/token"
#define JOB_NAME "projects/1234567890/locations/europe-west1/customJobs/77"
#define THEN "2027-01-15T08:00:00.123456Z"

struct reply {
	int status;
	json_t *json; /* owned */
};

static void refuse(struct reply *reply, int code, const char *status, const char *message)
{
	reply->status = code;
	reply->json = json_pack(
		"{s:{s:i, s:s, s:s}}", "error", "code", code, "message", message, "status", status);
}

/* --- jobs --- */

static const char *state_of(const struct fake_vertex *fake, const json_t *job)
{
	int64_t age = doc_int_or(job, "age", 0), stopped = doc_int_or(job, "cancelled", 0);

	if (stopped)
		return age > stopped + 1 ? "CANCELLED" : "CANCELLING";
	if (age < 1)
		return "PENDING";
	if (age < 4 || fake->hangs)
		return "RUNNING";
	return fake->fails ? "FAILED" : "SUCCEEDED";
}

static json_t *task(const char *name, const char *state, const char *parent)
{
	bool over = str_eq(state, "SUCCEEDED") || str_eq(state, "FAILED");

	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s*, s:s*}", "taskId", "4711", "taskName",
		name, "state", state, "createTime", THEN, "startTime", THEN, "endTime",
		over ? THEN : NULL, "parentTaskId", parent);
}

/* The machine of a task, and what it is tried again for. */
static void add_details(const struct fake_vertex *fake, json_t *task)
{
	json_object_set_new(task, "executorDetail",
		json_pack("{s:{s:s}}", "containerDetail", "mainJob", JOB_NAME));
	if (fake->retried)
		json_object_set_new(task, "pipelineTaskStatus",
			json_pack("[{s:s}, {s:s, s:{s:i, s:s}}]", "state", "PENDING", "state",
				"RUNNING", "error", "code", 14, "message", fake->retried));
}

static json_t *tasks_of(const struct fake_vertex *fake, const json_t *job)
{
	json_t *tasks = doc_get(job, "body.pipelineSpec.root.dag.tasks"), *each, *one;
	json_t *list = json_pack("[o]", task("nightly-run", "RUNNING", NULL));
	const char *name, *whole = state_of(fake, job);
	int64_t age = doc_int_or(job, "age", 0);

	json_object_foreach (tasks, name, each) {
		bool second = json_object_get(each, "dependentTasks") != NULL;
		bool failed = str_eq(name, fake->fails) && age >= 3;

		if (second && (age < 3 || fake->fails))
			continue;
		one = task(name,
			failed                                  ? "FAILED"
			: age < 3 || fake->hangs                ? "RUNNING"
			: second && !str_eq(whole, "SUCCEEDED") ? "RUNNING"
								: "SUCCEEDED",
			"4711");
		add_details(fake, one);
		if (failed)
			json_object_set_new(one, "error",
				json_pack("{s:i, s:s}", "code", fake->code, "message",
					fake->why ? fake->why : ""));
		json_array_append_new(list, one);
	}
	return list;
}

static json_t *job_answer(const struct fake_vertex *fake, const char *id, const json_t *job)
{
	auto_free char *name =
		xasprintf("projects/1234567890/locations/europe-west1/pipelineJobs/%s", id);
	auto_free char *state = xasprintf("PIPELINE_STATE_%s", state_of(fake, job));
	json_t *json = json_copy(json_object_get(job, "body"));

	json_object_set_new(json, "name", json_string(name));
	json_object_set_new(json, "state", json_string(state));
	json_object_set_new(json, "createTime", json_string(THEN));
	if (doc_int_or(job, "age", 0) >= 1)
		json_object_set_new(
			json, "jobDetail", json_pack("{s:o}", "taskDetails", tasks_of(fake, job)));
	return json;
}

static void create(
	struct fake_vertex *fake, struct http_exchange *ex, const json_t *body, struct reply *reply)
{
	auto_free char *id = http_query(ex, "pipelineJobId");
	json_t *job;

	if (!id || !doc_get(body, "pipelineSpec.root.dag.tasks") ||
		!doc_str(body, "runtimeConfig.gcsOutputDirectory")) {
		refuse(reply, 400, "INVALID_ARGUMENT", "the job makes no sense");
	} else if (json_object_get(fake->jobs, id)) {
		refuse(reply, 409, "ALREADY_EXISTS", "pipeline job already exists");
	} else if (fake->exhausted) {
		fake->exhausted--;
		refuse(reply, 429, "RESOURCE_EXHAUSTED",
			"Quota exceeded for quota metric 'Pipeline jobs'.");
	} else {
		fake->created++;
		job = json_pack("{s:O, s:i}", "body", body, "age", 0);
		json_object_set_new(fake->jobs, id, job);
		reply->json = job_answer(fake, id, job);
	}
}

static void of_job(struct fake_vertex *fake, const struct http_exchange *ex, const char *rest,
	struct reply *reply)
{
	auto_free char *id = xstrndup(rest, strcspn(rest, ":"));
	json_t *job = json_object_get(fake->jobs, id);
	const char *state = job ? state_of(fake, job) : "";

	if (!job) {
		refuse(reply, 404, "NOT_FOUND", "The PipelineJob does not exist.");
	} else if (str_eq(ex->method, "GET")) {
		reply->json = job_answer(fake, id, job);
		json_object_set_new(job, "age", json_integer(doc_int_or(job, "age", 0) + 1));
	} else if (str_eq(state, "SUCCEEDED") || str_eq(state, "FAILED") ||
		   str_eq(state, "CANCELLED")) {
		refuse(reply, 400, "FAILED_PRECONDITION", "the job is in a final state");
	} else {
		json_object_set_new(job, "cancelled", json_integer(doc_int_or(job, "age", 0) + 1));
		reply->json = json_object();
	}
}

static void of_custom_job(struct fake_vertex *fake, const char *id, struct reply *reply)
{
	fake->jobs_asked++;
	if (!fake->job_why || !str_eq(id, "77"))
		refuse(reply, 403, "PERMISSION_DENIED", "aiplatform.customJobs.get denied");
	else
		reply->json = json_pack("{s:s, s:s, s:{s:i, s:s}}", "name", JOB_NAME, "state",
			"JOB_STATE_FAILED", "error", "code", fake->job_code, "message",
			fake->job_why);
}

/* --- tokens --- */

static void give_token(struct fake_vertex *fake, struct http_exchange *ex, struct reply *reply)
{
	auto_free char *token = NULL;

	free(fake->form);
	fake->form = xstrdup(buf_str(&ex->body));
	if (fake->denies) {
		reply->status = 400;
		reply->json = json_pack(
			"{s:s, s:s}", "error", "invalid_grant", "error_description", fake->denies);
		return;
	}
	token = xasprintf("token-%d", ++fake->tokens);
	fake->valid = fake->tokens;
	reply->json = json_pack("{s:s, s:i, s:s}", "access_token", token, "expires_in", 3599,
		"token_type", "Bearer");
}

static bool is_known(const struct fake_vertex *fake, const struct http_exchange *ex)
{
	const char *given = http_header(ex, "authorization");
	auto_free char *want = xasprintf("Bearer token-%d", fake->valid);

	return str_eq(given, want);
}

/* --- requests --- */

static void act(struct fake_vertex *fake, struct http_exchange *ex, struct reply *reply)
{
	const char *path = str_starts_with(ex->path, PARENT) ? ex->path + strlen(PARENT) : "";
	auto_json *body = NULL;

	if (str_eq(ex->path, "/token"))
		give_token(fake, ex, reply);
	else if (str_eq(ex->path, METADATA) &&
		 !str_eq(http_header(ex, "metadata-flavor"), "Google"))
		refuse(reply, 403, "FORBIDDEN", "Missing Metadata-Flavor:Google header.");
	else if (str_eq(ex->path, METADATA))
		give_token(fake, ex, reply);
	else if (!is_known(fake, ex))
		refuse(reply, 401, "UNAUTHENTICATED", "Request had invalid credentials.");
	else if (ex->body.len && doc_json_parse(buf_str(&ex->body), ex->body.len, &body, NULL) < 0)
		refuse(reply, 400, "INVALID_ARGUMENT", "Invalid JSON payload received.");
	else if (str_eq(path, "/pipelineJobs") && str_eq(ex->method, "POST"))
		create(fake, ex, body, reply);
	else if (str_eq(path, "/pipelineJobs"))
		reply->json = json_object();
	else if (str_starts_with(path, "/pipelineJobs/"))
		of_job(fake, ex, path + strlen("/pipelineJobs/"), reply);
	else if (str_starts_with(path, "/customJobs/"))
		of_custom_job(fake, path + strlen("/customJobs/"), reply);
	else
		refuse(reply, 404, "NOT_FOUND", "Not Found");
}

static void on_request(struct http_server *server, struct http_exchange *ex)
{
	struct fake_vertex *fake = server->user;
	struct reply reply = {.status = 200};
	enum fake_fault fault = ++fake->asked == fake->fault_at ? fake->fault : FAKE_WELL;
	auto_free char *text = NULL;

	if (fault == FAKE_WELL || fault == FAKE_LOSE_ANSWER)
		act(fake, ex, &reply);
	if (fault == FAKE_BODY || fault == FAKE_STATUS) {
		http_reply(ex, fault == FAKE_BODY ? 200 : fake->hostile_status, "application/json",
			fake->hostile, strlen(fake->hostile));
	} else if (fault != FAKE_WELL) {
		http_cut(ex);
	} else {
		text = doc_json_dump(reply.json);
		http_reply(ex, reply.status, "application/json", text, strlen(text));
	}
	json_decref(reply.json);
}

json_t *fake_vertex_job(const struct fake_vertex *fake)
{
	void *iterator = json_object_iter(fake->jobs);

	return iterator ? json_object_iter_value(iterator) : NULL;
}

void fake_vertex_start(struct fake_vertex *fake, struct loop *loop)
{
	fake->jobs = json_object();
	http_server_start(&fake->server, loop, on_request, fake);
}

void fake_vertex_stop(struct fake_vertex *fake)
{
	http_server_stop(&fake->server);
	json_decref(fake->jobs);
	free(fake->form);
}

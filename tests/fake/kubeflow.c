#include "tests/fake/kubeflow.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "doc/json.h"
#include "doc/path.h"

#define API "/apis/v2beta1"
#define EPOCH "1970-01-01T00:00:00Z"
#define THEN "2027-01-15T08:00:00Z"

struct reply {
	int status;
	json_t *json; /* owned */
};

/* --- answers --- */

/* As gRPC's gateway has it. */
static void refuse(struct reply *reply, int status, const char *message)
{
	const char *brief = status == 500 ? "Internal Server Error" : message;

	reply->status = status;
	reply->json = json_pack("{s:i, s:s, s:[{s:s, s:s}]}", "code", status, "message", message,
		"details", "@type", "type.googleapis.com/google.rpc.Status", "message", brief);
}

static bool knows_all(const json_t *body, const char *const *fields)
{
	const char *name;
	json_t *value;

	json_object_foreach ((json_t *)body, name, value) {
		const char *const *field = fields;

		while (*field && !str_eq(*field, name))
			field++;
		if (!*field)
			return false;
	}
	return json_is_object(body);
}

/* --- experiments --- */

static json_t *experiment(const char *name, const char *id)
{
	return json_pack("{s:s, s:s, s:s, s:s}", "experiment_id", id, "display_name", name,
		"storage_state", "AVAILABLE", "last_run_created_at", EPOCH);
}

static void make_experiment(struct fake_kubeflow *fake, const json_t *body, struct reply *reply)
{
	static const char *const fields[] = {"display_name", "description", "namespace", NULL};
	const char *name = doc_str(body, "display_name");
	auto_free char *id = NULL;

	if (!knows_all(body, fields) || !name) {
		refuse(reply, 400, "proto: unknown field");
	} else if (json_object_get(fake->experiments, name)) {
		refuse(reply, 409, "The name is taken. Please specify a new name");
	} else {
		id = xasprintf("exp-%zu", json_object_size(fake->experiments));
		json_object_set_new(fake->experiments, name, json_string(id));
		reply->json = experiment(name, id);
	}
}

static void list_experiments(
	struct fake_kubeflow *fake, struct http_exchange *ex, struct reply *reply)
{
	auto_free char *filter = http_query(ex, "filter");
	auto_json *json = NULL;
	const json_t *predicate;
	const char *name, *id;

	if (!filter) {
		reply->json = json_object();
		return;
	}
	if (doc_json_parse(filter, strlen(filter), &json, NULL) < 0) {
		refuse(reply, 400, "failed to parse valid filter");
		return;
	}
	predicate = json_array_get(json_object_get(json, "predicates"), 0);
	name = doc_str_or(predicate, "string_value", "");
	id = json_string_value(json_object_get(fake->experiments, name));
	reply->json = json_object();
	if (id)
		json_object_set_new(
			reply->json, "experiments", json_pack("[o]", experiment(name, id)));
}

/* --- runs --- */

static const char *state_of(const struct fake_kubeflow *fake, const json_t *run)
{
	int64_t age = doc_int_or(run, "age", 0), stopped = doc_int_or(run, "terminated", 0);

	if (stopped)
		return age > stopped + 1 ? "FAILED" : "CANCELING";
	if (age < 1)
		return "PENDING";
	if (age < 2)
		return NULL; /* absent */
	if (age < 5 || fake->hangs)
		return "RUNNING";
	return fake->fails ? "FAILED" : "SUCCEEDED";
}

static json_t *row(const char *name, const char *state)
{
	bool over = str_eq(state, "SUCCEEDED") || str_eq(state, "FAILED");

	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:[{s:s}]}", "display_name", name, "state",
		state, "create_time", THEN, "start_time", THEN, "end_time", over ? THEN : EPOCH,
		"child_tasks", "pod_name", "p-1-system-container-impl-1");
}

/* Every node of the engine's: drivers, executors, and the tasks themselves. */
static json_t *rows(const struct fake_kubeflow *fake, const json_t *run)
{
	json_t *tasks = doc_get(run, "body.pipeline_spec.pipeline_spec.root.dag.tasks"), *task;
	const char *state = state_of(fake, run), *name;
	json_t *list = json_pack("[o, o]", row("root-driver", "SUCCEEDED"), row("root", "RUNNING"));
	int64_t age = doc_int_or(run, "age", 0);
	bool before = true;

	json_object_foreach (tasks, name, task) {
		bool failed = str_eq(name, fake->fails);
		auto_free char *driver = xasprintf("%s-driver", name);

		if (!before || (json_object_get(task, "dependentTasks") && age < 4))
			break;
		json_array_append_new(list, row(driver, "SUCCEEDED"));
		json_array_append_new(list, row("executor", "SUCCEEDED"));
		json_array_append_new(
			list, row(name, age < 4 || fake->hangs ? "RUNNING"
					: failed               ? "FAILED"
					: str_eq(state, "RUNNING") &&
							json_object_get(task, "dependentTasks")
						? "RUNNING"
						: "SUCCEEDED"));
		before = !failed;
	}
	return list;
}

static json_t *run_answer(const struct fake_kubeflow *fake, const char *id, const json_t *run)
{
	const char *state = state_of(fake, run);
	json_t *json = json_pack("{s:s, s:O, s:s, s:s, s:s}", "run_id", id, "display_name",
		doc_get(run, "body.display_name"), "created_at", THEN, "finished_at", EPOCH,
		"service_account", doc_str_or(run, "body.service_account", "pipeline-runner"));

	if (state)
		json_object_set_new(json, "state", json_string(state));
	if (doc_int_or(run, "age", 0) >= 2)
		json_object_set_new(
			json, "run_details", json_pack("{s:o}", "task_details", rows(fake, run)));
	return json;
}

static void start_run(struct fake_kubeflow *fake, const json_t *body, struct reply *reply)
{
	static const char *const fields[] = {"run_id", "display_name", "experiment_id",
		"description", "pipeline_spec", "runtime_config", "service_account", NULL};
	static const char *const sources[] = {"pipeline_spec", "platform_spec", NULL};
	const char *id = doc_str(body, "run_id");
	json_t *run = id ? json_object_get(fake->runs, id) : NULL;

	fake->posts++;
	if (!knows_all(body, fields) || !id) {
		refuse(reply, 400, "proto: (line 1:2): unknown field \"x\"");
	} else if (fake->refuses || !knows_all(json_object_get(body, "pipeline_spec"), sources) ||
		   !doc_get(body, "pipeline_spec.pipeline_spec.root.dag.tasks")) {
		refuse(reply, 500,
			"Failed to create a new run: InternalServerError: InvalidInputError: "
			"unknown "
			"template format: pipeline spec is invalid");
	} else if (run) {
		json_object_set_new(
			run, "workflows", json_integer(doc_int_or(run, "workflows", 0) + 1));
		refuse(reply, 500,
			"Failed to create a new run: Error 1062 (23000): Duplicate entry 'x' for "
			"key "
			"'PRIMARY'");
	} else {
		run = json_pack("{s:O, s:i, s:i}", "body", body, "age", 0, "workflows", 1);
		json_object_set_new(fake->runs, id, run);
		reply->json = run_answer(fake, id, run);
	}
}

static void of_run(struct fake_kubeflow *fake, const struct http_exchange *ex, const char *rest,
	struct reply *reply)
{
	auto_free char *id = xstrndup(rest, strcspn(rest, ":"));
	json_t *run = json_object_get(fake->runs, id);

	if (!run || json_is_true(json_object_get(run, "deleted"))) {
		refuse(reply, 404, "Run not found");
	} else if (str_eq(ex->method, "GET")) {
		reply->json = run_answer(fake, id, run);
		json_object_set_new(run, "age", json_integer(doc_int_or(run, "age", 0) + 1));
	} else if (str_ends_with(rest, ":terminate")) {
		const char *state = state_of(fake, run);

		if (state && !str_eq(state, "PENDING") && !str_eq(state, "RUNNING")) {
			refuse(reply, 400, "Row not found");
			return;
		}
		json_object_set_new(run, "terminated", json_integer(doc_int_or(run, "age", 0) + 1));
		reply->json = json_object();
	} else {
		refuse(reply, 404, "Not Found");
	}
}

/* --- requests --- */

static void health(struct fake_kubeflow *fake, struct reply *reply)
{
	reply->json = json_pack("{s:s, s:s, s:b}", "commit_sha", "unknown", "tag_name",
		fake->version ? fake->version : "unknown", "multi_user", 0);
}

static bool is_known(const struct fake_kubeflow *fake, const struct http_exchange *ex)
{
	const char *given = http_header(ex, "authorization");

	return !fake->token || (given && str_starts_with(given, "Bearer ") &&
				       str_eq(given + strlen("Bearer "), fake->token));
}

static void act(struct fake_kubeflow *fake, struct http_exchange *ex, struct reply *reply)
{
	const char *path = str_starts_with(ex->path, API) ? ex->path + strlen(API) : "";
	auto_json *body = NULL;
	bool posts = str_eq(ex->method, "POST");

	reply->status = 200;
	if (ex->body.len && doc_json_parse(buf_str(&ex->body), ex->body.len, &body, NULL) < 0)
		refuse(reply, 400, "proto: syntax error");
	else if (!is_known(fake, ex))
		refuse(reply, 401, "Request header error: there is no user identity header");
	else if (str_eq(path, "/healthz"))
		health(fake, reply);
	else if (str_eq(path, "/experiments") && posts)
		make_experiment(fake, body, reply);
	else if (str_eq(path, "/experiments"))
		list_experiments(fake, ex, reply);
	else if (str_eq(path, "/runs") && posts)
		start_run(fake, body, reply);
	else if (str_starts_with(path, "/runs/"))
		of_run(fake, ex, path + strlen("/runs/"), reply);
	else
		refuse(reply, 404, "Not Found");
}

static void on_request(struct http_server *server, struct http_exchange *ex)
{
	struct fake_kubeflow *fake = server->user;
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

json_t *fake_kubeflow_run(const struct fake_kubeflow *fake)
{
	void *iterator = json_object_iter(fake->runs);

	return iterator ? json_object_iter_value(iterator) : NULL;
}

void fake_kubeflow_start(struct fake_kubeflow *fake, struct loop *loop)
{
	fake->experiments = json_pack("{s:s}", "Default", "exp-default");
	fake->runs = json_object();
	http_server_start(&fake->server, loop, on_request, fake);
}

void fake_kubeflow_stop(struct fake_kubeflow *fake)
{
	http_server_stop(&fake->server);
	json_decref(fake->experiments);
	json_decref(fake->runs);
}

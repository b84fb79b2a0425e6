/*
 * The calls of runner `kubernetes` against a stand-in for kube/: requests are kept until the test
 * answers them, the caches are lists that only absorbing and the test itself fill.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "doc/json.h"
#include "doc/path.h"
#include "kube/cache.h"
#include "runners/dag.h"
#include "runners/kubernetes_job.h"
#include "runners/kubernetes_observe.h"

#define MAX_OBJECTS 64
#define MAX_SENT 64
#define NOW 1795428300 /* 2026-11-23T10:05:00Z */

const struct kube_resource kube_jobs = {"batch", "v1", "jobs", "Job"};
const struct kube_resource kube_core_events = {"", "v1", "events", "Event"};

struct kube_cache {
	struct kube_object objects[MAX_OBJECTS];
	json_t *json[MAX_OBJECTS];
	int len;
	bool unsynced;
	json_t *(*project)(const json_t *object);
};

struct sent {
	struct kube_op *op; /* NULL: answered or cancelled */
	enum kube_verb verb;
	char *name;
	json_t *body;
	int step;
};

static struct sent sent[MAX_SENT];
static int sent_len;
static struct kube_cache jobs = {.project = kubernetes_project_job};
static struct kube_cache pods = {.project = kubernetes_project_pod};
static struct loop *loop;

/* --- the stand-in for kube/ --- */

void kube_send(struct kube_client *client, struct kube_op *op)
{
	struct sent *one = &sent[sent_len++];
	const char *name = op->verb == KUBE_CREATE ? doc_str(op->body, "metadata.name") : op->name;

	(void)client;
	assert_true(sent_len < MAX_SENT);
	assert_string_equal(op->namespace_, "data");
	*one = (struct sent){
		.op = op,
		.verb = op->verb,
		.name = name ? xstrdup(name) : NULL,
		.body = op->body ? json_deep_copy(op->body) : NULL,
	};
}

void kube_op_free(struct kube_op *op)
{
	for (int i = 0; i < sent_len; i++) {
		if (sent[i].op == op)
			sent[i].op = NULL;
	}
	json_decref(op->result);
	err_clear(&op->err);
}

bool kube_cache_synced(const struct kube_cache *cache)
{
	return !cache->unsynced;
}

json_t *kube_object_json(const struct kube_object *object)
{
	auto_err err = ERR_INIT;
	json_t *json = NULL;

	assert_int_equal(doc_json_parse(object->text, strlen(object->text), &json, &err), 0);
	return json;
}

void kube_cache_each_indexed(const struct kube_cache *cache, const char *key,
	void (*each)(void *arg, struct kube_object *object), void *arg)
{
	assert_string_equal(key, "data/r");
	for (int i = 0; i < cache->len; i++)
		each(arg, (struct kube_object *)&cache->objects[i]);
}

struct kube_object *kube_cache_get(
	const struct kube_cache *cache, const char *namespace_, const char *name)
{
	(void)namespace_;
	for (int i = 0; i < cache->len; i++) {
		if (str_eq(cache->objects[i].name, name))
			return (struct kube_object *)&cache->objects[i];
	}
	return NULL;
}

static void forget(struct kube_cache *cache, int at)
{
	free(cache->objects[at].name);
	free(cache->objects[at].uid);
	free(cache->objects[at].text);
	cache->objects[at] = cache->objects[--cache->len];
}

void kube_cache_absorb(struct kube_cache *cache, const json_t *object)
{
	auto_json *projection = cache->project(object);
	const char *name = doc_str(object, "metadata.name");
	struct kube_object *held = kube_cache_get(cache, "data", name);

	if (held)
		forget(cache, (int)(held - cache->objects));
	assert_true(cache->len < MAX_OBJECTS);
	cache->objects[cache->len++] = (struct kube_object){
		.name = xstrdup(name),
		.uid = xstrdup(doc_str(object, "metadata.uid")),
		.text = doc_json_dump(projection),
	};
}

/* --- a run of three steps: a, b<a, c --- */

static int from_a[] = {0};
static struct spec_step steps[3];
static struct frozen_spec spec;
static struct step_state known[3];
static struct runner_run run;
static json_t *owner;
static void *backend;
static struct run_state state;
static struct runner_op op;
static int done_calls;

static void done(struct runner_op *which)
{
	assert_ptr_equal(which, &op);
	assert_null(which->state);
	done_calls++;
}

static void turn(void)
{
	loop_turn(loop, 0);
}

static int setup(void **unused)
{
	static const char *const names[] = {"a", "b", "c"};
	struct runner_env env = {.jobs = &jobs, .pods = &pods};
	auto_err err = ERR_INIT;

	(void)unused;
	assert_int_equal(loop_new(&loop, &err), 0);
	for (int i = 0; i < 3; i++) {
		step_state_clear(&known[i]);
		steps[i] = (struct spec_step){
			.name = names[i],
			.image = "x:1",
			.cache_key = "00",
			.json = json_pack("{s:s, s:{}, s:{s:s, s:{}}, s:{s:{}, s:{}}}", "name",
				names[i], "arguments", "component", "name", names[i], "args",
				"operation", "consumes", "produces"),
		};
	}
	steps[1].from = from_a;
	steps[1].needs = from_a;
	steps[1].from_len = 1;
	steps[1].needs_len = 1;
	spec = (struct frozen_spec){
		.json = json_object(),
		.pipeline = "p",
		.namespace_ = "data",
		.dataset_name = "d",
		.working_directory = "/data",
		.steps = steps,
		.steps_len = 3,
	};
	owner = json_pack("{s:s, s:s, s:s, s:s, s:b}", "apiVersion", "fondant.ai/v1alpha1", "kind",
		"FondantRun", "name", "r", "uid", "run-uid", "controller", 1);
	run = (struct runner_run){
		.spec = &spec,
		.namespace_ = "data",
		.pipeline = "p",
		.name = "r",
		.uid = "run-uid",
		.run_id = "r-runuid",
		.owner = owner,
		.known = known,
		.now_s = NOW,
	};
	env.loop = loop;
	env.kube = (struct kube_client *)&jobs; /* never looked into */
	assert_int_equal(
		runner_kubernetes.open(&env, &(struct runner_settings){0}, &backend, &err), 0);
	run_state_init(&state, 3);
	op = (struct runner_op){.done = done};
	done_calls = 0;
	return 0;
}

static int teardown(void **unused)
{
	(void)unused;
	runner_kubernetes.close(backend);
	while (jobs.len)
		forget(&jobs, 0);
	while (pods.len)
		forget(&pods, 0);
	for (int i = 0; i < sent_len; i++) {
		free(sent[i].name);
		json_decref(sent[i].body);
	}
	sent_len = 0;
	jobs.unsynced = false;
	for (int i = 0; i < 3; i++) {
		json_decref(steps[i].json);
		step_state_clear(&known[i]);
	}
	json_decref(spec.json);
	json_decref(owner);
	run_state_clear(&state);
	err_clear(&op.err);
	loop_free(loop);
	return 0;
}

/* The answer is given from the loop's point of view: nothing of the call is on the stack. */
static void answer(int at, enum kube_outcome outcome, json_t *take_result, const char *message)
{
	struct kube_op *request = sent[at].op;

	assert_non_null(request);
	sent[at].op = NULL;
	json_decref(request->result);
	request->result = take_result;
	request->outcome = outcome;
	err_clear(&request->err);
	if (message)
		err_set(&request->err, ERR_TRANSIENT, "Forbidden", "%s", message);
	request->done(request);
}

/* What the API server makes of a created Job. */
static json_t *as_stored(const json_t *body, const char *uid)
{
	json_t *job = json_deep_copy(body);
	char when[TIME_RFC3339_SIZE];

	doc_set_new(job, "metadata.uid", json_string(uid));
	doc_set_new(job, "metadata.resourceVersion", json_string("5"));
	doc_set_new(job, "metadata.creationTimestamp",
		json_string(time_format_rfc3339(run.now_s, when)));
	return job;
}

static void observe(void)
{
	runner_kubernetes.observe(backend, &run, &state, &op);
	assert_int_equal(done_calls, 0);
	turn();
}

static void submit(void)
{
	done_calls = 0;
	runner_kubernetes.submit(backend, &run, &op);
	assert_int_equal(done_calls, 0);
}

static void starts_what_is_ready(void **unused)
{
	(void)unused;
	observe();
	assert_int_equal(done_calls, 1);
	assert_true(state.needs_submit);
	assert_int_equal(sent_len, 0);
	submit();
	assert_int_equal(sent_len, 2); /* a and c, side by side */
	assert_int_equal(sent[0].verb, KUBE_CREATE);
	answer(1, KUBE_OK, as_stored(sent[1].body, "job-c"), NULL);
	assert_int_equal(done_calls, 0);
	answer(0, KUBE_OK, as_stored(sent[0].body, "job-a"), NULL);
	assert_int_equal(done_calls, 1);
	assert_int_equal(op.result, 0);
	done_calls = 0;
	observe();
	assert_false(state.needs_submit);
	assert_int_equal(state.steps[0].phase, STEP_PENDING);
	assert_string_equal(state.steps[0].external_name, sent[0].name);
	assert_int_equal(state.look_again_ms, KUBERNETES_NO_POD_S * 1000);
	submit();
	assert_int_equal(sent_len, 2);
	turn();
	assert_int_equal(done_calls, 1);
}

static void an_existing_job_of_ours_is_adopted(void **unused)
{
	json_t *body;

	(void)unused;
	submit();
	answer(1, KUBE_OK, as_stored(sent[1].body, "job-c"), NULL);
	answer(0, KUBE_EXISTS, NULL, NULL);
	assert_int_equal(sent_len, 3);
	assert_int_equal(sent[2].verb, KUBE_GET);
	assert_string_equal(sent[2].name, sent[0].name);
	body = as_stored(sent[0].body, "job-a");
	answer(2, KUBE_OK, body, NULL);
	assert_int_equal(done_calls, 1);
	assert_int_equal(op.result, 0);
	assert_int_equal(jobs.len, 2);
}

static void a_lost_answer_is_read_back(void **unused)
{
	(void)unused;
	submit();
	answer(0, KUBE_UNKNOWN, NULL, NULL);
	answer(2, KUBE_NOT_FOUND, NULL, NULL);
	answer(1, KUBE_OK, as_stored(sent[1].body, "job-c"), NULL);
	assert_int_equal(op.result, -1);
	assert_int_equal(op.err.class, ERR_TRANSIENT);
	assert_int_equal(op.step, 0);
}

static void a_foreign_job_is_a_conflict(void **unused)
{
	json_t *job;

	(void)unused;
	submit();
	answer(0, KUBE_EXISTS, NULL, NULL);
	job = as_stored(sent[0].body, "job-x");
	json_object_set_new(json_object_get(job, "metadata"), "ownerReferences",
		json_pack("[{s:s, s:b}]", "uid", "other", "controller", 1));
	answer(2, KUBE_OK, job, NULL);
	answer(1, KUBE_FAILED, NULL, "connection refused");
	assert_int_equal(op.result, -1);
	assert_int_equal(op.err.class, ERR_USER);
	assert_string_equal(op.err.reason, "NameConflict");
	assert_int_equal(op.step, 0);
	assert_int_equal(jobs.len, 0);
}

static void refusals_are_told_apart(void **unused)
{
	static const struct {
		enum kube_outcome outcome;
		const char *message;
		enum err_class class;
	} rows[] = {
		{KUBE_INVALID, "spec.template.spec.containers[0].image: Required value", ERR_USER},
		{KUBE_FORBIDDEN, "jobs.batch \"x\" is forbidden: exceeded quota: small",
			ERR_TRANSIENT},
		{KUBE_FORBIDDEN,
			"unable to create new content in namespace data because it is being "
			"terminated",
			ERR_TRANSIENT},
		{KUBE_FORBIDDEN, "User \"x\" cannot create resource \"jobs\"", ERR_TRANSIENT},
		{KUBE_FORBIDDEN, "admission webhook \"p\" denied the request: no latest", ERR_USER},
		{KUBE_FAILED, "connection refused", ERR_TRANSIENT},
		{KUBE_NOT_FOUND, "namespaces \"data\" not found", ERR_TRANSIENT},
	};

	(void)unused;
	for (size_t i = 0; i < array_size(rows); i++) {
		int first = sent_len;

		submit();
		answer(first, KUBE_OK, as_stored(sent[first].body, "job-a"), NULL);
		answer(first + 1, rows[i].outcome, NULL, rows[i].message);
		assert_int_equal(done_calls, 1);
		assert_int_equal(op.result, -1);
		assert_int_equal(op.err.class, rows[i].class);
		assert_string_equal(op.err.message, rows[i].message);
		assert_int_equal(op.step, 2);
		forget(&jobs, 0);
	}
}

static void cancel_deletes_by_uid(void **unused)
{
	json_t *gone;

	(void)unused;
	submit();
	answer(0, KUBE_OK, as_stored(sent[0].body, "job-a"), NULL);
	answer(1, KUBE_OK, as_stored(sent[1].body, "job-c"), NULL);
	run.cancelling = true;
	done_calls = 0;
	observe();
	assert_true(state.needs_cancel);
	assert_int_equal(state.phase, RUN_CANCELLING);
	done_calls = 0;
	runner_kubernetes.cancel(backend, &run, &op);
	assert_int_equal(sent_len, 4);
	assert_int_equal(sent[2].verb, KUBE_DELETE);
	assert_string_equal(doc_str(sent[2].body, "preconditions.uid"), "job-a");
	assert_string_equal(doc_str(sent[2].body, "propagationPolicy"), "Foreground");
	gone = as_stored(sent[0].body, "job-a");
	doc_set_new(gone, "metadata.deletionTimestamp", json_string("2026-11-23T10:05:00Z"));
	answer(2, KUBE_OK, gone, NULL);
	answer(3, KUBE_NOT_FOUND, NULL, NULL);
	assert_int_equal(done_calls, 1);
	assert_int_equal(op.result, 0);
	done_calls = 0;
	runner_kubernetes.cancel(backend, &run, &op);
	assert_int_equal(sent_len, 5); /* only what is not stopping */
	assert_string_equal(doc_str(sent[4].body, "preconditions.uid"), "job-c");
	answer(4, KUBE_FAILED, NULL, "connection refused");
	assert_int_equal(op.result, -1);
}

static void events_say_why_there_is_no_pod(void **unused)
{
	(void)unused;
	submit();
	answer(0, KUBE_OK, as_stored(sent[0].body, "job-a"), NULL);
	answer(1, KUBE_OK, as_stored(sent[1].body, "job-c"), NULL);
	run.now_s += KUBERNETES_NO_POD_S;
	done_calls = 0;
	observe();
	assert_int_equal(done_calls, 0);
	assert_int_equal(sent_len, 4);
	assert_int_equal(sent[2].verb, KUBE_LIST);
	assert_string_equal(
		sent[2].op->field_selector, "involvedObject.uid=job-a,reason=FailedCreate");
	answer(2, KUBE_OK,
		json_pack("{s:[{s:s, s:s}, {s:s, s:s}]}", "items", "lastTimestamp",
			"2026-11-23T10:05:05Z", "message",
			"Error creating: pods \"r-a-x\" is forbidden: exceeded quota: q",
			"lastTimestamp", "2026-11-23T10:05:01Z", "message", "older"),
		NULL);
	answer(3, KUBE_FORBIDDEN, NULL, "events is forbidden");
	assert_int_equal(done_calls, 1);
	assert_string_equal(state.steps[0].reason, "FailedCreate");
	assert_string_equal(state.steps[0].message, "forbidden: exceeded quota: q");
	assert_string_equal(state.steps[2].reason, "NoPod");
	assert_int_equal(state.look_again_ms, 30000);
	done_calls = 0;
	observe(); /* asked a moment ago */
	assert_int_equal(sent_len, 4);
	assert_int_equal(done_calls, 1);
	assert_string_equal(state.steps[0].reason, "FailedCreate");
}

static void a_cancelled_op_is_never_done(void **unused)
{
	(void)unused;
	runner_kubernetes.observe(backend, &run, &state, &op);
	runner_kubernetes.op_cancel(backend, &op);
	turn();
	assert_int_equal(done_calls, 0);
	submit();
	runner_kubernetes.op_cancel(backend, &op);
	assert_null(sent[0].op);
	assert_null(sent[1].op);
	turn();
	assert_int_equal(done_calls, 0);
	runner_kubernetes.op_cancel(backend, &op);
}

static void nothing_is_said_before_the_caches_are_filled(void **unused)
{
	(void)unused;
	jobs.unsynced = true;
	observe();
	assert_int_equal(done_calls, 1);
	assert_int_equal(op.result, -1);
	assert_int_equal(op.err.class, ERR_TRANSIENT);
	submit();
	turn();
	assert_int_equal(done_calls, 1);
	assert_int_equal(sent_len, 0);
}

/* Nothing could join them; the run says so instead of waiting. */
static void a_join_needs_the_operators_image(void **unused)
{
	static int from_both[] = {0, 2};

	(void)unused;
	steps[1].from = from_both;
	steps[1].needs = from_both;
	steps[1].from_len = 2;
	steps[1].needs_len = 2;
	for (int i = 0; i < 3; i += 2) {
		known[i].phase = STEP_CACHED;
		known[i].ref = xstrdup("old/x");
	}
	submit();
	turn();
	assert_int_equal(done_calls, 1);
	assert_int_equal(sent_len, 0);
	assert_int_equal(op.step, 1);
	assert_int_equal(op.err.class, ERR_USER);
	assert_string_equal(op.err.reason, "UnsupportedJoin");
	assert_non_null(strstr(err_message(&op.err), "--operator-image"));
}

static void a_lost_input_is_an_error(void **unused)
{
	(void)unused;
	known[0].phase = STEP_CACHED;
	known[2].phase = STEP_SKIPPED;
	submit();
	turn();
	assert_int_equal(done_calls, 1);
	assert_int_equal(op.err.class, ERR_USER);
	assert_string_equal(op.err.reason, "InputLost");
	assert_int_equal(op.step, 1);
	assert_int_equal(sent_len, 0);
}

static void found_by_name(void **unused)
{
	(void)unused;
	assert_ptr_equal(runner_find("kubernetes"), &runner_kubernetes);
	assert_null(runner_find("Kubernetes"));
	assert_null(runner_find(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(starts_what_is_ready, setup, teardown),
		cmocka_unit_test_setup_teardown(
			an_existing_job_of_ours_is_adopted, setup, teardown),
		cmocka_unit_test_setup_teardown(a_lost_answer_is_read_back, setup, teardown),
		cmocka_unit_test_setup_teardown(a_foreign_job_is_a_conflict, setup, teardown),
		cmocka_unit_test_setup_teardown(refusals_are_told_apart, setup, teardown),
		cmocka_unit_test_setup_teardown(cancel_deletes_by_uid, setup, teardown),
		cmocka_unit_test_setup_teardown(events_say_why_there_is_no_pod, setup, teardown),
		cmocka_unit_test_setup_teardown(a_cancelled_op_is_never_done, setup, teardown),
		cmocka_unit_test_setup_teardown(
			nothing_is_said_before_the_caches_are_filled, setup, teardown),
		cmocka_unit_test_setup_teardown(a_join_needs_the_operators_image, setup, teardown),
		cmocka_unit_test_setup_teardown(a_lost_input_is_an_error, setup, teardown),
		cmocka_unit_test(found_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The decisions about a run: whose turn it is, what its status says in every moment and what it
 * costs, and what is read back from it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "doc/json.h"
#include "doc/patch.h"
#include "doc/path.h"
#include "kube/conditions.h"
#include "reconcile/names.h"
#include "reconcile/run.h"
#include "reconcile/run_status.h"
#include "quoted_json.h"

#define NOW INT64_C(1800000000)

static json_t *run_named(const char *name, const char *spec, const char *status)
{
	auto_free char *text =
		xasprintf("{'metadata': {'name': '%s', 'namespace': 'n', 'uid': 'uid-%s', "
			  "'resourceVersion': '7', 'generation': 1, "
			  "'creationTimestamp': '2027-01-15T08:00:00Z'}, 'spec': %s%s%s}",
			name, name, spec, status ? ", 'status': " : "", status ? status : "");

	return quoted_json(text);
}

static const char *const by_spec = "{'frozenSpecRef': {'name': 'p-0123456789ab'}}";
static const char *const by_pipeline = "{'pipelineRef': {'name': 'p'}}";

static json_t *ready_pipeline(void)
{
	return quoted_json(
		"{'metadata': {'name': 'p', 'namespace': 'n', 'uid': 'uid-p', 'generation': 2},"
		" 'status': {'observedGeneration': 2, 'frozen': {'name': 'p-0123456789ab',"
		" 'hash': 'sha256:01'}, 'conditions': [{'type': 'Ready', 'status': 'True',"
		" 'message': 'fine'}]}}");
}

/* The status that the plan's one write leaves; new reference. */
static json_t *written(const json_t *run, const struct plan *plan)
{
	auto_json *after = NULL;

	assert_int_equal(plan->len, 1);
	assert_string_equal(plan->writes[0].subresource, "status");
	assert_ptr_equal(plan->writes[0].resource, &kube_runs);
	assert_string_equal(doc_str(plan->writes[0].body, "metadata.resourceVersion"), "7");
	after = doc_merge_apply(run, plan->writes[0].body);
	return json_incref(json_object_get(after, "status"));
}

static const char *reason_of(const json_t *status, const char *type)
{
	return doc_str_or(
		condition_find(json_object_get(status, "conditions"), type), "reason", "-");
}

static const char *message_of(const json_t *status, const char *type)
{
	return doc_str_or(
		condition_find(json_object_get(status, "conditions"), type), "message", "-");
}

/* "Ready=True/Started Reconciling=- ..." of table B5. Owned. */
static char *conditions_of(const json_t *status)
{
	static const char *const types[] = {
		"Ready", "Reconciling", "Stalled", "Succeeded", "Finished"};
	struct buf text = BUF_INIT;

	for (size_t i = 0; i < array_size(types); i++) {
		const char *value =
			condition_status(json_object_get(status, "conditions"), types[i]);

		buf_addf(&text, "%s%s", i ? " " : "", value ? value : "-");
		if (i == 0)
			buf_addf(&text, "/%s", reason_of(status, "Ready"));
	}
	return buf_take(&text);
}

#define expect_conditions(status, text)                        \
	do {                                                   \
		auto_free char *found = conditions_of(status); \
		assert_string_equal(found, text);              \
	} while (0)

/* --- admission --- */

struct admission {
	enum run_admission result;
	struct plan plan;
	char *spec_name, *hash;
};

static struct admission admit(
	const json_t *run, const json_t *pipeline, const json_t *runs, bool has_jobs)
{
	struct run_view view = {
		.run = run, .pipeline = pipeline, .runs = runs, .has_jobs = has_jobs, .now_s = NOW};
	struct admission a = {0};

	a.result = run_admit(&view, &a.plan, &a.spec_name, &a.hash);
	return a;
}

static void admission_clear(struct admission *a)
{
	plan_clear(&a->plan);
	free(a->spec_name);
	free(a->hash);
}

static void a_run_goes_with_its_frozen_spec(void **state)
{
	auto_json *run = run_named("r", by_spec, NULL);
	auto_json *runs = json_pack("[O]", run);
	struct admission a = admit(run, NULL, runs, false);

	(void)state;
	assert_int_equal(a.result, RUN_GO);
	assert_string_equal(a.spec_name, "p-0123456789ab");
	assert_null(a.hash);
	assert_int_equal(a.plan.len, 0);
	admission_clear(&a);
}

static void a_pinned_run_keeps_its_pin(void **state)
{
	auto_json *run = run_named("r", by_pipeline,
		"{'phase': 'Pending', 'frozenSpec': {'name': 'p-old', 'hash': 'sha256:aa'}}");
	auto_json *pipeline = ready_pipeline();
	struct admission a = admit(run, pipeline, NULL, false);

	(void)state;
	assert_int_equal(a.result, RUN_GO);
	assert_string_equal(a.spec_name, "p-old");
	assert_string_equal(a.hash, "sha256:aa");
	admission_clear(&a);
}

static void a_run_by_hand_is_pinned_first(void **state)
{
	auto_json *run = run_named("r", by_pipeline, NULL);
	auto_json *active = run_named("q", by_spec, "{'phase': 'Running', 'startTime': 'x'}");
	auto_json *runs = json_pack("[O, O]", active, run);
	auto_json *pipeline = ready_pipeline();
	struct admission a = admit(run, pipeline, runs, false);
	auto_json *status = written(run, &a.plan);

	(void)state;
	assert_int_equal(a.result, RUN_WAIT);
	assert_string_equal(doc_str(status, "phase"), "Pending");
	assert_string_equal(doc_str(status, "frozenSpec.name"), "p-0123456789ab");
	assert_string_equal(doc_str(status, "frozenSpec.hash"), "sha256:01");
	admission_clear(&a);
	/* and then it waits its turn */
	json_object_set(run, "status", status);
	a = admit(run, pipeline, runs, false);
	json_decref(status);
	status = written(run, &a.plan);
	assert_string_equal(doc_str(status, "phase"), "Queued");
	expect_conditions(status, "False/Queued True - Unknown False");
	assert_string_equal(
		message_of(status, "Ready"), "waits for run q of the same pipeline to finish");
	admission_clear(&a);
}

static void a_run_waits_for_its_pipeline(void **state)
{
	static const char *const unready[] = {
		"{'metadata': {'generation': 1}}",
		"{'metadata': {'generation': 2}, 'status': {'observedGeneration': 1,"
		" 'conditions': [{'type': 'Ready', 'status': 'True'}]}}",
		"{'metadata': {'generation': 1}, 'status': {'observedGeneration': 1,"
		" 'conditions': [{'type': 'Ready', 'status': 'False', 'message': 'spec.steps: "
		"x'}]}}",
	};
	auto_json *run = run_named("r", by_pipeline, NULL);
	struct admission a = admit(run, NULL, NULL, false);
	auto_json *status = written(run, &a.plan);

	(void)state;
	assert_int_equal(a.result, RUN_WAIT);
	expect_conditions(status, "False/PipelineNotFound True - Unknown False");
	admission_clear(&a);
	for (size_t i = 0; i < array_size(unready); i++) {
		auto_json *pipeline = quoted_json(unready[i]);

		a = admit(run, pipeline, NULL, false);
		json_decref(status);
		status = written(run, &a.plan);
		assert_string_equal(reason_of(status, "Ready"), "PipelineNotReady");
		assert_string_equal(doc_str(status, "phase"), "Pending");
		admission_clear(&a);
	}
	assert_non_null(strstr(message_of(status, "Ready"), "spec.steps: x"));
}

/* Which of several runs goes: started, then earlier, then by name; final and leaving ones do not
 * count. */
static void turns(void **state)
{
	static const struct {
		const char *other, *status, *change;
		bool has_jobs;
		enum run_admission result;
	} cases[] = {
		{"z", "{'phase': 'Running', 'startTime': 'x'}", NULL, false, RUN_WAIT},
		{"z", "{'phase': 'Succeeded', 'startTime': 'x'}", NULL, false, RUN_GO},
		{"z", "{'phase': 'Cancelling', 'startTime': 'x'}", NULL, false, RUN_WAIT},
		{"z", NULL, NULL, false, RUN_GO},
		{"a", NULL, NULL, false, RUN_WAIT},
		{"a", NULL, NULL, true, RUN_GO},
		{"a", NULL, "creationTimestamp=2027-01-15T08:00:01Z", false, RUN_GO},
		{"z", NULL, "creationTimestamp=2027-01-15T07:59:59Z", false, RUN_WAIT},
		{"a", NULL, "deletionTimestamp=2027-01-15T08:00:01Z", false, RUN_GO},
		{"a", "{'phase': 'Queued'}", NULL, false, RUN_WAIT},
		{"a", "{'phase': 'Cancelled'}", NULL, false, RUN_GO},
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		auto_json *run = run_named("r", by_spec, NULL);
		auto_json *other = run_named(cases[i].other, by_spec, cases[i].status);
		auto_json *runs = json_pack("[O, O]", other, run);
		const char *equals = cases[i].change ? strchr(cases[i].change, '=') : NULL;
		struct admission a;

		if (equals) {
			auto_free char *key =
				xstrndup(cases[i].change, (size_t)(equals - cases[i].change));

			json_object_set_new(
				json_object_get(other, "metadata"), key, json_string(equals + 1));
		}
		a = admit(run, NULL, runs, cases[i].has_jobs);
		if (a.result != cases[i].result)
			fail_msg("case %zu: %d", i, a.result);
		admission_clear(&a);
	}
}

static void later_fields_are_refused(void **state)
{
	static const char *const specs[] = {
		"{'resumeFrom': {'runName': 'x', 'step': 'y'}}",
	};
	auto_json *pipeline = ready_pipeline();

	(void)state;
	for (size_t i = 0; i < array_size(specs); i++) {
		auto_json *run = run_named("r", specs[i], NULL);
		struct admission a = admit(run, pipeline, NULL, false);
		auto_json *status = written(run, &a.plan);

		assert_int_equal(a.result, RUN_REFUSED);
		assert_string_equal(doc_str(status, "phase"), "Failed");
		expect_conditions(status, "False/NotYetSupported - True False True");
		assert_int_equal(strncmp(message_of(status, "Ready"), "spec.", 5), 0);
		assert_int_equal(a.plan.events_len, 1);
		assert_true(a.plan.events[0].warning);
		admission_clear(&a);
	}
}

static void cancelled_before_it_started(void **state)
{
	auto_json *run = run_named("r",
		"{'frozenSpecRef': {'name': 'p-0123456789ab'}, 'desiredState': 'Cancelled'}", NULL);
	struct admission a = admit(run, NULL, NULL, false);
	auto_json *status = written(run, &a.plan);

	(void)state;
	assert_int_equal(a.result, RUN_REFUSED);
	assert_string_equal(doc_str(status, "phase"), "Cancelled");
	assert_non_null(doc_str(status, "completionTime"));
	expect_conditions(status, "False/Cancelled - True False True");
	admission_clear(&a);
	/* a Job is there already: it has to be stopped */
	a = admit(run, NULL, NULL, true);
	assert_int_equal(a.result, RUN_GO);
	admission_clear(&a);
}

static void a_finished_run_goes_by_its_ttl_alone(void **state)
{
	static const char *const status =
		"{'phase': 'Failed', 'completionTime': '2027-01-15T07:59:30Z'}";
	auto_json *keeps = run_named("r", by_spec, status);
	auto_json *early = run_named(
		"r", "{'frozenSpecRef': {'name': 'p-0'}, 'ttlAfterFinished': '1m'}", status);
	auto_json *over = run_named(
		"r", "{'frozenSpecRef': {'name': 'p-0'}, 'ttlAfterFinished': '30s'}", status);
	struct admission a = admit(keeps, NULL, NULL, false);

	(void)state;
	assert_int_equal(a.result, RUN_SETTLED);
	assert_int_equal(a.plan.len, 0);
	assert_int_equal(a.plan.requeue_ms, 0);
	admission_clear(&a);
	a = admit(early, NULL, NULL, false);
	assert_int_equal(a.plan.len, 0);
	assert_int_equal(a.plan.requeue_ms, 30000);
	admission_clear(&a);
	a = admit(over, NULL, NULL, false);
	assert_int_equal(a.plan.len, 1);
	assert_int_equal(a.plan.writes[0].verb, KUBE_DELETE);
	assert_string_equal(doc_str(a.plan.writes[0].body, "preconditions.uid"), "uid-r");
	admission_clear(&a);
}

static void when_to_stop(void **state)
{
	static const struct {
		const char *spec, *status, *owner, *pipeline, *reason;
		int64_t timeout_s;
	} cases[] = {
		{"{}", NULL, NULL, "uid-p", NULL, 0},
		{"{'desiredState': 'Cancelled'}", NULL, NULL, "uid-p", "Cancelled", 0},
		{"{'desiredState': 'Running'}", NULL, NULL, "uid-p", NULL, 0},
		{"{}", NULL, NULL, NULL, "PipelineDeleted", 0},
		{"{}", NULL, "uid-p", "uid-p", NULL, 0},
		{"{}", NULL, "uid-old", "uid-p", "PipelineDeleted", 0},
		{"{}", "{'startTime': '2027-01-15T07:59:00Z'}", NULL, "uid-p", NULL, 61},
		{"{}", "{'startTime': '2027-01-15T07:59:00Z'}", NULL, "uid-p", "RunTimeout", 60},
		{"{}", NULL, NULL, "uid-p", NULL, 60},
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		auto_json *run = run_named("r", cases[i].spec, cases[i].status);
		auto_json *pipeline = cases[i].pipeline ? json_pack("{s:{s:s}}", "metadata", "uid",
								  cases[i].pipeline)
							: NULL;
		struct frozen_spec spec = {.pipeline = "p", .timeout_s = cases[i].timeout_s};
		struct run_view view = {.run = run, .pipeline = pipeline, .now_s = NOW};
		const char *reason = NULL;
		auto_free char *message = NULL;

		if (cases[i].owner)
			doc_set_new(run, "metadata.ownerReferences",
				json_pack("[{s:s, s:b}]", "uid", cases[i].owner, "controller", 1));
		if (run_should_stop(&view, &spec, &reason, &message) != (cases[i].reason != NULL) ||
			!str_eq(reason, cases[i].reason))
			fail_msg("case %zu: %s", i, reason ? reason : "goes on");
	}
}

/* --- the status of a run under way --- */

struct world {
	json_t *run, *pipeline;
	struct frozen_spec spec;
	struct run_state state;
	struct plan plan;
	char **names;
};

static void world_init(struct world *w, int steps, const char *run_spec)
{
	*w = (struct world){.run = run_named("r", run_spec, NULL), .pipeline = ready_pipeline()};
	w->spec = (struct frozen_spec){.pipeline = "p",
		.dataset_name = "d",
		.working_directory = "s3://b/w",
		.backend = "kubernetes",
		.steps_len = steps};
	w->spec.steps = xcalloc((size_t)steps + 1, sizeof(*w->spec.steps));
	w->names = xcalloc((size_t)steps + 1, sizeof(*w->names));
	for (int i = 0; i < steps; i++) {
		w->names[i] = xasprintf("step-%d", i);
		w->spec.steps[i] = (struct spec_step){.name = w->names[i],
			.cache_key = w->names[i],
			.cacheable = true,
			.json = NULL};
	}
	run_state_init(&w->state, steps);
	w->state.phase = RUN_RUNNING;
}

static void world_clear(struct world *w)
{
	for (int i = 0; i < w->spec.steps_len; i++)
		free(w->names[i]);
	free(w->names);
	free(w->spec.steps);
	run_state_clear(&w->state);
	plan_clear(&w->plan);
	json_decref(w->run);
	json_decref(w->pipeline);
}

/* Decides, and takes the status into the run; false: nothing is written. */
static bool update(struct world *w, int64_t now_s, int64_t ago_ms)
{
	struct run_view view = {.run = w->run, .pipeline = w->pipeline, .now_s = now_s};
	struct run_identity id = {.run_id = "r-uidr",
		.spec_name = "p-0123456789ab",
		.spec_uid = "u",
		.spec_hash = "sha256:01"};

	plan_clear(&w->plan);
	run_update(&view, &w->spec, &id, &w->state, ago_ms, &w->plan);
	if (w->plan.len == 0)
		return false;
	json_object_set_new(w->run, "status", written(w->run, &w->plan));
	return true;
}

static const json_t *status_of(const struct world *w)
{
	return json_object_get(w->run, "status");
}

static bool has_event(const struct plan *plan, const char *reason)
{
	for (int i = 0; i < plan->events_len; i++) {
		if (str_eq(plan->events[i].reason, reason))
			return true;
	}
	return false;
}

static void submit(struct world *w, int i)
{
	w->state.steps[i].phase = STEP_PENDING;
	w->state.steps[i].attempt = 1;
	w->state.steps[i].submit_s = NOW;
}

static void name_job(struct world *w, int i)
{
	w->state.steps[i].external_kind = xstrdup("Job");
	w->state.steps[i].external_name = xasprintf("r-step-%d-01234567", i);
}

static void start(struct world *w, int i)
{
	w->state.steps[i].phase = STEP_RUNNING;
	w->state.steps[i].start_s = NOW;
}

static void succeed(struct world *w, int i)
{
	struct step_state *s = &w->state.steps[i];

	s->phase = STEP_SUCCEEDED;
	s->attempt = 1;
	s->exit_code = 0;
	s->start_s = NOW;
	s->end_s = NOW + 9;
	free(s->ref);
	s->ref = xasprintf("r-uidr/%s", w->names[i]);
}

static void conditions_of_every_moment(void **state)
{
	static const struct {
		const char *spec;
		enum run_phase phase;
		const char *conditions, *event;
	} cases[] = {
		{"{}", RUN_RUNNING, "True/Started - - Unknown False", "Started"},
		{"{'readyWhen': 'Started'}", RUN_RUNNING, "True/Started - - Unknown False",
			"Started"},
		{"{'readyWhen': 'Finished'}", RUN_RUNNING, "Unknown/Running True - Unknown False",
			"Started"},
		{"{}", RUN_SUCCEEDED, "True/Succeeded - - True True", "Succeeded"},
		{"{'readyWhen': 'Finished'}", RUN_SUCCEEDED, "True/Succeeded - - True True",
			"Succeeded"},
		{"{}", RUN_FAILED, "False/StepFailed - True False True", "Failed"},
		{"{'desiredState': 'Cancelled'}", RUN_CANCELLED,
			"False/Cancelled - True False True", "Cancelled"},
		{"{'desiredState': 'Cancelled'}", RUN_CANCELLING, "True/Started - - Unknown False",
			"Started"},
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		struct world w;

		world_init(&w, 2, cases[i].spec);
		w.state.phase = cases[i].phase;
		if (cases[i].phase == RUN_FAILED) {
			w.state.reason = xstrdup("StepFailed");
			w.state.message = xstrdup("step \"step-0\" failed: exit code 1");
		}
		assert_true(update(&w, NOW, INT64_MAX));
		expect_conditions(status_of(&w), cases[i].conditions);
		if (!has_event(&w.plan, cases[i].event))
			fail_msg("case %zu: no Event %s", i, cases[i].event);
		assert_int_equal(doc_str(status_of(&w), "completionTime") != NULL,
			run_phase_final(cases[i].phase));
		assert_string_equal(doc_str(status_of(&w), "runID"), "r-uidr");
		assert_string_equal(doc_str(status_of(&w), "frozenSpec.uid"), "u");
		/* nothing more to say */
		w.state.needs_cancel = true;
		if (!run_phase_final(cases[i].phase) && update(&w, NOW + 100, INT64_MAX))
			fail_msg("case %zu writes twice", i);
		world_clear(&w);
	}
}

static void a_timeout_is_a_failure(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 1, "{}");
	w.spec.timeout_s = 60;
	submit(&w, 0);
	assert_true(update(&w, NOW, INT64_MAX));
	assert_int_equal(w.plan.requeue_ms, 60000); /* nothing else may happen till then */
	assert_false(update(&w, NOW + 20, INT64_MAX));
	assert_int_equal(w.plan.requeue_ms, 40000);
	w.state.phase = RUN_CANCELLED;
	w.state.steps[0].phase = STEP_CANCELLED;
	assert_true(update(&w, NOW + 60, INT64_MAX));
	assert_string_equal(doc_str(status_of(&w), "phase"), "Failed");
	expect_conditions(status_of(&w), "False/RunTimeout - True False True");
	assert_int_equal(w.plan.requeue_ms, 0);
	world_clear(&w);
}

/* A chain of steps whose pods take 2 s to start and 4 s to run: looked at after every change. */
static void a_clean_run_costs_few_writes(void **state)
{
	struct world w;
	int64_t now_ms = 0, last_ms = 0;
	int writes;

	(void)state;
	world_init(&w, 3, "{}");
	submit(&w, 0);
	writes = update(&w, NOW, INT64_MAX);
	for (int i = 0; i < 3; i++) {
		static const int at_ms[] = {100, 900};

		for (int look = 0; look < 2; look++) {
			if (look == 0)
				name_job(&w, i);
			else
				start(&w, i);
			now_ms += at_ms[look];
			if (update(&w, NOW + now_ms / 1000, now_ms - last_ms)) {
				writes++;
				last_ms = now_ms;
			}
		}
		now_ms += 1000;
		succeed(&w, i);
		if (i < 2)
			submit(&w, i + 1);
		else
			w.state.phase = RUN_SUCCEEDED;
		if (update(&w, NOW + now_ms / 1000, now_ms - last_ms)) {
			writes++;
			last_ms = now_ms;
		}
	}
	assert_string_equal(doc_str(status_of(&w), "phase"), "Succeeded");
	print_message("# %d status writes for a run of 3 steps\n", writes);
	assert_in_range(writes, 2, 4);
	world_clear(&w);
}

static void what_may_wait_waits(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 2, "{}");
	submit(&w, 0);
	assert_true(update(&w, NOW, INT64_MAX));
	/* the name of a Job is worth no write */
	name_job(&w, 0);
	assert_false(update(&w, NOW + 60, 60000));
	assert_int_equal(w.plan.requeue_ms, 0);
	/* Pending -> Running waits for three seconds */
	start(&w, 0);
	assert_false(update(&w, NOW, 500));
	assert_int_equal(w.plan.requeue_ms, RUN_STATUS_LAZY_MS - 500);
	assert_false(update(&w, NOW, RUN_STATUS_LAZY_MS - 1));
	assert_true(update(&w, NOW, RUN_STATUS_LAZY_MS));
	assert_string_equal(doc_str(status_of(&w), "steps.0.external.name"), "r-step-0-01234567");
	/* progress for one */
	succeed(&w, 0);
	submit(&w, 1);
	assert_false(update(&w, NOW, 10));
	assert_int_equal(w.plan.requeue_ms, RUN_STATUS_EVERY_MS - 10);
	assert_int_equal(w.plan.events_len, 0);
	assert_true(update(&w, NOW, RUN_STATUS_EVERY_MS));
	/* why it waits, too */
	w.state.steps[1].reason = xstrdup("Unschedulable");
	w.state.steps[1].message = xstrdup("0/1 nodes");
	assert_false(update(&w, NOW, 10));
	assert_true(update(&w, NOW, RUN_STATUS_EVERY_MS));
	/* an end never */
	succeed(&w, 1);
	w.state.phase = RUN_SUCCEEDED;
	assert_true(update(&w, NOW, 0));
	world_clear(&w);
}

/* What is to be stopped is first written: after a crash nothing else says why it is gone. */
static void what_is_stopped_is_written_first(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 2, "{}");
	submit(&w, 0);
	assert_true(update(&w, NOW, INT64_MAX));
	w.state.steps[0].phase = STEP_FAILED;
	w.state.steps[0].reason = xstrdup("Timeout");
	w.state.steps[0].message = xstrdup("ran longer than its timeout of 1s");
	w.state.needs_cancel = true;
	assert_true(update(&w, NOW, 0));
	assert_true(has_event(&w.plan, "StepFailed"));
	assert_string_equal(doc_str(status_of(&w), "steps.0.reason"), "Timeout");
	assert_false(update(&w, NOW, 0));
	world_clear(&w);
}

static void events_are_few(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 2, "{}");
	submit(&w, 0);
	update(&w, NOW, INT64_MAX);
	assert_int_equal(w.plan.events_len, 1);
	assert_false(w.plan.events[0].warning);
	start(&w, 0);
	update(&w, NOW, INT64_MAX);
	assert_int_equal(w.plan.events_len, 0);
	w.state.steps[0].phase = STEP_FAILED;
	w.state.steps[0].message = xstrdup("exit code 1\nsecret of the log");
	update(&w, NOW, INT64_MAX);
	assert_int_equal(w.plan.events_len, 1);
	assert_true(w.plan.events[0].warning);
	assert_string_equal(w.plan.events[0].note, "step step-0: exit code 1");
	w.state.steps[1].phase = STEP_SKIPPED;
	w.state.phase = RUN_FAILED;
	update(&w, NOW, INT64_MAX);
	assert_int_equal(w.plan.events_len, 1); /* Failed; StepFailed was told */
	assert_string_equal(w.plan.events[0].reason, "Failed");
	world_clear(&w);
}

/* --- size --- */

static size_t size_of(const struct world *w)
{
	auto_free char *text = doc_json_dump(status_of(w));

	return strlen(text);
}

static void two_hundred_steps_fit(void **state)
{
	struct world w;
	size_t usual, longest;

	(void)state;
	world_init(&w, 200, "{}");
	for (int i = 0; i < 200; i++)
		succeed(&w, i);
	w.state.phase = RUN_SUCCEEDED;
	assert_true(update(&w, NOW, INT64_MAX));
	usual = size_of(&w);
	world_clear(&w);
	world_init(&w, 200, "{}");
	for (int i = 0; i < 200; i++) {
		free(w.names[i]);
		w.names[i] = xasprintf("%060d%03d", 0, i);
		w.spec.steps[i].name = w.names[i];
		succeed(&w, i);
	}
	w.state.phase = RUN_SUCCEEDED;
	assert_true(update(&w, NOW, INT64_MAX));
	longest = size_of(&w);
	world_clear(&w);
	print_message("# status of 200 succeeded steps: %zu bytes, with names of 63 bytes %zu\n",
		usual, longest);
	assert_in_range(usual, 1, 20000);
	assert_in_range(longest, 1, 20000);
}

static void a_failure_and_what_was_skipped_fit(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 200, "{}");
	for (int i = 0; i < 200; i++) {
		struct step_state *s = &w.state.steps[i];

		s->phase = i ? STEP_SKIPPED : STEP_FAILED;
		s->end_s = NOW;
		s->reason = xstrdup(i ? "UpstreamFailed" : "Error");
		s->message = xstrdup(i ? "step step-0 failed" : "exit code 1\nwhy");
	}
	w.state.phase = RUN_FAILED;
	assert_true(update(&w, NOW, INT64_MAX));
	print_message("# status of a failed step and 199 skipped ones: %zu bytes\n", size_of(&w));
	assert_in_range(size_of(&w), 1, 20000);
	assert_string_equal(doc_str(status_of(&w), "steps.0.message"), "exit code 1\nwhy");
	assert_string_equal(doc_str(status_of(&w), "steps.199.reason"), "UpstreamFailed");
	world_clear(&w);
}

static void many_long_failures_are_cut(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, 200, "{}");
	for (int i = 0; i < 200; i++) {
		w.state.steps[i].phase = STEP_FAILED;
		w.state.steps[i].reason = xstrdup("Error");
		w.state.steps[i].message = xmalloc(4097);
		memset(w.state.steps[i].message, 'x', 4096);
		w.state.steps[i].message[4096] = '\0';
	}
	w.state.phase = RUN_FAILED;
	assert_true(update(&w, NOW, INT64_MAX));
	print_message("# status of 200 failed steps with long logs: %zu bytes\n", size_of(&w));
	assert_in_range(size_of(&w), 1, 30000);
	world_clear(&w);
}

/* --- what is read back is what was written --- */

static uint64_t seed = 42;

static int64_t dice(int64_t below)
{
	seed = seed * 6364136223846793005 + 1442695040888963407;
	return (int64_t)((seed >> 33) % (uint64_t)below);
}

static char *maybe(const char *text)
{
	return dice(2) ? xstrdup(text) : NULL;
}

/* Any step as the runner may say it is. */
static void random_step(struct world *w, int i)
{
	struct step_state *s = &w->state.steps[i];
	bool plain;

	s->phase = (enum step_phase)dice(STEP_CANCELLED + 1);
	plain = s->phase == STEP_SUCCEEDED || s->phase == STEP_CACHED || s->phase == STEP_WAITING;
	if (s->phase == STEP_WAITING)
		return;
	s->start_s = dice(2) ? NOW + dice(100) : 0;
	s->end_s = step_phase_final(s->phase) ? NOW + 100 + dice(100) : 0;
	if (s->phase == STEP_CACHED) {
		s->ref = xasprintf("other-%d/%s", (int)dice(9), w->names[i]);
		s->attempt = 1;
		return;
	}
	s->attempt = 1 + (int)dice(4);
	s->disruptions = dice(2) ? (int)dice(s->attempt + 1) : 0;
	s->retry_at_s = s->phase == STEP_PENDING && dice(2) ? NOW + 50 : 0;
	if (s->phase == STEP_SUCCEEDED) {
		s->ref = s->attempt > 1 ? xasprintf("r-uidr-a%d/%s", s->attempt, w->names[i])
					: xasprintf("r-uidr/%s", w->names[i]);
		return;
	}
	if (plain)
		return;
	s->reason = maybe("Error");
	s->message = maybe("exit code 3\nlast words");
	s->exit_code = s->phase == STEP_FAILED ? (int)dice(256) - 1 : -1;
	if (dice(2))
		name_job(w, i);
}

static void expect_same(const struct step_state *a, const struct step_state *b)
{
	assert_int_equal(a->phase, b->phase);
	assert_int_equal(a->attempt, b->attempt);
	assert_int_equal(a->disruptions, b->disruptions);
	assert_int_equal(a->exit_code, b->exit_code);
	assert_int_equal(a->start_s, b->start_s);
	assert_int_equal(a->end_s, b->end_s);
	assert_int_equal(a->retry_at_s, b->retry_at_s);
	assert_true(str_eq(a->reason, b->reason));
	assert_true(str_eq(a->message, b->message));
	assert_true(str_eq(a->external_kind, b->external_kind));
	assert_true(str_eq(a->external_name, b->external_name));
	assert_true(str_eq(a->ref, b->ref));
}

static void known_steps_are_what_was_written(void **state)
{
	(void)state;
	for (int round = 0; round < 500; round++) {
		struct step_state *known;
		struct world w;

		world_init(&w, 8, "{}");
		json_object_set_new(json_object_get(w.run, "metadata"), "uid", json_string("uidr"));
		for (int i = 0; i < 8; i++)
			random_step(&w, i);
		assert_true(update(&w, NOW, INT64_MAX));
		known = run_known_steps(w.run, &w.spec, NULL);
		for (int i = 0; i < 8; i++) {
			expect_same(&known[i], &w.state.steps[i]);
			step_state_copy(&w.state.steps[i], &known[i]);
			step_state_clear(&known[i]);
		}
		free(known);
		/* and says the same again */
		w.state.needs_cancel = true;
		assert_false(update(&w, NOW, INT64_MAX));
		world_clear(&w);
	}
}

/* Of a native document: steps appear as the backend reports them, and stay in that order. */
static void steps_that_only_the_backend_knows(void **state)
{
	auto_json *native = json_pack("{s:s}", "format", "KubeflowIR");
	auto_strvec names = STRVEC_INIT;
	struct step_state *known;
	struct world w;

	(void)state;
	world_init(&w, 0, "{}");
	w.spec.native = native;
	json_object_set_new(json_object_get(w.run, "metadata"), "uid", json_string("uidr"));
	assert_true(update(&w, NOW, INT64_MAX));
	assert_string_equal(doc_str(status_of(&w), "progress"), "0/0");
	assert_true(has_event(&w.plan, "Started"));
	assert_int_equal(run_state_named_step(&w.state, "zeta"), 0);
	w.state.steps[0].phase = STEP_SUCCEEDED;
	assert_int_equal(run_state_named_step(&w.state, "alpha"), 1);
	start(&w, 1);
	assert_true(update(&w, NOW + 5, INT64_MAX));
	assert_string_equal(doc_str(status_of(&w), "progress"), "1/2");
	assert_string_equal(
		doc_str(json_array_get(json_object_get(status_of(&w), "steps"), 0), "name"),
		"zeta");
	known = run_known_steps(w.run, &w.spec, &names);
	assert_int_equal(names.len, 2);
	assert_string_equal(names.items[1], "alpha");
	assert_int_equal(known[0].phase, STEP_SUCCEEDED);
	assert_int_equal(known[1].phase, STEP_RUNNING);
	for (int i = 0; i < 2; i++)
		step_state_clear(&known[i]);
	free(known);
	w.state.steps[1].phase = STEP_SUCCEEDED;
	w.state.phase = RUN_SUCCEEDED;
	assert_true(update(&w, NOW + 9, INT64_MAX));
	assert_string_equal(doc_str(status_of(&w), "phase"), "Succeeded");
	assert_string_equal(
		doc_str(condition_find(json_object_get(status_of(&w), "conditions"), "Succeeded"),
			"message"),
		"2 steps done");
	world_clear(&w);
}

static void names_of_a_backend_fit_into_a_status(void **state)
{
	static const char longest[] =
		"a-name-of-exactly-sixty-three-bytes-which-a-status-has-room-for";
	struct run_state s;

	(void)state;
	run_state_init(&s, 0);
	assert_int_equal(strlen(longest), 63);
	assert_int_equal(run_state_named_step(&s, longest), 0);
	assert_int_equal(
		run_state_named_step(
			&s, "a-name-of-exactly-sixty-three-bytes-which-a-status-has-room-for-1"),
		1);
	assert_int_equal(
		run_state_named_step(
			&s, "a-name-of-exactly-sixty-three-bytes-which-a-status-has-room-for-2"),
		2);
	assert_int_equal(run_state_named_step(&s, longest), 0);
	assert_int_equal(strlen(s.names.items[1]), 63);
	assert_string_not_equal(s.names.items[1], s.names.items[2]);
	for (int i = 3; i < RUN_STATE_NAMES_MAX; i++) {
		auto_free char *name = xasprintf("%d", i);

		assert_int_equal(run_state_named_step(&s, name), i);
	}
	assert_int_equal(run_state_named_step(&s, "one more"), -1);
	assert_int_equal(s.steps_len, RUN_STATE_NAMES_MAX);
	run_state_clear(&s);
}

static void odd_statuses_do_no_harm(void **state)
{
	static const char *const odd[] = {
		"{'steps': 1}",
		"{'steps': [1, {}, {'name': 'step-9', 'phase': 'Failed'}]}",
		"{'steps': [{'name': 'step-0', 'phase': 'Nonsense', 'startTime': 'x'}]}",
		"{'steps': [{'name': 'step-0', 'phase': 'Pending', 'attempts': 99999999999}]}",
		"{'steps': [{'name': 'step-0', 'phase': 'Failed', 'reason': 'A'},"
		" {'name': 'step-0', 'phase': 'Failed', 'reason': 'B'}]}",
		"{'steps': [{'name': 'step-0', 'phase': 'Cached', 'cachedFrom': 'x/y'},"
		" {'name': 'step-0', 'phase': 'Cached', 'cachedFrom': 'x/z'}]}",
	};

	(void)state;
	for (size_t i = 0; i < array_size(odd); i++) {
		struct step_state *known;
		struct world w;

		world_init(&w, 2, "{}");
		json_object_set_new(w.run, "status", quoted_json(odd[i]));
		known = run_known_steps(w.run, &w.spec, NULL);
		assert_in_range(known[0].attempt, 0, 1000);
		for (int k = 0; k < 2; k++)
			step_state_clear(&known[k]);
		free(known);
		world_clear(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_run_goes_with_its_frozen_spec),
		cmocka_unit_test(a_pinned_run_keeps_its_pin),
		cmocka_unit_test(a_run_by_hand_is_pinned_first),
		cmocka_unit_test(a_run_waits_for_its_pipeline),
		cmocka_unit_test(turns),
		cmocka_unit_test(later_fields_are_refused),
		cmocka_unit_test(cancelled_before_it_started),
		cmocka_unit_test(a_finished_run_goes_by_its_ttl_alone),
		cmocka_unit_test(when_to_stop),
		cmocka_unit_test(conditions_of_every_moment),
		cmocka_unit_test(a_timeout_is_a_failure),
		cmocka_unit_test(a_clean_run_costs_few_writes),
		cmocka_unit_test(what_may_wait_waits),
		cmocka_unit_test(what_is_stopped_is_written_first),
		cmocka_unit_test(events_are_few),
		cmocka_unit_test(two_hundred_steps_fit),
		cmocka_unit_test(a_failure_and_what_was_skipped_fit),
		cmocka_unit_test(many_long_failures_are_cut),
		cmocka_unit_test(known_steps_are_what_was_written),
		cmocka_unit_test(steps_that_only_the_backend_knows),
		cmocka_unit_test(names_of_a_backend_fit_into_a_status),
		cmocka_unit_test(odd_statuses_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

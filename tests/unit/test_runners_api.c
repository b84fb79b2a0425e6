/*
 * Runner `kubernetes` with the real client and caches against the fake API server: whole runs, also
 * with lost answers, cut watches and a controller that dies at any moment. The test plays the Job
 * controller and the kubelet.
 */
#include "tests/fake/apiserver_fixture.h"

#include "base/rand.h"
#include "kube/cache.h"
#include "runners/dag.h"
#include "runners/kubernetes_job.h"
#include "runners/kubernetes_observe.h"

#define STEPS 5
#define JOBS "/apis/batch/v1/namespaces/data/jobs"
#define PODS "/api/v1/namespaces/data/pods"

/* load, b<load, c<load, d<b,c (ordered), e */
static int needs_load[] = {0};
static int needs_both[] = {1, 2};
static const char *const names[STEPS] = {"load", "b", "c", "d", "e"};

struct fixture {
	struct kube_fixture k;
	struct kube_cache *jobs, *pods;
	void *backend;
	struct spec_step steps[STEPS];
	struct frozen_spec spec;
	struct step_state known[STEPS];
	json_t *owner;
	struct runner_run run;
	struct run_state state;
	struct runner_op op;
	bool busy, submitting, cancelling;
	int errors;
};

static struct kube_cache *open_cache(
	struct fixture *f, const struct kube_resource *resource, json_t *(*project)(const json_t *))
{
	struct kube_cache_options options = {
		.watch = {.resource = resource,
			.label_selector = KUBERNETES_LABEL_RUN,
			.backoff_min_ms = 1,
			.backoff_max_ms = 4},
		.project = project,
		.index = kubernetes_index_run,
		.owner = f,
	};

	return kube_cache_new(f->k.client, &options);
}

static void controller_up(struct fixture *f)
{
	struct runner_env env = {.loop = f->k.loop, .kube = f->k.client};
	auto_err err = ERR_INIT;

	f->jobs = open_cache(f, &kube_jobs, kubernetes_project_job);
	f->pods = open_cache(f, &kube_pods, kubernetes_project_pod);
	env.jobs = f->jobs;
	env.pods = f->pods;
	assert_int_equal(
		runner_kubernetes.open(&env, &(struct runner_settings){0}, &f->backend, &err), 0);
}

static void controller_down(struct fixture *f)
{
	if (f->busy)
		runner_kubernetes.op_cancel(f->backend, &f->op);
	f->busy = false;
	run_state_clear(&f->state);
	err_clear(&f->op.err);
	runner_kubernetes.close(f->backend);
	kube_cache_free(f->jobs);
	kube_cache_free(f->pods);
}

static int set_up(void **state)
{
	struct fixture *f = xnew(struct fixture);

	kube_fixture_start(&f->k);
	for (int i = 0; i < STEPS; i++) {
		step_state_clear(&f->known[i]);
		f->steps[i] = (struct spec_step){
			.name = names[i],
			.image = "x:1",
			.cache_key = "00",
			.json = json_pack("{s:s, s:{}, s:{s:s, s:{}}, s:{s:{}, s:{}}}", "name",
				names[i], "arguments", "component", "name", names[i], "args",
				"operation", "consumes", "produces"),
			.from = needs_load,
			.needs = i == 3 ? needs_both : needs_load,
			.from_len = i == 1 || i == 2,
			.needs_len = i == 3 ? 2 : i == 1 || i == 2,
		};
	}
	f->spec = (struct frozen_spec){
		.json = json_object(),
		.dataset_name = "d",
		.working_directory = "/data",
		.steps = f->steps,
		.steps_len = STEPS,
	};
	f->owner = json_pack("{s:s, s:s, s:s, s:s, s:b}", "apiVersion", "fondant.ai/v1alpha1",
		"kind", "FondantRun", "name", "r", "uid", "run-uid", "controller", 1);
	/* The fake collects what has no owner: there is one. */
	fake_api_put(f->k.api, json_pack("{s:s, s:s, s:{s:s, s:s, s:s}}", "apiVersion",
				       "fondant.ai/v1alpha1", "kind", "FondantRun", "metadata",
				       "namespace", "data", "name", "r", "uid", "run-uid"));
	f->run = (struct runner_run){
		.spec = &f->spec,
		.namespace_ = "data",
		.pipeline = "p",
		.name = "r",
		.uid = "run-uid",
		.run_id = "r-runuid",
		.owner = f->owner,
		.known = f->known,
	};
	controller_up(f);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	controller_down(f);
	kube_fixture_stop(&f->k);
	for (int i = 0; i < STEPS; i++) {
		json_decref(f->steps[i].json);
		step_state_clear(&f->known[i]);
	}
	json_decref(f->spec.json);
	json_decref(f->owner);
	free(f);
	return 0;
}

/* --- the controller's loop, in short --- */

static void called(struct runner_op *op)
{
	struct fixture *f = container_of(op, struct fixture, op);

	f->busy = false;
	if (op->result < 0) {
		assert_int_equal(op->err.class, ERR_TRANSIENT);
		f->errors++;
		err_clear(&op->err);
		f->submitting = false;
		f->cancelling = false;
	}
}

static void next_call(struct fixture *f)
{
	bool submit = f->submitting, cancel = f->cancelling;

	f->busy = true;
	f->op = (struct runner_op){.done = called};
	f->run.now_s = time_wall_ms() / 1000;
	f->submitting = false;
	f->cancelling = false;
	if (submit) {
		runner_kubernetes.submit(f->backend, &f->run, &f->op);
	} else if (cancel) {
		runner_kubernetes.cancel(f->backend, &f->run, &f->op);
	} else {
		run_state_clear(&f->state);
		run_state_init(&f->state, STEPS);
		f->submitting = f->cancelling = true; /* decided below, when it is answered */
		runner_kubernetes.observe(f->backend, &f->run, &f->state, &f->op);
	}
}

/* One turn of the controller; the status is written when it was observed. */
static void drive(struct fixture *f)
{
	loop_turn(f->k.loop, 2);
	if (f->busy)
		return;
	if (f->submitting && f->cancelling) { /* an observation is there */
		f->submitting = f->state.needs_submit;
		f->cancelling = !f->submitting && f->state.needs_cancel;
		for (int i = 0; i < STEPS; i++)
			step_state_copy(&f->known[i], &f->state.steps[i]);
	}
	next_call(f);
}

/* --- the Job controller and the kubelet --- */

static json_t *pod_of(const json_t *job, const char *phase, int code)
{
	const char *name = doc_str(job, "metadata.name");
	char when[TIME_RFC3339_SIZE];

	time_format_rfc3339(time_wall_ms() / 1000, when);
	return json_pack("{s:s, s:s, s:{s:s, s:s, s:s, s:O, s:[{s:s, s:s, s:s, s:s, s:b}]}, "
			 "s:{s:s, s:[{s:s, s:{s:{s:i, s:s, s:s, s:s, s:s}}}]}}",
		"apiVersion", "v1", "kind", "Pod", "metadata", "namespace", "data", "name", name,
		"creationTimestamp", when, "labels", doc_get(job, "metadata.labels"),
		"ownerReferences", "apiVersion", "batch/v1", "kind", "Job", "name", name, "uid",
		doc_str(job, "metadata.uid"), "controller", 1, "status", "phase", phase,
		"containerStatuses", "name", "main", "state", "terminated", "exitCode", code,
		"reason", code ? "Error" : "Completed", "message", code ? "last line" : "",
		"startedAt", when, "finishedAt", when);
}

static void end_job(struct fixture *f, const char *step, int attempt, int code)
{
	auto_free char *name = kubernetes_job_name("r", "run-uid", step, attempt);
	auto_free char *path = xasprintf(JOBS "/%s", name);
	auto_json *job = fake_api_get(f->k.api, path);
	char when[TIME_RFC3339_SIZE];

	if (!job)
		return;
	fake_api_put(f->k.api, pod_of(job, code ? "Failed" : "Succeeded", code));
	if (!code)
		return; /* the pod's word is enough */
	fake_api_patch(f->k.api, path,
		json_pack("{s:{s:[{s:s, s:s, s:s, s:s}]}}", "status", "conditions", "type",
			"Failed", "status", "True", "reason", "BackoffLimitExceeded",
			"lastTransitionTime", time_format_rfc3339(time_wall_ms() / 1000, when)));
}

static bool drive_until(struct fixture *f, enum run_phase phase)
{
	int64_t end = time_mono_ms() + 20000;

	while (time_mono_ms() < end) {
		drive(f);
		if (f->state.steps && f->state.phase == phase)
			return true;
	}
	return false;
}

static void a_run_to_its_end(void **state)
{
	struct fixture *f = *state;
	int64_t end = time_mono_ms() + 20000;

	TURN_UNTIL(&f->k, kube_cache_synced(f->jobs) && kube_cache_synced(f->pods));
	while (!f->state.steps || f->state.phase != RUN_SUCCEEDED) {
		assert_true(time_mono_ms() < end);
		drive(f);
		for (int i = 0; i < STEPS; i++)
			end_job(f, names[i], 1, 0);
	}
	assert_int_equal(fake_api_len(f->k.api, JOBS), STEPS);
	assert_int_equal(fake_api_count(f->k.api, "POST", NULL), STEPS);
	assert_int_equal(f->errors, 0);
}

static void a_failure_and_its_retry(void **state)
{
	struct fixture *f = *state;
	int64_t end = time_mono_ms() + 20000;

	f->steps[0].retry = (struct spec_retry){.limit = 1, .on_error = true};
	while (!f->state.steps || f->state.phase != RUN_FAILED) {
		assert_true(time_mono_ms() < end);
		drive(f);
		end_job(f, "load", 1, 3);
		end_job(f, "load", 2, 4);
		end_job(f, "e", 1, 0);
	}
	assert_string_equal(f->state.message, "step \"load\" failed: exit code 4");
	assert_string_equal(f->state.steps[0].message, "exit code 4\nlast line");
	assert_int_equal(f->state.steps[0].attempt, 2);
	assert_int_equal(fake_api_len(f->k.api, JOBS), 3);
}

static void cancelling_leaves_no_job(void **state)
{
	struct fixture *f = *state;

	assert_true(drive_until(f, RUN_RUNNING));
	TURN_UNTIL(&f->k, (drive(f), fake_api_len(f->k.api, JOBS) == 2));
	f->run.cancelling = true;
	assert_true(drive_until(f, RUN_CANCELLED));
	assert_int_equal(fake_api_len(f->k.api, JOBS), 0);
	assert_int_equal(fake_api_count(f->k.api, "POST", NULL), 2);
}

/* Lost answers, refused connections, server errors; never on what the test itself does. */
static bool judge(void *user, const char *verb, const char *target, struct fake_fault *ret)
{
	uint64_t dice = rand_below(100);

	(void)user;
	(void)target;
	*ret = (struct fake_fault){0};
	if (dice < 12)
		ret->lose_answer = !str_eq(verb, "WATCH");
	else if (dice < 20)
		ret->status = 503;
	else if (dice < 26)
		ret->cut_before = true;
	else
		return false;
	return true;
}

static void storm(struct fixture *f, uint64_t seed)
{
	int64_t end = time_mono_ms() + 30000;

	rand_seed(seed);
	fake_api_set_judge(f->k.api, judge, NULL);
	while (!f->state.steps || f->state.phase != RUN_SUCCEEDED) {
		if (time_mono_ms() > end)
			fail_msg("seed %llu does not end", (unsigned long long)seed);
		drive(f);
		if (rand_below(100) < 2) {
			fake_api_cut_watches(f->k.api);
		} else if (rand_below(100) < 3) {
			controller_down(f);
			for (int i = 0; rand_below(2) && i < STEPS; i++)
				step_state_clear(&f->known[i]);
			f->submitting = f->cancelling = false;
			controller_up(f);
		} else if (rand_below(100) < 20) {
			end_job(f, names[rand_below(STEPS)], 1, 0);
		}
	}
	fake_api_set_judge(f->k.api, NULL, NULL);
	assert_int_equal(fake_api_len(f->k.api, JOBS), STEPS);
	for (int i = 0; i < STEPS; i++)
		assert_int_equal(f->state.steps[i].attempt, 1);
}

static void one_job_per_attempt_through_every_storm(void **state)
{
	for (uint64_t seed = 1; seed <= 25; seed++) {
		void *mine = NULL;

		set_up(&mine);
		storm(mine, seed);
		tear_down(&mine);
	}
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_run_to_its_end, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_failure_and_its_retry, set_up, tear_down),
		cmocka_unit_test_setup_teardown(cancelling_leaves_no_job, set_up, tear_down),
		cmocka_unit_test(one_job_per_attempt_through_every_storm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

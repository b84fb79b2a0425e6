/*
 * A run from its submission to its end through cli/drive.h and the runner `kubeflow`, on a fake
 * server: each request lost, each answer lost or replaced by rubbish, the program killed after
 * each, and taken up again. However it went, the run has one Workflow.
 */
#include "test_cli_drive_fixture.h"

#include "tests/fake/kubeflow.h"

struct fixture {
	struct drive_fixture d;
	struct fake_kubeflow fake;
};

#define TWO_STEPS                                                                   \
	"workingDirectory: s3://lake/fondant\n"                                     \
	"serviceAccountName: loader\n"                                              \
	"steps:\n"                                                                  \
	"- name: load\n"                                                            \
	"  component: {spec: {name: L, description: d, image: 'reg.example/l:1',\n" \
	"    produces: {a: {type: string}}}}\n"                                     \
	"- name: write\n"                                                           \
	"  from: [load]\n"                                                          \
	"  component: {spec: {name: W, description: d, image: 'reg.example/w:1',\n" \
	"    consumes: {a: {type: string}}}}\n"

static int setup(void **state)
{
	struct fixture *f = xnew(struct fixture);

	drive_fixture_init(&f->d, &runner_kubeflow, TWO_STEPS);
	f->d.asked = &f->fake.asked;
	fake_kubeflow_start(&f->fake, f->d.loop);
	f->d.settings = json_pack("{s:s, s:s, s:s}", "endpoint", f->fake.server.url, "experiment",
		"corpus", "pipelineRoot", "s3://lake/kfp");
	*state = f;
	return 0;
}

#define NATIVE                                                                            \
	"parameters: [{name: rows, type: int, default: 7}]\n"                             \
	"native:\n"                                                                       \
	"  format: KubeflowIR\n"                                                          \
	"  inline: |\n"                                                                   \
	"    schemaVersion: 2.1.0\n"                                                      \
	"    pipelineInfo: {name: by-another-tool}\n"                                     \
	"    components: {work: {executorLabel: work}}\n"                                 \
	"    deploymentSpec: {executors: {work: {container: {image: 'a:1'}}}}\n"          \
	"    root:\n"                                                                     \
	"      inputDefinitions: {parameters: {rows: {parameterType: NUMBER_INTEGER}}}\n" \
	"      dag: {tasks: {fondant-first: {componentRef: {name: work}},\n"              \
	"                    second: {componentRef: {name: work}, dependentTasks: "       \
	"[fondant-first]}}}\n"                                                            \
	"    ---\n"                                                                       \
	"    platforms: {kubernetes: {}}\n"

static int setup_native(void **state)
{
	struct fixture *f;

	setup(state);
	f = *state;
	frozen_spec_free(f->d.spec);
	f->d.spec = freeze(&runner_kubeflow, NATIVE);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	end(&f->d);
	fake_kubeflow_stop(&f->fake);
	drive_fixture_clear(&f->d);
	free(f);
	return 0;
}

static void assert_once(const struct fixture *f)
{
	assert_int_equal(json_object_size(f->fake.runs), 1);
	assert_int_equal(doc_int_or(fake_kubeflow_run(&f->fake), "workflows", 0), 1);
}

static void assert_no_more(const struct fixture *f)
{
	assert_in_range(json_object_size(f->fake.runs), 0, 1);
	if (fake_kubeflow_run(&f->fake))
		assert_once(f);
}

#define MIN_REQUESTS 8
#define MAX_REQUESTS 60
#include "test_cli_drive_faults.h"

static void a_run(void **state)
{
	struct fixture *f = *state;
	const json_t *body;

	begin(&f->d);
	to_the_end(&f->d);
	assert_int_equal(f->d.drive.phase, RUN_SUCCEEDED);
	assert_once(f);
	assert_step(&f->d, 0, STEP_SUCCEEDED);
	assert_step(&f->d, 1, STEP_SUCCEEDED);
	assert_int_equal(f->d.troubles, 0);
	assert_int_equal(f->fake.posts, 1);
	body = doc_get(fake_kubeflow_run(&f->fake), "body");
	assert_string_equal(doc_str(body, "display_name"), RUN_ID);
	assert_string_equal(doc_str(body, "service_account"), "loader");
	assert_string_equal(doc_str(body, "experiment_id"), "exp-1");
	assert_string_equal(doc_str(body, "runtime_config.pipeline_root"), "s3://lake/kfp");
	assert_string_equal(f->d.drive.known[0].ref, RUN_ID "/load");
	assert_string_equal(f->d.drive.known[0].external_kind, "Pod");
	assert_int_equal(f->d.drive.known[0].start_s, 1800000000);
}

static void odd_answers(void **state)
{
	static const char *const answers[] = {"[]", "{}", "null", "3",
		"{\"state\": 3, \"run_details\": []}",
		"{\"state\": \"RUNNING\", \"run_details\": {\"task_details\": [1, "
		"{\"display_name\": "
		"[]}]}}"};

	(void)state;
	with_odd_answers(answers, array_size(answers));
}

/* --- ends --- */

static void a_step_fails(void **state)
{
	struct fixture *f = *state;

	f->fake.fails = "load";
	begin(&f->d);
	to_the_end(&f->d);
	assert_int_equal(f->d.drive.phase, RUN_FAILED);
	assert_step(&f->d, 0, STEP_FAILED);
	assert_step(&f->d, 1, STEP_SKIPPED);
	assert_non_null(strstr(f->d.drive.known[0].message, "/#/runs/details/"));
}

/* The server calls a terminated run FAILED; we remember that we meant it. */
static void cancelled(void **state)
{
	struct fixture *f = *state;

	f->fake.hangs = true;
	begin(&f->d);
	while (!fake_kubeflow_run(&f->fake) ||
		doc_int_or(fake_kubeflow_run(&f->fake), "age", 0) < 3)
		turn(&f->d);
	drive_cancel(&f->d.drive);
	to_the_end(&f->d);
	assert_int_equal(f->d.drive.phase, RUN_CANCELLED);
	assert_step(&f->d, 0, STEP_CANCELLED);
	assert_int_equal(doc_int_or(fake_kubeflow_run(&f->fake), "workflows", 0), 1);
}

static void cancelled_before_it_was_submitted(void **state)
{
	struct fixture *f = *state;

	begin(&f->d);
	drive_cancel(&f->d.drive);
	to_the_end(&f->d);
	assert_int_equal(f->d.drive.phase, RUN_CANCELLED);
	assert_int_equal(f->fake.posts, 0);
}

static void a_refused_specification(void **state)
{
	struct fixture *f = *state;

	f->fake.refuses = true;
	begin(&f->d);
	to_the_end(&f->d);
	assert_int_equal(f->d.drive.err.class, ERR_USER);
	assert_non_null(strstr(err_message(&f->d.drive.err), "pipeline spec is invalid"));
	assert_int_equal(f->fake.posts, 1);
}

static void credentials_that_are_not_taken(void **state)
{
	struct fixture *f = *state;

	f->fake.token = "right";
	begin(&f->d);
	to_the_end(&f->d);
	assert_int_equal(f->d.drive.err.class, ERR_USER);
	assert_string_equal(f->d.drive.err.reason, "Unauthorized");
	assert_int_equal(f->fake.posts, 0);
}

static void deleted_by_somebody(void **state)
{
	struct fixture *f = *state;

	f->fake.hangs = true;
	begin(&f->d);
	while (f->d.drive.known[0].phase != STEP_RUNNING)
		turn(&f->d);
	json_object_set_new(fake_kubeflow_run(&f->fake), "deleted", json_true());
	to_the_end(&f->d);
	assert_int_equal(f->d.drive.phase, RUN_FAILED);
	assert_non_null(strstr(f->d.drive.message, "somebody deleted it there"));
	assert_int_equal(f->fake.posts, 1);
}

static void an_experiment_that_is_there_is_used(void **state)
{
	struct fixture *f = *state;

	json_object_set_new(f->fake.experiments, "corpus", json_string("exp-old"));
	begin(&f->d);
	to_the_end(&f->d);
	assert_string_equal(doc_str(fake_kubeflow_run(&f->fake), "body.experiment_id"), "exp-old");
}

/* --- documents of other tools --- */

static int known_step(const struct fixture *f, const char *name)
{
	strvec_for_each (&f->d.drive.names, i) {
		if (str_eq(f->d.drive.names.items[i], name))
			return (int)i;
	}
	fail_msg("there is no step %s", name);
	return -1;
}

/* Its steps are those that the server reports, by the names that it gives them. */
static void a_native_document(void **state)
{
	struct fixture *f = *state;
	const json_t *body, *sent;

	begin(&f->d);
	to_the_end(&f->d);
	assert_int_equal(f->d.drive.phase, RUN_SUCCEEDED);
	assert_once(f);
	assert_int_equal(f->d.drive.names.len, 2);
	assert_step(&f->d, known_step(f, "fondant-first"), STEP_SUCCEEDED);
	assert_step(&f->d, known_step(f, "second"), STEP_SUCCEEDED);
	assert_null(f->d.drive.known[0].ref);
	body = doc_get(fake_kubeflow_run(&f->fake), "body");
	assert_int_equal(doc_int_or(body, "runtime_config.parameters.rows", 0), 7);
	assert_string_equal(doc_str(body, "runtime_config.pipeline_root"), "s3://lake/kfp");
	sent = json_object_get(body, "pipeline_spec");
	assert_true(json_equal(json_object_get(sent, "pipeline_spec"),
		json_array_get(json_object_get(f->d.spec->native, "document"), 0)));
	assert_non_null(doc_get(sent, "platform_spec.platforms.kubernetes"));
}

static void a_native_document_killed_anywhere(void **state)
{
	(void)state;
	for (int at = 1; at <= 12; at++) {
		struct fixture *f;
		void *one;

		setup_native(&one);
		f = one;
		f->d.kill_at = at;
		begin(&f->d);
		to_the_end(&f->d);
		assert_int_equal(f->d.drive.phase, RUN_SUCCEEDED);
		assert_once(f);
		teardown(&one);
	}
}

static void a_native_document_fails(void **state)
{
	struct fixture *f = *state;

	f->fake.fails = "second";
	begin(&f->d);
	to_the_end(&f->d);
	assert_int_equal(f->d.drive.phase, RUN_FAILED);
	assert_step(&f->d, known_step(f, "second"), STEP_FAILED);
	assert_non_null(strstr(f->d.drive.message, "step \"second\" failed"));
}

static void a_native_document_is_cancelled(void **state)
{
	struct fixture *f = *state;

	f->fake.hangs = true;
	begin(&f->d);
	while (!f->d.drive.names.len)
		turn(&f->d);
	drive_cancel(&f->d.drive);
	to_the_end(&f->d);
	assert_int_equal(f->d.drive.phase, RUN_CANCELLED);
	assert_int_equal(f->fake.posts, 1);
}

static void a_native_document_deleted_by_somebody(void **state)
{
	struct fixture *f = *state;

	f->fake.hangs = true;
	begin(&f->d);
	while (!f->d.drive.names.len)
		turn(&f->d);
	json_object_set_new(fake_kubeflow_run(&f->fake), "deleted", json_true());
	to_the_end(&f->d);
	assert_int_equal(f->d.drive.phase, RUN_FAILED);
	assert_non_null(strstr(f->d.drive.message, "somebody deleted it there"));
	assert_int_equal(f->fake.posts, 1);
}

/* --- probes --- */

static void probed(struct runner_op *op)
{
	op->done = NULL;
}

static void a_probe(void **state)
{
	struct fixture *f = *state;
	struct runner_probe probe = {0};
	struct runner_op op = {.done = probed};

	begin(&f->d);
	f->fake.version = "2.17.0";
	runner_kubeflow.probe(f->d.backend, &probe, &op);
	while (op.done)
		turn(&f->d);
	assert_int_equal(op.result, 0);
	assert_string_equal(probe.version, "2.17.0");
	free(probe.version);
	probe.version = NULL;
	f->fake.token = "right";
	op.done = probed;
	runner_kubeflow.probe(f->d.backend, &probe, &op);
	while (op.done)
		turn(&f->d);
	assert_int_equal(op.result, -1);
	assert_string_equal(op.err.reason, "Unauthorized");
	err_clear(&op.err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_run, setup, teardown),
		FAULTS,
		FAULT("throttled", .fault = FAKE_STATUS, .hostile = "{\"message\": \"slow down\"}",
			.status = 429),
		FAULT("an error of its own", .fault = FAKE_STATUS,
			.hostile = "{\"message\": \"oh\"}", .status = 500),
		cmocka_unit_test(odd_answers),
		cmocka_unit_test_setup_teardown(a_step_fails, setup, teardown),
		cmocka_unit_test_setup_teardown(cancelled, setup, teardown),
		cmocka_unit_test_setup_teardown(cancelled_before_it_was_submitted, setup, teardown),
		cmocka_unit_test_setup_teardown(a_refused_specification, setup, teardown),
		cmocka_unit_test_setup_teardown(credentials_that_are_not_taken, setup, teardown),
		cmocka_unit_test_setup_teardown(deleted_by_somebody, setup, teardown),
		cmocka_unit_test_setup_teardown(
			an_experiment_that_is_there_is_used, setup, teardown),
		cmocka_unit_test_setup_teardown(a_native_document, setup_native, teardown),
		cmocka_unit_test(a_native_document_killed_anywhere),
		cmocka_unit_test_setup_teardown(a_native_document_fails, setup_native, teardown),
		cmocka_unit_test_setup_teardown(
			a_native_document_is_cancelled, setup_native, teardown),
		cmocka_unit_test_setup_teardown(
			a_native_document_deleted_by_somebody, setup_native, teardown),
		cmocka_unit_test_setup_teardown(a_probe, setup, teardown),
	};

	return cmocka_run_group_tests_name("cli/drive kubeflow", tests, NULL, NULL);
}

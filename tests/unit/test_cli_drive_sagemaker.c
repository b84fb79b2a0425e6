/*
 * A run from its start to its end through cli/drive.h and the runner `sagemaker`, on a fake of
 * SageMaker and S3: each request lost, each answer lost or replaced by rubbish, the program killed
 * after each, and taken up again. However it went, there is one execution, of the run's own
 * document.
 */
#include "test_cli_drive_fixture.h"

#include "tests/fake/sagemaker.h"

#define IMAGE(name) "123456789012.dkr.ecr.eu-west-1.amazonaws.com/" name ":1"
#define ROLE "arn:aws:iam::123456789012:role/pipeline"

struct fixture {
	struct drive_fixture d;
	struct fake_sagemaker fake;
};

#define LINE "a line of one argument that is longer than SageMaker takes in one word; "
/* clang-format off */
#define TWO_STEPS                                                                  \
	"workingDirectory: s3://lake/fondant\n"                                    \
	"steps:\n"                                                                 \
	"- name: load\n"                                                           \
	"  component: {spec: {name: L, description: d, image: '" IMAGE("l") "',\n" \
	"    produces: {a: {type: string}}, args: {note: {type: str}}}}\n"         \
	"  arguments: {note: '" LINE LINE LINE LINE "'}\n"                         \
	"- name: write\n"                                                          \
	"  from: [load]\n"                                                         \
	"  component: {spec: {name: W, description: d, image: '" IMAGE("w") "',\n" \
	"    consumes: {a: {type: string}}}}\n"
/* clang-format on */

#define NATIVE                                                                           \
	"parameters: [{name: rows, type: int, default: 7}, {name: dry, type: bool, "     \
	"default: true}, {name: label, type: str, default: x}]\n"                        \
	"native:\n"                                                                      \
	"  format: SageMakerPipeline\n"                                                  \
	"  inline: |\n"                                                                  \
	"    Version: '2020-12-01'\n"                                                    \
	"    Parameters: [{Name: rows, Type: Integer}, {Name: dry, Type: Boolean}, "     \
	"{Name: label, Type: String, DefaultValue: y}, {Name: RoleArn, Type: String}]\n" \
	"    Steps: [{Name: First_one, Type: Training, Arguments: {}}, {Name: second, "  \
	"Type: Processing, Arguments: {}, DependsOn: [First_one]}]\n"

static void setup_with(void **state, const char *text)
{
	struct fixture *f = xnew(struct fixture);

	drive_fixture_init(&f->d, &runner_sagemaker, text);
	f->d.asked = &f->fake.asked;
	fake_sagemaker_start(&f->fake, f->d.loop);
	f->d.settings = json_pack("{s:s, s:s, s:s}", "region", "eu-west-1", "roleArn", ROLE,
		"endpoint", f->fake.server.url);
	f->d.credentials = json_pack("{s:{s:s, s:s}}", "auth.accessKey", "AWS_ACCESS_KEY_ID",
		"AKIA1", "AWS_SECRET_ACCESS_KEY", "geheim");
	setenv("AWS_ENDPOINT_URL_S3", f->fake.server.url, 1);
	setenv("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", f->fake.server.url, 1);
	*state = f;
}

static int setup(void **state)
{
	setup_with(state, TWO_STEPS);
	return 0;
}

static int setup_native(void **state)
{
	setup_with(state, NATIVE);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	end(&f->d);
	fake_sagemaker_stop(&f->fake);
	drive_fixture_clear(&f->d);
	free(f);
	return 0;
}

static void assert_once(const struct fixture *f)
{
	assert_int_equal(json_object_size(f->fake.executions), 1);
	assert_int_equal(f->fake.starts, 1);
	assert_int_equal(json_object_size(f->fake.pipelines), 1);
}

static void assert_no_more(const struct fixture *f)
{
	assert_in_range(json_object_size(f->fake.executions), 0, 1);
}

#define MIN_REQUESTS 8
#define MAX_REQUESTS 80
#include "test_cli_drive_faults.h"

static void a_run(void **state)
{
	struct fixture *f = *state;
	const json_t *body, *parameter;

	begin(&f->d);
	to_the_end(&f->d);
	assert_int_equal(f->d.drive.phase, RUN_SUCCEEDED);
	assert_once(f);
	assert_step(&f->d, 0, STEP_SUCCEEDED);
	assert_step(&f->d, 1, STEP_SUCCEEDED);
	assert_int_equal(f->d.troubles, 0);
	body = doc_get(fake_sagemaker_execution(&f->fake), "body");
	assert_true(str_starts_with(doc_str_or(body, "PipelineExecutionDisplayName", ""), "run-"));
	assert_true(str_starts_with(doc_str_or(body, "PipelineName", ""), "data-p-"));
	assert_int_equal(strlen(doc_str_or(body, "ClientRequestToken", "")), 64);
	parameter = json_array_get(json_object_get(body, "PipelineParameters"), 0);
	assert_string_equal(doc_str(parameter, "Name"), "RoleArn");
	assert_string_equal(doc_str(parameter, "Value"), ROLE);
	assert_string_equal(f->d.drive.known[0].ref, RUN_ID "/load");
	assert_string_equal(f->d.drive.known[0].external_kind, "ProcessingJob");
	assert_string_equal(f->d.drive.known[0].external_name, "pipelines-abc-load-XyZ");
	assert_int_equal(f->d.drive.known[0].start_s, 1800000000);
	assert_int_equal(f->d.drive.known[0].end_s, 1800000009);
	/* words that do not fit into 256 characters go by S3 */
	assert_int_equal(json_object_size(f->fake.objects), 1);
}

static void without_versions(struct fixture *f)
{
	f->fake.no_versions = true;
}

static void odd_answers(void **state)
{
	static const char *const answers[] = {"[]", "{}", "null", "3",
		"{\"PipelineExecutionStatus\": 3, \"PipelineExecutionSteps\": {}}",
		"{\"PipelineExecutionSummaries\": [1, {\"PipelineExecutionArn\": 3}], "
		"\"NextToken\": []}",
		"{\"PipelineExecutionStatus\": \"Executing\", \"PipelineExecutionSteps\": [1, "
		"{\"StepName\": []}, {\"StepName\": \"load\", \"StartTime\": \"x\"}]}"};

	(void)state;
	with_odd_answers(answers, array_size(answers));
}

/* --- the pipeline --- */

/* Another run of the pipeline has another document: updated, and started by its version. */
static void a_second_run_updates_the_pipeline(void **state)
{
	struct fixture *f = *state;
	void *iterator;
	const char *name;
	json_t *body;

	begin(&f->d);
	to_the_end(&f->d);
	end(&f->d);
	iterator = json_object_iter(f->fake.pipelines);
	name = json_object_iter_key(iterator);
	json_object_set_new(json_object_iter_value(iterator), "PipelineDescription",
		json_string("Made by the Fondant operator, sha256:0000"));
	json_object_clear(f->fake.executions);
	f->fake.starts = 0;
	f->d.ended = false;
	begin(&f->d);
	to_the_end(&f->d);
	assert_int_equal(f->d.drive.phase, RUN_SUCCEEDED);
	assert_once(f);
	assert_int_equal(f->fake.created, 1);
	assert_int_equal(f->fake.updated, 1);
	body = json_object_get(fake_sagemaker_execution(&f->fake), "body");
	assert_string_equal(doc_str(body, "PipelineVersionId"), "2");
	assert_string_equal(doc_str(body, "PipelineName"), name);
}

static void a_pipeline_that_is_as_it_should_be_is_not_updated(void **state)
{
	struct fixture *f = *state;

	begin(&f->d);
	to_the_end(&f->d);
	end(&f->d);
	json_object_clear(f->fake.executions);
	f->fake.starts = 0;
	f->d.ended = false;
	begin(&f->d);
	to_the_end(&f->d);
	assert_once(f);
	assert_int_equal(f->fake.updated, 0);
}

/* Without versions to name, what was started is compared. */
static void another_program_was_faster(void **state)
{
	struct fixture *f = *state;

	f->fake.meddle = "{\"Version\": \"2020-12-01\", \"Steps\": []}";
	f->fake.hangs = true;
	begin(&f->d);
	to_the_end(&f->d);
	assert_int_equal(f->d.drive.err.class, ERR_USER);
	assert_string_equal(f->d.drive.err.reason, "PipelineChanged");
	assert_int_equal(f->fake.starts, 1);
	assert_int_equal(f->fake.stops, 1);
}

static void seen(struct runner_op *op)
{
	op->done = NULL;
}

/* Two runs of one pipeline at once: each runs its own document. */
static void two_runs_at_once(void **state)
{
	struct fixture *f = *state;
	struct step_state known[2] = {{.exit_code = -1}, {.exit_code = -1}};
	struct runner_run runs[2];
	struct runner_op ops[2] = {{.done = seen}, {.done = seen}};
	const char *arn;
	json_t *execution;

	begin(&f->d);
	loop_timer_del(&f->d.drive.timer);
	for (int i = 0; i < 2; i++) {
		runs[i] = f->d.drive.run;
		runs[i].uid = i ? "22222222-2222-4222-8222-222222222222" : RUN_UID;
		runs[i].run_id = i ? "p-2-22222222" : RUN_ID;
		runs[i].known = known;
		runner_sagemaker.submit(f->d.backend, &runs[i], &ops[i]);
	}
	while (ops[0].done || ops[1].done)
		turn(&f->d);
	assert_int_equal(ops[0].result, 0);
	assert_int_equal(ops[1].result, 0);
	assert_int_equal(f->fake.created, 1);
	assert_int_equal(f->fake.updated, 1);
	assert_int_equal(json_object_size(f->fake.executions), 2);
	json_object_foreach (f->fake.executions, arn, execution) {
		bool second =
			json_object_get(json_object_get(execution, "body"), "PipelineVersionId");
		const char *text = doc_str(execution, "definition");

		assert_true((strstr(text, "p-2-22222222") != NULL) == second);
	}
}

/* One that is given up while the other waits hands its turn on. */
static void one_of_two_is_given_up(void **state)
{
	struct fixture *f = *state;
	struct step_state known[2] = {{.exit_code = -1}, {.exit_code = -1}};
	struct runner_run runs[2];
	struct runner_op ops[2] = {{.done = seen}, {.done = seen}};

	begin(&f->d);
	loop_timer_del(&f->d.drive.timer);
	for (int i = 0; i < 2; i++) {
		runs[i] = f->d.drive.run;
		runs[i].uid = i ? "22222222-2222-4222-8222-222222222222" : RUN_UID;
		runs[i].known = known;
		runner_sagemaker.submit(f->d.backend, &runs[i], &ops[i]);
	}
	while (f->fake.asked < 3)
		turn(&f->d);
	runner_sagemaker.op_cancel(f->d.backend, &ops[0]);
	while (ops[1].done)
		turn(&f->d);
	assert_int_equal(ops[1].result, 0);
}

/* --- ends --- */

static void a_step_fails(void **state)
{
	struct fixture *f = *state;

	f->fake.fails = "load";
	f->fake.why = "AlgorithmError: See job logs for more information, exit code: 3";
	f->fake.said = "ValueError: no such column";
	begin(&f->d);
	to_the_end(&f->d);
	assert_int_equal(f->d.drive.phase, RUN_FAILED);
	assert_step(&f->d, 0, STEP_FAILED);
	assert_step(&f->d, 1, STEP_SKIPPED);
	assert_non_null(strstr(f->d.drive.known[0].message, "ValueError: no such column"));
	assert_non_null(strstr(f->d.drive.known[0].message, "AlgorithmError"));
	assert_int_equal(f->d.drive.known[0].exit_code, 3);
}

static void a_failure_without_words(void **state)
{
	struct fixture *f = *state;

	f->fake.fails = "load";
	begin(&f->d);
	to_the_end(&f->d);
	assert_non_null(strstr(f->d.drive.known[0].message, "/aws/sagemaker/ProcessingJobs"));
	assert_non_null(strstr(f->d.drive.known[0].message, "pipelines-abc-load-XyZ"));
}

static void cancelled(void **state)
{
	struct fixture *f = *state;

	f->fake.hangs = true;
	begin(&f->d);
	while (f->d.drive.known[0].phase != STEP_RUNNING)
		turn(&f->d);
	drive_cancel(&f->d.drive);
	to_the_end(&f->d);
	assert_int_equal(f->d.drive.phase, RUN_CANCELLED);
	assert_step(&f->d, 0, STEP_CANCELLED);
	assert_int_equal(f->fake.stops, 1);
}

static void deleted_by_somebody(void **state)
{
	struct fixture *f = *state;

	f->fake.hangs = true;
	begin(&f->d);
	while (f->d.drive.known[0].phase != STEP_RUNNING)
		turn(&f->d);
	json_object_clear(f->fake.executions);
	to_the_end(&f->d);
	assert_int_equal(f->d.drive.phase, RUN_FAILED);
	assert_non_null(strstr(f->d.drive.message, "somebody deleted it there"));
	assert_int_equal(f->fake.starts, 1);
}

/* --- errors --- */

static void with_error(struct fixture *f, const char *operation, const char *type, int times)
{
	f->fake.error = operation;
	f->fake.error_type = type;
	f->fake.error_words = "Rate exceeded";
	f->fake.error_times = times;
	begin(&f->d);
}

/* It comes with status 400, and is none of the user's. */
static void throttled(void **state)
{
	static const char *const operations[] = {"ListPipelineExecutions", "DescribePipeline",
		"CreatePipeline", "StartPipelineExecution", "DescribePipelineExecution",
		"ListPipelineExecutionSteps"};

	(void)state;
	for (size_t i = 0; i < array_size(operations); i++) {
		struct fixture *f;
		void *one;

		setup(&one);
		f = one;
		with_error(f, operations[i], "ThrottlingException", 7);
		to_the_end(&f->d);
		assert_int_equal(f->d.drive.phase, RUN_SUCCEEDED);
		assert_once(f);
		teardown(&one);
	}
}

static void a_quota_is_waited_for(void **state)
{
	struct fixture *f = *state;

	with_error(f, "StartPipelineExecution", "ResourceLimitExceeded", 3);
	to_the_end(&f->d);
	assert_int_equal(f->d.drive.phase, RUN_SUCCEEDED);
	assert_int_equal(f->d.troubles, 3);
	assert_non_null(strstr(f->d.trouble, "ResourceLimitExceeded"));
}

static void what_the_service_refuses(void **state)
{
	struct fixture *f = *state;

	with_error(f, "CreatePipeline", "ValidationException", -1);
	to_the_end(&f->d);
	assert_int_equal(f->d.drive.err.class, ERR_USER);
	assert_non_null(strstr(err_message(&f->d.drive.err), "ValidationException: Rate exceeded"));
	assert_int_equal(f->fake.starts, 0);
}

static void what_one_may_not(void **state)
{
	struct fixture *f = *state;

	with_error(f, "CreatePipeline", "AccessDeniedException", -1);
	to_the_end(&f->d);
	assert_string_equal(f->d.drive.err.reason, "Forbidden");
}

static void keys_that_have_ended_are_asked_for_again(void **state)
{
	struct fixture *f = *state;

	with_error(f, "DescribePipelineExecution", "ExpiredTokenException", 1);
	to_the_end(&f->d);
	assert_int_equal(f->d.drive.phase, RUN_SUCCEEDED);
	assert_int_equal(f->d.troubles, 0);
}

static void keys_that_are_not_taken(void **state)
{
	struct fixture *f = *state;

	f->fake.key_id = "AKIA2";
	begin(&f->d);
	to_the_end(&f->d);
	assert_int_equal(f->d.drive.err.class, ERR_USER);
	assert_string_equal(f->d.drive.err.reason, "Unauthorized");
	assert_null(strstr(err_message(&f->d.drive.err), "geheim"));
}

/* --- a run looked up by its name --- */

static void by_its_name(void **state)
{
	struct fixture *f = *state;
	struct runner_op op = {.done = seen};
	struct run_state found;
	struct runner_run run;

	begin(&f->d);
	to_the_end(&f->d);
	json_object_set_new(
		f->fake.pipelines, "another", json_pack("{s:s}", "PipelineName", "another"));
	run = (struct runner_run){.name = "p-1", .uid = RUN_UID, .run_id = RUN_ID, .now_s = 9};
	run_state_init(&found, 0);
	runner_sagemaker.observe(f->d.backend, &run, &found, &op);
	while (op.done)
		turn(&f->d);
	assert_int_equal(op.result, 0);
	assert_int_equal(found.phase, RUN_SUCCEEDED);
	assert_int_equal(found.steps_len, 2);
	run_state_clear(&found);
	run.uid = "33333333-3333-4333-8333-333333333333";
	op.done = seen;
	run_state_init(&found, 0);
	runner_sagemaker.observe(f->d.backend, &run, &found, &op);
	while (op.done)
		turn(&f->d);
	assert_int_equal(op.result, -1);
	assert_string_equal(op.err.reason, "RunNotFound");
	err_clear(&op.err);
	run_state_clear(&found);
}

/* --- logs --- */

/* Lines first to last, each once. */
static void assert_lines(const struct buf *text, int first, int last)
{
	auto_buf want = BUF_INIT;

	for (int i = first; i <= last; i++)
		buf_addf(&want, "line %d\n", i);
	assert_string_equal(buf_str(text), buf_str(&want));
}

static void logs_of_a_step(void **state)
{
	static const struct {
		struct runner_logs logs;
		bool quiet;
		int first, last;
	} rows[] = {
		{{.step = "load"}, false, 1, 5},
		{{.step = "load", .tail_lines = 2}, false, 4, 5},
		{{.step = "load", .tail_lines = 20000}, false, 1, 5},
		/* three looks at the job, the last of which sees its end */
		{{.step = "load", .follow = true}, false, 1, 8},
		{{.step = "write", .follow = true, .tail_lines = 1}, false, 5, 8},
		{{.step = "load", .follow = true}, true, 1, 8},
	};

	(void)state;
	for (size_t i = 0; i < array_size(rows); i++) {
		auto_buf text = BUF_INIT;
		struct runner_op op;
		void *one;
		struct fixture *f = run_that_ended(&one);

		f->fake.quiet = rows[i].quiet;
		read_logs(&f->d, rows[i].logs, &op, &text);
		assert_int_equal(op.result, 0);
		assert_lines(&text, rows[i].first, rows[i].last);
		teardown(&one);
	}
}

static void logs_that_are_not_there(void **state)
{
	struct fixture *f = *state;
	auto_buf text = BUF_INIT;
	struct runner_op op;

	begin(&f->d);
	to_the_end(&f->d);
	f->fake.restless = true;
	read_logs(&f->d, (struct runner_logs){.step = "load"}, &op, &text);
	assert_int_equal(op.result, 0);
	f->fake.quiet = true;
	read_logs(&f->d, (struct runner_logs){.step = "load"}, &op, &text);
	assert_string_equal(op.err.reason, "NoLogs");
	assert_non_null(strstr(err_message(&op.err), "pipelines-abc-load-XyZ"));
	err_clear(&op.err);
	read_logs(&f->d, (struct runner_logs){.step = "other"}, &op, &text);
	assert_string_equal(op.err.reason, "NoLogs");
	err_clear(&op.err);
	f->d.drive.run.uid = "33333333-3333-4333-8333-333333333333";
	read_logs(&f->d, (struct runner_logs){.step = "load"}, &op, &text);
	assert_string_equal(op.err.reason, "NoLogs");
	err_clear(&op.err);
	assert_int_equal(text.len, 0);
}

static void logs_that_one_may_not_read(void **state)
{
	struct fixture *f = *state;
	auto_buf text = BUF_INIT;
	struct runner_op op;

	with_error(f, "GetLogEvents", "AccessDeniedException", -1);
	to_the_end(&f->d);
	read_logs(&f->d, (struct runner_logs){.step = "load"}, &op, &text);
	assert_string_equal(op.err.reason, "Forbidden");
	err_clear(&op.err);
}

#define LOG_REQUESTS 16

/* Each request of a log that is followed, in turn. */
static void logs_of_a_bad_line(void **state)
{
	(void)state;
	for (int at = 1; at <= LOG_REQUESTS; at++) {
		auto_buf text = BUF_INIT;
		struct runner_op op;
		void *one;
		struct fixture *f = run_that_ended(&one);

		f->fake.fault = at % 2 ? FAKE_LOSE_ANSWER : FAKE_LOSE_REQUEST;
		f->fake.fault_at = f->fake.asked + at;
		f->fake.quiet = true;
		read_logs(&f->d, (struct runner_logs){.step = "load", .follow = true}, &op, &text);
		assert_int_equal(op.result, 0);
		assert_lines(&text, 1, 5 + f->fake.jobs_seen);
		teardown(&one);
	}
}

static void odd_answers_of_logs(void **state)
{
	static const char *const answers[] = {"[]", "{}", "null", "{\"logStreams\": 3}",
		"{\"logStreams\": [1, {\"logStreamName\": []}]}", "<html>",
		"{\"events\": [1, {\"message\": 3}], \"nextForwardToken\": []}",
		"{\"PipelineExecutionSteps\": [{\"StepName\": \"load\", \"Metadata\": 3}]}"};

	(void)state;
	for (size_t i = 0; i < array_size(answers); i++) {
		for (int at = 1; at <= LOG_REQUESTS; at++) {
			auto_buf text = BUF_INIT;
			struct runner_op op;
			void *one;
			struct fixture *f = run_that_ended(&one);

			f->fake.fault = FAKE_BODY;
			f->fake.fault_at = f->fake.asked + at;
			f->fake.hostile = answers[i];
			read_logs(&f->d, (struct runner_logs){.step = "load", .follow = true}, &op,
				&text);
			err_clear(&op.err);
			teardown(&one);
		}
	}
}

static void logs_that_are_given_up(void **state)
{
	(void)state;
	for (int at = 0; at < LOG_REQUESTS; at++) {
		struct runner_logs logs = {.step = "load", .follow = true, .data = take_text};
		struct runner_op op = {.done = seen};
		auto_buf text = BUF_INIT;
		void *one;
		struct fixture *f = run_that_ended(&one);
		int before = f->fake.asked;

		logs.arg = &text;
		runner_sagemaker.logs(f->d.backend, &f->d.drive.run, &logs, &op);
		while (op.done && f->fake.asked < before + at)
			turn(&f->d);
		runner_sagemaker.op_cancel(f->d.backend, &op);
		teardown(&one);
	}
}

static void a_probe(void **state)
{
	struct fixture *f = *state;
	struct runner_probe probe = {0};
	struct runner_op op = {.done = seen};

	begin(&f->d);
	runner_sagemaker.probe(f->d.backend, &probe, &op);
	while (op.done)
		turn(&f->d);
	assert_int_equal(op.result, 0);
	f->fake.key_id = "AKIA2";
	op.done = seen;
	runner_sagemaker.probe(f->d.backend, &probe, &op);
	while (op.done)
		turn(&f->d);
	assert_int_equal(op.result, -1);
	assert_string_equal(op.err.reason, "Unauthorized");
	err_clear(&op.err);
}

/* --- documents of other tools --- */

static const char *parameter(const json_t *body, const char *name)
{
	const json_t *one;
	size_t i;

	json_array_foreach (json_object_get(body, "PipelineParameters"), i, one) {
		if (str_eq(doc_str(one, "Name"), name))
			return doc_str(one, "Value");
	}
	return NULL;
}

static void a_native_document(void **state)
{
	struct fixture *f = *state;
	const json_t *body;
	auto_json *sent = NULL;
	const char *text;

	begin(&f->d);
	to_the_end(&f->d);
	assert_int_equal(f->d.drive.phase, RUN_SUCCEEDED);
	assert_once(f);
	assert_int_equal(f->d.drive.names.len, 2);
	assert_true(strvec_has(&f->d.drive.names, "First_one"));
	body = doc_get(fake_sagemaker_execution(&f->fake), "body");
	assert_string_equal(parameter(body, "rows"), "7");
	assert_string_equal(parameter(body, "dry"), "true");
	assert_string_equal(parameter(body, "label"), "x");
	assert_string_equal(parameter(body, "RoleArn"), ROLE);
	text = doc_str(fake_sagemaker_execution(&f->fake), "definition");
	assert_int_equal(doc_json_parse(text, strlen(text), &sent, NULL), 0);
	assert_true(json_equal(sent, json_object_get(f->d.spec->native, "document")));
}

static void native_documents_that_are_none(void **state)
{
#define OF(rest) \
	"native: {format: SageMakerPipeline, inline: \"{Version: '2020-12-01', " rest "}\"}"
	static const struct {
		const char *spec, *path, *says;
	} rows[] = {
		{"native: {format: SageMakerPipeline, inline: '{Steps: []}'}",
			"native.document.Version", "no pipeline definition"},
		{OF("Steps: []"), "native.document.Steps", "needs steps"},
		{OF("Steps: [{Name: a b, Type: Processing}]"), "native.document.Steps[0]", "Name"},
		{OF("Steps: [{Name: a}]"), "native.document.Steps[0]", "Type"},
		{OF("Steps: [{Name: a, Type: x}, {Name: a, Type: x}]"), "native.document.Steps[1]",
			"two steps"},
		{OF("Steps: [{Name: a, Type: x, DependsOn: [b]}]"), "native.document.Steps[0]",
			"no step `b`"},
		{OF("Steps: [{Name: a, Type: x}], Parameters: [{Name: p, Type: Integer}]"),
			"parameters", "`p` (Integer)"},
		{"parameters: [{name: q, type: int, default: 1}]\n" OF(
			 "Steps: [{Name: a, Type: x}]"),
			"parameters", "no parameter `q`"},
		{"parameters: [{name: p, type: str, default: x}]\n" OF(
			 "Steps: [{Name: a, Type: x}], Parameters: [{Name: p, Type: Integer}]"),
			"parameters", "of type Integer"},
	};

	(void)state;
	for (size_t i = 0; i < array_size(rows); i++) {
		struct frozen_spec *spec = freeze(&runner_sagemaker, rows[i].spec);
		struct native_input in = {.spec = spec, .run_id = RUN_ID};
		auto_diags diags = DIAG_LIST_INIT;
		auto_json *document = NULL;
		bool found = false;

		runner_sagemaker.compile(&in, &document, &diags);
		assert_null(document);
		for (size_t k = 0; k < diags.len; k++)
			found = found || (str_eq(diags.items[k].path, rows[i].path) &&
						 strstr(diags.items[k].message, rows[i].says));
		if (!found)
			fail_msg("%zu: %s", i, diags.len ? diags.items[0].message : "nothing");
		frozen_spec_free(spec);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_run, setup, teardown),
		FAULTS,
		FAULT("lost answers of an older service", .fault = FAKE_LOSE_ANSWER,
			.prepare = without_versions),
		FAULT("throttled at the front", .fault = FAKE_STATUS,
			.hostile = "<Code>Throttling</Code>", .status = 400),
		cmocka_unit_test(odd_answers),
		cmocka_unit_test_setup_teardown(a_second_run_updates_the_pipeline, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_pipeline_that_is_as_it_should_be_is_not_updated, setup, teardown),
		cmocka_unit_test_setup_teardown(another_program_was_faster, setup, teardown),
		cmocka_unit_test_setup_teardown(two_runs_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(one_of_two_is_given_up, setup, teardown),
		cmocka_unit_test_setup_teardown(a_step_fails, setup, teardown),
		cmocka_unit_test_setup_teardown(a_failure_without_words, setup, teardown),
		cmocka_unit_test_setup_teardown(cancelled, setup, teardown),
		cmocka_unit_test_setup_teardown(deleted_by_somebody, setup, teardown),
		cmocka_unit_test(throttled),
		cmocka_unit_test_setup_teardown(a_quota_is_waited_for, setup, teardown),
		cmocka_unit_test_setup_teardown(what_the_service_refuses, setup, teardown),
		cmocka_unit_test_setup_teardown(what_one_may_not, setup, teardown),
		cmocka_unit_test_setup_teardown(
			keys_that_have_ended_are_asked_for_again, setup, teardown),
		cmocka_unit_test_setup_teardown(keys_that_are_not_taken, setup, teardown),
		cmocka_unit_test_setup_teardown(by_its_name, setup, teardown),
		cmocka_unit_test_setup_teardown(a_native_document, setup_native, teardown),
		cmocka_unit_test(native_documents_that_are_none),
		cmocka_unit_test(logs_of_a_step),
		cmocka_unit_test_setup_teardown(logs_that_are_not_there, setup, teardown),
		cmocka_unit_test_setup_teardown(logs_that_one_may_not_read, setup, teardown),
		cmocka_unit_test(logs_of_a_bad_line),
		cmocka_unit_test(odd_answers_of_logs),
		cmocka_unit_test(logs_that_are_given_up),
		cmocka_unit_test_setup_teardown(a_probe, setup, teardown),
	};

	return cmocka_run_group_tests_name("cli/drive sagemaker", tests, NULL, NULL);
}

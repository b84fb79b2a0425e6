/*
 * A run from its first container to its end through cli/drive.h and the runner `docker`, on a fake
 * engine: each request of it lost, each answer lost, each answer replaced by rubbish, the program
 * killed after each, and taken up again. However it went, an attempt has one container, which was
 * started once.
 */
#include "test_cli_drive_fixture.h"

#include "tests/fake/docker_engine.h"

struct fixture {
	struct drive_fixture d;
	struct fake_docker fake;
};

#define TWO_STEPS                                                                   \
	"workingDirectory: /srv/artifacts\n"                                        \
	"steps:\n"                                                                  \
	"- name: load\n"                                                            \
	"  component: {spec: {name: L, description: d, image: 'reg.example/l:1',\n" \
	"    produces: {a: {type: string}}, args: {token: {type: str}}}}\n"         \
	"  secretArguments: {token: {secretKeyRef: {name: w, key: t}}}\n"           \
	"- name: write\n"                                                           \
	"  from: [load]\n"                                                          \
	"  component: {spec: {name: W, description: d, image: 'reg.example/w:1',\n" \
	"    consumes: {a: {type: string}}}}\n"                                     \
	"  retry: {limit: 1, backoff: {initial: 10s}}\n"

/* --- the test --- */

static bool as_podman; /* how the engines of the next set-ups answer */

static int setup(void **state)
{
	struct fixture *f = xnew(struct fixture);
	auto_free char *host = NULL;

	drive_fixture_init(&f->d, &runner_docker, TWO_STEPS);
	f->fake.api = "1.41";
	f->fake.min_api = "1.12";
	f->fake.looks = 1;
	f->fake.podman = as_podman;
	f->fake.log = "what it said\n";
	f->d.asked = &f->fake.asked;
	fake_docker_start(&f->fake, f->d.loop);
	host = xasprintf("tcp://127.0.0.1:%d", f->fake.server.port);
	f->d.settings = json_pack("{s:s}", "host", host);
	f->d.secrets = json_pack("{s:s}", "w/t", "s3cret");
	*state = f;
	return 0;
}

#define COMPOSE(image)                                                            \
	"parameters: [{name: rows, type: int, default: 7}]\n"                     \
	"native:\n"                                                               \
	"  format: Compose\n"                                                     \
	"  inline: |\n"                                                           \
	"    services:\n"                                                         \
	"      load: {image: '" image "', command: [--rows, $rows]}\n"            \
	"      write: {image: 'reg.example/w:1', depends_on: {load: {condition: " \
	"service_completed_successfully}}}\n"

static int setup_native(void **state)
{
	struct fixture *f;

	setup(state);
	f = *state;
	frozen_spec_free(f->d.spec);
	f->d.spec = freeze(&runner_docker, COMPOSE("reg.example/l:1"));
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	end(&f->d);
	fake_docker_stop(&f->fake);
	drive_fixture_clear(&f->d);
	free(f);
	return 0;
}

/* One container an attempt, started once. */
static void assert_containers(const struct fixture *f, size_t count)
{
	const json_t *container;
	size_t i;

	assert_int_equal(json_array_size(f->fake.containers), count);
	json_array_foreach (f->fake.containers, i, container) {
		assert_int_equal(doc_int_or(container, "Starts", 0), 1);
		assert_string_equal(doc_str(container, "Status"), "exited");
	}
}

static void assert_once(const struct fixture *f)
{
	assert_containers(f, 2);
}

static void assert_no_more(const struct fixture *f)
{
	const json_t *container;
	size_t i;

	json_array_foreach (f->fake.containers, i, container)
		assert_in_range(doc_int_or(container, "Starts", 0), 0, 1);
}

#define MIN_REQUESTS 10
#define MAX_REQUESTS 200
#include "test_cli_drive_faults.h"

static void a_run(void **state)
{
	struct fixture *f = *state;
	auto_free char *everything = NULL;

	begin(&f->d);
	to_the_end(&f->d);
	assert_int_equal(f->d.drive.phase, RUN_SUCCEEDED);
	assert_containers(f, 2);
	assert_step(&f->d, 0, STEP_SUCCEEDED);
	assert_step(&f->d, 1, STEP_SUCCEEDED);
	assert_int_equal(f->d.troubles, 0);
	assert_int_equal(json_array_size(f->fake.networks), 1);
	/* the secret came as a file, and by nothing else */
	assert_int_equal(json_object_size(f->fake.archives), 1);
	everything = json_dumps(f->fake.containers, 0);
	assert_null(strstr(everything, "s3cret"));
}

/* What is there already is an error 500 to it. */
static void faults_on_podman(void **state)
{
	struct fault faults[] = {{.fault = FAKE_WELL, .kill = true}, {.fault = FAKE_LOSE_ANSWER}};

	(void)state;
	as_podman = true;
	for (size_t i = 0; i < array_size(faults); i++) {
		void *fault = &faults[i];

		a_run_with_a_fault(&fault);
	}
	as_podman = false;
}

static void a_huge_answer(void **state)
{
	static char huge[10 << 20];
	struct fault fault = {.fault = FAKE_BODY, .hostile = huge};
	void *given = &fault;

	(void)state;
	memset(huge, ' ', sizeof(huge) - 1);
	a_run_with_a_fault(&given);
}

static void odd_answers(void **state)
{
	static const char *const answers[] = {"[]", "{}", "null", "3",
		"[{\"Id\": 1, \"State\": [], \"Labels\": 3}]", "{\"State\": 1, \"Id\": {}}"};

	(void)state;
	with_odd_answers(answers, array_size(answers));
}

/* --- ends --- */

static void a_failure_and_its_retry(void **state)
{
	struct fixture *f = *state;

	f->fake.exit_codes = json_pack("{s:i}", "write", 3);
	begin(&f->d);
	to_the_end(&f->d);
	assert_int_equal(f->d.drive.phase, RUN_FAILED);
	assert_string_equal(f->d.drive.message, "step \"write\" failed: exit code 3");
	assert_containers(f, 3);
	assert_int_equal(f->d.drive.known[1].attempt, 2);
	assert_non_null(strstr(f->d.drive.known[1].message, "what it said"));
}

/* Nothing that it printed is shown of a step that was given secrets. */
static void a_log_with_secrets_is_not_read(void **state)
{
	struct fixture *f = *state;

	f->fake.exit_codes = json_pack("{s:i}", "load", 1);
	begin(&f->d);
	to_the_end(&f->d);
	assert_step(&f->d, 0, STEP_FAILED);
	assert_string_equal(f->d.drive.known[0].message, "exit code 1");
	assert_step(&f->d, 1, STEP_SKIPPED);
}

static void cancelled(void **state)
{
	struct fixture *f = *state;

	f->fake.looks = 1000000;
	begin(&f->d);
	while (!json_array_size(f->fake.containers) ||
		!str_eq(doc_str(json_array_get(f->fake.containers, 0), "Status"), "running"))
		turn(&f->d);
	drive_cancel(&f->d.drive);
	to_the_end(&f->d);
	assert_int_equal(f->d.drive.phase, RUN_CANCELLED);
	assert_containers(f, 1);
}

static void cancelled_on_podman(void **state)
{
	struct fixture *f = *state;

	f->fake.podman = true;
	cancelled(state);
}

static void an_image_that_is_not_there(void **state)
{
	struct fixture *f = *state;

	frozen_spec_free(f->d.spec);
	f->d.spec = freeze(&runner_docker,
		"workingDirectory: /srv/artifacts\n"
		"steps:\n"
		"- name: load\n"
		"  component: {spec: {name: L, description: d, image: 'reg.example/missing:1',"
		" produces: {a: {type: string}}}}\n");
	begin(&f->d);
	to_the_end(&f->d);
	assert_int_equal(f->d.drive.phase, RUN_FAILED);
	assert_string_equal(f->d.drive.known[0].reason, "Refused");
	assert_string_equal(
		f->d.drive.known[0].message, "image reg.example/missing:1: manifest unknown");
}

/* Which no registry has: it is not asked. */
static void a_built_image_that_is_gone(void **state)
{
	struct fixture *f = *state;

	frozen_spec_free(f->d.spec);
	f->d.spec = freeze(&runner_docker,
		"workingDirectory: /srv/artifacts\n"
		"steps:\n"
		"- name: load\n"
		"  component: {spec: {name: L, description: d, image: 'sha256:"
		"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef',"
		" produces: {a: {type: string}}}}\n");
	begin(&f->d);
	to_the_end(&f->d);
	assert_int_equal(f->d.drive.phase, RUN_FAILED);
	assert_non_null(strstr(f->d.drive.known[0].message, "build it again"));
	assert_int_equal(json_array_size(f->fake.auths), 0);
}

static void the_pull_has_the_registrys_credentials(void **state)
{
	struct fixture *f = *state;
	static const char config[] = "{\"auths\": {\"reg.example\": {\"auth\": \"dTpw\"}}}";
	const json_t *auth;

	assert_int_equal(dockerconfig_parse(config, strlen(config), &f->d.pull, NULL), 0);
	begin(&f->d);
	to_the_end(&f->d);
	assert_int_equal(f->d.drive.phase, RUN_SUCCEEDED);
	auth = json_array_get(f->fake.auths, 0);
	/* {"username":"u","password":"p",...} */
	assert_true(str_starts_with(json_string_value(auth), "eyJ"));
}

static void somebody_elses_container(void **state)
{
	struct fixture *f = *state;
	json_t *other = json_pack("{s:s, s:s, s:{s:{s:s}}, s:s, s:i, s:i}", "Id", "other", "Name",
		"p-1-11111111-load-1", "Body", "Labels", "a", "b", "Status", "created", "Looks", 0,
		"Starts", 0);

	json_array_append_new(f->fake.containers, other);
	begin(&f->d);
	to_the_end(&f->d);
	assert_int_equal(f->d.drive.phase, RUN_FAILED);
	assert_non_null(strstr(f->d.drive.known[0].message, "another container has the name"));
	assert_int_equal(doc_int_or(other, "Starts", 9), 0);
}

static void discarded(struct runner_op *op)
{
	op->done = NULL;
}

static void discard_removes_all_of_the_run(void **state)
{
	struct fixture *f = *state;
	struct runner_op op = {.done = discarded};
	json_t *kept = json_pack("{s:s, s:s, s:{s:{s:s}}, s:s, s:i, s:i}", "Id", "other", "Name",
		"other", "Body", "Labels", "fondant.ai/run-uid", "another", "Status", "running",
		"Looks", 0, "Starts", 1);

	begin(&f->d);
	to_the_end(&f->d);
	json_array_append_new(f->fake.containers, kept);
	f->d.drive.run.cancelling = true;
	f->d.drive.run.discard = true;
	runner_docker.cancel(f->d.backend, &f->d.drive.run, &op);
	while (op.done)
		turn(&f->d);
	assert_int_equal(op.result, 0);
	assert_int_equal(json_array_size(f->fake.networks), 0);
	assert_int_equal(json_array_size(f->fake.containers), 1);
}

static void discard_on_podman(void **state)
{
	struct fixture *f = *state;

	f->fake.podman = true;
	discard_removes_all_of_the_run(state);
}

/* An engine that really cannot: its own words are told, and nothing is there. */
static void an_engine_that_breaks_at_a_create(void **state)
{
	struct fixture *f = *state;

	f->fake.broken = "no space left on device";
	begin(&f->d);
	while (!f->d.troubles)
		turn(&f->d);
	assert_non_null(strstr(f->d.trouble, "create a container: no space left on device"));
	assert_int_equal(json_array_size(f->fake.containers), 0);
	f->fake.broken = NULL;
	to_the_end(&f->d);
	assert_int_equal(f->d.drive.phase, RUN_SUCCEEDED);
	assert_containers(f, 2);
}

/* --- native documents --- */

static int known_step(const struct fixture *f, const char *name)
{
	for (size_t i = 0; i < f->d.drive.names.len; i++) {
		if (str_eq(f->d.drive.names.items[i], name))
			return (int)i;
	}
	fail_msg("no step %s", name);
	return -1;
}

static void a_native_document(void **state)
{
	struct fixture *f = *state;
	const json_t *first;

	begin(&f->d);
	to_the_end(&f->d);
	assert_int_equal(f->d.drive.phase, RUN_SUCCEEDED);
	assert_containers(f, 2);
	assert_int_equal(f->d.drive.names.len, 2);
	assert_step(&f->d, known_step(f, "load"), STEP_SUCCEEDED);
	assert_step(&f->d, known_step(f, "write"), STEP_SUCCEEDED);
	assert_int_equal(f->d.troubles, 0);
	first = doc_get(json_array_get(f->fake.containers, 0), "Body");
	assert_string_equal(doc_str(first, "Image"), "reg.example/l:1");
	assert_string_equal(doc_str(first, "Cmd.1"), "7");
	assert_int_equal(json_object_size(f->fake.archives), 0);
}

static void a_native_document_killed_anywhere(void **state)
{
	(void)state;
	for (int at = 1; at <= 24; at++) {
		struct fixture *f;
		void *one;

		setup_native(&one);
		f = one;
		f->fake.fault = at % 2 ? FAKE_LOSE_ANSWER : FAKE_WELL;
		f->fake.fault_at = at % 2 ? at : 0;
		f->d.kill_at = at;
		begin(&f->d);
		to_the_end(&f->d);
		assert_int_equal(f->d.drive.phase, RUN_SUCCEEDED);
		assert_containers(f, 2);
		teardown(&one);
	}
}

static void a_native_document_fails(void **state)
{
	struct fixture *f = *state;

	f->fake.exit_codes = json_pack("{s:i}", "load", 3);
	begin(&f->d);
	to_the_end(&f->d);
	assert_int_equal(f->d.drive.phase, RUN_FAILED);
	assert_containers(f, 1);
	assert_step(&f->d, known_step(f, "write"), STEP_SKIPPED);
	assert_string_equal(
		f->d.drive.known[known_step(f, "load")].message, "exit code 3\nwhat it said\n");
	assert_string_equal(f->d.drive.message, "step \"load\" failed: exit code 3");
}

static void a_native_documents_image_is_not_there(void **state)
{
	struct fixture *f = *state;

	frozen_spec_free(f->d.spec);
	f->d.spec = freeze(&runner_docker, COMPOSE("reg.example/missing:1"));
	begin(&f->d);
	to_the_end(&f->d);
	assert_int_equal(f->d.drive.phase, RUN_FAILED);
	assert_string_equal(f->d.drive.known[known_step(f, "load")].message,
		"image reg.example/missing:1: manifest unknown");
	assert_step(&f->d, known_step(f, "write"), STEP_SKIPPED);
}

/* So with what it had started before: nothing of it is left behind. */
static void what_cannot_be_read_is_removed(void **state)
{
	struct fixture *f = *state;
	struct runner_op op = {.done = discarded};

	begin(&f->d);
	to_the_end(&f->d);
	assert_containers(f, 2);
	json_object_set_new(doc_get(f->d.spec->json, "native.document.services.load"), "build",
		json_string("."));
	f->d.drive.run.cancelling = true;
	f->d.drive.run.discard = true;
	runner_docker.cancel(f->d.backend, &f->d.drive.run, &op);
	while (op.done)
		turn(&f->d);
	assert_int_equal(op.result, 0);
	assert_int_equal(json_array_size(f->fake.containers), 0);
	assert_int_equal(json_array_size(f->fake.networks), 0);
}

/* Frozen before this release knew what is wrong with it. */
static void a_native_document_that_cannot_be_read(void **state)
{
	struct fixture *f = *state;

	json_object_set_new(doc_get(f->d.spec->json, "native.document.services.load"), "build",
		json_string("."));
	begin(&f->d);
	to_the_end(&f->d);
	assert_int_equal(f->d.drive.phase, RUN_FAILED);
	assert_string_equal(f->d.drive.err.reason, "Refused");
	assert_non_null(strstr(err_message(&f->d.drive.err), "services.load.build"));
	assert_int_equal(json_array_size(f->fake.containers), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_run, setup, teardown),
		FAULTS,
		cmocka_unit_test(faults_on_podman),
		cmocka_unit_test(a_huge_answer),
		cmocka_unit_test(odd_answers),
		cmocka_unit_test_setup_teardown(a_failure_and_its_retry, setup, teardown),
		cmocka_unit_test_setup_teardown(a_log_with_secrets_is_not_read, setup, teardown),
		cmocka_unit_test_setup_teardown(cancelled, setup, teardown),
		cmocka_unit_test_setup_teardown(cancelled_on_podman, setup, teardown),
		cmocka_unit_test_setup_teardown(an_image_that_is_not_there, setup, teardown),
		cmocka_unit_test_setup_teardown(a_built_image_that_is_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(
			the_pull_has_the_registrys_credentials, setup, teardown),
		cmocka_unit_test_setup_teardown(somebody_elses_container, setup, teardown),
		cmocka_unit_test_setup_teardown(discard_removes_all_of_the_run, setup, teardown),
		cmocka_unit_test_setup_teardown(discard_on_podman, setup, teardown),
		cmocka_unit_test_setup_teardown(an_engine_that_breaks_at_a_create, setup, teardown),
		cmocka_unit_test_setup_teardown(a_native_document, setup_native, teardown),
		cmocka_unit_test(a_native_document_killed_anywhere),
		cmocka_unit_test_setup_teardown(a_native_document_fails, setup_native, teardown),
		cmocka_unit_test_setup_teardown(
			a_native_documents_image_is_not_there, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_native_document_that_cannot_be_read, setup_native, teardown),
		cmocka_unit_test_setup_teardown(
			what_cannot_be_read_is_removed, setup_native, teardown),
	};

	return cmocka_run_group_tests_name("cli/drive", tests, NULL, NULL);
}

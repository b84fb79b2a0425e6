/*
 * A build against a fake engine: what is asked, what the builder says, and each way it can end
 * otherwise: refused, failed, cut, rubbish, given up.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "base/base64.h"
#include "base/mem.h"
#include "base/str.h"
#include "doc/json.h"
#include "doc/path.h"
#include "runners/docker_build.h"
#include "tests/fake/docker_engine.h"

#define CONTEXT_LEN 200000
#define BUILD_REQUEST 2 /* after that for the version */

struct fixture {
	struct loop *loop;
	struct fake_docker fake;
	struct docker_engine engine;
	struct docker_build build;
	struct registry_auth_list auths;
	struct strvec said;
	size_t given, fail_at;
	int done;
};

static int give(
	struct docker_build *build, char *into, size_t size, size_t *ret_len, struct err *err)
{
	struct fixture *f = container_of(build, struct fixture, build);
	size_t len = CONTEXT_LEN - f->given;

	if (f->given >= f->fail_at)
		return err_set(err, ERR_USER, "Unreadable", "a/b: is gone");
	len = len < size ? len : size;
	memset(into, 'c', len);
	f->given += len;
	*ret_len = len;
	return 0;
}

static void said(struct docker_build *build, const char *line)
{
	strvec_add(&container_of(build, struct fixture, build)->said, line);
}

static void done(struct docker_build *build)
{
	container_of(build, struct fixture, build)->done++;
}

static int setup(void **state)
{
	struct fixture *f = xnew(struct fixture);
	auto_free char *host = NULL;
	auto_json *settings = NULL;
	struct runner_settings given = {.local_endpoints = true};

	assert_int_equal(loop_new(&f->loop, NULL), 0);
	f->fake.api = "1.41";
	f->fake.min_api = "1.12";
	fake_docker_start(&f->fake, f->loop);
	host = xasprintf("tcp://127.0.0.1:%d", f->fake.server.port);
	settings = json_pack("{s:s}", "host", host);
	given.spec = settings;
	assert_int_equal(docker_engine_init(&f->engine, f->loop, &given, NULL), 0);
	f->fail_at = SIZE_MAX;
	f->build = (struct docker_build){.engine = &f->engine,
		.tag = "reg.example/team/clean:1",
		.auths = &f->auths,
		.context = give,
		.line = said,
		.done = done};
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	docker_build_free(&f->build);
	docker_engine_clear(&f->engine);
	fake_docker_stop(&f->fake);
	registry_auth_clear(&f->auths);
	strvec_clear(&f->said);
	loop_free(f->loop);
	free(f);
	return 0;
}

static void run(struct fixture *f)
{
	docker_build_start(&f->build);
	while (!f->done)
		loop_turn(f->loop, 20000);
	assert_int_equal(f->done, 1);
}

static void expect_err(
	const struct fixture *f, enum err_class class, const char *reason, const char *part)
{
	if (!strstr(err_message(&f->build.err), part))
		fail_msg("%s: %s", f->build.err.reason, err_message(&f->build.err));
	assert_string_equal(f->build.err.reason, reason);
	assert_int_equal(f->build.err.class, class);
	assert_null(f->build.image_id);
}

static void fault(struct fixture *f, enum fake_fault what, const char *hostile)
{
	f->fake.fault = what;
	f->fake.fault_at = BUILD_REQUEST;
	f->fake.hostile = hostile;
}

/* --- well ----------------------------------------------------------------------------------- */

static void a_build(void **state)
{
	struct fixture *f = *state;
	auto_json *args = json_pack("{s:s, s:s}", "VERSION", "1 & 2", "Z", "=\"");
	auto_json *labels = json_pack("{s:s}", "fondant.ai/component", "clean");
	const json_t *asked;
	auto_free char *words = NULL;

	f->build.build_args = args;
	f->build.labels = labels;
	run(f);
	assert_int_equal(f->build.err.class, ERR_NONE);
	assert_true(str_starts_with(f->build.image_id, "sha256:"));
	assert_int_equal(strlen(f->build.image_id), 71);
	assert_int_equal(f->fake.context.len, CONTEXT_LEN);
	asked = json_array_get(f->fake.builds, 0);
	assert_string_equal(doc_str(asked, "t"), "reg.example/team/clean:1");
	assert_string_equal(doc_str(asked, "buildargs"), "{\"VERSION\":\"1 & 2\",\"Z\":\"=\\\"\"}");
	assert_string_equal(doc_str(asked, "labels"), "{\"fondant.ai/component\":\"clean\"}");
	assert_string_equal(doc_str(asked, "auth"), "");
	words = strvec_join(&f->said, "|");
	assert_string_equal(words,
		"Step 1/2 : FROM base|1: Pulling from base| ---> 0123456789ab|Step 2/2 : RUN make|"
		"first words|100%|last|Successfully built");
}

/* Docker Hub goes by its address; of several for a registry the one for all of it. */
static void every_registry_is_known(void **state)
{
	struct fixture *f = *state;
	static const char config[] =
		"{\"auths\": {\"https://index.docker.io/v1/\": {\"auth\": \"dTpw\"},"
		"\"reg.example/team\": {\"auth\": \"dDpw\"}, \"reg.example\": {\"auth\": \"cjpw\"},"
		"\"id.example\": {\"identitytoken\": \"tok\"}}}";
	auto_json *sent = NULL;
	auto_free char *text = NULL;
	const char *encoded;
	auto_free char *decoded = NULL;
	size_t len = 0;

	assert_int_equal(dockerconfig_parse(config, strlen(config), &f->auths, NULL), 0);
	run(f);
	encoded = doc_str(json_array_get(f->fake.builds, 0), "auth");
	assert_null(strpbrk(encoded, "+/"));
	text = xstrdup(encoded);
	for (char *c = text; *c; c++)
		*c = *c == '-' ? '+' : *c == '_' ? '/' : *c;
	decoded = base64_decode(text, &len);
	assert_int_equal(doc_json_parse(decoded, len, &sent, NULL), 0);
	assert_int_equal(json_object_size(sent), 3);
	assert_string_equal(
		doc_str(json_object_get(sent, "https://index.docker.io/v1/"), "username"), "u");
	assert_string_equal(doc_str(json_object_get(sent, "reg.example"), "username"), "r");
	assert_string_equal(doc_str(json_object_get(sent, "id.example"), "identitytoken"), "tok");
}

/* --- not well ------------------------------------------------------------------------------- */

static void a_failure_comes_in_the_stream(void **state)
{
	struct fixture *f = *state;

	f->fake.build_error = "The command '/bin/sh -c make' returned a non-zero code: 2";
	run(f);
	expect_err(f, ERR_USER, "BuildFailed", "");
	/* the end of what it said, without what tells nothing */
	assert_string_equal(err_message(&f->build.err),
		"The command '/bin/sh -c make' returned a non-zero code: 2\n"
		"Step 1/2 : FROM base\n1: Pulling from base\nStep 2/2 : RUN make\nfirst words\n"
		"100%\nlast");
}

static void only_the_last_lines_are_kept(void **state)
{
	struct fixture *f = *state;
	auto_buf answer = BUF_INIT;
	size_t lines = 0;

	for (int i = 0; i < 10000; i++)
		buf_addf(&answer, "{\"stream\":\"line %d\\n\"}\n", i);
	buf_adds(&answer, "{\"stream\":\"");
	for (int i = 0; i < 100000; i++)
		buf_adds(&answer, "long");
	buf_adds(&answer, "\"}\n{\"error\":\"it broke\"}\n");
	fault(f, FAKE_BODY, buf_str(&answer));
	run(f);
	expect_err(f, ERR_USER, "BuildFailed", "it broke\nline 9981\n");
	for (const char *c = err_message(&f->build.err); *c; c++)
		lines += *c == '\n';
	assert_int_equal(lines, DOCKER_BUILD_TAIL);
	assert_in_range(strlen(err_message(&f->build.err)), 1, 4096);
}

static void refused(void **state)
{
	struct fixture *f = *state;

	f->fake.hostile_status = 400;
	fault(f, FAKE_STATUS, "{\"message\": \"invalid reference format\"}");
	run(f);
	expect_err(f, ERR_USER, "BuildRefused", "invalid reference format (HTTP 400)");
}

static void not_now(void **state)
{
	struct fixture *f = *state;

	f->fake.hostile_status = 503;
	fault(f, FAKE_STATUS, "<html>");
	run(f);
	expect_err(f, ERR_TRANSIENT, "BuildRefused", "it does not say why (HTTP 503)");
}

static void a_lost_request(void **state)
{
	struct fixture *f = *state;

	fault(f, FAKE_LOSE_REQUEST, NULL);
	run(f);
	expect_err(f, ERR_TRANSIENT, "Aborted", "");
	assert_int_equal(json_array_size(f->fake.builds), 0);
}

/* It is not sent again: half of the context is gone. */
static void a_lost_answer(void **state)
{
	struct fixture *f = *state;

	fault(f, FAKE_LOSE_ANSWER, NULL);
	run(f);
	expect_err(f, ERR_TRANSIENT, "Aborted", "");
	assert_int_equal(json_array_size(f->fake.builds), 1);
}

/* At every byte: an image is said only where all was. */
static void a_truncated_stream(void **state)
{
	size_t cuts = 0;

	(void)state;
	for (size_t at = 1;; at += 13) {
		void *one;
		struct fixture *f;
		bool complete;

		setup(&one);
		f = one;
		f->fake.build_cut = at;
		run(f);
		complete = f->build.err.class == ERR_NONE;
		assert_int_equal(complete, f->build.image_id != NULL);
		if (!complete)
			assert_int_equal(f->build.err.class, ERR_TRANSIENT);
		cuts++;
		teardown(&one);
		if (complete)
			break;
	}
	assert_in_range(cuts, 20, 1000);
}

static void rubbish(void **state)
{
	static char huge[10 << 20];
	static const struct {
		const char *body, *part;
	} rows[] = {
		{huge, "a line of over 1024 KiB"},
		{"<html><body>down</body></html>", "without saying which image"},
		{"", "without saying which image"},
		{"{\"stream\": ", "without saying which image"},
		{"[]\n{}\nnull\n3\n\"x\"\n", "without saying which image"},
		{"{\"stream\":3,\"error\":[],\"aux\":7,\"status\":{}}\n", "without saying"},
		{"{\"aux\":{\"ID\":\"sha256:short\"}}\n", "without saying which image"},
		{"{\"aux\":{\"ID\":\"latest\"}}\n", "without saying which image"},
	};

	(void)state;
	memset(huge, 'x', sizeof(huge) - 1);
	for (size_t i = 0; i < array_size(rows); i++) {
		void *one;
		struct fixture *f;

		setup(&one);
		f = one;
		fault(f, FAKE_BODY, rows[i].body);
		run(f);
		expect_err(f, ERR_TRANSIENT, "BadAnswer", rows[i].part);
		teardown(&one);
	}
}

static void no_version(void **state)
{
	struct fixture *f = *state;

	f->fake.api = "1.30";
	run(f);
	expect_err(f, ERR_USER, "EngineTooOld", "the engine speaks versions");
	assert_int_equal(f->given, 0);
}

static void the_context_cannot_be_read(void **state)
{
	struct fixture *f = *state;

	f->fail_at = 100000;
	run(f);
	expect_err(f, ERR_USER, "Unreadable", "a/b: is gone");
	assert_int_equal(json_array_size(f->fake.builds), 0);
}

static void given_up_at_any_time(void **state)
{
	struct fixture *f = *state;

	for (int turns = 0; turns < 60; turns++) {
		f->given = 0;
		docker_build_start(&f->build);
		for (int i = 0; i < turns && !f->done; i++)
			loop_turn(f->loop, 50);
		docker_build_free(&f->build);
		docker_build_free(&f->build);
		f->done = 0;
		for (int i = 0; i < 3; i++)
			loop_turn(f->loop, 0);
		assert_int_equal(f->done, 0);
	}
	assert_in_range(json_array_size(f->fake.builds), 1, 60);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_build),
		TEST(every_registry_is_known),
		TEST(a_failure_comes_in_the_stream),
		TEST(only_the_last_lines_are_kept),
		TEST(refused),
		TEST(not_now),
		TEST(a_lost_request),
		TEST(a_lost_answer),
		cmocka_unit_test(a_truncated_stream),
		cmocka_unit_test(rubbish),
		TEST(no_version),
		TEST(the_context_cannot_be_read),
		TEST(given_up_at_any_time),
	};

	return cmocka_run_group_tests_name("runners/docker_build", tests, NULL, NULL);
}

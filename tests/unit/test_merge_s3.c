/* The command on an object store: the fake runs in a child, for the command blocks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "doc/json.h"
#include "doc/path.h"
#include "merge/manifest.h"
#include "merge/merge.h"
#include "tests/fake/http_server.h"

#define MANIFEST(field)                                                                           \
	"{\"metadata\": {\"dataset_name\": \"d\", \"run_id\": \"r\"}, \"index\": {\"location\": " \
	"\"s3://lake/" field "\"}, \"fields\": {\"" field "\": {\"location\": \"s3://lake/" field \
	"\", \"type\": \"string\"}}}"

static char endpoint[64];
static pid_t child;

/* --- the store: GET and PUT of /lake/<key>, signed requests only --- */

static void missing(struct http_exchange *ex)
{
	static const char body[] = "<?xml version=\"1.0\"?><Error><Code>NoSuchKey</Code></Error>";

	http_reply(ex, 404, "application/xml", body, strlen(body));
}

static void huge(struct http_exchange *ex)
{
	size_t len = MANIFEST_MAX + 4096;
	auto_free char *body = xcalloc(len, 1);

	memset(body, ' ', len);
	http_reply(ex, 200, "application/json", body, len);
}

static void answer(struct http_server *server, struct http_exchange *ex)
{
	struct map *objects = server->user;
	const char *text = map_get(objects, ex->path);

	if (!http_header(ex, "authorization")) {
		http_reply(ex, 403, NULL, "", 0);
	} else if (strcmp(ex->method, "PUT") == 0) {
		map_set(objects, ex->path, xstrndup(buf_str(&ex->body), ex->body.len));
		http_reply(ex, 200, NULL, "", 0);
	} else if (strcmp(ex->path, "/lake/huge.json") == 0) {
		huge(ex);
	} else if (text) {
		http_reply(ex, 200, "application/json", text, strlen(text));
	} else {
		missing(ex);
	}
}

/* Never returns; says its port first. */
static void serve(int out)
{
	struct map objects = {.free_value = free};
	struct http_server server = {0};
	struct loop *loop = NULL;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (loop_new(&loop, NULL) < 0)
		_exit(1);
	map_set(&objects, "/lake/one.json", xstrdup(MANIFEST("one")));
	map_set(&objects, "/lake/two.json", xstrdup(MANIFEST("two")));
	map_set(&objects, "/lake/not.json", xstrdup("<html>"));
	http_server_start(&server, loop, answer, &objects);
	if (write(out, server.url, sizeof(server.url)) != sizeof(server.url))
		_exit(1);
	for (;;)
		loop_turn(loop, -1);
}

static int start(void **state)
{
	int ends[2];

	(void)state;
	if (pipe(ends) < 0)
		return -1;
	child = fork();
	if (child < 0)
		return -1;
	if (child == 0) {
		close(ends[0]);
		serve(ends[1]);
	}
	close(ends[1]);
	return read(ends[0], endpoint, sizeof(endpoint)) == sizeof(endpoint) ? close(ends[0]) : -1;
}

static int stop(void **state)
{
	(void)state;
	kill(child, SIGKILL);
	return waitpid(child, NULL, 0) == child ? 0 : -1;
}

static const char *environment(void *user, const char *name)
{
	(void)user;
	if (strcmp(name, "AWS_ACCESS_KEY_ID") == 0)
		return "AKIDEXAMPLE";
	if (strcmp(name, "AWS_SECRET_ACCESS_KEY") == 0)
		return "secret-words";
	if (strcmp(name, "AWS_ENDPOINT_URL") == 0)
		return endpoint;
	return NULL;
}

static int merge_two(const char *output, const char *a, const char *b, struct err *err)
{
	struct store *store = store_new(environment, NULL);
	int r = merge(store, output, (const char *const[]){a, b}, 2, err);

	store_free(store);
	return r;
}

static void test_merges(void **state)
{
	struct store *store = store_new(environment, NULL);
	auto_buf text = BUF_INIT;
	auto_json *merged = NULL;
	auto_err err = ERR_INIT;

	(void)state;
	if (merge_two("s3://lake/r/step.inputs/manifest.json", "s3://lake/one.json",
		    "s3://lake/two.json", &err) < 0)
		fail_msg("%s", err_message(&err));
	if (store_read(store, "s3://lake/r/step.inputs/manifest.json", MANIFEST_MAX, &text, &err) <
		0)
		fail_msg("%s", err_message(&err));
	store_free(store);
	assert_int_equal(doc_json_parse(buf_str(&text), text.len, &merged, &err), 0);
	assert_string_equal(doc_str(merged, "metadata.manifest_location"),
		"s3://lake/r/step.inputs/manifest.json");
	assert_string_equal(doc_str(merged, "index.location"), "s3://lake/one");
	assert_string_equal(doc_str(merged, "fields.two.location"), "s3://lake/two");
}

static void test_cannot(void **state)
{
	static const struct {
		const char *input, *reason, *said;
	} rows[] = {
		{"s3://lake/none.json", "NoSuchKey", "none.json"},
		{"s3://lake/not.json", "InvalidManifest", "s3://lake/not.json: not a manifest"},
		{"s3://lake/huge.json", "ObjectTooLarge", "huge.json"},
	};

	(void)state;
	for (size_t i = 0; i < array_size(rows); i++) {
		auto_err err = ERR_INIT;

		assert_true(merge_two("s3://lake/out.json", "s3://lake/one.json", rows[i].input,
				    &err) < 0);
		assert_string_equal(err.reason, rows[i].reason);
		if (!strstr(err_message(&err), rows[i].said))
			fail_msg("%s: %s", rows[i].said, err_message(&err));
		assert_null(strstr(err_message(&err), "secret-words"));
		err_clear(&err);
		assert_true(merge_two("/tmp/never", "s3://lake/out.json", "s3://lake/one.json",
				    &err) < 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_merges),
		cmocka_unit_test(test_cannot),
	};

	return cmocka_run_group_tests_name("merge/s3", tests, start, stop);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "doc/json.h"
#include "doc/path.h"
#include "kube/client.h"
#include "tests/fake/apiserver.h"

struct fixture {
	struct loop *loop;
	struct fake_api *api;
	struct kube_config config;
	struct kube_client *client;
	struct kube_op op;
	int done;
};

static void op_done(struct kube_op *op)
{
	container_of(op, struct fixture, op)->done++;
}

static void make_client(struct fixture *f)
{
	auto_err err = ERR_INIT;

	kube_client_free(f->client);
	f->client = NULL;
	f->config.server = (char *)fake_api_url(f->api);
	assert_int_equal(
		kube_client_new(f->loop, &f->config, "fondant-test/1 (x)", &f->client, &err), 0);
	kube_client_set_backoff(f->client, 1, 4);
}

static int set_up(void **state)
{
	struct fixture *f = xnew(struct fixture);
	auto_err err = ERR_INIT;

	log_setup(LOG_ERROR, LOG_LOGFMT, 2);
	assert_int_equal(loop_new(&f->loop, &err), 0);
	f->api = fake_api_new(f->loop);
	make_client(f);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	kube_op_free(&f->op);
	assert_int_equal(kube_client_in_flight(f->client), 0);
	kube_client_free(f->client);
	fake_api_free(f->api);
	loop_free(f->loop);
	free(f);
	return 0;
}

/* Turns the loop until *what reaches n. */
static void turn_until(struct fixture *f, const int *what, int n)
{
	int64_t end = time_mono_ms() + 10000;

	while (*what < n) {
		if (time_mono_ms() > end)
			fail_msg("waited in vain for %d (is %d)", n, *what);
		loop_turn(f->loop, 50);
	}
}

static enum kube_outcome run(struct fixture *f)
{
	f->done = 0;
	f->op.done = op_done;
	kube_send(f->client, &f->op);
	assert_int_equal(f->done, 0);
	assert_true(kube_op_active(&f->op));
	turn_until(f, &f->done, 1);
	assert_int_equal(f->done, 1);
	assert_false(kube_op_active(&f->op));
	return f->op.outcome;
}

static void prepare(struct fixture *f, enum kube_verb verb, const struct kube_resource *resource,
	const char *name)
{
	kube_op_free(&f->op);
	memset(&f->op, 0, sizeof(f->op));
	f->op.verb = verb;
	f->op.resource = resource;
	f->op.namespace_ = "ns";
	f->op.name = name;
}

static enum kube_outcome run_body(struct fixture *f, enum kube_verb verb,
	const struct kube_resource *resource, const char *name, const char *text)
{
	auto_json *body = NULL;

	assert_int_equal(doc_json_parse(text, strlen(text), &body, NULL), 0);
	prepare(f, verb, resource, name);
	f->op.body = body;
	return run(f);
}

#define RUN_TEXT                                                           \
	"{\"apiVersion\":\"fondant.ai/v1alpha1\",\"kind\":\"FondantRun\"," \
	"\"metadata\":{\"name\":\"r\",\"namespace\":\"ns\"},\"spec\":{\"a\":1}}"

static void the_five_verbs(void **state)
{
	struct fixture *f = *state;
	auto_free char *rv = NULL;
	auto_free char *patch = NULL;
	auto_free char *options = NULL;

	assert_int_equal(run_body(f, KUBE_CREATE, &kube_runs, NULL, RUN_TEXT), KUBE_OK);
	assert_int_equal(doc_int_or(f->op.result, "metadata.generation", 0), 1);
	assert_int_equal(fake_api_count(f->api, "POST",
				 "/apis/fondant.ai/v1alpha1/namespaces/ns/fondantruns"
				 "?fieldManager=fondant-test"),
		1);
	assert_string_equal(fake_api_last_header(f->api, "user-agent"), "fondant-test/1 (x)");
	assert_string_equal(fake_api_last_header(f->api, "accept"), "application/json");
	assert_string_equal(fake_api_last_header(f->api, "content-type"), "application/json");
	assert_int_equal(run_body(f, KUBE_CREATE, &kube_runs, NULL, RUN_TEXT), KUBE_EXISTS);
	assert_string_equal(f->op.err.reason, "AlreadyExists");

	prepare(f, KUBE_GET, &kube_runs, "r");
	assert_int_equal(run(f), KUBE_OK);
	rv = xstrdup(doc_str(f->op.result, "metadata.resourceVersion"));
	options = xasprintf(
		"{\"preconditions\":{\"uid\":\"%s\"}}", doc_str(f->op.result, "metadata.uid"));
	prepare(f, KUBE_GET, &kube_runs, "other");
	assert_int_equal(run(f), KUBE_NOT_FOUND);

	patch = xasprintf(
		"{\"metadata\":{\"resourceVersion\":\"%s\"},\"status\":{\"phase\":\"x\"}}", rv);
	prepare(f, KUBE_MERGE_PATCH, &kube_runs, "r");
	f->op.subresource = "status";
	assert_int_equal(doc_json_parse(patch, strlen(patch), (json_t **)&f->op.body, NULL), 0);
	assert_int_equal(run(f), KUBE_OK);
	assert_string_equal(doc_str(f->op.result, "status.phase"), "x");
	assert_int_equal(doc_int_or(f->op.result, "metadata.generation", 0), 1);
	assert_int_equal(run(f), KUBE_CONFLICT);
	json_decref((json_t *)f->op.body);
	f->op.body = NULL;

	assert_int_equal(run_body(f, KUBE_JSON_PATCH, &kube_runs, "r",
				 "[{\"op\":\"test\",\"path\":\"/spec/a\",\"value\":1},"
				 "{\"op\":\"replace\",\"path\":\"/spec/a\",\"value\":2}]"),
		KUBE_OK);
	assert_int_equal(doc_int_or(f->op.result, "metadata.generation", 0), 2);
	assert_int_equal(run_body(f, KUBE_JSON_PATCH, &kube_runs, "r",
				 "[{\"op\":\"test\",\"path\":\"/spec/a\",\"value\":1}]"),
		KUBE_INVALID);
	assert_int_equal(f->op.err.class, ERR_USER);

	assert_int_equal(run_body(f, KUBE_DELETE, &kube_runs, "r",
				 "{\"preconditions\":{\"uid\":\"another\"}}"),
		KUBE_CONFLICT);
	assert_int_equal(run_body(f, KUBE_DELETE, &kube_runs, "r", options), KUBE_OK);
	assert_int_equal(run_body(f, KUBE_DELETE, &kube_runs, "r", options), KUBE_NOT_FOUND);
	assert_int_equal(kube_client_writes(f->client), 4);
}

static void lists_come_in_pages(void **state)
{
	struct fixture *f = *state;
	size_t seen = 0;

	for (int i = 0; i < 7; i++)
		fake_api_put(f->api,
			json_pack("{s:s, s:s, s:{s:s, s:o, s:{s:s}}}", "apiVersion", "v1", "kind",
				"Pod", "metadata", "namespace", "ns", "name",
				json_sprintf("p%d", i), "labels", "app", i == 3 ? "b" : "a"));
	prepare(f, KUBE_LIST, &kube_pods, NULL);
	f->op.limit = 3;
	f->op.label_selector = "app=a";
	for (;;) {
		auto_free char *next = NULL;

		assert_int_equal(run(f), KUBE_OK);
		seen += json_array_size(json_object_get(f->op.result, "items"));
		next = xstrdup(doc_str_or(f->op.result, "metadata.continue", ""));
		if (!next[0])
			break;
		fake_api_delete(f->api, "/api/v1/namespaces/ns/pods/p5"); /* one snapshot */
		free((char *)f->op.continue_token);
		f->op.continue_token = take_ptr(next);
	}
	free((char *)f->op.continue_token);
	assert_int_equal(seen, 6);

	prepare(f, KUBE_LIST, &kube_pods, NULL);
	f->op.metadata_only = true;
	f->op.field_selector = "metadata.name=p1";
	f->op.namespace_ = NULL;
	assert_int_equal(run(f), KUBE_OK);
	assert_int_equal(json_array_size(json_object_get(f->op.result, "items")), 1);
	assert_string_equal(doc_str(f->op.result, "kind"), "PartialObjectMetadataList");
	f->op.continue_token = "1.3";
	fake_api_compact(f->api);
	assert_int_equal(run(f), KUBE_GONE);
}

static void names_are_percent_encoded(void **state)
{
	struct fixture *f = *state;

	prepare(f, KUBE_GET, &kube_pods, "../../secrets?x=1#y");
	assert_int_equal(run(f), KUBE_NOT_FOUND);
	assert_int_equal(fake_api_count(f->api, "GET",
				 "/api/v1/namespaces/ns/pods/..%2F..%2Fsecrets%3Fx%3D1%23y"),
		1);
}

static void reads_retry_what_passes(void **state)
{
	struct fixture *f = *state;

	fake_api_put_text(f->api, RUN_TEXT);
	fake_api_fault(f->api, "GET", NULL, &(struct fake_fault){.status = 503});
	fake_api_fault(f->api, "GET", NULL,
		&(struct fake_fault){.status = 502, .body = "<html>Bad gateway</html>"});
	fake_api_fault(f->api, "GET", NULL, &(struct fake_fault){.cut_before = true});
	fake_api_fault(f->api, "GET", NULL, &(struct fake_fault){.truncate_at = 20});
	fake_api_fault(f->api, "GET", NULL, &(struct fake_fault){.instead = "{\"kind\": \"Fond"});
	fake_api_fault(f->api, "GET", NULL, &(struct fake_fault){.instead = "[]"});
	prepare(f, KUBE_GET, &kube_runs, "r");
	assert_int_equal(run(f), KUBE_OK);
	assert_string_equal(doc_str(f->op.result, "metadata.name"), "r");
	assert_true(fake_api_count(f->api, "GET", NULL) >= 7);

	fake_api_log_clear(f->api);
	fake_api_fault(f->api, "GET", NULL, &(struct fake_fault){.status = 500, .times = -1});
	f->op.max_attempts = 3;
	assert_int_equal(run(f), KUBE_FAILED);
	assert_int_equal(f->op.err.class, ERR_TRANSIENT);
	assert_string_equal(f->op.err.reason, "InternalError");
	assert_int_equal(fake_api_count(f->api, "GET", NULL), 3);
}

static void a_lost_answer_leaves_a_write_unknown(void **state)
{
	struct fixture *f = *state;

	fake_api_fault(f->api, "POST", NULL, &(struct fake_fault){.lose_answer = true});
	assert_int_equal(run_body(f, KUBE_CREATE, &kube_runs, NULL, RUN_TEXT), KUBE_UNKNOWN);
	assert_int_equal(fake_api_count(f->api, "POST", NULL), 1);
	assert_int_equal(fake_api_len(f->api, "/apis/fondant.ai/v1alpha1/fondantruns"), 1);
	fake_api_fault(f->api, "PATCH", NULL, &(struct fake_fault){.truncate_at = 5});
	assert_int_equal(run_body(f, KUBE_MERGE_PATCH, &kube_runs, "r", "{\"spec\":{\"a\":7}}"),
		KUBE_UNKNOWN);
	fake_api_fault(f->api, "PATCH", NULL, &(struct fake_fault){.instead = "<html>"});
	assert_int_equal(run_body(f, KUBE_MERGE_PATCH, &kube_runs, "r", "{\"spec\":{\"a\":8}}"),
		KUBE_UNKNOWN);
	assert_string_equal(f->op.err.reason, "UnreadableAnswer");
	/* 5xx is tried again; when it stays, the write may have happened. */
	fake_api_fault(f->api, "PATCH", NULL, &(struct fake_fault){.status = 504, .times = -1});
	prepare(f, KUBE_MERGE_PATCH, &kube_runs, "r");
	f->op.max_attempts = 2;
	assert_int_equal(run(f), KUBE_UNKNOWN);
	assert_int_equal(kube_client_writes(f->client), 0);
}

static void a_refused_connection_is_no_write(void **state)
{
	struct fixture *f = *state;
	auto_json *body = json_object();

	http_server_refuse(fake_api_http(f->api), true);
	http_server_cut_all(fake_api_http(f->api));
	prepare(f, KUBE_CREATE, &kube_runs, NULL);
	f->op.body = body;
	f->op.max_attempts = 4;
	assert_int_equal(run(f), KUBE_FAILED);
	assert_string_equal(f->op.err.reason, "ConnectFailed");
	http_server_refuse(fake_api_http(f->api), false);
	assert_int_equal(run_body(f, KUBE_CREATE, &kube_runs, NULL, RUN_TEXT), KUBE_OK);
}

static void reason_decides_before_code(void **state)
{
	static const struct {
		struct fake_fault fault;
		enum kube_verb verb;
		enum kube_outcome outcome;
		const char *reason;
	} cases[] = {
		{{.status = 403}, KUBE_GET, KUBE_FORBIDDEN, "Forbidden"},
		{{.status = 403, .cause = "NamespaceTerminating"}, KUBE_CREATE, KUBE_FORBIDDEN,
			"NamespaceTerminating"},
		{{.status = 403, .body = "<html>"}, KUBE_GET, KUBE_FORBIDDEN, "Forbidden"},
		{{.status = 404, .body = "no"}, KUBE_GET, KUBE_NOT_FOUND, "HTTP404"},
		{{.status = 409, .body = "no"}, KUBE_CREATE, KUBE_EXISTS, "AlreadyExists"},
		{{.status = 409, .body = "no"}, KUBE_MERGE_PATCH, KUBE_CONFLICT, "Conflict"},
		{{.status = 400, .reason = "Gone"}, KUBE_LIST, KUBE_GONE, "Gone"},
		{{.status = 410}, KUBE_LIST, KUBE_GONE, "Expired"},
		{{.status = 504, .cause = "ResourceVersionTooLarge"}, KUBE_LIST, KUBE_GONE,
			"ResourceVersionTooLarge"},
		{{.status = 422}, KUBE_CREATE, KUBE_INVALID, "Invalid"},
		{{.status = 413, .body = "big"}, KUBE_CREATE, KUBE_INVALID, "HTTP413"},
		{{.status = 415}, KUBE_MERGE_PATCH, KUBE_INVALID, "UnsupportedMediaType"},
		{{.status = 302, .body = "away"}, KUBE_GET, KUBE_FAILED, "HTTP302"},
		{{.status = 201, .body = "{}"}, KUBE_GET, KUBE_OK, ""},
	};
	struct fixture *f = *state;
	auto_json *body = json_object();

	for (size_t i = 0; i < array_size(cases); i++) {
		fake_api_fault(f->api, NULL, NULL, &cases[i].fault);
		prepare(f, cases[i].verb, &kube_runs, "r");
		f->op.body = body;
		assert_int_equal(run(f), cases[i].outcome);
		assert_string_equal(f->op.err.reason, cases[i].reason);
	}
}

static void too_many_requests_hold_all_writes(void **state)
{
	struct fixture *f = *state;
	struct fixture second = {.loop = f->loop};
	auto_json *body = json_pack("{s:{s:s}}", "metadata", "name", "second");
	int64_t begin = time_mono_ms();

	fake_api_fault(
		f->api, "POST", NULL, &(struct fake_fault){.status = 429, .retry_after_s = 1});
	prepare(f, KUBE_CREATE, &kube_runs, NULL);
	second.op = f->op;
	second.op.done = op_done;
	second.op.body = body;
	f->op.done = op_done;
	f->op.body = body;
	f->done = 0;
	kube_send(f->client, &f->op);
	while (fake_api_count(f->api, "POST", NULL) == 0)
		loop_turn(f->loop, 50);
	for (int i = 0; i < 20; i++)
		loop_turn(f->loop, 1); /* the answer arrives */
	kube_send(f->client, &second.op);
	/* Reads go on. */
	{
		struct fixture read = {.loop = f->loop};

		read.op.verb = KUBE_GET;
		read.op.resource = &kube_runs;
		read.op.namespace_ = "ns";
		read.op.name = "r";
		read.op.done = op_done;
		kube_send(f->client, &read.op);
		turn_until(f, &read.done, 1);
		kube_op_free(&read.op);
		assert_true(time_mono_ms() - begin < 900);
		assert_int_equal(f->done + second.done, 0);
	}
	turn_until(f, &f->done, 1);
	turn_until(f, &second.done, 1);
	assert_true(time_mono_ms() - begin >= 900);
	assert_int_equal(f->op.outcome, KUBE_OK);
	assert_int_equal(second.op.outcome, KUBE_EXISTS);
	assert_int_equal(fake_api_count(f->api, "POST", NULL), 3);
	kube_op_free(&second.op);
}

struct crowd {
	struct fixture *f;
	struct kube_op ops[40];
	json_t *bodies[40];
	char order[400];
	int done;
};

static struct crowd *crowd;

static void crowd_done(struct kube_op *op)
{
	(void)op;
	crowd->done++;
}

static void sixteen_writes_in_order(void **state)
{
	struct fixture *f = *state;
	struct crowd c = {.f = f};
	size_t most = 0;

	crowd = &c;
	fake_api_fault(f->api, "POST", NULL, &(struct fake_fault){.delay_ms = 5, .times = -1});
	for (int i = 0; i < 40; i++) {
		c.bodies[i] = json_pack("{s:{s:o}}", "metadata", "name", json_sprintf("r%d", i));
		c.ops[i] = (struct kube_op){.verb = KUBE_CREATE,
			.resource = &kube_runs,
			.namespace_ = "ns",
			.body = c.bodies[i],
			.done = crowd_done};
		kube_send(f->client, &c.ops[i]);
	}
	assert_int_equal(kube_client_in_flight(f->client), 40);
	kube_cancel(&c.ops[39]); /* in the queue */
	kube_cancel(&c.ops[0]);  /* on its way */
	while (c.done < 38) {
		size_t asked = fake_api_count(f->api, "POST", NULL);

		if (asked - (size_t)c.done > most)
			most = asked - (size_t)c.done;
		loop_turn(f->loop, 50);
	}
	assert_true(most <= 17);
	for (int i = 0; i < 40; i++) {
		if (i != 0 && i != 39)
			assert_int_equal(c.ops[i].outcome, KUBE_OK);
		kube_op_free(&c.ops[i]);
		json_decref(c.bodies[i]);
	}
	assert_int_equal(kube_client_writes(f->client), 38);
	assert_int_equal(kube_client_in_flight(f->client), 0);
}

static void every_split_gives_the_same_answer(void **state)
{
	struct fixture *f = *state;

	fake_api_put_text(f->api, RUN_TEXT);
	prepare(f, KUBE_GET, &kube_runs, "r");
	for (size_t n = 1; n < 40; n += 3) {
		fake_api_set_split(f->api, n);
		assert_int_equal(run(f), KUBE_OK);
		assert_string_equal(doc_str(f->op.result, "metadata.name"), "r");
	}
}

static void logs_are_raw_text(void **state)
{
	struct fixture *f = *state;

	fake_api_set_log(f->api, "/api/v1/namespaces/ns/pods/p", "line 1\nline 2\n");
	prepare(f, KUBE_GET_RAW, &kube_pods, "p");
	f->op.subresource = "log";
	f->op.query = "tailLines=2";
	assert_int_equal(run(f), KUBE_OK);
	assert_null(f->op.result);
	assert_string_equal(buf_str(f->op.raw), "line 1\nline 2\n");
	assert_int_equal(fake_api_count(f->api, "GET", "/log?tailLines=2"), 1);
}

static void a_cancelled_operation_is_not_done(void **state)
{
	struct fixture *f = *state;

	fake_api_fault(f->api, "GET", NULL, &(struct fake_fault){.status = 500, .times = -1});
	prepare(f, KUBE_GET, &kube_runs, "r");
	f->op.done = op_done;
	f->done = 0;
	kube_send(f->client, &f->op);
	while (fake_api_count(f->api, NULL, NULL) < 3) /* among others it waits for a retry */
		loop_turn(f->loop, 50);
	kube_cancel(&f->op);
	kube_cancel(&f->op);
	for (int i = 0; i < 10; i++)
		loop_turn(f->loop, 1);
	assert_int_equal(f->done, 0);
}

/* --- credentials --- */

static void write_text(const char *path, const char *text, mode_t mode)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static void a_rotated_token_file_is_read_after_401(void **state)
{
	struct fixture *f = *state;
	char path[] = "/tmp/test_kube_client.XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	close(fd);
	write_text(path, "old\n", 0600);
	f->config.token_file = path;
	f->config.as_user = "jane";
	make_client(f);
	fake_api_require_token(f->api, "old");
	prepare(f, KUBE_GET, &kube_runs, "r");
	assert_int_equal(run(f), KUBE_NOT_FOUND);
	assert_string_equal(fake_api_last_header(f->api, "authorization"), "Bearer old");
	assert_string_equal(fake_api_last_header(f->api, "impersonate-user"), "jane");
	fake_api_require_token(f->api, "new");
	write_text(path, "new\n", 0600);
	assert_int_equal(run(f), KUBE_NOT_FOUND);
	assert_int_equal(fake_api_count(f->api, "GET", NULL), 3);
	/* A file that went empty changes nothing; a token that stays wrong is told, not shown. */
	write_text(path, "", 0600);
	kube_token_expired(f->client);
	assert_int_equal(run(f), KUBE_NOT_FOUND);
	fake_api_require_token(f->api, "third");
	assert_int_equal(run(f), KUBE_FAILED);
	assert_string_equal(f->op.err.reason, "Unauthorized");
	assert_null(strstr(err_message(&f->op.err), "new"));
	unlink(path);
	f->config.token_file = f->config.as_user = NULL;
}

static void rotated_certificates_make_new_connections(void **state)
{
	struct fixture *f = *state;
	char path[] = "/tmp/test_kube_client.XXXXXX";
	int fd = mkstemp(path);
	struct http_client *before;

	assert_true(fd >= 0);
	close(fd);
	f->config.ca_file = path;
	write_text(path, "-----BEGIN 1", 0600);
	f->config.ca_pem = "-----BEGIN 1";
	make_client(f);
	prepare(f, KUBE_GET, &kube_runs, "r");
	assert_int_equal(run(f), KUBE_NOT_FOUND);
	before = kube_watch_http(f->client);
	kube_token_expired(f->client);
	assert_int_equal(run(f), KUBE_NOT_FOUND);
	assert_ptr_equal(kube_watch_http(f->client), before);
	write_text(path, "half-written", 0600);
	kube_token_expired(f->client);
	assert_int_equal(run(f), KUBE_NOT_FOUND);
	assert_ptr_equal(kube_watch_http(f->client), before);
	write_text(path, "-----BEGIN 2", 0600);
	kube_token_expired(f->client);
	assert_int_equal(run(f), KUBE_NOT_FOUND);
	assert_ptr_not_equal(kube_watch_http(f->client), before);
	unlink(path);
	f->config.ca_file = f->config.ca_pem = NULL;
}

/* How often the text is in what was logged to fd. */
static int logged(int fd, const char *text)
{
	static char all[65536];
	ssize_t len = pread(fd, all, sizeof(all) - 1, 0);
	int n = 0;

	assert_true(len >= 0);
	all[len] = '\0';
	for (const char *at = all; (at = strstr(at, text)); at++)
		n++;
	return n;
}

static void warnings_are_logged_once_by_text(void **state)
{
	struct fixture *f = *state;
	char path[] = "/tmp/test_kube_client.XXXXXX";
	int fd = mkstemp(path);
	static char headers[80][64];

	assert_true(fd >= 0);
	unlink(path);
	log_setup(LOG_WARN, LOG_LOGFMT, fd);
	prepare(f, KUBE_GET, &kube_runs, "r");
	for (int i = 0; i < 3; i++) {
		fake_api_fault(f->api, "GET", NULL,
			&(struct fake_fault){.header = "Warning: 299 - \"is deprecated\""});
		assert_int_equal(run(f), KUBE_NOT_FOUND);
	}
	assert_int_equal(logged(fd, "is deprecated"), 1);
	for (int i = 0; i < 80; i++) {
		snprintf(headers[i], sizeof(headers[i]), "Warning: 299 - \"odd number %d\"", i);
		fake_api_fault(f->api, "GET", NULL, &(struct fake_fault){.header = headers[i]});
		assert_int_equal(run(f), KUBE_NOT_FOUND);
	}
	assert_int_equal(logged(fd, "odd number"), 63);
	log_setup(LOG_ERROR, LOG_LOGFMT, 2);
	close(fd);
}

#define CREDENTIAL(token)                                                                  \
	"{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\"," \
	"\"status\":{\"token\":\"" token "\"}}"

static void an_exec_plugin_gives_the_token(void **state)
{
	struct fixture *f = *state;
	char path[] = "/tmp/test_kube_client.XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	close(fd);
	write_text(path,
		"#!/bin/sh\ncase \"$KUBERNETES_EXEC_INFO\" in "
		"*'\"interactive\":false'*'\"server\"'*) ;; "
		"*) exit 3;; esac\n[ \"$A\" = b ] && echo '" CREDENTIAL("t1") "'\n",
		0700);
	f->config.exec.command = path;
	f->config.exec.api_version = "client.authentication.k8s.io/v1";
	f->config.exec.provide_cluster_info = true;
	strvec_add(&f->config.exec.env, "A=b");
	make_client(f);
	fake_api_require_token(f->api, "t1");
	prepare(f, KUBE_GET, &kube_runs, "r");
	assert_int_equal(run(f), KUBE_NOT_FOUND);
	assert_int_equal(fake_api_count(f->api, NULL, NULL), 1);
	/* At 401 it runs again. */
	fake_api_require_token(f->api, "t2");
	write_text(path, "#!/bin/sh\necho '" CREDENTIAL("t2") "'\n", 0700);
	assert_int_equal(run(f), KUBE_NOT_FOUND);
	/* When it fails, the operation says so. */
	write_text(path, "#!/bin/sh\necho log in first >&2\nexit 1\n", 0700);
	kube_token_expired(f->client);
	f->op.max_attempts = 1;
	assert_int_equal(run(f), KUBE_FAILED);
	assert_string_equal(f->op.err.reason, "ExecPluginFailed");
	assert_non_null(strstr(err_message(&f->op.err), "log in first"));
	unlink(path);
	/* It is cancelled with the operation that waits for it. */
	kube_client_free(f->client);
	f->client = NULL;
	f->config.exec.command = "/bin/cat";
	make_client(f);
	f->op.done = op_done;
	kube_send(f->client, &f->op);
	kube_cancel(&f->op);
	strvec_clear(&f->config.exec.env);
	memset(&f->config.exec, 0, sizeof(f->config.exec));
}

static void versions_have_an_order(void **state)
{
	static const struct {
		const char *a, *b;
		int sign;
	} cases[] = {{"1", "2", -1}, {"9", "10", -1}, {"10", "10", 0}, {"2", "1", 1}, {"", "1", -1},
		{"0", "1", -1}, {"01", "1", -1}, {"x", "1", -1}, {NULL, "1", -1}, {"", NULL, 0},
		{"123456789012345678901234567890", "99999999999999999999", 1}};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		int r = kube_rv_compare(cases[i].a, cases[i].b);

		assert_int_equal((r > 0) - (r < 0), cases[i].sign);
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_five_verbs),
		TEST(lists_come_in_pages),
		TEST(names_are_percent_encoded),
		TEST(reads_retry_what_passes),
		TEST(a_lost_answer_leaves_a_write_unknown),
		TEST(a_refused_connection_is_no_write),
		TEST(reason_decides_before_code),
		TEST(too_many_requests_hold_all_writes),
		TEST(sixteen_writes_in_order),
		TEST(every_split_gives_the_same_answer),
		TEST(logs_are_raw_text),
		TEST(a_cancelled_operation_is_not_done),
		TEST(a_rotated_token_file_is_read_after_401),
		TEST(rotated_certificates_make_new_connections),
		TEST(warnings_are_logged_once_by_text),
		TEST(an_exec_plugin_gives_the_token),
		cmocka_unit_test(versions_have_an_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

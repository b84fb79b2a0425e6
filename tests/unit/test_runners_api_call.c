/* Calls of a backend's JSON API: what is tried again, what is told of an answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "doc/path.h"
#include "runners/api_call.h"
#include "tests/fake/http_server.h"

#define SCRIPT_MAX 8

struct answer {
	int status; /* 0: the connection is cut after the request was read */
	const char *body;
	const char *header;
};

struct fixture {
	struct loop *loop;
	struct http_server server;
	struct http_client *client;
	struct answer script[SCRIPT_MAX];
	int asked;
	struct strvec tokens; /* the Authorization of each try */
	struct api_call call;
	int prepared, done;
	char *url;
};

static void on_request(struct http_server *server, struct http_exchange *ex)
{
	struct fixture *f = server->user;
	const struct answer *a = &f->script[f->asked++];
	const char *token = http_header(ex, "authorization");

	strvec_add(&f->tokens, token ? token : "");
	if (a->header)
		http_add_header(ex, a->header);
	if (a->status)
		http_reply(ex, a->status, "application/json", a->body, strlen(a->body));
	else
		http_cut(ex);
}

static int setup(void **state)
{
	struct fixture *f = xnew(struct fixture);
	struct http_client_options options = {.user_agent = "test/1"};

	assert_int_equal(loop_new(&f->loop, NULL), 0);
	http_server_start(&f->server, f->loop, on_request, f);
	assert_int_equal(http_client_new(f->loop, &options, &f->client, NULL), 0);
	f->url = xasprintf("%s/v1/things", f->server.url);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	api_call_free(&f->call);
	http_client_free(f->client);
	http_server_stop(&f->server);
	loop_free(f->loop);
	strvec_clear(&f->tokens);
	free(f->url);
	free(f);
	return 0;
}

static void call_done(struct api_call *call)
{
	struct fixture *f = container_of(call, struct fixture, call);

	assert_false(api_call_active(call));
	f->done++;
}

/* Another token for every try. */
static int prepare(struct api_call *call, struct strvec *headers, struct err *err)
{
	struct fixture *f = container_of(call, struct fixture, call);

	if (++f->prepared > 7)
		return err_set(err, ERR_USER, "NoCredentials", "there is no token");
	strvec_addf(headers, "Authorization: Bearer %d", f->prepared);
	return 0;
}

static void send(struct fixture *f, const char *method, bool repeatable)
{
	f->call.loop = f->loop;
	f->call.client = f->client;
	f->call.method = method;
	f->call.url = f->url;
	f->call.body = strcmp(method, "POST") == 0 ? "{}" : NULL;
	f->call.body_len = f->call.body ? 2 : 0;
	f->call.repeatable = repeatable;
	f->call.retry_ms = 1;
	f->call.prepare = prepare;
	f->call.done = call_done;
	f->done = 0;
	api_call_send(&f->call);
	assert_int_equal(f->done, 0);
	while (!f->done)
		loop_turn(f->loop, 1000);
	assert_int_equal(f->done, 1);
}

static void an_answer(void **state)
{
	struct fixture *f = *state;

	f->script[0] = (struct answer){200, "{\"a\": 1}", NULL};
	send(f, "GET", true);
	assert_int_equal(f->call.status, 200);
	assert_int_equal(doc_int_or(f->call.answer, "a", 0), 1);
	assert_int_equal(f->call.err.class, ERR_NONE);
}

static void what_may_be_repeated_is(void **state)
{
	struct fixture *f = *state;

	f->script[0] = (struct answer){0, NULL, NULL};
	f->script[1] = (struct answer){503, "busy", NULL};
	f->script[2] = (struct answer){429, "{}", "Retry-After: 0"};
	f->script[3] = (struct answer){200, "{}", NULL};
	send(f, "GET", true);
	assert_int_equal(f->asked, 4);
	assert_int_equal(f->call.status, 200);
	assert_string_equal(f->tokens.items[0], "Bearer 1");
	assert_string_equal(f->tokens.items[3], "Bearer 4");
}

static void what_may_have_happened_is_not_done_again(void **state)
{
	struct fixture *f = *state;

	send(f, "POST", false); /* cut */
	assert_int_equal(f->asked, 1);
	assert_int_equal(f->call.status, 0);
	assert_true(f->call.maybe_done);
	assert_int_equal(f->call.err.class, ERR_TRANSIENT);
	f->script[1] = (struct answer){500, "{\"message\": \"oh\"}", NULL};
	send(f, "POST", false);
	assert_int_equal(f->asked, 2);
	assert_int_equal(f->call.status, 500);
	assert_false(f->call.maybe_done);
	f->script[2] = (struct answer){429, "{}", NULL};
	f->script[3] = (struct answer){200, "{}", NULL};
	send(f, "POST", false);
	assert_int_equal(f->call.status, 200);
}

static void tries_come_to_an_end(void **state)
{
	struct fixture *f = *state;
	auto_err err = ERR_INIT;

	for (int i = 0; i < SCRIPT_MAX; i++)
		f->script[i] = (struct answer){503, "<html>\x01 down</html>", NULL};
	send(f, "GET", true);
	assert_int_equal(f->asked, 4);
	assert_null(f->call.answer);
	assert_int_equal(api_call_fail(&f->call, "list runs", NULL, &err), -1);
	assert_int_equal(err.class, ERR_TRANSIENT);
	assert_string_equal(err.reason, "ServerError");
	assert_string_equal(err.message, "list runs: <html> down</html> (HTTP 503)");
}

static void classes_of_errors(void **state)
{
	static const struct {
		int status;
		enum err_class class;
		const char *reason;
	} rows[] = {
		{400, ERR_USER, "BadRequest"},
		{401, ERR_USER, "Unauthorized"},
		{403, ERR_USER, "Forbidden"},
		{404, ERR_USER, "NotFound"},
		{409, ERR_TRANSIENT, "Conflict"},
		{302, ERR_TRANSIENT, "BadAnswer"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < array_size(rows); i++) {
		auto_err err = ERR_INIT;

		f->script[i] = (struct answer){rows[i].status, "{\"m\": \"no\"}", NULL};
		send(f, "GET", true);
		assert_int_equal(f->call.status, rows[i].status);
		assert_non_null(f->call.answer);
		api_call_fail(&f->call, "ask", "no", &err);
		assert_int_equal(err.class, rows[i].class);
		assert_string_equal(err.reason, rows[i].reason);
	}
}

static void what_is_no_json_is_a_bad_answer(void **state)
{
	static const char *const bodies[] = {"<html>log in</html>", "{\"a\": ", "[1,"};
	struct fixture *f = *state;

	for (size_t i = 0; i < array_size(bodies); i++) {
		auto_err err = ERR_INIT;

		f->script[i] = (struct answer){200, bodies[i], NULL};
		send(f, "GET", true);
		assert_null(f->call.answer);
		assert_string_equal(f->call.err.reason, "BadAnswer");
		assert_int_equal(f->call.err.class, ERR_TRANSIENT);
		api_call_fail(&f->call, "ask", NULL, &err);
		assert_string_equal(err.message,
			"ask: the answer is not JSON; is this the address of the API?");
	}
	f->script[3] = (struct answer){200, "", NULL};
	send(f, "GET", true);
	assert_int_equal(f->call.err.class, ERR_NONE);
	assert_null(f->call.answer);
	f->script[4] = (struct answer){200, "plain", NULL};
	f->call.any_text = true;
	send(f, "GET", true);
	assert_string_equal(f->call.text, "plain");
}

static void without_credentials_nothing_is_sent(void **state)
{
	struct fixture *f = *state;

	f->prepared = 7;
	send(f, "GET", true);
	assert_int_equal(f->asked, 0);
	assert_string_equal(f->call.err.reason, "NoCredentials");
	assert_false(f->call.maybe_done);
}

static void a_freed_call_is_never_done(void **state)
{
	struct fixture *f = *state;

	f->script[0] = (struct answer){503, "", NULL};
	f->call = (struct api_call){.loop = f->loop,
		.client = f->client,
		.method = "GET",
		.url = f->url,
		.repeatable = true,
		.retry_ms = 60000,
		.done = call_done};
	api_call_send(&f->call);
	while (!f->asked || http_active(&f->call.http))
		loop_turn(f->loop, 1000);
	assert_true(api_call_active(&f->call)); /* in its pause */
	api_call_free(&f->call);
	loop_turn(f->loop, 0);
	assert_int_equal(f->done, 0);
}

#define CALL(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CALL(an_answer),
		CALL(what_may_be_repeated_is),
		CALL(what_may_have_happened_is_not_done_again),
		CALL(tries_come_to_an_end),
		CALL(classes_of_errors),
		CALL(what_is_no_json_is_a_bad_answer),
		CALL(without_credentials_nothing_is_sent),
		CALL(a_freed_call_is_never_done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

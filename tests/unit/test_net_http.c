#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "net/http.h"
#include "tests/fake/http_server.h"
#include "open_fds.h"

/* --- fixture --- */

struct fixture {
	int fds;
	struct loop *loop;
	struct http_server server;
	struct http_client *client;
	/* What the server does, and what it was told. */
	void (*answer)(struct fixture *f, struct http_exchange *ex);
	struct buf seen; /* "METHOD target body\n" of each request */
	struct http_exchange *held;
	size_t released;
	size_t at; /* where to split or cut */
	int done;
};

struct call {
	struct fixture *f;
	struct http_request req;
	struct buf streamed;
	size_t pieces;
	int done;
};

static void on_request(struct http_server *server, struct http_exchange *ex)
{
	struct fixture *f = server->user;

	buf_addf(&f->seen, "%s %s %s\n", ex->method, ex->target, buf_str(&ex->body));
	f->answer(f, ex);
}

static void answer_ok(struct fixture *f, struct http_exchange *ex)
{
	(void)f;
	http_reply(ex, 200, "text/plain", "hello", 5);
}

static void held_released(struct http_exchange *ex)
{
	struct fixture *f = ex->server->user;

	if (f->held == ex)
		f->held = NULL;
	f->released++;
}

static void answer_hold(struct fixture *f, struct http_exchange *ex)
{
	f->held = ex;
	ex->release = held_released;
}

static int setup(void **state)
{
	struct fixture *f = xnew(struct fixture);
	struct http_client_options options = {.user_agent = "test/1"};

	f->fds = open_fds();
	assert_int_equal(loop_new(&f->loop, NULL), 0);
	http_server_start(&f->server, f->loop, on_request, f);
	f->answer = answer_ok;
	assert_int_equal(http_client_new(f->loop, &options, &f->client, NULL), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	int left;

	http_client_free(f->client);
	http_server_stop(&f->server);
	loop_free(f->loop);
	buf_free(&f->seen);
	left = open_fds() - f->fds;
	free(f);
	return left;
}

static void call_done(struct http_request *req)
{
	struct call *c = container_of(req, struct call, req);

	assert_false(http_active(req));
	c->done++;
	c->f->done++;
}

static void call_init(struct call *c, struct fixture *f, const char *method)
{
	*c = (struct call){.f = f};
	c->req.method = method;
	c->req.url = f->server.url;
	c->req.timeout_ms = 20000;
	c->req.done = call_done;
}

static void call_free(struct call *c)
{
	http_request_free(&c->req);
	buf_free(&c->streamed);
}

static void wait_done(struct call *c)
{
	while (!c->done)
		loop_turn(c->f->loop, 20000);
	assert_int_equal(c->done, 1);
}

static void send_and_wait(struct call *c)
{
	c->done = 0;
	http_send(c->f->client, &c->req);
	assert_true(http_active(&c->req));
	assert_int_equal(c->done, 0);
	wait_done(c);
}

static void wait_held(struct fixture *f)
{
	while (!f->held)
		loop_turn(f->loop, 20000);
}

static void expect_ok(const struct call *c)
{
	assert_int_equal(c->req.err.class, ERR_NONE);
	assert_int_equal(c->req.status, 200);
	assert_string_equal(buf_str(&c->req.response), "hello");
	assert_true(c->req.sent);
}

static void expect_err(const struct call *c, enum err_class class, const char *reason)
{
	if (!str_eq(c->req.err.reason, reason))
		print_message("%s: %s\n", c->req.err.reason, err_message(&c->req.err));
	assert_string_equal(c->req.err.reason, reason);
	assert_int_equal(c->req.err.class, class);
}

static int collect(struct http_request *req, const char *data, size_t len)
{
	struct call *c = container_of(req, struct call, req);

	c->pieces++;
	return buf_add(&c->streamed, data, len);
}

static void stream_init(struct call *c, struct fixture *f)
{
	call_init(c, f, "GET");
	c->req.on_data = collect;
	c->req.timeout_ms = 0;
}

static void turns(struct fixture *f, int count)
{
	for (int i = 0; i < count; i++)
		loop_turn(f->loop, 0);
}

/* --- requests --- */

static void answer_with_headers(struct fixture *f, struct http_exchange *ex)
{
	(void)f;
	assert_string_equal(http_header(ex, "user-agent"), "test/1");
	assert_string_equal(http_header(ex, "authorization"), "Bearer secret-token");
	assert_null(http_header(ex, "accept-encoding"));
	assert_null(http_header(ex, "expect"));
	assert_null(http_header(ex, "content-type"));
	http_add_header(ex, "X-One: 1");
	http_reply(ex, 200, "text/plain", "hello", 5);
}

static void test_get(void **state)
{
	struct fixture *f = *state;
	auto_strvec headers = STRVEC_INIT;
	struct call c;

	f->answer = answer_with_headers;
	call_init(&c, f, "GET");
	strvec_add(&headers, "Authorization: Bearer secret-token");
	c.req.headers = &headers;
	c.req.keep_headers = true;
	send_and_wait(&c);
	expect_ok(&c);
	assert_string_equal(c.req.content_type, "text/plain");
	assert_int_equal(c.req.retry_after_ms, -1);
	assert_true(strvec_has(&c.req.response_headers, "x-one: 1"));
	assert_string_equal(buf_str(&f->seen), "GET / \n");
	call_free(&c);
}

static void test_methods(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *method, *body;
	} rows[] = {{"POST", "{\"a\":1}"}, {"PUT", "x"}, {"PATCH", "y"}, {"DELETE", "{}"},
		{"DELETE", NULL}, {"POST", NULL}, {"PATCH", NULL}, {"HEAD", NULL}};

	for (size_t i = 0; i < array_size(rows); i++) {
		auto_free char *seen =
			xasprintf("%s / %s\n", rows[i].method, rows[i].body ? rows[i].body : "");
		struct call c;

		call_init(&c, f, rows[i].method);
		c.req.body = rows[i].body;
		c.req.body_len = rows[i].body ? strlen(rows[i].body) : 0;
		send_and_wait(&c);
		assert_int_equal(c.req.status, 200);
		assert_string_equal(buf_str(&f->seen), seen);
		buf_reset(&f->seen);
		call_free(&c);
	}
	assert_int_equal(f->server.accepted, 1);
}

static void answer_echo(struct fixture *f, struct http_exchange *ex)
{
	(void)f;
	assert_null(http_header(ex, "expect"));
	http_reply(ex, 200, NULL, ex->body.data, ex->body.len);
}

static void test_large_bodies(void **state)
{
	struct fixture *f = *state;
	size_t len = (size_t)3 << 20;
	auto_free char *body = xmalloc(len);
	struct call c;

	f->answer = answer_echo;
	f->seen.max = 16; /* do not record */
	for (size_t i = 0; i < len; i++)
		body[i] = (char)(i * 31 + i / 1000);
	call_init(&c, f, "POST");
	c.req.body = body;
	c.req.body_len = len;
	send_and_wait(&c);
	assert_int_equal(c.req.err.class, ERR_NONE);
	assert_int_equal(c.req.response.len, len);
	assert_memory_equal(c.req.response.data, body, len);
	call_free(&c);
}

/* --- a body that is made while it is sent --- */

struct source {
	struct call call; /* first: on_body finds the source by it */
	size_t len, given, most;
	size_t piece; /* at most so many bytes at a time */
	size_t stop_at;
};

static int give_piece(struct http_request *req, char *into, size_t size, size_t *ret_len)
{
	struct source *s = container_of(req, struct source, call.req);
	size_t len = s->len - s->given;

	if (s->given >= s->stop_at)
		return -1;
	len = len < size ? len : size;
	len = len < s->piece ? len : s->piece;
	for (size_t i = 0; i < len; i++)
		into[i] = (char)((s->given + i) * 31);
	s->given += len;
	s->most = size > s->most ? size : s->most;
	*ret_len = len;
	return 0;
}

static void source_init(struct source *s, struct fixture *f, size_t len, size_t piece)
{
	*s = (struct source){.len = len, .piece = piece, .stop_at = SIZE_MAX};
	call_init(&s->call, f, "POST");
	s->call.req.on_body = give_piece;
	f->answer = answer_echo;
	f->seen.max = 16; /* do not record */
}

static void test_streamed_body(void **state)
{
	struct fixture *f = *state;
	static const struct {
		size_t len, piece;
	} rows[] = {{0, 1}, {1, 1}, {1000, 7}, {65536, 65536}, {(size_t)3 << 20, 1 << 20}};

	for (size_t i = 0; i < array_size(rows); i++) {
		struct source s;

		source_init(&s, f, rows[i].len, rows[i].piece);
		send_and_wait(&s.call);
		assert_int_equal(s.call.req.err.class, ERR_NONE);
		assert_int_equal(s.call.req.status, 200);
		assert_int_equal(s.call.req.response.len, rows[i].len);
		for (size_t k = 0; k < rows[i].len; k++)
			assert_int_equal(s.call.req.response.data[k], (char)(k * 31));
		assert_in_range(s.most, 1, 1 << 20);
		call_free(&s.call);
	}
	assert_int_equal(f->server.accepted, 1);
}

/* Whatever was sent is no request: the body never ended. */
static void test_streamed_body_stopped_by_its_source(void **state)
{
	struct fixture *f = *state;
	static const size_t stops[] = {0, 10, 100000};

	for (size_t i = 0; i < array_size(stops); i++) {
		struct source s;

		source_init(&s, f, 1 << 20, 1000);
		s.stop_at = stops[i];
		send_and_wait(&s.call);
		expect_err(&s.call, ERR_TRANSIENT, "Aborted");
		assert_non_null(strstr(err_message(&s.call.req.err), "source of the body"));
		call_free(&s.call);
	}
	assert_int_equal(f->server.requests, 0);
}

static void test_streamed_body_cancelled(void **state)
{
	struct fixture *f = *state;

	for (int turn = 0; turn < 40; turn++) {
		struct source s;

		source_init(&s, f, (size_t)8 << 20, 1000);
		http_send(f->client, &s.call.req);
		for (int i = 0; i < turn; i++)
			loop_turn(f->loop, 50);
		http_cancel(&s.call.req);
		turns(f, 3);
		assert_int_equal(s.call.done, 0);
		call_free(&s.call);
	}
	assert_int_equal(f->server.requests, 0);
}

/* The server goes away in the middle: an error, and no second try with half a body. */
static void test_streamed_body_refused(void **state)
{
	struct fixture *f = *state;
	struct source s;

	source_init(&s, f, (size_t)1 << 40, 1 << 16);
	http_send(f->client, &s.call.req);
	while (!s.given)
		loop_turn(f->loop, 20000);
	http_server_cut_all(&f->server);
	wait_done(&s.call);
	expect_err(&s.call, ERR_TRANSIENT, "Aborted");
	assert_true(s.call.req.sent);
	call_free(&s.call);
}

static void test_invalid_requests(void **state)
{
	struct fixture *f = *state;
	static const char *const urls[] = {"", "not a url", "ftp://127.0.0.1/x", "http://"};
	auto_strvec headers = STRVEC_INIT;
	struct call c;

	call_init(&c, f, "GET");
	for (size_t i = 0; i < array_size(urls); i++) {
		c.req.url = urls[i];
		send_and_wait(&c);
		expect_err(&c, ERR_USER, "InvalidRequest");
		assert_int_equal(c.req.status, 0);
		assert_false(c.req.sent);
	}
	strvec_add(&headers, "Authorization: Bearer secret\r\nX-Smuggled: 1");
	c.req.url = f->server.url;
	c.req.headers = &headers;
	send_and_wait(&c);
	expect_err(&c, ERR_USER, "InvalidRequest");
	assert_null(strstr(c.req.err.message, "secret"));
	assert_int_equal(f->server.accepted, 0);
	call_free(&c);
}

static void answer_warning(struct fixture *f, struct http_exchange *ex)
{
	(void)f;
	http_add_header(ex, "Warning: 199 - \"other code\"");
	http_add_header(ex, "Warning: 299 - \"v1 is \\\"old\\\"\"");
	http_add_header(ex, "Warning: 299 - \"second\"");
	http_add_header(ex, "Retry-After: 7");
	http_reply(ex, 429, "application/json", "{}", 2);
}

static void answer_retry_date(struct fixture *f, struct http_exchange *ex)
{
	(void)f;
	http_add_header(ex, "Retry-After: Wed, 21 Oct 2026 07:28:00 GMT");
	http_reply(ex, 503, NULL, "", 0);
}

static void test_warning_and_retry_after(void **state)
{
	struct fixture *f = *state;
	struct call c;

	f->answer = answer_warning;
	call_init(&c, f, "GET");
	send_and_wait(&c);
	assert_int_equal(c.req.err.class, ERR_NONE);
	assert_int_equal(c.req.status, 429);
	assert_int_equal(c.req.retry_after_ms, 7000);
	assert_string_equal(c.req.warning, "v1 is \"old\"");
	f->answer = answer_retry_date;
	send_and_wait(&c);
	assert_int_equal(c.req.status, 503);
	assert_int_equal(c.req.retry_after_ms, -1);
	assert_null(c.req.warning);
	assert_null(c.req.content_type);
	call_free(&c);
}

static void answer_redirect(struct fixture *f, struct http_exchange *ex)
{
	(void)f;
	http_add_header(ex, "Location: /elsewhere");
	http_reply(ex, 302, NULL, "", 0);
}

static void answer_continue(struct fixture *f, struct http_exchange *ex)
{
	static const char early[] = "HTTP/1.1 100 Continue\r\nRetry-After: 9\r\n\r\n";

	(void)f;
	http_raw(ex, early, sizeof(early) - 1);
	http_reply(ex, 200, NULL, "hello", 5);
}

static void test_redirect_and_continue(void **state)
{
	struct fixture *f = *state;
	struct call c;

	f->answer = answer_redirect;
	call_init(&c, f, "GET");
	send_and_wait(&c);
	assert_int_equal(c.req.status, 302);
	assert_int_equal(f->server.requests, 1);
	f->answer = answer_continue;
	send_and_wait(&c);
	expect_ok(&c);
	assert_int_equal(c.req.retry_after_ms, -1);
	call_free(&c);
}

/* --- the answer split and cut at every byte --- */

static const char whole_answer[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
				   "Retry-After: 3\r\nContent-Length: 5\r\n\r\nhello";
static const char chunked_answer[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
				     "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n";

static void answer_split(struct fixture *f, struct http_exchange *ex)
{
	bool chunked = str_eq(ex->target, "/chunked");
	const char *answer = chunked ? chunked_answer : whole_answer;

	http_split_at(ex, f->at);
	http_raw(ex, answer, strlen(answer));
	http_end(ex);
}

static void answer_cut(struct fixture *f, struct http_exchange *ex)
{
	http_cut_at(ex, f->at);
	answer_split(f, ex);
}

static void test_split_at_every_byte(void **state)
{
	struct fixture *f = *state;
	auto_free char *chunked_url = xasprintf("%s/chunked", f->server.url);
	struct call c, s;

	f->answer = answer_split;
	f->seen.max = 16;
	for (f->at = 0; f->at <= sizeof(chunked_answer) + sizeof(whole_answer); f->at++) {
		call_init(&c, f, "GET");
		send_and_wait(&c);
		expect_ok(&c);
		assert_int_equal(c.req.retry_after_ms, 3000);
		c.req.url = chunked_url;
		send_and_wait(&c);
		expect_ok(&c);
		call_free(&c);

		stream_init(&s, f);
		s.req.url = chunked_url;
		send_and_wait(&s);
		assert_string_equal(buf_str(&s.streamed), "hello");
		assert_int_equal(s.req.response.len, 0);
		call_free(&s);
	}
	assert_int_equal(f->server.accepted, 1);
}

static void answer_trailer(struct fixture *f, struct http_exchange *ex)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
				     "5\r\nhello\r\n0\r\nX-Trailer: 1\r\n\r\n";

	(void)f;
	http_raw(ex, answer, sizeof(answer) - 1);
	http_end(ex);
}

static void test_trailer(void **state)
{
	struct fixture *f = *state;
	struct call c;

	f->answer = answer_trailer;
	call_init(&c, f, "GET");
	send_and_wait(&c);
	expect_ok(&c);
	call_free(&c);
}

static void answer_drip(struct fixture *f, struct http_exchange *ex)
{
	http_drip(ex, 1);
	answer_split(f, ex);
}

static void test_one_byte_per_turn(void **state)
{
	struct fixture *f = *state;
	struct call c;

	f->answer = answer_drip;
	call_init(&c, f, "GET");
	send_and_wait(&c);
	expect_ok(&c);
	call_free(&c);
}

static void test_cut_at_every_byte(void **state)
{
	struct fixture *f = *state;
	auto_free char *chunked_url = xasprintf("%s/chunked", f->server.url);
	struct call c;

	f->answer = answer_cut;
	f->seen.max = 16;
	for (int chunked = 0; chunked < 2; chunked++) {
		size_t len = chunked ? sizeof(chunked_answer) - 1 : sizeof(whole_answer) - 1;

		for (f->at = 0; f->at < len; f->at++) {
			call_init(&c, f, "POST");
			c.req.body = "{}";
			c.req.body_len = 2;
			c.req.url = chunked ? chunked_url : f->server.url;
			send_and_wait(&c);
			/* Of the last chunk only "0" and its line end matter to curl. */
			if (c.req.err.class == ERR_NONE)
				assert_true(chunked && f->at >= len - 4);
			else
				expect_err(&c, ERR_TRANSIENT, "Aborted");
			assert_true(c.req.sent);
			assert_int_equal(f->server.requests, f->server.accepted);
			call_free(&c);
		}
	}
}

/* --- connections --- */

static void test_keep_alive_and_reset(void **state)
{
	struct fixture *f = *state;
	struct call c;

	call_init(&c, f, "GET");
	for (int i = 0; i < 5; i++) {
		send_and_wait(&c);
		expect_ok(&c);
	}
	assert_int_equal(f->server.accepted, 1);
	http_client_reset_connections(f->client);
	send_and_wait(&c);
	expect_ok(&c);
	assert_int_equal(f->server.accepted, 2);
	turns(f, 3);
	assert_int_equal(f->server.open, 1);
	call_free(&c);
}

/* The one in flight ends on its old connection, which nobody uses after it. */
static void test_reset_in_flight(void **state)
{
	struct fixture *f = *state;
	struct call a, b;

	f->answer = answer_hold;
	call_init(&a, f, "GET");
	http_send(f->client, &a.req);
	wait_held(f);
	http_client_reset_connections(f->client);
	http_reply(f->held, 200, NULL, "hello", 5);
	wait_done(&a);
	expect_ok(&a);
	f->answer = answer_ok;
	call_init(&b, f, "GET");
	send_and_wait(&b);
	expect_ok(&b);
	assert_int_equal(f->server.accepted, 2);
	turns(f, 3);
	assert_int_equal(f->server.open, 1);
	call_free(&a);
	call_free(&b);
}

static void test_connect_refused(void **state)
{
	struct fixture *f = *state;
	auto_free char *want =
		xasprintf("127.0.0.1:%u: Failed to connect to 127.0.0.1 port %u: Couldn't connect "
			  "to server",
			(unsigned)f->server.port, (unsigned)f->server.port);
	struct call c;

	http_server_refuse(&f->server, true);
	call_init(&c, f, "GET");
	send_and_wait(&c);
	expect_err(&c, ERR_TRANSIENT, "ConnectFailed");
	assert_string_equal(c.req.err.message, want);
	assert_false(c.req.sent);
	assert_int_equal(c.req.status, 0);
	http_server_refuse(&f->server, false);
	send_and_wait(&c);
	expect_ok(&c);
	call_free(&c);
}

static void test_unknown_host(void **state)
{
	struct fixture *f = *state;
	struct call c;
	int before;

	call_init(&c, f, "GET");
	c.req.url = "http://no-such-host.invalid:81/";
	send_and_wait(&c);
	expect_err(&c, ERR_TRANSIENT, "ConnectFailed");
	assert_non_null(strstr(c.req.err.message, "no-such-host.invalid:81"));
	assert_false(c.req.sent);
	/* Cancelled while a thread looks it up; the thread ends by itself. */
	before = open_fds();
	http_send(f->client, &c.req);
	turns(f, 2);
	call_free(&c);
	while (open_fds() > before)
		loop_turn(f->loop, 1);
}

/* The proxy of the environment must not be asked, nor its exceptions. */
static void test_environment_ignored(void **state)
{
	struct fixture *f = *state;
	struct http_client_options options = {.proxy = f->server.url};
	struct http_client *direct = f->client, *proxied;
	struct call c;

	setenv("http_proxy", "http://127.0.0.1:1", 1);
	setenv("no_proxy", "example.test", 1);
	call_init(&c, f, "GET");
	send_and_wait(&c);
	expect_ok(&c);

	assert_int_equal(http_client_new(f->loop, &options, &proxied, NULL), 0);
	f->client = proxied;
	c.req.url = "http://example.test/path";
	send_and_wait(&c);
	expect_ok(&c);
	assert_string_equal(buf_str(&f->seen), "GET / \nGET http://example.test/path \n");
	f->client = direct;
	http_client_free(proxied);
	unsetenv("http_proxy");
	unsetenv("no_proxy");
	call_free(&c);
}

/* A kept connection that ends without an answer: a read is tried again, a write never. */
static void answer_first_only(struct fixture *f, struct http_exchange *ex)
{
	if (f->server.requests == 1 || f->server.accepted > 1)
		answer_ok(f, ex);
	else
		http_cut(ex);
}

static void test_dead_connection_read(void **state)
{
	struct fixture *f = *state;
	struct call c;

	f->answer = answer_first_only;
	call_init(&c, f, "GET");
	send_and_wait(&c);
	send_and_wait(&c);
	expect_ok(&c);
	assert_int_equal(f->server.requests, 3);
	call_free(&c);
}

static void test_dead_connection_write(void **state)
{
	struct fixture *f = *state;
	struct call c;

	f->answer = answer_first_only;
	call_init(&c, f, "POST");
	c.req.body = "{}";
	c.req.body_len = 2;
	send_and_wait(&c);
	send_and_wait(&c);
	expect_err(&c, ERR_TRANSIENT, "Aborted");
	assert_true(c.req.sent);
	assert_int_equal(f->server.requests, 2);
	send_and_wait(&c);
	expect_ok(&c);
	call_free(&c);
}

static void test_idle_connection_closed_by_server(void **state)
{
	struct fixture *f = *state;
	struct call c;

	call_init(&c, f, "POST");
	c.req.body = "{}";
	c.req.body_len = 2;
	send_and_wait(&c);
	http_server_cut_all(&f->server);
	send_and_wait(&c);
	expect_ok(&c);
	assert_int_equal(f->server.accepted, 2);
	call_free(&c);
}

/* --- time-outs and limits --- */

static void test_timeout(void **state)
{
	struct fixture *f = *state;
	struct call c;

	f->answer = answer_hold;
	call_init(&c, f, "POST");
	c.req.timeout_ms = 300;
	send_and_wait(&c);
	expect_err(&c, ERR_TRANSIENT, "Timeout");
	assert_true(c.req.sent);
	assert_int_equal(c.req.status, 0);
	while (f->released < 1)
		loop_turn(f->loop, 20000);
	call_free(&c);
}

static void test_idle_timeout(void **state)
{
	struct fixture *f = *state;
	struct call c;
	int64_t start = time_mono_ms(), last;

	f->answer = answer_hold;
	stream_init(&c, f);
	c.req.idle_timeout_ms = 300;
	http_send(f->client, &c.req);
	wait_held(f);
	http_reply_chunked(f->held, 200, NULL);
	/* Data keeps it alive beyond its limit. */
	do {
		last = time_mono_ms();
		http_chunk(f->held, "x", 1);
		for (size_t before = c.pieces; c.pieces == before && !c.done;)
			loop_turn(f->loop, 20000);
		loop_turn(f->loop, 20);
	} while (time_mono_ms() - start < 600 && !c.done);
	assert_int_equal(c.done, 0);
	wait_done(&c);
	expect_err(&c, ERR_TRANSIENT, "IdleTimeout");
	assert_true(time_mono_ms() - last >= 300);
	assert_int_equal(c.req.status, 200);
	call_free(&c);
}

static void answer_big(struct fixture *f, struct http_exchange *ex)
{
	auto_free char *body = xcalloc(1, f->at);

	memset(body, 'b', f->at);
	http_reply(ex, str_eq(ex->target, "/error") ? 500 : 200, NULL, body, f->at);
}

static void test_response_too_large(void **state)
{
	struct fixture *f = *state;
	struct call c;

	f->answer = answer_big;
	call_init(&c, f, "GET");
	c.req.max_response = 1000;
	f->at = 1000;
	send_and_wait(&c);
	assert_int_equal(c.req.err.class, ERR_NONE);
	assert_int_equal(c.req.response.len, 1000);
	f->at = 1001;
	send_and_wait(&c);
	expect_err(&c, ERR_TRANSIENT, "ResponseTooLarge");
	f->at = 1000000;
	send_and_wait(&c);
	expect_err(&c, ERR_TRANSIENT, "ResponseTooLarge");
	call_free(&c);
}

static void answer_many_headers(struct fixture *f, struct http_exchange *ex)
{
	auto_free char *value = xcalloc(1, 1001);
	auto_free char *line = NULL;

	(void)f;
	memset(value, 'h', 1000);
	line = xasprintf("X-Long: %s", value);
	for (int i = 0; i < 1000; i++)
		http_add_header(ex, line);
	http_reply(ex, 200, NULL, "", 0);
}

static void test_headers_too_large(void **state)
{
	struct fixture *f = *state;
	struct call c;

	f->answer = answer_many_headers;
	call_init(&c, f, "GET");
	c.req.keep_headers = true;
	send_and_wait(&c);
	expect_err(&c, ERR_TRANSIENT, "ResponseTooLarge");
	call_free(&c);
}

/* --- streams --- */

static void test_stream(void **state)
{
	struct fixture *f = *state;
	struct call c;

	f->answer = answer_hold;
	stream_init(&c, f);
	http_send(f->client, &c.req);
	wait_held(f);
	http_reply_chunked(f->held, 200, "application/json");
	for (size_t i = 1; i <= 20; i++) {
		http_chunk(f->held, "line\n", 5);
		while (c.streamed.len < i * 5)
			loop_turn(f->loop, 20000);
	}
	assert_int_equal(c.done, 0);
	http_end(f->held);
	wait_done(&c);
	assert_int_equal(c.req.err.class, ERR_NONE);
	assert_int_equal(c.req.status, 200);
	assert_string_equal(c.req.content_type, "application/json");
	assert_int_equal(c.req.response.len, 0);
	assert_int_equal(c.pieces, 20);
	call_free(&c);
}

static void test_stream_error_body(void **state)
{
	struct fixture *f = *state;
	auto_free char *url = xasprintf("%s/error", f->server.url);
	struct call c;

	f->answer = answer_big;
	stream_init(&c, f);
	c.req.url = url;
	f->at = 500;
	send_and_wait(&c);
	assert_int_equal(c.req.err.class, ERR_NONE);
	assert_int_equal(c.req.status, 500);
	assert_int_equal(c.req.response.len, 500);
	assert_int_equal(c.pieces, 0);
	f->at = 300000;
	send_and_wait(&c);
	assert_int_equal(c.req.err.class, ERR_NONE);
	assert_int_equal(c.req.status, 500);
	assert_int_equal(c.req.response.len, 65536);
	call_free(&c);
}

static int refuse_data(struct http_request *req, const char *data, size_t len)
{
	(void)req;
	(void)data;
	return len > 0 ? -1 : 0;
}

static void test_stream_stopped_by_reader(void **state)
{
	struct fixture *f = *state;
	struct call c;

	stream_init(&c, f);
	c.req.on_data = refuse_data;
	send_and_wait(&c);
	expect_err(&c, ERR_TRANSIENT, "Aborted");
	assert_int_equal(c.req.status, 200);
	call_free(&c);
}

/* on_data runs inside curl, where curl may not be called: what it starts, cancels and resets must
 * still happen. */
struct busy_stream {
	struct call stream;
	struct call started;
	struct call cancelled;
};

static int busy_data(struct http_request *req, const char *data, size_t len)
{
	struct call *c = container_of(req, struct call, req);
	struct busy_stream *b = container_of(c, struct busy_stream, stream);

	(void)data;
	(void)len;
	if (!http_active(&b->cancelled.req))
		return 0;
	http_request_free(&b->cancelled.req);
	memset(&b->cancelled, 0xee, sizeof(b->cancelled));
	b->cancelled.req.client = NULL;
	http_client_reset_connections(c->f->client);
	call_init(&b->started, c->f, "GET");
	http_send(c->f->client, &b->started.req);
	return 0;
}

static void test_calls_inside_on_data(void **state)
{
	struct fixture *f = *state;
	struct busy_stream *b = xnew(struct busy_stream);

	f->answer = answer_hold;
	stream_init(&b->stream, f);
	b->stream.req.on_data = busy_data;
	http_send(f->client, &b->stream.req);
	wait_held(f);
	http_reply_chunked(f->held, 200, NULL);
	http_chunk(f->held, "x", 1);
	struct http_exchange *first = take_ptr(f->held);
	call_init(&b->cancelled, f, "GET");
	http_send(f->client, &b->cancelled.req);
	while (f->server.requests < 3)
		loop_turn(f->loop, 20000);
	while (f->released < 1) /* the cancelled one */
		loop_turn(f->loop, 20000);
	http_reply(f->held, 200, NULL, "hello", 5);
	wait_done(&b->started);
	expect_ok(&b->started);
	http_end(first);
	wait_done(&b->stream);
	assert_int_equal(b->stream.req.err.class, ERR_NONE);
	call_free(&b->stream);
	call_free(&b->started);
	free(b);
}

/* --- cancel --- */

static void test_cancel_in_every_state(void **state)
{
	struct fixture *f = *state;
	struct call c;

	/* Turn by turn: just sent, connecting, waiting for the answer, in the middle of it, at the
	 * end, finished but not reported. */
	f->answer = answer_drip;
	f->seen.max = 16;
	for (int turn = 0; turn < 200; turn++) {
		call_init(&c, f, turn % 2 ? "POST" : "GET");
		c.req.body = turn % 2 ? "{}" : NULL;
		c.req.body_len = turn % 2 ? 2 : 0;
		http_send(f->client, &c.req);
		for (int i = 0; i < turn && !c.done; i++)
			loop_turn(f->loop, 50);
		http_cancel(&c.req);
		http_cancel(&c.req);
		assert_false(http_active(&c.req));
		if (c.done)
			expect_ok(&c);
		c.done = -1000;
		turns(f, 3);
		assert_int_equal(c.done, -1000);
		call_free(&c);
	}
	assert_true(f->server.requests > 100);
}

/* Two that fail at once are both finished when the first is reported; it cancels the other. */
struct pair {
	struct call first, second;
};

static void done_cancels_second(struct http_request *req)
{
	struct call *c = container_of(req, struct call, req);
	struct pair *pair = container_of(c, struct pair, first);

	c->done++;
	http_cancel(&pair->second.req);
}

static void test_cancel_when_finished(void **state)
{
	struct fixture *f = *state;
	struct pair pair;

	call_init(&pair.first, f, "GET");
	call_init(&pair.second, f, "GET");
	pair.first.req.url = "";
	pair.second.req.url = "";
	pair.first.req.done = done_cancels_second;
	http_send(f->client, &pair.first.req);
	http_send(f->client, &pair.second.req);
	wait_done(&pair.first);
	turns(f, 3);
	assert_int_equal(pair.second.done, 0);
	call_free(&pair.first);
	call_free(&pair.second);
}

static void done_frees(struct http_request *req)
{
	struct call *c = container_of(req, struct call, req);

	c->f->done++;
	http_request_free(req);
	free(c);
}

static void test_done_frees_its_request(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 20; i++) {
		struct call *c = xnew(struct call);

		call_init(c, f, "GET");
		c->req.done = done_frees;
		http_send(f->client, &c->req);
	}
	while (f->done < 20)
		loop_turn(f->loop, 20000);
}

static void done_sends_again(struct http_request *req)
{
	struct call *c = container_of(req, struct call, req);

	if (++c->done < 10)
		http_send(c->f->client, req);
}

static void test_done_sends_again(void **state)
{
	struct fixture *f = *state;
	struct call c;

	call_init(&c, f, "GET");
	c.req.done = done_sends_again;
	http_send(f->client, &c.req);
	while (c.done < 10)
		loop_turn(f->loop, 20000);
	expect_ok(&c);
	/* Failing at once must not keep the turn from ending. */
	c.req.url = "";
	c.done = 0;
	http_send(f->client, &c.req);
	for (int i = 1; i <= 10; i++) {
		loop_turn(f->loop, 20000);
		assert_int_equal(c.done, i);
	}
	call_free(&c);
}

static void done_frees_client(struct http_request *req)
{
	struct call *c = container_of(req, struct call, req);

	c->done++;
	http_client_free(c->f->client);
	c->f->client = NULL;
}

static void test_done_frees_the_client(void **state)
{
	struct fixture *f = *state;
	struct call c;

	call_init(&c, f, "GET");
	c.req.done = done_frees_client;
	http_send(f->client, &c.req);
	wait_done(&c);
	expect_ok(&c);
	call_free(&c);
}

/* --- the fake server's own parsing, which libcurl does not exercise --- */

static void test_server_parses_any_split(void **state)
{
	static const char requests[] =
		"POST /a?x=1%202&y HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
		"3\r\nabc\r\nA;ext=1\r\n0123456789\r\n0\r\n\r\n"
		"PUT /b HTTP/1.1\r\nX-Name:  value\r\ncontent-length: 2\r\n\r\nhi"
		"GET /c HTTP/1.1\r\n\r\n";
	struct fixture *f = *state;
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(f->server.port)};

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (size_t piece = 1; piece < sizeof(requests); piece += piece < 8 ? 1 : 7) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		size_t want = f->server.requests + 3;

		assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
		for (size_t at = 0; at < sizeof(requests) - 1; at += piece) {
			size_t len = sizeof(requests) - 1 - at;

			len = len < piece ? len : piece;
			assert_int_equal(send(fd, requests + at, len, 0), len);
			loop_turn(f->loop, 0);
		}
		while (f->server.requests < want)
			loop_turn(f->loop, 20000);
		assert_string_equal(
			buf_str(&f->seen), "POST /a?x=1%202&y abc0123456789\nPUT /b hi\nGET /c \n");
		buf_reset(&f->seen);
		close(fd);
		while (f->server.open > 0)
			loop_turn(f->loop, 20000);
	}
}

static void answer_parsed(struct fixture *f, struct http_exchange *ex)
{
	auto_free char *x = http_query(ex, "x");
	auto_free char *y = http_query(ex, "y");
	auto_free char *z = http_query(ex, "z");

	(void)f;
	assert_string_equal(ex->path, "/a");
	assert_string_equal(x, "1 2");
	assert_string_equal(y, "");
	assert_null(z);
	http_reply(ex, 200, NULL, "hello", 5);
}

static void test_server_query(void **state)
{
	struct fixture *f = *state;
	auto_free char *url = xasprintf("%s/a?x=1%%202&y", f->server.url);
	struct call c;

	f->answer = answer_parsed;
	call_init(&c, f, "GET");
	c.req.url = url;
	send_and_wait(&c);
	expect_ok(&c);
	call_free(&c);
}

/* --- many --- */

static void test_parallel(void **state)
{
	struct fixture *f = *state;
	enum { COUNT = 100 };
	struct call *calls = xcalloc(COUNT, sizeof(*calls));

	for (int i = 0; i < COUNT; i++) {
		call_init(&calls[i], f, "GET");
		http_send(f->client, &calls[i].req);
	}
	while (f->done < COUNT)
		loop_turn(f->loop, 20000);
	for (int i = 0; i < COUNT; i++) {
		expect_ok(&calls[i]);
		call_free(&calls[i]);
	}
	assert_int_equal(f->server.requests, COUNT);
	assert_true(f->server.accepted <= 8);
	free(calls);
}

/* Streams do not take the places of ordinary requests. */
static void test_streams_do_not_starve_requests(void **state)
{
	struct fixture *f = *state;
	enum { COUNT = 20 };
	struct call *streams = xcalloc(COUNT, sizeof(*streams));
	struct call c;

	f->answer = answer_hold;
	for (int i = 0; i < COUNT; i++) {
		stream_init(&streams[i], f);
		http_send(f->client, &streams[i].req);
	}
	while (f->server.requests < COUNT)
		loop_turn(f->loop, 20000);
	f->answer = answer_ok;
	call_init(&c, f, "GET");
	send_and_wait(&c);
	expect_ok(&c);
	call_free(&c);
	for (int i = 0; i < COUNT; i++)
		call_free(&streams[i]);
	free(streams);
	while (f->released < COUNT)
		loop_turn(f->loop, 20000);
}

static void test_waiting_request(void **state)
{
	struct fixture *f = *state;
	struct call calls[10];

	f->answer = answer_hold;
	for (int i = 0; i < 10; i++) {
		call_init(&calls[i], f, "GET");
		http_send(f->client, &calls[i].req);
	}
	while (f->server.requests < 8)
		loop_turn(f->loop, 20000);
	turns(f, 10);
	assert_int_equal(f->server.requests, 8);
	http_cancel(&calls[8].req); /* waits */
	http_cancel(&calls[0].req); /* makes room for the other */
	while (f->server.requests < 9)
		loop_turn(f->loop, 20000);
	for (int i = 0; i < 10; i++)
		call_free(&calls[i]);
	assert_int_equal(f->done, 0);
}

static void test_client_options(void **state)
{
	struct fixture *f = *state;
	struct http_client_options options = {.client_cert_pem = "x"};
	struct http_client *client = NULL;
	auto_err err = ERR_INIT;

	assert_int_equal(http_client_new(f->loop, &options, &client, &err), -1);
	assert_int_equal(err.class, ERR_USER);
	assert_null(client);
	http_client_free(NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_get),
		TEST(test_methods),
		TEST(test_large_bodies),
		TEST(test_streamed_body),
		TEST(test_streamed_body_stopped_by_its_source),
		TEST(test_streamed_body_cancelled),
		TEST(test_streamed_body_refused),
		TEST(test_invalid_requests),
		TEST(test_warning_and_retry_after),
		TEST(test_redirect_and_continue),
		TEST(test_split_at_every_byte),
		TEST(test_trailer),
		TEST(test_one_byte_per_turn),
		TEST(test_cut_at_every_byte),
		TEST(test_keep_alive_and_reset),
		TEST(test_reset_in_flight),
		TEST(test_connect_refused),
		TEST(test_unknown_host),
		TEST(test_environment_ignored),
		TEST(test_dead_connection_read),
		TEST(test_dead_connection_write),
		TEST(test_idle_connection_closed_by_server),
		TEST(test_timeout),
		TEST(test_idle_timeout),
		TEST(test_response_too_large),
		TEST(test_headers_too_large),
		TEST(test_stream),
		TEST(test_stream_error_body),
		TEST(test_stream_stopped_by_reader),
		TEST(test_calls_inside_on_data),
		TEST(test_cancel_in_every_state),
		TEST(test_cancel_when_finished),
		TEST(test_done_frees_its_request),
		TEST(test_done_sends_again),
		TEST(test_done_frees_the_client),
		TEST(test_server_parses_any_split),
		TEST(test_server_query),
		TEST(test_parallel),
		TEST(test_streams_do_not_starve_requests),
		TEST(test_waiting_request),
		TEST(test_client_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

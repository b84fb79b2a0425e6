#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "base/base64.h"
#include "base/digest.h"
#include "base/mem.h"
#include "base/str.h"
#include "net/registry.h"
#include "tests/fake/http_server.h"
#include "open_fds.h"

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define DIGEST "sha256:" HEX64
#define SECRET "s3cr3t/+=:"
#define INDEX_TYPE "application/vnd.oci.image.index.v1+json"
#define MANIFEST "{\"schemaVersion\": 2, \"manifests\": []}"

/* --- fixture --- */

struct fixture {
	int fds;
	struct loop *loop;
	struct http_server server; /* the registry */
	struct http_server other;  /* a mirror, a token server, a stranger */
	struct registry_client *client;
	struct strvec insecure;
	char *host; /* "127.0.0.1:<port>" of the registry */
	char *other_host;
	char *image; /* "<host>/team/app:1" */
	void (*answer)(struct fixture *f, struct http_exchange *ex);
	void (*other_answer)(struct fixture *f, struct http_exchange *ex);
	struct strvec seen; /* "METHOD target [authorization] body" */
	struct strvec other_seen;
	struct registry_auth_list auths;
	struct http_exchange *held[16];
	size_t held_len;
	size_t tokens; /* given out */
	int fails;     /* answers that are still to be bad */
};

struct question {
	struct fixture *f;
	struct registry_op op;
	int done;
};

static const char *authorization(struct http_exchange *ex)
{
	const char *value = http_header(ex, "authorization");

	return value ? value : "-";
}

static void on_request(struct http_server *server, struct http_exchange *ex)
{
	struct fixture *f = server->user;
	struct strvec *seen = server == &f->server ? &f->seen : &f->other_seen;

	strvec_addf(seen, "%s %s %s%s%s", ex->method, ex->target, authorization(ex),
		ex->body.len ? " " : "", buf_str(&ex->body));
	if (server == &f->server)
		f->answer(f, ex);
	else
		f->other_answer(f, ex);
}

static void reply(struct http_exchange *ex, int status, const char *type, const char *body)
{
	http_reply(ex, status, type, body, strlen(body));
}

static void answer_ok(struct fixture *f, struct http_exchange *ex)
{
	(void)f;
	http_add_header(ex, "Docker-Content-Digest: " DIGEST);
	reply(ex, 200, INDEX_TYPE, "");
}

static void answer_not_found(struct fixture *f, struct http_exchange *ex)
{
	(void)f;
	reply(ex, 404, "application/json", "");
}

static void client_make(struct fixture *f, struct registry_client_options options)
{
	auto_err err = ERR_INIT;

	options.insecure_hosts = &f->insecure;
	if (!options.retry_ms)
		options.retry_ms = 1;
	if (!options.request_ms)
		options.request_ms = 20000;
	registry_client_free(f->client);
	if (registry_client_new(f->loop, &options, &f->client, &err) < 0)
		fail_msg("%s", err_message(&err));
}

static int setup(void **state)
{
	struct fixture *f = xnew(struct fixture);

	f->fds = open_fds();
	assert_int_equal(loop_new(&f->loop, NULL), 0);
	http_server_start(&f->server, f->loop, on_request, f);
	http_server_start(&f->other, f->loop, on_request, f);
	f->answer = answer_ok;
	f->other_answer = answer_ok;
	f->host = xstrdup(f->server.url + strlen("http://"));
	f->other_host = xstrdup(f->other.url + strlen("http://"));
	f->image = xasprintf("%s/team/app:1", f->host);
	strvec_add(&f->insecure, f->server.url);
	client_make(f, (struct registry_client_options){0});
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	int left;

	registry_client_free(f->client);
	http_server_stop(&f->server);
	http_server_stop(&f->other);
	loop_free(f->loop);
	strvec_clear(&f->insecure);
	strvec_clear(&f->seen);
	strvec_clear(&f->other_seen);
	registry_auth_clear(&f->auths);
	free(f->host);
	free(f->other_host);
	free(f->image);
	left = open_fds() - f->fds;
	free(f);
	return left;
}

static void question_done(struct registry_op *op)
{
	struct question *q = container_of(op, struct question, op);

	q->done++;
}

static void ask(struct fixture *f, struct question *q, const char *image)
{
	*q = (struct question){.f = f};
	q->op.image = image;
	q->op.auths = &f->auths;
	q->op.done = question_done;
	registry_resolve(f->client, &q->op);
	assert_int_equal(q->done, 0);
}

static void wait_done(struct question *q)
{
	while (!q->done)
		loop_turn(q->f->loop, 20000);
	assert_int_equal(q->done, 1);
	if (q->op.err.class != ERR_NONE) {
		assert_null(q->op.digest);
		assert_null(strstr(err_message(&q->op.err), "s3cr3t"));
	}
}

static void assert_digest(struct question *q)
{
	wait_done(q);
	if (q->op.err.class != ERR_NONE)
		fail_msg("%s: %s", q->op.err.reason, err_message(&q->op.err));
	assert_string_equal(q->op.digest, DIGEST);
}

/* Waits; the reason, and that the message holds the text. */
static void assert_err(
	struct question *q, enum err_class class, const char *reason, const char *text)
{
	wait_done(q);
	if (q->op.err.class == ERR_NONE)
		fail_msg("it has %s", q->op.digest);
	if (!str_eq(q->op.err.reason, reason) || !strstr(err_message(&q->op.err), text))
		fail_msg("%s: %s", q->op.err.reason, err_message(&q->op.err));
	assert_int_equal(q->op.err.class, class);
}

/* A question whose answer is an error that names the image. */
static void ask_err(struct fixture *f, enum err_class class, const char *reason, const char *text)
{
	struct question q;

	ask(f, &q, f->image);
	assert_err(&q, class, reason, text);
	assert_non_null(strstr(err_message(&q.op.err), "/team/app:1"));
	registry_op_free(&q.op);
}

static void ask_ok(struct fixture *f, const char *image)
{
	struct question q;

	ask(f, &q, image);
	assert_digest(&q);
	registry_op_free(&q.op);
}

static void add_auth(struct fixture *f, const char *host, const char *user, const char *password)
{
	registry_auth_add(&f->auths, host, "", user, password, NULL);
}

static void assert_seen(const struct strvec *seen, size_t i, const char *start)
{
	assert_true(i < seen->len);
	if (!str_starts_with(seen->items[i], start))
		fail_msg("request %zu is \"%s\", not \"%s\"", i, seen->items[i], start);
}

static char *basic(const char *pair)
{
	auto_free char *encoded = base64_encode(pair, strlen(pair));

	return xasprintf("Basic %s", encoded);
}

/* --- the plain way --- */

static void accept_seen(struct fixture *f, struct http_exchange *ex)
{
	const char *accept = http_header(ex, "accept");

	assert_non_null(strstr(accept, "application/vnd.oci.image.index.v1+json"));
	assert_non_null(strstr(accept, "application/vnd.oci.image.manifest.v1+json"));
	assert_non_null(
		strstr(accept, "application/vnd.docker.distribution.manifest.list.v2+json"));
	assert_non_null(strstr(accept, "application/vnd.docker.distribution.manifest.v2+json"));
	answer_ok(f, ex);
}

static void head_is_enough(void **state)
{
	struct fixture *f = *state;
	struct question q;
	auto_free char *pinned = xasprintf("%s/team/app@%s", f->host, DIGEST);

	f->answer = accept_seen;
	ask(f, &q, f->image);
	assert_digest(&q);
	assert_string_equal(q.op.pinned, pinned);
	registry_op_free(&q.op);
	assert_int_equal(f->seen.len, 1);
	assert_string_equal(f->seen.items[0], "HEAD /v2/team/app/manifests/1 -");
}

static void remembered(void **state)
{
	struct fixture *f = *state;

	ask_ok(f, f->image);
	ask_ok(f, f->image);
	assert_int_equal(f->seen.len, 1);
	registry_client_forget(f->client);
	ask_ok(f, f->image);
	assert_int_equal(f->seen.len, 2);
}

static void remembered_not_for_ever(void **state)
{
	struct fixture *f = *state;
	int64_t until;

	client_make(f, (struct registry_client_options){.positive_ms = 5, .negative_ms = 5});
	ask_ok(f, f->image);
	until = loop_now_ms(f->loop) + 6;
	while (loop_now_ms(f->loop) < until)
		loop_turn(f->loop, 6);
	f->answer = answer_not_found;
	ask_err(f, ERR_USER, "ImageNotFound", "404");
	until = loop_now_ms(f->loop) + 6;
	while (loop_now_ms(f->loop) < until)
		loop_turn(f->loop, 6);
	f->answer = answer_ok;
	ask_ok(f, f->image);
	assert_int_equal(f->seen.len, 3);
}

static void failures_are_remembered(void **state)
{
	struct fixture *f = *state;

	f->answer = answer_not_found;
	ask_err(f, ERR_USER, "ImageNotFound", "check name and tag");
	f->answer = answer_ok;
	ask_err(f, ERR_USER, "ImageNotFound", "404");
	assert_int_equal(f->seen.len, 1);
}

static void remembered_are_few(void **state)
{
	struct fixture *f = *state;

	client_make(f, (struct registry_client_options){.max_remembered = 2});
	for (int i = 0; i < 3; i++) {
		auto_free char *image = xasprintf("%s/a:%d", f->host, i);

		ask_ok(f, image);
	}
	for (int i = 2; i >= 0; i--) {
		auto_free char *image = xasprintf("%s/a:%d", f->host, i);

		ask_ok(f, image);
	}
	/* 2 and 1 were there; 0 had gone. */
	assert_int_equal(f->seen.len, 4);
	assert_seen(&f->seen, 3, "HEAD /v2/a/manifests/0 ");
}

static void digest_asks_nobody(void **state)
{
	struct fixture *f = *state;
	struct question q;
	auto_free char *image = xasprintf("%s/a:1@%s", f->host, DIGEST);
	auto_free char *pinned = xasprintf("%s/a@%s", f->host, DIGEST);

	ask(f, &q, image);
	assert_digest(&q);
	assert_string_equal(q.op.pinned, pinned);
	registry_op_free(&q.op);
	assert_int_equal(f->seen.len, 0);
}

static void bad_name(void **state)
{
	struct fixture *f = *state;
	struct question q;

	ask(f, &q, "not an image");
	assert_err(&q, ERR_USER, "InvalidImage", "not an image");
	registry_op_free(&q.op);
}

static void answer_without_digest(struct fixture *f, struct http_exchange *ex)
{
	(void)f;
	reply(ex, 200, INDEX_TYPE, str_eq(ex->method, "GET") ? MANIFEST : "");
}

static void get_when_head_says_nothing(void **state)
{
	struct fixture *f = *state;
	struct question q;
	char hex[DIGEST_HEX_SIZE];

	f->answer = answer_without_digest;
	ask(f, &q, f->image);
	wait_done(&q);
	digest_sha256_hex(MANIFEST, strlen(MANIFEST), hex);
	assert_true(str_starts_with(q.op.digest, "sha256:"));
	assert_string_equal(q.op.digest + 7, hex);
	registry_op_free(&q.op);
	assert_seen(&f->seen, 0, "HEAD ");
	assert_seen(&f->seen, 1, "GET /v2/team/app/manifests/1 ");
}

static void answer_no_head(struct fixture *f, struct http_exchange *ex)
{
	if (str_eq(ex->method, "HEAD"))
		reply(ex, 405, NULL, "");
	else
		answer_without_digest(f, ex);
}

static void get_when_head_is_not_allowed(void **state)
{
	struct fixture *f = *state;
	struct question q;

	f->answer = answer_no_head;
	ask(f, &q, f->image);
	wait_done(&q);
	assert_non_null(q.op.digest);
	registry_op_free(&q.op);
}

/* --- authorisation --- */

static void challenge(struct http_exchange *ex, const char *scheme)
{
	auto_free char *header = NULL;

	if (str_eq(scheme, "Basic"))
		header = xstrdup("WWW-Authenticate: Basic realm=\"a, b\"");
	else
		header = xasprintf("WWW-Authenticate: Bearer realm=\"%s/token?x=1\",service=\"reg, "
				   "istry\",scope=\"repository:team/app:pull\"",
			scheme);
	http_add_header(ex, header);
	reply(ex, 401, "application/json",
		str_eq(ex->method, "HEAD")
			? ""
			: "{\"errors\": [{\"code\": \"UNAUTHORIZED\", \"message\": \"s3cr3t\"}]}");
}

static void answer_bearer(struct fixture *f, struct http_exchange *ex)
{
	if (str_starts_with(ex->path, "/token")) {
		auto_free char *body =
			xasprintf("{\"token\": \"t%zu\", \"expires_in\": 300}", ++f->tokens);

		reply(ex, 200, "application/json", body);
	} else if (str_starts_with(authorization(ex), "Bearer t")) {
		answer_ok(f, ex);
	} else {
		challenge(ex, f->server.url);
	}
}

static void token_anonymous(void **state)
{
	struct fixture *f = *state;
	auto_free char *tag2 = xasprintf("%s/team/app:2", f->host);

	f->answer = answer_bearer;
	ask_ok(f, f->image);
	assert_int_equal(f->seen.len, 3);
	assert_string_equal(f->seen.items[1],
		"GET /token?x=1&service=reg%2C%20istry&scope=repository%3Ateam%2Fapp%3Apull -");
	assert_string_equal(f->seen.items[2], "HEAD /v2/team/app/manifests/1 Bearer t1");
	/* The token serves for another tag. */
	ask_ok(f, tag2);
	assert_int_equal(f->seen.len, 5);
	assert_string_equal(f->seen.items[4], "HEAD /v2/team/app/manifests/2 Bearer t1");
}

static void token_with_password(void **state)
{
	struct fixture *f = *state;
	auto_free char *header = basic("me:" SECRET);

	f->answer = answer_bearer;
	add_auth(f, f->host, "me", SECRET);
	ask_ok(f, f->image);
	assert_non_null(strstr(f->seen.items[1], header));
	assert_non_null(strstr(f->seen.items[1], "account=me"));
	assert_null(strstr(f->seen.items[0], "Basic"));
	assert_null(strstr(f->seen.items[2], "Basic"));
}

static void token_by_identity_token(void **state)
{
	struct fixture *f = *state;

	f->answer = answer_bearer;
	registry_auth_add(&f->auths, f->host, "", NULL, NULL, "id+" SECRET);
	ask_ok(f, f->image);
	assert_string_equal(f->seen.items[1],
		"POST /token?x=1 - grant_type=refresh_token&service=reg%2C%20istry&"
		"client_id=fondant-operator&scope=repository%3Ateam%2Fapp%3Apull&"
		"refresh_token=id%2Bs3cr3t%2F%2B%3D%3A");
}

static void answer_token_short(struct fixture *f, struct http_exchange *ex)
{
	if (str_starts_with(ex->path, "/token"))
		reply(ex, 200, "application/json", "{\"access_token\": \"t\", \"expires_in\": 1}");
	else
		answer_bearer(f, ex);
}

static void token_that_ends_is_not_kept(void **state)
{
	struct fixture *f = *state;
	auto_free char *tag2 = xasprintf("%s/team/app:2", f->host);

	f->answer = answer_token_short;
	ask_ok(f, f->image);
	ask_ok(f, tag2);
	assert_int_equal(f->seen.len, 6);
}

/* Takes only the newest token. */
static void answer_revoked(struct fixture *f, struct http_exchange *ex)
{
	if (f->fails > 0 && str_eq(authorization(ex), "Bearer t1")) {
		f->fails--;
		challenge(ex, f->server.url);
	} else {
		answer_bearer(f, ex);
	}
}

static void revoked_token_is_renewed(void **state)
{
	struct fixture *f = *state;
	auto_free char *tag2 = xasprintf("%s/team/app:2", f->host);

	f->answer = answer_bearer;
	ask_ok(f, f->image);
	f->answer = answer_revoked;
	f->fails = 1;
	ask_ok(f, tag2);
	assert_int_equal(f->tokens, 2);
	assert_string_equal(
		f->seen.items[f->seen.len - 1], "HEAD /v2/team/app/manifests/2 Bearer t2");
}

static void answer_basic(struct fixture *f, struct http_exchange *ex)
{
	auto_free char *header = basic("me:" SECRET);

	if (str_eq(authorization(ex), header))
		answer_ok(f, ex);
	else
		challenge(ex, "Basic");
}

static void basic_authorisation(void **state)
{
	struct fixture *f = *state;

	f->answer = answer_basic;
	add_auth(f, f->host, "me", SECRET);
	ask_ok(f, f->image);
	assert_int_equal(f->seen.len, 2);
}

static void next_credentials(void **state)
{
	struct fixture *f = *state;

	f->answer = answer_basic;
	registry_auth_add(&f->auths, f->host, "/team", "you", "wrong", NULL);
	registry_auth_add(&f->auths, "other.example", "", "me", SECRET, NULL);
	add_auth(f, f->host, "me", SECRET);
	ask_ok(f, f->image);
	assert_int_equal(f->seen.len, 4);
}

static void credentials_refused(void **state)
{
	struct fixture *f = *state;

	f->answer = answer_basic;
	add_auth(f, f->host, "me", "not " SECRET);
	ask_err(f, ERR_USER, "RegistryUnauthorized", "refuses the credentials");
	ask_err(f, ERR_USER, "RegistryUnauthorized", "check the pull secret");
}

static void credentials_wanted(void **state)
{
	struct fixture *f = *state;

	f->answer = answer_basic;
	ask_err(f, ERR_USER, "RegistryUnauthorized", "add a pull secret for 127.0.0.1");
}

static void answer_token_refused(struct fixture *f, struct http_exchange *ex)
{
	if (str_starts_with(ex->path, "/token"))
		reply(ex, 401, "application/json", "{\"details\": \"s3cr3t\"}");
	else
		challenge(ex, f->server.url);
}

static void token_refused(void **state)
{
	struct fixture *f = *state;

	f->answer = answer_token_refused;
	ask_err(f, ERR_USER, "RegistryUnauthorized", "gives no token without credentials (401)");
	add_auth(f, f->host, "me", SECRET);
	ask_err(f, ERR_USER, "RegistryUnauthorized", "token server 127.0.0.1");
}

static void answer_always_401(struct fixture *f, struct http_exchange *ex)
{
	(void)f;
	if (str_starts_with(ex->path, "/token"))
		answer_bearer(f, ex);
	else
		challenge(ex, f->server.url);
}

static void token_that_does_not_do(void **state)
{
	struct fixture *f = *state;

	f->answer = answer_always_401;
	ask_err(f, ERR_USER, "RegistryUnauthorized", "without credentials");
	assert_int_equal(f->tokens, 1);
	add_auth(f, f->host, "me", SECRET);
	ask_err(f, ERR_USER, "RegistryUnauthorized", "refuses the credentials");
	assert_int_equal(f->tokens, 2);
}

static void answer_403(struct fixture *f, struct http_exchange *ex)
{
	(void)f;
	reply(ex, 403, "application/json",
		str_eq(ex->method, "HEAD") ? "" : "{\"errors\": [{\"code\": \"DENIED\"}]}");
}

static void forbidden(void **state)
{
	struct fixture *f = *state;

	f->answer = answer_403;
	ask_err(f, ERR_USER, "RegistryForbidden", "right to pull");
}

static void answer_no_challenge(struct fixture *f, struct http_exchange *ex)
{
	(void)f;
	http_add_header(ex, "WWW-Authenticate: Negotiate");
	reply(ex, 401, NULL, "");
}

static void unknown_challenge(void **state)
{
	struct fixture *f = *state;

	f->answer = answer_no_challenge;
	ask_err(f, ERR_USER, "RegistryUnauthorized", "401");
}

/* --- where secrets may not go --- */

static void answer_foreign_realm(struct fixture *f, struct http_exchange *ex)
{
	challenge(ex, f->other.url);
}

static void realm_over_plain_http(void **state)
{
	struct fixture *f = *state;

	f->answer = answer_foreign_realm;
	add_auth(f, f->host, "me", SECRET);
	ask_err(f, ERR_USER, "RegistryInsecure", f->other_host);
	assert_int_equal(f->other.accepted, 0);
}

static void answer_odd_realm(struct fixture *f, struct http_exchange *ex)
{
	(void)f;
	http_add_header(ex, "WWW-Authenticate: Bearer realm=\"file:///etc/passwd\"");
	reply(ex, 401, NULL, "");
}

static void realm_that_is_none(void **state)
{
	struct fixture *f = *state;

	f->answer = answer_odd_realm;
	ask_err(f, ERR_TRANSIENT, "RegistryInvalidAnswer", "token server");
}

static void answer_redirect_abroad(struct fixture *f, struct http_exchange *ex)
{
	auto_free char *header = NULL;

	if (str_starts_with(ex->path, "/token") || !str_starts_with(authorization(ex), "Bearer")) {
		answer_bearer(f, ex);
		return;
	}
	header = xasprintf("Location: %s/v2/moved/manifests/1", f->other.url);
	http_add_header(ex, header);
	reply(ex, 307, NULL, "");
}

static void redirect_leaves_credentials_behind(void **state)
{
	struct fixture *f = *state;

	strvec_add(&f->insecure, f->other.url);
	client_make(f, (struct registry_client_options){0});
	f->answer = answer_redirect_abroad;
	add_auth(f, f->host, "me", SECRET);
	ask_ok(f, f->image);
	assert_int_equal(f->other_seen.len, 1);
	assert_string_equal(f->other_seen.items[0], "HEAD /v2/moved/manifests/1 -");
}

static void other_wants_basic(struct fixture *f, struct http_exchange *ex)
{
	(void)f;
	challenge(ex, "Basic");
}

static void redirect_to_one_that_asks(void **state)
{
	struct fixture *f = *state;

	strvec_add(&f->insecure, f->other.url);
	client_make(f, (struct registry_client_options){0});
	f->answer = answer_redirect_abroad;
	f->other_answer = other_wants_basic;
	add_auth(f, f->host, "me", SECRET);
	ask_err(f, ERR_USER, "RegistryUnauthorized", "without credentials");
	assert_int_equal(f->other_seen.len, 1);
}

static void redirect_to_plain_http(void **state)
{
	struct fixture *f = *state;

	f->answer = answer_redirect_abroad;
	ask_err(f, ERR_USER, "RegistryInsecure", "plain HTTP");
	assert_int_equal(f->other.accepted, 0);
}

static void answer_redirect_here(struct fixture *f, struct http_exchange *ex)
{
	if (!str_starts_with(authorization(ex), "Bearer")) {
		answer_bearer(f, ex);
	} else if (str_eq(ex->path, "/elsewhere")) {
		answer_ok(f, ex);
	} else {
		http_add_header(ex, "Location: /elsewhere");
		reply(ex, 302, NULL, "");
	}
}

static void redirect_on_one_host(void **state)
{
	struct fixture *f = *state;

	f->answer = answer_redirect_here;
	ask_ok(f, f->image);
	assert_string_equal(f->seen.items[f->seen.len - 1], "HEAD /elsewhere Bearer t1");
}

static void answer_circle(struct fixture *f, struct http_exchange *ex)
{
	(void)f;
	http_add_header(ex, "Location: /v2/team/app/manifests/1");
	reply(ex, 301, NULL, "");
}

static void redirect_in_circles(void **state)
{
	struct fixture *f = *state;

	f->answer = answer_circle;
	ask_err(f, ERR_TRANSIENT, "RegistryInvalidAnswer", "in circles");
	assert_int_equal(f->seen.len, 4);
}

static void answer_token_elsewhere(struct fixture *f, struct http_exchange *ex)
{
	if (str_starts_with(ex->path, "/token")) {
		auto_free char *header = xasprintf("Location: %s/token", f->other.url);

		http_add_header(ex, header);
		reply(ex, 307, NULL, "");
	} else {
		challenge(ex, f->server.url);
	}
}

static void token_server_that_redirects(void **state)
{
	struct fixture *f = *state;

	strvec_add(&f->insecure, f->other.url);
	client_make(f, (struct registry_client_options){0});
	f->answer = answer_token_elsewhere;
	add_auth(f, f->host, "me", SECRET);
	ask_err(f, ERR_TRANSIENT, "RegistryInvalidAnswer", "not sent elsewhere");
	assert_int_equal(f->other.accepted, 0);
}

/* --- registries that lie --- */

struct lie {
	int status;
	const char *header;
	const char *type;
	const char *head_body;
	const char *body; /* of GET */
	const char *says;
};

static const struct lie lies[] = {
	{200, "Docker-Content-Digest: sha256:abc", INDEX_TYPE, "", "", "a digest that is none"},
	{200, "Docker-Content-Digest: " DIGEST "\"", INDEX_TYPE, "", "", "a digest that is none"},
	{200, "X: y", "text/html; charset=utf-8", "", "<html>", "text/html"},
	{200, "Docker-Content-Digest: " DIGEST,
		"application/vnd.docker.distribution.manifest.v1+prettyjws", "", "", "old format"},
	{200, "X: y", INDEX_TYPE, "", "not JSON", "no manifest"},
	{200, "X: y", INDEX_TYPE, "", "{\"schemaVersion\": 1}", "no manifest"},
	{200, "X: y", INDEX_TYPE, "", "[]", "no manifest"},
	{200, "X: y", NULL, "", "", "no manifest"},
	{204, "X: y", NULL, "", "", "answered 204"},
	{418, "X: y", NULL, "", "", "answered 418"},
	{301, "X: y", NULL, "", "", "to nowhere"},
	{301, "Location: gopher://x/", NULL, "", "", "to nowhere"},
};

static const struct lie *lie;

static void answer_lie(struct fixture *f, struct http_exchange *ex)
{
	(void)f;
	http_add_header(ex, lie->header);
	reply(ex, lie->status, lie->type, str_eq(ex->method, "GET") ? lie->body : lie->head_body);
}

static void liars(void **state)
{
	struct fixture *f = *state;

	f->answer = answer_lie;
	for (size_t i = 0; i < array_size(lies); i++) {
		lie = &lies[i];
		registry_client_forget(f->client);
		ask_err(f, ERR_TRANSIENT, "RegistryInvalidAnswer", lies[i].says);
	}
}

static void answer_wrong_digest(struct fixture *f, struct http_exchange *ex)
{
	(void)f;
	if (str_eq(ex->method, "GET"))
		http_add_header(ex, "Docker-Content-Digest: " DIGEST);
	reply(ex, 200, INDEX_TYPE, str_eq(ex->method, "GET") ? MANIFEST : "");
}

static void digest_mismatch(void **state)
{
	struct fixture *f = *state;

	f->answer = answer_wrong_digest;
	ask_err(f, ERR_TRANSIENT, "RegistryInvalidAnswer", "do not trust it");
}

static void answer_large(struct fixture *f, struct http_exchange *ex)
{
	static char large[200000];

	(void)f;
	memset(large, ' ', sizeof(large));
	if (str_eq(ex->method, "HEAD"))
		reply(ex, 200, INDEX_TYPE, "");
	else
		http_reply(ex, 200, INDEX_TYPE, large, sizeof(large));
}

static void large_manifest(void **state)
{
	struct fixture *f = *state;

	client_make(f, (struct registry_client_options){.max_manifest = 100000});
	f->answer = answer_large;
	ask_err(f, ERR_TRANSIENT, "RegistryInvalidAnswer", "larger");
	assert_int_equal(f->seen.len, 2);
}

static const char *bad_token;

static void answer_bad_token(struct fixture *f, struct http_exchange *ex)
{
	if (str_starts_with(ex->path, "/token"))
		reply(ex, 200, "application/json", bad_token);
	else
		challenge(ex, f->server.url);
}

static void bad_tokens(void **state)
{
	struct fixture *f = *state;
	static const char *const answers[] = {"", "<html>", "{}", "{\"token\": 1}",
		"{\"token\": \"\"}", "{\"token\": \"a b\"}",
		"{\"token\": \"a\\r\\nX-Injected: s3cr3t\"}", "{\"access_token\": null}", "[]"};

	f->answer = answer_bad_token;
	for (size_t i = 0; i < array_size(answers); i++) {
		bad_token = answers[i];
		registry_client_forget(f->client);
		ask_err(f, ERR_TRANSIENT, "RegistryInvalidAnswer", "without a token");
	}
}

/* --- registries in trouble --- */

static void answer_failing(struct fixture *f, struct http_exchange *ex)
{
	if (f->fails-- > 0)
		reply(ex, 503, NULL, "");
	else
		answer_ok(f, ex);
}

static void another_try(void **state)
{
	struct fixture *f = *state;

	f->answer = answer_failing;
	f->fails = 2;
	ask_ok(f, f->image);
	assert_int_equal(f->seen.len, 3);
}

static void no_more_tries(void **state)
{
	struct fixture *f = *state;

	f->answer = answer_failing;
	f->fails = 3;
	ask_err(f, ERR_TRANSIENT, "RegistryUnavailable", "answered 503");
	assert_int_equal(f->seen.len, 3);
}

static void answer_cut(struct fixture *f, struct http_exchange *ex)
{
	if (f->fails-- > 0) {
		http_cut(ex);
		return;
	}
	answer_ok(f, ex);
}

static void cut_connection(void **state)
{
	struct fixture *f = *state;

	f->answer = answer_cut;
	f->fails = 2;
	ask_ok(f, f->image);
}

static void registry_down(void **state)
{
	struct fixture *f = *state;

	http_server_refuse(&f->server, true);
	ask_err(f, ERR_TRANSIENT, "RegistryUnavailable", "cannot be reached");
}

static void held_released(struct http_exchange *ex)
{
	struct fixture *f = ex->server->user;

	for (size_t i = 0; i < f->held_len; i++) {
		if (f->held[i] == ex)
			f->held[i] = NULL;
	}
}

static void answer_hold(struct fixture *f, struct http_exchange *ex)
{
	assert_true(f->held_len < array_size(f->held));
	f->held[f->held_len++] = ex;
	ex->release = held_released;
}

static void slow_registry(void **state)
{
	struct fixture *f = *state;

	client_make(f, (struct registry_client_options){.request_ms = 200, .tries = 2});
	f->answer = answer_hold;
	ask_err(f, ERR_TRANSIENT, "RegistryTimeout", "did not answer in time");
	assert_int_equal(f->seen.len, 2);
}

static void slow_in_all(void **state)
{
	struct fixture *f = *state;

	client_make(f, (struct registry_client_options){.total_ms = 200});
	f->answer = answer_hold;
	ask_err(f, ERR_TRANSIENT, "RegistryTimeout", "no answer of 127.0.0.1");
	assert_int_equal(f->seen.len, 1);
}

static void answer_429(struct fixture *f, struct http_exchange *ex)
{
	if (f->fails-- > 0) {
		http_add_header(ex, "Retry-After: 1");
		reply(ex, 429, "application/json", "");
	} else {
		answer_ok(f, ex);
	}
}

static void rate_limit_is_waited_for(void **state)
{
	struct fixture *f = *state;
	int64_t start = loop_now_ms(f->loop);
	struct question first, second;
	auto_free char *tag2 = xasprintf("%s/team/app:2", f->host);

	f->answer = answer_429;
	f->fails = 1;
	ask(f, &first, f->image);
	while (f->seen.len == 0)
		loop_turn(f->loop, 20000);
	for (int i = 0; i < 20; i++)
		loop_turn(f->loop, 1);
	/* The second one waits too. */
	ask(f, &second, tag2);
	assert_digest(&first);
	assert_digest(&second);
	assert_true(loop_now_ms(f->loop) - start >= 950);
	assert_int_equal(f->seen.len, 3);
	registry_op_free(&first.op);
	registry_op_free(&second.op);
}

static void answer_429_long(struct fixture *f, struct http_exchange *ex)
{
	(void)f;
	http_add_header(ex, "Retry-After: 3600");
	reply(ex, 429, "application/json", "");
}

static void rate_limit_too_long_to_wait(void **state)
{
	struct fixture *f = *state;
	struct question q;
	auto_free char *tag2 = xasprintf("%s/team/app:2", f->host);

	f->answer = answer_429_long;
	ask(f, &q, f->image);
	assert_err(&q, ERR_TRANSIENT, "RegistryRateLimited", "mirror");
	assert_true(q.op.err.retry_after_ms > 3590000 && q.op.err.retry_after_ms <= 3600000);
	registry_op_free(&q.op);
	/* Nobody asks that host meanwhile. */
	ask(f, &q, tag2);
	assert_err(&q, ERR_TRANSIENT, "RegistryRateLimited", "app:2");
	registry_op_free(&q.op);
	assert_int_equal(f->seen.len, 1);
}

/* --- mirrors, allow-list --- */

static void make_mirrors(struct fixture *f, const char *host, const struct strvec *endpoints)
{
	struct registry_mirror mirror = {.host = host, .endpoints = endpoints};

	strvec_add(&f->insecure, f->other.url);
	client_make(f, (struct registry_client_options){.mirrors = &mirror, .mirrors_len = 1});
}

static void mirror_first(void **state)
{
	struct fixture *f = *state;
	auto_strvec endpoints = STRVEC_INIT;

	strvec_addf(&endpoints, "%s/hub/", f->other_host);
	make_mirrors(f, "docker.io", &endpoints);
	add_auth(f, "docker.io", "hub", SECRET);
	ask_ok(f, "busybox:1.36");
	assert_string_equal(f->other_seen.items[0],
		"HEAD /v2/hub/library/busybox/manifests/1.36?ns=docker.io -");
}

static void mirror_has_its_own_credentials(void **state)
{
	struct fixture *f = *state;
	auto_strvec endpoints = STRVEC_INIT;

	strvec_add(&endpoints, f->other_host);
	make_mirrors(f, "docker.io", &endpoints);
	add_auth(f, "docker.io", "hub", "hub" SECRET);
	add_auth(f, f->other_host, "me", SECRET);
	f->other_answer = answer_basic;
	ask_ok(f, "busybox");
	assert_int_equal(f->other_seen.len, 2);
}

static void mirrors_in_turn(void **state)
{
	struct fixture *f = *state;
	auto_strvec endpoints = STRVEC_INIT;

	strvec_add(&endpoints, f->other_host);
	make_mirrors(f, f->host, &endpoints);
	f->other_answer = answer_not_found;
	ask_ok(f, f->image);
	assert_int_equal(f->other_seen.len, 1);
	assert_string_equal(f->seen.items[0], "HEAD /v2/team/app/manifests/1 -");
}

static void mirror_down(void **state)
{
	struct fixture *f = *state;
	auto_strvec endpoints = STRVEC_INIT;
	auto_free char *tag2 = xasprintf("%s/team/app:2", f->host);

	strvec_add(&endpoints, f->other_host);
	make_mirrors(f, f->host, &endpoints);
	http_server_refuse(&f->other, true);
	ask_ok(f, f->image);
	/* It is back, but not asked at once again. */
	http_server_refuse(&f->other, false);
	ask_ok(f, tag2);
	assert_int_equal(f->seen.len, 2);
	assert_int_equal(f->other.accepted, 0);
}

static void answer_no_connect(struct fixture *f, struct http_exchange *ex)
{
	(void)f;
	reply(ex, 403, NULL, "");
}

static void docker_io_has_another_host(void **state)
{
	struct fixture *f = *state;
	struct question q;

	client_make(f, (struct registry_client_options){.proxy = f->server.url, .tries = 1});
	f->answer = answer_no_connect;
	ask(f, &q, "busybox");
	assert_err(&q, ERR_TRANSIENT, "RegistryUnavailable", "busybox:latest");
	registry_op_free(&q.op);
	assert_seen(&f->seen, 0, "CONNECT registry-1.docker.io:443 ");
}

static void not_on_the_allow_list(void **state)
{
	struct fixture *f = *state;

	strvec_clear(&f->insecure);
	client_make(f, (struct registry_client_options){0});
	ask_err(f, ERR_USER, "RegistryTLSFailed", "insecure registry");
	assert_int_equal(f->seen.len, 0);
}

static void plain_http_after_tls(void **state)
{
	struct fixture *f = *state;

	strvec_clear(&f->insecure);
	strvec_add(&f->insecure, f->host);
	client_make(f, (struct registry_client_options){0});
	ask_ok(f, f->image);
	assert_int_equal(f->seen.len, 1);
}

static void bad_options(void **state)
{
	struct fixture *f = *state;
	static const char *const bad[] = {"", "a b", "ftp://x", "https://u:p@x", "x?y=1", "x/path"};
	struct registry_client *client = NULL;
	auto_strvec endpoints = STRVEC_INIT;
	struct registry_mirror mirror = {.host = "docker.io", .endpoints = &endpoints};
	auto_err err = ERR_INIT;

	for (size_t i = 0; i < array_size(bad); i++) {
		auto_strvec hosts = STRVEC_INIT;
		struct registry_client_options options = {.insecure_hosts = &hosts};

		strvec_add(&hosts, bad[i]);
		if (registry_client_new(f->loop, &options, &client, &err) == 0)
			fail_msg("%s was accepted", bad[i]);
		assert_string_equal(err.reason, "InvalidRegistryConfig");
	}
	strvec_add(&endpoints, "http://mirror.example");
	assert_int_equal(
		registry_client_new(f->loop,
			&(struct registry_client_options){.mirrors = &mirror, .mirrors_len = 1},
			&client, &err),
		-1);
	assert_non_null(strstr(err_message(&err), "insecure registries"));
	assert_null(client);
}

/* --- several at once --- */

static void equal_questions_are_asked_once(void **state)
{
	struct fixture *f = *state;
	struct question q[3];

	f->answer = answer_hold;
	for (size_t i = 0; i < 3; i++)
		ask(f, &q[i], f->image);
	while (f->held_len == 0)
		loop_turn(f->loop, 20000);
	registry_op_cancel(&q[0].op);
	answer_ok(f, f->held[0]);
	assert_digest(&q[1]);
	while (!q[2].done)
		loop_turn(f->loop, 0);
	assert_digest(&q[2]);
	assert_int_equal(q[0].done, 0);
	assert_int_equal(f->seen.len, 1);
	for (size_t i = 0; i < 3; i++)
		registry_op_free(&q[i].op);
}

static void other_credentials_are_another_question(void **state)
{
	struct fixture *f = *state;
	struct question mine, yours;
	struct registry_auth_list none = {0};

	f->answer = answer_basic;
	add_auth(f, f->host, "me", SECRET);
	ask(f, &mine, f->image);
	yours = (struct question){.f = f};
	yours.op.image = f->image;
	yours.op.auths = &none;
	yours.op.done = question_done;
	registry_resolve(f->client, &yours.op);
	assert_digest(&mine);
	assert_err(&yours, ERR_USER, "RegistryUnauthorized", "");
	registry_op_free(&mine.op);
	registry_op_free(&yours.op);
	/* Nor is the answer given to those who may not have it. */
	registry_auth_clear(&f->auths);
	ask_err(f, ERR_USER, "RegistryUnauthorized", "");
}

static void cancelled(void **state)
{
	struct fixture *f = *state;
	struct question q[2];

	f->answer = answer_hold;
	ask(f, &q[0], f->image);
	ask(f, &q[1], "not an image");
	while (f->held_len == 0)
		loop_turn(f->loop, 20000);
	registry_op_cancel(&q[0].op);
	registry_op_cancel(&q[0].op);
	registry_op_free(&q[0].op);
	registry_op_free(&q[1].op);
	/* Before anything was sent, and after the answer came. */
	ask(f, &q[0], f->image);
	registry_op_free(&q[0].op);
	f->answer = answer_ok;
	ask_ok(f, f->image);
	ask(f, &q[0], f->image);
	registry_op_free(&q[0].op);
	loop_turn(f->loop, 0);
	assert_int_equal(q[0].done, 0);
}

static void few_at_once(void **state)
{
	struct fixture *f = *state;
	struct question q[5];
	char *images[5];

	client_make(f, (struct registry_client_options){.max_per_host = 2});
	f->answer = answer_hold;
	for (int i = 0; i < 5; i++) {
		images[i] = xasprintf("%s/a:%d", f->host, i);
		ask(f, &q[i], images[i]);
	}
	for (size_t answered = 0; answered < 5;) {
		while (f->held_len <= answered)
			loop_turn(f->loop, 20000);
		for (int i = 0; i < 10; i++)
			loop_turn(f->loop, 0);
		assert_true(f->held_len - answered <= 2);
		answer_ok(f, f->held[answered++]);
	}
	for (int i = 0; i < 5; i++) {
		assert_digest(&q[i]);
		registry_op_free(&q[i].op);
		free(images[i]);
	}
}

static void ask_again(struct registry_op *op)
{
	struct question *q = container_of(op, struct question, op);

	q->done++;
	if (q->done < 3)
		registry_resolve(q->f->client, op);
}

static void asked_again_from_done(void **state)
{
	struct fixture *f = *state;
	struct question q = {.f = f, .op = {.image = f->image, .done = ask_again}};

	registry_resolve(f->client, &q.op);
	while (q.done < 3)
		loop_turn(f->loop, 20000);
	assert_string_equal(q.op.digest, DIGEST);
	registry_op_free(&q.op);
	assert_int_equal(f->seen.len, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(head_is_enough),
		TEST(remembered),
		TEST(remembered_not_for_ever),
		TEST(failures_are_remembered),
		TEST(remembered_are_few),
		TEST(digest_asks_nobody),
		TEST(bad_name),
		TEST(get_when_head_says_nothing),
		TEST(get_when_head_is_not_allowed),
		TEST(token_anonymous),
		TEST(token_with_password),
		TEST(token_by_identity_token),
		TEST(token_that_ends_is_not_kept),
		TEST(revoked_token_is_renewed),
		TEST(basic_authorisation),
		TEST(next_credentials),
		TEST(credentials_refused),
		TEST(credentials_wanted),
		TEST(token_refused),
		TEST(token_that_does_not_do),
		TEST(forbidden),
		TEST(unknown_challenge),
		TEST(realm_over_plain_http),
		TEST(realm_that_is_none),
		TEST(redirect_leaves_credentials_behind),
		TEST(redirect_to_one_that_asks),
		TEST(redirect_to_plain_http),
		TEST(redirect_on_one_host),
		TEST(redirect_in_circles),
		TEST(token_server_that_redirects),
		TEST(liars),
		TEST(digest_mismatch),
		TEST(large_manifest),
		TEST(bad_tokens),
		TEST(another_try),
		TEST(no_more_tries),
		TEST(cut_connection),
		TEST(registry_down),
		TEST(slow_registry),
		TEST(slow_in_all),
		TEST(rate_limit_is_waited_for),
		TEST(rate_limit_too_long_to_wait),
		TEST(mirror_first),
		TEST(mirror_has_its_own_credentials),
		TEST(mirrors_in_turn),
		TEST(mirror_down),
		TEST(docker_io_has_another_host),
		TEST(not_on_the_allow_list),
		TEST(plain_http_after_tls),
		TEST(bad_options),
		TEST(equal_questions_are_asked_once),
		TEST(other_credentials_are_another_question),
		TEST(cancelled),
		TEST(few_at_once),
		TEST(asked_again_from_done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

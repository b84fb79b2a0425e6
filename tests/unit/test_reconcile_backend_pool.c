/* Opened backends: credentials from Secrets and tokens, when they are read, and what a change of
 * them does to backends in use. */
#include "tests/fake/apiserver_fixture.h"
#include "base/base64.h"
#include "reconcile/backend_pool.h"
#include "reconcile/credentials.h"
#include "tests/fake/clock.h"
#include "quoted_json.h"

int clock_gettime(clockid_t id, struct timespec *ts)
{
	return fake_clock_read(id, ts);
}

/* --- a runner that keeps what it was opened with --- */

struct cookie {
	char *credentials; /* JSON; NULL: none */
	bool ambient, local;
};

static int opened, closed;
static const char *refusal; /* NULL: open succeeds */

static int lab_open(const struct runner_env *env, const struct runner_settings *settings,
	void **ret_backend, struct err *err)
{
	struct cookie *cookie;

	assert_non_null(env->loop);
	if (refusal)
		return err_set(err, ERR_USER, "InvalidEndpoint", "%s", refusal);
	cookie = xnew(struct cookie);
	if (settings->credentials)
		cookie->credentials =
			json_dumps(settings->credentials, JSON_SORT_KEYS | JSON_COMPACT);
	cookie->ambient = settings->ambient;
	cookie->local = settings->local_endpoints;
	*ret_backend = cookie;
	opened++;
	return 0;
}

static void lab_close(void *backend)
{
	struct cookie *cookie = backend;

	free(cookie->credentials);
	free(cookie);
	closed++;
}

static const struct runner lab = {.name = "lab", .open = lab_open, .close = lab_close};

/* --- fixture --- */

struct fixture {
	struct kube_fixture kube;
	struct backend_pool *pool;
	struct backend_wait wait;
	struct open_backend *got;
	int answers;
};

static void answered(struct backend_wait *wait)
{
	struct fixture *f = container_of(wait, struct fixture, wait);

	f->got = wait->backend;
	f->answers++;
}

static int setup(void **state)
{
	struct fixture *f = xnew(struct fixture);
	struct runner_env env = {0};

	fake_clock_start();
	kube_fixture_start(&f->kube);
	env.loop = f->kube.loop;
	env.kube = f->kube.client;
	f->pool = backend_pool_new(&env, false, true, NULL);
	f->wait.done = answered;
	opened = closed = 0;
	refusal = NULL;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	backend_wait_cancel(&f->wait);
	backend_pool_free(f->pool);
	kube_fixture_stop(&f->kube);
	assert_int_equal(opened, closed);
	free(f);
	return 0;
}

static void put_secret(struct fixture *f, const char *name, const char *key, const char *value)
{
	auto_free char *text = base64_encode(value, strlen(value));

	fake_api_put(f->kube.api,
		json_pack("{s:s, s:s, s:{s:s, s:s}, s:{s:s}}", "apiVersion", "v1", "kind", "Secret",
			"metadata", "name", name, "namespace", "n", "data", key, text));
}

/* Gets the backend with these settings; the answer is in f->got or f->wait.err. */
static void get(struct fixture *f, const char *settings)
{
	auto_json *json = settings ? quoted_json(settings) : NULL;

	f->answers = 0;
	loop_turn(f->kube.loop, 0); /* sees the time */
	f->got = backend_pool_get(f->pool, &lab, "n", json, &f->wait);
	for (int i = 0; i < 5000 && !f->got && !f->answers; i++) {
		fake_clock_advance(1);
		loop_turn(f->kube.loop, 0);
	}
	assert_true(f->got || f->answers == 1);
}

static const struct cookie *cookie_of(const struct open_backend *backend)
{
	assert_non_null(backend);
	return backend->cookie;
}

static size_t secrets_read(const struct fixture *f)
{
	return fake_api_count(f->kube.api, "GET", "/secrets/");
}

#define TLS "{'host': 'tcp://d:1', 'tls': {'secretRef': {'name': 's'}}}"
#define BEARER "{'auth': {'bearerToken': {'secretKeyRef': {'name': 's', 'key': 'token'}}}}"
#define TOKEN "{'auth': {'serviceAccountToken': {'serviceAccountName': 'sa', 'audience': 'kfp'}}}"

/* --- credentials --- */

static void a_whole_secret_and_one_key(void **state)
{
	struct fixture *f = *state;

	put_secret(f, "s", "token", "abc");
	get(f, TLS);
	assert_string_equal(cookie_of(f->got)->credentials, "{\"tls\":{\"token\":\"abc\"}}");
	assert_true(cookie_of(f->got)->local);
	assert_false(cookie_of(f->got)->ambient);
	open_backend_unref(f->got);
	get(f, BEARER);
	assert_string_equal(cookie_of(f->got)->credentials, "{\"auth.bearerToken\":\"abc\"}");
	open_backend_unref(f->got);
}

static void a_token_is_asked_for_its_audience(void **state)
{
	struct fixture *f = *state;
	struct fake_fault token = {
		.instead = "{\"kind\": \"TokenRequest\", \"status\": {\"token\": \"eyJ\", "
			   "\"expirationTimestamp\": \"2027-01-15T08:05:30Z\"}}",
		.times = 2};

	fake_api_fault(f->kube.api, "POST", "/serviceaccounts/sa/token", &token);
	get(f, TOKEN);
	assert_string_equal(
		cookie_of(f->got)->credentials, "{\"auth.serviceAccountToken\":\"eyJ\"}");
	assert_non_null(strstr(fake_api_last_body(f->kube.api), "\"audiences\":[\"kfp\"]"));
	open_backend_unref(f->got);
	/* and again five minutes before its end */
	fake_clock_advance(31000);
	get(f, TOKEN);
	open_backend_unref(f->got);
	assert_int_equal(fake_api_count(f->kube.api, "POST", "token"), 2);
}

struct missing {
	const char *settings, *reason, *message;
};

static void what_is_missing_is_named(void **state)
{
	static const struct missing rows[] = {
		{"{'tls': {'secretRef': {'name': 'gone'}}}", "SecretNotFound",
			"tls: there is no Secret \"gone\" in this namespace; create it"},
		{"{'auth': {'bearerToken': {'secretKeyRef': {'name': 's', 'key': 'k'}}}}",
			"SecretKeyNotFound",
			"auth.bearerToken: Secret \"s\" has no text under the key \"k\""},
	};
	struct fixture *f = *state;

	put_secret(f, "s", "token", "abc");
	for (size_t i = 0; i < array_size(rows); i++) {
		get(f, rows[i].settings);
		assert_null(f->got);
		assert_int_equal(f->wait.err.class, ERR_USER);
		assert_string_equal(f->wait.err.reason, rows[i].reason);
		assert_string_equal(f->wait.err.message, rows[i].message);
		assert_null(strstr(f->wait.err.message, "abc"));
	}
	assert_int_equal(opened, 0);
	put_secret(f, "gone", "ca.crt", "x"); /* it is looked for anew each time */
	get(f, rows[0].settings);
	assert_non_null(f->got);
	open_backend_unref(f->got);
}

/* --- one opened backend for all --- */

static void it_is_shared_and_its_secret_read_once_a_minute(void **state)
{
	struct fixture *f = *state;
	struct open_backend *first;

	put_secret(f, "s", "token", "abc");
	get(f, TLS);
	first = f->got;
	get(f, TLS);
	assert_ptr_equal(f->got, first);
	open_backend_unref(f->got);
	assert_int_equal(secrets_read(f), 1);
	fake_clock_advance(60000);
	get(f, TLS);
	assert_ptr_equal(f->got, first);
	assert_int_equal(secrets_read(f), 2);
	assert_int_equal(opened, 1);
	open_backend_unref(f->got);
	open_backend_unref(first);
}

static void a_rotated_secret_opens_it_anew(void **state)
{
	struct fixture *f = *state;
	struct open_backend *first;

	put_secret(f, "s", "token", "abc");
	get(f, BEARER);
	first = f->got;
	put_secret(f, "s", "token", "def");
	get(f, BEARER);
	assert_ptr_equal(f->got, first); /* not read again yet */
	open_backend_unref(f->got);
	open_backend_stale(first);
	get(f, BEARER);
	assert_ptr_not_equal(f->got, first);
	assert_string_equal(cookie_of(f->got)->credentials, "{\"auth.bearerToken\":\"def\"}");
	assert_int_equal(closed, 0); /* somebody still uses the old one */
	open_backend_unref(first);
	assert_int_equal(closed, 1);
	open_backend_unref(f->got);
}

static void without_references_nothing_is_read(void **state)
{
	struct fixture *f = *state;

	get(f, NULL);
	assert_null(cookie_of(f->got)->credentials);
	open_backend_unref(f->got);
	fake_clock_advance(120000);
	get(f, NULL);
	open_backend_unref(f->got);
	assert_int_equal(opened, 1);
	assert_int_equal(secrets_read(f), 0);
}

static void other_settings_are_another_backend(void **state)
{
	struct fixture *f = *state;
	struct open_backend *first;

	get(f, "{'host': 'a'}");
	first = f->got;
	get(f, "{'host': 'b'}");
	assert_ptr_not_equal(f->got, first);
	open_backend_unref(f->got);
	open_backend_unref(first);
}

static void a_refusal_is_told_and_tried_again(void **state)
{
	struct fixture *f = *state;

	refusal = "no such host";
	get(f, NULL);
	assert_null(f->got);
	assert_string_equal(f->wait.err.reason, "InvalidEndpoint");
	refusal = NULL;
	get(f, NULL);
	assert_non_null(f->got);
	open_backend_unref(f->got);
}

static void what_nobody_uses_is_closed(void **state)
{
	struct fixture *f = *state;
	struct open_backend *used;

	get(f, "{'host': 'a'}");
	open_backend_unref(f->got);
	fake_clock_advance(600001);
	get(f, "{'host': 'b'}");
	used = f->got;
	assert_int_equal(closed, 1);
	fake_clock_advance(600001);
	get(f, "{'host': 'c'}");
	assert_int_equal(closed, 1);
	open_backend_unref(used);
	open_backend_unref(f->got);
}

/* --- waiting --- */

static void all_who_wait_are_answered(void **state)
{
	struct fixture *f = *state;
	struct fixture other = {.wait = {.done = answered}};
	auto_json *settings = quoted_json(TLS);

	put_secret(f, "s", "token", "abc");
	assert_null(backend_pool_get(f->pool, &lab, "n", settings, &other.wait));
	get(f, TLS);
	assert_int_equal(other.answers, 1);
	assert_ptr_equal(other.got, f->got);
	assert_int_equal(secrets_read(f), 1);
	open_backend_unref(other.got);
	open_backend_unref(f->got);
}

static void who_gave_up_is_not_answered(void **state)
{
	struct fixture *f = *state;
	struct fixture other = {.wait = {.done = answered}};
	auto_json *settings = quoted_json(TLS);

	put_secret(f, "s", "token", "abc");
	assert_null(backend_pool_get(f->pool, &lab, "n", settings, &other.wait));
	backend_wait_cancel(&other.wait);
	get(f, TLS);
	assert_int_equal(other.answers, 0);
	open_backend_unref(f->got);
}

#define POOL(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		POOL(a_whole_secret_and_one_key),
		POOL(a_token_is_asked_for_its_audience),
		POOL(what_is_missing_is_named),
		POOL(it_is_shared_and_its_secret_read_once_a_minute),
		POOL(a_rotated_secret_opens_it_anew),
		POOL(without_references_nothing_is_read),
		POOL(other_settings_are_another_backend),
		POOL(a_refusal_is_told_and_tried_again),
		POOL(what_nobody_uses_is_closed),
		POOL(all_who_wait_are_answered),
		POOL(who_gave_up_is_not_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

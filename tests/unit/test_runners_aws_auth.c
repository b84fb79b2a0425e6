/*
 * Keys of Amazon from every source, from a server that plays STS, the container's credentials and
 * the machine's metadata service: what each is asked, what it answers, and when it is asked again.
 */
#include <time.h>
#include "tests/fake/clock.h"

int clock_gettime(clockid_t id, struct timespec *ts);
int clock_gettime(clockid_t id, struct timespec *ts)
{
	return fake_clock_read(id, ts);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "doc/json.h"
#include "runners/aws_auth.h"
#include "tests/fake/http_server.h"

#define TURN_MS 20
#define LIFE_S 3600

static const char *const variables[] = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",
	"AWS_SESSION_TOKEN", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_SESSION_NAME",
	"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
	"AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
	"AWS_EC2_METADATA_DISABLED", "AWS_EC2_METADATA_SERVICE_ENDPOINT", "AWS_ENDPOINT_URL",
	"AWS_ENDPOINT_URL_STS"};

struct fixture {
	struct loop *loop;
	struct http_client *client;
	struct http_server server;
	struct aws_auth auth;
	struct aws_wait wait;
	json_t *spec, *credentials;
	bool ambient, open, done;
	int asked;
	char *form, *authorization; /* of the last request */
	struct strvec paths;
	/* what is answered instead */
	int status;
	const char *hostile;
	int64_t life_s;
};

/* --- the server --- */

static char *ends(const struct fixture *f)
{
	char text[TIME_RFC3339_SIZE];

	return xstrdup(time_format_rfc3339(time_wall_ms() / 1000 + f->life_s, text));
}

static char *sts_body(const struct fixture *f)
{
	auto_free char *when = ends(f);
	bool hop = strstr(f->form, "Action=AssumeRole&") != NULL;

	return xasprintf(
		"<%sResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Result>"
		"<Credentials><AccessKeyId>%s-%d</AccessKeyId>"
		"<SecretAccessKey>s&amp;%d</SecretAccessKey><SessionToken>t-%d</SessionToken>"
		"<Expiration>%s</Expiration></Credentials></Result></%sResponse>",
		hop ? "AssumeRole" : "AssumeRoleWithWebIdentity", hop ? "HOP" : "WEB", f->asked,
		f->asked, f->asked, when, hop ? "AssumeRole" : "AssumeRoleWithWebIdentity");
}

static char *json_body(const struct fixture *f, const char *name)
{
	auto_free char *when = ends(f);

	return xasprintf(
		"{\"AccessKeyId\": \"%s-%d\", \"SecretAccessKey\": \"s\", \"Token\": \"t\", "
		"\"Expiration\": \"%s\"}",
		name, f->asked, when);
}

/* Owned; NULL: 404. */
static char *answer_of(const struct fixture *f, const struct http_exchange *ex)
{
	const char *session = http_header(ex, "x-aws-ec2-metadata-token");

	if (str_eq(ex->path, "/sts/"))
		return sts_body(f);
	if (str_eq(ex->path, "/container"))
		return json_body(f, "CONTAINER");
	if (str_eq(ex->path, "/latest/api/token") && str_eq(ex->method, "PUT") &&
		str_eq(http_header(ex, "x-aws-ec2-metadata-token-ttl-seconds"), "21600"))
		return xstrdup("session-1");
	if (!str_eq(session, "session-1"))
		return NULL;
	if (str_eq(ex->path, "/latest/meta-data/iam/security-credentials/"))
		return xstrdup("node-role");
	if (str_eq(ex->path, "/latest/meta-data/iam/security-credentials/node-role"))
		return json_body(f, "MACHINE");
	return NULL;
}

static void on_request(struct http_server *server, struct http_exchange *ex)
{
	struct fixture *f = server->user;
	auto_free char *body = NULL;

	f->asked++;
	strvec_add(&f->paths, ex->path);
	free(f->form);
	f->form = xstrdup(buf_str(&ex->body));
	free(f->authorization);
	f->authorization =
		http_header(ex, "authorization") ? xstrdup(http_header(ex, "authorization")) : NULL;
	if (f->hostile) {
		http_reply(ex, f->status, "text/xml", f->hostile, strlen(f->hostile));
		return;
	}
	body = answer_of(f, ex);
	http_reply(ex, body ? 200 : 404, "text/plain", body ? body : "", body ? strlen(body) : 0);
}

/* --- the test's side --- */

static int setup(void **state)
{
	struct fixture *f = xnew(struct fixture);
	struct http_client_options options = {.user_agent = "test"};
	auto_free char *sts = NULL;

	fake_clock_start();
	for (size_t i = 0; i < array_size(variables); i++)
		unsetenv(variables[i]);
	assert_int_equal(loop_new(&f->loop, NULL), 0);
	assert_int_equal(http_client_new(f->loop, &options, &f->client, NULL), 0);
	http_server_start(&f->server, f->loop, on_request, f);
	sts = xasprintf("%s/sts/", f->server.url);
	setenv("AWS_ENDPOINT_URL_STS", sts, 1);
	f->spec = json_pack("{s:s, s:{}}", "region", "eu-west-1", "auth");
	f->credentials = json_object();
	f->life_s = LIFE_S;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	aws_wait_cancel(&f->wait);
	if (f->open)
		aws_auth_clear(&f->auth);
	http_client_free(f->client);
	http_server_stop(&f->server);
	json_decref(f->spec);
	json_decref(f->credentials);
	strvec_clear(&f->paths);
	free(f->form);
	free(f->authorization);
	loop_free(f->loop);
	free(f);
	return 0;
}

static int open_auth(struct fixture *f, struct err *err)
{
	struct runner_settings settings = {
		.spec = f->spec, .credentials = f->credentials, .ambient = f->ambient};
	int result = aws_auth_init(&f->auth, f->loop, f->client, &settings, err);

	f->open = result == 0;
	return result;
}

static void must_open(struct fixture *f)
{
	auto_err err = ERR_INIT;

	if (open_auth(f, &err) < 0)
		fail_msg("%s", err_message(&err));
}

static void on_done(struct aws_wait *wait)
{
	container_of(wait, struct fixture, wait)->done = true;
}

static void get(struct fixture *f)
{
	f->done = false;
	aws_auth_get(&f->auth, &f->wait, on_done);
	assert_false(f->done);
	for (int64_t ms = 0; !f->done; ms += TURN_MS) {
		assert_in_range(ms, 0, 600000);
		for (int i = 0; i < 4; i++)
			loop_turn(f->loop, 0);
		fake_clock_advance(TURN_MS);
	}
}

static void assert_keys(struct fixture *f, const char *id)
{
	struct sigv4_keys keys;

	get(f);
	if (f->wait.err.class != ERR_NONE)
		fail_msg("%s", err_message(&f->wait.err));
	assert_true(aws_auth_keys(&f->auth, &keys));
	assert_string_equal(keys.key_id, id);
}

static void assert_fails(
	struct fixture *f, enum err_class class, const char *reason, const char *says)
{
	struct sigv4_keys keys;

	get(f);
	assert_int_equal(f->wait.err.class, class);
	assert_string_equal(f->wait.err.reason, reason);
	if (!strstr(err_message(&f->wait.err), says))
		fail_msg("%s", err_message(&f->wait.err));
	assert_false(aws_auth_keys(&f->auth, &keys));
}

/* --- sources --- */

static void keys_of_a_secret(void **state)
{
	struct fixture *f = *state;
	struct sigv4_keys keys;

	json_object_set_new(f->credentials, "auth.accessKey",
		json_pack("{s:s, s:s, s:s}", "AWS_ACCESS_KEY_ID", "AKIA1", "AWS_SECRET_ACCESS_KEY",
			"s", "AWS_SESSION_TOKEN", "t"));
	setenv("AWS_ACCESS_KEY_ID", "other", 1);
	f->ambient = true;
	must_open(f);
	assert_keys(f, "AKIA1");
	assert_true(aws_auth_keys(&f->auth, &keys));
	assert_string_equal(keys.session_token, "t");
	fake_clock_advance(INT64_C(1000) * 86400 * 30);
	assert_keys(f, "AKIA1");
	assert_int_equal(f->asked, 0);
}

static void keys_that_are_none(void **state)
{
	struct fixture *f = *state;
	auto_err err = ERR_INIT;

	json_object_set_new(f->credentials, "auth.accessKey",
		json_pack("{s:s}", "AWS_SECRET_ACCESS_KEY", "geheim"));
	assert_int_equal(open_auth(f, &err), -1);
	assert_string_equal(err.reason, "InvalidKey");
	assert_non_null(strstr(err_message(&err), "AWS_ACCESS_KEY_ID"));
	assert_null(strstr(err_message(&err), "geheim"));
	json_object_clear(f->credentials);
	assert_int_equal(open_auth(f, &err), -1);
	assert_string_equal(err.reason, "NoCredentials");
	f->ambient = true;
	setenv("AWS_ACCESS_KEY_ID", "AKIA", 1);
	assert_int_equal(open_auth(f, &err), -1);
	assert_non_null(strstr(err_message(&err), "AWS_SECRET_ACCESS_KEY"));
	unsetenv("AWS_ACCESS_KEY_ID");
	setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
	assert_int_equal(open_auth(f, &err), -1);
	assert_string_equal(err.reason, "NoCredentials");
}

static void the_environments_keys_come_first(void **state)
{
	struct fixture *f = *state;

	f->ambient = true;
	setenv("AWS_ACCESS_KEY_ID", "ENV", 1);
	setenv("AWS_SECRET_ACCESS_KEY", "s", 1);
	setenv("AWS_ROLE_ARN", "arn:aws:iam::1:role/r", 1);
	setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere", 1);
	must_open(f);
	assert_keys(f, "ENV");
	assert_int_equal(f->asked, 0);
}

static void a_token_of_the_cluster(void **state)
{
	struct fixture *f = *state;
	struct sigv4_keys keys;

	json_object_set_new(json_object_get(f->spec, "auth"), "webIdentity",
		json_pack("{s:s}", "roleArn", "arn:aws:iam::1:role/r"));
	json_object_set_new(f->credentials, "auth.webIdentity", json_string("a.b+c"));
	must_open(f);
	assert_keys(f, "WEB-1");
	assert_string_equal(f->form,
		"Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1"
		"%3Arole%2Fr&RoleSessionName=fondant-operator&WebIdentityToken=a.b%2Bc");
	assert_null(f->authorization);
	assert_true(aws_auth_keys(&f->auth, &keys));
	assert_string_equal(keys.secret, "s&1");
	assert_string_equal(keys.session_token, "t-1");
}

/* The file is read anew each time; keys are fetched again five minutes before they end. */
static void a_token_of_a_file(void **state)
{
	struct fixture *f = *state;
	char path[] = "/tmp/fondant-test-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "one\n", 4), 4);
	f->ambient = true;
	setenv("AWS_ROLE_ARN", "arn:aws:iam::1:role/r", 1);
	setenv("AWS_WEB_IDENTITY_TOKEN_FILE", path, 1);
	must_open(f);
	assert_keys(f, "WEB-1");
	assert_non_null(strstr(f->form, "WebIdentityToken=one"));
	assert_int_equal(pwrite(fd, "two\n", 4, 0), 4);
	fake_clock_advance((LIFE_S - 310) * INT64_C(1000));
	assert_keys(f, "WEB-1");
	fake_clock_advance(20000);
	assert_keys(f, "WEB-2");
	assert_non_null(strstr(f->form, "WebIdentityToken=two"));
	aws_auth_drop(&f->auth);
	assert_keys(f, "WEB-3");
	close(fd);
	unlink(path);
	fake_clock_advance(LIFE_S * INT64_C(1000));
	assert_fails(f, ERR_TRANSIENT, "NoCredentials", path);
}

static void of_a_container(void **state)
{
	struct fixture *f = *state;
	auto_free char *url = xasprintf("%s/container", f->server.url);

	f->ambient = true;
	setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url, 1);
	setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "let me in", 1);
	must_open(f);
	assert_keys(f, "CONTAINER-1");
	assert_string_equal(f->authorization, "let me in");
}

static void a_containers_address_that_is_none(void **state)
{
	static const char *const urls[] = {"http://evil.example/x", "ftp://127.0.0.1/",
		"http://169.254.170.2@evil.example/", "http://127.0.0.1.evil.example:80x/"};
	struct fixture *f = *state;

	f->ambient = true;
	for (size_t i = 0; i < array_size(urls); i++) {
		auto_err err = ERR_INIT;

		setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", urls[i], 1);
		assert_int_equal(open_auth(f, &err), -1);
		assert_string_equal(err.reason, "InvalidEndpoint");
	}
}

static void of_the_machine(void **state)
{
	struct fixture *f = *state;

	f->ambient = true;
	setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f->server.url, 1);
	must_open(f);
	assert_keys(f, "MACHINE-3");
	assert_int_equal(f->asked, 3);
	assert_string_equal(f->paths.items[0], "/latest/api/token");
	fake_clock_advance(LIFE_S * INT64_C(1000));
	assert_keys(f, "MACHINE-6");
}

static void no_machine_either(void **state)
{
	struct fixture *f = *state;

	f->ambient = true;
	setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f->server.url, 1);
	http_server_refuse(&f->server, true);
	must_open(f);
	assert_fails(f, ERR_TRANSIENT, "NoCredentials", "neither in the environment");
	http_server_refuse(&f->server, false);
	assert_keys(f, "MACHINE-3");
}

/* --- another role --- */

static void a_role_taken_with_keys(void **state)
{
	struct fixture *f = *state;

	json_object_set_new(json_object_get(f->spec, "auth"), "assumeRole",
		json_pack("{s:s, s:s}", "roleArn", "arn:aws:iam::2:role/run", "externalId", "x y"));
	json_object_set_new(f->credentials, "auth.accessKey",
		json_pack(
			"{s:s, s:s}", "AWS_ACCESS_KEY_ID", "AKIA1", "AWS_SECRET_ACCESS_KEY", "s"));
	must_open(f);
	assert_keys(f, "HOP-1");
	assert_non_null(strstr(f->form, "Action=AssumeRole&"));
	assert_non_null(strstr(f->form, "&ExternalId=x%20y"));
	assert_non_null(strstr(f->authorization, "Credential=AKIA1/"));
	assert_non_null(strstr(f->authorization, "/eu-west-1/sts/aws4_request"));
	fake_clock_advance(LIFE_S * INT64_C(1000));
	assert_keys(f, "HOP-2");
}

static void a_role_taken_with_a_role(void **state)
{
	struct fixture *f = *state;

	json_object_set_new(json_object_get(f->spec, "auth"), "webIdentity",
		json_pack("{s:s}", "roleArn", "arn:aws:iam::1:role/r"));
	json_object_set_new(json_object_get(f->spec, "auth"), "assumeRole",
		json_pack("{s:s}", "roleArn", "arn:aws:iam::2:role/run"));
	json_object_set_new(f->credentials, "auth.webIdentity", json_string("token"));
	must_open(f);
	assert_keys(f, "HOP-2");
	assert_non_null(strstr(f->authorization, "Credential=WEB-1/"));
}

/* --- what goes wrong --- */

static void open_with_web_identity(struct fixture *f)
{
	json_object_set_new(json_object_get(f->spec, "auth"), "webIdentity",
		json_pack("{s:s}", "roleArn", "arn:aws:iam::1:role/r"));
	json_object_set_new(f->credentials, "auth.webIdentity", json_string("geheim"));
	must_open(f);
}

static void a_role_that_is_refused(void **state)
{
	struct fixture *f = *state;

	f->status = 403;
	f->hostile = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>Not authorized to "
		     "perform sts:AssumeRoleWithWebIdentity</Message></Error></ErrorResponse>";
	open_with_web_identity(f);
	assert_fails(f, ERR_USER, "Unauthorized", "AccessDenied: Not authorized to perform");
	assert_null(strstr(err_message(&f->wait.err), "geheim"));
	f->status = 400;
	f->hostile = "<ErrorResponse><Error><Code>IDPCommunicationError</Code><Message>later"
		     "</Message></Error></ErrorResponse>";
	assert_fails(f, ERR_TRANSIENT, "IDPCommunicationError", "later");
}

static void answers_that_are_none(void **state)
{
	static const struct {
		int status;
		const char *body;
	} rows[] = {{200, ""}, {200, "<html><body>sign in</body></html>"}, {200, "<a><b>"},
		{200, "{\"AccessKeyId\": 3}"}, {500, "<html>down</html>"},
		{200, "<R><Credentials><AccessKeyId>A</AccessKeyId><SecretAccessKey>s"
		      "</SecretAccessKey></Credentials></R>"},
		{200, "<R><Credentials><AccessKeyId>A</AccessKeyId><SecretAccessKey>s"
		      "</SecretAccessKey><Expiration>soon</Expiration></Credentials></R>"},
		{200, "<!DOCTYPE x [<!ENTITY a \"b\">]><R/>"}};
	struct fixture *f = *state;

	open_with_web_identity(f);
	for (size_t i = 0; i < array_size(rows); i++) {
		f->status = rows[i].status;
		f->hostile = rows[i].body;
		get(f);
		if (f->wait.err.class != ERR_TRANSIENT)
			fail_msg("%zu: %s", i, err_message(&f->wait.err));
	}
	f->hostile = NULL;
	get(f);
	assert_int_equal(f->wait.err.class, ERR_NONE);
}

/* Keys that hold for some minutes yet are used while no others can be had. */
static void old_keys_bridge_an_outage(void **state)
{
	struct fixture *f = *state;

	open_with_web_identity(f);
	assert_keys(f, "WEB-1");
	fake_clock_advance((LIFE_S - 250) * INT64_C(1000));
	f->status = 503;
	f->hostile = "down";
	assert_keys(f, "WEB-1");
	assert_in_range(f->asked, 3, 9);
	fake_clock_advance(INT64_C(300) * 1000);
	assert_fails(f, ERR_TRANSIENT, "ServerError", "ask AWS STS");
}

static void many_wait_for_one(void **state)
{
	struct fixture *f = *state;
	struct aws_wait others[5] = {0};

	open_with_web_identity(f);
	for (size_t i = 0; i < array_size(others); i++)
		aws_auth_get(&f->auth, &others[i], on_done);
	aws_wait_cancel(&others[0]);
	aws_wait_cancel(&others[3]);
	for (size_t i = 0; i < array_size(others); i++)
		aws_wait_cancel(&others[i]);
	assert_keys(f, "WEB-1");
	assert_int_equal(f->asked, 1);
}

static void endpoints(void **state)
{
	auto_free char *a = aws_endpoint("sts", "eu-west-1"),
		       *b = aws_endpoint("sts", "cn-north-1");

	(void)state;
	assert_string_equal(a, "https://sts.eu-west-1.amazonaws.com");
	assert_string_equal(b, "https://sts.cn-north-1.amazonaws.com.cn");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(keys_of_a_secret, setup, teardown),
		cmocka_unit_test_setup_teardown(keys_that_are_none, setup, teardown),
		cmocka_unit_test_setup_teardown(the_environments_keys_come_first, setup, teardown),
		cmocka_unit_test_setup_teardown(a_token_of_the_cluster, setup, teardown),
		cmocka_unit_test_setup_teardown(a_token_of_a_file, setup, teardown),
		cmocka_unit_test_setup_teardown(of_a_container, setup, teardown),
		cmocka_unit_test_setup_teardown(a_containers_address_that_is_none, setup, teardown),
		cmocka_unit_test_setup_teardown(of_the_machine, setup, teardown),
		cmocka_unit_test_setup_teardown(no_machine_either, setup, teardown),
		cmocka_unit_test_setup_teardown(a_role_taken_with_keys, setup, teardown),
		cmocka_unit_test_setup_teardown(a_role_taken_with_a_role, setup, teardown),
		cmocka_unit_test_setup_teardown(a_role_that_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(answers_that_are_none, setup, teardown),
		cmocka_unit_test_setup_teardown(old_keys_bridge_an_outage, setup, teardown),
		cmocka_unit_test_setup_teardown(many_wait_for_one, setup, teardown),
		cmocka_unit_test(endpoints),
	};

	return cmocka_run_group_tests_name("runners/aws_auth", tests, NULL, NULL);
}

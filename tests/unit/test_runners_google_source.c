/*
 * Access tokens of Google Cloud from every kind of credentials but a key (test_cli_drive_vertex.c),
 * from a server that plays the token endpoints, IAM Credentials and a URL with subject tokens: what
 * each is asked, in which order, and what is said when one refuses.
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
#include <sys/stat.h>
#include <unistd.h>
#include "base/mem.h"
#include "base/str.h"
#include "doc/json.h"
#include "runners/google_auth.h"
#include "tests/fake/http_server.h"

#define TURN_MS 20
#define SA "sa@p.iam.gserviceaccount.com"
#define OTHER "other@p.iam.gserviceaccount.com"

struct fixture {
	struct loop *loop;
	struct http_client *client;
	struct http_server server;
	struct google_auth auth;
	struct google_wait wait;
	json_t *spec, *credentials;
	bool ambient, open, done;
	char folder[64], *file, *subject; /* of the credentials, of the subject token */
	struct strvec asked;              /* "POST /token" */
	struct strvec bodies;
	struct strvec bearers; /* "" where none was sent */
	/* what is answered instead, at this path */
	const char *at, *hostile;
	int status;
};

/* --- the server --- */

/* Owned. */
static char *answer_of(struct fixture *f, const struct http_exchange *ex)
{
	if (str_eq(ex->path, "/subject"))
		return xstrdup(str_eq(http_header(ex, "metadata"), "True")
				       ? "{\"access_token\": \"subject-of-url\"}"
				       : "{}");
	if (str_eq(ex->path, "/plain"))
		return xstrdup("plain-subject\n");
	if (str_ends_with(ex->path, ":generateAccessToken"))
		return xasprintf("{\"accessToken\": \"hop-%zu\", \"expireTime\": "
				 "\"2027-01-15T09:00:00Z\"}",
			f->asked.len);
	return xasprintf("{\"access_token\": \"token-%zu\", \"expires_in\": 3599}", f->asked.len);
}

static void on_request(struct http_server *server, struct http_exchange *ex)
{
	struct fixture *f = server->user;
	const char *bearer = http_header(ex, "authorization");
	auto_free char *body = NULL;

	strvec_addf(&f->asked, "%s %s", ex->method, ex->path);
	strvec_add(&f->bodies, buf_str(&ex->body));
	strvec_add(&f->bearers, bearer ? bearer : "");
	if (str_eq(f->at, ex->path)) {
		http_reply(ex, f->status, "application/json", f->hostile, strlen(f->hostile));
		return;
	}
	body = answer_of(f, ex);
	http_reply(ex, 200, "application/json", body, strlen(body));
}

/* --- the test's side --- */

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static int setup(void **state)
{
	struct fixture *f = xnew(struct fixture);
	struct http_client_options options = {.user_agent = "test"};

	fake_clock_start();
	unsetenv("GOOGLE_APPLICATION_CREDENTIALS");
	unsetenv("GCE_METADATA_HOST");
	assert_int_equal(loop_new(&f->loop, NULL), 0);
	assert_int_equal(http_client_new(f->loop, &options, &f->client, NULL), 0);
	http_server_start(&f->server, f->loop, on_request, f);
	snprintf(f->folder, sizeof(f->folder), "/tmp/fondant-test-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	f->file = xasprintf("%s/application_default_credentials.json", f->folder);
	f->subject = xasprintf("%s/subject", f->folder);
	setenv("CLOUDSDK_CONFIG", f->folder, 1);
	f->spec = json_object();
	f->credentials = json_object();
	f->ambient = true;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	google_wait_cancel(&f->wait);
	if (f->open)
		google_auth_clear(&f->auth);
	http_client_free(f->client);
	http_server_stop(&f->server);
	unlink(f->file);
	unlink(f->subject);
	rmdir(f->folder);
	unsetenv("CLOUDSDK_CONFIG");
	unsetenv("GOOGLE_APPLICATION_CREDENTIALS");
	json_decref(f->spec);
	json_decref(f->credentials);
	strvec_clear(&f->asked);
	strvec_clear(&f->bodies);
	strvec_clear(&f->bearers);
	free(f->file);
	free(f->subject);
	loop_free(f->loop);
	free(f);
	return 0;
}

/* Credentials of the machine; stolen. */
static void given(struct fixture *f, json_t *json)
{
	auto_free char *text = doc_json_dump(json);

	write_file(f->file, text);
	json_decref(json);
}

static char *at(const struct fixture *f, const char *path)
{
	return xasprintf("%s%s", f->server.url, path);
}

static int open_auth(struct fixture *f, struct err *err)
{
	struct runner_settings settings = {.spec = f->spec,
		.credentials = f->credentials,
		.ambient = f->ambient,
		.local_endpoints = true};
	int result = google_auth_init(&f->auth, f->loop, f->client, &settings, err);

	f->open = result == 0;
	return result;
}

static void on_done(struct google_wait *wait)
{
	container_of(wait, struct fixture, wait)->done = true;
}

static void get(struct fixture *f)
{
	auto_err err = ERR_INIT;

	if (!f->open && open_auth(f, &err) < 0)
		fail_msg("%s", err_message(&err));
	f->done = false;
	google_auth_get(&f->auth, &f->wait, on_done);
	assert_false(f->done);
	for (int64_t ms = 0; !f->done; ms += TURN_MS) {
		assert_in_range(ms, 0, 600000);
		for (int i = 0; i < 4; i++)
			loop_turn(f->loop, 0);
		fake_clock_advance(TURN_MS);
	}
}

static void assert_token(struct fixture *f, const char *token)
{
	get(f);
	if (f->wait.err.class != ERR_NONE)
		fail_msg("%s", err_message(&f->wait.err));
	assert_string_equal(google_auth_token(&f->auth), token);
}

static void assert_fails(
	struct fixture *f, enum err_class class, const char *reason, const char *says)
{
	get(f);
	assert_int_equal(f->wait.err.class, class);
	assert_string_equal(f->wait.err.reason, reason);
	if (!strstr(err_message(&f->wait.err), says))
		fail_msg("%s", err_message(&f->wait.err));
	assert_null(google_auth_token(&f->auth));
}

static void assert_asked(const struct fixture *f, const char *all)
{
	auto_free char *joined = strvec_join(&f->asked, ", ");

	assert_string_equal(joined, all);
}

static void assert_in_body(const struct fixture *f, size_t request, const char *text)
{
	if (!strstr(f->bodies.items[request], text))
		fail_msg("%s", f->bodies.items[request]);
}

/* --- sources --- */

/* With the subject token in a file; what else is given is added. New reference. */
static json_t *external(const struct fixture *f, json_t *source)
{
	auto_free char *token = at(f, "/token");

	return json_pack("{s:s, s:s, s:s, s:s, s:o}", "type", "external_account", "audience",
		"//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/"
		"providers/x",
		"subject_token_type", "urn:ietf:params:oauth:token-type:jwt", "token_url", token,
		"credential_source", source);
}

/* The file is read anew each time; tokens are fetched again a minute before they end. */
static void a_subject_in_a_file(void **state)
{
	struct fixture *f = *state;

	write_file(f->subject, " one\n");
	given(f, external(f, json_pack("{s:s}", "file", f->subject)));
	assert_token(f, "token-1");
	assert_string_equal(f->bodies.items[0],
		"grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&audience=%2F%"
		"2Fiam.googleapis.com%2Fprojects%2F1%2Flocations%2Fglobal%2FworkloadIdentityPools%"
		"2Fp%2Fproviders%2Fx&scope=https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fcloud-"
		"platform&requested_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_"
		"token&subject_token=one&subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-"
		"type%3Ajwt");
	write_file(f->subject, "two");
	fake_clock_advance(INT64_C(1000) * (3599 - 90));
	assert_token(f, "token-1");
	fake_clock_advance(INT64_C(1000) * 40);
	assert_token(f, "token-2");
	assert_in_body(f, 1, "subject_token=two&");
}

static void a_subject_in_a_field_of_a_file(void **state)
{
	struct fixture *f = *state;
	json_t *json = external(f, json_pack("{s:s, s:{s:s, s:s}}", "file", f->subject, "format",
					   "type", "json", "subject_token_field_name", "id"));

	json_object_set_new(json, "workforce_pool_user_project", json_string("p9"));
	given(f, json);
	write_file(f->subject, "{\"id\": \"a.b+c\"}");
	assert_token(f, "token-1");
	assert_in_body(f, 0, "subject_token=a.b%2Bc&");
	assert_in_body(f, 0, "&options=%7B%22userProject%22%3A%22p9%22%7D");
}

static void a_subject_of_a_url(void **state)
{
	struct fixture *f = *state;
	auto_free char *url = at(f, "/subject");

	given(f, external(f, json_pack("{s:s, s:{s:s}, s:{s:s}}", "url", url, "headers", "Metadata",
				     "True", "format", "type", "json")));
	assert_token(f, "token-2");
	assert_asked(f, "GET /subject, POST /token");
	assert_in_body(f, 1, "subject_token=subject-of-url&");
	google_auth_drop(&f->auth);
	assert_token(f, "token-4");
}

static void a_plain_subject_of_a_url(void **state)
{
	struct fixture *f = *state;
	auto_free char *url = at(f, "/plain");

	given(f, external(f, json_pack("{s:s}", "url", url)));
	assert_token(f, "token-2");
	assert_in_body(f, 1, "subject_token=plain-subject&");
}

static void a_person(void **state)
{
	struct fixture *f = *state;
	auto_free char *url = at(f, "/token");

	given(f, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "type", "authorized_user", "client_id",
			 "me", "client_secret", "s+1", "refresh_token", "1//r", "token_uri", url,
			 "quota_project_id", "p"));
	assert_token(f, "token-1");
	assert_string_equal(f->bodies.items[0],
		"grant_type=refresh_token&client_id=me&client_secret=s%2B1&refresh_token=1%2F%2Fr");
	assert_string_equal(google_source_quota_project(&f->auth.source), "p");
}

/* --- impersonation --- */

/* Of the file first, then of the backend. */
static void two_service_accounts(void **state)
{
	struct fixture *f = *state;
	json_t *json = external(f, json_pack("{s:s}", "file", f->subject));
	auto_free char *url = at(f, "/v1/projects/-/serviceAccounts/" SA ":generateAccessToken");

	json_object_set_new(json, "service_account_impersonation_url", json_string(url));
	json_object_set_new(json, "service_account_impersonation",
		json_pack("{s:i}", "token_lifetime_seconds", 600));
	given(f, json);
	write_file(f->subject, "one");
	json_object_set_new(f->spec, "endpoint", json_string(f->server.url));
	json_object_set_new(f->spec, "auth",
		json_pack("{s:{s:s, s:[s]}}", "impersonate", "serviceAccount", OTHER, "delegates",
			"between@p.iam.gserviceaccount.com"));
	assert_token(f, "hop-3");
	assert_asked(f, "POST /token, POST /v1/projects/-/serviceAccounts/" SA
			":generateAccessToken, POST /v1/projects/-/serviceAccounts/" OTHER
			":generateAccessToken");
	assert_string_equal(f->bearers.items[0], "");
	assert_string_equal(f->bearers.items[1], "Bearer token-1");
	assert_string_equal(f->bearers.items[2], "Bearer hop-2");
	assert_in_body(f, 1, "\"lifetime\":\"600s\"");
	assert_in_body(f, 1, "\"delegates\":[]");
	assert_string_equal(f->bodies.items[2],
		"{\"scope\":[\"https://www.googleapis.com/auth/cloud-platform\"],\"delegates\":"
		"[\"projects/-/serviceAccounts/between@p.iam.gserviceaccount.com\"],"
		"\"lifetime\":\"3600s\"}");
}

/* As `gcloud auth application-default login --impersonate-service-account` writes it. */
static void a_person_as_a_service_account(void **state)
{
	struct fixture *f = *state;
	auto_free char *token = at(f, "/token");
	auto_free char *url = at(f, "/v1/projects/-/serviceAccounts/" SA ":generateAccessToken");

	given(f, json_pack("{s:s, s:s, s:[s], s:{s:s, s:s, s:s, s:s, s:s}}", "type",
			 "impersonated_service_account", "service_account_impersonation_url", url,
			 "delegates", "projects/-/serviceAccounts/b", "source_credentials", "type",
			 "authorized_user", "client_id", "me", "client_secret", "s",
			 "refresh_token", "r", "token_uri", token));
	assert_token(f, "hop-2");
	assert_in_body(f, 1, "[\"projects/-/serviceAccounts/b\"]");
	fake_clock_advance(INT64_C(1000) * 3550);
	assert_token(f, "hop-4");
}

/* The machine's own identity, where no file is named, and another account by it. */
static void the_machine_as_a_service_account(void **state)
{
	struct fixture *f = *state;

	setenv("GCE_METADATA_HOST", f->server.url + strlen("http://"), 1);
	json_object_set_new(f->spec, "endpoint", json_string(f->server.url));
	json_object_set_new(
		f->spec, "auth", json_pack("{s:{s:s}}", "impersonate", "serviceAccount", SA));
	assert_token(f, "hop-2");
	assert_string_equal(f->bearers.items[1], "Bearer token-1");
	unsetenv("GCE_METADATA_HOST");
}

/* Whoever writes a FondantBackend sends no token anywhere but to Google. */
static void another_endpoint_only_where_it_is_allowed(void **state)
{
	struct fixture *f = *state;
	struct runner_settings settings = {.spec = f->spec, .credentials = f->credentials};
	struct google_source source;

	json_object_set_new(f->credentials, "auth.serviceAccountToken", json_string("t"));
	json_object_set_new(f->spec, "endpoint", json_string("https://evil.example"));
	json_object_set_new(
		f->spec, "auth", json_pack("{s:{s:s}}", "impersonate", "serviceAccount", SA));
	assert_int_equal(google_source_init(&source, &settings, NULL), 0);
	assert_int_equal(google_source_legs(&source), 2);
	assert_string_equal(source.hops[0].url,
		"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/" SA
		":generateAccessToken");
	google_source_clear(&source);
}

/* --- refusals --- */

static void refused_on_the_way(void **state)
{
	static const struct {
		const char *at, *hostile;
		int status;
		enum err_class class;
		const char *reason, *says;
	} rows[] = {
		{"/token", "{\"error\": \"invalid_target\"}", 400, ERR_USER, "Unauthorized",
			"for no token: invalid_target"},
		{"/token", "{\"error\": \"x\", \"error_description\": \"no pool\"}", 403, ERR_USER,
			"Forbidden", "no pool"},
		{"/token", "{\"access_token\": 3}", 200, ERR_TRANSIENT, "BadAnswer",
			"without a token"},
		{"/token", "<html>", 503, ERR_TRANSIENT, "ServerError", "503"},
		{"hop", "{\"error\": {\"message\": \"iam.serviceAccounts.getAccessToken denied\"}}",
			403, ERR_USER, "Forbidden",
			SA " cannot be impersonated: iam.serviceAccounts.getAccessToken denied; "
			   "grant roles/iam.serviceAccountTokenCreator"},
		{"hop", "{}", 404, ERR_USER, "Forbidden", "does not say why"},
		{"hop", "{\"accessToken\": \"\"}", 200, ERR_TRANSIENT, "BadAnswer",
			"without a token"},
		{"hop", "{\"accessToken\": \"secre", 200, ERR_TRANSIENT, "BadAnswer", ""},
		{"/subject", "secret: no", 401, ERR_USER, "Unauthorized",
			"credential_source: get a token"},
		{"/subject", "{}", 200, ERR_TRANSIENT, "BadAnswer", "credential_source"},
		{"/subject", "[\"secret\"]", 200, ERR_TRANSIENT, "BadAnswer", "credential_source"},
	};
	static const char hop[] = "/v1/projects/-/serviceAccounts/" SA ":generateAccessToken";

	(void)state;
	for (size_t i = 0; i < array_size(rows); i++) {
		struct fixture *f;
		void *one;
		auto_free char *url = NULL, *subject = NULL;
		json_t *json;

		setup(&one);
		f = one;
		url = at(f, hop);
		subject = at(f, "/subject");
		json = external(f, json_pack("{s:s, s:{s:s}, s:{s:s}}", "url", subject, "headers",
					   "Metadata", "True", "format", "type", "json"));
		json_object_set_new(json, "service_account_impersonation_url", json_string(url));
		given(f, json);
		f->at = str_eq(rows[i].at, "hop") ? hop : rows[i].at;
		f->hostile = rows[i].hostile;
		f->status = rows[i].status;
		assert_fails(f, rows[i].class, rows[i].reason, rows[i].says);
		assert_null(strstr(err_message(&f->wait.err), "secre"));
		f->at = NULL;
		get(f);
		assert_non_null(
			google_auth_token(&f->auth)); /* it is tried again, from the start */
		teardown(&one);
	}
}

static void a_file_that_is_gone(void **state)
{
	struct fixture *f = *state;

	given(f, external(f, json_pack("{s:s}", "file", f->subject)));
	assert_fails(f, ERR_USER, "NoCredentials", "there is no token in");
	write_file(f->subject, "\n");
	assert_fails(f, ERR_USER, "NoCredentials", "there is no token in");
	assert_int_equal(f->asked.len, 0);
	write_file(f->subject, "t");
	assert_token(f, "token-1");
}

static void files_that_are_none(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *text, *reason, *says;
	} rows[] = {
		{"", "NoCredentials", "cannot be read"},
		{"x", "InvalidKey", "no key file"},
		{"[]", "InvalidKey", "no key file"},
		{"{'type': 'external_account'}", "InvalidKey", "no audience"},
		{"{'type': 'external_account', 'audience': 'a', 'credential_source': "
		 "{'environment_id': 'aws1', 'url': 3}}",
			"InvalidKey", "no file and no url"},
		{"{'type': 'external_account', 'audience': 'a', 'credential_source': "
		 "{'executable': {'command': 'x'}}}",
			"InvalidKey", "no file and no url"},
		{"{'type': 'authorized_user', 'client_id': 'a'}", "InvalidKey", "gcloud auth"},
		{"{'type': 'impersonated_service_account'}", "InvalidKey", "no key file"},
		{"{'type': 'impersonated_service_account', 'source_credentials': {'type': "
		 "'impersonated_service_account', 'source_credentials': {'type': "
		 "'impersonated_service_account'}}}",
			"InvalidKey", "too many times"},
		{"{'type': 'impersonated_service_account', 'service_account_impersonation_url': "
		 "'u', 'source_credentials': {'type': 'external_account', 'audience': 'a', "
		 "'credential_source': {'file': 'f'}, 'service_account_impersonation_url': 'v'}}",
			"InvalidKey", "more than one file"},
	};

	for (size_t i = 0; i < array_size(rows); i++) {
		auto_free char *text = xstrdup(rows[i].text);
		auto_err err = ERR_INIT;

		for (char *c = text; *c; c++)
			*c = *c == '\'' ? '"' : *c;
		write_file(f->file, text);
		setenv("GOOGLE_APPLICATION_CREDENTIALS", f->file, 1);
		if (open_auth(f, &err) == 0)
			fail_msg("%s", rows[i].text);
		assert_string_equal(err.reason, rows[i].reason);
		if (!strstr(err_message(&err), rows[i].says) ||
			!strstr(err_message(&err), "$GOOGLE_APPLICATION_CREDENTIALS"))
			fail_msg("%s: %s", rows[i].text, err_message(&err));
	}
}

/* It would choose a file of the operator's and where its text goes. */
static void a_secret_is_a_key_only(void **state)
{
	struct fixture *f = *state;
	auto_json *json = external(f, json_pack("{s:s}", "file", "/etc/passwd"));
	auto_free char *text = doc_json_dump(json);
	auto_err err = ERR_INIT;

	json_object_set_new(f->credentials, "auth.serviceAccountKey", json_string(text));
	assert_int_equal(open_auth(f, &err), -1);
	assert_string_equal(err.reason, "InvalidKey");
}

static void accounts_that_are_none(void **state)
{
	static const char *const specs[] = {"{\"auth\": {\"impersonate\": {}}}",
		"{\"auth\": {\"impersonate\": {\"serviceAccount\": "
		"\"x/../y@p.gserviceaccount.com\"}}}",
		"{\"auth\": {\"impersonate\": {\"serviceAccount\": \"" SA
		"\", \"delegates\": [\"me@example.com\"]}}}"};
	struct fixture *f = *state;

	json_object_set_new(f->credentials, "auth.serviceAccountToken", json_string("t"));
	for (size_t i = 0; i < array_size(specs); i++) {
		auto_err err = ERR_INIT;

		json_decref(take_ptr(f->spec));
		f->spec = json_loads(specs[i], 0, NULL);
		assert_int_equal(open_auth(f, &err), -1);
		assert_string_equal(err.reason, "InvalidSettings");
		assert_non_null(strstr(err_message(&err), "vertex.auth.impersonate."));
	}
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_subject_in_a_file),
		CASE(a_subject_in_a_field_of_a_file),
		CASE(a_subject_of_a_url),
		CASE(a_plain_subject_of_a_url),
		CASE(a_person),
		CASE(two_service_accounts),
		CASE(a_person_as_a_service_account),
		CASE(the_machine_as_a_service_account),
		CASE(another_endpoint_only_where_it_is_allowed),
		cmocka_unit_test(refused_on_the_way),
		CASE(a_file_that_is_gone),
		CASE(files_that_are_none),
		CASE(a_secret_is_a_key_only),
		CASE(accounts_that_are_none),
	};

	return cmocka_run_group_tests_name("runners/google_source", tests, NULL, NULL);
}

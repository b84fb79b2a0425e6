/*
 * A run from its creation to its end through cli/drive.h and the runner `vertex`, on a fake of
 * Vertex AI and of Google's token endpoint: each request lost, each answer lost or replaced by
 * rubbish, the program killed after each, and taken up again. However it went, there is one job.
 */
#include "test_cli_drive_fixture.h"

#include "base/base64.h"
#include "net/jwt.h"
#include "runners/google_auth.h"
#include "tests/fake/vertex.h"

#define KMS_KEY "projects/p/locations/europe-west1/keyRings/r/cryptoKeys/k"

struct fixture {
	struct drive_fixture d;
	struct fake_vertex fake;
};

#define TWO_STEPS                                                                   \
	"workingDirectory: gs://lake/fondant\n"                                     \
	"steps:\n"                                                                  \
	"- name: load\n"                                                            \
	"  component: {spec: {name: L, description: d, image: 'reg.example/l:1',\n" \
	"    produces: {a: {type: string}}}}\n"                                     \
	"- name: write\n"                                                           \
	"  from: [load]\n"                                                          \
	"  component: {spec: {name: W, description: d, image: 'reg.example/w:1',\n" \
	"    consumes: {a: {type: string}}}}\n"

static char *read_file(const char *path)
{
	struct buf text = BUF_INIT;
	FILE *file = fopen(path, "re");
	char piece[4096];
	size_t n;

	assert_non_null(file);
	while ((n = fread(piece, 1, sizeof(piece), file)) > 0)
		buf_add(&text, piece, n);
	fclose(file);
	return buf_take(&text);
}

/* A key file as Google Cloud gives it. Owned. */
static char *key_file(const char *token_uri)
{
	auto_free char *pem = read_file("tests/data/keys/test-only.pem");
	auto_json *json = json_pack("{s:s, s:s, s:s, s:s, s:s}", "type", "service_account",
		"client_email", "loader@my-project.iam.gserviceaccount.com", "private_key_id", "k1",
		"private_key", pem, "token_uri", token_uri);

	return doc_json_dump(json);
}

static int setup(void **state)
{
	struct fixture *f = xnew(struct fixture);
	auto_free char *uri = NULL, *key = NULL;

	drive_fixture_init(&f->d, &runner_vertex, TWO_STEPS);
	f->d.asked = &f->fake.asked;
	fake_vertex_start(&f->fake, f->d.loop);
	uri = xasprintf("%s/token", f->fake.server.url);
	key = key_file(uri);
	f->d.settings = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:{s:s}}", "project",
		"my-project", "location", "europe-west1", "endpoint", f->fake.server.url,
		"pipelineRoot", "gs://lake/root", "serviceAccount",
		"runner@my-project.iam.gserviceaccount.com", "network",
		"projects/1/global/networks/n", "encryptionKey", KMS_KEY, "labels", "team", "lake");
	f->d.credentials = json_pack("{s:s}", "auth.serviceAccountKey", key);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	end(&f->d);
	fake_vertex_stop(&f->fake);
	drive_fixture_clear(&f->d);
	free(f);
	return 0;
}

static void assert_once(const struct fixture *f)
{
	assert_int_equal(json_object_size(f->fake.jobs), 1);
	assert_int_equal(f->fake.created, 1);
}

static void assert_no_more(const struct fixture *f)
{
	assert_in_range(json_object_size(f->fake.jobs), 0, 1);
	if (fake_vertex_job(&f->fake))
		assert_once(f);
}

#define MIN_REQUESTS 8
#define MAX_REQUESTS 60
#include "test_cli_drive_faults.h"

static void a_run(void **state)
{
	struct fixture *f = *state;
	const json_t *body;
	void *iterator;

	begin(&f->d);
	to_the_end(&f->d);
	assert_int_equal(f->d.drive.phase, RUN_SUCCEEDED);
	assert_once(f);
	assert_step(&f->d, 0, STEP_SUCCEEDED);
	assert_step(&f->d, 1, STEP_SUCCEEDED);
	assert_int_equal(f->d.troubles, 0);
	assert_int_equal(f->fake.tokens, 1);
	body = doc_get(fake_vertex_job(&f->fake), "body");
	assert_string_equal(doc_str(body, "displayName"), RUN_ID);
	assert_string_equal(
		doc_str(body, "serviceAccount"), "runner@my-project.iam.gserviceaccount.com");
	assert_string_equal(doc_str(body, "network"), "projects/1/global/networks/n");
	assert_string_equal(doc_str(body, "runtimeConfig.gcsOutputDirectory"), "gs://lake/root");
	assert_string_equal(doc_str(body, "encryptionSpec.kmsKeyName"), KMS_KEY);
	assert_string_equal(doc_str(body, "labels.team"), "lake");
	assert_string_equal(doc_str(body, "labels.fondant-run"), RUN_ID);
	iterator = json_object_iter(f->fake.jobs);
	assert_true(str_starts_with(json_object_iter_key(iterator), "run-"));
	assert_int_equal(strlen(json_object_iter_key(iterator)), 40);
	assert_int_equal(f->d.drive.known[0].start_s, 1800000000);
}

static void odd_answers(void **state)
{
	static const char *const answers[] = {"[]", "{}", "null", "3",
		"{\"state\": 3, \"jobDetail\": []}",
		"{\"state\": \"RUNNING\", \"run_details\": {\"task_details\": [1, "
		"{\"display_name\": "
		"[]}]}}"};

	(void)state;
	with_odd_answers(answers, array_size(answers));
}

/* --- ends --- */

static void a_step_fails(void **state)
{
	struct fixture *f = *state;

	f->fake.fails = "load";
	f->fake.why = "The replica workerpool0-0 exited with a non-zero status of 1.";
	f->fake.code = 9;
	begin(&f->d);
	to_the_end(&f->d);
	assert_int_equal(f->d.drive.phase, RUN_FAILED);
	assert_step(&f->d, 0, STEP_FAILED);
	assert_step(&f->d, 1, STEP_SKIPPED);
	assert_string_equal(f->d.drive.known[0].message, f->fake.why);
	assert_string_equal(f->d.drive.known[0].reason, "Error");
	assert_int_equal(f->d.drive.known[0].exit_code, 1);
	assert_int_equal(f->fake.jobs_asked, 0);
	assert_non_null(strstr(f->d.drive.message, f->fake.why));
}

/* The task's words, and those of the job that they name. */
static void why_a_step_fails(void **state)
{
	static const struct {
		const char *why;
		int code;
		const char *job_why;
		int job_code;
		const char *reason, *message;
		int exit_code, asked;
	} rows[] = {
		{"Job customJobs/77 has failed.", 9,
			"The replica workerpool0-0 exited with a non-zero status of 3.", 9, "Error",
			"Job customJobs/77 has failed.; customJobs/77: The replica workerpool0-0 "
			"exited with a non-zero status of 3.",
			3, 1},
		{"", 9, "ran out of memory", 9, "OOMKilled", "customJobs/77: ran out of memory", -1,
			1},
		{"see projects/1/locations/l/customJobs/77.", 9, "no such bucket", 7,
			"PermissionDenied",
			"see projects/1/locations/l/customJobs/77.; customJobs/77: no such bucket",
			-1, 1},
		{"customJobs/77: said already", 13, "said already", 13, "Internal",
			"customJobs/77: said already", -1, 1},
		{"customJobs/78 failed", 9, "of another", 9, "Error", "customJobs/78 failed", -1,
			1},
		{"customJobs/77 failed", 9, NULL, 0, "Error", "customJobs/77 failed", -1, 1},
		{"code=RESOURCE_EXHAUSTED, message=x", 13, NULL, 0, "QuotaExceeded",
			"code=RESOURCE_EXHAUSTED, message=x", -1, 0},
		{"", 9, NULL, 0, "Error",
			"Vertex AI does not say why; look at https://console.cloud.google.com", -1,
			1},
	};

	(void)state;
	for (size_t i = 0; i < array_size(rows); i++) {
		const struct step_state *step;
		struct fixture *f;
		void *one;

		setup(&one);
		f = one;
		f->fake.fails = "load";
		f->fake.why = rows[i].why;
		f->fake.code = rows[i].code;
		f->fake.job_why = rows[i].job_why;
		f->fake.job_code = rows[i].job_code;
		begin(&f->d);
		to_the_end(&f->d);
		step = &f->d.drive.known[0];
		assert_int_equal(f->d.drive.phase, RUN_FAILED);
		assert_string_equal(step->reason, rows[i].reason);
		if (!str_starts_with(step->message, rows[i].message))
			fail_msg("%s", step->message);
		assert_int_equal(step->exit_code, rows[i].exit_code);
		assert_int_equal(f->fake.jobs_asked, rows[i].asked);
		teardown(&one);
	}
}

static void words_are_bounded(void **state)
{
	struct fixture *f = *state;
	auto_free char *much = xcalloc(10001, 1), *why = NULL;

	memset(much, 'x', 10000);
	why = xasprintf("%s customJobs/77", much);
	f->fake.fails = "load";
	f->fake.why = why;
	f->fake.job_why = much;
	begin(&f->d);
	to_the_end(&f->d);
	assert_in_range(strlen(f->d.drive.known[0].message), 2000, 2100);
}

/* Nothing is lost by a job that does not answer. */
static void a_job_that_cannot_be_asked(void **state)
{
	static const enum fake_fault faults[] = {FAKE_LOSE_ANSWER, FAKE_BODY};

	(void)state;
	for (size_t i = 0; i < array_size(faults); i++) {
		struct fixture *f;
		void *one;

		setup(&one);
		f = one;
		f->fake.fails = "load";
		f->fake.why = "customJobs/77 failed";
		f->fake.job_why = "the bucket is gone";
		f->fake.hostile = "{\"error\": [3]}";
		begin(&f->d);
		while (!f->fake.jobs_asked && !f->d.ended) {
			f->fake.fault = faults[i];
			if (f->d.drive.known[0].phase == STEP_RUNNING)
				f->fake.fault_at = f->fake.asked + 2;
			turn(&f->d);
		}
		to_the_end(&f->d);
		assert_int_equal(f->d.drive.phase, RUN_FAILED);
		assert_non_null(strstr(f->d.drive.known[0].message, "customJobs/77 failed"));
		teardown(&one);
	}
}

static void what_a_step_is_tried_again_for(void **state)
{
	struct fixture *f = *state;

	f->fake.hangs = true;
	f->fake.retried = "The following quota metrics exceed quota limits: x";
	begin(&f->d);
	while (f->d.drive.known[0].phase != STEP_RUNNING)
		turn(&f->d);
	assert_string_equal(f->d.drive.known[0].reason, "QuotaExceeded");
	assert_string_equal(f->d.drive.known[0].message,
		"Vertex AI tries again: The following quota metrics exceed quota limits: x");
	f->fake.hangs = false;
	f->fake.retried = NULL;
	to_the_end(&f->d);
	assert_int_equal(f->d.drive.phase, RUN_SUCCEEDED);
	assert_null(f->d.drive.known[0].message);
}

/* It waits as long as it takes, and says for what. */
static void a_quota_of_the_creation_is_waited_for(void **state)
{
	struct fixture *f = *state;

	f->fake.exhausted = 20;
	begin(&f->d);
	to_the_end(&f->d);
	assert_int_equal(f->d.drive.phase, RUN_SUCCEEDED);
	assert_int_equal(f->fake.exhausted, 0);
	assert_true(f->d.troubles > 0);
	assert_string_equal(f->d.trouble,
		"waits for quota: Quota exceeded for quota metric 'Pipeline jobs'. (HTTP 429)");
	assert_once(f);
}

static void a_quota_that_is_used_up_is_told(void **state)
{
	struct fixture *f = *state;

	f->fake.fails = "load";
	f->fake.why =
		"The following quota metrics exceed quota limits: aiplatform.googleapis.com/x";
	f->fake.code = 8;
	begin(&f->d);
	to_the_end(&f->d);
	assert_string_equal(f->d.drive.known[0].reason, "QuotaExceeded");
}

static void cancelled(void **state)
{
	struct fixture *f = *state;

	f->fake.hangs = true;
	begin(&f->d);
	while (f->d.drive.known[0].phase != STEP_RUNNING)
		turn(&f->d);
	drive_cancel(&f->d.drive);
	to_the_end(&f->d);
	assert_int_equal(f->d.drive.phase, RUN_CANCELLED);
	assert_step(&f->d, 0, STEP_CANCELLED);
	assert_once(f);
}

static void deleted_by_somebody(void **state)
{
	struct fixture *f = *state;

	f->fake.hangs = true;
	begin(&f->d);
	while (f->d.drive.known[0].phase != STEP_RUNNING)
		turn(&f->d);
	json_object_clear(f->fake.jobs);
	to_the_end(&f->d);
	assert_int_equal(f->d.drive.phase, RUN_FAILED);
	assert_non_null(strstr(f->d.drive.message, "somebody deleted it there"));
	assert_int_equal(f->fake.created, 1);
}

/* The same id, another run's label: a collision that must not be adopted. */
static void somebody_elses_job(void **state)
{
	struct fixture *f = *state;
	auto_free char *id = NULL;

	begin(&f->d);
	while (!f->d.drive.identity)
		turn(&f->d);
	id = xstrdup(f->d.drive.identity);
	json_object_set_new(f->fake.jobs, id,
		json_pack(
			"{s:{s:{s:s}}, s:i}", "body", "labels", "fondant-run", "other", "age", 0));
	f->fake.fault_at = f->fake.asked + 1; /* it is not seen at first */
	f->fake.fault = FAKE_STATUS;
	f->fake.hostile = "{}";
	f->fake.hostile_status = 404;
	if (f->fake.tokens == 0) /* the first request is for a token */
		f->fake.fault_at++;
	to_the_end(&f->d);
	assert_int_equal(f->d.drive.err.class, ERR_USER);
	assert_string_equal(f->d.drive.err.reason, "NameConflict");
}

static void without_a_root(void **state)
{
	struct fixture *f = *state;

	frozen_spec_free(f->d.spec);
	f->d.spec = freeze(&runner_vertex,
		"workingDirectory: s3://lake/fondant\n"
		"steps:\n"
		"- name: load\n"
		"  component: {spec: {name: L, description: d, image: i, produces: {a: {type: "
		"string}}}}\n");
	json_object_del(f->d.settings, "pipelineRoot");
	begin(&f->d);
	to_the_end(&f->d);
	assert_int_equal(f->d.drive.err.class, ERR_USER);
	assert_non_null(strstr(err_message(&f->d.drive.err), "vertex.pipelineRoot"));
	assert_int_equal(f->fake.created, 0);
}

/* Nothing is asked with settings that Vertex AI would refuse later. */
static void settings_that_are_wrong(void **state)
{
	struct fixture *f = *state;
	struct runner_env env = {.loop = f->d.loop};
	struct runner_settings settings = {
		.spec = f->d.settings, .credentials = f->d.credentials, .local_endpoints = true};
	auto_err err = ERR_INIT;
	void *backend = NULL;

	json_object_set_new(f->d.settings, "network", json_string("default"));
	assert_int_equal(runner_vertex.open(&env, &settings, &backend, &err), -1);
	assert_int_equal(err.class, ERR_USER);
	assert_string_equal(err.reason, "InvalidSettings");
	assert_non_null(strstr(err_message(&err), "vertex.network: give projects/NUMBER"));
}

/* --- tokens --- */

static void a_token_that_ends_is_fetched_again(void **state)
{
	struct fixture *f = *state;

	f->fake.hangs = true;
	begin(&f->d);
	while (f->d.drive.known[0].phase != STEP_RUNNING)
		turn(&f->d);
	f->fake.valid = 100; /* revoked */
	f->fake.hangs = false;
	while (f->fake.tokens < 2)
		turn(&f->d);
	to_the_end(&f->d);
	assert_int_equal(f->d.drive.phase, RUN_SUCCEEDED);
	assert_int_equal(f->fake.tokens, 2);
	assert_int_equal(f->d.troubles, 0);
}

static void credentials_that_are_not_taken(void **state)
{
	struct fixture *f = *state;

	f->fake.denies = "Invalid JWT Signature.";
	begin(&f->d);
	to_the_end(&f->d);
	assert_int_equal(f->d.drive.err.class, ERR_USER);
	assert_string_equal(f->d.drive.err.reason, "Unauthorized");
	assert_non_null(strstr(err_message(&f->d.drive.err), "Invalid JWT Signature."));
	assert_int_equal(f->fake.created, 0);
}

/* The claims that were signed; new reference. */
static json_t *claims_of(const char *form)
{
	const char *assertion = strstr(form, "assertion=");
	auto_free char *text = NULL, *decoded = NULL;
	const char *dot;
	size_t len;

	assert_non_null(assertion);
	dot = strchr(assertion, '.');
	text = xasprintf("%.*s==", (int)strcspn(dot + 1, "."), dot + 1);
	for (char *c = text; *c; c++)
		*c = *c == '-' ? '+' : *c == '_' ? '/' : *c;
	for (size_t pad = 0; pad < 3 && !decoded; pad++) { /* as many as it needs */
		text[strcspn(text, "=") + pad] = '\0';
		decoded = base64_decode(text, &len);
		if (!decoded)
			text[strlen(text)] = '=';
	}
	assert_non_null(decoded);
	return json_loadb(decoded, len, 0, NULL);
}

static void what_the_key_says(void **state)
{
	struct fixture *f = *state;
	auto_json *claims = NULL;
	auto_free char *uri = NULL;

	begin(&f->d);
	while (!f->fake.form)
		turn(&f->d);
	claims = claims_of(f->fake.form);
	uri = xasprintf("%s/token", f->fake.server.url);
	assert_string_equal(doc_str(claims, "iss"), "loader@my-project.iam.gserviceaccount.com");
	assert_string_equal(doc_str(claims, "aud"), uri);
	assert_string_equal(
		doc_str(claims, "scope"), "https://www.googleapis.com/auth/cloud-platform");
	assert_int_equal(doc_int_or(claims, "exp", 0) - doc_int_or(claims, "iat", 0), 3600);
	assert_true(str_starts_with(
		f->fake.form, "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&"));
}

static void exchanged(struct google_wait *wait)
{
	wait->done = NULL;
}

/* Of the machine, as on Google Cloud: only where ambient credentials are allowed. */
static void the_metadata_server(void **state)
{
	struct fixture *f = *state;

	json_object_clear(f->d.credentials);
	setenv("GCE_METADATA_HOST", f->fake.server.url + strlen("http://"), 1);
	setenv("CLOUDSDK_CONFIG", "/nowhere", 1);
	f->d.ambient = true;
	begin(&f->d);
	to_the_end(&f->d);
	unsetenv("GCE_METADATA_HOST");
	assert_int_equal(f->d.drive.phase, RUN_SUCCEEDED);
	assert_int_equal(f->fake.tokens, 1);
	assert_string_equal(f->fake.form, "");
}

/* What is sent for a token of the cluster (RFC 8693 2.1). */
static void a_token_of_the_cluster_is_exchanged(void **state)
{
	struct fixture *f = *state;
	auto_json *spec = json_pack("{s:{s:{s:s}}}", "auth", "serviceAccountToken", "audience",
		"https://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/"
		"providers/x");
	auto_json *credentials = json_pack("{s:s}", "auth.serviceAccountToken", "eyJ.a.b");
	struct runner_settings settings = {.spec = spec, .credentials = credentials};
	struct http_client_options options = {.user_agent = "test"};
	struct http_client *client = NULL;
	struct google_auth auth;
	struct google_wait wait = {0};

	assert_int_equal(http_client_new(f->d.loop, &options, &client, NULL), 0);
	assert_int_equal(google_auth_init(&auth, f->d.loop, client, &settings, NULL), 0);
	assert_string_equal(auth.source.url, "https://sts.googleapis.com/v1/token");
	free(auth.source.url);
	auth.source.url = xasprintf("%s/token", f->fake.server.url);
	google_auth_get(&auth, &wait, exchanged);
	while (wait.done)
		turn(&f->d);
	assert_int_equal(wait.err.class, ERR_NONE);
	assert_string_equal(google_auth_token(&auth), "token-1");
	assert_string_equal(f->fake.form,
		"grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&audience=%2F%"
		"2Fiam.googleapis.com%2Fprojects%2F1%2Flocations%2Fglobal%2FworkloadIdentityPools%"
		"2Fp%2Fproviders%2Fx&scope=https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fcloud-"
		"platform&"
		"requested_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token&"
		"subject_"
		"token=eyJ.a.b&subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Ajwt");
	google_auth_clear(&auth);
	http_client_free(client);
}

struct keys {
	const char *key;
	bool local;
	const char *reason; /* NULL: it is taken */
};

static void key_files(void **state)
{
	auto_free char *google = key_file("https://oauth2.googleapis.com/token");
	auto_free char *other = key_file("https://evil.example/token");
	auto_free char *looks = key_file("https://x.googleapis.com@evil.example/token");
	auto_free char *port = key_file("https://x.googleapis.com:1/token");
	auto_free char *plain = key_file("http://oauth2.googleapis.com/token");
	const struct keys all[] = {{google, false, NULL}, {other, false, "InvalidEndpoint"},
		{looks, false, "InvalidEndpoint"}, {port, false, "InvalidEndpoint"},
		{plain, false, "InvalidEndpoint"}, {other, true, NULL}, {"", false, "InvalidKey"},
		{"{}", false, "InvalidKey"}, {"[1]", false, "InvalidKey"},
		{"{\"type\": \"authorized_user\"}", false, "InvalidKey"},
		{NULL, false, "NoCredentials"}};
	struct loop *loop;

	(void)state;
	assert_int_equal(loop_new(&loop, NULL), 0);
	for (size_t i = 0; i < array_size(all); i++) {
		auto_json *credentials = json_pack("{s:s*}", "auth.serviceAccountKey", all[i].key);
		struct runner_settings settings = {
			.credentials = credentials, .local_endpoints = all[i].local};
		struct google_auth auth;
		auto_err err = ERR_INIT;
		int result = google_auth_init(&auth, loop, NULL, &settings, &err);

		if ((result == 0) != !all[i].reason)
			fail_msg("%zu: %s", i, err_message(&err));
		if (all[i].reason)
			assert_string_equal(err.reason, all[i].reason);
		assert_null(strstr(err_message(&err), "PRIVATE KEY"));
		google_auth_clear(&auth);
	}
	loop_free(loop);
}

static void a_key_that_is_none(void **state)
{
	auto_err err = ERR_INIT;

	(void)state;
	assert_null(jwt_sign_rs256("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
		"{}", "{}", &err));
	assert_string_equal(err.reason, "InvalidKey");
	assert_null(strstr(err_message(&err), "AAAA"));
}

/* --- logs --- */

static void assert_logs(struct fixture *f, struct runner_logs logs, const char *command)
{
	auto_buf text = BUF_INIT;
	struct runner_op op;

	read_logs(&f->d, logs, &op, &text);
	assert_int_equal(op.result, 0);
	assert_non_null(strstr(buf_str(&text), "https://console.cloud.google.com/vertex-ai/"));
	if (!strstr(buf_str(&text), command))
		fail_msg("%s", buf_str(&text));
}

#define JOB_LOGS "'resource.type=\"ml_job\" AND resource.labels.job_id=\"77\"' --project my-project"

static void how_logs_are_read(void **state)
{
	struct fixture *f = *state;

	begin(&f->d);
	to_the_end(&f->d);
	assert_logs(f, (struct runner_logs){.step = "load"},
		"\ngcloud logging read " JOB_LOGS " --order asc --format "
		"'value(jsonPayload.message, textPayload)'\n");
	assert_logs(f, (struct runner_logs){.step = "write", .tail_lines = 7}, "| tail -n 7\n");
	assert_logs(f, (struct runner_logs){.step = "load", .follow = true},
		"\ngcloud beta logging tail " JOB_LOGS " --format");
	assert_logs(f, (struct runner_logs){.step = "other"},
		"aiplatform.googleapis.com/PipelineJob\" AND "
		"resource.labels.pipeline_job_id=\"run-");
}

static void logs_of_no_run(void **state)
{
	struct fixture *f = *state;
	auto_buf text = BUF_INIT;
	struct runner_op op;

	begin(&f->d);
	to_the_end(&f->d);
	json_object_clear(f->fake.jobs);
	read_logs(&f->d, (struct runner_logs){.step = "load"}, &op, &text);
	assert_string_equal(op.err.reason, "NoLogs");
	err_clear(&op.err);
}

/* --- probes --- */

static void probed(struct runner_op *op)
{
	op->done = NULL;
}

static void a_probe(void **state)
{
	struct fixture *f = *state;
	struct runner_probe probe = {0};
	struct runner_op op = {.done = probed};

	begin(&f->d);
	runner_vertex.probe(f->d.backend, &probe, &op);
	while (op.done)
		turn(&f->d);
	assert_int_equal(op.result, 0);
	f->fake.valid = 100;
	f->fake.denies = "account disabled";
	op.done = probed;
	runner_vertex.probe(f->d.backend, &probe, &op);
	while (op.done)
		turn(&f->d);
	assert_int_equal(op.result, -1);
	assert_string_equal(op.err.reason, "Unauthorized");
	err_clear(&op.err);
}

/* --- documents of other tools --- */

#define NATIVE                                                                               \
	"parameters: [{name: rows, type: int, default: 7}]\n"                                \
	"native:\n"                                                                          \
	"  format: VertexJob\n"                                                              \
	"  inline: |\n"                                                                      \
	"    displayName: theirs\n"                                                          \
	"    labels: {team: data}\n"                                                         \
	"    serviceAccount: own@my-project.iam.gserviceaccount.com\n"                       \
	"    runtimeConfig: {parameterValues: {rows: 1, label: x}, gcsOutputDirectory: "     \
	"gs://own/root}\n"                                                                   \
	"    pipelineSpec:\n"                                                                \
	"      schemaVersion: 2.1.0\n"                                                       \
	"      pipelineInfo: {name: by-another-tool}\n"                                      \
	"      components: {work: {executorLabel: work}}\n"                                  \
	"      deploymentSpec: {executors: {work: {container: {image: 'a:1'}}}}\n"           \
	"      root:\n"                                                                      \
	"        inputDefinitions: {parameters: {rows: {parameterType: NUMBER_INTEGER}, "    \
	"label: {parameterType: STRING}}}\n"                                                 \
	"        dag: {tasks: {first: {componentRef: {name: work}}, second: {componentRef: " \
	"{name: work}, dependentTasks: [first]}}}\n"

static int setup_native(void **state)
{
	struct fixture *f;

	setup(state);
	f = *state;
	frozen_spec_free(f->d.spec);
	f->d.spec = freeze(&runner_vertex, NATIVE);
	return 0;
}

/* What it says itself stands; the backend's settings are for what it leaves open. */
static void a_native_document(void **state)
{
	struct fixture *f = *state;
	const json_t *body;

	begin(&f->d);
	to_the_end(&f->d);
	assert_int_equal(f->d.drive.phase, RUN_SUCCEEDED);
	assert_once(f);
	assert_int_equal(f->d.drive.names.len, 2);
	assert_true(strvec_has(&f->d.drive.names, "second"));
	assert_step(&f->d, 0, STEP_SUCCEEDED);
	body = doc_get(fake_vertex_job(&f->fake), "body");
	assert_string_equal(doc_str(body, "displayName"), "theirs");
	assert_string_equal(doc_str(body, "labels.team"), "data");
	assert_string_equal(doc_str(body, "labels.fondant-run"), RUN_ID);
	assert_string_equal(
		doc_str(body, "serviceAccount"), "own@my-project.iam.gserviceaccount.com");
	assert_string_equal(doc_str(body, "network"), "projects/1/global/networks/n");
	assert_string_equal(doc_str(body, "runtimeConfig.gcsOutputDirectory"), "gs://own/root");
	assert_int_equal(doc_int_or(body, "runtimeConfig.parameterValues.rows", 0), 7);
	assert_string_equal(doc_str(body, "runtimeConfig.parameterValues.label"), "x");
}

static void a_native_document_killed_anywhere(void **state)
{
	(void)state;
	for (int at = 1; at <= 10; at++) {
		struct fixture *f;
		void *one;

		setup_native(&one);
		f = one;
		f->d.kill_at = at;
		begin(&f->d);
		to_the_end(&f->d);
		assert_int_equal(f->d.drive.phase, RUN_SUCCEEDED);
		assert_once(f);
		teardown(&one);
	}
}

static void native_documents_that_are_none(void **state)
{
	static const struct {
		const char *inline_, *path, *says;
	} rows[] = {
		{"{templateUri: x}", "native.document", "`pipelineSpec`"},
		{"{pipelineSpec: {}, runtimeConfig: []}", "native.document.runtimeConfig", "a map"},
		{"{pipelineSpec: {}, labels: 1}", "native.document.labels", "a map"},
		{"{pipelineSpec: {}, labels: {Team: x}}", "native.document.labels.Team",
			"lower case"},
		{"{pipelineSpec: {schemaVersion: '1'}}",
			"native.document.pipelineSpec.schemaVersion", "kfp 2"},
	};

	(void)state;
	for (size_t i = 0; i < array_size(rows); i++) {
		auto_free char *text =
			xasprintf("native: {format: VertexJob, inline: \"%s\"}", rows[i].inline_);
		struct frozen_spec *spec = freeze(&runner_vertex, text);
		struct native_input in = {.spec = spec, .run_id = RUN_ID};
		auto_diags diags = DIAG_LIST_INIT;
		auto_json *job = NULL;
		bool found = false;

		runner_vertex.compile(&in, &job, &diags);
		for (size_t k = 0; k < diags.len; k++)
			found = found || (str_eq(diags.items[k].path, rows[i].path) &&
						 strstr(diags.items[k].message, rows[i].says));
		assert_true(found);
		frozen_spec_free(spec);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_run, setup, teardown),
		FAULTS,
		FAULT("throttled", .fault = FAKE_STATUS, .status = 429,
			.hostile = "{\"error\": {\"message\": \"slow\", \"status\": "
				   "\"RESOURCE_EXHAUSTED\"}}"),
		cmocka_unit_test(odd_answers),
		cmocka_unit_test_setup_teardown(a_step_fails, setup, teardown),
		cmocka_unit_test_setup_teardown(a_quota_that_is_used_up_is_told, setup, teardown),
		cmocka_unit_test(why_a_step_fails),
		cmocka_unit_test_setup_teardown(words_are_bounded, setup, teardown),
		cmocka_unit_test(a_job_that_cannot_be_asked),
		cmocka_unit_test_setup_teardown(what_a_step_is_tried_again_for, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_quota_of_the_creation_is_waited_for, setup, teardown),
		cmocka_unit_test_setup_teardown(cancelled, setup, teardown),
		cmocka_unit_test_setup_teardown(deleted_by_somebody, setup, teardown),
		cmocka_unit_test_setup_teardown(somebody_elses_job, setup, teardown),
		cmocka_unit_test_setup_teardown(without_a_root, setup, teardown),
		cmocka_unit_test_setup_teardown(settings_that_are_wrong, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_token_that_ends_is_fetched_again, setup, teardown),
		cmocka_unit_test_setup_teardown(credentials_that_are_not_taken, setup, teardown),
		cmocka_unit_test_setup_teardown(what_the_key_says, setup, teardown),
		cmocka_unit_test_setup_teardown(the_metadata_server, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_token_of_the_cluster_is_exchanged, setup, teardown),
		cmocka_unit_test(key_files),
		cmocka_unit_test(a_key_that_is_none),
		cmocka_unit_test_setup_teardown(a_native_document, setup_native, teardown),
		cmocka_unit_test(a_native_document_killed_anywhere),
		cmocka_unit_test(native_documents_that_are_none),
		cmocka_unit_test_setup_teardown(how_logs_are_read, setup, teardown),
		cmocka_unit_test_setup_teardown(logs_of_no_run, setup, teardown),
		cmocka_unit_test_setup_teardown(a_probe, setup, teardown),
	};

	return cmocka_run_group_tests_name("cli/drive vertex", tests, NULL, NULL);
}

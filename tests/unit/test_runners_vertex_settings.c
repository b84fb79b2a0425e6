/* What a FondantBackend adds to a job on Vertex AI, and what is found wrong with it. */
#include "test_compiler_fixture.h"

#include "base/str.h"
#include "doc/path.h"
#include "runners/vertex_settings.h"

#define PLACE "project: p\nlocation: europe-west1\n"
#define KEY "projects/p/locations/europe-west1/keyRings/r/cryptoKeys/k"

static void well_formed(void **state)
{
	auto_json *settings =
		yaml(PLACE "pipelineRoot: gs://lake/root\n"
			   "serviceAccount: 12-compute@developer.gserviceaccount.com\n"
			   "network: projects/12/global/networks/n\n"
			   "reservedIpRanges: [vertex-range]\n"
			   "encryptionKey: " KEY "\n"
			   "labels: {team: data, empty: ''}\n");
	auto_json *nulls =
		yaml(PLACE "pipelineRoot: null\nserviceAccount: null\nnetwork: null\n"
			   "reservedIpRanges: null\nencryptionKey: null\nlabels: null\n");
	auto_diags diags = DIAG_LIST_INIT;

	(void)state;
	vertex_settings_check(settings, &diags);
	vertex_settings_check(nulls, &diags);
	vertex_settings_check(NULL, &diags);
	print_diags(&diags);
	assert_int_equal(diags.len, 0);
}

static void wrong_ones(void **state)
{
	static const struct {
		const char *yaml, *path, *says;
	} rows[] = {
		{"pipelineRoot: s3://lake", "vertex.pipelineRoot", "gs://bucket/folder"},
		{"pipelineRoot: 'gs://'", "vertex.pipelineRoot", "gs://bucket/folder"},
		{"pipelineRoot: 3", "vertex.pipelineRoot", "gs://bucket/folder"},
		{"serviceAccount: me@example.com", "vertex.serviceAccount", "e-mail"},
		{"serviceAccount: 'a@b@p.iam.gserviceaccount.com'", "vertex.serviceAccount",
			"e-mail"},
		{"network: projects/p/global/networks/n", "vertex.network", "number"},
		{"network: default", "vertex.network", "number"},
		{"network: projects/1/global/networks/", "vertex.network", "number"},
		{"reservedIpRanges: [r]", "vertex.reservedIpRanges", "give network"},
		{"network: projects/1/global/networks/n\nreservedIpRanges: [10.0.0.0/8]",
			"vertex.reservedIpRanges[0]", "not the range"},
		{"encryptionKey: k", "vertex.encryptionKey", "locations/europe-west1/"},
		{"encryptionKey: " KEY "/cryptoKeyVersions/1", "vertex.encryptionKey", "KEY"},
		{"encryptionKey: projects/p/locations/europe/keyRings/r/cryptoKeys/k",
			"vertex.encryptionKey", "of the location of the pipelines"},
		{"encryptionKey: projects/p/locations/europe-west1/keyRings//cryptoKeys/k",
			"vertex.encryptionKey", "RING"},
		{"labels: []", "vertex.labels", "a map"},
		{"labels: {Team: data}", "vertex.labels.Team", "a key of a label"},
		{"labels: {'1a': data}", "vertex.labels.1a", "begins with a lower case letter"},
		{"labels: {'': data}", "vertex.labels.", "a key of a label"},
		{"labels: {team: Data}", "vertex.labels.team", "the value of a label"},
		{"labels: {team: 1}", "vertex.labels.team", "the value of a label"},
		{"labels: {a123456789012345678901234567890123456789012345678901234567890123: x}",
			"vertex.labels."
			"a123456789012345678901234567890123456789012345678901234567890123",
			"at most 63"},
		{"labels: {fondant-run: x}", "vertex.labels.fondant-run", "the operator's"},
	};

	(void)state;
	for (size_t i = 0; i < array_size(rows); i++) {
		auto_free char *text = xasprintf(PLACE "%s\n", rows[i].yaml);
		auto_json *settings = yaml(text);
		auto_diags diags = DIAG_LIST_INIT;

		vertex_settings_check(settings, &diags);
		if (diags.len != 1 || !str_eq(diags.items[0].path, rows[i].path) ||
			!strstr(diags.items[0].message, rows[i].says)) {
			print_diags(&diags);
			fail_msg("%s", rows[i].yaml);
		}
	}
}

static json_t *job_of(const char *text)
{
	json_t *job = yaml(text);

	if (!json_object_get(job, "labels"))
		json_object_set_new(job, "labels", json_pack("{s:s}", "fondant-run", "r"));
	if (!json_object_get(job, "runtimeConfig"))
		json_object_set_new(job, "runtimeConfig", json_object());
	return job;
}

static json_t *full_settings(void)
{
	return yaml(PLACE "pipelineRoot: gs://lake/root\n"
			  "serviceAccount: runner@p.iam.gserviceaccount.com\n"
			  "network: projects/12/global/networks/n\n"
			  "reservedIpRanges: [vertex-range]\n"
			  "encryptionKey: " KEY "\n"
			  "labels: {team: data, cost: low}\n");
}

static void what_a_job_leaves_open(void **state)
{
	auto_json *settings = full_settings();
	auto_json *job = job_of("runtimeConfig: {gcsOutputDirectory: 'gs://lake/fondant'}\n");
	auto_diags diags = DIAG_LIST_INIT;

	(void)state;
	vertex_settings_apply(settings, false, job, &diags);
	assert_int_equal(diags.len, 0);
	assert_string_equal(doc_str(job, "runtimeConfig.gcsOutputDirectory"), "gs://lake/root");
	assert_string_equal(doc_str(job, "serviceAccount"), "runner@p.iam.gserviceaccount.com");
	assert_string_equal(doc_str(job, "network"), "projects/12/global/networks/n");
	assert_string_equal(doc_str(job, "reservedIpRanges.0"), "vertex-range");
	assert_string_equal(doc_str(job, "encryptionSpec.kmsKeyName"), KEY);
	assert_string_equal(doc_str(job, "labels.team"), "data");
	assert_string_equal(doc_str(job, "labels.fondant-run"), "r");
}

static void what_a_job_says_itself(void **state)
{
	auto_json *settings = full_settings();
	auto_json *job = job_of("serviceAccount: own@p.iam.gserviceaccount.com\n"
				"network: projects/9/global/networks/own\n"
				"encryptionSpec: {kmsKeyName: own}\n"
				"labels: {team: theirs}\n"
				"runtimeConfig: {gcsOutputDirectory: 'gs://own/root'}\n");
	auto_diags diags = DIAG_LIST_INIT;

	(void)state;
	vertex_settings_apply(settings, true, job, &diags);
	assert_int_equal(diags.len, 0);
	assert_string_equal(doc_str(job, "runtimeConfig.gcsOutputDirectory"), "gs://own/root");
	assert_string_equal(doc_str(job, "serviceAccount"), "own@p.iam.gserviceaccount.com");
	assert_string_equal(doc_str(job, "network"), "projects/9/global/networks/own");
	assert_null(json_object_get(job, "reservedIpRanges")); /* of another network */
	assert_string_equal(doc_str(job, "encryptionSpec.kmsKeyName"), "own");
	assert_string_equal(doc_str(job, "labels.team"), "theirs");
	assert_string_equal(doc_str(job, "labels.cost"), "low");
}

/* In the words of a pipeline: where its backend is chosen. */
static void assert_refused(json_t *settings, json_t *job, const char *reason, const char *says)
{
	auto_diags diags = DIAG_LIST_INIT;

	vertex_settings_apply(settings, false, job, &diags);
	assert_int_equal(diags.len, 1);
	assert_string_equal(diags.items[0].path, "backendRef");
	assert_string_equal(diags.items[0].reason, reason);
	if (!strstr(diags.items[0].message, says))
		fail_msg("%s", diags.items[0].message);
	json_decref(settings);
	json_decref(job);
}

static void what_cannot_be_submitted(void **state)
{
	json_t *many = json_object();

	(void)state;
	for (int i = 0; i < VERTEX_LABELS_MAX; i++) {
		auto_free char *key = xasprintf("k%d", i);

		json_object_set_new(many, key, json_string(""));
	}
	assert_refused(yaml(PLACE), job_of("{}"), "RootRequired", "vertex.pipelineRoot");
	assert_refused(yaml(PLACE "pipelineRoot: gs://l/r\nnetwork: n\n"), job_of("{}"),
		"InvalidSetting", "vertex.network: give projects/NUMBER");
	assert_refused(json_pack("{s:s, s:o}", "pipelineRoot", "gs://l/r", "labels", many),
		job_of("{}"), "TooManyLabels", "would have 65");
}

static void without_settings(void **state)
{
	auto_json *job = job_of("{}");
	auto_diags diags = DIAG_LIST_INIT;

	(void)state;
	vertex_settings_apply(NULL, false, job, &diags);
	assert_int_equal(diags.len, 0);
	assert_int_equal(json_object_size(job), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(well_formed),
		cmocka_unit_test(wrong_ones),
		cmocka_unit_test(what_a_job_leaves_open),
		cmocka_unit_test(what_a_job_says_itself),
		cmocka_unit_test(what_cannot_be_submitted),
		cmocka_unit_test(without_settings),
	};

	return cmocka_run_group_tests_name("runners/vertex_settings", tests, NULL, NULL);
}

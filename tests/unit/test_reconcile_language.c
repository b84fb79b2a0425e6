/*
 * What a freeze takes from outside, through the whole controller: digests from a registry, pull
 * secrets, the sources of Python steps; and the runs that freeze a spec of their own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/base64.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "doc/json.h"
#include "doc/path.h"
#include "kube/conditions.h"
#include "net/registry.h"
#include "tests/fake/http_server.h"
#include "tests/fake/world.h"
#include "quoted_json.h"

#define DIGEST_A "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define DIGEST_B "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

int clock_gettime(clockid_t id, struct timespec *ts)
{
	return fake_clock_read(id, ts);
}

struct story {
	struct world world;
	struct http_server server;
	struct registry_client *registry;
	const char *digest; /* of every image; NULL: 404 */
	bool locked;        /* wants user "u", password "p" */
	bool silent;
	size_t asked;   /* manifests */
	size_t secrets; /* Secrets and ServiceAccounts read */
};

static void answer(struct http_server *server, struct http_exchange *ex)
{
	struct story *s = server->user;
	const char *auth = http_header(ex, "authorization");
	auto_free char *header = NULL;

	if (s->silent)
		return;
	if (s->locked && !str_eq(auth, "Basic dTpw")) {
		http_add_header(ex, "WWW-Authenticate: Basic realm=\"r\"");
		http_reply(ex, 401, NULL, "", 0);
		return;
	}
	s->asked += strstr(ex->path, "/manifests/") != NULL;
	if (!s->digest) {
		http_reply(ex, 404, NULL, "", 0);
		return;
	}
	header = xasprintf("Docker-Content-Digest: %s", s->digest);
	http_add_header(ex, header);
	http_reply(ex, 200, "application/vnd.oci.image.index.v1+json", "", 0);
}

static bool count_secrets(
	struct world *world, const char *verb, const char *target, struct fake_fault *ret)
{
	struct story *s = container_of(world, struct story, world);

	(void)verb;
	(void)ret;
	s->secrets += strstr(target, "/secrets/") || strstr(target, "/serviceaccounts/");
	return false;
}

static int setup(void **state)
{
	struct story *s = xnew(struct story);
	auto_strvec insecure = STRVEC_INIT;
	struct registry_client_options options = {.insecure_hosts = &insecure};
	auto_err err = ERR_INIT;

	s->digest = DIGEST_A;
	s->world.pod_ms = 200;
	s->world.deed = world_deed;
	s->world.judge = count_secrets;
	world_open(&s->world);
	world_kill(&s->world);
	http_server_start(&s->server, s->world.loop, answer, s);
	strvec_add(&insecure, s->server.url);
	assert_int_equal(registry_client_new(s->world.loop, &options, &s->registry, &err), 0);
	s->world.options.registry = s->registry;
	world_start(&s->world);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct story *s = *state;

	world_expect_no_breach(&s->world);
	world_kill(&s->world);
	registry_client_free(s->registry);
	http_server_stop(&s->server);
	world_close(&s->world);
	free(s);
	return 0;
}

/* Pipeline p: load, and keep which reads it; both of the registry's image. `extra`: further members
 * of spec, each followed by a comma. n is an argument of load: JSON, with ' for ". */
static void apply(struct story *s, const char *extra, const char *n)
{
	auto_free char *image = xasprintf("127.0.0.1:%d/team/tool:1", s->server.port);
	auto_free char *text = xasprintf(
		"{'workingDirectory': 's3://b/w', %s'steps': [{'name': 'load', 'component': "
		"{'spec': {'name': 'L', 'description': 'd', 'image': '%s', 'produces': {'a': "
		"{'type': 'string'}}, 'args': {'n': {'type': 'int'}}}}, 'arguments': {'n': %s}}, "
		"{'name': 'keep', 'component': {'spec': {'name': 'K', 'description': 'd', "
		"'image': '%s', 'consumes': {'a': {'type': 'string'}}, 'produces': {'b': {'type': "
		"'string'}}}}}]}",
		extra, image, n, image);
	json_t *spec = quoted_json(text);
	auto_json *old = fake_api_get(s->world.api, WORLD_PIPELINES "/p");

	if (old)
		fake_api_patch(
			s->world.api, WORLD_PIPELINES "/p", json_pack("{s:o}", "spec", spec));
	else
		fake_api_put(s->world.api,
			json_pack("{s:s, s:s, s:{s:s, s:s}, s:o}", "apiVersion",
				"fondant.ai/v1alpha1", "kind", "FondantPipeline", "metadata",
				"namespace", WORLD_NS, "name", "p", "spec", spec));
}

static void start_run(struct story *s, const char *name, const char *members)
{
	auto_free char *text = xasprintf(
		"{'apiVersion': 'fondant.ai/v1alpha1', 'kind': 'FondantRun', 'metadata': {'name': "
		"'%s', 'namespace': 'n'}, 'spec': {'pipelineRef': {'name': 'p'}%s}}",
		name, members);

	fake_api_put(s->world.api, quoted_json(text));
}

static bool one_finished(struct world *w)
{
	return world_finished(w) == 1;
}

static bool two_finished(struct world *w)
{
	return world_finished(w) == 2;
}

static bool three_finished(struct world *w)
{
	return world_finished(w) == 3;
}

static bool pipeline_is_judged(struct world *w)
{
	auto_json *p = world_get_pipeline(w, "p");

	return doc_get(p, "status.conditions") != NULL;
}

static bool pipeline_is_frozen(struct world *w)
{
	auto_json *p = world_get_pipeline(w, "p");

	return doc_int_or(p, "status.observedGeneration", -1) ==
		       doc_int_or(p, "metadata.generation", 0) &&
	       str_eq(condition_status(doc_get(p, "status.conditions"), "Ready"), "True");
}

/* "<status>/<reason>" of the pipeline's or a run's condition Ready. Static. */
static const char *ready_of(const json_t *object)
{
	static char text[128];
	const json_t *ready = condition_find(doc_get(object, "status.conditions"), "Ready");

	snprintf(text, sizeof(text), "%s/%s", doc_str_or(ready, "status", "-"),
		doc_str_or(ready, "reason", "-"));
	return text;
}

static json_t *get_run(struct story *s, const char *name)
{
	auto_free char *path = xasprintf(WORLD_RUNS "/%s", name);

	return fake_api_get(s->world.api, path);
}

/* The frozen spec that an object's status names; new reference. */
static json_t *spec_of(struct story *s, const char *map_name)
{
	auto_free char *path = xasprintf(WORLD_CONFIGMAPS "/%s", map_name);
	auto_json *map = fake_api_get(s->world.api, path);
	const char *text =
		json_string_value(json_object_get(json_object_get(map, "data"), "spec.json"));
	json_t *spec = NULL;

	assert_non_null(text);
	assert_int_equal(doc_json_parse(text, strlen(text), &spec, NULL), 0);
	return spec;
}

static json_t *pipeline_spec(struct story *s)
{
	auto_json *p = world_get_pipeline(&s->world, "p");

	return spec_of(s, doc_str_or(p, "status.frozen.name", "?"));
}

static size_t events_of(struct story *s, const char *reason)
{
	const struct fake_store *store = fake_api_store(s->world.api);
	size_t pos = 0, count = 0;
	const char *key;
	void *object;

	while (map_next(&store->objects, &pos, &key, &object))
		count += strstr(key, "/events/") && str_eq(doc_str(object, "reason"), reason);
	return count;
}

static void expect_quiet(struct story *s)
{
	world_pass(&s->world, 5000);
	assert_int_equal(world_writes_in(&s->world, 600000), 0);
}

/* --- digests --- */

static void digests_are_frozen_and_asked_for_once(void **state)
{
	struct story *s = *state;
	auto_json *spec = NULL;
	auto_json *p = NULL;

	apply(s, "", "1");
	world_until(&s->world, one_finished, 60000);
	spec = pipeline_spec(s);
	assert_non_null(strstr(doc_str_or(spec, "steps.0.image", ""), "/team/tool@" DIGEST_A));
	assert_non_null(strstr(doc_str_or(spec, "steps.0.imageTag", ""), "/team/tool:1"));
	p = world_get_pipeline(&s->world, "p");
	assert_int_equal(doc_int_or(p, "status.frozen.unresolvedImages", -1), 0);
	assert_int_equal(s->asked, 1);
	expect_quiet(s);
	world_kill(&s->world);
	world_start(&s->world);
	expect_quiet(s);
	assert_int_equal(s->asked, 1);
	assert_int_equal(s->secrets, 0);
	assert_int_equal(events_of(s, "ImageNotResolved"), 0);
}

static void a_moved_tag_misses_and_an_edited_description_hits(void **state)
{
	struct story *s = *state;

	apply(s, "", "1");
	world_until(&s->world, one_finished, 60000);
	apply(s, "'description': 'other words', 'triggers': {'rerunToken': '1'}, ", "1");
	world_until(&s->world, two_finished, 60000);
	assert_int_equal(s->world.jobs_made, 2);
	s->digest = DIGEST_B;
	world_pass(&s->world, 400000); /* what the client remembers is over */
	assert_int_equal(s->world.runs_made, 2);
	apply(s, "'triggers': {'rerunToken': '2'}, ", "1");
	world_until(&s->world, three_finished, 60000);
	assert_int_equal(s->world.jobs_made, 4);
	expect_quiet(s);
}

static void what_cannot_be_resolved_keeps_its_tag(void **state)
{
	struct story *s = *state;
	auto_json *p = NULL;
	auto_json *spec = NULL;

	s->digest = NULL;
	apply(s, "", "1");
	world_until(&s->world, one_finished, 120000);
	expect_quiet(s);
	p = world_get_pipeline(&s->world, "p");
	assert_string_equal(ready_of(p), "True/Compiled");
	assert_int_equal(doc_int_or(p, "status.frozen.unresolvedImages", -1), 1);
	spec = pipeline_spec(s);
	assert_non_null(strstr(doc_str_or(spec, "steps.0.image", ""), "/team/tool:1"));
	assert_int_equal(events_of(s, "ImageNotResolved"), 1);
}

static void a_silent_registry_holds_up_no_freeze_for_long(void **state)
{
	struct story *s = *state;

	s->silent = true;
	apply(s, "", "1");
	world_until(&s->world, pipeline_is_frozen, 25000);
	world_pass(&s->world, 1000);
	assert_int_equal(events_of(s, "ImageNotResolved"), 1);
}

static void a_required_digest_is_waited_for(void **state)
{
	struct story *s = *state;
	auto_json *p = NULL;

	s->digest = NULL;
	apply(s, "'imageDigestPolicy': 'Required', ", "1");
	world_until(&s->world, pipeline_is_judged, 120000);
	p = world_get_pipeline(&s->world, "p");
	assert_string_equal(ready_of(p), "False/ImageNotResolved");
	assert_string_equal(
		condition_status(doc_get(p, "status.conditions"), "Reconciling"), "True");
	assert_null(condition_find(doc_get(p, "status.conditions"), "Stalled"));
	/* it is asked again, ever less often, and nothing is written meanwhile */
	world_pass(&s->world, 3600000);
	assert_int_equal(s->world.runs_made, 0);
	assert_in_range(s->asked, 5, 60);
	assert_int_equal(world_writes_in(&s->world, 600000), 0);
	s->digest = DIGEST_A;
	world_until(&s->world, one_finished, 700000);
	expect_quiet(s);
}

static void nobody_is_asked_when_told_so(void **state)
{
	struct story *s = *state;

	apply(s, "'imageDigestPolicy': 'Ignore', ", "1");
	world_until(&s->world, one_finished, 60000);
	apply(s, "", "'no number'"); /* nor for what cannot be frozen */
	world_pass(&s->world, 60000);
	assert_int_equal(s->asked, 0);
	assert_int_equal(s->server.requests, 0);
}

static void pull_secrets_are_read_only_when_needed(void **state)
{
	struct story *s = *state;
	auto_free char *config =
		xasprintf("{\"auths\": {\"127.0.0.1:%d\": {\"auth\": \"dTpw\"}}}", s->server.port);
	auto_free char *data = base64_encode(config, strlen(config));
	auto_json *spec = NULL;

	s->locked = true;
	fake_api_put(s->world.api,
		quoted_json(
			"{'apiVersion': 'v1', 'kind': 'ServiceAccount', 'metadata': {'name': "
			"'default', 'namespace': 'n'}, 'imagePullSecrets': [{'name': 'pull'}]}"));
	fake_api_put(s->world.api,
		json_pack("{s:s, s:s, s:{s:s, s:s}, s:s, s:{s:s}}", "apiVersion", "v1", "kind",
			"Secret", "metadata", "name", "pull", "namespace", "n", "type",
			"kubernetes.io/dockerconfigjson", "data", ".dockerconfigjson", data));
	apply(s, "", "1");
	world_until(&s->world, one_finished, 60000);
	spec = pipeline_spec(s);
	assert_non_null(strstr(doc_str_or(spec, "steps.0.image", ""), DIGEST_A));
	assert_int_equal(s->secrets, 2);
	expect_quiet(s);
	assert_int_equal(s->secrets, 2);
}

static void without_a_secret_the_event_says_so(void **state)
{
	struct story *s = *state;

	s->locked = true;
	apply(s, "'podTemplate': {'spec': {'imagePullSecrets': [{'name': 'gone'}]}}, ", "1");
	world_until(&s->world, one_finished, 60000);
	assert_int_equal(events_of(s, "ImageNotResolved"), 1);
	expect_quiet(s);
}

/* --- sources --- */

#define SOURCE_PIPELINE                                                                    \
	"{'apiVersion': 'fondant.ai/v1alpha1', 'kind': 'FondantPipeline', 'metadata': "    \
	"{'name': 'p', 'namespace': 'n'}, 'spec': {'workingDirectory': 's3://b/w', "       \
	"'imageDigestPolicy': 'Ignore', 'steps': [{'name': 'load', 'component': "          \
	"{'python': {'image': 'x/y:1', 'sourceFrom': {'configMapKeyRef': {'name': 'src', " \
	"'key': 'a.py'}}, 'consumes': {}, 'produces': {'a': {'type': 'string'}}}}}]}}"

static void a_source_is_read_when_freezing(void **state)
{
	struct story *s = *state;
	auto_json *p = NULL;
	auto_json *spec = NULL;

	fake_api_put(s->world.api, quoted_json(SOURCE_PIPELINE));
	world_until(&s->world, pipeline_is_judged, 60000);
	p = world_get_pipeline(&s->world, "p");
	assert_string_equal(
		condition_status(doc_get(p, "status.conditions"), "Reconciling"), "True");
	fake_api_put(
		s->world.api, json_pack("{s:s, s:s, s:{s:s, s:s}, s:{s:s}}", "apiVersion", "v1",
				      "kind", "ConfigMap", "metadata", "name", "src", "namespace",
				      "n", "data", "a.py", "import dask\n# \"%\" \\n\n"));
	world_until(&s->world, pipeline_is_frozen, 60000);
	spec = pipeline_spec(s);
	assert_string_equal(doc_str(spec, "steps.0.python.source"), "import dask\n# \"%\" \\n\n");
	/* from now on only what was frozen counts */
	fake_api_delete(s->world.api, WORLD_CONFIGMAPS "/src");
	world_until(&s->world, one_finished, 60000);
	expect_quiet(s);
}

/* A key under binaryData is there: nothing is waited for, the user is told; and what the user mends
 * is seen. */
static void a_binary_source_is_an_error(void **state)
{
	struct story *s = *state;
	auto_json *p = NULL;
	auto_json *spec = NULL;

	fake_api_put(s->world.api, json_pack("{s:s, s:s, s:{s:s, s:s}, s:{s:s}}", "apiVersion",
					   "v1", "kind", "ConfigMap", "metadata", "name", "src",
					   "namespace", "n", "binaryData", "a.py", "aW1wb3J0IHgK"));
	fake_api_put(s->world.api, quoted_json(SOURCE_PIPELINE));
	world_until(&s->world, pipeline_is_judged, 60000);
	p = world_get_pipeline(&s->world, "p");
	assert_string_equal(condition_status(doc_get(p, "status.conditions"), "Stalled"), "True");
	assert_non_null(strstr(
		doc_str_or(condition_find(doc_get(p, "status.conditions"), "Ready"), "message", ""),
		"UTF-8 text under data"));
	fake_api_put(s->world.api, json_pack("{s:s, s:s, s:{s:s, s:s}, s:{s:s}}", "apiVersion",
					   "v1", "kind", "ConfigMap", "metadata", "name", "src",
					   "namespace", "n", "data", "a.py", "import dask\n"));
	world_until(&s->world, pipeline_is_frozen, 60000);
	spec = pipeline_spec(s);
	assert_string_equal(doc_str(spec, "steps.0.python.source"), "import dask\n");
}

/* More than is read: said as it is, not as a source without a component. */
static void sources_over_the_limit_are_an_error(void **state)
{
	struct story *s = *state;
	size_t len = (size_t)2100 << 10;
	char *text = xmalloc(len + 1);
	auto_json *p = NULL;

	memset(text, '#', len);
	text[len] = '\0';
	fake_api_put(s->world.api, json_pack("{s:s, s:s, s:{s:s, s:s}, s:{s:s}}", "apiVersion",
					   "v1", "kind", "ConfigMap", "metadata", "name", "src",
					   "namespace", "n", "data", "a.py", text));
	free(text);
	fake_api_put(s->world.api, quoted_json(SOURCE_PIPELINE));
	world_until(&s->world, pipeline_is_judged, 60000);
	p = world_get_pipeline(&s->world, "p");
	assert_string_equal(condition_status(doc_get(p, "status.conditions"), "Stalled"), "True");
	assert_non_null(strstr(
		doc_str_or(condition_find(doc_get(p, "status.conditions"), "Ready"), "message", ""),
		"over 2 MiB together"));
}

/* --- parameters --- */

#define ROWS "'parameters': [{'name': 'rows', 'type': 'int', 'default': 7}], "
#define ROWS_GIVEN(n) ", 'parameters': [{'name': 'rows', 'value': " #n "}]"

static size_t frozen_maps(struct story *s)
{
	const struct fake_store *store = fake_api_store(s->world.api);
	size_t pos = 0, count = 0;
	const char *key;
	void *object;

	while (map_next(&store->objects, &pos, &key, &object)) {
		const json_t *labels = doc_get(object, "metadata.labels");

		count += strstr(key, "/configmaps/") &&
			 json_object_get(labels, "fondant.ai/frozen-spec") != NULL;
	}
	return count;
}

static void a_run_with_parameters_freezes_its_own_spec(void **state)
{
	struct story *s = *state;
	auto_json *mine = NULL;
	auto_json *also = NULL;
	auto_json *same = NULL;
	auto_json *p = NULL;
	auto_json *spec = NULL;

	apply(s, ROWS, "'$(parameters.rows)'");
	world_until(&s->world, one_finished, 60000);
	s->digest = DIGEST_B; /* the run keeps the digests of its pipeline */
	start_run(s, "mine", ROWS_GIVEN(8));
	world_until(&s->world, two_finished, 60000);
	start_run(s, "also", ROWS_GIVEN(8));
	world_until(&s->world, three_finished, 60000);
	start_run(s, "same", ROWS_GIVEN(7));
	world_pass(&s->world, 30000);
	mine = get_run(s, "mine");
	also = get_run(s, "also");
	same = get_run(s, "same");
	p = world_get_pipeline(&s->world, "p");
	assert_string_equal(doc_str(mine, "status.phase"), "Succeeded");
	assert_string_equal(doc_str(also, "status.phase"), "Succeeded");
	assert_string_equal(
		doc_str(mine, "status.frozenSpec.name"), doc_str(also, "status.frozenSpec.name"));
	assert_string_not_equal(
		doc_str(mine, "status.frozenSpec.name"), doc_str(p, "status.frozen.name"));
	assert_string_equal(
		doc_str(same, "status.frozenSpec.name"), doc_str(p, "status.frozen.name"));
	spec = spec_of(s, doc_str(mine, "status.frozenSpec.name"));
	assert_int_equal(doc_int_or(spec, "parameters.rows", 0), 8);
	assert_int_equal(doc_int_or(spec, "steps.0.arguments.n", 0), 8);
	assert_non_null(strstr(doc_str_or(spec, "steps.0.image", ""), DIGEST_A));
	assert_int_equal(s->world.jobs_made, 4);
	assert_int_equal(frozen_maps(s), 2);
	assert_int_equal(s->asked, 1);
	/* pruning leaves what a run owns; it goes with the last of them */
	fake_api_delete(s->world.api, WORLD_RUNS "/mine");
	world_pass(&s->world, 10000);
	assert_int_equal(frozen_maps(s), 2);
	fake_api_delete(s->world.api, WORLD_RUNS "/also");
	world_pass(&s->world, 10000);
	assert_int_equal(frozen_maps(s), 1);
	expect_quiet(s);
}

static void parameters_that_do_not_fit_fail_the_run(void **state)
{
	struct story *s = *state;
	auto_json *one = NULL;
	auto_json *two = NULL;

	apply(s, ROWS, "'$(parameters.rows)'");
	world_until(&s->world, one_finished, 60000);
	start_run(s, "one", ROWS_GIVEN('eight'));
	start_run(s, "two",
		", 'parameters': [{'name': 'row', 'value': 1}, {'name': 'rows', "
		"'value': true}]");
	world_until(&s->world, three_finished, 60000);
	one = get_run(s, "one");
	two = get_run(s, "two");
	assert_string_equal(ready_of(one), "False/InvalidParameter");
	assert_string_equal(ready_of(two), "False/InvalidParameters");
	assert_non_null(strstr(
		doc_str(condition_find(doc_get(two, "status.conditions"), "Ready"), "message"),
		"`row`"));
	assert_int_equal(s->world.jobs_made, 2);
	expect_quiet(s);
}

static void a_parameter_without_a_default_must_be_given(void **state)
{
	struct story *s = *state;
	auto_json *p = NULL;
	auto_json *bare = NULL;
	auto_json *given = NULL;

	apply(s, "'parameters': [{'name': 'rows', 'type': 'int'}], ", "'$(parameters.rows)'");
	world_until(&s->world, pipeline_is_frozen, 60000);
	world_pass(&s->world, 10000);
	p = world_get_pipeline(&s->world, "p");
	assert_string_equal(ready_of(p), "True/ParameterRequired");
	assert_non_null(
		strstr(doc_str(condition_find(doc_get(p, "status.conditions"), "Ready"), "message"),
			"parameters rows"));
	assert_int_equal(s->world.runs_made, 0);
	start_run(s, "bare", "");
	start_run(s, "given", ROWS_GIVEN(3));
	world_until(&s->world, two_finished, 60000);
	bare = get_run(s, "bare");
	given = get_run(s, "given");
	assert_string_equal(ready_of(bare), "False/ParameterRequired");
	assert_string_equal(doc_str(given, "status.phase"), "Succeeded");
	expect_quiet(s);
}

/* --- the cache of scheduled runs --- */

static void what_a_scheduled_run_loads_may_have_changed(void **state)
{
	struct story *s = *state;
	auto_json *run = NULL;

	apply(s, "", "1");
	world_until(&s->world, one_finished, 60000);
	start_run(s, "now", "");
	world_until(&s->world, two_finished, 60000);
	assert_int_equal(s->world.jobs_made, 2);
	start_run(s, "tick", ", 'scheduledTime': '2027-01-15T08:00:00Z'");
	world_until(&s->world, three_finished, 60000);
	run = get_run(s, "tick");
	assert_string_equal(doc_str(run, "status.steps.0.phase"), "Succeeded");
	assert_string_equal(doc_str(run, "status.steps.1.phase"), "Succeeded"); /* new inputs */
	assert_int_equal(s->world.jobs_made, 4);
	expect_quiet(s);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(digests_are_frozen_and_asked_for_once),
		T(a_moved_tag_misses_and_an_edited_description_hits),
		T(what_cannot_be_resolved_keeps_its_tag),
		T(a_silent_registry_holds_up_no_freeze_for_long),
		T(a_required_digest_is_waited_for),
		T(nobody_is_asked_when_told_so),
		T(pull_secrets_are_read_only_when_needed),
		T(without_a_secret_the_event_says_so),
		T(a_source_is_read_when_freezing),
		T(a_binary_source_is_an_error),
		T(sources_over_the_limit_are_an_error),
		T(a_run_with_parameters_freezes_its_own_spec),
		T(parameters_that_do_not_fit_fail_the_run),
		T(a_parameter_without_a_default_must_be_given),
		T(what_a_scheduled_run_loads_may_have_changed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

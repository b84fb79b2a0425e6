/*
 * Docker: the compose document (goldens: tests/data/native/docker/<name>.json, UPDATE_GOLDEN=1
 * writes them anew), a container's body, what an engine says of it, frames of logs, the archive of
 * secrets, and the version of the API.
 */
#include "test_compiler_fixture.h"

#include <stdlib.h>
#include "base/buf.h"
#include "base/rand.h"
#include "base/str.h"
#include "compiler/spec.h"
#include "doc/path.h"
#include "runners/docker_container.h"
#include "runners/docker_engine.h"
#include "runners/docker_logs.h"
#include "runners/docker_observe.h"
#include "runners/runner.h"
#include "tests/fake/http_server.h"

#define DATA "tests/data/native/docker/"
#define RUN_ID "nightly-1-2f6c0b8a"
#define DAY 1795392000 /* 2026-11-23T00:00:00Z */

static struct frozen_spec *freeze_tree(const json_t *tree)
{
	struct compile_input in = {.namespace_ = "data",
		.pipeline = "nightly",
		.spec = tree,
		.backend = "docker",
		.features = runner_docker.features};
	struct frozen_spec *spec = NULL;
	struct compile_output out;

	if (compile_pipeline(&in, &out) != 0) {
		print_diags(&out.diags);
		fail_msg("should compile");
	}
	assert_int_equal(frozen_spec_parse(out.text, out.text_len, &spec, NULL), 0);
	frozen_spec_bind(spec, "nightly-1", DAY);
	compile_output_clear(&out);
	return spec;
}

static struct frozen_spec *freeze(const char *text)
{
	auto_json *tree = yaml(text);

	return freeze_tree(tree);
}

static json_t *settings(void)
{
	return yaml("extraVolumes:\n"
		    "- {source: /srv/models, target: /models, readOnly: true}\n"
		    "- {source: /srv/a$b, target: /b}\n");
}

/* --- the document --- */

static json_t *of_file(const char *name)
{
	auto_free char *file = str_eq(name, "settings") ? xstrdup("../native/docker/settings.yaml")
							: xasprintf("peer/%s.yaml", name);
	size_t len;
	auto_free char *text = read_data(file, &len);
	json_t *tree = yaml(text);

	json_object_del(tree, "podTemplate"); /* mounts what an engine mounts by itself */
	return tree;
}

static void golden(void **state)
{
	const char *name = *state;
	auto_free char *path = xasprintf(DATA "%s.json", name);
	auto_json *tree = of_file(name), *volumes = settings(), *native = NULL, *want = NULL;
	struct frozen_spec *spec = freeze_tree(tree);
	struct native_input in = {.spec = spec, .run_id = RUN_ID, .settings = volumes};
	auto_diags diags = DIAG_LIST_INIT;
	auto_free char *first = NULL, *second = NULL;
	json_error_t error;

	runner_docker.compile(&in, &native, &diags);
	print_diags(&diags);
	assert_int_equal(diags.len, 0);
	if (getenv("UPDATE_GOLDEN"))
		assert_int_equal(json_dump_file(native, path, JSON_INDENT(1)), 0);
	want = json_load_file(path, 0, &error);
	if (!want)
		fail_msg("%s:%d: %s", path, error.line, error.text);
	first = json_dumps(native, 0);
	second = json_dumps(want, 0);
	assert_string_equal(first, second);
	frozen_spec_free(spec);
}

#define STEP                                                      \
	"workingDirectory: /srv/artifacts\n"                      \
	"steps:\n"                                                \
	"- name: load\n"                                          \
	"  component: {spec: {name: L, description: d, image: i," \
	" produces: {a: {type: string}}}}\n"

struct refusal {
	const char *yaml, *path;
};

static void refused(void **state)
{
	const struct refusal *r = *state;
	auto_free char *text =
		xasprintf("%s%s", str_starts_with(r->yaml, "working") ? "" : STEP, r->yaml);
	struct frozen_spec *spec = freeze(text);
	struct native_input in = {.spec = spec, .run_id = RUN_ID};
	auto_diags diags = DIAG_LIST_INIT;
	auto_json *native = NULL;

	runner_docker.compile(&in, &native, &diags);
	print_diags(&diags);
	assert_int_equal(diags.len, 1);
	assert_non_null(find_diag(&diags, r->path, "UnsupportedSetting"));
	frozen_spec_free(spec);
}

#define REFUSED(title, ...)                                               \
	{                                                                 \
		"refused: " title, refused, NULL, NULL, &(struct refusal) \
		{                                                         \
			__VA_ARGS__                                       \
		}                                                         \
	}

static void cached_steps_are_left_out(void **state)
{
	auto_json *tree = of_file("linear3"), *native = NULL;
	struct frozen_spec *spec = freeze_tree(tree);
	struct step_state steps[3] = {{.phase = STEP_CACHED, .ref = (char *)"old-1-1a2b3c4d/load"}};
	struct native_input in = {.spec = spec, .run_id = RUN_ID, .steps = steps};
	auto_diags diags = DIAG_LIST_INIT;
	const json_t *services;
	auto_free char *words = NULL;
	const char *first = spec->steps[0].name, *second = spec->steps[1].name;

	(void)state;
	runner_docker.compile(&in, &native, &diags);
	services = json_object_get(native, "services");
	assert_null(json_object_get(services, first));
	assert_int_equal(json_object_size(services), 2);
	assert_null(json_object_get(json_object_get(services, second), "depends_on"));
	words = json_dumps(json_object_get(services, second), 0);
	assert_non_null(strstr(words, "old-1-1a2b3c4d/load/manifest.json"));
	frozen_spec_free(spec);
}

/* --- containers --- */

#define RICH                                                                                \
	"workingDirectory: /srv/artifacts\n"                                                \
	"steps:\n"                                                                          \
	"- name: load\n"                                                                    \
	"  component: {spec: {name: L, description: d, image: 'i:1', produces: {a: {type: " \
	"string}},\n"                                                                       \
	"    args: {note: {type: str}, token: {type: str}}}}\n"                             \
	"  arguments: {note: 'a $HOME {{x}} $$(y)'}\n"                                      \
	"  secretArguments: {token: {secretKeyRef: {name: w, key: t}}}\n"                   \
	"  env: [{name: MODE, value: '$fast'}]\n"                                           \
	"  resources: {limits: {cpu: 500m, memory: 64Mi}}\n"                                \
	"  accelerator: {type: GPU, count: 2}\n"

#define PLAIN                                                                               \
	"workingDirectory: /srv/artifacts\n"                                                \
	"steps:\n"                                                                          \
	"- name: load\n"                                                                    \
	"  component: {spec: {name: L, description: d, image: 'i:1', produces: {a: {type: " \
	"string}},\n"                                                                       \
	"    args: {note: {type: str}}}}\n"                                                 \
	"  arguments: {note: 'a $HOME {{x}} $$(y)'}\n"

static struct runner_run run_of(const struct frozen_spec *spec)
{
	return (struct runner_run){.spec = spec,
		.namespace_ = "data",
		.pipeline = "nightly",
		.name = "nightly-1",
		.uid = "u-1",
		.run_id = RUN_ID,
		.now_s = 1800000100};
}

static void assert_same(const json_t *got, const char *want)
{
	auto_json *json = yaml(want);

	if (!json_equal(got, json)) {
		auto_free char *text = json_dumps(got, JSON_ENCODE_ANY);

		fail_msg("got %s\nnot %s", text, want);
	}
}

static void a_container(void **state)
{
	struct frozen_spec *spec = freeze(RICH);
	struct runner_run run = run_of(spec);
	auto_json *volumes = settings();
	struct docker_container what = {
		.run = &run, .step = 0, .attempt = 2, .network = "n1", .settings = volumes};
	auto_json *body = docker_container_body(&what);
	auto_free char *text = json_dumps(body, 0), *name = NULL;
	const json_t *labels = json_object_get(body, "Labels");

	(void)state;
	name = docker_container_name(&run, "load", 2);
	assert_string_equal(name, RUN_ID "-load-2");
	assert_string_equal(doc_str(body, "Image"), "i:1");
	assert_same(doc_get(body, "HostConfig"),
		"{Binds: ['/srv/artifacts:/srv/artifacts', '/srv/models:/models:ro', "
		"'/srv/a$b:/b'], NetworkMode: n1, RestartPolicy: {Name: 'no'}, NanoCpus: "
		"500000000, Memory: 67108864, DeviceRequests: [{Driver: nvidia, Count: 2, "
		"Capabilities: [[gpu]]}]}");
	assert_same(
		doc_get(body, "NetworkingConfig"), "{EndpointsConfig: {n1: {Aliases: [load]}}}");
	assert_same(doc_get(body, "Env"), "['DASK_DIAGNOSTICS_PORT=', 'MODE=$fast']");
	assert_string_equal(json_string_value(json_object_get(labels, DOCKER_LABEL_UID)), "u-1");
	assert_string_equal(json_string_value(json_object_get(labels, DOCKER_LABEL_ATTEMPT)), "2");
	/* the attempt has a folder of its own; the program that fetches secrets comes first */
	assert_non_null(strstr(text, RUN_ID "-a2"));
	assert_string_equal(
		json_string_value(json_array_get(json_object_get(body, "Entrypoint"), 0)),
		"python3");
	frozen_spec_free(spec);
}

/* Nothing changes a word, so none is hidden from it. */
static void words_are_as_they_are(void **state)
{
	struct frozen_spec *spec = freeze(PLAIN);
	struct runner_run run = run_of(spec);
	struct docker_container what = {.run = &run, .step = 0, .attempt = 1};
	auto_json *body = docker_container_body(&what);
	const json_t *words = json_object_get(body, "Cmd"), *word;
	bool found = false;
	size_t i;

	(void)state;
	json_array_foreach (words, i, word)
		found = found || str_eq(json_string_value(word), "a $HOME {{x}} $(y)");
	assert_true(found);
	assert_same(doc_get(body, "Entrypoint"), "[fondant, execute, main]");
	assert_string_equal(doc_str(body, "HostConfig.NetworkMode"), RUN_ID "_default");
	frozen_spec_free(spec);
}

static unsigned octal(const char *text)
{
	return (unsigned)strtoul(text, NULL, 8);
}

static void the_archive_of_secrets(void **state)
{
	struct frozen_spec *spec = freeze(RICH), *none = freeze(STEP);
	auto_json *secrets = json_pack("{s:s}", "w/t", "s3cret \xc3\xa9\n");
	struct runner_run run = run_of(spec), without = run_of(none);
	struct docker_container what = {.run = &run, .attempt = 1};
	size_t len = 0;
	char *tar, head[512];
	unsigned sum = 0;
	auto_json *json = NULL;

	(void)state;
	run.secrets = secrets;
	tar = docker_secrets_archive(&what, &len);
	assert_non_null(tar);
	assert_int_equal(len % 512, 0);
	assert_int_equal(len, 512 * 4);
	assert_string_equal(tar, DOCKER_SECRETS_FILE);
	assert_int_equal(octal(tar + 100), 0400);
	assert_memory_equal(tar + 257, "ustar\00000", 8);
	memcpy(head, tar, sizeof(head));
	memset(head + 148, ' ', 8);
	for (size_t i = 0; i < sizeof(head); i++)
		sum += (unsigned char)head[i];
	assert_int_equal(octal(tar + 148), sum);
	json = json_loadb(tar + 512, octal(tar + 124), 0, NULL);
	assert_same(json, "{FONDANT_SECRET_0: \"s3cret \\u00e9\\n\"}");
	for (size_t i = 1024; i < len; i++)
		assert_int_equal(tar[i], 0);
	mem_free_secret(tar);
	what.run = &without;
	assert_null(docker_secrets_archive(&what, &len));
	frozen_spec_free(spec);
	frozen_spec_free(none);
}

static void the_oldest_network(void **state)
{
	auto_json *two = yaml("[{Id: b, Created: '2027-01-15T08:00:01Z'}, {Id: c, Created: "
			      "'2027-01-15T08:00:00Z'}, {Id: a, Created: '2027-01-15T08:00:01Z'}]");
	auto_json *same = yaml("[{Id: b, Created: x}, {Id: a, Created: x}]");
	auto_json *odd = yaml("[1, {Id: 3}, {}]");

	(void)state;
	assert_string_equal(docker_network_id(two), "c");
	assert_string_equal(docker_network_id(same), "a");
	assert_null(docker_network_id(odd));
	assert_null(docker_network_id(NULL));
}

/* --- what the engine says --- */

struct said {
	const char *item, *inspected, *log;
	enum attempt_phase phase;
	const char *reason, *message;
	int exit_code;
};

#define LABELS "Labels: {fondant.ai/step: load, fondant.ai/attempt: '1', fondant.ai/run-uid: u-1}"
#define ITEM "{Id: c, State: exited, Created: 1800000000, " LABELS "}"
#define ENDED "StartedAt: '2027-01-15T08:00:00.123456789Z', FinishedAt: '2027-01-15T08:00:05Z'"

static void observed(void **state)
{
	const struct said *said = *state;
	struct frozen_spec *spec = freeze(STEP);
	struct runner_run run = run_of(spec);
	auto_json *item = yaml(said->item);
	auto_json *inspected = said->inspected ? yaml(said->inspected) : NULL;
	struct attempts attempts = {0};
	const struct attempt *attempt;

	assert_int_equal(docker_must_inspect(item), inspected != NULL);
	assert_true(docker_observe(&run, item, inspected, said->log, &attempts));
	attempt = &attempts.items[0];
	assert_int_equal(attempt->phase, said->phase);
	assert_int_equal(attempt->number, 1);
	assert_int_equal(attempt->exit_code, said->exit_code);
	if (said->reason)
		assert_string_equal(attempt->reason, said->reason);
	else
		assert_null(attempt->reason);
	if (said->message)
		assert_string_equal(attempt->message, said->message);
	assert_string_equal(attempt->external_name, RUN_ID "-load-1");
	assert_int_equal(attempt->end_s != 0, said->phase != ATTEMPT_RUNNING);
	attempts_clear(&attempts);
	frozen_spec_free(spec);
}

#define OBSERVED(title, ...)                                             \
	{                                                                \
		"observed: " title, observed, NULL, NULL, &(struct said) \
		{                                                        \
			__VA_ARGS__                                      \
		}                                                        \
	}

static void what_is_none_of_ours(void **state)
{
	static const char *const items[] = {"{}", "[]", "{Labels: 3}",
		"{Labels: {fondant.ai/step: other, fondant.ai/attempt: '1', fondant.ai/run-uid: "
		"u-1}}",
		"{Labels: {fondant.ai/step: load, fondant.ai/attempt: '0', fondant.ai/run-uid: "
		"u-1}}",
		"{Labels: {fondant.ai/step: load, fondant.ai/attempt: x, fondant.ai/run-uid: u-1}}",
		"{Labels: {fondant.ai/step: load, fondant.ai/attempt: '99999999999', "
		"fondant.ai/run-uid: u-1}}",
		"{Labels: {fondant.ai/step: load, fondant.ai/attempt: '1', fondant.ai/run-uid: "
		"u-2}}"};
	struct frozen_spec *spec = freeze(STEP);
	struct runner_run run = run_of(spec);
	auto_json *created = yaml("{State: {Status: created, Error: ''}}"), *ours = yaml(ITEM);
	struct attempts attempts = {0};

	(void)state;
	for (size_t i = 0; i < array_size(items); i++) {
		auto_json *item = yaml(items[i]);

		assert_false(docker_observe(&run, item, NULL, NULL, &attempts));
	}
	/* created, and not started by whoever died: submit starts it */
	assert_false(docker_observe(&run, ours, created, NULL, &attempts));
	assert_int_equal(attempts.len, 0);
	attempts_clear(&attempts);
	frozen_spec_free(spec);
}

/* --- frames --- */

static void add(void *arg, const char *text, size_t len)
{
	buf_add(arg, text, len);
}

static void frames_may_come_in_any_pieces(void **state)
{
	static const char stream[] = "\1\0\0\0\0\0\0\5one\n.\2\0\0\0\0\0\0\0\2\0\0\0\0\0\1\1";
	struct buf all = BUF_INIT;
	auto_buf want = BUF_INIT;

	(void)state;
	buf_add(&all, stream, sizeof(stream) - 1);
	for (int i = 0; i < 257; i++)
		buf_addc(&all, (char)('a' + i % 26));
	buf_adds(&want, "one\n.");
	buf_add(&want, all.data + sizeof(stream) - 1, 257);
	for (int round = 0; round < 300; round++) {
		struct buf got = BUF_INIT;
		struct docker_frames frames = {.text = add, .arg = &got};

		for (size_t at = 0; at < all.len;) {
			size_t n = 1 + (round ? rand_below(40) : 0);

			n = n > all.len - at ? all.len - at : n;
			docker_frames_feed(&frames, all.data + at, n);
			at += n;
		}
		assert_string_equal(buf_str(&got), buf_str(&want));
		buf_free(&got);
	}
	buf_free(&all);
}

/* --- the version of the API --- */

struct talk {
	const char *answer;
	const char *api;    /* NULL: it fails */
	const char *reason; /* of the failure */
};

struct engine_fixture {
	struct loop *loop;
	struct http_server server;
	struct docker_engine engine;
	struct docker_call call;
	const char *answer;
	bool done;
};

static void answer(struct http_server *server, struct http_exchange *ex)
{
	const struct engine_fixture *f = server->user;

	http_reply(ex, 200, "application/json", f->answer, strlen(f->answer));
}

static void called(struct docker_call *call)
{
	container_of(call, struct engine_fixture, call)->done = true;
}

static void negotiated(void **state)
{
	const struct talk *talk = *state;
	struct engine_fixture f = {.answer = talk->answer};
	auto_json *spec = NULL;
	auto_free char *host = NULL;
	struct runner_settings given = {.local_endpoints = true};

	assert_int_equal(loop_new(&f.loop, NULL), 0);
	http_server_start(&f.server, f.loop, answer, &f);
	host = xasprintf("tcp://127.0.0.1:%d", f.server.port);
	spec = json_pack("{s:s}", "host", host);
	given.spec = spec;
	assert_int_equal(docker_engine_init(&f.engine, f.loop, &given, NULL), 0);
	docker_negotiate(&f.engine, &f.call, called);
	while (!f.done)
		loop_turn(f.loop, 1000);
	if (talk->api) {
		assert_int_equal(f.call.api.err.class, ERR_NONE);
		assert_string_equal(f.engine.api, talk->api);
	} else {
		assert_null(f.engine.api);
		assert_string_equal(f.call.api.err.reason, talk->reason);
	}
	docker_call_free(&f.call);
	docker_engine_clear(&f.engine);
	http_server_stop(&f.server);
	loop_free(f.loop);
}

#define TALK(title, ...)                                                  \
	{                                                                 \
		"version: " title, negotiated, NULL, NULL, &(struct talk) \
		{                                                         \
			__VA_ARGS__                                       \
		}                                                         \
	}

struct place {
	const char *host;
	bool local, taken;
};

static void places(void **state)
{
	static const struct place all[] = {{"unix:///run/docker.sock", false, false},
		{"unix:///run/docker.sock", true, true}, {"tcp://127.0.0.1:2375", false, false},
		{"tcp://127.0.0.1:2375", true, true}, {"tcp://localhost:2375", false, false},
		{"tcp://[::1]:2375", false, false}, {"tcp://169.254.169.254:80", false, false},
		{"tcp://builder.example:2375", true, false}, {"ssh://builder", true, false},
		{"http://builder", true, false}, {"", true, false}};
	struct loop *loop;

	(void)state;
	assert_int_equal(loop_new(&loop, NULL), 0);
	for (size_t i = 0; i < array_size(all); i++) {
		auto_json *spec = json_pack("{s:s}", "host", all[i].host);
		struct runner_settings given = {.spec = spec, .local_endpoints = all[i].local};
		struct docker_engine engine = {0};
		auto_err err = ERR_INIT;
		int result = docker_engine_init(&engine, loop, &given, &err);

		if ((result == 0) != all[i].taken)
			fail_msg("%s: %s", all[i].host, result == 0 ? "taken" : err_message(&err));
		if (result < 0)
			assert_string_equal(err.reason, "InvalidEndpoint");
		else
			docker_engine_clear(&engine);
	}
	loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		{"golden: linear3", golden, NULL, NULL, (void *)"linear3"},
		{"golden: branches", golden, NULL, NULL, (void *)"branches"},
		{"golden: docs", golden, NULL, NULL, (void *)"docs"},
		{"golden: hub_text", golden, NULL, NULL, (void *)"hub_text"},
		{"golden: mappings", golden, NULL, NULL, (void *)"mappings"},
		{"golden: settings", golden, NULL, NULL, (void *)"settings"},
		REFUSED("requests", "  resources: {requests: {cpu: 1}}\n",
			"steps.load.resources.requests"),
		REFUSED("another resource", "  resources: {limits: {nvidia.com/gpu: 1}}\n",
			"steps.load.resources.limits.nvidia.com/gpu"),
		REFUSED("another accelerator", "  accelerator: {type: amd.com/gpu}\n",
			"steps.load.accelerator.type"),
		REFUSED("a Secret in env",
			"  env: [{name: A, valueFrom: {secretKeyRef: {name: s, key: k}}}]\n",
			"steps.load.env[0].valueFrom"),
		REFUSED("a colon",
			"workingDirectory: '/srv/a:b'\nsteps:\n- name: load\n  component: {spec: "
			"{name: "
			"L, description: d, image: i, produces: {a: {type: string}}}}\n",
			"workingDirectory"),
		cmocka_unit_test(cached_steps_are_left_out),
		cmocka_unit_test(a_container),
		cmocka_unit_test(words_are_as_they_are),
		cmocka_unit_test(the_archive_of_secrets),
		cmocka_unit_test(the_oldest_network),
		OBSERVED("running", "{State: running, Created: 1800000000, " LABELS "}", NULL, NULL,
			ATTEMPT_RUNNING, NULL, NULL, -1),
		OBSERVED("success", ITEM, "{State: {Status: exited, ExitCode: 0, " ENDED "}}", NULL,
			ATTEMPT_SUCCEEDED, NULL, NULL, 0),
		OBSERVED("exit code", ITEM, "{State: {Status: exited, ExitCode: 3, " ENDED "}}",
			"no cheese", ATTEMPT_FAILED, "Error", "exit code 3\nno cheese", 3),
		OBSERVED("killed for memory", ITEM,
			"{State: {Status: exited, ExitCode: 137, OOMKilled: true, " ENDED "}}",
			NULL, ATTEMPT_FAILED, "OOMKilled", "it took more memory than its limit",
			137),
		OBSERVED("start failed", ITEM,
			"{State: {Status: created, ExitCode: 127, Error: 'no such file', "
			"StartedAt: "
			"'0001-01-01T00:00:00Z', FinishedAt: '0001-01-01T00:00:00Z'}}",
			NULL, ATTEMPT_FAILED, "StartFailed", "no such file", 127),
		OBSERVED("gone meanwhile: it runs after all", ITEM,
			"{State: {Status: running, Running: true, StartedAt: "
			"'2027-01-15T08:00:05Z'}}",
			NULL, ATTEMPT_RUNNING, NULL, NULL, -1),
		OBSERVED("odd answer", ITEM, "{State: {Status: exited, ExitCode: x}}", NULL,
			ATTEMPT_FAILED, "Error", NULL, -1),
		cmocka_unit_test(what_is_none_of_ours),
		cmocka_unit_test(frames_may_come_in_any_pieces),
		TALK("Debian's",
			"{\"Version\":\"20.10.24\",\"ApiVersion\":\"1.41\",\"MinAPIVersion\":"
			"\"1.12\"}",
			"1.41", NULL),
		TALK("the oldest",
			"{\"Version\":\"19.03\",\"ApiVersion\":\"1.40\",\"MinAPIVersion\":"
			"\"1.12\"}",
			"1.40", NULL),
		TALK("Docker 29",
			"{\"Version\":\"29.0\",\"ApiVersion\":\"1.52\",\"MinAPIVersion\":\"1.44\"}",
			"1.51", NULL),
		TALK("too old",
			"{\"Version\":\"18.09\",\"ApiVersion\":\"1.39\",\"MinAPIVersion\":"
			"\"1.12\"}",
			NULL, "EngineTooOld"),
		TALK("too new",
			"{\"Version\":\"40\",\"ApiVersion\":\"1.90\",\"MinAPIVersion\":\"1.80"
			"\"}",
			NULL, "EngineTooNew"),
		TALK("podman",
			"{\"Version\":\"4.3.1\",\"ApiVersion\":\"1.41\",\"MinAPIVersion\":"
			"\"1.24\"}",
			"1.41", NULL),
		TALK("HTML", "<html>", NULL, "BadAnswer"),
		TALK("cut", "{\"Version\":", NULL, "BadAnswer"),
		TALK("wrong types", "{\"Version\":1,\"ApiVersion\":[]}", NULL, "BadAnswer"),
		TALK("a list", "[]", NULL, "BadAnswer"),
		TALK("no number", "{\"Version\":\"1\",\"ApiVersion\":\"1.x\"}", NULL, "BadAnswer"),
		cmocka_unit_test(places),
	};

	return cmocka_run_group_tests_name("runners/docker", tests, NULL, NULL);
}

/* Compose files of other tools: what is said of them, and what containers they become. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "base/vec.h"
#include "doc/canon.h"
#include "doc/json.h"
#include "doc/path.h"
#include "doc/yaml.h"
#include "runners/docker_container.h"
#include "runners/docker_project.h"
#include "runners/shell_words.h"

static json_t *yaml(const char *text)
{
	auto_err err = ERR_INIT;
	json_t *json = NULL;

	if (doc_yaml_parse_one(text, strlen(text), DOC_YAML_PYYAML, &json, &err) != 0)
		fail_msg("bad YAML in the test: %s\n%s", err_message(&err), text);
	return json;
}

static struct frozen_spec *spec_of(const char *compose, const char *parameters)
{
	json_t *json = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:{s:s, s:o}}", "apiVersion",
		"fondant.ai/v1alpha1", "kind", "FrozenSpec", "pipeline", "p", "namespace", "data",
		"backend", "docker", "compiler", "1", "parameters", yaml(parameters), "native",
		"format", "Compose", "document", yaml(compose));
	auto_free char *text = canon_str(json, CANON_COMPACT);
	struct frozen_spec *spec = NULL;
	auto_err err = ERR_INIT;

	json_decref(json);
	if (frozen_spec_parse(text, strlen(text), &spec, &err) < 0)
		fail_msg("%s", err_message(&err));
	return spec;
}

#define A "services: {a: {image: 'i:1'"
#define NEEDS(name) "depends_on: {" name ": {condition: service_completed_successfully}}"

static const struct row {
	const char *title, *compose, *parameters;
	const char *path, *reason, *says; /* of the one finding; NULL: none */
} rows[] = {
	{"the least", A "}}", "{}", NULL, NULL, NULL},
	{"what the framework writes",
		"name: x\nversion: '3.8'\n" A ", entrypoint: [a], command: ['b'], ports: "
		"['8787:8787'], labels: {dataset_description: null}, volumes: [{type: bind, "
		"source: /s, target: /t}]}}",
		"{}", NULL, NULL, NULL},
	{"extensions", "x-a: {b: $c}\n" A ", x-b: 1}}", "{}", NULL, NULL, NULL},
	{"no services", "name: a", "{}", "services", "Required", "required"},
	{"empty services", "services: {}", "{}", "services", "Required", "needs services"},
	{"a service that is none", "services: {a: 3}", "{}", "services.a", "InvalidType",
		"an integer"},
	{"a name", "services: {'a b': {image: i}}", "{}", "services.a b", "InvalidName", "1 to 63"},
	{"a typo", A ", imige: b}}", "{}", "services.a.imige", "UnknownField", "`image`"},
	{"no image", "services: {a: {command: [a]}}", "{}", "services.a.image", "Required",
		"required"},
	{"no image at all", "services: {a: {image: 'A:'}}", "{}", "services.a.image",
		"InvalidImage", "`A:`"},
	{"a built image", A ", build: .}}", "{}", "services.a.build", "UnsupportedSetting",
		"build and push it"},
	{"privileges", A ", privileged: true}}", "{}", "services.a.privileged",
		"UnsupportedSetting", "remove it"},
	{"a restart", A ", restart: always}}", "{}", "services.a.restart", "InvalidValue",
		"`always`"},
	{"another network", A ", network_mode: host}}", "{}", "services.a.network_mode",
		"InvalidValue", "`host`"},
	{"networks", "networks: {n: {}}\n" A "}}", "{}", "networks", "UnsupportedSetting",
		"network of their own"},
	{"an open quote", A ", command: \"echo 'a\"}}", "{}", "services.a.command", "InvalidValue",
		"quote"},
	{"a number as a word", A ", command: [a, 3]}}", "{}", "services.a.command", "InvalidType",
		"[1] must be a text"},
	{"a boolean variable", A ", environment: {A: yes}}}", "{}", "services.a.environment.A",
		"InvalidType", "quote it"},
	{"a variable of the shell", A ", environment: [A]}}", "{}", "services.a.environment",
		"InvalidValue", "name=value"},
	{"a variable without a value", A ", environment: {A: }}}", "{}", "services.a.environment.A",
		"Required", "no shell"},
	{"our label", A ", labels: {fondant.ai/run: x}}}", "{}", "services.a.labels.fondant.ai/run",
		"InvalidValue", "operator's"},
	{"a list of needs", A ", depends_on: [b]}, b: {image: i}}", "{}", "services.a.depends_on",
		"UnsupportedSetting", "service_completed_successfully"},
	{"another condition", A ", depends_on: {b: {condition: service_started}}}, b: {image: i}}",
		"{}", "services.a.depends_on.b.condition", "InvalidValue", "service_started"},
	{"a service that is not there", A ", " NEEDS("z") "}}", "{}", "services.a.depends_on",
		"UnknownService", "`z`"},
	{"a cycle", A ", " NEEDS("b") "}, b: {image: i, " NEEDS("a") "}}", "{}", "services",
		"Cycle", "wait for each other"},
	{"a relative path", A ", volumes: ['./a:/b']}}", "{}", "services.a.volumes[0]",
		"InvalidValue", "absolute"},
	{"a volume of its own", "volumes: {v: {}}\n" A ", volumes: ['v:/b']}}", "{}",
		"services.a.volumes[0]", "UnsupportedSetting", "external"},
	{"a volume that is there", "volumes: {v: {external: true}}\n" A ", volumes: ['v:/b']}}",
		"{}", NULL, NULL, NULL},
	{"a mode", A ", volumes: ['/a:/b:rx']}}", "{}", "services.a.volumes[0]", "InvalidValue",
		"`rx`"},
	{"no target", A ", volumes: ['/a']}}", "{}", "services.a.volumes[0]", "InvalidValue",
		"SOURCE:TARGET"},
	{"a size", A ", mem_limit: 12x}}", "{}", "services.a.mem_limit", "InvalidValue", "512m"},
	{"cpus", A ", cpus: many}}", "{}", "services.a.cpus", "InvalidValue", "0.5"},
	{"replicas", A ", deploy: {replicas: 2}}}", "{}", "services.a.deploy.replicas",
		"InvalidValue", "between 1 and 1"},
	{"reserved memory", A ", deploy: {resources: {reservations: {memory: 1g}}}}}", "{}",
		"services.a.deploy.resources.reservations.memory", "UnknownField", "no such"},
	{"a range of ports", A ", ports: ['1-2:1-2']}}", "{}", "services.a.ports[0]",
		"InvalidValue", "ranges"},
	{"a port for two", A ", ports: ['87:87']}, b: {image: i, ports: ['87:90']}}", "{}",
		"services", "PortClash", "`a` and `b`"},
	{"a port one after the other",
		A ", ports: ['87:87']}, b: {image: i, ports: ['87:90'], " NEEDS("a") "}}", "{}",
		NULL, NULL, NULL},
	{"two addresses",
		A ", ports: ['127.0.0.1:87:87']}, b: {image: i, ports: ['127.0.0.2:87:87']}}", "{}",
		NULL, NULL, NULL},
	{"a variable", A ", command: [$rows]}}", "{rows: 3}", NULL, NULL, NULL},
	{"one that nobody gives", A ", command: [$rows]}}", "{}", "!parameters", "Required",
		"`rows`"},
	{"one with a default", A ", command: ['${rows:-3}']}}", "{}", NULL, NULL, NULL},
	{"one that nobody uses", A "}}", "{rows: 3}", "!parameters", "UnknownParameter", "`rows`"},
	{"an empty one", A ", command: ['${rows:?say how many}']}}", "{rows: ''}",
		"services.a.command[0]", "InvalidValue", "must not be empty"},
	{"an open brace", A ", command: ['${rows']}}", "{}", "services.a.command[0]",
		"InvalidValue", "$$ is a dollar"},
	{"an image by a variable", "services: {a: {image: '$i'}}", "{i: b}", "services.a.image",
		"UnsupportedSetting", "policies"},
};

static void assert_finding(const struct row *row, const struct diag_list *diags)
{
	const struct diag *d = diags->items;
	auto_free char *path = row->path && *row->path == '!'
				       ? xstrdup(row->path + 1)
				       : xasprintf("native.document.%s", row->path);

	if (!row->path) {
		if (diags->len)
			fail_msg("%s: %s: %s", row->title, d->path, d->message);
		return;
	}
	if (diags->len != 1)
		fail_msg("%s: %zu findings, the first %s", row->title, diags->len,
			diags->len ? d->message : "");
	if (!str_eq(d->path, path) || !str_eq(d->reason, row->reason) ||
		!strstr(d->message, row->says))
		fail_msg("%s: %s %s: %s", row->title, d->path, d->reason, d->message);
}

static void findings(void **state)
{
	(void)state;
	for (size_t i = 0; i < array_size(rows); i++) {
		struct frozen_spec *spec = spec_of(rows[i].compose, rows[i].parameters), *own;
		struct native_input in = {.spec = spec, .run_id = "p-1-1"};
		auto_diags diags = DIAG_LIST_INIT;
		auto_json *native = NULL;
		auto_err err = ERR_INIT;

		docker_project_compile(&in, &native, &diags);
		assert_finding(&rows[i], &diags);
		assert_int_equal(native == NULL, rows[i].path != NULL);
		/* a frozen spec that got past the check is refused when its steps are read */
		own = docker_project_steps(spec, &err);
		assert_int_equal(own == NULL, rows[i].path != NULL);
		assert_int_equal(err.class, rows[i].path ? ERR_USER : ERR_NONE);
		frozen_spec_free(own);
		frozen_spec_free(spec);
	}
}

/* --- what they become --- */

#define RUN_UID "11111111-1111-4111-8111-111111111111"

static char *container_of_step(struct frozen_spec *own, int step)
{
	struct runner_run run = {.spec = own,
		.namespace_ = "data",
		.pipeline = "p",
		.name = "p-1",
		.uid = RUN_UID,
		.run_id = "p-1-1"};
	struct docker_container what = {.run = &run, .step = step, .attempt = 1, .network = "net"};
	json_t *body = docker_container_body(&what);
	char *text;

	json_object_del(json_object_get(body, "Labels"), "com.docker.compose.config-hash");
	text = canon_str(body, CANON_COMPACT);
	json_decref(body);
	return text;
}

static void a_container(void **state)
{
	struct frozen_spec *spec =
		spec_of("volumes: {v: {external: true, name: real}}\n"
			"services:\n"
			"  b:\n"
			"    image: b:1\n"
			"    entrypoint: sh -c \"a 'b' \\\"c\\\"\"\n"
			"    command: ['$rows', '$${x}', '${y:-z ${rows}}', '${rows:+some}']\n"
			"    environment: {A: 1, B: 'x=y'}\n"
			"    labels: [c=d, e]\n"
			"    user: 1000\n"
			"    working_dir: /w\n"
			"    init: true\n"
			"    shm_size: 2gb\n"
			"    volumes: ['/a:/b:ro', v:/c, {type: tmpfs, target: /t}]\n"
			"    ports: [80, '127.0.0.1:8787:87/udp', {target: 9, published: '10'}]\n"
			"    deploy: {resources: {limits: {cpus: '0.5', memory: 1.5m, pids: 9},\n"
			"      reservations: {devices: [{driver: nvidia, count: all, capabilities: "
			"[gpu]}]}}}\n"
			"    " NEEDS("a") "\n"
					  "  a: {image: 'a:1', network_mode: none}\n",
			"{rows: 3}");
	struct frozen_spec *own = docker_project_steps(spec, NULL);
	auto_free char *a = NULL, *b = NULL;

	frozen_spec_free(spec);
	assert_non_null(own);
	(void)state;
	assert_int_equal(own->steps_len, 2);
	assert_string_equal(own->steps[0].name, "a");
	assert_int_equal(own->steps[1].needs_len, 1);
	assert_int_equal(own->steps[1].needs[0], 0);
	a = container_of_step(own, 0);
	b = container_of_step(own, 1);
	assert_string_equal(a,
		"{\"Cmd\":null,\"Entrypoint\":null,\"Env\":[],\"HostConfig\":{\"Binds\":[],"
		"\"NetworkMode\":\"none\",\"RestartPolicy\":{\"Name\":\"no\"}},\"Image\":\"a:1\","
		"\"Labels\":{\"com.docker.compose.container-number\":\"1\","
		"\"com.docker.compose.depends_on\":\"\",\"com.docker.compose.oneoff\":\"False\","
		"\"com.docker.compose.project\":\"p-1-1\","
		"\"com.docker.compose.project.config_files\":\"docker-compose.yml\","
		"\"com.docker.compose.project.working_dir\":\"/\","
		"\"com.docker.compose.service\":\"a\",\"fondant.ai/attempt\":\"1\","
		"\"fondant.ai/namespace\":\"data\",\"fondant.ai/pipeline\":\"p\","
		"\"fondant.ai/run\":\"p-1\",\"fondant.ai/run-uid\":\"" RUN_UID
		"\",\"fondant.ai/step\":\"a\"}}");
	assert_string_equal(b,
		"{\"Cmd\":[\"3\",\"${x}\",\"z 3\",\"some\"],\"Entrypoint\":[\"sh\",\"-c\",\"a 'b' "
		"\\\"c\\\"\"],\"Env\":[\"A=1\",\"B=x=y\"],\"ExposedPorts\":{\"80/tcp\":{},\"87/"
		"udp\":{},\"9/tcp\":{}},\"HostConfig\":{\"Binds\":[\"/a:/b:ro\",\"real:/c\"],"
		"\"DeviceRequests\":[{\"Capabilities\":[[\"gpu\"]],\"Count\":-1,\"Driver\":"
		"\"nvidia\"}],\"Init\":true,\"Memory\":1572864,\"NanoCpus\":500000000,"
		"\"NetworkMode\":\"net\",\"PidsLimit\":9,\"PortBindings\":{\"80/tcp\":[{\"HostIp\":"
		"\"\",\"HostPort\":\"\"}],\"87/udp\":[{\"HostIp\":\"127.0.0.1\",\"HostPort\":"
		"\"8787\"}],\"9/tcp\":[{\"HostIp\":\"\",\"HostPort\":\"10\"}]},\"RestartPolicy\":{"
		"\"Name\":\"no\"},\"ShmSize\":2147483648,\"Tmpfs\":{\"/"
		"t\":\"\"}},\"Image\":\"b:1\","
		"\"Labels\":{\"c\":\"d\",\"com.docker.compose.container-number\":\"1\","
		"\"com.docker.compose.depends_on\":\"a:service_completed_successfully:false\","
		"\"com.docker.compose.oneoff\":\"False\",\"com.docker.compose.project\":\"p-1-1\","
		"\"com.docker.compose.project.config_files\":\"docker-compose.yml\","
		"\"com.docker.compose.project.working_dir\":\"/\","
		"\"com.docker.compose.service\":\"b\",\"e\":\"\",\"fondant.ai/attempt\":\"1\","
		"\"fondant.ai/namespace\":\"data\",\"fondant.ai/pipeline\":\"p\","
		"\"fondant.ai/run\":\"p-1\",\"fondant.ai/run-uid\":\"" RUN_UID
		"\",\"fondant.ai/step\":\"b\"},\"NetworkingConfig\":{\"EndpointsConfig\":{\"net\":{"
		"\"Aliases\":[\"b\"]}}},\"User\":\"1000\",\"WorkingDir\":\"/w\"}");
	frozen_spec_free(own);
}

/* The document beside the frozen spec says the same to Compose, whatever its environment. */
static void the_document(void **state)
{
	struct frozen_spec *spec =
		spec_of("name: theirs\nservices: {a: {image: i, command: ['$rows $$x ${y-}']}}\n",
			"{rows: [1, a$b]}");
	struct native_input in = {.spec = spec, .run_id = "p-1-1"};
	auto_diags diags = DIAG_LIST_INIT;
	auto_json *native = NULL;
	auto_free char *text = NULL;

	(void)state;
	docker_project_compile(&in, &native, &diags);
	assert_int_equal(diags.len, 0);
	text = canon_str(native, CANON_COMPACT);
	assert_string_equal(text,
		"{\"name\":\"p-1-1\",\"services\":{\"a\":{\"command\":[\"[1,\\\"a$$"
		"b\\\"] $$x \"],\"image\":\"i\"}}}");
	frozen_spec_free(spec);
}

static void words(void **state)
{
	static const struct {
		const char *text, *joined; /* NULL: it cannot be read */
	} cases[] = {
		{"", ""},
		{"  a  b\t\n", "a|b"},
		{"'a b' \"c d\"e", "a b|c de"},
		{"a\\ b '\\' \"\\\"\\x\"", "a b|\\|\"\\x"},
		{"''", ""},
		{"'a", NULL},
		{"\"a\\\"", NULL},
		{"a\\", NULL},
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		auto_strvec words = STRVEC_INIT;
		bool ok = shell_words(cases[i].text, &words);
		auto_free char *joined = strvec_join(&words, "|");

		assert_int_equal(ok, cases[i].joined != NULL);
		if (ok)
			assert_string_equal(joined, cases[i].joined);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(findings),
		cmocka_unit_test(a_container),
		cmocka_unit_test(the_document),
		cmocka_unit_test(words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

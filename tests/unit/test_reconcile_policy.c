/* What the policy of a FondantBackend denies, and where. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "base/mem.h"
#include "doc/json.h"
#include "doc/yaml.h"
#include "reconcile/policy.h"

static json_t *yaml(const char *text)
{
	auto_err err = ERR_INIT;
	json_t *json = NULL;

	if (doc_yaml_parse_one(text, strlen(text), DOC_YAML_KUBERNETES, &json, &err) != 0)
		fail_msg("bad YAML in the test: %s\n%s", err_message(&err), text);
	return json;
}

struct row {
	const char *policy, *frozen;
	const char *paths; /* of the findings, behind each other */
};

static void judged(void **state)
{
	const struct row *row = *state;
	auto_free char *text = xasprintf("{metadata: {name: b}, spec: {policy: %s}}", row->policy);
	auto_json *backend = yaml(text), *frozen = yaml(row->frozen);
	auto_diags diags = DIAG_LIST_INIT;
	struct buf paths = BUF_INIT;

	policy_check(backend, frozen, &diags);
	for (size_t i = 0; i < diags.len; i++) {
		buf_addf(&paths, "%s%s", i ? " " : "", diags.items[i].path);
		assert_string_equal(diags.items[i].reason, "PolicyDenied");
		assert_non_null(strstr(diags.items[i].message, "FondantBackend `b`"));
	}
	assert_string_equal(buf_str(&paths), row->paths);
	buf_free(&paths);
}

#define ROW(title, ...)                                  \
	{                                                \
		title, judged, NULL, NULL, &(struct row) \
		{                                        \
			__VA_ARGS__                      \
		}                                        \
	}

#define IMAGES "{imagePrefixes: [registry.example/team/, fndnt/]}"
#define OF(image) "{steps: [{name: a, image: '" image "'}]}"
#define COMPOSE(volumes)                                                                         \
	"{native: {format: Compose, document: {services: {a: {volumes: " volumes "}}}}, steps: " \
	"[]}"
#define NATIVE(document) "{native: {format: KubeflowIR, document: [{" document "}]}, steps: []}"
#define RESTRICTED "{podTemplate: Restricted}"
#define DIGEST "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void the_paths_are_those_of_the_pipeline(void **state)
{
	auto_json *backend = yaml("{metadata: {name: b}, spec: {policy: {imagePrefixes: [x/]}}}");
	auto_json *spec = yaml("{steps: [{name: a}, {name: c}]}");
	static const char text[] = "{\"steps\": [{\"name\": \"a\", \"image\": \"x/a\"}, {\"name\": "
				   "\"c\", \"image\": \"y/a\"}]}";
	auto_diags diags = DIAG_LIST_INIT;

	(void)state;
	policy_check_text(backend, spec, text, strlen(text), &diags);
	assert_int_equal(diags.len, 1);
	assert_string_equal(diags.items[0].path, "spec.steps[1].component");
	assert_string_equal(diags.items[0].message,
		"the policy of FondantBackend `b` allows images that begin with: x/; this is y/a");
	/* no policy, no finding */
	json_object_del(json_object_get(backend, "spec"), "policy");
	policy_check_text(backend, spec, text, strlen(text), &diags);
	policy_check_text(NULL, spec, text, strlen(text), &diags);
	assert_int_equal(diags.len, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ROW("an allowed image", IMAGES, OF("registry.example/team/a:1"), ""),
		ROW("by digest", IMAGES, OF("fndnt/load@" DIGEST), ""),
		ROW("with the host of docker.io", IMAGES, OF("docker.io/fndnt/load"), ""),
		ROW("another repository", IMAGES, OF("registry.example/other/a"),
			"steps.a.component"),
		ROW("a longer name", IMAGES, OF("registry.example/teammate/a"),
			"steps.a.component"),
		ROW("another host of the same name", IMAGES, OF("evil.example/fndnt/load"),
			"steps.a.component"),
		ROW("a library image", IMAGES, OF("busybox"), "steps.a.component"),
		ROW("not the name of an image", IMAGES, OF("fndnt/$(X)"), "steps.a.component"),
		ROW("no image at all", IMAGES, "{steps: [{name: a}]}", "steps.a.component"),
		ROW("no prefix is allowed", "{imagePrefixes: []}", OF("a"), "steps.a.component"),
		ROW("library/ written out", "{imagePrefixes: [library/]}", OF("busybox"), ""),
		ROW("a host alone", "{imagePrefixes: [registry.example]}",
			OF("registry.example/any/a"), ""),
		ROW("init containers", IMAGES,
			"{podTemplate: {spec: {initContainers: [{image: fndnt/a}, {image: "
			"evil/a}]}}}",
			"podTemplate.spec.initContainers[1].image"),
		ROW("init containers of a step", IMAGES,
			"{steps: [{name: a, image: fndnt/a, podTemplate: {spec: {initContainers: "
			"[{image: evil/a}]}}}]}",
			"steps.a.podTemplate.spec.initContainers[0].image"),
		ROW("service accounts", "{serviceAccountNames: [loader]}",
			"{serviceAccountName: loader}", ""),
		ROW("none named", "{serviceAccountNames: [loader]}", "{}", ""),
		ROW("another one", "{serviceAccountNames: [loader]}", "{serviceAccountName: admin}",
			"serviceAccountName"),
		ROW("in the template", "{serviceAccountNames: [loader]}",
			"{podTemplate: {spec: {serviceAccountName: admin, serviceAccount: admin}}}",
			"podTemplate.spec.serviceAccountName podTemplate.spec.serviceAccount"),
		ROW("in a step's template", "{serviceAccountNames: []}",
			"{steps: [{name: a, podTemplate: {spec: {serviceAccountName: loader}}}]}",
			"steps.a.podTemplate.spec.serviceAccountName"),
		ROW("what is plain", RESTRICTED,
			"{podTemplate: {metadata: {labels: {a: b}}, spec: {nodeSelector: {a: b}, "
			"tolerations: [{key: a}], affinity: {}, priorityClassName: p, "
			"imagePullSecrets: [{name: s}], volumes: [{name: a, persistentVolumeClaim: "
			"{claimName: c}}, {name: b, emptyDir: {}}, {name: c, secret: {secretName: "
			"s}}, {name: d, configMap: {name: m}}], containers: [{name: main, env: "
			"[{name: A, value: b}], volumeMounts: [{name: a, mountPath: /a}]}]}}}",
			""),
		ROW("volumes of the node", RESTRICTED,
			"{podTemplate: {spec: {volumes: [{name: a, hostPath: {path: /}}, {name: b, "
			"projected: {}}]}}}",
			"podTemplate.spec.volumes[0].hostPath "
			"podTemplate.spec.volumes[1].projected"),
		ROW("what is of the node", RESTRICTED,
			"{podTemplate: {metadata: {annotations: {}}, spec: {hostPID: true, "
			"hostNetwork: true, securityContext: {}, initContainers: []}}}",
			"podTemplate.metadata.annotations podTemplate.spec.hostPID "
			"podTemplate.spec.hostNetwork podTemplate.spec.securityContext "
			"podTemplate.spec.initContainers"),
		ROW("what is of the container", RESTRICTED,
			"{steps: [{name: a, podTemplate: {spec: {containers: [{name: main, "
			"securityContext: {privileged: true}, envFrom: [], lifecycle: {}}]}}}]}",
			"steps.a.podTemplate.spec.containers[0].securityContext "
			"steps.a.podTemplate.spec.containers[0].envFrom "
			"steps.a.podTemplate.spec.containers[0].lifecycle"),
		ROW("everything is allowed", "{podTemplate: Allow}",
			"{podTemplate: {spec: {hostPID: true}}}", ""),
		ROW("a timeout", "{maxTimeout: 24h}", "{timeout: 24h}", ""),
		ROW("too long", "{maxTimeout: 24h}", "{timeout: 1441m}", "timeout"),
		ROW("none", "{maxTimeout: 24h}", "{}", "timeout"),
		ROW("a native document", "{maxActiveRuns: 1}", NATIVE("image: 'fndnt/a'"),
			"native"),
		ROW("one that is denied", "{native: Deny}", NATIVE("image: 'fndnt/a'"), "native"),
		ROW("one that is allowed", "{native: Allow}", NATIVE("image: 'evil/a'"), ""),
		ROW("its images", "{native: Allow, imagePrefixes: [fndnt/]}",
			NATIVE("image: 'fndnt/a', x: [{ImageUri: 'evil/a'}, {image: {name: "
			       "fndnt/b}}, {imageUri: fndnt/c}]"),
			"native"),
		ROW("an image that is a value of the run",
			"{native: Allow, imagePrefixes: [fndnt/]}",
			NATIVE("image: '{{$.inputs.parameters[image]}}'"), "native"),
		ROW("its accounts", "{native: Allow, serviceAccountNames: [loader]}",
			NATIVE("serviceAccount: loader, x: {RoleArn: admin}"), "native"),
		ROW("paths of the engine", "{native: Allow, podTemplate: Restricted}",
			COMPOSE("['/:/host', 'v:/v', '$v:/v', {type: bind, source: /a}, {type: "
				"volume, source: v}, {type: tmpfs}, {type: $t}]"),
			"native.document.services.a.volumes[0] "
			"native.document.services.a.volumes[2] "
			"native.document.services.a.volumes[3] "
			"native.document.services.a.volumes[6]"),
		ROW("paths of the engine that are allowed", "{native: Allow}",
			COMPOSE("['/:/host']"), ""),
		ROW("not a policy", "null", OF("a"), ""),
		cmocka_unit_test(the_paths_are_those_of_the_pipeline),
	};

	return cmocka_run_group_tests_name("reconcile/policy", tests, NULL, NULL);
}

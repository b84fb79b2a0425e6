/* What an API server and a kubelet would refuse in pods, and what the executor's argument parser
 * would refuse of a component: each is said before anything runs. */
#include "test_compiler_fixture.h"

#include "compiler/component.h"
#include "compiler/settings.h"

#define HEAD "workingDirectory: s3://lake/x\n"
#define LOAD(name) \
	"- name: " name "\n  component: {spec: {name: C, description: d, image: 'r/c:1'}}\n"
#define STEP(rest) HEAD "steps:\n" LOAD("a") "  " rest "\n"
#define POD(rest) STEP("podTemplate: {spec: {" rest "}}")
#define VAR(from) STEP("env: [{name: A, valueFrom: {" from "}}]")
#define FIELD(path) VAR("fieldRef: {fieldPath: \"" path "\"}")
#define SECRET(type, ref)                                                                        \
	HEAD "steps:\n- name: a\n  component: {spec: {name: C, description: d, image: 'r/c:1', " \
	     "args: {x: {type: " type "}}}}\n  secretArguments: {x: {secretKeyRef: {" ref "}}}\n"
#define MAIN(mount) "containers: [{name: main, volumeMounts: [" mount "]}]"
#define MOUNT_V "{name: v, mountPath: /v}"
#define VOLUME_V "volumes: [{name: v, emptyDir: {}}]"
#define S "spec.steps[0]."
#define P S "podTemplate.spec."

struct row {
	const char *text, *path, *reason; /* path NULL: nothing is wrong */
};

static void check_rows(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct compile_output out;
		bool ok = compile_text(rows[i].text, &out) == 0;

		if (ok == (rows[i].path != NULL) ||
			(!ok && (out.diags.len != 1 ||
					!find_diag(&out.diags, rows[i].path, rows[i].reason)))) {
			print_diags(&out.diags);
			fail_msg("want %s at %s, alone:\n%s",
				rows[i].path ? rows[i].reason : "nothing",
				rows[i].path ? rows[i].path : "all", rows[i].text);
		}
		compile_output_clear(&out);
	}
}

static void test_variables(void **state)
{
	static const struct row rows[] = {
		{VAR("secretKeyRef: {name: a.b-c, key: .x}"), NULL, NULL},
		{VAR("secretKeyRef: {name: A, key: k}"), S "env[0].valueFrom.secretKeyRef.name",
			"InvalidName"},
		{VAR("configMapKeyRef: {name: a_b, key: k}"),
			S "env[0].valueFrom.configMapKeyRef.name", "InvalidName"},
		{VAR("configMapKeyRef: {name: a, key: k/x}"),
			S "env[0].valueFrom.configMapKeyRef.key", "InvalidName"},
		{VAR("secretKeyRef: {name: a, key: .}"), S "env[0].valueFrom.secretKeyRef.key",
			"InvalidName"},
		{VAR("secretKeyRef: {name: a, key: ..x}"), S "env[0].valueFrom.secretKeyRef.key",
			"InvalidName"},
		{SECRET("str", "name: a, key: .x"), NULL, NULL},
		{SECRET("str", "name: a, key: ."), S "secretArguments.x.secretKeyRef.key",
			"InvalidName"},
		{SECRET("str", "name: a, key: .."), S "secretArguments.x.secretKeyRef.key",
			"InvalidName"},
		{FIELD("metadata.name"), NULL, NULL},
		{FIELD("metadata.labels['fondant.ai/run']"), NULL, NULL},
		{FIELD("metadata.annotations['a.b_c']"), NULL, NULL},
		{FIELD("status.hostIPs"), NULL, NULL},
		{FIELD("status.podIP"), NULL, NULL},
		{FIELD("spec.nodename"), S "env[0].valueFrom.fieldRef.fieldPath", "InvalidValue"},
		{FIELD("status.phase"), S "env[0].valueFrom.fieldRef.fieldPath", "InvalidValue"},
		{FIELD("metadata.labels"), S "env[0].valueFrom.fieldRef.fieldPath", "InvalidValue"},
		{FIELD("metadata.labels['']"), S "env[0].valueFrom.fieldRef.fieldPath",
			"InvalidValue"},
		{FIELD("metadata.labels['a b']"), S "env[0].valueFrom.fieldRef.fieldPath",
			"InvalidValue"},
		{FIELD("metadata.labels['a'"), S "env[0].valueFrom.fieldRef.fieldPath",
			"InvalidValue"},
	};

	(void)state;
	check_rows(rows, array_size(rows));
}

static void test_secret_types(void **state)
{
	static const struct row rows[] = {
		{SECRET("list", "name: a, key: k"), NULL, NULL},
		{SECRET("dict", "name: a, key: k"), NULL, NULL},
		{SECRET("bool", "name: a, key: k"), S "secretArguments.x", "InvalidArgument"},
		{SECRET("int", "name: a, key: k"), S "secretArguments.x", "InvalidArgument"},
		{SECRET("float", "name: a, key: k"), S "secretArguments.x", "InvalidArgument"},
	};

	(void)state;
	check_rows(rows, array_size(rows));
}

static void test_volumes(void **state)
{
	static const struct row rows[] = {
		{POD(VOLUME_V ", " MAIN(MOUNT_V)), NULL, NULL},
		{POD(MAIN(MOUNT_V)), P "containers[0].volumeMounts[0].name", "VolumeNotFound"},
		{POD("initContainers: [{name: i, image: x, volumeMounts: [" MOUNT_V "]}]"),
			P "initContainers[0].volumeMounts[0].name", "VolumeNotFound"},
		/* the pipeline's volume, the step's mount; and the other way round */
		{HEAD "podTemplate: {spec: {" VOLUME_V
		      "}}\nsteps:\n" LOAD("a") "  podTemplate: {spec: {" MAIN(MOUNT_V) "}}\n",
			NULL, NULL},
		{HEAD "podTemplate: {spec: {" MAIN(MOUNT_V) "}}\nsteps:\n" LOAD(
			 "a") "  podTemplate: {spec: {" VOLUME_V "}}\n",
			NULL, NULL},
		{HEAD "podTemplate: {spec: {" MAIN(MOUNT_V) "}}\nsteps:\n" LOAD(
			 "a") "  podTemplate: {spec: {" VOLUME_V "}}\n" LOAD("b") LOAD("c"),
			"spec.podTemplate.spec.containers[0].volumeMounts[0].name",
			"VolumeNotFound"},
		{POD("volumes: [{name: v, emptyDir: {}}, {name: v, emptyDir: {}}]"),
			P "volumes[1].name", "Duplicate"},
		{POD(VOLUME_V ", " MAIN("{name: v, mountPath: /fondant/spec/}")),
			P "containers[0].volumeMounts[0].mountPath", "ReservedName"},
		{POD(VOLUME_V ", " MAIN("{name: v, mountPath: /fondant/spec/a}")),
			P "containers[0].volumeMounts[0].mountPath", "ReservedName"},
		{POD(VOLUME_V ", " MAIN("{name: v, mountPath: /fondant/specs}")), NULL, NULL},
		{POD("initContainers: [{name: a.b, image: x}]"), P "initContainers[0].name",
			"InvalidName"},
		{POD("initContainers: [{name: fondant-merge, image: x}]"),
			P "initContainers[0].name", "ReservedName"},
		{POD("initContainers: [{name: a, image: x}, {name: a, image: x}]"),
			P "initContainers[1].name", "Duplicate"},
	};

	(void)state;
	check_rows(rows, array_size(rows));
}

/* Where steps are no pods nothing could be mounted. */
static void test_no_pods(void **state)
{
	auto_json *spec = yaml("workingDirectory: /data\nsteps:\n" LOAD("a"));
	struct compile_input in = {.namespace_ = "data",
		.pipeline = "p",
		.spec = spec,
		.backend = "plain",
		.features = ~0U & ~(unsigned)BACKEND_POD_TEMPLATE};
	struct compile_output out;

	(void)state;
	if (compile_pipeline(&in, &out) != 0) {
		print_diags(&out.diags);
		fail();
	}
	compile_output_clear(&out);
	in.features = ~0U;
	assert_int_equal(compile_pipeline(&in, &out), 1);
	assert_non_null(
		find_diag(&out.diags, "spec.workingDirectory", "WorkingDirectoryNotMounted"));
	compile_output_clear(&out);
}

/* The finding's text, "" when there is none. */
static void check_component(const char *text, struct buf *ret_text)
{
	auto_json *component = yaml(text);
	auto_diags diags = DIAG_LIST_INIT;

	component_check(component, "c", &diags);
	diag_format(&diags, ret_text, 10000);
}

static void check_one_resource(const char *text, struct buf *ret_text)
{
	auto_json *resources = yaml(text);
	auto_diags diags = DIAG_LIST_INIT;
	struct check c;

	check_init(&c, &diags, "r");
	settings_check_resources(&c, resources);
	diag_format(&diags, ret_text, 10000);
}

static void check_says(
	const char *text, const char *want, void (*say)(const char *text, struct buf *ret_text))
{
	auto_buf got = BUF_INIT;

	say(text, &got);
	if (*want ? !strstr(buf_str(&got), want) || strchr(buf_str(&got), '\n')
		  : *buf_str(&got) != '\0')
		fail_msg("%s:\n got  %s\n want %s", text, buf_str(&got), want);
}

static void test_resources(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{"{requests: {cpu: 1, memory: 1Gi}, limits: {cpu: 1000m, memory: 1024Mi}}", ""},
		{"{requests: {cpu: 0.1}, limits: {cpu: 100m}}", ""},
		{"{requests: {cpu: '+.1e1'}, limits: {cpu: 1}}", ""},
		{"{requests: {memory: 1E}, limits: {memory: 1Ei}}", ""},
		{"{requests: {memory: 1e9}, limits: {memory: 1G}}", ""},
		{"{requests: {memory: 900Ei}, limits: {memory: 9e99}}", ""},
		{"{requests: {cpu: 0}, limits: {cpu: 0}}", ""},
		{"{requests: {ephemeral-storage: 1Gi}}", ""},
		{"{requests: {cpu: 1001m}, limits: {cpu: 1}}", "r.requests.cpu: is more than the"},
		{"{requests: {cpu: 2}, limits: {cpu: '1'}}", "r.requests.cpu: is more than the"},
		{"{requests: {memory: 1Gi}, limits: {memory: 1G}}",
			"r.requests.memory: is more than the limit of memory"},
		{"{requests: {memory: 1Gi}, limits: {memory: 1Mi}}", "r.requests.memory: is more"},
		{"{requests: {memory: 1000000000000000000001n}, limits: {memory: 1T}}",
			"r.requests.memory: is more"},
		{"{requests: {cpu: 1e-99}, limits: {cpu: 0}}", "r.requests.cpu: is more"},
		{"{limits: {gpu: 1}}", "r.limits.gpu: is not the name of a resource"},
		{"{limits: {hugepages-: 1}}", "r.limits.hugepages-: is not the name of a"},
		{"{limits: {hugepages-2Mi: 4Mi}, requests: {hugepages-2Mi: 4Mi}}", ""},
		{"{requests: {hugepages-2Mi: 4Mi}}",
			"r.requests.hugepages-2Mi: is given without a limit"},
		{"{limits: {nvidia.com/gpu: 1}}", ""},
		{"{limits: {nvidia.com/gpu: 1}, requests: {nvidia.com/gpu: '1'}}", ""},
		{"{limits: {nvidia.com/gpu: 1000m}}", ""},
		{"{limits: {nvidia.com/gpu: 500m}}",
			"r.limits.nvidia.com/gpu: must be a whole number"},
		{"{limits: {nvidia.com/gpu: 0.5}}", "r.limits.nvidia.com/gpu: must be a whole"},
		{"{requests: {nvidia.com/gpu: 1}}",
			"r.requests.nvidia.com/gpu: is given without a limit"},
		{"{limits: {nvidia.com/gpu: 2}, requests: {nvidia.com/gpu: 1}}",
			"r.requests.nvidia.com/gpu: must be equal to the limit"},
		{"{limits: {memory: 1 GB}}", "r.limits.memory: must be a quantity"},
		{"{limits: {memory: -1}}", "r.limits.memory: must be a quantity"},
		{"{limits: {memory: .}}", "r.limits.memory: must be a quantity"},
		{"{limits: {memory: 1e}}", "r.limits.memory: must be a quantity"},
		{"{limits: {memory: true}}", "r.limits.memory: must be a quantity"},
	};

	(void)state;
	for (size_t i = 0; i < array_size(rows); i++)
		check_says(rows[i].text, rows[i].want, check_one_resource);
}

static void test_defaults(void **state)
{
	static const struct {
		const char *arg, *want;
	} rows[] = {
		{"type: int, default: 3", ""},
		{"type: int, default: null", ""},
		{"type: int, default: None", ""},
		{"type: int, default: ' -1_000 '", ""},
		{"type: int, default: 'three'", "the text \"three\" is no int"},
		{"type: int, default: '1.5'", "is no int"},
		{"type: int, default: '1__0'", "is no int"},
		{"type: int, default: ''", "is no int"},
		{"type: int, default: 1.5", "of type int"},
		{"type: int, default: true", "of type int; write 3"},
		{"type: float, default: 1", ""},
		{"type: float, default: '1e5'", ""},
		{"type: float, default: '-.5'", ""},
		{"type: float, default: '5.'", ""},
		{"type: float, default: '-Inf'", ""},
		{"type: float, default: nan", ""},
		{"type: float, default: '.'", "is no float"},
		{"type: float, default: '1e'", "is no float"},
		{"type: float, default: 'infinit'", "is no float"},
		{"type: float, default: [1]", "is a list, but the argument is of type float"},
		{"type: bool, default: false", ""},
		{"type: bool, default: None", ""},
		{"type: bool, default: 'False'", "write true or false without quotes"},
		{"type: bool, default: 0", "of type bool"},
		{"type: str, default: x", ""},
		{"type: str, default: 1", "of type str"},
		{"type: list, default: [a]", ""},
		{"type: list, default: '[1, 2]'", ""},
		{"type: list, default: '{}'", "is no list"},
		{"type: list, default: 'a,b'", "is no list"},
		{"type: tuple, default: '[1]'", ""},
		{"type: tuple, default: '(1,)'", "is no tuple"},
		{"type: set, default: {a: 1}", "of type set"},
		{"type: dict, default: {}", ""},
		{"type: dict, default: '{\"a\": 1}'", ""},
		{"type: dict, default: '[]'", "is no dict"},
		{"type: dict, default: []", "of type dict"},
	};

	(void)state;
	for (size_t i = 0; i < array_size(rows); i++) {
		auto_free char *text = xasprintf(
			"{name: C, description: d, image: 'r/c:1', args: {x: {%s}}}", rows[i].arg);
		auto_free char *want = *rows[i].want ? xstrdup(rows[i].want) : xstrdup("");

		check_says(text, want, check_component);
		if (*want) /* and where */
			check_says(text, "c.args.x.default: ", check_component);
	}
}

static void test_argument_names(void **state)
{
	static const struct {
		const char *args, *want;
	} rows[] = {
		{"a-b: {type: str}, a_c: {type: str}, class: {type: str}", ""},
		{"self: {type: str}", "c.args.self: `self` is taken"},
		{"a-b: {type: str}, a_b: {type: str}", "c.args.a-b: `a-b` and `a_b` are one"},
		{"a_b: {type: str}, a-b: {type: str}", "c.args.a-b: `a-b` and `a_b` are one"},
		{"a-b_c: {type: str}, a_b-c: {type: str}",
			"c.args.a_b-c: `a_b-c` and `a-b_c` are one"},
	};

	(void)state;
	for (size_t i = 0; i < array_size(rows); i++) {
		auto_free char *text = xasprintf(
			"{name: C, description: d, image: 'r/c:1', args: {%s}}", rows[i].args);

		check_says(text, rows[i].want, check_component);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_variables),
		cmocka_unit_test(test_secret_types),
		cmocka_unit_test(test_volumes),
		cmocka_unit_test(test_no_pods),
		cmocka_unit_test(test_resources),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_argument_names),
	};

	return cmocka_run_group_tests_name("compiler/settings", tests, NULL, NULL);
}

/* What is said of a pipeline specification that another tool compiled. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "base/mem.h"
#include "doc/json.h"
#include "doc/path.h"
#include "doc/yaml.h"
#include "runners/kfp_native.h"

static json_t *yaml(const char *text)
{
	auto_err err = ERR_INIT;
	json_t *json = NULL;

	if (doc_yaml_parse_one(text, strlen(text), DOC_YAML_PYYAML, &json, &err) != 0)
		fail_msg("bad YAML in the test: %s\n%s", err_message(&err), text);
	return json;
}

#define HEAD "schemaVersion: 2.1.0\npipelineInfo: {name: other-tool}\n"
#define WORK                                                                                   \
	"components: {work: {executorLabel: work}, inner: {dag: {tasks: {one: {componentRef: " \
	"{name: work}}}}}}\n"                                                                  \
	"deploymentSpec: {executors: {work: {container: {image: 'a:1'}}, imp: {importer: {}}}}\n"
#define TASK "componentRef: {name: work}"
#define ROOT(tasks) "root: {dag: {tasks: {" tasks "}}}\n"
#define WITH(parameters)                           \
	HEAD WORK "root: {dag: {tasks: {a: {" TASK \
		  "}}}, inputDefinitions: {parameters: {" parameters "}}}\n"

static const struct row {
	const char *title, *ir, *parameters;
	const char *path, *reason, *says; /* of the one finding; NULL: none */
} rows[] = {
	{"right",
		HEAD WORK ROOT("a: {" TASK "}, b: {componentRef: {name: inner}, dependentTasks: "
			       "[a]}"),
		"{}", NULL, NULL, NULL},
	{"another version",
		"schemaVersion: '1.0'\npipelineInfo: {name: a}\n" WORK ROOT("a: {" TASK "}"), "{}",
		"d.schemaVersion", "InvalidDocument", "compile the pipeline with kfp 2"},
	{"a name",
		"schemaVersion: 2.1.0\npipelineInfo: {name: My Pipeline}\n" WORK ROOT(
			"a: {" TASK "}"),
		"{}", "d.pipelineInfo", "InvalidName", "`My Pipeline`"},
	{"no tasks", HEAD WORK, "{}", "d.root.dag.tasks", "Required", "needs tasks"},
	{"a component that is not there", HEAD WORK ROOT("a: {componentRef: {name: wrk}}"), "{}",
		"d.root.dag.tasks.a.componentRef", "UnknownComponent", "`wrk`"},
	{"no component", HEAD WORK ROOT("a: {}"), "{}", "d.root.dag.tasks.a.componentRef",
		"UnknownComponent", "no component"},
	{"a task that is not there", HEAD WORK ROOT("a: {" TASK ", dependentTasks: [z]}"), "{}",
		"d.root.dag.tasks.a.dependentTasks", "UnknownTask", "`z`"},
	{"a producer that is not there",
		HEAD WORK ROOT("a: {" TASK ", inputs: {parameters: {p: {taskOutputParameter: "
			       "{producerTask: z}}}}}"),
		"{}", "d.root.dag.tasks.a.inputs.parameters.p", "UnknownTask", "`z`"},
	{"an artifact's that is not there",
		HEAD WORK ROOT("a: {" TASK ", inputs: {artifacts: {p: {taskOutputArtifact: "
			       "{producerTask: z}}}}}"),
		"{}", "d.root.dag.tasks.a.inputs.artifacts.p", "UnknownTask", "`z`"},
	{"a cycle",
		HEAD WORK ROOT("a: {" TASK ", dependentTasks: [b]}, b: {" TASK
			       ", inputs: {parameters: {p: {taskOutputParameter: {producerTask: "
			       "a}}}}}"),
		"{}", "d.root.dag.tasks", "Cycle", "task `a` waits for itself"},
	{"itself", HEAD WORK ROOT("a: {" TASK ", dependentTasks: [a]}"), "{}", "d.root.dag.tasks",
		"Cycle", "task `a`"},
	{"an executor that is not there",
		HEAD "components: {work: {executorLabel: z}}\n" ROOT("a: {" TASK "}"), "{}",
		"d.components.work", "UnknownExecutor", "`z`"},
	{"neither", HEAD "components: {work: {}}\n" ROOT("a: {" TASK "}"), "{}",
		"d.components.work", "InvalidValue", "exactly one"},
	{"no image",
		HEAD "components: {work: {executorLabel: e}}\ndeploymentSpec: {executors: {e: "
		     "{container: {}}}}\n" ROOT("a: {" TASK "}"),
		"{}", "d.deploymentSpec.executors.e", "Required", "no image"},
	{"inside a component",
		HEAD "components: {work: {dag: {tasks: {one: {componentRef: {name: z}}}}}}\n" ROOT(
			"a: {" TASK "}"),
		"{}", "d.components.work.dag.tasks.one.componentRef", "UnknownComponent", "`z`"},
	{"a list", "[]", "{}", "d", "InvalidDocument", "not a list"},
	{"a parameter", WITH("p: {parameterType: NUMBER_INTEGER}"), "{p: 3}", NULL, NULL, NULL},
	{"one that a run will give", WITH("p: {parameterType: NUMBER_INTEGER}"), "{p: null}", NULL,
		NULL, NULL},
	{"one with a default", WITH("p: {parameterType: STRING, defaultValue: x}"), "{}", NULL,
		NULL, NULL},
	{"one that need not be", WITH("p: {parameterType: STRING, isOptional: true}"), "{}", NULL,
		NULL, NULL},
	{"one that must be", WITH("p: {parameterType: STRING}"), "{}", "parameters", "Required",
		"`p` (STRING)"},
	{"one too many", WITH(""), "{q: 1}", "parameters", "UnknownParameter", "`q`"},
	{"an integer", WITH("p: {parameterType: NUMBER_INTEGER}"), "{p: x}", "parameters",
		"InvalidParameter", "NUMBER_INTEGER"},
	{"a number", WITH("p: {parameterType: NUMBER_DOUBLE}"), "{p: 3}", NULL, NULL, NULL},
	{"a boolean", WITH("p: {parameterType: BOOLEAN}"), "{p: 1}", "parameters",
		"InvalidParameter", "BOOLEAN"},
	{"a list", WITH("p: {parameterType: LIST}"), "{p: {}}", "parameters", "InvalidParameter",
		"LIST"},
	{"a struct", WITH("p: {parameterType: STRUCT}"), "{p: []}", "parameters",
		"InvalidParameter", "STRUCT"},
	{"a text", WITH("p: {parameterType: STRING}"), "{p: 1}", "parameters", "InvalidParameter",
		"STRING"},
};

static void findings(void **state)
{
	(void)state;
	for (size_t i = 0; i < array_size(rows); i++) {
		auto_json *ir = yaml(rows[i].ir), *parameters = yaml(rows[i].parameters);
		auto_diags diags = DIAG_LIST_INIT;

		kfp_native_check(ir, "d", parameters, &diags);
		if (diags.len != (rows[i].path != NULL))
			fail_msg("%s: %zu findings, the first: %s", rows[i].title, diags.len,
				diags.len ? diags.items[0].message : "");
		if (!rows[i].path)
			continue;
		assert_string_equal(diags.items[0].path, rows[i].path);
		assert_string_equal(diags.items[0].reason, rows[i].reason);
		if (!strstr(diags.items[0].message, rows[i].says))
			fail_msg("%s: %s", rows[i].title, diags.items[0].message);
	}
}

/* Each task waits for the one behind it; the last for none, or for the first. */
static void a_long_chain(void **state)
{
	(void)state;
	for (int ring = 0; ring < 2; ring++) {
		auto_json *ir = yaml(HEAD WORK ROOT("t0: {" TASK "}")), *none = json_object();
		json_t *tasks = doc_get(ir, "root.dag.tasks");
		auto_diags diags = DIAG_LIST_INIT;

		for (int i = 0; i < 1000; i++) {
			auto_free char *name = xasprintf("t%d", i);
			json_t *task = json_pack("{s:{s:s}}", "componentRef", "name", "work");

			if (i < 999 || ring)
				json_object_set_new(task, "dependentTasks",
					json_pack("[o]", json_sprintf("t%d", (i + 1) % 1000)));
			json_object_set_new(tasks, name, task);
		}
		kfp_native_check(ir, "d", none, &diags);
		assert_int_equal(diags.len, ring);
		if (ring)
			assert_string_equal(diags.items[0].reason, "Cycle");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(findings),
		cmocka_unit_test(a_long_chain),
	};

	return cmocka_run_group_tests_name("runners/kfp_native", tests, NULL, NULL);
}

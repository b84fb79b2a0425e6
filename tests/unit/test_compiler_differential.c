/*
 * Against the framework's own compiler (tests/data/compiler/peer): operation specs, inner and outer
 * schemas, the dataset after each step, and the arguments, compared as data. The facts come from
 * fondant 0.12.1; branches leaves out two steps that it accepts wrongly.
 */
#include "test_compiler_fixture.h"

#include "compiler/argv.h"
#include "compiler/types.h"

static void assert_same(const json_t *a, const json_t *b, const char *what, const char *step)
{
	auto_free char *x = NULL, *y = NULL;

	if (json_equal(a, b))
		return;
	x = a ? doc_json_dump(a) : xstrdup("nothing");
	y = b ? doc_json_dump(b) : xstrdup("nothing");
	fail_msg("%s of %s:\n ours  %s\n peer  %s", what, step, x, y);
}

/* What the executor makes of an operation spec (core/component_spec.py, OperationSpec). */
static void executor_schemas(
	const json_t *spec, const char *which, json_t **ret_inner, json_t **ret_outer)
{
	const json_t *declared = json_object_get(json_object_get(spec, "specification"), which);
	const json_t *mapping = json_object_get(spec, which);
	json_t *inner = json_object(), *outer, *value, *type;
	const char *key;

	json_object_foreach ((json_t *)declared, key, value) {
		if (strcmp(key, "additionalProperties") != 0)
			json_object_set_new(inner, key, type_normalize(value));
	}
	json_object_foreach ((json_t *)mapping, key, value) {
		if (json_is_object(value))
			json_object_set_new(inner, key, type_normalize(value));
	}
	outer = json_copy(inner);
	json_object_foreach ((json_t *)mapping, key, value) {
		if (!json_is_string(value))
			continue;
		assert_true(json_object_get(inner, key) != NULL);
		type = json_incref(json_object_get(outer, key));
		json_object_del(outer, key);
		json_object_set_new(outer, json_string_value(value), type);
	}
	*ret_inner = inner;
	*ret_outer = outer;
}

static void compare_schemas(
	const json_t *spec, const json_t *want, const char *which, const char *step)
{
	auto_json *inner = NULL, *outer = NULL;
	const json_t *side = json_object_get(want, which);

	executor_schemas(spec, which, &inner, &outer);
	assert_same(inner, json_object_get(side, "operation"), "inner schema", step);
	assert_same(outer, json_object_get(side, "dataset"), "outer schema", step);
}

static const char *flag_value(const struct strvec *args, const char *flag)
{
	for (size_t i = 0; i + 1 < args->len; i += 2) {
		if (strcmp(args->items[i], flag) == 0)
			return args->items[i + 1];
	}
	return NULL;
}

static void compare_text(const char *ours, const char *peer, const char *flag)
{
	auto_json *a = json_loads(ours, JSON_DECODE_ANY, NULL);
	auto_json *b = json_loads(peer, JSON_DECODE_ANY, NULL);

	if (a && b && json_is_object(a))
		assert_same(a, b, "value", flag);
	else
		assert_string_equal(ours, peer);
}

/* Every flag of the peer's, but what differs on purpose: names, keys, cache, a loader's input. */
static void compare_argv(const struct strvec *args, const json_t *argv)
{
	for (size_t i = 0; i + 1 < json_array_size(argv); i += 2) {
		const char *flag = json_string_value(json_array_get(argv, i));
		const char *peer = json_string_value(json_array_get(argv, i + 1));
		const char *ours = flag_value(args, flag);

		if (strcmp(flag, "--input_manifest_path") == 0 && strcmp(peer, "None") == 0) {
			assert_null(ours);
			continue;
		}
		assert_non_null(ours);
		if (strcmp(flag, "--cache") == 0)
			assert_string_equal(ours, "False");
		else if (strcmp(flag, "--metadata") != 0 && strcmp(flag, "--operation_spec") != 0 &&
			 !strstr(flag, "_manifest_path"))
			compare_text(ours, peer, flag);
	}
}

static void compare_step(
	const struct frozen_spec *spec, const struct spec_step *step, const json_t *want)
{
	auto_strvec command = STRVEC_INIT, args = STRVEC_INIT;
	const json_t *peer = json_object_get(want, "operation_spec"), *specification;
	auto_json *ours = NULL;

	argv_build(
		spec, step, "run", 1, step->loader ? NULL : "/in/manifest.json", &command, &args);
	ours = json_loads(flag_value(&args, "--operation_spec"), 0, NULL);
	assert_non_null(ours);
	specification = json_object_get(ours, "specification");
	assert_string_equal(json_string_value(json_object_get(specification, "name")), step->name);
	json_object_set_new((json_t *)specification, "name",
		json_incref(json_object_get(json_object_get(peer, "specification"), "name")));
	assert_same(ours, peer, "operation spec", step->name);
	compare_schemas(ours, want, "consumes", step->name);
	compare_schemas(ours, want, "produces", step->name);
	assert_same(json_object_get(step->json, "schema"), json_object_get(want, "schema"),
		"schema", step->name);
	assert_same(json_object_get(step->json, "from"), json_object_get(want, "from"), "from",
		step->name);
	compare_argv(&args, json_object_get(want, "argv"));
}

static void test_peer(void **state)
{
	auto_free char *name = xasprintf("peer/%s.yaml", (const char *)*state);
	auto_free char *facts_name = xasprintf("peer/%s.facts.json", (const char *)*state);
	size_t len, i;
	auto_free char *text = read_data(name, &len), *facts_text = read_data(facts_name, &len);
	auto_json *facts = json_loads(facts_text, 0, NULL);
	struct frozen_spec *spec = NULL;
	struct compile_output out;
	json_t *want;

	compile_ok(text, &out);
	assert_int_equal(frozen_spec_parse(out.text, out.text_len, &spec, NULL), 0);
	assert_int_equal(spec->steps_len, json_array_size(json_object_get(facts, "steps")));
	json_array_foreach (json_object_get(facts, "steps"), i, want) {
		int index =
			frozen_spec_step(spec, json_string_value(json_object_get(want, "name")));

		assert_true(index >= 0);
		compare_step(spec, &spec->steps[index], want);
	}
	frozen_spec_free(spec);
	compile_output_clear(&out);
}

/* What no executor of the framework could do right without the fields that argv adds. */
static void test_renames_survive_the_executor(void **state)
{
	static const char text[] = SPEC_HEAD
		"steps:\n"
		"- name: load\n"
		"  component: {spec: {name: L, description: d, image: 'r/l:1', produces: "
		"{a: {type: string}, b: {type: int32}, c: {type: bool}}}}\n"
		"  produces: {a: {field: b}, b: {field: c}, c: {field: d}}\n"
		"- name: any\n"
		"  component: {spec: {name: A, description: d, image: 'r/a:1', consumes: "
		"{additionalProperties: true}}}\n"
		"  consumes: {c: {field: b}, x: {field: c, type: int32}, d: {field: d}}\n";
	static const char *const want[][2] = {
		{"{\"b\": {\"type\": \"string\"}, \"c\": {\"type\": \"int32\"}, \"d\": {\"type\": "
		 "\"bool\"}}",
			"produces"},
		{"{\"b\": {\"type\": \"string\"}, \"c\": {\"type\": \"int32\"}, \"d\": {\"type\": "
		 "\"bool\"}}",
			"consumes"},
	};
	struct frozen_spec *spec = NULL;
	struct compile_output out;

	(void)state;
	compile_ok(text, &out);
	assert_int_equal(frozen_spec_parse(out.text, out.text_len, &spec, NULL), 0);
	for (int i = 0; i < 2; i++) {
		const struct spec_step *step =
			&spec->steps[frozen_spec_step(spec, i ? "any" : "load")];
		auto_strvec command = STRVEC_INIT, args = STRVEC_INIT;
		auto_json *ours = NULL, *inner = NULL, *outer = NULL;
		auto_json *expected = json_loads(want[i][0], 0, NULL);

		argv_build(spec, step, "run", 1, "/in", &command, &args);
		ours = json_loads(flag_value(&args, "--operation_spec"), 0, NULL);
		executor_schemas(ours, want[i][1], &inner, &outer);
		assert_same(outer, expected, "outer schema", step->name);
	}
	frozen_spec_free(spec);
	compile_output_clear(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_prestate(test_peer, "linear3"),
		cmocka_unit_test_prestate(test_peer, "hub_text"),
		cmocka_unit_test_prestate(test_peer, "mappings"),
		cmocka_unit_test_prestate(test_peer, "branches"),
		cmocka_unit_test_prestate(test_peer, "docs"),
		cmocka_unit_test(test_renames_survive_the_executor),
	};

	return cmocka_run_group_tests_name("compiler/differential", tests, NULL, NULL);
}

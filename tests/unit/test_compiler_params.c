/* Parameters: declarations, what a run gives, where they end up in the frozen spec. */
#include "test_compiler_fixture.h"

#include "compiler/argv.h"
#include "compiler/spec.h"
#include "doc/canon.h"

#define STEP                                                                                 \
	"steps:\n- name: a\n  component: {spec: {name: C, description: d, image: 'r/c:1', "  \
	"args: {s: {type: str, default: x}, num: {type: int, default: 1}, f: {type: float, " \
	"default: 1.5}, b: {type: bool, default: true}, l: {type: list, default: []}, "      \
	"d: {type: dict, default: {}}, t: {type: tuple, default: []}}}}\n"
#define WITH(parameters, arguments) \
	SPEC_HEAD "parameters: [" parameters "]\n" STEP "  arguments: {" arguments "}\n"

static int compile_with(const char *text, const char *overrides, struct compile_output *out)
{
	auto_json *spec = yaml(text), *given = overrides ? yaml(overrides) : NULL;
	struct compile_input in = {.namespace_ = "data",
		.pipeline = "clean-text",
		.spec = spec,
		.parameters = given,
		.backend = "kubernetes",
		.features = KUBERNETES_FEATURES};

	return compile_pipeline(&in, out);
}

/* What is declared, what a run gives, and all that is said about it. */
static void test_findings(void **state)
{
	static const struct {
		const char *text, *given, *want;
	} rows[] = {
		{WITH("{name: a, type: int, default: 5}", "num: $(parameters.a)"), NULL, ""},
		{WITH("{name: a, type: float, default: 5}", "f: $(parameters.a)"), NULL, ""},
		{WITH("{name: a, type: int}", "num: $(parameters.a)"), NULL, ""},
		{WITH("{name: a, type: str, default: null}", "s: x$(parameters.a)"), NULL, ""},
		{WITH("{name: _a-B9, type: list, default: [1], description: words $(run.x)}",
			 "t: $(parameters._a-B9)"),
			NULL, ""},
		/* declarations */
		{WITH("{name: a}", ""), NULL, "spec.parameters[0].type: `type` is required"},
		{WITH("{type: int}", ""), NULL, "spec.parameters[0].name: `name` is required"},
		{WITH("5", ""), NULL, "spec.parameters[0]: must be a map, not an integer"},
		{WITH("{name: a, type: string}", "s: $(parameters.a)"), NULL,
			"spec.parameters[0].type: `string` is not one of str, int, float, bool, "
			"list, dict; did you mean `str`?"},
		{WITH("{name: a, typ: int}", ""), NULL,
			"spec.parameters[0].typ: there is no such field; did you mean `type`?\n"
			"spec.parameters[0].type: `type` is required"},
		{WITH("{name: a b, type: int}", ""), NULL,
			"spec.parameters[0].name: a parameter's name is letters, digits, _ and -, "
			"beginning with a letter or _"},
		{WITH("{name: a.b, type: int}", ""), NULL,
			"spec.parameters[0].name: a parameter's name is letters, digits, _ and -, "
			"beginning with a letter or _"},
		{WITH("{name: a, type: int}, {name: a, type: str}", ""), NULL,
			"spec.parameters[1].name: there are two parameters called `a`"},
		{WITH("{name: a, type: int, default: '5'}", "num: $(parameters.a)"), NULL,
			"spec.parameters[0].default: parameter `a` is declared as int, and this is "
			"a string; remove the quotes"},
		{WITH("{name: a, type: int, default: 5.5}", ""), NULL,
			"spec.parameters[0].default: parameter `a` is declared as int, and this is "
			"a number"},
		{WITH("{name: a, type: str, default: 5}", ""), NULL,
			"spec.parameters[0].default: parameter `a` is declared as str, and this is "
			"an integer; quote it"},
		{WITH("{name: a, type: bool, default: 1}", ""), NULL,
			"spec.parameters[0].default: parameter `a` is declared as bool, and this "
			"is "
			"an integer"},
		{WITH("{name: a, type: list, default: {}}", ""), NULL,
			"spec.parameters[0].default: parameter `a` is declared as list, and this "
			"is "
			"a map"},
		{WITH("{name: a, type: dict, default: []}", ""), NULL,
			"spec.parameters[0].default: parameter `a` is declared as dict, and this "
			"is "
			"a list"},
		{WITH("{name: a, type: str, default: $(run.name)}", ""), NULL,
			"spec.parameters[0].default: $(run.name) is not replaced in this place: "
			"references work in arguments, fromManifest and the values of env"},
		{WITH("{name: a, type: list, default: [$(parameters.a)]}", ""), NULL,
			"spec.parameters[0].default[0]: $(parameters.a) is not replaced in this "
			"place: references work in arguments, fromManifest and the values of env"},
		{SPEC_HEAD "parameters: {}\n" STEP, NULL,
			"spec.parameters: must be a list, not a map"},
		/* where they are used */
		{WITH("{name: rows, type: int, default: 5}", "num: $(parameters.row)"), NULL,
			"spec.steps[0].arguments.num: the pipeline has no parameter `row`; did you "
			"mean `parameters.rows`?"},
		{WITH("", "num: $(parameters.row)"), NULL,
			"spec.steps[0].arguments.num: the pipeline has no parameter `row`; declare "
			"it "
			"in spec.parameters"},
		{WITH("{name: a, type: int, default: 5}", "s: $(parameters.a)"), NULL,
			"spec.steps[0].arguments.s: expected str, but $(parameters.a) is of type "
			"int"},
		{WITH("{name: a, type: float, default: 5}", "num: $(parameters.a)"), NULL,
			"spec.steps[0].arguments.num: expected int, but $(parameters.a) is of type "
			"float"},
		{WITH("{name: a, type: str}", "d: $(parameters.a)"), NULL,
			"spec.steps[0].arguments.d: expected dict, but $(parameters.a) is of type "
			"str"},
		{WITH("{name: a, type: str, default: '--'}", "s: $(parameters.a)"), NULL,
			"spec.steps[0].arguments.s: the framework's executor cannot be given the "
			"text --; use another word"},
		/* what a run gives */
		{WITH("{name: a, type: int}", "num: $(parameters.a)"), "[{name: a, value: 7}]", ""},
		{WITH("{name: a, type: float}", ""), "[{name: a, value: 7}]", ""},
		{WITH("{name: a, type: str}", "s: $(parameters.a)"),
			"[{name: a, value: $(run.name)}]", ""},
		{WITH("{name: a, type: int}", ""), "null", ""},
		{WITH("{name: a, type: int}", ""), "[]", ""},
		{WITH("{name: rows, type: int}", ""), "[{name: row, value: 7}]",
			"FondantRun: spec.parameters[0].name: the pipeline has no parameter `row`; "
			"did you mean `rows`?"},
		{WITH("{name: a, type: int}", ""), "[{name: a, value: 7}, {name: a, value: 8}]",
			"FondantRun: spec.parameters[1].name: `a` is given twice"},
		{WITH("{name: a, type: int}", ""), "[{name: a, value: '7'}]",
			"FondantRun: spec.parameters[0].value: parameter `a` is declared as int, "
			"and this is a string; remove the quotes"},
		{WITH("{name: a, type: int, default: 5}", ""), "[{name: a, value: null}]",
			"FondantRun: spec.parameters[0].value: a value is required; leave the "
			"entry "
			"out for the pipeline's default"},
		{WITH("{name: a, type: int, default: 5}", ""), "[{value: 5}]",
			"FondantRun: spec.parameters[0].name: `name` is required"},
		{WITH("{name: a, type: int, default: 5}", ""), "[{name: a, valu: 5}]",
			"FondantRun: spec.parameters[0].valu: there is no such field; did you mean "
			"`value`?"},
		{WITH("{name: a, type: int}", ""), "[7]",
			"FondantRun: spec.parameters[0]: must be a map, not an integer"},
		{WITH("{name: a, type: int}", ""), "{a: 7}",
			"FondantRun: spec.parameters: must be a list, not a map"},
		{WITH("{name: a, type: str}", "s: $(parameters.a)"), "[{name: a, value: None}]",
			"spec.steps[0].arguments.s: the framework's executor turns the text None "
			"into no value; leave the argument out, or use another word"},
	};

	(void)state;
	for (size_t i = 0; i < array_size(rows); i++) {
		struct compile_output out;
		auto_buf got = BUF_INIT;
		int rc = compile_with(rows[i].text, rows[i].given, &out);

		diag_format(&out.diags, &got, 10000);
		if (strcmp(buf_str(&got), rows[i].want) != 0 || rc != (*rows[i].want != '\0'))
			fail_msg("%s%s:\n got  %s\n want %s", rows[i].text,
				rows[i].given ? rows[i].given : "", buf_str(&got), rows[i].want);
		compile_output_clear(&out);
	}
	print_message("%zu cases\n", array_size(rows));
}

static struct frozen_spec *frozen(const char *text, const char *given)
{
	struct frozen_spec *spec = NULL;
	struct compile_output out;
	auto_err err = ERR_INIT;

	if (compile_with(text, given, &out) != 0) {
		print_diags(&out.diags);
		fail();
	}
	if (frozen_spec_parse(out.text, out.text_len, &spec, &err) != 0)
		fail_msg("%s", err_message(&err));
	compile_output_clear(&out);
	return spec;
}

static void assert_tree(const json_t *tree, const char *want)
{
	auto_json *expected = yaml(want);
	auto_free char *text = tree ? canon_str(tree, CANON_COMPACT) : xstrdup("nothing");

	if (!json_equal(tree, expected))
		fail_msg("%s is not %s", text, want);
}

#define ALL                                                                                     \
	SPEC_HEAD "parameters: [{name: rows, type: int, default: 10}, {name: who, type: str}, " \
		  "{name: rate, type: float, default: 0.5}]\n" STEP                             \
		  "  arguments: {num: $(parameters.rows), s: '$(parameters.who) at "            \
		  "$(parameters.rate)', l: [$(parameters.rows), {k: $(parameters.who)}]}\n"     \
		  "  env: [{name: X, value: $(parameters.rows)}, {name: W, value: null}]\n"

static void test_frozen(void **state)
{
	struct frozen_spec *spec = frozen(ALL, "[{name: who, value: me$(run.name)}]");
	struct frozen_spec *missing = frozen(ALL, NULL);
	struct frozen_spec *other =
		frozen(ALL, "[{name: who, value: me$(run.name)}, {name: rows, value: 11}]");

	(void)state;
	assert_tree(json_object_get(spec->json, "parameters"),
		"{rows: 10, who: me$(run.name), rate: 0.5}");
	assert_tree(json_object_get(spec->steps[0].json, "arguments"),
		"{num: 10, s: me$$(run.name) at 0.5, l: [10, {k: me$$(run.name)}]}");
	assert_tree(
		json_object_get(spec->steps[0].json, "env"), "[{name: W}, {name: X, value: '10'}]");
	assert_null(frozen_spec_missing_parameter(spec));
	assert_non_null(spec->steps[0].cache_key);
	assert_string_not_equal(spec->steps[0].cache_key, other->steps[0].cache_key);

	assert_tree(
		json_object_get(missing->json, "parameters"), "{rows: 10, who: null, rate: 0.5}");
	assert_tree(json_object_get(missing->steps[0].json, "arguments"),
		"{num: 10, s: $(parameters.who) at 0.5, l: [10, {k: $(parameters.who)}]}");
	assert_string_equal(frozen_spec_missing_parameter(missing), "who");
	frozen_spec_free(spec);
	frozen_spec_free(missing);
	frozen_spec_free(other);
}

/* Nulls at the top are not given, those below are values. */
static void test_nulls(void **state)
{
	struct frozen_spec *spec = frozen(WITH("", "s: null, d: {k: null}, b: false"), NULL);
	struct frozen_spec *none = frozen(SPEC_HEAD STEP, NULL);

	(void)state;
	assert_tree(json_object_get(spec->steps[0].json, "arguments"), "{d: {k: null}, b: false}");
	assert_tree(json_object_get(none->steps[0].json, "arguments"), "{}");
	assert_tree(json_object_get(none->json, "parameters"), "{}");
	frozen_spec_free(spec);
	frozen_spec_free(none);
}

/* A hundred are the most; a large value is inserted as often as the spec can hold. */
static void test_limits(void **state)
{
	auto_json *spec = yaml(WITH("", "l: []"));
	json_t *parameters = json_object_get(spec, "parameters"), *list;
	struct compile_input in = {.namespace_ = "data",
		.pipeline = "p",
		.spec = spec,
		.features = KUBERNETES_FEATURES};
	struct compile_output out;
	auto_free char *big = xmalloc(20001);

	(void)state;
	memset(big, 'x', 20000);
	big[20000] = '\0';
	json_array_append_new(parameters,
		json_pack("{s:s, s:s, s:s}", "name", "big", "type", "str", "default", big));
	list = json_object_get(
		json_object_get(json_array_get(json_object_get(spec, "steps"), 0), "arguments"),
		"l");
	for (int i = 0; i < 20000; i++)
		json_array_append_new(
			list, json_string(i % 2 ? "$(parameters.big)" : "a$(parameters.big)"));
	assert_int_equal(compile_pipeline(&in, &out), 1);
	assert_int_equal(out.diags.len, 1);
	assert_string_equal(out.diags.items[0].reason, "SpecTooLarge");
	compile_output_clear(&out);
	json_array_clear(list);
	for (int i = 0; i < 100; i++)
		json_array_append_new(
			parameters, json_pack("{s:s, s:s}", "name", "p", "type", "str"));
	assert_int_equal(compile_pipeline(&in, &out), 1);
	assert_non_null(find_diag(&out.diags, "spec.parameters", "TooMany"));
	compile_output_clear(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_findings),
		cmocka_unit_test(test_frozen),
		cmocka_unit_test(test_nulls),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests_name("compiler/params", tests, NULL, NULL);
}

/* The type grammar: what is taken, its normal form, equality, how it reads in a message. */
#include "test_compiler_fixture.h"

#include "compiler/types.h"

struct row {
	const char *type, *normal, *text;
	bool declarable;
};

static const struct row good[] = {
	{"{type: string}", "{type: string}", "string", true},
	{"{type: utf8}", "{type: string}", "string", true},
	{"{type: int64}", "{type: int64}", "int64", true},
	{"{type: timestamp}", "{type: timestamp}", "timestamp", true},
	{"{type: string, format: date-time}", "{type: string, format: date-time}", "date-time",
		true},
	{"{type: int64, format: date-time}", "{type: string, format: date-time}", "date-time",
		true},
	{"{type: struct}", "{type: object, properties: {}}", "struct", true},
	{"{type: array, items: {type: float32}}", "{type: array, items: {type: float32}}",
		"list<float32>", true},
	{"{type: array, items: utf8}", "{type: array, items: {type: string}}", "list<string>",
		true},
	{"{type: object, properties: {x: {type: utf8}}}",
		"{type: object, properties: {x: {type: string}}}", "struct<x: string>", true},
	{"{type: array, items: {type: array, items: {type: bool}}}",
		"{type: array, items: {type: array, items: {type: bool}}}", "list<list<bool>>",
		true},
	{"{type: decimal128}", "{type: decimal128}", "decimal128", false},
	{"{type: large_binary}", "{type: large_binary}", "large_binary", false},
	{"{type: 'null'}", "{type: 'null'}", "null", false},
	{"{type: array, items: {type: large_utf8}}", "{type: array, items: {type: large_utf8}}",
		"list<large_utf8>", false},
	{"{type: object, properties: {type: {type: int8}}}",
		"{type: object, properties: {type: {type: int8}}}", "struct<type: int8>", false},
};

static void test_good(void **state)
{
	(void)state;
	for (size_t i = 0; i < array_size(good); i++) {
		auto_json *type = yaml(good[i].type), *want = yaml(good[i].normal), *normal = NULL;
		auto_diags diags = DIAG_LIST_INIT;
		auto_free char *text = NULL;

		type_check(type, "t", &diags);
		if (diags.len)
			fail_msg("%s: %s", good[i].type, diags.items[0].message);
		normal = type_normalize(type);
		assert_true(json_equal(normal, want));
		assert_true(type_equal(type, want));
		assert_true(type_equal(normal, type));
		text = type_describe(type);
		assert_string_equal(text, good[i].text);
		assert_int_equal(type_is_declarable(type), good[i].declarable);
	}
}

/* No type equals another of the table's normal forms. */
static void test_different(void **state)
{
	(void)state;
	for (size_t i = 0; i < array_size(good); i++) {
		for (size_t j = 0; j < array_size(good); j++) {
			auto_json *a = yaml(good[i].normal), *b = yaml(good[j].normal);

			assert_int_equal(type_equal(a, b), json_equal(a, b));
		}
	}
}

static void test_bad(void **state)
{
	static const char *const bad[] = {"text", "{}", "[]", "{type: 1}", "{type: text}",
		"{type: decimal}", "{type: list}", "{type: array}",
		"{type: array, items: [string]}", "{type: array, items: nope}", "{type: object}",
		"{type: object, properties: []}", "{type: object, properties: {a: string}}",
		"{type: string, format: time}", "{type: string, description: x}", "{type: null}"};

	(void)state;
	for (size_t i = 0; i < array_size(bad); i++) {
		auto_json *type = yaml(bad[i]);
		auto_diags diags = DIAG_LIST_INIT;

		type_check(type, "t", &diags);
		if (!diags.len)
			fail_msg("should be refused: %s", bad[i]);
	}
}

static void test_depth(void **state)
{
	json_t *type = json_pack("{s:s}", "type", "string");

	(void)state;
	for (int i = 1; i <= TYPE_MAX_DEPTH; i++) {
		auto_diags diags = DIAG_LIST_INIT;

		type_check(type, "t", &diags);
		assert_int_equal(diags.len, 0);
		type = json_pack("{s:s, s:o}", "type", "array", "items", type);
	}
	{
		auto_diags diags = DIAG_LIST_INIT;

		type_check(type, "t", &diags);
		assert_int_equal(diags.len, 1);
		assert_string_equal(diags.items[0].reason, "TooDeep");
	}
	json_decref(type);
}

/* --- whatever the type --- */

static unsigned next(unsigned *seed, unsigned below)
{
	unsigned mixed = *seed = *seed * 1664525 + 1013904223;

	mixed = (mixed ^ mixed >> 16) * 0x45d9f3b;
	return (mixed ^ mixed >> 16) % below;
}

/* A random type of the grammar, in one of the ways it can be written; the same seed gives the same
 * type. With `other` its properties come in another order and names have their other spelling. */
static json_t *random_type(unsigned *seed, int depth, bool other)
{
	static const char *const names[] = {"null", "bool", "int8", "int16", "int32", "int64",
		"uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64",
		"decimal128", "time32", "time64", "timestamp", "date32", "date64", "duration",
		"binary", "large_binary", "large_utf8"};
	unsigned kind = next(seed, depth ? 12 : 8), n;
	json_t *type, *properties, *item;

	if (kind < 6)
		return json_pack("{s:s}", "type", names[next(seed, array_size(names))]);
	if (kind == 6)
		return json_pack("{s:s}", "type", other ? "utf8" : "string");
	if (kind == 7)
		return json_pack(
			"{s:s, s:s}", "type", other ? "int64" : "string", "format", "date-time");
	if (kind < 10)
		return json_pack("{s:s, s:o}", "type", "array", "items",
			random_type(seed, depth - 1, other));
	n = next(seed, 4);
	if (!n && other)
		return json_pack("{s:s}", "type", "struct");
	properties = json_object();
	for (unsigned i = 0; i < n; i++) {
		auto_free char *name = xasprintf("p%u", next(seed, 5));

		json_object_set_new(properties, name, random_type(seed, depth - 1, other));
	}
	if (other) { /* the other way round */
		type = json_object();
		for (int i = 5; i-- > 0;) {
			auto_free char *name = xasprintf("p%d", i);

			item = json_object_get(properties, name);
			if (item)
				json_object_set(type, name, item);
		}
		json_decref(properties);
		properties = type;
	}
	return json_pack("{s:s, s:o}", "type", "object", "properties", properties);
}

static void assert_type_is_sound(const json_t *type, const json_t *same)
{
	auto_json *normal = type_normalize(type), *again = type_normalize(normal);
	auto_json *other = type_normalize(same);
	auto_free char *a = type_describe(type), *b = type_describe(same);
	auto_free char *c = type_describe(normal);
	auto_diags diags = DIAG_LIST_INIT;

	type_check(type, "t", &diags);
	type_check(normal, "t", &diags);
	assert_int_equal(diags.len, 0);
	assert_true(json_equal(normal, again));
	assert_true(json_equal(normal, other));
	assert_true(type_equal(type, same));
	assert_true(type_equal(type, normal));
	assert_string_equal(a, b);
	assert_string_equal(a, c);
	assert_int_equal(type_is_declarable(type), type_is_declarable(normal));
	if (type_is_normal(type))
		assert_true(json_equal(type, normal));
	if (type_is_declarable(normal)) {
		type_check_declared(normal, "t", &diags);
		assert_int_equal(diags.len, 0);
	}
}

/* Normal forms, equality and descriptions say the same: equal types have one normal form and one
 * description, others have not. */
static void test_consistent(void **state)
{
	json_t *before = json_pack("{s:s}", "type", "null");
	int equal = 0;

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		unsigned seed = i * 2654435761u, copy = seed;
		auto_json *type = random_type(&seed, 4, false);
		auto_json *same = random_type(&copy, 4, true);
		auto_json *x = type_normalize(type), *y = type_normalize(before);

		assert_type_is_sound(type, same);
		assert_int_equal(type_equal(type, before), json_equal(x, y));
		assert_int_equal(type_equal(before, type), json_equal(x, y));
		equal += json_equal(x, y);
		json_decref(before);
		before = json_incref(type);
	}
	json_decref(before);
	assert_in_range(equal, 100, 10000);
}

/* What a component declares comes out of the frozen spec as it went in, timestamps and nested types
 * included, and the next step takes it. */
static void test_round_trip(void **state)
{
	(void)state;
	for (size_t i = 0; i < array_size(good); i++) {
		auto_free char *text = xasprintf(SPEC_HEAD
			"steps:\n"
			"- name: load\n"
			"  component: {spec: {name: L, description: d, image: 'r/l:1', produces: "
			"{additionalProperties: true}}}\n"
			"  produces: {f: %s}\n"
			"- name: take\n"
			"  component: {spec: {name: T, description: d, image: 'r/t:1', consumes: "
			"{additionalProperties: true}, produces: {additionalProperties: true}}}\n"
			"  consumes: {f: %s}\n"
			"  produces: {g: {type: array, items: %s}}\n"
			"- name: end\n"
			"  component: {spec: {name: E, description: d, image: 'r/e:1', consumes: "
			"{additionalProperties: true}}}\n",
			good[i].type, good[i].type, good[i].type);
		auto_free char *want_text = xasprintf(
			"{f: %s, g: {type: array, items: %s}}", good[i].normal, good[i].normal);
		auto_json *want = yaml(want_text);
		struct compile_output out;

		compile_ok(text, &out);
		assert_true(json_equal(
			json_object_get(
				json_array_get(json_object_get(out.frozen, "steps"), 2), "schema"),
			want));
		compile_output_clear(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_different),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_consistent),
		cmocka_unit_test(test_round_trip),
	};

	return cmocka_run_group_tests_name("compiler/types", tests, NULL, NULL);
}

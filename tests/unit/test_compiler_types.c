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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_different),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_depth),
	};

	return cmocka_run_group_tests_name("compiler/types", tests, NULL, NULL);
}

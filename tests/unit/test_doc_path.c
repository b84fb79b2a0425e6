#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "doc/json.h"
#include "doc/patch.h"
#include "doc/path.h"

static json_t *parse(const char *text)
{
	json_t *json = NULL;

	assert_int_equal(doc_json_parse(text, strlen(text), &json, NULL), 0);
	return json;
}

static void assert_json(const json_t *json, const char *expected)
{
	auto_free char *got = doc_json_dump(json);

	assert_string_equal(got, expected);
}

static void test_get(void **state)
{
	auto_json *json =
		parse("{\"a\": {\"b\": [{\"c\": \"x\"}, 5, true, null]}, \"1\": 2, \"n\": -7}");

	(void)state;
	assert_ptr_equal(doc_get(json, ""), json);
	assert_string_equal(doc_str(json, "a.b.0.c"), "x");
	assert_int_equal(doc_int_or(json, "a.b.1", 0), 5);
	assert_int_equal(doc_int_or(json, "1", 0), 2);
	assert_int_equal(doc_int_or(json, "n", 0), -7);
	assert_true(doc_bool_or(json, "a.b.2", false));
	assert_true(json_is_null(doc_get(json, "a.b.3")));
	assert_null(doc_get(json, "a.b.4"));
	assert_null(doc_get(json, "a.b.-1"));
	assert_null(doc_get(json, "a.b.x"));
	assert_null(doc_get(json, "a.b.99999999999999999999"));
	assert_null(doc_get(json, "a..b"));
	assert_null(doc_get(json, "n.x"));
	assert_null(doc_get(NULL, "a"));
	assert_null(doc_str(json, "n"));
	assert_null(doc_str(NULL, "n"));
	assert_string_equal(doc_str_or(json, "a.b.1", "none"), "none");
	assert_int_equal(doc_int_or(json, "a", 3), 3);
	assert_false(doc_bool_or(json, "n", false));
}

static void test_set(void **state)
{
	auto_json *json = parse("{\"list\": [{}], \"s\": \"x\"}");

	(void)state;
	doc_set_new(json, "a.b.c", json_integer(1));
	doc_set_new(json, "a.b.d", json_true());
	doc_set_new(json, "list.0.x", json_string("y"));
	doc_set_new(json, "list.1", json_integer(2));
	doc_set_new(json, "list.9", json_string("dropped"));
	doc_set_new(json, "list.9.x", json_string("dropped"));
	doc_set_new(json, "list.x", json_string("dropped"));
	doc_set_new(json, "s.t", json_null());
	assert_json(json, "{\"list\":[{\"x\":\"y\"},2],\"s\":{\"t\":null},"
			  "\"a\":{\"b\":{\"c\":1,\"d\":true}}}");
}

/* RFC 7386, appendix A. */
static void test_merge_apply(void **state)
{
	static const struct {
		const char *target;
		const char *patch;
		const char *result;
	} cases[] = {
		{"{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
		{"{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}"},
		{"{\"a\":\"b\"}", "{\"a\":null}", "{}"},
		{"{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}"},
		{"{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
		{"{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}"},
		{"{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}",
			"{\"a\":{\"b\":\"d\"}}"},
		{"{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}"},
		{"[\"a\",\"b\"]", "[\"c\",\"d\"]", "[\"c\",\"d\"]"},
		{"{\"a\":\"b\"}", "[\"c\"]", "[\"c\"]"},
		{"{\"a\":\"foo\"}", "null", "null"},
		{"{\"a\":\"foo\"}", "\"bar\"", "\"bar\""},
		{"{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}"},
		{"[1,2]", "{\"a\":\"b\",\"c\":null}", "{\"a\":\"b\"}"},
		{"{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}"},
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		auto_json *target = parse(cases[i].target);
		auto_json *patch = parse(cases[i].patch);
		auto_json *result = doc_merge_apply(target, patch);

		assert_json(result, cases[i].result);
		assert_json(target, cases[i].target);
	}
}

static void test_merge_diff(void **state)
{
	static const struct {
		const char *from;
		const char *to;
		const char *patch;
	} cases[] = {
		{"{}", "{}", "{}"},
		{"{\"a\":{\"b\":[1]}}", "{\"a\":{\"b\":[1]}}", "{}"},
		{"{\"a\":1,\"b\":2}", "{\"b\":3,\"c\":4}", "{\"a\":null,\"b\":3,\"c\":4}"},
		{"{\"a\":{\"x\":1,\"y\":2}}", "{\"a\":{\"x\":1,\"z\":3}}",
			"{\"a\":{\"y\":null,\"z\":3}}"},
		{"{\"a\":[1,2]}", "{\"a\":[1]}", "{\"a\":[1]}"},
		{"{\"a\":{\"x\":1}}", "{\"a\":5}", "{\"a\":5}"},
		{"{\"a\":5}", "{\"a\":{\"x\":1}}", "{\"a\":{\"x\":1}}"},
		{"{\"a\":{\"x\":1}}", "{\"a\":{}}", "{\"a\":{\"x\":null}}"},
		{"{}", "{\"a\":{}}", "{\"a\":{}}"},
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		auto_json *from = parse(cases[i].from);
		auto_json *to = parse(cases[i].to);
		auto_json *patch = doc_merge_diff(from, to);
		auto_json *result = doc_merge_apply(from, patch);

		assert_json(patch, cases[i].patch);
		assert_true(json_equal(result, to));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_get),
		cmocka_unit_test(test_set),
		cmocka_unit_test(test_merge_apply),
		cmocka_unit_test(test_merge_diff),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "doc/canon.h"
#include "doc/json.h"

/* Each held against Python 3: repr(float) and json.dumps. */
static void test_reals(void **state)
{
	static const struct {
		double value;
		const char *text;
	} cases[] = {
		{0.0, "0.0"},
		{-0.0, "-0.0"},
		{1.0, "1.0"},
		{-1.5, "-1.5"},
		{0.1, "0.1"},
		{0.1 + 0.2, "0.30000000000000004"},
		{1e-5, "1e-05"},
		{1.5e-5, "1.5e-05"},
		{1e-4, "0.0001"},
		{1e15, "1000000000000000.0"},
		{9999999999999998.0, "9999999999999998.0"},
		{1e16, "1e+16"},
		{123456789012345680.0, "1.2345678901234568e+17"},
		{1e22, "1e+22"},
		{1e100, "1e+100"},
		{1.7976931348623157e308, "1.7976931348623157e+308"},
		{-2.2250738585072014e-308, "-2.2250738585072014e-308"},
		{5e-324, "5e-324"},
		{0x1p-1017, "7.120236347223045e-307"}, /* the nearest 16 digits end in 4 */
		{100.0, "100.0"},
		{3.141592653589793, "3.141592653589793"},
	};
	char out[CANON_REAL_SIZE];

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++)
		assert_string_equal(canon_real(cases[i].value, out), cases[i].text);
}

/* Each held against kubectl: a real as a key. */
static void test_key_reals(void **state)
{
	static const struct {
		double value;
		const char *text;
	} cases[] = {
		{100000.0, "100000"},
		{1000000.0, "1e+06"},
		{123456.5, "123456.5"},
		{1234567.5, "1.2345675e+06"},
		{0.0001, "0.0001"},
		{0.00001, "1e-05"},
		{16777217.0, "1.6777216e+07"},
		{1e39, ".inf"},
		{-1e39, "-.inf"},
		{1e-50, "0"},
		{-0.0, "-0"},
		{2.0, "2"},
	};
	char out[CANON_REAL_SIZE];

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++)
		assert_string_equal(canon_real_go32(cases[i].value, out), cases[i].text);
}

static void test_styles(void **state)
{
	static const char text[] =
		"{\"b\": [1, 1.0, null, true], \"a\\u0001\\u007f\": \"\\u00e9\\ud83d\\ude00"
		"\\\"\\\\\\/\\b\\f\\n\\r\\t\", \"\": {}, \"B\": [], \"\\u00e9\": false}";
	static const char *const expected[] = {
		[CANON_COMPACT] =
			"{\"\":{},\"B\":[],\"a\\u0001\x7f\":\"\xc3\xa9\xf0\x9f\x98\x80"
			"\\\"\\\\/\\b\\f\\n\\r\\t\",\"b\":[1,1.0,null,true],\"\xc3\xa9\":false}",
		[CANON_PYTHON] =
			"{\"\": {}, \"B\": [], \"a\\u0001\\u007f\": \"\\u00e9\\ud83d\\ude00"
			"\\\"\\\\/\\b\\f\\n\\r\\t\", \"b\": [1, 1.0, null, true], "
			"\"\\u00e9\": false}",
		[CANON_PYTHON_ORDERED] =
			"{\"b\": [1, 1.0, null, true], \"a\\u0001\\u007f\": \"\\u00e9\\ud83d\\ude00"
			"\\\"\\\\/\\b\\f\\n\\r\\t\", \"\": {}, \"B\": [], \"\\u00e9\": false}",
		[CANON_COMPACT_ORDERED] =
			"{\"b\":[1,1.0,null,true],\"a\\u0001\x7f\":\"\xc3\xa9\xf0\x9f\x98\x80"
			"\\\"\\\\/\\b\\f\\n\\r\\t\",\"\":{},\"B\":[],\"\xc3\xa9\":false}",
	};
	auto_json *json = NULL;

	(void)state;
	assert_int_equal(doc_json_parse(text, sizeof(text) - 1, &json, NULL), 0);
	for (size_t style = 0; style < array_size(expected); style++) {
		auto_free char *got = canon_str(json, (enum canon_style)style);

		assert_string_equal(got, expected[style]);
	}
}

static void test_order_of_keys_is_code_points(void **state)
{
	/* U+FFFF before U+10000, in contrast to UTF-16; a prefix first. */
	static const char text[] =
		"{\"\xf0\x90\x80\x80\":1,\"\xef\xbf\xbf\":2,\"ab\":3,\"a\":4,\"Z\":5}";
	auto_json *json = NULL;
	auto_free char *got = NULL;

	(void)state;
	assert_int_equal(doc_json_parse(text, sizeof(text) - 1, &json, NULL), 0);
	got = canon_str(json, CANON_COMPACT);
	assert_string_equal(
		got, "{\"Z\":5,\"a\":4,\"ab\":3,\"\xef\xbf\xbf\":2,\"\xf0\x90\x80\x80\":1}");
}

static void test_maximum(void **state)
{
	auto_json *json = json_pack("{s:s, s:[i,i,i]}", "key", "value", "list", 1, 2, 3);
	auto_buf small = BUF_INIT_MAX(10);
	auto_buf large = BUF_INIT_MAX(100);

	(void)state;
	assert_int_equal(canon_dump(json, CANON_COMPACT, &small), -1);
	assert_int_equal(canon_dump(json, CANON_COMPACT, &large), 0);
	assert_string_equal(buf_str(&large), "{\"key\":\"value\",\"list\":[1,2,3]}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reals),
		cmocka_unit_test(test_key_reals),
		cmocka_unit_test(test_styles),
		cmocka_unit_test(test_order_of_keys_is_code_points),
		cmocka_unit_test(test_maximum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

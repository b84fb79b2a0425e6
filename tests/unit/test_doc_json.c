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

static char *nested(size_t depth)
{
	char *text = xcalloc(1, 2 * depth + 1);

	memset(text, '[', depth);
	memset(text + depth, ']', depth);
	return text;
}

static void test_good(void **state)
{
	static const struct {
		const char *text;
		const char *dump;
	} cases[] = {
		{"{}", "{}"},
		{" [1, 2.50 , \"x\"] ", "[1,2.5,\"x\"]"},
		{"{\"b\":1,\"a\":{\"z\":null}}", "{\"b\":1,\"a\":{\"z\":null}}"},
		{"true", "true"},
		{"\"\\u00e9\\ud83d\\ude00\\/\"", "\"\xc3\xa9\xf0\x9f\x98\x80/\""},
		{"9223372036854775807", "9223372036854775807"},
		{"-9223372036854775808", "-9223372036854775808"},
		{"1e2", "100.0"},
		{"\"[[[[{{{{\"", "\"[[[[{{{{\""},
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		auto_err err = ERR_INIT;
		auto_json *json = NULL;
		auto_free char *dump = NULL;

		if (doc_json_parse(cases[i].text, strlen(cases[i].text), &json, &err) < 0)
			fail_msg("%s: %s", cases[i].text, err_message(&err));
		dump = doc_json_dump(json);
		assert_string_equal(dump, cases[i].dump);
	}
}

static void test_refused(void **state)
{
	static const struct {
		const char *text;
		const char *message;
	} cases[] = {
		{"", "line 1 column 1: "},
		{"{\n \"a\": 1,\n \"a\": 2}", "line 3 column 4: duplicate object key"},
		{"[1]\n x", "line 2 column 2: text after the end of the value"},
		{"{\n\"n\": 9223372036854775808}",
			"line 2 column 24: integer beyond 64 bits; quote it or use a smaller one"},
		{"[-9223372036854775809]", "line 1 column 21: integer beyond 64 bits"},
		{"[1e999]", "line 1 column 6: number too large for a double"},
		{"[\"a\\u0000b\"]", "line 1 column 11: NUL character in a string"},
		{"{\"a\\u0000\": 1}", "line 1 column 10: NUL character in a string"},
		{"{\"a\": ", "line 1 column 6: the text ends in the middle of a value"},
		{"[\"\xff\"]", "line 1 column 2: not well-formed UTF-8"},
		{"{a: 1}", "line 1 column 2: "},
		{"[01]", "line 1 column 2: "},
		{"[NaN]", "line 1 column 4: "},
		{"[\"\\ud800\"]", "line 1 column "},
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		auto_err err = ERR_INIT;
		json_t *json = NULL;

		assert_int_equal(
			doc_json_parse(cases[i].text, strlen(cases[i].text), &json, &err), -1);
		assert_null(json);
		assert_int_equal(err.class, ERR_USER);
		assert_string_equal(err.reason, "InvalidJSON");
		if (strncmp(err.message, cases[i].message, strlen(cases[i].message)) != 0)
			fail_msg("%s: %s", cases[i].text, err.message);
	}
	/* a cut text and a raw NUL */
	assert_int_equal(doc_json_parse("[1]", 2, &(json_t *){NULL}, NULL), -1);
	assert_int_equal(doc_json_parse("1\0x", 3, &(json_t *){NULL}, NULL), -1);
}

static void test_depth(void **state)
{
	auto_free char *deepest = nested(DOC_MAX_DEPTH);
	auto_free char *deeper = nested(DOC_MAX_DEPTH + 1);
	auto_free char *absurd = nested(1000000);
	auto_json *json = NULL;
	auto_err err = ERR_INIT;

	(void)state;
	assert_int_equal(doc_json_parse(deepest, strlen(deepest), &json, &err), 0);
	assert_int_equal(doc_json_parse(deeper, strlen(deeper), &json, &err), -1);
	assert_string_equal(err.message, "line 1 column 65: nested deeper than 64 levels");
	assert_int_equal(doc_json_parse(absurd, strlen(absurd), &json, &err), -1);
	assert_int_equal(doc_json_parse_lenient(absurd, strlen(absurd), &json, &err), -1);
}

static void test_lenient(void **state)
{
	static const struct {
		const char *text;
		const char *dump;
	} cases[] = {
		{"{\"a\":1,\"a\":2}", "{\"a\":2}"},
		{"[18446744073709551615]", "[1.8446744073709552e+19]"},
		{"[-9223372036854775809,1,-2]", "[-9.223372036854776e+18,1,-2]"},
		{"{\"99999999999999999999\":\"99999999999999999999\",\"n\":99999999999999999999}",
			"{\"99999999999999999999\":\"99999999999999999999\",\"n\":1e+20}"},
		{"[99999999999999999999.5,99999999999999999999e1,9223372036854775808]",
			"[1e+20,1e+21,9.223372036854776e+18]"},
		{"18446744073709551616", "1.8446744073709552e+19"},
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		auto_err err = ERR_INIT;
		auto_json *json = NULL;
		auto_free char *dump = NULL;

		if (doc_json_parse_lenient(cases[i].text, strlen(cases[i].text), &json, &err) < 0)
			fail_msg("%s: %s", cases[i].text, err_message(&err));
		dump = doc_json_dump(json);
		assert_string_equal(dump, cases[i].dump);
	}
	assert_int_equal(doc_json_parse_lenient("[1,", 3, &(json_t *){NULL}, NULL), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_lenient),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

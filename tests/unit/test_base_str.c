#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/vec.h"

static void test_equality_and_ends(void **state)
{
	(void)state;
	assert_true(str_eq(NULL, NULL));
	assert_false(str_eq(NULL, ""));
	assert_true(str_eq("a", "a"));
	assert_true(str_starts_with("abc", "ab"));
	assert_true(str_starts_with("abc", ""));
	assert_false(str_starts_with("a", "ab"));
	assert_true(str_ends_with("abc", "bc"));
	assert_false(str_ends_with("c", "bc"));
}

static void test_dns_label(void **state)
{
	static const struct {
		const char *text;
		bool good;
	} cases[] = {
		{"a", true},
		{"0-a", true},
		{"clean-text", true},
		{"", false},
		{"-a", false},
		{"a-", false},
		{"A", false},
		{"a.b", false},
		{"a_b", false},
		{"é", false},
		{NULL, false},
		{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", true},
		{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++)
		assert_int_equal(str_is_dns_label(cases[i].text), cases[i].good);
}

static void test_int64(void **state)
{
	static const struct {
		const char *text;
		bool good;
		int64_t value;
	} cases[] = {
		{"0", true, 0},
		{"-0", true, 0},
		{"+5", true, 5},
		{"0012", true, 12},
		{"9223372036854775807", true, INT64_MAX},
		{"-9223372036854775808", true, INT64_MIN},
		{"9223372036854775808", false, 0},
		{"-9223372036854775809", false, 0},
		{"99999999999999999999999", false, 0},
		{"", false, 0},
		{"-", false, 0},
		{" 1", false, 0},
		{"1 ", false, 0},
		{"1.0", false, 0},
		{"0x1", false, 0},
		{NULL, false, 0},
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		int64_t value = 0;

		assert_int_equal(str_to_int64(cases[i].text, &value), cases[i].good);
		assert_int_equal(value, cases[i].value);
	}
}

static void test_utf8(void **state)
{
	static const struct {
		const char *text;
		bool good;
	} cases[] = {
		{"", true},
		{"plain", true},
		{"\xc2\x80", true},
		{"\xdf\xbf", true},
		{"\xe0\xa0\x80", true},
		{"\xed\x9f\xbf", true},
		{"\xee\x80\x80", true},
		{"\xef\xbf\xbf", true},
		{"\xf0\x90\x80\x80", true},
		{"\xf4\x8f\xbf\xbf", true},
		{"\x80", false},             /* continuation alone */
		{"\xc0\x80", false},         /* overlong NUL */
		{"\xc1\xbf", false},         /* overlong */
		{"\xe0\x9f\xbf", false},     /* overlong */
		{"\xf0\x8f\xbf\xbf", false}, /* overlong */
		{"\xed\xa0\x80", false},     /* surrogate */
		{"\xed\xbf\xbf", false},     /* surrogate */
		{"\xf4\x90\x80\x80", false}, /* beyond U+10FFFF */
		{"\xf5\x80\x80\x80", false},
		{"\xff", false},
		{"\xc3", false}, /* cut */
		{"\xe2\x82", false},
		{"\xf0\x9f\x98", false},
		{"\xc3(", false},
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++)
		assert_int_equal(str_is_utf8(cases[i].text, strlen(cases[i].text)), cases[i].good);
	assert_false(str_is_utf8("a\0b", 3));
}

static void test_distance(void **state)
{
	static const struct {
		const char *a;
		const char *b;
		size_t distance;
	} cases[] = {
		{"", "", 0},
		{"abc", "", 3},
		{"", "ab", 2},
		{"kitten", "sitting", 3},
		{"min_words", "min_word", 1},
		{"aaaaaaaaaa", "bbbbbbbbbb", 5},
	};
	char text[200];

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++)
		assert_int_equal(str_distance(cases[i].a, cases[i].b, 5), cases[i].distance);
	memset(text, 'a', sizeof(text));
	text[129] = '\0';
	assert_int_equal(str_distance(text, text, 9), 9);
	text[128] = '\0';
	assert_int_equal(str_distance(text, text, 9), 0);
}

static void test_clean_tail(void **state)
{
	static const struct {
		const char *text;
		size_t max;
		const char *clean;
	} cases[] = {
		{"", 10, ""},
		{"plain\n\ttext", 100, "plain\n\ttext"},
		{"\x1b[31mred\r\x07", 100, "[31mred"},
		{"a\xffz\xc3", 100, "a?z?"},
		{"\x7f\xc2\x85x", 100, "x"},
		{"0123456789", 10, "0123456789"},
		{"0123456789", 9, "...456789"},
		{"ab\xc3\xa9\xc3\xa9", 5, "...\xc3\xa9"},
		{"abc\xc3\xa9\xc3\xa9", 6, "...\xc3\xa9"},
		{"abcdef", 3, "def"},
		{"abcdef", 0, ""},
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		auto_free char *clean =
			str_clean_tail(cases[i].text, strlen(cases[i].text), cases[i].max);

		assert_string_equal(clean, cases[i].clean);
		assert_true(strlen(clean) <= cases[i].max);
	}
}

static void test_vectors(void **state)
{
	auto_strvec v = STRVEC_INIT;
	auto_free char *empty = strvec_join(&v, ", ");
	auto_free char *joined = NULL;

	(void)state;
	assert_string_equal(empty, "");
	strvec_sort(&v);
	for (int i = 30; i > 0; i--)
		strvec_addf(&v, "%02d", i);
	strvec_add(&v, "Z");
	strvec_take(&v, xstrdup("\xc3\xa9"));
	assert_true(strvec_has(&v, "07"));
	assert_false(strvec_has(&v, "7"));
	strvec_sort(&v);
	assert_string_equal(v.items[0], "01");
	assert_string_equal(v.items[30], "Z");
	assert_string_equal(v.items[31], "\xc3\xa9");
	assert_null(v.items[32]);
	strvec_clear(&v);
	strvec_add(&v, "a");
	strvec_add(&v, "b");
	joined = strvec_join(&v, ", ");
	assert_string_equal(joined, "a, b");
}

/* Vectors of FIPS 180-2, appendix B. */
static void test_digest(void **state)
{
	char hex[DIGEST_HEX_SIZE], other[DIGEST_HEX_SIZE];

	(void)state;
	assert_string_equal(digest_sha256_hex("abc", 3, hex),
		"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	assert_string_equal(digest_sha256_hex("", 0, hex),
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	digest_sha256_hex("ab\0c\0", 5, other);
	assert_string_equal(digest_sha256_parts(hex, "ab", "c", NULL), other);
	assert_string_not_equal(digest_sha256_parts(hex, "a", "bc", NULL), other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_equality_and_ends),
		cmocka_unit_test(test_dns_label),
		cmocka_unit_test(test_int64),
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_distance),
		cmocka_unit_test(test_clean_tail),
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_digest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

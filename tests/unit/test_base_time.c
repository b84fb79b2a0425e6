#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <time.h>

#include "base/mem.h"
#include "base/time.h"

static void test_format(void **state)
{
	static const struct {
		int64_t seconds;
		const char *text;
	} cases[] = {
		{0, "1970-01-01T00:00:00Z"},
		{951782399, "2000-02-28T23:59:59Z"},
		{951782400, "2000-02-29T00:00:00Z"},
		{951868800, "2000-03-01T00:00:00Z"},
		{1795472937, "2026-11-23T22:28:57Z"},
		{4107542400, "2100-03-01T00:00:00Z"},
		{253402300799, "9999-12-31T23:59:59Z"},
		{253402300800, "9999-12-31T23:59:59Z"},
		{-1, "1970-01-01T00:00:00Z"},
	};
	char out[TIME_RFC3339_SIZE];

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++)
		assert_string_equal(time_format_rfc3339(cases[i].seconds, out), cases[i].text);
	assert_string_equal(time_format_micro(1795472937123, out), "2026-11-23T22:28:57.123000Z");
	assert_string_equal(time_format_micro(-5, out), "1970-01-01T00:00:00.000000Z");
}

/* The C library's calendar, at every 1,000,003 seconds up to the year 2600. */
static void test_against_gmtime(void **state)
{
	(void)state;
	for (time_t t = 0; t < 20000000000; t += 1000003) {
		char out[TIME_RFC3339_SIZE], theirs[TIME_RFC3339_SIZE];
		int64_t back;
		struct tm tm;

		gmtime_r(&t, &tm);
		strftime(theirs, sizeof(theirs), "%Y-%m-%dT%H:%M:%SZ", &tm);
		assert_string_equal(time_format_rfc3339(t, out), theirs);
		assert_true(time_parse_rfc3339(out, &back));
		assert_int_equal(back, t);
	}
}

static void test_parse(void **state)
{
	static const struct {
		const char *text;
		bool good;
		int64_t seconds;
	} cases[] = {
		{"1970-01-01T00:00:00Z", true, 0},
		{"1970-01-01t00:00:01z", true, 1},
		{"2026-11-23T22:28:57.123456Z", true, 1795472937},
		{"2026-11-23T23:28:57+01:00", true, 1795472937},
		{"2026-11-23T16:58:57-05:30", true, 1795472937},
		{"1969-12-31T23:59:59Z", true, -1},
		{"0000-01-01T00:00:00Z", true, -62167219200},
		{"0001-01-01T00:00:00Z", true, -62135596800},
		{"2016-12-31T23:59:60Z", true, 1483228800},
		{"2024-02-29T00:00:00Z", true, 1709164800},
		{"2023-02-29T00:00:00Z", false, 0},
		{"1900-02-29T00:00:00Z", false, 0},
		{"2026-13-01T00:00:00Z", false, 0},
		{"2026-00-01T00:00:00Z", false, 0},
		{"2026-01-00T00:00:00Z", false, 0},
		{"2026-04-31T00:00:00Z", false, 0},
		{"2026-01-01T24:00:00Z", false, 0},
		{"2026-01-01T00:60:00Z", false, 0},
		{"2026-01-01T00:00:61Z", false, 0},
		{"2026-01-01T00:00:00", false, 0},
		{"2026-01-01T00:00:00.Z", false, 0},
		{"2026-01-01T00:00:00+1:00", false, 0},
		{"2026-01-01T00:00:00+24:00", false, 0},
		{"2026-01-01T00:00:00Zx", false, 0},
		{"2026-01-01 00:00:00Z", false, 0},
		{"2026-1-01T00:00:00Z", false, 0},
		{"", false, 0},
		{NULL, false, 0},
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		int64_t seconds = 0;

		assert_int_equal(time_parse_rfc3339(cases[i].text, &seconds), cases[i].good);
		assert_int_equal(seconds, cases[i].seconds);
	}
}

static void test_durations(void **state)
{
	static const struct {
		const char *text;
		bool good;
		int64_t seconds;
	} cases[] = {
		{"10s", true, 10},
		{"1h", true, 3600},
		{"1h30m10s", true, 5410},
		{"5s5s5s", true, 15},
		{"99999h", true, 359996400},
		{"0s", true, 0},
		{"100000s", false, 0},
		{"1s1s1s1s", false, 0},
		{"1", false, 0},
		{"h", false, 0},
		{"1d", false, 0},
		{"-1s", false, 0},
		{"1.5h", false, 0},
		{"1h ", false, 0},
		{"1h5", false, 0},
		{"", false, 0},
		{NULL, false, 0},
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		int64_t seconds = 0;

		assert_int_equal(time_parse_duration(cases[i].text, &seconds), cases[i].good);
		assert_int_equal(seconds, cases[i].seconds);
	}
}

static void test_clocks(void **state)
{
	int64_t before = time_mono_ms();

	(void)state;
	assert_true(time_wall_ms() > INT64_C(1700000000000));
	assert_true(time_mono_ms() >= before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_format),
		cmocka_unit_test(test_against_gmtime),
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_clocks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

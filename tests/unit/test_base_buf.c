#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"

static void test_grows_and_terminates(void **state)
{
	auto_buf b = BUF_INIT;

	(void)state;
	assert_string_equal(buf_str(&b), "");
	for (int i = 0; i < 1000; i++)
		assert_int_equal(buf_addf(&b, "%d,", i % 10), 0);
	assert_int_equal(b.len, 2000);
	assert_int_equal(strlen(buf_str(&b)), 2000);
	assert_int_equal(buf_add(&b, NULL, 0), 0);
	buf_consume(&b, 1998);
	assert_string_equal(buf_str(&b), "9,");
	buf_consume(&b, 2);
	assert_string_equal(buf_str(&b), "");
	buf_reset(&b);
	buf_adds(&b, "x");
	assert_string_equal(buf_str(&b), "x");
}

static void test_overflow_keeps_what_it_had(void **state)
{
	auto_buf b = BUF_INIT_MAX(8);

	(void)state;
	assert_int_equal(buf_adds(&b, "1234567"), 0);
	assert_int_equal(buf_addc(&b, '8'), -1);
	assert_true(b.overflow);
	assert_string_equal(buf_str(&b), "1234567");
	buf_consume(&b, 5);
	assert_int_equal(buf_addc(&b, 'x'), -1);
	assert_int_equal(buf_addf(&b, "%s", "y"), -1);
	assert_string_equal(buf_str(&b), "67");
	buf_reset(&b);
	assert_int_equal(buf_add(&b, "\0z", 2), 0);
	assert_int_equal(b.len, 2);
	assert_int_equal(b.max, 8);
}

static void test_formatted_overflow_adds_nothing(void **state)
{
	auto_buf b = BUF_INIT_MAX(10);

	(void)state;
	buf_adds(&b, "abc");
	assert_int_equal(buf_addf(&b, "%s", "1234567"), -1);
	assert_string_equal(buf_str(&b), "abc");
}

static void test_take(void **state)
{
	struct buf b = BUF_INIT_MAX(100);
	auto_free char *empty = NULL, *full = NULL;

	(void)state;
	empty = buf_take(&b);
	assert_string_equal(empty, "");
	buf_adds(&b, "text");
	full = buf_take(&b);
	assert_string_equal(full, "text");
	assert_null(b.data);
	assert_int_equal(b.max, 100);
}

static void test_errors(void **state)
{
	auto_err err = ERR_INIT;
	auto_err other = ERR_INIT;

	(void)state;
	assert_string_equal(err_message(NULL), "unknown error");
	assert_string_equal(err_message(&err), "unknown error");
	assert_int_equal(err_set(NULL, ERR_USER, "X", "nobody listens"), -1);
	assert_int_equal(err_set(&err, ERR_TRANSIENT, "TimedOut", "after %d s", 5), -1);
	err.retry_after_ms = 7;
	assert_int_equal(err_wrap(&err, "GET %s", "/x"), -1);
	assert_string_equal(err.message, "GET /x: after 5 s");
	assert_string_equal(err.reason, "TimedOut");
	assert_int_equal(err.class, ERR_TRANSIENT);
	err_move(&other, &err);
	assert_null(err.message);
	assert_int_equal(err.class, ERR_NONE);
	assert_int_equal(other.retry_after_ms, 7);
	/* its own message and reason as arguments */
	err_set(&other, ERR_USER, other.reason, "again: %s", other.message);
	assert_string_equal(other.message, "again: GET /x: after 5 s");
	assert_string_equal(other.reason, "TimedOut");
	assert_int_equal(other.retry_after_ms, 0);
	err_set(&other, ERR_BUG,
		"AReasonThatIsMuchLongerThanTheSixtyThreeBytesThatThereAreForItInTheStruct", "x");
	assert_int_equal(strlen(other.reason), 63);
	err_wrap(&err, "wrapped nothing");
	assert_string_equal(err.message, "wrapped nothing: unknown error");
	assert_int_equal(err.class, ERR_BUG);
}

static void test_memory(void **state)
{
	char *s = xstrndup("abcdef", 3);
	char *moved = take_ptr(s);

	(void)state;
	assert_null(s);
	assert_string_equal(moved, "abc");
	mem_free_secret(moved);
	mem_free_secret(NULL);
	free(xmalloc(0));
	free(xcalloc(0, 8));
	free(xreallocarray(NULL, 0, 8));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_grows_and_terminates),
		cmocka_unit_test(test_overflow_keeps_what_it_had),
		cmocka_unit_test(test_formatted_overflow_adds_nothing),
		cmocka_unit_test(test_take),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

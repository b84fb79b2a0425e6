#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "kube/watch.h"

static void collect(void *owner, const char *text, size_t len)
{
	struct buf *lines = owner;

	buf_addc(lines, '[');
	buf_add(lines, text, len);
	buf_addc(lines, ']');
}

/* The lines of text when it comes in pieces of n bytes (0: at once). */
static char *split(const char *text, size_t n, size_t max, unsigned *ret_skipped)
{
	struct line_splitter splitter = {.max = max};
	struct buf lines = BUF_INIT;
	size_t len = strlen(text);

	for (size_t i = 0; i < len;) {
		size_t part = n && n < len - i ? n : len - i;

		line_splitter_feed(&splitter, text + i, part, collect, &lines);
		i += part;
	}
	if (ret_skipped)
		*ret_skipped = splitter.skipped;
	line_splitter_free(&splitter);
	return buf_take(&lines);
}

static void any_chunking_gives_the_same_lines(void **state)
{
	static const char text[] = "{\"a\":1}\n\n{\"b\":\"\\n\"}\nxx\nlast without end";

	(void)state;
	for (size_t n = 0; n <= sizeof(text); n++) {
		char *lines = split(text, n, 0, NULL);

		assert_string_equal(lines, "[{\"a\":1}][{\"b\":\"\\n\"}][xx]");
		free(lines);
	}
}

static void a_line_over_the_maximum_is_skipped_and_counted(void **state)
{
	(void)state;
	for (size_t n = 0; n < 24; n++) {
		unsigned skipped;
		char *lines =
			split("12345678\n123456789\nok\n123456789012345\nend\n", n, 8, &skipped);

		assert_string_equal(lines, "[12345678][ok][end]");
		assert_int_equal(skipped, 2);
		free(lines);
	}
}

static void an_endless_line_keeps_no_memory(void **state)
{
	struct line_splitter splitter = {.max = 100};
	struct buf lines = BUF_INIT;
	char block[64];

	(void)state;
	memset(block, 'x', sizeof(block));
	for (int i = 0; i < 10000; i++)
		line_splitter_feed(&splitter, block, sizeof(block), collect, &lines);
	assert_true(splitter.pending.cap <= 200);
	line_splitter_feed(&splitter, "\ny\n", 3, collect, &lines);
	assert_string_equal(buf_str(&lines), "[y]");
	assert_int_equal(splitter.skipped, 1);
	line_splitter_free(&splitter);
	buf_free(&lines);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_chunking_gives_the_same_lines),
		cmocka_unit_test(a_line_over_the_maximum_is_skipped_and_counted),
		cmocka_unit_test(an_endless_line_keeps_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

/* What the calls below wrote, owned by the caller. */
static char *take_output(int fd)
{
	off_t size = lseek(fd, 0, SEEK_END);
	char *text = xcalloc(1, (size_t)size + 1);

	assert_int_equal(pread(fd, text, (size_t)size, 0), size);
	assert_int_equal(ftruncate(fd, 0), 0);
	lseek(fd, 0, SEEK_SET);
	return text;
}

static int open_output(void)
{
	int fd = memfd_create("log", MFD_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void test_logfmt(void **state)
{
	int fd = open_output();
	auto_free char *text = NULL;

	(void)state;
	log_setup(LOG_INFO, LOG_LOGFMT, fd);
	assert_true(log_enabled(LOG_INFO));
	assert_false(log_enabled(LOG_DEBUG));
	log_debug("not this");
	log_warn("two words", "ns", "data", "none", NULL, "odd", "a\"b\\c\n\x1b\xff\xc3\xa9");
	text = take_output(fd);
	assert_non_null(strstr(text, "ts=\"20"));
	assert_non_null(strstr(text, " level=\"warn\" msg=\"two words\" ns=\"data\" "));
	assert_non_null(strstr(text, " odd=\"a\\\"b\\\\c\\n\\u001b\\ufffd\xc3\xa9\"\n"));
	assert_null(strstr(text, "none"));
	assert_null(strstr(text, "not this"));
	close(fd);
}

static void test_json(void **state)
{
	int fd = open_output();
	auto_free char *text = NULL;

	(void)state;
	log_setup(LOG_DEBUG, LOG_JSON, fd);
	log_error("broken", "run", "r-1");
	text = take_output(fd);
	assert_memory_equal(text, "{\"ts\":\"20", 9);
	assert_non_null(
		strstr(text, "\",\"level\":\"error\",\"msg\":\"broken\",\"run\":\"r-1\"}\n"));
	close(fd);
}

static void test_long_lines_are_cut(void **state)
{
	int fd = open_output();
	char *value = xcalloc(1, 20001);

	(void)state;
	memset(value, '"', 20000);
	for (int format = LOG_LOGFMT; format <= LOG_JSON; format++) {
		auto_free char *text = NULL;

		log_setup(LOG_INFO, (enum log_format)format, fd);
		log_info("long", "a", value, "b", value);
		text = take_output(fd);
		assert_true(strlen(text) <= 8192);
		assert_true(strlen(text) > 8100);
		assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
		assert_non_null(strstr(text, "truncated"));
	}
	free(value);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_logfmt),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_long_lines_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

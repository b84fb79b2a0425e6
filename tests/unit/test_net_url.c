#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "net/url.h"

static void test_segments(void **state)
{
	auto_buf url = BUF_INIT;

	(void)state;
	buf_adds(&url, "https://host:6443");
	url_add_segment(&url, "api");
	url_add_segment(&url, "a/b c?d#e%f");
	url_add_segment(&url, "A-z_0.9~");
	url_add_segment(&url, "\xc3\xa9");
	assert_string_equal(
		buf_str(&url), "https://host:6443/api/a%2Fb%20c%3Fd%23e%25f/A-z_0.9~/%C3%A9");
}

static void test_one_slash(void **state)
{
	auto_buf url = BUF_INIT;

	(void)state;
	buf_adds(&url, "https://host/base/");
	url_add_segment(&url, "x");
	assert_string_equal(buf_str(&url), "https://host/base/x");
}

/* A name that is empty or dots must never address the collection or its parent. */
static void test_hazardous_segments(void **state)
{
	static const char *const names[] = {"", ".", ".."};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		auto_buf url = BUF_INIT;

		buf_adds(&url, "https://host/pods");
		url_add_segment(&url, names[i]);
		assert_memory_equal(buf_str(&url), "https://host/pods/%00", 21);
		assert_string_equal(buf_str(&url) + 21, names[i]);
	}
}

static void test_query(void **state)
{
	auto_buf url = BUF_INIT;

	(void)state;
	buf_adds(&url, "https://host/pods");
	url_add_query(&url, "labelSelector", "a=b,c in (d,e)");
	url_add_query(&url, "limit", "500");
	url_add_query(&url, "empty", "");
	assert_string_equal(buf_str(&url),
		"https://host/pods?labelSelector=a%3Db%2Cc%20in%20%28d%2Ce%29&limit=500&empty=");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_segments),
		cmocka_unit_test(test_one_slash),
		cmocka_unit_test(test_hazardous_segments),
		cmocka_unit_test(test_query),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "base/mem.h"
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

static void test_split(void **state)
{
	static const struct {
		const char *url;
		const char *scheme, *authority, *path, *query;
	} good[] = {
		{"https://Host.Example", "https", "host.example", "/", ""},
		{"https://host:443/a%2Fb?x=1&y", "https", "host", "/a%2Fb", "x=1&y"},
		{"http://host:443/a/../b", "http", "host:443", "/a/../b", ""},
		{"http://[::1]:80/", "http", "[::1]", "/", ""},
		{"http://127.0.0.1:5000/v2/", "http", "127.0.0.1:5000", "/v2/", ""},
	};

	(void)state;
	for (size_t i = 0; i < array_size(good); i++) {
		auto_url_parts parts = {0};

		assert_int_equal(url_split(good[i].url, &parts, NULL), 0);
		assert_string_equal(parts.scheme, good[i].scheme);
		assert_string_equal(parts.authority, good[i].authority);
		assert_string_equal(parts.path, good[i].path);
		assert_string_equal(parts.query, good[i].query);
	}
}

static void test_not_split(void **state)
{
	static const char *const bad[] = {"", "host", "/path", "ftp://host/", "file:///etc/passwd",
		"https://", "https://me:s3cr3t@host/", "https://me@host/", "https://host/#part",
		"https://host:port/", "https://a b/"};

	(void)state;
	for (size_t i = 0; i < array_size(bad); i++) {
		struct url_parts parts = {0};
		auto_err err = ERR_INIT;

		if (url_split(bad[i], &parts, &err) == 0)
			fail_msg("%s was accepted", bad[i]);
		assert_null(parts.scheme);
		assert_string_equal(err.reason, "InvalidURL");
		assert_null(strstr(err.message, "s3cr3t"));
	}
}

static void test_join(void **state)
{
	static const struct {
		const char *location, *joined;
	} cases[] = {
		{"https://other/x", "https://other/x"},
		{"/x?y=1", "https://host/x?y=1"},
		{"x", "https://host/a/x"},
		{"//other/x", "https://other/x"},
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		auto_free char *joined = url_join("https://host/a/b?q=1", cases[i].location);

		assert_string_equal(joined, cases[i].joined);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_segments),
		cmocka_unit_test(test_one_slash),
		cmocka_unit_test(test_hazardous_segments),
		cmocka_unit_test(test_query),
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_not_split),
		cmocka_unit_test(test_join),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

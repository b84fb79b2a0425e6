#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "base/image_ref.h"

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define DIGEST "sha256:" HEX64

struct good {
	const char *text;
	const char *canonical;
	const char *familiar;
	const char *pinned; /* NULL: not looked at */
};

static const struct good good[] = {
	{"busybox", "docker.io/library/busybox:latest", "busybox:latest", "busybox@" DIGEST},
	{"busybox:1.36", "docker.io/library/busybox:1.36", "busybox:1.36", "busybox@" DIGEST},
	{"fndnt/load:0.12.1", "docker.io/fndnt/load:0.12.1", "fndnt/load:0.12.1",
		"fndnt/load@" DIGEST},
	{"docker.io/busybox", "docker.io/library/busybox:latest", "busybox:latest",
		"docker.io/busybox@" DIGEST},
	{"index.docker.io/busybox", "docker.io/library/busybox:latest", "busybox:latest",
		"index.docker.io/busybox@" DIGEST},
	{"index.docker.io/a.b/c", "docker.io/a.b/c:latest", "docker.io/a.b/c:latest", NULL},
	{"library/busybox", "docker.io/library/busybox:latest", "busybox:latest", NULL},
	{"docker.io/library/a/b", "docker.io/library/a/b:latest", "library/a/b:latest", NULL},
	{"localhost/app", "localhost/app:latest", "localhost/app:latest", NULL},
	{"localhost:5000/app", "localhost:5000/app:latest", "localhost:5000/app:latest", NULL},
	{"localhost:5000", "docker.io/library/localhost:5000", "localhost:5000", NULL},
	{"Reg/app", "Reg/app:latest", "Reg/app:latest", NULL},
	{"reg/app", "docker.io/reg/app:latest", "reg/app:latest", NULL},
	{"registry.example/a/b/c:v1", "registry.example/a/b/c:v1", "registry.example/a/b/c:v1",
		"registry.example/a/b/c@" DIGEST},
	{"127.0.0.1:5000/a:1", "127.0.0.1:5000/a:1", "127.0.0.1:5000/a:1", NULL},
	{"[::1]:5000/a:1", "[::1]:5000/a:1", "[::1]:5000/a:1", NULL},
	{"[2001:db8::1]/a", "[2001:db8::1]/a:latest", "[2001:db8::1]/a:latest", NULL},
	{"a@" DIGEST, "docker.io/library/a@" DIGEST, "a@" DIGEST, NULL},
	{"a:1@" DIGEST, "docker.io/library/a:1@" DIGEST, "a:1@" DIGEST, NULL},
	{"r.io:443/a:1@" DIGEST, "r.io:443/a:1@" DIGEST, "r.io:443/a:1@" DIGEST, NULL},
	{"a__b/c.d/e---f_g", "docker.io/a__b/c.d/e---f_g:latest", "a__b/c.d/e---f_g:latest", NULL},
	{"a:_V.1-x", "docker.io/library/a:_V.1-x", "a:_V.1-x", NULL},
	{"xn--bcher-kva.example/a", "xn--bcher-kva.example/a:latest",
		"xn--bcher-kva.example/a:latest", NULL},
};

static void good_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < array_size(good); i++) {
		auto_image_ref ref = {0};
		auto_image_ref again = {0};
		auto_err err = ERR_INIT;
		auto_free char *canonical = NULL, *familiar = NULL, *pinned = NULL, *same = NULL;

		if (image_ref_parse(good[i].text, &ref, &err) != 0)
			fail_msg("%s: %s", good[i].text, err_message(&err));
		canonical = image_ref_canonical(&ref);
		familiar = image_ref_familiar(&ref);
		pinned = image_ref_pinned(&ref, DIGEST);
		assert_string_equal(canonical, good[i].canonical);
		assert_string_equal(familiar, good[i].familiar);
		if (good[i].pinned)
			assert_string_equal(pinned, good[i].pinned);
		/* Both forms mean the same image. */
		assert_int_equal(image_ref_parse(familiar, &again, &err), 0);
		same = image_ref_canonical(&again);
		assert_string_equal(same, canonical);
	}
}

static const struct {
	const char *text;
	const char *says;
} bad[] = {
	{"", "empty"},
	{"https://registry.example/a", "URL"},
	{"registry.example/App", "lower case"},
	{"App", "lower case"},
	{"a//b", "between slashes"},
	{"/a", "between slashes"},
	{"a/", "between slashes"},
	{"a b", "between slashes"},
	{"-a", "between slashes"},
	{"a-", "between slashes"},
	{"a..b/c:1", "host"},
	{"x/a..b", "between slashes"},
	{"x/a___b", "between slashes"},
	{"x/a._b", "between slashes"},
	{"a:", "tag begins"},
	{"a:-x", "tag begins"},
	{"a:b c", "tag has"},
	{"a:1:2", "tag has"},
	{"registry.example:port/a", "port"},
	{"registry.example:0/a", "port"},
	{"registry.example:70000/a", "port"},
	{"registry.example:/a", "port"},
	{"-bad.example/a", "host"},
	{"[::1/a", "IPv6"},
	{"[]/a:b", "between slashes"},
	{"a@", "digest"},
	{"a@sha256:abc", "digest"},
	{"a@md5:0123456789abcdef0123456789abcdef", "digest"},
	{"a@SHA256:" HEX64, "digest"},
	{"a@" DIGEST "@" DIGEST, "digest"},
	{"a@" DIGEST ":tag", "digest"},
	{HEX64, "image's id"},
	{"a\n", "between slashes"},
	{"a:t\xc3\xa9", "tag has"},
};

static void bad_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < array_size(bad); i++) {
		struct image_ref ref = {0};
		auto_err err = ERR_INIT;

		if (image_ref_parse(bad[i].text, &ref, &err) == 0)
			fail_msg("%s was accepted", bad[i].text);
		assert_null(ref.host);
		assert_int_equal(err.class, ERR_USER);
		assert_string_equal(err.reason, "InvalidImage");
		if (!strstr(err.message, bad[i].says))
			fail_msg("%s: %s", bad[i].text, err.message);
	}
}

static void lengths(void **state)
{
	char name[300];
	char tag[140];
	auto_free char *text = NULL;
	auto_image_ref ref = {0};

	(void)state;
	memset(name, 'a', sizeof(name));
	name[256] = '\0';
	assert_int_equal(image_ref_parse(name, &ref, NULL), -1);
	name[255] = '\0';
	assert_int_equal(image_ref_parse(name, &ref, NULL), 0);
	image_ref_release(&ref);
	memset(tag, 't', sizeof(tag));
	tag[128] = '\0';
	text = xasprintf("a:%s", tag);
	assert_int_equal(image_ref_parse(text, &ref, NULL), 0);
	image_ref_release(&ref);
	free(text);
	tag[128] = 't';
	tag[129] = '\0';
	text = xasprintf("a:%s", tag);
	assert_int_equal(image_ref_parse(text, &ref, NULL), -1);
}

static void digests(void **state)
{
	(void)state;
	assert_true(image_digest_valid(DIGEST));
	assert_true(image_digest_valid("sha512:" HEX64 HEX64));
	assert_true(image_digest_valid("sha384:" HEX64 "0123456789abcdef0123456789abcdef"));
	assert_false(image_digest_valid("sha512:" HEX64));
	assert_false(image_digest_valid("sha256:" HEX64 "0"));
	assert_false(image_digest_valid(HEX64));
	assert_false(image_digest_valid(""));
	assert_false(image_digest_valid("sha256:"));
}

static void api_host(void **state)
{
	(void)state;
	assert_string_equal(image_ref_api_host("docker.io"), "registry-1.docker.io");
	assert_string_equal(image_ref_api_host("r.example:5000"), "r.example:5000");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_names),
		cmocka_unit_test(bad_names),
		cmocka_unit_test(lengths),
		cmocka_unit_test(digests),
		cmocka_unit_test(api_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

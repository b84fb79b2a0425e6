/* The examples of the Amazon S3 API reference ("Signature Calculations for the Authorization
 * Header: Transferring Payload in a Single Chunk") and of the IAM user guide. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "net/sigv4.h"

#define MAY_24_2013 1369353600

static const struct sigv4_keys keys = {
	.key_id = "AKIAIOSFODNN7EXAMPLE",
	.secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
};

struct example {
	const char *method;
	const char *path;
	const char *query;
	const char *headers[3];
	const char *body;
	const char *signature;
};

static const struct example examples[] = {
	{"GET", "/test.txt", "", {"Range: bytes=0-9"}, "",
		"f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
	{"PUT", "/test%24file.text", "",
		{"Date: Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class: REDUCED_REDUNDANCY"},
		"Welcome to Amazon S3.",
		"98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"},
	{"GET", "/", "lifecycle=", {NULL}, "",
		"fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
	{"GET", "/", "max-keys=2&prefix=J", {NULL}, "",
		"34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
};

static void examples_of_s3(void **state)
{
	(void)state;
	for (size_t i = 0; i < array_size(examples); i++) {
		const struct example *e = &examples[i];
		struct sigv4_request request = {
			.method = e->method,
			.host = "examplebucket.s3.amazonaws.com",
			.path = e->path,
			.query = e->query,
			.region = "us-east-1",
			.service = "s3",
			.body = e->body,
			.body_len = strlen(e->body),
			.now_s = MAY_24_2013,
		};
		auto_strvec headers = STRVEC_INIT;

		for (size_t h = 0; h < array_size(e->headers) && e->headers[h]; h++)
			strvec_add(&headers, e->headers[h]);
		sigv4_sign(&keys, &request, &headers);
		assert_true(strvec_has(&headers, "X-Amz-Date: 20130524T000000Z"));
		if (!str_ends_with(headers.items[headers.len - 1], e->signature))
			fail_msg("%s %s?%s: %s", e->method, e->path, e->query,
				headers.items[headers.len - 1]);
	}
}

static void form_of_the_header(void **state)
{
	struct sigv4_request request = {
		.method = "GET",
		.host = "examplebucket.s3.amazonaws.com",
		.path = "/test.txt",
		.query = "",
		.region = "us-east-1",
		.service = "s3",
		.now_s = MAY_24_2013,
	};
	auto_strvec headers = STRVEC_INIT;

	(void)state;
	strvec_add(&headers, "Range:   bytes=0-9  ");
	sigv4_sign(&keys, &request, &headers);
	assert_string_equal(headers.items[headers.len - 1],
		"Authorization: AWS4-HMAC-SHA256 "
		"Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
		"SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
		"Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

/* "get-vanilla" of the test suite that AWS published for version 4. */
static void another_service(void **state)
{
	const struct sigv4_keys suite = {
		.key_id = "AKIDEXAMPLE",
		.secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
	};
	struct sigv4_request request = {
		.method = "GET",
		.host = "example.amazonaws.com",
		.path = "/",
		.query = "",
		.region = "us-east-1",
		.service = "service",
		.now_s = 1440938160,
	};
	auto_strvec headers = STRVEC_INIT;

	(void)state;
	sigv4_sign(&suite, &request, &headers);
	assert_int_equal(headers.len, 2);
	assert_true(str_ends_with(headers.items[1],
		"5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"));
}

static void session_token(void **state)
{
	const struct sigv4_keys with_token = {
		.key_id = "A", .secret = "b", .session_token = "tok/en"};
	struct sigv4_request request = {
		.method = "GET",
		.host = "h",
		.path = "/",
		.query = "",
		.region = "r",
		.service = "s3",
		.now_s = MAY_24_2013,
	};
	auto_strvec headers = STRVEC_INIT;

	(void)state;
	sigv4_sign(&with_token, &request, &headers);
	assert_true(strvec_has(&headers, "X-Amz-Security-Token: tok/en"));
	assert_non_null(
		strstr(headers.items[headers.len - 1], ";x-amz-date;x-amz-security-token,"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(examples_of_s3),
		cmocka_unit_test(form_of_the_header),
		cmocka_unit_test(another_service),
		cmocka_unit_test(session_token),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

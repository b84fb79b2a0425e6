#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "net/challenge.h"

#define WWW "www-authenticate: "

struct sample {
	const char *header;
	enum challenge_scheme scheme;
	const char *realm;
	const char *service;
	const char *scope;
};

static const struct sample samples[] = {
	{WWW "Bearer realm=\"https://auth.docker.io/token\",service=\"registry.docker.io\",scope="
	     "\"repository:library/busybox:pull\"",
		CHALLENGE_BEARER, "https://auth.docker.io/token", "registry.docker.io",
		"repository:library/busybox:pull"},
	{WWW "Bearer realm=\"https://a/t\"", CHALLENGE_BEARER, "https://a/t", NULL, NULL},
	{WWW "bEARER REALM = \"https://a/t\" , Service= x", CHALLENGE_BEARER, "https://a/t", "x",
		NULL},
	{WWW "Bearer realm=https://a/t?x=1,service=s", CHALLENGE_BEARER, "https://a/t?x=1", "s",
		NULL},
	{WWW "Bearer realm=\"https://a/t\",scope=\"repository:a:pull,push repository:b:pull\"",
		CHALLENGE_BEARER, "https://a/t", NULL, "repository:a:pull,push repository:b:pull"},
	{WWW "Bearer realm=\"a\\\"b\\\\c\"", CHALLENGE_BEARER, "a\"b\\c", NULL, NULL},
	{WWW "Basic realm=\"Registry Realm\"", CHALLENGE_BASIC, "Registry Realm", NULL, NULL},
	{WWW "Basic", CHALLENGE_BASIC, NULL, NULL, NULL},
	{WWW "Basic realm=\"x\", Bearer realm=\"https://a/t\"", CHALLENGE_BEARER, "https://a/t",
		NULL, NULL},
	{WWW "Bearer realm=\"https://a/t\", Basic realm=\"x\"", CHALLENGE_BEARER, "https://a/t",
		NULL, NULL},
	{WWW "Negotiate, Basic realm=\"x\"", CHALLENGE_BASIC, "x", NULL, NULL},
	{WWW "Negotiate", CHALLENGE_NONE, NULL, NULL, NULL},
	{WWW "Bearer service=\"no realm\"", CHALLENGE_NONE, NULL, NULL, NULL},
	{WWW "Bearer realm=\"no end", CHALLENGE_NONE, NULL, NULL, NULL},
	{WWW "", CHALLENGE_NONE, NULL, NULL, NULL},
	{WWW ",,,", CHALLENGE_NONE, NULL, NULL, NULL},
	{WWW "=", CHALLENGE_NONE, NULL, NULL, NULL},
	{WWW "Bearer =", CHALLENGE_NONE, NULL, NULL, NULL},
	{WWW "Bearer realm=\"a\", realm=\"b\"", CHALLENGE_BEARER, "a", NULL, NULL},
	{"authenticate: Bearer realm=\"a\"", CHALLENGE_NONE, NULL, NULL, NULL},
};

static void assert_text(const char *header, const char *got, const char *wanted)
{
	if (!str_eq(got, wanted))
		fail_msg(
			"%s: %s, not %s", header, got ? got : "(none)", wanted ? wanted : "(none)");
}

static void headers_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < array_size(samples); i++) {
		auto_strvec headers = STRVEC_INIT;
		auto_challenge challenge = {0};

		strvec_add(&headers, "content-type: x");
		strvec_add(&headers, samples[i].header);
		challenge_read(&headers, &challenge);
		if (challenge.scheme != samples[i].scheme)
			fail_msg("%s: scheme %d", samples[i].header, challenge.scheme);
		assert_text(samples[i].header, challenge.realm, samples[i].realm);
		assert_text(samples[i].header, challenge.service, samples[i].service);
		assert_text(samples[i].header, challenge.scope, samples[i].scope);
	}
}

static void several_headers(void **state)
{
	auto_strvec headers = STRVEC_INIT;
	auto_challenge challenge = {0};

	(void)state;
	strvec_add(&headers, WWW "Basic realm=\"x\"");
	strvec_add(&headers, WWW "Bearer realm=\"https://a\",error=\"invalid_token\"");
	challenge_read(&headers, &challenge);
	assert_int_equal(challenge.scheme, CHALLENGE_BEARER);
	assert_string_equal(challenge.error, "invalid_token");
}

static void values_have_a_limit(void **state)
{
	auto_strvec headers = STRVEC_INIT;
	auto_challenge challenge = {0};
	char value[5001];

	(void)state;
	memset(value, 'a', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	strvec_addf(&headers, WWW "Bearer realm=\"%s\"", value);
	challenge_read(&headers, &challenge);
	assert_int_equal(challenge.scheme, CHALLENGE_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers_read),
		cmocka_unit_test(several_headers),
		cmocka_unit_test(values_have_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

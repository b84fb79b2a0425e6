#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "net/dockerconfig.h"

/* "me:s3cr3t" */
#define AUTH "bWU6czNjcjN0"

static void parse_ok(const char *text, struct registry_auth_list *list)
{
	auto_err err = ERR_INIT;

	if (dockerconfig_parse(text, strlen(text), list, &err) < 0)
		fail_msg("%s: %s", text, err_message(&err));
}

static void assert_auth(const struct registry_auth *auth, const char *host, const char *path,
	const char *user, const char *password, const char *token)
{
	assert_string_equal(auth->host, host);
	assert_string_equal(auth->path, path);
	assert_string_equal(auth->user, user);
	assert_string_equal(auth->password, password);
	assert_string_equal(auth->identity_token, token);
}

static void both_forms(void **state)
{
	auto_registry_auth_list list = {0};

	(void)state;
	parse_ok("{\"auths\": {\"registry.example:5000\": {\"auth\": \"" AUTH "\"}}}", &list);
	parse_ok(
		"{\"https://registry.example/team/\": {\"username\": \"u\", \"password\": \"p:q\", "
		"\"email\": \"x\"}}",
		&list);
	parse_ok("{\"auths\": {\"r.example\": {\"identitytoken\": \"tok\", \"auth\": \"" AUTH
		 "\"}}, \"credsStore\": \"x\"}",
		&list);
	assert_int_equal(list.len, 3);
	assert_auth(&list.items[0], "registry.example:5000", "", "me", "s3cr3t", "");
	assert_auth(&list.items[1], "registry.example", "/team/", "u", "p:q", "");
	assert_auth(&list.items[2], "r.example", "", "me", "s3cr3t", "tok");
}

static void names_of_docker_io(void **state)
{
	static const char *const keys[] = {"https://index.docker.io/v1/", "index.docker.io",
		"docker.io", "https://registry-1.docker.io/v2/", "http://docker.io/"};

	(void)state;
	for (size_t i = 0; i < array_size(keys); i++) {
		auto_registry_auth_list list = {0};
		auto_free char *text =
			xasprintf("{\"auths\": {\"%s\": {\"auth\": \"" AUTH "\"}}}", keys[i]);

		parse_ok(text, &list);
		assert_int_equal(list.len, 1);
		assert_auth(&list.items[0], "docker.io", "", "me", "s3cr3t", "");
	}
}

static void nothing_in_it(void **state)
{
	static const char *const texts[] = {"{}", "{\"auths\": {}}", "{\"auths\": null}",
		"{\"auths\": {\"r.example\": {}}}", "{\"credsStore\": \"desktop\"}",
		"{\"auths\": {\"r.example\": {\"auth\": \"\", \"username\": null}}}"};

	(void)state;
	for (size_t i = 0; i < array_size(texts); i++) {
		auto_registry_auth_list list = {0};

		parse_ok(texts[i], &list);
		assert_int_equal(list.len, 0);
	}
}

static void bad_files(void **state)
{
	static const struct {
		const char *text;
		const char *says;
	} bad[] = {
		{"", "not JSON"},
		{"{\"auths\": {\"r\": {\"auth\": \"s3cr3t", "not JSON"},
		{"[]", "object"},
		{"{\"auths\": []}", "object"},
		{"{\"auths\": {\"r.example\": \"s3cr3t\"}}", "r.example must be an object"},
		{"{\"auths\": {\"r.example\": {\"auth\": \"s3cr3t!\"}}}", "the entry of r.example"},
		{"{\"auths\": {\"r.example\": {\"auth\": \"bWU=\"}}}", "user:password"},
		{"{\"auths\": {\"r.example\": {\"auth\": \"YTpiAGM=\"}}}", "user:password"},
		{"{\"auths\": {\"r.example\": {\"password\": 1}}}", "password must be a string"},
		{"{\"r.example\": \"s3cr3t\"}", "must be an object"},
	};
	auto_registry_auth_list list = {0};

	(void)state;
	registry_auth_add(&list, "kept", "", "a", "b", NULL);
	for (size_t i = 0; i < array_size(bad); i++) {
		auto_err err = ERR_INIT;

		if (dockerconfig_parse(bad[i].text, strlen(bad[i].text), &list, &err) == 0)
			fail_msg("%s was accepted", bad[i].text);
		assert_int_equal(err.class, ERR_USER);
		assert_string_equal(err.reason, "InvalidPullSecret");
		if (!strstr(err.message, bad[i].says) || strstr(err.message, "s3cr3t"))
			fail_msg("%s: %s", bad[i].text, err.message);
		assert_int_equal(list.len, 1);
	}
}

static void half_good_file(void **state)
{
	auto_registry_auth_list list = {0};
	const char *text = "{\"auths\": {\"a.example\": {\"auth\": \"" AUTH
			   "\"}, \"b.example\": {\"auth\": \"?\"}}}";

	(void)state;
	assert_int_equal(dockerconfig_parse(text, strlen(text), &list, NULL), -1);
	assert_int_equal(list.len, 0);
}

static void limits(void **state)
{
	auto_registry_auth_list list = {0};
	struct buf text = BUF_INIT;
	auto_err err = ERR_INIT;
	char *large = xcalloc(1, DOCKERCONFIG_MAX + 1);

	(void)state;
	assert_int_equal(dockerconfig_parse(large, DOCKERCONFIG_MAX + 1, &list, &err), -1);
	free(large);
	buf_adds(&text, "{");
	for (int i = 0; i <= DOCKERCONFIG_ENTRIES_MAX; i++)
		buf_addf(&text, "%s\"r%d.example\": {\"auth\": \"" AUTH "\"}", i ? "," : "", i);
	buf_adds(&text, "}");
	assert_int_equal(dockerconfig_parse(text.data, text.len, &list, &err), -1);
	assert_non_null(strstr(err.message, "1024"));
	buf_free(&text);
}

/* The table of the kubelet's documentation, and its oddities. */
static const struct {
	const char *key;
	const char *host;
	const char *repository;
	bool matches;
} rules[] = {
	{"registry.example", "registry.example", "a", true},
	{"registry.example", "registry.example:5000", "a", false},
	{"registry.example:5000", "registry.example:5000", "a", true},
	{"registry.example:5000", "registry.example", "a", false},
	{"*.kubernetes.io", "abc.kubernetes.io", "a", true},
	{"*.kubernetes.io", "kubernetes.io", "a", false},
	{"*.kubernetes.io", "abc.def.kubernetes.io", "a", false},
	{"*.*.kubernetes.io", "abc.def.kubernetes.io", "a", true},
	{"prefix.*.io", "prefix.kubernetes.io", "a", true},
	{"*-good.kubernetes.io", "prefix-good.kubernetes.io", "a", true},
	{"k8s?.io", "k8s1.io", "a", true},
	{"k8s[1-3].io", "k8s2.io", "a", true},
	{"k8s[1-3].io", "k8s4.io", "a", false},
	{"*.io:5000", "a.io:5000", "a", true},
	{"registry.example/images", "registry.example", "images/a", true},
	{"registry.example/images", "registry.example", "imagesother/a", true},
	{"registry.example/images/", "registry.example", "imagesother/a", false},
	{"registry.example/images", "registry.example", "other/images", false},
	{"docker.io", "docker.io", "library/busybox", true},
	{"[::1]:5000", "[::1]:5000", "a", true},
	{"[::1]:5000", "[::2]:5000", "a", false},
};

static void kubelet_rules(void **state)
{
	(void)state;
	for (size_t i = 0; i < array_size(rules); i++) {
		auto_registry_auth_list list = {0}, found = {0};
		auto_free char *text =
			xasprintf("{\"%s\": {\"auth\": \"" AUTH "\"}}", rules[i].key);

		parse_ok(text, &list);
		registry_auth_match(&list, rules[i].host, rules[i].repository, &found);
		if ((found.len == 1) != rules[i].matches)
			fail_msg("%s and %s/%s", rules[i].key, rules[i].host, rules[i].repository);
	}
}

static void most_specific_first(void **state)
{
	auto_registry_auth_list list = {0}, found = {0};

	(void)state;
	parse_ok("{\"auths\": {\"*.example\": {\"username\": \"glob\"}, \"r.example\": "
		 "{\"username\": "
		 "\"host\"}, \"r.example/a/b\": {\"username\": \"long\"}, \"r.example/a\": "
		 "{\"username\": \"short\"}, \"s.example\": {\"username\": \"other\"}}}",
		&list);
	parse_ok("{\"r.example\": {\"username\": \"again\"}}", &list);
	registry_auth_match(&list, "r.example", "a/b/c", &found);
	assert_int_equal(found.len, 5);
	assert_string_equal(found.items[0].user, "long");
	assert_string_equal(found.items[1].user, "short");
	assert_string_equal(found.items[2].user, "host");
	assert_string_equal(found.items[3].user, "again");
	assert_string_equal(found.items[4].user, "glob");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_forms),
		cmocka_unit_test(names_of_docker_io),
		cmocka_unit_test(nothing_in_it),
		cmocka_unit_test(bad_files),
		cmocka_unit_test(half_good_file),
		cmocka_unit_test(limits),
		cmocka_unit_test(kubelet_rules),
		cmocka_unit_test(most_specific_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

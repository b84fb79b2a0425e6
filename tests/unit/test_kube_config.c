#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/base64.h"
#include "kube/config.h"
#include "kube/internal.h"

static char *dir; /* a temporary folder per test */

static char *in_dir(const char *name)
{
	return xasprintf("%s/%s", dir, name);
}

static void write_file(const char *name, const char *text)
{
	auto_free char *path = in_dir(name);
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static int set_up(void **state)
{
	(void)state;
	dir = xstrdup("/tmp/test_kube_config.XXXXXX");
	assert_non_null(mkdtemp(dir));
	unsetenv("KUBECONFIG");
	unsetenv("KUBERNETES_SERVICE_HOST");
	unsetenv("KUBERNETES_SERVICE_PORT");
	setenv("HOME", dir, 1);
	return 0;
}

static int tear_down(void **state)
{
	static const char *const names[] = {"a", "b", "ca.pem", "cert.pem", "key.pem", "token",
		"ca.crt", "namespace", ".kube/config", "pipe"};

	(void)state;
	for (size_t i = 0; i < array_size(names); i++) {
		auto_free char *path = in_dir(names[i]);

		unlink(path);
	}
	for (int i = 0; i < 1; i++) {
		auto_free char *path = in_dir(".kube");

		rmdir(path);
	}
	assert_int_equal(rmdir(dir), 0);
	free(dir);
	return 0;
}

static const char full[] =
	"apiVersion: v1\n"
	"kind: Config\n"
	"current-context: prod\n"
	"clusters:\n"
	"- name: c1\n"
	"  cluster: {server: 'https://k8s.example:6443/', certificate-authority: ca.pem,\n"
	"    tls-server-name: inner, proxy-url: 'socks5://proxy:1080'}\n"
	"- name: c2\n"
	"  cluster: {server: 'http://127.0.0.1:8001/prefix/', insecure-skip-tls-verify: true}\n"
	"users:\n"
	"- name: u1\n"
	"  user: {client-certificate: cert.pem, client-key-data: S0VZ, as: jane, as-uid: u-1,\n"
	"    as-groups: [dev, ops], as-user-extra: {scopes: [view, edit]}}\n"
	"- name: u2\n"
	"  user: {token: t0p-secret, tokenFile: token, username: me, password: pw}\n"
	"- name: u3\n"
	"  user:\n"
	"    exec: {apiVersion: client.authentication.k8s.io/v1, command: ./plugin, args: [get, "
	"x],\n"
	"      env: [{name: A, value: b}], installHint: install it, provideClusterInfo: true,\n"
	"      interactiveMode: IfAvailable}\n"
	"contexts:\n"
	"- name: prod\n"
	"  context: {cluster: c1, user: u1, namespace: data}\n"
	"- name: dev\n"
	"  context: {cluster: c2, user: u2}\n"
	"- name: plugin\n"
	"  context: {cluster: c2, user: u3}\n";

static void reads_every_field(void **state)
{
	struct kube_config *config = NULL;
	auto_err err = ERR_INIT;
	auto_free char *cert_path = in_dir("cert.pem");
	auto_free char *command = in_dir("./plugin");
	auto_free char *token_path = in_dir("token");

	(void)state;
	write_file("ca.pem", "CA");
	write_file("cert.pem", "CERT");
	assert_int_equal(kube_config_parse(full, strlen(full), dir, NULL, &config, &err), 0);
	assert_string_equal(config->server, "https://k8s.example:6443");
	assert_string_equal(config->namespace_, "data");
	assert_string_equal(config->context, "prod");
	assert_string_equal(config->ca_pem, "CA");
	assert_string_equal(config->client_cert_pem, "CERT");
	assert_string_equal(config->client_cert_file, cert_path);
	assert_string_equal(config->client_key_pem, "KEY");
	assert_null(config->client_key_file);
	assert_string_equal(config->tls_server_name, "inner");
	assert_string_equal(config->proxy_url, "socks5://proxy:1080");
	assert_string_equal(config->as_user, "jane");
	assert_string_equal(config->as_uid, "u-1");
	assert_int_equal(config->as_groups.len, 2);
	assert_string_equal(config->as_extra.items[1], "scopes=edit");
	kube_config_free(config);

	assert_int_equal(kube_config_parse(full, strlen(full), dir, "dev", &config, &err), 0);
	assert_string_equal(config->server, "http://127.0.0.1:8001/prefix");
	assert_true(config->insecure_skip_tls_verify);
	assert_string_equal(config->namespace_, "default");
	assert_string_equal(config->token, "t0p-secret");
	assert_string_equal(config->token_file, token_path);
	assert_string_equal(config->password, "pw");
	kube_config_free(config);

	assert_int_equal(kube_config_parse(full, strlen(full), dir, "plugin", &config, &err), 0);
	assert_string_equal(config->exec.command, command);
	assert_string_equal(config->exec.args.items[1], "x");
	assert_string_equal(config->exec.env.items[0], "A=b");
	assert_string_equal(config->exec.install_hint, "install it");
	assert_true(config->exec.provide_cluster_info);
	kube_config_free(config);
}

static void copies_everything(void **state)
{
	struct kube_config *config = NULL, *copy;
	auto_err err = ERR_INIT;

	(void)state;
	write_file("ca.pem", "CA");
	write_file("cert.pem", "CERT");
	assert_int_equal(kube_config_parse(full, strlen(full), dir, "plugin", &config, &err), 0);
	copy = kube_config_copy(config);
	kube_config_free(config);
	assert_string_equal(copy->exec.args.items[0], "get");
	assert_string_equal(copy->server, "http://127.0.0.1:8001/prefix");
	kube_config_free(copy);
}

#define CLUSTER "clusters: [{name: c, cluster: {server: 'https://h'"
#define CONTEXT "contexts: [{name: x, context: {cluster: c, user: u}}]\ncurrent-context: x\n"

static void refuses_with_the_place_and_a_hint(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{"", "no current-context"},
		{"- a\n", "no mapping"},
		{"current-context: y\n", "`current-context` must be a string"},
		{"clusters: 3\n", "`clusters` must be a list"},
		{"users: [{user: {}}]\n", "`users[0]` has no name"},
		{"current-context: gone\ncontexts: [{name: x}]\n",
			"context `gone` does not exist (known: x)"},
		{CONTEXT, "cluster `c` does not exist"},
		{CLUSTER "}}]\n" CONTEXT, "user `u` does not exist"},
		{"clusters: [{name: c, cluster: {}}]\nusers: [{name: u}]\n" CONTEXT,
			"`server` is missing"},
		{"clusters: [{name: c, cluster: {server: 'ftp://h'}}]\nusers: [{name: "
		 "u}]\n" CONTEXT,
			"https://"},
		{"clusters: [{name: c, cluster: {server: 3}}]\nusers: [{name: u}]\n" CONTEXT,
			"`server` must be a string"},
		{CLUSTER ", certificate-authority-data: '%%'}}]\nusers: [{name: u}]\n" CONTEXT,
			"certificate-authority-data"},
		{CLUSTER ", certificate-authority-data: Q0E=, insecure-skip-tls-verify: true}}]\n"
			 "users: [{name: u}]\n" CONTEXT,
			"exclude each other"},
		{CLUSTER
			", certificate-authority: /nonexistent/ca}}]\nusers: [{name: u}]\n" CONTEXT,
			"/nonexistent/ca"},
		{CLUSTER ", proxy-url: 'ftp://p'}}]\nusers: [{name: u}]\n" CONTEXT, "proxy-url"},
		{CLUSTER "}}]\nusers: [{name: u, user: {auth-provider: {name: gcp}}}]\n" CONTEXT,
			"use an `exec` plugin"},
		{CLUSTER "}}]\nusers: [{name: u, user: {client-certificate-data: Q0E=}}]\n" CONTEXT,
			"needed together"},
		{CLUSTER "}}]\nusers: [{name: u, user: {as-groups: [a]}}]\n" CONTEXT, "need `as`"},
		{CLUSTER "}}]\nusers: [{name: u, user: {exec: {command: x}}}]\n" CONTEXT,
			"exec.apiVersion"},
		{CLUSTER
			"}}]\nusers: [{name: u, user: {exec: {command: x, interactiveMode: Always, "
			"apiVersion: client.authentication.k8s.io/v1}}}]\n" CONTEXT,
			"interactiveMode"},
		{CLUSTER "}}]\nusers: [{name: u, user: {tokenFile: rel}}]\n" CONTEXT,
			"relative path"},
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		struct kube_config *config = NULL;
		auto_err err = ERR_INIT;

		assert_int_equal(kube_config_parse(cases[i].text, strlen(cases[i].text), NULL, NULL,
					 &config, &err),
			-1);
		assert_int_equal(err.class, ERR_USER);
		if (!strstr(err_message(&err), cases[i].message))
			fail_msg("case %zu: `%s` does not say `%s`", i, err_message(&err),
				cases[i].message);
		assert_null(config);
	}
}

static void the_first_file_of_the_list_wins(void **state)
{
	struct kube_config_options options = {.context = NULL};
	struct kube_config *config = NULL;
	auto_err err = ERR_INIT;
	auto_free char *list = xasprintf("%s/missing:%s/a::%s/b", dir, dir, dir);

	(void)state;
	write_file(
		"a", "current-context: x\nclusters: [{name: c, cluster: {server: 'https://a'}}]\n");
	write_file("b",
		"current-context: z\nclusters: [{name: c, cluster: {server: 'https://b'}}]\n"
		"users: [{name: u, user: {tokenFile: token}}]\n"
		"contexts: [{name: x, context: {cluster: c, user: u, namespace: ns}}]\n");
	setenv("KUBECONFIG", list, 1);
	assert_int_equal(kube_config_load(&options, &config, &err), 0);
	assert_string_equal(config->server, "https://a");
	assert_string_equal(config->namespace_, "ns");
	assert_true(str_starts_with(config->token_file, dir));
	kube_config_free(config);
	options.namespace_ = "other";
	assert_int_equal(kube_config_load(&options, &config, &err), 0);
	assert_string_equal(config->namespace_, "other");
	kube_config_free(config);
	setenv("KUBECONFIG", "/nonexistent/1:/nonexistent/2", 1);
	assert_int_equal(kube_config_load(&options, &config, &err), -1);
	assert_non_null(strstr(err_message(&err), "/nonexistent/1"));
}

static void explicit_path_then_home(void **state)
{
	struct kube_config_options options = {.kubeconfig = "/nonexistent/config"};
	struct kube_config *config = NULL;
	auto_err err = ERR_INIT;
	auto_free char *kube_dir = in_dir(".kube");

	(void)state;
	assert_int_equal(kube_config_load(&options, &config, &err), -1);
	assert_non_null(strstr(err_message(&err), "/nonexistent/config does not exist"));
	options.kubeconfig = NULL;
	assert_int_equal(kube_config_load(&options, &config, &err), -1);
	assert_non_null(strstr(err_message(&err), "no cluster to talk to"));
	assert_int_equal(mkdir(kube_dir, 0700), 0);
	write_file(".kube/config", CLUSTER "}}]\nusers: [{name: u}]\n" CONTEXT);
	assert_int_equal(kube_config_load(&options, &config, &err), 0);
	assert_string_equal(config->server, "https://h");
	kube_config_free(config);
}

static void in_cluster_files(void **state)
{
	struct kube_config_options options = {.service_account_dir = dir};
	struct kube_config *config = NULL;
	auto_err err = ERR_INIT;

	(void)state;
	setenv("KUBERNETES_SERVICE_HOST", "fd00::1", 1);
	setenv("KUBERNETES_SERVICE_PORT", "6443", 1);
	assert_int_equal(kube_config_load(&options, &config, &err), -1);
	assert_non_null(strstr(err_message(&err), "token"));
	write_file("token", "abc\n");
	write_file("ca.crt", "CA");
	write_file("namespace", "ns1\n");
	assert_int_equal(kube_config_load(&options, &config, &err), 0);
	assert_string_equal(config->server, "https://[fd00::1]:6443");
	assert_string_equal(config->token, "abc");
	assert_string_equal(config->namespace_, "ns1");
	assert_string_equal(config->ca_pem, "CA");
	assert_null(config->context);
	kube_config_free(config);
}

static void only_small_regular_files_are_read(void **state)
{
	struct kube_config_options options = {.kubeconfig = "/dev/zero"};
	struct kube_config *config = NULL;
	auto_err err = ERR_INIT;
	auto_free char *pipe_path = in_dir("pipe");

	(void)state;
	assert_int_equal(kube_config_load(&options, &config, &err), -1);
	assert_non_null(strstr(err_message(&err), "not a regular file"));
	assert_int_equal(mkfifo(pipe_path, 0600), 0);
	options.kubeconfig = pipe_path;
	assert_int_equal(kube_config_load(&options, &config, &err), -1);
	options.kubeconfig = dir;
	assert_int_equal(kube_config_load(&options, &config, &err), -1);
}

static void base64_both_ways(void **state)
{
	static const char *const pairs[][2] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="},
		{"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="},
		{"foobar", "Zm9vYmFy"}};
	static const char *const bad[] = {"Z", "Zg=", "Zg===", "Z===", "Zm9v!", "Zg==Zg==", "-_-_"};
	size_t len;

	(void)state;
	for (size_t i = 0; i < array_size(pairs); i++) {
		auto_free char *text = base64_encode(pairs[i][0], strlen(pairs[i][0]));
		auto_free char *back = base64_decode(pairs[i][1], &len);

		assert_string_equal(text, pairs[i][1]);
		assert_string_equal(back, pairs[i][0]);
		assert_int_equal(len, strlen(pairs[i][0]));
	}
	for (size_t i = 0; i < array_size(bad); i++)
		assert_null(base64_decode(bad[i], &len));
}

static void reads_what_exec_plugins_print(void **state)
{
	static const char good[] =
		"{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\","
		"\"status\":{\"token\":\"tk\",\"expirationTimestamp\":\"2030-01-01T00:00:00Z\"}}";
	static const char *const bad[] = {"", "secret-text", "[]", "{}",
		"{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\"}",
		"{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\","
		"\"status\":{\"clientCertificateData\":\"c\"}}",
		"{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\","
		"\"status\":{\"token\":\"secret-text\\n\"}}"};
	struct kube_exec_result result = {0};
	auto_err err = ERR_INIT;

	(void)state;
	assert_int_equal(kube_exec_parse(good, strlen(good), "client.authentication.k8s.io/v1",
				 &result, &err),
		0);
	assert_string_equal(result.token, "tk");
	assert_int_equal(result.expires_ms, INT64_C(1893456000000));
	kube_exec_result_release(&result);
	for (size_t i = 0; i < array_size(bad); i++) {
		assert_int_equal(kube_exec_parse(bad[i], strlen(bad[i]),
					 "client.authentication.k8s.io/v1", &result, &err),
			-1);
		assert_null(strstr(err_message(&err), "secret-text"));
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(reads_every_field),
		TEST(copies_everything),
		TEST(refuses_with_the_place_and_a_hint),
		TEST(the_first_file_of_the_list_wins),
		TEST(explicit_path_then_home),
		TEST(in_cluster_files),
		TEST(only_small_regular_files_are_read),
		TEST(base64_both_ways),
		TEST(reads_what_exec_plugins_print),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

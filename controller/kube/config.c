/*
 * Which API server to talk to. Files are read into trees first, their relative paths made
 * absolute, and the trees merged; kubeconfig.c then reads the chosen context.
 */
#include "kube/config.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "doc/json.h"
#include "doc/yaml.h"
#include "kube/file.h"
#include "kube/internal.h"

#define SERVICE_ACCOUNT_DIR "/var/run/secrets/kubernetes.io/serviceaccount"
#define MAX_FILES 64

static char *dup_or_null(const char *s)
{
	return s ? xstrdup(s) : NULL;
}

static void strvec_copy(struct strvec *to, const struct strvec *from)
{
	strvec_for_each (from, i)
		strvec_add(to, from->items[i]);
}

static void strvec_wipe(struct strvec *v)
{
	strvec_for_each (v, i)
		explicit_bzero(v->items[i], strlen(v->items[i]));
	strvec_clear(v);
}

struct kube_config *kube_config_copy(const struct kube_config *config)
{
	struct kube_config *copy = xnew(struct kube_config);

	copy->server = dup_or_null(config->server);
	copy->namespace_ = dup_or_null(config->namespace_);
	copy->context = dup_or_null(config->context);
	copy->ca_pem = dup_or_null(config->ca_pem);
	copy->ca_file = dup_or_null(config->ca_file);
	copy->client_cert_pem = dup_or_null(config->client_cert_pem);
	copy->client_key_pem = dup_or_null(config->client_key_pem);
	copy->client_cert_file = dup_or_null(config->client_cert_file);
	copy->client_key_file = dup_or_null(config->client_key_file);
	copy->token = dup_or_null(config->token);
	copy->token_file = dup_or_null(config->token_file);
	copy->username = dup_or_null(config->username);
	copy->password = dup_or_null(config->password);
	copy->tls_server_name = dup_or_null(config->tls_server_name);
	copy->proxy_url = dup_or_null(config->proxy_url);
	copy->insecure_skip_tls_verify = config->insecure_skip_tls_verify;
	copy->as_user = dup_or_null(config->as_user);
	copy->as_uid = dup_or_null(config->as_uid);
	strvec_copy(&copy->as_groups, &config->as_groups);
	strvec_copy(&copy->as_extra, &config->as_extra);
	copy->exec.command = dup_or_null(config->exec.command);
	strvec_copy(&copy->exec.args, &config->exec.args);
	strvec_copy(&copy->exec.env, &config->exec.env);
	copy->exec.api_version = dup_or_null(config->exec.api_version);
	copy->exec.install_hint = dup_or_null(config->exec.install_hint);
	copy->exec.provide_cluster_info = config->exec.provide_cluster_info;
	return copy;
}

void kube_config_free(struct kube_config *config)
{
	if (!config)
		return;
	free(config->server);
	free(config->namespace_);
	free(config->context);
	free(config->ca_pem);
	free(config->ca_file);
	free(config->client_cert_pem);
	mem_free_secret(config->client_key_pem);
	free(config->client_cert_file);
	free(config->client_key_file);
	mem_free_secret(config->token);
	free(config->token_file);
	free(config->username);
	mem_free_secret(config->password);
	free(config->tls_server_name);
	mem_free_secret(config->proxy_url);
	free(config->as_user);
	free(config->as_uid);
	strvec_clear(&config->as_groups);
	strvec_clear(&config->as_extra);
	free(config->exec.command);
	strvec_wipe(&config->exec.args);
	strvec_wipe(&config->exec.env);
	free(config->exec.api_version);
	free(config->exec.install_hint);
	free(config);
}

/* --- files into one tree --- */

static char *dir_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	char cwd[PATH_MAX];

	if (slash)
		return slash == path ? xstrdup("/") : xstrndup(path, (size_t)(slash - path));
	return xstrdup(getcwd(cwd, sizeof(cwd)) ? cwd : ".");
}

/* 1 when there is no such file. */
static int load_tree(const char *path, json_t **ret_tree, struct err *err)
{
	char *text;
	size_t len;
	auto_free char *dir = dir_of(path);
	int r = kube_file_read(path, "kubeconfig", &text, &len, err);

	if (r != 0)
		return r;
	r = kubeconfig_read_tree(text, len, dir, ret_tree, err);
	mem_free_secret(text);
	if (r < 0)
		return err_wrap(err, "kubeconfig %s", path);
	return 0;
}

static int load_one(const struct kube_config_options *options, const char *path,
	struct kube_config **ret, struct err *err)
{
	auto_json *tree = NULL;
	int r = load_tree(path, &tree, err);

	if (r > 0)
		return err_set(err, ERR_USER, "KubeconfigInvalid",
			"kubeconfig %s does not exist; give another by --kubeconfig", path);
	if (r < 0)
		return r;
	if (kubeconfig_resolve(tree, options->context, ret, err) < 0)
		return err_wrap(err, "kubeconfig %s", path);
	return 0;
}

/* Files of the list that do not exist are passed over, as kubectl does. */
static int load_list(const struct kube_config_options *options, const char *list,
	struct kube_config **ret, struct err *err)
{
	auto_json *merged = NULL;
	int files = 0;

	for (const char *at = list; *at;) {
		size_t len = strcspn(at, ":");
		auto_free char *path = xstrndup(at, len);
		auto_json *tree = NULL;
		int r;

		at += len + (at[len] == ':');
		if (len == 0)
			continue;
		if (++files > MAX_FILES)
			return err_set(err, ERR_USER, "KubeconfigInvalid",
				"KUBECONFIG names more than %d files", MAX_FILES);
		r = load_tree(path, &tree, err);
		if (r < 0)
			return r;
		if (r == 0)
			kubeconfig_merge(&merged, tree);
	}
	if (!merged)
		return err_set(err, ERR_USER, "KubeconfigInvalid",
			"none of the files in KUBECONFIG (%s) exists", list);
	err_clear(err);
	if (kubeconfig_resolve(merged, options->context, ret, err) < 0)
		return err_wrap(err, "KUBECONFIG=%s", list);
	return 0;
}

/* --- in the cluster --- */

static void trim(char *s)
{
	size_t len = strlen(s);

	while (len > 0 && strchr(" \t\r\n", s[len - 1]))
		s[--len] = '\0';
}

static bool in_cluster(void)
{
	const char *host = getenv("KUBERNETES_SERVICE_HOST");

	return host && host[0];
}

static int load_in_cluster(const char *dir, struct kube_config **ret_config, struct err *err)
{
	const char *host = getenv("KUBERNETES_SERVICE_HOST");
	const char *port = getenv("KUBERNETES_SERVICE_PORT");
	struct kube_config *config = xnew(struct kube_config);
	auto_free char *namespace_file = xasprintf("%s/namespace", dir);
	size_t len;

	config->token_file = xasprintf("%s/token", dir);
	config->ca_file = xasprintf("%s/ca.crt", dir);
	config->server = xasprintf(strchr(host, ':') ? "https://[%s]:%s" : "https://%s:%s", host,
		port && port[0] ? port : "443");
	if (kube_file_read(
		    config->token_file, "service account token", &config->token, &len, err) ||
		kube_file_read(config->ca_file, "service account CA", &config->ca_pem, &len, err)) {
		kube_config_free(config);
		err_wrap(err, "running in a cluster (KUBERNETES_SERVICE_HOST is set)");
		return -1;
	}
	trim(config->token);
	if (kube_file_read(namespace_file, "namespace", &config->namespace_, &len, NULL) == 0)
		trim(config->namespace_);
	if (!config->namespace_ || !config->namespace_[0]) {
		free(config->namespace_);
		config->namespace_ = xstrdup("default");
	}
	*ret_config = config;
	return 0;
}

static int load_home(
	const struct kube_config_options *options, struct kube_config **ret, struct err *err)
{
	const char *home = getenv("HOME");
	auto_free char *path = xasprintf("%s/.kube/config", home ? home : "");

	if (!home || access(path, F_OK) != 0)
		return err_set(err, ERR_USER, "KubeconfigInvalid",
			"no cluster to talk to: give --kubeconfig, set KUBECONFIG, or write %s",
			home ? path : "~/.kube/config");
	return load_one(options, path, ret, err);
}

int kube_config_load(
	const struct kube_config_options *options, struct kube_config **ret_config, struct err *err)
{
	const char *list = getenv("KUBECONFIG");
	const char *dir =
		options->service_account_dir ? options->service_account_dir : SERVICE_ACCOUNT_DIR;
	struct kube_config *config = NULL;
	int r;

	if (options->kubeconfig && options->kubeconfig[0])
		r = load_one(options, options->kubeconfig, &config, err);
	else if (list && list[0])
		r = load_list(options, list, &config, err);
	else if (in_cluster() && !options->context)
		r = load_in_cluster(dir, &config, err);
	else
		r = load_home(options, &config, err);
	if (r != 0)
		return -1;
	if (options->namespace_ && options->namespace_[0]) {
		free(config->namespace_);
		config->namespace_ = xstrdup(options->namespace_);
	}
	*ret_config = config;
	return 0;
}

int kube_config_parse(const char *text, size_t len, const char *dir, const char *context,
	struct kube_config **ret_config, struct err *err)
{
	auto_json *tree = NULL;

	if (kubeconfig_read_tree(text, len, dir, &tree, err) < 0)
		return -1;
	return kubeconfig_resolve(tree, context, ret_config, err);
}

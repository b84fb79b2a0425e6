/*
 * The kubeconfig format (v1 Config of client-go's tools/clientcmd/api): trees in, one
 * kube_config out. Values of secrets never reach an error.
 */
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "doc/json.h"
#include "doc/path.h"
#include "doc/yaml.h"
#include "base/base64.h"
#include "kube/file.h"
#include "kube/internal.h"

#define INVALID ERR_USER, "KubeconfigInvalid"
#define MAX_ENTRIES 4096 /* clusters, users or contexts of one file */

/* A field that is either absent (*ret NULL) or a string. */
static int read_str(
	const json_t *object, const char *key, const char *where, const char **ret, struct err *err)
{
	const json_t *value = json_object_get(object, key);

	*ret = NULL;
	if (!value || json_is_null(value))
		return 0;
	if (!json_is_string(value))
		return err_set(err, INVALID, "%s: `%s` must be a string", where, key);
	if (json_string_length(value) > 0)
		*ret = json_string_value(value);
	return 0;
}

static int read_copy(
	const json_t *object, const char *key, const char *where, char **ret, struct err *err)
{
	const char *value;

	if (read_str(object, key, where, &value, err) < 0)
		return -1;
	*ret = value ? xstrdup(value) : NULL;
	return 0;
}

static int read_bool(
	const json_t *object, const char *key, const char *where, bool *ret, struct err *err)
{
	const json_t *value = json_object_get(object, key);

	*ret = json_is_true(value);
	if (value && !json_is_null(value) && !json_is_boolean(value))
		return err_set(err, INVALID, "%s: `%s` must be true or false", where, key);
	return 0;
}

/* --- one file into a tree with absolute paths --- */

static int make_absolute(json_t *object, const char *key, const char *dir, struct err *err)
{
	const char *path = json_string_value(json_object_get(object, key));
	auto_free char *full = NULL;

	if (!path || path[0] == '/' || path[0] == '\0')
		return 0;
	if (!dir)
		return err_set(err, INVALID, "`%s` is a relative path", key);
	full = xasprintf("%s/%s", dir, path);
	json_object_set_new(object, key, json_string(full));
	return 0;
}

static int resolve_entry(json_t *entry, const char *dir, struct err *err)
{
	static const char *const user_paths[] = {"client-certificate", "client-key", "tokenFile"};
	json_t *cluster = json_object_get(entry, "cluster");
	json_t *user = json_object_get(entry, "user");
	json_t *exec = json_object_get(user, "exec");
	const char *command = json_string_value(json_object_get(exec, "command"));

	if (make_absolute(cluster, "certificate-authority", dir, err) < 0)
		return -1;
	for (size_t i = 0; i < array_size(user_paths); i++) {
		if (make_absolute(user, user_paths[i], dir, err) < 0)
			return -1;
	}
	/* A command without a slash is looked up in PATH. */
	if (command && strchr(command, '/'))
		return make_absolute(exec, "command", dir, err);
	return 0;
}

static int check_list(const json_t *tree, const char *list, const char *dir, struct err *err)
{
	json_t *entries = json_object_get(tree, list), *entry;
	size_t i;

	if (!entries || json_is_null(entries))
		return 0;
	if (!json_is_array(entries))
		return err_set(err, INVALID, "`%s` must be a list", list);
	if (json_array_size(entries) > MAX_ENTRIES)
		return err_set(err, INVALID, "`%s` has more than %d entries", list, MAX_ENTRIES);
	json_array_foreach (entries, i, entry) {
		if (!json_is_string(json_object_get(entry, "name")))
			return err_set(err, INVALID, "`%s[%zu]` has no name", list, i);
		if (resolve_entry(entry, dir, err) < 0)
			return err_wrap(err, "%s[%zu]", list, i);
	}
	return 0;
}

int kubeconfig_read_tree(
	const char *text, size_t len, const char *dir, json_t **ret_tree, struct err *err)
{
	auto_json *tree = NULL;

	if (len > KUBE_FILE_MAX)
		return err_set(err, INVALID, "over %zu bytes", KUBE_FILE_MAX);
	if (doc_yaml_parse_one(text, len, DOC_YAML_KUBERNETES, &tree, err) < 0)
		return -1;
	if (json_is_null(tree)) {
		json_decref(tree);
		tree = json_object();
	}
	if (!json_is_object(tree))
		return err_set(err, INVALID, "not a kubeconfig: the document is no mapping");
	if (check_list(tree, "clusters", dir, err) < 0 || check_list(tree, "users", dir, err) < 0 ||
		check_list(tree, "contexts", dir, err) < 0)
		return -1;
	*ret_tree = take_ptr(tree);
	return 0;
}

/* --- several files into one tree --- */

static const json_t *find_named(const json_t *tree, const char *list, const char *name)
{
	return doc_find(json_object_get(tree, list), "name", name);
}

static void merge_list(json_t *merged, const json_t *tree, const char *list)
{
	json_t *into = json_object_get(merged, list), *entry;
	size_t i;

	if (!json_is_array(into)) {
		into = json_array();
		json_object_set_new(merged, list, into);
	}
	json_array_foreach (json_object_get(tree, list), i, entry) {
		const char *name = json_string_value(json_object_get(entry, "name"));

		if (!find_named(merged, list, name))
			json_array_append(into, entry);
	}
}

void kubeconfig_merge(json_t **merged, const json_t *tree)
{
	const char *current = json_string_value(json_object_get(tree, "current-context"));

	if (!*merged)
		*merged = json_object();
	merge_list(*merged, tree, "clusters");
	merge_list(*merged, tree, "users");
	merge_list(*merged, tree, "contexts");
	if (current && current[0] && !json_object_get(*merged, "current-context"))
		json_object_set_new(*merged, "current-context", json_string(current));
}

/* --- a context into a configuration --- */

/* PEM from `<key>-data` (wins) or from the file that `<key>` names. */
static int read_pem(const json_t *object, const char *key, const char *where, char **ret_pem,
	char **ret_file, struct err *err)
{
	auto_free char *data_key = xasprintf("%s-data", key);
	const char *data, *path;
	size_t len;

	if (read_str(object, data_key, where, &data, err) < 0 ||
		read_str(object, key, where, &path, err) < 0)
		return -1;
	if (data) {
		*ret_pem = base64_decode(data, &len);
		if (!*ret_pem || strlen(*ret_pem) != len)
			return err_set(err, INVALID, "%s: `%s` is not base64 of a PEM text", where,
				data_key);
		return 0;
	}
	if (!path)
		return 0;
	if (kube_file_read(path, key, ret_pem, &len, err) != 0)
		return err_wrap(err, "%s", where);
	*ret_file = xstrdup(path);
	return 0;
}

static int read_server(
	const json_t *cluster, const char *where, struct kube_config *config, struct err *err)
{
	size_t len;

	if (read_copy(cluster, "server", where, &config->server, err) < 0)
		return -1;
	if (!config->server)
		return err_set(err, INVALID, "%s: `server` is missing", where);
	if (!strstr(config->server, "://")) {
		char *bare = config->server;

		config->server = xasprintf("https://%s", bare);
		mem_free_secret(bare);
	}
	if (!str_starts_with(config->server, "https://") &&
		!str_starts_with(config->server, "http://"))
		return err_set(
			err, INVALID, "%s: `server` must be an https:// or http:// URL", where);
	if (strpbrk(config->server, "?# \t\r\n"))
		return err_set(err, INVALID,
			"%s: `server` must be a plain URL without query or white space", where);
	for (len = strlen(config->server); len > 0 && config->server[len - 1] == '/'; len--)
		config->server[len - 1] = '\0';
	return 0;
}

static int read_cluster(
	const json_t *cluster, const char *where, struct kube_config *config, struct err *err)
{
	if (read_server(cluster, where, config, err) < 0 ||
		read_pem(cluster, "certificate-authority", where, &config->ca_pem, &config->ca_file,
			err) < 0 ||
		read_copy(cluster, "tls-server-name", where, &config->tls_server_name, err) < 0 ||
		read_copy(cluster, "proxy-url", where, &config->proxy_url, err) < 0 ||
		read_bool(cluster, "insecure-skip-tls-verify", where,
			&config->insecure_skip_tls_verify, err) < 0)
		return -1;
	if (config->insecure_skip_tls_verify && config->ca_pem)
		return err_set(err, INVALID,
			"%s: `insecure-skip-tls-verify` and a certificate authority exclude each "
			"other",
			where);
	if (config->proxy_url && !str_starts_with(config->proxy_url, "http://") &&
		!str_starts_with(config->proxy_url, "https://") &&
		!str_starts_with(config->proxy_url, "socks5://"))
		return err_set(err, INVALID,
			"%s: `proxy-url` must begin with http://, https:// or socks5://", where);
	return 0;
}

static int read_strings(
	const json_t *list, const char *key, const char *where, struct strvec *ret, struct err *err)
{
	size_t i;
	json_t *item;

	if (list && !json_is_null(list) && !json_is_array(list))
		return err_set(err, INVALID, "%s: `%s` must be a list of strings", where, key);
	json_array_foreach (list, i, item) {
		if (!json_is_string(item))
			return err_set(
				err, INVALID, "%s: `%s[%zu]` must be a string", where, key, i);
		strvec_add(ret, json_string_value(item));
	}
	return 0;
}

static int read_impersonation(
	const json_t *user, const char *where, struct kube_config *config, struct err *err)
{
	const char *key;
	json_t *values, *extra = json_object_get(user, "as-user-extra");

	if (read_copy(user, "as", where, &config->as_user, err) < 0 ||
		read_copy(user, "as-uid", where, &config->as_uid, err) < 0 ||
		read_strings(json_object_get(user, "as-groups"), "as-groups", where,
			&config->as_groups, err) < 0)
		return -1;
	if (extra && !json_is_null(extra) && !json_is_object(extra))
		return err_set(err, INVALID, "%s: `as-user-extra` must be a mapping", where);
	json_object_foreach (extra, key, values) {
		auto_strvec list = STRVEC_INIT;

		if (read_strings(values, "as-user-extra", where, &list, err) < 0)
			return -1;
		strvec_for_each (&list, i)
			strvec_addf(&config->as_extra, "%s=%s", key, list.items[i]);
	}
	if (!config->as_user && (config->as_uid || config->as_groups.len || config->as_extra.len))
		return err_set(err, INVALID,
			"%s: `as-uid`, `as-groups` and `as-user-extra` need `as`", where);
	return 0;
}

static int read_exec_env(
	const json_t *exec, const char *where, struct kube_exec_config *ret, struct err *err)
{
	json_t *env = json_object_get(exec, "env"), *entry;
	size_t i;

	if (env && !json_is_null(env) && !json_is_array(env))
		return err_set(err, INVALID, "%s: `exec.env` must be a list", where);
	json_array_foreach (env, i, entry) {
		const char *name = json_string_value(json_object_get(entry, "name"));
		const char *value = json_string_value(json_object_get(entry, "value"));

		if (!name || !name[0] || strchr(name, '='))
			return err_set(err, INVALID, "%s: `exec.env[%zu]` needs a name", where, i);
		strvec_addf(&ret->env, "%s=%s", name, value ? value : "");
	}
	return 0;
}

static int read_exec(
	const json_t *exec, const char *where, struct kube_exec_config *ret, struct err *err)
{
	const char *mode;

	if (!exec || json_is_null(exec))
		return 0;
	if (read_copy(exec, "command", where, &ret->command, err) < 0 ||
		read_copy(exec, "apiVersion", where, &ret->api_version, err) < 0 ||
		read_copy(exec, "installHint", where, &ret->install_hint, err) < 0 ||
		read_str(exec, "interactiveMode", where, &mode, err) < 0 ||
		read_bool(exec, "provideClusterInfo", where, &ret->provide_cluster_info, err) < 0 ||
		read_strings(json_object_get(exec, "args"), "exec.args", where, &ret->args, err) <
			0 ||
		read_exec_env(exec, where, ret, err) < 0)
		return -1;
	if (!ret->command)
		return err_set(err, INVALID, "%s: `exec.command` is missing", where);
	if (!str_eq(ret->api_version, "client.authentication.k8s.io/v1") &&
		!str_eq(ret->api_version, "client.authentication.k8s.io/v1beta1"))
		return err_set(err, INVALID,
			"%s: `exec.apiVersion` must be client.authentication.k8s.io/v1 or v1beta1",
			where);
	if (str_eq(mode, "Always"))
		return err_set(err, INVALID,
			"%s: `exec.interactiveMode: Always` needs a terminal, which is not given "
			"to "
			"plugins here",
			where);
	return 0;
}

static int read_user(
	const json_t *user, const char *where, struct kube_config *config, struct err *err)
{
	if (json_is_object(json_object_get(user, "auth-provider")))
		return err_set(err, INVALID,
			"%s: `auth-provider` was removed from Kubernetes; use an `exec` plugin",
			where);
	if (read_pem(user, "client-certificate", where, &config->client_cert_pem,
		    &config->client_cert_file, err) < 0 ||
		read_pem(user, "client-key", where, &config->client_key_pem,
			&config->client_key_file, err) < 0 ||
		read_copy(user, "token", where, &config->token, err) < 0 ||
		read_copy(user, "tokenFile", where, &config->token_file, err) < 0 ||
		read_copy(user, "username", where, &config->username, err) < 0 ||
		read_copy(user, "password", where, &config->password, err) < 0 ||
		read_impersonation(user, where, config, err) < 0 ||
		read_exec(json_object_get(user, "exec"), where, &config->exec, err) < 0)
		return -1;
	if (!config->client_cert_pem != !config->client_key_pem)
		return err_set(err, INVALID,
			"%s: `client-certificate` and `client-key` are needed together", where);
	if (config->token && strpbrk(config->token, "\r\n"))
		return err_set(err, INVALID, "%s: `token` holds a line break", where);
	return 0;
}

static int no_context(const json_t *tree, const char *name, struct err *err)
{
	auto_strvec names = STRVEC_INIT;
	auto_free char *known = NULL;
	size_t i;
	json_t *entry;

	json_array_foreach (json_object_get(tree, "contexts"), i, entry) {
		if (i < 20)
			strvec_add(&names, json_string_value(json_object_get(entry, "name")));
	}
	known = strvec_join(&names, ", ");
	if (!name)
		return err_set(err, INVALID, "no current-context; give --context (known: %s)",
			names.len ? known : "none");
	return err_set(err, INVALID, "context `%s` does not exist (known: %s)", name,
		names.len ? known : "none");
}

static const json_t *follow(const json_t *tree, const json_t *context, const char *key,
	const char *list, const char *member, const char **ret_name)
{
	*ret_name = json_string_value(json_object_get(context, key));
	if (!*ret_name || !(*ret_name)[0])
		return NULL;
	return json_object_get(find_named(tree, list, *ret_name), member);
}

static int resolve_into(
	const json_t *tree, const json_t *context, struct kube_config *config, struct err *err)
{
	const char *cluster_name, *user_name;
	const json_t *cluster =
		follow(tree, context, "cluster", "clusters", "cluster", &cluster_name);
	const json_t *user = follow(tree, context, "user", "users", "user", &user_name);
	auto_free char *cluster_where = NULL, *user_where = NULL;

	if (!json_is_object(cluster))
		return err_set(err, INVALID, "context `%s`: cluster `%s` does not exist",
			config->context, cluster_name ? cluster_name : "");
	if (user_name && user_name[0] && !find_named(tree, "users", user_name))
		return err_set(err, INVALID, "context `%s`: user `%s` does not exist",
			config->context, user_name);
	cluster_where = xasprintf("cluster `%s`", cluster_name);
	user_where = xasprintf("user `%s`", user_name ? user_name : "");
	if (read_copy(context, "namespace", "context", &config->namespace_, err) < 0 ||
		read_cluster(cluster, cluster_where, config, err) < 0 ||
		read_user(user, user_where, config, err) < 0)
		return -1;
	if (!config->namespace_)
		config->namespace_ = xstrdup("default");
	return 0;
}

int kubeconfig_resolve(const json_t *tree, const char *context_name,
	struct kube_config **ret_config, struct err *err)
{
	const json_t *context;
	struct kube_config *config;

	if (!context_name &&
		read_str(tree, "current-context", "kubeconfig", &context_name, err) < 0)
		return -1;
	context = context_name ? find_named(tree, "contexts", context_name) : NULL;
	if (!context)
		return no_context(tree, context_name, err);
	config = xnew(struct kube_config);
	config->context = xstrdup(context_name);
	if (resolve_into(tree, json_object_get(context, "context"), config, err) < 0) {
		kube_config_free(config);
		return -1;
	}
	*ret_config = config;
	return 0;
}

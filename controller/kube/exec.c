/*
 * Credential plugins of a kubeconfig's `exec` (client.authentication.k8s.io/v1, v1beta1):
 * a program that prints an ExecCredential. Nothing of what it prints reaches an error.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "doc/json.h"
#include "doc/path.h"
#include "base/base64.h"
#include "kube/internal.h"

#define EXEC_TIMEOUT_MS 60000
#define EXEC_OUTPUT_MAX ((size_t)1 << 20)

static json_t *cluster_info(const struct kube_config *config)
{
	json_t *cluster = json_object();

	json_object_set_new(cluster, "server", json_string(config->server));
	if (config->tls_server_name)
		json_object_set_new(
			cluster, "tls-server-name", json_string(config->tls_server_name));
	if (config->insecure_skip_tls_verify)
		json_object_set_new(cluster, "insecure-skip-tls-verify", json_true());
	if (config->ca_pem) {
		auto_free char *data = base64_encode(config->ca_pem, strlen(config->ca_pem));

		json_object_set_new(cluster, "certificate-authority-data", json_string(data));
	}
	if (config->proxy_url)
		json_object_set_new(cluster, "proxy-url", json_string(config->proxy_url));
	return cluster;
}

/* KUBERNETES_EXEC_INFO */
static char *exec_info(const struct kube_config *config)
{
	auto_json *info = json_object();
	json_t *spec = json_object();

	json_object_set_new(info, "apiVersion", json_string(config->exec.api_version));
	json_object_set_new(info, "kind", json_string("ExecCredential"));
	json_object_set_new(spec, "interactive", json_false());
	if (config->exec.provide_cluster_info)
		json_object_set_new(spec, "cluster", cluster_info(config));
	json_object_set_new(info, "spec", spec);
	return doc_json_dump(info);
}

int kube_exec_start(
	struct kube_credentials *credentials, void (*done)(struct child *), struct err *err)
{
	const struct kube_exec_config *exec = &credentials->config->exec;
	auto_free char *info = exec_info(credentials->config);
	auto_strvec argv = STRVEC_INIT;
	auto_strvec env = STRVEC_INIT;
	int r;

	strvec_add(&argv, exec->command);
	strvec_for_each (&exec->args, i)
		strvec_add(&argv, exec->args.items[i]);
	strvec_for_each (&exec->env, i)
		strvec_add(&env, exec->env.items[i]);
	strvec_addf(&env, "KUBERNETES_EXEC_INFO=%s", info);
	memset(&credentials->child, 0, sizeof(credentials->child));
	credentials->child.out.max = EXEC_OUTPUT_MAX;
	credentials->child.err_out.max = EXEC_OUTPUT_MAX;
	r = child_start(credentials->loop, &credentials->child, argv.items, env.items,
		EXEC_TIMEOUT_MS, done, err);
	if (r < 0) {
		err_wrap(err, "credential plugin `%s`", exec->command);
		if (err && exec->install_hint)
			err_set(err, err->class, "ExecPluginFailed",
				"credential plugin `%s` did not start. %s", exec->command,
				exec->install_hint);
	}
	return r;
}

static int bad(struct err *err, const char *what)
{
	return err_set(err, ERR_USER, "ExecPluginFailed", "it printed %s", what);
}

int kube_exec_parse(const char *text, size_t len, const char *api_version,
	struct kube_exec_result *ret, struct err *err)
{
	auto_json *json = NULL;
	const char *token, *cert, *key, *expires;
	int64_t seconds = 0;

	/* The parser's message could quote the token: it is not passed on. */
	if (doc_json_parse_lenient(text, len, &json, NULL) < 0 || !json_is_object(json))
		return bad(err, "no JSON object");
	if (!str_eq(doc_str(json, "kind"), "ExecCredential") ||
		!str_eq(doc_str(json, "apiVersion"), api_version))
		return bad(err, "no ExecCredential of the configured apiVersion");
	token = doc_str(json, "status.token");
	cert = doc_str(json, "status.clientCertificateData");
	key = doc_str(json, "status.clientKeyData");
	expires = doc_str(json, "status.expirationTimestamp");
	if ((!token || !token[0]) && !cert)
		return bad(err, "neither a token nor a client certificate");
	if (token && strpbrk(token, "\r\n"))
		return bad(err, "a token with a line break");
	if (!cert != !key)
		return bad(err, "a client certificate without its key, or the key alone");
	if (expires && !time_parse_rfc3339(expires, &seconds))
		return bad(err, "an expirationTimestamp that is no RFC 3339 time");
	ret->token = token && token[0] ? xstrdup(token) : NULL;
	ret->cert_pem = cert ? xstrdup(cert) : NULL;
	ret->key_pem = key ? xstrdup(key) : NULL;
	ret->expires_ms = expires ? seconds * 1000 : 0;
	return 0;
}

int kube_exec_read(const struct kube_exec_config *config, const struct child *child,
	struct kube_exec_result *ret, struct err *err)
{
	const char *hint = config->install_hint ? config->install_hint : "";

	memset(ret, 0, sizeof(*ret));
	if (child->timed_out)
		return err_set(err, ERR_TRANSIENT, "ExecPluginFailed",
			"credential plugin `%s` did not end within %d s", config->command,
			EXEC_TIMEOUT_MS / 1000);
	if (child->exit_code != 0) {
		/* Standard error is for people; it is kept short. */
		auto_free char *said =
			str_clean_tail(buf_str(&child->err_out), child->err_out.len, 256);

		return err_set(err, ERR_TRANSIENT, "ExecPluginFailed",
			"credential plugin `%s` ended with exit code %d: %s %s", config->command,
			child->exit_code, said, hint);
	}
	if (kube_exec_parse(buf_str(&child->out), child->out.len, config->api_version, ret, err) <
		0)
		return err_wrap(err, "credential plugin `%s`", config->command);
	return 0;
}

void kube_exec_result_release(struct kube_exec_result *result)
{
	mem_free_secret(result->token);
	free(result->cert_pem);
	mem_free_secret(result->key_pem);
	memset(result, 0, sizeof(*result));
}

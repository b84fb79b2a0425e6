#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "base/base64.h"
#include "kube/file.h"
#include "kube/internal.h"

#define REREAD_MS 60000
#define EXEC_PAUSE_MS 1000         /* between two runs of a failing plugin */
#define EXEC_RENEW_BEFORE_MS 10000 /* a credential that ends within this is renewed */

static void token_set(struct kube_credentials *credentials, char *token)
{
	mem_free_secret(credentials->token);
	credentials->token = token;
}

/* An empty, half-swapped or odd file changes nothing: the old token stays. */
static void reread_token(struct kube_credentials *credentials)
{
	char *text;
	size_t len;

	if (!credentials->config->token_file)
		return;
	if (kube_file_read(credentials->config->token_file, "token", &text, &len, NULL) != 0)
		return;
	while (len > 0 && strchr(" \t\r\n", text[len - 1]))
		text[--len] = '\0';
	if (len == 0 || strpbrk(text, " \t\r\n")) {
		mem_free_secret(text);
		return;
	}
	token_set(credentials, text);
}

/* True when the file holds something else than *pem, which it then is. */
static bool reread_pem(const char *path, char **pem)
{
	char *text;
	size_t len;

	if (!path || kube_file_read(path, "certificate", &text, &len, NULL) != 0)
		return false;
	if (!strstr(text, "-----BEGIN") || str_eq(text, *pem)) {
		mem_free_secret(text);
		return false;
	}
	mem_free_secret(*pem);
	*pem = text;
	return true;
}

static void reread_files(struct kube_credentials *credentials)
{
	struct kube_config *config = credentials->config;
	bool changed = reread_pem(config->ca_file, &config->ca_pem);

	changed |= reread_pem(config->client_cert_file, &config->client_cert_pem);
	changed |= reread_pem(config->client_key_file, &config->client_key_pem);
	reread_token(credentials);
	if (changed)
		credentials->tls_changed(credentials);
}

static bool exec_valid(const struct kube_credentials *credentials)
{
	return credentials->have &&
	       (credentials->expires_ms == 0 ||
		       credentials->expires_ms - EXEC_RENEW_BEFORE_MS > time_wall_ms());
}

static void exec_take(struct kube_credentials *credentials, struct kube_exec_result *result)
{
	struct kube_config *config = credentials->config;
	bool changed =
		result->cert_pem && (!str_eq(result->cert_pem, config->client_cert_pem) ||
					    !str_eq(result->key_pem, config->client_key_pem));

	if (result->token)
		token_set(credentials, take_ptr(result->token));
	if (changed) {
		free(config->client_cert_pem);
		mem_free_secret(config->client_key_pem);
		config->client_cert_pem = take_ptr(result->cert_pem);
		config->client_key_pem = take_ptr(result->key_pem);
		credentials->tls_changed(credentials);
	}
	credentials->expires_ms = result->expires_ms;
	credentials->have = true;
	credentials->failed_ms = 0;
	err_clear(&credentials->error);
}

/* Buffers of the plugin hold its credential. */
static void exec_wipe(struct kube_credentials *credentials)
{
	struct buf *out = &credentials->child.out;

	if (out->data)
		explicit_bzero(out->data, out->len);
	child_cancel(&credentials->child);
}

static void exec_done(struct child *child)
{
	struct kube_credentials *credentials = container_of(child, struct kube_credentials, child);
	struct kube_exec_result result;

	credentials->running = false;
	if (kube_exec_read(&credentials->config->exec, child, &result, &credentials->error) == 0)
		exec_take(credentials, &result);
	else
		credentials->failed_ms = loop_now_ms(credentials->loop);
	kube_exec_result_release(&result);
	exec_wipe(credentials);
	credentials->ready(credentials);
}

static int exec_failure(const struct kube_credentials *credentials, struct err *err)
{
	return err_set(err, credentials->error.class, credentials->error.reason, "%s",
		err_message(&credentials->error));
}

static int check_exec(struct kube_credentials *credentials, struct err *err)
{
	int64_t now = loop_now_ms(credentials->loop);

	if (exec_valid(credentials))
		return CREDENTIALS_READY;
	if (credentials->running)
		return CREDENTIALS_WAIT;
	if (credentials->failed_ms && now - credentials->failed_ms < EXEC_PAUSE_MS)
		return exec_failure(credentials, err);
	if (kube_exec_start(credentials, exec_done, &credentials->error) < 0) {
		credentials->failed_ms = now;
		return exec_failure(credentials, err);
	}
	credentials->running = true;
	return CREDENTIALS_WAIT;
}

int kube_credentials_check(struct kube_credentials *credentials, struct err *err)
{
	int64_t now = loop_now_ms(credentials->loop);

	if (credentials->config->exec.command)
		return check_exec(credentials, err);
	if (!credentials->token && credentials->config->token)
		token_set(credentials, xstrdup(credentials->config->token));
	if (!credentials->fresh || now - credentials->read_ms >= REREAD_MS) {
		credentials->fresh = true;
		credentials->read_ms = now;
		reread_files(credentials);
	}
	return CREDENTIALS_READY;
}

void kube_credentials_expire(struct kube_credentials *credentials)
{
	credentials->fresh = false;
	credentials->have = false;
	credentials->generation++;
}

static void add_basic(const struct kube_config *config, struct strvec *headers)
{
	char *pair = xasprintf("%s:%s", config->username, config->password ? config->password : "");
	char *text = base64_encode(pair, strlen(pair));

	strvec_addf(headers, "Authorization: Basic %s", text);
	mem_free_secret(pair);
	mem_free_secret(text);
}

/* Header values come from files: whatever would end the header is left out. */
static void add_header(struct strvec *headers, const char *name, const char *value)
{
	if (value && !strpbrk(value, "\r\n"))
		strvec_addf(headers, "%s: %s", name, value);
}

/* Keys of Impersonate-Extra- are percent-encoded but for token characters (RFC 7230). */
static void add_extra(struct strvec *headers, const char *pair)
{
	const char *equals = strchr(pair, '=');
	auto_buf name = BUF_INIT;

	if (!equals)
		return;
	buf_adds(&name, "Impersonate-Extra-");
	for (const char *c = pair; c < equals; c++) {
		if ((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
			(*c >= '0' && *c <= '9') || strchr("!#$&'*+-.^_`|~", *c))
			buf_addc(&name, *c);
		else
			buf_addf(&name, "%%%02X", (unsigned char)*c);
	}
	add_header(headers, buf_str(&name), equals + 1);
}

void kube_credentials_headers(const struct kube_credentials *credentials, struct strvec *headers)
{
	const struct kube_config *config = credentials->config;

	if (credentials->token && !strpbrk(credentials->token, "\r\n"))
		strvec_addf(headers, "Authorization: Bearer %s", credentials->token);
	else if (config->username)
		add_basic(config, headers);
	add_header(headers, "Impersonate-User", config->as_user);
	add_header(headers, "Impersonate-Uid", config->as_uid);
	strvec_for_each (&config->as_groups, i)
		add_header(headers, "Impersonate-Group", config->as_groups.items[i]);
	strvec_for_each (&config->as_extra, i)
		add_extra(headers, config->as_extra.items[i]);
}

void kube_credentials_release(struct kube_credentials *credentials)
{
	exec_wipe(credentials);
	token_set(credentials, NULL);
	err_clear(&credentials->error);
}

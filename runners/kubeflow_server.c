#include "runners/kubeflow_server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "doc/json.h"
#include "doc/path.h"
#include "net/url.h"
#include "runners/endpoint.h"

#define API "/apis/v2beta1"
#define CALL_MS 60000 /* it creates a run by a client of its own that is limited to 5 a second */
#define CONNECTIONS 4
#define TOKEN_MAX 65536
#define TOKEN_FILE_VARIABLE "KF_PIPELINES_SA_TOKEN_PATH"

/* --- where it is, and as whom --- */

static int bad_endpoint(struct err *err, const char *what)
{
	return err_set(err, ERR_USER, "InvalidEndpoint", "kubeflow.endpoint: %s", what);
}

static int check_endpoint(
	const char *endpoint, const struct runner_settings *settings, struct err *err)
{
	const char *host = endpoint ? strstr(endpoint, "://") : NULL;

	if (!host ||
		(!str_starts_with(endpoint, "https://") && !str_starts_with(endpoint, "http://")) ||
		!host[3] || host[3] == '/' || strpbrk(endpoint, "?#"))
		return bad_endpoint(err, "give the address of the API, https://host[:port][/path]");
	if (settings->local_endpoints)
		return 0;
	if (!str_starts_with(endpoint, "https://"))
		return bad_endpoint(err, "give an https:// address");
	if (endpoint_is_local(host + 3))
		return bad_endpoint(err,
			"an address of this machine is allowed only where the operator was started "
			"with --allow-local-endpoints");
	return 0;
}

static char *copy_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? xstrdup(text) : NULL;
}

static void take_credentials(struct kubeflow_server *server, const struct runner_settings *settings)
{
	const json_t *given = settings->credentials;
	const char *file = settings->ambient ? getenv(TOKEN_FILE_VARIABLE) : NULL;

	server->bearer = copy_of(given, "auth.bearerToken");
	if (!server->bearer)
		server->bearer = copy_of(given, "auth.serviceAccountToken");
	server->cookie = copy_of(given, "auth.cookie");
	if (!server->bearer && !server->cookie && file)
		server->bearer_file = xstrdup(file);
}

int kubeflow_server_init(struct kubeflow_server *server, struct loop *loop,
	const struct runner_settings *settings, struct err *err)
{
	const char *endpoint = doc_str(settings->spec, "endpoint");
	const json_t *tls = json_object_get(settings->credentials, "tls");
	struct http_client_options options = {.user_agent = "fondant",
		.max_connections = CONNECTIONS,
		.ca_pem = json_string_value(json_object_get(tls, "ca.crt")),
		.client_cert_pem = json_string_value(json_object_get(tls, "tls.crt")),
		.client_key_pem = json_string_value(json_object_get(tls, "tls.key"))};
	size_t len;

	*server = (struct kubeflow_server){.loop = loop};
	if (check_endpoint(endpoint, settings, err) < 0)
		return -1;
	len = strlen(endpoint);
	while (endpoint[len - 1] == '/')
		len--;
	server->endpoint = xstrndup(endpoint, len);
	server->namespace_ = copy_of(settings->spec, "namespace");
	server->experiment = copy_of(settings->spec, "experiment");
	server->pipeline_root = copy_of(settings->spec, "pipelineRoot");
	take_credentials(server, settings);
	if (http_client_new(loop, &options, &server->client, err) < 0) {
		kubeflow_server_clear(server);
		return -1;
	}
	return 0;
}

void kubeflow_server_clear(struct kubeflow_server *server)
{
	http_client_free(server->client);
	free(server->endpoint);
	mem_free_secret(server->bearer);
	free(server->bearer_file);
	mem_free_secret(server->cookie);
	free(server->namespace_);
	free(server->experiment);
	free(server->experiment_id);
	free(server->pipeline_root);
	*server = (struct kubeflow_server){0};
}

char *kubeflow_run_url(const struct kubeflow_server *server, const char *id)
{
	return xasprintf("%s/#/runs/details/%s", server->endpoint, id);
}

/* --- calls --- */

/* The token of a file that is replaced when it is about to end. */
static int add_bearer_file(const char *path, struct strvec *headers, struct err *err)
{
	char token[TOKEN_MAX];
	FILE *file = fopen(path, "re");
	size_t len = file ? fread(token, 1, sizeof(token) - 1, file) : 0;

	if (file)
		fclose(file);
	while (len && (token[len - 1] == '\n' || token[len - 1] == '\r'))
		len--;
	token[len] = '\0';
	if (!len)
		return err_set(
			err, ERR_USER, "NoCredentials", "the token file %s cannot be read", path);
	strvec_addf(headers, "Authorization: Bearer %s", token);
	explicit_bzero(token, sizeof(token));
	return 0;
}

static int prepare(struct api_call *api, struct strvec *headers, struct err *err)
{
	const struct kubeflow_server *server = container_of(api, struct kubeflow_call, api)->server;

	if (server->bearer)
		strvec_addf(headers, "Authorization: Bearer %s", server->bearer);
	if (server->cookie)
		strvec_addf(headers, "Cookie: %s", server->cookie);
	return server->bearer_file ? add_bearer_file(server->bearer_file, headers, err) : 0;
}

static void call_done(struct api_call *api)
{
	struct kubeflow_call *call = container_of(api, struct kubeflow_call, api);

	call->done(call);
}

void kubeflow_begin(struct kubeflow_server *server, struct kubeflow_call *call, const char *method,
	const char *path)
{
	kubeflow_call_free(call);
	call->server = server;
	call->api.loop = server->loop;
	call->api.client = server->client;
	call->api.method = method;
	call->api.timeout_ms = CALL_MS;
	call->api.prepare = prepare;
	buf_addf(&call->url, "%s" API "%s", server->endpoint, path);
}

void kubeflow_query(struct kubeflow_call *call, const char *name, const char *value)
{
	url_add_query(&call->url, name, value);
}

void kubeflow_send(
	struct kubeflow_call *call, json_t *body, void (*done)(struct kubeflow_call *call))
{
	call->done = done;
	call->api.done = call_done;
	call->api.repeatable = str_eq(call->api.method, "GET");
	call->api.url = buf_str(&call->url);
	call->api.gate = &call->server->gate;
	if (body) {
		call->body = doc_json_dump(body);
		call->api.body = call->body;
		call->api.body_len = strlen(call->body);
	}
	json_decref(body);
	api_call_send(&call->api);
}

const char *kubeflow_words(const struct kubeflow_call *call)
{
	const json_t *detail = json_array_get(json_object_get(call->api.answer, "details"), 0);
	const char *words = doc_str(detail, "message"),
		   *whole = doc_str(call->api.answer, "message");

	/* of an Internal error the short text says nothing */
	return words && !str_eq(words, "Internal Server Error") ? words : whole;
}

/* An answer of 500 to input that is wrong (A.5). */
static bool is_refusal(const struct kubeflow_call *call)
{
	static const char *const signs[] = {"Invalid input", "InvalidInput", "invalid v2 pipeline",
		"unknown template", "unknown field"};
	const char *words = doc_str_or(call->api.answer, "message", "");

	for (size_t i = 0; call->api.status == 500 && i < array_size(signs); i++) {
		if (strstr(words, signs[i]))
			return true;
	}
	return false;
}

int kubeflow_fail(struct kubeflow_call *call, const char *what, struct err *err)
{
	if (is_refusal(call))
		return err_set(err, ERR_USER, "Refused", "%s: %.600s", what, kubeflow_words(call));
	return api_call_fail(&call->api, what, kubeflow_words(call), err);
}

void kubeflow_call_free(struct kubeflow_call *call)
{
	api_call_free(&call->api);
	buf_free(&call->url);
	free(call->body);
	*call = (struct kubeflow_call){0};
}

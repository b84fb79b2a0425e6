#include "runners/docker_engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "doc/json.h"
#include "doc/path.h"
#include "net/url.h"
#include "runners/endpoint.h"

#define API_OLDEST 40 /* 1.40: Docker 19.03 */
#define API_NEWEST 51 /* 1.51: Docker 28 and later speak it */
#define UNIX_BASE "http://docker"
#define CALL_MS 60000
#define CONNECTIONS 16

/* --- where it is --- */

static int bad_host(struct err *err, const char *what)
{
	return err_set(err, ERR_USER, "InvalidEndpoint", "docker.host: %s", what);
}

static int unix_host(struct docker_engine *engine, const char *path,
	const struct runner_settings *settings, struct http_client_options *options,
	struct err *err)
{
	if (!settings->local_endpoints)
		return bad_host(err,
			"a unix socket is allowed only where the operator was started with "
			"--allow-local-endpoints");
	options->unix_socket = path;
	engine->base = xstrdup(UNIX_BASE);
	return 0;
}

static int tcp_host(struct docker_engine *engine, const char *address,
	const struct runner_settings *settings, struct http_client_options *options,
	struct err *err)
{
	const json_t *tls = json_object_get(settings->credentials, "tls");

	if (endpoint_is_local(address) && !settings->local_endpoints)
		return bad_host(err,
			"an address of this machine is allowed only where the operator was started "
			"with --allow-local-endpoints");
	if (!tls && !endpoint_is_local(address))
		return bad_host(
			err, "an engine on tcp:// is reached by TLS only: give tls.secretRef");
	options->ca_pem = json_string_value(json_object_get(tls, "ca.crt"));
	options->client_cert_pem = json_string_value(json_object_get(tls, "tls.crt"));
	options->client_key_pem = json_string_value(json_object_get(tls, "tls.key"));
	engine->base = xasprintf("%s://%s", tls ? "https" : "http", address);
	return 0;
}

int docker_engine_init(struct docker_engine *engine, struct loop *loop,
	const struct runner_settings *settings, struct err *err)
{
	const char *host = doc_str(settings->spec, "host");
	struct http_client_options options = {
		.user_agent = "fondant", .max_connections = CONNECTIONS};
	int result;

	if (!host && settings->ambient)
		host = getenv("DOCKER_HOST");
	if (!host && settings->ambient)
		host = "unix:///var/run/docker.sock";
	*engine = (struct docker_engine){.loop = loop};
	if (host && str_starts_with(host, "unix://"))
		result = unix_host(engine, host + strlen("unix://"), settings, &options, err);
	else if (host && str_starts_with(host, "tcp://"))
		result = tcp_host(engine, host + strlen("tcp://"), settings, &options, err);
	else
		result = bad_host(err, "give unix:///path or tcp://host:port of the engine");
	if (result == 0)
		result = http_client_new(loop, &options, &engine->client, err);
	if (result < 0)
		docker_engine_clear(engine);
	return result;
}

void docker_engine_clear(struct docker_engine *engine)
{
	http_client_free(engine->client);
	free(engine->base);
	free(engine->api);
	free(engine->version);
	*engine = (struct docker_engine){0};
}

/* --- calls --- */

static void call_done(struct api_call *api)
{
	struct docker_call *call = container_of(api, struct docker_call, api);

	call->done(call);
}

static void begin(struct docker_engine *engine, struct docker_call *call, const char *method)
{
	docker_call_free(call);
	call->engine = engine;
	call->api.loop = engine->loop;
	call->api.client = engine->client;
	call->api.method = method;
	call->api.timeout_ms = CALL_MS;
	buf_adds(&call->url, engine->base);
}

void docker_begin(struct docker_engine *engine, struct docker_call *call, const char *method,
	const char *path)
{
	begin(engine, call, method);
	buf_addf(&call->url, "/v%s%s", engine->api, path);
}

void docker_query(struct docker_call *call, const char *name, const char *value)
{
	url_add_query(&call->url, name, value);
}

void docker_send_bytes(struct docker_call *call, const char *content_type, char *body, size_t len,
	void (*done)(struct docker_call *))
{
	call->done = done;
	call->body = body;
	call->api.content_type = content_type;
	call->api.url = buf_str(&call->url);
	call->api.body = body;
	call->api.body_len = len;
	call->api.repeatable = !body;
	call->api.done = call_done;
	api_call_send(&call->api);
}

void docker_send(struct docker_call *call, json_t *body, void (*done)(struct docker_call *))
{
	char *text = body ? doc_json_dump(body) : NULL;

	json_decref(body);
	docker_send_bytes(call, NULL, text, text ? strlen(text) : 0, done);
}

char *docker_url(const struct docker_engine *engine, const char *path)
{
	return xasprintf("%s/v%s%s", engine->base, engine->api, path);
}

const char *docker_words(const struct docker_call *call)
{
	return doc_str(call->api.answer, "message");
}

int docker_fail(struct docker_call *call, const char *what, struct err *err)
{
	return api_call_fail(&call->api, what, docker_words(call), err);
}

void docker_call_free(struct docker_call *call)
{
	api_call_free(&call->api);
	buf_free(&call->url);
	if (call->body)
		explicit_bzero(call->body, call->api.body_len);
	free(call->body);
	*call = (struct docker_call){0};
}

/* --- the version --- */

/* "1.41" -> 41; 0: it is none. */
static int minor_of(const char *version)
{
	int minor;
	char rest;

	return version && sscanf(version, "1.%d%c", &minor, &rest) == 1 ? minor : 0;
}

static void negotiated(struct docker_call *call)
{
	struct docker_engine *engine = call->engine;
	const char *newest = doc_str(call->api.answer, "ApiVersion");
	int theirs = minor_of(newest), least = minor_of(doc_str(call->api.answer, "MinAPIVersion"));
	int version = theirs < API_NEWEST ? theirs : API_NEWEST;

	if (call->api.err.class == ERR_NONE && call->api.status != 200) {
		docker_fail(call, "version of the engine", &call->api.err);
	} else if (call->api.err.class == ERR_NONE && !theirs) {
		err_set(&call->api.err, ERR_TRANSIENT, "BadAnswer",
			"the answer is not that of a Docker Engine; is this its address?");
	} else if (call->api.err.class == ERR_NONE && (version < API_OLDEST || version < least)) {
		err_set(&call->api.err, ERR_USER, version < least ? "EngineTooNew" : "EngineTooOld",
			"the engine speaks versions 1.%d to 1.%d of its API, and this program 1.%d "
			"to 1.%d",
			least, theirs, API_OLDEST, API_NEWEST);
	} else if (call->api.err.class == ERR_NONE) {
		free(engine->api);
		free(engine->version);
		engine->api = xasprintf("1.%d", version);
		engine->version = xstrdup(doc_str_or(call->api.answer, "Version", "unknown"));
	}
	call->done(call);
}

static void version_read(struct api_call *api)
{
	negotiated(container_of(api, struct docker_call, api));
}

void docker_negotiate(
	struct docker_engine *engine, struct docker_call *call, void (*done)(struct docker_call *))
{
	begin(engine, call, "GET");
	buf_adds(&call->url, "/version");
	call->done = done;
	call->api.url = buf_str(&call->url);
	call->api.repeatable = true;
	call->api.tries = 2;
	call->api.done = version_read;
	api_call_send(&call->api);
}

#include "runners/vertex_server.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "doc/json.h"
#include "doc/path.h"

#define CONNECTIONS 8

static bool is_plain(const char *text, const char *more)
{
	for (; *text; text++) {
		if (!(*text >= 'a' && *text <= 'z') && !(*text >= '0' && *text <= '9') &&
			*text != '-' && !strchr(more, *text))
			return false;
	}
	return true;
}

/* Parts of the host and of the path: nothing else may come into either. */
static int check_place(const char *project, const char *location, struct err *err)
{
	if (!project || !*project || !is_plain(project, ".:"))
		return err_set(err, ERR_USER, "InvalidEndpoint",
			"vertex.project: give the id or the number of a Google Cloud project");
	if (!location || !*location || !is_plain(location, ""))
		return err_set(err, ERR_USER, "InvalidEndpoint",
			"vertex.location: give a region such as europe-west1");
	return 0;
}

/* Owned, without a slash at its end. */
static char *address_of(const struct runner_settings *settings, const char *location)
{
	const char *url = settings->local_endpoints ? doc_str(settings->spec, "endpoint") : NULL;
	size_t len;

	if (!url)
		url = getenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_AIPLATFORM");
	if (!url || !*url)
		return xasprintf("https://%s-aiplatform.googleapis.com", location);
	for (len = strlen(url); len && url[len - 1] == '/';)
		len--;
	return xstrndup(url, len);
}

int vertex_server_init(struct vertex_server *server, struct loop *loop,
	const struct runner_settings *settings, struct err *err)
{
	const char *project = doc_str(settings->spec, "project");
	const char *location = doc_str(settings->spec, "location");
	struct http_client_options options = {
		.user_agent = "fondant", .max_connections = CONNECTIONS};
	auto_free char *address = NULL;

	*server = (struct vertex_server){.loop = loop};
	if (check_place(project, location, err) < 0 ||
		http_client_new(loop, &options, &server->client, err) < 0)
		return -1;
	if (google_auth_init(&server->auth, loop, server->client, settings, err) < 0) {
		vertex_server_clear(server);
		return -1;
	}
	address = address_of(settings, location);
	server->base = xasprintf("%s/v1/projects/%s/locations/%s", address, project, location);
	server->project = xstrdup(project);
	server->location = xstrdup(location);
	return 0;
}

void vertex_server_clear(struct vertex_server *server)
{
	google_auth_clear(&server->auth);
	http_client_free(server->client);
	free(server->base);
	free(server->project);
	free(server->location);
	*server = (struct vertex_server){0};
}

char *vertex_run_url(const struct vertex_server *server, const char *id)
{
	return xasprintf("https://console.cloud.google.com/vertex-ai/locations/%s/pipelines/runs/"
			 "%s?project=%s",
		server->location, id, server->project);
}

/* --- calls --- */

static int prepare(struct api_call *api, struct strvec *headers, struct err *err)
{
	const struct google_auth *auth = &container_of(api, struct vertex_call, api)->server->auth;
	const char *token = google_auth_token(auth);
	const char *project = google_source_quota_project(&auth->source);

	if (!token) /* it ended between two tries */
		return err_set(err, ERR_TRANSIENT, "TokenEnded", "the access token has ended");
	strvec_addf(headers, "Authorization: Bearer %s", token);
	if (project) /* of a person's credentials: whose quota it is */
		strvec_addf(headers, "X-Goog-User-Project: %s", project);
	return 0;
}

static void authorized(struct google_wait *wait)
{
	struct vertex_call *call = container_of(wait, struct vertex_call, wait);

	if (wait->err.class == ERR_NONE) {
		api_call_send(&call->api);
		return;
	}
	err_move(&call->api.err, &wait->err);
	call->done(call);
}

static void answered(struct api_call *api)
{
	struct vertex_call *call = container_of(api, struct vertex_call, api);

	if (api->status != 401 || call->again) {
		call->done(call);
		return;
	}
	call->again = true;
	google_auth_drop(&call->server->auth);
	google_auth_get(&call->server->auth, &call->wait, authorized);
}

void vertex_send(struct vertex_server *server, struct vertex_call *call, const char *method,
	const char *path, json_t *body, bool repeatable, void (*done)(struct vertex_call *call))
{
	vertex_call_free(call);
	call->server = server;
	call->done = done;
	buf_addf(&call->url, "%s%s", server->base, path);
	call->api = (struct api_call){.loop = server->loop,
		.client = server->client,
		.method = method,
		.url = buf_str(&call->url),
		.gate = &server->gate,
		.repeatable = repeatable || str_eq(method, "GET"),
		.prepare = prepare,
		.done = answered};
	if (body) {
		call->body = doc_json_dump(body);
		call->api.body = call->body;
		call->api.body_len = strlen(call->body);
	}
	json_decref(body);
	google_auth_get(&server->auth, &call->wait, authorized);
}

int vertex_fail(struct vertex_call *call, const char *what, struct err *err)
{
	return api_call_fail(&call->api, what, doc_str(call->api.answer, "error.message"), err);
}

void vertex_call_free(struct vertex_call *call)
{
	google_wait_cancel(&call->wait);
	api_call_free(&call->api);
	buf_free(&call->url);
	free(call->body);
	*call = (struct vertex_call){0};
}

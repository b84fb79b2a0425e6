#include "runners/sagemaker_server.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/rand.h"
#include "base/str.h"
#include "base/time.h"
#include "doc/json.h"
#include "doc/path.h"
#include "net/url.h"

#define CONNECTIONS 8
#define THROTTLED_TRIES 4
#define THROTTLED_MS 1000 /* before the second try; doubled each time */

/* --- the server --- */

static const char *variable(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

static bool is_region(const char *region)
{
	return region && *region &&
	       !region[strspn(region, "abcdefghijklmnopqrstuvwxyz0123456789-")];
}

static void endpoint_clear(struct sagemaker_endpoint *endpoint)
{
	free(endpoint->url);
	free(endpoint->host);
	*endpoint = (struct sagemaker_endpoint){0};
}

/* given: its address; NULL: the environment's, of that variable or of all services, else the
 * service's own at `host`. */
static int endpoint_init(struct sagemaker_endpoint *endpoint, const char *given, const char *name,
	const char *host, const char *region, struct err *err)
{
	auto_url_parts parts = {0};
	auto_free char *address = NULL;

	if (!given)
		given = variable(name);
	if (!given)
		given = variable("AWS_ENDPOINT_URL");
	address = given ? xstrdup(given) : aws_endpoint(host, region);
	if (url_split(address, &parts, err) < 0)
		return -1;
	endpoint->url = xasprintf("%s://%s/", parts.scheme, parts.authority);
	endpoint->host = xstrdup(parts.authority);
	return 0;
}

int sagemaker_server_init(struct sagemaker_server *server, struct loop *loop,
	const struct runner_settings *settings, struct err *err)
{
	const char *region = doc_str(settings->spec, "region");
	struct http_client_options options = {
		.user_agent = "fondant", .max_connections = CONNECTIONS};
	const char *given = settings->local_endpoints ? doc_str(settings->spec, "endpoint") : NULL;

	*server = (struct sagemaker_server){.loop = loop,
		.api = {.service = "sagemaker", .target = "SageMaker"},
		.logs = {.service = "logs", .target = "Logs_20140328"}};
	if (!is_region(region))
		return err_set(err, ERR_USER, "InvalidEndpoint",
			"sagemaker.region: give a region such as eu-west-1");
	if (endpoint_init(&server->api, given, "AWS_ENDPOINT_URL_SAGEMAKER", "api.sagemaker",
		    region, err) < 0 ||
		endpoint_init(&server->logs, NULL, "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", "logs",
			region, err) < 0 ||
		http_client_new(loop, &options, &server->client, err) < 0 ||
		aws_auth_init(&server->auth, loop, server->client, settings, err) < 0) {
		sagemaker_server_clear(server);
		return -1;
	}
	server->region = xstrdup(region);
	return 0;
}

void sagemaker_server_clear(struct sagemaker_server *server)
{
	aws_auth_clear(&server->auth);
	http_client_free(server->client);
	endpoint_clear(&server->api);
	endpoint_clear(&server->logs);
	free(server->region);
	*server = (struct sagemaker_server){0};
}

int sagemaker_server_s3(
	const struct sagemaker_server *server, struct s3_client **ret_client, struct err *err)
{
	const char *endpoint = variable("AWS_ENDPOINT_URL_S3");
	struct sigv4_keys keys;
	struct s3_config config;

	if (!aws_auth_keys(&server->auth, &keys))
		return err_set(err, ERR_TRANSIENT, "KeysEnded", "the keys have ended");
	if (!endpoint)
		endpoint = variable("AWS_ENDPOINT_URL");
	config = (struct s3_config){.endpoint = (char *)endpoint,
		.region = server->region,
		.key_id = (char *)keys.key_id,
		.secret = (char *)keys.secret,
		.session_token = (char *)keys.session_token};
	return s3_client_new(
		server->loop, &(struct s3_client_options){.config = &config}, ret_client, err);
}

/* --- calls --- */

static int sign(struct api_call *api, struct strvec *headers, struct err *err)
{
	const struct sagemaker_call *call = container_of(api, struct sagemaker_call, api);
	const struct sagemaker_server *server = call->server;
	struct sigv4_keys keys;

	if (!aws_auth_keys(&server->auth, &keys)) /* they ended between two tries */
		return err_set(err, ERR_TRANSIENT, "KeysEnded", "the keys have ended");
	strvec_addf(headers, "X-Amz-Target: %s.%s", call->endpoint->target, call->operation);
	sigv4_sign(&keys,
		&(struct sigv4_request){.method = "POST",
			.host = call->endpoint->host,
			.path = "/",
			.query = "",
			.region = server->region,
			.service = call->endpoint->service,
			.body = call->body,
			.body_len = strlen(call->body),
			.now_s = time_wall_ms() / 1000},
		headers);
	return 0;
}

static void authorized(struct aws_wait *wait)
{
	struct sagemaker_call *call = container_of(wait, struct sagemaker_call, wait);

	if (wait->err.class == ERR_NONE) {
		api_call_send(&call->api);
		return;
	}
	err_move(&call->api.err, &wait->err);
	call->done(call);
}

static void pause_over(struct loop_timer *timer)
{
	struct sagemaker_call *call = container_of(timer, struct sagemaker_call, timer);

	aws_auth_get(&call->server->auth, &call->wait, authorized);
}

static bool is_one_of(const char *word, const char *const *words)
{
	for (; word && *words; words++) {
		if (str_eq(word, *words))
			return true;
	}
	return false;
}

/* With status 400 (botocore's retry policy; cloud-backends.md 1.2). */
static bool is_throttling(const struct sagemaker_call *call)
{
	static const char *const words[] = {"Throttling", "ThrottlingException",
		"ThrottledException", "RequestThrottled", "RequestThrottledException",
		"TooManyRequestsException", "RequestLimitExceeded",
		"ProvisionedThroughputExceededException", NULL};

	return is_one_of(call->error, words);
}

static bool keys_refused(const struct sagemaker_call *call)
{
	static const char *const words[] = {"ExpiredToken", "ExpiredTokenException",
		"UnrecognizedClientException", "InvalidClientTokenId", "InvalidSignatureException",
		"IncompleteSignature", "MissingAuthenticationTokenException",
		"SignatureDoesNotMatch", "AuthFailure", "InvalidAccessKeyId", NULL};

	return call->api.status == 401 || is_one_of(call->error, words);
}

/* "com.amazon.coral#ThrottlingException:http://..." -> "ThrottlingException"; of a front end that
 * answers XML what stands in <Code>. Owned; NULL: it does not say. */
static char *error_of(const struct api_call *api)
{
	const char *type = doc_str(api->answer, "__type"), *code = NULL;

	if (type && strrchr(type, '#'))
		type = strrchr(type, '#') + 1;
	if (type && *type)
		return xstrndup(type, strcspn(type, ":"));
	code = api->answer ? NULL : strstr(api->text, "<Code>");
	if (!code)
		return NULL;
	code += strlen("<Code>");
	return xstrndup(code, strspn(code, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"));
}

static void answered(struct api_call *api)
{
	struct sagemaker_call *call = container_of(api, struct sagemaker_call, api);
	int64_t pause = (int64_t)THROTTLED_MS << call->throttled;

	free(call->error);
	call->error = api->err.class == ERR_NONE && api->status != 200 ? error_of(api) : NULL;
	if (keys_refused(call) && !call->again) {
		call->again = true;
		aws_auth_drop(&call->server->auth);
		aws_auth_get(&call->server->auth, &call->wait, authorized);
	} else if (is_throttling(call) && ++call->throttled < THROTTLED_TRIES) {
		pause += (int64_t)rand_below((uint64_t)pause);
		api_gate_hold(&call->server->gate, loop_now_ms(call->server->loop), pause);
		loop_timer_set(call->server->loop, &call->timer, pause, pause_over);
	} else {
		call->done(call);
	}
}

static void send_to(const struct sagemaker_endpoint *endpoint, struct sagemaker_server *server,
	struct sagemaker_call *call, const char *operation, json_t *body,
	void (*done)(struct sagemaker_call *call))
{
	sagemaker_call_free(call);
	call->server = server;
	call->endpoint = endpoint;
	call->done = done;
	call->operation = operation;
	call->body = doc_json_dump(body);
	json_decref(body);
	call->api = (struct api_call){.loop = server->loop,
		.client = server->client,
		.method = "POST",
		.url = endpoint->url,
		.gate = &server->gate,
		.content_type = "application/x-amz-json-1.1",
		.body = call->body,
		.body_len = strlen(call->body),
		.repeatable = true,
		.prepare = sign,
		.done = answered};
	aws_auth_get(&server->auth, &call->wait, authorized);
}

void sagemaker_send(struct sagemaker_server *server, struct sagemaker_call *call,
	const char *operation, json_t *body, void (*done)(struct sagemaker_call *call))
{
	send_to(&server->api, server, call, operation, body, done);
}

void sagemaker_send_logs(struct sagemaker_server *server, struct sagemaker_call *call,
	const char *operation, json_t *body, void (*done)(struct sagemaker_call *call))
{
	send_to(&server->logs, server, call, operation, body, done);
}

bool sagemaker_answered(const struct sagemaker_call *call)
{
	return call->api.err.class == ERR_NONE && call->api.status == 200 &&
	       json_is_object(call->api.answer);
}

const char *sagemaker_words(const struct sagemaker_call *call)
{
	const char *words = doc_str(call->api.answer, "message");

	return words ? words : doc_str(call->api.answer, "Message");
}

bool sagemaker_not_found(const struct sagemaker_call *call)
{
	const char *words = sagemaker_words(call);

	if (str_eq(call->error, "ResourceNotFound") ||
		str_eq(call->error, "ResourceNotFoundException"))
		return true;
	return str_eq(call->error, "ValidationException") && words &&
	       (strstr(words, "Could not find") || strstr(words, "does not exist"));
}

int sagemaker_fail(struct sagemaker_call *call, const char *what, struct err *err)
{
	const char *words = sagemaker_words(call);
	auto_free char *text = NULL;

	if (call->error)
		text = xasprintf("%s%s%.1000s", call->error, words ? ": " : "", words ? words : "");
	if (is_throttling(call))
		return err_set(err, ERR_TRANSIENT, "Throttled", "%s: %s", what, text);
	if (str_eq(call->error, "ResourceLimitExceeded"))
		return err_set(err, ERR_TRANSIENT, "QuotaExceeded", "%s: %s", what, text);
	if (keys_refused(call))
		return err_set(err, ERR_USER, "Unauthorized", "%s: %s", what, text);
	if (str_eq(call->error, "AccessDenied") || str_eq(call->error, "AccessDeniedException"))
		return err_set(err, ERR_USER, "Forbidden", "%s: %s", what, text);
	return api_call_fail(&call->api, what, text, err);
}

void sagemaker_call_free(struct sagemaker_call *call)
{
	aws_wait_cancel(&call->wait);
	loop_timer_del(&call->timer);
	api_call_free(&call->api);
	free(call->error);
	free(call->body);
	*call = (struct sagemaker_call){0};
}

/*
 * One operation (struct kube_op) goes through these places; it is on at most one list:
 *
 *   kube_send -> [write queue] -> [waiting for credentials] -> http -> finished
 *                     ^                                          |
 *                     '------------- retry timer <---------------'
 *
 * A write holds one of 16 slots from the time it leaves the queue until it is finished or waits
 * for its next attempt. A 429 closes the queue for all writes until the server's time is over.
 */
#include "kube/client.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "doc/json.h"
#include "kube/internal.h"

#define MAX_WRITES 16
#define MAX_CONNECTIONS 20 /* the writes, and room for reads beside them */
#define MAX_WATCH_CONNECTIONS 64
#define DEFAULT_TIMEOUT_MS 30000
#define DEFAULT_ATTEMPTS 10
#define BACKOFF_MIN_MS 800
#define BACKOFF_MAX_MS 30000
#define UNAUTHORIZED_PAUSE_MS 10000
#define UNAUTHORIZED_MAX 3
#define CONNECT_FAILURES_MAX 3
#define MAX_WARNINGS 64
#define MAX_RETIRED 64

struct kube_client {
	struct loop *loop;
	struct kube_config *config; /* our copy */
	struct kube_credentials credentials;
	char *user_agent, *field_manager;
	struct http_client *http, *watch_http;
	/* Clients whose certificates were replaced while requests ran on them. */
	struct http_client *retired[MAX_RETIRED];
	size_t retired_len;
	struct list write_queue, waiting;
	int writes_in_flight, in_flight, connect_failures;
	int64_t hold_until_ms;
	struct loop_timer hold;
	uint64_t writes, next_sequence;
	struct map warnings; /* texts seen */
	int64_t backoff_min_ms, backoff_max_ms;
};

static void op_try(struct kube_op *op);

/* --- the client --- */

static int make_http(
	struct kube_client *client, int connections, struct http_client **ret, struct err *err)
{
	struct http_client_options options = {
		.ca_pem = client->config->ca_pem,
		.client_cert_pem = client->config->client_cert_pem,
		.client_key_pem = client->config->client_key_pem,
		.proxy = client->config->proxy_url,
		.tls_server_name = client->config->tls_server_name,
		.insecure_skip_verify = client->config->insecure_skip_tls_verify,
		.max_connections = connections,
		.user_agent = client->user_agent,
	};

	return http_client_new(client->loop, &options, ret, err);
}

static void tls_changed(struct kube_credentials *credentials)
{
	struct kube_client *client = container_of(credentials, struct kube_client, credentials);
	struct http_client *http = NULL, *watch_http = NULL;
	auto_err err = ERR_INIT;

	if (client->retired_len + 2 > MAX_RETIRED)
		return; /* 32 rotations in one life: a restart is cheaper than the bookkeeping */
	if (make_http(client, MAX_CONNECTIONS, &http, &err) < 0 ||
		make_http(client, MAX_WATCH_CONNECTIONS, &watch_http, &err) < 0) {
		http_client_free(http);
		log_warn("rotated certificates cannot be used", "err.reason", err.reason, "err",
			err_message(&err));
		return;
	}
	client->retired[client->retired_len++] = client->http;
	client->retired[client->retired_len++] = client->watch_http;
	client->http = http;
	client->watch_http = watch_http;
}

static void credentials_ready(struct kube_credentials *credentials)
{
	struct kube_client *client = container_of(credentials, struct kube_client, credentials);
	struct list batch;

	/* Whoever has to wait again goes to the emptied list. */
	list_init(&batch);
	list_for_each (node, &client->waiting) {
		list_del(node);
		list_add_tail(&batch, node);
	}
	list_for_each (node, &batch) {
		list_del(node);
		op_try(container_of(node, struct kube_op, link));
	}
}

int kube_client_new(struct loop *loop, const struct kube_config *config, const char *user_agent,
	struct kube_client **ret_client, struct err *err)
{
	struct kube_client *client = xnew(struct kube_client);

	client->loop = loop;
	client->config = kube_config_copy(config);
	client->user_agent = xstrdup(user_agent);
	client->field_manager = xstrndup(user_agent, strcspn(user_agent, "/ "));
	client->credentials.loop = loop;
	client->credentials.config = client->config;
	client->credentials.ready = credentials_ready;
	client->credentials.tls_changed = tls_changed;
	client->backoff_min_ms = BACKOFF_MIN_MS;
	client->backoff_max_ms = BACKOFF_MAX_MS;
	list_init(&client->write_queue);
	list_init(&client->waiting);
	if (make_http(client, MAX_CONNECTIONS, &client->http, err) < 0 ||
		make_http(client, MAX_WATCH_CONNECTIONS, &client->watch_http, err) < 0) {
		kube_client_free(client);
		return -1;
	}
	*ret_client = client;
	return 0;
}

void kube_client_free(struct kube_client *client)
{
	if (!client)
		return;
	assert(client->in_flight == 0);
	loop_timer_del(&client->hold);
	kube_credentials_release(&client->credentials);
	http_client_free(client->http);
	http_client_free(client->watch_http);
	for (size_t i = 0; i < client->retired_len; i++)
		http_client_free(client->retired[i]);
	kube_config_free(client->config);
	map_clear(&client->warnings);
	free(client->user_agent);
	free(client->field_manager);
	free(client);
}

int kube_client_in_flight(const struct kube_client *client)
{
	return client->in_flight;
}

uint64_t kube_client_writes(const struct kube_client *client)
{
	return client->writes;
}

void kube_client_set_backoff(struct kube_client *client, int64_t min_ms, int64_t max_ms)
{
	client->backoff_min_ms = min_ms > 0 ? min_ms : BACKOFF_MIN_MS;
	client->backoff_max_ms = max_ms > 0 ? max_ms : BACKOFF_MAX_MS;
}

struct http_client *kube_watch_http(struct kube_client *client)
{
	return client->watch_http;
}

struct loop *kube_loop(const struct kube_client *client)
{
	return client->loop;
}

void kube_token_expired(struct kube_client *client)
{
	kube_credentials_expire(&client->credentials);
}

int kube_client_check(struct kube_client *client, struct err *err)
{
	return kube_credentials_check(&client->credentials, err);
}

void kube_client_warn(struct kube_client *client, const char *text)
{
	if (!text || map_has(&client->warnings, text) || client->warnings.len >= MAX_WARNINGS)
		return;
	map_set(&client->warnings, text, NULL);
	log_warn("the API server warns", "warning", text);
}

/* --- URLs and headers --- */

char *kube_url(const struct kube_client *client, const struct kube_resource *resource,
	const char *namespace_, const char *name, const char *subresource)
{
	auto_buf url = BUF_INIT;

	buf_adds(&url, client->config->server);
	kube_url_add(&url, resource, namespace_, name, subresource);
	return buf_take(&url);
}

static void add_client_headers(struct kube_client *client, struct strvec *headers)
{
	strvec_addf(headers, "User-Agent: %s", client->user_agent);
	kube_credentials_headers(&client->credentials, headers);
}

void kube_add_headers(
	struct kube_client *client, struct strvec *headers, bool metadata_only, bool list)
{
	if (metadata_only)
		strvec_addf(headers,
			"Accept: application/json;as=PartialObjectMetadata%s;g=meta.k8s.io;v=v1",
			list ? "List" : "");
	else
		strvec_add(headers, "Accept: application/json");
	add_client_headers(client, headers);
}

void kube_headers_wipe(struct strvec *headers)
{
	strvec_for_each (headers, i)
		explicit_bzero(headers->items[i], strlen(headers->items[i]));
	strvec_clear(headers);
}

/* Leases have a budget of time, not of requests: they never wait for other writes. */
static bool is_throttled(const struct kube_op *op)
{
	return kube_op_is_write(op) && !str_eq(op->resource->plural, "leases");
}

static void op_headers(struct kube_op *op, struct strvec *headers)
{
	if (op->verb == KUBE_GET_RAW) {
		strvec_add(headers, "Accept: application/json, */*");
		add_client_headers(op->client, headers);
	} else {
		kube_add_headers(op->client, headers, op->metadata_only, op->verb == KUBE_LIST);
	}
	if (op->body_text)
		strvec_add(headers, kube_op_content_type(op));
}

/* --- the end of an operation --- */

static void give_slot_back(struct kube_op *op)
{
	if (op->has_slot) {
		op->has_slot = false;
		op->client->writes_in_flight--;
	}
}

static void pump(struct kube_client *client);

static void hold_over(struct loop_timer *timer)
{
	pump(container_of(timer, struct kube_client, hold));
}

/* Lets queued writes go while there are slots and no 429 holds them. */
static void pump(struct kube_client *client)
{
	int64_t wait = client->hold_until_ms - loop_now_ms(client->loop);

	if (list_empty(&client->write_queue))
		return;
	if (wait > 0) {
		if (!loop_timer_armed(&client->hold))
			loop_timer_set(client->loop, &client->hold, wait, hold_over);
		return;
	}
	while (client->writes_in_flight < MAX_WRITES && !list_empty(&client->write_queue)) {
		struct kube_op *op = container_of(client->write_queue.next, struct kube_op, link);

		list_del(&op->link);
		op->queued = false;
		op->has_slot = true;
		client->writes_in_flight++;
		op_try(op);
	}
}

/* Ends the operation; it may be gone when this returns. */
static void op_finish(struct kube_op *op, enum kube_outcome outcome)
{
	struct kube_client *client = op->client;

	op->outcome = outcome;
	op->active = false;
	client->in_flight--;
	if (outcome == KUBE_OK && kube_op_is_write(op))
		client->writes++;
	give_slot_back(op);
	pump(client);
	op->done(op);
}

static void op_give_up(struct kube_op *op)
{
	op_finish(op, op->maybe_written ? KUBE_UNKNOWN : KUBE_FAILED);
}

/* --- another attempt --- */

/* Into the queue by the order of kube_send: what was tried before goes ahead of what was not. */
static void op_enter(struct kube_op *op)
{
	struct list *queue = &op->client->write_queue;
	struct list *before = queue;

	if (!is_throttled(op)) {
		op_try(op);
		return;
	}
	op->queued = true;
	if (op->attempt + op->unauthorized > 0) {
		before = queue->next;
		while (before != queue &&
			container_of(before, struct kube_op, link)->sequence < op->sequence)
			before = before->next;
	}
	list_add_tail(before, &op->link);
	pump(op->client);
}

static void op_retry_due(struct loop_timer *timer)
{
	op_enter(container_of(timer, struct kube_op, retry));
}

static void op_retry_exhausted(struct loop_timer *timer)
{
	op_give_up(container_of(timer, struct kube_op, retry));
}

static int op_max_attempts(const struct kube_op *op)
{
	return op->max_attempts > 0 ? op->max_attempts : DEFAULT_ATTEMPTS;
}

/* After a failed attempt: waits and goes again, or ends with op->err. delay_ms < 0: back-off.
 * Never ends the operation before the next turn, so that it may be called from kube_send. */
static void op_again(struct kube_op *op, int64_t delay_ms)
{
	struct kube_client *client = op->client;

	op->attempt++;
	give_slot_back(op);
	if (op->attempt >= op_max_attempts(op)) {
		loop_timer_set(client->loop, &op->retry, 0, op_retry_exhausted);
		return;
	}
	if (delay_ms < 0)
		delay_ms = kube_backoff_ms(
			client->backoff_min_ms, client->backoff_max_ms, op->attempt - 1);
	loop_timer_set(client->loop, &op->retry, delay_ms, op_retry_due);
	pump(client);
}

/* --- one attempt --- */

static void op_transport_failed(struct kube_op *op)
{
	struct kube_client *client = op->client;

	if (++client->connect_failures >= CONNECT_FAILURES_MAX) {
		client->connect_failures = 0;
		http_client_reset_connections(client->http);
	}
	err_move(&op->err, &op->http.err);
	if (kube_op_is_write(op) && op->http.sent) {
		op->maybe_written = true;
		op_give_up(op);
		return;
	}
	op_again(op, -1);
}

static void op_unauthorized(struct kube_op *op)
{
	if (op->generation == op->client->credentials.generation)
		kube_credentials_expire(&op->client->credentials);
	op->unauthorized++;
	if (op->unauthorized >= UNAUTHORIZED_MAX) {
		op_give_up(op);
	} else if (op->unauthorized == 1) {
		op->attempt--; /* the retry with a new token is not one of the attempts */
		op_again(op, 0);
	} else {
		op_again(op,
			op->client->backoff_min_ms < BACKOFF_MIN_MS ? -1 : UNAUTHORIZED_PAUSE_MS);
	}
}

/* A write goes back to its place in the queue, which opens for all when the time is over. */
static void op_too_many(struct kube_op *op, int64_t retry_after_ms)
{
	struct kube_client *client = op->client;
	int64_t delay = retry_after_ms > 0 ? retry_after_ms : 1000;
	int64_t until = loop_now_ms(client->loop) + delay;

	if (!is_throttled(op)) {
		op_again(op, delay);
		return;
	}
	if (until > client->hold_until_ms) {
		client->hold_until_ms = until;
		loop_timer_del(&client->hold);
	}
	if (op->attempt + 1 >= op_max_attempts(op)) {
		op_again(op, delay);
		return;
	}
	op->attempt++;
	give_slot_back(op);
	op_enter(op);
}

static void op_refused(struct kube_op *op, const json_t *body)
{
	struct kube_answer answer;

	kube_answer_read(op->verb, op->http.status, body, buf_str(&op->http.response),
		op->http.retry_after_ms, &answer, &op->err);
	op->maybe_written |= answer.maybe_written;
	if (!answer.unauthorized)
		op->unauthorized = 0;
	/* The guard of a JSON patch fails when an earlier attempt went through after all. */
	if (answer.outcome == KUBE_INVALID && op->verb == KUBE_JSON_PATCH && op->maybe_written)
		op_finish(op, KUBE_UNKNOWN);
	else if (answer.outcome != KUBE_FAILED)
		op_finish(op, answer.outcome);
	else if (answer.unauthorized)
		op_unauthorized(op);
	else if (answer.too_many)
		op_too_many(op, answer.retry_after_ms);
	else if (answer.retry)
		op_again(op, answer.retry_after_ms > 0 ? answer.retry_after_ms : -1);
	else
		op_give_up(op);
}

/* A 2xx whose body is no JSON object: the connection is suspect, a write has happened. */
static void op_unreadable(struct kube_op *op)
{
	err_set(&op->err, ERR_TRANSIENT, "UnreadableAnswer",
		"the API server's answer (HTTP %d, %zu bytes) is no JSON object", op->http.status,
		op->http.response.len);
	http_client_reset_connections(op->client->http);
	if (kube_op_is_write(op)) {
		op->maybe_written = true;
		op_give_up(op);
		return;
	}
	op_again(op, -1);
}

static void op_answered(struct http_request *http)
{
	struct kube_op *op = container_of(http, struct kube_op, http);
	bool good = http->status >= 200 && http->status < 300;

	kube_client_warn(op->client, http->warning);
	err_clear(&op->err);
	if (http->err.class != ERR_NONE || http->status == 0) {
		op_transport_failed(op);
		return;
	}
	op->client->connect_failures = 0;
	if (good && op->verb == KUBE_GET_RAW) {
		op->raw = &http->response;
		op_finish(op, KUBE_OK);
		return;
	}
	json_decref(op->result);
	op->result = NULL;
	if (doc_json_parse_lenient(
		    buf_str(&http->response), http->response.len, &op->result, NULL) < 0)
		op->result = NULL;
	if (op->result && !json_is_object(op->result)) {
		json_decref(op->result);
		op->result = NULL;
	}
	if (!good) {
		auto_json *body = take_ptr(op->result);

		op_refused(op, body);
	} else if (!op->result && op->verb != KUBE_DELETE) {
		op_unreadable(op);
	} else {
		if (op->resource == &kube_secrets)
			explicit_bzero(http->response.data, http->response.len);
		buf_free(&http->response);
		op_finish(op, KUBE_OK);
	}
}

static void op_try(struct kube_op *op)
{
	struct kube_client *client = op->client;
	auto_strvec headers = STRVEC_INIT;
	int r = kube_credentials_check(&client->credentials, &op->err);

	if (r == CREDENTIALS_WAIT) {
		list_add_tail(&client->waiting, &op->link);
		return;
	}
	if (r < 0) {
		op_again(op, -1);
		return;
	}
	op->generation = client->credentials.generation;
	op_headers(op, &headers);
	op->http.method = kube_op_method(op);
	op->http.url = op->url;
	op->http.headers = &headers;
	op->http.body = op->body_text;
	op->http.body_len = op->body_text ? strlen(op->body_text) : 0;
	op->http.timeout_ms = op->timeout_ms > 0 ? op->timeout_ms : DEFAULT_TIMEOUT_MS;
	op->http.done = op_answered;
	http_send(client->http, &op->http);
	op->http.headers = NULL;
	kube_headers_wipe(&headers);
}

/* --- for owners --- */

static void op_clear_results(struct kube_op *op)
{
	json_decref(op->result);
	op->result = NULL;
	op->raw = NULL;
	err_clear(&op->err);
}

void kube_send(struct kube_client *client, struct kube_op *op)
{
	assert(!op->active);
	op_clear_results(op);
	free(op->url);
	free(op->body_text);
	op->client = client;
	op->url = kube_op_url(client->config->server, client->field_manager, op);
	op->body_text = op->body ? doc_json_dump(op->body) : NULL;
	op->outcome = KUBE_FAILED;
	op->sequence = client->next_sequence++;
	op->attempt = 0;
	op->unauthorized = 0;
	op->maybe_written = false;
	op->active = true;
	list_init(&op->link);
	client->in_flight++;
	op_enter(op);
}

void kube_cancel(struct kube_op *op)
{
	if (!op->active)
		return;
	http_cancel(&op->http);
	loop_timer_del(&op->retry);
	list_del(&op->link);
	op->queued = false;
	op->active = false;
	op->client->in_flight--;
	give_slot_back(op);
	pump(op->client);
}

bool kube_op_active(const struct kube_op *op)
{
	return op->active;
}

void kube_op_free(struct kube_op *op)
{
	kube_cancel(op);
	if (op->client)
		http_request_free(&op->http);
	op_clear_results(op);
	free(op->url);
	free(op->body_text);
	op->url = NULL;
	op->body_text = NULL;
}

/*
 * Clients and requests: what starts when, and who hears of the end.
 *
 *   http_send -> waiting -> in a pool -> finished -> done (deferred call)
 *
 * A request that cannot start goes straight to finished; http_cancel leaves the
 * path at any place. Curl may not be called from inside its callbacks, so what
 * on_data starts or cancels takes effect when curl has returned.
 */
#include "net/http.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include "base/str.h"
#include "net/private.h"

enum { HTTP_DEFAULT_CONNECTIONS = 8 };

/* --- clients --- */

static char *copy_or_null(const char *s)
{
	return s ? xstrdup(s) : NULL;
}

/* Go resolves names at the SOCKS proxy, which libcurl calls socks5h. */
static char *copy_proxy(const char *proxy)
{
	if (proxy && str_starts_with(proxy, "socks5://"))
		return xasprintf("socks5h://%s", proxy + strlen("socks5://"));
	return copy_or_null(proxy);
}

static void client_global_setup(void)
{
	static bool ready;
	struct sigaction action;

	if (ready)
		return;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		abort(); /* out of memory */
	if (sigaction(SIGPIPE, NULL, &action) == 0 && action.sa_handler == SIG_DFL)
		(void)signal(SIGPIPE, SIG_IGN);
	ready = true;
}

int http_client_new(struct loop *loop, const struct http_client_options *options,
	struct http_client **ret_client, struct err *err)
{
	struct http_client *client;

	if (!options->client_cert_pem != !options->client_key_pem)
		return err_set(err, ERR_USER, "TLSFailed",
			options->client_key_pem ? "a client key without its certificate"
						: "a client certificate without its key");
	client_global_setup();
	client = xnew(struct http_client);
	client->loop = loop;
	client->options = (struct http_client_options){
		.ca_pem = copy_or_null(options->ca_pem),
		.client_cert_pem = copy_or_null(options->client_cert_pem),
		.client_key_pem = copy_or_null(options->client_key_pem),
		.proxy = copy_proxy(options->proxy),
		.unix_socket = copy_or_null(options->unix_socket),
		.tls_server_name = copy_or_null(options->tls_server_name),
		.insecure_skip_verify = options->insecure_skip_verify,
		.max_connections = options->max_connections > 0 ? options->max_connections
								: HTTP_DEFAULT_CONNECTIONS,
		.user_agent = copy_or_null(options->user_agent),
	};
	list_init(&client->pools);
	list_init(&client->waiting);
	list_init(&client->finished);
	*ret_client = client;
	return 0;
}

void http_client_free(struct http_client *client)
{
	if (!client)
		return;
	assert(client->requests == 0);
	if (client->freed)
		*client->freed = true;
	loop_defer_del(&client->report);
	list_for_each (pos, &client->pools) {
		http_pool_free(container_of(pos, struct http_pool, link));
	}
	free((char *)client->options.ca_pem);
	free((char *)client->options.client_cert_pem);
	mem_free_secret((char *)client->options.client_key_pem);
	mem_free_secret((char *)client->options.proxy);
	free((char *)client->options.unix_socket);
	free((char *)client->options.tls_server_name);
	free((char *)client->options.user_agent);
	free(client);
}

void http_client_reset_connections(struct http_client *client)
{
	struct http_pool *pool = take_ptr(client->pool);

	if (pool)
		http_pool_retire(pool);
}

/* --- the end of requests --- */

static void client_report(struct loop_defer *defer)
{
	struct http_client *client = container_of(defer, struct http_client, report);
	struct list marker;
	bool freed = false;

	/* What done sends again and fails at once is for the next turn. */
	client->freed = &freed;
	list_add_tail(&client->finished, &marker);
	while (client->finished.next != &marker) {
		struct http_request *req =
			container_of(client->finished.next, struct http_request, link);

		list_del(&req->link);
		req->client = NULL;
		client->requests--;
		req->done(req);
		if (freed)
			return;
	}
	list_del(&marker);
	client->freed = NULL;
}

static void request_finished(struct http_request *req)
{
	struct http_client *client = req->client;

	loop_timer_del(&req->deadline);
	loop_timer_del(&req->idle_timer);
	req->transfer = NULL;
	list_add_tail(&client->finished, &req->link);
	loop_defer_add(client->loop, &client->report, client_report);
}

/* Frees it, now or as soon as curl allows. */
static void transfer_end(struct http_transfer *transfer)
{
	transfer->req = NULL;
	if (transfer->pool) {
		http_pool_remove(transfer->pool, transfer);
	} else {
		list_del(&transfer->link);
		http_transfer_free(transfer);
	}
}

void http_transfer_finished(struct http_transfer *transfer)
{
	request_finished(transfer->req);
	transfer_end(transfer);
}

/* --- the start of requests --- */

static void client_start(struct http_client *client, struct http_transfer *transfer)
{
	if (!client->pool)
		client->pool = http_pool_new(client);
	list_del(&transfer->link);
	if (http_pool_add(client->pool, transfer, &transfer->req->err) < 0)
		http_transfer_finished(transfer);
	else if (transfer->counted)
		client->in_flight++;
}

void http_client_start_waiting(struct http_client *client)
{
	list_for_each (pos, &client->waiting) {
		struct http_transfer *t = container_of(pos, struct http_transfer, link);

		if (client->pool && client->pool->busy)
			return; /* called again when curl has returned */
		if (!t->counted || client->in_flight < client->options.max_connections)
			client_start(client, t);
	}
}

/* Our own end of a request that curl still works on. */
static void request_timed_out(struct http_request *req, const char *reason, int64_t limit_ms)
{
	struct http_client *client = req->client;
	struct http_transfer *t = req->transfer;

	http_transfer_progress(t);
	err_set(&req->err, ERR_TRANSIENT, reason, "%s: %s within %lld ms", t->host,
		str_eq(reason, "Timeout") ? "no complete answer" : "nothing received",
		(long long)limit_ms);
	http_transfer_finished(t);
	http_client_start_waiting(client);
}

static void request_deadline(struct loop_timer *timer)
{
	struct http_request *req = container_of(timer, struct http_request, deadline);

	request_timed_out(req, "Timeout", req->timeout_ms);
}

/* Data only moves last_data_ms; the timer follows when it fires. */
static void request_idle(struct loop_timer *timer)
{
	struct http_request *req = container_of(timer, struct http_request, idle_timer);
	struct loop *loop = req->client->loop;
	int64_t left = req->last_data_ms + req->idle_timeout_ms - loop_now_ms(loop);

	if (left > 0)
		loop_timer_set(loop, timer, left, request_idle);
	else
		request_timed_out(req, "IdleTimeout", req->idle_timeout_ms);
}

static void request_clear_results(struct http_request *req)
{
	buf_free(&req->response);
	err_clear(&req->err);
	free(req->warning);
	free(req->content_type);
	req->warning = NULL;
	req->content_type = NULL;
	strvec_clear(&req->response_headers);
	req->status = 0;
	req->sent = false;
	req->retry_after_ms = -1;
}

void http_send(struct http_client *client, struct http_request *req)
{
	struct http_transfer *t;

	assert(!req->client);
	request_clear_results(req);
	req->client = client;
	client->requests++;
	if (http_transfer_new(client, req, &t, &req->err) < 0) {
		request_finished(req);
		return;
	}
	req->transfer = t;
	req->last_data_ms = loop_now_ms(client->loop);
	if (req->timeout_ms > 0)
		loop_timer_set(client->loop, &req->deadline, req->timeout_ms, request_deadline);
	if (req->idle_timeout_ms > 0)
		loop_timer_set(client->loop, &req->idle_timer, req->idle_timeout_ms, request_idle);
	list_add_tail(&client->waiting, &t->link);
	http_client_start_waiting(client);
}

void http_cancel(struct http_request *req)
{
	struct http_client *client = req->client;

	if (!client)
		return;
	loop_timer_del(&req->deadline);
	loop_timer_del(&req->idle_timer);
	if (req->transfer)
		transfer_end(req->transfer);
	else
		list_del(&req->link);
	req->transfer = NULL;
	req->client = NULL;
	client->requests--;
	http_client_start_waiting(client);
}

bool http_active(const struct http_request *req)
{
	return req->client != NULL;
}

const char *http_response_header(const struct http_request *req, const char *name)
{
	const struct strvec *headers = &req->response_headers;
	size_t len = strlen(name);

	strvec_for_each (headers, i) {
		if (strncmp(headers->items[i], name, len) == 0 &&
			str_starts_with(headers->items[i] + len, ": "))
			return headers->items[i] + len + 2;
	}
	return NULL;
}

void http_request_free(struct http_request *req)
{
	http_cancel(req);
	request_clear_results(req);
}

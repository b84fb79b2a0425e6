/*
 * HTTP on libcurl's multi interface, driven by the loop: the only folder that
 * includes curl.h. HTTP/1.1 by default with connection reuse (libcurl's multi
 * has stalled over HTTP/2 in release after release).
 *
 * One request is one struct embedded in its owner. `done` runs exactly once,
 * from the loop, never inside http_send(); http_cancel() is synchronous and
 * guarantees that it will not run. Redirects are not followed. Secrets
 * (Authorization, bodies) never reach logs or errors.
 */
#ifndef NET_HTTP_H
#define NET_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/err.h"
#include "base/list.h"
#include "base/vec.h"
#include "loop/loop.h"

struct http_client;
struct http_transfer;

/* How to reach one endpoint; strings are copied by http_client_new. PEM texts, not paths. */
struct http_client_options {
	const char *ca_pem;          /* NULL: the system's bundle */
	const char *client_cert_pem; /* NULL: none */
	const char *client_key_pem;
	const char *proxy;           /* URL; NULL: none (environment is not consulted) */
	const char *unix_socket;     /* path; NULL: TCP */
	const char *tls_server_name; /* NULL: the URL's host */
	bool insecure_skip_verify;
	int max_connections; /* requests in flight, others wait in order; 0: 8. Streams without a
			      * time-out (watches) are neither counted nor held back */
	const char *user_agent;
};

/* Ignores SIGPIPE for the process (TLS writes cannot avoid it) unless it is handled already. Fails
 * with ERR_USER when a client certificate comes without its key or the other way round. */
int http_client_new(struct loop *loop, const struct http_client_options *options,
	struct http_client **ret_client, struct err *err);
/* Cancels nothing: every request must be done or cancelled before. NULL is fine. */
void http_client_free(struct http_client *client);
/* Requests started from now on use new connections and a fresh look-up of names (after repeated
 * failures, rotated certificates); those in flight keep theirs, which nobody uses after them. */
void http_client_reset_connections(struct http_client *client);

struct http_request {
	/* --- set by the owner before http_send; borrowed until done --- */
	const char *method;           /* "GET", "POST", ... */
	const char *url;              /* complete; copied by http_send */
	const struct strvec *headers; /* "Name: value"; copied; may be NULL */
	const char *body;             /* copied by http_send; may be NULL */
	size_t body_len;
	/* Instead of a body: called for each next piece of it while the request is sent (chunked),
	 * in memory of no more than `size` bytes at a time; *ret_len 0 ends the body. Non-zero
	 * aborts the request; must not cancel or free it. Such a body is asked for once. */
	int (*on_body)(struct http_request *req, char *into, size_t size, size_t *ret_len);
	int64_t timeout_ms;      /* whole request; 0: none (watches) */
	int64_t idle_timeout_ms; /* no byte received, and none of on_body sent, for this long:
				  * IdleTimeout; 0: none */
	size_t max_response; /* bytes collected in `response`; 0: 64 MiB. A stream has no limit */
	/* Streaming: called with each piece of a 2xx body as it arrives, instead of collecting it
	 * in `response`; must not cancel or free the request (return non-zero to abort it). */
	int (*on_data)(struct http_request *req, const char *data, size_t len);
	void (*done)(struct http_request *req);

	/* --- results, valid in done and until the next http_send or http_request_free --- */
	int status;             /* 0: no answer began; kept beside err when one was cut off */
	struct buf response;    /* body (error bodies also when streaming, capped at 64 KiB) */
	struct err err;         /* transport failure; reason ConnectFailed, Timeout, IdleTimeout,
				 * TLSFailed, ResponseTooLarge, Aborted; class transient (TLS: user); or
				 * InvalidRequest (URL, header line), class user. The message names
				 * the host, never a header or a body */
	bool sent;              /* bytes of the request may have reached the peer: a write's outcome
				 * is unknown when err is set */
	int64_t retry_after_ms; /* from Retry-After (seconds form); -1 when absent */
	char *warning;          /* first Warning: 299 text; NULL when absent */
	char *content_type;     /* NULL when absent */
	struct strvec response_headers; /* kept only when keep_headers is set: "name: value", names
					 * in lower case */
	bool keep_headers;

	/* --- private --- */
	struct http_client *client;     /* set from http_send until done or http_cancel */
	struct http_transfer *transfer; /* NULL once the result is there */
	struct list link; /* on the client's finished list when there is no transfer */
	struct loop_timer deadline;
	struct loop_timer idle_timer;
	int64_t last_data_ms;
};

/* libcurl may send a request without a body once more when a kept connection turns out dead; one
 * with a body is never sent twice. Never fails synchronously: whatever goes wrong arrives in done.
 * The struct must be zeroed before its first use; http_send may be called again after done. */
void http_send(struct http_client *client, struct http_request *req);
/* done will not run (any more). Harmless on an idle request. */
void http_cancel(struct http_request *req);
bool http_active(const struct http_request *req);
/* A response header by its lower-case name, of a request with keep_headers; borrowed, NULL when
 * absent. */
const char *http_response_header(const struct http_request *req, const char *name);
/* Cancels and frees the results. */
void http_request_free(struct http_request *req);

#endif

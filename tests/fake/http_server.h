/*
 * A scripted HTTP/1.1 server on the loop, for tests: plain TCP on 127.0.0.1, an
 * ephemeral port. Each parsed request (Content-Length or chunked body) is an
 * exchange given to one callback, which answers at once or later, whole, in
 * chunks, or with any bytes; may have the answer split or cut at any byte.
 *
 * Nothing is written or freed inside the calls below: output happens in the
 * deferred phase of the loop's turn. One exchange per connection at a time;
 * a pipelined request waits. An exchange lives until `release` was called: after
 * a complete answer was written, or when the connection went away.
 */
#ifndef TESTS_FAKE_HTTP_SERVER_H
#define TESTS_FAKE_HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/list.h"
#include "base/vec.h"
#include "loop/loop.h"

struct http_conn;
struct http_exchange;

struct http_server {
	struct loop *loop;
	void (*request)(struct http_server *server, struct http_exchange *ex);
	void *user;
	uint16_t port;
	char url[64];    /* "http://127.0.0.1:<port>" */
	size_t accepted; /* connections so far */
	size_t open;     /* connections now */
	size_t requests; /* complete requests so far */

	/* --- private --- */
	int fd;
	struct loop_watch watch;
	struct list conns;
};

struct http_exchange {
	/* --- the request --- */
	struct http_server *server;
	char *method;
	char *target;          /* as sent: path and query */
	char *path;            /* target up to '?', as sent (still percent-encoded) */
	char *query;           /* after '?', as sent; "" when there is none */
	struct strvec headers; /* "name: value", names in lower case */
	struct buf body;

	/* --- the answerer's --- */
	void *state;
	/* Exactly once, before the exchange is freed; may be NULL. `complete` tells whether the
	 * whole answer was written. */
	void (*release)(struct http_exchange *ex);
	bool complete;

	/* --- private --- */
	struct http_conn *conn;
	struct strvec extra; /* headers of the answer */
	bool ended;
	bool close_after;
	bool chunked;
	bool cut;
	size_t split_at;
	size_t drip;
	size_t cut_at; /* SIZE_MAX: not */
};

/* `request` is called for each complete request, from the loop. Aborts the test when no socket
 * can be opened. */
void http_server_start(struct http_server *server, struct loop *loop,
	void (*request)(struct http_server *, struct http_exchange *), void *user);
/* Closes everything (exchanges are released). Not from inside its own callbacks. */
void http_server_stop(struct http_server *server);
/* Closes the listening socket (connections are refused, open ones stay) or opens it again on the
 * same port. */
void http_server_refuse(struct http_server *server, bool refuse);
/* Cuts every open connection; not from inside its own callbacks. */
void http_server_cut_all(struct http_server *server);

/* Value of a request header (lower-case name), NULL when absent. Borrowed. */
const char *http_header(const struct http_exchange *ex, const char *name);
/* Decoded value of a query parameter, owned by the caller; NULL when absent. */
char *http_query(const struct http_exchange *ex, const char *name);

/* --- how the bytes leave; call before answering --- */
/* Waits one turn of the loop after `offset` bytes of the answer. */
void http_split_at(struct http_exchange *ex, size_t offset);
/* Writes at most `piece` bytes per turn of the loop. */
void http_drip(struct http_exchange *ex, size_t piece);
/* Closes the connection once `offset` bytes of the answer were written. */
void http_cut_at(struct http_exchange *ex, size_t offset);
/* "Connection: close" in the answer, and it is closed after it. */
void http_close_after(struct http_exchange *ex);
/* Adds a header to the answer, "Name: value". */
void http_add_header(struct http_exchange *ex, const char *header);

/* --- answers --- */
/* A whole answer with Content-Length; content_type may be NULL. */
void http_reply(struct http_exchange *ex, int status, const char *content_type, const void *body,
	size_t len);
/* Head of a chunked answer; http_chunk and http_end follow, now or later. */
void http_reply_chunked(struct http_exchange *ex, int status, const char *content_type);
void http_chunk(struct http_exchange *ex, const void *data, size_t len);
/* Any bytes, in place of or between the above. */
void http_raw(struct http_exchange *ex, const void *data, size_t len);
/* The answer is complete (ends a chunked body); done by http_reply itself. */
void http_end(struct http_exchange *ex);
/* Writes what is queued, then cuts the connection. */
void http_cut(struct http_exchange *ex);

#endif

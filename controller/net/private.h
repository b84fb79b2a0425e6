/* What http.c, pool.c and transfer.c share; nobody else includes this. */
#ifndef NET_PRIVATE_H
#define NET_PRIVATE_H

#include <curl/curl.h>
#include "net/http.h"

/* One curl multi handle. A client has one that takes new transfers; older ones ("retired", see
 * http_client_reset_connections) live until their last transfer has ended. */
struct http_pool {
	struct http_client *client;
	struct list link; /* client->pools */
	CURLM *multi;
	struct loop_timer timer;
	struct list sockets;   /* struct http_socket */
	struct list transfers; /* added to the multi handle */
	struct list dead;      /* ended inside one of curl's callbacks: removed after it */
	bool busy;             /* curl runs: it may not be called now */
	bool in_action;        /* so does what follows it: the pool may not be freed */
	bool retired;
};

/* One curl easy handle with all that it borrows; owned by the client. Apart from its request, so
 * that a request can be cancelled and freed while curl must not be touched. */
struct http_transfer {
	struct http_client *client;
	struct http_request *req; /* NULL once it has ended */
	struct http_pool *pool;   /* NULL while it waits for its turn */
	struct list link;
	CURL *easy;
	struct curl_slist *headers;
	struct curl_slist *connect_to;
	char *host; /* for messages */
	char *body;
	size_t body_len;
	size_t body_pos; /* of on_body: bytes that it gave */
	size_t header_bytes;
	bool head_complete;
	bool counted;        /* against max_connections */
	bool too_large;      /* why we stopped it: the caps, */
	bool reader_stopped; /* on_data, */
	bool source_stopped; /* on_body, */
	bool enough;         /* or an error body of which we have enough */
	char error[CURL_ERROR_SIZE];
};

struct http_client {
	struct loop *loop;
	struct http_client_options options; /* strings owned */
	struct http_pool *pool;             /* takes new transfers; NULL until needed */
	struct list pools;
	struct list waiting;  /* transfers not started yet, in order */
	struct list finished; /* requests whose done is to be called */
	struct loop_defer report;
	int in_flight;   /* counted transfers that were started */
	size_t requests; /* between http_send and done or cancel */
	bool *freed;     /* set while done runs: tells its caller that the client is gone */
};

/* --- pool.c --- */
struct http_pool *http_pool_new(struct http_client *client);
void http_pool_free(struct http_pool *pool);
/* Takes no more transfers and goes away with its last one, at once when it has none. */
void http_pool_retire(struct http_pool *pool);
/* Hands the transfer to curl. */
int http_pool_add(struct http_pool *pool, struct http_transfer *transfer, struct err *err);
/* Takes the transfer from curl and frees it, now or after the callback that runs. */
void http_pool_remove(struct http_pool *pool, struct http_transfer *transfer);

/* --- transfer.c --- */
/* Copies all that is needed from req; < 0 when the request is not valid. */
int http_transfer_new(struct http_client *client, struct http_request *req,
	struct http_transfer **ret_transfer, struct err *err);
/* Not while curl has it. */
void http_transfer_free(struct http_transfer *transfer);
/* Writes status and sent of the request, as far as it came. */
void http_transfer_progress(struct http_transfer *transfer);
/* The same at the end of the transfer, and err. */
void http_transfer_result(struct http_transfer *transfer, CURLcode code);

/* --- http.c --- */
/* Ends a transfer; its request's results are complete and done will be called. */
void http_transfer_finished(struct http_transfer *transfer);
/* Starts what waits, as far as max_connections allows. */
void http_client_start_waiting(struct http_client *client);

#endif

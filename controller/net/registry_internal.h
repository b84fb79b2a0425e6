/*
 * What registry.c (questions and their answers), registry_job.c (how one is
 * asked), registry_host.c (requests, pauses) and registry_token.c share; nobody
 * else includes this.
 *
 *   op -> job (shared by equal ops) -> request -> host (one origin)
 */
#ifndef NET_REGISTRY_INTERNAL_H
#define NET_REGISTRY_INTERNAL_H

#include <stdbool.h>
#include "base/map.h"
#include "net/challenge.h"
#include "net/http.h"
#include "base/image_ref.h"
#include "net/registry.h"
#include "net/url.h"

/* --- registry_host.c: one origin --- */

struct registry_host {
	struct registry_client *client;
	char *origin; /* "https://registry-1.docker.io" */
	struct http_client *http;
	struct list link; /* client->hosts, the one used last at the end */
	struct list waiting;
	int active;            /* requests in flight */
	size_t users;          /* requests not done yet */
	int64_t blocked_until; /* it asked to slow down */
	int64_t failed_until;  /* as a mirror it is passed over */
	struct loop_timer unblock;
};

/*
 * One request with its further tries, embedded in its owner. Set http.method, http.headers,
 * http.body and http.max_response, tries, deadline_ms and done before.
 */
struct registry_request {
	struct http_request http; /* the answer's headers are in http.response_headers */
	int tries;
	int64_t deadline_ms; /* of loop_now_ms: no wait goes beyond it */
	void (*done)(struct registry_request *req);

	/* --- results, in done --- */
	int status;             /* 0: err is set. 429 also when the host was not asked again */
	int64_t retry_after_ms; /* with 429: how long the host wants to be left alone */
	struct err err;

	/* --- private --- */
	struct registry_client *client;
	struct registry_host *host;
	char *url;
	struct list link;
	struct loop_timer timer;
	int64_t pause_ms;
};

void registry_request_init(struct registry_request *req);
/* done runs later, from the loop. */
void registry_send(struct registry_client *client, struct registry_request *req, const char *url);
void registry_request_cancel(struct registry_request *req);
/* Cancels, and frees the results. */
void registry_request_free(struct registry_request *req);
/* False for plain HTTP to a host that is not on the allow-list. */
bool registry_url_allowed(const struct registry_client *client, const struct url_parts *url);
/* On the allow-list; *ret_plain: to be spoken to by plain HTTP at once. */
bool registry_insecure(
	const struct registry_client *client, const char *authority, bool *ret_plain);
/* A mirror did not answer: it is passed over for a while. */
void registry_host_failed(struct registry_client *client, const char *origin);
bool registry_host_is_failed(struct registry_client *client, const char *origin);
void registry_hosts_free(struct registry_client *client);

/* --- registry_token.c --- */

struct registry_token_store {
	struct map tokens;  /* key -> struct token */
	struct list by_age; /* the oldest first */
};

/* What a token is asked for with; auth NULL: anonymous. */
struct registry_token_request {
	const struct challenge *challenge;
	const char *repository;
	const struct registry_auth *auth;
};

void registry_tokens_init(struct registry_token_store *store);
void registry_tokens_clear(struct registry_token_store *store);
/* The key under which the token is kept; owned by the caller. */
char *registry_token_key(const struct registry_token_request *request);
/* Borrowed until the loop's next turn; NULL when there is none. */
const char *registry_token_get(struct registry_token_store *store, const char *key, int64_t now_ms);
void registry_token_drop(struct registry_token_store *store, const char *key);
/* From the token server's answer: keeps it and returns it (borrowed); NULL when it makes no sense.
 */
const char *registry_token_put(struct registry_token_store *store, const char *key,
	const char *answer, size_t len, int64_t now_ms);
/* Fills method, headers, body of the request; *ret_url is owned by the caller. `headers` and
 * `body` must outlive the request and are secrets. */
void registry_token_ask(const struct registry_token_request *request, struct http_request *http,
	struct strvec *headers, struct buf *body, char **ret_url);

/* "Authorization: Basic ..."; owned by the caller, a secret. */
char *registry_basic_header(const struct registry_auth *auth);
/* Overwrites and empties. */
void registry_wipe_headers(struct strvec *headers);

/* --- registry_job.c --- */

struct registry_endpoint {
	char *origin; /* "https://host[:port]" */
	char *authority;
	char *repository; /* of the image there: a mirror may put a path before it */
	bool mirror;
	bool try_plain; /* by plain HTTP when it does not speak TLS */
	struct registry_auth_list auths;
};

struct registry_job {
	struct registry_client *client;
	char *key; /* of client->jobs */
	struct image_ref image;
	char *shown; /* the image in messages */
	struct list ops;
	struct registry_endpoint *endpoints;
	size_t endpoints_len;
	int64_t deadline_ms;
	struct loop_timer deadline;

	/* --- where it stands --- */
	size_t endpoint;
	size_t auth;         /* of the endpoint's auths: the one in use */
	bool get;            /* HEAD did not do */
	char *authorization; /* header, a secret; NULL: none */
	bool cached_token;   /* it is a token from the store */
	bool foreign;        /* redirected to another origin: no credentials */
	int redirects;
	char *url; /* of the manifest */
	char *token_key;
	char *token_host;
	struct challenge challenge;
	struct strvec headers;
	struct buf body;
	struct registry_request request;
};

struct registry_job *registry_job_new(struct registry_client *client, const struct image_ref *image,
	const struct registry_auth_list *auths);
/* Distinguishes the credentials that it would use; owned by the caller. */
char *registry_job_key(const struct registry_job *job);
void registry_job_start(struct registry_job *job);
void registry_job_free(struct registry_job *job);

/* --- registry.c --- */

struct registry_client {
	struct loop *loop;
	struct registry_client_options options; /* strings owned; no mirrors, no hosts */
	struct map mirrors;                     /* host -> struct strvec of endpoints */
	struct map insecure;                    /* "host[:port]" -> PLAIN or UNVERIFIED */
	struct list hosts;
	size_t hosts_len;
	struct registry_token_store tokens;
	struct map answers; /* key -> struct answer */
	struct list answers_by_age;
	struct map jobs;
};

/* The end of a job, which is freed; digest NULL: err says why. */
void registry_job_finished(struct registry_job *job, const char *digest, const struct err *err);

#endif

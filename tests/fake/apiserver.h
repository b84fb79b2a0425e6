/*
 * A Kubernetes API server in the test's own process and loop: any resource of any group, kept in
 * memory (apiserver_store.h), served by http_server.h. It does lists with pages, watches with
 * bookmarks and a history that can be compacted, merge and JSON patches, deletes with
 * preconditions, garbage collection by owner references, metadata-only answers. It validates
 * nothing but what is said here.
 *
 * Tests act as the other controllers by fake_api_put and friends, and as the network by faults.
 */
#ifndef TESTS_FAKE_APISERVER_H
#define TESTS_FAKE_APISERVER_H

#include <jansson.h>
#include "tests/fake/apiserver_store.h"
#include "tests/fake/http_server.h"

struct fake_api;

/* What goes wrong with a request. Everything zero: nothing. */
struct fake_fault {
	/* Answers this status instead of serving; with body as it is, or else with a Status. */
	int status;
	const char *reason, *message; /* of the Status; NULL: the usual one */
	const char *cause;            /* details.causes[0].reason */
	const char *body;             /* such as an HTML page */
	int retry_after_s;            /* header, and details.retryAfterSeconds; 0: none */
	/* Serves, with this difference: */
	const char *header;  /* added to the answer: "Warning: 299 - \"text\"" */
	int64_t delay_ms;    /* before anything is done */
	bool cut_before;     /* cut without doing anything */
	bool lose_answer;    /* do it, then cut without an answer */
	size_t truncate_at;  /* body bytes after which the answer is cut */
	const char *instead; /* 200 with this text, done or not */
	/* Watches: */
	bool silent;          /* opened, then never a byte */
	bool duplicate;       /* every event twice */
	bool stale;           /* after every event the one before it again */
	bool gone;            /* an ERROR event with code 410 at once */
	const char *line;     /* this line first */
	size_t cut_stream_at; /* cut after that many bytes of the stream, mid-line */
	bool end_stream;      /* a clean end at once */
	int times;            /* requests it is for; 0: one; -1: all */
};

struct fake_api *fake_api_new(struct loop *loop);
/* NULL is fine. Not from inside its callbacks. */
void fake_api_free(struct fake_api *api);
/* "http://127.0.0.1:PORT" */
const char *fake_api_url(const struct fake_api *api);
struct http_server *fake_api_http(struct fake_api *api);
struct fake_store *fake_api_store(struct fake_api *api);

/* --- the test as a controller, a kubelet or a user; none of these are counted as requests --- */
/* Creates or replaces, status included; steals object (apiVersion, kind, metadata.name needed; the
 * plural is derived from the kind). Returns the resourceVersion, as a number. */
uint64_t fake_api_put(struct fake_api *api, json_t *object);
/* The same from JSON text; aborts on bad JSON. */
uint64_t fake_api_put_text(struct fake_api *api, const char *json);
/* New reference or NULL. path: "/api/v1/namespaces/ns/pods/p". */
json_t *fake_api_get(const struct fake_api *api, const char *path);
/* Merges a patch into spec and status alike. False when there is no such object. */
bool fake_api_patch(struct fake_api *api, const char *path, json_t *patch);
/* False when it was not there. */
bool fake_api_delete(struct fake_api *api, const char *path);
/* Objects of a collection now: "/api/v1/pods" or "/api/v1/namespaces/ns/pods". */
size_t fake_api_len(const struct fake_api *api, const char *path);
/* Text of a Pod's log. */
void fake_api_set_log(struct fake_api *api, const char *pod_path, const char *text);
/* A BOOKMARK on all watches that allow it. */
void fake_api_bookmark(struct fake_api *api);
/* Watches and continue tokens from before now answer 410; watches that are open go on. */
void fake_api_compact(struct fake_api *api);
/* Cuts all watches without a word. */
void fake_api_cut_watches(struct fake_api *api);
size_t fake_api_watches(const struct fake_api *api);

/* --- faults --- */
/* For the next requests that match: verb GET LIST WATCH POST PUT PATCH DELETE or NULL; part: what
 * path?query contains, or NULL. Strings must outlive it. Faults are used up in the order given. */
void fake_api_fault(
	struct fake_api *api, const char *verb, const char *part, const struct fake_fault *fault);
void fake_api_clear_faults(struct fake_api *api);
/* Asked first for every request; true: *ret is what goes wrong. For random schedules. */
void fake_api_set_judge(struct fake_api *api,
	bool (*judge)(void *user, const char *verb, const char *target, struct fake_fault *ret),
	void *user);
/* Splits every answer at every n-th byte; 0: not. */
void fake_api_set_split(struct fake_api *api, size_t n);
/* Requests without this bearer token get 401; NULL: anybody. */
void fake_api_require_token(struct fake_api *api, const char *token);

/* --- what was asked --- */
/* Requests of this verb whose target contains part (either NULL: all). */
size_t fake_api_count(const struct fake_api *api, const char *verb, const char *part);
/* "VERB target" of each request so far. */
const struct strvec *fake_api_log(const struct fake_api *api);
void fake_api_log_clear(struct fake_api *api);
/* A header of the latest request, "" when absent (name in lower case). */
const char *fake_api_last_header(const struct fake_api *api, const char *name);
/* Body of the latest request that had one. */
const char *fake_api_last_body(const struct fake_api *api);

#endif

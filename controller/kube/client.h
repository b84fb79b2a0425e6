/*
 * The thin API client: get, list (paged), create, patch, delete over JSON for any
 * resource. It retries what is safe to retry (429 and 5xx with Retry-After or back-off,
 * connection failures before anything was sent; GETs always), re-reads the token on 401, and
 * keeps all non-lease writes waiting together after a 429. At most 16 writes are in flight, in the
 * order they were sent. Writes carry fieldManager, the user agent's part before the slash.
 * Sources: operator-machinery.md A1-A9.
 */
#ifndef KUBE_CLIENT_H
#define KUBE_CLIENT_H

#include <jansson.h>
#include "kube/config.h"
#include "net/http.h"

/* Outcomes > 0 of an operation. */
enum kube_outcome {
	KUBE_OK = 0,
	KUBE_NOT_FOUND = 1, /* 404: the object, its namespace, or the type (no such CRD) */
	KUBE_EXISTS = 2,    /* 409 AlreadyExists on create */
	KUBE_CONFLICT = 3,  /* 409 Conflict on patch or delete: stale resourceVersion or UID */
	KUBE_GONE = 4,      /* 410 */
	KUBE_INVALID = 5,   /* 422, 413, 415, 400: err.message says why; class user */
	KUBE_FORBIDDEN = 6, /* 403; err.message; reason Forbidden or NamespaceTerminating */
	KUBE_UNKNOWN = 7,   /* a write that may have happened, or not: re-read; err says why */
	KUBE_FAILED = -1,   /* err filled; certainly not written; class transient (TLS: user) */
};

/* A resource type. Instances are constants. */
struct kube_resource {
	const char *group; /* "" for core */
	const char *version;
	const char *plural;
	const char *kind;
};

extern const struct kube_resource kube_pipelines, kube_runs, kube_components, kube_backends,
	kube_jobs, kube_pods, kube_configmaps, kube_secrets, kube_serviceaccounts, kube_events,
	kube_core_events;

struct kube_client;

/* Copies what it needs of config. user_agent e.g. "fondant-controller/0.1.0". */
int kube_client_new(struct loop *loop, const struct kube_config *config, const char *user_agent,
	struct kube_client **ret_client, struct err *err);
void kube_client_free(struct kube_client *client);
/* Requests in flight (watches not counted); for a clean shutdown. */
int kube_client_in_flight(const struct kube_client *client);
/* Writes answered 2xx since start, by verb ("POST", "PATCH", "DELETE"); for the API budget. */
uint64_t kube_client_writes(const struct kube_client *client);

enum kube_verb {
	KUBE_GET,
	KUBE_LIST,
	KUBE_CREATE,
	KUBE_MERGE_PATCH,
	KUBE_JSON_PATCH,
	KUBE_DELETE,
	KUBE_GET_RAW
};

struct kube_op {
	/* --- set by the owner --- */
	enum kube_verb verb;
	const struct kube_resource *resource;
	const char *namespace_;  /* NULL or "" for all (list) or cluster-scoped */
	const char *name;        /* not for list, nor for create but of a subresource */
	const char *subresource; /* "status", "log" or NULL */
	const json_t *body; /* create, patch, delete options; borrowed until kube_send returns */
	const char *label_selector, *field_selector;
	/* list: NULL for a consistent read, else not older than this; get: likewise */
	const char *resource_version;
	const char *continue_token;
	const char *query;  /* extra, ready-made "a=b&c=d" (logs), or NULL */
	int limit;          /* list page size; 0: no limit */
	bool metadata_only; /* PartialObjectMetadata */
	int64_t timeout_ms; /* one attempt; 0: 30 s */
	int max_attempts;   /* 0: 10 */
	void (*done)(struct kube_op *op);

	/* --- results, valid in done and until the next send or kube_op_free --- */
	enum kube_outcome outcome;
	struct err err;
	json_t *result;  /* object or list; NULL for KUBE_GET_RAW */
	struct buf *raw; /* body text of KUBE_GET_RAW; borrowed */

	/* --- private --- */
	struct kube_client *client;
	struct http_request http;
	struct loop_timer retry;
	struct list link;
	char *url, *body_text;
	uint64_t sequence;   /* order of kube_send */
	int attempt;         /* attempts that failed so far */
	int unauthorized;    /* 401 in a row */
	unsigned generation; /* of the credentials it was sent with */
	bool active, queued, has_slot, maybe_written;
};

/* Strings of the op must live until done. Exactly one done, from the loop. */
void kube_send(struct kube_client *client, struct kube_op *op);
void kube_cancel(struct kube_op *op);
bool kube_op_active(const struct kube_op *op);
/* Cancels, frees results. */
void kube_op_free(struct kube_op *op);

/* Back-off between attempts; 0 leaves the default (800 ms up to 30 s). For tests and the CLI. */
void kube_client_set_backoff(struct kube_client *client, int64_t min_ms, int64_t max_ms);

/* For watch.c: absolute URL of a collection or object, and auth headers. */
char *kube_url(const struct kube_client *client, const struct kube_resource *resource,
	const char *namespace_, const char *name, const char *subresource);
/* Adds Accept, User-Agent, Authorization, Impersonate-*; metadata_only selects the partial type. */
void kube_add_headers(
	struct kube_client *client, struct strvec *headers, bool metadata_only, bool list);
struct http_client *kube_watch_http(struct kube_client *client);
struct loop *kube_loop(const struct kube_client *client);
/* After a 401: makes the next request read the token anew. */
void kube_token_expired(struct kube_client *client);

/* resourceVersion order (KEP-5504): <0, 0, >0; malformed or empty ones compare as older. */
int kube_rv_compare(const char *a, const char *b);

#endif

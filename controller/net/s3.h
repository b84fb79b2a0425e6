/*
 * The few calls of an S3 object store that we need, signed (net/sigv4.h) and
 * asynchronous: HEAD, GET, PUT, ListObjectsV2, DELETE, DeleteObjects. Works
 * with Amazon S3 and what speaks like it.
 *
 * Keys are any bytes but NUL, up to 1024. A bucket in another region than
 * configured is asked again in the region that the answer names, and that is
 * remembered. Answers without a verdict (no connection, 429, 500, 502, 503
 * SlowDown, 504) are tried again after a pause; a clock that is off
 * (RequestTimeTooSkewed) is put right by the answer's Date once.
 */
#ifndef NET_S3_H
#define NET_S3_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/err.h"
#include "base/vec.h"
#include "loop/loop.h"
#include "net/http.h"

#define S3_KEY_MAX 1024
#define S3_DELETE_MAX 1000 /* keys of one s3_delete_many */
#define S3_LIST_MAX 1000   /* entries of one page */

/* Owned strings; s3_config_from_env (net/s3_env.h) fills one. */
struct s3_config {
	char *endpoint; /* URL without a path; NULL: Amazon's, of the region */
	char *region;   /* NULL: us-east-1 */
	char *key_id;   /* NULL: requests are not signed (public buckets) */
	char *secret;
	char *session_token; /* NULL: none */
	bool path_style;     /* https://host/bucket/key; also where an endpoint is given, and
			      * for buckets with a dot */
};

/* Overwrites and frees the strings; {0} is fine. */
void s3_config_release(struct s3_config *config);
/* "s3://bucket[/key]" (also s3a://, s3n://): false when it is none. The key is taken as it
 * stands, without decoding; "" for the bucket itself. Both are owned by the caller. */
bool s3_parse_uri(const char *uri, char **ret_bucket, char **ret_key);

struct s3_client_options {
	const struct s3_config *config; /* copied */
	const char *ca_pem;             /* NULL: the system's */
	const char *proxy;              /* NULL: none */
	int max_connections;            /* 0: 8 */
	int64_t request_ms;             /* deadline of one request; 0: 30 s */
	int tries;                      /* 0: 4 */
	int64_t retry_ms;               /* before the second try, doubled each time; 0: 200 ms */
	int64_t (*wall_ms)(void);       /* the clock signatures go by; NULL: time_wall_ms */
};

struct s3_client;

/* < 0 with ERR_USER InvalidS3Config (endpoint, region, a key without its secret). */
int s3_client_new(struct loop *loop, const struct s3_client_options *options,
	struct s3_client **ret_client, struct err *err);
/* Every op must be done or cancelled before. NULL is fine. */
void s3_client_free(struct s3_client *client);

enum s3_outcome {
	S3_OK,
	S3_NOT_FOUND, /* no such key, or (err.reason NoSuchBucket) no such bucket */
	S3_FORBIDDEN, /* also: no such key, and the caller may not list the bucket */
	S3_EXISTS,    /* s3_put with create_only: there is one already; after a second try it may
		       * be our own */
	S3_FAILED,    /* err says why */
};

struct s3_object {
	char *key;
	char *etag; /* without quotes; NULL when not given */
	int64_t size;
	int64_t modified_s; /* Unix seconds; 0 when not given */
};

/*
 * One call, embedded in its owner; zeroed before its first use, may be used again after done.
 * `done` runs exactly once, from the loop, never inside the call that starts it.
 */
struct s3_op {
	void (*done)(struct s3_op *op);

	/* --- results, valid until the next call or s3_op_free --- */
	enum s3_outcome outcome;
	/* Set unless the outcome is S3_OK: names the bucket and the key, never a secret. Reasons:
	 * NoSuchKey, NoSuchBucket, AccessDenied, SignatureRefused (wrong keys), AlreadyExists,
	 * class user; S3Unavailable, S3Timeout, S3InvalidAnswer, class transient; ObjectTooLarge,
	 * InvalidKey, class user. */
	struct err err;
	int64_t size;              /* head: of the object, -1 when not told */
	char *etag;                /* head, get, put: without quotes; NULL when not told */
	struct buf body;           /* get */
	struct s3_object *objects; /* list */
	size_t objects_len;
	struct strvec prefixes;    /* list with a delimiter: the common prefixes */
	char *next;                /* list: token of the next page; NULL at the end */
	struct strvec not_deleted; /* delete_many: "key: code" of those that stayed */

	/* --- private --- */
	struct s3_client *client;
	struct s3_call *call;
};

void s3_head(struct s3_client *client, struct s3_op *op, const char *bucket, const char *key);
/* At most max bytes (else ObjectTooLarge); 0: 8 MiB. */
void s3_get(struct s3_client *client, struct s3_op *op, const char *bucket, const char *key,
	size_t max);

struct s3_put_options {
	const char *content_type; /* NULL: application/octet-stream */
	bool create_only;         /* If-None-Match: *; S3_EXISTS when there is one */
};

/* The body is copied; options may be NULL. */
void s3_put(struct s3_client *client, struct s3_op *op, const char *bucket, const char *key,
	const void *body, size_t len, const struct s3_put_options *options);

struct s3_list_options {
	const char *prefix;    /* NULL: all */
	const char *delimiter; /* NULL: none; "/" lists one folder */
	const char *next;      /* token of the page before; NULL: the first */
	int max;               /* entries of this page; 0: S3_LIST_MAX */
};

/* One page, in the order of the keys' bytes. */
void s3_list(struct s3_client *client, struct s3_op *op, const char *bucket,
	const struct s3_list_options *options);
/* S3_OK also when there was none. */
void s3_delete(struct s3_client *client, struct s3_op *op, const char *bucket, const char *key);
/* At most S3_DELETE_MAX keys in one request. S3_FAILED with reason NotDeleted when some stayed. */
void s3_delete_many(
	struct s3_client *client, struct s3_op *op, const char *bucket, const struct strvec *keys);

/* done will not run (any more). Harmless on an idle op. */
void s3_op_cancel(struct s3_op *op);
/* Cancels and frees the results. */
void s3_op_free(struct s3_op *op);

#endif

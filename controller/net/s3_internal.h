/* What s3.c (the calls), s3_call.c (how one is made) and s3_answer.c (what comes back) share;
 * nobody else includes this. */
#ifndef NET_S3_INTERNAL_H
#define NET_S3_INTERNAL_H

#include "base/map.h"
#include "net/s3.h"

enum s3_kind { S3_HEAD, S3_GET, S3_PUT, S3_LIST, S3_DELETE, S3_DELETE_MANY };

struct s3_client {
	struct loop *loop;
	struct http_client *http;
	struct s3_config config;
	char *scheme; /* of the endpoint; NULL: Amazon's */
	char *authority;
	struct map regions; /* bucket -> region, where it is not the configured one */
	int64_t skew_ms;    /* what the store's clock is ahead of ours */
	int64_t request_ms;
	int64_t retry_ms;
	int tries;
	int64_t (*wall_ms)(void);
	size_t calls; /* not done yet */
};

struct s3_call {
	struct s3_client *client;
	struct s3_op *op;
	enum s3_kind kind;
	const char *method;
	char *bucket;
	char *key;           /* "" for the bucket itself */
	struct buf query;    /* "?a=b&c=", sorted; empty for none */
	struct strvec fixed; /* headers of every try */
	struct strvec headers;
	struct buf body;
	size_t max;
	int tries;
	int64_t pause_ms;
	int moves; /* to another region */
	bool clock_set;
	struct http_request http;
	struct loop_timer timer;
};

/* --- s3_call.c --- */

/* Releases the older results of the op. */
struct s3_call *s3_call_new(struct s3_client *client, struct s3_op *op, enum s3_kind kind,
	const char *method, const char *bucket, const char *key);
void s3_call_start(struct s3_call *call);
/* Ends a call before it began: the op's err is set, done runs from the loop. */
void s3_call_refuse(struct s3_call *call);
/* "s3://bucket/key" for messages; owned by the caller. */
char *s3_call_name(const struct s3_call *call);

/* --- s3_answer.c --- */

/* Fills the op's results from a complete answer. */
void s3_answer(struct s3_call *call);
/* The Code, and the Region, of an error document; owned by the caller, NULL when not told. */
char *s3_answer_code(const struct s3_call *call, char **ret_region);

#endif

/*
 * Keys of Amazon Web Services, fetched when somebody needs them, and again five minutes before they
 * end. Sources: cloud-backends.md 1.6; the STS API reference (AssumeRole,
 * AssumeRoleWithWebIdentity); "Container credential provider" and "IMDS credential provider" of the
 * AWS SDKs and Tools reference guide.
 *
 *   a Secret with keys        AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and maybe AWS_SESSION_TOKEN
 *   a token of the cluster    a role taken with it (AssumeRoleWithWebIdentity)
 *   ambient                   the environment's keys, its web identity, its container's, else the
 *                             machine's (IMDSv2), in this order
 *
 * and with auth.assumeRole another role, taken with what any of them gave.
 */
#ifndef RUNNERS_AWS_AUTH_H
#define RUNNERS_AWS_AUTH_H

#include "base/list.h"
#include "net/sigv4.h"
#include "runners/api_call.h"
#include "runners/runner.h"

struct aws_keys {
	char *id, *secret;
	char *token;     /* NULL: none */
	int64_t ends_ms; /* monotonic; 0: they do not end */
};

struct aws_auth {
	/* --- private --- */
	struct loop *loop;
	struct http_client *client; /* borrowed */
	enum { AWS_STATIC, AWS_WEB_IDENTITY, AWS_CONTAINER, AWS_MACHINE } kind;
	char *region;
	char *sts;                                /* URL */
	char *role, *identity, *identity_file;    /* web identity: a token, or where one is */
	char *url;                                /* of the container's or the machine's keys */
	char *authorization, *authorization_file; /* for the container's */
	char *session;                            /* of the machine's service */
	char *hop_role, *hop_external_id;
	struct aws_keys base, keys; /* before the last role, and what is used */
	struct api_call call;
	char *body, *asked;
	struct list waiting;
};

/* Waits for keys. Zeroed before; embedded in its owner. */
struct aws_wait {
	void (*done)(struct aws_wait *wait); /* exactly once, from the loop */
	struct err err;                      /* class none: aws_auth_keys has them */

	/* --- private --- */
	struct list link;
	struct loop_defer defer;
	struct aws_auth *auth;
};

/* "https://<service>.<region>.amazonaws.com", with the suffix of the region's partition. Owned. */
char *aws_endpoint(const char *service, const char *region);

/*
 * settings: FondantBackend.spec.sagemaker, whose `region` says where STS is asked; auth.accessKey
 * or auth.webIdentity are among the credentials. $AWS_ENDPOINT_URL_STS or $AWS_ENDPOINT_URL is
 * another STS. The client is borrowed. Class user: InvalidKey (a key without its secret),
 * NoCredentials, InvalidEndpoint (an address of the environment that the SDKs would not take
 * either).
 */
int aws_auth_init(struct aws_auth *auth, struct loop *loop, struct http_client *client,
	const struct runner_settings *settings, struct err *err);
/* Nobody waits any more. */
void aws_auth_clear(struct aws_auth *auth);

/* done comes later, also when the keys are there already. */
void aws_auth_get(
	struct aws_auth *auth, struct aws_wait *wait, void (*done)(struct aws_wait *wait));
/* False: there are none, or they have ended. The strings are borrowed until the loop turns. */
bool aws_auth_keys(const struct aws_auth *auth, struct sigv4_keys *ret_keys);
/* They were refused: the next get asks for others. */
void aws_auth_drop(struct aws_auth *auth);
/* done will not run. Harmless on an idle wait. */
void aws_wait_cancel(struct aws_wait *wait);

#endif

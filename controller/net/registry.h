/*
 * Which digest does an image have? Asked of its registry, by the OCI
 * distribution protocol:
 *
 *   HEAD https://<endpoint>/v2/<repository>/manifests/<tag>
 *
 * accepting index, manifest list and both kinds of manifest; the answer is
 * Docker-Content-Digest, or the SHA-256 of what GET returns when a registry
 * does not say. Of an image for several platforms it is the digest of the
 * index. Basic and Bearer (token server) authorisation; docker.io asks without
 * counting against the limit of pulls, because HEAD is free there.
 *
 * Mirrors of a host are asked first, in order; whatever goes wrong there, the
 * next one and at last the host itself is asked. Answers are remembered for a
 * while, also bad ones, and questions for the same image with the same
 * credentials are asked once. A registry that asks to slow down (429) is left
 * alone as long as it says: later questions wait, or fail at once with
 * RegistryRateLimited when they could not wait that long.
 *
 * Credentials go only to the registry they are for and to the token server that
 * it names, over TLS (or to hosts of the allow-list): not to where an answer
 * redirects, never into an error, and are overwritten when freed.
 */
#ifndef NET_REGISTRY_H
#define NET_REGISTRY_H

#include <stdint.h>
#include "base/err.h"
#include "base/list.h"
#include "base/vec.h"
#include "loop/loop.h"
#include "net/dockerconfig.h"

struct registry_client;
struct registry_job;

/* Endpoints: "mirror.example[:port][/path]", optionally with "https://" or "http://" before it;
 * a path goes before the repository. */
struct registry_mirror {
	const char *host; /* as in image names: "docker.io" */
	const struct strvec *endpoints;
};

/* 0 or NULL means the default. Everything is copied by registry_client_new. */
struct registry_client_options {
	const struct registry_mirror *mirrors;
	size_t mirrors_len;
	/* "host[:port]" as in image names and endpoints: TLS is not verified, and plain HTTP is
	 * tried when the host does not speak TLS. "http://host[:port]": plain HTTP at once. */
	const struct strvec *insecure_hosts;
	const char *ca_pem; /* a bundle; default: the system's */
	const char *proxy;  /* URL; default: none */
	const char *user_agent;
	int max_per_host;      /* requests in flight to one host; 4 */
	int64_t request_ms;    /* deadline of one request; 10 s */
	int64_t total_ms;      /* deadline of a question, waiting included; 60 s */
	int tries;             /* of a request that fails without an answer or with 5xx; 3.
				* A mirror has one */
	int64_t retry_ms;      /* before the second try, doubled for each further one; 500 ms */
	int64_t positive_ms;   /* how long an answer is remembered; 5 min */
	int64_t negative_ms;   /* and a failure; 30 s */
	size_t max_remembered; /* answers; 4096 */
	size_t max_manifest;   /* bytes of a manifest; 4 MiB */
};

/* < 0 with ERR_USER InvalidRegistryConfig: a mirror or an insecure host that is none. */
int registry_client_new(struct loop *loop, const struct registry_client_options *options,
	struct registry_client **ret_client, struct err *err);
/* Every op must be done or cancelled before. Not from within a done. NULL is fine. */
void registry_client_free(struct registry_client *client);
/* Forgets answers and tokens (a rotated secret, a changed option). */
void registry_client_forget(struct registry_client *client);

/*
 * One question, embedded in its owner; zeroed before its first use, may be used again after done.
 * `done` runs exactly once, from the loop, never inside registry_resolve.
 */
struct registry_op {
	/* --- set by the owner; borrowed only by the call to registry_resolve --- */
	const char *image;                      /* any form of name */
	const struct registry_auth_list *auths; /* all that might fit; may be NULL */
	void (*done)(struct registry_op *op);

	/* --- results, valid until the next registry_resolve or registry_op_free --- */
	char *digest; /* "sha256:..."; NULL when err is set */
	char *pinned; /* "<name as written>@sha256:..."; NULL when err is set */
	/*
	 * The message says what, of which image, and what to do. Reasons, class user:
	 * InvalidImage, ImageNotFound, RegistryUnauthorized (needs or refuses credentials),
	 * RegistryForbidden, RegistryTLSFailed, RegistryInsecure (plain HTTP without allow-list).
	 * Class transient: RegistryUnavailable (no connection, 5xx), RegistryTimeout,
	 * RegistryRateLimited (with retry_after_ms), RegistryInvalidAnswer (not a registry, or one
	 * that lies).
	 */
	struct err err;

	/* --- private --- */
	char *written; /* the name without tag and digest */
	struct registry_job *job;
	struct loop_defer report;
	struct list link;
};

/* An image written with a digest is answered without asking anybody. */
void registry_resolve(struct registry_client *client, struct registry_op *op);
/* done will not run (any more). Harmless on an idle op. */
void registry_op_cancel(struct registry_op *op);
/* Cancels and frees the results. */
void registry_op_free(struct registry_op *op);

#endif

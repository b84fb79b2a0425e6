/*
 * Access tokens of Google Cloud, fetched when somebody needs one, and again a minute before they
 * end. Sources: cloud-backends.md 2.3; RFC 7523 (JWT bearer), RFC 8693 (token exchange).
 *
 *   a service account's key   a JWT signed by it, for the key's token_uri
 *   a token of the cluster    exchanged by workload identity federation
 *   ambient                   the key file of $GOOGLE_APPLICATION_CREDENTIALS, else the metadata
 *                             server ($GCE_METADATA_HOST)
 */
#ifndef RUNNERS_GOOGLE_AUTH_H
#define RUNNERS_GOOGLE_AUTH_H

#include "base/list.h"
#include "runners/api_call.h"
#include "runners/runner.h"

struct google_auth {
	/* --- private --- */
	struct loop *loop;
	struct http_client *client; /* borrowed */
	enum { GOOGLE_KEY, GOOGLE_EXCHANGE, GOOGLE_METADATA } kind;
	char *email, *key_id, *key; /* of a key file */
	char *url;                  /* where tokens are to be had */
	char *audience, *subject;   /* of an exchange */
	char *token;
	int64_t expires_ms; /* monotonic */
	struct api_call call;
	char *body;
	struct list waiting;
};

/* Waits for a token. Zeroed before; embedded in its owner. */
struct google_wait {
	void (*done)(struct google_wait *wait); /* exactly once, from the loop */
	struct err err;                         /* class none: google_auth_token has it */

	/* --- private --- */
	struct list link;
	struct loop_defer defer;
	struct google_auth *auth;
};

/*
 * settings: FondantBackend.spec.vertex with auth.serviceAccountKey or auth.serviceAccountToken
 * among the credentials. The client is borrowed. Class user: InvalidKey, NoCredentials,
 * InvalidEndpoint (a key whose token_uri is not Google's, where settings->local_endpoints does not
 * allow it).
 */
int google_auth_init(struct google_auth *auth, struct loop *loop, struct http_client *client,
	const struct runner_settings *settings, struct err *err);
/* Nobody waits any more. */
void google_auth_clear(struct google_auth *auth);

/* done comes later, also when the token is there already. */
void google_auth_get(
	struct google_auth *auth, struct google_wait *wait, void (*done)(struct google_wait *wait));
/* Borrowed; NULL: there is none. */
const char *google_auth_token(const struct google_auth *auth);
/* It was refused: the next get asks for another. */
void google_auth_drop(struct google_auth *auth);
/* done will not run. Harmless on an idle wait. */
void google_wait_cancel(struct google_wait *wait);

#endif

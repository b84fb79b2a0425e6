/*
 * Access tokens of Google Cloud, fetched when somebody needs one, and again a minute before they
 * end. Where they come from is google_source.h's.
 */
#ifndef RUNNERS_GOOGLE_AUTH_H
#define RUNNERS_GOOGLE_AUTH_H

#include "base/list.h"
#include "runners/google_source.h"

struct google_auth {
	/* --- private --- */
	struct loop *loop;
	struct http_client *client; /* borrowed */
	struct google_source source;
	char *token;
	int64_t expires_ms; /* monotonic */
	struct api_call call;
	struct google_request request; /* what it borrows */
	int leg;                       /* of the way */
	char *got;                     /* by the leg before */
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

/* settings: as of google_source_init, which says what may be wrong. The client is borrowed. */
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

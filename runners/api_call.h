/*
 * One call of a backend's JSON API: an address, headers that may be made anew for every try (a
 * token, a signature), a deadline, and further tries where a try has certainly changed nothing or
 * may be repeated. What comes back is an answer of whatever status, or an err. Bodies and headers
 * never reach an error text.
 *
 * Repeated: what failed before a byte was sent, and 429; with `repeatable` also connections that
 * broke, time-outs, 500, 502, 503 and 504. Pauses double from retry_ms, with jitter, and honour
 * Retry-After up to a minute.
 */
#ifndef RUNNERS_API_CALL_H
#define RUNNERS_API_CALL_H

#include <jansson.h>
#include "net/http.h"
#include "runners/api_gate.h"

#define API_CALL_MAX_ANSWER ((size_t)8 << 20)

struct api_call {
	/* --- set by the owner; borrowed until done --- */
	struct loop *loop;
	struct http_client *client;
	const char *method;
	const char *url;
	const char *content_type; /* NULL: application/json, where there is a body */
	const char *body;         /* NULL: none */
	size_t body_len;
	struct api_gate *gate; /* each try passes it; 429 holds it. NULL: none */
	bool repeatable;       /* doing it twice is doing it once */
	bool any_text;         /* the answer need not be JSON: `text` has it */
	int64_t timeout_ms;    /* of one try; 0: 30 s */
	int tries;             /* 0: 4 */
	int64_t retry_ms;      /* 0: 500 */
	/* Appends the headers of one try, "Name: value"; they are wiped after it. NULL: none. < 0
	 * with err: the call fails with it. */
	int (*prepare)(struct api_call *call, struct strvec *headers, struct err *err);
	void (*done)(struct api_call *call); /* exactly once, from the loop */

	/* --- results, valid in done and until the next send or api_call_free --- */
	int status;       /* 0: err says why there is no answer */
	json_t *answer;   /* NULL: an empty body, or an error that is not JSON */
	const char *text; /* the body as it came; "" when there is none */
	struct err err;   /* of class ERR_NONE for an answer of any status. BadAnswer, transient: a
			   * 2xx that is no JSON */
	bool maybe_done;  /* no answer, but the backend may have done it */

	/* --- private --- */
	struct http_request http;
	struct strvec headers;
	struct loop_timer timer;
	int tried;
	bool active;
};

/* The struct is zeroed before its first use; it may be sent again after done. */
void api_call_send(struct api_call *call);
/* done will not run; results are freed. Harmless on an idle call. */
void api_call_free(struct api_call *call);
bool api_call_active(const struct api_call *call);

/*
 * Fills err from an answer that is not what was asked for (or moves call->err there), and returns
 * -1. The message is "<what>: <words>"; words: the backend's own (NULL: taken from the body, its
 * first 300 bytes without control characters, or the status). 401 Unauthorized, 403 Forbidden, 404
 * NotFound and other 4xx BadRequest are class user; 408, 409, 429 and 5xx transient.
 */
int api_call_fail(struct api_call *call, const char *what, const char *words, struct err *err);

#endif

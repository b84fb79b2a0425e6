#include "runners/google_auth.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"

#define EARLY_MS 60000

int google_auth_init(struct google_auth *auth, struct loop *loop, struct http_client *client,
	const struct runner_settings *settings, struct err *err)
{
	*auth = (struct google_auth){.loop = loop, .client = client};
	list_init(&auth->waiting);
	return google_source_init(&auth->source, settings, err);
}

void google_auth_clear(struct google_auth *auth)
{
	api_call_free(&auth->call);
	google_request_clear(&auth->request);
	google_source_clear(&auth->source);
	mem_free_secret(auth->got);
	mem_free_secret(auth->token);
	*auth = (struct google_auth){0};
}

/* --- asking --- */

static void tell_all(struct google_auth *auth, const struct err *err)
{
	while (!list_empty(&auth->waiting)) {
		struct google_wait *wait =
			container_of(auth->waiting.next, struct google_wait, link);

		list_del(&wait->link);
		wait->auth = NULL;
		if (err)
			err_set(&wait->err, err->class, err->reason, "%s", err_message(err));
		wait->done(wait);
	}
}

/* The last of the way. */
static void keep(struct google_auth *auth, int64_t seconds)
{
	mem_free_secret(auth->token);
	auth->token = take_ptr(auth->got);
	auth->expires_ms = time_mono_ms() + seconds * 1000 - EARLY_MS;
}

static int send_leg(struct google_auth *auth, struct err *err);

static void answered(struct api_call *call)
{
	struct google_auth *auth = container_of(call, struct google_auth, call);
	char *token = NULL;
	int64_t life_s = 0;
	auto_err err = ERR_INIT;

	google_request_clear(&auth->request);
	if (google_source_take(&auth->source, auth->leg, call, &token, &life_s, &err) < 0) {
		tell_all(auth, &err);
		return;
	}
	mem_free_secret(auth->got);
	auth->got = token;
	if (++auth->leg == google_source_legs(&auth->source)) {
		keep(auth, life_s);
		tell_all(auth, NULL);
	} else if (send_leg(auth, &err) < 0) {
		tell_all(auth, &err);
	}
}

static int prepare(struct api_call *call, struct strvec *headers, struct err *err)
{
	const struct google_auth *auth = container_of(call, struct google_auth, call);

	(void)err;
	strvec_for_each (&auth->request.headers, i)
		strvec_add(headers, auth->request.headers.items[i]);
	return 0;
}

static int send_leg(struct google_auth *auth, struct err *err)
{
	struct google_request *request = &auth->request;

	api_call_free(&auth->call);
	google_request_clear(request);
	if (google_source_ask(&auth->source, auth->leg, auth->got, request, err) < 0)
		return -1;
	auth->call = (struct api_call){.loop = auth->loop,
		.client = auth->client,
		.method = request->method,
		.url = request->url,
		.content_type = request->content_type,
		.body = request->body,
		.body_len = request->body ? strlen(request->body) : 0,
		.repeatable = true,
		.any_text = request->any_text,
		.prepare = prepare,
		.done = answered};
	api_call_send(&auth->call);
	return 0;
}

static int ask(struct google_auth *auth, struct err *err)
{
	mem_free_secret(take_ptr(auth->got));
	auth->leg = 0;
	return send_leg(auth, err);
}

/* --- waiting --- */

static void tell_later(struct loop_defer *defer)
{
	struct google_wait *wait = container_of(defer, struct google_wait, defer);

	wait->auth = NULL;
	wait->done(wait);
}

void google_auth_get(
	struct google_auth *auth, struct google_wait *wait, void (*done)(struct google_wait *wait))
{
	bool asking = !list_empty(&auth->waiting);

	err_clear(&wait->err);
	wait->done = done;
	wait->auth = auth;
	if (google_auth_token(auth) || (!asking && ask(auth, &wait->err) < 0)) {
		loop_defer_add(auth->loop, &wait->defer, tell_later);
		list_init(&wait->link);
		return;
	}
	list_add_tail(&auth->waiting, &wait->link);
}

const char *google_auth_token(const struct google_auth *auth)
{
	return auth->token && time_mono_ms() < auth->expires_ms ? auth->token : NULL;
}

void google_auth_drop(struct google_auth *auth)
{
	auth->expires_ms = 0;
}

void google_wait_cancel(struct google_wait *wait)
{
	if (wait->auth) {
		loop_defer_del(&wait->defer);
		list_del(&wait->link);
		wait->auth = NULL;
	}
	err_clear(&wait->err);
}

#include "runners/api_call.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/rand.h"
#include "base/str.h"
#include "doc/json.h"

#define DEFAULT_TIMEOUT_MS 30000
#define DEFAULT_TRIES 4
#define DEFAULT_RETRY_MS 500
#define PAUSE_MAX_MS 60000
#define WORDS_MAX 300

static void pass_gate(struct api_call *call);

static void wipe_headers(struct api_call *call)
{
	strvec_for_each (&call->headers, i)
		explicit_bzero(call->headers.items[i], strlen(call->headers.items[i]));
	strvec_clear(&call->headers);
}

static void drop_results(struct api_call *call)
{
	json_decref(take_ptr(call->answer));
	err_clear(&call->err);
	call->status = 0;
	call->text = "";
	call->maybe_done = false;
}

static void finish(struct api_call *call)
{
	call->active = false;
	call->done(call);
}

/* --- once more --- */

static bool worth_a_try(const struct api_call *call)
{
	const struct http_request *http = &call->http;

	if (http->err.class != ERR_NONE)
		return http->err.class == ERR_TRANSIENT &&
		       !str_eq(http->err.reason, "ResponseTooLarge") &&
		       (call->repeatable || !http->sent);
	if (http->status == 429)
		return true;
	return call->repeatable && (http->status == 500 || http->status == 502 ||
					   http->status == 503 || http->status == 504);
}

static void pause_over(struct loop_timer *timer)
{
	pass_gate(container_of(timer, struct api_call, timer));
}

static bool again(struct api_call *call)
{
	int64_t pause = call->retry_ms ? call->retry_ms : DEFAULT_RETRY_MS;

	if (++call->tried >= (call->tries ? call->tries : DEFAULT_TRIES) || !worth_a_try(call))
		return false;
	for (int i = 1; i < call->tried && pause < PAUSE_MAX_MS; i++)
		pause *= 2;
	pause += (int64_t)rand_below((uint64_t)pause / 2 + 1);
	if (call->http.retry_after_ms > pause)
		pause = call->http.retry_after_ms;
	if (pause > PAUSE_MAX_MS)
		pause = PAUSE_MAX_MS;
	if (call->gate && call->http.status == 429)
		api_gate_hold(call->gate, loop_now_ms(call->loop), pause);
	loop_timer_set(call->loop, &call->timer, pause, pause_over);
	return true;
}

/* --- one try --- */

static void read_answer(struct api_call *call)
{
	struct http_request *http = &call->http;
	auto_err err = ERR_INIT;
	bool good = http->status >= 200 && http->status < 300;

	call->status = http->status;
	call->text = buf_str(&http->response);
	if (!http->response.len || call->any_text)
		return;
	if (doc_json_parse_lenient(call->text, http->response.len, &call->answer, &err) < 0 && good)
		err_set(&call->err, ERR_TRANSIENT, "BadAnswer",
			"the answer is not JSON; is this the address of the API?");
}

static void answered(struct http_request *http)
{
	struct api_call *call = container_of(http, struct api_call, http);

	wipe_headers(call);
	if (again(call))
		return;
	if (http->err.class != ERR_NONE) {
		call->maybe_done = http->sent;
		call->err.retry_after_ms = 0;
		err_move(&call->err, &http->err);
	} else {
		read_answer(call);
	}
	finish(call);
}

static void fail_soon(struct loop_timer *timer)
{
	finish(container_of(timer, struct api_call, timer));
}

static void send_try(struct api_call *call)
{
	const char *type = call->content_type ? call->content_type : "application/json";

	if (call->body)
		strvec_addf(&call->headers, "Content-Type: %s", type);
	if (call->prepare && call->prepare(call, &call->headers, &call->err) < 0) {
		wipe_headers(call);
		loop_timer_set(call->loop, &call->timer, 0, fail_soon);
		return;
	}
	call->http.method = call->method;
	call->http.url = call->url;
	call->http.headers = &call->headers;
	call->http.body = call->body;
	call->http.body_len = call->body_len;
	call->http.timeout_ms = call->timeout_ms ? call->timeout_ms : DEFAULT_TIMEOUT_MS;
	call->http.max_response = API_CALL_MAX_ANSWER;
	call->http.keep_headers = true;
	call->http.done = answered;
	http_send(call->client, &call->http);
}

static void its_turn(struct loop_timer *timer)
{
	send_try(container_of(timer, struct api_call, timer));
}

static void pass_gate(struct api_call *call)
{
	int64_t wait = call->gate ? api_gate_take(call->gate, loop_now_ms(call->loop)) : 0;

	if (wait > 0)
		loop_timer_set(call->loop, &call->timer, wait, its_turn);
	else
		send_try(call);
}

void api_call_send(struct api_call *call)
{
	drop_results(call);
	call->tried = 0;
	call->active = true;
	pass_gate(call);
}

void api_call_free(struct api_call *call)
{
	loop_timer_del(&call->timer);
	http_request_free(&call->http);
	wipe_headers(call);
	drop_results(call);
	call->active = false;
}

bool api_call_active(const struct api_call *call)
{
	return call->active;
}

/* --- errors --- */

static enum err_class class_of(int status)
{
	return status == 408 || status == 409 || status == 429 || status >= 500 || status < 400
		       ? ERR_TRANSIENT
		       : ERR_USER;
}

static const char *reason_of(int status)
{
	switch (status) {
	case 401:
		return "Unauthorized";
	case 403:
		return "Forbidden";
	case 404:
		return "NotFound";
	case 409:
		return "Conflict";
	case 429:
		return "TooManyRequests";
	default:
		return status >= 500 ? "ServerError" : status >= 400 ? "BadRequest" : "BadAnswer";
	}
}

int api_call_fail(struct api_call *call, const char *what, const char *words, struct err *err)
{
	auto_free char *body = NULL;
	int64_t after = call->http.retry_after_ms;

	if (call->err.class != ERR_NONE) {
		err_move(err, &call->err);
		return err_wrap(err, "%s", what);
	}
	if (!words) {
		body = str_clean_tail(call->text, strnlen(call->text, WORDS_MAX), WORDS_MAX);
		words = body;
	}
	err_set(err, class_of(call->status), reason_of(call->status), "%s: %s%s(HTTP %d)", what,
		words, *words ? " " : "", call->status);
	if (err)
		err->retry_after_ms = after > 0 ? (int)after : 0;
	return -1;
}

/*
 * States and what moves between them:
 *
 *   LISTING --last page--> WATCHING --end of stream--> WATCHING (same N)
 *      |  ^                   |  '----410, ERROR 410---> LISTING (not older than N)
 *      |  |                   '---failure, silence----> PAUSED -> WATCHING (same N)
 *      |  '--- PAUSED <-------'   5 failures in a row -> PAUSED -> LISTING
 *      '--failure--^
 *
 * A list that answers 410 or "resource version too large" makes N unusable: the next one is a
 * consistent read. Bytes of the stream are kept by on_data and read from a deferred call, where
 * owners may free the watch.
 */
#include "kube/watch.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/rand.h"
#include "base/str.h"
#include "doc/json.h"
#include "doc/path.h"
#include "kube/internal.h"
#include "net/url.h"

#define PAGE_SIZE 500
#define SILENCE_MS 70000 /* bookmarks come every 60 s */
#define BACKOFF_MIN_MS 800
#define BACKOFF_MAX_MS 30000
#define PEACE_MS 120000
#define SHORT_MS 1000
#define FORBIDDEN_MS 60000
#define WATCH_FAILURES_MAX 5
#define WATCH_SECONDS_MIN 300
#define UNREAD_MAX ((size_t)64 << 20)

enum watch_state { WATCH_LISTING, WATCH_WATCHING, WATCH_PAUSED };

struct kube_watch {
	struct kube_client *client;
	struct loop *loop;
	struct kube_watch_options options; /* strings owned */
	const struct kube_watch_ops *ops;
	void *owner;

	enum watch_state state, next; /* next: where PAUSED leads */
	char *rv;                     /* N; "" before the first list */
	bool rv_unusable;             /* list consistently */
	bool whole_list;              /* a continue token died: no limit */
	bool first_page;
	char *continue_token;
	struct kube_op list;
	struct http_request http;
	struct line_splitter splitter;
	struct buf unread; /* bytes of the stream not looked at yet */
	struct loop_defer reader;
	struct loop_timer timer;
	int failures, watch_failures, gone_in_row;
	int64_t failed_ms, opened_ms;
	unsigned events;   /* on this stream */
	bool inside, dead; /* a callback runs; the owner freed us in it */
	struct kube_watch_stats stats;
};

static void start_list(struct kube_watch *watch);
static void start_watch(struct kube_watch *watch);

/* --- leaving callbacks safely --- */

static void destroy(struct kube_watch *watch)
{
	loop_timer_del(&watch->timer);
	loop_defer_del(&watch->reader);
	kube_op_free(&watch->list);
	http_request_free(&watch->http);
	line_splitter_free(&watch->splitter);
	buf_free(&watch->unread);
	free((char *)watch->options.namespace_);
	free((char *)watch->options.label_selector);
	free(watch->continue_token);
	free(watch->rv);
	free(watch);
}

void kube_watch_free(struct kube_watch *watch)
{
	if (!watch)
		return;
	watch->dead = true;
	if (!watch->inside)
		destroy(watch);
}

static void leave(struct kube_watch *watch)
{
	watch->inside = false;
	if (watch->dead)
		destroy(watch);
}

/* --- what is told --- */

static void tell_trouble(struct kube_watch *watch, const struct err *err)
{
	if (!watch->dead && watch->ops->trouble)
		watch->ops->trouble(watch->owner, err);
}

static void tell_object(struct kube_watch *watch, void (*tell)(void *owner, const json_t *object),
	const json_t *object)
{
	if (!watch->dead)
		tell(watch->owner, object);
}

/* N only grows; a version that cannot be ordered is taken as it is. */
static void advance(struct kube_watch *watch, const char *rv)
{
	if (!rv || !rv[0] || watch->dead)
		return;
	if (kube_rv_compare(rv, watch->rv) < 0 && kube_rv_compare(rv, "") > 0)
		return;
	if (!str_eq(rv, watch->rv)) {
		free(watch->rv);
		watch->rv = xstrdup(rv);
	}
	if (watch->ops->progress)
		watch->ops->progress(watch->owner, watch->rv);
}

/* --- pauses --- */

static void pause_over(struct loop_timer *timer)
{
	struct kube_watch *watch = container_of(timer, struct kube_watch, timer);

	watch->inside = true;
	if (watch->next == WATCH_LISTING)
		start_list(watch);
	else
		start_watch(watch);
	leave(watch);
}

static void pause_for(struct kube_watch *watch, enum watch_state next, int64_t delay_ms)
{
	if (watch->dead)
		return;
	watch->state = WATCH_PAUSED;
	watch->next = next;
	loop_timer_set(watch->loop, &watch->timer, delay_ms, pause_over);
}

/* Backs off, at least as long as the server asked. */
static void pause_failed(struct kube_watch *watch, enum watch_state next, const struct err *err)
{
	int64_t now = loop_now_ms(watch->loop);
	int64_t delay;

	if (now - watch->failed_ms > PEACE_MS)
		watch->failures = 0;
	delay = kube_backoff_ms(
		watch->options.backoff_min_ms, watch->options.backoff_max_ms, watch->failures);
	watch->failures++;
	watch->failed_ms = now;
	if (err && err->retry_after_ms > delay)
		delay = err->retry_after_ms;
	if (err)
		tell_trouble(watch, err);
	pause_for(watch, next, delay);
}

/* --- listing --- */

/* Items of a list carry no kind and apiVersion of their own. */
static void list_page(struct kube_watch *watch, const json_t *items)
{
	size_t i;
	json_t *item;

	json_array_foreach (items, i, item)
		tell_object(watch, watch->ops->upsert, item);
}

static void list_first_page(struct kube_watch *watch, const char *rv)
{
	bool rewound = watch->rv[0] && watch->rv_unusable && kube_rv_compare(rv, watch->rv) < 0;

	watch->first_page = false;
	if (rewound) {
		log_error("the API server's history went backwards; starting anew", "resource",
			watch->options.resource->plural, "seen", watch->rv, "now", rv);
		free(watch->rv);
		watch->rv = xstrdup("");
		if (watch->ops->rewound)
			watch->ops->rewound(watch->owner);
	}
	if (!watch->dead && watch->ops->list_begin)
		watch->ops->list_begin(watch->owner);
}

static void list_complete(struct kube_watch *watch, const char *rv)
{
	if (watch->dead)
		return;
	watch->rv_unusable = false;
	watch->whole_list = false;
	watch->watch_failures = 0;
	watch->stats.lists++;
	free(watch->rv);
	watch->rv = xstrdup(rv);
	if (watch->ops->list_end)
		watch->ops->list_end(watch->owner, watch->rv);
	if (!watch->dead)
		start_watch(watch);
}

static void list_answered(struct kube_watch *watch, const json_t *list)
{
	const char *rv = doc_str_or(list, "metadata.resourceVersion", "");
	const char *next = doc_str_or(list, "metadata.continue", "");
	auto_free char *rv_copy = xstrdup(rv);

	if (watch->first_page)
		list_first_page(watch, rv);
	list_page(watch, json_object_get(list, "items"));
	if (watch->dead)
		return;
	free(watch->continue_token);
	watch->continue_token = next[0] ? xstrdup(next) : NULL;
	if (!watch->continue_token) {
		json_decref(watch->list.result);
		watch->list.result = NULL;
		list_complete(watch, rv_copy);
		return;
	}
	watch->list.continue_token = watch->continue_token;
	watch->list.resource_version = NULL;
	kube_send(watch->client, &watch->list);
}

static void list_gone(struct kube_watch *watch)
{
	bool paging = watch->continue_token != NULL;

	watch->stats.gone++;
	tell_trouble(watch, &watch->list.err);
	if (paging && !watch->whole_list) {
		watch->whole_list = true;
		pause_for(watch, WATCH_LISTING, 0);
	} else if (!watch->rv_unusable && watch->rv[0]) {
		watch->rv_unusable = true;
		pause_for(watch, WATCH_LISTING, 0);
	} else {
		pause_failed(watch, WATCH_LISTING, NULL);
	}
}

static void list_done(struct kube_op *op)
{
	struct kube_watch *watch = container_of(op, struct kube_watch, list);

	watch->inside = true;
	switch (op->outcome) {
	case KUBE_OK:
		list_answered(watch, op->result);
		break;
	case KUBE_GONE:
		list_gone(watch);
		break;
	case KUBE_FORBIDDEN:
		if (op->err.retry_after_ms == 0 && watch->options.backoff_max_ms >= BACKOFF_MAX_MS)
			op->err.retry_after_ms = FORBIDDEN_MS;
		pause_failed(watch, WATCH_LISTING, &op->err);
		break;
	default:
		pause_failed(watch, WATCH_LISTING, &op->err);
	}
	leave(watch);
}

static void start_list(struct kube_watch *watch)
{
	struct kube_op *op = &watch->list;

	watch->state = WATCH_LISTING;
	watch->first_page = true;
	free(watch->continue_token);
	watch->continue_token = NULL;
	op->verb = KUBE_LIST;
	op->resource = watch->options.resource;
	op->namespace_ = watch->options.namespace_;
	op->label_selector = watch->options.label_selector;
	op->metadata_only = watch->options.metadata_only;
	op->resource_version = watch->rv_unusable ? NULL : watch->rv;
	op->continue_token = NULL;
	op->limit = watch->whole_list ? 0 : watch->options.page_size;
	op->max_attempts = 1; /* the watch backs off itself, and says why */
	op->done = list_done;
	kube_send(watch->client, op);
}

/* --- watching --- */

static void stop_stream(struct kube_watch *watch)
{
	http_cancel(&watch->http);
	loop_defer_del(&watch->reader);
	line_splitter_free(&watch->splitter);
	buf_free(&watch->unread);
}

/* At once, unless a fresh N was refused without a single event. */
static void relist(struct kube_watch *watch)
{
	watch->stats.gone++;
	stop_stream(watch);
	if (watch->gone_in_row++ == 0)
		pause_for(watch, WATCH_LISTING, 0);
	else
		pause_failed(watch, WATCH_LISTING, NULL);
}

/* Same N, unless it keeps failing: then the list shows what is wrong. */
static void watch_failed(struct kube_watch *watch, const struct err *err)
{
	enum watch_state next = WATCH_WATCHING;

	stop_stream(watch);
	if (++watch->watch_failures >= WATCH_FAILURES_MAX) {
		watch->watch_failures = 0;
		next = WATCH_LISTING;
	}
	pause_failed(watch, next, err);
}

static void error_event(struct kube_watch *watch, const json_t *status)
{
	auto_err err = ERR_INIT;
	struct kube_answer answer;
	int64_t code = doc_int_or(status, "code", 500);

	if (code < 400 || code > 599)
		code = 500;
	kube_answer_read(KUBE_LIST, (int)code, status, NULL, -1, &answer, &err);
	if (answer.outcome == KUBE_GONE) {
		watch->rv_unusable |= str_eq(err.reason, "ResourceVersionTooLarge");
		tell_trouble(watch, &err);
		if (!watch->dead)
			relist(watch);
		return;
	}
	watch_failed(watch, &err);
}

static void bad_line(struct kube_watch *watch, const char *what)
{
	auto_err err = ERR_INIT;

	watch->stats.dropped_lines++;
	err_set(&err, ERR_TRANSIENT, "BadWatchLine", "a watch line of %s %s",
		watch->options.resource->plural, what);
	watch_failed(watch, &err);
}

static void take_event(struct kube_watch *watch, const char *type, const json_t *object)
{
	const char *rv = doc_str(object, "metadata.resourceVersion");
	auto_free char *rv_copy = rv ? xstrdup(rv) : NULL;

	watch->events++;
	watch->watch_failures = 0;
	watch->gone_in_row = 0;
	if (str_eq(type, "ADDED") || str_eq(type, "MODIFIED"))
		tell_object(watch, watch->ops->upsert, object);
	else if (str_eq(type, "DELETED"))
		tell_object(watch, watch->ops->remove, object);
	else if (!str_eq(type, "BOOKMARK"))
		return; /* of a later protocol */
	advance(watch, rv_copy);
}

static void take_line(void *owner, const char *text, size_t len)
{
	struct kube_watch *watch = owner;
	auto_json *event = NULL;
	const char *type;
	const json_t *object;

	/* The stream was given up at an earlier line of the same chunk. */
	if (watch->dead || watch->state != WATCH_WATCHING)
		return;
	if (doc_json_parse_lenient(text, len, &event, NULL) < 0) {
		bad_line(watch, "is no JSON");
		return;
	}
	type = json_string_value(json_object_get(event, "type"));
	object = json_object_get(event, "object");
	if (!type || !json_is_object(object))
		bad_line(watch, "has no type and object");
	else if (str_eq(type, "ERROR"))
		error_event(watch, object);
	else
		take_event(watch, type, object);
}

/* Splits what has come. The splitter must not be torn down under its own feet: it works on copies
 * that stop_stream does not touch. */
static void read_stream(struct kube_watch *watch)
{
	struct line_splitter splitter = watch->splitter;
	struct buf unread = watch->unread;
	unsigned skipped = splitter.skipped;

	memset(&watch->splitter, 0, sizeof(watch->splitter));
	memset(&watch->unread, 0, sizeof(watch->unread));
	line_splitter_feed(&splitter, buf_str(&unread), unread.len, take_line, watch);
	watch->stats.dropped_lines += splitter.skipped - skipped;
	buf_free(&unread);
	if (watch->state == WATCH_WATCHING && !watch->dead)
		watch->splitter = splitter;
	else
		line_splitter_free(&splitter);
}

static void reader_due(struct loop_defer *defer)
{
	struct kube_watch *watch = container_of(defer, struct kube_watch, reader);

	watch->inside = true;
	read_stream(watch);
	leave(watch);
}

static int stream_data(struct http_request *http, const char *data, size_t len)
{
	struct kube_watch *watch = container_of(http, struct kube_watch, http);

	watch->unread.max = UNREAD_MAX;
	if (buf_add(&watch->unread, data, len) < 0)
		return -1;
	loop_defer_add(watch->loop, &watch->reader, reader_due);
	return 0;
}

static void stream_refused(struct kube_watch *watch)
{
	struct http_request *http = &watch->http;
	auto_json *body = NULL;
	auto_err err = ERR_INIT;
	struct kube_answer answer;

	if (doc_json_parse_lenient(buf_str(&http->response), http->response.len, &body, NULL) < 0)
		body = NULL;
	kube_answer_read(KUBE_LIST, http->status, body, buf_str(&http->response),
		http->retry_after_ms, &answer, &err);
	if (answer.unauthorized)
		kube_token_expired(watch->client);
	if (answer.outcome == KUBE_GONE) {
		watch->rv_unusable |= str_eq(err.reason, "ResourceVersionTooLarge");
		tell_trouble(watch, &err);
		if (!watch->dead)
			relist(watch);
	} else if (answer.outcome == KUBE_NOT_FOUND || answer.outcome == KUBE_INVALID) {
		pause_failed(watch, WATCH_LISTING, &err);
	} else if (answer.outcome == KUBE_FORBIDDEN) {
		if (watch->options.backoff_max_ms >= BACKOFF_MAX_MS)
			err.retry_after_ms = FORBIDDEN_MS;
		pause_failed(watch, WATCH_LISTING, &err);
	} else {
		watch_failed(watch, &err);
	}
}

static void stream_broken(struct kube_watch *watch)
{
	auto_err err = ERR_INIT;

	err_move(&err, &watch->http.err);
	if (!str_eq(err.reason, "IdleTimeout")) {
		watch_failed(watch, &err);
		return;
	}
	/* A dead stream, or a quiet server: a restarted one sends no bookmarks for a type until
	 * etcd has reported progress (every 10 minutes unless configured). So it is counted, but no
	 * trouble: a new stream at the same N is cheap. */
	watch->stats.silences++;
	start_watch(watch);
}

static void stream_ended(struct kube_watch *watch)
{
	auto_err err = ERR_INIT;
	int64_t lived = loop_now_ms(watch->loop) - watch->opened_ms;

	line_splitter_free(&watch->splitter); /* an unterminated line never counts */
	if (watch->events > 0 || lived >= SHORT_MS) {
		start_watch(watch);
		return;
	}
	err_set(&err, ERR_TRANSIENT, "ShortWatch", "the watch of %s ended at once without an event",
		watch->options.resource->plural);
	watch_failed(watch, &err);
}

static void stream_done(struct http_request *http)
{
	struct kube_watch *watch = container_of(http, struct kube_watch, http);

	watch->inside = true;
	kube_client_warn(watch->client, http->warning);
	loop_defer_del(&watch->reader);
	read_stream(watch);
	if (!watch->dead && watch->state == WATCH_WATCHING) {
		if (http->status >= 300)
			stream_refused(watch);
		else if (http->err.class != ERR_NONE || http->status == 0)
			stream_broken(watch);
		else
			stream_ended(watch);
	}
	leave(watch);
}

static char *stream_url(struct kube_watch *watch)
{
	char *collection = kube_url(
		watch->client, watch->options.resource, watch->options.namespace_, NULL, NULL);
	/* Spread over 5 to 10 minutes, as client-go does. */
	auto_free char *seconds =
		xasprintf("%d", WATCH_SECONDS_MIN + (int)rand_below(WATCH_SECONDS_MIN + 1));
	auto_buf url = BUF_INIT;

	buf_adds(&url, collection);
	free(collection);
	url_add_query(&url, "watch", "1");
	url_add_query(&url, "allowWatchBookmarks", "true");
	url_add_query(&url, "resourceVersion", watch->rv);
	url_add_query(&url, "timeoutSeconds", seconds);
	if (watch->options.label_selector)
		url_add_query(&url, "labelSelector", watch->options.label_selector);
	return buf_take(&url);
}

static void start_watch(struct kube_watch *watch)
{
	auto_free char *url = NULL;
	auto_err err = ERR_INIT;
	auto_strvec headers = STRVEC_INIT;
	int r = kube_client_check(watch->client, &err);

	if (r < 0) {
		pause_failed(watch, WATCH_WATCHING, &err);
		return;
	}
	if (r > 0) {
		pause_for(watch, WATCH_WATCHING, watch->options.backoff_min_ms / 4 + 1);
		return;
	}
	url = stream_url(watch);
	kube_add_headers(watch->client, &headers, watch->options.metadata_only, false);
	watch->state = WATCH_WATCHING;
	watch->events = 0;
	watch->opened_ms = loop_now_ms(watch->loop);
	watch->stats.opened++;
	watch->http.method = "GET";
	watch->http.url = url;
	watch->http.headers = &headers;
	watch->http.idle_timeout_ms = watch->options.silence_ms;
	watch->http.max_response = SIZE_MAX;
	watch->http.on_data = stream_data;
	watch->http.done = stream_done;
	http_send(kube_watch_http(watch->client), &watch->http);
	watch->http.headers = NULL;
	watch->http.url = NULL;
	kube_headers_wipe(&headers);
}

struct kube_watch *kube_watch_new(struct kube_client *client,
	const struct kube_watch_options *options, const struct kube_watch_ops *ops, void *owner)
{
	struct kube_watch *watch = xnew(struct kube_watch);

	watch->client = client;
	watch->loop = kube_loop(client);
	watch->options = *options;
	watch->options.namespace_ = options->namespace_ ? xstrdup(options->namespace_) : NULL;
	watch->options.label_selector =
		options->label_selector ? xstrdup(options->label_selector) : NULL;
	if (watch->options.page_size <= 0)
		watch->options.page_size = PAGE_SIZE;
	if (watch->options.silence_ms <= 0)
		watch->options.silence_ms = SILENCE_MS;
	if (watch->options.backoff_min_ms <= 0)
		watch->options.backoff_min_ms = BACKOFF_MIN_MS;
	if (watch->options.backoff_max_ms <= 0)
		watch->options.backoff_max_ms = BACKOFF_MAX_MS;
	watch->ops = ops;
	watch->owner = owner;
	watch->rv = xstrdup("");
	start_list(watch);
	return watch;
}

const struct kube_watch_stats *kube_watch_stats(const struct kube_watch *watch)
{
	return &watch->stats;
}

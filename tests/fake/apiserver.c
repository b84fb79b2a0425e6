#include "tests/fake/apiserver.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "doc/json.h"
#include "doc/patch.h"
#include "doc/path.h"

#define MAX_SNAPSHOTS 64

struct fault_rule {
	char *verb, *part;
	struct fake_fault fault;
	int left; /* -1: for ever */
};

/* The rest of a list that is given out in pages. */
struct snapshot {
	uint64_t id, rv;
	json_t *items;
};

struct fake_api {
	struct loop *loop;
	struct http_server http;
	struct fake_store store;
	struct loop_defer collector;
	struct fault_rule *rules;
	size_t rules_len, rules_cap;
	bool (*judge)(void *user, const char *verb, const char *target, struct fake_fault *ret);
	void *judge_user;
	size_t split;
	char *token;
	struct strvec log, last_headers;
	char *last_body;
	struct map pod_logs;
	struct list watchers;
	size_t watchers_len;
	struct snapshot snapshots[MAX_SNAPSHOTS];
	uint64_t next_snapshot;
};

/* What belongs to one exchange: while it is delayed, and while it is a watch. */
struct serving {
	struct fake_api *api;
	struct http_exchange *ex;
	struct loop_timer timer;
	struct fake_fault fault;
	const char *verb;
	struct fake_path path;
	/* a watch */
	struct list link;
	bool watching, bookmarks, partial;
	char *label_selector, *field_selector, *collection;
	char *previous; /* the line before, for stale */
	size_t sent;
};

/* --- answers --- */

static bool wants_partial(const struct http_exchange *ex)
{
	const char *accept = http_header(ex, "accept");

	return accept && strstr(accept, "as=PartialObjectMetadata");
}

static json_t *partial(const json_t *object)
{
	return json_pack("{s:s, s:s, s:O}", "kind", "PartialObjectMetadata", "apiVersion",
		"meta.k8s.io/v1", "metadata", json_object_get(object, "metadata"));
}

static void send_text(struct serving *serving, int status, const char *type, const char *text)
{
	struct http_exchange *ex = serving->ex;
	const struct fake_fault *fault = &serving->fault;

	if (fault->lose_answer) {
		http_cut(ex);
		return;
	}
	if (fault->header)
		http_add_header(ex, fault->header);
	if (fault->retry_after_s) {
		auto_free char *header = xasprintf("Retry-After: %d", fault->retry_after_s);

		http_add_header(ex, header);
	}
	if (fault->truncate_at) {
		/* The head promises the whole body. */
		auto_free char *head = xasprintf("HTTP/1.1 %d X\r\nContent-Type: %s\r\n"
						 "Content-Length: %zu\r\n\r\n",
			status, type, strlen(text));
		size_t len = strlen(text);

		http_raw(ex, head, strlen(head));
		http_raw(ex, text, fault->truncate_at < len ? fault->truncate_at : len);
		http_cut(ex);
		return;
	}
	http_reply(ex, status, type, text, strlen(text));
}

static void send_result(struct serving *serving, struct fake_result result)
{
	auto_free char *text = doc_json_dump(result.body);

	if (serving->fault.instead)
		send_text(serving, 200, "application/json", serving->fault.instead);
	else
		send_text(serving, result.status, "application/json", text);
	json_decref(result.body);
}

static void send_failure(
	struct serving *serving, int status, const char *reason, const char *message)
{
	send_result(serving, fake_failure(status, reason, message));
}

static void send_fault(struct serving *serving)
{
	const struct fake_fault *fault = &serving->fault;
	struct fake_result result;

	if (fault->body) {
		send_text(serving, fault->status, "text/html", fault->body);
		return;
	}
	result = fake_failure(
		fault->status, fault->reason, fault->message ? fault->message : "injected");
	if (fault->cause)
		json_object_set_new(result.body, "details",
			json_pack("{s:[{s:s}]}", "causes", "reason", fault->cause));
	if (fault->retry_after_s)
		doc_set_new(result.body, "details.retryAfterSeconds",
			json_integer(fault->retry_after_s));
	send_result(serving, result);
}

/* --- lists --- */

static void snapshot_clear(struct snapshot *snapshot)
{
	json_decref(snapshot->items);
	memset(snapshot, 0, sizeof(*snapshot));
}

static struct snapshot *snapshot_find(struct fake_api *api, uint64_t id)
{
	struct snapshot *snapshot = &api->snapshots[id % MAX_SNAPSHOTS];

	return id && snapshot->id == id ? snapshot : NULL;
}

static json_t *list_body(struct serving *serving, const json_t *items, size_t from, size_t to,
	uint64_t rv, const char *next)
{
	bool only_metadata = wants_partial(serving->ex);
	const char *kind =
		only_metadata ? "PartialObjectMetadata" : fake_kind(serving->path.plural);
	auto_free char *list_kind = xasprintf("%sList", kind);
	auto_free char *rv_text = xasprintf("%llu", (unsigned long long)rv);
	json_t *page = json_array();

	for (size_t i = from; i < to; i++) {
		json_t *item = json_array_get(items, i);

		if (only_metadata) {
			json_array_append_new(page, partial(item));
		} else {
			item = json_copy(item);
			json_object_del(item, "kind");
			json_object_del(item, "apiVersion");
			json_array_append_new(page, item);
		}
	}
	return json_pack("{s:s, s:s, s:{s:s, s:s}, s:o}", "kind", list_kind, "apiVersion",
		only_metadata ? "meta.k8s.io/v1" : strchr(serving->path.base, '/') + 1, "metadata",
		"resourceVersion", rv_text, "continue", next, "items", page);
}

static int64_t query_int(const struct http_exchange *ex, const char *name)
{
	auto_free char *text = http_query(ex, name);
	int64_t value = 0;

	return text && str_to_int64(text, &value) ? value : 0;
}

/* A page of a snapshot; from counts within it. */
static void send_page(struct serving *serving, struct snapshot *snapshot, size_t from, size_t limit)
{
	size_t len = json_array_size(snapshot->items);
	size_t to = limit && from + limit < len ? from + limit : len;
	auto_free char *next = to < len
				       ? xasprintf("%llu.%zu", (unsigned long long)snapshot->id, to)
				       : xstrdup("");

	send_result(serving,
		(struct fake_result){.status = 200,
			.body = list_body(serving, snapshot->items, from, to, snapshot->rv, next)});
}

static void serve_list(struct serving *serving)
{
	struct fake_api *api = serving->api;
	struct http_exchange *ex = serving->ex;
	auto_free char *token = http_query(ex, "continue");
	auto_free char *labels = http_query(ex, "labelSelector");
	auto_free char *fields = http_query(ex, "fieldSelector");
	size_t limit = (size_t)query_int(ex, "limit");
	uint64_t not_older = (uint64_t)query_int(ex, "resourceVersion");
	struct snapshot *snapshot;

	if (token && token[0]) {
		char *dot = strchr(token, '.');

		snapshot = snapshot_find(api, strtoull(token, NULL, 10));
		if (!snapshot || !dot)
			send_failure(
				serving, 410, "Expired", "the provided continue token is too old");
		else
			send_page(serving, snapshot, strtoul(dot + 1, NULL, 10), limit);
		return;
	}
	if (not_older > api->store.rv) {
		serving->fault.status = 504;
		serving->fault.cause = "ResourceVersionTooLarge";
		serving->fault.message = "Too large resource version";
		send_fault(serving);
		return;
	}
	snapshot = &api->snapshots[++api->next_snapshot % MAX_SNAPSHOTS];
	snapshot_clear(snapshot);
	snapshot->id = api->next_snapshot;
	snapshot->rv = api->store.rv;
	snapshot->items = fake_store_list(&api->store, &serving->path, labels, fields);
	send_page(serving, snapshot, 0, limit);
}

/* --- watches --- */

static void stream_bytes(struct serving *serving, const char *text, size_t len)
{
	size_t cut_at = serving->fault.cut_stream_at;

	if (!serving->watching || serving->fault.silent)
		return;
	if (cut_at && serving->sent + len >= cut_at) {
		http_chunk(serving->ex, text, cut_at - serving->sent);
		serving->watching = false;
		http_cut(serving->ex);
		return;
	}
	serving->sent += len;
	http_chunk(serving->ex, text, len);
}

static void stream_line(struct serving *serving, const char *line)
{
	auto_free char *text = xasprintf("%s\n", line);

	stream_bytes(serving, text, strlen(text));
	if (serving->fault.duplicate)
		stream_bytes(serving, text, strlen(text));
	if (serving->fault.stale) {
		if (serving->previous)
			stream_bytes(serving, serving->previous, strlen(serving->previous));
		free(serving->previous);
		serving->previous = take_ptr(text);
	}
}

/* Steals object. */
static void stream_object(struct serving *serving, const char *type, json_t *object)
{
	auto_json *event = json_pack("{s:s, s:o}", "type", type, "object", object);
	auto_free char *line = doc_json_dump(event);

	stream_line(serving, line);
}

static void stream_event(struct serving *serving, const struct fake_event *event)
{
	const json_t *object = event->after ? event->after : event->before;
	bool was, is;

	if (!str_eq(event->collection, serving->collection) ||
		(serving->path.namespace_[0] &&
			!str_eq(event->namespace_, serving->path.namespace_)))
		return;
	was = event->before && fake_selector_matches(event->before, serving->label_selector,
				       serving->field_selector);
	is = event->after &&
	     fake_selector_matches(event->after, serving->label_selector, serving->field_selector);
	if (!was && !is)
		return;
	stream_object(serving,
		!was  ? "ADDED"
		: !is ? "DELETED"
		      : "MODIFIED",
		serving->partial ? partial(object) : json_incref((json_t *)object));
}

static void stream_bookmark(struct serving *serving)
{
	auto_free char *rv = xasprintf("%llu", (unsigned long long)serving->api->store.rv);

	stream_object(serving, "BOOKMARK",
		json_pack("{s:s, s:s, s:{s:s}}", "kind", fake_kind(serving->path.plural),
			"apiVersion", strchr(serving->path.base, '/') + 1, "metadata",
			"resourceVersion", rv));
}

static void stream_state(struct serving *serving)
{
	auto_json *items = fake_store_list(&serving->api->store, &serving->path,
		serving->label_selector, serving->field_selector);
	size_t i;
	json_t *item;

	json_array_foreach (items, i, item)
		stream_object(
			serving, "ADDED", serving->partial ? partial(item) : json_incref(item));
}

static void open_stream(struct serving *serving, uint64_t from)
{
	struct fake_api *api = serving->api;
	const struct fake_fault *fault = &serving->fault;

	if (fault->header)
		http_add_header(serving->ex, fault->header);
	serving->watching = true;
	list_add_tail(&api->watchers, &serving->link);
	api->watchers_len++;
	if (fault->silent)
		return;
	http_reply_chunked(serving->ex, 200, "application/json");
	if (fault->line)
		stream_line(serving, fault->line);
	if (fault->gone)
		stream_object(serving, "ERROR",
			fake_failure(410, "Expired", "too old resource version").body);
	if (!from)
		stream_state(serving);
	for (size_t i = 0; from && i < api->store.events_len; i++) {
		if (api->store.events[i].rv > from)
			stream_event(serving, &api->store.events[i]);
	}
	if (fault->end_stream) {
		serving->watching = false;
		http_end(serving->ex);
	}
}

static void serve_watch(struct serving *serving)
{
	struct fake_api *api = serving->api;
	struct http_exchange *ex = serving->ex;
	auto_free char *bookmarks = http_query(ex, "allowWatchBookmarks");
	uint64_t from = (uint64_t)query_int(ex, "resourceVersion");

	if (from && from < api->store.compacted) {
		send_failure(serving, 410, "Expired", "too old resource version");
		return;
	}
	if (from > api->store.rv) {
		serving->fault.status = 504;
		serving->fault.cause = "ResourceVersionTooLarge";
		send_fault(serving);
		return;
	}
	serving->bookmarks = str_eq(bookmarks, "true") || str_eq(bookmarks, "1");
	serving->partial = wants_partial(ex);
	serving->label_selector = http_query(ex, "labelSelector");
	serving->field_selector = http_query(ex, "fieldSelector");
	serving->collection = xasprintf("%s/%s", serving->path.base, serving->path.plural);
	open_stream(serving, from);
}

/* --- writes --- */

static void serve_patch(struct serving *serving, const json_t *body)
{
	const char *type = http_header(serving->ex, "content-type");
	struct fake_store *store = &serving->api->store;

	if (str_eq(type, "application/merge-patch+json"))
		send_result(serving, fake_store_merge_patch(store, &serving->path, body));
	else if (str_eq(type, "application/json-patch+json"))
		send_result(serving, fake_store_json_patch(store, &serving->path, body));
	else
		send_failure(
			serving, 415, NULL, "the body of the request was in an unknown format");
}

static void serve_get(struct serving *serving)
{
	struct fake_result result;
	const char *log = NULL;

	if (str_eq(serving->path.subresource, "log"))
		log = map_get(&serving->api->pod_logs, serving->ex->path);
	if (log) {
		send_text(serving, 200, "text/plain", log);
		return;
	}
	result = fake_store_get(&serving->api->store, &serving->path);
	if (result.status == 200 && wants_partial(serving->ex)) {
		json_t *whole = result.body;

		result.body = partial(whole);
		json_decref(whole);
	}
	send_result(serving, result);
}

static void serve_normally(struct serving *serving)
{
	struct fake_store *store = &serving->api->store;
	auto_json *body = NULL;
	struct buf *text = &serving->ex->body;

	if (text->len && doc_json_parse_lenient(text->data, text->len, &body, NULL) < 0) {
		send_failure(serving, 400, NULL, "the body is no JSON");
		return;
	}
	if (str_eq(serving->verb, "WATCH"))
		serve_watch(serving);
	else if (str_eq(serving->verb, "LIST"))
		serve_list(serving);
	else if (str_eq(serving->verb, "GET"))
		serve_get(serving);
	else if (str_eq(serving->verb, "POST"))
		send_result(serving, fake_store_create(store, &serving->path, body, false));
	else if (str_eq(serving->verb, "PUT"))
		send_result(serving, fake_store_replace(store, &serving->path, body, false));
	else if (str_eq(serving->verb, "PATCH"))
		serve_patch(serving, body);
	else if (str_eq(serving->verb, "DELETE"))
		send_result(serving, fake_store_delete(store, &serving->path, body));
	else
		send_failure(serving, 405, NULL, "no such verb");
}

static void serve(struct serving *serving)
{
	struct fake_api *api = serving->api;
	const char *authorization = http_header(serving->ex, "authorization");

	if (serving->fault.cut_before) {
		http_cut(serving->ex);
	} else if (serving->fault.status) {
		send_fault(serving);
	} else if (api->token && (!authorization || !str_starts_with(authorization, "Bearer ") ||
					 !str_eq(authorization + 7, api->token))) {
		send_failure(serving, 401, NULL, "Unauthorized");
	} else {
		serve_normally(serving);
	}
}

/* --- requests --- */

static void released(struct http_exchange *ex)
{
	struct serving *serving = ex->state;

	loop_timer_del(&serving->timer);
	if (list_linked(&serving->link)) {
		list_del(&serving->link);
		serving->api->watchers_len--;
	}
	fake_path_clear(&serving->path);
	free(serving->label_selector);
	free(serving->field_selector);
	free(serving->collection);
	free(serving->previous);
	free(serving);
}

static void delay_over(struct loop_timer *timer)
{
	serve(container_of(timer, struct serving, timer));
}

static const char *verb_of(const struct http_exchange *ex, const struct fake_path *path)
{
	static const char *const verbs[] = {"POST", "PUT", "PATCH", "DELETE"};
	auto_free char *watch = http_query(ex, "watch");

	if (str_eq(ex->method, "GET")) {
		if (watch && !str_eq(watch, "0") && !str_eq(watch, "false"))
			return "WATCH";
		return path->name && path->name[0] ? "GET" : "LIST";
	}
	for (size_t i = 0; i < array_size(verbs); i++) {
		if (str_eq(ex->method, verbs[i]))
			return verbs[i];
	}
	return "OTHER";
}

static void find_fault(struct fake_api *api, struct serving *serving)
{
	const char *target = serving->ex->target;

	if (api->judge && api->judge(api->judge_user, serving->verb, target, &serving->fault))
		return;
	for (size_t i = 0; i < api->rules_len; i++) {
		struct fault_rule *rule = &api->rules[i];

		if (rule->left == 0 || (rule->verb && !str_eq(rule->verb, serving->verb)) ||
			(rule->part && !strstr(target, rule->part)))
			continue;
		if (rule->left > 0)
			rule->left--;
		serving->fault = rule->fault;
		return;
	}
}

static void remember(struct fake_api *api, const struct serving *serving)
{
	struct http_exchange *ex = serving->ex;

	strvec_addf(&api->log, "%s %s", serving->verb, ex->target);
	strvec_clear(&api->last_headers);
	strvec_for_each (&ex->headers, i) {
		strvec_add(&api->last_headers, ex->headers.items[i]);
	}
	if (ex->body.len) {
		free(api->last_body);
		api->last_body = xstrdup(buf_str(&ex->body));
	}
}

static void requested(struct http_server *server, struct http_exchange *ex)
{
	struct fake_api *api = server->user;
	struct serving *serving = xnew(struct serving);

	serving->api = api;
	serving->ex = ex;
	list_init(&serving->link);
	ex->state = serving;
	ex->release = released;
	if (api->split)
		http_drip(ex, api->split);
	if (!fake_path_parse(ex->path, &serving->path)) {
		serving->verb = "OTHER";
		remember(api, serving);
		send_failure(serving, 404, NULL, "no such path");
		return;
	}
	serving->verb = verb_of(ex, &serving->path);
	remember(api, serving);
	find_fault(api, serving);
	if (serving->fault.delay_ms > 0)
		loop_timer_set(api->loop, &serving->timer, serving->fault.delay_ms, delay_over);
	else
		serve(serving);
}

/* --- the server --- */

static void collect(struct loop_defer *defer)
{
	struct fake_api *api = container_of(defer, struct fake_api, collector);

	fake_store_collect(&api->store);
}

static void committed(void *user, const struct fake_event *event)
{
	struct fake_api *api = user;

	list_for_each (node, &api->watchers) {
		stream_event(container_of(node, struct serving, link), event);
	}
	if (!event->after)
		loop_defer_add(api->loop, &api->collector, collect);
}

struct fake_api *fake_api_new(struct loop *loop)
{
	struct fake_api *api = xnew(struct fake_api);

	api->loop = loop;
	fake_store_init(&api->store);
	api->store.committed = committed;
	api->store.user = api;
	api->pod_logs.free_value = free;
	list_init(&api->watchers);
	http_server_start(&api->http, loop, requested, api);
	return api;
}

void fake_api_free(struct fake_api *api)
{
	if (!api)
		return;
	http_server_stop(&api->http);
	loop_defer_del(&api->collector);
	fake_api_clear_faults(api);
	free(api->rules);
	fake_store_release(&api->store);
	for (size_t i = 0; i < MAX_SNAPSHOTS; i++)
		snapshot_clear(&api->snapshots[i]);
	strvec_clear(&api->log);
	strvec_clear(&api->last_headers);
	map_clear(&api->pod_logs);
	free(api->last_body);
	free(api->token);
	free(api);
}

const char *fake_api_url(const struct fake_api *api)
{
	return api->http.url;
}

struct http_server *fake_api_http(struct fake_api *api)
{
	return &api->http;
}

struct fake_store *fake_api_store(struct fake_api *api)
{
	return &api->store;
}

/* --- the test as a controller --- */

static char *plural_of(const char *kind)
{
	char *plural = xasprintf("%ss", kind);

	for (char *c = plural; *c; c++) {
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	}
	return plural;
}

uint64_t fake_api_put(struct fake_api *api, json_t *object)
{
	const char *version = doc_str_or(object, "apiVersion", "v1");
	struct fake_path path = {
		.base = xasprintf(strchr(version, '/') ? "apis/%s" : "api/%s", version),
		.namespace_ = xstrdup(doc_str_or(object, "metadata.namespace", "")),
		.plural = plural_of(doc_str_or(object, "kind", "")),
		.name = xstrdup(doc_str_or(object, "metadata.name", "")),
		.subresource = xstrdup(""),
	};
	struct fake_result result = fake_store_replace(&api->store, &path, object, true);

	if (result.status == 404) {
		json_decref(result.body);
		result = fake_store_create(&api->store, &path, object, true);
	}
	assert(result.status < 300);
	json_decref(result.body);
	json_decref(object);
	fake_path_clear(&path);
	return api->store.rv;
}

uint64_t fake_api_put_text(struct fake_api *api, const char *text)
{
	json_t *object = NULL;
	int r = doc_json_parse(text, strlen(text), &object, NULL);

	assert(r == 0);
	(void)r;
	return fake_api_put(api, object);
}

json_t *fake_api_get(const struct fake_api *api, const char *text)
{
	struct fake_path path;
	struct fake_result result = {0};

	if (fake_path_parse(text, &path))
		result = fake_store_get(&api->store, &path);
	fake_path_clear(&path);
	if (result.status == 200)
		return result.body;
	json_decref(result.body);
	return NULL;
}

bool fake_api_patch(struct fake_api *api, const char *text, json_t *patch)
{
	struct fake_path path;
	struct fake_result result = {0};
	auto_json *before = fake_api_get(api, text);

	if (before && fake_path_parse(text, &path)) {
		auto_json *after = doc_merge_apply(before, patch);

		result = fake_store_replace(&api->store, &path, after, true);
		fake_path_clear(&path);
	}
	json_decref(result.body);
	json_decref(patch);
	return result.status == 200;
}

bool fake_api_delete(struct fake_api *api, const char *text)
{
	struct fake_path path;
	struct fake_result result = {0};

	if (fake_path_parse(text, &path))
		result = fake_store_delete(&api->store, &path, NULL);
	fake_path_clear(&path);
	json_decref(result.body);
	return result.status == 200;
}

size_t fake_api_len(const struct fake_api *api, const char *text)
{
	struct fake_path path;
	size_t len = 0;

	if (fake_path_parse(text, &path)) {
		auto_json *items = fake_store_list(&api->store, &path, NULL, NULL);

		len = json_array_size(items);
	}
	fake_path_clear(&path);
	return len;
}

void fake_api_set_log(struct fake_api *api, const char *pod_path, const char *text)
{
	auto_free char *key = xasprintf("%s/log", pod_path);

	map_set(&api->pod_logs, key, xstrdup(text));
}

void fake_api_bookmark(struct fake_api *api)
{
	list_for_each (node, &api->watchers) {
		struct serving *serving = container_of(node, struct serving, link);

		if (serving->bookmarks)
			stream_bookmark(serving);
	}
}

void fake_api_compact(struct fake_api *api)
{
	fake_store_compact(&api->store);
	for (size_t i = 0; i < MAX_SNAPSHOTS; i++)
		snapshot_clear(&api->snapshots[i]);
}

void fake_api_cut_watches(struct fake_api *api)
{
	list_for_each (node, &api->watchers) {
		struct serving *serving = container_of(node, struct serving, link);

		if (serving->watching) {
			serving->watching = false;
			http_cut(serving->ex);
		}
	}
}

size_t fake_api_watches(const struct fake_api *api)
{
	return api->watchers_len;
}

/* --- faults --- */

void fake_api_fault(
	struct fake_api *api, const char *verb, const char *part, const struct fake_fault *fault)
{
	if (api->rules_len == api->rules_cap) {
		api->rules_cap = api->rules_cap ? api->rules_cap * 2 : 16;
		api->rules = xreallocarray(api->rules, api->rules_cap, sizeof(*api->rules));
	}
	api->rules[api->rules_len++] = (struct fault_rule){
		.verb = verb ? xstrdup(verb) : NULL,
		.part = part ? xstrdup(part) : NULL,
		.fault = *fault,
		.left = fault->times ? fault->times : 1,
	};
}

void fake_api_clear_faults(struct fake_api *api)
{
	for (size_t i = 0; i < api->rules_len; i++) {
		free(api->rules[i].verb);
		free(api->rules[i].part);
	}
	api->rules_len = 0;
}

void fake_api_set_judge(struct fake_api *api,
	bool (*judge)(void *user, const char *verb, const char *target, struct fake_fault *ret),
	void *user)
{
	api->judge = judge;
	api->judge_user = user;
}

void fake_api_set_split(struct fake_api *api, size_t n)
{
	api->split = n;
}

void fake_api_require_token(struct fake_api *api, const char *token)
{
	free(api->token);
	api->token = token ? xstrdup(token) : NULL;
}

/* --- what was asked --- */

size_t fake_api_count(const struct fake_api *api, const char *verb, const char *part)
{
	size_t count = 0;

	strvec_for_each (&api->log, i) {
		const char *line = api->log.items[i];
		const char *target = strchr(line, ' ');

		if (verb && (strncmp(line, verb, strlen(verb)) != 0 || line[strlen(verb)] != ' '))
			continue;
		if (!part || strstr(target + 1, part))
			count++;
	}
	return count;
}

const struct strvec *fake_api_log(const struct fake_api *api)
{
	return &api->log;
}

void fake_api_log_clear(struct fake_api *api)
{
	strvec_clear(&api->log);
}

const char *fake_api_last_header(const struct fake_api *api, const char *name)
{
	size_t len = strlen(name);

	strvec_for_each (&api->last_headers, i) {
		const char *header = api->last_headers.items[i];

		if (strncmp(header, name, len) == 0 && header[len] == ':')
			return header + len + 1 + (header[len + 1] == ' ');
	}
	return "";
}

const char *fake_api_last_body(const struct fake_api *api)
{
	return api->last_body ? api->last_body : "";
}

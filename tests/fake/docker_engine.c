#include "tests/fake/docker_engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/digest.h"
#include "base/mem.h"
#include "base/str.h"
#include "doc/json.h"
#include "doc/path.h"

#define CREATED 1800000000

struct reply {
	int status;
	json_t *json;     /* owned */
	struct buf bytes; /* in place of json */
};

/* --- answers --- */

static void words(struct reply *reply, int status, const char *message)
{
	reply->status = status;
	reply->json = json_pack("{s:s}", "message", message);
}

/* What is so already, or will be: podman calls each an error of its own. */
static void already(
	const struct fake_docker *fake, struct reply *reply, int status, const char *message)
{
	if (fake->podman || status >= 400)
		words(reply, fake->podman ? 500 : status, message);
	else
		reply->status = status;
}

static const json_t *labels_of(const json_t *container)
{
	return doc_get(container, "Body.Labels");
}

/* {"label": ["name=value"]} against labels. */
static bool matches(const char *filters, const json_t *labels)
{
	auto_json *json = NULL;
	const json_t *wanted;
	size_t i;

	if (!filters || doc_json_parse(filters, strlen(filters), &json, NULL) < 0)
		return true;
	json_array_foreach (json_object_get(json, "label"), i, wanted) {
		const char *text = json_string_value(wanted), *equals = strchr(text, '=');
		auto_free char *name =
			xstrndup(text, equals ? (size_t)(equals - text) : strlen(text));
		const char *value = json_string_value(json_object_get(labels, name));

		if (!value || (equals && !str_eq(value, equals + 1)))
			return false;
	}
	return true;
}

static json_t *find(json_t *list, const char *key)
{
	json_t *item;
	size_t i;

	json_array_foreach (list, i, item) {
		if (str_eq(doc_str(item, "Id"), key) || str_eq(doc_str(item, "Name"), key))
			return item;
	}
	return NULL;
}

static void remove_from(json_t *list, const json_t *item)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		if (json_array_get(list, i) == item) {
			json_array_remove(list, i);
			return;
		}
	}
}

static char *new_id(struct fake_docker *fake)
{
	return xasprintf("%064d", ++fake->made);
}

/* --- containers --- */

void fake_docker_end(struct fake_docker *fake, json_t *container, int exit_code)
{
	auto_json *event = json_pack("{s:s, s:s, s:{s:s, s:O}}", "Type", "container", "Action",
		"die", "Actor", "ID", doc_str(container, "Id"), "Attributes", labels_of(container));
	auto_free char *line = doc_json_dump(event);

	json_object_set_new(container, "Status", json_string("exited"));
	json_object_set_new(container, "ExitCode", json_integer(exit_code));
	if (fake->events) {
		http_chunk(fake->events, line, strlen(line));
		http_chunk(fake->events, "\n", 1);
	}
}

static bool runs(const json_t *container)
{
	return str_eq(doc_str(container, "Status"), "running");
}

static void age(struct fake_docker *fake, json_t *container)
{
	int64_t looks = doc_int_or(container, "Looks", 0) + 1;
	const char *step =
		json_string_value(json_object_get(labels_of(container), "fondant.ai/step"));

	json_object_set_new(container, "Looks", json_integer(looks));
	if (runs(container) && looks > fake->looks)
		fake_docker_end(fake, container, (int)doc_int_or(fake->exit_codes, step, 0));
}

static void list(struct fake_docker *fake, const char *filters, struct reply *reply)
{
	json_t *container;
	size_t i;

	reply->json = json_array();
	json_array_foreach (fake->containers, i, container) {
		if (!matches(filters, labels_of(container)))
			continue;
		json_array_append_new(reply->json,
			json_pack("{s:O, s:O, s:O, s:I}", "Id", json_object_get(container, "Id"),
				"State", json_object_get(container, "Status"), "Labels",
				labels_of(container), "Created", (json_int_t)CREATED));
		age(fake, container);
	}
}

static void inspect(json_t *container, struct reply *reply)
{
	bool started = doc_int_or(container, "Starts", 0) > 0;

	reply->json = json_pack("{s:O, s:O, s:{s:O}, s:{s:O, s:b, s:s, s:I, s:b, s:s, s:s}}", "Id",
		json_object_get(container, "Id"), "Name", json_object_get(container, "Name"),
		"Config", "Labels", labels_of(container), "State", "Status",
		json_object_get(container, "Status"), "Running", runs(container), "Error", "",
		"ExitCode", (json_int_t)doc_int_or(container, "ExitCode", 0), "OOMKilled", 0,
		"StartedAt", started ? "2027-01-15T08:00:00.5Z" : "0001-01-01T00:00:00Z",
		"FinishedAt",
		str_eq(doc_str(container, "Status"), "exited") ? "2027-01-15T08:00:01.5Z"
							       : "0001-01-01T00:00:00Z");
}

static void create(struct fake_docker *fake, struct http_exchange *ex, struct reply *reply)
{
	auto_free char *name = http_query(ex, "name"), *id = NULL;
	auto_json *body = NULL;
	json_t *container;

	if (doc_json_parse(buf_str(&ex->body), ex->body.len, &body, NULL) < 0) {
		words(reply, 400, "bad body");
	} else if (fake->broken) {
		words(reply, 500, fake->broken);
	} else if (find(fake->containers, name)) {
		already(fake, reply, 409, "Conflict. The container name is already in use");
	} else if (!json_object_get(fake->images, doc_str_or(body, "Image", ""))) {
		words(reply, 404, "No such image");
	} else if (!find(fake->networks, doc_str(body, "HostConfig.NetworkMode"))) {
		words(reply, 400, "network not found");
	} else {
		id = new_id(fake);
		container = json_pack("{s:s, s:s, s:O, s:s, s:i, s:i}", "Id", id, "Name", name,
			"Body", body, "Status", "created", "Looks", 0, "Starts", 0);
		json_array_append_new(fake->containers, container);
		reply->status = 201;
		reply->json = json_pack("{s:s}", "Id", id);
	}
}

static void start(json_t *container, struct reply *reply)
{
	reply->status = 304;
	if (!str_eq(doc_str(container, "Status"), "created"))
		return;
	json_object_set_new(container, "Status", json_string("running"));
	json_object_set_new(
		container, "Starts", json_integer(doc_int_or(container, "Starts", 0) + 1));
	json_object_set_new(container, "Looks", json_integer(0));
	reply->status = 204;
}

static void add_frame(const char *text, struct buf *out)
{
	size_t len = text ? strlen(text) : 0;
	const char head[8] = {
		1, 0, 0, 0, (char)(len >> 24), (char)(len >> 16), (char)(len >> 8), (char)len};

	if (len) {
		buf_add(out, head, sizeof(head));
		buf_add(out, text, len);
	}
}

/* Of bytes, for a JSON text that keeps each as a character. */
static json_t *latin1(const struct buf *bytes)
{
	struct buf text = BUF_INIT;
	json_t *json;

	for (size_t i = 0; i < bytes->len; i++)
		buf_addf(&text, "%c", bytes->data[i] > 0 ? bytes->data[i] : ' ');
	json = json_string(buf_str(&text));
	buf_free(&text);
	return json;
}

static void of_container(
	struct fake_docker *fake, struct http_exchange *ex, const char *rest, struct reply *reply)
{
	size_t len = strcspn(rest, "/");
	auto_free char *key = xstrndup(rest, len);
	json_t *container = find(fake->containers, key);
	const char *what = rest + len;

	if (!container) {
		words(reply, 404, "No such container");
	} else if (str_eq(what, "/json")) {
		inspect(container, reply);
	} else if (str_eq(what, "/start")) {
		start(container, reply);
	} else if (str_eq(what, "/stop")) {
		already(fake, reply, runs(container) ? 204 : 304, "it stops by itself");
		if (runs(container))
			fake_docker_end(fake, container, 143);
	} else if (str_eq(what, "/archive")) {
		json_object_set_new(fake->archives, doc_str(container, "Id"), latin1(&ex->body));
	} else if (str_eq(what, "/logs")) {
		add_frame(fake->log, &reply->bytes);
	} else if (str_eq(ex->method, "DELETE")) {
		already(fake, reply, 204, "it is being removed");
		remove_from(fake->containers, container);
	} else {
		words(reply, 404, "page not found");
	}
}

/* --- networks and images --- */

static void of_networks(struct fake_docker *fake, struct http_exchange *ex, struct reply *reply)
{
	auto_free char *filters = http_query(ex, "filters"), *id = NULL;
	auto_json *body = NULL;
	json_t *network;
	size_t i;

	if (str_eq(ex->method, "POST")) {
		id = new_id(fake);
		doc_json_parse(buf_str(&ex->body), ex->body.len, &body, NULL);
		json_array_append_new(fake->networks,
			json_pack("{s:s, s:O, s:s, s:O}", "Id", id, "Name",
				json_object_get(body, "Name"), "Created", "2027-01-15T08:00:00Z",
				"Labels", json_object_get(body, "Labels")));
		reply->status = 201;
		reply->json = json_pack("{s:s}", "Id", id);
		return;
	}
	reply->json = json_array();
	json_array_foreach (fake->networks, i, network) {
		if (matches(filters, json_object_get(network, "Labels")))
			json_array_append(reply->json, network);
	}
}

static void remove_network(struct fake_docker *fake, const char *id, struct reply *reply)
{
	json_t *network = find(fake->networks, id);

	reply->status = network ? 204 : 404;
	if (network)
		remove_from(fake->networks, network);
}

static void pull(struct fake_docker *fake, struct http_exchange *ex, struct reply *reply)
{
	auto_free char *from = http_query(ex, "fromImage"), *tag = http_query(ex, "tag");
	auto_free char *image = xasprintf("%s%s%s", from, strchr(tag, ':') ? "@" : ":", tag);
	const char *auth = http_header(ex, "x-registry-auth");

	json_array_append_new(fake->auths, json_string(auth ? auth : ""));
	if (strstr(image, "missing")) {
		buf_adds(&reply->bytes, "{\"error\":\"manifest unknown\"}\r\n");
		return;
	}
	json_object_set_new(fake->images, image, json_true());
	buf_adds(&reply->bytes, "{\"status\":\"Pulling\"}\r\n{\"id\":\"a\",\"progressDetail\":{"
				"\"current\":1,\"total\":2}}\r\n");
}

/* --- builds --- */

static void say(struct buf *out, const char *member, const char *text)
{
	auto_json *json = json_pack("{s:s}", member, text);
	auto_free char *line = doc_json_dump(json);

	buf_addf(out, "%s\r\n", line);
}

static void note_build(struct fake_docker *fake, struct http_exchange *ex)
{
	static const char *const names[] = {"t", "buildargs", "labels"};
	const char *auth = http_header(ex, "x-registry-config");
	json_t *build = json_object();

	for (size_t i = 0; i < array_size(names); i++) {
		auto_free char *value = http_query(ex, names[i]);

		if (value)
			json_object_set_new(build, names[i], json_string(value));
	}
	json_object_set_new(build, "auth", json_string(auth ? auth : ""));
	json_array_append_new(fake->builds, build);
	buf_reset(&fake->context);
	buf_add(&fake->context, ex->body.data, ex->body.len);
}

/* As the classic builder speaks; the id is that of the context and the arguments. */
static void build(struct fake_docker *fake, struct http_exchange *ex, struct reply *reply)
{
	auto_free char *tag = http_query(ex, "t"), *id = NULL, *aux = NULL;
	auto_buf content = BUF_INIT;
	char hash[DIGEST_HEX_SIZE];

	note_build(fake, ex);
	say(&reply->bytes, "stream", "Step 1/2 : FROM base");
	say(&reply->bytes, "stream", "\n");
	buf_adds(&reply->bytes, "{\"status\":\"Pulling from base\",\"id\":\"1\"}\r\n"
				"{\"status\":\"Downloading\",\"id\":\"a\",\"progressDetail\":{"
				"\"current\":1,\"total\":2}}\r\n");
	say(&reply->bytes, "stream", " ---> 0123456789ab\nStep 2/2 : RUN make\nfirst wo");
	say(&reply->bytes, "stream", "rds\n10%\r100%\r\n\033[9");
	say(&reply->bytes, "stream", "1mlast\033[0m\n\033[0m");
	if (fake->build_error) {
		say(&reply->bytes, "error", fake->build_error);
		return;
	}
	buf_add(&content, ex->body.data, ex->body.len);
	buf_adds(&content, ex->query);
	id = xasprintf("sha256:%s", digest_sha256_hex(content.data, content.len, hash));
	aux = xasprintf("{\"aux\":{\"ID\":\"%s\"}}\r\n", id);
	buf_adds(&reply->bytes, aux);
	say(&reply->bytes, "stream", "Successfully built\n");
	json_object_set_new(fake->images, id, json_true());
	json_object_set_new(fake->images, tag, json_true());
}

static char *decoded(const char *segment)
{
	struct buf out = BUF_INIT;

	for (; *segment; segment++) {
		unsigned byte;

		if (*segment == '%' && sscanf(segment + 1, "%2x", &byte) == 1) {
			buf_addc(&out, (char)byte);
			segment += 2;
		} else {
			buf_addc(&out, *segment);
		}
	}
	return buf_take(&out);
}

static void of_image(struct fake_docker *fake, const char *rest, struct reply *reply)
{
	size_t len = strlen(rest) - strlen("/json");
	auto_free char *segment = xstrndup(rest, len), *image = decoded(segment);

	if (json_object_get(fake->images, image))
		reply->json = json_object();
	else
		words(reply, 404, "No such image");
}

/* --- requests --- */

static void version(struct fake_docker *fake, struct reply *reply)
{
	reply->json = json_pack("{s:s, s:s, s:s}", "Version", "20.10.24", "ApiVersion", fake->api,
		"MinAPIVersion", fake->min_api);
}

static void act(struct fake_docker *fake, struct http_exchange *ex, struct reply *reply)
{
	const char *path = strchr(ex->path + 1, '/');

	reply->status = 200;
	if (str_eq(ex->path, "/version")) {
		version(fake, reply);
	} else if (!path) {
		words(reply, 404, "page not found");
	} else if (str_eq(path, "/containers/json")) {
		auto_free char *filters = http_query(ex, "filters");

		list(fake, filters, reply);
	} else if (str_eq(path, "/containers/create")) {
		create(fake, ex, reply);
	} else if (str_starts_with(path, "/containers/")) {
		of_container(fake, ex, path + strlen("/containers/"), reply);
	} else if (str_eq(path, "/networks") || str_eq(path, "/networks/create")) {
		of_networks(fake, ex, reply);
	} else if (str_starts_with(path, "/networks/")) {
		remove_network(fake, path + strlen("/networks/"), reply);
	} else if (str_eq(path, "/images/create")) {
		pull(fake, ex, reply);
	} else if (str_eq(path, "/build")) {
		build(fake, ex, reply);
	} else if (str_starts_with(path, "/images/")) {
		of_image(fake, path + strlen("/images/"), reply);
	} else {
		words(reply, 404, "page not found");
	}
}

static void send(struct http_exchange *ex, const struct reply *reply)
{
	auto_free char *text = reply->json ? doc_json_dump(reply->json) : NULL;

	if (text)
		http_reply(ex, reply->status, "application/json", text, strlen(text));
	else
		http_reply(ex, reply->status, "application/octet-stream", buf_str(&reply->bytes),
			reply->bytes.len);
}

static void events_gone(struct http_exchange *ex)
{
	struct fake_docker *fake = ex->state;

	if (fake->events == ex)
		fake->events = NULL;
}

static void on_request(struct http_server *server, struct http_exchange *ex)
{
	struct fake_docker *fake = server->user;
	struct reply reply = {.bytes = BUF_INIT};
	enum fake_fault fault;

	if (str_ends_with(ex->path, "/events")) {
		ex->state = fake;
		ex->release = events_gone;
		fake->events = ex;
		http_reply_chunked(ex, 200, "application/json");
		return;
	}
	if (fake->build_cut && str_ends_with(ex->path, "/build"))
		http_cut_at(ex, fake->build_cut);
	fault = ++fake->asked == fake->fault_at ? fake->fault : FAKE_WELL;
	if (fault == FAKE_WELL || fault == FAKE_LOSE_ANSWER)
		act(fake, ex, &reply);
	if (fault == FAKE_BODY || fault == FAKE_STATUS)
		http_reply(ex, fault == FAKE_BODY ? 200 : fake->hostile_status, "application/json",
			fake->hostile, strlen(fake->hostile));
	else if (fault != FAKE_WELL)
		http_cut(ex);
	else
		send(ex, &reply);
	json_decref(reply.json);
	buf_free(&reply.bytes);
	if (fake->seen)
		fake->seen(fake, ex->method, ex->path);
}

void fake_docker_start(struct fake_docker *fake, struct loop *loop)
{
	fake->images = json_object();
	fake->networks = json_array();
	fake->containers = json_array();
	fake->archives = json_object();
	fake->auths = json_array();
	fake->builds = json_array();
	http_server_start(&fake->server, loop, on_request, fake);
}

void fake_docker_stop(struct fake_docker *fake)
{
	http_server_stop(&fake->server);
	json_decref(fake->images);
	json_decref(fake->networks);
	json_decref(fake->containers);
	json_decref(fake->archives);
	json_decref(fake->auths);
	json_decref(fake->builds);
	buf_free(&fake->context);
	json_decref(fake->exit_codes);
}

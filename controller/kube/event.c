/*
 * Events wait in a queue and are posted one after another. What was posted is remembered by
 * its name, which is derived from object, reason and note: after a restart the server's
 * AlreadyExists says the same.
 */
#include "kube/event.h"

#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "doc/path.h"
#include "kube/internal.h"

#define MAX_PENDING 256
#define MAX_REMEMBERED 4096
#define MAX_ATTEMPTS 3
#define NOTE_MAX 1024
#define WORD_MAX 128 /* reason, action, reportingInstance */
#define NAME_MAX_BYTES 253
#define SWITCHED_OFF_MS (10 * 60 * 1000)

struct pending_event {
	struct list link;
	char *namespace_;
	json_t *body;
};

struct event_recorder {
	struct kube_client *client;
	char *controller, *instance;
	struct list queue;
	size_t pending;
	struct map posted; /* event names */
	struct kube_op op;
	int64_t off_until_ms; /* monotonic: no right to post, or no such API */
};

struct event_recorder *event_recorder_new(
	struct kube_client *client, const char *controller, const char *instance)
{
	struct event_recorder *recorder = xnew(struct event_recorder);

	recorder->client = client;
	recorder->controller = xstrdup(controller);
	recorder->instance = xstrndup(instance, strnlen(instance, WORD_MAX));
	list_init(&recorder->queue);
	return recorder;
}

static void pop(struct event_recorder *recorder)
{
	struct pending_event *event =
		container_of(recorder->queue.next, struct pending_event, link);

	list_del(&event->link);
	json_decref(event->body);
	free(event->namespace_);
	free(event);
	recorder->pending--;
}

void event_recorder_free(struct event_recorder *recorder)
{
	if (!recorder)
		return;
	kube_op_free(&recorder->op);
	while (!list_empty(&recorder->queue))
		pop(recorder);
	map_clear(&recorder->posted);
	free(recorder->controller);
	free(recorder->instance);
	free(recorder);
}

size_t event_recorder_pending(const struct event_recorder *recorder)
{
	return recorder->pending;
}

static void post_next(struct event_recorder *recorder);

static void posted(struct kube_op *op)
{
	struct event_recorder *recorder = container_of(op, struct event_recorder, op);

	pop(recorder);
	if (op->outcome == KUBE_FORBIDDEN && !str_eq(op->err.reason, "NamespaceTerminating"))
		recorder->off_until_ms = loop_now_ms(kube_loop(recorder->client)) + SWITCHED_OFF_MS;
	post_next(recorder);
}

static void post_next(struct event_recorder *recorder)
{
	struct pending_event *event;

	if (list_empty(&recorder->queue) || kube_op_active(&recorder->op))
		return;
	event = container_of(recorder->queue.next, struct pending_event, link);
	recorder->op.verb = KUBE_CREATE;
	recorder->op.resource = &kube_events;
	recorder->op.namespace_ = event->namespace_;
	recorder->op.body = event->body;
	recorder->op.max_attempts = MAX_ATTEMPTS;
	recorder->op.done = posted;
	kube_send(recorder->client, &recorder->op);
	recorder->op.body = NULL;
}

/* At most max bytes, whole UTF-8 sequences, no control characters. */
static json_t *short_text(const char *text, size_t max)
{
	size_t len = strlen(text);
	auto_free char *clean = NULL;

	if (len > max) {
		for (len = max; len > 0 && ((unsigned char)text[len] & 0xC0) == 0x80; len--)
			;
	}
	clean = str_clean_tail(text, len, len);
	return json_string(clean);
}

static char *event_name(const json_t *ref, const char *reason, const char *note)
{
	char hex[DIGEST_HEX_SIZE];
	const char *object = doc_str_or(ref, "name", "object");
	size_t room = NAME_MAX_BYTES - 17;
	size_t len = strnlen(object, room);

	digest_sha256_parts(hex, doc_str_or(ref, "uid", ""), reason, note, NULL);
	while (len > 0 && (object[len - 1] == '.' || object[len - 1] == '-'))
		len--;
	return xasprintf("%.*s.%.16s", (int)len, object, hex);
}

static json_t *regarding(const json_t *ref)
{
	static const char *const keys[] = {"apiVersion", "kind", "namespace", "name", "uid"};
	json_t *copy = json_object();

	for (size_t i = 0; i < array_size(keys); i++) {
		const char *value = doc_str(ref, keys[i]);

		if (value && value[0])
			json_object_set_new(copy, keys[i], json_string(value));
	}
	return copy;
}

static json_t *event_body(const struct event_recorder *recorder, const json_t *ref,
	const char *name, const char *namespace_, int64_t now_ms)
{
	char when[TIME_RFC3339_SIZE];
	json_t *body = json_object();
	json_t *metadata = json_object();

	json_object_set_new(metadata, "name", json_string(name));
	json_object_set_new(metadata, "namespace", json_string(namespace_));
	json_object_set_new(body, "apiVersion", json_string("events.k8s.io/v1"));
	json_object_set_new(body, "kind", json_string("Event"));
	json_object_set_new(body, "metadata", metadata);
	json_object_set_new(body, "eventTime", json_string(time_format_micro(now_ms, when)));
	json_object_set_new(body, "reportingController", json_string(recorder->controller));
	json_object_set_new(body, "reportingInstance", json_string(recorder->instance));
	json_object_set_new(body, "regarding", regarding(ref));
	return body;
}

/* False when the same event was posted or is waiting already. */
static bool remember(struct event_recorder *recorder, const char *namespace_, const char *name)
{
	auto_free char *key = xasprintf("%s/%s", namespace_, name);

	if (map_has(&recorder->posted, key))
		return false;
	if (recorder->posted.len >= MAX_REMEMBERED)
		map_clear(&recorder->posted); /* the server still knows the names */
	map_set(&recorder->posted, key, recorder);
	return true;
}

void event_emit(struct event_recorder *recorder, const json_t *regarding_ref, bool warning,
	const char *reason, const char *action, const char *note, int64_t now_ms)
{
	struct pending_event *event;
	/* Events about cluster-scoped objects live in `default`. */
	const char *namespace_ = doc_str_or(regarding_ref, "namespace", "default");
	auto_free char *name = event_name(regarding_ref, reason, note);

	if (recorder->pending >= MAX_PENDING ||
		loop_now_ms(kube_loop(recorder->client)) < recorder->off_until_ms)
		return;
	if (!remember(recorder, namespace_, name))
		return;
	event = xnew(struct pending_event);
	event->namespace_ = xstrdup(namespace_);
	event->body = event_body(recorder, regarding_ref, name, namespace_, now_ms);
	json_object_set_new(event->body, "type", json_string(warning ? "Warning" : "Normal"));
	json_object_set_new(event->body, "reason", short_text(reason, WORD_MAX));
	json_object_set_new(event->body, "action", short_text(action, WORD_MAX));
	json_object_set_new(event->body, "note", short_text(note, NOTE_MAX));
	list_add_tail(&recorder->queue, &event->link);
	recorder->pending++;
	post_next(recorder);
}

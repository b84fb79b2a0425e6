/*
 * events.k8s.io/v1 Events: few, for people. Deterministic names fold repeats: the same
 * (object UID, reason, note) is created once. Bounded queue of 256, dropped when full, never
 * retried more than 3 times: nothing may depend on an Event.
 */
#ifndef KUBE_EVENT_H
#define KUBE_EVENT_H

#include "kube/client.h"

struct event_recorder;

struct event_recorder *event_recorder_new(
	struct kube_client *client, const char *controller, const char *instance);
void event_recorder_free(struct event_recorder *recorder);

/* regarding: the object (its kind, namespace, name, uid, apiVersion are copied). note is cut to
 * 1024 bytes. */
void event_emit(struct event_recorder *recorder, const json_t *regarding_ref, bool warning,
	const char *reason, const char *action, const char *note, int64_t now_ms);
size_t event_recorder_pending(const struct event_recorder *recorder);

#endif

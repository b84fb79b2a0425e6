/*
 * What a reconcile pass wants written: the bridge between pure decisions and the network.
 * Writes are independent of each other and are made in order; the first that does not succeed
 * ends the pass, and the next pass decides anew from what is true then.
 */
#ifndef RECONCILE_PLAN_H
#define RECONCILE_PLAN_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "kube/client.h"

struct plan_write {
	enum kube_verb verb;
	const struct kube_resource *resource;
	char *namespace_;
	char *name;              /* NULL for a create */
	const char *subresource; /* constant or NULL */
	json_t *body;            /* owned */
	bool optional;           /* a refusal is logged, and the pass goes on */
};

struct plan_event {
	bool warning;
	const char *reason; /* constants */
	const char *action;
	char *note;
};

struct plan {
	struct plan_write *writes;
	int len, cap;
	struct plan_event *events;
	int events_len, events_cap;
	int64_t requeue_ms; /* look again then; 0: only changes matter */
};

#define PLAN_INIT \
	{         \
		0 \
	}

/* body is stolen. */
void plan_create(struct plan *plan, const struct kube_resource *resource, const char *namespace_,
	json_t *body);
void plan_patch(struct plan *plan, const struct kube_resource *resource, const char *namespace_,
	const char *name, const char *subresource, json_t *body);
/* The write added last may be refused (403, 422, a name that somebody else has). */
void plan_optional(struct plan *plan);
/* With the UID as precondition; propagation Background. */
void plan_delete(struct plan *plan, const struct kube_resource *resource, const char *namespace_,
	const char *name, const char *uid);
void plan_event(struct plan *plan, bool warning, const char *reason, const char *action,
	const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* Keeps the earlier time. */
void plan_requeue(struct plan *plan, int64_t after_ms);
void plan_clear(struct plan *plan);

/*
 * Adds a merge patch of /status carrying resourceVersion when `status` differs from the object's
 * own; returns whether it does. status is stolen.
 */
bool plan_status(struct plan *plan, const struct kube_resource *resource, const json_t *object,
	json_t *status);

#endif

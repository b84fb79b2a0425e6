/*
 * The controller: watches, queues keys, runs passes. Reads only caches and writes only plans; what
 * it decides is in pipeline.c and run.c.
 */
#ifndef RECONCILE_CONTROLLER_H
#define RECONCILE_CONTROLLER_H

#include <stdbool.h>
#include <stdint.h>
#include "base/vec.h"
#include "kube/client.h"

struct registry_client;
struct s3_client;

struct controller_options {
	const struct strvec *namespaces; /* empty: all */
	bool implicit_backend;
	bool step_run_as_non_root;
	bool ambient_credentials;         /* backends may use the controller's own identity */
	bool local_endpoints;             /* backends may be unix sockets and loopback addresses */
	struct registry_client *registry; /* borrowed; NULL: images are not resolved */
	struct s3_client *s3;             /* borrowed; NULL: the data of runs is not looked at */
	struct trace_rules *trace;   /* borrowed; NULL: runners are not wrapped (runners/trace.h) */
	const char *operator_image;  /* borrowed; NULL: pipelines with joins cannot run */
	const char *instance;        /* for Events: the pod's name */
	const char *compiler_format; /* NULL: this program's; tests raise it */
	int max_workers;             /* passes at a time; 0: 32 */
};

struct controller;

/* Starts watching at once. client is borrowed. */
struct controller *controller_new(
	struct loop *loop, struct kube_client *client, const struct controller_options *options);
/* Every cache has had its first list. */
bool controller_synced(const struct controller *controller);
/* Nothing queued and no pass under way. */
bool controller_idle(const struct controller *controller);
/* Takes no more keys; stopped() runs once when the passes under way have ended. */
void controller_stop(struct controller *controller, void (*stopped)(void *arg), void *arg);
void controller_free(struct controller *controller);

#endif

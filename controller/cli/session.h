/*
 * A connection to a cluster for one command: requests one after another on a loop of its own.
 */
#ifndef CLI_SESSION_H
#define CLI_SESSION_H

#include <jansson.h>
#include "cli/cmd.h"
#include "kube/client.h"

struct session {
	struct loop *loop;
	struct kube_client *client;
	char *namespace_; /* --namespace, else the context's; owned */
};

#define SESSION_OPTIONS                                                                     \
	{.name = "kubeconfig",                                                              \
		.type = CLI_STRING,                                                         \
		.argument = "FILE",                                                         \
		.complete = CLI_COMPLETE_FILE,                                              \
		.help = "kubeconfig to use (default: $KUBECONFIG, the service account, "    \
			"~/.kube/config)"},                                                 \
		{.name = "context",                                                         \
			.type = CLI_STRING,                                                 \
			.argument = "NAME",                                                 \
			.help = "context of the kubeconfig"},                               \
	{                                                                                   \
		.name = "namespace", .letter = 'n', .type = CLI_STRING, .argument = "NAME", \
		.help = "namespace (default: the context's)"                                \
	}

/* With the values of SESSION_OPTIONS. Class user when the configuration is wrong. */
int session_open(const struct cli_args *args, struct session *ret_session, struct err *err);
void session_close(struct session *session);

/* All objects of a kind, page by page; namespace_ NULL: of all. *ret_items is a new array. A kind
 * that the cluster does not have is an empty list. */
int session_list(struct session *session, const struct kube_resource *resource,
	const char *namespace_, const char *label_selector, json_t **ret_items, struct err *err);

/* Outcome KUBE_CONFLICT or KUBE_NOT_FOUND, 0, or < 0. */
int session_patch(struct session *session, const struct kube_resource *resource,
	const char *namespace_, const char *name, const json_t *patch, struct err *err);

#endif

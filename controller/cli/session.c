#include "cli/session.h"

#include <stdlib.h>
#include "base/mem.h"
#include "base/str.h"
#include "doc/path.h"

#define PAGE 500
/* Objects of one kind; a cluster of the size that is designed for has a tenth of it. */
#define MAX_ITEMS 200000
#define MAX_ATTEMPTS 3

static void done(struct kube_op *op)
{
	loop_stop(kube_loop(op->client));
}

static void send(struct session *session, struct kube_op *op)
{
	op->done = done;
	op->max_attempts = MAX_ATTEMPTS;
	kube_send(session->client, op);
	loop_run(session->loop);
}

/* An outcome that the caller does not expect, as a failure. */
static int fail(const struct kube_op *op, struct err *err)
{
	return err_set(err, op->outcome == KUBE_FAILED ? op->err.class : ERR_USER,
		op->err.reason[0] ? op->err.reason : "Refused", "%s %s: %s",
		op->verb == KUBE_LIST ? "list" : "patch", op->resource->plural,
		op->err.message ? op->err.message : "refused by the API server");
}

int session_open(const struct cli_args *args, struct session *ret_session, struct err *err)
{
	struct kube_config_options where = {.kubeconfig = cli_value(args, "kubeconfig"),
		.context = cli_value(args, "context"),
		.namespace_ = cli_value(args, "namespace")};
	struct session session = {.loop = NULL};
	struct kube_config *config = NULL;
	int result;

	if (kube_config_load(&where, &config, err) < 0)
		return -1;
	result = loop_new(&session.loop, err);
	if (result == 0)
		result = kube_client_new(session.loop, config, "kubectl-fondant/" FONDANT_VERSION,
			&session.client, err);
	session.namespace_ = xstrdup(config->namespace_);
	kube_config_free(config);
	if (result < 0) {
		session_close(&session);
		return -1;
	}
	*ret_session = session;
	return 0;
}

void session_close(struct session *session)
{
	kube_client_free(session->client);
	loop_free(session->loop);
	free(session->namespace_);
	*session = (struct session){.loop = NULL};
}

int session_list(struct session *session, const struct kube_resource *resource,
	const char *namespace_, const char *label_selector, json_t **ret_items, struct err *err)
{
	auto_free char *token = NULL;
	json_t *items = json_array();
	int result = 0;

	do {
		struct kube_op op = {.verb = KUBE_LIST,
			.resource = resource,
			.namespace_ = namespace_,
			.label_selector = label_selector,
			.continue_token = token,
			.limit = PAGE};

		send(session, &op);
		if (op.outcome == KUBE_OK)
			json_array_extend(items, json_object_get(op.result, "items"));
		else if (op.outcome != KUBE_NOT_FOUND)
			result = fail(&op, err);
		free(token);
		token = xstrdup(doc_str_or(op.result, "metadata.continue", ""));
		kube_op_free(&op);
		if (result == 0 && json_array_size(items) > MAX_ITEMS)
			result = err_set(err, ERR_USER, "TooMany", "more than %d %s", MAX_ITEMS,
				resource->plural);
	} while (result == 0 && *token);
	if (result < 0) {
		json_decref(items);
		return -1;
	}
	*ret_items = items;
	return 0;
}

int session_patch(struct session *session, const struct kube_resource *resource,
	const char *namespace_, const char *name, const json_t *patch, struct err *err)
{
	struct kube_op op = {.verb = KUBE_MERGE_PATCH,
		.resource = resource,
		.namespace_ = namespace_,
		.name = name,
		.body = patch};
	int result;

	send(session, &op);
	if (op.outcome == KUBE_OK || op.outcome == KUBE_CONFLICT || op.outcome == KUBE_NOT_FOUND)
		result = (int)op.outcome;
	else
		result = fail(&op, err);
	kube_op_free(&op);
	return result;
}

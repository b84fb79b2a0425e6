/* An operation as an HTTP request: method, URL and content type. */
#include <string.h>

#include "base/mem.h"
#include "kube/internal.h"
#include "net/url.h"

bool kube_op_is_write(const struct kube_op *op)
{
	return op->verb != KUBE_GET && op->verb != KUBE_LIST && op->verb != KUBE_GET_RAW;
}

char *kube_op_url(const char *server, const char *field_manager, const struct kube_op *op)
{
	auto_buf url = BUF_INIT;
	/* what is created under an object, such as a token, needs that object's name */
	bool named = op->verb != KUBE_LIST && (op->verb != KUBE_CREATE || op->subresource);
	const char *name = named ? op->name : NULL;

	buf_adds(&url, server);
	kube_url_add(&url, op->resource, op->namespace_, name, op->subresource);
	if (op->label_selector)
		url_add_query(&url, "labelSelector", op->label_selector);
	if (op->field_selector)
		url_add_query(&url, "fieldSelector", op->field_selector);
	if (op->verb == KUBE_LIST && op->limit > 0) {
		auto_free char *limit = xasprintf("%d", op->limit);

		url_add_query(&url, "limit", limit);
	}
	/* A continue token carries its version; giving both is an error. */
	if (op->continue_token) {
		url_add_query(&url, "continue", op->continue_token);
	} else if (op->resource_version && op->resource_version[0]) {
		url_add_query(&url, "resourceVersion", op->resource_version);
		if (op->verb == KUBE_LIST)
			url_add_query(&url, "resourceVersionMatch", "NotOlderThan");
	}
	if (kube_op_is_write(op) && op->verb != KUBE_DELETE)
		url_add_query(&url, "fieldManager", field_manager);
	if (op->query && op->query[0]) {
		buf_addc(&url, strchr(buf_str(&url), '?') ? '&' : '?');
		buf_adds(&url, op->query);
	}
	return buf_take(&url);
}

const char *kube_op_method(const struct kube_op *op)
{
	switch (op->verb) {
	case KUBE_CREATE:
		return "POST";
	case KUBE_MERGE_PATCH:
	case KUBE_JSON_PATCH:
		return "PATCH";
	case KUBE_DELETE:
		return "DELETE";
	case KUBE_GET:
	case KUBE_LIST:
	case KUBE_GET_RAW:
		break;
	}
	return "GET";
}

const char *kube_op_content_type(const struct kube_op *op)
{
	if (op->verb == KUBE_MERGE_PATCH)
		return "Content-Type: application/merge-patch+json";
	if (op->verb == KUBE_JSON_PATCH)
		return "Content-Type: application/json-patch+json";
	return "Content-Type: application/json";
}

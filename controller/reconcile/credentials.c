#include "reconcile/credentials.h"

#include <stdlib.h>
#include <string.h>
#include "base/base64.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "doc/json.h"
#include "doc/path.h"

#define MAX_DEPTH 8
#define AWS_AUDIENCE "sts.amazonaws.com" /* what IAM's identity providers expect by default */
#define TOKEN_SECONDS 3600               /* asked for; the API server may give less */

/* --- which references there are --- */

static void add(struct credentials *c, const char *path, const json_t *what, int kind)
{
	if (c->refs_len == CREDENTIALS_MAX_REFS)
		return;
	c->refs[c->refs_len++] =
		(struct credential_ref){.path = xstrdup(path), .what = what, .kind = kind};
}

static void find(struct credentials *c, const char *path, const json_t *node, int depth)
{
	const char *key;
	json_t *value;

	if (depth == MAX_DEPTH)
		return;
	json_object_foreach ((json_t *)node, key, value) {
		auto_free char *inner = xasprintf("%s%s%s", path, *path ? "." : "", key);

		if (!json_is_object(value))
			continue;
		if (str_eq(key, "secretRef"))
			add(c, path, value, CREDENTIAL_SECRET);
		else if (str_eq(key, "secretKeyRef"))
			add(c, path, value, CREDENTIAL_KEY);
		else if (str_eq(key, "serviceAccountToken") || str_eq(key, "webIdentity"))
			add(c, inner, value, CREDENTIAL_TOKEN);
		else
			find(c, inner, value, depth + 1);
	}
}

bool credentials_wanted(const json_t *settings)
{
	struct credentials c = {0};
	bool wanted;

	find(&c, "", settings, 0);
	wanted = c.refs_len > 0;
	credentials_clear(&c);
	return wanted;
}

/* --- reading them, one after the other --- */

void credentials_wipe(json_t *values)
{
	const char *key;
	json_t *value;

	json_object_foreach (values, key, value) {
		if (json_is_string(value))
			explicit_bzero((char *)json_string_value(value), json_string_length(value));
		else if (json_is_object(value))
			credentials_wipe(json_incref(value));
	}
	json_decref(values);
}

static const char *name_of(const struct credential_ref *ref)
{
	return doc_str_or(
		ref->what, ref->kind == CREDENTIAL_TOKEN ? "serviceAccountName" : "name", "");
}

static void fail(struct credentials *c, const char *reason, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static void fail(struct credentials *c, const char *reason, const char *fmt, ...)
{
	auto_free char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	credentials_wipe(take_ptr(c->values));
	err_set(&c->err, ERR_USER, reason, "%s: %s", c->refs[c->next].path, text);
	c->done(c);
}

/* The request itself did not succeed. */
static void fail_by_op(struct credentials *c, const struct kube_op *op)
{
	const struct credential_ref *ref = &c->refs[c->next];
	const char *kind = ref->kind == CREDENTIAL_TOKEN ? "ServiceAccount" : "Secret";

	if (op->outcome == KUBE_NOT_FOUND) {
		fail(c, ref->kind == CREDENTIAL_TOKEN ? "ServiceAccountNotFound" : "SecretNotFound",
			"there is no %s \"%s\" in this namespace; create it", kind, name_of(ref));
	} else if (op->outcome == KUBE_FORBIDDEN || op->outcome == KUBE_INVALID) {
		fail(c, op->outcome == KUBE_FORBIDDEN ? "Forbidden" : "InvalidReference",
			"%s \"%s\": %s", kind, name_of(ref), err_message(&op->err));
	} else {
		err_set(&c->err, ERR_TRANSIENT, "CredentialsUnreadable", "%s \"%s\": %s", kind,
			name_of(ref), err_message(&op->err));
		credentials_wipe(take_ptr(c->values));
		c->done(c);
	}
}

static void next(struct credentials *c);

/* The value as text; NULL: not base64, or it has a NUL. New reference. */
static json_t *decoded(const json_t *value)
{
	const char *text = json_string_value(value);
	size_t len = 0;
	char *plain = text ? base64_decode(text, &len) : NULL;
	json_t *out = plain ? json_stringn_nocheck(plain, len) : NULL;

	if (out && strlen(json_string_value(out)) != len) {
		json_decref(out);
		out = NULL;
	}
	mem_free_secret(plain);
	return out;
}

static bool take_secret(struct credentials *c, const json_t *data)
{
	const struct credential_ref *ref = &c->refs[c->next];
	const char *wanted = doc_str_or(ref->what, "key", "");
	json_t *all = NULL, *value;
	const char *key;

	if (ref->kind == CREDENTIAL_KEY) {
		value = decoded(json_object_get(data, wanted));
		if (value)
			json_object_set_new(c->values, ref->path, value);
		return value != NULL;
	}
	all = json_object();
	json_object_foreach ((json_t *)data, key, value) {
		json_t *plain = decoded(value);

		if (plain)
			json_object_set_new(all, key, plain);
	}
	json_object_set_new(c->values, ref->path, all);
	return true;
}

static void got_secret(struct kube_op *op)
{
	struct credentials *c = container_of(op, struct credentials, op);
	json_t *data = json_object_get(op->result, "data");
	bool taken;

	if (op->outcome != KUBE_OK) {
		fail_by_op(c, op);
		return;
	}
	taken = take_secret(c, data);
	credentials_wipe(json_incref(data));
	if (!taken) {
		fail(c, "SecretKeyNotFound", "Secret \"%s\" has no text under the key \"%s\"",
			name_of(&c->refs[c->next]), doc_str_or(c->refs[c->next].what, "key", ""));
		return;
	}
	c->next++;
	next(c);
}

static void got_token(struct kube_op *op)
{
	struct credentials *c = container_of(op, struct credentials, op);
	const char *token = doc_str(op->result, "status.token");
	int64_t expires_s;

	if (op->outcome != KUBE_OK || !token) {
		fail_by_op(c, op);
		return;
	}
	json_object_set_new(c->values, c->refs[c->next].path, json_string_nocheck(token));
	if (time_parse_rfc3339(
		    doc_str_or(op->result, "status.expirationTimestamp", ""), &expires_s) &&
		(!c->expires_s || expires_s < c->expires_s))
		c->expires_s = expires_s;
	credentials_wipe(json_incref(json_object_get(op->result, "status")));
	c->next++;
	next(c);
}

/* authentication.k8s.io/v1 TokenRequest, on the service account's subresource. */
static void ask_token(struct credentials *c, const struct credential_ref *ref)
{
	bool aws = json_object_get(ref->what, "roleArn") != NULL;
	const char *audience = doc_str_or(ref->what, "audience", aws ? AWS_AUDIENCE : "");

	json_decref(c->body);
	c->body = json_pack("{s:s, s:s, s:{s:[s], s:i}}", "apiVersion", "authentication.k8s.io/v1",
		"kind", "TokenRequest", "spec", "audiences", audience, "expirationSeconds",
		TOKEN_SECONDS);
	c->op.verb = KUBE_CREATE;
	c->op.resource = &kube_serviceaccounts;
	c->op.subresource = "token";
	c->op.body = c->body;
	c->op.done = got_token;
}

static void next(struct credentials *c)
{
	const struct credential_ref *ref = &c->refs[c->next];

	if (c->next == c->refs_len) {
		c->done(c);
		return;
	}
	kube_op_free(&c->op);
	c->op = (struct kube_op){.verb = KUBE_GET,
		.resource = &kube_secrets,
		.namespace_ = c->namespace_,
		.name = name_of(ref),
		.max_attempts = 3,
		.done = got_secret};
	if (ref->kind == CREDENTIAL_TOKEN)
		ask_token(c, ref);
	kube_send(c->client, &c->op);
}

void credentials_read(struct credentials *credentials, struct kube_client *client,
	const char *namespace_, const json_t *settings,
	void (*done)(struct credentials *credentials))
{
	credentials_clear(credentials);
	credentials->client = client;
	credentials->namespace_ = namespace_;
	credentials->done = done;
	credentials->values = json_object();
	find(credentials, "", settings, 0);
	next(credentials);
}

void credentials_clear(struct credentials *credentials)
{
	kube_op_free(&credentials->op);
	credentials_wipe(credentials->values);
	json_decref(credentials->body);
	err_clear(&credentials->err);
	for (int i = 0; i < credentials->refs_len; i++)
		free(credentials->refs[i].path);
	*credentials = (struct credentials){0};
}

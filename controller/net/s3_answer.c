/* What an answer means: results, outcome, error. */
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "net/s3_internal.h"
#include "net/xml.h"

/* `"abc"` -> abc; owned by the caller, NULL for NULL. */
static char *unquote(const char *etag)
{
	size_t len = etag ? strlen(etag) : 0;

	if (!etag)
		return NULL;
	if (len >= 2 && etag[0] == '"' && etag[len - 1] == '"')
		return xstrndup(etag + 1, len - 2);
	return xstrdup(etag);
}

/* --- error documents --- */

struct error_document {
	char *code;
	char *region;
};

static void error_element(void *user, const char *parent, const char *name, const char *value)
{
	struct error_document *error = user;
	char **field = str_eq(name, "Code")     ? &error->code
		       : str_eq(name, "Region") ? &error->region
						: NULL;

	/* moto puts <Error> into <ErrorResponse>. */
	if (field && !*field && str_eq(parent, "Error"))
		*field = xstrdup(value);
}

/* A word that is fit for a message. */
static bool is_code(const char *code)
{
	return *code && strlen(code) <= 64 &&
	       strspn(code, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.") ==
		       strlen(code);
}

char *s3_answer_code(const struct s3_call *call, char **ret_region)
{
	struct error_document error = {0};
	const struct buf *body = &call->http.response;

	if (body->len)
		xml_read(body->data, body->len, error_element, &error);
	if (error.code && !is_code(error.code)) {
		free(error.code);
		error.code = NULL;
	}
	if (ret_region)
		*ret_region = take_ptr(error.region);
	free(error.region);
	return error.code;
}

/* --- outcomes other than success --- */

__attribute__((format(printf, 5, 6))) static void fail(struct s3_call *call,
	enum s3_outcome outcome, enum err_class class, const char *reason, const char *fmt, ...)
{
	auto_free char *name = s3_call_name(call);
	auto_free char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	call->op->outcome = outcome;
	err_set(&call->op->err, class, reason, "%s: %s", name, text);
}

static void answer_missing(struct s3_call *call)
{
	const struct err *why = &call->http.err;

	if (str_eq(why->reason, "ResponseTooLarge"))
		fail(call, S3_FAILED, ERR_USER, "ObjectTooLarge",
			"it is larger than the %zu bytes that are read", call->max);
	else if (str_eq(why->reason, "Timeout") || str_eq(why->reason, "IdleTimeout"))
		fail(call, S3_FAILED, ERR_TRANSIENT, "S3Timeout", "%s", err_message(why));
	else
		fail(call, S3_FAILED, why->class,
			why->class == ERR_TRANSIENT ? "S3Unavailable" : why->reason, "%s",
			err_message(why));
}

static bool is_one_of(const char *code, const char *const *words)
{
	for (; *words; words++) {
		if (str_eq(code, *words))
			return true;
	}
	return false;
}

static void answer_forbidden(struct s3_call *call, const char *code)
{
	static const char *const keys[] = {"SignatureDoesNotMatch", "InvalidAccessKeyId",
		"InvalidClientTokenId", "ExpiredToken", "InvalidToken", "TokenRefreshRequired",
		"AuthorizationHeaderMalformed", "InvalidSecurity", NULL};

	if (code && is_one_of(code, keys))
		fail(call, S3_FORBIDDEN, ERR_USER, "SignatureRefused",
			"the store refuses the credentials (%d %s); check AWS_ACCESS_KEY_ID, "
			"AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN",
			call->http.status, code);
	else if (code && str_eq(code, "RequestTimeTooSkewed"))
		fail(call, S3_FORBIDDEN, ERR_TRANSIENT, "SignatureRefused",
			"the clock is too far off the store's (%d %s)", call->http.status, code);
	else
		fail(call, S3_FORBIDDEN, ERR_USER, "AccessDenied", "access is denied (%d%s%s); %s",
			call->http.status, code ? " " : "", code ? code : "",
			call->client->config.key_id
				? "grant the credentials this action, and s3:ListBucket so that a "
				  "missing object is told from a forbidden one"
				: "there are no credentials: set AWS_ACCESS_KEY_ID and "
				  "AWS_SECRET_ACCESS_KEY");
}

static void answer_refused(struct s3_call *call)
{
	const int status = call->http.status;
	auto_free char *code = s3_answer_code(call, NULL);

	if (status == 404 && code && str_eq(code, "NoSuchBucket"))
		fail(call, S3_NOT_FOUND, ERR_USER, "NoSuchBucket", "there is no such bucket");
	else if (status == 404)
		fail(call, S3_NOT_FOUND, ERR_USER, "NoSuchKey", "there is no such %s",
			*call->key ? "object" : "bucket");
	else if (status == 401 || status == 403 ||
		 (status == 400 && code &&
			 (str_eq(code, "ExpiredToken") || str_eq(code, "InvalidToken") ||
				 str_eq(code, "AuthorizationHeaderMalformed"))))
		answer_forbidden(call, code);
	else if (call->kind == S3_PUT && (status == 412 || status == 409))
		fail(call, S3_EXISTS, ERR_USER, "AlreadyExists", "there is one already");
	else if (status == 429 || status >= 500)
		fail(call, S3_FAILED, ERR_TRANSIENT, "S3Unavailable", "the store answered %d%s%s",
			status, code ? " " : "", code ? code : "");
	else
		fail(call, S3_FAILED, ERR_TRANSIENT, "S3InvalidAnswer",
			"the store answered %d%s%s; check the endpoint and the region", status,
			code ? " " : "", code ? code : "");
}

/* --- lists --- */

struct listing {
	struct s3_op *op;
	struct s3_object object; /* the one being read */
	size_t cap;
	bool root;
	bool truncated;
	bool bad;
};

static void object_release(struct s3_object *object)
{
	free(object->key);
	free(object->etag);
	*object = (struct s3_object){0};
}

static void listing_add(struct listing *listing)
{
	struct s3_op *op = listing->op;

	if (!listing->object.key || op->objects_len >= S3_LIST_MAX) {
		listing->bad = true;
		object_release(&listing->object);
		return;
	}
	if (op->objects_len == listing->cap) {
		listing->cap = listing->cap ? listing->cap * 2 : 16;
		op->objects = xreallocarray(op->objects, listing->cap, sizeof(*op->objects));
	}
	op->objects[op->objects_len++] = listing->object;
	listing->object = (struct s3_object){0};
}

static void object_member(struct s3_object *object, const char *name, const char *value)
{
	if (str_eq(name, "Key") && !object->key)
		object->key = xstrdup(value);
	else if (str_eq(name, "ETag") && !object->etag)
		object->etag = unquote(value);
	else if (str_eq(name, "Size") && !str_to_int64(value, &object->size))
		object->size = 0;
	else if (str_eq(name, "LastModified") && !time_parse_rfc3339(value, &object->modified_s))
		object->modified_s = 0;
}

static void list_element(void *user, const char *parent, const char *name, const char *value)
{
	struct listing *listing = user;

	if (str_eq(parent, "Contents")) {
		object_member(&listing->object, name, value);
	} else if (str_eq(parent, "CommonPrefixes") && str_eq(name, "Prefix")) {
		if (listing->op->prefixes.len < S3_LIST_MAX)
			strvec_add(&listing->op->prefixes, value);
		else
			listing->bad = true;
	} else if (str_eq(parent, "ListBucketResult")) {
		if (str_eq(name, "Contents"))
			listing_add(listing);
		else if (str_eq(name, "IsTruncated"))
			listing->truncated = str_eq(value, "true");
		else if (str_eq(name, "NextContinuationToken") && !listing->op->next)
			listing->op->next = xstrdup(value);
	} else if (!*parent) {
		listing->root = str_eq(name, "ListBucketResult");
	}
}

static void answer_list(struct s3_call *call)
{
	struct s3_op *op = call->op;
	const struct buf *body = &call->http.response;
	struct listing listing = {.op = op};
	bool sane = body->len && xml_read(body->data, body->len, list_element, &listing) &&
		    listing.root && !listing.bad;

	object_release(&listing.object);
	if (!sane || (listing.truncated && (!op->next || !*op->next))) {
		fail(call, S3_FAILED, ERR_TRANSIENT, "S3InvalidAnswer",
			"the store's list makes no sense; is the endpoint an object store?");
	} else if (!listing.truncated) {
		free(op->next);
		op->next = NULL;
	}
}

/* --- deleting several --- */

struct deletion {
	struct strvec *not_deleted;
	char *key;
	char *code;
	bool root;
};

static void delete_element(void *user, const char *parent, const char *name, const char *value)
{
	struct deletion *deletion = user;

	if (str_eq(parent, "Error")) {
		char **field = str_eq(name, "Key")    ? &deletion->key
			       : str_eq(name, "Code") ? &deletion->code
						      : NULL;

		if (field && !*field)
			*field = xstrdup(value);
	} else if (str_eq(parent, "DeleteResult") && str_eq(name, "Error")) {
		if (deletion->not_deleted->len < S3_DELETE_MAX)
			strvec_addf(deletion->not_deleted, "%s: %s",
				deletion->key ? deletion->key : "",
				deletion->code && is_code(deletion->code) ? deletion->code : "");
		free(deletion->key);
		free(deletion->code);
		deletion->key = deletion->code = NULL;
	} else if (!*parent) {
		deletion->root = str_eq(name, "DeleteResult");
	}
}

static void answer_delete_many(struct s3_call *call)
{
	struct deletion deletion = {.not_deleted = &call->op->not_deleted};
	const struct buf *body = &call->http.response;
	bool sane = body->len && xml_read(body->data, body->len, delete_element, &deletion) &&
		    deletion.root;

	free(deletion.key);
	free(deletion.code);
	if (!sane)
		fail(call, S3_FAILED, ERR_TRANSIENT, "S3InvalidAnswer",
			"the store's answer to a deletion makes no sense");
	else if (call->op->not_deleted.len)
		fail(call, S3_FAILED, ERR_USER, "NotDeleted",
			"%zu objects were not deleted, the first is %s", call->op->not_deleted.len,
			call->op->not_deleted.items[0]);
}

/* --- success --- */

static void answer_ok(struct s3_call *call)
{
	struct s3_op *op = call->op;
	const char *length = http_response_header(&call->http, "content-length");

	op->outcome = S3_OK;
	switch (call->kind) {
	case S3_HEAD:
		if (!length || !str_to_int64(length, &op->size))
			op->size = -1;
		op->etag = unquote(http_response_header(&call->http, "etag"));
		break;
	case S3_GET:
		op->etag = unquote(http_response_header(&call->http, "etag"));
		op->body = call->http.response;
		op->size = (int64_t)op->body.len;
		call->http.response = (struct buf)BUF_INIT;
		break;
	case S3_PUT:
		op->etag = unquote(http_response_header(&call->http, "etag"));
		break;
	case S3_LIST:
		answer_list(call);
		break;
	case S3_DELETE_MANY:
		answer_delete_many(call);
		break;
	case S3_DELETE:
		break;
	}
}

void s3_answer(struct s3_call *call)
{
	if (call->http.err.class != ERR_NONE)
		answer_missing(call);
	else if (call->http.status == 200 || call->http.status == 204)
		answer_ok(call);
	else if (call->http.status == 404 && call->kind == S3_DELETE && *call->key)
		call->op->outcome = S3_OK;
	else
		answer_refused(call);
}

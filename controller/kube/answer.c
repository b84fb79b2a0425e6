/* What the API server's answers mean. Source: operator-machinery.md A1 and A7. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/rand.h"
#include "base/str.h"
#include "doc/path.h"
#include "kube/internal.h"

#define RETRY_AFTER_MAX_MS (5 * 60 * 1000)
#define MESSAGE_MAX 1024

static bool is_write(enum kube_verb verb)
{
	return verb == KUBE_CREATE || verb == KUBE_MERGE_PATCH || verb == KUBE_JSON_PATCH ||
	       verb == KUBE_DELETE;
}

/* The status that the reason stands for; proxies and old servers send other codes at times. */
static int status_of_reason(const char *reason, int status)
{
	static const struct {
		const char *reason;
		int status;
	} table[] = {
		{"NotFound", 404},
		{"AlreadyExists", 409},
		{"Conflict", 409},
		{"Invalid", 422},
		{"BadRequest", 400},
		{"MethodNotAllowed", 405},
		{"NotAcceptable", 406},
		{"RequestEntityTooLarge", 413},
		{"UnsupportedMediaType", 415},
		{"Gone", 410},
		{"Expired", 410},
		{"TooManyRequests", 429},
		{"Forbidden", 403},
		{"Unauthorized", 401},
		{"Timeout", 504},
		{"ServerTimeout", 500},
		{"InternalError", 500},
		{"ServiceUnavailable", 503},
	};

	for (size_t i = 0; reason && i < array_size(table); i++) {
		if (str_eq(reason, table[i].reason))
			return table[i].status;
	}
	return status;
}

static bool has_cause(const json_t *body, const char *cause)
{
	size_t i;
	json_t *item;

	json_array_foreach (doc_get(body, "details.causes"), i, item) {
		if (str_eq(json_string_value(json_object_get(item, "reason")), cause))
			return true;
	}
	return false;
}

static void describe(int status, const json_t *body, const char *text, enum err_class class,
	const char *reason, struct err *err)
{
	const char *message = doc_str(body, "message");
	auto_free char *clean = NULL;

	if (!message && text && text[0] && text[0] != '<' && text[0] != '{')
		message = text;
	if (message && message[0]) {
		size_t len = strnlen(message, MESSAGE_MAX);

		while (len > 1 && strchr(" \t\r\n", message[len - 1]))
			len--;
		clean = str_clean_tail(message, len, MESSAGE_MAX);
		err_set(err, class, reason, "%s (HTTP %d)", clean, status);
	} else {
		err_set(err, class, reason, "HTTP %d without an explanation", status);
	}
}

static void conflict(
	enum kube_verb verb, const char *reason, struct kube_answer *ret, const char **word)
{
	if (str_eq(reason, "AlreadyExists") || (!reason && verb == KUBE_CREATE)) {
		ret->outcome = KUBE_EXISTS;
		*word = "AlreadyExists";
	} else if (verb == KUBE_CREATE) {
		/* A create that met a conflict elsewhere, such as a quota's: nothing exists. */
		ret->outcome = KUBE_FAILED;
		ret->retry = true;
		*word = "Conflict";
	} else {
		ret->outcome = KUBE_CONFLICT;
		*word = "Conflict";
	}
}

static void failed(int status, struct kube_answer *ret)
{
	ret->outcome = KUBE_FAILED;
	ret->unauthorized = status == 401;
	ret->too_many = status == 429;
	ret->retry = status == 401 || status == 408 || status == 429 || status >= 500;
}

void kube_answer_read(enum kube_verb verb, int status, const json_t *body, const char *text,
	int64_t retry_after_ms, struct kube_answer *ret, struct err *err)
{
	const char *reason = doc_str(body, "reason");
	const char *word;
	int64_t seconds = doc_int_or(body, "details.retryAfterSeconds", 0);
	enum err_class class = ERR_TRANSIENT;
	char fallback[32];
	int code;

	memset(ret, 0, sizeof(*ret));
	ret->retry_after_ms = retry_after_ms >= 0 ? retry_after_ms
			      : seconds > 0       ? seconds * 1000
						  : -1;
	if (seconds > RETRY_AFTER_MAX_MS / 1000 || ret->retry_after_ms > RETRY_AFTER_MAX_MS)
		ret->retry_after_ms = RETRY_AFTER_MAX_MS;
	if (status >= 200 && status < 300)
		return;
	if (reason && !reason[0])
		reason = NULL;
	code = status_of_reason(reason, status);
	snprintf(fallback, sizeof(fallback), "HTTP%d", status);
	word = reason ? reason : fallback;
	if (code == 404) {
		ret->outcome = KUBE_NOT_FOUND;
	} else if (code == 409) {
		conflict(verb, reason, ret, &word);
	} else if (code == 410) {
		ret->outcome = KUBE_GONE;
	} else if (code == 504 && verb == KUBE_LIST && has_cause(body, "ResourceVersionTooLarge")) {
		ret->outcome = KUBE_GONE;
		word = "ResourceVersionTooLarge";
	} else if (code == 403) {
		ret->outcome = KUBE_FORBIDDEN;
		word = has_cause(body, "NamespaceTerminating") ? "NamespaceTerminating"
							       : "Forbidden";
	} else if (code >= 400 && code < 500 && code != 401 && code != 408 && code != 429) {
		ret->outcome = KUBE_INVALID;
		class = ERR_USER;
	} else {
		failed(code, ret);
		ret->maybe_written = is_write(verb) && code >= 500;
	}
	describe(status, body, text, class, word, err);
	if (err && ret->retry_after_ms > 0)
		err->retry_after_ms = (int)ret->retry_after_ms;
}

int64_t kube_backoff_ms(int64_t min_ms, int64_t max_ms, int failures)
{
	int64_t delay = min_ms;

	for (int i = 0; i < failures && delay < max_ms; i++)
		delay *= 2;
	if (delay > max_ms)
		delay = max_ms;
	return delay + (int64_t)rand_below((uint64_t)delay + 1);
}

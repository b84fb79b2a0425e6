#include "kube/conditions.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "doc/path.h"

json_t *condition_find(const json_t *conditions, const char *type)
{
	return doc_find(conditions, "type", type);
}

void condition_drop(json_t *conditions, const char *type)
{
	size_t i;
	json_t *item;

	json_array_foreach (conditions, i, item) {
		if (str_eq(json_string_value(json_object_get(item, "type")), type)) {
			json_array_remove(conditions, i);
			return;
		}
	}
}

const char *condition_status(const json_t *conditions, const char *type)
{
	return json_string_value(json_object_get(condition_find(conditions, type), "status"));
}

/* The message cut to max bytes at the end, never inside a UTF-8 sequence. */
static json_t *message_json(const char *message, size_t max)
{
	size_t len = strlen(message);
	json_t *json;

	if (len > max) {
		len = max;
		while (len > 0 && ((unsigned char)message[len] & 0xC0) == 0x80)
			len--;
	}
	json = json_stringn(message, len);
	if (!json) {
		auto_free char *clean = str_clean_tail(message, len, max);

		json = json_string(clean);
	}
	return json ? json : json_string("");
}

static const char *transition_time(
	const json_t *old, const char *status, int64_t now_seconds, char out[TIME_RFC3339_SIZE])
{
	const char *old_status = json_string_value(json_object_get(old, "status"));
	const char *old_time = json_string_value(json_object_get(old, "lastTransitionTime"));

	if (old_time && str_eq(old_status, status))
		return old_time;
	return time_format_rfc3339(now_seconds, out);
}

void condition_set(json_t *conditions, const json_t *previous, const char *type, const char *status,
	const char *reason, const char *message, int64_t observed_generation, int64_t now_seconds)
{
	char now[TIME_RFC3339_SIZE];
	json_t *found = condition_find(conditions, type);
	const json_t *old = condition_find(previous, type);
	json_t *fresh = json_object();

	if (!old)
		old = found;
	json_object_set_new(fresh, "type", json_string(type));
	json_object_set_new(fresh, "status", json_string(status));
	json_object_set_new(fresh, "observedGeneration", json_integer(observed_generation));
	json_object_set_new(fresh, "lastTransitionTime",
		json_string(transition_time(old, status, now_seconds, now)));
	json_object_set_new(fresh, "reason", json_string(reason));
	json_object_set_new(
		fresh, "message", message_json(message ? message : "", CONDITION_MESSAGE_MAX));
	if (found) {
		json_object_clear(found);
		json_object_update(found, fresh);
		json_decref(fresh);
	} else {
		json_array_append_new(conditions, fresh);
	}
}

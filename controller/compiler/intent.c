/* The hash of what the user wants run (API.md "Triggers"). */
#include <string.h>

#include "base/mem.h"
#include "compiler/check.h"
#include "compiler/compile.h"
#include "doc/canon.h"

/* Says nothing about what a run does. */
static const char *const ignored[] = {"description", "successfulRunsHistoryLimit",
	"failedRunsHistoryLimit", "deletionPolicy", "suspend", "triggers"};

static json_t *intent_of(const json_t *value);

/* A null member is not set. Below `arguments` and `default` nulls are values. */
static json_t *intent_of_object(const json_t *object)
{
	json_t *out = json_object(), *value, *item, *kept;
	const char *key, *name;

	json_object_foreach ((json_t *)object, key, value) {
		if (json_is_null(value))
			continue;
		if (strcmp(key, "default") == 0) {
			json_object_set_nocheck(out, key, value);
		} else if (strcmp(key, "arguments") == 0 && json_is_object(value)) {
			kept = json_object();
			json_object_foreach (value, name, item) {
				if (!json_is_null(item))
					json_object_set_nocheck(kept, name, item);
			}
			json_object_set_new_nocheck(out, key, kept);
		} else {
			json_object_set_new_nocheck(out, key, intent_of(value));
		}
	}
	return out;
}

static json_t *intent_of(const json_t *value)
{
	json_t *out, *item;
	size_t i;

	if (json_is_object(value))
		return intent_of_object(value);
	if (!json_is_array(value))
		return json_incref((json_t *)value);
	out = json_array();
	json_array_foreach (value, i, item)
		json_array_append_new(out, intent_of(item));
	return out;
}

void compile_intent_hash(const json_t *spec, char out[DIGEST_HEX_SIZE])
{
	json_t *intent = spec ? intent_of(spec) : json_null(), *parameter;
	auto_free char *text = NULL;
	size_t i;

	for (i = 0; i < array_size(ignored); i++)
		json_object_del(intent, ignored[i]);
	json_array_foreach (json_object_get(intent, "parameters"), i, parameter)
		json_object_del(parameter, "description");
	text = canon_str(intent, CANON_COMPACT);
	json_decref(intent);
	digest_sha256_hex(text, strlen(text), out);
}

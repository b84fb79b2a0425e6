#include "doc/patch.h"

/*
 * A merge patch cannot say "set to null": a null in `to` removes the key, which an
 * API server that drops nulls takes for the same.
 */
json_t *doc_merge_diff(const json_t *from, const json_t *to)
{
	json_t *patch = json_object();
	const char *key;
	json_t *value;
	size_t key_len;

	json_object_keylen_foreach((json_t *)from, key, key_len, value)
	{
		if (!json_object_getn(to, key, key_len))
			json_object_setn_new(patch, key, key_len, json_null());
	}
	json_object_keylen_foreach((json_t *)to, key, key_len, value)
	{
		const json_t *old = json_object_getn(from, key, key_len);

		if (old && json_equal(old, value))
			continue;
		if (json_is_object(old) && json_is_object(value))
			json_object_setn_new(patch, key, key_len, doc_merge_diff(old, value));
		else
			json_object_setn_new(patch, key, key_len, json_deep_copy(value));
	}
	return patch;
}

json_t *doc_merge_apply(const json_t *target, const json_t *patch)
{
	json_t *result;
	const char *key;
	json_t *value;
	size_t key_len;

	if (!json_is_object(patch))
		return json_deep_copy(patch);
	result = json_is_object(target) ? json_deep_copy(target) : json_object();
	json_object_keylen_foreach((json_t *)patch, key, key_len, value)
	{
		if (json_is_null(value))
			json_object_deln(result, key, key_len);
		else
			json_object_setn_new(result, key, key_len,
				doc_merge_apply(json_object_getn(result, key, key_len), value));
	}
	return result;
}

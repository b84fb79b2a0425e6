#include "doc/path.h"

#include <string.h>

#include "base/str.h"

/* Index of a segment of digits; -1 for anything else. */
static int64_t segment_index(const char *s, size_t len)
{
	int64_t index = 0;

	if (len < 1 || len > 9)
		return -1;
	for (size_t i = 0; i < len; i++) {
		if (s[i] < '0' || s[i] > '9')
			return -1;
		index = index * 10 + (s[i] - '0');
	}
	return index;
}

static json_t *get_child(const json_t *node, const char *segment, size_t len)
{
	int64_t index;

	if (json_is_object(node))
		return json_object_getn(node, segment, len);
	if (!json_is_array(node))
		return NULL;
	index = segment_index(segment, len);
	return index < 0 ? NULL : json_array_get(node, (size_t)index);
}

json_t *doc_get(const json_t *root, const char *path)
{
	const json_t *node = root;

	while (node && *path) {
		size_t len = strcspn(path, ".");

		node = get_child(node, path, len);
		path += len;
		if (*path == '.')
			path++;
	}
	return (json_t *)node;
}

const char *doc_str(const json_t *root, const char *path)
{
	return json_string_value(doc_get(root, path));
}

const char *doc_str_or(const json_t *root, const char *path, const char *fallback)
{
	const char *s = doc_str(root, path);

	return s ? s : fallback;
}

int64_t doc_int_or(const json_t *root, const char *path, int64_t fallback)
{
	const json_t *node = doc_get(root, path);

	return json_is_integer(node) ? json_integer_value(node) : fallback;
}

bool doc_bool_or(const json_t *root, const char *path, bool fallback)
{
	const json_t *node = doc_get(root, path);

	return json_is_boolean(node) ? json_is_true(node) : fallback;
}

static void set_child(json_t *node, const char *segment, size_t len, json_t *value)
{
	int64_t index;

	if (json_is_object(node)) {
		json_object_setn_new(node, segment, len, value);
		return;
	}
	index = segment_index(segment, len);
	if (index < 0 || !json_is_array(node) || (size_t)index > json_array_size(node))
		json_decref(value);
	else if ((size_t)index == json_array_size(node))
		json_array_append_new(node, value);
	else
		json_array_set_new(node, (size_t)index, value);
}

json_t *doc_find(const json_t *array, const char *path, const char *text)
{
	json_t *item;
	size_t i;

	json_array_foreach (array, i, item) {
		if (str_eq(doc_str(item, path), text))
			return item;
	}
	return NULL;
}

void doc_set_new(json_t *root, const char *path, json_t *value)
{
	json_t *node = root;

	for (;;) {
		size_t len = strcspn(path, ".");
		json_t *child;

		if (!path[len]) {
			set_child(node, path, len, value);
			return;
		}
		child = get_child(node, path, len);
		if (!json_is_object(child) && !json_is_array(child)) {
			set_child(node, path, len, json_object());
			child = get_child(node, path, len);
		}
		if (!child) {
			json_decref(value);
			return;
		}
		node = child;
		path += len + 1;
	}
}

void doc_sorted_keys(const json_t *object, struct strvec *ret_keys)
{
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)object, key, value)
		strvec_add(ret_keys, key);
	strvec_sort(ret_keys);
}

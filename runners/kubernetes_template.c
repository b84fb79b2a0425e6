#include "runners/kubernetes_template.h"

#include <stdbool.h>
#include <stddef.h>
#include "base/mem.h"
#include "base/str.h"

/* What names an item of a list; a second key where one does not suffice. */
struct list_rule {
	const char *list;
	const char *keys[2];
	bool deep; /* merge the item instead of replacing it */
};

static const struct list_rule list_rules[] = {
	{.list = "containers", .keys = {"name"}, .deep = true},
	{.list = "initContainers", .keys = {"name"}, .deep = true},
	{.list = "volumes", .keys = {"name"}},
	{.list = "volumeMounts", .keys = {"mountPath"}},
	{.list = "volumeDevices", .keys = {"devicePath"}},
	{.list = "env", .keys = {"name"}},
	{.list = "imagePullSecrets", .keys = {"name"}},
	{.list = "tolerations", .keys = {"key", "effect"}},
	{.list = "hostAliases", .keys = {"ip"}},
	{.list = "topologySpreadConstraints", .keys = {"topologyKey", "whenUnsatisfiable"}},
	{.list = "resourceClaims", .keys = {"name"}},
};

static const struct list_rule *find_rule(const char *list)
{
	for (size_t i = 0; i < array_size(list_rules); i++) {
		if (str_eq(list_rules[i].list, list))
			return &list_rules[i];
	}
	return NULL;
}

static bool same_item(const struct list_rule *rule, const json_t *a, const json_t *b)
{
	for (size_t i = 0; i < 2 && rule->keys[i]; i++) {
		const json_t *x = json_object_get(a, rule->keys[i]);
		const json_t *y = json_object_get(b, rule->keys[i]);

		if (x != y && !json_equal(x, y))
			return false;
	}
	return true;
}

/* Only among the first len items: those that were there before. -1 when there is none. */
static int find_item(
	const struct list_rule *rule, const json_t *list, size_t len, const json_t *item)
{
	for (size_t i = 0; i < len; i++) {
		if (same_item(rule, json_array_get(list, i), item))
			return (int)i;
	}
	return -1;
}

static void merge_list(const struct list_rule *rule, json_t *list, const json_t *over)
{
	size_t len = json_array_size(list), i;
	json_t *item;

	json_array_foreach (over, i, item) {
		int at = find_item(rule, list, len, item);

		if (at < 0)
			json_array_append_new(list, json_deep_copy(item));
		else if (rule->deep)
			kubernetes_template_merge(json_array_get(list, (size_t)at), item);
		else
			json_array_set_new(list, (size_t)at, json_deep_copy(item));
	}
}

/* NULL and JSON null both mean not set. */
static bool is_set(const json_t *value)
{
	return value && !json_is_null(value);
}

static json_t *copy_without_nulls(const json_t *value)
{
	json_t *copy, *member;
	const char *key;

	if (!json_is_object(value))
		return json_deep_copy(value);
	copy = json_object();
	json_object_foreach ((json_t *)value, key, member) {
		if (is_set(member))
			json_object_set_new(copy, key, copy_without_nulls(member));
	}
	return copy;
}

void kubernetes_template_merge_list(json_t *spec, const char *key, const json_t *over)
{
	const struct list_rule *rule = find_rule(key);
	json_t *list = json_object_get(spec, key);

	if (!json_is_array(over))
		return;
	if (!json_is_array(list) || !rule)
		json_object_set_new(spec, key, json_deep_copy(over));
	else
		merge_list(rule, list, over);
}

/* Depth is that of the document: at most DOC_MAX_DEPTH. */
void kubernetes_template_merge(json_t *spec, const json_t *over)
{
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)over, key, value) {
		json_t *old = json_object_get(spec, key);

		if (!is_set(value))
			continue;
		if (json_is_array(value))
			kubernetes_template_merge_list(spec, key, value);
		else if (json_is_object(value) && json_is_object(old))
			kubernetes_template_merge(old, value);
		else
			json_object_set_new(spec, key, copy_without_nulls(value));
	}
}

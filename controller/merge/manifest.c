#include "merge/manifest.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "doc/json.h"

static int invalid(struct err *err, const char *what)
{
	return err_set(err, ERR_USER, "InvalidManifest", "not a manifest: %s", what);
}

static bool is_text_or_null(const json_t *value)
{
	return json_is_string(value) || json_is_null(value);
}

static int check_metadata(const json_t *metadata, struct err *err)
{
	const char *key;
	json_t *value;

	if (!json_is_object(metadata))
		return invalid(err, "`metadata` is missing or not a map");
	if (!json_object_get(metadata, "dataset_name") || !json_object_get(metadata, "run_id"))
		return invalid(err, "`metadata` lacks dataset_name or run_id");
	json_object_foreach ((json_t *)metadata, key, value) {
		if (!is_text_or_null(value))
			return err_set(err, ERR_USER, "InvalidManifest",
				"not a manifest: `metadata.%.80s` is not a string", key);
	}
	return 0;
}

static int check_index(const json_t *index, struct err *err)
{
	const json_t *location = json_object_get(index, "location");

	if (index && !json_is_object(index))
		return invalid(err, "`index` is not a map");
	if (location && !is_text_or_null(location))
		return invalid(err, "`index.location` is not a string");
	return 0;
}

static int check_field(const char *name, const json_t *field, struct err *err)
{
	const json_t *location = json_object_get(field, "location");
	const char *wrong = NULL;

	if (!json_is_object(field))
		wrong = "is not a map";
	else if (!location || !is_text_or_null(location))
		wrong = "has no location";
	else if (json_is_string(location) && !strchr(json_string_value(location), '/'))
		wrong = "has a location without a `/`";
	else if (!json_object_get(field, "type"))
		wrong = "has no type";
	if (wrong)
		return err_set(err, ERR_USER, "InvalidManifest", "not a manifest: field `%.80s` %s",
			name, wrong);
	return 0;
}

static int check_manifest(const json_t *manifest, struct err *err)
{
	const json_t *fields = json_object_get(manifest, "fields");
	const char *name;
	json_t *field;

	if (!json_is_object(manifest))
		return invalid(err, "it is not a map");
	if (check_metadata(json_object_get(manifest, "metadata"), err) < 0 ||
		check_index(json_object_get(manifest, "index"), err) < 0)
		return -1;
	if (!json_is_object(fields))
		return invalid(err, "`fields` is missing or not a map");
	json_object_foreach ((json_t *)fields, name, field) {
		if (check_field(name, field, err) < 0)
			return -1;
	}
	return 0;
}

int manifest_parse(const char *text, size_t len, json_t **ret_manifest, struct err *err)
{
	auto_json *manifest = NULL;
	auto_err why = ERR_INIT;

	if (len > MANIFEST_MAX)
		return err_set(err, ERR_USER, "InvalidManifest",
			"it has more than %zu MiB: no manifest is that large", MANIFEST_MAX >> 20);
	if (doc_json_parse(text, len, &manifest, &why) < 0)
		return invalid(err, err_message(&why));
	if (check_manifest(manifest, err) < 0)
		return -1;
	*ret_manifest = take_ptr(manifest);
	return 0;
}

static const char *location_of(const json_t *field)
{
	const char *location = json_string_value(json_object_get(field, "location"));

	return location ? location : "nowhere";
}

/* The description without its place: type, items, properties, format. */
static json_t *type_of(const json_t *field)
{
	json_t *type = json_copy((json_t *)field);

	json_object_del(type, "location");
	return type;
}

static int compare_fields(const char *name, const json_t *a, const json_t *b, const char *a_name,
	const char *b_name, struct err *err)
{
	auto_json *x = type_of(a), *y = type_of(b);

	if (!json_equal(json_object_get(a, "location"), json_object_get(b, "location")))
		return err_set(err, ERR_USER, "FieldConflict",
			"field `%.80s` lies in %.300s by %.300s and in %.300s by %.300s: a field "
			"can be taken from one place only",
			name, location_of(a), a_name, location_of(b), b_name);
	if (!json_equal(x, y))
		return err_set(err, ERR_USER, "FieldConflict",
			"field `%.80s` has one type by %.300s and another by %.300s", name, a_name,
			b_name);
	return 0;
}

/* Which manifest first had the field. */
static const char *first_with(
	const json_t *const *manifests, const char *const *names, const char *field)
{
	while (!json_object_get(json_object_get(*manifests, "fields"), field)) {
		manifests++;
		names++;
	}
	return *names;
}

int manifest_merge(const json_t *const *manifests, const char *const *names, size_t len,
	const char *output, json_t **ret_merged, struct err *err)
{
	auto_json *merged = json_copy((json_t *)manifests[0]);
	json_t *metadata = json_copy(json_object_get(merged, "metadata"));
	json_t *fields = json_copy(json_object_get(merged, "fields")), *field;
	const char *name;

	json_object_set_new(metadata, "manifest_location", json_string(output));
	json_object_set_new(merged, "metadata", metadata);
	json_object_set_new(merged, "fields", fields);
	for (size_t i = 1; i < len; i++) {
		json_object_foreach (json_object_get(manifests[i], "fields"), name, field) {
			const json_t *there = json_object_get(fields, name);

			if (!there)
				json_object_set(fields, name, field);
			else if (compare_fields(name, there, field,
					 first_with(manifests, names, name), names[i], err) < 0)
				return -1;
		}
	}
	*ret_merged = take_ptr(merged);
	return 0;
}

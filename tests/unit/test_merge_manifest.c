/* One manifest of several, and what is no manifest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/mem.h"
#include "doc/json.h"
#include "merge/manifest.h"

#define FIELD(name, place) "\"" name "\": {\"location\": \"" place "\", \"type\": \"string\"}"
#define MANIFEST(component, place, fields)                                               \
	"{\"metadata\": {\"dataset_name\": \"d\", \"run_id\": \"r\", \"component_id\": " \
	"\"" component "\", \"cache_key\": \"k\", \"manifest_location\": \"" place       \
	"/manifest.json\"}, "                                                            \
	"\"index\": {\"location\": \"" place "\"}, \"fields\": {" fields "}}"

static const char left[] = MANIFEST(
	"left", "/w/d/r/left", FIELD("text", "/w/d/r/load") ", " FIELD("a", "/w/d/r/left"));
static const char right[] = MANIFEST(
	"right", "/w/d/r/right", FIELD("b", "/w/d/r/right") ", " FIELD("text", "/w/d/r/load"));

static json_t *parse(const char *text)
{
	auto_err err = ERR_INIT;
	json_t *manifest = NULL;

	if (manifest_parse(text, strlen(text), &manifest, &err) < 0)
		fail_msg("%s: %s", text, err_message(&err));
	return manifest;
}

static int merge_texts(const char *const *texts, size_t len, json_t **ret_merged, struct err *err)
{
	static const char *const names[] = {"one", "two", "three"};
	json_t *manifests[3] = {NULL};
	int r;

	for (size_t i = 0; i < len; i++)
		manifests[i] = parse(texts[i]);
	r = manifest_merge(
		(const json_t *const *)manifests, names, len, "s3://b/out.json", ret_merged, err);
	for (size_t i = 0; i < len; i++)
		json_decref(manifests[i]);
	return r;
}

static void test_merge(void **state)
{
	auto_json *want = json_loads(
		"{\"metadata\": {\"dataset_name\": \"d\", \"run_id\": \"r\", \"component_id\": "
		"\"left\", \"cache_key\": \"k\", \"manifest_location\": \"s3://b/out.json\"}, "
		"\"index\": {\"location\": \"/w/d/r/left\"}, \"fields\": {" FIELD(
			"text", "/w/d/r/load") ", " FIELD("a", "/w/d/r/left") ", " FIELD("b",
			"/w/d/r/right") "}}",
		0, NULL);
	auto_json *merged = NULL, *alone = NULL;
	auto_err err = ERR_INIT;

	(void)state;
	assert_non_null(want);
	assert_int_equal(
		merge_texts((const char *const[]){left, right, left}, 3, &merged, &err), 0);
	assert_true(json_equal(merged, want));
	assert_int_equal(merge_texts((const char *const[]){left}, 1, &alone, &err), 0);
	assert_int_equal(json_object_size(json_object_get(alone, "fields")), 2);
}

static void test_conflicts(void **state)
{
	static const char moved[] = MANIFEST("m", "/w/d/r/m", FIELD("a", "/w/d/r/m"));
	static const char retyped[] = MANIFEST(
		"m", "/w/d/r/m", "\"a\": {\"location\": \"/w/d/r/left\", \"type\": \"int32\"}");
	auto_json *merged = NULL;
	auto_err err = ERR_INIT;

	(void)state;
	assert_true(merge_texts((const char *const[]){right, left, moved}, 3, &merged, &err) < 0);
	assert_string_equal(err.reason, "FieldConflict");
	assert_string_equal(err_message(&err),
		"field `a` lies in /w/d/r/left by two and in /w/d/r/m by three: a field can be "
		"taken from one place only");
	assert_true(merge_texts((const char *const[]){left, retyped}, 2, &merged, &err) < 0);
	assert_string_equal(err_message(&err), "field `a` has one type by one and another by two");
	assert_null(merged);
}

/* What the framework writes where it knows nothing: nulls, an empty index, extra keys. */
static void test_what_is_taken(void **state)
{
	static const char *const good[] = {
		"{\"metadata\": {\"dataset_name\": null, \"run_id\": null}, \"fields\": {}}",
		"{\"metadata\": {\"dataset_name\": \"d\", \"run_id\": \"r\", \"more\": \"x\"}, "
		"\"index\": {}, \"fields\": {\"a\": {\"location\": null, \"type\": null}}, "
		"\"extra\": [1]}",
	};

	(void)state;
	for (size_t i = 0; i < array_size(good); i++)
		json_decref(parse(good[i]));
}

#define HEAD "{\"metadata\": {\"dataset_name\": \"d\", \"run_id\": \"r\"}, "

static void test_refused(void **state)
{
	static const char *const bad[][2] = {
		{"", "not a manifest: "},
		{"[]", "not a manifest: it is not a map"},
		{"{}", "not a manifest: `metadata` is missing or not a map"},
		{"{\"metadata\": {\"run_id\": \"r\"}}",
			"not a manifest: `metadata` lacks dataset_name or run_id"},
		{"{\"metadata\": {\"dataset_name\": 1, \"run_id\": \"r\"}}",
			"not a manifest: `metadata.dataset_name` is not a string"},
		{HEAD "\"index\": []}", "not a manifest: `index` is not a map"},
		{HEAD "\"index\": {\"location\": 5}}",
			"not a manifest: `index.location` is not a string"},
		{HEAD "\"fields\": []}", "not a manifest: `fields` is missing or not a map"},
		{HEAD "\"fields\": {\"a\": 1}}", "not a manifest: field `a` is not a map"},
		{HEAD "\"fields\": {\"a\": {\"type\": \"x\"}}}",
			"not a manifest: field `a` has no location"},
		{HEAD "\"fields\": {\"a\": {\"location\": \"x\", \"type\": \"x\"}}}",
			"not a manifest: field `a` has a location without a `/`"},
		{HEAD "\"fields\": {\"a\": {\"location\": \"/x\"}}}",
			"not a manifest: field `a` has no type"},
		{HEAD "\"fields\": {}, \"fields\": {}}", "not a manifest: "},
		{HEAD "\"fields\": {}} trailing", "not a manifest: "},
		{"<html>no such bucket</html>", "not a manifest: "},
	};

	(void)state;
	for (size_t i = 0; i < array_size(bad); i++) {
		auto_err err = ERR_INIT;
		json_t *manifest = NULL;

		assert_true(manifest_parse(bad[i][0], strlen(bad[i][0]), &manifest, &err) < 0);
		assert_null(manifest);
		assert_int_equal(err.class, ERR_USER);
		assert_string_equal(err.reason, "InvalidManifest");
		if (strncmp(err_message(&err), bad[i][1], strlen(bad[i][1])) != 0)
			fail_msg("%s: %s", bad[i][0], err_message(&err));
	}
}

static void test_hostile(void **state)
{
	size_t len = MANIFEST_MAX + 1;
	auto_free char *huge = xcalloc(len + 1, 1), *deep = xcalloc(200001, 1);
	auto_err err = ERR_INIT;
	json_t *manifest = NULL;

	(void)state;
	memset(huge, ' ', len);
	assert_true(manifest_parse(huge, len, &manifest, &err) < 0);
	assert_non_null(strstr(err_message(&err), "16 MiB"));
	memset(deep, '[', 200000);
	assert_true(manifest_parse(deep, 200000, &manifest, &err) < 0);
	assert_true(manifest_parse("\xff\xfe{}", 4, &manifest, &err) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_merge),
		cmocka_unit_test(test_conflicts),
		cmocka_unit_test(test_what_is_taken),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_hostile),
	};

	return cmocka_run_group_tests_name("merge/manifest", tests, NULL, NULL);
}

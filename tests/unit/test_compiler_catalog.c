/* The catalogue: what ships, and steps that name it. That it is the framework's own is the subject
 * of tests/integration/test_catalog.py. */
#include "base/image_ref.h"
#include "test_compiler_fixture.h"

#include "base/str.h"
#include "compiler/catalog.h"
#include "compiler/component.h"
#include "doc/canon.h"
#include "doc/path.h"

static void test_every_file(void **state)
{
	const struct catalog_entry *entries;
	size_t len;

	(void)state;
	entries = catalog_entries(&len);
	assert_int_equal(len, 27);
	for (size_t i = 0; i < len; i++) {
		auto_json *found = catalog_find(entries[i].name, entries[i].version);
		auto_json *pasted = yaml(entries[i].text);
		auto_free char *image =
			xasprintf("fndnt/%s:%s", entries[i].name, entries[i].version);
		auto_diags diags = DIAG_LIST_INIT;

		component_check(found, "c", &diags);
		print_diags(&diags);
		assert_int_equal(diags.len, 0);
		assert_string_equal(doc_str(found, "image"), image);
		assert_null(image_ref_problem(image));
		/* Pasted into a FondantComponent it is the same. */
		if (!json_equal(found, pasted))
			fail_msg("%s: kubectl would read it differently", entries[i].name);
		if (i)
			assert_true(strcmp(entries[i - 1].name, entries[i].name) < 0 ||
				    strcmp(entries[i - 1].version, entries[i].version) < 0);
	}
}

static void test_find(void **state)
{
	auto_json *found = catalog_find("load_from_parquet", "0.12.1");

	(void)state;
	assert_non_null(found);
	assert_string_equal(doc_str(found, "args.dataset_uri.type"), "str");
	assert_string_equal(doc_str(found, "args.n_rows_to_load.default"), "None");
	assert_null(catalog_find("load_from_parquet", "0.12"));
	assert_null(catalog_find("load_from_parquet", NULL));
	assert_null(catalog_find("", "0.12.1"));
	assert_null(catalog_find(NULL, "0.12.1"));
	assert_non_null(catalog_entry("load_from_parquet", NULL));
	assert_null(catalog_entry("load_from_parque", NULL));
}

#define CATALOG_STEP                                                           \
	"steps:\n- name: load\n"                                               \
	"  component: {catalog: {name: load_from_parquet, version: 0.12.1}}\n" \
	"  arguments: {dataset_uri: 's3://b/x'}\n"                             \
	"  produces: {text: {type: string}}\n"

static void test_steps(void **state)
{
	struct compile_output out;

	(void)state;
	compile_ok(SPEC_HEAD CATALOG_STEP
		"- name: again\n"
		"  component: {catalog: {name: filter_text_length, version: 0.12.1}}\n"
		"  arguments: {min_characters_length: 1, min_words_length: 1}\n"
		"- name: more\n"
		"  component: {catalog: {name: filter_text_length, version: 0.12.1}}\n"
		"  arguments: {min_characters_length: 2, min_words_length: 1}\n",
		&out);
	assert_string_equal(doc_str(out.frozen, "steps.0.image"), "fndnt/load_from_parquet:0.12.1");
	assert_string_equal(doc_str(out.frozen, "steps.2.component.name"), "Filter text length");
	assert_int_equal(out.unresolved_images, 2);
	compile_output_clear(&out);
}

static void test_bad_steps(void **state)
{
	static const struct {
		const char *choice, *path, *reason, *says;
	} rows[] = {
		{"{name: load_from_parket, version: 0.12.1}", "name", "UnknownComponent",
			"did you mean `load_from_parquet`?"},
		{"{name: nothing_like_it, version: 0.12.1}", "name", "UnknownComponent",
			"there is no `nothing_like_it` in the catalogue (`kubectl fondant"},
		{"{name: load_from_parquet, version: '0.13'}", "version", "UnknownVersion",
			"no version 0.13 of `load_from_parquet`, but 0.12.1"},
		{"{name: load_from_parquet, version: 0.12}", "version", "InvalidType", "a string"},
		{"{name: load_from_parquet}", "version", "Required", "required"},
		{"{version: 0.12.1}", "name", "Required", "required"},
		{"{name: chunk_text, version: 0.12.1, tag: x}", "tag", "UnknownField", "no such"},
	};

	(void)state;
	for (size_t i = 0; i < array_size(rows); i++) {
		auto_free char *text =
			xasprintf(SPEC_HEAD "steps:\n- {name: a, component: {catalog: %s}}\n",
				rows[i].choice);
		auto_free char *path =
			xasprintf("spec.steps[0].component.catalog.%s", rows[i].path);
		const struct diag *found;
		struct compile_output out;

		assert_int_equal(compile_text(text, &out), 1);
		found = find_diag(&out.diags, path, rows[i].reason);
		if (!found || !strstr(found->message, rows[i].says)) {
			print_diags(&out.diags);
			fail_msg("no %s at %s that says: %s", rows[i].reason, path, rows[i].says);
		}
		assert_int_equal(out.diags.len, 1);
		compile_output_clear(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_file),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_steps),
		cmocka_unit_test(test_bad_steps),
	};

	return cmocka_run_group_tests_name("compiler/catalog", tests, NULL, NULL);
}

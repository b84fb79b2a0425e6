/*
 * The frozen spec is bytes: a golden file, the same under any order of keys and any locale. Run
 * with UPDATE_GOLDEN=1 to write the golden files anew (and raise COMPILER_FORMAT).
 */
#include "test_compiler_fixture.h"

#include <locale.h>
#include <stdlib.h>

#include "compiler/spec.h"

static void write_data(const char *name, const char *text, size_t len)
{
	auto_free char *path = xasprintf("tests/data/compiler/%s", name);
	FILE *f = fopen(path, "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static json_t *golden_spec(void)
{
	size_t len;
	auto_free char *text = read_data("golden.yaml", &len);

	return yaml(text);
}

static void test_golden(void **state)
{
	auto_json *spec = golden_spec();
	auto_free char *text = NULL, *hash = NULL, *line = NULL, *key = NULL, *want_key = NULL;
	struct frozen_spec *parsed = NULL;
	struct compile_output out;
	size_t len, hash_len;

	(void)state;
	if (compile_trees(spec, NULL, &out) != 0) {
		print_diags(&out.diags);
		fail();
	}
	line = xasprintf("%s\n", out.hash);
	if (getenv("UPDATE_GOLDEN")) {
		write_data("golden.frozen.json", out.text, out.text_len);
		write_data("golden.hash", line, strlen(line));
	}
	text = read_data("golden.frozen.json", &len);
	hash = read_data("golden.hash", &hash_len);
	assert_string_equal(out.text, text);
	assert_int_equal(out.text_len, len);
	assert_string_equal(line, hash);
	assert_int_equal(out.unresolved_images, 3);
	assert_int_equal(out.steps, 4);
	assert_int_equal(frozen_spec_parse(text, len, &parsed, NULL), 0);
	assert_int_equal(parsed->steps_len, 4);
	assert_string_equal(parsed->working_directory, "/data/fondant");
	assert_string_equal(frozen_spec_missing_parameter(parsed), "note");
	assert_null(parsed->steps[3].cache_key);
	frozen_spec_bind(parsed, "clean-text-1-abcdef", 1795392000);
	/* As much part of the format as the text: a cache may hold what it names. */
	key = xasprintf("%s\n", parsed->steps[3].cache_key);
	if (getenv("UPDATE_GOLDEN"))
		write_data("golden.key", key, strlen(key));
	want_key = read_data("golden.key", &len);
	assert_string_equal(key, want_key);
	frozen_spec_free(parsed);
	compile_output_clear(&out);
}

/* xorshift: the shuffles are the same on every machine. */
static uint32_t next_random(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

static json_t *shuffled(const json_t *value, uint32_t *seed)
{
	const char *keys[64], *key;
	json_t *out, *item;
	size_t n = 0, i;

	if (json_is_array(value)) {
		out = json_array();
		json_array_foreach (value, i, item)
			json_array_append_new(out, shuffled(item, seed));
		return out;
	}
	if (!json_is_object(value))
		return json_deep_copy(value);
	json_object_foreach ((json_t *)value, key, item) {
		assert_true(n < array_size(keys));
		keys[n++] = key;
	}
	for (i = n; i > 1; i--) {
		size_t j = next_random(seed) % i;
		const char *swap = keys[i - 1];

		keys[i - 1] = keys[j];
		keys[j] = swap;
	}
	out = json_object();
	for (i = 0; i < n; i++)
		json_object_set_new(out, keys[i], shuffled(json_object_get(value, keys[i]), seed));
	return out;
}

static void test_shuffled_keys(void **state)
{
	auto_json *spec = golden_spec();
	struct compile_output want;
	uint32_t seed = 12345;
	char intent[DIGEST_HEX_SIZE], other[DIGEST_HEX_SIZE];

	(void)state;
	assert_int_equal(compile_trees(spec, NULL, &want), 0);
	compile_intent_hash(spec, intent);
	for (int i = 0; i < 100; i++) {
		auto_json *mixed = shuffled(spec, &seed);
		struct compile_output out;

		assert_int_equal(compile_trees(mixed, NULL, &out), 0);
		assert_string_equal(out.hash, want.hash);
		assert_string_equal(out.text, want.text);
		compile_intent_hash(mixed, other);
		assert_string_equal(intent, other);
		compile_output_clear(&out);
	}
	compile_output_clear(&want);
}

/* Whatever the machine has; those with a decimal comma are the ones that hurt. */
static void test_locales(void **state)
{
	static const char *const locales[] = {"C", "C.utf8", "POSIX", "de_DE.utf8", "de_DE.UTF-8",
		"fr_FR.utf8", "nl_BE.utf8", "tr_TR.utf8", "en_US.utf8"};
	auto_json *spec = golden_spec();
	size_t len;
	auto_free char *hash = read_data("golden.hash", &len);
	int tried = 0;

	(void)state;
	hash[strcspn(hash, "\n")] = '\0';
	for (size_t i = 0; i < array_size(locales); i++) {
		struct compile_output out;

		if (!setlocale(LC_ALL, locales[i]))
			continue;
		tried++;
		assert_int_equal(compile_trees(spec, NULL, &out), 0);
		assert_string_equal(out.hash, hash);
		compile_output_clear(&out);
	}
	setlocale(LC_ALL, "C");
	assert_true(tried > 0);
	print_message("%d locales\n", tried);
}

/* A component named by a reference freezes to the same step as one written inline. */
static void test_reference_or_inline(void **state)
{
	auto_json *spec = golden_spec();
	json_t *step = json_array_get(json_object_get(spec, "steps"), 2);
	auto_json *components = json_pack("{s:O}", "count-words",
		json_object_get(json_object_get(step, "component"), "spec"));
	struct compile_output inline_one, by_name;

	(void)state;
	assert_int_equal(compile_trees(spec, NULL, &inline_one), 0);
	json_object_set_new(
		step, "component", json_pack("{s:{s:s}}", "ref", "name", "count-words"));
	assert_int_equal(compile_trees(spec, components, &by_name), 0);
	assert_string_equal(inline_one.text, by_name.text);
	compile_output_clear(&inline_one);
	compile_output_clear(&by_name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),
		cmocka_unit_test(test_shuffled_keys),
		cmocka_unit_test(test_locales),
		cmocka_unit_test(test_reference_or_inline),
	};

	return cmocka_run_group_tests_name("compiler/spec", tests, NULL, NULL);
}

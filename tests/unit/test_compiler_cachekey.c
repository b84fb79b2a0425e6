/* What changes a cache key, and what must not. */
#include "test_compiler_fixture.h"

static const char base[] =
	"workingDirectory: s3://lake/fondant\n"
	"steps:\n"
	"- name: load\n"
	"  component: {spec: {name: Load, description: d, image: 'r/load:1', tags: [t], args: "
	"{rows: "
	"{type: int, description: how many, default: 5}}, produces: {text: {type: string}, num: "
	"{type: int64}}}}\n"
	"  arguments: {rows: 7}\n"
	"- name: left\n"
	"  from: [load]\n"
	"  component: {spec: {name: Left, description: d, image: 'r/left:1', consumes: {text: "
	"{type: "
	"string}}, produces: {words: {type: int32}}}}\n"
	"- name: below\n"
	"  from: [left]\n"
	"  component: {spec: {name: Below, description: d, image: 'r/below:1', consumes: {words: "
	"{type: int32}}}}\n"
	"- name: right\n"
	"  from: [load]\n"
	"  component: {spec: {name: Right, description: d, image: 'r/right:1', consumes: {num: "
	"{type: "
	"int64}}}}\n";

/* Text with `from` replaced by `to`, once; it must be there. Owned. */
static char *edit(const char *text, const char *from, const char *to)
{
	const char *at = strstr(text, from);
	struct buf b = BUF_INIT;

	if (!at)
		fail_msg("`%s` is not in the text", from);
	buf_add(&b, text, (size_t)(at - text));
	buf_adds(&b, to);
	buf_adds(&b, at + strlen(from));
	return buf_take(&b);
}

static json_t *keys_of(const char *text)
{
	json_t *keys = json_object(), *step;
	struct compile_output out;
	size_t i;

	compile_ok(text, &out);
	json_array_foreach (json_object_get(out.frozen, "steps"), i, step)
		json_object_set(keys, json_string_value(json_object_get(step, "name")),
			json_object_get(step, "cacheKey"));
	compile_output_clear(&out);
	return keys;
}

/* The names of the steps whose key changes, in the order load left below right. */
static void test_what_changes(void **state)
{
	static const struct {
		const char *from, *to, *changed;
	} rows[] = {
		{"rows: 7", "rows: 8", "load left below right "},
		{"  arguments: {rows: 7}\n", "", "load left below right "},
		{"default: 5", "default: 6", "load left below right "},
		{"r/left:1", "r/left:2", "left below "},
		{"r/below:1", "r/below:2", "below "},
		{"r/right:1",
			"r/right@sha256:"
			"0000000000000000000000000000000000000000000000000000000000000000",
			"right "},
		{"produces: {words: {type: int32}}",
			"produces: {words: {type: int32}, more: {type: bool}}", "left below "},
		{"- name: left\n", "- name: left\n  inputPartitionRows: 5\n", "left below "},
		{"- name: left\n", "- name: left\n  env: [{name: A, value: x}]\n", "left below "},
		{"- name: left\n", "- name: left\n  produces: {words: {field: words}}\n",
			"left below "},
		/* cosmetic, or about how and not what */
		{"description: d", "description: other words", ""},
		{"description: how many", "description: how few", ""},
		{"name: Left", "name: Links", ""},
		{"tags: [t]", "tags: [t, u]", ""},
		{"- name: left\n", "- name: left\n  timeout: 1h\n  retry: {limit: 2}\n", ""},
		{"- name: left\n", "- name: left\n  resources: {requests: {cpu: 1}}\n", ""},
		{"- name: left\n", "- name: left\n  podTemplate: {metadata: {labels: {a: b}}}\n",
			""},
		{"- name: left\n", "- name: left\n  cache: {policy: Refresh}\n", ""},
		{"- name: left\n", "- name: left\n  dependsOn: [right]\n", ""},
		{"text: {type: string}", "text: {type: utf8}", ""},
		{"s3://lake/fondant", "s3://other/place", ""},
		{"steps:\n", "timeout: 5h\nsuspend: true\nfailurePolicy: FinishBranches\nsteps:\n",
			""},
		{"rows: 7", "rows: 7, gone: null", ""},
	};
	static const char *const names[] = {"load", "left", "below", "right"};
	auto_json *before = keys_of(base);

	(void)state;
	for (size_t i = 0; i < array_size(rows); i++) {
		auto_free char *text = edit(base, rows[i].from, rows[i].to);
		auto_json *after = keys_of(text);
		auto_buf changed = BUF_INIT;

		for (size_t j = 0; j < array_size(names); j++) {
			if (!json_equal(json_object_get(before, names[j]),
				    json_object_get(after, names[j])))
				buf_addf(&changed, "%s ", names[j]);
		}
		if (strcmp(buf_str(&changed), rows[i].changed) != 0)
			fail_msg("`%s` -> `%s` changed `%s`, not `%s`", rows[i].from, rows[i].to,
				buf_str(&changed), rows[i].changed);
	}
}

/* Renaming every step and turning the list round keeps the keys. */
static void test_names_and_order(void **state)
{
	auto_free char *a = edit(base, "- name: left\n", "- name: aaa\n");
	auto_free char *b = edit(a, "from: [left]", "from: [aaa]");
	auto_json *before = keys_of(base), *after = keys_of(b);

	(void)state;
	assert_true(json_equal(json_object_get(before, "left"), json_object_get(after, "aaa")));
	assert_true(json_equal(json_object_get(before, "below"), json_object_get(after, "below")));
}

/* Another format of the frozen spec gives another hash, not other cache keys. */
static void test_format(void **state)
{
	auto_json *spec = yaml(base), *a = keys_of(base);
	struct compile_input in = {.namespace_ = "data",
		.pipeline = "clean-text",
		.spec = spec,
		.backend = "kubernetes",
		.features = KUBERNETES_FEATURES,
		.compiler_format = "99"};
	struct compile_output one, other;

	(void)state;
	compile_ok(base, &one);
	assert_int_equal(compile_pipeline(&in, &other), 0);
	assert_string_not_equal(one.hash, other.hash);
	assert_true(json_equal(
		json_object_get(
			json_array_get(json_object_get(other.frozen, "steps"), 0), "cacheKey"),
		json_object_get(a, "load")));
	compile_output_clear(&one);
	compile_output_clear(&other);
}

static void test_unresolved(void **state)
{
	struct compile_output out;
	auto_free char *digest = edit(base, "r/left:1",
		"r/left:1@sha256:0000000000000000000000000000000000000000000000000000000000000000");
	auto_free char *ignore = edit(base, "steps:", "imageDigestPolicy: Ignore\nsteps:");

	(void)state;
	compile_ok(base, &out);
	assert_int_equal(out.unresolved_images, 4);
	compile_output_clear(&out);
	compile_ok(digest, &out);
	assert_int_equal(out.unresolved_images, 3);
	compile_output_clear(&out);
	compile_ok(ignore, &out);
	assert_int_equal(out.unresolved_images, 0);
	compile_output_clear(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_changes),
		cmocka_unit_test(test_names_and_order),
		cmocka_unit_test(test_format),
		cmocka_unit_test(test_unresolved),
	};

	return cmocka_run_group_tests_name("compiler/cachekey", tests, NULL, NULL);
}

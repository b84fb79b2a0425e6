/* What changes a cache key, and what must not. */
#include "test_compiler_fixture.h"

#include "compiler/cachekey.h"

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

#define ALL_FEATURES (~0U)

/* Keys by step, those that wait for a run as "template <key>"; digests: as in compile_input. */
static json_t *keys_with(const char *text, const json_t *digests)
{
	auto_json *spec = yaml(text);
	struct compile_input in = {.namespace_ = "data",
		.pipeline = "clean-text",
		.spec = spec,
		.backend = "kubernetes",
		.features = ALL_FEATURES,
		.digests = digests};
	json_t *keys = json_object(), *step;
	struct compile_output out;
	size_t i;

	if (compile_pipeline(&in, &out) != 0) {
		print_diags(&out.diags);
		fail_msg("should compile:\n%s", text);
	}
	json_array_foreach (json_object_get(out.frozen, "steps"), i, step) {
		const char *key = json_string_value(json_object_get(step, "cacheKey"));
		const char *waits = json_string_value(json_object_get(step, "cacheKeyTemplate"));
		auto_free char *shown =
			xasprintf("%s%s", waits ? "template " : "", key ? key : waits);

		assert_true(!key != !waits);
		json_object_set_new(
			keys, json_string_value(json_object_get(step, "name")), json_string(shown));
	}
	compile_output_clear(&out);
	return keys;
}

static json_t *keys_of(const char *text)
{
	return keys_with(text, NULL);
}

/* The names of the steps whose keys differ, in the order of `names`. Owned. */
static char *changed(const char *const *names, const json_t *before, const json_t *after)
{
	struct buf text = BUF_INIT;

	for (; *names; names++) {
		if (!json_equal(json_object_get(before, *names), json_object_get(after, *names)))
			buf_addf(&text, "%s ", *names);
	}
	return buf_take(&text);
}

struct edit {
	const char *from, *to, *changed;
};

static void check_edits(
	const char *text, const char *const *names, const struct edit *edits, size_t len)
{
	auto_json *before = keys_of(text);

	for (size_t i = 0; i < len; i++) {
		auto_free char *edited = edit(text, edits[i].from, edits[i].to);
		auto_json *after = keys_of(edited);
		auto_free char *got = changed(names, before, after);

		if (strcmp(got, edits[i].changed) != 0)
			fail_msg("`%s` -> `%s` changed `%s`, not `%s`", edits[i].from, edits[i].to,
				got, edits[i].changed);
	}
}

/* The names of the steps whose key changes, in the order load left below right. */
static void test_what_changes(void **state)
{
	static const struct edit rows[] = {
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
		/* cosmetic, or about how and not what */
		{"- name: left\n", "- name: left\n  produces: {words: {field: words}}\n", ""},
		{"- name: left\n", "- name: left\n  produces: {words: {type: int32}}\n", ""},
		{"- name: left\n", "- name: left\n  consumes: {text: {type: utf8}}\n", ""},
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
		{"- name: left\n",
			"- name: left\n  accelerator: {type: GPU, count: 2}\n  instanceType: x\n",
			""},
		{"s3://lake/fondant", "s3://other/place", ""},
		{"steps:\n", "timeout: 5h\nsuspend: true\nfailurePolicy: FinishBranches\nsteps:\n",
			""},
		{"rows: 7", "rows: 7, gone: null", ""},
	};
	static const char *const names[] = {"load", "left", "below", "right", NULL};

	(void)state;
	check_edits(base, names, rows, array_size(rows));
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

/* A join, an existing manifest, a Python step, a secret argument, parameters and the run. */
static const char wide[] =
	"workingDirectory: s3://lake/fondant\n"
	"parameters: [{name: rows, type: int, default: 5, description: how many}]\n"
	"steps:\n"
	"- name: old\n"
	"  component: {spec: {name: O, description: d, image: 'r/o:1', consumes: {text: {type: "
	"string}}, args: {n: {type: int}}}}\n"
	"  fromManifest: s3://lake/a/manifest.json\n"
	"  arguments: {n: $(parameters.rows)}\n"
	"- name: py\n"
	"  from: [old]\n"
	"  component:\n"
	"    python: {image: 'r/py:1', requirements: [pandas==2.2.3], consumes: {text: {type: "
	"string}}, produces: {title: {type: string}}, source: \"import x\\n\"}\n"
	"- name: token\n"
	"  from: [old]\n"
	"  component: {spec: {name: T, description: d, image: 'r/t:1', consumes: {text: {type: "
	"string}}, produces: {n: {type: int8}}, args: {key: {type: str}}}}\n"
	"  secretArguments: {key: {secretKeyRef: {name: one, key: k}}}\n"
	"- name: join\n"
	"  from: [py, token]\n"
	"  component: {spec: {name: J, description: d, image: 'r/j:1', consumes: "
	"{additionalProperties: true}}}\n"
	"- name: dated\n"
	"  from: [token]\n"
	"  component: {spec: {name: D, description: d, image: 'r/d:1', consumes: {n: {type: "
	"int8}}, "
	"args: {day: {type: str}}}}\n"
	"  arguments: {day: $(run.scheduledDate)}\n"
	"- name: below\n"
	"  from: [dated]\n"
	"  component: {spec: {name: B, description: d, image: 'r/b:1', consumes: {n: {type: "
	"int8}}}}\n";

static const char *const wide_names[] = {"old", "py", "token", "join", "dated", "below", NULL};

static void test_what_changes_wide(void **state)
{
	static const struct edit rows[] = {
		{"s3://lake/a/manifest.json", "s3://lake/b/manifest.json",
			"old py token join dated below "},
		{"default: 5", "default: 6", "old py token join dated below "},
		{"n: $(parameters.rows)", "n: 5", ""},
		{"description: how many", "description: other", ""},
		{"name: rows, type: int, default: 5, description: how many}",
			"name: rows, type: int, default: 5}, {name: more, type: str, default: x}",
			""},
		{"import x", "import y", "py join "},
		{"import x", "import x ", "py join "},
		{"pandas==2.2.3", "pandas==2.2.2", "py join "},
		{"r/py:1", "r/py:2", "py join "},
		{"title: {type: string}", "name: {type: string}", "py join "},
		{"{name: one, key: k}", "{name: two, key: l}", ""},
		{"from: [py, token]", "from: [token, py]", "join "},
		{"from: [py, token]", "from: [py, token, old]", "join "},
		{"$(run.scheduledDate)", "$(run.scheduledTime)", "dated below "},
		{"day: $(run.scheduledDate)", "day: \"2024-01-01\"", "dated below "},
		{"- name: dated\n", "- name: dated\n  env: [{name: A, value: $(run.name)}]\n",
			"dated below "},
		{"- name: py\n", "- name: py\n  cache: {policy: Never}\n", ""},
		{"- name: py\n", "- name: py\n  arguments: {key: a}\n", "py join "},
		{"- name: py\n", "- name: py\n  produces: {title: {field: name}}\n", "py join "},
		/* neither the value nor the name, inferred or declared */
		{"- name: py\n",
			"- name: py\n  secretArguments: {key: {secretKeyRef: {name: a, key: b}}}\n",
			""},
		{"  component:\n    python: {",
			"  secretArguments: {key: {secretKeyRef: {name: a, key: b}}}\n"
			"  component:\n    python: {args: {key: {type: str}}, ",
			""},
	};

	(void)state;
	check_edits(wide, wide_names, rows, array_size(rows));
}

/* What names the run has its key when the run starts, and what reads it. */
static void test_keys_that_wait(void **state)
{
	auto_json *keys = keys_of(wide);

	(void)state;
	for (size_t i = 0; wide_names[i]; i++) {
		const char *key = json_string_value(json_object_get(keys, wide_names[i]));
		bool waits = strncmp(key, "template ", 9) == 0;

		assert_int_equal(waits,
			strcmp(wide_names[i], "dated") == 0 || strcmp(wide_names[i], "below") == 0);
		assert_int_equal(strlen(key), waits ? 73 : 64);
	}
}

/* Neither the key nor the frozen bytes know in which order env was written. */
static void test_env_order(void **state)
{
	static const char *const written[] = {"env: [{name: B, value: x}, {name: A, value: u}]",
		"env: [{name: A, value: u}, {name: B, value: x}]"};
	struct compile_output out[2];

	(void)state;
	for (int i = 0; i < 2; i++) {
		auto_free char *more = xasprintf("- name: left\n  %s\n", written[i]);
		auto_free char *text = edit(base, "- name: left\n", more);

		compile_ok(text, &out[i]);
	}
	assert_string_equal(out[0].text, out[1].text);
	assert_non_null(strstr(out[0].text, "[{\"name\":\"A\",\"value\":\"u\"},{\"name\":\"B\""));
	compile_output_clear(&out[0]);
	compile_output_clear(&out[1]);
}

#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"
#define ONES "1111111111111111111111111111111111111111111111111111111111111111"

/* An image is its digest, whatever tag or registry it was found under. */
static void test_digests(void **state)
{
	static const char *const names[] = {"load", "left", "below", "right", NULL};
	static const struct {
		const char *from, *to, *digests, *changed;
	} rows[] = {
		{"r/left:1", "r/left:1", "{'r/left:1': 'r/left@sha256:" ZEROS "'}", ""},
		{"r/left:1", "r/left:1", "{'r/left:1': 'r/left@sha256:" ONES "'}", "left below "},
		{"r/left:1", "r/left:1", "{}", "left below "},
		{"r/left:1", "r/left:2", "{'r/left:2': 'r/left@sha256:" ZEROS "'}", ""},
		{"r/left:1", "mirror/x:9", "{'mirror/x:9': 'mirror/x@sha256:" ZEROS "'}", ""},
		{"r/left:1", "r/left@sha256:" ZEROS, "{}", ""},
		{"r/left:1", "r/left@sha256:" ONES, "{}", "left below "},
		{"r/left:1", "r/left:1", "{'r/left:1': {error: it is down}}", "left below "},
	};
	auto_json *first = yaml("{'r/left:1': 'r/left@sha256:" ZEROS "'}");
	auto_json *before = keys_with(base, first);

	(void)state;
	for (size_t i = 0; i < array_size(rows); i++) {
		auto_json *digests = yaml(rows[i].digests);
		auto_free char *text = edit(base, rows[i].from, rows[i].to);
		auto_json *after = keys_with(text, digests);
		auto_free char *got = changed(names, before, after);

		if (strcmp(got, rows[i].changed) != 0)
			fail_msg("%s with %s changed `%s`, not `%s`", rows[i].to, rows[i].digests,
				got, rows[i].changed);
	}
}

/* Keys outlive releases: other ones for the same steps would run everything again. */
static void test_vector(void **state)
{
	auto_json *keys = keys_of(base);

	(void)state;
	assert_string_equal(CACHEKEY_FORMAT, "2");
	assert_string_equal(json_string_value(json_object_get(keys, "load")),
		"790d70d33b357922330e1f21afb0cc0bd7efd036ba4dbe9a9efa680079a37457");
	assert_string_equal(json_string_value(json_object_get(keys, "below")),
		"6f30fdd52db0112348f4f369b53724b1365b3b3448323cc3a2ff9c91d2938a54");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_changes),
		cmocka_unit_test(test_what_changes_wide),
		cmocka_unit_test(test_keys_that_wait),
		cmocka_unit_test(test_env_order),
		cmocka_unit_test(test_digests),
		cmocka_unit_test(test_vector),
		cmocka_unit_test(test_names_and_order),
		cmocka_unit_test(test_format),
		cmocka_unit_test(test_unresolved),
	};

	return cmocka_run_group_tests_name("compiler/cachekey", tests, NULL, NULL);
}

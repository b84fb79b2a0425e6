#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "doc/canon.h"
#include "doc/json.h"
#include "doc/yaml.h"

/* What each mode makes of one text; NULL: refused. */
static void test_modes_differ(void **state)
{
	static const struct {
		const char *text;
		const char *kubernetes;
		const char *pyyaml;
	} cases[] = {
		{"name: Off", "{\"name\":false}", "{\"name\":false}"},
		{"[y, n, yes, NO]", "[true,false,true,false]", "[\"y\",\"n\",true,false]"},
		{"1e-05", "1e-05", "\"1e-05\""},
		{"1.0", "1", "1.0"},
		{"1:30", "\"1:30\"", "90"},
		{"0o14", "12", "\"0o14\""},
		{"014", "12", "12"},
		{"2020-01-01", "\"2020-01-01\"", NULL},
		{"a: 1\na: 2", NULL, "{\"a\":2}"},
		{"~: 1", NULL, "{\"null\":1}"},
		{"<<", "\"<<\"", NULL},
		{"x: &x {a: 1}\nz: {a: 2, <<: *x}", "{\"x\":{\"a\":1},\"z\":{\"a\":1}}",
			"{\"x\":{\"a\":1},\"z\":{\"a\":2}}"},
		{".inf", NULL, NULL},
		{"9223372036854775808", NULL, NULL},
		{"!thing x", NULL, NULL},
		{"a: \"x\\0\"", NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		for (int mode = DOC_YAML_KUBERNETES; mode <= DOC_YAML_PYYAML; mode++) {
			const char *expected =
				mode == DOC_YAML_KUBERNETES ? cases[i].kubernetes : cases[i].pyyaml;
			auto_json *json = NULL;
			auto_err err = ERR_INIT;
			auto_free char *dump = NULL;
			int status = doc_yaml_parse_one(cases[i].text, strlen(cases[i].text),
				(enum doc_yaml_mode)mode, &json, &err);

			assert_int_equal(status, expected ? 0 : -1);
			if (!expected)
				continue;
			dump = canon_str(json, CANON_COMPACT);
			assert_string_equal(dump, expected);
		}
	}
}

static void test_messages(void **state)
{
	static const struct {
		const char *text;
		const char *message;
	} cases[] = {
		{"a: [1, 2",
			"line 1 column 9: did not find expected ',' or ']' while parsing a flow "
			"sequence"},
		{"a:\n\tb: 2", "line 2 column 1: found character that cannot start any token while "
			       "scanning for the next token"},
		{"a: 1\nb: 2\na: 3", "line 3 column 1: the key 'a' is there already"},
		{"\xc3\xa9: *x", "line 1 column 5: no anchor 'x' before this alias"},
		{"a: &x [*x]", "line 1 column 8: the anchor 'x' contains itself"},
		{"a: !thing x", "line 1 column 4: the tag '!thing' is not allowed here"},
		{"? [a]\n: b", "line 1 column 3: a key must be a scalar"},
		{"a: 1\r\nb: 99999999999999999999",
			"line 2 column 4: integer beyond 64 bits; quote it or use a smaller one: "
			"'99999999999999999999'"},
		{"a: 1\nb: \xff", "line 2 column 4: not well-formed UTF-8"},
		{"a: \x01", "line 1 column 4: control characters are not allowed"},
		{"<<: 5", "line 1 column 1: '<<' takes a mapping or a list of mappings"},
		{"a: !!int x", "line 1 column 4: the tag 'tag:yaml.org,2002:int' is not allowed "
			       "here"},
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		struct doc_stream stream;
		auto_err err = ERR_INIT;

		assert_int_equal(doc_yaml_parse(cases[i].text, strlen(cases[i].text),
					 DOC_YAML_KUBERNETES, &stream, &err),
			-1);
		assert_int_equal(err.class, ERR_USER);
		assert_string_equal(err.reason, "InvalidYAML");
		assert_string_equal(err.message, cases[i].message);
	}
}

static void test_positions(void **state)
{
	static const char text[] = "# a pipeline\n"
				   "spec:\n"
				   "  steps:\n"
				   "  - name: a\n"
				   "  - name: \xc3\xa9\n"
				   "    arguments: {\xc3\xa9: 1, min_words: 5}\n"
				   "    a.b: [x,\n"
				   "      y]\n"
				   "--- \n"
				   "second: 1\n";
	static const struct {
		const char *path;
		unsigned line;
		unsigned column;
	} cases[] = {
		{"", 2, 1},
		{"spec", 2, 1},
		{"spec.steps", 3, 3},
		{"spec.steps[0]", 4, 5},
		{"spec.steps[0].name", 4, 5},
		{"spec.steps[1].arguments", 6, 5},
		{"spec.steps[1].arguments.min_words", 6, 24},
		{"spec.steps[1].arguments.absent", 6, 5},
		{"spec.steps[1].a.b", 7, 5},
		{"spec.steps[1].a.b[1]", 8, 7},
		{"spec.steps[7].name", 3, 3},
		{"status.x[3]", 2, 1},
	};
	struct doc_stream stream;
	struct doc_pos pos;

	(void)state;
	assert_int_equal(
		doc_yaml_parse(text, sizeof(text) - 1, DOC_YAML_KUBERNETES, &stream, NULL), 0);
	assert_int_equal(stream.len, 2);
	for (size_t i = 0; i < array_size(cases); i++) {
		assert_true(doc_position(&stream.docs[0], cases[i].path, &pos));
		assert_int_equal(pos.line, cases[i].line);
		assert_int_equal(pos.column, cases[i].column);
	}
	assert_int_equal(stream.docs[1].first_line, 9);
	assert_true(doc_position(&stream.docs[1], "second", &pos));
	assert_int_equal(pos.line, 10);
	doc_stream_free(&stream);
}

static void test_streams(void **state)
{
	static const struct {
		const char *text;
		size_t len;
	} cases[] = {
		{"", 0},
		{"# only a comment\n", 0},
		{"\n\n", 0},
		{"a: 1", 1},
		{"--- \n---\na: 1\n", 2},
		{"a: 1\n...\n---\nb: 2\n", 2},
		{"\xef\xbb\xbf"
		 "a: 1",
			1},
	};
	json_t *json = NULL;
	auto_err err = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		struct doc_stream stream;

		assert_int_equal(doc_yaml_parse(cases[i].text, strlen(cases[i].text),
					 DOC_YAML_KUBERNETES, &stream, NULL),
			0);
		assert_int_equal(stream.len, cases[i].len);
		for (size_t j = 0; j < stream.len; j++)
			assert_non_null(stream.docs[j].root);
		doc_stream_free(&stream);
	}
	assert_int_equal(doc_yaml_parse_one("a\n---\nb", 7, DOC_YAML_PYYAML, &json, &err), -1);
	assert_string_equal(
		err.message, "line 2 column 1: another document where one was expected");
	assert_int_equal(doc_yaml_parse_one("", 0, DOC_YAML_PYYAML, &json, NULL), 0);
	assert_true(json_is_null(json));
}

static int parse_both(const char *text, struct err *err)
{
	auto_json *json = NULL;
	auto_json *again = NULL;
	size_t len = strlen(text);
	int a = doc_yaml_parse_one(text, len, DOC_YAML_KUBERNETES, &json, err);
	int b = doc_yaml_parse_one(text, len, DOC_YAML_PYYAML, &again, err);

	assert_int_equal(a, b);
	return a;
}

static void test_depth(void **state)
{
	auto_err err = ERR_INIT;

	(void)state;
	for (size_t depth = DOC_MAX_DEPTH - 1; depth <= DOC_MAX_DEPTH + 1; depth++) {
		auto_buf text = BUF_INIT;

		for (size_t i = 0; i < depth; i++)
			buf_adds(&text, i % 2 ? "[" : "{a: ");
		for (size_t i = depth; i > 0; i--)
			buf_adds(&text, i % 2 ? "}" : "]");
		assert_int_equal(parse_both(buf_str(&text), &err), depth <= DOC_MAX_DEPTH ? 0 : -1);
	}
	assert_non_null(strstr(err.message, "nested deeper than 64 levels"));
	for (int i = 0; i < 2; i++) {
		auto_buf text = BUF_INIT;

		for (int j = 0; j < 1000000; j++)
			buf_adds(&text, i ? "[" : "- ");
		assert_int_equal(parse_both(buf_str(&text), &err), -1);
	}
}

/* Aliases and merges must not make much of little. */
static void test_expansion(void **state)
{
	auto_err err = ERR_INIT;
	auto_buf laughs = BUF_INIT, merges = BUF_INIT, deep = BUF_INIT, bytes = BUF_INIT;

	(void)state;
	buf_adds(&laughs, "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
	buf_adds(&merges, "a0: &a0 {k: [x, x, x, x, x, x, x, x, x, x]}\n");
	buf_adds(&deep, "a0: &a0 [x]\n");
	for (int i = 1; i < 40; i++) {
		buf_addf(&laughs, "a%d: &a%d [*a%d, *a%d, *a%d]\n", i, i, i - 1, i - 1, i - 1);
		buf_addf(&merges, "a%d: &a%d {<<: *a%d, k%d: *a%d}\n", i, i, i - 1, i, i - 1);
	}
	for (int i = 1; i < 80; i++)
		buf_addf(&deep, "a%d: &a%d [*a%d]\n", i, i, i - 1);
	assert_int_equal(parse_both(buf_str(&laughs), &err), -1);
	assert_non_null(strstr(err.message, "more than 1000000 values"));
	assert_int_equal(parse_both(buf_str(&merges), &err), -1);
	assert_non_null(strstr(err.message, "more than 1000000 values"));
	assert_int_equal(parse_both(buf_str(&deep), &err), -1);
	assert_non_null(strstr(err.message, "nested deeper than 64 levels"));
	buf_adds(&bytes, "a: &a ");
	for (int i = 0; i < 100000; i++)
		buf_adds(&bytes, "xxxxxxxxxx");
	buf_adds(&bytes, "\nb:\n");
	for (int i = 0; i < 100; i++)
		buf_adds(&bytes, "- *a\n");
	assert_int_equal(parse_both(buf_str(&bytes), &err), -1);
	assert_non_null(strstr(err.message, "too large with aliases expanded"));
}

static void test_many_documents_and_directives(void **state)
{
	auto_buf documents = BUF_INIT, directives = BUF_INIT;
	struct doc_stream stream;
	auto_err err = ERR_INIT;

	(void)state;
	for (int i = 0; i < 65; i++) {
		buf_adds(&documents, "--- x\n");
		buf_addf(&directives, "%%TAG !a%d! x\n", i);
	}
	assert_int_equal(
		doc_yaml_parse(buf_str(&documents), documents.len, DOC_YAML_PYYAML, &stream, &err),
		-1);
	assert_string_equal(err.message, "line 65 column 1: more than 64 documents");
	assert_int_equal(doc_yaml_parse(buf_str(&directives), directives.len, DOC_YAML_PYYAML,
				 &stream, &err),
		-1);
	assert_string_equal(err.message, "line 65 column 1: too many directives");
}

/* A long key above many values: paths are kept up to a budget, the tree is whole. */
static void test_position_budget(void **state)
{
	auto_buf text = BUF_INIT;
	struct doc_stream stream;
	struct doc_pos pos;

	(void)state;
	for (int i = 0; i < 400; i++)
		buf_addc(&text, 'k');
	buf_adds(&text, ":\n");
	for (int i = 0; i < 100000; i++)
		buf_adds(&text, "- x\n");
	assert_int_equal(
		doc_yaml_parse(buf_str(&text), text.len, DOC_YAML_PYYAML, &stream, NULL), 0);
	assert_in_range(stream.docs[0].positions.len, 1000, 50000);
	assert_true(doc_position(&stream.docs[0], "other", &pos));
	doc_stream_free(&stream);
}

static void test_dump(void **state)
{
	static const struct {
		const char *json;
		const char *yaml;
	} cases[] = {
		{"{}", "{}\n"},
		{"\"x\"", "x\n"},
		{"{\"a\": {\"b\": [1, {\"c\": null, \"d\": []}, [2, 3]], \"e\": {}}}",
			"a:\n  b:\n  - 1\n  - c: null\n    d: []\n  - - 2\n    - 3\n  e: {}\n"},
		{"[\"yes\", \"y\", \"1\", \"1e5\", \"2020-01-01\", \"\", \"~\", \"a: b\", \"- x\", "
		 "\"a\\tb\"]",
			"- \"yes\"\n- \"y\"\n- \"1\"\n- \"1e5\"\n- \"2020-01-01\"\n- \"\"\n- "
			"\"~\"\n"
			"- \"a: b\"\n- \"- x\"\n- \"a\\tb\"\n"},
		{"{\"src\": \"def f():\\n    return 1\\n\", \"s\": \"a\\nb\"}",
			"src: |\n  def f():\n      return 1\ns: |-\n  a\n  b\n"},
		{"[1e-05, 1e16, 0.5, 100.0]", "- 1.0e-05\n- 1.0e+16\n- 0.5\n- 100.0\n"},
		{"{\"image\": \"registry.example/publish:1.4.2\", \"v\": \"$(parameters.rows)\"}",
			"image: registry.example/publish:1.4.2\nv: $(parameters.rows)\n"},
		{"{\"1\": 2, \"no\": 3}", "\"1\": 2\n\"no\": 3\n"},
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		auto_json *json = NULL;
		auto_free char *yaml = NULL;

		assert_int_equal(
			doc_json_parse(cases[i].json, strlen(cases[i].json), &json, NULL), 0);
		yaml = doc_yaml_dump(json);
		assert_string_equal(yaml, cases[i].yaml);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_modes_differ),
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_positions),
		cmocka_unit_test(test_streams),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_expansion),
		cmocka_unit_test(test_many_documents_and_directives),
		cmocka_unit_test(test_position_budget),
		cmocka_unit_test(test_dump),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

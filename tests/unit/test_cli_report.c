/* Findings as text: places, the line under them, what hostile bytes become; tables and sizes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "cli/explain.h"
#include "cli/hide.h"
#include "cli/output.h"
#include "cli/report.h"
#include "doc/json.h"

static char *text_of(const struct report *report, bool color)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	report_text(report, out, color);
	fclose(out);
	return text;
}

static void check(char *source_text, struct doc_pos pos, const char *want)
{
	struct source source = {
		.name = (char *)"p.yaml", .text = source_text, .len = strlen(source_text)};
	struct report report = {.items = NULL};
	char *text;

	report_add(&report, &source, NULL, pos, SEVERITY_ERROR, "spec.x", "Reason", "is wrong");
	text = text_of(&report, false);
	assert_string_equal(text, want);
	free(text);
	report_clear(&report);
}

static void test_places(void **state)
{
	(void)state;
	check((char *)"a: 1\nb: 2\n", (struct doc_pos){2, 1},
		"p.yaml:2:1: error: spec.x: is wrong [Reason]\n    2 | b: 2\n      | ^\n");
	check((char *)"a: 1\r\n  b: 2", (struct doc_pos){2, 3},
		"p.yaml:2:3: error: spec.x: is wrong [Reason]\n    2 |   b: 2\n      |   ^\n");
	/* a tab is one column, a character of several bytes too */
	check((char *)"\tb: 2", (struct doc_pos){1, 2},
		"p.yaml:1:2: error: spec.x: is wrong [Reason]\n    1 |  b: 2\n      |  ^\n");
	check((char *)"{\xc3\xa9: 1, b: 2}", (struct doc_pos){1, 9},
		"p.yaml:1:9: error: spec.x: is wrong [Reason]\n    1 | {\xc3\xa9: 1, b: 2}\n"
		"      |        ^\n");
	check((char *)"a\033[31m\xff", (struct doc_pos){1, 99},
		"p.yaml:1:99: error: spec.x: is wrong [Reason]\n    1 | a?[31m?\n"
		"      |        ^\n");
	check((char *)"a: 1", (struct doc_pos){0, 0}, "p.yaml: error: spec.x: is wrong [Reason]\n");
	check((char *)"a: 1", (struct doc_pos){7, 1},
		"p.yaml:7:1: error: spec.x: is wrong [Reason]\n");
}

/* Whether line `line` of the text may be shown. */
static void check_hidden(char *text, unsigned line, bool want)
{
	struct source source = {.name = (char *)"p.yaml", .text = text, .len = strlen(text)};
	struct hidden hidden = {.source = NULL};

	source_parse(&source, DOC_YAML_KUBERNETES);
	assert_int_equal(hide_line(&hidden, &source, line), want);
	hide_clear(&hidden);
	doc_stream_free(&source.stream);
	free(source.error);
}

static void test_lines_with_secrets_are_not_shown(void **state)
{
	char block[] = "steps:\n- secretArguments:\n    token: |\n      a\n      b\n  arguments:\n"
		       "    n: 1\n- secretArgs: {a: b}\n";
	char flow[] = "{steps: [{secretArguments: {token: \"a\n  b\"}, arguments: {n: 1}, \n"
		      "name: x}]}\n---\na: 1\n";
	char broken[] = "steps:\n- arguments: {}\n  secretArguments:\n  token: @x\n- name: y\n";
	static const bool in_block[] = {false, false, true, true, true, true, false, false, true};
	static const bool in_flow[] = {false, true, true, false, false, false};
	static const bool in_broken[] = {false, false, false, true, true, false};

	(void)state;
	for (unsigned i = 1; i < array_size(in_block); i++)
		check_hidden(block, i, in_block[i]);
	for (unsigned i = 1; i < array_size(in_flow); i++)
		check_hidden(flow, i, in_flow[i]);
	for (unsigned i = 1; i < array_size(in_broken); i++)
		check_hidden(broken, i, in_broken[i]);
	check_hidden(block, 1000, false);
	assert_true(hide_path("spec.steps[0].secretArguments.token"));
	assert_true(hide_path("spec.steps[0].secretArgs"));
	assert_false(hide_path("spec.steps[0].env[1].valueFrom.secretKeyRef.name"));
	assert_false(hide_path("spec.steps[0].arguments"));
}

/* A secret that was written elsewhere, and is only named in secretArguments. */
static void test_lines_of_anchors_are_not_shown(void **state)
{
	char text[] = "x-shared:\n  plain: &plain 1\n  token: &token hunter2\n"
		      "  other: &inner {c: hunter3}\n  deep: &deep\n    a: hunter4\n    b: *inner\n"
		      "  tokens: &tokens x\nsteps:\n"
		      "- secretArguments: {a: *token, b: *deep}\n  arguments: {n: *plain}\n";
	char broken[] = "token: &token hunter2\n  secretArguments: {a: *token}\n- @\n";
	static const bool want[] = {
		false, false, false, true, true, true, true, true, false, false, true, false};

	(void)state;
	for (unsigned i = 1; i < array_size(want); i++)
		check_hidden(text, i, want[i]);
	check_hidden(broken, 1, true);
}

static void test_messages_lose_what_they_quote(void **state)
{
	char *one = hide_quoted("no anchor `a`b` here; do"), *none = hide_quoted("it`s");
	char *tag = hide_quoted("the tag '!x' is not allowed");

	(void)state;
	assert_string_equal(one, "no anchor (not shown) here; do");
	assert_string_equal(tag, "the tag (not shown) is not allowed");
	assert_string_equal(none, "it");
	free(tag);
	free(one);
	free(none);
}

static void test_long_lines_are_cut_round_the_place(void **state)
{
	auto_free char *line = xmalloc(2001);
	struct source source = {.name = (char *)"p", .text = line, .len = 2000};
	struct report report = {.items = NULL};
	auto_free char *text = NULL;
	const char *shown, *caret;

	(void)state;
	memset(line, 'x', 2000);
	line[2000] = '\0';
	line[1000] = '@';
	report_add(
		&report, &source, NULL, (struct doc_pos){1, 1001}, SEVERITY_WARNING, "", "R", "m");
	text = text_of(&report, false);
	shown = strchr(text, '\n') + 1;
	caret = strchr(shown, '\n') + 1;
	assert_true(strlen(text) < 600);
	assert_ptr_equal(strchr(shown, '@') - shown + caret, strchr(caret, '^'));
	report_clear(&report);
}

static void test_order(void **state)
{
	struct source sources[2] = {{.name = (char *)"a", .text = (char *)""},
		{.name = (char *)"b", .text = (char *)""}};
	struct report report = {.items = NULL};

	(void)state;
	report_add(&report, &sources[1], NULL, (struct doc_pos){1, 1}, SEVERITY_ERROR, "", "4", "");
	report_add(
		&report, &sources[0], NULL, (struct doc_pos){10, 1}, SEVERITY_ERROR, "", "3", "");
	report_add(
		&report, &sources[0], NULL, (struct doc_pos){2, 9}, SEVERITY_WAITING, "", "2", "");
	report_add(&report, &sources[0], NULL, (struct doc_pos){2, 1}, SEVERITY_ERROR, "", "1", "");
	report_sort(&report);
	for (size_t i = 0; i < report.len; i++)
		assert_int_equal(report.items[i].reason[0], '1' + (int)i);
	assert_int_equal(report.errors, 3);
	assert_int_equal(report.waiting, 1);
	report_clear(&report);
}

static void test_ages_and_sizes(void **state)
{
	static const struct {
		int64_t seconds;
		const char *text;
	} ages[] = {{-5, "0s"}, {0, "0s"}, {119, "119s"}, {120, "2m"}, {7199, "119m"}, {7200, "2h"},
		{172799, "47h"}, {172800, "2d"}};
	static const struct {
		uint64_t bytes;
		const char *text;
	} sizes[] = {{0, "0 B"}, {1023, "1023 B"}, {1536, "1.5 KiB"}, {UINT64_MAX, "16.0 EiB"}};
	char out[AGE_SIZE > BYTES_SIZE ? AGE_SIZE : BYTES_SIZE];

	(void)state;
	for (size_t i = 0; i < array_size(ages); i++)
		assert_string_equal(output_age(ages[i].seconds, out), ages[i].text);
	for (size_t i = 0; i < array_size(sizes); i++)
		assert_string_equal(output_bytes(sizes[i].bytes, out), sizes[i].text);
}

static json_t *spec_of(const char *keep_key, const char *load_key, int rows, const char *extra)
{
	auto_free char *text = xasprintf("{\"steps\": [{\"name\": \"load\", \"image\": \"i\", "
					 "\"cacheKey\": \"%s\", \"arguments\": {\"rows\": %d}}, "
					 "{\"name\": \"keep\", \"image\": \"r@sha256:1\", "
					 "\"cacheKey\": \"%s\", \"from\": [\"load\"]%s}]}",
		load_key, rows, keep_key, extra);
	json_t *json = NULL;

	assert_int_equal(doc_json_parse(text, strlen(text), &json, NULL), 0);
	return json;
}

static void test_differences(void **state)
{
	auto_json *now =
		spec_of("k2", "l2", 20, ", \"env\": [{\"name\": \"A\", \"value\": \"1\"}]");
	auto_json *then = spec_of("k1", "l1", 10, ", \"inputPartitionRows\": 5");
	auto_json *diff =
		explain_diff(now, explain_step(now, "keep"), then, explain_step(then, "keep"));
	auto_free char *text = json_dumps(diff, JSON_COMPACT | JSON_SORT_KEYS);
	auto_json *none =
		explain_diff(now, explain_step(now, "keep"), now, explain_step(now, "keep"));

	(void)state;
	assert_string_equal(text,
		"[{\"after\":\"1\",\"part\":\"env.A\"},{\"before\":5,\"part\":"
		"\"inputPartitionRows\"},"
		"{\"after\":\"load\",\"before\":\"load\",\"inputs\":[{\"after\":20,\"before\":10,"
		"\"part\":\"arguments.rows\"}],\"part\":\"input load\"}]");
	assert_int_equal(json_array_size(none), 0);
	assert_null(explain_step(now, "none"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_long_lines_are_cut_round_the_place),
		cmocka_unit_test(test_lines_with_secrets_are_not_shown),
		cmocka_unit_test(test_lines_of_anchors_are_not_shown),
		cmocka_unit_test(test_messages_lose_what_they_quote),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_ages_and_sizes),
		cmocka_unit_test(test_differences),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* .dockerignore: which paths a file of patterns excludes, and what is wrong with one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "base/buf.h"
#include "base/mem.h"
#include "cli/dockerignore.h"

static struct dockerignore parsed(const char *text)
{
	struct dockerignore ignore;
	auto_err err = ERR_INIT;

	if (dockerignore_parse("f", text, strlen(text), &ignore, &err) < 0)
		fail_msg("%s: %s", text, err_message(&err));
	return ignore;
}

static const struct row {
	const char *text, *path;
	bool excluded;
} rows[] = {
	{"", "a", false},
	{"a", "a", true},
	{"a", "b", false},
	{"a", "a/b/c", true}, /* a folder takes all below it */
	{"a", "b/a", false},  /* patterns begin at the context */
	{"a/b", "a", false},
	{"/a", "a", true},
	{"///a//b/", "a/b", true},
	{"./a", "a", true},
	{"x/../a", "a", true},
	{"../a", "a", false},
	{"  a \t\r\n", "a", true},
	{"# a\n", "a", false},
	{"#a", "#a", false},
	{" #a", "#a", true}, /* only in the first column it is a comment */
	{"\\#a", "#a", true},
	{"\xef\xbb\xbf"
	 "a",
		"a", true},
	{"a\n!a", "a", false},
	{"!a\na", "a", true}, /* the last one that matches decides */
	{"a\n!a/b\n", "a/b", false},
	{"a\n!a/b\n", "a/c", true},
	{"a\n! a/b\n", "a/b", false},
	{"a\n!a/b\na/b/c", "a/b/c", true},
	{"*\n!keep", "keep/all", false},
	{"*\n!keep", "drop", true},
	{"*", "a/b", true},
	{"*.log", "x.log", true},
	{"*.log", "a/x.log", false},
	{"*/*.log", "a/x.log", true},
	{"*/*.log", "a/b/x.log", false},
	{"*", ".hidden", true},
	{"a*c", "abbbc", true},
	{"a*c", "ac", true},
	{"a*c", "ab/c", false},
	{"?", "a", true},
	{"?", "\xc3\xa9", true}, /* one character, not one byte */
	{"?", "ab", false},
	{"a?b", "a/b", false},
	{"**", "a/b/c", true},
	{"**/x", "x", true},
	{"**/x", "a/b/x", true},
	{"**/x", "a/bx", false},
	{"**/*.py[co]", "a/b/m.pyc", true},
	{"**/*.py[co]", "m.py", false},
	{"a/**", "a/b/c", true},
	{"a/**", "a", false},
	{"a/**/b", "a/b", true},
	{"a/**/b", "a/x/y/b", true},
	{"a/**/b", "a/x/yb", false},
	{"**/node_modules", "a/node_modules/b/c", true},
	{"a**b", "ab", true},
	{"a**b", "ax/b", true},
	{"a**b", "axb", false}, /* as patternmatcher has it */
	{"[a-c]x", "bx", true},
	{"[a-c]x", "dx", false},
	{"[^a-c]x", "dx", true},
	{"[^a-c]x", "ax", false},
	{"[\\]]", "]", true},
	{"[\xc3\xa0-\xc3\xbf]", "\xc3\xa9", true},
	{"a.b", "axb", false},
	{"a+(b)|{c}$^", "a+(b)|{c}$^", true},
	{"\\*", "*", true},
	{"\\*", "a", false},
	{".", "a", false},
	{"/", "a", false},
	{"\xff", "\xff", true},
	{"\xff", "\xfe", false},
};

static void test_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < array_size(rows); i++) {
		struct dockerignore ignore = parsed(rows[i].text);

		if (dockerignore_excludes(&ignore, rows[i].path) != rows[i].excluded)
			fail_msg("%s: %s", rows[i].text, rows[i].path);
		dockerignore_clear(&ignore);
	}
}

/* An excluded folder is walked only where an exception may keep something of it. */
static void test_below(void **state)
{
	static const struct row below[] = {
		{"a", "a", false},
		{"a\n!a/b", "a", true},
		{"a\n!b", "a", false},
		{"a\n!a/b/c", "a/b", true},
		{"a\n!a/b/c", "a/x", false},
		{"a\n!**/c", "a/x", true},
		{"a\n!*/c", "a", true},
		{"a\n!*/c", "a/x", false},
		{"*\n!*.py", "a", false},
	};

	(void)state;
	for (size_t i = 0; i < array_size(below); i++) {
		struct dockerignore ignore = parsed(below[i].text);

		if (dockerignore_keeps_below(&ignore, below[i].path) != below[i].excluded)
			fail_msg("%s: %s", below[i].text, below[i].path);
		dockerignore_clear(&ignore);
	}
}

static void test_kept(void **state)
{
	struct dockerignore ignore = parsed("*\n**/*");

	(void)state;
	dockerignore_keep(&ignore, "Dockerfile");
	assert_false(dockerignore_excludes(&ignore, "Dockerfile"));
	assert_true(dockerignore_excludes(&ignore, "Dockerfile2"));
	assert_true(dockerignore_excludes(&ignore, "a/Dockerfile"));
	dockerignore_clear(&ignore);
}

static void test_wrong(void **state)
{
	static const struct {
		const char *text, *message;
	} wrong[] = {
		{"a\n!", "f:2: a `!` without"},
		{"! \n", "f:1: a `!` without"},
		{"[", "f:1: a `[`"},
		{"[]", "f:1: a `[`"},
		{"[^]", "f:1: a `[`"},
		{"[a-", "f:1: a `[`"},
		{"[a-]", "f:1: a `[`"},
		{"[-a]", "f:1: a `[`"},
		{"[a", "f:1: a `[`"},
		{"[\\", "f:1: a `[`"},
		{"\n\na\\", "f:3: a \\ at the end"},
	};

	(void)state;
	for (size_t i = 0; i < array_size(wrong); i++) {
		struct dockerignore ignore;
		auto_err err = ERR_INIT;

		if (dockerignore_parse("f", wrong[i].text, strlen(wrong[i].text), &ignore, &err) >=
			0)
			fail_msg("%s: is taken", wrong[i].text);
		assert_int_equal(err.class, ERR_USER);
		assert_string_equal(err.reason, "InvalidDockerignore");
		if (strncmp(err_message(&err), wrong[i].message, strlen(wrong[i].message)) != 0)
			fail_msg("%s: %s", wrong[i].text, err_message(&err));
	}
}

/* What takes backtracking matchers for ever. */
static void test_no_pattern_is_slow(void **state)
{
	auto_buf text = BUF_INIT;
	auto_buf path = BUF_INIT;
	struct dockerignore ignore;

	(void)state;
	for (int i = 0; i < 300; i++) {
		buf_adds(&text, "*a**/");
		buf_adds(&path, "aaaaaaaaa/");
	}
	buf_adds(&text, "b");
	buf_adds(&path, "c");
	ignore = parsed(buf_str(&text));
	assert_false(dockerignore_excludes(&ignore, buf_str(&path)));
	dockerignore_clear(&ignore);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_below),
		cmocka_unit_test(test_kept),
		cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_no_pattern_is_slow),
	};

	return cmocka_run_group_tests_name("cli/dockerignore", tests, NULL, NULL);
}

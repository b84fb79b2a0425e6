/* Option parsing and the shape of the command table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "cli/cmd.h"
#include "cli/help.h"

static const char *const colors[] = {"red", "green", NULL};

static const struct cli_option options[] = {
	{.name = "file", .letter = 'f', .type = CLI_LIST, .argument = "FILE", .help = "a file"},
	{.name = "color",
		.letter = 'c',
		.type = CLI_STRING,
		.argument = "COLOR",
		.words = colors,
		.fallback = "red",
		.help = "a colour"},
	{.name = "all", .letter = 'a', .type = CLI_FLAG, .help = "all"},
	{.name = "wet", .letter = 'w', .type = CLI_FLAG, .help = "wet"},
	{0},
};

static const struct cli_command command = {
	.name = "paint", .usage = "[WORD]", .options = options, .max_positional = 1};

/* Words of a line, blank-separated; `_` is an empty word. */
static int parse(const char *line, struct cli_args *ret_args, struct err *err)
{
	auto_free char *copy = xstrdup(line);
	char *argv[16], *save = NULL;
	int argc = 0;

	for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
		argv[argc++] = str_eq(word, "_") ? (char *)"" : word;
	return cli_args_parse(&command, argc, argv, ret_args, err);
}

static void test_ways_of_saying_it(void **state)
{
	static const struct {
		const char *line, *files, *color;
		bool all, wet;
		const char *word;
	} rows[] = {
		{"", "", "red", false, false, NULL},
		{"-f a -f b", "a b", "red", false, false, NULL},
		{"-fa --file=b --file c", "a b c", "red", false, false, NULL},
		{"-f=a", "a", "red", false, false, NULL},
		{"-awf a", "a", "red", true, true, NULL},
		{"--color green --color red", "", "red", false, false, NULL},
		{"-c green x", "", "green", false, false, "x"},
		{"x --all", "", "red", true, false, "x"},
		{"--all=false -w", "", "red", false, true, NULL},
		{"-a --all=false", "", "red", false, false, NULL},
		{"-- --all", "", "red", false, false, "--all"},
		{"-", "", "red", false, false, "-"},
		{"-f - -f _", "- ", "red", false, false, NULL},
		{"--file -x", "-x", "red", false, false, NULL},
	};

	(void)state;
	for (size_t i = 0; i < array_size(rows); i++) {
		struct cli_args args;
		auto_err err = ERR_INIT;
		auto_free char *files = NULL;

		if (parse(rows[i].line, &args, &err) < 0)
			fail_msg("%s: %s", rows[i].line, err_message(&err));
		files = strvec_join(cli_list(&args, "file"), " ");
		assert_string_equal(files, rows[i].files);
		assert_string_equal(cli_value(&args, "color"), rows[i].color);
		assert_int_equal(cli_flag(&args, "all"), rows[i].all);
		assert_int_equal(cli_flag(&args, "wet"), rows[i].wet);
		assert_int_equal(args.positional.len, rows[i].word != NULL);
		if (rows[i].word)
			assert_string_equal(args.positional.items[0], rows[i].word);
		cli_args_clear(&args);
	}
}

static void test_what_is_wrong(void **state)
{
	static const struct {
		const char *line, *says;
	} rows[] = {
		{"--nope", "unknown option \"--nope\""},
		{"--fil a", "unknown option \"--fil\""},
		{"-x", "unknown option \"-x\""},
		{"-ax", "unknown option \"-x\""},
		{"--file", "--file needs a value: FILE"},
		{"-f", "--file needs a value: FILE"},
		{"-c blue", "--color: \"blue\" is not one of: red, green"},
		{"--all=maybe", "is not one of: true, false"},
		{"a b", "\"b\" is one word too many: usage: paint [WORD]"},
	};

	(void)state;
	for (size_t i = 0; i < array_size(rows); i++) {
		struct cli_args args;
		auto_err err = ERR_INIT;

		assert_int_equal(parse(rows[i].line, &args, &err), -1);
		assert_non_null(strstr(err_message(&err), rows[i].says));
		assert_string_equal(err.reason, "InvalidOption");
	}
}

static void check_table(const struct cli_command *c)
{
	assert_non_null(c->summary);
	assert_non_null(c->usage);
	assert_true((c->run != NULL) != (c->subcommands != NULL));
	assert_false(str_ends_with(c->summary, "."));
	for (size_t i = 0; c->options && c->options[i].name; i++) {
		const struct cli_option *a = &c->options[i];

		assert_non_null(a->help);
		assert_int_equal(a->type == CLI_FLAG, a->argument == NULL);
		assert_true(a->letter != 'h' && !str_eq(a->name, "help"));
		for (size_t j = 0; j < i; j++) {
			assert_false(str_eq(a->name, c->options[j].name));
			assert_false(a->letter && a->letter == c->options[j].letter);
		}
	}
	for (size_t i = 0; c->examples && c->examples[i]; i += 2)
		assert_non_null(c->examples[i + 1]);
	for (size_t i = 0; c->subcommands && c->subcommands[i]; i++)
		check_table(c->subcommands[i]);
}

static void test_table(void **state)
{
	(void)state;
	for (size_t i = 0; cli_commands[i]; i++)
		check_table(cli_commands[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ways_of_saying_it),
		cmocka_unit_test(test_what_is_wrong),
		cmocka_unit_test(test_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "cli/cmd.h"

#define REASON "InvalidOption"
/* Bytes of the user's word that are shown. */
#define SHOWN "%.100s"

static const struct cli_option help_option = {
	.name = "help", .letter = 'h', .type = CLI_FLAG, .help = "print this and exit"};

static const struct cli_option *next_option(
	const struct cli_command *command, const struct cli_option *last)
{
	if (last == &help_option)
		return NULL;
	if (!last)
		last = command->options;
	else
		last++;
	return last && last->name ? last : &help_option;
}

static const struct cli_option *find_long(
	const struct cli_command *command, const char *name, size_t len)
{
	const struct cli_option *option = NULL;

	while ((option = next_option(command, option))) {
		if (strlen(option->name) == len && strncmp(option->name, name, len) == 0)
			return option;
	}
	return NULL;
}

static const struct cli_option *find_letter(const struct cli_command *command, char letter)
{
	const struct cli_option *option = NULL;

	while ((option = next_option(command, option))) {
		if (option->letter && option->letter == letter)
			return option;
	}
	return NULL;
}

static int check_word(const struct cli_option *option, const char *value, struct err *err)
{
	auto_strvec words = STRVEC_INIT;
	auto_free char *joined = NULL;

	if (!option->words)
		return 0;
	for (size_t i = 0; option->words[i]; i++) {
		if (str_eq(option->words[i], value))
			return 0;
		strvec_add(&words, option->words[i]);
	}
	joined = strvec_join(&words, ", ");
	return err_set(err, ERR_USER, REASON, "--%s: \"" SHOWN "\" is not one of: %s", option->name,
		value, joined);
}

static void free_strvec(void *value)
{
	strvec_clear(value);
	free(value);
}

static int set(
	struct cli_args *args, const struct cli_option *option, const char *value, struct err *err)
{
	struct strvec *values = map_get(&args->values, option->name);

	if (option->type == CLI_FLAG) {
		if (!value)
			value = "true";
		if (!str_eq(value, "true") && !str_eq(value, "false"))
			return err_set(err, ERR_USER, REASON,
				"--%s: \"" SHOWN "\" is not one of: true, false", option->name,
				value);
	} else if (!value) {
		return err_set(err, ERR_USER, REASON, "--%s needs a value: %s", option->name,
			option->argument);
	} else if (check_word(option, value, err) < 0) {
		return -1;
	}
	if (option == &help_option)
		args->help = str_eq(value, "true");
	if (!values) {
		values = xnew(struct strvec);
		map_set(&args->values, option->name, values);
	}
	strvec_add(values, value);
	return 0;
}

/* "--name", "--name=value", "--name value"; *i moves on over what it takes. */
static int parse_long(struct cli_args *args, int argc, char *const argv[], int *i, struct err *err)
{
	const char *word = argv[*i] + 2;
	size_t len = strcspn(word, "=");
	const struct cli_option *option = find_long(args->command, word, len);
	const char *value = word[len] ? word + len + 1 : NULL;

	if (!option)
		return err_set(err, ERR_USER, REASON, "unknown option \"--%.*s\"; see --help",
			(int)(len < 100 ? len : 100), word);
	if (!value && option->type != CLI_FLAG && *i + 1 < argc)
		value = argv[++*i];
	return set(args, option, value, err);
}

/* "-R", "-Rf value", "-fvalue", "-f=value". */
static int parse_short(struct cli_args *args, int argc, char *const argv[], int *i, struct err *err)
{
	for (const char *at = argv[*i] + 1; *at; at++) {
		const struct cli_option *option = find_letter(args->command, *at);
		const char *value = at[1] ? at + 1 + (at[1] == '=') : NULL;

		if (!option)
			return err_set(
				err, ERR_USER, REASON, "unknown option \"-%c\"; see --help", *at);
		if (option->type == CLI_FLAG) {
			if (set(args, option, NULL, err) < 0)
				return -1;
			continue;
		}
		if (!value && *i + 1 < argc)
			value = argv[++*i];
		return set(args, option, value, err);
	}
	return 0;
}

static int check_complete(const struct cli_args *args, struct err *err)
{
	const struct cli_command *command = args->command;
	const struct cli_option *option = NULL;
	size_t n = args->positional.len;

	while ((option = next_option(command, option))) {
		if (option->required && !map_has(&args->values, option->name))
			return err_set(err, ERR_USER, REASON, "--%s %s is required; see --help",
				option->name, option->argument ? option->argument : "");
	}
	if (n < (size_t)command->min_positional)
		return err_set(err, ERR_USER, REASON, "something is missing: usage: %s %s",
			command->name, command->usage);
	if (command->max_positional >= 0 && n > (size_t)command->max_positional)
		return err_set(err, ERR_USER, REASON,
			"\"" SHOWN "\" is one word too many: usage: %s %s",
			args->positional.items[command->max_positional], command->name,
			command->usage);
	return 0;
}

int cli_args_parse(const struct cli_command *command, int argc, char *const argv[],
	struct cli_args *ret_args, struct err *err)
{
	bool only_words = false;
	int result = 0;

	*ret_args = (struct cli_args){.command = command, .values = {.free_value = free_strvec}};
	for (int i = 0; i < argc && result == 0; i++) {
		const char *word = argv[i];

		if (only_words || word[0] != '-' || !word[1])
			strvec_add(&ret_args->positional, word);
		else if (str_eq(word, "--"))
			only_words = true;
		else if (word[1] == '-')
			result = parse_long(ret_args, argc, argv, &i, err);
		else
			result = parse_short(ret_args, argc, argv, &i, err);
	}
	if (result == 0 && !ret_args->help)
		result = check_complete(ret_args, err);
	if (result < 0)
		cli_args_clear(ret_args);
	return result;
}

void cli_args_clear(struct cli_args *args)
{
	map_clear(&args->values);
	strvec_clear(&args->positional);
	*args = (struct cli_args){0};
}

const struct strvec *cli_list(const struct cli_args *args, const char *option)
{
	static const struct strvec none = STRVEC_INIT;
	const struct strvec *values = map_get(&args->values, option);

	return values ? values : &none;
}

const char *cli_value(const struct cli_args *args, const char *option)
{
	const struct strvec *values = cli_list(args, option);
	const struct cli_option *row;

	if (values->len)
		return values->items[values->len - 1];
	row = find_long(args->command, option, strlen(option));
	return row ? row->fallback : NULL;
}

bool cli_flag(const struct cli_args *args, const char *option)
{
	return str_eq(cli_value(args, option), "true");
}

__attribute__((format(printf, 2, 0))) static void say(struct cli *cli, const char *fmt, va_list ap)
{
	auto_free char *text = xvasprintf(fmt, ap);
	auto_free char *clean = str_clean_tail(text, strlen(text), 8192);

	fprintf(cli->err, "kubectl fondant: %s\n", clean);
}

int cli_fail(struct cli *cli, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(cli, fmt, ap);
	va_end(ap);
	return code;
}

int cli_usage(struct cli *cli, const struct cli_args *args, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(cli, fmt, ap);
	va_end(ap);
	fprintf(cli->err, "usage: kubectl fondant %s %s\n", args->command->name,
		args->command->usage);
	return CLI_USAGE;
}

#include "cli/help.h"

#include <string.h>
#include "base/buf.h"
#include "base/mem.h"

#define LEFT_WIDTH 30
#define WIDTH 88

static const char exit_codes[] =
	"Exit code: 0 all is well; 1 findings: the input is wrong, or what was asked for is not "
	"there; 2 wrong usage, or something could not be read, written or reached.";

char *help_option_left(const struct cli_option *option)
{
	struct buf left = BUF_INIT;

	if (option->letter)
		buf_addf(&left, "-%c, ", option->letter);
	else
		buf_adds(&left, "    ");
	buf_addf(&left, "--%s", option->name);
	if (option->argument)
		buf_addf(&left, " %s", option->argument);
	return buf_take(&left);
}

/* Words of text from column `indent` on, in lines of WIDTH; the cursor is at column `at`. */
static void wrap(const char *text, size_t indent, size_t at, FILE *out)
{
	bool first = true;

	while (*text) {
		size_t len = strcspn(text, " \n");

		if (len && !first && at + 1 + len > WIDTH) {
			fprintf(out, "\n%*s", (int)indent, "");
			at = indent;
			first = true;
		}
		if (len && !first) {
			fputc(' ', out);
			at++;
		}
		fwrite(text, 1, len, out);
		at += len;
		first = first && !len;
		text += len;
		if (text[0] == '\n' && text[1] == '\n') {
			fprintf(out, "\n\n%*s", (int)indent, "");
			at = indent;
			first = true;
		}
		text += strspn(text, " \n");
	}
	fputc('\n', out);
}

static void print_words(const struct cli_option *option, struct buf *text)
{
	if (!option->words)
		return;
	buf_adds(text, ": ");
	for (size_t i = 0; option->words[i]; i++)
		buf_addf(text, "%s%s", i ? "|" : "", option->words[i]);
}

static void print_option(const struct cli_option *option, FILE *out)
{
	auto_free char *left = help_option_left(option);
	auto_buf text = BUF_INIT;

	buf_adds(&text, option->help);
	print_words(option, &text);
	if (option->fallback)
		buf_addf(&text, " (default: %s)", option->fallback);
	if (option->type == CLI_LIST)
		buf_adds(&text, "; may be repeated");
	if (option->required)
		buf_adds(&text, "; required");
	fprintf(out, "  %-*s", LEFT_WIDTH - 2, left);
	if (strlen(left) > LEFT_WIDTH - 3)
		fprintf(out, "\n%*s", LEFT_WIDTH, "");
	wrap(buf_str(&text), LEFT_WIDTH, LEFT_WIDTH, out);
}

static void print_commands(const struct cli_command *const *commands, FILE *out)
{
	for (size_t i = 0; commands[i]; i++) {
		if (commands[i]->hidden)
			continue;
		fprintf(out, "  %-14s", commands[i]->name);
		wrap(commands[i]->summary, 16, 16, out);
	}
}

void help_program(FILE *out)
{
	fputs("kubectl fondant: pipelines of datasets on Kubernetes: check, compile and look "
	      "into them.\n\nUsage:\n  " CLI_PROGRAM " COMMAND [options]\n"
	      "  kubectl-fondant COMMAND [options]       without kubectl\n\nCommands:\n",
		out);
	print_commands(cli_commands, out);
	fputs("\nSee `" CLI_PROGRAM " COMMAND --help` for one of them.\n\n", out);
	wrap(exit_codes, 0, 0, out);
	wrap("Colours appear on a terminal only, and never when NO_COLOR is set.", 0, 0, out);
}

void help_command(const struct cli_command *command, const char *path, FILE *out)
{
	fprintf(out, "%s %s: ", CLI_PROGRAM, path);
	wrap(command->summary, 0, strlen(CLI_PROGRAM) + strlen(path) + 3, out);
	fprintf(out, "\nUsage:\n  %s %s %s\n\n", CLI_PROGRAM, path, command->usage);
	if (command->description) {
		wrap(command->description, 0, 0, out);
		fputc('\n', out);
	}
	if (command->subcommands) {
		fputs("Commands:\n", out);
		print_commands(command->subcommands, out);
	} else {
		static const struct cli_option help = {.name = "help",
			.letter = 'h',
			.type = CLI_FLAG,
			.help = "print this and exit"};

		fputs("Options:\n", out);
		for (size_t i = 0; command->options && command->options[i].name; i++)
			print_option(&command->options[i], out);
		print_option(&help, out);
	}
	if (command->examples)
		fputs("\nExamples:\n", out);
	for (size_t i = 0; command->examples && command->examples[i]; i += 2) {
		fprintf(out, "  %s %s\n      ", CLI_PROGRAM, command->examples[i]);
		wrap(command->examples[i + 1], 6, 6, out);
	}
	fputc('\n', out);
	wrap(exit_codes, 0, 0, out);
}

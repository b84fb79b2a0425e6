#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/mem.h"
#include "cli/help.h"

/* Text for troff: backslashes, leading dots and quotes, and - as it is. */
static void escape(const char *text, FILE *out)
{
	bool line_start = true;

	for (; *text; text++) {
		if (line_start && (*text == '.' || *text == '\''))
			fputs("\\&", out);
		if (*text == '\\')
			fputs("\\e", out);
		else if (*text == '-')
			fputs("\\-", out);
		else if (text[0] == '\n' && text[1] == '\n')
			fputs("\n.PP", out);
		else
			fputc(*text, out);
		line_start = *text == '\n';
	}
}

static void section(const char *name, FILE *out)
{
	fprintf(out, ".SH %s\n", name);
}

static void paragraph(const char *text, FILE *out)
{
	escape(text, out);
	fputc('\n', out);
}

static void page_option(const struct cli_option *option, FILE *out)
{
	fputs(".TP\n", out);
	if (option->letter)
		fprintf(out, "\\fB\\-%c\\fR, ", option->letter);
	fputs("\\fB\\-\\-", out);
	escape(option->name, out);
	fputs("\\fR", out);
	if (option->argument) {
		fputs(" \\fI", out);
		escape(option->argument, out);
		fputs("\\fR", out);
	}
	fputc('\n', out);
	escape(option->help, out);
	for (size_t i = 0; option->words && option->words[i]; i++)
		fprintf(out, "%s\\fB%s\\fR", i ? ", " : ": ", option->words[i]);
	if (option->fallback) {
		fputs(" (default: ", out);
		escape(option->fallback, out);
		fputc(')', out);
	}
	if (option->type == CLI_LIST)
		fputs("; may be repeated", out);
	if (option->required)
		fputs("; required", out);
	fputs(".\n", out);
}

static void page_name(const char *path, FILE *out)
{
	fputs(path && *path ? "kubectl\\-fondant\\-" : "kubectl\\-fondant", out);
	for (; path && *path; path++) {
		if (path[0] == ' ' || path[0] == '-')
			fputs("\\-", out);
		else
			fputc(*path, out);
	}
}

static void list_commands(const struct cli_command *const *commands, const char *path, FILE *out)
{
	for (size_t i = 0; commands[i]; i++) {
		auto_free char *below = NULL;

		if (commands[i]->hidden)
			continue;
		below = xasprintf("%s%s%s", path ? path : "", path ? " " : "", commands[i]->name);
		fputs(".TP\n\\fB", out);
		page_name(below, out);
		fputs("\\fR(1)\n", out);
		paragraph(commands[i]->summary, out);
	}
}

static void page_end(const struct cli_command *command, FILE *out)
{
	section("EXIT STATUS", out);
	fputs(".TP\n\\fB0\\fR\nAll is well.\n.TP\n\\fB1\\fR\nFindings: the input is wrong, or what "
	      "was asked for is not there.\n.TP\n\\fB2\\fR\nWrong usage, or something could not be "
	      "read, written or reached.\n",
		out);
	section("ENVIRONMENT", out);
	fputs(".TP\n\\fBNO_COLOR\\fR\nWhen it is set and not empty, nothing is coloured; without a "
	      "terminal nothing is, either.\n.TP\n\\fBKUBECONFIG\\fR\nKubeconfig files, separated "
	      "by colons, for the commands that talk to a cluster.\n",
		out);
	if (command) {
		section("SEE ALSO", out);
		fputs("\\fBkubectl\\-fondant\\fR(1)\n", out);
	}
}

static void page_examples(const struct cli_command *command, FILE *out)
{
	if (!command->examples)
		return;
	section("EXAMPLES", out);
	for (size_t i = 0; command->examples[i]; i += 2) {
		fputs(".TP\n\\fB" CLI_PROGRAM " ", out);
		escape(command->examples[i], out);
		fputs("\\fR\n", out);
		paragraph(command->examples[i + 1], out);
	}
}

void man_page(const struct cli_command *command, const char *path, FILE *out)
{
	fputs(".TH \"", out);
	page_name(path, out);
	fputs("\" 1 \"\" \"fondant-operator " FONDANT_VERSION "\" \"Fondant\"\n", out);
	section("NAME", out);
	page_name(path, out);
	fputs(" \\- ", out);
	paragraph(
		command ? command->summary : "check, compile and look into Fondant pipelines", out);
	section("SYNOPSIS", out);
	fputs("\\fB" CLI_PROGRAM, out);
	if (command)
		fprintf(out, " %s", path);
	fputs("\\fR ", out);
	paragraph(command ? command->usage : "COMMAND [options]", out);
	section("DESCRIPTION", out);
	if (!command) {
		paragraph(
			"Checks, compiles and explains pipelines of the Fondant operator. It works "
			"as a plugin of kubectl and alone, as kubectl-fondant.",
			out);
		section("COMMANDS", out);
		list_commands(cli_commands, NULL, out);
	} else {
		paragraph(command->description ? command->description : command->summary, out);
		if (command->subcommands) {
			section("COMMANDS", out);
			list_commands(command->subcommands, path, out);
		} else {
			section("OPTIONS", out);
			for (size_t i = 0; command->options && command->options[i].name; i++)
				page_option(&command->options[i], out);
			fputs(".TP\n\\fB\\-h\\fR, \\fB\\-\\-help\\fR\nPrint the usage and exit.\n",
				out);
		}
		page_examples(command, out);
	}
	page_end(command, out);
}

/* --- the hidden command ---------------------------------------------------------------------- */

static int write_page(
	struct cli *cli, const char *dir, const struct cli_command *command, const char *path)
{
	auto_free char *file_path = NULL;
	auto_buf name = BUF_INIT;
	FILE *file;
	int result;

	buf_adds(&name, "kubectl-fondant");
	for (const char *at = path; at && *at; at++) {
		if (at == path)
			buf_addc(&name, '-');
		buf_addc(&name, *at == ' ' ? '-' : *at);
	}
	file_path = xasprintf("%s/%s.1", dir, buf_str(&name));
	file = fopen(file_path, "we");
	if (!file)
		return cli_fail(cli, CLI_USAGE, "%s: %s", file_path, strerror(errno));
	man_page(command, path, file);
	result = ferror(file);
	if (fclose(file) != 0 || result)
		return cli_fail(cli, CLI_USAGE, "%s: cannot write: %s", file_path, strerror(errno));
	return CLI_OK;
}

static int write_pages(struct cli *cli, const char *dir, const struct cli_command *const *commands,
	const char *above)
{
	int code = CLI_OK;

	for (size_t i = 0; commands[i] && code == CLI_OK; i++) {
		auto_free char *path = NULL;

		if (commands[i]->hidden)
			continue;
		path = xasprintf("%s%s%s", above ? above : "", above ? " " : "", commands[i]->name);
		code = write_page(cli, dir, commands[i], path);
		if (code == CLI_OK && commands[i]->subcommands)
			code = write_pages(cli, dir, commands[i]->subcommands, path);
	}
	return code;
}

static int run(struct cli *cli, const struct cli_args *args)
{
	const char *dir = args->positional.items[0];
	int code = write_page(cli, dir, NULL, "");

	return code == CLI_OK ? write_pages(cli, dir, cli_commands, NULL) : code;
}

const struct cli_command cmd_man = {
	.name = "man",
	.summary = "write the man pages into a folder",
	.usage = "DIR",
	.min_positional = 1,
	.max_positional = 1,
	.complete = CLI_COMPLETE_DIR,
	.hidden = true,
	.run = run,
};

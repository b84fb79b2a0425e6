/* version and help. */
#include "base/mem.h"
#include "base/str.h"
#include "cli/help.h"
#include "cli/offer.h"
#include "compiler/compile.h"

static int run_version(struct cli *cli, const struct cli_args *args)
{
	static const char text[] = "kubectl-fondant " FONDANT_VERSION "\n";

	if (str_eq(cli_value(args, "output"), "json"))
		fputs("{\"compiler\":\"" COMPILER_FORMAT "\",\"version\":\"" FONDANT_VERSION
		      "\"}\n",
			cli->out);
	else
		fprintf(cli->out, "%sfrozen format " COMPILER_FORMAT "\n", text);
	return CLI_OK;
}

static const char *const version_formats[] = {"json", NULL};
static const struct cli_option version_options[] = {
	{.name = "output",
		.letter = 'o',
		.type = CLI_STRING,
		.argument = "FORMAT",
		.words = version_formats,
		.help = "how to print it"},
	{0},
};

const struct cli_command cmd_version = {
	.name = "version",
	.summary = "the version of this program and of the frozen spec it writes",
	.usage = "[-o json]",
	.options = version_options,
	.run = run_version,
};

static int run_help(struct cli *cli, const struct cli_args *args)
{
	const struct cli_command *const *commands = cli_commands;
	const struct cli_command *command = NULL;
	auto_free char *path = strvec_join(&args->positional, " ");

	if (!args->positional.len) {
		help_program(cli->out);
		return CLI_OK;
	}
	strvec_for_each (&args->positional, i) {
		command = commands ? cli_find(commands, args->positional.items[i]) : NULL;
		if (!command)
			return cli_fail(
				cli, CLI_USAGE, "unknown command \"%.100s\"; see --help", path);
		commands = command->subcommands;
	}
	help_command(command, path, cli->out);
	return CLI_OK;
}

const struct cli_command cmd_help = {
	.name = "help",
	.summary = "help for one of the commands",
	.usage = "[COMMAND...]",
	.max_positional = -1,
	.offer = offer_commands,
	.run = run_help,
};

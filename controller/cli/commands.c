#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "cli/cmd.h"
#include "cli/help.h"

const struct cli_command *const cli_commands[] = {
	&cmd_validate,
	&cmd_compile,
	&cmd_run,
	&cmd_status,
	&cmd_logs,
	&cmd_cancel,
	&cmd_explain,
	&cmd_components,
	&cmd_cache,
	&cmd_import,
	&cmd_completion,
	&cmd_version,
	&cmd_help,
	&cmd_man,
	NULL,
};

const struct cli_command *cli_find(const struct cli_command *const *commands, const char *name)
{
	for (size_t i = 0; commands[i]; i++) {
		if (str_eq(commands[i]->name, name))
			return commands[i];
	}
	return NULL;
}

static int unknown_command(
	struct cli *cli, const struct cli_command *const *commands, const char *name)
{
	const char *near = NULL;
	size_t best = 3;

	for (size_t i = 0; commands[i]; i++) {
		size_t distance = str_distance(commands[i]->name, name, best);

		if (!commands[i]->hidden && distance < best) {
			near = commands[i]->name;
			best = distance;
		}
	}
	cli_fail(cli, CLI_USAGE, "unknown command \"%.100s\"%s%s%s; see --help", name,
		near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
	return CLI_USAGE;
}

static bool is_help(const char *word)
{
	return str_eq(word, "--help") || str_eq(word, "-h");
}

/* From argv[0], the first word after the command's own path. */
static int run_command(struct cli *cli, const struct cli_command *command, const char *path,
	int argc, char *const argv[])
{
	struct cli_args args;
	auto_err err = ERR_INIT;
	int code;

	if (command->subcommands) {
		const struct cli_command *sub;
		auto_free char *below = NULL;

		if (argc == 0 || is_help(argv[0])) {
			help_command(command, path, argc == 0 ? cli->err : cli->out);
			return argc == 0 ? CLI_USAGE : CLI_OK;
		}
		sub = cli_find(command->subcommands, argv[0]);
		if (!sub)
			return unknown_command(cli, command->subcommands, argv[0]);
		below = xasprintf("%s %s", path, sub->name);
		return run_command(cli, sub, below, argc - 1, argv + 1);
	}
	if (cli_args_parse(command, argc, argv, &args, &err) < 0)
		return cli_fail(cli, CLI_USAGE, "%s: %s", path, err_message(&err));
	if (args.help) {
		help_command(command, path, cli->out);
		code = CLI_OK;
	} else {
		code = command->run(cli, &args);
	}
	cli_args_clear(&args);
	return code;
}

int cli_main(struct cli *cli, int argc, char *const argv[])
{
	const struct cli_command *command;

	if (argc < 2) {
		help_program(cli->err);
		return CLI_USAGE;
	}
	if (is_help(argv[1])) {
		help_program(cli->out);
		return CLI_OK;
	}
	if (str_eq(argv[1], "__complete")) {
		completion_answer(argc - 2, argv + 2, cli->out);
		return CLI_OK;
	}
	command = cli_find(cli_commands, str_eq(argv[1], "--version") ? "version" : argv[1]);
	if (!command)
		return unknown_command(cli, cli_commands, argv[1]);
	return run_command(cli, command, command->name, argc - 2, argv + 2);
}

/* --help, man pages and completion scripts, all from the command table. */
#ifndef CLI_HELP_H
#define CLI_HELP_H

#include <stdio.h>
#include "base/err.h"
#include "cli/cmd.h"

#define CLI_PROGRAM "kubectl fondant"

/* NULL when there is none of that name. */
const struct cli_command *cli_find(const struct cli_command *const *commands, const char *name);

/* The list of commands. */
void help_program(FILE *out);
/* path: the command with those above it, "cache ls". */
void help_command(const struct cli_command *command, const char *path, FILE *out);

/* "-o, --output FORMAT" or "    --name". Owned by the caller. */
char *help_option_left(const struct cli_option *option);

/* What the last word may become, a candidate a line with an optional "\t<description>", then
 * ":<directive>" as kubectl wants it; for `__complete`, which the scripts and
 * kubectl_complete-fondant call. argv: the words after the program's name. */
void completion_answer(int argc, char *const argv[], FILE *out);

/* Man pages, section 1: of the program (command NULL) or of one command. */
void man_page(const struct cli_command *command, const char *path, FILE *out);

#endif

/*
 * Commands of kubectl-fondant. One `struct cli_command` a command, made of constants, listed in
 * commands.c: parsing, --help, man pages and shell completion all come from it.
 *
 * To add one: `const struct cli_command cmd_x` in cmd_x.c, declared below, a row in commands.c.
 */
#ifndef CLI_CMD_H
#define CLI_CMD_H

#include <stdbool.h>
#include <stdio.h>
#include "base/err.h"
#include "base/map.h"
#include "base/vec.h"

/* Exit codes of every command. */
enum cli_exit {
	CLI_OK = 0,
	CLI_FINDINGS =
		1,     /* the input is wrong, or something is not there; said on stderr or stdout */
	CLI_USAGE = 2, /* wrong usage, or something could not be read, written or reached */
	CLI_INTERRUPTED = 130, /* cancelled by Ctrl-C */
};

/* Where a command reads and writes; never stdin, stdout and stderr themselves. */
struct cli {
	FILE *in, *out, *err;
	bool color_out, color_err; /* a terminal, and NO_COLOR is not set */
};

enum cli_option_type {
	CLI_FLAG,   /* --name, --name=true|false */
	CLI_STRING, /* --name VALUE; the last one counts */
	CLI_LIST,   /* may be repeated */
};

/* What a shell offers for a value or a positional argument. */
enum cli_complete { CLI_COMPLETE_NONE, CLI_COMPLETE_FILE, CLI_COMPLETE_DIR };

struct cli_option {
	const char *name; /* "output": --output */
	char letter;      /* 'o': -o; 0: none */
	enum cli_option_type type;
	const char *argument;     /* "FILE", in help; NULL for a flag */
	const char *const *words; /* the only values it takes, NULL-terminated; NULL: any */
	const char *fallback;     /* value when it is not given; NULL: none */
	enum cli_complete complete;
	bool required;
	const char *help; /* one sentence without a full stop */
};

struct cli_args;

struct cli_command {
	const char *name;
	const char *summary;     /* one line, lower case, without a full stop */
	const char *usage;       /* what follows the name: "-f FILE... [options]" */
	const char *description; /* paragraphs of plain text, "\n\n" between them */
	/* Pairs (command line without "kubectl fondant ", what it does), NULL-terminated. */
	const char *const *examples;
	const struct cli_option *options;             /* name NULL ends; NULL: none */
	int min_positional, max_positional;           /* max -1: any number */
	enum cli_complete complete;                   /* of the positional arguments */
	void (*offer)(struct strvec *ret_words);      /* words for them; NULL: none */
	const struct cli_command *const *subcommands; /* NULL-terminated; run is NULL then */
	bool hidden;                                  /* not in help, man pages and completion */
	/* Returns enum cli_exit. Findings and failures are said before. */
	int (*run)(struct cli *cli, const struct cli_args *args);
};

/* A parsed command line. */
struct cli_args {
	const struct cli_command *command;
	struct map values;        /* option name -> struct strvec * */
	struct strvec positional; /* in order */
	bool help;
};

/* NULL-terminated, in the order of help. */
extern const struct cli_command *const cli_commands[];
extern const struct cli_command cmd_validate, cmd_compile, cmd_explain, cmd_components, cmd_import,
	cmd_cache, cmd_run, cmd_status, cmd_logs, cmd_cancel, cmd_completion, cmd_man, cmd_version,
	cmd_help;

/* The last value given, else the option's fallback, else NULL. Borrowed. */
const char *cli_value(const struct cli_args *args, const char *option);
/* A flag that is on. */
bool cli_flag(const struct cli_args *args, const char *option);
/* All values in order; empty when none was given. Borrowed. */
const struct strvec *cli_list(const struct cli_args *args, const char *option);

/* argv[0] is the first word after the command's name. Class user, reason InvalidOption. */
int cli_args_parse(const struct cli_command *command, int argc, char *const argv[],
	struct cli_args *ret_args, struct err *err);
void cli_args_clear(struct cli_args *args);

/* The whole program: returns the exit code. argv[0] is the program's name. */
int cli_main(struct cli *cli, int argc, char *const argv[]);

/* "kubectl fondant: <message>" on stderr; returns code, so that failing is one line. */
int cli_fail(struct cli *cli, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Says that the option's value is wrong; returns CLI_USAGE. */
int cli_usage(struct cli *cli, const struct cli_args *args, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif

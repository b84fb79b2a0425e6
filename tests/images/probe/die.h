/*
 * The only way out with a failure: a message on standard error and an exit code, as the framework's
 * own process ends. A program of one short life may end anywhere.
 */
#ifndef PROBE_DIE_H
#define PROBE_DIE_H

/* What `fondant execute` ends with: 1 is a Python exception, 2 is argparse's refusal. */
enum exit_code { EXIT_EXCEPTION = 1, EXIT_USAGE = 2 };

/* Prints the message and ends the process with `code`. */
void die(enum exit_code code, const char *format, ...)
	__attribute__((format(printf, 2, 3), noreturn));

#endif

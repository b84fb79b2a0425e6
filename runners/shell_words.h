/*
 * A command line as a list of words, the way Compose reads a command that is one text: quotes and
 * backslashes as in a POSIX shell, and nothing else of a shell. Pure.
 * Source: compose-spec.io, "command"; POSIX.1-2017, Shell Command Language, 2.2 "Quoting".
 */
#ifndef RUNNERS_SHELL_WORDS_H
#define RUNNERS_SHELL_WORDS_H

#include <stdbool.h>
#include "base/vec.h"

/* Appends to ret_words; false where a quote is not closed or a backslash ends the text. */
bool shell_words(const char *text, struct strvec *ret_words);

#endif

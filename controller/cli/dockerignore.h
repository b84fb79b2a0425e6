/*
 * .dockerignore, by the rules of the Docker CLI (docs.docker.com/build/concepts/context, and
 * github.com/moby/patternmatcher, whose translation into regular expressions is followed): a
 * pattern a line; `#` in the first column is a comment; `!` makes an exception; blanks around, a
 * leading `/`, `.` and `..` are cleaned away; `*` and `?` stay within one name, `**` crosses
 * folders, `[a-z]` and `\` are as in Go's filepath.Match. A pattern that matches a folder matches
 * all below it; of several patterns that match the last decides.
 *
 * One difference: an excluded folder is looked into wherever an exception could match below it; the
 * CLI misses those of exceptions that begin with `**`.
 *
 * A match costs the length of the path times that of the patterns, whatever they are.
 */
#ifndef CLI_DOCKERIGNORE_H
#define CLI_DOCKERIGNORE_H

#include <stdbool.h>
#include <stddef.h>
#include "base/err.h"

#define DOCKERIGNORE_MAX ((size_t)1 << 20) /* bytes of one file */

struct dockerignore_pattern;

struct dockerignore {
	struct dockerignore_pattern *patterns;
	size_t len;
};

/* Class user, reason InvalidDockerignore: "<name>:<line>: <what>". */
int dockerignore_parse(const char *name, const char *text, size_t len,
	struct dockerignore *ret_ignore, struct err *err);
/* Adds an exception for exactly that path, after all that is there. */
void dockerignore_keep(struct dockerignore *ignore, const char *path);
void dockerignore_clear(struct dockerignore *ignore);

/* path: relative to the context, "a/b". */
bool dockerignore_excludes(const struct dockerignore *ignore, const char *path);
/* Whether something below an excluded folder may be kept. */
bool dockerignore_keeps_below(const struct dockerignore *ignore, const char *folder);

#endif

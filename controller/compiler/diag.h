/*
 * Compile diagnostics: what is wrong, where, what to do. Not errors: a list of all of them,
 * ordered by position in the document, same text in CLI, webhook and condition.
 */
#ifndef COMPILER_DIAG_H
#define COMPILER_DIAG_H

#include <stdbool.h>
#include <stddef.h>
#include "base/buf.h"

struct diag {
	char *path;         /* "spec.steps[1].arguments.min_words" */
	const char *reason; /* CamelCase constant: UnknownArgument, Cycle, NotYetSupported, ... */
	char *message;      /* what is wrong and what to do */
	bool waits;   /* cures itself when something appears (ComponentNotFound): not an error */
	bool warning; /* does not stop the freeze */
};

#define DIAG_MAX 200 /* more are counted, not kept */

struct diag_list {
	struct diag *items;
	size_t len;
	size_t cap;
	size_t dropped;
};

#define DIAG_LIST_INIT \
	{              \
		0      \
	}

void diag_add(struct diag_list *list, const char *path, const char *reason, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
void diag_add_waiting(struct diag_list *list, const char *path, const char *reason, const char *fmt,
	...) __attribute__((format(printf, 4, 5)));
void diag_add_warning(struct diag_list *list, const char *path, const char *reason, const char *fmt,
	...) __attribute__((format(printf, 4, 5)));

/* Errors that stop the freeze and wait for the user (neither waits nor warning). */
size_t diag_errors(const struct diag_list *list);
/* Things that are waited for. */
size_t diag_waits(const struct diag_list *list);

/* Into document order: by path, indexes as numbers, keys in byte order. Stable. */
void diag_sort(struct diag_list *list);

/* "path: message" lines joined by newlines, at most max bytes, then "... and N more". */
void diag_format(const struct diag_list *list, struct buf *out, size_t max);
void diag_list_clear(struct diag_list *list);

#define auto_diags __attribute__((cleanup(diag_list_clear))) struct diag_list

#endif

/*
 * fondant-merge --output URI INPUT...: one manifest of several, for a step that reads several
 * datasets. Runs before the step, in its pod, with its mounts and its credentials. Doing it again
 * gives the same.
 */
#ifndef MERGE_MERGE_H
#define MERGE_MERGE_H

#include <stddef.h>
#include "base/err.h"
#include "merge/store.h"

/* Inputs that are taken at most; API.md allows 32 steps in `from`. */
#define MERGE_MAX_INPUTS ((size_t)64)

int merge(struct store *store, const char *output, const char *const *inputs, size_t len,
	struct err *err);

/* The whole command: 0, 1 (could not, one line on stderr), 2 (usage). argv is NULL-terminated. */
int merge_command(
	int argc, char *const *argv, const char *(*get)(void *user, const char *name), void *user);

#endif

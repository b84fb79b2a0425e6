/*
 * Cache keys: SHA-256 over canonical JSON of all that can change what a step puts out, chained
 * along the datasets it reads. Names of steps, descriptions, tags, labels, resources, retries and
 * order do not count, so that cosmetic edits run nothing again.
 */
#ifndef COMPILER_CACHEKEY_H
#define COMPILER_CACHEKEY_H

#include <stddef.h>
#include "compiler/model.h"

/* Version of what goes into a key; raised when old results must not be reused. */
#define CACHEKEY_FORMAT "1"

/* Fills s->key; the steps it reads must have theirs. Returns how many bytes were hashed. */
size_t cachekey_compute(const struct compiler *m, struct step_model *s);

#endif

/*
 * Cache keys: SHA-256 over canonical JSON of all that can change what a step puts out, chained
 * along the datasets it reads: the image (its digest alone where that is known, so that tags and
 * mirrors do not count), what counts of the component, arguments, mappings, env, Python source and
 * requirements, inputPartitionRows, fromManifest, and the keys of the inputs in the order of
 * `from`. Names of steps, descriptions, tags, labels, resources, retries, secret arguments and
 * order do not count, so that cosmetic edits run nothing again.
 */
#ifndef COMPILER_CACHEKEY_H
#define COMPILER_CACHEKEY_H

#include <stddef.h>
#include "base/buf.h"
#include "compiler/model.h"

/* Version of what goes into a key; raised when old results must not be reused. */
#define CACHEKEY_FORMAT "2"

/* Fills s->key and s->key_waits; the steps it reads must have theirs. Returns how many bytes were
 * hashed. scratch is any buffer, used again and again. */
size_t cachekey_compute(const struct compiler *m, struct step_model *s, struct buf *scratch);

#endif

/*
 * Cache keys: SHA-256 over canonical JSON of all that can change what a step puts out, chained
 * along the datasets it reads: the image (its digest alone where that is known, so that tags and
 * mirrors do not count), what counts of the component (of an argument its type and default),
 * arguments, mappings, env, Python source and requirements, inputPartitionRows, fromManifest, and
 * the keys of the inputs in the order of `from`. A mapping's entry that says what the component
 * declares anyway counts as absent. Names of steps, descriptions, tags, labels, resources, retries,
 * secret arguments (nor what a Python step declares of them) and order do not count, so that
 * cosmetic edits run nothing again: env is sorted by name. The requirements keep their order, which
 * may matter to pip.
 */
#ifndef COMPILER_CACHEKEY_H
#define COMPILER_CACHEKEY_H

#include <stddef.h>
#include "base/buf.h"
#include "compiler/model.h"

/* Version of what goes into a key; raised when old results must not be reused. */
#define CACHEKEY_FORMAT "2"

/* Fills text, key_part and prose of a component. scratch is any buffer without a maximum that
 * matters, used again and again. */
void cachekey_component(struct component_info *info, struct buf *scratch);

/* The entries of what the executor gets that say more than the component declares; both in normal
 * form. New reference. */
json_t *cachekey_mapping(const json_t *mapping, const json_t *declared);

/* Fills s->key and s->key_waits; the steps it reads must have theirs. Returns how many bytes were
 * hashed. arguments is the canonical text of the step's. */
size_t cachekey_compute(const struct compiler *m, struct step_model *s, const char *arguments,
	size_t arguments_len, struct buf *scratch);

#endif

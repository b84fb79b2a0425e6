/*
 * The frozen spec (API.md "The frozen spec"): its text, written in canonical form member by member,
 * its hash, and the tree of it for those who ask. A tree made first and then dumped would cost
 * five times as much: the schema after every step repeats all fields before it.
 */
#ifndef COMPILER_FREEZE_H
#define COMPILER_FREEZE_H

#include "compiler/model.h"

/* Bytes of text that may be kept. */
size_t compile_max_text(const struct compile_input *in);

/* The model must be without errors. Adds SpecTooLarge instead of filling the output. */
void freeze(struct compiler *m, struct compile_output *output);

#endif

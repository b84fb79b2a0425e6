/* The frozen spec as a tree (API.md "The frozen spec"), and its text and hash. */
#ifndef COMPILER_FREEZE_H
#define COMPILER_FREEZE_H

#include "compiler/model.h"

/* The model must be without errors. Adds SpecTooLarge instead of filling the output. */
void freeze(struct compiler *m, struct compile_output *output);

#endif

/*
 * Arguments of a step against the `args` of its component, and the $(...) references in them.
 * What the executor would lose or misread is refused here (fondant-contract.md section 5).
 */
#ifndef COMPILER_ARGS_H
#define COMPILER_ARGS_H

#include <jansson.h>
#include "compiler/check.h"

/* The place of `c` is `arguments`; args is the component's map, NULL when it has none. */
void args_check(struct check *c, const json_t *args, const json_t *arguments);
/* The given ones, nulls dropped; new reference, to the same tree when there are none. */
json_t *args_normalize(const json_t *arguments);

/* Every string in the tree: $(parameters.x) and $(run.x) are not supported yet, other names are
 * errors, $$( stands for a plain $(. */
void refs_check(struct check *c, const json_t *value);
/* The tree with $$( turned into $(; new reference. */
json_t *refs_unescape(const json_t *value);

#endif

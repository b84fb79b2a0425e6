/*
 * Arguments of a step against the `args` of its component. What the executor would lose or misread
 * is refused here (fondant-contract.md section 5).
 */
#ifndef COMPILER_ARGS_H
#define COMPILER_ARGS_H

#include <jansson.h>
#include "compiler/check.h"
#include "compiler/refs.h"

struct args_given {
	const json_t *written; /* `arguments`; NULL: none */
	const json_t *values;  /* the same after refs_substitute; NULL: nothing was replaced */
	const json_t *secret;  /* `secretArguments`; NULL: none */
	const struct refs *refs;
};

/* The place of `c` is that of the step; args is the component's map, NULL when it has none. */
void args_check(struct check *c, const json_t *args, const struct args_given *given);
#endif

/*
 * Defaults of arguments in component files. The framework's executor hands a default to argparse,
 * which runs a text through the argument's type and leaves every other kind as it is.
 */
#ifndef COMPILER_DEFAULT_H
#define COMPILER_DEFAULT_H

#include <jansson.h>
#include "compiler/check.h"

/* Adds a diagnostic (InvalidDefault) where no argument of the type could have the value; the place
 * of `c` is that of the default. The text None and null are none; type may be anything. */
void default_check(struct check *c, const char *type, const json_t *value);

#endif

/*
 * Parameters of a pipeline ({name, type, default, description}) and what a run gives instead of
 * their defaults. Types: str int float bool list dict; an integer is accepted where float is
 * declared; a default of null is none, and then a run must give the value.
 */
#ifndef COMPILER_PARAMS_H
#define COMPILER_PARAMS_H

#include "compiler/model.h"
#include "compiler/refs.h"

/*
 * Checks spec.parameters and compile_input.parameters; fills m->parameters (name -> value, null
 * where there is none) and adds every usable one to refs. Findings about what a run gives have
 * paths below "FondantRun: spec.parameters[i]".
 */
void params_read(struct compiler *m, struct refs *refs);

/* "; remove the quotes" where the text, unquoted in YAML, would be of the type; else "". */
const char *params_quotes_hint(const char *text, const char *type);

#endif

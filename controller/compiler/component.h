/*
 * A component file (fondant_component.yaml) as the framework 0.12 understands it: checked, with
 * all findings. Source: reference/fondant-contract.md section 1.
 */
#ifndef COMPILER_COMPONENT_H
#define COMPILER_COMPONENT_H

#include <jansson.h>
#include <stdbool.h>
#include "compiler/check.h"
#include "compiler/diag.h"

/* Adds a diagnostic for everything the framework would refuse, paths below `path`. */
void component_check(const json_t *component, const char *path, struct diag_list *diags);
/* A name that an argument can have; adds a diagnostic at the place of `c` when it cannot. */
bool component_check_arg_name(struct check *c, const char *name);
/* The same of a Python step, whose arguments are those of a function: no keyword of Python. */
bool component_check_keyword(struct check *c, const char *name);
/* The component with its keys in the framework's order, empty maps dropped, all else kept; new
 * reference. Call only on a component that component_check accepted. */
json_t *component_normalize(const json_t *component);
/* consumes/produces is {additionalProperties: true}-like. */
bool component_is_generic(const json_t *mapping);

#endif

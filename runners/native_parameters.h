/* The parameters that a document of another tool declares, against those that its run gives. Pure.
 */
#ifndef RUNNERS_NATIVE_PARAMETERS_H
#define RUNNERS_NATIVE_PARAMETERS_H

#include <jansson.h>
#include <stdbool.h>
#include "compiler/diag.h"

/*
 * Findings are at "parameters": given and not declared, of another type, and declared without a
 * default and not given.
 * declared: name -> {"type": in the engine's words, "optional": it need not be given}.
 * given: name -> value; null: not yet. is_of: whether a value can be one of the type.
 */
void native_check_parameters(const json_t *declared, const json_t *given,
	bool (*is_of)(const json_t *value, const char *type), struct diag_list *diags);

#endif

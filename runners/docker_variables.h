/*
 * Variables of a compose file, "$rows" and "${rows:-100}", with what the pipeline's parameters give
 * for them. There is no shell whose environment would count. Pure.
 * Source: compose-spec.io, "Interpolation".
 */
#ifndef RUNNERS_DOCKER_VARIABLES_H
#define RUNNERS_DOCKER_VARIABLES_H

#include <jansson.h>
#include "compiler/check.h"

/*
 * The document with its variables replaced, in values and never in keys; a new reference, NULL with
 * findings (InvalidValue, UnknownVariable) where one cannot be. A text that is a number with what
 * was put in stays a text. Keys with "x-" at the top are left out.
 *
 * values: name -> value, a text as it is, anything else as JSON; null counts as not set.
 * ret_used: an object that gets, for each name that the document uses, {"type": "text",
 * "optional": it need not be given}, as native_check_parameters takes it.
 */
json_t *docker_variables_apply(
	struct check *c, const json_t *document, const json_t *values, json_t *ret_used);

/* The text with every $ as $$, so that no variable is seen in it. New reference. */
json_t *docker_variables_escape(const char *text);

#endif

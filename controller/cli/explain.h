/*
 * Why a cache key is what it is: the parts that go into it (compiler/cachekey.h), read off a frozen
 * spec, and where those of two frozen specs differ.
 */
#ifndef CLI_EXPLAIN_H
#define CLI_EXPLAIN_H

#include <jansson.h>
#include <stdbool.h>

/* The step of a frozen spec; borrowed, NULL when there is none. */
json_t *explain_step(const json_t *frozen, const char *name);
/* Its key, or the template of it. Borrowed, "" when there is none. */
const char *explain_key(const json_t *step);

/*
 * The parts of a step's key as a list of {part, value} in the order they are shown: image,
 * component.*, arguments.*, consumes.*, produces.*, ... New reference.
 */
json_t *explain_parts(const json_t *step);

/*
 * What differs from an earlier frozen spec: a list of {part, before, after} (absent: was not, or is
 * not there), and for an input {part, inputs: the same of that step}. Empty when the keys are the
 * same. New reference.
 */
json_t *explain_diff(
	const json_t *frozen, const json_t *step, const json_t *old_frozen, const json_t *old_step);

#endif

/*
 * Field mappings and the schema walk (API.md "Mappings"; fondant-contract.md section 2).
 *
 * Inner names are the component's, outer names the dataset's. The executor takes a mapping whose
 * values are either new names or types, and renames one field after another; what it could not
 * express is put into the specification it gets (`declare`), and what it would get wrong (a cycle
 * of renames) is an error here.
 */
#ifndef COMPILER_MAPPING_H
#define COMPILER_MAPPING_H

#include <jansson.h>
#include "base/vec.h"
#include "compiler/model.h"

/* Fills schema, op_*, declare_* and writes of the step from the step it reads. Steps before it
 * in topological order must have been walked. */
void mapping_walk(struct compiler *m, struct step_model *s);

/*
 * The order in which an executor must see the keys of an operation's mapping so that renaming one
 * after another gives what renaming all at once would: a -> b goes after b -> c. Keys borrowed
 * from the mapping are copied. The mapping has no cycles (the compiler refused them).
 */
void mapping_order(const json_t *mapping, struct strvec *ret_keys);

#endif

/*
 * Joins: a step that reads several datasets (API.md "Steps"). They must be of one index lineage.
 *
 * The lineage of a dataset is the step that made the index of its rows: the loader it goes back to,
 * the step that read it with fromManifest, or the last step on the way whose component renews the
 * index (previous_index). Every other step hands on the lineage of what it reads, filters included:
 * they drop rows, the others keep their index. Only within one lineage can rows be matched by it.
 */
#ifndef COMPILER_JOIN_H
#define COMPILER_JOIN_H

#include "compiler/model.h"

/* Whether backend and working directory can do it at all: UnsupportedJoin. At the step. */
void join_check_backend(struct compiler *m, const struct step_model *s);
/* The dataset of all that the step reads, in the order of its `from`: findings for other lineages
 * (IndexMismatch) and for a field that different steps made (FieldConflict). Owned by the caller;
 * NULL when one of them is not known. */
struct dataset *join_datasets(struct compiler *m, const struct step_model *s);

#endif

/* What -o json and -o yaml say of a run. */
#ifndef CLI_RUN_TREE_H
#define CLI_RUN_TREE_H

#include "runners/runner.h"

/* A step, with the names that it has in the status of a FondantRun; what is not known is left out.
 * A new reference. */
json_t *run_tree_step(const char *name, const struct step_state *step);

#endif

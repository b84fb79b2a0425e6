/* The shape of the objects that the compiler does not read: runs, backends, and what every object
 * of ours has around its spec. */
#ifndef CLI_SHAPE_H
#define CLI_SHAPE_H

#include "cli/workspace.h"

/* apiVersion, kind, metadata, spec; and the spec of FondantRun, FondantBackend, FondantComponent
 * and bare component files. */
void shape_check(const struct object *object, struct diag_list *diags);

#endif

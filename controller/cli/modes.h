/*
 * The two readers of component files: kubectl reads what stands inline in a manifest, the framework
 * reads its own files by PyYAML. Warns where one text means two things (DESIGN.md "Traps of the
 * libraries").
 */
#ifndef CLI_MODES_H
#define CLI_MODES_H

#include "cli/report.h"

/* The other reading of one source, made once for all its objects. */
struct modes {
	const struct source *source;
	struct doc_stream other;
	bool ok; /* it could be read that way */
};

/* Adds ReadsDifferently for each difference within a component of the object, and BooleanKey for a
 * step's field or argument whose name YAML took for a boolean. */
void modes_warn(struct modes *modes, struct report *report, const struct object *object);
void modes_clear(struct modes *modes);

#endif

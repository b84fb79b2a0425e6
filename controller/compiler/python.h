/*
 * component.python: the framework's lightweight component. From it a component is synthesised as
 * the framework does it (dataset/lightweight_component.py), but with the step's name; its source is
 * delivered byte for byte as main.py, of which `fondant execute main` takes the component class.
 */
#ifndef COMPILER_PYTHON_H
#define COMPILER_PYTHON_H

#include <jansson.h>
#include <stdbool.h>
#include "compiler/model.h"

#define PYTHON_MAX_SOURCE ((size_t)512 << 10) /* bytes */
#define PYTHON_MAX_REQUIREMENTS 128
#define PYTHON_MAX_REQUIREMENT 512 /* bytes of one */

/*
 * Checks `python`, which the current place of m->c is at, and adds all findings. Returns the
 * component (a component file's shape, still to be checked as such); new reference, NULL when there
 * is nothing to go on with: errors, or a source that does not exist yet (SourceNotFound, waits).
 * Fills s->python. pinned: the step's `python` in a frozen spec, whose source stands for that of
 * sourceFrom; NULL: none.
 */
json_t *python_component(
	struct compiler *m, struct step_model *s, const json_t *python, const json_t *pinned);

/* Which of the framework's base classes a source names: outside of strings and comments. */
struct python_bases {
	bool loads;      /* DaskLoadComponent */
	bool transforms; /* PandasTransformComponent or DaskTransformComponent */
	bool writes;     /* DaskWriteComponent */
};

struct python_bases python_bases(const json_t *source);

/* It reads no dataset: by the base class that the source names, and where that leaves it open
 * because the step says nothing that it could read. For a step without `consumes`; one that has it
 * (`{}`: nothing) says so itself. */
bool python_is_loader(struct python_bases bases, bool reads_nothing);
/* It leaves no dataset behind: DaskWriteComponent is the only one named. */
bool python_is_writer(struct python_bases bases);

/* "<ConfigMap>/<key>" of sourceFrom, NULL when there is none, it is not whole, or no ConfigMap can
 * have such a name or key. Owned. */
char *python_source_ref(const json_t *python);

#endif

/*
 * spec.native: a document that another tool compiled, instead of steps. Here it is read, and what
 * can be said without knowing the backend's language is said; its runner checks the rest and
 * submits it (runners/runner.h, compile).
 */
#ifndef COMPILER_NATIVE_H
#define COMPILER_NATIVE_H

#include <jansson.h>
#include <stdbool.h>
#include "compiler/model.h"

/*
 * Checks spec.native and the settings beside it that have no effect then, and fills m->native:
 * {"document", "format"}, as the frozen spec has it; a KubeflowIR's document is an array, of the
 * pipeline and maybe the platform's, any other an object. Nothing where spec.native is not given.
 */
void native_validate(struct compiler *m);

/* A backend of the kind takes documents of the format, in this release. */
bool native_fits(const char *format, const char *backend);

#endif

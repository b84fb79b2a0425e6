/*
 * A key of a ConfigMap of the pipeline's namespace, `configMapKeyRef: {name, key}`: text that is
 * read when a pipeline is frozen, and never later.
 */
#ifndef COMPILER_CONFIG_KEY_H
#define COMPILER_CONFIG_KEY_H

#include <jansson.h>
#include <stdbool.h>
#include "compiler/model.h"

/* Why compile_input.sources has an error for a key under a ConfigMap's binaryData. */
#define CONFIG_KEY_BINARY "it is under binaryData, and a source must be UTF-8 text under data"
/* Likewise for texts that together are more than is read. */
#define CONFIG_KEY_TOO_LARGE                                                                       \
	"the sources of this pipeline are over 2 MiB together, and a frozen spec holds less than " \
	"1 MiB; make them smaller or split the pipeline"

/* "<ConfigMap>/<key>" of a configMapKeyRef, as compile_input.sources has them; NULL when it is not
 * whole, or no ConfigMap can have such a name or key. Owned. */
char *config_key_ref(const json_t *key);

/* Its members are there and texts. The current place of m->c is that of `from`, which has the
 * member configMapKeyRef; findings are added below it. */
bool config_key_check(struct compiler *m, const json_t *from);
/*
 * After that: the text; borrowed, NULL with a finding: a name or key that no ConfigMap has, a text
 * that cannot be used, or one that is not there yet (SourceNotFound, waits). pinned: what a frozen
 * spec has for it, which stands before what the ConfigMap says now; NULL: none.
 */
json_t *config_key_text(struct compiler *m, const json_t *from, json_t *pinned);

#endif

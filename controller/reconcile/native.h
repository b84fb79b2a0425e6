/*
 * The backend's own document beside the frozen spec (API.md "The frozen spec"): a ConfigMap
 * "<frozen name>-native", compiled for the run id <frozen name> without cache hits. For people and
 * tools to read; what is submitted is the same function of (spec, run id, cached steps). Pure.
 */
#ifndef RECONCILE_NATIVE_H
#define RECONCILE_NATIVE_H

#include <jansson.h>
#include "compiler/diag.h"
#include "reconcile/backend.h"

/*
 * Of a frozen text that compile_pipeline has made. Appends what the backend cannot do to diags, at
 * paths of `spec` (FondantPipeline.spec). New reference; NULL where the backend keeps none, or
 * there are errors.
 */
json_t *native_document(const struct backend_choice *backend, const json_t *spec, const char *text,
	size_t len, const char *frozen_name, struct diag_list *diags);
/* "steps.<name>.<field>" of the findings from index `from` on become "spec.steps[i].<field>",
 * "native.document..." the member of spec.native that gave the document, with the rest in the
 * message, and "<field>" becomes "spec.<field>". */
void native_fix_paths(struct diag_list *diags, size_t from, const json_t *spec);

/* The ConfigMap to create; owner (stolen) is an ownerReference. New reference. */
json_t *native_map(const struct backend_choice *backend, const json_t *document,
	const char *frozen_name, const char *namespace_, const char *pipeline, json_t *owner);
/* The frozen spec's name that a ConfigMap belongs to: the name without "-native". Owned. */
char *native_base(const char *map_name);

/* The marks of the backend on the ConfigMap of a frozen spec; none for the implicit one. */
void backend_annotate(const struct backend_choice *backend, json_t *annotations);

#endif

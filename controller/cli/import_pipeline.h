/*
 * What the framework (0.12) compiled, as a FondantPipeline: its docker-compose file and its KFP IR
 * (Kubeflow and Vertex AI). Pure functions of the document. Everything that the framework writes is
 * kept; what cannot be said in a FondantPipeline is an error with its place, what is left out
 * because it has no effect here, or is changed on purpose, a warning.
 *
 * Shapes: reference/fondant-contract.md sections 5 and 6, reference/kfp-argo.md section B.
 */
#ifndef CLI_IMPORT_PIPELINE_H
#define CLI_IMPORT_PIPELINE_H

#include <jansson.h>
#include <stdbool.h>
#include "compiler/diag.h"
#include "doc/yaml.h"

struct import_options {
	const char *name; /* metadata.name; NULL: from the document */
	/* Python sources as they stand in the document, not as printf(1) of the container's shell
	 * would have written them. */
	bool written_source;
};

/* 0 with a new reference, or 1 when diags holds errors. Paths are those of the document. */
int import_compose(const json_t *doc, const struct import_options *options, json_t **ret_pipeline,
	struct diag_list *diags);
/* platform: the second document, or NULL. */
int import_kfp(const json_t *doc, const json_t *platform, const struct import_options *options,
	json_t **ret_pipeline, struct diag_list *diags);
/* Whichever of the two the stream is; its documents were read as PyYAML does. */
int import_stream(const struct doc_stream *stream, const struct import_options *options,
	json_t **ret_pipeline, struct diag_list *diags);

/* "a-b-2" of any text: an RFC 1123 label of at most max (≤ 63) bytes; "" when nothing is left.
 * Owned by the caller. */
char *import_label(const char *text, size_t max);

/*
 * The Python source and the requirements in the script of a lightweight component (sh -ec SCRIPT).
 * 0; or 1 when it is not such a script, or its shell would fail, with *ret_why (owned).
 * written: without what printf does to `%` and `\`. *ret_changed: printf changes the text.
 */
int import_script(const char *script, bool written, char **ret_source, char **ret_requirements,
	bool *ret_changed, char **ret_why);

#endif

/*
 * A pipeline specification of KFP (IR, schema 2.x) that another tool compiled: what can be said of
 * it before it is submitted. A real server compiles it again and may know more; what is found here
 * would fail there, with less to go by (kfp-argo.md A.2: 500 for an IR it cannot compile). Pure.
 */
#ifndef RUNNERS_KFP_NATIVE_H
#define RUNNERS_KFP_NATIVE_H

#include <jansson.h>
#include "compiler/diag.h"

/*
 * Findings are at `path` ("native.document[0]"), those about parameters at "parameters".
 * parameters: name -> value that the run gives; null: not yet.
 */
void kfp_native_check(
	const json_t *ir, const char *path, const json_t *parameters, struct diag_list *diags);

#endif

/*
 * A pipeline definition of SageMaker (version 2020-12-01) that another tool compiled: what can be
 * said of it before it is sent, and the parameters it is started with. Pure. Source:
 * cloud-backends.md 1.3.
 */
#ifndef RUNNERS_SAGEMAKER_NATIVE_H
#define RUNNERS_SAGEMAKER_NATIVE_H

#include <jansson.h>
#include "compiler/diag.h"

/*
 * Findings are at "native.document...", those about parameters at "parameters".
 * parameters: name -> value that the run gives; null: not yet.
 */
void sagemaker_native_check(
	const json_t *definition, const json_t *parameters, struct diag_list *diags);

/* [{"Name", "Value"}] of StartPipelineExecution: what is given, as text; and the role for a
 * parameter RoleArn that the definition declares and nobody gives. role may be NULL. New reference.
 */
json_t *sagemaker_native_parameters(
	const json_t *definition, const json_t *parameters, const char *role);

#endif

/*
 * A frozen spec as a definition of Amazon SageMaker Pipelines, version 2020-12-01: a step is a
 * Processing step, whose Arguments are a CreateProcessingJob request without ProcessingJobName.
 * Pure. Limits are those of the service model sagemaker/2017-07-24.
 *
 * The document is
 *
 *   {"pipelineName": "<namespace>-<pipeline>-<8 hex>",
 *    "definition": {"Version": "2020-12-01", "Metadata": {}, "Parameters": [...], "Steps": [...]},
 *    "uploads": [{"uri": "s3://...", "text": "..."}]}
 *
 * and its uploads are to be in S3 before the pipeline starts. RoleArn is a pipeline parameter
 * without default, to be given with every start.
 *
 * A step gets exactly the argv of compiler/argv.h. Where each of its words is printable ASCII of 1
 * to 256 bytes and there are at most 100, they stand in AppSpecification; else, and for every
 * Python step, a bash script carries them (sagemaker_script.h). The image must then have bash.
 */
#ifndef RUNNERS_SAGEMAKER_DEFINITION_H
#define RUNNERS_SAGEMAKER_DEFINITION_H

#include <jansson.h>
#include "compiler/diag.h"
#include "compiler/spec.h"
#include "runners/runner.h"

#define SAGEMAKER_INSTANCE_TYPE                                           \
	"ml.t3.medium" /* where neither the step nor the backend says one \
			*/
#define SAGEMAKER_VOLUME_GB 30

/* runner.compile: *ret_native is NULL where there are errors, each with the path
 * "steps.<name>.<field>". */
void sagemaker_compile(const struct native_input *in, json_t **ret_native, struct diag_list *diags);

/* [A-Za-z0-9](-*[A-Za-z0-9]){0,255}, and another one for another pipeline. Owned by the caller. */
char *sagemaker_pipeline_name(const char *namespace_, const char *pipeline);

#endif

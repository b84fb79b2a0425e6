#include "compiler/compile.h"
#include "runners/runner.h"
#include "runners/sagemaker_definition.h"

/*
 * podTemplate, accelerator and what stands with them in the feature bits pass the compiler only to
 * be refused by sagemaker_check with advice of this backend's own.
 */
const struct runner runner_sagemaker = {
	.name = "sagemaker",
	.summary = "one processing job per step of an Amazon SageMaker pipeline",
	.features = BACKEND_POD_TEMPLATE | BACKEND_ENV | BACKEND_RETRY | BACKEND_TIMEOUT |
		    BACKEND_ACCELERATOR | BACKEND_INSTANCE_TYPE | BACKEND_PYTHON |
		    BACKEND_RESOURCES,
	.document = "sagemaker.json",
	.whole = true,
	.outside = true,
	.compile = sagemaker_compile,
};

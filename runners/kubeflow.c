/*
 * Kubeflow Pipelines: the document. An array of one or two, as a file has them behind each other:
 * the pipeline specification, and the platform's where something needs it. serviceAccountName is
 * no part of it: it goes with the request that starts the run.
 */
#include "compiler/compile.h"
#include "runners/kfp_argv.h"
#include "runners/kfp_ir.h"
#include "runners/runner.h"

static const struct kfp_dialect dialect = {
	.title = "Kubeflow Pipelines",
	.platform = true,
	/* Servers up to 2.17 give it to their driver, a program, as one argument. */
	.container_max = KFP_WORD_MAX,
	.container_limit_why = "Kubeflow Pipelines takes at most 131071 (one argument of a program "
			       "on Linux)",
	.requests = true,
};

static void kubeflow_compile(
	const struct native_input *in, json_t **ret_native, struct diag_list *diags)
{
	json_t *pipeline, *platform;

	kfp_ir_build(in, &dialect, &pipeline, &platform, diags);
	kfp_check_size(in->spec, pipeline, platform, diags);
	*ret_native = json_pack("[o]", pipeline);
	if (platform)
		json_array_append_new(*ret_native, platform);
}

const struct runner runner_kubeflow = {
	.name = "kubeflow",
	.summary = "Kubeflow Pipelines, IR 2.1.0",
	.features = BACKEND_RESOURCES | BACKEND_POD_TEMPLATE | BACKEND_ENV | BACKEND_RETRY |
		    BACKEND_TIMEOUT | BACKEND_LOCAL_PATHS | BACKEND_ACCELERATOR |
		    BACKEND_INSTANCE_TYPE | BACKEND_SECRET_ARGUMENTS | BACKEND_PYTHON,
	.document = "kubeflow.yaml",
	.outside = true,
	.compile = kubeflow_compile,
};

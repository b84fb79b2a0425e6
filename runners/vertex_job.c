#include "runners/vertex_job.h"

#include <string.h>
#include "base/digest.h"
#include "base/mem.h"
#include "base/str.h"
#include "compiler/compile.h"
#include "doc/json.h"
#include "doc/path.h"
#include "runners/kfp_ir.h"
#include "runners/kfp_native.h"
#include "runners/vertex_settings.h"

#define NAME_MAX_LEN 128 /* of displayName */

/* aiplatform.v1.AcceleratorType. */
static const char *const accelerators[] = {"NVIDIA_TESLA_T4", "NVIDIA_L4", "NVIDIA_TESLA_K80",
	"NVIDIA_TESLA_P100", "NVIDIA_TESLA_V100", "NVIDIA_TESLA_P4", "NVIDIA_TESLA_A100",
	"NVIDIA_A100_80GB", "NVIDIA_H100_80GB", "NVIDIA_H100_MEGA_80GB", "NVIDIA_H200_141GB",
	"NVIDIA_B200", "NVIDIA_GB200", "NVIDIA_RTX_PRO_6000", "TPU_V2", "TPU_V3", "TPU_V4_POD",
	"TPU_V5_LITEPOD", NULL};

static const struct kfp_dialect dialect = {
	.title = "Vertex AI",
	.cpu_max = 96,
	.memory_max = 624e9,
	.accelerators = accelerators,
};

static void check_pipeline(const struct frozen_spec *spec, struct diag_list *diags)
{
	if (json_object_get(spec->json, "podTemplate"))
		diag_add(diags, "podTemplate", "UnsupportedSetting",
			"Vertex AI has no pods that can be changed; remove it");
	if (json_object_get(spec->json, "serviceAccountName"))
		diag_add(diags, "serviceAccountName", "UnsupportedSetting",
			"is a service account of Kubernetes; Vertex AI runs as the one that the "
			"FondantBackend names");
	if (spec->max_parallel)
		diag_add(diags, "maxParallelSteps", "UnsupportedSetting",
			"Vertex AI starts every step that can start; remove it");
	if (spec->working_directory[0] == '/')
		diag_add(diags, "workingDirectory", "UnsupportedSetting",
			"Vertex AI mounts no volumes; give a URI such as gs://bucket/folder");
}

/* [a-z0-9_-]{0,63}; a changed one ends in 8 hex of the text's SHA-256. New reference. */
static json_t *label_value(const char *text)
{
	char hex[DIGEST_HEX_SIZE];
	auto_free char *copy = xstrdup(text);
	auto_free char *cut = NULL;

	for (char *c = copy; *c; c++) {
		if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789_-", *c))
			*c = '-';
	}
	if (str_eq(copy, text) && strlen(text) <= VERTEX_LABEL_MAX_LEN)
		return json_string(text);
	digest_sha256_hex(text, strlen(text), hex);
	cut = xasprintf("%.*s-%.8s", VERTEX_LABEL_MAX_LEN - 9, copy, hex);
	return json_string(cut);
}

static json_t *labels_of(const struct frozen_spec *spec, const char *run_id)
{
	char hex[DIGEST_HEX_SIZE];
	auto_free char *hash = xstrndup(frozen_spec_hash(spec, hex), VERTEX_LABEL_MAX_LEN);
	json_t *labels = json_object();

	json_object_set_new(labels, "fondant-pipeline", label_value(spec->pipeline));
	json_object_set_new(labels, VERTEX_LABEL_RUN, label_value(run_id));
	json_object_set_new(labels, "fondant-spec", label_value(hash));
	return labels;
}

static json_t *runtime_config(const struct frozen_spec *spec)
{
	json_t *config = json_pack("{s:s}", "failurePolicy",
		spec->fail_fast ? "PIPELINE_FAILURE_POLICY_FAIL_FAST"
				: "PIPELINE_FAILURE_POLICY_FAIL_SLOW");

	/* Else the backend's pipelineRoot (vertex_settings.c). */
	if (str_starts_with(spec->working_directory, "gs://"))
		json_object_set_new(
			config, "gcsOutputDirectory", json_string(spec->working_directory));
	return config;
}

/* --- what another tool compiled --- */

/* The values that the job runs with: the document's own, and the pipeline's over them. New
 * reference. */
static json_t *native_values(const struct frozen_spec *spec, const json_t *job)
{
	const json_t *own = doc_get(job, "runtimeConfig.parameterValues");
	json_t *values = json_is_object(own) ? json_copy((json_t *)own) : json_object();

	json_object_update(values, json_object_get(spec->json, "parameters"));
	return values;
}

static void check_native(const json_t *document, const json_t *values, struct diag_list *diags)
{
	if (json_object_get(document, "pipelineSpec"))
		kfp_native_check(json_object_get(document, "pipelineSpec"),
			"native.document.pipelineSpec", values, diags);
	else
		diag_add(diags, "native.document", "InvalidDocument",
			"a PipelineJob has the pipeline under `pipelineSpec`; what the kfp "
			"compiler "
			"writes goes there, and templateUri is not supported");
	if (json_object_get(document, "runtimeConfig") &&
		!json_is_object(json_object_get(document, "runtimeConfig")))
		diag_add(
			diags, "native.document.runtimeConfig", "InvalidDocument", "must be a map");
	if (json_object_get(document, "labels") &&
		!json_is_object(json_object_get(document, "labels")))
		diag_add(diags, "native.document.labels", "InvalidDocument", "must be a map");
	vertex_labels_check(json_object_get(document, "labels"), "native.document.labels", diags);
}

/* A PipelineJob with our labels and the run's values; else as it is. New reference. */
static json_t *native_job(const struct native_input *in, struct diag_list *diags)
{
	const struct frozen_spec *spec = in->spec;
	const json_t *document = json_object_get(spec->native, "document");
	json_t *job = json_copy((json_t *)document), *values = native_values(spec, document);
	const json_t *labels = json_object_get(document, "labels");
	const json_t *runtime = json_object_get(document, "runtimeConfig");
	json_t *config = json_is_object(runtime) ? json_copy((json_t *)runtime) : json_object();
	json_t *marks = json_is_object(labels) ? json_copy((json_t *)labels) : json_object();
	auto_json *own = labels_of(spec, in->run_id);

	check_native(document, values, diags);
	json_object_update(marks, own);
	json_object_set_new(config, "parameterValues", values);
	json_object_set_new(job, "labels", marks);
	json_object_set_new(job, "runtimeConfig", config);
	if (!json_object_get(job, "displayName"))
		json_object_set_new(
			job, "displayName", json_sprintf("%.*s", NAME_MAX_LEN, in->run_id));
	return job;
}

void vertex_job_compile(const struct native_input *in, json_t **ret_native, struct diag_list *diags)
{
	const struct frozen_spec *spec = in->spec;
	auto_free char *name = xasprintf("%.*s", NAME_MAX_LEN, in->run_id);
	json_t *pipeline;

	if (spec->native) {
		*ret_native = native_job(in, diags);
		vertex_settings_apply(in->settings, true, *ret_native, diags);
		return;
	}
	check_pipeline(spec, diags);
	kfp_ir_build(in, &dialect, &pipeline, NULL, diags);
	kfp_check_size(spec, pipeline, NULL, diags);
	*ret_native = json_pack("{s:s, s:o, s:o, s:o}", "displayName", name, "labels",
		labels_of(spec, in->run_id), "pipelineSpec", pipeline, "runtimeConfig",
		runtime_config(spec));
	vertex_settings_apply(in->settings, false, *ret_native, diags);
}

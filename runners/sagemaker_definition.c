#include "runners/sagemaker_definition.h"

#include <ctype.h>
#include <string.h>
#include "base/digest.h"
#include "base/image_ref.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/vec.h"
#include "compiler/argv.h"
#include "doc/canon.h"
#include "doc/json.h"
#include "doc/path.h"
#include "runners/remote.h"
#include "runners/sagemaker_check.h"
#include "runners/sagemaker_native.h"
#include "runners/sagemaker_script.h"

#define MAX_DEFINITION ((size_t)1 << 20) /* bytes of PipelineDefinition */
#define MAX_WORDS 100                    /* ContainerEntrypoint and ContainerArguments, each */
#define NAME_STEM_MAX 200

/* --- names --- */

char *sagemaker_pipeline_name(const char *namespace_, const char *pipeline)
{
	auto_free char *stem = xasprintf("%s-%s", namespace_, pipeline);
	size_t len = strnlen(stem, NAME_STEM_MAX), from = 0;
	char hex[DIGEST_HEX_SIZE];

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)stem[i];

		if (c >= 0x80 || !isalnum(c))
			stem[i] = '-';
	}
	while (from < len && stem[from] == '-')
		from++;
	while (len > from && stem[len - 1] == '-')
		len--;
	digest_sha256_parts(hex, namespace_, pipeline, (char *)NULL);
	return xasprintf("%.*s%s%.8s", (int)(len - from), stem + from, len > from ? "-" : "", hex);
}

/* "repository[:tag]" or "repository@digest", never both. Owned by the caller. */
static char *image_uri(const char *image)
{
	auto_image_ref ref = {0};

	if (image_ref_parse(image, &ref, NULL) < 0 || !ref.digest)
		return xstrdup(image);
	return image_ref_pinned(&ref, ref.digest);
}

/* --- what the container runs --- */

static bool fits(const struct strvec *words)
{
	if (words->len < 1 || words->len > MAX_WORDS)
		return false;
	strvec_for_each (words, i) {
		const char *word = words->items[i];
		size_t len = strlen(word);

		if (len < 1 || len > SAGEMAKER_MAX_STRING)
			return false;
		for (; *word; word++) {
			if (*word < ' ' || *word > '~')
				return false;
		}
	}
	return true;
}

static json_t *list_of(const struct strvec *words)
{
	json_t *list = json_array();

	strvec_for_each (words, i)
		json_array_append_new(list, json_string(words->items[i]));
	return list;
}

/* The one input of a job: the folder with its script. */
static json_t *code_input(const char *folder)
{
	auto_free char *uri = xasprintf("%s/", folder);

	return json_pack("[{s:s, s:b, s:{s:s, s:s, s:s, s:s, s:s, s:s}}]", "InputName", "code",
		"AppManaged", 0, "S3Input", "S3Uri", uri, "LocalPath", SAGEMAKER_CODE_FOLDER,
		"S3DataType", "S3Prefix", "S3InputMode", "File", "S3DataDistributionType",
		"FullyReplicated", "S3CompressionType", "None");
}

struct document {
	const struct native_input *in;
	const struct frozen_spec *spec;
	const char *run_id;
	json_t *uploads;
	struct diag_list *diags;
};

/* AppSpecification, and ProcessingInputs where a script carries the words. */
static void put_program(struct document *doc, const struct spec_step *step, json_t *arguments)
{
	auto_strvec command = STRVEC_INIT;
	auto_strvec args = STRVEC_INIT;
	auto_free char *input = remote_input_manifest(doc->in, (int)(step - doc->spec->steps));
	auto_free char *image = image_uri(step->image);
	auto_free char *folder = NULL;
	json_t *app = json_pack("{s:s}", "ImageUri", image);

	json_object_set_new(arguments, "AppSpecification", app);
	argv_build(doc->spec, step, doc->run_id, 1, input, &command, &args);
	if (!step->python && fits(&command) && fits(&args)) {
		json_object_set_new(app, "ContainerEntrypoint", list_of(&command));
		json_object_set_new(app, "ContainerArguments", list_of(&args));
		return;
	}
	strvec_for_each (&args, i)
		strvec_add(&command, args.items[i]);
	sagemaker_check_words(step, &command, doc->diags);
	folder = sagemaker_script_upload(doc->spec, step, &command, doc->uploads);
	json_object_set_new(
		app, "ContainerEntrypoint", json_pack("[s, s]", "bash", SAGEMAKER_CODE_SCRIPT));
	json_object_set_new(arguments, "ProcessingInputs", code_input(folder));
}

/* --- the rest of a step --- */

static void put_environment(
	const struct frozen_spec *spec, const struct spec_step *step, json_t *arguments)
{
	json_t *map = json_object(), *item;
	size_t i;

	json_array_foreach (json_object_get(step->json, "env"), i, item) {
		const json_t *value = json_object_get(item, "value");

		json_object_set_new(map, doc_str_or(item, "name", ""),
			value ? argv_expand(spec, value) : json_string(""));
	}
	if (json_object_size(map))
		json_object_set(arguments, "Environment", map);
	json_decref(map);
}

/* Those of the step and of its job; a kind of exception may stand in one policy only. */
static json_t *retry_policies(const struct spec_retry *retry)
{
	return json_pack("[{s:[s, s], s:I, s:f, s:i}, {s:[s, s, s], s:I, s:f, s:i}]",
		"ExceptionType", "Step.SERVICE_FAULT", "Step.THROTTLING", "IntervalSeconds",
		(json_int_t)retry->initial_s, "BackoffRate", retry->factor, "MaxAttempts",
		retry->limit, "ExceptionType", "SageMaker.JOB_INTERNAL_ERROR",
		"SageMaker.CAPACITY_ERROR", "SageMaker.RESOURCE_LIMIT", "IntervalSeconds",
		(json_int_t)retry->initial_s, "BackoffRate", retry->factor, "MaxAttempts",
		retry->limit);
}

static json_t *build_arguments(struct document *doc, const struct spec_step *step)
{
	const char *usual = doc_str_or(doc->in->settings, "instanceType", SAGEMAKER_INSTANCE_TYPE);
	json_t *arguments = json_pack("{s:{s:{s:s, s:i, s:i}}}", "ProcessingResources",
		"ClusterConfig", "InstanceType", doc_str_or(step->json, "instanceType", usual),
		"InstanceCount", 1, "VolumeSizeInGB", SAGEMAKER_VOLUME_GB);

	put_program(doc, step, arguments);
	put_environment(doc->spec, step, arguments);
	json_object_set_new(arguments, "RoleArn", json_pack("{s:s}", "Get", "Parameters.RoleArn"));
	if (step->timeout_s > 0)
		json_object_set_new(arguments, "StoppingCondition",
			json_pack("{s:I}", "MaxRuntimeInSeconds", (json_int_t)step->timeout_s));
	return arguments;
}

static json_t *build_step(struct document *doc, const struct spec_step *step)
{
	json_t *out = json_pack("{s:s, s:s}", "Name", step->name, "Type", "Processing");
	json_t *after = json_array();

	for (int i = 0; i < step->needs_len; i++) {
		if (!remote_is_cached(doc->in, step->needs[i]))
			json_array_append_new(
				after, json_string(doc->spec->steps[step->needs[i]].name));
	}
	json_object_set_new(out, "Arguments", build_arguments(doc, step));
	if (json_array_size(after))
		json_object_set(out, "DependsOn", after);
	if (step->retry.limit > 0)
		json_object_set_new(out, "RetryPolicies", retry_policies(&step->retry));
	json_decref(after);
	return out;
}

/* --- the document --- */

static void check_size(const json_t *definition, struct diag_list *diags)
{
	auto_free char *text = canon_str(definition, CANON_COMPACT_ORDERED);

	if (strlen(text) > MAX_DEFINITION)
		diag_add(diags, "steps", "SpecTooLarge",
			"the pipeline definition is %zu bytes, SageMaker takes %zu; make two "
			"pipelines of it",
			strlen(text), MAX_DEFINITION);
}

/* What another tool compiled, under our name for the pipeline. */
static void compile_native(const struct native_input *in, const char *name, json_t **ret_native,
	struct diag_list *diags)
{
	json_t *definition = json_object_get(in->spec->native, "document");
	size_t before = diag_errors(diags);

	sagemaker_native_check(definition, json_object_get(in->spec->json, "parameters"), diags);
	check_size(definition, diags);
	if (diag_errors(diags) == before)
		*ret_native = json_pack("{s:s, s:O, s:[]}", "pipelineName", name, "definition",
			definition, "uploads");
}

void sagemaker_compile(const struct native_input *in, json_t **ret_native, struct diag_list *diags)
{
	const struct frozen_spec *spec = in->spec;
	auto_free char *name = sagemaker_pipeline_name(spec->namespace_, spec->pipeline);
	auto_json *steps = json_array();
	auto_json *uploads = json_array();
	auto_json *definition = NULL;
	struct document doc = {
		.in = in, .spec = spec, .run_id = in->run_id, .uploads = uploads, .diags = diags};
	size_t before = diag_errors(diags);

	*ret_native = NULL;
	if (spec->native) {
		compile_native(in, name, ret_native, diags);
		return;
	}
	sagemaker_check(spec, diags);
	if (diag_errors(diags) > before)
		return;
	for (int i = 0; i < spec->steps_len; i++) {
		if (!remote_is_cached(in, i))
			json_array_append_new(steps, build_step(&doc, &spec->steps[i]));
	}
	definition = json_pack("{s:s, s:{}, s:[{s:s, s:s}], s:O}", "Version", "2020-12-01",
		"Metadata", "Parameters", "Name", "RoleArn", "Type", "String", "Steps", steps);
	check_size(definition, diags);
	if (diag_errors(diags) > before)
		return;
	*ret_native = json_pack("{s:s, s:O, s:O}", "pipelineName", name, "definition", definition,
		"uploads", uploads);
}

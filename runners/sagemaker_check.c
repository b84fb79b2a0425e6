#include "runners/sagemaker_check.h"

#include <ctype.h>
#include <string.h>
#include "base/image_ref.h"
#include "base/mem.h"
#include "base/str.h"
#include "compiler/argv.h"
#include "doc/json.h"
#include "doc/path.h"

#define MAX_IMAGE 255
#define MAX_URI 1024
#define URI_REST 100 /* of what lies below the working directory: sagemaker_script.c */
#define MAX_WORD ((size_t)(128 << 10) - 1) /* MAX_ARG_STRLEN without the NUL */
#define MAX_WORDS ((size_t)1536 << 10)     /* a quarter of the usual stack, less the environment */

char *sagemaker_path(const struct spec_step *step, const char *field)
{
	return xasprintf("steps.%s.%s", step->name, field);
}

size_t sagemaker_length(const char *text)
{
	size_t len = strlen(text), units = 0;

	while (len > 0) {
		uint32_t code_point = 0;
		size_t used = str_utf8_next(text, len, &code_point);

		used = used ? used : 1;
		units += code_point > 0xffff ? 2 : 1;
		text += used;
		len -= used;
	}
	return units;
}

/* --- what has no place in a definition --- */

struct refusal {
	const char *field, *reason, *message;
};

static const struct refusal of_pipelines[] = {
	{"podTemplate", "UnsupportedSetting", "SageMaker has no pods; remove it"},
	{"serviceAccountName", "UnsupportedSetting",
		"SageMaker has no service accounts: a run has the rights of its IAM role; remove "
		"it"},
	{"maxParallelSteps", "UnsupportedSetting",
		"a pipeline definition cannot limit how many steps run at once; remove it"},
	{"failurePolicy", "UnsupportedSetting",
		"SageMaker itself decides what goes on after a failure; remove it"},
	{"timeout", "UnsupportedSetting",
		"a pipeline definition has no time limit of a whole run; set `timeout` of the "
		"steps"},
};

static const struct refusal of_steps[] = {
	{"accelerator", "UnsupportedSetting",
		"accelerators come with the machine on SageMaker; remove it and choose an "
		"instanceType that has them, such as ml.g5.xlarge (NVIDIA A10G) or "
		"ml.p3.2xlarge (NVIDIA V100)"},
	{"resources", "UnsupportedSetting",
		"a step has a whole machine on SageMaker; remove it and choose an instanceType "
		"that is large enough"},
	{"podTemplate", "UnsupportedSetting", "SageMaker has no pods; remove it"},
	{"pendingTimeout", "UnsupportedSetting",
		"SageMaker does not limit how long a job waits for its machine; remove it"},
	{"secretArguments", "UnsupportedSecretArgument",
		"SageMaker would show them as plain text; let the component read the secret "
		"itself, for example from AWS Secrets Manager"},
};

static void check_pipeline(const struct frozen_spec *spec, struct diag_list *diags)
{
	for (size_t i = 0; i < array_size(of_pipelines); i++) {
		if (json_object_get(spec->json, of_pipelines[i].field))
			diag_add(diags, of_pipelines[i].field, of_pipelines[i].reason, "%s",
				of_pipelines[i].message);
	}
	if (!str_starts_with(spec->working_directory, "s3://"))
		diag_add(diags, "workingDirectory", "UnsupportedSetting",
			"SageMaker works on S3 only; give s3://bucket/folder in place of `%.100s`",
			spec->working_directory);
	if (sagemaker_length(spec->working_directory) > MAX_URI - URI_REST)
		diag_add(diags, "workingDirectory", "ArgumentTooLong",
			"an S3 URI has at most %d characters on SageMaker, and what lies below "
			"needs %d of them",
			MAX_URI, URI_REST);
}

static void check_refused(const struct spec_step *step, struct diag_list *diags)
{
	for (size_t i = 0; i < array_size(of_steps); i++) {
		auto_free char *path = sagemaker_path(step, of_steps[i].field);

		if (json_object_get(step->json, of_steps[i].field))
			diag_add(diags, path, of_steps[i].reason, "%s", of_steps[i].message);
	}
}

/* --- image --- */

/* "<12 digits>.dkr.ecr.<region>.<suffix>", with -fips, or "<12 digits>.dkr-ecr.<region>.on.aws". */
static bool is_private_ecr(const char *host)
{
	static const char *const services[] = {
		".dkr.ecr.", ".dkr.ecr-fips.", ".dkr-ecr.", ".dkr-ecr-fips."};
	const char *region = NULL;

	if (strspn(host, "0123456789") != 12)
		return false;
	for (size_t i = 0; i < array_size(services); i++) {
		if (str_starts_with(host + 12, services[i]))
			region = host + 12 + strlen(services[i]);
	}
	return region && *region != '.' && strchr(region, '.') && !strchr(region, ':');
}

static void check_image(const struct spec_step *step, struct diag_list *diags)
{
	auto_free char *path = sagemaker_path(step, "component");
	auto_image_ref ref = {0};
	auto_err err = ERR_INIT;

	if (image_ref_parse(step->image, &ref, &err) < 0) {
		diag_add(diags, path, "InvalidImage", "%s", err_message(&err));
	} else if (!is_private_ecr(ref.host)) {
		bool mirrored = str_eq(ref.host, "docker.io") || str_eq(ref.host, "quay.io") ||
				str_eq(ref.host, "public.ecr.aws") || str_eq(ref.host, "ghcr.io");

		diag_add(diags, path, "UnsupportedImage",
			"SageMaker pulls images from a private Amazon ECR registry only, and "
			"`%.200s` is on %.100s: %s, and name "
			"<account>.dkr.ecr.<region>.amazonaws.com/<repository>",
			step->image, ref.host,
			mirrored ? "copy it there, or reach it through an ECR pull-through cache "
				   "rule"
				 : "copy it there");
	} else if (strlen(step->image) > MAX_IMAGE) {
		diag_add(diags, path, "UnsupportedImage",
			"the name of an image has at most %d characters on SageMaker, `%.60s...` "
			"has %zu",
			MAX_IMAGE, step->image, strlen(step->image));
	}
}

/* --- machine and environment --- */

static void check_instance_type(const struct spec_step *step, struct diag_list *diags)
{
	const char *type = doc_str(step->json, "instanceType");
	auto_free char *path = sagemaker_path(step, "instanceType");
	const char *rest = type && str_starts_with(type, "ml.") ? type + 3 : NULL;

	if (!type)
		return;
	if (!rest || !isalnum((unsigned char)*rest) || !strchr(rest, '.') ||
		strspn(rest, "abcdefghijklmnopqrstuvwxyz0123456789.-") != strlen(rest))
		diag_add(diags, path, "UnsupportedSetting",
			"`%.63s` is not an instance type of SageMaker; they are written "
			"ml.<family>.<size>, such as ml.t3.medium or ml.g5.xlarge",
			type);
}

static bool is_variable_name(const char *name)
{
	if (!isalpha((unsigned char)*name) && *name != '_')
		return false;
	while (isalnum((unsigned char)*name) || *name == '_')
		name++;
	return !*name;
}

static void check_variable(const struct frozen_spec *spec, const json_t *item, const char *path,
	struct diag_list *diags)
{
	const char *name = doc_str_or(item, "name", "");
	auto_json *value = argv_expand(spec, json_object_get(item, "value"));

	if (json_object_get(item, "valueFrom"))
		diag_add(diags, path, "UnsupportedSetting",
			"SageMaker cannot read a variable from an object of the cluster; give "
			"`value`, or let the component read the secret itself");
	if (!is_variable_name(name))
		diag_add(diags, path, "UnsupportedSetting",
			"`%.80s` is not the name of a variable on SageMaker: letters, digits and "
			"_, not beginning with a digit",
			name);
	if (strlen(name) > SAGEMAKER_MAX_STRING)
		diag_add(diags, path, "ArgumentTooLong",
			"the name of a variable has at most %d characters on SageMaker",
			SAGEMAKER_MAX_STRING);
	if (json_is_string(value) &&
		sagemaker_length(json_string_value(value)) > SAGEMAKER_MAX_STRING)
		diag_add(diags, path, "ArgumentTooLong",
			"the value of `%.80s` has %zu characters, SageMaker takes %d; pass it as "
			"an argument, which may be longer",
			name, sagemaker_length(json_string_value(value)), SAGEMAKER_MAX_STRING);
}

static void check_env(
	const struct frozen_spec *spec, const struct spec_step *step, struct diag_list *diags)
{
	const json_t *env = json_object_get(step->json, "env");
	auto_free char *path = sagemaker_path(step, "env");
	json_t *item;
	size_t i;

	if (json_array_size(env) > SAGEMAKER_MAX_ENV)
		diag_add(diags, path, "UnsupportedSetting",
			"SageMaker takes at most %d variables, there are %zu", SAGEMAKER_MAX_ENV,
			json_array_size(env));
	json_array_foreach (env, i, item) {
		auto_free char *at = xasprintf("%s[%zu]", path, i);

		check_variable(spec, item, at, diags);
	}
}

/* --- data, time, retry --- */

static void check_input(const struct spec_step *step, struct diag_list *diags)
{
	auto_free char *from = sagemaker_path(step, "from");
	auto_free char *manifest = sagemaker_path(step, "fromManifest");

	if (step->from_len > 1)
		diag_add(diags, from, "UnsupportedJoin",
			"SageMaker cannot join the datasets of several steps; read one of them, "
			"or use a backend that runs on Kubernetes");
	if (step->from_manifest && *step->from_manifest == '/')
		diag_add(diags, manifest, "UnsupportedSetting",
			"SageMaker cannot reach a local path; give a URI");
}

static void check_timeout(const struct spec_step *step, struct diag_list *diags)
{
	auto_free char *path = sagemaker_path(step, "timeout");

	if (step->timeout_s > SAGEMAKER_MAX_RUNTIME_S)
		diag_add(diags, path, "UnsupportedSetting",
			"a processing job of SageMaker runs five days (120h) at most; give less, "
			"or split the step");
}

/* Whether some wait among the retries would be longer than max. */
static bool backoff_exceeds(const struct spec_retry *retry, int64_t max_s)
{
	double wait = (double)retry->initial_s;

	for (int i = 1; i < retry->limit && wait <= (double)max_s; i++)
		wait *= retry->factor;
	return wait > (double)max_s;
}

static void check_retry(const struct spec_step *step, struct diag_list *diags)
{
	const json_t *retry = json_object_get(step->json, "retry");
	auto_free char *limit = sagemaker_path(step, "retry.limit");
	auto_free char *on = sagemaker_path(step, "retry.on");
	auto_free char *initial = sagemaker_path(step, "retry.backoff.initial");
	auto_free char *max = sagemaker_path(step, "retry.backoff.max");

	if (step->retry.limit == 0)
		return;
	if (step->retry.limit > SAGEMAKER_MAX_ATTEMPTS)
		diag_add(diags, limit, "UnsupportedSetting", "SageMaker retries at most %d times",
			SAGEMAKER_MAX_ATTEMPTS);
	if (json_object_get(retry, "on"))
		diag_add(diags, on, "UnsupportedSetting",
			"SageMaker retries faults of its own only (no machine to be had, "
			"throttling, internal errors), never a container that failed; remove `on`, "
			"and `limit` counts those");
	else
		diag_add_warning(diags, limit, "UnsupportedSetting",
			"SageMaker retries faults of its own only (no machine to be had, "
			"throttling, internal errors), never a container that failed");
	if (step->retry.initial_s < 1 || step->retry.initial_s > SAGEMAKER_MAX_INTERVAL_S)
		diag_add(diags, initial, "UnsupportedSetting",
			"the first wait is 1s to 12h on SageMaker");
	if (doc_get(retry, "backoff.max") && backoff_exceeds(&step->retry, step->retry.max_s))
		diag_add(diags, max, "UnsupportedSetting",
			"SageMaker does not limit the wait between attempts, and it would grow "
			"over this; lower limit, factor or initial, or remove max");
}

void sagemaker_check(const struct frozen_spec *spec, struct diag_list *diags)
{
	check_pipeline(spec, diags);
	for (int i = 0; i < spec->steps_len; i++) {
		const struct spec_step *step = &spec->steps[i];

		check_refused(step, diags);
		check_image(step, diags);
		check_instance_type(step, diags);
		check_env(spec, step, diags);
		check_input(step, diags);
		check_timeout(step, diags);
		check_retry(step, diags);
	}
}

/* --- words --- */

/* The argument that words[i] belongs to; owned by the caller. */
static char *argument_of(const struct strvec *words, size_t i)
{
	const char *flag = words->items[i];

	if (!str_starts_with(flag, "--") && i > 0)
		flag = words->items[i - 1];
	if (str_starts_with(flag, "--"))
		flag += 2;
	if (str_eq(flag, "operation_spec"))
		return xstrdup("component");
	return xasprintf("arguments.%.*s", (int)strcspn(flag, "="), flag);
}

void sagemaker_check_words(
	const struct spec_step *step, const struct strvec *words, struct diag_list *diags)
{
	auto_free char *all = sagemaker_path(step, "arguments");
	size_t total = 0;

	strvec_for_each (words, i) {
		size_t len = strlen(words->items[i]);
		auto_free char *field = len > MAX_WORD ? argument_of(words, i) : NULL;
		auto_free char *path = field ? sagemaker_path(step, field) : NULL;

		total += len + 1 + sizeof(char *);
		if (path)
			diag_add(diags, path, "ArgumentTooLong",
				"is %zu bytes long for the program, and Linux takes %zu in one "
				"argument; let the component read it from a file",
				len, MAX_WORD);
	}
	if (total > MAX_WORDS)
		diag_add(diags, all, "ArgumentTooLong",
			"are %zu bytes together for the program, and Linux takes %zu; let the "
			"component read them from a file",
			total, MAX_WORDS);
}

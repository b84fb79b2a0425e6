#include "runners/kfp_ir.h"

#include <stdarg.h>
#include <string.h>
#include "base/digest.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/vec.h"
#include "doc/canon.h"
#include "doc/json.h"
#include "doc/path.h"
#include "runners/kfp_argv.h"
#include "runners/kfp_platform.h"
#include "runners/kfp_resources.h"
#include "runners/remote.h"

#define SCHEMA_VERSION "2.1.0"
#define SDK_VERSION "kfp-2.17.0" /* what readers know; some look at the number */
#define OWN_PREFIX "fondant-"
#define NAME_MAX_LEN 63

void kfp_refuse(struct kfp_step *at, const char *field, const char *reason, const char *fmt, ...)
{
	auto_free char *path = xasprintf("steps.%s.%s", at->step->name, field);
	auto_free char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	diag_add(at->diags, path, reason, "%s", text);
}

/* --- names --- */

/* The nodes that the engine adds to a run have such names. */
static bool is_reserved(const char *name)
{
	return str_eq(name, "root") || str_eq(name, "executor") || str_eq(name, "entrypoint") ||
	       str_ends_with(name, "-driver") || str_starts_with(name, "system-") ||
	       str_starts_with(name, OWN_PREFIX);
}

char *kfp_task_name(const char *step)
{
	return xasprintf("%s%s", is_reserved(step) ? OWN_PREFIX : "", step);
}

char *kfp_pipeline_name(const char *pipeline)
{
	char hex[DIGEST_HEX_SIZE];
	auto_free char *name =
		xasprintf("%s%s", *pipeline >= 'a' && *pipeline <= 'z' ? "" : "p-", pipeline);
	size_t len = strlen(name);

	for (char *c = name; *c; c++) {
		if (!(*c >= 'a' && *c <= 'z') && !(*c >= '0' && *c <= '9'))
			*c = '-';
	}
	if (str_eq(name, pipeline) && len <= NAME_MAX_LEN && name[len - 1] != '-')
		return take_ptr(name);
	digest_sha256_hex(pipeline, strlen(pipeline), hex);
	len = strnlen(name, NAME_MAX_LEN - 9);
	while (len > 1 && name[len - 1] == '-')
		len--;
	return xasprintf("%.*s-%.8s", (int)len, name, hex);
}

/* --- a step --- */

static char *seconds(int64_t s)
{
	return xasprintf("%llds", (long long)s);
}

static json_t *retry_policy(const struct spec_retry *retry)
{
	auto_free char *initial = seconds(retry->initial_s);
	auto_free char *max = seconds(retry->max_s);

	return json_pack("{s:i, s:s, s:f, s:s}", "maxRetryCount", retry->limit, "backoffDuration",
		initial, "backoffFactor", retry->factor, "backoffMaxDuration", max);
}

static void check_retry(struct kfp_step *at)
{
	const struct spec_retry *retry = &at->step->retry;

	if (retry->limit <= 0)
		return;
	if (!retry->on_error || !retry->on_oom || !retry->on_timeout)
		kfp_refuse(at, "retry.on", "UnsupportedSetting",
			"%s retries whatever the failure is; leave `on` out", at->dialect->title);
	if (at->spec->working_directory[0] == '/')
		kfp_refuse(at, "retry.limit", "UnsupportedSetting",
			"%s starts a retry with the same arguments, and on a volume the folder "
			"that the first attempt left stops it; use an object store as working "
			"directory or leave retry out",
			at->dialect->title);
}

static json_t *task_of(
	const struct native_input *in, const struct spec_step *step, const char *component)
{
	auto_free char *name = kfp_task_name(step->name);
	auto_strvec needs = STRVEC_INIT;
	json_t *task =
		json_pack("{s:{}, s:{s:s}}", "cachingOptions", "componentRef", "name", component);

	for (int i = 0; i < step->needs_len; i++) {
		if (!remote_is_cached(in, step->needs[i]))
			strvec_take(&needs, kfp_task_name(in->spec->steps[step->needs[i]].name));
	}
	strvec_sort(&needs);
	if (needs.len) {
		json_t *list = json_array();

		strvec_for_each (&needs, i)
			json_array_append_new(list, json_string(needs.items[i]));
		json_object_set_new(task, "dependentTasks", list);
	}
	if (step->retry.limit > 0)
		json_object_set_new(task, "retryPolicy", retry_policy(&step->retry));
	json_object_set_new(task, "taskInfo", json_pack("{s:s}", "name", name));
	return task;
}

/* Which field made the container too large. */
static const char *largest_field(const struct spec_step *step)
{
	auto_free char *arguments =
		canon_str(json_object_get(step->json, "arguments"), CANON_COMPACT);
	const json_t *source = json_object_get(step->python, "source");

	return source && json_string_length(source) > strlen(arguments) ? "component.python.source"
									: "arguments";
}

static void check_container(struct kfp_step *at, const json_t *container)
{
	auto_free char *text = canon_str(container, CANON_COMPACT);
	size_t max = at->dialect->container_max;

	if (max && strlen(text) > max)
		kfp_refuse(at, largest_field(at->step), "ArgumentTooLong",
			"makes the container %zu bytes of JSON, and %s; put it into a file of the "
			"image or of the working directory",
			strlen(text), at->dialect->container_limit_why);
}

static void check_settings(struct kfp_step *at)
{
	if (at->step->from_len > 1)
		kfp_refuse(at, "from", "UnsupportedJoin",
			"%s cannot read several steps in one; join them on backend kubernetes",
			at->dialect->title);
	if (at->step->pending_timeout_s)
		kfp_refuse(at, "pendingTimeout", "UnsupportedSetting",
			"%s has no place for it; remove it", at->dialect->title);
	if (strstr(at->step->image, "{{") || strchr(at->step->image, '$'))
		kfp_refuse(at, "component.image", "InvalidImage",
			"`%s` is not a reference of an image", at->step->image);
	check_retry(at);
}

/* Without a platform document. */
static void check_plain(struct kfp_step *at)
{
	const json_t *item;
	size_t i;

	if (json_object_get(at->step->json, "podTemplate"))
		kfp_refuse(at, "podTemplate", "UnsupportedSetting",
			"%s has no pods that can be changed; remove it", at->dialect->title);
	json_array_foreach (json_object_get(at->step->json, "env"), i, item) {
		auto_free char *field = xasprintf("env[%zu].valueFrom", i);

		if (json_object_get(item, "valueFrom"))
			kfp_refuse(at, field, "UnsupportedSetting",
				"%s reads no Secrets and ConfigMaps of the cluster; give a value",
				at->dialect->title);
	}
}

struct parts {
	json_t *components, *executors, *tasks, *platform;
};

static void add_step(struct kfp_step *at, const struct native_input *in, const struct parts *parts)
{
	int index = (int)(at->step - in->spec->steps);
	auto_free char *input = remote_input_manifest(in, index);
	struct kfp_argv argv = {.spec = in->spec,
		.step = at->step,
		.run_id = in->run_id,
		.attempt = 1,
		.input_manifest = input};
	auto_free char *task = kfp_task_name(at->step->name);
	auto_free char *component = xasprintf("comp-%s", task);
	auto_free char *executor = xasprintf("exec-%s", task);
	auto_json *of_template = NULL;
	json_t *resources = json_object_get(at->step->json, "resources");
	json_t *container = json_pack("{s:s, s:[{s:s, s:s}]}", "image", at->step->image, "env",
		"name", "DASK_DIAGNOSTICS_PORT", "value", "");

	check_settings(at);
	if (at->dialect->platform) {
		json_t *config = kfp_platform_step(at, container, &of_template);

		if (json_object_size(config))
			json_object_set(parts->platform, executor, config);
		json_decref(config);
	} else {
		check_plain(at);
	}
	kfp_argv_apply(&argv, container);
	kfp_resources_apply(at, json_object_size(resources) ? resources : of_template, container);
	check_container(at, container);
	json_object_set_new(
		parts->components, component, json_pack("{s:s}", "executorLabel", executor));
	json_object_set_new(parts->executors, executor, json_pack("{s:o}", "container", container));
	json_object_set_new(parts->tasks, task, task_of(in, at->step, component));
}

/* --- the documents --- */

static void finish_platform(const struct frozen_spec *spec, const struct kfp_dialect *dialect,
	json_t *executors, json_t **ret_platform)
{
	auto_json *kubernetes = json_object();

	if (!dialect->platform || !ret_platform)
		return;
	*ret_platform = NULL;
	if (json_object_size(executors))
		json_object_set_new(
			kubernetes, "deploymentSpec", json_pack("{s:O}", "executors", executors));
	if (spec->timeout_s) {
		auto_free char *text = xasprintf("%lld", (long long)spec->timeout_s);

		json_object_set_new(kubernetes, "pipelineConfig",
			json_pack("{s:s}", "activeDeadlineSeconds", text));
	}
	if (json_object_size(kubernetes))
		*ret_platform = json_pack("{s:{s:O}}", "platforms", "kubernetes", kubernetes);
}

void kfp_ir_build(const struct native_input *in, const struct kfp_dialect *dialect,
	json_t **ret_pipeline, json_t **ret_platform, struct diag_list *diags)
{
	const struct frozen_spec *spec = in->spec;
	auto_free char *name = kfp_pipeline_name(spec->pipeline);
	auto_json *platform = json_object();
	struct parts parts = {json_object(), json_object(), json_object(), platform};

	for (int i = 0; i < spec->steps_len; i++) {
		struct kfp_step at = {dialect, spec, &spec->steps[i], diags};

		if (!remote_is_cached(in, i))
			add_step(&at, in, &parts);
	}
	finish_platform(spec, dialect, platform, ret_platform);
	*ret_pipeline = json_pack("{s:o, s:{s:o}, s:{s:s}, s:{s:{s:o}}, s:s, s:s}", "components",
		parts.components, "deploymentSpec", "executors", parts.executors, "pipelineInfo",
		"name", name, "root", "dag", "tasks", parts.tasks, "schemaVersion", SCHEMA_VERSION,
		"sdkVersion", SDK_VERSION);
}

static size_t size_of(const json_t *json)
{
	auto_free char *text = json ? canon_str(json, CANON_COMPACT) : NULL;

	return text ? strlen(text) : 0;
}

void kfp_check_size(const struct frozen_spec *spec, const json_t *pipeline, const json_t *platform,
	struct diag_list *diags)
{
	size_t total = size_of(pipeline) + size_of(platform), largest = 0;
	const json_t *executors = doc_get(pipeline, "deploymentSpec.executors");
	const char *step = "";

	if (total <= KFP_DOCUMENT_MAX)
		return;
	for (int i = 0; i < spec->steps_len; i++) {
		auto_free char *task = kfp_task_name(spec->steps[i].name);
		auto_free char *executor = xasprintf("exec-%s", task);
		size_t size = size_of(json_object_get(executors, executor));

		if (size > largest) {
			largest = size;
			step = spec->steps[i].name;
		}
	}
	diag_add(diags, "steps", "SpecTooLarge",
		"the document is %zu bytes and may be %zu; the largest part is step %s with %zu "
		"bytes",
		total, KFP_DOCUMENT_MAX, step, largest);
}

#include "runners/kubernetes_job.h"

#include <ctype.h>
#include <string.h>
#include "base/buf.h"
#include "base/digest.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/vec.h"
#include "compiler/args.h"
#include "compiler/argv.h"
#include "doc/json.h"
#include "doc/path.h"
#include "runners/kubernetes_template.h"

#define LABEL_MAX 63
#define NAME_STEM_MAX 54

char *kubernetes_run_label(const char *run_name)
{
	char hex[DIGEST_HEX_SIZE];

	if (strlen(run_name) <= LABEL_MAX)
		return xstrdup(run_name);
	digest_sha256_hex(run_name, strlen(run_name), hex);
	return xasprintf("%.*s-%.8s", NAME_STEM_MAX, run_name, hex);
}

char *kubernetes_job_name(const char *run_name, const char *run_uid, const char *step, int attempt)
{
	auto_free char *number = xasprintf("%d", attempt);
	auto_free char *stem = xasprintf("%s-%s", run_name, step);
	char hex[DIGEST_HEX_SIZE];
	size_t len = strnlen(stem, NAME_STEM_MAX);

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)stem[i];

		stem[i] = (char)(isalnum(c) && c < 0x80 ? tolower(c) : '-');
	}
	while (len > 0 && stem[len - 1] == '-')
		len--;
	digest_sha256_parts(hex, run_uid, step, number, (char *)NULL);
	return xasprintf("%.*s-%.8s", (int)len, stem, hex);
}

/* --- the pod --- */

/* The kubelet expands $(VAR) and turns $$ into $: doubled, every $ arrives as it is. Owned. */
static char *escape_dollars(const char *s)
{
	struct buf text = BUF_INIT;

	for (; *s; s++) {
		if (*s == '$')
			buf_addc(&text, '$');
		buf_addc(&text, *s);
	}
	return buf_take(&text);
}

static json_t *escaped_list(const struct strvec *values)
{
	json_t *list = json_array();

	strvec_for_each (values, i) {
		auto_free char *text = escape_dollars(values->items[i]);

		json_array_append_new(list, json_string(text));
	}
	return list;
}

/* env of a step: literal values are the user's text, not the kubelet's. New reference. */
static json_t *step_env(const json_t *env)
{
	json_t *copy = json_deep_copy(env), *item;
	size_t i;

	json_array_foreach (copy, i, item) {
		auto_json *plain = refs_unescape(json_object_get(item, "value"));
		auto_free char *text = NULL;

		if (!json_is_string(plain))
			continue;
		text = escape_dollars(json_string_value(plain));
		json_object_set_new(item, "value", json_string(text));
	}
	return copy;
}

/* What every pod has unless a podTemplate says otherwise. */
static json_t *default_pod(const struct kubernetes_job *what)
{
	json_t *pod = json_pack(
		"{s:b, s:b, s:{s:{s:s}}, s:[{s:s, s:{s:b, s:{s:[s]}}, s:[{s:s, s:s}]}]}",
		"automountServiceAccountToken", 0, "enableServiceLinks", 0, "securityContext",
		"seccompProfile", "type", "RuntimeDefault", "containers", "name",
		KUBERNETES_CONTAINER, "securityContext", "allowPrivilegeEscalation", 0,
		"capabilities", "drop", "ALL", "env", "name", "DASK_DIAGNOSTICS_PORT", "value", "");
	const char *account = doc_str(what->run->spec->json, "serviceAccountName");

	if (what->run_as_non_root)
		doc_set_new(pod, "securityContext.runAsNonRoot", json_true());
	if (account)
		json_object_set_new(pod, "serviceAccountName", json_string(account));
	return pod;
}

static json_t *main_container(const json_t *pod)
{
	json_t *container;
	size_t i;

	json_array_foreach (json_object_get(pod, "containers"), i, container) {
		if (str_eq(doc_str(container, "name"), KUBERNETES_CONTAINER))
			return container;
	}
	return NULL;
}

/* "<workingDirectory>/<datasetName>/<ref>/manifest.json", NULL for a step that reads none. */
static char *input_manifest(const struct kubernetes_job *what)
{
	const struct frozen_spec *spec = what->run->spec;

	if (!what->input_ref)
		return NULL;
	return xasprintf("%s/%s/%s/manifest.json", spec->working_directory, spec->dataset_name,
		what->input_ref);
}

/* What no podTemplate decides. */
static void fill_main(const struct kubernetes_job *what, json_t *container)
{
	const struct spec_step *step = &what->run->spec->steps[what->step];
	auto_strvec command = STRVEC_INIT;
	auto_strvec args = STRVEC_INIT;
	auto_free char *input = input_manifest(what);
	auto_json *env = step_env(json_object_get(step->json, "env"));
	json_t *resources = json_object_get(step->json, "resources");

	argv_build(what->run->spec, step, what->run->run_id, what->attempt, input, &command, &args);
	json_object_set_new(container, "image", json_string(step->image));
	json_object_set_new(container, "command", escaped_list(&command));
	json_object_set_new(container, "args", escaped_list(&args));
	json_object_set_new(
		container, "terminationMessagePolicy", json_string("FallbackToLogsOnError"));
	kubernetes_template_merge_list(container, "env", env);
	if (json_is_object(resources) && json_object_size(resources) > 0)
		json_object_set_new(container, "resources", json_deep_copy(resources));
}

static json_t *build_pod(const struct kubernetes_job *what)
{
	const json_t *spec = what->run->spec->json;
	const json_t *step = what->run->spec->steps[what->step].json;
	json_t *pod = default_pod(what);

	kubernetes_template_merge(pod, doc_get(spec, "podTemplate.spec"));
	kubernetes_template_merge(pod, doc_get(step, "podTemplate.spec"));
	json_object_set_new(pod, "restartPolicy", json_string("Never"));
	fill_main(what, main_container(pod));
	return pod;
}

/* --- the Job around it --- */

/* podTemplate.metadata.<which> of pipeline and step; new reference, maybe empty. */
static json_t *template_metadata(const struct kubernetes_job *what, const char *which)
{
	const json_t *from[] = {
		doc_get(what->run->spec->json, "podTemplate.metadata"),
		doc_get(what->run->spec->steps[what->step].json, "podTemplate.metadata"),
	};
	json_t *map = json_object();

	for (size_t i = 0; i < array_size(from); i++) {
		json_t *over = json_object_get(from[i], which);

		if (json_is_object(over))
			kubernetes_template_merge(map, over);
	}
	return map;
}

static json_t *build_metadata(const struct kubernetes_job *what)
{
	const struct runner_run *run = what->run;
	auto_free char *run_label = kubernetes_run_label(run->name);
	auto_free char *attempt = xasprintf("%d", what->attempt);
	json_t *labels = template_metadata(what, "labels");
	json_t *annotations = template_metadata(what, "annotations");

	if (run->pipeline)
		json_object_set_new(labels, KUBERNETES_LABEL_PIPELINE, json_string(run->pipeline));
	json_object_set_new(labels, KUBERNETES_LABEL_RUN, json_string(run_label));
	json_object_set_new(
		labels, KUBERNETES_LABEL_STEP, json_string(run->spec->steps[what->step].name));
	json_object_set_new(annotations, KUBERNETES_ANNOTATION_ATTEMPT, json_string(attempt));
	if (what->input_ref)
		json_object_set_new(
			annotations, KUBERNETES_ANNOTATION_INPUT, json_string(what->input_ref));
	return json_pack("{s:o, s:o}", "labels", labels, "annotations", annotations);
}

json_t *kubernetes_job_build(const struct kubernetes_job *what)
{
	const struct runner_run *run = what->run;
	auto_free char *name = kubernetes_job_name(
		run->name, run->uid, run->spec->steps[what->step].name, what->attempt);
	json_t *metadata = build_metadata(what);
	json_t *pod_metadata = json_deep_copy(metadata);

	json_object_set_new(metadata, "name", json_string(name));
	json_object_set_new(metadata, "namespace", json_string(run->namespace_));
	if (run->owner)
		json_object_set_new(
			metadata, "ownerReferences", json_pack("[o]", json_deep_copy(run->owner)));
	return json_pack("{s:s, s:s, s:o, s:{s:i, s:s, s:{s:o, s:o}}}", "apiVersion", "batch/v1",
		"kind", "Job", "metadata", metadata, "spec", "backoffLimit", 0,
		"podReplacementPolicy", "Failed", "template", "metadata", pod_metadata, "spec",
		build_pod(what));
}

int kubernetes_compile(const struct frozen_spec *spec, const char *run_id, json_t **ret_native,
	struct diag_list *diags)
{
	struct runner_run run = {
		.spec = spec,
		.namespace_ = spec->namespace_,
		.pipeline = spec->pipeline,
		.name = run_id,
		.uid = "",
		.run_id = run_id,
	};
	json_t *items = json_array();

	(void)diags; /* whatever the compiler let pass can be said */
	for (int i = 0; i < spec->steps_len; i++) {
		const struct spec_step *step = &spec->steps[i];
		auto_free char *ref = step->from_len > 0 ? xasprintf("%s/%s", run_id,
								   spec->steps[step->from[0]].name)
							 : NULL;
		struct kubernetes_job what = {
			.run = &run,
			.step = i,
			.attempt = 1,
			.input_ref = ref,
		};

		json_array_append_new(items, kubernetes_job_build(&what));
	}
	*ret_native =
		json_pack("{s:s, s:s, s:o}", "apiVersion", "v1", "kind", "List", "items", items);
	return 0;
}

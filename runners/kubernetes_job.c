#include "runners/kubernetes_job.h"

#include <ctype.h>
#include <string.h>
#include "base/buf.h"
#include "base/digest.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/vec.h"
#include "compiler/argv.h"
#include "compiler/settings.h"
#include "doc/json.h"
#include "doc/path.h"
#include "runners/kubernetes_join.h"
#include "runners/kubernetes_python.h"
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

char *kubernetes_escape_dollars(const char *s)
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
		auto_free char *text = kubernetes_escape_dollars(values->items[i]);

		json_array_append_new(list, json_string(text));
	}
	return list;
}

/* env of a step: literal values are the user's text, not the kubelet's. New reference. */
static json_t *step_env(const struct frozen_spec *spec, const json_t *env)
{
	json_t *copy = json_deep_copy(env), *item;
	size_t i;

	json_array_foreach (copy, i, item) {
		const json_t *value = json_object_get(item, "value");
		auto_json *plain = value ? argv_expand(spec, value) : NULL;
		auto_free char *text = NULL;

		if (!json_is_string(plain))
			continue;
		text = kubernetes_escape_dollars(json_string_value(plain));
		json_object_set_new(item, "value", json_string(text));
	}
	return copy;
}

/*
 * Secret arguments, in the order of their names: each is a variable that the kubelet fills from the
 * Secret, and one token that it expands, so that the value is in no object. What it inserts it does
 * not expand again.
 */
static void add_secret_arguments(const struct spec_step *step, json_t *container, json_t *args)
{
	auto_json *env = json_array();
	auto_strvec names = STRVEC_INIT;

	doc_sorted_keys(step->secret_arguments, &names);
	strvec_for_each (&names, i) {
		json_t *from = json_object_get(step->secret_arguments, names.items[i]);
		auto_free char *variable = xasprintf(KUBERNETES_SECRET_VARIABLE "%zu", i);
		auto_free char *name = kubernetes_escape_dollars(names.items[i]);
		auto_free char *token = xasprintf("--%s=$(%s)", name, variable);

		json_array_append_new(
			env, json_pack("{s:s, s:O}", "name", variable, "valueFrom", from));
		json_array_append_new(args, json_string(token));
	}
	kubernetes_template_merge_list(container, "env", env);
}

/* As a limit, which of such resources is the request too. */
static void add_accelerator(const struct spec_step *step, json_t *container)
{
	const json_t *accelerator = json_object_get(step->json, "accelerator");
	const char *resource = settings_accelerator_resource(doc_str(accelerator, "type"));
	auto_free char *count =
		xasprintf("%" JSON_INTEGER_FORMAT, (json_int_t)doc_int_or(accelerator, "count", 1));
	auto_json *over = NULL;

	if (!resource)
		return;
	over = json_pack("{s:{s:{s:s}}}", "resources", "limits", resource, count);
	/* The two must be the same; a template may have said another number. */
	if (json_object_get(doc_get(container, "resources.requests"), resource))
		json_object_set_new(json_object_get(over, "resources"), "requests",
			json_pack("{s:s}", resource, count));
	kubernetes_template_merge(container, over);
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

/* What no podTemplate decides. */
static void fill_main(const struct kubernetes_job *what, json_t *container)
{
	const struct spec_step *step = &what->run->spec->steps[what->step];
	auto_strvec command = STRVEC_INIT;
	auto_strvec args = STRVEC_INIT;
	auto_free char *input = kubernetes_input_manifest(what);
	auto_json *env = step_env(what->run->spec, json_object_get(step->json, "env"));
	json_t *resources = json_object_get(step->json, "resources");

	argv_build(what->run->spec, step, what->run->run_id, what->attempt, input, &command, &args);
	json_object_set_new(container, "image", json_string(step->image));
	json_object_set_new(container, "command", escaped_list(&command));
	json_object_set_new(container, "args", escaped_list(&args));
	/* The end of a log may repeat a secret. */
	json_object_set_new(container, "terminationMessagePolicy",
		json_string(step->secret_arguments ? "File" : "FallbackToLogsOnError"));
	kubernetes_template_merge_list(container, "env", env);
	if (json_is_object(resources) && json_object_size(resources) > 0)
		json_object_set_new(container, "resources", json_deep_copy(resources));
	add_secret_arguments(step, container, json_object_get(container, "args"));
	add_accelerator(step, container);
}

/* Of the cloud's machines; the well-known label of nodes. */
static void add_instance_type(const json_t *step, json_t *pod)
{
	const char *type = doc_str(step, "instanceType");
	auto_json *over = type ? json_pack("{s:{s:s}}", "nodeSelector",
					 "node.kubernetes.io/instance-type", type)
			       : NULL;

	if (over)
		kubernetes_template_merge(pod, over);
}

/* The platform team's template wins, but the program that runs stays the operator's. */
static void apply_settings(const struct kubernetes_job *what, json_t *pod)
{
	static const char *const own[] = {
		"image", "command", "args", "terminationMessagePath", "terminationMessagePolicy"};
	auto_json *over = json_deep_copy(doc_get(what->settings, "podTemplate.spec"));
	json_t *main_ = doc_find(json_object_get(over, "containers"), "name", KUBERNETES_CONTAINER);

	for (size_t i = 0; i < array_size(own); i++)
		json_object_del(main_, own[i]);
	kubernetes_template_merge(pod, over);
	json_object_set_new(pod, "restartPolicy", json_string("Never"));
}

static json_t *build_pod(const struct kubernetes_job *what)
{
	const json_t *spec = what->run->spec->json;
	const json_t *step = what->run->spec->steps[what->step].json;
	json_t *pod = default_pod(what), *main_;

	kubernetes_template_merge(pod, doc_get(spec, "podTemplate.spec"));
	kubernetes_template_merge(pod, doc_get(step, "podTemplate.spec"));
	add_instance_type(step, pod);
	main_ = doc_find(json_object_get(pod, "containers"), "name", KUBERNETES_CONTAINER);
	fill_main(what, main_);
	kubernetes_join_apply(what, pod, main_);
	kubernetes_python_apply(what, pod, main_);
	apply_settings(what, pod);
	return pod;
}

/* --- the Job around it --- */

/* podTemplate.metadata.<which> of pipeline and step; new reference, maybe empty. */
static json_t *template_metadata(const struct kubernetes_job *what, const char *which)
{
	const json_t *from[] = {
		doc_get(what->run->spec->json, "podTemplate.metadata"),
		doc_get(what->run->spec->steps[what->step].json, "podTemplate.metadata"),
		doc_get(what->settings, "podTemplate.metadata"),
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
	auto_buf inputs = BUF_INIT;

	if (run->pipeline)
		json_object_set_new(labels, KUBERNETES_LABEL_PIPELINE, json_string(run->pipeline));
	json_object_set_new(labels, KUBERNETES_LABEL_RUN, json_string(run_label));
	json_object_set_new(
		labels, KUBERNETES_LABEL_STEP, json_string(run->spec->steps[what->step].name));
	json_object_set_new(annotations, KUBERNETES_ANNOTATION_ATTEMPT, json_string(attempt));
	for (int i = 0; i < what->inputs_len; i++)
		buf_addf(&inputs, "%s%s", i ? "," : "", what->input_refs[i]);
	if (inputs.len)
		json_object_set_new(
			annotations, KUBERNETES_ANNOTATION_INPUT, json_string(buf_str(&inputs)));
	return json_pack("{s:o, s:o}", "labels", labels, "annotations", annotations);
}

/* Kueue takes a Job that has its labels and is suspended (kueue.sigs.k8s.io, "Run A Kubernetes
 * Job"). */
static void apply_kueue(const struct kubernetes_job *what, json_t *job)
{
	const json_t *kueue = json_object_get(what->settings, "kueue");
	const char *priority = doc_str(kueue, "priorityClassName");
	json_t *labels = doc_get(job, "metadata.labels");

	if (!json_is_object(kueue))
		return;
	json_object_set_new(labels, "kueue.x-k8s.io/queue-name",
		json_string(doc_str_or(kueue, "queueName", "")));
	if (priority)
		json_object_set_new(labels, "kueue.x-k8s.io/priority-class", json_string(priority));
	json_object_set_new(json_object_get(job, "spec"), "suspend", json_true());
}

json_t *kubernetes_job_build(const struct kubernetes_job *what)
{
	const struct runner_run *run = what->run;
	auto_free char *name = kubernetes_job_name(
		run->name, run->uid, run->spec->steps[what->step].name, what->attempt);
	json_t *metadata = build_metadata(what);
	json_t *pod_metadata = json_deep_copy(metadata), *job;

	json_object_set_new(metadata, "name", json_string(name));
	json_object_set_new(metadata, "namespace", json_string(run->namespace_));
	if (run->owner)
		json_object_set_new(
			metadata, "ownerReferences", json_pack("[o]", json_deep_copy(run->owner)));
	job = json_pack("{s:s, s:s, s:o, s:{s:i, s:s, s:{s:o, s:o}}}", "apiVersion", "batch/v1",
		"kind", "Job", "metadata", metadata, "spec", "backoffLimit", 0,
		"podReplacementPolicy", "Failed", "template", "metadata", pod_metadata, "spec",
		build_pod(what));
	apply_kueue(what, job);
	return job;
}

void kubernetes_compile(const struct native_input *in, json_t **ret_native, struct diag_list *diags)
{
	const struct frozen_spec *spec = in->spec;
	const char *run_id = in->run_id;
	char hash[DIGEST_HEX_SIZE];
	auto_free char *frozen =
		xasprintf("%s-%.12s", spec->pipeline, frozen_spec_hash(spec, hash));
	struct runner_run run = {
		.spec = spec,
		.namespace_ = spec->namespace_,
		.pipeline = spec->pipeline,
		.name = run_id,
		.uid = "",
		.run_id = run_id,
		.spec_name = frozen,
	};
	json_t *items = json_array();

	(void)diags; /* whatever the compiler let pass can be said */
	for (int i = 0; i < spec->steps_len; i++) {
		const struct spec_step *step = &spec->steps[i];
		auto_strvec refs = STRVEC_INIT;
		struct kubernetes_job what = {
			.run = &run, .step = i, .attempt = 1, .settings = in->settings};

		for (int j = 0; j < step->from_len; j++)
			strvec_addf(&refs, "%s/%s", run_id, spec->steps[step->from[j]].name);
		what.input_refs = (const char *const *)refs.items;
		what.inputs_len = (int)refs.len;
		json_array_append_new(items, kubernetes_job_build(&what));
	}
	*ret_native =
		json_pack("{s:s, s:s, s:o}", "apiVersion", "v1", "kind", "List", "items", items);
}

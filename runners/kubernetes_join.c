#include "runners/kubernetes_join.h"

#include "base/mem.h"
#include "base/str.h"
#include "compiler/argv.h"
#include "doc/json.h"
#include "doc/path.h"
#include "runners/kubernetes_template.h"

/* Where it stands in our image. */
#define PROGRAM "/fondant-merge"
/* In a document that nobody submits, the image that it would be. */
#define IMAGE_UNKNOWN "fondant-controller:" FONDANT_VERSION

static char *manifest_of_ref(const struct frozen_spec *spec, const char *ref)
{
	return xasprintf(
		"%s/%s/%s/manifest.json", spec->working_directory, spec->dataset_name, ref);
}

static char *merged_manifest(const struct kubernetes_job *what)
{
	const struct frozen_spec *spec = what->run->spec;
	auto_free char *id = argv_attempt_run_id(what->run->run_id, what->attempt);
	auto_free char *ref = xasprintf("%s/%s.inputs", id, spec->steps[what->step].name);

	return manifest_of_ref(spec, ref);
}

char *kubernetes_input_manifest(const struct kubernetes_job *what)
{
	const struct frozen_spec *spec = what->run->spec;
	const char *given = spec->steps[what->step].from_manifest;

	if (what->inputs_len > 1)
		return merged_manifest(what);
	if (what->inputs_len == 1)
		return manifest_of_ref(spec, what->input_refs[0]);
	return given ? argv_expand_text(spec, given) : NULL;
}

/* The kubelet expands $(VAR) in args as well. */
static void add_path(json_t *args, char *take_path)
{
	auto_free char *path = take_path;
	auto_free char *text = kubernetes_escape_dollars(path);

	json_array_append_new(args, json_string(text));
}

static json_t *arguments(const struct kubernetes_job *what)
{
	json_t *args = json_pack("[s]", "--output");

	add_path(args, merged_manifest(what));
	for (int i = 0; i < what->inputs_len; i++)
		add_path(args, manifest_of_ref(what->run->spec, what->input_refs[i]));
	return args;
}

/* The step's environment but for its secret arguments: the credentials of the store are there. */
static json_t *environment(const json_t *container)
{
	json_t *kept = json_array(), *item;
	size_t i;

	json_array_foreach (json_object_get(container, "env"), i, item) {
		if (!str_starts_with(doc_str_or(item, "name", ""), KUBERNETES_SECRET_VARIABLE))
			json_array_append_new(kept, json_deep_copy(item));
	}
	return kept;
}

/* What the container says, else what the pod says; NULL when neither does. */
static json_t *security_setting(const json_t *pod, const json_t *container, const char *key)
{
	json_t *own = json_object_get(json_object_get(container, "securityContext"), key);

	return own ? own : json_object_get(json_object_get(pod, "securityContext"), key);
}

/* As nobody but the step's own user: what it makes, the step must be able to write beside. */
static json_t *security(const json_t *pod, const json_t *container)
{
	static const char *const users[] = {"runAsUser", "runAsGroup", "runAsNonRoot"};
	json_t *out = json_pack("{s:b, s:b, s:{s:[s]}}", "allowPrivilegeEscalation", 0,
		"readOnlyRootFilesystem", 1, "capabilities", "drop", "ALL");

	for (size_t i = 0; i < array_size(users); i++) {
		json_t *value = security_setting(pod, container, users[i]);

		if (value)
			json_object_set(out, users[i], value);
	}
	/* Our image has a user of its own; the framework's run as root. */
	if (!json_object_get(out, "runAsUser") &&
		!json_is_true(json_object_get(out, "runAsNonRoot")))
		json_object_set_new(out, "runAsUser", json_integer(0));
	return out;
}

static void copy_list(json_t *to, const json_t *from, const char *key)
{
	const json_t *list = json_object_get(from, key);

	if (json_array_size(list))
		json_object_set_new(to, key, json_deep_copy(list));
}

void kubernetes_join_apply(const struct kubernetes_job *what, json_t *pod, const json_t *container)
{
	const char *image = what->operator_image ? what->operator_image : IMAGE_UNKNOWN;
	auto_json *init = NULL, *list = NULL;

	if (what->inputs_len < 2)
		return;
	init = json_pack("{s:s, s:s, s:[s], s:o, s:o, s:o, s:s, s:{s:{s:s, s:s}, s:{s:s, s:s}}}",
		"name", KUBERNETES_JOIN_CONTAINER, "image", image, "command", PROGRAM, "args",
		arguments(what), "env", environment(container), "securityContext",
		security(pod, container), "terminationMessagePolicy", "FallbackToLogsOnError",
		"resources", "requests", "cpu", "10m", "memory", "32Mi", "limits", "cpu", "500m",
		"memory", "512Mi");
	copy_list(init, container, "volumeMounts");
	copy_list(init, container, "envFrom");
	list = json_pack("[O]", init);
	kubernetes_template_merge_list(pod, "initContainers", list);
}

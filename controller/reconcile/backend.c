#include "reconcile/backend.h"

#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "doc/canon.h"
#include "doc/json.h"
#include "doc/path.h"
#include "kube/conditions.h"
#include "reconcile/names.h"

#define EVENT_NOTE_MAX 900

/* --- which one --- */

const struct runner *backend_runner(const json_t *object, const json_t **ret_settings)
{
	const json_t *spec = json_object_get(object, "spec");

	for (int i = 0; runner_all[i]; i++) {
		const json_t *settings = json_object_get(spec, runner_all[i]->name);

		if (json_is_object(settings)) {
			*ret_settings = settings;
			return runner_all[i];
		}
	}
	return NULL;
}

static void hash_backend(const json_t *object, char out[DIGEST_HEX_SIZE])
{
	auto_free char *text = canon_str(json_object_get(object, "spec"), CANON_COMPACT);

	digest_sha256_parts(out, doc_str_or(object, "metadata.uid", ""), text, (char *)NULL);
}

static bool choose_implicit(const struct backend_source *source, const char *path,
	struct backend_choice *ret_choice, struct diag_list *diags)
{
	if (!source->implicit) {
		diag_add(diags, path, "NoBackend",
			"this operator has no implicit backend, and this namespace no "
			"FondantBackend named `" BACKEND_DEFAULT
			"`: create one, or name one in backendRef");
		return false;
	}
	*ret_choice = (struct backend_choice){.runner = &runner_kubernetes};
	return true;
}

bool backend_choose(const struct backend_source *source, const char *name, const char *path,
	struct backend_choice *ret_choice, struct diag_list *diags)
{
	const json_t *object = json_object_get(source->backends, name ? name : BACKEND_DEFAULT);
	struct backend_choice choice = {.name = name ? name : BACKEND_DEFAULT, .object = object};

	if (!object && name) {
		diag_add_waiting(diags, path, "BackendNotFound",
			"there is no FondantBackend `%.253s` in this namespace; create it", name);
		return false;
	}
	if (!object)
		return choose_implicit(source, path, ret_choice, diags);
	choice.runner = backend_runner(object, &choice.settings);
	if (!choice.runner) {
		diag_add(diags, path, "UnsupportedBackend",
			"FondantBackend `%.253s` is of a kind that this version does not run",
			choice.name);
		return false;
	}
	choice.working_directory = doc_str(object, "spec.workingDirectory");
	hash_backend(object, choice.hash);
	*ret_choice = choice;
	return true;
}

/* --- pins --- */

json_t *backend_pin(const struct backend_choice *choice)
{
	json_t *pin = json_pack("{s:s}", "kind", choice->runner->name);

	if (!choice->object)
		return pin;
	json_object_set_new(pin, "name", json_string(choice->name));
	json_object_set_new(
		pin, "uid", json_string(doc_str_or(choice->object, "metadata.uid", "")));
	json_object_set_new(pin, "generation",
		json_integer(doc_int_or(choice->object, "metadata.generation", 0)));
	json_object_set_new(pin, "settings", json_deep_copy(choice->settings));
	return pin;
}

bool backend_pinned(
	const json_t *run, const struct runner **ret_runner, const json_t **ret_settings)
{
	const json_t *pin = doc_get(run, "status.backend");

	if (!pin)
		return false;
	*ret_runner = runner_find(doc_str_or(pin, "kind", ""));
	*ret_settings = json_object_get(pin, "settings");
	return *ret_runner != NULL;
}

/* --- its own status --- */

void backend_protect(const struct backend_view *view, struct plan *plan)
{
	const json_t *object = view->backend, *item;
	bool has = name_has_finalizer(object, FINALIZER_BACKEND);
	bool going = doc_get(object, "metadata.deletionTimestamp") != NULL;
	json_t *finalizers;
	size_t i;

	if (view->in_use == has || (going && !has))
		return;
	finalizers = json_array();
	json_array_foreach (doc_get(object, "metadata.finalizers"), i, item) {
		if (!str_eq(json_string_value(item), FINALIZER_BACKEND))
			json_array_append(finalizers, (json_t *)item);
	}
	if (view->in_use)
		json_array_append_new(finalizers, json_string(FINALIZER_BACKEND));
	plan_patch(plan, &kube_backends, doc_str_or(object, "metadata.namespace", ""),
		doc_str_or(object, "metadata.name", ""), NULL,
		json_pack("{s:{s:s, s:o}}", "metadata", "resourceVersion",
			doc_str_or(object, "metadata.resourceVersion", ""), "finalizers",
			finalizers));
}

static const char *kind_of(const json_t *object)
{
	static const char *const kinds[] = {
		"kubernetes", "docker", "kubeflow", "vertex", "sagemaker"};

	for (size_t i = 0; i < array_size(kinds); i++) {
		if (json_is_object(json_object_get(json_object_get(object, "spec"), kinds[i])))
			return kinds[i];
	}
	return "unknown";
}

struct verdict {
	const char *status, *reason;
	char *message; /* owned */
	bool stalled;  /* somebody has to act */
};

static struct verdict judge(const struct backend_view *view, const struct backend_probe *probe)
{
	const json_t *settings;

	if (!backend_runner(view->backend, &settings))
		return (struct verdict){"False", "UnsupportedBackend",
			xasprintf("this version does not run backends of the kind %s",
				kind_of(view->backend)),
			true};
	if (probe->err && probe->err->class != ERR_NONE)
		return (struct verdict){"False", probe->err->reason,
			xstrdup(err_message(probe->err)), probe->err->class == ERR_USER};
	return (struct verdict){"True", "Ready",
		probe->version ? xasprintf("it answers: version %.200s", probe->version)
			       : xstrdup("it can be used"),
		false};
}

void backend_status(
	const struct backend_view *view, const struct backend_probe *probe, struct plan *plan)
{
	const json_t *object = view->backend, *old = json_object_get(object, "status");
	const json_t *previous = doc_get(old, "conditions");
	int64_t generation = doc_int_or(object, "metadata.generation", 1);
	json_t *status = json_object(), *conditions = json_array();
	struct verdict v = judge(view, probe);
	auto_free char *message = v.message;
	const char *before = condition_status(previous, "Ready");

	condition_set(conditions, previous, "Ready", v.status, v.reason, message, generation,
		view->now_s);
	if (v.stalled)
		condition_set(conditions, previous, "Stalled", "True", v.reason, message,
			generation, view->now_s);
	else if (str_eq(v.status, "False"))
		condition_set(conditions, previous, "Reconciling", "True", v.reason, message,
			generation, view->now_s);
	json_object_set_new(status, "kind", json_string(kind_of(object)));
	json_object_set_new(status, "conditions", conditions);
	json_object_set_new(status, "observedGeneration", json_integer(generation));
	if (probe->version)
		json_object_set_new(status, "version", json_string(probe->version));
	else if (doc_str(old, "version"))
		json_object_set_new(status, "version", json_string(doc_str(old, "version")));
	if (!plan_status(plan, &kube_backends, object, status) || str_eq(before, v.status))
		return;
	if (str_eq(v.status, "True"))
		plan_event(plan, false, "Ready", "Probe", "%.*s", EVENT_NOTE_MAX, message);
	else
		plan_event(plan, true, "NotReady", "Probe", "%.*s", EVENT_NOTE_MAX, message);
}

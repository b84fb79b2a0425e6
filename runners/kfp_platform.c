#include "runners/kfp_platform.h"

#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "base/vec.h"
#include "doc/json.h"
#include "doc/path.h"
#include "runners/kfp_argv.h"
#include "runners/kubernetes_template.h"

/* "<what>" and "<what>Parameter": servers of different ages read one or the other. */
static void set_named(json_t *out, const char *what, const char *name)
{
	auto_free char *parameter = xasprintf("%sParameter", what);

	json_object_set_new(out, what, json_string(name));
	json_object_set_new(
		out, parameter, json_pack("{s:{s:s}}", "runtimeValue", "constant", name));
}

static void append(json_t *config, const char *list, json_t *item)
{
	json_t *items = json_object_get(config, list);

	if (!items) {
		items = json_array();
		json_object_set_new(config, list, items);
	}
	json_array_append_new(items, item);
}

static void refuse_field(struct kfp_step *at, const char *where, const char *name)
{
	auto_free char *path = xasprintf("%s.%s", where, name);

	kfp_refuse(at, path, "UnsupportedSetting",
		"Kubeflow Pipelines has no place for it in its platform document; remove it");
}

/* Refuses every other member; names is NULL-terminated. */
static void only(
	struct kfp_step *at, const char *where, const json_t *object, const char *const *names)
{
	auto_strvec keys = STRVEC_INIT;

	doc_sorted_keys(object, &keys);
	strvec_for_each (&keys, i) {
		const char *const *name = names;

		while (*name && !str_eq(*name, keys.items[i]))
			name++;
		if (!*name && !json_is_null(json_object_get(object, keys.items[i])))
			refuse_field(at, where, keys.items[i]);
	}
}

#define ONLY(at, where, object, ...) \
	only(at, where, object, (const char *const[]){__VA_ARGS__, NULL})

/* --- variables --- */

static void add_variable(struct kfp_step *at, const char *where, const json_t *item, json_t *config)
{
	const char *name = doc_str_or(item, "name", "");
	const json_t *from = json_object_get(item, "valueFrom");
	const json_t *secret = json_object_get(from, "secretKeyRef");
	const json_t *map = json_object_get(from, "configMapKeyRef");
	const json_t *field = json_object_get(from, "fieldRef");
	const json_t *ref = secret ? secret : map;
	json_t *out;

	if (field) {
		append(config, "fieldPathAsEnv",
			json_pack("{s:s, s:s}", "name", name, "fieldPath",
				doc_str_or(field, "fieldPath", "")));
		return;
	}
	if (!ref) {
		refuse_field(at, where, "valueFrom");
		return;
	}
	out = json_pack("{s:[{s:s, s:s}], s:b}", "keyToEnv", secret ? "secretKey" : "configMapKey",
		doc_str_or(ref, "key", ""), "envVar", name, "optional",
		doc_bool_or(ref, "optional", false));
	set_named(out, secret ? "secretName" : "configMapName", doc_str_or(ref, "name", ""));
	append(config, secret ? "secretAsEnv" : "configMapAsEnv", out);
}

/* Values stay with the container, references go to the platform. */
static void add_env(struct kfp_step *at, const char *where, const json_t *env, bool values,
	json_t *config, json_t *container)
{
	auto_json *plain = json_array();
	const json_t *own = json_object_get(at->step->json, "env"), *item;
	size_t i;

	json_array_foreach (env, i, item) {
		auto_free char *path = xasprintf("%s[%zu]", where, i);
		const char *value = doc_str_or(item, "value", "");

		if (values && doc_find(own, "name", doc_str_or(item, "name", "")))
			continue; /* the step says otherwise */
		if (json_object_get(item, "valueFrom"))
			add_variable(at, path, item, config);
		else if (values && strstr(value, "{{"))
			kfp_refuse(at, path, "UnsupportedSetting",
				"Kubeflow Pipelines would expand `{{`; give it in the step's env");
		else if (values)
			json_array_append_new(
				plain, json_pack("{s:s, s:s}", "name", doc_str_or(item, "name", ""),
					       "value", value));
	}
	kubernetes_template_merge_list(container, "env", plain);
}

static void add_secret_arguments(const struct spec_step *step, json_t *config)
{
	auto_strvec names = STRVEC_INIT;

	doc_sorted_keys(step->secret_arguments, &names);
	strvec_for_each (&names, i) {
		const json_t *ref = doc_get(
			json_object_get(step->secret_arguments, names.items[i]), "secretKeyRef");
		auto_free char *variable = xasprintf(KFP_SECRET_VARIABLE "%zu", i);
		json_t *out = json_pack("{s:[{s:s, s:s}], s:b}", "keyToEnv", "secretKey",
			doc_str_or(ref, "key", ""), "envVar", variable, "optional", 0);

		set_named(out, "secretName", doc_str_or(ref, "name", ""));
		append(config, "secretAsEnv", out);
	}
}

/* --- volumes --- */

static json_t *empty_dir(const char *name, const json_t *source)
{
	json_t *out = json_pack("{s:s}", "volumeName", name);
	const char *medium = doc_str(source, "medium");
	const json_t *limit = json_object_get(source, "sizeLimit");

	if (medium && *medium)
		json_object_set_new(out, "medium", json_string(medium));
	if (json_is_integer(limit)) {
		auto_free char *text =
			xasprintf("%" JSON_INTEGER_FORMAT, json_integer_value(limit));

		json_object_set_new(out, "sizeLimit", json_string(text));
	} else if (json_is_string(limit)) {
		json_object_set(out, "sizeLimit", (json_t *)limit);
	}
	return out;
}

/* The document knows volumes by their mounts. */
static void add_mount(struct kfp_step *at, const char *where, const json_t *mount,
	const json_t *volume, json_t *config)
{
	const json_t *claim = json_object_get(volume, "persistentVolumeClaim");
	const json_t *empty = json_object_get(volume, "emptyDir");
	const json_t *secret = json_object_get(volume, "secret");
	const json_t *map = json_object_get(volume, "configMap");
	const char *sub_path = doc_str(mount, "subPath"), *list = "pvcMount";
	json_t *out = NULL;

	ONLY(at, where, mount, "name", "mountPath", claim ? "subPath" : "name");
	if (claim) {
		const char *name = doc_str_or(claim, "claimName", "");

		ONLY(at, where, claim, "claimName");
		out = json_pack("{s:s, s:{s:{s:s}}}", "constant", name, "pvcNameParameter",
			"runtimeValue", "constant", name);
		if (sub_path && *sub_path)
			json_object_set_new(out, "subPath", json_string(sub_path));
	} else if (empty) {
		ONLY(at, where, empty, "medium", "sizeLimit");
		list = "emptyDirMounts";
		out = empty_dir(doc_str_or(volume, "name", ""), empty);
	} else if (secret || map) {
		const json_t *source = secret ? secret : map;
		const char *key = secret ? "secretName" : "name";

		ONLY(at, where, source, key, "optional");
		list = secret ? "secretAsVolume" : "configMapAsVolume";
		out = json_pack("{s:b}", "optional", doc_bool_or(source, "optional", false));
		set_named(
			out, secret ? "secretName" : "configMapName", doc_str_or(source, key, ""));
	} else {
		refuse_field(at, where, "name");
		return;
	}
	json_object_set_new(out, "mountPath", json_string(doc_str_or(mount, "mountPath", "")));
	append(config, list, out);
}

static void add_volumes(struct kfp_step *at, const json_t *pod, const json_t *main_, json_t *config)
{
	const json_t *mount;
	size_t i;

	json_array_foreach (json_object_get(main_, "volumeMounts"), i, mount) {
		auto_free char *where =
			xasprintf("podTemplate.spec.containers[0].volumeMounts[%zu]", i);

		add_mount(at, where, mount,
			doc_find(json_object_get(pod, "volumes"), "name",
				doc_str_or(mount, "name", "")),
			config);
	}
}

/* --- the pod --- */

static void add_metadata(struct kfp_step *at, const json_t *metadata, json_t *config)
{
	json_t *out = json_object();
	const char *const names[] = {"labels", "annotations"};

	ONLY(at, "podTemplate.metadata", metadata, "labels", "annotations");
	for (size_t i = 0; i < array_size(names); i++) {
		json_t *map = json_object_get(metadata, names[i]);

		if (json_object_size(map))
			json_object_set(out, names[i], map);
	}
	if (json_object_size(out))
		json_object_set(config, "podMetadata", out);
	json_decref(out);
}

static void add_tolerations(struct kfp_step *at, const json_t *pod, json_t *config)
{
	const json_t *item;
	size_t i;

	json_array_foreach (json_object_get(pod, "tolerations"), i, item) {
		auto_free char *where = xasprintf("podTemplate.spec.tolerations[%zu]", i);
		json_t *copy = json_deep_copy(item);
		const json_t *s = json_object_get(item, "tolerationSeconds");

		ONLY(at, where, item, "key", "operator", "value", "effect", "tolerationSeconds");
		if (json_is_integer(s)) {
			auto_free char *text =
				xasprintf("%" JSON_INTEGER_FORMAT, json_integer_value(s));

			json_object_set_new(copy, "tolerationSeconds", json_string(text));
		}
		append(config, "tolerations", copy);
	}
}

static void add_node_selector(struct kfp_step *at, const json_t *pod, json_t *config)
{
	const char *type = doc_str(at->step->json, "instanceType");
	json_t *given = json_object_get(pod, "nodeSelector");
	json_t *labels = given ? json_deep_copy(given) : json_object();

	if (type)
		json_object_set_new(labels, "node.kubernetes.io/instance-type", json_string(type));
	if (json_object_size(labels))
		json_object_set_new(config, "nodeSelector", json_pack("{s:O}", "labels", labels));
	json_decref(labels);
}

static void add_pod(struct kfp_step *at, const json_t *pod, json_t *config)
{
	const json_t *item;
	size_t i;

	ONLY(at, "podTemplate.spec", pod, "containers", "nodeSelector", "tolerations",
		"imagePullSecrets", "volumes");
	add_node_selector(at, pod, config);
	add_tolerations(at, pod, config);
	json_array_foreach (json_object_get(pod, "imagePullSecrets"), i, item) {
		json_t *out = json_object();

		set_named(out, "secretName", doc_str_or(item, "name", ""));
		append(config, "imagePullSecret", out);
	}
}

static void add_main(struct kfp_step *at, const json_t *pod, json_t *config, json_t *container,
	json_t **ret_resources)
{
	const json_t *main_ = doc_find(json_object_get(pod, "containers"), "name", "main");
	const char *policy = doc_str(main_, "imagePullPolicy");

	ONLY(at, "podTemplate.spec.containers[0]", main_, "name", "env", "volumeMounts",
		"imagePullPolicy", "resources");
	add_env(at, "podTemplate.spec.containers[0].env", json_object_get(main_, "env"), true,
		config, container);
	add_volumes(at, pod, main_, config);
	if (policy)
		json_object_set_new(config, "imagePullPolicy", json_string(policy));
	*ret_resources = json_incref(json_object_get(main_, "resources"));
}

/* The pipeline's podTemplate and the step's over it. New reference. */
static json_t *merged_template(const struct kfp_step *at)
{
	const json_t *over = json_object_get(at->step->json, "podTemplate");
	const json_t *given = json_object_get(at->spec->json, "podTemplate");
	json_t *all = json_pack("{s:{}, s:{}}", "metadata", "spec");

	kubernetes_template_merge(json_object_get(all, "spec"), json_object_get(given, "spec"));
	kubernetes_template_merge(json_object_get(all, "spec"), json_object_get(over, "spec"));
	kubernetes_template_merge(
		json_object_get(all, "metadata"), json_object_get(given, "metadata"));
	kubernetes_template_merge(
		json_object_get(all, "metadata"), json_object_get(over, "metadata"));
	return all;
}

json_t *kfp_platform_step(struct kfp_step *at, json_t *container, json_t **ret_resources)
{
	auto_json *all = merged_template(at);
	const json_t *pod = json_object_get(all, "spec");
	json_t *config = json_object();

	add_metadata(at, json_object_get(all, "metadata"), config);
	add_pod(at, pod, config);
	add_main(at, pod, config, container, ret_resources);
	/* Its values are set with the arguments. */
	add_env(at, "env", json_object_get(at->step->json, "env"), false, config, container);
	add_secret_arguments(at->step, config);
	if (at->step->timeout_s) {
		auto_free char *text = xasprintf("%lld", (long long)at->step->timeout_s);

		json_object_set_new(config, "activeDeadlineSeconds", json_string(text));
	}
	return config;
}

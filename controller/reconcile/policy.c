#include "reconcile/policy.h"

#include <stdlib.h>
#include <string.h>
#include "base/image_ref.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "base/vec.h"
#include "doc/json.h"
#include "doc/path.h"
#include "reconcile/native.h"

#define REASON "PolicyDenied"

struct judge {
	const char *backend; /* its name */
	const json_t *policy;
	struct diag_list *diags;
};

static void deny(struct judge *j, const char *path, const char *why)
{
	diag_add(j->diags, path, REASON, "the policy of FondantBackend `%.253s` %s", j->backend,
		why);
}

static char *listed(const json_t *names)
{
	auto_strvec words = STRVEC_INIT;
	const json_t *name;
	size_t i;

	json_array_foreach (names, i, name)
		strvec_add(&words, json_string_value(name));
	return words.len ? strvec_join(&words, ", ") : xstrdup("none");
}

/* --- images --- */

/* "fndnt/" -> "docker.io/fndnt/"; with a host it stays. Owned. */
static char *with_host(const char *prefix)
{
	size_t first = strcspn(prefix, "/");
	auto_free char *head = xstrndup(prefix, first);

	return strpbrk(head, ".:") || str_eq(head, "localhost") || !prefix[first]
		       ? xstrdup(prefix)
		       : xasprintf("docker.io/%s", prefix);
}

static bool image_is_allowed(const json_t *prefixes, const char *image)
{
	auto_image_ref ref = {0};
	auto_free char *canonical = NULL;
	const json_t *prefix;
	size_t i;

	if (image_ref_parse(image, &ref, NULL) < 0)
		return false;
	canonical = image_ref_canonical(&ref);
	json_array_foreach (prefixes, i, prefix) {
		auto_free char *begin = with_host(json_string_value(prefix));

		if (str_starts_with(canonical, begin))
			return true;
	}
	return false;
}

static void judge_image(struct judge *j, const char *path, const char *image)
{
	const json_t *prefixes = json_object_get(j->policy, "imagePrefixes");
	auto_free char *names = NULL, *why = NULL;

	if (!json_is_array(prefixes) || image_is_allowed(prefixes, image))
		return;
	names = listed(prefixes);
	why = xasprintf("allows images that begin with: %s; this is %.300s", names, image);
	deny(j, path, why);
}

/* --- service accounts --- */

static void judge_account(struct judge *j, const char *path, const char *account)
{
	const json_t *names = json_object_get(j->policy, "serviceAccountNames");
	const json_t *name;
	auto_free char *all = NULL, *why = NULL;
	size_t i;

	if (!account || !json_is_array(names))
		return;
	json_array_foreach (names, i, name) {
		if (str_eq(json_string_value(name), account))
			return;
	}
	all = listed(names);
	why = xasprintf("allows the service accounts: %s; this is %.253s", all, account);
	deny(j, path, why);
}

/* --- podTemplate --- */

static bool is_one_of(const char *const *words, const char *word)
{
	for (; *words; words++) {
		if (str_eq(*words, word))
			return true;
	}
	return false;
}

/* Every member that is not one of the allowed. */
static void restrict_members(
	struct judge *j, const char *path, const json_t *object, const char *const *allowed)
{
	const char *name;
	json_t *value;

	json_object_foreach ((json_t *)object, name, value) {
		auto_free char *at = xasprintf("%s.%s", path, name);

		if (!is_one_of(allowed, name) && !json_is_null(value))
			deny(j, at,
				"restricts podTemplate to labels, scheduling, pull secrets, env "
				"and "
				"plain volumes; remove it");
	}
}

static void restrict_volumes(struct judge *j, const char *path, const json_t *volumes)
{
	static const char *const allowed[] = {
		"name", "persistentVolumeClaim", "emptyDir", "secret", "configMap", NULL};
	const json_t *volume;
	size_t i;

	json_array_foreach (volumes, i, volume) {
		auto_free char *at = xasprintf("%s.spec.volumes[%zu]", path, i);

		restrict_members(j, at, volume, allowed);
	}
}

static void restrict_template(struct judge *j, const char *path, const json_t *template)
{
	static const char *const top[] = {"metadata", "spec", NULL};
	static const char *const metadata[] = {"labels", NULL};
	static const char *const pod[] = {"nodeSelector", "tolerations", "affinity",
		"priorityClassName", "priority", "imagePullSecrets", "volumes", "containers",
		"serviceAccountName", NULL};
	static const char *const container[] = {"name", "env", "volumeMounts", NULL};
	const json_t *spec = json_object_get(template, "spec"), *item;
	auto_free char *at_metadata = xasprintf("%s.metadata", path);
	auto_free char *at_spec = xasprintf("%s.spec", path);
	size_t i;

	restrict_members(j, path, template, top);
	restrict_members(j, at_metadata, json_object_get(template, "metadata"), metadata);
	restrict_members(j, at_spec, spec, pod);
	restrict_volumes(j, path, json_object_get(spec, "volumes"));
	json_array_foreach (json_object_get(spec, "containers"), i, item) {
		auto_free char *at = xasprintf("%s.containers[%zu]", at_spec, i);

		restrict_members(j, at, item, container);
	}
}

static void judge_template(struct judge *j, const char *path, const json_t *template)
{
	static const char *const lists[] = {"containers", "initContainers"};
	const json_t *spec = json_object_get(template, "spec"), *item;
	auto_free char *account = xasprintf("%s.spec.serviceAccountName", path);
	auto_free char *old = xasprintf("%s.spec.serviceAccount", path);
	size_t i;

	if (!template)
		return;
	judge_account(j, account, doc_str(spec, "serviceAccountName"));
	judge_account(j, old, doc_str(spec, "serviceAccount"));
	for (size_t k = 0; k < array_size(lists); k++) {
		json_array_foreach (json_object_get(spec, lists[k]), i, item) {
			auto_free char *at = xasprintf("%s.spec.%s[%zu].image", path, lists[k], i);

			if (json_object_get(item, "image"))
				judge_image(j, at, doc_str_or(item, "image", ""));
		}
	}
	if (str_eq(doc_str(j->policy, "podTemplate"), "Restricted"))
		restrict_template(j, path, template);
}

/* --- time --- */

static void judge_timeout(struct judge *j, const json_t *frozen)
{
	const char *most = doc_str(j->policy, "maxTimeout"), *own = doc_str(frozen, "timeout");
	int64_t limit, seconds;
	auto_free char *why = NULL;

	if (!most || !time_parse_duration(most, &limit) ||
		(own && time_parse_duration(own, &seconds) && seconds <= limit))
		return;
	why = own ? xasprintf("allows a run at most %s; this is %s", most, own)
		  : xasprintf("allows a run at most %s: set `timeout` to that or less", most);
	deny(j, "timeout", why);
}

/* --- native documents --- */

/* Every text under one of the keys, at any depth: documents of several engines have one rule. */
static void judge_texts(struct judge *j, const json_t *value, const char *const *keys,
	void (*judge_text)(struct judge *j, const char *path, const char *text))
{
	const char *key;
	json_t *item;
	size_t i;

	json_array_foreach (value, i, item)
		judge_texts(j, item, keys, judge_text);
	if (!json_is_object(value))
		return;
	json_object_foreach ((json_t *)value, key, item) {
		if (json_is_string(item) && is_one_of(keys, key))
			judge_text(j, "native", json_string_value(item));
		else
			judge_texts(j, item, keys, judge_text);
	}
}

/* A path of the engine's machine is mounted, or what a variable may make one. */
static bool mounts_path(const json_t *volume)
{
	const char *type = doc_str_or(volume, "type", ""), *text = json_string_value(volume);

	if (text)
		return strchr("/.~$", *text) != NULL;
	return str_eq(type, "volume") ? strchr(doc_str_or(volume, "source", ""), '$') != NULL
				      : !str_eq(type, "tmpfs");
}

/* What a hostPath is to a pod. */
static void restrict_compose(struct judge *j, const json_t *document)
{
	json_t *services = json_object_get(document, "services"), *service;
	const json_t *volume;
	const char *name;
	size_t i;

	json_object_foreach (services, name, service) {
		json_array_foreach (json_object_get(service, "volumes"), i, volume) {
			auto_free char *path =
				xasprintf("native.document.services.%s.volumes[%zu]", name, i);

			if (mounts_path(volume))
				deny(j, path,
					"restricts what is mounted to external volumes and tmpfs; "
					"remove it");
		}
	}
}

/* What a native document runs is known to its engine; what it names as images and accounts by the
 * fields of the formats is judged as in any other pipeline. */
static void judge_native(struct judge *j, const json_t *native)
{
	/* KFP and Compose; Vertex AI's custom jobs; SageMaker's jobs and models */
	static const char *const images[] = {
		"image", "imageUri", "ImageUri", "TrainingImage", "Image", NULL};
	static const char *const accounts[] = {
		"serviceAccount", "serviceAccountName", "RoleArn", NULL};

	if (!native)
		return;
	if (!str_eq(doc_str(j->policy, "native"), "Allow")) {
		deny(j, "native",
			"does not allow native documents (`native: Allow` would); give the "
			"pipeline as steps");
		return;
	}
	judge_texts(j, json_object_get(native, "document"), images, judge_image);
	judge_texts(j, json_object_get(native, "document"), accounts, judge_account);
	if (str_eq(doc_str(j->policy, "podTemplate"), "Restricted") &&
		str_eq(doc_str(native, "format"), "Compose"))
		restrict_compose(j, json_object_get(native, "document"));
}

/* --- all of it --- */

void policy_check(const json_t *backend, const json_t *frozen, struct diag_list *diags)
{
	struct judge j = {.backend = doc_str_or(backend, "metadata.name", ""),
		.policy = doc_get(backend, "spec.policy"),
		.diags = diags};
	const json_t *step;
	size_t i;

	if (!json_is_object(j.policy))
		return;
	judge_account(&j, "serviceAccountName", doc_str(frozen, "serviceAccountName"));
	judge_template(&j, "podTemplate", json_object_get(frozen, "podTemplate"));
	judge_timeout(&j, frozen);
	judge_native(&j, json_object_get(frozen, "native"));
	json_array_foreach (json_object_get(frozen, "steps"), i, step) {
		const char *name = doc_str_or(step, "name", "");
		auto_free char *image = xasprintf("steps.%s.component", name);
		auto_free char *template = xasprintf("steps.%s.podTemplate", name);

		judge_image(&j, image, doc_str_or(step, "image", ""));
		judge_template(&j, template, json_object_get(step, "podTemplate"));
	}
}

void policy_check_text(const json_t *backend, const json_t *spec, const char *text, size_t len,
	struct diag_list *diags)
{
	auto_json *frozen = NULL;
	size_t before = diags->len;

	if (!json_is_object(doc_get(backend, "spec.policy")) ||
		doc_json_parse(text, len, &frozen, NULL) < 0)
		return;
	policy_check(backend, frozen, diags);
	native_fix_paths(diags, before, spec);
}

int64_t policy_max_active_runs(const json_t *backend)
{
	return doc_int_or(backend, "spec.policy.maxActiveRuns", 0);
}

#include "compiler/settings.h"

#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "compiler/volumes.h"

#define OWN_LABELS "fondant.ai/"
/* Variables that carry secret arguments (runners/kubernetes_job.c). */
#define OWN_VARIABLES "FONDANT_SECRET_"
/* Of a step that joins (runners/kubernetes_join.c). */
#define OWN_INIT_CONTAINER "fondant-merge"

static bool is_alnum(char ch)
{
	return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9');
}

/* [A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?, 1..63 bytes. */
static bool is_label_word(const char *s, size_t len)
{
	if (len < 1 || len > 63 || !is_alnum(s[0]) || !is_alnum(s[len - 1]))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!is_alnum(s[i]) && s[i] != '-' && s[i] != '_' && s[i] != '.')
			return false;
	}
	return true;
}

/* metav1 label and annotation keys: an optional DNS prefix, a slash, a word. */
bool settings_is_label_key(const char *key)
{
	const char *slash = strchr(key, '/');
	const char *word = slash ? slash + 1 : key;

	if (slash) {
		size_t len = (size_t)(slash - key);

		if (len < 1 || len > 253 || !is_alnum(key[0]) || !is_alnum(key[len - 1]))
			return false;
		for (size_t i = 0; i < len; i++) {
			if (!is_alnum(key[i]) && key[i] != '-' && key[i] != '.')
				return false;
			if (key[i] >= 'A' && key[i] <= 'Z')
				return false;
		}
	}
	return is_label_word(word, strlen(word));
}

static void check_label(struct check *c, const char *key, const json_t *value, bool label)
{
	if (!json_is_string(value))
		check_error(c, "InvalidType", "must be a string, not %s; quote it",
			check_kind_of(value));
	else if (!settings_is_label_key(key))
		check_error(
			c, "InvalidName", "is not a valid %s key", label ? "label" : "annotation");
	else if (str_starts_with(key, OWN_LABELS))
		check_error(c, "ReservedField", "keys below " OWN_LABELS " are the operator's own");
	else if (label && json_string_length(value) &&
		 !is_label_word(json_string_value(value), json_string_length(value)))
		check_error(c, "InvalidValue",
			"a label's value is at most 63 letters, digits, -, _ and .");
}

static void check_labels(struct check *c, const json_t *metadata, const char *which)
{
	size_t mark = where_key(&c->w, which);
	const char *key;
	json_t *value;

	json_object_foreach (check_get(metadata, which), key, value) {
		size_t inner = where_key(&c->w, key);

		if (!json_is_null(value))
			check_label(c, key, value, strcmp(which, "labels") == 0);
		where_back(&c->w, inner);
	}
	where_back(&c->w, mark);
}

/* core/v1 PodSpec. Lists and maps inside are the API server's to judge. */
static const struct check_field pod_fields[] = {
	{.name = "activeDeadlineSeconds", .kind = CHECK_INT, .min = 1},
	{.name = "affinity", .kind = CHECK_OBJECT},
	{.name = "automountServiceAccountToken", .kind = CHECK_BOOL},
	{.name = "containers", .kind = CHECK_ARRAY, .max = 1},
	{.name = "dnsConfig", .kind = CHECK_OBJECT},
	{.name = "dnsPolicy", .kind = CHECK_STRING, .min = 1},
	{.name = "enableServiceLinks", .kind = CHECK_BOOL},
	{.name = "hostAliases", .kind = CHECK_ARRAY},
	{.name = "hostIPC", .kind = CHECK_BOOL},
	{.name = "hostNetwork", .kind = CHECK_BOOL},
	{.name = "hostPID", .kind = CHECK_BOOL},
	{.name = "hostUsers", .kind = CHECK_BOOL},
	{.name = "hostname", .kind = CHECK_STRING},
	{.name = "hostnameOverride", .kind = CHECK_STRING},
	{.name = "imagePullSecrets", .kind = CHECK_ARRAY},
	{.name = "initContainers", .kind = CHECK_ARRAY, .max = 32},
	{.name = "nodeName", .kind = CHECK_STRING},
	{.name = "nodeSelector", .kind = CHECK_OBJECT},
	{.name = "os", .kind = CHECK_OBJECT},
	{.name = "overhead", .kind = CHECK_OBJECT},
	{.name = "preemptionPolicy", .kind = CHECK_STRING},
	{.name = "priority", .kind = CHECK_INT, .min = INT32_MIN, .max = INT32_MAX},
	{.name = "priorityClassName", .kind = CHECK_STRING},
	{.name = "readinessGates", .kind = CHECK_ARRAY},
	{.name = "resourceClaims", .kind = CHECK_ARRAY},
	{.name = "resources", .kind = CHECK_OBJECT},
	{.name = "runtimeClassName", .kind = CHECK_STRING},
	{.name = "schedulerName", .kind = CHECK_STRING},
	{.name = "schedulingGates", .kind = CHECK_ARRAY},
	{.name = "securityContext", .kind = CHECK_OBJECT},
	{.name = "serviceAccount", .kind = CHECK_STRING},
	{.name = "serviceAccountName", .kind = CHECK_STRING, .min = 1, .max = 253},
	{.name = "setHostnameAsFQDN", .kind = CHECK_BOOL},
	{.name = "shareProcessNamespace", .kind = CHECK_BOOL},
	{.name = "subdomain", .kind = CHECK_STRING},
	{.name = "terminationGracePeriodSeconds", .kind = CHECK_INT},
	{.name = "tolerations", .kind = CHECK_ARRAY},
	{.name = "topologySpreadConstraints", .kind = CHECK_ARRAY},
	{.name = "volumes", .kind = CHECK_ARRAY, .max = 256},
};

/* core/v1 Container, without what the step itself decides. */
static const struct check_field container_fields[] = {
	{.name = "name", .kind = CHECK_STRING, .required = true, .min = 1},
	{.name = "env", .kind = CHECK_ARRAY, .max = 64},
	{.name = "envFrom", .kind = CHECK_ARRAY, .max = 64},
	{.name = "imagePullPolicy", .kind = CHECK_STRING},
	{.name = "lifecycle", .kind = CHECK_OBJECT},
	{.name = "livenessProbe", .kind = CHECK_OBJECT},
	{.name = "ports", .kind = CHECK_ARRAY},
	{.name = "readinessProbe", .kind = CHECK_OBJECT},
	{.name = "resizePolicy", .kind = CHECK_ARRAY},
	{.name = "resources", .kind = CHECK_OBJECT},
	{.name = "securityContext", .kind = CHECK_OBJECT},
	{.name = "startupProbe", .kind = CHECK_OBJECT},
	{.name = "stdin", .kind = CHECK_BOOL},
	{.name = "stdinOnce", .kind = CHECK_BOOL},
	{.name = "tty", .kind = CHECK_BOOL},
	{.name = "volumeDevices", .kind = CHECK_ARRAY},
	{.name = "volumeMounts", .kind = CHECK_ARRAY, .max = 256},
	{.name = "workingDir", .kind = CHECK_STRING},
};

/* A field that the operator decides: what to say instead of "no such field". */
struct own_field {
	const char *name, *why;
};

static const struct own_field own_container_fields[] = {
	{.name = "image", .why = "the image of a step comes from its component"},
	{.name = "command", .why = "the command of a step is the framework's"},
	{.name = "args", .why = "set the step's `arguments` instead"},
	{.name = "terminationMessagePath", .why = "the operator reads it"},
	{.name = "terminationMessagePolicy", .why = "the operator reads the end of the log"},
	{.name = "restartPolicy", .why = "set the step's `retry` instead"},
};

static const struct own_field own_pod_fields[] = {
	{.name = "restartPolicy", .why = "set the step's `retry` instead"},
	{.name = "ephemeralContainers", .why = "they exist in running pods only"},
};

/* The object without the operator's fields; each one found is an error. New reference. */
static json_t *without_own(
	struct check *c, const json_t *object, const struct own_field *own, size_t count)
{
	json_t *out = json_copy((json_t *)object);

	for (size_t i = 0; i < count; i++) {
		if (check_get(object, own[i].name)) {
			check_error_at(
				c, own[i].name, "ReservedField", "cannot be set: %s", own[i].why);
			json_object_del(out, own[i].name);
		}
	}
	return out;
}

static void check_main(struct check *c, const json_t *container)
{
	const char *name = json_string_value(check_get(container, "name"));
	json_t *rest;
	size_t mark;

	if (!json_is_object(container)) {
		check_error(c, "InvalidType", "must be a map, not %s", check_kind_of(container));
		return;
	}
	if (name && strcmp(name, "main") != 0) {
		check_error_at(c, "name", "SidecarsNotSupported",
			"sidecars are not supported: the only container is `main`, the step");
		return;
	}
	rest = without_own(c, container, own_container_fields, array_size(own_container_fields));
	if (check_object(c, rest, container_fields, array_size(container_fields))) {
		mark = where_key(&c->w, "env");
		settings_check_env(c, check_get(container, "env"));
		where_back(&c->w, mark);
		mark = where_key(&c->w, "resources");
		settings_check_resources(c, check_get(container, "resources"));
		where_back(&c->w, mark);
		volumes_check_mounts(c, container);
	}
	json_decref(rest);
}

static void check_init_name(struct check *c, const char *name, struct map *seen)
{
	if (strcmp(name, "main") == 0)
		check_error_at(c, "name", "ReservedField",
			"`main` is the step's own container; choose another name");
	else if (strcmp(name, OWN_INIT_CONTAINER) == 0)
		check_error_at(c, "name", "ReservedName",
			"`" OWN_INIT_CONTAINER "` is the operator's; choose another name");
	else if (!str_is_dns_label(name))
		check_error_at(c, "name", "InvalidName",
			"a container's name has at most 63 lower-case letters, digits and -, "
			"beginning and ending with a letter or digit");
	else if (map_has(seen, name))
		check_error_at(c, "name", "Duplicate",
			"there are two containers called `%s`; rename one", name);
	else
		map_set(seen, name, seen);
}

static void check_init_containers(struct check *c, const json_t *pod)
{
	size_t mark = where_key(&c->w, "initContainers"), i;
	auto_map seen = MAP_INIT;
	json_t *container;

	json_array_foreach (check_get(pod, "initContainers"), i, container) {
		const char *name = json_string_value(check_get(container, "name"));
		size_t inner = where_index(&c->w, i);

		if (!json_is_object(container) || !name)
			check_error(c, "InvalidType", "must be a container with a name");
		else if (check_get(container, "restartPolicy"))
			check_error_at(c, "restartPolicy", "SidecarsNotSupported",
				"sidecars are not supported");
		else
			check_init_name(c, name, &seen);
		where_back(&c->w, inner);
	}
	where_back(&c->w, mark);
}

static void check_pod(struct check *c, const json_t *pod)
{
	json_t *rest = without_own(c, pod, own_pod_fields, array_size(own_pod_fields));
	size_t mark, i;
	json_t *item;

	check_object(c, rest, pod_fields, array_size(pod_fields));
	json_decref(rest);
	mark = where_key(&c->w, "containers");
	json_array_foreach (check_get(pod, "containers"), i, item) {
		size_t inner = where_index(&c->w, i);

		check_main(c, item);
		where_back(&c->w, inner);
	}
	where_back(&c->w, mark);
	check_init_containers(c, pod);
	volumes_check_names(c, pod);
}

void settings_check_pod_template(struct check *c, const json_t *pod_template)
{
	static const struct check_field fields[] = {
		{.name = "metadata", .kind = CHECK_OBJECT},
		{.name = "spec", .kind = CHECK_OBJECT},
	};
	static const struct check_field metadata_fields[] = {
		{.name = "labels", .kind = CHECK_OBJECT, .max = 64},
		{.name = "annotations", .kind = CHECK_OBJECT, .max = 64},
	};
	const json_t *metadata, *spec;
	size_t mark;

	if (!pod_template || !check_depth(c, pod_template) ||
		!check_object(c, pod_template, fields, array_size(fields)))
		return;
	metadata = check_get(pod_template, "metadata");
	spec = check_get(pod_template, "spec");
	mark = where_key(&c->w, "metadata");
	if (metadata && check_object(c, metadata, metadata_fields, array_size(metadata_fields))) {
		check_labels(c, metadata, "labels");
		check_labels(c, metadata, "annotations");
	}
	where_back(&c->w, mark);
	mark = where_key(&c->w, "spec");
	if (spec)
		check_pod(c, spec);
	where_back(&c->w, mark);
}

/* A key of a Secret or ConfigMap: [-._a-zA-Z0-9]+, and what a file could not be called. */
static bool is_data_key(const char *key)
{
	if (strcmp(key, ".") == 0 || str_starts_with(key, ".."))
		return false;
	for (; *key; key++) {
		if (!is_alnum(*key) && *key != '-' && *key != '_' && *key != '.')
			return false;
	}
	return true;
}

/* `ref` has a name and a key; kind: "Secret" or "ConfigMap". */
static void check_key_names(struct check *c, const json_t *ref, const char *kind)
{
	if (!settings_is_dns_subdomain(json_string_value(check_get(ref, "name"))))
		check_error_at(c, "name", "InvalidName",
			"is not the name of a %s: those have lower-case letters, digits, - and .",
			kind);
	if (!is_data_key(json_string_value(check_get(ref, "key"))))
		check_error_at(c, "key", "InvalidName",
			"a %s's keys are letters, digits, -, _ and ., not `.` and not beginning "
			"with `..`",
			kind);
}

static void check_key_ref(struct check *c, const json_t *from, const char *which, const char *kind)
{
	static const struct check_field fields[] = {
		{.name = "name", .kind = CHECK_STRING, .required = true, .min = 1, .max = 253},
		{.name = "key", .kind = CHECK_STRING, .required = true, .min = 1, .max = 253},
		{.name = "optional", .kind = CHECK_BOOL},
	};
	const json_t *ref = check_get(from, which);
	size_t mark = where_key(&c->w, which);

	if (ref && check_object(c, ref, fields, array_size(fields)))
		check_key_names(c, ref, kind);
	where_back(&c->w, mark);
}

/* metadata.labels['x'] and metadata.annotations['x'] */
static bool is_subscripted(const char *path)
{
	auto_free char *key = NULL;
	size_t len;

	if (str_starts_with(path, "metadata.labels['"))
		path += strlen("metadata.labels['");
	else if (str_starts_with(path, "metadata.annotations['"))
		path += strlen("metadata.annotations['");
	else
		return false;
	len = strlen(path);
	if (len < 2 || strcmp(path + len - 2, "']") != 0)
		return false;
	key = xstrndup(path, len - 2);
	return settings_is_label_key(key);
}

/* What a variable can be told of its pod (core validation,
 * validEnvDownwardAPIFieldPathExpressions).
 */
static void check_field_path(struct check *c, const char *path)
{
	static const char *const paths[] = {"metadata.name", "metadata.namespace", "metadata.uid",
		"spec.nodeName", "spec.serviceAccountName", "status.hostIP", "status.hostIPs",
		"status.podIP", "status.podIPs", NULL};
	char near[CHECK_HINT_SIZE];

	for (size_t i = 0; paths[i]; i++) {
		if (strcmp(path, paths[i]) == 0)
			return;
	}
	if (!is_subscripted(path))
		check_error_at(c, "fieldPath", "InvalidValue",
			"`%.80s` is no field that a variable can have: those are metadata.name, "
			"namespace and uid, metadata.labels['x'], metadata.annotations['x'], "
			"spec.nodeName and serviceAccountName, status.hostIP, hostIPs, podIP and "
			"podIPs%s",
			path, check_hint_word(c, paths, path, near));
}

static void check_value_from(struct check *c, const json_t *from)
{
	static const struct check_field fields[] = {
		{.name = "secretKeyRef", .kind = CHECK_OBJECT},
		{.name = "configMapKeyRef", .kind = CHECK_OBJECT},
		{.name = "fieldRef", .kind = CHECK_OBJECT},
	};
	static const struct check_field field_ref[] = {
		{.name = "fieldPath", .kind = CHECK_STRING, .required = true, .min = 1, .max = 253},
		{.name = "apiVersion", .kind = CHECK_STRING, .max = 63},
	};
	const json_t *ref = check_get(from, "fieldRef");
	int given = 0;
	size_t mark;

	if (!check_object(c, from, fields, array_size(fields)))
		return;
	for (size_t i = 0; i < array_size(fields); i++)
		given += check_get(from, fields[i].name) != NULL;
	if (given != 1)
		check_error(c, "InvalidValue",
			"give exactly one of secretKeyRef, configMapKeyRef and fieldRef");
	check_key_ref(c, from, "secretKeyRef", "Secret");
	check_key_ref(c, from, "configMapKeyRef", "ConfigMap");
	mark = where_key(&c->w, "fieldRef");
	if (ref && check_object(c, ref, field_ref, array_size(field_ref)))
		check_field_path(c, json_string_value(check_get(ref, "fieldPath")));
	where_back(&c->w, mark);
}

static bool is_env_name(const char *name)
{
	for (; *name; name++) {
		if (*name <= ' ' || *name > '~' || *name == '=')
			return false;
	}
	return true;
}

static void check_env_item(struct check *c, const json_t *item, struct map *seen)
{
	static const struct check_field fields[] = {
		{.name = "name", .kind = CHECK_STRING, .required = true, .min = 1, .max = 253},
		{.name = "value", .kind = CHECK_STRING, .max = 32768},
		{.name = "valueFrom", .kind = CHECK_OBJECT},
	};
	const json_t *from = check_get(item, "valueFrom");
	const char *name = json_string_value(check_get(item, "name"));
	size_t mark;

	if (!check_object(c, item, fields, array_size(fields)))
		return;
	if (!is_env_name(name))
		check_error_at(c, "name", "InvalidName",
			"a variable's name is printable ASCII without blanks and =");
	else if (str_starts_with(name, OWN_VARIABLES))
		check_error_at(c, "name", "ReservedField",
			"names that begin with " OWN_VARIABLES " are the operator's own");
	else if (map_has(seen, name))
		check_error_at(c, "name", "Duplicate", "`%.80s` is given twice; remove one", name);
	else
		map_set(seen, name, (void *)item);
	if (check_get(item, "value") && from)
		check_error(c, "InvalidValue", "give value or valueFrom, not both");
	mark = where_key(&c->w, "valueFrom");
	if (from)
		check_value_from(c, from);
	where_back(&c->w, mark);
}

void settings_check_env(struct check *c, const json_t *env)
{
	auto_map seen = MAP_INIT;
	json_t *item;
	size_t i;

	json_array_foreach (env, i, item) {
		size_t mark = where_index(&c->w, i);

		check_env_item(c, item, &seen);
		where_back(&c->w, mark);
	}
}

static void check_secret(struct check *c, const json_t *secret)
{
	static const struct check_field fields[] = {
		{.name = "secretKeyRef", .kind = CHECK_OBJECT, .required = true},
	};
	static const struct check_field ref_fields[] = {
		{.name = "name", .kind = CHECK_STRING, .required = true, .min = 1, .max = 253},
		{.name = "key", .kind = CHECK_STRING, .required = true, .min = 1, .max = 253},
	};
	const json_t *ref = check_get(secret, "secretKeyRef");
	size_t mark;

	if (!json_is_object(secret)) {
		check_error(c, "InvalidType",
			"must be {secretKeyRef: {name: ..., key: ...}}, not %s; a value that is no "
			"secret belongs in `arguments`",
			check_kind_of(secret));
		return;
	}
	if (!check_object(c, secret, fields, array_size(fields)))
		return;
	mark = where_key(&c->w, "secretKeyRef");
	if (check_object(c, ref, ref_fields, array_size(ref_fields)))
		check_key_names(c, ref, "Secret");
	where_back(&c->w, mark);
}

void settings_check_secret_arguments(struct check *c, const json_t *secrets)
{
	const char *name;
	json_t *secret;

	json_object_foreach ((json_t *)secrets, name, secret) {
		size_t mark = where_key(&c->w, name);

		if (!json_is_null(secret))
			check_secret(c, secret);
		where_back(&c->w, mark);
	}
}

bool settings_is_label_value(const char *value)
{
	return is_label_word(value, strlen(value));
}

/* Dot-separated DNS labels, as in metadata.name of most kinds. */
bool settings_is_dns_subdomain(const char *s)
{
	size_t len = strlen(s);

	if (len < 1 || len > 253 || s[0] == '.' || s[len - 1] == '.' || strstr(s, "..") ||
		s[0] == '-' || s[len - 1] == '-')
		return false;
	return strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789.-") == len;
}

const char *settings_accelerator_resource(const char *type)
{
	if (!type)
		return NULL;
	if (strcmp(type, "GPU") == 0)
		return "nvidia.com/gpu";
	if (strcmp(type, "TPU") == 0)
		return "google.com/tpu";
	return strchr(type, '/') && settings_is_label_key(type) ? type : NULL;
}

static bool is_model(const char *type)
{
	return str_starts_with(type, "NVIDIA_") || str_starts_with(type, "TPU_");
}

void settings_check_accelerator(struct check *c, const json_t *accelerator)
{
	static const struct check_field fields[] = {
		{.name = "type", .kind = CHECK_STRING, .required = true, .min = 1, .max = 253},
		{.name = "count", .kind = CHECK_INT, .min = 1, .max = 1024},
	};
	const char *type = json_string_value(check_get(accelerator, "type"));

	check_object(c, accelerator, fields, array_size(fields));
	if (type && (c->features & BACKEND_ACCELERATOR_MODELS) && is_model(type))
		return;
	if (type && *type && !settings_accelerator_resource(type))
		check_error_at(c, "type", "InvalidValue",
			"`%.80s` is not GPU, TPU or the name of a resource such as amd.com/gpu",
			type);
}

static void check_retry_on(struct check *c, const json_t *on)
{
	static const char *const words[] = {"Error", "OOMKilled", "Timeout", NULL};
	static const struct check_field reason = {.name = "on", .kind = CHECK_WORD, .words = words};
	json_t *item;
	size_t i;

	if (!json_array_size(on))
		check_error(c, "InvalidValue", "must name a reason; leave it out for every one");
	json_array_foreach (on, i, item) {
		size_t mark = where_index(&c->w, i);

		check_value(c, item, &reason);
		for (size_t j = 0; j < i; j++) {
			if (json_equal(item, json_array_get(on, j)))
				check_error(c, "Duplicate", "is given twice; remove one");
		}
		where_back(&c->w, mark);
	}
}

static void check_backoff(struct check *c, const json_t *backoff)
{
	static const struct check_field fields[] = {
		{.name = "initial", .kind = CHECK_DURATION},
		{.name = "factor", .kind = CHECK_NUMBER, .min = 1, .max = 100},
		{.name = "max", .kind = CHECK_DURATION},
	};

	check_object(c, backoff, fields, array_size(fields));
}

void settings_check_retry(struct check *c, const json_t *retry)
{
	static const struct check_field fields[] = {
		{.name = "limit", .kind = CHECK_INT, .min = 0, .max = 100},
		{.name = "on", .kind = CHECK_ARRAY, .max = 16},
		{.name = SETTINGS_RETRY_ON_11, .kind = CHECK_ARRAY, .max = 16},
		{.name = "backoff", .kind = CHECK_OBJECT},
	};
	const json_t *on = check_get(retry, "on"), *backoff = check_get(retry, "backoff");
	const json_t *on_11 = check_get(retry, SETTINGS_RETRY_ON_11);
	size_t mark;

	if (!retry || !check_object(c, retry, fields, array_size(fields)))
		return;
	mark = where_key(&c->w, "on");
	if (on && on_11)
		check_error(c, "Duplicate", "is given twice; remove one");
	if (on || on_11)
		check_retry_on(c, on ? on : on_11);
	where_back(&c->w, mark);
	mark = where_key(&c->w, "backoff");
	if (backoff)
		check_backoff(c, backoff);
	where_back(&c->w, mark);
}

void settings_check_cache(struct check *c, const json_t *cache)
{
	static const char *const policies[] = {"Use", "Refresh", "Never", NULL};
	static const struct check_field fields[] = {
		{.name = "policy", .kind = CHECK_WORD, .words = policies},
		{.name = "maxAge", .kind = CHECK_DURATION, .min = 1},
	};

	if (cache)
		check_object(c, cache, fields, array_size(fields));
}

bool settings_lies_below(const char *path, const char *mount)
{
	size_t len = strlen(mount);

	while (len > 1 && mount[len - 1] == '/')
		len--;
	if (len == 1 && mount[0] == '/')
		return true;
	return strncmp(path, mount, len) == 0 && (path[len] == '/' || !path[len]);
}

bool settings_mounts_path(const json_t *pod_template, const char *path, bool writable)
{
	const json_t *spec = check_get(pod_template, "spec");
	json_t *container, *mount;
	size_t i, j;

	json_array_foreach (check_get(spec, "containers"), i, container) {
		json_array_foreach (check_get(container, "volumeMounts"), j, mount) {
			const char *at = json_string_value(check_get(mount, "mountPath"));

			if (at && *at == '/' && settings_lies_below(path, at) &&
				!(writable && json_is_true(check_get(mount, "readOnly"))))
				return true;
		}
	}
	return false;
}

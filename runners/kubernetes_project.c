#include "runners/kubernetes_observe.h"

#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "doc/json.h"
#include "doc/path.h"
#include "runners/kubernetes_job.h"

#define OUR_PREFIX "fondant.ai/"
#define KUEUE_QUEUE "kueue.x-k8s.io/queue-name"
#define MESSAGE_MAX 512
#define NAMED_MAX 64 /* items of a list that others fill */

/* Length of the beginning of s that is at most max bytes and cuts no UTF-8 sequence. */
static size_t head_len(const char *s, size_t max)
{
	size_t len = strnlen(s, max + 1);

	if (len <= max)
		return len;
	len = max;
	while (len > 0 && ((unsigned char)s[len] & 0xc0) == 0x80)
		len--;
	return len;
}

/* Copies string members, at most their first MESSAGE_MAX bytes; absent ones stay absent. */
static void keep_strings(json_t *to, const json_t *from, const char *const *keys)
{
	for (; *keys; keys++) {
		const char *value = doc_str(from, *keys);
		auto_free char *text = NULL;

		if (!value || !*value)
			continue;
		text = str_clean_tail(value, head_len(value, MESSAGE_MAX), MESSAGE_MAX);
		json_object_set_new(to, *keys, json_string(text));
	}
}

#define keep(to, from, ...) keep_strings(to, from, (const char *const[]){__VA_ARGS__, NULL})

static void set_unless_empty(json_t *to, const char *key, json_t *take_value)
{
	if (json_object_size(take_value) || json_array_size(take_value))
		json_object_set_new(to, key, take_value);
	else
		json_decref(take_value);
}

static json_t *our_keys(const json_t *map)
{
	json_t *kept = json_object(), *value;
	const char *key;

	json_object_foreach ((json_t *)map, key, value) {
		if (json_is_string(value) &&
			(str_starts_with(key, OUR_PREFIX) || str_eq(key, KUEUE_QUEUE)))
			json_object_set(kept, key, value);
	}
	return kept;
}

static json_t *project_owners(const json_t *owners)
{
	json_t *kept = json_array(), *owner;
	size_t i;

	json_array_foreach (owners, i, owner) {
		json_t *one;

		if (!doc_bool_or(owner, "controller", false))
			continue;
		one = json_pack("{s:b}", "controller", 1);
		keep(one, owner, "kind", "name", "uid");
		json_array_append_new(kept, one);
	}
	return kept;
}

static json_t *project_metadata(const json_t *object)
{
	const json_t *metadata = json_object_get(object, "metadata");
	json_t *kept = json_object();

	keep(kept, metadata, "name", "namespace", "uid", "creationTimestamp", "deletionTimestamp");
	set_unless_empty(kept, "labels", our_keys(json_object_get(metadata, "labels")));
	set_unless_empty(kept, "annotations", our_keys(json_object_get(metadata, "annotations")));
	set_unless_empty(kept, "ownerReferences",
		project_owners(json_object_get(metadata, "ownerReferences")));
	return kept;
}

/* --- Job --- */

static json_t *project_job_conditions(const json_t *conditions)
{
	static const char *const types[] = {"Complete", "Failed", "Suspended", NULL};
	json_t *kept = json_array(), *condition;
	size_t i;

	json_array_foreach (conditions, i, condition) {
		const char *type = doc_str_or(condition, "type", "");
		json_t *one;
		int at = 0;

		while (types[at] && !str_eq(types[at], type))
			at++;
		if (!types[at] || !str_eq(doc_str(condition, "status"), "True"))
			continue;
		one = json_object();
		keep(one, condition, "type", "status", "reason", "message", "lastTransitionTime");
		json_array_append_new(kept, one);
	}
	return kept;
}

json_t *kubernetes_project_job(const json_t *job)
{
	const json_t *status = json_object_get(job, "status");
	json_t *kept_status = json_object();
	json_t *kept = json_pack("{s:o}", "metadata", project_metadata(job));

	if (doc_bool_or(job, "spec.suspend", false))
		json_object_set_new(kept, "spec", json_pack("{s:b}", "suspend", 1));
	keep(kept_status, status, "startTime", "completionTime");
	set_unless_empty(kept_status, "conditions",
		project_job_conditions(json_object_get(status, "conditions")));
	set_unless_empty(kept, "status", kept_status);
	return kept;
}

/* --- Pod --- */

static json_t *project_terminated(const json_t *terminated)
{
	const char *log = doc_str(terminated, "message");
	int64_t code = doc_int_or(terminated, "exitCode", 0);
	json_t *kept = json_pack("{s:I}", "exitCode", (json_int_t)code);

	keep(kept, terminated, "reason", "startedAt", "finishedAt");
	if (code != 0 && log && *log) {
		auto_free char *tail = str_clean_tail(log, strlen(log), KUBERNETES_LOG_MAX);

		json_object_set_new(kept, "message", json_string(tail));
	}
	return kept;
}

static json_t *project_container(const json_t *status)
{
	const json_t *state = json_object_get(status, "state");
	const json_t *waiting = json_object_get(state, "waiting");
	const json_t *running = json_object_get(state, "running");
	const json_t *terminated = json_object_get(state, "terminated");
	json_t *kept = json_object(), *one;

	keep(kept, status, "name");
	if (terminated) {
		json_object_set_new(kept, "terminated", project_terminated(terminated));
	} else if (running) {
		one = json_object();
		keep(one, running, "startedAt");
		json_object_set_new(kept, "running", one);
	} else if (waiting) {
		one = json_object();
		keep(one, waiting, "reason", "message");
		json_object_set_new(kept, "waiting", one);
	}
	return kept;
}

/* Only the step's container where there is a choice, and init containers that did not end well. */
static json_t *project_containers(const json_t *statuses, bool init)
{
	json_t *kept = json_array(), *status;
	size_t i;

	json_array_foreach (statuses, i, status) {
		bool ended = doc_get(status, "state.terminated") &&
			     doc_int_or(status, "state.terminated.exitCode", 0) == 0;
		bool wanted = init ? !ended : str_eq(doc_str(status, "name"), KUBERNETES_CONTAINER);

		if (wanted && i < NAMED_MAX)
			json_array_append_new(kept, project_container(status));
	}
	return kept;
}

static json_t *project_pod_conditions(const json_t *conditions)
{
	json_t *kept = json_array(), *condition;
	size_t i;

	json_array_foreach (conditions, i, condition) {
		const char *type = doc_str_or(condition, "type", "");
		const char *status = doc_str_or(condition, "status", "");
		json_t *one;

		if (!(str_eq(type, "DisruptionTarget") && str_eq(status, "True")) &&
			!(str_eq(type, "PodScheduled") && str_eq(status, "False")))
			continue;
		one = json_object();
		keep(one, condition, "type", "status", "reason", "message");
		json_array_append_new(kept, one);
	}
	return kept;
}

json_t *kubernetes_project_pod(const json_t *pod)
{
	const json_t *status = json_object_get(pod, "status");
	json_t *kept_status = json_object();
	json_t *metadata = project_metadata(pod);

	json_object_del(metadata, "annotations");
	keep(kept_status, status, "phase", "reason", "message");
	set_unless_empty(kept_status, "conditions",
		project_pod_conditions(json_object_get(status, "conditions")));
	set_unless_empty(kept_status, "containerStatuses",
		project_containers(json_object_get(status, "containerStatuses"), false));
	set_unless_empty(kept_status, "initContainerStatuses",
		project_containers(json_object_get(status, "initContainerStatuses"), true));
	return json_pack("{s:o, s:o}", "metadata", metadata, "status", kept_status);
}

char *kubernetes_index_run(const json_t *projection, const char *namespace_)
{
	const json_t *labels = doc_get(projection, "metadata.labels");
	const char *run = json_string_value(json_object_get(labels, KUBERNETES_LABEL_RUN));

	return run ? xasprintf("%s/%s", namespace_ ? namespace_ : "", run) : NULL;
}

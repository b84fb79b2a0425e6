#include "tests/fake/node.h"

#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "doc/json.h"
#include "doc/path.h"

#define BOOKMARK_MS 60000

enum job_stage { JOB_NEW, JOB_PENDING, JOB_RUNNING, JOB_ENDED, JOB_DONE };

struct node_job {
	struct list link;
	char *namespace_, *name, *uid, *path, *pod_path;
	json_t *labels;
	enum job_stage stage;
	int64_t due_ms;
	int64_t started_s;
	struct fake_deed deed;
	bool deleting, gone;
};

struct fake_node {
	struct fake_api *api;
	void (*deed)(void *user, const json_t *job, struct fake_deed *ret);
	void (*seen)(void *user, const struct fake_event *event);
	void *user, *seen_user;
	/* the server's own, called first */
	void (*committed)(void *user, const struct fake_event *event);
	void *committed_user;
	struct list jobs;  /* those with something to do */
	struct map by_uid; /* -> struct node_job * */
	struct map uids;   /* of all objects */
	bool garbage;      /* something has lost its owners, or may have */
	int64_t bookmark_ms;
};

static char *now_text(char out[TIME_RFC3339_SIZE])
{
	return (char *)time_format_rfc3339(time_wall_ms() / 1000, out);
}

/* --- what the store tells --- */

static void job_free(struct fake_node *node, struct node_job *job)
{
	map_del(&node->by_uid, job->uid);
	list_del(&job->link);
	json_decref(job->labels);
	free(job->namespace_);
	free(job->name);
	free(job->uid);
	free(job->path);
	free(job->pod_path);
	free(job);
}

static void job_appears(struct fake_node *node, const json_t *object)
{
	struct node_job *job = xnew(struct node_job);

	job->namespace_ = xstrdup(doc_str_or(object, "metadata.namespace", ""));
	job->name = xstrdup(doc_str_or(object, "metadata.name", ""));
	job->uid = xstrdup(doc_str_or(object, "metadata.uid", ""));
	job->path = xasprintf("/apis/batch/v1/namespaces/%s/jobs/%s", job->namespace_, job->name);
	job->pod_path = xasprintf("/api/v1/namespaces/%s/pods/%s", job->namespace_, job->name);
	job->labels = json_incref(doc_get(object, "metadata.labels"));
	job->due_ms = time_mono_ms();
	node->deed(node->user, object, &job->deed);
	list_add_tail(&node->jobs, &job->link);
	map_set(&node->by_uid, job->uid, job);
}

static void job_changes(struct fake_node *node, const struct fake_event *event)
{
	struct node_job *job;

	if (!event->before) {
		job_appears(node, event->after);
		return;
	}
	job = map_get(&node->by_uid, doc_str_or(event->before, "metadata.uid", ""));
	if (!job)
		return;
	if (!list_linked(&job->link))
		list_add_tail(&node->jobs, &job->link);
	job->gone |= !event->after;
	job->deleting |= doc_str(event->after, "metadata.deletionTimestamp") != NULL;
}

static bool has_no_owner_left(const struct fake_node *node, const json_t *object)
{
	const json_t *owners = doc_get(object, "metadata.ownerReferences"), *owner;
	size_t i;

	json_array_foreach (owners, i, owner) {
		if (map_has(&node->uids, doc_str_or(owner, "uid", "")))
			return false;
	}
	return json_array_size(owners) > 0;
}

static void committed(void *user, const struct fake_event *event)
{
	struct fake_node *node = user;
	struct fake_store *store = fake_api_store(node->api);

	node->committed(node->committed_user, event);
	if (!event->before)
		map_set(&node->uids, doc_str_or(event->after, "metadata.uid", ""), node);
	if (!event->after) {
		map_del(&node->uids, doc_str_or(event->before, "metadata.uid", ""));
		json_array_clear(store->orphans); /* the server's simpler collector rests */
	}
	node->garbage |= !event->after || has_no_owner_left(node, event->after);
	if (str_eq(event->collection, "apis/batch/v1/jobs"))
		job_changes(node, event);
	if (node->seen)
		node->seen(node->seen_user, event);
}

/* --- one Job --- */

static void make_pod(struct fake_node *node, struct node_job *job)
{
	char now[TIME_RFC3339_SIZE];

	now_text(now);
	fake_api_patch(node->api, job->path,
		json_pack("{s:{s:[s]}, s:{s:s, s:i}}", "metadata", "finalizers",
			"foregroundDeletion", "status", "startTime", now, "active", 1));
	fake_api_put(node->api,
		json_pack("{s:s, s:s, s:{s:s, s:s, s:O, s:[{s:s, s:s, s:s, s:s, s:b}]}, s:{s:s}}",
			"apiVersion", "v1", "kind", "Pod", "metadata", "namespace", job->namespace_,
			"name", job->name, "labels", job->labels, "ownerReferences", "apiVersion",
			"batch/v1", "kind", "Job", "name", job->name, "uid", job->uid, "controller",
			1, "status", "phase", "Pending"));
}

static void start_pod(struct fake_node *node, struct node_job *job)
{
	char now[TIME_RFC3339_SIZE];

	job->started_s = time_wall_ms() / 1000;
	fake_api_patch(node->api, job->pod_path,
		json_pack("{s:{s:s, s:[{s:s, s:{s:{s:s}}}]}}", "status", "phase", "Running",
			"containerStatuses", "name", "main", "state", "running", "startedAt",
			now_text(now)));
}

static void end_pod(struct fake_node *node, struct node_job *job)
{
	const struct fake_deed *deed = &job->deed;
	bool bad = deed->exit_code != 0 || deed->evicted;
	const char *reason = deed->reason ? deed->reason : bad ? "Error" : "Completed";
	char now[TIME_RFC3339_SIZE], started[TIME_RFC3339_SIZE];
	json_t *status = json_pack("{s:s, s:[{s:s, s:{s:{s:i, s:s, s:s, s:s, s:s}}}]}", "phase",
		bad ? "Failed" : "Succeeded", "containerStatuses", "name", "main", "state",
		"terminated", "exitCode", deed->evicted ? 137 : deed->exit_code, "reason", reason,
		"message", deed->message ? deed->message : "", "startedAt",
		time_format_rfc3339(job->started_s, started), "finishedAt", now_text(now));

	if (deed->evicted) {
		json_object_set_new(status, "reason", json_string("Evicted"));
		json_object_set_new(status, "message", json_string("The node was low on memory"));
	}
	fake_api_patch(node->api, job->pod_path, json_pack("{s:o}", "status", status));
}

static void end_job(struct fake_node *node, struct node_job *job)
{
	bool bad = job->deed.exit_code != 0 || job->deed.evicted;
	char now[TIME_RFC3339_SIZE];

	now_text(now);
	fake_api_patch(node->api, job->path,
		json_pack("{s:{s:i, s:[{s:s, s:s, s:s, s:s}]}}", "status", "active", 0,
			"conditions", "type", bad ? "Failed" : "Complete", "status", "True",
			"reason", bad ? "BackoffLimitExceeded" : "CompletionsReached",
			"lastTransitionTime", now));
	if (!bad)
		fake_api_patch(node->api, job->path,
			json_pack("{s:{s:s}}", "status", "completionTime", now));
}

static void advance(struct fake_node *node, struct node_job *job)
{
	switch (job->stage) {
	case JOB_NEW:
		make_pod(node, job);
		job->due_ms += job->deed.pending_ms;
		break;
	case JOB_PENDING:
		start_pod(node, job);
		job->due_ms += job->deed.hangs ? INT64_MAX / 2 : job->deed.run_ms;
		break;
	case JOB_RUNNING:
		end_pod(node, job);
		job->due_ms += job->deed.job_lag_ms;
		break;
	case JOB_ENDED:
		end_job(node, job);
		break;
	case JOB_DONE:
		list_del(&job->link);
		return;
	}
	job->stage++;
}

/* Pods first, then the Job. */
static void finish_deletion(struct fake_node *node, struct node_job *job)
{
	fake_api_delete(node->api, job->pod_path);
	if (!job->gone)
		fake_api_patch(
			node->api, job->path, json_pack("{s:{s:n}}", "metadata", "finalizers"));
	job_free(node, job);
}

/* --- the garbage collector --- */

/* Key of the store, "api/v1/pods/NAMESPACE/NAME", as a path. */
static char *path_of(const char *key)
{
	const char *name = strrchr(key, '/'), *namespace_ = name - 1, *plural;

	while (*namespace_ != '/')
		namespace_--;
	plural = namespace_ - 1;
	while (*plural != '/')
		plural--;
	return xasprintf("/%.*s/namespaces%.*s%.*s%s", (int)(plural - key), key,
		(int)(name - namespace_), namespace_, (int)(namespace_ - plural), plural, name);
}

static void collect_garbage(struct fake_node *node)
{
	const struct fake_store *store = fake_api_store(node->api);
	auto_strvec dead = STRVEC_INIT;
	size_t pos = 0;
	const char *key;
	void *object;

	node->garbage = false;
	while (map_next(&store->objects, &pos, &key, &object)) {
		if (has_no_owner_left(node, object) &&
			!doc_str(object, "metadata.deletionTimestamp"))
			strvec_take(&dead, path_of(key));
	}
	strvec_sort(&dead);
	strvec_for_each (&dead, i) {
		fake_api_delete(node->api, dead.items[i]);
	}
}

/* --- for tests --- */

void fake_node_turn(struct fake_node *node)
{
	int64_t now = time_mono_ms();

	list_for_each (node_, &node->jobs) {
		struct node_job *job = container_of(node_, struct node_job, link);

		if (job->gone || job->deleting)
			finish_deletion(node, job);
		else if (job->due_ms <= now)
			advance(node, job);
	}
	if (node->garbage)
		collect_garbage(node);
	if (now >= node->bookmark_ms) {
		fake_api_bookmark(node->api);
		node->bookmark_ms = now + BOOKMARK_MS;
	}
}

struct fake_node *fake_node_new(struct fake_api *api,
	void (*deed)(void *user, const json_t *job, struct fake_deed *ret), void *user)
{
	struct fake_node *node = xnew(struct fake_node);
	struct fake_store *store = fake_api_store(api);

	node->api = api;
	node->deed = deed;
	node->user = user;
	list_init(&node->jobs);
	node->committed = store->committed;
	node->committed_user = store->user;
	node->bookmark_ms = time_mono_ms() + BOOKMARK_MS;
	store->committed = committed;
	store->user = node;
	return node;
}

void fake_node_free(struct fake_node *node)
{
	struct fake_store *store;
	size_t pos = 0;
	void *job;

	if (!node)
		return;
	store = fake_api_store(node->api);
	store->committed = node->committed;
	store->user = node->committed_user;
	while (map_next(&node->by_uid, &pos, NULL, &job))
		job_free(node, job);
	map_clear(&node->by_uid);
	map_clear(&node->uids);
	free(node);
}

void fake_node_observe(struct fake_node *node,
	void (*seen)(void *user, const struct fake_event *event), void *user)
{
	node->seen = seen;
	node->seen_user = user;
}

size_t fake_node_running(const struct fake_node *node)
{
	size_t running = 0;

	list_for_each (link, &node->jobs) {
		const struct node_job *job = container_of(link, struct node_job, link);

		running += job->stage == JOB_PENDING || job->stage == JOB_RUNNING;
	}
	return running;
}

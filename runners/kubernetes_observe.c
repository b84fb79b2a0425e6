#include "runners/kubernetes_observe.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "doc/json.h"
#include "doc/path.h"
#include "kube/conditions.h"
#include "runners/kubernetes_job.h"
#include "runners/kubernetes_join.h"

#define KUEUE_QUEUE "kueue.x-k8s.io/queue-name"

/* A Job with its newest pod, while its attempt is written. */
struct sight {
	const struct kubernetes_view *view;
	const json_t *job, *pod;
	const json_t *main; /* containerStatuses[name=main] of the pod */
	const char *job_uid;
	int pods;
	struct attempt *attempt;
	int64_t look_again_s;
	bool no_pod;
};

static const char *label_of(const json_t *object, const char *which, const char *key)
{
	const json_t *metadata = json_object_get(object, "metadata");

	return json_string_value(json_object_get(json_object_get(metadata, which), key));
}

static int64_t time_of(const json_t *object, const char *path)
{
	const char *text = doc_str(object, path);
	int64_t seconds;

	return text && time_parse_rfc3339(text, &seconds) ? seconds : 0;
}

static const json_t *find_condition(const json_t *object, const char *type)
{
	return condition_find(doc_get(object, "status.conditions"), type);
}

const char *kubernetes_controller_uid(const json_t *object)
{
	json_t *owner;
	size_t i;

	json_array_foreach (doc_get(object, "metadata.ownerReferences"), i, owner) {
		if (doc_bool_or(owner, "controller", false))
			return doc_str(owner, "uid");
	}
	return NULL;
}

static void say(struct attempt *attempt, const char *reason, const char *message)
{
	free(attempt->reason);
	free(attempt->message);
	attempt->reason = reason ? xstrdup(reason) : NULL;
	attempt->message = message ? xstrdup(message) : NULL;
}

static bool is_one_of(const char *word, const char *const *words)
{
	for (; word && *words; words++) {
		if (str_eq(word, *words))
			return true;
	}
	return false;
}

/* --- the pods of a Job --- */

/* a was made after b, ties by name. */
static bool is_newer(const json_t *a, const json_t *b)
{
	int order = strcmp(doc_str_or(a, "metadata.creationTimestamp", ""),
		doc_str_or(b, "metadata.creationTimestamp", ""));

	if (order == 0)
		order = strcmp(
			doc_str_or(a, "metadata.name", ""), doc_str_or(b, "metadata.name", ""));
	return order > 0;
}

static void find_pod(struct sight *sight)
{
	json_t *status;
	size_t i;

	for (int k = 0; k < sight->view->pods_len; k++) {
		const json_t *pod = sight->view->pods[k];

		if (!str_eq(kubernetes_controller_uid(pod), sight->job_uid))
			continue;
		sight->pods++;
		if (!sight->pod || is_newer(pod, sight->pod))
			sight->pod = pod;
	}
	json_array_foreach (doc_get(sight->pod, "status.containerStatuses"), i, status) {
		if (str_eq(doc_str(status, "name"), KUBERNETES_CONTAINER))
			sight->main = status;
	}
}

/* It will not change any more, but for being deleted. */
static bool pod_over(const struct sight *sight)
{
	const char *phase = doc_str_or(sight->pod, "status.phase", "");

	return str_eq(phase, "Failed") || str_eq(phase, "Succeeded");
}

static bool pod_succeeded(const struct sight *sight)
{
	return sight->pods == 1 && str_eq(doc_str(sight->pod, "status.phase"), "Succeeded") &&
	       doc_int_or(sight->main, "terminated.exitCode", -1) == 0 &&
	       !doc_str(sight->pod, "metadata.deletionTimestamp") &&
	       !doc_str(sight->job, "metadata.deletionTimestamp") &&
	       !find_condition(sight->pod, "DisruptionTarget");
}

/* --- why an attempt failed --- */

/* Reasons in a pod's own status that name the node's doing, not the step's. */
static const char *const node_reasons[] = {"Evicted", "NodeLost", "NodeShutdown", "Shutdown",
	"Terminated", "Preempting", "Preempted", "NodeAffinity", "UnexpectedAdmissionError",
	"OutOfcpu", "OutOfmemory", "OutOfpods", "OutOfephemeral-storage", NULL};

static void disrupted(struct sight *sight, const char *reason, const char *message)
{
	sight->attempt->disrupted = true;
	say(sight->attempt, reason, message);
}

static bool explain_disruption(struct sight *sight)
{
	const json_t *target = find_condition(sight->pod, "DisruptionTarget");
	const char *reason = doc_str(sight->pod, "status.reason");

	if (is_one_of(reason, node_reasons))
		disrupted(sight, reason, doc_str(sight->pod, "status.message"));
	else if (target)
		disrupted(sight, doc_str_or(target, "reason", "Disrupted"),
			doc_str(target, "message"));
	else if (str_eq(doc_str(sight->main, "terminated.reason"), "ContainerStatusUnknown"))
		disrupted(sight, "NodeLost", "the node lost track of the container");
	else if (doc_str(sight->pod, "metadata.deletionTimestamp"))
		disrupted(sight, "PodDeleted", "the pod was deleted");
	else
		return false;
	return true;
}

/* Logs may repeat what a secret argument said. */
static bool may_show_log(const struct sight *sight)
{
	const struct spec_step *step = &sight->view->run->spec->steps[sight->attempt->step];

	return json_object_size(json_object_get(step->json, "secretArguments")) == 0;
}

/* "exit code 1" and the last lines of the log; prefix names an init container. */
static void explain_exit(struct sight *sight, const char *prefix, const json_t *terminated)
{
	const char *reason = doc_str_or(terminated, "reason", "Error");
	const char *log = doc_str_or(terminated, "message", "");
	int code = (int)doc_int_or(terminated, "exitCode", -1);
	auto_free char *tail = str_clean_tail(log, strlen(log), KUBERNETES_LOG_MAX);
	bool with_log = *tail && may_show_log(sight);
	auto_free char *message = NULL;

	/* The runtime's own words say why nothing ran: "exec: ... not found". */
	if (is_one_of(reason, (const char *const[]){"StartError", "ContainerCannotRun", NULL}) &&
		*log)
		message =
			xasprintf("%s%s", prefix, with_log ? tail : "the container did not start");
	else
		message = xasprintf("%sexit code %d%s%s", prefix, code, with_log ? "\n" : "",
			with_log ? tail : "");
	sight->attempt->exit_code = code;
	say(sight->attempt, reason, message);
}

/* Our own container says in one line what is wrong; it never has a secret argument. */
static bool explain_join(struct sight *sight, const json_t *terminated)
{
	static const char lead[] = KUBERNETES_JOIN_CONTAINER ": ";
	const char *log = doc_str_or(terminated, "message", "");
	auto_free char *tail = str_clean_tail(log, strlen(log), KUBERNETES_LOG_MAX);
	const char *text = str_starts_with(tail, lead) ? tail + sizeof(lead) - 1 : tail;
	auto_free char *message = NULL;

	if (!*text || !str_eq(doc_str_or(terminated, "reason", "Error"), "Error"))
		return false;
	message = xasprintf(
		"the datasets it reads cannot be joined: %.*s", (int)strcspn(text, "\n"), text);
	sight->attempt->exit_code = (int)doc_int_or(terminated, "exitCode", -1);
	say(sight->attempt, "JoinFailed", message);
	return true;
}

static bool explain_init(struct sight *sight)
{
	json_t *status;
	size_t i;

	json_array_foreach (doc_get(sight->pod, "status.initContainerStatuses"), i, status) {
		const json_t *terminated = json_object_get(status, "terminated");
		auto_free char *prefix = NULL;

		if (!terminated)
			continue;
		if (str_eq(doc_str(status, "name"), KUBERNETES_JOIN_CONTAINER) &&
			explain_join(sight, terminated))
			return true;
		prefix = xasprintf("init container %s: ", doc_str_or(status, "name", "?"));
		explain_exit(sight, prefix, terminated);
		return true;
	}
	return false;
}

/* Job condition reason -> ours: only a time limit is a class of its own for retries. */
static const char *job_reason(const char *reason)
{
	return str_eq(reason, "DeadlineExceeded") ? "Timeout" : reason;
}

static void explain_by_job(struct sight *sight, const json_t *failed)
{
	const char *reason = doc_str_or(failed, "reason", "JobFailed");
	const char *message = doc_str(failed, "message");

	/* A pod failed, or was deleted, and it is not there to say which. */
	if (!sight->pod && str_eq(reason, "BackoffLimitExceeded"))
		disrupted(sight, "PodDeleted", "the pod is gone, and why it ended with it");
	else
		say(sight->attempt, job_reason(reason), message);
}

static void explain_failure(struct sight *sight, const json_t *failed)
{
	const json_t *terminated = json_object_get(sight->main, "terminated");

	if (str_eq(doc_str(failed, "reason"), "DeadlineExceeded"))
		explain_by_job(sight, failed);
	else if (sight->pod && explain_disruption(sight))
		sight->attempt->exit_code = (int)doc_int_or(terminated, "exitCode", -1);
	else if (terminated && doc_int_or(terminated, "exitCode", 0) != 0)
		explain_exit(sight, "", terminated);
	else if (!sight->pod || !explain_init(sight))
		explain_by_job(sight, failed);
}

static void see_failure(struct sight *sight, const json_t *failed)
{
	struct attempt *attempt = sight->attempt;
	int64_t decided = time_of(failed, "lastTransitionTime");
	int64_t now = sight->view->run->now_s;
	bool settled = sight->pod ? pod_over(sight) : now >= decided + KUBERNETES_SETTLE_S;

	/* The pod's last word is on its way, or its end is: both are watched apart. */
	if (!settled) {
		attempt->phase = ATTEMPT_RUNNING;
		attempt->end_s = decided ? decided : now;
		if (!sight->pod)
			sight->look_again_s = decided + KUBERNETES_SETTLE_S;
		return;
	}
	attempt->phase = ATTEMPT_FAILED;
	if (!attempt->end_s)
		attempt->end_s = decided;
	explain_failure(sight, failed);
}

/* --- why an attempt does not run yet --- */

static const char *const waiting_reasons[] = {
	/* image */
	"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull",
	"ImageInspectError", "RegistryUnavailable", "SignatureValidationFailed",
	/* config */
	"CreateContainerConfigError", "CreateContainerError", "RunContainerError", NULL};

static bool see_waiting(struct sight *sight, const json_t *status)
{
	const char *reason = doc_str(status, "waiting.reason");

	if (!is_one_of(reason, waiting_reasons))
		return false;
	say(sight->attempt, reason, doc_str(status, "waiting.message"));
	return true;
}

static void see_pending_pod(struct sight *sight)
{
	const json_t *scheduled = find_condition(sight->pod, "PodScheduled");
	const char *reason = doc_str(scheduled, "reason");
	json_t *status;
	size_t i;

	sight->attempt->phase = ATTEMPT_PENDING;
	if (str_eq(reason, "SchedulingGated")) {
		sight->attempt->phase = ATTEMPT_QUEUED;
		say(sight->attempt, reason, doc_str(scheduled, "message"));
		return;
	}
	if (str_eq(reason, "Unschedulable")) {
		say(sight->attempt, reason, doc_str(scheduled, "message"));
		return;
	}
	if (see_waiting(sight, sight->main))
		return;
	json_array_foreach (doc_get(sight->pod, "status.initContainerStatuses"), i, status) {
		if (see_waiting(sight, status))
			return;
	}
}

static void see_no_pod(struct sight *sight)
{
	struct attempt *attempt = sight->attempt;
	int64_t since = time_of(sight->job, "status.startTime");
	const char *text;

	attempt->phase = ATTEMPT_PENDING;
	if (!since)
		since = attempt->submit_s;
	if (attempt->stopping)
		return;
	if (sight->view->run->now_s < since + KUBERNETES_NO_POD_S) {
		sight->look_again_s = since + KUBERNETES_NO_POD_S;
		return;
	}
	sight->no_pod = true;
	text = sight->view->no_pod_reason
		       ? sight->view->no_pod_reason(sight->view->arg, sight->job_uid)
		       : NULL;
	if (text)
		say(attempt, "FailedCreate", text);
	else
		say(attempt, "NoPod", "the Job has no pod yet");
}

static bool is_queued(const struct sight *sight)
{
	if (doc_bool_or(sight->job, "spec.suspend", false))
		return true;
	return label_of(sight->job, "labels", KUEUE_QUEUE) && !sight->pod &&
	       !doc_str(sight->job, "status.startTime");
}

static void see_progress(struct sight *sight)
{
	struct attempt *attempt = sight->attempt;
	const json_t *suspended = find_condition(sight->job, "Suspended");

	if (is_queued(sight)) {
		attempt->phase = ATTEMPT_QUEUED;
		attempt->start_s = 0;
		say(attempt, doc_str_or(suspended, "reason", "Queued"),
			"waits for its queue to admit it");
	} else if (!sight->pod) {
		see_no_pod(sight);
	} else if (str_eq(doc_str(sight->pod, "status.phase"), "Pending") && !attempt->start_s) {
		see_pending_pod(sight);
	} else {
		attempt->phase = ATTEMPT_RUNNING;
		if (pod_over(sight) && !attempt->end_s)
			attempt->end_s = sight->view->run->now_s;
	}
}

/* --- the whole --- */

static void see_success(struct sight *sight)
{
	struct attempt *attempt = sight->attempt;

	attempt->phase = ATTEMPT_SUCCEEDED;
	attempt->exit_code = 0;
	if (!attempt->end_s)
		attempt->end_s = time_of(sight->job, "status.completionTime");
}

/* Times of the step's container: it ran from start_s to end_s, each 0 when not (yet) known. */
static void see_times(struct sight *sight)
{
	struct attempt *attempt = sight->attempt;

	attempt->submit_s = time_of(sight->job, "metadata.creationTimestamp");
	attempt->start_s = time_of(sight->main, "terminated.startedAt");
	attempt->end_s = time_of(sight->main, "terminated.finishedAt");
	if (!attempt->start_s)
		attempt->start_s = time_of(sight->main, "running.startedAt");
}

static bool is_attempt_of(
	const struct runner_run *run, const json_t *job, int *ret_step, int64_t *ret_number)
{
	const char *step = label_of(job, "labels", KUBERNETES_LABEL_STEP);
	const char *number = label_of(job, "annotations", KUBERNETES_ANNOTATION_ATTEMPT);

	if (!step || !number || !str_eq(kubernetes_controller_uid(job), run->uid))
		return false;
	*ret_step = frozen_spec_step(run->spec, step);
	return *ret_step >= 0 && str_to_int64(number, ret_number) && *ret_number >= 1 &&
	       *ret_number <= KUBERNETES_MAX_ATTEMPT;
}

bool kubernetes_observe_job(const struct kubernetes_view *view, const json_t *job,
	struct attempts *attempts, int64_t *ret_look_again_s, bool *ret_no_pod)
{
	struct sight sight = {
		.view = view,
		.job = job,
		.job_uid = doc_str_or(job, "metadata.uid", ""),
	};
	const json_t *failed = find_condition(job, "Failed");
	int64_t number;
	int step;

	if (!is_attempt_of(view->run, job, &step, &number))
		return false;
	find_pod(&sight);
	sight.attempt = attempts_add(attempts);
	sight.attempt->step = step;
	sight.attempt->number = (int)number;
	sight.attempt->stopping = doc_str(job, "metadata.deletionTimestamp") != NULL;
	sight.attempt->external_kind = xstrdup("Job");
	sight.attempt->external_name = xstrdup(doc_str_or(job, "metadata.name", ""));
	see_times(&sight);
	if (find_condition(job, "Complete") || pod_succeeded(&sight))
		see_success(&sight);
	else if (failed)
		see_failure(&sight, failed);
	else
		see_progress(&sight);
	*ret_look_again_s = sight.look_again_s;
	*ret_no_pod = sight.no_pod;
	return true;
}

char *kubernetes_failed_create_text(const char *message)
{
	static const char lead[] = "Error creating: ";
	const char *end;

	if (str_starts_with(message, lead))
		message += sizeof(lead) - 1;
	if (str_starts_with(message, "pods \"")) {
		end = strstr(message + 6, "\" is ");
		if (end)
			message = end + 5;
	}
	return str_clean_tail(message, strlen(message), 1024);
}

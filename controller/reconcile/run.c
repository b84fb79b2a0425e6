#include "reconcile/run.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "doc/json.h"
#include "doc/path.h"
#include "kube/conditions.h"
#include "reconcile/backend.h"
#include "reconcile/names.h"
#include "reconcile/policy.h"
#include "reconcile/run_deletion.h"
#include "reconcile/run_status.h"
#include "runners/kubernetes_observe.h"

static bool phase_of(const json_t *run, enum run_phase *ret_phase)
{
	return run_phase_parse(doc_str_or(run, "status.phase", ""), ret_phase);
}

bool run_is_final(const json_t *run)
{
	enum run_phase phase;

	return phase_of(run, &phase) && run_phase_final(phase);
}

/* A run that went its own way first: created earlier, ties by name. */
static bool goes_before(const json_t *a, const json_t *b)
{
	int order = strcmp(doc_str_or(a, "metadata.creationTimestamp", ""),
		doc_str_or(b, "metadata.creationTimestamp", ""));

	if (order == 0)
		order = strcmp(
			doc_str_or(a, "metadata.name", ""), doc_str_or(b, "metadata.name", ""));
	return order < 0;
}

static bool has_started(const struct run_view *view)
{
	return view->has_jobs || doc_str(view->run, "status.startTime");
}

/* It had its turn, and may have been submitted outside the cluster before the status said so: only
 * the backend can tell. */
static bool may_be_outside(const json_t *run)
{
	const struct runner *runner = NULL;
	const json_t *settings;

	return backend_pinned(run, &runner, &settings) && runner->outside;
}

/* The run of the same pipeline whose turn it is, NULL when it is ours. */
static const json_t *whose_turn(const struct run_view *view)
{
	const char *uid = doc_str(view->run, "metadata.uid");
	const json_t *other;
	size_t i;

	if (has_started(view) || may_be_outside(view->run))
		return NULL;
	json_array_foreach (view->runs, i, other) {
		if (str_eq(doc_str(other, "metadata.uid"), uid) || run_is_final(other) ||
			doc_get(other, "metadata.deletionTimestamp"))
			continue;
		if (doc_str(other, "status.startTime") || goes_before(other, view->run))
			return other;
	}
	return NULL;
}

static const char *const later_fields[] = {"resumeFrom", NULL};

static bool refuse_later_fields(const struct run_view *view, struct plan *plan)
{
	for (int i = 0; later_fields[i]; i++) {
		if (json_object_get(json_object_get(view->run, "spec"), later_fields[i])) {
			auto_free char *message =
				xasprintf("spec.%s: not supported by this version of the operator; "
					  "create the run without it",
					later_fields[i]);

			run_fail(view, "NotYetSupported", message, plan);
			return true;
		}
	}
	return false;
}

/* A finished run with ttlAfterFinished goes when its time has come. */
static void expire(const struct run_view *view, struct plan *plan)
{
	const char *ttl = doc_str(view->run, "spec.ttlAfterFinished");
	int64_t seconds, completed, left;

	if (!ttl || !time_parse_duration(ttl, &seconds) ||
		!time_parse_rfc3339(doc_str_or(view->run, "status.completionTime", ""), &completed))
		return;
	left = completed + seconds - view->now_s;
	if (left > 0)
		plan_requeue(plan, left * 1000);
	else
		plan_delete(plan, &kube_runs, doc_str_or(view->run, "metadata.namespace", ""),
			doc_str_or(view->run, "metadata.name", ""),
			doc_str_or(view->run, "metadata.uid", ""));
}

static enum run_admission wait_for(const struct run_view *view, enum run_phase phase,
	const char *reason, char *message, struct plan *plan)
{
	run_status_waiting(view, phase, reason, message, plan);
	free(message);
	return RUN_WAIT;
}

static bool has_parameters(const json_t *run)
{
	return json_array_size(doc_get(run, "spec.parameters")) > 0;
}

/* A run that names its pipeline is pinned to what that is frozen as, before anything else; with
 * parameters of its own, to what it freezes itself from that. */
static enum run_admission pin(
	const struct run_view *view, struct plan *plan, char **ret_spec_name, char **ret_hash)
{
	const char *name = doc_str_or(view->run, "spec.pipelineRef.name", "");
	const json_t *pipeline = view->pipeline;
	const json_t *status = json_object_get(pipeline, "status");

	if (!pipeline)
		return wait_for(view, RUN_PENDING, "PipelineNotFound",
			xasprintf("spec.pipelineRef.name: there is no FondantPipeline \"%s\" here; "
				  "create it or delete this run",
				name),
			plan);
	if (doc_int_or(status, "observedGeneration", -1) !=
			doc_int_or(pipeline, "metadata.generation", 0) ||
		!str_eq(condition_status(json_object_get(status, "conditions"), "Ready"), "True"))
		return wait_for(view, RUN_PENDING, "PipelineNotReady",
			xasprintf("FondantPipeline \"%s\" is not frozen: %s", name,
				doc_str_or(condition_find(
						   json_object_get(status, "conditions"), "Ready"),
					"message", "not looked at yet")),
			plan);
	if (has_parameters(view->run) || doc_str(view->run, "spec.backendRef.name")) {
		*ret_spec_name = xstrdup(doc_str_or(status, "frozen.name", ""));
		*ret_hash = xstrdup(doc_str_or(status, "frozen.hash", ""));
		return RUN_FREEZE;
	}
	run_status_pin(view, doc_str_or(status, "frozen.name", ""),
		doc_str_or(status, "frozen.hash", ""), plan);
	return RUN_WAIT;
}

/* --- the backend --- */

const char *run_backend_name(const struct run_view *view)
{
	const char *spec = doc_str(view->run, "status.frozenSpec.name");
	const char *own = doc_str(view->run, "spec.backendRef.name");
	const json_t *map;

	if (own)
		return own;
	if (!spec)
		spec = doc_str_or(view->run, "spec.frozenSpecRef.name", "");
	map = doc_find(view->frozen, "metadata.name", spec);
	return json_string_value(
		json_object_get(doc_get(map, "metadata.annotations"), ANNOTATION_BACKEND));
}

static bool is_full(const struct run_view *view, const struct backend_choice *choice)
{
	int64_t most = policy_max_active_runs(choice->object);

	return most && view->active_runs >= most;
}

/* RUN_GO when it is pinned, or needs no pin. */
static enum run_admission pin_backend(const struct run_view *view, struct plan *plan)
{
	const char *name = run_backend_name(view);
	struct backend_source source = {.backends = view->backends};
	struct backend_choice choice;
	auto_diags diags = DIAG_LIST_INIT;

	if (!name || doc_get(view->run, "status.backend"))
		return RUN_GO;
	if (!backend_choose(&source, name, "spec.backendRef", &choice, &diags))
		return wait_for(view, RUN_PENDING, diags.items[0].reason,
			xstrdup(diags.items[0].message), plan);
	if (is_full(view, &choice))
		return wait_for(view, RUN_QUEUED, "BackendFull",
			xasprintf("policy.maxActiveRuns of FondantBackend \"%s\" is %lld: it "
				  "waits for a run to end",
				choice.name, (long long)policy_max_active_runs(choice.object)),
			plan);
	/* one write a pass: the status that follows needs the resourceVersion of the first */
	if (choice.runner->outside && !name_has_finalizer(view->run, FINALIZER_RUN))
		run_hold(view, plan);
	else
		run_status_backend(view, backend_pin(&choice), plan);
	return RUN_WAIT;
}

int64_t run_deleted_s(const json_t *run)
{
	int64_t seconds;

	return time_parse_rfc3339(doc_str_or(run, "metadata.deletionTimestamp", ""), &seconds)
		       ? seconds
		       : 0;
}

enum run_admission run_admit(
	const struct run_view *view, struct plan *plan, char **ret_spec_name, char **ret_hash)
{
	const json_t *run = view->run;
	const char *pinned = doc_str(run, "status.frozenSpec.name");
	const char *given = doc_str(run, "spec.frozenSpecRef.name");
	const json_t *other;

	if (doc_get(run, "metadata.deletionTimestamp"))
		return name_has_finalizer(run, FINALIZER_RUN) ? RUN_RELEASE : RUN_SETTLED;
	if (run_is_final(run)) {
		expire(view, plan);
		return RUN_SETTLED;
	}
	if (refuse_later_fields(view, plan))
		return RUN_REFUSED;
	if (!has_started(view) && !may_be_outside(run) &&
		str_eq(doc_str(run, "spec.desiredState"), "Cancelled")) {
		run_status_never_started(view, plan);
		return RUN_REFUSED;
	}
	if (!pinned && !given)
		return pin(view, plan, ret_spec_name, ret_hash);
	other = whose_turn(view);
	if (other)
		return wait_for(view, RUN_QUEUED, "Queued",
			xasprintf("waits for run %s of the same pipeline to finish",
				doc_str_or(other, "metadata.name", "")),
			plan);
	if (run_prepare_orphan(view, plan) || pin_backend(view, plan) != RUN_GO)
		return RUN_WAIT;
	*ret_spec_name = xstrdup(pinned ? pinned : given);
	if (pinned && doc_str(run, "status.frozenSpec.hash"))
		*ret_hash = xstrdup(doc_str(run, "status.frozenSpec.hash"));
	return RUN_GO;
}

int64_t run_scheduled_s(const json_t *run)
{
	int64_t seconds;

	if (time_parse_rfc3339(doc_str_or(run, "spec.scheduledTime", ""), &seconds) ||
		time_parse_rfc3339(doc_str_or(run, "metadata.creationTimestamp", ""), &seconds))
		return seconds;
	return 0;
}

bool run_is_scheduled(const json_t *run)
{
	return doc_str(run, "spec.scheduledTime") != NULL;
}

static void time_of(const json_t *object, const char *key, int64_t *ret_seconds)
{
	const char *text = doc_str(object, key);

	if (!text || !time_parse_rfc3339(text, ret_seconds))
		*ret_seconds = 0;
}

static char *copy_or_null(const char *s)
{
	return s ? xstrdup(s) : NULL;
}

/* A count of attempts; whoever else may write a status cannot make it absurd. */
static int count_of(const json_t *object, const char *key, int fallback)
{
	int64_t count = doc_int_or(object, key, fallback);

	if (count < 0)
		return 0;
	return count > KUBERNETES_MAX_ATTEMPT ? KUBERNETES_MAX_ATTEMPT : (int)count;
}

static void read_step(const json_t *json, const char *run_id, struct step_state *state)
{
	const char *name = doc_str_or(json, "name", "");

	if (!step_phase_parse(doc_str_or(json, "phase", ""), &state->phase))
		state->phase = STEP_WAITING;
	time_of(json, "startTime", &state->start_s);
	time_of(json, "completionTime", &state->end_s);
	state->attempt = count_of(json, "attempts", state->phase == STEP_WAITING ? 0 : 1);
	state->disruptions = count_of(json, "disruptions", 0);
	time_of(json, "retryTime", &state->retry_at_s);
	state->exit_code = (int)doc_int_or(json, "exitCode", -1);
	state->reason = copy_or_null(doc_str(json, "reason"));
	state->message = copy_or_null(doc_str(json, "message"));
	state->external_kind = copy_or_null(doc_str(json, "external.kind"));
	state->external_name = copy_or_null(doc_str(json, "external.name"));
	if (state->phase == STEP_CACHED)
		state->ref = copy_or_null(doc_str(json, "cachedFrom"));
	else if (state->phase == STEP_SUCCEEDED && state->attempt > 1)
		state->ref = xasprintf("%s-a%d/%s", run_id, state->attempt, name);
	else if (state->phase == STEP_SUCCEEDED)
		state->ref = xasprintf("%s/%s", run_id, name);
}

/* The steps of a run whose names only its backend knows. */
static struct step_state *named_steps(
	const json_t *run, const char *run_id, struct strvec *ret_names)
{
	const json_t *steps = doc_get(run, "status.steps"), *step;
	struct step_state *known = xcalloc(json_array_size(steps) + 1, sizeof(*known));
	size_t i;

	json_array_foreach (steps, i, step) {
		const char *name = doc_str(step, "name");

		if (!name || strvec_has(ret_names, name))
			continue;
		known[ret_names->len] = (struct step_state){.exit_code = -1};
		read_step(step, run_id, &known[ret_names->len]);
		strvec_add(ret_names, name);
	}
	return known;
}

struct step_state *run_known_steps(
	const json_t *run, const struct frozen_spec *spec, struct strvec *ret_names)
{
	auto_free char *run_id = name_run_id(
		doc_str_or(run, "metadata.name", ""), doc_str_or(run, "metadata.uid", ""));
	struct step_state *known;
	const json_t *step;
	size_t i;

	if (spec->native)
		return named_steps(run, run_id, ret_names);
	known = xcalloc((size_t)spec->steps_len + 1, sizeof(*known));
	for (int k = 0; k < spec->steps_len; k++)
		known[k].exit_code = -1;
	json_array_foreach (doc_get(run, "status.steps"), i, step) {
		int index = frozen_spec_step(spec, doc_str_or(step, "name", ""));

		if (index < 0)
			continue;
		step_state_clear(&known[index]);
		read_step(step, run_id, &known[index]);
	}
	return known;
}

bool run_should_stop(const struct run_view *view, const struct frozen_spec *spec,
	const char **ret_reason, char **ret_message)
{
	const char *owner = name_controller_uid(view->run);
	int64_t started;
	bool gone;

	if (str_eq(doc_str(view->run, "spec.desiredState"), "Cancelled")) {
		*ret_reason = "Cancelled";
		*ret_message = xstrdup("cancelled by spec.desiredState");
		return true;
	}
	gone = !view->pipeline || doc_get(view->pipeline, "metadata.deletionTimestamp") ||
	       (owner && !str_eq(owner, doc_str(view->pipeline, "metadata.uid")));
	if (gone && !(has_started(view) && run_is_orphan(view))) {
		*ret_reason = "PipelineDeleted";
		*ret_message = xasprintf("its FondantPipeline \"%s\" was deleted", spec->pipeline);
		return true;
	}
	time_of(view->run, "status.startTime", &started);
	if (spec->timeout_s && started && started + spec->timeout_s <= view->now_s) {
		*ret_reason = "RunTimeout";
		*ret_message = xasprintf("the run took longer than spec.timeout (%lld s)",
			(long long)spec->timeout_s);
		return true;
	}
	return false;
}

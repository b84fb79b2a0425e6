/*
 * A pass over a run: admit -> load its frozen spec -> observe -> submit what is to be started ->
 * write what was learned -> stop what should not run. Starting comes before writing, so that a
 * status write never delays the next step; every start is create-or-adopt, so that a crash in
 * between costs nothing.
 */
#include "reconcile/internal.h"

#include <stdlib.h>
#include <string.h>
#include "base/digest.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "doc/json.h"
#include "doc/path.h"
#include "reconcile/names.h"
#include "reconcile/policy.h"
#include "reconcile/run_freeze.h"
#include "reconcile/run_status.h"
#include "runners/kubernetes_job.h"

#define POLICY_TEXT_MAX 4096

void run_live_free(void *value)
{
	struct run_live *live = value;

	if (!live)
		return;
	map_clear(&live->refused);
	data_probes_clear(&live->probes);
	free(live->key);
	frozen_spec_free(live->spec);
	free(live->uid);
	free(live->spec_name);
	free(live->spec_uid);
	free(live->spec_hash);
	free(live);
}

static void free_steps(struct step_state *steps, int len)
{
	for (int i = 0; steps && i < len; i++)
		step_state_clear(&steps[i]);
	free(steps);
}

void work_run_release(struct work *work)
{
	run_state_clear(&work->state);
	free_steps(work->known, work->known_len);
	strvec_clear(&work->names);
	json_decref((json_t *)work->view.pipeline);
	json_decref((json_t *)work->view.runs);
	json_decref((json_t *)work->view.frozen);
	json_decref((json_t *)work->view.backends);
	credentials_clear(&work->secrets);
	pullsecrets_clear(&work->pull);
	json_decref(work->secret_refs);
	json_decref(work->index);
	json_decref(work->owner);
	json_decref(work->cache.parsed);
	free(work->spec_name);
	free(work->pinned_hash);
	free(work->run_id);
}

static struct run_live *live_of(struct work *work)
{
	const char *uid = doc_str_or(work->object, "metadata.uid", "");
	struct run_live *live = map_get(&work->controller->lives, work->key);

	if (live && str_eq(live->uid, uid))
		return live;
	live = xnew(struct run_live);
	live->uid = xstrdup(uid);
	live->refused.free_value = free;
	live->controller = work->controller;
	live->key = xstrdup(work->key);
	map_set(&work->controller->lives, work->key, live);
	return live;
}

/*
 * The backend did not do what it was asked for. A run that has not started says so; the pass is
 * tried again.
 */
static void backend_failed(struct work *work, const struct err *err, const char *doing)
{
	bool refused = str_eq(err->reason, "Unauthorized") || str_eq(err->reason, "Forbidden");

	if (work->backend && refused)
		open_backend_stale(work->backend);
	work_fail(work, err, doing);
	if (work->backend && !work->backend->runner->outside) {
		work_end(work);
		return;
	}
	if (!doc_str(work->object, "status.startTime"))
		run_status_waiting(
			&work->view, RUN_PENDING, err->reason, err_message(err), &work->plan);
	work_execute(work);
}

/* --- after the status is written --- */

static void cancel_done(struct runner_op *op)
{
	struct work *work = container_of(op, struct work, runner_op);

	work->runner_busy = false;
	if (op->result < 0)
		work_fail(work, &op->err, "stop");
	work_end(work);
}

/* What observe decided is in the status now: the next pass submits. */
static void submit_next(struct work *work)
{
	queue_add(&work->controller->queue, work->key, QUEUE_HIGH);
	work_end(work);
}

static void stop_surplus(struct work *work)
{
	if (!work->state.needs_cancel) {
		work_end(work);
		return;
	}
	work_runner_call(work, cancel_done);
	work->backend->runner->cancel(work->backend->cookie, &work->run, &work->runner_op);
}

static void write_then(struct work *work, void (*then)(struct work *work))
{
	struct run_live *live = work->live;
	struct run_identity id = {.run_id = work->run_id,
		.spec_name = live->spec_name,
		.spec_uid = live->spec_uid,
		.spec_hash = live->spec_hash};
	int64_t now = loop_now_ms(work->controller->loop);
	int64_t ago = live->last_write_ms ? now - live->last_write_ms : INT64_MAX;
	auto_json *pipeline_owner = NULL;

	if (run_phase_final(work->state.phase)) {
		if (work->view.pipeline)
			pipeline_owner = name_owner(work->view.pipeline, "FondantPipeline", 0);
		step_cache_record(&work->plan, work->namespace_, live->spec, &work->state,
			work->index, pipeline_owner);
	}
	run_update(&work->view, live->spec, &id, &work->state, ago, &work->plan);
	if (work->state.look_again_ms)
		plan_requeue(&work->plan, work->state.look_again_ms);
	work->then = then;
	work_execute(work);
}

static void write_what_was_learned(struct work *work)
{
	write_then(work, stop_surplus);
}

/* --- observing and submitting --- */

/* What the backend will never take has failed; anything else is tried again. */
static void submit_failed(struct work *work, const struct err *err)
{
	bool refused = err->class == ERR_USER && !str_eq(err->reason, "Unauthorized") &&
		       !str_eq(err->reason, "Forbidden");

	if (refused) {
		run_fail(&work->view, err->reason, err_message(err), &work->plan);
		work_execute(work);
	} else if (!doc_str(work->object, "status.startTime")) {
		backend_failed(work, err, "submit");
	} else {
		work_fail(work, err, "submit");
		write_what_was_learned(work);
	}
}

/* The backend will never take it: the step has failed, and the next pass says so; where the spec
 * has no steps, the status must know this one by then. */
static void refuse_step(struct work *work, const struct runner_op *op)
{
	struct run_live *live = work->live;

	map_set(&live->refused, run_state_step_name(&work->state, live->spec, op->step),
		xstrdup(err_message(&op->err)));
	queue_add(&work->controller->queue, work->key, QUEUE_HIGH);
	if (live->spec->native)
		write_what_was_learned(work);
	else
		work_end(work);
}

static void submit_done(struct runner_op *op)
{
	struct work *work = container_of(op, struct work, runner_op);

	work->runner_busy = false;
	if (op->result < 0 && op->err.class == ERR_USER && op->step >= 0 &&
		op->step < work->state.steps_len) {
		refuse_step(work, op);
		return;
	}
	if (op->result < 0 && work->backend->runner->outside) {
		submit_failed(work, &op->err);
		return;
	}
	if (op->result < 0)
		work_fail(work, &op->err, "submit");
	write_what_was_learned(work);
}

static void submit(struct work *work)
{
	work->run.secrets = work->secrets.values;
	work->run.pull = &work->pull.auths;
	work_runner_call(work, submit_done);
	work->backend->runner->submit(work->backend->cookie, &work->run, &work->runner_op);
}

static void pull_read(struct pullsecrets *pull)
{
	submit(container_of(pull, struct work, pull));
}

static void secrets_read(struct credentials *secrets)
{
	struct work *work = container_of(secrets, struct work, secrets);

	if (secrets->err.class != ERR_NONE) {
		backend_failed(work, &secrets->err, "read secretArguments");
		return;
	}
	pullsecrets_read(&work->pull, work->controller->client, work->namespace_,
		work->live->spec->json, pull_read);
}

/* Every secretArgument of the spec, as references under "<Secret>/<key>". New reference. */
static json_t *secret_refs(const struct frozen_spec *spec)
{
	json_t *refs = json_object(), *argument;
	const char *name;

	for (int i = 0; i < spec->steps_len; i++) {
		json_object_foreach ((json_t *)spec->steps[i].secret_arguments, name, argument) {
			auto_free char *key =
				xasprintf("%s/%s", doc_str_or(argument, "secretKeyRef.name", ""),
					doc_str_or(argument, "secretKeyRef.key", ""));

			json_object_set(refs, key, argument);
		}
	}
	return refs;
}

static void read_secrets(struct work *work)
{
	work->secret_refs = secret_refs(work->live->spec);
	if (json_object_size(work->secret_refs) == 0)
		pullsecrets_read(&work->pull, work->controller->client, work->namespace_,
			work->live->spec->json, pull_read);
	else
		credentials_read(&work->secrets, work->controller->client, work->namespace_,
			work->secret_refs, secrets_read);
}

static void observe_done(struct runner_op *op)
{
	struct work *work = container_of(op, struct work, runner_op);
	const char *identity = work->state.backend_run_id;

	work->runner_busy = false;
	if (op->result < 0)
		backend_failed(work, &op->err, "observe");
	else if (!work->state.needs_submit)
		write_what_was_learned(work);
	else if (identity && !str_eq(identity, work->run.backend_run_id))
		write_then(work, submit_next);
	else if (work->backend->runner->secret_values)
		read_secrets(work);
	else
		submit(work);
}

static void apply_refusals(struct work *work)
{
	const struct frozen_spec *spec = work->live->spec;

	for (int i = 0; work->live->refused.len && i < work->known_len; i++) {
		const char *name = spec->native ? work->names.items[i] : spec->steps[i].name;
		const char *why = map_get(&work->live->refused, name);
		struct step_state *s = &work->known[i];

		if (!why || step_phase_final(s->phase))
			continue;
		step_state_clear(s);
		s->phase = STEP_FAILED;
		s->exit_code = -1;
		s->end_s = work->view.now_s;
		s->reason = xstrdup("Refused");
		s->message = xstrdup(why);
	}
}

static void observe(struct work *work)
{
	const struct frozen_spec *spec = work->live->spec;
	auto_free char *index_name = step_cache_name(spec);
	const char *reason;
	auto_free char *message = NULL;

	work->index = scope_object(work->scope, CACHED_INDEXES, work->namespace_, index_name);
	step_cache_view_init(
		&work->cache, work->index, work->view.now_s, run_is_scheduled(work->object));
	work->known = run_known_steps(work->object, spec, &work->names);
	work->known_len = spec->native ? (int)work->names.len : spec->steps_len;
	apply_refusals(work);
	work->run_id = name_run_id(work->name, doc_str_or(work->object, "metadata.uid", ""));
	work->owner = name_owner(work->object, "FondantRun", 1);
	work->run = (struct runner_run){.spec = spec,
		.namespace_ = work->namespace_,
		.pipeline = spec->pipeline,
		.name = work->name,
		.uid = doc_str_or(work->object, "metadata.uid", ""),
		.run_id = work->run_id,
		.spec_name = work->live->spec_name,
		.owner = work->owner,
		.known = work->known,
		.names = spec->native ? &work->names : NULL,
		.cache = &work->cache.cache,
		.data = work->live->visible ? &work->live->probes.check : NULL,
		.backend_run_id = doc_str(work->object, "status.backendRunID"),
		.cancelling = run_should_stop(&work->view, spec, &reason, &message),
		.now_s = work->view.now_s};
	run_state_init(&work->state, spec->steps_len);
	work_runner_call(work, observe_done);
	work->backend->runner->observe(
		work->backend->cookie, &work->run, &work->state, &work->runner_op);
}

/* --- its backend --- */

static void cannot_open(struct work *work, const struct err *err)
{
	backend_failed(work, err, "open the backend");
}

/* The spec was frozen for a backend of another kind than its FondantBackend is now. */
static bool backend_fits(struct work *work, const struct runner *runner)
{
	auto_free char *message = NULL;

	if (str_eq(work->live->spec->backend, runner->name))
		return true;
	message = xasprintf("frozen spec %s is for %s, and FondantBackend \"%s\" is of the kind %s "
			    "now; apply the pipeline again for a new run",
		work->spec_name, work->live->spec->backend,
		doc_str_or(work->object, "status.backend.name", ""), runner->name);
	run_fail(&work->view, "BackendChanged", message, &work->plan);
	work->live = NULL;
	map_del(&work->controller->lives, work->key);
	work_execute(work);
	return false;
}

/* A frozen spec may be older than the policy, or made by anybody: a run that would start under one
 * that denies it does not. Without a pin the policy of `default` holds. */
static bool policy_allows(struct work *work)
{
	const char *name = doc_str_or(work->object, "status.backend.name", BACKEND_DEFAULT);
	auto_diags diags = DIAG_LIST_INIT;
	auto_buf text = BUF_INIT;

	if (work->view.has_jobs)
		return true;
	policy_check(json_object_get(work->view.backends, name), work->live->spec->json, &diags);
	if (!diags.len)
		return true;
	diag_format(&diags, &text, POLICY_TEXT_MAX);
	run_fail(&work->view, "PolicyDenied", buf_str(&text), &work->plan);
	work->live = NULL;
	map_del(&work->controller->lives, work->key);
	work_execute(work);
	return false;
}

static void open_backend(struct work *work)
{
	const struct runner *runner = &runner_kubernetes;
	const json_t *settings = NULL;

	backend_pinned(work->object, &runner, &settings);
	if (backend_fits(work, runner) && policy_allows(work))
		work_open_backend(work, runner, settings, observe, cannot_open);
}

/* --- loading the frozen spec --- */

static void lose_spec(struct work *work, const char *why)
{
	auto_free char *message = xasprintf(
		"frozen spec %s %s; apply the pipeline again for a new run", work->spec_name, why);

	run_fail(&work->view, "SpecLost", message, &work->plan);
	work->live = NULL;
	map_del(&work->controller->lives, work->key);
	work_execute(work);
}

/* The text of a frozen ConfigMap when it is what the name and the hash (may be NULL) say, as
 * ConfigMaps can be made by anybody; else NULL and *ret_why. ret_hash: "sha256:..." */
static const char *checked_text(
	const struct work *work, const json_t *map, char **ret_hash, const char **ret_why)
{
	const char *text =
		json_string_value(json_object_get(json_object_get(map, "data"), "spec.json"));
	const char *dash = strrchr(work->spec_name, '-');
	char hex[DIGEST_HEX_SIZE];
	auto_free char *hash = NULL;

	*ret_why = "has no spec.json";
	if (!text)
		return NULL;
	digest_sha256_hex(text, strlen(text), hex);
	hash = xasprintf("sha256:%s", hex);
	*ret_why = "is not what was frozen: its hash differs";
	if (!dash || strncmp(dash + 1, hex, strlen(dash + 1)) != 0 ||
		(work->pinned_hash && !str_eq(work->pinned_hash, hash)))
		return NULL;
	*ret_hash = take_ptr(hash);
	return text;
}

static bool take_spec(struct work *work, const json_t *map)
{
	auto_free char *hash = NULL;
	const char *why, *text = checked_text(work, map, &hash, &why);
	auto_err err = ERR_INIT;

	if (!text) {
		lose_spec(work, why);
		return false;
	}
	if (frozen_spec_parse(text, strlen(text), &work->live->spec, &err) < 0) {
		lose_spec(work, err_message(&err));
		return false;
	}
	work->live->spec_name = xstrdup(work->spec_name);
	work->live->spec_uid = xstrdup(doc_str_or(map, "metadata.uid", ""));
	work->live->spec_hash = take_ptr(hash);
	return true;
}

/* A parameter without a value can only be given by the run itself. */
static bool has_parameters(struct work *work)
{
	const struct frozen_spec *spec = work->live->spec;
	const char *missing = frozen_spec_missing_parameter(spec);
	auto_free char *message = NULL;

	if (!missing)
		return true;
	message = xasprintf("spec.parameters: `%s` has no default and no value; create a run with "
			    "pipelineRef: {name: %s} and parameters: [{name: %s, value: ...}]",
		missing, spec->pipeline, missing);
	run_fail(&work->view, "ParameterRequired", message, &work->plan);
	work->live = NULL;
	map_del(&work->controller->lives, work->key);
	work_execute(work);
	return false;
}

/* Its data has been seen, or not. */
static void look_again(void *arg)
{
	struct run_live *live = arg;

	queue_add(&live->controller->queue, live->key, QUEUE_HIGH);
}

static void got_spec(struct kube_op *op)
{
	struct work *work = container_of(op, struct work, op);

	if (op->outcome == KUBE_NOT_FOUND) {
		lose_spec(work, "does not exist any more");
		return;
	}
	if (op->outcome != KUBE_OK) {
		work_fail(work, &op->err, "read the frozen spec");
		work_end(work);
		return;
	}
	if (!take_spec(work, op->result) || !has_parameters(work))
		return;
	frozen_spec_bind(work->live->spec, work->name, run_scheduled_s(work->object));
	work->live->visible = data_probes_init(&work->live->probes, work->controller->s3,
		work->live->spec, look_again, work->live);
	open_backend(work);
}

static void get_spec(struct work *work, void (*done)(struct kube_op *op))
{
	work->op = (struct kube_op){.verb = KUBE_GET,
		.resource = &kube_configmaps,
		.namespace_ = work->namespace_,
		.name = work->spec_name,
		.done = done};
	kube_send(work->controller->client, &work->op);
}

static void load_spec(struct work *work)
{
	if (work->live->spec && str_eq(work->live->spec_name, work->spec_name)) {
		open_backend(work);
		return;
	}
	get_spec(work, got_spec);
}

/* A Job is there before the status says that the run has started. */
static bool has_jobs(struct work *work)
{
	auto_free char *label = kubernetes_run_label(work->name);
	auto_json *jobs = NULL;
	const json_t *job;
	size_t i;

	if (doc_str(work->object, "status.startTime"))
		return true;
	jobs = scope_indexed(work->scope, CACHED_JOBS, work->namespace_, label);
	json_array_foreach (jobs, i, job) {
		if (str_eq(name_controller_uid(job), doc_str(work->object, "metadata.uid")))
			return true;
	}
	return false;
}

/* --- a spec of its own --- */

/* Its pipeline's frozen spec may have been replaced meanwhile: then the next pass sees a new one.
 */
static void got_pipeline_spec(struct kube_op *op)
{
	struct work *work = container_of(op, struct work, op);
	auto_json *pinned = NULL;
	auto_free char *hash = NULL;
	auto_err err = ERR_INIT;
	const char *why = "does not exist any more", *text = NULL;
	struct run_freeze freeze;

	if (op->outcome != KUBE_OK && op->outcome != KUBE_NOT_FOUND) {
		work_fail(work, &op->err, "read the pipeline's frozen spec");
		work_end(work);
		return;
	}
	if (op->outcome == KUBE_OK)
		text = checked_text(work, op->result, &hash, &why);
	if (!text || doc_json_parse(text, strlen(text), &pinned, &err) < 0) {
		err_set(&err, ERR_TRANSIENT, "SpecLost", "frozen spec %s %s", work->spec_name, why);
		work_fail(work, &err, "freeze");
		work_end(work);
		return;
	}
	freeze = (struct run_freeze){.view = &work->view,
		.pinned = pinned,
		.pinned_name = work->spec_name,
		.frozen = work->view.frozen,
		.backends = work->view.backends,
		.settings = &work->controller->settings};
	run_freeze(&freeze, &work->plan);
	work_execute(work);
}

/* The FondantBackend that matters for the run: its own, its spec's, or its pipeline's. */
static const char *backend_wanted(const struct run_view *view)
{
	const char *name = run_backend_name(view);

	return name ? name : doc_str(view->pipeline, "spec.backendRef.name");
}

/* For the limit of a backend that it is not pinned to yet. */
static int active_runs(const struct work *work)
{
	const char *name = run_backend_name(&work->view);
	const json_t *backend = json_object_get(work->view.backends, name ? name : "");

	if (doc_get(work->object, "status.backend") || !policy_max_active_runs(backend))
		return 0;
	return work_backend_runs(work, backend);
}

void work_run(struct work *work)
{
	auto_free char *pipeline = run_pipeline_name(work->object);
	enum run_admission admission;

	work->view = (struct run_view){
		.run = work->object, .has_jobs = has_jobs(work), .now_s = time_wall_ms() / 1000};
	if (pipeline) {
		work->view.pipeline =
			scope_object(work->scope, CACHED_PIPELINES, work->namespace_, pipeline);
		work->view.runs =
			scope_indexed(work->scope, CACHED_RUNS, work->namespace_, pipeline);
		work->view.frozen =
			scope_indexed(work->scope, CACHED_FROZEN, work->namespace_, pipeline);
	}
	work->view.backends =
		scope_backends(work->scope, work->namespace_, backend_wanted(&work->view));
	work->view.active_runs = active_runs(work);
	admission = run_admit(&work->view, &work->plan, &work->spec_name, &work->pinned_hash);
	if (admission == RUN_FREEZE) {
		get_spec(work, got_pipeline_spec);
		return;
	}
	if (admission == RUN_RELEASE) {
		work_release(work);
		return;
	}
	if (admission != RUN_GO) {
		if (run_is_final(work->object))
			map_del(&work->controller->lives, work->key);
		work_execute(work);
		return;
	}
	work->live = live_of(work);
	load_spec(work);
}

/*
 * Runner `docker`: one container per step and attempt on a Docker engine, through dag.c. A call
 * begins with a look: the list of the run's containers by label, and a closer look at those that do
 * not run; what has ended is remembered, for it never changes. Then the call does its own:
 *
 *   look (version, list, inspect, log of a failure) -> observe: done
 *                                                   -> submit: network, image, create, start
 *                                                   -> cancel: stop, remove
 *
 * Images are pulled in the background. The engine's events wake the run. Containers stay when a run
 * has ended, for their logs; they go with the run (discard), and with them its network.
 */
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "compiler/compile.h"
#include "doc/json.h"
#include "doc/path.h"
#include "net/url.h"
#include "runners/docker_compose.h"
#include "runners/docker_container.h"
#include "runners/docker_observe.h"
#include "runners/docker_work.h"

#define LOOK_AGAIN_MS 2000 /* while events do not come */
#define LOOK_SELDOM_MS 20000
#define EVENTS_AGAIN_MS 5000

/* --- life of a backend --- */

static void ended_free(void *value)
{
	struct docker_ended *ended = value;

	json_decref(ended->inspected);
	free(ended->log);
	free(ended);
}

static void wake(void *arg, const char *namespace_, const char *run_name)
{
	struct docker *docker = arg;

	if (docker->env.wake)
		docker->env.wake(docker->env.wake_arg, namespace_, run_name);
}

static int docker_open(const struct runner_env *env, const struct runner_settings *settings,
	void **ret_backend, struct err *err)
{
	struct docker *docker = xnew(struct docker);

	if (docker_engine_init(&docker->engine, env->loop, settings, err) < 0) {
		free(docker);
		return -1;
	}
	docker->env = *env;
	docker->settings = json_deep_copy(settings->spec);
	docker->ended.free_value = ended_free;
	docker_pulls_init(&docker->pulls, &docker->engine, wake, docker);
	*ret_backend = docker;
	return 0;
}

static void docker_close(void *backend)
{
	struct docker *docker = backend;

	loop_timer_del(&docker->events_again);
	docker_lines_close(&docker->events);
	docker_pulls_clear(&docker->pulls);
	map_clear(&docker->ended);
	map_clear(&docker->died);
	docker_engine_clear(&docker->engine);
	json_decref(docker->settings);
	free(docker);
}

/* --- events --- */

static void events_open(struct docker *docker);

static void got_event(struct docker_lines *lines, const json_t *json)
{
	struct docker *docker = container_of(lines, struct docker, events);
	const json_t *labels = doc_get(json, "Actor.Attributes");
	const char *run = json_string_value(json_object_get(labels, DOCKER_LABEL_RUN));
	const char *namespace_ = json_string_value(json_object_get(labels, DOCKER_LABEL_NAMESPACE));

	if (!json_object_get(labels, DOCKER_LABEL_UID))
		return; /* somebody else's */
	if (docker->died.len >= DOCKER_ENDED_MAX)
		map_clear(&docker->died);
	map_set(&docker->died, doc_str_or(json, "Actor.ID", "none"), docker);
	if (run)
		wake(docker, namespace_ ? namespace_ : "", run);
}

static void events_retry(struct loop_timer *timer)
{
	events_open(container_of(timer, struct docker, events_again));
}

static void events_ended(struct docker_lines *lines)
{
	struct docker *docker = container_of(lines, struct docker, events);

	docker->events_open = false;
	loop_timer_set(docker->env.loop, &docker->events_again, EVENTS_AGAIN_MS, events_retry);
}

/* Of containers that end. podman 4 finds none by "die", which it calls so in what it answers, and
 * none by a label without a value: ours are told from others here. */
static void events_open(struct docker *docker)
{
	auto_free char *base = NULL;
	struct buf url = BUF_INIT;

	if (docker->events_open || !docker->env.wake || !docker->engine.api)
		return;
	base = docker_url(&docker->engine, "/events");
	buf_adds(&url, base);
	url_add_query(&url, "filters", "{\"type\":[\"container\"],\"event\":[\"die\",\"died\"]}");
	docker->events.line = got_event;
	docker->events.ended = events_ended;
	docker->events_open = true;
	docker_lines_open(&docker->events, docker->engine.client, "GET", buf_take(&url), NULL, 0);
}

/* --- the version --- */

static void version_known(struct docker_call *call)
{
	struct docker_work *work = docker_work_of(call);

	if (call->api.err.class != ERR_NONE) {
		docker_fail_call(work, "docker");
		return;
	}
	events_open(work->docker);
	work->then(work);
}

static void with_version(struct docker_work *work, void (*then)(struct docker_work *work))
{
	work->then = then;
	if (work->docker->engine.api && work->kind != DOCKER_PROBE)
		then(work);
	else
		docker_negotiate(&work->docker->engine, &work->call, version_known);
}

/* --- observe --- */

static void decide(struct docker_work *work)
{
	const json_t *item;
	size_t i;

	json_array_foreach (work->list, i, item)
		docker_observe(work->run, item, json_object_get(item, "inspected"),
			docker_ended_log(work, item), &work->attempts);
	dag_decide(work->run, &work->attempts, &work->state, &work->actions);
}

/* Steps that would start, and whose image is not there yet: they say how far it is. */
static void show_pulls(struct docker_work *work)
{
	bool startable = false;

	for (int i = 0; i < work->actions.len; i++) {
		const struct dag_action *action = &work->actions.items[i];
		struct step_state *step = &work->state.steps[action->step];
		const char *image = work->run->spec->steps[action->step].image, *words;
		bool final;

		if (action->kind != DAG_START)
			continue;
		if (docker_pull_look(&work->docker->pulls, image, &words, &final) !=
			DOCKER_PULL_GOES_ON) {
			startable = true;
			continue;
		}
		free(step->reason);
		free(step->message);
		step->reason = xstrdup("ImagePulling");
		step->message = xasprintf("image %s: %s", image, words);
	}
	work->state.needs_submit = work->state.needs_submit && startable;
}

static void look_again_later(struct docker_work *work)
{
	int64_t ms = work->docker->events_open ? LOOK_SELDOM_MS : LOOK_AGAIN_MS;

	if (!run_phase_final(work->state.phase) &&
		(!work->state.look_again_ms || work->state.look_again_ms > ms))
		work->state.look_again_ms = ms;
}

/* The status knows the steps of a document by these names. */
static void name_services(struct docker_work *work)
{
	for (int i = 0; work->services && i < work->services->steps_len; i++)
		strvec_add(&work->state.names, work->services->steps[i].name);
}

static void hand_over(struct docker_work *work)
{
	look_again_later(work);
	name_services(work);
	run_state_clear(work->ret_state);
	*work->ret_state = work->state;
	work->state = (struct run_state){0};
	docker_finish(work);
}

/* --- a run that only the engine knows --- */

static void tell_step(const json_t *item, struct step_state *step)
{
	const json_t *inspected = json_object_get(item, "inspected");
	int64_t number;

	step->attempt =
		str_to_int64(docker_label(item, DOCKER_LABEL_ATTEMPT), &number) ? (int)number : 1;
	step->start_s = doc_int_or(item, "Created", 0);
	step->phase = STEP_RUNNING;
	if (!inspected)
		return;
	step->exit_code = (int)doc_int_or(inspected, "State.ExitCode", -1);
	step->phase = docker_is_unstarted(inspected) ? STEP_PENDING
		      : step->exit_code == 0         ? STEP_SUCCEEDED
						     : STEP_FAILED;
	if (step->phase == STEP_FAILED) {
		step->reason = xstrdup("Error");
		step->message = xasprintf("exit code %d", step->exit_code);
	}
}

/* The last attempt of each step, in the order of their creation. */
static void decide_unknown(struct docker_work *work)
{
	struct run_state *state = &work->state;
	int failed = -1, open = 0;

	for (size_t i = json_array_size(work->list); i-- > 0;) {
		const json_t *item = json_array_get(work->list, i);
		const char *name = docker_label(item, DOCKER_LABEL_STEP);
		size_t at = 0;

		if (!name || !docker_label(item, DOCKER_LABEL_ATTEMPT))
			continue;
		while (at < state->names.len && !str_eq(state->names.items[at], name))
			at++;
		if (at == state->names.len) {
			strvec_add(&state->names, name);
			state->steps = xreallocarray(
				state->steps, state->names.len, sizeof(*state->steps));
			state->steps[at] = (struct step_state){.exit_code = -1};
			state->steps_len = (int)state->names.len;
		}
		step_state_clear(&state->steps[at]);
		tell_step(item, &state->steps[at]);
	}
	for (int i = 0; i < state->steps_len; i++) {
		open += !step_phase_final(state->steps[i].phase);
		if (state->steps[i].phase == STEP_FAILED)
			failed = i;
	}
	state->phase = open                                         ? RUN_RUNNING
		       : failed >= 0                                ? RUN_FAILED
		       : work->run->cancelling && !state->steps_len ? RUN_CANCELLED
								    : RUN_SUCCEEDED;
	if (state->phase == RUN_FAILED)
		run_state_blame_step(state, failed, state->names.items[failed]);
}

/* --- logs --- */

static void give_text(void *arg, const char *text, size_t len)
{
	struct runner_logs *logs = arg;

	logs->data(logs, text, len);
}

static int logs_data(struct http_request *http, const char *data, size_t len)
{
	struct docker_work *work = container_of(http, struct docker_work, stream);

	docker_frames_feed(&work->frames, data, len);
	return 0;
}

static void logs_done(struct http_request *http)
{
	struct docker_work *work = container_of(http, struct docker_work, stream);

	if (http->err.class != ERR_NONE) {
		err_move(&work->op->err, &http->err);
		docker_work_fail(work, -1);
	} else if (http->status != 200) {
		err_set(&work->op->err, ERR_USER, "NoLogs",
			"the engine has no log of the container (HTTP %d)", http->status);
		docker_work_fail(work, -1);
	} else {
		docker_finish(work);
	}
}

static void read_logs(struct docker_work *work)
{
	const struct runner_logs *logs = work->logs;
	const json_t *item, *best = NULL;
	int64_t number, best_number = 0;
	struct buf url = BUF_INIT;
	auto_free char *tail = NULL, *path = NULL, *base = NULL;
	size_t i;

	json_array_foreach (work->list, i, item) {
		if (!str_eq(docker_label(item, DOCKER_LABEL_STEP), logs->step) ||
			!str_to_int64(docker_label(item, DOCKER_LABEL_ATTEMPT), &number) ||
			number <= best_number || (logs->attempt && number != logs->attempt))
			continue;
		best = item;
		best_number = number;
	}
	if (!best) {
		err_set(&work->op->err, ERR_USER, "NoLogs", "step %s of run %s has no container",
			logs->step, work->run->name);
		docker_work_fail(work, -1);
		return;
	}
	path = xasprintf("/containers/%s/logs", docker_id_of(best));
	base = docker_url(&work->docker->engine, path);
	buf_adds(&url, base);
	url_add_query(&url, "stdout", "1");
	url_add_query(&url, "stderr", "1");
	url_add_query(&url, "follow", logs->follow ? "1" : "0");
	tail = logs->tail_lines ? xasprintf("%lld", (long long)logs->tail_lines) : xstrdup("all");
	url_add_query(&url, "tail", tail);
	work->stream_url = buf_take(&url);
	work->frames = (struct docker_frames){.text = give_text, .arg = work->logs};
	work->stream.method = "GET";
	work->stream.url = work->stream_url;
	work->stream.on_data = logs_data;
	work->stream.done = logs_done;
	http_send(work->docker->engine.client, &work->stream);
}

/* --- what follows a look --- */

static void looked(struct docker_work *work)
{
	bool needs_steps = work->kind == DOCKER_OBSERVE || work->kind == DOCKER_SUBMIT;

	if (needs_steps && work->broken.class != ERR_NONE) {
		err_move(&work->op->err, &work->broken);
		docker_work_fail(work, -1);
		return;
	}
	if (work->kind == DOCKER_LOGS) {
		read_logs(work);
		return;
	}
	if (work->run->spec)
		decide(work);
	else
		decide_unknown(work);
	work->next = 0;
	switch (work->kind) {
	case DOCKER_OBSERVE:
		if (work->run->spec)
			show_pulls(work);
		else if (!work->state.steps_len && !work->run->cancelling) {
			err_set(&work->op->err, ERR_USER, "RunNotFound",
				"the engine has no containers of run %s", work->run->name);
			docker_work_fail(work, -1);
			return;
		}
		hand_over(work);
		break;
	case DOCKER_SUBMIT:
		docker_start_actions(work);
		break;
	default:
		docker_stop_actions(work);
	}
}

static void look(struct docker_work *work)
{
	docker_look(work, looked);
}

static void docker_run_observe(void *backend, const struct runner_run *run,
	struct run_state *ret_state, struct runner_op *op)
{
	struct docker_work *work = docker_work_new(backend, run, op, DOCKER_OBSERVE);

	work->ret_state = ret_state;
	with_version(work, look);
}

static void docker_submit(void *backend, const struct runner_run *run, struct runner_op *op)
{
	with_version(docker_work_new(backend, run, op, DOCKER_SUBMIT), look);
}

static void docker_cancel(void *backend, const struct runner_run *run, struct runner_op *op)
{
	with_version(docker_work_new(backend, run, op, DOCKER_CANCEL), look);
}

static void docker_read_logs(
	void *backend, const struct runner_run *run, struct runner_logs *logs, struct runner_op *op)
{
	struct docker_work *work = docker_work_new(backend, run, op, DOCKER_LOGS);

	work->logs = logs;
	with_version(work, look);
}

static void probed(struct docker_work *work)
{
	const struct docker_engine *engine = &work->docker->engine;

	work->ret_probe->version = xasprintf("%s (API %s)", engine->version, engine->api);
	docker_finish(work);
}

static void docker_probe(void *backend, struct runner_probe *ret_probe, struct runner_op *op)
{
	struct docker_work *work = docker_work_new(backend, NULL, op, DOCKER_PROBE);

	work->ret_probe = ret_probe;
	with_version(work, probed);
}

static void docker_op_cancel(void *backend, struct runner_op *op)
{
	(void)backend;
	if (op->state)
		docker_work_free(op->state);
}

const struct runner runner_docker = {
	.name = "docker",
	.summary = "one container per step on a Docker engine",
	.features = BACKEND_RESOURCES | BACKEND_ENV | BACKEND_RETRY | BACKEND_TIMEOUT |
		    BACKEND_LOCAL_PATHS | BACKEND_PARALLEL_LIMIT | BACKEND_ACCELERATOR |
		    BACKEND_SECRET_ARGUMENTS | BACKEND_PYTHON | BACKEND_FOLDERS,
	.secret_values = true,
	.document = "docker-compose.yml",
	.outside = true,
	.compile = docker_compose_compile,
	.open = docker_open,
	.close = docker_close,
	.probe = docker_probe,
	.observe = docker_run_observe,
	.submit = docker_submit,
	.cancel = docker_cancel,
	.logs = docker_read_logs,
	.op_cancel = docker_op_cancel,
};

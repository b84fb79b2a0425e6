/*
 * One container per step through dag.c, as the runners of Kubernetes and Docker, but the containers
 * are JSON in this process:
 *
 *   "<run UID>/<step>/<attempt>" -> {"created": times, "looks": so far, "at": s,
 *                                   "end": exit code, "ended": s}
 */
#include "runners/fake.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "compiler/compile.h"
#include "doc/path.h"
#include "runners/dag.h"

#define STOPPED 143 /* as a program that SIGTERM ended */
#define LOOK_AGAIN_MS 500

static json_t *containers; /* NULL: none */

struct fake {
	struct loop *loop;
	json_t *settings;
};

enum kind { OBSERVE, SUBMIT, CANCEL, PROBE };

/* One runner_op under way. */
struct work {
	struct fake *fake;
	const struct runner_run *run;
	struct runner_op *op;
	enum kind kind;
	struct run_state *ret_state;
	struct loop_defer defer;
};

/* --- the table --- */

static json_t *container_of_attempt(const char *run_uid, const char *step, int attempt)
{
	auto_free char *key = xasprintf("%s/%s/%d", run_uid, step, attempt);

	return json_object_get(containers, key);
}

static void create(const struct runner_run *run, const char *step, int attempt)
{
	auto_free char *key = xasprintf("%s/%s/%d", run->uid, step, attempt);
	json_t *found = json_object_get(containers, key);

	if (!containers)
		containers = json_object();
	if (!found) {
		found = json_pack(
			"{s:i, s:i, s:I}", "created", 0, "looks", 0, "at", (json_int_t)run->now_s);
		json_object_set_new(containers, key, found);
	}
	json_object_set_new(found, "created", json_integer(doc_int_or(found, "created", 0) + 1));
}

static void end_container(json_t *container, int64_t exit_code, int64_t now_s)
{
	if (json_object_get(container, "end"))
		return;
	json_object_set_new(container, "end", json_integer(exit_code));
	json_object_set_new(container, "ended", json_integer(now_s));
}

int fake_created(const char *run_uid, const char *step, int attempt)
{
	return (int)doc_int_or(container_of_attempt(run_uid, step, attempt), "created", 0);
}

int fake_attempts(void)
{
	return (int)json_object_size(containers);
}

int fake_running(void)
{
	int running = 0;
	const char *key;
	json_t *each;

	json_object_foreach (containers, key, each)
		running += !json_object_get(each, "end");
	return running;
}

void fake_forget(void)
{
	json_decref(containers);
	containers = NULL;
}

/* --- the script --- */

static void look_at(
	const struct fake *fake, const char *step, int attempt, json_t *container, int64_t now_s)
{
	const json_t *script = json_object_get(json_object_get(fake->settings, "steps"), step);
	int64_t looks = doc_int_or(container, "looks", 0) + 1;
	int64_t bad = doc_int_or(script, "attempts", INT32_MAX);

	json_object_set_new(container, "looks", json_integer(looks));
	if (looks > doc_int_or(fake->settings, "looks", 1) && !doc_bool_or(script, "hangs", false))
		end_container(
			container, attempt > bad ? 0 : doc_int_or(script, "exitCode", 0), now_s);
}

static void add_attempt(const struct fake *fake, const struct runner_run *run, int step, int number,
	json_t *container, struct attempts *attempts)
{
	const char *name = run->spec->steps[step].name;
	const char *message = doc_str_or(
		json_object_get(json_object_get(fake->settings, "steps"), name), "message", "");
	struct attempt *attempt = attempts_add(attempts);
	int64_t end = doc_int_or(container, "end", -1);

	attempt->step = step;
	attempt->number = number;
	attempt->submit_s = attempt->start_s = doc_int_or(container, "at", 0);
	attempt->external_kind = xstrdup("Fake");
	attempt->external_name = xasprintf("%s-%d", name, number);
	attempt->phase = end < 0 ? ATTEMPT_RUNNING : end ? ATTEMPT_FAILED : ATTEMPT_SUCCEEDED;
	if (end < 0)
		return;
	attempt->exit_code = (int)end;
	attempt->end_s = doc_int_or(container, "ended", 0);
	if (end) {
		attempt->reason = xstrdup("Error");
		attempt->message =
			xasprintf("exit code %d%s%s", (int)end, *message ? "\n" : "", message);
	}
}

static void decide(const struct work *work, struct run_state *state, struct dag_actions *actions)
{
	const struct runner_run *run = work->run;
	struct attempts attempts = {0};

	for (int step = 0; step < run->spec->steps_len; step++) {
		const char *name = run->spec->steps[step].name;
		json_t *container;

		for (int n = 1; (container = container_of_attempt(run->uid, name, n)); n++) {
			if (work->kind == OBSERVE)
				look_at(work->fake, name, n, container, run->now_s);
			add_attempt(work->fake, run, step, n, container, &attempts);
		}
	}
	dag_decide(run, &attempts, state, actions);
	attempts_clear(&attempts);
}

/* --- calls --- */

static void remove_all(const struct runner_run *run)
{
	auto_free char *prefix = xasprintf("%s/", run->uid);
	const char *key;
	json_t *each;
	void *next;

	json_object_foreach_safe (containers, next, key, each) {
		if (str_starts_with(key, prefix))
			json_object_del(containers, key);
	}
}

static void act(const struct work *work, enum dag_action_kind kind)
{
	struct dag_actions actions = {0};
	struct run_state state;

	run_state_init(&state, work->run->spec->steps_len);
	decide(work, &state, &actions);
	for (int i = 0; i < actions.len; i++) {
		const struct dag_action *action = &actions.items[i];
		const char *step = work->run->spec->steps[action->step].name;

		if (action->kind != kind)
			continue;
		if (kind == DAG_START)
			create(work->run, step, action->attempt);
		else
			end_container(container_of_attempt(work->run->uid, step, action->attempt),
				STOPPED, work->run->now_s);
	}
	run_state_clear(&state);
	dag_actions_clear(&actions);
}

static void observe(const struct work *work)
{
	struct dag_actions actions = {0};
	struct run_state *state = work->ret_state;

	decide(work, state, &actions);
	if (!run_phase_final(state->phase) && !state->look_again_ms)
		state->look_again_ms = LOOK_AGAIN_MS;
	dag_actions_clear(&actions);
}

static void run_work(struct loop_defer *defer)
{
	struct work *work = container_of(defer, struct work, defer);
	struct runner_op *op = work->op;

	if (work->kind == OBSERVE)
		observe(work);
	else if (work->kind == SUBMIT)
		act(work, DAG_START);
	else if (work->kind == CANCEL && work->run->discard)
		remove_all(work->run);
	else if (work->kind == CANCEL)
		act(work, DAG_STOP);
	op->state = NULL;
	free(work);
	op->done(op);
}

static void begin(void *backend, const struct runner_run *run, struct run_state *ret_state,
	struct runner_op *op, enum kind kind)
{
	struct work *work = xnew(struct work);

	work->fake = backend;
	work->run = run;
	work->op = op;
	work->kind = kind;
	work->ret_state = ret_state;
	op->result = 0;
	op->step = -1;
	op->state = work;
	loop_defer_add(work->fake->loop, &work->defer, run_work);
}

static void fake_observe(void *backend, const struct runner_run *run, struct run_state *ret_state,
	struct runner_op *op)
{
	begin(backend, run, ret_state, op, OBSERVE);
}

static void fake_submit(void *backend, const struct runner_run *run, struct runner_op *op)
{
	begin(backend, run, NULL, op, SUBMIT);
}

static void fake_cancel(void *backend, const struct runner_run *run, struct runner_op *op)
{
	begin(backend, run, NULL, op, CANCEL);
}

static void fake_probe(void *backend, struct runner_probe *ret_probe, struct runner_op *op)
{
	(void)ret_probe;
	begin(backend, NULL, NULL, op, PROBE);
}

static void fake_op_cancel(void *backend, struct runner_op *op)
{
	struct work *work = op->state;

	(void)backend;
	if (!work)
		return;
	loop_defer_del(&work->defer);
	op->state = NULL;
	free(work);
}

static int fake_open(const struct runner_env *env, const struct runner_settings *settings,
	void **ret_backend, struct err *err)
{
	struct fake *fake = xnew(struct fake);

	(void)err;
	fake->loop = env->loop;
	fake->settings = json_deep_copy(settings->spec);
	*ret_backend = fake;
	return 0;
}

static void fake_close(void *backend)
{
	struct fake *fake = backend;

	json_decref(fake->settings);
	free(fake);
}

const struct runner runner_fake = {
	.name = "fake",
	.summary = "no engine: steps end as a script says, for tests",
	.features = ~0U,
	.outside = true,
	.open = fake_open,
	.close = fake_close,
	.probe = fake_probe,
	.observe = fake_observe,
	.submit = fake_submit,
	.cancel = fake_cancel,
	.op_cancel = fake_op_cancel,
};

#include "runners/docker_work.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "runners/docker_project.h"

/* What the status knows of each service, by its name; NULL: nothing yet. */
static struct step_state *known_services(
	const struct runner_run *run, const struct frozen_spec *services)
{
	struct step_state *known = xcalloc((size_t)services->steps_len + 1, sizeof(*known));

	for (int i = 0; i < services->steps_len; i++)
		known[i].exit_code = -1;
	for (size_t i = 0; run->names && run->known && i < run->names->len; i++) {
		int step = frozen_spec_step(services, run->names->items[i]);

		if (step >= 0)
			known[step] = run->known[i];
	}
	return known;
}

/* The run with the services of its native document as its steps; without a spec where the document
 * cannot be read, so that what was started by it can be removed all the same. */
static void take_project(struct docker_work *work, const struct runner_run *run)
{
	work->services = docker_project_steps(run->spec, &work->broken);
	if (work->services)
		work->known = known_services(run, work->services);
	work->project = *run;
	work->project.spec = work->services;
	work->project.known = work->known;
	work->project.cache = NULL;
	work->run = &work->project;
}

struct docker_work *docker_work_new(struct docker *docker, const struct runner_run *run,
	struct runner_op *op, enum docker_kind kind)
{
	struct docker_work *work = xnew(struct docker_work);

	work->docker = docker;
	work->run = run;
	work->op = op;
	work->kind = kind;
	if (run && run->spec && run->spec->native)
		take_project(work, run);
	if (run && work->run->spec)
		run_state_init(&work->state, work->run->spec->steps_len);
	op->result = 0;
	op->step = -1;
	op->state = work;
	return work;
}

void docker_work_free(struct docker_work *work)
{
	http_request_free(&work->stream);
	free(work->stream_url);
	docker_call_free(&work->call);
	json_decref(work->list);
	buf_free(&work->log);
	attempts_clear(&work->attempts);
	run_state_clear(&work->state);
	dag_actions_clear(&work->actions);
	free(work->name);
	free(work->id);
	free(work->network);
	json_decref(work->networks);
	err_clear(&work->doubted);
	frozen_spec_free(work->services);
	free(work->known);
	err_clear(&work->broken);
	work->op->state = NULL;
	free(work);
}

void docker_finish(struct docker_work *work)
{
	struct runner_op *op = work->op;

	docker_work_free(work);
	op->done(op);
}

/* With op->err set. */
void docker_work_fail(struct docker_work *work, int step)
{
	work->op->result = -1;
	work->op->step = step;
	docker_finish(work);
}

void docker_fail_call(struct docker_work *work, const char *what)
{
	docker_fail(&work->call, what, &work->op->err);
	docker_work_fail(work, -1);
}

bool docker_is_doubtful(const struct docker_call *call)
{
	return call->api.err.class == ERR_NONE && call->api.status == 500;
}

void docker_doubt(struct docker_work *work, const char *what)
{
	docker_fail(&work->call, what, &work->doubted);
}

void docker_fail_doubted(struct docker_work *work)
{
	err_move(&work->op->err, &work->doubted);
	docker_work_fail(work, -1);
}

struct docker_work *docker_work_of(struct docker_call *call)
{
	return container_of(call, struct docker_work, call);
}

void docker_begin_container(
	struct docker_work *work, const char *method, const char *fmt, const char *id)
{
	auto_free char *path = xasprintf("/containers/%s%s", id, fmt);

	docker_begin(&work->docker->engine, &work->call, method, path);
}

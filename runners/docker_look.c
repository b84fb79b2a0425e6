#include "runners/docker_work.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "doc/path.h"
#include "runners/docker_container.h"
#include "runners/docker_observe.h"

#define LOG_LINES "40"

static void inspect_next(struct docker_work *work);

const json_t *docker_item_now(const struct docker_work *work)
{
	return json_array_get(work->list, work->next);
}

const char *docker_id_of(const json_t *item)
{
	return doc_str_or(item, "Id", "none");
}

/* What has ended never changes: the next look need not ask. */
static void remember(struct docker_work *work, json_t *inspected, const char *log)
{
	struct docker *docker = work->docker;
	struct docker_ended *ended = xnew(struct docker_ended);

	ended->inspected = json_incref(inspected);
	ended->log = log ? str_clean_tail(log, strlen(log), DOCKER_LOG_MAX) : NULL;
	if (docker->ended.len >= DOCKER_ENDED_MAX)
		map_clear(&docker->ended);
	map_set(&docker->ended, docker_id_of(docker_item_now(work)), ended);
	work->next++;
	inspect_next(work);
}

static void add_text(void *arg, const char *text, size_t len)
{
	buf_add(arg, text, len);
}

static void log_read(struct docker_call *call)
{
	struct docker_work *work = docker_work_of(call);
	struct docker_frames frames = {.text = add_text, .arg = &work->log};
	const struct buf *body = &call->api.http.response;

	buf_reset(&work->log);
	work->log.max = DOCKER_LINE_MAX;
	if (call->api.status == 200)
		docker_frames_feed(&frames, buf_str(body), body->len);
	/* a NUL in it would end the text early */
	for (size_t i = 0; i < work->log.len; i++)
		work->log.data[i] = work->log.data[i] ? work->log.data[i] : ' ';
	remember(work, json_object_get(docker_item_now(work), "inspected"), buf_str(&work->log));
}

/* The end of what a failed step printed; never of one that was given secrets. */
static bool wants_log(const struct docker_work *work, const json_t *inspected)
{
	const struct frozen_spec *spec = work->run->spec;
	const char *step = docker_label(docker_item_now(work), DOCKER_LABEL_STEP);
	int index = spec && step ? frozen_spec_step(spec, step) : -1;

	return index >= 0 && !spec->steps[index].secret_arguments &&
	       doc_int_or(inspected, "State.ExitCode", 0) != 0 &&
	       str_eq(doc_str(inspected, "State.Status"), "exited");
}

static bool is_over(const json_t *inspected)
{
	const char *status = doc_str_or(inspected, "State.Status", "");

	return str_eq(status, "exited") || str_eq(status, "dead");
}

static void item_inspected(struct docker_call *call)
{
	struct docker_work *work = docker_work_of(call);
	json_t *item = (json_t *)docker_item_now(work);
	json_t *inspected = call->api.answer;

	if (call->api.status == 404) { /* removed meanwhile */
		json_array_remove(work->list, work->next);
		inspect_next(work);
	} else if (call->api.status != 200 || call->api.err.class != ERR_NONE) {
		docker_fail_call(work, "inspect a container");
	} else {
		json_object_set(item, "inspected", inspected);
		if (wants_log(work, inspected)) {
			auto_free char *id = xstrdup(docker_id_of(item));

			docker_begin_container(work, "GET", "/logs", id);
			docker_query(call, "stdout", "1");
			docker_query(call, "stderr", "1");
			docker_query(call, "tail", LOG_LINES);
			call->api.any_text = true;
			docker_send(call, NULL, log_read);
		} else if (is_over(inspected)) {
			remember(work, inspected, NULL);
		} else {
			work->next++;
			inspect_next(work);
		}
	}
}

static void inspect_next(struct docker_work *work)
{
	for (; work->next < json_array_size(work->list); work->next++) {
		json_t *item = (json_t *)docker_item_now(work);
		const struct docker_ended *ended =
			map_get(&work->docker->ended, docker_id_of(item));

		if (!docker_must_inspect(item) && !map_has(&work->docker->died, docker_id_of(item)))
			continue;
		if (!ended) {
			docker_begin_container(work, "GET", "/json", docker_id_of(item));
			docker_send(&work->call, NULL, item_inspected);
			return;
		}
		json_object_set(item, "inspected", ended->inspected);
	}
	work->looked(work);
}

static void listed(struct docker_call *call)
{
	struct docker_work *work = docker_work_of(call);

	if (call->api.status != 200 || !json_is_array(call->api.answer)) {
		docker_fail_call(work, "list containers");
		return;
	}
	work->list = json_incref(call->api.answer);
	work->next = 0;
	inspect_next(work);
}

void docker_look(struct docker_work *work, void (*looked)(struct docker_work *work))
{
	auto_free char *filters =
		xasprintf("{\"label\":[\"%s=%s\"]}", DOCKER_LABEL_UID, work->run->uid);

	work->looked = looked;
	docker_begin(&work->docker->engine, &work->call, "GET", "/containers/json");
	docker_query(&work->call, "all", "1");
	docker_query(&work->call, "filters", filters);
	docker_send(&work->call, NULL, listed);
}

const char *docker_ended_log(const struct docker_work *work, const json_t *item)
{
	const struct docker_ended *ended = map_get(&work->docker->ended, docker_id_of(item));

	return ended ? ended->log : NULL;
}

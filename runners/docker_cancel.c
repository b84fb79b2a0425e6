#include "runners/docker_work.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "doc/path.h"
#include "runners/docker_container.h"
#include "runners/docker_observe.h"

#define STOP_GRACE_S "10"

void docker_list_networks(struct docker_work *work, void (*done)(struct docker_call *call))
{
	auto_free char *filters =
		xasprintf("{\"label\":[\"%s=%s\"]}", DOCKER_LABEL_UID, work->run->uid);

	docker_begin(&work->docker->engine, &work->call, "GET", "/networks");
	docker_query(&work->call, "filters", filters);
	docker_send(&work->call, NULL, done);
}

static void stop_next(struct docker_work *work);

static bool is_gone_or_still(const struct docker_call *call)
{
	return call->api.status == 204 || call->api.status == 304 || call->api.status == 404 ||
	       call->api.status == 409;
}

/* It may have ended, or gone, while it was to be. */
static void looked_after(struct docker_call *call)
{
	struct docker_work *work = docker_work_of(call);
	bool still = call->api.status == 200 && !work->run->discard &&
		     !doc_bool_or(call->api.answer, "State.Running", true);

	if (call->api.status != 404 && !still) {
		docker_fail_doubted(work);
		return;
	}
	err_clear(&work->doubted);
	work->next++;
	stop_next(work);
}

static void stopped(struct docker_call *call)
{
	struct docker_work *work = docker_work_of(call);

	if (docker_is_doubtful(call)) {
		docker_doubt(work, "stop a container");
		docker_begin_container(work, "GET", "/json", docker_id_of(docker_item_now(work)));
		docker_send(call, NULL, looked_after);
		return;
	}
	if (!is_gone_or_still(call)) {
		docker_fail_call(work, "stop a container");
		return;
	}
	work->next++;
	stop_next(work);
}

static void remove_networks(struct docker_work *work);

static void network_gone(struct docker_call *call)
{
	struct docker_work *work = docker_work_of(call);

	if (!is_gone_or_still(call)) {
		docker_fail_call(work, "remove the run's network");
		return;
	}
	json_array_remove(work->networks, 0);
	remove_networks(work);
}

static void remove_networks(struct docker_work *work)
{
	const json_t *first = json_array_get(work->networks, 0);
	auto_free char *path = NULL;

	if (!first) {
		docker_finish(work);
		return;
	}
	path = xasprintf("/networks/%s", doc_str_or(first, "Id", "none"));
	docker_begin(&work->docker->engine, &work->call, "DELETE", path);
	docker_send(&work->call, NULL, network_gone);
}

static void networks_to_remove(struct docker_call *call)
{
	struct docker_work *work = docker_work_of(call);

	if (call->api.status != 200) {
		docker_fail_call(work, "list networks");
		return;
	}
	work->networks = json_incref(call->api.answer);
	remove_networks(work);
}

/* An attempt that dag_decide wants stopped. */
static bool must_stop(const struct docker_work *work, const json_t *item)
{
	const char *step = docker_label(item, DOCKER_LABEL_STEP);
	int64_t number = 0;

	if (docker_must_inspect(item))
		return false;
	if (!work->run->spec)
		return true;
	if (!step || !str_to_int64(docker_label(item, DOCKER_LABEL_ATTEMPT), &number))
		return false;
	for (int i = 0; i < work->actions.len; i++) {
		const struct dag_action *action = &work->actions.items[i];

		if (action->kind == DAG_STOP && action->attempt == number &&
			str_eq(work->run->spec->steps[action->step].name, step))
			return true;
	}
	return false;
}

static void stop_next(struct docker_work *work)
{
	for (; work->next < json_array_size(work->list); work->next++) {
		const json_t *item = docker_item_now(work);

		if (work->run->discard) {
			docker_begin_container(work, "DELETE", "", docker_id_of(item));
			docker_query(&work->call, "force", "1");
			docker_query(&work->call, "v", "1");
			docker_send(&work->call, NULL, stopped);
			return;
		}
		if (must_stop(work, item)) {
			docker_begin_container(work, "POST", "/stop", docker_id_of(item));
			docker_query(&work->call, "t", STOP_GRACE_S);
			docker_send(&work->call, NULL, stopped);
			return;
		}
	}
	if (work->run->discard)
		docker_list_networks(work, networks_to_remove);
	else
		docker_finish(work);
}

void docker_stop_actions(struct docker_work *work)
{
	work->next = 0;
	stop_next(work);
}

#include "reconcile/internal.h"

#include <stdlib.h>
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "base/vec.h"
#include "doc/json.h"
#include "doc/path.h"

#define STATUS_EVERY_MS 1000

/* The specs of the FondantComponents that the pipeline refers to; new reference. */
static json_t *components_of(struct work *work)
{
	json_t *components = json_object();
	auto_strvec names = STRVEC_INIT;

	compile_component_refs(json_object_get(work->object, "spec"), &names);
	strvec_for_each (&names, i) {
		auto_json *component = scope_object(
			work->scope, CACHED_COMPONENTS, work->namespace_, names.items[i]);
		json_t *spec = json_object_get(component, "spec");

		if (spec)
			json_object_set(components, names.items[i], spec);
	}
	return components;
}

/* A mere progress of the latest run may wait until a second has passed since the last write. */
static int64_t hold_ms(struct work *work)
{
	const int64_t *last = map_get(&work->controller->status_times, work->key);
	const json_t *status, *run;
	enum run_phase phase;
	int64_t ago;

	if (!last || work->plan.len != 1 || !work->plan.writes[0].subresource)
		return 0;
	status = json_object_get(work->plan.writes[0].body, "status");
	run = json_object_get(status, "latestRun");
	if (!run || json_object_size(status) != 1 || json_object_get(run, "name") ||
		(run_phase_parse(doc_str_or(run, "phase", "Running"), &phase) &&
			run_phase_final(phase)))
		return 0;
	ago = loop_now_ms(work->controller->loop) - *last;
	return ago >= STATUS_EVERY_MS ? 0 : STATUS_EVERY_MS - ago;
}

void work_pipeline(struct work *work)
{
	auto_json *components = components_of(work);
	auto_json *runs = scope_indexed(work->scope, CACHED_RUNS, work->namespace_, work->name);
	auto_json *frozen = scope_indexed(work->scope, CACHED_FROZEN, work->namespace_, work->name);
	struct pipeline_view view = {.pipeline = work->object,
		.runs = runs,
		.frozen = frozen,
		.components = components,
		.settings = &work->controller->settings,
		.now_s = time_wall_ms() / 1000};
	int64_t hold;

	pipeline_reconcile(&view, &work->plan);
	hold = hold_ms(work);
	if (hold) {
		plan_clear(&work->plan);
		plan_requeue(&work->plan, hold);
	}
	work_execute(work);
}

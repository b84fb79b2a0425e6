/*
 * A pass over a pipeline: where it freezes, gather what compiling needs from outside (sources, then
 * digests, when the rest is without errors); then decide and write.
 */
#include "reconcile/internal.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "base/vec.h"
#include "doc/canon.h"
#include "doc/json.h"
#include "doc/path.h"

#define STATUS_EVERY_MS 1000
/* How long registries may hold up a freeze that can do without them, and one that cannot. */
#define RESOLVE_OPTIONAL_MS 20000
#define RESOLVE_REQUIRED_MS 60000
/* Sources of all pipelines that are not frozen yet; beyond that they are read in each pass. */
#define SOURCES_KEPT_MAX ((size_t)8 << 20)
/* Until what was missing is looked for again; doubled each time. */
#define AGAIN_MIN_MS 5000
#define AGAIN_MAX_MS 300000

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

/* --- what was gathered --- */

void gathered_free(void *value)
{
	struct gathered *gathered = value;

	if (!gathered)
		return;
	if (gathered->total)
		*gathered->total -= gathered->bytes;
	free(gathered->what);
	json_decref(gathered->sources);
	json_decref(gathered->digests);
	free(gathered);
}

static const char *policy_of(const struct work *work)
{
	return doc_str_or(work->object, "spec.imageDigestPolicy", "IfAvailable");
}

/* The digests' own errors, and sources that are not there or cannot be used, ask for another look:
 * the ConfigMaps of users are not watched. */
static bool lacks_something(
	const struct work *work, const struct gathered *gathered, const struct strvec *refs)
{
	const char *image;
	json_t *answer;

	strvec_for_each (refs, i) {
		if (!json_is_string(json_object_get(gathered->sources, refs->items[i])))
			return true;
	}
	if (!str_eq(policy_of(work), "Required"))
		return false;
	json_object_foreach (gathered->digests, image, answer) {
		if (!json_is_string(answer))
			return true;
	}
	return false;
}

static int64_t again_after(int tries)
{
	int64_t ms = AGAIN_MIN_MS;

	for (int i = 1; i < tries && ms < AGAIN_MAX_MS; i++)
		ms *= 2;
	return ms < AGAIN_MAX_MS ? ms : AGAIN_MAX_MS;
}

/* Keeps what the gather brought for the passes to come. */
static struct gathered *keep(struct work *work)
{
	const struct gathered *old = map_get(&work->controller->freezes, work->key);
	struct gathered *gathered = xnew(struct gathered);
	auto_strvec refs = STRVEC_INIT;

	compile_source_refs(json_object_get(work->object, "spec"), &refs);
	gathered->what = xstrdup(work->what);
	gathered->sources = json_incref(work->gather.sources);
	gathered->digests = json_incref(work->gather.digests);
	gathered->tries = old && str_eq(old->what, work->what) ? old->tries + 1 : 1;
	if (lacks_something(work, gathered, &refs))
		gathered->again_ms =
			loop_now_ms(work->controller->loop) + again_after(gathered->tries);
	gathered->bytes = work->gather.bytes;
	if (work->controller->sources_kept + gathered->bytes > SOURCES_KEPT_MAX) {
		work->unkept = gathered;
		return gathered;
	}
	gathered->total = &work->controller->sources_kept;
	*gathered->total += gathered->bytes;
	map_set(&work->controller->freezes, work->key, gathered);
	return gathered;
}

/* --- deciding --- */

static void view_init(
	struct work *work, struct pipeline_view *view, const struct gathered *gathered)
{
	*view = (struct pipeline_view){.pipeline = work->object,
		.runs = scope_indexed(work->scope, CACHED_RUNS, work->namespace_, work->name),
		.frozen = scope_indexed(work->scope, CACHED_FROZEN, work->namespace_, work->name),
		.components = work->components,
		.sources = gathered ? gathered->sources : work->gather.sources,
		.digests = gathered ? gathered->digests : work->gather.digests,
		.backends = scope_backends(work->scope, work->namespace_,
			doc_str(work->object, "spec.backendRef.name")),
		.settings = &work->controller->settings,
		.now_s = time_wall_ms() / 1000};
}

static void view_clear(struct pipeline_view *view)
{
	json_decref((json_t *)view->runs);
	json_decref((json_t *)view->frozen);
	json_decref((json_t *)view->backends);
}

static void decide(struct work *work, const struct gathered *gathered)
{
	struct pipeline_view view;
	int64_t hold;

	view_init(work, &view, gathered);
	pipeline_reconcile(&view, &work->plan);
	view_clear(&view);
	hold = hold_ms(work);
	if (hold) {
		plan_clear(&work->plan);
		plan_requeue(&work->plan, hold);
	}
	if (gathered && gathered->again_ms)
		plan_requeue(&work->plan, gathered->again_ms - loop_now_ms(work->controller->loop));
	work_execute(work);
}

/* --- gathering --- */

static void images_gathered(struct gather *gather)
{
	struct work *work = container_of(gather, struct work, gather);

	decide(work, keep(work));
}

static void resolve_images(struct work *work)
{
	struct controller *c = work->controller;
	json_t *spec = json_object_get(work->object, "spec");
	bool required = str_eq(policy_of(work), "Required");
	auto_strvec images = STRVEC_INIT;
	struct pipeline_view view;
	bool compiles;

	view_init(work, &view, NULL);
	compiles = c->registry && !str_eq(policy_of(work), "Ignore") && pipeline_compiles(&view);
	view_clear(&view);
	if (compiles)
		compile_image_refs(spec, work->components, &images);
	if (images.len == 0) {
		decide(work, keep(work));
		return;
	}
	gather_images(&work->gather, c->client, c->registry, work->namespace_, spec, &images,
		required ? RESOLVE_REQUIRED_MS : RESOLVE_OPTIONAL_MS, images_gathered);
}

static void sources_gathered(struct gather *gather)
{
	struct work *work = container_of(gather, struct work, gather);

	if (gather->err.class != ERR_NONE) {
		work_fail(work, &gather->err, "read the sources of Python steps");
		work_end(work);
		return;
	}
	resolve_images(work);
}

/* Which spec with which components is frozen. Owned. */
static char *what_of(const struct work *work)
{
	char hex[DIGEST_HEX_SIZE];
	auto_free char *text = canon_str(work->components, CANON_COMPACT);

	digest_sha256_hex(text, strlen(text), hex);
	return xasprintf("%s/%lld/%s", doc_str_or(work->object, "metadata.uid", ""),
		(long long)doc_int_or(work->object, "metadata.generation", 0), hex);
}

static bool must_gather(struct work *work, const struct gathered *gathered)
{
	return !gathered || !str_eq(gathered->what, work->what) ||
	       (gathered->again_ms && gathered->again_ms <= loop_now_ms(work->controller->loop));
}

void work_pipeline(struct work *work)
{
	const struct gathered *gathered;
	auto_strvec refs = STRVEC_INIT;
	struct pipeline_view view;
	bool freezes;

	work->components = components_of(work);
	view_init(work, &view, NULL);
	freezes = pipeline_freezes(&view);
	view_clear(&view);
	if (!freezes) {
		map_del(&work->controller->freezes, work->key);
		decide(work, NULL);
		return;
	}
	work->what = what_of(work);
	gathered = map_get(&work->controller->freezes, work->key);
	if (!must_gather(work, gathered)) {
		decide(work, gathered);
		return;
	}
	compile_source_refs(json_object_get(work->object, "spec"), &refs);
	if (refs.len > 0)
		gather_sources(&work->gather, work->controller->client, work->namespace_, &refs,
			sources_gathered);
	else
		resolve_images(work);
}

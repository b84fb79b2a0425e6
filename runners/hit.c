#include "runners/hit.h"

#include <stdlib.h>
#include "base/mem.h"
#include "runners/dag.h"

enum data_seen hit_look_at_data(const struct runner_run *run, int step, const char *ref)
{
	if (!run->data || run->spec->steps[step].sink)
		return DATA_NOT_VISIBLE;
	return run->data->look(run->data->arg, ref);
}

const char *hit_find(
	const struct runner_run *run, const struct run_state *state, int step, bool *ret_asked)
{
	const struct spec_step *spec = &run->spec->steps[step];
	auto_free const char **refs = NULL;
	const char *hit;

	if (!run->cache || !spec->cacheable || spec->cache != CACHE_USE)
		return NULL;
	refs = xcalloc((size_t)spec->from_len + 1, sizeof(*refs));
	if (!dag_input_refs(run->spec, state, step, refs))
		return NULL;
	hit = run->cache->lookup(run->cache->arg, spec, refs, spec->from_len);
	if (!hit)
		return NULL;
	switch (hit_look_at_data(run, step, hit)) {
	case DATA_ASKED:
		*ret_asked = true;
		return NULL;
	case DATA_ABSENT:
		return NULL;
	default:
		return hit;
	}
}

void hit_take(const struct runner_run *run, struct step_state *step, const char *ref)
{
	step_state_clear(step);
	step->phase = STEP_CACHED;
	step->start_s = run->now_s;
	step->end_s = run->now_s;
	step->ref = xstrdup(ref);
}

/* The index of earlier successes: what is a hit, what is recorded, what goes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/mem.h"
#include "base/str.h"
#include "doc/json.h"
#include "doc/patch.h"
#include "doc/path.h"
#include "reconcile/step_cache.h"
#include "quoted_json.h"

#define NOW INT64_C(1800000000)

/* A run of some steps. */
struct world {
	struct frozen_spec spec;
	struct run_state state;
	char **names;
};

static void world_init(struct world *w, int steps)
{
	*w = (struct world){.spec = {.pipeline = "p",
				    .dataset_name = "d",
				    .working_directory = "s3://b/w",
				    .backend = "kubernetes",
				    .steps_len = steps}};
	w->spec.steps = xcalloc((size_t)steps, sizeof(*w->spec.steps));
	w->names = xcalloc((size_t)steps, sizeof(*w->names));
	for (int i = 0; i < steps; i++) {
		w->names[i] = xasprintf("step-%d", i);
		w->spec.steps[i] = (struct spec_step){
			.name = w->names[i], .cache_key = w->names[i], .cacheable = true};
	}
	run_state_init(&w->state, steps);
}

static void world_clear(struct world *w)
{
	for (int i = 0; i < w->spec.steps_len; i++)
		free(w->names[i]);
	free(w->names);
	free(w->spec.steps);
	run_state_clear(&w->state);
}

static void succeed(struct world *w, int i)
{
	struct step_state *s = &w->state.steps[i];

	s->phase = STEP_SUCCEEDED;
	s->attempt = 1;
	s->exit_code = 0;
	s->start_s = NOW;
	s->end_s = NOW + 9;
	free(s->ref);
	s->ref = xasprintf("r-uidr/%s", w->names[i]);
}

static json_t *index_with(const char *entry)
{
	return json_pack(
		"{s:{s:s}, s:{s:s}}", "metadata", "resourceVersion", "1", "data", "step-0", entry);
}

static void a_hit_needs_key_inputs_and_age(void **state)
{
	static const char *const two[] = {"r1/load", "r1/b"};
	static const char *const other[] = {"r1/load", "r2/b"};
	static const char *const swapped[] = {"r1/b", "r1/load"};
	static const struct {
		const char *key;
		const char *const *inputs;
		int len;
		int64_t age_s, max_age_s;
		bool hit, scheduled;
	} cases[] = {
		{"step-0", two, 2, 10, 0, true, false},
		{"step-1", two, 2, 10, 0, false, false},
		{"step-0", other, 2, 10, 0, false, false},
		{"step-0", swapped, 2, 10, 0, false, false},
		{"step-0", two, 1, 10, 0, false, false},
		{"step-0", NULL, 0, 10, 0, false, false},
		{"step-0", two, 2, 60, 60, true, false},
		{"step-0", two, 2, 61, 60, false, false},
		{"step-0", two, 2, 100000000, 0, true, false},
		/* a schedule matters only to what has no inputs */
		{"step-0", two, 2, 10, 0, true, true},
		{"step-0", two, 2, 61, 60, false, true},
		{"bare", NULL, 0, 10, 0, true, false},
		{"bare", NULL, 0, 10, 0, false, true},
		{"bare", NULL, 0, 60, 60, true, true},
		{"bare", NULL, 0, 61, 60, false, true},
		{"bare", NULL, 0, 61, 60, false, false},
		{NULL, NULL, 0, 10, 0, false, false},
	};
	auto_json *index = index_with(
		"{\"at\": \"r1/x\", \"inputs\": [\"r1/load\", \"r1/b\"], \"time\": 1800000000}");
	struct step_cache_view view;

	(void)state;
	json_object_set_new(json_object_get(index, "data"), "bare",
		json_string("{\"at\": \"r1/x\", \"inputs\": [], \"time\": 1800000000}"));
	for (size_t i = 0; i < array_size(cases); i++) {
		struct spec_step step = {
			.cache_key = cases[i].key, .cache_max_age_s = cases[i].max_age_s};
		const char *ref;

		step_cache_view_init(&view, index, NOW + cases[i].age_s, cases[i].scheduled);
		ref = view.cache.lookup(view.cache.arg, &step, cases[i].inputs, cases[i].len);
		if ((ref != NULL) != cases[i].hit || (ref && !str_eq(ref, "r1/x")))
			fail_msg("case %zu: %s", i, ref ? ref : "no hit");
		step_cache_view_clear(&view);
	}
}

static void odd_entries_are_no_hits(void **state)
{
	static const char *const odd[] = {"", "x", "[]", "{}", "{\"at\": 1, \"inputs\": []}",
		"{\"at\": \"r/x\"}", "{\"at\": \"r/x\", \"inputs\": {}}",
		"{\"at\": \"r/x\", \"inputs\": [1]}"};
	struct spec_step step = {.cache_key = "step-0"};

	(void)state;
	for (size_t i = 0; i < array_size(odd); i++) {
		auto_json *index = index_with(odd[i]);
		struct step_cache_view view;

		step_cache_view_init(&view, index, NOW, false);
		assert_null(view.cache.lookup(view.cache.arg, &step, NULL, i < 7 ? 0 : 1));
		step_cache_view_clear(&view);
	}
}

static json_t *pipeline_owner(const char *uid)
{
	return json_pack("{s:s, s:s}", "kind", "FondantPipeline", "uid", uid);
}

static void what_ran_is_recorded(void **state)
{
	auto_json *owner = pipeline_owner("uid-p");
	auto_json *entry = NULL;
	const json_t *data;
	struct plan plan = PLAN_INIT;
	struct world w;
	int from[] = {0};

	(void)state;
	world_init(&w, 6);
	w.spec.steps[1].from = from;
	w.spec.steps[1].from_len = 1;
	for (int i = 0; i < 6; i++)
		succeed(&w, i);
	w.state.steps[2].phase = STEP_CACHED;
	w.state.steps[3].phase = STEP_FAILED;
	w.spec.steps[4].cache = CACHE_NEVER;
	w.spec.steps[5].cacheable = false;
	w.spec.steps[1].cache = CACHE_REFRESH; /* ran, and is recorded */
	step_cache_record(&plan, "n", &w.spec, &w.state, NULL, owner);
	assert_int_equal(plan.len, 1);
	assert_int_equal(plan.writes[0].verb, KUBE_CREATE);
	assert_true(plan.writes[0].optional);
	data = json_object_get(plan.writes[0].body, "data");
	assert_int_equal(json_object_size(data), 2);
	assert_string_equal(
		doc_str(plan.writes[0].body, "metadata.ownerReferences.0.uid"), "uid-p");
	entry = NULL;
	assert_int_equal(
		doc_json_parse(json_string_value(json_object_get(data, "step-1")),
			strlen(json_string_value(json_object_get(data, "step-1"))), &entry, NULL),
		0);
	assert_string_equal(doc_str(entry, "at"), "r-uidr/step-1");
	assert_string_equal(doc_str(entry, "inputs.0"), "r-uidr/step-0");
	assert_int_equal(doc_int_or(entry, "time", 0), NOW + 9);
	plan_clear(&plan);
	world_clear(&w);
}

static void owners_are_added_and_nothing_is_written_twice(void **state)
{
	auto_json *mine = pipeline_owner("uid-p");
	auto_json *theirs = pipeline_owner("uid-q");
	auto_json *index = NULL;
	struct plan plan = PLAN_INIT;
	struct world w;

	(void)state;
	world_init(&w, 2);
	succeed(&w, 0);
	step_cache_record(&plan, "n", &w.spec, &w.state, NULL, mine);
	index = json_deep_copy(plan.writes[0].body);
	doc_set_new(index, "metadata.resourceVersion", json_string("5"));
	plan_clear(&plan);
	/* the same again */
	step_cache_record(&plan, "n", &w.spec, &w.state, index, mine);
	assert_int_equal(plan.len, 0);
	/* of another pipeline that found all of it */
	w.state.steps[0].phase = STEP_CACHED;
	step_cache_record(&plan, "n", &w.spec, &w.state, index, theirs);
	assert_int_equal(plan.len, 1);
	assert_int_equal(
		json_array_size(doc_get(plan.writes[0].body, "metadata.ownerReferences")), 2);
	assert_string_equal(doc_str(plan.writes[0].body, "metadata.resourceVersion"), "5");
	plan_clear(&plan);
	/* one that used nothing owns nothing */
	w.state.steps[0].phase = STEP_FAILED;
	step_cache_record(&plan, "n", &w.spec, &w.state, index, theirs);
	assert_int_equal(plan.len, 0);
	/* nobody: a run by hand whose pipeline is gone */
	succeed(&w, 1);
	step_cache_record(&plan, "n", &w.spec, &w.state, index, NULL);
	assert_int_equal(plan.len, 1);
	assert_null(json_object_get(plan.writes[0].body, "metadata"));
	plan_clear(&plan);
	world_clear(&w);
}

static void the_oldest_entries_go(void **state)
{
	static const struct {
		int entries;
		size_t each; /* bytes of an entry's input */
	} cases[] = {{STEP_CACHE_MAX, 20}, {STEP_CACHE_MAX, 280}, {300, 3300}};

	(void)state;
	for (size_t c = 0; c < array_size(cases); c++) {
		auto_free char *input = xcalloc(cases[c].each + 1, 1);
		json_t *data = json_object();
		auto_json *index = json_pack("{s:{}, s:o}", "metadata", "data", data);
		auto_json *after = NULL;
		auto_free char *text = NULL;
		struct plan plan = PLAN_INIT;
		struct world w;

		memset(input, 'x', cases[c].each);
		for (int i = 0; i < cases[c].entries; i++) {
			auto_free char *key = xasprintf("%064d", i);

			json_object_set_new(data, key,
				json_sprintf("{\"at\":\"r/x\",\"inputs\":[\"%s\"],\"time\":%d}",
					input, 1700000000 + (i * 7919) % cases[c].entries));
		}
		world_init(&w, 2);
		succeed(&w, 0);
		succeed(&w, 1);
		step_cache_record(&plan, "n", &w.spec, &w.state, index, NULL);
		assert_int_equal(plan.len, 1);
		after = doc_merge_apply(index, plan.writes[0].body);
		text = doc_json_dump(json_object_get(after, "data"));
		assert_true(json_object_size(json_object_get(after, "data")) <= STEP_CACHE_MAX);
		assert_true(strlen(text) <= (size_t)1 << 20);
		/* what is new stays, and not more goes than must */
		assert_non_null(doc_get(after, "data.step-0"));
		assert_non_null(doc_get(after, "data.step-1"));
		assert_true(json_object_size(json_object_get(after, "data")) == STEP_CACHE_MAX ||
			    strlen(text) > ((size_t)1 << 20) * 3 / 4);
		plan_clear(&plan);
		world_clear(&w);
	}
}

static void the_scope_of_an_index(void **state)
{
	struct frozen_spec spec = {.dataset_name = "d",
		.working_directory = "s3://b/w",
		.backend = "kubernetes",
		.json = NULL};
	auto_free char *first = step_cache_name(&spec);
	auto_free char *second = NULL;
	auto_free char *third = NULL;

	(void)state;
	assert_int_equal(strlen(first), strlen("fondant-cache-") + 12);
	spec.working_directory = "s3://b/v";
	second = step_cache_name(&spec);
	assert_string_not_equal(first, second);
	spec.working_directory = "s3://b/w";
	third = step_cache_name(&spec);
	assert_string_equal(first, third);
}

#define MOUNTED(volume, path, claim)                                               \
	"{'spec': {'volumes': [{'name': '" volume                                  \
	"', 'persistentVolumeClaim': {'claimName': '" claim                        \
	"'}}], 'containers': [{'name': 'main', 'volumeMounts': [{'name': '" volume \
	"', 'mountPath': '" path "'}]}]}}"

/* The scope of a local working directory, of a spec with these pod templates. Owned. */
static char *scope_of(const char *pipeline, const char *step)
{
	auto_json *spec = json_pack("{s:o}", "podTemplate", quoted_json(pipeline));
	auto_json *step_json = json_pack("{s:o}", "podTemplate", quoted_json(step));
	struct spec_step steps[] = {{.name = "a", .json = step_json}};
	struct frozen_spec frozen = {.dataset_name = "d",
		.working_directory = "/mnt/data",
		.backend = "kubernetes",
		.json = spec,
		.steps = steps,
		.steps_len = 1};

	return step_cache_name(&frozen);
}

/* Another volume is another place, wherever it is said; a path that only begins alike is not. */
static void the_volume_is_of_the_scope(void **state)
{
	auto_free char *one = scope_of(MOUNTED("v", "/mnt", "one"), "{}");
	auto_free char *two = scope_of(MOUNTED("v", "/mnt", "two"), "{}");
	auto_free char *step = scope_of("{}", MOUNTED("v", "/mnt/", "one"));
	auto_free char *over = scope_of(MOUNTED("v", "/mnt", "one"), MOUNTED("v", "/mnt", "two"));
	auto_free char *beside = scope_of(MOUNTED("v", "/mnt", "one"), MOUNTED("w", "/mnt/d", "x"));

	(void)state;
	assert_string_not_equal(one, two);
	assert_string_equal(one, step);
	assert_string_equal(two, over);
	assert_string_equal(one, beside);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hit_needs_key_inputs_and_age),
		cmocka_unit_test(odd_entries_are_no_hits),
		cmocka_unit_test(what_ran_is_recorded),
		cmocka_unit_test(owners_are_added_and_nothing_is_written_twice),
		cmocka_unit_test(the_oldest_entries_go),
		cmocka_unit_test(the_scope_of_an_index),
		cmocka_unit_test(the_volume_is_of_the_scope),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

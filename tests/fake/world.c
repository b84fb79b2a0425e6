#include "tests/fake/world.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "doc/json.h"
#include "doc/path.h"
#include "reconcile/names.h"
#include "runners/kubernetes_job.h"
#include "runners/runner.h"

#define BUSY_MS 1
#define IDLE_MS 20
#define LONG_IDLE_MS 250
#define LONG_IDLE_TURNS 50

static void breach(struct world *world, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void breach(struct world *world, const char *fmt, ...)
{
	va_list ap;

	if (world->breach)
		return;
	va_start(ap, fmt);
	world->breach = xvasprintf(fmt, ap);
	va_end(ap);
}

void world_expect_no_breach(const struct world *world)
{
	if (world->breach)
		fail_msg("%s", world->breach);
}

/* --- what must hold of every request --- */

static void count_request(struct world *world, const char *verb, const char *target)
{
	struct world_counts *n = &world->counts;
	bool status = strstr(target, "/status") != NULL;

	n->requests++;
	if (str_eq(verb, "GET") || str_eq(verb, "LIST") || str_eq(verb, "WATCH"))
		return;
	n->writes++;
	n->deletes += str_eq(verb, "DELETE");
	n->configmaps += strstr(target, "/configmaps") != NULL;
	n->events += strstr(target, "/events?") != NULL;
	n->jobs += strstr(target, "/jobs?") != NULL;
	n->run_status += status && strstr(target, "/fondantruns/");
	n->pipeline_status += status && strstr(target, "/fondantpipelines/");
	n->runs += str_eq(verb, "POST") && strstr(target, "/fondantruns?");
}

static void check_request(struct world *world, const char *verb, const char *target)
{
	const char *text = fake_api_last_body(world->api);
	auto_json *body = NULL;

	if (doc_json_parse_lenient(text, strlen(text), &body, NULL) < 0)
		body = NULL;
	if (str_eq(verb, "DELETE") && !doc_str(body, "preconditions.uid"))
		breach(world, "DELETE %s without a UID", target);
	if (str_eq(verb, "PATCH") && strstr(target, "/status") &&
		!doc_str(body, "metadata.resourceVersion"))
		breach(world, "PATCH %s without a resourceVersion", target);
	if (str_eq(verb, "PUT"))
		breach(world, "PUT %s", target);
}

static bool judge(void *user, const char *verb, const char *target, struct fake_fault *ret)
{
	struct world *world = user;

	count_request(world, verb, target);
	if (str_eq(verb, "DELETE") || str_eq(verb, "PATCH") || str_eq(verb, "PUT"))
		check_request(world, verb, target);
	return world->judge && world->judge(world, verb, target, ret);
}

/* --- what must hold of every change --- */

static const char *label(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(doc_get(object, "metadata.labels"), key));
}

static const char *note(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(doc_get(object, "metadata.annotations"), key));
}

static int attempt_of(const json_t *job)
{
	int64_t attempt = 0;

	return str_to_int64(note(job, KUBERNETES_ANNOTATION_ATTEMPT), &attempt) ? (int)attempt : 0;
}

/* Ref of what this Job writes. Owned. */
static char *output_of(const json_t *job)
{
	const char *uid = name_controller_uid(job);
	auto_free char *run_id = name_run_id(label(job, LABEL_RUN), uid ? uid : "");
	int attempt = attempt_of(job);

	if (attempt > 1)
		return xasprintf("%s-a%d/%s", run_id, attempt, label(job, LABEL_STEP));
	return xasprintf("%s/%s", run_id, label(job, LABEL_STEP));
}

/* The step has left data, in this run or another. */
static bool left_data(const struct world *world, const char *step)
{
	size_t pos = 0;
	const char *ref;

	while (map_next(&world->data, &pos, &ref, NULL)) {
		const char *slash = strchr(ref, '/');

		if (slash && str_eq(slash + 1, step))
			return true;
	}
	return false;
}

static bool run_is_there(const struct world *world, const char *uid)
{
	const struct fake_store *store = fake_api_store(world->api);
	size_t pos = 0;
	const char *key;
	void *object;

	while (map_next(&store->objects, &pos, &key, &object)) {
		if (strstr(key, "/fondantruns/") && str_eq(doc_str(object, "metadata.uid"), uid))
			return true;
	}
	return false;
}

/* Refs with commas between them: those of a join. */
static bool inputs_there(const struct world *world, const char *refs)
{
	if (!refs || !*refs)
		return false;
	for (;;) {
		size_t len = strcspn(refs, ",");
		auto_free char *ref = xstrndup(refs, len);

		if (!map_has(&world->data, ref))
			return false;
		if (!refs[len])
			return true;
		refs += len + 1;
	}
}

static void job_made(struct world *world, const json_t *job)
{
	const char *step = label(job, LABEL_STEP);
	const char *input = note(job, KUBERNETES_ANNOTATION_INPUT);
	const char *uid = name_controller_uid(job);
	auto_free char *key =
		xasprintf("%s/%s/%d", uid ? uid : "nobody", step ? step : "", attempt_of(job));

	world->jobs_made++;
	if (!step || !uid || !attempt_of(job))
		breach(world, "a Job without step, owner or attempt");
	/* A controller that has yet to hear of a run's end may miss its Jobs first. */
	if (map_has(&world->attempts, key) && run_is_there(world, uid))
		breach(world, "a second Job for %s", key);
	map_set(&world->attempts, key, world);
	if (str_eq(step, "load") ? input != NULL : !inputs_there(world, input))
		breach(world, "Job for %s reads %s, which is not there", key,
			input ? input : "nothing");
	if (str_eq(step, "c") && !left_data(world, "b"))
		breach(world, "c started before b was done");
}

/* A pod that has ended well has left its data. */
static void pod_seen(struct world *world, const json_t *pod)
{
	const char *name = doc_str_or(pod, "metadata.name", "");
	auto_free char *path = xasprintf(WORLD_JOBS "/%s", name);
	auto_json *job = NULL;

	if (!str_eq(doc_str(pod, "status.phase"), "Succeeded"))
		return;
	job = fake_api_get(world->api, path);
	if (job) {
		auto_free char *ref = output_of(job);

		map_set(&world->data, ref, world);
	}
}

static void steps_seen(struct world *world, const json_t *before, const json_t *after)
{
	const json_t *olds = doc_get(before, "status.steps"), *old;
	size_t i;

	json_array_foreach (olds, i, old) {
		const json_t *fresh = json_array_get(doc_get(after, "status.steps"), i);
		enum step_phase phase = STEP_WAITING;

		if (!str_eq(doc_str(old, "name"), doc_str(fresh, "name"))) {
			breach(world, "step %s went away", doc_str_or(old, "name", "?"));
			return;
		}
		step_phase_parse(doc_str_or(old, "phase", ""), &phase);
		if (step_phase_final(phase) && !json_equal(old, fresh))
			breach(world, "step %s of %s changed after it was %s",
				doc_str_or(old, "name", "?"),
				doc_str_or(after, "metadata.name", "?"), step_phase_name(phase));
		if (doc_int_or(fresh, "attempts", 1) < doc_int_or(old, "attempts", 1))
			breach(world, "step %s has fewer attempts than before",
				doc_str_or(old, "name", "?"));
	}
}

static void run_seen(struct world *world, const json_t *before, const json_t *after)
{
	enum run_phase old = RUN_PENDING, fresh = RUN_PENDING;

	if (!before)
		world->runs_made++;
	if (!before || !after)
		return;
	run_phase_parse(doc_str_or(before, "status.phase", "Pending"), &old);
	run_phase_parse(doc_str_or(after, "status.phase", "Pending"), &fresh);
	if (fresh < old || (run_phase_final(old) && fresh != old))
		breach(world, "run %s went from %s to %s", doc_str_or(after, "metadata.name", "?"),
			run_phase_name(old), run_phase_name(fresh));
	if (doc_str(before, "status.startTime") &&
		!str_eq(doc_str(before, "status.startTime"), doc_str(after, "status.startTime")))
		breach(world, "run %s started twice", doc_str_or(after, "metadata.name", "?"));
	steps_seen(world, before, after);
}

static void seen(void *user, const struct fake_event *event)
{
	struct world *world = user;

	if (strstr(event->collection, "/jobs") && !event->before)
		job_made(world, event->after);
	else if (str_eq(event->collection, "api/v1/pods") && event->after)
		pod_seen(world, event->after);
	else if (strstr(event->collection, "/fondantruns"))
		run_seen(world, event->before, event->after);
}

/* --- life --- */

int world_argument(const json_t *job)
{
	const json_t *args = doc_get(job, "spec.template.spec.containers.0.args");
	const json_t *item;
	size_t i;

	json_array_foreach (args, i, item) {
		int64_t n;

		if (str_eq(json_string_value(item), "--n") &&
			str_to_int64(json_string_value(json_array_get(args, i + 1)), &n))
			return (int)n;
	}
	return -1;
}

void world_deed(struct world *world, const json_t *job, const char *step, int attempt,
	struct fake_deed *ret)
{
	(void)world;
	switch (world_argument(job)) {
	case 11:
		ret->evicted = attempt == 1;
		break;
	case 12:
		ret->exit_code = str_eq(step, "b") && attempt < 3;
		break;
	case 13:
		ret->exit_code = 3;
		ret->message = "no such column";
		break;
	case 14:
		ret->hangs = true;
		break;
	default:
		break;
	}
}

static void deed(void *user, const json_t *job, struct fake_deed *ret)
{
	struct world *world = user;

	ret->pending_ms = ret->run_ms = world->pod_ms;
	ret->job_lag_ms = 500;
	if (world->deed)
		world->deed(world, job, label(job, LABEL_STEP), attempt_of(job), ret);
}

void world_start(struct world *world)
{
	struct kube_config config = {.server = (char *)fake_api_url(world->api)};
	auto_err err = ERR_INIT;

	assert_int_equal(
		kube_client_new(world->loop, &config, "fondant-test/1", &world->client, &err), 0);
	world->controller = controller_new(world->loop, world->client, &world->options);
}

void world_kill(struct world *world)
{
	controller_free(world->controller);
	kube_client_free(world->client);
	world->controller = NULL;
	world->client = NULL;
	world->kills++;
}

void world_open(struct world *world)
{
	auto_err err = ERR_INIT;

	fake_clock_start();
	log_setup(getenv("WORLD_LOG") ? LOG_DEBUG : LOG_ERROR, LOG_LOGFMT, 2);
	assert_int_equal(loop_new(&world->loop, &err), 0);
	world->api = fake_api_new(world->loop);
	world->node = fake_node_new(world->api, deed, world);
	fake_node_observe(world->node, seen, world);
	fake_api_set_judge(world->api, judge, world);
	world->options.implicit_backend = true;
	world->options.operator_image = "registry.example/fondant:1";
	world->options.instance = "test";
	world_start(world);
}

void world_close(struct world *world)
{
	world_kill(world);
	fake_node_free(world->node);
	fake_api_free(world->api);
	loop_free(world->loop);
	map_clear(&world->attempts);
	map_clear(&world->data);
	free(world->breach);
	*world = (struct world){0};
}

void world_turn(struct world *world)
{
	struct pollfd busy = {.fd = loop_fd(world->loop), .events = POLLIN};

	loop_turn(world->loop, 0);
	fake_node_turn(world->node);
	world->idle_turns = poll(&busy, 1, 0) > 0 ? 0 : world->idle_turns + 1;
	if (world->idle_turns == 0)
		fake_clock_advance(BUSY_MS);
	else
		fake_clock_advance(world->idle_turns < LONG_IDLE_TURNS ? IDLE_MS : LONG_IDLE_MS);
}

void world_pass(struct world *world, int64_t ms)
{
	int64_t end = time_mono_ms() + ms;

	while (time_mono_ms() < end)
		world_turn(world);
}

void world_until(struct world *world, bool (*reached)(struct world *world), int64_t ms)
{
	int64_t end = time_mono_ms() + ms;

	while (!reached(world)) {
		if (time_mono_ms() > end) {
			auto_free char *story = world_story(world);

			fail_msg("it never happens; so far:\n%s", story);
		}
		world_turn(world);
	}
}

size_t world_writes_in(struct world *world, int64_t ms)
{
	size_t before = world->counts.writes;

	world_pass(world, ms);
	return world->counts.writes - before;
}

/* SplitMix64. */
uint64_t world_dice(struct world *world, uint64_t below)
{
	uint64_t z = world->seed += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return (z ^ (z >> 31)) % below;
}

/* --- pipelines --- */

static char *step(const char *name, const char *settings, const char *consumes, int n)
{
	return xasprintf("{\"name\": \"%s\", %s\"component\": {\"spec\": {\"name\": \"%s\", "
			 "\"description\": \"d\", \"image\": \"x/%s:1\", %s\"produces\": {\"%s\": "
			 "{\"type\": \"string\"}}, \"args\": {\"n\": {\"type\": \"int\"}}}}, "
			 "\"arguments\": {\"n\": %d}}",
		name, settings, name, name, consumes, name, n);
}

void world_apply(struct world *world, const struct world_pipeline *p)
{
	const char *name = p->name ? p->name : "p";
	auto_free char *path = xasprintf(WORLD_PIPELINES "/%s", name);
	auto_free char *load = step("load", "", "", p->load);
	auto_free char *a = step("a", "\"from\": [\"load\"], ",
		"\"consumes\": {\"load\": {\"type\": \"string\"}}, ", p->a);
	auto_free char *b = step("b",
		"\"from\": [\"load\"], \"retry\": {\"limit\": 2, \"backoff\": {\"initial\": "
		"\"1s\", "
		"\"factor\": 1, \"max\": \"1s\"}}, ",
		"\"consumes\": {\"load\": {\"type\": \"string\"}}, ", p->b);
	auto_free char *c = step("c", "\"from\": [\"a\", \"b\"], \"dependsOn\": [\"load\"], ",
		"\"consumes\": {\"a\": {\"type\": \"string\"}}, ", p->c);
	auto_free char *spec = xasprintf(
		"{\"workingDirectory\": \"s3://b/w\", \"triggers\": {\"rerunToken\": \"%s\"}, "
		"%s\"successfulRunsHistoryLimit\": 20, \"failedRunsHistoryLimit\": 20, "
		"\"steps\": [%s, %s, %s, %s]}",
		p->rerun_token ? p->rerun_token : "", p->extra ? p->extra : "", load, a, b, c);
	json_t *json = NULL;
	auto_json *old = fake_api_get(world->api, path);

	if (doc_json_parse_lenient(spec, strlen(spec), &json, NULL) < 0)
		fail_msg("no JSON: %s", spec);
	if (old)
		fake_api_patch(world->api, path, json_pack("{s:o}", "spec", json));
	else
		fake_api_put(
			world->api, json_pack("{s:s, s:s, s:{s:s, s:s}, s:o}", "apiVersion",
					    API_VERSION, "kind", "FondantPipeline", "metadata",
					    "namespace", WORLD_NS, "name", name, "spec", json));
}

/* --- looking --- */

static json_t *list(struct world *world, const char *text)
{
	struct fake_path path;
	json_t *items;

	assert_true(fake_path_parse(text, &path));
	items = fake_store_list(fake_api_store(world->api), &path, NULL, NULL);
	fake_path_clear(&path);
	return items;
}

size_t world_runs(struct world *world, const char *phase)
{
	auto_json *runs = list(world, WORLD_RUNS);
	const json_t *run;
	size_t i, count = 0;

	json_array_foreach (runs, i, run)
		count += !phase || str_eq(doc_str_or(run, "status.phase", ""), phase);
	return count;
}

size_t world_finished(struct world *world)
{
	auto_json *runs = list(world, WORLD_RUNS);
	const json_t *run;
	size_t i, count = 0;

	json_array_foreach (runs, i, run) {
		enum run_phase phase;

		count += run_phase_parse(doc_str_or(run, "status.phase", ""), &phase) &&
			 run_phase_final(phase);
	}
	return count;
}

struct made {
	const json_t *run;
	uint64_t order;
};

static int by_making(const void *a, const void *b)
{
	const struct made *x = a, *y = b;

	return x->order < y->order ? -1 : x->order > y->order;
}

/* The fake numbers its UIDs. */
static uint64_t order_of(const json_t *object)
{
	const char *dash = strrchr(doc_str_or(object, "metadata.uid", "-0"), '-');

	return strtoull(dash + 1, NULL, 16);
}

static json_t *sorted_runs(struct world *world)
{
	auto_json *runs = list(world, WORLD_RUNS);
	size_t len = json_array_size(runs);
	auto_free struct made *made = xcalloc(len + 1, sizeof(*made));
	json_t *sorted = json_array();

	for (size_t i = 0; i < len; i++)
		made[i] = (struct made){json_array_get(runs, i), order_of(json_array_get(runs, i))};
	qsort(made, len, sizeof(*made), by_making);
	for (size_t i = 0; i < len; i++)
		json_array_append(sorted, (json_t *)made[i].run);
	return sorted;
}

json_t *world_run(struct world *world, size_t index)
{
	auto_json *runs = sorted_runs(world);

	return json_incref(json_array_get(runs, index));
}

json_t *world_jobs(struct world *world)
{
	return list(world, WORLD_JOBS);
}

json_t *world_get_pipeline(struct world *world, const char *name)
{
	auto_free char *path = xasprintf(WORLD_PIPELINES "/%s", name);

	return fake_api_get(world->api, path);
}

/*
 * Of a failed run only what failed: a failure whose pod was not seen within 3 s passes for a
 * disruption (one attempt more), and a hit that no status had told of yet is Skipped when the
 * failure is what a new process finds first.
 */
static void tell_run(struct buf *text, const json_t *run)
{
	const char *phase = doc_str_or(run, "status.phase", "-");
	bool failed = str_eq(phase, "Failed");
	const json_t *each;
	size_t i;

	buf_addf(text, "%s %s %s:", doc_str_or(run, "metadata.name", "?"), phase,
		failed ? "" : doc_str_or(run, "status.progress", "-"));
	json_array_foreach (doc_get(run, "status.steps"), i, each) {
		const char *name = doc_str_or(each, "name", "?");
		const char *step_phase = doc_str_or(each, "phase", "?");

		if (!failed)
			buf_addf(text, " %s=%s/%d", name, step_phase,
				(int)doc_int_or(each, "attempts", 1));
		else if (str_eq(step_phase, "Failed"))
			buf_addf(text, " %s: %d", name, (int)doc_int_or(each, "exitCode", -1));
	}
	buf_addc(text, '\n');
}

char *world_story(struct world *world)
{
	auto_json *runs = sorted_runs(world);
	struct buf text = BUF_INIT;
	const json_t *run;
	size_t i;

	json_array_foreach (runs, i, run)
		tell_run(&text, run);
	return buf_take(&text);
}

size_t world_objects(struct world *world)
{
	const struct fake_store *store = fake_api_store(world->api);
	size_t pos = 0, count = 0;
	const char *key;

	while (map_next(&store->objects, &pos, &key, NULL))
		count += strstr(key, "/events/") == NULL;
	return count;
}

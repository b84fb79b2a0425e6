/*
 * What backends answer. The first byte says what the rest is: a stream of Docker's log frames, or
 * JSON that an engine, Kubeflow Pipelines or Vertex AI says of a run. Properties: frames give the
 * same text however they are cut; whatever a backend says, each step has a phase, a failure has a
 * reason, and no message is longer than what a status may hold.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "compiler/compile.h"
#include "compiler/spec.h"
#include "doc/json.h"
#include "runners/docker_logs.h"
#include "runners/docker_observe.h"
#include "runners/kubeflow_observe.h"
#include "runners/vertex_job.h"

#define NOW 1800000000
#define MESSAGE_MAX 8192

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* --- frames --- */

static void add(void *arg, const char *text, size_t len)
{
	buf_add(arg, text, len);
}

static void feed(const char *data, size_t len, size_t piece, struct buf *out)
{
	struct docker_frames frames = {.text = add, .arg = out};

	for (size_t at = 0; at < len; at += piece)
		docker_frames_feed(&frames, data + at, len - at < piece ? len - at : piece);
}

static void check_frames(const char *data, size_t len)
{
	struct buf whole = BUF_INIT, pieces = BUF_INIT;

	feed(data, len, len, &whole);
	feed(data, len, len % 7 + 1, &pieces);
	assert(whole.len == pieces.len &&
		memcmp(buf_str(&whole), buf_str(&pieces), whole.len) == 0);
	assert(whole.len <= len);
	buf_free(&whole);
	buf_free(&pieces);
}

/* --- answers --- */

static const struct frozen_spec *the_spec(void)
{
	static struct frozen_spec *spec;
	json_t *json = NULL;
	struct compile_output out;
	struct compile_input in = {
		.namespace_ = "n", .pipeline = "p", .backend = "docker", .features = ~0U};
	static const char text[] =
		"{\"workingDirectory\": \"s3://b/w\", \"steps\": [{\"name\": \"load\", "
		"\"component\": "
		"{\"spec\": {\"name\": \"L\", \"description\": \"d\", \"image\": \"i\", "
		"\"produces\": "
		"{\"a\": {\"type\": \"string\"}}}}}, {\"name\": \"write\", \"component\": "
		"{\"spec\": "
		"{\"name\": \"W\", \"description\": \"d\", \"image\": \"i\", \"consumes\": {\"a\": "
		"{\"type\": \"string\"}}}}}]}";

	if (spec)
		return spec;
	if (doc_json_parse(text, strlen(text), &json, NULL) < 0)
		abort();
	in.spec = json;
	if (compile_pipeline(&in, &out) != 0 ||
		frozen_spec_parse(out.text, out.text_len, &spec, NULL) < 0)
		abort();
	frozen_spec_bind(spec, "p-1", NOW);
	compile_output_clear(&out);
	json_decref(json);
	return spec;
}

static void check_message(const char *message)
{
	assert(!message || strlen(message) <= MESSAGE_MAX);
}

static void check_state(const struct run_state *state)
{
	assert(run_phase_name(state->phase));
	check_message(state->message);
	for (int i = 0; i < state->steps_len; i++) {
		const struct step_state *step = &state->steps[i];

		assert(step_phase_name(step->phase));
		assert(step->phase != STEP_FAILED || step->reason);
		check_message(step->message);
	}
}

static void check_remote(const json_t *json, bool vertex, bool known, bool cancelling)
{
	struct step_state steps[2] = {{.phase = STEP_WAITING}, {.phase = STEP_WAITING}};
	struct runner_run run = {.spec = known ? the_spec() : NULL,
		.name = "p-1",
		.uid = "u",
		.run_id = "p-1-u",
		.known = steps,
		.cancelling = cancelling,
		.now_s = NOW};
	struct run_state state;

	run_state_init(&state, known ? 2 : 0);
	if (vertex)
		vertex_job_observe(&run, json, &state);
	else
		kubeflow_observe(&run, json, &state);
	check_state(&state);
	run_state_clear(&state);
}

/* A list of containers, each with what inspecting it said under "inspected". */
static void check_docker(const json_t *json)
{
	struct runner_run run = {
		.spec = the_spec(), .name = "p-1", .uid = "u", .run_id = "p-1-u", .now_s = NOW};
	struct attempts attempts = {0};
	const json_t *item;
	size_t i;

	json_array_foreach (json, i, item)
		docker_observe(&run, item, json_object_get(item, "inspected"), "log", &attempts);
	for (int k = 0; k < attempts.len; k++) {
		assert(attempts.items[k].step >= 0 && attempts.items[k].step < 2);
		assert(attempts.items[k].number >= 1);
	}
	attempts_clear(&attempts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data + 1;
	auto_json *json = NULL;

	if (size < 2)
		return 0;
	if (data[0] == 'f') {
		check_frames(text, size - 1);
		return 0;
	}
	if (doc_json_parse_lenient(text, size - 1, &json, NULL) < 0)
		return 0;
	if (data[0] == 'd') {
		check_docker(json);
		return 0;
	}
	check_remote(json, data[0] == 'v', true, size % 2);
	check_remote(json, data[0] == 'v', false, size % 2);
	return 0;
}

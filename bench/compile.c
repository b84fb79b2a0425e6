/*
 * compile STEPS [REPEATS [flat]]: times the compiler on a chain of STEPS components of three
 * arguments and one field each, in this process: a new field at each step, so that the schemas
 * grow, or (flat) the same one again. More steps and bytes are allowed than the CRD does. Prints
 * one line of JSON: microseconds of reading the pipeline's YAML and of compile_pipeline (validate,
 * compile, freeze to text, hash), best and median; bytes of the frozen spec; findings, when it is
 * refused; peak memory.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "base/mem.h"
#include "compiler/compile.h"
#include "doc/json.h"
#include "doc/yaml.h"

#define MAX_STEPS 100000
#define MAX_REPEATS 100000
#define MAX_TEXT ((size_t)256 << 20)

struct figures {
	double parse_us, best_us, median_us;
	size_t bytes, findings;
};

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static json_t *component_new(int number, bool flat)
{
	auto_free char *image = xasprintf("registry.example/bench/step:%d.0", number);
	auto_free char *produced = xasprintf("field_%d", flat ? 0 : number);
	json_t *component = json_pack(
		"{s:s, s:s, s:s, s:{s:{s:s}}, s:{s:{s:s, s:s}, s:{s:s, s:s, s:i}, s:{s:s, s:s, "
		"s:{}}}}",
		"name", "Bench", "description", "One of a chain.", "image", image, "produces",
		produced, "type", "string", "args", "text", "description", "a string", "type",
		"str", "count", "description", "a number", "type", "int", "default", 3, "options",
		"description", "a mapping", "type", "dict", "default");

	if (number > 0) {
		auto_free char *consumed = xasprintf("field_%d", flat ? 0 : number - 1);

		json_object_set_new(
			component, "consumes", json_pack("{s:{s:s}}", consumed, "type", "string"));
	}
	return component;
}

static json_t *chain_new(int steps, bool flat)
{
	json_t *list = json_array();

	for (int i = 0; i < steps; i++) {
		auto_free char *name = xasprintf("step-%d", i);

		json_array_append_new(
			list, json_pack("{s:s, s:{s:o}, s:{s:s, s:i, s:{s:[i, i, i], s:{s:s}}}}",
				      "name", name, "component", "spec", component_new(i, flat),
				      "arguments", "text", "it's a value", "count", 7, "options",
				      "a", 1, 2, 3, "b", "c", "d"));
	}
	return json_pack("{s:s, s:o}", "workingDirectory", "s3://bucket/work", "steps", list);
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double compile_once(const json_t *spec, struct figures *figures)
{
	struct compile_input input = {.namespace_ = "bench",
		.pipeline = "bench",
		.spec = spec,
		.backend = "kubernetes",
		.features = BACKEND_RESOURCES | BACKEND_POD_TEMPLATE | BACKEND_RETRY |
			    BACKEND_TIMEOUT | BACKEND_LOCAL_PATHS | BACKEND_PARALLEL_LIMIT,
		.text_only = true,
		.max_steps = MAX_STEPS,
		.max_text = MAX_TEXT};
	struct compile_output output;
	double begin = now_us(), took;

	compile_pipeline(&input, &output);
	took = now_us() - begin;
	figures->bytes = output.text_len;
	figures->findings = diag_errors(&output.diags);
	compile_output_clear(&output);
	return took;
}

static int measure(int steps, int repeats, bool flat, struct figures *ret_figures)
{
	auto_json *chain = chain_new(steps, flat), *spec = NULL;
	auto_free char *text = doc_yaml_dump(chain);
	auto_free double *times = xcalloc((size_t)repeats, sizeof(*times));
	auto_err err = ERR_INIT;
	double begin = now_us();

	if (doc_yaml_parse_one(text, strlen(text), DOC_YAML_KUBERNETES, &spec, &err) < 0) {
		fprintf(stderr, "compile: %s\n", err_message(&err));
		return -1;
	}
	ret_figures->parse_us = now_us() - begin;
	for (int i = 0; i < repeats; i++)
		times[i] = compile_once(spec, ret_figures);
	qsort(times, (size_t)repeats, sizeof(*times), ascending);
	ret_figures->best_us = times[0];
	ret_figures->median_us = times[repeats / 2];
	return 0;
}

/* KiB that this program has had at most; getrusage would count what its parent had before exec. */
static long peak_kib(void)
{
	FILE *status = fopen("/proc/self/status", "r");
	char line[128];
	long kib = 0;

	while (status && fgets(line, sizeof(line), status)) {
		if (strncmp(line, "VmHWM:", 6) == 0)
			kib = strtol(line + 6, NULL, 10);
	}
	if (status)
		fclose(status);
	return kib;
}

/* From 1 to max, or 0. */
static int count(const char *text, int max)
{
	char *end;
	long value;

	errno = 0;
	value = strtol(text, &end, 10);
	return errno || *end || end == text || value < 1 || value > max ? 0 : (int)value;
}

int main(int argc, char *argv[])
{
	int steps = argc > 1 ? count(argv[1], MAX_STEPS) : 0;
	int repeats = argc > 2 ? count(argv[2], MAX_REPEATS) : 1;
	bool flat = argc > 3 && strcmp(argv[3], "flat") == 0;
	struct figures figures = {0};

	if (!steps || !repeats || argc > 4 || (argc > 3 && !flat)) {
		fputs("usage: compile STEPS [REPEATS [flat]]\n", stderr);
		return 2;
	}
	if (measure(steps, repeats, flat, &figures) < 0)
		return 1;
	printf("{\"steps\": %d, \"parse_us\": %.1f, \"best_us\": %.1f, \"median_us\": %.1f, "
	       "\"bytes\": %zu, \"findings\": %zu, \"peak_kib\": %ld}\n",
		steps, figures.parse_us, figures.best_us, figures.median_us, figures.bytes,
		figures.findings, peak_kib());
	return 0;
}

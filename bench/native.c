/*
 * native BACKEND [REPEATS] < FROZEN: times the document of a backend for a frozen spec on standard
 * input, in this process: runner->compile and the document as text. Prints one line of JSON: best
 * and median microseconds, bytes of the document, findings.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "compiler/diag.h"
#include "compiler/spec.h"
#include "doc/canon.h"
#include "doc/json.h"
#include "runners/runner.h"

#define MAX_REPEATS 100000
#define MAX_TEXT ((size_t)256 << 20)

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static char *read_all(FILE *file)
{
	struct buf text = BUF_INIT_MAX(MAX_TEXT);
	char piece[65536];
	size_t n;

	while ((n = fread(piece, 1, sizeof(piece), file)) > 0)
		buf_add(&text, piece, n);
	return buf_take(&text);
}

static double once(const struct runner *runner, const struct native_input *in, size_t *ret_bytes,
	size_t *ret_findings)
{
	auto_diags diags = DIAG_LIST_INIT;
	auto_json *native = NULL;
	auto_buf text = BUF_INIT;
	double begin = now_us(), took;

	runner->compile(in, &native, &diags);
	if (native)
		canon_dump(native, CANON_COMPACT_ORDERED, &text);
	took = now_us() - begin;
	*ret_bytes = text.len;
	*ret_findings = diag_errors(&diags);
	return took;
}

int main(int argc, char *argv[])
{
	const struct runner *runner = argc > 1 ? runner_find(argv[1]) : NULL;
	int64_t repeats = 1;
	auto_free char *text = NULL;
	auto_free double *times = NULL;
	struct frozen_spec *spec = NULL;
	struct native_input in = {.run_id = "bench-1-0123abcd"};
	size_t bytes = 0, findings = 0;
	auto_err err = ERR_INIT;

	if (!runner || !runner->compile || (argc > 2 && !str_to_int64(argv[2], &repeats)) ||
		repeats < 1 || repeats > MAX_REPEATS) {
		fputs("usage: native docker|kubeflow|vertex|sagemaker [REPEATS] < FROZEN\n",
			stderr);
		return 2;
	}
	text = read_all(stdin);
	if (frozen_spec_parse(text, strlen(text), &spec, &err) < 0) {
		fprintf(stderr, "native: %s\n", err_message(&err));
		return 1;
	}
	frozen_spec_bind(spec, "bench-1", 0);
	in.spec = spec;
	times = xcalloc((size_t)repeats, sizeof(*times));
	for (int64_t i = 0; i < repeats; i++)
		times[i] = once(runner, &in, &bytes, &findings);
	qsort(times, (size_t)repeats, sizeof(*times), ascending);
	printf("{\"best_us\": %.1f, \"median_us\": %.1f, \"bytes\": %zu, \"findings\": %zu}\n",
		times[0], times[repeats / 2], bytes, findings);
	frozen_spec_free(spec);
	return 0;
}

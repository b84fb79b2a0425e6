/* What the compiler's tests share: YAML in, compile output out. */
#ifndef TEST_COMPILER_FIXTURE_H
#define TEST_COMPILER_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/vec.h"
#include "compiler/compile.h"
#include "doc/json.h"
#include "doc/yaml.h"

#define KUBERNETES_FEATURES                                                              \
	(BACKEND_RESOURCES | BACKEND_POD_TEMPLATE | BACKEND_ENV | BACKEND_RETRY |        \
		BACKEND_TIMEOUT | BACKEND_LOCAL_PATHS | BACKEND_PARALLEL_LIMIT |         \
		BACKEND_ACCELERATOR | BACKEND_INSTANCE_TYPE | BACKEND_SECRET_ARGUMENTS | \
		BACKEND_JOINS | BACKEND_PYTHON)

/* The tree of a YAML text; new reference. */
__attribute__((unused)) static json_t *yaml(const char *text)
{
	auto_err err = ERR_INIT;
	json_t *json = NULL;

	if (doc_yaml_parse_one(text, strlen(text), DOC_YAML_KUBERNETES, &json, &err) != 0)
		fail_msg("bad YAML in the test: %s\n%s", err_message(&err), text);
	return json;
}

/* Components are a map from FondantComponent name to its spec; NULL: none. */
__attribute__((unused)) static int compile_trees(
	const json_t *spec, const json_t *components, struct compile_output *out)
{
	struct compile_input in = {.namespace_ = "data",
		.pipeline = "clean-text",
		.spec = spec,
		.components = components,
		.backend = "kubernetes",
		.features = KUBERNETES_FEATURES};

	return compile_pipeline(&in, out);
}

__attribute__((unused)) static int compile_text(const char *text, struct compile_output *out)
{
	auto_json *spec = yaml(text);

	return compile_trees(spec, NULL, out);
}

__attribute__((unused)) static const struct diag *find_diag(
	const struct diag_list *diags, const char *path, const char *reason)
{
	for (size_t i = 0; i < diags->len; i++) {
		if (strcmp(diags->items[i].path, path) == 0 &&
			strcmp(diags->items[i].reason, reason) == 0)
			return &diags->items[i];
	}
	return NULL;
}

__attribute__((unused)) static void print_diags(const struct diag_list *diags)
{
	for (size_t i = 0; i < diags->len; i++)
		print_message("  %s: [%s] %s\n", diags->items[i].path, diags->items[i].reason,
			diags->items[i].message);
}

/* Fails the test, showing why, when there are errors. */
__attribute__((unused)) static void compile_ok(const char *text, struct compile_output *out)
{
	if (compile_text(text, out) != 0) {
		print_diags(&out->diags);
		fail_msg("should compile:\n%s", text);
	}
}

/* The file below tests/data/compiler, whole; owned. */
__attribute__((unused)) static char *read_data(const char *name, size_t *ret_len)
{
	auto_free char *path = xasprintf("tests/data/compiler/%s", name);
	struct buf b = BUF_INIT;
	char chunk[4096];
	FILE *f = fopen(path, "rb");
	size_t n;

	if (!f)
		fail_msg("cannot open %s: run from the repository's root", path);
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		buf_add(&b, chunk, n);
	fclose(f);
	*ret_len = b.len;
	return buf_take(&b);
}

#define SPEC_HEAD "workingDirectory: s3://lake/fondant\n"
#define STEP_LOAD                                                                          \
	"- name: load\n"                                                                   \
	"  component: {spec: {name: Load, description: d, image: 'r/load:1',"              \
	" produces: {text: {type: string}, num: {type: int64}}, args: {rows: {type: int, " \
	"default: "                                                                        \
	"5}}}}\n"
#define STEP_TAKE                                                             \
	"- name: take\n"                                                      \
	"  component: {spec: {name: Take, description: d, image: 'r/take:1'," \
	" consumes: {text: {type: string}}, produces: {words: {type: int32}}}}\n"

#endif

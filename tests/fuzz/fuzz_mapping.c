/*
 * Two to four steps out of bytes: components with a few fields, mappings that rename and declare
 * them, who reads whom. Dense in what is almost right, which YAML is not. Properties: compiles or
 * is explained, the same twice; what compiled gives the executor operations whose renames can be
 * done one after another, and every field that a step consumes is in the dataset it reads.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "compiler/argv.h"
#include "compiler/compile.h"
#include "doc/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct bytes {
	const uint8_t *at, *end;
};

/* 0..n-1; 0 when the bytes have come to their end. */
static unsigned pick(struct bytes *b, unsigned n)
{
	return b->at < b->end ? *b->at++ % n : 0;
}

static const char *const names[] = {"a", "b", "c", "d", "e", "index", "additionalProperties", ""};
static const char *const types[] = {"string", "int32", "float64", "bool", "utf8", "timestamp"};

static json_t *type(struct bytes *b)
{
	unsigned which = pick(b, 9);
	json_t *inner;

	if (which < 6)
		return json_pack("{s:s}", "type", types[which]);
	if (which == 6)
		return json_pack("{s:s, s:s}", "type", "string", "format", "date-time");
	inner = json_pack("{s:s}", "type", types[pick(b, 6)]);
	if (which == 7)
		return json_pack("{s:s, s:o}", "type", "array", "items", inner);
	return json_pack("{s:s, s:{s:o}}", "type", "object", "properties", "x", inner);
}

static json_t *fields(struct bytes *b)
{
	json_t *out = json_object();

	for (unsigned n = pick(b, 5); n; n--) {
		const char *name = names[pick(b, 6)];

		json_object_set_new(out, name, type(b));
	}
	if (pick(b, 3) == 0)
		json_object_set_new(out, "additionalProperties", json_true());
	return out;
}

static json_t *mapping(struct bytes *b)
{
	json_t *out = json_object();

	for (unsigned n = pick(b, 6); n; n--) {
		const char *key = names[pick(b, 8)];
		json_t *value = pick(b, 3) ? json_object() : type(b);

		if (pick(b, 4))
			json_object_set_new(value, "field", json_string(names[pick(b, 8)]));
		json_object_set_new(out, key, value);
	}
	return out;
}

static json_t *component(struct bytes *b, bool loads)
{
	json_t *out = json_pack(
		"{s:s, s:s, s:s}", "name", "C", "description", "d", "image", "r.example/c:1");

	if (!loads)
		json_object_set_new(out, "consumes", fields(b));
	if (pick(b, 4))
		json_object_set_new(out, "produces", fields(b));
	if (pick(b, 5) == 4)
		json_object_set_new(out, "previous_index", json_string("a"));
	if (pick(b, 5) == 4)
		json_object_set_new(out, "tags", json_pack("[s]", "Data writing"));
	return out;
}

static json_t *step(struct bytes *b, int index, bool edges)
{
	char *name = xasprintf("s%d", index);
	json_t *out = json_pack("{s:s, s:{s:o}}", "name", name, "component", "spec",
		component(b, index == 0 || pick(b, 6) == 5));
	json_t *from = json_array();

	free(name);
	if (pick(b, 3))
		json_object_set_new(out, "consumes", mapping(b));
	if (pick(b, 3))
		json_object_set_new(out, "produces", mapping(b));
	for (int i = 0; edges && i < index; i++) {
		if (pick(b, 2) || i == index - 1) {
			char *other = xasprintf("s%d", i);

			json_array_append_new(from, json_string(other));
			free(other);
		}
	}
	if (json_array_size(from))
		json_object_set(out, "from", from);
	if (pick(b, 12) == 11)
		json_object_set_new(out, "fromManifest", json_string("s3://b/m/manifest.json"));
	json_decref(from);
	return out;
}

static json_t *pipeline(struct bytes *b)
{
	int n = 2 + (int)pick(b, 3);
	bool edges = pick(b, 2);
	json_t *steps = json_array();

	for (int i = 0; i < n; i++)
		json_array_append_new(steps, step(b, i, edges));
	return json_pack("{s:s, s:o}", "workingDirectory", "s3://b/w", "steps", steps);
}

/* The executor renames one key after another (pop and set): no key may be a name that an earlier
 * one was given. */
static void check_renames(const json_t *operation)
{
	const char *key, *other;
	json_t *value, *earlier;

	json_object_foreach ((json_t *)operation, key, value) {
		json_object_foreach ((json_t *)operation, other, earlier) {
			if (strcmp(other, key) == 0)
				break;
			assert(!json_is_string(earlier) ||
				strcmp(json_string_value(earlier), key) != 0);
		}
	}
}

static void check_step(const struct frozen_spec *spec, const struct spec_step *s)
{
	struct strvec command = STRVEC_INIT, args = STRVEC_INIT;
	json_t *operation = NULL;

	argv_build(spec, s, "run", 1, s->loader ? NULL : "s3://b/m.json", &command, &args);
	for (size_t i = 0; i + 1 < args.len; i++) {
		if (strcmp(args.items[i], "--operation_spec") != 0)
			continue;
		assert(doc_json_parse(args.items[i + 1], strlen(args.items[i + 1]), &operation,
			       NULL) == 0);
		check_renames(json_object_get(operation, "consumes"));
		check_renames(json_object_get(operation, "produces"));
		json_decref(operation);
	}
	strvec_clear(&command);
	strvec_clear(&args);
}

static void check_compiled(const struct compile_output *out)
{
	struct frozen_spec *spec = NULL;

	assert(frozen_spec_parse(out->text, out->text_len, &spec, NULL) == 0);
	frozen_spec_bind(spec, "run", 1700000000);
	for (int i = 0; i < spec->steps_len; i++)
		check_step(spec, &spec->steps[i]);
	frozen_spec_free(spec);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes b = {.at = data, .end = data + size};
	json_t *spec = pipeline(&b);
	struct compile_input in = {.namespace_ = "data",
		.pipeline = "p",
		.spec = spec,
		.backend = "kubernetes",
		.features = ~0U};
	struct compile_output out, again;

	if (compile_pipeline(&in, &out) == 0) {
		assert(compile_pipeline(&in, &again) == 0);
		assert(strcmp(out.hash, again.hash) == 0);
		check_compiled(&out);
		compile_output_clear(&again);
	} else {
		assert(diag_errors(&out.diags) + diag_waits(&out.diags) > 0);
	}
	compile_output_clear(&out);
	json_decref(spec);
	return 0;
}

/*
 * What the framework 0.12.1 compiled (tests/data/import; its Vertex files are the same bytes as
 * those for Kubeflow), imported and compiled again: the containers are told the same, flag by flag,
 * JSON by JSON. Where they differ on purpose, a row of `differences` says why.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/import_pipeline.h"
#include "compiler/argv.h"
#include "compiler/compile.h"
#include "doc/canon.h"
#include "doc/json.h"

#define ALL_FEATURES (~0U)

static const struct golden {
	const char *file;
	/* What no pipeline here can say, taken out of the text first (pairs). */
	const char *without[2];
	const char *refused; /* path of the one error that the whole text gives */
	const char *fails;   /* or end of the path of the one error of compiling it */
} goldens[] = {
	{.file = "linear3.compose.yml"},
	{.file = "linear3.remote.yml"},
	{.file = "linear3.kfp.yaml"},
	{.file = "docs.compose.yml"},
	{.file = "docs.remote.yml"},
	{.file = "docs.kfp.yaml"},
	{.file = "hub_text.compose.yml"},
	{.file = "hub_text.remote.yml"},
	{.file = "hub_text.kfp.yaml"},
	{.file = "hub_run.compose.yml"},
	{.file = "mappings.compose.yml"},
	{.file = "mappings.remote.yml"},
	{.file = "mappings.kfp.yaml"},
	{.file = "resources.compose.yml"},
	{.file = "resources.remote.yml"},
	{.file = "resources.kfp.yaml"},
	{.file = "lightweight.compose.yml"},
	{.file = "lightweight.remote.yml"},
	{.file = "lightweight.kfp.yaml"},
	{.file = "nulls.compose.yml"},
	{.file = "nulls.remote.yml"},
	/* An integer of more than 64 bits. */
	{.file = "argtypes.compose.yml",
		.without = {"'123456789012345678901234567890'", "'123456789012345678'"},
		.refused = "services.odd_numbers.command[13]"},
	{.file = "argtypes.remote.yml",
		.without = {"'123456789012345678901234567890'", "'123456789012345678'"},
		.refused = "services.odd_numbers.command[13]"},
	{.file = "argtypes.kfp.yaml",
		.without = {"1.2345678901234568e+29", "12345.0"},
		.refused = "root.dag.tasks.odd-numbers.inputs.parameters.huge"},
	/* input_partition_rows of 0, with which the executor fails. */
	{.file = "cache_flags.compose.yml",
		.without = {"- '0'", "- '1'"},
		.refused = "services.untagged.command[7]"},
	{.file = "cache_flags.remote.yml",
		.without = {"- '0'", "- '1'"},
		.refused = "services.untagged.command[7]"},
	{.file = "cache_flags.kfp.yaml",
		.without = {"constant: 0.0", "constant: 1.0"},
		.refused = "root.dag.tasks.untagged.inputs.parameters.input_partition_rows"},
	/* A branch that reads a field of the other one: accepted by the framework, and fails there
	 * when it runs. */
	{.file = "branches.compose.yml",
		.without = {"{\"n_words\": {\"type\": \"int32\"}, \"n_pixels\"", "{\"n_pixels\""},
		.fails = "consumes.n_words"},
	{.file = "branches.remote.yml",
		.without = {"{\"n_words\": {\"type\": \"int32\"}, \"n_pixels\"", "{\"n_pixels\""},
		.fails = "consumes.n_words"},
	{.file = "branches.kfp.yaml",
		.without = {"{\"n_words\": {\"type\": \"int32\"}, \"n_pixels\"", "{\"n_pixels\""},
		.fails = "consumes.n_words"},
};

enum difference_kind {
	DIFFERENT_VALUE, /* ours is `value` */
	DIFFERENT_NONE,  /* ours does not have it */
};

/* `where` is a flag, or operation_spec and the path in it. */
static const struct difference {
	const char *golden, *step, *where;
	enum difference_kind kind;
	const char *value;
	const char *why;
} differences[] = {
	{"argtypes", "odd-numbers", "b_false", DIFFERENT_VALUE, "",
		"the executor takes every text but the empty one for true, `False` too"},
	{"argtypes", "load-all-args", "o_str", DIFFERENT_NONE, NULL,
		"given as None, which is the default of an optional argument"},
	{"nulls", "nully", "given_none", DIFFERENT_NONE, NULL,
		"given as None: the default in the specification is None instead"},
	{"nulls", "nully", "specification.args.given_none.default", DIFFERENT_VALUE, "\"None\"",
		"given as None: see above"},
	{"lightweight", "makerows", "specification.description", DIFFERENT_VALUE,
		"\"Python step makerows\"", "a Python step is described by its name"},
	{"lightweight", "addz", "specification.description", DIFFERENT_VALUE,
		"\"Python step addz\"", "a Python step is described by its name"},
	{"lightweight", "writerows", "specification.description", DIFFERENT_VALUE,
		"\"Python step writerows\"", "a Python step is described by its name"},
	{"lightweight", "makerows", "specification.consumes", DIFFERENT_NONE, NULL,
		"it is given no dataset: a component that loads declares no consumes"},
};

/* --- reading --- */

static char *read_file(const char *name)
{
	auto_free char *path = xasprintf("tests/data/import/%s", name);
	FILE *file = fopen(path, "rb");
	struct buf text = BUF_INIT;
	char part[4096];
	size_t n;

	assert_non_null(file);
	while ((n = fread(part, 1, sizeof(part), file)))
		buf_add(&text, part, n);
	fclose(file);
	return buf_take(&text);
}

/* The text with every `from` replaced; owned. */
static char *replaced(const char *text, const char *from, const char *to)
{
	struct buf out = BUF_INIT;
	const char *at;

	while ((at = strstr(text, from))) {
		buf_add(&out, text, (size_t)(at - text));
		buf_adds(&out, to);
		text = at + strlen(from);
	}
	buf_adds(&out, text);
	return buf_take(&out);
}

static void parse(const char *text, struct doc_stream *ret_stream)
{
	auto_err err = ERR_INIT;

	if (doc_yaml_parse(text, strlen(text), DOC_YAML_PYYAML, ret_stream, &err) != 0)
		fail_msg("bad YAML in the test: %s", err_message(&err));
}

static void print_diags(const struct diag_list *diags)
{
	for (size_t i = 0; i < diags->len; i++)
		print_message("  %s: [%s] %s\n", diags->items[i].path, diags->items[i].reason,
			diags->items[i].message);
}

static const struct diag *find_diag(
	const struct diag_list *diags, const char *path, const char *reason)
{
	for (size_t i = 0; i < diags->len; i++) {
		if (strcmp(diags->items[i].path, path) == 0 &&
			(!reason || strcmp(diags->items[i].reason, reason) == 0))
			return &diags->items[i];
	}
	return NULL;
}

/* --- one container, as the document has it --- */

struct told {
	json_t *flags; /* name -> text, or JSON where `typed` */
	bool typed;
	const char *image;
	const json_t *entrypoint;
};

static json_t *compose_flags(const json_t *service)
{
	const json_t *command = json_object_get(service, "command");
	json_t *flags = json_object();

	for (size_t i = 0; i + 1 < json_array_size(command); i += 2)
		json_object_set(flags, json_string_value(json_array_get(command, i)) + 2,
			json_array_get(command, i + 1));
	return flags;
}

static json_t *kfp_flags(const json_t *task)
{
	const json_t *inputs = json_object_get(json_object_get(task, "inputs"), "parameters");
	json_t *flags = json_object(), *value;
	const char *name;

	json_object_foreach ((json_t *)inputs, name, value)
		json_object_set(flags, name,
			json_object_get(json_object_get(value, "runtimeValue"), "constant"));
	return flags;
}

static const json_t *kfp_container(const json_t *doc, const char *task)
{
	auto_free char *label = xasprintf("exec-%s", task);
	const json_t *executors =
		json_object_get(json_object_get(doc, "deploymentSpec"), "executors");

	return json_object_get(json_object_get(executors, label), "container");
}

static struct told told(const json_t *doc, const char *key, const json_t *part)
{
	const json_t *container;

	if (json_object_get(doc, "services"))
		return (struct told){.flags = compose_flags(part),
			.image = json_string_value(json_object_get(part, "image")),
			.entrypoint = json_object_get(part, "entrypoint")};
	container = kfp_container(doc, key);
	assert_non_null(container);
	return (struct told){.flags = kfp_flags(part),
		.typed = true,
		.image = json_string_value(json_object_get(container, "image")),
		.entrypoint = json_object_get(container, "command")};
}

static const char *text_of(const struct told *t, const char *flag)
{
	return json_string_value(json_object_get(t->flags, flag));
}

static const json_t *parts_of(const json_t *doc)
{
	const json_t *services = json_object_get(doc, "services");

	return services ? services
			: json_object_get(
				  json_object_get(json_object_get(doc, "root"), "dag"), "tasks");
}

/* --- comparison --- */

struct comparison {
	const char *golden; /* without the format */
	const json_t *doc;
	const struct frozen_spec *spec;
	const struct spec_step *step;
	struct told told;
	struct strvec args;
	json_t *metadata; /* the document's */
};

static const struct difference *difference(const struct comparison *c, const char *where)
{
	for (size_t i = 0; i < array_size(differences); i++) {
		const struct difference *d = &differences[i];

		if (strcmp(d->golden, c->golden) == 0 && strcmp(d->step, c->step->name) == 0 &&
			strcmp(d->where, where) == 0)
			return d;
	}
	return NULL;
}

static const char *ours(const struct comparison *c, const char *flag)
{
	for (size_t i = 0; i < c->args.len; i++) {
		const char *token = c->args.items[i];
		size_t n = strlen(flag);

		if (!str_starts_with(token, "--") || strncmp(token + 2, flag, n) != 0)
			continue;
		if (!token[2 + n])
			return c->args.items[i + 1];
		if (token[2 + n] == '=')
			return token + 3 + n;
	}
	return NULL;
}

static void fail_same(const struct comparison *c, const char *what, const char *a, const char *b)
{
	fail_msg("%s of %s in %s:\n ours      %s\n framework %s", what, c->step->name, c->golden,
		a ? a : "(nothing)", b ? b : "(nothing)");
}

static void same_text(const struct comparison *c, const char *what, const char *a, const char *b)
{
	if (!str_eq(a, b))
		fail_same(c, what, a, b);
}

static void same_json(
	const struct comparison *c, const char *what, const json_t *a, const json_t *b)
{
	auto_free char *x = a ? canon_str(a, CANON_COMPACT) : NULL;
	auto_free char *y = b ? canon_str(b, CANON_COMPACT) : NULL;

	same_text(c, what, x, y);
}

/* Every number as a float: KFP has no integers. */
static json_t *floats(const json_t *value)
{
	json_t *out, *item;
	const char *key;
	size_t i;

	if (json_is_integer(value))
		return json_real((double)json_integer_value(value));
	if (json_is_object(value)) {
		out = json_object();
		json_object_foreach ((json_t *)value, key, item)
			json_object_set_new(out, key, floats(item));
		return out;
	}
	if (json_is_array(value)) {
		out = json_array();
		json_array_foreach (value, i, item)
			json_array_append_new(out, floats(item));
		return out;
	}
	return json_incref((json_t *)value);
}

static json_t *parsed(const char *text)
{
	return text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
}

static void same_argument(const struct comparison *c, const char *flag, const json_t *want)
{
	const char *have = ours(c, flag), *text = json_string_value(want);
	auto_json *a = parsed(have), *b = NULL, *x = NULL, *y = NULL;

	if (text) {
		b = c->told.typed ? NULL : parsed(text);
		if (a && b && (json_is_object(b) || json_is_array(b)))
			same_json(c, flag, a, b);
		else
			same_text(c, flag, have, text);
	} else if (json_is_boolean(want)) {
		same_text(c, flag, have, json_is_true(want) ? "True" : "");
	} else {
		x = a ? floats(a) : NULL;
		y = floats(want);
		same_json(c, flag, x, y);
	}
}

static void set_path(json_t *root, const char *path, json_t *value)
{
	json_t *at = root;
	const char *dot;

	while ((dot = strchr(path, '.'))) {
		auto_free char *key = xstrndup(path, (size_t)(dot - path));

		at = json_object_get(at, key);
		assert_non_null(at);
		path = dot + 1;
	}
	assert_non_null(json_object_get(at, path));
	if (value)
		json_object_set_new(at, path, value);
	else
		json_object_del(at, path);
}

static void same_operation(const struct comparison *c)
{
	auto_json *have = parsed(ours(c, "operation_spec"));
	auto_json *want = parsed(text_of(&c->told, "operation_spec"));
	json_t *specification = json_object_get(want, "specification");

	/* The executor derives the folder from it: the step's name. */
	json_object_set_new(specification, "name", json_string(c->step->name));
	for (size_t i = 0; i < array_size(differences); i++) {
		const struct difference *d = &differences[i];

		if (strcmp(d->golden, c->golden) == 0 && strcmp(d->step, c->step->name) == 0 &&
			str_starts_with(d->where, "specification."))
			set_path(want, d->where,
				d->kind == DIFFERENT_VALUE ? parsed(d->value) : NULL);
	}
	same_json(c, "operation_spec", have, want);
}

/* Where the step's manifest lies, but for the step's name; KFP's own path says `dataset`. */
static void same_places(const struct comparison *c)
{
	const char *id = json_string_value(json_object_get(c->metadata, "component_id"));
	const char *location = json_string_value(json_object_get(c->metadata, "manifest_location"));
	auto_free char *from = xasprintf("/%s/manifest.json", id);
	auto_free char *to = xasprintf("/%s/manifest.json", c->step->name);
	auto_free char *want = replaced(location, from, to);

	same_text(c, "output_manifest_path", ours(c, "output_manifest_path"), want);
	same_text(c, "working_directory", ours(c, "working_directory"),
		text_of(&c->told, "working_directory"));
}

/* The step that writes what this one reads is the one that `from` names. */
static void same_input(const struct comparison *c)
{
	const char *input = text_of(&c->told, "input_manifest_path"), *key;
	json_t *part;

	if (!input || strcmp(input, "None") == 0) {
		assert_int_equal(c->step->from_len, 0);
		assert_null(ours(c, "input_manifest_path"));
		return;
	}
	assert_int_equal(c->step->from_len, 1);
	json_object_foreach ((json_t *)parts_of(c->doc), key, part) {
		struct told other = told(c->doc, key, part);
		const char *output = text_of(&other, "output_manifest_path");
		auto_free char *label = import_label(key, 63);

		if (str_eq(output, input))
			same_text(c, "from", c->spec->steps[c->step->from[0]].name, label);
		json_decref(other.flags);
	}
}

static void same_cache(const struct comparison *c)
{
	const json_t *flag = json_object_get(c->told.flags, "cache");
	bool used = json_is_true(flag) || str_eq(json_string_value(flag), "True");

	assert_string_equal(ours(c, "cache"), "False"); /* decided outside the container */
	assert_int_equal(c->step->cache, used ? CACHE_USE : CACHE_NEVER);
}

static bool is_own(const char *flag)
{
	static const char *const own[] = {"metadata", "output_manifest_path", "working_directory",
		"cache", "operation_spec", "input_manifest_path"};

	for (size_t i = 0; i < array_size(own); i++) {
		if (strcmp(own[i], flag) == 0)
			return true;
	}
	return false;
}

static void same_arguments(const struct comparison *c)
{
	const struct difference *d;
	const char *flag;
	json_t *value;

	json_object_foreach (c->told.flags, flag, value) {
		if (is_own(flag))
			continue;
		d = difference(c, flag);
		if (d)
			same_text(c, flag, ours(c, flag), d->value);
		else
			same_argument(c, flag, value);
	}
	/* and nothing that the framework does not say */
	for (size_t i = 0; i < c->args.len; i++) {
		const char *token = c->args.items[i], *equals = strchr(token, '=');
		auto_free char *name = NULL;

		name = !str_starts_with(token, "--") ? xstrdup("")
		       : equals ? xstrndup(token + 2, (size_t)(equals - token) - 2)
				: xstrdup(token + 2);
		if (i % 2 == 0 && !equals && !is_own(name))
			assert_non_null(json_object_get(c->told.flags, name));
	}
}

static void compare_step(struct comparison *c)
{
	auto_strvec command = STRVEC_INIT;
	const char *run_id;
	auto_free char *input = NULL;

	c->metadata = parsed(text_of(&c->told, "metadata"));
	run_id = json_string_value(json_object_get(c->metadata, "run_id"));
	input = c->step->from_len ? argv_manifest_path(c->spec,
					    c->spec->steps[c->step->from[0]].name, run_id, 1)
				  : NULL;
	argv_build(c->spec, c->step, run_id, 1, input, &command, &c->args);
	same_arguments(c);
	same_operation(c);
	same_places(c);
	same_input(c);
	same_cache(c);
	if (c->told.image)
		same_text(c, "image", c->step->image, c->told.image);
	if (!c->step->python)
		same_text(c, "command", command.items[0],
			json_string_value(json_array_get(c->told.entrypoint, 0)));
	strvec_clear(&c->args);
	json_decref(c->metadata);
}

static void compare_all(const char *golden, const json_t *doc, const struct compile_output *out)
{
	auto_free char *name = xstrndup(golden, strcspn(golden, "."));
	struct frozen_spec *spec = NULL;
	const char *key;
	json_t *part;

	assert_int_equal(frozen_spec_parse(out->text, out->text_len, &spec, NULL), 0);
	frozen_spec_bind(spec, "run", 1700000000);
	assert_int_equal(spec->steps_len, json_object_size(parts_of(doc)));
	json_object_foreach ((json_t *)parts_of(doc), key, part) {
		auto_free char *label = import_label(key, 63);
		struct comparison c = {.golden = name, .doc = doc, .spec = spec};
		int index = frozen_spec_step(spec, label);

		assert_true(index >= 0);
		c.step = &spec->steps[index];
		c.told = told(doc, key, part);
		compare_step(&c);
		json_decref(c.told.flags);
	}
	frozen_spec_free(spec);
}

static int compile(const json_t *pipeline, struct compile_output *out)
{
	struct compile_input in = {.namespace_ = "data",
		.pipeline = json_string_value(
			json_object_get(json_object_get(pipeline, "metadata"), "name")),
		.spec = json_object_get(pipeline, "spec"),
		.backend = "kubernetes",
		.features = ALL_FEATURES};

	return compile_pipeline(&in, out);
}

static void import_text(const char *text, json_t **ret_pipeline, struct diag_list *diags)
{
	struct import_options options = {.name = NULL};
	struct doc_stream stream = {0};

	parse(text, &stream);
	*ret_pipeline = NULL;
	import_stream(&stream, &options, ret_pipeline, diags);
	doc_stream_free(&stream);
}

/* What the whole text gives, where it has something that cannot be. */
static void check_whole(const struct golden *golden, const char *whole)
{
	auto_diags diags = DIAG_LIST_INIT;
	auto_json *pipeline = NULL;
	struct compile_output out;

	import_text(whole, &pipeline, &diags);
	if (golden->refused) {
		assert_null(pipeline);
		assert_int_equal(diag_errors(&diags), 1);
		assert_non_null(find_diag(&diags, golden->refused, NULL));
	} else if (golden->fails) {
		assert_non_null(pipeline);
		assert_int_equal(compile(pipeline, &out), 1);
		assert_int_equal(diag_errors(&out.diags), 1);
		assert_true(str_ends_with(out.diags.items[0].path, golden->fails));
		compile_output_clear(&out);
	}
}

static void test_golden(void **state)
{
	const struct golden *golden = *state;
	auto_free char *whole = read_file(golden->file), *text = NULL;
	auto_diags diags = DIAG_LIST_INIT;
	auto_json *pipeline = NULL;
	struct doc_stream stream = {0};
	struct compile_output out;

	check_whole(golden, whole);
	text = golden->without[0] ? replaced(whole, golden->without[0], golden->without[1])
				  : xstrdup(whole);
	import_text(text, &pipeline, &diags);
	if (!pipeline)
		print_diags(&diags);
	assert_non_null(pipeline);
	parse(text, &stream);
	if (compile(pipeline, &out) != 0) {
		print_diags(&out.diags);
		fail_msg("%s is imported, but does not compile", golden->file);
	}
	compare_all(golden->file, stream.docs[0].root, &out);
	compile_output_clear(&out);
	doc_stream_free(&stream);
}

#include "test_cli_import_cases.h"

int main(void)
{
	struct CMUnitTest tests[array_size(goldens) + array_size(case_tests)];
	size_t n = 0;

	for (; n < array_size(goldens); n++)
		tests[n] = (struct CMUnitTest){.name = goldens[n].file,
			.test_func = test_golden,
			.initial_state = (void *)&goldens[n]};
	for (size_t i = 0; i < array_size(case_tests); i++)
		tests[n++] = case_tests[i];
	return cmocka_run_group_tests_name("cli/import", tests, NULL, NULL);
}

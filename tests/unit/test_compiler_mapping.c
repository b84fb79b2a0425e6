/* Joins, existing manifests, and what a mismatch says. */
#include "test_compiler_fixture.h"

#include "compiler/dataset.h"
#include "doc/canon.h"

#define COMPONENT(rest) "  component: {spec: {name: C, description: d, image: 'r/c:1'" rest "}}\n"
#define STEP(name, from, rest) "- name: " name "\n  from: [" from "]\n" COMPONENT(rest)
#define LOAD(name, fields) "- name: " name "\n" COMPONENT(", produces: {" fields "}")
#define CONSUMES(fields) ", consumes: {" fields "}"
#define PRODUCES(fields) ", produces: {" fields "}"
#define ANY ", consumes: {additionalProperties: true}"
#define TEXT "text: {type: string}"

static const json_t *step_of(const json_t *frozen, const char *name)
{
	json_t *step;
	size_t i;

	json_array_foreach (json_object_get(frozen, "steps"), i, step) {
		if (strcmp(json_string_value(json_object_get(step, "name")), name) == 0)
			return step;
	}
	fail_msg("no step %s", name);
	return NULL;
}

static void assert_member(const json_t *step, const char *key, const char *want)
{
	auto_json *tree = yaml(want);
	const json_t *value = json_object_get(step, key);
	auto_free char *got = value ? canon_str(value, CANON_COMPACT) : xstrdup("nothing");

	if (!json_equal(value, tree))
		fail_msg("%s is %s, not %s", key, got, want);
}

/* Two branches of one loader; the fields of both, each once. */
static const char diamond[] = SPEC_HEAD "steps:\n" LOAD("load", TEXT ", n: {type: int64}")
	STEP("words", "load", CONSUMES(TEXT) PRODUCES("words: {type: int32}"))
		STEP("clean", "load", CONSUMES(TEXT) PRODUCES(TEXT)) STEP(
			"filter", "load", CONSUMES("n: {type: int64}")) STEP("use", "filter, words",
			CONSUMES("words: {type: int32}, n: {type: int64}")
				PRODUCES("score: {type: float32}")) STEP("all", "use, filter", ANY);

static void test_join(void **state)
{
	struct compile_output out;

	(void)state;
	compile_ok(diamond, &out);
	assert_member(step_of(out.frozen, "use"), "from", "[filter, words]");
	assert_member(step_of(out.frozen, "use"), "schema",
		"{n: {type: int64}, score: {type: float32}, text: {type: string}, "
		"words: {type: int32}}");
	assert_member(step_of(out.frozen, "all"), "operation",
		"{consumes: {n: {type: int64}, score: {type: float32}, text: {type: string}, "
		"words: {type: int32}}, produces: {}}");
	assert_null(json_object_get(step_of(out.frozen, "filter"), "sink"));
	compile_output_clear(&out);
}

struct row {
	const char *path, *reason, *steps, *message;
};

static const struct row joins[] = {
	{"spec.steps[3].from[1]", "FieldConflict",
		LOAD("load", TEXT) STEP("a", "load", CONSUMES(TEXT) PRODUCES("x: {type: string}"))
			STEP("b", "load", CONSUMES(TEXT) PRODUCES("x: {type: int8}"))
				STEP("j", "a, b", ANY),
		"field `x` is made by step `a` (string) and, in the dataset of `b`, by step `b` "
		"(int8); a join takes a field from one step: give one of them another name with "
		"`produces: {...: {field: ...}}`"},
	/* one of the branches made the loader's field anew */
	{"spec.steps[3].from[1]", "FieldConflict",
		LOAD("load", TEXT) STEP("a", "load", CONSUMES(TEXT))
			STEP("b", "load", CONSUMES(TEXT) PRODUCES(TEXT)) STEP("j", "a, b", ANY),
		"field `text` is made by step `load` (string) and, in the dataset of `b`, by step "
		"`b` (string); a join takes a field from one step: give one of them another name "
		"with `produces: {...: {field: ...}}`"},
	{"spec.steps[2].from[1]", "IndexMismatch",
		LOAD("a", TEXT) LOAD("b", "n: {type: int8}") STEP("j", "a, b", ANY),
		"the rows of `a` and `b` cannot be matched: the index of `a` comes from the loader "
		"`a`, that of `b` comes from the loader `b`; join datasets of one loader, before "
		"the index is renewed"},
	{"spec.steps[4].from[2]", "IndexMismatch",
		LOAD("load", TEXT) STEP("chunk", "load",
			CONSUMES(TEXT) PRODUCES("c: {type: string}") ", previous_index: old")
			STEP("below", "chunk", CONSUMES("c: {type: string}")) STEP(
				"side", "load", CONSUMES(TEXT)) STEP("j", "load, side, below", ANY),
		"the rows of `load` and `below` cannot be matched: the index of `load` comes from "
		"the loader `load`, that of `below` was renewed by step `chunk` (previous_index); "
		"join datasets of one loader, before the index is renewed"},
	{"spec.steps[3].consumes.wrds", "MissingField",
		LOAD("load", TEXT) STEP("a", "load", CONSUMES(TEXT) PRODUCES("words: {type: int8}"))
			STEP("b", "load", CONSUMES(TEXT))
				STEP("j", "a, b", CONSUMES("wrds: {type: int8}")),
		"step `j` reads field `wrds` as `wrds` of type int8, but the dataset of steps `a`, "
		"`b` does not have it (it has: text, words); did you mean `words`?"},
	{"spec.steps[3].consumes.w", "TypeMismatch",
		LOAD("load", TEXT) STEP("a", "load", CONSUMES(TEXT) PRODUCES("words: {type: int8}"))
			STEP("b", "load", CONSUMES(TEXT)) STEP("j", "b, a",
				CONSUMES("w: {type: string}")) "  consumes: {w: {field: words}}\n",
		"step `j` reads field `words` as `w` of type string, but step `a` makes `words` of "
		"type int8"},
	{"spec.steps[1].consumes.text", "MissingField",
		LOAD("load", "txt: {type: string}") "- name: a\n" COMPONENT(CONSUMES(TEXT)),
		"step `a` reads field `text` as `text` of type string, but the dataset of step "
		"`load` does not have it (it has: txt); did you mean `txt`?"},
	{"spec.steps[2].consumes.text", "MissingField",
		LOAD("load", TEXT) STEP("chunk", "load",
			CONSUMES(TEXT) PRODUCES("c: {type: string}") ", previous_index: old")
			STEP("j", "chunk", CONSUMES(TEXT)),
		"step `j` reads field `text` as `text` of type string, but the dataset of step "
		"`chunk` does not have it (it has: c); step `chunk` dropped it with the index of "
		"the rows (previous_index)"},
	{"spec.steps[1].consumes.a", "TypeMismatch",
		LOAD("load",
			"inner: {type: array, items: {type: float32}}") "  produces: {inner: "
									"{field: vector}}\n" STEP(
										"use", "load",
										CONSUMES(
											"a: {type: "
											"array, "
											"items: "
											"{type: "
											"float64}"
											"}")) "  "
											      "cons"
											      "umes"
											      ": "
											      "{a: "
											      "{fie"
											      "ld: "
											      "vect"
											      "or}}"
											      "\n",
		"step `use` reads field `vector` as `a` of type list<float64>, but step `load` "
		"makes `vector` (its `inner`) of type list<float32>"},
};

static void check_row(const struct row *row)
{
	auto_free char *text = xasprintf(SPEC_HEAD "steps:\n%s", row->steps);
	struct compile_output out;
	const struct diag *d;

	assert_int_equal(compile_text(text, &out), 1);
	d = find_diag(&out.diags, row->path, row->reason);
	if (!d) {
		print_diags(&out.diags);
		fail_msg("no %s at %s:\n%s", row->reason, row->path, text);
	}
	assert_string_equal(d->message, row->message);
	assert_int_equal(out.diags.len, 1);
	compile_output_clear(&out);
}

static void test_messages(void **state)
{
	(void)state;
	for (size_t i = 0; i < array_size(joins); i++)
		check_row(&joins[i]);
}

/* What both branches have from one step is one field, also below a join and a renewed index. */
static void test_joins_that_fit(void **state)
{
	static const char *const fit[] = {
		/* a dataset and what was made of it */
		LOAD("load", TEXT) STEP("a", "load", CONSUMES(TEXT) PRODUCES("x: {type: int8}"))
			STEP("j", "load, a", ANY),
		/* both below a renewed index */
		LOAD("load", TEXT) STEP("chunk", "load",
			CONSUMES(TEXT) PRODUCES("c: {type: string}") ", previous_index: old")
			STEP("a", "chunk", CONSUMES("c: {type: string}")) STEP("b", "chunk",
				CONSUMES("c: {type: string}") PRODUCES("y: {type: int8}"))
				STEP("j", "a, b", ANY),
		/* a join of joins */
		LOAD("load", TEXT) STEP("a", "load", CONSUMES(TEXT) PRODUCES("x: {type: int8}"))
			STEP("b", "load", CONSUMES(TEXT) PRODUCES("y: {type: int8}"))
				STEP("j", "a, b", ANY) STEP("k", "b, j, a, load", ANY),
	};

	(void)state;
	for (size_t i = 0; i < array_size(fit); i++) {
		auto_free char *text = xasprintf(SPEC_HEAD "steps:\n%s", fit[i]);
		struct compile_output out;

		compile_ok(text, &out);
		compile_output_clear(&out);
	}
}

static int compile_join(const char *directory, unsigned features, struct compile_output *out)
{
	auto_json *spec = yaml(diamond);
	struct compile_input in = {.namespace_ = "data",
		.pipeline = "p",
		.spec = spec,
		.backend = "somewhere",
		.features = features};

	json_object_set_new(spec, "workingDirectory", json_string(directory));
	json_object_set_new(spec, "podTemplate",
		yaml("spec: {volumes: [{name: v, emptyDir: {}}], containers: [{name: main, "
		     "volumeMounts: [{name: v, mountPath: /mnt}]}]}"));
	return compile_pipeline(&in, out);
}

static void test_where_joins_work(void **state)
{
	struct compile_output out;
	const struct diag *d;

	(void)state;
	assert_int_equal(compile_join("s3://b/x", KUBERNETES_FEATURES | BACKEND_JOINS, &out), 0);
	compile_output_clear(&out);
	assert_int_equal(compile_join("/mnt/x", KUBERNETES_FEATURES | BACKEND_JOINS, &out), 0);
	compile_output_clear(&out);
	assert_int_equal(compile_join("gs://b/x", KUBERNETES_FEATURES | BACKEND_JOINS, &out), 1);
	d = find_diag(&out.diags, "spec.steps[4].from", "UnsupportedJoin");
	assert_non_null(d);
	assert_non_null(strstr(d->message, "gs://b/x"));
	assert_int_equal(out.diags.len, 2); /* the other join, too */
	compile_output_clear(&out);
	assert_int_equal(
		compile_join("s3://b/x", KUBERNETES_FEATURES & ~(unsigned)BACKEND_JOINS, &out), 1);
	d = find_diag(&out.diags, "spec.steps[4].from", "UnsupportedJoin");
	assert_non_null(d);
	assert_non_null(strstr(d->message, "backend `somewhere`"));
	compile_output_clear(&out);
}

/* --- fromManifest --- */

#define MANIFEST "  fromManifest: s3://lake/old/manifest.json\n"

static void test_manifest(void **state)
{
	static const char text[] = SPEC_HEAD
		"steps:\n- name: start\n" COMPONENT(CONSUMES(TEXT) PRODUCES("n: {type: int32}"))
			MANIFEST "  consumes: {text: {field: body}}\n" STEP(
				"next", "start", CONSUMES("body: {type: string}, n: {type: int32}"))
				STEP("any", "start", ANY) STEP("join", "any, next",
					ANY) "- name: typed\n" COMPONENT(ANY) MANIFEST
		"  consumes: {a: {type: int8}, b: {field: c, type: array, items: {type: bool}}}\n";
	struct compile_output out;

	(void)state;
	compile_ok(text, &out);
	assert_member(
		step_of(out.frozen, "start"), "schema", "{body: {type: string}, n: {type: int32}}");
	assert_member(step_of(out.frozen, "start"), "fromManifest", "s3://lake/old/manifest.json");
	assert_member(step_of(out.frozen, "start"), "operation",
		"{consumes: {text: body}, produces: {}}");
	assert_null(json_object_get(step_of(out.frozen, "start"), "loader"));
	assert_member(step_of(out.frozen, "any"), "operation",
		"{consumes: {body: {type: string}, n: {type: int32}}, produces: {}}");
	assert_member(step_of(out.frozen, "typed"), "schema",
		"{a: {type: int8}, c: {type: array, items: {type: bool}}}");
	compile_output_clear(&out);
}

static const struct row manifests[] = {
	{"spec.steps[0].consumes", "Required", "- name: a\n" COMPONENT(ANY) MANIFEST,
		"the component reads any field, and the manifest is not read before the run: say "
		"which fields the step reads, and their types"},
	{"spec.steps[0].consumes.x", "Required",
		"- name: a\n" COMPONENT(ANY) MANIFEST "  consumes: {x: {field: why}}\n",
		"`type` is required: neither the component nor the manifest, which is not read "
		"before the run, says what `x` is"},
	{"spec.steps[0].fromManifest", "ReadsNothing",
		"- name: a\n" COMPONENT(PRODUCES(TEXT)) MANIFEST,
		"the component has no `consumes`: it reads no dataset; remove `fromManifest`"},
	{"spec.steps[1].consumes.t", "TypeMismatch",
		"- name: a\n" COMPONENT(CONSUMES(TEXT)) MANIFEST STEP(
			"b", "a", CONSUMES("t: {type: int8}")) "  consumes: {t: {field: text}}\n",
		"step `b` reads field `text` as `t` of type int8, but step `a` takes from its "
		"manifest `text` of type string"},
	{"spec.steps[2].from[1]", "IndexMismatch",
		"- name: a\n" COMPONENT(CONSUMES(TEXT)) MANIFEST LOAD("l", "n: {type: int8}")
			STEP("j", "l, a", ANY),
		"the rows of `l` and `a` cannot be matched: the index of `l` comes from the loader "
		"`l`, that of `a` comes from the manifest that step `a` reads; join datasets of "
		"one loader, before the index is renewed"},
};

static void test_manifest_errors(void **state)
{
	(void)state;
	for (size_t i = 0; i < array_size(manifests); i++)
		check_row(&manifests[i]);
}

/* --- the fields of a dataset --- */

static void nobody(void *arg, const struct field *a, const struct field *b)
{
	(void)a;
	(void)b;
	(*(int *)arg)++;
}

/* Overlaying and joining do what overlaying and joining maps does, whatever the fields. */
static void test_datasets(void **state)
{
	unsigned seed = 1;

	(void)state;
	for (int round = 0; round < 500; round++) {
		json_t *maps[2] = {json_object(), json_object()};
		auto_json *both = NULL;
		struct fields fields[2];
		struct dataset *a, *b, *over, *joined;
		auto_buf text = BUF_INIT;
		auto_free char *want = NULL;
		int clashes = 0, shared = 0;

		for (int i = 0; i < 24; i++) {
			auto_free char *name =
				xasprintf("%c%u\"\xc3\xa9", 'a' + i % 3, seed >> 16 & 15);

			json_object_set_new(
				maps[i & 1], name, json_pack("{s:s}", "type", "string"));
			seed = seed * 1103515245 + 12345;
		}
		both = json_copy(maps[0]);
		json_object_update(both, maps[1]);
		shared = (int)(json_object_size(maps[0]) + json_object_size(maps[1]) -
			       json_object_size(both));
		fields_init(&fields[0], maps[0], 0);
		fields_init(&fields[1], maps[1], 1);
		a = dataset_over(NULL, &fields[0], 0);
		b = dataset_over(NULL, &fields[1], 1);
		over = dataset_over(a, &fields[1], 0);
		joined = dataset_join(a, b, nobody, &clashes);
		assert_int_equal(over->len, json_object_size(both));
		assert_int_equal(joined->len, json_object_size(both));
		assert_int_equal(clashes, shared);
		dataset_dump(over, &text);
		want = canon_str(both, CANON_COMPACT);
		assert_string_equal(buf_str(&text), want);
		for (size_t i = 0; i < fields[1].len; i++)
			assert_ptr_equal(
				dataset_find(over, fields[1].items[i].name), &fields[1].items[i]);
		assert_null(dataset_find(over, "z"));
		dataset_free(a);
		dataset_free(b);
		dataset_free(over);
		dataset_free(joined);
		fields_clear(&fields[0]);
		fields_clear(&fields[1]);
		json_decref(maps[0]);
		json_decref(maps[1]);
	}
}

/* The text is written without a tree: it must be the canonical text of the tree that it is. */
static void test_text_is_canonical(void **state)
{
	static const char rich[] =
		"datasetName: d\nworkingDirectory: s3://lake/f\ntimeout: 5h\n"
		"maxParallelSteps: 3\nfailurePolicy: FinishBranches\nserviceAccountName: acc\n"
		"podTemplate: {metadata: {labels: {z: \"1\", a: \"2\"}}, spec: {priority: 5}}\n"
		"steps:\n" LOAD("load", "\"\xc3\xa9\": {type: string}, z: {type: int8}") STEP("b",
			"load",
			CONSUMES("z: {type: int8}")) "  dependsOn: [load]\n  timeout: 1h\n  "
						     "pendingTimeout: 5m\n"
						     "  retry: {limit: 2, \"true\": [Error], "
						     "backoff: {initial: 5s, factor: 1.5}}\n"
						     "  cache: {policy: Refresh, maxAge: 3h}\n  "
						     "inputPartitionRows: 7\n"
						     "  env: [{name: A, value: \"\\u0001\\\"x\"}]\n"
						     "  resources: {requests: {cpu: 1, memory: "
						     "1Gi}, limits: {memory: 2Gi}}\n"
						     "  consumes: {z: {field: z, type: "
						     "null}}\n" STEP("c", "b, load",
							     ANY PRODUCES(
								     "additionalProperties: "
								     "true")) "  produces: {k: "
									      "{type: object, "
									      "properties: {q: "
									      "{type: utf8}, "
									      "b: {type: "
									      "bool}}}}\n";
	const char *const texts[] = {rich, diamond};

	(void)state;
	for (size_t i = 0; i < array_size(texts); i++) {
		struct compile_output out, again;
		auto_free char *canonical = NULL;
		auto_json *spec = yaml(texts[i]);
		struct compile_input in = {.namespace_ = "data",
			.pipeline = "clean-text",
			.spec = spec,
			.backend = "kubernetes",
			.features = KUBERNETES_FEATURES | BACKEND_JOINS,
			.text_only = true};

		compile_ok(texts[i], &out);
		canonical = canon_str(out.frozen, CANON_COMPACT);
		assert_string_equal(out.text, canonical);
		assert_int_equal(strlen(out.text), out.text_len);
		assert_int_equal(compile_pipeline(&in, &again), 0);
		assert_null(again.frozen);
		assert_string_equal(again.text, out.text);
		assert_string_equal(again.hash, out.hash);
		compile_output_clear(&out);
		compile_output_clear(&again);
	}
}

/* More steps and text than a cluster takes, where the caller allows it. */
static void test_past_the_caps(void **state)
{
	auto_buf text = BUF_INIT;
	auto_json *spec = NULL;
	struct compile_input in = {.namespace_ = "data",
		.pipeline = "long",
		.backend = "kubernetes",
		.features = KUBERNETES_FEATURES,
		.max_steps = 300};
	struct compile_output out;

	(void)state;
	buf_adds(&text, SPEC_HEAD "steps:\n" LOAD("load", TEXT));
	for (int i = 0; i < 290; i++)
		buf_addf(&text,
			"- name: s%d\n" COMPONENT(
				CONSUMES(TEXT) PRODUCES("field_%d: {type: bool}")),
			i, i);
	spec = yaml(buf_str(&text));
	in.spec = spec;
	assert_int_equal(compile_pipeline(&in, &out), 1);
	assert_string_equal(out.diags.items[0].reason, "SpecTooLarge");
	compile_output_clear(&out);
	in.max_text = (size_t)2 << 20;
	assert_int_equal(compile_pipeline(&in, &out), 0);
	assert_int_equal(out.steps, 291);
	compile_output_clear(&out);
	in.max_steps = 0;
	assert_int_equal(compile_pipeline(&in, &out), 1);
	assert_non_null(find_diag(&out.diags, "spec.steps", "TooMany"));
	compile_output_clear(&out);
}

/* A field onto itself is no circle, whether or not it is there to be read. */
static void test_identity(void **state)
{
	struct compile_output out;

	(void)state;
	assert_int_equal(
		compile_text(SPEC_HEAD
			"steps:\n" STEP_LOAD "- name: any\n"
			"  component: {spec: {name: A, description: d, image: 'r/a:1', consumes: "
			"{additionalProperties: true}}}\n"
			"  consumes: {txet: {field: txet}}\n",
			&out),
		1);
	assert_non_null(find_diag(&out.diags, "spec.steps[1].consumes.txet", "MissingField"));
	assert_int_equal(diag_errors(&out.diags), 1);
	compile_output_clear(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_join),
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_joins_that_fit),
		cmocka_unit_test(test_where_joins_work),
		cmocka_unit_test(test_manifest),
		cmocka_unit_test(test_manifest_errors),
		cmocka_unit_test(test_datasets),
		cmocka_unit_test(test_text_is_canonical),
		cmocka_unit_test(test_past_the_caps),
		cmocka_unit_test(test_identity),
	};

	return cmocka_run_group_tests_name("compiler/mapping", tests, NULL, NULL);
}

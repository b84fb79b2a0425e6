/* The container's arguments, byte for byte, and reading frozen specs back. */
#include "test_compiler_fixture.h"

#include "compiler/argv.h"

static struct frozen_spec *frozen(const char *text)
{
	struct frozen_spec *spec = NULL;
	struct compile_output out;
	auto_err err = ERR_INIT;

	compile_ok(text, &out);
	if (frozen_spec_parse(out.text, out.text_len, &spec, &err) != 0)
		fail_msg("%s", err_message(&err));
	compile_output_clear(&out);
	return spec;
}

static void test_whole(void **state)
{
	struct frozen_spec *spec = frozen(SPEC_HEAD
		"datasetName: docs\nsteps:\n" STEP_LOAD "- name: take\n  inputPartitionRows: 100\n"
		"  component: {spec: {name: Take It, description: 'é', image: 'r/take:1',"
		" tags: [x], consumes: {text: {type: string}}, args: {b: {type: int}, a: "
		"{type: str}}}}\n  arguments: {b: 2, a: x}\n");
	auto_free char *metadata = xasprintf(
		"{\"dataset_name\": \"docs\", \"run_id\": \"r-1-a3\", \"component_id\": \"take\", "
		"\"cache_key\": \"%s\", \"manifest_location\": "
		"\"s3://lake/fondant/docs/r-1-a3/take/manifest.json\"}",
		spec->steps[1].cache_key);
	const char *want[] = {"--metadata", metadata, "--output_manifest_path",
		"s3://lake/fondant/docs/r-1-a3/take/manifest.json", "--working_directory",
		"s3://lake/fondant", "--a", "x", "--b", "2", "--input_partition_rows", "100",
		"--cache", "False", "--operation_spec",
		"{\"specification\": {\"name\": \"take\", \"image\": \"r/take:1\", "
		"\"description\": "
		"\"\\u00e9\", \"tags\": [\"x\"], \"consumes\": {\"text\": {\"type\": \"string\"}}, "
		"\"args\": {\"a\": {\"type\": \"str\"}, \"b\": {\"type\": \"int\"}}}, "
		"\"consumes\": "
		"{\"text\": {\"type\": \"string\"}}, \"produces\": {}}",
		"--input_manifest_path", "s3://lake/fondant/docs/r-1/load/manifest.json"};
	auto_strvec command = STRVEC_INIT, args = STRVEC_INIT;
	auto_free char *line = NULL;

	(void)state;
	argv_build(spec, &spec->steps[1], "r-1", 3, "s3://lake/fondant/docs/r-1/load/manifest.json",
		&command, &args);
	line = strvec_join(&command, " ");
	assert_string_equal(line, "fondant execute main");
	assert_int_equal(args.len, array_size(want));
	for (size_t i = 0; i < array_size(want); i++)
		assert_string_equal(args.items[i], want[i]);
	frozen_spec_free(spec);
}

/* Value in YAML, type, and the tokens that carry it. */
static void test_values(void **state)
{
	static const struct {
		const char *type, *value, *first, *second;
	} rows[] = {
		{"str", "plain text", "--x", "plain text"},
		{"str", "''", "--x", ""},
		{"str", "'-x'", "--x=-x", NULL},
		{"str", "'--flag value'", "--x=--flag value", NULL},
		{"str", "'-h now'", "--x=-h now", NULL},
		{"str", "'-5'", "--x", "-5"},
		{"str", "'-.5'", "--x", "-.5"},
		{"str", "'-5.'", "--x=-5.", NULL},
		{"str", "'-'", "--x=-", NULL},
		{"str", "' -x'", "--x", " -x"},
		{"str", "'$$(HOME) $HOME $$ $(a b) ${X}'", "--x", "$(HOME) $HOME $$ $(a b) ${X}"},
		{"str", "\"it's \\\"q\\\" \\\\ \\n é\"", "--x", "it's \"q\" \\ \n é"},
		{"str", "null_", "--x", "null_"},
		{"int", "-7", "--x", "-7"},
		{"int", "9007199254740993", "--x", "9007199254740993"},
		{"float", "3", "--x", "3"},
		{"float", "0.1", "--x", "0.1"},
		{"float", "-1.0e-05", "--x=-1e-05", NULL},
		{"float", "1.5e22", "--x", "1.5e+22"},
		{"bool", "true", "--x", "True"},
		{"bool", "false", "--x", ""},
		{"dict", "{b: [1, 2.5, null, true], a: 'é'}", "--x",
			"{\"a\": \"\\u00e9\", \"b\": [1, 2.5, null, true]}"},
		{"dict", "{a: {b: 'None'}}", "--x", "{\"a\": {\"b\": \"None\"}}"},
		{"list", "[]", "--x", "[]"},
		{"list", "['$$(x)']", "--x", "[\"$(x)\"]"},
		{"tuple", "[1, a]", "--x", "[1, \"a\"]"},
		{"set", "[1]", "--x", "[1]"},
	};

	(void)state;
	for (size_t i = 0; i < array_size(rows); i++) {
		auto_free char *text = xasprintf(SPEC_HEAD
			"steps:\n- name: a\n  component: {spec: {name: C, description: d, "
			"image: i, args: {x: {type: %s}}}}\n  arguments: {x: %s}\n",
			rows[i].type, rows[i].value);
		struct frozen_spec *spec = frozen(text);
		auto_strvec command = STRVEC_INIT, args = STRVEC_INIT;

		argv_build(spec, &spec->steps[0], "r", 1, NULL, &command, &args);
		assert_string_equal(args.items[6], rows[i].first);
		if (rows[i].second)
			assert_string_equal(args.items[7], rows[i].second);
		assert_string_equal(args.items[rows[i].second ? 8 : 7], "--cache");
		/* The executor would tear a tuple's text into characters. */
		if (strcmp(rows[i].type, "tuple") == 0 || strcmp(rows[i].type, "set") == 0)
			assert_non_null(strstr(args.items[args.len - 1], "{\"type\": \"list\"}"));
		frozen_spec_free(spec);
	}
}

static void test_spec_is_read(void **state)
{
	struct frozen_spec *spec = frozen(
		SPEC_HEAD "timeout: 12h\nmaxParallelSteps: 4\nfailurePolicy: "
			  "FinishBranches\nsteps:\n" STEP_LOAD
			  "  retry: {limit: 3, 'on': [OOMKilled], backoff: {initial: 1s, "
			  "factor: 1.5, max: 1m}}\n  timeout: 1h30m\n  pendingTimeout: 10m\n"
			  "  cache: {policy: Refresh, maxAge: 24h}\n" STEP_TAKE
			  "  from: [load]\n- name: other\n  component: {spec: {name: O, "
			  "description: d, image: 'h:5000/o', consumes: {text: {type: string}}}}\n"
			  "  from: [load]\n  dependsOn: [take, load]\n");
	const struct spec_step *load = &spec->steps[frozen_spec_step(spec, "load")];
	const struct spec_step *other = &spec->steps[frozen_spec_step(spec, "other")];

	(void)state;
	assert_int_equal(frozen_spec_step(spec, "nobody"), -1);
	assert_int_equal(spec->timeout_s, 43200);
	assert_int_equal(spec->max_parallel, 4);
	assert_false(spec->fail_fast);
	assert_int_equal(load->retry.limit, 3);
	assert_true(load->retry.on_oom && !load->retry.on_error && !load->retry.on_timeout);
	assert_int_equal(load->retry.initial_s, 1);
	assert_int_equal(load->retry.max_s, 60);
	assert_true(load->retry.factor > 1.49 && load->retry.factor < 1.51);
	assert_int_equal(load->timeout_s, 5400);
	assert_int_equal(load->pending_timeout_s, 600);
	assert_int_equal(load->cache, CACHE_REFRESH);
	assert_int_equal(load->cache_max_age_s, 86400);
	assert_true(load->loader && !load->sink && load->cacheable);
	assert_true(!other->loader && other->sink && !other->cacheable);
	assert_int_equal(other->from_len, 1);
	assert_int_equal(other->needs_len, 2);
	assert_int_equal(other->cache, CACHE_USE);
	assert_true(other->retry.on_error && other->retry.on_oom && other->retry.on_timeout);
	assert_int_equal(other->retry.limit, 0);
	frozen_spec_free(spec);
}

/* Anything taken out, or put in, makes it no frozen spec. */
static void test_spec_is_strict(void **state)
{
	static const char *const paths[] = {"apiVersion", "kind", "pipeline", "namespace",
		"datasetName", "workingDirectory", "backend", "compiler", "steps"};
	static const char *const step_keys[] = {"name", "image", "component", "arguments",
		"consumes", "produces", "from", "dependsOn", "operation", "schema", "cache",
		"cacheKey"};
	struct compile_output out;

	(void)state;
	compile_ok(SPEC_HEAD "steps:\n" STEP_LOAD STEP_TAKE, &out);
	for (size_t i = 0; i < array_size(paths) + array_size(step_keys) + 2; i++) {
		auto_json *copy = json_deep_copy(out.frozen);
		json_t *step = json_array_get(json_object_get(copy, "steps"), 1);
		struct frozen_spec *spec = NULL;
		auto_free char *text = NULL;
		auto_err err = ERR_INIT;

		if (i < array_size(paths))
			json_object_del(copy, paths[i]);
		else if (i < array_size(paths) + array_size(step_keys))
			json_object_del(step, step_keys[i - array_size(paths)]);
		else
			json_object_set_new(i & 1 ? copy : step, "newer", json_true());
		text = doc_json_dump(copy);
		assert_true(frozen_spec_parse(text, strlen(text), &spec, &err) < 0);
		assert_string_equal(err.reason, "SpecLost");
		assert_int_equal(err.class, ERR_USER);
		assert_null(spec);
	}
	for (size_t len = 0; len < out.text_len; len += 7) {
		struct frozen_spec *spec = NULL;
		auto_err err = ERR_INIT;

		assert_true(frozen_spec_parse(out.text, len, &spec, &err) < 0);
	}
	compile_output_clear(&out);
	frozen_spec_free(NULL);
}

#define DAY 1795392000 /* 2026-11-23T00:00:00Z */
#define ARG_STEP(name, rest)                                                               \
	"- name: " name "\n  component: {spec: {name: C, description: d, image: 'r/c:1', " \
	"produces: {a: {type: string}}" rest
#define RUNS                                                                                                                        \
	SPEC_HEAD                                                                                                                   \
	"steps:\n" ARG_STEP("day",                                                                                                  \
		", args: {x: {type: str}, z: {type: dict}}}}\n") "  arguments: {x: "                                                \
								 "'$(run.scheduledDate) "                                           \
								 "$$(run.name)', z: {k: "                                           \
								 "[$(run.name)]}}\n"                                                \
								 "  env: [{name: T, value: "                                        \
								 "$(run.scheduledTime)}]"                                           \
								 "\n" ARG_STEP("plain", "}}\n") ARG_STEP(                           \
									 "below", ", consumes: "                                    \
										  "{a: {type: "                                     \
										  "string}}}}\n") "  from: [day]\n" ARG_STEP("old", \
									 ", consumes: {a: {type: "                                  \
									 "string}}}}\n") "  "                                       \
											 "consume"                                  \
											 "s: {a: "                                  \
											 "{type: "                                  \
											 "string}"                                  \
											 "}\n  "                                    \
											 "fromMan"                                  \
											 "ifest: "                                  \
											 "s3://b/"                                  \
											 "$(run."                                   \
											 "schedul"                                  \
											 "edDate)"                                  \
											 "/m."                                      \
											 "json\n"

static const struct spec_step *step_of(const struct frozen_spec *spec, const char *name)
{
	return &spec->steps[frozen_spec_step(spec, name)];
}

/* What a run says fills arguments and completes keys, each by what it uses and no more. */
static void test_bind(void **state)
{
	struct frozen_spec *spec = frozen(RUNS);
	const struct spec_step *day = step_of(spec, "day"), *plain = step_of(spec, "plain");
	const struct spec_step *below = step_of(spec, "below"), *old = step_of(spec, "old");
	auto_free char *plain_key = xstrdup(plain->cache_key), *old_key = NULL;
	auto_free char *day_key = NULL, *below_key = NULL, *uri = NULL, *unbound = NULL;
	auto_strvec command = STRVEC_INIT, args = STRVEC_INIT, before = STRVEC_INIT;
	auto_json *env = NULL;

	(void)state;
	assert_null(day->cache_key);
	assert_null(below->cache_key);
	assert_null(old->cache_key);
	assert_int_equal(strlen(day->cache_key_template), 64);
	assert_null(plain->cache_key_template);
	argv_build(spec, day, "id", 1, NULL, &command, &before);
	assert_string_equal(before.items[7], "$(run.scheduledDate) $(run.name)");
	assert_non_null(strstr(before.items[1], day->cache_key_template));
	unbound = argv_expand_text(spec, old->from_manifest);
	assert_string_equal(unbound, "s3://b/$(run.scheduledDate)/m.json");

	frozen_spec_bind(spec, "r-1", DAY);
	argv_build(spec, day, "id", 1, NULL, &command, &args);
	assert_string_equal(args.items[7], "2026-11-23 $(run.name)");
	assert_string_equal(args.items[9], "{\"k\": [\"r-1\"]}");
	assert_non_null(strstr(args.items[1], day->cache_key));
	uri = argv_expand_text(spec, old->from_manifest);
	assert_string_equal(uri, "s3://b/2026-11-23/m.json");
	env = argv_expand(spec, json_object_get(day->json, "env"));
	assert_string_equal(json_string_value(json_object_get(json_array_get(env, 0), "value")),
		"2026-11-23T00:00:00Z");
	assert_string_equal(plain->cache_key, plain_key);
	day_key = xstrdup(day->cache_key);
	below_key = xstrdup(below->cache_key);
	old_key = xstrdup(old->cache_key);

	frozen_spec_bind(spec, spec->run_name, DAY); /* the same again */
	assert_string_equal(day->cache_key, day_key);
	frozen_spec_bind(spec, "r-2", DAY); /* another name, the same day */
	assert_string_not_equal(day->cache_key, day_key);
	assert_string_not_equal(below->cache_key, below_key);
	assert_string_equal(old->cache_key, old_key);
	frozen_spec_bind(spec, "r-1", DAY + 3600); /* another time, the same day */
	assert_string_not_equal(day->cache_key, day_key);
	assert_string_equal(old->cache_key, old_key);
	frozen_spec_bind(spec, "r-1", DAY + 86400);
	assert_string_not_equal(old->cache_key, old_key);
	frozen_spec_free(spec);
}

/* They are nowhere in what a container is told. */
static void test_secrets_are_not_there(void **state)
{
	struct frozen_spec *spec = frozen(SPEC_HEAD "steps:\n" ARG_STEP("a",
		", args: {token: {type: str}, x: {type: int}}}}\n") "  arguments: {x: 5}\n  "
								    "secretArguments: {token: "
								    "{secretKeyRef: {name: "
								    "warehouse, key: pass}}}\n");
	auto_strvec command = STRVEC_INIT, args = STRVEC_INIT;

	(void)state;
	assert_int_equal(json_object_size(spec->steps[0].secret_arguments), 1);
	argv_build(spec, &spec->steps[0], "id", 1, NULL, &command, &args);
	strvec_for_each (&args, i) {
		assert_null(strstr(args.items[i], "warehouse"));
		assert_null(strstr(args.items[i], "pass"));
		assert_string_not_equal(args.items[i], "--token");
	}
	frozen_spec_free(spec);
}

/* One member of a step changed: read, or refused. */
static void test_extras_are_strict(void **state)
{
	static const struct {
		const char *key, *value;
		bool ok;
	} rows[] = {
		{"accelerator", "{type: GPU}", true},
		{"accelerator", "{type: GPU, count: 2}", true},
		{"accelerator", "{type: GPU, count: 0}", false},
		{"accelerator", "{count: 1}", false},
		{"accelerator", "GPU", false},
		{"instanceType", "m5", true},
		{"instanceType", "5", false},
		{"fromManifest", "s3://x/m.json", true},
		{"fromManifest", "{}", false},
		{"secretArguments", "{}", true},
		{"secretArguments", "{t: {secretKeyRef: {name: a, key: b}}}", true},
		{"secretArguments", "{t: {secretKeyRef: {name: a}}}", false},
		{"secretArguments", "{t: plain}", false},
		{"secretArguments", "[]", false},
		{"python", "{source: 'import x', requirements: []}", true},
		{"python", "{source: 'import x', requirements: [a]}", true},
		{"python", "{requirements: []}", false},
		{"python", "{source: 'import x', requirements: [1]}", false},
		{"python", "{source: 'import x', requirements: {}}", false},
		{"cacheKeyTemplate",
			"0000000000000000000000000000000000000000000000000000000000000000", false},
	};
	struct compile_output out;

	(void)state;
	compile_ok(SPEC_HEAD "steps:\n" STEP_LOAD, &out);
	for (size_t i = 0; i < array_size(rows); i++) {
		auto_json *copy = json_deep_copy(out.frozen);
		json_t *step = json_array_get(json_object_get(copy, "steps"), 0);
		struct frozen_spec *spec = NULL;
		auto_free char *text = NULL;

		json_object_set_new(step, rows[i].key, yaml(rows[i].value));
		text = doc_json_dump(copy);
		if ((frozen_spec_parse(text, strlen(text), &spec, NULL) == 0) != rows[i].ok)
			fail_msg("%s: %s", rows[i].key, rows[i].value);
		frozen_spec_free(spec);
	}
	compile_output_clear(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_spec_is_read),
		cmocka_unit_test(test_spec_is_strict),
		cmocka_unit_test(test_bind),
		cmocka_unit_test(test_secrets_are_not_there),
		cmocka_unit_test(test_extras_are_strict),
	};

	return cmocka_run_group_tests_name("compiler/argv", tests, NULL, NULL);
}

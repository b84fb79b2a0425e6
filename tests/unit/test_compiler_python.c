/* component.python: what is refused, what is frozen, and what is made of it. */
#include "test_compiler_fixture.h"

#include "compiler/config_key.h"
#include "compiler/python.h"
#include "doc/canon.h"
#include "doc/path.h"

#define FEATURES (KUBERNETES_FEATURES | BACKEND_PYTHON | BACKEND_SECRET_ARGUMENTS)
#define IMAGE "image: 'fndnt/fondant:0.12.1-py3.11'"
#define LOADS "source: \"from fondant.component import DaskLoadComponent\\n\""
#define READS "source: \"from fondant.component import PandasTransformComponent\\n\""
#define WRITES "source: \"from fondant.component import DaskWriteComponent\\n\""
#define OPEN "source: \"from mine import Component\\n\""
#define SOURCE "source: \"from fondant.component import DaskLoadComponent\\n\""

/* Sources, parameters and pinned may be NULL. */
static int compile_with(const char *text, const json_t *sources, const json_t *parameters,
	const json_t *pinned, struct compile_output *out)
{
	auto_json *spec = yaml(text);
	struct compile_input in = {.namespace_ = "data",
		.pipeline = "clean-text",
		.spec = spec,
		.backend = "kubernetes",
		.features = FEATURES,
		.sources = sources,
		.parameters = parameters,
		.pinned = pinned};

	return compile_pipeline(&in, out);
}

static void must_compile(const char *text, struct compile_output *out)
{
	if (compile_with(text, NULL, NULL, NULL, out) != 0) {
		print_diags(&out->diags);
		fail_msg("should compile:\n%s", text);
	}
}

static void test_bad(void **state)
{
	static const struct {
		const char *python, *path, *reason, *says;
	} rows[] = {
		{SOURCE, "image", "Required", "`image` is required"},
		{IMAGE, "", "Required", "give exactly one of source and sourceFrom"},
		{IMAGE ", " SOURCE ", sourceFrom: {configMapKeyRef: {name: a, key: b}}", "",
			"InvalidValue", "exactly one"},
		{"image: 'A:1', " SOURCE, "image", "InvalidImage", "lower case"},
		{IMAGE ", source: ''", "source", "InvalidValue", "empty"},
		{IMAGE ", source: 1", "source", "InvalidType", "a string"},
		{IMAGE ", source: \"\\ufeff# only\\r\\n\\t# comments\\r\\n\"", "source",
			"NoComponentInSource", "there is no code"},
		{IMAGE ", source: \"class A:\\n    pass\\n\"", "source", "NoComponentInSource",
			"nothing is imported"},
		{IMAGE ", source: \"a = 'import' # import\\n\"", "source", "NoComponentInSource",
			"nothing is imported"},
		{IMAGE ", source: \"import a\\n@lightweight_component(x=1)\\nclass A(B): pass\"",
			"source", "DecoratedComponent", "remove the decorator"},
		{IMAGE ", source: \"import a\\r\\n@a.lightweight_component\\r\\nclass A(B): pass\"",
			"source", "DecoratedComponent", "remove the decorator"},
		{IMAGE ", " SOURCE ", require: []", "require", "UnknownField", "no such field"},
		{IMAGE ", " SOURCE ", requirements: pandas", "requirements", "InvalidType",
			"a list"},
		{IMAGE ", " SOURCE ", requirements: [a, '-r x.txt']", "requirements[1]",
			"InvalidRequirement", "an option of pip"},
		{IMAGE ", " SOURCE ", requirements: ['--index-url=http://x']", "requirements[0]",
			"InvalidRequirement", "an option of pip"},
		{IMAGE ", " SOURCE ", requirements: ['a --hash=sha256:00']", "requirements[0]",
			"InvalidRequirement", "an option of pip"},
		{IMAGE ", " SOURCE ", requirements: [\"a\\nb\"]", "requirements[0]",
			"InvalidRequirement", "one line"},
		{IMAGE ", " SOURCE ", requirements: ['']", "requirements[0]", "InvalidRequirement",
			"1 to 512"},
		{IMAGE ", " SOURCE ", requirements: [2]", "requirements[0]", "InvalidType",
			"a string"},
		{IMAGE ", " SOURCE ", requirements: ['./mine']", "requirements[0]",
			"InvalidRequirement", "is not a requirement"},
		{IMAGE ", " SOURCE ", requirements: ['a b']", "requirements[0]",
			"InvalidRequirement", "is not a requirement"},
		{IMAGE ", " SOURCE ", consumes: {a: {type: strin}}", "consumes.a.type",
			"InvalidFieldType", ""},
		{IMAGE ", " SOURCE ", produces: [a]", "produces", "InvalidType", "a map"},
		{IMAGE ", " SOURCE ", args: {a: {type: string}}", "args.a.type", "InvalidValue",
			"did you mean"},
		{IMAGE ", " SOURCE ", args: {cache: {type: str}}", "args.cache", "ReservedArgument",
			"taken"},
		{IMAGE ", " SOURCE ", args: {lambda: {type: str}}", "args.lambda",
			"ReservedArgument", "keyword of Python"},
		{IMAGE ", sourceFrom: {}", "sourceFrom.configMapKeyRef", "Required", ""},
		{IMAGE ", sourceFrom: {configMapKeyRef: {name: a}}",
			"sourceFrom.configMapKeyRef.key", "Required", ""},
		{IMAGE ", sourceFrom: {secretKeyRef: {name: a, key: b}}", "sourceFrom.secretKeyRef",
			"UnknownField", ""},
		{IMAGE ", sourceFrom: {configMapKeyRef: {name: a/b, key: c}}",
			"sourceFrom.configMapKeyRef.name", "InvalidName", "ConfigMap"},
		{IMAGE ", sourceFrom: {configMapKeyRef: {name: My_Code, key: c}}",
			"sourceFrom.configMapKeyRef.name", "InvalidName", "lowercase"},
		{IMAGE ", sourceFrom: {configMapKeyRef: {name: a, key: 'b c'}}",
			"sourceFrom.configMapKeyRef.key", "InvalidName", "not a key"},
		{IMAGE ", " READS ", consumes: {}", "consumes", "ReadsDataset",
			"PandasTransformComponent"},
		{IMAGE ", " WRITES ", consumes: {}", "consumes", "ReadsDataset",
			"DaskWriteComponent"},
		{IMAGE ", " WRITES ", produces: {a: {type: string}}", "produces", "ProducesNothing",
			"remove `produces`"},
		{IMAGE ", sourceFrom: {configMapKeyRef: {name: src, key: none.py}}", "sourceFrom",
			"SourceNotFound", "no key `none.py` in a ConfigMap `src`"},
	};

	(void)state;
	for (size_t i = 0; i < array_size(rows); i++) {
		auto_free char *text =
			xasprintf(SPEC_HEAD "steps:\n- {name: a, component: {python: {%s}}}\n",
				rows[i].python);
		auto_free char *path = xasprintf("spec.steps[0].component.python%s%s",
			*rows[i].path ? "." : "", rows[i].path);
		const struct diag *found;
		struct compile_output out;

		assert_int_equal(compile_with(text, NULL, NULL, NULL, &out), 1);
		found = find_diag(&out.diags, path, rows[i].reason);
		if (!found || !strstr(found->message, rows[i].says)) {
			print_diags(&out.diags);
			fail_msg(
				"no %s at %s that says \"%s\"", rows[i].reason, path, rows[i].says);
		}
		assert_int_equal(found->waits, strcmp(rows[i].reason, "SourceNotFound") == 0);
		compile_output_clear(&out);
	}
}

/* What pip takes is not refused. */
static void test_requirements(void **state)
{
	static const char *const good[] = {"pandas", "pandas==2.2.3", "unidecode>=1.3,<2",
		"requests[socks, security] >= 2.8.1, == 2.8.* ; python_version < '3.12'",
		"a.b-c_d~=1.0", "pip @ https://example.org/pip-22.0.zip",
		"git+https://example.org/x.git@v1", "a!=1", "a===1", "a (>=1)", "a;os_name=='x'"};

	(void)state;
	for (size_t i = 0; i < array_size(good); i++) {
		auto_free char *text =
			xasprintf(SPEC_HEAD "steps:\n- {name: a, component: {python: {" IMAGE
					    ", " SOURCE ", requirements: [\"%s\"]}}}\n",
				good[i]);
		struct compile_output out;

		must_compile(text, &out);
		assert_string_equal(doc_str(out.frozen, "steps.0.python.requirements.0"), good[i]);
		compile_output_clear(&out);
	}
}

static void test_frozen(void **state)
{
	struct compile_output out;
	auto_free char *component = NULL, *python = NULL;

	(void)state;
	must_compile(SPEC_HEAD "steps:\n"
			       "- name: make\n"
			       "  component: {python: {" IMAGE ", " SOURCE
			       ", produces: {x: {type: int32}}}}\n"
			       "  arguments: {rows: 10, prefix: it's, f: 0.5, keep: true, names: "
			       "[a], zed: {b: c},\n"
			       "    none: null}\n",
		&out);
	component = canon_str(doc_get(out.frozen, "steps.0.component"), CANON_COMPACT);
	assert_string_equal(component,
		"{\"args\":{\"f\":{\"type\":\"float\"},\"keep\":{\"type\":\"bool\"},"
		"\"names\":{\"type\":\"list\"},\"prefix\":{\"type\":\"str\"},"
		"\"rows\":{\"type\":\"int\"},\"zed\":{\"type\":\"dict\"}},"
		"\"consumes\":{\"additionalProperties\":true},"
		"\"description\":\"Python step make\",\"image\":\"fndnt/fondant:0.12.1-py3.11\","
		"\"name\":\"make\",\"produces\":{\"x\":{\"type\":\"int32\"}}}");
	python = canon_str(doc_get(out.frozen, "steps.0.python"), CANON_COMPACT);
	assert_string_equal(python,
		"{\"requirements\":[],\"source\":\"from fondant.component import "
		"DaskLoadComponent\\n\"}");
	assert_true(doc_bool_or(out.frozen, "steps.0.loader", false));
	compile_output_clear(&out);
}

/* Every byte of the source is in the frozen spec. */
static void test_bytes(void **state)
{
	static const char hard[] = "import x\r\n# 100% \\n \\\\ 'a' \"b\" $(run.name) $$( \xc3\xa9 "
				   "\xf0\x9f\x90\x8d\t\x01\r\n  \n";
	auto_json *sources = json_pack("{s:s}", "src/a.py", hard);
	struct compile_output out;

	(void)state;
	if (compile_with(SPEC_HEAD "steps:\n- {name: a, component: {python: {" IMAGE
				   ", sourceFrom: {configMapKeyRef: {name: src, key: a.py}}}}}\n",
		    sources, NULL, NULL, &out) != 0) {
		print_diags(&out.diags);
		fail();
	}
	assert_string_equal(doc_str(out.frozen, "steps.0.python.source"), hard);
	compile_output_clear(&out);
}

static void test_size(void **state)
{
	size_t most = (size_t)512 << 10;
	auto_free char *text = xmalloc(most + 2);
	struct compile_output out;

	(void)state;
	memset(text, '#', most + 1);
	memcpy(text, "import x\n", strlen("import x\n"));
	text[most + 1] = '\0';
	for (int over = 1; over >= 0; over--) {
		auto_json *sources = NULL;

		text[most + (size_t)over] = '\0';
		sources = json_pack("{s:s}", "src/a.py", text);
		assert_int_equal(
			compile_with(SPEC_HEAD
				"steps:\n- {name: a, component: {python: {" IMAGE
				", sourceFrom: {configMapKeyRef: {name: src, key: a.py}}}}}\n",
				sources, NULL, NULL, &out),
			over);
		assert_int_equal(over != 0,
			find_diag(&out.diags, "spec.steps[0].component.python.sourceFrom",
				"TooLong") != NULL);
		compile_output_clear(&out);
	}
}

/* Many steps of one large source: said once, and not looked into over and over. */
static void test_size_of_all(void **state)
{
	size_t each = (size_t)400 << 10;
	auto_free char *text = xmalloc(each + 1);
	auto_json *sources = NULL;
	auto_buf steps = BUF_INIT;
	struct compile_output out;

	(void)state;
	memset(text, '#', each);
	memcpy(text, "import x\n", strlen("import x\n"));
	text[each] = '\0';
	sources = json_pack("{s:s}", "src/a.py", text);
	buf_adds(&steps, SPEC_HEAD "steps:\n");
	for (int i = 0; i < 50; i++)
		buf_addf(&steps,
			"- {name: a%d, component: {python: {" IMAGE
			", sourceFrom: {configMapKeyRef: {name: src, key: a.py}}}}}\n",
			i);
	assert_int_equal(compile_with(buf_str(&steps), sources, NULL, NULL, &out), 1);
	assert_non_null(
		find_diag(&out.diags, "spec.steps[2].component.python.sourceFrom", "SpecTooLarge"));
	assert_int_equal(diag_errors(&out.diags), 1);
	compile_output_clear(&out);
}

/* A reference alone has the parameter's type; secrets are text. */
static void test_inferred_types(void **state)
{
	struct compile_output out;

	(void)state;
	must_compile(SPEC_HEAD
		"parameters: [{name: num, type: int, default: 3}, {name: l, type: list, default: "
		"[]}]\n"
		"steps:\n"
		"- name: make\n"
		"  component: {python: {" IMAGE ", " SOURCE "}}\n"
		"  arguments: {a: $(parameters.num), b: 'x$(parameters.num)', z: $(run.name),\n"
		"    d: $(parameters.l)}\n"
		"  secretArguments: {token: {secretKeyRef: {name: s, key: t}}}\n",
		&out);
	assert_string_equal(doc_str(out.frozen, "steps.0.component.args.a.type"), "int");
	assert_string_equal(doc_str(out.frozen, "steps.0.component.args.b.type"), "str");
	assert_string_equal(doc_str(out.frozen, "steps.0.component.args.z.type"), "str");
	assert_string_equal(doc_str(out.frozen, "steps.0.component.args.d.type"), "list");
	assert_string_equal(doc_str(out.frozen, "steps.0.component.args.token.type"), "str");
	compile_output_clear(&out);
}

static void test_declared_args(void **state)
{
	struct compile_output out;

	(void)state;
	assert_int_equal(compile_with(SPEC_HEAD
				 "steps:\n- name: a\n  component: {python: {" IMAGE ", " SOURCE
				 ", args: {num: {type: int}, m: {type: str, default: x}}}}\n"
				 "  arguments: {num: text, other: 1}\n",
				 NULL, NULL, NULL, &out),
		1);
	assert_non_null(find_diag(&out.diags, "spec.steps[0].arguments.num", "InvalidArgument"));
	assert_non_null(find_diag(&out.diags, "spec.steps[0].arguments.other", "UnknownArgument"));
	compile_output_clear(&out);
	/* Inferred from what is given: the name is said to be wrong where it stands. */
	assert_int_equal(compile_with(SPEC_HEAD "steps:\n- name: a\n  component: {python: {" IMAGE
						", " SOURCE "}}\n  arguments: {metadata: 1}\n",
				 NULL, NULL, NULL, &out),
		1);
	assert_non_null(
		find_diag(&out.diags, "spec.steps[0].arguments.metadata", "ReservedArgument"));
	compile_output_clear(&out);
	assert_int_equal(compile_with(SPEC_HEAD "steps:\n- name: a\n  component: {python: {" IMAGE
						", " SOURCE "}}\n  arguments: {class: 1}\n",
				 NULL, NULL, NULL, &out),
		1);
	assert_non_null(find_diag(&out.diags, "spec.steps[0].arguments.class", "ReservedArgument"));
	compile_output_clear(&out);
}

/* Which steps load: by the base class that the code names, else by what they say they read. */
static void test_loaders(void **state)
{
	static const struct {
		const char *steps, *loaders; /* a letter a step: l loads */
	} rows[] = {
		{"- {name: a, component: {python: {" IMAGE ", " OPEN "}}}\n"
		 "- {name: b, component: {python: {" IMAGE ", " OPEN "}}}\n",
			"l-"},
		{"- {name: a, component: {python: {" IMAGE ", " LOADS "}}}\n"
		 "- {name: b, component: {python: {" IMAGE ", " READS "}}}\n",
			"l-"},
		{"- {name: a, component: {python: {" IMAGE ", " OPEN ", consumes: {}}}}\n", "l"},
		{"- {name: a, component: {python: {" IMAGE ", " LOADS ", consumes: {}}}}\n", "l"},
		{"- {name: a, component: {python: {" IMAGE ", " LOADS "}}}\n"
		 "- {name: b, component: {python: {" IMAGE ", " LOADS "}}}\n",
			"ll"},
		{"- {name: a, component: {python: {" IMAGE ", " LOADS "}}}\n"
		 "- {name: b, component: {python: {" IMAGE ", " OPEN "}}}\n"
		 "- {name: c, from: [a], component: {python: {" IMAGE ", " OPEN "}}}\n",
			"ll-"},
	};

	(void)state;
	for (size_t i = 0; i < array_size(rows); i++) {
		auto_free char *text = xasprintf(SPEC_HEAD "steps:\n%s", rows[i].steps);
		struct compile_output out;

		must_compile(text, &out);
		for (size_t j = 0; rows[i].loaders[j]; j++) {
			const json_t *step =
				json_array_get(json_object_get(out.frozen, "steps"), j);

			if (doc_bool_or(step, "loader", false) != (rows[i].loaders[j] == 'l'))
				fail_msg("step %zu of\n%s", j, rows[i].steps);
		}
		compile_output_clear(&out);
	}
}

static void test_loader_errors(void **state)
{
	struct compile_output out;

	(void)state;
	assert_int_equal(
		compile_with(SPEC_HEAD "steps:\n"
				       "- {name: a, component: {python: {" IMAGE ", " LOADS "}}}\n"
				       "- {name: b, from: [a], component: {python: {" IMAGE
				       ", " LOADS "}}}\n"
				       "- {name: c, component: {python: {" IMAGE ", " READS "}}}\n",
			NULL, NULL, NULL, &out),
		1);
	assert_non_null(find_diag(&out.diags, "spec.steps[1].from", "ReadsNothing"));
	assert_non_null(find_diag(&out.diags, "spec.steps[2].from", "Required"));
	compile_output_clear(&out);
}

/* What stands in strings and comments is no code. */
#define PYTHON(name, what, source) \
	"- {name: " name ", " what "component: {python: {" IMAGE ", " source "}}}\n"

/* A writer leaves no dataset: it is passed over, and nobody can read from it or add to it. */
static void test_writers(void **state)
{
	struct compile_output out;

	(void)state;
	must_compile(SPEC_HEAD "steps:\n" PYTHON("a", "", LOADS) PYTHON("b", "", WRITES)
			     PYTHON("c", "", READS),
		&out);
	assert_string_equal(doc_str(out.frozen, "steps.1.name"), "b");
	assert_string_equal(doc_str(out.frozen, "steps.1.from.0"), "a");
	assert_string_equal(doc_str(out.frozen, "steps.2.from.0"), "a");
	assert_null(find_diag(&out.diags, "spec.steps[1].produces", "NothingProduced"));
	assert_non_null(find_diag(&out.diags, "spec.steps[2].produces", "NothingProduced"));
	compile_output_clear(&out);

	assert_int_equal(compile_with(SPEC_HEAD "steps:\n" PYTHON("a", "", LOADS) PYTHON("b",
					      "from: [a], produces: {x: {type: string}}, ", WRITES)
					      PYTHON("c", "from: [b], ", READS),
				 NULL, NULL, NULL, &out),
		1);
	assert_non_null(find_diag(&out.diags, "spec.steps[1].produces", "ProducesNothing"));
	assert_non_null(find_diag(&out.diags, "spec.steps[2].from", "ReadsFromWriter"));
	assert_int_equal(diag_errors(&out.diags), 2);
	compile_output_clear(&out);
}

/* What a ConfigMap has under binaryData is there, but no text. */
static void test_binary_source(void **state)
{
	auto_json *sources = json_pack("{s:{s:s}}", "src/a.py", "error", CONFIG_KEY_BINARY);
	struct compile_output out;
	const struct diag *found;

	(void)state;
	assert_int_equal(
		compile_with(SPEC_HEAD "steps:\n" PYTHON("a", "",
				     "sourceFrom: {configMapKeyRef: {name: src, key: a.py}}"),
			sources, NULL, NULL, &out),
		1);
	found = find_diag(&out.diags, "spec.steps[0].component.python.sourceFrom", "InvalidSource");
	assert_non_null(found);
	assert_false(found->waits);
	assert_non_null(strstr(found->message, "UTF-8 text under data"));
	compile_output_clear(&out);
}

static void test_scan(void **state)
{
	static const struct {
		const char *source;
		bool warned;
	} rows[] = {
		{"import x, DaskLoadComponent", false},
		{"from fondant.component import *\nclass A(PandasTransformComponent): pass", false},
		{"import x\na = 'DaskLoadComponent'\n", true},
		{"import x # DaskLoadComponent", true},
		{"import x\n'''\n@lightweight_component\nDaskLoadComponent\n'''\n", true},
		{"import x\na = 'it\\'s' + \"\\\"\" + 'DaskLoadComponent'", true},
		{"import x\na = 'unfinished\nDaskWriteComponent\n", false},
		{"import x\na = \"\"\"unfinished DaskWriteComponent\\", true},
		{"import x\nMyDaskLoadComponent", true},
		{"from importlib import import_module\nx = '''a''' '' DaskTransformComponent",
			false},
		{"x = __import__('y')", true},
		{"x = 1\nf'{DaskLoadComponent}'\nimportlib.x()\n\\", true},
	};

	(void)state;
	for (size_t i = 0; i < array_size(rows); i++) {
		auto_json *sources = json_pack("{s:s}", "src/a.py", rows[i].source);
		struct compile_output out;
		bool warned;

		if (compile_with(SPEC_HEAD "steps:\n" STEP_LOAD
					   "- {name: a, component: {python: {" IMAGE
					   ", sourceFrom: {configMapKeyRef: {name: "
					   "src, key: a.py}}}}}\n",
			    sources, NULL, NULL, &out) != 0) {
			print_diags(&out.diags);
			fail_msg("should compile: %s", rows[i].source);
		}
		warned = find_diag(&out.diags, "spec.steps[1].component.python.sourceFrom",
				 "NoComponentInSource") != NULL;
		if (warned != rows[i].warned)
			fail_msg("%s: %s", warned ? "warned" : "not warned", rows[i].source);
		compile_output_clear(&out);
	}
}

static char *key_of(const char *python)
{
	auto_free char *text =
		xasprintf(SPEC_HEAD "steps:\n- {name: a, component: {python: {%s}}}\n", python);
	struct compile_output out;
	char *key;

	must_compile(text, &out);
	key = xstrdup(doc_str(out.frozen, "steps.0.cacheKey"));
	compile_output_clear(&out);
	return key;
}

static void test_cache_key(void **state)
{
	auto_free char *base = key_of(IMAGE ", source: \"import a\"");
	auto_free char *same = key_of(IMAGE ", source: \"import a\", requirements: []");
	auto_free char *source = key_of(IMAGE ", source: \"import a\\n\"");
	auto_free char *needs = key_of(IMAGE ", source: \"import a\", requirements: [b]");
	auto_free char *image = key_of("image: 'x:1', source: \"import a\"");

	(void)state;
	assert_string_equal(base, same);
	assert_string_not_equal(base, source);
	assert_string_not_equal(base, needs);
	assert_string_not_equal(base, image);
}

/* A run keeps to the source that was frozen, wherever the ConfigMap has gone since. */
static void test_pinned(void **state)
{
	static const char text[] =
		SPEC_HEAD "steps:\n- {name: a, component: {python: {" IMAGE
			  ", sourceFrom: {configMapKeyRef: {name: src, key: a.py}}}}}\n";
	auto_json *before = json_pack("{s:s}", "src/a.py", "import before");
	auto_json *after = json_pack("{s:s}", "src/a.py", "import after");
	auto_json *other = NULL;
	struct compile_output first, run;

	(void)state;
	assert_int_equal(compile_with(text, before, NULL, NULL, &first), 0);
	assert_int_equal(compile_with(text, after, NULL, first.frozen, &run), 0);
	assert_string_equal(doc_str(run.frozen, "steps.0.python.source"), "import before");
	assert_string_equal(run.hash, first.hash);
	compile_output_clear(&run);
	assert_int_equal(compile_with(text, NULL, NULL, first.frozen, &run), 0);
	compile_output_clear(&run);
	/* Of another kind then: it is looked up as ever. */
	other = json_deep_copy(first.frozen);
	json_object_del(doc_get(other, "steps.0"), "python");
	assert_int_equal(compile_with(text, after, NULL, other, &run), 0);
	assert_string_equal(doc_str(run.frozen, "steps.0.python.source"), "import after");
	compile_output_clear(&run);
	compile_output_clear(&first);
}

static void test_backend_without(void **state)
{
	auto_json *spec = yaml(
		SPEC_HEAD "steps:\n- {name: a, component: {python: {" IMAGE ", " SOURCE "}}}\n");
	struct compile_input in = {.namespace_ = "data",
		.pipeline = "clean-text",
		.spec = spec,
		.backend = "other",
		.features = FEATURES & ~(unsigned)BACKEND_PYTHON};
	struct compile_output out;

	(void)state;
	assert_int_equal(compile_pipeline(&in, &out), 1);
	assert_int_equal(out.diags.len, 1);
	assert_non_null(
		find_diag(&out.diags, "spec.steps[0].component.python", "UnsupportedSetting"));
	compile_output_clear(&out);
}

static void test_source_refs(void **state)
{
	auto_json *spec =
		yaml("steps:\n"
		     "- component: {python: {sourceFrom: {configMapKeyRef: {name: b, key: k}}}}\n"
		     "- component: {python: {sourceFrom: {configMapKeyRef: {name: a, key: k}}}}\n"
		     "- component: {python: {sourceFrom: {configMapKeyRef: {name: b, key: k}}}}\n"
		     "- component: {python: {sourceFrom: {configMapKeyRef: {name: b}}}}\n"
		     "- component: {python: {sourceFrom: [1]}}\n"
		     "- component: {python: {source: x}}\n"
		     "- component: {python: null}\n"
		     "- component: []\n- 1\n");
	auto_strvec refs = STRVEC_INIT;

	(void)state;
	compile_source_refs(spec, &refs);
	assert_int_equal(refs.len, 2);
	assert_string_equal(refs.items[0], "a/k");
	assert_string_equal(refs.items[1], "b/k");
	compile_source_refs(NULL, &refs);
	assert_int_equal(refs.len, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_requirements),
		cmocka_unit_test(test_frozen),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_size_of_all),
		cmocka_unit_test(test_inferred_types),
		cmocka_unit_test(test_declared_args),
		cmocka_unit_test(test_loaders),
		cmocka_unit_test(test_loader_errors),
		cmocka_unit_test(test_writers),
		cmocka_unit_test(test_binary_source),
		cmocka_unit_test(test_scan),
		cmocka_unit_test(test_cache_key),
		cmocka_unit_test(test_pinned),
		cmocka_unit_test(test_backend_without),
		cmocka_unit_test(test_source_refs),
	};

	return cmocka_run_group_tests_name("compiler/python", tests, NULL, NULL);
}

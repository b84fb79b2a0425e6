/* References: what is replaced, what stays, what is refused. */
#include "test_compiler_fixture.h"

#include "compiler/refs.h"
#include "doc/canon.h"

#define DAY 1795392000 /* 2026-11-23T00:00:00Z */

static json_t *values;

static int load(void **state)
{
	(void)state;
	values = yaml(
		"str: word\nempty: ''\nint: 10000\nneg: -5\nfloat: 0.1\nwhole: 1.0\nflag: true\n"
		"unflag: false\nlist: [1, a, null]\ndict: {b: 2, a: [x]}\n"
		"evil: 'a$(run.name)$(parameters.int)'\nescaped: '$$(run.name)'\n"
		"dollar: '$'\nparen: '(run.name)'\ndeep: {k: ['$(run.name)']}\nunset: null\n");
	return 0;
}

static int unload(void **state)
{
	(void)state;
	json_decref(values);
	return 0;
}

static void refs_of(struct refs *refs, size_t max)
{
	static const char *const types[][2] = {{"str", "str"}, {"empty", "str"}, {"int", "int"},
		{"neg", "int"}, {"float", "float"}, {"whole", "float"}, {"flag", "bool"},
		{"unflag", "bool"}, {"list", "list"}, {"dict", "dict"}, {"evil", "str"},
		{"escaped", "str"}, {"dollar", "str"}, {"paren", "str"}, {"deep", "dict"},
		{"unset", "int"}};

	refs_init(refs, max);
	for (size_t i = 0; i < array_size(types); i++)
		refs_add_parameter(
			refs, types[i][0], types[i][1], json_object_get(values, types[i][0]));
}

/* After freezing, after the run's start (name r-1, 2026-11-23T00:00:00Z); all in YAML. */
static void test_values(void **state)
{
	static const struct {
		const char *written, *frozen, *run;
	} rows[] = {
		{"5", "5", "5"},
		{"plain", "plain", "plain"},
		/* alone they keep their type */
		{"$(parameters.str)", "word", "word"},
		{"$(parameters.empty)", "''", "''"},
		{"$(parameters.int)", "10000", "10000"},
		{"$(parameters.float)", "0.1", "0.1"},
		{"$(parameters.whole)", "1.0", "1.0"},
		{"$(parameters.unflag)", "false", "false"},
		{"$(parameters.list)", "[1, a, null]", "[1, a, null]"},
		{"$(parameters.dict)", "{b: 2, a: [x]}", "{b: 2, a: [x]}"},
		{"$(parameters.unset)", "$(parameters.unset)", "$(parameters.unset)"},
		/* inside text they are inserted */
		{"' $(parameters.int)'", "' 10000'", "' 10000'"},
		{"$(parameters.neg)$(parameters.neg)", "'-5-5'", "'-5-5'"},
		{"x-$(parameters.str)/$(parameters.float)", "x-word/0.1", "x-word/0.1"},
		{"x$(parameters.whole)", "x1", "x1"},
		{"$(parameters.flag)$(parameters.unflag)", "truefalse", "truefalse"},
		{"x$(parameters.list)", "'x[1,\"a\",null]'", "'x[1,\"a\",null]'"},
		{"x$(parameters.dict)", "'x{\"a\":[\"x\"],\"b\":2}'", "'x{\"a\":[\"x\"],\"b\":2}'"},
		{"x$(parameters.empty)y", "xy", "xy"},
		{"$(parameters.int)/$(parameters.unset)", "10000/$(parameters.unset)",
			"10000/$(parameters.unset)"},
		/* at any depth */
		{"[{k: [$(parameters.int), $(run.name)]}]", "[{k: [10000, $(run.name)]}]",
			"[{k: [10000, r-1]}]"},
		/* the run's */
		{"$(run.name)", "$(run.name)", "r-1"},
		{"s3://x/$(run.scheduledDate)/y", "s3://x/$(run.scheduledDate)/y",
			"s3://x/2026-11-23/y"},
		{"$(run.scheduledTime)", "$(run.scheduledTime)", "'2026-11-23T00:00:00Z'"},
		{"$(run.name)$(run.name)", "$(run.name)$(run.name)", "r-1r-1"},
		/* the text itself */
		{"$$(run.name)", "$$(run.name)", "$(run.name)"},
		{"$$(parameters.int)", "$$(parameters.int)", "$(parameters.int)"},
		{"$$$(run.name)", "$$$(run.name)", "$$(run.name)"},
		{"$$$$(run.name)", "$$$$(run.name)", "$$$(run.name)"},
		{"$$(", "$$(", "$("},
		{"'$ $$ $a ${X} $( $() $(1a) $(a b) $(a'", "'$ $$ $a ${X} $( $() $(1a) $(a b) $(a'",
			"'$ $$ $a ${X} $( $() $(1a) $(a b) $(a'"},
		{"'$(parameters.int) $$(x) $(a b)'", "'10000 $$(x) $$(a b)'",
			"'10000 $(x) $(a b)'"},
		/* what is inserted is never looked at again */
		{"$(parameters.evil)", "a$$(run.name)$$(parameters.int)",
			"a$(run.name)$(parameters.int)"},
		{"<$(parameters.evil)>", "<a$$(run.name)$$(parameters.int)>",
			"<a$(run.name)$(parameters.int)>"},
		{"$(parameters.escaped)", "$$$(run.name)", "$$(run.name)"},
		{"x$(parameters.escaped)", "x$$$(run.name)", "x$$(run.name)"},
		{"$(parameters.dollar)(run.name)", "$$(run.name)", "$(run.name)"},
		{"$(parameters.dollar)$(parameters.paren)", "$$(run.name)", "$(run.name)"},
		{"$(parameters.dollar)$(parameters.dollar)(x", "$$$(x", "$$(x"},
		{"$$(parameters.paren)", "$$(parameters.paren)", "$(parameters.paren)"},
		{"$(parameters.deep)", "{k: ['$$(run.name)']}", "{k: ['$(run.name)']}"},
		{"x$(parameters.deep)", "'x{\"k\":[\"$$(run.name)\"]}'",
			"'x{\"k\":[\"$(run.name)\"]}'"},
	};
	const struct refs_run run = {.name = "r-1", .scheduled_s = DAY};

	(void)state;
	for (size_t i = 0; i < array_size(rows); i++) {
		auto_json *written = yaml(rows[i].written), *frozen = yaml(rows[i].frozen);
		auto_json *want = yaml(rows[i].run), *got = NULL, *expanded = NULL;
		auto_diags diags = DIAG_LIST_INIT;
		auto_free char *a = NULL, *b = NULL;
		struct refs refs;
		struct check c;

		refs_of(&refs, 1000);
		check_init(&c, &diags, "a");
		got = refs_substitute(&refs, &c, written, false);
		expanded = refs_expand(got, &run);
		a = canon_str(got, CANON_COMPACT);
		b = canon_str(expanded, CANON_COMPACT);
		if (diags.len || !json_equal(got, frozen) || !json_equal(expanded, want)) {
			print_diags(&diags);
			fail_msg("%s gives %s and %s", rows[i].written, a, b);
		}
		assert_int_equal(refs.uses_run, refs_uses_run(got, "name") ||
							refs_uses_run(got, "scheduledDate") ||
							refs_uses_run(got, "scheduledTime"));
		refs_clear(&refs);
	}
}

/* In env and fromManifest everything is text. */
static void test_text(void **state)
{
	static const char *const rows[][2] = {{"int", "10000"}, {"flag", "true"}, {"float", "0.1"},
		{"dict", "{\"a\":[\"x\"],\"b\":2}"}, {"str", "word"},
		{"evil", "a$$(run.name)$$(parameters.int)"}};

	(void)state;
	for (size_t i = 0; i < array_size(rows); i++) {
		auto_free char *text = xasprintf("$(parameters.%s)", rows[i][0]);
		auto_json *written = json_string(text), *got = NULL;
		auto_diags diags = DIAG_LIST_INIT;
		struct refs refs;
		struct check c;

		refs_of(&refs, 1000);
		check_init(&c, &diags, "a");
		got = refs_substitute(&refs, &c, written, true);
		assert_string_equal(json_string_value(got), rows[i][1]);
		assert_int_equal(diags.len, 0);
		refs_clear(&refs);
	}
}

static void test_findings(void **state)
{
	static const struct {
		const char *written, *want;
	} rows[] = {
		{"$(parameters.itn)",
			"a: the pipeline has no parameter `itn`; did you mean `parameters.int`?"},
		{"$(parameters.zzzzzzzz)",
			"a: the pipeline has no parameter `zzzzzzzz`; declare it "
			"in spec.parameters"},
		{"$(parameters.)", "a: the pipeline has no parameter ``; declare it in "
				   "spec.parameters"},
		{"x $(run.nmae)", "a: there is no $(run.nmae); of a run there are name, "
				  "scheduledDate and scheduledTime; did you mean `run.name`?"},
		{"$(run.id2)", "a: there is no $(run.id2); of a run there are name, scheduledDate "
			       "and scheduledTime"},
		{"$(HOME)", "a: there is nothing called `HOME`; write $$(HOME) for the text "
			    "itself"},
		{"$(parameter.str)", "a: there is nothing called `parameter.str`; write "
				     "$$(parameter.str) for the text itself; did you mean "
				     "`parameters.str`?"},
		{"$(who) $(what)", "a: there is nothing called `who`; write $$(who) for the text "
				   "itself"},
		{"{k: [1, $(who)], l: $(run.x)}",
			"a.k[1]: there is nothing called `who`; write $$(who) for the text itself\n"
			"a.l: there is no $(run.x); of a run there are name, scheduledDate and "
			"scheduledTime"},
		{"{$(parameters.int): 1}",
			"a.$(parameters.int): $(parameters.int) is not replaced in the key of a "
			"map: references work in arguments, fromManifest and the values of env"},
		{"{$(x): 1}", ""},
		{"$(parameters.dollar)$(run.name)",
			"a: what a parameter inserts before $(run.name) ends in `$`, which would "
			"make $$(run.name), the text itself; put something between them"},
		{"$(parameters.dollar) $(run.name)", ""},
	};

	(void)state;
	for (size_t i = 0; i < array_size(rows); i++) {
		auto_json *written = yaml(rows[i].written), *got = NULL;
		auto_diags diags = DIAG_LIST_INIT;
		auto_buf text = BUF_INIT;
		struct refs refs;
		struct check c;

		refs_of(&refs, 1000);
		check_init(&c, &diags, "a");
		got = refs_substitute(&refs, &c, written, false);
		diag_format(&diags, &text, 10000);
		if (strcmp(buf_str(&text), rows[i].want) != 0)
			fail_msg("%s:\n got  %s\n want %s", rows[i].written, buf_str(&text),
				rows[i].want);
		if (diags.len)
			assert_true(json_equal(got, written));
		refs_clear(&refs);
	}
}

static void test_types(void **state)
{
	static const char *const rows[][2] = {{"$(parameters.int)", "int"},
		{"$(parameters.unset)", "int"}, {"$(parameters.dict)", "dict"},
		{"$(run.scheduledTime)", "str"}, {" $(run.name)", NULL}, {"$(run.name)x", NULL},
		{"$$(run.name)", NULL}, {"$(parameters.nobody)", NULL}, {"$(run.x)", NULL},
		{"", NULL}};
	struct refs refs;

	(void)state;
	refs_of(&refs, 0);
	for (size_t i = 0; i < array_size(rows); i++) {
		auto_json *written = json_string(rows[i][0]);
		const char *type = refs_type(&refs, written);

		if (rows[i][1])
			assert_string_equal(type, rows[i][1]);
		else
			assert_null(type);
	}
	refs_clear(&refs);
}

/* A thousand references to a long text are refused before they are made. */
static void test_capped(void **state)
{
	auto_json *written = json_array(), *got = NULL;
	auto_diags diags = DIAG_LIST_INIT;
	auto_free char *text = NULL;
	struct refs refs;
	struct check c;

	(void)state;
	for (int i = 0; i < 1000; i++)
		json_array_append_new(
			written, json_string(i % 2 ? "$(parameters.evil)" : "x$(parameters.evil)"));
	refs_of(&refs, 1000);
	check_init(&c, &diags, "a");
	got = refs_substitute(&refs, &c, written, false);
	text = canon_str(got, CANON_COMPACT);
	assert_true(strlen(text) < 30000);
	assert_int_equal(diags.len, 1);
	assert_string_equal(diags.items[0].reason, "SpecTooLarge");
	refs_clear(&refs);
}

static void test_forbidden(void **state)
{
	static const struct {
		bool foreign;
		const char *tree;
		int findings;
	} rows[] = {
		{false, "{a: [x, $(parameters.y)], b: $(run.name)}", 2},
		{false, "{a: $(run.anything)}", 1},
		{false, "{$(run.name): 1}", 1},
		{false, "{a: $$(run.name), b: $(HOME), c: '$(run)', d: '$(runs.x)'}", 0},
		{true, "{a: [x, $(parameters.y)], b: $(run.name)}", 2},
		{true, "{a: $(run.sh), b: $(VAR), c: 'x=$(cat y)'}", 0},
	};

	(void)state;
	for (size_t i = 0; i < array_size(rows); i++) {
		auto_json *tree = yaml(rows[i].tree);
		auto_diags diags = DIAG_LIST_INIT;
		struct check c;

		check_init(&c, &diags, "a");
		refs_forbid(&c, tree, rows[i].foreign);
		assert_int_equal(diags.len, rows[i].findings);
		for (size_t j = 0; j < diags.len; j++)
			assert_string_equal(diags.items[j].reason, "ReferenceNotAllowed");
	}
}

/* What was meant as a reference and is none stays as it is, with a warning. */
static void test_unfinished(void **state)
{
	static const struct {
		const char *text, *shown; /* NULL: no warning */
	} rows[] = {
		{"$( parameters.int )", "`$( parameters.int )` is"},
		{"a $(parameters.int ) b", "`$(parameters.int )` is"},
		{"$( run.name)", "`$( run.name)` is"},
		{"x$(parameters.int", "`$(parameters.int` is"},
		{"$(run.scheduledDate/x", "`$(run.scheduledDate` is"},
		{"${parameters.int}", "write $(parameters.int) for"},
		{"$${ run.name }", "`${ run.name }` is"},
		{"$(parameters.int", "$$( instead"},
		{"$$(parameters.int", NULL},
		{"$$( run.name )", NULL},
		{"$(parameters.int)", NULL},
		{"$( cat x )", NULL},
		{"$(", NULL},
		{"$( run.sh )", NULL},
		{"${HOME} ${parameters.", NULL},
	};
	struct refs refs;

	(void)state;
	refs_of(&refs, 1000);
	for (size_t i = 0; i < array_size(rows); i++) {
		auto_json *text = json_string(rows[i].text), *got = NULL;
		auto_diags diags = DIAG_LIST_INIT;
		struct check c;

		check_init(&c, &diags, "a");
		got = refs_substitute(&refs, &c, text, true);
		assert_int_equal(diag_errors(&diags), 0);
		assert_int_equal(diags.len, rows[i].shown != NULL);
		if (!rows[i].shown)
			continue;
		assert_true(json_equal(got, text));
		assert_string_equal(diags.items[0].reason, "UnfinishedReference");
		if (!strstr(diags.items[0].message, rows[i].shown))
			fail_msg("%s: %s", rows[i].text, diags.items[0].message);
	}
	refs_clear(&refs);
}

/* Without a run only $$( is turned. */
static void test_expand(void **state)
{
	auto_json *given = yaml("[$$(a), {k: 'x$$(b)$$(c', $$(key): 1}, '$$ $a $(', $$$(d), 5]");
	auto_json *want = yaml("[$(a), {k: 'x$(b)$(c', $$(key): 1}, '$$ $a $(', $$(d), 5]");
	const struct refs_run none = {0}, run = {.name = "n", .scheduled_s = DAY + 86399};
	auto_json *got = refs_expand(given, &none), *plain = yaml("[a, {b: 1}]");
	auto_json *same = refs_expand(plain, &run);
	auto_free char *unbound = refs_expand_text("$(run.name)/$(run.x)/$$(a)", &none);
	auto_free char *bound = refs_expand_text("$(run.name)/$(run.x)/$(parameters.a)", &run);
	auto_free char *date = refs_run_value(&run, "scheduledDate");
	auto_free char *time = refs_run_value(&run, "scheduledTime");

	(void)state;
	assert_true(json_equal(got, want));
	assert_ptr_equal(same, plain);
	assert_string_equal(unbound, "$(run.name)/$(run.x)/$(a)");
	assert_string_equal(bound, "n/$(run.x)/$(parameters.a)");
	assert_string_equal(date, "2026-11-23");
	assert_string_equal(time, "2026-11-23T23:59:59Z");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_findings),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_capped),
		cmocka_unit_test(test_forbidden),
		cmocka_unit_test(test_unfinished),
		cmocka_unit_test(test_expand),
	};

	return cmocka_run_group_tests_name("compiler/refs", tests, load, unload);
}

/* Arguments on their own: what is found, what is kept, what $$( becomes. */
#include "test_compiler_fixture.h"

#include "compiler/args.h"
#include "doc/canon.h"

static void test_findings(void **state)
{
	auto_json *args = yaml("{rows: {type: int}, text: {type: str, default: None}, frac: {type: "
			       "float, default: 1.5}, wo: {type: str, default: x}}");
	static const struct {
		const char *given, *want;
	} rows[] = {
		{"{rows: 1}", ""},
		{"{rows: 1, text: null, frac: 2}", ""},
		{"{}", "a.rows: the component requires it (int), and it has no default"},
		{"{rwos: 1, rows: 2}",
			"a.rwos: the component has no such argument; did you mean `rows`?"},
		{"{rows: '2'}", "a.rows: expected int, got the string \"2\"; remove the quotes"},
		{"{rows: 1, text: 5}", "a.text: expected str, got an integer; quote it"},
		{"{rows: 1, wo: x}", "a.wo: the framework's executor would read --wo as "
				     "--working_directory; the "
				     "component's argument needs another name"},
		{"{rows: 1, text: $$(run.name)}", ""},
		{"{rows: 1, text: $$$(run.name)}", ""},
		{"{rows: 1, text: '$(a b) $( $() $(1a)'}", ""},
		{"{rows: 1, text: $(run.name)}",
			"a.text: `$(run.name)` is not supported by this release; write the value"},
		{"{rows: 1, text: x $(who)}",
			"a.text: there is nothing called `who`; write $$(who) for the text itself"},
	};

	(void)state;
	for (size_t i = 0; i < array_size(rows); i++) {
		auto_json *given = yaml(rows[i].given);
		auto_diags diags = DIAG_LIST_INIT;
		auto_buf got = BUF_INIT;
		struct check c;

		check_init(&c, &diags, "a");
		args_check(&c, args, given);
		diag_format(&diags, &got, 10000);
		assert_string_equal(buf_str(&got), rows[i].want);
	}
}

static void test_kept(void **state)
{
	auto_json *given = yaml("{a: null, b: {c: null}, d: false}"), *plain = yaml("{a: 1}");
	auto_json *kept = args_normalize(given), *same = args_normalize(plain);
	auto_json *none = args_normalize(NULL);
	auto_free char *text = canon_str(kept, CANON_COMPACT);

	(void)state;
	assert_string_equal(text, "{\"b\":{\"c\":null},\"d\":false}");
	assert_ptr_equal(same, plain);
	assert_int_equal(json_object_size(none), 0);
}

static void test_unescape(void **state)
{
	auto_json *given = yaml("[$$(a), {k: 'x$$(b)$$(c', $$(key): 1}, '$$ $a $(', $$$(d), 5]");
	auto_json *want = yaml("[$(a), {k: 'x$(b)$(c', $$(key): 1}, '$$ $a $(', $$(d), 5]");
	auto_json *got = refs_unescape(given);

	(void)state;
	assert_true(json_equal(got, want));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_findings),
		cmocka_unit_test(test_kept),
		cmocka_unit_test(test_unescape),
	};

	return cmocka_run_group_tests_name("compiler/args", tests, NULL, NULL);
}

/* Arguments on their own: what is found. */
#include "test_compiler_fixture.h"

#include "compiler/args.h"

/* The findings of one step, joined; parameters are declared here. */
static void check_given(
	const json_t *args, const char *arguments, const char *secret, struct buf *ret_text)
{
	auto_json *given = yaml(arguments), *secrets = secret ? yaml(secret) : NULL, *values = NULL;
	auto_diags diags = DIAG_LIST_INIT;
	json_t *count = json_integer(3), *word = json_string("None");
	struct refs refs;
	struct check c;

	refs_init(&refs, 1000);
	refs_add_parameter(&refs, "count", "int", count);
	refs_add_parameter(&refs, "ratio", "float", count);
	refs_add_parameter(&refs, "word", "str", word);
	refs_add_parameter(&refs, "later", "list", NULL);
	check_init(&c, &diags, "a");
	values = refs_substitute(&refs, &c, given, false);
	args_check(&c, args,
		&(struct args_given){
			.written = given, .values = values, .secret = secrets, .refs = &refs});
	diag_format(&diags, ret_text, 10000);
	refs_clear(&refs);
	json_decref(count);
	json_decref(word);
}

static void test_findings(void **state)
{
	auto_json *args = yaml("{rows: {type: int}, text: {type: str, default: None}, frac: {type: "
			       "float, default: 1.5}, wo: {type: str, default: x}, list: {type: "
			       "list, default: []}, set: {type: set, default: []}}");
	static const struct {
		const char *given, *secret, *want;
	} rows[] = {
		{"{rows: 1}", NULL, ""},
		{"{rows: 1, text: null, frac: 2}", NULL, ""},
		{"{}", NULL,
			"a.arguments.rows: the component requires it (int), and it has no default"},
		{"{rows: null}", NULL,
			"a.arguments.rows: the component requires it (int), and it has no default"},
		{"{rwos: 1, rows: 2}", NULL,
			"a.arguments.rwos: the component has no such argument; did you mean "
			"`rows`?"},
		{"{rows: '2'}", NULL,
			"a.arguments.rows: expected int, got the string \"2\"; remove the quotes"},
		{"{rows: 1, text: 5}", NULL,
			"a.arguments.text: expected str, got an integer; quote it"},
		{"{rows: 1, wo: x}", NULL,
			"a.arguments.wo: the framework's executor would read --wo as "
			"--working_directory; the component's argument needs another name"},
		{"{rows: 1, y: 2}", NULL,
			"a.arguments.true: the component has no such argument; YAML reads an "
			"unquoted y, n, yes, no, on or off as a boolean: write the name in quotes, "
			"as 'y'"},
		/* references */
		{"{rows: $(parameters.count), text: x$(parameters.count)}", NULL, ""},
		{"{rows: 1, frac: $(parameters.count)}", NULL, ""},
		{"{rows: 1, frac: $(parameters.ratio), list: $(parameters.later)}", NULL, ""},
		{"{rows: 1, set: $(parameters.later), text: $(run.name)}", NULL, ""},
		{"{rows: $(parameters.ratio)}", NULL,
			"a.arguments.rows: expected int, but $(parameters.ratio) is of type float"},
		{"{rows: $(run.name)}", NULL,
			"a.arguments.rows: expected int, but $(run.name) is of type str"},
		{"{rows: 1, text: $(parameters.count)}", NULL,
			"a.arguments.text: expected str, but $(parameters.count) is of type int"},
		{"{rows: 1, text: $(parameters.later)}", NULL,
			"a.arguments.text: expected str, but $(parameters.later) is of type list"},
		{"{rows: '1$(run.name)'}", NULL,
			"a.arguments.rows: expected int, got the string \"1$(run.name)\""},
		{"{rows: 1, text: $(parameters.word)}", NULL,
			"a.arguments.text: the framework's executor turns the text None into no "
			"value; leave the argument out, or use another word"},
		/* secret ones */
		{"{rows: 1}", "{text: {}, list: {}, set: {}, wo: null}", ""},
		{"{}", "{rows: {}}",
			"a.secretArguments.rows: an argument of type int cannot be secret: the "
			"framework's "
			"executor would print a value that is no number; give it in `arguments`, "
			"or declare it as str"},
		{"{rows: 1, text: x}", "{text: {}}",
			"a.secretArguments.text: is in `arguments` too; give it in one of the two"},
		{"{rows: 1, text: null}", "{text: {}}", ""},
		{"{rows: 1}", "{txt: {}}",
			"a.secretArguments.txt: the component has no such argument; did you mean "
			"`text`?"},
		{"{rows: 1}", "{wo: {}}",
			"a.secretArguments.wo: the framework's executor would read --wo as "
			"--working_directory; the component's argument needs another name"},
		{"{}", "{rows: null}",
			"a.arguments.rows: the component requires it (int), and it has no default"},
	};

	(void)state;
	for (size_t i = 0; i < array_size(rows); i++) {
		auto_buf got = BUF_INIT;

		check_given(args, rows[i].given, rows[i].secret, &got);
		if (strcmp(buf_str(&got), rows[i].want) != 0)
			fail_msg("%s %s:\n got  %s\n want %s", rows[i].given,
				rows[i].secret ? rows[i].secret : "", buf_str(&got), rows[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_findings),
	};

	return cmocka_run_group_tests_name("compiler/args", tests, NULL, NULL);
}

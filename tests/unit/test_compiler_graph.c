/* Order, who reads whom by default, schemas along the edges. */
#include "test_compiler_fixture.h"

#include "compiler/mapping.h"

#define LOADER(name)                                                                     \
	"- name: " name "\n  component: {spec: {name: L, description: d, image: 'i:1', " \
	"produces: {a: {type: string}}}}\n"
#define FILTER(name)                                                                     \
	"- name: " name "\n  component: {spec: {name: F, description: d, image: 'i:1', " \
	"consumes: {a: {type: string}}}}\n"
#define WRITER(name)                                                                           \
	"- name: " name "\n  component: {spec: {name: W, description: d, image: 'i:1', tags: " \
	"[Data writing], consumes: {additionalProperties: true}}}\n"
#define FROM(name) "  from: [" name "]\n"
#define AFTER(name) "  dependsOn: [" name "]\n"

/* "name<input,input" in order, sinks with a dot. */
static char *shape(const json_t *frozen)
{
	struct buf b = BUF_INIT;
	json_t *step, *input;
	size_t i, j;

	json_array_foreach (json_object_get(frozen, "steps"), i, step) {
		buf_addf(
			&b, "%s%s", i ? " " : "", json_string_value(json_object_get(step, "name")));
		json_array_foreach (json_object_get(step, "from"), j, input)
			buf_addf(&b, "<%s", json_string_value(input));
		if (json_object_get(step, "sink"))
			buf_addc(&b, '.');
	}
	return buf_take(&b);
}

static void test_shapes(void **state)
{
	static const struct {
		const char *steps, *want;
	} rows[] = {
		{LOADER("l") FILTER("f") FILTER("e"), "l f<l e<f."},
		{LOADER("l"), "l."},
		{LOADER("b") LOADER("a"), "a. b."},
		/* a writer leaves nothing: the next reads what it read */
		{LOADER("l") WRITER("w") FILTER("f"), "l f<l. w<l."},
		{LOADER("l") FILTER("f") LOADER("m") FILTER("g"), "l f<l. m g<m."},
		/* ties by name, not by place */
		{LOADER("z") FILTER("c") FROM("z") FILTER("b") FROM("z") FILTER("a") FROM("z"),
			"z a<z. b<z. c<z."},
		{FILTER("f") FROM("l") LOADER("l"), "l f<l."},
		{LOADER("a") AFTER("b") LOADER("b"), "b. a."},
		{LOADER("l") FILTER("f") FROM("l") AFTER("l") WRITER("w") FROM("f"), "l f<l w<f."},
		{LOADER("l") FILTER("x") FROM("l") FILTER("y1") FROM("x") FILTER("b") FROM("l"),
			"l b<l. x<l y1<x."},
	};

	(void)state;
	for (size_t i = 0; i < array_size(rows); i++) {
		auto_free char *text = xasprintf(SPEC_HEAD "steps:\n%s", rows[i].steps);
		auto_free char *got = NULL;
		struct compile_output out;

		compile_ok(text, &out);
		got = shape(out.frozen);
		assert_string_equal(got, rows[i].want);
		compile_output_clear(&out);
	}
}

static void test_long_cycle(void **state)
{
	auto_buf text = BUF_INIT;
	struct compile_output out;
	const struct diag *d;

	(void)state;
	buf_adds(&text, SPEC_HEAD "steps:\n" LOADER("l"));
	for (int i = 0; i < 50; i++)
		buf_addf(&text, FILTER("s%d") "  from: [s%d]\n", i, (i + 1) % 40);
	assert_int_equal(compile_text(buf_str(&text), &out), 1);
	d = find_diag(&out.diags, "spec.steps[1].from", "Cycle");
	assert_non_null(d);
	assert_string_equal(d->message, "steps wait for each other: s0 -> s1 -> s2 -> s3 -> s4 -> "
					"s5 -> s6 -> s7 -> s8 -> s9 "
					"-> ... -> s0");
	assert_int_equal(out.diags.len, 1); /* what hangs below a circle is not its fault */
	compile_output_clear(&out);
}

static const json_t *schema_of(const json_t *frozen, const char *name)
{
	json_t *step;
	size_t i;

	json_array_foreach (json_object_get(frozen, "steps"), i, step) {
		if (strcmp(json_string_value(json_object_get(step, "name")), name) == 0)
			return json_object_get(step, "schema");
	}
	return NULL;
}

/* Two that the framework gets wrong: a field of a sibling is refused, and a branch does not lose
 * what a sibling dropped. */
static void test_branches(void **state)
{
	static const char renew[] = SPEC_HEAD "steps:\n" LOADER(
		"l") "- name: renew\n  from: [l]\n  component: {spec: {name: R, description: d, "
		     "image: i, previous_index: old, consumes: {a: {type: string}}, produces: "
		     "{b: {type: string}}}}\n" FILTER("take") FROM("l");
	static const char leak[] = SPEC_HEAD "steps:\n" LOADER(
		"l") "- name: make\n  from: [l]\n  component: {spec: {name: R, description: d, "
		     "image: "
		     "i, consumes: {a: {type: string}}, produces: {b: {type: string}}}}\n"
		     "- name: use\n  from: [l]\n  component: {spec: {name: U, description: d, "
		     "image: "
		     "i, consumes: {b: {type: string}}}}\n";
	auto_json *only_b = yaml("{b: {type: string}}");
	struct compile_output out;

	(void)state;
	compile_ok(renew, &out);
	assert_true(json_equal(schema_of(out.frozen, "renew"), only_b));
	compile_output_clear(&out);
	assert_int_equal(compile_text(leak, &out), 1);
	assert_non_null(find_diag(&out.diags, "spec.steps[2].consumes.b", "MissingField"));
	assert_int_equal(out.diags.len, 1);
	compile_output_clear(&out);
}

/* A naive timestamp stays one, which the framework's own check refuses. */
static void test_timestamps(void **state)
{
	struct compile_output out;

	(void)state;
	compile_ok(SPEC_HEAD
		"steps:\n- name: l\n  component: {spec: {name: L, description: d, "
		"image: i, produces: {t: {type: timestamp}}}}\n- name: t\n  component: "
		"{spec: {name: T, description: d, image: i, consumes: {t: {type: "
		"timestamp}}}}\n",
		&out);
	compile_output_clear(&out);
}

static void test_mapping_order(void **state)
{
	auto_json *mapping = yaml("{a: b, b: c, c: {type: string}, x: z, z: q, m: m2}");
	static const char *const want[] = {"c", "b", "a", "m", "z", "x"};
	auto_strvec keys = STRVEC_INIT;

	(void)state;
	mapping_order(mapping, &keys);
	assert_int_equal(keys.len, array_size(want));
	for (size_t i = 0; i < keys.len; i++)
		assert_string_equal(keys.items[i], want[i]);
}

/* The largest pipeline, one chain, and the widest. */
static void test_two_hundred(void **state)
{
	auto_buf chain = BUF_INIT, wide = BUF_INIT;
	struct compile_output out;

	(void)state;
	buf_adds(&chain, SPEC_HEAD "steps:\n" LOADER("l"));
	buf_adds(&wide, SPEC_HEAD "steps:\n" LOADER("l"));
	for (int i = 1; i < 200; i++) {
		buf_addf(&chain, FILTER("s%d"), i);
		buf_addf(&wide, FILTER("s%d") "  from: [l]\n", i);
	}
	compile_ok(buf_str(&chain), &out);
	assert_int_equal(out.steps, 200);
	compile_output_clear(&out);
	compile_ok(buf_str(&wide), &out);
	assert_int_equal(out.steps, 200);
	compile_output_clear(&out);
	buf_adds(&wide, FILTER("one-more") FROM("l"));
	assert_int_equal(compile_text(buf_str(&wide), &out), 1);
	assert_non_null(find_diag(&out.diags, "spec.steps", "TooMany"));
	compile_output_clear(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shapes),
		cmocka_unit_test(test_long_cycle),
		cmocka_unit_test(test_branches),
		cmocka_unit_test(test_timestamps),
		cmocka_unit_test(test_mapping_order),
		cmocka_unit_test(test_two_hundred),
	};

	return cmocka_run_group_tests_name("compiler/graph", tests, NULL, NULL);
}

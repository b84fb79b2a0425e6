/* Component files: what the framework refuses, and what it makes of the rest. */
#include "test_compiler_fixture.h"

#include "compiler/component.h"
#include "doc/canon.h"

#define HEAD "name: C\ndescription: d\nimage: r/c:1\n"

static void test_bad(void **state)
{
	static const struct {
		const char *path, *reason, *text;
	} rows[] = {
		{"c", "InvalidType", "[]"},
		{"c.name", "Required", "description: d\nimage: i\n"},
		{"c.name", "InvalidType", "name: off\ndescription: d\nimage: i\n"},
		{"c.description", "Required", "name: C\nimage: i\n"},
		{"c.description", "InvalidValue", "name: C\nimage: i\ndescription: ''\n"},
		{"c.owner", "UnknownField", HEAD "owner: me\n"},
		{"c.tags", "InvalidType", HEAD "tags: x\n"},
		{"c.tags[1]", "InvalidType", HEAD "tags: [x, 1]\n"},
		{"c.consumes", "InvalidType", HEAD "consumes: [a]\n"},
		{"c.consumes.a", "InvalidFieldType", HEAD "consumes: {a: true}\n"},
		{"c.consumes.a", "InvalidType", HEAD "consumes: {a: string}\n"},
		{"c.consumes.a.type", "InvalidFieldType",
			HEAD "consumes: {a: {type: decimal128}}\n"},
		{"c.consumes.a.items", "InvalidType",
			HEAD "consumes: {a: {type: array, items: string}}\n"},
		{"c.consumes.a.items", "InvalidFieldType", HEAD "consumes: {a: {type: array}}\n"},
		{"c.consumes.a.properties", "InvalidFieldType",
			HEAD "consumes: {a: {type: object}}\n"},
		{"c.consumes.a.properties.type", "InvalidFieldType",
			HEAD "consumes: {a: {type: object, properties: {type: {type: int8}}}}\n"},
		{"c.produces.a.description", "UnknownField",
			HEAD "produces: {a: {type: string, description: x}}\n"},
		{"c.previous_index", "InvalidType", HEAD "previous_index: 1\n"},
		{"c.args.x", "InvalidType", HEAD "args: {x: str}\n"},
		{"c.args.x.type", "Required", HEAD "args: {x: {}}\n"},
		{"c.args.x.type", "InvalidValue", HEAD "args: {x: {type: string}}\n"},
		{"c.args.x.description", "InvalidType",
			HEAD "args: {x: {type: str, description: 1}}\n"},
		{"c.args.cache", "ReservedArgument", HEAD "args: {cache: {type: bool}}\n"},
		{"c.args.input_manifest_path", "ReservedArgument",
			HEAD "args: {input_manifest_path: {type: str}}\n"},
		{"c.args.1x", "InvalidName", HEAD "args: {1x: {type: str}}\n"},
		{"c.args.a=b", "InvalidName", HEAD "args: {a=b: {type: str}}\n"},
	};

	(void)state;
	for (size_t i = 0; i < array_size(rows); i++) {
		auto_json *component = yaml(rows[i].text);
		auto_diags diags = DIAG_LIST_INIT;

		component_check(component, "c", &diags);
		if (!find_diag(&diags, rows[i].path, rows[i].reason)) {
			print_diags(&diags);
			fail_msg("no %s at %s:\n%s", rows[i].reason, rows[i].path, rows[i].text);
		}
	}
}

static void test_good(void **state)
{
	static const char *const texts[] = {
		HEAD,
		HEAD "consumes: {}\nargs: {}\ntags: []\n",
		HEAD "consumes: null\nprevious_index: null\n",
		HEAD "consumes: {a: {type: string}, additionalProperties: true}\n",
		HEAD "produces: {additionalProperties: {type: string}}\n",
		HEAD
		"produces: {a: {type: int64, format: date-time}, b: {type: string, format: x}}\n",
		HEAD "args: {a-b: {type: tuple, items: {type: int}}, größe: {type: set}}\n",
		HEAD "args: {x: {type: dict, default: {a: null}}, z: {type: str, default: None}}\n",
	};

	(void)state;
	for (size_t i = 0; i < array_size(texts); i++) {
		auto_json *component = yaml(texts[i]);
		auto_diags diags = DIAG_LIST_INIT;

		component_check(component, "c", &diags);
		print_diags(&diags);
		assert_int_equal(diags.len, 0);
	}
}

static void test_normal_form(void **state)
{
	auto_json *component =
		yaml("args: {b: {type: int}}\nconsumes: {}\nproduces: null\ntags: []\n"
		     "previous_index: ''\nimage: i\ndescription: d\nname: C\n");
	auto_json *normal = component_normalize(component);
	auto_free char *text = canon_str(normal, CANON_PYTHON_ORDERED);

	(void)state;
	assert_string_equal(text, "{\"name\": \"C\", \"image\": \"i\", \"description\": \"d\", "
				  "\"args\": {\"b\": {\"type\": \"int\"}}}");
}

static void test_generic(void **state)
{
	auto_json *rows =
		yaml("[{additionalProperties: true}, {additionalProperties: {type: string}},"
		     " {additionalProperties: false}, {a: {type: string}}, {}]");

	(void)state;
	for (size_t i = 0; i < json_array_size(rows); i++)
		assert_int_equal(component_is_generic(json_array_get(rows, i)), i < 2);
	assert_false(component_is_generic(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_normal_form),
		cmocka_unit_test(test_generic),
	};

	return cmocka_run_group_tests_name("compiler/component", tests, NULL, NULL);
}

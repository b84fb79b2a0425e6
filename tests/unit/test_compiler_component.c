/* Component files: what the framework refuses, and what it makes of the rest. */
#include "test_compiler_fixture.h"

#include "compiler/component.h"
#include "doc/canon.h"
#include "doc/path.h"

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

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define DIGEST "@sha256:" HEX64

/* Two steps: one image inline, one of FondantComponent `c`. */
#define TWO_IMAGES                                                                               \
	"steps:\n"                                                                               \
	"- {name: a, component: {spec: {name: A, description: d, image: 'r/a:1', produces: {x: " \
	"{type: string}}}}}\n"                                                                   \
	"- {name: b, component: {ref: {name: c}}}\n"

static int compile_images(const char *policy, const json_t *digests, const json_t *pinned,
	const char *image, struct compile_output *out)
{
	auto_free char *text = xasprintf(
		SPEC_HEAD "%s%s\n" TWO_IMAGES, *policy ? "imageDigestPolicy: " : "", policy);
	auto_json *spec = yaml(text);
	auto_json *components = json_pack("{s:{s:s, s:s, s:s, s:{s:{s:s}}}}", "c", "name", "C",
		"description", "d", "image", image, "consumes", "x", "type", "string");
	struct compile_input in = {.namespace_ = "data",
		.pipeline = "clean-text",
		.spec = spec,
		.components = components,
		.backend = "kubernetes",
		.features = KUBERNETES_FEATURES,
		.digests = digests,
		.pinned = pinned};

	return compile_pipeline(&in, out);
}

static void test_digests(void **state)
{
	auto_json *digests =
		json_pack("{s:s, s:{s:s}}", "r/a:1", "r/a" DIGEST, "r/c:1", "error", "no route");
	auto_json *both = json_pack("{s:s, s:s}", "r/a:1", "r/a" DIGEST, "r/c:1", "r/c" DIGEST);
	struct compile_output out;
	const struct diag *found;

	(void)state;
	assert_int_equal(compile_images("", digests, NULL, "r/c:1", &out), 0);
	assert_string_equal(doc_str(out.frozen, "steps.0.image"), "r/a" DIGEST);
	assert_string_equal(doc_str(out.frozen, "steps.0.imageTag"), "r/a:1");
	assert_string_equal(doc_str(out.frozen, "steps.1.image"), "r/c:1");
	assert_int_equal(out.unresolved_images, 1);
	compile_output_clear(&out);

	assert_int_equal(compile_images("Ignore", both, NULL, "r/c:1", &out), 0);
	assert_string_equal(doc_str(out.frozen, "steps.0.image"), "r/a:1");
	assert_int_equal(out.unresolved_images, 0);
	compile_output_clear(&out);

	assert_int_equal(compile_images("Required", digests, NULL, "r/c:1", &out), 1);
	found = find_diag(&out.diags, "spec.steps[1].component", "ImageNotResolved");
	assert_non_null(found);
	assert_true(found->waits);
	assert_non_null(strstr(found->message, "no route"));
	assert_non_null(strstr(found->message, "--digest"));
	assert_int_equal(out.diags.len, 1);
	compile_output_clear(&out);

	assert_int_equal(compile_images("Required", NULL, NULL, "r/c:1", &out), 1);
	assert_int_equal(diag_waits(&out.diags), 2);
	compile_output_clear(&out);
	/* Once an image. */
	assert_int_equal(compile_images("Required", NULL, NULL, "r/a:1", &out), 1);
	assert_int_equal(diag_waits(&out.diags), 1);
	assert_non_null(
		find_diag(&out.diags, "spec.steps[0].component.spec.image", "ImageNotResolved"));
	compile_output_clear(&out);

	assert_int_equal(compile_images("Required", both, NULL, "r/c:1", &out), 0);
	compile_output_clear(&out);
	/* A digest that the user wrote is enough. */
	assert_int_equal(compile_images("Required", digests, NULL, "r/c:1" DIGEST, &out), 0);
	assert_string_equal(doc_str(out.frozen, "steps.1.image"), "r/c:1" DIGEST);
	compile_output_clear(&out);
}

/* A run takes components and digests from the pipeline's frozen spec. */
static void test_pinned(void **state)
{
	auto_json *old = json_pack("{s:s, s:s}", "r/a:1", "r/a" DIGEST, "r/c:1", "r/c" DIGEST);
	auto_json *moved = json_pack("{s:s}", "r/a:1", "r/a@sha512:" HEX64 HEX64);
	auto_json *renamed = NULL;
	struct compile_output first, run;

	(void)state;
	assert_int_equal(compile_images("", old, NULL, "r/c:1", &first), 0);
	assert_int_equal(compile_images("", moved, first.frozen, "r/c:2", &run), 0);
	assert_string_equal(run.hash, first.hash);
	compile_output_clear(&run);
	/* What the frozen spec does not have is looked up. */
	renamed = json_deep_copy(first.frozen);
	json_object_set_new(doc_get(renamed, "steps.1"), "name", json_string("z"));
	assert_int_equal(compile_images("", moved, renamed, "r/c:2", &run), 0);
	assert_string_equal(doc_str(run.frozen, "steps.0.image"), "r/a" DIGEST);
	assert_string_equal(doc_str(run.frozen, "steps.1.image"), "r/c:2");
	compile_output_clear(&run);
	compile_output_clear(&first);
}

static void test_image_refs(void **state)
{
	auto_json *spec = yaml("steps:\n"
			       "- component: {spec: {image: 'r/b:1'}}\n"
			       "- component: {ref: {name: c}}\n"
			       "- component: {ref: {name: none}}\n"
			       "- component: {catalog: {name: chunk_text, version: 0.12.1}}\n"
			       "- component: {catalog: {name: chunk_text, version: '1'}}\n"
			       "- component: {catalog: {name: chunk_text}}\n"
			       "- component: {python: {image: 'r/b:1'}}\n"
			       "- component: {spec: {image: 'r/z" DIGEST "'}}\n"
			       "- component: {spec: {image: 'R//'}}\n"
			       "- component: {spec: {image: 1}}\n"
			       "- component: []\n- 1\n");
	auto_json *components = yaml("{c: {image: 'r/c:1'}}");
	auto_strvec images = STRVEC_INIT;

	(void)state;
	compile_image_refs(spec, components, &images);
	assert_int_equal(images.len, 3);
	assert_string_equal(images.items[0], "fndnt/chunk_text:0.12.1");
	assert_string_equal(images.items[1], "r/b:1");
	assert_string_equal(images.items[2], "r/c:1");
	json_object_set_new(spec, "imageDigestPolicy", json_string("Ignore"));
	compile_image_refs(spec, components, &images);
	compile_image_refs(NULL, NULL, &images);
	assert_int_equal(images.len, 3);
}

/* The nearest name that there is. */
static void test_not_found(void **state)
{
	auto_json *spec = yaml(SPEC_HEAD "steps:\n- {name: a, component: {ref: {name: loda}}}\n");
	auto_json *components = yaml("{load: {}}");
	struct compile_output out;
	const struct diag *found;

	(void)state;
	assert_int_equal(compile_trees(spec, components, &out), 1);
	found = find_diag(&out.diags, "spec.steps[0].component.ref.name", "ComponentNotFound");
	assert_non_null(found);
	assert_true(found->waits);
	assert_non_null(strstr(found->message, "did you mean `load`?"));
	compile_output_clear(&out);
}

#define IMAGE_ID "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const char folder_pipeline[] =
	SPEC_HEAD "steps:\n- {name: a, component: {ref: {name: load}}}\n"
		  "- {name: b, component: {ref: {name: load}}}\n";
static const char folder_file[] =
	"{load: {name: Load, description: d, image: 'r/l', produces: {a: {type: string}}}}";

static void compile_folders(const json_t *folders, const json_t *components, const json_t *built,
	unsigned features, struct compile_output *ret_out)
{
	auto_json *spec = yaml(folder_pipeline);
	struct compile_input in = {.namespace_ = "data",
		.pipeline = "p",
		.spec = spec,
		.components = components,
		.folders = folders,
		.built = built,
		.backend = features & BACKEND_FOLDERS ? "docker" : "kubernetes",
		.features = features};

	compile_pipeline(&in, ret_out);
}

static const char *step_text(const struct compile_output *out, const char *member)
{
	const json_t *steps = json_object_get(out->frozen, "steps");

	assert_non_null(steps);
	return json_string_value(json_object_get(json_array_get(steps, 0), member));
}

/* The image that was built is what runs, and what the key says. */
static void test_folders(void **state)
{
	auto_json *folders = yaml(folder_file), *components = NULL;
	auto_json *built = json_pack("{s:s}", "load", IMAGE_ID);
	auto_json *other = json_pack("{s:s}", "load",
		"sha256:"
		"ff23456789abcdef0123456789abcdef"
		"0123456789abcdef0123456789abcdef");
	struct compile_output plain, first, again, edited, both;

	(void)state;
	compile_folders(folders, NULL, NULL, ~0U, &plain);
	compile_folders(folders, NULL, built, ~0U, &first);
	compile_folders(folders, NULL, built, ~0U, &again);
	compile_folders(folders, NULL, other, ~0U, &edited);
	assert_string_equal(step_text(&plain, "image"), "r/l");
	assert_string_equal(step_text(&first, "image"), IMAGE_ID);
	assert_string_equal(step_text(&first, "imageTag"), "r/l");
	assert_string_equal(first.text, again.text);
	assert_string_not_equal(step_text(&first, "cacheKey"), step_text(&plain, "cacheKey"));
	assert_string_not_equal(step_text(&first, "cacheKey"), step_text(&edited, "cacheKey"));
	/* `latest` moves, an id does not */
	assert_non_null(strstr(plain.text, "\"cacheable\":false"));
	assert_null(strstr(first.text, "\"cacheable\":false"));
	assert_int_equal(plain.unresolved_images, 1);
	assert_int_equal(first.unresolved_images, 0);
	/* where folders mean something they come first */
	components = yaml("{load: {name: L, description: d, image: 'r/other:1', produces: {a: "
			  "{type: string}}}}");
	compile_folders(folders, components, NULL, ~0U, &both);
	assert_string_equal(step_text(&both, "image"), "r/l");
	compile_output_clear(&both);
	compile_folders(folders, components, built, ~0U & ~(unsigned)BACKEND_FOLDERS, &both);
	assert_string_equal(step_text(&both, "image"), "r/other:1");
	compile_output_clear(&both);
	compile_output_clear(&plain);
	compile_output_clear(&first);
	compile_output_clear(&again);
	compile_output_clear(&edited);
}

static void test_folders_are_of_one_machine(void **state)
{
	auto_json *folders = yaml(folder_file);
	unsigned without = ~0U & ~(unsigned)BACKEND_FOLDERS;
	struct compile_output out;
	const struct diag *found;

	(void)state;
	compile_folders(folders, NULL, NULL, without, &out);
	assert_null(out.text);
	found = find_diag(&out.diags, "spec.steps[1].component.ref.name", "ComponentNotFound");
	assert_non_null(found);
	assert_true(found->waits);
	assert_non_null(strstr(found->message, "means nothing to backend kubernetes"));
	compile_output_clear(&out);
	/* what is wrong in it is said nevertheless, in its own words and once */
	json_object_del(json_object_get(folders, "load"), "description");
	compile_folders(folders, NULL, NULL, without, &out);
	assert_non_null(
		find_diag(&out.diags, "ComponentFolder/load: spec.description", "Required"));
	assert_int_equal(diag_errors(&out.diags), 1);
	compile_output_clear(&out);
	json_decref(folders);
	folders = yaml("{load: {error: 'a/load and b/load are both'}}");
	compile_folders(folders, NULL, NULL, ~0U, &out);
	found = find_diag(&out.diags, "spec.steps[0].component.ref.name", "ComponentNotFound");
	assert_non_null(found);
	assert_false(found->waits);
	assert_string_equal(found->message, "a/load and b/load are both");
	compile_output_clear(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_normal_form),
		cmocka_unit_test(test_generic),
		cmocka_unit_test(test_digests),
		cmocka_unit_test(test_pinned),
		cmocka_unit_test(test_image_refs),
		cmocka_unit_test(test_not_found),
		cmocka_unit_test(test_folders),
		cmocka_unit_test(test_folders_are_of_one_machine),
	};

	return cmocka_run_group_tests_name("compiler/component", tests, NULL, NULL);
}

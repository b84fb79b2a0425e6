/* spec.native: what is refused, what is frozen, and how it is read back. */
#include "test_compiler_fixture.h"

#include "compiler/spec.h"
#include "doc/path.h"

#define IR "{pipelineInfo: {name: a}, root: {dag: {tasks: {}}}}"

/* sources and pinned may be NULL. */
static int compile_on(const char *backend, const char *text, const json_t *sources,
	const json_t *pinned, struct compile_output *out)
{
	auto_json *spec = yaml(text);
	struct compile_input in = {.namespace_ = "data",
		.pipeline = "other-tool",
		.spec = spec,
		.backend = backend,
		.features = KUBERNETES_FEATURES,
		.sources = sources,
		.pinned = pinned};

	return compile_pipeline(&in, out);
}

static void must_freeze(const char *backend, const char *text, const json_t *sources,
	const json_t *pinned, struct compile_output *out)
{
	if (compile_on(backend, text, sources, pinned, out) != 0) {
		print_diags(&out->diags);
		fail_msg("should compile:\n%s", text);
	}
}

static void test_bad(void **state)
{
	static const struct {
		const char *backend, *spec, *path, *reason, *says;
	} rows[] = {
		{"kubeflow", "native: {inline: '" IR "'}", "spec.native.format", "Required",
			"`format`"},
		{"kubeflow", "native: {format: KubeflowIr, inline: '" IR "'}", "spec.native.format",
			"InvalidValue", "KubeflowIR"},
		{"kubeflow", "native: {format: KubeflowIR}", "spec.native", "Required",
			"exactly one of inline and configMapKeyRef"},
		{"kubeflow",
			"native: {format: KubeflowIR, inline: a, configMapKeyRef: {name: a, key: "
			"b}}",
			"spec.native", "InvalidValue", "exactly one of"},
		{"kubeflow", "native: {format: KubeflowIR, inline: ''}", "spec.native.inline",
			"InvalidValue", "empty"},
		{"kubeflow", "native: {format: KubeflowIR, inline: '{'}", "spec.native.inline",
			"InvalidDocument", "line 1"},
		{"kubeflow", "native: {format: KubeflowIR, inline: '# nothing'}",
			"spec.native.inline", "InvalidDocument", "no document"},
		{"kubeflow", "native: {format: KubeflowIR, inline: '[1]'}", "spec.native.inline",
			"InvalidDocument", "must be a map, not a list"},
		{"kubeflow",
			"native: {format: KubeflowIR, inline: \"a: 1\\n---\\nb: 2\\n---\\nc: 3\"}",
			"spec.native.inline", "InvalidDocument", "3 documents"},
		{"vertex", "native: {format: VertexJob, inline: \"a: 1\\n---\\nb: 2\"}",
			"spec.native.inline", "InvalidDocument", "at most 1"},
		{"kubeflow", "native: {format: KubeflowIR, configMapKeyRef: {name: A, key: b}}",
			"spec.native.configMapKeyRef.name", "InvalidName", "not the name"},
		{"kubeflow", "native: {format: KubeflowIR, configMapKeyRef: {name: a}}",
			"spec.native.configMapKeyRef.key", "Required", "`key`"},
		{"kubeflow", "native: {format: KubeflowIR, configMapKeyRef: {name: a, key: b}}",
			"spec.native", "SourceNotFound", "no key `b` in a ConfigMap `a`"},
		{"kubernetes", "native: {format: KubeflowIR, inline: '" IR "'}",
			"spec.native.format", "UnsupportedFormat", "of the kind kubeflow"},
		{"kubeflow", "{native: {format: KubeflowIR, inline: '" IR "'}, steps: []}",
			"spec.steps", "UnsupportedSetting", "no effect beside `native`"},
		{"kubeflow",
			"{native: {format: KubeflowIR, inline: '" IR "'}, workingDirectory: "
			"'s3://a/b'}",
			"spec.workingDirectory", "UnsupportedSetting", "no effect"},
		{"kubeflow",
			"{native: {format: KubeflowIR, inline: '" IR "'}, podTemplate: {spec: {}}}",
			"spec.podTemplate", "UnsupportedSetting", "no effect"},
		{"vertex",
			"{native: {format: VertexJob, inline: '{pipelineSpec: {}}'}, "
			"serviceAccountName: a}",
			"spec.serviceAccountName", "UnsupportedSetting", "a ServiceAccount of"},
		{"kubernetes", "native: {format: Compose, inline: '{services: {}}'}",
			"spec.native.format", "UnsupportedFormat", "of the kind docker"},
		{"kubeflow", "native: 1", "spec.native", "InvalidType", "must be a map"},
	};

	(void)state;
	for (size_t i = 0; i < array_size(rows); i++) {
		struct compile_output out;
		const struct diag *d;

		assert_int_equal(compile_on(rows[i].backend, rows[i].spec, NULL, NULL, &out), 1);
		d = find_diag(&out.diags, rows[i].path, rows[i].reason);
		if (!d || !strstr(d->message, rows[i].says)) {
			print_diags(&out.diags);
			fail_msg("row %zu lacks %s [%s]: %s", i, rows[i].path, rows[i].reason,
				rows[i].says);
		}
		compile_output_clear(&out);
	}
}

static void test_frozen(void **state)
{
	struct compile_output out;
	struct frozen_spec *spec;
	auto_err err = ERR_INIT;

	(void)state;
	must_freeze("kubeflow",
		"{native: {format: KubeflowIR, inline: \"pipelineInfo: {name: $(other)}\\n---\\n"
		"platforms: {}\\n\"}, parameters: [{name: rows, type: int, default: 3}]}",
		NULL, NULL, &out);
	assert_string_equal(out.text,
		"{\"apiVersion\":\"fondant.ai/v1alpha1\",\"backend\":\"kubeflow\",\"compiler\":"
		"\"" COMPILER_FORMAT "\",\"kind\":\"FrozenSpec\",\"namespace\":\"data\","
		"\"native\":{\"document\":[{\"pipelineInfo\":{\"name\":\"$(other)\"}},"
		"{\"platforms\":{}}],\"format\":\"KubeflowIR\"},\"parameters\":{\"rows\":3},"
		"\"pipeline\":\"other-tool\",\"steps\":[]}");
	assert_int_equal(frozen_spec_parse(out.text, out.text_len, &spec, &err), 0);
	assert_int_equal(spec->steps_len, 0);
	assert_string_equal(doc_str(spec->native, "format"), "KubeflowIR");
	assert_string_equal(spec->working_directory, "");
	frozen_spec_bind(spec, "run", 0);
	frozen_spec_free(spec);
	compile_output_clear(&out);
}

static void test_one_document_is_an_object(void **state)
{
	struct compile_output out;

	(void)state;
	must_freeze("sagemaker", "native: {format: SageMakerPipeline, inline: '{\"Steps\": []}'}",
		NULL, NULL, &out);
	assert_true(json_is_object(doc_get(out.frozen, "native.document")));
	compile_output_clear(&out);
}

static int64_t x_of(const struct compile_output *out)
{
	const json_t *document = doc_get(out->frozen, "native.document");

	return doc_int_or(json_array_get(document, 0), "x", 0);
}

/* What the ConfigMap says counts when the pipeline is frozen, and not in its runs. */
static void test_of_a_configmap(void **state)
{
	static const char text[] =
		"native: {format: KubeflowIR, configMapKeyRef: {name: a, key: b.yaml}}";
	auto_json *sources = json_pack("{s:s}", "a/b.yaml", "x: 1");
	auto_json *later = json_pack("{s:s}", "a/b.yaml", "x: 2");
	auto_json *spec = yaml(text), *pinned = NULL;
	auto_strvec refs = STRVEC_INIT;
	struct compile_output out;

	(void)state;
	compile_source_refs(spec, &refs);
	assert_int_equal(refs.len, 1);
	assert_string_equal(refs.items[0], "a/b.yaml");
	must_freeze("kubeflow", text, sources, NULL, &out);
	assert_int_equal(x_of(&out), 1);
	pinned = json_incref(out.frozen);
	compile_output_clear(&out);
	must_freeze("kubeflow", text, later, pinned, &out);
	assert_int_equal(x_of(&out), 1);
	compile_output_clear(&out);
}

static void test_not_a_frozen_spec(void **state)
{
#define REST                                                                                 \
	"\"apiVersion\":\"fondant.ai/v1alpha1\",\"kind\":\"FrozenSpec\",\"pipeline\":\"p\"," \
	"\"namespace\":\"d\",\"backend\":\"kubeflow\",\"compiler\":\"2\",\"parameters\":{}"
	static const char *const rows[] = {
		"{" REST ",\"steps\":[],\"native\":{\"format\":\"KubeflowIR\"}}",
		"{" REST ",\"steps\":[],\"native\":{\"format\":\"KubeflowIR\",\"document\":7}}",
		"{" REST ",\"steps\":[],\"native\":{\"document\":[{\"a\":1}]}}",
		"{" REST ",\"steps\":[{}],\"native\":{\"format\":\"KubeflowIR\",\"document\":"
		"[{\"a\":1}]}}",
		"{" REST ",\"steps\":[]}",
		"{" REST ",\"steps\":[],\"native\":{\"format\":\"VertexJob\",\"document\":"
		"{\"a\":1}}}",
		"{\"apiVersion\":\"fondant.ai/"
		"v1alpha1\",\"kind\":\"FrozenSpec\",\"pipeline\":\"p\","
		"\"namespace\":\"d\",\"backend\":\"kubernetes\",\"compiler\":\"2\",\"parameters\":{"
		"},"
		"\"steps\":[],\"native\":{\"format\":\"Compose\",\"document\":{\"services\":{}}}}",
	};

	(void)state;
	for (size_t i = 0; i < array_size(rows); i++) {
		struct frozen_spec *spec = NULL;
		auto_err err = ERR_INIT;

		assert_int_equal(frozen_spec_parse(rows[i], strlen(rows[i]), &spec, &err), -1);
		assert_string_equal(err.reason, "SpecLost");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_frozen),
		cmocka_unit_test(test_one_document_is_an_object),
		cmocka_unit_test(test_of_a_configmap),
		cmocka_unit_test(test_not_a_frozen_spec),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

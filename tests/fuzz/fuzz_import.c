/*
 * YAML as the framework's compose file or KFP IR. Properties: it is refused with a reason, or gives
 * the same pipeline twice, which reads back from its YAML as it is (whole reals as integers), and
 * which compiles or is explained.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cli/import_pipeline.h"
#include "compiler/compile.h"
#include "doc/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Equal, but that Kubernetes' reader has an integer for a whole real. */
static bool same(const json_t *back, const json_t *written)
{
	const char *key;
	json_t *item;
	size_t i;

	if (json_is_real(written))
		return json_is_number(back) && json_number_value(back) == json_real_value(written);
	if (json_is_object(written)) {
		if (json_object_size(back) != json_object_size(written))
			return false;
		json_object_foreach ((json_t *)written, key, item) {
			if (!same(json_object_get(back, key), item))
				return false;
		}
		return true;
	}
	if (!json_is_array(written))
		return json_equal(back, written);
	json_array_foreach (written, i, item) {
		if (!same(json_array_get(back, i), item))
			return false;
	}
	return json_array_size(back) == json_array_size(written);
}

static void check_pipeline(const json_t *pipeline)
{
	struct compile_input in = {.namespace_ = "data",
		.pipeline = json_string_value(
			json_object_get(json_object_get(pipeline, "metadata"), "name")),
		.spec = json_object_get(pipeline, "spec"),
		.backend = "kubernetes",
		.features = ~0U};
	char *text = doc_yaml_dump(pipeline);
	struct compile_output out;
	json_t *back = NULL;

	/* The reader for Kubernetes, as whoever applies it has. */
	if (doc_yaml_parse_one(text, strlen(text), DOC_YAML_KUBERNETES, &back, NULL) == 0)
		assert(same(back, pipeline));
	if (compile_pipeline(&in, &out) == 0)
		assert(out.text && !diag_errors(&out.diags));
	else
		assert(diag_errors(&out.diags) + diag_waits(&out.diags) > 0);
	compile_output_clear(&out);
	json_decref(back);
	free(text);
}

static void import_once(const struct doc_stream *stream, bool written, char **ret_text)
{
	struct import_options options = {.written_source = written};
	struct diag_list diags = DIAG_LIST_INIT;
	json_t *pipeline = NULL;

	if (import_stream(stream, &options, &pipeline, &diags) == 0) {
		assert(pipeline && !diag_errors(&diags));
		*ret_text = doc_json_dump(pipeline);
		check_pipeline(pipeline);
	} else {
		assert(!pipeline && diag_errors(&diags) > 0);
		*ret_text = NULL;
	}
	json_decref(pipeline);
	diag_list_clear(&diags);
}

/* The bytes as the script of a Python component. */
static void fuzz_script(const uint8_t *data, size_t size)
{
	char *script = strndup((const char *)data, size);
	char *source = NULL, *requirements = NULL, *why = NULL;
	bool changed = false;

	if (import_script(script, false, &source, &requirements, &changed, &why) == 0)
		assert(source && !why);
	else
		assert(!source && why);
	free(script);
	free(source);
	free(requirements);
	free(why);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct doc_stream stream = {0};
	char *a, *b;

	fuzz_script(data, size);
	if (doc_yaml_parse((const char *)data, size, DOC_YAML_PYYAML, &stream, NULL) != 0)
		return 0;
	import_once(&stream, size & 1, &a);
	import_once(&stream, size & 1, &b);
	assert(!a == !b && (!a || strcmp(a, b) == 0));
	free(a);
	free(b);
	doc_stream_free(&stream);
	return 0;
}

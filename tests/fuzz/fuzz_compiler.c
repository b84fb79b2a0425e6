/*
 * YAML of any kind as the spec of a pipeline; a second document, when there is one, is the map of
 * FondantComponents, a third the parameters of a run. Properties: it is refused with a reason, or
 * the frozen spec is the same when compiled again, is read back, and gives every step its arguments
 * and, once it is bound to a run, its key.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/argv.h"
#include "compiler/compile.h"
#include "doc/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_frozen(const struct compile_output *out)
{
	struct frozen_spec *spec = NULL;

	assert(out->text_len <= COMPILE_MAX_TEXT);
	assert(frozen_spec_parse(out->text, out->text_len, &spec, NULL) == 0);
	assert(spec->steps_len == out->steps);
	frozen_spec_bind(spec, "run", 1795392000);
	frozen_spec_missing_parameter(spec);
	for (int i = 0; i < spec->steps_len; i++) {
		const char *input = spec->steps[i].loader ? NULL : "s3://b/manifest.json";
		struct strvec command = STRVEC_INIT, args = STRVEC_INIT;

		argv_build(spec, &spec->steps[i], "run", 2, input, &command, &args);
		assert(command.len == 3 && args.len >= 10);
		assert(spec->steps[i].cache_key && strlen(spec->steps[i].cache_key) == 64);
		strvec_clear(&command);
		strvec_clear(&args);
	}
	frozen_spec_free(spec);
}

static void fuzz_spec(const json_t *spec, const json_t *components, const json_t *parameters)
{
	struct compile_input in = {.namespace_ = "data",
		.pipeline = "clean-text",
		.spec = spec,
		.components = components,
		.parameters = parameters,
		.backend = "kubernetes",
		.features = ~0U};
	struct compile_output out, again;
	struct strvec refs = STRVEC_INIT;
	char intent[DIGEST_HEX_SIZE];
	struct buf text = BUF_INIT;

	if (compile_pipeline(&in, &out) == 0) {
		assert(out.frozen && diag_errors(&out.diags) == 0 && diag_waits(&out.diags) == 0);
		assert(compile_pipeline(&in, &again) == 0);
		assert(strcmp(out.hash, again.hash) == 0);
		check_frozen(&out);
		compile_output_clear(&again);
	} else {
		assert(!out.frozen && diag_errors(&out.diags) + diag_waits(&out.diags) > 0);
	}
	diag_format(&out.diags, &text, 1000);
	assert(text.len <= 1000);
	buf_free(&text);
	compile_output_clear(&out);
	compile_intent_hash(spec, intent);
	compile_component_refs(spec, &refs);
	strvec_clear(&refs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct doc_stream stream = {0};

	if (doc_yaml_parse((const char *)data, size, DOC_YAML_KUBERNETES, &stream, NULL) != 0)
		return 0;
	if (stream.len)
		fuzz_spec(stream.docs[0].root, stream.len > 1 ? stream.docs[1].root : NULL,
			stream.len > 2 ? stream.docs[2].root : NULL);
	doc_stream_free(&stream);
	return 0;
}

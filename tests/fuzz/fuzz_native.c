/*
 * Documents of other tools: a format's letter (k, v, s, c), a line with the parameters as JSON, and
 * the document. Properties: it is refused with findings, or has what the backend gets; a compose
 * file that is let through has steps, each with a container.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>
#include "base/mem.h"
#include "compiler/spec.h"
#include "doc/canon.h"
#include "doc/json.h"
#include "doc/path.h"
#include "doc/yaml.h"
#include "runners/docker_container.h"
#include "runners/docker_project.h"
#include "runners/runner.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct {
	char letter;
	const char *format;
	const struct runner *runner;
} formats[] = {
	{'k', "KubeflowIR", &runner_kubeflow},
	{'v', "VertexJob", &runner_vertex},
	{'s', "SageMakerPipeline", &runner_sagemaker},
	{'c', "Compose", &runner_docker},
};

/* NULL: it is not one that could be frozen. */
static struct frozen_spec *spec_of(
	const char *format, const char *backend, const json_t *document, const json_t *parameters)
{
	auto_json *json = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:O, s:{s:s, s:O}}",
		"apiVersion", "fondant.ai/v1alpha1", "kind", "FrozenSpec", "pipeline", "p",
		"namespace", "d", "backend", backend, "compiler", "1", "parameters", parameters,
		"native", "format", format, "document", document);
	auto_free char *text = json ? canon_str(json, CANON_COMPACT) : NULL;
	struct frozen_spec *spec = NULL;

	if (!text || frozen_spec_parse(text, strlen(text), &spec, NULL) < 0)
		return NULL;
	return spec;
}

static void check_steps(const struct frozen_spec *spec)
{
	struct frozen_spec *own = docker_project_steps(spec, NULL);
	struct runner_run run = {.spec = own,
		.namespace_ = "d",
		.pipeline = "p",
		.name = "r",
		.uid = "u",
		.run_id = "r-1"};

	assert(own && own->steps_len);
	for (int i = 0; i < own->steps_len; i++) {
		struct docker_container what = {.run = &run, .step = i, .attempt = 1};
		auto_json *body = docker_container_body(&what);

		assert(doc_str(body, "Image") && doc_str(body, "HostConfig.NetworkMode"));
		for (int k = 0; k < own->steps[i].needs_len; k++)
			assert(own->steps[i].needs[k] < i);
	}
	frozen_spec_free(own);
}

static void fuzz_document(size_t which, const json_t *document, const json_t *parameters)
{
	struct frozen_spec *spec =
		spec_of(formats[which].format, formats[which].runner->name, document, parameters);
	struct native_input in = {.spec = spec, .run_id = "r-1"};
	auto_diags diags = DIAG_LIST_INIT;
	auto_json *native = NULL;

	if (!spec)
		return;
	formats[which].runner->compile(&in, &native, &diags);
	assert(native || diag_errors(&diags));
	if (!diag_errors(&diags) && formats[which].letter == 'c')
		check_steps(spec);
	frozen_spec_free(spec);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data,
		   *line = size > 1 ? memchr(text + 1, '\n', size - 1) : NULL;
	auto_json *parameters = NULL, *document = NULL;
	size_t head;

	if (!line)
		return 0;
	head = (size_t)(line - text);
	if (doc_json_parse(text + 1, head - 1, &parameters, NULL) < 0 ||
		!json_is_object(parameters) ||
		doc_yaml_parse_one(line + 1, size - head - 1, DOC_YAML_PYYAML, &document, NULL) < 0)
		return 0;
	for (size_t i = 0; i < array_size(formats); i++) {
		if (formats[i].letter != text[0])
			continue;
		if (formats[i].letter == 'k') {
			auto_json *list = json_pack("[O]", document);

			fuzz_document(i, list, parameters);
		} else {
			fuzz_document(i, document, parameters);
		}
	}
	return 0;
}

#include "compiler/native.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "compiler/config_key.h"
#include "compiler/freeze.h"
#include "doc/json.h"
#include "doc/path.h"
#include "doc/yaml.h"

/* The pipeline's specification, and the platform's behind it. */
#define KUBEFLOW_DOCUMENTS 2

struct format {
	const char *name;
	const char *backend; /* the one kind that takes it */
	size_t documents;    /* at most */
};

static const struct format formats[] = {
	{"KubeflowIR", "kubeflow", KUBEFLOW_DOCUMENTS},
	{"VertexJob", "vertex", 1},
	{"SageMakerPipeline", "sagemaker", 1},
	{"Compose", "docker", 1},
};

static const char *const format_words[] = {
	"KubeflowIR", "VertexJob", "SageMakerPipeline", "Compose", NULL};

static const struct check_field native_fields[] = {
	{.name = "format", .kind = CHECK_WORD, .required = true, .words = format_words},
	{.name = "configMapKeyRef", .kind = CHECK_OBJECT},
	{.name = "inline", .kind = CHECK_STRING, .min = 1},
};

static const struct format *format_of(const char *name)
{
	for (size_t i = 0; name && i < array_size(formats); i++) {
		if (strcmp(formats[i].name, name) == 0)
			return &formats[i];
	}
	return NULL;
}

bool native_fits(const char *format, const char *backend)
{
	const struct format *known = format_of(format);

	return known && str_eq(known->backend, backend);
}

/* --- what stands beside it --- */

static void refuse_settings(struct compiler *m, const struct format *format)
{
	static const char *const without[] = {"datasetName", "workingDirectory",
		"imageDigestPolicy", "failurePolicy", "maxParallelSteps", "podTemplate", "steps"};
	const json_t *spec = m->in->spec;

	for (size_t i = 0; i < array_size(without); i++) {
		if (check_get(spec, without[i]))
			check_error_at(&m->c, without[i], "UnsupportedSetting",
				"has no effect beside `native`, whose document says all of what "
				"runs; remove it");
	}
	if (check_get(spec, "serviceAccountName") && strcmp(format->name, "KubeflowIR") != 0)
		check_error_at(&m->c, "serviceAccountName", "UnsupportedSetting",
			"is a ServiceAccount of Kubernetes, which a document of format `%s` knows "
			"nothing of; remove it",
			format->name);
}

static void check_backend(struct compiler *m, const struct format *format)
{
	if (strcmp(format->backend, m->c.backend) != 0)
		check_error_at(&m->c, "format", "UnsupportedFormat",
			"a document of format `%s` runs on a backend of the kind %s, and this one "
			"is %.63s: set spec.backendRef to a FondantBackend of that kind",
			format->name, format->backend, m->c.backend);
}

/* --- the document --- */

static bool is_json(const char *text)
{
	text += strspn(text, " \t\r\n");
	return *text == '{';
}

/* All documents of the text, empty ones left out; new reference. NULL with err. */
static json_t *read_documents(const char *text, size_t len, struct err *err)
{
	struct doc_stream stream;
	json_t *all, *json;

	if (is_json(text) && doc_json_parse(text, len, &json, NULL) == 0)
		return json_pack("[o]", json);
	if (doc_yaml_parse(text, len, DOC_YAML_PYYAML, &stream, err) < 0)
		return NULL;
	all = json_array();
	for (size_t i = 0; i < stream.len; i++) {
		if (!json_is_null(stream.docs[i].root))
			json_array_append(all, stream.docs[i].root);
	}
	doc_stream_free(&stream);
	return all;
}

static bool check_documents(struct compiler *m, const struct format *format, const json_t *all)
{
	json_t *document;
	size_t i;

	if (!json_array_size(all)) {
		check_error(&m->c, "InvalidDocument", "there is no document in the text");
		return false;
	}
	if (json_array_size(all) > format->documents) {
		check_error(&m->c, "InvalidDocument",
			"has %zu documents; format `%s` has at most %zu", json_array_size(all),
			format->name, format->documents);
		return false;
	}
	json_array_foreach (all, i, document) {
		if (!json_is_object(document)) {
			check_error(&m->c, "InvalidDocument", "the document must be a map, not %s",
				check_kind_of(document));
			return false;
		}
		if (!check_depth(&m->c, document))
			return false;
	}
	return true;
}

/* New reference, NULL with a finding. */
static json_t *parse(struct compiler *m, const struct format *format, const json_t *text)
{
	size_t len = json_string_length(text), max = compile_max_text(m->in);
	auto_err err = ERR_INIT;
	auto_json *all = NULL;

	if (len > max) {
		check_error(&m->c, "SpecTooLarge",
			"has %zu KiB, and %zu are the most that a frozen spec can hold", len >> 10,
			max >> 10);
		return NULL;
	}
	all = read_documents(json_string_value(text), len, &err);
	if (!all) {
		check_error(&m->c, "InvalidDocument", "the text is neither JSON nor YAML: %.300s",
			err_message(&err));
		return NULL;
	}
	if (!check_documents(m, format, all))
		return NULL;
	return json_incref(format->documents > 1 ? all : json_array_get(all, 0));
}

/* The document of what a run is pinned to; borrowed. */
static json_t *pinned_document(const struct compiler *m, const struct format *format)
{
	const json_t *native = json_object_get(m->in->pinned, "native");

	return str_eq(model_string(native, "format"), format->name)
		       ? json_object_get(native, "document")
		       : NULL;
}

/* New reference, NULL with a finding. */
static json_t *read_document(struct compiler *m, const json_t *native, const struct format *format)
{
	const json_t *text = check_get(native, "inline");
	json_t *pinned = text ? NULL : pinned_document(m, format), *document = NULL;
	size_t mark;

	if (pinned)
		return json_incref(pinned);
	if (text) {
		mark = where_key(&m->c.w, "inline");
		if (json_is_string(text) && json_string_length(text))
			document = parse(m, format, text);
		where_back(&m->c.w, mark);
		return document;
	}
	if (!config_key_check(m, native))
		return NULL;
	text = config_key_text(m, native, NULL);
	mark = where_key(&m->c.w, "configMapKeyRef");
	if (text)
		document = parse(m, format, text);
	where_back(&m->c.w, mark);
	return document;
}

void native_validate(struct compiler *m)
{
	const json_t *native = check_get(m->in->spec, "native");
	const struct format *format = format_of(model_string(native, "format"));
	json_t *document = NULL;

	if (!json_is_object(native))
		return; /* another kind is said by the table */
	where_init(&m->c.w, "spec.native");
	check_object(&m->c, native, native_fields, array_size(native_fields));
	if (!check_get(native, "inline") == !check_get(native, "configMapKeyRef"))
		check_error(&m->c, check_get(native, "inline") ? "InvalidValue" : "Required",
			"give exactly one of inline and configMapKeyRef");
	else if (format)
		document = read_document(m, native, format);
	if (format)
		check_backend(m, format);
	if (document)
		m->native = json_pack("{s:o, s:s}", "document", document, "format", format->name);
	where_init(&m->c.w, "spec");
	if (format)
		refuse_settings(m, format);
}

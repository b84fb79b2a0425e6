/* What a file is, from what is in it. */
#include "base/mem.h"
#include "base/str.h"
#include "cli/import_private.h"

static int refuse(struct diag_list *diags, const char *what)
{
	diag_add(diags, "", "UnknownFormat", "%s", what);
	return 1;
}

/* What a person may have taken by mistake. */
static int refuse_document(const json_t *doc, struct diag_list *diags)
{
	const char *kind = json_string_value(json_object_get(doc, "kind"));
	const char *version = json_string_value(json_object_get(doc, "Version"));

	if (str_eq(kind, "FondantPipeline"))
		return refuse(
			diags, "this is a FondantPipeline already; nothing is to be imported");
	if (str_eq(kind, "Workflow"))
		return refuse(diags,
			"this is a workflow of Argo, as KFP 1 compiles; compile the dataset again "
			"with the framework 0.12 and import its docker-compose.yml");
	if (str_eq(version, "2020-12-01"))
		return refuse(diags,
			"this is a pipeline of SageMaker, from which single quotes are gone; "
			"compile the dataset for docker and import its docker-compose.yml");
	if (json_object_get(doc, "image") && json_object_get(doc, "description"))
		return refuse(diags,
			"this is one component; put it under component.spec of a step, or make it "
			"a FondantComponent");
	return refuse(diags,
		"this is neither a docker-compose file nor the KFP IR (Kubeflow, Vertex AI) of the "
		"framework");
}

int import_stream(const struct doc_stream *stream, const struct import_options *options,
	json_t **ret_pipeline, struct diag_list *diags)
{
	const json_t *doc = NULL, *platform = NULL, *wrapped;

	for (size_t i = 0; i < stream->len; i++) {
		const json_t *root = stream->docs[i].root;

		if (json_is_null(root))
			continue;
		if (!doc)
			doc = root;
		else if (!platform && json_object_get(root, "platforms"))
			platform = root;
		else
			return refuse(diags, "there is more than one pipeline in it");
	}
	if (!doc)
		return refuse(diags, "there is nothing in it");
	/* A job of Vertex AI: the pipeline is a part of it. */
	wrapped = check_get(doc, "pipelineSpec");
	if (json_object_get(doc, "services") && !platform)
		return import_compose(doc, options, ret_pipeline, diags);
	if (json_object_get(doc, "root") && json_object_get(doc, "deploymentSpec"))
		return import_kfp(doc, platform, options, ret_pipeline, diags);
	if (json_object_get(wrapped, "root") && json_object_get(wrapped, "deploymentSpec"))
		return import_kfp(wrapped, platform, options, ret_pipeline, diags);
	return refuse_document(doc, diags);
}

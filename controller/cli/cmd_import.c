/* import: what the framework compiled, as a FondantPipeline. */
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/cmd.h"
#include "cli/import_pipeline.h"
#include "cli/output.h"
#include "cli/report.h"
#include "cli/source.h"
#include "doc/json.h"

static const char *const formats[] = {"yaml", "json", NULL};
static const char *const sources[] = {"delivered", "written", NULL};

static const struct cli_option options[] = {
	{.name = "name",
		.type = CLI_STRING,
		.argument = "NAME",
		.help = "the pipeline's name (default: from the document)"},
	{.name = "output",
		.letter = 'o',
		.type = CLI_STRING,
		.argument = "FORMAT",
		.words = formats,
		.fallback = "yaml",
		.help = "how to print the pipeline"},
	{.name = "python-source",
		.type = CLI_STRING,
		.argument = "WHICH",
		.words = sources,
		.fallback = "delivered",
		.help = "Python sources as the framework's container gets them, or as their author "
			"wrote them: its printf changes % and \\"},
	{0},
};

/* In the document that has the first part of the path. */
static struct doc_pos find_position(const struct source *source, const char *path)
{
	size_t n = strcspn(path, ".[");
	auto_free char *head = xstrndup(path, n);
	struct doc_pos pos = {.line = 0};

	for (size_t i = 0; *path && i < source->stream.len; i++) {
		const struct doc *doc = &source->stream.docs[i];
		auto_free char *wrapped = NULL;

		if (json_object_get(doc->root, head) && doc_position(doc, path, &pos))
			break;
		if (!json_object_get(doc->root, "pipelineSpec"))
			continue;
		wrapped = xasprintf("pipelineSpec.%s", path);
		if (doc_position(doc, wrapped, &pos))
			break;
	}
	return pos;
}

static void print_findings(struct cli *cli, const struct source *source, struct diag_list *diags)
{
	struct report report = {.items = NULL};

	diag_sort(diags);
	for (size_t i = 0; i < diags->len; i++) {
		const struct diag *d = &diags->items[i];

		report_add(&report, source, NULL, find_position(source, d->path),
			d->warning ? SEVERITY_WARNING : SEVERITY_ERROR, d->path, d->reason,
			d->message);
	}
	report.dropped = diags->dropped;
	report_sort(&report);
	report_text(&report, cli->err, cli->color_err);
	report_clear(&report);
}

static int import_source(struct cli *cli, const struct cli_args *args, const struct source *source)
{
	struct import_options what = {.name = cli_value(args, "name"),
		.written_source = str_eq(cli_value(args, "python-source"), "written")};
	auto_diags diags = DIAG_LIST_INIT;
	json_t *pipeline = NULL;
	int code = CLI_FINDINGS;

	if (source->error)
		diag_add(&diags, "", "InvalidYAML", "%s", source->error);
	else if (import_stream(&source->stream, &what, &pipeline, &diags) == 0)
		code = CLI_OK;
	print_findings(cli, source, &diags);
	if (code == CLI_OK)
		output_tree(pipeline, cli_value(args, "output"), cli->out);
	json_decref(pipeline);
	return code;
}

static int run(struct cli *cli, const struct cli_args *args)
{
	const char *path = args->positional.items[0];
	struct source source = {.name = NULL};
	struct buf text = BUF_INIT;
	auto_err err = ERR_INIT;
	int code;

	if (source_read(path, cli->in, &text, &err) < 0)
		return cli_fail(cli, CLI_USAGE, "%s", err_message(&err));
	source.name = xstrdup(path);
	source.len = text.len;
	source.text = buf_take(&text);
	source_parse(&source, DOC_YAML_PYYAML);
	code = import_source(cli, args, &source);
	source_clear(&source);
	return code;
}

static const char *const examples[] = {
	"import docker-compose.yml > pipeline.yaml",
	"a dataset that was compiled for docker",
	"import kubeflow.yaml --name clean-text | kubectl apply -f -",
	"one that was compiled for Kubeflow or Vertex AI, under another name, into the cluster",
	"import - -o json < docker-compose.yml",
	"from standard input, as JSON",
	NULL,
};

const struct cli_command cmd_import = {
	.name = "import",
	.summary = "turn what the framework compiled into a FondantPipeline",
	.usage = "FILE|- [--name NAME] [-o yaml|json]",
	.description =
		"Reads the docker-compose file, or the pipeline for Kubeflow or Vertex AI, that "
		"the "
		"framework (0.12) compiled, and prints the FondantPipeline that does the same: "
		"components with their images, mappings, arguments in their own types, Python "
		"components with source and requirements, what reads what, partitions, caching, "
		"resources, accelerators, node selectors, volumes.\n\nWhat cannot be said in a "
		"FondantPipeline is an error with its place, and nothing is printed. What is "
		"changed, or left out because it has no meaning here, is a warning. Run the result "
		"through validate: this compiler refuses pipelines that the framework accepts and "
		"that fail when they run.",
	.examples = examples,
	.options = options,
	.min_positional = 1,
	.max_positional = 1,
	.complete = CLI_COMPLETE_FILE,
	.run = run,
};

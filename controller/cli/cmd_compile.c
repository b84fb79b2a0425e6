#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/frozen.h"
#include "cli/output.h"
#include "compiler/argv.h"
#include "compiler/refs.h"
#include "compiler/spec.h"
#include "compiler/types.h"
#include "doc/canon.h"
#include "doc/json.h"
#include "doc/path.h"
#include "doc/yaml.h"
#include "runners/runner.h"

#define SHORT_KEY 12

struct printing {
	struct cli *cli;
	const struct cli_args *args;
	const char *format;
	int64_t scheduled_s;
};

/* "<pipeline>-<first 12 hex of the hash>", as the ConfigMap is called. Owned. */
static char *frozen_name(const struct frozen_text *frozen)
{
	return xasprintf("%s-%.12s", frozen->name, frozen->hash);
}

/* --- wide --------------------------------------------------------------------------------- */

static char *fields_text(const json_t *schema)
{
	auto_strvec names = STRVEC_INIT;
	struct buf out = BUF_INIT;

	if (!json_is_object(schema))
		return xstrdup("?");
	doc_sorted_keys(schema, &names);
	strvec_for_each (&names, i) {
		auto_free char *type = type_describe(json_object_get(schema, names.items[i]));

		buf_addf(&out, "%s%s:%s", i ? " " : "", names.items[i], type);
	}
	return out.len ? buf_take(&out) : xstrdup("-");
}

static char *key_text(const json_t *step)
{
	const char *key = doc_str(step, "cacheKey"), *template = doc_str(step, "cacheKeyTemplate");

	if (str_eq(doc_str(step, "cache.policy"), "Never") ||
		json_is_false(json_object_get(step, "cacheable")))
		return xstrdup("-");
	if (template)
		return xasprintf("%.*s+run", SHORT_KEY, template);
	return xasprintf("%.*s", SHORT_KEY, key ? key : "?");
}

static char *from_text(const json_t *step)
{
	const char *manifest = doc_str(step, "fromManifest");
	struct buf out = BUF_INIT;
	json_t *name;
	size_t i;

	if (manifest)
		return xstrdup(manifest);
	json_array_foreach (json_object_get(step, "from"), i, name)
		buf_addf(&out, "%s%s", i ? "," : "", json_string_value(name));
	return out.len ? buf_take(&out) : xstrdup("-");
}

static void print_wide(const struct printing *p, const struct frozen_text *frozen)
{
	auto_free char *name = frozen_name(frozen);
	struct table table = {.columns = 6};
	const char *format = doc_str(frozen->json, "native.format");
	const json_t *step;
	size_t i;

	if (format) {
		fprintf(p->cli->out, "%s: a document of format %s frozen as %s for %s\n",
			frozen->name, format, name, doc_str_or(frozen->json, "backend", ""));
		return;
	}
	fprintf(p->cli->out, "%s: %zu steps frozen as %s for %s, data in %s\n", frozen->name,
		json_array_size(json_object_get(frozen->json, "steps")), name,
		doc_str_or(frozen->json, "backend", ""),
		doc_str_or(frozen->json, "workingDirectory", ""));
	table_row(&table, "STEP", "COMPONENT", "IMAGE", "FROM", "KEY", "FIELDS");
	json_array_foreach (json_object_get(frozen->json, "steps"), i, step) {
		auto_free char *fields = fields_text(json_object_get(step, "schema"));
		auto_free char *key = key_text(step), *from = from_text(step);

		table_row(&table, doc_str_or(step, "name", ""),
			doc_str_or(step, "component.name", ""), doc_str_or(step, "image", ""), from,
			key, fields);
	}
	table_print(&table, p->cli->out);
	table_clear(&table);
}

/* --- argv --------------------------------------------------------------------------------- */

static json_t *json_of(const struct strvec *words)
{
	json_t *list = json_array();

	strvec_for_each (words, i)
		json_array_append_new(list, json_string(words->items[i]));
	return list;
}

/* What the step reads in a run without hits; NULL when it reads none. Owned. */
static char *input_path(
	const struct frozen_spec *spec, const struct spec_step *step, const char *run_id)
{
	auto_free char *merged = NULL;

	if (step->from_manifest)
		return refs_expand_text(
			step->from_manifest, &(struct refs_run){.name = spec->run_name,
						     .scheduled_s = spec->scheduled_s});
	if (!step->from_len)
		return NULL;
	if (step->from_len == 1)
		return argv_manifest_path(spec, spec->steps[step->from[0]].name, run_id, 1);
	merged = xasprintf("%s.inputs", step->name);
	return argv_manifest_path(spec, merged, run_id, 1);
}

static void print_argv(const struct printing *p, const struct frozen_spec *spec, const char *run_id)
{
	for (int i = 0; i < spec->steps_len; i++) {
		const struct spec_step *step = &spec->steps[i];
		auto_free char *input = input_path(spec, step, run_id), *text = NULL;
		auto_strvec command = STRVEC_INIT, words = STRVEC_INIT;
		auto_json *line = NULL;

		argv_build(spec, step, run_id, 1, input, &command, &words);
		line = json_pack("{s:s, s:o, s:o}", "step", step->name, "command",
			json_of(&command), "args", json_of(&words));
		/* names of Secrets, never values */
		if (step->secret_arguments)
			json_object_set(line, "secretArguments", (json_t *)step->secret_arguments);
		text = canon_str(line, CANON_COMPACT_ORDERED);
		fprintf(p->cli->out, "%s\n", text);
	}
}

/* --- native ------------------------------------------------------------------------------- */

/* An array is a file of several documents. */
static void print_documents(const json_t *native, FILE *out)
{
	const json_t *document;
	size_t i;

	if (!json_is_array(native))
		output_tree(native, "yaml", out);
	json_array_foreach (native, i, document) {
		fputs(i ? "---\n" : "", out);
		output_tree(document, "yaml", out);
	}
}

static int print_native(const struct printing *p, const struct frozen_spec *spec,
	const char *run_id, const json_t *settings)
{
	auto_json *native = NULL;
	int code = frozen_native(p->cli, spec, run_id, settings, &native);

	if (code != CLI_OK)
		return code;
	print_documents(native, p->cli->out);
	return CLI_OK;
}

/* --- the command ---------------------------------------------------------------------------- */

static int print_run(const struct printing *p, const struct frozen_text *frozen)
{
	const char *name = cli_value(p->args, "run"), *missing;
	auto_free char *own = frozen_name(frozen);
	struct frozen_spec *spec = NULL;
	auto_err err = ERR_INIT;
	int code = CLI_OK;

	if (frozen_spec_parse(frozen->text, frozen->len, &spec, &err) < 0)
		return cli_fail(p->cli, CLI_FINDINGS, "%s", err_message(&err));
	missing = frozen_spec_missing_parameter(spec);
	if (missing) {
		code = cli_fail(p->cli, CLI_FINDINGS,
			"parameter `%.63s` has no default, so a run must give it: -p %.63s=VALUE "
			"[ParameterRequired]",
			missing, missing);
	} else {
		name = name ? name : own;
		frozen_spec_bind(spec, name, p->scheduled_s);
		if (str_eq(p->format, "argv") && spec->native)
			code = cli_fail(p->cli, CLI_FINDINGS,
				"pipeline %s is a native document: what its containers get is up "
				"to the backend; -o native shows it",
				spec->pipeline);
		else if (str_eq(p->format, "argv"))
			print_argv(p, spec, name);
		else
			code = print_native(p, spec, name, frozen->settings);
	}
	frozen_spec_free(spec);
	return code;
}

static int print_one(const struct printing *p, const struct frozen_text *frozen, bool first)
{
	if (str_eq(p->format, "json")) {
		fwrite(frozen->text, 1, frozen->len, p->cli->out);
		fputc('\n', p->cli->out);
		return CLI_OK;
	}
	if (str_eq(p->format, "wide")) {
		fputs(first ? "" : "\n", p->cli->out);
		print_wide(p, frozen);
		return CLI_OK;
	}
	if (!first && !str_eq(p->format, "argv"))
		fputs("---\n", p->cli->out);
	if (str_eq(p->format, "yaml")) {
		output_tree(frozen->json, "yaml", p->cli->out);
		return CLI_OK;
	}
	return print_run(p, frozen);
}

static int run(struct cli *cli, const struct cli_args *args)
{
	const char *time = cli_value(args, "scheduled-time");
	const char *only = args->positional.len ? args->positional.items[0] : NULL;
	struct printing p = {.cli = cli,
		.args = args,
		.format = cli_value(args, "output"),
		.scheduled_s = time_wall_ms() / 1000};
	struct workspace ws;
	struct frozen_list list;
	auto_err err = ERR_INIT;
	int code;

	if (time && !time_parse_rfc3339(time, &p.scheduled_s))
		return cli_usage(cli, args,
			"--scheduled-time: \"%.60s\" is not a time such as 2026-11-24T03:00:00Z",
			time);
	if (cli_value(args, "run") && !str_is_dns_label(cli_value(args, "run")))
		return cli_usage(cli, args, "--run: \"%.80s\" is not the name of a run",
			cli_value(args, "run"));
	if (workspace_load(cli_list(args, "filename"), cli_flag(args, "recursive"), cli->in, &ws,
		    &err) < 0)
		return cli_fail(cli, CLI_USAGE, "%s", err_message(&err));
	code = frozen_load(cli, args, &ws, only, &list);
	for (size_t i = 0; i < list.len && code == CLI_OK; i++)
		code = print_one(&p, &list.items[i], i == 0);
	frozen_list_clear(&list);
	workspace_clear(&ws);
	return code;
}

static const char *const formats[] = {"wide", "json", "yaml", "argv", "native", NULL};

static const struct cli_option options[] = {
	WORKSPACE_OPTIONS,
	{.name = "output",
		.letter = 'o',
		.type = CLI_STRING,
		.argument = "FORMAT",
		.words = formats,
		.fallback = "wide",
		.help = "what to print"},
	COMPILE_OPTIONS,
	FROZEN_OPTIONS,
	{.name = "run",
		.type = CLI_STRING,
		.argument = "NAME",
		.help = "the run that argv and native are for (default: the frozen spec's name)"},
	{.name = "scheduled-time",
		.type = CLI_STRING,
		.argument = "TIME",
		.help = "what $(run.scheduledTime) reads, RFC 3339 (default: now)"},
	{0},
};

static const char *const examples[] = {
	"compile -f pipeline.yaml",
	"a table of the steps: component, image, what it reads, the fields of the dataset after "
	"it, "
	"the cache key",
	"compile -f pipelines/ clean-text -o json",
	"the frozen spec of one pipeline of a folder, byte for byte as the operator stores it",
	"compile -f pipeline.yaml -p rows=10 -o argv --run trial",
	"what the container of each step is told in run `trial`, a line of JSON a step",
	"compile -f pipeline.yaml --backend kubernetes -o native | kubectl apply --dry-run=server "
	"-f -",
	"the Jobs, asked of a cluster without making them",
	NULL,
};

const struct cli_command cmd_compile = {
	.name = "compile",
	.summary = "compile pipelines into frozen specs and what backends make of them",
	.usage = "-f FILE... [PIPELINE] [-o wide|json|yaml|argv|native] [options]",
	.description =
		"Compiles the FondantPipelines of the files, or the one that is named. "
		"FondantComponents, ConfigMaps (for sourceFrom) and FondantBackends of the files "
		"are "
		"used for that; no cluster and no registry is asked, so images stay as they are "
		"written unless --digest says what they are.\n\nFormats: wide is a table of the "
		"steps; its key is `-` where nothing is cached and ends in `+run` where it is "
		"complete only when a run starts. json is the canonical text of the frozen spec "
		"and "
		"a newline, the text that its name is the hash of. yaml is the same for reading. "
		"argv is a line of JSON a step, {step, command, args}, for the first attempt in a "
		"run without cache hits; secretArguments are shown as references. native is the "
		"backend's own document, for Kubernetes a List of Jobs. Findings go to stderr.",
	.examples = examples,
	.options = options,
	.max_positional = 1,
	.run = run,
};

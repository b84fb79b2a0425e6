#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "cli/modes.h"
#include "cli/output.h"
#include "cli/report.h"
#include "cli/shape.h"
#include "cli/workspace.h"
#include "compiler/check.h"
#include "doc/path.h"

/* Before the paths of what a run gives (compile.h). */
#define RUN_PREFIX "FondantRun: "

struct validation {
	struct cli *cli;
	struct workspace ws;
	struct compile_settings settings;
	struct report report;
	struct modes modes;
	struct map seen; /* "kind/namespace/name" -> struct object * */
	bool notes;
	size_t checked;
};

static struct doc_pos start_of(const struct object *object)
{
	auto_free char *path = xstrdup(object->prefix);
	struct doc_pos pos = {.line = object->doc->first_line, .column = 1};

	if (*path)
		path[strlen(path) - 1] = '\0';
	doc_position(object->doc, path, &pos);
	return pos;
}

static void add_at_start(struct validation *v, const struct object *object, enum severity severity,
	const char *reason, const char *message)
{
	report_add(&v->report, object->source, object, start_of(object), severity, "", reason,
		message);
}

static void note(struct validation *v, const struct object *object, const char *what)
{
	auto_free char *text = NULL, *clean = NULL;

	if (!v->notes)
		return;
	text = xasprintf("%s:%u: note: %s %s", object->source->name, start_of(object).line,
		*object->kind_name ? object->kind_name : "document", what);
	clean = str_clean_tail(text, strlen(text), 1024);
	fprintf(v->cli->err, "%s\n", clean);
}

/* Two of one name: kubectl apply keeps what comes last. */
static void check_twice(struct validation *v, const struct object *object)
{
	const struct object *first;
	auto_free char *key = xasprintf("%s/%s/%s", object->kind_name,
		object->namespace_ ? object->namespace_ : "", object->name);
	auto_free char *message = NULL;

	if (!*object->name)
		return;
	first = map_get(&v->seen, key);
	if (!first) {
		map_set(&v->seen, key, (void *)object);
		return;
	}
	message = xasprintf("there is a %s `%.63s` in %s:%u already, and only one of them would "
			    "be kept; rename or remove one",
		object->kind_name, object->name, first->source->name, start_of(first).line);
	add_at_start(v, object, SEVERITY_WARNING, "DuplicateObject", message);
}

static void check_strange(struct validation *v, const struct object *object)
{
	auto_free char *message = xasprintf(
		"`%.80s` of `%.80s` is not known to this version; it knows FondantPipeline, "
		"FondantComponent, FondantRun and FondantBackend of fondant.ai/v1alpha1",
		object->kind_name, json_string_value(json_object_get(object->json, "apiVersion")));

	add_at_start(v, object, SEVERITY_ERROR, "UnknownKind", message);
}

/* Said elsewhere: what is wrong with a component of this call at that component, that there is no
 * name by shape_check. */
static bool is_said(struct validation *v, const struct object *object, const struct diag *d)
{
	const char *slash = strchr(d->path, '/'), *colon = strstr(d->path, ": ");
	auto_free char *name = NULL;

	if (!*object->name && str_eq(d->path, "metadata.name"))
		return true;
	if (str_starts_with(d->path, "ComponentFolder/"))
		return true;
	if (!str_starts_with(d->path, "FondantComponent/") || !slash || !colon)
		return false;
	name = xstrndup(slash + 1, (size_t)(colon - slash - 1));
	return workspace_find(&v->ws, OBJECT_COMPONENT, object->namespace_, name) != NULL;
}

static void drop_said(struct validation *v, const struct object *object, struct diag_list *diags)
{
	size_t kept = 0;

	for (size_t i = 0; i < diags->len; i++) {
		struct diag *d = &diags->items[i];

		if (is_said(v, object, d)) {
			free(d->path);
			free(d->message);
		} else {
			diags->items[kept++] = *d;
		}
	}
	diags->len = kept;
}

static void check_pipeline(struct validation *v, const struct object *object)
{
	struct compile_output output;

	workspace_compile(&v->ws, object, &v->settings, &output);
	drop_said(v, object, &output.diags);
	report_diags(&v->report, &v->ws, object, &output.diags);
	compile_output_clear(&output);
}

/* --- a run whose pipeline is here ----------------------------------------------------------------
 */

static bool is_there(const struct diag_list *diags, const char *path, const char *message)
{
	for (size_t i = 0; i < diags->len; i++) {
		if (str_eq(diags->items[i].path, path) &&
			(!message || str_eq(diags->items[i].message, message)))
			return true;
	}
	return false;
}

/* Parameters that the pipeline leaves to its runs. */
static void check_required(const json_t *run, const json_t *pipeline, struct diag_list *diags)
{
	json_t *item;
	size_t i;

	json_array_foreach (doc_get(pipeline, "spec.parameters"), i, item) {
		const char *name = doc_str(item, "name");

		if (name && !check_get(item, "default") &&
			!doc_find(doc_get(run, "spec.parameters"), "name", name))
			diag_add(diags, "spec.parameters", "ParameterRequired",
				"parameter `%.63s` has no default, so the run must give it", name);
	}
}

/* Of what the compiler says with this run's settings, what is the run's: its parameters, and what
 * the pipeline alone does not have. */
static void take_own(const struct diag_list *with, const struct diag_list *alone,
	const struct diag_list *said, struct diag_list *ret_own)
{
	for (size_t i = 0; i < with->len; i++) {
		const struct diag *d = &with->items[i];
		const char *path = d->path + strlen(RUN_PREFIX);

		if (str_starts_with(d->path, RUN_PREFIX)) {
			if (!is_there(said, path, NULL))
				diag_add(ret_own, path, d->reason, "%s", d->message);
		} else if (!d->waits && !d->warning && !is_there(alone, d->path, d->message)) {
			diag_add(ret_own, "spec.pipelineRef", d->reason,
				"with the settings of this run, %s of the pipeline is wrong: %s",
				d->path, d->message);
		}
	}
}

/* said: what is wrong with the run already. */
static void check_run(struct validation *v, const struct object *run, const struct diag_list *said)
{
	const char *ns = run->namespace_ ? run->namespace_ : v->settings.namespace_;
	const char *name = doc_str(run->json, "spec.pipelineRef.name");
	const struct object *pipeline =
		name ? workspace_find(&v->ws, OBJECT_PIPELINE, ns, name) : NULL;
	struct compile_settings settings = v->settings;
	struct compile_output with, alone;
	auto_diags own = DIAG_LIST_INIT;

	if (!pipeline)
		return;
	workspace_compile(&v->ws, pipeline, &settings, &alone);
	settings.parameters = doc_get(run->json, "spec.parameters");
	settings.backend_ref = doc_str(run->json, "spec.backendRef.name");
	workspace_compile(&v->ws, pipeline, &settings, &with);
	take_own(&with.diags, &alone.diags, said, &own);
	check_required(run->json, pipeline->json, &own);
	diag_sort(&own);
	report_diags(&v->report, &v->ws, run, &own);
	compile_output_clear(&with);
	compile_output_clear(&alone);
}

static void check_ours(struct validation *v, const struct object *object)
{
	auto_diags diags = DIAG_LIST_INIT;

	v->checked++;
	shape_check(object, &diags);
	diag_sort(&diags);
	report_diags(&v->report, &v->ws, object, &diags);
	if (object->kind == OBJECT_PIPELINE && check_get(object->json, "spec"))
		check_pipeline(v, object);
	if (object->kind == OBJECT_RUN)
		check_run(v, object, &diags);
	modes_warn(&v->modes, &v->report, object);
	if (object->kind != OBJECT_COMPONENT_FILE)
		check_twice(v, object);
}

static void check_one(struct validation *v, const struct object *object)
{
	switch (object->kind) {
	case OBJECT_PIPELINE:
	case OBJECT_COMPONENT:
	case OBJECT_RUN:
	case OBJECT_BACKEND:
	case OBJECT_COMPONENT_FILE:
		check_ours(v, object);
		break;
	case OBJECT_STRANGE:
		v->checked++;
		check_strange(v, object);
		break;
	case OBJECT_UNKNOWN:
		if (object->source->found) {
			note(v, object, "without apiVersion and kind skipped");
			break;
		}
		v->checked++;
		add_at_start(v, object, SEVERITY_ERROR, "UnknownObject",
			"is no object: a pipeline begins with `apiVersion: fondant.ai/v1alpha1` "
			"and "
			"`kind: FondantPipeline`, a component file has name, image and "
			"description");
		break;
	case OBJECT_CONFIGMAP:
	case OBJECT_FROZEN:
		break;
	case OBJECT_FOREIGN:
		note(v, object, "skipped: not one of fondant.ai");
		break;
	}
}

static void check_all(struct validation *v)
{
	for (size_t i = 0; i < v->ws.sources_len; i++) {
		const struct source *source = &v->ws.sources[i];

		if (!source->error)
			continue;
		v->checked++;
		report_unreadable(&v->report, source);
	}
	for (size_t i = 0; i < v->ws.objects_len; i++)
		check_one(v, &v->ws.objects[i]);
	report_sort(&v->report);
}

static const char *plural(size_t n)
{
	return n == 1 ? "" : "s";
}

static void print_summary(const struct validation *v)
{
	const struct report *r = &v->report;

	fprintf(v->cli->out, "%zu object%s in %zu file%s: ", v->checked, plural(v->checked),
		v->ws.sources_len, plural(v->ws.sources_len));
	if (!r->errors && !r->warnings && !r->waiting) {
		fputs("all is well\n", v->cli->out);
		return;
	}
	fprintf(v->cli->out, "%zu error%s, %zu warning%s", r->errors, plural(r->errors),
		r->warnings, plural(r->warnings));
	if (r->waiting)
		fprintf(v->cli->out, ", %zu waiting for what is not in these files", r->waiting);
	fputc('\n', v->cli->out);
}

static void print(const struct validation *v, const char *format, bool quiet)
{
	if (format) {
		json_t *list = report_json(&v->report);

		output_tree(list, format, v->cli->out);
		json_decref(list);
		return;
	}
	report_text(&v->report, v->cli->out, v->cli->color_out);
	if (!quiet && v->checked)
		print_summary(v);
}

static int run(struct cli *cli, const struct cli_args *args)
{
	const char *format = cli_value(args, "output");
	bool quiet = cli_flag(args, "quiet");
	struct validation v = {.cli = cli, .notes = !quiet && !format};
	auto_err err = ERR_INIT;
	int code;

	v.settings = (struct compile_settings){.backend = cli_value(args, "backend"),
		.working_directory = cli_value(args, "working-directory"),
		.namespace_ = cli_value(args, "namespace")};
	if (workspace_load(cli_list(args, "filename"), cli_flag(args, "recursive"), cli->in, &v.ws,
		    &err) < 0)
		return cli_fail(cli, CLI_USAGE, "%s", err_message(&err));
	check_all(&v);
	print(&v, format, quiet);
	code = v.report.errors ? CLI_FINDINGS : CLI_OK;
	if (cli_flag(args, "strict") && (v.report.warnings || v.report.waiting))
		code = CLI_FINDINGS;
	if (!v.checked)
		code = cli_fail(cli, CLI_FINDINGS, "there is nothing of fondant.ai to check here");
	report_clear(&v.report);
	modes_clear(&v.modes);
	map_clear(&v.seen);
	workspace_clear(&v.ws);
	return code;
}

static const char *const formats[] = {"json", "yaml", NULL};

static const struct cli_option options[] = {
	WORKSPACE_OPTIONS,
	{.name = "output",
		.letter = 'o',
		.type = CLI_STRING,
		.argument = "FORMAT",
		.words = formats,
		.help = "print the findings as a list instead"},
	COMPILE_OPTIONS,
	{.name = "strict",
		.type = CLI_FLAG,
		.help = "warnings, and references to what is not in the files, are findings too"},
	{.name = "quiet",
		.letter = 'q',
		.type = CLI_FLAG,
		.help = "print the findings alone: no notes, no summary"},
	{0},
};

static const char *const examples[] = {
	"validate -f pipeline.yaml",
	"checks one file",
	"validate -f pipelines/ -R",
	"checks all .yaml, .yml and .json files of a folder and below; FondantComponents among "
	"them are used by the pipelines",
	"validate -f - < pipeline.yaml",
	"checks standard input",
	"validate -f src/my_component/fondant_component.yaml",
	"checks a component file of the framework",
	"validate -f pipelines/ --strict -o json",
	"for a pipeline of CI: a list of {file, line, column, severity, object, path, reason, "
	"message}, and exit code 1 for warnings, too",
	NULL,
};

const struct cli_command cmd_validate = {
	.name = "validate",
	.summary = "check pipelines, components, runs and backends; no cluster is asked",
	.usage = "-f FILE... [-R] [-o json|yaml] [options]",
	.description =
		"Checks every document of the files and says all that is wrong at once, each "
		"finding with its place (file:line:column), the path in the object, what to do, "
		"and "
		"a reason in brackets; the words are those of the object's conditions in a "
		"cluster.\n\nFondantPipelines are compiled as the operator does. "
		"FondantComponents, "
		"ConfigMaps (for sourceFrom), component folders and FondantBackends of the same "
		"call are used for that; what is not among the files is `waiting`, which is no "
		"error. A FondantRun "
		"whose pipeline is among the files is compiled with its parameters. Lines that "
		"hold secretArguments are not shown. Files called "
		"fondant_component.yaml and documents without kind that have an image are "
		"component "
		"files of the framework and are read as it reads them. Other kinds are skipped "
		"with "
		"a note.",
	.examples = examples,
	.options = options,
	.run = run,
};

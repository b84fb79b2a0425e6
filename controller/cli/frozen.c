#include "cli/frozen.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "cli/report.h"
#include "compiler/spec.h"
#include "doc/json.h"
#include "doc/path.h"
#include "runners/runner.h"

/* "name=value" -> name, owned, and value, borrowed; NULL when there is no `=`. */
static char *split(const char *pair, const char **ret_value)
{
	const char *equals = strchr(pair, '=');

	if (!equals || equals == pair)
		return NULL;
	*ret_value = equals + 1;
	return xstrndup(pair, (size_t)(equals - pair));
}

/* --- parameters and digests ------------------------------------------------------------------ */

static const char *parameter_type(const json_t *spec, const char *name)
{
	const json_t *parameter;
	size_t i;

	json_array_foreach (json_object_get(spec, "parameters"), i, parameter) {
		if (str_eq(doc_str(parameter, "name"), name))
			return doc_str(parameter, "type");
	}
	return NULL;
}

/* A text for a str, else JSON; what is no JSON stays a text, which the compiler then refuses. */
static json_t *parameter_value(const char *type, const char *value)
{
	json_t *json = NULL;

	if (!str_eq(type, "str") && doc_json_parse(value, strlen(value), &json, NULL) == 0)
		return json;
	return str_is_utf8(value, strlen(value)) ? json_string(value) : NULL;
}

/* New reference; NULL when one is wrong, which is said. */
static json_t *read_parameters(struct cli *cli, const struct cli_args *args, const json_t *spec)
{
	const struct strvec *given = cli_list(args, "parameter");
	json_t *list = json_array();

	strvec_for_each (given, i) {
		const char *text = NULL;
		auto_free char *name = split(given->items[i], &text);
		json_t *value = name ? parameter_value(parameter_type(spec, name), text) : NULL;

		if (!value || !str_is_utf8(name, strlen(name))) {
			json_decref(value);
			json_decref(list);
			cli_usage(cli, args, "--parameter: \"%.100s\" is not NAME=VALUE",
				given->items[i]);
			return NULL;
		}
		json_array_append_new(list, json_pack("{s:s, s:o}", "name", name, "value", value));
	}
	return list;
}

static bool is_digest(const char *s)
{
	return str_starts_with(s, "sha256:") && strlen(s) == 71 &&
	       strspn(s + 7, "0123456789abcdef") == 64;
}

/* The image without its tag. */
static char *repository_of(const char *image)
{
	const char *slash = strrchr(image, '/');
	const char *colon = strchr(slash ? slash : image, ':');

	return colon ? xstrndup(image, (size_t)(colon - image)) : xstrdup(image);
}

static json_t *read_digests(struct cli *cli, const struct cli_args *args)
{
	const struct strvec *given = cli_list(args, "digest");
	json_t *digests = json_object();

	strvec_for_each (given, i) {
		const char *text = NULL, *at;
		auto_free char *image = split(given->items[i], &text);
		auto_free char *reference = NULL;

		if (image && is_digest(text)) {
			auto_free char *repository = repository_of(image);

			reference = xasprintf("%s@%s", repository, text);
		} else if (image && (at = strchr(text, '@')) && is_digest(at + 1)) {
			reference = xstrdup(text);
		}
		if (!reference || !str_is_utf8(reference, strlen(reference)) ||
			!str_is_utf8(image, strlen(image))) {
			json_decref(digests);
			cli_usage(cli, args,
				"--digest: \"%.200s\" is not IMAGE=repository@sha256:<64 hex>",
				given->items[i]);
			return NULL;
		}
		json_object_set_new(digests, image, json_string(reference));
	}
	return digests;
}

/* --- the list ----------------------------------------------------------------------------- */

static struct frozen_text *append(struct frozen_list *list)
{
	list->items = xreallocarray(list->items, list->len + 1, sizeof(*list->items));
	list->items[list->len] = (struct frozen_text){.text = NULL};
	return &list->items[list->len++];
}

/* --- what is wrong with -p ---------------------------------------------------------------------
 */

#define PARAMETER_PREFIX "FondantRun: spec.parameters["

/* The index of the -p that a finding is about; SIZE_MAX: none. */
static size_t option_index(const struct strvec *given, const struct diag *d)
{
	unsigned index;

	if (!str_starts_with(d->path, PARAMETER_PREFIX) ||
		sscanf(d->path + strlen(PARAMETER_PREFIX), "%5u]", &index) != 1)
		return SIZE_MAX;
	return index < given->len ? index : SIZE_MAX;
}

/* The compiler speaks of YAML; a shell's word has quotes only where its text begins with one. */
static char *option_message(const char *message, const char *pair)
{
	const char *value = strchr(pair, '='), *hint = strstr(message, "; remove the quotes");

	return hint && value && value[1] != '"' ? xstrndup(message, (size_t)(hint - message))
						: xstrdup(message);
}

static void report_option(
	struct report *report, const struct source *source, const char *pair, const struct diag *d)
{
	auto_free char *message = option_message(d->message, pair);

	report_add(report, source, NULL, (struct doc_pos){.line = 0},
		d->warning ? SEVERITY_WARNING : SEVERITY_ERROR, "", d->reason, message);
}

static void print_diags(struct cli *cli, const struct cli_args *args, const struct workspace *ws,
	const struct object *object, const struct diag_list *diags)
{
	const struct strvec *given = cli_list(args, "parameter");
	struct source *sources = xcalloc(given->len + 1, sizeof(*sources));
	struct report report = {.items = NULL};

	strvec_for_each (given, i)
		sources[i] = (struct source){.text = (char *)"",
			.name = xasprintf(
				"-p %.*s", (int)strcspn(given->items[i], "="), given->items[i])};
	for (size_t i = 0; i < diags->len; i++) {
		const struct diag *d = &diags->items[i];
		size_t option = option_index(given, d);
		struct diag_list one = {.items = (struct diag *)d, .len = 1};

		if (option == SIZE_MAX)
			report_diags(&report, ws, object, &one);
		else
			report_option(&report, &sources[option], given->items[option], d);
	}
	report.dropped = diags->dropped;
	report_sort(&report);
	report_text(&report, cli->err, cli->color_err);
	report_clear(&report);
	strvec_for_each (given, i)
		free(sources[i].name);
	free(sources);
}

static int compile_one(struct cli *cli, const struct cli_args *args, struct workspace *ws,
	const struct object *object, const json_t *digests, const json_t *built,
	struct frozen_list *list)
{
	auto_json *parameters = read_parameters(cli, args, json_object_get(object->json, "spec"));
	struct compile_settings settings = {.backend = cli_value(args, "backend"),
		.working_directory = cli_value(args, "working-directory"),
		.namespace_ = cli_value(args, "namespace"),
		.digests = digests,
		.built = built,
		.parameters = parameters};
	struct compile_output output;
	struct frozen_text *frozen;
	int code = CLI_FINDINGS;

	if (!parameters)
		return CLI_USAGE;
	if (!json_array_size(parameters))
		settings.parameters = NULL;
	workspace_compile(ws, object, &settings, &output);
	if (!built || !output.text)
		print_diags(cli, args, ws, object, &output.diags);
	if (output.text) {
		frozen = append(list);
		frozen->text = take_ptr(output.text);
		frozen->len = output.text_len;
		frozen->name = object->name;
		frozen->pipeline = object;
		memcpy(frozen->hash, output.hash, sizeof(frozen->hash));
		code = doc_json_parse(frozen->text, frozen->len, &frozen->json, NULL) == 0
			       ? CLI_OK
			       : CLI_FINDINGS;
		frozen->settings = workspace_settings(workspace_backend(ws, object, &settings),
			doc_str_or(frozen->json, "backend", ""));
	}
	compile_output_clear(&output);
	return code;
}

/* As it is: a file of its canonical text, or the ConfigMap of a cluster. */
static int take_one(struct cli *cli, const struct workspace *ws, const struct object *object,
	struct frozen_list *list)
{
	const char *stored = json_string_value(
		json_object_get(json_object_get(object->json, "data"), "spec.json"));
	auto_free char *own = stored ? xstrdup(stored) : doc_json_dump(object->json);
	struct frozen_spec *spec = NULL;
	auto_err err = ERR_INIT;
	auto_json *json = NULL;
	struct frozen_text *frozen;

	if (frozen_spec_parse(own, strlen(own), &spec, &err) < 0)
		return cli_fail(
			cli, CLI_FINDINGS, "%s: %s", object->source->name, err_message(&err));
	json = json_incref(spec->json);
	frozen_spec_free(spec);
	frozen = append(list);
	frozen->name = doc_str_or(json, "pipeline", "");
	frozen->text = take_ptr(own);
	frozen->len = strlen(frozen->text);
	digest_sha256_hex(frozen->text, frozen->len, frozen->hash);
	frozen->json = take_ptr(json);
	frozen->settings = workspace_first_settings(ws, doc_str_or(frozen->json, "backend", ""));
	return CLI_OK;
}

static bool is_wanted(const struct object *object, const char *only)
{
	const char *name = object->name;

	if (object->kind == OBJECT_FROZEN)
		name = doc_str_or(object->json, "pipeline", NULL);
	return !only || !name || str_eq(name, only);
}

static int none_found(struct cli *cli, const char *only)
{
	if (only)
		return cli_fail(cli, CLI_FINDINGS,
			"there is no FondantPipeline `%.63s` in these files", only);
	return cli_fail(cli, CLI_FINDINGS, "there is no FondantPipeline in these files");
}

static int say_bad_sources(struct cli *cli, const struct workspace *ws)
{
	struct report report = {.items = NULL};
	int code;

	for (size_t i = 0; i < ws->sources_len; i++) {
		const struct source *source = &ws->sources[i];

		if (source->error)
			report_unreadable(&report, source);
	}
	report_text(&report, cli->err, cli->color_err);
	code = report.len ? CLI_FINDINGS : CLI_OK;
	report_clear(&report);
	return code;
}

int frozen_load(struct cli *cli, const struct cli_args *args, struct workspace *ws,
	const char *only, struct frozen_list *ret_list)
{
	return frozen_load_built(cli, args, ws, only, NULL, ret_list);
}

int frozen_load_built(struct cli *cli, const struct cli_args *args, struct workspace *ws,
	const char *only, const json_t *built, struct frozen_list *ret_list)
{
	auto_json *digests = read_digests(cli, args);
	int worst = digests ? say_bad_sources(cli, ws) : CLI_USAGE;

	*ret_list = (struct frozen_list){.items = NULL};
	for (size_t i = 0; i < ws->objects_len && worst != CLI_USAGE; i++) {
		const struct object *object = &ws->objects[i];
		int code = CLI_OK;

		if (object->kind == OBJECT_PIPELINE && is_wanted(object, only))
			code = compile_one(cli, args, ws, object, digests, built, ret_list);
		else if (object->kind == OBJECT_FROZEN && is_wanted(object, only))
			code = take_one(cli, ws, object, ret_list);
		worst = code > worst ? code : worst;
	}
	if (worst == CLI_OK && !ret_list->len)
		worst = none_found(cli, only);
	if (worst != CLI_OK)
		frozen_list_clear(ret_list);
	return worst;
}

void frozen_list_clear(struct frozen_list *list)
{
	for (size_t i = 0; i < list->len; i++) {
		free(list->items[i].text);
		json_decref(list->items[i].json);
	}
	free(list->items);
	*list = (struct frozen_list){.items = NULL};
}

int frozen_native(struct cli *cli, const struct frozen_spec *spec, const char *run_id,
	const json_t *settings, json_t **ret_native)
{
	const struct runner *runner = runner_find(spec->backend);
	struct native_input in = {.spec = spec, .run_id = run_id, .settings = settings};
	auto_diags diags = DIAG_LIST_INIT;
	auto_json *native = NULL;
	auto_buf text = BUF_INIT;

	if (!runner || !runner->compile)
		return cli_fail(cli, CLI_FINDINGS,
			"backend %s has no document of its own in this version", spec->backend);
	runner->compile(&in, &native, &diags);
	if (diag_errors(&diags)) {
		diag_format(&diags, &text, 64 << 10);
		return cli_fail(cli, CLI_FINDINGS, "%s", buf_str(&text));
	}
	if (diags.len) {
		diag_format(&diags, &text, 64 << 10);
		fprintf(cli->err, "warning: %s\n", buf_str(&text));
	}
	*ret_native = take_ptr(native);
	return CLI_OK;
}

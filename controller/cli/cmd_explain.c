#include <stdlib.h>
#include <string.h>
#include "base/digest.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/explain.h"
#include "cli/frozen.h"
#include "cli/output.h"
#include "doc/canon.h"
#include "doc/path.h"

#define SHORT 12
#define VALUE_SHOWN 72

/* One side: the frozen spec and the step in it. */
struct side {
	struct workspace ws;
	struct frozen_list list;
	const json_t *frozen, *step;
};

static void side_clear(struct side *side)
{
	frozen_list_clear(&side->list);
	workspace_clear(&side->ws);
}

static int no_step(struct cli *cli, const json_t *frozen, const char *name)
{
	auto_strvec names = STRVEC_INIT;
	auto_free char *joined = NULL;
	json_t *step;
	size_t i;

	if (json_object_get(frozen, "native"))
		return cli_fail(cli, CLI_FINDINGS,
			"pipeline %s is a native document: its steps have no cache keys",
			doc_str_or(frozen, "pipeline", ""));
	json_array_foreach (json_object_get(frozen, "steps"), i, step)
		strvec_add(&names, doc_str_or(step, "name", ""));
	joined = strvec_join(&names, ", ");
	return cli_fail(cli, CLI_FINDINGS, "there is no step `%.63s` in pipeline %s; it has: %s",
		name, doc_str_or(frozen, "pipeline", ""), joined);
}

static int load_side(struct cli *cli, const struct cli_args *args, const struct strvec *paths,
	const char *pipeline, const char *step, struct side *side)
{
	auto_err err = ERR_INIT;
	int code;

	if (workspace_load(paths, cli_flag(args, "recursive"), cli->in, &side->ws, &err) < 0)
		return cli_fail(cli, CLI_USAGE, "%s", err_message(&err));
	code = frozen_load(cli, args, &side->ws, pipeline, &side->list);
	if (code != CLI_OK)
		return code;
	if (side->list.len > 1)
		return cli_fail(cli, CLI_USAGE,
			"there is more than one pipeline in %s; say which by --pipeline",
			paths->items[0]);
	side->frozen = side->list.items[0].json;
	side->step = explain_step(side->frozen, step);
	return side->step ? CLI_OK : no_step(cli, side->frozen, step);
}

/* The value on one line, its beginning when it is long. Owned. */
static char *shown(const json_t *value)
{
	auto_free char *text = NULL;
	size_t len, cut = VALUE_SHOWN - 3;

	if (!value)
		return xstrdup("(not there)");
	text = canon_str(value, CANON_COMPACT);
	len = strlen(text);
	if (len <= VALUE_SHOWN)
		return take_ptr(text);
	while (cut && ((unsigned char)text[cut] & 0xc0) == 0x80)
		cut--;
	return xasprintf("%.*s... (%zu bytes)", (int)cut, text, len);
}

static void short_hash(const json_t *value, char out[DIGEST_HEX_SIZE])
{
	auto_free char *text = canon_str(value, CANON_COMPACT);

	digest_sha256_hex(text, strlen(text), out);
	out[SHORT] = '\0';
}

/* --- text --------------------------------------------------------------------------------- */

static bool waits(const json_t *step)
{
	return !doc_str(step, "cacheKey");
}

static void print_inputs(const struct side *side, struct table *table)
{
	json_t *name;
	size_t i;

	json_array_foreach (json_object_get(side->step, "from"), i, name) {
		const json_t *input = explain_step(side->frozen, json_string_value(name));
		auto_free char *part = xasprintf("input %s", json_string_value(name));
		auto_free char *key = xasprintf("%.*s", SHORT, explain_key(input));

		table_row(table, part, key, "key of that step");
	}
}

static void print_parts(struct cli *cli, const struct side *side)
{
	json_t *parts = explain_parts(side->step), *item;
	struct table table = {.columns = 3};
	size_t i;

	fprintf(cli->out, "step %s of %s\nkey  %s%s\n\n", doc_str_or(side->step, "name", ""),
		doc_str_or(side->frozen, "pipeline", ""), explain_key(side->step),
		waits(side->step) ? "  (a template: completed by the run's name and time)" : "");
	table_row(&table, "PART", "HASH", "VALUE");
	json_array_foreach (parts, i, item) {
		const json_t *value = json_object_get(item, "value");
		auto_free char *text = shown(value);
		char hash[DIGEST_HEX_SIZE];

		short_hash(value, hash);
		table_row(&table, doc_str_or(item, "part", ""), hash, text);
	}
	print_inputs(side, &table);
	table_print(&table, cli->out);
	table_clear(&table);
	json_decref(parts);
}

static void print_diff(struct cli *cli, const json_t *diff, int depth)
{
	const json_t *item;
	size_t i;

	json_array_foreach (diff, i, item) {
		const json_t *inputs = json_object_get(item, "inputs");
		auto_free char *before = shown(json_object_get(item, "before"));
		auto_free char *after = shown(json_object_get(item, "after"));
		auto_free char *part = NULL;

		part = str_clean_tail(
			doc_str_or(item, "part", ""), strlen(doc_str_or(item, "part", "")), 400);
		if (inputs) {
			fprintf(cli->out, "%*s%s: its key differs%s\n", depth * 2, "", part,
				json_array_size(inputs) ? ", because" : "");
			print_diff(cli, inputs, depth + 1);
		} else {
			fprintf(cli->out, "%*s%s: %s -> %s\n", depth * 2, "", part, before, after);
		}
	}
	if (!json_array_size(diff))
		fprintf(cli->out,
			"%*sno part differs: another version of the compiler made that key\n",
			depth * 2, "");
}

static bool same_key(const struct side *now, const struct side *then)
{
	return str_eq(explain_key(now->step), explain_key(then->step));
}

static void print_comparison(struct cli *cli, const struct side *now, const struct side *then)
{
	bool same = same_key(now, then);
	json_t *diff;

	fprintf(cli->out, "step %s of %s: %s\nnow     %s\nbefore  %s\n",
		doc_str_or(now->step, "name", ""), doc_str_or(now->frozen, "pipeline", ""),
		same ? "the same key" : "another key", explain_key(now->step),
		explain_key(then->step));
	if (same)
		return;
	diff = explain_diff(now->frozen, now->step, then->frozen, then->step);
	fputc('\n', cli->out);
	print_diff(cli, diff, 0);
	json_decref(diff);
}

/* --- trees -------------------------------------------------------------------------------- */

static json_t *tree(const struct side *now, const struct side *then)
{
	json_t *parts = explain_parts(now->step), *item, *inputs = json_array(), *name;
	json_t *out = json_pack("{s:s, s:s, s:s, s:b}", "pipeline",
		doc_str_or(now->frozen, "pipeline", ""), "step", doc_str_or(now->step, "name", ""),
		"key", explain_key(now->step), "complete", !waits(now->step));
	size_t i;

	json_array_foreach (parts, i, item) {
		char hash[DIGEST_HEX_SIZE];
		auto_free char *text = canon_str(json_object_get(item, "value"), CANON_COMPACT);

		digest_sha256_hex(text, strlen(text), hash);
		json_object_set_new(item, "sha256", json_string(hash));
	}
	json_array_foreach (json_object_get(now->step, "from"), i, name) {
		const json_t *input = explain_step(now->frozen, json_string_value(name));

		json_array_append_new(
			inputs, json_pack("{s:O, s:s}", "step", name, "key", explain_key(input)));
	}
	json_object_set_new(out, "parts", parts);
	json_object_set_new(out, "inputs", inputs);
	if (then) {
		json_object_set_new(out, "before", json_string(explain_key(then->step)));
		json_object_set_new(out, "differences",
			explain_diff(now->frozen, now->step, then->frozen, then->step));
	}
	return out;
}

/* --- the command ---------------------------------------------------------------------------- */

static int print(struct cli *cli, const struct cli_args *args, const struct side *now,
	const struct side *then)
{
	const char *format = cli_value(args, "output");

	if (format) {
		json_t *json = tree(now, then);

		output_tree(json, format, cli->out);
		json_decref(json);
	} else if (then) {
		print_comparison(cli, now, then);
	} else {
		print_parts(cli, now);
	}
	return then && !same_key(now, then) ? CLI_FINDINGS : CLI_OK;
}

static int run(struct cli *cli, const struct cli_args *args)
{
	const char *step = args->positional.items[0], *pipeline = cli_value(args, "pipeline");
	const struct strvec *against = cli_list(args, "against");
	const char *then_step = cli_value(args, "against-step");
	struct side now = {.step = NULL}, then = {.step = NULL};
	int code = load_side(cli, args, cli_list(args, "filename"), pipeline, step, &now);

	if (code == CLI_OK && against->len)
		code = load_side(cli, args, against, pipeline, then_step ? then_step : step, &then);
	if (code == CLI_OK)
		code = print(cli, args, &now, against->len ? &then : NULL);
	side_clear(&now);
	side_clear(&then);
	return code;
}

static const char *const formats[] = {"json", "yaml", NULL};

static const struct cli_option options[] = {
	WORKSPACE_OPTIONS,
	{.name = "against",
		.type = CLI_LIST,
		.argument = "FILE",
		.complete = CLI_COMPLETE_FILE,
		.help = "what to compare with: files with the other pipeline, a frozen spec "
			"(compile -o json), or its ConfigMap (kubectl get configmap -o yaml)"},
	{.name = "against-step",
		.type = CLI_STRING,
		.argument = "STEP",
		.help = "the step's name there, when it was another"},
	{.name = "pipeline",
		.type = CLI_STRING,
		.argument = "NAME",
		.help = "which pipeline, when there are several"},
	{.name = "output",
		.letter = 'o',
		.type = CLI_STRING,
		.argument = "FORMAT",
		.words = formats,
		.help = "print a tree instead"},
	COMPILE_OPTIONS,
	FROZEN_OPTIONS,
	{0},
};

static const char *const examples[] = {
	"explain keep-long -f pipeline.yaml",
	"what goes into the key of step keep-long: image, component, arguments, mappings, inputs",
	"explain keep-long -f pipeline.yaml --against frozen.json",
	"what differs from a frozen spec, such as that of the run that did not hit",
	"explain keep-long -f new.yaml --against old.yaml -o json",
	"the same of two pipelines, as {key, before, parts, differences}",
	NULL,
};

const struct cli_command cmd_explain = {
	.name = "explain",
	.summary = "say why a step's cache key is what it is, and what differs from another",
	.usage = "STEP -f FILE... [--against FILE...] [options]",
	.description =
		"A step hits the cache when an earlier success has the same key and was given the "
		"same inputs. Its key is made of the parts listed here and of nothing else: names "
		"of steps, descriptions, tags, labels, resources and retries do not count.\n\nWith "
		"--against the parts are compared one by one, and where an input's key differs, so "
		"are those of that step. Exit code 1 then says that the keys differ.",
	.examples = examples,
	.options = options,
	.min_positional = 1,
	.max_positional = 1,
	.run = run,
};

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "cli/output.h"
#include "cli/offer.h"
#include "cli/cmd.h"
#include "compiler/catalog.h"
#include "compiler/check.h"
#include "compiler/types.h"
#include "doc/canon.h"
#include "doc/json.h"
#include "doc/path.h"

#define SHORT_DESCRIPTION 60

void offer_components(struct strvec *ret_words)
{
	size_t len;
	const struct catalog_entry *entries = catalog_entries(&len);

	for (size_t i = 0; i < len; i++) {
		if (!strvec_has(ret_words, entries[i].name))
			strvec_add(ret_words, entries[i].name);
	}
}

/* --- one ---------------------------------------------------------------------------------- */

static void print_fields(struct cli *cli, const char *title, const json_t *fields)
{
	auto_strvec names = STRVEC_INIT;

	if (!json_is_object(fields))
		return;
	doc_sorted_keys(fields, &names);
	fprintf(cli->out, "\n%s\n", title);
	strvec_for_each (&names, i) {
		const json_t *type = json_object_get(fields, names.items[i]);
		auto_free char *text = NULL;

		if (str_eq(names.items[i], "additionalProperties")) {
			fputs("  any field\n", cli->out);
			continue;
		}
		text = type_describe(type);
		fprintf(cli->out, "  %s: %s\n", names.items[i], text);
	}
}

static void print_args(struct cli *cli, const json_t *args)
{
	const char *name;
	json_t *arg;

	if (!json_object_size(args))
		return;
	fputs("\nArguments\n", cli->out);
	json_object_foreach ((json_t *)args, name, arg) {
		const json_t *fallback = json_object_get(arg, "default");
		auto_free char *text = fallback ? canon_str(fallback, CANON_COMPACT) : NULL;

		fprintf(cli->out, "  %s: %s, ", name, doc_str_or(arg, "type", "?"));
		if (text)
			fprintf(cli->out, "default %s\n", text);
		else
			fputs("required\n", cli->out);
		fprintf(cli->out, "      %s\n", doc_str_or(arg, "description", ""));
	}
}

static void print_details(
	struct cli *cli, const struct catalog_entry *entry, const json_t *component)
{
	fprintf(cli->out, "%s\n%s\n\nImage\n  %s\n", doc_str_or(component, "name", ""),
		doc_str_or(component, "description", ""), doc_str_or(component, "image", ""));
	print_fields(cli, "Consumes", json_object_get(component, "consumes"));
	print_fields(cli, "Produces", json_object_get(component, "produces"));
	print_args(cli, json_object_get(component, "args"));
	fprintf(cli->out, "\nIn a step\n  component: {catalog: {name: %s, version: %s}}\n",
		entry->name, entry->version);
}

static int unknown_component(struct cli *cli, const char *name, const char *version)
{
	const struct catalog_entry *other = catalog_entry(name, NULL);
	auto_strvec names = STRVEC_INIT;
	auto_diags diags = DIAG_LIST_INIT;
	char near[CHECK_HINT_SIZE] = "";
	struct check c;

	if (other)
		snprintf(near, sizeof(near), "; there is version %s of it", other->version);
	offer_components(&names);
	check_init(&c, &diags, "");
	if (!other && names.len)
		check_hint_word(&c, (const char *const *)names.items, name, near);
	return cli_fail(cli, CLI_FINDINGS,
		"there is no component `%.80s`%s%.20s in the catalogue%s%s", name,
		version ? " of version " : "", version ? version : "", near,
		*near ? "" : "; `kubectl fondant components` lists it");
}

static int show_one(struct cli *cli, const char *name, const char *version, const char *format)
{
	const struct catalog_entry *entry = catalog_entry(name, version);
	auto_json *component = entry ? catalog_find(name, entry->version) : NULL;

	if (!component)
		return unknown_component(cli, name, version);
	if (str_eq(format, "yaml"))
		fputs(entry->text, cli->out);
	else if (str_eq(format, "json"))
		output_tree(component, "json", cli->out);
	else
		print_details(cli, entry, component);
	return CLI_OK;
}

/* --- all ---------------------------------------------------------------------------------- */

/* The first sentence, or what fits. Owned. */
static char *short_description(const json_t *component)
{
	const char *text = doc_str_or(component, "description", "");
	size_t len = strcspn(text, "\n");

	if (len <= SHORT_DESCRIPTION)
		return xstrndup(text, len);
	for (len = SHORT_DESCRIPTION; len && text[len] != ' ';)
		len--;
	return xasprintf("%.*s...", (int)len, text);
}

static void list_table(
	struct cli *cli, const struct catalog_entry *entries, size_t len, const char *version)
{
	struct table table = {.columns = 4};

	table_row(&table, "NAME", "VERSION", "IMAGE", "DESCRIPTION");
	for (size_t i = 0; i < len; i++) {
		auto_json *component = NULL;
		auto_free char *text = NULL;

		if (version && !str_eq(version, entries[i].version))
			continue;
		component = catalog_find(entries[i].name, entries[i].version);
		text = short_description(component);
		table_row(&table, entries[i].name, entries[i].version,
			doc_str_or(component, "image", ""), text);
	}
	table_print(&table, cli->out);
	table_clear(&table);
}

static void list_tree(struct cli *cli, const struct catalog_entry *entries, size_t len,
	const char *version, const char *format)
{
	auto_json *list = json_array();

	for (size_t i = 0; i < len; i++) {
		auto_json *component = NULL;

		if (version && !str_eq(version, entries[i].version))
			continue;
		component = catalog_find(entries[i].name, entries[i].version);
		json_array_append_new(
			list, json_pack("{s:s, s:s, s:O}", "name", entries[i].name, "version",
				      entries[i].version, "component", component));
	}
	output_tree(list, format, cli->out);
}

static bool has_version(const struct catalog_entry *entries, size_t len, const char *version)
{
	for (size_t i = 0; i < len; i++) {
		if (str_eq(entries[i].version, version))
			return true;
	}
	return false;
}

static int run(struct cli *cli, const struct cli_args *args)
{
	const char *version = cli_value(args, "version"), *format = cli_value(args, "output");
	const struct catalog_entry *entries;
	size_t len;

	if (args->positional.len)
		return show_one(cli, args->positional.items[0], version, format);
	entries = catalog_entries(&len);
	if (version && !has_version(entries, len, version))
		return cli_fail(cli, CLI_FINDINGS, "the catalogue has no version `%.20s`", version);
	if (str_eq(format, "wide"))
		list_table(cli, entries, len, version);
	else
		list_tree(cli, entries, len, version, format);
	return CLI_OK;
}

static const char *const formats[] = {"wide", "json", "yaml", NULL};

static const struct cli_option options[] = {
	{.name = "version",
		.type = CLI_STRING,
		.argument = "VERSION",
		.help = "version of the framework that the component is from"},
	{.name = "output",
		.letter = 'o',
		.type = CLI_STRING,
		.argument = "FORMAT",
		.words = formats,
		.fallback = "wide",
		.help = "how to print it; yaml of one component is its file"},
	{0},
};

static const char *const examples[] = {
	"components",
	"lists the catalogue",
	"components load_from_parquet",
	"what it reads and makes, and its arguments",
	"components load_from_parquet -o yaml",
	"its component file, to start one's own from",
	NULL,
};

const struct cli_command cmd_components = {
	.name = "components",
	.summary = "the reusable components of the catalogue",
	.usage = "[NAME] [--version VERSION] [-o wide|json|yaml]",
	.description = "Lists the components that come with the operator, or shows one of them. A "
		       "step uses one by `component: {catalog: {name: NAME, version: VERSION}}`.",
	.examples = examples,
	.options = options,
	.max_positional = 1,
	.offer = offer_components,
	.run = run,
};

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/cache.h"
#include "cli/output.h"
#include "doc/json.h"
#include "doc/path.h"
#include "reconcile/names.h"

#define SHORT_KEY 12
#define MIN_KEY 6
#define MAX_ROUNDS 5
#define SELECTOR LABEL_CACHE "=true"

static const char *annotation(const json_t *index, const char *name)
{
	const char *value =
		json_string_value(json_object_get(doc_get(index, "metadata.annotations"), name));

	return value ? value : "";
}

static int by_dataset_and_age(const void *a, const void *b)
{
	const struct cache_entry *x = a, *y = b;
	int order = strcmp(x->dataset, y->dataset);

	order = order ? order : strcmp(x->directory, y->directory);
	if (!order && x->time != y->time)
		order = x->time > y->time ? -1 : 1;
	return order ? order : strcmp(x->key, y->key);
}

void cache_read(const json_t *indexes, struct cache_entries *ret_entries)
{
	struct cache_entries entries = {.items = NULL};
	json_t *index, *value;
	const char *key;
	size_t i;

	json_array_foreach (indexes, i, index) {
		json_t *data = json_object_get(index, "data");

		entries.items = xreallocarray(entries.items,
			entries.len + json_object_size(data) + 1, sizeof(*entries.items));
		json_object_foreach (data, key, value) {
			const char *text = json_string_value(value);
			auto_json *entry = NULL;

			if (text)
				doc_json_parse_lenient(text, strlen(text), &entry, NULL);
			entries.items[entries.len++] = (struct cache_entry){.index = index,
				.key = key,
				.dataset = annotation(index, "fondant.ai/dataset"),
				.directory = annotation(index, "fondant.ai/working-directory"),
				.at = xstrdup(doc_str_or(entry, "at", "?")),
				.time = doc_int_or(entry, "time", 0)};
		}
	}
	if (entries.len)
		qsort(entries.items, entries.len, sizeof(*entries.items), by_dataset_and_age);
	*ret_entries = entries;
}

void cache_entries_clear(struct cache_entries *entries)
{
	for (size_t i = 0; i < entries->len; i++)
		free(entries->items[i].at);
	free(entries->items);
	*entries = (struct cache_entries){.items = NULL};
}

/* --- ls ----------------------------------------------------------------------------------- */

static void print_table(struct cli *cli, const struct cache_entries *entries)
{
	int64_t now = time_wall_ms() / 1000;
	struct table table = {.columns = 5};

	table_row(&table, "DATASET", "KEY", "AGE", "AT", "WORKING-DIRECTORY");
	for (size_t i = 0; i < entries->len; i++) {
		const struct cache_entry *e = &entries->items[i];
		auto_free char *key = xasprintf("%.*s", SHORT_KEY, e->key);
		char age[AGE_SIZE];

		table_row(&table, e->dataset, key, e->time ? output_age(now - e->time, age) : "?",
			e->at, e->directory);
	}
	table_print(&table, cli->out);
	table_clear(&table);
}

static void print_tree(struct cli *cli, const struct cache_entries *entries, const char *format)
{
	json_t *list = json_array();

	for (size_t i = 0; i < entries->len; i++) {
		const struct cache_entry *e = &entries->items[i];
		char time[TIME_RFC3339_SIZE];

		json_array_append_new(
			list, json_pack("{s:s, s:s, s:s, s:s, s:s}", "dataset", e->dataset,
				      "workingDirectory", e->directory, "key", e->key, "at", e->at,
				      "time", time_format_rfc3339(e->time, time)));
	}
	output_tree(list, format, cli->out);
	json_decref(list);
}

static int run_ls(struct cli *cli, const struct cli_args *args)
{
	const char *format = cli_value(args, "output");
	struct cache_entries entries;
	struct session session;
	auto_json *indexes = NULL;
	auto_err err = ERR_INIT;
	int result;

	if (session_open(args, &session, &err) < 0)
		return cli_fail(cli, CLI_USAGE, "%s", err_message(&err));
	result = session_list(
		&session, &kube_configmaps, session.namespace_, SELECTOR, &indexes, &err);
	session_close(&session);
	if (result < 0)
		return cli_fail(cli, CLI_USAGE, "%s", err_message(&err));
	cache_read(indexes, &entries);
	if (format)
		print_tree(cli, &entries, format);
	else
		print_table(cli, &entries);
	cache_entries_clear(&entries);
	return CLI_OK;
}

/* --- prune -------------------------------------------------------------------------------- */

struct prune {
	struct cli *cli;
	struct session *session;
	int64_t before_s; /* entries of that time and older; 0: any */
	const char *key;  /* prefix; NULL: any */
	bool dry_run;
	size_t removed;
};

static bool is_meant(const struct prune *p, const struct cache_entry *entry)
{
	return (!p->key || str_starts_with(entry->key, p->key)) &&
	       (!p->before_s || entry->time <= p->before_s);
}

static void say_removed(const struct prune *p, const struct cache_entry *entry)
{
	char time[TIME_RFC3339_SIZE];

	fprintf(p->cli->out, "%s %.*s  %s  %s  %s\n", p->dry_run ? "would remove" : "removed",
		SHORT_KEY, entry->key, entry->dataset, entry->at,
		time_format_rfc3339(entry->time, time));
}

/* One index; KUBE_CONFLICT when it has changed meanwhile. */
static int prune_index(
	struct prune *p, const json_t *index, const struct cache_entries *entries, struct err *err)
{
	auto_json *data = json_object();
	auto_json *patch = NULL;
	int result = 0;

	for (size_t i = 0; i < entries->len; i++) {
		if (entries->items[i].index == index && is_meant(p, &entries->items[i]))
			json_object_set_new(data, entries->items[i].key, json_null());
	}
	if (!json_object_size(data))
		return 0;
	patch = json_pack("{s:{s:s}, s:O}", "metadata", "resourceVersion",
		doc_str_or(index, "metadata.resourceVersion", ""), "data", data);
	if (!p->dry_run)
		result = session_patch(p->session, &kube_configmaps, p->session->namespace_,
			doc_str_or(index, "metadata.name", ""), patch, err);
	if (result != 0)
		return result;
	for (size_t i = 0; i < entries->len; i++) {
		if (entries->items[i].index != index || !is_meant(p, &entries->items[i]))
			continue;
		say_removed(p, &entries->items[i]);
		p->removed++;
	}
	return 0;
}

/* All indexes once; > 0 when one of them has to be looked at again. */
static int prune_round(struct prune *p, struct err *err)
{
	struct cache_entries entries;
	auto_json *indexes = NULL;
	int result = 0, again = 0;
	json_t *index;
	size_t i;

	if (session_list(p->session, &kube_configmaps, p->session->namespace_, SELECTOR, &indexes,
		    err) < 0)
		return -1;
	cache_read(indexes, &entries);
	json_array_foreach (indexes, i, index) {
		result = prune_index(p, index, &entries, err);
		if (result < 0)
			break;
		again += result == KUBE_CONFLICT;
	}
	cache_entries_clear(&entries);
	return result < 0 ? -1 : again;
}

static int prune_entries(struct prune *p)
{
	auto_err err = ERR_INIT;
	int result = 1;

	for (int i = 0; i < MAX_ROUNDS && result > 0; i++)
		result = prune_round(p, &err);
	if (result < 0)
		return cli_fail(p->cli, CLI_USAGE, "%s", err_message(&err));
	if (result > 0)
		return cli_fail(p->cli, CLI_USAGE, "the index keeps changing; try again");
	fprintf(p->cli->out, "%zu entries %s\n", p->removed,
		p->dry_run ? "would be removed" : "removed");
	return CLI_OK;
}

static bool is_key(const char *s)
{
	size_t len = strlen(s);

	return len >= MIN_KEY && len <= 64 && strspn(s, "0123456789abcdef") == len;
}

static int run_prune(struct cli *cli, const struct cli_args *args)
{
	const char *older = cli_value(args, "older-than"), *key = cli_value(args, "key");
	bool data = cli_flag(args, "data"), all = cli_flag(args, "all");
	const struct strvec *volumes = cli_list(args, "volume");
	struct prune p = {.cli = cli, .key = key, .dry_run = cli_flag(args, "dry-run")};
	struct session session;
	auto_err err = ERR_INIT;
	int64_t older_s = 0;
	int code;

	if (older && !time_parse_duration(older, &older_s))
		return cli_usage(
			cli, args, "--older-than: \"%.40s\" is not a duration such as 24h", older);
	if (key && !is_key(key))
		return cli_usage(cli, args, "--key: \"%.80s\" is not %d to 64 hexadecimal digits",
			key, MIN_KEY);
	if (data ? key || all : !older + !key + !all == 3 || volumes->len)
		return cli_usage(cli, args,
			data ? "--data goes with --volume and --older-than"
			     : "say what: --older-than, --key or --all");
	if (session_open(args, &session, &err) < 0)
		return cli_fail(cli, CLI_USAGE, "%s", err_message(&err));
	p.session = &session;
	if (older)
		p.before_s = time_wall_ms() / 1000 - older_s;
	code = data ? cache_prune_data(cli, &session, volumes, older ? older_s : 3600, p.dry_run)
		    : prune_entries(&p);
	session_close(&session);
	return code;
}

/* --- tables ------------------------------------------------------------------------------- */

static const char *const formats[] = {"json", "yaml", NULL};

static const struct cli_option ls_options[] = {
	{.name = "output",
		.letter = 'o',
		.type = CLI_STRING,
		.argument = "FORMAT",
		.words = formats,
		.help = "print a list instead"},
	SESSION_OPTIONS,
	{0},
};

static const char *const ls_examples[] = {
	"cache ls -n data",
	"what steps of pipelines in namespace data may hit",
	NULL,
};

static const struct cli_command cmd_cache_ls = {
	.name = "ls",
	.summary = "list what steps may find again",
	.usage = "[-n NAMESPACE] [-o json|yaml]",
	.description = "Lists the cache entries of a namespace: the key of the step, where its "
		       "dataset lies below <working directory>/<dataset>, and its age.",
	.examples = ls_examples,
	.options = ls_options,
	.run = run_ls,
};

static const struct cli_option prune_options[] = {
	{.name = "older-than",
		.type = CLI_STRING,
		.argument = "DURATION",
		.help = "what is older than that, such as 24h; with --data 1h when it is not "
			"given"},
	{.name = "key",
		.type = CLI_STRING,
		.argument = "KEY",
		.help = "the entries of this key, or of those that begin so"},
	{.name = "all", .type = CLI_FLAG, .help = "all entries of the namespace"},
	{.name = "dry-run", .type = CLI_FLAG, .help = "say what would be removed, remove nothing"},
	{.name = "data",
		.type = CLI_FLAG,
		.help = "instead of entries, remove the data of runs that nothing refers to"},
	{.name = "volume",
		.type = CLI_LIST,
		.argument = "DIRECTORY[=LOCAL]",
		.complete = CLI_COMPLETE_DIR,
		.help = "with --data: this working directory, an s3:// URI or on a volume that is "
			"mounted here "
			"in the same place or in LOCAL"},
	SESSION_OPTIONS,
	{0},
};

static const char *const prune_examples[] = {
	"cache prune --older-than 720h --dry-run",
	"what a prune of all entries older than 30 days would remove",
	"cache prune --key 3f2a9c01d7be",
	"lets the step with that key run again",
	"cache prune --data --volume /data/artifacts=/mnt/nfs/artifacts --dry-run",
	"which folders of runs on that volume nothing refers to any more, and how large they are",
	NULL,
};

static const struct cli_command cmd_cache_prune = {
	.name = "prune",
	.summary = "remove cache entries, or data that nothing refers to",
	.usage = "--older-than DURATION|--key KEY|--all|--data --volume DIRECTORY[=LOCAL] "
		 "[--dry-run]",
	.description =
		"Removes cache entries: steps that would have hit run again; data stays.\n\nWith "
		"--data it removes folders of runs, <working directory>/<dataset>/<run id>, when "
		"all of this holds: no FondantRun of the cluster has that run id; no pipeline, "
		"run, "
		"frozen spec or cache entry in any namespace names it; no manifest of another "
		"folder in the working directory has fields in it; every manifest in it says that "
		"it is of that run; nothing in it is younger than --older-than. So it needs to "
		"read "
		"these objects in all namespaces, and refuses where it may not. Manifests in "
		"other working directories are not read: what they refer to in this one counts "
		"only where a pipeline, run or frozen spec names it. What another "
		"cluster keeps in the same working directory is not known: do not use it there. "
		"An s3:// store is asked with AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION "
		"and AWS_ENDPOINT_URL_S3 of the environment. "
		"Symbolic links are never followed and other file systems never entered.",
	.examples = prune_examples,
	.options = prune_options,
	.run = run_prune,
};

static const struct cli_command *const subcommands[] = {&cmd_cache_ls, &cmd_cache_prune, NULL};

const struct cli_command cmd_cache = {
	.name = "cache",
	.summary = "look into the cache of a cluster, and prune it",
	.usage = "ls|prune [options]",
	.description = "Cache entries live in ConfigMaps beside the pipelines; data lies in the "
		       "working directories.",
	.subcommands = subcommands,
};

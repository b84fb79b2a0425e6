#include "merge/merge.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "doc/json.h"
#include "merge/manifest.h"

static const char usage[] =
	"Usage: fondant-merge --output URI INPUT...\n"
	"\n"
	"Writes one manifest of several: the rows and the metadata of the first INPUT, the\n"
	"fields of all. INPUT and URI are local paths or s3://bucket/key.\n"
	"\n"
	"  -o, --output URI  where the merged manifest goes; folders are made\n"
	"  -h, --help        print this and exit\n"
	"      --version     print the version and exit\n"
	"\n"
	"Environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION,\n"
	"AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, AWS_CA_BUNDLE.\n"
	"\n"
	"Exit code: 0 done, 1 it could not be done, 2 wrong usage.\n";

static int read_manifest(
	struct store *store, const char *input, json_t **ret_manifest, struct err *err)
{
	auto_buf text = BUF_INIT;

	if (store_read(store, input, MANIFEST_MAX, &text, err) < 0)
		return -1;
	if (manifest_parse(buf_str(&text), text.len, ret_manifest, err) < 0)
		return err_wrap(err, "%.300s", input);
	return 0;
}

int merge(struct store *store, const char *output, const char *const *inputs, size_t len,
	struct err *err)
{
	auto_free json_t **manifests = xcalloc(len + 1, sizeof(json_t *));
	auto_json *merged = NULL;
	auto_free char *text = NULL;
	size_t read = 0;
	int r = store_check_uri(output, "output", err);

	while (r == 0 && read < len) {
		r = read_manifest(store, inputs[read], &manifests[read], err);
		read += r == 0;
	}
	if (r == 0)
		r = manifest_merge(
			(const json_t *const *)manifests, inputs, len, output, &merged, err);
	for (size_t i = 0; i < read; i++)
		json_decref(manifests[i]);
	if (r < 0)
		return -1;
	text = doc_json_dump(merged);
	return store_write(store, output, text, strlen(text), err);
}

static int complain(const char *what)
{
	fprintf(stderr, "fondant-merge: %s\nTry: fondant-merge --help\n", what);
	return 2;
}

static int run(const char *output, char *const *inputs, size_t len,
	const char *(*get)(void *user, const char *name), void *user)
{
	struct store *store = store_new(get, user);
	auto_err err = ERR_INIT;
	int r = merge(store, output, (const char *const *)inputs, len, &err);

	if (r < 0)
		fprintf(stderr, "fondant-merge: %s\n", err_message(&err));
	store_free(store);
	return r < 0 ? 1 : 0;
}

int merge_command(
	int argc, char *const *argv, const char *(*get)(void *user, const char *name), void *user)
{
	enum { OPTION_VERSION = 256 };
	static const struct option options[] = {
		{.name = "output", .has_arg = required_argument, .val = 'o'},
		{.name = "help", .val = 'h'},
		{.name = "version", .val = OPTION_VERSION},
		{.name = NULL},
	};
	const char *output = NULL;
	int letter;

	optind = 0; /* from the start, however often */
	while ((letter = getopt_long(argc, argv, "o:h", options, NULL)) != -1) {
		switch (letter) {
		case 'o':
			output = optarg;
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		case OPTION_VERSION:
			puts("fondant-merge " FONDANT_VERSION);
			return 0;
		default:
			return 2; /* getopt has said why */
		}
	}
	if (!output)
		return complain("--output is missing");
	if (optind >= argc)
		return complain("there is no input");
	if ((size_t)(argc - optind) > MERGE_MAX_INPUTS)
		return complain("too many inputs");
	return run(output, argv + optind, (size_t)(argc - optind), get, user);
}

/*
 * tool_yaml kubernetes|pyyaml: reads YAML on stdin, prints each document as a line of JSON as
 * Python's json.dumps writes it. tool_yaml dump: reads JSON, prints YAML.
 * A refused input gives "error: ..." on stdout and exit status 1.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "doc/canon.h"
#include "doc/json.h"
#include "doc/yaml.h"

static void read_all(FILE *in, struct buf *out)
{
	char chunk[65536];
	size_t n;

	while ((n = fread(chunk, 1, sizeof(chunk), in)) > 0)
		buf_add(out, chunk, n);
}

static int print_error(const struct err *err)
{
	printf("error: %s\n", err_message(err));
	return 1;
}

static int print_documents(const struct buf *text, enum doc_yaml_mode mode)
{
	struct doc_stream stream;
	auto_err err = ERR_INIT;

	if (doc_yaml_parse(buf_str(text), text->len, mode, &stream, &err) < 0)
		return print_error(&err);
	for (size_t i = 0; i < stream.len; i++) {
		auto_free char *line = canon_str(stream.docs[i].root, CANON_PYTHON_ORDERED);

		puts(line);
	}
	doc_stream_free(&stream);
	return 0;
}

static int print_yaml(const struct buf *text)
{
	auto_json *json = NULL;
	auto_err err = ERR_INIT;
	auto_free char *yaml = NULL;

	if (doc_json_parse(buf_str(text), text->len, &json, &err) < 0)
		return print_error(&err);
	yaml = doc_yaml_dump(json);
	fputs(yaml, stdout);
	return 0;
}

int main(int argc, char **argv)
{
	auto_buf text = BUF_INIT;
	const char *mode = argc == 2 ? argv[1] : "";

	read_all(stdin, &text);
	if (strcmp(mode, "kubernetes") == 0)
		return print_documents(&text, DOC_YAML_KUBERNETES);
	if (strcmp(mode, "pyyaml") == 0)
		return print_documents(&text, DOC_YAML_PYYAML);
	if (strcmp(mode, "dump") == 0)
		return print_yaml(&text);
	fputs("usage: tool_yaml kubernetes|pyyaml|dump <input\n", stderr);
	return 2;
}

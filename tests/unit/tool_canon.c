/*
 * tool_canon compact|python|ordered [LOCALE]: reads a line of JSON after the other on
 * stdin, prints each in that style. A refused line gives "error: ...".
 */
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "doc/canon.h"
#include "doc/json.h"

static void convert(const char *line, size_t len, enum canon_style style)
{
	auto_json *json = NULL;
	auto_err err = ERR_INIT;
	auto_free char *text = NULL;

	if (doc_json_parse(line, len, &json, &err) < 0) {
		printf("error: %s\n", err_message(&err));
		return;
	}
	text = canon_str(json, style);
	puts(text);
}

int main(int argc, char **argv)
{
	static const char *const names[] = {
		[CANON_COMPACT] = "compact",
		[CANON_PYTHON] = "python",
		[CANON_PYTHON_ORDERED] = "ordered",
	};
	auto_free char *line = NULL;
	size_t cap = 0, style = 0;
	ssize_t n;

	while (argc > 1 && style < array_size(names) && strcmp(argv[1], names[style]) != 0)
		style++;
	if (argc < 2 || style == array_size(names)) {
		fputs("usage: tool_canon compact|python|ordered [LOCALE] <input\n", stderr);
		return 2;
	}
	if (argc > 2 && !setlocale(LC_ALL, argv[2]))
		return 3;
	while ((n = getline(&line, &cap, stdin)) > 0)
		convert(line, (size_t)n, (enum canon_style)style);
	return 0;
}

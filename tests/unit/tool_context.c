/*
 * tool_context FOLDER [PIECE]: writes the build context of the folder to stdout, at most PIECE
 * bytes at a time. One that cannot be read: says why on stderr, exit code 1.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "cli/context.h"

static int copy(struct context *context, char *piece, size_t size, struct err *err)
{
	size_t len = 0;
	int result;

	while ((result = context_read(context, piece, size, &len, err)) == 0 && len)
		fwrite(piece, 1, len, stdout);
	return result;
}

int main(int argc, char **argv)
{
	size_t size = argc > 2 ? strtoul(argv[2], NULL, 10) : 65536;
	auto_free char *piece = xmalloc(size);
	struct context *context = NULL;
	auto_err err = ERR_INIT;
	int result;

	if (argc < 2 || !size)
		return 2;
	result = context_open(argv[1], &context, &err);
	if (result == 0)
		result = copy(context, piece, size, &err);
	if (result < 0)
		fprintf(stderr, "%s: %s\n", err.reason, err_message(&err));
	context_free(context);
	return result < 0;
}

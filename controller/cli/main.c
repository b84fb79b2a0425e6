/* kubectl-fondant: wiring. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cli/cmd.h"

static bool wants_color(int fd)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(fd) && !(no && *no) && !(term && strcmp(term, "dumb") == 0);
}

int main(int argc, char *argv[])
{
	struct cli cli = {.in = stdin,
		.out = stdout,
		.err = stderr,
		.color_out = wants_color(STDOUT_FILENO),
		.color_err = wants_color(STDERR_FILENO)};
	int code = cli_main(&cli, argc, argv);

	/* a reader that went away ends us by SIGPIPE, as any filter; a full disk is said */
	if (fflush(stdout) != 0 || ferror(stdout)) {
		perror("kubectl fondant: standard output");
		return CLI_USAGE;
	}
	return code;
}

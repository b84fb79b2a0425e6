/*
 * Lines of a file that are not shown, because somebody may have written a plain secret there: those
 * of `secretArguments`, also where the name is mistyped.
 */
#ifndef CLI_HIDE_H
#define CLI_HIDE_H

#include "cli/source.h"

struct hidden {
	const struct source *source; /* that lines are of; NULL: none yet */
	bool *lines;                 /* by number, from 1; owned */
	size_t len;
};

/* The path is, or is below, a step's secretArguments. */
bool hide_path(const char *path);
/* Whether a line holds a part of such a value. Looks through a source once; ask for one after the
 * other. */
bool hide_line(struct hidden *hidden, const struct source *source, unsigned line);
void hide_clear(struct hidden *hidden);

/* The message without what it quotes, from the first quote (` or ') to the last. Owned by the
 * caller. */
char *hide_quoted(const char *message);

#endif

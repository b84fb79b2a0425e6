/*
 * The place in the document that is being looked at, "spec.steps[1].arguments": a stack in one
 * fixed buffer. Never allocates; what does not fit is left out, so that hostile keys cost nothing.
 */
#ifndef COMPILER_WHERE_H
#define COMPILER_WHERE_H

#include <stddef.h>

#define WHERE_SIZE 1024
/* Bytes of one key that are shown. */
#define WHERE_KEY_MAX 80

struct where {
	size_t len;
	char text[WHERE_SIZE];
};

void where_init(struct where *w, const char *base);
/* Go down; the result is what where_back takes to come up again. */
size_t where_key(struct where *w, const char *key);
size_t where_index(struct where *w, size_t index);
void where_back(struct where *w, size_t mark);

#endif

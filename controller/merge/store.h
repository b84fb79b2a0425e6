/*
 * Whole small objects by URI: a local path, or s3://bucket/key signed with what the environment
 * says (net/s3_env.h). Blocks: for a program that does one thing after the other.
 */
#ifndef MERGE_STORE_H
#define MERGE_STORE_H

#include <stddef.h>
#include "base/buf.h"
#include "base/err.h"

struct store;

/* `get` is called with `user` and the name of an environment variable, as getenv. Nothing is
 * opened before the first s3:// URI. */
struct store *store_new(const char *(*get)(void *user, const char *name), void *user);
/* NULL is fine. */
void store_free(struct store *store);

/* Class user, reason UnsupportedURI, for any other scheme; what it is for, "input", in `what`. */
int store_check_uri(const char *uri, const char *what, struct err *err);
/* Appends the object. < 0: class user (NotFound, ReadFailed, TooLarge, those of net/s3.h), or
 * transient when another try may help. */
int store_read(
	struct store *store, const char *uri, size_t max, struct buf *ret_text, struct err *err);
/* Replaces the object as a whole: nobody ever reads half of it. Makes the folders of a local
 * path. */
int store_write(
	struct store *store, const char *uri, const char *text, size_t len, struct err *err);

#endif

/*
 * A build context: a folder as a tar archive, made while it is read, for the body of POST /build.
 * The order is that of the names, the owner is root, so that the same folder gives the same bytes;
 * symbolic links stay links, modes and times (whole seconds) are kept. What .dockerignore excludes
 * is left out, but never the Dockerfile and .dockerignore themselves: the engine reads both. Memory
 * is that of the names of the folders that are open, whatever the files have.
 *
 * What cannot be sent (a socket, a device, a pipe, a file that may not be read or grows shorter
 * meanwhile) is an error that names it, of class user, reason Unreadable; a builder would otherwise
 * miss it in silence.
 */
#ifndef CLI_CONTEXT_H
#define CLI_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

#define CONTEXT_DOCKERFILE "Dockerfile"
#define CONTEXT_IGNORE ".dockerignore"
#define CONTEXT_MAX_NAMES 1000000 /* in one folder */

struct context;

/* Whether a file called Dockerfile is in the folder. */
bool context_is_there(const char *folder);
/* Reads .dockerignore. Class user: NoDockerfile, Unreadable, InvalidDockerignore. */
int context_open(const char *folder, struct context **ret_context, struct err *err);
/* The next bytes, at most size; *ret_len 0: that was all. */
int context_read(
	struct context *context, char *into, size_t size, size_t *ret_len, struct err *err);
/* Bytes so far. */
uint64_t context_bytes(const struct context *context);
/* NULL is fine. */
void context_free(struct context *context);

#endif

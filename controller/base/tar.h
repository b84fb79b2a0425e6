/*
 * Heads of tar archives: POSIX.1-2001 ustar, with a pax head before an entry whose name or link
 * needs more than ustar has room for, or whose size more than 8 GiB (pax(1), "ustar Interchange
 * Format" and "pax Extended Header"). Everything belongs to root, and times are whole seconds, so
 * that the same entry gives the same bytes. The data of a file follows its head, padded to whole
 * blocks; two empty blocks end an archive. Reads no file.
 */
#ifndef BASE_TAR_H
#define BASE_TAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"

#define TAR_BLOCK ((size_t)512)

enum tar_type { TAR_FILE = '0', TAR_SYMLINK = '2', TAR_FOLDER = '5' };

struct tar_entry {
	enum tar_type type;
	const char *name;   /* relative, without a slash at its end; any bytes but NUL */
	const char *target; /* of a symbolic link */
	unsigned mode;      /* permissions: 07777 of it */
	uint64_t size;      /* of a file's data */
	int64_t mtime_s;    /* before 1970: as 1970 */
};

/* Appends the head, or both. */
void tar_add_head(const struct tar_entry *entry, struct buf *out);
/* How many NULs follow data of that size. */
size_t tar_padding(uint64_t size);
/* Appends the two empty blocks. */
void tar_add_end(struct buf *out);

#endif

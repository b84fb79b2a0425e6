/* Whole small local files. Errors are of class user and name the path and the system's reason. */
#ifndef MERGE_LOCAL_H
#define MERGE_LOCAL_H

#include <stddef.h>
#include "base/buf.h"
#include "base/err.h"

/* Appends a regular file of at most max bytes. Reasons NotFound, ReadFailed, TooLarge. */
int local_read(const char *path, size_t max, struct buf *ret_text, struct err *err);
/* Under a temporary name in the same folder, then renamed; makes the folders. The file can be read
 * by all. Reason WriteFailed; what was there stays as it was then. */
int local_write(const char *path, const char *text, size_t len, struct err *err);

#endif

/* URLs are built only here: each segment and query value is percent-encoded (RFC 3986 unreserved
 * characters stay). */
#ifndef NET_URL_H
#define NET_URL_H

#include "base/buf.h"

/* "https://host/api" + segment "a/b" -> "https://host/api/a%2Fb". Exactly one slash is put between.
 * "", "." and ".." get "%00" before them: no server has a resource of that name. */
void url_add_segment(struct buf *url, const char *segment);
/* Adds "?" or "&", name and encoded value. */
void url_add_query(struct buf *url, const char *name, const char *value);

#endif

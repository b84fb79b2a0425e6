/* URLs are built only here: each segment and query value is percent-encoded (RFC 3986 unreserved
 * characters stay). */
#ifndef NET_URL_H
#define NET_URL_H

#include <stdbool.h>
#include "base/buf.h"
#include "base/err.h"

/* "https://host/api" + segment "a/b" -> "https://host/api/a%2Fb". Exactly one slash is put between.
 * "", "." and ".." get "%00" before them: no server has a resource of that name. */
void url_add_segment(struct buf *url, const char *segment);
/* Adds "?" or "&", name and encoded value. */
void url_add_query(struct buf *url, const char *name, const char *value);
/* Adds s encoded; '/' stays when keep_slash is set. */
void url_add_encoded(struct buf *url, const char *s, bool keep_slash);

/* An http or https URL taken apart; all strings are owned. */
struct url_parts {
	char *scheme;    /* "https" or "http" */
	char *host;      /* in lower case; an IPv6 address in brackets */
	char *authority; /* host, with ":port" unless it is the scheme's own */
	char *path;      /* as written; "/" at least */
	char *query;     /* as written, without '?'; "" when there is none */
};

/* < 0 with ERR_USER InvalidURL: not an http(s) URL, or one with a user, a password or a fragment.
 * The message does not repeat it: it may hold a secret. */
int url_split(const char *url, struct url_parts *ret_parts, struct err *err);
void url_parts_release(struct url_parts *parts);

/* Host names know no case: a copy in lower case, owned by the caller. */
char *url_lower(const char *host);
/* Where `location` (absolute or relative) leads from base; NULL when nowhere. Owned by the caller.
 */
char *url_join(const char *base, const char *location);

#define auto_url_parts __attribute__((cleanup(url_parts_release))) struct url_parts

#endif

#include "net/url.h"

#include <stdbool.h>
#include <string.h>

/* RFC 3986 section 2.3; not isalnum(), which follows the locale. */
static bool url_unreserved(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '.' || c == '_' || c == '~';
}

static void url_encode(struct buf *url, const char *s)
{
	static const char digits[] = "0123456789ABCDEF";

	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;
		char escape[3] = {'%', digits[c >> 4], digits[c & 15]};

		if (url_unreserved(*s))
			buf_addc(url, *s);
		else
			buf_add(url, escape, sizeof(escape));
	}
}

/* Segments that would address something else: "" the collection instead of one object, "." and ".."
 * (encoded or not) what some proxy resolves them to. */
static bool url_hazardous(const char *segment)
{
	return !*segment || strcmp(segment, ".") == 0 || strcmp(segment, "..") == 0;
}

void url_add_segment(struct buf *url, const char *segment)
{
	const char *text = buf_str(url);

	if (url->len == 0 || text[url->len - 1] != '/')
		buf_addc(url, '/');
	if (url_hazardous(segment))
		buf_adds(url, "%00");
	url_encode(url, segment);
}

void url_add_query(struct buf *url, const char *name, const char *value)
{
	buf_addc(url, strchr(buf_str(url), '?') ? '&' : '?');
	url_encode(url, name);
	buf_addc(url, '=');
	url_encode(url, value);
}

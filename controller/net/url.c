#include "net/url.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"

/* RFC 3986 section 2.3; not isalnum(), which follows the locale. */
static bool url_unreserved(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '.' || c == '_' || c == '~';
}

void url_add_encoded(struct buf *url, const char *s, bool keep_slash)
{
	static const char digits[] = "0123456789ABCDEF";

	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;
		char escape[3] = {'%', digits[c >> 4], digits[c & 15]};

		if (url_unreserved(*s) || (keep_slash && *s == '/'))
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
	url_add_encoded(url, segment, false);
}

void url_add_query(struct buf *url, const char *name, const char *value)
{
	buf_addc(url, strchr(buf_str(url), '?') ? '&' : '?');
	url_add_encoded(url, name, false);
	buf_addc(url, '=');
	url_add_encoded(url, value, false);
}

/* --- taking apart --- */

static char *url_part(CURLU *url, CURLUPart part, unsigned int flags)
{
	char *value = NULL, *copy;

	if (curl_url_get(url, part, &value, flags) != CURLUE_OK)
		return NULL;
	copy = xstrdup(value);
	curl_free(value);
	return copy;
}

char *url_lower(const char *host)
{
	char *copy = xstrdup(host);

	for (char *c = copy; *c; c++) {
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	}
	return copy;
}

static const char *parts_from(CURLU *url, const char *text, struct url_parts *parts)
{
	auto_free char *user = NULL, *password = NULL, *fragment = NULL, *port = NULL;
	auto_free char *host = NULL;
	CURLUcode code = curl_url_set(url, CURLUPART_URL, text, CURLU_PATH_AS_IS);

	if (code)
		return curl_url_strerror(code);
	user = url_part(url, CURLUPART_USER, 0);
	password = url_part(url, CURLUPART_PASSWORD, 0);
	fragment = url_part(url, CURLUPART_FRAGMENT, 0);
	if (user || password)
		return "a user or a password has no place in it";
	if (fragment)
		return "a fragment (#) has no place in it";
	parts->scheme = url_part(url, CURLUPART_SCHEME, 0);
	host = url_part(url, CURLUPART_HOST, 0);
	parts->path = url_part(url, CURLUPART_PATH, 0);
	parts->query = url_part(url, CURLUPART_QUERY, 0);
	port = url_part(url, CURLUPART_PORT, CURLU_NO_DEFAULT_PORT);
	if (!parts->scheme || !(str_eq(parts->scheme, "https") || str_eq(parts->scheme, "http")))
		return "it does not begin with https:// or http://";
	if (!host || !*host)
		return "it names no host";
	parts->host = url_lower(host);
	parts->authority = port ? xasprintf("%s:%s", parts->host, port) : xstrdup(parts->host);
	if (!parts->path)
		parts->path = xstrdup("/");
	if (!parts->query)
		parts->query = xstrdup("");
	return NULL;
}

int url_split(const char *url, struct url_parts *ret_parts, struct err *err)
{
	auto_url_parts parts = {0};
	CURLU *handle = curl_url();
	const char *wrong;

	if (!handle)
		abort(); /* out of memory */
	wrong = parts_from(handle, url, &parts);
	curl_url_cleanup(handle);
	if (wrong)
		return err_set(err, ERR_USER, "InvalidURL", "invalid URL: %s", wrong);
	*ret_parts = parts;
	parts = (struct url_parts){0};
	return 0;
}

void url_parts_release(struct url_parts *parts)
{
	free(parts->scheme);
	free(parts->host);
	free(parts->authority);
	free(parts->path);
	free(parts->query);
	*parts = (struct url_parts){0};
}

char *url_join(const char *base, const char *location)
{
	CURLU *url = curl_url();
	char *joined = NULL;

	if (!url)
		abort(); /* out of memory */
	if (curl_url_set(url, CURLUPART_URL, base, CURLU_PATH_AS_IS) == CURLUE_OK &&
		curl_url_set(url, CURLUPART_URL, location, CURLU_PATH_AS_IS) == CURLUE_OK)
		joined = url_part(url, CURLUPART_URL, 0);
	curl_url_cleanup(url);
	return joined;
}

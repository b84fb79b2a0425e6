#include "net/sigv4.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "base/buf.h"
#include "base/digest.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "net/url.h"

#define KEY_SIZE 32
#define DATE_SIZE 17 /* "20130524T000000Z" */

/* "2013-05-24T00:00:00Z" without its punctuation. */
static void format_date(int64_t now_s, char out[DATE_SIZE])
{
	char text[TIME_RFC3339_SIZE];
	size_t len = 0;

	time_format_rfc3339(now_s, text);
	for (const char *c = text; *c && len < DATE_SIZE - 1; c++) {
		if (*c != '-' && *c != ':')
			out[len++] = *c;
	}
	out[len] = '\0';
}

static void hmac(const void *key, size_t key_len, const char *text, unsigned char out[KEY_SIZE])
{
	unsigned int len = KEY_SIZE;

	if (!HMAC(EVP_sha256(), key, (int)key_len, (const unsigned char *)text, strlen(text), out,
		    &len))
		abort(); /* out of memory */
}

static void signing_key(const struct sigv4_keys *keys, const struct sigv4_request *request,
	const char *day, unsigned char out[KEY_SIZE])
{
	char *first = xasprintf("AWS4%s", keys->secret);
	unsigned char key[KEY_SIZE];

	hmac(first, strlen(first), day, key);
	hmac(key, sizeof(key), request->region, out);
	hmac(out, KEY_SIZE, request->service, key);
	hmac(key, sizeof(key), "aws4_request", out);
	mem_free_secret(first);
	explicit_bzero(key, sizeof(key));
}

/* "name:value" of a header line: the name in lower case, blanks in the value folded. Owned by the
 * caller. */
static char *canonical_header(const char *line)
{
	size_t name_len = strcspn(line, ":");
	auto_free char *raw = xstrndup(line, name_len);
	auto_free char *name = url_lower(raw);
	struct buf out = BUF_INIT;
	const char *value = line[name_len] ? line + name_len + 1 : "";

	buf_addf(&out, "%s:", name);
	for (bool first = true;; first = false) {
		size_t len;

		value += strspn(value, " \t");
		len = strcspn(value, " \t");
		if (len == 0)
			return buf_take(&out);
		if (!first)
			buf_addc(&out, ' ');
		buf_add(&out, value, len);
		value += len;
	}
}

/* By name alone: a ':' would come after '-' and digits. */
static int by_name(const void *a, const void *b)
{
	const char *x = *(char *const *)a, *y = *(char *const *)b;
	size_t x_len = strcspn(x, ":"), y_len = strcspn(y, ":");
	int order = memcmp(x, y, x_len < y_len ? x_len : y_len);

	return order ? order : (x_len > y_len) - (x_len < y_len);
}

/* Canonical headers, a line each, and their names joined by ';'. */
static void sign_headers(const struct sigv4_request *request, const struct strvec *headers,
	struct buf *lines, struct buf *names)
{
	auto_strvec all = STRVEC_INIT;

	strvec_addf(&all, "host:%s", request->host);
	strvec_for_each (headers, i)
		strvec_take(&all, canonical_header(headers->items[i]));
	qsort(all.items, all.len, sizeof(*all.items), by_name);
	strvec_for_each (&all, i) {
		buf_adds(lines, all.items[i]);
		buf_addc(lines, '\n');
		if (i)
			buf_addc(names, ';');
		buf_add(names, all.items[i], strcspn(all.items[i], ":"));
		/* The session token is among them. */
		explicit_bzero(all.items[i], strlen(all.items[i]));
	}
}

void sigv4_sign(
	const struct sigv4_keys *keys, const struct sigv4_request *request, struct strvec *headers)
{
	const bool s3 = str_eq(request->service, "s3");
	char date[DATE_SIZE], day[9], payload[DIGEST_HEX_SIZE], hash[DIGEST_HEX_SIZE];
	unsigned char key[KEY_SIZE], signature[KEY_SIZE];
	struct buf lines = BUF_INIT, names = BUF_INIT, canonical = BUF_INIT, hex = BUF_INIT;
	auto_buf path = BUF_INIT;
	auto_free char *scope = NULL, *to_sign = NULL;

	format_date(request->now_s, date);
	memcpy(day, date, 8);
	day[8] = '\0';
	digest_sha256_hex(request->body ? request->body : "", request->body_len, payload);
	strvec_addf(headers, "X-Amz-Date: %s", date);
	if (s3)
		strvec_addf(headers, "X-Amz-Content-Sha256: %s", payload);
	if (keys->session_token)
		strvec_addf(headers, "X-Amz-Security-Token: %s", keys->session_token);
	url_add_encoded(&path, request->path, true);
	sign_headers(request, headers, &lines, &names);
	buf_addf(&canonical, "%s\n%s\n%s\n%s\n%s\n%s", request->method,
		s3 ? request->path : buf_str(&path), request->query, buf_str(&lines),
		buf_str(&names), payload);
	digest_sha256_hex(buf_str(&canonical), canonical.len, hash);
	scope = xasprintf("%s/%s/%s/aws4_request", day, request->region, request->service);
	to_sign = xasprintf("AWS4-HMAC-SHA256\n%s\n%s\n%s", date, scope, hash);
	signing_key(keys, request, day, key);
	hmac(key, sizeof(key), to_sign, signature);
	for (size_t i = 0; i < sizeof(signature); i++)
		buf_addf(&hex, "%02x", signature[i]);
	strvec_addf(headers,
		"Authorization: AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s",
		keys->key_id, scope, buf_str(&names), buf_str(&hex));
	explicit_bzero(key, sizeof(key));
	mem_free_secret(buf_take(&lines));
	mem_free_secret(buf_take(&canonical));
	buf_free(&names);
	buf_free(&hex);
}

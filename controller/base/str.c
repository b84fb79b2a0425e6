#include "base/str.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define DISTANCE_MAX_LEN 128
#define DNS_LABEL_MAX 63

bool str_eq(const char *a, const char *b)
{
	if (!a || !b)
		return a == b;
	return strcmp(a, b) == 0;
}

bool str_starts_with(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends_with(const char *s, const char *suffix)
{
	size_t len = strlen(s), suffix_len = strlen(suffix);

	return len >= suffix_len && memcmp(s + len - suffix_len, suffix, suffix_len) == 0;
}

static bool is_lower_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool str_is_dns_label(const char *s)
{
	size_t len;

	if (!s)
		return false;
	len = strnlen(s, DNS_LABEL_MAX + 1);
	if (len < 1 || len > DNS_LABEL_MAX || !is_lower_alnum(s[0]) || !is_lower_alnum(s[len - 1]))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!is_lower_alnum(s[i]) && s[i] != '-')
			return false;
	}
	return true;
}

bool str_to_int64(const char *s, int64_t *ret_value)
{
	bool negative;
	int64_t value = 0;

	if (!s)
		return false;
	negative = *s == '-';
	if (*s == '-' || *s == '+')
		s++;
	if (!*s)
		return false;
	for (; *s; s++) {
		int digit = *s - '0';

		if (digit < 0 || digit > 9)
			return false;
		/* Built on its own side of zero, so that INT64_MIN fits. */
		if (__builtin_mul_overflow(value, 10, &value) ||
			__builtin_add_overflow(value, negative ? -digit : digit, &value))
			return false;
	}
	*ret_value = value;
	return true;
}

size_t str_utf8_next(const char *s, size_t len, uint32_t *ret_code_point)
{
	const unsigned char *p = (const unsigned char *)s;
	uint32_t code, least;
	size_t size;

	if (!len)
		return 0;
	if (p[0] < 0x80) {
		*ret_code_point = p[0];
		return 1;
	}
	if (p[0] >= 0xc2 && p[0] <= 0xdf) {
		size = 2, least = 0x80, code = p[0] & 0x1f;
	} else if ((p[0] & 0xf0) == 0xe0) {
		size = 3, least = 0x800, code = p[0] & 0x0f;
	} else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
		size = 4, least = 0x10000, code = p[0] & 0x07;
	} else {
		return 0;
	}
	if (size > len)
		return 0;
	for (size_t i = 1; i < size; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (p[i] & 0x3f);
	}
	if (code < least || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return 0;
	*ret_code_point = code;
	return size;
}

bool str_is_utf8(const char *s, size_t len)
{
	for (size_t i = 0; i < len;) {
		uint32_t code = 0;
		size_t size = str_utf8_next(s + i, len - i, &code);

		if (!size || !code)
			return false;
		i += size;
	}
	return true;
}

size_t str_distance(const char *a, const char *b, size_t cap)
{
	size_t la = strnlen(a, DISTANCE_MAX_LEN + 1), lb = strnlen(b, DISTANCE_MAX_LEN + 1);
	size_t row[DISTANCE_MAX_LEN + 1];

	if (la > DISTANCE_MAX_LEN || lb > DISTANCE_MAX_LEN)
		return cap;
	for (size_t j = 0; j <= lb; j++)
		row[j] = j;
	for (size_t i = 1; i <= la; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			size_t above = row[j];
			size_t best = diagonal + (a[i - 1] != b[j - 1]);

			if (above + 1 < best)
				best = above + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			diagonal = above;
			row[j] = best;
		}
	}
	return row[lb] < cap ? row[lb] : cap;
}

static bool is_control(uint32_t code)
{
	if (code == '\n' || code == '\t')
		return false;
	return code < 0x20 || (code >= 0x7f && code <= 0x9f);
}

/* Keeps the last max bytes of s, whole characters only, "..." included. */
static void keep_tail(char *s, size_t len, size_t max)
{
	size_t dots = max > 3 ? 3 : 0;
	size_t start = len - (max - dots);

	while (start < len && ((unsigned char)s[start] & 0xc0) == 0x80)
		start++;
	memmove(s + dots, s + start, len - start + 1);
	memcpy(s, "...", dots);
}

char *str_clean_tail(const char *s, size_t len, size_t max)
{
	char *out = xmalloc(len + 1);
	size_t n = 0;

	for (size_t i = 0; i < len;) {
		uint32_t code = 0;
		size_t size = str_utf8_next(s + i, len - i, &code);

		if (!size) {
			out[n++] = '?';
			i++;
			continue;
		}
		if (!is_control(code)) {
			memcpy(out + n, s + i, size);
			n += size;
		}
		i += size;
	}
	out[n] = '\0';
	if (n > max)
		keep_tail(out, n, max);
	return out;
}

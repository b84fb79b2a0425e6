#include "base/base64.h"

#include <stdint.h>
#include <string.h>

#include "base/mem.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *base64_encode(const void *data, size_t len)
{
	const unsigned char *in = data;
	char *out = xcalloc(len / 3 + 1, 4 + 1);
	size_t o = 0;

	for (size_t i = 0; i < len; i += 3) {
		uint32_t word = (uint32_t)in[i] << 16;

		if (i + 1 < len)
			word |= (uint32_t)in[i + 1] << 8;
		if (i + 2 < len)
			word |= in[i + 2];
		out[o++] = alphabet[word >> 18 & 63];
		out[o++] = alphabet[word >> 12 & 63];
		out[o++] = '=';
		out[o++] = '=';
		if (i + 1 < len)
			out[o - 2] = alphabet[word >> 6 & 63];
		if (i + 2 < len)
			out[o - 1] = alphabet[word & 63];
	}
	return out;
}

static int digit(char c)
{
	const char *at = c ? strchr(alphabet, c) : NULL;

	return at ? (int)(at - alphabet) : -1;
}

char *base64_decode(const char *text, size_t *ret_len)
{
	char *out = xcalloc(1, strlen(text) / 4 * 3 + 4);
	size_t len = 0, digits = 0, padding = 0;
	uint32_t word = 0;

	for (; *text; text++) {
		int value = digit(*text);

		if (*text == ' ' || *text == '\n' || *text == '\r' || *text == '\t')
			continue;
		if (*text == '=') {
			padding++;
			continue;
		}
		if (value < 0 || padding > 0) {
			mem_free_secret(out);
			return NULL;
		}
		word = word << 6 | (uint32_t)value;
		if (++digits % 4 != 1)
			out[len++] = (char)(word >> ((3 - (digits - 1) % 4) * 2) & 0xFF);
	}
	if (digits % 4 == 1 || padding > 2 || (padding > 0 && (digits + padding) % 4 != 0)) {
		mem_free_secret(out);
		return NULL;
	}
	*ret_len = len;
	return out;
}

#include "base/digest.h"

#include <assert.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <string.h>

#define SHA256_SIZE 32

static char *to_hex(const unsigned char raw[SHA256_SIZE], char out[DIGEST_HEX_SIZE])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < SHA256_SIZE; i++) {
		out[2 * i] = digits[raw[i] >> 4];
		out[2 * i + 1] = digits[raw[i] & 15];
	}
	out[DIGEST_HEX_SIZE - 1] = '\0';
	return out;
}

/* Looked up once: as costly as hashing a hundred bytes. */
static const EVP_MD *sha256(void)
{
	static const EVP_MD *md;

	if (!md)
		md = EVP_MD_fetch(NULL, "SHA256", NULL);
	assert(md);
	return md;
}

char *digest_sha256_hex(const void *data, size_t len, char out[DIGEST_HEX_SIZE])
{
	unsigned char raw[SHA256_SIZE];
	int ok = EVP_Digest(data, len, raw, NULL, sha256(), NULL);

	assert(ok == 1);
	(void)ok;
	return to_hex(raw, out);
}

char *digest_sha256_parts(char out[DIGEST_HEX_SIZE], const char *first, ...)
{
	unsigned char raw[SHA256_SIZE];
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int ok = ctx && EVP_DigestInit_ex(ctx, sha256(), NULL);
	va_list ap;

	va_start(ap, first);
	for (const char *s = first; s; s = va_arg(ap, const char *))
		ok = ok && EVP_DigestUpdate(ctx, s, strlen(s) + 1);
	va_end(ap);
	ok = ok && EVP_DigestFinal_ex(ctx, raw, NULL);
	EVP_MD_CTX_free(ctx);
	assert(ok);
	return to_hex(raw, out);
}

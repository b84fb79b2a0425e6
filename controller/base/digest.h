/* SHA-256 by OpenSSL's EVP. Outputs are lower-case hexadecimal. */
#ifndef BASE_DIGEST_H
#define BASE_DIGEST_H

#include <stddef.h>

#define DIGEST_HEX_SIZE 65

char *digest_sha256_hex(const void *data, size_t len, char out[DIGEST_HEX_SIZE]);
/* Of several strings, each followed by a NUL byte so that ("ab","c") differs from ("a","bc"). */
char *digest_sha256_parts(char out[DIGEST_HEX_SIZE], const char *first, ...)
	__attribute__((sentinel));

#endif

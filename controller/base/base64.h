/* Base64 (RFC 4648, standard alphabet) for kubeconfig data and Basic authorisation. */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include <stddef.h>

/* Owned by the caller, never NULL. */
char *base64_encode(const void *data, size_t len);
/* Owned and NUL-terminated, its length in *ret_len; NULL when the text is not base64. White space
 * between characters is skipped. */
char *base64_decode(const char *text, size_t *ret_len);

#endif

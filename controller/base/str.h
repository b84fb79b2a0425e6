/* Small questions about strings. Nothing here allocates unless it says so. */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* NULL equals only NULL. */
bool str_eq(const char *a, const char *b);
bool str_starts_with(const char *s, const char *prefix);
bool str_ends_with(const char *s, const char *suffix);
/* RFC 1123 label: [a-z0-9]([-a-z0-9]*[a-z0-9])?, at most 63 bytes. */
bool str_is_dns_label(const char *s);
/* Whole string as a signed decimal integer; false when it is anything else or does not fit. */
bool str_to_int64(const char *s, int64_t *ret_value);
/* Well-formed UTF-8 (RFC 3629) without NUL in len bytes. */
bool str_is_utf8(const char *s, size_t len);
/* Length of the character that s begins with, 1..4; 0 when len is 0 or it is not well-formed. */
size_t str_utf8_next(const char *s, size_t len, uint32_t *ret_code_point);
/* Levenshtein distance capped at `cap`; inputs longer than 128 bytes give cap. */
size_t str_distance(const char *a, const char *b, size_t cap);
/*
 * Copy made fit for a status or log: control characters but newline and tab are
 * dropped, bad UTF-8 becomes '?', and when longer than max bytes the *end* is kept
 * after "...". Owned by the caller.
 */
char *str_clean_tail(const char *s, size_t len, size_t max);

#endif

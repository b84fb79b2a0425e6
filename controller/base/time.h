/*
 * Time. Decisions take `now` as an argument; only the loop and main() read clocks.
 * Monotonic milliseconds for timers, wall clock (Unix seconds or milliseconds)
 * only for what is shown or compared with what the API server wrote.
 */
#ifndef BASE_TIME_H
#define BASE_TIME_H

#include <stdbool.h>
#include <stdint.h>

int64_t time_mono_ms(void);
int64_t time_wall_ms(void);

#define TIME_RFC3339_SIZE 32

/* "2026-11-23T22:28:57Z" from Unix seconds; years 1970..9999. Returns out. */
char *time_format_rfc3339(int64_t unix_seconds, char out[TIME_RFC3339_SIZE]);
/* "2026-11-23T22:28:57.123456Z" (metav1.MicroTime) from Unix milliseconds. Returns out. */
char *time_format_micro(int64_t unix_ms, char out[TIME_RFC3339_SIZE]);
/* RFC 3339 with optional fraction and offset; false when it is none. */
bool time_parse_rfc3339(const char *s, int64_t *ret_unix_seconds);
/* API.md durations, ^([0-9]{1,5}(h|m|s)){1,3}$; false when it is none. */
bool time_parse_duration(const char *s, int64_t *ret_seconds);

#endif

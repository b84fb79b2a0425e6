/*
 * One line per event on stderr, logfmt or JSON: ts level msg key=value...
 * Only those who decide log; library code reports through struct err.
 * Values are quoted, control characters escaped; a NULL value is left out.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_LOGFMT, LOG_JSON };

void log_setup(enum log_level level, enum log_format format, int fd);
bool log_enabled(enum log_level level);
/* Pairs of `const char *key, const char *value`, ended by NULL. */
void log_event(enum log_level level, const char *message, ...) __attribute__((sentinel));

#define log_error(...) log_event(LOG_ERROR, __VA_ARGS__, NULL)
#define log_warn(...) log_event(LOG_WARN, __VA_ARGS__, NULL)
#define log_info(...) log_event(LOG_INFO, __VA_ARGS__, NULL)
#define log_debug(...) log_event(LOG_DEBUG, __VA_ARGS__, NULL)

#endif

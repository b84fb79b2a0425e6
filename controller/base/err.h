/*
 * The one error type. Rule: a function that can fail returns int and takes
 * `struct err *err` last: 0 is success, > 0 a documented outcome the caller
 * must handle, < 0 a failure with *err filled, which is only forwarded.
 * `err` may be NULL when the caller does not care why.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdarg.h>

enum err_class {
	ERR_NONE,
	ERR_USER,      /* terminal until the user changes something */
	ERR_TRANSIENT, /* worth another try after a back-off */
	ERR_BUG,       /* ours: count it, log it, keep going */
};

struct err {
	enum err_class class;
	char reason[64];    /* CamelCase word that goes into a condition */
	char *message;      /* owned; NULL when class is ERR_NONE */
	int retry_after_ms; /* what the peer asked for; 0 when it did not */
};

/* clang-format off */
#define ERR_INIT {.class = ERR_NONE}
/* clang-format on */

/* Fills *err (replacing what was there) and returns -1, so that raising is one line. */
int err_set(struct err *err, enum err_class class, const char *reason, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Puts "<prefix>: " before the message, and returns -1. */
int err_wrap(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Never NULL: "unknown error" when nothing was set. */
const char *err_message(const struct err *err);

/* Moves *from to *to and leaves *from empty. */
void err_move(struct err *to, struct err *from);

/* Frees what it owns and makes it ERR_INIT again. */
void err_clear(struct err *err);

#define auto_err __attribute__((cleanup(err_clear))) struct err

#endif

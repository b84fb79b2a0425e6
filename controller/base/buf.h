/*
 * A growing byte string with a maximum. Invariants: `data` is NUL-terminated
 * once anything was added, len < max; after the first write that would pass
 * `max` the buffer is marked `overflow`, keeps what it had and ignores every
 * later write, so that callers may check once at the end.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct buf {
	char *data;
	size_t len;
	size_t cap;
	size_t max; /* bytes; 0 means BUF_DEFAULT_MAX */
	bool overflow;
};

#define BUF_DEFAULT_MAX ((size_t)64 << 20)
/* clang-format off */
#define BUF_INIT {0}
#define BUF_INIT_MAX(n) {.max = (n)}
/* clang-format on */

/* Where buf_add has no room: grows, or overflows. */
int buf_add_grow(struct buf *b, const void *data, size_t len);

/* All return 0, or -1 once the buffer overflowed. The short ones are inline: millions of them are
 * what writing a frozen spec is. */
static inline int buf_add(struct buf *b, const void *data, size_t len)
{
	if (len >= b->cap - b->len || b->overflow)
		return buf_add_grow(b, data, len);
	if (len)
		memcpy(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = '\0';
	return 0;
}

static inline int buf_adds(struct buf *b, const char *s)
{
	return buf_add(b, s, strlen(s));
}

static inline int buf_addc(struct buf *b, char c)
{
	return buf_add(b, &c, 1);
}

int buf_addf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int buf_vaddf(struct buf *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));

/* Drops the first n bytes. */
void buf_consume(struct buf *b, size_t n);
/* Empties, keeps the memory and the maximum. */
void buf_reset(struct buf *b);
/* Frees, keeps the maximum. */
void buf_free(struct buf *b);
/* The string, owned by the caller (never NULL); the buffer is empty afterwards. */
char *buf_take(struct buf *b);
/* Borrowed, never NULL. */
const char *buf_str(const struct buf *b);

#define auto_buf __attribute__((cleanup(buf_free))) struct buf

#endif

/* A vector of owned strings: the only growing list that most code needs. */
#ifndef BASE_VEC_H
#define BASE_VEC_H

#include <stdbool.h>
#include <stddef.h>

struct strvec {
	char **items; /* NULL-terminated once non-empty */
	size_t len;
	size_t cap;
};

/* clang-format off */
#define STRVEC_INIT {0}
/* clang-format on */

void strvec_add(struct strvec *v, const char *s);
void strvec_addf(struct strvec *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void strvec_take(struct strvec *v, char *s); /* steals s */
bool strvec_has(const struct strvec *v, const char *s);
void strvec_sort(struct strvec *v); /* byte order, locale-independent */
void strvec_clear(struct strvec *v);
/* Joined with sep, owned by the caller. */
char *strvec_join(const struct strvec *v, const char *sep);

#define strvec_for_each(v, i) for (size_t i = 0; i < (v)->len; i++)
#define auto_strvec __attribute__((cleanup(strvec_clear))) struct strvec

#endif

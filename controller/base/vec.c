#include "base/vec.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void strvec_take(struct strvec *v, char *s)
{
	if (v->len + 2 > v->cap) {
		v->cap = v->cap ? v->cap * 2 : 8;
		v->items = xreallocarray(v->items, v->cap, sizeof(*v->items));
	}
	v->items[v->len++] = s;
	v->items[v->len] = NULL;
}

void strvec_add(struct strvec *v, const char *s)
{
	strvec_take(v, xstrdup(s));
}

void strvec_addf(struct strvec *v, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	strvec_take(v, xvasprintf(fmt, ap));
	va_end(ap);
}

bool strvec_has(const struct strvec *v, const char *s)
{
	strvec_for_each (v, i) {
		if (strcmp(v->items[i], s) == 0)
			return true;
	}
	return false;
}

static int compare_strings(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void strvec_sort(struct strvec *v)
{
	if (v->len > 1)
		qsort(v->items, v->len, sizeof(*v->items), compare_strings);
}

void strvec_clear(struct strvec *v)
{
	strvec_for_each (v, i)
		free(v->items[i]);
	free(v->items);
	*v = (struct strvec)STRVEC_INIT;
}

char *strvec_join(const struct strvec *v, const char *sep)
{
	size_t sep_len = strlen(sep);
	size_t size = 1;
	char *joined, *p;

	strvec_for_each (v, i)
		size += strlen(v->items[i]) + sep_len;
	joined = p = xmalloc(size);
	strvec_for_each (v, i) {
		size_t len = strlen(v->items[i]);

		if (i) {
			memcpy(p, sep, sep_len);
			p += sep_len;
		}
		memcpy(p, v->items[i], len);
		p += len;
	}
	*p = '\0';
	return joined;
}

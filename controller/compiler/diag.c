#include "compiler/diag.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

/* Bytes of one message; user strings in it are cut by those who format it. */
#define DIAG_MESSAGE_MAX 1024

/* Text fit for a status: one line, no control characters, well-formed UTF-8. Owned. */
static char *clean(const char *text)
{
	struct buf out = BUF_INIT;
	size_t len = strlen(text);

	for (size_t i = 0, size; i < len; i += size) {
		uint32_t code = 0;

		size = str_utf8_next(text + i, len - i, &code);
		if (i + size > DIAG_MESSAGE_MAX) {
			buf_adds(&out, "...");
			break;
		}
		if (!size) {
			buf_addc(&out, '?');
			size = 1;
		} else if (code < 0x20 || (code >= 0x7f && code < 0xa0)) {
			buf_addc(&out, ' ');
		} else {
			buf_add(&out, text + i, size);
		}
	}
	return buf_take(&out);
}

/* NULL when the list is full; a warning that finds it full is not even counted. */
__attribute__((format(printf, 5, 0))) static struct diag *add(struct diag_list *list, bool warning,
	const char *path, const char *reason, const char *fmt, va_list ap)
{
	auto_free char *message = NULL;
	struct diag *d;

	if (list->len >= DIAG_MAX) {
		list->dropped += !warning;
		return NULL;
	}
	if (list->len == list->cap) {
		list->cap = list->cap ? list->cap * 2 : 8;
		list->items = xreallocarray(list->items, list->cap, sizeof(*list->items));
	}
	message = xvasprintf(fmt, ap);
	d = &list->items[list->len++];
	*d = (struct diag){.path = clean(path),
		.reason = reason,
		.message = clean(message),
		.warning = warning};
	return d;
}

void diag_add(struct diag_list *list, const char *path, const char *reason, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(list, false, path, reason, fmt, ap);
	va_end(ap);
}

void diag_add_waiting(
	struct diag_list *list, const char *path, const char *reason, const char *fmt, ...)
{
	struct diag *d;
	va_list ap;

	va_start(ap, fmt);
	d = add(list, false, path, reason, fmt, ap);
	va_end(ap);
	if (d)
		d->waits = true;
}

void diag_add_warning(
	struct diag_list *list, const char *path, const char *reason, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(list, true, path, reason, fmt, ap);
	va_end(ap);
}

size_t diag_errors(const struct diag_list *list)
{
	size_t n = list->dropped;

	for (size_t i = 0; i < list->len; i++)
		n += !list->items[i].waits && !list->items[i].warning;
	return n;
}

size_t diag_waits(const struct diag_list *list)
{
	size_t n = 0;

	for (size_t i = 0; i < list->len; i++)
		n += list->items[i].waits;
	return n;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Byte order, but runs of digits after '[' compare as numbers. */
static int compare_paths(const char *a, const char *b)
{
	while (*a && *a == *b) {
		if (*a == '[' && is_digit(a[1]) && is_digit(b[1])) {
			size_t n = strspn(a + 1, "0123456789"), m = strspn(b + 1, "0123456789");

			if (n != m)
				return n < m ? -1 : 1;
		}
		a++;
		b++;
	}
	return ((unsigned char)*a > (unsigned char)*b) - ((unsigned char)*a < (unsigned char)*b);
}

void diag_sort(struct diag_list *list)
{
	/* Insertion: stable, and lists are short and nearly in order. */
	for (size_t i = 1; i < list->len; i++) {
		struct diag d = list->items[i];
		size_t j = i;

		for (; j && compare_paths(list->items[j - 1].path, d.path) > 0; j--)
			list->items[j] = list->items[j - 1];
		list->items[j] = d;
	}
}

static void add_more(struct buf *out, size_t more)
{
	if (more)
		buf_addf(out, "%s... and %zu more", out->len ? "\n" : "", more);
}

void diag_format(const struct diag_list *list, struct buf *out, size_t max)
{
	const size_t reserve = sizeof("\n... and 18446744073709551615 more");
	size_t used = 0;

	for (size_t i = 0; i < list->len; i++) {
		const struct diag *d = &list->items[i];
		size_t need = strlen(d->path) + 2 + strlen(d->message) + 1;
		bool last = i + 1 == list->len && !list->dropped;

		if (used + need + (last ? 0 : reserve) > max) {
			add_more(out, list->len - i + list->dropped);
			return;
		}
		buf_addf(out, "%s%s: %s", i ? "\n" : "", d->path, d->message);
		used += need;
	}
	add_more(out, list->dropped);
}

void diag_list_clear(struct diag_list *list)
{
	for (size_t i = 0; i < list->len; i++) {
		free(list->items[i].path);
		free(list->items[i].message);
	}
	free(list->items);
	*list = (struct diag_list)DIAG_LIST_INIT;
}

#include "compiler/where.h"

#include <string.h>

/* All or nothing. */
static void append(struct where *w, const char *text, size_t len)
{
	if (w->len + len >= sizeof(w->text))
		return;
	memcpy(w->text + w->len, text, len);
	w->len += len;
	w->text[w->len] = '\0';
}

void where_init(struct where *w, const char *base)
{
	size_t len = strlen(base);

	w->len = 0;
	w->text[0] = '\0';
	append(w, base, len < WHERE_SIZE ? len : WHERE_SIZE - 1);
}

/* Whole characters of a key that is too long, and dots. */
static void append_part(struct where *w, const char *key)
{
	char part[WHERE_KEY_MAX + 8];
	size_t mark = w->len, len = WHERE_KEY_MAX, n = 0;

	while (len && ((unsigned char)key[len] & 0xc0) == 0x80)
		len--;
	if (mark)
		part[n++] = '.';
	memcpy(part + n, key, len);
	memcpy(part + n + len, "...", 3);
	append(w, part, n + len + 3);
}

size_t where_key(struct where *w, const char *key)
{
	size_t mark = w->len, len = strnlen(key, WHERE_KEY_MAX + 1), dot = mark > 0;

	if (len > WHERE_KEY_MAX) {
		append_part(w, key);
	} else if (mark + dot + len < sizeof(w->text)) {
		w->text[mark] = '.';
		memcpy(w->text + mark + dot, key, len);
		w->len = mark + dot + len;
		w->text[w->len] = '\0';
	}
	return mark;
}

size_t where_index(struct where *w, size_t index)
{
	size_t mark = w->len, n;
	char part[24];

	n = sizeof(part);
	part[--n] = ']';
	do
		part[--n] = (char)('0' + index % 10);
	while (index /= 10);
	part[--n] = '[';
	append(w, part + n, sizeof(part) - n);
	return mark;
}

void where_back(struct where *w, size_t mark)
{
	w->len = mark;
	w->text[mark] = '\0';
}

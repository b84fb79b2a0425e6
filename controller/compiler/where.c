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

size_t where_key(struct where *w, const char *key)
{
	size_t mark = w->len, len = strnlen(key, WHERE_KEY_MAX + 1);
	char part[WHERE_KEY_MAX + 8];
	size_t n = 0;

	if (mark)
		part[n++] = '.';
	if (len > WHERE_KEY_MAX) {
		len = WHERE_KEY_MAX;
		while (len && ((unsigned char)key[len] & 0xc0) == 0x80)
			len--; /* whole characters only */
		memcpy(part + n, key, len);
		memcpy(part + n + len, "...", 3);
		len += 3;
	} else {
		memcpy(part + n, key, len);
	}
	append(w, part, n + len);
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

/* The line splitter of a watch: looks at each byte once, whatever the chunks. */
#include "kube/watch.h"

#include <string.h>

#define LINE_DEFAULT_MAX ((size_t)8 << 20)

/* Keeps the beginning of a line whose end has not come yet. */
static void keep(struct line_splitter *splitter, const char *data, size_t len, size_t max)
{
	if (splitter->skipping || len == 0)
		return;
	if (len > max - splitter->pending.len) {
		splitter->skipping = true;
		buf_free(&splitter->pending);
		return;
	}
	buf_add(&splitter->pending, data, len);
}

static void finish(struct line_splitter *splitter,
	void (*line)(void *owner, const char *text, size_t len), void *owner)
{
	if (splitter->skipping) {
		splitter->skipping = false;
		splitter->skipped++;
		return;
	}
	if (splitter->pending.len > 0)
		line(owner, buf_str(&splitter->pending), splitter->pending.len);
	buf_reset(&splitter->pending);
}

void line_splitter_feed(struct line_splitter *splitter, const char *data, size_t len,
	void (*line)(void *owner, const char *text, size_t len), void *owner)
{
	size_t max = splitter->max ? splitter->max : LINE_DEFAULT_MAX;

	while (len > 0) {
		const char *end = memchr(data, '\n', len);
		size_t part = end ? (size_t)(end - data) : len;

		keep(splitter, data, part, max);
		if (!end)
			return;
		finish(splitter, line, owner);
		data += part + 1;
		len -= part + 1;
	}
}

void line_splitter_free(struct line_splitter *splitter)
{
	buf_free(&splitter->pending);
	splitter->skipping = false;
}

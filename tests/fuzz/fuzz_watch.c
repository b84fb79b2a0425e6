/*
 * The line splitter of watches. Property: however the bytes are cut into chunks, the lines
 * are those that a plain search for newlines finds, and over-long ones are counted. The first byte
 * is the longest line allowed, the second seeds the chunk sizes.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kube/watch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void collect(void *owner, const char *text, size_t len)
{
	struct buf *lines = owner;

	assert(len > 0 && !memchr(text, '\n', len));
	buf_add(lines, text, len);
	buf_addc(lines, '\n');
}

/* What is right, by the simplest means. */
static unsigned reference(const char *text, size_t len, size_t max, struct buf *lines)
{
	unsigned skipped = 0;

	while (len > 0) {
		const char *end = memchr(text, '\n', len);
		size_t part;

		if (!end)
			break;
		part = (size_t)(end - text);
		if (part > max)
			skipped++;
		else if (part > 0)
			collect(lines, text, part);
		text += part + 1;
		len -= part + 1;
	}
	return skipped;
}

static void check(const char *text, size_t len, size_t max, uint32_t seed, const struct buf *want,
	unsigned want_skipped)
{
	struct line_splitter splitter = {.max = max};
	struct buf lines = BUF_INIT;

	while (len > 0) {
		size_t part;

		seed = seed * 1664525 + 1013904223;
		part = seed ? 1 + (seed >> 24) % 17 : len;
		if (part > len)
			part = len;
		line_splitter_feed(&splitter, text, part, collect, &lines);
		text += part;
		len -= part;
		assert(splitter.pending.len <= max);
	}
	assert(splitter.skipped == want_skipped);
	assert(lines.len == want->len);
	assert(lines.len == 0 || memcmp(lines.data, want->data, lines.len) == 0);
	line_splitter_free(&splitter);
	buf_free(&lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf want = BUF_INIT;
	size_t max;
	uint32_t seed;
	unsigned skipped;

	if (size < 2)
		return 0;
	max = (size_t)data[0] + 1;
	seed = data[1];
	skipped = reference((const char *)data + 2, size - 2, max, &want);
	for (uint32_t i = 0; i < 4; i++)
		check((const char *)data + 2, size - 2, max, seed + i * 7919, &want, skipped);
	buf_free(&want);
	return 0;
}

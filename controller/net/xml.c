#include "net/xml.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"

#define DEPTH_MAX 16
#define NAME_LEN_MAX 128

struct reader {
	const char *at;
	const char *end;
	char *open[DEPTH_MAX];
	size_t depth;
	struct buf text;
	bool leaf; /* nothing but text since the last tag, and that one opened */
	bool done; /* the root was closed */
	void (*element)(void *user, const char *parent, const char *name, const char *value);
	void *user;
};

static bool looking_at(const struct reader *r, const char *s)
{
	size_t len = strlen(s);

	return (size_t)(r->end - r->at) >= len && memcmp(r->at, s, len) == 0;
}

/* Past the next `s`; false when there is none. */
static bool skip_past(struct reader *r, const char *s)
{
	const char *found = memmem(r->at, (size_t)(r->end - r->at), s, strlen(s));

	if (!found)
		return false;
	r->at = found + strlen(s);
	return true;
}

static void add_utf8(struct buf *text, uint32_t c)
{
	if (c < 0x80) {
		buf_addc(text, (char)c);
	} else if (c < 0x800) {
		buf_addc(text, (char)(0xC0 | c >> 6));
		buf_addc(text, (char)(0x80 | (c & 63)));
	} else if (c < 0x10000) {
		buf_addc(text, (char)(0xE0 | c >> 12));
		buf_addc(text, (char)(0x80 | (c >> 6 & 63)));
		buf_addc(text, (char)(0x80 | (c & 63)));
	} else {
		buf_addc(text, (char)(0xF0 | c >> 18));
		buf_addc(text, (char)(0x80 | (c >> 12 & 63)));
		buf_addc(text, (char)(0x80 | (c >> 6 & 63)));
		buf_addc(text, (char)(0x80 | (c & 63)));
	}
}

/* "#38" or "#x26"; 0 when it is no character that may be. */
static uint32_t char_reference(const char *name)
{
	const bool hex = name[1] == 'x';
	const char *digits = name + (hex ? 2 : 1);
	uint32_t c = 0;

	if (!*digits || strlen(digits) > 7 ||
		strspn(digits, hex ? "0123456789abcdefABCDEF" : "0123456789") != strlen(digits))
		return 0;
	for (; *digits; digits++) {
		uint32_t digit = *digits <= '9' ? (uint32_t)(*digits - '0')
						: (uint32_t)((*digits | 32) - 'a' + 10);

		c = c * (hex ? 16 : 10) + digit;
	}
	return c > 0x10FFFF || (c >= 0xD800 && c < 0xE000) ? 0 : c;
}

static bool read_reference(struct reader *r)
{
	static const struct {
		const char *name;
		char c;
	} known[] = {{"lt", '<'}, {"gt", '>'}, {"amp", '&'}, {"quot", '"'}, {"apos", '\''}};
	const char *semicolon = memchr(r->at, ';', (size_t)(r->end - r->at));
	char name[12];
	size_t len = semicolon ? (size_t)(semicolon - r->at - 1) : sizeof(name);
	uint32_t c;

	if (len == 0 || len >= sizeof(name))
		return false;
	memcpy(name, r->at + 1, len);
	name[len] = '\0';
	r->at = semicolon + 1;
	for (size_t i = 0; i < array_size(known); i++) {
		if (str_eq(name, known[i].name)) {
			buf_addc(&r->text, known[i].c);
			return true;
		}
	}
	c = *name == '#' ? char_reference(name) : 0;
	if (c)
		add_utf8(&r->text, c);
	return c != 0;
}

static bool read_text(struct reader *r)
{
	const char *start = r->at;

	if (*r->at == '&')
		return read_reference(r);
	while (r->at < r->end && *r->at != '<' && *r->at != '&')
		r->at++;
	buf_add(&r->text, start, (size_t)(r->at - start));
	return !memchr(start, '\0', (size_t)(r->at - start));
}

static bool read_cdata(struct reader *r)
{
	const char *start = r->at + strlen("<![CDATA[");

	if (!skip_past(r, "]]>"))
		return false;
	buf_add(&r->text, start, (size_t)(r->at - strlen("]]>") - start));
	return true;
}

static void close_element(struct reader *r)
{
	char *name = r->open[--r->depth];

	r->element(r->user, r->depth ? r->open[r->depth - 1] : "", name,
		r->leaf ? buf_str(&r->text) : "");
	free(name);
	buf_reset(&r->text);
	r->leaf = false;
	r->done = r->depth == 0;
}

/* The name at r->at without its prefix, NULL when there is none; owned by the caller. */
static char *read_name(struct reader *r)
{
	const char *start = r->at, *name;

	while (r->at < r->end && !strchr(" \t\r\n/>=<&", *r->at))
		r->at++;
	name = memrchr(start, ':', (size_t)(r->at - start));
	name = name ? name + 1 : start;
	if (name == r->at || r->at - start > NAME_LEN_MAX)
		return NULL;
	return xstrndup(name, (size_t)(r->at - name));
}

/* To the '>' of a tag; quoted values may hold one. */
static bool skip_attributes(struct reader *r, bool *ret_empty)
{
	char quote = '\0';

	for (; r->at < r->end; r->at++) {
		if (quote) {
			if (*r->at == quote)
				quote = '\0';
		} else if (*r->at == '"' || *r->at == '\'') {
			quote = *r->at;
		} else if (*r->at == '<') {
			return false;
		} else if (*r->at == '>') {
			*ret_empty = r->at[-1] == '/';
			r->at++;
			return true;
		}
	}
	return false;
}

static bool read_open(struct reader *r)
{
	char *name;
	bool empty = false;

	r->at++;
	name = read_name(r);
	if (!name || r->depth == DEPTH_MAX || r->done || !skip_attributes(r, &empty)) {
		free(name);
		return false;
	}
	r->open[r->depth++] = name;
	buf_reset(&r->text);
	r->leaf = true;
	if (empty)
		close_element(r);
	return true;
}

static bool read_close(struct reader *r)
{
	auto_free char *name = NULL;
	bool empty;

	r->at += 2;
	name = read_name(r);
	if (!name || r->depth == 0 || !str_eq(name, r->open[r->depth - 1]) ||
		!skip_attributes(r, &empty))
		return false;
	close_element(r);
	return true;
}

static bool read_one(struct reader *r)
{
	if (*r->at != '<')
		return read_text(r);
	if (looking_at(r, "<?"))
		return skip_past(r, "?>");
	if (looking_at(r, "<!--"))
		return skip_past(r, "-->");
	if (looking_at(r, "<![CDATA["))
		return read_cdata(r);
	if (looking_at(r, "<!"))
		return false;
	if (looking_at(r, "</"))
		return read_close(r);
	return read_open(r);
}

bool xml_read(const char *text, size_t len,
	void (*element)(void *user, const char *parent, const char *name, const char *value),
	void *user)
{
	struct reader r = {.at = text,
		.end = text + len,
		.text = BUF_INIT_MAX((size_t)64 << 10),
		.element = element,
		.user = user};
	bool sane = len > 0;

	while (sane && r.at < r.end)
		sane = read_one(&r) && !r.text.overflow;
	sane = sane && r.done;
	while (r.depth)
		free(r.open[--r.depth]);
	buf_free(&r.text);
	return sane;
}

void xml_add(struct buf *xml, const char *text)
{
	for (; *text; text++) {
		switch (*text) {
		case '<':
			buf_adds(xml, "&lt;");
			break;
		case '>':
			buf_adds(xml, "&gt;");
			break;
		case '&':
			buf_adds(xml, "&amp;");
			break;
		case '\r':
		case '\n':
		case '\t':
			buf_addf(xml, "&#%d;", *text);
			break;
		default:
			buf_addc(xml, *text);
		}
	}
}

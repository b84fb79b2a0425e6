#include "cli/hide.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"

#define KEY "secretArguments"
#define KEY_PART "secretArg"
#define MISTYPED 6 /* str_distance below that is taken for a mistyped KEY */

struct place {
	struct doc_pos pos;
	bool secret;
};

struct places {
	struct place *items;
	size_t len, cap;
};

bool hide_path(const char *path)
{
	while (*path) {
		size_t len = strcspn(path, ".[");
		char key[2 * sizeof(KEY)];

		if (len < sizeof(key)) {
			memcpy(key, path, len);
			key[len] = '\0';
			if (str_distance(key, KEY, MISTYPED) < MISTYPED)
				return true;
		}
		path += len;
		path += *path != '\0';
	}
	return false;
}

/* --- a file that was read --------------------------------------------------------------------- */

static int by_position(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->pos.line != y->pos.line)
		return x->pos.line < y->pos.line ? -1 : 1;
	if (x->pos.column != y->pos.column)
		return x->pos.column < y->pos.column ? -1 : 1;
	return (int)x->secret - (int)y->secret;
}

static void collect(const struct doc *doc, struct places *places)
{
	const char *path;
	void *pos;

	for (size_t at = 0; map_next(&doc->positions, &at, &path, &pos);) {
		if (places->len == places->cap) {
			places->cap = places->cap ? places->cap * 2 : 256;
			places->items =
				xreallocarray(places->items, places->cap, sizeof(*places->items));
		}
		places->items[places->len++] = (struct place){
			.pos = *(const struct doc_pos *)pos, .secret = hide_path(path)};
	}
}

/* Before the place there is only what indents it. */
static bool begins_line(const struct source *source, const struct doc_pos *pos)
{
	size_t len = 0;
	const char *line = source_line(source, pos->line, &len);

	return line && strspn(line, " \t-?") + 1 >= pos->column;
}

static void hide_lines(struct hidden *hidden, unsigned from, unsigned to)
{
	for (unsigned line = from; line <= to && line < hidden->len; line++)
		hidden->lines[line] = true;
}

/* A value reaches until what follows it, and into the line of that in flow style. */
static void hide_places(struct hidden *hidden, const struct places *places)
{
	for (size_t i = 0; i < places->len; i++) {
		unsigned from = places->items[i].pos.line, to;
		const struct doc_pos *next;

		if (!places->items[i].secret)
			continue;
		while (i + 1 < places->len && places->items[i + 1].secret)
			i++;
		if (i + 1 == places->len) {
			hide_lines(hidden, from, (unsigned)hidden->len);
			break;
		}
		next = &places->items[i + 1].pos;
		to = begins_line(hidden->source, next) ? next->line - 1 : next->line;
		hide_lines(hidden, from, to < places->items[i].pos.line ? from : to);
	}
}

/* --- one that is not YAML --------------------------------------------------------------------- */

/* By its lines: from one with the key until one that stands less deep; one that stands beside it
 * may be a value that is indented wrong. */
static void hide_text(struct hidden *hidden)
{
	const char *line = hidden->source->text;
	size_t indent = 0;
	bool inside = false;

	for (size_t n = 1; n < hidden->len; n++) {
		size_t len = strcspn(line, "\n"), own = strspn(line, " ");
		auto_free char *copy = xstrndup(line, len);

		if (strstr(copy, KEY_PART)) {
			inside = true;
			indent = strspn(line, " -");
		} else if (own < len && own < indent) {
			inside = false;
		}
		hidden->lines[n] = inside;
		line += len + (line[len] == '\n');
	}
}

/* --- what a hidden line takes from elsewhere, by an alias --- */

#define ALIAS_END " \t,]}"
#define ALIAS_ROUNDS 4 /* aliases in what an anchor names */
#define ALIAS_MAX 64   /* looked for, in one round */

struct line {
	const char *text;
	size_t len;
};

/* By number, from 1; owned by the caller. */
static struct line *lines_of(const struct hidden *hidden)
{
	struct line *lines = xcalloc(hidden->len, sizeof(*lines));
	const char *text = hidden->source->text;

	for (size_t n = 1; n < hidden->len; n++) {
		lines[n] = (struct line){text, strcspn(text, "\n")};
		text += lines[n].len + (text[lines[n].len] == '\n');
	}
	return lines;
}

/* The anchor of that name in the line; NULL: it has none. */
static const char *find_mark(const struct line *line, const struct line *name)
{
	const char *end = line->text + line->len, *at = line->text;

	while ((at = memchr(at, '&', (size_t)(end - at)))) {
		size_t left = (size_t)(end - ++at);

		if (left >= name->len && memcmp(at, name->text, name->len) == 0 &&
			(left == name->len || strchr(ALIAS_END, at[name->len])))
			return at;
	}
	return NULL;
}

/* The anchor's own line, and those that stand deeper below it. */
static void hide_anchor(struct hidden *hidden, const struct line *lines, const struct line *name)
{
	for (size_t n = 1; n < hidden->len; n++) {
		size_t indent = strspn(lines[n].text, " -"), own;

		if (!find_mark(&lines[n], name))
			continue;
		hidden->lines[n] = true;
		for (; n + 1 < hidden->len; n++) {
			own = strspn(lines[n + 1].text, " ");
			if (own <= indent && own < lines[n + 1].len)
				break;
			hidden->lines[n + 1] = true;
		}
	}
}

/* Aliases of the line that are still looked for; left goes down with each. */
static void hide_aliases_of(
	struct hidden *hidden, const struct line *lines, const struct line *line, int *left)
{
	for (size_t i = 0; i<line->len && * left> 0; i++) {
		struct line name = {line->text + i + 1, 0};

		while (i + 1 + name.len < line->len && !strchr(ALIAS_END, name.text[name.len]))
			name.len++;
		if (line->text[i] != '*' || !name.len)
			continue;
		(*left)--;
		hide_anchor(hidden, lines, &name);
	}
}

static void hide_aliased(struct hidden *hidden)
{
	auto_free struct line *lines = lines_of(hidden);

	for (int round = 0; round < ALIAS_ROUNDS; round++) {
		int left = ALIAS_MAX;

		for (size_t n = 1; n < hidden->len; n++) {
			if (hidden->lines[n])
				hide_aliases_of(hidden, lines, &lines[n], &left);
		}
	}
}

/* --- both ----------------------------------------------------------------------------------- */

static void look_through(struct hidden *hidden, const struct source *source)
{
	struct places places = {.items = NULL};

	hide_clear(hidden);
	hidden->source = source;
	hidden->len = 2;
	for (size_t i = 0; i < source->len; i++)
		hidden->len += source->text[i] == '\n';
	hidden->lines = xcalloc(hidden->len, sizeof(*hidden->lines));
	if (source->error) {
		hide_text(hidden);
		hide_aliased(hidden);
		return;
	}
	for (size_t i = 0; i < source->stream.len; i++)
		collect(&source->stream.docs[i], &places);
	if (places.len)
		qsort(places.items, places.len, sizeof(*places.items), by_position);
	hide_places(hidden, &places);
	hide_aliased(hidden);
	free(places.items);
}

bool hide_line(struct hidden *hidden, const struct source *source, unsigned line)
{
	if (hidden->source != source)
		look_through(hidden, source);
	return line < hidden->len && hidden->lines[line];
}

void hide_clear(struct hidden *hidden)
{
	free(hidden->lines);
	*hidden = (struct hidden){.source = NULL};
}

char *hide_quoted(const char *message)
{
	struct buf out = BUF_INIT;

	for (;;) {
		size_t before = strcspn(message, "`'");
		const char *end =
			message[before] ? strrchr(message + before + 1, message[before]) : NULL;

		buf_add(&out, message, before);
		if (!end)
			break;
		buf_adds(&out, "(not shown)");
		message = end + 1;
	}
	return buf_take(&out);
}

/*
 * A pattern is compiled into a row of tokens, and a path is matched by the set of tokens that could
 * come next (Thompson's simulation), so that no pattern takes more than linear time.
 */
#include "cli/dockerignore.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "base/vec.h"

#define REASON "InvalidDockerignore"
#define PATTERN_MAX 4096 /* bytes of one: longer than any path */

enum token_kind {
	TOKEN_CHAR,
	TOKEN_ONE,    /* ?  : any but a slash */
	TOKEN_CLASS,  /* [] */
	TOKEN_SOME,   /* *  : [^/]* */
	TOKEN_ALL,    /* ** at the end: .* */
	TOKEN_ENTER,  /* ** else: (.*\/)?, this and the next token */
	TOKEN_INSIDE, /* within the brackets of it */
};

struct range {
	uint32_t first, last;
};

struct token {
	enum token_kind kind;
	uint32_t code; /* of a char */
	bool negated;  /* of a class */
	struct range *ranges;
	size_t ranges_len;
};

struct dockerignore_pattern {
	bool exception;
	struct token *tokens;
	size_t len;
};

/* --- patterns ------------------------------------------------------------------------------- */

static struct token *add_token(struct dockerignore_pattern *p, enum token_kind kind, uint32_t code)
{
	p->tokens = xreallocarray(p->tokens, p->len + 1, sizeof(*p->tokens));
	p->tokens[p->len] = (struct token){.kind = kind, .code = code};
	return &p->tokens[p->len++];
}

/* The next character; a byte that begins none is one of its own. */
static uint32_t next_code(const char **at)
{
	uint32_t code = 0;
	size_t size = str_utf8_next(*at, strlen(*at), &code);

	if (!size)
		code = 0x110000 + (unsigned char)**at;
	*at += size ? size : 1;
	return code;
}

/* One end of a range of a class; false: the class ends too early. */
static bool class_code(const char **at, uint32_t *ret_code)
{
	if (**at == '\\')
		++*at;
	if (!**at)
		return false;
	*ret_code = next_code(at);
	return true;
}

/* After the `[`, to after the `]`. */
static bool add_class(struct dockerignore_pattern *p, const char **at)
{
	struct token *token = add_token(p, TOKEN_CLASS, 0);

	if (**at == '^') {
		token->negated = true;
		++*at;
	}
	while (**at && (**at != ']' || !token->ranges_len)) {
		struct range range;

		if (**at == ']' || **at == '-' || !class_code(at, &range.first))
			return false;
		range.last = range.first;
		if (**at == '-' && (++*at, **at == ']' || !class_code(at, &range.last)))
			return false;
		token->ranges =
			xreallocarray(token->ranges, token->ranges_len + 1, sizeof(*token->ranges));
		token->ranges[token->ranges_len++] = range;
	}
	return *(*at)++ == ']';
}

/* After the two stars: a slash that follows is theirs. */
static void add_stars(struct dockerignore_pattern *p, const char **at)
{
	if (**at == '/')
		++*at;
	if (!**at) {
		add_token(p, TOKEN_ALL, 0);
		return;
	}
	add_token(p, TOKEN_ENTER, 0);
	add_token(p, TOKEN_INSIDE, 0);
}

/* NULL, or what is wrong with it. */
static const char *compile(struct dockerignore_pattern *p, const char *text)
{
	const char *at = text;

	while (*at) {
		if (str_starts_with(at, "**")) {
			at += 2;
			add_stars(p, &at);
		} else if (*at == '*') {
			at++;
			add_token(p, TOKEN_SOME, 0);
		} else if (*at == '?') {
			at++;
			add_token(p, TOKEN_ONE, 0);
		} else if (*at == '[') {
			at++;
			if (!add_class(p, &at))
				return "a `[` begins a set of characters that is not well "
				       "formed; close it, or write \\[";
		} else {
			if (*at == '\\' && !*++at)
				return "a \\ at the end takes the meaning of nothing; remove it";
			add_token(p, TOKEN_CHAR, next_code(&at));
		}
	}
	return NULL;
}

/* As Go's filepath.Clean, and without a slash at the beginning. Owned; "." when nothing is left. */
static char *clean_path(const char *path)
{
	auto_strvec parts = STRVEC_INIT;

	while (*path) {
		size_t len = strcspn(path, "/");
		auto_free char *part = xstrndup(path, len);

		path += len + (path[len] == '/');
		if (!len || str_eq(part, "."))
			continue;
		if (str_eq(part, "..") && parts.len && !str_eq(parts.items[parts.len - 1], "..")) {
			free(parts.items[--parts.len]);
			parts.items[parts.len] = NULL;
		} else {
			strvec_add(&parts, part);
		}
	}
	return parts.len ? strvec_join(&parts, "/") : xstrdup(".");
}

static struct dockerignore_pattern *add_pattern(struct dockerignore *ignore)
{
	ignore->patterns =
		xreallocarray(ignore->patterns, ignore->len + 1, sizeof(*ignore->patterns));
	ignore->patterns[ignore->len] = (struct dockerignore_pattern){.len = 0};
	return &ignore->patterns[ignore->len++];
}

static char *trimmed(const char *s, size_t len)
{
	while (len && strchr(" \t\r\v\f", s[len - 1]))
		len--;
	while (len && strchr(" \t\r\v\f", *s)) {
		s++;
		len--;
	}
	return xstrndup(s, len);
}

/* NULL, or what is wrong with it. */
static const char *take_line(struct dockerignore *ignore, const char *line, size_t len)
{
	auto_free char *text = NULL, *rest = NULL, *path = NULL;
	struct dockerignore_pattern *p;
	bool exception;

	if (len && line[0] == '#')
		return NULL;
	text = trimmed(line, len);
	exception = *text == '!';
	rest = trimmed(text + exception, strlen(text + exception));
	if (!*text)
		return NULL;
	if (!*rest)
		return "a `!` without a pattern; write what it keeps, or remove it";
	if (strlen(rest) > PATTERN_MAX)
		return "the pattern is longer than any path";
	path = clean_path(rest);
	p = add_pattern(ignore);
	p->exception = exception;
	return compile(p, path);
}

int dockerignore_parse(const char *name, const char *text, size_t len,
	struct dockerignore *ret_ignore, struct err *err)
{
	struct dockerignore ignore = {.patterns = NULL};
	const char *at = text, *end = text + len, *wrong = NULL;
	unsigned line = 0;

	if (len >= 3 && memcmp(at, "\xef\xbb\xbf", 3) == 0)
		at += 3;
	while (at < end && !wrong) {
		const char *eol = memchr(at, '\n', (size_t)(end - at));
		size_t n = (size_t)((eol ? eol : end) - at);

		line++;
		wrong = memchr(at, '\0', n) ? "a NUL character; this is no text file"
					    : take_line(&ignore, at, n);
		at += n + 1;
	}
	if (wrong) {
		dockerignore_clear(&ignore);
		return err_set(err, ERR_USER, REASON, "%s:%u: %s", name, line, wrong);
	}
	*ret_ignore = ignore;
	return 0;
}

void dockerignore_keep(struct dockerignore *ignore, const char *path)
{
	struct dockerignore_pattern *p = add_pattern(ignore);

	p->exception = true;
	while (*path)
		add_token(p, TOKEN_CHAR, next_code(&path));
}

void dockerignore_clear(struct dockerignore *ignore)
{
	for (size_t i = 0; i < ignore->len; i++) {
		struct dockerignore_pattern *p = &ignore->patterns[i];

		for (size_t k = 0; k < p->len; k++)
			free(p->tokens[k].ranges);
		free(p->tokens);
	}
	free(ignore->patterns);
	*ignore = (struct dockerignore){.patterns = NULL};
}

/* --- matching ------------------------------------------------------------------------------- */

/* Which tokens may come next; now[len]: the pattern may end here. */
struct matching {
	const struct dockerignore_pattern *pattern;
	bool *now, *next;
};

/* The token, and those behind it where it may stand for nothing. */
static void reach(const struct dockerignore_pattern *p, bool *set, size_t i)
{
	for (;;) {
		enum token_kind kind = i < p->len ? p->tokens[i].kind : TOKEN_CHAR;

		if (set[i])
			return;
		set[i] = true;
		if (kind == TOKEN_SOME || kind == TOKEN_ALL)
			i++;
		else if (kind == TOKEN_ENTER)
			i += 2;
		else
			return;
	}
}

static bool in_class(const struct token *token, uint32_t code)
{
	bool found = false;

	for (size_t i = 0; i < token->ranges_len; i++)
		found |= code >= token->ranges[i].first && code <= token->ranges[i].last;
	return found != token->negated && code != '/';
}

static void step_token(struct matching *m, size_t i, uint32_t code)
{
	const struct token *token = &m->pattern->tokens[i];
	size_t behind = i + 1;

	switch (token->kind) {
	case TOKEN_CHAR:
		if (code == token->code)
			reach(m->pattern, m->next, behind);
		break;
	case TOKEN_ONE:
		if (code != '/')
			reach(m->pattern, m->next, behind);
		break;
	case TOKEN_CLASS:
		if (in_class(token, code))
			reach(m->pattern, m->next, behind);
		break;
	case TOKEN_SOME:
		if (code != '/')
			reach(m->pattern, m->next, i);
		break;
	case TOKEN_ALL:
		reach(m->pattern, m->next, i);
		break;
	case TOKEN_ENTER:
	case TOKEN_INSIDE:
		behind += token->kind == TOKEN_ENTER;
		m->next[behind - 1] = true; /* inside */
		if (code == '/')
			reach(m->pattern, m->next, behind);
		break;
	}
}

static void step(struct matching *m, uint32_t code)
{
	bool *before = m->now;

	memset(m->next, 0, m->pattern->len + 1);
	for (size_t i = 0; i < m->pattern->len; i++) {
		if (m->now[i])
			step_token(m, i, code);
	}
	m->now = m->next;
	m->next = before;
}

/* It matches the path or a folder above it; *ret_alive: more behind the path could match. */
static bool matches(const struct dockerignore_pattern *p, const char *path, bool *ret_alive)
{
	auto_free bool *sets = xcalloc(2 * (p->len + 1), sizeof(*sets));
	struct matching m = {.pattern = p, .now = sets, .next = sets + p->len + 1};
	bool found = false;

	reach(p, m.now, 0);
	while (*path && !found) {
		found = *path == '/' && m.now[p->len];
		step(&m, next_code(&path));
	}
	found = found || m.now[p->len];
	*ret_alive = false;
	for (size_t i = 0; i <= p->len; i++)
		*ret_alive |= m.now[i];
	return found;
}

bool dockerignore_excludes(const struct dockerignore *ignore, const char *path)
{
	bool alive;

	/* the last one that matches decides, so the first from behind does */
	for (size_t i = ignore->len; i-- > 0;) {
		if (matches(&ignore->patterns[i], path, &alive))
			return !ignore->patterns[i].exception;
	}
	return false;
}

bool dockerignore_keeps_below(const struct dockerignore *ignore, const char *folder)
{
	auto_free char *path = xasprintf("%s/", folder);

	for (size_t i = 0; i < ignore->len; i++) {
		bool alive = false;

		if (!ignore->patterns[i].exception)
			continue;
		if (matches(&ignore->patterns[i], path, &alive) || alive)
			return true;
	}
	return false;
}

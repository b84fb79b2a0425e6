#include "runners/docker_variables.h"

#include <string.h>
#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "doc/canon.h"

#define NAME_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789"
#define MAX_NESTED 8 /* ${a:-${b:-...}} */
#define MAX_TEXT ((size_t)1 << 20)

struct variables {
	struct check *c;
	const json_t *values;
	json_t *used;
	bool failed;
};

static bool expand(struct variables *v, const char **text, int depth, bool skip, struct buf *out);

static void fail(struct variables *v, const char *reason, const char *what, const char *text)
{
	check_error(v->c, reason, "%s: %.80s", what, text);
	v->failed = true;
}

static void note(struct variables *v, const char *name, bool optional)
{
	const json_t *before = json_object_get(v->used, name);

	if (before && !json_is_true(json_object_get(before, "optional")))
		return;
	json_object_set_new(
		v->used, name, json_pack("{s:s, s:b}", "type", "text", "optional", optional));
}

/* Owned; NULL: not set. */
static char *value_of(const struct variables *v, const char *name)
{
	const json_t *value = json_object_get(v->values, name);

	if (!value || json_is_null(value))
		return NULL;
	return json_is_string(value) ? xstrdup(json_string_value(value))
				     : canon_str(value, CANON_COMPACT);
}

/* What stands behind the name: ":-", "-", ":?", "?", ":+", "+" or nothing. */
struct operation {
	bool or_empty; /* with the colon: an empty value counts as none */
	char what;     /* '\0', '-', '?' or '+' */
};

static bool read_operation(const char **text, struct operation *ret_operation)
{
	bool colon = **text == ':';
	char what = (*text)[colon ? 1 : 0];
	bool known = what == '-' || what == '?' || what == '+';

	if (colon && !known)
		return false;
	*ret_operation = (struct operation){.or_empty = colon, .what = known ? what : '\0'};
	*text += colon + known;
	return true;
}

/* Behind "${"; leaves *text behind the closing brace. */
static bool expand_braces(
	struct variables *v, const char **text, int depth, bool skip, struct buf *out)
{
	size_t len = strspn(*text, NAME_CHARS);
	auto_free char *name = xstrndup(*text, len), *value = NULL;
	auto_buf word = BUF_INIT_MAX(MAX_TEXT);
	struct operation op = {0};
	bool set, ok;

	*text += len;
	if (!len || !read_operation(text, &op))
		return false;
	value = value_of(v, name);
	set = value && (*value || !op.or_empty);
	if (!skip)
		note(v, name, op.what == '-' || op.what == '+');
	/* what is not used is read all the same, to its end, but asks for nothing */
	ok = expand(v, text, depth + 1, skip || op.what == '?' || (op.what == '+') != set, &word);
	if (!ok || **text != '}')
		return false;
	++*text;
	if (op.what == '?' && value && !set && !skip)
		fail(v, "InvalidValue", "must not be empty", name);
	if ((op.what == '-' && !set) || (op.what == '+' && set))
		buf_add(out, buf_str(&word), word.len);
	else if (value && op.what != '+')
		buf_adds(out, value);
	return true;
}

static bool expand_variable(
	struct variables *v, const char **text, int depth, bool skip, struct buf *out)
{
	auto_free char *name = NULL, *value = NULL;
	size_t len;

	++*text; /* the dollar */
	if (**text == '$') {
		++*text;
		buf_addc(out, '$');
		return true;
	}
	if (**text == '{') {
		++*text;
		return depth < MAX_NESTED && expand_braces(v, text, depth, skip, out);
	}
	len = strspn(*text, NAME_CHARS);
	if (!len)
		return false;
	name = xstrndup(*text, len);
	*text += len;
	if (!skip)
		note(v, name, false);
	value = value_of(v, name);
	buf_adds(out, value ? value : "");
	return true;
}

/* To the end of the text, or inside braces to the brace that closes them. */
static bool expand(struct variables *v, const char **text, int depth, bool skip, struct buf *out)
{
	while (**text && !(depth && **text == '}')) {
		if (**text != '$') {
			buf_addc(out, *(*text)++);
		} else if (!expand_variable(v, text, depth, skip, out)) {
			return false;
		}
	}
	return true;
}

static json_t *expanded_text(struct variables *v, const json_t *text)
{
	const char *at = json_string_value(text);
	auto_buf out = BUF_INIT_MAX(MAX_TEXT);

	if (!strchr(at, '$'))
		return json_incref((json_t *)text);
	if (!expand(v, &at, 0, false, &out)) {
		fail(v, "InvalidValue",
			"is no text with variables as Compose reads it ($$ is a dollar)",
			json_string_value(text));
		return json_string("");
	}
	if (out.overflow)
		fail(v, "InvalidValue", "is over 1 MiB with its variables put in",
			json_string_value(text));
	return json_string_nocheck(buf_str(&out));
}

static json_t *expanded(struct variables *v, const json_t *value)
{
	json_t *copy, *item;
	const char *key;
	size_t i, mark;

	if (json_is_string(value))
		return expanded_text(v, value);
	if (json_is_array(value)) {
		copy = json_array();
		json_array_foreach (value, i, item) {
			mark = where_index(&v->c->w, i);
			json_array_append_new(copy, expanded(v, item));
			where_back(&v->c->w, mark);
		}
		return copy;
	}
	if (!json_is_object(value))
		return json_incref((json_t *)value);
	copy = json_object();
	json_object_foreach ((json_t *)value, key, item) {
		mark = where_key(&v->c->w, key);
		json_object_set_new(copy, key, expanded(v, item));
		where_back(&v->c->w, mark);
	}
	return copy;
}

json_t *docker_variables_apply(
	struct check *c, const json_t *document, const json_t *values, json_t *ret_used)
{
	struct variables v = {.c = c, .values = values, .used = ret_used};
	json_t *copy = json_object(), *item;
	const char *key;

	json_object_foreach ((json_t *)document, key, item) {
		size_t mark = where_key(&c->w, key);

		if (!str_starts_with(key, "x-"))
			json_object_set_new(copy, key, expanded(&v, item));
		where_back(&c->w, mark);
	}
	if (!v.failed)
		return copy;
	json_decref(copy);
	return NULL;
}

json_t *docker_variables_escape(const char *text)
{
	auto_buf out = BUF_INIT;

	for (; *text; text++) {
		if (*text == '$')
			buf_addc(&out, '$');
		buf_addc(&out, *text);
	}
	return json_string_nocheck(buf_str(&out));
}

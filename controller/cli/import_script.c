/*
 * The script of a lightweight component: what its shell and printf make of it. The framework writes
 * (dataset/dataset.py, PythonComponent entrypoint), each word quoted by Python's shlex.quote:
 *
 *   printf <requirements> > 'requirements.txt'
 *   python3 -m pip install -r requirements.txt
 *   printf <source> > 'main.py'
 *   fondant execute main "$@"
 *
 * printf takes its only operand for a format, so `%` and `\` do not arrive as they stand; sh is
 * dash in the framework's images.
 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/vec.h"
#include "cli/import_pipeline.h"

/* What "$@" is in the list of words, and `>`. */
#define WORD_ALL "\001@"
#define WORD_INTO "\001>"

struct reader {
	const char *at;
	char *why; /* owned; NULL: fine so far */
};

static bool is_plain(char ch)
{
	return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') ||
	       (unsigned char)ch >= 0x80 || (ch && strchr("@%+=:,./_-", ch));
}

static void read_double_quoted(struct reader *r, struct buf *word)
{
	for (r->at++; *r->at && *r->at != '"'; r->at++) {
		if (*r->at == '\\' && r->at[1] && strchr("$`\"\\", r->at[1]))
			r->at++;
		else if (*r->at == '$' || *r->at == '`') {
			r->why = xstrdup("its shell would expand a variable or a command");
			return;
		}
		buf_addc(word, *r->at);
	}
	if (*r->at)
		r->at++;
	else
		r->why = xstrdup("a quote is not closed");
}

static void read_single_quoted(struct reader *r, struct buf *word)
{
	const char *end = strchr(r->at + 1, '\'');

	if (!end) {
		r->why = xstrdup("a quote is not closed");
		return;
	}
	buf_add(word, r->at + 1, (size_t)(end - r->at - 1));
	r->at = end + 1;
}

static void read_word(struct reader *r, struct strvec *words)
{
	auto_buf word = BUF_INIT;

	if (*r->at == '>') {
		r->at++;
		strvec_add(words, WORD_INTO);
		return;
	}
	if (str_starts_with(r->at, "\"$@\"")) {
		r->at += 4;
		strvec_add(words, WORD_ALL);
		return;
	}
	while (!r->why && *r->at && !strchr(" \t\n>", *r->at)) {
		if (*r->at == '\'')
			read_single_quoted(r, &word);
		else if (*r->at == '"')
			read_double_quoted(r, &word);
		else if (is_plain(*r->at))
			buf_addc(&word, *r->at++);
		else
			r->why = xasprintf("`%c` means something to its shell", *r->at);
	}
	strvec_take(words, buf_take(&word));
}

/* The words of the next line that has any; none at the end. */
static void read_line(struct reader *r, struct strvec *words)
{
	strvec_clear(words);
	while (!r->why && *r->at) {
		if (*r->at == '\n' && words->len) {
			r->at++;
			return;
		}
		if (strchr(" \t\n", *r->at))
			r->at++;
		else
			read_word(r, words);
	}
}

/* The escape after a backslash; how many bytes of it were read. */
static size_t unescape(const char *s, struct buf *out)
{
	static const char names[] = "abefnrtv\\", values[] = "\a\b\033\f\n\r\t\v\\";
	const char *known = *s ? strchr(names, *s) : NULL;
	unsigned value = 0;
	size_t n = 0;

	if (known) {
		buf_addc(out, values[known - names]);
		return 1;
	}
	while (n < 3 && s[n] >= '0' && s[n] <= '7')
		value = value * 8 + (unsigned)(s[n++] - '0');
	buf_addc(out, n ? (char)value : '\\');
	return n;
}

/* A conversion without an operand; bytes read, 0 with *ret_why set. */
static size_t convert(const char *s, struct buf *out, char **ret_why)
{
	size_t flags = strspn(s, "#-+ 0"), n = flags + strspn(s + flags, "0123456789");

	if (n == 0 && (*s == 's' || *s == 'b'))
		return 1;
	if (n == 0 && *s && strchr("diouxX", *s)) {
		buf_addc(out, '0');
		return 1;
	}
	if (s[n] == '.' || n || (*s && strchr("caAeEfFgG", *s)))
		*ret_why = xasprintf("printf would put a formatted value in the place of `%%%.*s`",
			(int)(n + 1 > 20 ? 20 : n + 1), s);
	else
		*ret_why = xasprintf("printf would fail: `%%` before `%.1s` is not a conversion",
			(unsigned char)*s >= 0x20 && (unsigned char)*s < 0x7f ? s : "?");
	return 0;
}

/* What `printf <format>` writes; owned, NULL with *ret_why set. */
static char *printed(const char *format, char **ret_why)
{
	auto_buf out = BUF_INIT;

	while (*format && !*ret_why) {
		if (*format == '\\') {
			format += 1 + unescape(format + 1, &out);
		} else if (*format != '%') {
			buf_addc(&out, *format++);
		} else if (format[1] == '%') {
			buf_addc(&out, '%');
			format += 2;
		} else {
			format += 1 + convert(format + 1, &out, ret_why);
		}
	}
	if (!*ret_why && !out.len)
		return xstrdup("");
	if (!*ret_why && !str_is_utf8(out.data, out.len))
		*ret_why = xstrdup("printf would write bytes that are not UTF-8, or NUL");
	return *ret_why ? NULL : buf_take(&out);
}

/* The words are printf <text> > <file>: its text, borrowed. */
static const char *written_to(const struct strvec *words, const char *file)
{
	if (words->len != 4 || !str_eq(words->items[0], "printf") ||
		!str_eq(words->items[2], WORD_INTO) || !str_eq(words->items[3], file))
		return NULL;
	return words->items[1];
}

static bool is_line(const struct strvec *words, const char *line)
{
	auto_free char *text = strvec_join(words, " ");

	return strcmp(text, line) == 0;
}

/* One printed file: delivered, or as it is written. */
static char *file_text(const char *format, bool written, bool *changed, char **ret_why)
{
	auto_free char *why = NULL;
	char *text = printed(format, &why);

	*changed = *changed || !text || strcmp(text, format) != 0;
	if (written) {
		free(text);
		return xstrdup(format);
	}
	*ret_why = take_ptr(why);
	return text;
}

int import_script(const char *script, bool written, char **ret_source, char **ret_requirements,
	bool *ret_changed, char **ret_why)
{
	struct reader r = {.at = script};
	auto_strvec words = STRVEC_INIT;
	auto_free char *requirements = NULL, *source = NULL;
	const char *text;

	*ret_changed = false;
	read_line(&r, &words);
	text = r.why ? NULL : written_to(&words, "requirements.txt");
	if (text) {
		requirements = file_text(text, written, ret_changed, &r.why);
		if (!r.why)
			read_line(&r, &words);
		if (!r.why && is_line(&words, "python3 -m pip install -r requirements.txt"))
			read_line(&r, &words);
		else if (!r.why)
			r.why = xstrdup("requirements.txt is not installed by the next line");
	}
	text = r.why ? NULL : written_to(&words, "main.py");
	if (text) {
		source = file_text(text, written, ret_changed, &r.why);
		if (!r.why)
			read_line(&r, &words);
		if (!r.why && !is_line(&words, "fondant execute main " WORD_ALL))
			r.why = xstrdup("it does not end with fondant execute main \"$@\"");
		if (!r.why)
			read_line(&r, &words);
		if (!r.why && words.len)
			r.why = xstrdup("something follows fondant execute main");
	} else if (!r.why) {
		r.why = xstrdup("it does not write main.py by printf");
	}
	*ret_why = r.why;
	if (r.why)
		return 1;
	*ret_source = take_ptr(source);
	*ret_requirements = take_ptr(requirements);
	return 0;
}

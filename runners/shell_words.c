#include "runners/shell_words.h"

#include <string.h>
#include "base/buf.h"

#define BLANKS " \t\r\n"

/* Behind the opening quote; behind the closing one afterwards. NULL: there is none. */
static const char *read_quoted(const char *at, char quote, struct buf *word)
{
	for (; *at != quote; at++) {
		/* between double quotes a backslash escapes these alone */
		if (*at == '\\' && quote == '"' && at[1] && strchr("$`\"\\\n", at[1]))
			at++;
		if (!*at)
			return NULL;
		buf_addc(word, *at);
	}
	return at + 1;
}

static const char *read_word(const char *at, struct buf *word)
{
	while (at && *at && !strchr(BLANKS, *at)) {
		if (*at == '\'' || *at == '"') {
			at = read_quoted(at + 1, *at, word);
		} else if (*at == '\\') {
			if (!at[1])
				return NULL;
			buf_addc(word, at[1]);
			at += 2;
		} else {
			buf_addc(word, *at++);
		}
	}
	return at;
}

bool shell_words(const char *text, struct strvec *ret_words)
{
	auto_buf word = BUF_INIT;

	for (text += strspn(text, BLANKS); *text; text += strspn(text, BLANKS)) {
		buf_reset(&word);
		text = read_word(text, &word);
		if (!text)
			return false;
		strvec_add(ret_words, buf_str(&word));
	}
	return true;
}

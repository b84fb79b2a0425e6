#include "doc/json.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "doc/canon.h"

#define REASON "InvalidJSON"
#define NEAR_MAX 160

/* Memory that runs out ends the process in jansson too; no _new function fails for it. */
__attribute__((constructor)) static void use_own_allocator(void)
{
	json_set_alloc_funcs(xmalloc, free);
}

void doc_auto_decref(json_t **json)
{
	json_decref(*json);
}

/* Moves i past the string that begins there; text[i] is its opening quote. */
static size_t skip_string(const char *text, size_t len, size_t i)
{
	for (i++; i < len && text[i] != '"'; i++) {
		if (text[i] == '\\')
			i++;
	}
	return i < len ? i + 1 : len;
}

/*
 * A flat look at the text before jansson, which recurses up to a larger limit of its own and
 * takes a NUL byte behind the value for the end of the text.
 */
static int check_text(const char *text, size_t len, struct err *err)
{
	size_t line = 1, line_start = 0, depth = 0;

	for (size_t i = 0; i < len;) {
		char c = text[i];

		if (c == '"') {
			i = skip_string(text, len, i);
			continue;
		}
		if (c == '\n') {
			line++;
			line_start = i + 1;
		} else if ((c == '[' || c == '{') && ++depth > DOC_MAX_DEPTH) {
			return err_set(err, ERR_USER, REASON,
				"line %zu column %zu: nested deeper than %d levels", line,
				i - line_start + 1, DOC_MAX_DEPTH);
		} else if (c == '\0') {
			return err_set(err, ERR_USER, REASON, "line %zu column %zu: NUL character",
				line, i - line_start + 1);
		} else if ((c == ']' || c == '}') && depth > 0) {
			depth--;
		}
		i++;
	}
	return 0;
}

static int report(const json_error_t *error, struct err *err)
{
	int line = error->line < 1 ? 1 : error->line;
	int column = error->column < 1 ? 1 : error->column;
	auto_free char *text = str_clean_tail(error->text, strlen(error->text), NEAR_MAX);
	const char *what = text;

	switch (json_error_code(error)) {
	case json_error_numeric_overflow:
		if (strstr(error->text, "integer"))
			what = "integer beyond 64 bits; quote it or use a smaller one";
		else
			what = "number too large for a double";
		break;
	case json_error_null_character:
	case json_error_null_byte_in_key:
		what = "NUL character in a string";
		break;
	case json_error_end_of_input_expected:
		what = "text after the end of the value";
		break;
	case json_error_premature_end_of_input:
		what = "the text ends in the middle of a value";
		break;
	case json_error_invalid_utf8:
		what = "not well-formed UTF-8";
		break;
	default:
		break;
	}
	return err_set(err, ERR_USER, REASON, "line %d column %d: %s", line, column, what);
}

static int parse(const char *text, size_t len, size_t flags, json_t **ret_json, struct err *err)
{
	json_error_t error;
	json_t *json;

	if (check_text(text, len, err) < 0)
		return -1;
	json = json_loadb(text, len, flags | JSON_DECODE_ANY, &error);
	if (!json)
		return report(&error, err);
	*ret_json = json;
	return 0;
}

int doc_json_parse(const char *text, size_t len, json_t **ret_json, struct err *err)
{
	return parse(text, len, JSON_REJECT_DUPLICATES, ret_json, err);
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* True for an integer token that does not fit; *ret_end is where the number token ends. */
static bool integer_too_big(const char *text, size_t len, size_t i, size_t *ret_end)
{
	bool negative = text[i] == '-';
	bool overflow = false;
	json_int_t value = 0;

	if (negative)
		i++;
	for (; i < len && is_digit(text[i]); i++) {
		int digit = text[i] - '0';

		overflow = overflow || __builtin_mul_overflow(value, 10, &value) ||
			   __builtin_add_overflow(value, negative ? -digit : digit, &value);
	}
	*ret_end = i;
	return overflow && (i == len || !strchr(".eE", text[i]));
}

/* The text with ".0" after each integer that does not fit, so that it reads as a real. */
static void widen_integers(const char *text, size_t len, struct buf *out)
{
	size_t done = 0;

	for (size_t i = 0; i < len;) {
		size_t end = i + 1;

		if (text[i] == '"') {
			end = skip_string(text, len, i);
		} else if (text[i] == '-' || is_digit(text[i])) {
			if (integer_too_big(text, len, i, &end)) {
				buf_add(out, text + done, end - done);
				buf_adds(out, ".0");
				done = end;
			}
			/* The rest of a real: its digits are no token of their own. */
			while (end < len && (is_digit(text[end]) || strchr(".eE+-", text[end])))
				end++;
		}
		i = end;
	}
	buf_add(out, text + done, len - done);
}

int doc_json_parse_lenient(const char *text, size_t len, json_t **ret_json, struct err *err)
{
	auto_buf widened = BUF_INIT_MAX(len * 3 + 16);
	json_error_t error;
	json_t *json;

	if (check_text(text, len, err) < 0)
		return -1;
	json = json_loadb(text, len, JSON_DECODE_ANY, &error);
	if (!json && json_error_code(&error) == json_error_numeric_overflow) {
		widen_integers(text, len, &widened);
		return parse(buf_str(&widened), widened.len, 0, ret_json, err);
	}
	if (!json)
		return report(&error, err);
	*ret_json = json;
	return 0;
}

char *doc_json_dump(const json_t *json)
{
	return canon_str(json, CANON_COMPACT_ORDERED);
}

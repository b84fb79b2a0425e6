#include "pyjson.h"

#include <string.h>

#include "die.h"

/* The code point at *text, which is valid UTF-8 (jansson checked it); moves *text behind it. */
static unsigned next_code_point(const char **text)
{
	const unsigned char *at = (const unsigned char *)*text;
	int more = at[0] < 0x80 ? 0 : at[0] < 0xe0 ? 1 : at[0] < 0xf0 ? 2 : 3;
	unsigned code = more == 0 ? at[0] : at[0] & (0x3fu >> more);

	for (int i = 1; i <= more; i++)
		code = code << 6 | (at[i] & 0x3f);
	*text += more + 1;
	return code;
}

static void write_escaped(FILE *out, unsigned code)
{
	if (code >= 0x10000) {
		code -= 0x10000;
		fprintf(out, "\\u%04x\\u%04x", 0xd800 + (code >> 10), 0xdc00 + (code & 0x3ff));
	} else {
		fprintf(out, "\\u%04x", code);
	}
}

void pyjson_write_string(FILE *out, const char *text)
{
	static const char plain[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";

	fputc('"', out);
	while (*text) {
		unsigned code = next_code_point(&text);
		const char *found = code < 0x80 ? strchr(plain, (int)code) : NULL;

		if (found)
			fprintf(out, "\\%c", letters[found - plain]);
		else if (code >= ' ' && code <= '~')
			fputc((int)code, out);
		else
			write_escaped(out, code);
	}
	fputc('"', out);
}

static void write_object(FILE *out, const json_t *object)
{
	const char *key, *separator = "";
	json_t *member;

	fputc('{', out);
	json_object_foreach ((json_t *)object, key, member) {
		fputs(separator, out);
		pyjson_write_string(out, key);
		fputs(": ", out);
		pyjson_write(out, member);
		separator = ", ";
	}
	fputc('}', out);
}

static void write_array(FILE *out, const json_t *array)
{
	fputc('[', out);
	for (size_t i = 0; i < json_array_size(array); i++) {
		if (i > 0)
			fputs(", ", out);
		pyjson_write(out, json_array_get(array, i));
	}
	fputc(']', out);
}

void pyjson_write(FILE *out, const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		write_object(out, value);
		break;
	case JSON_ARRAY:
		write_array(out, value);
		break;
	case JSON_STRING:
		pyjson_write_string(out, json_string_value(value));
		break;
	case JSON_INTEGER:
		fprintf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		break;
	case JSON_REAL:
		die(EXIT_EXCEPTION, "a number with a fraction in a manifest");
	case JSON_TRUE:
		fputs("true", out);
		break;
	case JSON_FALSE:
		fputs("false", out);
		break;
	case JSON_NULL:
		fputs("null", out);
		break;
	}
}

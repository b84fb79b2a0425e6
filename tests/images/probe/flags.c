#include "flags.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "die.h"

/* argparse: `-5` and `-.5` are values */
static bool is_negative_number(const char *text)
{
	size_t whole = strspn(text + 1, "0123456789");
	const char *rest = text + 1 + whole;

	if (*rest == '\0')
		return whole > 0;
	if (*rest != '.')
		return false;
	rest++;
	return *rest && strspn(rest, "0123456789") == strlen(rest);
}

static bool looks_like_flag(const char *token)
{
	if (token[0] != '-' || token[1] == '\0')
		return false;
	return !is_negative_number(token) && !strchr(token, ' ');
}

static bool is_name(const char *text, size_t length)
{
	if (length == 0)
		return false;
	for (size_t i = 0; i < length; i++) {
		if (!isalnum((unsigned char)text[i]) && text[i] != '_' && text[i] != '-')
			return false;
	}
	return true;
}

static void add(json_t *flags, const char *name, size_t length, const char *value)
{
	if (json_object_getn(flags, name, length))
		die(EXIT_USAGE, "argument --%.*s: given twice", (int)length, name);
	if (json_object_setn_new(flags, name, length, json_string(value)) != 0)
		die(EXIT_USAGE, "argument --%.*s: not UTF-8", (int)length, name);
}

json_t *flags_parse_new(int argc, char **argv)
{
	json_t *flags = json_object();
	bool loose_value = false;

	for (int i = 0; i < argc; i++) {
		const char *name = argv[i] + 2, *equals;
		size_t length;

		if (strncmp(argv[i], "--", 2) != 0)
			die(EXIT_USAGE, "unrecognized arguments: %s", argv[i]);
		equals = strchr(name, '=');
		length = equals ? (size_t)(equals - name) : strlen(name);
		if (!is_name(name, length))
			die(EXIT_USAGE, "unrecognized arguments: %s", argv[i]);
		if (equals) {
			add(flags, name, length, equals + 1);
			continue;
		}
		if (i + 1 == argc || looks_like_flag(argv[i + 1]))
			die(EXIT_USAGE, "argument --%s: expected one argument", name);
		add(flags, name, length, argv[++i]);
		loose_value = true;
	}
	/* `fondant execute` declares a second positional, which the first loose value satisfies */
	if (!loose_value)
		die(EXIT_USAGE, "the following arguments are required: working-directory");
	return flags;
}

const char *flags_get(const json_t *flags, const char *name)
{
	return json_string_value(json_object_get(flags, name));
}

const char *flags_get_or_none(const json_t *flags, const char *name)
{
	const char *text = flags_get(flags, name);

	return text && strcmp(text, "None") == 0 ? NULL : text;
}

json_t *flags_object_new(const json_t *flags, const char *name)
{
	json_error_t error;
	json_t *value = json_loads(flags_get(flags, name), JSON_REJECT_DUPLICATES, &error);

	if (!value)
		die(EXIT_USAGE, "argument --%s: invalid loads value: %s", name, error.text);
	if (!json_is_object(value)) {
		json_decref(value);
		die(EXIT_USAGE, "argument --%s: not a JSON object", name);
	}
	return value;
}

static bool read_number(const char *text, double *ret_number)
{
	char *end;

	if (*text == '\0' || isspace((unsigned char)*text))
		return false;
	*ret_number = strtod(text, &end);
	return *end == '\0';
}

static bool read_integer(const char *text, long *ret_integer)
{
	char *end;

	if (*text == '\0' || isspace((unsigned char)*text))
		return false;
	errno = 0;
	*ret_integer = strtol(text, &end, 10);
	return *end == '\0' && errno == 0;
}

double flags_number(const json_t *flags, const char *name, double fallback)
{
	const char *text = flags_get_or_none(flags, name);
	double number = fallback;

	if (text && !read_number(text, &number))
		die(EXIT_USAGE, "argument --%s: invalid float value: '%s'", name, text);
	return number;
}

long flags_integer(const json_t *flags, const char *name, long fallback)
{
	const char *text = flags_get_or_none(flags, name);
	long integer = fallback;

	if (text && !read_integer(text, &integer))
		die(EXIT_USAGE, "argument --%s: invalid int value: '%s'", name, text);
	return integer;
}

bool flags_true(const json_t *flags, const char *name)
{
	const char *text = flags_get_or_none(flags, name);

	return text && *text;
}

void flags_check_type(const json_t *flags, const char *name, const char *type)
{
	const char *text = flags_get(flags, name);
	json_error_t error;

	if (strcmp(type, "int") == 0) {
		long integer;

		if (!read_integer(text, &integer))
			die(EXIT_USAGE, "argument --%s: invalid int value: '%s'", name, text);
	} else if (strcmp(type, "float") == 0) {
		double number;

		if (!read_number(text, &number))
			die(EXIT_USAGE, "argument --%s: invalid float value: '%s'", name, text);
	} else if (strcmp(type, "dict") == 0 || strcmp(type, "list") == 0) {
		json_t *value = json_loads(text, JSON_DECODE_ANY, &error);
		bool fits = value && json_is_object(value) == (*type == 'd') &&
			    json_is_array(value) == (*type == 'l');

		json_decref(value);
		if (!fits)
			die(EXIT_USAGE, "argument --%s: invalid %s value: '%s'", name, type, text);
	}
}

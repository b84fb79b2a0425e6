#include "compiler/default.h"

#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/mem.h"
#include "doc/json.h"

/* How an argument's type is written, and read from text. */
struct arg_type {
	const char *name;
	const char *example;
	bool (*parses)(const char *text);
};

/* Past digits with single _ between them (Python's literals); NULL: there are none. */
static const char *skip_digits(const char *s)
{
	if (*s < '0' || *s > '9')
		return NULL;
	while ((*s >= '0' && *s <= '9') || (*s == '_' && s[1] >= '0' && s[1] <= '9'))
		s++;
	return s;
}

static const char *skip_sign(const char *s)
{
	s += strspn(s, " \t\n\r\f\v");
	return s + (*s == '+' || *s == '-');
}

static bool at_end(const char *s)
{
	return s && !s[strspn(s, " \t\n\r\f\v")];
}

static bool parses_int(const char *text)
{
	return at_end(skip_digits(skip_sign(text)));
}

/* Also inf, infinity and nan. */
static bool parses_float(const char *text)
{
	static const char *const words[] = {"infinity", "inf", "nan"};
	const char *s = skip_sign(text), *whole, *part = NULL;

	for (size_t i = 0; i < array_size(words); i++) {
		if (strncasecmp(s, words[i], strlen(words[i])) == 0)
			return at_end(s + strlen(words[i]));
	}
	whole = skip_digits(s);
	s = whole ? whole : s;
	if (*s == '.') {
		part = skip_digits(++s);
		s = part ? part : s;
	}
	if (!whole && !part)
		return false;
	if (*s == 'e' || *s == 'E') {
		s++;
		s = skip_digits(s + (*s == '+' || *s == '-'));
	}
	return at_end(s);
}

static bool parses_as(const char *text, const char *type)
{
	auto_err err = ERR_INIT;
	auto_json *value = NULL;

	return doc_json_parse_lenient(text, strlen(text), &value, &err) == 0 &&
	       check_fits(value, type);
}

static bool parses_list(const char *text)
{
	return parses_as(text, "list");
}

static bool parses_dict(const char *text)
{
	return parses_as(text, "dict");
}

static const struct arg_type types[] = {
	{"str", "a text in quotes", NULL},
	{"int", "3", parses_int},
	{"float", "0.5", parses_float},
	{"bool", "false", NULL},
	{"list", "[]", parses_list},
	{"tuple", "[]", parses_list},
	{"set", "[]", parses_list},
	{"dict", "{}", parses_dict},
};

void default_check(struct check *c, const char *type, const json_t *value)
{
	const char *text = json_string_value(value);
	const struct arg_type *t = NULL;

	for (size_t i = 0; type && i < array_size(types); i++) {
		if (strcmp(types[i].name, type) == 0)
			t = &types[i];
	}
	if (!t || !value || json_is_null(value) || check_fits(value, type) ||
		(text && (strcmp(text, "None") == 0 || (t->parses && t->parses(text)))))
		return;
	if (text && !t->parses)
		check_error(c, "InvalidDefault",
			"the text \"%.60s\" is no bool: the framework's executor takes every text "
			"for true; write true or false without quotes",
			text);
	else if (text)
		check_error(c, "InvalidDefault",
			"the text \"%.60s\" is no %s: the executor could not start; write one such "
			"as %s, or None for no value",
			text, type, t->example);
	else
		check_error(c, "InvalidDefault", "is %s, but the argument is of type %s; write %s",
			check_kind_of(value), type, t->example);
}

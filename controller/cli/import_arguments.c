/* Tokens and constants of a container into arguments of the types that the component declares. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/import_private.h"
#include "doc/canon.h"
#include "doc/json.h"

/* Integers that a double holds without loss. */
#define WHOLE_MAX 9007199254740992.0

/* Flags of the framework itself. */
static const char *const own_flags[] = {"metadata", "output_manifest_path", "working_directory",
	"input_partition_rows", "cache", "operation_spec", "input_manifest_path", NULL};

static json_t *map_values(const json_t *value, json_t *(*leaf)(const json_t *value))
{
	const char *key;
	json_t *item, *out;
	size_t i;

	if (json_is_object(value)) {
		out = json_object();
		json_object_foreach ((json_t *)value, key, item)
			json_object_set_new_nocheck(out, key, map_values(item, leaf));
		return out;
	}
	if (json_is_array(value)) {
		out = json_array();
		json_array_foreach (value, i, item)
			json_array_append_new(out, map_values(item, leaf));
		return out;
	}
	return leaf(value);
}

static json_t *whole(const json_t *value)
{
	double real = json_real_value(value);

	if (!json_is_real(value) || real != trunc(real) || fabs(real) > WHOLE_MAX ||
		(real == 0 && signbit(real)))
		return json_incref((json_t *)value);
	return json_integer((json_int_t)real);
}

json_t *import_whole_numbers(const json_t *value)
{
	return map_values(value, whole);
}

static json_t *escape(const json_t *value)
{
	const char *s = json_string_value(value), *at;
	auto_buf out = BUF_INIT;

	if (!s || !strstr(s, "$("))
		return json_incref((json_t *)value);
	for (; (at = strstr(s, "$(")); s = at + 2) {
		buf_add(&out, s, (size_t)(at - s));
		buf_adds(&out, "$$(");
	}
	buf_adds(&out, s);
	return json_stringn_nocheck(out.data, out.len);
}

json_t *import_escape(const json_t *value)
{
	return map_values(value, escape);
}

static json_t *wrong(struct import *im, const char *type, const char *text)
{
	check_error(&im->c, "InvalidArgument",
		"the component declares it %s, and `%.60s` is none that JSON can hold", type, text);
	return NULL;
}

/* Python's int() of what str() of an int gives, and a sign. */
static json_t *int_of_text(struct import *im, const char *text)
{
	const char *digits = text + (*text == '+');
	int64_t value;

	if (digits[*digits == '-'] >= '0' && digits[*digits == '-'] <= '9' &&
		str_to_int64(digits, &value))
		return json_integer(value);
	digits += *digits == '-';
	if (*digits && !digits[strspn(digits, "0123456789")]) {
		check_error(&im->c, "InvalidArgument",
			"%.60s is beyond the integers that JSON readers agree on (64 bits)", text);
		return NULL;
	}
	return wrong(im, "int", text);
}

static json_t *float_of_text(struct import *im, const char *text)
{
	const char *s = text + (*text == '+' || *text == '-');
	size_t digits = strspn(s, "0123456789"), more = 0;
	double value;

	if (digits && !s[digits] && strlen(s) < 16)
		return int_of_text(im, text);
	s += digits;
	if (*s == '.') {
		more = strspn(s + 1, "0123456789");
		s += 1 + more;
	}
	if (digits + more && (*s == 'e' || *s == 'E')) {
		s += 1 + (s[1] == '+' || s[1] == '-');
		s += *s >= '0' && *s <= '9' ? strspn(s, "0123456789") : 0;
	}
	if (!(digits + more) || *s || s[-1] == 'e' || s[-1] == 'E' || s[-1] == '+' || s[-1] == '-')
		return wrong(im, "float", text);
	value = canon_read_real(text + (*text == '+'));
	return isfinite(value) ? json_real(value) : wrong(im, "float", text);
}

/* bool() of any text is true but that of none: what the caller meant is taken. */
static json_t *bool_of_text(struct import *im, const char *text)
{
	if (strcmp(text, "True") == 0)
		return json_true();
	if (strcmp(text, "False") == 0) {
		import_warn(im, "FalseMeantFalse",
			"imported as false, as its author meant; the framework's executor takes "
			"the "
			"text False for true");
		return json_false();
	}
	if (!*text)
		return json_false();
	return wrong(im, "bool", text);
}

static json_t *json_of_text(struct import *im, const char *type, const char *text)
{
	auto_err err = ERR_INIT;
	bool map = strcmp(type, "dict") == 0;
	auto_json *value = NULL;

	if (doc_json_parse(text, strlen(text), &value, &err) < 0) {
		check_error(&im->c, "InvalidArgument", "is not the JSON of a %s: %s", type,
			err_message(&err));
		return NULL;
	}
	if (map ? !json_is_object(value) : !json_is_array(value))
		return wrong(im, type, text);
	return json_incref(value);
}

static json_t *of_text(struct import *im, const char *type, const char *text)
{
	if (strcmp(type, "int") == 0)
		return int_of_text(im, text);
	if (strcmp(type, "float") == 0)
		return float_of_text(im, text);
	if (strcmp(type, "bool") == 0)
		return bool_of_text(im, text);
	if (strcmp(type, "str") == 0)
		return json_string_nocheck(text);
	return json_of_text(im, type, text);
}

/* An integer that was written as 7.0. */
static json_t *int_of_number(struct import *im, const json_t *value)
{
	double real = json_number_value(value);

	if (json_is_integer(value))
		return json_incref((json_t *)value);
	if (json_is_real(value) && real == trunc(real) && fabs(real) < 9.2e18) {
		if (fabs(real) >= WHOLE_MAX)
			import_warn(im, "PrecisionLost",
				"KFP writes integers as floating point numbers, and this one is "
				"too "
				"large to have kept all its digits; compare it with the source");
		return json_integer((json_int_t)real);
	}
	check_error(&im->c, "InvalidArgument",
		"the component declares it int, and this is no integer of 64 bits");
	return NULL;
}

static json_t *of_json(struct import *im, const char *type, const json_t *value)
{
	bool fits = strcmp(type, "str") == 0     ? json_is_string(value)
		    : strcmp(type, "float") == 0 ? json_is_number(value)
		    : strcmp(type, "bool") == 0  ? json_is_boolean(value)
		    : strcmp(type, "dict") == 0  ? json_is_object(value)
						 : json_is_array(value);

	if (strcmp(type, "int") == 0 && json_is_number(value))
		return int_of_number(im, value);
	if (!fits) {
		check_error(&im->c, "InvalidArgument",
			"the component declares it %s, and this is "
			"%s",
			type, check_kind_of(value));
		return NULL;
	}
	if (strcmp(type, "float") == 0)
		return json_incref((json_t *)value);
	return import_whole_numbers(value);
}

/* The argument's default becomes None, which is what the executor would have set it to. */
static void given_none(struct import *im, const char *name, json_t *arg)
{
	const json_t *fallback = json_object_get(arg, "default");

	if (fallback &&
		!(json_is_string(fallback) && strcmp(json_string_value(fallback), "None") == 0))
		import_warn(im, "NoneAsDefault",
			"`%.80s` was given as None, which an argument here cannot be: it is left "
			"out, and its default in the component's file is made None",
			name);
	json_object_set_new_nocheck(arg, "default", json_string_nocheck("None"));
}

static bool is_own(const char *name)
{
	for (size_t i = 0; own_flags[i]; i++) {
		if (strcmp(own_flags[i], name) == 0)
			return true;
	}
	return false;
}

static void add_argument(
	struct import *im, const struct import_flag *flag, json_t *args, json_t *arguments)
{
	json_t *arg = json_object_get(args, flag->name);
	const char *type = json_string_value(json_object_get(arg, "type"));
	const char *text = json_string_value(flag->value);
	auto_json *value = NULL;

	if (!json_is_object(arg)) {
		import_warn(im, "UnknownArgument",
			"the component declares no argument `%.80s`, and the framework's executor "
			"ignores it: left out",
			flag->name);
		return;
	}
	if (!type) {
		check_error(&im->c, "InvalidArgument",
			"the component does not say the type of `%.80s`", flag->name);
		return;
	}
	if (text && strcmp(text, "None") == 0) {
		given_none(im, flag->name, arg);
		return;
	}
	value = flag->typed ? of_json(im, type, flag->value) : of_text(im, type, text);
	if (value)
		json_object_set_new_nocheck(arguments, flag->name, import_escape(value));
}

void import_arguments(struct import *im, struct import_step *s, json_t *args)
{
	json_t *arguments = json_object();

	for (size_t i = 0; i < s->flags_len; i++) {
		if (is_own(s->flags[i].name))
			continue;
		where_init(&im->c.w, s->flags[i].place);
		add_argument(im, &s->flags[i], args, arguments);
	}
	if (json_object_size(arguments))
		json_object_set_nocheck(s->json, "arguments", arguments);
	json_decref(arguments);
}

#include "compiler/args.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "compiler/params.h"

/* Flags of the executor's first parser and of the command line before it. Python's argparse takes
 * a prefix of a flag for the flag, so an argument `c` would be read as --cache. */
static const char *const abbreviable[] = {
	"operation_spec", "cache", "input_partition_rows", "working_directory", "help", NULL};

/* Whether every value of one type of parameter is one of the argument. */
static bool fits_declared(const char *parameter, const char *type)
{
	if (strcmp(type, "float") == 0)
		return strcmp(parameter, "float") == 0 || strcmp(parameter, "int") == 0;
	if (strcmp(type, "tuple") == 0 || strcmp(type, "set") == 0)
		return strcmp(parameter, "list") == 0;
	return strcmp(parameter, type) == 0;
}

static void wrong_type(struct check *c, const json_t *value, const char *type)
{
	if (json_is_string(value))
		check_error(c, "InvalidArgument", "expected %s, got the string \"%.60s\"%s", type,
			json_string_value(value),
			params_quotes_hint(json_string_value(value), type));
	else
		check_error(c, "InvalidArgument", "expected %s, got %s%s", type,
			check_kind_of(value), strcmp(type, "str") == 0 ? "; quote it" : "");
}

static void check_string(struct check *c, const char *text)
{
	if (strcmp(text, "None") == 0)
		check_error(c, "InvalidArgument",
			"the framework's executor turns the text None into no value; leave the "
			"argument out, or use another word");
	else if (strcmp(text, "--") == 0)
		check_error(c, "InvalidArgument",
			"the framework's executor cannot be given the text --; use another word");
}

/* Alone in its string a reference has the type that it is declared with, whatever its value. */
static void check_type(struct check *c, const json_t *written, const json_t *value,
	const char *type, const struct refs *refs)
{
	const char *declared = refs ? refs_type(refs, written) : NULL;

	if (!declared && !check_fits(value, type))
		wrong_type(c, value, type);
	else if (declared && *declared && !fits_declared(declared, type))
		check_error(c, "InvalidArgument", "expected %s, but %.100s is of type %s", type,
			json_string_value(written), declared);
	else if (json_is_string(value))
		check_string(c, json_string_value(value));
}

static void check_name(struct check *c, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; abbreviable[i]; i++) {
		if (len < strlen(abbreviable[i]) && strncmp(name, abbreviable[i], len) == 0) {
			check_error(c, "ReservedArgument",
				"the framework's executor would read --%s as --%s; the component's "
				"argument needs another name",
				name, abbreviable[i]);
			return;
		}
	}
}

/* What is said of an argument however it is given; its declaration, NULL when there is none. */
static const json_t *check_known(struct check *c, const json_t *args, const char *name)
{
	const json_t *arg = json_object_get(args, name);
	char near[CHECK_HINT_SIZE];

	if (arg)
		check_name(c, name);
	else if (strcmp(name, "true") == 0 || strcmp(name, "false") == 0)
		check_error(c, "UnknownArgument",
			"the component has no such argument; YAML reads an unquoted y, n, yes, no, "
			"on or off as a boolean: write the name in quotes, as 'y'");
	else
		check_error(c, "UnknownArgument", "the component has no such argument%s",
			check_hint_key(c, args, name, near));
	return arg;
}

/* With its parameters replaced; NULL: none. The tree of the values is often the written one. */
static const json_t *given_value(
	const struct args_given *given, const char *name, const json_t *written)
{
	if (given->values && given->values != given->written)
		return check_get(given->values, name);
	return json_is_null(written) ? NULL : written;
}

static void check_given(struct check *c, const json_t *args, const struct args_given *given)
{
	size_t mark = where_key(&c->w, "arguments");
	const char *name;
	json_t *written;

	json_object_foreach ((json_t *)given->written, name, written) {
		const json_t *value = given_value(given, name, written);
		size_t inner = where_key(&c->w, name);
		const json_t *arg = value ? check_known(c, args, name) : NULL;

		if (arg)
			check_type(c, written, value,
				json_string_value(json_object_get(arg, "type")), given->refs);
		where_back(&c->w, inner);
	}
	where_back(&c->w, mark);
}

/* The value is known to the Secret alone. */
static void check_secret_type(struct check *c, const char *type)
{
	if (strcmp(type, "bool") == 0)
		check_error(c, "InvalidArgument",
			"a bool cannot be secret: the framework's executor takes every text for "
			"true; give it in `arguments`, or declare it as str");
	else if (strcmp(type, "int") == 0 || strcmp(type, "float") == 0)
		check_error(c, "InvalidArgument",
			"an argument of type %s cannot be secret: the framework's executor would "
			"print a value "
			"that is no number; give it in `arguments`, or declare it as str",
			type);
}

static void check_secret(struct check *c, const json_t *args, const struct args_given *given)
{
	size_t mark = where_key(&c->w, "secretArguments");
	const char *name;
	json_t *value;

	json_object_foreach ((json_t *)given->secret, name, value) {
		size_t inner = where_key(&c->w, name);
		const json_t *arg = json_is_null(value) ? NULL : check_known(c, args, name);

		if (arg)
			check_secret_type(c, json_string_value(json_object_get(arg, "type")));
		if (!json_is_null(value) && check_get(given->written, name))
			check_error(
				c, "Duplicate", "is in `arguments` too; give it in one of the two");
		where_back(&c->w, inner);
	}
	where_back(&c->w, mark);
}

void args_check(struct check *c, const json_t *args, const struct args_given *given)
{
	const char *name;
	json_t *arg;
	size_t mark;

	check_given(c, args, given);
	check_secret(c, args, given);
	mark = where_key(&c->w, "arguments");
	json_object_foreach ((json_t *)args, name, arg) {
		if (check_get(given->written, name) || check_get(given->secret, name) ||
			check_get(arg, "default"))
			continue;
		check_error_at(c, name, "MissingArgument",
			"the component requires it (%s), and it has no default",
			json_string_value(json_object_get(arg, "type")));
	}
	where_back(&c->w, mark);
}

#include "compiler/args.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"

/* Flags of the executor's first parser and of the command line before it. Python's argparse takes
 * a prefix of a flag for the flag, so an argument `c` would be read as --cache. */
static const char *const abbreviable[] = {
	"operation_spec", "cache", "input_partition_rows", "working_directory", "help", NULL};

/* One letter after another: [A-Za-z_][A-Za-z0-9_.-]*. */
static size_t name_length(const char *s)
{
	size_t n = 0;

	if (!((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || *s == '_'))
		return 0;
	while ((s[n] >= 'a' && s[n] <= 'z') || (s[n] >= 'A' && s[n] <= 'Z') ||
		(s[n] >= '0' && s[n] <= '9') || s[n] == '_' || s[n] == '.' || s[n] == '-')
		n++;
	return n;
}

static void check_text(struct check *c, const char *s)
{
	for (; (s = strchr(s, '$')); s++) {
		size_t n;

		if (str_starts_with(s, "$$(")) {
			s += 2;
			continue;
		}
		if (s[1] != '(' || !(n = name_length(s + 2)) || s[2 + n] != ')')
			continue;
		if (str_starts_with(s + 2, "parameters.") || str_starts_with(s + 2, "run."))
			check_error(c, "NotYetSupported",
				"`$(%.*s)` is not supported by this release; write the value",
				(int)(n > 80 ? 80 : n), s + 2);
		else
			check_error(c, "UnknownReference",
				"there is nothing called `%.*s`; write $$(%.*s) for the text "
				"itself",
				(int)(n > 80 ? 80 : n), s + 2, (int)(n > 80 ? 80 : n), s + 2);
		return; /* one finding a string is enough */
	}
}

void refs_check(struct check *c, const json_t *value)
{
	const char *key;
	json_t *item;
	size_t i;

	if (json_is_string(value))
		check_text(c, json_string_value(value));
	json_object_foreach ((json_t *)value, key, item) {
		size_t mark = where_key(&c->w, key);

		refs_check(c, item);
		where_back(&c->w, mark);
	}
	json_array_foreach (value, i, item) {
		size_t mark = where_index(&c->w, i);

		refs_check(c, item);
		where_back(&c->w, mark);
	}
}

static json_t *unescape_text(const json_t *value)
{
	const char *s = json_string_value(value), *end = s + json_string_length(value), *at;
	auto_buf out = BUF_INIT;

	while ((at = strstr(s, "$$("))) {
		buf_add(&out, s, (size_t)(at - s));
		buf_adds(&out, "$(");
		s = at + 3;
	}
	buf_add(&out, s, (size_t)(end - s));
	return json_stringn_nocheck(buf_str(&out), out.len);
}

json_t *refs_unescape(const json_t *value)
{
	const char *key;
	json_t *item, *out;
	size_t i;

	if (json_is_string(value) && strstr(json_string_value(value), "$$("))
		return unescape_text(value);
	if (json_is_object(value)) {
		out = json_object();
		json_object_foreach ((json_t *)value, key, item)
			json_object_set_new_nocheck(out, key, refs_unescape(item));
		return out;
	}
	if (json_is_array(value)) {
		out = json_array();
		json_array_foreach (value, i, item)
			json_array_append_new(out, refs_unescape(item));
		return out;
	}
	return json_incref((json_t *)value);
}

static bool fits_type(const json_t *value, const char *type)
{
	if (strcmp(type, "str") == 0)
		return json_is_string(value);
	if (strcmp(type, "int") == 0)
		return json_is_integer(value);
	if (strcmp(type, "float") == 0)
		return json_is_number(value);
	if (strcmp(type, "bool") == 0)
		return json_is_boolean(value);
	if (strcmp(type, "dict") == 0)
		return json_is_object(value);
	return json_is_array(value); /* list, tuple, set */
}

static void wrong_type(struct check *c, const json_t *value, const char *type)
{
	if (json_is_string(value))
		check_error(c, "InvalidArgument", "expected %s, got the string \"%.60s\"%s", type,
			json_string_value(value),
			strcmp(type, "str") != 0 ? "; remove the quotes" : "");
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
			"the framework's executor cannot be given the text --");
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

static void check_one(struct check *c, const json_t *args, const char *name, const json_t *value)
{
	const json_t *arg = json_object_get(args, name);
	const char *type = json_string_value(json_object_get(arg, "type"));
	char near[CHECK_HINT_SIZE];

	if (!arg) {
		check_error(c, "UnknownArgument", "the component has no such argument%s",
			check_hint_key(c, args, name, near));
		return;
	}
	check_name(c, name);
	if (!fits_type(value, type))
		wrong_type(c, value, type);
	else if (json_is_string(value))
		check_string(c, json_string_value(value));
	if (check_depth(c, value))
		refs_check(c, value);
}

void args_check(struct check *c, const json_t *args, const json_t *arguments)
{
	const char *name;
	json_t *value;

	json_object_foreach ((json_t *)arguments, name, value) {
		size_t mark = where_key(&c->w, name);

		if (!json_is_null(value))
			check_one(c, args, name, value);
		where_back(&c->w, mark);
	}
	json_object_foreach ((json_t *)args, name, value) {
		if (check_get(arguments, name) || check_get(value, "default"))
			continue;
		check_error_at(c, name, "MissingArgument",
			"the component requires it (%s), and it has no default",
			json_string_value(json_object_get(value, "type")));
	}
}

json_t *args_normalize(const json_t *arguments)
{
	bool has_null = false;
	const char *name;
	json_t *value, *out;

	json_object_foreach ((json_t *)arguments, name, value)
		has_null = has_null || json_is_null(value);
	if (json_is_object(arguments) && !has_null)
		return json_incref((json_t *)arguments);
	out = json_object();
	json_object_foreach ((json_t *)arguments, name, value) {
		if (!json_is_null(value))
			json_object_set_nocheck(out, name, value);
	}
	return out;
}

#include "compiler/component.h"

#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "compiler/check.h"
#include "compiler/default.h"
#include "compiler/types.h"

#define COMPONENT_MAX_FIELDS 512
#define COMPONENT_MAX_ARGS 256
#define COMPONENT_MAX_TEXT 16384

/* The framework's order (core/component_spec.py, ComponentSpec.__init__). */
enum {
	COMPONENT_NAME,
	COMPONENT_IMAGE,
	COMPONENT_DESCRIPTION,
	COMPONENT_TAGS,
	COMPONENT_CONSUMES,
	COMPONENT_PRODUCES,
	COMPONENT_PREVIOUS_INDEX,
	COMPONENT_ARGS,
	COMPONENT_FIELDS,
};

static const struct check_field component_fields[COMPONENT_FIELDS] = {
	[COMPONENT_NAME] =
		{.name = "name", .kind = CHECK_STRING, .required = true, .min = 1, .max = 253},
	[COMPONENT_IMAGE] =
		{.name = "image", .kind = CHECK_STRING, .required = true, .min = 1, .max = 512},
	[COMPONENT_DESCRIPTION] = {.name = "description",
		.kind = CHECK_STRING,
		.required = true,
		.min = 1,
		.max = COMPONENT_MAX_TEXT},
	[COMPONENT_TAGS] = {.name = "tags", .kind = CHECK_ARRAY, .max = 32},
	[COMPONENT_CONSUMES] = {.name = "consumes",
		.kind = CHECK_OBJECT,
		.max = COMPONENT_MAX_FIELDS},
	[COMPONENT_PRODUCES] = {.name = "produces",
		.kind = CHECK_OBJECT,
		.max = COMPONENT_MAX_FIELDS},
	[COMPONENT_PREVIOUS_INDEX] = {.name = "previous_index", .kind = CHECK_STRING, .max = 253},
	[COMPONENT_ARGS] = {.name = "args", .kind = CHECK_OBJECT, .max = COMPONENT_MAX_ARGS},
};

static const char *const arg_types[] = {
	"str", "int", "float", "bool", "list", "dict", "tuple", "set", NULL};

/*
 * Flags that the executor keeps for itself, and keywords that it takes out of the arguments
 * before it calls the component (component/executor.py, from_spec); and the component's own first
 * argument.
 */
static const char *const reserved_args[] = {"metadata", "output_manifest_path", "working_directory",
	"operation_spec", "cache", "input_manifest_path", "input_partition_rows", "consumes",
	"produces", "help", "self", NULL};

static bool has_word(const char *const *words, const char *word)
{
	for (; *words; words++) {
		if (**words == *word && strcmp(*words, word) == 0)
			return true;
	}
	return false;
}

/* A flag and a Python keyword at once: letters, digits, _ and -, other scripts included. */
static bool is_arg_name(const char *name)
{
	size_t len = strlen(name);

	if (!len || len > 253 || (*name >= '0' && *name <= '9') || *name == '-')
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned char ch = (unsigned char)name[i];

		if (!(ch >= 'a' && ch <= 'z') && !(ch >= 'A' && ch <= 'Z') &&
			!(ch >= '0' && ch <= '9') && ch != '_' && ch != '-' && ch < 0x80)
			return false;
	}
	return true;
}

bool component_check_arg_name(struct check *c, const char *name)
{
	if (!is_arg_name(name))
		check_error(c, "InvalidName",
			"an argument's name is letters, digits, _ and -, not starting with a "
			"digit");
	else if (has_word(reserved_args, name))
		check_error(c, "ReservedArgument",
			"`%s` is taken by the framework; give the argument another name", name);
	else
		return true;
	return false;
}

bool component_check_keyword(struct check *c, const char *name)
{
	static const char *const keywords[] = {"False", "None", "True", "and", "as", "assert",
		"async", "await", "break", "class", "continue", "def", "del", "elif", "else",
		"except", "finally", "for", "from", "global", "if", "import", "in", "is", "lambda",
		"nonlocal", "not", "or", "pass", "raise", "return", "try", "while", "with", "yield",
		NULL};

	if (!has_word(keywords, name))
		return true;
	check_error(c, "ReservedArgument",
		"`%s` is a keyword of Python, so no function can have an argument of that name; "
		"give it another",
		name);
	return false;
}

static void check_arg(struct check *c, const char *name, const json_t *arg)
{
	static const struct check_field type = {
		.name = "type", .kind = CHECK_WORD, .words = arg_types};
	static const struct check_field description = {
		.name = "description", .kind = CHECK_STRING, .max = COMPONENT_MAX_TEXT};
	const json_t *value;
	size_t mark;

	component_check_arg_name(c, name);
	if (!json_is_object(arg)) {
		check_error(
			c, "InvalidType", "must be a map with `type`, not %s", check_kind_of(arg));
		return;
	}
	value = check_get(arg, "type");
	mark = where_key(&c->w, "type");
	if (value)
		check_value(c, value, &type);
	else
		check_error(c, "Required", "`type` is required");
	where_back(&c->w, mark);
	value = check_get(arg, "description");
	mark = where_key(&c->w, "description");
	if (value)
		check_value(c, value, &description);
	where_back(&c->w, mark);
	mark = where_key(&c->w, "default");
	if (check_depth(c, arg))
		default_check(
			c, json_string_value(check_get(arg, "type")), check_get(arg, "default"));
	where_back(&c->w, mark);
}

/* As a keyword `-` is `_` (argparse); `dashed` has the names met that have one, so written. */
static void check_twin(struct check *c, const json_t *args, const char *name, struct map *dashed)
{
	auto_free char *keyword = NULL;
	const char *twin;

	if (!strchr(name, '-'))
		return;
	keyword = xstrdup(name);
	for (char *ch = keyword; *ch; ch++)
		*ch = *ch == '-' ? '_' : *ch;
	twin = json_object_get(args, keyword) ? keyword : map_get(dashed, keyword);
	if (twin)
		check_error(c, "Duplicate",
			"`%.80s` and `%.80s` are one argument to the framework's executor, which "
			"takes - for _; rename one",
			name, twin);
	map_set(dashed, keyword, (void *)name);
}

static void check_args(struct check *c, json_t *args)
{
	size_t mark = where_key(&c->w, "args");
	auto_map dashed = MAP_INIT;
	const char *name;
	json_t *arg;

	json_object_foreach (args, name, arg) {
		size_t inner = where_key(&c->w, name);

		check_arg(c, name, arg);
		check_twin(c, args, name, &dashed);
		where_back(&c->w, inner);
	}
	where_back(&c->w, mark);
}

static void check_mapping(struct check *c, json_t *mapping, const char *which)
{
	size_t mark = where_key(&c->w, which);
	const char *name;
	json_t *field;

	json_object_foreach (mapping, name, field) {
		size_t inner = where_key(&c->w, name);
		bool generic = strcmp(name, "additionalProperties") == 0;

		if (!*name || strlen(name) > 253)
			check_error(c, "InvalidName", "a field's name has 1 to 253 bytes");
		else if (json_is_boolean(field) && !generic)
			check_error(c, "InvalidFieldType",
				"must be a type such as {type: string}; only additionalProperties "
				"may be true or false");
		else if (!json_is_boolean(field))
			type_check_declared(field, c->w.text, c->diags);
		where_back(&c->w, inner);
	}
	where_back(&c->w, mark);
}

static void check_tags(struct check *c, const json_t *tags)
{
	size_t mark = where_key(&c->w, "tags"), i;
	json_t *tag;

	json_array_foreach (tags, i, tag) {
		size_t inner = where_index(&c->w, i);

		if (!json_is_string(tag))
			check_error(
				c, "InvalidType", "must be a string, not %s", check_kind_of(tag));
		where_back(&c->w, inner);
	}
	where_back(&c->w, mark);
}

void component_check(const json_t *component, const char *path, struct diag_list *diags)
{
	json_t *given[COMPONENT_FIELDS] = {0};
	struct check c;

	check_init(&c, diags, path);
	check_members(&c, component, component_fields, COMPONENT_FIELDS, given);
	check_tags(&c, given[COMPONENT_TAGS]);
	check_mapping(&c, given[COMPONENT_CONSUMES], "consumes");
	check_mapping(&c, given[COMPONENT_PRODUCES], "produces");
	check_args(&c, given[COMPONENT_ARGS]);
}

static bool is_falsy(const json_t *value)
{
	return !value || json_is_null(value) ||
	       (json_is_string(value) && !json_string_length(value)) ||
	       (json_is_array(value) && !json_array_size(value)) ||
	       (json_is_object(value) && !json_object_size(value));
}

json_t *component_normalize(const json_t *component)
{
	json_t *out = json_object();

	for (size_t i = 0; i < array_size(component_fields); i++) {
		json_t *value = json_object_get(component, component_fields[i].name);

		if (!is_falsy(value))
			json_object_set_nocheck(out, component_fields[i].name, value);
	}
	return out;
}

bool component_is_generic(const json_t *mapping)
{
	const json_t *more = json_object_get(mapping, "additionalProperties");

	return json_is_true(more) || (json_is_object(more) && json_object_size(more));
}

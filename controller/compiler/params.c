#include "compiler/params.h"

#include <string.h>
#include <strings.h>

#include "base/mem.h"

#define MAX_PARAMETERS 100
#define MAX_NAME 63

static const char *const types[] = {"str", "int", "float", "bool", "list", "dict", NULL};

/* [A-Za-z_][A-Za-z0-9_-]* */
static bool is_name(const char *s)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";

	return *s && strchr(letters, *s) &&
	       !s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789-")];
}

const char *params_quotes_hint(const char *text, const char *type)
{
	static const char *const booleans[] = {"true", "false", "yes", "no", "on", "off", NULL};
	bool same = false;

	if (strcmp(type, "int") == 0)
		same = *text && !text[strspn(text, "+-0123456789_")];
	else if (strcmp(type, "float") == 0)
		same = *text && !text[strspn(text, "+-.0123456789eE_")];
	else if (strcmp(type, "bool") == 0)
		for (size_t i = 0; booleans[i]; i++)
			same = same || strcasecmp(booleans[i], text) == 0;
	else if (strcmp(type, "dict") == 0)
		same = *text == '{';
	else
		same = *text == '[';
	return same ? "; remove the quotes" : "";
}

/* At the place of the value. */
static bool check_type(struct check *c, const json_t *value, const char *name, const char *type)
{
	const char *hint = "";

	if (!check_depth(c, value))
		return false;
	if (check_fits(value, type))
		return true;
	if (strcmp(type, "str") == 0 && !json_is_object(value) && !json_is_array(value))
		hint = "; quote it";
	else if (json_is_string(value))
		hint = params_quotes_hint(json_string_value(value), type);
	check_error(c, "InvalidParameter", "parameter `%s` is declared as %s, and this is %s%s",
		name, type, check_kind_of(value), hint);
	return false;
}

/* Its name, NULL when it has none of its own; and its type, NULL when it is none. */
static const char *check_declaration(
	struct compiler *m, const json_t *item, const struct map *seen, const char **ret_type)
{
	static const struct check_field fields[] = {
		{.name = "name", .kind = CHECK_STRING, .required = true, .min = 1, .max = MAX_NAME},
		{.name = "type", .kind = CHECK_WORD, .required = true, .words = types},
		{.name = "default", .kind = CHECK_ANY},
		{.name = "description", .kind = CHECK_STRING, .max = 4096},
	};
	const char *name = json_string_value(check_get(item, "name"));
	const char *type = json_string_value(check_get(item, "type"));

	check_object(&m->c, item, fields, array_size(fields));
	*ret_type = NULL;
	for (size_t i = 0; type && types[i]; i++) {
		if (strcmp(types[i], type) == 0)
			*ret_type = types[i];
	}
	if (!name || !*name || strlen(name) > MAX_NAME)
		return NULL;
	if (!is_name(name))
		check_error_at(&m->c, "name", "InvalidName",
			"a parameter's name is letters, digits, _ and -, beginning with a letter "
			"or _");
	else if (map_has(seen, name))
		check_error_at(&m->c, "name", "DuplicateName",
			"there are two parameters called `%s`", name);
	else
		return name;
	return NULL;
}

/* What the pipeline declares; seen: name -> its type. */
static void read_declarations(struct compiler *m, struct map *seen)
{
	const json_t *list = check_get(m->in->spec, "parameters");
	json_t *item, *none = json_null();
	size_t i;

	where_init(&m->c.w, "spec.parameters");
	if (json_array_size(list) > MAX_PARAMETERS)
		return; /* said by the table of fields */
	json_array_foreach (list, i, item) {
		size_t mark = where_index(&m->c.w, i), inner;
		json_t *value = check_get(item, "default");
		const char *type, *name = check_declaration(m, item, seen, &type);

		inner = where_key(&m->c.w, "default");
		if (value)
			refs_forbid(&m->c, value, false);
		if (value && name && type && !check_type(&m->c, value, name, type))
			value = NULL;
		where_back(&m->c.w, inner);
		if (name) {
			/* One without a type is known, so that nobody is told that it is not. */
			map_set(seen, name, (void *)(type ? type : ""));
			json_object_set_nocheck(m->parameters, name, value ? value : none);
		}
		where_back(&m->c.w, mark);
	}
}

static void unknown_parameter(struct compiler *m, const char *name)
{
	char near[CHECK_HINT_SIZE];

	check_error_at(&m->c, "name", "UnknownParameter", "the pipeline has no parameter `%.80s`%s",
		name, check_hint_key(&m->c, m->parameters, name, near));
}

static void read_override(
	struct compiler *m, const json_t *item, const struct map *declared, struct map *given)
{
	static const struct check_field fields[] = {
		{.name = "name", .kind = CHECK_STRING, .required = true, .min = 1, .max = MAX_NAME},
		{.name = "value", .kind = CHECK_ANY},
	};
	json_t *value = check_get(item, "value");
	const char *name, *type;
	size_t mark;

	if (!check_object(&m->c, item, fields, array_size(fields)))
		return;
	name = json_string_value(check_get(item, "name"));
	type = map_get(declared, name);
	if (!type) {
		unknown_parameter(m, name);
		return;
	}
	if (map_has(given, name)) {
		check_error_at(&m->c, "name", "DuplicateName", "`%s` is given twice", name);
		return;
	}
	map_set(given, name, value);
	mark = where_key(&m->c.w, "value");
	if (!value)
		check_error(&m->c, "Required",
			"a value is required; leave the entry out for the pipeline's default");
	else if (*type && check_type(&m->c, value, name, type))
		json_object_set_nocheck(m->parameters, name, value);
	where_back(&m->c.w, mark);
}

/* What a run gives. */
static void read_overrides(struct compiler *m, const struct map *declared)
{
	static const struct check_field whole = {
		.name = "parameters", .kind = CHECK_ARRAY, .max = MAX_PARAMETERS};
	const json_t *list = m->in->parameters;
	auto_map given = MAP_INIT;
	json_t *item;
	size_t i;

	where_init(&m->c.w, "FondantRun: spec.parameters");
	if (!list || json_is_null(list) || !check_value(&m->c, list, &whole))
		return;
	json_array_foreach (list, i, item) {
		size_t mark = where_index(&m->c.w, i);

		read_override(m, item, declared, &given);
		where_back(&m->c.w, mark);
	}
}

void params_read(struct compiler *m, struct refs *refs)
{
	auto_map declared = MAP_INIT;
	const char *name;
	json_t *value;

	m->parameters = json_object();
	read_declarations(m, &declared);
	read_overrides(m, &declared);
	json_object_foreach (m->parameters, name, value)
		refs_add_parameter(refs, name, map_get(&declared, name), value);
	where_init(&m->c.w, "spec");
}

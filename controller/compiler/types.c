#include "compiler/types.h"

#include <string.h>

#include "base/buf.h"
#include "base/vec.h"
#include "compiler/check.h"
#include "doc/path.h"

/*
 * Names that the framework's parser knows (src/fondant/core/schema.py, _TYPES), and whether the
 * JSON schema of component files lists them too (core/schemas/common.json). `array` and `object`
 * are not names but constructors.
 */
struct type_name {
	const char *name;
	bool declarable;
};

static const struct type_name type_names[] = {
	{.name = "string", .declarable = true},
	{.name = "int32", .declarable = true},
	{.name = "int64", .declarable = true},
	{.name = "float32", .declarable = true},
	{.name = "float64", .declarable = true},
	{.name = "bool", .declarable = true},
	{.name = "binary", .declarable = true},
	{.name = "int8", .declarable = true},
	{.name = "int16", .declarable = true},
	{.name = "uint8", .declarable = true},
	{.name = "uint16", .declarable = true},
	{.name = "uint32", .declarable = true},
	{.name = "uint64", .declarable = true},
	{.name = "float16", .declarable = true},
	{.name = "time32", .declarable = true},
	{.name = "time64", .declarable = true},
	{.name = "timestamp", .declarable = true},
	{.name = "date32", .declarable = true},
	{.name = "date64", .declarable = true},
	{.name = "duration", .declarable = true},
	{.name = "utf8", .declarable = true},
	{.name = "struct", .declarable = true},
	{.name = "null", .declarable = false},
	{.name = "decimal128", .declarable = false},
	{.name = "large_binary", .declarable = false},
	{.name = "large_utf8", .declarable = false},
};

/* Everything that may stand under `type`, for hints. */
static const char *const all_words[] = {"string", "int32", "int64", "float32", "float64", "bool",
	"binary", "int8", "int16", "uint8", "uint16", "uint32", "uint64", "float16", "time32",
	"time64", "timestamp", "date32", "date64", "duration", "utf8", "struct", "null",
	"decimal128", "large_binary", "large_utf8", "array", "object", NULL};

static const struct type_name *find_name(const char *name)
{
	for (size_t i = 0; i < sizeof(type_names) / sizeof(type_names[0]); i++) {
		if (strcmp(type_names[i].name, name) == 0)
			return &type_names[i];
	}
	return NULL;
}

static const struct check_field type_fields[] = {
	{.name = "type", .kind = CHECK_STRING, .required = true, .min = 1},
	{.name = "items", .kind = CHECK_ANY},
	{.name = "properties", .kind = CHECK_OBJECT, .max = 256},
	{.name = "format", .kind = CHECK_STRING},
};

static void check_type(struct check *c, const json_t *field, bool declared, int depth);

static void unknown_name(struct check *c, const char *name)
{
	char near[CHECK_HINT_SIZE];

	const char *hint = check_hint_word(c, all_words, name, near);

	check_error(c, "InvalidFieldType", "`%.80s` is not a type%s", name,
		*hint ? hint : " such as string, int64, float32, bool, binary, array or object");
}

static void check_name(struct check *c, const char *name, bool declared)
{
	const struct type_name *known = find_name(name);

	if (!known)
		unknown_name(c, name);
	else if (declared && !known->declarable)
		check_error(c, "InvalidFieldType",
			"the framework takes `%s` in a step's mapping, but not in a component file",
			name);
}

static void check_items(struct check *c, const json_t *field, bool declared, int depth)
{
	const json_t *items = check_get(field, "items");
	size_t mark = where_key(&c->w, "items");

	if (!items)
		check_error(c, "InvalidFieldType",
			"an array needs `items`: the type of what is in it, as {type: string}");
	else if (json_is_string(items) && !declared)
		check_name(c, json_string_value(items), declared);
	else
		check_type(c, items, declared, depth - 1);
	where_back(&c->w, mark);
}

static void check_properties(struct check *c, const json_t *field, bool declared, int depth)
{
	const json_t *properties = check_get(field, "properties");
	size_t mark = where_key(&c->w, "properties");
	const char *key;
	json_t *item;

	if (!json_is_object(properties))
		check_error(c, "InvalidFieldType",
			"an object needs `properties`: a map from name to type");
	json_object_foreach ((json_t *)properties, key, item) {
		size_t inner = where_key(&c->w, key);

		if (declared && strcmp(key, "type") == 0)
			check_error(c, "InvalidFieldType",
				"the framework cannot read a property called `type`; rename it");
		else
			check_type(c, item, declared, depth - 1);
		where_back(&c->w, inner);
	}
	where_back(&c->w, mark);
}

static void check_type(struct check *c, const json_t *field, bool declared, int depth)
{
	const char *type, *format;

	if (!depth) {
		check_error(c, "TooDeep", "types nest deeper than %d levels", TYPE_MAX_DEPTH);
		return;
	}
	if (!check_object(c, field, type_fields, sizeof(type_fields) / sizeof(type_fields[0])))
		return;
	type = json_string_value(json_object_get(field, "type"));
	format = json_string_value(check_get(field, "format"));
	if (strcmp(type, "array") == 0) {
		check_items(c, field, declared, depth);
	} else if (strcmp(type, "object") == 0) {
		check_properties(c, field, declared, depth);
	} else {
		size_t mark = where_key(&c->w, "type");

		check_name(c, type, declared);
		where_back(&c->w, mark);
		if (!declared && format && strcmp(format, "date-time") != 0)
			check_error_at(c, "format", "InvalidFieldType",
				"the only format is date-time, for strings that are timestamps");
	}
}

static void check_root(
	const json_t *field, const char *path, bool declared, struct diag_list *diags)
{
	struct check c;

	check_init(&c, diags, path);
	check_type(&c, field, declared, TYPE_MAX_DEPTH);
}

void type_check(const json_t *field, const char *path, struct diag_list *diags)
{
	check_root(field, path, false, diags);
}

void type_check_declared(const json_t *field, const char *path, struct diag_list *diags)
{
	check_root(field, path, true, diags);
}

/* What a checked type says. An item that is a bare string is a name. */
struct type_view {
	const char *name; /* "list", "struct", "date-time" or a name of the grammar */
	const json_t *items, *properties;
};

static struct type_view view(const json_t *field)
{
	const char *format = json_string_value(json_object_get(field, "format"));
	const char *name = json_is_string(field)
				   ? json_string_value(field)
				   : json_string_value(json_object_get(field, "type"));
	struct type_view v = {.name = name ? name : "null"};

	if (strcmp(v.name, "array") == 0) {
		v.name = "list";
		v.items = json_object_get(field, "items");
	} else if (strcmp(v.name, "object") == 0) {
		v.name = "struct";
		v.properties = json_object_get(field, "properties");
	} else if (format && strcmp(format, "date-time") == 0) {
		v.name = "date-time";
	} else if (strcmp(v.name, "utf8") == 0) {
		v.name = "string";
	}
	return v;
}

bool type_is_declarable(const json_t *field)
{
	struct type_view v = view(field);
	const struct type_name *known = find_name(v.name);
	const char *key;
	json_t *item;

	if (v.items && !type_is_declarable(v.items))
		return false;
	json_object_foreach ((json_t *)v.properties, key, item) {
		if (strcmp(key, "type") == 0 || !type_is_declarable(item))
			return false;
	}
	return !known || known->declarable;
}

/* A tree that is its own normal form needs no copy. */
static bool is_plain(const json_t *field, const char *name)
{
	return json_is_object(field) && json_object_size(field) == 1 && find_name(name) &&
	       strcmp(name, "struct") != 0 &&
	       strcmp(name, json_string_value(json_object_get(field, "type"))) == 0;
}

bool type_is_normal(const json_t *field)
{
	const char *name;

	if (!json_is_object(field) || json_object_size(field) != 1)
		return false;
	name = json_string_value(json_object_get(field, "type"));
	return name && find_name(name) && strcmp(name, "struct") != 0 && strcmp(name, "utf8") != 0;
}

static json_t *new_type(const char *name)
{
	json_t *out = json_object();

	json_object_set_new_nocheck(out, "type", json_string_nocheck(name));
	return out;
}

json_t *type_normalize(const json_t *field)
{
	struct type_view v = view(field);
	json_t *out, *item, *properties;
	const char *key;

	if (is_plain(field, v.name))
		return json_incref((json_t *)field);
	if (v.items) {
		out = new_type("array");
		json_object_set_new_nocheck(out, "items", type_normalize(v.items));
		return out;
	}
	if (strcmp(v.name, "date-time") == 0) {
		out = new_type("string");
		json_object_set_new_nocheck(out, "format", json_string_nocheck("date-time"));
		return out;
	}
	if (strcmp(v.name, "struct") != 0)
		return new_type(v.name);
	properties = json_object();
	json_object_foreach ((json_t *)v.properties, key, item)
		json_object_set_new_nocheck(properties, key, type_normalize(item));
	out = new_type("object");
	json_object_set_new_nocheck(out, "properties", properties);
	return out;
}

bool type_equal(const json_t *a, const json_t *b)
{
	struct type_view x = view(a), y = view(b);
	const char *key;
	json_t *item;

	if (a == b)
		return true;
	if (strcmp(x.name, y.name) != 0)
		return false;
	if (x.items && y.items)
		return type_equal(x.items, y.items);
	if (json_object_size(x.properties) != json_object_size(y.properties))
		return false;
	json_object_foreach ((json_t *)x.properties, key, item) {
		const json_t *other = json_object_get(y.properties, key);

		if (!other || !type_equal(item, other))
			return false;
	}
	return true;
}

static void describe(const json_t *field, struct buf *out)
{
	struct type_view v = view(field);
	auto_strvec names = STRVEC_INIT;

	buf_adds(out, v.name);
	if (v.items) {
		buf_addc(out, '<');
		describe(v.items, out);
		buf_addc(out, '>');
	} else if (json_object_size(v.properties)) {
		buf_addc(out, '<');
		doc_sorted_keys(v.properties, &names); /* the order makes no other type */
		strvec_for_each (&names, i) {
			buf_addf(out, "%s%.40s: ", i ? ", " : "", names.items[i]);
			describe(json_object_get(v.properties, names.items[i]), out);
		}
		buf_addc(out, '>');
	}
}

char *type_describe(const json_t *field)
{
	auto_buf whole = BUF_INIT;
	struct buf out = BUF_INIT;
	const size_t max = 120;

	describe(field, &whole);
	buf_add(&out, buf_str(&whole), whole.len < max ? whole.len : max);
	if (whole.len > max)
		buf_adds(&out, "...");
	return buf_take(&out);
}

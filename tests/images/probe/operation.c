#include "operation.h"

#include <stdlib.h>
#include <string.h>

#include "die.h"

/* Type names that come back from the framework as they went in. */
static const char *const PLAIN_TYPES[] = {"null", "bool", "int8", "int16", "int32", "int64",
	"uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64", "decimal128",
	"time32", "time64", "date32", "date64", "duration", "string", "binary", "large_binary",
	"large_utf8"};

static const char *const SPECIFICATION_KEYS[] = {
	"name", "image", "description", "tags", "consumes", "produces", "previous_index", "args"};

static json_t *named_type_new(const char *name)
{
	if (strcmp(name, "timestamp") == 0)
		return json_pack("{ssss}", "type", "string", "format", "date-time");
	if (strcmp(name, "utf8") == 0)
		return json_pack("{ss}", "type", "string");
	if (strcmp(name, "struct") == 0)
		return json_pack("{sss{}}", "type", "object", "properties");
	for (size_t i = 0; i < sizeof(PLAIN_TYPES) / sizeof(*PLAIN_TYPES); i++) {
		if (strcmp(name, PLAIN_TYPES[i]) == 0)
			return json_pack("{ss}", "type", name);
	}
	return NULL;
}

static json_t *array_type_new(const json_t *items)
{
	json_t *inner = json_is_string(items) ? named_type_new(json_string_value(items))
					      : type_normal_new(items);

	return inner ? json_pack("{ssso}", "type", "array", "items", inner) : NULL;
}

static json_t *object_type_new(const json_t *properties)
{
	json_auto_t *inner = json_object();
	const char *name;
	json_t *property;

	if (!json_is_object(properties))
		return NULL;
	json_object_foreach ((json_t *)properties, name, property) {
		json_t *type = type_normal_new(property);

		if (!type)
			return NULL;
		json_object_set_new(inner, name, type);
	}
	return json_pack("{sssO}", "type", "object", "properties", inner);
}

json_t *type_normal_new(const json_t *schema)
{
	const char *name = json_string_value(json_object_get(schema, "type"));
	const char *format = json_string_value(json_object_get(schema, "format"));

	if (!name)
		return NULL;
	if (strcmp(name, "array") == 0)
		return array_type_new(json_object_get(schema, "items"));
	if (strcmp(name, "object") == 0)
		return object_type_new(json_object_get(schema, "properties"));
	if (format && strcmp(format, "date-time") == 0)
		return named_type_new("timestamp");
	return named_type_new(name);
}

/* The component's own view: the file's fields, and those that the mapping declares. */
static json_t *inner_schema_new(const char *what, const json_t *fields, const json_t *mapping)
{
	json_t *schema = json_object(), *value;
	const char *name;

	json_object_foreach ((json_t *)fields, name, value) {
		if (strcmp(name, "additionalProperties") == 0)
			continue;
		if (json_object_set_new(schema, name, type_normal_new(value)) != 0)
			die(EXIT_USAGE, "argument --operation_spec: %s.%s: no such type", what,
				name);
	}
	json_object_foreach ((json_t *)mapping, name, value) {
		json_auto_t *type = NULL;
		json_t *declared = json_object_get(schema, name);

		if (json_is_string(value))
			continue;
		type = type_normal_new(value);
		if (!type)
			die(EXIT_USAGE, "argument --operation_spec: %s.%s: no such type", what,
				name);
		if (declared && !json_equal(declared, type))
			die(EXIT_USAGE, "argument --operation_spec: %s.%s: not the file's type",
				what, name);
		json_object_set(schema, name, type);
	}
	return schema;
}

/* The dataset's view: renamed fields leave their place and come last. */
static json_t *outer_schema_new(const char *what, const json_t *fields, const json_t *mapping)
{
	json_t *schema = inner_schema_new(what, fields, mapping), *value;
	const char *name;

	json_object_foreach ((json_t *)mapping, name, value) {
		json_auto_t *type = NULL;

		if (!json_is_string(value))
			continue;
		type = json_incref(json_object_get(schema, name));
		if (!type)
			die(EXIT_USAGE, "argument --operation_spec: %s.%s: no such field", what,
				name);
		json_object_del(schema, name);
		json_object_set(schema, json_string_value(value), type);
	}
	return schema;
}

/* ComponentSpec.safe_name */
static char *safe_name_new(const char *name)
{
	char *safe = strdup(name);

	for (char *at = safe; at && *at; at++) {
		if (*at == ' ')
			*at = '_';
		else if (*at >= 'A' && *at <= 'Z')
			*at += 'a' - 'A';
	}
	return safe;
}

static bool is_specification_key(const char *key)
{
	for (size_t i = 0; i < sizeof(SPECIFICATION_KEYS) / sizeof(*SPECIFICATION_KEYS); i++) {
		if (strcmp(key, SPECIFICATION_KEYS[i]) == 0)
			return true;
	}
	return false;
}

static void check_shape(const json_t *spec)
{
	static const char *const required[] = {"name", "image", "description"};
	const json_t *specification = json_object_get(spec, "specification");
	const char *key;
	json_t *value;

	if (json_object_size(spec) != 3 || !json_is_object(specification) ||
		!json_is_object(json_object_get(spec, "consumes")) ||
		!json_is_object(json_object_get(spec, "produces")))
		die(EXIT_USAGE,
			"argument --operation_spec: it must hold the objects specification, "
			"consumes and produces, and nothing else");
	json_object_foreach ((json_t *)specification, key, value) {
		if (!is_specification_key(key))
			die(EXIT_USAGE, "argument --operation_spec: specification: unexpected '%s'",
				key);
	}
	for (size_t i = 0; i < sizeof(required) / sizeof(*required); i++) {
		if (!json_is_string(json_object_get(specification, required[i])))
			die(EXIT_USAGE, "argument --operation_spec: specification: no %s",
				required[i]);
	}
}

void operation_init(struct operation *operation, json_t *spec)
{
	const json_t *specification;

	check_shape(spec);
	specification = json_object_get(spec, "specification");
	*operation = (struct operation){
		.spec = spec,
		.specification = specification,
		.component =
			safe_name_new(json_string_value(json_object_get(specification, "name"))),
		.consumes = outer_schema_new("consumes", json_object_get(specification, "consumes"),
			json_object_get(spec, "consumes")),
		.produces = outer_schema_new("produces", json_object_get(specification, "produces"),
			json_object_get(spec, "produces")),
		.replaces_index =
			json_string_length(json_object_get(specification, "previous_index")) > 0,
	};
}

void operation_clear(struct operation *operation)
{
	json_decref(operation->spec);
	json_decref(operation->consumes);
	json_decref(operation->produces);
	free(operation->component);
}

bool operation_consumes_anything(const struct operation *operation)
{
	return json_object_size(json_object_get(operation->specification, "consumes")) > 0;
}

bool operation_is_writer(const struct operation *operation)
{
	const json_t *tags = json_object_get(operation->specification, "tags");

	for (size_t i = 0; i < json_array_size(tags); i++) {
		const char *tag = json_string_value(json_array_get(tags, i));

		if (tag && strcmp(tag, "Data writing") == 0)
			return true;
	}
	return false;
}

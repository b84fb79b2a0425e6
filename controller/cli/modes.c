#include "cli/modes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "doc/canon.h"
#include "doc/path.h"

/* Values that PyYAML refuses (dates) and that are looked past in one file. */
#define MAX_REFUSED 64
/* What stands in place of the first digit of such a value. */
#define REFUSED_MARK 'x'
#define SHOWN "%.80s"

static char *char_at(char *text, size_t len, struct doc_pos pos)
{
	char *at = text;

	for (unsigned line = 1; at && line < pos.line; line++) {
		at = memchr(at, '\n', len - (size_t)(at - text));
		at = at ? at + 1 : NULL;
	}
	if (!at || !pos.column || (size_t)(at - text) + pos.column - 1 >= len)
		return NULL;
	return at + pos.column - 1;
}

/* A date ends the reading, so it is made a text that still shows that it was one. */
static void read_again(struct modes *modes)
{
	const struct source *source = modes->source;
	auto_free char *text = xmalloc(source->len + 1);

	memcpy(text, source->text, source->len + 1);
	for (int i = 0; i <= MAX_REFUSED; i++) {
		auto_err err = ERR_INIT;
		struct doc_pos pos;
		char *at;

		if (doc_yaml_parse(text, source->len, DOC_YAML_PYYAML, &modes->other, &err) == 0) {
			modes->ok = modes->other.len == source->stream.len;
			return;
		}
		source_error_position(err_message(&err), &pos);
		at = char_at(text, source->len, pos);
		if (!at || *at < '0' || *at > '9')
			return;
		*at = REFUSED_MARK;
	}
}

static char *describe(const json_t *value)
{
	auto_free char *text = NULL;

	if (json_is_string(value))
		return xasprintf("the text \"" SHOWN "\"", json_string_value(value));
	if (json_is_null(value))
		return xstrdup("null");
	if (json_is_object(value) || json_is_array(value))
		return xstrdup(json_is_array(value) ? "a list" : "a map");
	text = canon_str(value, CANON_COMPACT);
	return xasprintf("%s%s", json_is_number(value) ? "the number " : "", text);
}

struct comparison {
	struct report *report;
	const struct object *object;
	struct buf path;
};

static void warn(struct comparison *c, const char *message)
{
	const char *path = buf_str(&c->path);

	report_add(c->report, c->object->source, c->object, report_position(c->object, path),
		SEVERITY_WARNING, path, "ReadsDifferently", message);
}

static void warn_value(struct comparison *c, const json_t *here, const json_t *there)
{
	const char *a = json_string_value(here), *b = json_string_value(there);
	auto_free char *message = NULL, *first = describe(here), *second = NULL;

	if (a && b && *b == REFUSED_MARK && *a && str_eq(a + 1, b + 1)) {
		message = xasprintf("is %s here, but in a component file the framework reads a "
				    "date, which is no value; quote it",
			first);
	} else {
		second = describe(there);
		message = xasprintf("is %s here, but the framework reads %s in a component file; "
				    "write it so that both agree, such as in quotes",
			first, second);
	}
	warn(c, message);
}

static void compare(struct comparison *c, const json_t *here, const json_t *there);

static void compare_objects(struct comparison *c, const json_t *here, const json_t *there)
{
	size_t mark = c->path.len;
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)here, key, value) {
		const json_t *other = json_object_get(there, key);
		auto_free char *message = NULL;

		buf_addf(&c->path, ".%s", key);
		if (other) {
			compare(c, value, other);
		} else {
			message = xasprintf("the key `" SHOWN "` is another one in a component "
					    "file as the framework reads it; quote it",
				key);
			warn(c, message);
		}
		c->path.len = mark;
		c->path.data[mark] = '\0';
	}
}

/* Trees of one text have one shape but for what scalars mean. */
static void compare(struct comparison *c, const json_t *here, const json_t *there)
{
	size_t mark = c->path.len, i;
	json_t *value;

	if (json_is_object(here) && json_is_object(there)) {
		compare_objects(c, here, there);
	} else if (json_is_array(here) && json_is_array(there)) {
		json_array_foreach (here, i, value) {
			buf_addf(&c->path, "[%zu]", i);
			compare(c, value, json_array_get(there, i));
			c->path.len = mark;
			c->path.data[mark] = '\0';
		}
	} else if (there && !json_equal(here, there)) {
		warn_value(c, here, there);
	}
}

/* The same object in the other reading. */
static const json_t *other_object(const struct modes *modes, const struct object *object)
{
	size_t index = (size_t)(object->doc - object->source->stream.docs), item;
	const json_t *root = modes->other.docs[index].root;

	if (sscanf(object->prefix, "items[%zu].", &item) == 1)
		return json_array_get(json_object_get(root, "items"), item);
	return root;
}

static void compare_at(struct report *report, const struct object *object, const char *path,
	const json_t *here, const json_t *there)
{
	struct comparison c = {.report = report, .object = object, .path = BUF_INIT};

	if (json_is_object(here) && there) {
		buf_adds(&c.path, path);
		compare(&c, here, there);
	}
	buf_free(&c.path);
}

static const char *const step_maps[] = {"consumes", "produces", "arguments"};
static const char *const boolean_keys[] = {"true", "false"};

/* A key that may have been written y, n, on, off, yes or no. */
static bool has_boolean_key(const json_t *step)
{
	for (size_t i = 0; i < array_size(step_maps); i++) {
		const json_t *map = json_object_get(step, step_maps[i]);

		if (json_object_get(map, boolean_keys[0]) || json_object_get(map, boolean_keys[1]))
			return true;
	}
	return false;
}

/* PyYAML takes fewer words for booleans, and spells them True and False: where it has no such key,
 * the key was not written so. */
static void warn_boolean_keys(struct report *report, const struct object *object, size_t index,
	const json_t *step, const json_t *other)
{
	for (size_t i = 0; i < array_size(step_maps) * array_size(boolean_keys); i++) {
		const char *which = step_maps[i / 2], *key = boolean_keys[i % 2];
		auto_free char *path = NULL, *message = NULL;

		if (!json_object_get(json_object_get(step, which), key) || !other ||
			json_object_get(json_object_get(other, which), key))
			continue;
		path = xasprintf("spec.steps[%zu].%s.%s", index, which, key);
		message = xasprintf("the key reads `%s`: YAML takes an unquoted y, n, yes, no, on "
				    "or off for a boolean; quote it",
			key);
		report_add(report, object->source, object, report_position(object, path),
			SEVERITY_WARNING, path, "BooleanKey", message);
	}
}

/* Anything that the two readings could differ in. */
static bool must_compare(const struct object *object)
{
	const json_t *step;
	size_t i;

	if (object->kind == OBJECT_COMPONENT)
		return true;
	json_array_foreach (doc_get(object->json, "spec.steps"), i, step) {
		if (object->kind == OBJECT_PIPELINE &&
			(doc_get(step, "component.spec") || has_boolean_key(step)))
			return true;
	}
	return false;
}

void modes_warn(struct modes *modes, struct report *report, const struct object *object)
{
	const json_t *other, *step;
	size_t i;

	if (!must_compare(object))
		return;
	if (modes->source != object->source) {
		modes_clear(modes);
		modes->source = object->source;
		read_again(modes);
	}
	if (!modes->ok)
		return;
	other = other_object(modes, object);
	if (object->kind == OBJECT_COMPONENT)
		compare_at(report, object, "spec", doc_get(object->json, "spec"),
			doc_get(other, "spec"));
	json_array_foreach (doc_get(object->json, "spec.steps"), i, step) {
		const json_t *there = json_array_get(doc_get(other, "spec.steps"), i);
		auto_free char *path = xasprintf("spec.steps[%zu].component.spec", i);

		compare_at(report, object, path, doc_get(step, "component.spec"),
			doc_get(there, "component.spec"));
		warn_boolean_keys(report, object, i, step, there);
	}
}

void modes_clear(struct modes *modes)
{
	doc_stream_free(&modes->other);
	*modes = (struct modes){.source = NULL};
}

#include "compiler/check.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"

#define HINT_DISTANCE 4

void check_init(struct check *c, struct diag_list *diags, const char *base)
{
	c->diags = diags;
	c->features = ~0U;
	c->backend = "";
	c->hints = 100;
	where_init(&c->w, base);
}

__attribute__((format(printf, 3, 0))) static void add(
	struct check *c, const char *reason, const char *fmt, va_list ap)
{
	auto_free char *message = xvasprintf(fmt, ap);

	diag_add(c->diags, c->w.text, reason, "%s", message);
}

void check_error(struct check *c, const char *reason, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(c, reason, fmt, ap);
	va_end(ap);
}

void check_error_at(struct check *c, const char *key, const char *reason, const char *fmt, ...)
{
	size_t mark = where_key(&c->w, key);
	va_list ap;

	va_start(ap, fmt);
	add(c, reason, fmt, ap);
	va_end(ap);
	where_back(&c->w, mark);
}

json_t *check_get(const json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key);

	return json_is_null(value) ? NULL : value;
}

bool check_fits(const json_t *value, const char *type)
{
	if (strcmp(type, "str") == 0)
		return json_is_string(value);
	if (strcmp(type, "int") == 0)
		return json_is_integer(value);
	if (strcmp(type, "float") == 0)
		return json_is_number(value);
	if (strcmp(type, "bool") == 0)
		return json_is_boolean(value);
	return strcmp(type, "dict") == 0 ? json_is_object(value) : json_is_array(value);
}

const char *check_kind_of(const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return "a map";
	case JSON_ARRAY:
		return "a list";
	case JSON_STRING:
		return "a string";
	case JSON_INTEGER:
		return "an integer";
	case JSON_REAL:
		return "a number";
	case JSON_TRUE:
	case JSON_FALSE:
		return "a boolean";
	case JSON_NULL:
		break;
	}
	return "null";
}

/* Keeps the nearer of two candidates; ties go to the one that sorts first, whatever the order. */
static void nearer(const char *name, const char *candidate, size_t *best, const char **ret_best)
{
	size_t len = strlen(name), distance;
	size_t limit = len < 4 ? 2 : len < 6 ? 3 : HINT_DISTANCE;

	if (strlen(candidate) > 63 || len > 63)
		return;
	distance = str_distance(name, candidate, limit);
	if (distance >= limit || distance > *best)
		return;
	if (distance == *best && *ret_best && strcmp(candidate, *ret_best) >= 0)
		return;
	*best = distance;
	*ret_best = candidate;
}

static const char *hint(const char *best, char out[CHECK_HINT_SIZE])
{
	out[0] = '\0';
	if (best)
		snprintf(out, CHECK_HINT_SIZE, "; did you mean `%s`?", best);
	return out;
}

static bool may_hint(struct check *c)
{
	return c->diags->len < DIAG_MAX && c->hints-- > 0;
}

const char *check_hint_key(
	struct check *c, const json_t *object, const char *name, char out[CHECK_HINT_SIZE])
{
	const char *key, *best = NULL;
	size_t distance = SIZE_MAX;
	json_t *value;

	if (may_hint(c)) {
		json_object_foreach ((json_t *)object, key, value)
			nearer(name, key, &distance, &best);
	}
	return hint(best, out);
}

const char *check_hint_word(
	struct check *c, const char *const *words, const char *name, char out[CHECK_HINT_SIZE])
{
	const char *best = NULL;
	size_t distance = SIZE_MAX;

	if (may_hint(c)) {
		for (; *words; words++)
			nearer(name, *words, &distance, &best);
	}
	return hint(best, out);
}

static bool wrong_kind(struct check *c, const json_t *value, const char *wanted)
{
	bool quote =
		strcmp(wanted, "a string") == 0 && !json_is_object(value) && !json_is_array(value);

	check_error(c, "InvalidType", "must be %s, not %s%s", wanted, check_kind_of(value),
		quote ? "; quote it" : "");
	return false;
}

static bool check_string(struct check *c, const json_t *value, const struct check_field *f)
{
	size_t len;

	if (!json_is_string(value))
		return wrong_kind(c, value, "a string");
	len = json_string_length(value);
	if (len < (size_t)f->min) {
		check_error(c, "InvalidValue", "must not be empty");
		return false;
	}
	if (f->max && len > (size_t)f->max) {
		check_error(c, "TooLong", "has %zu bytes; at most %" PRId64 " are allowed", len,
			f->max);
		return false;
	}
	return true;
}

static bool check_number(struct check *c, const json_t *value, const struct check_field *f)
{
	double n = json_number_value(value);

	if (f->kind == CHECK_INT ? !json_is_integer(value) : !json_is_number(value))
		return wrong_kind(c, value, f->kind == CHECK_INT ? "an integer" : "a number");
	if (n >= (double)f->min && (!f->max || n <= (double)f->max))
		return true;
	if (f->max)
		check_error(c, "InvalidValue", "must be between %" PRId64 " and %" PRId64, f->min,
			f->max);
	else
		check_error(c, "InvalidValue", "must be at least %" PRId64, f->min);
	return false;
}

static bool check_duration(struct check *c, const json_t *value, const struct check_field *f)
{
	int64_t seconds;

	if (!json_is_string(value))
		return wrong_kind(c, value, "a duration such as 30m or 1h30m");
	if (!time_parse_duration(json_string_value(value), &seconds)) {
		check_error(c, "InvalidValue",
			"`%.80s` is not a duration: write hours, minutes and seconds as in 1h30m",
			json_string_value(value));
		return false;
	}
	if (seconds < f->min) {
		check_error(c, "InvalidValue", "must be longer than zero; leave it out for none");
		return false;
	}
	return true;
}

static bool check_size(struct check *c, const json_t *value, const struct check_field *f)
{
	size_t n = f->kind == CHECK_OBJECT ? json_object_size(value) : json_array_size(value);

	if (f->kind == CHECK_OBJECT ? !json_is_object(value) : !json_is_array(value))
		return wrong_kind(c, value, f->kind == CHECK_OBJECT ? "a map" : "a list");
	if (!f->max || n <= (size_t)f->max)
		return true;
	check_error(c, "TooMany", "has %zu entries; at most %" PRId64 " are allowed", n, f->max);
	return false;
}

static bool has_word(const char *const *words, const char *word)
{
	for (; words && *words; words++) {
		if (strcmp(*words, word) == 0)
			return true;
	}
	return false;
}

static bool check_word(struct check *c, const json_t *value, const struct check_field *f)
{
	char near[CHECK_HINT_SIZE];
	auto_buf all = BUF_INIT;
	const char *word;

	if (!json_is_string(value))
		return wrong_kind(c, value, "a string");
	word = json_string_value(value);
	if (has_word(f->words, word))
		return true;
	for (size_t i = 0; f->words[i]; i++)
		buf_addf(&all, "%s%s", i ? ", " : "", f->words[i]);
	if (has_word(f->later, word)) {
		check_error(c, "NotYetSupported",
			"`%s` is not supported by this release; it has: %s", word, buf_str(&all));
	} else {
		check_error(c, "InvalidValue", "`%.80s` is not one of %s%s", word, buf_str(&all),
			check_hint_word(c, f->words, word, near));
	}
	return false;
}

static bool is_empty(const json_t *value)
{
	return (json_is_array(value) && !json_array_size(value)) ||
	       (json_is_object(value) && !json_object_size(value));
}

static bool check_kind(struct check *c, const json_t *value, const struct check_field *f)
{
	switch (f->kind) {
	case CHECK_ANY:
		return true;
	case CHECK_STRING:
		return check_string(c, value, f);
	case CHECK_BOOL:
		return json_is_boolean(value) || wrong_kind(c, value, "true or false");
	case CHECK_INT:
	case CHECK_NUMBER:
		return check_number(c, value, f);
	case CHECK_DURATION:
		return check_duration(c, value, f);
	case CHECK_OBJECT:
	case CHECK_ARRAY:
		return check_size(c, value, f);
	case CHECK_WORD:
		return check_word(c, value, f);
	case CHECK_LATER:
		if (is_empty(value))
			return true;
		check_error(c, "NotYetSupported",
			"`%s` is not supported by this release; remove it", f->name);
		return false;
	}
	return false;
}

bool check_value(struct check *c, const json_t *value, const struct check_field *field)
{
	if (field->feature & ~c->features) {
		check_error(c, "UnsupportedSetting",
			"backend `%.63s` cannot honour `%s`; remove it or choose another backend",
			c->backend, field->name);
		return false;
	}
	return check_kind(c, value, field);
}

static const struct check_field *find_field(
	const struct check_field *fields, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++) {
		if (fields[i].name[0] == name[0] && strcmp(fields[i].name, name) == 0)
			return &fields[i];
	}
	return NULL;
}

static void unknown_field(
	struct check *c, const struct check_field *fields, size_t count, const char *name)
{
	size_t distance = SIZE_MAX;
	char near[CHECK_HINT_SIZE];
	const char *best = NULL;

	if (may_hint(c)) {
		for (size_t i = 0; i < count; i++)
			nearer(name, fields[i].name, &distance, &best);
	}
	if (strcmp(name, "true") == 0 || strcmp(name, "false") == 0)
		check_error(c, "UnknownField",
			"there is no such field; YAML reads an unquoted on, yes, off or no as a "
			"boolean: write the key in quotes, as 'on'");
	else
		check_error(c, "UnknownField", "there is no such field%s",
			best ? hint(best, near) : "; remove it");
}

bool check_members(struct check *c, const json_t *object, const struct check_field *fields,
	size_t count, json_t **ret_values)
{
	uint64_t given = 0; /* fields, by index */
	const char *key;
	json_t *value;
	bool ok = true;

	assert(count <= 64);

	if (!json_is_object(object))
		return wrong_kind(c, object, "a map");
	json_object_foreach ((json_t *)object, key, value) {
		const struct check_field *field;
		size_t mark;

		if (json_is_null(value))
			continue;
		field = find_field(fields, count, key);
		mark = where_key(&c->w, key);
		if (!field)
			unknown_field(c, fields, count, key);
		ok = field && check_value(c, value, field) && ok;
		where_back(&c->w, mark);
		if (!field)
			continue;
		given |= UINT64_C(1) << (field - fields);
		if (ret_values)
			ret_values[field - fields] = value;
	}
	for (size_t i = 0; i < count; i++) {
		if (!fields[i].required || given & UINT64_C(1) << i)
			continue;
		check_error_at(c, fields[i].name, "Required", "`%s` is required", fields[i].name);
		ok = false;
	}
	return ok;
}

bool check_object(
	struct check *c, const json_t *object, const struct check_field *fields, size_t count)
{
	return check_members(c, object, fields, count, NULL);
}

static bool depth_fits(const json_t *value, int left)
{
	const char *key;
	json_t *item;
	size_t i;

	if (!json_is_object(value) && !json_is_array(value))
		return true;
	if (!left)
		return false;
	json_object_foreach ((json_t *)value, key, item) {
		if (!depth_fits(item, left - 1))
			return false;
	}
	json_array_foreach (value, i, item) {
		if (!depth_fits(item, left - 1))
			return false;
	}
	return true;
}

bool check_depth(struct check *c, const json_t *value)
{
	if (depth_fits(value, CHECK_MAX_DEPTH))
		return true;
	check_error(c, "TooDeep", "is nested deeper than %d levels", CHECK_MAX_DEPTH);
	return false;
}

static bool has_null(const json_t *value)
{
	const char *key;
	json_t *item;
	size_t i;

	json_object_foreach ((json_t *)value, key, item) {
		if (json_is_null(item) || has_null(item))
			return true;
	}
	json_array_foreach (value, i, item) {
		if (has_null(item))
			return true;
	}
	return false;
}

static json_t *strip(const json_t *value)
{
	const char *key;
	json_t *item, *out;
	size_t i;

	if (json_is_object(value)) {
		out = json_object();
		json_object_foreach ((json_t *)value, key, item) {
			if (!json_is_null(item))
				json_object_set_new_nocheck(out, key, strip(item));
		}
		return out;
	}
	if (json_is_array(value)) {
		out = json_array();
		json_array_foreach (value, i, item)
			json_array_append_new(out, strip(item));
		return out;
	}
	return json_incref((json_t *)value);
}

json_t *check_strip_nulls(const json_t *value)
{
	return has_null(value) ? strip(value) : json_incref((json_t *)value);
}

/*
 * Checking user trees against tables of known fields. A null member counts as not set; a field
 * that is not in the table is an error that names the nearest one. Findings go to the list, paths
 * come from `w`; nothing here stops at the first finding.
 */
#ifndef COMPILER_CHECK_H
#define COMPILER_CHECK_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "compiler/diag.h"
#include "compiler/where.h"

/* Nesting accepted in trees that pass through as they are. Below DOC_MAX_DEPTH, because they stand
 * deeper in the frozen spec than the user wrote them. */
#define CHECK_MAX_DEPTH 40

struct check {
	struct diag_list *diags;
	struct where w;
	unsigned features;   /* enum backend_feature of the chosen backend */
	const char *backend; /* its name, for messages */
	int hints;           /* nearest names still worth computing: hostile input pays nothing */
};

/* In place: the struct is large. */
void check_init(struct check *c, struct diag_list *diags, const char *base);

void check_error(struct check *c, const char *reason, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* At a member of the current place. */
void check_error_at(struct check *c, const char *key, const char *reason, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

enum check_kind {
	CHECK_ANY,
	CHECK_STRING, /* min..max bytes */
	CHECK_BOOL,
	CHECK_INT,      /* min..max */
	CHECK_NUMBER,   /* min..max */
	CHECK_DURATION, /* min..max seconds; max 0 is no maximum */
	CHECK_OBJECT,   /* at most max members; max 0 is no maximum */
	CHECK_ARRAY,    /* at most max items; max 0 is no maximum */
	CHECK_WORD,     /* one of words, or one of later */
	CHECK_LATER,    /* part of the API that this release does not have yet */
};

struct check_field {
	const char *name;
	enum check_kind kind;
	bool required;
	int64_t min, max;
	const char *const *words; /* NULL-terminated */
	const char *const *later; /* words that are NotYetSupported; NULL: none */
	unsigned feature;         /* the backend must have it, or it is UnsupportedSetting */
};

/* The member when it is there and not null; borrowed. */
json_t *check_get(const json_t *object, const char *key);

/* True when the whole of it is right. Anything but an object is one error. */
bool check_object(
	struct check *c, const json_t *object, const struct check_field *fields, size_t count);
/* The same, and ret_values[i] becomes the member that fields[i] names where it is there and not
 * null, right or wrong; the others stay as they are. So an object is looked through once instead of
 * once for each member. At most 64 fields. */
bool check_members(struct check *c, const json_t *object, const struct check_field *fields,
	size_t count, json_t **ret_values);
/* One value against one row of a table. */
bool check_value(struct check *c, const json_t *value, const struct check_field *field);
/* Depth of a tree that passes through as it is. */
bool check_depth(struct check *c, const json_t *value);

/* The value is one of the type of an argument or parameter (str int float bool dict; list, tuple
 * and set are lists in JSON); an integer is a float too. */
bool check_fits(const json_t *value, const char *type);

/* "an integer", "a list": for messages. */
const char *check_kind_of(const json_t *value);

/* "; did you mean `name`?" or "": the nearest member of an object, or of a NULL-terminated list. */
#define CHECK_HINT_SIZE 128
const char *check_hint_key(
	struct check *c, const json_t *object, const char *name, char out[CHECK_HINT_SIZE]);
const char *check_hint_word(
	struct check *c, const char *const *words, const char *name, char out[CHECK_HINT_SIZE]);

/* Without null members, at any depth below objects; new reference, to the same tree when it has
 * none. */
json_t *check_strip_nulls(const json_t *value);

#endif

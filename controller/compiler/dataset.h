/*
 * What a dataset holds after a step: fields in byte order, each with the step that made it and its
 * canonical text, made once. A dataset borrows its fields from the steps that made them, so that
 * passing hundreds of them on is copying pointers, and writing a schema is copying bytes.
 */
#ifndef COMPILER_DATASET_H
#define COMPILER_DATASET_H

#include <jansson.h>
#include <stddef.h>
#include "base/buf.h"

struct field {
	const char *name;   /* borrowed from the map it was made of */
	const json_t *type; /* normal form; borrowed likewise */
	int maker;          /* index of the step that made it, or took it from a manifest */
	const char *text;   /* "name":{"type":...}; in fields.text */
	size_t text_len;
};

/* The fields of one map, in byte order. */
struct fields {
	struct field *items;
	size_t len;
	char *text;
};

struct dataset {
	const struct field **items; /* in byte order of their names, no name twice */
	size_t len;
	int lineage; /* index of the step that made the index of its rows */
};

/* Of a map from name to type in normal form, which must outlive them. */
void fields_init(struct fields *fields, const json_t *map, int maker);
void fields_clear(struct fields *fields);

/* The fields of `before` (NULL: none) and those of `over`, which win; owned by the caller. Both
 * `before`'s fields and `over` must outlive it. */
struct dataset *dataset_over(const struct dataset *before, const struct fields *over, int lineage);

/* Called for a name that two fields have. */
typedef void dataset_clash(void *arg, const struct field *a, const struct field *b);
/* The fields of both, those of `a` where both have one; lineage of `a`. Fields that are not the
 * same one are told to `clash`. Owned by the caller. */
struct dataset *dataset_join(
	const struct dataset *a, const struct dataset *b, dataset_clash *clash, void *arg);

/* NULL is fine. */
void dataset_free(struct dataset *dataset);

/* NULL when it has none of that name, or is NULL. */
const struct field *dataset_find(const struct dataset *dataset, const char *name);
/* As a canonical JSON object, name -> type. */
void dataset_dump(const struct dataset *dataset, struct buf *out);

#endif

/*
 * The operator's catalogue: component files that ship inside the programs, by folder name of the
 * framework and its version (catalog/<version>/<name>.yaml in the source tree). Constant text,
 * parsed on demand; nothing is kept.
 */
#ifndef COMPILER_CATALOG_H
#define COMPILER_CATALOG_H

#include <jansson.h>
#include <stddef.h>

struct catalog_entry {
	const char *version; /* "0.12.1" */
	const char *name;    /* "load_from_parquet" */
	const char *text;    /* the component file, YAML */
};

/* All of them, by version, then name, both in byte order. */
const struct catalog_entry *catalog_entries(size_t *ret_len);

/* NULL when there is none; version NULL: the first there is of that name. */
const struct catalog_entry *catalog_entry(const char *name, const char *version);

/* The component file as a tree, read as the framework does; new reference, NULL when there is
 * none. */
json_t *catalog_find(const char *name, const char *version);

#endif

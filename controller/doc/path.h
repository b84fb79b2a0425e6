/*
 * Borrowed reads from a tree by a dotted path, "status.conditions.0.type";
 * a segment of digits indexes an array. Keys with dots in them are read step by step
 * with json_object_get. Every function takes NULL for root and then answers "absent".
 */
#ifndef DOC_PATH_H
#define DOC_PATH_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/vec.h"

/* Borrowed; NULL when absent. */
json_t *doc_get(const json_t *root, const char *path);
/* Borrowed; NULL when absent or not a string. */
const char *doc_str(const json_t *root, const char *path);
const char *doc_str_or(const json_t *root, const char *path, const char *fallback);
int64_t doc_int_or(const json_t *root, const char *path, int64_t fallback);
bool doc_bool_or(const json_t *root, const char *path, bool fallback);
/* The item of an array that has this text at the path below it; borrowed, NULL when there is none.
 */
json_t *doc_find(const json_t *array, const char *path, const char *text);
/* Sets by path, making objects on the way (arrays must exist); steals value. */
void doc_set_new(json_t *root, const char *path, json_t *value);

/* Appends the keys of an object in byte order; none when it is NULL or no object. ret_keys is empty
 * before the call. */
void doc_sorted_keys(const json_t *object, struct strvec *ret_keys);

#endif

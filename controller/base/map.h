/*
 * A hash table from string keys (copied) to void * (borrowed unless free_value
 * is set). The hash is seeded per process: keys come from users. Iteration
 * order is unspecified; whoever shows or hashes contents sorts first.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>

struct map_entry;

struct map {
	struct map_entry *slots;
	size_t len; /* live entries */
	size_t used;
	size_t cap;
	void (*free_value)(void *value); /* may be NULL */
};

struct map_entry {
	char *key; /* NULL: free slot; a private marker: deleted slot */
	void *value;
};

/* clang-format off */
#define MAP_INIT {0}
/* clang-format on */

void *map_get(const struct map *m, const char *key); /* NULL when absent */
bool map_has(const struct map *m, const char *key);
/* Replaces (and frees) an older value. */
void map_set(struct map *m, const char *key, void *value);
/* Removes and frees; false when absent. */
bool map_del(struct map *m, const char *key);
/* Removes without freeing; NULL when absent. */
void *map_steal(struct map *m, const char *key);
void map_clear(struct map *m);

/* Start with *pos = 0; false at the end. Deleting the entry just returned is allowed. */
bool map_next(const struct map *m, size_t *pos, const char **ret_key, void **ret_value);

#define auto_map __attribute__((cleanup(map_clear))) struct map

#endif

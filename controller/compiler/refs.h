/*
 * $(...) in the user's text. `$(parameters.x)` is replaced when the pipeline is frozen,
 * `$(run.name)`, `$(run.scheduledTime)` and `$(run.scheduledDate)` when a run starts, `$$(` stands
 * for a plain `$(`; a `$` of any other kind is text (what looks like an unfinished reference is
 * warned of: UnfinishedReference). What a parameter inserts is never looked at
 * again: its own `$(` becomes `$$(`. Keys of maps are never touched.
 */
#ifndef COMPILER_REFS_H
#define COMPILER_REFS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/map.h"
#include "compiler/check.h"

struct refs {
	struct map parameters; /* name -> its declaration and value, owned */
	size_t left;           /* bytes that parameters may still insert */
	bool full;             /* said so */
	bool uses_run;         /* a $(run.x) was met; whoever cares resets it */
};

void refs_init(struct refs *r, size_t max_inserted);
void refs_clear(struct refs *r);
/* type is borrowed; value may be null: then `$(parameters.name)` stays as written. */
void refs_add_parameter(struct refs *r, const char *name, const char *type, const json_t *value);

/*
 * The value with its parameters replaced, at any depth; a new reference, to the same tree where it
 * has none. Alone in a string a parameter keeps its type, unless `text`. Unknown names are errors
 * at the place of c, as are references in keys.
 */
json_t *refs_substitute(struct refs *r, struct check *c, const json_t *value, bool text);
/* Declared type of a string that is one reference and nothing else (of $(run.x): str); NULL when it
 * is not, or nothing is called so. */
const char *refs_type(const struct refs *r, const json_t *written);

/* False: no string and no key of the tree has a `$`, so that none of the rest has work to do. */
bool refs_any(const json_t *tree);

/* An error for every string in the tree, and every key, with $(parameters.x) or $(run.x): it is in
 * a place where nothing replaces them. In other programs' text (a podTemplate) only the names that
 * exist count, because a shell has its own $(...). */
void refs_forbid(struct check *c, const json_t *tree, bool foreign);

/* The values that a run gives. */
struct refs_run {
	const char *name; /* NULL: not known, everything stays as written but for $$( */
	int64_t scheduled_s;
};

/* The names below `run.`, NULL-terminated, in byte order. */
extern const char *const refs_run_names[];
/* What one of them stands for; owned. */
char *refs_run_value(const struct refs_run *run, const char *name);
/* Some string in the tree is or holds $(run.<name>). */
bool refs_uses_run(const json_t *value, const char *name);
/* The tree with $(run.x) replaced and $$( turned into $(; new reference, to the same tree where
 * there is neither. */
json_t *refs_expand(const json_t *value, const struct refs_run *run);
/* Owned. */
char *refs_expand_text(const char *text, const struct refs_run *run);

#endif

/*
 * YAML text into jansson trees, by libyaml's events, with source positions.
 *
 * Two reading modes, because two readers exist out there:
 * - DOC_YAML_KUBERNETES: as kubectl reads manifests (sigs.k8s.io/yaml, go-yaml v2 rules):
 *   booleans true/false/True/TRUE/... and also yes/no/on/off/y/n resolve as go-yaml v2 does
 *   for untyped values; ints decimal, 0x, 0o/0 octal, 0b; floats; merge keys; duplicate
 *   keys are an error.
 * - DOC_YAML_PYYAML: as the framework reads component files (PyYAML safe_load, YAML 1.1):
 *   yes/no/on/off are booleans, 1e-05 without a dot is a string, 1:30 is sexagesimal,
 *   dates and binary are errors (they cannot be JSON), later duplicate keys win.
 *
 * Limits: depth DOC_MAX_DEPTH, 1,000,000 nodes after alias expansion, 64 documents, no NUL,
 * well-formed UTF-8; non-string keys become strings as each reader would, complex keys and
 * unknown tags are errors.
 */
#ifndef DOC_YAML_H
#define DOC_YAML_H

#include <jansson.h>
#include <stddef.h>
#include "base/err.h"
#include "base/map.h"

enum doc_yaml_mode { DOC_YAML_KUBERNETES, DOC_YAML_PYYAML };

struct doc_pos {
	unsigned line;   /* from 1 */
	unsigned column; /* from 1, in bytes */
};

/* One document of a stream: its tree and where each path of it began. */
struct doc {
	json_t *root;         /* owned; json_null() for an empty document */
	struct map positions; /* "spec.steps[1].name" -> struct doc_pos * */
	unsigned first_line;
};

struct doc_stream {
	struct doc *docs; /* owned */
	size_t len;
};

/* Class user, reason InvalidYAML, message "line 3 column 7: ...". Empty input gives len 0. */
int doc_yaml_parse(const char *text, size_t len, enum doc_yaml_mode mode,
	struct doc_stream *ret_stream, struct err *err);
void doc_stream_free(struct doc_stream *stream);

/* Position of the path or of its nearest known ancestor; false when nothing is known. */
bool doc_position(const struct doc *doc, const char *path, struct doc_pos *ret_pos);

/* First document only, without positions; class user on a stream of more than one. */
int doc_yaml_parse_one(
	const char *text, size_t len, enum doc_yaml_mode mode, json_t **ret_json, struct err *err);

/* Block-style YAML text of a tree, keys in insertion order; strings that either mode would
 * read as something else are quoted. Owned by the caller. */
char *doc_yaml_dump(const json_t *json);

#endif

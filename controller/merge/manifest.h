/*
 * The framework's manifest (core/schemas/manifest.json and core/manifest.py of fondant 0.12.1):
 * where the fields of a dataset lie, and one manifest made of several. Pure.
 */
#ifndef MERGE_MANIFEST_H
#define MERGE_MANIFEST_H

#include <jansson.h>
#include <stddef.h>
#include "base/err.h"

/* Bytes of one manifest that are read. */
#define MANIFEST_MAX ((size_t)16 << 20)

/*
 * The tree of a manifest, checked: metadata with dataset_name and run_id, index with its location
 * if any, fields each with a location and a type. < 0 with class user, reason InvalidManifest; the
 * message says what is wrong, not where it was read. *ret_manifest is a new reference.
 */
int manifest_parse(const char *text, size_t len, json_t **ret_manifest, struct err *err);

/*
 * A dataset with the rows of the first manifest and the fields of all: its metadata with
 * manifest_location `output`, its index, the fields in order. A field that several have must lie
 * in the same place and be of the same type: < 0 with class user, reason FieldConflict, else.
 * `names` say where each was read, for messages. At least one manifest; *ret_merged is new.
 */
int manifest_merge(const json_t *const *manifests, const char *const *names, size_t len,
	const char *output, json_t **ret_merged, struct err *err);

#endif

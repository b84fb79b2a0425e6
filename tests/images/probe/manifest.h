/*
 * Manifests: read, checked against what a step consumes, evolved by what it produces, and written,
 * byte for byte as the framework's Manifest does.
 */
#ifndef PROBE_MANIFEST_H
#define PROBE_MANIFEST_H

#include <jansson.h>

#include "operation.h"

/* The manifest a loader starts from; the caller owns it. */
json_t *manifest_create_new(const json_t *metadata);

/* The manifest in a file, the caller owns it. Code 1 where there is none. */
json_t *manifest_read_new(const char *path);

/*
 * Every consumed field must be there with its type, and its data and the index's must be folders.
 * Code 1 otherwise.
 */
void manifest_check(const json_t *manifest, const struct operation *operation);

/*
 * Manifest.evolve: sets the component, the run and the locations of what is produced. Returns the
 * folder of this step's data, `<working directory>/<dataset of the manifest>/<run>/<component>`;
 * the caller frees it.
 */
char *manifest_evolve(json_t *manifest, const struct operation *operation, const char *run_id,
	const char *working_directory);

/* Manifest.to_file: notes its own place, makes the folders above it, writes one line. */
void manifest_write(json_t *manifest, const char *path);

/* Makes the folders above `path`. Code 1 on failure. */
void make_parents(const char *path);

#endif

#include "manifest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "die.h"
#include "pyjson.h"

static const char *const METADATA_KEYS[] = {"dataset_name", "run_id", "component_id", "cache_key"};

json_t *manifest_create_new(const json_t *metadata)
{
	json_t *own = json_object();

	for (size_t i = 0; i < sizeof(METADATA_KEYS) / sizeof(*METADATA_KEYS); i++)
		json_object_set(own, METADATA_KEYS[i], json_object_get(metadata, METADATA_KEYS[i]));
	json_object_set_new(own, "manifest_location", json_null());
	return json_pack("{sos{}s{}}", "metadata", own, "index", "fields");
}

json_t *manifest_read_new(const char *path)
{
	json_error_t error;
	json_t *manifest = json_load_file(path, 0, &error);
	const json_t *metadata = json_object_get(manifest, "metadata");

	if (!manifest)
		die(EXIT_EXCEPTION, "input manifest: %s: %s", path, error.text);
	if (!json_is_string(json_object_get(metadata, "dataset_name")) ||
		!json_is_string(json_object_get(metadata, "run_id")) ||
		!json_is_object(json_object_get(manifest, "fields")))
		die(EXIT_EXCEPTION,
			"InvalidManifest: %s: it must hold metadata with dataset_name "
			"and run_id, and fields",
			path);
	return manifest;
}

static void check_location(const char *what, const json_t *holder)
{
	const char *location = json_string_value(json_object_get(holder, "location"));
	struct stat state;

	if (!location)
		die(EXIT_EXCEPTION, "KeyError: 'location' of %s", what);
	if (stat(location, &state) != 0 || !S_ISDIR(state.st_mode))
		die(EXIT_EXCEPTION, "FileNotFoundError: %s of %s", location, what);
}

void manifest_check(const json_t *manifest, const struct operation *operation)
{
	const json_t *fields = json_object_get(manifest, "fields");
	const char *name;
	json_t *type;

	check_location("the index", json_object_get(manifest, "index"));
	json_object_foreach ((json_t *)operation->consumes, name, type) {
		const json_t *field = json_object_get(fields, name);
		json_auto_t *there = type_normal_new(field);

		if (!field)
			die(EXIT_EXCEPTION,
				"ValueError: Field %s is not available in the manifest.", name);
		if (!there || !json_equal(there, type))
			die(EXIT_EXCEPTION, "TypeError: field %s is not of the type consumed",
				name);
		check_location(name, field);
	}
}

static char *step_folder_new(const char *working_directory, const char *dataset, const char *run_id,
	const char *component)
{
	char *folder;

	if (asprintf(&folder, "%s/%s/%s/%s", working_directory, dataset, run_id, component) < 0)
		die(EXIT_EXCEPTION, "MemoryError");
	return folder;
}

char *manifest_evolve(json_t *manifest, const struct operation *operation, const char *run_id,
	const char *working_directory)
{
	json_t *metadata = json_object_get(manifest, "metadata");
	json_t *fields = json_object_get(manifest, "fields"), *type;
	const char *dataset = json_string_value(json_object_get(metadata, "dataset_name")), *name;
	char *folder = step_folder_new(working_directory, dataset, run_id, operation->component);

	json_object_set_new(metadata, "component_id", json_string(operation->component));
	json_object_set_new(metadata, "run_id", json_string(run_id));
	json_object_set_new(manifest, "index", json_pack("{ss}", "location", folder));
	if (operation->replaces_index)
		json_object_clear(fields);
	json_object_foreach (operation->produces, name, type) {
		json_t *field;

		if (strcmp(name, "index") == 0)
			continue; /* the framework takes it for the index */
		field = json_pack("{ss}", "location", folder);
		json_object_update(field, type);
		json_object_set_new(fields, name, field);
	}
	return folder;
}

void make_parents(const char *path)
{
	char *folder = strdup(path);

	if (!folder)
		die(EXIT_EXCEPTION, "MemoryError");
	for (char *at = folder + 1; (at = strchr(at, '/')) != NULL; at++) {
		*at = '\0';
		if (mkdir(folder, 0777) != 0 && errno != EEXIST)
			die(EXIT_EXCEPTION, "OSError: [Errno %d] %s: '%s'", errno, strerror(errno),
				folder);
		*at = '/';
	}
	free(folder);
}

void manifest_write(json_t *manifest, const char *path)
{
	FILE *out;

	json_object_set_new(
		json_object_get(manifest, "metadata"), "manifest_location", json_string(path));
	make_parents(path);
	out = fopen(path, "w");
	if (!out)
		die(EXIT_EXCEPTION, "OSError: [Errno %d] %s: '%s'", errno, strerror(errno), path);
	pyjson_write(out, manifest);
	if (fclose(out) != 0)
		die(EXIT_EXCEPTION, "OSError: [Errno %d] %s: '%s'", errno, strerror(errno), path);
}

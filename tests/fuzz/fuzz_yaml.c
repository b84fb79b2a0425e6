/*
 * The YAML reader in both modes. Properties: what was read is within the limits; its
 * dump reads back as the same tree; positions lie within the text.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "doc/canon.h"
#include "doc/json.h"
#include "doc/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t depth_of(const json_t *json)
{
	size_t deepest = 0, i;
	const char *key;
	json_t *value;

	json_array_foreach ((json_t *)json, i, value) {
		size_t depth = depth_of(value);

		deepest = depth > deepest ? depth : deepest;
	}
	json_object_foreach ((json_t *)json, key, value) {
		size_t depth = depth_of(value);

		deepest = depth > deepest ? depth : deepest;
	}
	return deepest + (json_is_array(json) || json_is_object(json));
}

static void check_dump(const json_t *json, enum doc_yaml_mode mode)
{
	auto_free char *yaml = doc_yaml_dump(json);
	auto_free char *before = canon_str(json, CANON_PYTHON_ORDERED);
	auto_free char *after = NULL;
	auto_json *again = NULL;
	auto_err err = ERR_INIT;

	if (doc_yaml_parse_one(yaml, strlen(yaml), mode, &again, &err) < 0)
		abort();
	after = canon_str(again, CANON_PYTHON_ORDERED);
	if (strcmp(before, after) != 0)
		abort();
}

static void check_positions(const struct doc *doc, size_t size)
{
	const char *path;
	void *value;
	size_t at = 0;

	while (map_next(&doc->positions, &at, &path, &value)) {
		const struct doc_pos *pos = value;

		assert(pos->line >= 1 && pos->column >= 1);
		assert(pos->line <= size + 1 && pos->column <= size + 1);
	}
}

static void run(const char *text, size_t size, enum doc_yaml_mode mode)
{
	struct doc_stream stream;
	auto_err err = ERR_INIT;

	if (doc_yaml_parse(text, size, mode, &stream, &err) < 0) {
		assert(err.class == ERR_USER);
		assert(strncmp(err_message(&err), "line ", 5) == 0);
		return;
	}
	for (size_t i = 0; i < stream.len; i++) {
		const json_t *root = stream.docs[i].root;

		assert(root);
		assert(depth_of(root) <= DOC_MAX_DEPTH);
		check_positions(&stream.docs[i], size);
		check_dump(root, mode);
	}
	doc_stream_free(&stream);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_free char *text = xmalloc(size);

	/* A copy of the exact size, so that reading past its end is seen. */
	if (size)
		memcpy(text, data, size);
	run(text, size, DOC_YAML_KUBERNETES);
	run(text, size, DOC_YAML_PYYAML);
	return 0;
}

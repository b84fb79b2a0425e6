/*
 * A stream of YAML documents as types. Properties: a type is refused with a reason, or has a normal
 * form that is accepted, is its own normal form, equals the type, and is described alike; equality
 * is symmetric and agrees with normal forms.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/types.h"
#include "doc/canon.h"
#include "doc/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool accepted(const json_t *field)
{
	struct diag_list diags = DIAG_LIST_INIT;
	bool fine;

	type_check(field, "field", &diags);
	fine = diag_errors(&diags) == 0;
	if (!fine)
		assert(diags.items[0].message[0] && diags.items[0].path[0]);
	diag_list_clear(&diags);
	return fine;
}

/* The narrower grammar lets any `format` pass, which means nothing there. */
static void check_declared(const json_t *field)
{
	struct diag_list diags = DIAG_LIST_INIT;
	json_t *normal;

	type_check_declared(field, "field", &diags);
	if (diag_errors(&diags) == 0) {
		normal = type_normalize(field);
		assert(accepted(normal) && type_equal(field, normal));
		json_decref(normal);
	}
	diag_list_clear(&diags);
}

static void check_type(const json_t *field)
{
	json_t *normal = type_normalize(field), *again = type_normalize(normal);
	char *a = type_describe(field), *b = type_describe(normal);

	assert(accepted(normal));
	assert(json_equal(normal, again));
	assert(type_equal(field, normal) && type_equal(normal, field) && type_equal(field, field));
	assert(*a && strcmp(a, b) == 0);
	if (type_is_normal(field))
		assert(json_equal(field, normal));
	type_is_declarable(field);
	free(a);
	free(b);
	json_decref(normal);
	json_decref(again);
}

static void check_pair(const json_t *a, const json_t *b)
{
	json_t *x = type_normalize(a), *y = type_normalize(b);

	assert(type_equal(a, b) == type_equal(b, a));
	assert(type_equal(a, b) == !!json_equal(x, y));
	json_decref(x);
	json_decref(y);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct doc_stream stream = {0};
	const json_t *before = NULL;

	if (doc_yaml_parse((const char *)data, size, DOC_YAML_KUBERNETES, &stream, NULL) != 0)
		return 0;
	for (size_t i = 0; i < stream.len; i++) {
		const json_t *field = stream.docs[i].root;

		check_declared(field);
		if (!accepted(field))
			continue;
		check_type(field);
		if (before)
			check_pair(before, field);
		before = field;
	}
	doc_stream_free(&stream);
	return 0;
}

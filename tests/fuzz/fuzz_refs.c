/*
 * A YAML tree with $(...) in it, and (second document) parameters, name -> {type, value}.
 * Properties: replacing is refused with a reason or gives a tree without known parameters but those
 * that it leaves; what a parameter inserts is never expanded again; nothing grows beyond the limit;
 * expanding for a run twice gives the same.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/refs.h"
#include "doc/canon.h"
#include "doc/json.h"
#include "doc/yaml.h"

#define MAX_INSERTED 65536
#define RUN_NAME "run-$(parameters.a)-$$("

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void add_parameters(struct refs *r, const json_t *parameters)
{
	static const char *const types[] = {"str", "int", "float", "bool", "list", "dict"};
	const char *name;
	json_t *value;

	json_object_foreach ((json_t *)parameters, name, value) {
		const char *type = "str";

		if (json_is_integer(value))
			type = types[1];
		else if (json_is_real(value))
			type = types[2];
		else if (json_is_boolean(value))
			type = types[3];
		else if (json_is_array(value))
			type = types[4];
		else if (json_is_object(value))
			type = types[5];
		refs_add_parameter(r, name, type, value);
	}
}

/* The literal text that refs_expand must keep: each $( as $$(. */
static json_t *escaped(const char *text)
{
	struct buf out = BUF_INIT;
	json_t *json;
	const char *at;

	for (; (at = strstr(text, "$(")); text = at + 2) {
		buf_add(&out, text, (size_t)(at - text));
		buf_adds(&out, "$$(");
	}
	buf_adds(&out, text);
	json = json_string(buf_str(&out));
	buf_free(&out);
	return json;
}

static void check_run(const json_t *tree)
{
	struct refs_run run = {.name = RUN_NAME, .scheduled_s = 1700000000};
	json_t *a = refs_expand(tree, &run), *b = refs_expand(tree, &run);

	assert(a && json_equal(a, b));
	for (size_t i = 0; refs_run_names[i]; i++)
		refs_uses_run(tree, refs_run_names[i]);
	json_decref(a);
	json_decref(b);
}

static void check_tree(const json_t *tree, const json_t *parameters, bool text)
{
	struct diag_list diags = DIAG_LIST_INIT, again = DIAG_LIST_INIT;
	struct check c, d;
	struct refs r;
	json_t *a, *b;

	check_init(&c, &diags, "value");
	check_init(&d, &again, "value");
	refs_init(&r, MAX_INSERTED);
	add_parameters(&r, parameters);
	a = refs_substitute(&r, &c, tree, text);
	refs_clear(&r);
	refs_init(&r, MAX_INSERTED);
	add_parameters(&r, parameters);
	b = refs_substitute(&r, &d, tree, text);
	if (json_is_string(tree))
		refs_type(&r, tree);
	refs_clear(&r);
	assert(a && b && json_equal(a, b) && diags.len == again.len);
	refs_forbid(&c, tree, text);
	check_run(a);
	json_decref(a);
	json_decref(b);
	diag_list_clear(&diags);
	diag_list_clear(&again);
}

/* Any text, doubled, arrives as it is: as an argument and by way of a parameter. */
static void check_literal(const char *text)
{
	struct refs_run run = {.name = "r", .scheduled_s = 1};
	struct diag_list diags = DIAG_LIST_INIT;
	json_t *literal = escaped(text), *value = json_string(text);
	json_t *by_name = json_string("$(parameters.p)"), *inserted;
	char *expanded = refs_expand_text(json_string_value(literal), &run);
	struct check c;
	struct refs r;

	assert(strcmp(expanded, text) == 0);
	free(expanded);
	check_init(&c, &diags, "value");
	refs_init(&r, MAX_INSERTED);
	refs_add_parameter(&r, "p", "str", value);
	inserted = refs_substitute(&r, &c, by_name, true);
	if (diag_errors(&diags) == 0) {
		expanded = refs_expand_text(json_string_value(inserted), &run);
		assert(strcmp(expanded, text) == 0);
		free(expanded);
	}
	refs_clear(&r);
	json_decref(inserted);
	json_decref(by_name);
	json_decref(value);
	json_decref(literal);
	diag_list_clear(&diags);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct doc_stream stream = {0};

	if (doc_yaml_parse((const char *)data, size, DOC_YAML_KUBERNETES, &stream, NULL) != 0)
		return 0;
	if (stream.len) {
		const json_t *tree = stream.docs[0].root;
		const json_t *parameters = stream.len > 1 ? stream.docs[1].root : NULL;

		check_tree(tree, parameters, false);
		check_tree(tree, parameters, true);
		if (json_is_string(tree))
			check_literal(json_string_value(tree));
	}
	doc_stream_free(&stream);
	return 0;
}

#include "compiler/cachekey.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "compiler/args.h"
#include "doc/canon.h"

/*
 * The document that is hashed is canonical JSON, written here member by member in the order of
 * its keys: a tree of it would cost more than all the rest of freezing.
 */
static void add(struct buf *b, const char *key, const json_t *value)
{
	if (!value)
		return;
	buf_adds(b, b->data[b->len - 1] == '{' ? "\"" : ",\"");
	buf_adds(b, key);
	buf_adds(b, "\":");
	canon_dump(value, CANON_COMPACT, b);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Names of the members in byte order; owned. */
static const char **sorted_names(const json_t *object)
{
	const char **names = xcalloc(json_object_size(object) + 1, sizeof(*names)), *name;
	json_t *value;
	size_t n = 0;

	json_object_foreach ((json_t *)object, name, value)
		names[n++] = name;
	qsort(names, n, sizeof(*names), compare_names);
	return names;
}

static void add_quoted(struct buf *b, const char *text)
{
	json_t *string = json_string_nocheck(text);

	canon_dump(string, CANON_COMPACT, b);
	json_decref(string);
}

/* An argument's declaration but for its description. */
static void add_arg(struct buf *b, const json_t *arg, size_t *prose)
{
	auto_free const char **keys = sorted_names(arg);
	const char *sep = "";

	buf_addc(b, '{');
	for (size_t i = 0; keys[i]; i++) {
		const json_t *value = json_object_get(arg, keys[i]);

		if (strcmp(keys[i], "description") == 0) {
			*prose += json_string_length(value);
			continue;
		}
		buf_adds(b, sep);
		add_quoted(b, keys[i]);
		buf_addc(b, ':');
		canon_dump(value, CANON_COMPACT, b);
		sep = ",";
	}
	buf_addc(b, '}');
}

static char *component_part(struct component_info *info)
{
	const json_t *args = json_object_get(info->normal, "args");
	auto_free const char **names = sorted_names(args);
	struct buf b = BUF_INIT;

	info->prose = json_string_length(json_object_get(info->normal, "description"));
	buf_adds(&b, "{\"args\":{");
	for (size_t i = 0; names[i]; i++) {
		if (i)
			buf_addc(&b, ',');
		add_quoted(&b, names[i]);
		buf_addc(&b, ':');
		add_arg(&b, json_object_get(args, names[i]), &info->prose);
	}
	buf_addc(&b, '}');
	add(&b, "consumes", info->consumes);
	buf_adds(&b, ",\"genericConsumes\":");
	buf_adds(&b, info->generic_in ? "true" : "false");
	buf_adds(&b, ",\"genericProduces\":");
	buf_adds(&b, info->generic_out ? "true" : "false");
	add(&b, "previousIndex", json_object_get(info->normal, "previous_index"));
	add(&b, "produces", info->produces);
	buf_addc(&b, '}');
	return buf_take(&b);
}

size_t cachekey_compute(const struct compiler *m, struct step_model *s)
{
	const json_t *env = check_get(s->json, "env");
	json_t *arguments = args_normalize(json_object_get(s->json, "arguments"));
	json_t *plain_env = env ? check_strip_nulls(env) : NULL;
	auto_buf b = BUF_INIT;

	if (!s->component->key_part)
		s->component->key_part = component_part(s->component);
	buf_addc(&b, '{');
	add(&b, "arguments", arguments);
	buf_adds(&b, ",\"component\":");
	buf_adds(&b, s->component->key_part);
	add(&b, "consumes", s->op_consumes);
	add(&b, "declareConsumes", s->declare_in);
	add(&b, "declareProduces", s->declare_out);
	add(&b, "env", plain_env);
	buf_adds(&b, ",\"format\":\"" CACHEKEY_FORMAT "\"");
	add(&b, "image", json_object_get(s->component->normal, "image"));
	add(&b, "inputPartitionRows", check_get(s->json, "inputPartitionRows"));
	buf_adds(&b, ",\"inputs\":[");
	for (int i = 0; i < s->from_len; i++) {
		buf_adds(&b, i ? ",\"" : "\"");
		buf_adds(&b, m->steps[s->from[i]].key);
		buf_addc(&b, '"');
	}
	buf_addc(&b, ']');
	add(&b, "produces", s->op_produces);
	buf_addc(&b, '}');
	json_decref(arguments);
	json_decref(plain_env);
	digest_sha256_hex(buf_str(&b), b.len, s->key);
	s->size = b.len + s->component->prose;
	return b.len;
}

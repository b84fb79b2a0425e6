#include "compiler/cachekey.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/vec.h"
#include "compiler/types.h"
#include "doc/canon.h"
#include "doc/json.h"
#include "doc/path.h"

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

/* Of every argument what it is and what it is when it is not given. */
static void add_args(struct buf *b, struct component_info *info)
{
	const json_t *args = json_object_get(info->normal, "args");
	auto_strvec names = STRVEC_INIT;

	if (info->key_args)
		args = info->key_args;
	if (args)
		doc_sorted_keys(args, &names);
	buf_addc(b, '{');
	strvec_for_each (&names, i) {
		const json_t *arg = json_object_get(args, names.items[i]);

		info->prose += json_string_length(json_object_get(arg, "description"));
		if (i)
			buf_addc(b, ',');
		canon_add_string(names.items[i], strlen(names.items[i]), b);
		buf_adds(b, ":{");
		add(b, "default", check_get(arg, "default"));
		add(b, "type", json_object_get(arg, "type"));
		buf_addc(b, '}');
	}
	buf_addc(b, '}');
}

static void add_component(struct buf *b, struct component_info *info)
{
	info->prose = json_string_length(json_object_get(info->normal, "description"));
	buf_adds(b, "{\"args\":");
	add_args(b, info);
	add(b, "consumes", info->consumes);
	buf_adds(b, ",\"genericConsumes\":");
	buf_adds(b, info->generic_in ? "true" : "false");
	buf_adds(b, ",\"genericProduces\":");
	buf_adds(b, info->generic_out ? "true" : "false");
	add(b, "previousIndex", json_object_get(info->normal, "previous_index"));
	add(b, "produces", info->produces);
	buf_addc(b, '}');
}

void cachekey_component(struct component_info *info, struct buf *scratch)
{
	buf_reset(scratch);
	canon_dump(info->normal, CANON_COMPACT, scratch);
	info->text_len = scratch->len;
	add_component(scratch, info);
	info->text = xmalloc(scratch->len);
	memcpy(info->text, scratch->data, scratch->len);
	info->key_part = info->text + info->text_len;
	info->key_part_len = scratch->len - info->text_len;
}

static void add_text(struct buf *b, const char *key, const char *text)
{
	if (!text)
		return;
	buf_addf(b, ",\"%s\":", key);
	canon_add_string(text, strlen(text), b);
}

/* What the image is: its digest where it has one, wherever that was pulled from. */
static const char *image_identity(const char *image)
{
	const char *at = strchr(image, '@');

	return at ? at + 1 : image;
}

static void add_inputs(struct buf *b, const struct compiler *m, const struct step_model *s)
{
	buf_adds(b, ",\"inputs\":[");
	for (int i = 0; i < s->from_len; i++) {
		buf_adds(b, i ? ",\"" : "\"");
		buf_adds(b, m->steps[s->from[i]].key);
		buf_addc(b, '"');
	}
	buf_addc(b, ']');
}

/* It or a step that it reads is not known before the run has a name and a time. */
static bool key_waits(const struct compiler *m, const struct step_model *s)
{
	for (int i = 0; i < s->from_len; i++) {
		if (m->steps[s->from[i]].key_waits)
			return true;
	}
	return s->uses_run;
}

json_t *cachekey_mapping(const json_t *mapping, const json_t *declared)
{
	json_t *own = NULL, *type;
	const char *name;

	json_object_foreach ((json_t *)declared, name, type) {
		const json_t *entry = json_object_get(mapping, name);

		if (!entry ||
			(entry != type && !(json_is_object(entry) && type_equal(entry, type))))
			continue;
		own = own ? own : json_copy((json_t *)mapping);
		json_object_del(own, name);
	}
	return own ? own : json_incref((json_t *)mapping);
}

static void add_mapping(
	struct buf *b, const char *key, const json_t *mapping, const json_t *declared)
{
	auto_json *own = NULL;

	if (mapping == declared) {
		buf_addf(b, ",\"%s\":{}", key);
		return;
	}
	own = cachekey_mapping(mapping, declared);
	add(b, key, own);
}

size_t cachekey_compute(const struct compiler *m, struct step_model *s, const char *arguments,
	size_t arguments_len, struct buf *scratch)
{
	struct buf *b = scratch;

	buf_reset(b);
	buf_adds(b, "{\"arguments\":");
	buf_add(b, arguments, arguments_len);
	buf_adds(b, ",\"component\":");
	buf_add(b, s->component->key_part, s->component->key_part_len);
	if (s->reads_all) {
		buf_adds(b, ",\"consumes\":");
		dataset_dump(s->input, b);
	} else {
		add_mapping(b, "consumes", s->op_consumes, s->component->consumes);
	}
	add(b, "declareConsumes", s->declare_in);
	add(b, "declareProduces", s->declare_out);
	add(b, "env", s->env);
	buf_adds(b, ",\"format\":\"" CACHEKEY_FORMAT "\"");
	add_text(b, "fromManifest", s->from_manifest);
	add_text(b, "image", image_identity(s->image));
	add(b, "inputPartitionRows", s->given[STEP_INPUT_PARTITION_ROWS]);
	add_inputs(b, m, s);
	add_mapping(b, "produces", s->op_produces, s->component->produces);
	add(b, "python", s->python);
	buf_addc(b, '}');
	digest_sha256_hex(buf_str(b), b->len, s->key);
	s->key_waits = key_waits(m, s);
	s->size = b->len + s->component->prose;
	return b->len;
}

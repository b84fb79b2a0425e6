#include "compiler/cachekey.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
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

static char *component_part(struct component_info *info)
{
	const json_t *args = json_object_get(info->normal, "args");
	struct buf b = BUF_INIT;

	info->prose = json_string_length(json_object_get(info->normal, "description"));
	buf_adds(&b, "{\"args\":");
	canon_dump_items_without(args, "description", &info->prose, &b);
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

size_t cachekey_compute(const struct compiler *m, struct step_model *s, struct buf *scratch)
{
	struct buf *b = scratch;

	buf_reset(b);
	if (!s->component->key_part)
		s->component->key_part = component_part(s->component);
	buf_addc(b, '{');
	add(b, "arguments", s->arguments ? s->arguments : m->empty);
	buf_adds(b, ",\"component\":");
	buf_adds(b, s->component->key_part);
	if (s->reads_all) {
		buf_adds(b, ",\"consumes\":");
		dataset_dump(s->input, b);
	} else {
		add(b, "consumes", s->op_consumes);
	}
	add(b, "declareConsumes", s->declare_in);
	add(b, "declareProduces", s->declare_out);
	add(b, "env", s->env);
	buf_adds(b, ",\"format\":\"" CACHEKEY_FORMAT "\"");
	add_text(b, "fromManifest", s->from_manifest);
	add_text(b, "image", image_identity(s->image));
	add(b, "inputPartitionRows", check_get(s->json, "inputPartitionRows"));
	add_inputs(b, m, s);
	add(b, "produces", s->op_produces);
	add(b, "python", s->python);
	buf_addc(b, '}');
	digest_sha256_hex(buf_str(b), b->len, s->key);
	s->key_waits = key_waits(m, s);
	s->size = b->len + s->component->prose;
	return b->len;
}

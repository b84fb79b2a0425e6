/*
 * From libyaml's events to trees. One recursive function reads a node; the depth
 * limit bounds it. Anchors refer to what was built already; an alias copies it,
 * counting every node, so that a small text cannot become a large tree. The paths
 * of nodes are kept up to a budget: beyond it doc_position() answers with an ancestor.
 */
#include "doc/yaml.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "doc/canon.h"
#include "doc/json.h"
#include "doc/yaml_resolve.h"

#define REASON "InvalidYAML"
#define MAX_NODES 1000000
#define MAX_ALIAS_BYTES ((size_t)64 << 20)
#define MAX_DOCUMENTS 64
#define MAX_TAG_DIRECTIVES 64 /* libyaml compares each with all before it */
#define MAX_POSITION_PATH 512
#define MAX_POSITION_BYTES ((size_t)16 << 20)
#define SHOWN_MAX 64
#define INT64_LIMIT 9223372036854775808.0

#define TAG_PREFIX "tag:yaml.org,2002:"

/* A place in the text; libyaml counts characters, we count bytes. */
struct cursor {
	size_t chars;
	size_t offset;
	size_t line_start;
	unsigned line; /* from 1 */
};

struct reader {
	yaml_parser_t parser;
	enum doc_yaml_mode mode;
	const char *text;
	size_t len;
	struct cursor cursor;
	struct map anchors; /* name -> json_t *; NULL while it is being read */
	struct doc *doc;    /* NULL: no positions */
	struct buf path;
	size_t nodes;
	size_t alias_bytes;
	size_t position_bytes;
	struct err *err;
};

#define auto_event __attribute__((cleanup(yaml_event_delete))) yaml_event_t

static int read_node(struct reader *r, const yaml_event_t *event, int depth, json_t **ret_json);

/* --- places and messages ------------------------------------------------------------------ */

static void step_forward(const struct reader *r, struct cursor *c)
{
	char ch = r->text[c->offset++];

	if (ch == '\n' || (ch == '\r' && (c->offset == r->len || r->text[c->offset] != '\n'))) {
		c->line++;
		c->line_start = c->offset;
	}
	while (c->offset < r->len && ((unsigned char)r->text[c->offset] & 0xc0) == 0x80)
		c->offset++;
	c->chars++;
}

/* Marks come in order but for rare ones of empty nodes, which are looked up from the start. */
static void seek(struct reader *r, const yaml_mark_t *mark)
{
	if (mark->index < r->cursor.chars)
		r->cursor = (struct cursor){.line = 1};
	while (r->cursor.chars < mark->index && r->cursor.offset < r->len)
		step_forward(r, &r->cursor);
}

static struct doc_pos position_of(struct reader *r, const yaml_mark_t *mark)
{
	seek(r, mark);
	return (struct doc_pos){
		.line = r->cursor.line,
		.column = (unsigned)(r->cursor.offset - r->cursor.line_start + 1),
	};
}

__attribute__((format(printf, 3, 4))) static int fail_at(
	struct reader *r, const yaml_mark_t *mark, const char *fmt, ...)
{
	struct doc_pos pos = position_of(r, mark);
	auto_free char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	return err_set(
		r->err, ERR_USER, REASON, "line %u column %u: %s", pos.line, pos.column, text);
}

/* A piece of the user's text for a message; owned by the caller. */
static char *shown(const char *s)
{
	return str_clean_tail(s, strlen(s), SHOWN_MAX);
}

static int fail_parser(struct reader *r)
{
	const yaml_parser_t *p = &r->parser;
	const char *problem = p->problem ? p->problem : "not readable";
	yaml_mark_t mark = p->problem_mark;

	assert(p->error != YAML_MEMORY_ERROR);
	if (p->error == YAML_READER_ERROR) {
		/* This one has an offset in bytes. */
		size_t end = p->problem_offset < r->len ? p->problem_offset : r->len;

		mark = (yaml_mark_t){.index = 0};
		for (size_t i = 0; i < end; i++)
			mark.index += ((unsigned char)r->text[i] & 0xc0) != 0x80;
	}
	if (p->context)
		return fail_at(r, &mark, "%s %s", problem, p->context);
	return fail_at(r, &mark, "%s", problem);
}

static int next_event(struct reader *r, yaml_event_t *event)
{
	if (!yaml_parser_parse(&r->parser, event))
		return fail_parser(r);
	return 0;
}

static void record_position(struct reader *r, const yaml_mark_t *mark)
{
	struct doc_pos *pos;

	if (!r->doc || r->path.len > MAX_POSITION_PATH)
		return;
	r->position_bytes += r->path.len + sizeof(*pos) + sizeof(struct map_entry);
	if (r->position_bytes > MAX_POSITION_BYTES)
		return;
	pos = xnew(struct doc_pos);
	*pos = position_of(r, mark);
	map_set(&r->doc->positions, buf_str(&r->path), pos);
}

static void path_cut(struct reader *r, size_t len)
{
	if (r->path.data) {
		r->path.len = len;
		r->path.data[len] = '\0';
	}
}

/* --- scalars ------------------------------------------------------------------------------ */

static const char *event_tag(const yaml_event_t *event)
{
	const yaml_char_t *tag = event->type == YAML_SCALAR_EVENT ? event->data.scalar.tag
				 : event->type == YAML_SEQUENCE_START_EVENT
					 ? event->data.sequence_start.tag
					 : event->data.mapping_start.tag;

	return (const char *)tag;
}

static const char *event_anchor(const yaml_event_t *event)
{
	const yaml_char_t *anchor = event->type == YAML_SCALAR_EVENT ? event->data.scalar.anchor
				    : event->type == YAML_SEQUENCE_START_EVENT
					    ? event->data.sequence_start.anchor
					    : event->data.mapping_start.anchor;

	return (const char *)anchor;
}

static int fail_tag(struct reader *r, const yaml_event_t *event)
{
	auto_free char *tag = shown(event_tag(event));

	return fail_at(r, &event->start_mark, "the tag '%s' is not allowed here", tag);
}

static struct yaml_scalar resolve_tagged(const char *text, const char *tag, enum doc_yaml_mode mode)
{
	static const struct {
		const char *tag;
		enum yaml_kind kind;
	} known[] = {
		{TAG_PREFIX "null", YAML_KIND_NULL},
		{TAG_PREFIX "bool", YAML_KIND_BOOL},
		{TAG_PREFIX "int", YAML_KIND_INT},
		{TAG_PREFIX "float", YAML_KIND_REAL},
		{TAG_PREFIX "merge", YAML_KIND_MERGE},
	};
	struct yaml_scalar scalar = yaml_resolve(text, mode);

	for (size_t i = 0; i < array_size(known); i++) {
		if (strcmp(tag, known[i].tag) != 0)
			continue;
		if (known[i].kind == YAML_KIND_REAL && scalar.kind == YAML_KIND_INT)
			return (struct yaml_scalar){
				.kind = YAML_KIND_REAL, .real = (double)scalar.integer};
		if (known[i].kind == YAML_KIND_REAL && scalar.kind == YAML_KIND_STRING &&
			yaml_is_decimal(text))
			return (struct yaml_scalar){
				.kind = YAML_KIND_REAL, .real = canon_read_real(text)};
		if (scalar.kind == known[i].kind || scalar.kind == YAML_KIND_REFUSED)
			return scalar;
		break;
	}
	return (struct yaml_scalar){.kind = YAML_KIND_REFUSED, .why = NULL};
}

static int read_scalar(struct reader *r, const yaml_event_t *event, struct yaml_scalar *ret_scalar)
{
	const char *text = (const char *)event->data.scalar.value;
	size_t len = event->data.scalar.length;
	const char *tag = event_tag(event);
	struct yaml_scalar scalar = {.kind = YAML_KIND_STRING};

	if (strlen(text) != len)
		return fail_at(r, &event->start_mark, "NUL character in a string");
	if (!str_is_utf8(text, len))
		return fail_at(r, &event->start_mark, "not well-formed UTF-8");
	if (tag && strcmp(tag, "!") == 0 && r->mode == DOC_YAML_PYYAML)
		scalar = yaml_resolve(text, r->mode); /* even a quoted one; goyaml: text */
	else if (tag && strcmp(tag, "!") != 0 && strcmp(tag, TAG_PREFIX "str") != 0)
		scalar = resolve_tagged(text, tag, r->mode);
	else if (!tag && event->data.scalar.plain_implicit)
		scalar = yaml_resolve(text, r->mode);
	if (scalar.kind == YAML_KIND_REFUSED) {
		auto_free char *value = shown(text);

		if (!scalar.why)
			return fail_tag(r, event);
		return fail_at(r, &event->start_mark, "%s: '%s'", scalar.why, value);
	}
	*ret_scalar = scalar;
	return 0;
}

/* sigs.k8s.io/yaml goes through JSON, where a whole real is written like an integer. */
static json_t *json_of_real(double value, enum doc_yaml_mode mode)
{
	if (mode == DOC_YAML_KUBERNETES && value >= -INT64_LIMIT && value < INT64_LIMIT &&
		value == (double)(int64_t)value)
		return json_integer((int64_t)value);
	return json_real(value);
}

static json_t *json_of_scalar(
	const struct yaml_scalar *scalar, const yaml_event_t *event, enum doc_yaml_mode mode)
{
	switch (scalar->kind) {
	case YAML_KIND_NULL:
		return json_null();
	case YAML_KIND_BOOL:
		return json_boolean(scalar->boolean);
	case YAML_KIND_INT:
		return json_integer(scalar->integer);
	case YAML_KIND_REAL:
		return json_of_real(scalar->real, mode);
	default:
		return json_stringn(
			(const char *)event->data.scalar.value, event->data.scalar.length);
	}
}

/* --- anchors and aliases ------------------------------------------------------------------ */

static void decref_value(void *json)
{
	json_decref(json);
}

static int count_node(struct reader *r, const yaml_mark_t *mark)
{
	if (++r->nodes > MAX_NODES)
		return fail_at(r, mark, "more than %d values, with aliases expanded", MAX_NODES);
	return 0;
}

/* Containers are copied, scalars shared: nobody changes a scalar in place. */
static int copy_counted(
	struct reader *r, json_t *json, const yaml_mark_t *mark, int depth, json_t **ret_json)
{
	auto_json *copy = NULL;
	const char *key;
	json_t *value, *child;
	size_t i, len;

	if (count_node(r, mark) < 0)
		return -1;
	if (!json_is_object(json) && !json_is_array(json)) {
		r->alias_bytes += json_string_length(json);
		if (r->alias_bytes > MAX_ALIAS_BYTES)
			return fail_at(r, mark, "too large with aliases expanded");
		*ret_json = json_incref(json);
		return 0;
	}
	if (depth >= DOC_MAX_DEPTH)
		return fail_at(r, mark, "nested deeper than %d levels", DOC_MAX_DEPTH);
	copy = json_is_object(json) ? json_object() : json_array();
	json_array_foreach (json, i, value) {
		if (copy_counted(r, value, mark, depth + 1, &child) < 0)
			return -1;
		json_array_append_new(copy, child);
	}
	json_object_keylen_foreach(json, key, len, value)
	{
		r->alias_bytes += len;
		if (copy_counted(r, value, mark, depth + 1, &child) < 0)
			return -1;
		json_object_setn_new_nocheck(copy, key, len, child);
	}
	*ret_json = take_ptr(copy);
	return 0;
}

/* A node with an anchor begins: from here on its name means this node. */
static int open_anchor(struct reader *r, const yaml_event_t *event)
{
	const char *name = event_anchor(event);

	if (!name)
		return 0;
	if (r->mode == DOC_YAML_PYYAML && map_has(&r->anchors, name)) {
		auto_free char *text = shown(name);

		return fail_at(r, &event->start_mark, "the anchor '%s' is there already", text);
	}
	map_set(&r->anchors, name, NULL);
	return 0;
}

static void close_anchor(struct reader *r, const yaml_event_t *event, json_t *json)
{
	const char *name = event_anchor(event);

	if (name)
		map_set(&r->anchors, name, json_incref(json));
}

static int find_anchor(struct reader *r, const yaml_event_t *event, json_t **ret_json)
{
	const char *name = (const char *)event->data.alias.anchor;
	json_t *json = map_get(&r->anchors, name);
	auto_free char *text = NULL;

	if (json) {
		*ret_json = json;
		return 0;
	}
	text = shown(name);
	if (map_has(&r->anchors, name))
		return fail_at(r, &event->start_mark, "the anchor '%s' contains itself", text);
	return fail_at(r, &event->start_mark, "no anchor '%s' before this alias", text);
}

/* --- collections -------------------------------------------------------------------------- */

static int check_collection(struct reader *r, const yaml_event_t *event, const char *tag, int depth)
{
	const char *given = event_tag(event);

	if (depth >= DOC_MAX_DEPTH)
		return fail_at(
			r, &event->start_mark, "nested deeper than %d levels", DOC_MAX_DEPTH);
	if (given && strcmp(given, "!") != 0 && strcmp(given, tag) != 0)
		return fail_tag(r, event);
	return 0;
}

static int read_sequence(struct reader *r, const yaml_event_t *start, int depth, json_t **ret_json)
{
	auto_json *array = json_array();
	size_t path_len = r->path.len;

	if (check_collection(r, start, TAG_PREFIX "seq", depth) < 0)
		return -1;
	for (;;) {
		auto_event event = {0};
		json_t *value;

		if (next_event(r, &event) < 0)
			return -1;
		if (event.type == YAML_SEQUENCE_END_EVENT)
			break;
		if (r->doc) {
			buf_addf(&r->path, "[%zu]", json_array_size(array));
			record_position(r, &event.start_mark);
		}
		if (read_node(r, &event, depth + 1, &value) < 0)
			return -1;
		json_array_append_new(array, value);
		path_cut(r, path_len);
	}
	*ret_json = take_ptr(array);
	return 0;
}

/* A mapping while it is read; PyYAML puts what was merged in front. */
struct mapping {
	json_t *own;
	json_t *merged;
};

static void free_mapping(struct mapping *m)
{
	json_decref(m->own);
	json_decref(m->merged);
}

/* The key as text, owned by the caller. */
static int key_text(struct reader *r, const json_t *json, const struct yaml_scalar *scalar,
	const yaml_mark_t *mark, char **ret_key)
{
	char real[CANON_REAL_SIZE];
	bool kubernetes = r->mode == DOC_YAML_KUBERNETES;

	if (scalar && scalar->kind == YAML_KIND_REAL && kubernetes) {
		*ret_key = xstrdup(canon_real_go32(scalar->real, real));
		return 0;
	}
	switch (json_typeof(json)) {
	case JSON_STRING:
		*ret_key = xstrdup(json_string_value(json));
		return 0;
	case JSON_OBJECT:
	case JSON_ARRAY:
		return fail_at(r, mark, "a key must be a scalar");
	case JSON_NULL:
		if (kubernetes)
			return fail_at(r, mark, "a key must not be null");
		break;
	default:
		break;
	}
	*ret_key = canon_str(json, CANON_COMPACT);
	return 0;
}

static int read_alias_key(struct reader *r, const yaml_event_t *event, char **ret_key)
{
	json_t *json;

	if (find_anchor(r, event, &json) < 0)
		return -1;
	r->alias_bytes += json_string_length(json);
	if (r->alias_bytes > MAX_ALIAS_BYTES)
		return fail_at(r, &event->start_mark, "too large with aliases expanded");
	return key_text(r, json, NULL, &event->start_mark, ret_key);
}

/* Reads the key that begins with event: its text, or NULL for a merge. */
static int read_key(struct reader *r, const yaml_event_t *event, char **ret_key)
{
	struct yaml_scalar scalar;
	auto_json *json = NULL;

	if (count_node(r, &event->start_mark) < 0)
		return -1;
	if (event->type == YAML_ALIAS_EVENT)
		return read_alias_key(r, event, ret_key);
	if (event->type != YAML_SCALAR_EVENT)
		return fail_at(r, &event->start_mark, "a key must be a scalar");
	if (open_anchor(r, event) < 0)
		return -1;
	/* PyYAML: a lone '=' is an ordinary key, though no ordinary value */
	if (event->data.scalar.plain_implicit && !event->data.scalar.tag &&
		strcmp((const char *)event->data.scalar.value, "=") == 0) {
		*ret_key = xstrdup("=");
		json = json_string("=");
		close_anchor(r, event, json);
		return 0;
	}
	if (read_scalar(r, event, &scalar) < 0)
		return -1;
	json = json_of_scalar(&scalar, event, r->mode);
	close_anchor(r, event, json);
	if (scalar.kind == YAML_KIND_MERGE) {
		*ret_key = NULL;
		return 0;
	}
	return key_text(r, json, &scalar, &event->start_mark, ret_key);
}

static int merge_one(
	struct reader *r, struct mapping *m, json_t *from, const yaml_mark_t *mark, int depth)
{
	json_t *into = r->mode == DOC_YAML_PYYAML ? m->merged : m->own;
	const char *key;
	json_t *value, *copy;
	size_t len;

	if (!json_is_object(from))
		return fail_at(r, mark, "'<<' takes a mapping or a list of mappings");
	json_object_keylen_foreach(from, key, len, value)
	{
		r->alias_bytes += len;
		if (copy_counted(r, value, mark, depth + 1, &copy) < 0)
			return -1;
		json_object_setn_new_nocheck(into, key, len, copy);
	}
	return 0;
}

/* In a list of mappings the earlier one wins, hence from its end. */
static int merge(
	struct reader *r, struct mapping *m, json_t *from, const yaml_mark_t *mark, int depth)
{
	if (!json_is_array(from))
		return merge_one(r, m, from, mark, depth);
	for (size_t i = json_array_size(from); i > 0; i--) {
		if (merge_one(r, m, json_array_get(from, i - 1), mark, depth) < 0)
			return -1;
	}
	return 0;
}

static int read_pair(
	struct reader *r, struct mapping *m, json_t *seen, const yaml_event_t *key_event, int depth)
{
	auto_event event = {0};
	auto_free char *key = NULL;
	auto_json *value = NULL;

	if (read_key(r, key_event, &key) < 0)
		return -1;
	if (key && r->mode == DOC_YAML_KUBERNETES && json_object_get(seen, key)) {
		auto_free char *text = shown(key);

		return fail_at(r, &key_event->start_mark, "the key '%s' is there already", text);
	}
	if (r->doc) {
		if (r->path.len)
			buf_addc(&r->path, '.');
		buf_adds(&r->path, key ? key : "<<");
		record_position(r, &key_event->start_mark);
	}
	if (next_event(r, &event) < 0 || read_node(r, &event, depth + 1, &value) < 0)
		return -1;
	if (!key)
		return merge(r, m, value, &key_event->start_mark, depth);
	if (r->mode == DOC_YAML_KUBERNETES)
		json_object_set_new_nocheck(seen, key, json_true());
	json_object_set_new_nocheck(m->own, key, take_ptr(value));
	return 0;
}

static int read_mapping(struct reader *r, const yaml_event_t *start, int depth, json_t **ret_json)
{
	__attribute__((cleanup(free_mapping))) struct mapping m = {
		.own = json_object(), .merged = json_object()};
	auto_json *seen = json_object(); /* keys of its own, in contrast to merged ones */
	size_t path_len = r->path.len;

	if (check_collection(r, start, TAG_PREFIX "map", depth) < 0)
		return -1;
	for (;;) {
		auto_event event = {0};

		if (next_event(r, &event) < 0)
			return -1;
		if (event.type == YAML_MAPPING_END_EVENT)
			break;
		if (read_pair(r, &m, seen, &event, depth) < 0)
			return -1;
		path_cut(r, path_len);
	}
	if (json_object_size(m.merged)) {
		json_object_update(m.merged, m.own);
		*ret_json = take_ptr(m.merged);
	} else {
		*ret_json = take_ptr(m.own);
	}
	return 0;
}

/* Reads the node that begins with event, to its end. *ret_json is a new reference. */
static int read_node(struct reader *r, const yaml_event_t *event, int depth, json_t **ret_json)
{
	struct yaml_scalar scalar;
	json_t *json = NULL;
	int status;

	if (event->type == YAML_ALIAS_EVENT) {
		if (find_anchor(r, event, &json) < 0)
			return -1;
		return copy_counted(r, json, &event->start_mark, depth, ret_json);
	}
	if (count_node(r, &event->start_mark) < 0 || open_anchor(r, event) < 0)
		return -1;
	if (event->type == YAML_SEQUENCE_START_EVENT) {
		status = read_sequence(r, event, depth, &json);
	} else if (event->type == YAML_MAPPING_START_EVENT) {
		status = read_mapping(r, event, depth, &json);
	} else {
		status = read_scalar(r, event, &scalar);
		if (status == 0 && scalar.kind == YAML_KIND_MERGE && r->mode == DOC_YAML_PYYAML)
			status = fail_at(
				r, &event->start_mark, "'<<' is for keys; quote it as a value");
		if (status == 0)
			json = json_of_scalar(&scalar, event, r->mode);
	}
	if (status < 0)
		return -1;
	close_anchor(r, event, json);
	*ret_json = json;
	return 0;
}

/* --- streams ------------------------------------------------------------------------------ */

static int read_document(struct reader *r, const yaml_event_t *start, struct doc *doc)
{
	auto_event event = {0};
	auto_event end = {0};

	doc->first_line = position_of(r, &start->start_mark).line;
	map_clear(&r->anchors);
	r->anchors.free_value = decref_value;
	buf_reset(&r->path);
	if (next_event(r, &event) < 0)
		return -1;
	record_position(r, &event.start_mark);
	if (read_node(r, &event, 0, &doc->root) < 0)
		return -1;
	return next_event(r, &end);
}

static int check_text(struct reader *r)
{
	size_t tags = 0;

	for (size_t i = 0, size; i < r->len; i += size) {
		uint32_t code = 0;
		yaml_mark_t mark = {.index = r->cursor.chars};

		size = str_utf8_next(r->text + i, r->len - i, &code);
		if (size && code) {
			if (code == '%' && (i == 0 || strchr("\r\n", r->text[i - 1])) &&
				++tags > MAX_TAG_DIRECTIVES)
				return fail_at(r, &mark, "too many directives");
			r->cursor.offset = i;
			step_forward(r, &r->cursor);
			continue;
		}
		return fail_at(r, &mark, "%s", size ? "NUL character" : "not well-formed UTF-8");
	}
	r->cursor = (struct cursor){.line = 1};
	return 0;
}

static struct doc *add_document(struct doc_stream *stream)
{
	struct doc *doc;

	stream->docs = xreallocarray(stream->docs, stream->len + 1, sizeof(*stream->docs));
	doc = &stream->docs[stream->len++];
	*doc = (struct doc){.positions = {.free_value = free}};
	return doc;
}

static int read_stream(struct reader *r, bool positions, struct doc_stream *stream)
{
	for (;;) {
		auto_event event = {0};
		struct doc *doc;

		if (next_event(r, &event) < 0)
			return -1;
		if (event.type == YAML_STREAM_END_EVENT)
			return 0;
		if (event.type != YAML_DOCUMENT_START_EVENT)
			continue;
		if (stream->len == MAX_DOCUMENTS)
			return fail_at(
				r, &event.start_mark, "more than %d documents", MAX_DOCUMENTS);
		doc = add_document(stream);
		r->doc = positions ? doc : NULL;
		if (read_document(r, &event, doc) < 0)
			return -1;
	}
}

static int parse(const char *text, size_t len, enum doc_yaml_mode mode, bool positions,
	struct doc_stream *ret_stream, struct err *err)
{
	struct doc_stream stream = {.len = 0};
	struct reader r = {
		.mode = mode,
		.text = text,
		.len = len,
		.cursor = {.line = 1},
		.path = BUF_INIT_MAX(SIZE_MAX / 2),
		.err = err,
	};
	int status;

	if (check_text(&r) < 0)
		return -1;
	if (!yaml_parser_initialize(&r.parser))
		return err_set(err, ERR_BUG, REASON, "libyaml did not start");
	yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, len);
	status = read_stream(&r, positions, &stream);
	yaml_parser_delete(&r.parser);
	map_clear(&r.anchors);
	buf_free(&r.path);
	if (status < 0) {
		doc_stream_free(&stream);
		return -1;
	}
	*ret_stream = stream;
	return 0;
}

int doc_yaml_parse(const char *text, size_t len, enum doc_yaml_mode mode,
	struct doc_stream *ret_stream, struct err *err)
{
	return parse(text, len, mode, true, ret_stream, err);
}

int doc_yaml_parse_one(
	const char *text, size_t len, enum doc_yaml_mode mode, json_t **ret_json, struct err *err)
{
	struct doc_stream stream;

	if (parse(text, len, mode, false, &stream, err) < 0)
		return -1;
	if (stream.len > 1) {
		err_set(err, ERR_USER, REASON,
			"line %u column 1: another document where one was expected",
			stream.docs[1].first_line);
		doc_stream_free(&stream);
		return -1;
	}
	*ret_json = stream.len ? json_incref(stream.docs[0].root) : json_null();
	doc_stream_free(&stream);
	return 0;
}

void doc_stream_free(struct doc_stream *stream)
{
	for (size_t i = 0; i < stream->len; i++) {
		json_decref(stream->docs[i].root);
		map_clear(&stream->docs[i].positions);
	}
	free(stream->docs);
	*stream = (struct doc_stream){.len = 0};
}

bool doc_position(const struct doc *doc, const char *path, struct doc_pos *ret_pos)
{
	auto_free char *copy = xstrdup(path);

	for (;;) {
		const struct doc_pos *pos = map_get(&doc->positions, copy);
		size_t len = strlen(copy);

		if (pos) {
			*ret_pos = *pos;
			return true;
		}
		if (!len)
			return false;
		do {
			len--;
		} while (len && copy[len] != '.' && copy[len] != '[');
		copy[len] = '\0';
	}
}

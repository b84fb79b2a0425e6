#include "doc/yaml.h"

#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "doc/canon.h"
#include "doc/yaml_resolve.h"

#define SIMPLE_KEY_MAX 128 /* readers allow 1024 characters, on one line */
#define INDENT 2

static void dump_node(const json_t *json, size_t indent, struct buf *out);

static void add_indent(size_t n, struct buf *out)
{
	while (n-- > 0)
		buf_addc(out, ' ');
}

/* What both readers take unescaped; the YAML 1.1 line breaks beyond ASCII are left out. */
static bool is_printable(uint32_t code)
{
	if (code < 0xa0)
		return code >= 0x20 && code < 0x7f;
	return code != 0x2028 && code != 0x2029 && code != 0xfeff && code != 0xfffe &&
	       code != 0xffff;
}

static bool is_first_plain(uint32_t code)
{
	return (code >= 'a' && code <= 'z') || (code >= 'A' && code <= 'Z') ||
	       (code >= '0' && code <= '9') || code == '_' || code == '/' || code == '.' ||
	       code == '$' || code == '(' || code == '+' || code >= 0xa1;
}

/* False also for much that could stand plain: only what is common and safe in any place. */
static bool has_plain_form(const char *s, size_t len)
{
	if (!len || s[len - 1] == ' ' || s[len - 1] == ':' || str_starts_with(s, "..."))
		return false;
	for (size_t i = 0, size; i < len; i += size) {
		uint32_t code = 0;

		size = str_utf8_next(s + i, len - i, &code);
		if (!size || !is_printable(code) || (i == 0 && !is_first_plain(code)))
			return false;
		if (strchr("\"'`{}[]|>&!%@?#,", (int)(code < 0x80 ? code : 'x')))
			return false;
		if (code == ':' && s[i + 1] == ' ')
			return false;
	}
	return true;
}

/* Plain only where both readers make a string of it again. */
static bool is_plain(const char *s, size_t len)
{
	return has_plain_form(s, len) &&
	       yaml_resolve(s, DOC_YAML_KUBERNETES).kind == YAML_KIND_STRING &&
	       yaml_resolve(s, DOC_YAML_PYYAML).kind == YAML_KIND_STRING;
}

static void add_quoted(const char *s, size_t len, struct buf *out)
{
	buf_addc(out, '"');
	for (size_t i = 0, size; i < len; i += size) {
		uint32_t code = 0;

		size = str_utf8_next(s + i, len - i, &code);
		if (code == '"' || code == '\\')
			buf_addf(out, "\\%c", (int)code);
		else if (code == '\n')
			buf_adds(out, "\\n");
		else if (code == '\t')
			buf_adds(out, "\\t");
		else if (is_printable(code))
			buf_add(out, s + i, size);
		else
			buf_addf(out, code < 0x100 ? "\\x%02x" : "\\u%04x", (unsigned)code);
	}
	buf_addc(out, '"');
}

static void add_string(const char *s, size_t len, struct buf *out)
{
	if (is_plain(s, len))
		buf_add(out, s, len);
	else
		add_quoted(s, len, out);
}

/* Text of several lines that a literal block gives back byte for byte. */
static bool is_block(const char *s, size_t len)
{
	if (len < 2 || !memchr(s, '\n', len - 1) || strchr(" \t\n", *s))
		return false;
	if (s[len - 1] == '\n' && s[len - 2] == '\n')
		return false;
	for (size_t i = 0, size; i < len; i += size) {
		uint32_t code = 0;

		size = str_utf8_next(s + i, len - i, &code);
		if (!is_printable(code) && code != '\n')
			return false;
	}
	return true;
}

static void add_block(const char *s, size_t len, size_t indent, struct buf *out)
{
	buf_adds(out, s[len - 1] == '\n' ? "|\n" : "|-\n");
	while (len) {
		const char *end = memchr(s, '\n', len);
		size_t line = end ? (size_t)(end - s) : len;

		if (line)
			add_indent(indent, out);
		buf_add(out, s, line);
		buf_addc(out, '\n');
		line += end != NULL;
		s += line;
		len -= line;
	}
}

/* PyYAML wants a point and a signed exponent. */
static void add_real(double value, struct buf *out)
{
	char real[CANON_REAL_SIZE];
	char *e;

	canon_real(value, real);
	e = strchr(real, 'e');
	if (e && !strchr(real, '.')) {
		buf_add(out, real, (size_t)(e - real));
		buf_addf(out, ".0%s", e);
	} else {
		buf_adds(out, real);
	}
}

/* True when the node goes on lines of its own. */
static bool is_nested(const json_t *json)
{
	return json_object_size(json) || json_array_size(json);
}

/* A node that is not nested, with the end of its line. */
static void dump_leaf(const json_t *json, size_t indent, struct buf *out)
{
	const char *s = json_string_value(json);
	size_t len = json_string_length(json);

	if (s && is_block(s, len)) {
		add_block(s, len, indent, out);
		return;
	}
	if (s)
		add_string(s, len, out);
	else if (json_is_real(json))
		add_real(json_real_value(json), out);
	else
		canon_dump(json, CANON_COMPACT, out);
	buf_addc(out, '\n');
}

static void dump_pair(
	const char *key, size_t key_len, const json_t *value, size_t indent, struct buf *out)
{
	if (key_len > SIMPLE_KEY_MAX) {
		buf_adds(out, "? ");
		add_string(key, key_len, out);
		buf_addc(out, '\n');
		add_indent(indent, out);
	} else {
		add_string(key, key_len, out);
	}
	buf_addc(out, ':');
	if (!is_nested(value)) {
		buf_addc(out, ' ');
		dump_leaf(value, indent + INDENT, out);
		return;
	}
	buf_addc(out, '\n');
	/* A list stands at the indentation of its key, as Kubernetes people write it. */
	if (json_is_object(value) || key_len > SIMPLE_KEY_MAX)
		indent += INDENT;
	add_indent(indent, out);
	dump_node(value, indent, out);
}

/* The cursor stands at `indent` already; ends with a newline. */
static void dump_node(const json_t *json, size_t indent, struct buf *out)
{
	size_t i, key_len;
	const char *key;
	json_t *value;
	bool first = true;

	if (!is_nested(json)) {
		dump_leaf(json, indent + INDENT, out);
		return;
	}
	json_array_foreach ((json_t *)json, i, value) {
		if (i)
			add_indent(indent, out);
		buf_adds(out, "- ");
		dump_node(value, indent + INDENT, out);
	}
	json_object_keylen_foreach((json_t *)json, key, key_len, value)
	{
		if (!first)
			add_indent(indent, out);
		first = false;
		dump_pair(key, key_len, value, indent, out);
	}
}

char *doc_yaml_dump(const json_t *json)
{
	struct buf out = BUF_INIT_MAX(SIZE_MAX / 2);

	dump_node(json, 0, &out);
	return buf_take(&out);
}

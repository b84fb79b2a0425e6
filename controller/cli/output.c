#include "cli/output.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "doc/canon.h"
#include "doc/yaml.h"

#define GAP 3

static void add_indent(struct buf *out, int depth)
{
	buf_addc(out, '\n');
	for (int i = 0; i < depth; i++)
		buf_adds(out, "  ");
}

/* Scalars as canonical JSON writes them, members in the order they have. */
static void pretty(const json_t *json, int depth, struct buf *out)
{
	bool object = json_is_object(json);
	const char *key;
	json_t *value;
	size_t i = 0;

	if ((!object && !json_is_array(json)) || (object && !json_object_size(json)) ||
		(!object && !json_array_size(json))) {
		canon_dump(json, CANON_COMPACT_ORDERED, out);
		return;
	}
	buf_addc(out, object ? '{' : '[');
	if (object) {
		json_object_foreach ((json_t *)json, key, value) {
			json_t *name = json_string_nocheck(key);

			buf_adds(out, i++ ? "," : "");
			add_indent(out, depth + 1);
			canon_dump(name, CANON_COMPACT, out);
			buf_adds(out, ": ");
			pretty(value, depth + 1, out);
			json_decref(name);
		}
	} else {
		json_array_foreach (json, i, value) {
			buf_adds(out, i ? "," : "");
			add_indent(out, depth + 1);
			pretty(value, depth + 1, out);
		}
	}
	add_indent(out, depth);
	buf_addc(out, object ? '}' : ']');
}

void output_tree(const json_t *json, const char *format, FILE *out)
{
	auto_buf text = BUF_INIT_MAX((size_t)1 << 30);
	auto_free char *yaml = NULL;

	if (str_eq(format, "yaml")) {
		yaml = doc_yaml_dump(json);
		fputs(yaml, out);
		return;
	}
	pretty(json, 0, &text);
	fwrite(text.data, 1, text.len, out);
	fputc('\n', out);
}

/* Characters, for columns; what is not well-formed counts by bytes. */
static size_t width_of(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

void table_row(struct table *table, ...)
{
	va_list ap;

	va_start(ap, table);
	for (size_t i = 0; i < table->columns; i++) {
		const char *cell = va_arg(ap, const char *);

		strvec_take(&table->cells,
			str_clean_tail(cell ? cell : "", cell ? strlen(cell) : 0, 4096));
	}
	va_end(ap);
}

void table_print(const struct table *table, FILE *out)
{
	auto_free size_t *widths = xcalloc(table->columns + 1, sizeof(*widths));

	strvec_for_each (&table->cells, i) {
		size_t width = width_of(table->cells.items[i]);

		if (width > widths[i % table->columns])
			widths[i % table->columns] = width;
	}
	strvec_for_each (&table->cells, i) {
		size_t column = i % table->columns;

		fputs(table->cells.items[i], out);
		if (column + 1 == table->columns)
			fputc('\n', out);
		else
			fprintf(out, "%*s",
				(int)(widths[column] - width_of(table->cells.items[i]) + GAP), "");
	}
}

void table_clear(struct table *table)
{
	strvec_clear(&table->cells);
}

char *output_age(int64_t seconds, char out[AGE_SIZE])
{
	static const struct {
		int64_t from, unit;
		char letter;
	} steps[] = {{2 * 86400, 86400, 'd'}, {2 * 3600, 3600, 'h'}, {120, 60, 'm'}, {0, 1, 's'}};

	if (seconds < 0)
		seconds = 0;
	for (size_t i = 0; i < array_size(steps); i++) {
		if (seconds >= steps[i].from) {
			snprintf(out, AGE_SIZE, "%" PRId64 "%c", seconds / steps[i].unit,
				steps[i].letter);
			break;
		}
	}
	return out;
}

char *output_bytes(uint64_t bytes, char out[BYTES_SIZE])
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double value = (double)bytes;
	size_t unit = 0;

	for (; value >= 1024 && unit + 1 < array_size(units); unit++)
		value /= 1024;
	snprintf(out, BYTES_SIZE, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
	return out;
}

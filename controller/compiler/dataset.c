#include "compiler/dataset.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "doc/canon.h"

static int compare_fields(const void *a, const void *b)
{
	return strcmp(((const struct field *)a)->name, ((const struct field *)b)->name);
}

void fields_init(struct fields *fields, const json_t *map, int maker)
{
	struct buf text = BUF_INIT;
	const char *name;
	json_t *type;
	size_t at = 0;

	*fields = (struct fields){.len = json_object_size(map)};
	if (!fields->len)
		return;
	fields->items = xcalloc(fields->len, sizeof(*fields->items));
	json_object_foreach ((json_t *)map, name, type)
		fields->items[at++] = (struct field){.name = name, .type = type, .maker = maker};
	if (fields->len > 1)
		qsort(fields->items, fields->len, sizeof(*fields->items), compare_fields);
	for (size_t i = 0; i < fields->len; i++) {
		struct field *f = &fields->items[i];

		at = text.len;
		canon_add_string(f->name, strlen(f->name), &text);
		buf_addc(&text, ':');
		canon_dump(f->type, CANON_COMPACT, &text);
		f->text_len = text.len - at;
	}
	fields->text = buf_take(&text);
	at = 0;
	for (size_t i = 0; i < fields->len; i++) {
		fields->items[i].text = fields->text + at;
		at += fields->items[i].text_len;
	}
}

void fields_clear(struct fields *fields)
{
	free(fields->items);
	free(fields->text);
	*fields = (struct fields){0};
}

static struct dataset *dataset_new(size_t room, int lineage)
{
	struct dataset *dataset = xnew(struct dataset);

	dataset->items = xcalloc(room + 1, sizeof(*dataset->items));
	dataset->lineage = lineage;
	return dataset;
}

static void append(struct dataset *to, const struct field *const *items, size_t len)
{
	if (len)
		memcpy(to->items + to->len, items, len * sizeof(*items));
	to->len += len;
}

/* Index of the first field that is not before the name; *ret_there: it has that name. */
static size_t place_of(
	const struct dataset *dataset, size_t from, const char *name, bool *ret_there)
{
	size_t low = from, high = dataset->len;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (strcmp(dataset->items[mid]->name, name) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	*ret_there = low < dataset->len && strcmp(dataset->items[low]->name, name) == 0;
	return low;
}

struct dataset *dataset_over(const struct dataset *before, const struct fields *over, int lineage)
{
	static const struct dataset none;
	struct dataset *out;
	size_t done = 0;
	bool there;

	if (!before)
		before = &none;
	out = dataset_new(before->len + over->len, lineage);
	for (size_t i = 0; i < over->len; i++) {
		size_t at = place_of(before, done, over->items[i].name, &there);

		if (at > done)
			append(out, before->items + done, at - done);
		out->items[out->len++] = &over->items[i];
		done = at + there;
	}
	if (before->len > done)
		append(out, before->items + done, before->len - done);
	return out;
}

struct dataset *dataset_join(
	const struct dataset *a, const struct dataset *b, dataset_clash *clash, void *arg)
{
	struct dataset *out = dataset_new(a->len + b->len, a->lineage);
	size_t i = 0, j = 0;

	while (i < a->len && j < b->len) {
		int order = a->items[i] == b->items[j]
				    ? 0
				    : strcmp(a->items[i]->name, b->items[j]->name);

		if (order == 0 && a->items[i] != b->items[j])
			clash(arg, a->items[i], b->items[j]);
		out->items[out->len++] = order <= 0 ? a->items[i] : b->items[j];
		i += order <= 0;
		j += order >= 0;
	}
	append(out, a->items + i, a->len - i);
	append(out, b->items + j, b->len - j);
	return out;
}

void dataset_free(struct dataset *dataset)
{
	if (!dataset)
		return;
	free(dataset->items);
	free(dataset);
}

const struct field *dataset_find(const struct dataset *dataset, const char *name)
{
	bool there = false;
	size_t at = dataset ? place_of(dataset, 0, name, &there) : 0;

	return there ? dataset->items[at] : NULL;
}

static size_t dumped_length(const struct dataset *dataset)
{
	size_t len = 2; /* braces; and a comma for each field, one too many */

	for (size_t i = 0; i < dataset->len; i++)
		len += dataset->items[i]->text_len + 1;
	return len;
}

/* Where there is room for all of it. Schemas are most of a frozen spec: without a question and a
 * NUL for each field this takes half the time. */
static void dump_unchecked(const struct dataset *dataset, struct buf *out)
{
	char *to = out->data + out->len;

	*to++ = '{';
	for (size_t i = 0; i < dataset->len; i++) {
		const struct field *field = dataset->items[i];

		if (i)
			*to++ = ',';
		memcpy(to, field->text, field->text_len);
		to += field->text_len;
	}
	*to++ = '}';
	*to = '\0';
	out->len = (size_t)(to - out->data);
}

void dataset_dump(const struct dataset *dataset, struct buf *out)
{
	if (dataset && !out->overflow && dumped_length(dataset) < out->cap - out->len) {
		dump_unchecked(dataset, out);
		return;
	}
	buf_addc(out, '{');
	for (size_t i = 0; dataset && i < dataset->len && !out->overflow; i++) {
		if (i)
			buf_addc(out, ',');
		buf_add(out, dataset->items[i]->text, dataset->items[i]->text_len);
	}
	buf_addc(out, '}');
}

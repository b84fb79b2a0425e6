#include "cli/report.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "cli/hide.h"

static const char *const severity_names[] = {
	[SEVERITY_ERROR] = "error", [SEVERITY_WARNING] = "warning", [SEVERITY_WAITING] = "waiting"};
static const char *const severity_colors[] = {[SEVERITY_ERROR] = "\033[1;31m",
	[SEVERITY_WARNING] = "\033[1;35m",
	[SEVERITY_WAITING] = "\033[1;36m"};

#define BOLD "\033[1m"
#define GREEN "\033[1;32m"
#define PLAIN "\033[0m"
/* "FondantComponent/<name>: spec.args": a finding in another object of the workspace */
#define COMPONENT_PREFIX "FondantComponent/"
/* "ComponentFolder/<name>: spec.args": in its file, which has no `spec` */
#define FOLDER_PREFIX "ComponentFolder/"

void report_add(struct report *report, const struct source *source, const struct object *object,
	struct doc_pos pos, enum severity severity, const char *path, const char *reason,
	const char *message)
{
	struct finding *finding;

	if (report->len == report->cap) {
		report->cap = report->cap ? report->cap * 2 : 16;
		report->items = xreallocarray(report->items, report->cap, sizeof(*report->items));
	}
	finding = &report->items[report->len++];
	*finding = (struct finding){.source = source,
		.pos = pos,
		.severity = severity,
		.kind = object ? object->kind_name : NULL,
		.name = object ? object->name : NULL,
		.path = xstrdup(path),
		.reason = xstrdup(reason),
		.message = xstrdup(message)};
	report->errors += severity == SEVERITY_ERROR;
	report->warnings += severity == SEVERITY_WARNING;
	report->waiting += severity == SEVERITY_WAITING;
}

void report_unreadable(struct report *report, const struct source *source)
{
	struct hidden hidden = {.source = NULL};
	auto_free char *message = hide_line(&hidden, source, source->error_pos.line)
					  ? hide_quoted(source->error)
					  : xstrdup(source->error);

	report_add(report, source, NULL, source->error_pos, SEVERITY_ERROR, "", "InvalidYAML",
		message);
	hide_clear(&hidden);
}

struct doc_pos report_position(const struct object *object, const char *path)
{
	auto_free char *full = xasprintf("%s%s", object->prefix, path);
	struct doc_pos pos = {.line = 0};

	doc_position(object->doc, full, &pos);
	return pos;
}

/* The object that a path is about, and where in it; the given ones where the path says no other. */
static const struct object *object_of(const struct workspace *ws, const struct object *object,
	const char *path, const char **ret_path)
{
	bool folder = str_starts_with(path, FOLDER_PREFIX);
	const char *colon = strstr(path, ": ");
	const struct object *other;
	auto_free char *name = NULL;

	*ret_path = path;
	if (!colon || !(folder || str_starts_with(path, COMPONENT_PREFIX)))
		return object;
	path += strlen(folder ? FOLDER_PREFIX : COMPONENT_PREFIX);
	name = xstrndup(path, (size_t)(colon - path));
	other = folder ? workspace_folder(ws, name)
		       : workspace_find(ws, OBJECT_COMPONENT, object->namespace_, name);
	if (!other)
		return object;
	*ret_path = colon + 2;
	if (folder && str_starts_with(*ret_path, "spec"))
		*ret_path += strlen((*ret_path)[4] == '.' ? "spec." : "spec");
	return other;
}

static void add_diag(struct report *report, const struct workspace *ws, const struct object *object,
	const struct diag *d)
{
	enum severity severity = d->waits     ? SEVERITY_WAITING
				 : d->warning ? SEVERITY_WARNING
					      : SEVERITY_ERROR;
	const char *path;

	object = object_of(ws, object, d->path, &path);
	report_add(report, object->source, object, report_position(object, path), severity, path,
		d->reason, d->message);
}

void report_diags(struct report *report, const struct workspace *ws, const struct object *object,
	const struct diag_list *diags)
{
	for (size_t i = 0; i < diags->len; i++)
		add_diag(report, ws, object, &diags->items[i]);
	report->dropped += diags->dropped;
	report->errors += diags->dropped;
}

static int by_place(const void *a, const void *b)
{
	const struct finding *x = a, *y = b;

	if (x->source != y->source)
		return x->source < y->source ? -1 : 1;
	if (x->pos.line != y->pos.line)
		return x->pos.line < y->pos.line ? -1 : 1;
	if (x->pos.column != y->pos.column)
		return x->pos.column < y->pos.column ? -1 : 1;
	if (x->severity != y->severity)
		return x->severity < y->severity ? -1 : 1;
	if (strcmp(x->path, y->path) != 0)
		return strcmp(x->path, y->path);
	return strcmp(x->message, y->message);
}

void report_sort(struct report *report)
{
	if (report->len)
		qsort(report->items, report->len, sizeof(*report->items), by_place);
}

/* --- text --------------------------------------------------------------------------------- */

static void print_name(const char *name, FILE *out)
{
	auto_free char *clean = str_clean_tail(name, strlen(name), 512);

	fputs(str_eq(clean, "-") ? "<stdin>" : clean, out);
}

/* Where the shown part of a long line begins, so that the caret is in it; a whole character. */
static size_t window_start(const char *line, size_t len, size_t at)
{
	size_t start = at > REPORT_LINE_WIDTH / 2 ? at - REPORT_LINE_WIDTH / 2 : 0;

	if (len <= REPORT_LINE_WIDTH)
		return 0;
	while (start && ((unsigned char)line[start] & 0xc0) == 0x80)
		start--;
	return start;
}

/* One character as it may stand on a terminal; returns its bytes. */
static size_t print_char(const char *s, size_t len, FILE *out)
{
	uint32_t code = 0;
	size_t size = str_utf8_next(s, len, &code);

	if (!size || code < 0x20 || (code >= 0x7f && code < 0xa0) ||
		(code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069))
		fputc(s[0] == '\t' ? ' ' : '?', out);
	else
		fwrite(s, 1, size, out);
	return size ? size : 1;
}

static void print_line(const struct finding *finding, struct hidden *hidden, FILE *out, bool color)
{
	size_t len = 0, at = finding->pos.column ? finding->pos.column - 1 : 0, start, end;
	const char *line = source_line(finding->source, finding->pos.line, &len);

	if (!line)
		return;
	if (hide_path(finding->path) || hide_line(hidden, finding->source, finding->pos.line)) {
		fprintf(out, "%5u | (line not shown: it holds secretArguments)\n",
			finding->pos.line);
		return;
	}
	at = at > len ? len : at;
	start = window_start(line, len, at);
	end = len - start > REPORT_LINE_WIDTH ? start + REPORT_LINE_WIDTH : len;
	fprintf(out, "%5u | %s", finding->pos.line, start ? "..." : "");
	for (size_t i = start; i < end;)
		i += print_char(line + i, len - i, out);
	fprintf(out, "%s\n      | %s", end < len ? "..." : "", start ? "   " : "");
	for (size_t i = start; i < at;) {
		uint32_t code;
		size_t size = str_utf8_next(line + i, len - i, &code);

		fputc(' ', out);
		i += size ? size : 1;
	}
	fprintf(out, "%s^%s\n", color ? GREEN : "", color ? PLAIN : "");
}

static void print_finding(
	const struct finding *finding, struct hidden *hidden, FILE *out, bool color)
{
	if (color)
		fputs(BOLD, out);
	print_name(finding->source->name, out);
	if (finding->pos.line)
		fprintf(out, ":%u:%u", finding->pos.line, finding->pos.column);
	fputs(": ", out);
	if (color)
		fputs(severity_colors[finding->severity], out);
	fprintf(out, "%s: ", severity_names[finding->severity]);
	if (color)
		fputs(PLAIN BOLD, out);
	if (*finding->path)
		fprintf(out, "%s: ", finding->path);
	if (color)
		fputs(PLAIN, out);
	fprintf(out, "%s [%s]\n", finding->message, finding->reason);
	if (finding->pos.line)
		print_line(finding, hidden, out, color);
}

void report_text(const struct report *report, FILE *out, bool color)
{
	struct hidden hidden = {.source = NULL};

	for (size_t i = 0; i < report->len; i++)
		print_finding(&report->items[i], &hidden, out, color);
	hide_clear(&hidden);
	if (report->dropped)
		fprintf(out, "... and %zu more errors\n", report->dropped);
}

/* --- JSON --------------------------------------------------------------------------------- */

/* A file's name may be any bytes. */
static json_t *text_of(const char *s)
{
	auto_free char *clean = NULL;

	if (str_is_utf8(s, strlen(s)))
		return json_string_nocheck(s);
	clean = str_clean_tail(s, strlen(s), 4096);
	return json_string_nocheck(clean);
}

json_t *report_json(const struct report *report)
{
	json_t *list = json_array();

	for (size_t i = 0; i < report->len; i++) {
		const struct finding *f = &report->items[i];
		json_t *item = json_pack("{s:o, s:I, s:I, s:s}", "file", text_of(f->source->name),
			"line", (json_int_t)f->pos.line, "column", (json_int_t)f->pos.column,
			"severity", severity_names[f->severity]);

		if (f->kind)
			json_object_set_new(item, "object",
				json_pack("{s:s, s:s}", "kind", f->kind, "name", f->name));
		json_object_set_new(item, "path", text_of(f->path));
		json_object_set_new(item, "reason", text_of(f->reason));
		json_object_set_new(item, "message", text_of(f->message));
		json_array_append_new(list, item);
	}
	return list;
}

void report_clear(struct report *report)
{
	for (size_t i = 0; i < report->len; i++) {
		free(report->items[i].path);
		free(report->items[i].reason);
		free(report->items[i].message);
	}
	free(report->items);
	*report = (struct report){.items = NULL};
}

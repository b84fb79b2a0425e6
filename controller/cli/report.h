/*
 * Findings of one call with their places in the files: as text, with the offending line and a
 * caret under it, or as a list of {file, line, column, severity, object, path, reason, message}.
 */
#ifndef CLI_REPORT_H
#define CLI_REPORT_H

#include "cli/cmd.h"
#include "cli/workspace.h"
#include "compiler/diag.h"

enum severity {
	SEVERITY_ERROR,
	SEVERITY_WARNING,
	SEVERITY_WAITING, /* cures itself when something appears in the cluster */
};

struct finding {
	const struct source *source;
	struct doc_pos pos; /* line 0: unknown */
	enum severity severity;
	const char *kind, *name; /* of the object; borrowed, NULL: of none */
	char *path, *reason, *message;
};

struct report {
	struct finding *items;
	size_t len, cap;
	size_t errors, warnings, waiting;
	size_t dropped; /* errors beyond what a list of diagnostics keeps */
};

/* Bytes of one line of a file that are shown. */
#define REPORT_LINE_WIDTH 160

/* The findings of one object; a path is looked up in its document. */
void report_diags(struct report *report, const struct workspace *ws, const struct object *object,
	const struct diag_list *diags);
/* One finding. path "": the whole document or file. object NULL: of the file. */
void report_add(struct report *report, const struct source *source, const struct object *object,
	struct doc_pos pos, enum severity severity, const char *path, const char *reason,
	const char *message);
/* What is wrong with a source that is not YAML. */
void report_unreadable(struct report *report, const struct source *source);
/* Position of a path of an object; line 0 when it is not known. */
struct doc_pos report_position(const struct object *object, const char *path);

/* By file as it was given, then by line and column. */
void report_sort(struct report *report);
void report_text(const struct report *report, FILE *out, bool color);
/* New reference. */
json_t *report_json(const struct report *report);
void report_clear(struct report *report);

#endif

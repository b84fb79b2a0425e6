/*
 * What `-f` names: files, folders and stdin, read into documents with positions. Every file is
 * capped (SOURCE_MAX_FILE), only regular files and pipes are read, and the name that is shown is
 * the one that was given.
 */
#ifndef CLI_SOURCE_H
#define CLI_SOURCE_H

#include <stdbool.h>
#include <stdio.h>
#include "base/buf.h"
#include "base/err.h"
#include "base/vec.h"
#include "doc/yaml.h"

#define SOURCE_MAX_FILE ((size_t)16 << 20)
#define SOURCE_MAX_FILES 100000

struct source {
	char *name; /* as given, "-" for stdin */
	char *text; /* NUL-terminated */
	size_t len;
	bool found;               /* in a folder that was given, not given itself */
	struct doc_stream stream; /* empty when error is set */
	char *error;              /* why it is not YAML; NULL: it is. Owned */
	struct doc_pos error_pos; /* line 0: unknown */
};

/* The whole text of a file, or of `in` when the path is "-". Class user, reason Unreadable. */
int source_read(const char *path, FILE *in, struct buf *ret_text, struct err *err);

/*
 * Files below the paths, in the order given and sorted within a folder: of a folder those that end
 * in .yaml, .yml or .json, with recursive also those below it. Class user, reason Unreadable.
 */
int source_list(
	const struct strvec *paths, bool recursive, struct strvec *ret_files, struct err *err);

/* The name that the framework wants: fondant_component.yaml. */
bool source_is_component_file(const char *path);

/* Reads and parses one; what is not YAML is said in ret_source->error. A file called
 * fondant_component.yaml is read as PyYAML does. Class user when it cannot be read. */
int source_open(const char *path, FILE *in, struct source *ret_source, struct err *err);
/* Parses its text anew; sets stream or error. */
void source_parse(struct source *source, enum doc_yaml_mode mode);
void source_clear(struct source *source);

/* The reader's "line 3 column 7: what": the position (line 0: none) and where `what` begins. */
size_t source_error_position(const char *message, struct doc_pos *ret_pos);

/* Line number `line` (from 1) of the text, without its end. Borrowed; NULL when there is none. */
const char *source_line(const struct source *source, unsigned line, size_t *ret_len);

#endif

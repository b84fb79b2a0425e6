#include "cli/source.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/mem.h"
#include "base/str.h"

#define REASON "Unreadable"
#define MAX_FOLDER_DEPTH 64
#define READ_SIZE 65536

static int too_large(const char *path, struct err *err)
{
	return err_set(err, ERR_USER, REASON, "%s: over %zu MiB, larger than any pipeline", path,
		SOURCE_MAX_FILE >> 20);
}

static int read_stream(const char *path, FILE *file, struct buf *text, struct err *err)
{
	auto_free char *chunk = xmalloc(READ_SIZE);
	size_t n;

	while ((n = fread(chunk, 1, READ_SIZE, file)) > 0) {
		if (buf_add(text, chunk, n) < 0)
			return too_large(path, err);
	}
	if (ferror(file))
		return err_set(err, ERR_USER, REASON, "%s: %s", path, strerror(errno));
	return 0;
}

/* A regular file or a pipe (<(command) of a shell); nothing that blocks at open. */
static FILE *open_file(const char *path, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat info;
	FILE *file;

	if (fd < 0 || fstat(fd, &info) < 0) {
		err_set(err, ERR_USER, REASON, "%s: %s", path, strerror(errno));
	} else if (!S_ISREG(info.st_mode) && !S_ISFIFO(info.st_mode)) {
		err_set(err, ERR_USER, REASON, "%s: not a file", path);
	} else if (S_ISREG(info.st_mode) && info.st_size > (off_t)SOURCE_MAX_FILE) {
		too_large(path, err);
	} else {
		fcntl(fd, F_SETFL, 0);
		file = fdopen(fd, "r");
		if (file)
			return file;
		err_set(err, ERR_USER, REASON, "%s: %s", path, strerror(errno));
	}
	if (fd >= 0)
		close(fd);
	return NULL;
}

int source_read(const char *path, FILE *in, struct buf *ret_text, struct err *err)
{
	struct buf text = BUF_INIT_MAX(SOURCE_MAX_FILE + 1);
	bool is_stdin = str_eq(path, "-");
	FILE *file = is_stdin ? in : open_file(path, err);
	int result;

	if (!file)
		return -1;
	result = read_stream(is_stdin ? "standard input" : path, file, &text, err);
	if (!is_stdin)
		fclose(file);
	if (result < 0) {
		buf_free(&text);
		return -1;
	}
	*ret_text = text;
	return 0;
}

/* --- listing ------------------------------------------------------------------------------ */

struct listing {
	bool recursive;
	struct strvec *files;
	struct err *err;
};

static bool is_manifest(const char *name)
{
	return str_ends_with(name, ".yaml") || str_ends_with(name, ".yml") ||
	       str_ends_with(name, ".json");
}

static int add_file(struct listing *l, const char *path)
{
	if (l->files->len >= SOURCE_MAX_FILES)
		return err_set(
			l->err, ERR_USER, REASON, "%s: more than %d files", path, SOURCE_MAX_FILES);
	strvec_add(l->files, path);
	return 0;
}

static int list_folder(struct listing *l, const char *folder, int depth);

/* Links to folders are not followed, so that no circle is walked. */
static int list_entry(struct listing *l, const char *folder, const char *name, int depth)
{
	bool slash = str_ends_with(folder, "/");
	auto_free char *path = xasprintf("%s%s%s", folder, slash ? "" : "/", name);
	struct stat info;

	if (lstat(path, &info) < 0)
		return 0; /* gone in between */
	if (S_ISDIR(info.st_mode))
		return l->recursive ? list_folder(l, path, depth + 1) : 0;
	if (S_ISLNK(info.st_mode) && (stat(path, &info) < 0 || !S_ISREG(info.st_mode)))
		return 0;
	return S_ISREG(info.st_mode) && is_manifest(name) ? add_file(l, path) : 0;
}

static int list_folder(struct listing *l, const char *folder, int depth)
{
	auto_strvec names = STRVEC_INIT;
	const struct dirent *entry;
	DIR *dir;

	if (depth > MAX_FOLDER_DEPTH)
		return err_set(l->err, ERR_USER, REASON, "%s: folders nested too deep", folder);
	dir = opendir(folder);
	if (!dir)
		return err_set(l->err, ERR_USER, REASON, "%s: %s", folder, strerror(errno));
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] != '.' && names.len < SOURCE_MAX_FILES)
			strvec_add(&names, entry->d_name);
	}
	closedir(dir);
	strvec_sort(&names);
	strvec_for_each (&names, i) {
		if (list_entry(l, folder, names.items[i], depth) < 0)
			return -1;
	}
	return 0;
}

int source_list(
	const struct strvec *paths, bool recursive, struct strvec *ret_files, struct err *err)
{
	struct strvec files = STRVEC_INIT;
	struct listing l = {.recursive = recursive, .files = &files, .err = err};
	int result = 0;

	for (size_t i = 0; i < paths->len && result == 0; i++) {
		const char *path = paths->items[i];
		struct stat info;

		if (str_eq(path, "-"))
			result = add_file(&l, path);
		else if (stat(path, &info) < 0)
			result = err_set(err, ERR_USER, REASON, "%s: %s", path, strerror(errno));
		else
			result = S_ISDIR(info.st_mode) ? list_folder(&l, path, 0)
						       : add_file(&l, path);
	}
	if (result < 0) {
		strvec_clear(&files);
		return -1;
	}
	*ret_files = files;
	return 0;
}

/* --- documents ---------------------------------------------------------------------------- */

bool source_is_component_file(const char *path)
{
	const char *slash = strrchr(path, '/');

	return str_eq(slash ? slash + 1 : path, "fondant_component.yaml");
}

size_t source_error_position(const char *message, struct doc_pos *ret_pos)
{
	unsigned line, column;
	int n = 0;

	*ret_pos = (struct doc_pos){.line = 0};
	if (sscanf(message, "line %9u column %9u: %n", &line, &column, &n) != 2 || !n)
		return 0;
	*ret_pos = (struct doc_pos){.line = line, .column = column};
	return (size_t)n;
}

/* The parser says what it met; this says what to do about it. Owned. */
static char *advise(const char *what)
{
	static const struct {
		const char *part, *advice;
	} table[] = {
		{"cannot start any token", "is it a tab? indent with spaces; quote a text that "
					   "begins with @, ` or %"},
		{"expected ',' or", "close the bracket, or quote the text"},
		{"scanning a quoted scalar", "a quote is not closed; the text begins further up"},
		{"is there already", "remove one of the two"},
		{"while parsing a block", "what belongs together must be indented alike"},
		{"mapping values are not allowed", "quote a text that holds `: `"},
		{"no anchor", "quote a text that begins with *"},
		{"the tag", "remove it, or quote the text"},
		{"not well-formed UTF-8", "save the file as UTF-8"},
		{"NUL character", "this is no text file, or it is not in UTF-8"},
		{"a key must be a scalar", "if this is a template, render it first; else quote it"},
		{"nested deeper", "make it flatter"},
		{"more than 1000000 values", "write it without so many aliases"},
	};

	for (size_t i = 0; i < array_size(table); i++) {
		if (strstr(what, table[i].part))
			return xasprintf("%s; %s", what, table[i].advice);
	}
	return xstrdup(what);
}

static void split_position(struct source *source, const char *message)
{
	source->error = advise(message + source_error_position(message, &source->error_pos));
}

void source_parse(struct source *source, enum doc_yaml_mode mode)
{
	auto_err why = ERR_INIT;

	doc_stream_free(&source->stream);
	free(source->error);
	source->error = NULL;
	if (doc_yaml_parse(source->text, source->len, mode, &source->stream, &why) < 0)
		split_position(source, err_message(&why));
}

int source_open(const char *path, FILE *in, struct source *ret_source, struct err *err)
{
	struct source source = {.name = NULL};
	struct buf text = BUF_INIT;

	if (source_read(path, in, &text, err) < 0)
		return -1;
	source.name = xstrdup(path);
	source.len = text.len;
	source.text = buf_take(&text);
	source_parse(
		&source, source_is_component_file(path) ? DOC_YAML_PYYAML : DOC_YAML_KUBERNETES);
	*ret_source = source;
	return 0;
}

void source_clear(struct source *source)
{
	free(source->name);
	free(source->text);
	free(source->error);
	doc_stream_free(&source->stream);
	*source = (struct source){.name = NULL};
}

const char *source_line(const struct source *source, unsigned line, size_t *ret_len)
{
	const char *at = source->text, *end = source->text + source->len;

	for (unsigned n = 1; at && n < line; n++) {
		at = memchr(at, '\n', (size_t)(end - at));
		at = at ? at + 1 : NULL;
	}
	if (!at || at >= end || !line)
		return NULL;
	*ret_len = strcspn(at, "\r\n");
	if (*ret_len > (size_t)(end - at))
		*ret_len = (size_t)(end - at);
	return at;
}

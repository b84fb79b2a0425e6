#include "cli/context.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/tar.h"
#include "base/vec.h"
#include "cli/dockerignore.h"

#define REASON "Unreadable"

/* A folder that is being read; those above it are below it on the stack. */
struct level {
	char *path; /* relative; "" is the context itself */
	struct strvec names;
	size_t next;
};

struct context {
	char *folder;
	struct dockerignore ignore;
	struct level *levels;
	size_t levels_len;
	struct buf out; /* heads and padding that were not taken yet */
	size_t out_at;
	int fd; /* of the file whose data comes next; -1: none */
	char *name;
	uint64_t left, size; /* bytes of it */
	uint64_t bytes;
	bool ended;
};

static char *full_path(const struct context *c, const char *path)
{
	return xasprintf("%s%s%s", c->folder, *path ? "/" : "", path);
}

static int unreadable(const struct context *c, const char *path, const char *why, struct err *err)
{
	auto_free char *full = full_path(c, path);

	return err_set(err, ERR_USER, REASON,
		"%s: %s; make it readable, or name it in %s/" CONTEXT_IGNORE, full, why, c->folder);
}

bool context_is_there(const char *folder)
{
	auto_free char *path = xasprintf("%s/" CONTEXT_DOCKERFILE, folder);
	struct stat info;

	return stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

/* --- .dockerignore -------------------------------------------------------------------------- */

static int read_all(int fd, struct buf *text)
{
	char piece[16384];
	ssize_t n;

	while ((n = read(fd, piece, sizeof(piece))) > 0) {
		if (buf_add(text, piece, (size_t)n) < 0) {
			errno = EFBIG;
			return -1;
		}
	}
	return n < 0 ? -1 : 0;
}

static int read_ignore(struct context *c, struct err *err)
{
	auto_free char *path = full_path(c, CONTEXT_IGNORE);
	struct buf text = BUF_INIT_MAX(DOCKERIGNORE_MAX);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), result = 0;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 || read_all(fd, &text) < 0)
		result = err_set(err, ERR_USER, REASON, "%s: %s", path, strerror(errno));
	else
		result = dockerignore_parse(path, buf_str(&text), text.len, &c->ignore, err);
	if (fd >= 0)
		close(fd);
	buf_free(&text);
	return result;
}

/* --- folders -------------------------------------------------------------------------------- */

static int read_names(
	const struct context *c, const char *path, struct strvec *names, struct err *err)
{
	auto_free char *full = full_path(c, path);
	DIR *dir = opendir(full);
	const struct dirent *entry;

	if (!dir)
		return unreadable(c, path, strerror(errno), err);
	while ((entry = readdir(dir)) && names->len <= CONTEXT_MAX_NAMES) {
		if (!str_eq(entry->d_name, ".") && !str_eq(entry->d_name, ".."))
			strvec_add(names, entry->d_name);
	}
	closedir(dir);
	if (names->len > CONTEXT_MAX_NAMES)
		return unreadable(c, path, "a folder with over a million files", err);
	strvec_sort(names);
	return 0;
}

/* path is stolen, whatever comes of it. */
static int enter(struct context *c, char *path, struct err *err)
{
	struct level level = {.path = path};

	if (read_names(c, path, &level.names, err) < 0) {
		strvec_clear(&level.names);
		free(path);
		return -1;
	}
	c->levels = xreallocarray(c->levels, c->levels_len + 1, sizeof(*c->levels));
	c->levels[c->levels_len++] = level;
	return 0;
}

static void leave(struct context *c)
{
	struct level *level = &c->levels[--c->levels_len];

	free(level->path);
	strvec_clear(&level->names);
}

/* --- entries -------------------------------------------------------------------------------- */

static struct tar_entry entry_of(enum tar_type type, const char *path, const struct stat *info)
{
	return (struct tar_entry){
		.type = type, .name = path, .mode = info->st_mode, .mtime_s = info->st_mtime};
}

static int add_folder(struct context *c, char *path, const struct stat *info, struct err *err)
{
	struct tar_entry entry = entry_of(TAR_FOLDER, path, info);

	tar_add_head(&entry, &c->out);
	return enter(c, path, err);
}

static int add_link(struct context *c, const char *path, const struct stat *info, struct err *err)
{
	struct tar_entry entry = entry_of(TAR_SYMLINK, path, info);
	auto_free char *full = full_path(c, path);
	char target[PATH_MAX + 1];
	ssize_t len = readlink(full, target, PATH_MAX);

	if (len < 0)
		return unreadable(c, path, strerror(errno), err);
	target[len] = '\0';
	entry.target = target;
	entry.mode = 0777;
	tar_add_head(&entry, &c->out);
	return 0;
}

/* Its size is the one it has when it is opened: what is written behind that meanwhile is left out.
 */
static int add_file(struct context *c, const char *path, struct err *err)
{
	auto_free char *full = full_path(c, path);
	int fd = open(full, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct tar_entry entry;
	struct stat info;

	if (fd < 0 || fstat(fd, &info) < 0 || !S_ISREG(info.st_mode)) {
		unreadable(c, path, fd < 0 ? strerror(errno) : "changed while it was read", err);
		if (fd >= 0)
			close(fd);
		return -1;
	}
	entry = entry_of(TAR_FILE, path, &info);
	entry.size = (uint64_t)info.st_size;
	tar_add_head(&entry, &c->out);
	c->fd = fd;
	c->name = xstrdup(path);
	c->left = c->size = entry.size;
	return 0;
}

static int refuse(const struct context *c, const char *path, mode_t mode, struct err *err)
{
	auto_free char *full = full_path(c, path);
	const char *what = S_ISSOCK(mode)   ? "a socket"
			   : S_ISFIFO(mode) ? "a named pipe"
					    : "a device";

	return err_set(err, ERR_USER, REASON,
		"%s: %s cannot be sent to a builder; remove it, or name it in %s/" CONTEXT_IGNORE,
		full, what, c->folder);
}

/* Of the path, which is stolen: its head, and its data or names for later. */
static int add_entry(struct context *c, char *path, struct err *err)
{
	auto_free char *full = full_path(c, path), *own = path;
	bool excluded = dockerignore_excludes(&c->ignore, path);
	struct stat info;

	if (lstat(full, &info) < 0)
		return unreadable(c, path, strerror(errno), err);
	if (excluded && !(S_ISDIR(info.st_mode) && dockerignore_keeps_below(&c->ignore, path)))
		return 0;
	if (excluded) /* what is kept in it brings it with it */
		return enter(c, take_ptr(own), err);
	if (S_ISDIR(info.st_mode))
		return add_folder(c, take_ptr(own), &info, err);
	if (S_ISLNK(info.st_mode))
		return add_link(c, path, &info, err);
	if (S_ISREG(info.st_mode))
		return add_file(c, path, err);
	return refuse(c, path, info.st_mode, err);
}

/* Something to take is there afterwards, or all is over. */
static int advance(struct context *c, struct err *err)
{
	while (c->levels_len && c->fd < 0 && c->out_at == c->out.len) {
		struct level *level = &c->levels[c->levels_len - 1];
		const char *slash = *level->path ? "/" : "";

		buf_reset(&c->out);
		c->out_at = 0;
		if (level->next == level->names.len)
			leave(c);
		else if (add_entry(c,
				 xasprintf("%s%s%s", level->path, slash,
					 level->names.items[level->next++]),
				 err) < 0)
			return -1;
	}
	if (!c->levels_len && c->fd < 0 && c->out_at == c->out.len && !c->ended) {
		buf_reset(&c->out);
		c->out_at = 0;
		tar_add_end(&c->out);
		c->ended = true;
	}
	return 0;
}

/* --- bytes ---------------------------------------------------------------------------------- */

static size_t take_out(struct context *c, char *into, size_t size)
{
	size_t len = c->out.len - c->out_at;

	len = len < size ? len : size;
	memcpy(into, c->out.data + c->out_at, len);
	c->out_at += len;
	return len;
}

static void end_file(struct context *c)
{
	static const char zeros[TAR_BLOCK];

	close(c->fd);
	c->fd = -1;
	free(take_ptr(c->name));
	buf_reset(&c->out);
	c->out_at = 0;
	buf_add(&c->out, zeros, tar_padding(c->size));
}

static int take_data(struct context *c, char *into, size_t size, size_t *ret_len, struct err *err)
{
	size_t want = c->left < size ? (size_t)c->left : size;
	ssize_t n = want ? read(c->fd, into, want) : 0;

	if (n < 0)
		return unreadable(c, c->name, strerror(errno), err);
	if (!n && want)
		return unreadable(c, c->name, "grew shorter while it was read", err);
	*ret_len = (size_t)n;
	c->left -= (uint64_t)n;
	if (!c->left)
		end_file(c);
	return 0;
}

int context_read(struct context *context, char *into, size_t size, size_t *ret_len, struct err *err)
{
	size_t len = 0;

	while (len < size) {
		size_t n = 0;

		if (advance(context, err) < 0)
			return -1;
		if (context->out_at < context->out.len)
			n = take_out(context, into + len, size - len);
		else if (context->fd < 0)
			break;
		else if (take_data(context, into + len, size - len, &n, err) < 0)
			return -1;
		len += n;
	}
	context->bytes += len;
	*ret_len = len;
	return 0;
}

uint64_t context_bytes(const struct context *context)
{
	return context->bytes;
}

/* --- life ----------------------------------------------------------------------------------- */

int context_open(const char *folder, struct context **ret_context, struct err *err)
{
	struct context *c;

	if (!context_is_there(folder))
		return err_set(err, ERR_USER, "NoDockerfile",
			"%s: there is no " CONTEXT_DOCKERFILE " beside fondant_component.yaml; "
			"write one, or push the component's image by other means",
			folder);
	c = xnew(struct context);
	c->fd = -1;
	c->folder = xstrdup(folder);
	if (read_ignore(c, err) < 0 || enter(c, xstrdup(""), err) < 0) {
		context_free(c);
		return -1;
	}
	dockerignore_keep(&c->ignore, CONTEXT_DOCKERFILE);
	dockerignore_keep(&c->ignore, CONTEXT_IGNORE);
	*ret_context = c;
	return 0;
}

void context_free(struct context *context)
{
	if (!context)
		return;
	while (context->levels_len)
		leave(context);
	if (context->fd >= 0)
		close(context->fd);
	free(context->name);
	free(context->levels);
	buf_free(&context->out);
	dockerignore_clear(&context->ignore);
	free(context->folder);
	free(context);
}

#include "merge/local.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

static int read_failed(const char *path, struct err *err)
{
	return err_set(err, ERR_USER, errno == ENOENT ? "NotFound" : "ReadFailed",
		"cannot read %.300s: %s", path, strerror(errno));
}

static int write_failed(const char *path, const char *what, struct err *err)
{
	int code = errno;

	/* The folder may be that of a step whose image has a user of its own. */
	return err_set(err, ERR_USER, "WriteFailed", "cannot %s %.300s: %s%s", what, path,
		strerror(code),
		code == EACCES || code == EPERM
			? "; set securityContext.runAsUser in podTemplate.spec to the user of the "
			  "steps' images"
			: "");
}

static int read_all(int fd, const char *path, size_t max, struct buf *ret_text, struct err *err)
{
	auto_buf text = BUF_INIT_MAX(max + 1);
	char chunk[65536];
	ssize_t n;

	while ((n = read(fd, chunk, sizeof(chunk))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return read_failed(path, err);
		if (buf_add(&text, chunk, (size_t)n) < 0)
			return err_set(err, ERR_USER, "TooLarge", "%.300s has more than %zu bytes",
				path, max);
	}
	buf_add(ret_text, buf_str(&text), text.len);
	return 0;
}

int local_read(const char *path, size_t max, struct buf *ret_text, struct err *err)
{
	/* A pipe must not hold us up, nor a device be opened for good. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), r;
	struct stat st;

	if (fd < 0)
		return read_failed(path, err);
	if (fstat(fd, &st) < 0)
		r = read_failed(path, err);
	else if (!S_ISREG(st.st_mode))
		r = err_set(err, ERR_USER, "ReadFailed", "cannot read %.300s: not a file", path);
	else
		r = read_all(fd, path, max, ret_text, err);
	close(fd);
	return r;
}

/* mkdir -p of all but the last segment. */
static int make_folders(const char *path, struct err *err)
{
	auto_free char *folder = xstrdup(path);

	for (char *slash = strchr(folder + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(folder, 0777) < 0 && errno != EEXIST)
			return write_failed(folder, "make", err);
		*slash = '/';
	}
	return 0;
}

static bool write_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		text += n;
		len -= (size_t)n;
	}
	return true;
}

int local_write(const char *path, const char *text, size_t len, struct err *err)
{
	auto_free char *temporary = xasprintf("%s.XXXXXX", path);
	bool good;
	int fd;

	if (!*path || path[strlen(path) - 1] == '/')
		return err_set(err, ERR_USER, "WriteFailed", "%.300s names no file", path);
	if (make_folders(path, err) < 0)
		return -1;
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0)
		return write_failed(path, "write", err);
	good = write_all(fd, text, len) && fchmod(fd, 0644) == 0 && fsync(fd) == 0;
	if (close(fd) < 0)
		good = false;
	if (good && rename(temporary, path) == 0)
		return 0;
	write_failed(path, "write", err);
	unlink(temporary);
	return -1;
}

#include "kube/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

/* Up to KUBE_FILE_MAX bytes; -1 with errno, EFBIG when there are more. */
static ssize_t read_all(int fd, char *text)
{
	size_t len = 0;

	for (;;) {
		ssize_t got = read(fd, text + len, KUBE_FILE_MAX + 1 - len);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			return (ssize_t)len;
		len += (size_t)got;
		if (len > KUBE_FILE_MAX) {
			errno = EFBIG;
			return -1;
		}
	}
}

static int fail(struct err *err, const char *path, const char *what, int error)
{
	err_set(err, ERR_USER, "FileUnreadable", "cannot read the %s %s: %s", what, path,
		strerror(error));
	return error == ENOENT || error == ENOTDIR ? 1 : -1;
}

int kube_file_read(
	const char *path, const char *what, char **ret_text, size_t *ret_len, struct err *err)
{
	struct stat st;
	char *text;
	ssize_t len;
	/* O_NONBLOCK: opening a FIFO must not wait for its writer. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return fail(err, path, what, errno);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return err_set(err, ERR_USER, "FileUnreadable",
			"cannot read the %s %s: not a regular file", what, path);
	}
	text = xcalloc(1, KUBE_FILE_MAX + 2);
	len = read_all(fd, text);
	if (len < 0) {
		int error = errno;

		mem_free_secret(text);
		close(fd);
		return fail(err, path, what, error);
	}
	close(fd);
	text[len] = '\0';
	if (memchr(text, '\0', (size_t)len)) {
		explicit_bzero(text, (size_t)len);
		mem_free_secret(text);
		return err_set(err, ERR_USER, "FileUnreadable",
			"cannot read the %s %s: it holds a NUL byte", what, path);
	}
	*ret_text = xstrndup(text, (size_t)len);
	*ret_len = (size_t)len;
	mem_free_secret(text);
	return 0;
}

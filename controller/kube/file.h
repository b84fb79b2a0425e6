/* Reading small regular files: certificates, tokens, kubeconfigs. */
#ifndef KUBE_FILE_H
#define KUBE_FILE_H

#include <stddef.h>
#include "base/err.h"

#define KUBE_FILE_MAX ((size_t)1 << 20)

/*
 * The file's text, owned by the caller and NUL-terminated; may hold a secret. 1 when there is no
 * such file (err filled too). Class user: not a regular file, over KUBE_FILE_MAX, not readable,
 * or with a NUL in it. what: for the message, such as "client key".
 */
int kube_file_read(
	const char *path, const char *what, char **ret_text, size_t *ret_len, struct err *err);

#endif

#include "base/err.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

int err_set(struct err *err, enum err_class class, const char *reason, const char *fmt, ...)
{
	char word[sizeof(err->reason)] = "";
	char *message;
	va_list ap;

	if (!err)
		return -1;
	/* Format first: the arguments may point into *err. */
	va_start(ap, fmt);
	message = xvasprintf(fmt, ap);
	va_end(ap);
	if (reason)
		memcpy(word, reason, strnlen(reason, sizeof(word) - 1));
	err_clear(err);
	err->class = class;
	memcpy(err->reason, word, sizeof(word));
	err->message = message;
	return -1;
}

int err_wrap(struct err *err, const char *fmt, ...)
{
	char *prefix, *message;
	va_list ap;

	if (!err)
		return -1;
	va_start(ap, fmt);
	prefix = xvasprintf(fmt, ap);
	va_end(ap);
	message = xasprintf("%s: %s", prefix, err_message(err));
	free(prefix);
	free(err->message);
	err->message = message;
	if (err->class == ERR_NONE)
		err->class = ERR_BUG;
	return -1;
}

const char *err_message(const struct err *err)
{
	return err && err->message ? err->message : "unknown error";
}

void err_move(struct err *to, struct err *from)
{
	if (to == from)
		return;
	if (to) {
		err_clear(to);
		*to = *from;
		*from = (struct err)ERR_INIT;
	} else {
		err_clear(from);
	}
}

void err_clear(struct err *err)
{
	if (!err)
		return;
	free(err->message);
	*err = (struct err)ERR_INIT;
}

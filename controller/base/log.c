#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "base/time.h"

#define LINE_SIZE 8192
#define TRUNCATED_SIZE 24 /* room for the mark and the end of the line */
#define ESCAPE_SIZE 8

struct line {
	char text[LINE_SIZE];
	size_t len;
	bool truncated;
};

static enum log_level log_level = LOG_INFO;
static enum log_format log_format = LOG_LOGFMT;
static int log_fd = STDERR_FILENO;

void log_setup(enum log_level level, enum log_format format, int fd)
{
	log_level = level;
	log_format = format;
	log_fd = fd;
}

bool log_enabled(enum log_level level)
{
	return level <= log_level;
}

/* Writes one character as it may stand between quotes; the size of it. */
static size_t escape(const char *s, size_t len, char out[ESCAPE_SIZE], size_t *ret_taken)
{
	uint32_t code = 0;
	size_t size = str_utf8_next(s, len, &code);

	*ret_taken = size ? size : 1;
	if (!size)
		code = 0xfffd;
	if (code == '"' || code == '\\') {
		out[0] = '\\';
		out[1] = (char)code;
		return 2;
	}
	if (code == '\n' || code == '\t') {
		out[0] = '\\';
		out[1] = code == '\n' ? 'n' : 't';
		return 2;
	}
	if (!size || code < 0x20 || (code >= 0x7f && code <= 0x9f) || code == 0x2028 ||
		code == 0x2029)
		return (size_t)snprintf(out, ESCAPE_SIZE, "\\u%04x", (unsigned)code);
	memcpy(out, s, size);
	return size;
}

static void add_raw(struct line *line, const char *s)
{
	size_t len = strlen(s);

	memcpy(line->text + line->len, s, len);
	line->len += len;
}

/* Quoted; cut where the line ends. The caller left room for the quotes. */
static void add_quoted(struct line *line, const char *s, size_t room)
{
	size_t len = strlen(s);
	size_t end = line->len + room - 1;

	line->text[line->len++] = '"';
	for (size_t i = 0, taken; i < len; i += taken) {
		char out[ESCAPE_SIZE];
		size_t n = escape(s + i, len - i, out, &taken);

		if (line->len + n > end) {
			line->truncated = true;
			break;
		}
		memcpy(line->text + line->len, out, n);
		line->len += n;
	}
	line->text[line->len++] = '"';
}

static void add_pair(struct line *line, const char *key, const char *value)
{
	size_t key_len = strlen(key);
	size_t room = LINE_SIZE - TRUNCATED_SIZE - line->len;
	bool json = log_format == LOG_JSON;

	/* Separators and two pairs of quotes; keys are ours and need no escapes. */
	if (room < key_len + 16) {
		line->truncated = true;
		return;
	}
	if (line->len)
		add_raw(line, json ? "," : " ");
	if (json)
		add_raw(line, line->len ? "\"" : "{\"");
	add_raw(line, key);
	add_raw(line, json ? "\":" : "=");
	add_quoted(line, value, LINE_SIZE - TRUNCATED_SIZE - line->len);
}

static void write_line(struct line *line)
{
	bool json = log_format == LOG_JSON;
	ssize_t n;

	if (line->truncated)
		add_raw(line, json ? ",\"truncated\":\"true\"" : " truncated=\"true\"");
	add_raw(line, json ? "}\n" : "\n");
	do {
		n = write(log_fd, line->text, line->len);
	} while (n < 0 && errno == EINTR);
}

void log_event(enum log_level level, const char *message, ...)
{
	static const char *const names[] = {
		[LOG_ERROR] = "error",
		[LOG_WARN] = "warn",
		[LOG_INFO] = "info",
		[LOG_DEBUG] = "debug",
	};
	struct line line = {.len = 0};
	char ts[TIME_RFC3339_SIZE];
	va_list ap;

	if (!log_enabled(level))
		return;
	add_pair(&line, "ts", time_format_micro(time_wall_ms(), ts));
	add_pair(&line, "level", names[level]);
	add_pair(&line, "msg", message);
	va_start(ap, message);
	for (const char *key; (key = va_arg(ap, const char *));) {
		const char *value = va_arg(ap, const char *);

		if (value)
			add_pair(&line, key, value);
	}
	va_end(ap);
	write_line(&line);
}

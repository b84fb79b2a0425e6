/* A stream of the engine that is a line of JSON after the other: pulls, builds and events. */
#ifndef RUNNERS_DOCKER_LINES_H
#define RUNNERS_DOCKER_LINES_H

#include <jansson.h>
#include "base/buf.h"
#include "net/http.h"

#define DOCKER_LINE_MAX ((size_t)1 << 20)

/* Zeroed before its first use; embedded in its owner. */
struct docker_lines {
	void (*line)(struct docker_lines *lines, const json_t *json);
	/* The stream has ended; http has status, response (of an error) and err. */
	void (*ended)(struct docker_lines *lines);
	/* The body of the request, as http.h has it; NULL: none. */
	int (*body)(struct docker_lines *lines, char *into, size_t size, size_t *ret_len);

	/* --- results and private --- */
	struct http_request http;
	bool too_long; /* a line over DOCKER_LINE_MAX ended it */
	char *url;
	struct strvec headers;
	struct buf rest; /* of a line that is not whole */
};

/* url and headers are stolen; line and ended are set. No line for idle_ms: it ends with an err. 0:
 * it may be silent. */
void docker_lines_open(struct docker_lines *lines, struct http_client *client, const char *method,
	char *url, struct strvec *headers, int64_t idle_ms);
/* ended will not run. Harmless when it is not open. */
void docker_lines_close(struct docker_lines *lines);

#endif

#include "runners/docker_lines.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "doc/json.h"

static void take_line(struct docker_lines *lines)
{
	auto_json *json = NULL;

	if (doc_json_parse_lenient(buf_str(&lines->rest), lines->rest.len, &json, NULL) == 0)
		lines->line(lines, json);
	buf_reset(&lines->rest);
}

static int on_data(struct http_request *http, const char *data, size_t len)
{
	struct docker_lines *lines = container_of(http, struct docker_lines, http);

	while (len > 0) {
		const char *end = memchr(data, '\n', len);
		size_t n = end ? (size_t)(end - data) : len;

		if (buf_add(&lines->rest, data, n) < 0) {
			lines->too_long = true;
			return -1;
		}
		if (end)
			take_line(lines);
		n += end != NULL;
		data += n;
		len -= n;
	}
	return 0;
}

static int on_body(struct http_request *http, char *into, size_t size, size_t *ret_len)
{
	struct docker_lines *lines = container_of(http, struct docker_lines, http);

	return lines->body(lines, into, size, ret_len);
}

static void on_done(struct http_request *http)
{
	struct docker_lines *lines = container_of(http, struct docker_lines, http);

	if (lines->rest.len && !lines->too_long)
		take_line(lines);
	lines->ended(lines);
}

void docker_lines_open(struct docker_lines *lines, struct http_client *client, const char *method,
	char *url, struct strvec *headers, int64_t idle_ms)
{
	docker_lines_close(lines);
	lines->url = url;
	if (headers) {
		lines->headers = *headers;
		*headers = (struct strvec)STRVEC_INIT;
	}
	lines->rest = (struct buf)BUF_INIT_MAX(DOCKER_LINE_MAX);
	lines->too_long = false;
	lines->http.method = method;
	lines->http.url = url;
	lines->http.headers = &lines->headers;
	lines->http.idle_timeout_ms = idle_ms;
	lines->http.on_data = on_data;
	lines->http.on_body = lines->body ? on_body : NULL;
	lines->http.done = on_done;
	http_send(client, &lines->http);
}

void docker_lines_close(struct docker_lines *lines)
{
	http_request_free(&lines->http);
	strvec_for_each (&lines->headers, i)
		explicit_bzero(lines->headers.items[i], strlen(lines->headers.items[i]));
	strvec_clear(&lines->headers);
	buf_free(&lines->rest);
	free(take_ptr(lines->url));
	lines->http = (struct http_request){0};
}

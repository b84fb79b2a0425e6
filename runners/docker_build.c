#include "runners/docker_build.h"

#include <stdlib.h>
#include <string.h>
#include "base/image_ref.h"
#include "base/mem.h"
#include "base/str.h"
#include "doc/json.h"
#include "doc/path.h"
#include "net/url.h"
#include "runners/docker_auth.h"

#define ERROR_MAX 2000 /* bytes of the builder's own words */

/* --- what the builder says ------------------------------------------------------------------ */

/* Which container did it is of no interest once that is gone. */
static bool is_noise(const char *line)
{
	return !*line || str_starts_with(line, " ---> ") ||
	       str_starts_with(line, "Removing intermediate container ");
}

static void keep_line(struct strvec *tail, const char *line)
{
	if (is_noise(line))
		return;
	if (tail->len == DOCKER_BUILD_TAIL) {
		free(tail->items[0]);
		memmove(tail->items, tail->items + 1, tail->len * sizeof(*tail->items));
		tail->len--;
	}
	strvec_add(tail, line);
}

static void end_line(struct docker_build *build)
{
	auto_free char *line =
		str_clean_tail(buf_str(&build->text), build->text.len, DOCKER_BUILD_LINE_MAX);

	buf_reset(&build->text);
	keep_line(&build->tail, line);
	build->line(build, line);
}

/* Colours and the like (ECMA-48: ESC [ ... a byte from @ on): the builder itself writes what came
 * by stderr in red. */
static bool is_control(struct docker_build *build, char c)
{
	switch (build->within) {
	case DOCKER_TEXT:
		build->within = c == '\033' ? DOCKER_ESCAPE : DOCKER_TEXT;
		return c == '\033';
	case DOCKER_ESCAPE:
		build->within = c == '[' ? DOCKER_CONTROL : DOCKER_TEXT;
		return c == '[';
	default:
		build->within = c < '@' && c != '\n' ? DOCKER_CONTROL : DOCKER_TEXT;
		return c != '\n';
	}
}

/* Lines come in pieces, and pieces hold lines. A bare carriage return draws a line anew. */
static void take_text(struct docker_build *build, const char *text)
{
	for (; *text; text++) {
		if (is_control(build, *text))
			continue;
		if (*text == '\n')
			end_line(build);
		else if (*text == '\r' && text[1] != '\n')
			buf_reset(&build->text);
		else if (*text != '\r' && build->text.len < DOCKER_BUILD_LINE_MAX)
			buf_addc(&build->text, *text);
	}
}

/* Of a pull; how far each layer is, is left out. */
static void take_status(struct docker_build *build, const json_t *json)
{
	const char *status = doc_str(json, "status"), *id = doc_str(json, "id");

	if (!status || json_object_get(json, "progressDetail"))
		return;
	if (id)
		buf_addf(&build->text, "%s: ", id);
	take_text(build, status);
	end_line(build);
}

static void fail(struct docker_build *build, const char *words)
{
	auto_free char *clean = str_clean_tail(words, strlen(words), ERROR_MAX);
	auto_free char *tail = NULL;

	if (build->text.len)
		end_line(build);
	if (build->err.class != ERR_NONE)
		return;
	tail = strvec_join(&build->tail, "\n");
	err_set(&build->err, ERR_USER, "BuildFailed", "%s%s%s", clean, *tail ? "\n" : "", tail);
}

static void got_line(struct docker_lines *lines, const json_t *json)
{
	struct docker_build *build = container_of(lines, struct docker_build, lines);
	const char *stream = doc_str(json, "stream"), *error = doc_str(json, "error");
	const char *id = doc_str(json, "aux.ID");

	if (stream)
		take_text(build, stream);
	take_status(build, json);
	if (id && image_digest_valid(id)) {
		free(build->image_id);
		build->image_id = xstrdup(id);
	}
	if (error)
		fail(build, error);
}

/* --- how it ends ---------------------------------------------------------------------------- */

/* An answer that is no stream. */
static void refused(struct docker_build *build, const struct http_request *http)
{
	auto_json *answer = NULL;

	doc_json_parse_lenient(buf_str(&http->response), http->response.len, &answer, NULL);
	err_set(&build->err, http->status < 500 ? ERR_USER : ERR_TRANSIENT, "BuildRefused",
		"the engine does not build it: %s (HTTP %d)",
		doc_str_or(answer, "message", "it does not say why"), http->status);
}

static void judge(struct docker_build *build)
{
	const struct docker_lines *lines = &build->lines;
	const struct http_request *http = &lines->http;

	if (build->err.class != ERR_NONE)
		return;
	if (lines->too_long)
		err_set(&build->err, ERR_TRANSIENT, "BadAnswer",
			"the answer has a line of over %zu KiB; is this a Docker Engine?",
			DOCKER_LINE_MAX >> 10);
	else if (http->err.class != ERR_NONE && http->status == 200)
		err_set(&build->err, ERR_TRANSIENT, "BadAnswer",
			"the connection ended before the builder did (%s); what is built so far "
			"is in the engine's cache",
			err_message(&http->err));
	else if (http->err.class != ERR_NONE)
		err_set(&build->err, http->err.class, http->err.reason, "%s",
			err_message(&http->err));
	else if (http->status >= 300)
		refused(build, http);
	else if (!build->image_id)
		err_set(&build->err, ERR_TRANSIENT, "BadAnswer",
			"the answer ends without saying which image was built; is this a Docker "
			"Engine?");
}

static void ended(struct docker_lines *lines)
{
	struct docker_build *build = container_of(lines, struct docker_build, lines);

	if (build->text.len)
		end_line(build);
	judge(build);
	if (build->err.class != ERR_NONE)
		free(take_ptr(build->image_id));
	build->done(build);
}

/* --- asking --------------------------------------------------------------------------------- */

static int give_context(struct docker_lines *lines, char *into, size_t size, size_t *ret_len)
{
	struct docker_build *build = container_of(lines, struct docker_build, lines);

	if (build->context(build, into, size, ret_len, &build->err) == 0)
		return 0;
	return -1;
}

static void add_map(struct buf *url, const char *name, const json_t *map)
{
	auto_free char *text = json_object_size(map) ? doc_json_dump(map) : NULL;

	if (text)
		url_add_query(url, name, text);
}

static void send(struct docker_build *build)
{
	auto_free char *base = docker_url(build->engine, "/build");
	struct strvec headers = STRVEC_INIT;
	struct buf url = BUF_INIT;

	buf_adds(&url, base);
	url_add_query(&url, "t", build->tag);
	url_add_query(&url, "rm", "1");
	url_add_query(&url, "forcerm", "1");
	add_map(&url, "buildargs", build->build_args);
	add_map(&url, "labels", build->labels);
	strvec_add(&headers, "Content-Type: application/x-tar");
	docker_auth_for_build(build->auths, &headers);
	build->lines.line = got_line;
	build->lines.ended = ended;
	build->lines.body = give_context;
	/* a step of a build may say nothing for hours */
	docker_lines_open(
		&build->lines, build->engine->client, "POST", buf_take(&url), &headers, 0);
}

static void version_known(struct docker_call *call)
{
	struct docker_build *build = container_of(call, struct docker_build, version);

	if (call->api.err.class == ERR_NONE) {
		send(build);
		return;
	}
	err_move(&build->err, &call->api.err);
	build->done(build);
}

void docker_build_start(struct docker_build *build)
{
	docker_negotiate(build->engine, &build->version, version_known);
}

void docker_build_free(struct docker_build *build)
{
	if (build->version.engine)
		docker_call_free(&build->version);
	docker_lines_close(&build->lines);
	buf_free(&build->text);
	strvec_clear(&build->tail);
	free(take_ptr(build->image_id));
	err_clear(&build->err);
}

/* See http_server.h. Reading feeds a small parser; writing is http_conn_pump(), always deferred. */
#include "tests/fake/http_server.h"

#include <arpa/inet.h>
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HTTP_MAX_HEAD = 256 * 1024, HTTP_MAX_BODY = 64 << 20 };

struct http_conn {
	struct http_server *server;
	struct list link;
	int fd;
	struct loop_watch watch;
	struct loop_defer pump;
	struct buf in;
	struct buf out;
	size_t answered; /* bytes of this answer that were written */
	bool broken;
	struct http_exchange *ex; /* the one being parsed or answered */
	bool have_head;
	bool handed_over;
	bool chunked;
	bool last_chunk;
	size_t missing; /* bytes of the body or of this chunk with its CRLF */
};

static void http_conn_pump(struct loop_defer *defer);

/* --- life of exchanges and connections --- */

static void exchange_free(struct http_exchange *ex)
{
	if (!ex)
		return;
	if (ex->release && ex->conn->handed_over)
		ex->release(ex);
	free(ex->method);
	free(ex->target);
	free(ex->path);
	free(ex->query);
	strvec_clear(&ex->headers);
	strvec_clear(&ex->extra);
	buf_free(&ex->body);
	free(ex);
}

static void conn_free(struct http_conn *conn)
{
	exchange_free(conn->ex);
	loop_watch_del(&conn->watch);
	loop_defer_del(&conn->pump);
	list_del(&conn->link);
	conn->server->open--;
	close(conn->fd);
	buf_free(&conn->in);
	buf_free(&conn->out);
	free(conn);
}

static void conn_schedule(struct http_conn *conn)
{
	loop_defer_add(conn->server->loop, &conn->pump, http_conn_pump);
}

/* --- parsing --- */

static char *lower_copy(const char *s, size_t len)
{
	char *copy = xstrndup(s, len);

	for (char *c = copy; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	return copy;
}

static void parse_header_line(struct http_exchange *ex, const char *line, size_t len)
{
	const char *colon = memchr(line, ':', len);
	auto_free char *name = NULL;
	const char *value;

	if (!colon)
		return;
	name = lower_copy(line, (size_t)(colon - line));
	value = colon + 1;
	while (value < line + len && (*value == ' ' || *value == '\t'))
		value++;
	strvec_addf(&ex->headers, "%s: %.*s", name, (int)(line + len - value), value);
}

static bool parse_request_line(struct http_exchange *ex, const char *line, size_t len)
{
	const char *space = memchr(line, ' ', len);
	const char *second, *question;

	if (!space)
		return false;
	second = memchr(space + 1, ' ', (size_t)(line + len - space - 1));
	if (!second)
		return false;
	ex->method = xstrndup(line, (size_t)(space - line));
	ex->target = xstrndup(space + 1, (size_t)(second - space - 1));
	question = strchr(ex->target, '?');
	ex->path = question ? xstrndup(ex->target, (size_t)(question - ex->target))
			    : xstrdup(ex->target);
	ex->query = xstrdup(question ? question + 1 : "");
	return true;
}

static bool body_framing(struct http_conn *conn)
{
	const char *length = http_header(conn->ex, "content-length");
	const char *coding = http_header(conn->ex, "transfer-encoding");
	char *end;
	unsigned long long value;

	conn->chunked = coding && strcasecmp(coding, "chunked") == 0;
	conn->last_chunk = false;
	conn->missing = 0;
	if (conn->chunked || !length)
		return true;
	value = strtoull(length, &end, 10);
	if (*end || value > HTTP_MAX_BODY)
		return false;
	conn->missing = (size_t)value;
	return true;
}

/* 1: a head was parsed, 0: more bytes are needed, -1: not HTTP. */
static int parse_head(struct http_conn *conn)
{
	const char *start = buf_str(&conn->in);
	const char *end = conn->in.len ? memmem(start, conn->in.len, "\r\n\r\n", 4) : NULL;
	const char *line = start;
	static const char refusal[] = "HTTP/1.1 400 Bad Request\r\n\r\n";
	struct http_exchange *ex;

	/* TLS where plain HTTP is spoken: what servers say to that. */
	if (conn->in.len && *start == 0x16) {
		(void)send(conn->fd, refusal, strlen(refusal), MSG_NOSIGNAL);
		return -1;
	}
	if (!end)
		return conn->in.len > HTTP_MAX_HEAD ? -1 : 0;
	ex = xnew(struct http_exchange);
	ex->server = conn->server;
	ex->conn = conn;
	ex->cut_at = SIZE_MAX;
	ex->body.max = HTTP_MAX_BODY + 1;
	conn->ex = ex;
	while (line < end) {
		const char *eol = memmem(line, (size_t)(end + 2 - line), "\r\n", 2);
		size_t len = (size_t)(eol - line);

		if (line != start)
			parse_header_line(ex, line, len);
		else if (!parse_request_line(ex, line, len))
			return -1;
		line = eol + 2;
	}
	buf_consume(&conn->in, (size_t)(end + 4 - start));
	conn->have_head = true;
	return body_framing(conn) ? 1 : -1;
}

/* The size line of the next chunk; same results as parse_head. */
static int parse_chunk_size(struct http_conn *conn)
{
	const char *start = conn->in.data;
	const char *eol = start ? memmem(start, conn->in.len, "\r\n", 2) : NULL;
	char *end;
	unsigned long long size;

	if (!eol)
		return conn->in.len > 1024 ? -1 : 0;
	size = strtoull(start, &end, 16);
	if (end == start || size > HTTP_MAX_BODY)
		return -1;
	buf_consume(&conn->in, (size_t)(eol + 2 - start));
	conn->last_chunk = size == 0;
	conn->missing = (size_t)size + 2;
	return 1;
}

static int parse_chunked_body(struct http_conn *conn)
{
	for (;;) {
		if (!conn->missing) {
			int r = parse_chunk_size(conn);

			if (r <= 0)
				return r;
		}
		if (conn->in.len < conn->missing)
			return 0;
		/* Trailers are not supported: the last chunk is "0\r\n\r\n". */
		if (buf_add(&conn->ex->body, buf_str(&conn->in), conn->missing - 2) < 0)
			return -1;
		buf_consume(&conn->in, conn->missing);
		conn->missing = 0;
		if (conn->last_chunk)
			return 1;
	}
}

static int parse_body(struct http_conn *conn)
{
	if (conn->chunked)
		return parse_chunked_body(conn);
	if (conn->in.len < conn->missing)
		return 0;
	buf_add(&conn->ex->body, buf_str(&conn->in), conn->missing);
	buf_consume(&conn->in, conn->missing);
	return 1;
}

/* Hands the next complete request over, unless one is being answered. */
static void conn_parse(struct http_conn *conn)
{
	int r = 1;

	if (conn->handed_over || conn->broken)
		return;
	if (!conn->have_head)
		r = parse_head(conn);
	if (r > 0)
		r = parse_body(conn);
	if (r < 0) {
		conn->broken = true;
		conn_schedule(conn);
	}
	if (r <= 0)
		return;
	conn->handed_over = true;
	conn->server->requests++;
	conn->server->request(conn->server, conn->ex);
}

static void conn_read(struct http_conn *conn)
{
	char piece[16384];
	ssize_t n = recv(conn->fd, piece, sizeof(piece), 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0 || buf_add(&conn->in, piece, (size_t)n) < 0) {
		conn_free(conn);
		return;
	}
	conn_parse(conn);
}

/* --- writing --- */

/* How many bytes may be written now; 0 when the answer is to be cut here. */
static size_t conn_piece(const struct http_conn *conn)
{
	const struct http_exchange *ex = conn->ex;
	size_t len = conn->out.len;

	if (ex->drip && len > ex->drip)
		len = ex->drip;
	if (ex->split_at > conn->answered && len > ex->split_at - conn->answered)
		len = ex->split_at - conn->answered;
	if (len > ex->cut_at - conn->answered)
		len = ex->cut_at - conn->answered;
	return len;
}

/* The answer is written: the connection takes the next request. */
static void conn_next(struct http_conn *conn)
{
	conn->ex->complete = true;
	exchange_free(conn->ex);
	conn->ex = NULL;
	conn->handed_over = false;
	conn->have_head = false;
	conn->answered = 0;
	conn_parse(conn);
}

static bool conn_write(struct http_conn *conn)
{
	size_t len = conn_piece(conn);
	ssize_t n = len ? send(conn->fd, conn->out.data, len, MSG_NOSIGNAL) : 0;

	if (n < 0 && errno != EAGAIN && errno != EINTR)
		return false;
	if (n > 0) {
		buf_consume(&conn->out, (size_t)n);
		conn->answered += (size_t)n;
	}
	if (conn->answered == conn->ex->cut_at)
		return false;
	if (n < 0)
		loop_watch_modify(&conn->watch, EPOLLIN | EPOLLOUT, NULL);
	else if (conn->out.len > 0)
		conn_schedule(conn);
	return true;
}

static void http_conn_pump(struct loop_defer *defer)
{
	struct http_conn *conn = container_of(defer, struct http_conn, pump);
	struct http_exchange *ex = conn->ex;

	if (conn->broken || (ex && !conn_write(conn))) {
		conn_free(conn);
		return;
	}
	if (!ex || conn->out.len > 0)
		return;
	if (ex->cut || (ex->ended && ex->close_after)) {
		ex->complete = ex->ended && !ex->cut;
		conn_free(conn);
	} else if (ex->ended) {
		conn_next(conn);
	}
}

static void conn_ready(struct loop_watch *watch, uint32_t events)
{
	struct http_conn *conn = container_of(watch, struct http_conn, watch);

	if (events & EPOLLOUT) {
		loop_watch_modify(watch, EPOLLIN, NULL);
		conn_schedule(conn);
	}
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		conn_read(conn);
}

/* --- the server --- */

static void server_accept(struct loop_watch *watch, uint32_t events)
{
	struct http_server *server = container_of(watch, struct http_server, watch);
	int fd = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct http_conn *conn;
	int on = 1;

	(void)events;
	if (fd < 0)
		return;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	conn = xnew(struct http_conn);
	conn->server = server;
	conn->fd = fd;
	conn->in.max = HTTP_MAX_HEAD + HTTP_MAX_BODY;
	conn->out.max = SIZE_MAX / 2;
	list_add_tail(&server->conns, &conn->link);
	server->accepted++;
	server->open++;
	if (loop_watch_add(server->loop, &conn->watch, fd, EPOLLIN, conn_ready, NULL) < 0)
		abort();
}

static void server_listen(struct http_server *server)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(server->port)};
	socklen_t len = sizeof(address);
	int on = 1;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (server->fd < 0 ||
		setsockopt(server->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
		bind(server->fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		listen(server->fd, 512) < 0 ||
		getsockname(server->fd, (struct sockaddr *)&address, &len) < 0) {
		perror("http_server: no listening socket");
		abort();
	}
	server->port = ntohs(address.sin_port);
	if (loop_watch_add(server->loop, &server->watch, server->fd, EPOLLIN, server_accept, NULL) <
		0)
		abort();
}

void http_server_start(struct http_server *server, struct loop *loop,
	void (*request)(struct http_server *, struct http_exchange *), void *user)
{
	*server = (struct http_server){.loop = loop, .request = request, .user = user, .fd = -1};
	list_init(&server->conns);
	server_listen(server);
	snprintf(server->url, sizeof(server->url), "http://127.0.0.1:%u", (unsigned)server->port);
}

void http_server_refuse(struct http_server *server, bool refuse)
{
	if (refuse && server->fd >= 0) {
		loop_watch_del(&server->watch);
		close(server->fd);
		server->fd = -1;
	} else if (!refuse && server->fd < 0) {
		server_listen(server);
	}
}

void http_server_cut_all(struct http_server *server)
{
	while (!list_empty(&server->conns))
		conn_free(container_of(server->conns.next, struct http_conn, link));
}

void http_server_stop(struct http_server *server)
{
	http_server_refuse(server, true);
	http_server_cut_all(server);
}

/* --- reading a request --- */

const char *http_header(const struct http_exchange *ex, const char *name)
{
	size_t len = strlen(name);

	strvec_for_each (&ex->headers, i) {
		const char *item = ex->headers.items[i];

		if (strncmp(item, name, len) == 0 && item[len] == ':')
			return item + len + 2;
	}
	return NULL;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static char *percent_decode(const char *s, size_t len)
{
	struct buf out = BUF_INIT;

	for (size_t i = 0; i < len; i++) {
		bool escape = s[i] == '%' && i + 2 < len && hex_digit(s[i + 1]) >= 0 &&
			      hex_digit(s[i + 2]) >= 0;

		if (escape) {
			buf_addc(&out, (char)(hex_digit(s[i + 1]) * 16 + hex_digit(s[i + 2])));
			i += 2;
		} else {
			buf_addc(&out, s[i] == '+' ? ' ' : s[i]);
		}
	}
	return buf_take(&out);
}

char *http_query(const struct http_exchange *ex, const char *name)
{
	const char *pos = ex->query;

	while (*pos) {
		size_t len = strcspn(pos, "&");
		size_t name_len = strcspn(pos, "=&");
		auto_free char *decoded = percent_decode(pos, name_len);

		if (strcmp(decoded, name) == 0)
			return pos[name_len] == '='
				       ? percent_decode(pos + name_len + 1, len - name_len - 1)
				       : xstrdup("");
		pos += len + (pos[len] == '&');
	}
	return NULL;
}

/* --- answering --- */

void http_split_at(struct http_exchange *ex, size_t offset)
{
	ex->split_at = offset;
}

void http_drip(struct http_exchange *ex, size_t piece)
{
	ex->drip = piece;
}

void http_cut_at(struct http_exchange *ex, size_t offset)
{
	ex->cut_at = offset;
}

void http_close_after(struct http_exchange *ex)
{
	ex->close_after = true;
	http_add_header(ex, "Connection: close");
}

void http_add_header(struct http_exchange *ex, const char *header)
{
	strvec_add(&ex->extra, header);
}

static const char *status_text(int status)
{
	static const struct {
		int status;
		const char *text;
	} texts[] = {
		{200, "OK"},
		{201, "Created"},
		{202, "Accepted"},
		{204, "No Content"},
		{400, "Bad Request"},
		{401, "Unauthorized"},
		{403, "Forbidden"},
		{404, "Not Found"},
		{409, "Conflict"},
		{410, "Gone"},
		{422, "Unprocessable Entity"},
		{429, "Too Many Requests"},
		{500, "Internal Server Error"},
		{503, "Service Unavailable"},
	};

	for (size_t i = 0; i < array_size(texts); i++) {
		if (texts[i].status == status)
			return texts[i].text;
	}
	return "Status";
}

static void answer_head(struct http_exchange *ex, int status, const char *content_type)
{
	struct buf *out = &ex->conn->out;

	buf_addf(out, "HTTP/1.1 %d %s\r\n", status, status_text(status));
	if (content_type)
		buf_addf(out, "Content-Type: %s\r\n", content_type);
	strvec_for_each (&ex->extra, i)
		buf_addf(out, "%s\r\n", ex->extra.items[i]);
}

void http_reply(struct http_exchange *ex, int status, const char *content_type, const void *body,
	size_t len)
{
	answer_head(ex, status, content_type);
	if (status == 204)
		buf_adds(&ex->conn->out, "\r\n");
	else
		buf_addf(&ex->conn->out, "Content-Length: %zu\r\n\r\n", len);
	if (len && status != 204 && strcmp(ex->method, "HEAD") != 0)
		buf_add(&ex->conn->out, body, len);
	http_end(ex);
}

void http_reply_chunked(struct http_exchange *ex, int status, const char *content_type)
{
	answer_head(ex, status, content_type);
	buf_adds(&ex->conn->out, "Transfer-Encoding: chunked\r\n\r\n");
	ex->chunked = true;
	conn_schedule(ex->conn);
}

void http_chunk(struct http_exchange *ex, const void *data, size_t len)
{
	if (!len)
		return;
	buf_addf(&ex->conn->out, "%zx\r\n", len);
	buf_add(&ex->conn->out, data, len);
	buf_adds(&ex->conn->out, "\r\n");
	conn_schedule(ex->conn);
}

void http_raw(struct http_exchange *ex, const void *data, size_t len)
{
	buf_add(&ex->conn->out, data, len);
	conn_schedule(ex->conn);
}

void http_end(struct http_exchange *ex)
{
	assert(!ex->ended);
	if (ex->chunked)
		buf_adds(&ex->conn->out, "0\r\n\r\n");
	ex->ended = true;
	conn_schedule(ex->conn);
}

void http_cut(struct http_exchange *ex)
{
	ex->cut = true;
	conn_schedule(ex->conn);
}

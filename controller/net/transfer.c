/*
 * One easy handle: options, callbacks and what its end means.
 *
 * Bodies go out by a read callback that refuses to rewind. With CURLOPT_POSTFIELDS
 * libcurl 7.88 sends a request again, POST included, when a kept connection ends
 * before the first byte of the answer (Curl_retry_request in lib/transfer.c);
 * whether such a write took place is for our callers to find out.
 */
#include <ctype.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include "base/str.h"
#include "net/private.h"

#define HTTP_DEFAULT_RESPONSE ((size_t)64 << 20)
#define HTTP_STREAM_ERROR_BODY ((size_t)64 << 10)
#define HTTP_MAX_HEADERS ((size_t)256 << 10)
#define HTTP_CONNECT_TIMEOUT_MS 10000L
/* Below the 90 s after which API servers close idle connections. */
#define HTTP_MAX_IDLE_S 60L
#define HTTP_MAX_RETRY_AFTER_S (24 * 3600)

/* --- callbacks: they record, never call curl but for getinfo --- */

static int transfer_socket_options(void *user, curl_socket_t fd, curlsocktype purpose)
{
	int on = 1, idle_s = 30, interval_s = 10, count = 3;
	unsigned int user_timeout_ms = 30000;

	(void)user;
	(void)purpose;
	/* Best effort: a Unix socket has none of them but the first. */
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof(interval_s));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
	(void)setsockopt(
		fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_timeout_ms, sizeof(user_timeout_ms));
	return CURL_SOCKOPT_OK;
}

static size_t transfer_read(char *into, size_t size, size_t count, void *user)
{
	struct http_transfer *t = user;
	size_t len = t->body_len - t->body_pos;

	if (len > size * count)
		len = size * count;
	memcpy(into, t->body + t->body_pos, len);
	t->body_pos += len;
	return len;
}

static size_t transfer_read_source(char *into, size_t size, size_t count, void *user)
{
	struct http_transfer *t = user;
	size_t len = 0;

	if (!t->req)
		return CURL_READFUNC_ABORT;
	t->req->last_data_ms = loop_now_ms(t->client->loop);
	if (t->req->on_body(t->req, into, size * count, &len) != 0) {
		t->source_stopped = true;
		return CURL_READFUNC_ABORT;
	}
	t->body_pos += len;
	return len;
}

static int transfer_seek(void *user, curl_off_t offset, int origin)
{
	const struct http_transfer *t = user;

	return t->body_pos == 0 && offset == 0 && origin == SEEK_SET ? CURL_SEEKFUNC_OK
								     : CURL_SEEKFUNC_FAIL;
}

static bool transfer_streams(struct http_transfer *t)
{
	long status = 0;

	if (!t->req->on_data)
		return false;
	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	return status >= 200 && status < 300;
}

/* Into `response`, up to its maximum; false when there is more than that. */
static bool transfer_collect(struct http_transfer *t, const char *data, size_t len)
{
	struct buf *response = &t->req->response;
	size_t room = response->max - 1 - response->len;

	buf_add(response, data, len < room ? len : room);
	return len <= room;
}

static size_t transfer_write(char *data, size_t size, size_t count, void *user)
{
	struct http_transfer *t = user;
	size_t len = size * count;
	struct http_request *req = t->req;

	if (!req)
		return len ? 0 : CURL_WRITEFUNC_ERROR;
	req->last_data_ms = loop_now_ms(t->client->loop);
	if (transfer_streams(t)) {
		if (len && req->on_data(req, data, len) != 0) {
			t->reader_stopped = true;
			return 0;
		}
	} else if (!transfer_collect(t, data, len)) {
		t->enough = req->on_data != NULL;
		t->too_large = !t->enough;
		return 0;
	}
	return len;
}

/* --- response headers --- */

/* The value when the line is that header, without surrounding blanks; owned by the caller. */
static char *header_value(const char *line, size_t len, const char *name)
{
	size_t name_len = strlen(name);

	if (len <= name_len || line[name_len] != ':' || strncasecmp(line, name, name_len) != 0)
		return NULL;
	line += name_len + 1;
	len -= name_len + 1;
	while (len && isspace((unsigned char)*line)) {
		line++;
		len--;
	}
	while (len && isspace((unsigned char)line[len - 1]))
		len--;
	return xstrndup(line, len);
}

/* RFC 7234 5.5, `299 agent "text"`: the text; NULL for other codes. */
static char *warning_text(const char *value)
{
	const char *quote = strchr(value, '"');
	struct buf text = BUF_INIT;

	if (!str_starts_with(value, "299 ") || !quote)
		return NULL;
	for (const char *c = quote + 1; *c && *c != '"'; c++) {
		if (*c == '\\' && c[1])
			c++;
		buf_addc(&text, *c);
	}
	return buf_take(&text);
}

static void header_keep(struct http_request *req, const char *line, size_t len)
{
	const char *colon = memchr(line, ':', len);
	auto_free char *name = NULL;
	auto_free char *value = NULL;

	if (!colon)
		return;
	name = xstrndup(line, (size_t)(colon - line));
	value = header_value(line, len, name);
	for (char *c = name; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	if (value)
		strvec_addf(&req->response_headers, "%s: %s", name, value);
}

/* A new status line (after 100 Continue, or of a second try): what came before does not count. */
static void headers_restart(struct http_request *req)
{
	free(req->warning);
	free(req->content_type);
	req->warning = NULL;
	req->content_type = NULL;
	req->retry_after_ms = -1;
	strvec_clear(&req->response_headers);
}

static void header_line(struct http_request *req, const char *line, size_t len)
{
	auto_free char *retry_after = header_value(line, len, "Retry-After");
	auto_free char *warning = header_value(line, len, "Warning");
	char *content_type = header_value(line, len, "Content-Type");
	int64_t seconds;

	if (len >= 5 && strncmp(line, "HTTP/", 5) == 0)
		headers_restart(req);
	if (retry_after && str_to_int64(retry_after, &seconds) && seconds >= 0)
		req->retry_after_ms =
			1000 *
			(seconds < HTTP_MAX_RETRY_AFTER_S ? seconds : HTTP_MAX_RETRY_AFTER_S);
	if (warning && !req->warning)
		req->warning = warning_text(warning);
	if (content_type) {
		free(req->content_type);
		req->content_type = content_type;
	}
	if (req->keep_headers)
		header_keep(req, line, len);
}

static size_t transfer_header(char *line, size_t size, size_t count, void *user)
{
	struct http_transfer *t = user;
	size_t len = size * count;

	if (!t->req)
		return 0;
	t->req->last_data_ms = loop_now_ms(t->client->loop);
	t->header_bytes += len;
	/* The blank line ends a head, a status line begins the next; trailers are neither. */
	if (len > 0 && (line[0] == '\r' || line[0] == '\n'))
		t->head_complete = true;
	else if (len >= 5 && strncmp(line, "HTTP/", 5) == 0)
		t->head_complete = false;
	if (t->header_bytes > HTTP_MAX_HEADERS) {
		t->too_large = true;
		return 0;
	}
	header_line(t->req, line, len);
	return len;
}

/* --- setting up --- */

/* Keeps the first failure in a local `code`. */
#define SET(option, value) \
	(code = code == CURLE_OK ? curl_easy_setopt(t->easy, option, value) : code)

static void transfer_add_header(struct http_transfer *t, const char *line)
{
	struct curl_slist *longer = curl_slist_append(t->headers, line);

	if (!longer)
		abort(); /* out of memory */
	t->headers = longer;
}

static int transfer_headers(
	struct http_transfer *t, const struct http_request *req, struct err *err)
{
	bool content_type = false;

	transfer_add_header(t, "Expect:");
	if (req->on_body)
		transfer_add_header(t, "Transfer-Encoding: chunked");
	for (size_t i = 0; req->headers && i < req->headers->len; i++) {
		const char *line = req->headers->items[i];
		size_t name_len = strcspn(line, ":");

		if (strpbrk(line, "\r\n") || !line[name_len] || name_len == 0)
			return err_set(err, ERR_USER, "InvalidRequest",
				"%s: header %zu of the request is not one line \"Name: value\"",
				t->host, i + 1);
		content_type |= strncasecmp(line, "Content-Type:", 13) == 0;
		transfer_add_header(t, line);
	}
	if (!content_type)
		transfer_add_header(t, "Content-Type:"); /* no form type of curl's */
	return 0;
}

/* size -1: not known before, so that libcurl sends it in chunks. */
static CURLcode transfer_sends(
	struct http_transfer *t, curl_off_t size, size_t (*read)(char *, size_t, size_t, void *))
{
	CURLcode code = CURLE_OK;

	SET(CURLOPT_POST, 1L);
	SET(CURLOPT_POSTFIELDSIZE_LARGE, size);
	SET(CURLOPT_READFUNCTION, read);
	SET(CURLOPT_READDATA, t);
	SET(CURLOPT_SEEKFUNCTION, transfer_seek);
	SET(CURLOPT_SEEKDATA, t);
	return code;
}

static CURLcode transfer_body(struct http_transfer *t, const struct http_request *req)
{
	CURLcode code = CURLE_OK;

	if (req->on_body) {
		code = transfer_sends(t, -1, transfer_read_source);
	} else if (req->body && req->body_len) {
		t->body = xmalloc(req->body_len);
		memcpy(t->body, req->body, req->body_len);
		t->body_len = req->body_len;
		code = transfer_sends(t, (curl_off_t)t->body_len, transfer_read);
	} else if (str_eq(req->method, "POST") || str_eq(req->method, "PUT") ||
		   str_eq(req->method, "PATCH")) {
		SET(CURLOPT_POSTFIELDS, "");
		SET(CURLOPT_POSTFIELDSIZE, 0L);
	} else if (str_eq(req->method, "HEAD")) {
		SET(CURLOPT_NOBODY, 1L);
	}
	SET(CURLOPT_CUSTOMREQUEST, req->method);
	return code;
}

static CURLcode set_blob(struct http_transfer *t, CURLoption option, const char *pem)
{
	struct curl_blob blob = {
		.data = (void *)pem, .len = strlen(pem), .flags = CURL_BLOB_NOCOPY};

	return curl_easy_setopt(t->easy, option, &blob);
}

static CURLcode transfer_tls(struct http_transfer *t)
{
	const struct http_client_options *options = &t->client->options;
	CURLcode code = CURLE_OK;

	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(CURLOPT_SSL_VERIFYPEER, options->insecure_skip_verify ? 0L : 1L);
	SET(CURLOPT_SSL_VERIFYHOST, options->insecure_skip_verify ? 0L : 2L);
	if (options->ca_pem) {
		/* Only these: the built-in directory would be trusted beside the blob. */
		SET(CURLOPT_CAINFO, NULL);
		SET(CURLOPT_CAPATH, NULL);
		if (!code)
			code = set_blob(t, CURLOPT_CAINFO_BLOB, options->ca_pem);
	}
	if (!code && options->client_cert_pem)
		code = set_blob(t, CURLOPT_SSLCERT_BLOB, options->client_cert_pem);
	if (!code && options->client_key_pem)
		code = set_blob(t, CURLOPT_SSLKEY_BLOB, options->client_key_pem);
	return code;
}

static CURLcode transfer_options(struct http_transfer *t, const struct http_request *req)
{
	const struct http_client_options *options = &t->client->options;
	CURLcode code = transfer_tls(t);

	SET(CURLOPT_PRIVATE, t);
	SET(CURLOPT_ERRORBUFFER, t->error);
	SET(CURLOPT_NOSIGNAL, 1L);
	/* Ending a request must not wait for a thread that looks up a name. */
	SET(CURLOPT_QUICK_EXIT, 1L);
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_PATH_AS_IS, 1L);
	SET(CURLOPT_CONNECTTIMEOUT_MS, HTTP_CONNECT_TIMEOUT_MS);
	SET(CURLOPT_MAXAGE_CONN, HTTP_MAX_IDLE_S);
	SET(CURLOPT_SOCKOPTFUNCTION, transfer_socket_options);
	/* "": neither may come from the environment. */
	SET(CURLOPT_PROXY, options->proxy ? options->proxy : "");
	SET(CURLOPT_NOPROXY, "");
	SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	if (options->unix_socket)
		SET(CURLOPT_UNIX_SOCKET_PATH, options->unix_socket);
	if (options->user_agent)
		SET(CURLOPT_USERAGENT, options->user_agent);
	SET(CURLOPT_WRITEFUNCTION, transfer_write);
	SET(CURLOPT_WRITEDATA, t);
	SET(CURLOPT_HEADERFUNCTION, transfer_header);
	SET(CURLOPT_HEADERDATA, t);
	SET(CURLOPT_HTTPHEADER, t->headers);
	if (t->connect_to)
		SET(CURLOPT_CONNECT_TO, t->connect_to);
	if (!code)
		code = transfer_body(t, req);
	return code;
}

/*
 * Connects to the host of the URL but speaks TLS with tls_server_name: that name becomes the
 * URL's host, CONNECT_TO leads back, and Host says what it would have said.
 */
static CURLUcode transfer_server_name(
	struct http_transfer *t, CURLU *url, const char *host, const char *port)
{
	const char *name = t->client->options.tls_server_name;
	auto_free char *connect_to = xasprintf("::%s:%s", host, port);
	auto_free char *header = NULL;
	bool bare_ipv6 = strchr(name, ':') && name[0] != '[';
	auto_free char *in_url = xasprintf(bare_ipv6 ? "[%s]" : "%s", name);

	header = str_eq(port, "443") ? xasprintf("Host: %s", host)
				     : xasprintf("Host: %s:%s", host, port);
	transfer_add_header(t, header);
	t->connect_to = curl_slist_append(NULL, connect_to);
	if (!t->connect_to)
		abort(); /* out of memory */
	return curl_url_set(url, CURLUPART_HOST, in_url, 0);
}

static CURLUcode transfer_url_parts(struct http_transfer *t, CURLU *url, const char *text)
{
	char *scheme = NULL, *host = NULL, *port = NULL, *final = NULL;
	CURLUcode code = curl_url_set(url, CURLUPART_URL, text, CURLU_PATH_AS_IS);

	if (!code)
		code = curl_url_get(url, CURLUPART_SCHEME, &scheme, 0);
	if (!code)
		code = curl_url_get(url, CURLUPART_HOST, &host, 0);
	if (!code)
		code = curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT);
	if (!code) {
		free(t->host);
		t->host = t->client->options.unix_socket ? xstrdup(t->client->options.unix_socket)
							 : xasprintf("%s:%s", host, port);
	}
	if (!code && t->client->options.tls_server_name && str_eq(scheme, "https"))
		code = transfer_server_name(t, url, host, port);
	if (!code)
		code = curl_url_get(url, CURLUPART_URL, &final, 0);
	if (!code && curl_easy_setopt(t->easy, CURLOPT_URL, final) != CURLE_OK)
		abort(); /* out of memory */
	curl_free(scheme);
	curl_free(host);
	curl_free(port);
	curl_free(final);
	return code;
}

static int transfer_url(struct http_transfer *t, const char *text, struct err *err)
{
	CURLU *url = curl_url();
	CURLUcode code;

	if (!url)
		abort(); /* out of memory */
	code = transfer_url_parts(t, url, text);
	curl_url_cleanup(url);
	/* The URL itself is not repeated: it may hold credentials. */
	if (code)
		return err_set(err, ERR_USER, "InvalidRequest", "%s: invalid URL: %s", t->host,
			curl_url_strerror(code));
	return 0;
}

int http_transfer_new(struct http_client *client, struct http_request *req,
	struct http_transfer **ret_transfer, struct err *err)
{
	struct http_transfer *t = xnew(struct http_transfer);
	CURLcode code;

	t->client = client;
	t->req = req;
	t->counted = !(req->on_data && req->timeout_ms == 0);
	t->host = xstrdup("request");
	list_init(&t->link);
	t->easy = curl_easy_init();
	if (!t->easy)
		abort(); /* out of memory */
	if (req->on_data)
		req->response.max = HTTP_STREAM_ERROR_BODY + 1;
	else
		req->response.max =
			(req->max_response ? req->max_response : HTTP_DEFAULT_RESPONSE) + 1;
	if (transfer_url(t, req->url, err) < 0 || transfer_headers(t, req, err) < 0) {
		http_transfer_free(t);
		return -1;
	}
	code = transfer_options(t, req);
	if (code != CURLE_OK) {
		err_set(err, ERR_BUG, "Aborted", "libcurl refused an option: %s",
			curl_easy_strerror(code));
		http_transfer_free(t);
		return -1;
	}
	*ret_transfer = t;
	return 0;
}

void http_transfer_free(struct http_transfer *t)
{
	curl_easy_cleanup(t->easy);
	for (struct curl_slist *h = t->headers; h; h = h->next)
		explicit_bzero(h->data, strlen(h->data));
	curl_slist_free_all(t->headers);
	curl_slist_free_all(t->connect_to);
	if (t->body)
		explicit_bzero(t->body, t->body_len);
	free(t->body);
	free(t->host);
	free(t);
}

/* --- the end --- */

/* "Failed to connect to h port 1 after 12 ms: ..." without the time, or each try would be a new
 * message, and each new message a write of some status. */
static void drop_duration(char *message)
{
	char *after = strstr(message, " after ");
	char *end;

	if (!after)
		return;
	end = after + strlen(" after ");
	end += strspn(end, "0123456789");
	if (end > after + strlen(" after ") && str_starts_with(end, " ms"))
		memmove(after, end + 3, strlen(end + 3) + 1);
}

static bool is_connect_error(CURLcode code)
{
	return code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST ||
	       code == CURLE_COULDNT_RESOLVE_PROXY || code == CURLE_PROXY;
}

static bool is_tls_error(const struct http_transfer *t, CURLcode code)
{
	switch (code) {
	case CURLE_SSL_CONNECT_ERROR:
		/* A connection that broke during the handshake says nothing about certificates. */
		return !str_starts_with(t->error, "OpenSSL SSL_connect:");
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CIPHER:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_INVALIDCERTSTATUS:
		return true;
	default:
		return false;
	}
}

static void transfer_error(struct http_transfer *t, CURLcode code)
{
	struct err *err = &t->req->err;
	enum err_class class = ERR_TRANSIENT;
	const char *reason = "Aborted";
	const char *message;

	drop_duration(t->error);
	message = t->error[0] ? t->error : curl_easy_strerror(code);
	if (t->too_large) {
		reason = "ResponseTooLarge";
		message = "the answer is larger than allowed";
	} else if (t->reader_stopped) {
		message = "the reader of the stream stopped it";
	} else if (t->source_stopped) {
		message = "the source of the body stopped it";
	} else if (is_tls_error(t, code)) {
		class = ERR_USER;
		reason = "TLSFailed";
	} else if (is_connect_error(code) || code == CURLE_SSL_CONNECT_ERROR) {
		reason = "ConnectFailed";
	} else if (code == CURLE_OPERATION_TIMEDOUT) {
		reason = t->req->sent ? "Timeout" : "ConnectFailed";
	} else if (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL) {
		class = ERR_USER;
		reason = "InvalidRequest";
	} else if (code == CURLE_SEND_FAIL_REWIND || code == CURLE_PARTIAL_FILE) {
		message = "the connection ended before the answer was complete";
	}
	err_set(err, class, reason, "%s: %s", t->host, message);
}

void http_transfer_progress(struct http_transfer *t)
{
	long status = 0, request_size = 0;

	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(t->easy, CURLINFO_REQUEST_SIZE, &request_size);
	t->req->status = (int)status;
	t->req->sent = request_size > 0;
}

void http_transfer_result(struct http_transfer *t, CURLcode code)
{
	http_transfer_progress(t);
	/* A connection that ends between two headers is a success to libcurl 7.88. */
	if (code == CURLE_OK && !t->head_complete)
		code = CURLE_PARTIAL_FILE;
	if (code != CURLE_OK && !t->enough)
		transfer_error(t, code);
}

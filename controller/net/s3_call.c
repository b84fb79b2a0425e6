/*
 * How a call is made: address, signature, further tries.
 *
 *   start -> sent -> answer -> done
 *     ^                |
 *     +-- pause -------+  no answer, 5xx; at once: another region, a clock put right
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/mem.h"
#include "base/rand.h"
#include "base/str.h"
#include "net/s3_internal.h"
#include "net/sigv4.h"
#include "net/url.h"

#define REGIONS_MAX 256
#define PAUSE_MAX_MS 20000
#define MOVES_MAX 2
#define SKEW_MS 300000 /* stores take 15 minutes */

static void call_send(struct s3_call *call);

/* --- names --- */

/* Also those that Amazon took in earlier years. */
static bool bucket_valid(const char *bucket)
{
	const size_t len = strlen(bucket);

	return len >= 3 && len <= 255 &&
	       strspn(bucket,
		       "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
		       len &&
	       *bucket != '.' && *bucket != '-' && !strstr(bucket, "..");
}

static bool region_valid(const char *region)
{
	const size_t len = strlen(region);

	return len > 0 && len <= 32 &&
	       strspn(region, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

/* May stand before the host: a label of a host name, without a dot because of certificates. */
static bool bucket_is_label(const char *bucket)
{
	return str_is_dns_label(bucket);
}

char *s3_call_name(const struct s3_call *call)
{
	auto_free char *key = str_clean_tail(call->key, strlen(call->key), 512);
	auto_free char *bucket = str_clean_tail(call->bucket, strlen(call->bucket), 255);

	return xasprintf("s3://%s%s%s", bucket, *key ? "/" : "", key);
}

/* --- the end --- */

static void call_free(struct s3_call *call)
{
	call->client->calls--;
	loop_timer_del(&call->timer);
	http_request_free(&call->http);
	for (size_t i = 0; i < call->headers.len; i++)
		explicit_bzero(call->headers.items[i], strlen(call->headers.items[i]));
	strvec_clear(&call->headers);
	strvec_clear(&call->fixed);
	buf_free(&call->query);
	buf_free(&call->body);
	free(call->bucket);
	free(call->key);
	free(call);
}

static void call_finish(struct s3_call *call)
{
	struct s3_op *op = call->op;

	op->call = NULL;
	call_free(call);
	op->done(op);
}

static void call_refused(struct loop_timer *timer)
{
	call_finish(container_of(timer, struct s3_call, timer));
}

void s3_call_refuse(struct s3_call *call)
{
	call->op->outcome = S3_FAILED;
	loop_timer_set(call->client->loop, &call->timer, 0, call_refused);
}

/* --- once more --- */

static void call_pause_over(struct loop_timer *timer)
{
	call_send(container_of(timer, struct s3_call, timer));
}

static bool worth_a_try(const struct http_request *http)
{
	if (http->err.class != ERR_NONE)
		return http->err.class == ERR_TRANSIENT &&
		       !str_eq(http->err.reason, "ResponseTooLarge");
	return http->status == 429 || http->status == 500 || http->status == 502 ||
	       http->status == 503 || http->status == 504;
}

static bool again_later(struct s3_call *call)
{
	int64_t pause = call->pause_ms + (int64_t)rand_below((uint64_t)call->pause_ms / 2 + 1);

	if (call->tries == 0 || !worth_a_try(&call->http))
		return false;
	if (call->http.retry_after_ms > pause)
		pause = call->http.retry_after_ms < PAUSE_MAX_MS ? call->http.retry_after_ms
								 : PAUSE_MAX_MS;
	call->pause_ms = call->pause_ms * 2 < PAUSE_MAX_MS ? call->pause_ms * 2 : PAUSE_MAX_MS;
	loop_timer_set(call->client->loop, &call->timer, pause, call_pause_over);
	return true;
}

static const char *call_region(const struct s3_call *call)
{
	const char *known = map_get(&call->client->regions, call->bucket);

	return known ? known : call->client->config.region;
}

/* The bucket is in another region, which the answer names. */
static bool again_elsewhere(struct s3_call *call)
{
	struct s3_client *client = call->client;
	auto_free char *told = NULL;
	const char *region = http_response_header(&call->http, "x-amz-bucket-region");

	if (call->http.status != 301 && call->http.status != 307 && call->http.status != 400 &&
		call->http.status != 403)
		return false;
	if (!region) {
		free(s3_answer_code(call, &told));
		region = told;
	}
	if (!region || !region_valid(region) || str_eq(region, call_region(call)) ||
		call->moves++ >= MOVES_MAX)
		return false;
	if (client->regions.len >= REGIONS_MAX)
		map_clear(&client->regions);
	map_set(&client->regions, call->bucket, xstrdup(region));
	return true;
}

/* The Date of an answer (RFC 9110 5.6.7) in Unix milliseconds; 0 when not told. */
static int64_t answer_date(const struct s3_call *call)
{
	const char *text = http_response_header(&call->http, "date");
	struct tm tm = {0};
	const char *end = text ? strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm) : NULL;

	return end && !*end ? (int64_t)timegm(&tm) * 1000 : 0;
}

/* Our clock is off: a HEAD is refused without saying why. */
static bool again_in_time(struct s3_call *call)
{
	struct s3_client *client = call->client;
	int64_t theirs = answer_date(call);
	int64_t skew = theirs - client->wall_ms();
	int64_t change = skew - client->skew_ms;

	if (call->http.status != 403 || !client->config.key_id || theirs <= 0 || call->clock_set ||
		(change > -SKEW_MS && change < SKEW_MS))
		return false;
	call->clock_set = true;
	client->skew_ms = skew;
	return true;
}

static void call_answered(struct http_request *http)
{
	struct s3_call *call = container_of(http, struct s3_call, http);

	if (again_later(call))
		return;
	if (http->err.class == ERR_NONE && (again_elsewhere(call) || again_in_time(call))) {
		call_send(call);
		return;
	}
	s3_answer(call);
	call_finish(call);
}

/* --- sending --- */

/* Host and path of the call, by the style of the bucket and the endpoint. */
static void call_address(const struct s3_call *call, char **ret_host, struct buf *path)
{
	const struct s3_client *client = call->client;
	const char *region = call_region(call);
	const bool in_host =
		!client->authority && !client->config.path_style && bucket_is_label(call->bucket);
	auto_free char *amazon = xasprintf(
		"s3.%s.amazonaws.com%s", region, str_starts_with(region, "cn-") ? ".cn" : "");
	const char *host = client->authority ? client->authority : amazon;

	*ret_host = in_host ? xasprintf("%s.%s", call->bucket, host) : xstrdup(host);
	buf_addc(path, '/');
	if (!in_host) {
		buf_adds(path, call->bucket);
		if (*call->key)
			buf_addc(path, '/');
	}
	url_add_encoded(path, call->key, true);
}

static void call_sign(struct s3_call *call, const char *host, const char *path)
{
	const struct s3_client *client = call->client;
	const struct sigv4_keys keys = {
		.key_id = client->config.key_id,
		.secret = client->config.secret,
		.session_token = client->config.session_token,
	};
	const struct sigv4_request request = {
		.method = call->method,
		.host = host,
		.path = path,
		.query = call->query.len ? call->query.data + 1 : "",
		.region = call_region(call),
		.service = "s3",
		.body = call->body.data,
		.body_len = call->body.len,
		.now_s = (client->wall_ms() + client->skew_ms) / 1000,
	};

	sigv4_sign(&keys, &request, &call->headers);
}

static void call_send(struct s3_call *call)
{
	struct s3_client *client = call->client;
	auto_free char *host = NULL;
	auto_buf path = BUF_INIT;
	auto_free char *url = NULL;

	call_address(call, &host, &path);
	strvec_clear(&call->headers);
	for (size_t i = 0; i < call->fixed.len; i++)
		strvec_add(&call->headers, call->fixed.items[i]);
	if (client->config.key_id)
		call_sign(call, host, buf_str(&path));
	url = xasprintf("%s://%s%s%s", client->scheme ? client->scheme : "https", host,
		buf_str(&path), buf_str(&call->query));
	call->tries--;
	call->http.method = call->method;
	call->http.url = url;
	call->http.headers = &call->headers;
	call->http.body = call->body.len ? call->body.data : NULL;
	call->http.body_len = call->body.len;
	call->http.timeout_ms = client->request_ms;
	call->http.max_response = call->max;
	call->http.keep_headers = true;
	call->http.done = call_answered;
	http_send(client->http, &call->http);
	call->http.url = NULL; /* copied */
}

struct s3_call *s3_call_new(struct s3_client *client, struct s3_op *op, enum s3_kind kind,
	const char *method, const char *bucket, const char *key)
{
	struct s3_call *call = xnew(struct s3_call);

	s3_op_free(op);
	op->client = client;
	op->call = call;
	op->size = -1;
	client->calls++;
	call->client = client;
	call->op = op;
	call->kind = kind;
	call->method = method;
	call->bucket = xstrdup(bucket);
	call->key = xstrdup(key);
	call->tries = client->tries;
	call->pause_ms = client->retry_ms;
	call->max = (size_t)64 << 10;
	return call;
}

void s3_call_start(struct s3_call *call)
{
	const bool object = call->kind != S3_LIST && call->kind != S3_DELETE_MANY;
	const size_t len = strlen(call->key);
	auto_free char *name = s3_call_name(call);

	if (!bucket_valid(call->bucket)) {
		err_set(&call->op->err, ERR_USER, "InvalidKey",
			"%s: a bucket's name has 3 to 255 letters, digits, '.', '_' or '-'", name);
	} else if (object && (len == 0 || len > S3_KEY_MAX || !str_is_utf8(call->key, len))) {
		err_set(&call->op->err, ERR_USER, "InvalidKey",
			"%s: a key is UTF-8 of 1 to %d bytes", name, S3_KEY_MAX);
	} else {
		call_send(call);
		return;
	}
	s3_call_refuse(call);
}

void s3_op_cancel(struct s3_op *op)
{
	struct s3_call *call = take_ptr(op->call);

	if (call)
		call_free(call);
}

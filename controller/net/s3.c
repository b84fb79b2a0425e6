/* Clients and the calls that they make; see s3.h. */
#include "net/s3.h"

#include <assert.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include "base/base64.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "net/s3_internal.h"
#include "net/url.h"
#include "net/xml.h"

enum {
	DEFAULT_REQUEST_MS = 30000,
	DEFAULT_TRIES = 4,
	DEFAULT_RETRY_MS = 200,
	DEFAULT_GET_MAX = 8 << 20,
	LIST_ANSWER_MAX = 16 << 20, /* 1000 keys, each byte of them escaped */
};

/* --- configuration --- */

void s3_config_release(struct s3_config *config)
{
	free(config->endpoint);
	free(config->region);
	free(config->key_id);
	mem_free_secret(config->secret);
	mem_free_secret(config->session_token);
	*config = (struct s3_config){0};
}

bool s3_parse_uri(const char *uri, char **ret_bucket, char **ret_key)
{
	const char *rest = strstr(uri, "://");
	size_t len;

	if (!rest || !(str_starts_with(uri, "s3://") || str_starts_with(uri, "s3a://") ||
			     str_starts_with(uri, "s3n://")))
		return false;
	rest += 3;
	len = strcspn(rest, "/");
	if (len == 0)
		return false;
	*ret_bucket = xstrndup(rest, len);
	*ret_key = xstrdup(rest[len] ? rest + len + 1 : "");
	return true;
}

static char *copy_or_null(const char *s)
{
	return s && *s ? xstrdup(s) : NULL;
}

static void config_copy(struct s3_config *to, const struct s3_config *from)
{
	*to = (struct s3_config){
		.endpoint = copy_or_null(from->endpoint),
		.region = xstrdup(from->region && *from->region ? from->region : "us-east-1"),
		.key_id = copy_or_null(from->key_id),
		.secret = copy_or_null(from->secret),
		.session_token = copy_or_null(from->session_token),
		.path_style = from->path_style,
	};
}

static bool header_safe(const char *s)
{
	for (; s && *s; s++) {
		if (*s <= ' ' || *s > '~')
			return false;
	}
	return true;
}

static int config_check(const struct s3_config *config, struct err *err)
{
	const size_t len = strlen(config->region);

	if (len > 32 || strspn(config->region, "abcdefghijklmnopqrstuvwxyz0123456789-") != len)
		return err_set(err, ERR_USER, "InvalidS3Config",
			"the region is not one such as eu-west-1");
	if (!config->key_id != !config->secret)
		return err_set(err, ERR_USER, "InvalidS3Config",
			config->secret ? "a secret key without its key id"
				       : "a key id without its secret key");
	if (!header_safe(config->key_id) || !header_safe(config->session_token) ||
		(config->key_id && strchr(config->key_id, '/')))
		return err_set(err, ERR_USER, "InvalidS3Config",
			"the key id or the session token has characters that cannot be");
	return 0;
}

static int client_endpoint(struct s3_client *client, struct err *err)
{
	auto_url_parts parts = {0};

	if (!client->config.endpoint)
		return 0;
	if (url_split(client->config.endpoint, &parts, err) < 0) {
		err_wrap(err, "the endpoint of the object store");
		return -1;
	}
	if (!str_eq(parts.path, "/") || *parts.query)
		return err_set(err, ERR_USER, "InvalidS3Config",
			"the endpoint of the object store: neither a path nor a query has a place "
			"in it");
	client->scheme = take_ptr(parts.scheme);
	client->authority = take_ptr(parts.authority);
	return 0;
}

int s3_client_new(struct loop *loop, const struct s3_client_options *options,
	struct s3_client **ret_client, struct err *err)
{
	const struct http_client_options http = {
		.ca_pem = options->ca_pem,
		.proxy = options->proxy,
		.max_connections = options->max_connections,
	};
	struct s3_client *client = xnew(struct s3_client);

	client->loop = loop;
	config_copy(&client->config, options->config);
	client->request_ms = options->request_ms > 0 ? options->request_ms : DEFAULT_REQUEST_MS;
	client->tries = options->tries > 0 ? options->tries : DEFAULT_TRIES;
	client->retry_ms = options->retry_ms > 0 ? options->retry_ms : DEFAULT_RETRY_MS;
	client->wall_ms = options->wall_ms ? options->wall_ms : time_wall_ms;
	client->regions.free_value = free;
	if (config_check(&client->config, err) < 0 || client_endpoint(client, err) < 0 ||
		http_client_new(loop, &http, &client->http, err) < 0) {
		if (err && !str_eq(err->reason, "InvalidS3Config"))
			err_set(err, ERR_USER, "InvalidS3Config", "%s", err_message(err));
		s3_client_free(client);
		return -1;
	}
	*ret_client = client;
	return 0;
}

void s3_client_free(struct s3_client *client)
{
	if (!client)
		return;
	assert(client->calls == 0);
	http_client_free(client->http);
	map_clear(&client->regions);
	s3_config_release(&client->config);
	free(client->scheme);
	free(client->authority);
	free(client);
}

/* --- calls --- */

void s3_head(struct s3_client *client, struct s3_op *op, const char *bucket, const char *key)
{
	s3_call_start(s3_call_new(client, op, S3_HEAD, "HEAD", bucket, key));
}

void s3_get(
	struct s3_client *client, struct s3_op *op, const char *bucket, const char *key, size_t max)
{
	struct s3_call *call = s3_call_new(client, op, S3_GET, "GET", bucket, key);

	call->max = max ? max : DEFAULT_GET_MAX;
	s3_call_start(call);
}

void s3_put(struct s3_client *client, struct s3_op *op, const char *bucket, const char *key,
	const void *body, size_t len, const struct s3_put_options *options)
{
	struct s3_call *call = s3_call_new(client, op, S3_PUT, "PUT", bucket, key);
	const char *type = options ? options->content_type : NULL;

	call->body.max = len + 1;
	if (len)
		buf_add(&call->body, body, len);
	strvec_addf(&call->fixed, "Content-Type: %s", type ? type : "application/octet-stream");
	if (options && options->create_only)
		strvec_add(&call->fixed, "If-None-Match: *");
	s3_call_start(call);
}

/* The names in the order of their bytes, as the signature wants them. */
void s3_list(struct s3_client *client, struct s3_op *op, const char *bucket,
	const struct s3_list_options *options)
{
	static const struct s3_list_options all = {0};
	struct s3_call *call = s3_call_new(client, op, S3_LIST, "GET", bucket, "");
	const struct s3_list_options *o = options ? options : &all;
	int max = o->max > 0 && o->max < S3_LIST_MAX ? o->max : S3_LIST_MAX;
	auto_free char *number = xasprintf("%d", max);

	if (o->next)
		url_add_query(&call->query, "continuation-token", o->next);
	if (o->delimiter)
		url_add_query(&call->query, "delimiter", o->delimiter);
	url_add_query(&call->query, "list-type", "2");
	url_add_query(&call->query, "max-keys", number);
	if (o->prefix)
		url_add_query(&call->query, "prefix", o->prefix);
	call->max = LIST_ANSWER_MAX;
	s3_call_start(call);
}

void s3_delete(struct s3_client *client, struct s3_op *op, const char *bucket, const char *key)
{
	s3_call_start(s3_call_new(client, op, S3_DELETE, "DELETE", bucket, key));
}

/* DeleteObjects wants it; only against broken lines, so MD5 does. */
static bool add_md5(struct s3_call *call)
{
	unsigned char md5[EVP_MAX_MD_SIZE];
	unsigned int len = 0;
	auto_free char *text = NULL;

	if (EVP_Digest(call->body.data, call->body.len, md5, &len, EVP_md5(), NULL) != 1)
		return false;
	text = base64_encode(md5, len);
	strvec_addf(&call->fixed, "Content-MD5: %s", text);
	return true;
}

/* XML 1.0 cannot write the other control characters. */
static bool xml_can_hold(const char *key)
{
	for (; *key; key++) {
		if ((unsigned char)*key < ' ' && !strchr("\t\n\r", *key))
			return false;
	}
	return true;
}

static bool delete_body(struct s3_call *call, const struct strvec *keys)
{
	struct err *err = &call->op->err;
	auto_free char *name = s3_call_name(call);

	call->body.max = LIST_ANSWER_MAX;
	buf_adds(&call->body, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>"
			      "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
			      "<Quiet>true</Quiet>");
	for (size_t i = 0; i < keys->len; i++) {
		const size_t len = strlen(keys->items[i]);

		if (len == 0 || len > S3_KEY_MAX || !str_is_utf8(keys->items[i], len) ||
			!xml_can_hold(keys->items[i])) {
			err_set(err, ERR_USER, "InvalidKey",
				"%s: key %zu of those to delete is not UTF-8 of 1 to %d bytes "
				"without control characters",
				name, i + 1, S3_KEY_MAX);
			return false;
		}
		buf_adds(&call->body, "<Object><Key>");
		xml_add(&call->body, keys->items[i]);
		buf_adds(&call->body, "</Key></Object>");
	}
	buf_adds(&call->body, "</Delete>");
	if (!add_md5(call)) {
		err_set(err, ERR_USER, "InvalidKey",
			"%s: OpenSSL has no MD5 here; delete one by one", name);
		return false;
	}
	return true;
}

void s3_delete_many(
	struct s3_client *client, struct s3_op *op, const char *bucket, const struct strvec *keys)
{
	struct s3_call *call = s3_call_new(client, op, S3_DELETE_MANY, "POST", bucket, "");

	assert(keys->len > 0 && keys->len <= S3_DELETE_MAX);
	url_add_query(&call->query, "delete", "");
	strvec_add(&call->fixed, "Content-Type: application/xml");
	call->max = LIST_ANSWER_MAX;
	if (delete_body(call, keys))
		s3_call_start(call);
	else
		s3_call_refuse(call);
}

void s3_op_free(struct s3_op *op)
{
	s3_op_cancel(op);
	for (size_t i = 0; i < op->objects_len; i++) {
		free(op->objects[i].key);
		free(op->objects[i].etag);
	}
	free(op->objects);
	op->objects = NULL;
	op->objects_len = 0;
	strvec_clear(&op->prefixes);
	strvec_clear(&op->not_deleted);
	buf_free(&op->body);
	op->body.max = 0;
	free(op->etag);
	free(op->next);
	op->etag = NULL;
	op->next = NULL;
	err_clear(&op->err);
	op->outcome = S3_OK;
}

#include "merge/store.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "loop/loop.h"
#include "merge/local.h"
#include "net/s3.h"
#include "net/s3_env.h"

#define CA_MAX ((size_t)4 << 20)

struct store {
	const char *(*get)(void *user, const char *name);
	void *user;
	struct loop *loop;
	struct s3_client *client;
	struct s3_op op;
};

struct store *store_new(const char *(*get)(void *user, const char *name), void *user)
{
	struct store *store = xnew(struct store);

	store->get = get;
	store->user = user;
	return store;
}

void store_free(struct store *store)
{
	if (!store)
		return;
	s3_op_free(&store->op);
	s3_client_free(store->client);
	loop_free(store->loop);
	free(store);
}

static bool has_scheme(const char *uri)
{
	return strstr(uri, "://") != NULL;
}

int store_check_uri(const char *uri, const char *what, struct err *err)
{
	auto_free char *bucket = NULL, *key = NULL;

	if (!*uri)
		return err_set(err, ERR_USER, "UnsupportedURI", "the %s is empty", what);
	if (!has_scheme(uri))
		return 0;
	if (!s3_parse_uri(uri, &bucket, &key))
		return err_set(err, ERR_USER, "UnsupportedURI",
			"%s %.300s: only local paths and s3:// can be merged", what, uri);
	if (!*key)
		return err_set(
			err, ERR_USER, "UnsupportedURI", "%s %.300s names no object", what, uri);
	return 0;
}

/* --- s3 --- */

static void op_done(struct s3_op *op)
{
	loop_stop(container_of(op, struct store, op)->loop);
}

/* AWS_CA_BUNDLE, as Amazon's tools read it; NULL when it is not set. */
static int read_ca(struct store *store, struct buf *ret_pem, struct err *err)
{
	const char *path = store->get(store->user, "AWS_CA_BUNDLE");

	if (!path || !*path)
		return 0;
	if (local_read(path, CA_MAX, ret_pem, err) < 0)
		return err_wrap(err, "AWS_CA_BUNDLE");
	return 0;
}

static int connect_s3(struct store *store, struct err *err)
{
	struct s3_config config = {0};
	auto_buf ca = BUF_INIT;
	struct s3_client_options options = {.config = &config};
	int r;

	if (store->client)
		return 0;
	if (read_ca(store, &ca, err) < 0)
		return -1;
	if (ca.len)
		options.ca_pem = buf_str(&ca);
	if (!store->loop && loop_new(&store->loop, err) < 0)
		return -1;
	r = s3_config_from_env(store->get, store->user, &config, err);
	if (r >= 0)
		r = s3_client_new(store->loop, &options, &store->client, err);
	s3_config_release(&config);
	store->op.done = op_done;
	return r < 0 ? -1 : 0;
}

static int finish(struct store *store, struct err *err)
{
	loop_run(store->loop);
	if (store->op.outcome == S3_OK)
		return 0;
	err_move(err, &store->op.err);
	return -1;
}

static int read_s3(
	struct store *store, const char *uri, size_t max, struct buf *ret_text, struct err *err)
{
	auto_free char *bucket = NULL, *key = NULL;

	if (connect_s3(store, err) < 0)
		return -1;
	s3_parse_uri(uri, &bucket, &key);
	s3_get(store->client, &store->op, bucket, key, max);
	if (finish(store, err) < 0)
		return -1;
	buf_add(ret_text, buf_str(&store->op.body), store->op.body.len);
	return 0;
}

static int write_s3(
	struct store *store, const char *uri, const char *text, size_t len, struct err *err)
{
	static const struct s3_put_options options = {.content_type = "application/json"};
	auto_free char *bucket = NULL, *key = NULL;

	if (connect_s3(store, err) < 0)
		return -1;
	s3_parse_uri(uri, &bucket, &key);
	s3_put(store->client, &store->op, bucket, key, text, len, &options);
	return finish(store, err);
}

/* --- either --- */

int store_read(
	struct store *store, const char *uri, size_t max, struct buf *ret_text, struct err *err)
{
	if (store_check_uri(uri, "input", err) < 0)
		return -1;
	if (has_scheme(uri))
		return read_s3(store, uri, max, ret_text, err);
	return local_read(uri, max, ret_text, err);
}

int store_write(struct store *store, const char *uri, const char *text, size_t len, struct err *err)
{
	if (store_check_uri(uri, "output", err) < 0)
		return -1;
	if (has_scheme(uri))
		return write_s3(store, uri, text, len, err);
	return local_write(uri, text, len, err);
}

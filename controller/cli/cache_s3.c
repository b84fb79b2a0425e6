/*
 * Folders of runs in an object store: one listing of all below the working directory, page by page
 * in the order of keys, so that a folder's keys come together.
 */
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "cli/cache_sweep.h"
#include "net/s3.h"
#include "net/s3_env.h"

struct sweep_s3 {
	struct s3_client *client;
	struct loop *loop; /* the session's */
	char *bucket;
	char *prefix; /* "" or "folder/" */
};

static void done(struct s3_op *op)
{
	(void)op;
}

/* Turns the loop until the op is done: its private call is gone then. */
static int finish(struct sweep *s, struct s3_op *op)
{
	while (op->call)
		loop_turn(s->volume.s3->loop, -1);
	if (op->outcome == S3_OK)
		return 0;
	return err_set(&s->err, op->err.class == ERR_NONE ? ERR_USER : op->err.class,
		op->err.reason[0] ? op->err.reason : "S3Failed", "%s", err_message(&op->err));
}

static const char *get_environment(void *user, const char *name)
{
	(void)user;
	return getenv(name);
}

int sweep_s3_open(struct sweep *s, const char *uri)
{
	struct sweep_s3 *store = xnew(struct sweep_s3);
	struct s3_config config = {0};
	struct s3_client_options options = {.config = &config};
	auto_free char *key = NULL;
	size_t len;
	int result;

	s->volume.s3 = store;
	store->loop = kube_loop(s->session->client);
	if (!s3_parse_uri(uri, &store->bucket, &key))
		return err_set(&s->err, ERR_USER, "InvalidOption",
			"--volume: \"%.200s\" is not s3://bucket/folder", uri);
	len = strlen(key);
	while (len && key[len - 1] == '/')
		key[--len] = '\0';
	store->prefix = len ? xasprintf("%s/", key) : xstrdup("");
	if (s3_config_from_env(get_environment, NULL, &config, &s->err) < 0)
		return -1;
	result = s3_client_new(store->loop, &options, &store->client, &s->err);
	s3_config_release(&config);
	return result;
}

void sweep_s3_close(struct sweep *s)
{
	struct sweep_s3 *store = s->volume.s3;

	if (!store)
		return;
	s3_client_free(store->client);
	free(store->bucket);
	free(store->prefix);
	free(store);
	s->volume.s3 = NULL;
}

/* A page of what is below `prefix`; *token is the next one's, NULL at the end. */
static int list_page(struct sweep *s, const char *prefix, char **token, struct s3_op *op)
{
	struct s3_list_options options = {.prefix = prefix, .next = *token};

	op->done = done;
	s3_list(s->volume.s3->client, op, s->volume.s3->bucket, &options);
	if (finish(s, op) < 0)
		return -1;
	free(*token);
	*token = op->next ? xstrdup(op->next) : NULL;
	return 0;
}

static int fetch_manifest(struct sweep *s, struct folder *folder, const char *key)
{
	struct s3_op op = {.done = done};
	int result;

	s3_get(s->volume.s3->client, &op, s->volume.s3->bucket, key, SWEEP_MAX_MANIFEST);
	result = finish(s, &op);
	if (result == 0 && op.body.len && memchr(op.body.data, '\0', op.body.len))
		result = err_set(&s->err, ERR_USER, "Unreadable",
			"%s is no text, so nothing there is proven to be unused", key);
	if (result == 0)
		strvec_take(&folder->manifests, buf_take(&op.body));
	s3_op_free(&op);
	return result;
}

/* "<dataset>/<folder>/<rest>" below the prefix; anything else is nobody's folder. */
static int add_object(struct sweep *s, const struct s3_object *object)
{
	const char *dataset = object->key + strlen(s->volume.s3->prefix);
	const char *name = strchr(dataset, '/'), *rest = name ? strchr(name + 1, '/') : NULL;
	struct folder *folder = s->len ? &s->folders[s->len - 1] : NULL;
	auto_free char *dataset_text = NULL, *name_text = NULL;

	if (!rest)
		return 0;
	dataset_text = xstrndup(dataset, (size_t)(name - dataset));
	name_text = xstrndup(name + 1, (size_t)(rest - name - 1));
	if (!folder || !str_eq(folder->dataset, dataset_text) || !str_eq(folder->name, name_text))
		folder = sweep_folder(s, dataset_text, name_text);
	if (!folder)
		return -1;
	folder->files++;
	folder->bytes += object->size > 0 ? (uint64_t)object->size : 0;
	/* no date is no proof of age */
	if (!object->modified_s || object->modified_s > folder->newest_s)
		folder->newest_s = object->modified_s ? object->modified_s : INT64_MAX;
	rest = strchr(rest + 1, '/');
	return str_eq(rest, "/manifest.json") ? fetch_manifest(s, folder, object->key) : 0;
}

int sweep_s3_list(struct sweep *s)
{
	auto_free char *token = NULL;
	int result = 0;

	do {
		struct s3_op op = {.done = done};

		result = list_page(s, s->volume.s3->prefix, &token, &op);
		for (size_t i = 0; result == 0 && i < op.objects_len; i++)
			result = add_object(s, &op.objects[i]);
		s3_op_free(&op);
	} while (result == 0 && token);
	return result;
}

int sweep_s3_remove(struct sweep *s, const struct folder *folder)
{
	const struct sweep_s3 *store = s->volume.s3;
	auto_free char *prefix =
		xasprintf("%s%s/%s/", store->prefix, folder->dataset, folder->name);
	auto_free char *token = NULL;
	int result;

	err_clear(&s->err);
	do {
		struct s3_op list = {.done = done}, remove = {.done = done};
		auto_strvec keys = STRVEC_INIT;

		result = list_page(s, prefix, &token, &list);
		for (size_t i = 0; result == 0 && i < list.objects_len; i++)
			strvec_add(&keys, list.objects[i].key);
		if (keys.len) {
			s3_delete_many(store->client, &remove, store->bucket, &keys);
			result = finish(s, &remove);
		}
		s3_op_free(&list);
		s3_op_free(&remove);
	} while (result == 0 && token);
	return result;
}

#include "reconcile/backend_pool.h"

#include <stdlib.h>
#include <string.h>
#include "base/digest.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/time.h"
#include "doc/canon.h"
#include "doc/json.h"
#include "kube/client.h"
#include "reconcile/credentials.h"

#define FRESH_MS 60000
#define UNUSED_MS 600000
#define TOKEN_EARLY_S 300 /* a token is renewed so long before its end */

struct backend_pool {
	struct runner_env env;
	bool ambient, local_endpoints;
	struct trace_rules *trace; /* NULL: none */
	struct map entries;        /* hash of what it is -> struct backend_entry */
};

struct backend_entry {
	struct backend_pool *pool;
	const struct runner *runner;
	char *namespace_;
	json_t *settings; /* NULL: the implicit backend */
	struct open_backend *current;
	char credentials_hash[DIGEST_HEX_SIZE];
	bool read;       /* credentials were read, or there are none */
	int64_t read_ms; /* monotonic */
	int64_t expires_s;
	bool stale, reading;
	int open; /* backends of it that are not closed */
	struct credentials credentials;
	struct loop_defer no_credentials;
	struct list waits;
	int64_t used_ms;
};

/* --- life --- */

struct backend_pool *backend_pool_new(
	const struct runner_env *env, bool ambient, bool local_endpoints, struct trace_rules *trace)
{
	struct backend_pool *pool = xnew(struct backend_pool);

	pool->env = *env;
	pool->ambient = ambient;
	pool->local_endpoints = local_endpoints;
	pool->trace = trace;
	return pool;
}

static void close_backend(struct open_backend *backend)
{
	backend->runner->close(backend->cookie);
	backend->entry->open--;
	free(backend);
}

void open_backend_unref(struct open_backend *backend)
{
	if (backend && --backend->users == 0)
		close_backend(backend);
}

static void entry_free(struct backend_entry *entry)
{
	loop_defer_del(&entry->no_credentials);
	credentials_clear(&entry->credentials);
	open_backend_unref(entry->current);
	json_decref(entry->settings);
	free(entry->namespace_);
	free(entry);
}

void backend_pool_free(struct backend_pool *pool)
{
	const char *key;
	void *entry;
	size_t pos = 0;

	if (!pool)
		return;
	while (map_next(&pool->entries, &pos, &key, &entry))
		entry_free(entry);
	map_clear(&pool->entries);
	free(pool);
}

static int64_t now_ms(const struct backend_pool *pool)
{
	return loop_now_ms(pool->env.loop);
}

/* Closes what nobody has used for long. */
static void sweep(struct backend_pool *pool)
{
	const char *key;
	void *value;
	size_t pos = 0;

	while (map_next(&pool->entries, &pos, &key, &value)) {
		struct backend_entry *entry = value;
		bool used = entry->reading || entry->open > 1 ||
			    (entry->current && entry->current->users > 1);

		if (used || now_ms(pool) - entry->used_ms < UNUSED_MS)
			continue;
		map_del(&pool->entries, key);
		entry_free(entry);
	}
}

static struct backend_entry *entry_of(struct backend_pool *pool, const struct runner *runner,
	const char *namespace_, const json_t *settings)
{
	char key[DIGEST_HEX_SIZE];
	auto_free char *text = settings ? canon_str(settings, CANON_COMPACT) : xstrdup("");
	struct backend_entry *entry;

	digest_sha256_parts(key, runner->name, namespace_, text, (char *)NULL);
	entry = map_get(&pool->entries, key);
	if (entry)
		return entry;
	entry = xnew(struct backend_entry);
	entry->pool = pool;
	entry->runner = runner;
	entry->namespace_ = xstrdup(namespace_);
	entry->settings = settings ? json_deep_copy(settings) : NULL;
	list_init(&entry->waits);
	map_set(&pool->entries, key, entry);
	return entry;
}

/* --- opening --- */

static int open_anew(struct backend_entry *entry, struct err *err)
{
	struct backend_pool *pool = entry->pool;
	struct runner_settings settings = {.spec = entry->settings,
		.credentials = entry->credentials.values,
		.ambient = pool->ambient,
		.local_endpoints = pool->local_endpoints};
	const struct runner *runner = entry->runner;
	struct open_backend *backend;
	void *cookie;
	int result = pool->trace ? trace_open(runner, pool->trace, &pool->env, &settings, &runner,
					   &cookie, err)
				 : runner->open(&pool->env, &settings, &cookie, err);

	if (result < 0)
		return -1;
	backend = xnew(struct open_backend);
	backend->runner = runner;
	backend->cookie = cookie;
	backend->entry = entry;
	backend->users = 1;
	entry->open++;
	open_backend_unref(entry->current);
	entry->current = backend;
	return 0;
}

/* With what was read: nothing to do when it is what it was. */
static int take_credentials(struct backend_entry *entry, struct err *err)
{
	const json_t *values = entry->credentials.values;
	char *text = values ? canon_str(values, CANON_COMPACT) : xstrdup("");
	char hash[DIGEST_HEX_SIZE];
	int result = 0;

	digest_sha256_hex(text, strlen(text), hash);
	mem_free_secret(text);
	if (!entry->current || strcmp(hash, entry->credentials_hash) != 0)
		result = open_anew(entry, err);
	if (result == 0)
		memcpy(entry->credentials_hash, hash, sizeof(hash));
	entry->read = result == 0;
	entry->read_ms = now_ms(entry->pool);
	entry->expires_s = entry->credentials.expires_s;
	entry->stale = false;
	return result;
}

/* Those who wait now; who asks again meanwhile waits for the next answer. */
static void answer(struct backend_entry *entry, const struct err *err)
{
	struct list waits;

	list_init(&waits);
	list_for_each (node, &entry->waits) {
		list_del(node);
		list_add_tail(&waits, node);
	}
	while (!list_empty(&waits)) {
		struct backend_wait *wait = container_of(waits.next, struct backend_wait, link);

		list_del(&wait->link);
		wait->waiting = false;
		if (err->class == ERR_NONE) {
			wait->backend = entry->current;
			wait->backend->users++;
		} else {
			err_set(&wait->err, err->class, err->reason, "%s", err_message(err));
		}
		wait->done(wait);
	}
}

static void credentials_done(struct credentials *credentials)
{
	struct backend_entry *entry = container_of(credentials, struct backend_entry, credentials);
	auto_err err = ERR_INIT;

	entry->reading = false;
	entry->used_ms = now_ms(entry->pool);
	if (credentials->err.class != ERR_NONE)
		err_move(&err, &credentials->err);
	else
		take_credentials(entry, &err);
	credentials_clear(credentials);
	answer(entry, &err);
}

static bool is_fresh(const struct backend_entry *entry)
{
	if (!entry->read || entry->stale)
		return false;
	if (entry->expires_s && time_wall_ms() / 1000 >= entry->expires_s - TOKEN_EARLY_S)
		return false;
	return !credentials_wanted(entry->settings) ||
	       now_ms(entry->pool) - entry->read_ms < FRESH_MS;
}

static void without_credentials(struct loop_defer *defer)
{
	credentials_done(&container_of(defer, struct backend_entry, no_credentials)->credentials);
}

static void read_credentials(struct backend_entry *entry)
{
	struct backend_pool *pool = entry->pool;

	entry->reading = true;
	if (credentials_wanted(entry->settings))
		credentials_read(&entry->credentials, pool->env.kube, entry->namespace_,
			entry->settings, credentials_done);
	else
		loop_defer_add(pool->env.loop, &entry->no_credentials, without_credentials);
}

struct open_backend *backend_pool_get(struct backend_pool *pool, const struct runner *runner,
	const char *namespace_, const json_t *settings, struct backend_wait *wait)
{
	struct backend_entry *entry = entry_of(pool, runner, namespace_, settings);

	entry->used_ms = now_ms(pool);
	sweep(pool);
	err_clear(&wait->err);
	wait->backend = NULL;
	if (!entry->reading && is_fresh(entry)) {
		entry->current->users++;
		return entry->current;
	}
	list_add_tail(&entry->waits, &wait->link);
	wait->waiting = true;
	if (!entry->reading)
		read_credentials(entry);
	return NULL;
}

void backend_wait_cancel(struct backend_wait *wait)
{
	if (wait->waiting)
		list_del(&wait->link);
	wait->waiting = false;
	err_clear(&wait->err);
}

void open_backend_stale(struct open_backend *backend)
{
	backend->entry->stale = true;
}

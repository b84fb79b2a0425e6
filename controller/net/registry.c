/* Questions, answers and what is remembered of them; see registry.h. */
#include "net/registry.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "net/registry_internal.h"

enum {
	DEFAULT_PER_HOST = 4,
	DEFAULT_REQUEST_MS = 10000,
	DEFAULT_TOTAL_MS = 60000,
	DEFAULT_TRIES = 3,
	DEFAULT_RETRY_MS = 500,
	DEFAULT_POSITIVE_MS = 300000,
	DEFAULT_NEGATIVE_MS = 30000,
	DEFAULT_REMEMBERED = 4096,
	DEFAULT_MANIFEST = 4 << 20,
};

/* What was found out: digest, or err. */
struct answer {
	char *key;
	char *digest;
	struct err err;
	int64_t until_ms;
	struct list link;
};

/* --- answers --- */

static void answer_free(void *value)
{
	struct answer *answer = value;

	list_del(&answer->link);
	err_clear(&answer->err);
	free(answer->digest);
	free(answer->key);
	free(answer);
}

static void err_copy(struct err *to, const struct err *from)
{
	err_set(to, from->class, from->reason, "%s", err_message(from));
	to->retry_after_ms = from->retry_after_ms;
}

static void remember(
	struct registry_client *client, const char *key, const char *digest, const struct err *err)
{
	struct answer *answer;
	int64_t life = digest ? client->options.positive_ms : client->options.negative_ms;

	/* How long it may not be asked is the host's matter, and known there. */
	if (!digest && str_eq(err->reason, "RegistryRateLimited"))
		return;
	if (client->answers.len >= client->options.max_remembered) {
		struct answer *oldest =
			container_of(client->answers_by_age.next, struct answer, link);

		map_del(&client->answers, oldest->key);
	}
	answer = xnew(struct answer);
	answer->key = xstrdup(key);
	answer->digest = digest ? xstrdup(digest) : NULL;
	if (!digest)
		err_copy(&answer->err, err);
	answer->until_ms = loop_now_ms(client->loop) + life;
	list_init(&answer->link);
	map_set(&client->answers, key, answer);
	list_add_tail(&client->answers_by_age, &answer->link);
}

static const struct answer *recall(struct registry_client *client, const char *key)
{
	const struct answer *answer = map_get(&client->answers, key);

	if (answer && answer->until_ms <= loop_now_ms(client->loop)) {
		map_del(&client->answers, key);
		return NULL;
	}
	return answer;
}

/* --- ops --- */

static void op_report(struct loop_defer *defer)
{
	struct registry_op *op = container_of(defer, struct registry_op, report);

	op->done(op);
}

static void op_found(struct registry_client *client, struct registry_op *op, const char *digest)
{
	op->job = NULL;
	op->digest = xstrdup(digest);
	op->pinned = xasprintf("%s@%s", op->written, digest);
	loop_defer_add(client->loop, &op->report, op_report);
}

static void op_failed(struct registry_client *client, struct registry_op *op, const struct err *err)
{
	op->job = NULL;
	err_copy(&op->err, err);
	loop_defer_add(client->loop, &op->report, op_report);
}

void registry_job_finished(struct registry_job *job, const char *digest, const struct err *err)
{
	struct registry_client *client = job->client;

	remember(client, job->key, digest, err);
	list_for_each (pos, &job->ops) {
		struct registry_op *op = container_of(pos, struct registry_op, link);

		list_del(&op->link);
		if (digest)
			op_found(client, op, digest);
		else
			op_failed(client, op, err);
	}
	map_steal(&client->jobs, job->key);
	registry_job_free(job);
}

static void op_clear_results(struct registry_op *op)
{
	free(op->digest);
	free(op->pinned);
	free(op->written);
	op->digest = NULL;
	op->pinned = NULL;
	op->written = NULL;
	err_clear(&op->err);
}

/* The job of this question: one that runs, or a new one. */
static void op_join(
	struct registry_client *client, struct registry_op *op, const struct image_ref *image)
{
	struct registry_job *job = registry_job_new(client, image, op->auths);
	auto_free char *key = registry_job_key(job);
	const struct answer *known = recall(client, key);
	struct registry_job *running = map_get(&client->jobs, key);

	if (known || running)
		registry_job_free(job);
	if (known && known->digest) {
		op_found(client, op, known->digest);
	} else if (known) {
		op_failed(client, op, &known->err);
	} else if (running) {
		op->job = running;
		list_add_tail(&running->ops, &op->link);
	} else {
		job->key = xstrdup(key);
		map_set(&client->jobs, key, job);
		op->job = job;
		list_add_tail(&job->ops, &op->link);
		registry_job_start(job);
	}
}

void registry_resolve(struct registry_client *client, struct registry_op *op)
{
	auto_image_ref image = {0};
	auto_err err = ERR_INIT;

	assert(!op->job && !op->report.loop);
	op_clear_results(op);
	list_init(&op->link);
	if (image_ref_parse(op->image, &image, &err) < 0) {
		op_failed(client, op, &err);
		return;
	}
	op->written = xstrdup(image.written);
	if (image.digest)
		op_found(client, op, image.digest);
	else
		op_join(client, op, &image);
}

void registry_op_cancel(struct registry_op *op)
{
	struct registry_job *job = take_ptr(op->job);

	loop_defer_del(&op->report);
	if (!job)
		return;
	list_del(&op->link);
	if (list_empty(&job->ops)) {
		map_steal(&job->client->jobs, job->key);
		registry_job_free(job);
	}
}

void registry_op_free(struct registry_op *op)
{
	registry_op_cancel(op);
	op_clear_results(op);
}

/* --- clients --- */

static char *copy_or_null(const char *s)
{
	return s ? xstrdup(s) : NULL;
}

static void mirrors_free(void *value)
{
	strvec_clear(value);
	free(value);
}

/* "[scheme://]host[:port][/path]" in its parts; < 0 when it is none. */
static int read_endpoint(const char *text, struct url_parts *ret_parts, struct err *err)
{
	auto_free char *url = strstr(text, "://") ? xstrdup(text) : xasprintf("https://%s", text);
	auto_free char *shown = str_clean_tail(text, strlen(text), 128);

	if (url_split(url, ret_parts, NULL) < 0 || *ret_parts->query)
		return err_set(err, ERR_USER, "InvalidRegistryConfig",
			"\"%s\" is not a registry: write host[:port]", shown);
	return 0;
}

static int add_mirrors(
	struct registry_client *client, const struct registry_mirror *mirror, struct err *err)
{
	struct strvec *endpoints = map_get(&client->mirrors, mirror->host);

	if (!endpoints) {
		endpoints = xnew(struct strvec);
		map_set(&client->mirrors, mirror->host, endpoints);
	}
	for (size_t i = 0; mirror->endpoints && i < mirror->endpoints->len; i++) {
		const char *text = mirror->endpoints->items[i];
		auto_url_parts parts = {0};

		if (read_endpoint(text, &parts, err) < 0)
			return -1;
		if (!registry_url_allowed(client, &parts))
			return err_set(err, ERR_USER, "InvalidRegistryConfig",
				"the mirror %s of %s is plain HTTP: it must be among the insecure "
				"registries too",
				parts.authority, mirror->host);
		strvec_add(endpoints, text);
	}
	return 0;
}

static int add_insecure(struct registry_client *client, const char *text, struct err *err)
{
	auto_url_parts parts = {0};
	bool plain = str_starts_with(text, "http://");
	const char *bare = strstr(text, "://") ? strstr(text, "://") + 3 : text;
	auto_free char *host = xstrndup(bare, strcspn(bare, "/"));
	auto_free char *key = url_lower(host);

	if (read_endpoint(text, &parts, err) < 0)
		return -1;
	if (!str_eq(parts.path, "/"))
		return err_set(err, ERR_USER, "InvalidRegistryConfig",
			"the insecure registry %s: a path has no place there", parts.authority);
	map_set(&client->insecure, key, (void *)(plain ? "plain" : "unverified"));
	return 0;
}

static void set_options(struct registry_client *client, const struct registry_client_options *given)
{
	struct registry_client_options *o = &client->options;

#define PICK(field, otherwise) .field = given->field > 0 ? given->field : (otherwise)
	*o = (struct registry_client_options){
		.ca_pem = copy_or_null(given->ca_pem),
		.proxy = copy_or_null(given->proxy),
		.user_agent = copy_or_null(given->user_agent),
		PICK(max_per_host, DEFAULT_PER_HOST),
		PICK(request_ms, DEFAULT_REQUEST_MS),
		PICK(total_ms, DEFAULT_TOTAL_MS),
		PICK(tries, DEFAULT_TRIES),
		PICK(retry_ms, DEFAULT_RETRY_MS),
		PICK(positive_ms, DEFAULT_POSITIVE_MS),
		PICK(negative_ms, DEFAULT_NEGATIVE_MS),
		PICK(max_remembered, DEFAULT_REMEMBERED),
		PICK(max_manifest, DEFAULT_MANIFEST),
	};
#undef PICK
}

int registry_client_new(struct loop *loop, const struct registry_client_options *options,
	struct registry_client **ret_client, struct err *err)
{
	struct registry_client *client = xnew(struct registry_client);
	int r = 0;

	client->loop = loop;
	set_options(client, options);
	client->mirrors.free_value = mirrors_free;
	client->answers.free_value = answer_free;
	list_init(&client->hosts);
	list_init(&client->answers_by_age);
	registry_tokens_init(&client->tokens);
	for (size_t i = 0; options->insecure_hosts && i < options->insecure_hosts->len && r == 0;
		i++)
		r = add_insecure(client, options->insecure_hosts->items[i], err);
	for (size_t i = 0; i < options->mirrors_len && r == 0; i++)
		r = add_mirrors(client, &options->mirrors[i], err);
	if (r < 0) {
		registry_client_free(client);
		return -1;
	}
	*ret_client = client;
	return 0;
}

void registry_client_forget(struct registry_client *client)
{
	map_clear(&client->answers);
	registry_tokens_clear(&client->tokens);
}

void registry_client_free(struct registry_client *client)
{
	if (!client)
		return;
	assert(client->jobs.len == 0);
	registry_client_forget(client);
	map_clear(&client->jobs);
	map_clear(&client->mirrors);
	map_clear(&client->insecure);
	registry_hosts_free(client);
	free((char *)client->options.ca_pem);
	mem_free_secret((char *)client->options.proxy);
	free((char *)client->options.user_agent);
	free(client);
}

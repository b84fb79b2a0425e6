/*
 * One call to an object store, configured by the environment (net/s3_env.h); the outcome is a line
 * of JSON on stdout.
 *
 *   tool_s3 head|get|delete BUCKET KEY         tool_s3 put|create BUCKET KEY BODY
 *   tool_s3 list BUCKET PREFIX DELIMITER MAX   tool_s3 delete-many BUCKET KEY...
 *
 * list follows the pages, of MAX entries each. TOOL_S3_CLOCK: seconds that the clock is off.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "net/s3.h"
#include "net/s3_env.h"

struct run {
	struct loop *loop;
	struct s3_client *client;
	struct s3_op op;
	bool done;
	json_t *line;
};

static const char *from_env(void *user, const char *name)
{
	(void)user;
	return getenv(name);
}

static int64_t wall_ms(void)
{
	const char *off = getenv("TOOL_S3_CLOCK");
	int64_t seconds = 0;

	return time_wall_ms() + (off && str_to_int64(off, &seconds) ? seconds * 1000 : 0);
}

static void op_done(struct s3_op *op)
{
	container_of(op, struct run, op)->done = true;
}

static void wait_done(struct run *run)
{
	static const char *const outcomes[] = {
		[S3_OK] = "ok",
		[S3_NOT_FOUND] = "not found",
		[S3_FORBIDDEN] = "forbidden",
		[S3_EXISTS] = "exists",
		[S3_FAILED] = "failed",
	};

	while (!run->done)
		loop_turn(run->loop, -1);
	run->done = false;
	json_object_set_new(run->line, "outcome", json_string(outcomes[run->op.outcome]));
	if (run->op.outcome == S3_OK)
		return;
	json_object_set_new(run->line, "reason", json_string(run->op.err.reason));
	json_object_set_new(run->line, "message", json_string(err_message(&run->op.err)));
}

static void list(struct run *run, const char *bucket, char **args)
{
	struct s3_list_options options = {
		.prefix = *args[0] ? args[0] : NULL,
		.delimiter = *args[1] ? args[1] : NULL,
	};
	json_t *keys = json_array(), *prefixes = json_array();
	auto_free char *next = NULL;
	int64_t max = 0;
	int pages = 0;

	if (str_to_int64(args[2], &max))
		options.max = (int)max;
	do {
		options.next = next;
		s3_list(run->client, &run->op, bucket, &options);
		wait_done(run);
		pages++;
		for (size_t i = 0; i < run->op.objects_len; i++)
			json_array_append_new(keys, json_pack("[s, I, b]", run->op.objects[i].key,
							    (json_int_t)run->op.objects[i].size,
							    run->op.objects[i].modified_s > 0));
		strvec_for_each (&run->op.prefixes, i)
			json_array_append_new(prefixes, json_string(run->op.prefixes.items[i]));
		free(next);
		next = take_ptr(run->op.next);
	} while (next);
	json_object_set_new(run->line, "objects", keys);
	json_object_set_new(run->line, "prefixes", prefixes);
	json_object_set_new(run->line, "pages", json_integer(pages));
}

static void delete_many(struct run *run, const char *bucket, char **keys, int n)
{
	auto_strvec list = STRVEC_INIT;

	for (int i = 0; i < n; i++)
		strvec_add(&list, keys[i]);
	s3_delete_many(run->client, &run->op, bucket, &list);
	wait_done(run);
}

/* False: no such command. */
static bool command(struct run *run, int n, char **args)
{
	const char *verb = n > 2 ? args[0] : "";
	const struct s3_put_options create = {.create_only = true};

	if (str_eq(verb, "head") && n == 3)
		s3_head(run->client, &run->op, args[1], args[2]);
	else if (str_eq(verb, "get") && n == 3)
		s3_get(run->client, &run->op, args[1], args[2], 0);
	else if (str_eq(verb, "delete") && n == 3)
		s3_delete(run->client, &run->op, args[1], args[2]);
	else if ((str_eq(verb, "put") || str_eq(verb, "create")) && n == 4)
		s3_put(run->client, &run->op, args[1], args[2], args[3], strlen(args[3]),
			str_eq(verb, "create") ? &create : NULL);
	else if (str_eq(verb, "list") && n == 5)
		return list(run, args[1], args + 2), true;
	else if (str_eq(verb, "delete-many"))
		return delete_many(run, args[1], args + 2, n - 2), true;
	else
		return false;
	wait_done(run);
	return true;
}

static void print(struct run *run)
{
	char *text;

	if (run->op.size >= 0)
		json_object_set_new(run->line, "size", json_integer(run->op.size));
	if (run->op.etag)
		json_object_set_new(run->line, "etag", json_string(run->op.etag));
	if (run->op.body.len)
		json_object_set_new(
			run->line, "body", json_stringn(run->op.body.data, run->op.body.len));
	text = json_dumps(run->line, JSON_COMPACT);
	puts(text);
	free(text);
}

int main(int argc, char **argv)
{
	struct run run = {.op = {.done = op_done}};
	struct s3_config config = {0};
	struct s3_client_options options = {.config = &config, .retry_ms = 10, .wall_ms = wall_ms};
	auto_err err = ERR_INIT;
	bool known;

	if (s3_config_from_env(from_env, NULL, &config, &err) < 0 ||
		loop_new(&run.loop, &err) < 0 ||
		s3_client_new(run.loop, &options, &run.client, &err) < 0) {
		fprintf(stderr, "tool_s3: %s\n", err_message(&err));
		loop_free(run.loop);
		s3_config_release(&config);
		return 2;
	}
	run.line = json_object();
	known = command(&run, argc - 1, argv + 1);
	if (known)
		print(&run);
	json_decref(run.line);
	s3_op_free(&run.op);
	s3_client_free(run.client);
	loop_free(run.loop);
	s3_config_release(&config);
	return known ? 0 : 2;
}

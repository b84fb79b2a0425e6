/*
 * tool_registry [OPTION VALUE]... IMAGE...: asks for the digests of all the images at once and
 * prints a line of JSON for each, in order.
 *
 *   --insecure HOST   --mirror HOST=ENDPOINT   --ca FILE   --config FILE (dockerconfigjson)
 *   --request-ms N    --total-ms N             --tries N   --retry-ms N   --max-per-host N
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "net/registry.h"

#define MIRRORS_MAX 8

struct settings {
	struct registry_client_options options;
	struct strvec insecure;
	struct registry_mirror mirrors[MIRRORS_MAX];
	struct strvec endpoints[MIRRORS_MAX];
	struct registry_auth_list auths;
	struct buf ca;
};

struct question {
	struct registry_op op;
	size_t *left;
};

static void fail(const char *what, const char *why)
{
	fprintf(stderr, "tool_registry: %s: %s\n", what, why);
	exit(2);
}

static void read_file(const char *path, struct buf *out)
{
	FILE *in = fopen(path, "r");
	char piece[4096];
	size_t n;

	if (!in)
		fail(path, "cannot be read");
	while ((n = fread(piece, 1, sizeof(piece), in)) > 0)
		buf_add(out, piece, n);
	fclose(in);
}

static void add_config(struct settings *s, const char *path)
{
	auto_buf text = BUF_INIT;
	auto_err err = ERR_INIT;

	read_file(path, &text);
	if (dockerconfig_parse(buf_str(&text), text.len, &s->auths, &err) < 0)
		fail(path, err_message(&err));
}

static void add_mirror(struct settings *s, const char *value)
{
	const char *equals = strchr(value, '=');
	size_t i = s->options.mirrors_len;

	if (!equals || i == MIRRORS_MAX)
		fail(value, "not HOST=ENDPOINT, or one too many");
	s->mirrors[i].host = xstrndup(value, (size_t)(equals - value));
	strvec_add(&s->endpoints[i], equals + 1);
	s->mirrors[i].endpoints = &s->endpoints[i];
	s->options.mirrors = s->mirrors;
	s->options.mirrors_len++;
}

static void set_number(struct settings *s, const char *name, const char *value)
{
	int64_t number;

	if (!str_to_int64(value, &number))
		fail(name, "not a number");
	if (str_eq(name, "--request-ms"))
		s->options.request_ms = number;
	else if (str_eq(name, "--total-ms"))
		s->options.total_ms = number;
	else if (str_eq(name, "--tries"))
		s->options.tries = (int)number;
	else if (str_eq(name, "--retry-ms"))
		s->options.retry_ms = number;
	else if (str_eq(name, "--max-per-host"))
		s->options.max_per_host = (int)number;
	else
		fail(name, "unknown option");
}

static void set(struct settings *s, const char *name, const char *value)
{
	if (str_eq(name, "--insecure")) {
		strvec_add(&s->insecure, value);
	} else if (str_eq(name, "--mirror")) {
		add_mirror(s, value);
	} else if (str_eq(name, "--config")) {
		add_config(s, value);
	} else if (str_eq(name, "--ca")) {
		read_file(value, &s->ca);
		s->options.ca_pem = s->ca.data;
	} else {
		set_number(s, name, value);
	}
}

static void settings_release(struct settings *s)
{
	strvec_clear(&s->insecure);
	for (size_t i = 0; i < s->options.mirrors_len; i++) {
		free((char *)s->mirrors[i].host);
		strvec_clear(&s->endpoints[i]);
	}
	registry_auth_clear(&s->auths);
	buf_free(&s->ca);
}

static void question_done(struct registry_op *op)
{
	struct question *q = container_of(op, struct question, op);

	--*q->left;
}

static void print(const struct registry_op *op)
{
	json_t *line = op->digest
			       ? json_pack("{s:s, s:s, s:s}", "image", op->image, "digest",
					 op->digest, "pinned", op->pinned)
			       : json_pack("{s:s, s:s, s:s, s:b, s:i}", "image", op->image,
					 "reason", op->err.reason, "message", err_message(&op->err),
					 "transient", op->err.class == ERR_TRANSIENT,
					 "retry_after_ms", op->err.retry_after_ms);
	char *text = json_dumps(line, JSON_COMPACT);

	puts(text);
	free(text);
	json_decref(line);
}

static void ask_all(
	struct loop *loop, struct settings *s, struct registry_client *client, int n, char **images)
{
	struct question *questions = xcalloc((size_t)n + 1, sizeof(*questions));
	size_t left = (size_t)n;

	for (int i = 0; i < n; i++) {
		questions[i] = (struct question){.left = &left,
			.op = {.image = images[i], .auths = &s->auths, .done = question_done}};
		registry_resolve(client, &questions[i].op);
	}
	while (left > 0)
		loop_turn(loop, -1);
	for (int i = 0; i < n; i++) {
		print(&questions[i].op);
		registry_op_free(&questions[i].op);
	}
	free(questions);
}

int main(int argc, char **argv)
{
	struct settings s = {0};
	struct registry_client *client;
	struct loop *loop;
	auto_err err = ERR_INIT;
	int i = 1;

	for (; i + 1 < argc && str_starts_with(argv[i], "--"); i += 2)
		set(&s, argv[i], argv[i + 1]);
	s.options.insecure_hosts = &s.insecure;
	if (loop_new(&loop, &err) < 0 || registry_client_new(loop, &s.options, &client, &err) < 0)
		fail("start", err_message(&err));
	ask_all(loop, &s, client, argc - i, argv + i);
	registry_client_free(client);
	loop_free(loop);
	settings_release(&s);
	return 0;
}

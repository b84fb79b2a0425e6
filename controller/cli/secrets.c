#include "cli/secrets.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/base64.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/vec.h"
#include "doc/json.h"
#include "doc/path.h"
#include "reconcile/credentials.h"

#define SECRET_MAX ((size_t)1 << 20) /* bytes of one, as of a Secret */

void cli_secrets_wipe(json_t *secrets)
{
	credentials_wipe(secrets);
}

/* The whole file; -1 with errno. */
static int read_file(const char *path, struct buf *out)
{
	FILE *file = fopen(path, "re");
	char piece[4096];
	size_t n;
	int failed;

	if (!file)
		return -1;
	while ((n = fread(piece, 1, sizeof(piece), file)) > 0)
		buf_add(out, piece, n);
	failed = ferror(file) || out->overflow;
	explicit_bzero(piece, sizeof(piece));
	fclose(file);
	return failed ? -1 : 0;
}

/* --- where a value comes from --- */

/* Of --secret NAME/KEY=SOURCE; NULL: not given. Borrowed. */
static const char *source_of(const struct cli_args *args, const char *key)
{
	const struct strvec *given = cli_list(args, "secret");
	const char *found = NULL;
	size_t len = strlen(key);

	strvec_for_each (given, i) {
		if (strncmp(given->items[i], key, len) == 0 && given->items[i][len] == '=')
			found = given->items[i] + len + 1;
	}
	return found;
}

/* A text without its last line end; NULL where it has a NUL or is no UTF-8. */
static json_t *text_of(const struct buf *value)
{
	size_t len = value->len;

	while (len && (value->data[len - 1] == '\n' || value->data[len - 1] == '\r'))
		len--;
	return memchr(buf_str(value), '\0', len) ? NULL : json_stringn(buf_str(value), len);
}

json_t *cli_read_text(const char *path)
{
	struct buf text = BUF_INIT_MAX(SECRET_MAX);
	json_t *value = read_file(path, &text) == 0 ? text_of(&text) : NULL;

	if (text.data)
		explicit_bzero(text.data, text.len);
	buf_free(&text);
	return value;
}

static json_t *from_source(struct cli *cli, const char *key, const char *source)
{
	json_t *value = NULL;
	const char *variable;

	if (str_starts_with(source, "env:")) {
		variable = getenv(source + strlen("env:"));
		value = variable ? json_string(variable) : NULL;
		if (!value)
			cli_fail(cli, CLI_USAGE, "--secret %s: there is no variable %s", key,
				source + strlen("env:"));
	} else if (str_starts_with(source, "file:")) {
		value = cli_read_text(source + strlen("file:"));
		if (!value)
			cli_fail(cli, CLI_USAGE, "--secret %s: %s cannot be read as text", key,
				source + strlen("file:"));
	} else {
		cli_fail(cli, CLI_USAGE,
			"--secret %s: write env:VARIABLE or file:PATH, so that no value stands on "
			"a "
			"command line",
			key);
	}
	return value;
}

/* Of a v1 Secret among the files; NULL: there is none. New reference. */
static json_t *from_files(
	const struct workspace *ws, const char *namespace_, const char *name, const char *key)
{
	for (size_t i = 0; i < ws->objects_len; i++) {
		const struct object *object = &ws->objects[i];
		const json_t *plain =
			json_object_get(json_object_get(object->json, "stringData"), key);
		const json_t *data = json_object_get(json_object_get(object->json, "data"), key);
		char *decoded;
		size_t len;
		json_t *value;

		if (!str_eq(object->kind_name, "Secret") || !str_eq(object->name, name) ||
			(object->namespace_ && !str_eq(object->namespace_, namespace_)))
			continue;
		if (json_is_string(plain))
			return json_incref((json_t *)plain);
		decoded =
			json_is_string(data) ? base64_decode(json_string_value(data), &len) : NULL;
		value = decoded ? json_stringn(decoded, len) : NULL;
		mem_free_secret(decoded);
		if (value)
			return value;
	}
	return NULL;
}

/* *ret_value: a new reference. */
static int find(struct cli *cli, const struct cli_args *args, const struct workspace *ws,
	const char *namespace_, const char *name, const char *key, json_t **ret_value)
{
	auto_free char *both = xasprintf("%s/%s", name, key);
	const char *source = source_of(args, both);

	*ret_value =
		source ? from_source(cli, both, source) : from_files(ws, namespace_, name, key);
	if (*ret_value)
		return CLI_OK;
	if (source)
		return CLI_USAGE;
	return cli_fail(cli, CLI_FINDINGS,
		"secret %s is not known: give --secret %s=env:VARIABLE or file:PATH, or the Secret "
		"among the files",
		both, both);
}

static int take(struct cli *cli, const struct cli_args *args, const struct workspace *ws,
	const struct frozen_spec *spec, const json_t *argument, json_t *secrets)
{
	const char *name = doc_str_or(argument, "secretKeyRef.name", "");
	const char *key = doc_str_or(argument, "secretKeyRef.key", "");
	auto_free char *both = xasprintf("%s/%s", name, key);
	json_t *value;
	int code;

	if (json_object_get(secrets, both))
		return CLI_OK;
	code = find(cli, args, ws, spec->namespace_, name, key, &value);
	if (code == CLI_OK)
		json_object_set_new(secrets, both, value);
	return code;
}

/* --- of a FondantBackend --- */

struct walk {
	struct cli *cli;
	const struct cli_args *args;
	const struct workspace *ws;
	const char *namespace_;
	json_t *credentials;
};

/* Of {secretRef: {name}}: the files of TLS, or the keys of Amazon. */
static int take_files(struct walk *walk, const char *name, const char *path)
{
	static const char *const tls[] = {"ca.crt", "tls.crt", "tls.key", NULL};
	static const char *const aws[] = {
		"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", NULL};
	const char *const *keys = str_ends_with(path, "accessKey") ? aws : tls;
	json_t *all = json_object(), *value;

	for (size_t i = 0; keys[i]; i++) {
		auto_free char *both = xasprintf("%s/%s", name, keys[i]);

		if (source_of(walk->args, both))
			value = from_source(walk->cli, both, source_of(walk->args, both));
		else
			value = from_files(walk->ws, walk->namespace_, name, keys[i]);
		if (value)
			json_object_set_new(all, keys[i], value);
	}
	json_object_set_new(walk->credentials, path, all);
	if (json_object_size(all))
		return CLI_OK;
	return cli_fail(walk->cli, CLI_FINDINGS,
		"secret %s is not known: give --secret %s/%s=file:PATH, and so on, or the "
		"Secret among the files",
		name, name, keys[0]);
}

static int walk_settings(struct walk *walk, const json_t *settings, const char *path)
{
	const json_t *key = json_object_get(settings, "secretKeyRef");
	const json_t *whole = json_object_get(settings, "secretRef");
	const char *name;
	json_t *child, *value;
	int code = CLI_OK;

	if (key) {
		code = find(walk->cli, walk->args, walk->ws, walk->namespace_,
			doc_str_or(key, "name", ""), doc_str_or(key, "key", ""), &value);
		if (code == CLI_OK)
			json_object_set_new(walk->credentials, path, value);
		return code;
	}
	if (whole)
		return take_files(walk, doc_str_or(whole, "name", ""), path);
	json_object_foreach ((json_t *)settings, name, child) {
		auto_free char *below = *path ? xasprintf("%s.%s", path, name) : xstrdup(name);

		if (str_eq(name, "serviceAccountToken") || str_eq(name, "webIdentity"))
			return cli_fail(walk->cli, CLI_FINDINGS,
				"only the operator has a token of a service account of its cluster "
				"(%s): leave auth out for the credentials of the environment, or "
				"give a "
				"Secret",
				below);
		code = json_is_object(child) ? walk_settings(walk, child, below) : CLI_OK;
		if (code != CLI_OK)
			return code;
	}
	return CLI_OK;
}

int cli_credentials(struct cli *cli, const struct cli_args *args, struct workspace *ws,
	const char *namespace_, const json_t *settings, json_t **ret_credentials)
{
	struct walk walk = {.cli = cli,
		.args = args,
		.ws = ws,
		.namespace_ = namespace_,
		.credentials = json_object()};

	*ret_credentials = walk.credentials;
	return settings ? walk_settings(&walk, settings, "") : CLI_OK;
}

int cli_secrets(struct cli *cli, const struct cli_args *args, struct workspace *ws,
	const struct frozen_spec *spec, json_t **ret_secrets)
{
	json_t *argument;
	const char *name;
	int code = CLI_OK;

	*ret_secrets = json_object();
	for (int i = 0; i < spec->steps_len && code == CLI_OK; i++) {
		json_object_foreach ((json_t *)spec->steps[i].secret_arguments, name, argument) {
			code = take(cli, args, ws, spec, argument, *ret_secrets);
			if (code != CLI_OK)
				break;
		}
	}
	return code;
}

/* --- images --- */

void cli_pull_auths(struct cli *cli, struct registry_auth_list *ret_auths)
{
	const char *folder = getenv("DOCKER_CONFIG"), *home = getenv("HOME");
	auto_free char *path = folder ? xasprintf("%s/config.json", folder)
			       : home ? xasprintf("%s/.docker/config.json", home)
				      : NULL;
	struct buf text = BUF_INIT_MAX(DOCKERCONFIG_MAX);
	auto_err err = ERR_INIT;

	if (path && read_file(path, &text) < 0 && errno != ENOENT)
		fprintf(cli->err, "warning: %s: %s\n", path, strerror(errno));
	else if (text.len && dockerconfig_parse(buf_str(&text), text.len, ret_auths, &err) < 0)
		fprintf(cli->err, "warning: %s: %s\n", path, err_message(&err));
	if (text.data)
		explicit_bzero(text.data, text.len);
	buf_free(&text);
}

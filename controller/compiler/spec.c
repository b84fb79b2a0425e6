#include "compiler/spec.h"

#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "compiler/native.h"
#include "compiler/refs.h"
#include "doc/canon.h"
#include "doc/json.h"

/* Far more than the compiler lets through. */
#define SPEC_MAX_STEPS 5000

#define RETRY_INITIAL_S 10
#define RETRY_MAX_S 300
#define RETRY_FACTOR 2.0

struct reader {
	struct frozen_spec *spec;
	struct map by_name; /* name -> index + 1 */
	struct err *err;
};

static int lost(struct reader *r, const char *what)
{
	return err_set(r->err, ERR_USER, "SpecLost", "not a frozen spec: %s", what);
}

static int read_string(struct reader *r, const json_t *object, const char *key, const char **ret)
{
	*ret = json_string_value(json_object_get(object, key));
	if (*ret && **ret)
		return 0;
	return err_set(r->err, ERR_USER, "SpecLost", "not a frozen spec: `%s` is missing", key);
}

/* Leaves *ret alone when it is not there. */
static int read_duration(struct reader *r, const json_t *object, const char *key, int64_t *ret)
{
	const json_t *value = json_object_get(object, key);

	if (!value)
		return 0;
	if (!json_is_string(value) || !time_parse_duration(json_string_value(value), ret))
		return err_set(
			r->err, ERR_USER, "SpecLost", "not a frozen spec: `%s` is wrong", key);
	return 0;
}

static int read_flag(
	struct reader *r, const json_t *object, const char *key, bool fallback, bool *ret)
{
	const json_t *value = json_object_get(object, key);

	if (value && !json_is_boolean(value))
		return lost(r, "a flag is not a boolean");
	*ret = value ? json_is_true(value) : fallback;
	return 0;
}

/* Known keys only: what this program does not know it would silently not do. */
static int check_keys(struct reader *r, const json_t *object, const char *const *known)
{
	const char *key;
	json_t *value;

	if (!json_is_object(object))
		return lost(r, "a map is missing");
	json_object_foreach ((json_t *)object, key, value) {
		size_t i = 0;

		while (known[i] && strcmp(known[i], key) != 0)
			i++;
		if (!known[i])
			return err_set(r->err, ERR_USER, "SpecLost",
				"this frozen spec needs another release of the operator: it has "
				"`%.80s`",
				key);
	}
	return 0;
}

/* Names of earlier steps, added to list unless they are there. */
static int read_names(struct reader *r, const json_t *step, const char *key, int *list, int *len)
{
	const json_t *names = json_object_get(step, key);
	json_t *item;
	size_t i;

	if (!json_is_array(names))
		return lost(r, "a step lacks its `from` or `dependsOn`");
	json_array_foreach (names, i, item) {
		const char *name = json_string_value(item);
		int index = name ? (int)(intptr_t)map_get(&r->by_name, name) - 1 : -1;
		int j = 0;

		if (index < 0)
			return lost(r, "a step waits for one that does not stand before it");
		while (j < *len && list[j] != index)
			j++;
		if (j == *len)
			list[(*len)++] = index;
	}
	return 0;
}

static int read_edges(struct reader *r, struct spec_step *s)
{
	size_t from = json_array_size(json_object_get(s->json, "from"));
	size_t after = json_array_size(json_object_get(s->json, "dependsOn"));

	s->from = xcalloc(from + 1, sizeof(*s->from));
	s->needs = xcalloc(from + after + 1, sizeof(*s->needs));
	if (read_names(r, s->json, "from", s->from, &s->from_len) < 0 ||
		read_names(r, s->json, "from", s->needs, &s->needs_len) < 0)
		return -1;
	return read_names(r, s->json, "dependsOn", s->needs, &s->needs_len);
}

static int read_cache(struct reader *r, struct spec_step *s)
{
	const json_t *cache = json_object_get(s->json, "cache");
	const char *policy;

	if (read_string(r, cache, "policy", &policy) < 0)
		return -1;
	if (strcmp(policy, "Use") == 0)
		s->cache = CACHE_USE;
	else if (strcmp(policy, "Refresh") == 0)
		s->cache = CACHE_REFRESH;
	else if (strcmp(policy, "Never") == 0)
		s->cache = CACHE_NEVER;
	else
		return lost(r, "an unknown cache policy");
	return read_duration(r, cache, "maxAge", &s->cache_max_age_s);
}

static int read_retry_on(struct reader *r, const json_t *on, struct spec_retry *retry)
{
	json_t *item;
	size_t i;

	retry->on_error = retry->on_oom = retry->on_timeout = !on;
	json_array_foreach (on, i, item) {
		const char *word = json_string_value(item);

		if (str_eq(word, "Error"))
			retry->on_error = true;
		else if (str_eq(word, "OOMKilled"))
			retry->on_oom = true;
		else if (str_eq(word, "Timeout"))
			retry->on_timeout = true;
		else
			return lost(r, "an unknown reason in `retry.on`");
	}
	return 0;
}

static int read_retry(struct reader *r, struct spec_step *s)
{
	const json_t *retry = json_object_get(s->json, "retry");
	const json_t *backoff = json_object_get(retry, "backoff");
	const json_t *limit = json_object_get(retry, "limit");
	const json_t *factor = json_object_get(backoff, "factor");

	s->retry = (struct spec_retry){
		.initial_s = RETRY_INITIAL_S, .max_s = RETRY_MAX_S, .factor = RETRY_FACTOR};
	if (limit && (!json_is_integer(limit) || json_integer_value(limit) < 0 ||
			     json_integer_value(limit) > 100))
		return lost(r, "`retry.limit` is wrong");
	if (factor && (!json_is_number(factor) || json_number_value(factor) < 1 ||
			      json_number_value(factor) > 100))
		return lost(r, "`retry.backoff.factor` is wrong");
	s->retry.limit = (int)json_integer_value(limit);
	if (factor)
		s->retry.factor = json_number_value(factor);
	if (read_duration(r, backoff, "initial", &s->retry.initial_s) < 0 ||
		read_duration(r, backoff, "max", &s->retry.max_s) < 0)
		return -1;
	return read_retry_on(r, json_object_get(retry, "on"), &s->retry);
}

static int check_trees(struct reader *r, const struct spec_step *s)
{
	static const char *const maps[] = {
		"component", "arguments", "consumes", "produces", "operation", "schema"};
	const json_t *operation = json_object_get(s->json, "operation");

	for (size_t i = 0; i < array_size(maps); i++) {
		if (!json_is_object(json_object_get(s->json, maps[i])))
			return lost(r, "a step lacks one of its maps");
	}
	if (!json_is_object(json_object_get(operation, "consumes")) ||
		!json_is_object(json_object_get(operation, "produces")))
		return lost(r, "a step lacks its operation");
	return 0;
}

static bool is_key(const char *key)
{
	return strlen(key) == 64 && strspn(key, "0123456789abcdef") == 64;
}

/* The cache key, or what becomes one when the run starts. */
static int read_key(struct reader *r, struct spec_step *s)
{
	const json_t *whole = json_object_get(s->json, "cacheKey");
	const json_t *template = json_object_get(s->json, "cacheKeyTemplate");

	if (!whole == !template)
		return lost(r, "a step lacks its cache key");
	s->cache_key = json_string_value(whole);
	s->cache_key_template = json_string_value(template);
	if (!is_key(s->cache_key            ? s->cache_key
		    : s->cache_key_template ? s->cache_key_template
					    : ""))
		return lost(r, "a cache key is not 64 hexadecimal digits");
	return 0;
}

static int read_secret_arguments(struct reader *r, struct spec_step *s)
{
	const json_t *secrets = json_object_get(s->json, "secretArguments");
	const char *name, *text;
	json_t *secret;

	if (secrets && !json_is_object(secrets))
		return lost(r, "`secretArguments` is wrong");
	json_object_foreach ((json_t *)secrets, name, secret) {
		const json_t *ref = json_object_get(secret, "secretKeyRef");

		if (read_string(r, ref, "name", &text) < 0 || read_string(r, ref, "key", &text) < 0)
			return -1;
	}
	s->secret_arguments = json_object_size(secrets) ? secrets : NULL;
	return 0;
}

static int read_python(struct reader *r, struct spec_step *s)
{
	const json_t *requirements;
	const char *source;
	json_t *item;
	size_t i;

	s->python = json_object_get(s->json, "python");
	if (!s->python)
		return 0;
	requirements = json_object_get(s->python, "requirements");
	if (requirements && !json_is_array(requirements))
		return lost(r, "`requirements` is wrong");
	json_array_foreach (requirements, i, item) {
		if (!json_is_string(item))
			return lost(r, "`requirements` is wrong");
	}
	return read_string(r, s->python, "source", &source);
}

static int read_accelerator(struct reader *r, const struct spec_step *s)
{
	const json_t *accelerator = json_object_get(s->json, "accelerator");
	const json_t *count = json_object_get(accelerator, "count");
	const char *type;

	if (!accelerator)
		return 0;
	if (count && (!json_is_integer(count) || json_integer_value(count) < 1))
		return lost(r, "`accelerator.count` is wrong");
	return read_string(r, accelerator, "type", &type);
}

/* Leaves *ret NULL when it is not there. */
static int read_optional(struct reader *r, const json_t *object, const char *key, const char **ret)
{
	return json_object_get(object, key) ? read_string(r, object, key, ret) : 0;
}

/* What only some steps have. */
static int read_extras(struct reader *r, struct spec_step *s)
{
	const char *instance_type;

	if (read_optional(r, s->json, "fromManifest", &s->from_manifest) < 0 ||
		read_optional(r, s->json, "instanceType", &instance_type) < 0 ||
		read_secret_arguments(r, s) < 0 || read_python(r, s) < 0)
		return -1;
	return read_accelerator(r, s);
}

static int read_step(struct reader *r, struct spec_step *s, json_t *json, int index)
{
	static const char *const known[] = {"name", "image", "imageTag", "component", "arguments",
		"consumes", "produces", "from", "dependsOn", "operation", "schema", "cache",
		"cacheKey", "cacheKeyTemplate", "cacheable", "loader", "sink", "resources", "retry",
		"timeout", "pendingTimeout", "env", "podTemplate", "inputPartitionRows",
		"instanceType", "accelerator", "fromManifest", "secretArguments", "python", NULL};

	s->json = json;
	if (check_keys(r, json, known) < 0 || read_string(r, json, "name", &s->name) < 0 ||
		read_string(r, json, "image", &s->image) < 0)
		return -1;
	if (!str_is_dns_label(s->name) || map_has(&r->by_name, s->name))
		return lost(r, "a step's name is wrong or taken");
	if (read_key(r, s) < 0 || read_extras(r, s) < 0 || read_edges(r, s) < 0 ||
		check_trees(r, s) < 0 || read_cache(r, s) < 0 || read_retry(r, s) < 0 ||
		read_flag(r, json, "cacheable", true, &s->cacheable) < 0 ||
		read_flag(r, json, "loader", false, &s->loader) < 0 ||
		read_flag(r, json, "sink", false, &s->sink) < 0 ||
		read_duration(r, json, "timeout", &s->timeout_s) < 0 ||
		read_duration(r, json, "pendingTimeout", &s->pending_timeout_s) < 0)
		return -1;
	map_set(&r->by_name, s->name, (void *)(intptr_t)(index + 1));
	return 0;
}

static int read_steps(struct reader *r)
{
	const json_t *steps = json_object_get(r->spec->json, "steps");
	size_t n = json_array_size(steps);

	if (!n == !r->spec->native || n > SPEC_MAX_STEPS)
		return lost(r, "it has no steps");
	r->spec->steps = xcalloc(n, sizeof(*r->spec->steps));
	for (size_t i = 0; i < n; i++) {
		r->spec->steps_len = (int)i + 1;
		if (read_step(r, &r->spec->steps[i], json_array_get(steps, i), (int)i) < 0)
			return -1;
	}
	return 0;
}

static int read_settings(struct reader *r)
{
	struct frozen_spec *spec = r->spec;
	const json_t *policy = json_object_get(spec->json, "failurePolicy");
	const json_t *parallel = json_object_get(spec->json, "maxParallelSteps");

	spec->fail_fast = !policy || str_eq(json_string_value(policy), "FailFast");
	if (!spec->fail_fast && !str_eq(json_string_value(policy), "FinishBranches"))
		return lost(r, "an unknown failure policy");
	if (parallel && (!json_is_integer(parallel) || json_integer_value(parallel) < 1 ||
				json_integer_value(parallel) > SPEC_MAX_STEPS))
		return lost(r, "`maxParallelSteps` is wrong");
	spec->max_parallel = (int)json_integer_value(parallel);
	return read_duration(r, spec->json, "timeout", &spec->timeout_s);
}

/* Where data lies, or the document that says it. */
static int read_place(struct reader *r)
{
	struct frozen_spec *spec = r->spec;
	const char *format, *backend;

	spec->native = json_object_get(spec->json, "native");
	if (!spec->native)
		return read_string(r, spec->json, "datasetName", &spec->dataset_name) < 0
			       ? -1
			       : read_string(r, spec->json, "workingDirectory",
					 &spec->working_directory);
	if (read_string(r, spec->native, "format", &format) < 0 ||
		read_string(r, spec->json, "backend", &backend) < 0)
		return -1;
	/* one that runs steps would find none, and call that a success */
	if (!native_fits(format, backend))
		return lost(r, "its backend takes no native document of that format");
	spec->dataset_name = spec->working_directory = "";
	if (!json_object_size(json_object_get(spec->native, "document")) &&
		!json_array_size(json_object_get(spec->native, "document")))
		return lost(r, "its native document is missing");
	return 0;
}

static int read_top(struct reader *r)
{
	static const char *const known[] = {"apiVersion", "kind", "pipeline", "namespace",
		"datasetName", "workingDirectory", "backend", "parameters", "compiler", "steps",
		"failurePolicy", "maxParallelSteps", "timeout", "serviceAccountName", "podTemplate",
		"native", NULL};
	struct frozen_spec *spec = r->spec;
	const json_t *json = spec->json;
	const char *version, *kind;

	if (check_keys(r, json, known) < 0 || read_string(r, json, "apiVersion", &version) < 0 ||
		read_string(r, json, "kind", &kind) < 0 ||
		read_string(r, json, "pipeline", &spec->pipeline) < 0 ||
		read_string(r, json, "namespace", &spec->namespace_) < 0 || read_place(r) < 0 ||
		read_string(r, json, "backend", &spec->backend) < 0 ||
		read_string(r, json, "compiler", &spec->compiler) < 0)
		return -1;
	if (!json_is_object(json_object_get(json, "parameters")))
		return lost(r, "`parameters` is missing");
	if (strcmp(version, "fondant.ai/v1alpha1") != 0 || strcmp(kind, "FrozenSpec") != 0)
		return lost(r, "apiVersion and kind are not those of a FrozenSpec");
	return read_settings(r);
}

int frozen_spec_parse(const char *text, size_t len, struct frozen_spec **ret_spec, struct err *err)
{
	struct frozen_spec *spec = xnew(struct frozen_spec);
	struct reader r = {.spec = spec, .err = err};
	auto_err why = ERR_INIT;
	int rc;

	if (doc_json_parse(text, len, &spec->json, &why) < 0)
		rc = lost(&r, err_message(&why));
	else
		rc = read_top(&r);
	if (rc == 0)
		rc = read_steps(&r);
	map_clear(&r.by_name);
	if (rc < 0) {
		frozen_spec_free(spec);
		return -1;
	}
	*ret_spec = spec;
	return 0;
}

const char *frozen_spec_hash(const struct frozen_spec *spec, char out[DIGEST_HEX_SIZE])
{
	auto_free char *text = canon_str(spec->json, CANON_COMPACT);

	return digest_sha256_hex(text, strlen(text), out);
}

void frozen_spec_free(struct frozen_spec *spec)
{
	if (!spec)
		return;
	for (int i = 0; i < spec->steps_len; i++) {
		free(spec->steps[i].bound_key);
		free(spec->steps[i].from);
		free(spec->steps[i].needs);
	}
	free(spec->steps);
	free(spec->run_name);
	json_decref(spec->json);
	free(spec);
}

static void add_part(struct buf *out, const char *key, const char *value)
{
	buf_adds(out, key);
	buf_addc(out, '=');
	buf_adds(out, value);
	buf_addc(out, '\n'); /* in none of them */
}

/* The template, what of the run the step uses, and the keys of what it reads: lines of one text. */
static void bind_key(const struct frozen_spec *spec, struct spec_step *s)
{
	const struct refs_run run = {.name = spec->run_name, .scheduled_s = spec->scheduled_s};
	const char *const places[] = {"arguments", "env", "fromManifest"};
	auto_buf text = BUF_INIT;

	add_part(&text, "template", s->cache_key_template);
	for (size_t i = 0; refs_run_names[i]; i++) {
		auto_free char *value = refs_run_value(&run, refs_run_names[i]);
		bool used = false;

		for (size_t j = 0; j < array_size(places); j++)
			used = used || refs_uses_run(json_object_get(s->json, places[j]),
					       refs_run_names[i]);
		if (used)
			add_part(&text, refs_run_names[i], value);
	}
	for (int i = 0; i < s->from_len; i++)
		add_part(&text, "input", spec->steps[s->from[i]].cache_key);
	free(s->bound_key);
	s->bound_key = xmalloc(DIGEST_HEX_SIZE);
	s->cache_key = digest_sha256_hex(buf_str(&text), text.len, s->bound_key);
}

void frozen_spec_bind(struct frozen_spec *spec, const char *run_name, int64_t scheduled_s)
{
	char *name = xstrdup(run_name); /* it may be our own */

	free(spec->run_name);
	spec->run_name = name;
	spec->scheduled_s = scheduled_s;
	/* In topological order: what a step reads is bound before it. */
	for (int i = 0; i < spec->steps_len; i++) {
		if (spec->steps[i].cache_key_template)
			bind_key(spec, &spec->steps[i]);
	}
}

const char *frozen_spec_missing_parameter(const struct frozen_spec *spec)
{
	const char *name, *first = NULL;
	json_t *value;

	json_object_foreach (json_object_get(spec->json, "parameters"), name, value) {
		if (json_is_null(value) && (!first || strcmp(name, first) < 0))
			first = name;
	}
	return first;
}

int frozen_spec_step(const struct frozen_spec *spec, const char *name)
{
	for (int i = 0; i < spec->steps_len; i++) {
		if (strcmp(spec->steps[i].name, name) == 0)
			return i;
	}
	return -1;
}

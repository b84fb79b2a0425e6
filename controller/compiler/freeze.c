#include "compiler/freeze.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/vec.h"
#include "compiler/args.h"
#include "compiler/argv.h"
#include "compiler/cachekey.h"
#include "compiler/settings.h"
#include "doc/canon.h"

/* Where measuring a text that is too large stops. */
#define MEASURE_MAX (16 * COMPILE_MAX_TEXT)

/* Linux's MAX_ARG_STRLEN, the NUL included: 32 pages. */
#define TOKEN_MAX ((size_t)128 << 10)
/* By how much escapes and blanks can lengthen what the executor is told. */
#define TOKEN_GROWTH 4

static void set_string(json_t *object, const char *key, const char *value)
{
	json_object_set_new_nocheck(object, key, json_string_nocheck(value));
}

/* The user's value as it stands, nulls dropped; nothing when it is not set. */
static void copy_setting(json_t *to, const json_t *from, const char *key)
{
	const json_t *value = check_get(from, key);

	if (value)
		json_object_set_new_nocheck(to, key, check_strip_nulls(value));
}

/* No digest, and no tag or `latest`: what it is may change from one pull to the next. */
static bool image_moves(const char *image)
{
	const char *slash = strrchr(image, '/'), *colon;

	if (strchr(image, '@'))
		return false;
	colon = strchr(slash ? slash : image, ':');
	return !colon || strcmp(colon, ":latest") == 0;
}

static json_t *names_of(const struct compiler *m, const int *list, int len)
{
	json_t *out = json_array();

	for (int i = 0; i < len; i++)
		json_array_append_new(out, json_string_nocheck(m->steps[list[i]].name));
	return out;
}

static json_t *sorted_names(const struct compiler *m, const int *list, int len)
{
	auto_strvec names = STRVEC_INIT;
	json_t *out = json_array();

	for (int i = 0; i < len; i++)
		strvec_add(&names, m->steps[list[i]].name);
	strvec_sort(&names);
	strvec_for_each (&names, i)
		json_array_append_new(out, json_string_nocheck(names.items[i]));
	return out;
}

/* The map as the user gave it, nulls dropped. */
static json_t *user_map(const struct compiler *m, const json_t *step, const char *which)
{
	const json_t *mapping = check_get(step, which);

	return mapping ? check_strip_nulls(mapping) : json_incref(m->empty);
}

static json_t *operation(const struct step_model *s)
{
	json_t *out = json_object(), *fields;

	json_object_set_nocheck(out, "consumes", s->op_consumes);
	json_object_set_nocheck(out, "produces", s->op_produces);
	if (s->declare_in || s->declare_out) {
		fields = json_object();
		if (s->declare_in)
			json_object_set_nocheck(fields, "consumes", s->declare_in);
		if (s->declare_out)
			json_object_set_nocheck(fields, "produces", s->declare_out);
		json_object_set_new_nocheck(out, "fields", fields);
	}
	return out;
}

static json_t *cache_of(const json_t *step)
{
	const json_t *cache = check_get(step, "cache");
	const char *policy = json_string_value(check_get(cache, "policy"));
	json_t *out = json_object();

	set_string(out, "policy", policy ? policy : "Use");
	copy_setting(out, cache, "maxAge");
	return out;
}

/* `retry` with its list of reasons under the one name. */
static void copy_retry(json_t *out, const json_t *step)
{
	json_t *retry, *on;

	copy_setting(out, step, "retry");
	retry = json_object_get(out, "retry");
	on = json_object_get(retry, SETTINGS_RETRY_ON_11);
	if (!on)
		return;
	retry = json_copy(retry);
	json_object_set(retry, "on", on);
	json_object_del(retry, SETTINGS_RETRY_ON_11);
	json_object_set_new(out, "retry", retry);
}

static json_t *freeze_step(const struct compiler *m, const struct step_model *s)
{
	static const char *const settings[] = {"resources", "timeout", "pendingTimeout", "env",
		"podTemplate", "inputPartitionRows", "instanceType"};
	json_t *image = json_object_get(s->component->normal, "image");
	json_t *out = json_object();

	set_string(out, "name", s->name);
	json_object_set_nocheck(out, "image", image);
	json_object_set_nocheck(out, "imageTag", image);
	json_object_set_nocheck(out, "component", s->component->normal);
	json_object_set_new_nocheck(
		out, "arguments", args_normalize(json_object_get(s->json, "arguments")));
	json_object_set_new_nocheck(out, "consumes", user_map(m, s->json, "consumes"));
	json_object_set_new_nocheck(out, "produces", user_map(m, s->json, "produces"));
	json_object_set_new_nocheck(out, "from", names_of(m, s->from, s->from_len));
	json_object_set_new_nocheck(out, "dependsOn", sorted_names(m, s->after, s->after_len));
	json_object_set_new_nocheck(out, "operation", operation(s));
	json_object_set_nocheck(out, "schema", s->schema);
	json_object_set_new_nocheck(out, "cache", cache_of(s->json));
	set_string(out, "cacheKey", s->key);
	if (image_moves(json_string_value(image)))
		json_object_set_new_nocheck(out, "cacheable", json_false());
	if (s->component->loader)
		json_object_set_new_nocheck(out, "loader", json_true());
	if (!s->read)
		json_object_set_new_nocheck(out, "sink", json_true());
	for (size_t i = 0; i < array_size(settings); i++)
		copy_setting(out, s->json, settings[i]);
	copy_retry(out, s->json);
	return out;
}

static json_t *freeze_tree(const struct compiler *m)
{
	static const char *const settings[] = {"failurePolicy", "maxParallelSteps", "timeout",
		"serviceAccountName", "podTemplate"};
	json_t *out = json_object(), *steps = json_array();

	set_string(out, "apiVersion", "fondant.ai/v1alpha1");
	set_string(out, "kind", "FrozenSpec");
	set_string(out, "pipeline", m->in->pipeline);
	set_string(out, "namespace", m->in->namespace_);
	set_string(out, "datasetName", m->dataset_name);
	set_string(out, "workingDirectory", m->working_directory);
	set_string(out, "backend", m->c.backend);
	json_object_set_new_nocheck(out, "parameters", json_object());
	set_string(
		out, "compiler", m->in->compiler_format ? m->in->compiler_format : COMPILER_FORMAT);
	for (size_t i = 0; i < array_size(settings); i++)
		copy_setting(out, m->in->spec, settings[i]);
	for (int i = 0; i < m->order_len; i++)
		json_array_append_new(steps, freeze_step(m, &m->steps[m->order[i]]));
	json_object_set_new_nocheck(out, "steps", steps);
	return out;
}

/* The largest member found so far, and what may still be spent on looking. */
struct largest {
	size_t size, left;
	char where[WHERE_SIZE];
};

static void measure(struct largest *l, struct where *w, const char *key, const json_t *value)
{
	auto_buf text = BUF_INIT_MAX(l->left + 1);
	size_t mark = where_key(w, key);

	canon_dump(value, CANON_COMPACT, &text);
	if (text.len > l->size) {
		l->size = text.len;
		memcpy(l->where, w->text, w->len + 1);
	}
	l->left -= text.len < l->left ? text.len : l->left;
	where_back(w, mark);
}

static void find_largest(const struct compiler *m, const json_t *frozen, struct largest *l)
{
	const json_t *steps = json_object_get(frozen, "steps"), *step;
	const char *key;
	json_t *value;
	struct where w;

	where_init(&w, "spec");
	if (json_object_get(frozen, "podTemplate"))
		measure(l, &w, "podTemplate", json_object_get(frozen, "podTemplate"));
	for (int i = 0; i < m->order_len && l->left; i++) {
		where_init(&w, "spec.steps");
		where_index(&w, (size_t)m->order[i]);
		step = json_array_get(steps, (size_t)i);
		json_object_foreach ((json_t *)step, key, value)
			measure(l, &w, key, value);
	}
}

static void too_large(struct compiler *m, const json_t *frozen, const struct buf *text)
{
	struct largest l = {.left = MEASURE_MAX, .where = "spec"};

	find_largest(m, frozen, &l);
	diag_add(m->c.diags, l.where, "SpecTooLarge",
		"the frozen spec would have %s%zu KiB, and %zu are the most that can be kept; this "
		"part is the largest of it, with %zu KiB: make it smaller, or split the pipeline",
		text->overflow ? "more than " : "", text->len >> 10, COMPILE_MAX_TEXT >> 10,
		l.size >> 10);
}

static void check_tokens(
	struct compiler *m, const struct frozen_spec *spec, const struct step_model *s)
{
	const struct spec_step *step = &spec->steps[frozen_spec_step(spec, s->name)];
	auto_strvec command = STRVEC_INIT, args = STRVEC_INIT;

	argv_build(spec, step, "run", 1, NULL, &command, &args);
	strvec_for_each (&args, i) {
		const char *flag = i && args.items[i][0] != '-' ? args.items[i - 1] : args.items[i];

		if (strlen(args.items[i]) < TOKEN_MAX)
			continue;
		model_at_step(m, s);
		check_error(&m->c, "ArgumentTooLong",
			"the container would get %zu KiB in %.80s, and %zu are the most that Linux "
			"passes in one argument: shorten it, or pass the path of a file",
			strlen(args.items[i]) >> 10, flag, TOKEN_MAX >> 10);
	}
}

/* Few steps come near the limit; only those are looked at. */
static void check_arguments(struct compiler *m, const struct buf *text)
{
	struct frozen_spec *spec = NULL;

	for (int i = 0; i < m->order_len; i++) {
		const struct step_model *s = &m->steps[m->order[i]];

		if (s->size < TOKEN_MAX / TOKEN_GROWTH)
			continue;
		if (!spec && frozen_spec_parse(buf_str(text), text->len, &spec, NULL) < 0)
			abort(); /* it is our own */
		check_tokens(m, spec, s);
	}
	frozen_spec_free(spec);
}

void freeze(struct compiler *m, struct compile_output *output)
{
	struct buf text = BUF_INIT_MAX(MEASURE_MAX);
	size_t hashed = 0;
	json_t *frozen;

	for (int i = 0; i < m->order_len && hashed < MEASURE_MAX; i++)
		hashed += cachekey_compute(m, &m->steps[m->order[i]]);
	frozen = freeze_tree(m);
	canon_dump(frozen, CANON_COMPACT, &text);
	if (text.len > COMPILE_MAX_TEXT || hashed >= MEASURE_MAX)
		too_large(m, frozen, &text);
	else
		check_arguments(m, &text);
	if (diag_errors(m->c.diags)) {
		json_decref(frozen);
		buf_free(&text);
		return;
	}
	output->frozen = frozen;
	output->text_len = text.len;
	output->text = buf_take(&text);
	digest_sha256_hex(output->text, output->text_len, output->hash);
}

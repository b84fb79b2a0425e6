#include "compiler/freeze.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/vec.h"
#include "compiler/argv.h"
#include "compiler/cachekey.h"
#include "compiler/settings.h"
#include "doc/canon.h"
#include "doc/json.h"

/* Where writing a text that is too large stops, as a multiple of what may be kept. */
#define MEASURE_TIMES 16

/* Linux's MAX_ARG_STRLEN, the NUL included: 32 pages. */
#define TOKEN_MAX ((size_t)128 << 10)
/* By how much escapes and blanks can lengthen what the executor is told. */
#define TOKEN_GROWTH 4

size_t compile_max_text(const struct compile_input *in)
{
	return in->max_text ? in->max_text : COMPILE_MAX_TEXT;
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

/* --- canonical JSON, a member at a time: keys must come in byte order --- */

struct writer {
	struct buf text;
	size_t largest; /* bytes of the largest setting so far */
	const char *largest_key;
	int largest_step; /* -1: of the pipeline */
	int step;         /* being written; -1: the pipeline itself */
	size_t began;     /* where the current member's value begins */
	const char *key;
	struct buf scratch; /* what is hashed for a cache key */
	size_t hashed;      /* bytes of that, of all steps */
};

static void begin(struct writer *w, const char *key)
{
	if (w->text.len && w->text.data[w->text.len - 1] != '{')
		buf_addc(&w->text, ',');
	buf_addc(&w->text, '"');
	buf_adds(&w->text, key);
	buf_add(&w->text, "\":", 2);
	w->began = w->text.len;
	w->key = key;
}

/* The step's members, the pod template of all and the native document are what a user can make
 * smaller. */
static void end(struct writer *w)
{
	size_t size = w->text.len - w->began;

	bool common = strcmp(w->key, "podTemplate") == 0 || strcmp(w->key, "native") == 0;

	if (size <= w->largest || (w->step < 0 && !common))
		return;
	w->largest = size;
	w->largest_key = w->key;
	w->largest_step = w->step;
}

static void add_string(struct buf *b, const char *value)
{
	canon_add_string(value, strlen(value), b);
}

static void put_string(struct writer *w, const char *key, const char *value)
{
	if (!value)
		return;
	begin(w, key);
	add_string(&w->text, value);
	end(w);
}

static void put_flag(struct writer *w, const char *key, bool value)
{
	begin(w, key);
	buf_adds(&w->text, value ? "true" : "false");
	end(w);
}

static void put_json(struct writer *w, const char *key, const json_t *value)
{
	if (!value)
		return;
	begin(w, key);
	canon_dump(value, CANON_COMPACT, &w->text);
	end(w);
}

/* Canonical JSON already. */
static void put_text(struct writer *w, const char *key, const char *text, size_t len)
{
	begin(w, key);
	buf_add(&w->text, text, len);
	end(w);
}

/* The user's value as it stands, nulls dropped; nothing when it is not set. */
static void put_setting(struct writer *w, const char *key, const json_t *value)
{
	auto_json *plain = value ? check_strip_nulls(value) : NULL;

	put_json(w, key, plain);
}

/* The map as the user gave it, nulls dropped; {} when it is not set. */
static void put_map(struct writer *w, const char *key, const json_t *value)
{
	if (value) {
		put_setting(w, key, value);
		return;
	}
	begin(w, key);
	buf_add(&w->text, "{}", 2);
}

static void put_dataset(struct writer *w, const char *key, const struct dataset *dataset)
{
	begin(w, key);
	dataset_dump(dataset, &w->text);
	end(w);
}

/* --- a step --- */

static void put_from(struct writer *w, const struct compiler *m, const struct step_model *s)
{
	begin(w, "from");
	buf_addc(&w->text, '[');
	for (int i = 0; i < s->from_len; i++) {
		if (i)
			buf_addc(&w->text, ',');
		add_string(&w->text, m->steps[s->from[i]].name);
	}
	buf_addc(&w->text, ']');
	end(w);
}

static void put_depends(struct writer *w, const struct compiler *m, const struct step_model *s)
{
	auto_strvec names = STRVEC_INIT;

	for (int i = 0; i < s->after_len; i++)
		strvec_add(&names, m->steps[s->after[i]].name);
	strvec_sort(&names);
	begin(w, "dependsOn");
	buf_addc(&w->text, '[');
	strvec_for_each (&names, i) {
		if (i)
			buf_addc(&w->text, ',');
		add_string(&w->text, names.items[i]);
	}
	buf_addc(&w->text, ']');
	end(w);
}

static void put_operation(struct writer *w, const struct step_model *s)
{
	begin(w, "operation");
	buf_addc(&w->text, '{');
	buf_adds(&w->text, "\"consumes\":");
	if (s->reads_all)
		dataset_dump(s->input, &w->text);
	else
		canon_dump(s->op_consumes, CANON_COMPACT, &w->text);
	if (s->declare_in || s->declare_out) {
		buf_adds(&w->text, ",\"fields\":{");
		if (s->declare_in) {
			buf_adds(&w->text, "\"consumes\":");
			canon_dump(s->declare_in, CANON_COMPACT, &w->text);
		}
		if (s->declare_out) {
			buf_adds(&w->text, s->declare_in ? ",\"produces\":" : "\"produces\":");
			canon_dump(s->declare_out, CANON_COMPACT, &w->text);
		}
		buf_addc(&w->text, '}');
	}
	buf_adds(&w->text, ",\"produces\":");
	canon_dump(s->op_produces, CANON_COMPACT, &w->text);
	buf_addc(&w->text, '}');
	end(w);
}

static void put_cache(struct writer *w, const json_t *cache)
{
	const json_t *age = check_get(cache, "maxAge");
	const char *policy = json_string_value(check_get(cache, "policy"));

	begin(w, "cache");
	buf_addc(&w->text, '{');
	if (age) {
		buf_adds(&w->text, "\"maxAge\":");
		canon_dump(age, CANON_COMPACT, &w->text);
		buf_addc(&w->text, ',');
	}
	buf_adds(&w->text, "\"policy\":");
	add_string(&w->text, policy ? policy : "Use");
	buf_addc(&w->text, '}');
	end(w);
}

/* `retry` with its list of reasons under the one name. */
static void put_retry(struct writer *w, const json_t *value)
{
	auto_json *plain = value ? check_strip_nulls(value) : NULL;
	json_t *on = json_object_get(plain, SETTINGS_RETRY_ON_11);
	auto_json *copy = on ? json_copy(plain) : NULL;

	if (copy) {
		json_object_set_nocheck(copy, "on", on);
		json_object_del(copy, SETTINGS_RETRY_ON_11);
	}
	put_json(w, "retry", copy ? copy : plain);
}

static void put_step(struct writer *w, const struct compiler *m, struct step_model *s)
{
	w->step = s->index;
	buf_addc(&w->text, '{');
	put_setting(w, "accelerator", s->given[STEP_ACCELERATOR]);
	put_json(w, "arguments", s->arguments ? s->arguments : m->empty);
	/* Here, where the step's trees are at hand, and the text of its arguments is. */
	w->hashed += cachekey_compute(
		m, s, w->text.data + w->began, w->text.len - w->began, &w->scratch);
	put_cache(w, s->given[STEP_CACHE]);
	put_string(w, s->key_waits ? "cacheKeyTemplate" : "cacheKey", s->key);
	if (image_moves(s->image))
		put_flag(w, "cacheable", false);
	put_text(w, "component", s->component->text, s->component->text_len);
	put_map(w, "consumes", s->given[STEP_CONSUMES]);
	put_depends(w, m, s);
	put_json(w, "env", s->env);
	put_from(w, m, s);
	put_string(w, "fromManifest", s->from_manifest);
	put_string(w, "image", s->image);
	put_json(w, "imageTag", json_object_get(s->component->normal, "image"));
	put_setting(w, "inputPartitionRows", s->given[STEP_INPUT_PARTITION_ROWS]);
	put_setting(w, "instanceType", s->given[STEP_INSTANCE_TYPE]);
	if (s->component->loader)
		put_flag(w, "loader", true);
	put_string(w, "name", s->name);
	put_operation(w, s);
	put_setting(w, "pendingTimeout", s->given[STEP_PENDING_TIMEOUT]);
	put_setting(w, "podTemplate", s->given[STEP_POD_TEMPLATE]);
	put_map(w, "produces", s->given[STEP_PRODUCES]);
	put_json(w, "python", s->python);
	put_setting(w, "resources", s->given[STEP_RESOURCES]);
	put_retry(w, s->given[STEP_RETRY]);
	put_dataset(w, "schema", s->schema);
	put_json(w, "secretArguments", s->secret_arguments);
	if (!s->read)
		put_flag(w, "sink", true);
	put_setting(w, "timeout", s->given[STEP_TIMEOUT]);
	buf_addc(&w->text, '}');
	w->step = -1;
}

static void put_spec(struct writer *w, const struct compiler *m)
{
	const json_t *spec = m->in->spec;
	const char *format = m->in->compiler_format;

	buf_addc(&w->text, '{');
	put_string(w, "apiVersion", "fondant.ai/v1alpha1");
	put_string(w, "backend", m->c.backend);
	put_string(w, "compiler", format ? format : COMPILER_FORMAT);
	if (!m->native)
		put_string(w, "datasetName", m->dataset_name);
	put_setting(w, "failurePolicy", check_get(spec, "failurePolicy"));
	put_string(w, "kind", "FrozenSpec");
	put_setting(w, "maxParallelSteps", check_get(spec, "maxParallelSteps"));
	put_string(w, "namespace", m->in->namespace_);
	put_json(w, "native", m->native);
	put_json(w, "parameters", m->parameters ? m->parameters : m->empty);
	put_string(w, "pipeline", m->in->pipeline);
	put_setting(w, "podTemplate", check_get(spec, "podTemplate"));
	put_setting(w, "serviceAccountName", check_get(spec, "serviceAccountName"));
	begin(w, "steps");
	buf_addc(&w->text, '[');
	for (int i = 0; i < m->order_len && !w->text.overflow && w->hashed < w->text.max; i++) {
		struct step_model *s = &m->steps[m->order[i]];

		if (i)
			buf_addc(&w->text, ',');
		put_step(w, m, s);
	}
	buf_addc(&w->text, ']');
	put_setting(w, "timeout", check_get(spec, "timeout"));
	put_string(w, "workingDirectory", m->working_directory);
	buf_addc(&w->text, '}');
}

/* --- limits --- */

static void too_large(struct compiler *m, const struct writer *w)
{
	where_init(&m->c.w, "spec");
	if (w->largest_key && w->largest_step >= 0)
		model_at_step(m, &m->steps[w->largest_step]);
	if (w->largest_key)
		where_key(&m->c.w, w->largest_key);
	diag_add(m->c.diags, m->c.w.text, "SpecTooLarge",
		"the frozen spec would have %s%zu KiB, and %zu are the most that can be kept; this "
		"part is the largest of it, with %zu KiB: make it smaller, or split the pipeline",
		w->text.overflow ? "more than " : "", w->text.len >> 10,
		compile_max_text(m->in) >> 10, w->largest >> 10);
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
		if (!spec->run_name)
			frozen_spec_bind(spec, m->in->pipeline, 0);
		check_tokens(m, spec, s);
	}
	frozen_spec_free(spec);
}

static json_t *tree_of(const struct buf *text)
{
	json_t *tree = json_loadb(buf_str(text), text->len, 0, NULL);

	if (!tree)
		abort(); /* it is our own */
	return tree;
}

void freeze(struct compiler *m, struct compile_output *output)
{
	size_t max = compile_max_text(m->in);
	struct writer w = {.text = BUF_INIT_MAX(max * MEASURE_TIMES), .step = -1};

	put_spec(&w, m);
	buf_free(&w.scratch);
	if (w.text.len > max || w.text.overflow || w.hashed >= w.text.max)
		too_large(m, &w);
	else
		check_arguments(m, &w.text);
	if (diag_errors(m->c.diags)) {
		buf_free(&w.text);
		return;
	}
	if (!m->in->text_only)
		output->frozen = tree_of(&w.text);
	output->text_len = w.text.len;
	output->text = buf_take(&w.text);
	digest_sha256_hex(output->text, output->text_len, output->hash);
}

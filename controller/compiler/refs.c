#include "compiler/refs.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "base/vec.h"
#include "doc/canon.h"

#define PARAMETERS "parameters."
#define RUN "run."
/* Bytes of a name that are shown. */
#define SHOWN 80

const char *const refs_run_names[] = {"name", "scheduledDate", "scheduledTime", NULL};

struct parameter {
	const char *type;
	json_t *value; /* its own $( doubled; NULL: not known yet; owned */
	char *text;    /* the value inside text; owned */
	size_t len;
};

/* --- the pieces of a string --- */

enum piece_kind {
	PIECE_TEXT,
	PIECE_ESCAPE, /* $$( */
	PIECE_NAME,   /* $(name) */
};

struct piece {
	enum piece_kind kind;
	const char *text; /* what it stands for, or the name; not terminated */
	size_t len;
};

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* [A-Za-z_][A-Za-z0-9_.-]* */
static size_t name_length(const char *s)
{
	size_t n = 0;

	if (!is_letter(*s))
		return 0;
	while (is_letter(s[n]) || (s[n] >= '0' && s[n] <= '9') || s[n] == '.' || s[n] == '-')
		n++;
	return n;
}

static bool next_piece(const char **at, struct piece *p)
{
	const char *s = *at;
	size_t n;

	if (!*s)
		return false;
	if (str_starts_with(s, "$$(")) {
		*p = (struct piece){.kind = PIECE_ESCAPE, .text = "$(", .len = 2};
		*at = s + 3;
		return true;
	}
	n = s[0] == '$' && s[1] == '(' ? name_length(s + 2) : 0;
	if (n && s[2 + n] == ')') {
		*p = (struct piece){.kind = PIECE_NAME, .text = s + 2, .len = n};
		*at = s + 3 + n;
		return true;
	}
	n = *s == '$' ? 1 : strcspn(s, "$");
	*p = (struct piece){.kind = PIECE_TEXT, .text = s, .len = n};
	*at = s + n;
	return true;
}

/* The rest of the name after the prefix, owned; NULL when it does not begin with it. */
static char *name_below(const struct piece *p, const char *prefix)
{
	size_t n = strlen(prefix);

	if (p->kind != PIECE_NAME || p->len < n || strncmp(p->text, prefix, n) != 0)
		return NULL;
	return xstrndup(p->text + n, p->len - n);
}

/* The one name that the whole string is. */
static bool is_alone(const char *text, struct piece *p)
{
	return next_piece(&text, p) && p->kind == PIECE_NAME && !*text;
}

static bool is_run_name(const char *name)
{
	for (size_t i = 0; name && refs_run_names[i]; i++) {
		if (strcmp(refs_run_names[i], name) == 0)
			return true;
	}
	return false;
}

static bool has_dollar(const json_t *value)
{
	return json_is_string(value) && strchr(json_string_value(value), '$');
}

/* --- trees --- */

typedef json_t *change_fn(const json_t *string, void *arg);

/* The tree with every string that has a `$` changed; new reference. */
static json_t *change_tree(const json_t *value, change_fn *change, void *arg)
{
	const char *key;
	json_t *item, *out;
	size_t i;

	if (has_dollar(value))
		return change(value, arg);
	if (json_is_object(value)) {
		out = json_object();
		json_object_foreach ((json_t *)value, key, item)
			json_object_set_new_nocheck(out, key, change_tree(item, change, arg));
		return out;
	}
	if (json_is_array(value)) {
		out = json_array();
		json_array_foreach (value, i, item)
			json_array_append_new(out, change_tree(item, change, arg));
		return out;
	}
	return json_incref((json_t *)value);
}

/* --- parameters --- */

/* Text of which nothing is a reference: a `(` that would make one gets its `$` doubled. */
static void add_literal(struct buf *out, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '(' && out->len && out->data[out->len - 1] == '$')
			buf_addc(out, '$');
		buf_addc(out, text[i]);
	}
}

static json_t *escape_string(const json_t *string, void *arg)
{
	auto_buf out = BUF_INIT;

	(void)arg;
	add_literal(&out, json_string_value(string), json_string_length(string));
	return json_stringn_nocheck(buf_str(&out), out.len);
}

static char *text_of(const json_t *value)
{
	char real[CANON_REAL_SIZE];

	if (json_is_string(value))
		return xstrdup(json_string_value(value));
	if (json_is_real(value))
		return xstrdup(canon_real(json_real_value(value), real));
	return canon_str(value, CANON_COMPACT);
}

static void parameter_free(void *arg)
{
	struct parameter *p = arg;

	json_decref(p->value);
	free(p->text);
	free(p);
}

void refs_init(struct refs *r, size_t max_inserted)
{
	*r = (struct refs){.parameters = {.free_value = parameter_free}, .left = max_inserted};
}

void refs_clear(struct refs *r)
{
	map_clear(&r->parameters);
}

void refs_add_parameter(struct refs *r, const char *name, const char *type, const json_t *value)
{
	struct parameter *p = xnew(struct parameter);

	p->type = type;
	if (value && !json_is_null(value)) {
		p->value = refs_any(value) ? change_tree(value, escape_string, NULL)
					   : json_incref((json_t *)value);
		p->text = text_of(value);
		p->len = strlen(p->text);
	}
	map_set(&r->parameters, name, p);
}

static struct parameter *find_parameter(const struct refs *r, const struct piece *p)
{
	auto_free char *name = name_below(p, PARAMETERS);

	return name ? map_get(&r->parameters, name) : NULL;
}

const char *refs_type(const struct refs *r, const json_t *written)
{
	const struct parameter *parameter;
	struct piece p;
	auto_free char *run = NULL;

	if (!has_dollar(written) || !is_alone(json_string_value(written), &p))
		return NULL;
	run = name_below(&p, RUN);
	if (is_run_name(run))
		return "str";
	parameter = find_parameter(r, &p);
	return parameter ? parameter->type : NULL;
}

/* The nearest of all names there are, as check_hint_word says it. */
static const char *hint_name(
	const struct refs *r, struct check *c, const char *name, char out[CHECK_HINT_SIZE])
{
	auto_strvec names = STRVEC_INIT;
	const char *parameter;
	size_t pos = 0;
	void *value;

	*out = '\0';
	if (c->diags->len >= DIAG_MAX || c->hints <= 0)
		return out; /* nobody would see it */
	for (size_t i = 0; refs_run_names[i]; i++)
		strvec_addf(&names, RUN "%s", refs_run_names[i]);
	while (map_next(&r->parameters, &pos, &parameter, &value))
		strvec_addf(&names, PARAMETERS "%s", parameter);
	return check_hint_word(c, (const char *const *)names.items, name, out);
}

static void unknown_name(const struct refs *r, struct check *c, const struct piece *p)
{
	int shown = (int)(p->len > SHOWN ? SHOWN : p->len);
	auto_free char *name = xstrndup(p->text, p->len);
	auto_free char *parameter = name_below(p, PARAMETERS);
	char near[CHECK_HINT_SIZE];
	const char *hint = hint_name(r, c, name, near);

	if (parameter && !*parameter)
		hint = "";
	if (parameter)
		check_error(c, "UnknownReference", "the pipeline has no parameter `%.80s`%s",
			parameter, *hint ? hint : "; declare it in spec.parameters");
	else if (str_starts_with(name, RUN))
		check_error(c, "UnknownReference",
			"there is no $(%.*s); of a run there are name, scheduledDate and "
			"scheduledTime%s",
			shown, name, hint);
	else
		check_error(c, "UnknownReference",
			"there is nothing called `%.*s`; write $$(%.*s) for the text itself%s",
			shown, name, shown, name, hint);
}

/* False when a name is unknown; one finding a string is enough. */
static bool check_names(struct refs *r, struct check *c, const char *text, bool *ret_inserts)
{
	struct piece p;

	while (next_piece(&text, &p)) {
		const struct parameter *parameter = find_parameter(r, &p);
		auto_free char *run = name_below(&p, RUN);

		if (p.kind != PIECE_NAME)
			continue;
		if (!parameter && !is_run_name(run)) {
			unknown_name(r, c, &p);
			return false;
		}
		r->uses_run = r->uses_run || run;
		*ret_inserts = *ret_inserts || (parameter && parameter->value);
	}
	return true;
}

/* False when the frozen spec could not hold what is inserted, which is said once. */
static bool may_insert(struct refs *r, struct check *c, size_t len)
{
	if (len <= r->left && !r->full) {
		r->left -= len;
		return true;
	}
	if (!r->full)
		check_error(c, "SpecTooLarge",
			"with what parameters insert up to here the frozen spec is too large to be "
			"kept: make them shorter, or use them less often");
	r->full = true;
	return false;
}

/* A reference that stays. After a `$` it would be read as the escape. */
static bool add_reference(struct check *c, struct buf *out, const struct piece *p)
{
	if (out->len && out->data[out->len - 1] == '$') {
		check_error(c, "InvalidReference",
			"what a parameter inserts before $(%.*s) ends in `$`, which would make "
			"$$(%.*s), the text itself; put something between them",
			(int)(p->len > SHOWN ? SHOWN : p->len), p->text,
			(int)(p->len > SHOWN ? SHOWN : p->len), p->text);
		return false;
	}
	buf_adds(out, "$(");
	buf_add(out, p->text, p->len);
	buf_addc(out, ')');
	return true;
}

static json_t *insert_parameters(struct refs *r, struct check *c, const json_t *value)
{
	const char *text = json_string_value(value);
	auto_buf out = BUF_INIT;
	struct piece p;

	while (next_piece(&text, &p)) {
		const struct parameter *parameter = find_parameter(r, &p);

		if (parameter && parameter->value) {
			if (!may_insert(r, c, parameter->len))
				return json_incref((json_t *)value);
			add_literal(&out, parameter->text, parameter->len);
		} else if (p.kind != PIECE_NAME) {
			add_literal(&out, p.text, p.len);
		} else if (!add_reference(c, &out, &p)) {
			return json_incref((json_t *)value);
		}
	}
	return json_stringn_nocheck(buf_str(&out), out.len);
}

/* The text begins with what looks like a reference and is none: `$( name )`, `$(name`, `${name}`.
 * Returns its length, 0: it does not. */
static size_t unfinished(const char *s, struct piece *ret_name)
{
	bool brace = s[0] == '$' && s[1] == '{';
	const char *name = s + 2, *end;
	auto_free char *parameter = NULL, *run = NULL;
	size_t n;

	if (!brace && !(s[0] == '$' && s[1] == '('))
		return 0;
	name += strspn(name, " \t");
	n = name_length(name);
	end = name + n + strspn(name + n, " \t");
	*ret_name = (struct piece){.kind = PIECE_NAME, .text = name, .len = n};
	parameter = name_below(ret_name, PARAMETERS);
	run = name_below(ret_name, RUN);
	if (!(parameter && *parameter) && !is_run_name(run))
		return 0;
	if (brace ? *end != '}' : end == name + n && *end == ')' && name == s + 2)
		return 0;
	return (size_t)(end - s) + (*end == (brace ? '}' : ')'));
}

/* One finding a string is enough. */
static void warn_unfinished(struct check *c, const char *text)
{
	struct piece p, name;
	const char *at = text;

	for (; next_piece(&text, &p); at = text) {
		size_t len = p.kind == PIECE_TEXT ? unfinished(at, &name) : 0;
		int shown = (int)(len > SHOWN ? SHOWN : len);
		int name_shown = (int)(name.len > SHOWN ? SHOWN : name.len);

		if (!len)
			continue;
		diag_add_warning(c->diags, c->w.text, "UnfinishedReference",
			"`%.*s` is no reference and stays as it is; write $(%.*s) for the value%s",
			shown, at, name_shown, name.text,
			at[1] == '(' ? ", or $$( instead of $( to mean the text" : "");
		return;
	}
}

static json_t *substitute_string(struct refs *r, struct check *c, const json_t *value, bool text)
{
	const char *written = json_string_value(value);
	bool inserts = false;
	struct piece p;

	warn_unfinished(c, written);
	if (!check_names(r, c, written, &inserts) || !inserts)
		return json_incref((json_t *)value);
	if (!text && is_alone(written, &p)) {
		const struct parameter *parameter = find_parameter(r, &p);

		return json_incref(
			may_insert(r, c, parameter->len) ? parameter->value : (json_t *)value);
	}
	return insert_parameters(r, c, value);
}

static void forbid_text(struct check *c, const char *text, bool foreign, const char *what);

static json_t *substitute(struct refs *r, struct check *c, const json_t *value, bool text)
{
	const char *key;
	json_t *item, *out;
	size_t i;

	if (has_dollar(value))
		return substitute_string(r, c, value, text);
	if (json_is_object(value)) {
		out = json_object();
		json_object_foreach ((json_t *)value, key, item) {
			size_t mark = where_key(&c->w, key);

			forbid_text(c, key, true, "the key of a map");
			json_object_set_new_nocheck(out, key, substitute(r, c, item, text));
			where_back(&c->w, mark);
		}
		return out;
	}
	if (json_is_array(value)) {
		out = json_array();
		json_array_foreach (value, i, item) {
			size_t mark = where_index(&c->w, i);

			json_array_append_new(out, substitute(r, c, item, text));
			where_back(&c->w, mark);
		}
		return out;
	}
	return json_incref((json_t *)value);
}

/* Of every tree there is: by iterators: cheaper than json_object_foreach. */
bool refs_any(const json_t *tree)
{
	json_t *object = (json_t *)tree, *item;
	size_t i;

	if (json_is_string(tree))
		return has_dollar(tree);
	if (json_is_object(tree)) {
		for (void *iter = json_object_iter(object); iter;
			iter = json_object_iter_next(object, iter)) {
			if (strchr(json_object_iter_key(iter), '$') ||
				refs_any(json_object_iter_value(iter)))
				return true;
		}
	} else if (json_is_array(tree)) {
		json_array_foreach (tree, i, item) {
			if (refs_any(item))
				return true;
		}
	}
	return false;
}

json_t *refs_substitute(struct refs *r, struct check *c, const json_t *value, bool text)
{
	return refs_any(value) ? substitute(r, c, value, text) : json_incref((json_t *)value);
}

/* --- where they may not stand --- */

static void forbid_text(struct check *c, const char *text, bool foreign, const char *what)
{
	struct piece p;

	if (!strchr(text, '$'))
		return;
	while (next_piece(&text, &p)) {
		auto_free char *parameter = name_below(&p, PARAMETERS);
		auto_free char *run = name_below(&p, RUN);

		if (!parameter && !(foreign ? is_run_name(run) : run != NULL))
			continue;
		check_error(c, "ReferenceNotAllowed",
			"$(%.*s) is not replaced in %s: references work in arguments, fromManifest "
			"and the values of env",
			(int)(p.len > SHOWN ? SHOWN : p.len), p.text, what);
		return;
	}
}

void refs_forbid(struct check *c, const json_t *tree, bool foreign)
{
	const char *key;
	json_t *item;
	size_t i;

	if (json_is_string(tree))
		forbid_text(c, json_string_value(tree), foreign, "this place");
	json_object_foreach ((json_t *)tree, key, item) {
		size_t mark = where_key(&c->w, key);

		forbid_text(c, key, foreign, "the key of a map");
		refs_forbid(c, item, foreign);
		where_back(&c->w, mark);
	}
	json_array_foreach (tree, i, item) {
		size_t mark = where_index(&c->w, i);

		refs_forbid(c, item, foreign);
		where_back(&c->w, mark);
	}
}

/* --- runs --- */

char *refs_run_value(const struct refs_run *run, const char *name)
{
	char time[TIME_RFC3339_SIZE];

	if (strcmp(name, "name") == 0)
		return xstrdup(run->name);
	time_format_rfc3339(run->scheduled_s, time);
	return xstrndup(
		time, strcmp(name, "scheduledDate") == 0 ? strlen("2026-11-23") : strlen(time));
}

bool refs_uses_run(const json_t *value, const char *name)
{
	const char *key, *text;
	json_t *item;
	struct piece p;
	size_t i;

	json_object_foreach ((json_t *)value, key, item) {
		if (refs_uses_run(item, name))
			return true;
	}
	json_array_foreach (value, i, item) {
		if (refs_uses_run(item, name))
			return true;
	}
	if (!has_dollar(value))
		return false;
	text = json_string_value(value);
	while (next_piece(&text, &p)) {
		auto_free char *run = name_below(&p, RUN);

		if (run && strcmp(run, name) == 0)
			return true;
	}
	return false;
}

char *refs_expand_text(const char *text, const struct refs_run *run)
{
	struct buf out = BUF_INIT;
	struct piece p;

	while (next_piece(&text, &p)) {
		auto_free char *name = name_below(&p, RUN);

		if (p.kind != PIECE_NAME) {
			buf_add(&out, p.text, p.len);
		} else if (run->name && is_run_name(name)) {
			auto_free char *value = refs_run_value(run, name);

			buf_adds(&out, value);
		} else {
			buf_adds(&out, "$(");
			buf_add(&out, p.text, p.len);
			buf_addc(&out, ')');
		}
	}
	return buf_take(&out);
}

static json_t *expand_string(const json_t *string, void *arg)
{
	auto_free char *text = refs_expand_text(json_string_value(string), arg);

	return json_string_nocheck(text);
}

json_t *refs_expand(const json_t *value, const struct refs_run *run)
{
	if (!refs_any(value))
		return json_incref((json_t *)value);
	return change_tree(value, expand_string, (void *)run);
}

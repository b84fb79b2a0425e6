#include "compiler/mapping.h"

#include <string.h>

#include "base/mem.h"
#include "compiler/types.h"
#include "doc/path.h"

/* Fields of a dataset that are named in a message. */
#define FIELDS_SHOWN 8

/* One side of a step while it is worked out. */
struct side {
	const char *which;      /* "consumes" or "produces" */
	const json_t *declared; /* the component's fields, normal form */
	bool generic;
	const json_t *mapping; /* the user's; NULL when there is none */
	const json_t *dataset; /* fields to read from, consumes only; NULL: not known */
	json_t *op;            /* result: what the executor gets */
	json_t *declare;       /* result: fields for its specification; NULL: none */
	json_t *outer;         /* result: dataset field -> type */
	json_t *names;         /* result: dataset field -> inner name */
};

static const struct check_field mapping_fields[] = {
	{.name = "field", .kind = CHECK_STRING, .min = 1, .max = 253},
	{.name = "type", .kind = CHECK_STRING, .min = 1},
	{.name = "items", .kind = CHECK_ANY},
	{.name = "properties", .kind = CHECK_OBJECT, .max = 256},
	{.name = "format", .kind = CHECK_STRING},
};

/* The type that a mapping's value declares, in normal form; NULL: none or a wrong one. */
static json_t *declared_type(struct check *c, const json_t *value)
{
	size_t before = diag_errors(c->diags);
	json_t *type, *normal = NULL;

	if (!check_get(value, "type")) {
		if (check_get(value, "items") || check_get(value, "properties") ||
			check_get(value, "format"))
			check_error(c, "Required",
				"`type` is required beside items, properties "
				"and format");
		return NULL;
	}
	type = json_copy((json_t *)value);
	json_object_del(type, "field");
	type_check(type, c->w.text, c->diags);
	if (diag_errors(c->diags) == before)
		normal = type_normalize(type);
	json_decref(type);
	return normal;
}

static void describe_fields(const json_t *fields, struct buf *out)
{
	auto_strvec names = STRVEC_INIT;

	doc_sorted_keys(fields, &names);
	for (size_t i = 0; i < names.len && i < FIELDS_SHOWN; i++)
		buf_addf(out, "%s%.60s", i ? ", " : "", names.items[i]);
	if (names.len > FIELDS_SHOWN)
		buf_addf(out, " and %zu more", names.len - FIELDS_SHOWN);
	if (!names.len)
		buf_adds(out, "none");
}

static void unknown_key(struct check *c, const struct side *side, const char *key)
{
	char near[CHECK_HINT_SIZE];
	auto_buf fields = BUF_INIT;

	describe_fields(side->declared, &fields);
	check_error(c, "UnknownField",
		"the component does not have `%.80s` in its `%s` (it has: %s), and only a "
		"component "
		"with additionalProperties: true takes others%s",
		key, side->which, buf_str(&fields), check_hint_key(c, side->declared, key, near));
}

static void wrong_redeclaration(struct check *c, const struct side *side, const char *key,
	const json_t *type, const json_t *own)
{
	auto_free char *given = type_describe(type), *want = type_describe(own);

	check_error(c, "TypeMismatch",
		"`%.80s` is declared %s here, but the component's `%s` says %s; remove `type`", key,
		given, side->which, want);
}

/* Type of an inner field that the component does not declare; new reference or NULL. */
static json_t *foreign_type(
	struct check *c, const struct side *side, const char *key, const char *field, json_t *type)
{
	if (type)
		return type;
	if (strcmp(side->which, "produces") == 0) {
		check_error(c, "Required",
			"`type` is required: the component does not say what `%.80s` is", key);
		return NULL;
	}
	return json_incref(json_object_get(side->dataset, field ? field : key));
}

static void add_renamed(
	struct check *c, struct side *side, const char *key, const char *field, json_t *type)
{
	auto_free char *text = NULL;

	json_object_set_new_nocheck(side->op, key, json_string_nocheck(field));
	if (json_object_get(side->declared, key))
		return;
	if (!type_is_declarable(type)) {
		text = type_describe(type);
		check_error(c, "UnsupportedRename",
			"the framework's executor cannot rename a field of type %s that the "
			"component does not declare",
			text);
		return;
	}
	if (!side->declare)
		side->declare = json_object();
	json_object_set_nocheck(side->declare, key, type);
}

/* One key of the user's mapping; the inner type goes to `inner`. */
static void add_entry(
	struct check *c, struct side *side, const char *key, const json_t *value, json_t *inner)
{
	const char *field = json_string_value(check_get(value, "field"));
	const json_t *own = json_object_get(side->declared, key);
	json_t *type;

	if (!check_object(c, value, mapping_fields, array_size(mapping_fields)))
		return;
	if (!field && !check_get(value, "type")) {
		check_error(
			c, "InvalidValue", "give field (the name in the dataset), type, or both");
		return;
	}
	type = declared_type(c, value);
	if (check_get(value, "type") && !type)
		return;
	if (strcmp(key, "additionalProperties") == 0 || !*key || strlen(key) > 253) {
		check_error(c, "InvalidName", "is not the name of a field");
	} else if (own) {
		if (type && !type_equal(type, own))
			wrong_redeclaration(c, side, key, type, own);
		json_decref(type);
		type = json_incref((json_t *)own);
	} else if (!side->generic) {
		unknown_key(c, side, key);
	} else {
		type = foreign_type(c, side, key, field, type);
	}
	if (type && (own || side->generic)) {
		json_object_set_nocheck(inner, key, type);
		if (field && strcmp(field, key) != 0)
			add_renamed(c, side, key, field, type);
		else
			json_object_set_nocheck(side->op, key, type);
	} else if (field && side->generic) {
		/* Not in the dataset, or that is not known: said below, where it is looked up. */
		json_object_set_new_nocheck(side->op, key, json_string_nocheck(field));
		json_object_set_new_nocheck(inner, key, json_null());
	}
	json_decref(type);
}

static const char *outer_name(const struct side *side, const char *key)
{
	const char *renamed = model_string(side->op, key);

	return renamed ? renamed : key;
}

/* A key that follows renames back to itself: a -> b, b -> a. Each chain is walked once. */
static void check_cycles(struct check *c, const struct side *side)
{
	auto_strvec keys = STRVEC_INIT;
	auto_map done = MAP_INIT;
	const char *key;
	json_t *value;

	json_object_foreach (side->op, key, value) {
		if (json_is_string(value))
			strvec_add(&keys, key);
	}
	strvec_sort(&keys);
	strvec_for_each (&keys, i) {
		const char *at = keys.items[i], *next;

		while (!map_has(&done, at) && (next = model_string(side->op, at))) {
			map_set(&done, at, keys.items[i]);
			at = next;
		}
		if (map_get(&done, at) != keys.items[i])
			continue;
		check_error_at(c, keys.items[i], "RenameCycle",
			"these renames go in a circle, and the framework's executor, which renames "
			"one field after another, would lose a column; give one of the fields a "
			"new name in this step and the wanted one in the next");
	}
}

/* Outer names from inner ones; two fields onto one name are an error. */
static void build_outer(struct check *c, struct side *side, const json_t *inner)
{
	auto_strvec keys = STRVEC_INIT;

	doc_sorted_keys(inner, &keys);
	strvec_for_each (&keys, i) {
		const char *name = outer_name(side, keys.items[i]);
		const char *other = model_string(side->names, name);

		if (other) {
			check_error_at(c, keys.items[i], "DuplicateField",
				"both `%.80s` and `%.80s` would be `%.80s` in the dataset", other,
				keys.items[i], name);
			continue;
		}
		json_object_set_nocheck(side->outer, name, json_object_get(inner, keys.items[i]));
		json_object_set_new_nocheck(side->names, name, json_string_nocheck(keys.items[i]));
	}
}

static bool is_given(const json_t *mapping)
{
	return mapping && json_object_size(mapping);
}

/* Works one side out; findings below `<step>.<which>`. */
static void work_out(struct check *c, struct side *side)
{
	size_t mark = where_key(&c->w, side->which);
	const char *key;
	json_t *value, *inner;

	if (!is_given(side->mapping)) {
		/* As declared; outer names are the inner ones. */
		side->outer = json_incref((json_t *)side->declared);
		where_back(&c->w, mark);
		return;
	}
	side->op = json_object();
	side->outer = json_object();
	side->names = json_object();
	inner = json_copy((json_t *)side->declared);
	json_object_foreach ((json_t *)side->mapping, key, value) {
		size_t at = where_key(&c->w, key);

		if (!json_is_null(value))
			add_entry(c, side, key, value, inner);
		where_back(&c->w, at);
	}
	check_cycles(c, side);
	build_outer(c, side, inner);
	json_decref(inner);
	where_back(&c->w, mark);
}

static void side_clear(struct side *side)
{
	json_decref(side->op);
	json_decref(side->declare);
	json_decref(side->outer);
	json_decref(side->names);
}

/* The step that made the field as it stands in the dataset of s; s itself when nobody did. */
static const struct step_model *maker_of(
	const struct compiler *m, const struct step_model *s, const char *field)
{
	const struct step_model *at = s;

	for (int i = 0; i < m->steps_len; i++) {
		if (json_object_get(at->writes, field) || !at->from_len)
			return at;
		at = &m->steps[at->from[0]];
	}
	return s;
}

static void missing_field(struct compiler *m, const struct step_model *s,
	const struct step_model *upstream, const char *field, const char *inner)
{
	char near[CHECK_HINT_SIZE];
	auto_buf fields = BUF_INIT;

	describe_fields(upstream->schema, &fields);
	check_error_at(&m->c, inner, "MissingField",
		"step `%s` reads field `%.80s` as `%.80s`, but the dataset of step `%s` does not "
		"have it (it has: %s)%s",
		s->name, field, inner, upstream->name, buf_str(&fields),
		check_hint_key(&m->c, upstream->schema, field, near));
}

static void check_reads(struct compiler *m, const struct step_model *s, const struct side *side)
{
	const struct step_model *upstream = &m->steps[s->from[0]];
	size_t mark = where_key(&m->c.w, "consumes");
	const char *field;
	json_t *type;

	json_object_foreach (side->outer, field, type) {
		const json_t *there = json_object_get(upstream->schema, field);
		const char *inner = model_string(side->names, field);

		inner = inner ? inner : field;
		if (!there) {
			missing_field(m, s, upstream, field, inner);
		} else if (!json_is_null(type) && !type_equal(there, type)) {
			auto_free char *want = type_describe(type), *have = type_describe(there);

			check_error_at(&m->c, inner, "TypeMismatch",
				"step `%s` reads field `%.80s` as `%.80s` of type %s, but step "
				"`%s` makes `%.80s` of type %s",
				s->name, field, inner, want, maker_of(m, upstream, field)->name,
				field, have);
		}
	}
	where_back(&m->c.w, mark);
}

/* The dataset that the step reads; NULL: not known, or it reads none. */
static const json_t *dataset_of(const struct compiler *m, const struct step_model *s)
{
	return s->from_len == 1 ? m->steps[s->from[0]].schema : NULL;
}

/* Everything in the dataset, and what the component declares besides; new reference. */
static json_t *all_fields(const json_t *declared, const json_t *dataset)
{
	json_t *all;

	if (!dataset)
		return json_incref((json_t *)declared);
	if (!json_object_size(declared))
		return json_incref((json_t *)dataset);
	all = json_copy((json_t *)dataset);
	json_object_update(all, (json_t *)declared);
	return all;
}

static void walk_consumes(struct compiler *m, struct step_model *s)
{
	const struct component_info *component = s->component;
	struct side side = {.which = "consumes",
		.declared = component->consumes,
		.generic = component->generic_in,
		.mapping = check_get(s->json, "consumes"),
		.dataset = dataset_of(m, s)};

	if (component->loader) {
		if (is_given(side.mapping))
			check_error_at(&m->c, "consumes", "ReadsNothing",
				"the component has no `consumes`: it reads no dataset");
		s->op_consumes = json_incref(m->empty);
		return;
	}
	work_out(&m->c, &side);
	if (!side.op && component->generic_in) {
		json_decref(side.outer);
		side.outer = all_fields(side.declared, side.dataset);
	}
	if (!side.op)
		side.op = json_incref(side.outer);
	if (side.dataset)
		check_reads(m, s, &side);
	s->op_consumes = json_incref(side.op);
	s->declare_in = json_incref(side.declare);
	side_clear(&side);
}

static void check_reserved(struct compiler *m, const struct side *side)
{
	size_t mark = where_key(&m->c.w, "produces");
	static const char *const reserved[] = {"id", "index"};

	for (size_t i = 0; i < array_size(reserved); i++) {
		const char *inner = model_string(side->names, reserved[i]);

		if (!json_object_get(side->outer, reserved[i]))
			continue;
		check_error_at(&m->c, inner ? inner : reserved[i], "ReservedField",
			"a dataset cannot have a field called `%s`: the framework keeps that name "
			"for the index of the rows; rename it with `field`",
			reserved[i]);
	}
	where_back(&m->c.w, mark);
}

static void walk_produces(struct compiler *m, struct step_model *s)
{
	const struct component_info *component = s->component;
	struct side side = {.which = "produces",
		.declared = component->produces,
		.generic = component->generic_out,
		.mapping = check_get(s->json, "produces")};

	work_out(&m->c, &side);
	check_reserved(m, &side);
	if (component->generic_out && !is_given(side.mapping)) {
		size_t mark = where_key(&m->c.w, "produces");

		diag_add_warning(m->c.diags, m->c.w.text, "NothingProduced",
			"the component can produce any field; without `produces` the step adds "
			"none beyond those it declares");
		where_back(&m->c.w, mark);
	}
	s->op_produces = json_incref(side.op ? side.op : m->empty);
	s->declare_out = json_incref(side.declare);
	s->writes = json_incref(side.outer);
	side_clear(&side);
}

/* The fields after the step; the same tree as before it when it writes none. */
static json_t *schema_after(const struct step_model *s, const json_t *before)
{
	json_t *after;

	if (s->component->loader || s->component->renews)
		return json_incref(s->writes);
	if (!before)
		return NULL;
	if (!json_object_size(s->writes))
		return json_incref((json_t *)before);
	after = json_copy((json_t *)before);
	json_object_update(after, s->writes);
	return after;
}

void mapping_walk(struct compiler *m, struct step_model *s)
{
	size_t before;

	if (!s->component || !s->name)
		return;
	walk_consumes(m, s);
	before = diag_errors(m->c.diags);
	walk_produces(m, s);
	/* Wrong reads do not blur what comes out; wrong writes do. */
	if (diag_errors(m->c.diags) == before)
		s->schema = schema_after(s, dataset_of(m, s));
}

void mapping_order(const json_t *mapping, struct strvec *ret_keys)
{
	auto_strvec keys = STRVEC_INIT;
	auto_map done = MAP_INIT;

	doc_sorted_keys(mapping, &keys);
	strvec_for_each (&keys, i) {
		auto_strvec chain = STRVEC_INIT;
		const char *at = keys.items[i];

		/* Down to the end of the chain of renames, then back up. */
		while (at && json_object_get(mapping, at) && !map_has(&done, at)) {
			map_set(&done, at, (void *)mapping);
			strvec_add(&chain, at);
			at = model_string(mapping, at);
		}
		for (size_t j = chain.len; j; j--)
			strvec_add(ret_keys, chain.items[j - 1]);
	}
}

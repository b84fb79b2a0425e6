#include "compiler/mapping.h"

#include <string.h>

#include "base/mem.h"
#include "compiler/join.h"
#include "compiler/types.h"
#include "doc/path.h"

/* Fields of a dataset that are named in a message. */
#define FIELDS_SHOWN 8

/* One side of a step while it is worked out. */
struct side {
	const char *which;      /* "consumes" or "produces" */
	const json_t *declared; /* the component's fields, normal form */
	bool generic;
	const json_t *mapping;         /* the user's; NULL when there is none */
	const struct dataset *dataset; /* to read from, consumes only; NULL: not known */
	bool manifest;                 /* it reads a manifest that the compiler does not see */
	json_t *op;                    /* result: what the executor gets */
	json_t *declare;               /* result: fields for its specification; NULL: none */
	json_t *outer;                 /* result: dataset field -> type */
	json_t *names;                 /* result: dataset field -> inner name */
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

/* "a, b and 3 more"; names in byte order. */
static void describe_names(const char *const *names, size_t len, struct buf *out)
{
	for (size_t i = 0; i < len && i < FIELDS_SHOWN; i++)
		buf_addf(out, "%s%.60s", i ? ", " : "", names[i]);
	if (len > FIELDS_SHOWN)
		buf_addf(out, " and %zu more", len - FIELDS_SHOWN);
	if (!len)
		buf_adds(out, "none");
}

static void describe_fields(const json_t *fields, struct buf *out)
{
	auto_strvec names = STRVEC_INIT;

	doc_sorted_keys(fields, &names);
	describe_names((const char *const *)names.items, names.len, out);
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
	const struct field *there;

	if (type)
		return type;
	if (side->manifest)
		check_error(c, "Required",
			"`type` is required: neither the component nor the manifest, which is not "
			"read before the run, says what `%.80s` is",
			key);
	else if (strcmp(side->which, "produces") == 0)
		check_error(c, "Required",
			"`type` is required: the component does not say what `%.80s` is", key);
	there = dataset_find(side->dataset, field ? field : key);
	return there ? json_incref((json_t *)there->type) : NULL;
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

		/* A field onto itself, of a type that is not known, is renamed by nobody. */
		while (!map_has(&done, at) && (next = model_string(side->op, at)) &&
			strcmp(next, at) != 0) {
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

/* "step `a`", "the steps `a`, `b`": whose dataset is read, for a message. */
static void describe_inputs(const struct compiler *m, const struct step_model *s, struct buf *out)
{
	buf_adds(out, s->from_len == 1 ? "step " : "steps ");
	for (int i = 0; i < s->from_len && i < FIELDS_SHOWN; i++)
		buf_addf(out, "%s`%s`", i ? ", " : "", m->steps[s->from[i]].name);
	if (s->from_len > FIELDS_SHOWN)
		buf_addf(out, " and %d more", s->from_len - FIELDS_SHOWN);
}

/* The last step on the way to the dataset that dropped the field with its index; NULL: none did. */
static const struct step_model *dropped_by(
	const struct compiler *m, const struct step_model *s, const char *field)
{
	const struct step_model *at = s;

	for (int i = 0; i < m->steps_len && at->from_len; i++) {
		at = &m->steps[at->from[0]];
		if (at->component && at->component->renews && dataset_find(at->input, field))
			return at;
	}
	return NULL;
}

/* "; did you mean `text` (string)?", or "". */
static void hint_field(struct compiler *m, const struct step_model *s, const char *field,
	struct buf *fields, struct buf *hint)
{
	const struct step_model *dropped = dropped_by(m, s, field);
	auto_free const char **names = xcalloc(s->input->len + 1, sizeof(*names));
	char near[CHECK_HINT_SIZE];

	for (size_t i = 0; i < s->input->len; i++)
		names[i] = s->input->items[i]->name;
	describe_names(names, s->input->len, fields);
	if (dropped)
		buf_addf(hint, "; step `%s` dropped it with the index of the rows (previous_index)",
			dropped->name);
	else
		buf_adds(hint, check_hint_word(&m->c, names, field, near));
}

static void missing_field(struct compiler *m, const struct step_model *s, const char *field,
	const char *inner, const json_t *type)
{
	auto_buf fields = BUF_INIT, inputs = BUF_INIT, hint = BUF_INIT;
	auto_free char *want = json_is_null(type) ? NULL : type_describe(type);

	describe_inputs(m, s, &inputs);
	hint_field(m, s, field, &fields, &hint);
	check_error_at(&m->c, inner, "MissingField",
		"step `%s` reads field `%.80s` as `%.80s`%s%s, but the dataset of %s does not "
		"have it (it has: %s)%s",
		s->name, field, inner, want ? " of type " : "", want ? want : "", buf_str(&inputs),
		buf_str(&fields), buf_str(&hint));
}

/* The maker's own name for a field of its dataset, where it has another one. */
static const char *inner_name(const struct step_model *maker, const char *field)
{
	const char *key;
	json_t *value;

	json_object_foreach (maker->op_produces, key, value) {
		if (json_is_string(value) && strcmp(json_string_value(value), field) == 0)
			return key;
	}
	return NULL;
}

static void wrong_type(struct compiler *m, const struct step_model *s, const struct field *there,
	const char *inner, const json_t *type)
{
	const struct step_model *maker = &m->steps[there->maker];
	auto_free char *want = type_describe(type), *have = type_describe(there->type);
	const char *own = inner_name(maker, there->name);

	check_error_at(&m->c, inner, "TypeMismatch",
		"step `%s` reads field `%.80s` as `%.80s` of type %s, but step `%s` %s `%.80s`%s"
		"%.80s%s of type %s",
		s->name, there->name, inner, want, maker->name,
		json_object_get(maker->writes, there->name) ? "makes" : "takes from its manifest",
		there->name, own ? " (its `" : "", own ? own : "", own ? "`)" : "", have);
}

static void check_reads(struct compiler *m, const struct step_model *s, const struct side *side)
{
	size_t mark = where_key(&m->c.w, "consumes");
	const char *field;
	json_t *type;

	json_object_foreach (side->outer, field, type) {
		const struct field *there = dataset_find(s->input, field);
		const char *inner = model_string(side->names, field);

		inner = inner ? inner : field;
		if (!there)
			missing_field(m, s, field, inner, type);
		else if (!json_is_null(type) && !type_equal(there->type, type))
			wrong_type(m, s, there, inner, type);
	}
	where_back(&m->c.w, mark);
}

/* What the step reads; NULL: nothing, or it is not known. */
static void find_input(struct compiler *m, struct step_model *s)
{
	if (s->component->loader || s->from_manifest || !s->from_len || !s->graph_ok)
		return;
	s->owns_input = s->from_len > 1;
	s->input = s->owns_input ? join_datasets(m, s) : m->steps[s->from[0]].schema;
}

/* A manifest's fields are what the step says of them. */
static void take_manifest(struct compiler *m, struct step_model *s, const struct side *side)
{
	if (s->component->generic_in && !json_object_size(side->outer))
		check_error_at(&m->c, "consumes", "Required",
			"the component reads any field, and the manifest is not read before the "
			"run: say which fields the step reads, and their types");
	s->takes = json_incref(side->outer);
	fields_init(&s->took, s->takes, s->index);
	s->input = dataset_over(NULL, &s->took, s->index);
	s->owns_input = true;
}

/* What the executor gets: the user's mapping, or the component's fields, or all there is. */
static void set_operation(struct step_model *s, const struct side *side)
{
	s->reads_all = !side->op && s->component->generic_in && s->input && !side->manifest;
	if (!s->reads_all)
		s->op_consumes = json_incref(side->op ? side->op : side->outer);
	s->declare_in = json_incref(side->declare);
}

static void walk_consumes(struct compiler *m, struct step_model *s)
{
	const struct component_info *component = s->component;
	size_t before = diag_errors(m->c.diags);
	struct side side = {.which = "consumes",
		.declared = component->consumes,
		.generic = component->generic_in,
		.mapping = s->given[STEP_CONSUMES],
		.manifest = s->from_manifest && !component->loader,
		.dataset = s->input};

	if (component->loader) {
		if (is_given(side.mapping))
			check_error_at(&m->c, "consumes", "ReadsNothing",
				"the component has no `consumes`: it reads no dataset");
		s->op_consumes = json_incref(m->empty);
		return;
	}
	work_out(&m->c, &side);
	if (side.manifest && diag_errors(m->c.diags) == before)
		take_manifest(m, s, &side);
	else if (s->input)
		check_reads(m, s, &side);
	set_operation(s, &side);
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
		.mapping = s->given[STEP_PRODUCES]};

	if (component->writer && is_given(side.mapping)) {
		check_error_at(&m->c, "produces", "ProducesNothing",
			"the component writes the dataset elsewhere and leaves none behind: remove "
			"`produces`");
		side.mapping = NULL;
	}
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

/* The dataset after the step; the same one as before it when it writes nothing. */
static void set_schema(struct step_model *s)
{
	bool fresh = s->component->loader || s->component->renews;

	if (!fresh && !s->input)
		return;
	fields_init(&s->made, s->writes, s->index);
	s->owns_schema = fresh || s->made.len;
	if (!s->owns_schema)
		s->schema = s->input;
	else
		s->schema = dataset_over(
			fresh ? NULL : s->input, &s->made, fresh ? s->index : s->input->lineage);
}

void mapping_walk(struct compiler *m, struct step_model *s)
{
	size_t before;

	if (!s->component || !s->name)
		return;
	find_input(m, s);
	walk_consumes(m, s);
	before = diag_errors(m->c.diags);
	walk_produces(m, s);
	/* Wrong reads do not blur what comes out; wrong writes do. */
	if (diag_errors(m->c.diags) == before)
		set_schema(s);
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

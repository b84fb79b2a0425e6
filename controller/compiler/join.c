#include "compiler/join.h"

#include "base/mem.h"
#include "base/str.h"
#include "compiler/dataset.h"
#include "compiler/types.h"

void join_check_backend(struct compiler *m, const struct step_model *s)
{
	const char *directory = m->working_directory;

	if (s->from_len < 2)
		return;
	if (!(m->c.features & BACKEND_JOINS))
		check_error_at(&m->c, "from", "UnsupportedJoin",
			"backend `%.63s` cannot join the datasets of several steps; read one of "
			"them, or use a backend that runs on Kubernetes",
			m->c.backend);
	else if (directory && directory[0] != '/' && !str_starts_with(directory, "s3://"))
		check_error_at(&m->c, "from", "UnsupportedJoin",
			"the datasets of several steps can be joined below a local path or s3:// "
			"only, and the working directory is `%.100s`",
			directory);
}

/* How the index of a dataset came to be, for a message. Owned. */
static char *origin_of(const struct compiler *m, const struct dataset *dataset)
{
	const struct step_model *s = &m->steps[dataset->lineage];

	if (s->component->renews)
		return xasprintf("was renewed by step `%s` (previous_index)", s->name);
	if (s->component->loader)
		return xasprintf("comes from the loader `%s`", s->name);
	return xasprintf("comes from the manifest that step `%s` reads", s->name);
}

static void index_mismatch(
	struct compiler *m, const struct step_model *first, const struct step_model *other)
{
	auto_free char *a = origin_of(m, first->schema), *b = origin_of(m, other->schema);

	check_error(&m->c, "IndexMismatch",
		"the rows of `%s` and `%s` cannot be matched: the index of `%s` %s, that of `%s` "
		"%s; join datasets of one loader, before the index is renewed",
		first->name, other->name, first->name, a, other->name, b);
}

struct clash {
	struct compiler *m;
	const struct step_model *other;
};

static void field_conflict(void *arg, const struct field *a, const struct field *b)
{
	const struct clash *clash = arg;
	struct compiler *m = clash->m;
	auto_free char *x = type_describe(a->type), *y = type_describe(b->type);

	check_error(&m->c, "FieldConflict",
		"field `%.80s` is made by step `%s` (%s) and, in the dataset of `%s`, by step `%s` "
		"(%s); a join takes a field from one step: give one of them another name with "
		"`produces: {...: {field: ...}}`",
		a->name, m->steps[a->maker].name, x, clash->other->name, m->steps[b->maker].name,
		y);
}

static struct dataset *join_one(struct compiler *m, const struct step_model *s, int nth,
	const struct dataset *so_far, bool *ret_ok)
{
	const struct step_model *first = &m->steps[s->from[0]];
	struct clash clash = {.m = m, .other = &m->steps[s->from[nth]]};
	size_t mark = where_key(&m->c.w, "from"), before = diag_errors(m->c.diags);
	struct dataset *joined;

	where_index(&m->c.w, (size_t)nth);
	if (clash.other->schema->lineage != first->schema->lineage)
		index_mismatch(m, first, clash.other);
	joined = dataset_join(so_far, clash.other->schema, field_conflict, &clash);
	where_back(&m->c.w, mark);
	*ret_ok = *ret_ok && diag_errors(m->c.diags) == before;
	return joined;
}

struct dataset *join_datasets(struct compiler *m, const struct step_model *s)
{
	struct dataset *joined;
	bool ok = true;

	for (int i = 0; i < s->from_len; i++) {
		if (!m->steps[s->from[i]].schema)
			return NULL;
	}
	joined = dataset_over(m->steps[s->from[0]].schema, &(struct fields){0},
		m->steps[s->from[0]].schema->lineage);
	for (int i = 1; i < s->from_len; i++) {
		struct dataset *more = join_one(m, s, i, joined, &ok);

		dataset_free(joined);
		joined = more;
	}
	if (ok)
		return joined;
	dataset_free(joined);
	return NULL;
}

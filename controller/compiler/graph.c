#include "compiler/graph.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "compiler/join.h"

#define GRAPH_MAX_EDGES 32

static bool has_items(const json_t *value)
{
	return json_is_array(value) ? json_array_size(value) > 0 : value != NULL;
}

static struct step_model *resolve_name(
	struct compiler *m, const struct step_model *s, const json_t *item)
{
	const char *name = json_string_value(item);
	struct step_model *other;
	char near[CHECK_HINT_SIZE];
	const char **names;

	if (!name) {
		check_error(&m->c, "InvalidType", "must be the name of a step, not %s",
			check_kind_of(item));
		return NULL;
	}
	other = map_get(&m->by_name, name);
	if (other == s) {
		check_error(&m->c, "Cycle", "step `%s` cannot wait for itself; remove it here",
			s->name);
		return NULL;
	}
	if (other)
		return other;
	names = xcalloc((size_t)m->steps_len + 1, sizeof(*names));
	for (int i = 0, n = 0; i < m->steps_len; i++) {
		if (m->steps[i].name)
			names[n++] = m->steps[i].name;
	}
	check_error(&m->c, "UnknownStep", "there is no step `%.80s`%s", name,
		check_hint_word(&m->c, names, name, near));
	free(names);
	return NULL;
}

static bool has_index(const int *list, int len, int index)
{
	for (int i = 0; i < len; i++) {
		if (list[i] == index)
			return true;
	}
	return false;
}

/* The steps named in a list, duplicates and unknown ones being errors; false when there are any. */
static bool link_list(
	struct compiler *m, const struct step_model *s, const char *key, int **ret, int *ret_len)
{
	const json_t *list = check_get(s->json, key);
	size_t mark = where_key(&m->c.w, key), i;
	bool ok = true;
	json_t *item;

	if (json_array_size(list) > GRAPH_MAX_EDGES) {
		where_back(&m->c.w, mark); /* said by the table of fields */
		return false;
	}
	*ret = xcalloc(json_array_size(list) + 1, sizeof(**ret));
	json_array_foreach (list, i, item) {
		size_t at = where_index(&m->c.w, i);
		const struct step_model *other = resolve_name(m, s, item);

		ok = ok && other;
		if (other && has_index(*ret, *ret_len, other->index)) {
			check_error(&m->c, "Duplicate", "`%s` is listed twice; remove one",
				other->name);
			ok = false;
		} else if (other) {
			(*ret)[(*ret_len)++] = other->index;
		}
		where_back(&m->c.w, at);
	}
	where_back(&m->c.w, mark);
	return ok;
}

static void check_writers(struct compiler *m, const struct step_model *s)
{
	size_t mark = where_key(&m->c.w, "from");

	for (int i = 0; i < s->from_len; i++) {
		const struct step_model *other = &m->steps[s->from[i]];

		if (other->component && other->component->writer)
			check_error(&m->c, "ReadsFromWriter",
				"step `%s` writes the dataset elsewhere and leaves none behind; "
				"read the step before it",
				other->name);
	}
	where_back(&m->c.w, mark);
}

/* What the graph's rules ask of one step that says (or fails to say) what it reads. */
static void check_explicit(struct compiler *m, const struct step_model *s)
{
	bool says = has_items(s->given[STEP_FROM]),
	     manifest = has_items(s->given[STEP_FROM_MANIFEST]);

	if (says && manifest)
		check_error_at(&m->c, "fromManifest", "InvalidValue",
			"a step reads the steps in from or the dataset in fromManifest; remove "
			"one");
	join_check_backend(m, s);
	if (!s->component)
		return;
	if (s->component->loader && manifest)
		check_error_at(&m->c, "fromManifest", "ReadsNothing",
			"the component has no `consumes`: it reads no dataset; remove "
			"`fromManifest`");
	if (s->component->loader && says)
		check_error_at(&m->c, "from", "ReadsNothing",
			"the component has no `consumes`: it reads no dataset; remove `from`, or "
			"use `dependsOn` for the order alone");
	if (!s->component->loader && !says && !manifest)
		check_error_at(&m->c, "from", "Required",
			"the component reads a dataset: say which step's with `from` (as soon as "
			"one "
			"step uses from, dependsOn or fromManifest, all that read must)");
	check_writers(m, s);
}

static void link_explicit(struct compiler *m)
{
	for (int i = 0; i < m->steps_len; i++) {
		struct step_model *s = &m->steps[i];
		bool from_ok, after_ok;

		if (!s->name)
			continue;
		model_at_step(m, s);
		from_ok = link_list(m, s, "from", &s->from, &s->from_len);
		after_ok = link_list(m, s, "dependsOn", &s->after, &s->after_len);
		s->graph_ok = from_ok && after_ok;
		check_explicit(m, s);
	}
}

/* Each reads the one before it; a writer leaves nothing to read and is passed over. */
static void link_default(struct compiler *m)
{
	int previous = -1;
	bool certain = true; /* whether `previous` is known to be right */

	for (int i = 0; i < m->steps_len; i++) {
		struct step_model *s = &m->steps[i];

		s->graph_ok = true;
		if (!s->name || !s->component) {
			certain = false;
			previous = i;
			continue;
		}
		if (!s->component->loader && previous >= 0 && certain) {
			s->from = xcalloc(1, sizeof(*s->from));
			s->from[s->from_len++] = previous;
		} else if (!s->component->loader && certain) {
			model_at_step(m, s);
			check_error_at(&m->c, "from", "NothingToRead",
				"step `%s` reads a dataset, but there is no step before it that "
				"leaves one",
				s->name);
		}
		if (!s->component->writer) {
			previous = i;
			certain = true;
		}
	}
}

void graph_link(struct compiler *m)
{
	if (m->explicit_graph)
		link_explicit(m);
	else
		link_default(m);
	for (int i = 0; i < m->steps_len; i++) {
		for (int j = 0; j < m->steps[i].from_len; j++)
			m->steps[m->steps[i].from[j]].read = true;
	}
}

/* A binary heap of step indexes by name; names are unique among usable steps. */
struct heap {
	const struct compiler *m;
	int *items;
	int len;
};

static bool sorts_before(const struct heap *h, int a, int b)
{
	const char *x = h->m->steps[a].name, *y = h->m->steps[b].name;
	int order = x && y ? strcmp(x, y) : (x != NULL) - (y != NULL);

	return order ? order < 0 : a < b;
}

static void heap_push(struct heap *h, int index)
{
	int i = h->len++;

	for (; i && sorts_before(h, index, h->items[(i - 1) / 2]); i = (i - 1) / 2)
		h->items[i] = h->items[(i - 1) / 2];
	h->items[i] = index;
}

static int heap_pop(struct heap *h)
{
	int top = h->items[0], last = h->items[--h->len], i = 0;

	for (int child = 1; child < h->len; child = 2 * i + 1) {
		if (child + 1 < h->len && sorts_before(h, h->items[child + 1], h->items[child]))
			child++;
		if (!sorts_before(h, h->items[child], last))
			break;
		h->items[i] = h->items[child];
		i = child;
	}
	h->items[i] = last;
	return top;
}

/* Edges turned round: out[start[i]] .. out[start[i + 1]] wait for step i. */
struct successors {
	int *start, *out;
};

static struct successors turn_round(const struct compiler *m, int *waiting)
{
	size_t n = (size_t)m->steps_len, edges = 0;
	struct successors r = {.start = xcalloc(n + 2, sizeof(int))};

	for (size_t i = 0; i < n; i++) {
		const struct step_model *s = &m->steps[i];

		waiting[i] = s->from_len + s->after_len;
		edges += (size_t)waiting[i];
		for (int j = 0; j < s->from_len; j++)
			r.start[s->from[j] + 2]++;
		for (int j = 0; j < s->after_len; j++)
			r.start[s->after[j] + 2]++;
	}
	for (size_t i = 2; i < n + 2; i++)
		r.start[i] += r.start[i - 1];
	r.out = xcalloc(edges + 1, sizeof(int));
	for (size_t i = 0; i < n; i++) {
		const struct step_model *s = &m->steps[i];

		for (int j = 0; j < s->from_len; j++)
			r.out[r.start[s->from[j] + 1]++] = (int)i;
		for (int j = 0; j < s->after_len; j++)
			r.out[r.start[s->after[j] + 1]++] = (int)i;
	}
	return r;
}

/* A step that s waits for and that is itself stuck. */
static const struct step_model *stuck_input(
	const struct compiler *m, const struct step_model *s, const int *waiting)
{
	for (int i = 0; i < s->from_len; i++) {
		if (waiting[s->from[i]])
			return &m->steps[s->from[i]];
	}
	for (int i = 0; i < s->after_len; i++) {
		if (waiting[s->after[i]])
			return &m->steps[s->after[i]];
	}
	return NULL;
}

/* The list of the step that names the other one. */
static const char *list_naming(const struct step_model *s, int other)
{
	for (int i = 0; i < s->from_len; i++) {
		if (s->from[i] == other)
			return "from";
	}
	return "dependsOn";
}

/* The one of the circle that stands first in the document says it all. via[i] is the next one. */
static void report_cycle(struct compiler *m, int on, const int *via)
{
	auto_buf way = BUF_INIT;
	int first = on, shown = 0;

	for (int i = via[on]; i != on; i = via[i]) {
		if (i < first)
			first = i;
	}
	for (int i = first; !shown || i != first; i = via[i]) {
		if (shown++ < 10)
			buf_addf(&way, "%s -> ", m->steps[i].name);
	}
	model_at_step(m, &m->steps[first]);
	check_error_at(&m->c, list_naming(&m->steps[first], via[first]), "Cycle",
		"steps wait for each other: %s%s%s", buf_str(&way), shown > 10 ? "... -> " : "",
		m->steps[first].name);
}

/* Follows stuck inputs from every stuck step; a way that meets itself is a circle. */
static void report_cycles(struct compiler *m, const int *waiting)
{
	auto_free int *walk = xcalloc((size_t)m->steps_len, sizeof(int));
	auto_free int *via = xcalloc((size_t)m->steps_len, sizeof(int));

	for (int i = 0; i < m->steps_len; i++) {
		int at = i;

		while (waiting[at] && !walk[at]) {
			walk[at] = i + 1;
			via[at] = stuck_input(m, &m->steps[at], waiting)->index;
			at = via[at];
		}
		if (waiting[at] && walk[at] == i + 1)
			report_cycle(m, at, via);
	}
}

void graph_sort(struct compiler *m)
{
	size_t n = (size_t)m->steps_len;
	auto_free int *waiting = xcalloc(n + 1, sizeof(int));
	auto_free int *items = xcalloc(n + 1, sizeof(int));
	struct heap ready = {.m = m, .items = items};
	struct successors next = turn_round(m, waiting);

	m->order = xcalloc(n + 1, sizeof(int));
	for (size_t i = 0; i < n; i++) {
		if (!waiting[i])
			heap_push(&ready, (int)i);
	}
	while (ready.len) {
		int i = heap_pop(&ready);

		m->order[m->order_len++] = i;
		for (int j = next.start[i]; j < next.start[i + 1]; j++) {
			if (--waiting[next.out[j]] == 0)
				heap_push(&ready, next.out[j]);
		}
	}
	free(next.start);
	free(next.out);
	if (m->order_len < m->steps_len)
		report_cycles(m, waiting);
}

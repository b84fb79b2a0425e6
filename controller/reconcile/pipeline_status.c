#include "reconcile/pipeline_status.h"

#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "doc/json.h"
#include "doc/path.h"
#include "kube/conditions.h"
#include "runners/runner.h"

#define EVENT_NOTE_MAX 900

struct draft {
	const struct pipeline_findings *f;
	json_t *status;         /* being made */
	json_t *conditions;     /* its list, borrowed */
	const json_t *previous; /* old conditions */
	int64_t generation;
};

static void set(struct draft *d, const char *type, const char *status, const char *reason,
	const char *message)
{
	condition_set(d->conditions, d->previous, type, status, reason, message, d->generation,
		d->f->now_s);
}

static void add_what_is_frozen(const struct pipeline_findings *f, struct buf *message)
{
	const char *format = doc_str(f->pipeline, "spec.native.format");

	if (format)
		buf_addf(message, "a document of format %s frozen as %s", format, f->frozen_name);
	else
		buf_addf(message, "%d step%s frozen as %s", f->out->steps,
			f->out->steps == 1 ? "" : "s", f->frozen_name);
}

static void ready_true(struct draft *d)
{
	const struct pipeline_findings *f = d->f;
	auto_free char *missing = strvec_join(f->missing, ", ");
	bool given = f->missing->len == 0;
	const char *old = doc_str_or(condition_find(d->previous, "Ready"), "message", "");
	auto_buf message = BUF_INIT_MAX(4096);

	if (f->out)
		add_what_is_frozen(f, &message);
	else
		buf_add(&message, old, strcspn(old, ";"));
	if (!given)
		buf_addf(&message,
			"; every run must give parameters %s (no default): create a FondantRun "
			"with "
			"spec.parameters",
			missing);
	else if (doc_bool_or(f->pipeline, "spec.suspend", false))
		buf_adds(&message, "; suspended: nothing is started");
	else if (f->waits_for)
		buf_addf(&message, "; the next run waits for %s", f->waits_for);
	set(d, "Ready", "True", given ? "Compiled" : "ParameterRequired", buf_str(&message));
	condition_drop(d->conditions, "Reconciling");
	condition_drop(d->conditions, "Stalled");
}

static const char *first_reason(const struct diag_list *diags, bool waits)
{
	for (size_t i = 0; i < diags->len; i++) {
		if (diags->items[i].waits == waits && !diags->items[i].warning)
			return diags->items[i].reason;
	}
	return "InvalidSpec";
}

static void ready_false(struct draft *d, struct plan *plan)
{
	const struct diag_list *diags = &d->f->out->diags;
	auto_buf message = BUF_INIT_MAX(CONDITION_MESSAGE_MAX);
	const char *reason = first_reason(diags, diag_errors(diags) == 0);

	diag_format(diags, &message, CONDITION_MESSAGE_MAX - 64);
	if (diag_errors(diags) == 0) {
		set(d, "Ready", "False", reason, buf_str(&message));
		set(d, "Reconciling", "True", reason, buf_str(&message));
		condition_drop(d->conditions, "Stalled");
		return;
	}
	if (diag_errors(diags) > 1)
		reason = "InvalidSpec";
	set(d, "Ready", "False", reason, buf_str(&message));
	set(d, "Stalled", "True", reason, buf_str(&message));
	condition_drop(d->conditions, "Reconciling");
	if (doc_int_or(d->f->pipeline, "status.observedGeneration", -1) != d->generation)
		plan_event(
			plan, true, reason, "Compile", "%.*s", EVENT_NOTE_MAX, buf_str(&message));
}

static void frozen(struct draft *d)
{
	const struct pipeline_findings *f = d->f;
	int64_t unresolved = f->out ? f->out->unresolved_images
				    : doc_int_or(d->status, "frozen.unresolvedImages", 0);
	auto_free char *hash = NULL;

	if (!f->frozen_name)
		return;
	hash = xasprintf("sha256:%s", f->frozen_hash);
	json_object_set_new(d->status, "frozen",
		json_pack("{s:s, s:s, s:s, s:I, s:b}", "name", f->frozen_name, "hash", hash,
			"shortHash", strrchr(f->frozen_name, '-') + 1, "unresolvedImages",
			(json_int_t)unresolved, "outdated", f->outdated));
}

/* Once a freeze: which images keep their tag, and why the first of them does. */
static void unresolved_event(const struct draft *d, struct plan *plan)
{
	const struct pipeline_findings *f = d->f;
	const char *image, *why = NULL, *which = NULL;
	const json_t *answer;
	size_t count = 0;

	if (!f->out || !f->frozen_name ||
		(doc_int_or(f->pipeline, "status.observedGeneration", -1) == d->generation &&
			str_eq(doc_str(f->pipeline, "status.frozen.name"), f->frozen_name)))
		return;
	json_object_foreach ((json_t *)f->digests, image, answer) {
		if (!doc_str(answer, "error"))
			continue;
		if (!which || strcmp(image, which) < 0) {
			which = image;
			why = doc_str(answer, "error");
		}
		count++;
	}
	if (count == 1)
		plan_event(plan, true, "ImageNotResolved", "Freeze",
			"image %.250s keeps its tag: %.*s", which, EVENT_NOTE_MAX - 300, why);
	else if (count > 1)
		plan_event(plan, true, "ImageNotResolved", "Freeze",
			"%zu images keep their tags; %.250s: %.*s", count, which,
			EVENT_NOTE_MAX - 300, why);
}

static bool newer(const json_t *a, const json_t *b, const json_t *memory)
{
	int order = strcmp(doc_str_or(a, "metadata.creationTimestamp", ""),
		doc_str_or(b, "metadata.creationTimestamp", ""));
	const char *triggered = doc_str(memory, "run");

	if (order != 0)
		return order > 0;
	if (str_eq(doc_str(a, "metadata.name"), triggered))
		return true;
	if (str_eq(doc_str(b, "metadata.name"), triggered))
		return false;
	return strcmp(doc_str_or(a, "metadata.name", ""), doc_str_or(b, "metadata.name", "")) > 0;
}

static const json_t *latest_run(const struct draft *d)
{
	const json_t *best = NULL, *run;
	size_t i;

	json_array_foreach (d->f->runs, i, run) {
		if (!best || newer(run, best, d->f->memory))
			best = run;
	}
	return best;
}

static void copy_string(json_t *to, const json_t *from, const char *path, const char *key)
{
	const char *value = doc_str(from, path);

	if (value)
		json_object_set_new(to, key, json_string(value));
}

static void outcome(struct draft *d, const json_t *run)
{
	const json_t *theirs = condition_find(doc_get(run, "status.conditions"), "Succeeded");
	const char *name = doc_str_or(run, "metadata.name", "");
	const char *message = doc_str_or(theirs, "message", "");
	enum run_phase phase = RUN_PENDING;

	run_phase_parse(doc_str_or(run, "status.phase", "Pending"), &phase);
	if (!run_phase_final(phase)) {
		auto_free char *running = xasprintf("run %s has not finished", name);

		set(d, "Succeeded", "Unknown", "Running", running);
		set(d, "Finished", "False", "Running", running);
		return;
	}
	set(d, "Succeeded", phase == RUN_SUCCEEDED ? "True" : "False",
		doc_str_or(theirs, "reason", run_phase_name(phase)), message);
	set(d, "Finished", "True", run_phase_name(phase), message);
}

static void latest(struct draft *d)
{
	const json_t *run = latest_run(d);
	json_t *out;

	if (!run)
		return;
	out = json_object();
	copy_string(out, run, "metadata.name", "name");
	json_object_set_new(out, "phase", json_string(doc_str_or(run, "status.phase", "Pending")));
	copy_string(out, run, "status.progress", "progress");
	copy_string(out, run, "status.startTime", "startTime");
	copy_string(out, run, "status.url", "url");
	json_object_set_new(d->status, "latestRun", out);
	outcome(d, run);
}

static void last_successful(struct draft *d)
{
	const char *best = doc_str_or(d->status, "lastSuccessfulRun.completionTime", "");
	const json_t *run;
	size_t i;

	json_array_foreach (d->f->runs, i, run) {
		const char *time = doc_str(run, "status.completionTime");

		if (!time || !str_eq(doc_str(run, "status.phase"), "Succeeded") ||
			strcmp(time, best) <= 0)
			continue;
		best = time;
		json_object_set_new(d->status, "lastSuccessfulRun",
			json_pack("{s:s, s:s}", "name", doc_str_or(run, "metadata.name", ""),
				"completionTime", time));
	}
}

void pipeline_status(const struct pipeline_findings *f, struct plan *plan)
{
	const json_t *old = json_object_get(f->pipeline, "status");
	struct draft d = {.f = f,
		.status = json_is_object(old) ? json_deep_copy(old) : json_object(),
		.previous = doc_get(old, "conditions"),
		.generation = doc_int_or(f->pipeline, "metadata.generation", 0)};

	d.conditions = json_is_array(d.previous) ? json_deep_copy(d.previous) : json_array();
	if (f->out && !f->frozen_name)
		ready_false(&d, plan);
	else
		ready_true(&d);
	json_object_set_new(d.status, "observedGeneration", json_integer(d.generation));
	unresolved_event(&d, plan);
	frozen(&d);
	latest(&d);
	last_successful(&d);
	if (f->memory)
		json_object_set(d.status, "triggered", (json_t *)f->memory);
	json_object_set_new(d.status, "conditions", d.conditions);
	plan_status(plan, &kube_pipelines, f->pipeline, d.status);
}

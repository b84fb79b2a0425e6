#include "runners/trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/vec.h"

#define RULES_MAX 16

enum call { CALL_OBSERVE, CALL_SUBMIT, CALL_CANCEL, CALL_PROBE, CALL_LOGS };
enum fault { FAULT_NONE, FAULT_FAIL, FAULT_LOST, FAULT_REFUSE };

static const char *const call_names[] = {
	[CALL_OBSERVE] = "observe",
	[CALL_SUBMIT] = "submit",
	[CALL_CANCEL] = "cancel",
	[CALL_PROBE] = "probe",
	[CALL_LOGS] = "logs",
};
static const char *const fault_names[] = {
	[FAULT_NONE] = "none",
	[FAULT_FAIL] = "fail",
	[FAULT_LOST] = "lost",
	[FAULT_REFUSE] = "refuse",
};

struct rule {
	enum call call;
	enum fault fault;
	int64_t every, count;
};

struct trace_rules {
	struct rule items[RULES_MAX];
	size_t len;
};

/* --- rules --- */

static int index_of(const char *const *names, size_t len, const char *name)
{
	for (size_t i = 0; i < len; i++) {
		if (str_eq(names[i], name))
			return (int)i;
	}
	return -1;
}

/* text is cut into its pieces. */
static bool read_rule(char *text, struct rule *ret_rule)
{
	char *fault = strchr(text, ':'), *every = NULL;
	int call, kind;

	if (!fault)
		return false;
	*fault++ = '\0';
	every = strchr(fault, '/');
	if (every)
		*every++ = '\0';
	call = index_of(call_names, array_size(call_names), text);
	kind = index_of(fault_names, array_size(fault_names), fault);
	*ret_rule = (struct rule){.every = 1};
	if (call < 0 || kind <= 0 || (every && !str_to_int64(every, &ret_rule->every)))
		return false;
	ret_rule->call = (enum call)call;
	ret_rule->fault = (enum fault)kind;
	return ret_rule->every > 0;
}

int trace_rules_parse(const char *text, struct trace_rules **ret_rules, struct err *err)
{
	struct trace_rules *rules = xnew(struct trace_rules);

	while (*text) {
		size_t len = strcspn(text, ",");
		auto_free char *rule = xstrndup(text, len), *cut = xstrdup(rule);

		if (rules->len == RULES_MAX || !read_rule(cut, &rules->items[rules->len])) {
			free(rules);
			return err_set(err, ERR_USER, "InvalidRule",
				"\"%.80s\" is not of the form CALL:FAULT/N, as submit:lost/2 "
				"(observe, submit, cancel, probe, logs; fail, lost, refuse), or "
				"one of more than %d",
				rule, RULES_MAX);
		}
		rules->len++;
		text += len + (text[len] == ',');
	}
	*ret_rules = rules;
	return 0;
}

void trace_rules_free(struct trace_rules *rules)
{
	free(rules);
}

/* Counts the call. */
static enum fault fault_of(struct trace_rules *rules, enum call call)
{
	enum fault fault = FAULT_NONE;

	for (size_t i = 0; i < rules->len; i++) {
		struct rule *rule = &rules->items[i];

		if (rule->call == call && ++rule->count % rule->every == 0 && fault == FAULT_NONE)
			fault = rule->fault;
	}
	return fault;
}

/* --- a call --- */

struct trace {
	struct runner runner; /* what inner says of itself, with our calls */
	const struct runner *inner;
	void *backend; /* inner's */
	struct loop *loop;
	struct trace_rules *rules;
};

/* One call of ours under way: between the caller's op and inner's. */
struct traced {
	struct trace *trace;
	struct runner_op *outer;
	struct runner_op op;
	enum call call;
	enum fault fault;
	char *run; /* "namespace/name"; NULL: it is about none */
	struct loop_defer defer;
};

static void finish(struct traced *traced)
{
	struct runner_op *outer = traced->outer;

	log_debug("runner call", "runner", traced->trace->inner->name, "call",
		call_names[traced->call], "run", traced->run, "result",
		outer->result < 0 ? outer->err.reason : "ok", "injected",
		traced->fault == FAULT_NONE ? NULL : fault_names[traced->fault]);
	free(traced->run);
	free(traced);
	outer->state = NULL;
	outer->done(outer);
}

static void inner_done(struct runner_op *op)
{
	struct traced *traced = container_of(op, struct traced, op);
	struct runner_op *outer = traced->outer;

	outer->result = op->result;
	outer->step = op->step;
	err_move(&outer->err, &op->err);
	if (traced->fault == FAULT_LOST && outer->result == 0)
		outer->result = err_set(&outer->err, ERR_TRANSIENT, "Injected",
			"the answer of %s was lost on purpose", call_names[traced->call]);
	finish(traced);
}

static void not_made(struct loop_defer *defer)
{
	struct traced *traced = container_of(defer, struct traced, defer);
	bool for_ever = traced->fault == FAULT_REFUSE;

	traced->outer->result = err_set(&traced->outer->err, for_ever ? ERR_USER : ERR_TRANSIENT,
		"Injected", "%s was %s on purpose", call_names[traced->call],
		for_ever ? "refused" : "made to fail");
	finish(traced);
}

/* NULL: the call is not to be made. */
static struct traced *begin(
	void *backend, const struct runner_run *run, struct runner_op *outer, enum call call)
{
	struct traced *traced = xnew(struct traced);

	traced->trace = backend;
	traced->outer = outer;
	traced->call = call;
	traced->run = run ? xasprintf("%s/%s", run->namespace_, run->name) : NULL;
	traced->fault = fault_of(traced->trace->rules, call);
	traced->op = (struct runner_op){.done = inner_done, .step = -1};
	outer->result = 0;
	outer->step = -1;
	outer->state = traced;
	if (traced->fault != FAULT_FAIL && traced->fault != FAULT_REFUSE)
		return traced;
	loop_defer_add(traced->trace->loop, &traced->defer, not_made);
	return NULL;
}

static void trace_observe(void *backend, const struct runner_run *run, struct run_state *ret_state,
	struct runner_op *op)
{
	struct traced *traced = begin(backend, run, op, CALL_OBSERVE);

	if (traced)
		traced->trace->inner->observe(traced->trace->backend, run, ret_state, &traced->op);
}

static void trace_submit(void *backend, const struct runner_run *run, struct runner_op *op)
{
	struct traced *traced = begin(backend, run, op, CALL_SUBMIT);

	if (traced)
		traced->trace->inner->submit(traced->trace->backend, run, &traced->op);
}

static void trace_cancel(void *backend, const struct runner_run *run, struct runner_op *op)
{
	struct traced *traced = begin(backend, run, op, CALL_CANCEL);

	if (traced)
		traced->trace->inner->cancel(traced->trace->backend, run, &traced->op);
}

static void trace_probe(void *backend, struct runner_probe *ret_probe, struct runner_op *op)
{
	struct traced *traced = begin(backend, NULL, op, CALL_PROBE);

	if (traced)
		traced->trace->inner->probe(traced->trace->backend, ret_probe, &traced->op);
}

static void trace_logs(
	void *backend, const struct runner_run *run, struct runner_logs *logs, struct runner_op *op)
{
	struct traced *traced = begin(backend, run, op, CALL_LOGS);

	if (traced)
		traced->trace->inner->logs(traced->trace->backend, run, logs, &traced->op);
}

static void trace_op_cancel(void *backend, struct runner_op *op)
{
	struct trace *trace = backend;
	struct traced *traced = op->state;

	if (!traced)
		return;
	loop_defer_del(&traced->defer);
	if (traced->op.state)
		trace->inner->op_cancel(trace->backend, &traced->op);
	err_clear(&traced->op.err);
	free(traced->run);
	free(traced);
	op->state = NULL;
}

/* --- life --- */

static void trace_close(void *backend)
{
	struct trace *trace = backend;

	trace->inner->close(trace->backend);
	free(trace);
}

int trace_open(const struct runner *inner, struct trace_rules *rules, const struct runner_env *env,
	const struct runner_settings *settings, const struct runner **ret_runner,
	void **ret_backend, struct err *err)
{
	struct trace *trace = xnew(struct trace);

	if (inner->open(env, settings, &trace->backend, err) < 0) {
		free(trace);
		return -1;
	}
	trace->inner = inner;
	trace->loop = env->loop;
	trace->rules = rules;
	trace->runner = *inner;
	trace->runner.open = NULL; /* it is open */
	trace->runner.close = trace_close;
	trace->runner.observe = trace_observe;
	trace->runner.submit = trace_submit;
	trace->runner.cancel = trace_cancel;
	trace->runner.probe = inner->probe ? trace_probe : NULL;
	trace->runner.logs = inner->logs ? trace_logs : NULL;
	trace->runner.op_cancel = trace_op_cancel;
	*ret_runner = &trace->runner;
	*ret_backend = trace;
	return 0;
}

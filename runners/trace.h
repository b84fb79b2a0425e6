/*
 * Wraps any runner: logs each call and how it ended, and makes some of them fail, as its
 * configuration says. What a run comes to must not depend on it.
 *
 * The configuration is a list of rules, "submit:lost/2,observe:fail/3":
 *
 *   CALL   observe, submit, cancel, probe or logs
 *   FAULT  fail    the call is not made and fails, as if nothing had answered (transient)
 *          lost    it is made, and its answer is lost (transient)
 *          refuse  it is not made, and refused for ever (class user)
 *   /N     of every N calls the last one; every call when it is not given
 *
 * The empty text has no rules: calls are only logged, at level debug.
 */
#ifndef RUNNERS_TRACE_H
#define RUNNERS_TRACE_H

#include "runners/runner.h"

struct trace_rules;

/* Class user, InvalidRule, which quotes the rule and says what one looks like. */
int trace_rules_parse(const char *text, struct trace_rules **ret_rules, struct err *err);
/* NULL is fine. */
void trace_rules_free(struct trace_rules *rules);

/*
 * As inner->open, with a runner that wraps it: *ret_runner is what to call with *ret_backend, and
 * is gone after its close. The rules are borrowed, and count the calls of all backends opened on
 * them.
 */
int trace_open(const struct runner *inner, struct trace_rules *rules, const struct runner_env *env,
	const struct runner_settings *settings, const struct runner **ret_runner,
	void **ret_backend, struct err *err);

#endif

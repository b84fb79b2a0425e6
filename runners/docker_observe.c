#include "runners/docker_observe.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "doc/path.h"
#include "runners/docker_container.h"

#define MAX_ATTEMPT 1000
#define KIND "Container"

bool docker_must_inspect(const json_t *item)
{
	const char *state = doc_str_or(item, "State", "");

	return !str_eq(state, "running") && !str_eq(state, "paused") &&
	       !str_eq(state, "restarting");
}

/* A start that failed leaves its words. */
bool docker_is_unstarted(const json_t *inspected)
{
	return str_eq(doc_str(inspected, "State.Status"), "created") &&
	       !*doc_str_or(inspected, "State.Error", "");
}

const char *docker_label(const json_t *item, const char *name)
{
	return json_string_value(json_object_get(json_object_get(item, "Labels"), name));
}

/* RFC 3339 with nanoseconds; year 1 stands for never. */
static int64_t time_of(const json_t *object, const char *path)
{
	const char *text = doc_str_or(object, path, "");
	auto_free char *whole = xasprintf("%.19sZ", text);
	int64_t seconds;

	return !str_starts_with(text, "0001-") && time_parse_rfc3339(whole, &seconds) ? seconds : 0;
}

/* "exit code 1", and below it the end of the log. */
static char *words(const char *what, const char *log)
{
	return log && *log ? xasprintf("%s\n%s", what, log) : xstrdup(what);
}

static void tell_end(const json_t *inspected, const char *log, struct attempt *attempt)
{
	const char *error = doc_str_or(inspected, "State.Error", "");
	auto_free char *code = xasprintf("exit code %d", attempt->exit_code);

	if (str_eq(doc_str(inspected, "State.Status"), "created")) {
		attempt->phase = ATTEMPT_FAILED;
		attempt->reason = xstrdup("StartFailed");
		attempt->message = xstrdup(error);
	} else if (doc_bool_or(inspected, "State.OOMKilled", false)) {
		attempt->phase = ATTEMPT_FAILED;
		attempt->reason = xstrdup("OOMKilled");
		attempt->message = words("it took more memory than its limit", log);
	} else if (attempt->exit_code != 0 || *error) {
		attempt->phase = ATTEMPT_FAILED;
		attempt->reason = xstrdup("Error");
		attempt->message = words(*error ? error : code, log);
	} else {
		attempt->phase = ATTEMPT_SUCCEEDED;
	}
}

static int attempt_number(const json_t *item)
{
	const char *text = docker_label(item, DOCKER_LABEL_ATTEMPT);
	int64_t number;

	return text && str_to_int64(text, &number) && number >= 1 && number <= MAX_ATTEMPT
		       ? (int)number
		       : 0;
}

bool docker_observe(const struct runner_run *run, const json_t *item, const json_t *inspected,
	const char *log, struct attempts *attempts)
{
	const char *step = docker_label(item, DOCKER_LABEL_STEP);
	int index = step ? frozen_spec_step(run->spec, step) : -1, number = attempt_number(item);
	struct attempt *attempt;

	if (index < 0 || !number || !str_eq(docker_label(item, DOCKER_LABEL_UID), run->uid) ||
		(inspected && docker_is_unstarted(inspected)))
		return false;
	attempt = attempts_add(attempts);
	attempt->step = index;
	attempt->number = number;
	attempt->submit_s = doc_int_or(item, "Created", 0);
	attempt->start_s = inspected ? time_of(inspected, "State.StartedAt") : attempt->submit_s;
	attempt->external_kind = xstrdup(KIND);
	attempt->external_name = docker_container_name(run, step, number);
	attempt->phase = ATTEMPT_RUNNING;
	if (!inspected || doc_bool_or(inspected, "State.Running", false))
		return true;
	attempt->end_s = time_of(inspected, "State.FinishedAt");
	if (!attempt->end_s)
		attempt->end_s = run->now_s;
	attempt->exit_code = (int)doc_int_or(inspected, "State.ExitCode", -1);
	tell_end(inspected, log, attempt);
	return true;
}

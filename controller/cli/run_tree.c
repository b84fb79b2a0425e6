#include "cli/run_tree.h"

#include "base/time.h"

static void set_text(json_t *json, const char *name, const char *text)
{
	if (text)
		json_object_set_new(json, name, json_string(text));
}

static void set_time(json_t *json, const char *name, int64_t unix_s)
{
	char text[TIME_RFC3339_SIZE];

	if (unix_s)
		set_text(json, name, time_format_rfc3339(unix_s, text));
}

json_t *run_tree_step(const char *name, const struct step_state *step)
{
	json_t *json = json_pack("{s:s, s:s}", "name", name, "phase", step_phase_name(step->phase));

	set_time(json, "startTime", step->start_s);
	set_time(json, "completionTime", step->end_s);
	if (step->phase != STEP_SUCCEEDED) {
		set_text(json, "reason", step->reason);
		set_text(json, "message", step->message);
	}
	if (step->phase == STEP_FAILED && step->exit_code >= 0)
		json_object_set_new(json, "exitCode", json_integer(step->exit_code));
	if (step->external_kind && step->external_name)
		json_object_set_new(json, "external",
			json_pack("{s:s, s:s}", "kind", step->external_kind, "name",
				step->external_name));
	return json;
}

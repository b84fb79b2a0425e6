#include "runners/vertex_logs.h"

#include "base/mem.h"

#define FORMAT "--format 'value(jsonPayload.message, textPayload)'"

/* Projects, ids and numbers are of letters, digits, '-', '.' and ':': nothing a shell would read.
 */
static char *filter_of(const char *pipeline_job, const char *custom_job)
{
	if (custom_job)
		return xasprintf(
			"resource.type=\"ml_job\" AND resource.labels.job_id=\"%s\"", custom_job);
	return xasprintf("resource.type=\"aiplatform.googleapis.com/PipelineJob\" AND "
			 "resource.labels.pipeline_job_id=\"%s\"",
		pipeline_job);
}

char *vertex_logs_text(const struct runner_logs *logs, const char *project,
	const char *pipeline_job, const char *custom_job, const char *page)
{
	auto_free char *filter = filter_of(pipeline_job, custom_job);
	auto_free char *tail = logs->tail_lines
				       ? xasprintf(" | tail -n %lld", (long long)logs->tail_lines)
				       : xstrdup("");
	const char *what =
		custom_job ? "Cloud Logging has what it printed"
			   : "it has no machine yet; Cloud Logging has what the pipeline says";

	if (logs->follow)
		return xasprintf(
			"# %s; its page: %s\ngcloud beta logging tail '%s' --project %s " FORMAT
			"\n",
			what, page, filter, project);
	/* --order asc: the default looks back for a day only */
	return xasprintf(
		"# %s; its page: %s\ngcloud logging read '%s' --project %s --order asc " FORMAT
		"%s\n",
		what, page, filter, project, tail);
}

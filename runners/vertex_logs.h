/*
 * Where what a step on Vertex AI printed is to be read: Cloud Logging keeps it, and this program
 * has no client of that. Pure.
 * Sources: gcloud logging read and tail; Vertex AI "Monitored resource types" (ml_job,
 * aiplatform.googleapis.com/PipelineJob).
 */
#ifndef RUNNERS_VERTEX_LOGS_H
#define RUNNERS_VERTEX_LOGS_H

#include "runners/runner.h"

/*
 * Two lines: a comment with the page, and the gcloud command that prints the step's log, as `logs`
 * wants it (followed, its last lines). custom_job: the number of the step's job; NULL: it has none
 * yet, and the command is for what the pipeline itself logs. Owned.
 */
char *vertex_logs_text(const struct runner_logs *logs, const char *project,
	const char *pipeline_job, const char *custom_job, const char *page);

#endif

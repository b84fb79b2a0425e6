/*
 * What a processing job has printed: CloudWatch Logs keeps it, in one stream for each machine of
 * the job. The streams are read one after the other; of a job that goes on, the first is followed,
 * and the others that there were come after its end. Sources: the Amazon CloudWatch Logs API
 * reference (DescribeLogStreams, GetLogEvents: a page may be empty before the end, which is where
 * the token does not change any more); the Amazon SageMaker developer guide, "CloudWatch Logs for
 * Amazon SageMaker AI" (groups and streams).
 */
#ifndef RUNNERS_SAGEMAKER_LOGS_H
#define RUNNERS_SAGEMAKER_LOGS_H

#include "runners/sagemaker_server.h"

#define SAGEMAKER_LOG_GROUP "/aws/sagemaker/ProcessingJobs"

struct sagemaker_logs {
	/* --- set by the owner, the rest zero; borrowed until done --- */
	struct sagemaker_server *server;
	struct runner_logs *logs; /* tail_lines: of each machine, 10,000 at most */
	void (*done)(struct sagemaker_logs *reading); /* exactly once, from the loop */

	/* --- result, in done --- */
	struct err err; /* class none: all is told. NoLogs: nothing has been printed so far */

	/* --- private --- */
	char *job;
	json_t *streams; /* the job's */
	size_t stream;   /* the one that is read */
	char *token;     /* the next page's; NULL: the first */
	int empty;       /* pages in a row */
	bool ended;      /* the job has: what is there now is all that comes */
	struct sagemaker_call call;
	struct loop_timer timer;
};

/* job: name of the processing job. */
void sagemaker_logs_read(struct sagemaker_logs *reading, const char *job);
/* done will not run, if it has not. Harmless on a zeroed one. */
void sagemaker_logs_free(struct sagemaker_logs *reading);

#endif

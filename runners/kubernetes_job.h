/*
 * The Job of one attempt of one step: a pure function of (run, step, attempt, input). DESIGN.md
 * "What a container gets". The name is derived, so that creating it twice meets itself.
 */
#ifndef RUNNERS_KUBERNETES_JOB_H
#define RUNNERS_KUBERNETES_JOB_H

#include <jansson.h>
#include "runners/runner.h"

#define KUBERNETES_LABEL_PIPELINE "fondant.ai/pipeline"
#define KUBERNETES_LABEL_RUN "fondant.ai/run"
#define KUBERNETES_LABEL_STEP "fondant.ai/step"
#define KUBERNETES_ANNOTATION_ATTEMPT "fondant.ai/attempt"
#define KUBERNETES_ANNOTATION_INPUT \
	"fondant.ai/input" /* refs of the datasets it reads, by commas */
#define KUBERNETES_CONTAINER "main"
#define KUBERNETES_SECRET_VARIABLE "FONDANT_SECRET_" /* and a number: carries a secret argument */

/* Value of the run label: the name, or where that is over 63 bytes its first 54, "-" and 8 hex of
 * its SHA-256. Owned. */
char *kubernetes_run_label(const char *run_name);

/* "<run>-<step>" cut to 54 bytes, "-" and 8 hex of SHA-256(run UID, step, attempt): an RFC 1123
 * label. Owned. */
char *kubernetes_job_name(const char *run_name, const char *run_uid, const char *step, int attempt);

struct kubernetes_job {
	const struct runner_run *run; /* spec, namespace_, pipeline, name, uid, run_id, owner */
	int step;
	int attempt;
	const char *const *input_refs; /* of the datasets it reads, in the order of its `from` */
	int inputs_len;
	const char *operator_image; /* has fondant-merge; NULL: for a document that is only shown */
	bool run_as_non_root;
	/* FondantBackend.spec.kubernetes: its podTemplate wins over all others, but for what is the
	 * operator's own; with kueue the Job waits for its queue. NULL: none. */
	const json_t *settings;
};

/* The kubelet expands $(VAR) and turns $$ into $: doubled, every $ arrives as it is. Owned. */
char *kubernetes_escape_dollars(const char *s);

/* The batch/v1 Job to create; new reference. */
json_t *kubernetes_job_build(const struct kubernetes_job *what);

/* runner.compile: a v1 List of the Jobs of a run without retries and cache hits. */
void kubernetes_compile(
	const struct native_input *in, json_t **ret_native, struct diag_list *diags);

#endif

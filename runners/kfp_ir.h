/*
 * KFP's pipeline specification (IR, schema 2.1.0) of a run: what Kubeflow Pipelines and Vertex AI
 * read. A pure function of (frozen spec, run id): one task a step, ordered by what it really reads,
 * with KFP's own cache off, since the frozen cache keys decide. Paths and run id are constants, so
 * that no artifacts of KFP are needed.
 * Sources: kfp-argo.md section B; cloud-backends.md 2.2.
 */
#ifndef RUNNERS_KFP_IR_H
#define RUNNERS_KFP_IR_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include "compiler/diag.h"
#include "compiler/spec.h"
#include "runners/runner.h"

/* What tells the two backends apart. */
struct kfp_dialect {
	const char *title;               /* "Kubeflow Pipelines" */
	bool platform;                   /* has the platform document of Kubernetes */
	size_t container_max;            /* bytes of a container's JSON; 0: no limit */
	const char *container_limit_why; /* whose limit that is */
	double cpu_max, memory_max;      /* cores and bytes of a limit; 0: no limit */
	const char *const *accelerators; /* NULL-terminated names it takes; NULL: resource names */
	bool requests;                   /* resource requests have an effect */
};

/* Where a diagnostic belongs: "steps.<name>.<field>". */
struct kfp_step {
	const struct kfp_dialect *dialect;
	const struct frozen_spec *spec;
	const struct spec_step *step;
	struct diag_list *diags;
};

void kfp_refuse(struct kfp_step *at, const char *field, const char *reason, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* The most that an object of the cluster, and so a document, may take. */
#define KFP_DOCUMENT_MAX ((size_t)1000 << 10)

/* Key of the step's task: the name, or "fondant-<name>" where the engine or this rule has use for
 * the name itself. Two names never give one key. Owned. */
char *kfp_task_name(const char *step);
/* [a-z]([-a-z0-9]*[a-z0-9])?, at most 63 bytes; with 8 hex of the name's SHA-256 where it had to be
 * changed. Owned. */
char *kfp_pipeline_name(const char *pipeline);

/*
 * Appends errors to diags. ret_platform: the second document, or NULL where nothing needs it; it
 * may be NULL itself for a dialect without. New references, always set.
 */
void kfp_ir_build(const struct native_input *in, const struct kfp_dialect *dialect,
	json_t **ret_pipeline, json_t **ret_platform, struct diag_list *diags);
/* SpecTooLarge, naming the largest step, when the documents together pass the limit. */
void kfp_check_size(const struct frozen_spec *spec, const json_t *pipeline, const json_t *platform,
	struct diag_list *diags);

#endif

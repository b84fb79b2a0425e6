/*
 * What a FondantBackend of the kind vertex adds to every job: whom it runs as, in which network and
 * address ranges, by which key it is encrypted, its labels and its root. Pure.
 * Sources: cloud-backends.md 2.1 (PipelineJob); Google Cloud's rules of labels.
 */
#ifndef RUNNERS_VERTEX_SETTINGS_H
#define RUNNERS_VERTEX_SETTINGS_H

#include <jansson.h>
#include <stdbool.h>
#include "compiler/diag.h"

#define VERTEX_LABEL_MAX_LEN 63 /* of a key or a value */
#define VERTEX_LABELS_MAX 64

/* Findings at "vertex.<field>"; settings: FondantBackend.spec.vertex. The CRD says the same, but
 * not every file comes through a cluster. */
void vertex_settings_check(const json_t *settings, struct diag_list *diags);

/*
 * Puts them where the job does not say it itself: what another tool compiled keeps what it has.
 * own_root: the job's gcsOutputDirectory is its own word, not our default, so that pipelineRoot is
 * not put in its place. Labels of the job win. Findings, at "backendRef": settings that are wrong,
 * no root at all, too many labels. settings NULL: nothing is done.
 */
void vertex_settings_apply(
	const json_t *settings, bool own_root, json_t *job, struct diag_list *diags);

/* Keys and values by Google's rules; findings at path. NULL is fine. */
void vertex_labels_check(const json_t *labels, const char *path, struct diag_list *diags);

/* <name>@<project>.iam.gserviceaccount.com, or one that Google itself made. */
bool vertex_is_account(const char *text);

#endif

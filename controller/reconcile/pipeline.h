/*
 * Decisions about one FondantPipeline, as a pure function of what is there: freeze it, trigger a
 * run, say how it stands, prune what is over its limits. API.md "Triggers", "Status".
 *
 * What has been triggered is remembered twice: in status.triggered and in an annotation of the
 * frozen ConfigMap, so that neither a lost status nor a deleted run starts anything again. Order
 * of the writes of one trigger, each safe to repeat: ConfigMap, run, memory in the ConfigMap
 * (with the run as a further owner), status.
 */
#ifndef RECONCILE_PIPELINE_H
#define RECONCILE_PIPELINE_H

#include <stdbool.h>
#include "compiler/compile.h"
#include "reconcile/plan.h"

struct pipeline_settings {
	bool implicit_backend;       /* Jobs in the run's namespace without a FondantBackend */
	const char *compiler_format; /* NULL: this program's; tests raise it */
};

struct pipeline_view {
	const json_t *pipeline;
	const json_t *runs;       /* array: FondantRuns of this pipeline */
	const json_t *frozen;     /* array: its frozen ConfigMaps, metadata only */
	const json_t *components; /* object: name -> spec, of the namespace */
	const json_t *sources;    /* as in compile_input; NULL: not gathered */
	const json_t *digests;    /* likewise */
	const json_t *backends;   /* object: name -> FondantBackend that it may be for */
	const struct pipeline_settings *settings;
	int64_t now_s;
};

/* This pass freezes: what compiling needs from outside is wanted. */
bool pipeline_freezes(const struct pipeline_view *view);
/* As far as is known without digests the pipeline can be frozen: else no registry need be asked. */
bool pipeline_compiles(const struct pipeline_view *view);

void pipeline_reconcile(const struct pipeline_view *view, struct plan *plan);

#endif

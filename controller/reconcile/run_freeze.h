/*
 * The spec of a run with parameters or a backend of its own (API.md "FondantRun"): compiled from
 * its pipeline as it stands, with components, images and sources of the pipeline's frozen spec. It
 * lies in a ConfigMap named as a pipeline's, owned by the runs that use it; a pipeline or another
 * run may have made it already, for the same input gives the same bytes.
 */
#ifndef RECONCILE_RUN_FREEZE_H
#define RECONCILE_RUN_FREEZE_H

#include "reconcile/pipeline.h"
#include "reconcile/run.h"

struct run_freeze {
	const struct run_view *view;
	const json_t *pinned;    /* the pipeline's frozen spec */
	const char *pinned_name; /* and the ConfigMap it lies in */
	const json_t *frozen;    /* array: frozen ConfigMaps of the pipeline, metadata only */
	const json_t *backends;  /* object: name -> FondantBackend that it may be for */
	const struct pipeline_settings *settings;
};

/* Adds the writes: the ConfigMap, or the run as another owner of it; then the pin. What cannot be
 * compiled fails the run, with every error. */
void run_freeze(const struct run_freeze *freeze, struct plan *plan);

#endif

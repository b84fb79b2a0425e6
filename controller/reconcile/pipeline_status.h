/* The status of a FondantPipeline from what a pass found (API.md "Status"; kstatus conditions). */
#ifndef RECONCILE_PIPELINE_STATUS_H
#define RECONCILE_PIPELINE_STATUS_H

#include "base/vec.h"
#include "compiler/compile.h"
#include "reconcile/plan.h"

struct pipeline_findings {
	const json_t *pipeline;
	const json_t *runs;
	const struct compile_output *out;      /* NULL: not compiled in this pass */
	const char *frozen_name, *frozen_hash; /* NULL: it could not be frozen */
	bool outdated;
	const json_t *digests;        /* as in compile_input; NULL: nobody was asked */
	const struct strvec *missing; /* parameters without a default: every run must give them */
	const json_t *memory;         /* status.triggered; NULL: nothing */
	const char *waits_for;        /* run that the next trigger waits for; NULL: none */
	int64_t now_s;
};

/* Adds the status write, when there is a difference, and the Event of an invalid spec. */
void pipeline_status(const struct pipeline_findings *findings, struct plan *plan);

#endif

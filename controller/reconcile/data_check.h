/*
 * Whether manifests are where they should be, by HEAD requests to the object store, where the
 * operator may look into it: the working directory is s3:// and it was started with
 * --ambient-credentials. One for each run; every answer is remembered as long as the run goes on.
 * An answer that is none (an error, no right, no time) makes the data not visible, and is logged
 * once a run.
 */
#ifndef RECONCILE_DATA_CHECK_H
#define RECONCILE_DATA_CHECK_H

#include "base/map.h"
#include "compiler/spec.h"
#include "net/s3.h"
#include "runners/runner.h"

struct data_probes {
	struct data_check check; /* pass &probes->check to a runner */

	/* --- private --- */
	struct s3_client *s3;
	const char *working_directory, *dataset;
	struct map probes; /* ref -> struct data_probe */
	bool logged;
	void (*answered)(void *arg);
	void *arg;
};

/* spec is borrowed; answered(arg) runs from the loop, for each answer. False, and nothing to clear,
 * where the data is not visible. */
bool data_probes_init(struct data_probes *probes, struct s3_client *s3,
	const struct frozen_spec *spec, void (*answered)(void *arg), void *arg);
/* Gives up what is under way; {0} is fine. */
void data_probes_clear(struct data_probes *probes);

#endif

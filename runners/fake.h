/*
 * Runner `fake`: no engine at all. Steps are entries of a table in this process, which outlives the
 * backends that are opened on it, and end as a script says: what the reconciler is tested on. No
 * FondantBackend of a real cluster can name it.
 *
 * FondantBackend.spec.fake:
 *   looks: 2          a step runs until it has been observed so often; 1 when not given
 *   steps:
 *     <name>:
 *       exitCode: 3   what it ends with; 0 when not given
 *       message: no such column
 *       attempts: 1   the first so many attempts end so, later ones well; all when not given
 *       hangs: true   it ends when it is stopped
 */
#ifndef RUNNERS_FAKE_H
#define RUNNERS_FAKE_H

#include "runners/runner.h"

/* How often an attempt was created: 1, unless it was submitted twice or never. */
int fake_created(const char *run_uid, const char *step, int attempt);
/* Attempts that are there, of all runs; and those of them that have not ended. */
int fake_attempts(void);
int fake_running(void);
/* Forgets everything: between two tests. */
void fake_forget(void);

#endif

/*
 * What a container gets: a pure function of (frozen spec, step, run). Contract:
 * reference/fondant-contract.md section 5; DESIGN.md "What a container gets". Values are the
 * ones the program must see: a backend that expands `$` escapes on its own.
 */
#ifndef COMPILER_ARGV_H
#define COMPILER_ARGV_H

#include "base/vec.h"
#include "compiler/spec.h"

/* "<run id>" for attempt 1, "<run id>-a<n>" after it. Owned by the caller. */
char *argv_attempt_run_id(const char *run_id, int attempt);
/* "<workingDirectory>/<datasetName>/<run id of the attempt>/<step>/manifest.json". Owned. */
char *argv_manifest_path(
	const struct frozen_spec *spec, const char *step, const char *run_id, int attempt);

/* What the user wrote into env or fromManifest, with the values of the run that the spec is bound
 * to and with $$( as $(; owned, a new reference. */
json_t *argv_expand(const struct frozen_spec *spec, const json_t *value);
char *argv_expand_text(const struct frozen_spec *spec, const char *text);

/*
 * command: the image's contract entrypoint ("fondant", "execute", "main"); args: two-token flags.
 * Secret arguments are not among them: a backend adds them its own way. Unbound, $(run.x) stays.
 * input_manifest: path, or NULL for a step that reads none. Both vectors are appended to.
 */
void argv_build(const struct frozen_spec *spec, const struct spec_step *step, const char *run_id,
	int attempt, const char *input_manifest, struct strvec *ret_command,
	struct strvec *ret_args);

#endif

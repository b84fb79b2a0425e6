/*
 * Reading a frozen spec: the one view that runners and the reconciler share. Owns the parsed tree.
 */
#ifndef COMPILER_SPEC_H
#define COMPILER_SPEC_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/digest.h"
#include "base/err.h"

enum cache_policy { CACHE_USE, CACHE_REFRESH, CACHE_NEVER };

struct spec_retry {
	int limit;                         /* further attempts after the first */
	bool on_error, on_oom, on_timeout; /* `on`; all three when it is not given */
	int64_t initial_s, max_s;
	double factor;
};

struct spec_step {
	const char *name;      /* borrowed from the tree, as all strings here */
	const char *image;     /* digest reference where resolved, else the tag */
	const char *cache_key; /* 64 hex; NULL until frozen_spec_bind where it waits for the run */
	const char *cache_key_template; /* 64 hex; NULL: the key is complete */
	char *bound_key;                /* owned; what cache_key points to after binding */
	json_t *json;                   /* the whole step, borrowed */
	int *from;                      /* indexes of the steps whose dataset it reads */
	int from_len;
	int *needs; /* from and dependsOn together, without duplicates */
	int needs_len;
	const char *from_manifest;      /* URI of the manifest it reads, as written; NULL: none */
	const json_t *python;           /* {"source", "requirements"}; NULL: not a Python step */
	const json_t *secret_arguments; /* name -> {"secretKeyRef": {name, key}}; NULL: none */
	bool loader;                    /* consumes no dataset */
	bool sink;                      /* nobody reads it: owes no manifest */
	bool cacheable;                 /* false on `latest` or no tag */
	enum cache_policy cache;
	int64_t cache_max_age_s;   /* 0: no limit */
	int64_t timeout_s;         /* of one attempt; 0: none */
	int64_t pending_timeout_s; /* 0: none */
	struct spec_retry retry;
};

struct frozen_spec {
	json_t *json; /* owned */
	const char *pipeline, *namespace_, *dataset_name, *working_directory, *backend, *compiler;
	/*
	 * A document that another tool compiled, instead of steps: {"document", "format"}; NULL:
	 * the spec has steps. There is no dataset then, and datasetName and workingDirectory are
	 * "".
	 */
	const json_t *native;
	struct spec_step *steps; /* topological order */
	int steps_len;
	bool fail_fast;
	int max_parallel;  /* 0: no limit */
	int64_t timeout_s; /* of the whole run; 0: none */
	/* From frozen_spec_bind. */
	char *run_name; /* owned; NULL: not bound */
	int64_t scheduled_s;
};

/* Class user, reason SpecLost, when the text is not a frozen spec. */
int frozen_spec_parse(const char *text, size_t len, struct frozen_spec **ret_spec, struct err *err);
/*
 * Says which run this is: $(run.name), and $(run.scheduledTime) (RFC 3339, UTC) and
 * $(run.scheduledDate) (YYYY-MM-DD) of scheduled_s, Unix seconds. Completes the cache keys that
 * wait for it: SHA-256 of the template, the values that the step uses and the keys of what it
 * reads. Must come before argv_build; may be called again with other values.
 */
void frozen_spec_bind(struct frozen_spec *spec, const char *run_name, int64_t scheduled_s);
/* The first parameter without a value, NULL when every one has its own: it cannot run as it is. */
const char *frozen_spec_missing_parameter(const struct frozen_spec *spec);
/* SHA-256 of its text, which is canonical; made anew each time. Returns out. */
const char *frozen_spec_hash(const struct frozen_spec *spec, char out[DIGEST_HEX_SIZE]);
/* NULL is fine. */
void frozen_spec_free(struct frozen_spec *spec);
/* -1 when there is none. */
int frozen_spec_step(const struct frozen_spec *spec, const char *name);

#endif

/*
 * Reading a frozen spec: the one view that runners and the reconciler share. Owns the parsed tree.
 */
#ifndef COMPILER_SPEC_H
#define COMPILER_SPEC_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
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
	const char *cache_key; /* 64 hex */
	json_t *json;          /* the whole step, borrowed */
	int *from;             /* indexes of the steps whose dataset it reads */
	int from_len;
	int *needs; /* from and dependsOn together, without duplicates */
	int needs_len;
	bool loader;    /* consumes no dataset */
	bool sink;      /* nobody reads it: owes no manifest */
	bool cacheable; /* false on `latest` or no tag */
	enum cache_policy cache;
	int64_t cache_max_age_s;   /* 0: no limit */
	int64_t timeout_s;         /* of one attempt; 0: none */
	int64_t pending_timeout_s; /* 0: none */
	struct spec_retry retry;
};

struct frozen_spec {
	json_t *json; /* owned */
	const char *pipeline, *namespace_, *dataset_name, *working_directory, *backend, *compiler;
	struct spec_step *steps; /* topological order */
	int steps_len;
	bool fail_fast;
	int max_parallel;  /* 0: no limit */
	int64_t timeout_s; /* of the whole run; 0: none */
};

/* Class user, reason SpecLost, when the text is not a frozen spec. */
int frozen_spec_parse(const char *text, size_t len, struct frozen_spec **ret_spec, struct err *err);
/* NULL is fine. */
void frozen_spec_free(struct frozen_spec *spec);
/* -1 when there is none. */
int frozen_spec_step(const struct frozen_spec *spec, const char *name);

#endif

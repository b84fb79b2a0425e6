/*
 * The compiler: FondantPipeline.spec -> frozen spec. Pure: no file descriptor, clock, environment,
 * locale or global; the same input gives the same bytes. It validates everything, reports all
 * errors at once with paths, else yields the frozen spec of API.md "The frozen spec".
 */
#ifndef COMPILER_COMPILE_H
#define COMPILER_COMPILE_H

#include <jansson.h>
#include <stdint.h>
#include "base/digest.h"
#include "compiler/diag.h"

/* Version of the frozen format; raised when the same input would give other bytes. */
#define COMPILER_FORMAT "1"

/* What a backend can honour; a setting outside is a diagnostic with its path. */
enum backend_feature {
	BACKEND_RESOURCES = 1 << 0,    /* requests and limits */
	BACKEND_POD_TEMPLATE = 1 << 1, /* podTemplate, env, serviceAccountName */
	BACKEND_RETRY = 1 << 2,
	BACKEND_TIMEOUT = 1 << 3,     /* timeout, pendingTimeout */
	BACKEND_LOCAL_PATHS = 1 << 4, /* working directory on a mounted volume */
	BACKEND_ACCELERATOR = 1 << 5,
	BACKEND_INSTANCE_TYPE = 1 << 6,
	BACKEND_PARALLEL_LIMIT = 1 << 7, /* maxParallelSteps, failurePolicy */
	BACKEND_SECRET_ARGUMENTS = 1 << 8,
};

struct compile_input {
	const char *namespace_;
	const char *pipeline;          /* metadata.name */
	const json_t *spec;            /* FondantPipeline.spec; borrowed */
	const json_t *components;      /* object: FondantComponent name -> its spec; borrowed */
	const char *backend;           /* "kubernetes" */
	unsigned features;             /* enum backend_feature bits */
	const char *working_directory; /* the backend's default; NULL: none */
	const char *compiler_format;   /* NULL: COMPILER_FORMAT; tests raise it */
};

struct compile_output {
	json_t *frozen; /* NULL when there are errors */
	char *text;     /* canonical JSON of frozen: ConfigMap key spec.json */
	size_t text_len;
	char hash[DIGEST_HEX_SIZE]; /* SHA-256 of text, hexadecimal */
	int unresolved_images;
	int steps;
	struct diag_list diags;
};

/* Text over this is SpecTooLarge, naming the largest part (ConfigMap data limit, with room for
 * metadata). */
#define COMPILE_MAX_TEXT ((size_t)1000 << 10)

/* 0 with frozen set, or 1 when diags holds errors or waits. Fills *ret_output either way; the
 * caller frees it with compile_output_clear. */
int compile_pipeline(const struct compile_input *input, struct compile_output *ret_output);
void compile_output_clear(struct compile_output *output);

/*
 * Hash of the user's intent (API.md "Triggers"): the canonical spec without description,
 * history limits, suspend and triggers (of parameters without their descriptions). Independent
 * of COMPILER_FORMAT: an operator upgrade never changes it.
 */
void compile_intent_hash(const json_t *spec, char out[DIGEST_HEX_SIZE]);

/* Names of the FondantComponents that the spec refers to, sorted, without duplicates. */
struct strvec;
void compile_component_refs(const json_t *spec, struct strvec *ret_names);

#endif

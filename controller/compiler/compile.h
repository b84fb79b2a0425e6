/*
 * The compiler: FondantPipeline.spec -> frozen spec. Pure: no file descriptor, clock, environment,
 * locale or global; the same input gives the same bytes. It validates everything, reports all
 * errors at once with paths, else yields the frozen spec of API.md "The frozen spec".
 */
#ifndef COMPILER_COMPILE_H
#define COMPILER_COMPILE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/digest.h"
#include "compiler/diag.h"

/* Version of the frozen format; raised when the same input would give other bytes. */
#define COMPILER_FORMAT "2"

/* What a backend can honour; a setting outside is a diagnostic with its path. */
enum backend_feature {
	BACKEND_RESOURCES = 1 << 0,    /* requests and limits */
	BACKEND_POD_TEMPLATE = 1 << 1, /* podTemplate, serviceAccountName */
	BACKEND_RETRY = 1 << 2,
	BACKEND_TIMEOUT = 1 << 3,     /* timeout, pendingTimeout */
	BACKEND_LOCAL_PATHS = 1 << 4, /* working directory on a mounted volume */
	BACKEND_ACCELERATOR = 1 << 5,
	BACKEND_INSTANCE_TYPE = 1 << 6,
	BACKEND_PARALLEL_LIMIT = 1 << 7, /* maxParallelSteps, failurePolicy */
	BACKEND_SECRET_ARGUMENTS = 1 << 8,
	BACKEND_JOINS = 1 << 9,               /* several steps in from */
	BACKEND_PYTHON = 1 << 10,             /* component.python */
	BACKEND_ACCELERATOR_MODELS = 1 << 11, /* accelerator.type is a model: NVIDIA_L4 */
	BACKEND_ENV = 1 << 12,
	BACKEND_FOLDERS = 1 << 13, /* component folders of the machine that compiles */
};

struct compile_input {
	const char *namespace_;
	const char *pipeline;          /* metadata.name */
	const json_t *spec;            /* FondantPipeline.spec; borrowed */
	const json_t *components;      /* object: FondantComponent name -> its spec; borrowed */
	const char *backend;           /* "kubernetes" */
	unsigned features;             /* enum backend_feature bits */
	const char *working_directory; /* the backend's default; NULL: none */
	/* All borrowed, and NULL where there is nothing to say. */
	const json_t *sources; /* "<ConfigMap>/<key>" -> text, of every configMapKeyRef; an
				  object {"error": why} where what is there cannot be used */
	/* Object: name -> component file, of the component folders of this machine; {"error": why}
	 * where it cannot be said which. A `ref` means the folder where the backend has
	 * BACKEND_FOLDERS; else one that is nothing more is not found, and that is said. */
	const json_t *folders;
	const json_t
		*built;           /* object: name of a folder -> id of its image, "sha256:<64 hex>",
				     which      stands in place of the image that the component file names */
	const json_t *digests;    /* image as written -> "repository@sha256:..."; an object
				     {"error": why} where it could not be had; not there: not asked */
	const json_t *parameters; /* array of {name, value}: those of a run, over the defaults;
				     paths of what is wrong with them begin with "FondantRun: " */
	const json_t *pinned;     /* a frozen spec: a step of the same name keeps its component and
				     image (API.md "FondantRun": parameters) */
	const char *compiler_format; /* NULL: COMPILER_FORMAT; tests raise it */
	bool text_only;              /* output.frozen stays NULL: text and hash are enough */
	/* 0: what the CRD and a ConfigMap hold, COMPILE_MAX_STEPS and COMPILE_MAX_TEXT. */
	int max_steps;
	size_t max_text;
};

struct compile_output {
	json_t *frozen; /* text as a tree; NULL when there are errors, or with text_only */
	char *text;     /* canonical JSON, ConfigMap key spec.json; NULL when there are errors */
	size_t text_len;
	char hash[DIGEST_HEX_SIZE]; /* SHA-256 of text, hexadecimal */
	int unresolved_images;
	int steps;
	struct diag_list diags;
};

/* Text over this is SpecTooLarge, naming the largest part (ConfigMap data limit, with room for
 * metadata). */
#define COMPILE_MAX_TEXT ((size_t)1000 << 10)
#define COMPILE_MAX_STEPS 200

/* 0 with text set, or 1 when diags holds errors or waits. Fills *ret_output either way; the
 * caller frees it with compile_output_clear. */
int compile_pipeline(const struct compile_input *input, struct compile_output *ret_output);
void compile_output_clear(struct compile_output *output);

/*
 * Hash of the user's intent (API.md "Triggers"): the canonical spec without description,
 * history limits, deletionPolicy, suspend and triggers (of parameters without their descriptions).
 * Independent of COMPILER_FORMAT: an operator upgrade never changes it.
 */
void compile_intent_hash(const json_t *spec, char out[DIGEST_HEX_SIZE]);

/* What compiling needs from outside, each sorted and without duplicates: names of
 * FondantComponents;
 * "<ConfigMap>/<key>" of Python sources and of a native document; images as written (components: as
 * in compile_input). */
struct strvec;
void compile_component_refs(const json_t *spec, struct strvec *ret_names);
void compile_source_refs(const json_t *spec, struct strvec *ret_refs);
void compile_image_refs(const json_t *spec, const json_t *components, struct strvec *ret_images);

#endif

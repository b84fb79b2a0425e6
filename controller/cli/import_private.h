/* What the two readers of documents and the writer of pipelines share; private to import_*.c. */
#ifndef CLI_IMPORT_PRIVATE_H
#define CLI_IMPORT_PRIVATE_H

#include "base/map.h"
#include "base/vec.h"
#include "cli/import_pipeline.h"
#include "compiler/check.h"

#define IMPORT_MAX_FLAGS 600

/* One argument of a container: --name value. */
struct import_flag {
	char *name;    /* without the dashes; owned */
	json_t *value; /* owned */
	char *place;   /* owned */
	bool typed;    /* the value is JSON as it is; else the text of one token */
};

struct import_step {
	const char *key;          /* its key in the document; borrowed */
	char *place;              /* owned */
	const json_t *entrypoint; /* borrowed; NULL: not said */
	char *entrypoint_place;   /* owned */
	const char *image;        /* borrowed; NULL: not said */
	struct import_flag *flags;
	size_t flags_len;
	struct strvec after; /* keys of the steps it waits for, as the document says */
	json_t *settings;    /* of the step in the pipeline: accelerator, resources, ...; owned */
	/* Worked out by import_write. */
	char *name;                   /* owned */
	json_t *operation, *metadata; /* owned */
	const char *output, *input;   /* manifests; borrowed from the flags, NULL: none */
	int from;                     /* index of the step that writes `input`; -1: none */
	json_t *json;                 /* the step of the pipeline; owned */
	int visit;                    /* 0 not seen, 1 on the way, 2 done */
};

struct import {
	struct check c;
	const struct import_options *options;
	const char *title;       /* the pipeline's name in the document; borrowed, NULL: none */
	const char *description; /* borrowed, NULL: none */
	json_t *pod_template;    /* of the pipeline; owned, NULL: none */
	struct import_step *steps;
	size_t steps_len;
	struct map by_key, by_output;      /* -> struct import_step * */
	struct map names;                  /* label -> struct import_step * */
	char *working_directory, *dataset; /* owned */
	json_t *list;                      /* steps in that order; owned */
};

void import_init(struct import *im, const struct import_options *options, struct diag_list *diags,
	size_t steps);
void import_clear(struct import *im);
/* Takes value. At the current place. */
void import_add_flag(
	struct import *im, struct import_step *s, const char *name, json_t *value, bool typed);
const struct import_flag *import_find_flag(const struct import_step *s, const char *name);
/* The whole, from the steps as they were read. 0 or 1 as import_compose. */
int import_write(struct import *im, json_t **ret_pipeline);

/* At the current place. */
void import_warn(struct import *im, const char *reason, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* A warning for each key of the object that is not in the NULL-terminated list. */
void import_known_keys(struct import *im, const json_t *object, const char *const *known);
/* An object; NULL and an error when it is there but another thing. */
const json_t *import_object(struct import *im, const json_t *parent, const char *key);

/* The arguments of the step into its `arguments`; may change defaults in args, the component's own
 * map, where an argument was given as None. */
void import_arguments(struct import *im, struct import_step *s, json_t *args);
/* Reals without a fraction as integers, at any depth; new reference. */
json_t *import_whole_numbers(const json_t *value);
/* Every $( as $$(: the text itself, not a reference; strings at any depth; new reference. */
json_t *import_escape(const json_t *value);

#endif

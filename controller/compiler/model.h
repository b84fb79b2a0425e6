/*
 * What the compiler knows while it works: the components and steps of one pipeline, by index in
 * the order the user wrote them. Everything hangs off struct compiler and dies with it.
 */
#ifndef COMPILER_MODEL_H
#define COMPILER_MODEL_H

#include <jansson.h>
#include <stdbool.h>
#include "base/buf.h"
#include "base/digest.h"
#include "base/map.h"
#include "compiler/check.h"
#include "compiler/compile.h"
#include "compiler/dataset.h"

struct component_info {
	json_t *normal;              /* component_normalize; owned */
	json_t *consumes, *produces; /* field -> type in normal form; owned, maybe empty */
	bool generic_in, generic_out;
	bool loader;      /* declares no consumes */
	bool writer;      /* leaves no dataset: generic in, nothing out, tagged so */
	bool renews;      /* previous_index: earlier fields are gone */
	json_t *key_args; /* the args that count for cache keys; NULL: all of normal; owned */
	/* From cachekey_component, when a step is known to use it. */
	char *text; /* canonical, of normal; not terminated; owned */
	size_t text_len;
	const char *key_part; /* what of it counts for cache keys; in the memory of text */
	size_t key_part_len;
	size_t prose; /* bytes of what does not count */
};

/* The members of a step; validate.c has the table of what they may be. */
enum step_member {
	STEP_NAME,
	STEP_COMPONENT,
	STEP_FROM,
	STEP_DEPENDS_ON,
	STEP_FROM_MANIFEST,
	STEP_ARGUMENTS,
	STEP_SECRET_ARGUMENTS,
	STEP_CONSUMES,
	STEP_PRODUCES,
	STEP_INPUT_PARTITION_ROWS,
	STEP_ENV,
	STEP_RESOURCES,
	STEP_ACCELERATOR,
	STEP_INSTANCE_TYPE,
	STEP_RETRY,
	STEP_TIMEOUT,
	STEP_PENDING_TIMEOUT,
	STEP_CACHE,
	STEP_POD_TEMPLATE,
	STEP_MEMBERS,
};

struct step_model {
	const json_t *json;          /* borrowed */
	json_t *given[STEP_MEMBERS]; /* its members, NULL: not given, or null; borrowed */
	const char *name;            /* borrowed; NULL when it is not usable */
	int index;
	struct component_info *component; /* NULL: not known, so nothing more is said about it */
	bool owns_component;              /* an inline one */
	int *from, from_len;              /* indexes; owned */
	int *after, after_len;            /* dependsOn; owned */
	bool read;                        /* some step reads it */
	bool graph_ok;                    /* all its edges are known */
	/* From validate.c: what the user gave with $(parameters.x) replaced; `$(run.x)` and `$$(`
	 * stay as written. Owned; NULL: not given (arguments: {}). */
	json_t *arguments, *env, *secret_arguments;
	char *from_manifest;
	bool uses_run;  /* one of them names $(run.x) */
	json_t *python; /* {"source", "requirements"} of component.python; owned, NULL */
	char *image;    /* by digest where it is known, else as written; owned */
	/* From mapping.h, in topological order. */
	struct dataset *input;  /* what it reads; NULL: nothing, or not known */
	struct dataset *schema; /* the dataset after it; NULL: not known */
	bool owns_input, owns_schema;
	struct fields took, made; /* what it takes from its manifest (fromManifest), and makes */
	bool reads_all;           /* the executor gets every field of input; op_consumes is NULL */
	json_t *op_consumes, *op_produces; /* what the executor gets */
	json_t *declare_in, *declare_out;  /* fields its specification must add; NULL: none */
	json_t *takes, *writes;            /* dataset field -> type, of took and made; NULL: none */
	bool key_waits; /* it or a step it reads uses_run: the key is complete when the run starts
			 */
	char key[DIGEST_HEX_SIZE];
	size_t size; /* about what the executor is told, in bytes; with key */
};

struct compiler {
	struct check c;
	const struct compile_input *in;
	struct step_model *steps;
	int steps_len;
	struct map by_name; /* name -> struct step_model * */
	struct map by_ref;  /* FondantComponent -> struct component_info *, NULL value: unusable */
	struct map by_catalog; /* "<name> <version>" -> struct component_info * */
	struct map unresolved; /* images that wait for their digest, said already */
	size_t source_bytes;   /* of all Python sources so far */
	int *order;            /* topological, ties by name; complete only without a cycle */
	int order_len;
	bool explicit_graph; /* some step says from, dependsOn or fromManifest */
	const char *dataset_name;
	char *working_directory; /* normalised; owned */
	json_t *native;          /* {"document", "format"}: stands for steps; NULL; owned */
	json_t *parameters;      /* name -> value of this freeze; null: a run must give it; owned */
	struct refs *refs;       /* of the parameters; while validate_spec runs */
	struct buf scratch;      /* to write canonical text in before its length is known */
	json_t *empty;           /* {}, shared by all that have nothing to say; owned */
};

/* The string under the key of a step, or NULL. */
const char *model_string(const json_t *object, const char *key);
/* Go to spec.steps[index]; where_back with the result. */
size_t model_at_step(struct compiler *m, const struct step_model *s);

/* What the compiler knows of a component file; NULL when it has errors, which are added below the
 * current place. Freed with model_component_free. */
struct component_info *model_examine(struct compiler *m, const json_t *component);
/* NULL is fine. */
void model_component_free(struct component_info *info);

/* The component of a step, from whichever of ref, catalog, spec and python it says, or from what is
 * pinned; and its image. Findings once each. */
void model_resolve_component(struct compiler *m, struct step_model *s);
void model_clear(struct compiler *m);

#endif

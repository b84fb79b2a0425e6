/*
 * What the compiler knows while it works: the components and steps of one pipeline, by index in
 * the order the user wrote them. Everything hangs off struct compiler and dies with it.
 */
#ifndef COMPILER_MODEL_H
#define COMPILER_MODEL_H

#include <jansson.h>
#include <stdbool.h>
#include "base/digest.h"
#include "base/map.h"
#include "compiler/check.h"
#include "compiler/compile.h"

struct component_info {
	json_t *normal;              /* component_normalize; owned */
	json_t *consumes, *produces; /* field -> type in normal form; owned, maybe empty */
	bool generic_in, generic_out;
	bool loader;    /* declares no consumes */
	bool writer;    /* leaves no dataset: generic in, nothing out, tagged so */
	bool renews;    /* previous_index: earlier fields are gone */
	char *key_part; /* what of it counts for cache keys; made on demand, owned */
	size_t prose;   /* bytes of what does not count; with key_part */
};

struct step_model {
	const json_t *json; /* borrowed */
	const char *name;   /* borrowed; NULL when it is not usable */
	int index;
	struct component_info *component; /* NULL: not known, so nothing more is said about it */
	bool owns_component;              /* an inline one */
	int *from, from_len;              /* indexes; owned */
	int *after, after_len;            /* dependsOn; owned */
	bool read;                        /* some step reads it */
	bool graph_ok;                    /* all its edges are known */
	/* From mapping.h, in topological order. */
	json_t *schema;                    /* fields of the dataset after it; NULL: not known */
	json_t *op_consumes, *op_produces; /* what the executor gets */
	json_t *declare_in, *declare_out;  /* fields its specification must add; NULL: none */
	json_t *writes;                    /* dataset field -> type that this step makes */
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
	int *order;         /* topological, ties by name; complete only without a cycle */
	int order_len;
	bool explicit_graph; /* some step says from, dependsOn or fromManifest */
	const char *dataset_name;
	char *working_directory; /* normalised; owned */
	json_t *empty;           /* {}, shared by all that have nothing to say; owned */
};

/* The string under the key of a step, or NULL. */
const char *model_string(const json_t *object, const char *key);
/* Go to spec.steps[index]; where_back with the result. */
size_t model_at_step(struct compiler *m, const struct step_model *s);

/* The component of a step, from its inline spec or a FondantComponent; findings once each. */
void model_resolve_component(struct compiler *m, struct step_model *s);
void model_clear(struct compiler *m);

#endif

/*
 * The operation spec: what a step's component consumes and produces, in the names and types of the
 * dataset. Follows OperationSpec and Type of the framework 0.12.1, their order of keys included.
 */
#ifndef PROBE_OPERATION_H
#define PROBE_OPERATION_H

#include <jansson.h>
#include <stdbool.h>

struct operation {
	json_t *spec;                /* owned, as it was given */
	const json_t *specification; /* borrowed from spec */
	char *component;             /* owned: the folder's name, as the executor derives it */
	json_t *consumes;            /* owned: dataset field -> type, in normal form */
	json_t *produces;            /* likewise */
	bool replaces_index;         /* previous_index is set: earlier fields are dropped */
};

/* Steals `spec`. Ends the process with code 2 where it is not of the shape the framework takes. */
void operation_init(struct operation *operation, json_t *spec);
void operation_clear(struct operation *operation);

/* Whether the component file says that it reads a dataset. */
bool operation_consumes_anything(const struct operation *operation);

/* Whether the component file bears the tag of the framework's own writers. */
bool operation_is_writer(const struct operation *operation);

/*
 * A type as Type.from_dict and then to_dict make it; the caller owns it. NULL where the framework
 * would refuse it.
 */
json_t *type_normal_new(const json_t *schema);

#endif

/* Ways of printing what a command found. */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include "base/vec.h"

/* "json": indented, for people and jq alike; "yaml". */
void output_tree(const json_t *json, const char *format, FILE *out);

/* A table of columns that are as wide as what is in them; the last one is not padded. */
struct table {
	size_t columns;
	struct strvec cells; /* row by row, the header first */
};

void table_row(struct table *table, ...); /* as many const char * as columns */
void table_print(const struct table *table, FILE *out);
void table_clear(struct table *table);

/* "5m", "3h", "12d": one unit, as kubectl writes an age. Returns out. */
#define AGE_SIZE 24
char *output_age(int64_t seconds, char out[AGE_SIZE]);
/* "1.5 GiB". Returns out. */
#define BYTES_SIZE 24
char *output_bytes(uint64_t bytes, char out[BYTES_SIZE]);

#endif

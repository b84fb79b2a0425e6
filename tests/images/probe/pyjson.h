/*
 * JSON text as Python's json.dump writes it by default: separators ", " and ": ", keys in their
 * order, everything but printable ASCII as \uXXXX in lower case.
 */
#ifndef PROBE_PYJSON_H
#define PROBE_PYJSON_H

#include <jansson.h>
#include <stdio.h>

/* Numbers with a fraction are not written: no document of the framework that we write has any. */
void pyjson_write(FILE *out, const json_t *value);

/* One text, with its quotes. */
void pyjson_write_string(FILE *out, const char *text);

#endif

/*
 * The framework's type grammar (fondant-contract.md section 1, "Type grammar"): a field is
 * {type, items?, properties?, format?}.
 */
#ifndef COMPILER_TYPES_H
#define COMPILER_TYPES_H

#include <jansson.h>
#include <stdbool.h>
#include "compiler/diag.h"

/* Nesting that is accepted. */
#define TYPE_MAX_DEPTH 16

/* Adds a diagnostic when it is not a type. Keys beside type, items, properties and format are
 * errors. */
void type_check(const json_t *field, const char *path, struct diag_list *diags);
/* The narrower grammar of component files: the framework's JSON schema lists fewer names and wants
 * items as an object. */
void type_check_declared(const json_t *field, const char *path, struct diag_list *diags);
/* A checked type that a component file can hold as well. */
bool type_is_declarable(const json_t *field);
/* Normal form as the framework serialises it, extended so that every type round-trips
 * (utf8 -> string, ...); new reference. Call only on what type_check accepted. */
json_t *type_normalize(const json_t *field);
/* It is its own normal form, at a glance: a name alone. */
bool type_is_normal(const json_t *field);
bool type_equal(const json_t *a, const json_t *b);
/* "list<float32>", for messages. Owned by the caller. */
char *type_describe(const json_t *field);

#endif

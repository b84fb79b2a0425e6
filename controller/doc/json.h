/*
 * JSON text into jansson trees and back, with the limits that this project
 * puts on every input. Objects keep jansson's insertion order.
 */
#ifndef DOC_JSON_H
#define DOC_JSON_H

#include <jansson.h>
#include <stddef.h>
#include "base/buf.h"
#include "base/err.h"

#define DOC_MAX_DEPTH 64

/* json_decref for locals. */
void doc_auto_decref(json_t **json);
#define auto_json __attribute__((cleanup(doc_auto_decref))) json_t

/*
 * Parses exactly one JSON value. Refuses (class user, reason InvalidJSON, message with line and
 * column): duplicate keys, depth over DOC_MAX_DEPTH, integers beyond int64, NUL in strings,
 * trailing text. *ret_json is a new reference.
 */
int doc_json_parse(const char *text, size_t len, json_t **ret_json, struct err *err);

/* For what the API server or a registry sends: like doc_json_parse but duplicates win last,
 * integers beyond int64 become reals. */
int doc_json_parse_lenient(const char *text, size_t len, json_t **ret_json, struct err *err);

/* Compact text in insertion order; owned by the caller, never NULL. */
char *doc_json_dump(const json_t *json);

#endif

/*
 * Canonical JSON: the only serialisation that is ever hashed or stored.
 *
 * CANON_COMPACT: keys sorted by code point, no white space, UTF-8 as it is, only
 * the escapes JSON demands; integers as they are; reals as the shortest
 * digits that read back the same, in Python's repr() form (1e-05, 1.0, 1e+16).
 * CANON_PYTHON: byte for byte what Python's json.dumps(x, sort_keys=True) writes:
 * ", " and ": " separators, ensure_ascii escapes with surrogate pairs.
 * CANON_PYTHON_ORDERED: json.dumps(x): the same without sorting.
 * CANON_COMPACT_ORDERED: CANON_COMPACT without sorting; for output, not for hashing.
 *
 * NaN and infinities cannot be in a jansson tree that doc/ made.
 */
#ifndef DOC_CANON_H
#define DOC_CANON_H

#include <jansson.h>
#include "base/buf.h"

enum canon_style {
	CANON_COMPACT,
	CANON_PYTHON,
	CANON_PYTHON_ORDERED,
	CANON_COMPACT_ORDERED,
};

/* Appends; 0, or -1 when the buffer's maximum was reached. */
int canon_dump(const json_t *json, enum canon_style style, struct buf *out);
/* Appends the text as a string of CANON_COMPACT; it is well-formed UTF-8. */
void canon_add_string(const char *text, size_t len, struct buf *out);
/* Owned by the caller, never NULL. */
char *canon_str(const json_t *json, enum canon_style style);
/* Python's repr() of a float: at most 24 bytes and NUL. */
#define CANON_REAL_SIZE 32
char *canon_real(double value, char out[CANON_REAL_SIZE]);
/* Go's strconv.FormatFloat(value, 'g', -1, 32), which sigs.k8s.io/yaml makes of a real as a key;
 * what is too large for a float is ".inf" or "-.inf". */
char *canon_real_go32(double value, char out[CANON_REAL_SIZE]);
/* strtod() of the whole NUL-terminated text, under the C locale whatever the process has. */
double canon_read_real(const char *text);

#endif

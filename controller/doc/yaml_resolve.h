/*
 * What an untagged plain YAML scalar means to each of the two readers. Private to
 * doc/yaml*.c. The rules are those of PyYAML 6 (its resolver's regular expressions
 * and SafeConstructor) and of sigs.k8s.io/yaml 1.4 (goyaml.v2), the latter checked
 * against recorded answers of kubectl (tests/data/yaml).
 */
#ifndef DOC_YAML_RESOLVE_H
#define DOC_YAML_RESOLVE_H

#include <stdbool.h>
#include <stdint.h>
#include "doc/yaml.h"

enum yaml_kind {
	YAML_KIND_STRING,
	YAML_KIND_NULL,
	YAML_KIND_BOOL,
	YAML_KIND_INT,
	YAML_KIND_REAL,
	YAML_KIND_MERGE,   /* "<<" */
	YAML_KIND_REFUSED, /* something that cannot be JSON; `why` says what */
};

struct yaml_scalar {
	enum yaml_kind kind;
	bool boolean;
	int64_t integer;
	double real;     /* finite */
	const char *why; /* static */
};

struct yaml_scalar yaml_resolve(const char *text, enum doc_yaml_mode mode);

/* Digits with at most one point and an optional exponent, as both readers take after !!float. */
bool yaml_is_decimal(const char *text);

#endif

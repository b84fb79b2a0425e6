/* JSON in C strings, with ' for ". */
#ifndef TESTS_QUOTED_JSON_H
#define TESTS_QUOTED_JSON_H

#include <jansson.h>
#include <string.h>
#include "base/mem.h"
#include "doc/json.h"

/* New reference; fails the test when it is no JSON. */
static inline json_t *quoted_json(const char *text)
{
	auto_free char *copy = xstrdup(text);
	json_t *json = NULL;

	for (char *p = copy; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	if (doc_json_parse(copy, strlen(copy), &json, NULL) < 0)
		fail_msg("no JSON: %s", text);
	return json;
}

#endif

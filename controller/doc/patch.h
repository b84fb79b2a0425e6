/* JSON merge patch, RFC 7386. */
#ifndef DOC_PATCH_H
#define DOC_PATCH_H

#include <jansson.h>

/* Patch that turns `from` into `to` (both objects); new reference, an empty object when equal. */
json_t *doc_merge_diff(const json_t *from, const json_t *to);
/* RFC 7386 section 2; new reference. */
json_t *doc_merge_apply(const json_t *target, const json_t *patch);

#endif

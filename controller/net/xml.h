/* As much XML as the answers of Amazon's older APIs (S3, STS) have. */
#ifndef NET_XML_H
#define NET_XML_H

#include <stdbool.h>
#include <stddef.h>
#include "base/buf.h"

/*
 * Calls `element` at the end of each element with its parent's name ("" for the root), its own
 * (both without prefix) and the text in it ("" for one that has elements). False when it is not
 * well-formed as far as we look: attributes are skipped, a DTD is refused.
 */
bool xml_read(const char *text, size_t len,
	void (*element)(void *user, const char *parent, const char *name, const char *value),
	void *user);
/* Adds text as character data. */
void xml_add(struct buf *xml, const char *text);

#endif

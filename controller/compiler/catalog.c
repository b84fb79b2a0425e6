#include "compiler/catalog.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "doc/yaml.h"

/* Rows {version, name, text}, made of catalog/ by the Makefile. */
static const struct catalog_entry entries[] = {
#include "compiler/catalog.inc"
};

const struct catalog_entry *catalog_entries(size_t *ret_len)
{
	*ret_len = array_size(entries);
	return entries;
}

const struct catalog_entry *catalog_entry(const char *name, const char *version)
{
	for (size_t i = 0; i < array_size(entries); i++) {
		if (str_eq(entries[i].name, name) &&
			(!version || str_eq(entries[i].version, version)))
			return &entries[i];
	}
	return NULL;
}

json_t *catalog_find(const char *name, const char *version)
{
	const struct catalog_entry *entry = version ? catalog_entry(name, version) : NULL;
	json_t *component = NULL;

	if (!entry)
		return NULL;
	if (doc_yaml_parse_one(
		    entry->text, strlen(entry->text), DOC_YAML_PYYAML, &component, NULL) != 0)
		abort(); /* it is our own; a unit test reads every one */
	return component;
}

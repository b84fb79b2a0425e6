#include "cli/folder.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "cli/source.h"

char *folder_of(const char *file)
{
	const char *slash = strrchr(file, '/');

	if (!source_is_component_file(file))
		return NULL;
	if (!slash)
		return xstrdup(".");
	return slash == file ? xstrdup("/") : xstrndup(file, (size_t)(slash - file));
}

char *folder_ref(const char *folder)
{
	auto_free char *real = realpath(folder, NULL), *name = NULL;
	const char *slash = real ? strrchr(real, '/') : NULL;

	if (!slash)
		return NULL;
	name = xstrdup(slash + 1);
	for (char *c = name; *c; c++) {
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
		else if (*c == '_' || *c == '.' || *c == ' ')
			*c = '-';
	}
	return str_is_dns_label(name) ? take_ptr(name) : NULL;
}

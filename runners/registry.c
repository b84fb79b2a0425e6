#include "runners/runner.h"

#include <stddef.h>
#include "base/str.h"

const struct runner *const runner_all[] = {
	&runner_kubernetes,
	NULL,
};

const struct runner *runner_find(const char *name)
{
	for (const struct runner *const *runner = runner_all; name && *runner; runner++) {
		if (str_eq((*runner)->name, name))
			return *runner;
	}
	return NULL;
}

#include "runners/runner.h"

#include <stddef.h>
#include "base/str.h"

const struct runner *const runner_all[] = {
	&runner_kubernetes,
	&runner_docker,
	&runner_kubeflow,
	&runner_vertex,
	&runner_sagemaker,
	&runner_fake,
	NULL,
};

const struct runner *runner_find(const char *name)
{
	for (int i = 0; name && runner_all[i]; i++) {
		if (str_eq(runner_all[i]->name, name))
			return runner_all[i];
	}
	return NULL;
}

#include "runners/runner.h"

#include <stddef.h>
#include "base/str.h"

const struct runner *const runner_all[] = {
	&runner_kubernetes,
	&runner_docker,
	&runner_kubeflow,
	&runner_vertex,
	NULL,
};

const struct runner *const runner_documents[] = {
	&runner_sagemaker,
	NULL,
};

static const struct runner *find(const struct runner *const *runners, const char *name)
{
	for (; name && *runners; runners++) {
		if (str_eq((*runners)->name, name))
			return *runners;
	}
	return NULL;
}

const struct runner *runner_find(const char *name)
{
	return find(runner_all, name);
}

const struct runner *runner_document_find(const char *name)
{
	const struct runner *runner = runner_find(name);

	return runner ? runner : find(runner_documents, name);
}

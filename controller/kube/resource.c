/* The resource types this project talks about, their URLs, and the order of versions. */
#include "kube/client.h"
#include "kube/internal.h"

#include <string.h>

#include "net/url.h"

const struct kube_resource kube_pipelines = {
	.group = "fondant.ai",
	.version = "v1alpha1",
	.plural = "fondantpipelines",
	.kind = "FondantPipeline",
};
const struct kube_resource kube_runs = {
	.group = "fondant.ai",
	.version = "v1alpha1",
	.plural = "fondantruns",
	.kind = "FondantRun",
};
const struct kube_resource kube_components = {
	.group = "fondant.ai",
	.version = "v1alpha1",
	.plural = "fondantcomponents",
	.kind = "FondantComponent",
};
const struct kube_resource kube_backends = {
	.group = "fondant.ai",
	.version = "v1alpha1",
	.plural = "fondantbackends",
	.kind = "FondantBackend",
};
const struct kube_resource kube_jobs = {
	.group = "batch",
	.version = "v1",
	.plural = "jobs",
	.kind = "Job",
};
const struct kube_resource kube_pods = {
	.group = "",
	.version = "v1",
	.plural = "pods",
	.kind = "Pod",
};
const struct kube_resource kube_configmaps = {
	.group = "",
	.version = "v1",
	.plural = "configmaps",
	.kind = "ConfigMap",
};
const struct kube_resource kube_secrets = {
	.group = "",
	.version = "v1",
	.plural = "secrets",
	.kind = "Secret",
};
const struct kube_resource kube_serviceaccounts = {
	.group = "",
	.version = "v1",
	.plural = "serviceaccounts",
	.kind = "ServiceAccount",
};
const struct kube_resource kube_events = {
	.group = "events.k8s.io",
	.version = "v1",
	.plural = "events",
	.kind = "Event",
};
const struct kube_resource kube_core_events = {
	.group = "",
	.version = "v1",
	.plural = "events",
	.kind = "Event",
};

void kube_url_add(struct buf *url, const struct kube_resource *resource, const char *namespace_,
	const char *name, const char *subresource)
{
	if (resource->group[0]) {
		url_add_segment(url, "apis");
		url_add_segment(url, resource->group);
	} else {
		url_add_segment(url, "api");
	}
	url_add_segment(url, resource->version);
	if (namespace_ && namespace_[0]) {
		url_add_segment(url, "namespaces");
		url_add_segment(url, namespace_);
	}
	url_add_segment(url, resource->plural);
	if (name)
		url_add_segment(url, name);
	if (subresource)
		url_add_segment(url, subresource);
}

/* Digits, no leading zero, not "0" (KEP-5504). */
static bool rv_well_formed(const char *rv)
{
	if (!rv || rv[0] < '1' || rv[0] > '9')
		return false;
	return rv[strspn(rv, "0123456789")] == '\0';
}

int kube_rv_compare(const char *a, const char *b)
{
	bool good_a = rv_well_formed(a), good_b = rv_well_formed(b);
	size_t len_a, len_b;

	if (!good_a || !good_b)
		return (int)good_a - (int)good_b;
	len_a = strlen(a);
	len_b = strlen(b);
	if (len_a != len_b)
		return len_a < len_b ? -1 : 1;
	return strcmp(a, b);
}

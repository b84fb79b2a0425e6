#include "app/registries.h"

#include <stdlib.h>
#include <string.h>
#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "kube/file.h"

/* The endpoints of one host, in the order given. */
struct mirror {
	char *host;
	struct strvec endpoints;
};

static struct mirror *mirror_of(struct mirror *mirrors, size_t *len, const char *host, size_t n)
{
	for (size_t i = 0; i < *len; i++) {
		if (strlen(mirrors[i].host) == n && strncmp(mirrors[i].host, host, n) == 0)
			return &mirrors[i];
	}
	mirrors[*len].host = xstrndup(host, n);
	return &mirrors[(*len)++];
}

static size_t group(const struct strvec *given, struct mirror *mirrors)
{
	size_t len = 0;

	strvec_for_each (given, i) {
		size_t host = strcspn(given->items[i], "=");

		strvec_add(&mirror_of(mirrors, &len, given->items[i], host)->endpoints,
			given->items[i] + host + 1);
	}
	return len;
}

static const char *proxy_of(void)
{
	const char *proxy = getenv("HTTPS_PROXY");

	if (!proxy || !*proxy)
		proxy = getenv("https_proxy");
	return proxy && *proxy ? proxy : NULL;
}

static int open_client(struct loop *loop, const struct options *options,
	struct registry_client_options *wanted, struct registry_client **ret_client,
	struct err *err)
{
	const struct strvec *given = &options->registry_mirrors;
	auto_free struct mirror *mirrors = xcalloc(given->len + 1, sizeof(*mirrors));
	auto_free struct registry_mirror *rows = xcalloc(given->len + 1, sizeof(*rows));
	size_t len = group(given, mirrors);
	int result;

	for (size_t i = 0; i < len; i++)
		rows[i] = (struct registry_mirror){mirrors[i].host, &mirrors[i].endpoints};
	wanted->mirrors = rows;
	wanted->mirrors_len = len;
	result = registry_client_new(loop, wanted, ret_client, err);
	for (size_t i = 0; i < len; i++) {
		free(mirrors[i].host);
		strvec_clear(&mirrors[i].endpoints);
	}
	return result;
}

int registries_new(struct loop *loop, const struct options *options,
	struct registry_client **ret_client, struct err *err)
{
	struct registry_client_options wanted = {.insecure_hosts = &options->insecure_registries,
		.proxy = proxy_of(),
		.user_agent = "fondant-controller/" FONDANT_VERSION};
	auto_free char *ca = NULL;
	size_t len;

	*ret_client = NULL;
	if (!options->resolve_images)
		return 0;
	if (options->registry_ca &&
		kube_file_read(options->registry_ca, "registry CA", &ca, &len, err) != 0)
		return err_wrap(err, "--registry-ca");
	wanted.ca_pem = ca;
	return open_client(loop, options, &wanted, ret_client, err);
}

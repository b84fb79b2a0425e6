/*
 * Kubeconfigs and what credential plugins print. Properties: it is refused with a message, or
 * what comes out has a server without a trailing slash and survives a copy.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kube/config.h"
#include "kube/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_config(const char *text, size_t len)
{
	struct kube_config *config = NULL, *copy;
	auto_err err = ERR_INIT;

	if (kube_config_parse(text, len, NULL, NULL, &config, &err) != 0) {
		assert(!config && err.message && err.class == ERR_USER);
		return;
	}
	assert(config->server && config->namespace_ && config->context);
	assert(config->server[strlen(config->server) - 1] != '/');
	assert(!config->client_cert_pem == !config->client_key_pem);
	copy = kube_config_copy(config);
	kube_config_free(config);
	kube_config_free(copy);
}

static void fuzz_exec(const char *text, size_t len)
{
	struct kube_exec_result result = {0};
	auto_err err = ERR_INIT;

	if (kube_exec_parse(text, len, "client.authentication.k8s.io/v1", &result, &err) == 0)
		assert(result.token || (result.cert_pem && result.key_pem));
	kube_exec_result_release(&result);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Files of this machine stay out of it. */
	if (size > 0 && memmem(data, size, "/", 1) && memmem(data, size, "certificate", 11) &&
		!memmem(data, size, "-data", 5))
		return 0;
	fuzz_config((const char *)data, size);
	if (size > 0 && data[0] == '{')
		fuzz_exec((const char *)data, size);
	return 0;
}

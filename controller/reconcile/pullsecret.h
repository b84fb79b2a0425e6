/*
 * Credentials for the registries that a pipeline's images come from: the pull secrets of its pod
 * templates and of the ServiceAccounts its pods run as, read one after the other by name, because
 * somebody needs them now, and wiped by whoever asked. What is missing, forbidden or no pull secret
 * is passed over, as the kubelet does: the registry's answer then says what is lacking.
 */
#ifndef RECONCILE_PULLSECRET_H
#define RECONCILE_PULLSECRET_H

#include "base/vec.h"
#include "kube/client.h"
#include "net/dockerconfig.h"

#define PULLSECRET_MAX 32 /* Secrets, and ServiceAccounts, that one pipeline may name */

struct pullsecrets {
	/* --- results --- */
	struct registry_auth_list auths;
	struct strvec troubles; /* why a Secret could not be used, one a line */

	/* --- private --- */
	struct kube_client *client;
	const char *namespace_;
	struct strvec accounts, secrets; /* names; grow while the accounts are read */
	size_t next_account, next_secret;
	struct kube_op op;
	void (*done)(struct pullsecrets *pull);
};

/* Zeroed before. namespace_ and spec (FondantPipeline.spec) are borrowed, the namespace until done.
 * done runs once, from the loop. */
void pullsecrets_read(struct pullsecrets *pull, struct kube_client *client, const char *namespace_,
	const json_t *spec, void (*done)(struct pullsecrets *pull));
/* Gives up what is under way, and wipes. */
void pullsecrets_clear(struct pullsecrets *pull);

#endif

/*
 * What the references in a FondantBackend's settings give: Secrets and tokens of service accounts,
 * read by name in the backend's namespace when somebody needs them. A reference is a member called
 * secretRef ({name}), secretKeyRef ({name, key}), serviceAccountToken ({serviceAccountName,
 * audience}) or webIdentity ({serviceAccountName, roleArn, audience}), wherever it stands. Values
 * are wiped when they are let go.
 */
#ifndef RECONCILE_CREDENTIALS_H
#define RECONCILE_CREDENTIALS_H

#include <jansson.h>
#include "base/vec.h"
#include "kube/client.h"

#define CREDENTIALS_MAX_REFS 16

struct credential_ref {
	char *path;         /* of the reference's parent below the settings: "auth.bearerToken" */
	const json_t *what; /* the reference's value; borrowed from the settings */
	enum { CREDENTIAL_SECRET, CREDENTIAL_KEY, CREDENTIAL_TOKEN } kind;
};

/* Zeroed before; embedded in its owner. */
struct credentials {
	/* --- results --- */
	json_t *values;    /* runner_settings.credentials; NULL: no references, or err */
	int64_t expires_s; /* of the first token to end, Unix seconds; 0: none does */
	struct err err;    /* SecretNotFound, SecretKeyNotFound, Forbidden: class user */

	/* --- private --- */
	struct kube_client *client;
	const char *namespace_;
	struct credential_ref refs[CREDENTIALS_MAX_REFS];
	int refs_len, next;
	struct kube_op op;
	json_t *body;
	void (*done)(struct credentials *credentials);
};

/* The settings hold references. */
bool credentials_wanted(const json_t *settings);
/* namespace_ and settings are borrowed until done, which runs once, from the loop. Not to be called
 * where credentials_wanted says no. */
void credentials_read(struct credentials *credentials, struct kube_client *client,
	const char *namespace_, const json_t *settings,
	void (*done)(struct credentials *credentials));
/* Gives up what is under way, and wipes. */
void credentials_clear(struct credentials *credentials);
/* Overwrites every text of the tree, and lets it go. NULL is fine. */
void credentials_wipe(json_t *values);

#endif

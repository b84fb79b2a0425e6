/*
 * Where access tokens of Google Cloud come from: a way of one to four requests, each carrying what
 * the one before it gave. Only what is asked and how answers are read: google_auth.c sends.
 * Sources: cloud-backends.md 2.3; RFC 7523 (JWT bearer), RFC 8693 (token exchange); google-auth for
 * Python (the files of `gcloud`), the IAM Credentials API (generateAccessToken).
 *
 *   a service account's key   a JWT signed by it, for the key's token_uri
 *   a token of the cluster    exchanged by workload identity federation
 *   ambient                   the file of $GOOGLE_APPLICATION_CREDENTIALS, that of gcloud
 *                             ($CLOUDSDK_CONFIG, ~/.config/gcloud), else the metadata server
 *                             ($GCE_METADATA_HOST)
 *
 * and with auth.impersonate another service account, taken with what any of them gave. A file may
 * be of type service_account, external_account (a subject token from a file or a URL),
 * authorized_user or impersonated_service_account: all that a person may name on the own machine;
 * a Secret is a key and nothing else, since it would choose what files of the operator leave it.
 */
#ifndef RUNNERS_GOOGLE_SOURCE_H
#define RUNNERS_GOOGLE_SOURCE_H

#include <jansson.h>
#include "runners/api_call.h"
#include "runners/runner.h"

#define GOOGLE_HOPS_MAX 2 /* one of the file, one of the backend */

/* A service account that is taken with the token before it. */
struct google_hop {
	char *url; /* ...:generateAccessToken */
	json_t *delegates;
	int64_t life_s;
};

struct google_source {
	/* --- private --- */
	enum { GOOGLE_KEY, GOOGLE_EXCHANGE, GOOGLE_REFRESH, GOOGLE_METADATA } kind;
	char *url;                  /* where the first token is to be had */
	char *email, *key_id, *key; /* of a key file */
	/* of an exchange: the subject token, or where it is */
	char *audience, *subject, *subject_type, *user_project;
	char *subject_file, *subject_url, *subject_field; /* field: of JSON; NULL: plain text */
	struct strvec subject_headers;
	char *client_id, *client_secret, *refresh; /* of a person */
	char *quota_project;
	struct google_hop hops[GOOGLE_HOPS_MAX];
	int hops_len;
};

/*
 * settings: FondantBackend.spec.vertex with auth.serviceAccountKey or auth.serviceAccountToken
 * among the credentials. `endpoint` in it is another address of the IAM Credentials API, too, where
 * settings->local_endpoints allows that. Class user: InvalidKey, NoCredentials, InvalidSettings,
 * InvalidEndpoint (a key whose token_uri is not Google's, where settings->local_endpoints does not
 * allow it).
 */
int google_source_init(
	struct google_source *source, const struct runner_settings *settings, struct err *err);
void google_source_clear(struct google_source *source);

/* The project that requests are counted for where the credentials do not say it; borrowed or NULL.
 */
const char *google_source_quota_project(const struct google_source *source);

/* One request of the way. All owned. */
struct google_request {
	const char *method; /* a constant */
	char *url;
	const char *content_type;
	char *body; /* NULL: none */
	struct strvec headers;
	bool any_text; /* the answer need not be JSON */
};

void google_request_clear(struct google_request *request);

/* How many requests the way has. */
int google_source_legs(const struct google_source *source);
/* Request `leg`, from 0; got: what the one before it gave. Class user: InvalidKey,
 * NoCredentials (a file that cannot be read). */
int google_source_ask(const struct google_source *source, int leg, const char *got,
	struct google_request *ret_request, struct err *err);
/*
 * What its answer gives: the token for the next leg, or, of the last, the access token; to be wiped
 * by mem_free_secret. ret_life_s: of an access token. Class user: Unauthorized, Forbidden, and what
 * api_call_fail says; no token and no body is in an error.
 */
int google_source_take(const struct google_source *source, int leg, struct api_call *call,
	char **ret_token, int64_t *ret_life_s, struct err *err);

#endif

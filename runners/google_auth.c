#include "runners/google_auth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "doc/json.h"
#include "doc/path.h"
#include "net/jwt.h"
#include "net/url.h"

#define SCOPE "https://www.googleapis.com/auth/cloud-platform"
#define TOKEN_URL "https://oauth2.googleapis.com/token"
#define STS_URL "https://sts.googleapis.com/v1/token"
#define POOLS "//iam.googleapis.com/"
#define METADATA_PATH "/computeMetadata/v1/instance/service-accounts/default/token"
#define METADATA_HOST "metadata.google.internal"
#define LIFE_S 3600
#define EARLY_MS 60000
#define KEY_FILE_MAX 65536

/* --- where tokens come from --- */

static bool is_googles(const char *url)
{
	auto_free char *host = NULL;

	if (!str_starts_with(url, "https://"))
		return false;
	url += strlen("https://");
	host = xstrndup(url, strcspn(url, "/:?#@"));
	return str_ends_with(host, ".googleapis.com") && url[strlen(host)] != '@' &&
	       url[strlen(host)] != ':';
}

static int take_key(struct google_auth *auth, const char *text, bool any_url, struct err *err)
{
	auto_json *json = NULL;
	const char *url;

	if (doc_json_parse(text, strlen(text), &json, NULL) < 0 ||
		!str_eq(doc_str(json, "type"), "service_account") ||
		!doc_str(json, "client_email") || !doc_str(json, "private_key"))
		return err_set(err, ERR_USER, "InvalidKey",
			"the service account key is no key file of Google Cloud (JSON with type: "
			"service_account, client_email and private_key)");
	url = doc_str_or(json, "token_uri", TOKEN_URL);
	if (!any_url && !is_googles(url))
		return err_set(err, ERR_USER, "InvalidEndpoint",
			"token_uri of the service account key is not below googleapis.com");
	auth->kind = GOOGLE_KEY;
	auth->email = xstrdup(doc_str(json, "client_email"));
	auth->key_id = xstrdup(doc_str_or(json, "private_key_id", ""));
	auth->key = xstrdup(doc_str(json, "private_key"));
	auth->url = xstrdup(url);
	return 0;
}

static int take_key_file(struct google_auth *auth, const char *path, struct err *err)
{
	char *text = xcalloc(KEY_FILE_MAX + 1, 1);
	FILE *file = fopen(path, "re");
	size_t len = file ? fread(text, 1, KEY_FILE_MAX, file) : 0;
	int result;

	if (file)
		fclose(file);
	result = len ? take_key(auth, text, true, err)
		     : err_set(err, ERR_USER, "NoCredentials",
			       "$GOOGLE_APPLICATION_CREDENTIALS: %s cannot be read", path);
	mem_free_secret(text);
	return result;
}

/* The audience of the cluster's token names the pool's provider; the exchange wants it without the
 * scheme (RFC 8693 leaves it to the server; cloud-backends.md 2.3). */
static void take_exchange(
	struct google_auth *auth, const struct runner_settings *settings, const char *subject)
{
	const char *audience = doc_str_or(settings->spec, "auth.serviceAccountToken.audience", "");

	if (str_starts_with(audience, "https:" POOLS))
		audience += strlen("https:");
	auth->kind = GOOGLE_EXCHANGE;
	auth->url = xstrdup(STS_URL);
	auth->audience = xstrdup(audience);
	auth->subject = xstrdup(subject);
}

static void take_metadata(struct google_auth *auth)
{
	const char *host = getenv("GCE_METADATA_HOST");

	auth->kind = GOOGLE_METADATA;
	auth->url = xasprintf("http://%s" METADATA_PATH, host && *host ? host : METADATA_HOST);
}

int google_auth_init(struct google_auth *auth, struct loop *loop, struct http_client *client,
	const struct runner_settings *settings, struct err *err)
{
	const json_t *given = settings->credentials;
	const char *key = json_string_value(json_object_get(given, "auth.serviceAccountKey"));
	const char *token = json_string_value(json_object_get(given, "auth.serviceAccountToken"));
	const char *file = settings->ambient ? getenv("GOOGLE_APPLICATION_CREDENTIALS") : NULL;
	int result = 0;

	*auth = (struct google_auth){.loop = loop, .client = client};
	list_init(&auth->waiting);
	if (key)
		result = take_key(auth, key, settings->local_endpoints, err);
	else if (token)
		take_exchange(auth, settings, token);
	else if (file && *file)
		result = take_key_file(auth, file, err);
	else if (settings->ambient)
		take_metadata(auth);
	else
		result = err_set(err, ERR_USER, "NoCredentials",
			"vertex.auth: give a serviceAccountKey or a serviceAccountToken; the "
			"operator's own identity is used only where it was started with "
			"--ambient-credentials");
	if (result < 0)
		google_auth_clear(auth);
	return result;
}

void google_auth_clear(struct google_auth *auth)
{
	api_call_free(&auth->call);
	mem_free_secret(auth->body);
	free(auth->email);
	free(auth->key_id);
	mem_free_secret(auth->key);
	free(auth->url);
	free(auth->audience);
	mem_free_secret(auth->subject);
	mem_free_secret(auth->token);
	*auth = (struct google_auth){0};
}

/* --- asking --- */

static void tell_all(struct google_auth *auth, const struct err *err)
{
	while (!list_empty(&auth->waiting)) {
		struct google_wait *wait =
			container_of(auth->waiting.next, struct google_wait, link);

		list_del(&wait->link);
		wait->auth = NULL;
		if (err)
			err_set(&wait->err, err->class, err->reason, "%s", err_message(err));
		wait->done(wait);
	}
}

static void keep(struct google_auth *auth, const char *token, int64_t seconds)
{
	mem_free_secret(auth->token);
	auth->token = xstrdup(token);
	auth->expires_ms = time_mono_ms() + seconds * 1000 - EARLY_MS;
}

static void answered(struct api_call *call)
{
	struct google_auth *auth = container_of(call, struct google_auth, call);
	const char *token = doc_str(call->answer, "access_token");
	int64_t seconds = doc_int_or(call->answer, "expires_in", LIFE_S);
	auto_err err = ERR_INIT;

	mem_free_secret(take_ptr(auth->body));
	if (call->err.class == ERR_NONE && call->status == 200 && token) {
		keep(auth, token, seconds);
		tell_all(auth, NULL);
		return;
	}
	if (call->status == 400 || call->status == 401)
		err_set(&err, ERR_USER, "Unauthorized",
			"Google takes the credentials for no token: %.300s",
			doc_str_or(call->answer, "error_description",
				doc_str_or(call->answer, "error", "it does not say why")));
	else if (call->status == 200)
		err_set(&err, ERR_TRANSIENT, "BadAnswer", "an answer without a token");
	else
		api_call_fail(
			call, "get a token", doc_str(call->answer, "error_description"), &err);
	tell_all(auth, &err);
}

static void add_field(struct buf *form, const char *name, const char *value)
{
	if (form->len)
		buf_addc(form, '&');
	buf_addf(form, "%s=", name);
	url_add_encoded(form, value, false);
}

static int key_form(struct google_auth *auth, struct buf *form, struct err *err)
{
	int64_t now = time_wall_ms() / 1000;
	auto_json *header =
		json_pack("{s:s, s:s, s:s}", "alg", "RS256", "typ", "JWT", "kid", auth->key_id);
	auto_json *claims = json_pack("{s:s, s:s, s:s, s:I, s:I}", "iss", auth->email, "scope",
		SCOPE, "aud", auth->url, "iat", (json_int_t)now, "exp", (json_int_t)(now + LIFE_S));
	auto_free char *head = doc_json_dump(header), *body = doc_json_dump(claims);
	char *assertion = jwt_sign_rs256(auth->key, head, body, err);

	if (!assertion)
		return -1;
	add_field(form, "grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer");
	add_field(form, "assertion", assertion);
	mem_free_secret(assertion);
	return 0;
}

static void exchange_form(const struct google_auth *auth, struct buf *form)
{
	add_field(form, "grant_type", "urn:ietf:params:oauth:grant-type:token-exchange");
	add_field(form, "audience", auth->audience);
	add_field(form, "scope", SCOPE);
	add_field(form, "requested_token_type", "urn:ietf:params:oauth:token-type:access_token");
	add_field(form, "subject_token", auth->subject);
	add_field(form, "subject_token_type", "urn:ietf:params:oauth:token-type:jwt");
}

static int metadata_headers(struct api_call *call, struct strvec *headers, struct err *err)
{
	(void)call;
	(void)err;
	strvec_add(headers, "Metadata-Flavor: Google");
	return 0;
}

static int ask(struct google_auth *auth, struct err *err)
{
	struct buf form = BUF_INIT;

	if (auth->kind == GOOGLE_KEY && key_form(auth, &form, err) < 0)
		return -1;
	if (auth->kind == GOOGLE_EXCHANGE)
		exchange_form(auth, &form);
	auth->call = (struct api_call){.loop = auth->loop,
		.client = auth->client,
		.method = auth->kind == GOOGLE_METADATA ? "GET" : "POST",
		.url = auth->url,
		.repeatable = true,
		.done = answered};
	if (auth->kind == GOOGLE_METADATA) {
		auth->call.prepare = metadata_headers;
	} else {
		auth->body = buf_take(&form);
		auth->call.content_type = "application/x-www-form-urlencoded";
		auth->call.body = auth->body;
		auth->call.body_len = strlen(auth->body);
	}
	api_call_send(&auth->call);
	return 0;
}

/* --- waiting --- */

static void tell_later(struct loop_defer *defer)
{
	struct google_wait *wait = container_of(defer, struct google_wait, defer);

	wait->auth = NULL;
	wait->done(wait);
}

void google_auth_get(
	struct google_auth *auth, struct google_wait *wait, void (*done)(struct google_wait *wait))
{
	bool asking = !list_empty(&auth->waiting);

	err_clear(&wait->err);
	wait->done = done;
	wait->auth = auth;
	if (google_auth_token(auth) ||
		(!asking && (api_call_free(&auth->call), ask(auth, &wait->err) < 0))) {
		loop_defer_add(auth->loop, &wait->defer, tell_later);
		list_init(&wait->link);
		return;
	}
	list_add_tail(&auth->waiting, &wait->link);
}

const char *google_auth_token(const struct google_auth *auth)
{
	return auth->token && time_mono_ms() < auth->expires_ms ? auth->token : NULL;
}

void google_auth_drop(struct google_auth *auth)
{
	auth->expires_ms = 0;
}

void google_wait_cancel(struct google_wait *wait)
{
	if (wait->auth) {
		loop_defer_del(&wait->defer);
		list_del(&wait->link);
		wait->auth = NULL;
	}
	err_clear(&wait->err);
}

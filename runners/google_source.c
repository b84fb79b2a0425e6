#include "runners/google_source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "doc/json.h"
#include "doc/path.h"
#include "net/jwt.h"
#include "net/url.h"
#include "runners/vertex_settings.h"

#define SCOPE "https://www.googleapis.com/auth/cloud-platform"
#define TOKEN_URL "https://oauth2.googleapis.com/token"
#define STS_URL "https://sts.googleapis.com/v1/token"
#define IAM_URL "https://iamcredentials.googleapis.com"
#define POOLS "//iam.googleapis.com/"
#define ACCOUNTS "/v1/projects/-/serviceAccounts/"
#define METADATA_PATH "/computeMetadata/v1/instance/service-accounts/default/token"
#define METADATA_HOST "metadata.google.internal"
#define TOKEN_TYPE "urn:ietf:params:oauth:token-type:"
#define FORM "application/x-www-form-urlencoded"
#define WELL_KNOWN "application_default_credentials.json"
#define LIFE_S 3600
#define LIFE_MAX_S 43200 /* of an impersonation, where the organisation allows it */
#define FILE_MAX 65536
#define TOKEN_MAX 16384
#define HEADERS_MAX 16
#define NESTED_MAX 2 /* source_credentials in a file */

static char *copy_of(const char *text)
{
	return text ? xstrdup(text) : NULL;
}

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

/* Whole; NULL: it cannot be read, or is empty. To be wiped. */
static char *read_file(const char *path)
{
	char *text = xcalloc(FILE_MAX + 1, 1);
	FILE *file = fopen(path, "re");
	size_t len = file ? fread(text, 1, FILE_MAX, file) : 0;

	if (file)
		fclose(file);
	if (len)
		return text;
	free(text);
	return NULL;
}

/* --- a key --- */

static int take_key(struct google_source *source, const json_t *json, bool any_url, struct err *err)
{
	const char *url;

	if (!str_eq(doc_str(json, "type"), "service_account") || !doc_str(json, "client_email") ||
		!doc_str(json, "private_key"))
		return err_set(err, ERR_USER, "InvalidKey",
			"the service account key is no key file of Google Cloud (JSON with type: "
			"service_account, client_email and private_key)");
	url = doc_str_or(json, "token_uri", TOKEN_URL);
	if (!any_url && !is_googles(url))
		return err_set(err, ERR_USER, "InvalidEndpoint",
			"token_uri of the service account key is not below googleapis.com");
	source->kind = GOOGLE_KEY;
	source->email = xstrdup(doc_str(json, "client_email"));
	source->key_id = xstrdup(doc_str_or(json, "private_key_id", ""));
	source->key = xstrdup(doc_str(json, "private_key"));
	source->url = xstrdup(url);
	return 0;
}

static int take_key_text(
	struct google_source *source, const char *text, bool any_url, struct err *err)
{
	auto_json *json = NULL;

	doc_json_parse(text, strlen(text), &json, NULL);
	return take_key(source, json, any_url, err);
}

/* --- a token of the cluster --- */

/* The audience of the cluster's token names the pool's provider; the exchange wants it without the
 * scheme (RFC 8693 leaves it to the server; cloud-backends.md 2.3). */
static void take_cluster_token(
	struct google_source *source, const json_t *settings, const char *subject)
{
	const char *audience = doc_str_or(settings, "auth.serviceAccountToken.audience", "");

	if (str_starts_with(audience, "https:" POOLS))
		audience += strlen("https:");
	source->kind = GOOGLE_EXCHANGE;
	source->url = xstrdup(STS_URL);
	source->audience = xstrdup(audience);
	source->subject = xstrdup(subject);
	source->subject_type = xstrdup(TOKEN_TYPE "jwt");
}

/* --- hops --- */

static json_t *account_path(const char *email)
{
	return json_sprintf("projects/-/serviceAccounts/%s", email);
}

static struct google_hop *add_hop(struct google_source *source, const char *url)
{
	struct google_hop *hop = &source->hops[source->hops_len++];

	*hop = (struct google_hop){
		.url = xstrdup(url), .delegates = json_array(), .life_s = LIFE_S};
	return hop;
}

/* service_account_impersonation_url of a file. */
static int take_file_hop(struct google_source *source, const json_t *json, struct err *err)
{
	const char *url = doc_str(json, "service_account_impersonation_url");
	int64_t life = doc_int_or(json, "service_account_impersonation.token_lifetime_seconds", 0);
	const json_t *delegates = json_object_get(json, "delegates"), *delegate;
	struct google_hop *hop;
	size_t i;

	if (!url)
		return 0;
	if (source->hops_len == GOOGLE_HOPS_MAX - 1)
		return err_set(err, ERR_USER, "InvalidKey",
			"the credentials impersonate through more than one file; use delegates");
	hop = add_hop(source, url);
	if (life > 0 && life <= LIFE_MAX_S)
		hop->life_s = life;
	json_array_foreach (delegates, i, delegate) {
		if (json_is_string(delegate))
			json_array_append(hop->delegates, (json_t *)delegate);
	}
	return 0;
}

/* auth.impersonate of the backend. */
static int take_own_hop(
	struct google_source *source, const struct runner_settings *settings, struct err *err)
{
	const json_t *what = doc_get(settings->spec, "auth.impersonate"), *delegate;
	const char *email = doc_str(what, "serviceAccount");
	const char *endpoint = doc_str(settings->spec, "endpoint");
	auto_free char *url = NULL;
	struct google_hop *hop;
	size_t i;

	if (!what || json_is_null(what))
		return 0;
	if (!email || !vertex_is_account(email))
		return err_set(err, ERR_USER, "InvalidSettings",
			"vertex.auth.impersonate.serviceAccount: give the e-mail address of a "
			"service account, name@project.iam.gserviceaccount.com");
	url = xasprintf("%s" ACCOUNTS "%s:generateAccessToken",
		endpoint && settings->local_endpoints ? endpoint : IAM_URL, email);
	hop = add_hop(source, url);
	json_array_foreach (json_object_get(what, "delegates"), i, delegate) {
		if (!json_is_string(delegate) || !vertex_is_account(json_string_value(delegate)))
			return err_set(err, ERR_USER, "InvalidSettings",
				"vertex.auth.impersonate.delegates[%zu]: give the e-mail address "
				"of a "
				"service account",
				i);
		json_array_append_new(hop->delegates, account_path(json_string_value(delegate)));
	}
	return 0;
}

/* --- files of the own machine --- */

static int take_subject(struct google_source *source, const json_t *json, struct err *err)
{
	const json_t *where = json_object_get(json, "credential_source"), *value;
	const char *name;

	source->subject_file = copy_of(doc_str(where, "file"));
	source->subject_url = source->subject_file ? NULL : copy_of(doc_str(where, "url"));
	if (!source->subject_file && !source->subject_url)
		return err_set(err, ERR_USER, "InvalidKey",
			"credential_source of the external account has no file and no url: other "
			"sources (AWS, programs, certificates) are not read; let something write "
			"the token into a file");
	if (str_eq(doc_str(where, "format.type"), "json"))
		source->subject_field = xstrdup(
			doc_str_or(where, "format.subject_token_field_name", "access_token"));
	json_object_foreach (json_object_get(where, "headers"), name, value) {
		if (json_is_string(value) && source->subject_headers.len < HEADERS_MAX)
			strvec_addf(
				&source->subject_headers, "%s: %s", name, json_string_value(value));
	}
	return 0;
}

static int take_external(struct google_source *source, const json_t *json, struct err *err)
{
	if (!doc_str(json, "audience") || !json_object_get(json, "credential_source"))
		return err_set(err, ERR_USER, "InvalidKey",
			"the external account has no audience or no credential_source");
	source->kind = GOOGLE_EXCHANGE;
	source->url = xstrdup(doc_str_or(json, "token_url", STS_URL));
	source->audience = xstrdup(doc_str(json, "audience"));
	source->subject_type = xstrdup(doc_str_or(json, "subject_token_type", TOKEN_TYPE "jwt"));
	source->user_project = copy_of(doc_str(json, "workforce_pool_user_project"));
	if (take_subject(source, json, err) < 0)
		return -1;
	return take_file_hop(source, json, err);
}

static int take_user(struct google_source *source, const json_t *json, struct err *err)
{
	const char *id = doc_str(json, "client_id"), *secret = doc_str(json, "client_secret");
	const char *refresh = doc_str(json, "refresh_token");

	if (!id || !secret || !refresh)
		return err_set(err, ERR_USER, "InvalidKey",
			"the credentials of a user have no client_id, client_secret or "
			"refresh_token; run `gcloud auth application-default login`");
	source->kind = GOOGLE_REFRESH;
	source->url = xstrdup(doc_str_or(json, "token_uri", TOKEN_URL));
	source->client_id = xstrdup(id);
	source->client_secret = xstrdup(secret);
	source->refresh = xstrdup(refresh);
	return 0;
}

static int take_credentials(
	struct google_source *source, const json_t *json, int depth, struct err *err)
{
	const char *type = doc_str_or(json, "type", "");

	if (!source->quota_project)
		source->quota_project = copy_of(doc_str(json, "quota_project_id"));
	if (str_eq(type, "external_account"))
		return take_external(source, json, err);
	if (str_eq(type, "authorized_user"))
		return take_user(source, json, err);
	if (!str_eq(type, "impersonated_service_account"))
		return take_key(source, json, true, err);
	if (depth == NESTED_MAX)
		return err_set(err, ERR_USER, "InvalidKey",
			"the credentials hold others too many times over");
	if (take_credentials(source, json_object_get(json, "source_credentials"), depth + 1, err) <
		0)
		return -1;
	return take_file_hop(source, json, err);
}

static int take_file(
	struct google_source *source, const char *path, const char *what, struct err *err)
{
	auto_json *json = NULL;
	char *text = read_file(path);
	int result;

	if (!text)
		return err_set(err, ERR_USER, "NoCredentials", "%s: %s cannot be read", what, path);
	doc_json_parse(text, strlen(text), &json, NULL);
	mem_free_secret(text);
	result = take_credentials(source, json, 0, err);
	return result < 0 ? err_wrap(err, "%s", what) : 0;
}

/* Where `gcloud auth application-default login` leaves what it was told. Owned; NULL: nothing is
 * there. */
static char *well_known_file(void)
{
	const char *config = getenv("CLOUDSDK_CONFIG"), *home = getenv("HOME");
	char *path = NULL;

	if (config && *config)
		path = xasprintf("%s/" WELL_KNOWN, config);
	else if (home && *home)
		path = xasprintf("%s/.config/gcloud/" WELL_KNOWN, home);
	if (path && access(path, R_OK) == 0)
		return path;
	free(path);
	return NULL;
}

static void take_metadata(struct google_source *source)
{
	const char *host = getenv("GCE_METADATA_HOST");

	source->kind = GOOGLE_METADATA;
	source->url = xasprintf("http://%s" METADATA_PATH, host && *host ? host : METADATA_HOST);
}

static int take_ambient(struct google_source *source, struct err *err)
{
	const char *file = getenv("GOOGLE_APPLICATION_CREDENTIALS");
	auto_free char *known = NULL;

	if (file && *file)
		return take_file(source, file, "$GOOGLE_APPLICATION_CREDENTIALS", err);
	known = well_known_file();
	if (known)
		return take_file(source, known, known, err);
	take_metadata(source);
	return 0;
}

/* --- which it is --- */

static int take_base(
	struct google_source *source, const struct runner_settings *settings, struct err *err)
{
	const json_t *given = settings->credentials;
	const char *key = json_string_value(json_object_get(given, "auth.serviceAccountKey"));
	const char *token = json_string_value(json_object_get(given, "auth.serviceAccountToken"));

	if (key)
		return take_key_text(source, key, settings->local_endpoints, err);
	if (token)
		take_cluster_token(source, settings->spec, token);
	else if (settings->ambient)
		return take_ambient(source, err);
	else
		return err_set(err, ERR_USER, "NoCredentials",
			"vertex.auth: give a serviceAccountKey or a serviceAccountToken; the "
			"operator's own identity is used only where it was started with "
			"--ambient-credentials");
	return 0;
}

int google_source_init(
	struct google_source *source, const struct runner_settings *settings, struct err *err)
{
	*source = (struct google_source){0};
	if (take_base(source, settings, err) == 0 && take_own_hop(source, settings, err) == 0)
		return 0;
	google_source_clear(source);
	return -1;
}

void google_source_clear(struct google_source *source)
{
	free(source->url);
	free(source->email);
	free(source->key_id);
	mem_free_secret(source->key);
	free(source->audience);
	mem_free_secret(source->subject);
	free(source->subject_type);
	free(source->user_project);
	free(source->subject_file);
	free(source->subject_url);
	free(source->subject_field);
	strvec_for_each (&source->subject_headers, i)
		explicit_bzero(
			source->subject_headers.items[i], strlen(source->subject_headers.items[i]));
	strvec_clear(&source->subject_headers);
	free(source->client_id);
	mem_free_secret(source->client_secret);
	mem_free_secret(source->refresh);
	free(source->quota_project);
	for (int i = 0; i < source->hops_len; i++) {
		free(source->hops[i].url);
		json_decref(source->hops[i].delegates);
	}
	*source = (struct google_source){0};
}

const char *google_source_quota_project(const struct google_source *source)
{
	return source->quota_project;
}

/* --- the way --- */

enum leg { LEG_SUBJECT, LEG_TOKEN, LEG_HOP };

static enum leg leg_of(const struct google_source *source, int leg, int *ret_hop)
{
	leg += !source->subject_url; /* there is none to be fetched */
	*ret_hop = leg - LEG_HOP;
	return leg < LEG_HOP ? (enum leg)leg : LEG_HOP;
}

int google_source_legs(const struct google_source *source)
{
	return (source->subject_url != NULL) + 1 + source->hops_len;
}

void google_request_clear(struct google_request *request)
{
	free(request->url);
	mem_free_secret(request->body);
	strvec_for_each (&request->headers, i)
		explicit_bzero(request->headers.items[i], strlen(request->headers.items[i]));
	strvec_clear(&request->headers);
	*request = (struct google_request){0};
}

static void add_field(struct buf *form, const char *name, const char *value)
{
	if (form->len)
		buf_addc(form, '&');
	buf_addf(form, "%s=", name);
	url_add_encoded(form, value, false);
}

static int key_form(const struct google_source *source, struct buf *form, struct err *err)
{
	int64_t now = time_wall_ms() / 1000;
	auto_json *header =
		json_pack("{s:s, s:s, s:s}", "alg", "RS256", "typ", "JWT", "kid", source->key_id);
	auto_json *claims =
		json_pack("{s:s, s:s, s:s, s:I, s:I}", "iss", source->email, "scope", SCOPE, "aud",
			source->url, "iat", (json_int_t)now, "exp", (json_int_t)(now + LIFE_S));
	auto_free char *head = doc_json_dump(header), *body = doc_json_dump(claims);
	char *assertion = jwt_sign_rs256(source->key, head, body, err);

	if (!assertion)
		return -1;
	add_field(form, "grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer");
	add_field(form, "assertion", assertion);
	mem_free_secret(assertion);
	return 0;
}

static void refresh_form(const struct google_source *source, struct buf *form)
{
	add_field(form, "grant_type", "refresh_token");
	add_field(form, "client_id", source->client_id);
	add_field(form, "client_secret", source->client_secret);
	add_field(form, "refresh_token", source->refresh);
}

/* A text with what is around it, or JSON with the token in a field. NULL: it is not there. To be
 * wiped. */
static char *subject_in(const struct google_source *source, const char *text)
{
	auto_json *json = NULL;
	const char *token;
	size_t len;

	if (!source->subject_field) {
		text += strspn(text, " \t\r\n");
		len = strcspn(text, " \t\r\n");
		return len && len <= TOKEN_MAX ? xstrndup(text, len) : NULL;
	}
	doc_json_parse(text, strlen(text), &json, NULL);
	token = json_string_value(json_object_get(json, source->subject_field));
	return token && *token ? xstrdup(token) : NULL;
}

/* The file is read each time: whoever writes it puts a new token there before the old one ends. */
static char *subject_of(const struct google_source *source, const char *got, struct err *err)
{
	char *text, *token;

	if (!source->subject_file)
		return xstrdup(got ? got : source->subject);
	text = read_file(source->subject_file);
	token = text ? subject_in(source, text) : NULL;
	mem_free_secret(text);
	if (!token)
		err_set(err, ERR_USER, "NoCredentials",
			"credential_source: there is no token in %s", source->subject_file);
	return token;
}

static int exchange_form(
	const struct google_source *source, const char *got, struct buf *form, struct err *err)
{
	char *subject = subject_of(source, got, err);
	auto_json *options = json_pack("{s:s*}", "userProject", source->user_project);
	auto_free char *text = doc_json_dump(options);

	if (!subject)
		return -1;
	add_field(form, "grant_type", "urn:ietf:params:oauth:grant-type:token-exchange");
	add_field(form, "audience", source->audience);
	add_field(form, "scope", SCOPE);
	add_field(form, "requested_token_type", TOKEN_TYPE "access_token");
	add_field(form, "subject_token", subject);
	add_field(form, "subject_token_type", source->subject_type);
	if (source->user_project)
		add_field(form, "options", text);
	mem_free_secret(subject);
	return 0;
}

static int ask_token(const struct google_source *source, const char *got,
	struct google_request *request, struct err *err)
{
	struct buf form = BUF_INIT;
	int result = 0;

	request->url = xstrdup(source->url);
	if (source->kind == GOOGLE_METADATA) {
		request->method = "GET";
		strvec_add(&request->headers, "Metadata-Flavor: Google");
		return 0;
	}
	if (source->kind == GOOGLE_KEY)
		result = key_form(source, &form, err);
	else if (source->kind == GOOGLE_EXCHANGE)
		result = exchange_form(source, got, &form, err);
	else
		refresh_form(source, &form);
	request->method = "POST";
	request->content_type = FORM;
	request->body = buf_take(&form);
	return result;
}

static void ask_subject(const struct google_source *source, struct google_request *request)
{
	request->method = "GET";
	request->url = xstrdup(source->subject_url);
	request->any_text = true;
	strvec_for_each (&source->subject_headers, i)
		strvec_add(&request->headers, source->subject_headers.items[i]);
}

static void ask_hop(const struct google_hop *hop, const char *got, struct google_request *request)
{
	auto_json *body = json_pack("{s:[s], s:O, s:o}", "scope", SCOPE, "delegates",
		hop->delegates, "lifetime", json_sprintf("%llds", (long long)hop->life_s));

	request->method = "POST";
	request->url = xstrdup(hop->url);
	request->body = doc_json_dump(body);
	strvec_addf(&request->headers, "Authorization: Bearer %s", got);
}

int google_source_ask(const struct google_source *source, int leg, const char *got,
	struct google_request *ret_request, struct err *err)
{
	struct google_request request = {0};
	int hop, result = 0;

	switch (leg_of(source, leg, &hop)) {
	case LEG_SUBJECT:
		ask_subject(source, &request);
		break;
	case LEG_TOKEN:
		result = ask_token(source, got, &request, err);
		break;
	case LEG_HOP:
		ask_hop(&source->hops[hop], got, &request);
		break;
	}
	if (result < 0)
		google_request_clear(&request);
	else
		*ret_request = request;
	return result;
}

/* --- answers --- */

/* Google's words: of OAuth, or of an API. */
static const char *words_of(const json_t *answer)
{
	const char *words = doc_str(answer, "error_description");

	if (!words)
		words = doc_str(answer, "error.message");
	return words ? words : doc_str(answer, "error");
}

static int no_token(struct api_call *call, struct err *err)
{
	const char *words = words_of(call->answer);

	if (call->status == 400 || call->status == 401)
		return err_set(err, ERR_USER, "Unauthorized",
			"Google takes the credentials for no token: %.300s",
			words ? words : "it does not say why");
	if (call->err.class == ERR_NONE && call->status == 200)
		return err_set(err, ERR_TRANSIENT, "BadAnswer", "an answer without a token");
	return api_call_fail(call, "get a token", words ? words : "", err);
}

static int no_hop(const struct google_hop *hop, struct api_call *call, struct err *err)
{
	const char *words = words_of(call->answer);
	const char *name = strrchr(hop->url, '/');
	auto_free char *account =
		xasprintf("%.*s", (int)strcspn(name ? name + 1 : "", ":"), name ? name + 1 : "");

	if (call->err.class == ERR_NONE && call->status >= 400 && call->status < 500 &&
		call->status != 408 && call->status != 429)
		return err_set(err, ERR_USER, "Forbidden",
			"%.253s cannot be impersonated: %.300s; grant "
			"roles/iam.serviceAccountTokenCreator on it to whom the credentials are of",
			account, words ? words : "Google does not say why");
	if (call->err.class == ERR_NONE && call->status == 200)
		return err_set(err, ERR_TRANSIENT, "BadAnswer", "an answer without a token");
	return api_call_fail(call, "impersonate", words ? words : "", err);
}

static int take_fetched(const struct google_source *source, struct api_call *call, char **ret_token,
	struct err *err)
{
	char *token = call->err.class == ERR_NONE && call->status == 200
			      ? subject_in(source, call->text)
			      : NULL;

	if (token) {
		*ret_token = token;
		return 0;
	}
	if (call->err.class == ERR_NONE && call->status == 200)
		return err_set(err, ERR_TRANSIENT, "BadAnswer",
			"credential_source: an answer without a token");
	return api_call_fail(call, "credential_source: get a token", "", err);
}

int google_source_take(const struct google_source *source, int leg, struct api_call *call,
	char **ret_token, int64_t *ret_life_s, struct err *err)
{
	int hop;
	enum leg what = leg_of(source, leg, &hop);
	const char *field = what == LEG_HOP ? "accessToken" : "access_token", *token;

	if (what == LEG_SUBJECT)
		return take_fetched(source, call, ret_token, err);
	token = call->err.class == ERR_NONE && call->status == 200 ? doc_str(call->answer, field)
								   : NULL;
	if (!token || !*token)
		return what == LEG_HOP ? no_hop(&source->hops[hop], call, err)
				       : no_token(call, err);
	*ret_token = xstrdup(token);
	*ret_life_s = what == LEG_HOP ? source->hops[hop].life_s
				      : doc_int_or(call->answer, "expires_in", LIFE_S);
	return 0;
}

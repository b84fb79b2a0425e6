/*
 * How one question is asked:
 *
 *   for each endpoint (mirrors, then the registry itself)
 *     for each credential that fits, most specific first (or none)
 *       HEAD; what the answer says: a token first, GET instead, elsewhere, done
 *
 * Every request ends in manifest_answer or token_answer; each of their ways out
 * sends one more request or finishes the job, and touches the job no more.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include "base/digest.h"
#include "base/mem.h"
#include "base/str.h"
#include "net/registry_internal.h"

#define ACCEPT                                                        \
	"Accept: application/vnd.oci.image.index.v1+json, "           \
	"application/vnd.docker.distribution.manifest.list.v2+json, " \
	"application/vnd.oci.image.manifest.v1+json, "                \
	"application/vnd.docker.distribution.manifest.v2+json"
#define REDIRECTS_MAX 3
#define AUTHS_MAX 8 /* credentials that are tried at one endpoint */
#define TOKEN_ANSWER_MAX ((size_t)256 << 10)
#define HEAD_ANSWER_MAX ((size_t)64 << 10)

static void endpoint_start(struct registry_job *job);
static void manifest_send(struct registry_job *job);

/* --- making one --- */

/* scheme NULL: https, unless the allow-list says otherwise; prefix: before the repository. */
static void add_endpoint(struct registry_job *job, const char *scheme, const char *host,
	const char *prefix, bool mirror, const struct registry_auth_list *auths)
{
	auto_free char *authority = url_lower(host);
	bool plain = scheme && str_eq(scheme, "http");
	bool insecure = !scheme && registry_insecure(job->client, authority, &plain);
	struct registry_endpoint *e;

	job->endpoints =
		xreallocarray(job->endpoints, job->endpoints_len + 1, sizeof(*job->endpoints));
	e = &job->endpoints[job->endpoints_len++];
	*e = (struct registry_endpoint){
		.origin = xasprintf("%s://%s", plain ? "http" : "https", authority),
		.authority = take_ptr(authority),
		.repository = xasprintf("%s%s", prefix, job->image.repository),
		.mirror = mirror,
		.try_plain = insecure && !plain,
	};
	if (auths)
		registry_auth_match(
			auths, mirror ? host : job->image.host, e->repository, &e->auths);
}

/* "[scheme://]host[:port][/path]", checked when the client was made. */
static void add_mirror(
	struct registry_job *job, const char *text, const struct registry_auth_list *auths)
{
	const char *scheme = strstr(text, "://");
	const char *rest = scheme ? scheme + 3 : text;
	size_t host_len = strcspn(rest, "/");
	auto_free char *authority = xstrndup(rest, host_len);
	const char *path = rest + host_len + (rest[host_len] == '/');
	size_t path_len = strlen(path);
	auto_free char *prefix = NULL;

	while (path_len > 0 && path[path_len - 1] == '/')
		path_len--;
	prefix = path_len ? xasprintf("%.*s/", (int)path_len, path) : xstrdup("");
	add_endpoint(job,
		!scheme                            ? NULL
		: str_starts_with(text, "http://") ? "http"
						   : "https",
		authority, prefix, true, auths);
}

struct registry_job *registry_job_new(struct registry_client *client, const struct image_ref *image,
	const struct registry_auth_list *auths)
{
	struct registry_job *job = xnew(struct registry_job);
	const struct strvec *mirrors = map_get(&client->mirrors, image->host);

	job->client = client;
	job->shown = image_ref_familiar(image);
	job->image = (struct image_ref){
		.host = xstrdup(image->host),
		.repository = xstrdup(image->repository),
		.tag = xstrdup(image->tag),
	};
	list_init(&job->ops);
	registry_request_init(&job->request);
	for (size_t i = 0; mirrors && i < mirrors->len; i++)
		add_mirror(job, mirrors->items[i], auths);
	add_endpoint(job, NULL, image_ref_api_host(image->host), "", false, auths);
	return job;
}

char *registry_job_key(const struct registry_job *job)
{
	auto_free char *canonical = image_ref_canonical(&job->image);
	struct buf text = BUF_INIT;
	char hex[DIGEST_HEX_SIZE];

	for (size_t i = 0; i < job->endpoints_len; i++) {
		const struct registry_auth_list *auths = &job->endpoints[i].auths;

		for (size_t a = 0; a < auths->len; a++)
			buf_addf(&text, "%zu\n%s\n%s\n%s\n", i, auths->items[a].user,
				auths->items[a].password, auths->items[a].identity_token);
	}
	digest_sha256_hex(buf_str(&text), text.len, hex);
	mem_free_secret(buf_take(&text));
	return xasprintf("%s %s", canonical, hex);
}

void registry_job_free(struct registry_job *job)
{
	loop_timer_del(&job->deadline);
	registry_request_free(&job->request);
	for (size_t i = 0; i < job->endpoints_len; i++) {
		free(job->endpoints[i].origin);
		free(job->endpoints[i].authority);
		free(job->endpoints[i].repository);
		registry_auth_clear(&job->endpoints[i].auths);
	}
	free(job->endpoints);
	image_ref_release(&job->image);
	challenge_release(&job->challenge);
	registry_wipe_headers(&job->headers);
	mem_free_secret(buf_take(&job->body));
	mem_free_secret(job->authorization);
	free(job->key);
	free(job->shown);
	free(job->url);
	free(job->token_key);
	free(job->token_host);
	free(job);
}

/* --- ways out --- */

static struct registry_endpoint *endpoint_of(struct registry_job *job)
{
	return &job->endpoints[job->endpoint];
}

static const struct registry_auth *auth_of(struct registry_job *job)
{
	const struct registry_endpoint *e = endpoint_of(job);

	return !job->foreign && job->auth < e->auths.len ? &e->auths.items[job->auth] : NULL;
}

/* This endpoint is of no use: the next one, or the end. Takes *err. */
static void endpoint_failed(struct registry_job *job, struct err *err)
{
	const struct registry_endpoint *e = endpoint_of(job);
	auto_err mine = ERR_INIT;

	err_move(&mine, err);
	if (job->endpoint + 1 == job->endpoints_len) {
		registry_job_finished(job, NULL, &mine);
		return;
	}
	if (e->mirror && (str_eq(mine.reason, "RegistryUnavailable") ||
				 str_eq(mine.reason, "RegistryTimeout")))
		registry_host_failed(job->client, e->origin);
	job->endpoint++;
	endpoint_start(job);
}

__attribute__((format(printf, 4, 5))) static void fail(
	struct registry_job *job, enum err_class class, const char *reason, const char *fmt, ...)
{
	auto_err err = ERR_INIT;
	auto_free char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	err_set(&err, class, reason, "image %s: %s", job->shown, text);
	endpoint_failed(job, &err);
}

/* The first code of {"errors": [{"code": ...}]} in parentheses, "" when there is none: words of the
 * registry that cannot hold a secret. Owned by the caller. */
static char *error_code(const struct buf *body)
{
	json_t *root = body->len ? json_loadb(body->data, body->len, 0, NULL) : NULL;
	const json_t *first = json_array_get(json_object_get(root, "errors"), 0);
	const char *code = json_string_value(json_object_get(first, "code"));
	char *text;

	if (code && *code && strlen(code) <= 40 &&
		strspn(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_") == strlen(code))
		text = xasprintf(" (%s)", code);
	else
		text = xstrdup("");
	json_decref(root);
	return text;
}

/* No answer at all, from `who`. */
static void fail_without_answer(struct registry_job *job, const char *who)
{
	const struct err *why = &job->request.err;

	if (str_eq(why->reason, "TLSFailed"))
		fail(job, ERR_USER, "RegistryTLSFailed",
			"TLS with %s failed (%s); give its certificate authority, or allow it as "
			"an insecure registry",
			who, err_message(why));
	else if (str_eq(why->reason, "Timeout") || str_eq(why->reason, "IdleTimeout"))
		fail(job, ERR_TRANSIENT, "RegistryTimeout",
			"%s did not answer in time (%s); it is asked again later", who,
			err_message(why));
	else if (str_eq(why->reason, "RegistryInsecure"))
		fail(job, ERR_USER, "RegistryInsecure",
			"%s; use https or allow it as an insecure registry", err_message(why));
	else if (str_eq(why->reason, "ResponseTooLarge") || str_eq(why->reason, "InvalidURL") ||
		 str_eq(why->reason, "InvalidRequest"))
		fail(job, ERR_TRANSIENT, "RegistryInvalidAnswer", "%s: %s", who, err_message(why));
	else
		fail(job, ERR_TRANSIENT, "RegistryUnavailable",
			"%s cannot be reached (%s); it is asked again later", who,
			err_message(why));
}

static void fail_rate_limited(struct registry_job *job, const char *who)
{
	int64_t wait_ms = job->request.retry_after_ms;
	auto_err err = ERR_INIT;

	err_set(&err, ERR_TRANSIENT, "RegistryRateLimited",
		"image %s: %s asks to slow down (429); it is asked again in %lld s. Credentials "
		"of a pull secret, or a mirror, raise the limit",
		job->shown, who, (long long)((wait_ms + 999) / 1000));
	err.retry_after_ms = (int)wait_ms;
	endpoint_failed(job, &err);
}

/* Steals the header. */
static void set_authorization(struct registry_job *job, char *header)
{
	mem_free_secret(job->authorization);
	job->authorization = header;
}

/* These credentials are of no use: the next ones, or the end. */
__attribute__((format(printf, 3, 4))) static void auth_failed(
	struct registry_job *job, const char *reason, const char *fmt, ...)
{
	const struct registry_endpoint *e = endpoint_of(job);
	auto_free char *text = NULL;
	va_list ap;

	if (!job->foreign && job->auth + 1 < e->auths.len && job->auth + 1 < AUTHS_MAX) {
		job->auth++;
		set_authorization(job, NULL);
		job->cached_token = false;
		manifest_send(job);
		return;
	}
	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	fail(job, ERR_USER, reason, "%s", text);
}

static void succeed(struct registry_job *job, const char *digest)
{
	registry_job_finished(job, digest, NULL);
}

/* --- tokens --- */

static void token_answer(struct registry_request *req);

static struct registry_token_request token_request(struct registry_job *job)
{
	return (struct registry_token_request){
		.challenge = &job->challenge,
		.repository = endpoint_of(job)->repository,
		.auth = auth_of(job),
	};
}

static void bearer_send(struct registry_job *job, const char *token, bool cached)
{
	set_authorization(job, xasprintf("Authorization: Bearer %s", token));
	job->cached_token = cached;
	manifest_send(job);
}

/* The registry wants a token. */
static void token_get(struct registry_job *job)
{
	struct registry_token_request ask = token_request(job);
	auto_url_parts realm = {0};
	auto_free char *url = NULL;
	auto_err err = ERR_INIT;
	const char *token;

	if (url_split(job->challenge.realm, &realm, &err) < 0) {
		fail(job, ERR_TRANSIENT, "RegistryInvalidAnswer",
			"%s names a token server by an %s", endpoint_of(job)->authority,
			err_message(&err));
		return;
	}
	free(job->token_key);
	job->token_key = registry_token_key(&ask);
	token = registry_token_get(
		&job->client->tokens, job->token_key, loop_now_ms(job->client->loop));
	if (token) {
		bearer_send(job, token, true);
		return;
	}
	free(job->token_host);
	job->token_host = xasprintf("the token server %s", realm.authority);
	registry_token_ask(&ask, &job->request.http, &job->headers, &job->body, &url);
	job->request.http.headers = &job->headers;
	job->request.http.max_response = TOKEN_ANSWER_MAX;
	job->request.tries = endpoint_of(job)->mirror ? 1 : job->client->options.tries;
	job->request.done = token_answer;
	registry_send(job->client, &job->request, url);
}

static void token_refused(struct registry_job *job)
{
	const struct registry_auth *auth = auth_of(job);

	if (auth)
		auth_failed(job, "RegistryUnauthorized",
			"%s refuses the credentials for %s%s (%d); check the pull secret",
			job->token_host, auth->host, auth->path, job->request.status);
	else
		auth_failed(job, "RegistryUnauthorized",
			"%s gives no token without credentials (%d); add a pull secret for %s",
			job->token_host, job->request.status, job->image.host);
}

static void token_answer(struct registry_request *req)
{
	struct registry_job *job = container_of(req, struct registry_job, request);
	const char *token;

	if (req->status == 0) {
		fail_without_answer(job, job->token_host);
	} else if (req->status == 200) {
		token = registry_token_put(&job->client->tokens, job->token_key,
			buf_str(&req->http.response), req->http.response.len,
			loop_now_ms(job->client->loop));
		if (req->http.response.data)
			explicit_bzero(req->http.response.data, req->http.response.len);
		if (token)
			bearer_send(job, token, false);
		else
			fail(job, ERR_TRANSIENT, "RegistryInvalidAnswer",
				"%s answered without a token", job->token_host);
	} else if (req->status == 429) {
		fail_rate_limited(job, job->token_host);
	} else if (req->status >= 500) {
		fail(job, ERR_TRANSIENT, "RegistryUnavailable",
			"%s answered %d; it is asked again later", job->token_host, req->status);
	} else if (req->status >= 400) {
		token_refused(job);
	} else {
		fail(job, ERR_TRANSIENT, "RegistryInvalidAnswer",
			"%s answered %d; credentials are not sent elsewhere", job->token_host,
			req->status);
	}
}

/* --- the manifest --- */

/* Of an answer: NULL when it is one of those that were asked for, or not told. */
static const char *unwanted_type(const struct registry_job *job)
{
	const char *type = job->request.http.content_type;
	auto_free char *bare = NULL;

	if (!type)
		return NULL;
	bare = xstrndup(type, strcspn(type, "; ,"));
	return *bare && strstr(ACCEPT, bare) && strchr(bare, '/') ? NULL : type;
}

static void unauthorized(struct registry_job *job)
{
	const struct registry_auth *auth = auth_of(job);
	const char *host = endpoint_of(job)->authority;
	auto_free char *code = error_code(&job->request.http.response);

	if (auth && job->authorization)
		auth_failed(job, "RegistryUnauthorized",
			"%s refuses the credentials for %s%s (%d%s); check the pull secret, and "
			"that the image exists",
			host, auth->host, auth->path, job->request.status, code);
	else
		auth_failed(job, "RegistryUnauthorized",
			"%s does not show it without credentials (%d%s); add a pull secret for "
			"%s, or check the name",
			host, job->request.status, code, job->image.host);
}

/* 401 */
static void challenged(struct registry_job *job)
{
	const struct registry_auth *auth = auth_of(job);

	if (job->authorization && job->cached_token) {
		/* Revoked, or its server was restarted: a fresh one. */
		registry_token_drop(&job->client->tokens, job->token_key);
	} else if (job->authorization) {
		unauthorized(job);
		return;
	}
	set_authorization(job, NULL);
	job->cached_token = false;
	challenge_release(&job->challenge);
	challenge_read(&job->request.http.response_headers, &job->challenge);
	if (job->challenge.scheme == CHALLENGE_BEARER) {
		token_get(job);
	} else if (job->challenge.scheme == CHALLENGE_BASIC && auth && *auth->user) {
		set_authorization(job, registry_basic_header(auth));
		manifest_send(job);
	} else {
		unauthorized(job);
	}
}

static void redirected(struct registry_job *job)
{
	const char *location = http_response_header(&job->request.http, "location");
	auto_free char *url = location ? url_join(job->url, location) : NULL;
	auto_url_parts from = {0}, to = {0};
	const char *host = endpoint_of(job)->authority;

	if (!url || url_split(job->url, &from, NULL) < 0 || url_split(url, &to, NULL) < 0 ||
		++job->redirects > REDIRECTS_MAX) {
		fail(job, ERR_TRANSIENT, "RegistryInvalidAnswer",
			job->redirects > REDIRECTS_MAX ? "%s redirects in circles (%d)"
						       : "%s redirects to nowhere (%d)",
			host, job->request.status);
		return;
	}
	if (!str_eq(from.scheme, to.scheme) || !str_eq(from.authority, to.authority)) {
		job->foreign = true;
		job->cached_token = false;
		set_authorization(job, NULL);
	}
	free(job->url);
	job->url = take_ptr(url);
	manifest_send(job);
}

/* The digest of a body, when it is a manifest. */
static void manifest_body(struct registry_job *job, const char *told)
{
	const struct buf *body = &job->request.http.response;
	const char *host = endpoint_of(job)->authority;
	json_t *root = json_loadb(buf_str(body), body->len, 0, NULL);
	bool manifest = json_integer_value(json_object_get(root, "schemaVersion")) == 2;
	char digest[sizeof("sha256:") + DIGEST_HEX_SIZE] = "sha256:";

	json_decref(root);
	if (!manifest) {
		fail(job, ERR_TRANSIENT, "RegistryInvalidAnswer",
			"%s answered with something that is no manifest; is it a registry?", host);
		return;
	}
	digest_sha256_hex(body->data, body->len, digest + strlen("sha256:"));
	if (told && str_starts_with(told, "sha256:") && !str_eq(told, digest))
		fail(job, ERR_TRANSIENT, "RegistryInvalidAnswer",
			"%s says the digest is %s, but its manifest has %s; do not trust it", host,
			told, digest);
	else
		succeed(job, told ? told : digest);
}

/* 200 */
static void manifest_found(struct registry_job *job)
{
	const char *told = http_response_header(&job->request.http, "docker-content-digest");
	const char *type = unwanted_type(job);
	const char *host = endpoint_of(job)->authority;

	if (told && !image_digest_valid(told)) {
		fail(job, ERR_TRANSIENT, "RegistryInvalidAnswer",
			"%s says a digest that is none; is it a registry?", host);
	} else if (type) {
		auto_free char *shown = str_clean_tail(type, strlen(type), 80);

		fail(job, ERR_TRANSIENT, "RegistryInvalidAnswer",
			"%s answered with %s, which is no manifest that runtimes take; is it a "
			"registry, and the image not of an old format?",
			host, shown);
	} else if (job->get) {
		manifest_body(job, told);
	} else if (told) {
		succeed(job, told);
	} else {
		job->get = true;
		manifest_send(job);
	}
}

static void manifest_not_found(struct registry_job *job)
{
	auto_free char *code = error_code(&job->request.http.response);

	auth_failed(job, "ImageNotFound",
		"%s does not have it (404%s); check name and tag, or push it",
		endpoint_of(job)->authority, code);
}

static void manifest_forbidden(struct registry_job *job)
{
	auto_free char *code = error_code(&job->request.http.response);

	auth_failed(job, "RegistryForbidden",
		"%s forbids reading it (403%s); give the account of the pull secret the right to "
		"pull, or check the name",
		endpoint_of(job)->authority, code);
}

static void manifest_other(struct registry_job *job)
{
	const int status = job->request.status;
	const char *host = endpoint_of(job)->authority;

	if (status >= 500)
		fail(job, ERR_TRANSIENT, "RegistryUnavailable",
			"%s answered %d; it is asked again later", host, status);
	else
		fail(job, ERR_TRANSIENT, "RegistryInvalidAnswer",
			"%s answered %d; is it a registry?", host, status);
}

static void no_answer(struct registry_job *job)
{
	struct registry_endpoint *e = endpoint_of(job);
	const struct err *why = &job->request.err;

	if (!e->try_plain || job->foreign ||
		!(str_eq(why->reason, "TLSFailed") || str_eq(why->reason, "ConnectFailed"))) {
		fail_without_answer(job, e->authority);
		return;
	}
	e->try_plain = false;
	free(e->origin);
	e->origin = xasprintf("http://%s", e->authority);
	endpoint_start(job);
}

static void manifest_answer(struct registry_request *req)
{
	struct registry_job *job = container_of(req, struct registry_job, request);

	if (req->status == 0) {
		no_answer(job);
		return;
	}
	/* It speaks TLS, so it is not asked without. */
	endpoint_of(job)->try_plain = false;
	switch (req->status) {
	case 200:
		manifest_found(job);
		break;
	case 301:
	case 302:
	case 303:
	case 307:
	case 308:
		redirected(job);
		break;
	case 401:
		challenged(job);
		break;
	case 403:
		manifest_forbidden(job);
		break;
	case 404:
		manifest_not_found(job);
		break;
	case 405:
	case 501:
		if (job->get) {
			manifest_other(job);
		} else {
			job->get = true;
			manifest_send(job);
		}
		break;
	case 429:
		fail_rate_limited(job, endpoint_of(job)->authority);
		break;
	default:
		manifest_other(job);
	}
}

static void manifest_send(struct registry_job *job)
{
	struct registry_endpoint *e = endpoint_of(job);

	registry_wipe_headers(&job->headers);
	strvec_add(&job->headers, ACCEPT);
	if (job->authorization)
		strvec_add(&job->headers, job->authorization);
	job->request.http.method = job->get ? "GET" : "HEAD";
	job->request.http.headers = &job->headers;
	job->request.http.body = NULL;
	job->request.http.body_len = 0;
	job->request.http.max_response =
		job->get ? job->client->options.max_manifest : HEAD_ANSWER_MAX;
	/* What else there is to ask should not wait for a mirror, or for a protocol. */
	job->request.tries = e->mirror || e->try_plain ? 1 : job->client->options.tries;
	job->request.done = manifest_answer;
	registry_send(job->client, &job->request, job->url);
}

static void endpoint_start(struct registry_job *job)
{
	struct registry_endpoint *e = endpoint_of(job);
	struct buf url = BUF_INIT;

	if (e->mirror && registry_host_is_failed(job->client, e->origin)) {
		job->endpoint++; /* a mirror is never the last */
		endpoint_start(job);
		return;
	}
	job->auth = 0;
	job->get = false;
	job->foreign = false;
	job->redirects = 0;
	job->cached_token = false;
	set_authorization(job, NULL);
	buf_addf(&url, "%s/v2/%s/manifests", e->origin, e->repository);
	url_add_segment(&url, job->image.tag);
	/* Which registry is meant, as containerd tells a mirror that stands for several. */
	if (e->mirror)
		url_add_query(&url, "ns", job->image.host);
	free(job->url);
	job->url = buf_take(&url);
	manifest_send(job);
}

static void job_deadline(struct loop_timer *timer)
{
	struct registry_job *job = container_of(timer, struct registry_job, deadline);
	auto_err err = ERR_INIT;

	err_set(&err, ERR_TRANSIENT, "RegistryTimeout",
		"image %s: no answer of %s within %lld s; it is asked again later", job->shown,
		endpoint_of(job)->authority, (long long)(job->client->options.total_ms / 1000));
	registry_job_finished(job, NULL, &err);
}

void registry_job_start(struct registry_job *job)
{
	int64_t total_ms = job->client->options.total_ms;

	job->deadline_ms = loop_now_ms(job->client->loop) + total_ms;
	job->request.deadline_ms = job->deadline_ms;
	loop_timer_set(job->client->loop, &job->deadline, total_ms, job_deadline);
	endpoint_start(job);
}

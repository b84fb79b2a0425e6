/*
 * Tokens: asking a token server ("Token Authentication Specification" and
 * "Oauth2 Token Authentication" of the distribution project) and remembering
 * what it gave until shortly before it ends.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include "base/base64.h"
#include "base/digest.h"
#include "base/mem.h"
#include "base/str.h"
#include "net/registry_internal.h"

#define TOKENS_MAX 512
#define TOKEN_LEN_MAX ((size_t)64 << 10)
#define TOKEN_DEFAULT_S 60 /* where the server does not say: the specification's value */
#define TOKEN_MARGIN_S 10  /* not used in its last seconds */
#define TOKEN_MAX_S 3600

struct token {
	char *key;
	char *text;
	int64_t until_ms;
	struct list link;
};

static void token_free(void *value)
{
	struct token *token = value;

	list_del(&token->link);
	mem_free_secret(token->text);
	free(token->key);
	free(token);
}

void registry_tokens_init(struct registry_token_store *store)
{
	store->tokens = (struct map){.free_value = token_free};
	list_init(&store->by_age);
}

void registry_tokens_clear(struct registry_token_store *store)
{
	map_clear(&store->tokens);
}

static char *token_scope(const struct registry_token_request *request)
{
	if (request->challenge->scope)
		return xstrdup(request->challenge->scope);
	return xasprintf("repository:%s:pull", request->repository);
}

char *registry_token_key(const struct registry_token_request *request)
{
	char *key = xmalloc(DIGEST_HEX_SIZE);
	auto_free char *scope = token_scope(request);
	const struct registry_auth *auth = request->auth;

	digest_sha256_parts(key, request->challenge->realm,
		request->challenge->service ? request->challenge->service : "", scope,
		auth ? "as" : "anonymous", auth ? auth->user : "", auth ? auth->password : "",
		auth ? auth->identity_token : "", NULL);
	return key;
}

const char *registry_token_get(struct registry_token_store *store, const char *key, int64_t now_ms)
{
	const struct token *token = map_get(&store->tokens, key);

	if (!token)
		return NULL;
	if (token->until_ms <= now_ms) {
		map_del(&store->tokens, key);
		return NULL;
	}
	return token->text;
}

void registry_token_drop(struct registry_token_store *store, const char *key)
{
	map_del(&store->tokens, key);
}

static const char *keep(struct registry_token_store *store, const char *key, const char *text,
	int64_t seconds, int64_t now_ms)
{
	struct token *token = xnew(struct token);

	if (store->tokens.len >= TOKENS_MAX) {
		struct token *oldest = container_of(store->by_age.next, struct token, link);

		map_del(&store->tokens, oldest->key);
	}
	if (seconds > TOKEN_MAX_S)
		seconds = TOKEN_MAX_S;
	/* Shorter lives than the margin are used half. */
	seconds -= seconds >= 2 * TOKEN_MARGIN_S ? TOKEN_MARGIN_S : seconds - seconds / 2;
	token->key = xstrdup(key);
	token->text = xstrdup(text);
	token->until_ms = now_ms + seconds * 1000;
	list_init(&token->link);
	map_set(&store->tokens, key, token);
	list_add_tail(&store->by_age, &token->link);
	return token->text;
}

/* Fit for a header: RFC 6750's b64token and a little more. */
static bool token_valid(const char *text)
{
	if (!text || !*text || strlen(text) > TOKEN_LEN_MAX)
		return false;
	for (; *text; text++) {
		if (*text <= ' ' || *text > '~')
			return false;
	}
	return true;
}

static void wipe_text(const json_t *text)
{
	if (json_is_string(text))
		explicit_bzero((char *)json_string_value(text), json_string_length(text));
}

const char *registry_token_put(struct registry_token_store *store, const char *key,
	const char *answer, size_t len, int64_t now_ms)
{
	json_t *root = json_loadb(answer, len, 0, NULL);
	const json_t *token = json_object_get(root, "token");
	const json_t *expires = json_object_get(root, "expires_in");
	int64_t seconds = json_is_integer(expires) ? json_integer_value(expires) : 0;
	const char *kept = NULL;

	if (!token_valid(json_string_value(token)))
		token = json_object_get(root, "access_token");
	if (token_valid(json_string_value(token)))
		kept = keep(store, key, json_string_value(token),
			seconds > 0 ? seconds : TOKEN_DEFAULT_S, now_ms);
	wipe_text(json_object_get(root, "token"));
	wipe_text(json_object_get(root, "access_token"));
	wipe_text(json_object_get(root, "refresh_token"));
	json_decref(root);
	return kept;
}

/* --- asking --- */

static void form_add(struct buf *form, const char *name, const char *value)
{
	buf_adds(form, form->len ? "&" : "");
	buf_adds(form, name);
	buf_addc(form, '=');
	url_add_encoded(form, value, false);
}

static void ask_by_post(const struct registry_token_request *request, const char *scope,
	struct http_request *http, struct strvec *headers, struct buf *body)
{
	buf_reset(body);
	form_add(body, "grant_type", "refresh_token");
	if (request->challenge->service)
		form_add(body, "service", request->challenge->service);
	form_add(body, "client_id", "fondant-operator");
	form_add(body, "scope", scope);
	form_add(body, "refresh_token", request->auth->identity_token);
	strvec_add(headers, "Content-Type: application/x-www-form-urlencoded");
	http->method = "POST";
	http->body = body->data;
	http->body_len = body->len;
}

void registry_token_ask(const struct registry_token_request *request, struct http_request *http,
	struct strvec *headers, struct buf *body, char **ret_url)
{
	const struct registry_auth *auth = request->auth;
	auto_free char *scope = token_scope(request);
	struct buf url = BUF_INIT_MAX((size_t)64 << 10);

	registry_wipe_headers(headers);
	strvec_add(headers, "Accept: application/json");
	buf_adds(&url, request->challenge->realm);
	http->body = NULL;
	http->body_len = 0;
	if (auth && *auth->identity_token) {
		ask_by_post(request, scope, http, headers, body);
	} else {
		http->method = "GET";
		if (request->challenge->service)
			url_add_query(&url, "service", request->challenge->service);
		url_add_query(&url, "scope", scope);
		if (auth) {
			strvec_take(headers, registry_basic_header(auth));
			url_add_query(&url, "account", auth->user);
		}
	}
	*ret_url = buf_take(&url);
}

char *registry_basic_header(const struct registry_auth *auth)
{
	char *pair = xasprintf("%s:%s", auth->user, auth->password);
	char *encoded = base64_encode(pair, strlen(pair));
	char *header = xasprintf("Authorization: Basic %s", encoded);

	mem_free_secret(pair);
	mem_free_secret(encoded);
	return header;
}

void registry_wipe_headers(struct strvec *headers)
{
	strvec_for_each (headers, i)
		explicit_bzero(headers->items[i], strlen(headers->items[i]));
	strvec_clear(headers);
}

#include "runners/aws_auth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "doc/json.h"
#include "doc/path.h"
#include "net/url.h"
#include "net/xml.h"

#define EARLY_MS (INT64_C(5) * 60 * 1000)
#define FILE_MAX 65536
#define SESSION_NAME "fondant-operator"
#define CONTAINER_HOST "http://169.254.170.2"
#define MACHINE_HOST "http://169.254.169.254"
#define MACHINE_PATH "/latest/meta-data/iam/security-credentials/"
#define MACHINE_MS 1000 /* a pod that the service's hop limit hides it from waits no longer */

char *aws_endpoint(const char *service, const char *region)
{
	return xasprintf("https://%s.%s.amazonaws.com%s", service, region,
		str_starts_with(region, "cn-") ? ".cn" : "");
}

/* --- keys --- */

static void keys_clear(struct aws_keys *keys)
{
	mem_free_secret(keys->id);
	mem_free_secret(keys->secret);
	mem_free_secret(keys->token);
	*keys = (struct aws_keys){0};
}

static char *copy_or_null(const char *text)
{
	return text && *text ? xstrdup(text) : NULL;
}

/* ends: RFC 3339; NULL: they do not end. < 0: they are none. */
static int keys_set(struct aws_keys *keys, const char *id, const char *secret, const char *token,
	const char *ends)
{
	int64_t seconds = 0;

	if (!id || !*id || !secret || !*secret || (ends && !time_parse_rfc3339(ends, &seconds)))
		return -1;
	keys_clear(keys);
	keys->id = xstrdup(id);
	keys->secret = xstrdup(secret);
	keys->token = copy_or_null(token);
	if (ends)
		keys->ends_ms = time_mono_ms() + seconds * 1000 - time_wall_ms();
	return 0;
}

static bool hold(const struct aws_keys *keys, int64_t early_ms)
{
	return keys->id && (!keys->ends_ms || time_mono_ms() + early_ms < keys->ends_ms);
}

/* --- where they come from --- */

static const char *variable(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

static int take_static(struct aws_auth *auth, const char *where, const char *id, const char *secret,
	const char *token, struct err *err)
{
	auth->kind = AWS_STATIC;
	if (keys_set(&auth->base, id, secret, token, NULL) == 0)
		return 0;
	return err_set(err, ERR_USER, "InvalidKey",
		"%s has no %s: give AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY", where,
		id && *id ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID");
}

static int take_secret(struct aws_auth *auth, const json_t *keys, struct err *err)
{
	return take_static(auth, "the Secret of sagemaker.auth.accessKey",
		doc_str(keys, "AWS_ACCESS_KEY_ID"), doc_str(keys, "AWS_SECRET_ACCESS_KEY"),
		doc_str(keys, "AWS_SESSION_TOKEN"), err);
}

static void take_web_identity(
	struct aws_auth *auth, const char *role, const char *token, const char *file)
{
	auth->kind = AWS_WEB_IDENTITY;
	auth->role = xstrdup(role);
	auth->identity = copy_or_null(token);
	auth->identity_file = copy_or_null(file);
}

/* Without TLS only this machine, and the addresses of ECS and EKS. */
static bool may_be_plain(const char *host)
{
	static const char *const hosts[] = {
		"localhost", "[::1]", "169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"};

	for (size_t i = 0; i < array_size(hosts); i++) {
		if (str_eq(host, hosts[i]))
			return true;
	}
	return str_starts_with(host, "127.");
}

static int take_container(
	struct aws_auth *auth, const char *relative, const char *full, struct err *err)
{
	auto_url_parts parts = {0};

	auth->kind = AWS_CONTAINER;
	auth->url = relative ? xasprintf(CONTAINER_HOST "%s", relative) : xstrdup(full);
	auth->authorization = copy_or_null(variable("AWS_CONTAINER_AUTHORIZATION_TOKEN"));
	auth->authorization_file = copy_or_null(variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"));
	if (url_split(auth->url, &parts, NULL) < 0 ||
		(!str_eq(parts.scheme, "https") && !may_be_plain(parts.host)))
		return err_set(err, ERR_USER, "InvalidEndpoint",
			"$AWS_CONTAINER_CREDENTIALS_%s_URI is no address of container credentials",
			relative ? "RELATIVE" : "FULL");
	return 0;
}

static int take_ambient(struct aws_auth *auth, struct err *err)
{
	const char *id = variable("AWS_ACCESS_KEY_ID");
	const char *secret = variable("AWS_SECRET_ACCESS_KEY");
	const char *role = variable("AWS_ROLE_ARN");
	const char *file = variable("AWS_WEB_IDENTITY_TOKEN_FILE");
	const char *relative = variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
	const char *full = variable("AWS_CONTAINER_CREDENTIALS_FULL_URI");
	const char *machine = variable("AWS_EC2_METADATA_SERVICE_ENDPOINT");

	if (id || secret)
		return take_static(
			auth, "the environment", id, secret, variable("AWS_SESSION_TOKEN"), err);
	if (role && file) {
		take_web_identity(auth, role, NULL, file);
		return 0;
	}
	if (relative || full)
		return take_container(auth, relative, full, err);
	if (str_eq(variable("AWS_EC2_METADATA_DISABLED"), "true"))
		return err_set(err, ERR_USER, "NoCredentials",
			"there are no credentials: set AWS_ACCESS_KEY_ID and "
			"AWS_SECRET_ACCESS_KEY, or AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE");
	auth->kind = AWS_MACHINE;
	auth->url = xstrdup(machine ? machine : MACHINE_HOST);
	return 0;
}

static int take(struct aws_auth *auth, const struct runner_settings *settings, struct err *err)
{
	const json_t *given = settings->credentials;
	const json_t *keys = json_object_get(given, "auth.accessKey");
	const char *token = json_string_value(json_object_get(given, "auth.webIdentity"));

	auth->hop_role = copy_or_null(doc_str(settings->spec, "auth.assumeRole.roleArn"));
	auth->hop_external_id = copy_or_null(doc_str(settings->spec, "auth.assumeRole.externalId"));
	if (keys)
		return take_secret(auth, keys, err);
	if (token) {
		take_web_identity(auth, doc_str_or(settings->spec, "auth.webIdentity.roleArn", ""),
			token, NULL);
		return 0;
	}
	if (settings->ambient)
		return take_ambient(auth, err);
	return err_set(err, ERR_USER, "NoCredentials",
		"sagemaker.auth: give an accessKey or a webIdentity; the operator's own identity "
		"is used only where it was started with --ambient-credentials");
}

int aws_auth_init(struct aws_auth *auth, struct loop *loop, struct http_client *client,
	const struct runner_settings *settings, struct err *err)
{
	const char *sts = variable("AWS_ENDPOINT_URL_STS");

	*auth = (struct aws_auth){.loop = loop, .client = client};
	list_init(&auth->waiting);
	auth->region = xstrdup(doc_str_or(settings->spec, "region", ""));
	if (!sts)
		sts = variable("AWS_ENDPOINT_URL");
	auth->sts = sts ? xstrdup(sts) : aws_endpoint("sts", auth->region);
	if (take(auth, settings, err) == 0)
		return 0;
	aws_auth_clear(auth);
	return -1;
}

void aws_auth_clear(struct aws_auth *auth)
{
	api_call_free(&auth->call);
	mem_free_secret(auth->body);
	free(auth->asked);
	free(auth->region);
	free(auth->sts);
	free(auth->role);
	mem_free_secret(auth->identity);
	free(auth->identity_file);
	free(auth->url);
	mem_free_secret(auth->authorization);
	free(auth->authorization_file);
	mem_free_secret(auth->session);
	free(auth->hop_role);
	free(auth->hop_external_id);
	keys_clear(&auth->base);
	keys_clear(&auth->keys);
	*auth = (struct aws_auth){0};
}

/* --- the end of asking --- */

static void tell_all(struct aws_auth *auth, const struct err *err)
{
	while (!list_empty(&auth->waiting)) {
		struct aws_wait *wait = container_of(auth->waiting.next, struct aws_wait, link);

		list_del(&wait->link);
		wait->auth = NULL;
		if (err)
			err_set(&wait->err, err->class, err->reason, "%s", err_message(err));
		wait->done(wait);
	}
}

/* Those of before may hold for some minutes yet. */
static void fail(struct aws_auth *auth, const struct err *err)
{
	tell_all(auth, err->class == ERR_TRANSIENT && hold(&auth->keys, 0) ? NULL : err);
}

static void move_keys(struct aws_keys *to, struct aws_keys *from)
{
	keys_clear(to);
	*to = *from;
	*from = (struct aws_keys){0};
}

static void assume_role(struct aws_auth *auth);

/* auth->base has what was asked for. */
static void got_base(struct aws_auth *auth)
{
	if (auth->hop_role) {
		assume_role(auth);
		return;
	}
	move_keys(&auth->keys, &auth->base);
	tell_all(auth, NULL);
}

/* --- requests --- */

static void send_call(struct aws_auth *auth, const char *method, const char *url,
	int (*prepare)(struct api_call *call, struct strvec *headers, struct err *err),
	void (*done)(struct api_call *call))
{
	char *copy = xstrdup(url); /* it may be our own */

	api_call_free(&auth->call);
	free(auth->asked);
	auth->asked = copy;
	auth->call = (struct api_call){.loop = auth->loop,
		.client = auth->client,
		.method = method,
		.url = auth->asked,
		.repeatable = true,
		.any_text = true,
		.prepare = prepare,
		.done = done};
	if (auth->body) {
		auth->call.content_type = "application/x-www-form-urlencoded; charset=utf-8";
		auth->call.body = auth->body;
		auth->call.body_len = strlen(auth->body);
	}
	if (auth->kind == AWS_MACHINE && !auth->body) {
		auth->call.timeout_ms = MACHINE_MS;
		auth->call.tries = 2;
	}
	api_call_send(&auth->call);
}

static void take_body(struct aws_auth *auth, struct buf *form)
{
	mem_free_secret(auth->body);
	auth->body = form ? buf_take(form) : NULL;
}

static void add_field(struct buf *form, const char *name, const char *value)
{
	if (form->len)
		buf_addc(form, '&');
	buf_addf(form, "%s=", name);
	url_add_encoded(form, value, false);
}

/* A whole file of at most FILE_MAX bytes, without white space at its end. Owned; NULL with err. */
static char *read_file(const char *path, struct err *err)
{
	char *text = xcalloc(FILE_MAX + 1, 1);
	FILE *file = fopen(path, "re");
	size_t len = file ? fread(text, 1, FILE_MAX, file) : 0;

	if (file)
		fclose(file);
	while (len && strchr("\r\n \t", text[len - 1]))
		text[--len] = '\0';
	if (len)
		return text;
	mem_free_secret(text);
	err_set(err, ERR_TRANSIENT, "NoCredentials", "the token file %s cannot be read", path);
	return NULL;
}

/* --- STS --- */

struct sts_answer {
	char *id, *secret, *token, *ends, *code, *message;
};

static void sts_element(void *user, const char *parent, const char *name, const char *value)
{
	struct sts_answer *answer = user;
	struct {
		const char *parent, *name;
		char **where;
	} wanted[] = {{"Credentials", "AccessKeyId", &answer->id},
		{"Credentials", "SecretAccessKey", &answer->secret},
		{"Credentials", "SessionToken", &answer->token},
		{"Credentials", "Expiration", &answer->ends}, {"Error", "Code", &answer->code},
		{"Error", "Message", &answer->message}};

	for (size_t i = 0; i < array_size(wanted); i++) {
		if (str_eq(parent, wanted[i].parent) && str_eq(name, wanted[i].name)) {
			mem_free_secret(*wanted[i].where);
			*wanted[i].where = xstrdup(value);
		}
	}
}

static void sts_answer_clear(struct sts_answer *answer)
{
	mem_free_secret(answer->id);
	mem_free_secret(answer->secret);
	mem_free_secret(answer->token);
	free(answer->ends);
	free(answer->code);
	free(answer->message);
}

/* The provider of the identity did not answer STS, or STS is busy. */
static bool is_passing(const char *code)
{
	return str_eq(code, "IDPCommunicationError") || str_eq(code, "Throttling") ||
	       str_eq(code, "ThrottlingException");
}

static void sts_failed(struct api_call *call, const struct sts_answer *answer, struct err *err)
{
	if (call->err.class != ERR_NONE || call->status >= 500 || !answer->code)
		api_call_fail(call, "ask AWS STS for a role", answer->message, err);
	else if (is_passing(answer->code))
		err_set(err, ERR_TRANSIENT, answer->code, "AWS STS: %.300s",
			answer->message ? answer->message : answer->code);
	else
		err_set(err, ERR_USER, "Unauthorized",
			"AWS STS gives no keys of the role: %s: %.300s", answer->code,
			answer->message ? answer->message : "it does not say why");
}

/* < 0 with err: there are no keys in the answer. */
static int read_sts(struct api_call *call, struct aws_keys *keys, struct err *err)
{
	struct sts_answer answer = {0};
	int result = 0;

	if (call->err.class == ERR_NONE)
		xml_read(call->text, strlen(call->text), sts_element, &answer);
	if (call->err.class != ERR_NONE || call->status != 200) {
		sts_failed(call, &answer, err);
		result = -1;
	} else if (!answer.ends ||
		   keys_set(keys, answer.id, answer.secret, answer.token, answer.ends) < 0) {
		result = err_set(err, ERR_TRANSIENT, "BadAnswer",
			"AWS STS answers without keys; is this its address?");
	}
	sts_answer_clear(&answer);
	return result;
}

static void identity_answered(struct api_call *call)
{
	struct aws_auth *auth = container_of(call, struct aws_auth, call);
	auto_err err = ERR_INIT;

	take_body(auth, NULL);
	if (read_sts(call, &auth->base, &err) < 0)
		fail(auth, &err);
	else
		got_base(auth);
}

static int ask_identity(struct aws_auth *auth, struct err *err)
{
	char *token =
		auth->identity ? xstrdup(auth->identity) : read_file(auth->identity_file, err);
	const char *session = variable("AWS_ROLE_SESSION_NAME");
	struct buf form = BUF_INIT;

	if (!token)
		return -1;
	add_field(&form, "Action", "AssumeRoleWithWebIdentity");
	add_field(&form, "Version", "2011-06-15");
	add_field(&form, "RoleArn", auth->role);
	add_field(&form, "RoleSessionName", session ? session : SESSION_NAME);
	add_field(&form, "WebIdentityToken", token);
	mem_free_secret(token);
	take_body(auth, &form);
	send_call(auth, "POST", auth->sts, NULL, identity_answered);
	return 0;
}

static void role_answered(struct api_call *call)
{
	struct aws_auth *auth = container_of(call, struct aws_auth, call);
	auto_err err = ERR_INIT;

	take_body(auth, NULL);
	if (read_sts(call, &auth->keys, &err) < 0)
		fail(auth, &err);
	else
		tell_all(auth, NULL);
}

static int sign_role(struct api_call *call, struct strvec *headers, struct err *err)
{
	struct aws_auth *auth = container_of(call, struct aws_auth, call);
	struct sigv4_keys keys = {auth->base.id, auth->base.secret, auth->base.token};
	auto_url_parts parts = {0};

	if (url_split(auth->sts, &parts, err) < 0)
		return -1;
	sigv4_sign(&keys,
		&(struct sigv4_request){.method = "POST",
			.host = parts.authority,
			.path = parts.path,
			.query = "",
			.region = auth->region,
			.service = "sts",
			.body = call->body,
			.body_len = call->body_len,
			.now_s = time_wall_ms() / 1000},
		headers);
	return 0;
}

static void assume_role(struct aws_auth *auth)
{
	struct buf form = BUF_INIT;

	add_field(&form, "Action", "AssumeRole");
	add_field(&form, "Version", "2011-06-15");
	add_field(&form, "RoleArn", auth->hop_role);
	add_field(&form, "RoleSessionName", SESSION_NAME);
	if (auth->hop_external_id)
		add_field(&form, "ExternalId", auth->hop_external_id);
	take_body(auth, &form);
	send_call(auth, "POST", auth->sts, sign_role, role_answered);
}

/* --- the container's, the machine's --- */

/* JSON with AccessKeyId, SecretAccessKey, Token and Expiration. */
static int read_json(
	struct api_call *call, struct aws_keys *keys, const char *what, struct err *err)
{
	auto_json *json = NULL;

	if (call->err.class != ERR_NONE || call->status != 200)
		return api_call_fail(call, what, call->err.class ? NULL : "no keys are given", err);
	if (doc_json_parse_lenient(call->text, strlen(call->text), &json, NULL) < 0 ||
		!doc_str(json, "Expiration") ||
		keys_set(keys, doc_str(json, "AccessKeyId"), doc_str(json, "SecretAccessKey"),
			doc_str(json, "Token"), doc_str(json, "Expiration")) < 0)
		return err_set(err, ERR_TRANSIENT, "BadAnswer",
			"%s: there are no keys in the answer", what);
	return 0;
}

static void container_answered(struct api_call *call)
{
	struct aws_auth *auth = container_of(call, struct aws_auth, call);
	auto_err err = ERR_INIT;

	if (read_json(call, &auth->base, "ask the container's credentials", &err) < 0)
		fail(auth, &err);
	else
		got_base(auth);
}

static int container_headers(struct api_call *call, struct strvec *headers, struct err *err)
{
	const struct aws_auth *auth = container_of(call, struct aws_auth, call);
	char *word = NULL;

	if (auth->authorization_file)
		word = read_file(auth->authorization_file, err);
	else if (auth->authorization)
		word = xstrdup(auth->authorization);
	if (word)
		strvec_addf(headers, "Authorization: %s", word);
	else if (auth->authorization_file)
		return -1;
	mem_free_secret(word);
	return 0;
}

static int machine_headers(struct api_call *call, struct strvec *headers, struct err *err)
{
	const struct aws_auth *auth = container_of(call, struct aws_auth, call);

	(void)err;
	if (auth->session)
		strvec_addf(headers, "X-aws-ec2-metadata-token: %s", auth->session);
	else
		strvec_add(headers, "X-aws-ec2-metadata-token-ttl-seconds: 21600");
	return 0;
}

static void machine_answered(struct api_call *call)
{
	struct aws_auth *auth = container_of(call, struct aws_auth, call);
	auto_err err = ERR_INIT;

	if (read_json(call, &auth->base, "ask the machine's credentials", &err) < 0)
		fail(auth, &err);
	else
		got_base(auth);
}

/* The text of an answer, where it is one short line of a header's or a URL's letters; else NULL
 * with err. Borrowed. */
static const char *one_word(struct api_call *call, const char *what, struct err *err)
{
	if (call->err.class != ERR_NONE || call->status != 200) {
		api_call_fail(call, what, call->err.class ? NULL : "no", err);
		return NULL;
	}
	if (*call->text && strlen(call->text) < 4096 && !strpbrk(call->text, "\r\n \t<>"))
		return call->text;
	err_set(err, ERR_TRANSIENT, "BadAnswer", "%s: the answer is none", what);
	return NULL;
}

static void roles_answered(struct api_call *call)
{
	struct aws_auth *auth = container_of(call, struct aws_auth, call);
	auto_err err = ERR_INIT;
	const char *role = one_word(call, "ask the machine's role", &err);
	struct buf url = BUF_INIT;

	if (!role) {
		fail(auth, &err);
		return;
	}
	buf_addf(&url, "%s" MACHINE_PATH, auth->url);
	url_add_encoded(&url, role, false);
	send_call(auth, "GET", buf_str(&url), machine_headers, machine_answered);
	buf_free(&url);
}

static void session_answered(struct api_call *call)
{
	struct aws_auth *auth = container_of(call, struct aws_auth, call);
	auto_err err = ERR_INIT;
	const char *session = one_word(call, "ask the machine's metadata service", &err);
	auto_free char *url = NULL;

	if (!session) {
		err_set(&err, ERR_TRANSIENT, "NoCredentials",
			"there are no credentials: neither in the environment nor of the machine's "
			"metadata service");
		fail(auth, &err);
		return;
	}
	auth->session = xstrdup(session);
	url = xasprintf("%s" MACHINE_PATH, auth->url);
	send_call(auth, "GET", url, machine_headers, roles_answered);
}

static void ask_machine(struct aws_auth *auth)
{
	auto_free char *url = xasprintf("%s/latest/api/token", auth->url);

	mem_free_secret(take_ptr(auth->session));
	send_call(auth, "PUT", url, machine_headers, session_answered);
}

/* --- waiting --- */

static int ask(struct aws_auth *auth, struct err *err)
{
	take_body(auth, NULL);
	switch (auth->kind) {
	case AWS_STATIC:
		assume_role(auth);
		return 0;
	case AWS_WEB_IDENTITY:
		return ask_identity(auth, err);
	case AWS_CONTAINER:
		send_call(auth, "GET", auth->url, container_headers, container_answered);
		return 0;
	case AWS_MACHINE:
		ask_machine(auth);
		return 0;
	}
	return 0;
}

static void tell_later(struct loop_defer *defer)
{
	struct aws_wait *wait = container_of(defer, struct aws_wait, defer);

	wait->auth = NULL;
	wait->done(wait);
}

static void wait_a_turn(struct aws_auth *auth, struct aws_wait *wait)
{
	loop_defer_add(auth->loop, &wait->defer, tell_later);
	list_init(&wait->link);
}

void aws_auth_get(struct aws_auth *auth, struct aws_wait *wait, void (*done)(struct aws_wait *wait))
{
	bool asking = !list_empty(&auth->waiting);

	err_clear(&wait->err);
	wait->done = done;
	wait->auth = auth;
	if (auth->kind == AWS_STATIC && !auth->hop_role && !auth->keys.id)
		keys_set(&auth->keys, auth->base.id, auth->base.secret, auth->base.token, NULL);
	if (hold(&auth->keys, EARLY_MS)) {
		wait_a_turn(auth, wait);
	} else if (!asking && ask(auth, &wait->err) < 0) {
		if (hold(&auth->keys, 0))
			err_clear(&wait->err);
		wait_a_turn(auth, wait);
	} else {
		list_add_tail(&auth->waiting, &wait->link);
	}
}

bool aws_auth_keys(const struct aws_auth *auth, struct sigv4_keys *ret_keys)
{
	if (!hold(&auth->keys, 0))
		return false;
	*ret_keys = (struct sigv4_keys){auth->keys.id, auth->keys.secret, auth->keys.token};
	return true;
}

void aws_auth_drop(struct aws_auth *auth)
{
	keys_clear(&auth->keys);
}

void aws_wait_cancel(struct aws_wait *wait)
{
	if (wait->auth) {
		loop_defer_del(&wait->defer);
		list_del(&wait->link);
		wait->auth = NULL;
	}
	err_clear(&wait->err);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "net/s3.h"
#include "net/s3_env.h"
#include "tests/fake/http_server.h"

#define SECRET "s3cr3t/+="
#define XMLNS "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\""

/* --- fixture --- */

struct fixture {
	struct loop *loop;
	struct http_server server;
	struct s3_client *client;
	struct s3_config config;
	void (*answer)(struct fixture *f, struct http_exchange *ex);
	struct strvec seen; /* "METHOD target body" */
	struct strvec signed_as;
	int fails;
	int status; /* of answer_status */
	const char *body;
	struct s3_op op;
	int done;
};

static void reply(struct http_exchange *ex, int status, const char *body)
{
	http_reply(ex, status, "application/xml", body, strlen(body));
}

static void on_request(struct http_server *server, struct http_exchange *ex)
{
	struct fixture *f = server->user;
	const char *authorization = http_header(ex, "authorization");

	strvec_addf(&f->seen, "%s %s %s", ex->method, ex->target, buf_str(&ex->body));
	strvec_add(&f->signed_as, authorization ? authorization : "-");
	f->answer(f, ex);
}

static void answer_status(struct fixture *f, struct http_exchange *ex)
{
	reply(ex, f->status, str_eq(ex->method, "HEAD") ? "" : f->body);
}

static void client_make(struct fixture *f, int64_t (*wall_ms)(void), int64_t request_ms)
{
	const struct s3_client_options options = {
		.config = &f->config, .retry_ms = 1, .request_ms = request_ms, .wall_ms = wall_ms};
	auto_err err = ERR_INIT;

	s3_client_free(f->client);
	f->client = NULL;
	if (s3_client_new(f->loop, &options, &f->client, &err) < 0)
		fail_msg("%s", err_message(&err));
}

static void op_done(struct s3_op *op)
{
	struct fixture *f = container_of(op, struct fixture, op);

	f->done++;
}

static int setup(void **state)
{
	struct fixture *f = xnew(struct fixture);

	assert_int_equal(loop_new(&f->loop, NULL), 0);
	http_server_start(&f->server, f->loop, on_request, f);
	f->config = (struct s3_config){
		.endpoint = xstrdup(f->server.url),
		.region = xstrdup("eu-west-1"),
		.key_id = xstrdup("KEYID"),
		.secret = xstrdup(SECRET),
	};
	f->answer = answer_status;
	f->status = 200;
	f->body = "";
	f->op.done = op_done;
	client_make(f, NULL, 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	s3_op_free(&f->op);
	s3_client_free(f->client);
	s3_config_release(&f->config);
	http_server_stop(&f->server);
	loop_free(f->loop);
	strvec_clear(&f->seen);
	strvec_clear(&f->signed_as);
	free(f);
	return 0;
}

static void wait_done(struct fixture *f)
{
	assert_int_equal(f->done, 0);
	while (!f->done)
		loop_turn(f->loop, 20000);
	assert_int_equal(f->done, 1);
	f->done = 0;
	assert_true((f->op.outcome == S3_OK) == (f->op.err.class == ERR_NONE));
	if (f->op.outcome != S3_OK)
		assert_null(strstr(err_message(&f->op.err), "s3cr3t"));
}

static void assert_outcome(
	struct fixture *f, enum s3_outcome outcome, const char *reason, enum err_class class)
{
	wait_done(f);
	if (f->op.outcome != outcome || !str_eq(f->op.err.reason, reason))
		fail_msg("%d %s: %s", f->op.outcome, f->op.err.reason, err_message(&f->op.err));
	assert_int_equal(f->op.err.class, class);
}

/* --- what is sent --- */

static void answer_object(struct fixture *f, struct http_exchange *ex)
{
	(void)f;
	http_add_header(ex, "ETag: \"abc\"");
	reply(ex, 200, str_eq(ex->method, "GET") ? "hello" : "");
}

static void get_and_put(void **state)
{
	struct fixture *f = *state;
	const struct s3_put_options options = {.content_type = "text/plain", .create_only = true};

	f->answer = answer_object;
	s3_get(f->client, &f->op, "lake", "a b/c+d%/é", 0);
	wait_done(f);
	assert_int_equal(f->op.outcome, S3_OK);
	assert_string_equal(buf_str(&f->op.body), "hello");
	assert_string_equal(f->op.etag, "abc");
	assert_string_equal(f->seen.items[0], "GET /lake/a%20b/c%2Bd%25/%C3%A9 ");
	assert_true(str_starts_with(f->signed_as.items[0], "AWS4-HMAC-SHA256 Credential=KEYID/"));
	assert_non_null(strstr(f->signed_as.items[0], "/eu-west-1/s3/aws4_request"));
	s3_put(f->client, &f->op, "lake", "k", "body", 4, &options);
	wait_done(f);
	assert_int_equal(f->op.outcome, S3_OK);
	assert_string_equal(f->seen.items[1], "PUT /lake/k body");
	assert_non_null(strstr(f->signed_as.items[1], "SignedHeaders=content-type;host;"
						      "if-none-match;x-amz-content-sha256;"));
	assert_int_equal(f->op.body.len, 0);
}

static void unsigned_without_keys(void **state)
{
	struct fixture *f = *state;

	free(f->config.key_id);
	mem_free_secret(f->config.secret);
	f->config.key_id = f->config.secret = NULL;
	client_make(f, NULL, 0);
	s3_head(f->client, &f->op, "lake", "k");
	wait_done(f);
	assert_string_equal(f->signed_as.items[0], "-");
	f->status = 403;
	s3_head(f->client, &f->op, "lake", "k");
	assert_outcome(f, S3_FORBIDDEN, "AccessDenied", ERR_USER);
	assert_non_null(strstr(err_message(&f->op.err), "AWS_ACCESS_KEY_ID"));
}

static void bad_names(void **state)
{
	struct fixture *f = *state;
	static const char *const buckets[] = {"", "ab", "a/b", "a..b", "-ab", "a b c", "a@evil"};
	char key[S3_KEY_MAX + 2];

	for (size_t i = 0; i < array_size(buckets); i++) {
		s3_head(f->client, &f->op, buckets[i], "k");
		assert_outcome(f, S3_FAILED, "InvalidKey", ERR_USER);
	}
	memset(key, 'k', sizeof(key) - 1);
	key[sizeof(key) - 1] = '\0';
	s3_head(f->client, &f->op, "lake", key);
	assert_outcome(f, S3_FAILED, "InvalidKey", ERR_USER);
	s3_head(f->client, &f->op, "lake", "");
	assert_outcome(f, S3_FAILED, "InvalidKey", ERR_USER);
	s3_head(f->client, &f->op, "lake", "\xff");
	assert_outcome(f, S3_FAILED, "InvalidKey", ERR_USER);
	assert_int_equal(f->seen.len, 0);
}

/* Where it goes without an endpoint, seen by a proxy that refuses to connect. */
static void amazon_hosts(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *region;
		const char *bucket;
		const char *connect;
	} cases[] = {
		{"eu-west-1", "lake", "CONNECT lake.s3.eu-west-1.amazonaws.com:443 "},
		{"eu-west-1", "with.dot", "CONNECT s3.eu-west-1.amazonaws.com:443 "},
		{"eu-west-1", "Old_Name", "CONNECT s3.eu-west-1.amazonaws.com:443 "},
		{"cn-north-1", "lake", "CONNECT lake.s3.cn-north-1.amazonaws.com.cn:443 "},
		{NULL, "lake", "CONNECT lake.s3.us-east-1.amazonaws.com:443 "},
	};

	f->status = 403;
	for (size_t i = 0; i < array_size(cases); i++) {
		const struct s3_config config = {.region = (char *)cases[i].region};
		const struct s3_client_options options = {
			.config = &config, .proxy = f->server.url, .tries = 1};

		s3_client_free(f->client);
		assert_int_equal(s3_client_new(f->loop, &options, &f->client, NULL), 0);
		strvec_clear(&f->seen);
		s3_head(f->client, &f->op, cases[i].bucket, "k");
		assert_outcome(f, S3_FAILED, "S3Unavailable", ERR_TRANSIENT);
		assert_string_equal(f->seen.items[0], cases[i].connect);
	}
}

/* --- what comes back --- */

static const struct {
	int status;
	const char *body;
	enum s3_outcome outcome;
	const char *reason;
	enum err_class class;
} refusals[] = {
	{404, "<Error><Code>NoSuchKey</Code></Error>", S3_NOT_FOUND, "NoSuchKey", ERR_USER},
	{404, "<?xml version=\"1.0\"?>\n<Error " XMLNS "><Code>NoSuchBucket</Code></Error>",
		S3_NOT_FOUND, "NoSuchBucket", ERR_USER},
	{404, "", S3_NOT_FOUND, "NoSuchKey", ERR_USER},
	{404, "<html>not here", S3_NOT_FOUND, "NoSuchKey", ERR_USER},
	{403, "<Error><Code>AccessDenied</Code><Message>s3cr3t</Message></Error>", S3_FORBIDDEN,
		"AccessDenied", ERR_USER},
	{403, "<Error><Code>s3cr3t and more</Code></Error>", S3_FORBIDDEN, "AccessDenied",
		ERR_USER},
	{403, "<Error><Code>SignatureDoesNotMatch</Code></Error>", S3_FORBIDDEN, "SignatureRefused",
		ERR_USER},
	{400, "<Error><Code>ExpiredToken</Code></Error>", S3_FORBIDDEN, "SignatureRefused",
		ERR_USER},
	{400, "<Error><Code>InvalidArgument</Code></Error>", S3_FAILED, "S3InvalidAnswer",
		ERR_TRANSIENT},
	{302, "", S3_FAILED, "S3InvalidAnswer", ERR_TRANSIENT},
	{503, "<Error><Code>SlowDown</Code></Error>", S3_FAILED, "S3Unavailable", ERR_TRANSIENT},
	{429, "", S3_FAILED, "S3Unavailable", ERR_TRANSIENT},
	{500, "", S3_FAILED, "S3Unavailable", ERR_TRANSIENT},
};

static void refused(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < array_size(refusals); i++) {
		f->status = refusals[i].status;
		f->body = refusals[i].body;
		s3_get(f->client, &f->op, "lake", "a/b", 0);
		assert_outcome(f, refusals[i].outcome, refusals[i].reason, refusals[i].class);
		assert_non_null(strstr(err_message(&f->op.err), "s3://lake/a/b: "));
	}
	f->status = 412;
	s3_put(f->client, &f->op, "lake", "k", "", 0,
		&(struct s3_put_options){.create_only = true});
	assert_outcome(f, S3_EXISTS, "AlreadyExists", ERR_USER);
	f->status = 404;
	f->body = "";
	s3_delete(f->client, &f->op, "lake", "k");
	wait_done(f);
	assert_int_equal(f->op.outcome, S3_OK);
}

static void answer_large(struct fixture *f, struct http_exchange *ex)
{
	(void)f;
	reply(ex, 200, "0123456789");
}

static void too_large(void **state)
{
	struct fixture *f = *state;

	f->answer = answer_large;
	s3_get(f->client, &f->op, "lake", "k", 9);
	assert_outcome(f, S3_FAILED, "ObjectTooLarge", ERR_USER);
	assert_int_equal(f->seen.len, 1);
	s3_get(f->client, &f->op, "lake", "k", 10);
	wait_done(f);
	assert_int_equal(f->op.size, 10);
}

static void answer_failing(struct fixture *f, struct http_exchange *ex)
{
	if (f->fails-- > 0)
		reply(ex, 503, "<Error><Code>SlowDown</Code></Error>");
	else
		answer_object(f, ex);
}

static void another_try(void **state)
{
	struct fixture *f = *state;

	f->answer = answer_failing;
	f->fails = 3;
	s3_put(f->client, &f->op, "lake", "k", "body", 4, NULL);
	wait_done(f);
	assert_int_equal(f->op.outcome, S3_OK);
	assert_int_equal(f->seen.len, 4);
	assert_string_equal(f->seen.items[3], "PUT /lake/k body");
}

static void answer_nothing(struct fixture *f, struct http_exchange *ex)
{
	(void)f;
	(void)ex;
}

static void slow_store(void **state)
{
	struct fixture *f = *state;

	client_make(f, NULL, 100);
	f->answer = answer_nothing;
	s3_head(f->client, &f->op, "lake", "k");
	assert_outcome(f, S3_FAILED, "S3Timeout", ERR_TRANSIENT);
	assert_int_equal(f->seen.len, 4);
}

static void store_down(void **state)
{
	struct fixture *f = *state;

	http_server_refuse(&f->server, true);
	s3_head(f->client, &f->op, "lake", "k");
	assert_outcome(f, S3_FAILED, "S3Unavailable", ERR_TRANSIENT);
}

/* --- regions, clocks --- */

static void answer_other_region(struct fixture *f, struct http_exchange *ex)
{
	if (strstr(f->signed_as.items[f->signed_as.len - 1], "/ap-south-1/s3/")) {
		answer_object(f, ex);
		return;
	}
	if (f->status == 301)
		http_add_header(ex, "x-amz-bucket-region: ap-south-1");
	reply(ex, f->status, str_eq(ex->method, "HEAD") ? "" : f->body);
}

static void another_region(void **state)
{
	struct fixture *f = *state;

	f->answer = answer_other_region;
	f->status = 301;
	s3_head(f->client, &f->op, "lake", "k");
	wait_done(f);
	assert_int_equal(f->op.outcome, S3_OK);
	assert_int_equal(f->seen.len, 2);
	/* It is remembered, of this bucket. */
	s3_head(f->client, &f->op, "lake", "k");
	wait_done(f);
	assert_int_equal(f->seen.len, 3);
	f->status = 400;
	f->body = "<Error><Code>AuthorizationHeaderMalformed</Code><Region>ap-south-1</Region>"
		  "</Error>";
	s3_get(f->client, &f->op, "pond", "k", 0);
	wait_done(f);
	assert_int_equal(f->op.outcome, S3_OK);
	assert_int_equal(f->seen.len, 5);
}

static void answer_circle(struct fixture *f, struct http_exchange *ex)
{
	http_add_header(ex, f->fails++ % 2 ? "x-amz-bucket-region: a" : "x-amz-bucket-region: b");
	reply(ex, 301, "");
}

static void answer_evil_region(struct fixture *f, struct http_exchange *ex)
{
	(void)f;
	http_add_header(ex, "x-amz-bucket-region: evil.example/");
	reply(ex, 301, "");
}

static void regions_in_circles(void **state)
{
	struct fixture *f = *state;

	f->answer = answer_circle;
	s3_head(f->client, &f->op, "lake", "k");
	assert_outcome(f, S3_FAILED, "S3InvalidAnswer", ERR_TRANSIENT);
	assert_true(f->seen.len <= 4);
	f->answer = answer_evil_region;
	s3_head(f->client, &f->op, "pond", "k");
	assert_outcome(f, S3_FAILED, "S3InvalidAnswer", ERR_TRANSIENT);
}

static int64_t wall_1970(void)
{
	return 1000;
}

static void answer_clock(struct fixture *f, struct http_exchange *ex)
{
	http_add_header(ex, "Date: Tue, 24 Nov 2026 02:00:00 GMT");
	if (strstr(f->signed_as.items[f->signed_as.len - 1], "/20261124/"))
		answer_object(f, ex);
	else
		reply(ex, 403, "");
}

static void clock_put_right(void **state)
{
	struct fixture *f = *state;

	client_make(f, wall_1970, 0);
	f->answer = answer_clock;
	s3_head(f->client, &f->op, "lake", "k");
	wait_done(f);
	assert_int_equal(f->op.outcome, S3_OK);
	assert_int_equal(f->seen.len, 2);
	s3_head(f->client, &f->op, "lake", "k");
	wait_done(f);
	assert_int_equal(f->seen.len, 3);
}

/* --- lists --- */

#define LIST                                                                                       \
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- c --><ListBucketResult " XMLNS ">"       \
	"<Name>lake</Name><Prefix>p</Prefix><KeyCount>2</KeyCount><IsTruncated>true</IsTruncated>" \
	"<NextContinuationToken>a/b+c==</NextContinuationToken>"                                   \
	"<Contents><Key>p/ &lt;a&gt; &amp;&#38;&#x26;&quot;\xc3\xa9&#xe9; </Key>"                  \
	"<LastModified>2026-11-24T02:00:00.000Z</LastModified><ETag>&quot;e&quot;</ETag>"          \
	"<Size>12</Size><Owner><ID>x</ID></Owner></Contents>\n"                                    \
	"<Contents><Key><![CDATA[p/<x>]]></Key><Size>0</Size><Empty/></Contents>"                  \
	"<CommonPrefixes><Prefix>p/q/</Prefix></CommonPrefixes></ListBucketResult>\n"

static void pages(void **state)
{
	struct fixture *f = *state;
	const struct s3_list_options options = {
		.prefix = "p/ +", .delimiter = "/", .next = "a/b+c==", .max = 2};

	f->body = LIST;
	s3_list(f->client, &f->op, "lake", NULL);
	wait_done(f);
	assert_int_equal(f->op.outcome, S3_OK);
	assert_string_equal(f->seen.items[0], "GET /lake?list-type=2&max-keys=1000 ");
	assert_int_equal(f->op.objects_len, 2);
	assert_string_equal(f->op.objects[0].key, "p/ <a> &&&\"\xc3\xa9\xc3\xa9 ");
	assert_string_equal(f->op.objects[0].etag, "e");
	assert_int_equal(f->op.objects[0].size, 12);
	assert_true(f->op.objects[0].modified_s > 0);
	assert_string_equal(f->op.objects[1].key, "p/<x>");
	assert_null(f->op.objects[1].etag);
	assert_int_equal(f->op.prefixes.len, 1);
	assert_string_equal(f->op.prefixes.items[0], "p/q/");
	assert_string_equal(f->op.next, "a/b+c==");
	f->body = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
	s3_list(f->client, &f->op, "lake", &options);
	wait_done(f);
	assert_string_equal(f->seen.items[1],
		"GET /lake?continuation-token=a%2Fb%2Bc%3D%3D&delimiter=%2F&list-type=2&"
		"max-keys=2&prefix=p%2F%20%2B ");
	assert_null(f->op.next);
	assert_int_equal(f->op.objects_len, 0);
}

static void bad_lists(void **state)
{
	struct fixture *f = *state;
	static const char *const bad[] = {"", "<html></html>", "<ListBucketResult>",
		"<ListBucketResult></Other>", "<a><b></a></b>", "{}",
		"<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
		"<ListBucketResult><Contents><Size>1</Size></Contents></ListBucketResult>",
		"<ListBucketResult>&unknown;</ListBucketResult>",
		"<ListBucketResult>&#0;</ListBucketResult>",
		"<ListBucketResult>&#xD800;</ListBucketResult>",
		"<ListBucketResult>&#x110000;</ListBucketResult>",
		"<!DOCTYPE a [<!ENTITY x \"y\">]><ListBucketResult></ListBucketResult>",
		"<ListBucketResult></ListBucketResult><again/>",
		"<ListBucketResult a=\"<\"b></ListBucketResult>x<", "<!-- ", "<![CDATA[", "<?", "<",
		"</", "</a>", "<a", "<a b='", "&", "<a>&", "<a>&amp"};

	for (size_t i = 0; i < array_size(bad); i++) {
		f->body = bad[i];
		s3_list(f->client, &f->op, "lake", NULL);
		assert_outcome(f, S3_FAILED, "S3InvalidAnswer", ERR_TRANSIENT);
	}
}

static void delete_several(void **state)
{
	struct fixture *f = *state;
	auto_strvec keys = STRVEC_INIT;

	strvec_add(&keys, "a<b>&c\n");
	strvec_add(&keys, "plain");
	f->body = "<DeleteResult/>";
	s3_delete_many(f->client, &f->op, "lake", &keys);
	wait_done(f);
	assert_int_equal(f->op.outcome, S3_OK);
	assert_true(str_starts_with(f->seen.items[0], "POST /lake?delete= <?xml "));
	assert_non_null(strstr(f->seen.items[0],
		"<Quiet>true</Quiet><Object><Key>a&lt;b&gt;&amp;c&#10;</Key></Object>"
		"<Object><Key>plain</Key></Object></Delete>"));
	f->body = "<DeleteResult><Error><Key>plain</Key><Code>AccessDenied</Code><Message>m"
		  "</Message></Error></DeleteResult>";
	s3_delete_many(f->client, &f->op, "lake", &keys);
	assert_outcome(f, S3_FAILED, "NotDeleted", ERR_USER);
	assert_string_equal(f->op.not_deleted.items[0], "plain: AccessDenied");
	f->body = "<html></html>";
	s3_delete_many(f->client, &f->op, "lake", &keys);
	assert_outcome(f, S3_FAILED, "S3InvalidAnswer", ERR_TRANSIENT);
	strvec_add(&keys, "control\x01");
	s3_delete_many(f->client, &f->op, "lake", &keys);
	assert_outcome(f, S3_FAILED, "InvalidKey", ERR_USER);
	assert_int_equal(f->seen.len, 3);
}

static void cancelled(void **state)
{
	struct fixture *f = *state;

	f->answer = answer_nothing;
	s3_head(f->client, &f->op, "lake", "k");
	while (f->seen.len == 0)
		loop_turn(f->loop, 20000);
	s3_op_cancel(&f->op);
	s3_op_cancel(&f->op);
	s3_head(f->client, &f->op, "", "k");
	s3_op_cancel(&f->op);
	/* In its pause. */
	f->answer = answer_status;
	f->status = 503;
	s3_head(f->client, &f->op, "lake", "k");
	while (f->seen.len < 2)
		loop_turn(f->loop, 20000);
	loop_turn(f->loop, 0);
	s3_op_cancel(&f->op);
	loop_turn(f->loop, 5);
	assert_int_equal(f->done, 0);
}

/* --- configuration --- */

static void uris(void **state)
{
	char *bucket = NULL, *key = NULL;

	(void)state;
	assert_true(s3_parse_uri("s3://lake/a b/c", &bucket, &key));
	assert_string_equal(bucket, "lake");
	assert_string_equal(key, "a b/c");
	free(bucket);
	free(key);
	assert_true(s3_parse_uri("s3a://lake", &bucket, &key));
	assert_string_equal(key, "");
	free(bucket);
	free(key);
	assert_false(s3_parse_uri("s3:///a", &bucket, &key));
	assert_false(s3_parse_uri("gs://lake/a", &bucket, &key));
	assert_false(s3_parse_uri("/lake/a", &bucket, &key));
}

static const char *lookup(void *user, const char *name)
{
	const char *const *pairs = user;

	for (; *pairs; pairs += 2) {
		if (str_eq(pairs[0], name))
			return pairs[1];
	}
	return NULL;
}

static void environment(void **state)
{
	const char *full[] = {"AWS_ACCESS_KEY_ID", "id", "AWS_SECRET_ACCESS_KEY", SECRET,
		"AWS_SESSION_TOKEN", "tok", "AWS_REGION", "r1", "AWS_DEFAULT_REGION", "r2",
		"AWS_ENDPOINT_URL", "http://one", "AWS_ENDPOINT_URL_S3", "http://two", NULL};
	const char *less[] = {"AWS_REGION", "", "AWS_DEFAULT_REGION", "r2", "AWS_ENDPOINT_URL",
		"http://one", NULL};
	const char *half[] = {"AWS_SECRET_ACCESS_KEY", SECRET, NULL};
	struct s3_config config = {0};
	auto_err err = ERR_INIT;

	(void)state;
	assert_int_equal(s3_config_from_env(lookup, full, &config, &err), 0);
	assert_string_equal(config.key_id, "id");
	assert_string_equal(config.secret, SECRET);
	assert_string_equal(config.session_token, "tok");
	assert_string_equal(config.region, "r1");
	assert_string_equal(config.endpoint, "http://two");
	s3_config_release(&config);
	assert_int_equal(s3_config_from_env(lookup, less, &config, &err), 1);
	assert_null(config.key_id);
	assert_string_equal(config.region, "r2");
	assert_string_equal(config.endpoint, "http://one");
	s3_config_release(&config);
	assert_int_equal(s3_config_from_env(lookup, half, &config, &err), -1);
	assert_string_equal(err.reason, "InvalidS3Config");
	assert_null(strstr(err.message, SECRET));
}

static void bad_configurations(void **state)
{
	struct fixture *f = *state;
	static const struct {
		struct s3_config config;
		const char *says;
	} bad[] = {
		{{.endpoint = (char *)"ftp://h"}, "endpoint"},
		{{.endpoint = (char *)"http://u:s3cr3t@h"}, "endpoint"},
		{{.endpoint = (char *)"http://h/path"}, "path"},
		{{.endpoint = (char *)"h"}, "endpoint"},
		{{.region = (char *)"evil.example/"}, "region"},
		{{.key_id = (char *)"a"}, "without its secret"},
		{{.secret = (char *)"a"}, "without its key id"},
		{{.key_id = (char *)"a\r\nX: y", .secret = (char *)"b"}, "characters"},
	};

	for (size_t i = 0; i < array_size(bad); i++) {
		const struct s3_client_options options = {.config = &bad[i].config};
		struct s3_client *client = NULL;
		auto_err err = ERR_INIT;

		if (s3_client_new(f->loop, &options, &client, &err) == 0)
			fail_msg("case %zu was accepted", i);
		assert_string_equal(err.reason, "InvalidS3Config");
		if (!strstr(err.message, bad[i].says) || strstr(err.message, "s3cr3t"))
			fail_msg("case %zu: %s", i, err.message);
		assert_null(client);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(get_and_put),
		TEST(unsigned_without_keys),
		TEST(bad_names),
		TEST(amazon_hosts),
		TEST(refused),
		TEST(too_large),
		TEST(another_try),
		TEST(slow_store),
		TEST(store_down),
		TEST(another_region),
		TEST(regions_in_circles),
		TEST(clock_put_right),
		TEST(pages),
		TEST(bad_lists),
		TEST(delete_several),
		TEST(cancelled),
		TEST(uris),
		TEST(environment),
		TEST(bad_configurations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

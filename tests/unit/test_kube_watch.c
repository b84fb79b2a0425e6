#include "tests/fake/apiserver_fixture.h"

#include "kube/watch.h"

struct fixture {
	struct kube_fixture k;
	struct kube_watch *watch;
	struct buf log;
	char reason[64]; /* of the last trouble */
	unsigned lists, objects, troubles;
	char *rv;
	bool free_in_upsert;
};

static void on_rewound(void *owner)
{
	buf_adds(&((struct fixture *)owner)->log, "rewound ");
}

static void on_begin(void *owner)
{
	buf_adds(&((struct fixture *)owner)->log, "( ");
}

static void on_upsert(void *owner, const json_t *object)
{
	struct fixture *f = owner;

	buf_addf(&f->log, "+%s:%lld ", doc_str_or(object, "metadata.name", "?"),
		(long long)doc_int_or(object, "spec.n", -1));
	f->objects++;
	if (f->free_in_upsert) {
		kube_watch_free(f->watch);
		f->watch = NULL;
	}
}

static void on_remove(void *owner, const json_t *object)
{
	struct fixture *f = owner;

	buf_addf(&f->log, "-%s ", doc_str_or(object, "metadata.name", "?"));
	f->objects++;
}

static void on_end(void *owner, const char *rv)
{
	struct fixture *f = owner;

	(void)rv;
	buf_adds(&f->log, ") ");
	f->lists++;
}

static void on_progress(void *owner, const char *rv)
{
	struct fixture *f = owner;

	free(f->rv);
	f->rv = xstrdup(rv);
}

static void on_trouble(void *owner, const struct err *err)
{
	struct fixture *f = owner;

	f->troubles++;
	memcpy(f->reason, err->reason, sizeof(f->reason));
}

static const struct kube_watch_ops ops = {
	.rewound = on_rewound,
	.list_begin = on_begin,
	.upsert = on_upsert,
	.remove = on_remove,
	.list_end = on_end,
	.progress = on_progress,
	.trouble = on_trouble,
};

static int set_up(void **state)
{
	struct fixture *f = xnew(struct fixture);

	kube_fixture_start(&f->k);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	kube_watch_free(f->watch);
	kube_fixture_stop(&f->k);
	buf_free(&f->log);
	free(f->rv);
	free(f);
	return 0;
}

static void start(struct fixture *f, struct kube_watch_options options)
{
	options.resource = options.resource ? options.resource : &kube_pods;
	options.backoff_min_ms = 1;
	options.backoff_max_ms = 4;
	f->watch = kube_watch_new(f->k.client, &options, &ops, f);
}

/* Listed, and the stream is open at the server. */
static void wait_open(struct fixture *f, unsigned lists)
{
	TURN_UNTIL(&f->k, f->lists >= lists && fake_api_watches(f->k.api) == 1);
}

static void expect(struct fixture *f, const char *log)
{
	TURN_UNTIL(&f->k, f->log.len >= strlen(log));
	settle(&f->k);
	assert_string_equal(buf_str(&f->log), log);
}

static void lists_then_follows(void **state)
{
	struct fixture *f = *state;

	put_pod(&f->k, "a", "x", 1);
	put_pod(&f->k, "b", "x", 1);
	start(f, (struct kube_watch_options){.page_size = 1});
	wait_open(f, 1);
	put_pod(&f->k, "c", "x", 1);
	put_pod(&f->k, "a", "x", 2);
	fake_api_delete(f->k.api, "/api/v1/namespaces/ns/pods/b");
	expect(f, "( +a:1 +b:1 ) +c:1 +a:2 -b ");
	assert_int_equal(fake_api_count(f->k.api, "LIST", NULL), 2);
	assert_int_equal(fake_api_count(f->k.api, "LIST", "resourceVersion="), 0);
	assert_int_equal(fake_api_count(f->k.api, "WATCH", "allowWatchBookmarks=true"), 1);
}

static void selectors_and_metadata_only(void **state)
{
	struct fixture *f = *state;

	put_pod(&f->k, "a", "x", 1);
	put_pod(&f->k, "b", "y", 1);
	start(f, (struct kube_watch_options){
			 .namespace_ = "ns", .label_selector = "app=x", .metadata_only = true});
	wait_open(f, 1);
	put_pod(&f->k, "b", "x", 2);
	put_pod(&f->k, "a", "y", 3);
	expect(f, "( +a:-1 ) +b:-1 -a ");
	assert_int_equal(
		fake_api_count(f->k.api, "WATCH", "/api/v1/namespaces/ns/pods?watch=1"), 1);
	assert_int_equal(fake_api_count(f->k.api, NULL, "labelSelector=app%3Dx"), 2);
}

static void every_split_gives_the_same_events(void **state)
{
	struct fixture *f = *state;

	for (size_t n = 1; n < 200; n += 7) {
		buf_reset(&f->log);
		f->lists = 0;
		fake_api_set_split(f->k.api, n);
		put_pod(&f->k, "a", "x", 1);
		start(f, (struct kube_watch_options){.page_size = 2});
		wait_open(f, 1);
		put_pod(&f->k, "b", "x", 1);
		fake_api_delete(f->k.api, "/api/v1/namespaces/ns/pods/b");
		expect(f, "( +a:1 ) +b:1 -b ");
		kube_watch_free(f->watch);
		f->watch = NULL;
		TURN_UNTIL(&f->k, fake_api_watches(f->k.api) == 0);
	}
}

static void bookmarks_move_the_version(void **state)
{
	struct fixture *f = *state;
	auto_free char *rv = NULL;

	put_pod(&f->k, "a", "x", 1);
	start(f, (struct kube_watch_options){0});
	wait_open(f, 1);
	fake_api_put_text(f->k.api,
		"{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"c\"}}");
	rv = xasprintf("%llu", (unsigned long long)fake_api_store(f->k.api)->rv);
	fake_api_bookmark(f->k.api);
	TURN_UNTIL(&f->k, str_eq(f->rv, rv));
	/* The next watch begins there, so that compaction does no harm. */
	fake_api_compact(f->k.api);
	fake_api_cut_watches(f->k.api);
	TURN_UNTIL(&f->k, fake_api_count(f->k.api, "WATCH", NULL) == 2);
	wait_open(f, 1);
	put_pod(&f->k, "b", "x", 1);
	expect(f, "( +a:1 ) +b:1 ");
	assert_int_equal(fake_api_count(f->k.api, "LIST", NULL), 1);
}

static void ends_and_cuts_lose_nothing(void **state)
{
	struct fixture *f = *state;
	struct buf want = BUF_INIT;

	buf_adds(&want, "( ) ");
	start(f, (struct kube_watch_options){0});
	/* Streams cut at every kind of place inside a line. */
	for (size_t at = 1; at < 900; at += 97)
		fake_api_fault(f->k.api, "WATCH", NULL, &(struct fake_fault){.cut_stream_at = at});
	for (int i = 0; i < 12; i++) {
		auto_free char *name = xasprintf("p%d", i);

		put_pod(&f->k, name, "x", i);
		buf_addf(&want, "+%s:%d ", name, i);
		settle(&f->k);
	}
	buf_reset(&f->log);
	/* Whatever was cut, all are seen once, in order. */
	kube_watch_free(f->watch);
	f->watch = NULL;
	f->lists = 0;
	fake_api_clear_faults(f->k.api);
	for (size_t at = 50; at < 1200; at += 111)
		fake_api_fault(f->k.api, "WATCH", NULL, &(struct fake_fault){.cut_stream_at = at});
	start(f, (struct kube_watch_options){0});
	wait_open(f, 1);
	buf_reset(&f->log);
	buf_reset(&want);
	for (int i = 20; i < 32; i++) {
		auto_free char *name = xasprintf("p%d", i);

		put_pod(&f->k, name, "x", i);
		buf_addf(&want, "+%s:%d ", name, i);
	}
	expect(f, buf_str(&want));
	assert_int_equal(f->lists, 1);
	buf_free(&want);
}

static void gone_as_status_and_in_the_stream(void **state)
{
	struct fixture *f = *state;

	put_pod(&f->k, "a", "x", 1);
	start(f, (struct kube_watch_options){0});
	wait_open(f, 1);
	fake_api_cut_watches(f->k.api);
	put_pod(&f->k, "b", "x", 1);
	fake_api_compact(f->k.api);
	wait_open(f, 2);
	expect(f, "( +a:1 ) ( +a:1 +b:1 ) ");
	assert_string_equal(f->reason, "Expired");
	assert_int_equal(fake_api_count(f->k.api, "LIST", "resourceVersionMatch=NotOlderThan"), 1);
	fake_api_fault(f->k.api, "WATCH", NULL, &(struct fake_fault){.gone = true});
	fake_api_fault(f->k.api, "WATCH", NULL, &(struct fake_fault){.gone = true});
	fake_api_cut_watches(f->k.api);
	wait_open(f, 4);
	put_pod(&f->k, "c", "x", 1);
	expect(f, "( +a:1 ) ( +a:1 +b:1 ) ( +a:1 +b:1 ) ( +a:1 +b:1 ) +c:1 ");
	assert_int_equal(kube_watch_stats(f->watch)->gone, 3);
}

static void a_dead_continue_token_lists_whole(void **state)
{
	struct fixture *f = *state;

	put_pod(&f->k, "a", "x", 1);
	put_pod(&f->k, "b", "x", 1);
	fake_api_fault(f->k.api, "LIST", "continue=", &(struct fake_fault){.status = 410});
	start(f, (struct kube_watch_options){.page_size = 1});
	wait_open(f, 1);
	expect(f, "( +a:1 ( +a:1 +b:1 ) ");
	assert_int_equal(fake_api_count(f->k.api, "LIST", "limit=1"), 2);
	assert_int_equal(fake_api_count(f->k.api, "LIST", NULL), 3);
}

static void a_history_that_went_backwards(void **state)
{
	struct fixture *f = *state;

	log_setup(LOG_ERROR, LOG_LOGFMT, -1); /* it says so loudly */
	put_pod(&f->k, "a", "x", 1);
	start(f, (struct kube_watch_options){0});
	wait_open(f, 1);
	fake_api_store(f->k.api)->rv -= 50; /* restored from a backup */
	fake_api_compact(f->k.api);
	fake_api_cut_watches(f->k.api);
	wait_open(f, 2);
	put_pod(&f->k, "b", "x", 1);
	expect(f, "( +a:1 ) rewound ( +a:1 ) +b:1 ");
}

static void a_silent_stream_is_dead(void **state)
{
	struct fixture *f = *state;

	fake_api_fault(f->k.api, "WATCH", NULL, &(struct fake_fault){.silent = true});
	start(f, (struct kube_watch_options){.silence_ms = 30});
	TURN_UNTIL(&f->k, fake_api_count(f->k.api, "WATCH", NULL) >= 2);
	assert_int_equal(f->troubles, 0);
	assert_int_equal(fake_api_count(f->k.api, "LIST", NULL), 1);
	put_pod(&f->k, "a", "x", 1);
	TURN_UNTIL(&f->k, f->objects == 1);
	assert_true(kube_watch_stats(f->watch)->silences >= 1);
}

static void refusals_rewatch_the_same_version(void **state)
{
	static const struct fake_fault faults[] = {
		{.status = 429},
		{.status = 500},
		{.status = 503, .body = "<html>"},
		{.cut_before = true},
	};
	struct fixture *f = *state;
	auto_free char *from = NULL;

	put_pod(&f->k, "a", "x", 1);
	for (size_t i = 0; i < array_size(faults); i++)
		fake_api_fault(f->k.api, "WATCH", NULL, &faults[i]);
	start(f, (struct kube_watch_options){0});
	wait_open(f, 1);
	from = xasprintf("resourceVersion=%llu&", (unsigned long long)fake_api_store(f->k.api)->rv);
	assert_int_equal(fake_api_count(f->k.api, "WATCH", from), 5);
	assert_int_equal(fake_api_count(f->k.api, "LIST", NULL), 1);
	/* curl itself asks again when a kept connection was cut. */
	assert_true(f->troubles >= 3);
	/* Five failures in a row: the list shows what is wrong. */
	for (int i = 0; i < 5; i++)
		fake_api_fault(f->k.api, "WATCH", NULL, &faults[1]);
	fake_api_fault(f->k.api, "WATCH", NULL, &(struct fake_fault){.end_stream = true});
	fake_api_cut_watches(f->k.api);
	wait_open(f, 2);
}

static void an_unreachable_server_is_waited_for(void **state)
{
	struct fixture *f = *state;

	start(f, (struct kube_watch_options){0});
	wait_open(f, 1);
	http_server_refuse(fake_api_http(f->k.api), true);
	http_server_cut_all(fake_api_http(f->k.api));
	TURN_UNTIL(&f->k, f->troubles >= 3);
	http_server_refuse(fake_api_http(f->k.api), false);
	TURN_UNTIL(&f->k, fake_api_watches(f->k.api) == 1);
	put_pod(&f->k, "a", "x", 1);
	TURN_UNTIL(&f->k, f->objects >= 1);
}

static void a_missing_type_is_waited_for(void **state)
{
	struct fixture *f = *state;

	fake_api_fault(f->k.api, "LIST", NULL, &(struct fake_fault){.status = 404, .times = 2});
	fake_api_fault(f->k.api, "LIST", NULL, &(struct fake_fault){.status = 403});
	fake_api_fault(f->k.api, "LIST", NULL, &(struct fake_fault){.status = 401});
	fake_api_fault(f->k.api, "LIST", NULL, &(struct fake_fault){.instead = "<html>"});
	start(f, (struct kube_watch_options){.resource = &kube_pipelines});
	wait_open(f, 1);
	assert_int_equal(f->troubles, 4);
}

static void odd_lines_do_no_harm(void **state)
{
	static const char *const lines[] = {"not json", "{}", "[]", "\"x\"", "{\"type\":\"ADDED\"}",
		"{\"type\":3,\"object\":{}}", "{\"type\":\"FUTURE\",\"object\":{}}",
		"{\"type\":\"ERROR\",\"object\":{}}",
		"{\"type\":\"ERROR\",\"object\":{\"code\":99999999999,\"reason\":7}}",
		"{\"type\":\"ERROR\",\"object\":{\"code\":500,\"reason\":\"InternalError\"}}"};
	struct fixture *f = *state;

	for (size_t i = 0; i < array_size(lines); i++)
		fake_api_fault(f->k.api, "WATCH", NULL, &(struct fake_fault){.line = lines[i]});
	start(f, (struct kube_watch_options){0});
	wait_open(f, 1);
	for (size_t i = 0; i < 2 * array_size(lines); i++) {
		auto_free char *name = xasprintf("p%zu", i);

		put_pod(&f->k, name, "x", 1);
		fake_api_cut_watches(f->k.api);
		settle(&f->k);
	}
	fake_api_clear_faults(f->k.api);
	put_pod(&f->k, "last", "x", 1);
	TURN_UNTIL(&f->k, strstr(buf_str(&f->log), "+last:1 "));
	for (size_t i = 0; i < 2 * array_size(lines); i++) {
		auto_free char *name = xasprintf("+p%zu:1 ", i);

		assert_non_null(strstr(buf_str(&f->log), name));
	}
}

static void the_owner_may_free_it_anywhere(void **state)
{
	struct fixture *f = *state;

	f->free_in_upsert = true;
	put_pod(&f->k, "a", "x", 1);
	put_pod(&f->k, "b", "x", 1);
	start(f, (struct kube_watch_options){0});
	TURN_UNTIL(&f->k, f->watch == NULL);
	settle(&f->k);
	assert_string_equal(buf_str(&f->log), "( +a:1 ");
	/* In the stream. */
	buf_reset(&f->log);
	f->free_in_upsert = false;
	f->lists = 0;
	start(f, (struct kube_watch_options){0});
	wait_open(f, 1);
	f->free_in_upsert = true;
	put_pod(&f->k, "c", "x", 1);
	put_pod(&f->k, "d", "x", 1);
	TURN_UNTIL(&f->k, f->watch == NULL);
	settle(&f->k);
	assert_string_equal(buf_str(&f->log), "( +a:1 +b:1 ) +c:1 ");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(lists_then_follows),
		TEST(selectors_and_metadata_only),
		TEST(every_split_gives_the_same_events),
		TEST(bookmarks_move_the_version),
		TEST(ends_and_cuts_lose_nothing),
		TEST(gone_as_status_and_in_the_stream),
		TEST(a_dead_continue_token_lists_whole),
		TEST(a_history_that_went_backwards),
		TEST(a_silent_stream_is_dead),
		TEST(refusals_rewatch_the_same_version),
		TEST(an_unreachable_server_is_waited_for),
		TEST(a_missing_type_is_waited_for),
		TEST(odd_lines_do_no_harm),
		TEST(the_owner_may_free_it_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

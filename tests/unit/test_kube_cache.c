#include "tests/fake/apiserver_fixture.h"

#include "kube/cache.h"

struct fixture {
	struct kube_fixture k;
	struct kube_cache *cache;
	struct buf log;
	int synced, troubles, freed;
};

static void on_changed(void *owner, const struct kube_object *object, bool removed, bool initial)
{
	struct fixture *f = owner;

	buf_addf(&f->log, "%s%s%s ", initial ? "i" : "", removed ? "-" : "+", object->name);
}

static void on_synced(void *owner)
{
	((struct fixture *)owner)->synced++;
}

static void on_trouble(void *owner, const struct err *err)
{
	(void)err;
	((struct fixture *)owner)->troubles++;
}

static void free_user(void *user)
{
	++*(int *)user;
}

/* Keeps the spec and the label; nothing of objects labelled `hide`. */
static json_t *project(const json_t *object)
{
	const char *app = doc_str_or(object, "metadata.labels.app", "");

	if (str_eq(app, "hide"))
		return NULL;
	return json_pack("{s:O?, s:s}", "spec", json_object_get(object, "spec"), "app", app);
}

static char *index_app(const json_t *projection, const char *namespace_)
{
	const char *app = doc_str_or(projection, "app", "");

	return app[0] ? xasprintf("%s/%s", namespace_, app) : NULL;
}

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

	kube_cache_free(f->cache);
	kube_fixture_stop(&f->k);
	buf_free(&f->log);
	free(f);
	return 0;
}

static void open_cache(struct fixture *f, bool projected)
{
	struct kube_cache_options options = {
		.watch = {.resource = &kube_pods, .backoff_min_ms = 1, .backoff_max_ms = 4},
		.project = projected ? project : NULL,
		.index = projected ? index_app : NULL,
		.changed = on_changed,
		.synced = on_synced,
		.trouble = on_trouble,
		.free_user = free_user,
		.owner = f,
	};

	f->cache = kube_cache_new(f->k.client, &options);
}

static void start(struct fixture *f, bool projected)
{
	open_cache(f, projected);
	TURN_UNTIL(&f->k, f->synced == 1 && fake_api_watches(f->k.api) == 1);
}

static void expect(struct fixture *f, const char *log)
{
	TURN_UNTIL(&f->k, f->log.len >= strlen(log));
	settle(&f->k);
	assert_string_equal(buf_str(&f->log), log);
	buf_reset(&f->log);
}

static void count(void *arg, struct kube_object *object)
{
	(void)object;
	++*(int *)arg;
}

static int indexed(const struct fixture *f, const char *key)
{
	int n = 0;

	kube_cache_each_indexed(f->cache, key, count, &n);
	return n;
}

static void follows_and_indexes(void **state)
{
	struct fixture *f = *state;
	struct kube_object *object;
	int n = 0;

	put_pod(&f->k, "a", "x", 1);
	open_cache(f, true);
	assert_false(kube_cache_synced(f->cache));
	assert_string_equal(kube_cache_rv(f->cache), "");
	TURN_UNTIL(&f->k, f->synced == 1 && fake_api_watches(f->k.api) == 1);
	assert_true(kube_cache_synced(f->cache));
	expect(f, "i+a ");
	put_pod(&f->k, "b", "x", 1);
	put_pod(&f->k, "c", "y", 1);
	expect(f, "+b +c ");
	assert_int_equal(kube_cache_len(f->cache), 3);
	assert_int_equal(indexed(f, "ns/x"), 2);
	object = kube_cache_get(f->cache, "ns", "b");
	assert_string_equal(object->text, "{\"spec\":{\"n\":1},\"app\":\"x\"}");
	assert_int_equal(object->generation, 1);
	assert_null(kube_cache_get(f->cache, "other", "b"));
	put_pod(&f->k, "b", "y", 1); /* moves on the index */
	expect(f, "+b ");
	assert_int_equal(indexed(f, "ns/x"), 1);
	assert_int_equal(indexed(f, "ns/y"), 2);
	assert_int_equal(indexed(f, "ns/none"), 0);
	kube_cache_get(f->cache, "ns", "b")->user = &f->freed;
	put_pod(&f->k, "b", "hide", 1); /* the projection drops it */
	fake_api_delete(f->k.api, "/api/v1/namespaces/ns/pods/c");
	expect(f, "-b -c ");
	assert_int_equal(f->freed, 1);
	assert_int_equal(indexed(f, "ns/y"), 0);
	kube_cache_each(f->cache, count, &n);
	assert_int_equal(n, 1);
	/* What the projection does not show is no change, but the version moves. */
	fake_api_patch(f->k.api, "/api/v1/namespaces/ns/pods/a",
		json_pack("{s:{s:{s:s}}}", "metadata", "annotations", "k", "v"));
	put_pod(&f->k, "d", "x", 1);
	expect(f, "+d ");
}

static void the_default_projection_drops_noise(void **state)
{
	struct fixture *f = *state;
	auto_json *json = NULL;

	fake_api_put_text(f->k.api,
		"{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"a\","
		"\"namespace\":"
		"\"ns\",\"managedFields\":[{\"manager\":\"m\"}],\"annotations\":{"
		"\"kubectl.kubernetes.io/last-applied-configuration\":\"{}\",\"keep\":\"1\"}}}");
	start(f, false);
	json = kube_object_json(kube_cache_get(f->cache, "ns", "a"));
	assert_null(doc_get(json, "metadata.managedFields"));
	assert_string_equal(doc_str(json, "metadata.annotations.keep"), "1");
	assert_int_equal(json_object_size(doc_get(json, "metadata.annotations")), 1);
}

/* Writes past the cache, as our own client would, and gives the answer. */
static json_t *write_pod(struct fixture *f, const char *name, int n)
{
	auto_free char *path = xasprintf("/api/v1/namespaces/ns/pods/%s", name);

	put_pod(&f->k, name, "x", n);
	return fake_api_get(f->k.api, path);
}

static void own_writes_are_absorbed_at_once(void **state)
{
	struct fixture *f = *state;
	auto_json *created = NULL;
	auto_json *patched = NULL;

	start(f, true);
	created = write_pod(f, "a", 1);
	assert_false(kube_cache_has_seen(f->cache, doc_str(created, "metadata.resourceVersion")));
	kube_cache_absorb(f->cache, created);
	assert_string_equal(buf_str(&f->log), "+a ");
	assert_true(kube_cache_has_seen(f->cache, doc_str(created, "metadata.resourceVersion")));
	patched = write_pod(f, "a", 2);
	kube_cache_absorb(f->cache, patched);
	kube_cache_absorb(f->cache, created); /* late: older than what is held */
	assert_string_equal(
		kube_cache_get(f->cache, "ns", "a")->text, "{\"spec\":{\"n\":2},\"app\":\"x\"}");
	expect(f, "+a +a "); /* the events of both are dropped */
	assert_string_equal(kube_cache_rv(f->cache), doc_str(patched, "metadata.resourceVersion"));
	assert_true(kube_cache_has_seen(f->cache, doc_str(created, "metadata.resourceVersion")));
}

static void a_late_answer_does_not_bring_back_the_dead(void **state)
{
	struct fixture *f = *state;
	auto_json *created = NULL;
	auto_json *again = NULL;

	start(f, true);
	created = write_pod(f, "a", 1);
	fake_api_delete(f->k.api, "/api/v1/namespaces/ns/pods/a");
	expect(f, "+a -a ");
	kube_cache_absorb(f->cache, created);
	assert_int_equal(kube_cache_len(f->cache), 0);
	/* A new object of that name is another one. */
	again = write_pod(f, "a", 5);
	kube_cache_absorb(f->cache, again);
	kube_cache_absorb(f->cache, created);
	assert_string_equal(
		kube_cache_get(f->cache, "ns", "a")->uid, doc_str(again, "metadata.uid"));
	expect(f, "+a ");
}

static void a_relist_keeps_what_was_written_since(void **state)
{
	struct fixture *f = *state;
	auto_json *created = NULL;

	put_pod(&f->k, "a", "x", 1);
	put_pod(&f->k, "b", "x", 1);
	start(f, true);
	expect(f, "i+a i+b ");
	/* The relist's answer is made before our write and arrives after it. */
	fake_api_fault(f->k.api, "WATCH", NULL, &(struct fake_fault){.gone = true});
	fake_api_set_split(f->k.api, 40);
	fake_api_cut_watches(f->k.api);
	fake_api_delete(f->k.api, "/api/v1/namespaces/ns/pods/b");
	TURN_UNTIL(&f->k, fake_api_count(f->k.api, "LIST", NULL) == 2);
	created = write_pod(f, "c", 1);
	kube_cache_absorb(f->cache, created);
	assert_string_equal(buf_str(&f->log), "+c ");
	expect(f, "+c -b ");
	assert_int_equal(kube_cache_len(f->cache), 2);
	assert_int_equal(kube_cache_stats(f->cache)->lists, 2);
}

/* The answer of a write reaches us between two pages of a list in which the object is gone. */
static void an_answer_older_than_the_list_goes_with_it(void **state)
{
	struct fixture *f = *state;
	auto_json *created = write_pod(f, "c", 1);
	struct kube_cache_options options = {
		.watch = {.resource = &kube_pods, .page_size = 1},
		.changed = on_changed,
		.synced = on_synced,
		.owner = f,
	};

	fake_api_delete(f->k.api, "/api/v1/namespaces/ns/pods/c");
	put_pod(&f->k, "a", "x", 1);
	put_pod(&f->k, "b", "x", 1);
	f->cache = kube_cache_new(f->k.client, &options);
	TURN_UNTIL(&f->k, str_eq(buf_str(&f->log), "i+a "));
	kube_cache_absorb(f->cache, created);
	TURN_UNTIL(&f->k, f->synced == 1);
	expect(f, "i+a i+c i+b i-c ");
}

static void duplicates_and_old_events_are_dropped(void **state)
{
	struct fixture *f = *state;

	fake_api_fault(
		f->k.api, "WATCH", NULL, &(struct fake_fault){.duplicate = true, .stale = true});
	start(f, true);
	put_pod(&f->k, "a", "x", 1);
	put_pod(&f->k, "a", "x", 2);
	put_pod(&f->k, "b", "x", 1);
	fake_api_delete(f->k.api, "/api/v1/namespaces/ns/pods/a");
	put_pod(&f->k, "c", "x", 1); /* after it comes the deletion again */
	put_pod(&f->k, "a", "x", 3);
	put_pod(&f->k, "d", "x", 1);
	expect(f, "+a +a +b -a +c +a +d ");
	assert_int_equal(kube_cache_len(f->cache), 4);
}

static void a_relist_sees_replaced_objects(void **state)
{
	struct fixture *f = *state;
	auto_free char *uid = NULL;

	put_pod(&f->k, "a", "x", 1);
	start(f, true);
	expect(f, "i+a ");
	uid = xstrdup(kube_cache_get(f->cache, "ns", "a")->uid);
	fake_api_cut_watches(f->k.api);
	fake_api_delete(f->k.api, "/api/v1/namespaces/ns/pods/a");
	put_pod(&f->k, "a", "x", 1);
	fake_api_compact(f->k.api);
	expect(f, "-a +a ");
	assert_string_not_equal(kube_cache_get(f->cache, "ns", "a")->uid, uid);
}

static void a_restored_server_rules(void **state)
{
	struct fixture *f = *state;

	log_setup(LOG_ERROR, LOG_LOGFMT, -1);
	put_pod(&f->k, "a", "x", 1);
	put_pod(&f->k, "b", "x", 1);
	start(f, true);
	expect(f, "i+a i+b ");
	fake_api_store(f->k.api)->rv = 50;
	put_pod(&f->k, "a", "x", 7); /* at an older version than the one held */
	fake_api_delete(f->k.api, "/api/v1/namespaces/ns/pods/b");
	fake_api_compact(f->k.api);
	fake_api_cut_watches(f->k.api);
	TURN_UNTIL(&f->k, kube_cache_len(f->cache) == 1);
	assert_string_equal(
		kube_cache_get(f->cache, "ns", "a")->text, "{\"spec\":{\"n\":7},\"app\":\"x\"}");
	TURN_UNTIL(&f->k, fake_api_watches(f->k.api) == 1);
	buf_reset(&f->log);
	put_pod(&f->k, "c", "x", 1);
	expect(f, "+c ");
}

static void odd_objects_are_skipped(void **state)
{
	struct fixture *f = *state;
	auto_json *odd = json_pack("{s:{s:i, s:s}}", "metadata", "name", 3, "uid", "u");

	fake_api_fault(f->k.api, "WATCH", NULL,
		&(struct fake_fault){.line = "{\"type\":\"ADDED\",\"object\":{\"metadata\":[]}}"});
	start(f, true);
	kube_cache_absorb(f->cache, odd);
	put_pod(&f->k, "a", "x", 1);
	expect(f, "+a ");
	assert_true(f->troubles >= 2);
}

/* A random history with faults on the watch; the cache must end as the server's state. */
static void ends_as_the_server(void **state)
{
	struct fixture *f = *state;
	uint64_t random = 88172645463325252ULL;

	fake_api_set_split(f->k.api, 301);
	for (size_t at = 100; at < 8000; at += 173) {
		fake_api_fault(f->k.api, "WATCH", NULL,
			&(struct fake_fault){
				.cut_stream_at = at, .duplicate = at % 2, .stale = at % 3});
		if (at % 5 == 0)
			fake_api_fault(f->k.api, "WATCH", NULL, &(struct fake_fault){.gone = true});
	}
	start(f, true);
	for (int i = 0; i < 600; i++) {
		auto_free char *name = NULL;
		auto_free char *path = NULL;

		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		name = xasprintf("p%d", (int)(random % 9));
		path = xasprintf("/api/v1/namespaces/ns/pods/%s", name);
		if (random % 5 == 0) {
			fake_api_delete(f->k.api, path);
		} else {
			auto_json *written = write_pod(f, name, i);

			if (random % 3 == 0)
				kube_cache_absorb(f->cache, written);
		}
		if (random % 11 == 0)
			fake_api_compact(f->k.api);
		if (random % 4 == 0)
			loop_turn(f->k.loop, 1);
	}
	put_pod(&f->k, "end", "x", 1);
	TURN_UNTIL(&f->k, kube_cache_get(f->cache, "ns", "end"));
	settle(&f->k);
	assert_int_equal(kube_cache_len(f->cache), fake_api_len(f->k.api, "/api/v1/pods"));
	for (int i = 0; i < 9; i++) {
		auto_free char *name = xasprintf("p%d", i);
		auto_free char *path = xasprintf("/api/v1/namespaces/ns/pods/%s", name);
		auto_json *real = fake_api_get(f->k.api, path);
		struct kube_object *held = kube_cache_get(f->cache, "ns", name);

		assert_int_equal(real == NULL, held == NULL);
		if (real)
			assert_string_equal(held->rv, doc_str(real, "metadata.resourceVersion"));
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(follows_and_indexes),
		TEST(the_default_projection_drops_noise),
		TEST(own_writes_are_absorbed_at_once),
		TEST(a_late_answer_does_not_bring_back_the_dead),
		TEST(a_relist_keeps_what_was_written_since),
		TEST(an_answer_older_than_the_list_goes_with_it),
		TEST(duplicates_and_old_events_are_dropped),
		TEST(a_relist_sees_replaced_objects),
		TEST(a_restored_server_rules),
		TEST(odd_objects_are_skipped),
		TEST(ends_as_the_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

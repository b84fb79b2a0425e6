#include "tests/fake/apiserver_fixture.h"

#include "kube/event.h"

#define EVENTS "/apis/events.k8s.io/v1/events"

struct fixture {
	struct kube_fixture k;
	struct event_recorder *recorder;
	json_t *ref;
};

static int set_up(void **state)
{
	struct fixture *f = xnew(struct fixture);

	kube_fixture_start(&f->k);
	f->recorder = event_recorder_new(f->k.client, "fondant.ai/fondant-controller", "pod-1");
	f->ref = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "apiVersion", "fondant.ai/v1alpha1",
		"kind", "FondantRun", "namespace", "ns", "name", "run-1", "uid", "u-1", "extra",
		"x");
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	event_recorder_free(f->recorder);
	json_decref(f->ref);
	kube_fixture_stop(&f->k);
	free(f);
	return 0;
}

static void drain(struct fixture *f)
{
	TURN_UNTIL(&f->k, event_recorder_pending(f->recorder) == 0);
}

static void writes_what_the_api_demands(void **state)
{
	struct fixture *f = *state;
	auto_json *body = NULL;
	const char *text;

	event_emit(f->recorder, f->ref, true, "StepFailed", "Run", "step load: exit code 1",
		INT64_C(1795473000123));
	drain(f);
	text = fake_api_last_body(f->k.api);
	assert_int_equal(doc_json_parse(text, strlen(text), &body, NULL), 0);
	assert_string_equal(doc_str(body, "eventTime"), "2026-11-23T22:30:00.123000Z");
	assert_string_equal(doc_str(body, "type"), "Warning");
	assert_string_equal(doc_str(body, "reason"), "StepFailed");
	assert_string_equal(doc_str(body, "action"), "Run");
	assert_string_equal(doc_str(body, "reportingController"), "fondant.ai/fondant-controller");
	assert_string_equal(doc_str(body, "reportingInstance"), "pod-1");
	assert_string_equal(doc_str(body, "regarding.uid"), "u-1");
	assert_int_equal(json_object_size(doc_get(body, "regarding")), 5);
	assert_string_equal(doc_str(body, "metadata.namespace"), "ns");
	assert_int_equal(strlen(doc_str(body, "metadata.name")), strlen("run-1.") + 16);
	assert_int_equal(fake_api_len(f->k.api, EVENTS), 1);
}

static void repeats_are_folded(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 5; i++)
		event_emit(f->recorder, f->ref, false, "Started", "Run", "go", 1000 + i);
	event_emit(f->recorder, f->ref, false, "Started", "Run", "go again", 2000);
	drain(f);
	assert_int_equal(fake_api_count(f->k.api, "POST", NULL), 2);
	/* Another process finds them at the server. */
	event_recorder_free(f->recorder);
	f->recorder = event_recorder_new(f->k.client, "fondant.ai/fondant-controller", "pod-2");
	event_emit(f->recorder, f->ref, false, "Started", "Run", "go", 3000);
	drain(f);
	assert_int_equal(fake_api_count(f->k.api, "POST", NULL), 3);
	assert_int_equal(fake_api_len(f->k.api, EVENTS), 2);
}

static void long_and_hostile_texts_fit(void **state)
{
	struct fixture *f = *state;
	auto_json *body = NULL;
	char note[3000];
	char name[300];
	const char *text;

	memset(note, 'n', sizeof(note) - 1);
	note[sizeof(note) - 1] = '\0';
	memcpy(note + 1023, "\xc3\xa9\x01\xff", 4);
	memset(name, 'o', 253);
	name[253] = '\0';
	json_object_set_new(f->ref, "name", json_string(name));
	json_object_del(f->ref, "namespace");
	event_emit(f->recorder, f->ref, false, "Started", "Run", note, 0);
	drain(f);
	text = fake_api_last_body(f->k.api);
	assert_int_equal(doc_json_parse(text, strlen(text), &body, NULL), 0);
	assert_int_equal(strlen(doc_str(body, "note")), 1023);
	assert_int_equal(strlen(doc_str(body, "metadata.name")), 253);
	assert_string_equal(doc_str(body, "metadata.namespace"), "default");
}

static void the_queue_is_bounded_and_gives_up(void **state)
{
	struct fixture *f = *state;

	fake_api_fault(f->k.api, "POST", NULL, &(struct fake_fault){.status = 500, .times = -1});
	for (int i = 0; i < 300; i++) {
		auto_free char *note = xasprintf("note %d", i);

		event_emit(f->recorder, f->ref, false, "Started", "Run", note, 0);
	}
	assert_int_equal(event_recorder_pending(f->recorder), 256);
	TURN_UNTIL(&f->k, event_recorder_pending(f->recorder) <= 250);
	fake_api_clear_faults(f->k.api);
	assert_true(fake_api_count(f->k.api, "POST", NULL) <= 3 * 7);
	drain(f);
	assert_true(fake_api_len(f->k.api, EVENTS) >= 249);
}

static void without_the_right_it_goes_quiet(void **state)
{
	struct fixture *f = *state;

	fake_api_fault(f->k.api, "POST", NULL, &(struct fake_fault){.status = 403});
	event_emit(f->recorder, f->ref, false, "Started", "Run", "one", 0);
	drain(f);
	event_emit(f->recorder, f->ref, false, "Started", "Run", "two", 0);
	assert_int_equal(event_recorder_pending(f->recorder), 0);
	assert_int_equal(fake_api_count(f->k.api, "POST", NULL), 1);
}

static void freeing_drops_what_waits(void **state)
{
	struct fixture *f = *state;

	event_emit(f->recorder, f->ref, false, "Started", "Run", "one", 0);
	event_emit(f->recorder, f->ref, false, "Started", "Run", "two", 0);
	event_recorder_free(f->recorder);
	f->recorder = NULL;
	settle(&f->k);
	assert_int_equal(kube_client_in_flight(f->k.client), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(writes_what_the_api_demands),
		TEST(repeats_are_folded),
		TEST(long_and_hostile_texts_fit),
		TEST(the_queue_is_bounded_and_gives_up),
		TEST(without_the_right_it_goes_quiet),
		TEST(freeing_drops_what_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

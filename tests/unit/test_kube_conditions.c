#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "doc/json.h"
#include "doc/path.h"
#include "kube/conditions.h"

static void sets_and_replaces_in_order(void **state)
{
	auto_json *list = json_array();

	(void)state;
	condition_set(list, NULL, "Ready", "False", "Queued", "waits", 3, 1000);
	condition_set(list, NULL, "Succeeded", "Unknown", "Running", NULL, 3, 1000);
	condition_set(list, NULL, "Ready", "True", "Started", "runs", 4, 2000);
	assert_int_equal(json_array_size(list), 2);
	assert_string_equal(doc_str(json_array_get(list, 0), "type"), "Ready");
	assert_string_equal(condition_status(list, "Ready"), "True");
	assert_string_equal(condition_status(list, "Succeeded"), "Unknown");
	assert_null(condition_status(list, "Stalled"));
	assert_null(condition_find(list, "Stalled"));
	assert_null(condition_find(NULL, "Ready"));
	assert_int_equal(doc_int_or(condition_find(list, "Ready"), "observedGeneration", 0), 4);
	assert_string_equal(doc_str(condition_find(list, "Succeeded"), "message"), "");
	assert_string_equal(doc_str(condition_find(list, "Ready"), "lastTransitionTime"),
		"1970-01-01T00:33:20Z");
}

static void transition_time_moves_only_when_the_status_flips(void **state)
{
	auto_json *before = json_array();
	auto_json *after = json_array();

	(void)state;
	condition_set(before, NULL, "Ready", "False", "Queued", "", 1, 1000);
	condition_set(after, before, "Ready", "False", "Waiting", "other words", 2, 5000);
	assert_string_equal(doc_str(condition_find(after, "Ready"), "lastTransitionTime"),
		"1970-01-01T00:16:40Z");
	assert_string_equal(doc_str(condition_find(after, "Ready"), "reason"), "Waiting");
	condition_set(after, before, "Ready", "True", "Started", "", 2, 5000);
	assert_string_equal(doc_str(condition_find(after, "Ready"), "lastTransitionTime"),
		"1970-01-01T01:23:20Z");
	/* Flipping back within one round is no flip against the previous state. */
	condition_set(after, before, "Ready", "False", "Queued", "", 2, 6000);
	assert_string_equal(doc_str(condition_find(after, "Ready"), "lastTransitionTime"),
		"1970-01-01T00:16:40Z");
}

static void long_messages_are_cut_between_characters(void **state)
{
	auto_json *list = json_array();
	size_t len = CONDITION_MESSAGE_MAX + 10;
	char *text = xmalloc(len + 1);
	const char *kept;

	(void)state;
	memset(text, 'x', len);
	text[len] = '\0';
	memcpy(text + CONDITION_MESSAGE_MAX - 1, "\xc3\xa9", 2);
	condition_set(list, NULL, "Ready", "False", "Failed", text, 1, 1);
	kept = doc_str(condition_find(list, "Ready"), "message");
	assert_int_equal(strlen(kept), CONDITION_MESSAGE_MAX - 1);
	memcpy(text, "\xff\xfe", 2);
	condition_set(list, NULL, "Ready", "False", "Failed", text, 1, 1);
	assert_non_null(doc_str(condition_find(list, "Ready"), "message"));
	mem_free_secret(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sets_and_replaces_in_order),
		cmocka_unit_test(transition_time_moves_only_when_the_status_flips),
		cmocka_unit_test(long_messages_are_cut_between_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

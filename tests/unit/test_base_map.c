#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/rand.h"

static size_t freed;

static void count_free(void *value)
{
	freed++;
	free(value);
}

static void test_empty(void **state)
{
	auto_map m = MAP_INIT;
	size_t pos = 0;

	(void)state;
	assert_null(map_get(&m, "a"));
	assert_false(map_has(&m, "a"));
	assert_false(map_del(&m, "a"));
	assert_null(map_steal(&m, "a"));
	assert_false(map_next(&m, &pos, NULL, NULL));
}

static void test_replace_steal_delete(void **state)
{
	auto_map m = {.free_value = count_free};
	char *stolen;

	(void)state;
	freed = 0;
	map_set(&m, "a", xstrdup("1"));
	map_set(&m, "a", xstrdup("2"));
	assert_int_equal(freed, 1);
	map_set(&m, "a", map_get(&m, "a")); /* the same value again is not freed */
	assert_int_equal(freed, 1);
	assert_string_equal(map_get(&m, "a"), "2");
	stolen = map_steal(&m, "a");
	assert_string_equal(stolen, "2");
	free(stolen);
	assert_int_equal(m.len, 0);
	map_set(&m, "", xstrdup("empty key"));
	assert_true(map_has(&m, ""));
	assert_true(map_del(&m, ""));
	assert_int_equal(freed, 2);
	map_set(&m, "null", NULL);
	assert_true(map_has(&m, "null"));
	assert_null(map_get(&m, "null"));
	map_clear(&m);
	assert_ptr_equal(m.free_value, count_free);
	map_set(&m, "again", xstrdup("x"));
	assert_int_equal(m.len, 1);
}

/* Random operations against an array as the model. */
static void test_model(void **state)
{
	enum { KEYS = 700, STEPS = 60000 };
	static bool present[KEYS];
	auto_map m = MAP_INIT;
	size_t live = 0, seen = 0, pos = 0;
	const char *name;
	void *value;

	(void)state;
	rand_seed(42);
	for (int step = 0; step < STEPS; step++) {
		size_t i = rand_below(KEYS);
		auto_free char *key = xasprintf("key-%zu", i);

		assert_int_equal(map_has(&m, key), present[i]);
		if (rand_below(2)) {
			map_set(&m, key, &present[i]);
			live += !present[i];
			present[i] = true;
		} else {
			assert_int_equal(map_del(&m, key), present[i]);
			live -= present[i];
			present[i] = false;
		}
		assert_int_equal(m.len, live);
		assert_true(m.used <= m.cap && m.len <= m.used);
		assert_true(m.cap <= 2048);
	}
	while (map_next(&m, &pos, &name, &value)) {
		assert_true(*(bool *)value);
		seen++;
	}
	assert_int_equal(seen, live);
}

static void test_delete_while_iterating(void **state)
{
	auto_map m = MAP_INIT;
	size_t pos = 0, seen = 0;
	const char *key;

	(void)state;
	for (int i = 0; i < 100; i++) {
		auto_free char *name = xasprintf("%d", i);

		map_set(&m, name, &m);
	}
	while (map_next(&m, &pos, &key, NULL)) {
		assert_true(map_del(&m, key));
		seen++;
	}
	assert_int_equal(seen, 100);
	assert_int_equal(m.len, 0);
}

static void test_rand_below(void **state)
{
	size_t counts[5] = {0};
	uint64_t first;

	(void)state;
	assert_int_equal(rand_below(0), 0);
	assert_int_equal(rand_below(1), 0);
	rand_seed(1);
	first = rand_u64();
	for (int i = 0; i < 50000; i++)
		counts[rand_below(5)]++;
	for (size_t i = 0; i < 5; i++)
		assert_in_range(counts[i], 9500, 10500);
	rand_seed(1);
	assert_true(rand_u64() == first);
}

struct item {
	int number;
	struct list link;
};

static void test_list(void **state)
{
	struct list head;
	struct item items[4];
	int sum = 0;

	(void)state;
	list_init(&head);
	assert_true(list_empty(&head));
	for (int i = 0; i < 4; i++) {
		items[i].number = i;
		list_add_tail(&head, &items[i].link);
	}
	list_del(&items[0].link);
	assert_false(list_linked(&items[0].link));
	list_add_head(&head, &items[0].link);
	list_for_each (pos, &head) {
		struct item *item = container_of(pos, struct item, link);

		sum = sum * 10 + item->number;
		list_del(pos);
	}
	assert_int_equal(sum, 123);
	assert_true(list_empty(&head));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_replace_steal_delete),
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_delete_while_iterating),
		cmocka_unit_test(test_rand_below),
		cmocka_unit_test(test_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include "base/str.h"
#include "reconcile/queue.h"

static int woken;

static void wake(struct queue *queue)
{
	(void)queue;
	woken++;
}

struct fixture {
	struct loop *loop;
	struct queue queue;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_int_equal(loop_new(&f->loop, NULL), 0);
	queue_init(&f->queue, f->loop, wake);
	woken = 0;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	queue_free(&f->queue);
	loop_free(f->loop);
	free(f);
	return 0;
}

static void expect_pop(struct queue *queue, const char *key)
{
	char *got = queue_pop(queue);

	if (key)
		assert_string_equal(got, key);
	else
		assert_null(got);
	free(got);
}

static void test_same_key_once(void **state)
{
	struct queue *q = &((struct fixture *)*state)->queue;

	queue_add(q, "a", QUEUE_HIGH);
	queue_add(q, "a", QUEUE_HIGH);
	expect_pop(q, "a");
	expect_pop(q, NULL);
	queue_done(q, "a", false, 0);
	expect_pop(q, NULL);
}

static void test_added_while_processing_comes_again(void **state)
{
	struct queue *q = &((struct fixture *)*state)->queue;

	queue_add(q, "a", QUEUE_HIGH);
	expect_pop(q, "a");
	queue_add(q, "a", QUEUE_HIGH);
	expect_pop(q, NULL); /* never twice at a time */
	queue_done(q, "a", false, 0);
	expect_pop(q, "a");
}

static void test_fresh_changes_go_first(void **state)
{
	struct queue *q = &((struct fixture *)*state)->queue;

	queue_add(q, "old1", QUEUE_LOW);
	queue_add(q, "old2", QUEUE_LOW);
	queue_add(q, "new", QUEUE_HIGH);
	queue_add(q, "old2", QUEUE_HIGH); /* promoted */
	expect_pop(q, "new");
	expect_pop(q, "old2");
	expect_pop(q, "old1");
	expect_pop(q, NULL);
}

static void test_failure_backs_off(void **state)
{
	struct fixture *f = *state;

	queue_add(&f->queue, "a", QUEUE_HIGH);
	expect_pop(&f->queue, "a");
	queue_done(&f->queue, "a", true, 0);
	expect_pop(&f->queue, NULL);
	woken = 0;
	while (!woken)
		loop_turn(f->loop, 100);
	expect_pop(&f->queue, "a");
}

static void test_delay_keeps_the_earlier_time(void **state)
{
	struct fixture *f = *state;

	queue_add_after(&f->queue, "a", 3600000);
	queue_add_after(&f->queue, "a", 1);
	queue_add_after(&f->queue, "a", 7200000);
	while (!woken)
		loop_turn(f->loop, 100);
	expect_pop(&f->queue, "a");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_same_key_once, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_added_while_processing_comes_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fresh_changes_go_first, setup, teardown),
		cmocka_unit_test_setup_teardown(test_failure_backs_off, setup, teardown),
		cmocka_unit_test_setup_teardown(test_delay_keeps_the_earlier_time, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "base/time.h"
#include "base/buf.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "open_fds.h"

struct fixture {
	struct loop *loop;
	int fds; /* open before the test */
};

static int setup(void **state)
{
	struct fixture *f = xnew(struct fixture);

	f->fds = open_fds();
	*state = f;
	return loop_new(&f->loop, NULL);
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	int left;

	loop_free(f->loop);
	left = open_fds() - f->fds;
	free(f);
	return left;
}

static bool readable(const struct loop *loop, int timeout_ms)
{
	struct pollfd p = {.fd = loop_fd(loop), .events = POLLIN};

	return poll(&p, 1, timeout_ms) == 1;
}

/* What happened, in order: one letter per event. */
static struct buf trace;

static void expect_trace(const char *want)
{
	assert_string_equal(buf_str(&trace), want);
	buf_free(&trace);
}

/* --- descriptors --- */

struct event_source {
	struct loop_watch watch;
	struct event_source *victim; /* removed when this one is ready */
	char letter;
};

static void source_ready(struct loop_watch *watch, uint32_t events)
{
	struct event_source *s = container_of(watch, struct event_source, watch);

	assert_true(events & EPOLLIN);
	buf_addc(&trace, s->letter);
	if (s->victim)
		loop_watch_del(&s->victim->watch);
}

static void source_add(struct loop *loop, struct event_source *s, char letter)
{
	s->letter = letter;
	assert_int_equal(loop_watch_add(loop, &s->watch, eventfd(1, EFD_CLOEXEC), EPOLLIN,
				 source_ready, NULL),
		0);
}

static void source_close(struct event_source *s)
{
	int fd = s->watch.fd;

	loop_watch_del(&s->watch);
	loop_watch_del(&s->watch);
	close(fd);
}

static void test_watch(void **state)
{
	struct fixture *f = *state;
	struct event_source a = {0};

	assert_false(readable(f->loop, 0));
	source_add(f->loop, &a, 'a');
	assert_true(readable(f->loop, 0));
	loop_turn(f->loop, 0);
	loop_turn(f->loop, 0);
	expect_trace("aa");
	assert_int_equal(loop_watch_modify(&a.watch, EPOLLOUT, NULL), 0);
	assert_int_equal(loop_watch_modify(&a.watch, 0, NULL), 0);
	loop_turn(f->loop, 0);
	expect_trace("");
	source_close(&a);
}

static void test_watch_removed_in_callback(void **state)
{
	struct fixture *f = *state;
	struct event_source a = {0}, b = {0};

	source_add(f->loop, &a, 'x');
	source_add(f->loop, &b, 'x');
	a.victim = &b;
	b.victim = &a;
	loop_turn(f->loop, 0);
	expect_trace("x"); /* whichever came first removed the other */
	loop_turn(f->loop, 0);
	expect_trace("x");
	source_close(&a);
	source_close(&b);
}

static void remove_itself(struct loop_watch *watch, uint32_t events)
{
	struct event_source *s = container_of(watch, struct event_source, watch);

	(void)events;
	source_close(s);
	free(s);
	buf_addc(&trace, 'f');
}

static void test_watch_frees_itself(void **state)
{
	struct fixture *f = *state;
	struct event_source *s = xnew(struct event_source);

	source_add(f->loop, s, 's');
	s->watch.ready = remove_itself;
	loop_turn(f->loop, 0);
	loop_turn(f->loop, 0);
	expect_trace("f");
}

static void test_watch_bad_fd(void **state)
{
	struct fixture *f = *state;
	struct loop_watch watch = {0};
	auto_err err = ERR_INIT;

	assert_int_equal(loop_watch_add(f->loop, &watch, -1, EPOLLIN, remove_itself, &err), -1);
	assert_int_equal(err.class, ERR_TRANSIENT);
	assert_null(watch.loop);
	loop_watch_del(&watch);
}

/* --- timers --- */

struct named_timer {
	struct loop_timer timer;
	struct loop *loop;
	char letter;
	struct named_timer *victim;
	bool again;
};

static void timer_fired(struct loop_timer *timer)
{
	struct named_timer *t = container_of(timer, struct named_timer, timer);

	assert_false(loop_timer_armed(timer));
	assert_true(time_mono_ms() >= timer->due_ms);
	buf_addc(&trace, t->letter);
	if (t->victim)
		loop_timer_del(&t->victim->timer);
	if (t->again)
		loop_timer_set(t->loop, timer, 0, timer_fired);
}

static void timer_set(struct loop *loop, struct named_timer *t, char letter, int64_t delay_ms)
{
	t->loop = loop;
	t->letter = letter;
	loop_timer_set(loop, &t->timer, delay_ms, timer_fired);
}

/* Delays count from when each is set, and between two settings any time may pass. */
static void letters_by_due(const struct named_timer *t, size_t len, char *ret_letters)
{
	const struct named_timer *order[8];

	for (size_t i = 0; i < len; i++) {
		size_t j = i;

		for (; j && order[j - 1]->timer.due_ms > t[i].timer.due_ms; j--)
			order[j] = order[j - 1];
		order[j] = &t[i];
	}
	for (size_t i = 0; i < len; i++)
		ret_letters[i] = order[i]->letter;
	ret_letters[len] = '\0';
}

static void test_timer_order(void **state)
{
	struct fixture *f = *state;
	struct named_timer t[5] = {0};
	char want[6];

	timer_set(f->loop, &t[0], 'e', 30);
	timer_set(f->loop, &t[1], 'd', 20);
	timer_set(f->loop, &t[2], 'a', 0);
	timer_set(f->loop, &t[3], 'b', -5);
	timer_set(f->loop, &t[4], 'x', 10);
	timer_set(f->loop, &t[4], 'c', 15); /* set again: the first is void */
	letters_by_due(t, 5, want);
	while (loop_timer_armed(&t[0].timer) || loop_timer_armed(&t[1].timer))
		loop_turn(f->loop, -1);
	expect_trace(want);
}

static void test_timer_never_early(void **state)
{
	struct fixture *f = *state;
	struct named_timer t = {0};
	int64_t start = time_mono_ms();

	timer_set(f->loop, &t, 't', 25);
	assert_false(readable(f->loop, 0));
	assert_true(readable(f->loop, 5000));
	while (loop_timer_armed(&t.timer))
		loop_turn(f->loop, -1);
	assert_true(time_mono_ms() - start >= 25);
	expect_trace("t");
	assert_false(readable(f->loop, 0));
}

static void test_timer_again_is_next_turn(void **state)
{
	struct fixture *f = *state;
	struct named_timer t = {.again = true};

	timer_set(f->loop, &t, 't', 0);
	loop_turn(f->loop, -1);
	expect_trace("t");
	assert_true(readable(f->loop, 1000));
	loop_turn(f->loop, -1);
	expect_trace("t");
	loop_timer_del(&t.timer);
	loop_timer_del(&t.timer);
	assert_false(readable(f->loop, 0));
}

static void test_timer_removed_in_callback(void **state)
{
	struct fixture *f = *state;
	struct named_timer a = {0}, b = {0};

	timer_set(f->loop, &a, 'a', 0);
	timer_set(f->loop, &b, 'b', 0);
	a.victim = &b;
	loop_turn(f->loop, -1);
	loop_turn(f->loop, 0);
	expect_trace("a");
}

static int64_t last_due;
static size_t fired;

static void ordered_fired(struct loop_timer *timer)
{
	assert_true(timer->due_ms >= last_due);
	last_due = timer->due_ms;
	fired++;
}

static void test_timer_heap(void **state)
{
	struct fixture *f = *state;
	enum { COUNT = 3000 };
	struct loop_timer *timers = xcalloc(COUNT, sizeof(*timers));
	uint32_t seed = 7;
	size_t removed = 0;

	last_due = 0;
	fired = 0;
	for (size_t round = 0; round < 3; round++) {
		for (size_t i = 0; i < COUNT; i++) {
			seed = seed * 1103515245u + 12345u;
			loop_timer_set(f->loop, &timers[i], (seed >> 16) % 50, ordered_fired);
		}
	}
	for (size_t i = 0; i < COUNT; i += 3, removed++)
		loop_timer_del(&timers[i]);
	while (fired + removed < COUNT)
		loop_turn(f->loop, -1);
	for (size_t i = 0; i < COUNT; i++)
		assert_false(loop_timer_armed(&timers[i]));
	free(timers);
}

/* --- deferred calls and hooks --- */

struct named_defer {
	struct loop_defer defer;
	struct loop *loop;
	char letter;
	struct named_defer *add, *del;
};

static void defer_called(struct loop_defer *defer)
{
	struct named_defer *d = container_of(defer, struct named_defer, defer);

	buf_addc(&trace, d->letter);
	if (d->add)
		loop_defer_add(d->loop, &d->add->defer, defer_called);
	if (d->del)
		loop_defer_del(&d->del->defer);
}

static void test_defer(void **state)
{
	struct fixture *f = *state;
	struct named_defer a = {.loop = f->loop, .letter = 'a'};
	struct named_defer b = {.loop = f->loop, .letter = 'b'};
	struct named_defer c = {.loop = f->loop, .letter = 'c'};

	a.add = &a;
	a.del = &c;
	loop_defer_add(f->loop, &a.defer, defer_called);
	loop_defer_add(f->loop, &b.defer, defer_called);
	loop_defer_add(f->loop, &c.defer, defer_called);
	loop_defer_add(f->loop, &b.defer, defer_called);
	assert_true(readable(f->loop, 0));
	loop_turn(f->loop, -1);
	expect_trace("ab");
	assert_true(readable(f->loop, 0));
	a.add = NULL;
	loop_turn(f->loop, -1);
	expect_trace("a");
	assert_false(readable(f->loop, 0));
	loop_defer_add(f->loop, &a.defer, defer_called);
	loop_defer_del(&a.defer);
	loop_defer_del(&a.defer);
	assert_false(readable(f->loop, 0));
	loop_turn(f->loop, 0);
	expect_trace("");
}

struct named_hook {
	struct loop_hook hook;
	char letter;
	struct named_hook *del;
};

static void hook_called(struct loop_hook *hook)
{
	struct named_hook *h = container_of(hook, struct named_hook, hook);

	buf_addc(&trace, h->letter);
	if (h->del)
		loop_before_sleep_del(&h->del->hook);
}

static void test_hooks(void **state)
{
	struct fixture *f = *state;
	struct named_hook a = {.letter = 'a'}, b = {.letter = 'b'}, c = {.letter = 'c'};

	loop_before_sleep_add(f->loop, &a.hook, hook_called);
	loop_before_sleep_add(f->loop, &b.hook, hook_called);
	loop_before_sleep_add(f->loop, &c.hook, hook_called);
	loop_turn(f->loop, 0);
	expect_trace("abc");
	a.del = &b;
	loop_turn(f->loop, 0);
	expect_trace("ac");
	c.del = &c;
	loop_turn(f->loop, 0);
	loop_turn(f->loop, 0);
	expect_trace("aca");
	loop_before_sleep_del(&a.hook);
	loop_before_sleep_del(&a.hook);
}

static void test_order_of_a_turn(void **state)
{
	struct fixture *f = *state;
	struct event_source source = {0};
	struct named_timer timer = {0};
	struct named_defer defer = {.loop = f->loop, .letter = '3'};
	struct named_hook hook = {.letter = '4'};

	loop_before_sleep_add(f->loop, &hook.hook, hook_called);
	loop_defer_add(f->loop, &defer.defer, defer_called);
	timer_set(f->loop, &timer, '2', 0);
	source_add(f->loop, &source, '1');
	loop_turn(f->loop, 0);
	expect_trace("1234");
	loop_before_sleep_del(&hook.hook);
	source_close(&source);
}

/* --- running, signals --- */

static void stop_fired(struct loop_timer *timer)
{
	loop_stop(container_of(timer, struct named_timer, timer)->loop);
}

static void test_run_and_stop(void **state)
{
	struct fixture *f = *state;
	struct named_timer t = {.loop = f->loop};

	loop_timer_set(f->loop, &t.timer, 1, stop_fired);
	loop_run(f->loop);
	assert_false(loop_timer_armed(&t.timer));
	assert_false(loop_stopping(f->loop));
	loop_stop(f->loop);
	assert_true(loop_stopping(f->loop));
	loop_run(f->loop); /* returns at once */
}

static void signal_arrived(struct loop_signal *sig, int signo)
{
	buf_addc(&trace, signo == SIGUSR1 ? '1' : signo == SIGUSR2 ? '2' : '?');
	if (signo == SIGUSR2) {
		loop_signal_del(sig);
		free(sig);
	}
}

static void test_signals(void **state)
{
	struct fixture *f = *state;
	struct loop_signal *sig = xnew(struct loop_signal);
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	assert_int_equal(loop_signal_add(f->loop, sig, &set, signal_arrived, NULL), 0);
	raise(SIGUSR1);
	loop_turn(f->loop, -1);
	expect_trace("1");
	raise(SIGUSR2);
	loop_turn(f->loop, -1);
	expect_trace("2");
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_watch),
		TEST(test_watch_removed_in_callback),
		TEST(test_watch_frees_itself),
		TEST(test_watch_bad_fd),
		TEST(test_timer_order),
		TEST(test_timer_never_early),
		TEST(test_timer_again_is_next_turn),
		TEST(test_timer_removed_in_callback),
		TEST(test_timer_heap),
		TEST(test_defer),
		TEST(test_hooks),
		TEST(test_order_of_a_turn),
		TEST(test_run_and_stop),
		TEST(test_signals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

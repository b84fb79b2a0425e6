#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/mem.h"
#include "base/str.h"
#include "loop/child.h"
#include "open_fds.h"

struct fixture {
	struct loop *loop;
	int fds;
	struct child child;
	int done;
	bool again;
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

	child_cancel(&f->child);
	child_cancel(&f->child);
	loop_free(f->loop);
	left = open_fds() - f->fds;
	free(f);
	return left;
}

static int start(struct fixture *f, const char *script, int64_t timeout_ms);

static void child_done(struct child *child)
{
	struct fixture *f = container_of(child, struct fixture, child);

	f->done++;
	if (f->again) {
		f->again = false;
		assert_int_equal(start(f, "echo second", 20000), 0);
	}
}

static int start(struct fixture *f, const char *script, int64_t timeout_ms)
{
	char *argv[] = {"sh", "-c", (char *)script, NULL};
	char *env[] = {"CHILD_WORD=from-us", "HOME=/nowhere", NULL};

	return child_start(f->loop, &f->child, argv, env, timeout_ms, child_done, NULL);
}

static void run(struct fixture *f, const char *script, int64_t timeout_ms)
{
	assert_int_equal(start(f, script, timeout_ms), 0);
	assert_int_equal(f->done, 0);
	while (!f->done)
		loop_turn(f->loop, -1);
	assert_int_equal(f->done, 1);
}

static void test_output_and_status(void **state)
{
	struct fixture *f = *state;

	run(f, "echo out; echo err >&2; exit 3", 20000);
	assert_string_equal(buf_str(&f->child.out), "out\n");
	assert_string_equal(buf_str(&f->child.err_out), "err\n");
	assert_int_equal(f->child.exit_code, 3);
	assert_int_equal(f->child.term_signal, 0);
	assert_false(f->child.timed_out);
	assert_int_equal(f->child.pid, 0);
}

static void test_environment_and_stdin(void **state)
{
	struct fixture *f = *state;

	setenv("CHILD_INHERITED", "yes", 1);
	run(f, "cat; echo $CHILD_WORD $HOME $CHILD_INHERITED; env | grep -c ^HOME=", 20000);
	assert_string_equal(buf_str(&f->child.out), "from-us /nowhere yes\n1\n");
	unsetenv("CHILD_INHERITED");
}

static void test_not_found(void **state)
{
	struct fixture *f = *state;
	char *argv[] = {"/nowhere/at/all", NULL};
	auto_err err = ERR_INIT;

	assert_int_equal(child_start(f->loop, &f->child, argv, NULL, 1000, child_done, &err), -1);
	assert_int_equal(err.class, ERR_USER);
	assert_string_equal(err.reason, "ChildFailed");
	assert_non_null(strstr(err.message, "/nowhere/at/all"));
	assert_int_equal(f->done, 0);
}

static void test_killed(void **state)
{
	struct fixture *f = *state;

	run(f, "kill -TERM $$", 20000);
	assert_int_equal(f->child.exit_code, -1);
	assert_int_equal(f->child.term_signal, SIGTERM);
	assert_false(f->child.timed_out);
}

/* Gone, or a zombie that whoever adopted it has not reaped. */
static bool process_dead(pid_t pid)
{
	auto_free char *path = xasprintf("/proc/%d/stat", (int)pid);
	FILE *file = fopen(path, "re");
	char line[256] = "";
	bool dead = true;

	if (!file)
		return true;
	if (fgets(line, sizeof(line), file))
		dead = strstr(line, ") Z") != NULL;
	fclose(file);
	return dead;
}

/* The grandchild holds the pipes and must not hold us; it dies with the group. */
static void test_deadline(void **state)
{
	struct fixture *f = *state;
	int64_t pid;

	run(f, "sleep 1000 & printf $!; wait", 200);
	assert_int_equal(f->child.exit_code, -1);
	assert_true(f->child.timed_out);
	assert_int_equal(f->child.term_signal, SIGKILL);
	assert_true(str_to_int64(buf_str(&f->child.out), &pid));
	for (int i = 0; i < 5000 && !process_dead((pid_t)pid); i++)
		loop_turn(f->loop, 1);
	assert_true(process_dead((pid_t)pid));
}

static void test_grandchild_holds_the_pipe(void **state)
{
	struct fixture *f = *state;
	int64_t pid;

	run(f, "sleep 1000 & echo $! >&2; echo answer", 20000);
	assert_string_equal(buf_str(&f->child.out), "answer\n");
	assert_int_equal(f->child.exit_code, 0);
	f->child.err_out.data[f->child.err_out.len - 1] = '\0';
	assert_true(str_to_int64(buf_str(&f->child.err_out), &pid));
	assert_int_equal(kill((pid_t)pid, SIGKILL), 0);
}

static void test_output_cap(void **state)
{
	struct fixture *f = *state;

	f->child.out.max = 1000;
	run(f, "head -c 5000000 /dev/zero; echo fine >&2", 20000);
	assert_true(f->child.out.overflow);
	assert_true(f->child.out.len < 1000);
	assert_string_equal(buf_str(&f->child.err_out), "fine\n");
	assert_int_equal(f->child.exit_code, 0);
}

static void test_much_output_is_complete(void **state)
{
	struct fixture *f = *state;

	run(f, "head -c 900000 /dev/zero", 20000);
	assert_int_equal(f->child.out.len, 900000);
}

static void test_cancel(void **state)
{
	struct fixture *f = *state;
	pid_t pid;

	assert_int_equal(start(f, "sleep 1000", 0), 0);
	pid = f->child.pid;
	loop_turn(f->loop, 0);
	child_cancel(&f->child);
	assert_int_equal(kill(pid, 0), -1); /* reaped */
	assert_int_equal(errno, ESRCH);
	loop_turn(f->loop, 0);
	assert_int_equal(f->done, 0);
}

static void test_started_again_in_done(void **state)
{
	struct fixture *f = *state;

	f->again = true;
	assert_int_equal(start(f, "echo first", 20000), 0);
	while (f->done < 2)
		loop_turn(f->loop, -1);
	assert_string_equal(buf_str(&f->child.out), "second\n");
}

/* Blocked and ignored signals and open descriptors stay with us. */
static void test_clean_start(void **state)
{
	struct fixture *f = *state;
	sigset_t set, old;
	unsigned long long blocked, ignored;
	int fd = dup(2); /* not close-on-exec */
	int fds;

	sigfillset(&set);
	sigprocmask(SIG_BLOCK, &set, &old);
	signal(SIGPIPE, SIG_IGN);
	run(f, "grep -E '^Sig(Blk|Ign)' /proc/self/status | cut -c8-; ls /proc/self/fd | wc -l",
		20000);
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, &old, NULL);
	close(fd);
	assert_int_equal(
		sscanf(buf_str(&f->child.out), "%llx %llx %d", &blocked, &ignored, &fds), 3);
	assert_int_equal(blocked, 0);
	/* 32 and 33 belong to the C library and may be inherited as ignored. */
	assert_int_equal(ignored & 0x7fffffff, 0);
	assert_int_equal(fds, 4); /* 0, 1, 2 and the directory that ls reads */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_output_and_status),
		TEST(test_environment_and_stdin),
		TEST(test_not_found),
		TEST(test_killed),
		TEST(test_deadline),
		TEST(test_grandchild_holds_the_pipe),
		TEST(test_output_cap),
		TEST(test_much_output_is_complete),
		TEST(test_cancel),
		TEST(test_started_again_in_done),
		TEST(test_clean_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

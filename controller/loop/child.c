/*
 * A child ends for us when its pidfd becomes readable. What the pipes hold then
 * is read without waiting for their end: a grandchild that keeps them open must
 * not hold us. The child leads a session of its own, so that killing its process
 * group takes such grandchildren along and no terminal can ask anybody anything.
 */
#include "loop/child.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/vec.h"

enum { CHILD_DEFAULT_CAP = 1 << 20, CHILD_DRAIN_READS = 64 };

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* --- starting --- */

/* Our environment, where `extra` replaces what has the same name. */
static void child_environment(struct strvec *ret_env, char *const extra[])
{
	for (char *const *e = extra; e && *e; e++)
		strvec_add(ret_env, *e);
	for (char **e = environ; e && *e; e++) {
		size_t name_len = strcspn(*e, "=") + 1;
		bool replaced = false;

		for (char *const *x = extra; x && *x; x++)
			replaced |= strncmp(*x, *e, name_len) == 0;
		if (!replaced)
			strvec_add(ret_env, *e);
	}
}

static int child_attributes(posix_spawnattr_t *attr)
{
	sigset_t none, all;
	int r;

	sigemptyset(&none);
	sigfillset(&all);
	sigdelset(&all, SIGKILL);
	sigdelset(&all, SIGSTOP);
	r = posix_spawnattr_setsigmask(attr, &none);
	if (!r)
		r = posix_spawnattr_setsigdefault(attr, &all);
	if (!r)
		r = posix_spawnattr_setflags(
			attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
	return r;
}

static int child_descriptors(posix_spawn_file_actions_t *actions, int out, int err_out)
{
	int r = posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDONLY, 0);

	if (!r)
		r = posix_spawn_file_actions_adddup2(actions, out, 1);
	if (!r)
		r = posix_spawn_file_actions_adddup2(actions, err_out, 2);
	if (!r)
		r = posix_spawn_file_actions_addclosefrom_np(actions, 3);
	return r;
}

/* fork and exec; the reason why exec failed comes back as an errno. */
static int child_spawn(
	pid_t *ret_pid, char *const argv[], char *const extra[], int out, int err_out)
{
	auto_strvec env = STRVEC_INIT;
	char *empty[] = {NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	int r = posix_spawnattr_init(&attr);

	if (r)
		return r;
	r = posix_spawn_file_actions_init(&actions);
	if (!r) {
		child_environment(&env, extra);
		r = child_attributes(&attr);
		if (!r)
			r = child_descriptors(&actions, out, err_out);
		if (!r)
			r = posix_spawnp(ret_pid, argv[0], &actions, &attr, argv,
				env.items ? env.items : empty);
		posix_spawn_file_actions_destroy(&actions);
	}
	posix_spawnattr_destroy(&attr);
	return r;
}

static int child_pipe(int *ret_read, int *ret_write, struct err *err)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_set(err, ERR_TRANSIENT, "ChildFailed", "pipe: %s", strerror(errno));
	/* Only our end: the child may expect a blocking descriptor. */
	(void)fcntl(fds[0], F_SETFL, O_NONBLOCK);
	*ret_read = fds[0];
	*ret_write = fds[1];
	return 0;
}

static void child_kill(struct child *child)
{
	if (kill(-child->pid, SIGKILL) < 0)
		(void)kill(child->pid, SIGKILL);
}

/* Stops watching and closes; the process itself is reaped already or never was. */
static void child_release(struct child *child)
{
	loop_watch_del(&child->pid_watch);
	loop_watch_del(&child->out_watch);
	loop_watch_del(&child->err_watch);
	loop_timer_del(&child->deadline);
	close_fd(&child->pidfd);
	close_fd(&child->out_fd);
	close_fd(&child->err_fd);
	child->pid = 0;
	child->loop = NULL;
}

/* --- running --- */

/* One read; false at the end of the pipe or when nothing is there. Output over the cap is read
 * and dropped, or the child would block. */
static bool child_read(struct loop_watch *watch, int *fd, struct buf *into)
{
	char piece[8192];
	ssize_t n;

	if (*fd < 0)
		return false;
	n = read(*fd, piece, sizeof(piece));
	if (n > 0) {
		buf_add(into, piece, (size_t)n);
		return true;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	loop_watch_del(watch);
	close_fd(fd);
	return false;
}

static void child_out_ready(struct loop_watch *watch, uint32_t events)
{
	struct child *child = container_of(watch, struct child, out_watch);

	(void)events;
	child_read(watch, &child->out_fd, &child->out);
}

static void child_err_ready(struct loop_watch *watch, uint32_t events)
{
	struct child *child = container_of(watch, struct child, err_watch);

	(void)events;
	child_read(watch, &child->err_fd, &child->err_out);
}

static void child_expired(struct loop_timer *timer)
{
	struct child *child = container_of(timer, struct child, deadline);

	child->timed_out = true;
	child_kill(child);
}

static void child_ended(struct loop_watch *watch, uint32_t events)
{
	struct child *child = container_of(watch, struct child, pid_watch);
	siginfo_t info = {0};

	(void)events;
	/* A failure (somebody else reaped it) ends it as well, with no status. */
	if (waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOHANG) == 0 && info.si_pid == 0)
		return;
	/* A full pipe is 8 reads; the bound is for a grandchild that goes on writing. */
	for (int i = 0; i < CHILD_DRAIN_READS; i++) {
		if (!child_read(&child->out_watch, &child->out_fd, &child->out))
			break;
	}
	for (int i = 0; i < CHILD_DRAIN_READS; i++) {
		if (!child_read(&child->err_watch, &child->err_fd, &child->err_out))
			break;
	}
	child->exit_code = info.si_code == CLD_EXITED && !child->timed_out ? info.si_status : -1;
	child->term_signal = info.si_code == CLD_EXITED ? 0 : info.si_status;
	child_release(child);
	child->done(child);
}

static int child_watch(struct child *child, int64_t timeout_ms, struct err *err)
{
	struct loop *loop = child->loop;

	child->pidfd = (int)syscall(SYS_pidfd_open, child->pid, 0);
	if (child->pidfd < 0)
		return err_set(
			err, ERR_TRANSIENT, "ChildFailed", "pidfd_open: %s", strerror(errno));
	(void)fcntl(child->pidfd, F_SETFD, FD_CLOEXEC);
	if (loop_watch_add(loop, &child->pid_watch, child->pidfd, EPOLLIN, child_ended, err) < 0 ||
		loop_watch_add(loop, &child->out_watch, child->out_fd, EPOLLIN, child_out_ready,
			err) < 0 ||
		loop_watch_add(
			loop, &child->err_watch, child->err_fd, EPOLLIN, child_err_ready, err) < 0)
		return -1;
	if (timeout_ms > 0)
		loop_timer_set(loop, &child->deadline, timeout_ms, child_expired);
	return 0;
}

int child_start(struct loop *loop, struct child *child, char *const argv[], char *const env[],
	int64_t timeout_ms, void (*done)(struct child *), struct err *err)
{
	int out_write = -1, err_write = -1, r = 0;

	assert(!child->loop);
	child->pidfd = child->out_fd = child->err_fd = -1;
	child->done = done;
	child->exit_code = -1;
	child->term_signal = 0;
	child->timed_out = false;
	if (!child->out.max)
		child->out.max = CHILD_DEFAULT_CAP;
	if (!child->err_out.max)
		child->err_out.max = CHILD_DEFAULT_CAP;
	buf_reset(&child->out);
	buf_reset(&child->err_out);

	if (child_pipe(&child->out_fd, &out_write, err) < 0 ||
		child_pipe(&child->err_fd, &err_write, err) < 0)
		r = -1;
	if (!r) {
		int error = child_spawn(&child->pid, argv, env, out_write, err_write);

		if (error)
			r = err_set(err, ERR_USER, "ChildFailed", "cannot run %s: %s", argv[0],
				strerror(error));
	}
	close_fd(&out_write);
	close_fd(&err_write);
	if (r < 0) {
		child->pid = 0;
		child_release(child);
		return -1;
	}
	child->loop = loop;
	if (child_watch(child, timeout_ms, err) < 0) {
		child_cancel(child);
		return -1;
	}
	return 0;
}

void child_cancel(struct child *child)
{
	if (child->loop) {
		child_kill(child);
		while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR)
			continue;
		child_release(child);
	}
	buf_free(&child->out);
	buf_free(&child->err_out);
}

/*
 * Child processes by pidfd: argv (never a shell), captured stdout and stderr with
 * caps, a deadline. Used for kubeconfig exec plugins.
 */
#ifndef LOOP_CHILD_H
#define LOOP_CHILD_H

#include "base/buf.h"
#include "loop/loop.h"

struct child {
	struct loop *loop;
	pid_t pid;     /* 0 when none runs */
	int exit_code; /* -1 when killed by a signal or by the deadline */
	int term_signal;
	bool timed_out;
	struct buf out; /* capped by the caller before start; default 1 MiB */
	struct buf err_out;
	void (*done)(struct child *child); /* exactly once, from the loop */
	struct loop_watch pid_watch, out_watch, err_watch;
	struct loop_timer deadline;
	int pidfd, out_fd, err_fd;
};

/*
 * argv[0] is looked up in PATH. env: extra "K=V" strings that replace what has the same name in
 * our environment; may be NULL. stdin is /dev/null; signals are at their defaults; the child
 * leads a session of its own. timeout_ms 0: no deadline. Zero the struct (but for the caps)
 * before the first start; a finished one may be started again. Fails with ERR_USER ChildFailed
 * when it cannot be executed.
 */
int child_start(struct loop *loop, struct child *child, char *const argv[], char *const env[],
	int64_t timeout_ms, void (*done)(struct child *), struct err *err);
/* Kills what still runs, reaps it; done will not run. Frees buffers. Harmless twice. */
void child_cancel(struct child *child);

#endif

/* Signals as a readable descriptor. */
#include <errno.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include "loop/private.h"

/* One signal per call: the callback may remove and free the registration. */
static void signal_ready(struct loop_watch *watch, uint32_t events)
{
	struct loop_signal *sig = container_of(watch, struct loop_signal, watch);
	struct signalfd_siginfo info;

	(void)events;
	if (read(watch->fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	sig->arrived(sig, (int)info.ssi_signo);
}

int loop_signal_add(struct loop *loop, struct loop_signal *sig, const sigset_t *set,
	void (*arrived)(struct loop_signal *, int), struct err *err)
{
	int fd;

	if (sigprocmask(SIG_BLOCK, set, NULL) < 0)
		return err_set(
			err, ERR_BUG, "SignalFailed", "cannot block signals: %s", strerror(errno));
	fd = signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return err_set(err, ERR_TRANSIENT, "SignalFailed", "signalfd: %s", strerror(errno));
	sig->arrived = arrived;
	if (loop_watch_add(loop, &sig->watch, fd, EPOLLIN, signal_ready, err) < 0) {
		close(fd);
		return -1;
	}
	return 0;
}

void loop_signal_del(struct loop_signal *sig)
{
	int fd = sig->watch.fd;

	if (!sig->watch.loop)
		return;
	loop_watch_del(&sig->watch);
	close(fd);
}

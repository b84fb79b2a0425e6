/*
 * libcurl's multi interface on the loop (curl: docs/internals/MULTI-EV.md).
 *
 * The two callbacks only record what curl wants: the timer callback arms a
 * timer (never calls curl, not even for 0 ms), the socket callback adds, changes
 * or drops a watch at once, because descriptor numbers are reused immediately.
 * Everything else happens in http_pool_action(), the one place that lets curl
 * work; it drains all messages every time, never guesses from running counts.
 */
#include <stdlib.h>
#include "net/private.h"

struct http_socket {
	struct http_pool *pool;
	struct list link;
	struct loop_watch watch;
};

static void pool_socket_free(struct http_socket *sock)
{
	loop_watch_del(&sock->watch);
	list_del(&sock->link);
	free(sock);
}

/* curl is in an undefined state: give everything back. */
static void pool_fail(struct http_pool *pool, CURLMcode code)
{
	list_for_each (pos, &pool->transfers) {
		struct http_transfer *t = container_of(pos, struct http_transfer, link);

		http_transfer_progress(t);
		err_set(&t->req->err, ERR_BUG, "Aborted", "libcurl failed: %s",
			curl_multi_strerror(code));
		http_transfer_finished(t);
	}
	if (pool->client->pool == pool)
		pool->client->pool = NULL;
	pool->retired = true;
}

static void pool_free_if_over(struct http_pool *pool)
{
	if (pool->retired && !pool->in_action && list_empty(&pool->transfers))
		http_pool_free(pool);
}

static void pool_drop(struct http_pool *pool, struct http_transfer *transfer)
{
	list_del(&transfer->link);
	curl_multi_remove_handle(pool->multi, transfer->easy);
	if (transfer->counted)
		pool->client->in_flight--;
	http_transfer_free(transfer);
}

static void pool_sweep(struct http_pool *pool)
{
	list_for_each (pos, &pool->dead) {
		pool_drop(pool, container_of(pos, struct http_transfer, link));
	}
}

/* Lets curl work on one socket or on its time-outs. The pool may be gone afterwards. */
static void pool_action(struct http_pool *pool, curl_socket_t fd, int mask)
{
	struct http_client *client = pool->client;
	CURLMcode code;
	CURLMsg *msg;
	int running, left;

	pool->in_action = true;
	pool->busy = true;
	code = curl_multi_socket_action(pool->multi, fd, mask, &running);
	pool->busy = false;
	while (code == CURLM_OK && (msg = curl_multi_info_read(pool->multi, &left))) {
		struct http_transfer *t = NULL;
		CURLcode result = msg->data.result;

		if (msg->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &t);
		if (!t->req)
			continue;
		http_transfer_result(t, result);
		http_transfer_finished(t);
	}
	pool_sweep(pool);
	if (code != CURLM_OK)
		pool_fail(pool, code);
	pool->in_action = false;
	pool_free_if_over(pool);
	http_client_start_waiting(client);
}

static void pool_socket_ready(struct loop_watch *watch, uint32_t events)
{
	struct http_socket *sock = container_of(watch, struct http_socket, watch);
	int mask = 0;

	if (events & (EPOLLIN | EPOLLHUP))
		mask |= CURL_CSELECT_IN;
	if (events & EPOLLOUT)
		mask |= CURL_CSELECT_OUT;
	if (events & EPOLLERR)
		mask |= CURL_CSELECT_ERR;
	pool_action(sock->pool, watch->fd, mask);
}

static void pool_timer_fired(struct loop_timer *timer)
{
	pool_action(container_of(timer, struct http_pool, timer), CURL_SOCKET_TIMEOUT, 0);
}

static int pool_timer_wanted(CURLM *multi, long timeout_ms, void *user)
{
	struct http_pool *pool = user;

	(void)multi;
	if (timeout_ms < 0)
		loop_timer_del(&pool->timer);
	else
		loop_timer_set(pool->client->loop, &pool->timer, timeout_ms, pool_timer_fired);
	return 0;
}

static int pool_socket_wanted(CURL *easy, curl_socket_t fd, int what, void *user, void *socket_user)
{
	struct http_pool *pool = user;
	struct http_socket *sock = socket_user;
	uint32_t events = 0;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (sock)
			pool_socket_free(sock);
		return 0;
	}
	if (what & CURL_POLL_IN)
		events |= EPOLLIN;
	if (what & CURL_POLL_OUT)
		events |= EPOLLOUT;
	if (sock)
		return loop_watch_modify(&sock->watch, events, NULL);
	sock = xnew(struct http_socket);
	sock->pool = pool;
	list_add_tail(&pool->sockets, &sock->link);
	if (loop_watch_add(pool->client->loop, &sock->watch, fd, events, pool_socket_ready, NULL) <
		0) {
		pool_socket_free(sock);
		return -1;
	}
	curl_multi_assign(pool->multi, fd, sock);
	return 0;
}

struct http_pool *http_pool_new(struct http_client *client)
{
	struct http_pool *pool = xnew(struct http_pool);

	pool->client = client;
	list_init(&pool->sockets);
	list_init(&pool->transfers);
	list_init(&pool->dead);
	list_add_tail(&client->pools, &pool->link);
	pool->multi = curl_multi_init();
	if (!pool->multi)
		abort(); /* out of memory */
	curl_multi_setopt(pool->multi, CURLMOPT_SOCKETFUNCTION, pool_socket_wanted);
	curl_multi_setopt(pool->multi, CURLMOPT_SOCKETDATA, pool);
	curl_multi_setopt(pool->multi, CURLMOPT_TIMERFUNCTION, pool_timer_wanted);
	curl_multi_setopt(pool->multi, CURLMOPT_TIMERDATA, pool);
	curl_multi_setopt(pool->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
	/* Only a limit for the cache of open connections, which counts those in use as well; how
	 * many there are is decided by what the client starts. */
	curl_multi_setopt(
		pool->multi, CURLMOPT_MAXCONNECTS, (long)client->options.max_connections + 64);
	return pool;
}

void http_pool_free(struct http_pool *pool)
{
	if (!pool)
		return;
	curl_multi_cleanup(pool->multi); /* may call both callbacks */
	list_for_each (pos, &pool->sockets) {
		pool_socket_free(container_of(pos, struct http_socket, link));
	}
	loop_timer_del(&pool->timer);
	list_del(&pool->link);
	free(pool);
}

void http_pool_retire(struct http_pool *pool)
{
	pool->retired = true;
	pool_free_if_over(pool);
}

int http_pool_add(struct http_pool *pool, struct http_transfer *transfer, struct err *err)
{
	CURLMcode code = curl_multi_add_handle(pool->multi, transfer->easy);

	if (code != CURLM_OK)
		return err_set(
			err, ERR_BUG, "Aborted", "libcurl failed: %s", curl_multi_strerror(code));
	transfer->pool = pool;
	list_add_tail(&pool->transfers, &transfer->link);
	return 0;
}

void http_pool_remove(struct http_pool *pool, struct http_transfer *transfer)
{
	if (pool->busy) {
		list_del(&transfer->link);
		list_add_tail(&pool->dead, &transfer->link);
		return;
	}
	pool_drop(pool, transfer);
	pool_free_if_over(pool);
}

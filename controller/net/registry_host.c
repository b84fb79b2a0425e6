/*
 * Requests to one origin: how many at once, further tries after a pause, and a
 * host's wish to be left alone.
 *
 *   registry_send -> waiting -> in flight -> done
 *                       ^          |
 *                       +- pause --+  no answer, 5xx, 429
 */
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/rand.h"
#include "base/str.h"
#include "net/registry_internal.h"

#define HOSTS_MAX 256
#define MIRROR_PAUSE_MS 30000
#define PAUSE_MAX_MS 30000

/* --- what may be spoken to how --- */

bool registry_insecure(const struct registry_client *client, const char *authority, bool *ret_plain)
{
	const char *how = map_get(&client->insecure, authority);

	if (how && ret_plain)
		*ret_plain = str_eq(how, "plain");
	return how != NULL;
}

/* Also by its port when that is the scheme's own and so left out. */
static bool url_insecure(const struct registry_client *client, const struct url_parts *url)
{
	auto_free char *full =
		xasprintf("%s:%d", url->authority, str_eq(url->scheme, "https") ? 443 : 80);

	return registry_insecure(client, url->authority, NULL) ||
	       (str_eq(url->authority, url->host) && registry_insecure(client, full, NULL));
}

bool registry_url_allowed(const struct registry_client *client, const struct url_parts *url)
{
	return str_eq(url->scheme, "https") || url_insecure(client, url);
}

/* --- hosts --- */

static struct registry_host *host_find(struct registry_client *client, const char *origin)
{
	list_for_each (pos, &client->hosts) {
		struct registry_host *host = container_of(pos, struct registry_host, link);

		if (str_eq(host->origin, origin))
			return host;
	}
	return NULL;
}

static void host_free(struct registry_host *host)
{
	list_del(&host->link);
	host->client->hosts_len--;
	loop_timer_del(&host->unblock);
	http_client_free(host->http);
	free(host->origin);
	free(host);
}

/* Makes room for one more; false when all are in use. */
static bool hosts_make_room(struct registry_client *client)
{
	if (client->hosts_len < HOSTS_MAX)
		return true;
	list_for_each (pos, &client->hosts) {
		struct registry_host *host = container_of(pos, struct registry_host, link);

		if (host->users == 0 && host->blocked_until <= loop_now_ms(client->loop)) {
			host_free(host);
			return true;
		}
	}
	return false;
}

static int host_get(struct registry_client *client, const char *url,
	struct registry_host **ret_host, struct err *err)
{
	auto_url_parts parts = {0};
	auto_free char *origin = NULL;
	struct registry_host *host;
	struct http_client_options options = {
		.ca_pem = client->options.ca_pem,
		.proxy = client->options.proxy,
		.user_agent = client->options.user_agent,
		.max_connections = client->options.max_per_host,
	};

	if (url_split(url, &parts, err) < 0)
		return -1;
	if (!registry_url_allowed(client, &parts))
		return err_set(err, ERR_USER, "RegistryInsecure",
			"%s is plain HTTP and not among the insecure registries", parts.authority);
	origin = xasprintf("%s://%s", parts.scheme, parts.authority);
	host = host_find(client, origin);
	if (!host) {
		options.insecure_skip_verify = url_insecure(client, &parts);
		if (!hosts_make_room(client))
			return err_set(err, ERR_TRANSIENT, "RegistryUnavailable",
				"too many registries are being asked at once");
		host = xnew(struct registry_host);
		if (http_client_new(client->loop, &options, &host->http, err) < 0) {
			free(host);
			return -1;
		}
		host->client = client;
		host->origin = take_ptr(origin);
		list_init(&host->waiting);
		list_init(&host->link);
		client->hosts_len++;
	}
	list_del(&host->link);
	list_add_tail(&client->hosts, &host->link);
	*ret_host = host;
	return 0;
}

void registry_hosts_free(struct registry_client *client)
{
	list_for_each (pos, &client->hosts) {
		host_free(container_of(pos, struct registry_host, link));
	}
}

void registry_host_failed(struct registry_client *client, const char *origin)
{
	struct registry_host *host = host_find(client, origin);

	if (host)
		host->failed_until = loop_now_ms(client->loop) + MIRROR_PAUSE_MS;
}

bool registry_host_is_failed(struct registry_client *client, const char *origin)
{
	const struct registry_host *host = host_find(client, origin);

	return host && host->failed_until > loop_now_ms(client->loop);
}

/* --- requests --- */

static void host_pump(struct registry_host *host);

static void host_unblocked(struct loop_timer *timer)
{
	host_pump(container_of(timer, struct registry_host, unblock));
}

static void request_finish(struct registry_request *req)
{
	req->host->users--;
	req->host = NULL;
	req->done(req);
}

/* Refused without asking. */
static void request_refused(struct loop_timer *timer)
{
	struct registry_request *req = container_of(timer, struct registry_request, timer);

	if (req->host)
		request_finish(req);
	else
		req->done(req);
}

static void request_refuse(struct registry_request *req)
{
	loop_timer_set(req->client->loop, &req->timer, 0, request_refused);
}

/* Those that could not wait as long as the host wants to be left alone are told so. */
static void refuse_impatient(struct registry_host *host)
{
	list_for_each (pos, &host->waiting) {
		struct registry_request *req = container_of(pos, struct registry_request, link);

		if (req->deadline_ms > host->blocked_until)
			continue;
		list_del(&req->link);
		req->status = 429;
		req->retry_after_ms = host->blocked_until - loop_now_ms(host->client->loop);
		request_refuse(req);
	}
}

static void host_pump(struct registry_host *host)
{
	int64_t now = loop_now_ms(host->client->loop);

	if (host->blocked_until > now) {
		refuse_impatient(host);
		if (!list_empty(&host->waiting) && !loop_timer_armed(&host->unblock))
			loop_timer_set(host->client->loop, &host->unblock,
				host->blocked_until - now, host_unblocked);
		return;
	}
	list_for_each (pos, &host->waiting) {
		struct registry_request *req = container_of(pos, struct registry_request, link);

		if (host->active >= host->client->options.max_per_host)
			return;
		list_del(&req->link);
		host->active++;
		req->tries--;
		http_send(host->http, &req->http);
	}
}

static void request_again(struct loop_timer *timer)
{
	struct registry_request *req = container_of(timer, struct registry_request, timer);

	list_add_tail(&req->host->waiting, &req->link);
	host_pump(req->host);
}

/* The next pause, twice as long each time and not the same for all. */
static int64_t next_pause(struct registry_request *req)
{
	int64_t pause = req->pause_ms + (int64_t)rand_below((uint64_t)req->pause_ms / 2 + 1);

	req->pause_ms = req->pause_ms * 2 < PAUSE_MAX_MS ? req->pause_ms * 2 : PAUSE_MAX_MS;
	return pause;
}

static bool worth_a_try(const struct http_request *http)
{
	if (http->err.class != ERR_NONE)
		return http->err.class == ERR_TRANSIENT &&
		       !str_eq(http->err.reason, "ResponseTooLarge");
	return http->status >= 500 && http->status != 501 && http->status != 505;
}

/* Not before that does anybody ask this host again. */
static void host_block(struct registry_host *host, int64_t wait_ms)
{
	int64_t until = loop_now_ms(host->client->loop) + wait_ms;

	if (until > host->blocked_until) {
		host->blocked_until = until;
		loop_timer_del(&host->unblock);
	}
}

static void request_rate_limited(struct registry_request *req)
{
	struct registry_host *host = req->host;
	int64_t asked = req->http.retry_after_ms;
	int64_t now = loop_now_ms(req->client->loop);

	host_block(host, asked >= 0 ? asked : next_pause(req));
	req->retry_after_ms = host->blocked_until > now ? host->blocked_until - now : 0;
	if (req->tries > 0) {
		req->status = 0;
		list_add_head(&host->waiting, &req->link);
		host_pump(host);
	} else {
		host_pump(host);
		request_finish(req);
	}
}

static void request_done(struct http_request *http)
{
	struct registry_request *req = container_of(http, struct registry_request, http);
	struct registry_host *host = req->host;
	int64_t pause;

	host->active--;
	req->status = http->err.class == ERR_NONE ? http->status : 0;
	if (req->status == 429) {
		request_rate_limited(req);
		return;
	}
	host_pump(host);
	if (worth_a_try(http) && req->tries > 0) {
		pause = next_pause(req);
		if (loop_now_ms(req->client->loop) + pause < req->deadline_ms) {
			loop_timer_set(req->client->loop, &req->timer, pause, request_again);
			return;
		}
	}
	err_move(&req->err, &http->err);
	request_finish(req);
}

void registry_request_init(struct registry_request *req)
{
	*req = (struct registry_request){0};
	list_init(&req->link);
}

void registry_send(struct registry_client *client, struct registry_request *req, const char *url)
{
	req->client = client;
	req->status = 0;
	req->retry_after_ms = 0;
	req->pause_ms = client->options.retry_ms;
	err_clear(&req->err);
	if (host_get(client, url, &req->host, &req->err) < 0) {
		request_refuse(req);
		return;
	}
	req->host->users++;
	free(req->url);
	req->url = xstrdup(url);
	req->http.url = req->url;
	req->http.timeout_ms = client->options.request_ms;
	req->http.keep_headers = true;
	req->http.done = request_done;
	list_add_tail(&req->host->waiting, &req->link);
	host_pump(req->host);
}

void registry_request_cancel(struct registry_request *req)
{
	struct registry_host *host = req->host;

	loop_timer_del(&req->timer);
	list_del(&req->link);
	if (!host)
		return;
	req->host = NULL;
	host->users--;
	if (http_active(&req->http)) {
		http_cancel(&req->http);
		host->active--;
		host_pump(host);
	}
}

void registry_request_free(struct registry_request *req)
{
	registry_request_cancel(req);
	http_request_free(&req->http);
	err_clear(&req->err);
	free(req->url);
	req->url = NULL;
}

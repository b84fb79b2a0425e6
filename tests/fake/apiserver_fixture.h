/* A loop, a fake API server and a client, for the tests of kube/. */
#ifndef TESTS_FAKE_APISERVER_FIXTURE_H
#define TESTS_FAKE_APISERVER_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "doc/json.h"
#include "doc/path.h"
#include "kube/client.h"
#include "tests/fake/apiserver.h"

struct kube_fixture {
	struct loop *loop;
	struct fake_api *api;
	struct kube_client *client;
};

static inline void kube_fixture_start(struct kube_fixture *f)
{
	struct kube_config config = {0};
	auto_err err = ERR_INIT;

	log_setup(LOG_ERROR, LOG_LOGFMT, 2);
	assert_int_equal(loop_new(&f->loop, &err), 0);
	f->api = fake_api_new(f->loop);
	config.server = (char *)fake_api_url(f->api);
	assert_int_equal(kube_client_new(f->loop, &config, "fondant-test/1", &f->client, &err), 0);
	kube_client_set_backoff(f->client, 1, 4);
}

static inline void kube_fixture_stop(struct kube_fixture *f)
{
	kube_client_free(f->client);
	fake_api_free(f->api);
	loop_free(f->loop);
}

/* Turns the loop until the condition holds; fails after 10 s. */
#define TURN_UNTIL(f, condition)                                               \
	do {                                                                   \
		int64_t turn_end = time_mono_ms() + 10000;                     \
		while (!(condition)) {                                         \
			if (time_mono_ms() > turn_end)                         \
				fail_msg("waited in vain for %s", #condition); \
			loop_turn((f)->loop, 20);                              \
		}                                                              \
	} while (0)

/* Lets everything that is under way arrive. */
static inline void settle(struct kube_fixture *f)
{
	for (int i = 0; i < 30; i++)
		loop_turn(f->loop, 1);
}

/* A Pod in `ns`; label app=<app>. Returns its version. */
static inline uint64_t put_pod(struct kube_fixture *f, const char *name, const char *app, int n)
{
	return fake_api_put(
		f->api, json_pack("{s:s, s:s, s:{s:s, s:s, s:{s:s}}, s:{s:i}}", "apiVersion", "v1",
				"kind", "Pod", "metadata", "namespace", "ns", "name", name,
				"labels", "app", app, "spec", "n", n));
}

#endif

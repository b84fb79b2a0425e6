/* Addresses of this machine and its link, in every form that a resolver reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/mem.h"
#include "base/vec.h"
#include "doc/json.h"
#include "runners/endpoint.h"
#include "runners/kubeflow_server.h"

static void local(void **state)
{
	static const char *const hosts[] = {"localhost", "LOCALHOST:80", "localhost.",
		"a.localhost", "127.0.0.1:2375", "127.1", "0x7f.1", "2130706433", "0", "0.0.0.0:80",
		"169.254.169.254/latest", "[::1]:80", "[::]", "[fe80::1%eth0]:80",
		"[::ffff:127.0.0.1]", "[::ffff:169.254.169.254]:80", "[::127.0.0.1]"};

	(void)state;
	for (size_t i = 0; i < array_size(hosts); i++) {
		if (!endpoint_is_local(hosts[i]))
			fail_msg("%s is local", hosts[i]);
	}
}

static void elsewhere(void **state)
{
	static const char *const hosts[] = {"", "kfp.example", "kfp.example:443/pipeline",
		"10.0.0.1", "192.168.1.1:80", "localhost.example", "notlocalhost", "[2001:db8::1]",
		"[::ffff:10.0.0.1]:80", "1270.0.0.1", "127.example"};

	(void)state;
	for (size_t i = 0; i < array_size(hosts); i++) {
		if (endpoint_is_local(hosts[i]))
			fail_msg("%s is not local", hosts[i]);
	}
}

struct place {
	const char *endpoint;
	bool local, taken;
};

static void kubeflow_endpoints(void **state)
{
	static const struct place all[] = {{"https://kfp.example", false, true},
		{"https://kfp.example/pipeline/", false, true},
		{"http://kfp.example", false, false}, {"http://127.0.0.1:8888", true, true},
		{"https://127.0.0.1", false, false}, {"https://[::1]:443", false, false},
		{"kfp.example", true, false}, {"https://", true, false},
		{"https:///x", true, false}, {"https://a/?b=c", true, false},
		{"file:///etc/passwd", true, false}, {"", true, false}};
	struct loop *loop;

	(void)state;
	assert_int_equal(loop_new(&loop, NULL), 0);
	for (size_t i = 0; i < array_size(all); i++) {
		auto_json *spec = json_pack("{s:s}", "endpoint", all[i].endpoint);
		struct runner_settings given = {.spec = spec, .local_endpoints = all[i].local};
		struct kubeflow_server server = {0};
		auto_err err = ERR_INIT;
		int result = kubeflow_server_init(&server, loop, &given, &err);

		if ((result == 0) != all[i].taken)
			fail_msg("%s: %s", all[i].endpoint,
				result == 0 ? "taken" : err_message(&err));
		if (result < 0)
			assert_string_equal(err.reason, "InvalidEndpoint");
		else
			kubeflow_server_clear(&server);
	}
	loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(local),
		cmocka_unit_test(elsewhere),
		cmocka_unit_test(kubeflow_endpoints),
	};

	return cmocka_run_group_tests_name("runners/endpoint", tests, NULL, NULL);
}

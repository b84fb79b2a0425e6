/* The intent: what makes a change a change. */
#include "test_compiler_fixture.h"

static void intent(const char *text, char out[DIGEST_HEX_SIZE])
{
	auto_json *spec = yaml(text);

	compile_intent_hash(spec, out);
}

#define BASE                                                                                     \
	"workingDirectory: s3://b/x\nsteps: [{name: a, component: {ref: {name: c}}, arguments: " \
	"{x: 1}}]\n"

static void test_same(void **state)
{
	static const char *const same[] = {
		BASE "description: words\n",
		BASE "suspend: true\n",
		BASE "deletionPolicy: Orphan\n",
		BASE "successfulRunsHistoryLimit: 1\nfailedRunsHistoryLimit: 9\n",
		BASE "triggers: {rerunToken: again, onChange: Never}\n",
		BASE "timeout: null\npodTemplate: null\n",
		"steps: [{arguments: {x: 1, gone: null}, component: {ref: {name: c}}, retry: null, "
		"name: "
		"a}]\nworkingDirectory: s3://b/x\n",
	};
	char a[DIGEST_HEX_SIZE], b[DIGEST_HEX_SIZE];

	(void)state;
	intent(BASE, a);
	for (size_t i = 0; i < array_size(same); i++) {
		intent(same[i], b);
		if (strcmp(a, b) != 0)
			fail_msg("changes the intent: %s", same[i]);
	}
}

static void test_different(void **state)
{
	static const char *const different[] = {"workingDirectory: s3://b/z\nsteps: [{name: a, "
						"component: {ref: {name: c}}, arguments: "
						"{x: 1}}]\n",
		"workingDirectory: s3://b/x\nsteps: [{name: a, component: {ref: {name: c}}, "
		"arguments: "
		"{x: 2}}]\n",
		"workingDirectory: s3://b/x\nsteps: [{name: a, component: {ref: {name: c}}, "
		"arguments: "
		"{x: {q: null}}}]\n",
		BASE "timeout: 1h\n", BASE "parameters: [{name: a, type: int, default: 1}]\n",
		"workingDirectory: s3://b/x\nsteps: [{name: a, component: {ref: {name: c}}, "
		"arguments: {x: 1}, secretArguments: {t: {secretKeyRef: {name: s, key: k}}}}]\n",
		"workingDirectory: s3://b/x\nsteps: [{name: a, component: {ref: {name: c}}, "
		"arguments: {x: 1}, fromManifest: s3://b/m.json}]\n",
		"workingDirectory: s3://b/x\nsteps: [{name: a, component: {ref: {name: c}}, "
		"arguments: {x: 1}, accelerator: {type: GPU}}]\n",
		"workingDirectory: s3://b/x\nsteps: [{name: a, component: {catalog: {name: c, "
		"version: '1'}}, arguments: {x: 1}}]\n",
		BASE "parameters: [{name: a, type: int, default: [null]}]\n",
		BASE "imageDigestPolicy: Required\n", "[]\n", "{}\n"};
	char a[DIGEST_HEX_SIZE], b[DIGEST_HEX_SIZE];

	(void)state;
	intent(BASE, a);
	for (size_t i = 0; i < array_size(different); i++) {
		intent(different[i], b);
		if (strcmp(a, b) == 0)
			fail_msg("does not change the intent: %s", different[i]);
	}
	intent(BASE "parameters: [{name: a, type: int, description: x}]\n", a);
	intent(BASE "parameters: [{name: a, type: int}]\n", b);
	assert_string_equal(a, b);
	compile_intent_hash(NULL, a);
}

/* The spec that was given is not touched. */
static void test_borrowed(void **state)
{
	auto_json *spec = yaml(BASE "description: x\nparameters: [{name: a, description: q}]\n");
	auto_json *copy = json_deep_copy(spec);
	char hash[DIGEST_HEX_SIZE];

	(void)state;
	compile_intent_hash(spec, hash);
	assert_true(json_equal(spec, copy));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same),
		cmocka_unit_test(test_different),
		cmocka_unit_test(test_borrowed),
	};

	return cmocka_run_group_tests_name("compiler/intent", tests, NULL, NULL);
}

/* Python steps on Kubernetes: the pod, and the bootstrap program run by a real python3 with a
 * `fondant` that only looks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "compiler/compile.h"
#include "compiler/spec.h"
#include "doc/json.h"
#include "doc/path.h"
#include "runners/kubernetes_job.h"
#include "runners/kubernetes_python.h"

/* --- the pod --- */

static struct frozen_spec *frozen(const char *pod_template)
{
	auto_free char *text = xasprintf(
		"{\"workingDirectory\": \"s3://b/w\", \"podTemplate\": %s, \"steps\": ["
		"{\"name\": \"title\", \"component\": {\"python\": {\"image\": \"r/py:1\","
		" \"source\": \"import $HOME\\n\"}}, \"arguments\": {\"word\": \"$x\"}},"
		"{\"name\": \"plain\", \"component\": {\"spec\": {\"name\": \"P\","
		" \"description\": \"d\", \"image\": \"r/p:1\","
		" \"consumes\": {\"additionalProperties\": true}}}}]}",
		pod_template);
	auto_json *tree = json_loads(text, 0, NULL);
	struct compile_input in = {.namespace_ = "data",
		.pipeline = "p",
		.spec = tree,
		.backend = "kubernetes",
		.features = runner_kubernetes.features};
	struct frozen_spec *spec = NULL;
	struct compile_output out;

	assert_int_equal(compile_pipeline(&in, &out), 0);
	assert_int_equal(frozen_spec_parse(out.text, out.text_len, &spec, NULL), 0);
	frozen_spec_bind(spec, "p-1", 0);
	compile_output_clear(&out);
	return spec;
}

static json_t *build(const struct frozen_spec *spec, int step)
{
	struct runner_run run = {.spec = spec,
		.namespace_ = "data",
		.pipeline = "p",
		.name = "p-1",
		.uid = "u",
		.run_id = "p-1-aa",
		.spec_name = "p-0123456789ab"};
	struct kubernetes_job what = {.run = &run, .step = step, .attempt = 1};

	return kubernetes_job_build(&what);
}

static void pod_of_a_python_step(void **state)
{
	struct frozen_spec *spec = frozen(
		"{\"spec\": {\"volumes\": [{\"name\": \"v\", \"emptyDir\": {}}], \"containers\": "
		"[{\"name\": \"main\", \"volumeMounts\": [{\"name\": \"v\", \"mountPath\": "
		"\"/v\"}]}]}}");
	auto_json *job = build(spec, 0);
	const json_t *pod = doc_get(job, "spec.template.spec"), *main_ = NULL;
	auto_free char *text = json_dumps(job, 0);

	(void)state;
	main_ = doc_get(pod, "containers.0");
	assert_string_equal(doc_str(pod, "volumes.0.name"), "v");
	assert_string_equal(doc_str(pod, "volumes.1.name"), "fondant-spec");
	assert_string_equal(doc_str(pod, "volumes.1.configMap.name"), "p-0123456789ab");
	assert_string_equal(doc_str(main_, "volumeMounts.1.mountPath"), "/fondant/spec");
	assert_true(doc_bool_or(main_, "volumeMounts.1.readOnly", false));
	assert_string_equal(doc_str(main_, "command.0"), "python3");
	assert_string_equal(doc_str(main_, "command.1"), "-c");
	assert_string_equal(doc_str(main_, "command.2"), kubernetes_python_bootstrap);
	assert_string_equal(doc_str(main_, "command.3"), "title");
	assert_int_equal(json_array_size(json_object_get(main_, "command")), 4);
	assert_non_null(strstr(text, "\"--word\", \"$$x\""));
	assert_null(strstr(text, "HOME"));
	/* The kubelet expands nothing in it. */
	assert_null(strchr(kubernetes_python_bootstrap, '$'));
	frozen_spec_free(spec);
}

static void pod_of_another_step(void **state)
{
	struct frozen_spec *spec = frozen("null");
	auto_json *job = build(spec, 1);
	auto_free char *text = json_dumps(job, 0);

	(void)state;
	assert_null(strstr(text, "fondant-spec"));
	assert_string_equal(doc_str(job, "spec.template.spec.containers.0.command.0"), "fondant");
	frozen_spec_free(spec);
}

/* --- the bootstrap --- */

struct place {
	char root[64];
	char *spec, *work, *bin, *out;
};

static void write_file(const char *folder, const char *name, mode_t mode, const char *text)
{
	auto_free char *path = xasprintf("%s/%s", folder, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static char *read_file(const char *folder, const char *name)
{
	auto_free char *path = xasprintf("%s/%s", folder, name);
	FILE *file = fopen(path, "rb");
	struct buf text = BUF_INIT;
	char chunk[8192];
	size_t n;

	if (!file)
		return NULL;
	while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0)
		buf_add(&text, chunk, n);
	fclose(file);
	return buf_take(&text);
}

static char *make_folder(const struct place *p, const char *name)
{
	char *path = xasprintf("%s/%s", p->root, name);

	assert_int_equal(mkdir(path, 0755), 0);
	return path;
}

static int make_place(void **state)
{
	struct place *p = xnew(struct place);

	snprintf(p->root, sizeof(p->root), "/tmp/fondant-python-XXXXXX");
	assert_non_null(mkdtemp(p->root));
	p->spec = make_folder(p, "spec");
	p->work = make_folder(p, "work");
	p->bin = make_folder(p, "bin");
	p->out = make_folder(p, "out");
	write_file(p->bin, "fondant", 0755,
		"#!/bin/sh\ncp main.py \"$OUT/main.py\"\npwd > \"$OUT/cwd\"\n"
		"for a; do printf '%s\\n' \"$a\"; done > \"$OUT/args\"\n");
	*state = p;
	return 0;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *at)
{
	(void)info;
	(void)kind;
	(void)at;
	return remove(path);
}

static int remove_place(void **state)
{
	struct place *p = *state;

	nftw(p->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(p->spec);
	free(p->work);
	free(p->bin);
	free(p->out);
	free(p);
	return 0;
}

/* The constant with the mount's path replaced. */
static char *bootstrap_at(const char *folder)
{
	const char *at = strstr(kubernetes_python_bootstrap, KUBERNETES_PYTHON_MOUNT);
	struct buf text = BUF_INIT;

	assert_non_null(at);
	buf_add(&text, kubernetes_python_bootstrap, (size_t)(at - kubernetes_python_bootstrap));
	buf_adds(&text, folder);
	buf_adds(&text, at + strlen(KUBERNETES_PYTHON_MOUNT));
	return buf_take(&text);
}

static void become_bootstrap(const struct place *p, const char *const *flags)
{
	auto_free char *program = bootstrap_at(p->spec);
	auto_free char *path = xasprintf("%s:%s", p->bin, getenv("PATH"));
	auto_free char *log = xasprintf("%s/log", p->out);
	const char *argv[16] = {"python3", "-c", program, "title"};
	int fd = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	for (size_t i = 0; flags[i]; i++)
		argv[4 + i] = flags[i];
	if (fd < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0 || chdir(p->work) < 0)
		_exit(99);
	setenv("PATH", path, 1);
	setenv("OUT", p->out, 1);
	setenv("TMPDIR", p->out, 1);
	execvp("python3", (char *const *)argv);
	_exit(98);
}

/* Exit code of the bootstrap for step `title` of a frozen spec with this source. */
static int run_bootstrap(const struct place *p, const char *source, const json_t *requirements,
	const char *const *flags)
{
	auto_json *spec = json_pack("{s:[{s:s}, {s:s, s:{s:s, s:o}}]}", "steps", "name", "other",
		"name", "title", "python", "source", source, "requirements",
		requirements ? json_incref((json_t *)requirements) : json_array());
	auto_free char *text = json_dumps(spec, JSON_COMPACT);
	static const char *const none[] = {NULL};
	int status;
	pid_t pid;

	assert_non_null(text);
	write_file(p->spec, "spec.json", 0644, text);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		become_bootstrap(p, flags ? flags : none);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void same_bytes(const struct place *p, const char *source)
{
	auto_free char *got = NULL;

	if (run_bootstrap(p, source, NULL, NULL) != 0) {
		got = read_file(p->out, "log");
		fail_msg("%.100s:\n%s", source, got);
	}
	got = read_file(p->out, "main.py");
	assert_non_null(got);
	assert_int_equal(strlen(got), strlen(source));
	assert_true(strcmp(got, source) == 0);
}

static void source_arrives_byte_for_byte(void **state)
{
	static const char *const sources[] = {
		"import x",
		"import x\n",
		"a = 'it''s' + \"\\\"quoted\\\"\" + '''three'''\n",
		"print('%d %% %s' % (1, 'a'))  # 100% \\n \\t \\\\ \\x41 \\\n",
		"one\r\ntwo\r\n\r\nthree\rfour",
		"\xef\xbb\xbfimport bom\n",
		"gr\xc3\xb6\xc3\x9f"
		"e = '\xf0\x9f\x90\x8d \xe2\x80\xa8 \xe4\xb8\xad'\n",
		"$HOME ${HOME} $(HOME) $$( `id` ! \t \x01 \x7f\n\n\n",
		" ",
	};

	for (size_t i = 0; i < array_size(sources); i++)
		same_bytes(*state, sources[i]);
}

static void large_source_arrives(void **state)
{
	struct buf text = BUF_INIT;
	auto_free char *source = NULL;

	for (int i = 0; text.len < (size_t)200 << 10; i++)
		buf_addf(&text, "value_%d = 'it''s %% \\n \xc3\xa9' # \"%d\"\r\n", i, i);
	source = buf_take(&text);
	same_bytes(*state, source);
}

static void flags_arrive(void **state)
{
	static const char *const flags[] = {"--metadata", "{\"a\": \"b c\"}", "--empty", "",
		"--key=-x", "it's \"$HOME\"", NULL};
	const struct place *p = *state;
	auto_free char *args = NULL, *cwd = NULL, *want = NULL;

	assert_int_equal(run_bootstrap(p, "import x", NULL, flags), 0);
	args = read_file(p->out, "args");
	assert_string_equal(args,
		"execute\nmain\n--metadata\n{\"a\": \"b c\"}\n--empty\n\n--key=-x\n"
		"it's \"$HOME\"\n");
	cwd = read_file(p->out, "cwd");
	want = xasprintf("%s\n", p->work);
	assert_string_equal(cwd, want);
}

/* A main.py that cannot be written, here because it is a folder: as on a read-only file system. */
static void goes_elsewhere_when_it_must(void **state)
{
	const struct place *p = *state;
	auto_free char *taken = xasprintf("%s/main.py", p->work);
	auto_free char *cwd = NULL;

	assert_int_equal(mkdir(taken, 0755), 0);
	same_bytes(p, "import elsewhere\n");
	cwd = read_file(p->out, "cwd");
	assert_true(str_starts_with(cwd, p->out));
}

/* `python3 -m pip` takes the pip.py of the folder it is started in. */
static void requirements_are_installed(void **state)
{
	const struct place *p = *state;
	auto_json *requirements = json_pack("[s, s]", "a[b]>=1, <2; x < '3'", "$c %d");
	auto_free char *said = NULL;

	write_file(p->work, "pip.py", 0644,
		"import json, os, sys\n"
		"with open(os.environ['OUT'] + '/pip', 'w') as f:\n"
		"    json.dump([sys.argv[1], *sys.argv[-2:]], f)\n");
	assert_int_equal(run_bootstrap(p, "import x", requirements, NULL), 0);
	said = read_file(p->out, "pip");
	assert_non_null(said);
	assert_string_equal(said, "[\"install\", \"a[b]>=1, <2; x < '3'\", \"$c %d\"]");
}

static void failures_say_why(void **state)
{
	const struct place *p = *state;
	auto_json *requirements = json_pack("[s]", "nothing");
	auto_free char *log = NULL, *again = NULL, *main_py = NULL;
	auto_free char *fondant = xasprintf("%s/fondant", p->bin);

	write_file(p->work, "pip.py", 0644, "import sys\nsys.exit(7)\n");
	assert_int_equal(run_bootstrap(p, "import x", requirements, NULL), 1);
	log = read_file(p->out, "log");
	assert_string_equal(
		log, "step title: pip could not install its requirements (exit code 7)\n");
	main_py = read_file(p->out, "main.py");
	assert_null(main_py);
	assert_int_equal(unlink(fondant), 0);
	if (access("/usr/bin/fondant", X_OK) == 0 || access("/usr/local/bin/fondant", X_OK) == 0)
		skip();
	assert_int_equal(run_bootstrap(p, "import x", NULL, NULL), 1);
	again = read_file(p->out, "log");
	assert_non_null(strstr(again, "there is no program fondant in the image"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pod_of_a_python_step),
		cmocka_unit_test(pod_of_another_step),
		cmocka_unit_test_setup_teardown(
			source_arrives_byte_for_byte, make_place, remove_place),
		cmocka_unit_test_setup_teardown(large_source_arrives, make_place, remove_place),
		cmocka_unit_test_setup_teardown(flags_arrive, make_place, remove_place),
		cmocka_unit_test_setup_teardown(
			goes_elsewhere_when_it_must, make_place, remove_place),
		cmocka_unit_test_setup_teardown(
			requirements_are_installed, make_place, remove_place),
		cmocka_unit_test_setup_teardown(failures_say_why, make_place, remove_place),
	};

	return cmocka_run_group_tests_name("runners/kubernetes_python", tests, NULL, NULL);
}

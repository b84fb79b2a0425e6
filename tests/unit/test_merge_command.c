/* The command on local files: what it writes, where, and what it says when it cannot. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "doc/json.h"
#include "doc/path.h"
#include "merge/local.h"
#include "merge/merge.h"

#define MANIFEST(field)                                                                           \
	"{\"metadata\": {\"dataset_name\": \"d\", \"run_id\": \"r\"}, \"index\": {\"location\": " \
	"\"/w/" field "\"}, \"fields\": {\"" field "\": {\"location\": \"/w/" field               \
	"\", \"type\": \"string\"}}}"

static char folder[] = "/tmp/test-merge-XXXXXX";

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

/* The files that the tests make, however deep. */
static void remove_tree(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		auto_free char *inner = xasprintf("%s/%s", path, entry->d_name);

		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
			unlink(inner) < 0)
			remove_tree(inner);
	}
	if (dir)
		closedir(dir);
	rmdir(path);
}

static int remove_folder(void **state)
{
	(void)state;
	remove_tree(folder);
	return access(folder, F_OK) == 0 ? -1 : 0;
}

static char *place(const char *name)
{
	return xasprintf("%s/%s", folder, name);
}

static void put(const char *path, const char *text)
{
	auto_err err = ERR_INIT;

	if (local_write(path, text, strlen(text), &err) < 0)
		fail_msg("%s", err_message(&err));
}

static const char *no_environment(void *user, const char *name)
{
	(void)user;
	(void)name;
	return NULL;
}

/* Exit code; what it said on stderr goes to said. */
static int command(char *const *argv, struct buf *said)
{
	auto_free char *path = place("stderr");
	auto_err err = ERR_INIT;
	int argc = 0, code, kept = dup(2), fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

	while (argv[argc])
		argc++;
	fflush(stderr);
	dup2(fd, 2);
	code = merge_command(argc, argv, no_environment, NULL);
	fflush(stderr);
	dup2(kept, 2);
	close(kept);
	close(fd);
	buf_reset(said);
	assert_int_equal(local_read(path, 65536, said, &err), 0);
	assert_int_equal(unlink(path), 0);
	return code;
}

static void test_merges(void **state)
{
	auto_free char *a = place("a.json"), *b = place("b.json"), *out = place("x/y/z.json");
	char *const argv[] = {"fondant-merge", "--output", out, a, b, NULL};
	auto_buf said = BUF_INIT, text = BUF_INIT;
	auto_json *merged = NULL;
	auto_err err = ERR_INIT;
	struct stat st;

	(void)state;
	put(a, MANIFEST("one"));
	put(b, MANIFEST("two"));
	for (int i = 0; i < 2; i++) { /* again is fine */
		assert_int_equal(command(argv, &said), 0);
		assert_string_equal(buf_str(&said), "");
	}
	assert_int_equal(local_read(out, 65536, &text, &err), 0);
	assert_int_equal(doc_json_parse(buf_str(&text), text.len, &merged, &err), 0);
	assert_string_equal(doc_str(merged, "metadata.manifest_location"), out);
	assert_string_equal(doc_str(merged, "index.location"), "/w/one");
	assert_string_equal(doc_str(merged, "fields.one.location"), "/w/one");
	assert_string_equal(doc_str(merged, "fields.two.location"), "/w/two");
	assert_int_equal(stat(out, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0644);
	assert_int_equal(unlink(out), 0);
	{
		auto_free char *dir = place("x/y"); /* no temporary file is left in it */

		assert_int_equal(rmdir(dir), 0);
	}
}

static void test_cannot(void **state)
{
	auto_free char *a = place("c.json"), *bad = place("bad.json"), *none = place("none.json");
	auto_free char *pipe = place("pipe"), *out = place("out.json"), *below = place("c.json/x");
	const struct {
		const char *output, *input, *said;
	} rows[] = {
		{out, none, "No such file or directory"},
		{out, bad, "bad.json: not a manifest: it is not a map"},
		{out, folder, "not a file"},
		{out, pipe, "not a file"},
		{out, "gs://b/x.json", "only local paths and s3:// can be merged"},
		{"hdfs://b/x.json", a, "only local paths and s3:// can be merged"},
		{"s3://bucket", a, "names no object"},
		{below, a, "Not a directory"},
		{folder, a, "cannot write"},
	};
	auto_buf said = BUF_INIT;

	(void)state;
	put(a, MANIFEST("one"));
	put(bad, "[]");
	assert_int_equal(mkfifo(pipe, 0600), 0);
	for (size_t i = 0; i < array_size(rows); i++) {
		char *const argv[] = {"fondant-merge", "-o", (char *)rows[i].output, a,
			(char *)rows[i].input, NULL};

		assert_int_equal(command(argv, &said), 1);
		if (!strstr(buf_str(&said), rows[i].said))
			fail_msg("%s: %s", rows[i].said, buf_str(&said));
		assert_true(str_starts_with(buf_str(&said), "fondant-merge: "));
		assert_ptr_equal(strchr(buf_str(&said), '\n'), buf_str(&said) + said.len - 1);
	}
	assert_int_equal(access(out, F_OK), -1);
}

static void test_usage(void **state)
{
	char *const bad[][4] = {
		{"fondant-merge", NULL},
		{"fondant-merge", "a", NULL},
		{"fondant-merge", "--output", "x", NULL},
		{"fondant-merge", "--what", "x", NULL},
		{"fondant-merge", "--output", NULL},
	};
	char *const help[] = {"fondant-merge", "--help", NULL};
	char *const version[] = {"fondant-merge", "--version", NULL};
	auto_buf said = BUF_INIT;
	char *many[MERGE_MAX_INPUTS + 5] = {"fondant-merge", "-o", "x"};

	(void)state;
	for (size_t i = 0; i < array_size(bad); i++) {
		assert_int_equal(command(bad[i], &said), 2);
		assert_true(said.len > 0);
	}
	for (size_t i = 3; i < MERGE_MAX_INPUTS + 4; i++)
		many[i] = "in.json";
	assert_int_equal(command(many, &said), 2);
	assert_int_equal(command(help, &said), 0);
	assert_int_equal(command(version, &said), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_merges),
		cmocka_unit_test(test_cannot),
		cmocka_unit_test(test_usage),
	};

	return cmocka_run_group_tests_name("merge/command", tests, make_folder, remove_folder);
}

/*
 * probe: a component image's `fondant`, without Python, for the many runs of the tests. It takes
 * the container contract of the framework's executor (0.12.1) and holds its caller strictly to it,
 * checks the input manifest, writes one part and the manifest the executor would write. The part is
 * no parquet.
 *
 *     fondant execute main --metadata … --output_manifest_path … --working_directory … …
 *
 * Its own arguments, all optional, are user arguments like any other:
 *     sleep SECONDS       when nothing is written yet but the step's empty folder
 *     eat_mb N            takes that much memory, and keeps it to the end
 *     fail CODE           ends with CODE, half-way through writing
 *     fail_attempts N     fails (CODE, or 1) in the first N attempts only; the attempt is what
 *                         `-aN` at the end of the run id says, 1 without it
 *     print TEXT          on standard output
 *     stderr TEXT         on standard error
 *     print_args yes      every word of the command line, a line of JSON each, on standard output
 *     rows N              what the part says
 *     write yes           a sink: no part, no manifest (so is what has the tag `Data writing`)
 */
#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "die.h"
#include "flags.h"
#include "manifest.h"
#include "operation.h"
#include "pyjson.h"

static const char *const REQUIRED[] = {
	"metadata", "output_manifest_path", "working_directory", "operation_spec", "cache"};
static const char *const OPTIONAL[] = {"input_manifest_path", "input_partition_rows"};
static const char *const OWN[] = {"sleep", "eat_mb", "fail", "fail_attempts", "print", "stderr",
	"print_args", "rows", "write"};
static const char *const METADATA[] = {
	"dataset_name", "run_id", "component_id", "cache_key", "manifest_location"};

#define IS_IN(name, names) is_in(name, names, sizeof(names) / sizeof(*(names)))

void die(enum exit_code code, const char *format, ...)
{
	va_list arguments;

	fflush(stdout);
	if (code == EXIT_USAGE)
		fputs("usage: fondant execute main [--key value]...\nfondant: error: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	exit(code);
}

static void on_terminate(int number)
{
	_exit(128 + number);
}

static bool is_in(const char *name, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(name, names[i]) == 0)
			return true;
	}
	return false;
}

static void check_required(const json_t *flags)
{
	bool missing = false;

	for (size_t i = 0; i < sizeof(REQUIRED) / sizeof(*REQUIRED); i++)
		missing = missing || !flags_get_or_none(flags, REQUIRED[i]);
	if (!missing)
		return;
	fprintf(stderr, "fondant: missing:");
	for (size_t i = 0; i < sizeof(REQUIRED) / sizeof(*REQUIRED); i++) {
		if (!flags_get_or_none(flags, REQUIRED[i]))
			fprintf(stderr, " --%s", REQUIRED[i]);
	}
	fputc('\n', stderr);
	die(EXIT_USAGE, "the following arguments are required");
}

/* What the component file declares must be given, or have a default, and nothing else may be. */
static void check_user_arguments(const json_t *flags, const json_t *specification)
{
	const json_t *declared = json_object_get(specification, "args");
	const char *name;
	json_t *value;

	json_object_foreach ((json_t *)flags, name, value) {
		const json_t *argument = json_object_get(declared, name);
		const char *type = json_string_value(json_object_get(argument, "type"));

		if (type)
			flags_check_type(flags, name, type);
		else if (!IS_IN(name, REQUIRED) && !IS_IN(name, OPTIONAL) && !IS_IN(name, OWN))
			die(EXIT_USAGE, "unrecognized arguments: --%s", name);
	}
	json_object_foreach ((json_t *)declared, name, value) {
		const json_t *fallback = json_object_get(value, "default");

		if ((!fallback || json_is_null(fallback)) && !json_object_get(flags, name))
			die(EXIT_USAGE, "the following arguments are required: --%s", name);
	}
}

static void check_metadata(const json_t *metadata, const struct operation *operation)
{
	const char *component;

	for (size_t i = 0; i < sizeof(METADATA) / sizeof(*METADATA); i++) {
		if (!json_is_string(json_object_get(metadata, METADATA[i])))
			die(EXIT_USAGE, "argument --metadata: no %s", METADATA[i]);
	}
	if (json_object_size(metadata) != sizeof(METADATA) / sizeof(*METADATA))
		die(EXIT_USAGE, "argument --metadata: more than its five keys");
	component = json_string_value(json_object_get(metadata, "component_id"));
	if (strcmp(component, operation->component) != 0)
		die(EXIT_USAGE, "argument --metadata: component_id is %s, but the data goes to %s",
			component, operation->component);
}

static void check_cache(const json_t *flags)
{
	static const char *const known[] = {"True", "False"};

	if (!IS_IN(flags_get(flags, "cache"), known))
		die(EXIT_USAGE, "argument --cache: invalid bool value: '%s'",
			flags_get(flags, "cache"));
	if (flags_get(flags, "input_partition_rows") &&
		flags_integer(flags, "input_partition_rows", 1) < 1)
		die(EXIT_USAGE, "argument --input_partition_rows: it must be 1 or more");
	if (strstr(flags_get(flags, "working_directory"), "://"))
		die(EXIT_USAGE, "argument --working_directory: the probe writes to folders only");
}

static void print_arguments(int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		pyjson_write_string(stdout, argv[i]);
		putchar('\n');
	}
}

/* A run id ends with 8 digits of hexadecimal, which may begin like an attempt; attempts have 4 at
 * most. */
static long attempt_of(const char *run_id)
{
	const char *dash = strrchr(run_id, '-');
	size_t len = dash && dash[1] == 'a' ? strspn(dash + 2, "0123456789") : 0;

	if (!len || len > 4 || dash[2 + len])
		return 1;
	return strtol(dash + 2, NULL, 10);
}

/* What the probe's own arguments ask for. */
struct behaviour {
	double sleep;
	long eat_mb, fail, fail_attempts, rows;
};

static struct behaviour behaviour_of(const json_t *flags)
{
	struct behaviour asked = {
		.sleep = flags_number(flags, "sleep", 0),
		.eat_mb = flags_integer(flags, "eat_mb", 0),
		.fail_attempts = flags_integer(flags, "fail_attempts", -1),
		.rows = flags_integer(flags, "rows", 1),
	};

	asked.fail = flags_integer(flags, "fail", asked.fail_attempts > 0 ? 1 : 0);
	if (!(asked.sleep >= 0 && asked.sleep <= 1e6))
		die(EXIT_USAGE, "argument --sleep: it must be from 0 to 1000000");
	if (asked.eat_mb < 0 || asked.eat_mb > 1L << 20)
		die(EXIT_USAGE, "argument --eat_mb: it must be from 0 to 1048576");
	if (asked.fail < 0 || asked.fail > 255)
		die(EXIT_USAGE, "argument --fail: it must be from 0 to 255");
	return asked;
}

static void eat(long megabytes)
{
	static volatile char *volatile eaten; /* to the end */
	size_t size = (size_t)megabytes << 20;

	if (size == 0)
		return;
	eaten = malloc(size);
	if (!eaten)
		die(EXIT_EXCEPTION, "MemoryError");
	for (size_t at = 0; at < size; at += 4096)
		eaten[at] = 1;
}

static void sleep_for(double seconds)
{
	struct timespec time = {.tv_sec = (time_t)seconds};

	time.tv_nsec = (long)((seconds - (double)time.tv_sec) * 1e9);
	if (seconds > 0)
		nanosleep(&time, NULL);
}

/* Says, takes memory, waits. The exit code that the arguments ask for; 0 is to go on. */
static int behave(const struct behaviour *asked, const json_t *flags, const char *run_id)
{
	if (flags_get(flags, "print"))
		puts(flags_get(flags, "print"));
	if (flags_get(flags, "stderr"))
		fprintf(stderr, "%s\n", flags_get(flags, "stderr"));
	fflush(stdout);
	eat(asked->eat_mb);
	sleep_for(asked->sleep);
	if (asked->fail_attempts >= 0 && attempt_of(run_id) > asked->fail_attempts)
		return 0;
	return (int)asked->fail;
}

/* As the executor does: an existing folder is an error, whatever is in it. */
static void make_step_folder(const char *folder)
{
	make_parents(folder);
	if (mkdir(folder, 0777) != 0)
		die(EXIT_EXCEPTION, "%s: [Errno %d] %s: '%s'",
			errno == EEXIST ? "FileExistsError" : "OSError", errno, strerror(errno),
			folder);
}

static void write_text(const char *folder, const char *name, const char *text)
{
	char *path;
	FILE *out;

	if (asprintf(&path, "%s/%s", folder, name) < 0)
		die(EXIT_EXCEPTION, "MemoryError");
	make_parents(path);
	out = fopen(path, "w");
	if (!out || fputs(text, out) < 0 || fclose(out) != 0)
		die(EXIT_EXCEPTION, "OSError: [Errno %d] %s: '%s'", errno, strerror(errno), path);
	free(path);
}

/* The small file that the executor leaves, whatever --cache says. */
static void write_cache_reference(const json_t *flags, const json_t *metadata, bool is_sink)
{
	char *folder, *name;

	if (asprintf(&folder, "%s/%s/cache", flags_get(flags, "working_directory"),
		    json_string_value(json_object_get(metadata, "dataset_name"))) < 0 ||
		asprintf(&name, "%s.txt",
			json_string_value(json_object_get(metadata, "cache_key"))) < 0)
		die(EXIT_EXCEPTION, "MemoryError");
	write_text(folder, name, is_sink ? "" : flags_get(flags, "output_manifest_path"));
	free(folder);
	free(name);
}

/* One step's work, once its arguments are known to be right. */
static int run_step(const json_t *flags, const json_t *metadata, const struct operation *operation)
{
	const struct behaviour asked = behaviour_of(flags);
	const char *input = flags_get_or_none(flags, "input_manifest_path");
	const char *run_id = json_string_value(json_object_get(metadata, "run_id"));
	bool is_sink = flags_true(flags, "write") || operation_is_writer(operation);
	json_auto_t *manifest = NULL;
	char *folder, text[64];
	int code;

	if (!input && operation_consumes_anything(operation))
		die(EXIT_USAGE, "the following arguments are required: --input_manifest_path");
	manifest = input ? manifest_read_new(input) : manifest_create_new(metadata);
	if (input)
		manifest_check(manifest, operation);
	folder =
		manifest_evolve(manifest, operation, run_id, flags_get(flags, "working_directory"));
	if (!is_sink)
		make_step_folder(folder);
	code = behave(&asked, flags, run_id);
	if (!is_sink) {
		snprintf(text, sizeof(text), "probe rows=%ld\n", asked.rows);
		write_text(folder, "part.0.parquet", text);
	}
	free(folder);
	if (code != 0)
		return code;
	if (!is_sink)
		manifest_write(manifest, flags_get(flags, "output_manifest_path"));
	write_cache_reference(flags, metadata, is_sink);
	return 0;
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = on_terminate};
	json_auto_t *flags = NULL, *metadata = NULL;
	struct operation operation;
	int code;

	sigaction(SIGTERM, &action, NULL); /* process 1 has no default action */
	if (argc < 3 || strcmp(argv[1], "execute") != 0 || strcmp(argv[2], "main") != 0)
		die(EXIT_USAGE, "it takes the words `execute main`");
	flags = flags_parse_new(argc - 3, argv + 3);
	if (flags_true(flags, "print_args"))
		print_arguments(argc - 3, argv + 3);
	check_required(flags);
	check_cache(flags);
	operation_init(&operation, flags_object_new(flags, "operation_spec"));
	check_user_arguments(flags, operation.specification);
	metadata = flags_object_new(flags, "metadata");
	check_metadata(metadata, &operation);
	code = run_step(flags, metadata, &operation);
	operation_clear(&operation);
	return code;
}

#include "cli/build.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include "base/image_ref.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/backend.h"
#include "cli/context.h"
#include "cli/secrets.h"
#include "doc/json.h"
#include "doc/path.h"
#include "runners/docker_build.h"

#define LABEL_COMPONENT "fondant.ai/component"
#define SHORT_ID 19 /* "sha256:" and 12 digits, as docker(1) shows it */

/* One folder at a time, on a loop of its own. */
struct building {
	struct cli *cli;
	const struct object *folder; /* NULL: none is under way */
	struct loop *loop;
	struct docker_engine engine;
	struct docker_build build;
	struct context *context;
	struct registry_auth_list auths;
	struct loop_signal signals;
	json_t *args, *labels;
	bool interrupted;
};

/* --- what is asked for ---------------------------------------------------------------------- */

json_t *build_args(struct cli *cli, const struct cli_args *args)
{
	const struct strvec *given = cli_list(args, "build-arg");
	json_t *all = json_object();

	strvec_for_each (given, i) {
		const char *pair = given->items[i], *equals = strchr(pair, '=');
		auto_free char *name = equals ? xstrndup(pair, (size_t)(equals - pair)) : NULL;

		if (!name || !*name || !str_is_utf8(pair, strlen(pair))) {
			/* a value may be what nobody should see */
			cli_usage(cli, args,
				"--build-arg: \"%.*s\" is not NAME=VALUE; for a value of the "
				"environment write NAME=\"$NAME\"",
				(int)strcspn(pair, "="), pair);
			json_decref(all);
			return NULL;
		}
		json_object_set_new(all, name, json_string(equals + 1));
	}
	return all;
}

/* The folders that the pipeline names, by name: those with a Dockerfile in *ret_build, and those
 * without. */
static void list_folders(const struct workspace *ws, const struct object *pipeline,
	struct strvec *ret_build, struct strvec *ret_without)
{
	auto_strvec names = STRVEC_INIT;

	compile_component_refs(json_object_get(pipeline->json, "spec"), &names);
	strvec_for_each (&names, i) {
		const struct object *folder = workspace_folder(ws, names.items[i]);

		if (folder)
			strvec_add(context_is_there(folder->folder) ? ret_build : ret_without,
				names.items[i]);
	}
}

/* Build arguments that nobody would get. */
static int nothing_to_build(struct cli *cli, const struct cli_args *args,
	const struct workspace *ws, const struct strvec *without)
{
	if (!without->len)
		return cli_usage(cli, args,
			"--build-arg: there is nothing to build: no step names a component folder; "
			"give the folder with -f, and name it by ref in the step's component");
	return cli_usage(cli, args,
		"--build-arg: there is nothing to build: %s has no Dockerfile beside "
		"fondant_component.yaml; write one, or leave out the option",
		workspace_folder(ws, without->items[0])->folder);
}

/* What the image is called; NULL where it cannot be, which is said. Owned. */
static char *tag_of(struct cli *cli, const struct object *folder)
{
	auto_image_ref image = {0};
	auto_err err = ERR_INIT;

	if (image_ref_parse(doc_str_or(folder->json, "image", ""), &image, &err) < 0) {
		cli_fail(cli, CLI_FINDINGS, "%s: %s", folder->source->name, err_message(&err));
		return NULL;
	}
	if (image.digest) {
		cli_fail(cli, CLI_FINDINGS,
			"%s: image: a digest is known when the image is built and pushed, and this "
			"one is to be built; write a tag in its place",
			folder->source->name);
		return NULL;
	}
	return image_ref_familiar(&image);
}

/* --- what is shown -------------------------------------------------------------------------- */

static void show(const struct building *b, const char *color, const char *word, const char *rest)
{
	bool colored = b->cli->color_out;

	fprintf(b->cli->out, "%-24s %s%s%s %s\n", b->folder->ref, colored ? color : "", word,
		colored ? "\033[0m" : "", rest);
	fflush(b->cli->out);
}

/* Of what the builder says: its instructions, what it pulls, and what it warns of. */
static void said(struct docker_build *build, const char *line)
{
	struct building *b = container_of(build, struct building, build);

	if (!str_starts_with(line, "Step ") && !str_starts_with(line, "[Warning]") &&
		!strstr(line, ": Pulling from "))
		return;
	fprintf(b->cli->out, "%-24s %s\n", b->folder->ref, line);
	fflush(b->cli->out);
}

/* The words, and indented what is below them; the code of the command. */
static int say_failure(struct building *b, const struct err *err)
{
	static const char *const findings[] = {
		"BuildFailed", "BuildRefused", "InvalidDockerignore"};
	const char *message = err_message(err), *advice = "";
	size_t first = strcspn(message, "\n");
	int code = CLI_USAGE;

	for (size_t i = 0; i < array_size(findings) && err->class == ERR_USER; i++)
		code = str_eq(err->reason, findings[i]) ? CLI_FINDINGS : code;
	if (str_eq(err->reason, "ConnectFailed"))
		advice = "; is a Docker engine running there? --host and $DOCKER_HOST name another";
	cli_fail(b->cli, code, "component %s, building of %s: %.*s%s", b->folder->ref,
		b->folder->folder, (int)first, message, advice);
	for (message += first; *message; message += strcspn(message, "\n")) {
		message++;
		fprintf(b->cli->err, "    %.*s\n", (int)strcspn(message, "\n"), message);
	}
	return code;
}

/* --- one build ------------------------------------------------------------------------------ */

static int give_context(
	struct docker_build *build, char *into, size_t size, size_t *ret_len, struct err *err)
{
	struct building *b = container_of(build, struct building, build);

	return context_read(b->context, into, size, ret_len, err);
}

static void built(struct docker_build *build)
{
	loop_stop(container_of(build, struct building, build)->loop);
}

static void interrupted(struct loop_signal *signals, int signo)
{
	struct building *b = container_of(signals, struct building, signals);

	(void)signo;
	b->interrupted = true;
	docker_build_free(&b->build); /* the engine stops when nobody listens */
	loop_stop(b->loop);
}

static int conclude(struct building *b, int64_t began_ms)
{
	long long seconds = (long long)(time_mono_ms() - began_ms) / 1000;
	auto_free char *rest = NULL;

	if (b->interrupted)
		return cli_fail(b->cli, CLI_INTERRUPTED,
			"cancelled while component %s was built; nothing was run", b->folder->ref);
	if (b->build.err.class != ERR_NONE)
		return say_failure(b, &b->build.err);
	rest = xasprintf("%.*s after %lld s", SHORT_ID, b->build.image_id, seconds);
	show(b, "\033[32m", "Built", rest);
	return CLI_OK;
}

static int build_one(struct building *b, const struct object *folder, json_t *ret_built)
{
	auto_free char *tag = tag_of(b->cli, folder);
	int64_t began_ms = time_mono_ms();
	auto_err err = ERR_INIT;
	int code;

	b->folder = folder;
	if (!tag)
		return CLI_FINDINGS;
	if (context_open(folder->folder, &b->context, &err) < 0)
		return say_failure(b, &err);
	b->labels = json_pack("{s:s}", LABEL_COMPONENT, folder->ref);
	b->build = (struct docker_build){.engine = &b->engine,
		.tag = tag,
		.build_args = b->args,
		.labels = b->labels,
		.auths = &b->auths,
		.context = give_context,
		.line = said,
		.done = built};
	show(b, "\033[36m", "Building", folder->folder);
	docker_build_start(&b->build);
	loop_run(b->loop);
	code = conclude(b, began_ms);
	if (code == CLI_OK)
		json_object_set_new(ret_built, folder->ref, json_string(b->build.image_id));
	docker_build_free(&b->build);
	context_free(take_ptr(b->context));
	json_decref(take_ptr(b->labels));
	return code;
}

/* --- all of them ---------------------------------------------------------------------------- */

static int open_engine(struct building *b, const struct cli_args *args,
	const struct frozen_text *frozen, const json_t *credentials)
{
	struct cli_backend_settings given;
	auto_err err = ERR_INIT;
	sigset_t set;
	int result;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	cli_backend_settings(b->cli, args, "docker", frozen->settings, credentials, &given);
	result = loop_new(&b->loop, &err);
	if (result == 0)
		result = docker_engine_init(&b->engine, b->loop, &given.settings, &err);
	if (result == 0)
		result = loop_signal_add(b->loop, &b->signals, &set, interrupted, &err);
	cli_backend_settings_clear(&given);
	return result < 0 ? cli_fail(b->cli, CLI_USAGE, "%s", err_message(&err)) : CLI_OK;
}

static void building_clear(struct building *b)
{
	loop_signal_del(&b->signals);
	docker_engine_clear(&b->engine);
	loop_free(b->loop);
	registry_auth_clear(&b->auths);
	json_decref(b->args);
}

int build_folders(struct cli *cli, const struct cli_args *args, const struct workspace *ws,
	const struct frozen_text *frozen, const json_t *credentials, json_t **ret_built)
{
	struct building b = {.cli = cli, .args = build_args(cli, args)};
	auto_strvec names = STRVEC_INIT, without = STRVEC_INIT;
	auto_json *all = json_object();
	int code = b.args ? CLI_OK : CLI_USAGE;

	if (frozen->pipeline)
		list_folders(ws, frozen->pipeline, &names, &without);
	if (code == CLI_OK && !names.len && json_object_size(b.args))
		code = nothing_to_build(cli, args, ws, &without);
	if (code == CLI_OK && names.len) {
		cli_pull_auths(cli, &b.auths);
		code = open_engine(&b, args, frozen, credentials);
	}
	for (size_t i = 0; i < names.len && code == CLI_OK; i++)
		code = build_one(&b, workspace_folder(ws, names.items[i]), all);
	building_clear(&b);
	if (code == CLI_OK)
		*ret_built = take_ptr(all);
	return code;
}

/* run: a pipeline to its end on a backend, without the operator. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/rand.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/backend.h"
#include "cli/build.h"
#include "cli/cmd.h"
#include "cli/drive.h"
#include "cli/frozen.h"
#include "cli/output.h"
#include "cli/run_tree.h"
#include "cli/secrets.h"
#include "doc/json.h"
#include "doc/path.h"
#include "loop/loop.h"

struct running {
	struct cli *cli;
	const struct cli_args *args;
	struct cli_backend backend;
	struct drive drive;
	struct frozen_spec *spec;
	struct loop_signal signals;
	enum step_phase *shown; /* of shown_len steps */
	int shown_len;
	char *trouble; /* told last */
	int interrupts;
	bool given_up, url_shown;
};

/* --- what is shown --- */

static const char *color_of(enum step_phase phase)
{
	switch (phase) {
	case STEP_SUCCEEDED:
	case STEP_CACHED:
		return "\033[32m";
	case STEP_FAILED:
		return "\033[31m";
	case STEP_SKIPPED:
	case STEP_CANCELLED:
		return "\033[33m";
	default:
		return "\033[36m";
	}
}

static void show_message(FILE *out, const struct step_state *step)
{
	const char *line = step->message;

	if (step->reason && !str_eq(step->reason, "Error"))
		fprintf(out, "    %s\n", step->reason);
	while (line && *line) {
		size_t len = strcspn(line, "\n");

		fprintf(out, "    %.*s\n", (int)len, line);
		line += len + (line[len] == '\n');
	}
}

static void show_step(struct running *r, const char *name, const struct step_state *step)
{
	FILE *out = r->cli->out;
	const char *phase = step_phase_name(step->phase);

	if (r->cli->color_out)
		fprintf(out, "%-24s %s%s\033[0m", name, color_of(step->phase), phase);
	else
		fprintf(out, "%-24s %s", name, phase);
	if (step_phase_final(step->phase) && step->start_s && step->end_s >= step->start_s &&
		step->phase != STEP_CACHED)
		fprintf(out, " after %lld s", (long long)(step->end_s - step->start_s));
	if (step->attempt > 1)
		fprintf(out, " (attempt %d)", step->attempt);
	fputc('\n', out);
	if (step->phase == STEP_FAILED || step->phase == STEP_SKIPPED)
		show_message(out, step);
}

/* Steps that only the backend knows appear as they come. */
static void make_room(struct running *r, int len)
{
	if (len <= r->shown_len)
		return;
	r->shown = xreallocarray(r->shown, (size_t)len, sizeof(*r->shown));
	for (int i = r->shown_len; i < len; i++)
		r->shown[i] = STEP_WAITING;
	r->shown_len = len;
}

static void show(struct drive *drive, const struct run_state *state)
{
	struct running *r = container_of(drive, struct running, drive);

	free(take_ptr(r->trouble));
	if (state->url && !r->url_shown && !cli_value(r->args, "output"))
		fprintf(r->cli->out, "its page: %s\n", state->url);
	r->url_shown = r->url_shown || state->url;
	make_room(r, state->steps_len);
	for (int i = 0; i < state->steps_len; i++) {
		if (state->steps[i].phase == r->shown[i])
			continue;
		r->shown[i] = state->steps[i].phase;
		show_step(r, run_state_step_name(state, r->spec, i), &state->steps[i]);
	}
	fflush(r->cli->out);
}

static void trouble(struct drive *drive, const struct err *err)
{
	struct running *r = container_of(drive, struct running, drive);

	if (str_eq(r->trouble, err_message(err)))
		return;
	free(r->trouble);
	r->trouble = xstrdup(err_message(err));
	fprintf(r->cli->err, "kubectl fondant: %s; trying again\n", r->trouble);
}

static void ended(struct drive *drive)
{
	loop_stop(container_of(drive, struct running, drive)->backend.loop);
}

/* --- signals and changes --- */

static void interrupted(struct loop_signal *signals, int signo)
{
	struct running *r = container_of(signals, struct running, signals);

	(void)signo;
	if (r->interrupts++ == 0) {
		fprintf(r->cli->err,
			"kubectl fondant: cancelling run %s; once more leaves it as it is\n",
			r->drive.run.name);
		drive_cancel(&r->drive);
		return;
	}
	fprintf(r->cli->err,
		"kubectl fondant: run %s is left as it is: %s; `kubectl fondant cancel %s` stops "
		"it\n",
		r->drive.run.name,
		r->backend.runner->whole ? "it goes on at the backend"
					 : "containers that run go on, and no further step is "
					   "started",
		r->drive.run.name);
	r->given_up = true;
	loop_stop(r->backend.loop);
}

static void changed(void *arg, const char *namespace_, const char *run)
{
	struct running *r = arg;

	(void)namespace_;
	if (str_eq(run, r->drive.run.name))
		drive_wake(&r->drive);
}

static int watch_signals(struct running *r, struct err *err)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	return loop_signal_add(r->backend.loop, &r->signals, &set, interrupted, err);
}

/* --- the end --- */

static json_t *result_tree(const struct running *r)
{
	const struct drive *drive = &r->drive;
	json_t *steps = json_array();

	for (int i = 0; i < drive->steps_len; i++) {
		const char *name =
			drive->names.len ? drive->names.items[i] : r->spec->steps[i].name;

		json_array_append_new(steps, run_tree_step(name, &drive->known[i]));
	}
	return json_pack("{s:s, s:s, s:s, s:s, s:s*, s:o}", "run", drive->run.name, "runID",
		drive->run.run_id, "backend", r->backend.runner->name, "phase",
		run_phase_name(drive->phase), "message", drive->message, "steps", steps);
}

static int conclude(struct running *r, const char *format)
{
	const struct drive *drive = &r->drive;

	if (r->given_up)
		return CLI_INTERRUPTED;
	if (drive->err.class != ERR_NONE)
		return cli_fail(r->cli, CLI_USAGE, "%s", err_message(&drive->err));
	if (format) {
		auto_json *tree = result_tree(r);

		output_tree(tree, format, r->cli->out);
	} else {
		fprintf(r->cli->out, "run %s: %s%s%s\n", drive->run.name,
			run_phase_name(drive->phase), drive->message ? ": " : "",
			drive->message ? drive->message : "");
	}
	if (drive->phase == RUN_SUCCEEDED)
		return CLI_OK;
	return r->interrupts ? CLI_INTERRUPTED : CLI_FINDINGS;
}

/* --- the beginning --- */

/* "<pipeline>-<Unix time in base 36>-<4 hex>". Owned. */
static char *new_name(const char *pipeline)
{
	static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
	char text[16];
	size_t at = sizeof(text) - 1;
	int64_t seconds = time_wall_ms() / 1000;

	text[at] = '\0';
	do
		text[--at] = digits[seconds % 36];
	while (seconds /= 36);
	return xasprintf("%.40s-%s-%04x", pipeline, text + at, (unsigned)rand_below(0x10000));
}

static int load(struct running *r, const struct frozen_text *frozen, const char *name)
{
	const char *missing;
	auto_json *document = NULL;
	auto_err err = ERR_INIT;
	int code;

	if (frozen_spec_parse(frozen->text, frozen->len, &r->spec, &err) < 0)
		return cli_fail(r->cli, CLI_FINDINGS, "%s", err_message(&err));
	missing = frozen_spec_missing_parameter(r->spec);
	if (missing)
		return cli_fail(r->cli, CLI_FINDINGS,
			"parameter `%.63s` has no default, so the run must give it: -p %.63s=VALUE "
			"[ParameterRequired]",
			missing, missing);
	frozen_spec_bind(r->spec, name, time_wall_ms() / 1000);
	code = cli_backend_check(r->cli, r->spec->backend);
	if (code != CLI_OK)
		return code;
	/* a pipeline was checked when it was compiled; a frozen spec that comes as it is was not */
	return frozen_native(r->cli, r->spec, name, frozen->settings, &document);
}

static int drive_to_its_end(struct running *r, const struct cli_args *args, const char *name,
	const json_t *secrets, const json_t *given, const json_t *credentials)
{
	auto_free char *uid = cli_run_uid(name);
	auto_free char *run_id = cli_run_id(name, uid);
	auto_registry_auth_list pull = {0};
	auto_err err = ERR_INIT;
	int code;

	code = cli_backend_open(
		r->cli, args, r->spec->backend, given, credentials, changed, r, &r->backend);
	if (code != CLI_OK)
		return code;
	cli_pull_auths(r->cli, &pull);
	r->drive = (struct drive){.loop = r->backend.loop,
		.runner = r->backend.runner,
		.backend = r->backend.backend,
		.run = {.spec = r->spec,
			.namespace_ = r->spec->namespace_,
			.pipeline = r->spec->pipeline,
			.name = name,
			.uid = uid,
			.run_id = run_id,
			.secrets = secrets,
			.pull = &pull},
		.show = show,
		.trouble = trouble,
		.ended = ended};
	if (watch_signals(r, &err) < 0)
		return cli_fail(r->cli, CLI_USAGE, "%s", err_message(&err));
	if (!cli_value(args, "output"))
		fprintf(r->cli->out, "run %s on %s: %s\n", name, r->backend.runner->name,
			r->backend.runner->whole
				? "this command follows it"
				: "this command orders the steps, and has to go on until the end");
	drive_start(&r->drive);
	loop_run(r->backend.loop);
	code = conclude(r, cli_value(args, "output"));
	drive_release(&r->drive);
	loop_signal_del(&r->signals);
	return code;
}

/* What is still to be built, and the spec with that in it. */
static int build(struct running *r, const struct cli_args *args, struct workspace *ws,
	const struct frozen_text *frozen, const char *name, const json_t *credentials)
{
	auto_json *built = NULL;
	struct frozen_list list;
	int code;

	if (!str_eq(r->spec->backend, "docker"))
		return cli_list(args, "build-arg")->len
			       ? cli_usage(r->cli, args,
					 "--build-arg: only backend docker builds component "
					 "folders, and this run is for %.63s; leave the option out",
					 r->spec->backend)
			       : CLI_OK;
	code = build_folders(r->cli, args, ws, frozen, credentials, &built);
	if (code != CLI_OK || !json_object_size(built))
		return code;
	code = frozen_load_built(r->cli, args, ws, frozen->name, built, &list);
	if (code != CLI_OK)
		return code;
	frozen_spec_free(take_ptr(r->spec));
	code = load(r, &list.items[0], name);
	frozen_list_clear(&list);
	return code;
}

static int run_one(struct cli *cli, const struct cli_args *args, struct workspace *ws,
	const struct frozen_text *frozen)
{
	struct running r = {.cli = cli, .args = args};
	const char *given = cli_value(args, "name");
	auto_free char *name = given ? xstrdup(given) : new_name(frozen->name);
	json_t *secrets = NULL, *credentials = NULL;
	int code;

	if (!str_is_dns_label(name))
		return cli_usage(cli, args, "--name: \"%.80s\" is not the name of a run", name);
	code = load(&r, frozen, name);
	if (code == CLI_OK)
		code = cli_secrets(cli, args, ws, r.spec, &secrets);
	if (code == CLI_OK)
		code = cli_credentials(
			cli, args, ws, r.spec->namespace_, frozen->settings, &credentials);
	if (code == CLI_OK)
		code = build(&r, args, ws, frozen, name, credentials);
	if (code == CLI_OK)
		code = drive_to_its_end(&r, args, name, secrets, frozen->settings, credentials);
	cli_backend_close(&r.backend);
	frozen_spec_free(r.spec);
	cli_secrets_wipe(secrets);
	cli_secrets_wipe(credentials);
	free(r.shown);
	free(r.trouble);
	return code;
}

static int run(struct cli *cli, const struct cli_args *args)
{
	const char *only = args->positional.len ? args->positional.items[0] : NULL;
	struct workspace ws;
	struct frozen_list list;
	auto_err err = ERR_INIT;
	int code;

	if (workspace_load(cli_list(args, "filename"), cli_flag(args, "recursive"), cli->in, &ws,
		    &err) < 0)
		return cli_fail(cli, CLI_USAGE, "%s", err_message(&err));
	code = frozen_load(cli, args, &ws, only, &list);
	if (code == CLI_OK && list.len != 1)
		code = cli_fail(cli, CLI_USAGE,
			"there are %zu pipelines in the files: name the one to run", list.len);
	if (code == CLI_OK)
		code = run_one(cli, args, &ws, &list.items[0]);
	frozen_list_clear(&list);
	workspace_clear(&ws);
	return code;
}

static const char *const formats[] = {"json", "yaml", NULL};

static const struct cli_option options[] = {
	WORKSPACE_OPTIONS,
	COMPILE_OPTIONS,
	FROZEN_OPTIONS,
	BACKEND_OPTIONS,
	{.name = "name",
		.type = CLI_STRING,
		.argument = "NAME",
		.help = "name of the run (default: the pipeline's, the time and four characters)"},
	SECRET_OPTIONS,
	BUILD_OPTIONS,
	{.name = "output",
		.letter = 'o',
		.type = CLI_STRING,
		.argument = "FORMAT",
		.words = formats,
		.help = "print how it ended, as json or yaml, after its lines of progress"},
	{0},
};

static const char *const examples[] = {
	"run -f pipeline.yaml --backend docker",
	"a pipeline on the Docker engine of this machine, to its end",
	"run -f pipeline.yaml --backend docker -p rows=100 --working-directory /tmp/artifacts",
	"the same with another parameter, its data in a folder of the engine's machine",
	"run -f pipelines/ publish --backend docker --secret warehouse/token=env:TOKEN",
	"one pipeline of a folder, with the value of a secret argument out of the environment",
	"run -f pipeline.yaml -f components/ -R --backend docker --build-arg VERSION=1.2",
	"a pipeline whose components are folders with a Dockerfile: these are built first",
	"run -f pipeline.yaml --backend kubeflow --endpoint https://kfp.example",
	"a pipeline on Kubeflow Pipelines, followed to its end",
	NULL,
};

const struct cli_command cmd_run = {
	.name = "run",
	.summary = "run a pipeline to its end, without the operator",
	.usage = "-f FILE... [PIPELINE] --backend docker|kubeflow|vertex|sagemaker [options]",
	.description =
		"Compiles the pipeline, or takes a frozen spec as `compile -o json` prints it, and "
		"runs it on a backend to its end. On a Docker engine this command itself orders "
		"the "
		"steps: each is a container, those that do not depend on each other run side by "
		"side, and a local working directory is mounted into all of them. The run is a "
		"project of Docker Compose: docker compose ls, ps and logs show it. Containers "
		"stay "
		"for their logs until docker compose -p RUN-ID down removes them. A component "
		"folder "
		"(fondant_component.yaml, and a Dockerfile beside it) among the files that a step "
		"names by ref is built first, on the same engine, and the image that came of it "
		"is run and stands in the cache key; .dockerignore is honoured. A ref means the "
		"folder of that name, in lower case and with - for _, before a FondantComponent. "
		"Values of --build-arg stay in the image's history: they are no place for "
		"secrets.\n\nKubeflow "
		"Pipelines, Vertex AI and SageMaker get the whole pipeline, and this command "
		"follows it.\n\nThe same name "
		"takes up a run where it was left. Ctrl-C cancels it; a second one leaves it as it "
		"is.\n\nExit code: 0 it succeeded; 1 it failed, an image could not be built, or "
		"the input is wrong; 2 wrong "
		"usage, or the backend could not be used; 130 it was cancelled by Ctrl-C.",
	.examples = examples,
	.options = options,
	.max_positional = 1,
	.run = run,
};

/* status, logs and cancel: a run by its name, later and from another machine. */
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/backend.h"
#include "cli/cmd.h"
#include "cli/output.h"
#include "cli/run_tree.h"
#include "cli/secrets.h"
#include "cli/workspace.h"
#include "doc/json.h"
#include "loop/loop.h"

/* One call of a runner, waited for. */
struct asking {
	struct cli *cli;
	struct cli_backend backend;
	char *uid, *run_id;
	struct runner_run run;
	struct runner_op op;
	bool done;
};

static void op_done(struct runner_op *op)
{
	container_of(op, struct asking, op)->done = true;
}

static void wait_for(struct asking *a)
{
	while (!a->done)
		loop_turn(a->backend.loop, -1);
	a->done = false;
}

/* With the settings of a FondantBackend among the files, where some are given. */
static int open_backend(struct cli *cli, const struct cli_args *args, struct asking *a)
{
	const char *kind = cli_value(args, "backend");
	const struct strvec *files = cli_list(args, "filename");
	struct workspace ws = {0};
	const json_t *settings;
	json_t *credentials = NULL;
	auto_err err = ERR_INIT;
	int code;

	if (!files->len)
		return cli_backend_open(cli, args, kind, NULL, NULL, NULL, NULL, &a->backend);
	if (workspace_load(files, false, cli->in, &ws, &err) < 0)
		return cli_fail(cli, CLI_USAGE, "%s", err_message(&err));
	settings = workspace_first_settings(&ws, kind);
	code = cli_credentials(cli, args, &ws, "default", settings, &credentials);
	if (code == CLI_OK)
		code = cli_backend_open(
			cli, args, kind, settings, credentials, NULL, NULL, &a->backend);
	cli_secrets_wipe(credentials);
	workspace_clear(&ws);
	return code;
}

static int open_run(struct cli *cli, const struct cli_args *args, struct asking *a)
{
	const char *name = args->positional.items[0];
	int code;

	*a = (struct asking){.cli = cli, .op = {.done = op_done}};
	if (!str_is_dns_label(name))
		return cli_usage(cli, args, "\"%.80s\" is not the name of a run", name);
	code = open_backend(cli, args, a);
	if (code != CLI_OK)
		return code;
	a->uid = cli_run_uid(name);
	a->run_id = cli_run_id(name, a->uid);
	a->run = (struct runner_run){
		.name = name, .uid = a->uid, .run_id = a->run_id, .now_s = time_wall_ms() / 1000};
	return CLI_OK;
}

static void close_run(struct asking *a)
{
	cli_backend_close(&a->backend);
	err_clear(&a->op.err);
	free(a->uid);
	free(a->run_id);
}

/* Says why it did not work; class user: what was asked for is not there. */
static int failed(struct asking *a)
{
	return cli_fail(a->cli, a->op.err.class == ERR_USER ? CLI_FINDINGS : CLI_USAGE, "%s",
		err_message(&a->op.err));
}

static int observe(struct asking *a, struct run_state *ret_state)
{
	run_state_init(ret_state, 0);
	a->backend.runner->observe(a->backend.backend, &a->run, ret_state, &a->op);
	wait_for(a);
	return a->op.result < 0 ? failed(a) : CLI_OK;
}

/* --- status --- */

static json_t *state_tree(const struct asking *a, const struct run_state *state)
{
	json_t *steps = json_array();

	for (int i = 0; i < state->steps_len; i++)
		json_array_append_new(
			steps, run_tree_step(state->names.items[i], &state->steps[i]));
	return json_pack("{s:s, s:s, s:s, s:s, s:s*, s:s*, s:o}", "run", a->run.name, "runID",
		a->run_id, "backend", a->backend.runner->name, "phase",
		run_phase_name(state->phase), "message", state->message, "url", state->url, "steps",
		steps);
}

static void print_state(const struct asking *a, const struct run_state *state)
{
	FILE *out = a->cli->out;

	fprintf(out, "%-24s %-12s %s\n", "STEP", "PHASE", "MESSAGE");
	for (int i = 0; i < state->steps_len; i++)
		fprintf(out, "%-24s %-12s %s\n", state->names.items[i],
			step_phase_name(state->steps[i].phase),
			state->steps[i].message ? state->steps[i].message : "");
	fprintf(out, "\nrun %s: %s%s%s\n", a->run.name, run_phase_name(state->phase),
		state->message ? ": " : "", state->message ? state->message : "");
}

static int status(struct cli *cli, const struct cli_args *args)
{
	const char *format = cli_value(args, "output");
	struct run_state state = {0};
	struct asking a;
	int code = open_run(cli, args, &a);

	if (code == CLI_OK)
		code = observe(&a, &state);
	if (code == CLI_OK && !str_eq(format, "wide")) {
		auto_json *tree = state_tree(&a, &state);

		output_tree(tree, format, cli->out);
	} else if (code == CLI_OK) {
		print_state(&a, &state);
	}
	run_state_clear(&state);
	close_run(&a);
	return code;
}

/* --- logs --- */

static void print_text(struct runner_logs *logs, const char *text, size_t len)
{
	fwrite(text, 1, len, logs->arg);
	fflush(logs->arg);
}

static int step_logs(struct asking *a, const struct cli_args *args, const char *step, int64_t tail)
{
	struct runner_logs logs = {.step = step,
		.tail_lines = tail,
		.follow = cli_flag(args, "follow"),
		.data = print_text,
		.arg = a->cli->out};

	a->backend.runner->logs(a->backend.backend, &a->run, &logs, &a->op);
	wait_for(a);
	return a->op.result < 0 ? failed(a) : CLI_OK;
}

/* One that has printed nothing keeps nobody from the others. */
static int has_none(struct asking *a, int code)
{
	if (code == CLI_OK || !str_eq(a->op.err.reason, "NoLogs"))
		return code;
	err_clear(&a->op.err);
	return CLI_OK;
}

/* Every step's, each below its name. */
static int all_logs(struct asking *a, const struct cli_args *args, int64_t tail)
{
	struct run_state state = {0};
	int code = observe(a, &state);

	for (int i = 0; i < state.steps_len && code == CLI_OK; i++) {
		fprintf(a->cli->out, "%s==> %s <==\n", i ? "\n" : "", state.names.items[i]);
		code = has_none(a, step_logs(a, args, state.names.items[i], tail));
	}
	run_state_clear(&state);
	return code;
}

static int logs(struct cli *cli, const struct cli_args *args)
{
	const char *text = cli_value(args, "tail");
	int64_t tail = 0;
	struct asking a;
	int code;

	if (text && (!str_to_int64(text, &tail) || tail < 1))
		return cli_usage(cli, args, "--tail: \"%.40s\" is not a number of lines", text);
	if (cli_flag(args, "follow") && args->positional.len < 2)
		return cli_usage(cli, args, "--follow is for one step: name it");
	code = open_run(cli, args, &a);
	if (code == CLI_OK && !a.backend.runner->logs)
		code = cli_fail(cli, CLI_FINDINGS, "%s shows logs at a place of its own",
			a.backend.runner->name);
	if (code == CLI_OK && args->positional.len > 1)
		code = step_logs(&a, args, args->positional.items[1], tail);
	else if (code == CLI_OK)
		code = all_logs(&a, args, tail);
	close_run(&a);
	return code;
}

/* --- cancel --- */

static int cancel(struct cli *cli, const struct cli_args *args)
{
	struct run_state state = {0};
	struct asking a;
	int code = open_run(cli, args, &a);

	if (code == CLI_OK)
		code = observe(&a, &state);
	if (code == CLI_OK && !run_phase_final(state.phase)) {
		a.run.cancelling = true;
		a.backend.runner->cancel(a.backend.backend, &a.run, &a.op);
		wait_for(&a);
		code = a.op.result < 0 ? failed(&a) : CLI_OK;
		if (code == CLI_OK)
			fprintf(cli->out, "run %s: stopped\n", a.run.name);
	} else if (code == CLI_OK) {
		fprintf(cli->out, "run %s: it has ended (%s)\n", a.run.name,
			run_phase_name(state.phase));
	}
	run_state_clear(&state);
	close_run(&a);
	return code;
}

/* --- the commands --- */

static const char *const backends[] = {"docker", "kubeflow", "vertex", "sagemaker", NULL};

#define RUN_BACKEND_OPTIONS                                                                     \
	{.name = "backend",                                                                     \
		.type = CLI_STRING,                                                             \
		.argument = "KIND",                                                             \
		.words = backends,                                                              \
		.fallback = "docker",                                                           \
		.help = "where the run is"},                                                    \
		{.name = "filename",                                                            \
			.type = CLI_LIST,                                                       \
			.argument = "FILE",                                                     \
			.complete = CLI_COMPLETE_FILE,                                          \
			.help = "file with the FondantBackend, where the run was started with " \
				"one"},                                                         \
		SECRET_OPTIONS

static const char *const formats[] = {"wide", "json", "yaml", NULL};

static const struct cli_option status_options[] = {
	RUN_BACKEND_OPTIONS,
	BACKEND_OPTIONS,
	{.name = "output",
		.letter = 'o',
		.type = CLI_STRING,
		.argument = "FORMAT",
		.words = formats,
		.fallback = "wide",
		.help = "how to print it"},
	{0},
};

static const char *const status_examples[] = {
	"status clean-text-tp55kg-bb4a",
	"the steps of a run on the Docker engine of this machine",
	"status clean-text-tp55kg-bb4a --host tcp://builder.example:2376 -o json",
	"the same on another machine's, as JSON",
	NULL,
};

const struct cli_command cmd_status = {
	.name = "status",
	.summary = "show a run that `run` has started",
	.usage = "RUN [options]",
	.description = "Shows the steps of a run as the backend has them, by the name of the run "
		       "alone. Steps that were not started yet are not known to the backend. Runs "
		       "of the operator are FondantRuns: kubectl get frun.",
	.examples = status_examples,
	.options = status_options,
	.min_positional = 1,
	.max_positional = 1,
	.run = status,
};

static const struct cli_option logs_options[] = {
	RUN_BACKEND_OPTIONS,
	BACKEND_OPTIONS,
	{.name = "follow",
		.letter = 'f',
		.type = CLI_FLAG,
		.help = "go on until the step has ended"},
	{.name = "tail",
		.type = CLI_STRING,
		.argument = "N",
		.help = "only the last N lines of a step"},
	{0},
};

static const char *const logs_examples[] = {
	"logs clean-text-tp55kg-bb4a filter -f",
	"what step filter prints, until it has ended",
	"logs clean-text-tp55kg-bb4a --tail 20",
	"the last lines of every step",
	NULL,
};

const struct cli_command cmd_logs = {
	.name = "logs",
	.summary = "print what the steps of a run have printed",
	.usage = "RUN [STEP] [options]",
	.description =
		"Prints what a step's last attempt has printed, or every step's below its "
		"name. Both streams of a container come in the order the engine has them. Of "
		"SageMaker they are read from CloudWatch; of Kubeflow Pipelines and Vertex "
		"AI the page and the command are printed that show them.",
	.examples = logs_examples,
	.options = logs_options,
	.min_positional = 1,
	.max_positional = 2,
	.run = logs,
};

static const struct cli_option cancel_options[] = {RUN_BACKEND_OPTIONS, BACKEND_OPTIONS, {0}};

static const char *const cancel_examples[] = {
	"cancel clean-text-tp55kg-bb4a",
	"stops what runs of it",
	NULL,
};

const struct cli_command cmd_cancel = {
	.name = "cancel",
	.summary = "stop a run that `run` has started",
	.usage = "RUN [options]",
	.description = "Stops what runs of a run. A `run` command that still orders its steps sees "
		       "a stopped one as failed; end it with Ctrl-C instead where it is at hand.",
	.examples = cancel_examples,
	.options = cancel_options,
	.min_positional = 1,
	.max_positional = 1,
	.run = cancel,
};

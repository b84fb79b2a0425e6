/* fondant-controller: wiring. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "app/options.h"
#include "app/registries.h"
#include "app/store.h"
#include "base/mem.h"
#include "kube/client.h"
#include "loop/loop.h"
#include "reconcile/controller.h"
#include "runners/trace.h"

struct app {
	struct loop *loop;
	struct loop_signal signals;
	struct kube_client *client;
	struct registry_client *registry;
	struct s3_client *store;
	struct trace_rules *trace;
	struct controller *controller;
	bool stopping;
};

static void stopped(void *arg)
{
	struct app *app = arg;

	log_info("stopped");
	loop_stop(app->loop);
}

static void signalled(struct loop_signal *sig, int signo)
{
	struct app *app = container_of(sig, struct app, signals);

	if (app->stopping)
		_exit(128 + signo);
	app->stopping = true;
	log_info("stopping: finishing what is under way");
	controller_stop(app->controller, stopped, app);
}

static int start(struct app *app, const struct options *options, struct err *err)
{
	struct kube_config_options where = {
		.kubeconfig = options->kubeconfig, .context = options->context};
	struct controller_options wanted = {.namespaces = &options->namespaces,
		.implicit_backend = options->implicit_backend,
		.step_run_as_non_root = options->step_run_as_non_root,
		.ambient_credentials = options->ambient_credentials,
		.local_endpoints = options->local_endpoints,
		.operator_image = options->operator_image,
		.instance = getenv("POD_NAME"),
		.compiler_format = options->compiler_format};
	struct kube_config *config = NULL;
	sigset_t set;
	int result;

	if (!wanted.instance)
		wanted.instance = "fondant-controller";
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (loop_new(&app->loop, err) < 0 ||
		loop_signal_add(app->loop, &app->signals, &set, signalled, err) < 0 ||
		kube_config_load(&where, &config, err) < 0)
		return -1;
	log_info("starting", "version", FONDANT_VERSION, "server", config->server);
	result = kube_client_new(
		app->loop, config, "fondant-controller/" FONDANT_VERSION, &app->client, err);
	kube_config_free(config);
	if (result < 0)
		return -1;
	if (registries_new(app->loop, options, &app->registry, err) < 0 ||
		store_new(app->loop, options, &app->store, err) < 0)
		return -1;
	if (options->trace_runners &&
		trace_rules_parse(options->trace_runners, &app->trace, err) < 0)
		return err_wrap(err, "--trace-runners");
	wanted.trace = app->trace;
	wanted.s3 = app->store;
	wanted.registry = app->registry;
	app->controller = controller_new(app->loop, app->client, &wanted);
	return 0;
}

static void release(struct app *app)
{
	controller_free(app->controller);
	registry_client_free(app->registry);
	s3_client_free(app->store);
	trace_rules_free(app->trace);
	kube_client_free(app->client);
	if (app->loop)
		loop_signal_del(&app->signals);
	loop_free(app->loop);
}

int main(int argc, char *argv[])
{
	struct app app = {0};
	struct options options;
	auto_err err = ERR_INIT;
	int status = EXIT_SUCCESS;

	signal(SIGPIPE, SIG_IGN);
	if (options_parse(argc, argv, &options, &err) < 0) {
		fprintf(stderr, "fondant-controller: %s\n", err_message(&err));
		options_clear(&options);
		return 2;
	}
	log_setup(options.log_level, options.log_format, STDERR_FILENO);
	if (options.help) {
		options_help(stdout);
	} else if (options.version) {
		puts("fondant-controller " FONDANT_VERSION);
	} else if (start(&app, &options, &err) < 0) {
		log_error("cannot start", "err.reason", err.reason, "err", err_message(&err));
		status = EXIT_FAILURE;
	} else {
		loop_run(app.loop);
	}
	release(&app);
	options_clear(&options);
	return status;
}

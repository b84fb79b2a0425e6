#include "runners/docker_work.h"

#include <stdlib.h>
#include <string.h>
#include "base/image_ref.h"
#include "base/mem.h"
#include "base/str.h"
#include "compiler/argv.h"
#include "doc/path.h"
#include "net/url.h"
#include "runners/docker_container.h"

static void next_action(struct docker_work *work);

static const struct dag_action *action_now(const struct docker_work *work)
{
	return &work->actions.items[work->action];
}

/* The step will never start so. */
static void refuse(
	struct docker_work *work, const char *reason, const char *what, const char *words)
{
	int step = action_now(work)->step;

	err_set(&work->op->err, ERR_USER, reason, "%s%s%s", what, words ? ": " : "",
		words ? words : "");
	docker_work_fail(work, step);
}

static bool is_client_error(const struct docker_call *call)
{
	return call->api.err.class == ERR_NONE && call->api.status >= 400;
}

static void started(struct docker_call *call)
{
	struct docker_work *work = docker_work_of(call);

	if (is_client_error(call)) {
		refuse(work, "StartFailed", "the container cannot start", docker_words(call));
		return;
	}
	if (call->api.err.class != ERR_NONE) {
		docker_fail_call(work, "start a container");
		return;
	}
	work->action++;
	next_action(work);
}

static void start(struct docker_work *work)
{
	docker_begin_container(work, "POST", "/start", work->id);
	docker_send(&work->call, NULL, started);
}

static void secrets_in(struct docker_call *call)
{
	struct docker_work *work = docker_work_of(call);

	if (call->api.status != 200)
		docker_fail_call(work, "hand over secret arguments");
	else
		start(work);
}

static bool input_manifest(const struct docker_work *work, int step, char **ret_manifest)
{
	const struct frozen_spec *spec = work->run->spec;
	const struct spec_step *reader = &spec->steps[step];
	auto_free const char **refs = xcalloc((size_t)reader->from_len + 1, sizeof(*refs));

	*ret_manifest = NULL;
	if (reader->from_manifest)
		*ret_manifest = argv_expand_text(spec, reader->from_manifest);
	if (reader->from_manifest || reader->from_len == 0)
		return true;
	if (!dag_input_refs(spec, &work->state, step, refs))
		return false;
	*ret_manifest = xasprintf(
		"%s/%s/%s/manifest.json", spec->working_directory, spec->dataset_name, refs[0]);
	return true;
}

static struct docker_container container_now(const struct docker_work *work)
{
	return (struct docker_container){.run = work->run,
		.step = action_now(work)->step,
		.attempt = action_now(work)->attempt,
		.network = work->network,
		.settings = work->docker->settings};
}

static void created_or_found(struct docker_work *work, const char *id)
{
	struct docker_container what = container_now(work);
	size_t len = 0;
	char *archive = docker_secrets_archive(&what, &len);

	err_clear(&work->doubted);
	free(work->id);
	work->id = xstrdup(id);
	if (!archive) {
		start(work);
		return;
	}
	docker_begin_container(work, "PUT", "/archive", work->id);
	docker_query(&work->call, "path", DOCKER_SECRETS_FOLDER);
	docker_send_bytes(&work->call, "application/x-tar", archive, len, secrets_in);
}

/* Somebody has the name: ours when its labels say so. */
static void found(struct docker_call *call)
{
	struct docker_work *work = docker_work_of(call);
	const json_t *labels = doc_get(call->api.answer, "Config.Labels");
	auto_free char *id = xstrdup(doc_str_or(call->api.answer, "Id", ""));

	if (call->api.status == 404 && work->doubted.class != ERR_NONE) {
		docker_fail_doubted(work);
	} else if (call->api.status == 404) { /* the create was lost, not its answer */
		err_set(&work->op->err, ERR_TRANSIENT, "NotCreated",
			"container %s was asked for, and is not there", work->name);
		docker_work_fail(work, -1);
	} else if (call->api.status != 200) {
		docker_fail_call(work, "find a container");
	} else if (str_eq(json_string_value(json_object_get(labels, DOCKER_LABEL_UID)),
			   work->run->uid)) {
		created_or_found(work, id);
	} else {
		refuse(work, "NameConflict",
			"another container has the name; remove it, or delete this run and start "
			"another",
			work->name);
	}
}

static void find(struct docker_work *work)
{
	docker_begin_container(work, "GET", "/json", work->name);
	docker_send(&work->call, NULL, found);
}

static void created(struct docker_call *call)
{
	struct docker_work *work = docker_work_of(call);
	const char *words = docker_words(call);

	if (call->api.status == 201) {
		auto_free char *id = xstrdup(doc_str_or(call->api.answer, "Id", ""));

		created_or_found(work, id);
	} else if (call->api.status == 409 || call->api.maybe_done) {
		find(work);
	} else if (docker_is_doubtful(call)) {
		docker_doubt(work, "create a container");
		find(work);
	} else if (call->api.status == 404) { /* the image went meanwhile: the next look pulls */
		work->action++;
		next_action(work);
	} else if (is_client_error(call) && call->api.status < 500) {
		refuse(work, "Refused", "the engine refuses the container", words);
	} else {
		docker_fail_call(work, "create a container");
	}
}

static void create(struct docker_work *work)
{
	struct docker_container what = container_now(work);
	auto_free char *manifest = NULL;

	if (!input_manifest(work, what.step, &manifest)) {
		refuse(work, "InputLost",
			"nothing says where the dataset it reads is any more; start a new run",
			NULL);
		return;
	}
	what.input_manifest = manifest;
	free(work->name);
	work->name = docker_container_name(
		work->run, work->run->spec->steps[what.step].name, what.attempt);
	docker_begin(&work->docker->engine, &work->call, "POST", "/containers/create");
	docker_query(&work->call, "name", work->name);
	docker_send(&work->call, docker_container_body(&what), created);
}

static const char *image_now(const struct docker_work *work)
{
	return work->run->spec->steps[action_now(work)->step].image;
}

static void image_looked(struct docker_call *call)
{
	struct docker_work *work = docker_work_of(call);

	if (call->api.status == 200) {
		create(work);
	} else if (call->api.status == 404 && image_digest_valid(image_now(work))) {
		refuse(work, "ImageGone",
			"no registry has an image that was built here, and this engine does not "
			"any "
			"more; build it again, as a new run does",
			image_now(work));
	} else if (call->api.status == 404) {
		docker_pull(&work->docker->pulls, image_now(work), work->run->pull, work->run);
		work->action++;
		next_action(work);
	} else {
		docker_fail_call(work, "look for an image");
	}
}

static void look_for_image(struct docker_work *work)
{
	auto_free char *path = NULL;
	struct buf segment = BUF_INIT;

	url_add_encoded(&segment, image_now(work), true);
	path = xasprintf("/images/%s/json", buf_str(&segment));
	buf_free(&segment);
	docker_begin(&work->docker->engine, &work->call, "GET", path);
	docker_send(&work->call, NULL, image_looked);
}

/* False: it has said something of the action, or there is nothing to do for it now. */
static bool may_start(struct docker_work *work)
{
	struct docker_pulls *pulls = &work->docker->pulls;
	const char *words;
	bool final;

	switch (docker_pull_look(pulls, image_now(work), &words, &final)) {
	case DOCKER_PULL_GOES_ON:
		work->action++;
		next_action(work);
		return false;
	case DOCKER_PULL_FAILED:
		err_set(&work->op->err, final ? ERR_USER : ERR_TRANSIENT, "ImagePullFailed",
			"image %s: %s", image_now(work), words);
		docker_pull_forget(pulls, image_now(work));
		docker_work_fail(work, action_now(work)->step);
		return false;
	case DOCKER_PULL_NONE:
		break;
	}
	return true;
}

static void next_action(struct docker_work *work)
{
	while (work->action < work->actions.len && action_now(work)->kind != DAG_START)
		work->action++;
	if (work->action == work->actions.len)
		docker_finish(work);
	else if (may_start(work))
		look_for_image(work);
}

static void network_listed(struct docker_call *call);

/* Whatever came of it: what is there now is what counts. */
static void network_made(struct docker_call *call)
{
	struct docker_work *work = docker_work_of(call);

	if (docker_is_doubtful(call)) {
		docker_doubt(work, "create the run's network");
	} else if (call->api.status != 201 && call->api.status != 409 && !call->api.maybe_done) {
		docker_fail_call(work, "create the run's network");
		return;
	}
	work->network_made = true;
	docker_list_networks(work, network_listed);
}

static void network_listed(struct docker_call *call)
{
	struct docker_work *work = docker_work_of(call);
	const char *id = docker_network_id(call->api.answer);

	if (call->api.status != 200) {
		docker_fail_call(work, "list networks");
	} else if (id) {
		work->network = xstrdup(id);
		err_clear(&work->doubted);
		next_action(work);
	} else if (work->doubted.class != ERR_NONE) {
		docker_fail_doubted(work);
	} else if (work->network_made) {
		err_set(&work->op->err, ERR_TRANSIENT, "NetworkMissing",
			"the run's network was made, and is not there");
		docker_work_fail(work, -1);
	} else {
		docker_begin(&work->docker->engine, call, "POST", "/networks/create");
		docker_send(call, docker_network_body(work->run), network_made);
	}
}

void docker_start_actions(struct docker_work *work)
{
	docker_list_networks(work, network_listed);
}

#include "runners/docker_container.h"

#include <stdlib.h>
#include <string.h>
#include "base/digest.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/tar.h"
#include "base/vec.h"
#include "compiler/settings.h"
#include "doc/canon.h"
#include "doc/json.h"
#include "doc/path.h"
#include "runners/kfp_argv.h"
#include "runners/kfp_resources.h"

#define NANO 1e9

/* Reads the secrets' file, removes it, and becomes the rest of its arguments with the values in the
 * environment, from where kfp_bootstrap takes them. */
static const char secrets_bootstrap[] =
	"import json, os, sys\n"
	"path = '" DOCKER_SECRETS_FOLDER DOCKER_SECRETS_FILE "'\n"
	"with open(path) as file:\n"
	"    values = json.load(file)\n"
	"os.remove(path)\n"
	"os.execvpe(sys.argv[1], sys.argv[1:], dict(os.environ, **values))\n";

char *docker_container_name(const struct runner_run *run, const char *step, int attempt)
{
	return xasprintf("%s-%s-%d", run->run_id, step, attempt);
}

char *docker_network_name(const char *run_id)
{
	return xasprintf("%s_default", run_id);
}

/* --- labels --- */

static void label(json_t *labels, const char *name, const char *value)
{
	json_object_set_new(labels, name, json_string(value ? value : ""));
}

static json_t *run_labels(const struct runner_run *run)
{
	json_t *labels = json_object();

	label(labels, DOCKER_LABEL_PROJECT, run->run_id);
	label(labels, DOCKER_LABEL_RUN, run->name);
	label(labels, DOCKER_LABEL_UID, run->uid);
	label(labels, DOCKER_LABEL_NAMESPACE, run->namespace_);
	label(labels, DOCKER_LABEL_PIPELINE, run->pipeline);
	return labels;
}

static char *depends_on(const struct frozen_spec *spec, const struct spec_step *step)
{
	auto_strvec words = STRVEC_INIT;

	for (int i = 0; i < step->needs_len; i++)
		strvec_addf(&words, "%s:service_completed_successfully:false",
			spec->steps[step->needs[i]].name);
	return strvec_join(&words, ",");
}

/* Those five without which `docker compose` does not take it for its own, and what it depends on.
 */
static void compose_labels(const struct docker_container *what, const char *hash, json_t *labels)
{
	const struct frozen_spec *spec = what->run->spec;
	const struct spec_step *step = &spec->steps[what->step];
	auto_free char *number = xasprintf("%d", what->attempt);
	auto_free char *depends = depends_on(spec, step);

	label(labels, "com.docker.compose.service", step->name);
	label(labels, "com.docker.compose.container-number", number);
	label(labels, "com.docker.compose.oneoff", "False");
	label(labels, "com.docker.compose.config-hash", hash);
	label(labels, "com.docker.compose.project.config_files", "docker-compose.yml");
	label(labels, "com.docker.compose.project.working_dir", "/");
	label(labels, "com.docker.compose.depends_on", depends);
	label(labels, DOCKER_LABEL_STEP, step->name);
	label(labels, DOCKER_LABEL_ATTEMPT, number);
}

json_t *docker_network_body(const struct runner_run *run)
{
	auto_free char *name = docker_network_name(run->run_id);
	json_t *labels = run_labels(run);

	label(labels, "com.docker.compose.network", "default");
	return json_pack("{s:s, s:b, s:o}", "Name", name, "CheckDuplicate", 1, "Labels", labels);
}

const char *docker_network_id(const json_t *networks)
{
	const json_t *network, *oldest = NULL;
	size_t i;

	json_array_foreach (networks, i, network) {
		int order = oldest ? strcmp(doc_str_or(network, "Created", ""),
					     doc_str_or(oldest, "Created", ""))
				   : -1;

		if (order < 0 || (order == 0 && strcmp(doc_str_or(network, "Id", ""),
							doc_str_or(oldest, "Id", "")) < 0))
			oldest = network;
	}
	return doc_str(oldest, "Id");
}

/* --- the program --- */

static json_t *env_of(const json_t *container)
{
	json_t *env = json_pack("[s]", "DASK_DIAGNOSTICS_PORT=");
	const json_t *item;
	size_t i;

	json_array_foreach (json_object_get(container, "env"), i, item) {
		auto_free char *text = xasprintf(
			"%s=%s", doc_str_or(item, "name", ""), doc_str_or(item, "value", ""));

		json_array_append_new(env, json_string(text));
	}
	return env;
}

/* Entrypoint and Cmd; with secret arguments the program that fetches them comes first. */
static void put_program(const struct docker_container *what, json_t *body)
{
	const struct spec_step *step = &what->run->spec->steps[what->step];
	struct kfp_argv argv = {.spec = what->run->spec,
		.step = step,
		.run_id = what->run->run_id,
		.attempt = what->attempt,
		.input_manifest = what->input_manifest,
		.plain = true};
	auto_json *container = json_object();
	json_t *command, *words;

	kfp_argv_apply(&argv, container);
	command = json_incref(json_object_get(container, "command"));
	words = json_object_get(container, "args");
	if (step->secret_arguments) {
		json_t *all = json_copy(command);

		json_array_extend(all, words);
		json_object_set_new(body, "Cmd", all);
		json_decref(command);
		command = json_pack("[s, s, s]", "python3", "-c", secrets_bootstrap);
	} else {
		json_object_set(body, "Cmd", words);
	}
	json_object_set_new(body, "Entrypoint", command);
	json_object_set_new(body, "Env", env_of(container));
}

/* --- what it may use --- */

static json_t *binds_of(const struct docker_container *what)
{
	const char *directory = what->run->spec->working_directory;
	json_t *binds = json_array(), *volume;
	size_t i;

	if (directory[0] == '/')
		json_array_append_new(binds, json_sprintf("%s:%s", directory, directory));
	json_array_foreach (json_object_get(what->settings, "extraVolumes"), i, volume)
		json_array_append_new(
			binds, json_sprintf("%s:%s%s", doc_str_or(volume, "source", ""),
				       doc_str_or(volume, "target", ""),
				       doc_bool_or(volume, "readOnly", false) ? ":ro" : ""));
	return binds;
}

static void put_limits(const struct spec_step *step, json_t *host)
{
	const json_t *limits = doc_get(step->json, "resources.limits");
	const json_t *cpu = json_object_get(limits, "cpu"),
		     *memory = json_object_get(limits, "memory");
	const json_t *accelerator = json_object_get(step->json, "accelerator");

	if (cpu)
		json_object_set_new(
			host, "NanoCpus", json_integer((json_int_t)(kfp_quantity(cpu) * NANO)));
	if (memory)
		json_object_set_new(host, "Memory", json_integer((json_int_t)kfp_quantity(memory)));
	if (accelerator)
		json_object_set_new(host, "DeviceRequests",
			json_pack("[{s:s, s:I, s:[[s]]}]", "Driver", "nvidia", "Count",
				(json_int_t)doc_int_or(accelerator, "count", 1), "Capabilities",
				"gpu"));
}

/* What a step of ours runs, with what it may use. */
static json_t *step_body(const struct docker_container *what)
{
	const struct spec_step *step = &what->run->spec->steps[what->step];
	json_t *host = json_pack("{s:o}", "Binds", binds_of(what));
	json_t *body = json_pack("{s:s, s:o}", "Image", step->image, "HostConfig", host);

	put_limits(step, host);
	put_program(what, body);
	return body;
}

/* The run's, unless a native document says otherwise. */
static void put_network(const struct docker_container *what, json_t *body)
{
	json_t *host = json_object_get(body, "HostConfig");
	auto_free char *name = docker_network_name(what->run->run_id);
	const char *network = what->network ? what->network : name;

	if (json_object_get(host, "NetworkMode"))
		return;
	json_object_set_new(host, "NetworkMode", json_string(network));
	json_object_set_new(body, "NetworkingConfig",
		json_pack("{s:{s:{s:[s]}}}", "EndpointsConfig", network, "Aliases",
			what->run->spec->steps[what->step].name));
}

json_t *docker_container_body(const struct docker_container *what)
{
	const struct frozen_spec *spec = what->run->spec;
	json_t *body =
		spec->native ? json_deep_copy(spec->steps[what->step].json) : step_body(what);
	json_t *labels = run_labels(what->run);
	auto_free char *text = NULL;
	char hash[DIGEST_HEX_SIZE];

	json_object_set_new(json_object_get(body, "HostConfig"), "RestartPolicy",
		json_pack("{s:s}", "Name", "no"));
	put_network(what, body);
	text = canon_str(body, CANON_COMPACT);
	compose_labels(what, digest_sha256_hex(text, strlen(text), hash), labels);
	json_object_update_missing(labels, json_object_get(body, "Labels"));
	json_object_set_new(body, "Labels", labels);
	return body;
}

/* --- secrets --- */

/* {"FONDANT_SECRET_0": value}, in the order of kfp_argv's variables; new reference. */
static json_t *secret_values(const struct docker_container *what)
{
	const struct spec_step *step = &what->run->spec->steps[what->step];
	auto_strvec names = STRVEC_INIT;
	json_t *values = json_object();

	doc_sorted_keys(step->secret_arguments, &names);
	strvec_for_each (&names, i) {
		const json_t *from = json_object_get(step->secret_arguments, names.items[i]);
		auto_free char *key = xasprintf("%s/%s", doc_str_or(from, "secretKeyRef.name", ""),
			doc_str_or(from, "secretKeyRef.key", ""));
		auto_free char *variable = xasprintf(KFP_SECRET_VARIABLE "%zu", i);
		json_t *value = json_object_get(what->run->secrets, key);

		json_object_set(values, variable, value ? value : json_null());
	}
	return values;
}

/* One file that only its owner may read. */
char *docker_secrets_archive(const struct docker_container *what, size_t *ret_len)
{
	const struct spec_step *step = &what->run->spec->steps[what->step];
	struct tar_entry entry = {.type = TAR_FILE, .name = DOCKER_SECRETS_FILE, .mode = 0400};
	struct buf head = BUF_INIT;
	auto_json *values = NULL;
	char *text, *tar;
	size_t len;

	if (!step->secret_arguments)
		return NULL;
	values = secret_values(what);
	text = json_dumps(values, JSON_COMPACT);
	len = strlen(text);
	entry.size = len;
	tar_add_head(&entry, &head);
	*ret_len = head.len + len + tar_padding(len) + 2 * TAR_BLOCK;
	tar = xcalloc(*ret_len + 1, 1); /* at once: no copy of a secret is left behind */
	memcpy(tar, head.data, head.len);
	memcpy(tar + head.len, text, len);
	buf_free(&head);
	mem_free_secret(text);
	return tar;
}

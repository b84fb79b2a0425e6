#include "runners/docker_service.h"

#include <stdlib.h>
#include <string.h>
#include "base/image_ref.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/vec.h"
#include "doc/canon.h"
#include "doc/json.h"
#include "doc/path.h"
#include "runners/docker_limits.h"
#include "runners/docker_mounts.h"
#include "runners/docker_ports.h"
#include "runners/shell_words.h"

#define COMPLETED "service_completed_successfully"

static const char *const restart_words[] = {"no", NULL};
static const char *const pull_words[] = {"missing", "if_not_present", NULL};
static const char *const network_words[] = {"none", NULL};

static const struct check_field service_fields[] = {
	{.name = "image", .kind = CHECK_STRING, .required = true, .min = 1, .max = 512},
	{.name = "entrypoint", .kind = CHECK_ANY},
	{.name = "command", .kind = CHECK_ANY},
	{.name = "environment", .kind = CHECK_ANY},
	{.name = "depends_on", .kind = CHECK_ANY},
	{.name = "volumes", .kind = CHECK_ARRAY, .max = 64},
	{.name = "ports", .kind = CHECK_ARRAY, .max = 64},
	{.name = "labels", .kind = CHECK_ANY},
	{.name = "deploy", .kind = CHECK_OBJECT},
	{.name = "cpus", .kind = CHECK_ANY},
	{.name = "mem_limit", .kind = CHECK_ANY},
	{.name = "pids_limit", .kind = CHECK_ANY},
	{.name = "shm_size", .kind = CHECK_ANY},
	{.name = "working_dir", .kind = CHECK_STRING, .min = 1},
	{.name = "user", .kind = CHECK_ANY},
	{.name = "init", .kind = CHECK_BOOL},
	{.name = "restart", .kind = CHECK_WORD, .words = restart_words},
	{.name = "pull_policy", .kind = CHECK_WORD, .words = pull_words},
	{.name = "network_mode", .kind = CHECK_WORD, .words = network_words},
};

/* Of the specification, and not to be had here. */
static const struct {
	const char *name, *why;
} refused[] = {
	{"build", "an engine is given images here: build and push it, and name it with `image`"},
	{"env_file", "the file is not where the run is made: put the variables into `environment`"},
	{"container_name",
		"containers are named after the run, so that two runs fit on one engine; remove "
		"it"},
	{"healthcheck", "nothing waits for health here: a step waits for others to complete"},
	{"profiles", "every service of the document runs; remove it, or the service"},
	{"scale", "a step is one container; remove it"},
	{"networks", "the services of a run have one network of their own; remove it"},
};

/* Of the specification likewise, without more to say. */
static const char *const not_passed[] = {"annotations", "attach", "blkio_config", "cap_add",
	"cap_drop", "cgroup", "cgroup_parent", "configs", "cpu_count", "cpu_percent", "cpu_period",
	"cpu_quota", "cpu_rt_period", "cpu_rt_runtime", "cpu_shares", "cpuset", "credential_spec",
	"develop", "device_cgroup_rules", "devices", "dns", "dns_opt", "dns_search", "domainname",
	"expose", "extends", "external_links", "extra_hosts", "gpus", "group_add", "hostname",
	"ipc", "isolation", "links", "logging", "mac_address", "mem_reservation", "mem_swappiness",
	"memswap_limit", "oom_kill_disable", "oom_score_adj", "pid", "platform", "post_start",
	"pre_stop", "privileged", "provider", "read_only", "runtime", "secrets", "security_opt",
	"stdin_open", "stop_grace_period", "stop_signal", "storage_opt", "sysctls", "tmpfs", "tty",
	"ulimits", "userns_mode", "uts", "volumes_from", NULL};

static const char *why_refused(const char *key)
{
	for (size_t i = 0; i < array_size(refused); i++) {
		if (str_eq(refused[i].name, key))
			return refused[i].why;
	}
	for (size_t i = 0; not_passed[i]; i++) {
		if (str_eq(not_passed[i], key))
			return "this version gives a container nothing of the kind; remove it";
	}
	return NULL;
}

/* Without what is of no effect: null members and extensions, and what has been refused. */
static json_t *members_of(struct check *c, const json_t *service)
{
	json_t *members = json_object(), *value;
	const char *key;

	json_object_foreach ((json_t *)service, key, value) {
		const char *why = why_refused(key);

		if (json_is_null(value) || str_starts_with(key, "x-"))
			continue;
		if (why)
			check_error_at(c, key, "UnsupportedSetting", "%s", why);
		else
			json_object_set(members, key, value);
	}
	return members;
}

/* --- words --- */

/* A list of texts, or one text that is split as a shell would. New reference; NULL: not given, or
 * a finding. */
static json_t *words_of(struct check *c, const json_t *service, const char *key)
{
	const json_t *value = check_get(service, key), *word;
	auto_strvec words = STRVEC_INIT;
	json_t *list;
	size_t i;

	if (!value)
		return NULL;
	if (json_is_string(value) && !shell_words(json_string_value(value), &words)) {
		check_error_at(c, key, "InvalidValue",
			"a quote in it is not closed, or a backslash ends it; write a list");
		return NULL;
	}
	if (!json_is_string(value) && !json_is_array(value)) {
		check_error_at(c, key, "InvalidType", "must be a list of texts or a text, not %s",
			check_kind_of(value));
		return NULL;
	}
	list = json_array();
	strvec_for_each (&words, k)
		json_array_append_new(list, json_string(words.items[k]));
	json_array_foreach (value, i, word) {
		if (json_is_string(word))
			json_array_append(list, (json_t *)word);
		else
			check_error_at(c, key, "InvalidType",
				"[%zu] must be a text, not %s; quote it", i, check_kind_of(word));
	}
	return list;
}

/* A text or number of a map as text. Owned; NULL with a finding. A boolean is refused: what YAML
 * 1.1 calls true, others call "yes". */
static char *text_of(struct check *c, const char *key, const json_t *value)
{
	if (json_is_null(value))
		return xstrdup("");
	if (json_is_string(value))
		return xstrdup(json_string_value(value));
	if (json_is_number(value))
		return canon_str(value, CANON_COMPACT);
	check_error_at(
		c, key, "InvalidType", "must be a text, not %s; quote it", check_kind_of(value));
	return NULL;
}

/* A map, or a list of "name=value", as a map of texts. New reference. bare: what a name without a
 * value means; NULL: it is a finding. */
static json_t *pairs_of(struct check *c, const json_t *service, const char *key, const char *bare)
{
	json_t *value = check_get(service, key), *pairs = json_object(), *item;
	size_t mark = where_key(&c->w, key), i;
	const char *name;

	if (value && !json_is_object(value) && !json_is_array(value))
		check_error(c, "InvalidType", "must be a map or a list of name=value, not %s",
			check_kind_of(value));
	json_object_foreach (value, name, item) {
		auto_free char *text = NULL;

		if (json_is_null(item) && !bare)
			check_error_at(c, name, "Required",
				"needs a value: there is no shell that it could come from");
		else if ((text = text_of(c, name, item)))
			json_object_set_new(pairs, name, json_string(text));
	}
	json_array_foreach (value, i, item) {
		const char *text = json_string_value(item),
			   *equals = text ? strchr(text, '=') : NULL;
		auto_free char *own = NULL;

		if (!text || equals == text || (!equals && !bare)) {
			check_error(c, "InvalidValue", "[%zu] must be a text name=value", i);
			continue;
		}
		own = equals ? xstrndup(text, (size_t)(equals - text)) : xstrdup(text);
		json_object_set_new(pairs, own, json_string(equals ? equals + 1 : bare));
	}
	where_back(&c->w, mark);
	return pairs;
}

static json_t *environment_of(struct check *c, const json_t *service)
{
	auto_json *pairs = pairs_of(c, service, "environment", NULL);
	json_t *list = json_array(), *value;
	const char *name;

	json_object_foreach (pairs, name, value)
		json_array_append_new(list, json_sprintf("%s=%s", name, json_string_value(value)));
	return list;
}

static json_t *labels_of(struct check *c, const json_t *service)
{
	json_t *labels = pairs_of(c, service, "labels", ""), *value;
	size_t mark = where_key(&c->w, "labels");
	const char *name;

	json_object_foreach (labels, name, value) {
		if (str_starts_with(name, "fondant.ai/") ||
			str_starts_with(name, "com.docker.compose."))
			check_error_at(c, name, "InvalidValue",
				"labels of this beginning are the operator's; remove it");
	}
	where_back(&c->w, mark);
	return labels;
}

/* --- the rest --- */

static void put_user(struct check *c, const json_t *service, json_t *body)
{
	const json_t *user = check_get(service, "user");
	auto_free char *text = user ? text_of(c, "user", user) : NULL;

	if (text)
		json_object_set_new(body, "User", json_string(text));
}

static void check_image(struct check *c, const json_t *service)
{
	const char *image = doc_str_or(service, "image", "");
	const char *problem = *image ? image_ref_problem(image) : NULL;

	if (problem)
		check_error_at(c, "image", "InvalidImage",
			"`%.200s` is not the name of an image: %s", image, problem);
}

json_t *docker_service_body(struct check *c, const json_t *service, const json_t *volumes)
{
	auto_json *own = members_of(c, service);
	json_t *host = json_object(), *body = json_object(), *words;

	check_object(c, own, service_fields, array_size(service_fields));
	check_image(c, own);
	json_object_set(body, "Image", json_object_get(own, "image"));
	words = words_of(c, own, "entrypoint");
	json_object_set_new(body, "Entrypoint", words ? words : json_null());
	words = words_of(c, own, "command");
	json_object_set_new(body, "Cmd", words ? words : json_null());
	json_object_set_new(body, "Env", environment_of(c, own));
	json_object_set_new(body, "Labels", labels_of(c, own));
	if (json_is_string(check_get(own, "working_dir")))
		json_object_set(body, "WorkingDir", check_get(own, "working_dir"));
	put_user(c, own, body);
	docker_limits_put(c, own, host);
	docker_mounts_put(c, check_get(own, "volumes"), volumes, host);
	if (json_is_true(check_get(own, "init")))
		json_object_set_new(host, "Init", json_true());
	if (check_get(own, "network_mode"))
		json_object_set(host, "NetworkMode", check_get(own, "network_mode"));
	docker_ports_put(c, check_get(own, "ports"), body, host);
	json_object_set_new(body, "HostConfig", host);
	return body;
}

void docker_service_needs(struct check *c, const json_t *service, struct strvec *ret_names)
{
	static const char *const conditions[] = {COMPLETED, NULL};
	static const struct check_field fields[] = {
		{.name = "condition", .kind = CHECK_WORD, .required = true, .words = conditions},
		{.name = "required", .kind = CHECK_BOOL},
		{.name = "restart", .kind = CHECK_BOOL},
	};
	json_t *needs = check_get(service, "depends_on"), *need;
	size_t mark = where_key(&c->w, "depends_on"), inner;
	const char *name;

	if (needs && !json_is_object(needs))
		check_error(c, "UnsupportedSetting",
			"a step begins when those before it have completed: write each as a map, "
			"`name: {condition: " COMPLETED "}`");
	json_object_foreach (needs, name, need) {
		inner = where_key(&c->w, name);
		check_object(c, need, fields, array_size(fields));
		if (json_is_false(check_get(need, "required")))
			check_error_at(c, "required", "UnsupportedSetting",
				"a step waits for all that it depends on; remove it");
		strvec_add(ret_names, name);
		where_back(&c->w, inner);
	}
	where_back(&c->w, mark);
}

#include "compiler/validate.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "compiler/args.h"
#include "compiler/freeze.h"
#include "compiler/native.h"
#include "compiler/params.h"
#include "compiler/refs.h"
#include "compiler/settings.h"
#include "compiler/volumes.h"

#define MAX_PIPELINE_NAME 40
#define MAX_DIRECTORY 1024
#define MAX_ENV_VALUE 32768

static const char *const digest_words[] = {"IfAvailable", "Required", "Ignore", NULL};
static const char *const concurrency_words[] = {"Queue", "Forbid", NULL};
static const char *const concurrency_later[] = {"Allow", "Replace", NULL};
static const char *const failure_words[] = {"FailFast", "FinishBranches", NULL};
static const char *const deletion_words[] = {"Cancel", "Orphan", NULL};
static const char *const change_words[] = {"Spec", "SpecAndComponents", "Never", NULL};

static const struct check_field spec_fields[] = {
	{.name = "description", .kind = CHECK_STRING, .max = 16384},
	{.name = "datasetName", .kind = CHECK_STRING, .min = 1, .max = 63},
	{.name = "workingDirectory", .kind = CHECK_STRING, .min = 1, .max = MAX_DIRECTORY},
	{.name = "backendRef", .kind = CHECK_OBJECT},
	{.name = "imageDigestPolicy", .kind = CHECK_WORD, .words = digest_words},
	{.name = "parameters", .kind = CHECK_ARRAY, .max = 100},
	{.name = "triggers", .kind = CHECK_OBJECT},
	{.name = "concurrencyPolicy",
		.kind = CHECK_WORD,
		.words = concurrency_words,
		.later = concurrency_later},
	{.name = "failurePolicy",
		.kind = CHECK_WORD,
		.words = failure_words,
		.feature = BACKEND_PARALLEL_LIMIT},
	{.name = "suspend", .kind = CHECK_BOOL},
	{.name = "timeout", .kind = CHECK_DURATION, .min = 1, .feature = BACKEND_TIMEOUT},
	{.name = "maxParallelSteps",
		.kind = CHECK_INT,
		.min = 1,
		.max = COMPILE_MAX_STEPS,
		.feature = BACKEND_PARALLEL_LIMIT},
	{.name = "successfulRunsHistoryLimit", .kind = CHECK_INT, .max = 1000},
	{.name = "failedRunsHistoryLimit", .kind = CHECK_INT, .max = 1000},
	{.name = "deletionPolicy", .kind = CHECK_WORD, .words = deletion_words},
	{.name = "serviceAccountName",
		.kind = CHECK_STRING,
		.min = 1,
		.max = 253,
		.feature = BACKEND_POD_TEMPLATE},
	{.name = "podTemplate", .kind = CHECK_OBJECT, .feature = BACKEND_POD_TEMPLATE},
	{.name = "steps", .kind = CHECK_ARRAY},
	{.name = "native", .kind = CHECK_OBJECT},
};

static const struct check_field name_fields[] = {
	{.name = "name", .kind = CHECK_STRING, .required = true, .min = 1, .max = 253},
};

static const struct check_field trigger_fields[] = {
	{.name = "onChange", .kind = CHECK_WORD, .words = change_words},
	{.name = "schedule", .kind = CHECK_LATER},
	{.name = "rerunToken", .kind = CHECK_STRING, .max = 253},
};

static const struct check_field step_fields[STEP_MEMBERS] = {
	[STEP_NAME] = {.name = "name", .kind = CHECK_STRING, .required = true, .min = 1},
	[STEP_COMPONENT] = {.name = "component", .kind = CHECK_OBJECT, .required = true},
	[STEP_FROM] = {.name = "from", .kind = CHECK_ARRAY, .max = 32},
	[STEP_DEPENDS_ON] = {.name = "dependsOn", .kind = CHECK_ARRAY, .max = 32},
	[STEP_FROM_MANIFEST] = {.name = "fromManifest",
		.kind = CHECK_STRING,
		.min = 1,
		.max = MAX_DIRECTORY},
	[STEP_ARGUMENTS] = {.name = "arguments", .kind = CHECK_OBJECT, .max = 256},
	[STEP_SECRET_ARGUMENTS] = {.name = "secretArguments", .kind = CHECK_OBJECT, .max = 64},
	[STEP_CONSUMES] = {.name = "consumes", .kind = CHECK_OBJECT, .max = 512},
	[STEP_PRODUCES] = {.name = "produces", .kind = CHECK_OBJECT, .max = 512},
	[STEP_INPUT_PARTITION_ROWS] = {.name = "inputPartitionRows", .kind = CHECK_INT, .min = 1},
	[STEP_ENV] = {.name = "env", .kind = CHECK_ARRAY, .max = 64, .feature = BACKEND_ENV},
	[STEP_RESOURCES] = {.name = "resources",
		.kind = CHECK_OBJECT,
		.feature = BACKEND_RESOURCES},
	[STEP_ACCELERATOR] = {.name = "accelerator",
		.kind = CHECK_OBJECT,
		.feature = BACKEND_ACCELERATOR},
	[STEP_INSTANCE_TYPE] = {.name = "instanceType",
		.kind = CHECK_STRING,
		.min = 1,
		.max = 253,
		.feature = BACKEND_INSTANCE_TYPE},
	[STEP_RETRY] = {.name = "retry", .kind = CHECK_OBJECT, .feature = BACKEND_RETRY},
	[STEP_TIMEOUT] = {.name = "timeout",
		.kind = CHECK_DURATION,
		.min = 1,
		.feature = BACKEND_TIMEOUT},
	[STEP_PENDING_TIMEOUT] = {.name = "pendingTimeout",
		.kind = CHECK_DURATION,
		.min = 1,
		.feature = BACKEND_TIMEOUT},
	[STEP_CACHE] = {.name = "cache", .kind = CHECK_OBJECT},
	[STEP_POD_TEMPLATE] = {.name = "podTemplate",
		.kind = CHECK_OBJECT,
		.feature = BACKEND_POD_TEMPLATE},
};

static const struct check_field component_kinds[] = {
	{.name = "ref", .kind = CHECK_OBJECT},
	{.name = "spec", .kind = CHECK_OBJECT},
	{.name = "catalog", .kind = CHECK_OBJECT},
	{.name = "python", .kind = CHECK_OBJECT, .feature = BACKEND_PYTHON},
};

/* One path segment: [A-Za-z0-9][A-Za-z0-9_.-]{0,62}. */
static bool is_segment(const char *s)
{
	size_t len = strlen(s);

	return len >= 1 && len <= 63 && s[0] != '_' && s[0] != '.' && s[0] != '-' &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") ==
		       len;
}

/* Length of "scheme://" at the start; 0 when there is none. */
static size_t scheme_length(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789+.-");

	return n && *s >= 'a' && *s <= 'z' && strncmp(s + n, "://", 3) == 0 ? n + 3 : 0;
}

static bool has_bad_segment(const char *path)
{
	while (*path) {
		size_t n = strcspn(path, "/");

		if (n == 0 || (n == 1 && path[0] == '.') ||
			(n == 2 && path[0] == '.' && path[1] == '.'))
			return true;
		path += n + (path[n] == '/');
	}
	return false;
}

char *validate_normal_directory(const char *directory, const char **ret_why)
{
	size_t scheme = scheme_length(directory), len = strlen(directory);
	size_t start = scheme ? scheme : 1;
	auto_free char *normal = NULL;

	*ret_why = NULL;
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)directory[i] < 0x20 || directory[i] == 0x7f)
			*ret_why = "it holds control characters";
	}
	while (len > start && directory[len - 1] == '/')
		len--;
	normal = xstrndup(directory, len);
	if (!scheme && directory[0] != '/')
		*ret_why =
			"give a URI such as s3://bucket/folder, or an absolute path on a mounted "
			"volume";
	else if (len > MAX_DIRECTORY)
		*ret_why = "it has more than 1024 bytes";
	else if (str_starts_with(directory, "file://"))
		*ret_why = "write a local path without file://";
	else if (len <= start)
		*ret_why = "it names no folder";
	else if (has_bad_segment(normal + start))
		*ret_why = "it has an empty, `.` or `..` segment";
	return *ret_why ? NULL : take_ptr(normal);
}

static void validate_names(struct compiler *m)
{
	const char *name = m->in->pipeline ? m->in->pipeline : "";
	const char *dataset = model_string(m->in->spec, "datasetName");
	const char *account = model_string(m->in->spec, "serviceAccountName");

	where_init(&m->c.w, "metadata.name");
	if (!str_is_dns_label(name) || strlen(name) > MAX_PIPELINE_NAME)
		check_error(&m->c, "InvalidName",
			"a pipeline's name has at most %d lower-case letters, digits and -, "
			"beginning and ending with a letter or digit",
			MAX_PIPELINE_NAME);
	where_init(&m->c.w, "metadata.namespace");
	if (!str_is_dns_label(m->in->namespace_))
		check_error(&m->c, "InvalidName",
			"is not the name of a namespace: those have lower-case letters, digits and "
			"-");
	where_init(&m->c.w, "spec");
	if (dataset && *dataset && strlen(dataset) <= 63 && !is_segment(dataset))
		check_error_at(&m->c, "datasetName", "InvalidName",
			"must be letters, digits, _, . and -, beginning with a letter or digit");
	m->dataset_name = dataset ? dataset : name;
	if (account && *account && !settings_is_dns_subdomain(account))
		check_error_at(&m->c, "serviceAccountName", "InvalidName",
			"`%.80s` is not the name of a ServiceAccount: those have lower-case "
			"letters, digits, - and .",
			account);
}

static void validate_directory(struct compiler *m)
{
	const json_t *own = check_get(m->in->spec, "workingDirectory");
	const char *directory = own ? json_string_value(own) : m->in->working_directory;
	const char *why;

	where_init(&m->c.w, "spec");
	if (own && (!directory || !*directory || json_string_length(own) > MAX_DIRECTORY))
		return; /* said by the table */
	if (!directory || !*directory) {
		check_error_at(&m->c, "workingDirectory", "NoWorkingDirectory",
			"there is no place for data: set spec.workingDirectory, or "
			"workingDirectory of "
			"the FondantBackend, to a URI such as s3://bucket/folder or to a path on a "
			"mounted volume");
		return;
	}
	m->working_directory = validate_normal_directory(directory, &why);
	if (!m->working_directory)
		check_error_at(&m->c, "workingDirectory", "InvalidValue",
			"`%.100s` cannot be used: %s", directory, why);
	else if (m->working_directory[0] == '/' && !(m->c.features & BACKEND_LOCAL_PATHS))
		check_error_at(&m->c, "workingDirectory", "UnsupportedSetting",
			"backend `%.63s` cannot reach a local path; give a URI", m->c.backend);
}

static void check_setting(struct compiler *m, const json_t *value, const char *key,
	void (*check)(struct check *c, const json_t *value))
{
	size_t mark;

	if (!json_is_object(value))
		return; /* another kind is said by the table */
	mark = where_key(&m->c.w, key);
	check(&m->c, value);
	where_back(&m->c.w, mark);
}

static void validate_component_choice(struct compiler *m, const struct step_model *s)
{
	const json_t *component = s->given[STEP_COMPONENT];
	size_t mark = where_key(&m->c.w, "component");
	json_t *choices[array_size(component_kinds)] = {0};
	int given = 0;

	if (json_is_object(component)) {
		check_members(
			&m->c, component, component_kinds, array_size(component_kinds), choices);
		for (size_t i = 0; i < array_size(component_kinds); i++)
			given += choices[i] != NULL;
		if (given != 1)
			check_error(&m->c, "InvalidValue",
				"give exactly one of ref, catalog, spec and python");
	}
	where_back(&m->c.w, mark);
}

static void validate_name(struct compiler *m, struct step_model *s)
{
	const char *name = json_string_value(s->given[STEP_NAME]);

	if (!name || !*name)
		return; /* said by the table */
	if (!str_is_dns_label(name)) {
		check_error_at(&m->c, "name", "InvalidName",
			"a step's name has at most 63 lower-case letters, digits and -, beginning "
			"and ending with a letter or digit");
		return;
	}
	if (map_has(&m->by_name, name)) {
		check_error_at(&m->c, "name", "DuplicateName",
			"there are two steps called `%s`; their folders would be the same", name);
		return;
	}
	s->name = name;
	map_set(&m->by_name, name, s);
}

/* The value with its parameters replaced; new reference, NULL with a finding. */
static json_t *read_argument(struct compiler *m, const char *name, json_t *value)
{
	size_t mark = where_key(&m->c.w, name), before = diag_errors(m->c.diags);
	json_t *new = NULL;

	if (check_depth(&m->c, value)) {
		new = refs_substitute(m->refs, &m->c, value, false);
		if (new != value)
			check_depth(&m->c, new);
	}
	if (diag_errors(m->c.diags) > before) {
		json_decref(new);
		new = NULL;
	}
	where_back(&m->c.w, mark);
	return new;
}

/* In s->arguments, which is the user's own tree until something in it changes; value NULL: none. */
static void set_argument(struct step_model *s, json_t *written, const char *name, json_t *value)
{
	if (value && json_object_get(s->arguments, name) == value)
		return;
	if (s->arguments == written) {
		json_decref(written);
		s->arguments = json_copy(written);
	}
	if (value)
		json_object_set_nocheck(s->arguments, name, value);
	else
		json_object_del(s->arguments, name);
}

/* Nulls dropped, parameters replaced, and what is wrong already left out. */
static void read_arguments(struct compiler *m, struct step_model *s)
{
	json_t *arguments = s->given[STEP_ARGUMENTS];
	size_t mark = where_key(&m->c.w, "arguments");
	const char *name;
	json_t *value;

	if (json_is_object(arguments))
		s->arguments = json_incref(arguments);
	json_object_foreach (arguments, name, value) {
		json_t *new = NULL;

		if (json_is_object(value) || json_is_array(value) || refs_any(value))
			new = read_argument(m, name, value);
		else if (!json_is_null(value))
			new = json_incref(value);
		set_argument(s, arguments, name, new);
		json_decref(new);
	}
	where_back(&m->c.w, mark);
}

/* The item with its value replaced; new reference. */
static json_t *read_variable(struct compiler *m, json_t *item)
{
	json_t *value = check_get(item, "value"), *new, *out;
	size_t mark;

	if (!json_is_string(value))
		return json_incref(item);
	mark = where_key(&m->c.w, "value");
	new = refs_substitute(m->refs, &m->c, value, true);
	if (new != value && json_string_length(new) > MAX_ENV_VALUE)
		check_error(&m->c, "TooLong",
			"has %zu bytes with its parameters; at most %d are allowed",
			json_string_length(new), MAX_ENV_VALUE);
	where_back(&m->c.w, mark);
	if (new == value) {
		json_decref(new);
		return json_incref(item);
	}
	out = json_copy(item);
	json_object_set_new_nocheck(out, "value", new);
	return out;
}

static int compare_names(const void *a, const void *b)
{
	const char *x = model_string(*(json_t *const *)a, "name");
	const char *y = model_string(*(json_t *const *)b, "name");

	return strcmp(x ? x : "", y ? y : "");
}

/* By name, and names are unique: their order means nothing. */
static void sort_env(struct step_model *s)
{
	size_t n = json_array_size(s->env), i;
	auto_free json_t **items = xcalloc(n + 1, sizeof(json_t *));
	json_t *sorted = json_array(), *item;

	json_array_foreach (s->env, i, item)
		items[i] = item;
	qsort(items, n, sizeof(*items), compare_names);
	for (i = 0; i < n; i++)
		json_array_append(sorted, items[i]);
	json_decref(s->env);
	s->env = sorted;
}

static void read_env(struct compiler *m, struct step_model *s)
{
	const json_t *env = s->given[STEP_ENV];
	size_t mark = where_key(&m->c.w, "env"), i;
	json_t *plain, *item;

	if (json_is_array(env)) {
		settings_check_env(&m->c, env);
		plain = check_strip_nulls(env);
		s->env = json_array();
		json_array_foreach (plain, i, item) {
			size_t inner = where_index(&m->c.w, i);

			json_array_append_new(s->env, read_variable(m, item));
			where_back(&m->c.w, inner);
		}
		sort_env(s);
		json_decref(plain);
	}
	where_back(&m->c.w, mark);
}

/* What is wrong with the path of a manifest, NULL: nothing. */
static const char *manifest_fault(const char *path)
{
	auto_free char *normal = NULL;
	const char *why, *slash = strrchr(path, '/');

	if (*path && path[strlen(path) - 1] == '/')
		return "it names a folder; name the manifest in it, as in "
		       "s3://bucket/run/step/manifest.json";
	if (!scheme_length(path) && path[0] != '/')
		return "give the URI of a manifest file, such as s3://bucket/folder/manifest.json, "
		       "or its absolute path on a mounted volume";
	normal = validate_normal_directory(path, &why);
	if (!normal)
		return why;
	if (slash < path + scheme_length(path) || !strchr(slash, '.'))
		return "it does not end in the name of a file, as in "
		       "s3://bucket/run/step/manifest.json";
	return NULL;
}

/* One that still waits for a parameter is looked at when the run brings it. */
static void read_manifest(struct compiler *m, struct step_model *s)
{
	json_t *value = s->given[STEP_FROM_MANIFEST], *new;
	const struct refs_run any = {.name = "run"};
	size_t mark = where_key(&m->c.w, "fromManifest"), before = diag_errors(m->c.diags);
	auto_free char *path = NULL;
	const char *why;

	if (json_is_string(value) && json_string_length(value) &&
		json_string_length(value) <= MAX_DIRECTORY) {
		new = refs_substitute(m->refs, &m->c, value, true);
		s->from_manifest = xstrdup(json_string_value(new));
		json_decref(new);
		path = refs_expand_text(s->from_manifest, &any);
		why = strstr(path, "$(") ? NULL : manifest_fault(path);
		if (why && diag_errors(m->c.diags) == before)
			check_error(
				&m->c, "InvalidValue", "`%.100s` cannot be used: %s", path, why);
		else if (path[0] == '/' && !(m->c.features & BACKEND_LOCAL_PATHS))
			check_error(&m->c, "UnsupportedSetting",
				"backend `%.63s` cannot reach a local path; give a URI",
				m->c.backend);
	}
	where_back(&m->c.w, mark);
}

static void read_secret_arguments(struct compiler *m, struct step_model *s)
{
	const json_t *secret = s->given[STEP_SECRET_ARGUMENTS];
	size_t mark = where_key(&m->c.w, "secretArguments");

	if (json_object_size(secret) && !(m->c.features & BACKEND_SECRET_ARGUMENTS))
		check_error(&m->c, "UnsupportedSecretArgument",
			"backend `%.63s` could only pass them as plain text; choose another "
			"backend, or let the component read the value itself",
			m->c.backend);
	else if (json_object_size(secret)) {
		settings_check_secret_arguments(&m->c, secret);
		s->secret_arguments = check_strip_nulls(secret);
	}
	where_back(&m->c.w, mark);
}

/* Everything in which references work. */
static void read_given(struct compiler *m, struct step_model *s)
{
	m->refs->uses_run = false;
	read_arguments(m, s);
	read_env(m, s);
	read_manifest(m, s);
	read_secret_arguments(m, s);
	s->uses_run = m->refs->uses_run;
}

static void validate_arguments(struct compiler *m, struct step_model *s)
{
	const json_t *arguments = s->given[STEP_ARGUMENTS];
	struct args_given given = {.written = arguments,
		.values = s->arguments,
		.secret = s->given[STEP_SECRET_ARGUMENTS],
		.refs = m->refs};

	if (s->component && (!arguments || json_is_object(arguments)))
		args_check(&m->c, json_object_get(s->component->normal, "args"), &given);
}

static void validate_accelerator(struct compiler *m, const struct step_model *s)
{
	const json_t *accelerator = s->given[STEP_ACCELERATOR];
	const json_t *resources = s->given[STEP_RESOURCES];
	const char *resource;

	check_setting(m, s->given[STEP_ACCELERATOR], "accelerator", settings_check_accelerator);
	resource = settings_accelerator_resource(json_string_value(check_get(accelerator, "type")));
	if (resource && (check_get(check_get(resources, "limits"), resource) ||
				check_get(check_get(resources, "requests"), resource)))
		check_error_at(&m->c, "accelerator", "Duplicate",
			"`resources` gives %.80s too; give it in one of the two", resource);
}

static void validate_instance_type(struct compiler *m, const struct step_model *s)
{
	const char *type = json_string_value(s->given[STEP_INSTANCE_TYPE]);

	if (type && *type && !settings_is_label_value(type))
		check_error_at(&m->c, "instanceType", "InvalidValue",
			"`%.80s` is not the name of a kind of machine: at most 63 letters, digits, "
			"-, _ and .",
			type);
}

/* Members of the current place in which references are errors, but for those in skip. */
static void forbid_members(struct compiler *m, const json_t *object, const char *const *skip)
{
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)object, key, value) {
		size_t mark, i = 0;

		while (skip[i] && strcmp(skip[i], key) != 0)
			i++;
		if (skip[i])
			continue;
		mark = where_key(&m->c.w, key);
		refs_forbid(&m->c, value, strcmp(key, "podTemplate") == 0);
		where_back(&m->c.w, mark);
	}
}

/* Prose and programs may say what they like. */
static void forbid_in_component(struct compiler *m, const json_t *component)
{
	static const char *const kind_skip[] = {"spec", "python", NULL};
	static const char *const skip[] = {"description", "args", "source", NULL};
	static const char *const arg_skip[] = {"description", NULL};
	size_t mark = where_key(&m->c.w, "component");

	forbid_members(m, component, kind_skip);
	for (size_t i = 0; kind_skip[i]; i++) {
		const json_t *kind = json_object_get(component, kind_skip[i]);
		size_t inner = where_key(&m->c.w, kind_skip[i]), at;
		const char *name;
		json_t *arg;

		forbid_members(m, kind, skip);
		at = where_key(&m->c.w, "args");
		json_object_foreach (json_object_get(kind, "args"), name, arg) {
			size_t here = where_key(&m->c.w, name);

			forbid_members(m, arg, arg_skip);
			where_back(&m->c.w, here);
		}
		where_back(&m->c.w, at);
		where_back(&m->c.w, inner);
	}
	where_back(&m->c.w, mark);
}

/* Whether there can be a reference outside `arguments`. Of most components the canonical text is
 * at hand, which is searched many times faster than the tree. */
static bool may_refer(const struct step_model *s)
{
	const json_t *choice = s->given[STEP_COMPONENT];
	const struct component_info *info = s->component;
	bool is_text = info && json_object_size(choice) == 1 &&
		       json_object_get(choice, "spec") == info->normal;
	const char *key;
	json_t *value;

	if (is_text && memchr(info->text, '$', info->text_len))
		return true;
	json_object_foreach ((json_t *)s->json, key, value) {
		if (strcmp(key, "arguments") == 0 || (is_text && strcmp(key, "component") == 0))
			continue;
		if (refs_any(value))
			return true;
	}
	return false;
}

static void forbid_in_step(struct compiler *m, const struct step_model *s)
{
	const json_t *step = s->json;
	static const char *const skip[] = {"arguments", "env", "fromManifest", "component", NULL};
	static const char *const value_skip[] = {"value", NULL};
	size_t mark, i;
	json_t *item;

	if (!may_refer(s))
		return;
	forbid_members(m, step, skip);
	forbid_in_component(m, s->given[STEP_COMPONENT]);
	mark = where_key(&m->c.w, "env");
	json_array_foreach (s->given[STEP_ENV], i, item) {
		size_t inner = where_index(&m->c.w, i);

		forbid_members(m, item, value_skip);
		where_back(&m->c.w, inner);
	}
	where_back(&m->c.w, mark);
}

static void validate_step(struct compiler *m, struct step_model *s)
{
	const json_t *step = s->json;
	size_t mark;

	if (!check_members(&m->c, step, step_fields, array_size(step_fields), s->given) &&
		!json_is_object(step))
		return;
	validate_name(m, s);
	read_given(m, s);
	validate_component_choice(m, s);
	model_resolve_component(m, s);
	validate_arguments(m, s);
	check_setting(m, s->given[STEP_RESOURCES], "resources", settings_check_resources);
	validate_accelerator(m, s);
	validate_instance_type(m, s);
	check_setting(m, s->given[STEP_RETRY], "retry", settings_check_retry);
	check_setting(m, s->given[STEP_CACHE], "cache", settings_check_cache);
	check_setting(m, s->given[STEP_POD_TEMPLATE], "podTemplate", settings_check_pod_template);
	forbid_in_step(m, s);
	if (s->component && s->component->loader && s->given[STEP_INPUT_PARTITION_ROWS]) {
		mark = where_key(&m->c.w, "inputPartitionRows");
		diag_add_warning(m->c.diags, m->c.w.text, "NoEffect",
			"the component reads no dataset, so there are no partitions to set");
		where_back(&m->c.w, mark);
	}
}

static bool says_order(const json_t *step)
{
	const json_t *manifest = check_get(step, "fromManifest");

	return json_array_size(json_object_get(step, "from")) ||
	       json_array_size(json_object_get(step, "dependsOn")) || manifest;
}

static void validate_steps(struct compiler *m)
{
	const json_t *steps = check_get(m->in->spec, "steps");
	bool native = check_get(m->in->spec, "native") != NULL;
	size_t most = m->in->max_steps ? (size_t)m->in->max_steps : COMPILE_MAX_STEPS;
	size_t n = json_array_size(steps);

	where_init(&m->c.w, "spec.steps");
	if (!steps && !native)
		check_error(&m->c, "Required", "a pipeline needs steps, or `native`");
	else if (json_is_array(steps) && !n && !native)
		check_error(&m->c, "Required", "a pipeline needs at least one step");
	if (n > most) {
		check_error(&m->c, "TooMany", "has %zu entries; at most %zu are allowed", n, most);
		return; /* nothing below is worth the work */
	}
	m->steps = xcalloc(n + 1, sizeof(*m->steps));
	m->steps_len = (int)n;
	for (size_t i = 0; i < n; i++) {
		struct step_model *s = &m->steps[i];

		s->json = json_array_get(steps, i);
		s->index = (int)i;
		m->explicit_graph = m->explicit_graph || says_order(s->json);
		model_at_step(m, s);
		validate_step(m, s);
	}
}

static void validate_top(struct compiler *m)
{
	static const char *const skip[] = {"description", "parameters", "steps", "native", NULL};
	const json_t *spec = m->in->spec;
	const json_t *triggers = check_get(spec, "triggers");
	const json_t *backend = check_get(spec, "backendRef");

	where_init(&m->c.w, "spec");
	if (!json_is_object(spec)) {
		check_error(&m->c, "InvalidType", "must be a map, not %s",
			spec ? check_kind_of(spec) : "nothing");
		return;
	}
	check_object(&m->c, spec, spec_fields, array_size(spec_fields));
	if (json_is_object(backend)) {
		where_init(&m->c.w, "spec.backendRef");
		check_object(&m->c, backend, name_fields, array_size(name_fields));
	}
	if (json_is_object(triggers)) {
		where_init(&m->c.w, "spec.triggers");
		check_object(&m->c, triggers, trigger_fields, array_size(trigger_fields));
		where_init(&m->c.w, "spec");
	}
	check_setting(
		m, check_get(spec, "podTemplate"), "podTemplate", settings_check_pod_template);
	forbid_members(m, spec, skip);
	validate_names(m);
	if (!check_get(spec, "native"))
		validate_directory(m);
	params_read(m, m->refs);
	validate_steps(m);
	native_validate(m);
}

void validate_spec(struct compiler *m)
{
	struct refs refs;

	refs_init(&refs, compile_max_text(m->in));
	m->refs = &refs;
	validate_top(m);
	m->refs = NULL;
	refs_clear(&refs);
}

/* A mount of container `main`, by the pipeline's template or the step's, holds the path. */
static bool mounts_path(
	const struct compiler *m, const struct step_model *s, const char *path, bool writable)
{
	return settings_mounts_path(check_get(m->in->spec, "podTemplate"), path, writable) ||
	       settings_mounts_path(s->given[STEP_POD_TEMPLATE], path, writable);
}

static void validate_manifest_mount(struct compiler *m, const struct step_model *s)
{
	const struct refs_run any = {.name = "run"};
	auto_free char *path = NULL;

	if (!s->from_manifest || s->from_manifest[0] != '/' ||
		!(m->c.features & BACKEND_LOCAL_PATHS))
		return;
	path = refs_expand_text(s->from_manifest, &any);
	if (mounts_path(m, s, path, false))
		return;
	model_at_step(m, s);
	check_error_at(&m->c, "fromManifest", "ManifestNotMounted",
		"`%.100s` is a local path, and the step has no volume there: add the volume and "
		"its mount to podTemplate, or use a URI",
		path);
}

void validate_mounts(struct compiler *m)
{
	const char *directory = m->working_directory;

	if (!(m->c.features & BACKEND_POD_TEMPLATE))
		return; /* no podTemplate could say so */
	volumes_check_found(m);
	for (int i = 0; i < m->steps_len; i++)
		validate_manifest_mount(m, &m->steps[i]);
	if (!directory || directory[0] != '/')
		return;
	for (int i = 0; i < m->steps_len; i++) {
		const struct step_model *s = &m->steps[i];

		if (mounts_path(m, s, directory, true))
			continue;
		where_init(&m->c.w, "spec.workingDirectory");
		check_error(&m->c, "WorkingDirectoryNotMounted",
			"`%.100s` is a local path, and step `%s` has no writable volume there: add "
			"the volume to spec.podTemplate.spec.volumes and its mount to volumeMounts "
			"of container `main` in spec.podTemplate.spec.containers, or use a URI",
			directory, s->name ? s->name : "?");
		return;
	}
}

#include "compiler/validate.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "compiler/args.h"
#include "compiler/settings.h"

#define MAX_STEPS 200
#define MAX_PIPELINE_NAME 40
#define MAX_DIRECTORY 1024

static const char *const digest_words[] = {"IfAvailable", "Ignore", NULL};
static const char *const digest_later[] = {"Required", NULL};
static const char *const concurrency_words[] = {"Queue", "Forbid", NULL};
static const char *const concurrency_later[] = {"Allow", "Replace", NULL};
static const char *const failure_words[] = {"FailFast", "FinishBranches", NULL};
static const char *const deletion_words[] = {"Cancel", NULL};
static const char *const deletion_later[] = {"Orphan", NULL};
static const char *const change_words[] = {"Spec", "SpecAndComponents", "Never", NULL};

static const struct check_field spec_fields[] = {
	{.name = "description", .kind = CHECK_STRING, .max = 16384},
	{.name = "datasetName", .kind = CHECK_STRING, .min = 1, .max = 63},
	{.name = "workingDirectory", .kind = CHECK_STRING, .min = 1, .max = MAX_DIRECTORY},
	{.name = "backendRef", .kind = CHECK_LATER},
	{.name = "imageDigestPolicy",
		.kind = CHECK_WORD,
		.words = digest_words,
		.later = digest_later},
	{.name = "parameters", .kind = CHECK_LATER},
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
		.max = MAX_STEPS,
		.feature = BACKEND_PARALLEL_LIMIT},
	{.name = "successfulRunsHistoryLimit", .kind = CHECK_INT, .max = 1000},
	{.name = "failedRunsHistoryLimit", .kind = CHECK_INT, .max = 1000},
	{.name = "deletionPolicy",
		.kind = CHECK_WORD,
		.words = deletion_words,
		.later = deletion_later},
	{.name = "serviceAccountName",
		.kind = CHECK_STRING,
		.min = 1,
		.max = 253,
		.feature = BACKEND_POD_TEMPLATE},
	{.name = "podTemplate", .kind = CHECK_OBJECT, .feature = BACKEND_POD_TEMPLATE},
	{.name = "steps", .kind = CHECK_ARRAY, .max = MAX_STEPS},
	{.name = "native", .kind = CHECK_LATER},
};

static const struct check_field trigger_fields[] = {
	{.name = "onChange", .kind = CHECK_WORD, .words = change_words},
	{.name = "schedule", .kind = CHECK_LATER},
	{.name = "rerunToken", .kind = CHECK_STRING, .max = 253},
};

static const struct check_field step_fields[] = {
	{.name = "name", .kind = CHECK_STRING, .required = true, .min = 1},
	{.name = "component", .kind = CHECK_OBJECT, .required = true},
	{.name = "from", .kind = CHECK_ARRAY, .max = 32},
	{.name = "dependsOn", .kind = CHECK_ARRAY, .max = 32},
	{.name = "fromManifest", .kind = CHECK_LATER},
	{.name = "arguments", .kind = CHECK_OBJECT, .max = 256},
	{.name = "secretArguments", .kind = CHECK_LATER},
	{.name = "consumes", .kind = CHECK_OBJECT, .max = 512},
	{.name = "produces", .kind = CHECK_OBJECT, .max = 512},
	{.name = "inputPartitionRows", .kind = CHECK_INT, .min = 1},
	{.name = "env", .kind = CHECK_ARRAY, .max = 64, .feature = BACKEND_POD_TEMPLATE},
	{.name = "resources", .kind = CHECK_OBJECT, .feature = BACKEND_RESOURCES},
	{.name = "accelerator", .kind = CHECK_LATER},
	{.name = "instanceType",
		.kind = CHECK_STRING,
		.min = 1,
		.max = 253,
		.feature = BACKEND_INSTANCE_TYPE},
	{.name = "retry", .kind = CHECK_OBJECT, .feature = BACKEND_RETRY},
	{.name = "timeout", .kind = CHECK_DURATION, .min = 1, .feature = BACKEND_TIMEOUT},
	{.name = "pendingTimeout", .kind = CHECK_DURATION, .min = 1, .feature = BACKEND_TIMEOUT},
	{.name = "cache", .kind = CHECK_OBJECT},
	{.name = "podTemplate", .kind = CHECK_OBJECT, .feature = BACKEND_POD_TEMPLATE},
};

static const struct check_field component_kinds[] = {
	{.name = "ref", .kind = CHECK_OBJECT},
	{.name = "spec", .kind = CHECK_OBJECT},
	{.name = "catalog", .kind = CHECK_LATER},
	{.name = "python", .kind = CHECK_LATER},
};

/* One path segment: [A-Za-z0-9][A-Za-z0-9_.-]{0,62}. */
static bool is_segment(const char *s)
{
	size_t len = strlen(s);

	return len >= 1 && len <= 63 && s[0] != '_' && s[0] != '.' && s[0] != '-' &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") ==
		       len;
}

/* Dot-separated DNS labels, as in metadata.name of most kinds. */
static bool is_dns_subdomain(const char *s)
{
	size_t len = strlen(s);

	if (len < 1 || len > 253 || s[0] == '.' || s[len - 1] == '.' || strstr(s, "..") ||
		s[0] == '-' || s[len - 1] == '-')
		return false;
	return strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789.-") == len;
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
		check_error(&m->c, "InvalidName", "is not the name of a namespace");
	where_init(&m->c.w, "spec");
	if (dataset && *dataset && strlen(dataset) <= 63 && !is_segment(dataset))
		check_error_at(&m->c, "datasetName", "InvalidName",
			"must be letters, digits, _, . and -, beginning with a letter or digit");
	m->dataset_name = dataset ? dataset : name;
	if (account && *account && !is_dns_subdomain(account))
		check_error_at(&m->c, "serviceAccountName", "InvalidName",
			"`%.80s` is not the name of a ServiceAccount", account);
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

static void check_setting(struct compiler *m, const json_t *step, const char *key,
	void (*check)(struct check *c, const json_t *value))
{
	const json_t *value = check_get(step, key);
	size_t mark = where_key(&m->c.w, key);

	/* Another kind of value is said by the table. */
	if (json_is_object(value) || (json_is_array(value) && strcmp(key, "env") == 0))
		check(&m->c, value);
	where_back(&m->c.w, mark);
}

static void validate_component_choice(struct compiler *m, const json_t *step)
{
	const json_t *component = check_get(step, "component");
	size_t mark = where_key(&m->c.w, "component");
	int given = 0;

	if (json_is_object(component)) {
		check_object(&m->c, component, component_kinds, array_size(component_kinds));
		for (size_t i = 0; i < array_size(component_kinds); i++)
			given += check_get(component, component_kinds[i].name) != NULL;
		if (given != 1)
			check_error(&m->c, "InvalidValue",
				"give exactly one of ref, catalog, spec and python");
	}
	where_back(&m->c.w, mark);
}

static void validate_name(struct compiler *m, struct step_model *s)
{
	const char *name = json_string_value(check_get(s->json, "name"));

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

static void validate_arguments(struct compiler *m, struct step_model *s)
{
	const json_t *arguments = check_get(s->json, "arguments");
	size_t mark = where_key(&m->c.w, "arguments");

	if (s->component && (!arguments || json_is_object(arguments)))
		args_check(&m->c, json_object_get(s->component->normal, "args"), arguments);
	where_back(&m->c.w, mark);
}

static void validate_step(struct compiler *m, struct step_model *s)
{
	const json_t *step = s->json;
	size_t mark;

	if (!check_object(&m->c, step, step_fields, array_size(step_fields)) &&
		!json_is_object(step))
		return;
	validate_name(m, s);
	validate_component_choice(m, step);
	model_resolve_component(m, s);
	validate_arguments(m, s);
	check_setting(m, step, "env", settings_check_env);
	check_setting(m, step, "resources", settings_check_resources);
	check_setting(m, step, "retry", settings_check_retry);
	check_setting(m, step, "cache", settings_check_cache);
	check_setting(m, step, "podTemplate", settings_check_pod_template);
	if (s->component && s->component->loader && check_get(step, "inputPartitionRows")) {
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
	size_t n = json_array_size(steps);

	where_init(&m->c.w, "spec.steps");
	if (!steps && !check_get(m->in->spec, "native"))
		check_error(&m->c, "Required", "a pipeline needs steps");
	else if (json_is_array(steps) && !n)
		check_error(&m->c, "Required", "a pipeline needs at least one step");
	if (n > MAX_STEPS)
		return; /* said by the table; nothing below is worth the work */
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

void validate_spec(struct compiler *m)
{
	const json_t *spec = m->in->spec;
	const json_t *triggers = check_get(spec, "triggers");

	where_init(&m->c.w, "spec");
	if (!json_is_object(spec)) {
		check_error(&m->c, "InvalidType", "must be a map, not %s",
			spec ? check_kind_of(spec) : "nothing");
		return;
	}
	check_object(&m->c, spec, spec_fields, array_size(spec_fields));
	if (json_is_object(triggers)) {
		where_init(&m->c.w, "spec.triggers");
		check_object(&m->c, triggers, trigger_fields, array_size(trigger_fields));
		where_init(&m->c.w, "spec");
	}
	check_setting(m, spec, "podTemplate", settings_check_pod_template);
	validate_names(m);
	validate_directory(m);
	validate_steps(m);
}

void validate_mounts(struct compiler *m)
{
	const char *directory = m->working_directory;

	if (!directory || directory[0] != '/' || !m->steps_len ||
		settings_mounts_path(check_get(m->in->spec, "podTemplate"), directory))
		return;
	for (int i = 0; i < m->steps_len; i++) {
		const struct step_model *s = &m->steps[i];

		if (settings_mounts_path(check_get(s->json, "podTemplate"), directory))
			continue;
		where_init(&m->c.w, "spec.workingDirectory");
		check_error(&m->c, "WorkingDirectoryNotMounted",
			"`%.100s` is a local path, and step `%s` has no writable volume there: add "
			"the "
			"volume to spec.podTemplate.spec.volumes and its mount to volumeMounts of "
			"container `main` in spec.podTemplate.spec.containers, or use a URI",
			directory, s->name ? s->name : "?");
		return;
	}
}

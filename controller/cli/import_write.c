/* The steps as they were read into the FondantPipeline. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/import_private.h"
#include "compiler/compile.h"
#include "doc/json.h"

#define MAX_PIPELINE_NAME 40
#define MAX_LABEL 63

void import_init(struct import *im, const struct import_options *options, struct diag_list *diags,
	size_t steps)
{
	memset(im, 0, sizeof(*im));
	check_init(&im->c, diags, "");
	im->options = options;
	im->steps = xcalloc(steps + 1, sizeof(*im->steps));
	im->list = json_array();
}

static void step_clear(struct import_step *s)
{
	for (size_t i = 0; i < s->flags_len; i++) {
		free(s->flags[i].name);
		free(s->flags[i].place);
		json_decref(s->flags[i].value);
	}
	free(s->flags);
	free(s->place);
	free(s->entrypoint_place);
	free(s->name);
	strvec_clear(&s->after);
	json_decref(s->settings);
	json_decref(s->operation);
	json_decref(s->metadata);
	json_decref(s->json);
}

void import_clear(struct import *im)
{
	for (size_t i = 0; i < im->steps_len; i++)
		step_clear(&im->steps[i]);
	free(im->steps);
	json_decref(im->pod_template);
	json_decref(im->list);
	map_clear(&im->by_key);
	map_clear(&im->by_output);
	map_clear(&im->names);
	free(im->working_directory);
	free(im->dataset);
}

void import_warn(struct import *im, const char *reason, const char *fmt, ...)
{
	auto_free char *message = NULL;
	va_list ap;

	va_start(ap, fmt);
	message = xvasprintf(fmt, ap);
	va_end(ap);
	diag_add_warning(im->c.diags, im->c.w.text, reason, "%s", message);
}

void import_known_keys(struct import *im, const json_t *object, const char *const *known)
{
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)object, key, value) {
		size_t mark, i = 0;

		while (known[i] && strcmp(known[i], key) != 0)
			i++;
		if (known[i] || json_is_null(value))
			continue;
		mark = where_key(&im->c.w, key);
		import_warn(im, "UnknownKey",
			"the framework does not write this, and it is left out; add what it "
			"stands for by hand");
		where_back(&im->c.w, mark);
	}
}

const json_t *import_object(struct import *im, const json_t *parent, const char *key)
{
	const json_t *value = check_get(parent, key);

	if (!value || json_is_object(value))
		return value;
	check_error_at(&im->c, key, "InvalidType", "must be a map, not %s", check_kind_of(value));
	return NULL;
}

void import_add_flag(
	struct import *im, struct import_step *s, const char *name, json_t *value, bool typed)
{
	if (import_find_flag(s, name)) {
		check_error(&im->c, "DuplicateArgument",
			"--%.80s is there twice; an argument of the framework's own name took its "
			"place",
			name);
	} else if (s->flags_len == IMPORT_MAX_FLAGS) {
		check_error(
			&im->c, "TooMany", "at most %d arguments are allowed", IMPORT_MAX_FLAGS);
	} else {
		s->flags = xreallocarray(s->flags, s->flags_len + 1, sizeof(*s->flags));
		s->flags[s->flags_len++] = (struct import_flag){.name = xstrdup(name),
			.value = json_incref(value),
			.place = xstrdup(im->c.w.text),
			.typed = typed};
	}
	json_decref(value);
}

const struct import_flag *import_find_flag(const struct import_step *s, const char *name)
{
	for (size_t i = 0; i < s->flags_len; i++) {
		if (strcmp(s->flags[i].name, name) == 0)
			return &s->flags[i];
	}
	return NULL;
}

char *import_label(const char *text, size_t max)
{
	auto_buf out = BUF_INIT;

	for (; *text && out.len < max; text++) {
		char ch = *text >= 'A' && *text <= 'Z' ? (char)(*text + ('a' - 'A')) : *text;

		if ((ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9'))
			buf_addc(&out, ch);
		else if (out.len && out.data[out.len - 1] != '-')
			buf_addc(&out, '-');
	}
	while (out.len && out.data[out.len - 1] == '-')
		out.data[--out.len] = '\0';
	return out.len ? buf_take(&out) : xstrdup("");
}

/* The text of one of the framework's own flags; NULL with an error unless it is optional. */
static const char *own_text(struct import *im, struct import_step *s, const char *name, bool needed)
{
	const struct import_flag *flag = import_find_flag(s, name);

	if (!flag) {
		where_init(&im->c.w, s->place);
		if (needed)
			check_error(&im->c, "Required",
				"its container is not given --%s: this is no component of the "
				"framework 0.12",
				name);
		return NULL;
	}
	where_init(&im->c.w, flag->place);
	if (!json_is_string(flag->value)) {
		check_error(&im->c, "InvalidType", "must be a text, not %s",
			check_kind_of(flag->value));
		return NULL;
	}
	return json_string_value(flag->value);
}

static json_t *own_object(struct import *im, struct import_step *s, const char *name)
{
	const char *text = own_text(im, s, name, true);
	auto_err err = ERR_INIT;
	json_t *value = NULL;

	if (!text)
		return NULL;
	if (doc_json_parse(text, strlen(text), &value, &err) < 0) {
		check_error(&im->c, "InvalidJSON", "%s", err_message(&err));
	} else if (!json_is_object(value)) {
		check_error(&im->c, "InvalidType", "must be the JSON of a map, not of %s",
			check_kind_of(value));
		json_decref(value);
		value = NULL;
	}
	return value;
}

static void one_for_all(struct import *im, char **all, const char *text, const char *what)
{
	if (!*all)
		*all = xstrdup(text);
	else if (strcmp(*all, text) != 0)
		check_error(&im->c, "Inconsistent",
			"its %s is `%.200s`, and that of another step `%.200s`; a pipeline has one",
			what, text, *all);
}

/* <working directory>/<dataset>/<run id>/<step>/manifest.json: the second part. The dataset_name
 * beside it is the word `dataset` in what the framework compiled for KFP. */
static char *dataset_of(const json_t *metadata, const char *directory)
{
	const char *location = json_string_value(json_object_get(metadata, "manifest_location"));
	const char *run = json_string_value(json_object_get(metadata, "run_id"));
	const char *id = json_string_value(json_object_get(metadata, "component_id"));
	auto_free char *tail = xasprintf("/%s/%s/manifest.json", run ? run : "", id ? id : "");
	size_t head = strlen(directory);

	while (head && directory[head - 1] == '/')
		head--;
	if (location && run && id && strncmp(location, directory, head) == 0 &&
		location[head] == '/' && str_ends_with(location + head + 1, tail)) {
		const char *name = location + head + 1;

		return xstrndup(name, strlen(name) - strlen(tail));
	}
	return NULL;
}

static void read_places(struct import *im, struct import_step *s)
{
	const char *directory = own_text(im, s, "working_directory", true);
	auto_free char *dataset = NULL;
	const char *said;

	if (!directory)
		return;
	one_for_all(im, &im->working_directory, directory, "working directory");
	dataset = dataset_of(s->metadata, directory);
	said = json_string_value(json_object_get(s->metadata, "dataset_name"));
	if (dataset || said)
		one_for_all(im, &im->dataset, dataset ? dataset : said, "dataset");
}

static void read_rows(struct import *im, struct import_step *s)
{
	const struct import_flag *flag = import_find_flag(s, "input_partition_rows");
	const char *text = flag ? json_string_value(flag->value) : NULL;
	double real = flag ? json_number_value(flag->value) : 0;
	int64_t rows = 0;

	if (!flag || (text && strcmp(text, "None") == 0))
		return;
	where_init(&im->c.w, flag->place);
	if (text && !str_to_int64(text, &rows))
		rows = 0;
	else if (!text && real >= 1 && real < 9e15)
		rows = (int64_t)real;
	if (rows < 1 || (!text && (double)rows != real))
		check_error(&im->c, "InvalidValue",
			"must be an integer of at least 1: the framework's executor refuses "
			"another");
	else
		json_object_set_new_nocheck(s->json, "inputPartitionRows", json_integer(rows));
}

/* Without the flag the executor does not cache. */
static void read_cache(struct import *im, struct import_step *s)
{
	static const char *const yes[] = {"y", "yes", "t", "true", "on", "1", NULL};
	static const char *const no[] = {"n", "no", "f", "false", "off", "0", NULL};
	const struct import_flag *flag = import_find_flag(s, "cache");
	bool use = flag && json_is_true(flag->value), known = flag && json_is_boolean(flag->value);
	const char *text = flag ? json_string_value(flag->value) : NULL;

	for (size_t i = 0; text && yes[i]; i++) {
		use = use || strcasecmp(text, yes[i]) == 0;
		known = known || use || strcasecmp(text, no[i]) == 0;
	}
	if (flag && !known) {
		where_init(&im->c.w, flag->place);
		check_error(&im->c, "InvalidValue", "must be True or False");
	}
	if (!use)
		json_object_set_new_nocheck(
			s->json, "cache", json_pack("{s:s}", "policy", "Never"));
}

static void name_step(struct import *im, struct import_step *s)
{
	const char *id = json_string_value(json_object_get(s->metadata, "component_id"));
	auto_free char *label = NULL;

	id = id && *id ? id : s->key;
	label = import_label(id, MAX_LABEL);
	if (!*label) {
		free(label);
		label = xstrdup("step");
	}
	for (int n = 2; map_has(&im->names, label); n++) {
		auto_free char *base = import_label(id, MAX_LABEL - 5);

		free(label);
		label = xasprintf("%s-%d", *base ? base : "step", n);
	}
	s->name = take_ptr(label);
	map_set(&im->names, s->name, s);
	where_init(&im->c.w, s->place);
	if (strcmp(s->name, id) != 0)
		import_warn(im, "Renamed",
			"`%.80s` is called `%s` here: a step's name is an RFC 1123 label, and no "
			"two are the same",
			id, s->name);
}

static void read_step(struct import *im, struct import_step *s)
{
	const char *text;

	s->json = json_object();
	s->from = -1;
	s->metadata = own_object(im, s, "metadata");
	s->operation = own_object(im, s, "operation_spec");
	s->output = own_text(im, s, "output_manifest_path", true);
	text = own_text(im, s, "input_manifest_path", false);
	s->input = text && strcmp(text, "None") != 0 ? text : NULL;
	name_step(im, s);
	json_object_set_new_nocheck(s->json, "name", json_string_nocheck(s->name));
	if (s->metadata)
		read_places(im, s);
	if (s->output && map_has(&im->by_output, s->output)) {
		where_init(&im->c.w, import_find_flag(s, "output_manifest_path")->place);
		check_error(&im->c, "DuplicateOutput",
			"another step writes the same manifest; their data would be mixed");
	} else if (s->output) {
		map_set(&im->by_output, s->output, s);
	}
}

/* --- edges --- */

static void read_input(struct import *im, struct import_step *s)
{
	struct import_step *maker = s->input ? map_get(&im->by_output, s->input) : NULL;

	if (!s->input)
		return;
	where_init(&im->c.w, import_find_flag(s, "input_manifest_path")->place);
	if (maker == s) {
		check_error(&im->c, "Cycle",
			"it reads what it writes: where one component is used twice, the framework "
			"loses the first use; rename one of the two components and compile again");
	} else if (maker) {
		s->from = (int)(maker - im->steps);
		json_object_set_new_nocheck(s->json, "from", json_pack("[s]", maker->name));
	} else {
		auto_json *uri = json_string_nocheck(s->input);

		json_object_set_new_nocheck(s->json, "fromManifest", import_escape(uri));
	}
}

static void read_after(struct import *im, struct import_step *s)
{
	json_t *list = json_array();

	strvec_for_each (&s->after, i) {
		struct import_step *other = map_get(&im->by_key, s->after.items[i]);

		where_init(&im->c.w, s->place);
		if (!other) {
			check_error(&im->c, "UnknownStep",
				"it waits for `%.80s`, which is not there", s->after.items[i]);
		} else if (other == s) {
			check_error(&im->c, "Cycle",
				"it waits for itself: where one component is used twice, the "
				"framework "
				"loses the first use; rename one of the two components and compile "
				"again");
		} else if (other - im->steps != s->from) {
			json_array_append_new(list, json_string_nocheck(other->name));
			import_warn(im, "OrderOnly",
				"it waits for `%s` without reading from it (the framework chains "
				"steps "
				"for KFP); remove `%s` from dependsOn to let them run side by side",
				other->name, other->name);
		}
	}
	if (json_array_size(list))
		json_object_set_nocheck(s->json, "dependsOn", list);
	json_decref(list);
}

/* Its members in the order of the documentation. */
static json_t *ordered(const json_t *step)
{
	static const char *const keys[] = {"name", "from", "dependsOn", "fromManifest", "component",
		"consumes", "produces", "arguments", "inputPartitionRows", "cache", "accelerator",
		"resources", "podTemplate"};
	json_t *out = json_object();

	for (size_t i = 0; i < array_size(keys); i++) {
		json_t *value = json_object_get(step, keys[i]);

		if (value)
			json_object_set_nocheck(out, keys[i], value);
	}
	return out;
}

/* Depth first, in the order of the document. The stack is as deep as there are steps at most. */
static bool visit(struct import *im, struct import_step *s)
{
	bool fine = true;

	if (s->visit == 2)
		return true;
	if (s->visit == 1) {
		where_init(&im->c.w, s->place);
		check_error(&im->c, "Cycle", "it waits for itself, by way of other steps");
		return false;
	}
	s->visit = 1;
	if (s->from >= 0)
		fine = visit(im, &im->steps[s->from]);
	for (size_t i = 0; fine && i < s->after.len; i++) {
		struct import_step *other = map_get(&im->by_key, s->after.items[i]);

		if (other)
			fine = visit(im, other);
	}
	s->visit = 2;
	json_array_append_new(im->list, ordered(s->json));
	return fine;
}

/* --- component --- */

static bool is_words(const json_t *list, const char *const *words)
{
	size_t n = 0;

	for (; words[n]; n++) {
		const char *item = json_string_value(json_array_get(list, n));

		if (!item || strcmp(item, words[n]) != 0)
			return false;
	}
	return json_array_size(list) == n;
}

/* One line of requirements.txt an item. */
static void add_requirements(struct import *im, json_t *python, const char *text)
{
	json_t *list = json_array();

	while (text && *text) {
		size_t n = strcspn(text, "\n"), skip = strspn(text, " \t"), len;

		len = n > skip ? n - skip : 0;
		while (len && strchr(" \t\r", text[skip + len - 1]))
			len--;
		if (len && text[skip] == '-')
			check_error(&im->c, "Unsupported",
				"`%.*s` is an option of pip; give requirements alone, and options "
				"by "
				"environment (PIP_...)",
				(int)(len > 60 ? 60 : len), text + skip);
		else if (len && text[skip] != '#')
			json_array_append_new(list, json_stringn_nocheck(text + skip, len));
		text += n + (text[n] == '\n');
	}
	if (json_array_size(list))
		json_object_set_nocheck(python, "requirements", list);
	json_decref(list);
}

static json_t *python_component(struct import *im, const struct import_step *s, const char *script,
	const json_t *specification)
{
	static const char *const parts[] = {"consumes", "produces", "args"};
	auto_free char *source = NULL, *requirements = NULL, *why = NULL;
	json_t *python = json_object();
	bool changed;

	where_init(&im->c.w, s->entrypoint_place);
	if (import_script(script, im->options->written_source, &source, &requirements, &changed,
		    &why) != 0) {
		check_error(&im->c, "UnsupportedScript",
			"the script is none that the framework's container can run as Python: %s%s",
			why,
			changed ? "; --python-source=written takes the text as it was before printf"
				: "");
		return python;
	}
	if (changed)
		import_warn(im, "SourceChanged",
			"it holds %% or \\, which printf does not write as they stand: imported %s",
			im->options->written_source
				? "as the author wrote it (--python-source=written)"
				: "as the container gets it; --python-source=written takes it as "
				  "its author wrote it");
	if (s->image)
		json_object_set_new_nocheck(python, "image", json_string_nocheck(s->image));
	add_requirements(im, python, requirements);
	json_object_set_new_nocheck(python, "source", json_string_nocheck(source));
	for (size_t i = 0; i < array_size(parts); i++) {
		json_t *part = json_object_get(specification, parts[i]);

		if (part)
			json_object_set_nocheck(python, parts[i], part);
	}
	return python;
}

/* It reads no dataset, whatever its file says. */
static void drop_consumes(struct import *im, struct import_step *s, json_t *specification)
{
	const json_t *consumes = json_object_get(specification, "consumes");

	if (s->input || !json_object_size(consumes))
		return;
	where_init(&im->c.w, s->place);
	import_warn(im, "ReadsNothing",
		"it is given no dataset, so `consumes` is left out of its component: here only "
		"what loads declares none");
	json_object_del(specification, "consumes");
}

/* What the step's mapping says beyond the component's own fields. */
static void add_mapping(
	struct import *im, struct import_step *s, const char *which, const json_t *specification)
{
	const json_t *mapping = import_object(im, s->operation, which);
	const json_t *declared = json_object_get(specification, which);
	json_t *out, *value;
	const char *key;
	size_t mark;

	if (!json_object_size(mapping) || json_equal(mapping, declared))
		return;
	out = json_object();
	mark = where_key(&im->c.w, which);
	json_object_foreach ((json_t *)mapping, key, value) {
		if (json_is_string(value))
			json_object_set_new_nocheck(out, key, json_pack("{s:O}", "field", value));
		else if (json_is_object(value))
			json_object_set_nocheck(out, key, value);
		else
			check_error_at(&im->c, key, "InvalidType",
				"must be a field's name or a type, not %s", check_kind_of(value));
	}
	where_back(&im->c.w, mark);
	json_object_set_new_nocheck(s->json, which, out);
}

static void set_component(struct import *im, struct import_step *s, json_t *specification)
{
	static const char *const plain[] = {"fondant", "execute", "main", NULL};
	const char *script = NULL;
	json_t *component;

	if (s->entrypoint && json_array_size(s->entrypoint) >= 3 &&
		strcmp(json_string_value(json_array_get(s->entrypoint, 0)), "sh") == 0 &&
		strcmp(json_string_value(json_array_get(s->entrypoint, 1)), "-ec") == 0)
		script = json_string_value(json_array_get(s->entrypoint, 2));
	if (script) {
		component = json_pack(
			"{s:o}", "python", python_component(im, s, script, specification));
		if (!s->input) /* absent would mean any field */
			json_object_set_new_nocheck(
				json_object_get(component, "python"), "consumes", json_object());
	} else {
		component = json_pack("{s:O}", "spec", specification);
	}
	where_init(&im->c.w, s->entrypoint_place);
	if (!script && s->entrypoint && !is_words(s->entrypoint, plain))
		check_error(&im->c, "UnsupportedEntrypoint",
			"a step starts as fondant execute main, or is a Python component of the "
			"framework; this is another command");
	json_object_set_new_nocheck(s->json, "component", component);
}

static void write_component(struct import *im, struct import_step *s)
{
	const struct import_flag *flag = import_find_flag(s, "operation_spec");
	const json_t *given;
	auto_json *specification = NULL;

	if (!s->operation)
		return;
	where_init(&im->c.w, flag->place);
	given = import_object(im, s->operation, "specification");
	if (!given) {
		check_error(&im->c, "Required", "`specification` is missing");
		return;
	}
	specification = json_deep_copy(given);
	if (s->image)
		json_object_set_new_nocheck(specification, "image", json_string_nocheck(s->image));
	add_mapping(im, s, "produces", specification);
	if (s->input)
		add_mapping(im, s, "consumes", specification);
	import_object(im, specification, "args");
	drop_consumes(im, s, specification);
	import_arguments(im, s, json_object_get(specification, "args"));
	set_component(im, s, specification);
}

/* --- the whole --- */

static char *pipeline_name(struct import *im)
{
	const char *given = im->options->name, *title = im->title ? im->title : im->dataset;
	auto_free char *name = import_label(given ? given : title ? title : "", MAX_PIPELINE_NAME);

	where_init(&im->c.w, "name");
	if (given && strcmp(given, name) != 0)
		check_error(&im->c, "InvalidName",
			"`%.80s` is not a pipeline's name: at most %d lower-case letters, digits "
			"and -",
			given, MAX_PIPELINE_NAME);
	if (!*name) {
		import_warn(im, "Renamed",
			"the document gives no usable name; the pipeline is called `pipeline`");
		return xstrdup("pipeline");
	}
	return take_ptr(name);
}

/* As validate.c: one path segment. */
static bool is_dataset_name(const char *s)
{
	size_t len = strlen(s);

	return len >= 1 && len <= 63 && !strchr("_.-", s[0]) &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") ==
		       len;
}

static void add_dataset(struct import *im, json_t *spec, const char *name)
{
	const char *dataset = im->dataset ? im->dataset : im->title ? im->title : name;

	if (strcmp(dataset, name) == 0)
		return;
	if (!is_dataset_name(dataset)) {
		where_init(&im->c.w, "name");
		import_warn(im, "Renamed",
			"the dataset's name `%.80s` cannot be a folder; it is called `%s`", dataset,
			name);
		return;
	}
	json_object_set_new_nocheck(spec, "datasetName", json_string_nocheck(dataset));
}

static json_t *assemble(struct import *im)
{
	auto_free char *name = pipeline_name(im);
	json_t *spec = json_object();

	if (im->description)
		json_object_set_new_nocheck(
			spec, "description", json_string_nocheck(im->description));
	add_dataset(im, spec, name);
	if (im->working_directory)
		json_object_set_new_nocheck(
			spec, "workingDirectory", json_string_nocheck(im->working_directory));
	if (im->pod_template)
		json_object_set_nocheck(spec, "podTemplate", im->pod_template);
	json_object_set_nocheck(spec, "steps", im->list);
	return json_pack("{s:s, s:s, s:{s:s}, s:o}", "apiVersion", "fondant.ai/v1alpha1", "kind",
		"FondantPipeline", "metadata", "name", name, "spec", spec);
}

int import_write(struct import *im, json_t **ret_pipeline)
{
	auto_json *pipeline = NULL;

	for (size_t i = 0; i < im->steps_len; i++)
		read_step(im, &im->steps[i]);
	for (size_t i = 0; i < im->steps_len; i++) {
		struct import_step *s = &im->steps[i];

		read_input(im, s);
		read_after(im, s);
		write_component(im, s);
		read_rows(im, s);
		read_cache(im, s);
		json_object_update(s->json, s->settings);
	}
	for (size_t i = 0; i < im->steps_len; i++)
		visit(im, &im->steps[i]);
	pipeline = assemble(im);
	if (diag_errors(im->c.diags) || im->c.diags->dropped)
		return 1;
	*ret_pipeline = json_incref(pipeline);
	return 0;
}

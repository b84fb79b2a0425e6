#include "compiler/python.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "compiler/component.h"
#include "compiler/config_key.h"
#include "compiler/freeze.h"
#include "compiler/refs.h"
#include "compiler/settings.h"

#define IMPORT_EXAMPLE "from fondant.component import PandasTransformComponent"

static const struct check_field python_fields[] = {
	{.name = "image", .kind = CHECK_STRING, .required = true, .min = 1, .max = 512},
	{.name = "requirements", .kind = CHECK_ARRAY, .max = PYTHON_MAX_REQUIREMENTS},
	{.name = "source", .kind = CHECK_STRING, .min = 1, .max = PYTHON_MAX_SOURCE},
	{.name = "sourceFrom", .kind = CHECK_OBJECT},
	{.name = "consumes", .kind = CHECK_OBJECT},
	{.name = "produces", .kind = CHECK_OBJECT},
	{.name = "args", .kind = CHECK_OBJECT},
};

static const struct check_field from_fields[] = {
	{.name = "configMapKeyRef", .kind = CHECK_OBJECT, .required = true},
};

/* --- requirements --- */

/* Length of a distribution's name (PEP 508): letters and digits, with ._- inside. */
static size_t name_length(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

	while (n && strchr("._-", s[n - 1]))
		n--;
	return n && !strchr("._-", *s) ? n : 0;
}

/* NULL, or what is wrong: a constant. Only what pip cannot take, or would take for an option. */
static const char *requirement_problem(const json_t *item)
{
	const char *s = json_string_value(item);
	size_t name = name_length(s);

	if (!*s || json_string_length(item) > PYTHON_MAX_REQUIREMENT)
		return "must have 1 to 512 bytes";
	for (const char *c = s; c < s + json_string_length(item); c++) {
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			return "must be one line without control characters";
	}
	if (*s == '-')
		return "is an option of pip; only packages can be listed, such as pandas==2.2.3";
	if (strstr(s, " -"))
		return "holds an option of pip; only packages can be listed, such as pandas==2.2.3";
	if (strstr(s, "://"))
		return NULL; /* an address, which pip judges */
	s += name;
	s += strspn(s, " ");
	if (!name || (*s && !strchr("[<>=!~;(", *s)))
		return "is not a requirement such as pandas==2.2.3 or requests[socks]>=2,<3";
	return NULL;
}

static void check_requirements(struct check *c, const json_t *python)
{
	size_t mark = where_key(&c->w, "requirements"), i;
	json_t *item;

	json_array_foreach (check_get(python, "requirements"), i, item) {
		size_t inner = where_index(&c->w, i);
		const char *why = NULL;

		if (i >= PYTHON_MAX_REQUIREMENTS)
			break; /* said by the table */
		if (!json_is_string(item))
			check_error(
				c, "InvalidType", "must be a string, not %s", check_kind_of(item));
		else if ((why = requirement_problem(item)))
			check_error(c, "InvalidRequirement", "`%.80s` %s", json_string_value(item),
				why);
		where_back(&c->w, inner);
	}
	where_back(&c->w, mark);
}

/* --- source --- */

/* What the code says, strings and comments left out. */
struct code {
	bool any;     /* there is some */
	bool imports; /* something is imported */
	struct python_bases bases;
	bool decorated; /* by the framework's decorator */
};

/* Past the string that begins at this quote, one or three of them. */
static const char *skip_string(const char *s)
{
	char quote = *s;
	bool three = s[1] == quote && s[2] == quote;

	for (s += three ? 3 : 1; *s; s++) {
		if (*s == '\\' && s[1])
			s++;
		else if (*s == quote && !three)
			return s + 1;
		else if (*s == quote && s[1] == quote && s[2] == quote)
			return s + 3;
		else if (*s == '\n' && !three)
			return s; /* no string after all; Python will say so */
	}
	return s;
}

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || (unsigned char)c >= 0x80;
}

/* decorator: the word stands in a line that begins with @. */
static void note_word(struct code *code, const char *s, size_t len, bool decorator)
{
	static const char *const words[] = {"import", "__import__", "DaskLoadComponent",
		"DaskTransformComponent", "PandasTransformComponent", "DaskWriteComponent",
		"lightweight_component"};
	size_t i = 0;

	while (i < array_size(words) && (strlen(words[i]) != len || strncmp(words[i], s, len) != 0))
		i++;
	code->imports = code->imports || i <= 1 || (len > 7 && strncmp(s, "importlib", len) == 0);
	code->bases.loads = code->bases.loads || i == 2;
	code->bases.transforms = code->bases.transforms || i == 3 || i == 4;
	code->bases.writes = code->bases.writes || i == 5;
	code->decorated = code->decorated || (i == 6 && decorator);
}

static struct code read_code(const char *s)
{
	struct code code = {0};
	bool line_start = true, decorator = false;

	if (str_starts_with(s, "\xef\xbb\xbf"))
		s += 3;
	while (*s) {
		size_t len = 0;

		if (line_start)
			decorator = *s == '@';
		line_start = *s == '\n' || *s == '\r';
		if (*s == '#') {
			s += strcspn(s, "\r\n");
			continue;
		}
		code.any = code.any || !strchr(" \t\f\r\n", *s);
		while (is_word(s[len]))
			len++;
		if (len)
			note_word(&code, s, len, decorator);
		else if (*s == '\'' || *s == '"')
			s = skip_string(s);
		else
			s++;
		s += len;
	}
	return code;
}

struct python_bases python_bases(const json_t *source)
{
	return read_code(json_string_value(source)).bases;
}

bool python_is_loader(struct python_bases bases, bool reads_nothing)
{
	bool reads = bases.transforms || bases.writes;

	return bases.loads != reads ? bases.loads : reads_nothing;
}

bool python_is_writer(struct python_bases bases)
{
	return bases.writes && !bases.transforms && !bases.loads;
}

/* More than `additionalProperties`, which the framework writes for every class. */
static bool names_fields(const json_t *mapping)
{
	return json_object_size(mapping) > (check_get(mapping, "additionalProperties") != NULL);
}

/* What the step declares against what the class that the source names can do. */
static void check_declared(struct check *c, const json_t *python, const json_t *source)
{
	const json_t *consumes = check_get(python, "consumes");
	struct python_bases bases = python_bases(source);

	if (json_is_object(consumes) && !json_object_size(consumes) && !bases.loads &&
		(bases.transforms || bases.writes))
		check_error_at(c, "consumes", "ReadsDataset",
			"`{}` says that the step reads nothing, but the class that the source "
			"names (%s) reads a dataset: list the fields that it reads, leave "
			"`consumes` out for all of them, or derive from DaskLoadComponent",
			bases.transforms ? "PandasTransformComponent or DaskTransformComponent"
					 : "DaskWriteComponent");
	if (python_is_writer(bases) && names_fields(check_get(python, "produces")))
		check_error_at(c, "produces", "ProducesNothing",
			"DaskWriteComponent writes the dataset elsewhere and leaves none behind: "
			"remove `produces`, or derive from another class");
}

/*
 * What certainly cannot work; all else is Python's to say. `fondant execute main` takes the class
 * with the longest line of ancestors that derives from the framework's BaseComponent (cli.py,
 * component_from_module), and the name of its first base class must be one of four
 * (component/executor.py, ExecutorFactory): the decorator puts a class of its own on top.
 */
static bool check_code(struct check *c, const char *text)
{
	struct code code = read_code(text);

	if (!code.any)
		check_error(c, "NoComponentInSource",
			"there is no code: define one class that derives from a component class of "
			"the framework, after `" IMPORT_EXAMPLE "`");
	else if (!code.imports)
		check_error(c, "NoComponentInSource",
			"nothing is imported, so there can be no component class: begin with "
			"`" IMPORT_EXAMPLE "` or the base class that you need");
	else if (code.decorated)
		check_error(c, "DecoratedComponent",
			"the framework's executor cannot run a class under the decorator "
			"lightweight_component: remove the decorator, what it declares stands in "
			"image, requirements, consumes and produces here");
	else
		return true;
	return false;
}

static void warn_without_base(struct check *c, const char *text)
{
	struct code code = read_code(text);

	if (code.bases.loads || code.bases.transforms || code.bases.writes)
		return;
	diag_add_warning(c->diags, c->w.text, "NoComponentInSource",
		"none of DaskLoadComponent, DaskTransformComponent, PandasTransformComponent and "
		"DaskWriteComponent is named; it runs only if an imported module brings a class "
		"that derives from one of them");
}

static bool check_source(struct check *c, const json_t *source)
{
	const char *text = json_string_value(source);
	size_t len = json_string_length(source);

	if (len > PYTHON_MAX_SOURCE)
		check_error(c, "TooLong",
			"has %zu KiB; %zu are the most that can be frozen: put the code into the "
			"image, or into a package that requirements name",
			len >> 10, PYTHON_MAX_SOURCE >> 10);
	else if (!str_is_utf8(text, len) || memchr(text, '\0', len))
		check_error(c, "InvalidSource", "must be UTF-8 text without NUL characters");
	else if (check_code(c, text)) {
		warn_without_base(c, text);
		return true;
	}
	return false;
}

char *python_source_ref(const json_t *python)
{
	return config_key_ref(check_get(check_get(python, "sourceFrom"), "configMapKeyRef"));
}

/* The text that sourceFrom names; borrowed, NULL with a finding. */
static json_t *source_from(struct compiler *m, const json_t *python, const json_t *pinned)
{
	const json_t *from = check_get(python, "sourceFrom");
	bool ok = config_key_check(m, from);

	if (!check_object(&m->c, from, from_fields, array_size(from_fields)) || !ok)
		return NULL;
	return config_key_text(m, from, json_object_get(pinned, "source"));
}

/* Sources add up; what could not be kept anyway is not looked into. One finding is enough. */
static bool fits(struct compiler *m, const json_t *source)
{
	size_t max = compile_max_text(m->in);
	bool before = m->source_bytes <= max;

	m->source_bytes += json_string_length(source);
	if (m->source_bytes <= max)
		return true;
	if (before)
		check_error(&m->c, "SpecTooLarge",
			"the Python sources up to this one have %zu KiB, and %zu are the most that "
			"a frozen spec can hold: put common code into the image, or split the "
			"pipeline",
			m->source_bytes >> 10, max >> 10);
	return false;
}

/* The source, checked; borrowed, NULL with a finding. */
static json_t *find_source(struct compiler *m, const json_t *python, const json_t *pinned)
{
	json_t *source = check_get(python, "source");
	const json_t *from = check_get(python, "sourceFrom");
	size_t mark, len;

	if (!source == !from) {
		check_error(&m->c, source ? "InvalidValue" : "Required",
			"give exactly one of source and sourceFrom");
		return NULL;
	}
	mark = where_key(&m->c.w, source ? "source" : "sourceFrom");
	if (from)
		source = json_is_object(from) ? source_from(m, python, pinned) : NULL;
	len = json_string_length(source);
	/* Another kind, and an inline one that is empty or too long, are said by the table. */
	if (!json_is_string(source) || (!from && (!len || len > PYTHON_MAX_SOURCE)) ||
		!fits(m, source) || !check_source(&m->c, source))
		source = NULL;
	where_back(&m->c.w, mark);
	return source;
}

/* --- arguments --- */

/* That of the parameter, when the text is $(parameters.x) and no more; else str. */
static const char *type_of_text(const struct compiler *m, const json_t *text)
{
	const char *type = m->refs ? refs_type(m->refs, text) : NULL;

	return type ? type : "str";
}

static const char *type_of(const struct compiler *m, const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_INTEGER:
		return "int";
	case JSON_REAL:
		return "float";
	case JSON_TRUE:
	case JSON_FALSE:
		return "bool";
	case JSON_ARRAY:
		return "list";
	case JSON_OBJECT:
		return "dict";
	case JSON_STRING:
		return type_of_text(m, value);
	case JSON_NULL:
		break;
	}
	return "str";
}

/* Declares what the step gives under `which`; a name that cannot be one is said there. */
static void infer_from(
	struct compiler *m, const struct step_model *s, const char *which, json_t *args)
{
	bool secret = strcmp(which, "secretArguments") == 0;
	const char *name;
	json_t *value;
	size_t mark;

	model_at_step(m, s);
	mark = where_key(&m->c.w, which);
	json_object_foreach (check_get(s->json, which), name, value) {
		size_t inner = where_key(&m->c.w, name);

		if (!json_is_null(value))
			component_check_keyword(&m->c, name); /* declared all the same */
		if (!json_is_null(value) && component_check_arg_name(&m->c, name))
			json_object_set_new_nocheck(args, name,
				json_pack("{s:s}", "type", secret ? "str" : type_of(m, value)));
		where_back(&m->c.w, inner);
	}
	where_back(&m->c.w, mark);
}

/* Of the arguments given: the source is Python's to read, and so is its __init__. */
static json_t *infer_args(struct compiler *m, const struct step_model *s)
{
	struct where here = m->c.w;
	json_t *args = json_object();

	infer_from(m, s, "arguments", args);
	infer_from(m, s, "secretArguments", args);
	m->c.w = here;
	return args;
}

/* What no component file is asked: the class is Python, and so are its arguments' names. All else
 * is said of the component that the step becomes. */
static void check_keywords(struct check *c, const json_t *python)
{
	size_t mark = where_key(&c->w, "args");
	const char *name;
	json_t *arg;

	json_object_foreach (check_get(python, "args"), name, arg) {
		size_t inner = where_key(&c->w, name);

		component_check_keyword(c, name);
		where_back(&c->w, inner);
	}
	where_back(&c->w, mark);
}

/* --- the component --- */

static void set_mapping(json_t *component, const json_t *python, const char *which)
{
	json_t *mapping = check_get(python, which);

	if (mapping)
		json_object_set_nocheck(component, which, mapping);
	else
		json_object_set_new_nocheck(
			component, which, json_pack("{s:b}", "additionalProperties", 1));
}

static json_t *synthesise(struct compiler *m, const struct step_model *s, const json_t *python)
{
	const char *name = s->name ? s->name : "step";
	auto_free char *description = xasprintf("Python step %s", name);
	json_t *component = json_object(), *args = check_get(python, "args");

	json_object_set_new_nocheck(component, "name", json_string(name));
	json_object_set_nocheck(component, "image", check_get(python, "image"));
	json_object_set_new_nocheck(component, "description", json_string(description));
	set_mapping(component, python, "consumes");
	set_mapping(component, python, "produces");
	if (args)
		json_object_set_nocheck(component, "args", args);
	else
		json_object_set_new_nocheck(component, "args", infer_args(m, s));
	return component;
}

json_t *python_component(
	struct compiler *m, struct step_model *s, const json_t *python, const json_t *pinned)
{
	size_t before = diag_errors(m->c.diags) + diag_waits(m->c.diags);
	json_t *requirements, *source;

	check_object(&m->c, python, python_fields, array_size(python_fields));
	if (!json_is_object(python))
		return NULL;
	check_requirements(&m->c, python);
	check_keywords(&m->c, python);
	source = find_source(m, python, pinned);
	if (source)
		check_declared(&m->c, python, source);
	if (diag_errors(m->c.diags) + diag_waits(m->c.diags) > before || !source ||
		m->c.diags->dropped)
		return NULL;
	requirements = check_get(python, "requirements");
	s->python = json_pack("{s:O, s:o}", "source", source, "requirements",
		requirements ? json_incref(requirements) : json_array());
	return synthesise(m, s, python);
}

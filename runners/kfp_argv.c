#include "runners/kfp_argv.h"

#include <string.h>
#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/vec.h"
#include "compiler/argv.h"
#include "doc/canon.h"
#include "doc/json.h"
#include "doc/path.h"
#include "runners/kubernetes_template.h"

#define PIECE_MAX ((size_t)96 << 10)

const char kfp_bootstrap[] =
	"import json, os, subprocess, sys, tempfile\n"
	"plan = json.loads(''.join(sys.argv[1:]))\n"
	"argv = plan['argv']\n"
	"for name, variable in plan.get('secrets', []):\n"
	"    argv.append('--' + name + '=' + os.environ.pop(variable))\n"
	"os.environ.update(plan.get('env', {}))\n"
	"if plan.get('requirements'):\n"
	"    pip = [sys.executable, '-m', 'pip', 'install', '--no-input',\n"
	"           '--disable-pip-version-check', *plan['requirements']]\n"
	"    code = subprocess.call(pip, env=dict(os.environ, PIP_BREAK_SYSTEM_PACKAGES='1'))\n"
	"    if code:\n"
	"        sys.exit('pip could not install the requirements (exit code %d)' % code)\n"
	"if 'source' in plan:\n"
	"    source = plan['source'].encode()\n"
	"    try:\n"
	"        with open('main.py', 'wb') as file:\n"
	"            file.write(source)\n"
	"    except OSError:\n"
	"        os.chdir(tempfile.mkdtemp())\n"
	"        with open('main.py', 'wb') as file:\n"
	"            file.write(source)\n"
	"try:\n"
	"    os.execvp(argv[0], argv)\n"
	"except FileNotFoundError:\n"
	"    sys.exit('there is no program ' + argv[0] + ' in the image; take one that has it, '\n"
	"             'or add fondant==0.12.1 to the requirements')\n";

/* The launcher and the SDK read such a word as an instruction. */
static bool is_instruction(const char *text)
{
	auto_json *tree = NULL;

	text += strspn(text, " \t\r\n");
	if (*text != '{' || (!strstr(text, "Concat") && !strstr(text, "IfPresent")))
		return false;
	tree = json_loads(text, JSON_DECODE_INT_AS_REAL, NULL);
	return json_object_get(tree, "Concat") || json_object_get(tree, "IfPresent");
}

bool kfp_text_is_safe(const char *text)
{
	return !strstr(text, "{{") && !strstr(text, "$(") && !strstr(text, "$$") &&
	       strlen(text) <= KFP_WORD_MAX && !is_instruction(text);
}

/* The same JSON, safe: "{{" and "$" only stand inside its strings. Owned. */
static char *safe_json(const char *json)
{
	struct buf out = BUF_INIT;

	for (; *json; json++) {
		if (*json == '{' && json[1] == '{') {
			buf_adds(&out, "{\\u007b");
			json++;
		} else if (*json == '$' && (json[1] == '(' || json[1] == '$')) {
			buf_adds(&out, "\\u0024");
		} else {
			buf_addc(&out, *json);
		}
	}
	return buf_take(&out);
}

static bool is_json(const struct spec_step *step, const char *name)
{
	const json_t *value = json_object_get(json_object_get(step->json, "arguments"), name);

	return str_eq(name, "metadata") || str_eq(name, "operation_spec") ||
	       json_is_object(value) || json_is_array(value);
}

/* The words that the program gets; JSON among them in its safe form. */
static void build_words(
	const struct kfp_argv *what, struct strvec *command, struct strvec *ret_args)
{
	auto_strvec args = STRVEC_INIT;

	argv_build(what->spec, what->step, what->run_id, what->attempt, what->input_manifest,
		command, &args);
	for (size_t i = 0; i < args.len; i++) {
		const char *flag = args.items[i];

		strvec_add(ret_args, flag);
		if (strchr(flag, '=') || i + 1 == args.len)
			continue;
		i++;
		if (!what->plain && is_json(what->step, flag + 2))
			strvec_take(ret_args, safe_json(args.items[i]));
		else
			strvec_add(ret_args, args.items[i]);
	}
}

static json_t *list_of(const struct strvec *words)
{
	json_t *list = json_array();

	strvec_for_each (words, i)
		json_array_append_new(list, json_string(words->items[i]));
	return list;
}

/* [[argument, variable]]; new reference. */
static json_t *secrets_plan(const struct spec_step *step)
{
	auto_strvec names = STRVEC_INIT;
	json_t *list = json_array();

	doc_sorted_keys(step->secret_arguments, &names);
	strvec_for_each (&names, i) {
		auto_free char *variable = xasprintf(KFP_SECRET_VARIABLE "%zu", i);

		json_array_append_new(list, json_pack("[s, s]", names.items[i], variable));
	}
	return list;
}

/* Values of the step's env: to the container, or where they are not safe into the plan's. */
static void split_env(const struct kfp_argv *what, json_t *container, json_t *plan_env)
{
	auto_json *plain = json_array();
	const json_t *item;
	size_t i;

	json_array_foreach (json_object_get(what->step->json, "env"), i, item) {
		const char *name = doc_str(item, "name");
		const json_t *value = json_object_get(item, "value");
		auto_json *full = value ? argv_expand(what->spec, value) : NULL;
		const char *text = json_string_value(full);

		if (!name || json_object_get(item, "valueFrom"))
			continue;
		if (text && !what->plain && !kfp_text_is_safe(text))
			json_object_set_new(plan_env, name, json_string(text));
		else
			json_array_append_new(plain,
				json_pack("{s:s, s:s}", "name", name, "value", text ? text : ""));
	}
	kubernetes_template_merge_list(container, "env", plain);
}

/* The plan as arguments. */
static json_t *pieces_of(const json_t *plan)
{
	auto_free char *json = canon_str(plan, CANON_PYTHON_ORDERED);
	auto_free char *text = safe_json(json);
	json_t *list = json_array();

	for (const char *at = text; *at; at += strnlen(at, PIECE_MAX))
		json_array_append_new(list, json_stringn(at, strnlen(at, PIECE_MAX)));
	return list;
}

static void apply_bootstrap(
	const struct spec_step *step, json_t *argv, json_t *env, json_t *container)
{
	auto_json *plan = json_pack("{s:O}", "argv", argv);

	if (step->secret_arguments)
		json_object_set_new(plan, "secrets", secrets_plan(step));
	if (json_object_size(env))
		json_object_set(plan, "env", env);
	if (step->python) {
		json_t *requirements = json_object_get(step->python, "requirements");

		if (json_array_size(requirements))
			json_object_set(plan, "requirements", requirements);
		json_object_set(plan, "source", json_object_get(step->python, "source"));
	}
	json_object_set_new(
		container, "command", json_pack("[s, s, s]", "python3", "-c", kfp_bootstrap));
	json_object_set_new(container, "args", pieces_of(plan));
}

void kfp_argv_apply(const struct kfp_argv *what, json_t *container)
{
	const struct spec_step *step = what->step;
	auto_strvec command = STRVEC_INIT;
	auto_strvec args = STRVEC_INIT;
	auto_json *env = json_object();
	auto_json *argv = NULL;
	bool safe = !step->python && !step->secret_arguments;

	split_env(what, container, env);
	build_words(what, &command, &args);
	strvec_for_each (&args, i)
		safe = safe && (what->plain || kfp_text_is_safe(args.items[i]));
	if (safe && !json_object_size(env)) {
		json_object_set_new(container, "command", list_of(&command));
		json_object_set_new(container, "args", list_of(&args));
		return;
	}
	argv = list_of(&command);
	strvec_for_each (&args, i)
		json_array_append_new(argv, json_string(args.items[i]));
	apply_bootstrap(step, argv, env, container);
}

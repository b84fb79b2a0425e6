#include "runners/sagemaker_script.h"

#include "base/buf.h"
#include "base/digest.h"
#include "base/mem.h"
#include "doc/path.h"

/*
 * As the other backends do it: requirements first, then main.py in the working directory, or in a
 * temporary one where that is not writable. A pip that guards the system's packages (PEP 668) is
 * told that this container is nobody else's.
 */
static const char pip_begin[] = "PIP_BREAK_SYSTEM_PACKAGES=1 python3 -m pip install --no-input "
				"--disable-pip-version-check";
static const char place_source[] = "code=$(cd \"$(dirname \"$0\")\" && pwd)\n"
				   "if ! cp \"$code/main.py\" main.py 2> /dev/null; then\n"
				   "\tcd \"$(mktemp -d)\"\n"
				   "\tcp \"$code/main.py\" main.py\n"
				   "fi\n";

static void add_quoted(struct buf *out, const char *word)
{
	buf_addc(out, '\'');
	for (; *word; word++) {
		if (*word == '\'')
			buf_adds(out, "'\\''");
		else
			buf_addc(out, *word);
	}
	buf_addc(out, '\'');
}

static void add_python(struct buf *out, const struct spec_step *step)
{
	const json_t *requirements = json_object_get(step->python, "requirements");
	json_t *item;
	size_t i;

	if (json_array_size(requirements)) {
		buf_adds(out, pip_begin);
		json_array_foreach (requirements, i, item) {
			buf_adds(out, " \\\n\t");
			add_quoted(out, json_string_value(item));
		}
		buf_addf(out,
			" || {\n\techo 'step %s: pip could not install its requirements' >&2\n"
			"\texit 1\n}\n",
			step->name);
	}
	buf_adds(out, place_source);
}

char *sagemaker_script(const struct spec_step *step, const struct strvec *words)
{
	struct buf out = BUF_INIT;

	buf_adds(&out, "#!/usr/bin/env bash\nset -euo pipefail\n");
	if (step->python)
		add_python(&out, step);
	buf_adds(&out, "exec");
	strvec_for_each (words, i) {
		buf_adds(&out, i ? " \\\n\t" : " ");
		add_quoted(&out, words->items[i]);
	}
	buf_addc(&out, '\n');
	return buf_take(&out);
}

static void add_upload(json_t *uploads, const char *folder, const char *name, const char *text)
{
	auto_free char *uri = xasprintf("%s/%s", folder, name);

	json_array_append_new(uploads, json_pack("{s:s, s:s}", "uri", uri, "text", text));
}

char *sagemaker_script_upload(const struct frozen_spec *spec, const struct spec_step *step,
	const struct strvec *words, json_t *uploads)
{
	auto_free char *script = sagemaker_script(step, words);
	const char *source = step->python ? doc_str_or(step->python, "source", "") : NULL;
	char hex[DIGEST_HEX_SIZE];
	char *folder;

	digest_sha256_parts(hex, script, source, (char *)NULL);
	folder = xasprintf("%s/.fondant/sagemaker/%s", spec->working_directory, hex);
	add_upload(uploads, folder, "step.sh", script);
	if (source)
		add_upload(uploads, folder, "main.py", source);
	return folder;
}

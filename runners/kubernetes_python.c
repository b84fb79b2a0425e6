#include "runners/kubernetes_python.h"

#include "runners/kubernetes_template.h"

/*
 * A working directory that cannot be written to is left for a temporary one; `fondant` looks for
 * main.py in the one it is started in. A pip that guards the system's packages (PEP 668) is told
 * that this container is nobody else's.
 */
const char kubernetes_python_bootstrap[] =
	"import json, os, subprocess, sys, tempfile\n"
	"name = sys.argv[1]\n"
	"with open('" KUBERNETES_PYTHON_MOUNT "/spec.json', 'rb') as file:\n"
	"    steps = json.load(file)['steps']\n"
	"step = next(step['python'] for step in steps if step['name'] == name)\n"
	"if step['requirements']:\n"
	"    pip = [sys.executable, '-m', 'pip', 'install', '--no-input',\n"
	"           '--disable-pip-version-check', *step['requirements']]\n"
	"    env = dict(os.environ, PIP_BREAK_SYSTEM_PACKAGES='1')\n"
	"    code = subprocess.call(pip, env=env)\n"
	"    if code:\n"
	"        sys.exit(f'step {name}: pip could not install its requirements '\n"
	"                 f'(exit code {code})')\n"
	"source = step['source'].encode()\n"
	"try:\n"
	"    with open('main.py', 'wb') as file:\n"
	"        file.write(source)\n"
	"except OSError:\n"
	"    os.chdir(tempfile.mkdtemp())\n"
	"    with open('main.py', 'wb') as file:\n"
	"        file.write(source)\n"
	"try:\n"
	"    os.execvp('fondant', ['fondant', 'execute', 'main', *sys.argv[2:]])\n"
	"except FileNotFoundError:\n"
	"    sys.exit(f'step {name}: there is no program fondant in the image; take one that has "
	"'\n"
	"             'it, or add fondant==0.12.1 to the requirements')\n";

void kubernetes_python_apply(const struct kubernetes_job *what, json_t *pod, json_t *container)
{
	const struct spec_step *step = &what->run->spec->steps[what->step];
	json_t *volumes, *mounts;

	if (!step->python)
		return;
	volumes = json_pack("[{s:s, s:{s:s*, s:[{s:s, s:s}]}}]", "name", KUBERNETES_PYTHON_VOLUME,
		"configMap", "name", what->run->spec_name, "items", "key", "spec.json", "path",
		"spec.json");
	mounts = json_pack("[{s:s, s:s, s:b}]", "name", KUBERNETES_PYTHON_VOLUME, "mountPath",
		KUBERNETES_PYTHON_MOUNT, "readOnly", 1);
	kubernetes_template_merge_list(pod, "volumes", volumes);
	kubernetes_template_merge_list(container, "volumeMounts", mounts);
	json_object_set_new(container, "command",
		json_pack(
			"[s, s, s, s]", "python3", "-c", kubernetes_python_bootstrap, step->name));
	json_decref(volumes);
	json_decref(mounts);
}

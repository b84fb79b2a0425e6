"""Documents for Kubeflow Pipelines and Vertex AI: read by the vendors' own libraries, and the words
of their containers run as a container would."""
import copy
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAM = os.environ.get("KUBECTL_FONDANT", str(ROOT / "build/kubectl-fondant"))
DATA = ROOT / "tests/data/native/kfp"
PYTHON = ROOT / ".cache/kfp-venv/bin/python"
CHECK = ROOT / "tests/integration/kfp_check.py"
KUBEFLOW = sorted(p.stem for p in DATA.glob("kubeflow-*.json"))
VERTEX = sorted(p.stem for p in DATA.glob("vertex-*.json"))


@pytest.fixture(scope="module", autouse=True)
def deps():
    subprocess.run([str(ROOT / "tests/deps"), "kfp"], check=True, stdout=sys.stderr)


def golden(name):
    return json.loads((DATA / f"{name}.json").read_text())


def check(kind, path):
    return subprocess.run([str(PYTHON), str(CHECK), kind, str(path)], capture_output=True,
                          text=True, timeout=120, check=False)


def write_documents(path, documents):
    path.write_text("---\n".join(json.dumps(d) + "\n" for d in documents))
    return path


def compile_settings(folder, backend, output):
    path = folder / "pipeline.yaml"
    spec = yaml.safe_load((DATA / f"{backend}-settings.yaml").read_text())
    path.write_text(json.dumps({"apiVersion": "fondant.ai/v1alpha1", "kind": "FondantPipeline",
                                "metadata": {"name": "nightly", "namespace": "data"},
                                "spec": spec}))
    done = subprocess.run([PROGRAM, "compile", "-f", str(path), "--backend", backend, "-o", output,
                           "--run", "run-1"], capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


# --- the vendors' readers -------------------------------------------------------------------------

@pytest.mark.parametrize("name", KUBEFLOW)
def test_kubeflow_golden_is_read(name, tmp_path):
    done = check("check_ir", write_documents(tmp_path / "ir.yaml", golden(name)))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", VERTEX)
def test_vertex_golden_is_read(name, tmp_path):
    done = check("check_vertex", write_documents(tmp_path / "job.json", [golden(name)]))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("backend,kind", [("kubeflow", "check_ir"), ("vertex", "check_vertex")])
def test_what_the_program_prints_is_read(backend, kind, tmp_path):
    path = tmp_path / "document.yaml"
    path.write_text(compile_settings(tmp_path, backend, "native"))
    done = check(kind, path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path,value", [
    (("deploymentSpec", "executors", "exec-load", "container", "resources", "resourceCPULimit"), "1"),
    (("root", "dag", "tasks", "load", "cachingOption"), {}),
    (("root", "dag", "tasks", "load", "dependentTasks"), ["nobody"]),
    (("components", "comp-load", "executorLabel"), "exec-nobody"),
])
def test_the_check_can_fail(path, value, tmp_path):
    documents = copy.deepcopy(golden("kubeflow-settings"))
    place = documents[0]
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    done = check("check_ir", write_documents(tmp_path / "ir.yaml", documents))
    assert done.returncode == 1, done.stdout


def test_accelerators_are_those_of_the_service():
    done = subprocess.run([str(PYTHON), str(CHECK), "accelerators"], capture_output=True, text=True,
                          timeout=120, check=True)
    source = (ROOT / "runners/vertex_job.c").read_text()
    table = source[source.index("accelerators[]"):]
    table = table[:table.index("NULL}")]
    assert sorted(re.findall(r'"([A-Z0-9_]+)"', table)) == sorted(done.stdout.split())


# --- the words ------------------------------------------------------------------------------------

SHOW = """#!/usr/bin/env python3
import json, os, sys
main = open("main.py", encoding="utf-8", newline="").read() if os.path.exists("main.py") else None
json.dump({"argv": sys.argv[1:], "env": dict(os.environ), "main": main}, sys.stdout)
"""


def kubelet(word, env):
    """k8s.io/kubernetes third_party/forked/golang/expansion."""
    def one(match):
        if match[0] == "$$":
            return "$"
        return env.get(match[1], match[0])
    return re.sub(r"\$\$|\$\(([^()]*)\)", one, word)


def run_container(container, folder, secrets):
    """The container with a `fondant` that only shows, and a pip that does nothing."""
    (folder / "bin").mkdir()
    (folder / "work").mkdir()
    (folder / "pip").mkdir()
    (folder / "pip/pip.py").write_text("")
    fondant = folder / "bin/fondant"
    fondant.write_text(SHOW)
    fondant.chmod(0o755)
    env = {"PATH": f"{folder}/bin:{os.environ['PATH']}", "PYTHONPATH": str(folder / "pip"),
           "HOME": "/expanded", "A": "expanded", "LC_ALL": "C.UTF-8", **secrets}
    env.update({each["name"]: kubelet(each["value"], env) for each in container["env"]})
    words = [kubelet(word, env) for word in container["command"] + container["args"]]
    assert not any("{{" in word for word in words)
    assert all(len(word.encode()) < 128 << 10 for word in words)
    done = subprocess.run(words, env=env, cwd=folder / "work", capture_output=True, text=True,
                          timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def same_word(got, want):
    """Escapes of JSON may differ, nothing else."""
    if got == want:
        return True
    try:
        return json.loads(got) == json.loads(want)
    except ValueError:
        return False


@pytest.mark.parametrize("backend", ["kubeflow", "vertex"])
def test_programs_get_their_very_words(backend, tmp_path):
    documents = list(yaml.safe_load_all(compile_settings(tmp_path, backend, "native")))
    spec = yaml.safe_load((DATA / f"{backend}-settings.yaml").read_text())
    pipeline = documents[0] if backend == "kubeflow" else documents[0]["pipelineSpec"]
    sources = {s["name"]: s["component"].get("python", {}).get("source") for s in spec["steps"]}
    lines = [json.loads(line) for line in compile_settings(tmp_path, backend, "argv").splitlines()]
    assert len(lines) == len(spec["steps"])
    for line in lines:
        step = line["step"]
        folder = tmp_path / step
        folder.mkdir()
        task = "fondant-executor" if step == "executor" else step
        container = pipeline["deploymentSpec"]["executors"][f"exec-{task}"]["container"]
        secret = step == "executor"
        got = run_container(container, folder,
                            {"FONDANT_SECRET_0": "$(A) {{s}}"} if secret else {})
        want = line["command"][1:] + line["args"] + (["--token=$(A) {{s}}"] if secret else [])
        assert len(got["argv"]) == len(want)
        for one, other in zip(got["argv"], want):
            assert same_word(one, other), (one, other)
        assert got["main"] == sources[step]
        assert "FONDANT_SECRET_0" not in got["env"]
        if secret:
            assert got["env"]["FORMAT"] == "{{.Name}}"
            assert got["env"]["PLAIN"] == "1"


def test_a_secret_is_in_no_document(tmp_path):
    pipeline, platform = yaml.safe_load_all(compile_settings(tmp_path, "kubeflow", "native"))
    config = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert {"secretKey": "token", "envVar": "FONDANT_SECRET_0"} in [
        each for env in config["exec-fondant-executor"]["secretAsEnv"] for each in env["keyToEnv"]]
    assert "warehouse" not in json.dumps(pipeline)


def test_numbers_keep_their_digits():
    executors = golden("kubeflow-settings")[0]["deploymentSpec"]["executors"]
    plan = json.loads("".join(executors["exec-load"]["container"]["args"]))
    assert "9007199254740993" in plan["argv"]

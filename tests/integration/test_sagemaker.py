"""Pipeline definitions for SageMaker: held against the vendor's service model and moto, and the
scripts of their steps run by bash."""
import copy
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from kit import moto_server

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAM = os.environ.get("KUBECTL_FONDANT", str(ROOT / "build/kubectl-fondant"))
DATA = ROOT / "tests/data/native/sagemaker"
PYTHON = ROOT / ".cache/s3-venv/bin/python"
MODEL = ROOT / "tests/integration/sagemaker_model.py"
GOLDENS = sorted(p.stem for p in DATA.glob("*.json"))


@pytest.fixture(scope="module", autouse=True)
def deps():
    subprocess.run([str(ROOT / "tests/deps"), "s3"], check=True, stdout=sys.stderr)


def golden(name):
    return json.loads((DATA / f"{name}.json").read_text())


def model(document, *args):
    done = subprocess.run([str(PYTHON), str(MODEL), *args], input=json.dumps(document),
                          capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def compile_settings(folder, output, *args):
    """What the program prints for settings.yaml as a FondantPipeline."""
    path = folder / "pipeline.yaml"
    spec = yaml.safe_load((DATA / "settings.yaml").read_text())
    path.write_text(json.dumps({"apiVersion": "fondant.ai/v1alpha1", "kind": "FondantPipeline",
                                "metadata": {"name": "nightly", "namespace": "data"},
                                "spec": spec}, ensure_ascii=False))
    done = subprocess.run([PROGRAM, "compile", "-f", str(path), "--backend", "sagemaker", "-o",
                           output, "--run", "run-1", *args],
                          capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


# --- the service model ----------------------------------------------------------------------------

@pytest.mark.parametrize("name", GOLDENS)
def test_golden_fits_the_service_model(name):
    assert model(golden(name)["definition"], "check") == []


def test_printed_document_fits_the_service_model(tmp_path):
    native = yaml.safe_load(compile_settings(tmp_path, "native"))
    assert native["pipelineName"] == golden("settings")["pipelineName"]
    assert model(native["definition"], "check") == []


def app(step):
    return step["Arguments"]["AppSpecification"]


@pytest.mark.parametrize("break_it", [
    lambda s: app(s).update(ContainerArguments=["x" * 257]),
    lambda s: app(s).update(ContainerArguments=["x"] * 101),
    lambda s: app(s).update(Image="x"),
    lambda s: s["Arguments"].pop("ProcessingResources"),
    lambda s: s["Arguments"]["ProcessingResources"]["ClusterConfig"].update(InstanceType="ml.no"),
    lambda s: s["Arguments"].update(RoleArn={"Get": "Parameters.Role"}),
    lambda s: s["Arguments"].update(Environment={"A.B": "x"}),
    lambda s: s["Arguments"].update(StoppingCondition={"MaxRuntimeInSeconds": 0}),
    lambda s: s.update(DependsOn=["nobody"]),
    lambda s: s.update(Name="a_b"),
])
def test_service_model_sees_mistakes(break_it):
    definition = copy.deepcopy(golden("settings")["definition"])
    break_it(definition["Steps"][1])
    assert model(definition, "check")


# --- moto -----------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def moto(tmp_path_factory):
    with moto_server(tmp_path_factory.mktemp("moto") / "log") as url:
        yield url


def test_pipeline_is_created_and_its_jobs_find_their_scripts(moto):
    native = golden("settings")
    said = model(native, "register", moto)
    assert said["definition"] == native["definition"]
    assert f"/{native['pipelineName'].lower()}/" in said["execution"].lower()
    for step in native["definition"]["Steps"]:
        assert said["jobs"][step["Name"]] == app(step)
    assert {name: sorted(files) for name, files in said["files"].items()} == {
        "load": ["step.sh"], "title": ["main.py", "step.sh"]}
    source = yaml.safe_load((DATA / "settings.yaml").read_text())["steps"][1]["component"]
    assert said["files"]["title"]["main.py"] == source["python"]["source"]


# --- the scripts ----------------------------------------------------------------------------------

LOOK = """#!{python} -I
import json, os, sys
words = [os.fsencode(w).decode("latin-1") for w in sys.argv[1:]]
main = open("main.py", "rb").read().decode("latin-1") if os.path.exists("main.py") else None
with open(os.environ["LOOK"] + "/{name}.json", "w") as file:
    json.dump({{"words": words, "cwd": os.getcwd(), "main": main,
               "pip": os.environ.get("PIP_BREAK_SYSTEM_PACKAGES")}}, file)
sys.exit(int(os.environ.get("{name}_EXIT", "0")))
"""


class Place:
    """A machine as a processing job finds it: its input folder, a `fondant` and a `python3` that
    write down how they were called."""

    def __init__(self, folder):
        self.folder = folder
        self.work = folder / "work"
        for name in ("bin", "work"):
            (folder / name).mkdir()
        for name in ("fondant", "python3"):
            path = folder / "bin" / name
            path.write_text(LOOK.format(python=sys.executable, name=name))
            path.chmod(0o755)

    def run(self, native, step, cwd=None, **env):
        inputs = step["Arguments"].get("ProcessingInputs", [])
        command = app(step)["ContainerEntrypoint"] + app(step).get("ContainerArguments", [])
        for item in inputs:
            code, uri = self.folder / step["Name"], item["S3Input"]["S3Uri"]
            code.mkdir(exist_ok=True)
            for upload in native["uploads"]:
                if upload["uri"].startswith(uri):
                    (code / upload["uri"].removeprefix(uri)).write_bytes(upload["text"].encode())
            command = [w.replace(item["S3Input"]["LocalPath"], str(code)) for w in command]
        assert command[0] == ("bash" if inputs else "fondant")
        path = f"{self.folder}/bin:/usr/bin:/bin"
        command[0] = shutil.which(command[0], path=path)
        return subprocess.run(command, cwd=cwd or self.work, capture_output=True, timeout=60,
                              env={"PATH": path, "LOOK": str(self.folder), **env}, check=False)

    def seen(self, name):
        path = self.folder / f"{name}.json"
        return json.loads(path.read_text()) if path.exists() else None


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compile")
    native = yaml.safe_load(compile_settings(folder, "native"))
    argv = [json.loads(line) for line in compile_settings(folder, "argv").splitlines()]
    return native, {a["step"]: a["command"] + a["args"] for a in argv}


def step_of(native, name):
    return next(s for s in native["definition"]["Steps"] if s["Name"] == name)


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
@pytest.mark.parametrize("name", ["load", "title", "write", "again"])
def test_script_passes_every_word_byte_for_byte(place, printed, name, locale):
    native, argv = printed
    done = place.run(native, step_of(native, name), LC_ALL=locale)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    words = [w.encode("latin-1").decode() for w in place.seen("fondant")["words"]]
    assert ["fondant", *words] == argv[name]


def test_some_words_go_by_script_and_some_as_they_are(printed):
    steps = printed[0]["definition"]["Steps"]
    assert {s["Name"] for s in steps if "ContainerArguments" not in app(s)} == {"load", "title"}


def test_words_with_everything_in_them_are_among_the_cases(printed):
    words = printed[1]["load"]
    note = words[words.index("--note") + 1]
    assert note == ("it's $HOME ${x} `id` \"q\" \\ \\n é 大 😀 !! %s\nline 2\r\n\ttab $(x) ' ")
    assert words[words.index("--empty") + 1] == ""
    assert json.loads(words[words.index("--map") + 1])["quote's"] == "run-1"


def test_source_of_a_python_step_arrives_byte_for_byte(place, printed):
    native, _ = printed
    assert place.run(native, step_of(native, "title")).returncode == 0
    source = yaml.safe_load((DATA / "settings.yaml").read_text())["steps"][1]["component"]["python"]
    assert place.seen("fondant")["main"].encode("latin-1") == source["source"].encode()
    assert place.seen("fondant")["cwd"] == str(place.work)
    assert (place.work / "main.py").read_bytes() == source["source"].encode()
    assert place.seen("python3")["words"] == [
        "-m", "pip", "install", "--no-input", "--disable-pip-version-check",
        *source["requirements"]]
    assert place.seen("python3")["pip"] == "1"


def test_python_step_in_a_folder_that_cannot_be_written(place, printed):
    native, _ = printed
    done = place.run(native, step_of(native, "title"), cwd="/proc", TMPDIR=str(place.folder))
    assert done.returncode == 0, done.stderr
    seen = place.seen("fondant")
    assert seen["main"] and Path(seen["cwd"]).parent == place.folder


def test_failures_are_the_exit_code_of_the_step(place, printed):
    native, _ = printed
    assert place.run(native, step_of(native, "load"), fondant_EXIT="7").returncode == 7
    (place.folder / "fondant.json").unlink()
    done = place.run(native, step_of(native, "title"), python3_EXIT="3")
    assert done.returncode == 1
    assert done.stderr == b"step title: pip could not install its requirements\n"
    assert place.seen("fondant") is None


# --- what cannot be -------------------------------------------------------------------------------

def refused(tmp_path, step, **spec):
    component = {"name": "L", "description": "d", "produces": {"x": {"type": "string"}},
                 "image": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/l:1",
                 "args": {"token": {"type": "str", "default": "x"}}}
    component.update(step.pop("spec", {}))
    path = tmp_path / "p.yaml"
    path.write_text(json.dumps({
        "apiVersion": "fondant.ai/v1alpha1", "kind": "FondantPipeline", "metadata": {"name": "p"},
        "spec": {"workingDirectory": "s3://lake/x", **spec,
                 "steps": [{"name": "load", "component": {"spec": component}, **step}]}}))
    done = subprocess.run([PROGRAM, "compile", "-f", str(path), "--backend", "sagemaker", "-o",
                           "native"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1 and done.stdout == ""
    return done.stderr


def test_what_retry_means_is_a_warning(tmp_path):
    spec = yaml.safe_load((DATA / "settings.yaml").read_text())
    path = tmp_path / "p.yaml"
    path.write_text(json.dumps({"apiVersion": "fondant.ai/v1alpha1", "kind": "FondantPipeline",
                                "metadata": {"name": "p"}, "spec": spec}, ensure_ascii=False))
    done = subprocess.run([PROGRAM, "compile", "-f", str(path), "--backend", "sagemaker", "-o",
                           "native"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0
    assert "warning: steps.load.retry.limit: SageMaker retries faults of its own" in done.stderr


@pytest.mark.parametrize("step,spec,said", [
    ({"accelerator": {"type": "GPU", "count": 1}}, {}, r"steps\[0\]\.accelerator.*ml\.g5\.xlarge"),
    ({"spec": {"image": "fndnt/load:1"}}, {}, r"steps\[0\]\.component.*private Amazon ECR"),
    ({"instanceType": "g5.xlarge"}, {}, r"steps\[0\]\.instanceType"),
    ({"secretArguments": {"token": {"secretKeyRef": {"name": "s", "key": "k"}}}}, {},
     "UnsupportedSecretArgument"),
    ({}, {"workingDirectory": "gs://b/x"}, "workingDirectory.*s3://bucket"),
    ({}, {"workingDirectory": "/data"}, "workingDirectory"),
    ({}, {"maxParallelSteps": 2}, "maxParallelSteps"),
])
def test_refusal_says_where_and_what_to_do(tmp_path, step, spec, said):
    assert re.search(said, refused(tmp_path, copy.deepcopy(step), **spec))

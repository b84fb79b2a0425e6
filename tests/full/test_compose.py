"""Docker Compose 2 takes our documents as they are, and our runs for its own. On Debian's dockerd."""
import json
import os
import subprocess

import pytest
import yaml

from dockerlab import IMAGES, engine
from kit import PROBE, ROOT, probe_step

PROGRAM = os.environ.get("KUBECTL_FONDANT", str(ROOT / "build/kubectl-fondant"))
DOCKER = ROOT / ".cache/bin/docker-current"
GOLDENS = sorted((ROOT / "tests/data/native/docker").glob("*.json"))
SECRETS = {f"FONDANT_SECRET_{i}": "pass$word \u00e9" for i in range(8)}


@pytest.fixture(scope="module", autouse=True)
def build():
    subprocess.run([str(ROOT / "tests/full/build"), "compose", "docker"], check=True)


class Compose:
    """`docker compose`: a client that has it as a plugin."""

    def __init__(self, folder, host):
        self.folder = folder
        self.env = {**os.environ, **SECRETS, "DOCKER_CONFIG": str(folder / "docker"),
                    "DOCKER_HOST": host}
        plugins = folder / "docker/cli-plugins"
        plugins.mkdir(parents=True)
        (plugins / "docker-compose").symlink_to(ROOT / ".cache/bin/docker-compose-v2")

    def __call__(self, *args, code=0, **more):
        done = subprocess.run([str(DOCKER), "compose", *map(str, args)], capture_output=True,
                              text=True, timeout=300, env=self.env, **more)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def docker():
    with engine() as found:
        found.load(IMAGES / "oci-probe", PROBE)
        yield found


@pytest.fixture
def lab(docker, tmp_path):
    yield Compose(tmp_path, docker.host)
    left = docker.docker("ps", "-aq").stdout.split()
    if left:
        docker.docker("rm", "-f", *left)


def write(folder, steps, **spec):
    file = folder / "lab.yaml"
    file.write_text(yaml.safe_dump({
        "apiVersion": "fondant.ai/v1alpha1", "kind": "FondantPipeline", "metadata": {"name": "lab"},
        "spec": {"workingDirectory": str(folder / "data"), "steps": steps, **spec}}))
    return str(file)


def document(file, run):
    return subprocess.run([PROGRAM, "compile", "-f", file, "--backend", "docker", "-o", "native",
                           "--run", run], capture_output=True, text=True, check=True).stdout


def test_it_is_the_second_compose(tmp_path):
    assert Compose(tmp_path, "unix:///none")("version", "--short").startswith("2.24.")


@pytest.mark.parametrize("file", GOLDENS, ids=lambda file: file.stem)
def test_it_takes_every_golden_document(file, tmp_path):
    compose = Compose(tmp_path, "unix:///none")
    compose("-f", file, "config", "-q")
    services = json.loads(file.read_text())["services"]
    assert sorted(compose("-f", file, "config", "--services").split()) == sorted(services)
    read = json.loads(compose("-f", file, "config", "--format", "json"))
    for name, service in services.items():
        # what it prints could be read again: each dollar doubled, as in the document
        assert read["services"][name]["entrypoint"] == service["entrypoint"]
        assert read["services"][name]["command"] == service["command"]


def test_it_refuses_a_document_that_is_wrong(tmp_path):
    compose = Compose(tmp_path, "unix:///none")
    wrong = json.loads(GOLDENS[0].read_text())
    name = next(n for n, s in wrong["services"].items() if "depends_on" in s)
    for need in wrong["services"][name]["depends_on"].values():
        need["condition"] = "service_ended"
    (tmp_path / "wrong.json").write_text(json.dumps(wrong))
    with pytest.raises(AssertionError, match="service_ended|condition"):
        compose("-f", tmp_path / "wrong.json", "config", "-q")


def test_up_runs_the_document_as_it_is_printed(lab, tmp_path):
    """Out of a pipe, with its own name, in the order of its steps, every word as it was written."""
    words = "it's $HOME ${x} $$(y) {{z}}"
    file = write(tmp_path, [
        probe_step("a", produces=["a"], arguments={"sleep": 1}),
        probe_step("b", consumes=["a"], **{"from": ["a"]}),
        probe_step("c", consumes=["a"], arguments={"print": words}, **{"from": ["a"]},
                   resources={"limits": {"cpu": "500m", "memory": "256Mi"}})])
    out = lab("-f", "-", "up", "--no-color", input=document(file, "up-1"))
    assert words.replace("$$", "$") in out
    for step in "abc":
        assert (tmp_path / f"data/lab/up-1/{step}/manifest.json").exists()
    [project] = json.loads(lab("ls", "-a", "--format", "json"))
    assert project["Name"] == "up-1" and project["Status"] == "exited(3)"
    lab("-p", "up-1", "down")
    assert json.loads(lab("ls", "-a", "--format", "json")) == []


def test_up_ends_as_the_step_that_failed(lab, tmp_path):
    file = write(tmp_path, [probe_step("a", produces=["a"], arguments={"fail": 3}),
                            probe_step("b", consumes=["a"])])
    (tmp_path / "docker-compose.yml").write_text(document(file, "up-2"))
    lab("-f", tmp_path / "docker-compose.yml", "up", "--no-color", code=1)
    assert not (tmp_path / "data/lab/up-2/b").exists()
    lab("-p", "up-2", "down")


def test_it_shows_a_run_of_ours(lab, docker, tmp_path):
    file = write(tmp_path, [
        probe_step("a", produces=["a"], arguments={"print": "hello from a"}),
        probe_step("b", consumes=["a"], arguments={"print": "hello from b", "fail": 3})])
    done = subprocess.run([PROGRAM, "run", "-f", file, "--backend", "docker", "--name", "ours",
                           "--host", docker.host, "-o", "json"], capture_output=True, text=True,
                          timeout=120)
    assert done.returncode == 1, done.stdout + done.stderr
    run = json.loads(done.stdout[done.stdout.index("{\n"):])["runID"]
    [project] = json.loads(lab("ls", "-a", "--format", "json"))
    assert project["Name"] == run and project["Status"] == "exited(2)"
    shown = {each["Service"]: each for each in map(json.loads, lab(
        "-p", run, "ps", "-a", "--format", "json").splitlines())}
    assert {name: (each["State"], each["ExitCode"]) for name, each in shown.items()} == {
        "a": ("exited", 0), "b": ("exited", 3)}
    logs = lab("-p", run, "logs", "--no-color")
    assert "| hello from a\n" in logs and "| hello from b\n" in logs
    assert "hello from a" not in lab("-p", run, "logs", "b")

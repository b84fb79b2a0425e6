"""kubectl fondant run on a real Docker engine."""
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from dockerlab import IMAGES, engine
from kit import PROBE, ROOT, probe_step, wait_until

PROGRAM = os.environ.get("KUBECTL_FONDANT", str(ROOT / "build/kubectl-fondant"))
EXAMPLE = ROOT / "examples/clean-text"
REAL = ["fndnt/load_from_parquet:0.12.1", "fndnt/filter_text_length:0.12.1",
        "registry.example/clean-text/normalize_text:1.0.0", "fndnt/write_to_file:0.12.1"]


@pytest.fixture(scope="module")
def docker():
    with engine() as found:
        found.load(IMAGES / "oci-probe", PROBE)
        yield found


class Lab:
    """A folder with a pipeline, and the program run on it."""

    def __init__(self, docker, folder):
        self.docker = docker
        self.folder = folder
        self.data = folder / "data"

    def write(self, steps, name="lab", **spec):
        body = {"apiVersion": "fondant.ai/v1alpha1", "kind": "FondantPipeline",
                "metadata": {"name": name},
                "spec": {"workingDirectory": str(self.data), "steps": steps, **spec}}
        file = self.folder / f"{name}.yaml"
        file.write_text(yaml.safe_dump(body, sort_keys=False))
        return str(file)

    def argv(self, command, *args):
        return [PROGRAM, command, *map(str, args), "--host", self.docker.host]

    def call(self, command, *args, **more):
        return subprocess.run(self.argv(command, *args), capture_output=True, text=True,
                              timeout=300, stdin=subprocess.DEVNULL, **more)

    def document(self, file, *args):
        done = subprocess.run([PROGRAM, "compile", "-f", file, "--backend", "docker", "-o",
                               "native", *args], capture_output=True, text=True, check=True)
        return done.stdout

    def run(self, file, *args, code=0, **more):
        """A run to its end: (what it printed, how it ended)."""
        done = self.call("run", "-f", file, "--backend", "docker", "-o", "json", *args, **more)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout, json.loads(done.stdout[done.stdout.index("{\n"):])


@pytest.fixture
def lab(docker, tmp_path, request):
    why = docker.cannot.get(request.node.originalname)
    if why:
        pytest.skip(why)
    found = Lab(docker, tmp_path)
    yield found
    ids = docker.docker("ps", "-aq").stdout.split()
    if ids:
        docker.docker("rm", "-f", *ids)


def phases(result):
    return {step["name"]: step["phase"] for step in result["steps"]}


def of_step(lab, run, step):
    return [c for c in lab.docker.containers(run)
            if c["Config"]["Labels"]["fondant.ai/step"] == step]


def test_the_example_runs_to_its_result(lab):
    """With the framework's own executor in every step, on a local folder."""
    for image in REAL:
        lab.docker.load(IMAGES / "oci", image)
    corpus = lab.folder / "corpus"
    subprocess.run([str(ROOT / ".cache/venv/bin/python"), str(EXAMPLE / "generate.py"),
                    str(corpus / "docs.parquet"), "2000"], check=True)
    body = yaml.safe_load((EXAMPLE / "pipeline.yaml").read_text())
    spec = body["spec"]
    del spec["podTemplate"]
    spec["workingDirectory"] = str(lab.data)
    spec["steps"][0]["arguments"]["dataset_uri"] = str(corpus / "docs.parquet")
    spec["steps"][-1]["arguments"]["path"] = str(lab.folder / "out")
    backend = {"apiVersion": "fondant.ai/v1alpha1", "kind": "FondantBackend",
               "metadata": {"name": "default"}, "spec": {"docker": {
                   "host": lab.docker.host, "extraVolumes": [
                       {"source": str(corpus), "target": str(corpus), "readOnly": True},
                       {"source": str(lab.folder / "out"), "target": str(lab.folder / "out")}]}}}
    file = lab.folder / "clean-text.yaml"
    file.write_text("---\n".join([yaml.safe_dump(body), yaml.safe_dump(backend),
                                  (EXAMPLE / "component.yaml").read_text()]))
    done = subprocess.run([PROGRAM, "run", "-f", str(file), "-o", "json"], capture_output=True,
                          text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout[done.stdout.index("{\n"):])
    assert phases(result) == dict.fromkeys(["load", "filter", "normalize", "write"], "Succeeded")
    rows = pq.read_table(lab.folder / "out").to_pylist()
    assert 0 < len(rows) < 2000
    assert all(row["text"] == row["text"].lower() and row["n_words"] >= 10 for row in rows)


def test_branches_run_side_by_side(lab):
    file = lab.write([probe_step("a", produces=["a"]),
                      probe_step("b", consumes=["a"], arguments={"sleep": 3}, **{"from": ["a"]}),
                      probe_step("c", consumes=["a"], arguments={"sleep": 3}, **{"from": ["a"]})])
    _, result = lab.run(file, "--name", "side")
    assert phases(result) == dict.fromkeys("abc", "Succeeded")
    [b], [c] = of_step(lab, "side", "b"), of_step(lab, "side", "c")
    assert b["State"]["StartedAt"] < c["State"]["FinishedAt"]
    assert c["State"]["StartedAt"] < b["State"]["FinishedAt"]
    assert not b["HostConfig"]["PortBindings"]  # the framework's own port would clash


def test_failures_are_told_in_the_users_words(lab):
    file = lab.write([
        probe_step("a", produces=["a"]),
        probe_step("b", consumes=["a"], arguments={"fail": 3, "print": "out of $CHEESE {{x}}"},
                   **{"from": ["a"]}),
        probe_step("c", consumes=["a"], **{"from": ["a"]}),
        probe_step("d", consumes=["a"], **{"from": ["b"]})], failurePolicy="FinishBranches")
    text, result = lab.run(file, code=1)
    steps = {step["name"]: step for step in result["steps"]}
    assert phases(result) == {"a": "Succeeded", "b": "Failed", "c": "Succeeded",
                              "d": "Skipped"}
    assert steps["b"]["exitCode"] == 3
    assert steps["b"]["message"] == "exit code 3\nout of $CHEESE {{x}}\n"
    assert "    out of $CHEESE {{x}}\n" in text
    assert result["phase"] == "Failed" and result["message"].startswith('step "b" failed')


def test_a_step_that_takes_too_much_memory(lab):
    file = lab.write([probe_step("a", produces=["a"], arguments={"eat_mb": 200},
                                 resources={"limits": {"memory": "32Mi"}})])
    _, result = lab.run(file, code=1)
    [step] = result["steps"]
    assert step["phase"] == "Failed" and step["reason"] == "OOMKilled"


def test_a_failed_attempt_is_retried_in_a_folder_of_its_own(lab):
    file = lab.write([probe_step("a", produces=["a"], arguments={"fail_attempts": 1},
                                 retry={"limit": 2, "backoff": {"initial": "1s"}})])
    _, result = lab.run(file, "--name", "again")
    assert phases(result) == {"a": "Succeeded"}
    assert len(of_step(lab, "again", "a")) == 2
    assert (lab.data / "lab" / f"{result['runID']}-a2" / "a" / "manifest.json").exists()


def test_an_image_that_is_not_there_fails_the_step(lab, popen):
    steps = [probe_step("a", produces=["a"])]
    steps[0]["component"]["spec"]["image"] = "127.0.0.1:1/none/such:1"
    file = lab.write(steps)
    done = popen(lab.argv("run", "-f", file, "--backend", "docker"),
                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    # no registry answers: that may pass, so it is told and tried again
    line = done.stderr.readline()
    assert "127.0.0.1:1/none/such:1" in line and "trying again" in line
    done.send_signal(signal.SIGINT)
    out, _ = done.communicate(timeout=60)
    assert done.returncode == 130 and "Cancelled" in out


def test_ctrl_c_stops_what_runs(lab, popen):
    file = lab.write([probe_step("a", produces=["a"], arguments={"sleep": 600}),
                      probe_step("b", consumes=["a"])])
    done = popen(lab.argv("run", "-f", file, "--backend", "docker", "--name", "stop"),
                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: [c for c in lab.docker.containers("stop") if c["State"]["Running"]], 60,
               lambda: "nothing runs")
    done.send_signal(signal.SIGINT)
    out, err = done.communicate(timeout=60)
    assert done.returncode == 130
    assert "cancelling run stop" in err and "run stop: Cancelled" in out
    assert not [c for c in lab.docker.containers("stop") if c["State"]["Running"]]


def test_a_killed_command_is_taken_up_again(lab, popen):
    """Twenty times: no attempt has a second container, and the run comes to its end."""
    file = lab.write([probe_step("a", produces=["a"], arguments={"sleep": 1}),
                      probe_step("b", consumes=["a"], arguments={"sleep": 1}),
                      probe_step("c", consumes=["a"], arguments={"sleep": 1})])
    argv = lab.argv("run", "-f", file, "--backend", "docker", "--name", "killed")
    for i in range(20):
        victim = popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        for _ in range(1 + i % 3):  # dies after so many lines: at another place each time
            victim.stdout.readline()
        victim.kill()
        victim.wait()
        victim.stdout.close()
    _, result = lab.run(file, "--name", "killed")
    assert phases(result) == dict.fromkeys("abc", "Succeeded")
    assert len(lab.docker.containers("killed")) == 3


NOTE = "100% {{x}} $$(y) $HOME 'q' \"\u00e9\\n"


def secret_step(lab):
    """A Python step that leaves the hash of its secret, and its note, in a row."""
    source = ("import hashlib\nimport dask.dataframe as dd\nimport pandas as pd\n"
              "from fondant.component import DaskLoadComponent\n\n\n"
              "class Make(DaskLoadComponent):\n"
              "    def __init__(self, token: str, note: str):\n"
              "        self.row = hashlib.sha256(token.encode()).hexdigest() + note\n\n"
              "    def load(self):\n"
              "        return dd.from_pandas(pd.DataFrame({'a': [self.row]}), npartitions=1)\n")
    lab.docker.load(IMAGES / "oci", REAL[0])
    return {"name": "make", "component": {"python": {
        "image": REAL[0], "source": source, "produces": {"a": {"type": "string"}},
        "args": {"token": {"type": "str"}, "note": {"type": "str"}}}},
        "arguments": {"note": NOTE},
        "secretArguments": {"token": {"secretKeyRef": {"name": "w", "key": "t"}}}}


def assert_row(folder, secret):
    [row] = pq.ParquetDataset(sorted(folder.glob("*.parquet"))).read().to_pylist()
    assert row["a"] == hashlib.sha256(secret.encode()).hexdigest() + NOTE.replace("$$", "$")


def test_a_secret_argument_is_seen_by_the_step_alone(lab):
    file = lab.write([secret_step(lab), probe_step("read", consumes=["a"])])
    missing = lab.call("run", "-f", file, "--backend", "docker")
    assert missing.returncode == 1 and "--secret w/t=env:VARIABLE" in missing.stderr
    secret = "correct horse $HOME battery"
    text, result = lab.run(file, "--name", "secret", "--secret", "w/t=env:TOKEN",
                           env={**os.environ, "TOKEN": secret})
    assert phases(result) == {"make": "Succeeded", "read": "Succeeded"}
    [folder] = lab.data.glob("lab/secret-*/make")
    assert_row(folder, secret)
    everything = json.dumps(lab.docker.containers("secret")) + text + lab.document(file)
    assert secret not in everything and "horse" not in everything
    assert "FONDANT_SECRET_0" in everything


def test_a_run_is_found_by_its_name(lab, popen):
    file = lab.write([probe_step("a", produces=["a"], arguments={"print": "hello from a"}),
                      probe_step("b", consumes=["a"], arguments={"sleep": 600, "print": "b waits"})])
    victim = popen(lab.argv("run", "-f", file, "--backend", "docker", "--name", "found"),
                   stdout=subprocess.DEVNULL)
    wait_until(lambda: [c for c in of_step(lab, "found", "b") if c["State"]["Running"]], 60,
               lambda: "b does not run")
    victim.kill()
    victim.wait()
    status = lab.call("status", "found", "-o", "json")
    assert phases(json.loads(status.stdout)) == {"a": "Succeeded", "b": "Running"}
    assert "hello from a" in lab.call("logs", "found", "a").stdout
    assert "==> a <==\nhello from a" in lab.call("logs", "found").stdout
    follow = popen(lab.argv("logs", "found", "b", "-f"), stdout=subprocess.PIPE, text=True)
    assert follow.stdout.readline() == "b waits\n"
    assert lab.call("cancel", "found").returncode == 0
    assert follow.wait(timeout=60) == 0
    follow.stdout.close()
    assert not [c for c in lab.docker.containers("found") if c["State"]["Running"]]
    nobody = lab.call("status", "nobody")
    assert nobody.returncode == 1 and "no containers of run nobody" in nobody.stderr


def test_docker_compose_takes_it_for_its_own(lab):
    """By the labels that `docker compose ls`, `ps` and `logs` look for."""
    lab.run(lab.write([probe_step("a", produces=["a"]), probe_step("b", consumes=["a"])]),
            "--name", "compose")
    [b] = of_step(lab, "compose", "b")
    labels = {k.removeprefix("com.docker.compose."): v for k, v in b["Config"]["Labels"].items()
              if k.startswith("com.docker.compose.")}
    assert labels["service"] == "b" and labels["container-number"] == "1"
    assert labels["oneoff"] == "False" and len(labels["config-hash"]) == 64
    assert labels["depends_on"] == "a:service_completed_successfully:false"
    assert labels["project.config_files"] and re.fullmatch("[a-z0-9][a-z0-9_-]*", labels["project"])
    assert f"{labels['project']}_default" in b["NetworkSettings"]["Networks"]


def test_docker_compose_runs_the_document(lab):
    """Compose 1.29 takes the project's name as an option, not out of the file."""
    secret = "pass$word \u00e9"
    last = probe_step("b", consumes=["a"], arguments={"print": "it's $HOME ${x} $$(y) {{z}}"},
                      resources={"limits": {"cpu": "500m", "memory": "256Mi"}})
    document = yaml.safe_load(lab.document(lab.write([secret_step(lab), last]), "--run", "up-1"))
    assert document.pop("name") == "up-1"
    compose = lab.folder / "docker-compose.yml"
    compose.write_text(yaml.safe_dump(document))

    def call(*argv):
        return lab.docker.compose("-f", str(compose), "-p", "up-1", *argv,
                                  env={**os.environ, "FONDANT_SECRET_0": secret})

    assert call("config", "-q").returncode == 0, call("config", "-q").stderr
    up = call("--compatibility", "up", "--no-color")
    assert up.returncode == 0, up.stdout + up.stderr
    assert "it's $HOME ${x} $(y) {{z}}" in up.stdout
    assert_row(lab.data / "lab/up-1/make", secret)
    assert (lab.data / "lab/up-1/b/manifest.json").exists()
    down = call("down")
    assert down.returncode == 0, down.stderr


def test_the_engine_restarts_during_a_run(lab, popen):
    """dockerd dies and comes back, and ends what ran meanwhile: that attempt is counted."""
    file = lab.write([probe_step("a", produces=["a"], arguments={"sleep": 600})])
    done = popen(lab.argv("run", "-f", file, "--backend", "docker", "--name", "restart"),
                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: [c for c in lab.docker.containers("restart") if c["State"]["Running"]], 60,
               lambda: "nothing runs")
    lab.docker.kill()
    assert "trying again" in done.stderr.readline()
    lab.docker.start()
    out, _ = done.communicate(timeout=120)
    assert done.returncode == 1 and "Failed" in out


def test_an_engine_that_is_not_there(lab, tmp_path, popen):
    file = lab.write([probe_step("a", produces=["a"])])
    done = popen([PROGRAM, "run", "-f", file, "--backend", "docker", "--host",
                  f"unix://{tmp_path}/none.sock"], stdout=subprocess.PIPE,
                 stderr=subprocess.PIPE, text=True)
    assert "trying again" in done.stderr.readline()
    done.send_signal(signal.SIGINT)
    done.stderr.readline()
    done.send_signal(signal.SIGINT)
    assert done.wait(timeout=60) == 130
    wrong = subprocess.run([PROGRAM, "run", "-f", file, "--backend", "docker", "--host", "ssh://x"],
                           capture_output=True, text=True)
    assert wrong.returncode == 2 and "unix:///path or tcp://host:port" in wrong.stderr


@pytest.mark.parametrize("field, value, path", [
    ("podTemplate", {"spec": {"nodeSelector": {"a": "b"}}}, "spec.podTemplate"),
    ("resources", {"requests": {"cpu": 1}}, "spec.steps[0].resources.requests"),
    ("instanceType", "m5.large", "spec.steps[0].instanceType"),
])
def test_what_an_engine_cannot_is_refused(lab, field, value, path):
    step = probe_step("a", produces=["a"])
    spec = {}
    (spec if field == "podTemplate" else step)[field] = value
    file = lab.write([step], **spec)
    done = lab.call("run", "-f", file, "--backend", "docker")
    assert done.returncode == 1 and path in done.stderr, done.stderr
    assert not lab.docker.containers()
    assert shutil.which("docker") and Path(file).exists()


# --- native documents -----------------------------------------------------------------------------

FRAMEWORK = """
import sys
import pyarrow as pa
from fondant.dataset import Dataset
from fondant.dataset.compiler import DockerCompiler

corpus, out, artifacts, document = sys.argv[1:]
dataset = Dataset.create("load_from_parquet", arguments={"dataset_uri": corpus},
                         produces={"text": pa.string()}, dataset_name="theirs")
dataset = dataset.apply("filter_text_length",
                        arguments={"min_characters_length": 1, "min_words_length": 10})
dataset = dataset.write("write_to_file", arguments={"path": out, "format": "parquet"})
DockerCompiler().compile(dataset, working_directory=artifacts, output_path=document,
                         extra_volumes=[f"{corpus}:{corpus}:ro", f"{out}:{out}"])
"""


def native(lab, document, **spec):
    """The files of a pipeline whose document is in a ConfigMap."""
    file = lab.folder / "native.yaml"
    source = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "theirs"},
              "data": {"docker-compose.yml": document}}
    pipeline = {"apiVersion": "fondant.ai/v1alpha1", "kind": "FondantPipeline",
                "metadata": {"name": "lab"}, "spec": {"native": {
                    "format": "Compose",
                    "configMapKeyRef": {"name": "theirs", "key": "docker-compose.yml"}}, **spec}}
    file.write_text(yaml.safe_dump_all([pipeline, source]))
    return str(file)


def test_a_document_of_the_framework_runs(lab):
    """What its own compiler wrote, with its own components: the ports that it publishes as well."""
    for image in (REAL[0], REAL[1], REAL[3]):
        lab.docker.load(IMAGES / "oci", image)
    corpus, out, document = (lab.folder / name for name in ("docs.parquet", "out", "compose.yml"))
    subprocess.run([str(ROOT / ".cache/venv/bin/python"), str(EXAMPLE / "generate.py"),
                    str(corpus), "500"], check=True)
    out.mkdir()
    lab.data.mkdir()
    subprocess.run([str(ROOT / ".cache/framework-venv/bin/python"), "-c", FRAMEWORK, str(corpus),
                    str(out), str(lab.data), str(document)], check=True, capture_output=True)
    names = list(yaml.safe_load(document.read_text())["services"])
    _, result = lab.run(native(lab, document.read_text()), "--name", "theirs")
    assert phases(result) == dict.fromkeys(sorted(names), "Succeeded") and len(names) == 3
    assert 0 < len(pq.read_table(out)) < 500
    [first] = of_step(lab, "theirs", "load_from_parquet")
    assert first["HostConfig"]["PortBindings"]["8787/tcp"][0]["HostPort"] == "8787"
    assert first["Config"]["Labels"]["com.docker.compose.service"] == "load_from_parquet"
    status = json.loads(lab.call("status", "theirs", "-o", "json").stdout)
    assert set(phases(status).values()) == {"Succeeded"}


BY_HAND = """
name: by-hand
services:
  last:
    image: {probe}
    entrypoint: /bin/sh -c 'cat "$$0" && echo "rows $rows" && exit ${{code:-0}}'
    command: [{data}/first]
    depends_on: {{first: {{condition: service_completed_successfully}}}}
    volumes: ['{data}:{data}:ro']
    network_mode: none
  first:
    image: {probe}
    entrypoint: [/bin/sh, -c, 'echo "$$WHO is $$(id -u)" > {data}/first; echo done']
    user: '0'
    environment: {{WHO: it}}
    volumes: ['{data}:{data}']
    mem_limit: 64m
"""


@pytest.fixture
def shell(docker, tmp_path):
    """An image with a shell."""
    root = tmp_path / "root"
    (root / "bin").mkdir(parents=True)
    shutil.copy("/bin/busybox", root / "bin/busybox")
    for name in ("sh", "cat", "id", "sleep"):
        (root / "bin" / name).symlink_to("busybox")
    archive = subprocess.run(["tar", "-c", "-C", str(root), "."], check=True, capture_output=True)
    subprocess.run([docker.client, "--host", docker.host, "import", "-", "shell.lab/shell:1"], check=True,
                   input=archive.stdout, capture_output=True)
    return "shell.lab/shell:1"


def by_hand(lab, shell, **spec):
    lab.data.mkdir(exist_ok=True)
    spec.setdefault("parameters", [{"name": "rows", "type": "int", "default": 7}])
    return native(lab, BY_HAND.format(probe=shell, data=lab.data), **spec)


def test_a_document_by_hand_runs(lab, shell):
    _, result = lab.run(by_hand(lab, shell), "--name", "hand", "-p", "rows=9")
    assert phases(result) == {"first": "Succeeded", "last": "Succeeded"}
    assert lab.call("logs", "hand", "last").stdout == "it is 0\nrows 9\n"
    [first], [last] = of_step(lab, "hand", "first"), of_step(lab, "hand", "last")
    assert first["HostConfig"]["Memory"] == 64 << 20 and last["HostConfig"]["NetworkMode"] == "none"
    assert first["State"]["FinishedAt"] <= last["State"]["StartedAt"]


def test_a_document_by_hand_fails(lab, shell):
    parameters = [{"name": "rows", "type": "int", "default": 7},
                  {"name": "code", "type": "int", "default": 4}]
    _, result = lab.run(by_hand(lab, shell, parameters=parameters), code=1)
    steps = {step["name"]: step for step in result["steps"]}
    assert steps["last"]["exitCode"] == 4 and "rows 7" in steps["last"]["message"]
    assert result["message"] == 'step "last" failed: exit code 4'


def test_a_killed_command_takes_a_document_up_again(lab, shell, popen):
    file = by_hand(lab, shell)
    argv = lab.argv("run", "-f", file, "--backend", "docker", "--name", "again")
    for i in range(6):
        victim = popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        for _ in range(1 + i % 3):
            victim.stdout.readline()
        victim.kill()
        victim.wait()
        victim.stdout.close()
    _, result = lab.run(file, "--name", "again")
    assert phases(result) == {"first": "Succeeded", "last": "Succeeded"}
    assert len(lab.docker.containers("again")) == 2


def test_docker_compose_runs_a_document_like_ours(lab, shell):
    """The document beside the frozen spec, its parameters put in."""
    document = yaml.safe_load(lab.document(by_hand(lab, shell), "--run", "up-2"))
    assert document.pop("name") == "up-2"
    compose = lab.folder / "docker-compose.yml"
    compose.write_text(yaml.safe_dump({"version": "2.4", **document}))
    done = lab.docker.compose("-f", str(compose), "-p", "up-2", "up", "--no-color")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "it is 0" in done.stdout and "rows 7" in done.stdout


def test_a_wrong_document_is_told_at_its_place(lab, shell):
    text = BY_HAND.format(probe=shell, data=lab.data).replace("user: '0'", "privileged: true")
    done = lab.call("run", "-f", native(lab, text, parameters=[
        {"name": "rows", "type": "int", "default": 7}]), "--backend", "docker")
    assert done.returncode == 1 and "services.first.privileged: " in done.stderr
    assert not lab.docker.docker("ps", "-aq").stdout

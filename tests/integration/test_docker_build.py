"""Component folders with a Dockerfile: kubectl fondant builds them on a real Docker engine."""
import base64
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import tarfile
import threading
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from dockerlab import IMAGES, engine
from kit import PROBE, ROOT, probe_component, wait_until

PROGRAM = os.environ.get("KUBECTL_FONDANT", str(ROOT / "build/kubectl-fondant"))
CONTEXT = ROOT / "build/tests/unit/tool_context"
BASE = "fndnt/load_from_parquet:0.12.1"  # Python, and the framework

# bcrypt of "s3cr3t+/=", cost 5
HTPASSWD = "me:$2b$05$abcdefghijklmnopqrstuurqWPUZR1Qq7yqi3jKDeYLve1pkrrLg2\n"
PASSWORD = "s3cr3t+/="

LOADER = '''\
import os
import dask.dataframe as dd
import pandas as pd
from fondant.component import DaskLoadComponent


class Load(DaskLoadComponent):
    def load(self):
        files = sorted(os.path.relpath(os.path.join(root, name), "/component")
                       for root, _, names in os.walk("/component") for name in names
                       if "__pycache__" not in root)
        row = {"text": open("/greeting").read(), "files": " ".join(files)}
        many = pd.DataFrame([row] * 100, index=[str(i) for i in range(100)])
        return dd.from_pandas(many, npartitions=1)  # the executor fails where a part is empty
'''
LOAD_FILE = {"name": "Load words", "description": "Makes rows.", "image": "lab.example/load_words:dev",
             "produces": {"text": {"type": "string"}, "files": {"type": "string"}}}
LOAD_DOCKERFILE = f"""\
FROM {BASE}
ARG GREETING="Nobody  Says"
RUN rm -rf /component && printf %s "$GREETING" > /greeting
WORKDIR /component/src
COPY . /component
"""


@pytest.fixture(scope="module")
def docker():
    with engine() as found:
        found.load(IMAGES / "oci", BASE)
        found.load(IMAGES / "oci-probe", PROBE)
        yield found


class Lab:
    """A folder with a pipeline and component folders, and the program run on them."""

    def __init__(self, docker, folder):
        self.docker = docker
        self.folder = folder
        self.data = folder / "data"
        self.components = folder / "components"

    def component(self, name, file, dockerfile=None):
        path = self.components / name
        path.mkdir(parents=True)
        (path / "fondant_component.yaml").write_text(yaml.safe_dump(file))
        if dockerfile:
            (path / "Dockerfile").write_text(dockerfile)
        return path

    def probe(self, dockerfile=f"FROM {PROBE}\n"):
        """A folder of the small image, which loads."""
        return self.component("probe", {**probe_component(produces=["a"]),
                                        "image": "lab.example/probe:dev"}, dockerfile)

    def pipeline(self, *refs):
        file = self.folder / "lab.yaml"
        steps = [{"name": ref, "component": {"ref": {"name": ref}}} for ref in refs]
        file.write_text(yaml.safe_dump({
            "apiVersion": "fondant.ai/v1alpha1", "kind": "FondantPipeline", "metadata": {"name": "lab"},
            "spec": {"workingDirectory": str(self.data), "steps": steps}}))
        return file

    def argv(self, *refs, backend="docker", args=()):
        return [PROGRAM, "run", "-R", "-f", str(self.pipeline(*refs)), "-f", str(self.components),
                "--backend", backend, "--host", self.docker.host, *map(str, args)]

    def call(self, *refs, code=0, backend="docker", args=()):
        done = subprocess.run(self.argv(*refs, backend=backend, args=args), capture_output=True,
                              text=True, timeout=300, stdin=subprocess.DEVNULL)
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def containers(self, run):
        return {c["Config"]["Labels"]["fondant.ai/step"]: c for c in self.docker.containers(run)}


@pytest.fixture
def lab(docker, tmp_path):
    found = Lab(docker, tmp_path)
    yield found
    ids = docker.docker("ps", "-aq").stdout.split()
    if ids:
        docker.docker("rm", "-f", *ids)


def metadata(container):
    words = container["Config"]["Cmd"]
    return json.loads(words[words.index("--metadata") + 1])


def real_lab(lab):
    """A loader, and one of the framework-style folders of tests/images with a Dockerfile added."""
    folder = lab.component("load_words", LOAD_FILE, LOAD_DOCKERFILE)
    (folder / "src").mkdir()
    (folder / "src/main.py").write_text(LOADER)
    (folder / "secret.env").write_text("TOKEN=1")
    (folder / "notes/deep").mkdir(parents=True)
    (folder / "notes/deep/keep.md").write_text("x")
    (folder / "notes/deep/drop.md").write_text("x")
    (folder / ".dockerignore").write_text("# not for the image\n*.env\nnotes\n!notes/**/keep.md\nDockerfile\n")
    shutil.copytree(ROOT / "tests/images/components/normalize_text", lab.components / "Normalize_Text")
    (lab.components / "Normalize_Text/Dockerfile").write_text(
        f"FROM {BASE}\nWORKDIR /component/src\nCOPY src/ .\n")


def rows_of(lab, run, step):
    [folder] = lab.data.glob(f"lab/{run}-*/{step}")
    return pq.ParquetDataset(sorted(folder.glob("*.parquet"))).read().to_pylist()


def test_folders_are_built_and_run(lab):
    """The framework's own executor in both; a second run is the same, an edited folder is not."""
    real_lab(lab)
    refs = ("load-words", "normalize-text")
    done = lab.call(*refs, args=["--name", "one", "--build-arg", "GREETING=Hello   World = 1"])
    row = rows_of(lab, "one", "load-words")[0]
    assert row["text"] == "Hello   World = 1"
    # the Dockerfile is sent, whatever .dockerignore says; the engine then leaves it out of the image
    assert row["files"].split() == [".dockerignore", "fondant_component.yaml", "notes/deep/keep.md",
                                    "src/main.py"]
    assert rows_of(lab, "one", "normalize-text")[0]["text"] == "hello world = 1"
    first = lab.containers("one")
    tag = json.loads(lab.docker.docker("image", "inspect", LOAD_FILE["image"]).stdout)[0]
    assert first["load-words"]["Image"] == first["load-words"]["Config"]["Image"] == tag["Id"]
    assert tag["Config"]["Labels"]["fondant.ai/component"] == "load-words"
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["load-words", "Building", str(lab.components / "load_words")]
    assert f"{'load-words':24} Step 2/6 : ARG GREETING=\"Nobody  Says\"" in lines
    assert f"{'load-words':24} Built {tag['Id'][:19]} after " in done.stdout
    assert lines.index(next(l for l in lines if l.startswith("normalize-text"))) > 5


def test_the_key_is_that_of_what_was_built(lab):
    """The same folder gives the same image, from the engine's cache; an edited one another."""
    folder = lab.probe(dockerfile=f"FROM {PROBE}\nARG A=0\nLABEL a=$A\nCOPY notes /notes\n")
    (folder / "notes").write_text("1")
    seen = []
    for name, args in (("one", []), ("two", []), ("argument", ["--build-arg", "A=1"])):
        done = lab.call("probe", args=["--name", name, *args])
        seen.append(lab.containers(name)["probe"])
        assert f"{'probe':24} Built {seen[-1]['Image'][:19]} after " in done.stdout
    (folder / "notes").write_text("2")
    lab.call("probe", args=["--name", "edited"])
    one, two, argument, edited = [(c["Image"], metadata(c)["cache_key"])
                                  for c in [*seen, lab.containers("edited")["probe"]]]
    assert one == two
    assert len({key for pair in (one, argument, edited) for key in pair}) == 6


def test_a_failing_instruction(lab):
    lab.probe(dockerfile=f"FROM {BASE}\nRUN exec >&2; echo before; echo 'out of cheese'; exit 3\n")
    done = lab.call("probe", code=1)
    assert "kubectl fondant: component probe, building of" in done.stderr
    assert "returned a non-zero code: 3\n" in done.stderr
    assert "\n    before\n    out of cheese\n" in done.stderr
    assert not lab.docker.containers()
    assert not lab.docker.docker("ps", "-aq").stdout  # nor any of the builder's


def test_a_wrong_dockerfile(lab):
    lab.probe(dockerfile=f"FROM {PROBE}\nRAN x\n")
    assert "unknown instruction: RAN" in lab.call("probe", code=1).stderr
    shutil.rmtree(lab.components)
    lab.probe(dockerfile="FROM 127.0.0.1:1/none/such:1\n")
    assert "127.0.0.1:1" in lab.call("probe", code=1).stderr


@pytest.fixture
def private(docker, tmp_path):
    """A registry beside the engine that gives the probe to `me` alone: what FROM says of it."""
    inside = ["nsenter", f"--net=/run/netns/{docker.namespace}"]
    (tmp_path / "htpasswd").write_text(HTPASSWD)
    (tmp_path / "registry.json").write_text(json.dumps({  # JSON is YAML
        "version": 0.1, "http": {"addr": "127.0.0.1:5000"},
        "storage": {"filesystem": {"rootdirectory": str(tmp_path / "store")}},
        "auth": {"htpasswd": {"realm": "lab", "path": str(tmp_path / "htpasswd")}}}))
    subprocess.run([str(ROOT / "tests/deps"), "cluster"], check=True, stdout=subprocess.DEVNULL)
    with (tmp_path / "registry.log").open("wb") as log:
        process = subprocess.Popen([*inside, "docker-registry", "serve", str(tmp_path / "registry.json")],
                                   stdout=log, stderr=log)
    try:
        image = "127.0.0.1:5000/team/probe:1"

        def pushed():
            assert process.poll() is None, (tmp_path / "registry.log").read_text()
            return subprocess.run(
                [*inside, "skopeo", "copy", "-q", "--dest-tls-verify=false", "--dest-creds", f"me:{PASSWORD}",
                 f"oci:{IMAGES / 'oci-probe'}", f"docker://{image}"], capture_output=True).returncode == 0
        wait_until(pushed, 60, lambda: (tmp_path / "registry.log").read_text())
        yield image
    finally:
        process.terminate()
        process.wait(timeout=20)


def test_a_private_image_of_from_is_pulled(lab, private, monkeypatch):
    lab.probe(dockerfile=f"FROM {private}\n")
    monkeypatch.setenv("DOCKER_CONFIG", str(lab.folder))
    denied = lab.call("probe", code=1)
    assert "no basic auth credentials" in denied.stderr
    (lab.folder / "config.json").write_text(json.dumps({"auths": {"127.0.0.1:5000": {
        "auth": base64.b64encode(f"me:{PASSWORD}".encode()).decode()}}}))
    done = lab.call("probe", args=["--name", "private"])
    assert "1: Pulling from team/probe" in done.stdout
    assert PASSWORD not in done.stdout + json.dumps(lab.docker.containers("private"))


def test_ctrl_c_ends_a_build(lab, popen):
    lab.probe(dockerfile=f"FROM {BASE}\nRUN sleep 600\n")
    done = popen(lab.argv("probe"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while "RUN sleep" not in done.stdout.readline():
        assert done.poll() is None, done.stderr.read()
    wait_until(lambda: lab.docker.docker("ps", "-q").stdout, 60, lambda: "the builder runs nothing")
    done.send_signal(signal.SIGINT)
    _, err = done.communicate(timeout=60)
    assert done.returncode == 130
    assert "cancelled while component probe was built; nothing was run" in err
    wait_until(lambda: not lab.docker.docker("ps", "-q").stdout, 60, lambda: "the builder goes on")
    assert not lab.docker.containers()


def test_memory_does_not_grow_with_the_context(lab, popen):
    """A gigabyte, all of which the engine has when it begins."""
    folder = lab.probe(dockerfile=f"FROM {BASE}\nCOPY large /\nRUN test $(stat -c %s /large) = 1073741824; sleep 600\n")
    with (folder / "large").open("wb") as file:
        file.truncate(1 << 30)
    done = popen(lab.argv("probe"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while "RUN test" not in done.stdout.readline():
        assert done.poll() is None, done.stderr.read()
    status = Path(f"/proc/{done.pid}/status").read_text()
    [peak] = [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")]
    done.send_signal(signal.SIGINT)
    done.communicate(timeout=60)
    assert done.returncode == 130
    assert peak < 32 << 10  # KiB


def test_a_folder_without_a_dockerfile_names_its_image(lab):
    lab.component("probe", {**probe_component(produces=["a"]), "image": PROBE})
    lab.call("probe", args=["--name", "plain"])
    assert lab.containers("plain")["probe"]["Config"]["Image"] == PROBE


def refused(lab, *args, code=2, refs=("probe",), **more):
    text = lab.call(*refs, code=code, args=args, **more).stderr
    assert not lab.docker.containers()
    return text


def test_wrong_options_are_told(lab):
    lab.probe()
    text = refused(lab, "--build-arg", "TOKEN")
    assert '--build-arg: "TOKEN" is not NAME=VALUE' in text
    assert "is not NAME=VALUE" in refused(lab, "--build-arg", "=s3cret")
    assert "s3cret" not in refused(lab, "--build-arg", "=s3cret")
    (lab.components / "probe/Dockerfile").unlink()
    text = refused(lab, "--build-arg", "A=1")
    assert f"{lab.components}/probe has no Dockerfile beside fondant_component.yaml" in text
    done = subprocess.run([PROGRAM, "run", "-f", "-", "--backend", "docker", "--build-arg", "A=1"],
                          input=lab.pipeline("probe").read_text(), capture_output=True, text=True)
    assert done.returncode == 1 and "a component folder must be applied as one" in done.stderr


def test_other_backends_build_nothing(lab):
    file = lab.folder / "inline.yaml"
    lab.probe()
    file.write_text(lab.pipeline("probe").read_text().replace("ref:\n        name: probe", "spec: " + json.dumps(
        {**probe_component(produces=["a"]), "image": "r.example/p:1"})).replace(str(lab.data), "s3://b/p"))
    done = subprocess.run([PROGRAM, "run", "-f", str(file), "--backend", "kubeflow", "--endpoint",
                           "http://127.0.0.1:1", "--build-arg", "A=1"], capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert "only backend docker builds component folders, and this run is for kubeflow" in done.stderr
    for backend in ("kubernetes", "kubeflow"):
        text = refused(lab, code=1, backend=backend)
        assert f"`probe` is a component folder of this machine, which means nothing to backend {backend}" in text
        assert "apply its file as the spec of a FondantComponent" in text


def test_no_engine(lab, tmp_path):
    lab.probe()
    text = refused(lab, "--host", f"unix://{tmp_path}/none.sock")
    assert "component probe, building of" in text and f"{tmp_path}/none.sock" in text
    assert "is a Docker engine running there?" in text


def test_what_is_wrong_in_a_folder_is_told(lab):
    folder = lab.probe()
    (folder / ".dockerignore").write_text("ok\n[a\n")
    assert f"{folder}/.dockerignore:2: a `[` begins" in refused(lab, code=1)
    (folder / ".dockerignore").unlink()
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(folder / "sock"))
    sock.close()
    assert f"{folder}/sock: a socket cannot be sent to a builder" in refused(lab)
    (folder / "sock").unlink()
    file = yaml.safe_load((folder / "fondant_component.yaml").read_text())
    (folder / "fondant_component.yaml").write_text(yaml.safe_dump(
        {**file, "image": "r.example/p@sha256:" + "0" * 64}))
    assert "fondant_component.yaml: image: a digest is known when" in refused(lab, code=1)
    (folder / "fondant_component.yaml").write_text(yaml.safe_dump({**file, "produces": 3}))
    text = refused(lab, code=1)
    assert f"{folder}/fondant_component.yaml:" in text and "error: produces: " in text
    (folder / "fondant_component.yaml").write_text(yaml.safe_dump(file))
    shutil.copytree(folder, lab.components / "other/probe")
    text = refused(lab, code=1)
    assert f"the folders {lab.components}/other/probe and {folder} both answer to `probe`" in text


class Listener:
    """Answers docker(1) as an engine does, and keeps the archive that it sends to /build."""

    def __init__(self, path):
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(str(path))
        self.server.listen()
        self.body = b""
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while not self.body:
            try:
                conn, _ = self.server.accept()
            except OSError:
                return
            with conn, conn.makefile("rb") as lines:
                while self.answer(conn, lines):
                    pass

    def answer(self, conn, lines):
        first = lines.readline().decode()
        headers = {}
        while (line := lines.readline().strip()):
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        if not first:
            return False
        body = b""
        if headers.get("transfer-encoding") == "chunked":
            while size := int(lines.readline(), 16):
                body += lines.read(size)
                lines.readline()
            lines.readline()
        if "/build?" in first:
            self.body = body
        conn.sendall(b"HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Type: application/json\r\n"
                     b"Content-Length: 2\r\n\r\nOK" if "_ping" in first else
                     b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 0\r\n\r\n")
        return True

    def close(self):
        self.server.close()


IGNORES = {
    "nothing": "",
    "comments": "# a.py\n\n  \n#*\n",
    "names": "a.py\nsub/b.py\n/c.log\n./d\n",
    "stars": "*.py\n*/*.log\n",
    "deep": "**/*.py\n**/node\n",
    "exceptions": "*\n!sub\nsub/deep\n!sub/deep/c.log\n!*.md\n",
    "later-wins": "!a.py\n*.py\n!sub/b.py\nsub\n",
    "always-sent": "*\nDockerfile\n.dockerignore\n",
    "classes": "[a-b].py\nsub/[^b].*\n?.log\n",
    "folders": "sub/\nd/**\n",
    "odd": "a**b\n\\!x\nsub/../a.py\n",
}


@pytest.mark.parametrize("name", IGNORES)
def test_the_context_is_what_docker_sends(tmp_path, name):
    """The same names as docker build puts into its archive."""
    folder = tmp_path / "context"
    for path in ("a.py", "b.py", "c.log", "d/x", "d/y/z", "sub/b.py", "sub/x.log", "sub/deep/c.log",
                 "sub/deep/node/m.js", "node/n.js", "README.md", "!x", "ab", "ax/b", "axb", "Dockerfile"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(path)
    (folder / "Dockerfile").write_text("FROM scratch\n")
    (folder / "link").symlink_to("sub")
    (folder / "empty").mkdir()
    (folder / ".dockerignore").write_text(IGNORES[name])
    listener = Listener(tmp_path / "sock")
    try:
        subprocess.run(["docker", "--host", f"unix://{tmp_path}/sock", "build", str(folder)],
                       env={**os.environ, "DOCKER_BUILDKIT": "0"}, capture_output=True, timeout=60)
        assert listener.body, "docker build sent nothing"
    finally:
        listener.close()
    ours = subprocess.run([str(CONTEXT), str(folder)], capture_output=True, check=True).stdout

    def names(data):
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            return sorted((m.name, m.type, m.linkname, m.mode) for m in tar)
    assert names(ours) == names(listener.body)

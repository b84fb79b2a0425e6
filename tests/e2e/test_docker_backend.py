"""A FondantBackend of kind docker: the controller reaches a real engine by TLS, the engine pulls
from the registry, and its containers are the steps."""
import base64
import json
import os
import shutil
import subprocess

import pytest
import yaml

from dockerlab import engine
from kit import REGISTRY, ROOT, Namespace, phases_of, steps_of, wait_until
from test_disruption import replace_controller

ADDRESS, PEER = "10.98.0.2", "10.98.0.1"
IMAGE = f"{REGISTRY}/probe:1"
KILLS = 20


def ip(*args):
    subprocess.run(["ip", *args], check=True)


@pytest.fixture(scope="module")
def docker(operator):
    """An engine beside the cluster, joined to it by a cable."""
    cable = f"dk{os.getpid() % 100000}"

    def prepare(namespace):
        operator.exec("ip", "link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns",
                      f"/run/netns/{namespace}")
        operator.exec("ip", "addr", "add", f"{PEER}/30", "dev", cable)
        operator.exec("ip", "link", "set", cable, "up")
        ip("-n", namespace, "addr", "add", f"{ADDRESS}/30", "dev", "eth0")
        ip("-n", namespace, "link", "set", "eth0", "up")
        ip("-n", namespace, "route", "add", "10.244.0.0/16", "via", PEER)

    with engine(ADDRESS, prepare, "--insecure-registry", REGISTRY) as found:
        yield found


class Lab(Namespace):
    """Pipelines whose steps are containers of the engine."""

    def __init__(self, cluster, docker):
        super().__init__(cluster)
        self.docker = docker

    def secret(self, ca="ca.crt"):
        files = {"ca.crt": ca, "tls.crt": "client.crt", "tls.key": "client.key"}
        return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "engine-tls"},
                "data": {key: base64.b64encode((self.docker.folder / name).read_bytes()).decode()
                         for key, name in files.items()}}

    def backend(self):
        return {"apiVersion": "fondant.ai/v1alpha1", "kind": "FondantBackend",
                "metadata": {"name": "default"},
                "spec": {"workingDirectory": str(self.data), "docker": {
                    "host": f"tcp://{ADDRESS}:2376", "tls": {"secretRef": {"name": "engine-tls"}}}}}

    def pipeline(self, name, steps, **spec):
        for step in steps:
            step["component"]["spec"]["image"] = IMAGE
        return {"apiVersion": "fondant.ai/v1alpha1", "kind": "FondantPipeline",
                "metadata": {"name": name}, "spec": {"steps": steps, **spec}}

    def runs(self, run, step):
        def running():
            found = self.get("frun", run)
            return "steps" in found.get("status", {}) and phases_of(found)[step] == "Running"
        self.wait(f"{step} of {run} to run", running)


@pytest.fixture
def lab(operator, docker):
    found = Lab(operator, docker)
    operator.kubectl("create", "namespace", found.name)
    found.apply(found.secret(), found.backend())
    found.ready()
    yield found
    found.remove()


def containers(lab, run):
    return {(c["Config"]["Labels"]["fondant.ai/step"], c["Config"]["Labels"]["fondant.ai/attempt"]):
            c for c in lab.docker.containers(run)}


def test_a_run_on_an_engine(lab):
    version = lab.get("fbe", "default")["status"]["version"]
    assert version.startswith(lab.docker.docker("version", "-f", "{{.Server.Version}}").stdout.strip())
    listed = lab.kubectl("get", "fbe").stdout
    assert "docker" in listed and "True" in listed and version.split()[0] in listed
    run = lab.run_to(lab.linear("p", {}, {"print": "it's $HOME"}, {}))
    assert set(phases_of(run).values()) == {"Succeeded"}
    name, status = run["metadata"]["name"], run["status"]
    assert status["backend"]["name"] == "default" and status["backend"]["kind"] == "docker"
    assert not lab.get("jobs")
    assert sorted(containers(lab, name)) == [("s1", "1"), ("s2", "1"), ("s3", "1")]
    assert (lab.data / "p" / status["runID"] / "s3" / "manifest.json").exists()
    native = lab.get("cm", status["frozenSpec"]["name"] + "-native")
    document = json.loads(native["data"]["docker-compose.yml"])
    assert list(document["services"]) == ["s1", "s2", "s3"]
    # its containers stay for their logs, and go with it
    assert "fondant.ai/cancel" in lab.get("frun", name)["metadata"]["finalizers"]
    again = lab.run_to(lab.linear("p", {}, {"print": "it's $HOME"}, {},
                                  triggers={"rerunToken": "1"}), not_run=name)
    assert set(phases_of(again).values()) == {"Cached"}
    assert not containers(lab, again["metadata"]["name"])


def test_a_failure_is_told_in_the_users_words(lab):
    run = lab.run_to(lab.linear("p", {}, {"fail": 3, "print": "no cheese"}, {}), "Failed")
    step = steps_of(run)["s2"]
    assert step["exitCode"] == 3 and "no cheese" in step["message"]
    assert phases_of(run) == {"s1": "Succeeded", "s2": "Failed", "s3": "Skipped"}


def test_a_deleted_run_leaves_no_container(lab):
    lab.apply(lab.linear("p", {}, {"sleep": 600}))
    run = lab.latest("p")
    lab.runs(run, "s2")
    assert "fondant.ai/cancel" in lab.get("frun", run)["metadata"]["finalizers"]
    protected = lambda: lab.get("fbe", "default")["metadata"].get("finalizers")
    lab.wait("the backend to be protected", protected)
    lab.kubectl("delete", "frun", run, "--wait")
    lab.wait("the backend to be let go", lambda: not protected())
    assert not lab.docker.containers(run)
    assert run not in lab.docker.docker("network", "ls").stdout


def test_an_orphans_container_goes_on(lab):
    lab.apply(lab.linear("p", {}, {"sleep": 600}, deletionPolicy="Orphan"))
    run = lab.latest("p")
    lab.runs(run, "s2")
    lab.kubectl("delete", "fpl", "p", "--wait")
    lab.wait("the run to go", lambda: not lab.get("frun", run))
    left = lab.docker.containers(run)
    try:
        assert [c["State"]["Running"] for c in left
                if c["Config"]["Labels"]["fondant.ai/step"] == "s2"] == [True]
    finally:
        for container in left:
            lab.docker.docker("rm", "-f", container["Id"])


def test_a_cancelled_run_stops(lab):
    lab.apply(lab.linear("p", {}, {"sleep": 600}))
    run = lab.latest("p")
    lab.runs(run, "s2")
    lab.patch("frun", run, {"spec": {"desiredState": "Cancelled"}})
    lab.finished(run, "Cancelled")
    assert not [c for c in lab.docker.containers(run) if c["State"]["Running"]]


def test_credentials_that_are_wrong_are_said_and_mended(lab):
    shutil.copy(lab.docker.folder / "ca.crt", lab.docker.folder / "good.crt")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout",
                    "other.key", "-out", "other.crt", "-days", "2", "-subj", "/CN=other"],
                   cwd=lab.docker.folder, check=True, capture_output=True)
    lab.apply(lab.secret("other.crt"))
    said = lab.unready()
    assert "certificate" in said["message"].lower(), said
    lab.apply(lab.secret())
    lab.ready()
    lab.run_to(lab.linear("p", {}))


def theirs(lab, *arguments):
    """A document as another tool could have written it, in a ConfigMap, and its pipeline."""
    steps = lab.linear("theirs", *arguments)
    steps["spec"]["workingDirectory"] = str(lab.data)
    file = lab.data / "theirs.yaml"
    file.write_text(json.dumps(steps))
    document = yaml.safe_load(subprocess.run(
        [str(ROOT / "build/kubectl-fondant"), "compile", "-f", str(file), "--backend", "docker",
         "--run", "theirs-1", "-o", "native"], check=True, capture_output=True, text=True).stdout)
    for service in document["services"].values():
        service["environment"]["ROWS"] = "${rows}"
    return [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "theirs"},
         "data": {"docker-compose.yml": json.dumps(document)}},
        {"apiVersion": "fondant.ai/v1alpha1", "kind": "FondantPipeline",
         "metadata": {"name": "theirs"}, "spec": {
             "parameters": [{"name": "rows", "type": "int", "default": 7}],
             "native": {"format": "Compose", "configMapKeyRef": {
                 "name": "theirs", "key": "docker-compose.yml"}}}}]


def test_a_compose_document(lab):
    source, pipeline = theirs(lab, {}, {"print": "from theirs"})
    lab.apply(source)
    run = lab.run_to(pipeline)
    name = run["metadata"]["name"]
    assert phases_of(run) == {"s1": "Succeeded", "s2": "Succeeded"}
    assert sorted(containers(lab, name)) == [("s1", "1"), ("s2", "1")]
    assert "ROWS=7" in containers(lab, name)["s1", "1"]["Config"]["Env"]
    assert (lab.data / "theirs/theirs-1/s2/manifest.json").exists()
    native = lab.get("cm", run["status"]["frozenSpec"]["name"] + "-native")
    assert json.loads(native["data"]["docker-compose.yml"])["services"]["s1"]["environment"]["ROWS"] == "7"


def test_a_compose_document_fails(lab):
    source, pipeline = theirs(lab, {}, {"fail": 3, "print": "no cheese"}, {})
    lab.apply(source)
    run = lab.run_to(pipeline, "Failed")
    assert phases_of(run) == {"s1": "Succeeded", "s2": "Failed", "s3": "Skipped"}
    assert "no cheese" in steps_of(run)["s2"]["message"]
    # what an engine will never take has failed as well, and its pipeline's image is not looked for again
    body = json.loads(source["data"]["docker-compose.yml"])
    body["services"]["s1"]["image"] = f"{REGISTRY}/none:1"
    source["data"]["docker-compose.yml"] = json.dumps(body)
    lab.apply(source)
    pipeline["spec"]["triggers"] = {"rerunToken": "1"}
    run = lab.run_to(pipeline, "Failed", not_run=run["metadata"]["name"])
    assert steps_of(run)["s1"]["reason"] == "Refused" and "none:1" in steps_of(run)["s1"]["message"]


def test_a_wrong_compose_document(lab):
    source, pipeline = theirs(lab, {})
    body = json.loads(source["data"]["docker-compose.yml"])
    body["services"]["s1"]["privileged"] = True
    source["data"]["docker-compose.yml"] = json.dumps(body)
    lab.apply(source, pipeline)
    said = lab.wait("the finding", lambda: (lambda c: c["status"] == "False" and c)(
        lab.condition("fpl", "theirs")))
    assert "spec.native.configMapKeyRef: services.s1.privileged: " in said["message"]
    assert not lab.get("frun")


def test_the_controller_is_killed_again_and_again(lab, operator):
    """Twenty times: the runs come to their ends, and no attempt has a second container."""
    pipelines = [f"p{i}" for i in range(3)]
    for name in pipelines:
        lab.apply(lab.linear(name, {"sleep": 1}, *[{"sleep": 2}] * 5))
    for _ in range(KILLS):
        seen = len(lab.docker.containers(namespace=lab.name))
        wait_until(lambda: len(lab.docker.containers(namespace=lab.name)) != seen or all(
            r.get("status", {}).get("phase") == "Succeeded" for r in lab.get("frun")), 240,
            lambda: operator.describe())
        replace_controller(operator)
    for name in pipelines:
        run = lab.finished(lab.latest(name))
        found = [(c["Config"]["Labels"]["fondant.ai/step"], c["Config"]["Labels"]["fondant.ai/attempt"])
                 for c in lab.docker.containers(run["metadata"]["name"])]
        assert sorted(found) == [(f"s{i}", "1") for i in range(1, 7)]
        assert set(phases_of(run).values()) == {"Succeeded"}

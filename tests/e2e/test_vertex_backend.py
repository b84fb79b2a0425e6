"""A FondantBackend of kind vertex: the controller signs for a token with a service account's key, and
follows the job that it has made. The server judges by the vendor's messages and verifies the signature by
the vendor's library (tests/vertex_server.py)."""
import json
import subprocess

import pytest

from kit import CLUSTER, ROOT, Namespace, helm_install, phases_of, steps_of, wait_until
from test_disruption import replace_controller

HOST, PORT = "10.244.0.1", "5320"  # the cluster's bridge, as the controller sees it
ENDPOINT = f"http://{HOST}:{PORT}"
PYTHON = str(ROOT / ".cache/kfp-venv/bin/python")
KEYS = ROOT / "tests/data/keys"
KILLS = 3


class Server:
    def __init__(self, cluster):
        self.cluster = cluster

    def of(self, run):
        """Every job of the run, by its id."""
        jobs = json.loads(self.cluster.exec("curl", "-sf", f"{ENDPOINT}/test/jobs").stdout)
        return {name: job for name, job in jobs.items()
                if job["displayName"].startswith(f"{run}-")}


@pytest.fixture(scope="module")
def server(operator, tmp_path_factory):
    subprocess.run([str(ROOT / "tests/deps"), "kfp"], check=True)
    with (tmp_path_factory.mktemp("vertex") / "log").open("wb") as log:
        process = subprocess.Popen(
            [CLUSTER, "exec", operator.name, "--", PYTHON, "-W", "ignore",
             str(ROOT / "tests/vertex_server.py"), PORT, str(KEYS / "test-only.pub.pem"), HOST],
            env=operator.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def answers():
        assert process.poll() is None
        return operator.exec("curl", "-sf", f"{ENDPOINT}/test/jobs", check=False).returncode == 0
    try:
        wait_until(answers, 120, lambda: "the server does not answer")
        # a key whose token_uri is not Google's is only taken where that is allowed
        helm_install(operator, operator.operator_image, "--set", "allowLocalEndpoints=true",
                     "--set-json", "extraEnv=" + json.dumps([
                         {"name": "CLOUDSDK_API_ENDPOINT_OVERRIDES_AIPLATFORM",
                          "value": f"{ENDPOINT}/"}]))
        yield Server(operator)
    finally:
        helm_install(operator, operator.operator_image)
        process.terminate()
        process.wait(timeout=20)


class Lab(Namespace):
    def secret(self, email="loader@my-project.iam.gserviceaccount.com"):
        key = {"type": "service_account", "private_key_id": "k1", "client_email": email,
               "private_key": (KEYS / "test-only.pem").read_text(),
               "token_uri": f"{ENDPOINT}/token"}
        return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "google"},
                "stringData": {"key.json": json.dumps(key)}}

    def pipeline(self, name, steps, **spec):
        return {"apiVersion": "fondant.ai/v1alpha1", "kind": "FondantPipeline",
                "metadata": {"name": name}, "spec": {
                    "workingDirectory": "gs://lake/fondant", "steps": steps, **spec}}


@pytest.fixture
def lab(operator, server):
    found = Lab(operator)
    operator.kubectl("create", "namespace", found.name)
    found.apply(found.secret(), {
        "apiVersion": "fondant.ai/v1alpha1", "kind": "FondantBackend",
        "metadata": {"name": "default"}, "spec": {"vertex": {
            "project": "my-project", "location": "europe-west1", "labels": {"team": "corpus"},
            "auth": {"serviceAccountKey": {"secretKeyRef": {
                "name": "google", "key": "key.json"}}}}}})
    found.ready()
    yield found
    found.remove()


def test_a_job_is_made_and_followed(lab, server):
    run = lab.run_to(lab.linear("p", {}, {}))
    name, status = run["metadata"]["name"], run["status"]
    assert phases_of(run) == {"s1": "Succeeded", "s2": "Succeeded"}
    [(job, body)] = server.of(name).items()
    assert status["backendRunID"] == job and f"/pipelines/runs/{job}?" in status["url"]
    assert body["labels"]["team"] == "corpus"
    native = lab.get("cm", status["frozenSpec"]["name"] + "-native")["data"]["vertex.json"]
    assert "PRIVATE KEY" not in json.dumps(run) + native + json.dumps(lab.get("events"))
    # what hit is not in the next job
    again = lab.run_to(lab.linear("p", {}, {"rows": 2}), not_run=name)
    assert phases_of(again) == {"s1": "Cached", "s2": "Succeeded"}
    [body] = server.of(again["metadata"]["name"]).values()
    assert list(body["pipelineSpec"]["root"]["dag"]["tasks"]) == ["s2"]


def test_a_failure_is_told_in_the_backends_words(lab):
    run = lab.run_to(lab.linear("p", {"note": "fail"}, {}), "Failed")
    assert steps_of(run)["s1"]["phase"] == "Failed" and steps_of(run)["s1"]["message"]
    assert steps_of(run)["s2"]["phase"] == "Skipped"


def test_a_deleted_run_is_cancelled_there(lab, server):
    lab.apply(lab.linear("p", {"note": "hang"}, {}))
    run = lab.latest("p")
    lab.wait("it to run", lambda: "steps" in lab.get("frun", run)["status"]
             and phases_of(lab.get("frun", run))["s1"] == "Running")
    lab.kubectl("delete", "frun", run, "--wait")
    [body] = server.of(run).values()
    assert body["cancelled"]


def test_a_key_that_is_refused_is_said_and_mended(lab):
    good = lab.secret()
    bad = json.loads(good["stringData"]["key.json"])
    bad["private_key"] = subprocess.run(["openssl", "genpkey", "-algorithm", "RSA"], check=True,
                                        capture_output=True, text=True).stdout
    lab.apply({**good, "stringData": {"key.json": json.dumps(bad)}})
    said = lab.unready()
    assert "credentials" in said["message"], said
    lab.apply(good)
    lab.ready()


def test_the_controller_is_killed_again_and_again(lab, operator, server):
    for i in range(2):
        lab.apply(lab.linear(f"k{i}", {}, {}, {}))
    for _ in range(KILLS):
        replace_controller(operator)
    names = [lab.finished(lab.latest(f"k{i}"))["metadata"]["name"] for i in range(2)]
    assert [len(server.of(name)) for name in names] == [1, 1]

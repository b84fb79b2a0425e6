"""A FondantBackend of kind sagemaker: the controller signs with the keys of a Secret, and follows what it
has started. AWS is moto, its signature check on, with what it lacks (tests/sagemaker_server.py)."""
import json
import subprocess

import pytest

from kit import CLUSTER, ROOT, Namespace, helm_install, phases_of, probe_step, steps_of, wait_until
from sagemakerlab import IMAGE, LOOK, ROLE, SETUP
from test_disruption import replace_controller

ADDRESS = "10.244.0.1:5310"  # the cluster's bridge, as pods and the controller see it
ENDPOINT = f"http://{ADDRESS}"
PYTHON = str(ROOT / ".cache/s3-venv/bin/python")
KILLS = 3


class Server:
    def __init__(self, cluster, keys):
        self.cluster = cluster
        self.keys = keys

    def of(self, pipeline):
        """Executions of one pipeline, as the vendor's client sees them."""
        env = {**self.keys["admin"], "AWS_REGION": "eu-west-1"}
        done = self.cluster.exec("env", *(f"{k}={v}" for k, v in env.items()), PYTHON, "-c", LOOK,
                                 ENDPOINT)
        return [e for e in json.loads(done.stdout) if f"-{pipeline}-" in e["pipeline"]]


@pytest.fixture(scope="module")
def server(operator, tmp_path_factory):
    subprocess.run([str(ROOT / "tests/deps"), "s3"], check=True)
    host, port = ADDRESS.split(":")
    with (tmp_path_factory.mktemp("sagemaker") / "log").open("wb") as log:
        moto = subprocess.Popen(
            [CLUSTER, "exec", operator.name, "--", "env", "INITIAL_NO_AUTH_ACTION_COUNT=9999",
             "THROTTLE=1", PYTHON, str(ROOT / "tests/sagemaker_server.py"), "-H", host, "-p", port],
            env=operator.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        wait_until(lambda: operator.exec("curl", "-sf", ENDPOINT + "/moto-api/", check=False
                                         ).returncode == 0, 60, lambda: "moto does not answer")
        keys = json.loads(operator.exec(PYTHON, "-c", SETUP, ENDPOINT).stdout)
        operator.exec("curl", "-sf", "-X", "POST", "-H", "Content-Type: text/plain", "-d", "0",
                      ENDPOINT + "/moto-api/reset-auth")
        helm_install(operator, operator.operator_image, "--set-json",
                     f"extraEnv={json.dumps([{'name': 'AWS_ENDPOINT_URL', 'value': ENDPOINT}])}")
        yield Server(operator, keys)
    finally:
        helm_install(operator, operator.operator_image)
        moto.terminate()
        moto.wait(timeout=20)


class Lab(Namespace):
    def secret(self, keys):
        return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "aws"},
                "stringData": keys}

    def pipeline(self, name, steps, word="x", **spec):
        for step in steps:
            step["component"]["spec"]["image"] = IMAGE
        # its arguments go by S3, where the server does not look
        steps[0]["env"] = [{"name": "WORD", "value": word}]
        return {"apiVersion": "fondant.ai/v1alpha1", "kind": "FondantPipeline",
                "metadata": {"name": name}, "spec": {
                    "workingDirectory": "s3://lake/fondant", "imageDigestPolicy": "Ignore",
                    "steps": steps, **spec}}

    def runs(self, run):
        self.wait("it to run", lambda: "steps" in self.get("frun", run)["status"]
                  and phases_of(self.get("frun", run))["s1"] == "Running")


@pytest.fixture
def lab(operator, server):
    found = Lab(operator)
    operator.kubectl("create", "namespace", found.name)
    found.apply(found.secret(server.keys["operator"]), {
        "apiVersion": "fondant.ai/v1alpha1", "kind": "FondantBackend",
        "metadata": {"name": "default"}, "spec": {"sagemaker": {
            "region": "eu-west-1", "roleArn": ROLE,
            "auth": {"accessKey": {"secretRef": {"name": "aws"}}}}}})
    found.ready()
    yield found
    found.remove()


def test_a_run_is_started_and_followed(lab, server):
    run = lab.run_to(lab.linear("whole", {}, {}))
    status = run["status"]
    assert phases_of(run) == {"s1": "Succeeded", "s2": "Succeeded"}
    # its page in SageMaker Studio is below a domain that the API does not tell
    assert status["backendRunID"].startswith("run-") and "url" not in status
    [execution] = server.of("whole")
    assert execution["status"] == "Succeeded"
    native = lab.get("cm", status["frozenSpec"]["name"] + "-native")["data"]["sagemaker.json"]
    assert "2020-12-01" in native
    everything = json.dumps(run) + native + json.dumps(lab.get("events"))
    assert not any(key in everything for key in server.keys["operator"].values())
    # what hit is not in what is started
    again = lab.run_to(lab.linear("whole", {}, {"rows": 2}), not_run=run["metadata"]["name"])
    assert phases_of(again) == {"s1": "Cached", "s2": "Succeeded"}
    steps = [[s["Name"] for s in e["definition"]["Steps"]] for e in server.of("whole")]
    assert sorted(steps) == [["s1", "s2"], ["s2"]]


def test_a_failure_is_told_in_the_jobs_words(lab):
    run = lab.run_to(lab.pipeline("broken", [probe_step("s1", produces=["a"]),
                                             probe_step("s2", consumes=["a"])], "fail"), "Failed")
    step = steps_of(run)["s1"]
    assert step["exitCode"] == 1 and "AlgorithmError" in step["message"]
    assert steps_of(run)["s2"]["phase"] == "Skipped"


def test_a_deleted_run_is_stopped(lab, server):
    lab.apply(lab.pipeline("gone", [probe_step("s1", produces=["a"])], "hang"))
    run = lab.latest("gone")
    lab.runs(run)
    lab.kubectl("delete", "frun", run, "--wait")
    assert [e["status"] for e in server.of("gone")] == ["Stopped"]


def test_keys_that_are_refused_are_said_and_mended(lab, server):
    lab.apply(lab.secret({**server.keys["operator"], "AWS_SECRET_ACCESS_KEY": "wrong"}))
    said = lab.unready()
    assert "SignatureDoesNotMatch" in said["message"] and "wrong" not in said["message"]
    lab.apply(lab.secret(server.keys["operator"]))
    lab.ready()


def test_the_controller_is_killed_again_and_again(lab, operator, server):
    for i in range(2):
        lab.apply(lab.linear(f"k{i}", {}, {}, {}))
    for _ in range(KILLS):
        replace_controller(operator)
    for i in range(2):
        lab.finished(lab.latest(f"k{i}"))
    assert [len(server.of(f"k{i}")) for i in range(2)] == [1, 1]

"""A FondantBackend of kind kubeflow: the controller reaches a server by TLS, with a token of a service
account that it asks the cluster for, and follows what it has submitted. The server is a stand-in that
judges by the vendor's messages (tests/kubeflow_server.py)."""
import base64
import json
import subprocess

import pytest

from dockerlab import certificates
from kit import CLUSTER, ROOT, Namespace, phases_of, steps_of, wait_until
from test_disruption import replace_controller

ADDRESS, PORT = "10.244.0.1", "8443"
PYTHON = str(ROOT / ".cache/kfp-venv/bin/python")
AUDIENCE = "pipelines.kubeflow.org"
KILLS = 8


class Server:
    def __init__(self, cluster, folder):
        self.cluster = cluster
        self.folder = folder

    def tell(self, what):
        return json.loads(self.cluster.exec(
            "curl", "-sf", "--cacert", str(self.folder / "ca.crt"),
            f"https://{ADDRESS}:{PORT}/test/{what}").stdout)

    def of(self, run):
        """Everything of the one run that the server has of ours."""
        found = [r for r in self.tell("runs").values()
                 if r["body"]["display_name"].startswith(f"{run}-")]
        assert len(found) <= 1
        return found[0] if found else None


@pytest.fixture(scope="module")
def server(operator, tmp_path_factory):
    subprocess.run([str(ROOT / "tests/deps"), "kfp"], check=True)
    folder = tmp_path_factory.mktemp("kfp")
    certificates(folder, ADDRESS)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [CLUSTER, "exec", operator.name, "--", PYTHON, str(ROOT / "tests/kubeflow_server.py"),
             PORT, ADDRESS, str(folder / "server.crt"), str(folder / "server.key")],
            env=operator.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    found = Server(operator, folder)

    def answers():
        assert process.poll() is None, (folder / "log").read_text()
        return operator.exec("curl", "-sf", "--cacert", str(folder / "ca.crt"),
                             f"https://{ADDRESS}:{PORT}/test/runs", check=False).returncode == 0
    try:
        wait_until(answers, 60, lambda: "the server does not answer")
        yield found
    finally:
        process.terminate()
        process.wait(timeout=20)


class Lab(Namespace):
    def pipeline(self, name, steps, **spec):
        return {"apiVersion": "fondant.ai/v1alpha1", "kind": "FondantPipeline",
                "metadata": {"name": name}, "spec": {
                    "workingDirectory": "s3://lake/fondant", "steps": steps, **spec}}


@pytest.fixture
def lab(operator, server):
    found = Lab(operator)
    operator.kubectl("create", "namespace", found.name)
    found.kubectl("create", "serviceaccount", "kfp-client")
    ca = base64.b64encode((server.folder / "ca.crt").read_bytes()).decode()
    found.apply(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "kfp-tls"},
         "data": {"ca.crt": ca}},
        {"apiVersion": "fondant.ai/v1alpha1", "kind": "FondantBackend",
         "metadata": {"name": "default"}, "spec": {"kubeflow": {
             "endpoint": f"https://{ADDRESS}:{PORT}", "experiment": "corpus",
             "tls": {"secretRef": {"name": "kfp-tls"}},
             "auth": {"serviceAccountToken": {"serviceAccountName": "kfp-client",
                                              "audience": AUDIENCE}}}}})
    found.ready()
    yield found
    found.remove()


def test_a_run_is_submitted_and_followed(lab, server):
    run = lab.run_to(lab.linear("p", {}, {}))
    name, status = run["metadata"]["name"], run["status"]
    assert phases_of(run) == {"s1": "Succeeded", "s2": "Succeeded"}
    assert status["url"] == f"https://{ADDRESS}:{PORT}/#/runs/details/{status['backendRunID']}"
    found = server.of(name)
    assert found["workflows"] == 1 and found["body"]["run_id"] == status["backendRunID"]
    assert not lab.get("jobs")
    native = lab.get("cm", status["frozenSpec"]["name"] + "-native")["data"]["kubeflow.yaml"]
    assert '"schemaVersion":"2.1.0"' in native
    # the token is one that the cluster knows, of that account and for that audience
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
              "spec": {"token": server.tell("token")["token"], "audiences": [AUDIENCE]}}
    said = json.loads(lab.cluster.kubectl("create", "-f", "-", "-o", "json",
                                          stdin=json.dumps(review)).stdout)["status"]
    assert said["user"]["username"] == f"system:serviceaccount:{lab.name}:kfp-client"


def test_what_hit_is_not_submitted(lab, server):
    first = lab.run_to(lab.linear("p", {}, {"rows": 1}))
    again = lab.run_to(lab.linear("p", {}, {"rows": 2}), not_run=first["metadata"]["name"])
    assert phases_of(again) == {"s1": "Cached", "s2": "Succeeded"}
    tasks = server.of(again["metadata"]["name"])["body"]["pipeline_spec"]["pipeline_spec"]["root"][
        "dag"]["tasks"]
    assert list(tasks) == ["s2"]
    hit = lab.run_to(lab.linear("p", {}, {"rows": 2}, triggers={"rerunToken": "1"}),
                     not_run=again["metadata"]["name"])
    assert set(phases_of(hit).values()) == {"Cached"}
    assert not server.of(hit["metadata"]["name"])


def test_a_failure_leads_to_the_page(lab):
    run = lab.run_to(lab.linear("p", {"note": "fail"}, {}), "Failed")
    step = steps_of(run)["s1"]
    assert step["phase"] == "Failed" and "/#/runs/details/" in step["message"]
    assert steps_of(run)["s2"]["phase"] == "Skipped"


def test_a_deleted_run_is_terminated(lab, server):
    lab.apply(lab.linear("p", {"note": "hang"}, {}))
    run = lab.latest("p")
    lab.wait("it to run", lambda: "steps" in lab.get("frun", run)["status"]
             and phases_of(lab.get("frun", run))["s1"] == "Running")
    lab.kubectl("delete", "frun", run, "--wait")
    assert server.of(run)["terminated"]


def test_an_orphan_is_left_with_its_backend(lab, server):
    lab.apply(lab.linear("p", {"note": "hang"}, {}, deletionPolicy="Orphan"))
    run = lab.latest("p")
    lab.wait("it to run", lambda: "steps" in lab.get("frun", run)["status"]
             and phases_of(lab.get("frun", run))["s1"] == "Running")
    lab.kubectl("delete", "fpl", "p", "--wait")
    lab.wait("the run to go", lambda: not lab.get("frun", run))
    assert not server.of(run)["terminated"]
    assert "Orphaned" in lab.kubectl("get", "events").stdout


DOCUMENT = {
    "schemaVersion": "2.1.0", "pipelineInfo": {"name": "by-another-tool"},
    "components": {"comp-work": {"executorLabel": "exec-work"}},
    "deploymentSpec": {"executors": {"exec-work": {"container": {"image": "reg.example/work:1"}}}},
    "root": {"inputDefinitions": {"parameters": {"word": {"parameterType": "STRING"}}},
             "dag": {"tasks": {
                 "first": {"componentRef": {"name": "comp-work"}, "taskInfo": {"name": "first"}},
                 "second": {"componentRef": {"name": "comp-work"}, "taskInfo": {"name": "second"},
                            "dependentTasks": ["first"]}}}}}


def native(name, word="x", **spec):
    return {"apiVersion": "fondant.ai/v1alpha1", "kind": "FondantPipeline", "metadata": {"name": name},
            "spec": {"parameters": [{"name": "word", "type": "str", "default": word}],
                     "native": {"format": "KubeflowIR",
                                "configMapKeyRef": {"name": "theirs", "key": "ir.json"}}, **spec}}


def config(document):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "theirs"},
            "data": {"ir.json": json.dumps(document)}}


def test_a_native_document(lab, operator, server):
    """Frozen, submitted, followed across a restart, shown by the steps that the server reports."""
    lab.apply(config(DOCUMENT))
    run = lab.run_to(native("p"))
    name, status = run["metadata"]["name"], run["status"]
    assert phases_of(run) == {"first": "Succeeded", "second": "Succeeded"}
    assert status["progress"] == "2/2"
    body = server.of(name)["body"]
    assert body["pipeline_spec"] == {"pipeline_spec": DOCUMENT}
    assert body["runtime_config"]["parameters"] == {"word": "x"}
    frozen = json.loads(lab.get("cm", status["frozenSpec"]["name"])["data"]["spec.json"])
    assert frozen["native"] == {"format": "KubeflowIR", "document": [DOCUMENT]}
    # what the ConfigMap says later is for the next edit
    later = json.loads(json.dumps(DOCUMENT).replace("work:1", "work:2"))
    lab.apply(config(later), native("p", "hang"))
    second = lab.wait("a second run", lambda: (lambda r: r != name and r)(lab.latest("p")))
    lab.wait("it to run", lambda: "steps" in lab.get("frun", second)["status"]
             and phases_of(lab.get("frun", second)).get("first") == "Running")
    assert "work:2" in json.dumps(server.of(second)["body"])
    replace_controller(operator)
    lab.kubectl("patch", "frun", second, "--type=merge", "-p",
                '{"spec": {"desiredState": "Cancelled"}}')
    ended = lab.finished(second, "Cancelled")
    assert server.of(second)["workflows"] == 1 and server.of(second)["terminated"]
    assert phases_of(ended)["first"] == "Cancelled"


def test_a_native_document_that_is_wrong_or_denied(lab, server):
    def stalled(name, words):
        found = lab.get("fpl", name)
        condition = next((c for c in found.get("status", {}).get("conditions", [])
                          if c["type"] == "Stalled"), {"message": ""})
        return words in condition["message"] and condition["message"]

    wrong = json.loads(json.dumps(DOCUMENT).replace('"name": "comp-work"', '"name": "comp-wrk"'))
    lab.apply(config(wrong), native("wrong"))
    message = lab.wait("it to stall", lambda: stalled("wrong", "comp-wrk"))
    assert "spec.native.configMapKeyRef: root.dag.tasks.first.componentRef: " in message
    lab.kubectl("patch", "fbe", "default", "--type=merge", "-p",
                '{"spec": {"policy": {"imagePrefixes": ["fndnt/"]}}}')
    lab.apply(config(DOCUMENT), native("denied"))
    lab.wait("it to be denied", lambda: stalled("denied", "does not allow native documents"))
    lab.kubectl("patch", "fbe", "default", "--type=merge", "-p",
                '{"spec": {"policy": {"native": "Allow"}}}')
    lab.apply(native("image"))
    lab.wait("its image to be denied", lambda: stalled("image", "reg.example/work:1"))


def test_the_controller_is_killed_again_and_again(lab, operator, server):
    names = []
    for i in range(3):
        lab.apply(lab.linear(f"p{i}", {"note": f"n{i}"}, {}, {}))
    for _ in range(KILLS):
        replace_controller(operator)
    for i in range(3):
        names.append(lab.finished(lab.latest(f"p{i}"))["metadata"]["name"])
    assert [server.of(name)["workflows"] for name in names] == [1, 1, 1]
